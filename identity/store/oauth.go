package store

import (
	"context"
	"fmt"
	"time"

	"altostack/identity"
	"altostack/kernel/db"
)

var consumers = &table[identity.Consumer]{
	name:    "oauth_consumers",
	columns: []string{"id", "description", "secret", "extra"},
	values:  func(c identity.Consumer) []any { return []any{c.ID, c.Description, c.Secret, db.JSON(c.Extra)} },
	scan: func(s db.Scanner) (c identity.Consumer, err error) {
		return c, s.Scan(&c.ID, &c.Description, &c.Secret, db.FromJSON{Into: &c.Extra})
	},
}

var oauthRequests = &table[identity.OAuthRequest]{
	name:    "oauth_requests",
	columns: []string{"id", "consumer_id", "secret", "project_id", "verifier", "user_id", "role_ids", "expires_at"},
	values: func(v identity.OAuthRequest) []any {
		return []any{v.ID, v.ConsumerID, v.Secret, v.ProjectID, v.Verifier, v.UserID, db.JSON(v.RoleIDs), db.Micros(v.ExpiresAt)}
	},
	scan: func(s db.Scanner) (v identity.OAuthRequest, err error) {
		var expires int64
		err = s.Scan(&v.ID, &v.ConsumerID, &v.Secret, &v.ProjectID, &v.Verifier, &v.UserID, db.FromJSON{Into: &v.RoleIDs}, &expires)
		v.ExpiresAt = instant(expires)
		return v, err
	},
}

var accessTokens = &table[identity.AccessToken]{
	name:    "oauth_access_tokens",
	columns: []string{"id", "consumer_id", "secret", "user_id", "project_id", "role_ids", "expires_at"},
	values: func(a identity.AccessToken) []any {
		return []any{a.ID, a.ConsumerID, a.Secret, a.UserID, a.ProjectID, db.JSON(a.RoleIDs), db.Micros(a.ExpiresAt)}
	},
	scan: func(s db.Scanner) (a identity.AccessToken, err error) {
		var expires int64
		err = s.Scan(&a.ID, &a.ConsumerID, &a.Secret, &a.UserID, &a.ProjectID, db.FromJSON{Into: &a.RoleIDs}, &expires)
		a.ExpiresAt = instant(expires)
		return a, err
	},
}

// UseNonce notes a number that is used once; false where it was noted before. Those
// that are over are forgotten.
func (*Store) UseNonce(ctx context.Context, tx *db.Tx, nonce string, now, until time.Time) (bool, error) {
	if _, err := tx.Exec(ctx, `DELETE FROM oauth_nonces WHERE expires_at < $1`, db.Micros(now)); err != nil {
		return false, fmt.Errorf("forget nonces: %w", err)
	}
	n, err := tx.Exec(ctx, `INSERT INTO oauth_nonces (nonce, expires_at) VALUES ($1, $2) ON CONFLICT (nonce) DO NOTHING`, nonce, db.Micros(until))
	if err != nil {
		return false, fmt.Errorf("use nonce: %w", err)
	}
	return n == 1, nil
}
