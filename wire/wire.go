// Package wire puts a cloud together: configuration in, a running [System] out.
// It is the only place that names every service, driver and store, and it adapts
// the services to each other. Nothing is decided here that a service could
// decide.
//
// A System is one process. It holds its data directory's lock for as long as it
// lives; closing it, or killing it at any moment, leaves guests and wiring as
// they are and operations where the next process takes them up.
package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"altostack/agent"
	"altostack/audit"
	"altostack/compute"
	computeflow "altostack/compute/flow"
	"altostack/driver/fakevm"
	"altostack/identity"
	"altostack/image"
	"altostack/image/metadefs"
	"altostack/kernel/bus"
	"altostack/kernel/clock"
	"altostack/kernel/config"
	"altostack/kernel/db"
	"altostack/kernel/id"
	"altostack/kernel/policy"
	"altostack/kernel/rest"
	"altostack/kernel/telemetry"
	"altostack/network"
	"altostack/objectstore"
	"altostack/placement"
	"altostack/reconcile"
	"altostack/saga"
	"altostack/volume"
)

// Options say what to open. The fields after LogTo are seams for tests.
type Options struct {
	Data    string
	Config  *config.Config
	Version string
	LogTo   io.Writer

	Clock     clock.Clock
	IDs       id.Source
	World     *fakevm.World            // hardware that outlives the process
	SagaFault func(p saga.Point) error // faults and kills
	Commit    func(func() error) error // called around each durable write; see db.Around
	Every     agent.Intervals          // how often hosts look by themselves
	NoListen  bool                     // serve in process only
}

// System is a running cloud.
type System struct {
	opt          Options
	dir          *DataDir
	identityFile Identity
	hypervisor   string
	started      time.Time

	clock    clock.Clock
	ids      id.Source
	log      *slog.Logger
	registry *prometheus.Registry
	flush    func(context.Context) error

	db         *db.DB
	auditDB    *db.DB
	audit      *audit.Trail
	bus        bus.Bus
	sagas      *saga.Engine
	loops      *reconcile.Set
	policies   map[string]*policy.Engine
	stopGuests bool // Close ends them too

	identity  *identity.Service
	placement *placement.Service
	image     *image.Service
	metadefs  *metadefs.Service
	network   *network.Service
	volume    *volume.Service
	objects   *objectstore.Service
	compute   *compute.Service
	hosts     *hosts
	conductor *conductor
	flows     *computeflow.Flows
	access    identity.Access
	stops     []func()

	// protections say who may touch which properties of images; nil: nothing is protected.
	protections *image.Protections

	handler   http.Handler
	localHost string // host:port in URLs of calls inside this process
	publicURL string
	listener  net.Listener
	servers   []*http.Server
	failed    chan error
	asked     chan bool
	closing   sync.Once
	closeErr  error
}

// Open starts a cloud. It returns once every API answers.
func Open(ctx context.Context, o Options) (*System, error) {
	s := &System{opt: o, clock: o.Clock, ids: o.IDs, failed: make(chan error, 4), asked: make(chan bool, 1)}
	if s.clock == nil {
		s.clock = clock.Real{}
	}
	if s.ids == nil {
		s.ids = id.Random{}
	}
	if s.opt.LogTo == nil {
		s.opt.LogTo = io.Discard
	}
	s.started = s.clock.Now()
	for _, step := range []func(context.Context) error{s.openData, s.openServices, s.bind, s.openAudit, s.openHandler, s.listen, s.bootstrap, s.openHosts, s.run} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	s.log.InfoContext(ctx, "up", "url", s.publicURL, "data", s.dir.Path, "hypervisor", s.hypervisor, "took", s.clock.Now().Sub(s.started))
	return s, nil
}

func (s *System) openData(ctx context.Context) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.opt.Config.String("log_level"))); err != nil {
		return err
	}
	s.log = telemetry.NewLog(s.opt.LogTo, level, s.opt.Config.String("log_format") == "text")
	s.registry = telemetry.NewRegistry()
	var err error
	if s.flush, err = telemetry.StartTraces(ctx, s.opt.Version); err != nil {
		return fmt.Errorf("OpenTelemetry: %w", err)
	}
	if s.dir, err = OpenDataDir(s.opt.Data); err != nil {
		return err
	}
	if s.identityFile, _, err = s.dir.Identity(); err != nil {
		return err
	}
	s.hypervisor = hypervisorKind(s.opt.Config.String("hypervisor"))
	dsn := s.opt.Config.String("database")
	if dsn == "" {
		dsn = "sqlite:" + s.dir.File("altostack.db") + "?sync=" + s.opt.Config.String("sqlite_sync")
	}
	if s.db, err = db.Open(ctx, dsn); err != nil {
		return err
	}
	if s.opt.Commit != nil {
		s.db.Around(s.opt.Commit)
	}
	if s.opt.Config.String("database") == "" {
		if err := os.Chmod(s.dir.File("altostack.db"), 0o600); err != nil {
			return err
		}
	}
	return s.migrate(ctx)
}

// run starts what works by itself: sagas that were left, reconcilers, demo.
func (s *System) run(ctx context.Context) error {
	if err := s.sagas.Start(ctx); err != nil {
		return err
	}
	if err := s.startLoops(ctx); err != nil || s.opt.NoListen {
		return err
	}
	return s.listenAdmin() // last: who asks for the status may rely on all of it
}

// URL is where clients reach the cloud.
func (s *System) URL() string { return s.publicURL }

// Handler answers every API, for tests without sockets.
func (s *System) Handler() http.Handler { return s.handler }

// DB is the database, for tests that count what is left.
func (s *System) DB() *db.DB { return s.db }

// Sagas is the engine, for tests that wait for operations.
func (s *System) Sagas() *saga.Engine { return s.sagas }

// Failed delivers what ends a process that nobody asked to end.
func (s *System) Failed() <-chan error { return s.failed }

// Asked delivers an operator's wish to end; true: stop the guests first.
func (s *System) Asked() <-chan bool { return s.asked }

// Reload reads the policy files again; a broken one leaves the rules in force.
func (s *System) Reload() {
	for service, e := range s.policies {
		text, err := s.policyFile(service)
		if err == nil {
			err = e.Reload(text)
		}
		if err != nil {
			s.log.Error("policy file is not taken, the old rules stay in force", "service", service, "error", err)
			continue
		}
		s.log.Info("policy reloaded", "service", service, "rules", len(e.Rules()))
	}
}

func (s *System) policyFile(service string) ([]byte, error) {
	text, err := os.ReadFile(s.dir.File("policy", service+".yaml"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// Close ends the process's part of the cloud: requests under way are answered,
// sagas stop after their step, guests go on unless StopGuests said otherwise.
func (s *System) Close() error {
	s.closing.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		var errs []error
		if s.listener != nil && len(s.servers) == 0 {
			errs = append(errs, s.listener.Close()) // the start failed before it was served
		}
		for _, srv := range s.servers {
			if err := srv.Shutdown(ctx); err != nil {
				errs = append(errs, srv.Close())
			}
		}
		for _, stop := range s.stops {
			stop()
		}
		if s.loops != nil {
			s.loops.Close()
		}
		if s.sagas != nil {
			s.sagas.Close()
		}
		if s.hosts != nil {
			if s.stopGuests {
				if err := s.endGuests(); err != nil {
					errs = append(errs, err, s.dir.leaveWord(err)) // who asked has only the directory to look at
				}
			}
			errs = append(errs, s.hosts.Close())
		}
		errs = append(errs, s.closeAudit())
		if s.db != nil {
			errs = append(errs, s.db.Close())
		}
		if s.flush != nil {
			errs = append(errs, s.flush(ctx))
		}
		if s.dir != nil {
			_ = os.Remove(s.dir.File("admin.sock"))
			errs = append(errs, s.dir.Close())
		}
		s.closeErr = errors.Join(errs...)
	})
	return s.closeErr
}

// bind takes the port, so that the address is known before anything is told it:
// port 0 takes any.
func (s *System) bind(context.Context) error {
	s.localHost = s.opt.Config.String("listen")
	if !s.opt.NoListen {
		l, err := net.Listen("tcp", s.localHost)
		if err != nil {
			return fmt.Errorf("%w; --listen chooses another address", err)
		}
		s.listener, s.localHost = l, l.Addr().String()
	}
	var err error
	s.publicURL, err = publicURL(s.localHost, s.opt.Config.String("public_url"))
	return err
}

// publicURL is what clients are told to use. An address that stands for all of the
// machine's cannot be told to anybody.
func publicURL(listen, configured string) (string, error) {
	if configured != "" {
		return strings.TrimSuffix(configured, "/"), nil
	}
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("listen %q: %w", listen, err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return "", fmt.Errorf("listening on every address (%s) needs --public-url http://ADDRESS:PORT, which the catalog tells clients", listen)
	}
	return "http://" + listen, nil
}

// listen serves the port, and tells nobody before the handler is whole.
func (s *System) listen(context.Context) error {
	if s.listener != nil {
		proxies, err := config.Networks(s.opt.Config.String("trusted_proxies"))
		if err != nil {
			return err
		}
		s.serve(s.listener, rest.Behind(proxies, rest.PublicAt(strings.TrimSuffix(s.opt.Config.String("public_url"), "/"), s.handler)))
	}
	return nil
}

func (s *System) serve(l net.Listener, h http.Handler) {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 20 * time.Second, IdleTimeout: 3 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
	s.servers = append(s.servers, srv)
	go func() {
		if err := srv.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
}
