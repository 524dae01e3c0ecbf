package volume

import (
	"context"
	"fmt"
	"maps"

	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// defaultLimits are Cinder's; -1 is no limit. Sizes are GiB.
var defaultLimits = map[string]int64{"volumes": 10, "snapshots": 10, "gigabytes": 1000, "backups": 10, "backup_gigabytes": 1000, "per_volume_gigabytes": -1, "groups": 10}

// DefaultLimits answers the limits of projects without their own: what is set
// for the default class, else what the service starts with; one each for every
// type.
func (s *Service) DefaultLimits(ctx context.Context, r db.Reader) (map[string]int64, error) {
	limits := maps.Clone(defaultLimits)
	types, _, err := s.Store.Types(ctx, r, TypeQuery{All: true})
	if err != nil {
		return nil, err
	}
	for _, t := range types {
		for _, name := range []string{"volumes_", "gigabytes_", "snapshots_"} {
			limits[name+t.Name] = -1
		}
	}
	set, err := s.setLimits(ctx, r, "class:"+defaultQuotaClassName, "", limits)
	overlay(limits, set)
	return limits, err
}

// overlay replaces limits that exist; one of a type that is gone is dropped.
func overlay(limits, set map[string]int64) {
	for name, limit := range set {
		if _, has := limits[name]; has {
			limits[name] = limit
		}
	}
}

// Limits answers a project's limits.
func (s *Service) Limits(ctx context.Context, r db.Reader, projectID string) (map[string]int64, error) {
	limits, err := s.DefaultLimits(ctx, r)
	if err != nil {
		return nil, err
	}
	set, err := s.setLimits(ctx, r, projectID, projectID, limits)
	overlay(limits, set)
	return limits, err
}

// UsedBy answers what a project holds, by the names of limits.
func (s *Service) UsedBy(ctx context.Context, r db.Reader, projectID string) (map[string]int64, error) {
	all, err := s.Store.Used(ctx, r, projectID)
	if err != nil {
		return nil, err
	}
	used := map[string]int64{}
	for _, u := range all {
		for name, n := range map[string]int64{"volumes": u.Volumes, "gigabytes": u.GiB, "snapshots": u.Snapshots} {
			used[name] += n
			used[name+"_"+u.TypeName] += n
		}
	}
	used["backups"], used["backup_gigabytes"], err = s.Store.BackupUse(ctx, r, projectID)
	return used, err
}

// SetLimits replaces some of an owner's limits. The names must exist.
func (s *Service) SetLimits(ctx context.Context, owner string, limits map[string]int64) error {
	return s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		known, err := s.DefaultLimits(ctx, tx)
		if err != nil {
			return err
		}
		for name, limit := range limits {
			if _, has := known[name]; !has {
				return fault.New(fault.CodeVolumeInvalidInput, "Bad key(s) in quota set: %s", name)
			}
			if err := s.Store.SetLimit(ctx, tx, owner, name, limit); err != nil {
				return err
			}
		}
		return nil
	})
}

// DeleteLimits returns a project to the defaults.
func (s *Service) DeleteLimits(ctx context.Context, owner string) error {
	return s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.Store.DeleteLimits(ctx, tx, owner) })
}

// demand is what a request adds; one is the size of the single volume.
type demand struct{ volumes, snapshots, gib, one int64 }

// checkQuota refuses a demand that does not fit, in the transaction that makes
// it, so that concurrent requests cannot exceed a limit together.
func (s *Service) checkQuota(ctx context.Context, tx *db.Tx, projectID, typeID, typeName string, d demand) error {
	limits, err := s.Limits(ctx, tx, projectID)
	if err != nil {
		return fmt.Errorf("read limits: %w", err)
	}
	if limit := limits["per_volume_gigabytes"]; limit >= 0 && d.one > limit {
		return fault.New(fault.CodeVolumeQuotaExceeded, "Requested volume size %dG is larger than maximum allowed limit %dG.", d.one, limit)
	}
	used, err := s.UsedBy(ctx, tx, projectID)
	if err != nil {
		return fmt.Errorf("read usage: %w", err)
	}
	for _, suffix := range []string{"", "_" + typeName} {
		over := func(name string, want int64) bool {
			limit, has := limits[name+suffix]
			return want > 0 && has && limit >= 0 && used[name+suffix]+want > limit
		}
		switch {
		case over("gigabytes", d.gib):
			name := "gigabytes" + suffix
			return fault.New(fault.CodeVolumeQuotaExceeded, "Requested volume or snapshot exceeds allowed %s quota. Requested %dG, quota is %dG and %dG has been consumed.", name, d.gib, limits[name], used[name])
		case over("volumes", d.volumes):
			return fault.New(fault.CodeVolumeQuotaExceeded, "Maximum number of volumes allowed (%d) exceeded for quota 'volumes%s'.", limits["volumes"+suffix], suffix)
		case over("snapshots", d.snapshots):
			return fault.New(fault.CodeVolumeQuotaExceeded, "Maximum number of snapshots allowed (%d) exceeded", limits["snapshots"+suffix])
		}
	}
	return nil
}
