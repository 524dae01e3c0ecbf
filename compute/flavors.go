package compute

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/page"
)

// FlavorFilter says which flavors a list has.
type FlavorFilter struct {
	MinDiskGiB, MinRAMMiB int
	Public                *bool          // nil: public or not
	Name                  *regexp.Regexp // nil: any
}

// FlavorStore is what the catalogue of flavors needs of the database, beyond
// what booting does.
type FlavorStore interface {
	ListFlavors(ctx context.Context, r db.Reader, scope auth.Scope, f FlavorFilter, req page.Request) ([]Flavor, bool, error)
	SaveFlavor(ctx context.Context, tx *db.Tx, f Flavor) error
	DeleteFlavor(ctx context.Context, tx *db.Tx, id string) (bool, error)
	FlavorAccess(ctx context.Context, r db.Reader, flavorID string) ([]string, error)
	GrantFlavor(ctx context.Context, tx *db.Tx, flavorID, projectID string) (bool, error)
	RevokeFlavor(ctx context.Context, tx *db.Tx, flavorID, projectID string) (bool, error)
}

func noFlavor(id string) error {
	return fault.New(fault.CodeComputeFlavorNotFound, "Flavor %s could not be found.", id)
}

// Flavor answers one flavor that the scope sees; fault compute.flavor_not_found.
func (s *Service) Flavor(ctx context.Context, scope auth.Scope, id string) (Flavor, error) {
	f, found, err := s.Store.Flavor(ctx, s.DB, scope, id)
	if err == nil && !found {
		err = noFlavor(id)
	}
	return f, err
}

// Flavors answers one page.
func (s *Service) Flavors(ctx context.Context, scope auth.Scope, f FlavorFilter, req page.Request) ([]Flavor, bool, error) {
	if f.Name == nil {
		return s.Store.ListFlavors(ctx, s.DB, scope, f, req)
	}
	// The two databases know no common regular expressions, and flavors are few.
	limit := req.Limit
	req.Limit = 0
	all, _, err := s.Store.ListFlavors(ctx, s.DB, scope, f, req)
	named := slices.DeleteFunc(all, func(one Flavor) bool { return !f.Name.MatchString(one.Name) })
	if limit > 0 && len(named) > limit {
		return named[:limit], true, err
	}
	return named, false, err
}

// CreateFlavor saves a flavor; without an id one is made. A taken id or name is
// fault compute.flavor_exists.
func (s *Service) CreateFlavor(ctx context.Context, f Flavor) (Flavor, error) {
	if f.ID == "" {
		f.ID = s.IDs.UUID()
	}
	f.CreatedAt = s.Clock.Now()
	err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.Store.InsertFlavor(ctx, tx, f) })
	if db.IsUnique(err) {
		if _, found, _ := s.Store.Flavor(ctx, s.DB, auth.System("flavor"), f.ID); found {
			return f, fault.Because(err, fault.CodeComputeFlavorExists, "Flavor with ID %s already exists.", f.ID)
		}
		return f, fault.Because(err, fault.CodeComputeFlavorExists, "Flavor with name %s already exists.", f.Name)
	}
	return f, err
}

// ChangeFlavor lets change edit a flavor; servers keep the flavor as it was.
func (s *Service) ChangeFlavor(ctx context.Context, scope auth.Scope, id string, change func(*Flavor) error) (Flavor, error) {
	var f Flavor
	err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		var found bool
		var err error
		if f, found, err = s.Store.Flavor(ctx, tx, scope, id); err != nil || !found {
			if err == nil {
				err = noFlavor(id)
			}
			return err
		}
		f.ExtraSpecs = maps.Clone(f.ExtraSpecs)
		if err := change(&f); err != nil {
			return err
		}
		f.UpdatedAt = s.Clock.Now()
		return s.Store.SaveFlavor(ctx, tx, f)
	})
	return f, err
}

// DeleteFlavor removes a flavor from the catalogue; servers keep it.
func (s *Service) DeleteFlavor(ctx context.Context, id string) error {
	return s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		found, err := s.Store.DeleteFlavor(ctx, tx, id)
		if err == nil && !found {
			err = noFlavor(id)
		}
		return err
	})
}

// FlavorAccess answers the projects that a private flavor is open to; a public
// one has no such list and is fault compute.flavor_not_found, as at Nova.
func (s *Service) FlavorAccess(ctx context.Context, scope auth.Scope, id string) ([]string, error) {
	f, err := s.Flavor(ctx, scope, id)
	if err != nil {
		return nil, err
	}
	if f.Public {
		return nil, fault.New(fault.CodeComputeFlavorNotFound, "Access list not available for public flavors.")
	}
	return s.Store.FlavorAccess(ctx, s.DB, id)
}

// ShareFlavor opens a private flavor to a project, or closes it.
func (s *Service) ShareFlavor(ctx context.Context, scope auth.Scope, id, projectID string, open bool) ([]string, error) {
	f, err := s.Flavor(ctx, scope, id)
	if err != nil {
		return nil, err
	}
	if f.Public && open {
		return nil, fault.New(fault.CodeComputeFlavorAccess, "Can not add access to a public flavor.")
	}
	err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if open {
			done, err := s.Store.GrantFlavor(ctx, tx, id, projectID)
			if err == nil && !done {
				err = fault.New(fault.CodeComputeFlavorAccess, "Flavor access already exists for flavor %s and project %s combination.", id, projectID)
			}
			return err
		}
		done, err := s.Store.RevokeFlavor(ctx, tx, id, projectID)
		if err == nil && !done {
			err = fault.New(fault.CodeComputeFlavorAccessNotFound, "Flavor access not found for %s / %s combination.", id, projectID)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.Store.FlavorAccess(ctx, s.DB, id)
}

// StandardFlavors are those that a first start makes.
func StandardFlavors() []Flavor {
	sizes := []struct {
		name             string
		vcpus, mem, disk int
	}{{"m1.nano", 1, 192, 1}, {"m1.micro", 1, 256, 1}, {"m1.tiny", 1, 512, 1}, {"m1.small", 1, 2048, 20}, {"m1.medium", 2, 4096, 40}, {"m1.large", 4, 8192, 80}}
	out := make([]Flavor, len(sizes))
	for i, z := range sizes {
		out[i] = Flavor{ID: strconv.Itoa(i + 1), Name: z.name, VCPUs: z.vcpus, MemoryMiB: z.mem, DiskGiB: z.disk, RxTx: 1, Public: true}
	}
	return out
}
