package agent_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"altostack/agent"
	"altostack/driver/fakevm"
	"altostack/hostapi"
	"altostack/kernel/clock"
	"altostack/kernel/fault"
)

func TestAgentAdoptsWhileControlIsAway(t *testing.T) {
	r := newRig(t)
	g := r.running(1)
	r.until("the wiring is stored", func() bool { return len(r.hostsSeen) > 0 })
	r.must(r.a.Close())
	_, before, _ := r.host.Guest(g.ID)
	r.set(func() { r.away = true })
	r.restart()
	if _, now, ok := r.host.Guest(g.ID); !ok || now != before {
		t.Errorf("the guest was %+v and is %+v", before, now)
	}
	res := r.get("net", address(g, 0).String()+":1", "GET", "/openstack", "")
	if res.StatusCode != http.StatusOK {
		t.Errorf("metadata while control is away: %s", res.Status)
	}
	r.host.Break()
	r.until("the wiring is mended without control", func() bool { return slices.Contains(r.host.Left(), "port "+g.NICs[0].PortID) })
	r.set(func() { r.away = false; clear(r.seen); clear(r.up) })
	r.until("everything is reported again", func() bool {
		return r.seen[g.ID].State == hostapi.GuestRunning && r.up[g.NICs[0].PortID]
	})
}

func TestDriftIsMended(t *testing.T) {
	r := newRig(t)
	g := r.running(1)
	for range 3 {
		r.host.Break()
		r.left(whole(g)...)
	}
}

func TestRewireFetchesWhatChanged(t *testing.T) {
	r := newRig(t)
	g := r.running(1)
	r.set(func() { delete(r.hosts, g.ID) })
	r.must(r.a.Rewire(t.Context(), []string{g.NICs[0].PortID}))
	r.until("the port left", func() bool { return !r.up[g.NICs[0].PortID] })
	r.set(func() { r.hosts[g.ID] = "h1" })
	r.must(r.a.Rewire(t.Context(), nil))
	r.left(whole(g)...)
}

func TestCrashIsReportedAtOnce(t *testing.T) {
	r := newRig(t, func(c *agent.Config) { c.Every.Observe = time.Hour })
	g := r.running(1)
	r.host.Crash(g.ID, "out of memory")
	r.until("the crash is reported", func() bool {
		return r.seen[g.ID].State == hostapi.GuestCrashed && r.seen[g.ID].Reason == "out of memory"
	})
	r.must(r.a.Converge(t.Context(), g, hostapi.ConvergeOptions{}))
	r.until("the guest is reported running", func() bool { return r.seen[g.ID].State == hostapi.GuestRunning })
}

func TestMachinesRebootResumesItsGuests(t *testing.T) {
	for _, resume := range []bool{true, false} {
		t.Run(fmt.Sprint(resume), func(t *testing.T) {
			r := newRig(t, func(c *agent.Config) { c.ResumeGuests = resume })
			on, off := r.running(1), r.running(2)
			off.Power, off.Generation = hostapi.PowerOff, 2
			r.must(r.a.Converge(t.Context(), off, hostapi.ConvergeOptions{}))
			r.must(r.a.Close())
			r.set(func() { clear(r.seen) })
			r.host.Reboot()
			r.start()
			want := hostapi.GuestStopped
			if resume {
				want = hostapi.GuestRunning
			}
			r.until("both are reported", func() bool {
				return r.seen[on.ID].State == want && r.seen[off.ID].State == hostapi.GuestStopped
			})
		})
	}
}

func TestSweepRemovesOnlyWhatControlDisowns(t *testing.T) {
	r := newRig(t)
	kept, stray := r.running(1), r.running(2)
	r.must(r.a.Close())

	// Control is away: nothing is removed.
	r.set(func() { r.away = true; delete(r.guests, stray.ID) })
	swept := make(chan struct{})
	var once sync.Once
	r.world.SetHook(func(_ context.Context, c fakevm.Call) error {
		if c.Op == "Hypervisor.Remove" || c.Op == "Disks.Remove" {
			once.Do(func() { close(swept) })
		}
		return nil
	})
	r.restart()
	r.host.Break()
	r.until("a round goes by", func() bool { return slices.Contains(r.host.Left(), "port "+kept.NICs[0].PortID) })
	select {
	case <-swept:
		t.Fatal("a guest was removed while control was away")
	default:
	}
	r.set(func() { r.away = false })
	<-swept
	r.left(whole(kept)...)
}

func TestLostRecordIsAdopted(t *testing.T) {
	r := newRig(t)
	g := r.running(1)
	r.must(r.a.Close())
	s := r.host.Open()
	r.must(s.Records().Delete("guest-" + g.ID))
	r.start()
	r.left(whole(g)...)
	if res := r.get("net", address(g, 0).String()+":1", "GET", "/openstack", ""); res.StatusCode != http.StatusOK {
		t.Errorf("metadata: %s", res.Status)
	}
}

func TestLostWiringIsNotTakenForNone(t *testing.T) {
	r := newRig(t)
	g := r.running(1)
	r.must(r.a.Close())
	s := r.host.Open()
	r.must(s.Records().Save("network", []byte("torn")))
	r.set(func() { r.away = true })
	applied := make(chan struct{})
	var once sync.Once
	looked := make(chan struct{}, 1)
	r.world.SetHook(func(_ context.Context, c fakevm.Call) error {
		switch c.Op {
		case "Dataplane.Apply":
			once.Do(func() { close(applied) })
		case "Hypervisor.Guests":
			select {
			case looked <- struct{}{}:
			default:
			}
		}
		return nil
	})
	r.start()
	for range 5 {
		<-looked
	}
	select {
	case <-applied:
		t.Error("wiring was applied by an agent that knows of none, under a running guest")
	default:
	}
	r.set(func() { r.away = false })
	<-applied
	r.left(whole(g)...)
}

func TestFilesKeepRecordsOverTornWrites(t *testing.T) {
	dir := t.TempDir()
	f, err := agent.OpenRecords(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []string{"1", "2"} {
		if err := f.Save("guest-a", []byte(v)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := f.Delete("guest-b"); err != nil {
			t.Fatal(err)
		}
	}
	all, err := f.All()
	if err != nil || len(all) != 1 || string(all["guest-a"]) != "2" {
		t.Errorf("read back: %q, %v", all, err)
	}
}

// scaleHosts is how many hosts [TestThousandHosts] has.
var scaleHosts = 1000

// TestThousandHosts builds ten guests on each of a thousand hosts in this one
// process, and removes them again.
func TestThousandHosts(t *testing.T) {
	const guests = 10
	hosts := scaleHosts
	c := newCloud(t)
	world := fakevm.NewWorld(clock.Real{}, fakevm.Size{})
	agents := make([]*agent.Agent, hosts)
	for i := range agents {
		name := fmt.Sprintf("h%d", i)
		s := world.Host(name).Open()
		a, err := agent.New(agent.Config{Host: name, Conductor: c, Hypervisor: s.Hypervisor(), Dataplane: s.Dataplane(), Disks: s.Disks(),
			Records: s.Records(), HTTP: &http.Client{Transport: c}, Endpoints: agent.Endpoints{Image: "http://api/image", Network: "http://api/network"}})
		if err == nil {
			err = a.Start(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		}()
		agents[i] = a
	}
	start := time.Now()
	for n := range hosts * guests {
		g := c.guest(fmt.Sprintf("h%d", n%hosts), n)
		if err := agents[n%hosts].Build(t.Context(), hostapi.BuildOrder{GuestID: g.ID, SagaID: "s"}); err != nil {
			t.Fatal(err)
		}
	}
	looked, ended := 0, 0
	c.until("all are built", func() bool {
		for _, b := range c.built[looked:] {
			if b.Code != "" {
				t.Fatalf("%+v", b)
			}
			if b.Final {
				ended++
			}
		}
		looked = len(c.built)
		return ended == hosts*guests
	})
	t.Logf("%d guests on %d hosts took %s", hosts*guests, hosts, time.Since(start))
}

func TestNewRefusesWhatIsMissing(t *testing.T) {
	if _, err := agent.New(agent.Config{Host: "h"}); err == nil {
		t.Error("an agent without a conductor was made")
	}
	s := fakevm.NewWorld(clock.Real{}, fakevm.Size{}).Host("h").Open()
	_, err := agent.New(agent.Config{Host: "h", Conductor: newCloud(t), Hypervisor: s.Hypervisor(), Dataplane: s.Dataplane(), Disks: s.Disks()})
	if err == nil || fault.KindOf(err) != fault.Internal {
		t.Errorf("an agent without a place for its records: %v", err)
	}
}

// TestChaos fails one call in eight, from a seed, while guests are built,
// changed and removed, and kills the agent in between. When the faults end, the
// host converges on what control wants, and then on nothing.
func TestChaos(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := newRig(t)
			r.world.SetHook(fakevm.Chaos(seed, 8))
			const n = 8
			var guests []hostapi.Guest
			for i := range n {
				guests = append(guests, r.guest("h1", i))
			}
			for round := range 3 {
				for _, g := range guests {
					r.build(g.ID, fmt.Sprint("saga-", round))
				}
				for i, g := range guests {
					if i%4 == round {
						_ = r.a.Remove(t.Context(), g.ID) // may fail, as anything may
					} else if i%4 == 3 {
						_ = r.a.Converge(t.Context(), g, hostapi.ConvergeOptions{}) // likewise
					}
				}
				if round == 1 {
					r.tryRestart()
				}
			}
			r.world.SetHook(nil)
			var want []string
			for _, g := range guests {
				r.must(r.a.Converge(t.Context(), g, hostapi.ConvergeOptions{}))
				want = append(want, whole(g)...)
			}
			r.left(want...)
			r.set(func() { clear(r.guests) })
			r.left() // the sweep alone does it
		})
	}
}

// tryRestart kills the agent and starts the next one, which may take a few
// attempts while calls fail.
func (r *rig) tryRestart() {
	r.t.Helper()
	r.host.Open().Cut()
	_ = r.a.Close() // it was cut off
	for range 100 {
		s := r.host.Open()
		r.cfg.Hypervisor, r.cfg.Dataplane, r.cfg.Disks, r.cfg.Records = s.Hypervisor(), s.Dataplane(), s.Disks(), s.Records()
		a, err := agent.New(r.cfg)
		if err == nil {
			r.a = a
			r.must(a.Start(r.t.Context()))
			return
		}
	}
	r.t.Fatal("no agent started in a hundred attempts")
}
