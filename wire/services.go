package wire

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"time"

	computeapi "altostack/compute/api"
	identityapi "altostack/identity/api"
	identitystore "altostack/identity/store"
	imageapi "altostack/image/api"
	imagestore "altostack/image/store"
	networkapi "altostack/network/api"
	networkstore "altostack/network/store"
	objectstorage "altostack/objectstore/store"
	placementapi "altostack/placement/api"
	placementstore "altostack/placement/store"
	volumeapi "altostack/volume/api"
	volumestore "altostack/volume/store"

	"altostack/compute"
	"altostack/compute/console"
	computeflow "altostack/compute/flow"
	computestore "altostack/compute/store"
	"altostack/driver/filevolume"
	"altostack/identity"
	"altostack/image/metadefs"
	"altostack/kernel/auth"
	"altostack/kernel/bus"
	"altostack/kernel/microversion"
	"altostack/kernel/policy"
	"altostack/kernel/rest"
	"altostack/network"
	"altostack/placement"
	"altostack/reconcile"
	"altostack/saga"
	"altostack/volume"
	volumeflow "altostack/volume/flow"
)

// migrate brings every service's tables up to date.
func (s *System) migrate(ctx context.Context) error {
	for _, m := range []struct {
		name string
		fs   fs.FS
	}{
		{"saga", saga.Migrations()}, {"identity", identitystore.Migrations()}, {"placement", placementstore.Migrations()},
		{"image", imagestore.Migrations()}, {"image_metadefs", imagestore.MetadefMigrations()}, {"network", networkstore.Migrations()}, {"volume", volumestore.Migrations()}, {"compute", computestore.Migrations()}, {"objectstore", objectstorage.Migrations()},
	} {
		if err := s.db.Migrate(ctx, m.name, m.fs); err != nil {
			return err
		}
	}
	return nil
}

// openServices makes the services, each before those that use it.
func (s *System) openServices(ctx context.Context) error {
	s.bus = bus.NewLocal()
	s.loops = reconcile.NewSet(s.clock, s.log)
	s.sagas = saga.New(saga.Config{DB: s.db, Clock: s.clock, IDs: s.ids, Log: s.log, Alone: true, Fault: s.opt.SagaFault})
	s.hosts = &hosts{byName: map[string]*host{}}
	if err := s.openIdentity(); err != nil {
		return err
	}
	s.placement = placement.New(placement.Config{DB: s.db, Store: placementstore.New(), Clock: s.clock, IDs: s.ids, Randomize: true})
	if err := s.openObjects(ctx); err != nil {
		return err
	}
	if err := s.openImage(ctx); err != nil {
		return err
	}
	s.metadefs = metadefs.New(metadefs.Config{DB: s.db, Store: imagestore.NewMetadefs(), Clock: s.clock, IDs: s.ids})
	s.network = network.New(network.Config{DB: s.db, Store: networkstore.New(s.db), Clock: s.clock, IDs: s.ids, Log: s.log,
		Physical: []string{physicalNetwork}, Rewire: s.rewire, Limiter: s.networkLimiter()})
	if err := s.openVolume(ctx); err != nil {
		return err
	}
	vault, err := newSealing(s.identityFile.CredentialKey)
	if err != nil {
		return err
	}
	s.compute = compute.New(compute.Config{DB: s.db, Store: computestore.New(s.db), Clock: s.clock, IDs: s.ids, Log: s.log, Bus: s.bus, Hosts: s.hosts,
		Placement: placementFor{s.placement, [3]float64{s.opt.Config.Float("cpu_ratio"), s.opt.Config.Float("ram_ratio"), s.opt.Config.Float("disk_ratio")}}, Images: imagesFor{s.image}, Network: networkFor{s.network}, Volumes: volumesFor{s.volume}, Identity: s.identity, Limiter: s.computeLimiter(),
		Vault: vault, BootDeadline: s.opt.Config.Duration("boot_deadline")})
	s.flows = computeflow.New(s.sagas, s.compute)
	s.compute.Run(s.flows)
	s.conductor = &conductor{Conductor: s.compute.Conductor(), s: s, seen: map[string]*seenHost{}, missing: map[string]chan struct{}{}}
	s.stops = append(s.stops, s.flows.Close)
	return nil
}

func (s *System) openIdentity() error {
	tokens, err := identity.OpenKeyRing(s.dir.File("keys", "fernet"))
	if err != nil {
		return fmt.Errorf("token keys: %w", err)
	}
	credentials, err := identity.OpenKeyRing(s.dir.File("keys", "credential"))
	if err != nil {
		return fmt.Errorf("credential keys: %w", err)
	}
	signing, err := s.signingKeys()
	if err != nil {
		return err
	}
	party, err := s.relyingParty()
	if err != nil {
		return err
	}
	s.identity, err = identity.New(identity.Config{RelyingParty: party, OpenDirectory: openDirectory, TrustedDashboards: s.dashboards(), AuthorizationTTL: s.authorizationTTL(),
		SigningKeys: signing, TokenProvider: s.opt.Config.String("token_provider"), LateWindow: orNone(s.opt.Config.Duration("token_late")),
		ScopedForGood: !s.opt.Config.Bool("allow_rescope_scoped_token"), TOTPWindows: orNone(s.opt.Config.Int("totp_included_previous_windows")),
		DB: s.db, Store: identitystore.New(), Clock: s.clock, IDs: s.ids, Log: s.log, TokenKeys: tokens, CredentialKeys: credentials,
		TokenLife: s.opt.Config.Duration("token_ttl"), Hashing: hashing(s.opt.Config), Rules: compliance(s.opt.Config), Limits: limits(s.opt.Config), LimitModel: s.opt.Config.String("limit_model")})
	return err
}

func (s *System) openVolume(ctx context.Context) error {
	backend, err := filevolume.Open(filevolume.Config{Dir: s.dir.File("volumes"), Freeze: s.hosts.freeze})
	if err != nil {
		return fmt.Errorf("volume store: %w", err)
	}
	host, err := s.hostName()
	if err != nil {
		return err
	}
	cfg := volume.Config{DB: s.db, Store: volumestore.New(), Backend: backend, Images: volumeImages{s.image}, Clock: s.clock, IDs: s.ids, Log: s.log, Host: host, Limiter: s.volumeLimiter()}
	cfg.Flows = volumeflow.Register(s.sagas, volumeflow.Config{DB: s.db, Store: cfg.Store, Backend: backend, Images: cfg.Images, Vault: vault{s.objects}, Clock: s.clock, IDs: s.ids,
		Pool: volume.New(cfg).Pool(), Extended: s.volumeExtended})
	s.volume = volume.New(cfg)
	return s.volume.Prepare(ctx)
}

// rewire tells a host, soon, that its wiring changed. What a host misses it finds
// by its own resync.
func (s *System) rewire(host string, portIDs []string) {
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		a, err := s.hosts.Agent(host)
		if err == nil {
			err = a.Rewire(ctx, portIDs)
		}
		if err != nil {
			s.log.Warn("a host was not told of its new wiring; its resync will find it", "host", host, "error", err)
		}
	}()
}

// volumeExtended grows the disk that a running server has open.
func (s *System) volumeExtended(ctx context.Context, serverID, volumeID string, sizeMiB int64) error {
	srv, err := s.compute.Get(ctx, auth.System("volume extended"), serverID)
	if err != nil {
		return err
	}
	a, err := s.hosts.Agent(srv.Host)
	if err != nil {
		return err
	}
	return a.ResizeVolume(ctx, serverID, volumeID, sizeMiB)
}

// Table is a service's routes, for coverage and for walks.
type Table struct {
	Service, Mount string
	Routes         []rest.Route
}

// RouteTables answers what is routed, without a cloud.
func RouteTables() []Table {
	s := &System{}
	return s.tables()
}

func (s *System) tables() []Table {
	return []Table{
		{"keystone", "/identity", identityapi.New(s.identity).Routes()},
		{"placement", "/placement", placementapi.New(s.placement).Routes()},
		{"glance", "/image", append(imageapi.New(s.image).Protect(s.protections).Routes(), imageapi.NewMetadefs(s.metadefs).Routes()...)},
		{"neutron", "/network", networkapi.New(s.network).Routes()},
		{"cinder", "/volume", volumeapi.New(s.volume).Routes()},
		{"nova", "/compute", append(computeapi.New(s.compute).Routes(), s.passedOn()...)},
	}
}

// passedOn are compute's calls that the network service answers.
func (s *System) passedOn() []rest.Route {
	return computeapi.NewProxies(s.compute, &http.Client{Transport: lateHandler{s}}, "http://network.internal/network").Routes()
}

// lateHandler reaches the handler that is being built from these very routes.
type lateHandler struct{ s *System }

// RoundTrip serves a request of this process's own.
func (l lateHandler) RoundTrip(r *http.Request) (*http.Response, error) {
	return inProcess{l.s.handler}.RoundTrip(r)
}

// face is what makes one service's API its own.
var faces = map[string]struct {
	dialect rest.Dialect
	ranges  *microversion.Range
	schemas bool
	after   string
	maxBody int64
}{
	"keystone":  {dialect: rest.KeystoneDialect(), schemas: true},
	"placement": {dialect: rest.PlacementDialect(), schemas: true, ranges: &microversion.Range{Service: "placement", Min: microversion.V(1, 0), Max: microversion.V(1, 39)}},
	"glance":    {dialect: rest.GlanceDialect(), schemas: true},
	"neutron":   {dialect: rest.NeutronDialect(), maxBody: 1 << 20},
	"cinder":    {dialect: rest.CinderDialect(), schemas: true, after: "v3", ranges: &microversion.Range{Service: "volume", Min: microversion.V(3, 0), Max: microversion.V(3, 71)}},
	"nova": {dialect: rest.NovaDialect(), schemas: true, after: "v2.1", maxBody: 256 << 10,
		ranges: &microversion.Range{Service: "compute", Min: microversion.V(2, 1), Max: microversion.V(2, 103), Legacy: "X-OpenStack-Nova-API-Version"}},
}

// openHandler builds the one handler of all APIs.
func (s *System) openHandler(context.Context) error {
	s.policies = map[string]*policy.Engine{}
	metrics := rest.NewMetrics(s.registry)
	s.gauges()
	byName := map[string]http.Handler{}
	for _, t := range s.tables() {
		text, err := s.policyFile(t.Service)
		if err != nil {
			return err
		}
		if s.policies[t.Service], err = policy.Service(t.Service, text); err != nil {
			return fmt.Errorf("policy of %s: %w", t.Service, err)
		}
		h, err := s.api(t, metrics)
		if err != nil {
			return err
		}
		byName[strings.TrimPrefix(t.Mount, "/")] = h
	}
	byName[strings.TrimPrefix(objectMount, "/")] = s.objectHandler(metrics)
	bySignature := s.s3(metrics)
	s3Handler := bySignature.Handler()
	byName["console"] = console.Handler(s.compute, s.log)
	byName["healthz"] = http.HandlerFunc(s.healthz)
	byName[""] = http.HandlerFunc(s.index)
	s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		switch h := byName[first]; {
		case bySignature.Claims(r), h == nil && bySignature.ClaimsPreflight(r):
			s3Handler.ServeHTTP(w, r)
			return
		case h != nil:
			h.ServeHTTP(w, r)
			return
		}
		http.Error(w, "There is no service at this path; GET / lists them.", http.StatusNotFound)
	})
	return nil
}

func (s *System) api(t Table, metrics *rest.Metrics) (http.Handler, error) {
	f := faces[t.Service]
	a := &rest.API{Service: t.Service, Mount: t.Mount, Dialect: f.dialect, Tokens: s.identity, Policy: rest.PolicyOf(t.Service, s.policies[t.Service]),
		Clock: s.clock, IDs: s.ids, Log: s.log, Range: f.ranges, Metrics: metrics, Audit: s.audit, AuthURL: s.publicURL + "/identity/v3", ProjectAfter: f.after, MaxBody: f.maxBody,
		HeadFromGet: t.Service == "keystone"}
	if t.Service == "nova" {
		a.Alias = "v2 v2.1"
	}
	if f.schemas {
		a.Schemas = rest.SchemasOf(t.Service)
	}
	return a.Handle(t.Routes)
}

// healthz is for load balancers: this process serves and its database answers.
func (s *System) healthz(w http.ResponseWriter, r *http.Request) {
	if s.count("SELECT 1") != 1 {
		http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("OK\n"))
}

// index names the services, for a person who opens the address in a browser.
func (s *System) index(w http.ResponseWriter, r *http.Request) {
	out := map[string]string{}
	for _, t := range faceMounts {
		out[t[0]] = "http://" + r.Host + t[1]
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"altostack": s.opt.Version, "services": out})
}

var faceMounts = [][2]string{{"identity", "/identity/v3"}, {"compute", "/compute/v2.1"}, {"placement", "/placement"}, {"image", "/image"}, {"network", "/network"}, {"volume", "/volume/v3"}, {"object-store", objectMount + "/v1"}}

var _ auth.Validator = (*identity.Service)(nil)
