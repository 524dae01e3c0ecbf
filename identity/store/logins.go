package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"altostack/identity"
	"altostack/kernel/db"
)

const loginColumns = "user_id, self_service, active_at, failures, failed_at"

func scanLogin(s db.Scanner) (l identity.Login, err error) {
	var active, failed int64
	err = s.Scan(&l.UserID, &l.SelfService, &active, &l.Failures, &failed)
	l.ActiveAt, l.FailedAt = instant(active), instant(failed)
	return l, err
}

// Logins answers what is known of the users' logins, by user.
func (*Store) Logins(ctx context.Context, r db.Reader, userIDs ...string) (map[string]identity.Login, error) {
	out := map[string]identity.Login{}
	for ids := range slices.Chunk(userIDs, 500) {
		args := make([]any, len(ids))
		for i, id := range ids {
			args[i] = id
		}
		q := numbered("SELECT " + loginColumns + " FROM identity_logins WHERE user_id IN (?" + strings.Repeat(", ?", len(ids)-1) + ")")
		rows, err := db.List(ctx, r, scanLogin, q, args...)
		if err != nil {
			return nil, fmt.Errorf("list logins: %w", err)
		}
		for _, l := range rows {
			out[l.UserID] = l
		}
	}
	return out, nil
}

// SaveLogin writes a user's row, new or not.
func (*Store) SaveLogin(ctx context.Context, tx *db.Tx, l identity.Login) error {
	const q = `
		INSERT INTO identity_logins (user_id, self_service, active_at, failures, failed_at) VALUES ($1, $2, $3, $4, $5)
		    ON CONFLICT (user_id) DO UPDATE
		   SET self_service = excluded.self_service, active_at = excluded.active_at, failures = excluded.failures, failed_at = excluded.failed_at`
	if _, err := tx.Exec(ctx, q, l.UserID, l.SelfService, db.Micros(l.ActiveAt), l.Failures, db.Micros(l.FailedAt)); err != nil {
		return fmt.Errorf("save login of %s: %w", l.UserID, err)
	}
	return nil
}

// BeginActivity starts the time of inactivity of users who have none yet.
func (*Store) BeginActivity(ctx context.Context, tx *db.Tx, now time.Time) error {
	const q = `
		INSERT INTO identity_logins (user_id, self_service, active_at, failures, failed_at)
		SELECT id, FALSE, $1, 0, 0 FROM users WHERE NOT EXISTS (SELECT 1 FROM identity_logins l WHERE l.user_id = users.id)`
	if _, err := tx.Exec(ctx, q, db.Micros(now)); err != nil {
		return fmt.Errorf("begin activity: %w", err)
	}
	if _, err := tx.Exec(ctx, "UPDATE identity_logins SET active_at = $1 WHERE active_at = 0", db.Micros(now)); err != nil {
		return fmt.Errorf("begin activity: %w", err)
	}
	return nil
}

// FormerPasswords answers the hashes of the last n passwords before the present
// one, the latest last.
func (*Store) FormerPasswords(ctx context.Context, r db.Reader, userID string, n int) ([]string, error) {
	if n <= 0 {
		return nil, nil
	}
	rows, err := db.List(ctx, r, db.Value[string], "SELECT hash FROM identity_former_passwords WHERE user_id = $1 ORDER BY n DESC LIMIT $2", userID, n)
	if err != nil {
		return nil, fmt.Errorf("former passwords of %s: %w", userID, err)
	}
	slices.Reverse(rows)
	return rows, nil
}

// AddFormerPassword keeps a hash, and no more than the last n.
func (*Store) AddFormerPassword(ctx context.Context, tx *db.Tx, userID, hash string, n int) error {
	const add = `
		INSERT INTO identity_former_passwords (user_id, n, hash)
		SELECT $1, COALESCE(MAX(n), 0) + 1, $2 FROM identity_former_passwords WHERE user_id = $1`
	if _, err := tx.Exec(ctx, add, userID, hash); err != nil {
		return fmt.Errorf("keep a password of %s: %w", userID, err)
	}
	const drop = `
		DELETE FROM identity_former_passwords
		 WHERE user_id = $1 AND n <= (SELECT MAX(n) FROM identity_former_passwords WHERE user_id = $1) - $2`
	if _, err := tx.Exec(ctx, drop, userID, n); err != nil {
		return fmt.Errorf("drop passwords of %s: %w", userID, err)
	}
	return nil
}
