package compute

import (
	"context"
	"maps"
	"slices"

	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// UserQuotaStore is what quotas of single users need of the database. They are
// rare: only users for whom an operator set one have any.
type UserQuotaStore interface {
	UserQuotas(ctx context.Context, r db.Reader, projectID, userID string) (Quotas, error)
	SetUserQuotas(ctx context.Context, tx *db.Tx, projectID, userID string, limits Quotas) error
	DropUserQuotas(ctx context.Context, tx *db.Tx, projectID, userID string) error
	UserUsage(ctx context.Context, r db.Reader, projectID, userID string) (Usage, error)
}

// UserLimits answers what holds for a user in a project: the project's limits,
// and over them the user's own; and what the user's servers take.
func (s *Service) UserLimits(ctx context.Context, projectID, userID string) (Quotas, Usage, error) {
	limits, err := s.quotas(ctx, s.DB, projectID)
	if err != nil {
		return nil, Usage{}, err
	}
	if s.kept() {
		own, err := s.Store.UserQuotas(ctx, s.DB, projectID, userID)
		if err != nil {
			return nil, Usage{}, err
		}
		maps.Copy(limits, own)
	}
	used, err := s.Store.UserUsage(ctx, s.DB, projectID, userID)
	return limits, used, err
}

// SetUserLimits gives a user limits within the project's. Unless forced, one
// below what the user takes or above the project's is fault
// compute.quota_below_use.
func (s *Service) SetUserLimits(ctx context.Context, projectID, userID string, limits Quotas, force bool) (Quotas, error) {
	err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		project, err := s.quotas(ctx, tx, projectID)
		if err != nil {
			return err
		}
		used, err := s.Store.UserUsage(ctx, tx, projectID, userID)
		if err != nil {
			return err
		}
		inUse := map[string]int64{"instances": used.Instances, "cores": used.Cores, "ram": used.RAM}
		for _, name := range slices.Sorted(maps.Keys(limits)) {
			v, most := limits[name], project[name]
			switch {
			case force:
			case v >= 0 && v < inUse[name]:
				return fault.New(fault.CodeComputeQuotaBelowUse, "Quota limit %d for %s must be greater than or equal to already used and reserved %d.", v, name, inUse[name])
			case most >= 0 && (v < 0 || v > most):
				return fault.New(fault.CodeComputeQuotaBelowUse, "Quota limit %d for %s must be less than or equal to %d.", v, name, most)
			}
		}
		return s.Store.SetUserQuotas(ctx, tx, projectID, userID, limits)
	})
	if err != nil {
		return nil, err
	}
	out, _, err := s.UserLimits(ctx, projectID, userID)
	return out, err
}

// ResetUserLimits forgets a user's own limits.
func (s *Service) ResetUserLimits(ctx context.Context, projectID, userID string) error {
	return s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.Store.DropUserQuotas(ctx, tx, projectID, userID) })
}

// checkUser refuses more servers than a user's own limits leave; before those
// servers are saved, in the same transaction.
func (s *Service) checkUser(ctx context.Context, tx *db.Tx, projectID, userID string, more Usage) error {
	if !s.kept() {
		return nil
	}
	own, err := s.Store.UserQuotas(ctx, tx, projectID, userID)
	if err != nil || len(own) == 0 {
		return err
	}
	used, err := s.Store.UserUsage(ctx, tx, projectID, userID)
	if err != nil {
		return err
	}
	limits := Quotas{"instances": -1, "cores": -1, "ram": -1}
	maps.Copy(limits, own)
	return limits.Check(used, more)
}
