package identity

import (
	"context"
	"slices"

	"altostack/kernel/db"
)

// EffectiveLimits answers what bounds a project's use of resources of a service,
// whose type in the catalog is one of types: its own limits, else the defaults. A
// resource for which nothing is registered is absent. An empty project asks for
// the defaults. Where two levels are strict, a project gets no more than its
// domain.
func (s *Service) EffectiveLimits(ctx context.Context, r db.Reader, types []string, projectID string, resources []string) (map[string]int64, error) {
	services, err := s.tables.Services.List(ctx, r, Match{Column: "type", Op: OpIn, Value: types})
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(services))
	for i, v := range services {
		ids[i] = v.ID
	}
	of := []Match{{Column: "service_id", Op: OpIn, Value: ids}, {Column: "resource_name", Op: OpIn, Value: resources}}
	registered, err := s.tables.RegisteredLimits.List(ctx, r, of...)
	if err != nil || len(registered) == 0 {
		return nil, err
	}
	out := map[string]int64{}
	slices.SortFunc(registered, func(a, b RegisteredLimit) int { return len(a.RegionID) - len(b.RegionID) }) // a region's own wins
	for _, v := range registered {
		out[v.ResourceName] = v.DefaultLimit
	}
	if projectID == "" {
		return out, nil
	}
	return out, s.ownLimits(ctx, r, projectID, of, out)
}

// ownLimits puts a project's limits over the defaults.
func (s *Service) ownLimits(ctx context.Context, r db.Reader, projectID string, of []Match, into map[string]int64) error {
	own, err := s.tables.Limits.List(ctx, r, append(slices.Clone(of), Is("project_id", projectID))...)
	if err != nil {
		return err
	}
	slices.SortFunc(own, func(a, b Limit) int { return len(a.RegionID) - len(b.RegionID) })
	for _, v := range own {
		into[v.ResourceName] = v.ResourceLimit
	}
	if s.cfg.LimitModel != ModelStrictTwoLevel {
		return nil
	}
	p, _, err := s.tables.Projects.Get(ctx, r, projectID)
	if err != nil {
		return err
	}
	above, err := s.tables.Limits.List(ctx, r, append(slices.Clone(of), Is("domain_id", p.DomainID))...)
	for _, v := range above {
		if has := into[v.ResourceName]; v.ResourceLimit >= 0 && (has < 0 || has > v.ResourceLimit) {
			into[v.ResourceName] = v.ResourceLimit
		}
	}
	return err
}

// RegisterLimits makes the defaults that a service's resources start with, for
// each that has none; those that are there stay as they are.
func (s *Service) RegisterLimits(ctx context.Context, serviceType string, defaults map[string]int64) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		services, err := s.tables.Services.List(ctx, tx, Is("type", serviceType))
		if err != nil || len(services) == 0 {
			return err
		}
		id := services[0].ID
		have, err := s.tables.RegisteredLimits.List(ctx, tx, Is("service_id", id))
		if err != nil {
			return err
		}
		for name, limit := range defaults {
			if slices.ContainsFunc(have, func(v RegisteredLimit) bool { return v.ResourceName == name }) {
				continue
			}
			v := RegisteredLimit{ID: s.ids.Hex(), ServiceID: id, ResourceName: name, DefaultLimit: limit}
			if err := s.tables.RegisteredLimits.Insert(ctx, tx, v); err != nil {
				return err
			}
		}
		return nil
	})
}
