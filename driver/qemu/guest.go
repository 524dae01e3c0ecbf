package qemu

import (
	"context"
	"encoding/json"
	"path/filepath"
	"sync"
	"time"

	"altostack/driver/qemu/qmp"
	"altostack/hostapi"
	"altostack/kernel/fault"
)

// guest is one guest as this driver knows it.
type guest struct {
	d   *Driver
	id  string
	dir string
	// turn is held by whoever changes the guest. A channel, so that waiting for
	// it can be given up.
	turn    chan struct{}
	copying chan struct{} // held while a disk is copied

	mu   sync.Mutex
	rec  record
	proc process     // nil: no process
	mon  *qmp.Client // nil: not connected
	// wake is closed and made anew on everything that happens to the guest.
	wake      chan struct{}
	lastWords string // why QEMU says it ends
	dropped   bool   // not watched any more: removed, or the driver is closed
	looking   sync.Mutex
	viewing   stream // who has the serial port
}

func newGuest(d *Driver, id string, r record) *guest {
	return &guest{
		d: d, id: id, dir: filepath.Join(d.run, id), rec: r,
		turn: make(chan struct{}, 1), copying: make(chan struct{}, 1), wake: make(chan struct{}),
	}
}

func (g *guest) leave() { <-g.turn }

func (g *guest) uid() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.rec.UID
}

// seen reports the guest, unless it is still being made.
func (g *guest) seen() (hostapi.SeenGuest, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := hostapi.SeenGuest{
		ID: g.id, Generation: g.rec.Spec.Generation, State: g.rec.State,
		Reason: g.rec.Reason, Since: g.rec.Since,
	}
	s.PID = g.rec.PID
	return s, g.rec.State != ""
}

// adopt takes over what a predecessor of this process left: p is nil where no
// process runs.
func (g *guest) adopt(p process) {
	if p != nil {
		g.mu.Lock()
		g.proc = p
		g.rec.PID = p.pid()
		g.mu.Unlock()
		// It was being ended, or had not been started yet, or we do not know what it is.
		if g.rec.Ending || g.rec.UID < 0 {
			if err := p.kill(); err != nil {
				g.d.cfg.Log.Error("a guest's process could not be ended", "server_id", g.id, "error", err)
			}
		}
		g.d.work.Go(func() { g.watchProcess(p) })
		g.d.work.Go(func() { g.watchMonitor(p, nil) })
		return
	}
	if g.rec.State == hostapi.GuestRunning || g.rec.State == hostapi.GuestPaused {
		g.ended("its process ended while nobody watched")
	} else if err := g.d.cgroups.remove(g.d.ctx, g.id); err != nil {
		g.d.cfg.Log.Warn("a guest's cgroup stays behind", "server_id", g.id, "error", err)
	}
}

// abandon stops watching the guest.
func (g *guest) abandon() {
	g.mu.Lock()
	g.dropped = true
	p, mon, viewing := g.proc, g.mon, g.viewing
	g.mu.Unlock()
	if mon != nil {
		_ = mon.Close()
	}
	if viewing.conn != nil {
		_ = viewing.conn.Close()
	}
	if p != nil {
		p.release()
	}
}

// watchProcess waits for the end of p.
func (g *guest) watchProcess(p process) {
	select {
	case <-p.gone():
	case <-g.d.ctx.Done():
		return
	}
	g.mu.Lock()
	why := g.lastWords
	g.mu.Unlock()
	if why == "" {
		why = "QEMU ended: " + lastLine(filepath.Join(g.dir, qemuLog))
	}
	g.ended(why)
}

// ended records that there is no process any more, as the last thing, so that
// whoever waits for it finds nothing of the process left.
func (g *guest) ended(why string) {
	if err := g.d.cgroups.remove(g.d.ctx, g.id); err != nil && g.d.ctx.Err() == nil {
		g.d.cfg.Log.Warn("a guest's cgroup stays behind", "server_id", g.id, "error", err)
	}
	g.update(func(r *record) {
		g.proc = nil
		r.PID, r.State, r.Reason = 0, hostapi.GuestStopped, ""
		if !r.Ending {
			r.State, r.Reason = hostapi.GuestCrashed, why
		}
	})
}

// update changes the record, keeps it, and wakes whoever waits.
func (g *guest) update(change func(*record)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	before := g.rec.State
	change(&g.rec)
	if g.rec.State != before {
		g.rec.Since = g.d.cfg.Clock.Now()
		g.d.notify()
	}
	if !g.dropped {
		if err := g.rec.save(g.dir); err != nil {
			g.d.cfg.Log.Error("a guest's record could not be written", "server_id", g.id, "error", err)
		}
	}
	g.stir()
}

// stir wakes whoever waits for the guest; it needs g.mu.
func (g *guest) stir() {
	close(g.wake)
	g.wake = make(chan struct{})
}

// stirred answers a channel that closes when something happens to the guest.
// Take it before looking, so that nothing is missed in between.
func (g *guest) stirred() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.wake
}

// watchMonitor keeps a QMP connection to p for as long as p runs. first is a
// connection made already, or nil.
func (g *guest) watchMonitor(p process, first *qmp.Client) {
	for mon := first; ; mon = nil {
		if mon == nil {
			mon = g.reconnect(p)
			if mon == nil {
				return
			}
		}
		g.refresh(mon)
		for event := range mon.Events() {
			g.handle(mon, event)
		}
		g.mu.Lock()
		if g.mon == mon {
			g.mon = nil
		}
		g.stir()
		g.mu.Unlock()
	}
}

// reconnect dials until it has a connection or there is nothing to connect to.
func (g *guest) reconnect(p process) *qmp.Client {
	for {
		ctx, cancel := context.WithTimeout(g.d.ctx, g.d.cfg.StartTimeout)
		mon, err := g.dial(ctx)
		cancel()
		if err == nil && g.connected(p, mon) {
			return mon
		}
		tick, stop := g.d.cfg.Clock.After(time.Second)
		select {
		case <-tick:
		case <-p.gone():
			stop()
			return nil
		case <-g.d.ctx.Done():
			stop()
			return nil
		}
	}
}

func (g *guest) dial(ctx context.Context) (*qmp.Client, error) {
	conn, err := dialIn(g.dir, qmpSocket)
	if err != nil {
		return nil, err
	}
	return qmp.New(ctx, conn)
}

// connected makes mon the guest's monitor, unless the guest was left meanwhile.
func (g *guest) connected(p process, mon *qmp.Client) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.dropped || g.proc != p {
		go func() { _ = mon.Close() }()
		return false
	}
	g.mon = mon
	g.stir()
	return true
}

// monitor answers the guest's connection, waiting for one that is being made.
// A guest without process is fault "agent.guest_not_running".
func (g *guest) monitor(ctx context.Context) (*qmp.Client, error) {
	tick, stop := g.d.cfg.Clock.After(g.d.cfg.StartTimeout)
	defer stop()
	for {
		wake := g.stirred()
		g.mu.Lock()
		running, mon := g.proc != nil && g.rec.PID != 0, g.mon
		g.mu.Unlock()
		if !running {
			return nil, fault.New(fault.CodeAgentGuestNotRunning, "Server %s does not run.", g.id)
		}
		if mon != nil && mon.Err() == nil { // else it is being made anew
			return mon, nil
		}
		select {
		case <-wake:
		case <-tick:
			return nil, fault.New(fault.CodeQemuGuestSilent, "The process of server %s does not answer.", g.id)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// handle takes one event.
func (g *guest) handle(mon *qmp.Client, event qmp.Event) {
	switch event.Name {
	case "SHUTDOWN":
		var why struct {
			Guest  bool   `json:"guest"`
			Reason string `json:"reason"`
		}
		_ = json.Unmarshal(event.Data, &why) // an empty reason is as good
		g.d.cfg.Log.Info("QEMU shuts down", "server_id", g.id, "reason", why.Reason)
		if !why.Guest { // its process ends now: watchProcess says what that means
			g.mu.Lock()
			g.lastWords = "QEMU was told to end: " + why.Reason
			g.mu.Unlock()
			g.hasten()
			return
		}
		g.refresh(mon)
	case "STOP", "RESUME", "RESET", "BLOCK_IO_ERROR", "GUEST_PANICKED", "GUEST_CRASHLOADED":
		g.refresh(mon)
	default:
		g.mu.Lock()
		g.stir()
		g.mu.Unlock()
	}
}

// hasten kills a process that said it would end and does not.
func (g *guest) hasten() {
	g.mu.Lock()
	p := g.proc
	g.mu.Unlock()
	if p == nil {
		return
	}
	g.d.work.Go(func() {
		tick, stop := g.d.cfg.Clock.After(quitGrace)
		defer stop()
		select {
		case <-p.gone():
		case <-g.d.ctx.Done():
		case <-tick:
			g.d.cfg.Log.Warn("killing a QEMU that does not end", "server_id", g.id, "pid", p.pid())
			if err := p.kill(); err != nil {
				g.d.cfg.Log.Error("a guest's process could not be ended", "server_id", g.id, "error", err)
			}
		}
	})
}

// refresh reads the run state and records it. What cannot be read now is read
// again with the next event or the next connection.
func (g *guest) refresh(mon *qmp.Client) {
	ctx, cancel := context.WithTimeout(g.d.ctx, g.d.cfg.StartTimeout)
	defer cancel()
	status, err := g.look(ctx, mon, false)
	if err != nil || status != "shutdown" {
		return
	}
	// The event that says whose doing it was came before this answer.
	for queued := true; queued; {
		select {
		case event, open := <-mon.Events():
			if !open {
				return
			}
			g.handle(mon, event)
		default:
			queued = false
		}
	}
	_, _ = g.look(ctx, mon, true)
}

// look reads the run state and records it, one caller at a time, so that an
// older answer never overwrites a newer one. Only the reader of events may
// conclude that the guest is down, as it alone knows whether that was the
// guest's doing.
func (g *guest) look(ctx context.Context, mon *qmp.Client, reader bool) (string, error) {
	g.looking.Lock()
	defer g.looking.Unlock()
	var answer struct {
		Status string `json:"status"`
	}
	if err := mon.Run(ctx, "query-status", nil, &answer); err != nil {
		return "", err
	}
	if reader || answer.Status != "shutdown" {
		g.observe(mon, answer.Status)
	}
	return answer.Status, nil
}

// observe records a run state, and ends the process of a guest that powered
// itself off: QEMU only waits then, so that this is told from a crash.
func (g *guest) observe(mon *qmp.Client, status string) {
	state, reason := stateOf(status)
	g.mu.Lock()
	known := g.rec.State == state && g.rec.Reason == reason
	starting := g.rec.PID == 0                                 // whoever starts it records the outcome
	told := state == hostapi.GuestStopped && g.lastWords != "" // by the host, see handle
	ending := g.rec.Ending
	g.mu.Unlock()
	if starting || told {
		return
	}
	if state == hostapi.GuestStopped && !ending {
		g.update(func(r *record) { r.Ending, r.State, r.Reason = true, state, "" })
		ctx, cancel := context.WithTimeout(g.d.ctx, g.d.cfg.StartTimeout)
		defer cancel()
		_ = mon.Run(ctx, "quit", nil, nil) // not heard: it is killed
		g.hasten()
		return
	}
	if !known && !ending {
		g.update(func(r *record) { r.State, r.Reason = state, reason })
	}
}

// stateOf translates QEMU's run states.
func stateOf(status string) (hostapi.GuestState, string) {
	switch status {
	case "running":
		return hostapi.GuestRunning, ""
	case "shutdown":
		return hostapi.GuestStopped, ""
	case "internal-error":
		return hostapi.GuestCrashed, "QEMU met an error of the accelerator"
	case "guest-panicked":
		return hostapi.GuestCrashed, "the guest panicked"
	case "io-error":
		return hostapi.GuestPaused, "a disk could not be written; the host may be out of room"
	}
	return hostapi.GuestPaused, ""
}
