package store

import (
	"context"
	"fmt"

	"altostack/kernel/db"
	"altostack/objectstore"
)

const objectColumns = `container_id, name, age, state, marker, is_null, kind, etag, size, stored, content_type, blob, pieces, delete_at, meta, system, updated_at`

func scanObject(sc db.Scanner) (o objectstore.Object, err error) {
	var name []byte
	var meta, system string
	var age, state, updated int64
	err = sc.Scan(&o.ContainerID, &name, &age, &state, &o.Marker, &o.Null, &o.Kind, &o.ETag, &o.Size, &o.Stored, &o.ContentType, &o.Blob, &o.Pieces, &o.DeleteAt, &meta, &system, &updated)
	if err != nil {
		return o, err
	}
	o.Name, o.Stamp, o.Latest, o.UpdatedAt = string(name), -age, state > 0, db.Time(updated)
	o.Meta, o.System, err = dicts(meta, system)
	return o, err
}

func state(o objectstore.Object) int64 {
	switch {
	case !o.Latest:
		return 0
	case o.Marker:
		return 1
	}
	return 2
}

// Latest reads the version that a name stands for.
func (s *Store) Latest(ctx context.Context, r db.Reader, container int64, name string) (objectstore.Object, bool, error) {
	return db.Get(ctx, r, scanObject, "SELECT "+objectColumns+" FROM objects WHERE container_id = $1 AND name = $2 AND state > 0", container, []byte(name))
}

// Version reads one version.
func (s *Store) Version(ctx context.Context, r db.Reader, container int64, name string, stamp int64) (objectstore.Object, bool, error) {
	return db.Get(ctx, r, scanObject, "SELECT "+objectColumns+" FROM objects WHERE container_id = $1 AND name = $2 AND age = $3", container, []byte(name), -stamp)
}

// Null reads the null version.
func (s *Store) Null(ctx context.Context, r db.Reader, container int64, name string) (objectstore.Object, bool, error) {
	return db.Get(ctx, r, scanObject, "SELECT "+objectColumns+" FROM objects WHERE container_id = $1 AND name = $2 AND is_null = TRUE ORDER BY age LIMIT 1", container, []byte(name))
}

// Newest reads the newest version.
func (s *Store) Newest(ctx context.Context, r db.Reader, container int64, name string) (objectstore.Object, bool, error) {
	return db.Get(ctx, r, scanObject, "SELECT "+objectColumns+" FROM objects WHERE container_id = $1 AND name = $2 ORDER BY age LIMIT 1", container, []byte(name))
}

// InsertObject adds a version.
func (s *Store) InsertObject(ctx context.Context, tx *db.Tx, o objectstore.Object) error {
	_, err := tx.Exec(ctx, "INSERT INTO objects ("+objectColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
		o.ContainerID, []byte(o.Name), -o.Stamp, state(o), o.Marker, o.Null, o.Kind, o.ETag, o.Size, o.Stored, o.ContentType, o.Blob, o.Pieces, o.DeleteAt, text(o.Meta), text(o.System), db.Micros(o.UpdatedAt))
	if err != nil {
		return fmt.Errorf("insert object: %w", err)
	}
	return nil
}

// SaveObject writes what may change of a version.
func (s *Store) SaveObject(ctx context.Context, tx *db.Tx, o objectstore.Object) error {
	_, err := tx.Exec(ctx, `
		UPDATE objects SET state = $1, kind = $2, etag = $3, size = $4, content_type = $5, delete_at = $6, meta = $7, system = $8, updated_at = $9
		 WHERE container_id = $10 AND name = $11 AND age = $12`,
		state(o), o.Kind, o.ETag, o.Size, o.ContentType, o.DeleteAt, text(o.Meta), text(o.System), db.Micros(o.UpdatedAt), o.ContainerID, []byte(o.Name), -o.Stamp)
	return err
}

// DeleteObject removes a version's row.
func (s *Store) DeleteObject(ctx context.Context, tx *db.Tx, container int64, name string, stamp int64) error {
	_, err := tx.Exec(ctx, "DELETE FROM objects WHERE container_id = $1 AND name = $2 AND age = $3", container, []byte(name), -stamp)
	return err
}

// Objects reads a range of what is listed.
func (s *Store) Objects(ctx context.Context, r db.Reader, container int64, w objectstore.Window) ([]objectstore.Object, error) {
	b := newBounds("container_id = $1 AND state = 2", container)
	b.names("name", w)
	if w.At > 0 {
		b.add("(delete_at = 0 OR delete_at > $%d)", w.At)
	}
	return db.List(ctx, r, scanObject, "SELECT "+objectColumns+" FROM objects WHERE "+b.where()+b.order("name", "", w), b.args...)
}

// Versions reads a range of everything, newest first within a name.
func (s *Store) Versions(ctx context.Context, r db.Reader, container int64, w objectstore.Window) ([]objectstore.Object, error) {
	b := newBounds("container_id = $1", container)
	b.versions("name", "age", w)
	return db.List(ctx, r, scanObject, "SELECT "+objectColumns+" FROM objects WHERE "+b.where()+b.order("name", "age", w), b.args...)
}

// Expired reads objects whose time was up, oldest first.
func (s *Store) Expired(ctx context.Context, r db.Reader, now int64, limit int) ([]objectstore.Object, error) {
	return db.List(ctx, r, scanObject, "SELECT "+objectColumns+" FROM objects WHERE delete_at > 0 AND delete_at <= $1 ORDER BY delete_at LIMIT $2", now, limit)
}
