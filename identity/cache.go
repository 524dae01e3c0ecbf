package identity

import (
	"crypto/sha256"
	"slices"
	"strings"
	"sync"

	"altostack/kernel/auth"
)

// Keys name what a derived token depends on. A change names the keys it touches.
const (
	keyCatalog = "catalog"
	keyRoles   = "roles" // a role or an implication: every token
	keyAll     = "all"
)

func userKey(id string) string       { return "user:" + id }
func groupKey(id string) string      { return "group:" + id }
func projectKey(id string) string    { return "project:" + id }
func domainKey(id string) string     { return "domain:" + id }
func appCredKey(id string) string    { return "appcred:" + id }
func credentialKey(id string) string { return "credential:" + id }
func auditKey(id string) string      { return "audit:" + id }
func chainKey(id string) string      { return "chain:" + id }

type digest = [sha256.Size]byte

// entry is a derived token. Both principals are made once, so that a hit costs
// no memory.
type entry struct {
	token  *Token
	again  *auth.Principal // the token's principal, marked as cached
	expiry int64           // microseconds
	keys   []string
	secret string // of an access key
}

// cache remembers derived tokens by digest, and who depends on what. An entry is
// let in only if nothing changed since its rows began to be read.
type cache struct {
	mu     sync.RWMutex
	max    int
	tokens map[digest]*entry
	by     map[string]map[digest]struct{} // key → dependents
}

// single tells whether few tokens depend on the key, often one. Such keys are not
// indexed, as the index would be larger than the tokens: who drops one looks
// through all, which takes less than a millisecond and is seldom.
func single(key string) bool {
	return strings.HasPrefix(key, "chain:") || strings.HasPrefix(key, "audit:")
}

func newCache(max int) *cache {
	return &cache{max: max, tokens: map[digest]*entry{}, by: map[string]map[digest]struct{}{}}
}

func (c *cache) get(d digest) *entry {
	c.mu.RLock()
	e := c.tokens[d]
	c.mu.RUnlock()
	return e
}

// put remembers e if fresh still holds under the lock that drop takes too.
func (c *cache) put(d digest, e *entry, fresh func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !fresh() {
		return
	}
	if _, has := c.tokens[d]; !has && len(c.tokens) >= c.max {
		for old := range c.tokens { // any one: the order of a map is random enough
			c.remove(old)
			break
		}
	}
	c.tokens[d] = e
	for _, key := range e.keys {
		if single(key) {
			continue
		}
		set := c.by[key]
		if set == nil {
			set = map[digest]struct{}{}
			c.by[key] = set
		}
		set[d] = struct{}{}
	}
}

// remove needs the lock.
func (c *cache) remove(d digest) {
	e := c.tokens[d]
	if e == nil {
		return
	}
	delete(c.tokens, d)
	for _, key := range e.keys {
		if single(key) {
			continue
		}
		set := c.by[key]
		delete(set, d)
		if len(set) == 0 {
			delete(c.by, key)
		}
	}
}

// drop forgets every dependent of the keys; moved runs under the lock.
func (c *cache) drop(keys []string, moved func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	moved()
	for _, key := range keys {
		if key == keyAll || key == keyRoles {
			clear(c.tokens)
			clear(c.by)
			return
		}
		if single(key) {
			for d, e := range c.tokens {
				if slices.Contains(e.keys, key) {
					c.remove(d)
				}
			}
		}
		for d := range c.by[key] {
			c.remove(d)
		}
	}
}

func (c *cache) forget(d digest) {
	c.mu.Lock()
	c.remove(d)
	c.mu.Unlock()
}
