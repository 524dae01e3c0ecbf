// Package saga runs work of several steps that must finish or be undone,
// whatever is killed. A saga's row commits with the request that asked for it;
// the result of a step commits with the step; an undo needs no memory of what
// was done. So after a crash any process goes on where the last one stopped.
//
// Steps are repeated after a crash: Do and Undo must find their own earlier
// work and accept it. Sagas of one subject run one after the other, in the
// order in which they were accepted. Every saga has a deadline: past it, it is
// undone and its subject told why.
//
// The log of steps, with the spans that steps note, is what users see as the
// trace of a boot; there is no second bookkeeping.
package saga

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"altostack/kernel/db"
	"altostack/kernel/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the engine's own tables.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return sub
}

// Step is one step of a saga over the state T, which is saved after each step
// and must be fit for JSON. Exactly one of Do and Tx is set.
type Step[T any] struct {
	Name      string
	Component string
	// Do acts on the world outside the database, and may be repeated.
	Do func(ctx context.Context, state *T) error
	// Tx acts on the database; its effect and the step's result commit together.
	Tx func(ctx context.Context, tx *db.Tx, state *T) error
	// Undo removes what Do made, or finds nothing to remove. It is called for
	// the step that failed too. nil: nothing to undo.
	Undo func(ctx context.Context, state *T) error
	// UndoTx is Undo for effects in the database.
	UndoTx func(ctx context.Context, tx *db.Tx, state *T) error
}

// Definition is one kind of saga.
type Definition[T any] struct {
	Kind     string        // service.what, as compute.boot-server
	Deadline time.Duration // from acceptance until it is given up and undone
	Steps    []Step[T]
	// Done runs in the transaction that ends a saga well.
	Done func(ctx context.Context, tx *db.Tx, state *T) error
	// Failed runs once, in a transaction: after the last undo or, where undoing
	// takes longer than [UndoGrace], before it. It tells the subject why.
	Failed func(ctx context.Context, tx *db.Tx, state *T, why *fault.Fault) error
}

// UndoGrace is how long undoing may take before the subject is told of the
// failure; undoing goes on after it.
const UndoGrace = 15 * time.Second

// Status is where a saga is.
type Status string

// The states of a saga; the last two are final.
const (
	Running Status = "running"
	Undoing Status = "undoing"
	Done    Status = "done"
	Failed  Status = "failed"
)

// Row is a saga as it is stored.
type Row struct {
	ID, Kind, Subject, ProjectID, RequestID string
	State                                   json.RawMessage
	Seq                                     int64
	Step                                    int
	Status                                  Status
	Told, Cancel                            bool
	Fault                                   *Failure
	Owner                                   string
	Deadline, CreatedAt, UpdatedAt          time.Time
}

// Failure is a fault as it is stored and shown.
type Failure struct {
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
	Hint    string     `json:"hint,omitempty"`
	Step    string     `json:"step,omitempty"`
	Cause   string     `json:"cause,omitempty"` // for operators
}

// asFault rebuilds the fault for a Failed hook that runs after a restart.
func (f *Failure) asFault() *fault.Fault {
	if f == nil {
		return fault.New(fault.CodeRestInternal, "The operation failed.")
	}
	out := fault.New(f.Code, "%s", f.Message)
	if f.Cause != "" {
		out = fault.Because(errors.New(f.Cause), f.Code, "%s", f.Message)
	}
	if f.Hint != "" {
		out.Hint = f.Hint
	}
	return out
}

// Span is an entry of a saga's log: a step done or undone, or a numbered span
// that a step noted.
type Span struct {
	Kind      string         `json:"kind"` // do, undo, span
	Number    int            `json:"number,omitempty"`
	Name      string         `json:"name"`
	Component string         `json:"component"`
	Start     time.Time      `json:"start"`
	Took      time.Duration  `json:"took"`
	Outcome   string         `json:"outcome"` // ok, error, skipped
	Detail    map[string]any `json:"detail,omitempty"`
}

type notesKey struct{}

type notes struct {
	mu    sync.Mutex
	spans []Span
}

// Note adds spans to the log of the saga whose step runs with ctx; they commit
// with the step, and also when the step fails.
func Note(ctx context.Context, spans ...Span) {
	if n, ok := ctx.Value(notesKey{}).(*notes); ok {
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, s := range spans {
			s.Kind = "span"
			n.spans = append(n.spans, s)
		}
	}
}

func (n *notes) take() []Span {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := n.spans
	n.spans = nil
	return out
}

type idKey struct{}

// ID answers the id of the saga whose step runs with ctx.
func ID(ctx context.Context) string {
	s, _ := ctx.Value(idKey{}).(string)
	return s
}

// kind is a Definition with its type erased.
type kind struct {
	name     string
	deadline time.Duration
	steps    []step
	done     func(ctx context.Context, tx *db.Tx, state json.RawMessage) error
	failed   func(ctx context.Context, tx *db.Tx, state json.RawMessage, why *fault.Fault) error
}

type act func(ctx context.Context, state json.RawMessage) (json.RawMessage, error)
type actTx func(ctx context.Context, tx *db.Tx, state json.RawMessage) (json.RawMessage, error)

type step struct {
	name, component string
	do, undo        act
	tx, undoTx      actTx
}

func erase[T any](d Definition[T]) *kind {
	k := &kind{name: d.Kind, deadline: d.Deadline}
	for _, s := range d.Steps {
		if (s.Do == nil) == (s.Tx == nil) {
			panic(fmt.Sprintf("saga %s: step %s wants either Do or Tx", d.Kind, s.Name))
		}
		k.steps = append(k.steps, step{s.Name, s.Component, eraseAct(s.Do), eraseAct(s.Undo), eraseTx(s.Tx), eraseTx(s.UndoTx)})
	}
	k.done = func(ctx context.Context, tx *db.Tx, raw json.RawMessage) error {
		if d.Done == nil {
			return nil
		}
		_, err := eraseTx(d.Done)(ctx, tx, raw)
		return err
	}
	k.failed = func(ctx context.Context, tx *db.Tx, raw json.RawMessage, why *fault.Fault) error {
		if d.Failed == nil {
			return nil
		}
		_, err := eraseTx(func(ctx context.Context, tx *db.Tx, t *T) error { return d.Failed(ctx, tx, t, why) })(ctx, tx, raw)
		return err
	}
	return k
}

func eraseAct[T any](f func(context.Context, *T) error) act {
	if f == nil {
		return nil
	}
	return func(ctx context.Context, raw json.RawMessage) (json.RawMessage, error) {
		return with(raw, func(t *T) error { return f(ctx, t) })
	}
}

func eraseTx[T any](f func(context.Context, *db.Tx, *T) error) actTx {
	if f == nil {
		return nil
	}
	return func(ctx context.Context, tx *db.Tx, raw json.RawMessage) (json.RawMessage, error) {
		return with(raw, func(t *T) error { return f(ctx, tx, t) })
	}
}

// with runs f on the decoded state. The state goes back even when f fails, as an
// undo may need what was decided before the failure.
func with[T any](raw json.RawMessage, f func(*T) error) (json.RawMessage, error) {
	var t T
	if err := json.Unmarshal(raw, &t); err != nil {
		return raw, fmt.Errorf("saga state: %w", err)
	}
	ferr := f(&t)
	out, err := json.Marshal(&t)
	if err != nil {
		return raw, fmt.Errorf("saga state: %w", err)
	}
	return out, ferr
}
