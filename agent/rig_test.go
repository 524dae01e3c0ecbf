package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"altostack/agent"
	"altostack/agent/agenttest"
	"altostack/driver/fakevm"
	"altostack/hostapi"
	"altostack/kernel/clock"
	"altostack/kernel/fault"
)

// cloud is the control plane that agents in these tests talk to: a conductor
// and the three public APIs.
type cloud struct {
	t *testing.T

	mu        sync.Mutex
	changed   *sync.Cond
	away      bool
	guests    map[string]hostapi.Guest // by id
	hosts     map[string]string        // guest → host
	byHost    map[string][]string
	built     []hostapi.BuildResult
	seen      map[string]hostapi.SeenGuest
	up        map[string]bool
	hostsSeen map[string]hostapi.Host
	passwords map[string]string
	token     int // the only valid one
	images    map[string][]byte
	deleted   map[string]bool
	uploads   map[string][]byte
	lost      map[string]bool // ports the network service has forgotten
	fetches   int
	info      string // connection_info of every attachment
}

func newCloud(t *testing.T) *cloud {
	c := &cloud{t: t, guests: map[string]hostapi.Guest{}, hosts: map[string]string{}, byHost: map[string][]string{}, seen: map[string]hostapi.SeenGuest{},
		up: map[string]bool{}, hostsSeen: map[string]hostapi.Host{}, passwords: map[string]string{}, images: map[string][]byte{},
		deleted: map[string]bool{}, uploads: map[string][]byte{}, lost: map[string]bool{},
		info: `{"driver_volume_type":"file","data":{"device_path":"/volumes/v1","format":"raw","access_mode":"rw"}}`}
	c.changed = sync.NewCond(&c.mu)
	return c
}

var errAway = errors.New("the control plane is away")

// do runs f as one call of the conductor.
func (c *cloud) do(f func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.changed.Broadcast()
	if c.away {
		return errAway
	}
	return f()
}

// until waits for something to be true of the cloud.
func (c *cloud) until(what string, cond func() bool) {
	c.t.Helper()
	late := time.AfterFunc(20*time.Second, c.changed.Broadcast)
	defer late.Stop()
	deadline := time.Now().Add(20 * time.Second)
	c.mu.Lock()
	defer c.mu.Unlock()
	for !cond() {
		if time.Now().After(deadline) {
			c.t.Fatalf("waited in vain: %s", what)
		}
		c.changed.Wait()
	}
}

func (c *cloud) set(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

func (c *cloud) Register(_ context.Context, h hostapi.Host) error {
	return c.do(func() error { c.hostsSeen[h.Name] = h; return nil })
}

func (c *cloud) Guest(_ context.Context, host, id string) (d hostapi.Described, err error) {
	err = c.do(func() error {
		g, ok := c.guests[id]
		if !ok || c.hosts[id] != host {
			return fault.New(fault.CodeAgentGuestUnknown, "no guest %s", id)
		}
		now := time.Now()
		d.Guest = g
		for step := 15; step <= 17; step++ {
			d.Spans = append(d.Spans, hostapi.Span{Step: step, Name: "x", Component: "conductor", Start: now, Outcome: "ok"})
		}
		return nil
	})
	return d, err
}

func (c *cloud) Guests(_ context.Context, host string) (list []hostapi.Guest, err error) {
	err = c.do(func() error {
		for _, id := range c.byHost[host] {
			if g, ok := c.guests[id]; ok && c.hosts[id] == host {
				list = append(list, g)
			}
		}
		return nil
	})
	return list, err
}

func (c *cloud) Built(_ context.Context, r hostapi.BuildResult) error {
	return c.do(func() error { c.built = append(c.built, r); return nil })
}

func (c *cloud) Observed(_ context.Context, _ string, guests []hostapi.SeenGuest) error {
	return c.do(func() error {
		for _, g := range guests {
			c.seen[g.ID] = g
		}
		return nil
	})
}

func (c *cloud) Wiring(_ context.Context, host string, ids []string) (n hostapi.HostNetwork, err error) {
	err = c.do(func() error {
		for _, id := range c.byHost[host] {
			g, ok := c.guests[id]
			if !ok || c.hosts[id] != host {
				continue
			}
			for i, nic := range g.NICs {
				if len(ids) == 0 || slices.Contains(ids, nic.PortID) {
					n.Ports = append(n.Ports, hostapi.Port{ID: nic.PortID, NetworkID: nic.NetworkID, DeviceID: id, MAC: nic.MAC,
						AdminUp: true, Fixed: []hostapi.FixedIP{{SubnetID: "s", Addr: address(g, i)}}})
				}
			}
		}
		if len(n.Ports) > 0 || len(ids) == 0 {
			n.Networks = []hostapi.Network{{ID: "net", MTU: 1450, Subnets: []hostapi.Subnet{{ID: "s", CIDR: netip.MustParsePrefix("10.0.0.0/8"), DHCP: true}}}}
		}
		return nil
	})
	return n, err
}

// address is derived from the guest's EC2 id, so that each has its own.
func address(g hostapi.Guest, nic int) netip.Addr {
	var n int
	_, _ = fmt.Sscanf(g.Instance.EC2ID, "i-%x", &n)
	return netip.AddrFrom4([4]byte{10, byte(nic), byte(n >> 8), byte(n)})
}

func (c *cloud) Wired(_ context.Context, _ string, up, down []string) error {
	return c.do(func() error {
		for _, id := range up {
			c.up[id] = true
		}
		for _, id := range down {
			delete(c.up, id)
		}
		return nil
	})
}

func (c *cloud) ServiceToken(context.Context, string) (token string, err error) {
	err = c.do(func() error { token = fmt.Sprint("token-", c.token); return nil })
	return token, err
}

func (c *cloud) ServerPassword(_ context.Context, _, id, password string) error {
	return c.do(func() error { c.passwords[id] = password; return nil })
}

// RoundTrip answers the public APIs without a socket in between.
func (c *cloud) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	rec.Header().Set("Server-Timing", `auth;dur=0.25`)
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Header.Get("X-Auth-Token") != fmt.Sprint("token-", c.token) && r.Method == http.MethodGet {
		rec.WriteHeader(http.StatusUnauthorized)
		return rec.Result(), nil
	}
	c.serve(rec, r, body)
	return rec.Result(), nil
}

func (c *cloud) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	id := parts[len(parts)-1]
	switch {
	case parts[0] == "image" && r.Method == http.MethodPut:
		c.uploads[parts[3]] = body
		w.WriteHeader(http.StatusNoContent)
	case parts[0] == "image" && id == "file":
		c.fetches++
		_, _ = w.Write(c.images[parts[3]])
	case parts[0] == "image" && c.deleted[id]:
		w.WriteHeader(http.StatusNotFound)
	case parts[0] == "image":
		fmt.Fprint(w, `{"status":"active"}`)
	case parts[0] == "network":
		var ports []map[string]string
		for _, nic := range c.guests[r.URL.Query().Get("device_id")].NICs {
			if !c.lost[nic.PortID] {
				ports = append(ports, map[string]string{"id": nic.PortID})
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"ports": ports})
	case parts[0] == "volume":
		fmt.Fprintf(w, `{"attachment":{"id":%q,"volume_id":"v1","connection_info":%s}}`, id, c.info)
	default:
		w.WriteHeader(http.StatusTeapot)
	}
}

// image is what every guest of the tests starts from.
func (c *cloud) image() hostapi.DiskImage {
	image, data := agenttest.RawImage("c8b1a5e0-0000-4000-8000-000000000001", 64<<10)
	c.images[image.ID] = data
	return image
}

// guest describes the n-th guest and says that it belongs on a host.
func (c *cloud) guest(host string, n int) hostapi.Guest {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := fmt.Sprintf("00000000-0000-4000-8000-%012d", n)
	image := c.image()
	g := hostapi.Guest{ID: id, Generation: 1, Power: hostapi.PowerOn, VCPUs: 1, MemoryMiB: 64, Hostname: "web",
		Disks:    []hostapi.Disk{{ID: "root", SizeMiB: 64, Image: &image}},
		NICs:     []hostapi.NIC{{PortID: "port-" + id, NetworkID: "net", MAC: fmt.Sprintf("fa:16:3e:00:%02x:%02x", n>>8&255, n&255)}},
		Instance: hostapi.Instance{UUID: id, EC2ID: fmt.Sprintf("i-%08x", n), Name: "web", Hostname: "web"}}
	c.guests[id], c.hosts[id] = g, host
	if !slices.Contains(c.byHost[host], id) {
		c.byHost[host] = append(c.byHost[host], id)
	}
	return g
}

// final waits for the end of the guest's build and answers it.
func (c *cloud) final(id string, nth int) hostapi.BuildResult {
	c.t.Helper()
	var r hostapi.BuildResult
	c.until("the build of "+id+" ends", func() bool {
		n := 0
		for _, b := range c.built {
			if b.GuestID == id && b.Final {
				if n++; n == nth {
					r = b
				}
			}
		}
		return n >= nth
	})
	return r
}

// rig is one host with its agent.
type rig struct {
	*cloud
	world *fakevm.World
	host  *fakevm.Host
	a     *agent.Agent
	cfg   agent.Config
}

func newRig(t *testing.T, change ...func(*agent.Config)) *rig {
	t.Helper()
	r := &rig{cloud: newCloud(t), world: fakevm.NewWorld(clock.Real{}, fakevm.Size{})}
	r.host = r.world.Host("h1")
	r.cfg = agent.Config{Host: "h1", Conductor: r.cloud, HTTP: &http.Client{Transport: r.cloud},
		Endpoints: agent.Endpoints{Image: "http://api/image", Network: "http://api/network", Volume: "http://api/volume"},
		Log:       slog.New(slog.DiscardHandler),
		Every: agent.Intervals{Check: 5 * time.Millisecond, Observe: 20 * time.Millisecond, Heartbeat: 10 * time.Millisecond,
			Sweep: 10 * time.Millisecond, Progress: 5 * time.Millisecond}}
	for _, f := range change {
		f(&r.cfg)
	}
	t.Cleanup(func() {
		r.world.SetHook(nil)
		if err := r.a.Close(); err != nil && !errors.Is(err, fakevm.ErrCut) {
			t.Error(err)
		}
	})
	r.start()
	return r
}

// start opens a new session of the host and starts an agent on it.
func (r *rig) start() {
	r.t.Helper()
	s := r.host.Open()
	r.cfg.Hypervisor, r.cfg.Dataplane, r.cfg.Disks, r.cfg.Records = s.Hypervisor(), s.Dataplane(), s.Disks(), s.Records()
	r.cfg.BootID = r.host.BootID()
	a, err := agent.New(r.cfg)
	if err == nil {
		err = a.Start(r.t.Context())
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.a = a
}

// restart ends the agent as kill -9 would and starts the next one.
func (r *rig) restart() {
	r.t.Helper()
	old := r.a
	r.host.Open().Cut()
	_ = old.Close() // it was cut off, so it cannot even store what it knows
	r.start()
}

func (r *rig) build(id, saga string) {
	r.t.Helper()
	if err := r.a.Build(r.t.Context(), hostapi.BuildOrder{GuestID: id, SagaID: saga, SentAt: time.Now()}); err != nil {
		r.t.Fatal(err)
	}
}

// running builds the n-th guest and waits for it.
func (r *rig) running(n int) hostapi.Guest {
	r.t.Helper()
	g := r.guest("h1", n)
	r.build(g.ID, "saga-"+g.ID)
	if res := r.final(g.ID, 1); res.Code != "" {
		r.t.Fatalf("the build failed: %+v", res)
	}
	return g
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// left waits until the host has exactly this.
func (r *rig) left(want ...string) {
	r.t.Helper()
	slices.Sort(want)
	r.until(fmt.Sprintf("the host has %q", want), func() bool { return slices.Equal(r.host.Left(), want) })
}

// whole is what the host has of a guest that runs.
func whole(g hostapi.Guest) []string {
	return []string{"guest " + g.ID + " running", "disk " + g.ID + "/root", "record guest-" + g.ID, "port " + g.NICs[0].PortID}
}
