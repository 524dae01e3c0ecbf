// Package fakevm is a hypervisor, a dataplane and local disks that exist in
// memory only, so that a thousand hosts with ten thousand guests fit into one
// test process, and so that any call can be made to fail, wait or be the last.
//
// The one idea: a [World] is the hardware. It outlives agents, as real guests
// do: an agent works through a [Session] of its host, and opening the next
// session cuts the last one off in the middle of whatever it was doing, which
// is what kill -9 does. What a session changed before is there, what it did not
// is not.
//
// Everything is safe for concurrent use; each host has its own lock.
package fakevm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"altostack/hostapi"
	"altostack/kernel/clock"
)

// ErrCut is what the calls of a session answer that another one has replaced.
var ErrCut = errors.New("fakevm: this session was cut off")

// Call names one call of a driver, for a [Hook].
type Call struct {
	Host  string
	Op    string // Interface.Method, as Hypervisor.Ensure
	ID    string // of the guest, image or record; empty where there is none
	N     int64  // how many calls of Op there were in the world, this one included
	After bool   // the call has done its work already
}

// Hook sees every call twice, before and after its work. An error it answers is
// the call's; it may also wait, or cut the session.
type Hook func(ctx context.Context, c Call) error

// Size is what a host has; the zero value takes 64 CPUs, 256 GiB, 4 TiB.
type Size struct {
	VCPUs     int
	MemoryMiB int64
	DiskGiB   int64
}

// World is the hardware of many hosts.
type World struct {
	clock clock.Clock
	size  Size

	mu    sync.Mutex
	hosts map[string]*Host

	hook   atomic.Pointer[Hook]
	counts sync.Map // op → *atomic.Int64
}

// NewWorld makes a world without hosts.
func NewWorld(c clock.Clock, size Size) *World {
	size.VCPUs = cmp.Or(size.VCPUs, 64)
	size.MemoryMiB = cmp.Or(size.MemoryMiB, 256<<10)
	size.DiskGiB = cmp.Or(size.DiskGiB, 4096)
	return &World{clock: c, size: size, hosts: map[string]*Host{}}
}

// SetHook makes every call in the world pass through hook; nil ends that.
func (w *World) SetHook(hook Hook) {
	if hook == nil {
		w.hook.Store(nil)
		return
	}
	w.hook.Store(&hook)
}

// Host answers the named host, which is made if there is none.
func (w *World) Host(name string) *Host {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.hosts[name]
	if h == nil {
		h = &Host{Name: name, world: w, guests: map[string]*guest{}, disks: map[string]map[string]int64{},
			cache: map[string]int64{}, records: map[string][]byte{}, wired: map[string]bool{}, boot: 1}
		w.hosts[name] = h
	}
	return h
}

// Hosts answers every host there is, by name.
func (w *World) Hosts() []*Host {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.SortedFunc(maps.Values(w.hosts), func(a, b *Host) int { return cmp.Compare(a.Name, b.Name) })
}

// call runs a hook around work.
func (w *World) call(ctx context.Context, c Call, work func() error) error {
	hook := w.hook.Load()
	if hook == nil {
		return work()
	}
	n, _ := w.counts.LoadOrStore(c.Op, new(atomic.Int64))
	c.N = n.(*atomic.Int64).Add(1)
	if err := (*hook)(ctx, c); err != nil {
		return err
	}
	if err := work(); err != nil {
		return err
	}
	c.After = true
	return (*hook)(ctx, c)
}

// Host is one machine: what is on it stays until something removes it.
type Host struct {
	Name  string
	world *World

	mu      sync.Mutex
	session *Session
	guests  map[string]*guest
	disks   map[string]map[string]int64 // guest → disk → MiB
	cache   map[string]int64            // digest → bytes
	records map[string][]byte
	network hostapi.HostNetwork
	wired   map[string]bool
	broken  bool // somebody took a piece of the wiring away
	boot    int
}

// guest is one machine that runs, or could.
type guest struct {
	want   hostapi.Guest
	seen   hostapi.SeenGuest
	disks  map[string]int64 // plugged in, with the size the guest was told
	boots  int
	closed chan struct{} // ends the consoles of this run
}

// Session is an agent's hold on a host.
type Session struct {
	host    *Host
	cut     atomic.Bool
	changed chan struct{}
}

// Open cuts the last session off and starts a new one.
func (h *Host) Open() *Session {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.session != nil {
		h.session.cut.Store(true)
	}
	h.session = &Session{host: h, changed: make(chan struct{}, 1)}
	return h.session
}

// Cut ends the session as kill -9 ends a process: its calls fail from now on.
func (s *Session) Cut() {
	s.host.mu.Lock()
	defer s.host.mu.Unlock()
	s.cut.Store(true)
}

// BootID tells one boot of the machine from the next; see agent.Config.
func (h *Host) BootID() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return fmt.Sprintf("%s-%d", h.Name, h.boot)
}

// do runs work with the host locked, through the world's hook.
func (s *Session) do(ctx context.Context, op, id string, work func(h *Host) error) error {
	return s.host.world.call(ctx, Call{Host: s.host.Name, Op: op, ID: id}, func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		s.host.mu.Lock()
		defer s.host.mu.Unlock()
		if s.cut.Load() {
			return ErrCut
		}
		return work(s.host)
	})
}

// signal tells the agent that a guest changed by itself. The host is locked.
func (h *Host) signal() {
	if h.session == nil {
		return
	}
	select {
	case h.session.changed <- struct{}{}:
	default:
	}
}

// Crash ends a guest as a bug in the hypervisor would.
func (h *Host) Crash(guestID, reason string) { h.end(guestID, hostapi.GuestCrashed, reason) }

// PowerOff ends a guest as its own user would.
func (h *Host) PowerOff(guestID string) { h.end(guestID, hostapi.GuestStopped, "") }

func (h *Host) end(guestID string, state hostapi.GuestState, reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if g := h.guests[guestID]; g != nil {
		g.halt(state, reason, h.world.clock.Now())
		h.signal()
	}
}

// Reboot ends every guest and all wiring and cuts the agent off, as a power cut
// does. Disks and records stay.
func (h *Host) Reboot() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, g := range h.guests {
		g.halt(hostapi.GuestStopped, "", h.world.clock.Now())
	}
	h.guests, h.wired, h.network = map[string]*guest{}, map[string]bool{}, hostapi.HostNetwork{}
	h.boot++
	if h.session != nil {
		h.session.cut.Store(true)
	}
}

// Break takes a piece of the wiring away behind the agent's back.
func (h *Host) Break() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.broken, h.wired = true, map[string]bool{}
}

// Lose deletes a guest's files behind the agent's back.
func (h *Host) Lose(guestID string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.disks, guestID)
}

// Left lists what is on the host, for tests that look for litter: guests,
// disks, records of guests and wired ports, sorted.
func (h *Host) Left() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var left []string
	for id, g := range h.guests {
		left = append(left, fmt.Sprintf("guest %s %s", id, g.seen.State))
	}
	for id, disks := range h.disks {
		for disk := range disks {
			left = append(left, "disk "+id+"/"+disk)
		}
	}
	for name := range h.records {
		if name != "host" && name != "network" {
			left = append(left, "record "+name)
		}
	}
	for id := range h.wired {
		left = append(left, "port "+id)
	}
	slices.Sort(left)
	return left
}

// Guest answers what a guest is like, for tests.
func (h *Host) Guest(id string) (want hostapi.Guest, seen hostapi.SeenGuest, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	g := h.guests[id]
	if g == nil {
		return want, seen, false
	}
	return g.want, g.seen, true
}

func (g *guest) halt(state hostapi.GuestState, reason string, now time.Time) {
	if g.closed != nil {
		close(g.closed)
		g.closed = nil
	}
	g.seen.State, g.seen.Reason, g.seen.PID, g.seen.Since = state, reason, 0, now
}
