package compute

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

// registered is how resources are called where limits are registered. Source:
// Nova, "Manage Unified Limits Quotas".
var registered = map[string]string{"instances": "servers", "cores": "class:VCPU", "ram": "class:MEMORY_MB", "metadata_items": "server_metadata_items",
	"injected_files": "server_injected_files", "injected_file_content_bytes": "server_injected_file_content_bytes",
	"injected_file_path_bytes": "server_injected_file_path_bytes", "key_pairs": "server_key_pairs",
	"server_groups": "server_groups", "server_group_members": "server_group_members"}

// RegisteredDefaults are the default limits, as they are registered.
func RegisteredDefaults() map[string]int64 {
	out := map[string]int64{}
	for name, limit := range DefaultQuotas() {
		out[registered[name]] = limit
	}
	return out
}

// quotas answers a project's limits, from where they are kept.
func (s *Service) quotas(ctx context.Context, r db.Reader, projectID string) (Quotas, error) {
	if s.Limiter == nil {
		return s.Store.Quotas(ctx, r, projectID)
	}
	set, err := s.Limiter.Limits(ctx, r, projectID, slices.Collect(maps.Values(registered)))
	if err != nil {
		return nil, err
	}
	limits := Quotas{}
	for name, as := range registered {
		limit, has := set[as]
		switch {
		case has:
			limits[name] = limit
		case name == "instances": // the one that must be registered, as at Nova
			limits[name] = 0
		default:
			limits[name] = -1
		}
	}
	return limits, nil
}

// kept tells whether the limits are this service's own. Where they are not,
// setting them here changes nothing, as at Nova.
func (s *Service) kept() bool { return s.Limiter == nil }
