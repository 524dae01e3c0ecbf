package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"altostack/kernel/db"
	"altostack/objectstore"
)

// Pieces reads the blobs of an object that was uploaded in parts.
func (s *Store) Pieces(ctx context.Context, r db.Reader, list string) ([]objectstore.Piece, error) {
	return db.List(ctx, r, func(sc db.Scanner) (p objectstore.Piece, err error) {
		return p, sc.Scan(&p.Number, &p.Blob, &p.Start, &p.Size, &p.ETag)
	}, "SELECT number, blob, start, size, etag FROM object_pieces WHERE list = $1 ORDER BY number", list)
}

// InsertPieces adds a list of blobs.
func (s *Store) InsertPieces(ctx context.Context, tx *db.Tx, list string, pieces []objectstore.Piece) error {
	for _, p := range pieces {
		if _, err := tx.Exec(ctx, "INSERT INTO object_pieces (list, number, blob, start, size, etag) VALUES ($1, $2, $3, $4, $5, $6)", list, p.Number, p.Blob, p.Start, p.Size, p.ETag); err != nil {
			return fmt.Errorf("insert piece: %w", err)
		}
	}
	return nil
}

const uploadColumns = "id, container_id, name, content_type, meta, system, created_at"

func scanUpload(sc db.Scanner) (u objectstore.Upload, err error) {
	var name []byte
	var meta, system string
	var created int64
	if err := sc.Scan(&u.ID, &u.ContainerID, &name, &u.ContentType, &meta, &system, &created); err != nil {
		return u, err
	}
	u.Name, u.CreatedAt = string(name), db.Time(created)
	u.Meta, u.System, err = dicts(meta, system)
	return u, err
}

// InsertUpload adds an upload in parts.
func (s *Store) InsertUpload(ctx context.Context, tx *db.Tx, u objectstore.Upload) error {
	_, err := tx.Exec(ctx, "INSERT INTO object_uploads ("+uploadColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7)",
		u.ID, u.ContainerID, []byte(u.Name), u.ContentType, text(u.Meta), text(u.System), db.Micros(u.CreatedAt))
	return err
}

// Upload reads an upload in parts.
func (s *Store) Upload(ctx context.Context, r db.Reader, container int64, id string) (objectstore.Upload, bool, error) {
	return db.Get(ctx, r, scanUpload, "SELECT "+uploadColumns+" FROM object_uploads WHERE id = $1 AND container_id = $2", id, container)
}

// Uploads reads a range of a container's uploads, by name and then by id.
func (s *Store) Uploads(ctx context.Context, r db.Reader, container int64, w objectstore.Window) ([]objectstore.Upload, error) {
	b := newBounds("container_id = $1", container)
	b.names("name", w)
	return db.List(ctx, r, scanUpload, "SELECT "+uploadColumns+" FROM object_uploads WHERE "+b.where()+b.order("name", "id", w), b.args...)
}

// DeleteUpload removes an upload and its parts' rows.
func (s *Store) DeleteUpload(ctx context.Context, tx *db.Tx, id string) error {
	if _, err := tx.Exec(ctx, "DELETE FROM object_upload_parts WHERE upload_id = $1", id); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "DELETE FROM object_uploads WHERE id = $1", id)
	return err
}

// SavePart writes a part, and answers the blob that it replaced.
func (s *Store) SavePart(ctx context.Context, tx *db.Tx, upload string, p objectstore.Part) (string, error) {
	old, _, err := db.Get(ctx, tx, db.Value[string], "SELECT blob FROM object_upload_parts WHERE upload_id = $1 AND number = $2", upload, p.Number)
	if err != nil {
		return "", err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO object_upload_parts (upload_id, number, blob, size, etag, created_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (upload_id, number) DO UPDATE SET blob = excluded.blob, size = excluded.size, etag = excluded.etag, created_at = excluded.created_at`,
		upload, p.Number, p.Blob, p.Size, p.ETag, db.Micros(p.CreatedAt))
	return old, err
}

// Parts reads parts behind a number; limit 0: all.
func (s *Store) Parts(ctx context.Context, r db.Reader, upload string, after, limit int) ([]objectstore.Part, error) {
	if limit <= 0 {
		limit = 1 << 30
	}
	return db.List(ctx, r, func(sc db.Scanner) (p objectstore.Part, err error) {
		var created int64
		err = sc.Scan(&p.Number, &p.Blob, &p.Size, &p.ETag, &created)
		p.CreatedAt = db.Time(created)
		return p, err
	}, "SELECT number, blob, size, etag, created_at FROM object_upload_parts WHERE upload_id = $1 AND number > $2 ORDER BY number LIMIT $3", upload, after, limit)
}

// named is the condition that a row names the blob $1.
const named = `(EXISTS (SELECT 1 FROM objects WHERE blob = $1 AND blob <> '') OR EXISTS (SELECT 1 FROM object_pieces WHERE blob = $1)
	OR EXISTS (SELECT 1 FROM object_upload_parts WHERE blob = $1))`

// Discard notes what no row names any more as garbage.
func (s *Store) Discard(ctx context.Context, tx *db.Tx, policy int, blob string, list bool) error {
	if !list {
		_, err := tx.Exec(ctx, "INSERT INTO object_garbage (blob, policy) SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT) WHERE NOT "+named+" ON CONFLICT (blob) DO NOTHING", blob, policy)
		return err
	}
	used, _, err := db.Get(ctx, tx, db.Value[bool], "SELECT EXISTS (SELECT 1 FROM objects WHERE blob = $1 AND blob <> '')", blob)
	if err != nil || used {
		return err
	}
	pieces, err := s.Pieces(ctx, tx, blob)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "DELETE FROM object_pieces WHERE list = $1", blob); err != nil {
		return err
	}
	for _, p := range pieces {
		if p.Blob == "" {
			continue
		}
		if err := s.Discard(ctx, tx, policy, p.Blob, false); err != nil {
			return err
		}
	}
	return nil
}

func scanGarbage(sc db.Scanner) (g objectstore.Garbage, err error) {
	return g, sc.Scan(&g.Blob, &g.Policy)
}

// Garbage reads blobs that are to be removed.
func (s *Store) Garbage(ctx context.Context, r db.Reader, limit int) ([]objectstore.Garbage, error) {
	return db.List(ctx, r, scanGarbage, "SELECT blob, policy FROM object_garbage ORDER BY blob LIMIT $1", limit)
}

// Swept forgets blobs that were removed.
func (s *Store) Swept(ctx context.Context, tx *db.Tx, blobs []string) error {
	for _, b := range blobs {
		for _, q := range []string{"DELETE FROM object_garbage WHERE blob = $1", "DELETE FROM object_damage WHERE blob = $1"} {
			if _, err := tx.Exec(ctx, q, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// OpenBlock records a block of blob ids.
func (s *Store) OpenBlock(ctx context.Context, tx *db.Tx, b objectstore.Block) error {
	_, err := tx.Exec(ctx, "INSERT INTO object_blocks (block, policy, writer, deadline) VALUES ($1, $2, $3, $4)", b.ID, b.Policy, b.Writer, db.Micros(b.Deadline))
	return err
}

// CloseBlock forgets a block.
func (s *Store) CloseBlock(ctx context.Context, tx *db.Tx, block string) error {
	_, err := tx.Exec(ctx, "DELETE FROM object_blocks WHERE block = $1", block)
	return err
}

// ExtendBlocks moves the deadline of a process's blocks.
func (s *Store) ExtendBlocks(ctx context.Context, tx *db.Tx, writer string, deadline time.Time) error {
	_, err := tx.Exec(ctx, "UPDATE object_blocks SET deadline = $1 WHERE writer = $2", db.Micros(deadline), writer)
	return err
}

// DeadBlocks reads blocks of processes that are gone.
func (s *Store) DeadBlocks(ctx context.Context, r db.Reader, now time.Time, alone bool, self string) ([]objectstore.Block, error) {
	return db.List(ctx, r, func(sc db.Scanner) (b objectstore.Block, err error) {
		var deadline int64
		err = sc.Scan(&b.ID, &b.Policy, &b.Writer, &deadline)
		b.Deadline = db.Time(deadline)
		return b, err
	}, "SELECT block, policy, writer, deadline FROM object_blocks WHERE writer <> $1 AND ($2 OR deadline < $3) ORDER BY block", self, alone, db.Micros(now))
}

// Named tells which blobs a row names.
func (s *Store) Named(ctx context.Context, r db.Reader, blobs []string) (map[string]bool, error) {
	out := map[string]bool{}
	for _, b := range blobs {
		is, _, err := db.Get(ctx, r, db.Value[bool], "SELECT "+named, b)
		if err != nil {
			return nil, err
		}
		if is {
			out[b] = true
		}
	}
	return out, nil
}

// Blobs reads the next blobs that rows name.
func (s *Store) Blobs(ctx context.Context, r db.Reader, after string, limit int) ([]objectstore.Garbage, error) {
	const q = `
		SELECT blob, policy FROM (
			SELECT * FROM (SELECT o.blob AS blob, c.policy AS policy FROM objects o JOIN object_containers c ON c.id = o.container_id
				WHERE o.blob <> '' AND o.pieces = 0 AND o.blob > $1 ORDER BY o.blob LIMIT $2) a
			UNION SELECT * FROM (SELECT p.blob AS blob, c.policy AS policy FROM object_pieces p JOIN objects o ON o.blob = p.list AND o.blob <> '' JOIN object_containers c ON c.id = o.container_id
				WHERE p.blob <> '' AND p.blob > $1 ORDER BY p.blob LIMIT $2) b
		) all_blobs ORDER BY blob LIMIT $2`
	return db.List(ctx, r, scanGarbage, strings.TrimSpace(q), after, limit)
}

// SaveDamage records a damaged blob.
func (s *Store) SaveDamage(ctx context.Context, tx *db.Tx, d objectstore.Damage) error {
	_, err := tx.Exec(ctx, "INSERT INTO object_damage (blob, policy, reason, found_at) VALUES ($1, $2, $3, $4) ON CONFLICT (blob) DO UPDATE SET reason = excluded.reason, found_at = excluded.found_at",
		d.Blob, d.Policy, d.Reason, db.Micros(d.FoundAt))
	return err
}
