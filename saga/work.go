package saga

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/telemetry"
)

// errGone ends the work on a saga without an end of the saga: the process is
// stopping or was killed, or another one owns the saga now.
var errGone = errors.New("saga: left to the next start")

// work runs one saga to its end.
func (e *Engine) work(r *Row) {
	select {
	case e.permit <- struct{}{}:
		defer func() { <-e.permit }()
	case <-e.ctx.Done():
		return
	}
	k := e.kinds[r.Kind]
	ctx := telemetry.Label(telemetry.Label(e.ctx, telemetry.KeySaga, r.ID), telemetry.KeyRequestID, r.RequestID)
	ctx = context.WithValue(ctx, idKey{}, r.ID)
	if k == nil {
		e.Log.ErrorContext(ctx, "no such kind of saga: was the executable downgraded?", "kind", r.Kind)
		return
	}
	ctx, span := telemetry.Span(ctx, "saga "+r.Kind)
	defer span.End()
	err := e.forward(ctx, k, r)
	if err == nil && r.Status == Undoing {
		err = e.backward(ctx, k, r)
	}
	if err != nil {
		if !errors.Is(err, errGone) && !errors.Is(err, ErrKilled) && !errors.Is(err, errNotOurs) {
			e.Log.ErrorContext(ctx, "saga stopped", "kind", r.Kind, "error", err)
		}
		return // the queue stays blocked: the saga is still the subject's first
	}
	e.next(r)
	e.signal(r.ID)
}

// forward runs the steps that are left. It returns with r.Status Done, or
// Undoing when a step failed.
func (e *Engine) forward(ctx context.Context, k *kind, r *Row) error {
	for r.Status == Running && r.Step < len(k.steps) {
		s := k.steps[r.Step]
		failed, err := e.do(ctx, r, s)
		if err != nil {
			return err
		}
		if failed != nil {
			return e.turn(ctx, r, s, failed)
		}
		e.signal(r.ID)
	}
	if r.Status != Running {
		return nil
	}
	if err := e.fault(r, "", BeforeEnd); err != nil {
		return e.gone(err)
	}
	err := e.write(ctx, r, func(ctx context.Context, tx *db.Tx) error {
		next := *r
		next.Status = Done
		if err := save(ctx, tx, &next, e.Clock.Now()); err != nil {
			return err
		}
		return k.done(ctx, tx, r.State)
	})
	if err != nil {
		return err
	}
	r.Status = Done
	return e.gone(e.fault(r, "", AfterEnd))
}

// do runs one step and saves its result. failed is the step's own failure.
func (e *Engine) do(ctx context.Context, r *Row, s step) (failed, err error) {
	if err := e.gone(ctx.Err()); err != nil {
		return nil, err
	}
	if ferr := e.fault(r, s.name, BeforeDo); ferr != nil {
		return e.injected(ferr)
	}
	stepCtx, done := e.stepContext(ctx, r)
	defer done()
	n := &notes{}
	stepCtx = context.WithValue(telemetry.Label(stepCtx, telemetry.KeyStep, s.name), notesKey{}, n)
	start := e.Clock.Now()
	if s.do != nil {
		state, derr := protect(func() (json.RawMessage, error) { return s.do(stepCtx, r.State) })
		if state != nil { // nil after a panic: what was decided before it stands
			r.State = state
		}
		if derr != nil {
			return e.failure(ctx, stepCtx, r, s, derr, n, start)
		}
		if ferr := e.fault(r, s.name, AfterDo); ferr != nil {
			return e.injected(ferr)
		}
	}
	next := *r
	werr := e.write(ctx, r, func(wctx context.Context, tx *db.Tx) error {
		next = *r
		if s.tx != nil {
			state, err := s.tx(context.WithValue(wctx, notesKey{}, n), tx, r.State)
			if err != nil {
				return stepFailed{err}
			}
			next.State = state
		}
		next.Step++
		if err := save(wctx, tx, &next, e.Clock.Now()); err != nil {
			return err
		}
		spans := append(n.take(), Span{Kind: "do", Name: s.name, Component: s.component, Start: start, Took: e.Clock.Now().Sub(start), Outcome: "ok"})
		return appendLog(wctx, tx, r.ID, spans)
	})
	var own stepFailed
	if errors.As(werr, &own) {
		return e.failure(ctx, stepCtx, r, s, own.error, n, start)
	}
	if werr != nil {
		return nil, werr
	}
	r.State, r.Step = next.State, next.Step
	if ferr := e.fault(r, s.name, Saved); ferr != nil {
		return e.injected(ferr)
	}
	return nil, nil
}

// stepFailed marks the error of a Tx step, which fails the saga and not the write.
type stepFailed struct{ error }

// stepContext ends at the saga's deadline and when a later request cancels it.
func (e *Engine) stepContext(ctx context.Context, r *Row) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	e.mu.Lock()
	e.cancels[r.ID] = cancel
	canceled := r.Cancel
	e.mu.Unlock()
	if canceled {
		cancel(errCanceled)
	}
	left := r.Deadline.Sub(e.Clock.Now())
	tick, stop := e.Clock.After(max(left, 0))
	over := make(chan struct{})
	go func() {
		select {
		case <-tick:
			cancel(e.deadlineFault(r, "step "+fmt.Sprint(r.Step+1)))
		case <-over:
		}
	}()
	return ctx, func() { close(over); stop(); cancel(nil) }
}

// failure logs a failed step and decides why it failed.
func (e *Engine) failure(ctx, stepCtx context.Context, r *Row, s step, err error, n *notes, start time.Time) (error, error) {
	if gone := e.gone(ctx.Err()); gone != nil {
		return nil, gone
	}
	if cause := context.Cause(stepCtx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	spans := append(n.take(), Span{Kind: "do", Name: s.name, Component: s.component, Start: start, Took: e.Clock.Now().Sub(start), Outcome: "error",
		Detail: map[string]any{"code": fault.From(err).Code, "message": fault.From(err).Message}})
	return err, e.write(ctx, r, func(ctx context.Context, tx *db.Tx) error { return appendLog(ctx, tx, r.ID, spans) })
}

// injected sorts what a test's fault asks for.
func (e *Engine) injected(ferr error) (failed, err error) {
	if errors.Is(ferr, ErrKilled) {
		return nil, errGone
	}
	return ferr, nil
}

// turn records the failure; from here on the saga is undone.
func (e *Engine) turn(ctx context.Context, r *Row, s step, failed error) error {
	e.Log.WarnContext(ctx, "saga step failed, undoing", "kind", r.Kind, telemetry.KeyStep, s.name, "error", failed)
	r.Status, r.Fault = Undoing, failureOf(failed, s.name)
	if errors.Is(failed, errCanceled) {
		r.Fault = &Failure{Code: fault.CodeSagaCanceled, Message: "A later request gave the operation up.", Step: s.name}
	}
	return e.write(ctx, r, func(ctx context.Context, tx *db.Tx) error { return save(ctx, tx, r, e.Clock.Now()) })
}

// backward undoes from the step that failed to the first, and tells the subject.
func (e *Engine) backward(ctx context.Context, k *kind, r *Row) error {
	began := e.Clock.Now()
	for r.Step >= 0 {
		if r.Step < len(k.steps) {
			if err := e.undo(ctx, k, r, k.steps[r.Step], began); err != nil {
				return err
			}
		}
		r.Step--
		if r.Step >= 0 {
			if err := e.write(ctx, r, func(ctx context.Context, tx *db.Tx) error { return save(ctx, tx, r, e.Clock.Now()) }); err != nil {
				return err
			}
		}
	}
	r.Step = 0
	if err := e.fault(r, "", BeforeEnd); err != nil {
		return e.gone(err)
	}
	if err := e.tell(ctx, k, r, Failed); err != nil {
		return err
	}
	return e.gone(e.fault(r, "", AfterEnd))
}

// tell runs the Failed hook if it has not run, and saves the status.
func (e *Engine) tell(ctx context.Context, k *kind, r *Row, status Status) error {
	err := e.write(ctx, r, func(ctx context.Context, tx *db.Tx) error {
		next := *r
		next.Status, next.Told = status, true
		if err := save(ctx, tx, &next, e.Clock.Now()); err != nil {
			return err
		}
		if r.Told {
			return nil
		}
		return k.failed(ctx, tx, r.State, r.Fault.asFault())
	})
	if err == nil {
		r.Status, r.Told = status, true
	}
	return err
}

// undo repeats one step's undo until it succeeds: what was made must go.
func (e *Engine) undo(ctx context.Context, k *kind, r *Row, s step, began time.Time) error {
	if s.undo == nil && s.undoTx == nil {
		return nil
	}
	for wait := 50 * time.Millisecond; ; wait = min(wait*2, 10*time.Second) {
		failed, err := e.undoOnce(ctx, r, s)
		if err != nil || failed == nil {
			return err
		}
		e.Log.WarnContext(ctx, "undo failed, it is tried again", "kind", r.Kind, telemetry.KeyStep, s.name, "error", failed)
		if !r.Told && e.Clock.Now().Sub(began) > UndoGrace {
			if err := e.tell(ctx, k, r, Undoing); err != nil {
				return err
			}
		}
		tick, stop := e.Clock.After(wait)
		select {
		case <-tick:
		case <-ctx.Done():
			stop()
			return errGone
		}
	}
}

func (e *Engine) undoOnce(ctx context.Context, r *Row, s step) (failed, err error) {
	if ferr := e.fault(r, s.name, BeforeUndo); ferr != nil {
		return e.injected(ferr)
	}
	start := e.Clock.Now()
	if s.undo != nil {
		limited, cancel := context.WithTimeout(ctx, time.Minute)
		state, uerr := protect(func() (json.RawMessage, error) { return s.undo(limited, r.State) })
		cancel()
		if gone := e.gone(ctx.Err()); gone != nil {
			return nil, gone
		}
		if uerr != nil {
			return uerr, nil
		}
		r.State = state
	}
	if ferr := e.fault(r, s.name, AfterUndo); ferr != nil {
		return e.injected(ferr)
	}
	werr := e.write(ctx, r, func(ctx context.Context, tx *db.Tx) error {
		if s.undoTx != nil {
			if _, err := s.undoTx(ctx, tx, r.State); err != nil {
				return stepFailed{err}
			}
		}
		return appendLog(ctx, tx, r.ID, []Span{{Kind: "undo", Name: s.name, Component: s.component, Start: start, Took: e.Clock.Now().Sub(start), Outcome: "ok"}})
	})
	var own stepFailed
	if errors.As(werr, &own) {
		return own.error, nil
	}
	return nil, werr
}

// write is a durable write of the engine's own; it is repeated while the
// database fails for a moment, as a saga may not be lost to that.
func (e *Engine) write(ctx context.Context, r *Row, f func(context.Context, *db.Tx) error) error {
	for wait := 20 * time.Millisecond; ; wait = min(wait*2, 5*time.Second) {
		if e.Killed() {
			return errGone
		}
		err := e.DB.Write(ctx, f)
		var own stepFailed
		if err == nil || errors.As(err, &own) || errors.Is(err, errNotOurs) {
			return err
		}
		if e.ctx.Err() != nil {
			return errGone
		}
		e.Log.ErrorContext(ctx, "saga cannot be saved, it is tried again", "kind", r.Kind, "error", err)
		tick, stop := e.Clock.After(wait)
		select {
		case <-tick:
		case <-ctx.Done():
			stop()
			return errGone
		}
	}
}

// gone turns a stop of the process into errGone.
func (e *Engine) gone(err error) error {
	if err == nil {
		return nil
	}
	return errGone
}

// protect turns a panic of a step into its failure.
func protect(f func() (json.RawMessage, error)) (raw json.RawMessage, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a saga step: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}
