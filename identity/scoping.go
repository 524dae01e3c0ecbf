package identity

import (
	"context"
	"errors"
	"time"

	"altostack/kernel/fault"
)

// chooseScope turns what was asked into ids. Whether the user may go there is
// decided by deriving.
func (s *Service) chooseScope(ctx context.Context, a Ask, c *Claims) error {
	if c.AppCredID != "" || c.AccessTokenID != "" { // the scope is theirs
		if a.Given {
			return refuse("an application credential acts in its own project only")
		}
		return nil
	}
	switch {
	case a.TrustID != "":
		return s.chooseTrust(ctx, a.TrustID, c)
	case a.Project != nil:
		p, found, err := s.projectOf(ctx, *a.Project)
		if err != nil {
			return err
		}
		if !found {
			return refuse("no such project")
		}
		c.Scope = Scope{ProjectID: p.ID}
	case a.Domain != nil:
		d, found, err := s.domainOf(ctx, *a.Domain)
		if err != nil {
			return err
		}
		if !found {
			return refuse("no such domain")
		}
		c.Scope = Scope{DomainID: d.ID}
	case a.System:
		c.Scope = Scope{System: true}
	case !a.Given:
		return s.defaultScope(ctx, c)
	}
	return nil
}

func (s *Service) projectOf(ctx context.Context, ref Ref) (p Project, found bool, err error) {
	if ref.ID != "" {
		return s.tables.Projects.Get(ctx, s.db, ref.ID)
	}
	if ref.Domain == nil {
		return p, false, fault.New(fault.CodeIdentityInvalid, "Expecting to find domain in project. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.").WithField("domain")
	}
	d, found, err := s.domainOf(ctx, *ref.Domain)
	if err != nil || !found {
		return p, false, err
	}
	rows, err := s.tables.Projects.List(ctx, s.db, Is("domain_id", d.ID), Is("name", ref.Name))
	if err != nil || len(rows) == 0 {
		return p, false, err
	}
	return rows[0], true, nil
}

// defaultScope goes to the user's default project if it can, and is unscoped if
// it cannot.
func (s *Service) defaultScope(ctx context.Context, c *Claims) error {
	u, found, err := s.tables.Users.Get(ctx, s.db, c.UserID)
	if err != nil || !found || u.DefaultProjectID == "" {
		return err
	}
	try := *c
	try.Scope, try.AuditIDs, try.ExpiresAt = Scope{ProjectID: u.DefaultProjectID}, []string{""}, s.clock.Now().Add(time.Minute)
	_, err = s.derive(ctx, try)
	var r *refusal
	switch {
	case err == nil:
		c.Scope = try.Scope
	case errors.As(err, &r):
		return nil
	}
	return err
}
func (s *Service) domainOf(ctx context.Context, ref Ref) (d Project, found bool, err error) {
	match := Is("id", ref.ID)
	if ref.ID == "" {
		match = Is("name", ref.Name)
	}
	rows, err := s.tables.Projects.List(ctx, s.db, match, Is("is_domain", true))
	if err != nil || len(rows) == 0 {
		return d, false, err
	}
	return rows[0], true, nil
}
