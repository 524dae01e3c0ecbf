package image

import (
	"context"

	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// Limiter answers limits that are kept by the identity service: those of a
// project, or without one the defaults. A resource of which nothing is registered
// is absent; -1 is no limit.
type Limiter interface {
	Limits(ctx context.Context, r db.Reader, projectID string, resources []string) (map[string]int64, error)
}

// The names by which limits are registered; sizes are in MiB. Source: Glance, "Per
// Project Quotas".
const (
	LimitImages    = "image_count_total"
	LimitUploading = "image_count_uploading"
	LimitSize      = "image_size_total"
	LimitStaged    = "image_stage_total"
)

// RegisteredDefaults are the default limits, as they are registered.
func RegisteredDefaults() map[string]int64 {
	return map[string]int64{LimitImages: 100, LimitUploading: 100, LimitSize: 100_000, LimitStaged: 100_000}
}

// bounds are what a project may have of each resource; -1 is no limit.
func (s *Service) bounds(ctx context.Context, r db.Reader, projectID string) (map[string]int64, error) {
	if s.limiter != nil {
		set, err := s.limiter.Limits(ctx, r, projectID, []string{LimitImages, LimitUploading, LimitSize, LimitStaged})
		out := map[string]int64{LimitImages: 0, LimitUploading: 0, LimitSize: 0, LimitStaged: 0} // what is not registered may not be used, as at Glance
		for name, limit := range set {
			out[name] = limit
		}
		return out, err
	}
	out := map[string]int64{LimitImages: -1, LimitUploading: -1, LimitSize: -1, LimitStaged: -1}
	if n := s.limits.ProjectImages; n > 0 {
		out[LimitImages] = int64(n)
	}
	if n := s.limits.ProjectBytes; n > 0 {
		out[LimitSize] = n / mib
	}
	if n := s.limits.ProjectUploads; n > 0 {
		out[LimitUploading] = int64(n)
	}
	if n := s.limits.ProjectStaged; n > 0 {
		out[LimitStaged] = n / mib
	}
	return out, nil
}

// Bounds answers what a project may have: by the names of the resources, sizes in
// MiB, -1 for no limit.
func (s *Service) Bounds(ctx context.Context, projectID string) (map[string]int64, error) {
	return s.bounds(ctx, s.db, projectID)
}

const mib = 1 << 20

// checkUpload refuses to begin with data where the owner uploads as much as it
// may, or has what it may have already. to is Saving, or Uploading into the
// staging area.
func (s *Service) checkUpload(ctx context.Context, tx *db.Tx, owner string, to Status) error {
	bounds, err := s.bounds(ctx, tx, owner)
	if err != nil {
		return err
	}
	used, err := s.store.Used(ctx, tx, owner)
	if err != nil {
		return err
	}
	over := func(name string, has, more int64) error {
		if limit := bounds[name]; limit >= 0 && has+more > limit {
			return fault.New(fault.CodeImageOverQuota, "Request exceeds allowed quota: Project %s is over a limit for [Resource %s is over limit of %d due to current usage %d and delta %d]", owner, name, limit, has, more)
		}
		return nil
	}
	if err := over(LimitUploading, int64(used.Uploading), 1); err != nil {
		return err
	}
	if to == Uploading {
		return over(LimitStaged, (used.Staged+mib-1)/mib, 0)
	}
	return over(LimitSize, (used.Bytes+mib-1)/mib, 0)
}

// checkRoom refuses data that does not fit with what the owner has.
func (s *Service) checkRoom(ctx context.Context, tx *db.Tx, owner string, size int64) error {
	limit := s.limits.ProjectBytes
	if s.limiter != nil {
		bounds, err := s.bounds(ctx, tx, owner)
		if err != nil || bounds[LimitSize] < 0 {
			return err
		}
		limit = bounds[LimitSize] * mib
	} else if limit == 0 {
		return nil
	}
	used, err := s.store.Used(ctx, tx, owner)
	if err == nil && used.Bytes+size > limit {
		err = fault.New(fault.CodeImageOverQuota, "The image of %d bytes does not fit: project %s has %d of %d bytes in use.", size, owner, used.Bytes, limit)
	}
	return err
}
