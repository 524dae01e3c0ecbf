package flow_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"altostack/compute"
	"altostack/compute/computetest"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/saga"
)

const nothing = "0 claims, 0 ports, 0 attachments, 0 guests"

func wantStatus(t *testing.T, s compute.Server, status string) {
	t.Helper()
	if s.Status() != status || s.Task != compute.TaskNone {
		t.Fatalf("server is %s (%s), want %s; fault %+v", s.Status(), s.Task, status, s.Fault)
	}
}

func TestBootAndDelete(t *testing.T) {
	c := computetest.Open(t, computetest.New("host1"))
	s := c.Boot(t, nil)
	wantStatus(t, s, "ACTIVE")
	if got := c.Left(); got != "1 claims, 1 ports, 0 attachments, 1 guests" {
		t.Errorf("a booted server owns %s", got)
	}
	trace, err := c.Service.Trace(context.Background(), computetest.Scope(), s.ID, false)
	if err != nil {
		t.Fatal(err)
	}
	var numbers []int
	for _, step := range trace.Steps {
		if step.Outcome != "ok" {
			t.Errorf("step %d is %s", step.Number, step.Outcome)
		}
		numbers = append(numbers, step.Number)
	}
	if len(numbers) != 26 || trace.Outcome != saga.Done { // 26 to 28 only with volumes
		t.Errorf("trace has steps %v, outcome %s", numbers, trace.Outcome)
	}
	if err := c.Service.Delete(context.Background(), computetest.Scope(), s.ID); err != nil {
		t.Fatal(err)
	}
	c.Settle(t, s.ID)
	if got := c.Left(); got != nothing {
		t.Errorf("a deleted server left %s", got)
	}
	if s = c.Server(t, s.ID); !s.Deleted || s.Status() != "DELETED" {
		t.Errorf("server is %s", s.Status())
	}
	used, err := c.Service.Store.Usage(context.Background(), c.DB, computetest.Project)
	if err != nil || used != (compute.Usage{}) {
		t.Errorf("quota used %+v, %v", used, err)
	}
	acts, err := c.Service.Store.Actions(context.Background(), c.DB, s.ID)
	if err != nil || len(acts) != 2 || acts[0].Name != "delete" || acts[0].Events[0].Result != "Success" || acts[1].Events[0].Name != "compute__do_build_and_run_instance" {
		t.Errorf("actions %+v, %v", acts, err)
	}
}

func TestNoValidHost(t *testing.T) {
	w := computetest.New("host1")
	c := computetest.Open(t, w)
	w.Room["host1"] = 0
	s := c.Boot(t, nil)
	wantStatus(t, s, "ERROR")
	if !strings.HasPrefix(s.Fault.Message, "No valid host was found.") || !strings.Contains(s.Fault.Details, "host1: it has no room") {
		t.Errorf("fault %+v", s.Fault)
	}
	if got := c.Left(); got != nothing {
		t.Errorf("left %s", got)
	}
}

// TestElsewhere: a host that fails for a reason of its own gives way to others.
func TestElsewhere(t *testing.T) {
	w := computetest.New("bad1", "bad2", "good")
	c := computetest.Open(t, w)
	w.Fail = func(call string) error {
		if call == "bad1 build" || call == "bad2 build" {
			return computetest.Retry{Cause: fault.New(fault.CodeAgentNoSpace, "The disk is full.")}
		}
		return nil
	}
	s := c.Boot(t, nil)
	wantStatus(t, s, "ACTIVE")
	if s.Host != "good" {
		t.Errorf("server is on %s", s.Host)
	}
	if got := c.Left(); got != "1 claims, 1 ports, 0 attachments, 1 guests" {
		t.Errorf("left %s", got)
	}
}

func withVolume(c *compute.Create) {
	c.ImageID = ""
	c.Disks = []compute.Disk{{Source: "image", SourceID: computetest.ImageID, Destination: "volume", BootIndex: 0, SizeGiB: 1, DeleteOnTermination: true}}
}

// TestEachFailure: whatever fails for good, the server is in ERROR with the
// cause, and nothing is left.
func TestEachFailure(t *testing.T) {
	for _, call := range []string{"placement candidates", "placement claim", "network allocate", "volume create", "volume reserve", "volume connect", "host1 build"} {
		t.Run(call, func(t *testing.T) {
			w := computetest.New("host1")
			c := computetest.Open(t, w)
			w.Fail = func(at string) error {
				if at == call {
					return fault.New(fault.CodeAgentImageCorrupt, "It is broken.")
				}
				return nil
			}
			s := c.Boot(t, withVolume)
			wantStatus(t, s, "ERROR")
			if s.Fault == nil || !strings.Contains(s.Fault.Message, "It is broken.") {
				t.Errorf("fault %+v", s.Fault)
			}
			if got := c.Left(); got != nothing || len(w.Volumes) != 0 {
				t.Errorf("left %s, %d volumes", got, len(w.Volumes))
			}
			w.Fail = nil
			if err := c.Service.Delete(context.Background(), computetest.Scope(), s.ID); err != nil {
				t.Fatal(err)
			}
			c.Settle(t, s.ID)
			if s = c.Server(t, s.ID); !s.Deleted {
				t.Errorf("server is %s", s.Status())
			}
		})
	}
}

// TestKill kills the process at every point of a boot and of a delete, and
// starts another one: the boot still ends, and so does the delete.
func TestKill(t *testing.T) {
	for n := 0; ; n++ {
		w := computetest.New("host1")
		c := computetest.Open(t, w)
		c.Close()
		points, killed := 0, false
		killer := func(p saga.Point) error {
			points++
			if points == n+1 {
				killed = true
				return saga.ErrKilled
			}
			return nil
		}
		c = computetest.Start(t, c.DB, w, killer)
		made, err := c.Service.Create(context.Background(), computetest.Scope(), func() compute.Create {
			want := compute.Create{Name: "one", FlavorID: computetest.FlavorID, Min: 1, Max: 1}
			withVolume(&want)
			return want
		}())
		if err != nil {
			t.Fatal(err)
		}
		id := made.Servers[0].ID
		c.Settle(t, id)
		c = restart(t, c, w, killer)
		c.Settle(t, id)
		wantStatus(t, c.Server(t, id), "ACTIVE")
		if got := c.Left(); got != "1 claims, 1 ports, 1 attachments, 1 guests" {
			t.Fatalf("kill %d: a booted server owns %s", n, got)
		}
		if err := c.Service.Delete(context.Background(), computetest.Scope(), id); err != nil {
			t.Fatal(err)
		}
		c.Settle(t, id)
		c = restart(t, c, w, killer)
		c.Settle(t, id)
		if s := c.Server(t, id); !s.Deleted || c.Left() != nothing || len(w.Volumes) != 0 {
			t.Fatalf("kill %d: server is %s, left %s, %d volumes", n, s.Status(), c.Left(), len(w.Volumes))
		}
		c.Close()
		if !killed {
			t.Logf("%d points", n)
			return
		}
	}
}

// restart begins a new process if the old one was killed.
func restart(t *testing.T, c *computetest.Cloud, w *computetest.World, faults func(saga.Point) error) *computetest.Cloud {
	if !c.Engine.Killed() {
		return c
	}
	c.Close()
	return computetest.Start(t, c.DB, w, faults)
}

// TestDeleteWhileBuilding: a delete undoes the boot first.
func TestDeleteWhileBuilding(t *testing.T) {
	w := computetest.New("host1")
	w.Silent["host1"] = true
	c := computetest.Open(t, w)
	made, err := c.Service.Create(context.Background(), computetest.Scope(), compute.Create{Name: "one", ImageID: computetest.ImageID, FlavorID: computetest.FlavorID, Min: 1, Max: 1})
	if err != nil {
		t.Fatal(err)
	}
	id := made.Servers[0].ID
	if err := c.Service.Delete(context.Background(), computetest.Scope(), id); err != nil {
		t.Fatal(err)
	}
	c.Settle(t, id)
	if s := c.Server(t, id); !s.Deleted || c.Left() != nothing {
		t.Errorf("server is %s (%s), left %s", s.Status(), s.Task, c.Left())
	}
}

func TestPower(t *testing.T) {
	c := computetest.Open(t, computetest.New("host1"))
	s := c.Boot(t, nil)
	ctx, scope := context.Background(), computetest.Scope()
	steps := []struct {
		do   func(context.Context, auth.Scope, string) error
		want string
	}{{c.Service.Stop, "SHUTOFF"}, {c.Service.Start, "ACTIVE"}, {c.Service.Pause, "PAUSED"}, {c.Service.Unpause, "ACTIVE"},
		{func(ctx context.Context, s auth.Scope, id string) error { return c.Service.Reboot(ctx, s, id, false) }, "ACTIVE"},
		{func(ctx context.Context, s auth.Scope, id string) error { return c.Service.Reboot(ctx, s, id, true) }, "ACTIVE"}}
	for _, step := range steps {
		if err := step.do(ctx, scope, s.ID); err != nil {
			t.Fatal(err)
		}
		c.Settle(t, s.ID)
		wantStatus(t, c.Server(t, s.ID), step.want)
	}
	if err := c.Service.Start(ctx, scope, s.ID); !fault.Has(err, fault.CodeComputeWrongState) {
		t.Errorf("starting a running server: %v", err)
	}
}

func TestVolumes(t *testing.T) {
	w := computetest.New("host1")
	c := computetest.Open(t, w)
	s := c.Boot(t, nil)
	ctx, scope := context.Background(), computetest.Scope()
	w.Volumes["v1"] = &computetest.Volume{Volume: compute.Volume{ID: "v1", Status: "available", SizeGiB: 1}}
	_, d, err := c.Service.AttachVolume(ctx, scope, s.ID, compute.Disk{VolumeID: "v1"})
	if err != nil || d.Device != "/dev/vdb" {
		t.Fatal(d, err)
	}
	c.Settle(t, s.ID)
	if g := w.Guests["host1"][s.ID]; len(g.Disks) != 2 || g.Disks[1].ID != "vol-v1" || w.Volumes["v1"].Status != "in-use" {
		t.Errorf("guest has disks %+v", g.Disks)
	}
	if err := c.Service.DetachVolume(ctx, scope, s.ID, "v1"); err != nil {
		t.Fatal(err)
	}
	c.Settle(t, s.ID)
	if g := w.Guests["host1"][s.ID]; len(g.Disks) != 1 || w.Volumes["v1"].Status != "available" || len(c.Server(t, s.ID).Disks) != 1 {
		t.Errorf("guest has disks %+v", g.Disks)
	}
	w.Fail = func(call string) error {
		if call == "host1 converge" {
			w.Fail = nil
			return errors.New("no slot")
		}
		return nil
	}
	if _, _, err := c.Service.AttachVolume(ctx, scope, s.ID, compute.Disk{VolumeID: "v1"}); err != nil {
		t.Fatal(err)
	}
	c.Settle(t, s.ID)
	if w.Volumes["v1"].Status != "available" || len(c.Server(t, s.ID).Disks) != 1 {
		t.Errorf("a failed attachment left volume %s, disks %+v", w.Volumes["v1"].Status, c.Server(t, s.ID).Disks)
	}
}

func TestInterfaces(t *testing.T) {
	w := computetest.New("host1")
	c := computetest.Open(t, w)
	s := c.Boot(t, nil)
	ctx, scope := context.Background(), computetest.Scope()
	p, err := c.Service.AttachInterface(ctx, scope, s.ID, compute.Want{NetworkID: "net2"})
	if err != nil {
		t.Fatal(err)
	}
	if g := w.Guests["host1"][s.ID]; len(g.NICs) != 2 {
		t.Errorf("guest has cards %+v", g.NICs)
	}
	if err := c.Service.DetachInterface(ctx, scope, s.ID, p.ID); err != nil {
		t.Fatal(err)
	}
	c.Settle(t, s.ID)
	if g := w.Guests["host1"][s.ID]; len(g.NICs) != 1 {
		t.Errorf("guest has cards %+v", g.NICs)
	}
}

func TestSnapshot(t *testing.T) {
	w := computetest.New("host1")
	c := computetest.Open(t, w)
	s := c.Boot(t, nil)
	image, err := c.Service.Snapshot(context.Background(), computetest.Scope(), s.ID, "snap", nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Settle(t, s.ID)
	wantStatus(t, c.Server(t, s.ID), "ACTIVE")
	if w.Images[image].Status != "active" {
		t.Errorf("image %+v", w.Images[image])
	}
}

// TestApart: members of an anti-affinity group made at once end on hosts of their
// own, and the one too many finds none.
func TestApart(t *testing.T) {
	c := computetest.Open(t, computetest.New("host1", "host2", "host3"))
	group := "70a599e0-31e7-49b7-b260-868f441e8700"
	err := c.DB.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO server_groups (id, project_id, user_id, name, policy, rules, created_at) VALUES ($1, $2, $3, 'apart', 'anti-affinity', '{}', 1)",
			group, computetest.Project, computetest.User)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	made, err := c.Service.Create(context.Background(), computetest.Scope(), compute.Create{Name: "m", ImageID: computetest.ImageID, FlavorID: computetest.FlavorID, Min: 4, Max: 4,
		Hints: map[string]any{"group": group}})
	if err != nil {
		t.Fatal(err)
	}
	hosts, failed := map[string]int{}, 0
	for _, s := range made.Servers {
		c.Settle(t, s.ID)
		if s = c.Server(t, s.ID); s.Status() == "ERROR" {
			failed++
			continue
		}
		hosts[s.Host]++
	}
	if len(hosts) != 3 || failed != 1 {
		t.Errorf("servers on %v, %d failed", hosts, failed)
	}
}
