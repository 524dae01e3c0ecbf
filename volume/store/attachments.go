package store

import (
	"context"
	"encoding/json"
	"fmt"

	"altostack/kernel/db"
	"altostack/kernel/page"
	"altostack/volume"
)

const attachmentColumns = "id, volume_id, server_id, project_id, host, host_name, device, mode, status, managed, connector, connection, attached_at, created_at"

func scanAttachment(row db.Scanner) (a volume.Attachment, err error) {
	var attached, created int64
	var connector, connection string
	err = row.Scan(&a.ID, &a.VolumeID, &a.ServerID, &a.ProjectID, &a.Host, &a.HostName, &a.Device, &a.Mode, &a.Status, &a.Managed, &connector, &connection, &attached, &created)
	if connector != "" {
		a.Connector = json.RawMessage(connector)
	}
	if connection != "" {
		a.Connection = json.RawMessage(connection)
	}
	a.AttachedAt, a.CreatedAt = db.Time(attached), db.Time(created)
	return a, err
}

// SaveAttachment writes an attachment, new or not.
func (*Store) SaveAttachment(ctx context.Context, tx *db.Tx, a volume.Attachment) error {
	const q = `
		INSERT INTO volume_attachments (id, volume_id, server_id, project_id, host, host_name, device, mode, status, managed, connector, connection, attached_at, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		ON CONFLICT (id) DO UPDATE SET host = excluded.host, host_name = excluded.host_name, device = excluded.device, mode = excluded.mode,
			status = excluded.status, connector = excluded.connector, connection = excluded.connection, attached_at = excluded.attached_at`
	_, err := tx.Exec(ctx, q, a.ID, a.VolumeID, a.ServerID, a.ProjectID, a.Host, a.HostName, a.Device, a.Mode, a.Status, a.Managed,
		string(a.Connector), string(a.Connection), db.Micros(a.AttachedAt), db.Micros(a.CreatedAt))
	if err != nil {
		return fmt.Errorf("save attachment %s: %w", a.ID, err)
	}
	return nil
}

// RemoveAttachment deletes an attachment; none is success.
func (*Store) RemoveAttachment(ctx context.Context, tx *db.Tx, id string) error {
	if _, err := tx.Exec(ctx, "DELETE FROM volume_attachments WHERE id = $1", id); err != nil {
		return fmt.Errorf("remove attachment %s: %w", id, err)
	}
	return nil
}

// Attachment reads one attachment.
func (*Store) Attachment(ctx context.Context, r db.Reader, id string) (volume.Attachment, bool, error) {
	return db.Get(ctx, r, scanAttachment, "SELECT "+attachmentColumns+" FROM volume_attachments WHERE id = $1", id)
}

// Attachments lists a page of attachments.
func (*Store) Attachments(ctx context.Context, r db.Reader, q volume.AttachmentQuery) ([]volume.Attachment, bool, error) {
	s := page.From(attachmentColumns, "volume_attachments", "id").Project("project_id", q.All, q.ProjectID).
		Equal("volume_id", q.VolumeID).Equal("server_id", q.ServerID).Equal("status", q.Status)
	return page.List(ctx, r, s, q.Page, scanAttachment)
}

// AttachmentsOf reads the attachments of many servers in one query.
func (*Store) AttachmentsOf(ctx context.Context, r db.Reader, serverIDs []string) ([]volume.Attachment, error) {
	var all []volume.Attachment
	for len(serverIDs) > 0 {
		n := min(len(serverIDs), manyIDs)
		list, err := db.List(ctx, r, scanAttachment, "SELECT "+attachmentColumns+" FROM volume_attachments WHERE server_id IN ("+marks(1, n)+") ORDER BY created_at, id", anys(serverIDs[:n])...)
		if err != nil {
			return nil, fmt.Errorf("list attachments of servers: %w", err)
		}
		all, serverIDs = append(all, list...), serverIDs[n:]
	}
	return all, nil
}
