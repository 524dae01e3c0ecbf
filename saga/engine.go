package saga

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"altostack/kernel/clock"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/kernel/telemetry"
)

// Config is what an engine needs.
type Config struct {
	DB    *db.DB
	Clock clock.Clock
	IDs   id.Source
	Log   *slog.Logger
	// Alone says that no other process shares the database, so that every saga
	// found at start is taken over at once. Otherwise leases decide.
	Alone bool
	// Workers bounds the sagas that run at a time; 0: 128.
	Workers int
	// Fault is asked at every point where a process can die; tests return
	// [ErrKilled] or an error for the step. nil: no faults.
	Fault func(Point) error
}

// Point is a place in a saga's life at which a fault can be injected.
type Point struct {
	Kind, Subject, Step string
	Phase               Phase
}

// Phase is a moment around a step.
type Phase string

// The phases: before the step acts, after it acted and before that is saved,
// after it is saved; likewise for undo, and around the end.
const (
	BeforeDo   Phase = "before-do"
	AfterDo    Phase = "after-do"
	Saved      Phase = "saved"
	BeforeUndo Phase = "before-undo"
	AfterUndo  Phase = "after-undo"
	BeforeEnd  Phase = "before-end"
	AfterEnd   Phase = "after-end"
)

// ErrKilled, returned by Config.Fault, stops the whole engine as kill -9 would:
// nothing more is written.
var ErrKilled = errors.New("saga: killed")

var errNotOurs = errors.New("saga: another process took it over")

// Engine runs the sagas of one process.
type Engine struct {
	Config
	owner  string
	kinds  map[string]*kind
	ctx    context.Context
	stop   context.CancelFunc
	wg     sync.WaitGroup
	permit chan struct{}

	mu      sync.Mutex
	started bool
	killed  bool
	queues  map[string][]*Row // by subject; the first one runs
	cancels map[string]context.CancelCauseFunc
	waiters map[string][]chan struct{} // by saga id
	watch   map[string]map[chan struct{}]struct{}
}

// New makes an engine; register kinds, then Start it.
func New(c Config) *Engine {
	if c.Workers == 0 {
		c.Workers = 128
	}
	ctx, stop := context.WithCancel(context.Background())
	return &Engine{Config: c, owner: c.IDs.Hex(), kinds: map[string]*kind{}, ctx: ctx, stop: stop, permit: make(chan struct{}, c.Workers),
		queues: map[string][]*Row{}, cancels: map[string]context.CancelCauseFunc{}, waiters: map[string][]chan struct{}{}, watch: map[string]map[chan struct{}]struct{}{}}
}

// Starter starts sagas of one kind.
type Starter[T any] struct {
	engine *Engine
	kind   *kind
}

// Register adds a kind; call it before Start.
func Register[T any](e *Engine, d Definition[T]) Starter[T] {
	if e.kinds[d.Kind] != nil {
		panic("saga: kind " + d.Kind + " is registered twice")
	}
	k := erase(d)
	e.kinds[d.Kind] = k
	return Starter[T]{e, k}
}

// Request says for whom and on what a saga works.
type Request struct {
	Subject   string // id of the resource
	ProjectID string
	Spans     []Span // what happened before the saga began; starts its log
}

// Start accepts a saga in the caller's transaction: its row commits with what
// the caller writes, and it runs as soon as that is durable.
func (s Starter[T]) Start(ctx context.Context, tx *db.Tx, req Request, state T) (string, error) {
	raw, err := json.Marshal(state)
	if err != nil {
		return "", fmt.Errorf("saga state: %w", err)
	}
	e, now := s.engine, s.engine.Clock.Now()
	r := &Row{ID: e.IDs.UUID(), Kind: s.kind.name, Subject: req.Subject, ProjectID: req.ProjectID, RequestID: telemetry.RequestID(ctx),
		State: raw, Status: Running, Owner: e.owner, Deadline: now.Add(s.kind.deadline), CreatedAt: now}
	if err := insert(ctx, tx, r); err != nil {
		return "", fmt.Errorf("start saga: %w", err)
	}
	for i := range req.Spans {
		req.Spans[i].Kind = "span"
	}
	if err := appendLog(ctx, tx, r.ID, req.Spans); err != nil {
		return "", err
	}
	tx.AfterCommit(func() { e.enqueue(r) })
	return r.ID, nil
}

// Start takes over what earlier processes left and begins to work.
func (e *Engine) Start(ctx context.Context) error {
	if err := e.renew(ctx); err != nil {
		return err
	}
	rows, err := e.adopt(ctx)
	if err != nil {
		return fmt.Errorf("adopt sagas: %w", err)
	}
	e.mu.Lock()
	e.started = true
	e.mu.Unlock()
	for _, r := range rows {
		e.enqueue(r)
	}
	e.wg.Go(e.keepLease)
	return nil
}

// Close stops the engine; sagas go on at the next start.
func (e *Engine) Close() {
	e.stop()
	e.wg.Wait()
}

// adopt makes this process the owner of all sagas whose owner is gone.
func (e *Engine) adopt(ctx context.Context) ([]*Row, error) {
	var rows []*Row
	err := e.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		now := db.Micros(e.Clock.Now())
		if e.Alone {
			if _, err := tx.Exec(ctx, "DELETE FROM saga_owners WHERE owner <> $1", e.owner); err != nil {
				return err
			}
		}
		const q = `
			UPDATE sagas SET owner = $1 WHERE status IN ('running', 'undoing') AND owner <> $1
			   AND NOT EXISTS (SELECT 1 FROM saga_owners o WHERE o.owner = sagas.owner AND o.lease > $2)`
		if _, err := tx.Exec(ctx, q, e.owner, now); err != nil {
			return err
		}
		var err error
		rows, err = db.List(ctx, tx, scanRow, "SELECT "+rowColumns+" FROM sagas WHERE status IN ('running', 'undoing') AND owner = $1 ORDER BY seq", e.owner)
		return err
	})
	return rows, err
}

const lease = 15 * time.Second

func (e *Engine) renew(ctx context.Context) error {
	return e.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO saga_owners (owner, lease) VALUES ($1, $2) ON CONFLICT (owner) DO UPDATE SET lease = $2",
			e.owner, db.Micros(e.Clock.Now().Add(lease)))
		return err
	})
}

// keepLease renews the lease and takes over from processes that lost theirs. A
// process that is alone has nobody to fear and writes nothing while idle.
func (e *Engine) keepLease() {
	if e.Alone {
		return
	}
	for {
		tick, stop := e.Clock.After(lease / 3)
		select {
		case <-e.ctx.Done():
			stop()
			return
		case <-tick:
		}
		if err := e.renew(e.ctx); err != nil {
			e.Log.Error("saga lease", "error", err)
			continue
		}
		rows, err := e.adopt(e.ctx)
		if err != nil {
			e.Log.Error("saga adoption", "error", err)
		}
		for _, r := range rows {
			e.enqueue(r)
		}
	}
}

// enqueue runs a saga, or lets it wait for the earlier ones of its subject.
func (e *Engine) enqueue(r *Row) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.killed || e.ctx.Err() != nil || !e.started {
		return // it is durable: the next start finds it
	}
	for _, queued := range e.queues[r.Subject] {
		if queued.ID == r.ID {
			return
		}
	}
	e.queues[r.Subject] = append(e.queues[r.Subject], r)
	if len(e.queues[r.Subject]) == 1 {
		e.wg.Go(func() { e.work(r) })
	}
}

// next lets the subject's next saga run.
func (e *Engine) next(r *Row) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range e.waiters[r.ID] {
		close(w)
	}
	delete(e.waiters, r.ID)
	delete(e.cancels, r.ID)
	q := e.queues[r.Subject][1:]
	if len(q) == 0 {
		delete(e.queues, r.Subject)
		return
	}
	e.queues[r.Subject] = q
	if !e.killed && e.ctx.Err() == nil {
		e.wg.Go(func() { e.work(q[0]) })
	}
}

// Cancel asks a subject's open sagas of one kind to stop and undo themselves; it
// commits with the caller's transaction.
func (e *Engine) Cancel(ctx context.Context, tx *db.Tx, subject, kindName string) error {
	ids, err := db.List(ctx, tx, db.Value[string], "SELECT id FROM sagas WHERE subject = $1 AND kind = $2 AND status = 'running'", subject, kindName)
	if err != nil || len(ids) == 0 {
		return err
	}
	if _, err := tx.Exec(ctx, "UPDATE sagas SET cancel = TRUE WHERE subject = $1 AND kind = $2 AND status = 'running'", subject, kindName); err != nil {
		return err
	}
	tx.AfterCommit(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		for _, q := range e.queues[subject] {
			if q.Kind == kindName {
				q.Cancel = true
			}
		}
		for _, id := range ids {
			if cancel := e.cancels[id]; cancel != nil {
				cancel(errCanceled)
			}
		}
	})
	return nil
}

var errCanceled = errors.New("saga: canceled by a later request")

// Wait returns when the saga has ended or left this process.
func (e *Engine) Wait(ctx context.Context, sagaID string) error {
	done := make(chan struct{})
	e.mu.Lock()
	open := false
	for _, q := range e.queues {
		for _, r := range q {
			open = open || r.ID == sagaID
		}
	}
	if !open {
		e.mu.Unlock()
		return nil
	}
	e.waiters[sagaID] = append(e.waiters[sagaID], done)
	e.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-e.ctx.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Append adds spans to a saga's log while a step of it is still under way, so
// that a trace can be followed live.
func (e *Engine) Append(ctx context.Context, sagaID string, spans []Span) error {
	if len(spans) == 0 {
		return nil
	}
	for i := range spans {
		spans[i].Kind = "span"
	}
	err := e.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return appendLog(ctx, tx, sagaID, spans) })
	e.signal(sagaID)
	return err
}

// Watch is signalled whenever the saga's log may have grown, until stop.
func (e *Engine) Watch(sagaID string) (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.watch[sagaID] == nil {
		e.watch[sagaID] = map[chan struct{}]struct{}{}
	}
	e.watch[sagaID][c] = struct{}{}
	return c, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if delete(e.watch[sagaID], c); len(e.watch[sagaID]) == 0 {
			delete(e.watch, sagaID)
		}
	}
}

func (e *Engine) signal(sagaID string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for c := range e.watch[sagaID] {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// kill ends the engine without another write.
func (e *Engine) kill() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.killed = true
	e.stop()
}

// Killed reports whether a fault ended the engine.
func (e *Engine) Killed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.killed
}

// fault gives tests their say at a point.
func (e *Engine) fault(r *Row, step string, p Phase) error {
	if e.Killed() {
		return ErrKilled
	}
	if e.Config.Fault == nil {
		return nil
	}
	err := e.Config.Fault(Point{r.Kind, r.Subject, step, p})
	if errors.Is(err, ErrKilled) {
		e.kill()
	}
	return err
}

func (e *Engine) deadlineFault(r *Row, step string) error {
	return fault.New(fault.CodeSagaDeadline, "The operation did not end within %s; it was at %s.", r.Deadline.Sub(r.CreatedAt), step)
}
