package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	"altostack/hostapi"
)

// EndGuests shuts down every guest that runs, each given the grace to end by
// itself, and returns when all have ended. It is for after [Agent.Close]: an
// agent at work would take a guest that ends for its user's doing, or start it
// again. What was recorded as wanted stays recorded, so the next agent reports
// these guests as stopped and touches none.
func (a *Agent) EndGuests(ctx context.Context, grace time.Duration) error {
	guests, err := a.cfg.Hypervisor.Guests(ctx)
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	errs := make([]error, len(guests))
	for i, seen := range guests {
		r, known := a.records.get(seen.ID)
		if !known || seen.State != hostapi.GuestRunning && seen.State != hostapi.GuestPaused {
			continue // one that nobody asked for is left to the next agent's sweep
		}
		guest := r.Guest
		guest.Power = hostapi.PowerOff
		all.Go(func() { errs[i] = a.ensure(ctx, guest, grace) })
	}
	all.Wait()
	return errors.Join(errs...)
}
