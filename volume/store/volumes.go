package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/page"
	"altostack/volume"
)

func itoa(n int) string { return strconv.Itoa(n) }

const (
	volumeColumns = `v.id, v.project_id, v.user_id, v.name, v.description, v.size_gib, v.growing_gib, v.type_id, t.name, v.status,
		v.previous_status, v.attach_status, v.zone, v.host, v.bootable, v.read_only, v.multiattach, v.snapshot_id, v.source_id,
		v.metadata, v.image_meta, v.image_id, v.reason, v.generation, v.created_at, v.updated_at`
	volumeFrom = "volumes v JOIN volume_types t ON t.id = v.type_id"
)

func scanVolume(row db.Scanner) (v volume.Volume, err error) {
	var created, updated int64
	err = row.Scan(&v.ID, &v.ProjectID, &v.UserID, &v.Name, &v.Description, &v.SizeGiB, &v.GrowingGiB, &v.TypeID, &v.TypeName, &v.Status,
		&v.PreviousStatus, &v.AttachStatus, &v.Zone, &v.Host, &v.Bootable, &v.ReadOnly, &v.MultiAttach, &v.SnapshotID, &v.SourceID,
		db.FromJSON{Into: &v.Metadata}, db.FromJSON{Into: &v.ImageMeta}, &v.ImageID, &v.Reason, &v.Generation, &created, &updated)
	v.CreatedAt, v.UpdatedAt = db.Time(created), db.Time(updated)
	return v, err
}

// pairs stores a map; nil is stored as an empty one.
func pairs(m map[string]string) string {
	if len(m) == 0 {
		return "{}"
	}
	return db.JSON(m)
}

// InsertVolume adds a row.
func (*Store) InsertVolume(ctx context.Context, tx *db.Tx, v volume.Volume) error {
	const q = `
		INSERT INTO volumes (id, project_id, user_id, name, description, size_gib, growing_gib, type_id, status, previous_status,
			attach_status, zone, host, bootable, read_only, multiattach, snapshot_id, source_id, metadata, image_meta, image_id, reason,
			generation, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)`
	_, err := tx.Exec(ctx, q, v.ID, v.ProjectID, v.UserID, v.Name, v.Description, v.SizeGiB, v.GrowingGiB, v.TypeID, v.Status, v.PreviousStatus,
		v.AttachStatus, v.Zone, v.Host, v.Bootable, v.ReadOnly, v.MultiAttach, v.SnapshotID, v.SourceID, pairs(v.Metadata), pairs(v.ImageMeta),
		v.ImageID, v.Reason, v.Generation, db.Micros(v.CreatedAt), db.Micros(v.UpdatedAt))
	if err != nil {
		return fmt.Errorf("insert volume %s: %w", v.ID, err)
	}
	return nil
}

// SaveVolume writes v if its row is still one generation behind.
func (*Store) SaveVolume(ctx context.Context, tx *db.Tx, v volume.Volume) error {
	const q = `
		UPDATE volumes
		   SET project_id = $1, user_id = $2, name = $3, description = $4, size_gib = $5, growing_gib = $6, type_id = $7, status = $8,
		       previous_status = $9, attach_status = $10, host = $11, bootable = $12, read_only = $13, multiattach = $14,
		       metadata = $15, image_meta = $16, reason = $17, updated_at = $18, generation = $19
		 WHERE id = $20 AND generation = $19 - 1`
	n, err := tx.Exec(ctx, q, v.ProjectID, v.UserID, v.Name, v.Description, v.SizeGiB, v.GrowingGiB, v.TypeID, v.Status,
		v.PreviousStatus, v.AttachStatus, v.Host, v.Bootable, v.ReadOnly, v.MultiAttach,
		pairs(v.Metadata), pairs(v.ImageMeta), v.Reason, db.Micros(v.UpdatedAt), v.Generation, v.ID)
	if err != nil {
		return fmt.Errorf("save volume %s: %w", v.ID, err)
	}
	if n == 0 {
		return fault.Stale("volume", v.ID)
	}
	return nil
}

// RemoveVolume deletes a volume's row with its snapshots and attachments.
func (*Store) RemoveVolume(ctx context.Context, tx *db.Tx, id string) error {
	for _, q := range []string{
		"DELETE FROM volume_attachments WHERE volume_id = $1",
		"DELETE FROM volume_snapshots WHERE volume_id = $1",
		"DELETE FROM volume_transfers WHERE volume_id = $1",
		"DELETE FROM volumes WHERE id = $1",
	} {
		if _, err := tx.Exec(ctx, q, id); err != nil {
			return fmt.Errorf("remove volume %s: %w", id, err)
		}
	}
	return nil
}

// Volume reads one volume with its attachments.
func (s *Store) Volume(ctx context.Context, r db.Reader, id string) (volume.Volume, bool, error) {
	v, found, err := db.Get(ctx, r, scanVolume, "SELECT "+volumeColumns+" FROM "+volumeFrom+" WHERE v.id = $1", id)
	if err != nil || !found {
		return v, found, err
	}
	v.Attachments, err = db.List(ctx, r, scanAttachment, "SELECT "+attachmentColumns+" FROM volume_attachments WHERE volume_id = $1 ORDER BY created_at, id", id)
	return v, true, err
}

func volumeSelect(q volume.Query) *page.Select {
	s := page.From(volumeColumns, volumeFrom, "v.id").Project("v.project_id", q.All, q.ProjectID).
		Equal("v.project_id", q.OfProject).Equal("v.name", q.Name).Equal("v.status", q.Status).Equal("v.zone", q.Zone).
		Equal("v.type_id", q.TypeID).Equal("v.source_id", q.SourceID).Equal("v.snapshot_id", q.SnapshotID).Equal("v.user_id", q.UserID).
		Equal("v.id", q.ID)
	if q.NameLike != "" {
		s.Where("LOWER(v.name) LIKE ? ESCAPE '\\'", "%"+likeEscape(strings.ToLower(q.NameLike))+"%")
	}
	if q.Bootable != nil {
		s.Where("v.bootable = ?", *q.Bootable)
	}
	if q.MultiAttach != nil {
		s.Where("v.multiattach = ?", *q.MultiAttach)
	}
	if q.SizeGiB > 0 {
		s.Where("v.size_gib = ?", q.SizeGiB)
	}
	wherePairs(s, "v.metadata", q.Metadata)
	wherePairs(s, "v.image_meta", q.ImageMeta)
	whereTimes(s, "v.", q.Times)
	return s
}

func likeEscape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(s)
}

// wherePairs looks for "key":"value" behind a brace or comma, which no quoted
// text can hold, as quotes inside text are escaped.
func wherePairs(s *page.Select, column string, m map[string]string) {
	for k, v := range m {
		key, _ := json.Marshal(k)
		value, _ := json.Marshal(v)
		pair := string(key) + ":" + string(value)
		s.Where("REPLACE("+column+", ?, '') <> "+column+" OR REPLACE("+column+", ?, '') <> "+column, "{"+pair, ","+pair)
	}
}

func whereTimes(s *page.Select, prefix string, times []volume.TimeFilter) {
	for _, t := range times {
		column := prefix + "created_at"
		if t.Updated {
			column = prefix + "updated_at"
		}
		op := map[string]string{"gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "eq": "=", "neq": "<>"}[t.Op]
		s.Where(column+" "+op+" ?", db.Micros(t.At))
	}
}

// Volumes lists a page of volumes with their attachments, in two queries.
func (s *Store) Volumes(ctx context.Context, r db.Reader, q volume.Query) ([]volume.Volume, bool, error) {
	list, more, err := page.List(ctx, r, volumeSelect(q), q.Page, scanVolume)
	if err != nil || len(list) == 0 || q.Plain {
		return list, more, err
	}
	return list, more, fillAttachments(ctx, r, list)
}

// manyIDs is from where on a project's attachments are read without naming
// each volume, well below SQLite's bound on parameters.
const manyIDs = 1000

func fillAttachments(ctx context.Context, r db.Reader, list []volume.Volume) error {
	at := map[string]int{}
	var ids []string
	for i, v := range list {
		at[v.ID] = i
		if v.AttachStatus == "attached" || v.Status != volume.StatusAvailable {
			ids = append(ids, v.ID)
		}
	}
	for len(ids) > 0 {
		n := min(len(ids), manyIDs)
		all, err := db.List(ctx, r, scanAttachment, "SELECT "+attachmentColumns+" FROM volume_attachments WHERE volume_id IN ("+marks(1, n)+") ORDER BY created_at, id", anys(ids[:n])...)
		if err != nil {
			return fmt.Errorf("list attachments: %w", err)
		}
		for _, a := range all {
			v := &list[at[a.VolumeID]]
			v.Attachments = append(v.Attachments, a)
		}
		ids = ids[n:]
	}
	return nil
}

// CountVolumes counts what Volumes would list over all pages.
func (*Store) CountVolumes(ctx context.Context, r db.Reader, q volume.Query) (int, error) {
	return page.Count(ctx, r, volumeSelect(q))
}

// Summary counts a scope's volumes and their GiB, and gathers their metadata.
func (*Store) Summary(ctx context.Context, r db.Reader, q volume.Query) (count, gib int64, metadata []map[string]string, err error) {
	where, args := "", []any{}
	if !q.All {
		where, args = " WHERE project_id = $1", []any{q.ProjectID}
	}
	if err = r.QueryRow(ctx, "SELECT COUNT(*), COALESCE(SUM(size_gib), 0) FROM volumes"+where, args...).Scan(&count, &gib); err != nil {
		return 0, 0, nil, fmt.Errorf("summarize volumes: %w", err)
	}
	metadata, err = db.List(ctx, r, func(row db.Scanner) (m map[string]string, err error) {
		return m, row.Scan(db.FromJSON{Into: &m})
	}, "SELECT DISTINCT metadata FROM volumes"+where, args...)
	return count, gib, metadata, err
}

// Room answers how many GiB all volumes and snapshots are promised.
func (*Store) Room(ctx context.Context, r db.Reader) (gib int64, volumes int64, err error) {
	err = r.QueryRow(ctx, "SELECT COALESCE(SUM(size_gib + growing_gib), 0), COUNT(*) FROM volumes").Scan(&gib, &volumes)
	return gib, volumes, err
}
