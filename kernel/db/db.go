// Package db is the one way to SQL: SQLite inside the process, or PostgreSQL,
// with the same text for both. Placeholders are $1, $2 … numbered in order of
// first use, instants are BIGINT microseconds since 1970 (see [Micros]), JSON is
// TEXT.
//
// Every write is a closure run as one serial transaction. On SQLite a single
// writer takes closures from a queue and commits those that wait together
// with one fsync; on PostgreSQL the transaction is SERIALIZABLE and repeated
// when the server asks for it. So a closure must be short, do nothing but SQL,
// and be fit to run twice. What has to happen only once it is durable goes into
// [Tx.AfterCommit].
package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"sync"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the pgx driver
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite" // the sqlite driver
)

// Reader runs queries: the database itself, or a transaction.
type Reader interface {
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRow(ctx context.Context, query string, args ...any) *sql.Row
}

// DB is an open database; it is safe for concurrent use.
type DB struct {
	Dialect Dialect
	readers *sql.DB
	writers *sql.DB
	stmts   statements
	group   *group // nil on PostgreSQL
	guard   sync.Once
	around  func(commit func() error) error
}

// Around has f called in place of every commit, with the commit: so tests end a
// process right before a write is durable and right after it. An error of f is
// that of the writers, and keeps what was not committed from being so. It must be
// set before the first write.
func (d *DB) Around(f func(commit func() error) error) { d.around = f }

// durable commits, through what [DB.Around] set.
func (d *DB) durable(commit func() error) error {
	if d.around == nil {
		return commit()
	}
	return d.around(commit)
}

// Dialect is which engine is behind a DB.
type Dialect string

// The engines there are.
const (
	SQLite     Dialect = "sqlite"
	PostgreSQL Dialect = "postgres"
)

// Open opens sqlite:PATH or postgres://… . For SQLite ?sync=off gives up
// durability, which only tests want; the default is a full sync on each commit.
func Open(ctx context.Context, dsn string) (*DB, error) {
	switch {
	case strings.HasPrefix(dsn, "sqlite:"):
		return openSQLite(ctx, strings.TrimPrefix(dsn, "sqlite:"))
	case strings.HasPrefix(dsn, "postgres://"), strings.HasPrefix(dsn, "postgresql://"):
		return openPostgreSQL(ctx, dsn)
	}
	return nil, fmt.Errorf("database %q: want sqlite:PATH or postgres://…", redact(dsn))
}

func openSQLite(ctx context.Context, path string) (*DB, error) {
	path, query, _ := strings.Cut(path, "?")
	sync := "FULL"
	if v, _ := url.ParseQuery(query); v.Get("sync") == "off" {
		sync = "OFF"
	}
	source := func(pragmas ...string) string {
		v := url.Values{"_txlock": {"immediate"}, "_pragma": append([]string{"busy_timeout(10000)", "foreign_keys(1)", "temp_store(2)"}, pragmas...)}
		return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + v.Encode()
	}
	writers, err := sql.Open("sqlite", source("journal_mode(WAL)", "synchronous("+sync+")", "cache_size(-16000)", "wal_autocheckpoint(2000)"))
	if err != nil {
		return nil, err
	}
	writers.SetMaxOpenConns(1)
	if err := writers.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", path, err), writers.Close())
	}
	readers, err := sql.Open("sqlite", source("query_only(1)", "cache_size(-8000)"))
	if err != nil {
		return nil, errors.Join(err, writers.Close())
	}
	readers.SetMaxOpenConns(8)
	readers.SetMaxIdleConns(8)
	return &DB{Dialect: SQLite, readers: readers, writers: writers, stmts: statements{prepare: readers.PrepareContext}}, nil
}

func openPostgreSQL(ctx context.Context, dsn string) (*DB, error) {
	pool, err := sql.Open("pgx", dsn)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", redact(dsn), err)
	}
	pool.SetMaxOpenConns(32)
	pool.SetMaxIdleConns(16)
	if err := pool.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", redact(dsn), err), pool.Close())
	}
	return &DB{Dialect: PostgreSQL, readers: pool, writers: pool}, nil
}

// redact hides the password of a URL, which must not reach a log.
func redact(dsn string) string {
	if u, err := url.Parse(dsn); err == nil {
		return u.Redacted()
	}
	return "(unreadable)"
}

// Migrate brings the tables of one service up to date. It must be called before
// the first write; migrations is a file system of goose's *.sql files.
func (d *DB) Migrate(ctx context.Context, service string, migrations fs.FS) error {
	dialect := goose.DialectSQLite3
	if d.Dialect == PostgreSQL {
		dialect = goose.DialectPostgres
	}
	p, err := goose.NewProvider(dialect, d.writers, migrations, goose.WithTableName("migrations_"+service), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("migrations of %s: %w", service, err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate %s: %w", service, err)
	}
	return nil
}

// Query reads outside of any transaction and sees all that is committed.
func (d *DB) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if d.Dialect == PostgreSQL {
		return d.readers.QueryContext(ctx, query, args...)
	}
	s, err := d.stmts.get(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("%w in %s", err, query)
	}
	return s.QueryContext(ctx, args...)
}

// QueryRow is Query for one row.
func (d *DB) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	if d.Dialect == SQLite {
		if s, err := d.stmts.get(ctx, query); err == nil {
			return s.QueryRowContext(ctx, args...)
		}
	}
	return d.readers.QueryRowContext(ctx, query, args...)
}

// Close waits for the writes under way and closes the database.
func (d *DB) Close() error {
	if d.group != nil {
		d.group.close()
	}
	d.stmts.close()
	err := d.readers.Close()
	if d.writers != d.readers {
		err = errors.Join(err, d.writers.Close())
	}
	return err
}

// IsUnique reports whether err says that a row with the same key exists.
func IsUnique(err error) bool {
	var s *sqlite.Error
	if errors.As(err, &s) {
		return s.Code() == 2067 || s.Code() == 1555 // SQLITE_CONSTRAINT_UNIQUE, _PRIMARYKEY
	}
	return postgresCode(err) == "23505"
}

// IsForeignKey reports whether err says that a referenced row is missing, or
// that a row is still referred to.
func IsForeignKey(err error) bool {
	var s *sqlite.Error
	if errors.As(err, &s) {
		return s.Code() == 787 // SQLITE_CONSTRAINT_FOREIGNKEY
	}
	return postgresCode(err) == "23503"
}

func postgresCode(err error) string {
	var p interface{ SQLState() string }
	if errors.As(err, &p) {
		return p.SQLState()
	}
	return ""
}

// Micros is how an instant is stored; the zero time is 0.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time is the inverse of [Micros].
func Time(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
