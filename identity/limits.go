package identity

import (
	"context"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

func (s *Service) registeredLimits() kind[RegisteredLimit] {
	return kind[RegisteredLimit]{"registered limit for", s.tables.RegisteredLimits, nil}
}

func (s *Service) limits() kind[Limit] {
	return kind[Limit]{"limit for", s.tables.Limits, func(l Limit) auth.Target {
		t := auth.Target{"target.limit.domain.id": l.DomainID}
		if l.ProjectID != "" {
			t["target.limit.project_id"] = l.ProjectID
		}
		return t
	}}
}

// RegisteredLimits lists the defaults.
func (s *Service) RegisteredLimits(ctx context.Context, scope auth.Scope, l List) ([]RegisteredLimit, bool, error) {
	return s.registeredLimits().page(ctx, s.db, scope, l, nil)
}

// RegisteredLimit answers one default.
func (s *Service) RegisteredLimit(ctx context.Context, scope auth.Scope, id string) (RegisteredLimit, error) {
	return s.registeredLimits().get(ctx, s.db, scope, id)
}

func (v *RegisteredLimit) apply(a Attrs) {
	a.text("service_id", &v.ServiceID)
	a.text("region_id", &v.RegionID)
	a.text("resource_name", &v.ResourceName)
	a.text("description", &v.Description)
	a.number("default_limit", &v.DefaultLimit)
}

// CreateRegisteredLimits registers several, or none of them.
func (s *Service) CreateRegisteredLimits(ctx context.Context, scope auth.Scope, bodies []Attrs) ([]RegisteredLimit, error) {
	if err := scope.Check(scope.Rule, nil); err != nil {
		return nil, err
	}
	var out []RegisteredLimit
	err := s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		out = nil
		for _, body := range bodies {
			v := RegisteredLimit{ID: s.ids.Hex()}
			v.apply(cloned(body))
			if err := s.keepRegistered(ctx, tx, v, s.tables.RegisteredLimits.Insert); err != nil {
				return err
			}
			out = append(out, v)
		}
		return nil
	})
	return out, err
}

func (s *Service) keepRegistered(ctx context.Context, tx *db.Tx, v RegisteredLimit, keep func(context.Context, *db.Tx, RegisteredLimit) error) error {
	if _, found, err := s.tables.Services.Get(ctx, tx, v.ServiceID); err != nil || !found {
		return cmpErr(err, invalid("service_id", "Could not find service: %s.", v.ServiceID))
	}
	err := keep(ctx, tx, v)
	if db.IsUnique(err) {
		err = fault.New(fault.CodeIdentityDuplicate, "Conflict occurred attempting to store registered_limit - Duplicate entry.")
	}
	return err
}

// UpdateRegisteredLimit changes a default.
func (s *Service) UpdateRegisteredLimit(ctx context.Context, scope auth.Scope, id string, a Attrs) (v RegisteredLimit, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		if v, err = s.registeredLimits().get(ctx, tx, scope, id); err != nil {
			return err
		}
		v.apply(cloned(a))
		return s.keepRegistered(ctx, tx, v, s.tables.RegisteredLimits.Save)
	})
	return v, err
}

// DeleteRegisteredLimit removes a default that no limit refers to.
func (s *Service) DeleteRegisteredLimit(ctx context.Context, scope auth.Scope, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		v, err := s.registeredLimits().get(ctx, tx, scope, id)
		if err != nil {
			return err
		}
		own, err := s.tables.Limits.List(ctx, tx, Is("service_id", v.ServiceID), Is("region_id", v.RegionID), Is("resource_name", v.ResourceName))
		if err != nil {
			return err
		}
		if len(own) > 0 {
			return fault.New(fault.CodeIdentityInUse, "Unable to update or delete registered limit %s because there are project limits associated with it.", id)
		}
		_, err = s.tables.RegisteredLimits.Remove(ctx, tx, Is("id", id))
		return err
	})
}

// Limits lists the limits the caller may see: its own project's or domain's, or
// all.
func (s *Service) Limits(ctx context.Context, scope auth.Scope, l List) ([]Limit, bool, error) {
	if !scope.System && !scope.IsAdmin() {
		switch {
		case scope.ProjectID != "":
			l.Match = append(l.Match, Is("project_id", scope.ProjectID))
		default:
			l.Match = append(l.Match, Is("domain_id", scope.DomainID))
		}
	}
	return s.limits().page(ctx, s.db, scope, l, nil)
}

// Limit answers one limit.
func (s *Service) Limit(ctx context.Context, scope auth.Scope, id string) (Limit, error) {
	return s.limits().get(ctx, s.db, scope, id)
}

func (v *Limit) apply(a Attrs) {
	a.text("project_id", &v.ProjectID)
	a.text("domain_id", &v.DomainID)
	a.text("service_id", &v.ServiceID)
	a.text("region_id", &v.RegionID)
	a.text("resource_name", &v.ResourceName)
	a.text("description", &v.Description)
	a.number("resource_limit", &v.ResourceLimit)
}

// CreateLimits sets several limits, or none; each needs its default.
func (s *Service) CreateLimits(ctx context.Context, scope auth.Scope, bodies []Attrs) ([]Limit, error) {
	if err := scope.Check(scope.Rule, nil); err != nil {
		return nil, err
	}
	var out []Limit
	err := s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		out = nil
		for _, body := range bodies {
			v := Limit{ID: s.ids.Hex()}
			v.apply(cloned(body))
			known, err := s.tables.RegisteredLimits.List(ctx, tx, Is("service_id", v.ServiceID), Is("region_id", v.RegionID), Is("resource_name", v.ResourceName))
			if err != nil {
				return err
			}
			if len(known) == 0 {
				return forbidden("Unable to create a limit that has no corresponding registered limit.")
			}
			err = s.tables.Limits.Insert(ctx, tx, v)
			if db.IsUnique(err) {
				err = fault.New(fault.CodeIdentityDuplicate, "Conflict occurred attempting to store limit - Duplicate entry.")
			}
			if err != nil {
				return err
			}
			out = append(out, v)
		}
		return nil
	})
	return out, err
}

// UpdateLimit changes a limit.
func (s *Service) UpdateLimit(ctx context.Context, scope auth.Scope, id string, a Attrs) (v Limit, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		if v, err = s.limits().get(ctx, tx, scope, id); err != nil {
			return err
		}
		v.apply(cloned(a))
		return s.tables.Limits.Save(ctx, tx, v)
	})
	return v, err
}

// DeleteLimit removes a limit; the default holds again.
func (s *Service) DeleteLimit(ctx context.Context, scope auth.Scope, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		if _, err := s.limits().get(ctx, tx, scope, id); err != nil {
			return err
		}
		_, err := s.tables.Limits.Remove(ctx, tx, Is("id", id))
		return err
	})
}
