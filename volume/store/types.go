package store

import (
	"context"
	"fmt"

	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/page"
	"altostack/volume"
)

const typeColumns = "id, name, description, is_public, extra_specs, qos_id, created_at, updated_at"

func scanType(row db.Scanner) (t volume.Type, err error) {
	var created, updated int64
	err = row.Scan(&t.ID, &t.Name, &t.Description, &t.Public, db.FromJSON{Into: &t.ExtraSpecs}, &t.QoSID, &created, &updated)
	t.CreatedAt, t.UpdatedAt = db.Time(created), db.Time(updated)
	return t, err
}

// SaveType writes a type, new or not; fault volume.conflict where another has
// its name.
func (*Store) SaveType(ctx context.Context, tx *db.Tx, t volume.Type) error {
	other, found, err := db.Get(ctx, tx, db.Value[string], "SELECT id FROM volume_types WHERE name = $1", t.Name)
	if err != nil {
		return err
	}
	if found && other != t.ID {
		return fault.New(fault.CodeVolumeConflict, "Volume Type %s already exists.", t.Name)
	}
	const q = `
		INSERT INTO volume_types (id, name, description, is_public, extra_specs, qos_id, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, description = excluded.description, is_public = excluded.is_public,
			extra_specs = excluded.extra_specs, qos_id = excluded.qos_id, updated_at = excluded.updated_at`
	if _, err := tx.Exec(ctx, q, t.ID, t.Name, t.Description, t.Public, pairs(t.ExtraSpecs), t.QoSID, db.Micros(t.CreatedAt), db.Micros(t.UpdatedAt)); err != nil {
		return fmt.Errorf("save volume type %s: %w", t.ID, err)
	}
	return nil
}

// RemoveType deletes a type that nothing uses.
func (*Store) RemoveType(ctx context.Context, tx *db.Tx, id string) error {
	var users int64
	if err := tx.QueryRow(ctx, "SELECT COUNT(*) FROM volumes WHERE type_id = $1", id).Scan(&users); err != nil {
		return err
	}
	if users > 0 {
		return fault.New(fault.CodeVolumeBadType, "Target volume type is still in use.")
	}
	for _, q := range []string{"DELETE FROM volume_default_types WHERE type_id = $1", "DELETE FROM volume_type_access WHERE type_id = $1", "DELETE FROM volume_types WHERE id = $1"} {
		if _, err := tx.Exec(ctx, q, id); err != nil {
			return fmt.Errorf("remove volume type %s: %w", id, err)
		}
	}
	return nil
}

// Type reads a type by id or by name; private ones only for projects with
// access, unless all is set.
func (*Store) Type(ctx context.Context, r db.Reader, ref, projectID string, all bool) (volume.Type, bool, error) {
	const q = "SELECT " + typeColumns + ` FROM volume_types
		WHERE (id = $1 OR name = $1) AND (is_public OR $2 OR id IN (SELECT type_id FROM volume_type_access WHERE project_id = $3))
		ORDER BY CASE WHEN id = $1 THEN 0 ELSE 1 END LIMIT 1`
	return db.Get(ctx, r, scanType, q, ref, all, projectID)
}

// Types lists types; public nil lists both kinds.
func (*Store) Types(ctx context.Context, r db.Reader, q volume.TypeQuery) ([]volume.Type, bool, error) {
	s := page.From(typeColumns, "volume_types", "id").Equal("name", q.Name).Equal("qos_id", q.QoSID)
	if !q.All {
		s.Where("is_public = ? OR id IN (SELECT type_id FROM volume_type_access WHERE project_id = ?)", true, q.ProjectID)
	}
	if q.Public != nil {
		s.Where("is_public = ?", *q.Public)
	}
	wherePairs(s, "extra_specs", q.ExtraSpecs)
	return page.List(ctx, r, s, q.Page, scanType)
}

// TypeAccess lists the projects that may use a private type.
func (*Store) TypeAccess(ctx context.Context, r db.Reader, typeID string) ([]string, error) {
	return db.List(ctx, r, db.Value[string], "SELECT project_id FROM volume_type_access WHERE type_id = $1 ORDER BY project_id", typeID)
}

// SetTypeAccess adds or removes a project's access; changed is false where
// nothing was to do.
func (*Store) SetTypeAccess(ctx context.Context, tx *db.Tx, typeID, projectID string, allow bool) (changed bool, err error) {
	q := "DELETE FROM volume_type_access WHERE type_id = $1 AND project_id = $2"
	if allow {
		q = "INSERT INTO volume_type_access (type_id, project_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"
	}
	n, err := tx.Exec(ctx, q, typeID, projectID)
	return n > 0, err
}

// DefaultType answers a project's own default type.
func (*Store) DefaultType(ctx context.Context, r db.Reader, projectID string) (string, bool, error) {
	return db.Get(ctx, r, db.Value[string], "SELECT type_id FROM volume_default_types WHERE project_id = $1", projectID)
}

// DefaultTypes answers all default types by project.
func (*Store) DefaultTypes(ctx context.Context, r db.Reader) ([][2]string, error) {
	return db.List(ctx, r, func(row db.Scanner) (p [2]string, err error) { return p, row.Scan(&p[0], &p[1]) },
		"SELECT project_id, type_id FROM volume_default_types ORDER BY project_id")
}

// SetDefaultType sets a project's default type; empty removes it.
func (*Store) SetDefaultType(ctx context.Context, tx *db.Tx, projectID, typeID string) error {
	if typeID == "" {
		_, err := tx.Exec(ctx, "DELETE FROM volume_default_types WHERE project_id = $1", projectID)
		return err
	}
	_, err := tx.Exec(ctx, "INSERT INTO volume_default_types (project_id, type_id) VALUES ($1, $2) ON CONFLICT (project_id) DO UPDATE SET type_id = excluded.type_id", projectID, typeID)
	return err
}
