package qemu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"altostack/agent"
	"altostack/hostapi"
	"altostack/kernel/fault"
)

// await waits until the only guest is in a state.
func (r *rig) await(want hostapi.GuestState) hostapi.SeenGuest {
	r.Helper()
	ctx := within(r.T)
	for {
		guests, err := r.Guests(ctx)
		r.must(err)
		if len(guests) == 1 && guests[0].State == want {
			return guests[0]
		}
		select {
		case <-r.Changed():
		case <-ctx.Done():
			r.Fatalf("guests are %+v, wanted %s", guests, want)
		}
	}
}

// disks makes files for a machine's disks.
func (r *rig) disks(ids ...string) (disks []agent.DiskFile) {
	r.Helper()
	for i, id := range ids {
		path := filepath.Join(r.cfg.Dir, id)
		r.must(os.WriteFile(path, nil, 0o600))
		boot := -1
		if i == 0 {
			boot = 0
		}
		disks = append(disks, diskFile(id, path, "raw", boot))
	}
	return disks
}

func (r *rig) taps(m *agent.Machine, ports ...string) {
	m.Guest.NICs = nil
	for i, port := range ports {
		m.Guest.NICs = append(m.Guest.NICs, hostapi.NIC{PortID: port, MAC: fmt.Sprintf("fa:16:3e:00:00:%02x", i)})
	}
	m.OpenTap = func(context.Context, string) (*os.File, error) { return os.Open(os.DevNull) }
}

func TestGuestThatPowersOffIsStopped(t *testing.T) {
	r := newRig(t)
	m := machine()
	r.must(r.Ensure(within(t), m, 0))
	q := r.fake.qemu(guestID)
	q.happen("running", "RESET", object{"guest": true})
	r.await(hostapi.GuestRunning) // a reboot is no end
	q.happen("shutdown", "SHUTDOWN", object{"guest": true, "reason": "guest-shutdown"})
	if g := r.await(hostapi.GuestStopped); g.Reason != "" {
		t.Errorf("stopped because %s", g.Reason)
	}
	<-q.gone() // its process is not kept
	r.must(r.Ensure(within(t), m, 0))
	r.await(hostapi.GuestRunning)
}

func TestGuestThatPoweredOffUnwatchedIsStopped(t *testing.T) {
	r := newRig(t)
	r.must(r.Ensure(within(t), machine(), 0))
	q := r.fake.qemu(guestID)
	r.must(r.Close())
	r.Driver = nil
	q.happen("shutdown", "SHUTDOWN", object{"guest": true}) // which nobody hears
	r.reopen()
	r.await(hostapi.GuestStopped)
	<-q.gone()
}

func TestProcessThatEndsIsACrashUnlessMeant(t *testing.T) {
	for name, unwatched := range map[string]bool{"watched": false, "unwatched": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.must(r.Ensure(within(t), machine(), 0))
			if unwatched {
				r.must(r.Close())
				r.Driver = nil
			}
			r.fake.qemu(guestID).die()
			if unwatched {
				r.reopen()
			}
			if g := r.await(hostapi.GuestCrashed); g.Reason == "" || g.PID != 0 {
				t.Errorf("crashed as %+v", g)
			}
			r.must(r.Ensure(within(t), machine(), 0))
			r.await(hostapi.GuestRunning)
		})
	}
}

func TestStatesAreReported(t *testing.T) {
	r := newRig(t)
	r.must(r.Ensure(within(t), machine(), 0))
	q := r.fake.qemu(guestID)
	q.happen("paused", "STOP", nil)
	r.await(hostapi.GuestPaused)
	q.happen("running", "RESUME", nil)
	r.await(hostapi.GuestRunning)
	q.happen("io-error", "BLOCK_IO_ERROR", nil)
	if g := r.await(hostapi.GuestPaused); g.Reason == "" {
		t.Error("no reason for a guest that stopped on a full disk")
	}
	r.must(r.Ensure(within(t), machine(), 0)) // there may be room again
	r.await(hostapi.GuestRunning)
	q.happen("internal-error", "STOP", nil)
	r.await(hostapi.GuestCrashed)
	r.must(r.Ensure(within(t), machine(), 0))
	if r.await(hostapi.GuestRunning); r.fake.qemu(guestID) == q {
		t.Error("a crashed guest goes on in its old process")
	}
}

func TestPowerButtonIsPressedUntilHeard(t *testing.T) {
	r := newRig(t)
	r.fake.prime = func(q *fakeQEMU) { q.obedient, q.pressed = false, make(chan struct{}, 10) }
	r.must(r.Ensure(within(t), machine(), 0))
	q := r.fake.qemu(guestID)
	done := make(chan struct{}, 1)
	go func() {
		if down, err := r.Shutdown(within(t), guestID, 1e6*time.Hour); !down || err != nil {
			t.Errorf("down %t, %v", down, err)
		}
		done <- struct{}{}
	}()
	<-q.pressed
	r.advanceUntil(q.pressed) // the first was lost, and this one
	q.mu.Lock()
	q.obedient = true
	q.mu.Unlock()
	r.advanceUntil(done)
	r.await(hostapi.GuestStopped)
}

// advanceUntil moves the clock as often as it takes for something to happen.
func (r *rig) advanceUntil(happened <-chan struct{}) {
	r.Helper()
	ctx := within(r.T)
	for {
		select {
		case <-happened:
			return
		case <-ctx.Done():
			r.Fatal("nothing happens")
		default:
			r.clock.Advance(pressEvery)
			runtime.Gosched()
		}
	}
}

func TestConnectionThatBreaksIsMadeAgain(t *testing.T) {
	r := newRig(t)
	r.must(r.Ensure(within(t), machine(), 0))
	r.fake.qemu(guestID).server.Hangup()
	if err := r.Reset(within(t), guestID); err != nil { // the command in flight may be lost,
		r.must(r.Reset(within(t), guestID)) // the next is not
	}
	r.await(hostapi.GuestRunning)
}

// TestDevicesConvergeAfterEveryBreak breaks the connection, and ends the driver,
// at each command of a change to a running guest, before and after it is done.
func TestDevicesConvergeAfterEveryBreak(t *testing.T) {
	for _, early := range []bool{true, false} {
		broke := true
		for at := 1; broke; at++ {
			t.Run(fmt.Sprintf("early=%t at=%d", early, at), func(t *testing.T) { broke = breakChange(t, at, early) })
		}
	}
}

func breakChange(t *testing.T, at int, early bool) bool {
	r := newRig(t)
	m := machine()
	all := r.disks("root", "old", volume)
	m.Disks = all[:2]
	r.taps(&m, portA)
	r.must(r.Ensure(within(t), m, 0))
	q := r.fake.qemu(guestID)

	m.Disks, m.Guest.Generation = []agent.DiskFile{all[0], all[2]}, 2
	r.taps(&m, portB)
	q.mu.Lock()
	q.count, q.breakAt, q.early = 0, at, early
	q.mu.Unlock()
	err := r.Ensure(within(t), m, 0)
	q.mu.Lock()
	broke := q.count >= q.breakAt
	q.breakAt = 0
	q.mu.Unlock()
	if err != nil && !broke {
		t.Fatal(err)
	}
	r.reopen()
	r.must(r.Ensure(within(t), m, 0))
	want := fmt.Sprintf("%s d-root disk-root disk-%s net-%s nic-%s sets=3", "", volume, portB, portB)
	got := strings.ReplaceAll(q.has(), nodeName(volume)+" ", "")
	if got != strings.TrimSpace(want) {
		t.Errorf("broken at command %d it became\n%s, wanted\n%s", at, got, want)
	}
	if g := r.await(hostapi.GuestRunning); g.Generation != 2 {
		t.Errorf("generation %d", g.Generation)
	}
	if r.fake.qemu(guestID) != q {
		t.Error("the guest was started again")
	}
	return broke
}

// TestPowerConvergesAfterEveryBreak does the same to starting, pausing and ending.
func TestPowerConvergesAfterEveryBreak(t *testing.T) {
	for _, early := range []bool{true, false} {
		broke := true
		for at := 1; broke; at++ {
			t.Run(fmt.Sprintf("early=%t at=%d", early, at), func(t *testing.T) { broke = breakPower(t, at, early) })
		}
	}
}

func breakPower(t *testing.T, at int, early bool) (broke bool) {
	r := newRig(t)
	var all []*fakeQEMU
	r.fake.prime = func(q *fakeQEMU) {
		if all = append(all, q); len(all) == 1 {
			q.breakAt, q.early = at, early
		}
	}
	m := machine()
	for _, step := range []struct {
		power hostapi.Power
		state hostapi.GuestState
	}{
		{hostapi.PowerOn, hostapi.GuestRunning}, {hostapi.PowerPaused, hostapi.GuestPaused},
		{hostapi.PowerOff, hostapi.GuestStopped}, {hostapi.PowerOn, hostapi.GuestRunning},
	} {
		m.Guest.Power = step.power
		if r.Ensure(within(t), m, 0) != nil { // broken: as if we had died there
			r.reopen()
			r.must(r.Ensure(within(t), m, 0))
		}
		r.await(step.state)
		alive := 0
		for _, q := range all {
			select {
			case <-q.ended:
			default:
				alive++
			}
		}
		if want := map[bool]int{true: 0, false: 1}[step.power == hostapi.PowerOff]; alive != want {
			t.Errorf("asked for %s, there are %d processes", step.power, alive)
		}
	}
	all[0].mu.Lock()
	defer all[0].mu.Unlock()
	return all[0].count >= at
}

func TestGuestThatDoesNotObeyIsSaid(t *testing.T) {
	r := newRig(t)
	r.fake.prime = func(q *fakeQEMU) { q.refuse = "cont" }
	m := machine()
	m.Disks = r.disks("root")
	if err := r.Ensure(within(t), m, 0); !fault.Has(err, fault.CodeQemuGuestSilent) {
		t.Errorf("a guest that does not go on: %v", err)
	}
	r.await(hostapi.GuestPaused)
	path := filepath.Join(r.cfg.Dir, "copy") // this QEMU knows no jobs
	if err := r.CopyDisk(within(t), guestID, m.Disks[0], path); !fault.Has(err, fault.CodeQemuCopyFailed) {
		t.Errorf("a copy that fails: %v", err)
	}
	if left, _ := filepath.Glob(path + "*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestProcessThatDoesNotStartIsSaid(t *testing.T) {
	r := newRig(t)
	r.fake.prime = func(q *fakeQEMU) { q.stillborn = true }
	if err := r.Ensure(within(t), machine(), 0); !fault.Has(err, fault.CodeQemuStartFailed) {
		t.Errorf("got %v", err)
	}
	r.await(hostapi.GuestCrashed)
	r.fake.prime = nil
	r.must(r.Ensure(within(t), machine(), 0))
	r.await(hostapi.GuestRunning)
}

func TestHotPlugHasAnEnd(t *testing.T) {
	r := newRig(t)
	m := machine()
	r.must(r.Ensure(within(t), m, 0))
	m.Disks = r.disks("a", "b", "c", "d", "e")
	if err := r.Ensure(within(t), m, 0); !fault.Has(err, fault.CodeQemuNoFreeSlot) {
		t.Errorf("a fifth disk in four places: %v", err)
	}
	m.Disks = m.Disks[:4]
	r.must(r.Ensure(within(t), m, 0))
	cd := r.disks("cd")[0]
	cd.Bus, cd.BootIndex = "cdrom", -1
	m.Disks = append(m.Disks[:1], cd)
	if err := r.Ensure(within(t), m, 0); !fault.Has(err, fault.CodeQemuNoFreeSlot) {
		t.Errorf("a CD plugged in: %v", err)
	}
}

func TestDiskOnAnIDEBusStaysUntilTheGuestStops(t *testing.T) {
	r := newRig(t)
	m := machine()
	m.Disks = r.disks("root", "config")
	m.Disks[1].Bus = "cdrom"
	r.must(r.Ensure(within(t), m, 0))
	m.Disks = m.Disks[:1]
	for range 2 {
		r.must(r.Ensure(within(t), m, 0))
	}
	if got, want := r.fake.qemu(guestID).has(), "d-config d-root disk-config disk-root sets=3"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	m.Guest.Power = hostapi.PowerOff
	r.must(r.Ensure(within(t), m, 0))
	m.Guest.Power = hostapi.PowerOn
	r.must(r.Ensure(within(t), m, 0))
	if got, want := r.fake.qemu(guestID).has(), "d-root disk-root sets=2"; got != want {
		t.Errorf("after a restart: got %s, want %s", got, want)
	}
}

func TestDiskThatMovedIsPluggedAnew(t *testing.T) {
	r := newRig(t)
	m := machine()
	m.Disks = r.disks("root", "data", "elsewhere")[:2]
	r.must(r.Ensure(within(t), m, 0))
	m.Disks[1].Path = filepath.Join(r.cfg.Dir, "elsewhere")
	r.must(r.Ensure(within(t), m, 0))
	if got, want := r.fake.qemu(guestID).has(), "d-data d-root disk-data disk-root sets=3"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestStartThatFailsIsRepeatable(t *testing.T) {
	r := newRig(t)
	m := machine()
	r.taps(&m, portA)
	broken := errors.New("no tap today")
	m.OpenTap = func(context.Context, string) (*os.File, error) { return nil, broken }
	if err := r.Ensure(within(t), m, 0); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	r.await(hostapi.GuestCrashed)
	r.taps(&m, portA)
	r.must(r.Ensure(within(t), m, 0))
	r.await(hostapi.GuestRunning)
}

func TestRefusedMachineLeavesNothing(t *testing.T) {
	r := newRig(t)
	m := machine()
	m.Disks = []agent.DiskFile{diskFile("root", "/nonexistent", "qcow2", 0)}
	if err := r.Ensure(within(t), m, 0); !fault.Has(err, fault.CodeQemuDiskUnusable) {
		t.Errorf("got %v", err)
	}
	m.Guest.Power = "sideways"
	if err := r.Ensure(within(t), m, 0); !fault.Has(err, fault.CodeQemuUnsupported) {
		t.Errorf("got %v", err)
	}
	if guests, err := r.Guests(within(t)); err != nil || len(guests) != 0 {
		t.Errorf("guests %v, %v", guests, err)
	}
	if left, err := os.ReadDir(r.run); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestUserIDsAreNotSharedAndRunOut(t *testing.T) {
	r := newRig(t)
	r.Driver.cfg.UIDCount = 2
	var uids []int
	for n := range 3 {
		m := machine()
		m.Guest.ID = fmt.Sprintf("00000000-0000-4000-8000-00000000000%d", n)
		err := r.Ensure(within(t), m, 0)
		if (err != nil) != (n == 2) {
			t.Fatalf("guest %d: %v", n, err)
		}
		if g, err := r.find(m.Guest.ID); err == nil {
			uids = append(uids, g.uid())
		}
	}
	if len(uids) != 2 || uids[0] == uids[1] {
		t.Errorf("user ids %v", uids)
	}
}

func TestRecordThatIsBrokenCostsOneGuestOnly(t *testing.T) {
	r := newRig(t)
	r.must(r.Ensure(within(t), machine(), 0))
	lost := r.fake.qemu(guestID)
	r.must(r.Close())
	r.Driver = nil
	r.must(os.WriteFile(filepath.Join(r.cfg.Dir, "run", guestID, recordName), []byte("{"), 0o600))
	r.reopen()
	r.await(hostapi.GuestCrashed)
	<-lost.gone()
	r.must(r.Ensure(within(t), machine(), 0))
	r.await(hostapi.GuestRunning)
}

func TestProcessThatSaysItEndsAndDoesNotIsKilled(t *testing.T) {
	r := newRig(t)
	r.must(r.Ensure(within(t), machine(), 0))
	q := r.fake.qemu(guestID)
	q.happen("running", "SHUTDOWN", object{"guest": false, "reason": "host-signal"})
	r.advanceUntil(q.gone())
	if g := r.await(hostapi.GuestCrashed); !strings.Contains(g.Reason, "host-signal") {
		t.Errorf("crashed because %s", g.Reason)
	}
}

func TestRestOfARemovalIsSwept(t *testing.T) {
	r := newRig(t)
	r.must(os.Mkdir(filepath.Join(r.run, guestID), 0o700)) // its record is gone already
	r.reopen()
	if left, err := os.ReadDir(r.run); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
