// Package oidc is the relying party of OpenID Connect: it asks identity providers
// who somebody is, by a token that was shown or by a browser that was sent there.
//
// The one idea: a provider's word counts only if it is about this client. A token
// that the same provider made for another client is refused, be it ever so valid;
// so is one that cannot say for whom it was made.
//
// Providers, their secrets and their keys live in this process; nothing of them
// passes through the API. Fetches are bounded in time and size and follow no
// redirect. Everything is safe for concurrent use; a provider's documents are
// fetched by whoever needs them first.
//
// Wire format: OpenID Connect Core 1.0 and Discovery 1.0, OAuth 2.0 (RFC 6749),
// PKCE (RFC 7636), token introspection (RFC 7662).
package oidc

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"altostack/kernel/clock"
)

// Opaque says what to do with bearer tokens that are not signed.
type Opaque string

// The ways with opaque tokens. Introspection tells for whom a token was made;
// userinfo does not: whoever runs another client of the provider can then be any of
// that client's users here.
const (
	ByIntrospection Opaque = "introspection"
	ByUserInfo      Opaque = "userinfo"
	Refused         Opaque = "refuse"
)

// Provider is what the operator says of one identity provider.
type Provider struct {
	ID           string // as the Identity API names it
	Issuer       string // exactly as in its tokens
	ClientID     string
	ClientSecret string   // empty: a public client
	Scopes       []string // asked for at a login by browser; nil: openid profile email
	Audience     []string // further audiences and clients whose tokens are taken
	UserInfo     bool     // add the claims of the userinfo endpoint
	Opaque       Opaque   // empty: ByIntrospection
	CA           []byte   // PEM, in place of the machine's authorities; nil: those
}

// Config is what the parties work with.
type Config struct {
	Providers []Provider
	Clock     clock.Clock
	Timeout   time.Duration // of one fetch; 0: ten seconds
}

// Parties implements identity.RelyingParty.
type Parties struct{ byID map[string]*party }

// Open makes the relying party; it fetches nothing yet.
func Open(cfg Config) (*Parties, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	p := &Parties{byID: map[string]*party{}}
	for _, provider := range cfg.Providers {
		one, err := newParty(provider, cfg)
		if err != nil {
			return nil, fmt.Errorf("federation.%s: %w", provider.ID, err)
		}
		p.byID[provider.ID] = one
	}
	return p, nil
}

// Knows tells whether the configuration has the provider.
func (p *Parties) Knows(provider string) bool { return p.byID[provider] != nil }

// party is one provider with what was fetched from it.
type party struct {
	Provider
	client *http.Client
	clock  clock.Clock

	mu      sync.Mutex
	doc     *discovery
	fetched time.Time
	keys    keySet
}

func newParty(p Provider, cfg Config) (*party, error) {
	if p.ClientID == "" {
		return nil, errors.New("client_id is missing")
	}
	if err := secure(p.Issuer); err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	switch p.Opaque {
	case "":
		p.Opaque = ByIntrospection
	case ByIntrospection, ByUserInfo, Refused:
	default:
		return nil, fmt.Errorf("opaque = %q: want introspection, userinfo or refuse", p.Opaque)
	}
	if len(p.Scopes) == 0 {
		p.Scopes = []string{"openid", "profile", "email"}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if p.CA != nil {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(p.CA) {
			return nil, errors.New("ca_file holds no certificate")
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	client := &http.Client{Transport: transport, Timeout: cfg.Timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirect }}
	one := &party{Provider: p, client: client, clock: cfg.Clock}
	one.keys.party = one
	return one, nil
}

var errRedirect = errors.New("a redirect is not followed")

// secure wants https, but on this very machine.
func secure(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	ip := net.ParseIP(u.Hostname())
	switch {
	case u.Host == "" || u.User != nil || u.Fragment != "":
		return fmt.Errorf("%q is not an address of a provider", address)
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && (u.Hostname() == "localhost" || ip.IsLoopback()):
		return nil
	}
	return fmt.Errorf("%q must begin with https://", address)
}
