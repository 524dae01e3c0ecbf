package fakevm

import (
	"context"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"
)

// ErrInjected is what [Chaos] fails calls with.
var ErrInjected = errors.New("fakevm: injected failure")

// At is a hook that runs f at the n-th call of op, once, before or after its
// work; all other calls pass.
func At(op string, n int64, after bool, f func(ctx context.Context, c Call) error) Hook {
	return func(ctx context.Context, c Call) error {
		if c.Op == op && c.N == n && c.After == after {
			return f(ctx, c)
		}
		return nil
	}
}

// Fail is the f of [At] that fails with err.
func Fail(err error) func(context.Context, Call) error {
	return func(context.Context, Call) error { return err }
}

// Cut is the f of [At] that cuts off the session of the host that called, as
// kill -9 of its agent would in the middle of the call.
func (w *World) Cut(_ context.Context, c Call) error {
	h := w.Host(c.Host)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.session != nil {
		h.session.cut.Store(true)
	}
	return ErrCut
}

// Delay is the f of [At] that makes the call take d longer on the world's clock.
func (w *World) Delay(d time.Duration) func(context.Context, Call) error {
	return func(ctx context.Context, _ Call) error {
		tick, stop := w.clock.After(d)
		defer stop()
		select {
		case <-tick:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Chaos is a hook that fails one call in every so many, chosen by the seed and
// by the call alone, so that the order of goroutines does not matter. Half of
// the failures come after the work was done.
func Chaos(seed uint64, every uint64) Hook {
	return func(_ context.Context, c Call) error {
		h := fnv.New64a()
		h.Write([]byte(c.Host + c.Op + c.ID))
		r := rand.New(rand.NewPCG(seed, h.Sum64()^uint64(c.N)))
		if r.Uint64N(every) == 0 && c.After == (r.Uint64N(2) == 0) {
			return ErrInjected
		}
		return nil
	}
}

// Chain is a hook that asks each in turn until one objects.
func Chain(hooks ...Hook) Hook {
	return func(ctx context.Context, c Call) error {
		for _, h := range hooks {
			if err := h(ctx, c); err != nil {
				return err
			}
		}
		return nil
	}
}

// Gate holds calls back until it is opened.
type Gate struct {
	once   sync.Once
	opened chan struct{}
	// Reached is closed when the first call waits.
	Reached chan struct{}
	first   sync.Once
}

// NewGate makes a closed gate.
func NewGate() *Gate { return &Gate{opened: make(chan struct{}), Reached: make(chan struct{})} }

// Wait is the f of [At] that waits for the gate, or for its caller to give up.
func (g *Gate) Wait(ctx context.Context, _ Call) error {
	g.first.Do(func() { close(g.Reached) })
	select {
	case <-g.opened:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Open lets everybody through, now and later.
func (g *Gate) Open() { g.once.Do(func() { close(g.opened) }) }
