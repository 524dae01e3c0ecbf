package agent_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"altostack/agent"
	"altostack/driver/fakevm"
	"altostack/hostapi"
	"altostack/kernel/fault"
)

func TestBuildReportsEachStep(t *testing.T) {
	r := newRig(t)
	g := r.running(1)
	result := r.final(g.ID, 1)
	var got []string
	for _, s := range result.Spans {
		got = append(got, fmt.Sprint(s.Step, " ", s.Outcome))
		if s.Name == "" || s.Component == "" || s.Start.IsZero() || s.Duration < 0 {
			t.Errorf("step %d is %+v", s.Step, s)
		}
	}
	want := "13 ok,14 ok,15 ok,16 ok,17 ok,18 ok,19 ok,20 ok,21 ok,22 ok,23 ok,24 ok,25 ok,26 skipped,27 skipped,28 skipped,29 ok"
	if strings.Join(got, ",") != want {
		t.Errorf("steps\n got %s\nwant %s", strings.Join(got, ","), want)
	}
	if !result.Final || result.Host != "h1" || result.SagaID != "saga-"+g.ID {
		t.Errorf("result %+v", result)
	}
	r.left(whole(g)...)
	r.until("the port is reported up", func() bool { return r.up[g.NICs[0].PortID] })
	r.until("the guest is reported running", func() bool { return r.seen[g.ID].State == hostapi.GuestRunning && r.seen[g.ID].Generation == 1 })
}

func TestImageIsFetchedOnceAndAskedForEachTime(t *testing.T) {
	r := newRig(t)
	r.running(1)
	second := r.running(2)
	for _, s := range r.final(second.ID, 1).Spans {
		if s.Step == 22 && s.Attrs["cached"] != true {
			t.Errorf("the second build's image is not marked as cached: %+v", s)
		}
	}
	r.set(func() {
		if r.fetches != 1 {
			t.Errorf("the image was downloaded %d times", r.fetches)
		}
		r.deleted[second.Disks[0].Image.ID] = true
	})
	third := r.guest("h1", 3)
	r.build(third.ID, "s")
	if res := r.final(third.ID, 1); res.Code != string(fault.CodeAgentImageUnavailable) || res.Retry {
		t.Errorf("an image deleted since it was cached: %+v", res)
	}
}

func TestTrustedCacheAsksNobody(t *testing.T) {
	r := newRig(t, func(c *agent.Config) { c.TrustCache = true })
	g := r.running(1)
	r.set(func() { r.deleted[g.Disks[0].Image.ID] = true })
	g = r.running(2)
	for _, s := range r.final(g.ID, 1).Spans {
		if s.Step >= 20 && s.Step <= 22 && s.Attrs["cached"] != true {
			t.Errorf("step %d: %+v", s.Step, s)
		}
	}
}

func TestVolumesConnectionComesFromTheVolumeService(t *testing.T) {
	r := newRig(t)
	g := r.guest("h1", 1)
	g.Disks = append(g.Disks, hostapi.Disk{ID: "vol-v1", BootIndex: -1, SizeMiB: 10, Serial: "v1",
		Volume: &hostapi.VolumeConnection{VolumeID: "v1", AttachmentID: "a1"}})
	r.set(func() { r.guests[g.ID] = g })
	r.build(g.ID, "s")
	for _, s := range r.final(g.ID, 1).Spans {
		if s.Step >= 26 && s.Step <= 28 && s.Outcome != "ok" {
			t.Errorf("step %d: %+v", s.Step, s)
		}
	}
	want, _, ok := r.host.Guest(g.ID)
	if v := want.Disks[1].Volume; !ok || v == nil || v.Path != "/volumes/v1" || v.Format != "raw" || v.AttachmentID != "a1" {
		t.Errorf("the guest got volume %+v", v)
	}
	flat := r.guest("h1", 3)
	flat.Disks = []hostapi.Disk{{ID: "vol-v1", SizeMiB: 10, Volume: &hostapi.VolumeConnection{VolumeID: "v1", AttachmentID: "a2", Driver: "file", Path: "/told", Format: "raw"}}}
	r.set(func() {
		r.guests[flat.ID], r.info = flat, `{"driver_volume_type":"file","format":"raw","access_mode":"ro"}`
	})
	r.build(flat.ID, "s")
	r.final(flat.ID, 1)
	if want, _, ok := r.host.Guest(flat.ID); !ok || want.Disks[0].Volume.Path != "/told" || !want.Disks[0].Volume.ReadOnly {
		t.Errorf("the guest got volume %+v", want.Disks)
	}
	r.must(r.a.Remove(t.Context(), flat.ID))
	r.set(func() { r.info = "null" })
	h := r.guest("h1", 2)
	h.Disks = g.Disks
	r.set(func() { r.guests[h.ID] = h })
	r.build(h.ID, "s")
	if res := r.final(h.ID, 1); res.Code != string(fault.CodeAgentVolumeUnavailable) || res.Retry {
		t.Errorf("an attachment without a connection: %+v", res)
	}
	r.must(r.a.Remove(t.Context(), g.ID))
	r.left()
}

func TestRepeatedOrderIsAnsweredAndStartsNothing(t *testing.T) {
	r := newRig(t)
	g := r.running(1)
	_, before, _ := r.host.Guest(g.ID)
	r.build(g.ID, "saga-"+g.ID)
	again := r.final(g.ID, 2)
	if again.Code != "" || len(again.Spans) != 17 {
		t.Errorf("the repeated order's answer: %+v", again)
	}
	r.restart()
	r.build(g.ID, "saga-"+g.ID)
	if again := r.final(g.ID, 3); again.Code != "" || len(again.Spans) != 17 {
		t.Errorf("the order repeated after a restart: %+v", again)
	}
	if _, after, _ := r.host.Guest(g.ID); after.PID != before.PID {
		t.Error("the guest was started again")
	}
}

func TestFailedBuildLeavesNothing(t *testing.T) {
	corrupt := func(r *rig) { r.set(func() { r.images["c8b1a5e0-0000-4000-8000-000000000001"] = []byte("other") }) }
	fail := func(op string, err error) func(*rig) {
		return func(r *rig) {
			r.world.SetHook(func(_ context.Context, c fakevm.Call) error {
				if c.Op == op && !c.After {
					return err
				}
				return nil
			})
		}
	}
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		breaks func(*rig)
		code   fault.Code
		retry  bool
	}{
		"no room for the image":    {fail("Disks.Store", syscall.ENOSPC), fault.CodeAgentNoSpace, true},
		"no room for the disk":     {fail("Disks.Prepare", syscall.ENOSPC), fault.CodeAgentNoSpace, true},
		"disk cannot be made":      {fail("Disks.Prepare", broken), fault.CodeAgentDisksFailed, true},
		"hypervisor fails":         {fail("Hypervisor.Ensure", broken), fault.CodeAgentHypervisorFailed, true},
		"host's network fails":     {fail("Dataplane.Apply", broken), fault.CodeAgentWiringFailed, true},
		"image is not its digest":  {corrupt, fault.CodeAgentImageCorrupt, false},
		"port is gone":             {func(r *rig) { r.set(func() { r.lost["port-00000000-0000-4000-8000-000000000001"] = true }) }, fault.CodeAgentPortUnavailable, false},
		"guest is not wanted here": {func(r *rig) { r.set(func() { clear(r.guests) }) }, fault.CodeAgentGuestUnknown, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.until("the agent is there", func() bool { return len(r.hostsSeen) > 0 })
			g := r.guest("h1", 1)
			tt.breaks(r)
			r.build(g.ID, "s")
			res := r.final(g.ID, 1)
			if res.Code != string(tt.code) || res.Retry != tt.retry || res.Message == "" || strings.Contains(res.Message, "broken") || strings.Contains(res.Message, "h1") {
				t.Errorf("the build ended with %+v", res)
			}
			if n := len(res.Spans); n == 0 || res.Spans[n-1].Outcome == "running" {
				t.Errorf("spans %+v", res.Spans)
			}
			r.world.SetHook(nil)
			r.set(func() { clear(r.guests) })
			r.left()
		})
	}
}

func TestRemovalInterruptsABuild(t *testing.T) {
	for _, op := range []string{"Disks.Store", "Disks.Prepare", "Hypervisor.Ensure", "Dataplane.OpenTap"} {
		t.Run(op, func(t *testing.T) {
			r := newRig(t)
			gate := fakevm.NewGate()
			r.world.SetHook(fakevm.At(op, 1, false, gate.Wait))
			g := r.guest("h1", 1)
			r.build(g.ID, "s")
			<-gate.Reached
			r.must(r.a.Remove(t.Context(), g.ID))
			r.left()
			if res := r.final(g.ID, 1); res.Code != string(fault.CodeAgentBuildCanceled) || res.Retry {
				t.Errorf("the build ended with %+v", res)
			}
		})
	}
}

func TestSlowStepIsReportedWhileItRuns(t *testing.T) {
	r := newRig(t)
	gate := fakevm.NewGate()
	r.world.SetHook(fakevm.At("Hypervisor.Ensure", 1, false, gate.Wait))
	g := r.guest("h1", 1)
	r.build(g.ID, "s")
	r.until("step 29 is reported as running", func() bool {
		for _, b := range r.built {
			if n := len(b.Spans); !b.Final && n > 0 && b.Spans[n-1].Step == 29 && b.Spans[n-1].Outcome == "running" {
				return true
			}
		}
		return false
	})
	gate.Open()
	if res := r.final(g.ID, 1); res.Code != "" {
		t.Errorf("the build ended with %+v", res)
	}
}

func TestExpiredTokenIsRenewed(t *testing.T) {
	r := newRig(t)
	r.running(1)
	r.set(func() { r.token++ })
	r.running(2)
}

func TestManyBuildsShareOneApply(t *testing.T) {
	r := newRig(t)
	r.running(1000)
	gate, applies := fakevm.NewGate(), 0
	r.world.SetHook(func(ctx context.Context, c fakevm.Call) error {
		if c.Op != "Dataplane.Apply" || c.After {
			return nil
		}
		r.set(func() { applies++ })
		return gate.Wait(ctx, c)
	})
	const n = 50
	for i := range n {
		r.build(r.guest("h1", i).ID, "s")
	}
	<-gate.Reached
	gate.Open()
	for i := range n {
		if res := r.final(fmt.Sprintf("00000000-0000-4000-8000-%012d", i), 1); res.Code != "" {
			t.Fatalf("%+v", res)
		}
	}
	r.set(func() {
		if applies >= n {
			t.Errorf("%d builds took %d applies", n, applies)
		}
	})
}

// TestKilledAtEveryCall cuts the agent off before and after each call that a
// build makes of the host's drivers and records, and lets the next agent and
// the repeated order finish the work.
func TestKilledAtEveryCall(t *testing.T) {
	var calls []fakevm.Call
	r := newRig(t)
	r.until("the agent is there", func() bool { return len(r.hostsSeen) > 0 })
	r.world.SetHook(func(_ context.Context, c fakevm.Call) error {
		switch c.Op {
		case "Disks.Cached", "Disks.Store", "Disks.Prepare", "Hypervisor.Ensure", "Dataplane.Apply", "Dataplane.OpenTap", "Records.Save":
			r.set(func() { calls = append(calls, c) })
		}
		return nil
	})
	r.running(1)
	r.world.SetHook(nil)
	r.set(func() { calls = append([]fakevm.Call(nil), calls...) })
	if len(calls) < 12 {
		t.Fatalf("a build made only the calls %+v", calls)
	}
	for i, c := range calls {
		t.Run(fmt.Sprintf("%d-%s-after=%v", i, c.Op, c.After), func(t *testing.T) {
			r := newRig(t)
			r.until("the agent is there", func() bool { return len(r.hostsSeen) > 0 })
			cut := make(chan struct{})
			r.world.SetHook(fakevm.At(c.Op, 1, c.After, func(context.Context, fakevm.Call) error {
				defer close(cut)
				r.host.Open().Cut()
				return fakevm.ErrCut
			}))
			g := r.guest("h1", 1)
			r.build(g.ID, "s")
			<-cut
			r.world.SetHook(nil)
			r.restart()
			r.build(g.ID, "s")
			r.until("the guest is built", func() bool {
				for _, b := range r.built {
					if b.GuestID == g.ID && b.Final && b.Code == "" {
						return true
					}
				}
				return false
			})
			r.left(whole(g)...)
			r.must(r.a.Remove(t.Context(), g.ID))
			r.set(func() { clear(r.guests) })
			r.left()
		})
	}
}
