package agent

import (
	"context"
	"sync"
)

// turns makes whoever works on one guest take turns, and lets a removal
// interrupt all others.
type turns struct {
	mu   sync.Mutex
	byID map[string]*turn
}

type turn struct {
	token   chan struct{} // holds one value: the right to work
	members map[*member]struct{}
}

type member struct {
	stop context.CancelCauseFunc
	firm bool // interrupt leaves it alone
}

// enter waits for the guest's turn. The context it answers ends when the turn
// is interrupted; leave gives the turn back. firm work cannot be interrupted.
func (t *turns) enter(ctx context.Context, id string, firm bool) (turnCtx context.Context, leave func(), err error) {
	ctx, stop := context.WithCancelCause(ctx)
	m := &member{stop: stop, firm: firm}
	t.mu.Lock()
	if t.byID == nil {
		t.byID = map[string]*turn{}
	}
	at := t.byID[id]
	if at == nil {
		at = &turn{token: make(chan struct{}, 1), members: map[*member]struct{}{}}
		at.token <- struct{}{}
		t.byID[id] = at
	}
	at.members[m] = struct{}{}
	t.mu.Unlock()

	forget := func() {
		stop(nil)
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(at.members, m)
		if len(at.members) == 0 {
			delete(t.byID, id)
		}
	}
	select {
	case <-at.token:
		return ctx, func() { at.token <- struct{}{}; forget() }, nil
	case <-ctx.Done():
		cause := context.Cause(ctx)
		forget()
		return nil, nil, cause
	}
}

// interrupt ends the contexts of all who have or wait for the guest's turn.
func (t *turns) interrupt(id string, cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at := t.byID[id]; at != nil {
		for m := range at.members {
			if !m.firm {
				m.stop(cause)
			}
		}
	}
}

// busy reports whether anybody works on the guest.
func (t *turns) busy(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byID[id] != nil
}
