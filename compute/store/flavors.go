package store

import (
	"context"

	"altostack/compute"
	"altostack/kernel/auth"
	"altostack/kernel/db"
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
