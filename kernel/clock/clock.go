// Package clock is time as everything else gets it: injected, so that a test
// can make a day pass in a microsecond. Nothing outside this package and main
// calls time.Now.
package clock

import (
	"sync"
	"time"
)

// Clock tells the time and waits.
type Clock interface {
	Now() time.Time
	// After delivers one tick once d has passed. Stop frees it early.
	After(d time.Duration) (tick <-chan time.Time, stop func())
}

// Real is the machine's clock, in UTC.
type Real struct{}

// Now answers the time, in UTC.
func (Real) Now() time.Time { return time.Now().UTC() }

// After is time.NewTimer.
func (Real) After(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

// Virtual is a clock that moves only when told to. Its zero value starts at the
// Unix epoch; it is safe for concurrent use.
type Virtual struct {
	mu     sync.Mutex
	now    time.Time
	timers map[*virtualTimer]struct{}
}

type virtualTimer struct {
	at time.Time
	c  chan time.Time
}

// NewVirtual starts a virtual clock at now.
func NewVirtual(now time.Time) *Virtual {
	return &Virtual{now: now.UTC(), timers: map[*virtualTimer]struct{}{}}
}

// Now answers the virtual time.
func (v *Virtual) Now() time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.now
}

// After fires when Advance has moved the clock by d.
func (v *Virtual) After(d time.Duration) (<-chan time.Time, func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	t := &virtualTimer{at: v.now.Add(d), c: make(chan time.Time, 1)}
	if d <= 0 {
		t.c <- v.now
		return t.c, func() {}
	}
	if v.timers == nil {
		v.timers = map[*virtualTimer]struct{}{}
	}
	v.timers[t] = struct{}{}
	return t.c, func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.timers, t)
	}
}

// Advance moves the clock and fires what is due.
func (v *Virtual) Advance(d time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.now = v.now.Add(d)
	for t := range v.timers {
		if !t.at.After(v.now) {
			t.c <- v.now
			delete(v.timers, t)
		}
	}
}
