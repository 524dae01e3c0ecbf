package compute

import (
	"context"
	"maps"
	"slices"

	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// QuotaStore is what quotas need of the database, beyond what booting does.
type QuotaStore interface {
	QuotaClass(ctx context.Context, r db.Reader, class string) (Quotas, error)
	SetQuotas(ctx context.Context, tx *db.Tx, projectID string, limits Quotas) error
	SetQuotaClass(ctx context.Context, tx *db.Tx, class string, limits Quotas) error
	DropQuotas(ctx context.Context, tx *db.Tx, projectID string) error
	CountGroups(ctx context.Context, r db.Reader, projectID string) (int64, error)
}

// Limits answers a project's limits and what it uses of them.
func (s *Service) Limits(ctx context.Context, projectID string) (Quotas, Usage, error) {
	limits, err := s.quotas(ctx, s.DB, projectID)
	if err != nil {
		return nil, Usage{}, err
	}
	used, err := s.Store.Usage(ctx, s.DB, projectID)
	return limits, used, err
}

// GroupsUsed counts a project's server groups.
func (s *Service) GroupsUsed(ctx context.Context, projectID string) (int64, error) {
	return s.Store.CountGroups(ctx, s.DB, projectID)
}

// Elsewhere are resources that other services count. Their limits are kept and
// shown until 2.36 (in quota classes 2.50), and have no effect, as at Nova.
var Elsewhere = []string{"fixed_ips", "floating_ips", "security_group_rules", "security_groups"}

// DefaultClass is the class whose limits hold for projects without their own;
// other classes are kept and hold for nobody, as at Nova.
const DefaultClass = "default"

// DefaultLimits answers the limits of projects for which nothing was set.
func (s *Service) DefaultLimits(ctx context.Context) (Quotas, error) {
	return s.ClassLimits(ctx, DefaultClass)
}

// ClassLimits answers the limits of a class.
func (s *Service) ClassLimits(ctx context.Context, class string) (Quotas, error) {
	if class == DefaultClass && !s.kept() {
		return s.quotas(ctx, s.DB, "")
	}
	return s.Store.QuotaClass(ctx, s.DB, class)
}

// SetLimits changes a project's limits. Unless forced, a limit below what is used
// is fault compute.quota_below_use.
func (s *Service) SetLimits(ctx context.Context, projectID string, limits Quotas, force bool) (Quotas, error) {
	if !s.kept() {
		return s.quotas(ctx, s.DB, projectID)
	}
	var out Quotas
	err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		used, err := s.Store.Usage(ctx, tx, projectID)
		if err != nil {
			return err
		}
		inUse := map[string]int64{"instances": used.Instances, "cores": used.Cores, "ram": used.RAM}
		for _, name := range slices.Sorted(maps.Keys(limits)) {
			if v := limits[name]; !force && v >= 0 && v < inUse[name] {
				return fault.New(fault.CodeComputeQuotaBelowUse, "Quota limit %d for %s must be greater than or equal to already used and reserved %d.", v, name, inUse[name])
			}
		}
		if err := s.Store.SetQuotas(ctx, tx, projectID, limits); err != nil {
			return err
		}
		out, err = s.quotas(ctx, tx, projectID)
		return err
	})
	return out, err
}

// SetClassLimits changes a class's limits.
func (s *Service) SetClassLimits(ctx context.Context, class string, limits Quotas) (Quotas, error) {
	if !s.kept() {
		return s.ClassLimits(ctx, class)
	}
	err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.Store.SetQuotaClass(ctx, tx, class, limits) })
	if err != nil {
		return nil, err
	}
	return s.ClassLimits(ctx, class)
}

// Projects is an ability of Identity: telling whether a project exists.
type Projects interface {
	ProjectExists(ctx context.Context, id string) (bool, error)
}

// CheckProject refuses a project that identity says does not exist; fault
// compute.bad_project. An identity that cannot tell refuses none, as at Nova.
func (s *Service) CheckProject(ctx context.Context, id string) error {
	p, can := s.Identity.(Projects)
	if !can {
		return nil
	}
	exists, err := p.ProjectExists(ctx, id)
	if err == nil && !exists {
		err = fault.New(fault.CodeComputeBadProject, "Project ID %s is not a valid project.", id)
	}
	return err
}

// ResetLimits gives a project the default limits again.
func (s *Service) ResetLimits(ctx context.Context, projectID string) error {
	return s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.Store.DropQuotas(ctx, tx, projectID) })
}
