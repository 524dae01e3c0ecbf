package oidc_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"altostack/identity"
	"altostack/identity/oidc"
	"altostack/kernel/clock"
)

// provider is one that does as the test says; tools/oidcprovider is a real one.
type provider struct {
	*httptest.Server
	t       *testing.T
	clock   *clock.Virtual
	key     *rsa.PrivateKey
	kid     string
	keys    atomic.Int64 // fetches of the keys
	answer  map[string]http.HandlerFunc
	discard func(doc map[string]any)
}

func start(t *testing.T) *provider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{t: t, clock: clock.NewVirtual(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)), key: key, kid: "k1", answer: map[string]http.HandlerFunc{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		doc := map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"userinfo_endpoint": p.URL + "/userinfo", "introspection_endpoint": p.URL + "/introspect"}
		if p.discard != nil {
			p.discard(doc)
		}
		_ = json.NewEncoder(w).Encode(doc)
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		p.keys.Add(1)
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &p.key.PublicKey, KeyID: p.kid, Use: "sig", Algorithm: "RS256"}}})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if h := p.answer[r.URL.Path]; h != nil {
			h(w, r)
			return
		}
		http.NotFound(w, r)
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *provider) party(change func(*oidc.Provider)) *oidc.Parties {
	p.t.Helper()
	one := oidc.Provider{ID: "acme", Issuer: p.URL, ClientID: "cloud", ClientSecret: "s&cret"}
	if change != nil {
		change(&one)
	}
	parties, err := oidc.Open(oidc.Config{Providers: []oidc.Provider{one}, Clock: p.clock, Timeout: 2 * time.Second})
	if err != nil {
		p.t.Fatal(err)
	}
	return parties
}

func (p *provider) claims(change map[string]any) map[string]any {
	now := p.clock.Now()
	c := map[string]any{"iss": p.URL, "sub": "ann", "aud": "cloud", "exp": now.Add(time.Hour).Unix(), "iat": now.Unix()}
	for name, v := range change {
		if c[name] = v; v == nil {
			delete(c, name)
		}
	}
	return c
}

func (p *provider) sign(claims map[string]any) string {
	return signed(p.t, jose.RS256, p.key, p.kid, claims)
}

func signed(t *testing.T, alg jose.SignatureAlgorithm, key any, kid string, claims map[string]any) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", kid))
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := s.Sign(body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := sig.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestBearerTokens(t *testing.T) {
	p := start(t)
	parties := p.party(func(o *oidc.Provider) { o.Audience = []string{"robots"} })
	for name, change := range map[string]map[string]any{
		"for the client":         nil,
		"for several":            {"aud": []string{"x", "cloud"}},
		"for a further audience": {"aud": "robots"},
		"asked for by it":        {"aud": "account", "azp": "cloud"},
		"as access tokens are":   {"aud": nil, "client_id": "cloud"},
	} {
		if c, err := parties.Bearer(t.Context(), "acme", p.sign(p.claims(change))); err != nil || c["sub"] != "ann" {
			t.Errorf("%s: %v %v", name, c, err)
		}
	}
	for name, change := range map[string]map[string]any{
		"for another client":     {"aud": "other"},
		"for nobody":             {"aud": nil},
		"asked for by another":   {"aud": "account", "azp": "other"},
		"an audience of no text": {"aud": []any{map[string]any{"cloud": 1}, 7}},
		"of another issuer":      {"iss": "https://evil.test"},
		"of a longer issuer":     {"iss": p.URL + "/"},
		"over":                   {"exp": p.clock.Now().Add(-time.Second).Unix()},
		"without an end":         {"exp": nil},
		"not yet":                {"nbf": p.clock.Now().Add(time.Hour).Unix()},
		"about nobody":           {"sub": nil},
		"about a number":         {"sub": 7},
		"of a logout":            {"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}},
	} {
		if c, err := parties.Bearer(t.Context(), "acme", p.sign(p.claims(change))); !errors.Is(err, identity.ErrNotVouched) {
			t.Errorf("%s: %v %v", name, c, err)
		}
	}
}

func TestForgedTokens(t *testing.T) {
	p := start(t)
	parties := p.party(nil)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der(t, &p.key.PublicKey)})
	raw := func(header string) string {
		body, _ := json.Marshal(p.claims(nil))
		return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(body) + "."
	}
	good := strings.Split(p.sign(p.claims(nil)), ".")
	swapped := strings.Split(p.sign(p.claims(map[string]any{"sub": "root"})), ".")
	inline := func() string {
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: other}, &jose.SignerOptions{EmbedJWK: true})
		if err != nil {
			t.Fatal(err)
		}
		body, _ := json.Marshal(p.claims(nil))
		sig, err := s.Sign(body)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := sig.CompactSerialize()
		return text
	}
	for name, token := range map[string]string{
		"another key of the same name":      signed(t, jose.RS256, other, p.kid, p.claims(nil)),
		"another key of another name":       signed(t, jose.RS256, other, "k2", p.claims(nil)),
		"another kind of key":               signed(t, jose.ES256, curve, p.kid, p.claims(nil)),
		"a key of its own inside":           inline(),
		"the public key as a shared secret": signed(t, jose.HS256, public, p.kid, p.claims(nil)),
		"the client's secret":               signed(t, jose.HS256, append([]byte("s&cret"), make([]byte, 32)...), "", p.claims(nil)),
		"alg none":                          raw(`{"alg":"none"}`),
		"alg None":                          raw(`{"alg":"None","kid":"k1"}`),
		"alg none with the signature":       raw(`{"alg":"none"}`) + good[2],
		"another's content":                 good[0] + "." + swapped[1] + "." + good[2],
		"no signature":                      good[0] + "." + good[1] + ".",
		"rubbish":                           "a.b.c",
		"empty parts":                       "..",
	} {
		if c, err := parties.Bearer(t.Context(), "acme", token); !errors.Is(err, identity.ErrNotVouched) {
			t.Errorf("%s: %v %v", name, c, err)
		}
	}
}

func der(t *testing.T, key crypto.PublicKey) []byte {
	t.Helper()
	b, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestKeysRotate: a new key is found when it is first needed, an old one ends, and
// forged key names cannot make us fetch without end.
func TestKeysRotate(t *testing.T) {
	p := start(t)
	parties := p.party(nil)
	old := p.sign(p.claims(nil))
	if _, err := parties.Bearer(t.Context(), "acme", old); err != nil {
		t.Fatal(err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	forged := signed(t, jose.RS256, key, "nowhere", p.claims(nil))
	before := p.keys.Load()
	for range 50 {
		_, _ = parties.Bearer(t.Context(), "acme", forged)
	}
	if n := p.keys.Load() - before; n > 1 {
		t.Errorf("%d fetches for forged tokens", n)
	}
	p.key, p.kid = key, "k2"
	p.clock.Advance(11 * time.Second)
	if _, err := parties.Bearer(t.Context(), "acme", p.sign(p.claims(nil))); err != nil {
		t.Errorf("new key: %v", err)
	}
	if _, err := parties.Bearer(t.Context(), "acme", old); !errors.Is(err, identity.ErrNotVouched) {
		t.Errorf("old key: %v", err)
	}
}

func TestOpaqueTokens(t *testing.T) {
	p := start(t)
	said := map[string]any{"active": true, "sub": "ann", "client_id": "cloud", "groups": []string{"devs"}}
	p.answer["/introspect"] = func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		if id != "cloud" || secret != url.QueryEscape("s&cret") || r.FormValue("token") != "opaque" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_ = json.NewEncoder(w).Encode(said)
	}
	p.answer["/userinfo"] = func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer opaque" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"sub":"ann","email":"ann@x","iss":"https://evil.test"}`))
	}
	parties := p.party(nil)
	if c, err := parties.Bearer(t.Context(), "acme", "opaque"); err != nil || c["sub"] != "ann" || c["iss"] != p.URL {
		t.Errorf("introspected: %v %v", c, err)
	}
	if _, err := parties.Bearer(t.Context(), "acme", "other"); !errors.Is(err, identity.ErrNotVouched) {
		t.Errorf("refused by the provider: %v", err)
	}
	for name, change := range map[string]map[string]any{
		"not active": {"active": false}, "active as text": {"active": "true"}, "for another": {"client_id": "other"}, "about nobody": {"sub": ""}, "of another issuer": {"iss": "https://evil.test"},
	} {
		kept := said
		said = map[string]any{"active": true, "sub": "ann", "client_id": "cloud"}
		for k, v := range change {
			said[k] = v
		}
		if c, err := parties.Bearer(t.Context(), "acme", "opaque"); !errors.Is(err, identity.ErrNotVouched) {
			t.Errorf("%s: %v %v", name, c, err)
		}
		said = kept
	}
	if c, err := p.party(func(o *oidc.Provider) { o.Opaque = oidc.ByUserInfo }).Bearer(t.Context(), "acme", "opaque"); err != nil || c["email"] != "ann@x" || c["iss"] != p.URL {
		t.Errorf("userinfo: %v %v", c, err)
	}
	if _, err := p.party(func(o *oidc.Provider) { o.Opaque = oidc.Refused }).Bearer(t.Context(), "acme", "opaque"); !errors.Is(err, identity.ErrNotVouched) {
		t.Errorf("refused: %v", err)
	}
	p.discard = func(doc map[string]any) { delete(doc, "introspection_endpoint") }
	if _, err := p.party(nil).Bearer(t.Context(), "acme", "opaque"); !errors.Is(err, identity.ErrNotVouched) {
		t.Errorf("no introspection: %v", err)
	}
}

func TestUserInfoIsAboutTheSameUser(t *testing.T) {
	p := start(t)
	sub := "ann"
	p.answer["/userinfo"] = func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"sub":%q,"groups":["devs"],"aud":"other","n":12345678901234567890}`, sub)
	}
	parties := p.party(func(o *oidc.Provider) { o.UserInfo = true })
	c, err := parties.Bearer(t.Context(), "acme", p.sign(p.claims(nil)))
	if err != nil || fmt.Sprint(c["groups"]) != "[devs]" || c["aud"] != "cloud" || fmt.Sprint(c["n"]) != "12345678901234567890" {
		t.Errorf("%v %v", c, err)
	}
	sub = "bob"
	if _, err := parties.Bearer(t.Context(), "acme", p.sign(p.claims(nil))); !errors.Is(err, identity.ErrNotVouched) {
		t.Errorf("another's: %v", err)
	}
}

func TestLoginByBrowser(t *testing.T) {
	p := start(t)
	parties := p.party(nil)
	var nonce, challenge string
	change := map[string]any{}
	p.answer["/token"] = func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		if r.FormValue("code") != "the code" || r.FormValue("redirect_uri") != "https://cloud/back" || base64.RawURLEncoding.EncodeToString(sum[:]) != challenge {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		claims := map[string]any{"nonce": nonce}
		for k, v := range change {
			claims[k] = v
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"id_token": p.sign(p.claims(claims)), "access_token": "opaque"})
	}
	begin := func() identity.LoginSecret {
		t.Helper()
		address, secret, err := parties.Begin(t.Context(), "acme", "https://cloud/back")
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		nonce, challenge = q.Get("nonce"), q.Get("code_challenge")
		if u.Path != "/authorize" || q.Get("state") != secret.State || q.Get("code_challenge_method") != "S256" || q.Get("client_id") != "cloud" || len(secret.State) < 40 || strings.Contains(address, secret.Verifier) {
			t.Fatalf("sent to %s", address)
		}
		return secret
	}
	secret := begin()
	if c, err := parties.Finish(t.Context(), "acme", "https://cloud/back", "the code", secret); err != nil || c["sub"] != "ann" {
		t.Errorf("%v %v", c, err)
	}
	for name, bad := range map[string]map[string]any{
		"another nonce": {"nonce": "x"}, "no nonce": {"nonce": nil}, "another client": {"aud": "other"}, "several without azp": {"aud": []string{"cloud", "x"}}, "another azp": {"azp": "x"},
	} {
		change = bad
		if c, err := parties.Finish(t.Context(), "acme", "https://cloud/back", "the code", secret); !errors.Is(err, identity.ErrNotVouched) {
			t.Errorf("%s: %v %v", name, c, err)
		}
	}
	change = nil
	begin()
	if _, err := parties.Finish(t.Context(), "acme", "https://cloud/back", "the code", secret); !errors.Is(err, identity.ErrNotVouched) {
		t.Errorf("another login's verifier: %v", err)
	}
}

// TestAProviderThatMisbehaves: what cannot be asked is told apart from what is not
// vouched for, in time, and no redirect is followed.
func TestAProviderThatMisbehaves(t *testing.T) {
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer evil.Close()
	hold := make(chan struct{})
	tests := map[string]func(p *provider){
		"another issuer's document": func(p *provider) { p.discard = func(d map[string]any) { d["issuer"] = "https://evil.test" } },
		"keys over plain http":      func(p *provider) { p.discard = func(d map[string]any) { d["jwks_uri"] = "http://evil.test/keys" } },
		"keys in a file":            func(p *provider) { p.discard = func(d map[string]any) { d["jwks_uri"] = "file:///etc/passwd" } },
		"a redirect":                func(p *provider) { p.discard = func(d map[string]any) { d["jwks_uri"] = p.URL + "/away" } },
		"a body without end":        func(p *provider) { p.discard = func(d map[string]any) { d["jwks_uri"] = p.URL + "/long" } },
		"silence":                   func(p *provider) { p.discard = func(d map[string]any) { d["jwks_uri"] = p.URL + "/silent" } },
		"not JSON":                  func(p *provider) { p.discard = func(d map[string]any) { d["jwks_uri"] = p.URL + "/text" } },
		"down":                      func(p *provider) { p.Close() },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			p := start(t)
			p.answer["/away"] = func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, evil.URL, http.StatusFound) }
			p.answer["/long"] = func(w http.ResponseWriter, _ *http.Request) {
				for range 64 {
					_, _ = w.Write(make([]byte, 64<<10))
				}
			}
			p.answer["/silent"] = func(_ http.ResponseWriter, r *http.Request) {
				select {
				case <-hold:
				case <-r.Context().Done():
				}
			}
			p.answer["/text"] = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }
			token := p.sign(p.claims(nil))
			spoil(p)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			c, err := p.party(nil).Bearer(ctx, "acme", token)
			if err == nil || errors.Is(err, identity.ErrNotVouched) || ctx.Err() != nil {
				t.Errorf("%v %v", c, err)
			}
		})
	}
	close(hold)
}

func TestBadProviders(t *testing.T) {
	for want, p := range map[string]oidc.Provider{
		"must begin with https://": {ID: "a", Issuer: "http://idp.test", ClientID: "c"},
		"not an address":           {ID: "a", Issuer: "", ClientID: "c"},
		"client_id is missing":     {ID: "a", Issuer: "https://idp.test"},
		"opaque = ":                {ID: "a", Issuer: "https://idp.test", ClientID: "c", Opaque: "yes"},
		"ca_file holds no":         {ID: "a", Issuer: "https://idp.test", ClientID: "c", CA: []byte("x")},
	} {
		if _, err := oidc.Open(oidc.Config{Providers: []oidc.Provider{p}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
