// Package computetest is a small world for compute's tests: every collaborator
// as a map that can be counted, so that a test can say what is left behind.
// Its host builds guests in memory and reports as a real one does.
package computetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"altostack/compute"
	"altostack/hostapi"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// World is everything outside of compute. Its fields may be read and set while
// nothing runs, or under Lock.
type World struct {
	sync.Mutex
	Conductor hostapi.Conductor // set by the test once the service is there

	Claims  map[string]string                   // consumer to host
	Room    map[string]int                      // by host: servers it takes
	Ports   map[string][]compute.Port           // by server
	Volumes map[string]*Volume                  // by id
	Images  map[string]compute.Image            // by id
	Guests  map[string]map[string]hostapi.Guest // by host, by id
	Hosts   []string

	// Fail answers an error for a call, as "host1 build" or "network allocate".
	Fail func(call string) error
	// Silent hosts take orders and say nothing.
	Silent map[string]bool
}

// Volume is a volume of the world.
type Volume struct {
	compute.Volume
	Server string // attached to
}

// New makes a world with the named hosts.
func New(hosts ...string) *World {
	w := &World{Claims: map[string]string{}, Room: map[string]int{}, Ports: map[string][]compute.Port{}, Volumes: map[string]*Volume{},
		Images: map[string]compute.Image{}, Guests: map[string]map[string]hostapi.Guest{}, Hosts: hosts, Silent: map[string]bool{}}
	for _, h := range hosts {
		w.Room[h], w.Guests[h] = 100000, map[string]hostapi.Guest{}
	}
	return w
}

// fail is asked with the lock held.
func (w *World) fail(call string) error {
	if w.Fail == nil {
		return nil
	}
	return w.Fail(call)
}

// Left counts what exists outside of compute, for a test to compare.
func (w *World) Left() string {
	w.Lock()
	defer w.Unlock()
	guests, ports, attached := 0, 0, 0
	for _, g := range w.Guests {
		guests += len(g)
	}
	for _, p := range w.Ports {
		ports += len(p)
	}
	for _, v := range w.Volumes {
		if v.Server != "" {
			attached++
		}
	}
	return fmt.Sprintf("%d claims, %d ports, %d attachments, %d guests", len(w.Claims), ports, attached, guests)
}

// Placement of the world.
type Placement struct{ *World }

// Candidates answers hosts with room.
func (p Placement) Candidates(_ context.Context, _ compute.Need) ([]compute.Candidate, error) {
	p.Lock()
	defer p.Unlock()
	if err := p.fail("placement candidates"); err != nil {
		return nil, err
	}
	var out []compute.Candidate
	all := map[string]int{}
	for _, h := range p.Claims {
		all[h]++
	}
	for _, h := range p.Hosts {
		if used := all[h]; used < p.Room[h] {
			out = append(out, compute.Candidate{ProviderID: "rp-" + h, Name: h,
				Capacity: map[string]int64{"VCPU": int64(p.Room[h]), "MEMORY_MB": int64(p.Room[h])}, Used: map[string]int64{"VCPU": int64(used), "MEMORY_MB": int64(used)}})
		}
	}
	return out, nil
}

func (p Placement) used(host string) (n int) {
	for _, h := range p.Claims {
		if h == host {
			n++
		}
	}
	return n
}

// Lacks answers the full hosts.
func (p Placement) Lacks(_ context.Context, _ compute.Need) (map[string]string, error) {
	p.Lock()
	defer p.Unlock()
	out := map[string]string{}
	for _, h := range p.Hosts {
		if p.used(h) >= p.Room[h] {
			out[h] = "it has no room"
		}
	}
	return out, nil
}

// Claim takes room; it acts at once, as the world has no transactions, and is
// keyed by consumer, as the real one is.
func (p Placement) Claim(_ context.Context, tx *db.Tx, c compute.Consumer, provider string, _ map[string]int64) error {
	p.Lock()
	defer p.Unlock()
	host := strings.TrimPrefix(provider, "rp-")
	if err := p.fail("placement claim"); err != nil {
		return err
	}
	if p.Claims[c.ID] != host && p.used(host) >= p.Room[host] {
		return fault.Stale("host", host) // of kind Conflict, as placement.no_room
	}
	tx.AfterCommit(func() {
		p.Lock()
		defer p.Unlock()
		p.Claims[c.ID] = host
	})
	return nil
}

// Release gives room back.
func (p Placement) Release(_ context.Context, tx *db.Tx, consumer string) error {
	tx.AfterCommit(func() {
		p.Lock()
		defer p.Unlock()
		delete(p.Claims, consumer)
	})
	return nil
}

// EnsureHost knows every host.
func (p Placement) EnsureHost(_ context.Context, inv compute.Inventory) (string, error) {
	return "rp-" + inv.Name, nil
}

// Images of the world.
type Images struct{ *World }

// Get finds an image.
func (i Images) Get(_ context.Context, _ auth.Scope, id string) (compute.Image, error) {
	i.Lock()
	defer i.Unlock()
	img, has := i.Images[id]
	if !has {
		return img, fault.New(fault.CodeRestNotFound, "No image %s", id)
	}
	return img, nil
}

// Create makes one.
func (i Images) Create(_ context.Context, _ *db.Tx, _ auth.Scope, spec compute.ImageSpec) (compute.Image, error) {
	i.Lock()
	defer i.Unlock()
	img := compute.Image{ID: spec.ID, Name: spec.Name, Status: "queued", Properties: spec.Properties}
	i.Images[spec.ID] = img
	return img, i.fail("image create")
}

// Delete removes one.
func (i Images) Delete(_ context.Context, _ auth.Scope, id string) error {
	i.Lock()
	defer i.Unlock()
	delete(i.Images, id)
	return nil
}

// Network of the world.
type Network struct {
	*World
	db *db.DB
}

// Check lets everything pass.
func (n Network) Check(_ context.Context, _ auth.Scope, wants []compute.Want, auto string, groups []string) (compute.Resolved, error) {
	if len(wants) == 0 && auto != "none" {
		wants = []compute.Want{{NetworkID: "net1"}}
	}
	return compute.Resolved{Wants: wants, Auto: auto, Groups: groups}, nil
}

// Allocate makes a port per want, keyed by server.
func (n Network) Allocate(_ context.Context, a compute.Allocation) ([]compute.Port, error) {
	n.Lock()
	defer n.Unlock()
	if err := n.fail("network allocate"); err != nil {
		return nil, err
	}
	for i := len(n.Ports[a.ServerID]); i < len(a.Resolved.Wants); i++ {
		n.Ports[a.ServerID] = append(n.Ports[a.ServerID], port(a.ServerID, i))
	}
	return n.Ports[a.ServerID], nil
}

func port(server string, i int) compute.Port {
	return compute.Port{ID: fmt.Sprintf("port-%s-%d", server, i), NetworkID: "net1", NetworkName: "private", MAC: fmt.Sprintf("fa:16:3e:00:00:%02x", i), MTU: 1450, State: "ACTIVE",
		Addresses: []compute.Address{{Addr: fmt.Sprintf("10.0.0.%d", i+10), Version: 4, SubnetID: "subnet1"}}, Groups: []string{"default"}, GroupIDs: []string{"group1"}}
}

// Bind does nothing.
func (n Network) Bind(context.Context, string, string) error { return nil }

// Deallocate removes a server's ports.
func (n Network) Deallocate(_ context.Context, server string) error {
	n.Lock()
	defer n.Unlock()
	if err := n.fail("network deallocate"); err != nil {
		return err
	}
	delete(n.Ports, server)
	return nil
}

// PortsOf answers many servers' ports.
func (n Network) PortsOf(_ context.Context, servers []string) (map[string][]compute.Port, error) {
	n.Lock()
	defer n.Unlock()
	out := make(map[string][]compute.Port, len(servers))
	for _, s := range servers {
		out[s] = slices.Clone(n.Ports[s])
	}
	return out, nil
}

// Attach adds a port.
func (n Network) Attach(ctx context.Context, _ auth.Scope, a compute.Allocation, _ compute.Want, with func(ctx context.Context, tx *db.Tx, portID string) error) (compute.Port, error) {
	n.Lock()
	p := port(a.ServerID, len(n.Ports[a.ServerID]))
	n.Ports[a.ServerID] = append(n.Ports[a.ServerID], p)
	n.Unlock()
	return p, n.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return with(ctx, tx, p.ID) })
}

// Detach removes a port.
func (n Network) Detach(_ context.Context, _ auth.Scope, server, id string) error {
	n.Lock()
	defer n.Unlock()
	n.Ports[server] = slices.DeleteFunc(n.Ports[server], func(p compute.Port) bool { return p.ID == id })
	return nil
}

// SetGroup changes the groups of a server's ports.
func (n Network) SetGroup(_ context.Context, _ auth.Scope, server, group string, add bool) error {
	n.Lock()
	defer n.Unlock()
	for i, p := range n.Ports[server] {
		n.Ports[server][i].Groups = slices.DeleteFunc(slices.Clone(p.Groups), func(g string) bool { return g == group })
		if add {
			n.Ports[server][i].Groups = append(n.Ports[server][i].Groups, group)
		}
	}
	return nil
}

// AddFixedIP adds an address to a server's first port.
func (n Network) AddFixedIP(_ context.Context, _ auth.Scope, server, _ string) error {
	n.Lock()
	defer n.Unlock()
	p := &n.Ports[server][0]
	p.Addresses = append(slices.Clone(p.Addresses), compute.Address{Addr: "10.0.0.99", Version: 4, SubnetID: "subnet1"})
	return nil
}

// RemoveFixedIP takes one from it.
func (n Network) RemoveFixedIP(_ context.Context, _ auth.Scope, server, address string) (bool, error) {
	n.Lock()
	defer n.Unlock()
	p := &n.Ports[server][0]
	before := len(p.Addresses)
	p.Addresses = slices.DeleteFunc(slices.Clone(p.Addresses), func(a compute.Address) bool { return a.Addr == address })
	return len(p.Addresses) < before, nil
}

// Wiring is empty.
func (n Network) Wiring(context.Context, string, []string) (hostapi.HostNetwork, error) {
	return hostapi.HostNetwork{}, nil
}

// Wired does nothing.
func (n Network) Wired(context.Context, string, []string, []string) error { return nil }

// Volumes of the world.
type Volumes struct{ *World }

func (v Volumes) find(id string) (*Volume, error) {
	if found := v.Volumes[id]; found != nil {
		return found, nil
	}
	return nil, fault.New(fault.CodeRestNotFound, "Volume %s could not be found.", id)
}

// Get finds a volume.
func (v Volumes) Get(_ context.Context, _ auth.Scope, id string) (compute.Volume, error) {
	v.Lock()
	defer v.Unlock()
	found, err := v.find(id)
	if err != nil {
		return compute.Volume{}, err
	}
	return found.Volume, nil
}

// SnapshotSize is always 1.
func (v Volumes) SnapshotSize(context.Context, auth.Scope, string) (int64, error) { return 1, nil }

// Create makes a volume, or finds it.
func (v Volumes) Create(_ context.Context, _ auth.Scope, spec compute.VolumeSpec) (compute.Volume, error) {
	v.Lock()
	defer v.Unlock()
	if err := v.fail("volume create"); err != nil {
		return compute.Volume{}, err
	}
	if v.Volumes[spec.ID] == nil {
		v.Volumes[spec.ID] = &Volume{Volume: compute.Volume{ID: spec.ID, Status: "available", SizeGiB: spec.SizeGiB, Bootable: spec.ImageID != ""}}
	}
	return v.Volumes[spec.ID].Volume, nil
}

// Await returns at once.
func (v Volumes) Await(ctx context.Context, id string) (compute.Volume, error) {
	return v.Get(ctx, auth.Scope{}, id)
}

// Delete removes a volume.
func (v Volumes) Delete(_ context.Context, _ auth.Scope, id string) error {
	v.Lock()
	defer v.Unlock()
	if _, err := v.find(id); err != nil {
		return err
	}
	delete(v.Volumes, id)
	return nil
}

// Reserve ties a volume to a server.
func (v Volumes) Reserve(_ context.Context, _ auth.Scope, id, server string) (string, error) {
	v.Lock()
	defer v.Unlock()
	found, err := v.find(id)
	if err != nil {
		return "", err
	}
	if err := v.fail("volume reserve"); err != nil {
		return "", err
	}
	found.Server, found.Status = server, "in-use"
	return "att-" + id, nil
}

// Connect tells how.
func (v Volumes) Connect(_ context.Context, attachment, _ string) (hostapi.VolumeConnection, error) {
	v.Lock()
	defer v.Unlock()
	id := strings.TrimPrefix(attachment, "att-")
	return hostapi.VolumeConnection{VolumeID: id, AttachmentID: attachment, Driver: "file", Path: "/" + id, Format: "raw"}, v.fail("volume connect")
}

// Complete does nothing.
func (v Volumes) Complete(context.Context, string, string) error { return nil }

// Release unties it.
func (v Volumes) Release(_ context.Context, id, server string) error {
	v.Lock()
	defer v.Unlock()
	if found := v.Volumes[id]; found != nil && found.Server == server {
		found.Server, found.Status = "", "available"
	}
	return nil
}

// Identity of the world.
type Identity struct{}

// IssueService answers a token.
func (Identity) IssueService(context.Context, string) (string, time.Time, error) {
	return "service-token", time.Time{}, nil
}

// TokenIssue knows every token.
func (Identity) TokenIssue(string) (time.Time, time.Duration, bool) {
	return time.Unix(1700000000, 0).UTC(), time.Millisecond, true
}

// Hosts of the world.
type Hosts struct{ *World }

// Agent answers a host's agent.
func (h Hosts) Agent(host string) (hostapi.Agent, error) {
	h.Lock()
	defer h.Unlock()
	if !slices.Contains(h.Hosts, host) {
		return nil, fault.New(fault.CodeBusNobody, "Nobody answers for host %s.", host)
	}
	if err := h.fail(host + " agent"); err != nil {
		return nil, err
	}
	return &agent{h.World, host}, nil
}

type agent struct {
	w    *World
	host string
}

// Build builds in the background and reports, as a host does.
func (a *agent) Build(_ context.Context, order hostapi.BuildOrder) error {
	a.w.Lock()
	err, silent := a.w.fail(a.host+" order"), a.w.Silent[a.host]
	a.w.Unlock()
	if err != nil || silent {
		return err
	}
	go a.build(order)
	return nil
}

func (a *agent) build(order hostapi.BuildOrder) {
	ctx := context.Background()
	now := time.Now().UTC()
	r := hostapi.BuildResult{GuestID: order.GuestID, SagaID: order.SagaID, Host: a.host, Final: true, Spans: []hostapi.Span{{Step: 13, Start: now, Outcome: "ok"}, {Step: 14, Start: now, Outcome: "ok"}}}
	d, err := a.w.Conductor.Guest(ctx, a.host, order.GuestID)
	if err == nil {
		r.Spans = append(r.Spans, d.Spans...)
		a.w.Lock()
		if err = a.w.fail(a.host + " build"); err == nil {
			a.w.Guests[a.host][order.GuestID] = d.Guest
			for step := 18; step <= 29; step++ {
				if step < 26 || step > 28 {
					r.Spans = append(r.Spans, hostapi.Span{Step: step, Start: now, Outcome: "ok"})
				}
			}
		}
		a.w.Unlock()
	}
	if err != nil {
		var again Retry
		f := fault.From(err)
		r.Code, r.Message, r.Hint, r.Retry = string(f.Code), f.Message, f.Hint, errors.As(err, &again)
	}
	_ = a.w.Conductor.Built(ctx, r)
}

// Retry marks a failure of which the host says that another may do better.
type Retry struct{ Cause error }

// Unwrap answers the failure.
func (r Retry) Unwrap() error { return r.Cause }

func (r Retry) Error() string { return r.Cause.Error() }

func (a *agent) Converge(_ context.Context, g hostapi.Guest, _ hostapi.ConvergeOptions) error {
	a.w.Lock()
	defer a.w.Unlock()
	if err := a.w.fail(a.host + " converge"); err != nil {
		return err
	}
	a.w.Guests[a.host][g.ID] = g
	return nil
}

func (a *agent) Reboot(_ context.Context, g hostapi.Guest, _ bool, _ time.Duration) error {
	a.w.Lock()
	defer a.w.Unlock()
	a.w.Guests[a.host][g.ID] = g
	return a.w.fail(a.host + " reboot")
}

func (a *agent) Remove(_ context.Context, id string) error {
	a.w.Lock()
	defer a.w.Unlock()
	if err := a.w.fail(a.host + " remove"); err != nil {
		return err
	}
	delete(a.w.Guests[a.host], id)
	return nil
}

func (a *agent) Rewire(context.Context, []string) error { return nil }

func (a *agent) Console(context.Context, string, int64) ([]byte, error) {
	return []byte("one\ntwo\nlogin: \n"), nil
}

// Dial answers a console that says back what it is told.
func (a *agent) Dial(context.Context, string, hostapi.ConsoleKind) (io.ReadWriteCloser, error) {
	near, far := net.Pipe()
	go func() { defer far.Close(); _, _ = io.Copy(far, far) }()
	return near, nil
}

func (a *agent) ResizeVolume(context.Context, string, string, int64) error { return nil }

func (a *agent) Diagnostics(context.Context, string) (hostapi.Diagnostics, error) {
	return hostapi.Diagnostics{State: hostapi.GuestRunning, Uptime: time.Minute, MemoryMiB: 64}, nil
}

func (a *agent) Snapshot(_ context.Context, _, image, _ string) error {
	a.w.Lock()
	defer a.w.Unlock()
	if err := a.w.fail(a.host + " snapshot"); err != nil {
		return err
	}
	img := a.w.Images[image]
	img.Status = "active"
	a.w.Images[image] = img
	return nil
}
