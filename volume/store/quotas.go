package store

import (
	"context"
	"fmt"

	"altostack/kernel/db"
	"altostack/volume"
)

// Limits reads the limits set for an owner: a project, or class:NAME.
func (*Store) Limits(ctx context.Context, r db.Reader, owner string) (map[string]int64, error) {
	limits := map[string]int64{}
	_, err := db.List(ctx, r, func(row db.Scanner) (struct{}, error) {
		var name string
		var limit int64
		err := row.Scan(&name, &limit)
		limits[name] = limit
		return struct{}{}, err
	}, "SELECT resource, hard_limit FROM volume_quotas WHERE owner = $1", owner)
	return limits, err
}

// SetLimit sets one limit.
func (*Store) SetLimit(ctx context.Context, tx *db.Tx, owner, resource string, limit int64) error {
	_, err := tx.Exec(ctx, "INSERT INTO volume_quotas (owner, resource, hard_limit) VALUES ($1, $2, $3) ON CONFLICT (owner, resource) DO UPDATE SET hard_limit = excluded.hard_limit", owner, resource, limit)
	if err != nil {
		return fmt.Errorf("set limit %s of %s: %w", resource, owner, err)
	}
	return nil
}

// DeleteLimits returns an owner to the defaults.
func (*Store) DeleteLimits(ctx context.Context, tx *db.Tx, owner string) error {
	_, err := tx.Exec(ctx, "DELETE FROM volume_quotas WHERE owner = $1", owner)
	return err
}

// Used counts what a project holds, by type.
func (*Store) Used(ctx context.Context, r db.Reader, projectID string) ([]volume.Used, error) {
	const q = `
		SELECT u.type_id, COALESCE(t.name, ''), SUM(u.volumes), SUM(u.snapshots), SUM(u.gib)
		  FROM (SELECT type_id, COUNT(*) AS volumes, 0 AS snapshots, SUM(size_gib + growing_gib) AS gib FROM volumes WHERE project_id = $1 GROUP BY type_id
		        UNION ALL
		        SELECT type_id, 0, COUNT(*), SUM(size_gib) FROM volume_snapshots WHERE project_id = $1 GROUP BY type_id) u
		  LEFT JOIN volume_types t ON t.id = u.type_id
		 GROUP BY u.type_id, t.name`
	return db.List(ctx, r, func(row db.Scanner) (u volume.Used, err error) {
		return u, row.Scan(&u.TypeID, &u.TypeName, &u.Volumes, &u.Snapshots, &u.GiB)
	}, q, projectID)
}

// HostUse counts what each project has on the one backend.
func (*Store) HostUse(ctx context.Context, r db.Reader) ([]volume.Used, error) {
	const q = `
		SELECT u.project_id, SUM(u.volumes), SUM(u.gib), SUM(u.snapshots), SUM(u.snapshot_gib)
		  FROM (SELECT project_id, COUNT(*) AS volumes, SUM(size_gib) AS gib, 0 AS snapshots, 0 AS snapshot_gib FROM volumes WHERE host <> '' GROUP BY project_id
		        UNION ALL
		        SELECT project_id, 0, 0, COUNT(*), SUM(size_gib) FROM volume_snapshots GROUP BY project_id) u
		 GROUP BY u.project_id ORDER BY u.project_id`
	return db.List(ctx, r, func(row db.Scanner) (u volume.Used, err error) {
		return u, row.Scan(&u.ProjectID, &u.Volumes, &u.GiB, &u.Snapshots, &u.SnapshotGiB)
	}, q)
}
