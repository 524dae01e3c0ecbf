package store

import (
	"context"

	"altostack/compute"
	"altostack/kernel/db"
	"altostack/kernel/page"
)

const keypairColumns = "number, user_id, name, type, fingerprint, public_key, created_at"

func scanKeypair(row db.Scanner) (compute.Keypair, error) {
	var k compute.Keypair
	var created int64
	err := row.Scan(&k.Number, &k.UserID, &k.Name, &k.Type, &k.Fingerprint, &k.PublicKey, &created)
	k.CreatedAt = db.Time(created)
	return k, err
}

// Keypair reads one key of a user.
func (*Store) Keypair(ctx context.Context, r db.Reader, userID, name string) (compute.Keypair, bool, error) {
	return db.Get(ctx, r, scanKeypair, "SELECT "+keypairColumns+" FROM keypairs WHERE user_id = $1 AND name = $2", userID, name)
}

// ListKeypairs reads one page of a user's keys, by name.
func (*Store) ListKeypairs(ctx context.Context, r db.Reader, userID string, req page.Request) ([]compute.Keypair, bool, error) {
	return page.List(ctx, r, page.From(keypairColumns, "keypairs", "name").Where("user_id = ?", userID), req, scanKeypair)
}

// InsertKeypair saves a key under the next number; db.IsUnique tells a taken name.
func (*Store) InsertKeypair(ctx context.Context, tx *db.Tx, k compute.Keypair) (compute.Keypair, error) {
	const q = `INSERT INTO keypairs (number, user_id, name, type, fingerprint, public_key, created_at)
		VALUES ((SELECT COALESCE(MAX(number), 0) + 1 FROM keypairs), $1, $2, $3, $4, $5, $6) RETURNING number`
	err := tx.QueryRow(ctx, q, k.UserID, k.Name, k.Type, k.Fingerprint, k.PublicKey, db.Micros(k.CreatedAt)).Scan(&k.Number)
	return k, err
}

// CountKeypairs counts a user's keys.
func (*Store) CountKeypairs(ctx context.Context, r db.Reader, userID string) (int64, error) {
	n, _, err := db.Get(ctx, r, db.Value[int64], "SELECT COUNT(*) FROM keypairs WHERE user_id = $1", userID)
	return n, err
}

// DeleteKeypair reports whether there was one.
func (*Store) DeleteKeypair(ctx context.Context, tx *db.Tx, userID, name string) (bool, error) {
	n, err := tx.Exec(ctx, "DELETE FROM keypairs WHERE user_id = $1 AND name = $2", userID, name)
	return n > 0, err
}
