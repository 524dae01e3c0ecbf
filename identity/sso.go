package identity

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"altostack/kernel/fault"
)

// loginLife is how long a browser may take to log in at its provider.
const loginLife = 10 * time.Minute

// login is what the browser keeps, sealed, while it is away at the provider.
type login struct {
	Provider string      `json:"i"`
	Protocol string      `json:"p"`
	Origin   string      `json:"o"`
	Redirect string      `json:"r"`
	Until    int64       `json:"u"` // microseconds
	Secret   LoginSecret `json:"x"`
}

// loginMark tells a sealed login from a token, which is sealed with the same keys.
const loginMark = "websso\x00"

func (s *Service) party(provider string) (RelyingParty, error) {
	if r := s.cfg.RelyingParty; r != nil && r.Knows(provider) {
		return r, nil
	}
	return nil, refuse("the configuration has no section federation.%s", provider)
}

// trusted answers the address that a dashboard gave as its own, if the operator
// lists it.
func (s *Service) trusted(origin string) error {
	if origin == "" {
		return fault.New(fault.CodeIdentityInvalid, "Request must have an origin query parameter").WithField("origin")
	}
	for _, t := range s.cfg.TrustedDashboards {
		if u, err := url.Parse(t); err == nil {
			u.Host = strings.ToLower(u.Host)
			t = u.String()
		}
		if t == origin {
			return nil
		}
	}
	return fault.New(fault.CodeAuthUnauthenticated, "%s is not a trusted dashboard host", origin)
}

// LoginProviders answers the enabled providers at which a browser can log in with
// a protocol, for a dashboard that is trusted.
func (s *Service) LoginProviders(ctx context.Context, protocol, origin string) ([]string, error) {
	if err := s.trusted(origin); err != nil {
		return nil, err
	}
	rows, err := s.tables.Protocols.List(ctx, s.db, Is("id", protocol))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, p := range rows {
		if _, err := s.party(p.ProviderID); err != nil {
			continue
		}
		idp, found, err := s.tables.IdentityProviders.Get(ctx, s.db, p.ProviderID)
		if err != nil {
			return nil, err
		}
		if found && idp.Enabled {
			out = append(out, p.ProviderID)
		}
	}
	if slices.Sort(out); len(out) == 0 {
		return nil, fault.New(fault.CodeIdentityNotFound, "Could not find Identity Provider: none with protocol %s can be logged in at.", protocol)
	}
	return out, nil
}

// BeginLogin answers where to send a browser that a trusted dashboard sent here,
// and what it must bring back: redirect is where it comes back to.
func (s *Service) BeginLogin(ctx context.Context, provider, protocol, origin, redirect string) (address, kept string, err error) {
	if err := s.trusted(origin); err != nil {
		return "", "", err
	}
	if err := s.CheckProvider(ctx, provider, protocol); err != nil {
		return "", "", err
	}
	r, err := s.party(provider)
	if err != nil {
		return "", "", unauthenticated(err)
	}
	address, secret, err := r.Begin(ctx, provider, redirect)
	if err != nil {
		s.log.WarnContext(ctx, "an identity provider cannot be asked", "identity_provider", provider, "error", err)
		return "", "", fault.Because(err, fault.CodeIdentityProviderDown, "The identity provider %s cannot be asked at the moment.", provider)
	}
	plain, err := json.Marshal(login{provider, protocol, origin, redirect, s.clock.Now().Add(loginLife).UnixMicro(), secret})
	if err != nil {
		return "", "", err
	}
	kept, err = s.cfg.TokenKeys.seal(append([]byte(loginMark), plain...))
	return address, kept, err
}

// FinishLogin answers the token of the user who came back with a code, and the
// dashboard that waits for it. What the browser kept must be of this very login.
func (s *Service) FinishLogin(ctx context.Context, provider, protocol, kept, state, code string) (t *Token, origin string, err error) {
	var l login
	plain, ours := strings.CutPrefix(string(s.cfg.TokenKeys.open(kept)), loginMark)
	same := ours && json.Unmarshal([]byte(plain), &l) == nil && l.Provider == provider && l.Protocol == protocol && s.clock.Now().UnixMicro() < l.Until &&
		subtle.ConstantTimeCompare([]byte(l.Secret.State), []byte(state)) == 1
	if !same || code == "" {
		return nil, "", s.refusedProvider(ctx, protocol, refuse("the browser came back without having been sent, too late, or without a code"))
	}
	if err := s.trusted(l.Origin); err != nil {
		return nil, "", err
	}
	t, err = s.issueSaid(ctx, provider, protocol, func(r RelyingParty) (map[string]any, error) {
		return r.Finish(ctx, provider, l.Redirect, code, l.Secret)
	})
	return t, l.Origin, err
}
