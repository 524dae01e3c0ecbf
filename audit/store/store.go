// Package store keeps the audit trail in SQL, one text for SQLite and PostgreSQL.
// It decides nothing; that a record is never changed is the trail's part, and that
// a changed one is found.
package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"altostack/audit"
	"altostack/kernel/db"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the tables of the trail, for db.Migrate.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	return sub
}

// Store implements audit.Store; it has no state of its own.
type Store struct{}

// New makes the store.
func New() *Store { return &Store{} }

var _ audit.Store = (*Store)(nil)

const chainColumns = "chain, node, base_seq, base_hash, base_seal, head_seq, head_hash, head_seal"

func scanChain(s db.Scanner) (c audit.Chain, err error) {
	return c, s.Scan(&c.ID, &c.Node, &c.Base.Seq, &c.Base.Hash, &c.Base.Seal, &c.Head.Seq, &c.Head.Hash, &c.Head.Seal)
}

// Chain answers a chain's row.
func (*Store) Chain(ctx context.Context, r db.Reader, chain string) (audit.Chain, bool, error) {
	c, found, err := db.Get(ctx, r, scanChain, "SELECT "+chainColumns+" FROM audit_chains WHERE chain = $1", chain)
	if err != nil {
		err = fmt.Errorf("read chain %s: %w", chain, err)
	}
	return c, found, err
}

// Chains lists all.
func (*Store) Chains(ctx context.Context, r db.Reader) ([]audit.Chain, error) {
	rows, err := db.List(ctx, r, scanChain, "SELECT "+chainColumns+" FROM audit_chains ORDER BY chain")
	if err != nil {
		err = fmt.Errorf("list chains: %w", err)
	}
	return rows, err
}

// SaveChain writes a chain's row, new or not.
func (*Store) SaveChain(ctx context.Context, tx *db.Tx, c audit.Chain) error {
	const q = `
		INSERT INTO audit_chains (chain, node, base_seq, base_hash, base_seal, head_seq, head_hash, head_seal) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		    ON CONFLICT (chain) DO UPDATE
		   SET node = excluded.node, base_seq = excluded.base_seq, base_hash = excluded.base_hash, base_seal = excluded.base_seal,
		       head_seq = excluded.head_seq, head_hash = excluded.head_hash, head_seal = excluded.head_seal`
	if _, err := tx.Exec(ctx, q, c.ID, c.Node, c.Base.Seq, c.Base.Hash, c.Base.Seal, c.Head.Seq, c.Head.Hash, c.Head.Seal); err != nil {
		return fmt.Errorf("save chain %s: %w", c.ID, err)
	}
	return nil
}

const columns = "chain, seq, at, event, prev, hash, seal"

func scan(s db.Scanner) (r audit.Record, err error) {
	var at int64
	err = s.Scan(&r.Chain, &r.Seq, &at, &r.Event, &r.Prev, &r.Hash, &r.Seal)
	r.At = time.UnixMicro(at).UTC()
	return r, err
}

// together is how many records one statement writes; a power of two, so that the
// statements that are kept prepared are few.
const together = 32

// Append writes records.
func (*Store) Append(ctx context.Context, tx *db.Tx, records []audit.Record) error {
	for n := together; n > 0; n /= 2 {
		for len(records) >= n {
			args := make([]any, 0, 7*n)
			for _, r := range records[:n] {
				args = append(args, r.Chain, r.Seq, r.At.UnixMicro(), r.Event, r.Prev, r.Hash, r.Seal)
			}
			if _, err := tx.Exec(ctx, inserts[n], args...); err != nil {
				return fmt.Errorf("append to the trail: %w", err)
			}
			records = records[n:]
		}
	}
	return nil
}

// inserts are the statements by the number of records.
var inserts = func() map[int]string {
	out := map[int]string{}
	for n := together; n > 0; n /= 2 {
		var rows []string
		for i := range n {
			k := 7 * i
			rows = append(rows, fmt.Sprintf("($%d, $%d, $%d, $%d, $%d, $%d, $%d)", k+1, k+2, k+3, k+4, k+5, k+6, k+7))
		}
		out[n] = "INSERT INTO audit_events (" + columns + ") VALUES " + strings.Join(rows, ", ")
	}
	return out
}()

func list(ctx context.Context, r db.Reader, q string, args ...any) ([]audit.Record, error) {
	rows, err := db.List(ctx, r, scan, "SELECT "+columns+" FROM audit_events "+q, args...)
	if err != nil {
		err = fmt.Errorf("read the trail: %w", err)
	}
	return rows, err
}

// After answers records of a chain with a number over seq, in order.
func (*Store) After(ctx context.Context, r db.Reader, chain string, seq int64, limit int) ([]audit.Record, error) {
	return list(ctx, r, "WHERE chain = $1 AND seq > $2 ORDER BY seq LIMIT $3", chain, seq, limit)
}

// Latest answers records of all chains, the last written first; after is the last
// of the page before.
func (*Store) Latest(ctx context.Context, r db.Reader, after audit.Record, limit int) ([]audit.Record, error) {
	if after.Chain == "" {
		return list(ctx, r, "ORDER BY at DESC, chain DESC, seq DESC LIMIT $1", limit)
	}
	return list(ctx, r, "WHERE (at, chain, seq) < ($1, $2, $3) ORDER BY at DESC, chain DESC, seq DESC LIMIT $4", after.At.UnixMicro(), after.Chain, after.Seq, limit)
}

// LastBefore answers the last record of a chain that was written before t.
func (*Store) LastBefore(ctx context.Context, r db.Reader, chain string, t time.Time) (audit.Record, bool, error) {
	rows, err := list(ctx, r, "WHERE chain = $1 AND at < $2 ORDER BY at DESC, seq DESC LIMIT 1", chain, t.UnixMicro())
	if err != nil || len(rows) == 0 {
		return audit.Record{}, false, err
	}
	return rows[0], true, nil
}

// FirstSince answers the number of the first record written at t or later.
func (*Store) FirstSince(ctx context.Context, r db.Reader, chain string, t time.Time) (int64, bool, error) {
	us := int64(0)
	if !t.IsZero() {
		us = t.UnixMicro()
	}
	rows, err := list(ctx, r, "WHERE chain = $1 AND at >= $2 ORDER BY at, seq LIMIT 1", chain, us)
	if err != nil || len(rows) == 0 {
		return 0, false, err
	}
	return rows[0].Seq, true, nil
}

// RemoveThrough deletes the records of a chain up to a number.
func (*Store) RemoveThrough(ctx context.Context, tx *db.Tx, chain string, seq int64) error {
	if _, err := tx.Exec(ctx, "DELETE FROM audit_events WHERE chain = $1 AND seq <= $2", chain, seq); err != nil {
		return fmt.Errorf("forget records of %s: %w", chain, err)
	}
	return nil
}
