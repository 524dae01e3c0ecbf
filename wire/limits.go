package wire

import (
	"context"
	"fmt"

	"altostack/compute"
	"altostack/identity"
	"altostack/image"
	"altostack/kernel/db"
	"altostack/network"
	"altostack/volume"
)

// limiter answers to one service what limits the identity service keeps for it.
type limiter struct {
	identity *identity.Service
	types    []string // of the service, in the catalog
}

// Limits is what each service asks.
func (l limiter) Limits(ctx context.Context, r db.Reader, projectID string, resources []string) (map[string]int64, error) {
	return l.identity.EffectiveLimits(ctx, r, l.types, projectID, resources)
}

// unified tells whether the identity service keeps all limits.
func (s *System) unified() bool { return s.opt.Config.String("quota_driver") == "unified_limits" }

// computeLimiter, and those below, are nil where services keep their own limits.
func (s *System) computeLimiter() compute.Limiter {
	if !s.unified() {
		return nil
	}
	return limiter{s.identity, []string{"compute"}}
}

func (s *System) imageLimiter() image.Limiter {
	if !s.unified() {
		return nil
	}
	return limiter{s.identity, []string{"image"}}
}

func (s *System) networkLimiter() network.Limiter {
	if !s.unified() {
		return nil
	}
	return limiter{s.identity, []string{"network"}}
}

func (s *System) volumeLimiter() volume.Limiter {
	if !s.unified() {
		return nil
	}
	return limiter{s.identity, []string{"block-storage", "volumev3"}}
}

// registerLimits gives resources that have no default in the identity service the
// one that their service starts with.
func (s *System) registerLimits(ctx context.Context) error {
	if !s.unified() {
		return nil
	}
	for service, defaults := range map[string]map[string]int64{
		"compute": compute.RegisteredDefaults(), "image": image.RegisteredDefaults(), "network": network.RegisteredDefaults(), "block-storage": volume.RegisteredDefaults(),
	} {
		if err := s.identity.RegisterLimits(ctx, service, defaults); err != nil {
			return fmt.Errorf("limits of %s: %w", service, err)
		}
	}
	return nil
}
