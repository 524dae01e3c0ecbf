package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"altostack/identity"
	"altostack/kernel/db"
	"altostack/kernel/page"
)

func scanAssignment(s db.Scanner) (a identity.Assignment, err error) {
	return a, s.Scan(&a.ActorKind, &a.ActorID, &a.TargetKind, &a.TargetID, &a.RoleID, &a.Inherited)
}

// Assignments lists those that match.
func (*Store) Assignments(ctx context.Context, r db.Reader, match ...identity.Match) ([]identity.Assignment, error) {
	s := page.From("actor_kind, actor_id, target_kind, target_id, role_id, inherited", "assignments", "inherited")
	order := page.Request{Sort: []page.Key{{Column: "actor_id"}, {Column: "target_id"}, {Column: "role_id"}}}
	rows, _, err := page.List(ctx, r, where(s, match), order, scanAssignment)
	if err != nil {
		return nil, fmt.Errorf("list assignments: %w", err)
	}
	return rows, nil
}

// AddAssignment is repeatable.
func (*Store) AddAssignment(ctx context.Context, tx *db.Tx, a identity.Assignment) error {
	const q = `
		INSERT INTO assignments (actor_kind, actor_id, target_kind, target_id, role_id, inherited)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`
	if _, err := tx.Exec(ctx, q, a.ActorKind, a.ActorID, a.TargetKind, a.TargetID, a.RoleID, a.Inherited); err != nil {
		return fmt.Errorf("add assignment: %w", err)
	}
	return nil
}

// RemoveAssignments removes those that match; one condition is needed.
func (*Store) RemoveAssignments(ctx context.Context, tx *db.Tx, match ...identity.Match) (int64, error) {
	return remove(ctx, tx, "assignments", match)
}

// Revision answers the revision in force.
func (*Store) Revision(ctx context.Context, r db.Reader) (int64, error) {
	n, _, err := db.Get(ctx, r, db.Value[int64], `SELECT n FROM identity_revision WHERE one = 1`)
	if err != nil {
		return 0, fmt.Errorf("read the revision: %w", err)
	}
	return n, nil
}

// keptChanges is how many revisions another control process may be behind
// before it drops its whole cache.
const keptChanges = 10000

// Advance takes the next revision and notes what it changed.
func (s *Store) Advance(ctx context.Context, tx *db.Tx, keys []string) (int64, error) {
	if _, err := tx.Exec(ctx, `UPDATE identity_revision SET n = n + 1 WHERE one = 1`); err != nil {
		return 0, fmt.Errorf("advance the revision: %w", err)
	}
	n, err := s.Revision(ctx, tx)
	if err != nil {
		return 0, err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO identity_changes (n, keys) VALUES ($1, $2)`, n, db.JSON(keys)); err != nil {
		return 0, fmt.Errorf("note the change: %w", err)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM identity_changes WHERE n <= $1`, n-keptChanges); err != nil {
		return 0, fmt.Errorf("forget old changes: %w", err)
	}
	return n, nil
}

// ChangesSince answers the changes after revision n, oldest first.
func (*Store) ChangesSince(ctx context.Context, r db.Reader, n int64) ([]identity.Change, bool, error) {
	changes, err := db.List(ctx, r, func(s db.Scanner) (c identity.Change, err error) {
		var keys string
		if err := s.Scan(&c.N, &keys); err != nil {
			return c, err
		}
		return c, json.Unmarshal([]byte(keys), &c.Keys)
	}, `SELECT n, keys FROM identity_changes WHERE n > $1 ORDER BY n`, n)
	if err != nil {
		return nil, false, fmt.Errorf("list changes: %w", err)
	}
	return changes, len(changes) == 0 || changes[0].N == n+1, nil
}

// Revoke notes a revocation; a later one of the same key replaces it.
func (*Store) Revoke(ctx context.Context, tx *db.Tx, v identity.Revocation) error {
	const q = `
		INSERT INTO revocations (key, revision, revoked_at, expires_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (key) DO UPDATE SET revision = excluded.revision, revoked_at = excluded.revoked_at, expires_at = excluded.expires_at`
	if _, err := tx.Exec(ctx, q, v.Key, v.Revision, db.Micros(v.RevokedAt), db.Micros(v.ExpiresAt)); err != nil {
		return fmt.Errorf("revoke %s: %w", v.Key, err)
	}
	return nil
}

// RevokedSince tells whether any of the keys was revoked after the revision.
func (*Store) RevokedSince(ctx context.Context, r db.Reader, revision int64, keys []string) (bool, error) {
	n, err := page.Count(ctx, r, page.From("key", "revocations", "key").In("key", keys).Where("revision > ?", revision))
	if err != nil {
		return false, fmt.Errorf("look for revocations: %w", err)
	}
	return n > 0, nil
}

// NewestRevocation answers the highest revision at which one of the keys was
// revoked, 0 for none.
func (*Store) NewestRevocation(ctx context.Context, r db.Reader, keys []string) (int64, error) {
	marks := make([]string, len(keys))
	args := make([]any, len(keys))
	for i, key := range keys {
		marks[i], args[i] = fmt.Sprintf("$%d", i+1), key
	}
	var n int64
	if err := r.QueryRow(ctx, `SELECT COALESCE(MAX(revision), 0) FROM revocations WHERE key IN (`+strings.Join(marks, ", ")+`)`, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("look for revocations: %w", err)
	}
	return n, nil
}

// Revocations lists those that a token can still meet.
func (*Store) Revocations(ctx context.Context, r db.Reader) ([]identity.Revocation, error) {
	rows, err := db.List(ctx, r, func(s db.Scanner) (v identity.Revocation, err error) {
		var revoked, expires int64
		err = s.Scan(&v.Key, &v.Revision, &revoked, &expires)
		v.RevokedAt, v.ExpiresAt = db.Time(revoked), db.Time(expires)
		return v, err
	}, `SELECT key, revision, revoked_at, expires_at FROM revocations ORDER BY revision, key`)
	if err != nil {
		return nil, fmt.Errorf("list revocations: %w", err)
	}
	return rows, nil
}

// ForgetRevocations removes those that no token can meet any more.
func (*Store) ForgetRevocations(ctx context.Context, tx *db.Tx, now int64) error {
	if _, err := tx.Exec(ctx, `DELETE FROM revocations WHERE expires_at < $1`, now); err != nil {
		return fmt.Errorf("forget revocations: %w", err)
	}
	return nil
}
