package agent_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"altostack/agent"
	"altostack/driver/fakevm"
	"altostack/hostapi"
	"altostack/kernel/fault"
)

func TestConvergePlugsUnplugsAndPowers(t *testing.T) {
	r := newRig(t)
	g := r.running(1)
	more := g
	more.Generation = 2
	more.NICs = append(slices.Clone(g.NICs), hostapi.NIC{PortID: "port-extra", NetworkID: "net", MAC: "fa:16:3e:01:00:01"})
	more.Disks = append(slices.Clone(g.Disks), hostapi.Disk{ID: "vol-v1", BootIndex: -1, SizeMiB: 5,
		Volume: &hostapi.VolumeConnection{VolumeID: "v1", Driver: "file", Path: "/v", Format: "raw"}})
	r.set(func() { r.guests[g.ID] = more })
	for range 2 {
		r.must(r.a.Converge(t.Context(), more, hostapi.ConvergeOptions{}))
	}
	r.left(append(whole(g), "port port-extra")...)
	if want, seen, _ := r.host.Guest(g.ID); len(want.Disks) != 2 || len(want.NICs) != 2 || seen.Generation != 2 {
		t.Errorf("the guest has %+v, %+v", want, seen)
	}
	r.must(r.a.ResizeVolume(t.Context(), g.ID, "v1", 9))
	if err := r.a.ResizeVolume(t.Context(), g.ID, "v2", 9); !fault.Has(err, fault.CodeAgentVolumeUnavailable) {
		t.Errorf("resizing a volume the guest does not have: %v", err)
	}

	if err := r.a.Converge(t.Context(), g, hostapi.ConvergeOptions{}); !fault.Has(err, fault.CodeAgentStaleDescription) {
		t.Errorf("an older description: %v", err)
	}
	less := g
	less.Generation, less.Power = 3, hostapi.PowerOff
	r.set(func() { r.guests[g.ID] = less })
	r.must(r.a.Converge(t.Context(), less, hostapi.ConvergeOptions{Grace: time.Second}))
	r.until("the guest is reported stopped", func() bool {
		return r.seen[g.ID].State == hostapi.GuestStopped && r.seen[g.ID].Generation == 3 && !r.up["port-extra"]
	})
	less.Power, less.Generation = hostapi.PowerOn, 4
	r.must(r.a.Converge(t.Context(), less, hostapi.ConvergeOptions{}))
	r.left(whole(g)...)
}

func TestReboot(t *testing.T) {
	r := newRig(t)
	g := r.running(1)
	_, first, _ := r.host.Guest(g.ID)
	for _, hard := range []bool{false, true} {
		g.Generation++
		r.must(r.a.Reboot(t.Context(), g, hard, time.Second))
		if _, now, ok := r.host.Guest(g.ID); !ok || now.State != hostapi.GuestRunning || now.Generation != g.Generation {
			t.Errorf("hard %v: after the reboot the guest is %+v", hard, now)
		}
	}
	_, last, _ := r.host.Guest(g.ID)
	if first.Since.Equal(last.Since) {
		t.Error("a hard reboot kept the process")
	}
}

func TestRemoveIsRepeatable(t *testing.T) {
	r := newRig(t)
	g := r.running(1)
	r.set(func() { delete(r.guests, g.ID) })
	for range 3 {
		r.must(r.a.Remove(t.Context(), g.ID))
	}
	r.left()
	r.until("the port is reported down", func() bool { return !r.up[g.NICs[0].PortID] })
	r.must(r.a.Remove(t.Context(), "../../etc"))
}

func TestUnknownGuest(t *testing.T) {
	r := newRig(t)
	_, consoleErr := r.a.Console(t.Context(), "x", 10)
	_, dialErr := r.a.Dial(t.Context(), "x", hostapi.ConsoleVNC)
	_, diagErr := r.a.Diagnostics(t.Context(), "x")
	for what, err := range map[string]error{"console": consoleErr, "dial": dialErr, "diagnostics": diagErr,
		"resize": r.a.ResizeVolume(t.Context(), "x", "v", 1), "snapshot": r.a.Snapshot(t.Context(), "x", "i", "t")} {
		if !fault.Has(err, fault.CodeAgentGuestUnknown) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestConsolesDiagnosticsAndGuestsThatAreOff(t *testing.T) {
	r := newRig(t)
	g := r.running(1)
	log, err := r.a.Console(t.Context(), g.ID, 1<<20)
	if err != nil || !strings.HasSuffix(string(log), "web login: ") {
		t.Errorf("the log is %q, %v", log, err)
	}
	d, err := r.a.Diagnostics(t.Context(), g.ID)
	if err != nil || len(d.NICs) != 1 || d.NICs[0].MAC != g.NICs[0].MAC || len(d.Disks) != 1 {
		t.Errorf("diagnostics: %+v, %v", d, err)
	}
	c, err := r.a.Dial(t.Context(), g.ID, hostapi.ConsoleSerial)
	r.must(err)
	r.must(c.Close())
	r.host.PowerOff(g.ID)
	if _, err := r.a.Dial(t.Context(), g.ID, hostapi.ConsoleSerial); !fault.Has(err, fault.CodeAgentGuestNotRunning) {
		t.Errorf("the console of a guest that is off: %v", err)
	}
	if _, err := r.a.Diagnostics(t.Context(), g.ID); !fault.Has(err, fault.CodeAgentGuestNotRunning) {
		t.Errorf("diagnostics of a guest that is off: %v", err)
	}
}

func TestSnapshotIsUploaded(t *testing.T) {
	r := newRig(t, func(c *agent.Config) { c.Dir = t.TempDir() })
	g := r.running(1)
	r.must(r.a.Snapshot(t.Context(), g.ID, "new-image", "user-token"))
	r.set(func() {
		if up := r.uploads["new-image"]; !strings.HasPrefix(string(up), "QFI\xfb") {
			t.Errorf("uploaded were %d bytes: %.20q", len(up), up)
		}
	})
	fromVolume := r.guest("h1", 2)
	fromVolume.Disks = []hostapi.Disk{{ID: "vol-v1", SizeMiB: 5, Volume: &hostapi.VolumeConnection{VolumeID: "v1", Driver: "file", Path: "/v", Format: "raw"}}}
	r.set(func() { r.guests[fromVolume.ID] = fromVolume })
	r.must(r.a.Converge(t.Context(), fromVolume, hostapi.ConvergeOptions{}))
	if err := r.a.Snapshot(t.Context(), fromVolume.ID, "i", "t"); !fault.Has(err, fault.CodeAgentNoLocalRoot) {
		t.Errorf("a snapshot of a server that boots from a volume: %v", err)
	}
}

func TestRemovalInterruptsASnapshot(t *testing.T) {
	r := newRig(t)
	g := r.running(1)
	gate := fakevm.NewGate()
	r.world.SetHook(fakevm.At("Hypervisor.CopyDisk", 1, false, gate.Wait))
	failed := make(chan error, 1)
	go func() { failed <- r.a.Snapshot(context.Background(), g.ID, "i", "t") }()
	<-gate.Reached
	r.set(func() { clear(r.guests) })
	r.must(r.a.Remove(t.Context(), g.ID))
	if err := <-failed; !fault.Has(err, fault.CodeAgentBuildCanceled) {
		t.Errorf("the snapshot ended with %v", err)
	}
	r.left()
}

func TestClosedAgentTakesNothing(t *testing.T) {
	r := newRig(t)
	g := r.running(1)
	r.must(r.a.Close())
	if err := r.a.Build(t.Context(), hostapi.BuildOrder{GuestID: g.ID, SagaID: "x"}); !fault.Has(err, fault.CodeAgentServiceUnavailable) {
		t.Errorf("Build: %v", err)
	}
	if err := r.a.Remove(t.Context(), g.ID); !fault.Has(err, fault.CodeAgentServiceUnavailable) {
		t.Errorf("Remove: %v", err)
	}
	if _, seen, ok := r.host.Guest(g.ID); !ok || seen.State != hostapi.GuestRunning {
		t.Error("closing the agent touched its guest")
	}
}

// get asks the metadata service of a network as somebody.
func (r *rig) get(network, from, method, path, body string, header ...string) *http.Response {
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	req.RemoteAddr = from
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	r.a.Metadata(network).ServeHTTP(rec, req)
	return rec.Result()
}

func TestMetadataKnowsItsCaller(t *testing.T) {
	r := newRig(t)
	g := r.running(1)
	other := r.running(2)
	read := func(res *http.Response) string {
		b, err := io.ReadAll(res.Body)
		r.must(err)
		return string(b)
	}
	from := address(g, 0).String() + ":40000"
	if got := read(r.get("net", from, "GET", "/latest/meta-data/instance-id", "")); got != g.Instance.EC2ID {
		t.Errorf("the guest is told to be %q", got)
	}
	if got := read(r.get("net", "[fe80::f816:3eff:fe00:1]:40000", "GET", "/openstack/latest/meta_data.json", "")); !strings.Contains(got, g.ID) {
		t.Errorf("asked by its link-local address: %q", got)
	}
	for name, res := range map[string]*http.Response{
		"another network":  r.get("net2", from, "GET", "/openstack", ""),
		"unknown address":  r.get("net", "10.9.9.9:1", "GET", "/openstack", ""),
		"no address":       r.get("net", "nobody", "GET", "/openstack", ""),
		"forwarded":        r.get("net", "10.9.9.9:1", "GET", "/openstack", "", "X-Forwarded-For", address(other, 0).String(), "X-Instance-ID", other.ID),
		"no such path":     r.get("net", from, "GET", "/openstack/latest/nope", ""),
		"no such category": r.get("net", from, "GET", "/latest/nope", ""),
	} {
		if res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
	if got := read(r.get("net", from, "GET", "/latest/meta-data/instance-id", "", "X-Forwarded-For", address(other, 0).String())); got != g.Instance.EC2ID {
		t.Errorf("X-Forwarded-For made the caller %q", got)
	}
	if res := r.get("net", from, "DELETE", "/openstack", ""); res.StatusCode != http.StatusBadRequest {
		t.Errorf("DELETE: %s", res.Status)
	}
}

func TestGuestPostsItsPasswordOnce(t *testing.T) {
	r := newRig(t)
	g := r.running(1)
	from := address(g, 0).String() + ":40000"
	const path = "/openstack/latest/password"
	if res := r.get("net", from, "POST", path, strings.Repeat("x", 1021)); res.StatusCode != http.StatusBadRequest {
		t.Errorf("too long a password: %s", res.Status)
	}
	if res := r.get("net", from, "POST", path, "c2VjcmV0"); res.StatusCode != http.StatusOK {
		t.Errorf("the first password: %s", res.Status)
	}
	if res := r.get("net", from, "POST", path, "again"); res.StatusCode != http.StatusConflict {
		t.Errorf("the second password: %s", res.Status)
	}
	r.restart()
	res := r.get("net", from, "GET", path, "")
	if b, err := io.ReadAll(res.Body); err != nil || string(b) != "c2VjcmV0" {
		t.Errorf("it reads %q, %v", b, err)
	}
	r.set(func() {
		if r.passwords[g.ID] != "c2VjcmV0" {
			t.Errorf("the control plane has %q", r.passwords[g.ID])
		}
	})
}

func TestFreezeHoldsAVolumesGuests(t *testing.T) {
	r := newRig(t)
	g, other := r.guest("h1", 1), r.running(2)
	g.Disks = append(g.Disks, hostapi.Disk{ID: "vol-v1", BootIndex: -1, SizeMiB: 10,
		Volume: &hostapi.VolumeConnection{VolumeID: "v1", Driver: "file", Path: "/v", Format: "raw"}})
	r.set(func() { r.guests[g.ID] = g })
	r.must(r.a.Converge(t.Context(), g, hostapi.ConvergeOptions{}))
	r.until("it is reported running", func() bool { return r.seen[g.ID].State == hostapi.GuestRunning })
	state := func(id string) hostapi.GuestState { _, seen, _ := r.host.Guest(id); return seen.State }
	thaw, err := r.a.FreezeVolume(t.Context(), "v1")
	r.must(err)
	if state(g.ID) != hostapi.GuestPaused || state(other.ID) != hostapi.GuestRunning {
		t.Errorf("frozen, the guests are %s and %s", state(g.ID), state(other.ID))
	}
	r.set(func() {
		if r.seen[g.ID].State != hostapi.GuestRunning {
			t.Errorf("the pause was reported: %+v", r.seen[g.ID])
		}
	})
	thaw()
	if state(g.ID) != hostapi.GuestRunning {
		t.Errorf("thawed, the guest is %s", state(g.ID))
	}
	thaw, err = r.a.FreezeVolume(t.Context(), "v1")
	r.must(err)
	defer func(old *agent.Agent) { thaw(); _ = old.Close() }(r.a) // it can do nothing any more
	r.host.Open().Cut()                                           // killed while frozen
	r.start()
	r.until("the guest goes on", func() bool { return r.seen[g.ID].State == hostapi.GuestRunning && state(g.ID) == hostapi.GuestRunning })
}
