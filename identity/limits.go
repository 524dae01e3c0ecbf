package identity

import (
	"context"
	"slices"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// The models by which limits are checked against each other.
const (
	ModelFlat           = "flat"
	ModelStrictTwoLevel = "strict_two_level"
)

// LimitModel answers the model in force, and what it means.
func (s *Service) LimitModel() (name, description string) {
	if s.cfg.LimitModel == ModelStrictTwoLevel {
		return ModelStrictTwoLevel, "This model requires project hierarchy never exceeds a depth of two"
	}
	return ModelFlat, "Limit enforcement and validation does not take project hierarchy into consideration."
}

func (s *Service) registeredLimits() kind[RegisteredLimit] {
	return kind[RegisteredLimit]{"registered limit for", s.tables.RegisteredLimits, nil}
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

// of are the limits that stand in for a default.
func (v RegisteredLimit) of() []Match { return sameResource(v.ServiceID, v.RegionID, v.ResourceName) }

func sameResource(service, region, resource string) []Match {
	return []Match{Is("service_id", service), Is("region_id", region), Is("resource_name", resource)}
}

// CreateRegisteredLimits registers several, or none of them.
func (s *Service) CreateRegisteredLimits(ctx context.Context, scope auth.Scope, bodies []Attrs) ([]RegisteredLimit, error) {
	if err := scope.Check(scope.Rule, nil); err != nil {
		return nil, err
	}
	return several(ctx, s, bodies, func(ctx context.Context, tx *db.Tx, a Attrs) (RegisteredLimit, error) {
		v := RegisteredLimit{ID: s.ids.Hex()}
		v.apply(a)
		if err := s.limitPlace(ctx, tx, v.ServiceID, v.RegionID); err != nil {
			return v, err
		}
		return v, taken("registered_limit", s.tables.RegisteredLimits.Insert(ctx, tx, v))
	})
}

// several makes one object of each body, or none at all.
func several[T any](ctx context.Context, s *Service, bodies []Attrs, make func(context.Context, *db.Tx, Attrs) (T, error)) (out []T, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		out = nil
		for _, body := range bodies {
			v, err := make(ctx, tx, cloned(body))
			if err != nil {
				return err
			}
			out = append(out, v)
		}
		return nil
	})
	return out, err
}

func taken(noun string, err error) error {
	if db.IsUnique(err) {
		return fault.New(fault.CodeIdentityDuplicate, "Conflict occurred attempting to store %s - Duplicate entry.", noun)
	}
	return err
}

// limitPlace wants the service and the region that a limit names.
func (s *Service) limitPlace(ctx context.Context, r db.Reader, serviceID, regionID string) error {
	if err := s.services().need(ctx, r, serviceID); err != nil {
		return unknownPart(err, "service_id")
	}
	if regionID == "" {
		return nil
	}
	return unknownPart(s.regions().need(ctx, r, regionID), "region_id")
}

// unknownPart turns the absence of what a body names into a bad request.
func unknownPart(err error, field string) error {
	if fault.Has(err, fault.CodeIdentityNotFound) {
		return invalid(field, "Expecting to find %s in limit. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.", field)
	}
	return err
}

// UpdateRegisteredLimit changes a default that no limit stands in for.
func (s *Service) UpdateRegisteredLimit(ctx context.Context, scope auth.Scope, id string, a Attrs) (v RegisteredLimit, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		v, err = s.registeredLimits().change(ctx, tx, scope, id, func(v *RegisteredLimit) error {
			if err := s.unreferenced(ctx, tx, *v); err != nil {
				return err
			}
			v.apply(cloned(a))
			return s.limitPlace(ctx, tx, v.ServiceID, v.RegionID)
		})
		return taken("registered_limit", err)
	})
	return v, err
}

func (s *Service) unreferenced(ctx context.Context, r db.Reader, v RegisteredLimit) error {
	own, err := s.tables.Limits.List(ctx, r, v.of()...)
	if err == nil && len(own) > 0 {
		err = fault.New(fault.CodeIdentityInUse, "Unable to update or delete registered limit %s because there are project limits associated with it.", v.ID)
	}
	return err
}

// DeleteRegisteredLimit removes a default that no limit stands in for.
func (s *Service) DeleteRegisteredLimit(ctx context.Context, scope auth.Scope, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		v, err := s.registeredLimits().get(ctx, tx, scope, id)
		if err != nil {
			return err
		}
		if err := s.unreferenced(ctx, tx, v); err != nil {
			return err
		}
		_, err = s.tables.RegisteredLimits.Remove(ctx, tx, Is("id", id))
		return err
	})
}

// Limits lists the limits the caller may see: its own project's, its domain's and
// those of the projects in it, or all.
func (s *Service) Limits(ctx context.Context, scope auth.Scope, l List) ([]Limit, bool, error) {
	if err := scope.Check(scope.Rule, nil); err != nil {
		return nil, false, err
	}
	switch {
	case scope.System || slices.Contains(scope.Roles, "admin") || slices.Contains(scope.Roles, "service"):
	case scope.DomainID != "":
		return s.limitsInDomain(ctx, scope.DomainID, l)
	default:
		l.Match = append(l.Match, Is("project_id", scope.ProjectID))
	}
	return s.tables.Limits.Page(ctx, s.db, l.Page, l.Match...)
}

func (s *Service) limitsInDomain(ctx context.Context, domainID string, l List) ([]Limit, bool, error) {
	rows, err := s.tables.Limits.List(ctx, s.db, l.Match...)
	if err != nil {
		return nil, false, err
	}
	projects, err := s.tables.Projects.List(ctx, s.db, Is("domain_id", domainID))
	inside := map[string]bool{}
	for _, p := range projects {
		inside[p.ID] = true
	}
	return slices.DeleteFunc(rows, func(v Limit) bool { return v.DomainID != domainID && !inside[v.ProjectID] }), false, err
}

// LimitsOf answers the projects' own limits, by project.
func (s *Service) LimitsOf(ctx context.Context, projects []Project) (map[string][]Limit, error) {
	ids := make([]string, len(projects))
	for i, p := range projects {
		ids[i] = p.ID
	}
	rows, err := s.tables.Limits.List(ctx, s.db, Match{Column: "project_id", Op: OpIn, Value: ids})
	out := map[string][]Limit{}
	for _, v := range rows {
		out[v.ProjectID] = append(out[v.ProjectID], v)
	}
	return out, err
}

// Limit answers one limit.
func (s *Service) Limit(ctx context.Context, scope auth.Scope, id string) (v Limit, err error) {
	return s.limit(ctx, s.db, scope, id)
}

// limit reads a limit and decides the rule on it, which asks for the domain of
// its project too.
func (s *Service) limit(ctx context.Context, r db.Reader, scope auth.Scope, id string) (v Limit, err error) {
	v, found, err := s.tables.Limits.Get(ctx, r, id)
	if err != nil {
		return v, err
	}
	target := auth.Target{}
	switch {
	case v.ProjectID != "":
		p, _, err := s.tables.Projects.Get(ctx, r, v.ProjectID)
		if err != nil {
			return v, err
		}
		target = auth.Target{"target.limit.project_id": v.ProjectID, "target.limit.project.domain_id": p.DomainID}
	case v.DomainID != "":
		target["target.limit.domain.id"] = v.DomainID
	}
	if err := scope.Check(scope.Rule, target); err != nil {
		return v, err
	}
	if !found {
		return v, notFound("limit for", id)
	}
	return v, nil
}

// CreateLimits sets several limits, or none; each needs its default.
func (s *Service) CreateLimits(ctx context.Context, scope auth.Scope, bodies []Attrs) ([]Limit, error) {
	if err := scope.Check(scope.Rule, nil); err != nil {
		return nil, err
	}
	if s.cfg.LimitModel == ModelStrictTwoLevel { // projects are compared with their domains, which go first
		bodies = slices.Clone(bodies)
		slices.SortStableFunc(bodies, func(a, b Attrs) int { return boolInt(a["domain_id"] == nil) - boolInt(b["domain_id"] == nil) })
	}
	return several(ctx, s, bodies, func(ctx context.Context, tx *db.Tx, a Attrs) (Limit, error) {
		v := Limit{ID: s.ids.Hex()}
		a.text("project_id", &v.ProjectID)
		a.text("domain_id", &v.DomainID)
		a.text("service_id", &v.ServiceID)
		a.text("region_id", &v.RegionID)
		a.text("resource_name", &v.ResourceName)
		v.apply(a)
		if err := s.checkLimit(ctx, tx, &v); err != nil {
			return v, err
		}
		known, err := s.tables.RegisteredLimits.List(ctx, tx, sameResource(v.ServiceID, v.RegionID, v.ResourceName)...)
		if err == nil && len(known) == 0 {
			err = forbidden("Unable to create a limit that has no corresponding registered limit.")
		}
		if err != nil {
			return v, err
		}
		return v, taken("limit", s.tables.Limits.Insert(ctx, tx, v))
	})
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// apply takes what may change of a limit.
func (v *Limit) apply(a Attrs) {
	a.text("description", &v.Description)
	a.number("resource_limit", &v.ResourceLimit)
}

// checkLimit wants all that a limit names, and that it fits the model.
func (s *Service) checkLimit(ctx context.Context, r db.Reader, v *Limit) error {
	if err := s.limitPlace(ctx, r, v.ServiceID, v.RegionID); err != nil {
		return err
	}
	if v.ProjectID != "" {
		p, found, err := s.tables.Projects.Get(ctx, r, v.ProjectID)
		if err == nil && !found {
			err = unknownPart(notFound("project", v.ProjectID), "project_id")
		}
		if err != nil {
			return err
		}
		if p.IsDomain { // a domain's limit, named by its other id
			v.ProjectID, v.DomainID = "", p.ID
		}
	}
	if v.DomainID != "" {
		if err := unknownPart(s.needDomain(ctx, r, v.DomainID), "domain_id"); err != nil {
			return err
		}
	}
	if s.cfg.LimitModel == ModelStrictTwoLevel {
		return s.checkTwoLevels(ctx, r, *v)
	}
	return nil
}

// checkTwoLevels refuses a project's limit above its domain's, and a domain's
// below that of a project in it.
func (s *Service) checkTwoLevels(ctx context.Context, r db.Reader, v Limit) error {
	fits := true
	if v.ProjectID != "" {
		p, _, err := s.tables.Projects.Get(ctx, r, v.ProjectID)
		if err != nil {
			return err
		}
		above, has, err := s.domainLimit(ctx, r, p.DomainID, v)
		if err != nil {
			return err
		}
		fits = !has || v.ResourceLimit <= above
	} else {
		all, err := s.tables.Limits.List(ctx, r, sameResource(v.ServiceID, v.RegionID, v.ResourceName)...)
		if err != nil {
			return err
		}
		below, err := s.tables.Projects.List(ctx, r, Is("domain_id", v.DomainID))
		if err != nil {
			return err
		}
		inside := map[string]bool{}
		for _, p := range below {
			inside[p.ID] = true
		}
		fits = !slices.ContainsFunc(all, func(o Limit) bool { return inside[o.ProjectID] && o.ResourceLimit > v.ResourceLimit })
	}
	if fits {
		return nil
	}
	level, id := "domain_id", v.DomainID
	if v.ProjectID != "" {
		level, id = "project_id", v.ProjectID
	}
	return forbidden("Invalid resource limit: The resource limit (%s: %s, resource_name: %s, resource_limit: %d, service_id: %s, region_id: %s) doesn't satisfy current hierarchy model.",
		level, id, v.ResourceName, v.ResourceLimit, v.ServiceID, v.RegionID)
}

// domainLimit answers a domain's limit of the resource that v is of, or the
// default of it.
func (s *Service) domainLimit(ctx context.Context, r db.Reader, domainID string, v Limit) (int64, bool, error) {
	match := sameResource(v.ServiceID, v.RegionID, v.ResourceName)
	own, err := s.tables.Limits.List(ctx, r, append(slices.Clone(match), Is("domain_id", domainID))...)
	if err != nil {
		return 0, false, err
	}
	if len(own) > 0 {
		return own[0].ResourceLimit, true, nil
	}
	registered, err := s.tables.RegisteredLimits.List(ctx, r, match...)
	if err != nil || len(registered) == 0 {
		return 0, false, err
	}
	return registered[0].DefaultLimit, true, nil
}

// UpdateLimit changes a limit.
func (s *Service) UpdateLimit(ctx context.Context, scope auth.Scope, id string, a Attrs) (v Limit, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		if v, err = s.limit(ctx, tx, scope, id); err != nil {
			return err
		}
		v.apply(cloned(a))
		if err := s.checkLimit(ctx, tx, &v); err != nil {
			return err
		}
		return s.tables.Limits.Save(ctx, tx, v)
	})
	return v, err
}

// DeleteLimit removes a limit; the default holds again.
func (s *Service) DeleteLimit(ctx context.Context, scope auth.Scope, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		if _, err := s.limit(ctx, tx, scope, id); err != nil {
			return err
		}
		_, err := s.tables.Limits.Remove(ctx, tx, Is("id", id))
		return err
	})
}
