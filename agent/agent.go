// Package agent is one hypervisor host: it turns what the control plane wants
// of the host ([hostapi.Guest], [hostapi.HostNetwork]) into guests, disks and
// wiring, through the three interfaces it declares, and reports what it sees.
//
// The one idea: the agent converges on whole descriptions, which it keeps on
// the host. So any call may be lost or repeated, the agent may be killed and
// started again at any moment (what runs is adopted, never restarted), and the
// host works on while the control plane is away.
//
// Who may race: calls about one guest take turns (see turns), and Remove
// interrupts whoever has the turn; all wiring goes through one goroutine (see
// wiring), which gathers many callers' changes into one Apply.
//
// The agent has no database. It asks the conductor, and with a service token
// the public image, network and volume APIs, whose formats are OpenStack's.
package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"altostack/hostapi"
	"altostack/kernel/clock"
)

// Endpoints are the base URLs of the public APIs, without a version.
type Endpoints struct{ Image, Network, Volume string }

// Intervals say how often the agent looks by itself; zero takes the default.
type Intervals struct {
	Check     time.Duration // is the wiring still as applied: 2 s
	Observe   time.Duration // guests' states, besides when the hypervisor signals: 10 s
	Heartbeat time.Duration // Register: 10 s
	Resync    time.Duration // the whole wiring from the control plane: 5 min
	Sweep     time.Duration // guests and disks that nobody wants: 1 min
	Progress  time.Duration // a step of a build that takes longer is reported while it runs: 300 ms
}

// Config is what one agent works with. Host, Conductor, Hypervisor, Dataplane,
// Disks and one of Dir and Records are needed; the rest has defaults.
type Config struct {
	Host       string // name of the host; the identity it registers with
	Dir        string // descriptions (unless Records is set) and snapshots in the making
	Records    Records
	Conductor  hostapi.Conductor
	Hypervisor Hypervisor
	Dataplane  Dataplane
	Disks      Disks
	HTTP       *http.Client
	Endpoints  Endpoints
	Clock      clock.Clock
	Rand       io.Reader // random_seed of the metadata
	Log        *slog.Logger
	Every      Intervals

	Address  string // of the host on the underlay
	Zone     string // availability zone
	Reserved hostapi.Reserved

	// TrustCache lets a build use a cached image whose digest was verified
	// without asking the image API whether it still exists.
	TrustCache bool
	// ResumeGuests starts guests that should run after the machine rebooted.
	ResumeGuests bool
	// BootID tells one boot of the machine from the next; empty: the kernel's.
	BootID string
}

// Agent is one host. It implements [hostapi.Agent].
type Agent struct {
	cfg Config
	log *slog.Logger

	turns     turns
	records   *desired
	net       *wiring
	tokens    tokens
	downloads downloads

	ctx     context.Context // ends with Close
	stop    context.CancelCauseFunc
	work    sync.WaitGroup
	started time.Time
	kick    chan struct{} // look at the guests now

	mu     sync.Mutex
	closed bool
	builds map[string]*build // by guest

	observed observed
}

var _ hostapi.Agent = (*Agent)(nil)

// Reasons why a piece of work ends early.
var (
	errClosing    = errors.New("the agent is stopping")
	errRemoved    = errors.New("the guest is being removed")
	errSuperseded = errors.New("a newer order took over")
)

// New makes an agent and reads what it knew when it ended; nothing runs before Start.
func New(cfg Config) (*Agent, error) {
	if cfg.Host == "" || cfg.Conductor == nil || cfg.Hypervisor == nil || cfg.Dataplane == nil || cfg.Disks == nil {
		return nil, errors.New("agent: Host, Conductor, Hypervisor, Dataplane and Disks are needed")
	}
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	a := &Agent{cfg: cfg, log: cfg.Log.With("host", cfg.Host), kick: make(chan struct{}, 1),
		builds: map[string]*build{}, started: cfg.Clock.Now()}
	if err := a.clean(); err != nil {
		return nil, err
	}
	records, err := loadDesired(cfg.Records, a.log)
	if err != nil {
		return nil, fmt.Errorf("read the descriptions of the host's guests: %w", err)
	}
	a.records = records
	a.net = newWiring(a)
	a.ctx, a.stop = context.WithCancelCause(context.Background())
	return a, nil
}

// clean makes the scratch folder, empty of what a crash left in it.
func (a *Agent) clean() error {
	dir := a.scratch()
	if dir == "" {
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.MkdirAll(dir, 0o711) // the hypervisor's own user writes below it
}

func (c *Config) fill() error {
	if c.Records == nil {
		if c.Dir == "" {
			return errors.New("agent: one of Dir and Records is needed")
		}
		files, err := OpenRecords(c.Dir)
		if err != nil {
			return err
		}
		c.Records = files
	}
	if c.HTTP == nil {
		c.HTTP = http.DefaultClient
	}
	if c.Clock == nil {
		c.Clock = clock.Real{}
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.BootID == "" {
		b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
		if err != nil {
			return fmt.Errorf("read the machine's boot id: %w", err)
		}
		c.BootID = strings.TrimSpace(string(b))
	}
	c.Every.fill()
	return nil
}

func (i *Intervals) fill() {
	for _, v := range []struct {
		at  *time.Duration
		def time.Duration
	}{
		{&i.Check, 2 * time.Second}, {&i.Observe, 10 * time.Second}, {&i.Heartbeat, 10 * time.Second},
		{&i.Resync, 5 * time.Minute}, {&i.Sweep, time.Minute}, {&i.Progress, 300 * time.Millisecond},
	} {
		if *v.at == 0 {
			*v.at = v.def
		}
	}
}

// Start adopts what runs on the host and begins to converge. It returns at
// once; a control plane that is away is waited for in the background.
func (a *Agent) Start(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a.run(a.net.loop)
	a.run(func(ctx context.Context) {
		a.resume(ctx) // before the first look, so that nobody takes a rebooted host's guests for stopped ones
		a.observeLoop(ctx)
	})
	a.run(a.keep)
	return nil
}

// run starts f in the background until Close, and reports whether it could.
func (a *Agent) run(f func(context.Context)) bool {
	if !a.begin() {
		return false
	}
	go func() {
		defer a.work.Done()
		f(a.ctx)
	}()
	return true
}

// begin counts a piece of work that Close waits for; false after Close.
func (a *Agent) begin() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed {
		a.work.Add(1)
	}
	return !a.closed
}

// Close ends the agent and leaves guests, disks and wiring as they are. The
// drivers are the caller's to close, afterwards.
func (a *Agent) Close() error {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.stop(errClosing)
	a.work.Wait()
	return a.net.save()
}

// wait sleeps for d on the agent's clock.
func (a *Agent) wait(ctx context.Context, d time.Duration) error {
	tick, stop := a.cfg.Clock.After(d)
	defer stop()
	select {
	case <-tick:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// jittered is d give or take a quarter, so that many hosts do not all come at
// once; a host's own share is the same at every start.
func (a *Agent) jittered(d time.Duration) time.Duration {
	h := fnv.New32a()
	h.Write([]byte(a.cfg.Host))
	return d - d/4 + d/2*time.Duration(h.Sum32()%1000)/1000
}

// backoff is the pause before the n-th repetition: 0.2 s, doubling, at most 5 s.
func backoff(n int) time.Duration {
	return min(200*time.Millisecond<<min(n, 10), 5*time.Second)
}
