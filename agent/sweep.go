package agent

import (
	"context"
	"time"

	"altostack/hostapi"
	"altostack/kernel/fault"
)

// keep registers the host, as a heartbeat, and sweeps.
func (a *Agent) keep(ctx context.Context) {
	away := false
	nextSweep := a.cfg.Clock.Now().Add(a.jittered(a.cfg.Every.Sweep))
	for n := 0; ; {
		err := a.register(ctx)
		pause := a.jittered(a.cfg.Every.Heartbeat)
		switch {
		case err != nil:
			n++
			away, pause = true, min(pause, backoff(n))
			a.log.Debug("the conductor did not take the heartbeat", "error", err)
		case away:
			away, n = false, 0
			a.observed.forget()
			a.net.rewireAll()
			a.look()
		}
		if now := a.cfg.Clock.Now(); err == nil && !now.Before(nextSweep) {
			a.sweep(ctx)
			nextSweep = now.Add(a.jittered(a.cfg.Every.Sweep))
		}
		if a.wait(ctx, pause) != nil {
			return
		}
	}
}

// register tells the conductor what the host is and has.
func (a *Agent) register(ctx context.Context) error {
	h, err := a.cfg.Hypervisor.Describe(ctx)
	if err != nil {
		return err
	}
	h.Name, h.Protocol, h.StartedAt = a.cfg.Host, hostapi.Version, a.started
	h.Address, h.Zone, h.Reserved = a.cfg.Address, a.cfg.Zone, a.cfg.Reserved
	if _, total, err := a.cfg.Disks.Free(ctx); err == nil && total > 0 {
		h.DiskGiB = total >> 30
	}
	return a.cfg.Conductor.Register(ctx, h)
}

// sweep removes guests and disks that nobody wants. It takes two answers of the
// control plane for that: one that does not list the guest, and one that says
// there is no such guest on this host. Silence removes nothing.
func (a *Agent) sweep(ctx context.Context) {
	here, err := a.everything(ctx)
	if err != nil {
		a.log.Warn("the host could not be searched for what nobody wants", "error", err)
		return
	}
	if len(here) == 0 {
		return
	}
	guests, err := a.cfg.Conductor.Guests(ctx, a.cfg.Host)
	if err != nil {
		return // it is away, so nothing is known
	}
	for _, g := range guests {
		if here[g.ID] {
			a.adopt(g)
		}
		delete(here, g.ID)
	}
	for id := range here {
		if a.turns.busy(id) || a.ordered(id) {
			continue
		}
		if _, err := a.cfg.Conductor.Guest(ctx, a.cfg.Host, id); fault.KindOf(err) != fault.NotFound {
			continue
		}
		a.log.Warn("removing a guest that nobody wants", "server_id", id)
		err := a.inTurn(ctx, id, false, func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
			defer cancel()
			return a.erase(ctx, id)
		})
		if err != nil {
			a.log.Error("a guest that nobody wants could not be removed", "server_id", id, "error", err)
		}
	}
}

// everything lists the ids of guests that have anything on the host, and
// whether the hypervisor knows them.
func (a *Agent) everything(ctx context.Context) (map[string]bool, error) {
	here := map[string]bool{}
	for _, r := range a.records.all() {
		here[r.Guest.ID] = false
	}
	disks, err := a.cfg.Disks.Guests(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range disks {
		here[id] = false
	}
	guests, err := a.cfg.Hypervisor.Guests(ctx)
	if err != nil {
		return nil, err
	}
	for _, g := range guests {
		here[g.ID] = true
	}
	return here, nil
}

// ordered reports whether a build of the guest is under way.
func (a *Agent) ordered(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.builds[id] != nil
}

// adopt takes the description of a guest that runs here and whose record was
// lost, so that it has its metadata again.
func (a *Agent) adopt(g hostapi.Guest) {
	if _, ok := a.records.get(g.ID); ok || a.turns.busy(g.ID) {
		return
	}
	if err := a.records.put(record{Guest: g, Built: true}); err != nil {
		a.log.Warn("a guest's description could not be stored", "server_id", g.ID, "error", err)
	}
}
