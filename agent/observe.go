package agent

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"altostack/hostapi"
)

// observed is what the conductor was told of the host's guests.
type observed struct {
	mu   sync.Mutex
	told map[string]hostapi.SeenGuest
}

// forget makes the next look report everything, for a conductor that was away.
func (o *observed) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.told = nil
}

// look has the guests looked at soon.
func (a *Agent) look() {
	select {
	case a.kick <- struct{}{}:
	default:
	}
}

// observeLoop reports what changed among the guests, as soon as it is known.
func (a *Agent) observeLoop(ctx context.Context) {
	failed := 0
	for {
		if err := a.observe(ctx); err != nil {
			failed++
			a.log.Debug("what the host sees could not be reported", "error", err)
		} else {
			failed = 0
		}
		pause := a.cfg.Every.Observe
		if failed > 0 {
			pause = min(pause, backoff(failed))
		}
		tick, stop := a.cfg.Clock.After(pause)
		select {
		case <-ctx.Done():
			stop()
			return
		case <-a.cfg.Hypervisor.Changed():
		case <-a.kick:
		case <-tick:
		}
		stop()
	}
}

// observe reports the guests whose state differs from what was told.
func (a *Agent) observe(ctx context.Context) error {
	before := a.settled()
	guests, err := a.cfg.Hypervisor.Guests(ctx)
	if err != nil {
		return err
	}
	a.observed.mu.Lock()
	defer a.observed.mu.Unlock()
	now := a.seen(guests, before)
	var changed []hostapi.SeenGuest
	for id, g := range now {
		if old, ok := a.observed.told[id]; !ok || !same(old, g) {
			changed = append(changed, g)
		}
	}
	if len(changed) == 0 {
		a.observed.told = now
		return nil
	}
	slices.SortFunc(changed, func(x, y hostapi.SeenGuest) int { return cmp.Compare(x.ID, y.ID) })
	if err := a.cfg.Conductor.Observed(ctx, a.cfg.Host, changed); err != nil {
		return err
	}
	a.observed.told = now
	return nil
}

// seen adds to what the hypervisor says what only the records know: the
// generation of each guest, and guests that should be there and are not. Of a
// guest that is being worked on, what was told last is left standing: what it
// passes through is nobody's business. A guest is missing only if it was settled
// before the hypervisor was asked: one whose build ended since is not in its
// answer. The caller holds observed.mu.
func (a *Agent) seen(guests []hostapi.SeenGuest, before map[string]int64) map[string]hostapi.SeenGuest {
	now := map[string]hostapi.SeenGuest{}
	for _, g := range guests {
		if a.turns.busy(g.ID) {
			continue
		}
		if r, ok := a.records.get(g.ID); ok {
			if generation, was := before[g.ID]; r.Built && (!was || generation != r.Converged) {
				a.look() // what the hypervisor said may be older than its last change
				if told, ok := a.observed.told[g.ID]; ok {
					now[g.ID] = told
				}
				continue
			}
			g.Generation = r.Converged
		}
		now[g.ID] = g
	}
	for id, told := range a.observed.told {
		if a.turns.busy(id) {
			now[id] = told
		}
	}
	for _, r := range a.records.all() {
		generation, was := before[r.Guest.ID]
		if _, there := now[r.Guest.ID]; !there && was && r.Built && generation == r.Converged && !a.turns.busy(r.Guest.ID) {
			now[r.Guest.ID] = hostapi.SeenGuest{ID: r.Guest.ID, Generation: r.Converged, State: hostapi.GuestStopped,
				Reason: "the hypervisor does not know the guest"}
		}
	}
	return now
}

func same(a, b hostapi.SeenGuest) bool {
	return a.State == b.State && a.Generation == b.Generation && a.Reason == b.Reason && a.PID == b.PID
}

// settled answers the generations of the guests that are built and that nobody
// works on.
func (a *Agent) settled() map[string]int64 {
	out := map[string]int64{}
	for _, r := range a.records.all() {
		if r.Built && !a.turns.busy(r.Guest.ID) {
			out[r.Guest.ID] = r.Converged
		}
	}
	return out
}
