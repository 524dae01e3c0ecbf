package qemu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"altostack/agent"
	"altostack/hostapi"
	"altostack/kernel/fault"
)

// These tests run QEMU itself, as root. A guest without disks sits in its
// firmware, which is enough for everything but what needs a guest's consent.

func TestRealGuestLives(t *testing.T) {
	h := newHost(t)
	m := machine()
	m.Guest.Power = hostapi.PowerPaused
	h.ensure(m)
	born := h.wantState(hostapi.GuestPaused)
	m.Guest.Power, m.Guest.Generation = hostapi.PowerOn, 2
	h.ensure(m)
	if on := h.wantState(hostapi.GuestRunning); on.PID != born.PID || on.Generation != 2 {
		t.Errorf("resumed as %+v, was %+v", on, born)
	}
	h.confined(born.PID)
	h.must(h.Reset(within(t), guestID))
	if again := h.wantState(hostapi.GuestRunning); again.PID != born.PID {
		t.Error("a reset changed the process")
	}
	// Firmware does not hear the power button: it is ended once grace is over.
	if down, err := h.Shutdown(within(t), guestID, 50*time.Millisecond); err != nil || down {
		t.Errorf("firmware shut itself down: %t, %v", down, err)
	}
	m.Guest.Power = hostapi.PowerOff
	h.must(h.Ensure(within(t), m, 50*time.Millisecond))
	h.wantState(hostapi.GuestStopped)
	h.ensure(m) // again: nothing to do
	if err := h.Reset(within(t), guestID); !fault.Has(err, fault.CodeAgentGuestNotRunning) {
		t.Errorf("reset of a stopped guest: %v", err)
	}
	m.Guest.Power = hostapi.PowerOn
	h.ensure(m)
	if on := h.wantState(hostapi.GuestRunning); on.PID == born.PID {
		t.Error("the process did not change")
	}
	h.must(h.Remove(within(t), guestID))
	h.must(h.Remove(within(t), guestID)) // absence is success
	if err := h.Reset(within(t), guestID); !fault.Has(err, fault.CodeAgentGuestUnknown) {
		t.Errorf("reset of a removed guest: %v", err)
	}
}

// confined asserts what keeps a guest's process from doing harm.
func (h *host) confined(pid int) {
	h.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	h.must(err)
	for _, want := range []string{"Seccomp:\t2\n", "NoNewPrivs:\t1\n", "CapEff:\t0000000000000000\n", fmt.Sprintf("\nUid:\t%d\t", h.cfg.UIDBase)} {
		if !strings.Contains(string(status), want) {
			h.Errorf("the process lacks %q", want)
		}
	}
	for _, dir := range h.cgroups.dirs(guestID) {
		procs, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if err != nil || strings.TrimSpace(string(procs)) != strconv.Itoa(pid) {
			h.Errorf("in cgroup %s: %q, %v", dir, procs, err)
		}
	}
	if len(h.cgroups.dirs(guestID)) == 0 {
		h.Error("no cgroup")
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	h.must(err)
	if fields := strings.Fields(string(stat)); fields[5] != strconv.Itoa(pid) {
		h.Errorf("the process is in session %s, not in its own", fields[5])
	}
}

func TestRealGuestOutlivesTheDriver(t *testing.T) {
	h := newHost(t)
	m := machine()
	h.ensure(m)
	before := h.wantState(hostapi.GuestRunning)
	h.reopen()
	if after := h.wantState(hostapi.GuestRunning); after.PID != before.PID || !after.Since.Equal(before.Since) {
		t.Errorf("adopted as %+v, was %+v", after, before)
	}
	h.ensure(m)
	if after := h.wantState(hostapi.GuestRunning); after.PID != before.PID {
		t.Error("an adopted guest that matches was not left alone")
	}
	h.must(h.Reset(within(t), guestID))

	// It dies while nobody watches.
	h.must(h.Close())
	h.must(syscall.Kill(before.PID, syscall.SIGKILL))
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(before.PID, &status, 0, nil); err != nil {
		t.Fatal(err)
	}
	h.Driver = nil
	h.reopen()
	if g := h.wantState(hostapi.GuestCrashed); g.Reason == "" {
		t.Error("no reason given")
	}
	h.ensure(m)
	h.wantState(hostapi.GuestRunning)

	// It is stopped, and stays so.
	m.Guest.Power = hostapi.PowerOff
	h.ensure(m)
	h.reopen()
	h.wantState(hostapi.GuestStopped)
}

func TestRealGuestThatDiesIsSeenAndStartedAgain(t *testing.T) {
	h := newHost(t)
	m := machine()
	h.ensure(m)
	h.must(syscall.Kill(h.guest().PID, syscall.SIGKILL))
	if g := h.await(hostapi.GuestCrashed); g.Reason == "" {
		t.Error("no reason given")
	}
	h.ensure(m)
	h.wantState(hostapi.GuestRunning)
	h.must(syscall.Kill(h.guest().PID, syscall.SIGTERM))
	if g := h.await(hostapi.GuestCrashed); !strings.Contains(g.Reason, "signal") {
		t.Errorf("ended by a signal because: %s", g.Reason)
	}
}

func TestRealDisksAreCopiedRunningAndStopped(t *testing.T) {
	h := newHost(t)
	root := h.img()
	m := machine()
	m.Disks = []agent.DiskFile{root}
	h.ensure(m)
	out := filepath.Join(h.config.Dir, "copy")
	for _, state := range []hostapi.GuestState{hostapi.GuestRunning, hostapi.GuestStopped} {
		before := h.wantState(state)
		h.must(h.CopyDisk(within(t), guestID, m.Disks[0], out))
		h.must(h.CopyDisk(within(t), guestID, m.Disks[0], out)) // again, over the first
		if after := h.wantState(state); after != before {
			t.Errorf("copying left %+v of %+v", after, before)
		}
		if info := h.tool("qemu-img", "info", "-f", "qcow2", out); strings.Contains(info, "backing") {
			t.Errorf("the copy of a %s guest is not self-contained: %s", state, info)
		}
		h.tool("qemu-img", "check", "-q", "-f", "qcow2", out)
		if got := h.tool("qemu-img", "compare", "-U", "-f", "qcow2", "-F", "qcow2", root.Path, out); !strings.Contains(got, "identical") {
			t.Error(got)
		}
		m.Guest.Power = hostapi.PowerOff
		h.ensure(m)
	}
	if left, _ := filepath.Glob(out + "?*"); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
	err := h.CopyDisk(within(t), guestID, diskFile("none", filepath.Join(h.config.Dir, "none"), "raw", 0), out+"2")
	if err == nil {
		t.Error("a disk that is not there was copied")
	}
	h.wantState(hostapi.GuestStopped)
}

func TestRealHotPlug(t *testing.T) {
	for _, kind := range []string{"q35", "pc"} {
		t.Run(kind, func(t *testing.T) {
			h := newHost(t)
			root := h.img()
			m := machine()
			m.Guest.Machine = kind
			m.Disks = []agent.DiskFile{root}
			taps := 0
			m.OpenTap = func(context.Context, string) (*os.File, error) { taps++; return h.tap(), nil }
			h.ensure(m)

			scsi := diskFile("ephemeral0", h.raw("eph", 1<<20), "raw", -1)
			scsi.Bus = "scsi"
			m.Disks = append(m.Disks, diskFile(volume, h.raw("vol", 1<<20), "raw", -1), scsi)
			m.Guest.NICs = []hostapi.NIC{{PortID: portA, MAC: "fa:16:3e:00:00:01", MTU: 1450}}
			m.Guest.Generation = 2
			h.ensure(m)
			h.devices("disk-root", "disk-"+volume, "disk-ephemeral0", "scsi0", "nic-"+portA)
			h.reopen()
			m.Guest.Generation = 3
			h.ensure(m)
			if taps != 1 {
				t.Errorf("%d taps were opened", taps)
			}
			if g := h.wantState(hostapi.GuestRunning); g.Generation != 3 {
				t.Errorf("generation %d", g.Generation)
			}

			// The volume grows.
			h.must(os.Truncate(filepath.Join(h.config.Dir, "vol"), 3<<20))
			h.must(h.ResizeDisk(within(t), guestID, volume, 3))
			if size := h.size(volume); size != 3<<20 {
				t.Errorf("the guest sees %d bytes", size)
			}
			h.must(h.ResizeDisk(within(t), guestID, volume, 1))
			if size := h.size(volume); size != 3<<20 {
				t.Errorf("a disk shrank to %d bytes", size)
			}
			d, err := h.Diagnostics(within(t), guestID)
			h.must(err)
			if len(d.Disks) != 3 || len(d.NICs) != 1 || len(d.CPUTime) != 1 || d.MemoryMiB != 64 {
				t.Errorf("diagnostics %+v", d)
			}
			for d.Disks[0].ReadReqs == 0 { // until firmware has looked for a boot sector
				d, err = h.Diagnostics(within(t), guestID)
				h.must(err)
			}

			// Firmware does not let go of a device: that is said, and asked again.
			m.Disks = m.Disks[:1]
			if err := h.Ensure(within(t), m, 0); kind == "q35" && !fault.Has(err, fault.CodeQemuUnplugRefused) {
				t.Errorf("unplug: %v", err)
			}
			h.wantState(hostapi.GuestRunning)
		})
	}
}

// TestRealDisksThatAreOnlyRead: a config drive on each bus it may be on, there
// from the start, and plugged in.
func TestRealDisksThatAreOnlyRead(t *testing.T) {
	for _, bus := range []string{"virtio", "scsi", "cdrom"} {
		t.Run(bus, func(t *testing.T) {
			h := newHost(t)
			readOnly := func(id string) agent.DiskFile {
				d := diskFile(id, h.raw(id, 1<<20), "raw", -1)
				d.Bus, d.ReadOnly = bus, true
				h.must(os.Chmod(d.Path, 0o400))
				return d
			}
			m := machine()
			m.Disks = []agent.DiskFile{readOnly("config")}
			h.ensure(m)
			h.devices("disk-config")
			if bus != "cdrom" {
				m.Disks = append(m.Disks, readOnly("another"))
				h.ensure(m)
				h.devices("disk-config", "disk-another")
			}
			h.wantState(hostapi.GuestRunning)
		})
	}
}

func TestRealStartThatFailsLeavesNothing(t *testing.T) {
	h := newHost(t)
	root := h.img()
	m := machine()
	m.Disks = []agent.DiskFile{root}
	h.ensure(m)
	thief := m
	thief.Guest.ID = "99999999-0000-4000-8000-000000000009"
	if err := h.Ensure(within(t), thief, 0); !fault.Has(err, fault.CodeQemuDiskInUse) {
		t.Errorf("a disk in use: %v", err)
	}
	thief.Disks = []agent.DiskFile{diskFile("root", "/nonexistent", "raw", 0)}
	err := h.Ensure(within(t), thief, 0)
	if !fault.Has(err, fault.CodeQemuDiskUnusable) || strings.Contains(fault.From(err).Message, "/") {
		t.Errorf("a disk that is not there: %v", err)
	}
	thief.Disks, thief.Guest.NICs = nil, []hostapi.NIC{{PortID: portA, MAC: "fa:16:3e:00:00:01"}}
	broken := errors.New("no tap")
	thief.OpenTap = func(context.Context, string) (*os.File, error) { return nil, broken }
	if err := h.Ensure(within(t), thief, 0); !errors.Is(err, broken) {
		t.Errorf("a tap that is not there: %v", err)
	}
	h.must(h.Remove(within(t), thief.Guest.ID))
	h.wantState(hostapi.GuestRunning)
}

func TestRealConsoles(t *testing.T) {
	h := newHost(t)
	m := machine()
	m.Guest.Power = hostapi.PowerOff
	h.ensure(m)
	for _, kind := range []hostapi.ConsoleKind{hostapi.ConsoleVNC, hostapi.ConsoleSerial} {
		if _, err := h.Dial(within(t), guestID, kind); !fault.Has(err, fault.CodeAgentGuestNotRunning) {
			t.Errorf("%s of a stopped guest: %v", kind, err)
		}
	}
	m.Guest.Power = hostapi.PowerOn
	h.ensure(m)
	for range 2 { // any number of viewers
		vnc, err := h.Dial(within(t), guestID, hostapi.ConsoleVNC)
		h.must(err)
		defer func() { _ = vnc.Close() }()
		hello := make([]byte, 12)
		if _, err := io.ReadFull(vnc, hello); err != nil || !strings.HasPrefix(string(hello), "RFB 003.") {
			t.Errorf("the screen says %q, %v", hello, err)
		}
	}
	first, err := h.Dial(within(t), guestID, hostapi.ConsoleSerial)
	h.must(err)
	second, err := h.Dial(within(t), guestID, hostapi.ConsoleSerial)
	h.must(err)
	if _, err := first.Read(make([]byte, 1)); err == nil {
		t.Error("two users have the serial port")
	}
	h.must(second.Close())
	if _, err := h.Console(within(t), guestID, 100); err != nil {
		t.Error(err)
	}
}

func TestRealHostIsDescribed(t *testing.T) {
	h := newHost(t)
	got, err := h.Describe(within(t))
	h.must(err)
	if got.HypervisorType != "QEMU" || got.HypervisorVer < oldest || got.VCPUs < 1 || got.MemoryMiB < 1 || got.Name == "" ||
		(got.Accelerator != "kvm" && got.Accelerator != "tcg") || got.CPUInfo["accelerator_reason"] == "" {
		t.Errorf("described as %+v", got)
	}
}

func TestMissingQEMUIsSaid(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test opens the driver: run it as root")
	}
	_, err := Open(within(t), Config{Dir: t.TempDir(), Binary: "qemu-that-is-not-there"})
	if !fault.Has(err, fault.CodeQemuMissing) {
		t.Errorf("got %v", err)
	}
}
