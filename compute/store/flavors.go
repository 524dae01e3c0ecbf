package store

import (
	"context"

	"altostack/compute"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/page"
)

const flavorColumns = "id, name, vcpus, memory_mib, disk_gib, ephemeral_gib, swap_mib, rxtx, is_public, disabled, description, extra_specs, created_at, updated_at"

func scanFlavor(row db.Scanner) (compute.Flavor, error) {
	var f compute.Flavor
	var created, updated int64
	err := row.Scan(&f.ID, &f.Name, &f.VCPUs, &f.MemoryMiB, &f.DiskGiB, &f.EphemeralGiB, &f.SwapMiB, &f.RxTx, &f.Public, &f.Disabled, &f.Description,
		db.FromJSON{Into: &f.ExtraSpecs}, &created, &updated)
	f.CreatedAt, f.UpdatedAt = db.Time(created), db.Time(updated)
	return f, err
}

// Flavor reads a flavor that is public, or open to the scope's project.
func (*Store) Flavor(ctx context.Context, r db.Reader, scope auth.Scope, id string) (compute.Flavor, bool, error) {
	q, args := "SELECT "+flavorColumns+" FROM flavors WHERE id = $1", []any{id}
	if !scope.All {
		q += " AND (is_public OR EXISTS (SELECT 1 FROM flavor_access a WHERE a.flavor_id = flavors.id AND a.project_id = $2))"
		args = append(args, scope.ProjectID)
	}
	return db.Get(ctx, r, scanFlavor, q, args...)
}

// InsertFlavor saves a new flavor; db.IsUnique tells a taken id or name.
func (*Store) InsertFlavor(ctx context.Context, tx *db.Tx, f compute.Flavor) error {
	extra := f.ExtraSpecs
	if extra == nil {
		extra = map[string]string{}
	}
	const q = `INSERT INTO flavors (id, name, vcpus, memory_mib, disk_gib, ephemeral_gib, swap_mib, rxtx, is_public, disabled, description, extra_specs, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)`
	_, err := tx.Exec(ctx, q, f.ID, f.Name, f.VCPUs, f.MemoryMiB, f.DiskGiB, f.EphemeralGiB, f.SwapMiB, f.RxTx, f.Public, f.Disabled, f.Description,
		db.JSON(extra), db.Micros(f.CreatedAt))
	return err
}

// ListFlavors reads one page of the flavors that the scope sees.
func (*Store) ListFlavors(ctx context.Context, r db.Reader, scope auth.Scope, f compute.FlavorFilter, req page.Request) ([]compute.Flavor, bool, error) {
	q := page.From(flavorColumns, "flavors", "id").Where("NOT disabled")
	if f.MinDiskGiB > 0 {
		q.Where("disk_gib >= ?", f.MinDiskGiB)
	}
	if f.MinRAMMiB > 0 {
		q.Where("memory_mib >= ?", f.MinRAMMiB)
	}
	switch {
	case !scope.All || f.Public != nil && *f.Public: // public is what the project may use
		q.Where("is_public OR EXISTS (SELECT 1 FROM flavor_access a WHERE a.flavor_id = flavors.id AND a.project_id = ?)", scope.ProjectID)
	case f.Public != nil:
		q.Where("NOT is_public")
	}
	return page.List(ctx, r, q, req, scanFlavor)
}

// SaveFlavor writes what may change of a flavor.
func (*Store) SaveFlavor(ctx context.Context, tx *db.Tx, f compute.Flavor) error {
	_, err := tx.Exec(ctx, "UPDATE flavors SET description = $1, extra_specs = $2, updated_at = $3 WHERE id = $4", f.Description, db.JSON(f.ExtraSpecs), db.Micros(f.UpdatedAt), f.ID)
	return err
}

// DeleteFlavor reports whether there was one.
func (*Store) DeleteFlavor(ctx context.Context, tx *db.Tx, id string) (bool, error) {
	n, err := tx.Exec(ctx, "DELETE FROM flavors WHERE id = $1", id)
	return n > 0, err
}

// FlavorAccess lists the projects of a private flavor.
func (*Store) FlavorAccess(ctx context.Context, r db.Reader, flavorID string) ([]string, error) {
	return db.List(ctx, r, db.Value[string], "SELECT project_id FROM flavor_access WHERE flavor_id = $1 ORDER BY project_id", flavorID)
}

// GrantFlavor reports whether the project had no access before.
func (*Store) GrantFlavor(ctx context.Context, tx *db.Tx, flavorID, projectID string) (bool, error) {
	n, err := tx.Exec(ctx, "INSERT INTO flavor_access (flavor_id, project_id) VALUES ($1, $2) ON CONFLICT DO NOTHING", flavorID, projectID)
	return n > 0, err
}

// RevokeFlavor reports whether the project had access.
func (*Store) RevokeFlavor(ctx context.Context, tx *db.Tx, flavorID, projectID string) (bool, error) {
	n, err := tx.Exec(ctx, "DELETE FROM flavor_access WHERE flavor_id = $1 AND project_id = $2", flavorID, projectID)
	return n > 0, err
}
