package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"altostack/kernel/fault"
)

// Tx is a transaction under way; it is a [Reader] too.
type Tx struct {
	exec  func(ctx context.Context, query string, args ...any) (sql.Result, error)
	query func(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	row   func(ctx context.Context, query string, args ...any) *sql.Row
	after []func()
}

// Exec runs a statement and answers the number of rows it changed.
func (t *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	r, err := t.exec(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// Query runs a query inside the transaction.
func (t *Tx) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return t.query(ctx, query, args...)
}

// QueryRow is Query for one row.
func (t *Tx) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	return t.row(ctx, query, args...)
}

// AfterCommit calls f once the transaction is durable, and never otherwise.
func (t *Tx) AfterCommit(f func()) { t.after = append(t.after, f) }

type insideWrite struct{}

// Write runs f as one serial transaction and returns once it is durable. An
// error of f rolls back and is returned as it is. f may run more than once.
func (d *DB) Write(ctx context.Context, f func(ctx context.Context, tx *Tx) error) error {
	if ctx.Value(insideWrite{}) != nil {
		return errors.New("db: Write called inside a Write; pass the transaction on instead")
	}
	ctx = context.WithValue(ctx, insideWrite{}, true)
	if d.Dialect == PostgreSQL {
		return d.writePostgreSQL(ctx, f)
	}
	d.guard.Do(func() { d.group = newGroup(d.writers, d.durable) })
	return d.group.write(ctx, f)
}

func (d *DB) writePostgreSQL(ctx context.Context, f func(context.Context, *Tx) error) error {
	for {
		tx, err := d.writers.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable})
		if err != nil {
			return err
		}
		t := &Tx{exec: tx.ExecContext, query: tx.QueryContext, row: tx.QueryRowContext}
		err = protect(ctx, f, t)
		if err == nil {
			err = d.durable(tx.Commit)
		} else {
			_ = tx.Rollback()
		}
		if code := postgresCode(err); code == "40001" || code == "40P01" { // serialization, deadlock: run again
			if ctx.Err() != nil {
				return ctx.Err()
			}
			continue
		}
		if err != nil {
			return err
		}
		for _, a := range t.after {
			a()
		}
		return nil
	}
}

// protect turns a panic in a closure into an error, as it would otherwise take
// the writer, and with it every other request, down.
func protect(ctx context.Context, f func(context.Context, *Tx) error, t *Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a transaction: %v\n%s", p, debug.Stack())
		}
	}()
	return f(ctx, t)
}

// group is SQLite's single writer: it runs what waits, one after the other in a
// savepoint each, and commits them together.
type group struct {
	pool    *sql.DB
	durable func(commit func() error) error
	queue   chan *pending
	done    chan struct{}
	mu      sync.RWMutex
	ended   bool
}

type pending struct {
	ctx    context.Context
	f      func(context.Context, *Tx) error
	tx     *Tx
	err    error
	answer chan struct{}
}

// maxGroup bounds how long the first of a group waits for the others.
const maxGroup = 64

func newGroup(pool *sql.DB, durable func(func() error) error) *group {
	g := &group{pool: pool, durable: durable, queue: make(chan *pending, 1024), done: make(chan struct{})}
	go g.run()
	return g
}

func (g *group) close() {
	g.mu.Lock()
	if !g.ended {
		g.ended = true
		close(g.queue)
	}
	g.mu.Unlock()
	<-g.done
}

var errClosed = errors.New("db: closed")

func (g *group) write(ctx context.Context, f func(context.Context, *Tx) error) error {
	p := &pending{ctx: ctx, f: f, answer: make(chan struct{})}
	if err := g.enqueue(p); err != nil {
		return err
	}
	// Not selecting on ctx: once queued, the closure may already be running, and
	// the caller must not be told "canceled" about a write that is then durable.
	<-p.answer
	if p.err != nil {
		return p.err
	}
	for _, a := range p.tx.after {
		a()
	}
	return nil
}

func (g *group) enqueue(p *pending) error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.ended {
		return errClosed
	}
	select {
	case g.queue <- p:
		return nil
	case <-p.ctx.Done():
		return fault.Because(p.ctx.Err(), fault.CodeDbBusy, "The database is too busy to take the change.")
	}
}

func (g *group) run() {
	defer close(g.done)
	ctx := context.Background()
	for first := range g.queue {
		conn, err := g.pool.Conn(ctx)
		if err != nil {
			g.settle([]*pending{first}, err)
			continue
		}
		g.serve(ctx, conn, first)
	}
}

// serve keeps one connection, with its prepared statements, until the queue is
// closed or the connection fails.
func (g *group) serve(ctx context.Context, conn *sql.Conn, first *pending) {
	stmts := &statements{prepare: conn.PrepareContext}
	defer func() { stmts.close(); _ = conn.Close() }()
	for first != nil {
		batch, err := g.batch(ctx, stmts, first)
		g.settle(batch, err)
		if err != nil {
			return // a fresh connection: this one may hold half a transaction
		}
		var open bool
		if first, open = <-g.queue; !open {
			return
		}
	}
}

func (g *group) batch(ctx context.Context, stmts *statements, first *pending) ([]*pending, error) {
	batch := []*pending{first}
	if err := stmts.run(ctx, "BEGIN IMMEDIATE"); err != nil {
		return batch, fmt.Errorf("begin: %w", err)
	}
	for next := first; next != nil; {
		if err := g.one(stmts, next); err != nil {
			_ = stmts.run(ctx, "ROLLBACK")
			return batch, err
		}
		next = nil
		if len(batch) < maxGroup {
			select {
			case p, open := <-g.queue:
				if open {
					next, batch = p, append(batch, p)
				}
			default:
			}
		}
	}
	if err := g.durable(func() error { return stmts.run(ctx, "COMMIT") }); err != nil {
		_ = stmts.run(ctx, "ROLLBACK")
		return batch, fmt.Errorf("commit: %w", err)
	}
	return batch, nil
}

// one runs a closure in its savepoint. The error returned is the writer's own;
// the closure's goes to its caller.
func (g *group) one(stmts *statements, p *pending) error {
	if p.err = p.ctx.Err(); p.err != nil {
		return nil
	}
	// The closure must not be cut in the middle: a statement interrupted by a
	// cancelled context would roll the whole group back.
	ctx := context.WithoutCancel(p.ctx)
	if err := stmts.run(ctx, "SAVEPOINT one"); err != nil {
		return fmt.Errorf("savepoint: %w", err)
	}
	p.tx = &Tx{exec: stmts.exec, query: stmts.query, row: stmts.row}
	if p.err = protect(ctx, p.f, p.tx); p.err != nil {
		if err := stmts.run(ctx, "ROLLBACK TO one"); err != nil {
			return fmt.Errorf("rollback: %w", err)
		}
	}
	return stmts.run(ctx, "RELEASE one")
}

func (g *group) settle(batch []*pending, err error) {
	for _, p := range batch {
		if p.err == nil {
			p.err = err
		}
		close(p.answer)
	}
}
