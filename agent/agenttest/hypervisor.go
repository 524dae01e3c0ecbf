// Package agenttest holds what every driver of an agent has to pass: one suite
// for each interface that package agent declares. A suite says the contract in
// tests, so that a driver's own test is a few lines that make a bed for it.
//
// A bed is one host: its Open may be called again and again, as an agent that
// restarts would, and finds what the last one left. Left lists what the driver
// has on the host (processes, files, taps, tables), so that leaks are found.
package agenttest

import (
	"bytes"
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"altostack/agent"
	"altostack/hostapi"
)

// HypervisorBed is a host for [RunHypervisor].
type HypervisorBed struct {
	// Open opens the driver. It is called again within a test, without a Close
	// in between, as after kill -9.
	Open func(t *testing.T) agent.Hypervisor
	// Machine describes a guest with one disk that is there, powered on. Its
	// disk need not boot.
	Machine func(t *testing.T, id string) agent.Machine
	// Extra answers one more disk of the guest, with the given id, to be plugged.
	Extra func(t *testing.T, guestID, diskID string) (hostapi.Disk, agent.DiskFile)
	// Kill ends the guest's process behind the driver's back.
	Kill func(t *testing.T, guestID string)
	// Left lists what there is on the host of the driver's making.
	Left func(t *testing.T) []string
	// Patience bounds waiting for what happens by itself; 0 is 10 s.
	Patience time.Duration
}

// RunHypervisor tests the contract of [agent.Hypervisor].
func RunHypervisor(t *testing.T, newBed func(t *testing.T) HypervisorBed) {
	tests := map[string]func(b *hypervisorTest, t *testing.T){
		"AbsenceIsSuccess":           (*hypervisorTest).absence,
		"EnsureStartsOnce":           (*hypervisorTest).startsOnce,
		"ReopeningAdopts":            (*hypervisorTest).adopts,
		"PausesAndResumes":           (*hypervisorTest).pauses,
		"PlugsWhileRunning":          (*hypervisorTest).plugs,
		"PowersOffAndOn":             (*hypervisorTest).powers,
		"CrashIsReportedAndRepaired": (*hypervisorTest).crashes,
		"ResetKeepsTheProcess":       (*hypervisorTest).resets,
		"ShutdownTellsTheTruth":      (*hypervisorTest).shutsDown,
		"ConsolesAndCounters":        (*hypervisorTest).inspects,
		"CopiesADisk":                (*hypervisorTest).copies,
		"CanceledChangesNothing":     (*hypervisorTest).canceled,
		"ManyGuestsAtOnce":           (*hypervisorTest).many,
		"DescribesTheHost":           (*hypervisorTest).describes,
	}
	for name, f := range tests {
		t.Run(name, func(t *testing.T) {
			b := &hypervisorTest{HypervisorBed: newBed(t), t: t}
			if b.Patience == 0 {
				b.Patience = 10 * time.Second
			}
			before := b.Left(t)
			b.h = b.Open(t)
			f(b, t)
			for _, g := range b.guests() {
				b.must(b.h.Remove(t.Context(), g.ID))
			}
			if after := b.Left(t); !slices.Equal(before, after) {
				t.Errorf("left behind: %q; before there was %q", after, before)
			}
		})
	}
}

const guestID = "6f0bd2d4-4f1b-4d5c-8f5e-0a1b2c3d4e5f"

type hypervisorTest struct {
	HypervisorBed
	t *testing.T
	h agent.Hypervisor
}

func (b *hypervisorTest) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *hypervisorTest) guests() []hostapi.SeenGuest {
	b.t.Helper()
	guests, err := b.h.Guests(b.t.Context())
	b.must(err)
	return guests
}

func (b *hypervisorTest) guest(id string) hostapi.SeenGuest {
	b.t.Helper()
	for _, g := range b.guests() {
		if g.ID == id {
			return g
		}
	}
	b.t.Fatalf("guest %s is not listed", id)
	return hostapi.SeenGuest{}
}

// become waits until the guest has a state, watching Changed.
func (b *hypervisorTest) become(id string, state hostapi.GuestState) hostapi.SeenGuest {
	b.t.Helper()
	deadline := time.After(b.Patience)
	for {
		g := b.guest(id)
		if g.State == state {
			return g
		}
		select {
		case <-b.h.Changed():
		case <-deadline:
			b.t.Fatalf("guest %s is %s (%s), not %s, and nothing more is signalled", id, g.State, g.Reason, state)
		}
	}
}

// ensure converges and answers what is seen then.
func (b *hypervisorTest) ensure(m agent.Machine) hostapi.SeenGuest {
	b.t.Helper()
	b.must(b.h.Ensure(b.t.Context(), m, time.Second))
	return b.guest(m.Guest.ID)
}

func (b *hypervisorTest) start() (agent.Machine, hostapi.SeenGuest) {
	b.t.Helper()
	m := b.Machine(b.t, guestID)
	m.Guest.Generation = 3
	g := b.ensure(m)
	if g.State != hostapi.GuestRunning || g.Generation != 3 || g.PID == 0 || g.Since.IsZero() {
		b.t.Fatalf("after Ensure the guest is %+v; wanted: running, generation 3, with a process and a time", g)
	}
	return m, g
}

func (b *hypervisorTest) absence(t *testing.T) {
	for range 2 {
		b.must(b.h.Remove(t.Context(), guestID))
	}
	if g := b.guests(); len(g) != 0 {
		t.Errorf("an empty host lists %+v", g)
	}
	if err := b.h.Reset(t.Context(), guestID); err == nil {
		t.Error("a guest that is not there was reset")
	}
	if c, err := b.h.Dial(t.Context(), guestID, hostapi.ConsoleSerial); err == nil {
		t.Errorf("the console of a guest that is not there opened: %v", c.Close())
	}
}

func (b *hypervisorTest) startsOnce(t *testing.T) {
	m, first := b.start()
	for range 2 {
		if again := b.ensure(m); again.PID != first.PID {
			t.Fatalf("Ensure of a guest that matches made process %d out of %d", again.PID, first.PID)
		}
	}
	b.must(b.h.Remove(t.Context(), guestID))
	b.must(b.h.Remove(t.Context(), guestID))
	if g := b.guests(); len(g) != 0 {
		t.Errorf("after Remove there is %+v", g)
	}
}

func (b *hypervisorTest) adopts(t *testing.T) {
	m, first := b.start()
	b.h = b.Open(t)
	if g := b.guest(guestID); g.State != hostapi.GuestRunning || g.PID != first.PID || g.Generation != 3 {
		t.Fatalf("a driver opened anew sees %+v, the last one saw %+v", g, first)
	}
	if g := b.ensure(m); g.PID != first.PID {
		t.Errorf("Ensure after reopening made process %d out of %d", g.PID, first.PID)
	}
	b.Kill(t, guestID)
	b.become(guestID, hostapi.GuestCrashed) // an adopted guest is watched too
}

func (b *hypervisorTest) pauses(t *testing.T) {
	m, first := b.start()
	for range 2 {
		m.Guest.Power = hostapi.PowerPaused
		if g := b.ensure(m); g.State != hostapi.GuestPaused || g.PID != first.PID {
			t.Fatalf("asked to pause, it is %+v", g)
		}
	}
	m.Guest.Power = hostapi.PowerOn
	if g := b.ensure(m); g.State != hostapi.GuestRunning || g.PID != first.PID {
		t.Errorf("asked to go on, it is %+v", g)
	}
}

func (b *hypervisorTest) plugs(t *testing.T) {
	m, first := b.start()
	bare := m
	disk, file := b.Extra(t, guestID, "vol-1")
	m.Guest.Disks = append(slices.Clone(m.Guest.Disks), disk)
	m.Disks = append(slices.Clone(m.Disks), file)
	for range 2 {
		if g := b.ensure(m); g.PID != first.PID {
			t.Fatal("plugging a disk started the guest anew")
		}
	}
	d, err := b.h.Diagnostics(t.Context(), guestID)
	b.must(err)
	if len(d.Disks) != len(m.Guest.Disks) {
		t.Errorf("after plugging the guest has %d disks, wanted %d", len(d.Disks), len(m.Guest.Disks))
	}
	b.h = b.Open(t) // a driver that was not there when it was plugged can unplug it
	if g := b.ensure(bare); g.PID != first.PID {
		t.Fatal("unplugging a disk started the guest anew")
	}
}

func (b *hypervisorTest) powers(t *testing.T) {
	m, _ := b.start()
	m.Guest.Power, m.Guest.Generation = hostapi.PowerOff, 4
	for range 2 {
		if g := b.ensure(m); g.State != hostapi.GuestStopped || g.PID != 0 || g.Generation != 4 {
			t.Fatalf("asked to power off, it is %+v", g)
		}
	}
	b.h = b.Open(t)
	if g := b.guest(guestID); g.State != hostapi.GuestStopped {
		t.Errorf("after reopening the guest that is off is %+v", g)
	}
	m.Guest.Power = hostapi.PowerOn
	if g := b.ensure(m); g.State != hostapi.GuestRunning {
		t.Errorf("asked to power on, it is %+v", g)
	}
}

func (b *hypervisorTest) crashes(t *testing.T) {
	m, first := b.start()
	b.Kill(t, guestID)
	if g := b.become(guestID, hostapi.GuestCrashed); g.Reason == "" || g.PID != 0 {
		t.Errorf("a crash is reported as %+v, without a reason or with a process", g)
	}
	if g := b.ensure(m); g.State != hostapi.GuestRunning || g.PID == first.PID {
		t.Errorf("Ensure after a crash made %+v", g)
	}
}

func (b *hypervisorTest) resets(t *testing.T) {
	_, first := b.start()
	b.must(b.h.Reset(t.Context(), guestID))
	if g := b.guest(guestID); g.State != hostapi.GuestRunning || g.PID != first.PID {
		t.Errorf("after Reset the guest is %+v, before %+v", g, first)
	}
}

func (b *hypervisorTest) shutsDown(t *testing.T) {
	m, _ := b.start()
	down, err := b.h.Shutdown(t.Context(), guestID, time.Second)
	b.must(err)
	if g := b.guest(guestID); down != (g.State == hostapi.GuestStopped) || !down && g.State != hostapi.GuestRunning {
		t.Errorf("Shutdown says down: %v, and the guest is %+v", down, g)
	}
	m.Guest.Power = hostapi.PowerOff
	b.ensure(m)
	if down, err := b.h.Shutdown(t.Context(), guestID, time.Second); err != nil || !down {
		t.Errorf("Shutdown of a guest that is down: %v, %v", down, err)
	}
}

func (b *hypervisorTest) inspects(t *testing.T) {
	m, _ := b.start()
	log, err := b.h.Console(t.Context(), guestID, 10)
	b.must(err)
	if len(log) > 10 {
		t.Errorf("asked for 10 bytes of the log, %d came", len(log))
	}
	for _, kind := range []hostapi.ConsoleKind{hostapi.ConsoleSerial, hostapi.ConsoleVNC} {
		for range 2 { // a console closed can be opened again
			c, err := b.h.Dial(t.Context(), guestID, kind)
			b.must(err)
			if kind == hostapi.ConsoleVNC {
				greeting := make([]byte, 4)
				if _, err := c.Read(greeting); err != nil || !bytes.Equal(greeting, []byte("RFB ")) {
					t.Errorf("the VNC console says %q, %v", greeting, err)
				}
			}
			b.must(c.Close())
		}
	}
	d, err := b.h.Diagnostics(t.Context(), guestID)
	b.must(err)
	if d.State != hostapi.GuestRunning || len(d.CPUTime) != m.Guest.VCPUs || len(d.Disks) != len(m.Guest.Disks) {
		t.Errorf("diagnostics: %+v", d)
	}
	if err := b.h.ResizeDisk(t.Context(), guestID, "nope", 5); err == nil {
		t.Error("a disk that is not there was resized")
	}
}

func (b *hypervisorTest) copies(t *testing.T) {
	m, first := b.start()
	running := filepath.Join(t.TempDir(), "running.qcow2")
	b.must(b.h.CopyDisk(t.Context(), guestID, m.Disks[0], running))
	if g := b.guest(guestID); g.State != hostapi.GuestRunning || g.PID != first.PID {
		t.Errorf("after copying a disk the guest is %+v", g)
	}
	m.Guest.Power = hostapi.PowerOff
	b.ensure(m)
	stopped := filepath.Join(t.TempDir(), "stopped.qcow2")
	b.must(b.h.CopyDisk(t.Context(), guestID, m.Disks[0], stopped))
	for _, path := range []string{running, stopped} {
		isQCOW2(t, path)
	}
}

func (b *hypervisorTest) canceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.h.Ensure(ctx, b.Machine(t, guestID), time.Second); err == nil {
		t.Error("Ensure with a context that is over succeeded")
	}
	for _, g := range b.guests() {
		if g.State == hostapi.GuestRunning {
			t.Errorf("Ensure with a context that is over started %+v", g)
		}
	}
}

func (b *hypervisorTest) many(t *testing.T) {
	ids := []string{"00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002", "00000000-0000-4000-8000-000000000003"}
	done := make(chan error, len(ids))
	for _, id := range ids {
		m := b.Machine(t, id)
		go func() { done <- b.h.Ensure(t.Context(), m, time.Second) }()
	}
	for range ids {
		b.must(<-done)
	}
	for _, id := range ids {
		if g := b.guest(id); g.State != hostapi.GuestRunning {
			t.Errorf("of guests started together one is %+v", g)
		}
	}
	for _, id := range ids {
		go func() { done <- b.h.Remove(t.Context(), id) }()
	}
	for range ids {
		b.must(<-done)
	}
}

func (b *hypervisorTest) describes(t *testing.T) {
	h, err := b.h.Describe(t.Context())
	b.must(err)
	if h.HypervisorType == "" || h.HypervisorVer <= 0 || h.Accelerator == "" || h.VCPUs <= 0 || h.MemoryMiB <= 0 {
		t.Errorf("the host describes itself as %+v", h)
	}
}
