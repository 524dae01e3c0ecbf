package agent

import (
	"context"

	"altostack/hostapi"
)

// resume starts the guests that ran before the machine rebooted.
func (a *Agent) resume(ctx context.Context) {
	a.unpause(ctx)
	before := a.records.boot
	if before == a.cfg.BootID {
		return
	}
	if before != "" && a.cfg.ResumeGuests {
		for _, r := range a.records.all() {
			if !r.Built || r.Guest.Power != hostapi.PowerOn {
				continue
			}
			if err := a.startAgain(ctx, r.Guest); err != nil {
				a.log.Error("a guest was not started again after the machine's reboot", "server_id", r.Guest.ID, "error", err)
			}
		}
	}
	if ctx.Err() != nil {
		return
	}
	if err := a.cfg.Records.Save(hostName, []byte(a.cfg.BootID)); err != nil {
		a.log.Warn("the boot id could not be stored", "error", err)
	}
}

// unpause lets guests go on that the last agent had paused for a moment.
func (a *Agent) unpause(ctx context.Context) {
	guests, err := a.cfg.Hypervisor.Guests(ctx)
	if err != nil {
		a.log.Warn("the guests could not be listed", "error", err)
		return
	}
	for _, g := range guests {
		r, ok := a.records.get(g.ID)
		if !ok || !r.Built || g.State != hostapi.GuestPaused || r.Guest.Power != hostapi.PowerOn {
			continue
		}
		if err := a.startAgain(ctx, r.Guest); err != nil {
			a.log.Error("a paused guest does not go on", "server_id", g.ID, "error", err)
		}
	}
}

// startAgain starts one guest with the wiring the host itself remembers.
func (a *Agent) startAgain(ctx context.Context, guest hostapi.Guest) error {
	return a.inTurn(ctx, guest.ID, false, func(ctx context.Context) error {
		for n := 0; ; n++ {
			err := a.net.ready(ctx, portIDs(guest))
			if err == nil {
				err = a.ensure(ctx, guest, 0)
			}
			if err == nil || n+1 >= attempts || a.wait(ctx, backoff(n)) != nil {
				return err
			}
		}
	})
}

// ready returns when ports are wired as the host itself knows them, without
// asking the control plane.
func (w *wiring) ready(ctx context.Context, ports []string) error {
	return w.ask(ctx, &request{need: ports})
}
