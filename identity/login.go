package identity

import (
	"context"

	"altostack/kernel/fault"
)

func (s *Service) byPassword(ctx context.Context, p Proof, _ Ask, c *Claims) error {
	if p.User == nil {
		return refuse("no user was named")
	}
	u, found, err := s.userOf(ctx, *p.User)
	if err != nil {
		return err
	}
	if u, err = s.provePassword(ctx, *p.User, u, found, p.Password); err != nil {
		return err
	}
	return c.prove(u.ID)
}

// userOf finds the user a client names; found is false where anything on the
// way is missing.
func (s *Service) userOf(ctx context.Context, ref Ref) (u User, found bool, err error) {
	if ref.ID != "" {
		return s.tables.Users.Get(ctx, s.db, ref.ID)
	}
	if ref.Domain == nil {
		return u, false, fault.New(fault.CodeIdentityInvalid, "Expecting to find domain in user. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.").WithField("domain")
	}
	d, found, err := s.domainOf(ctx, *ref.Domain)
	if err != nil || !found {
		return u, false, err
	}
	rows, err := s.tables.Users.List(ctx, s.db, Is("domain_id", d.ID), Is("name", ref.Name))
	if err != nil {
		return u, false, err
	}
	if len(rows) == 0 {
		return s.userInDirectory(ctx, d.ID, ref.Name)
	}
	return rows[0], true, nil
}
