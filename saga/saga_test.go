package saga_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"altostack/kernel/clock"
	"altostack/kernel/db"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/saga"
)

// world is what steps act on; it survives the process, as a host does.
type world struct {
	mu     sync.Mutex
	things map[string]bool
	ended  []string
}

func (w *world) set(name string, there bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if there {
		w.things[name] = true
	} else {
		delete(w.things, name)
	}
}

func (w *world) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(slices.Sorted(maps.Keys(w.things)), " ") + " | " + strings.Join(w.ended, " ")
}

var things = fstest.MapFS{"001_things.sql": {Data: []byte("-- +goose Up\nCREATE TABLE things (id TEXT PRIMARY KEY);\n")}}

type build struct {
	Fail string
	Made []string
}

// engine opens one process: its sagas make a, b (in SQL) and c.
func engine(d *db.DB, w *world, fail func(saga.Point) error) (*saga.Engine, saga.Starter[build]) {
	e := saga.New(saga.Config{DB: d, Clock: clock.Real{}, IDs: id.Random{}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Alone: true, Fault: fail})
	thing := func(name string) saga.Step[build] {
		return saga.Step[build]{Name: name,
			Do: func(ctx context.Context, b *build) error {
				w.set(name, true)
				saga.Note(ctx, saga.Span{Number: 7, Name: "noted " + name, Outcome: "ok"})
				if b.Fail == name {
					return fault.New(fault.CodeRestInvalidInput, "%s cannot be made", name)
				}
				b.Made = append(b.Made, name)
				return nil
			},
			Undo: func(_ context.Context, _ *build) error { w.set(name, false); return nil },
		}
	}
	row := saga.Step[build]{Name: "b",
		Tx: func(ctx context.Context, tx *db.Tx, b *build) error {
			if b.Fail == "b" {
				return fault.New(fault.CodeRestInvalidInput, "b cannot be made")
			}
			_, err := tx.Exec(ctx, "INSERT INTO things (id) VALUES ('b')")
			return err
		},
		UndoTx: func(ctx context.Context, tx *db.Tx, _ *build) error {
			_, err := tx.Exec(ctx, "DELETE FROM things WHERE id = 'b'")
			return err
		},
	}
	end := func(what string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ended = append(w.ended, what)
	}
	s := saga.Register(e, saga.Definition[build]{Kind: "test.build", Deadline: time.Minute, Steps: []saga.Step[build]{thing("a"), row, thing("c")},
		Done: func(_ context.Context, tx *db.Tx, b *build) error {
			tx.AfterCommit(func() { end("done") })
			return nil
		},
		Failed: func(_ context.Context, tx *db.Tx, b *build, why *fault.Fault) error {
			tx.AfterCommit(func() { end(string(why.Code)) })
			return nil
		}})
	return e, s
}

func start(t *testing.T, e *saga.Engine, s saga.Starter[build], d *db.DB, b build) string {
	t.Helper()
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var sagaID string
	if err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) (err error) {
		sagaID, err = s.Start(ctx, tx, saga.Request{Subject: "server-1"}, b)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return sagaID
}

// points are all the places at which a run passes a fault hook.
func points(t *testing.T, fail string) []saga.Point {
	t.Helper()
	d := dbtest.SQLite(t)
	if err := d.Migrate(t.Context(), "saga", saga.Migrations()); err != nil {
		t.Fatal(err)
	}
	if err := d.Migrate(t.Context(), "things", things); err != nil {
		t.Fatal(err)
	}
	var seen []saga.Point
	e, s := engine(d, &world{things: map[string]bool{}}, func(p saga.Point) error { seen = append(seen, p); return nil })
	defer e.Close()
	if err := e.Wait(t.Context(), start(t, e, s, d, build{Fail: fail})); err != nil {
		t.Fatal(err)
	}
	return seen
}

// TestKilledAtEveryPoint kills the process at each point of each run, once and
// again at the same point after the restart, and finds the same end.
func TestKilledAtEveryPoint(t *testing.T) {
	for fail, want := range map[string]string{"": "a c | done", "a": " | rest.invalid_input", "b": " | rest.invalid_input", "c": " | rest.invalid_input"} {
		for i, at := range points(t, fail) {
			t.Run(fmt.Sprintf("fail=%s/%d-%s-%s", fail, i, at.Step, at.Phase), func(t *testing.T) {
				dbtest.Each(t, "saga", saga.Migrations(), func(t *testing.T, d *db.DB) {
					if err := d.Migrate(t.Context(), "things", things); err != nil {
						t.Fatal(err)
					}
					w := &world{things: map[string]bool{}}
					kills := 0
					hook := func(p saga.Point) error {
						if p.Step == at.Step && p.Phase == at.Phase && kills < 2 {
							kills++
							return saga.ErrKilled
						}
						return nil
					}
					e, s := engine(d, w, hook)
					sagaID := start(t, e, s, d, build{Fail: fail})
					for {
						err := e.Wait(t.Context(), sagaID)
						killed := e.Killed()
						e.Close()
						if err != nil {
							t.Fatal(err)
						}
						if !killed {
							break
						}
						e, _ = engine(d, w, hook)
						if err := e.Start(t.Context()); err != nil {
							t.Fatal(err)
						}
					}
					if kills == 0 {
						t.Fatalf("the fault never hit %v", at)
					}
					if got := w.String(); got != want {
						t.Errorf("left %q, want %q", got, want)
					}
					rows, err := db.List(t.Context(), d, db.Value[string], "SELECT id FROM things")
					if err != nil || len(rows) != map[bool]int{true: 1}[fail == ""] {
						t.Errorf("rows of b: %v, %v", rows, err)
					}
				})
			})
		}
	}
}

func TestCancelUndoesAndTheNextSagaWaits(t *testing.T) {
	d := dbtest.SQLite(t)
	if err := d.Migrate(t.Context(), "saga", saga.Migrations()); err != nil {
		t.Fatal(err)
	}
	e := saga.New(saga.Config{DB: d, Clock: clock.Real{}, IDs: id.Random{}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Alone: true})
	defer e.Close()
	var mu sync.Mutex
	var order []string
	say := func(s string) { mu.Lock(); order = append(order, s); mu.Unlock() }
	inside := make(chan struct{})
	boot := saga.Register(e, saga.Definition[build]{Kind: "test.boot", Deadline: time.Hour, Steps: []saga.Step[build]{{Name: "wait",
		Do:   func(ctx context.Context, _ *build) error { close(inside); <-ctx.Done(); return ctx.Err() },
		Undo: func(context.Context, *build) error { say("undone"); return nil }}},
		Failed: func(_ context.Context, _ *db.Tx, _ *build, why *fault.Fault) error { say(string(why.Code)); return nil }})
	del := saga.Register(e, saga.Definition[build]{Kind: "test.delete", Deadline: time.Hour, Steps: []saga.Step[build]{{Name: "delete",
		Do: func(context.Context, *build) error { say("deleted"); return nil }}}})
	start(t, e, boot, d, build{})
	<-inside
	var deletion string
	err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) (err error) {
		if err := e.Cancel(ctx, tx, "server-1", "test.boot"); err != nil {
			return err
		}
		deletion, err = del.Start(ctx, tx, saga.Request{Subject: "server-1"}, build{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Wait(t.Context(), deletion); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(order, " "); got != "undone saga.canceled deleted" {
		t.Errorf("order: %s", got)
	}
}

func TestDeadlineUndoes(t *testing.T) {
	d := dbtest.SQLite(t)
	if err := d.Migrate(t.Context(), "saga", saga.Migrations()); err != nil {
		t.Fatal(err)
	}
	now := clock.NewVirtual(time.Unix(1_000_000, 0))
	e := saga.New(saga.Config{DB: d, Clock: now, IDs: id.Random{}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Alone: true})
	defer e.Close()
	inside := make(chan struct{})
	var why *fault.Fault
	s := saga.Register(e, saga.Definition[build]{Kind: "test.slow", Deadline: time.Minute, Steps: []saga.Step[build]{{Name: "hang",
		Do: func(ctx context.Context, _ *build) error {
			close(inside)
			<-ctx.Done()
			return errors.New("interrupted")
		}}},
		Failed: func(_ context.Context, _ *db.Tx, _ *build, f *fault.Fault) error { why = f; return nil }})
	sagaID := start(t, e, s, d, build{})
	<-inside
	now.Advance(2 * time.Minute)
	if err := e.Wait(t.Context(), sagaID); err != nil {
		t.Fatal(err)
	}
	if why == nil || why.Code != fault.CodeSagaDeadline {
		t.Errorf("told %v, want %s", why, fault.CodeSagaDeadline)
	}
}
