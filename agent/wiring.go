package agent

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"altostack/hostapi"
	"altostack/kernel/fault"
)

// wiring holds what the host's network should be. Its loop is the only one who
// changes that and the only one who calls Apply and Check: callers queue what
// they need, and one round serves all who queued while the last one ran. So
// answers of the conductor cannot overtake each other either.
type wiring struct {
	a *Agent

	queue chan struct{} // signals waiting requests
	mu    sync.Mutex
	asked []*request

	view sync.RWMutex // guards want for readers; only the loop writes
	want hostapi.HostNetwork

	// The loop's own.
	blind    bool            // nothing is known of what the host's guests use: apply nothing before a full round
	dirty    bool            // want was not applied yet
	unsaved  bool            // want was not stored yet
	wired    map[string]bool // after the last Apply
	reported map[string]bool // ports the conductor knows to be up
	down     map[string]bool // ports that went and that the conductor was not told of yet
	resync   time.Time       // when the next full one is due
	failed   int             // rounds that failed in a row
}

// request is one caller's change.
type request struct {
	fetch  []string // ports whose wiring changed or is new
	full   bool     // everything may have changed
	remove []string // ports that leave the host
	need   []string // ports without which the caller's request has failed
	done   chan error
}

func newWiring(a *Agent) *wiring {
	return &wiring{a: a, queue: make(chan struct{}, 1), want: a.records.net, dirty: true,
		blind: !a.records.wired && len(a.records.byID) > 0,
		wired: map[string]bool{}, reported: map[string]bool{}, down: map[string]bool{}}
}

// wire fetches the wiring of ports and returns when they carry traffic.
func (w *wiring) wire(ctx context.Context, ports []string) error {
	return w.ask(ctx, &request{fetch: ports, need: ports})
}

// unwire takes ports off the host.
func (w *wiring) unwire(ctx context.Context, ports []string) error {
	return w.ask(ctx, &request{remove: ports})
}

// refresh fetches what changed; no ports means everything.
func (w *wiring) refresh(ctx context.Context, ports []string) error {
	return w.ask(ctx, &request{fetch: ports, full: len(ports) == 0})
}

// rewireAll asks for a full round without waiting for it.
func (w *wiring) rewireAll() { w.push(&request{full: true, done: make(chan error, 1)}) }

func (w *wiring) ask(ctx context.Context, r *request) error {
	r.done = make(chan error, 1)
	w.push(r)
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-w.a.ctx.Done():
		return errClosing
	}
}

func (w *wiring) push(r *request) {
	w.mu.Lock()
	w.asked = append(w.asked, r)
	w.mu.Unlock()
	select {
	case w.queue <- struct{}{}:
	default:
	}
}

func (w *wiring) take() []*request {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.asked
	w.asked = nil
	return all
}

// loop serves requests, and looks after the wiring in between.
func (w *wiring) loop(ctx context.Context) {
	w.round(ctx, nil) // what the host had when the agent ended, so that guests are served before control answers
	w.rewireAll()
	for {
		tick, stop := w.a.cfg.Clock.After(w.a.cfg.Every.Check)
		select {
		case <-ctx.Done():
			stop()
			return
		case <-w.queue:
			stop()
			w.round(ctx, w.take())
		case <-tick:
			w.look(ctx)
			w.a.regive(ctx)
		}
	}
}

// look repairs drift, repeats what failed and is due for a full round at times.
func (w *wiring) look(ctx context.Context) {
	now := w.a.cfg.Clock.Now()
	if !now.Before(w.resync) {
		w.rewireAll() // served by the loop's next turn
	}
	if !w.dirty {
		ok, err := w.a.cfg.Dataplane.Check(ctx)
		if ctx.Err() != nil || err == nil && ok && !w.unsaved && len(w.down) == 0 && maps.Equal(w.wired, w.reported) {
			return
		}
		if err != nil || !ok {
			w.a.log.Warn("the host's wiring is not what it should be; applying it again", "error", err)
			w.dirty = true
		}
	}
	w.round(ctx, nil)
}

// keep stores want before it is applied, so that the next start never applies
// less than a guest already uses. After a failure it is stored with the next round.
func (w *wiring) keep() {
	if err := w.save(); err != nil {
		w.a.log.Warn("the host's wiring could not be stored", "error", err)
	}
}

func (w *wiring) save() error {
	if !w.unsaved {
		return nil
	}
	b, err := json.Marshal(w.want)
	if err == nil {
		err = w.a.cfg.Records.Save(wiringName, b)
	}
	w.unsaved = err != nil
	return err
}

// round serves requests with at most one fetch and one Apply.
func (w *wiring) round(ctx context.Context, asked []*request) {
	fetchErr := w.fetch(ctx, asked)
	w.drop(asked)
	if !w.blind {
		w.keep()
	}
	var applyErr error
	if w.dirty && !w.blind {
		applyErr = w.apply(ctx)
	}
	if err := w.tell(ctx); err != nil && ctx.Err() == nil {
		w.a.log.Debug("the conductor was not told which ports are wired; trying again", "error", err)
	}
	for _, r := range asked {
		r.done <- w.outcome(r, fetchErr, applyErr)
	}
}

func (w *wiring) outcome(r *request, fetchErr, applyErr error) error {
	if (r.full || len(r.fetch) > 0) && fetchErr != nil {
		return fetchErr
	}
	if applyErr != nil {
		return applyErr
	}
	for _, id := range r.need {
		if !w.has(id) {
			return fault.New(fault.CodeAgentPortUnavailable, "The network service does not bind port %s to the host.", id)
		}
		if !w.wired[id] {
			return fault.New(fault.CodeAgentWiringFailed, "The host could not wire port %s.", id)
		}
	}
	return nil
}

func (w *wiring) has(id string) bool {
	return slices.ContainsFunc(w.want.Ports, func(p hostapi.Port) bool { return p.ID == id })
}

// fetch asks the conductor for all that is asked for, and merges the answer.
func (w *wiring) fetch(ctx context.Context, asked []*request) error {
	full, ports := w.blind, map[string]bool{}
	for _, r := range asked {
		full = full || r.full
		for _, id := range r.fetch {
			ports[id] = true
		}
	}
	if !full && len(ports) == 0 {
		return nil
	}
	var ids []string
	if !full {
		ids = slices.Sorted(maps.Keys(ports))
	}
	got, err := w.a.cfg.Conductor.Wiring(ctx, w.a.cfg.Host, ids)
	if err != nil {
		return asFault(err, fault.CodeAgentServiceUnavailable, "The conductor did not tell the host how to wire its ports.")
	}
	if full {
		w.blind = false
		w.resync = w.a.cfg.Clock.Now().Add(w.a.jittered(w.a.cfg.Every.Resync))
		w.replace(got)
	} else {
		w.replace(merged(w.want, got, ids))
	}
	return nil
}

// drop takes ports off want.
func (w *wiring) drop(asked []*request) {
	gone := map[string]bool{}
	for _, r := range asked {
		for _, id := range r.remove {
			gone[id] = true
		}
	}
	if len(gone) > 0 {
		w.replace(without(w.want, gone))
	}
}

func (w *wiring) replace(want hostapi.HostNetwork) {
	before := map[string]bool{}
	for _, p := range w.want.Ports {
		before[p.ID] = true
	}
	for _, p := range want.Ports {
		delete(before, p.ID)
		delete(w.down, p.ID)
	}
	for id := range before {
		w.down[id] = true
	}
	w.view.Lock()
	defer w.view.Unlock()
	w.want, w.dirty, w.unsaved = want, true, true
}

func (w *wiring) apply(ctx context.Context) error {
	seen, err := w.a.cfg.Dataplane.Apply(ctx, w.want)
	if err != nil {
		if ctx.Err() == nil {
			w.failed++
			w.a.log.Error("the host's network could not be programmed", "error", err, "in_a_row", w.failed)
		}
		return asFault(err, fault.CodeAgentWiringFailed, "The network of the host could not be programmed.")
	}
	w.dirty, w.failed = false, 0
	w.wired = map[string]bool{}
	for _, id := range seen.Wired {
		w.wired[id] = true
	}
	return nil
}

// tell reports the ports that came up and went down since the last report.
func (w *wiring) tell(ctx context.Context) error {
	var up, down []string
	for id := range w.wired {
		if !w.reported[id] {
			up = append(up, id)
		}
	}
	for id := range w.reported {
		if !w.wired[id] {
			w.down[id] = true
		}
	}
	for id := range w.down {
		if !w.wired[id] {
			down = append(down, id)
		}
	}
	if len(up)+len(down) == 0 {
		return nil
	}
	slices.Sort(up)
	slices.Sort(down)
	if err := w.a.cfg.Conductor.Wired(ctx, w.a.cfg.Host, up, down); err != nil {
		return err
	}
	w.reported, w.down = maps.Clone(w.wired), map[string]bool{}
	return nil
}

// of answers the ports and networks of one guest, and the routers there are.
func (w *wiring) of(guest hostapi.Guest) hostapi.HostNetwork {
	w.view.RLock()
	defer w.view.RUnlock()
	net := hostapi.HostNetwork{Networks: w.want.Networks, Routers: w.want.Routers}
	for _, p := range w.want.Ports {
		if p.DeviceID == guest.ID {
			net.Ports = append(net.Ports, p)
		}
	}
	return net
}

// caller answers the guest that has an address on a network.
func (w *wiring) caller(networkID string, addr netip.Addr) (string, error) {
	addr = addr.Unmap().WithZone("")
	w.view.RLock()
	defer w.view.RUnlock()
	for _, p := range w.want.Ports {
		if p.NetworkID != networkID || p.DeviceID == "" {
			continue
		}
		if addr.IsLinkLocalUnicast() && addr.Is6() && addr == linkLocal(p.MAC) {
			return p.DeviceID, nil
		}
		for _, f := range p.Fixed {
			if f.Addr == addr {
				return p.DeviceID, nil
			}
		}
	}
	return "", errors.New("no port of the network has this address")
}
