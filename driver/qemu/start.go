package qemu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"altostack/driver/qemu/qmp"
	"altostack/hostapi"
	"altostack/kernel/fault"
)

// openTap is [agent.Machine.OpenTap].
type openTap func(ctx context.Context, portID string) (*os.File, error)

// start makes the guest's process and leaves the guest stopped in it, before
// its first instruction. The turn is held and no process runs. If anything
// fails there is no process afterwards either.
func (g *guest) start(ctx context.Context, want spec, taps openTap) error {
	// The intent is kept first: whatever a successor finds running with it is ended.
	if err := g.prepare(want); err != nil {
		return err
	}
	pid, err := g.launch(ctx, want, taps)
	if err != nil {
		g.d.cfg.Log.Error("guest did not start", "server_id", g.id, "error", err)
		g.update(func(r *record) {
			r.State, r.Reason, r.Ending, r.PID = hostapi.GuestCrashed, "it did not start: "+err.Error(), true, 0
		})
		return err
	}
	now := g.d.cfg.Clock.Now()
	g.update(func(r *record) {
		r.Ending, r.State, r.Reason, r.PID, r.Start = false, hostapi.GuestPaused, "", pid, now
	})
	return nil
}

// launch makes a process as want says, connects to it and watches it.
func (g *guest) launch(ctx context.Context, want spec, taps openTap) (pid int, err error) {
	p, err := makePlan(g.d.settings, want)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, g.d.cfg.StartTimeout)
	defer cancel()
	proc, err := g.spawn(ctx, p, want, taps)
	if err != nil {
		return 0, errors.Join(err, g.d.cgroups.remove(context.WithoutCancel(ctx), g.id))
	}
	g.mu.Lock()
	g.proc, g.mon, g.lastWords = proc, nil, ""
	g.mu.Unlock()
	g.d.work.Go(func() { g.watchProcess(proc) })
	mon, err := g.greet(ctx, proc)
	if err != nil {
		err = g.explain(err)
		return 0, errors.Join(err, g.end(context.WithoutCancel(ctx)))
	}
	if !g.connected(proc, mon) {
		return 0, g.explain(errors.New("it ended at once"))
	}
	g.d.work.Go(func() { g.watchMonitor(proc, mon) })
	return proc.pid(), nil
}

// prepare makes the guest's directory, user and record.
func (g *guest) prepare(want spec) error {
	uid := g.uid()
	if uid < 0 {
		var err error
		if uid, err = g.d.freeUID(); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(g.dir, 0o711); err != nil {
		return err
	}
	g.update(func(r *record) {
		r.Spec, r.UID, r.Ending, r.PID = want, uid, true, 0
		if r.State == "" {
			r.State = hostapi.GuestStopped
		}
	})
	return nil
}

// spawn opens what the plan inherits and starts the process.
func (g *guest) spawn(ctx context.Context, p plan, want spec, taps openTap) (process, error) {
	files, err := g.openAll(ctx, p.Files, taps)
	defer closeAll(files)
	if err != nil {
		return nil, err
	}
	log, err := appendTo(g.dir, qemuLog)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	what := launch{dir: g.dir, args: p.Args, files: files, uid: g.uid(), groups: g.d.groups, log: log}
	if g.d.cgroups.usable() {
		what.cgroup, err = g.d.cgroups.make(g.id, limitsOf(want, Accel(g.d.settings.Accel)))
		if err != nil {
			return nil, fault.Because(err, fault.CodeQemuStartFailed, "The host cannot limit server %s.", g.id)
		}
		defer closeAll([]*os.File{what.cgroup})
	}
	proc, err := g.d.procs.start(what)
	if err != nil {
		return nil, fault.Because(err, fault.CodeQemuStartFailed, "The host cannot start server %s.", g.id)
	}
	if err := replaceFile(filepath.Join(g.dir, pidFile), []byte(strconv.Itoa(proc.pid())+"\n")); err != nil {
		return nil, errors.Join(err, proc.kill())
	}
	return proc, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}

func (g *guest) openAll(ctx context.Context, wanted []inherited, taps openTap) ([]*os.File, error) {
	var files []*os.File
	for _, w := range wanted {
		f, err := g.open(ctx, w, taps)
		if err != nil {
			return files, err
		}
		files = append(files, f)
	}
	return files, nil
}

func (g *guest) open(ctx context.Context, what inherited, taps openTap) (*os.File, error) {
	switch what.Kind {
	case fileQMP:
		return listenIn(g.dir, qmpSocket)
	case fileMonitor:
		return listenIn(g.dir, monitorSocket)
	case fileSerial:
		return listenIn(g.dir, serialSocket)
	case fileConsole:
		return appendTo(g.dir, consoleLog)
	case fileTap:
		if taps == nil {
			return nil, fmt.Errorf("port %s has no tap", what.Port)
		}
		return taps(ctx, what.Port)
	}
	return openDisk(what)
}

func openDisk(what inherited) (*os.File, error) {
	mode := os.O_RDONLY
	if what.Write {
		mode = os.O_RDWR
	}
	f, err := os.OpenFile(what.Path, mode, 0)
	if err != nil {
		return nil, fault.Because(err, fault.CodeQemuDiskUnusable, "One of the server's disks is not on the host.")
	}
	return f, nil
}

// greet waits until QEMU answers and puts it where it belongs.
func (g *guest) greet(ctx context.Context, proc process) (*qmp.Client, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-proc.gone(): // no use in waiting on
			cancel()
		case <-ctx.Done():
		}
	}()
	mon, err := g.dial(ctx)
	if err != nil {
		return nil, err
	}
	if g.d.cgroups.usable() {
		if err := g.d.cgroups.enter(g.id, proc.pid()); err != nil {
			_ = mon.Close()
			return nil, err
		}
	}
	return mon, nil
}

// explain makes a fault of a failed start, from what QEMU said.
func (g *guest) explain(err error) error {
	text, _ := tail(filepath.Join(g.dir, qemuLog), 2048)
	err = fmt.Errorf("%w; QEMU's log ends with: %s", err, strings.TrimSpace(string(text)))
	if strings.Contains(string(text), `" lock`) {
		return fault.Because(err, fault.CodeQemuDiskInUse, "One of the disks of server %s is in use elsewhere.", g.id)
	}
	return fault.Because(err, fault.CodeQemuStartFailed, "The host's QEMU refused to start server %s.", g.id)
}

// end ends the process, at once, and waits until it has. The turn is held. It
// is recorded first that this was meant.
func (g *guest) end(ctx context.Context) error {
	g.mu.Lock()
	p, mon := g.proc, g.mon
	g.mu.Unlock()
	if p == nil {
		return nil
	}
	g.update(func(r *record) { r.Ending = true })
	if mon != nil { // it may flush what it holds
		quit, cancel := context.WithTimeout(ctx, quitGrace)
		err := mon.Run(quit, "quit", nil, nil)
		if err == nil {
			waitFor(quit, p.gone())
		}
		cancel()
	}
	if err := p.kill(); err != nil {
		return fmt.Errorf("end the process of guest %s: %w", g.id, err)
	}
	return g.waitGone(ctx)
}

// waitGone waits until the watcher has recorded the end of the process.
func (g *guest) waitGone(ctx context.Context) error {
	for {
		wake := g.stirred()
		g.mu.Lock()
		gone := g.proc == nil && (g.rec.State == hostapi.GuestStopped || g.rec.State == hostapi.GuestCrashed)
		g.mu.Unlock()
		if gone {
			return nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func waitFor(ctx context.Context, done <-chan struct{}) {
	select {
	case <-done:
	case <-ctx.Done():
	}
}
