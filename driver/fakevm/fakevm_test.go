package fakevm

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"altostack/agent"
	"altostack/agent/agenttest"
	"altostack/hostapi"
	"altostack/kernel/clock"
)

func newHost() *Host { return NewWorld(clock.Real{}, Size{}).Host("h1") }

func TestHypervisor(t *testing.T) {
	agenttest.RunHypervisor(t, func(t *testing.T) agenttest.HypervisorBed {
		h := newHost()
		return agenttest.HypervisorBed{
			Open: func(*testing.T) agent.Hypervisor { return h.Open().Hypervisor() },
			Machine: func(_ *testing.T, id string) agent.Machine {
				return agent.Machine{Disks: []agent.DiskFile{{ID: "root", Path: "/x", Format: "raw"}},
					Guest: hostapi.Guest{ID: id, Power: hostapi.PowerOn, VCPUs: 2, MemoryMiB: 64, Hostname: "x",
						Disks: []hostapi.Disk{{ID: "root", SizeMiB: 1, Blank: true}}}}
			},
			Extra: func(_ *testing.T, _, diskID string) (hostapi.Disk, agent.DiskFile) {
				return hostapi.Disk{ID: diskID, SizeMiB: 1, BootIndex: -1, Blank: true}, agent.DiskFile{ID: diskID, Path: "/y", Format: "raw", BootIndex: -1}
			},
			Kill: func(_ *testing.T, id string) { h.Crash(id, "killed by the test") },
			Left: func(*testing.T) []string { return h.Left() },
		}
	})
}

func TestDataplane(t *testing.T) {
	agenttest.RunDataplane(t, func(t *testing.T) agenttest.DataplaneBed {
		h := newHost()
		return agenttest.DataplaneBed{
			Open:  func(*testing.T) agent.Dataplane { return h.Open().Dataplane() },
			Break: func(*testing.T) { h.Break() },
			Left:  func(*testing.T) []string { return h.Left() },
		}
	})
}

func TestDisks(t *testing.T) {
	agenttest.RunDisks(t, func(t *testing.T) agenttest.DisksBed {
		h := newHost()
		return agenttest.DisksBed{
			Open: func(*testing.T) agent.Disks { return h.Open().Disks() },
			Left: func(*testing.T) []string { return h.Left() },
		}
	})
}

func TestCutSessionCanDoNothing(t *testing.T) {
	h := newHost()
	old := h.Open()
	if err := old.Records().Save("a", []byte("1")); err != nil {
		t.Fatal(err)
	}
	next := h.Open()
	if err := old.Records().Save("a", []byte("2")); err == nil {
		t.Error("a session that was cut off still writes")
	}
	all, err := next.Records().All()
	if err != nil || string(all["a"]) != "1" {
		t.Errorf("the next session reads %q, %v", all, err)
	}
}

func TestChaosIsReproducible(t *testing.T) {
	run := func(seed uint64) []bool {
		w := NewWorld(clock.Real{}, Size{})
		w.SetHook(Chaos(seed, 4))
		d := w.Host("h").Open().Disks()
		var failed []bool
		for range 100 {
			_, err := d.Guests(t.Context())
			failed = append(failed, err != nil)
		}
		return failed
	}
	if !slices.Equal(run(7), run(7)) {
		t.Error("the same seed fails other calls")
	}
	if slices.Equal(run(7), run(8)) {
		t.Error("another seed fails the same calls")
	}
	if !slices.Contains(run(7), true) || !slices.Contains(run(7), false) {
		t.Error("one in four calls should fail")
	}
}

func TestConsoleHasAPrompt(t *testing.T) {
	h := newHost()
	v := h.Open().Hypervisor()
	m := agent.Machine{Guest: hostapi.Guest{ID: "g", Hostname: "web", Power: hostapi.PowerOn}}
	if err := v.Ensure(t.Context(), m, 0); err != nil {
		t.Fatal(err)
	}
	log, err := v.Console(t.Context(), "g", 1<<20)
	if err != nil || !strings.HasSuffix(string(log), "web login: ") {
		t.Errorf("the log is %q, %v", log, err)
	}
	c, err := v.Dial(t.Context(), "g", hostapi.ConsoleSerial)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 5)
	if _, err := c.Read(b); err != nil || string(b) != "hello" {
		t.Errorf("the console echoes %q, %v", b, err)
	}
	h.Crash("g", "test")
	if _, err := c.Read(b); err == nil {
		t.Error("the console of a guest that crashed still answers")
	}
}

func TestHooksCutAndDelay(t *testing.T) {
	now := clock.NewVirtual(time.Unix(0, 0))
	w := NewWorld(now, Size{})
	s := w.Host("h").Open()
	w.SetHook(Chain(At("Disks.Guests", 1, false, w.Delay(time.Minute)), At("Disks.Guests", 2, true, w.Cut)))
	done := make(chan error, 1)
	go func() { _, err := s.Disks().Guests(t.Context()); done <- err }()
	for waiting := true; waiting; {
		now.Advance(time.Minute)
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			waiting = false
		default:
			runtime.Gosched()
		}
	}
	for range 2 {
		if _, err := s.Disks().Guests(t.Context()); !errors.Is(err, ErrCut) {
			t.Errorf("after the cut: %v", err)
		}
	}
}
