package store

import (
	"context"
	"fmt"

	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/page"
	"altostack/volume"
)

const transferColumns = "id, volume_id, name, salt, key_hash, no_snapshots, source_project, created_at"

func scanTransfer(row db.Scanner) (t volume.Transfer, err error) {
	var created int64
	err = row.Scan(&t.ID, &t.VolumeID, &t.Name, &t.Salt, &t.KeyHash, &t.NoSnapshots, &t.SourceProject, &created)
	t.CreatedAt = db.Time(created)
	return t, err
}

// InsertTransfer adds an offer.
func (*Store) InsertTransfer(ctx context.Context, tx *db.Tx, t volume.Transfer) error {
	_, err := tx.Exec(ctx, "INSERT INTO volume_transfers ("+transferColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		t.ID, t.VolumeID, t.Name, t.Salt, t.KeyHash, t.NoSnapshots, t.SourceProject, db.Micros(t.CreatedAt))
	if err != nil {
		return fmt.Errorf("insert transfer %s: %w", t.ID, err)
	}
	return nil
}

// RemoveTransfer deletes an offer; none is success.
func (*Store) RemoveTransfer(ctx context.Context, tx *db.Tx, id string) error {
	_, err := tx.Exec(ctx, "DELETE FROM volume_transfers WHERE id = $1", id)
	return err
}

// Transfer reads one offer.
func (*Store) Transfer(ctx context.Context, r db.Reader, id string) (volume.Transfer, bool, error) {
	return db.Get(ctx, r, scanTransfer, "SELECT "+transferColumns+" FROM volume_transfers WHERE id = $1", id)
}

// Transfers lists a page of offers.
func (*Store) Transfers(ctx context.Context, r db.Reader, q volume.Query) ([]volume.Transfer, bool, error) {
	s := page.From(transferColumns, "volume_transfers", "id").Project("source_project", q.All, q.ProjectID).Equal("name", q.Name).Equal("volume_id", q.VolumeID)
	return page.List(ctx, r, s, q.Page, scanTransfer)
}

const qosColumns = "id, name, consumer, specs, created_at"

func scanQoS(row db.Scanner) (q volume.QoS, err error) {
	var created int64
	err = row.Scan(&q.ID, &q.Name, &q.Consumer, db.FromJSON{Into: &q.Specs}, &created)
	q.CreatedAt = db.Time(created)
	return q, err
}

// SaveQoS writes a specification, new or not; fault volume.conflict where
// another has its name.
func (*Store) SaveQoS(ctx context.Context, tx *db.Tx, q volume.QoS) error {
	other, found, err := db.Get(ctx, tx, db.Value[string], "SELECT id FROM volume_qos WHERE name = $1", q.Name)
	if err != nil {
		return err
	}
	if found && other != q.ID {
		return fault.New(fault.CodeVolumeConflict, "QoS Specs %s already exists.", q.Name)
	}
	_, err = tx.Exec(ctx, "INSERT INTO volume_qos (id, name, consumer, specs, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO UPDATE SET consumer = excluded.consumer, specs = excluded.specs",
		q.ID, q.Name, q.Consumer, pairs(q.Specs), db.Micros(q.CreatedAt))
	return err
}

// RemoveQoS deletes a specification and unties its types.
func (*Store) RemoveQoS(ctx context.Context, tx *db.Tx, id string) error {
	if err := (&Store{}).Untie(ctx, tx, id); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "DELETE FROM volume_qos WHERE id = $1", id)
	return err
}

// Untie takes a specification from all types.
func (*Store) Untie(ctx context.Context, tx *db.Tx, id string) error {
	_, err := tx.Exec(ctx, "UPDATE volume_types SET qos_id = '' WHERE qos_id = $1", id)
	return err
}

// QoS reads one specification.
func (*Store) QoS(ctx context.Context, r db.Reader, id string) (volume.QoS, bool, error) {
	return db.Get(ctx, r, scanQoS, "SELECT "+qosColumns+" FROM volume_qos WHERE id = $1", id)
}

// QoSList lists a page of specifications.
func (*Store) QoSList(ctx context.Context, r db.Reader, req page.Request) ([]volume.QoS, bool, error) {
	return page.List(ctx, r, page.From(qosColumns, "volume_qos", "id"), req, scanQoS)
}

const messageColumns = "id, project_id, request_id, event_id, resource_type, resource_id, text, created_at, expires_at"

func scanMessage(row db.Scanner) (m volume.Message, err error) {
	var created, expires int64
	err = row.Scan(&m.ID, &m.ProjectID, &m.RequestID, &m.EventID, &m.ResourceType, &m.ResourceID, &m.Text, &created, &expires)
	m.CreatedAt, m.ExpiresAt = db.Time(created), db.Time(expires)
	return m, err
}

// InsertMessage adds a message, and drops those that have expired.
func (*Store) InsertMessage(ctx context.Context, tx *db.Tx, m volume.Message) error {
	if _, err := tx.Exec(ctx, "DELETE FROM volume_messages WHERE project_id = $1 AND expires_at < $2", m.ProjectID, db.Micros(m.CreatedAt)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "INSERT INTO volume_messages ("+messageColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
		m.ID, m.ProjectID, m.RequestID, m.EventID, m.ResourceType, m.ResourceID, m.Text, db.Micros(m.CreatedAt), db.Micros(m.ExpiresAt))
	return err
}

// RemoveMessage deletes a message.
func (*Store) RemoveMessage(ctx context.Context, tx *db.Tx, id string) error {
	_, err := tx.Exec(ctx, "DELETE FROM volume_messages WHERE id = $1", id)
	return err
}

// Message reads one message.
func (*Store) Message(ctx context.Context, r db.Reader, id string) (volume.Message, bool, error) {
	return db.Get(ctx, r, scanMessage, "SELECT "+messageColumns+" FROM volume_messages WHERE id = $1", id)
}

// Messages lists a page of messages.
func (*Store) Messages(ctx context.Context, r db.Reader, q volume.Query) ([]volume.Message, bool, error) {
	s := page.From(messageColumns, "volume_messages", "id").Project("project_id", q.All, q.ProjectID).Equal("resource_id", q.ResourceID)
	return page.List(ctx, r, s, q.Page, scanMessage)
}

// Daemons reads what is recorded of the service's parts.
func (*Store) Daemons(ctx context.Context, r db.Reader) ([]volume.Daemon, error) {
	return db.List(ctx, r, func(row db.Scanner) (d volume.Daemon, err error) {
		var at int64
		err = row.Scan(&d.Host, &d.Binary, &d.Disabled, &d.Frozen, &d.Reason, &at)
		d.UpdatedAt = db.Time(at)
		return d, err
	}, "SELECT host, binary_name, disabled, frozen, reason, updated_at FROM volume_daemons ORDER BY binary_name, host")
}

// SaveDaemon records a part of the service.
func (*Store) SaveDaemon(ctx context.Context, tx *db.Tx, d volume.Daemon) error {
	_, err := tx.Exec(ctx, `INSERT INTO volume_daemons (host, binary_name, disabled, frozen, reason, updated_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (host, binary_name) DO UPDATE SET disabled = excluded.disabled, frozen = excluded.frozen, reason = excluded.reason, updated_at = excluded.updated_at`,
		d.Host, d.Binary, d.Disabled, d.Frozen, d.Reason, db.Micros(d.UpdatedAt))
	return err
}
