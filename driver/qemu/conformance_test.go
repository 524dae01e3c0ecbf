package qemu

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"altostack/agent"
	"altostack/agent/agenttest"
	"altostack/hostapi"
	"altostack/kernel/fault"
)

// TestHypervisor runs the contract on real QEMU.
func TestHypervisor(t *testing.T) {
	agenttest.RunHypervisor(t, func(t *testing.T) agenttest.HypervisorBed {
		h := newHost(t)
		h.config.UnplugTimeout = 0 // the default: this guest lets go
		file := func(guest, name string, content []byte) string {
			path := filepath.Join(h.config.Dir, guest+"-"+name)
			h.must(os.WriteFile(path, content, 0o600))
			return path
		}
		return agenttest.HypervisorBed{
			Open: func(*testing.T) agent.Hypervisor { h.reopen(); return h.Driver },
			Machine: func(_ *testing.T, id string) agent.Machine {
				m := machine()
				m.Guest.ID, m.Guest.Disks = id, []hostapi.Disk{{ID: "root", Blank: true, SizeMiB: 1}}
				m.Disks = []agent.DiskFile{diskFile("root", file(id, "root", bootSector("q35")), "raw", 0)}
				return m
			},
			Extra: func(_ *testing.T, guest, id string) (hostapi.Disk, agent.DiskFile) {
				return hostapi.Disk{ID: id, Blank: true, SizeMiB: 1, BootIndex: -1},
					diskFile(id, file(guest, id, make([]byte, 1<<20)), "raw", -1)
			},
			Kill: func(_ *testing.T, id string) { h.must(syscall.Kill(h.pidOf(id), syscall.SIGKILL)) },
			Left: func(*testing.T) []string { return h.left() },
		}
	})
}

// TestRealGuestThatListens has a guest that answers the power button and lets
// go of devices, on both machines.
func TestRealGuestThatListens(t *testing.T) {
	for _, kind := range []string{"q35", "pc"} {
		t.Run(kind, func(t *testing.T) {
			h := newHost(t)
			h.config.UnplugTimeout = 0
			h.reopen()
			path := filepath.Join(h.config.Dir, "boot")
			h.must(os.WriteFile(path, bootSector(kind), 0o600))
			m := machine()
			m.Guest.Machine = kind
			m.Disks = []agent.DiskFile{diskFile("root", path, "raw", 0)}
			m.OpenTap = func(context.Context, string) (*os.File, error) { return h.tap(), nil }
			h.ensure(m)
			h.awaitConsole("up")
			born := h.guest()

			bare := m
			m.Disks = append(slices.Clone(m.Disks), diskFile(volume, h.raw("vol", 1<<20), "raw", -1))
			m.Guest.NICs = []hostapi.NIC{{PortID: portA, MAC: "fa:16:3e:00:00:01"}}
			for round := range 3 { // more than once into the same places
				h.ensure(m)
				h.devices("disk-"+volume, "nic-"+portA)
				h.ensure(bare)
				if open := h.opened(born.PID, filepath.Join(h.config.Dir, "vol")); open > 0 {
					t.Errorf("round %d: the process still holds the disk %d times", round, open)
				}
			}
			m.Guest.Power = hostapi.PowerOff
			h.must(h.Ensure(within(t), m, 1<<40))
			h.wantState(hostapi.GuestStopped)

			bare.Guest.Power = hostapi.PowerOn
			h.ensure(bare)
			h.awaitConsole("up\r\nup")
			if down, err := h.Shutdown(within(t), guestID, 1<<40); err != nil || !down {
				t.Errorf("shut down: %t, %v", down, err)
			}
			h.wantState(hostapi.GuestStopped)
		})
	}
}

func TestRealGuestWhoseDirectoryIsGoneIsEnded(t *testing.T) {
	h := newHost(t)
	h.ensure(machine())
	h.must(h.Close())
	h.must(os.RemoveAll(h.run))
	h.Driver = nil
	h.reopen()
	if left := h.left(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestRealDiskIsShared(t *testing.T) {
	h := newHost(t)
	shared := diskFile(volume, h.raw("shared", 1<<20), "raw", -1)
	shared.Shared = true
	for n := range 2 {
		m := machine()
		m.Guest.ID = fmt.Sprintf("00000000-0000-4000-8000-00000000000%d", n)
		m.Disks = []agent.DiskFile{shared}
		h.ensure(m)
	}
	single := machine()
	single.Disks = []agent.DiskFile{diskFile(volume, shared.Path, "raw", -1)}
	if err := h.Ensure(within(t), single, 0); !fault.Has(err, fault.CodeQemuDiskInUse) {
		t.Errorf("a third guest that does not share: %v", err)
	}
}
