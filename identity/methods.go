package identity

import (
	"context"
	"errors"
	"slices"

	"altostack/kernel/fault"
)

// method proves who a client is. It writes into the claims whom it found, by
// [Claims.prove], and whatever binds a token got this way: an earlier end, a
// credential, a scope. Anything wrong with the proof is a refusal.
type method func(ctx context.Context, p Proof, a Ask, c *Claims) error

// methodTable is every way of authentication there is. A new one needs a line
// here, a bit in methodBits, a field of Proof, and its part of the request body
// in identity/api.
func (s *Service) methodTable() map[string]method {
	return map[string]method{
		"password":               s.byPassword,
		"token":                  s.byToken,
		"application_credential": s.byAppCred,
		"totp":                   s.byTOTP,
		"oauth1":                 s.byOAuth,
		"mapped":                 s.byAssertion,
		"openid":                 s.byAssertion,
	}
}

// HasMethod tells whether clients may authenticate by a method of this name.
func (s *Service) HasMethod(name string) bool { return s.methods[name] != nil }

// maxMethods bounds what a proof may name.
const maxMethods = 16

// authenticate runs every method of a proof, which must agree on the user.
func (s *Service) authenticate(ctx context.Context, p Proof, a Ask) (Claims, error) {
	c := Claims{Revision: s.revision.Load()}
	if len(p.Methods) > maxMethods {
		return c, refuse("%d methods are too many", len(p.Methods))
	}
	for i, name := range p.Methods {
		if slices.Contains(p.Methods[:i], name) { // asked again and again, it costs once
			continue
		}
		by := s.methods[name]
		if by == nil {
			return c, refuse("method %q is not supported", name)
		}
		if err := by(ctx, p, a, &c); err != nil {
			return c, err
		}
		c.tried(name)
	}
	if c.UserID == "" {
		return c, refuse("no method was given")
	}
	return c, nil
}

// tried notes a method that succeeded.
func (c *Claims) tried(name string) {
	if !slices.Contains(c.Methods, name) {
		c.Methods = append(c.Methods, name)
	}
}

// prove notes the user a method found; several methods must agree.
func (c *Claims) prove(userID string) error {
	if c.UserID != "" && c.UserID != userID {
		return refuse("the methods name different users")
	}
	c.UserID = userID
	return nil
}

// byToken takes the bearer of another token for its user: to choose another scope,
// where the token does not lend rights for one project only.
func (s *Service) byToken(ctx context.Context, p Proof, a Ask, c *Claims) error {
	t, err := s.token(ctx, p.Token, 0)
	var r *refusal
	if errors.As(err, &r) || errors.Is(err, errForged) {
		return &refusal{why: err.Error(), lost: true, forged: errors.Is(err, errForged)}
	}
	if err != nil {
		return err
	}
	if err := c.prove(t.UserID); err != nil {
		return err
	}
	if err := s.rescopes(t, a); err != nil {
		return err
	}
	if err := c.bind(t.AppCredID, t.Scope); err != nil {
		return err
	}
	// The new token lives no longer than the old one and shares its chain. Its
	// revision is of before the old one was seen to be valid: what was revoked until
	// then did not touch the old one, and need not touch what it is exchanged for,
	// as a project that was disabled for a while.
	c.Vouched = t.Vouched
	if c.ExpiresAt.IsZero() || t.ExpiresAt.Before(c.ExpiresAt) {
		c.ExpiresAt = t.ExpiresAt
	}
	c.AuditIDs = []string{t.chain()}
	for _, m := range t.Methods {
		c.tried(m)
	}
	return nil
}

// rescopes decides whether a token may be exchanged for the one asked for. Source:
// Keystone's token method; CVE-2012-3426 and CVE-2026-42998 stand behind it.
func (s *Service) rescopes(t *Token, a Ask) error {
	const not = "You are not authorized to perform the requested action: "
	switch {
	case t.AccessTokenID != "":
		return forbidden(not + "Using OAuth-scoped token to create another token. Create a new OAuth-scoped token instead.")
	case t.TrustID != "":
		return forbidden(not + "Using trust-scoped token to create another token. Create a new trust-scoped token instead.")
	case t.Scope.System && (a.Project != nil || a.Domain != nil):
		return forbidden(not + "Using a system-scoped token to create a project-scoped or domain-scoped token is not allowed.")
	case t.AppCredID != "" && a.Given:
		return forbidden(not + "Using an application credential token to create a scoped token is not allowed.")
	case s.cfg.ScopedForGood && !t.Unscoped():
		return forbidden(not + "rescope a scoped token.")
	}
	return nil
}

// bind holds a token to an application credential, which acts in its own project
// only. Two of them, or one and another scope, agree on nothing.
func (c *Claims) bind(appCredID string, scope Scope) error {
	if appCredID == "" {
		return nil
	}
	if c.AppCredID != "" && c.AppCredID != appCredID {
		return refuse("the methods name different application credentials")
	}
	c.AppCredID, c.Scope = appCredID, scope
	return nil
}

func (s *Service) byAppCred(ctx context.Context, p Proof, a Ask, c *Claims) error {
	if a.Given {
		return fault.New(fault.CodeAuthUnauthenticated, "Application credentials cannot request a scope.")
	}
	cred, found, err := s.appCredOf(ctx, p)
	if err != nil {
		return err
	}
	if err := s.proveSecret(ctx, cred, found, p); err != nil {
		return err
	}
	if err := c.bind(cred.ID, Scope{ProjectID: cred.ProjectID}); err != nil {
		return err
	}
	return c.prove(cred.UserID)
}

func (s *Service) appCredOf(ctx context.Context, p Proof) (a AppCred, found bool, err error) {
	switch {
	case p.AppCred == nil:
		return a, false, nil
	case p.AppCred.ID != "":
		return s.tables.AppCreds.Get(ctx, s.db, p.AppCred.ID)
	case p.AppUser == nil:
		return a, false, fault.New(fault.CodeIdentityInvalid, "Expecting to find user in application credential. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.").WithField("user")
	}
	u, found, err := s.userOf(ctx, *p.AppUser)
	if err != nil || !found {
		return a, false, err
	}
	rows, err := s.tables.AppCreds.List(ctx, s.db, Is("user_id", u.ID), Is("name", p.AppCred.Name))
	if err != nil || len(rows) == 0 {
		return a, false, err
	}
	return rows[0], true, nil
}
