package store

import (
	"context"
	"fmt"
	"time"

	"altostack/compute"
	"altostack/kernel/db"
)

const actionColumns = "number, server_id, request_id, name, user_id, project_id, message, events, started_at, finished_at, updated_at"

func scanAction(row db.Scanner) (compute.Action, error) {
	var a compute.Action
	var started, finished, updated int64
	err := row.Scan(&a.Number, &a.ServerID, &a.RequestID, &a.Name, &a.UserID, &a.ProjectID, &a.Message, db.FromJSON{Into: &a.Events}, &started, &finished, &updated)
	a.StartedAt, a.FinishedAt, a.UpdatedAt = db.Time(started), db.Time(finished), db.Time(updated)
	return a, err
}

// InsertAction saves an action as the server's next.
func (*Store) InsertAction(ctx context.Context, tx *db.Tx, a compute.Action) error {
	const q = `
		INSERT INTO server_actions (server_id, number, request_id, name, user_id, project_id, message, events, started_at, finished_at, updated_at)
		VALUES ($1, (SELECT COALESCE(MAX(number), 0) + 1 FROM server_actions WHERE server_id = $1), $2, $3, $4, $5, $6, $7, $8, $9, $10)`
	_, err := tx.Exec(ctx, q, a.ServerID, a.RequestID, a.Name, a.UserID, a.ProjectID, a.Message, db.JSON(a.Events),
		db.Micros(a.StartedAt), db.Micros(a.FinishedAt), db.Micros(a.UpdatedAt))
	if err != nil {
		return fmt.Errorf("insert action of server %s: %w", a.ServerID, err)
	}
	return nil
}

// FinishAction ends the action of a request; one that is not there is success.
func (*Store) FinishAction(ctx context.Context, tx *db.Tx, serverID, requestID, name, message string, events []compute.Event, at time.Time) error {
	const q = `
		UPDATE server_actions SET message = $1, events = $2, finished_at = $3, updated_at = $3
		 WHERE server_id = $4 AND request_id = $5 AND name = $6 AND finished_at = 0`
	_, err := tx.Exec(ctx, q, message, db.JSON(events), db.Micros(at), serverID, requestID, name)
	return err
}

// Actions answers a server's actions, the newest first.
func (*Store) Actions(ctx context.Context, r db.Reader, serverID string) ([]compute.Action, error) {
	return db.List(ctx, r, scanAction, "SELECT "+actionColumns+" FROM server_actions WHERE server_id = $1 ORDER BY number DESC", serverID)
}

// Action answers the action of one request.
func (*Store) Action(ctx context.Context, r db.Reader, serverID, requestID string) (compute.Action, bool, error) {
	return db.Get(ctx, r, scanAction, "SELECT "+actionColumns+" FROM server_actions WHERE server_id = $1 AND request_id = $2 ORDER BY number DESC", serverID, requestID)
}

// InsertConsole keeps the digest of a console token and drops old ones.
func (*Store) InsertConsole(ctx context.Context, tx *db.Tx, digest, serverID, kind string, now, expires time.Time) error {
	if _, err := tx.Exec(ctx, "DELETE FROM console_tokens WHERE expires_at < $1", db.Micros(now)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "INSERT INTO console_tokens (digest, server_id, kind, expires_at, used) VALUES ($1, $2, $3, $4, FALSE)", digest, serverID, kind, db.Micros(expires))
	return err
}

// Console reads a token that has not expired.
func (*Store) Console(ctx context.Context, r db.Reader, digest string, now time.Time) (serverID, kind string, found bool, err error) {
	type row struct{ server, kind string }
	got, found, err := db.Get(ctx, r, func(s db.Scanner) (v row, err error) { err = s.Scan(&v.server, &v.kind); return v, err },
		"SELECT server_id, kind FROM console_tokens WHERE digest = $1 AND used = FALSE AND expires_at >= $2", digest, db.Micros(now))
	return got.server, got.kind, found, err
}

// UseConsole uses a token up; false where it was used or has expired.
func (*Store) UseConsole(ctx context.Context, tx *db.Tx, digest string, now time.Time) (bool, error) {
	n, err := tx.Exec(ctx, "UPDATE console_tokens SET used = TRUE WHERE digest = $1 AND used = FALSE AND expires_at >= $2", digest, db.Micros(now))
	return n == 1, err
}
