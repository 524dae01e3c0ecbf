package agent

import (
	"context"
	"errors"
	"time"

	"altostack/agent/metadata"
	"altostack/hostapi"
	"altostack/kernel/fault"
)

// defaultGrace is how long a guest that is asked to power off may take when the
// caller does not say.
const defaultGrace = time.Minute

// inTurn runs f while nobody else works on the guest, and has the guest looked
// at afterwards. It ends early when the agent does.
func (a *Agent) inTurn(ctx context.Context, id string, firm bool, f func(context.Context) error) error {
	if !a.begin() {
		return closing()
	}
	defer a.work.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(a.ctx, func() { cancel(errClosing) })()

	turn, leave, err := a.turns.enter(ctx, id, firm)
	if err == nil {
		err = f(turn)
		if cause := context.Cause(turn); err != nil && (errors.Is(cause, errRemoved) || errors.Is(cause, errClosing)) {
			err = cause
		}
		leave()
		a.look()
	}
	switch {
	case errors.Is(err, errRemoved):
		return fault.Because(err, fault.CodeAgentBuildCanceled, "Guest %s is being removed from the host.", id)
	case errors.Is(err, errClosing):
		return closing()
	}
	return err
}

func closing() error {
	return fault.Because(errClosing, fault.CodeAgentServiceUnavailable, "The host is going down.")
}

// Converge makes the guest match its description; see [hostapi.Agent].
func (a *Agent) Converge(ctx context.Context, guest hostapi.Guest, opts hostapi.ConvergeOptions) error {
	return a.inTurn(ctx, guest.ID, false, func(ctx context.Context) error {
		return a.converge(ctx, guest, opts.Grace)
	})
}

func (a *Agent) converge(ctx context.Context, guest hostapi.Guest, grace time.Duration) error {
	if _, err := a.records.accept(guest); err != nil {
		return err
	}
	if err := a.supply(ctx, guest); err != nil {
		return err
	}
	if grace <= 0 {
		grace = defaultGrace
	}
	if err := a.ensure(ctx, guest, grace); err != nil {
		return err
	}
	if gone := a.strayPorts(guest); len(gone) > 0 {
		if err := a.net.unwire(ctx, gone); err != nil {
			return err
		}
	}
	r, ok := a.records.get(guest.ID)
	if !ok {
		return unknownGuest(guest.ID)
	}
	r.Built, r.Converged = true, guest.Generation
	return a.records.put(r)
}

// supply brings images and wiring to the host that the description needs.
func (a *Agent) supply(ctx context.Context, guest hostapi.Guest) error {
	for _, d := range guest.Disks {
		if d.Image == nil {
			continue
		}
		cached, err := a.cfg.Disks.Cached(ctx, *d.Image)
		if err != nil {
			return diskFault(err, "look into its image cache")
		}
		if !cached {
			if err := a.downloads.once(ctx, a.run, *d.Image, a.download); err != nil {
				return err
			}
		}
	}
	if len(guest.NICs) == 0 {
		return nil
	}
	return a.net.wire(ctx, portIDs(guest))
}

// strayPorts are wired for the guest but none of its cards any more.
func (a *Agent) strayPorts(guest hostapi.Guest) []string {
	cards := map[string]bool{}
	for _, id := range portIDs(guest) {
		cards[id] = true
	}
	var stray []string
	for _, p := range a.net.of(guest).Ports {
		if !cards[p.ID] {
			stray = append(stray, p.ID)
		}
	}
	return stray
}

// ensure makes disks and machine. The caller has the guest's turn.
func (a *Agent) ensure(ctx context.Context, guest hostapi.Guest, grace time.Duration) error {
	m, err := a.machine(ctx, guest)
	if err != nil {
		return err
	}
	err = a.cfg.Hypervisor.Ensure(ctx, m, grace)
	return asFault(err, fault.CodeAgentHypervisorFailed, "The hypervisor of the host did not bring guest %s to its wanted state.", guest.ID)
}

// machine prepares the guest's disks and says what the hypervisor needs to know.
func (a *Agent) machine(ctx context.Context, guest hostapi.Guest) (Machine, error) {
	var drive map[string][]byte
	if guest.ConfigDrive {
		drive = a.server(guest, "").Drive()
	}
	disks, err := a.cfg.Disks.Prepare(ctx, guest, drive)
	if err != nil {
		return Machine{}, diskFault(err, "make the disks of guest %s", guest.ID)
	}
	return Machine{Guest: guest, Disks: disks, OpenTap: a.cfg.Dataplane.OpenTap}, nil
}

func (a *Agent) server(guest hostapi.Guest, password string) metadata.Server {
	return metadata.Server{Guest: guest, Net: a.net.of(guest), Password: password, Rand: a.cfg.Rand}
}

// Reboot restarts a guest; see [hostapi.Agent].
func (a *Agent) Reboot(ctx context.Context, guest hostapi.Guest, hard bool, grace time.Duration) error {
	return a.inTurn(ctx, guest.ID, false, func(ctx context.Context) error {
		if !hard {
			return a.softReboot(ctx, guest, grace)
		}
		if _, err := a.records.accept(guest); err != nil {
			return err
		}
		if err := a.cfg.Hypervisor.Remove(ctx, guest.ID); err != nil {
			return asFault(err, fault.CodeAgentHypervisorFailed, "The hypervisor of the host could not end guest %s.", guest.ID)
		}
		return a.converge(ctx, guest, grace)
	})
}

// softReboot asks the guest to go down. One that does is started again; one
// that does not is reset.
func (a *Agent) softReboot(ctx context.Context, guest hostapi.Guest, grace time.Duration) error {
	if _, err := a.records.accept(guest); err != nil {
		return err
	}
	if grace <= 0 {
		grace = defaultGrace
	}
	down, err := a.cfg.Hypervisor.Shutdown(ctx, guest.ID, grace)
	if err == nil && !down {
		err = a.cfg.Hypervisor.Reset(ctx, guest.ID)
	}
	if err != nil {
		return asFault(err, fault.CodeAgentHypervisorFailed, "The hypervisor of the host could not reboot guest %s.", guest.ID)
	}
	return a.converge(ctx, guest, grace)
}

// Remove ends the guest and all that belongs to it; see [hostapi.Agent]. It
// interrupts whatever else is being done to the guest.
func (a *Agent) Remove(ctx context.Context, guestID string) error {
	a.mu.Lock()
	if b := a.builds[guestID]; b != nil {
		b.stop(errRemoved)
	}
	a.mu.Unlock()
	a.turns.interrupt(guestID, errRemoved)
	return a.inTurn(ctx, guestID, true, func(ctx context.Context) error { return a.erase(ctx, guestID) })
}

// erase removes everything of a guest; absence is success. The description goes
// last, so that a removal that broke off is found and repeated.
func (a *Agent) erase(ctx context.Context, id string) error {
	r, _ := a.records.get(id)
	r.Guest.ID = id
	if err := a.cfg.Hypervisor.Remove(ctx, id); err != nil {
		return asFault(err, fault.CodeAgentHypervisorFailed, "The hypervisor of the host could not end guest %s.", id)
	}
	if err := a.cfg.Disks.Remove(ctx, id); err != nil {
		return diskFault(err, "delete the disks of guest %s", id)
	}
	ports := portIDs(r.Guest)
	for _, p := range a.net.of(r.Guest).Ports {
		ports = append(ports, p.ID)
	}
	if len(ports) > 0 {
		if err := a.net.unwire(ctx, ports); err != nil {
			return err
		}
	}
	return a.records.drop(id)
}

// Rewire fetches changed wiring and applies it; see [hostapi.Agent].
func (a *Agent) Rewire(ctx context.Context, portIDs []string) error {
	return a.net.refresh(ctx, portIDs)
}
