// Package reconcile keeps true what must stay true: a loop looks at what is and
// at what should be and mends the difference, when woken, when time has passed,
// and sooner when it failed. Work that must finish or be undone is a saga, and
// never in here.
//
// A loop's last run and last error are there to be shown ([Set.Report]).
package reconcile

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"altostack/kernel/clock"
)

// Loop is one thing that must stay true.
type Loop struct {
	Name  string
	Every time.Duration                   // between runs that nobody asked for
	Run   func(ctx context.Context) error // may be repeated at any time
}

// State is what a loop last did.
type State struct {
	Name     string        `json:"name"`
	Every    time.Duration `json:"every"`
	Runs     int64         `json:"runs"`
	LastRun  time.Time     `json:"last_run"`
	LastTook time.Duration `json:"last_took"`
	Failures int64         `json:"failures"` // in a row
	LastErr  string        `json:"last_error,omitempty"`
}

// Set runs the loops of one process.
type Set struct {
	clock clock.Clock
	log   *slog.Logger
	ctx   context.Context
	stop  context.CancelFunc
	wg    sync.WaitGroup

	mu    sync.Mutex
	loops []*running
}

type running struct {
	Loop
	wake  chan struct{}
	state State
}

// NewSet makes an empty set.
func NewSet(c clock.Clock, log *slog.Logger) *Set {
	ctx, stop := context.WithCancel(context.Background())
	return &Set{clock: c, log: log, ctx: ctx, stop: stop}
}

// Add starts a loop, which runs at once; wake asks for another run soon.
func (s *Set) Add(l Loop) (wake func()) {
	r := &running{Loop: l, wake: make(chan struct{}, 1), state: State{Name: l.Name, Every: l.Every}}
	s.mu.Lock()
	s.loops = append(s.loops, r)
	s.mu.Unlock()
	s.wg.Go(func() { s.keep(r) })
	return func() {
		select {
		case r.wake <- struct{}{}:
		default: // a run is already asked for and will see what this one is about
		}
	}
}

// Close ends the loops and waits for those that run.
func (s *Set) Close() {
	s.stop()
	s.wg.Wait()
}

// Report answers what every loop last did.
func (s *Set) Report() []State {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]State, len(s.loops))
	for i, r := range s.loops {
		out[i] = r.state
	}
	return out
}

func (s *Set) keep(r *running) {
	for {
		wait := s.once(r)
		tick, stop := s.clock.After(wait)
		select {
		case <-tick:
		case <-r.wake:
		case <-s.ctx.Done():
		}
		stop()
		if s.ctx.Err() != nil {
			return
		}
	}
}

// once runs a loop and answers how long to wait: less after a failure, doubling
// up to the loop's own interval.
func (s *Set) once(r *running) time.Duration {
	start := s.clock.Now()
	err := guard(s.ctx, r.Run)
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &r.state
	st.Runs, st.LastRun, st.LastTook = st.Runs+1, start, s.clock.Now().Sub(start)
	if err == nil || s.ctx.Err() != nil {
		st.Failures, st.LastErr = 0, ""
		return r.Every
	}
	st.Failures, st.LastErr = st.Failures+1, err.Error()
	s.log.Warn("reconciler failed, it is tried again", "loop", r.Name, "error", err, "failures", st.Failures)
	return min(r.Every, 100*time.Millisecond<<min(st.Failures, 10))
}

func guard(ctx context.Context, run func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return run(ctx)
}
