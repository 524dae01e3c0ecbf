// Package store keeps the object store's tables.
//
// Names are bound as bytes; see the migration for why. Statements have few texts,
// so that the writer's cache of prepared ones serves every PUT.
package store

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io/fs"
	"time"

	"altostack/kernel/db"
	"altostack/objectstore"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the object store's tables.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return sub
}

// Store implements objectstore.Store.
type Store struct{ stripes uint32 }

// New makes a store. Where writers are concurrent, sums are spread over rows.
func New(d *db.DB) *Store {
	if d != nil && d.Dialect == db.PostgreSQL {
		return &Store{stripes: 16}
	}
	return &Store{stripes: 1}
}

var _ objectstore.Store = (*Store)(nil)

func (s *Store) stripe(key string) int64 {
	if s.stripes == 1 {
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	return int64(h.Sum32() % s.stripes)
}

// text stores a map: nothing for an empty one, as most are.
func text(m map[string]string) string {
	if len(m) == 0 {
		return ""
	}
	return db.JSON(m)
}

// dict is the inverse of text.
func dict(s string) (map[string]string, error) {
	m := map[string]string{}
	if s == "" {
		return m, nil
	}
	if err := json.Unmarshal([]byte(s), &m); err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	return m, nil
}

func dicts(meta, system string) (m, sys map[string]string, err error) {
	if m, err = dict(meta); err != nil {
		return nil, nil, err
	}
	sys, err = dict(system)
	return m, sys, err
}

func instant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return db.Time(us)
}

// Account reads an account with its usage.
func (s *Store) Account(ctx context.Context, r db.Reader, name string) (objectstore.Account, bool, error) {
	a, found, err := db.Get(ctx, r, func(sc db.Scanner) (a objectstore.Account, err error) {
		var meta, system string
		var created, updated, deleted int64
		if err := sc.Scan(&a.Name, &meta, &system, &created, &updated, &deleted); err != nil {
			return a, err
		}
		a.CreatedAt, a.UpdatedAt, a.DeletedAt, a.Exists = db.Time(created), db.Time(updated), instant(deleted), true
		a.Meta, a.System, err = dicts(meta, system)
		return a, err
	}, "SELECT name, meta, system, created_at, updated_at, deleted_at FROM object_accounts WHERE name = $1", name)
	if err != nil || !found {
		return a, found, err
	}
	a.Usage, err = db.List(ctx, r, func(sc db.Scanner) (u objectstore.PolicyUsage, err error) {
		return u, sc.Scan(&u.Policy, &u.Containers, &u.Objects, &u.Bytes)
	}, `SELECT policy, CAST(SUM(containers) AS BIGINT), CAST(SUM(objects) AS BIGINT), CAST(SUM(bytes) AS BIGINT)
		  FROM object_account_usage WHERE account = $1 GROUP BY policy ORDER BY policy`, name)
	return a, true, err
}

// AccountSystem reads what the features keep of an account; of most, nothing.
func (s *Store) AccountSystem(ctx context.Context, r db.Reader, name string) (map[string]string, error) {
	system, _, err := db.Get(ctx, r, func(sc db.Scanner) (t string, err error) { return t, sc.Scan(&t) }, "SELECT system FROM object_accounts WHERE name = $1", name)
	if err != nil {
		return nil, err
	}
	return dict(system)
}

// DeletedAccounts reads the names of deleted accounts, with when they were deleted.
func (s *Store) DeletedAccounts(ctx context.Context, r db.Reader) ([]objectstore.Account, error) {
	return db.List(ctx, r, func(sc db.Scanner) (a objectstore.Account, err error) {
		var deleted int64
		err = sc.Scan(&a.Name, &deleted)
		a.DeletedAt = db.Time(deleted)
		return a, err
	}, "SELECT name, deleted_at FROM object_accounts WHERE deleted_at > 0 ORDER BY name")
}

// ForgetAccount removes a deleted account's rows.
func (s *Store) ForgetAccount(ctx context.Context, tx *db.Tx, name string) error {
	n, err := tx.Exec(ctx, "DELETE FROM object_accounts WHERE name = $1 AND deleted_at > 0", name)
	if err != nil || n == 0 {
		return err
	}
	_, err = tx.Exec(ctx, "DELETE FROM object_account_usage WHERE account = $1", name)
	return err
}

// SaveAccount writes an account, new or not.
func (s *Store) SaveAccount(ctx context.Context, tx *db.Tx, a objectstore.Account) error {
	deleted := int64(0)
	if !a.DeletedAt.IsZero() {
		deleted = db.Micros(a.DeletedAt)
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO object_accounts (name, meta, system, created_at, updated_at, deleted_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (name) DO UPDATE SET meta = excluded.meta, system = excluded.system, updated_at = excluded.updated_at, deleted_at = excluded.deleted_at`,
		a.Name, text(a.Meta), text(a.System), db.Micros(a.CreatedAt), db.Micros(a.UpdatedAt), deleted)
	return err
}
