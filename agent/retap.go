package agent

import (
	"context"
	"slices"

	"altostack/hostapi"
)

// Holders is a [Dataplane] that sees which wired ports' taps nobody holds: their
// guest does not run, or somebody deleted the tap under it and it was made again.
type Holders interface {
	Unheld(ctx context.Context) ([]string, error)
}

// Retapper is a [Hypervisor] that can give cards of a running guest the taps that
// took the place of deleted ones. Cards whose tap is held, and guests that do not
// run, are left alone.
type Retapper interface {
	Retap(ctx context.Context, m Machine, portIDs []string) error
}

// regive gives running guests taps that were deleted under them and are there
// again. The wiring's loop calls it and does not wait for it.
func (a *Agent) regive(ctx context.Context) {
	plane, canSee := a.cfg.Dataplane.(Holders)
	vm, canGive := a.cfg.Hypervisor.(Retapper)
	if !canSee || !canGive {
		return
	}
	unheld, err := plane.Unheld(ctx)
	if err != nil || len(unheld) == 0 {
		return // what is wrong with the network is Check's to tell
	}
	running, err := a.runningGuests(ctx)
	if err != nil {
		return
	}
	for _, r := range a.records.all() {
		lost := slices.DeleteFunc(portIDs(r.Guest), func(id string) bool { return !slices.Contains(unheld, id) })
		if !r.Built || len(lost) == 0 || !running[r.Guest.ID] || a.turns.busy(r.Guest.ID) {
			continue
		}
		a.run(func(ctx context.Context) {
			err := a.inTurn(ctx, r.Guest.ID, false, func(ctx context.Context) error {
				return vm.Retap(ctx, Machine{Guest: r.Guest, OpenTap: a.cfg.Dataplane.OpenTap}, lost)
			})
			if err != nil && ctx.Err() == nil {
				a.log.Error("a guest's cards have lost their taps and could not be given new ones", "server_id", r.Guest.ID, "error", err)
			}
		})
	}
}

func (a *Agent) runningGuests(ctx context.Context) (map[string]bool, error) {
	guests, err := a.cfg.Hypervisor.Guests(ctx)
	running := map[string]bool{}
	for _, g := range guests {
		running[g.ID] = g.State == hostapi.GuestRunning || g.State == hostapi.GuestPaused
	}
	return running, err
}
