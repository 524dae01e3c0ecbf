package store

import (
	"context"

	"altostack/kernel/db"
)

// ServerPassword reads what a guest said its administrator's password is,
// encrypted with the user's key; empty where it said nothing.
func (*Store) ServerPassword(ctx context.Context, r db.Reader, serverID string) (string, error) {
	p, _, err := db.Get(ctx, r, db.Value[string], "SELECT password FROM server_passwords WHERE server_id = $1", serverID)
	return p, err
}

// SetServerPassword keeps a guest's password; an empty one forgets it.
func (*Store) SetServerPassword(ctx context.Context, tx *db.Tx, serverID, password string) error {
	if password == "" {
		_, err := tx.Exec(ctx, "DELETE FROM server_passwords WHERE server_id = $1", serverID)
		return err
	}
	_, err := tx.Exec(ctx, "INSERT INTO server_passwords (server_id, password) VALUES ($1, $2) ON CONFLICT (server_id) DO UPDATE SET password = $2", serverID, password)
	return err
}
