package identity

import (
	"context"
	"strings"
	"sync"
)

// maxTexts bounds the catalogs kept as text; at about 5 KiB each.
const maxTexts = 1000

// catalogTexts keeps catalogs as they are answered, as they are the larger part of
// every token's answer and the same for all tokens of a project. They live and die
// with the stored catalog that they were made of.
type catalogTexts struct {
	mu     sync.RWMutex
	byUser bool // some address holds the user's id
	texts  map[[2]string][]byte
}

// CatalogText is Catalog as render spells it, which must depend on nothing else.
// The bytes are shared: nobody may change them.
func (s *Service) CatalogText(ctx context.Context, projectID, userID string, render func([]CatalogEntry) ([]byte, error)) ([]byte, error) {
	if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	c, err := s.stored(ctx)
	if err != nil {
		return nil, err
	}
	key := [2]string{projectID, userID}
	if !c.texts.byUser {
		key[1] = ""
	}
	c.texts.mu.RLock()
	text := c.texts.texts[key]
	c.texts.mu.RUnlock()
	if text != nil {
		return text, nil
	}
	entries, err := s.Catalog(ctx, projectID, userID)
	if err != nil {
		return nil, err
	}
	if text, err = render(entries); err != nil {
		return nil, err
	}
	s.memoMu.Lock()
	fresh := s.catalog == c // else the entries may be of a newer one
	s.memoMu.Unlock()
	if fresh {
		c.texts.keep(key, text)
	}
	return text, nil
}

func (t *catalogTexts) keep(key [2]string, text []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.texts) >= maxTexts {
		for old := range t.texts {
			delete(t.texts, old)
			break
		}
	}
	t.texts[key] = text
}

func newCatalogTexts(endpoints map[string][]Endpoint) *catalogTexts {
	t := &catalogTexts{texts: map[[2]string][]byte{}}
	for _, all := range endpoints {
		for _, e := range all {
			t.byUser = t.byUser || strings.Contains(e.URL, "user_id)s")
		}
	}
	return t
}

// text is a token's answer without the catalog, made when it is first asked for.
type text struct {
	once  sync.Once
	bytes []byte
	err   error
}

// Text answers the token as render spells it, which must depend on the token only.
func (t *Token) Text(render func(*Token) ([]byte, error)) ([]byte, error) {
	t.text.once.Do(func() { t.text.bytes, t.text.err = render(t) })
	return t.text.bytes, t.text.err
}
