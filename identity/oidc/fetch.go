package oidc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"altostack/identity"
)

// Bounds on what is fetched. Documents and keys are read again when they are older
// than maxAge; a key that is not known is looked for at most every minAge.
const (
	maxBody = 1 << 20
	maxAge  = 10 * time.Minute
	minAge  = 10 * time.Second
)

// discovery is the part of a provider's document that is used.
type discovery struct {
	Issuer        string   `json:"issuer"`
	Authorize     string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	Keys          string   `json:"jwks_uri"`
	UserInfo      string   `json:"userinfo_endpoint"`
	Introspection string   `json:"introspection_endpoint"`
	TokenAuth     []string `json:"token_endpoint_auth_methods_supported"`
}

// described answers the provider's document, fetching it if need be. While it
// cannot be fetched again the old one serves.
func (p *party) described(ctx context.Context) (*discovery, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.doc != nil && p.clock.Now().Sub(p.fetched) < maxAge {
		return p.doc, nil
	}
	doc := &discovery{}
	err := p.get(ctx, strings.TrimSuffix(p.Issuer, "/")+"/.well-known/openid-configuration", "", doc)
	if err == nil {
		err = doc.check(p.Issuer)
	}
	switch {
	case err == nil:
		p.doc, p.fetched = doc, p.clock.Now()
	case p.doc == nil:
		return nil, fmt.Errorf("discovery of %s: %w", p.Issuer, err)
	}
	return p.doc, nil
}

func (d *discovery) check(issuer string) error {
	if d.Issuer != issuer {
		return fmt.Errorf("the document is of issuer %q", d.Issuer)
	}
	for name, address := range map[string]string{"authorization_endpoint": d.Authorize, "token_endpoint": d.Token, "jwks_uri": d.Keys, "userinfo_endpoint": d.UserInfo, "introspection_endpoint": d.Introspection} {
		if address == "" && name != "jwks_uri" {
			continue
		}
		if err := secure(address); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (p *party) get(ctx context.Context, address, bearer string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	return p.do(r, into)
}

// post sends a form, as this client.
func (p *party) post(ctx context.Context, d *discovery, address string, form url.Values, into any) error {
	basic := p.ClientSecret != "" && (len(d.TokenAuth) == 0 || slices.Contains(d.TokenAuth, "client_secret_basic"))
	if !basic {
		form.Set("client_id", p.ClientID)
		if p.ClientSecret != "" {
			form.Set("client_secret", p.ClientSecret)
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if basic {
		r.SetBasicAuth(url.QueryEscape(p.ClientID), url.QueryEscape(p.ClientSecret))
	}
	return p.do(r, into)
}

// denied is an answer by which a provider refuses what it was shown.
type denied struct{ status int }

func (d *denied) Error() string { return fmt.Sprintf("the provider answered %d", d.status) }
func (*denied) Unwrap() error   { return identity.ErrNotVouched }

func (p *party) do(r *http.Request, into any) error {
	r.Header.Set("Accept", "application/json")
	res, err := p.client.Do(r)
	if err != nil {
		var e *url.Error
		if errors.As(err, &e) { // its text has the address, whose query may hold secrets
			err = e.Err
		}
		return fmt.Errorf("%s %s: %w", r.Method, r.URL.Host+r.URL.Path, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	switch {
	case err != nil:
		return fmt.Errorf("%s %s: %w", r.Method, r.URL.Host+r.URL.Path, err)
	case len(body) > maxBody:
		return fmt.Errorf("%s %s: more than %d bytes", r.Method, r.URL.Host+r.URL.Path, maxBody)
	case res.StatusCode == http.StatusBadRequest || res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		return &denied{res.StatusCode}
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("%s %s: status %d", r.Method, r.URL.Host+r.URL.Path, res.StatusCode)
	}
	return decode(body, into)
}

// decode keeps numbers as they are spelled.
func decode(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return d.Decode(into)
}

// keySet is a provider's keys.
type keySet struct {
	party *party
	mu    sync.Mutex
	keys  jose.JSONWebKeySet
	read  time.Time
}

// algorithms are those of signatures that only the provider can make.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512, jose.PS256, jose.PS384, jose.PS512, jose.EdDSA}

// errCannotAsk marks what is no fault of the token.
var errCannotAsk = errors.New("the provider's keys cannot be fetched")

// verify answers the payload of a token that one of the keys signed.
func (k *keySet) verify(ctx context.Context, token string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return nil, err
	}
	if len(jws.Signatures) != 1 {
		return nil, errors.New("a token needs one signature")
	}
	id := jws.Signatures[0].Header.KeyID
	for fresh := false; ; fresh = true {
		keys, renewed, err := k.current(ctx, fresh)
		if err != nil {
			return nil, err
		}
		for _, key := range keys.Keys {
			if (id != "" && key.KeyID != id) || (key.Use != "" && key.Use != "sig") || !key.IsPublic() {
				continue
			}
			if payload, err := jws.Verify(&key); err == nil {
				return payload, nil
			}
		}
		if fresh || renewed {
			return nil, errors.New("no key of the provider signed it")
		}
	}
}

// current answers the keys; wanted says that those known did not do.
func (k *keySet) current(ctx context.Context, wanted bool) (keys jose.JSONWebKeySet, renewed bool, err error) {
	d, err := k.party.described(ctx)
	if err != nil {
		return keys, false, errors.Join(errCannotAsk, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	age := k.party.clock.Now().Sub(k.read)
	if !k.read.IsZero() && (age < minAge || (!wanted && age < maxAge)) {
		return k.keys, wanted, nil
	}
	var found jose.JSONWebKeySet
	if err := k.party.get(ctx, d.Keys, "", &found); err != nil {
		return keys, false, errors.Join(errCannotAsk, err)
	}
	k.keys, k.read = found, k.party.clock.Now()
	return k.keys, true, nil
}
