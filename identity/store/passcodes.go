package store

import (
	"context"
	"fmt"

	"altostack/kernel/db"
)

// UseStep takes the passcode of a step of time from a credential; false where that
// one, or a later one, is gone already.
func (*Store) UseStep(ctx context.Context, tx *db.Tx, credentialID string, step int64) (bool, error) {
	const q = `
		INSERT INTO totp_uses (credential_id, step) VALUES ($1, $2)
		ON CONFLICT (credential_id) DO UPDATE SET step = excluded.step
		 WHERE totp_uses.step < excluded.step`
	n, err := tx.Exec(ctx, q, credentialID, step)
	if err != nil {
		return false, fmt.Errorf("use passcode of %s: %w", credentialID, err)
	}
	return n == 1, nil
}
