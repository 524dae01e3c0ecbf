package agent

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"altostack/hostapi"
)

// thawLimit bounds letting a guest go on again.
const thawLimit = 30 * time.Second

// FreezeVolume pauses the guests of this host that use a volume, so that the
// volume can be copied as it is at one instant; thaw lets them go on. A guest
// that stays paused because the agent was killed in between goes on when the
// next agent starts.
func (a *Agent) FreezeVolume(ctx context.Context, volumeID string) (thaw func(), err error) {
	var undo []func()
	thaw = func() {
		for _, f := range slices.Backward(undo) {
			f()
		}
	}
	users := slices.DeleteFunc(a.records.all(), func(r record) bool { return r.Guest.Power != hostapi.PowerOn || !uses(r.Guest, volumeID) })
	slices.SortFunc(users, func(x, y record) int { return cmp.Compare(x.Guest.ID, y.Guest.ID) }) // so that two copies cannot wait for each other
	for _, r := range users {
		f, err := a.pause(ctx, r.Guest)
		if err != nil {
			thaw()
			return nil, err
		}
		undo = append(undo, f)
	}
	return thaw, nil
}

func uses(g hostapi.Guest, volumeID string) bool {
	return slices.ContainsFunc(g.Disks, func(d hostapi.Disk) bool { return d.Volume != nil && d.Volume.VolumeID == volumeID })
}

// pause stops a guest and keeps its turn until the function it answers is called.
func (a *Agent) pause(ctx context.Context, guest hostapi.Guest) (goOn func(), err error) {
	if !a.begin() {
		return nil, closing()
	}
	turn, leave, err := a.turns.enter(ctx, guest.ID, false)
	if err != nil {
		a.work.Done()
		return nil, err
	}
	end := func() { leave(); a.work.Done(); a.look() }
	still := guest
	still.Power = hostapi.PowerPaused
	if err := a.ensure(turn, still, 0); err != nil {
		err = errors.Join(err, a.goOn(turn, guest))
		end()
		return nil, err
	}
	return func() {
		if err := a.goOn(turn, guest); err != nil {
			a.log.Error("a guest that was paused for a copy of its volume does not go on", "server_id", guest.ID, "error", err)
		}
		end()
	}, nil
}

// goOn lets a paused guest run, unless it is being removed.
func (a *Agent) goOn(ctx context.Context, guest hostapi.Guest) error {
	if errors.Is(context.Cause(ctx), errRemoved) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), thawLimit)
	defer cancel()
	return a.ensure(ctx, guest, 0)
}
