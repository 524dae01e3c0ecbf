package store

import (
	"context"
	"fmt"

	"altostack/identity"
	"altostack/kernel/db"
)

// sealedTexts are the columns that hold encrypted texts, each with its table's key.
var sealedTexts = []struct{ table, key, column string }{
	{"identity_credentials", "id", "blob"},
	{"domain_configs", "domain_id", "sealed"},
	{"oauth_consumers", "id", "secret"},
	{"oauth_requests", "id", "secret"},
	{"oauth_access_tokens", "id", "secret"},
}

// Sealed answers every encrypted text there is.
func (*Store) Sealed(ctx context.Context, r db.Reader) (out []identity.Sealed, err error) {
	for _, c := range sealedTexts {
		rows, err := db.List(ctx, r, func(s db.Scanner) (v identity.Sealed, err error) {
			v.Table = c.table
			return v, s.Scan(&v.ID, &v.Text)
		}, fmt.Sprintf("SELECT %s, %s FROM %s ORDER BY %s", c.key, c.column, c.table, c.key))
		if err != nil {
			return nil, fmt.Errorf("sealed texts of %s: %w", c.table, err)
		}
		out = append(out, rows...)
	}
	return out, nil
}

// Reseal replaces an encrypted text unless it is another one by now.
func (*Store) Reseal(ctx context.Context, tx *db.Tx, old identity.Sealed, text string) (bool, error) {
	for _, c := range sealedTexts {
		if c.table != old.Table {
			continue
		}
		n, err := tx.Exec(ctx, fmt.Sprintf("UPDATE %s SET %s = $1 WHERE %s = $2 AND %s = $3", c.table, c.column, c.key, c.column), text, old.ID, old.Text)
		if err != nil {
			return false, fmt.Errorf("reseal %s %s: %w", c.table, old.ID, err)
		}
		return n == 1, nil
	}
	return false, fmt.Errorf("table %s holds no sealed text", old.Table)
}
