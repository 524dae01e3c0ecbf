package fakevm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"altostack/agent"
	"altostack/driver/qcow2"
	"altostack/hostapi"
)

// Hypervisor answers the session's [agent.Hypervisor].
func (s *Session) Hypervisor() *Hypervisor { return &Hypervisor{s} }

// Hypervisor runs guests that do nothing but exist.
type Hypervisor struct{ s *Session }

var _ agent.Hypervisor = (*Hypervisor)(nil)

var errNotRunning = errors.New("fakevm: the guest does not run")

// Describe says what the host has.
func (v *Hypervisor) Describe(ctx context.Context) (host hostapi.Host, err error) {
	err = v.s.do(ctx, "Hypervisor.Describe", "", func(h *Host) error {
		size := h.world.size
		host = hostapi.Host{
			Name: h.Name, HypervisorType: "fake", HypervisorVer: 1000000, Accelerator: "fake",
			VCPUs: size.VCPUs, MemoryMiB: size.MemoryMiB, DiskGiB: size.DiskGiB, CPUModel: "fake",
			CPUInfo:  map[string]any{"arch": "x86_64", "model": "fake", "vendor": "fake", "features": []string{}},
			Features: map[string]bool{"hotplug": true, "pause": true, "config_drive": true},
		}
		return nil
	})
	return host, err
}

// Ensure makes the guest match at once.
func (v *Hypervisor) Ensure(ctx context.Context, want agent.Machine, _ time.Duration) error {
	id := want.Guest.ID
	return v.s.do(ctx, "Hypervisor.Ensure", id, func(h *Host) error {
		starts := func() bool {
			return want.Guest.Power != hostapi.PowerOff && (h.guests[id] == nil || h.guests[id].closed == nil)
		}
		if starts() {
			if err := v.plug(ctx, h, want); err != nil {
				return err
			}
		}
		g := h.guests[id]
		if g == nil {
			g = &guest{seen: hostapi.SeenGuest{ID: id, State: hostapi.GuestStopped, Since: h.world.clock.Now()}}
			h.guests[id] = g
		}
		if starts() {
			g.boots++
			g.closed = make(chan struct{})
			g.seen.PID, g.seen.Since, g.seen.Reason = 100000+len(h.guests)*10+g.boots, h.world.clock.Now(), ""
		}
		g.want, g.seen.Generation = want.Guest, want.Guest.Generation
		g.disks = map[string]int64{}
		for _, d := range want.Guest.Disks {
			g.disks[d.ID] = d.SizeMiB
		}
		g.power(want.Guest.Power, h.world.clock.Now())
		return nil
	})
}

func (g *guest) power(want hostapi.Power, now time.Time) {
	switch {
	case want == hostapi.PowerOff && g.closed != nil:
		g.halt(hostapi.GuestStopped, "", now)
	case want == hostapi.PowerPaused:
		g.seen.State = hostapi.GuestPaused
	case want == hostapi.PowerOn:
		g.seen.State = hostapi.GuestRunning
	}
}

// plug fails the way a real start does when a disk or a tap is missing.
func (v *Hypervisor) plug(ctx context.Context, h *Host, want agent.Machine) error {
	if len(want.Disks) < len(want.Guest.Disks) {
		return fmt.Errorf("fakevm: guest %s has %d disks, %d files were given", want.Guest.ID, len(want.Guest.Disks), len(want.Disks))
	}
	for _, d := range want.Disks {
		if rest, ours := strings.CutPrefix(d.Path, scheme+h.Name+"/"); ours {
			guestID, disk, _ := strings.Cut(rest, "/")
			if _, ok := h.disks[guestID][disk]; !ok {
				return fmt.Errorf("fakevm: disk %s is not there", d.Path)
			}
		}
	}
	for _, nic := range want.Guest.NICs {
		h.mu.Unlock() // the tap may be on this host's dataplane, which locks it
		tap, err := want.OpenTap(ctx, nic.PortID)
		h.mu.Lock()
		if err != nil {
			return fmt.Errorf("fakevm: tap of port %s: %w", nic.PortID, err)
		}
		if err := tap.Close(); err != nil {
			return err
		}
	}
	if v.s.cut.Load() {
		return ErrCut
	}
	return nil
}

// running does something with a guest that runs.
func (v *Hypervisor) running(ctx context.Context, op, id string, f func(h *Host, g *guest) error) error {
	return v.s.do(ctx, "Hypervisor."+op, id, func(h *Host) error {
		g := h.guests[id]
		if g == nil || g.closed == nil {
			return fmt.Errorf("%w: %s", errNotRunning, id)
		}
		return f(h, g)
	})
}

// Reset counts one more boot.
func (v *Hypervisor) Reset(ctx context.Context, id string) error {
	return v.running(ctx, "Reset", id, func(_ *Host, g *guest) error { g.boots++; return nil })
}

// Shutdown is obeyed at once.
func (v *Hypervisor) Shutdown(ctx context.Context, id string, _ time.Duration) (bool, error) {
	err := v.s.do(ctx, "Hypervisor.Shutdown", id, func(h *Host) error {
		if g := h.guests[id]; g != nil && g.closed != nil {
			g.halt(hostapi.GuestStopped, "", h.world.clock.Now())
		}
		return nil
	})
	return err == nil, err
}

// Remove forgets the guest.
func (v *Hypervisor) Remove(ctx context.Context, id string) error {
	return v.s.do(ctx, "Hypervisor.Remove", id, func(h *Host) error {
		if g := h.guests[id]; g != nil {
			g.halt(hostapi.GuestStopped, "", h.world.clock.Now())
			delete(h.guests, id)
		}
		return nil
	})
}

// Guests lists them all.
func (v *Hypervisor) Guests(ctx context.Context) (list []hostapi.SeenGuest, err error) {
	err = v.s.do(ctx, "Hypervisor.Guests", "", func(h *Host) error {
		for _, g := range h.guests {
			list = append(list, g.seen)
		}
		return nil
	})
	return list, err
}

// Changed is signalled by [Host.Crash] and [Host.PowerOff].
func (v *Hypervisor) Changed() <-chan struct{} { return v.s.changed }

// Console answers what a small guest prints while it boots, once for each boot.
func (v *Hypervisor) Console(ctx context.Context, id string, max int64) (log []byte, err error) {
	err = v.s.do(ctx, "Hypervisor.Console", id, func(h *Host) error {
		g := h.guests[id]
		if g == nil {
			return fmt.Errorf("%w: %s", errNotRunning, id)
		}
		log = []byte(strings.Repeat(bootLog(g.want), g.boots))
		if over := int64(len(log)) - max; over > 0 {
			log = log[over:]
		}
		return nil
	})
	return log, err
}

func bootLog(g hostapi.Guest) string {
	return fmt.Sprintf("[    0.000000] Linux version 6.1.0-fake\n[    0.000000] Memory: %dK available\n"+
		"[    0.100000] smp: Brought up 1 node, %d CPU\n%s login: ", g.MemoryMiB*1024, g.VCPUs, g.Hostname)
}

// Dial opens a serial console that echoes, or a VNC server that says its
// version (RFC 6143, 7.1.1) and then echoes too.
func (v *Hypervisor) Dial(ctx context.Context, id string, kind hostapi.ConsoleKind) (conn io.ReadWriteCloser, err error) {
	err = v.running(ctx, "Dial", id, func(_ *Host, g *guest) error {
		near, far := net.Pipe()
		ended := g.closed
		go func() {
			<-ended
			_ = far.Close() // ends the copy below
		}()
		go func() {
			if kind == hostapi.ConsoleVNC {
				_, _ = far.Write([]byte("RFB 003.008\n")) // the caller may be gone
			}
			_, _ = io.Copy(far, far) // until either side closes
			_ = far.Close()
		}()
		conn = near
		return nil
	})
	return conn, err
}

// ResizeDisk notes the new size.
func (v *Hypervisor) ResizeDisk(ctx context.Context, id, diskID string, sizeMiB int64) error {
	return v.s.do(ctx, "Hypervisor.ResizeDisk", id, func(h *Host) error {
		g := h.guests[id]
		if g == nil {
			return fmt.Errorf("%w: %s", errNotRunning, id)
		}
		if _, ok := g.disks[diskID]; !ok {
			return fmt.Errorf("fakevm: guest %s has no disk %s", id, diskID)
		}
		g.disks[diskID] = sizeMiB
		return nil
	})
}

// Diagnostics counts the time since the boot and nothing else.
func (v *Hypervisor) Diagnostics(ctx context.Context, id string) (d hostapi.Diagnostics, err error) {
	err = v.running(ctx, "Diagnostics", id, func(h *Host, g *guest) error {
		d = hostapi.Diagnostics{State: g.seen.State, Uptime: h.world.clock.Now().Sub(g.seen.Since), MemoryMiB: int64(g.want.MemoryMiB)}
		d.CPUTime = make([]time.Duration, g.want.VCPUs)
		for _, disk := range g.want.Disks {
			d.Disks = append(d.Disks, hostapi.DiskCounters{ID: disk.ID})
		}
		return nil
	})
	return d, err
}

// CopyDisk writes an empty qcow2 image of the disk's size.
func (v *Hypervisor) CopyDisk(ctx context.Context, id string, disk agent.DiskFile, path string) error {
	return v.s.do(ctx, "Hypervisor.CopyDisk", id, func(h *Host) error {
		g := h.guests[id]
		if g == nil {
			return fmt.Errorf("%w: %s", errNotRunning, id)
		}
		return qcow2.Create(path, qcow2.Image{Size: g.disks[disk.ID] << 20}, 0o600)
	})
}
