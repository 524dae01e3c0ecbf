package store

import (
	"context"
	"fmt"
	"strings"

	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/page"
	"altostack/volume"
)

const snapshotColumns = "id, volume_id, project_id, user_id, type_id, name, description, size_gib, status, metadata, progress, generation, created_at, updated_at"

func scanSnapshot(row db.Scanner) (s volume.Snapshot, err error) {
	var created, updated int64
	err = row.Scan(&s.ID, &s.VolumeID, &s.ProjectID, &s.UserID, &s.TypeID, &s.Name, &s.Description, &s.SizeGiB, &s.Status,
		db.FromJSON{Into: &s.Metadata}, &s.Progress, &s.Generation, &created, &updated)
	s.CreatedAt, s.UpdatedAt = db.Time(created), db.Time(updated)
	return s, err
}

// InsertSnapshot adds a row.
func (*Store) InsertSnapshot(ctx context.Context, tx *db.Tx, s volume.Snapshot) error {
	const q = `
		INSERT INTO volume_snapshots (id, volume_id, project_id, user_id, type_id, name, description, size_gib, status, metadata, progress, generation, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`
	_, err := tx.Exec(ctx, q, s.ID, s.VolumeID, s.ProjectID, s.UserID, s.TypeID, s.Name, s.Description, s.SizeGiB, s.Status, pairs(s.Metadata), s.Progress, s.Generation, db.Micros(s.CreatedAt), db.Micros(s.UpdatedAt))
	if err != nil {
		return fmt.Errorf("insert snapshot %s: %w", s.ID, err)
	}
	return nil
}

// SaveSnapshot writes s if its row is still one generation behind.
func (*Store) SaveSnapshot(ctx context.Context, tx *db.Tx, s volume.Snapshot) error {
	const q = `
		UPDATE volume_snapshots
		   SET project_id = $1, user_id = $2, name = $3, description = $4, status = $5, metadata = $6, progress = $7, updated_at = $8, generation = $9
		 WHERE id = $10 AND generation = $9 - 1`
	n, err := tx.Exec(ctx, q, s.ProjectID, s.UserID, s.Name, s.Description, s.Status, pairs(s.Metadata), s.Progress, db.Micros(s.UpdatedAt), s.Generation, s.ID)
	if err != nil {
		return fmt.Errorf("save snapshot %s: %w", s.ID, err)
	}
	if n == 0 {
		return fault.Stale("snapshot", s.ID)
	}
	return nil
}

// RemoveSnapshot deletes a row; none is success.
func (*Store) RemoveSnapshot(ctx context.Context, tx *db.Tx, id string) error {
	if _, err := tx.Exec(ctx, "DELETE FROM volume_snapshots WHERE id = $1", id); err != nil {
		return fmt.Errorf("remove snapshot %s: %w", id, err)
	}
	return nil
}

// Snapshot reads one snapshot.
func (*Store) Snapshot(ctx context.Context, r db.Reader, id string) (volume.Snapshot, bool, error) {
	return db.Get(ctx, r, scanSnapshot, "SELECT "+snapshotColumns+" FROM volume_snapshots WHERE id = $1", id)
}

// SnapshotsOf reads all snapshots of one volume.
func (*Store) SnapshotsOf(ctx context.Context, r db.Reader, volumeID string) ([]volume.Snapshot, error) {
	return db.List(ctx, r, scanSnapshot, "SELECT "+snapshotColumns+" FROM volume_snapshots WHERE volume_id = $1 ORDER BY created_at, id", volumeID)
}

func snapshotSelect(q volume.Query) *page.Select {
	s := page.From(snapshotColumns, "volume_snapshots", "id").Project("project_id", q.All, q.ProjectID).
		Equal("project_id", q.OfProject).Equal("name", q.Name).Equal("status", q.Status).Equal("volume_id", q.VolumeID).
		Equal("id", q.ID).Equal("user_id", q.UserID)
	if q.NameLike != "" {
		s.Where("LOWER(name) LIKE ? ESCAPE '\\'", "%"+likeEscape(strings.ToLower(q.NameLike))+"%")
	}
	if q.Zone != "" {
		s.Where("volume_id IN (SELECT id FROM volumes WHERE zone = ?)", q.Zone)
	}
	wherePairs(s, "metadata", q.Metadata)
	whereTimes(s, "", q.Times)
	return s
}

// Snapshots lists a page of snapshots.
func (*Store) Snapshots(ctx context.Context, r db.Reader, q volume.Query) ([]volume.Snapshot, bool, error) {
	return page.List(ctx, r, snapshotSelect(q), q.Page, scanSnapshot)
}

// CountSnapshots counts what Snapshots would list over all pages.
func (*Store) CountSnapshots(ctx context.Context, r db.Reader, q volume.Query) (int, error) {
	return page.Count(ctx, r, snapshotSelect(q))
}
