package identity

import (
	"context"
	"errors"

	"altostack/identity/mapping"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
)

// ErrNotVouched is what a RelyingParty wraps when a provider does not vouch for
// what it was shown: it is forged, too old, or meant for somebody else.
var ErrNotVouched = errors.New("the identity provider does not vouch for it")

// RelyingParty speaks OpenID Connect with identity providers. It knows those that
// the operator gave it credentials for; an error that is not ErrNotVouched says
// that a provider cannot be asked now.
type RelyingParty interface {
	Knows(provider string) bool
	// Bearer answers the claims of a token of the provider's: signed, or opaque.
	Bearer(ctx context.Context, provider, token string) (claims map[string]any, err error)
	// Begin answers where to send a browser, and what to keep until it returns.
	Begin(ctx context.Context, provider, redirect string) (address string, secret LoginSecret, err error)
	// Finish answers the claims of the user who came back with a code.
	Finish(ctx context.Context, provider, redirect, code string, secret LoginSecret) (claims map[string]any, err error)
}

// LoginSecret binds the end of a login by browser to its beginning.
type LoginSecret struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"` // of PKCE
}

// IssueBearer answers an unscoped token to the bearer of one of the provider's.
func (s *Service) IssueBearer(ctx context.Context, provider, protocol, token string) (*Token, error) {
	return s.issueSaid(ctx, provider, protocol, func(r RelyingParty) (map[string]any, error) { return r.Bearer(ctx, provider, token) })
}

// issueSaid answers a token to whom the provider's claims are about.
func (s *Service) issueSaid(ctx context.Context, provider, protocol string, ask func(RelyingParty) (map[string]any, error)) (*Token, error) {
	if err := s.CheckProvider(ctx, provider, protocol); err != nil {
		return nil, err
	}
	r := s.cfg.RelyingParty
	if r == nil || !r.Knows(provider) {
		return nil, s.refusedProvider(ctx, protocol, refuse("the configuration has no section federation.%s", provider))
	}
	// Counted before the provider is asked, so that nobody makes us ask without end.
	ctx, at := auth.Attempted(ctx)
	give, err := s.throttle.take(at, "")
	if err != nil {
		return nil, err
	}
	at.Drawn = true
	claims, err := ask(r)
	if !errors.Is(err, ErrNotVouched) {
		give()
		at.Drawn = false
	}
	switch {
	case errors.Is(err, ErrNotVouched):
		return nil, s.refusedProvider(ctx, protocol, refuse("identity provider %s: %v", provider, err))
	case err != nil:
		s.log.WarnContext(ctx, "an identity provider cannot be asked", "identity_provider", provider, "error", err)
		return nil, fault.Because(err, fault.CodeIdentityProviderDown, "The identity provider %s cannot be asked at the moment.", provider)
	}
	return s.IssueAsserted(ctx, Asserted{ProviderID: provider, ProtocolID: protocol, Attributes: mapping.Claims(claims)})
}

// refusedProvider counts and records a refusal before any user is known.
func (s *Service) refusedProvider(ctx context.Context, protocol string, err error) error {
	ctx, at := auth.Attempted(ctx)
	p := Proof{Methods: []string{methodOf(protocol)}}
	at.Proving, at.Methods = true, p.Methods
	return s.turnedAway(ctx, at, p, err)
}
