package volume

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
// that quotas have, also those of a type: volumes_TYPE.
func RegisteredDefaults() map[string]int64 { return maps.Clone(defaultLimits) }

// setLimits answers what is set over the limits that are known, from where limits
// are kept: here by owner, or elsewhere by project.
func (s *Service) setLimits(ctx context.Context, r db.Reader, owner, projectID string, known map[string]int64) (map[string]int64, error) {
	if s.Limiter == nil {
		return s.Store.Limits(ctx, r, owner)
	}
	return s.Limiter.Limits(ctx, r, projectID, slices.Collect(maps.Keys(known)))
}
