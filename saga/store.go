package saga

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"altostack/kernel/db"
	"altostack/kernel/fault"
)

const rowColumns = "id, seq, kind, subject, project_id, request_id, state, step, status, told, cancel, fault, owner, deadline, created_at, updated_at"

func scanRow(s db.Scanner) (*Row, error) {
	r := &Row{}
	var state string
	var deadline, created, updated int64
	var failure Failure
	err := s.Scan(&r.ID, &r.Seq, &r.Kind, &r.Subject, &r.ProjectID, &r.RequestID, &state, &r.Step, &r.Status, &r.Told, &r.Cancel,
		db.FromJSON{Into: &failure}, &r.Owner, &deadline, &created, &updated)
	r.State = json.RawMessage(state)
	r.Deadline, r.CreatedAt, r.UpdatedAt = db.Time(deadline), db.Time(created), db.Time(updated)
	if failure.Code != "" {
		r.Fault = &failure
	}
	return r, err
}

func insert(ctx context.Context, tx *db.Tx, r *Row) error {
	const q = `
		INSERT INTO sagas (id, seq, kind, subject, project_id, request_id, state, step, status, told, cancel, fault, owner, deadline, created_at, updated_at)
		VALUES ($1, (SELECT COALESCE(MAX(seq), 0) + 1 FROM sagas), $2, $3, $4, $5, $6, 0, 'running', FALSE, FALSE, '', $7, $8, $9, $10)`
	now := db.Micros(r.CreatedAt)
	_, err := tx.Exec(ctx, q, r.ID, r.Kind, r.Subject, r.ProjectID, r.RequestID, string(r.State), r.Owner, db.Micros(r.Deadline), now, now)
	return err
}

// save writes a saga's progress, if this process still owns it.
func save(ctx context.Context, tx *db.Tx, r *Row, now time.Time) error {
	failure := ""
	if r.Fault != nil {
		failure = db.JSON(r.Fault)
	}
	const q = `
		UPDATE sagas SET state = $1, step = $2, status = $3, told = $4, fault = $5, updated_at = $6
		 WHERE id = $7 AND owner = $8 AND status IN ('running', 'undoing')`
	n, err := tx.Exec(ctx, q, string(r.State), r.Step, string(r.Status), r.Told, failure, db.Micros(now), r.ID, r.Owner)
	if err != nil {
		return fmt.Errorf("save saga %s: %w", r.ID, err)
	}
	if n == 0 {
		return errNotOurs
	}
	return nil
}

// appendLog adds entries to a saga's log.
func appendLog(ctx context.Context, tx *db.Tx, sagaID string, spans []Span) error {
	const q = `
		INSERT INTO saga_log (saga_id, seq, kind, number, name, component, start_at, took, outcome, detail)
		VALUES ($1, (SELECT COALESCE(MAX(seq), 0) + 1 FROM saga_log WHERE saga_id = $1), $2, $3, $4, $5, $6, $7, $8, $9)`
	for _, s := range spans {
		detail := ""
		if len(s.Detail) > 0 {
			detail = db.JSON(s.Detail)
		}
		if _, err := tx.Exec(ctx, q, sagaID, s.Kind, s.Number, s.Name, s.Component, db.Micros(s.Start), s.Took.Microseconds(), s.Outcome, detail); err != nil {
			return fmt.Errorf("log of saga %s: %w", sagaID, err)
		}
	}
	return nil
}

// Log reads a saga's log, oldest first.
func Log(ctx context.Context, r db.Reader, sagaID string) ([]Span, error) {
	return db.List(ctx, r, func(s db.Scanner) (Span, error) {
		var out Span
		var start, took int64
		err := s.Scan(&out.Kind, &out.Number, &out.Name, &out.Component, &start, &took, &out.Outcome, db.FromJSON{Into: &out.Detail})
		out.Start, out.Took = db.Time(start), time.Duration(took)*time.Microsecond
		return out, err
	}, "SELECT kind, number, name, component, start_at, took, outcome, detail FROM saga_log WHERE saga_id = $1 ORDER BY seq", sagaID)
}

// Of answers the sagas of one subject, oldest first.
func Of(ctx context.Context, r db.Reader, subject string) ([]*Row, error) {
	return db.List(ctx, r, scanRow, "SELECT "+rowColumns+" FROM sagas WHERE subject = $1 ORDER BY seq", subject)
}

// Open answers every saga that has not ended, oldest first.
func Open(ctx context.Context, r db.Reader) ([]*Row, error) {
	return db.List(ctx, r, scanRow, "SELECT "+rowColumns+" FROM sagas WHERE status IN ('running', 'undoing') ORDER BY seq")
}

func failureOf(err error, step string) *Failure {
	f := fault.From(err)
	out := &Failure{Code: f.Code, Message: f.Message, Hint: f.Hint, Step: step}
	if cause := f.Unwrap(); cause != nil {
		out.Cause = cause.Error()
	}
	return out
}
