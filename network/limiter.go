package network

import (
	"context"
	"maps"
	"slices"

	"altostack/kernel/db"
)

// Limiter answers limits that are kept by the identity service: those of a
// project, or without one the defaults. A resource of which nothing is registered
// is absent; -1 is no limit.
type Limiter interface {
	Limits(ctx context.Context, r db.Reader, projectID string, resources []string) (map[string]int64, error)
}

// RegisteredDefaults are the default limits, as they are registered: by the names
// that quotas have.
func RegisteredDefaults() map[string]int64 { return maps.Clone(defaultQuotas) }

// ownQuotas answers the limits of a project that go over the defaults, from where
// they are kept.
func (s *Service) ownQuotas(ctx context.Context, r db.Reader, project string) (map[string]int64, error) {
	if s.cfg.Limiter == nil {
		return s.store.Quotas(ctx, r, project)
	}
	return s.cfg.Limiter.Limits(ctx, r, project, slices.Collect(maps.Keys(defaultQuotas)))
}
