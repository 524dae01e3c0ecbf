package store

import (
	"context"

	"altostack/compute"
	"altostack/kernel/db"
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
