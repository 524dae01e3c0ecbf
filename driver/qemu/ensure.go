package qemu

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"altostack/agent"
	"altostack/driver/qemu/qmp"
	"altostack/hostapi"
	"altostack/kernel/fault"
)

const (
	quitGrace   = 5 * time.Second // for QEMU to flush and end, when told to
	pressEvery  = 3 * time.Second // the power button is lost on a guest that is still booting
	retryUnplug = 5 * time.Second // likewise a request to let go of a device
)

// Ensure makes the guest match want; see [agent.Hypervisor].
//
// Faults: "qemu.unsupported" and "qemu.disk_unusable" for what cannot work,
// "qemu.start_failed" and "qemu.disk_in_use" for a start that failed,
// "qemu.no_free_slot" and "qemu.unplug_refused" for a running guest's devices.
func (d *Driver) Ensure(ctx context.Context, m agent.Machine, grace time.Duration) error {
	want, err := newSpec(m)
	if err != nil {
		return err
	}
	if want.Power != hostapi.PowerOn && want.Power != hostapi.PowerOff && want.Power != hostapi.PowerPaused {
		return unsupported("power %q is none of on, off and paused", want.Power)
	}
	g, err := d.take(ctx, want.ID, true)
	if err != nil {
		return err
	}
	defer g.leave()
	if err := g.ensure(ctx, want, m.OpenTap, grace); err != nil {
		d.forgetUnmade(g)
		return err
	}
	return nil
}

// forgetUnmade drops a guest of which nothing was ever recorded.
func (d *Driver) forgetUnmade(g *guest) {
	if _, made := g.seen(); made {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.guests, g.id)
}

func (g *guest) ensure(ctx context.Context, want spec, taps openTap, grace time.Duration) error {
	if err := checkFiles(want.Disks); err != nil {
		return err
	}
	if err := g.settle(ctx); err != nil {
		return err
	}
	if want.Power == hostapi.PowerOff {
		if err := g.powerOff(ctx, grace); err != nil {
			return err
		}
		return g.rest(want)
	}
	g.mu.Lock()
	running := g.proc != nil
	g.mu.Unlock()
	var err error
	if running {
		err = g.adjust(ctx, want, taps)
	} else {
		err = g.start(ctx, want, taps)
	}
	if err != nil {
		return err
	}
	return g.run(ctx, want.Power)
}

// settle ends a process whose guest is not alive in it any more.
func (g *guest) settle(ctx context.Context) error {
	g.mu.Lock()
	dead := g.proc != nil && (g.rec.Ending || g.rec.State == hostapi.GuestCrashed || g.rec.State == hostapi.GuestStopped)
	g.mu.Unlock()
	if dead {
		return g.end(ctx)
	}
	return nil
}

// rest records a guest that is off, with what it will start with.
func (g *guest) rest(want spec) error {
	if err := g.prepare(want); err != nil {
		return err
	}
	g.update(func(r *record) { r.State, r.Reason = hostapi.GuestStopped, "" })
	return nil
}

// run resumes or pauses the guest.
func (g *guest) run(ctx context.Context, power hostapi.Power) error {
	mon, err := g.monitor(ctx)
	if err != nil {
		return err
	}
	status, err := g.look(ctx, mon, false)
	if err != nil {
		return g.silent(err)
	}
	command := ""
	switch {
	case power == hostapi.PowerOn && status != "running":
		command = "cont"
	case power == hostapi.PowerPaused && status == "running":
		command = "stop"
	}
	if command != "" {
		if err := mon.Run(ctx, command, nil, nil); err != nil {
			return g.silent(err)
		}
		if _, err = g.look(ctx, mon, false); err != nil {
			return g.silent(err)
		}
	}
	return nil
}

func (g *guest) silent(err error) error {
	return fault.Because(err, fault.CodeQemuGuestSilent, "The process of server %s did not do what it was asked.", g.id)
}

// powerOff asks the guest to power off and ends it after grace. The turn is held.
func (g *guest) powerOff(ctx context.Context, grace time.Duration) error {
	if grace > 0 {
		if _, err := g.press(ctx, grace); err != nil {
			return err
		}
	}
	return g.end(ctx)
}

// press presses the power button, again and again, until the guest is down or
// grace is over, and answers which.
func (g *guest) press(ctx context.Context, grace time.Duration) (down bool, err error) {
	over, stopOver := g.d.cfg.Clock.After(grace)
	defer stopOver()
	for {
		wake := g.stirred()
		g.mu.Lock()
		state, running, mon := g.rec.State, g.proc != nil, g.mon
		g.mu.Unlock()
		if !running {
			return true, nil
		}
		if state == hostapi.GuestPaused {
			return false, nil // it cannot hear
		}
		if mon != nil && state == hostapi.GuestRunning {
			_ = mon.Run(ctx, "system_powerdown", nil, nil) // pressed again soon
		}
		again, stop := g.d.cfg.Clock.After(pressEvery)
	waiting:
		for {
			select {
			case <-wake:
				wake = g.stirred()
				if mon == nil || g.down() { // there may be a connection by now
					break waiting
				}
			case <-again:
				break waiting
			case <-over:
				stop()
				return g.down(), nil
			case <-ctx.Done():
				stop()
				return false, ctx.Err()
			}
		}
		stop()
	}
}

func (g *guest) down() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.proc == nil
}

// Shutdown presses the power button until the guest is down or grace is over.
// A guest that does not run is down already.
func (d *Driver) Shutdown(ctx context.Context, id string, grace time.Duration) (bool, error) {
	if _, err := d.find(id); err != nil {
		return false, err
	}
	g, err := d.take(ctx, id, false)
	if err != nil || g == nil {
		return err == nil, err
	}
	defer g.leave()
	return g.press(ctx, grace)
}

// Reset restarts the guest as its reset button would; its process goes on.
func (d *Driver) Reset(ctx context.Context, id string) error {
	mon, err := d.monitorOf(ctx, id)
	if err != nil {
		return err
	}
	if err := mon.Run(ctx, "system_reset", nil, nil); err != nil {
		return fault.Because(err, fault.CodeQemuGuestSilent, "The process of server %s did not do what it was asked.", id)
	}
	return nil
}

func (d *Driver) monitorOf(ctx context.Context, id string) (*qmp.Client, error) {
	g, err := d.find(id)
	if err != nil {
		return nil, err
	}
	return g.monitor(ctx)
}

// Remove ends the guest and deletes everything the driver has of it. Its disks
// are somebody else's.
func (d *Driver) Remove(ctx context.Context, id string) error {
	g, err := d.take(ctx, id, false)
	if err != nil || g == nil {
		return err
	}
	defer g.leave()
	g.mu.Lock()
	p := g.proc
	g.mu.Unlock()
	if p != nil {
		g.update(func(r *record) { r.Ending = true })
		if err := p.kill(); err != nil {
			return err
		}
		if err := g.waitGone(ctx); err != nil {
			return err
		}
	}
	if err := d.cgroups.remove(ctx, id); err != nil {
		return err
	}
	g.abandon()
	// The record goes first: what is left without one is swept away by Open.
	if err := os.Remove(filepath.Join(g.dir, recordName)); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := os.RemoveAll(g.dir); err != nil {
		return err
	}
	d.mu.Lock()
	delete(d.guests, id)
	d.mu.Unlock()
	d.notify()
	return nil
}
