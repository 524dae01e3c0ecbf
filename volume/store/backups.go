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

const (
	backupColumns = "id, project_id, user_id, volume_id, snapshot_id, parent_id, name, description, status, fail_reason, size_gib, bytes, objects, held_by, container, prefix, zone, metadata, data_at, generation, created_at, updated_at"
	dependents    = "(SELECT COUNT(*) FROM volume_backups d WHERE d.parent_id = volume_backups.id)"
)

func scanBackup(row db.Scanner) (b volume.Backup, err error) {
	var data, created, updated int64
	err = row.Scan(&b.ID, &b.ProjectID, &b.UserID, &b.VolumeID, &b.SnapshotID, &b.ParentID, &b.Name, &b.Description, &b.Status, &b.FailReason, &b.SizeGiB, &b.Bytes,
		&b.Objects, &b.HeldBy, &b.Container, &b.Prefix, &b.Zone, db.FromJSON{Into: &b.Metadata}, &data, &b.Generation, &created, &updated, &b.Dependents)
	b.DataAt, b.CreatedAt, b.UpdatedAt = db.Time(data), db.Time(created), db.Time(updated)
	return b, err
}

// InsertBackup adds a row.
func (*Store) InsertBackup(ctx context.Context, tx *db.Tx, b volume.Backup) error {
	_, err := tx.Exec(ctx, "INSERT INTO volume_backups ("+backupColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)`,
		b.ID, b.ProjectID, b.UserID, b.VolumeID, b.SnapshotID, b.ParentID, b.Name, b.Description, b.Status, b.FailReason, b.SizeGiB, b.Bytes, b.Objects, b.HeldBy, b.Container,
		b.Prefix, b.Zone, pairs(b.Metadata), db.Micros(b.DataAt), b.Generation, db.Micros(b.CreatedAt), db.Micros(b.UpdatedAt))
	if err != nil {
		return fmt.Errorf("insert backup %s: %w", b.ID, err)
	}
	return nil
}

// SaveBackup writes b if its row is still one generation behind.
func (*Store) SaveBackup(ctx context.Context, tx *db.Tx, b volume.Backup) error {
	const q = `
		UPDATE volume_backups
		   SET name = $1, description = $2, status = $3, fail_reason = $4, bytes = $5, objects = $6, metadata = $7, updated_at = $8, generation = $9
		 WHERE id = $10 AND generation = $9 - 1`
	n, err := tx.Exec(ctx, q, b.Name, b.Description, b.Status, b.FailReason, b.Bytes, b.Objects, pairs(b.Metadata), db.Micros(b.UpdatedAt), b.Generation, b.ID)
	if err != nil {
		return fmt.Errorf("save backup %s: %w", b.ID, err)
	}
	if n == 0 {
		return fault.Stale("backup", b.ID)
	}
	return nil
}

// RemoveBackup deletes a row; none is success.
func (*Store) RemoveBackup(ctx context.Context, tx *db.Tx, id string) error {
	if _, err := tx.Exec(ctx, "DELETE FROM volume_backups WHERE id = $1", id); err != nil {
		return fmt.Errorf("remove backup %s: %w", id, err)
	}
	return nil
}

// Backup reads one backup.
func (*Store) Backup(ctx context.Context, r db.Reader, id string) (volume.Backup, bool, error) {
	return db.Get(ctx, r, scanBackup, "SELECT "+backupColumns+", "+dependents+" FROM volume_backups WHERE id = $1", id)
}

// BackupsOf reads a project's backups of one volume.
func (*Store) BackupsOf(ctx context.Context, r db.Reader, volumeID, projectID string) ([]volume.Backup, error) {
	return db.List(ctx, r, scanBackup, "SELECT "+backupColumns+", "+dependents+" FROM volume_backups WHERE volume_id = $1 AND project_id = $2 ORDER BY created_at, id", volumeID, projectID)
}

func backupSelect(q volume.Query) *page.Select {
	s := page.From(backupColumns+", "+dependents, "volume_backups", "id").Project("project_id", q.All, q.ProjectID).
		Equal("project_id", q.OfProject).Equal("name", q.Name).Equal("status", q.Status).Equal("volume_id", q.VolumeID).
		Equal("snapshot_id", q.SnapshotID).Equal("id", q.ID).Equal("user_id", q.UserID).Equal("zone", q.Zone)
	if q.NameLike != "" {
		s.Where("LOWER(name) LIKE ? ESCAPE '\\'", "%"+likeEscape(strings.ToLower(q.NameLike))+"%")
	}
	if q.SizeGiB > 0 {
		s.Where("size_gib = ?", q.SizeGiB)
	}
	wherePairs(s, "metadata", q.Metadata)
	whereTimes(s, "", q.Times)
	return s
}

// Backups lists a page of backups.
func (*Store) Backups(ctx context.Context, r db.Reader, q volume.Query) ([]volume.Backup, bool, error) {
	return page.List(ctx, r, backupSelect(q), q.Page, scanBackup)
}

// CountBackups counts what Backups would list over all pages.
func (*Store) CountBackups(ctx context.Context, r db.Reader, q volume.Query) (int, error) {
	return page.Count(ctx, r, backupSelect(q))
}

// BackupUse counts what a project keeps, GiB of the volumes copied.
func (*Store) BackupUse(ctx context.Context, r db.Reader, projectID string) (backups, gib int64, err error) {
	err = r.QueryRow(ctx, "SELECT COUNT(*), COALESCE(SUM(size_gib), 0) FROM volume_backups WHERE project_id = $1", projectID).Scan(&backups, &gib)
	if err != nil {
		return 0, 0, fmt.Errorf("count backups: %w", err)
	}
	return backups, gib, nil
}
