package identity

import (
	"context"
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
		"mapped":                 s.byAssertion,
		"openid":                 s.byAssertion,
	}
}

// HasMethod tells whether clients may authenticate by a method of this name.
func (s *Service) HasMethod(name string) bool { return s.methods[name] != nil }

// authenticate runs every method of a proof, which must agree on the user.
func (s *Service) authenticate(ctx context.Context, p Proof, a Ask) (Claims, error) {
	c := Claims{Revision: s.revision.Load()}
	for _, name := range p.Methods {
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

func (s *Service) byToken(ctx context.Context, p Proof, _ Ask, c *Claims) error {
	t, err := s.token(ctx, p.Token, 0)
	if err != nil {
		return err
	}
	if err := c.prove(t.UserID); err != nil {
		return err
	}
	if t.TrustID != "" {
		return forbidden("You are not authorized to perform the requested action: Using trust-scoped token to create another token. Create a new trust-scoped token instead.")
	}
	// The new token is no younger than the old one where it counts: it lives no
	// longer, and dies with whatever would have killed the old one.
	c.Revision = min(c.Revision, t.Revision)
	c.ExpiresAt, c.AppCredID, c.Vouched = t.ExpiresAt, t.AppCredID, t.Vouched
	c.AuditIDs = []string{t.chain()}
	for _, m := range t.Methods {
		c.tried(m)
	}
	if t.AppCredID != "" { // an application credential acts in its project only
		c.Scope = t.Scope
	}
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
	c.AppCredID, c.Scope = cred.ID, Scope{ProjectID: cred.ProjectID}
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
