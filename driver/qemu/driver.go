package qemu

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"altostack/agent"
	"altostack/hostapi"
	"altostack/kernel/clock"
	"altostack/kernel/fault"
)

// Config of a [Driver]. Only Dir is required.
type Config struct {
	Dir    string // absolute; everything kept lives in it
	Binary string // QEMU; default: qemu-system-x86_64 from PATH
	Accel  Accel  // default: AccelAuto
	// UIDBase and UIDCount are the user and group ids that guests' processes
	// get, one a guest. By default a block of 1024 in the range that no system
	// uses, which depends on Dir, so that two clouds on a machine do not share.
	UIDBase, UIDCount int
	CgroupName        string        // of the group around all guests; default: made from Dir
	ConsoleLimit      int64         // bytes kept of each log; default 1 MiB
	SparePorts        int           // empty places for hot plug on q35; default 8
	StartTimeout      time.Duration // until a new QEMU answers; default 30 s
	UnplugTimeout     time.Duration // until the guest lets go of a device; default 20 s
	Clock             clock.Clock   // default: the real one
	Log               *slog.Logger  // default: slog.Default
}

func (c *Config) fill() error {
	if !filepath.IsAbs(c.Dir) {
		return fmt.Errorf("qemu: directory %q is not absolute", c.Dir)
	}
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(c.Dir))
	if c.UIDBase == 0 {
		// systemd.io/UIDS-GIDS lists 1879048192 to 2147483647 as unused.
		c.UIDBase = 1879048192 + int(sum.Sum32()%250_000)*1024
	}
	if c.UIDCount == 0 {
		c.UIDCount = 1024
	}
	if c.UIDBase <= 0 || c.UIDCount < 1 {
		return errors.New("qemu: the range of user ids is empty or includes root")
	}
	if c.CgroupName == "" {
		c.CgroupName = fmt.Sprintf("altostack-%08x", sum.Sum32())
	}
	setDefault(&c.Binary, "qemu-system-x86_64")
	setDefault(&c.Accel, AccelAuto)
	setDefault(&c.ConsoleLimit, 1<<20)
	setDefault(&c.SparePorts, 8)
	setDefault(&c.StartTimeout, 30*time.Second)
	setDefault(&c.UnplugTimeout, 20*time.Second)
	if c.Clock == nil {
		c.Clock = clock.Real{}
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return nil
}

func setDefault[T comparable](field *T, value T) {
	if *field == *new(T) {
		*field = value
	}
}

// Driver runs guests under QEMU. It implements [agent.Hypervisor].
type Driver struct {
	cfg      Config
	run      string // directory of guests' directories
	settings settings
	reason   string // of the choice of accelerator
	version  version
	cgroups  cgroups
	procs    processes
	groups   []int // supplementary groups of guests' processes
	changed  chan struct{}
	viewers  atomic.Int64 // names their descriptors

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu     sync.Mutex
	guests map[string]*guest
}

var _ agent.Hypervisor = (*Driver)(nil)

// Open takes charge of the guests under cfg.Dir: it adopts those that run and
// finds out what became of the others. It needs root and a QEMU; a missing one
// is fault "qemu.missing".
func Open(ctx context.Context, cfg Config) (*Driver, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("qemu: guests get user ids of their own, so this needs root")
	}
	if err := os.MkdirAll(cfg.Dir, 0o711); err != nil {
		return nil, err
	}
	found, err := findBinary(ctx, cfg.Binary, cfg.Dir)
	if err != nil {
		return nil, err
	}
	accel, reason, err := choose(cfg.Accel, realHardware())
	if err != nil {
		return nil, fault.Because(err, fault.CodeQemuMissing, "The host cannot run guests as configured.")
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	d := &Driver{
		settings: settings{Accel: string(accel), Tablet: found.Tablet, Spare: cfg.SparePorts},
		reason:   reason, version: found,
		cgroups: findCgroups(string(mounts), cfg.CgroupName, cfg.Clock),
		procs:   linux{found.Path},
	}
	if accel == AccelKVM {
		d.groups = groupsOf("/dev/kvm")
	}
	if err := d.cgroups.try(ctx); err != nil {
		cfg.Log.Warn("guests run without limits: cgroups cannot be used", "error", err)
		d.cgroups = findCgroups("", cfg.CgroupName, cfg.Clock)
	}
	cfg.Log.Info("QEMU found", "version", found.String(), "accelerator", accel, "reason", reason, "cgroups", d.cgroups.usable())
	return open(ctx, cfg, d)
}

// open is the part of Open that tests share.
func open(ctx context.Context, cfg Config, d *Driver) (*Driver, error) {
	d.cfg, d.run = cfg, filepath.Join(cfg.Dir, "run")
	d.changed, d.guests = make(chan struct{}, 1), map[string]*guest{}
	d.ctx, d.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := os.MkdirAll(d.run, 0o711); err != nil {
		return nil, err
	}
	records, err := loadRecords(d.run, cfg.Log)
	if err != nil {
		return nil, err
	}
	running, err := d.procs.find(d.run, uidRange{cfg.UIDBase, cfg.UIDCount})
	if err != nil {
		return nil, err
	}
	for id, p := range running {
		if _, known := records[id]; !known { // its directory was deleted under it
			cfg.Log.Warn("ending a guest that nothing is known of", "server_id", id, "pid", p.pid())
			if err := d.endOrphan(ctx, id, p); err != nil {
				return nil, err
			}
		}
	}
	for id, r := range records {
		g := newGuest(d, id, r)
		d.guests[id] = g
		g.adopt(running[id])
	}
	d.work.Go(d.trimLogs)
	return d, nil
}

// endOrphan ends a process without a record.
func (d *Driver) endOrphan(ctx context.Context, id string, p process) error {
	if err := p.kill(); err != nil {
		return err
	}
	waitFor(ctx, p.gone())
	return errors.Join(ctx.Err(), d.cgroups.remove(ctx, id))
}

// Close stops watching. The guests go on, and the next Open adopts them.
func (d *Driver) Close() error {
	d.cancel()
	d.mu.Lock()
	guests := d.all()
	d.mu.Unlock()
	for _, g := range guests {
		g.abandon()
	}
	d.work.Wait()
	return nil
}

// all needs d.mu.
func (d *Driver) all() []*guest {
	guests := make([]*guest, 0, len(d.guests))
	for _, g := range d.guests {
		guests = append(guests, g)
	}
	return guests
}

// Guests reports every guest.
func (d *Driver) Guests(context.Context) ([]hostapi.SeenGuest, error) {
	d.mu.Lock()
	guests := d.all()
	d.mu.Unlock()
	var seen []hostapi.SeenGuest
	for _, g := range guests {
		if s, ok := g.seen(); ok {
			seen = append(seen, s)
		}
	}
	slices.SortFunc(seen, func(a, b hostapi.SeenGuest) int { return strings.Compare(a.ID, b.ID) })
	return seen, nil
}

// Changed is signalled when a guest's state changed.
func (d *Driver) Changed() <-chan struct{} { return d.changed }

func (d *Driver) notify() {
	select {
	case d.changed <- struct{}{}:
	default: // the reader has a signal waiting already
	}
}

// find answers a guest that is known, or fault "agent.guest_unknown".
func (d *Driver) find(id string) (*guest, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if g := d.guests[id]; g != nil {
		return g, nil
	}
	return nil, fault.New(fault.CodeAgentGuestUnknown, "The host does not have server %s.", id)
}

// take answers the guest with its turn taken; one that is not known is made if
// create says so, else nil. The caller calls g.leave.
func (d *Driver) take(ctx context.Context, id string, create bool) (*guest, error) {
	for {
		if err := errors.Join(ctx.Err(), d.ctx.Err()); err != nil {
			return nil, err // given up, or the driver is closed
		}
		d.mu.Lock()
		g := d.guests[id]
		if g == nil && create {
			g = newGuest(d, id, record{UID: -1})
			d.guests[id] = g
		}
		d.mu.Unlock()
		if g == nil {
			return nil, nil
		}
		select {
		case g.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		d.mu.Lock()
		current := d.guests[id] == g
		d.mu.Unlock()
		if current {
			return g, nil
		}
		g.leave() // it was removed while we waited
	}
}

// freeUID picks a user id that no guest has.
func (d *Driver) freeUID() (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	used := map[int]bool{}
	for _, g := range d.guests {
		used[g.uid()] = true
	}
	for uid := d.cfg.UIDBase; uid < d.cfg.UIDBase+d.cfg.UIDCount; uid++ {
		if !used[uid] {
			return uid, nil
		}
	}
	return 0, fault.New(fault.CodeQemuUnsupported, "The host cannot run more servers: all of its %d user ids are taken.", d.cfg.UIDCount)
}
