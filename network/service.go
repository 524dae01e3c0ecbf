package network

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/clock"
	"altostack/kernel/db"
	"altostack/kernel/id"
	"altostack/kernel/page"
)

// View is what a read may see: everything, or what a project sees.
type View struct {
	All     bool
	Project string
}

var everything = View{All: true}

// Filter is one condition of a list; its values are alternatives.
type Filter struct {
	Attr   string
	Values []any
}

// Is makes a filter for one value.
func Is(attr string, values ...any) Filter { return Filter{attr, values} }

// Query is a list under construction.
type Query struct {
	View    View
	Filters []Filter
	Page    page.Request
}

// Range is a run of addresses, both ends included.
type Range struct{ First, Last netip.Addr }

// Address is one address of a port.
type Address struct {
	SubnetID, PortID, NetworkID string
	Addr                        netip.Addr
}

// Host is a hypervisor host as the network service knows it.
type Host struct {
	Name, ID, Zone, Description  string
	Physical                     []string // physical networks it reaches
	AdminUp                      bool
	CreatedAt, StartedAt, SeenAt time.Time
	Routers                      int // how many it carries
}

// Store is what the service asks of its tables; network/store has it.
type Store interface {
	Insert(ctx context.Context, tx *db.Tx, r *Resource, row Row) error
	Update(ctx context.Context, tx *db.Tx, r *Resource, id string, set Row) error
	Delete(ctx context.Context, tx *db.Tx, r *Resource, id string) error
	List(ctx context.Context, rd db.Reader, r *Resource, q Query) (rows []Row, more bool, err error)
	Count(ctx context.Context, rd db.Reader, r *Resource, project string, limit int64) (int64, error)

	TakeNext(ctx context.Context, tx *db.Tx, pool string) (netip.Addr, bool, error)
	Take(ctx context.Context, tx *db.Tx, pool string, a netip.Addr) (bool, error)
	Return(ctx context.Context, tx *db.Tx, pool string, a netip.Addr) error
	SetFree(ctx context.Context, tx *db.Tx, pool string, ranges []Range) error
	Free(ctx context.Context, rd db.Reader, pool string) ([]Range, error)
	AddAddress(ctx context.Context, tx *db.Tx, a Address) error
	DropAddress(ctx context.Context, tx *db.Tx, subnetID string, a netip.Addr) error
	AddressHolder(ctx context.Context, rd db.Reader, subnetID string, a netip.Addr) (Address, bool, error)
	SubnetAddresses(ctx context.Context, rd db.Reader, subnetID string) ([]Address, error)

	SetTags(ctx context.Context, tx *db.Tx, resourceID string, tags []string) error
	SetPortGroups(ctx context.Context, tx *db.Tx, portID string, groups []string) error
	GroupMembers(ctx context.Context, rd db.Reader, groups []string) (map[string][]netip.Addr, error)
	HostsWatching(ctx context.Context, rd db.Reader, groups []string) (map[string]string, error)
	HostsOfGroup(ctx context.Context, rd db.Reader, groups []string) ([]string, error)
	MarkWired(ctx context.Context, tx *db.Tx, host string, ids []string, status string, at time.Time) error

	Quotas(ctx context.Context, rd db.Reader, project string) (map[string]int64, error)
	QuotaProjects(ctx context.Context, rd db.Reader) ([]string, error)
	SetQuotas(ctx context.Context, tx *db.Tx, project string, limits map[string]int64) error
	DropQuotas(ctx context.Context, tx *db.Tx, project string) error

	Hosts(ctx context.Context, rd db.Reader) ([]Host, error)
	Host(ctx context.Context, rd db.Reader, name string) (Host, bool, error)
	Heard(ctx context.Context, tx *db.Tx, names []string, at time.Time) error
	PortsOf(ctx context.Context, rd db.Reader, servers []string) ([]ServerPort, error)
	SaveHost(ctx context.Context, tx *db.Tx, h Host) error
	Usage(ctx context.Context, rd db.Reader, networkIDs []string) (map[string]int64, error)
}

// Config is what the service needs. DB, Store, Clock, IDs and Log are required.
type Config struct {
	DB    *db.DB
	Store Store
	Clock clock.Clock
	IDs   id.Source
	Log   *slog.Logger

	// Physical are the physical networks that flat networks may name.
	Physical []string
	// MTU of the underlay, in bytes; 0: 1500. VXLAN takes 50 of it.
	MTU int
	// DNSDomain ends the names of ports; empty: openstacklocal.
	DNSDomain string
	// Zone is the availability zone that hosts without one are in; empty: nova.
	Zone string
	// Quotas replace default limits, by collection without the plural's s.
	Quotas map[string]int64
	// Limiter keeps limits instead of this service; nil: they are its own.
	Limiter Limiter
	// Rewire tells that a host's wiring changed, after it is durable; without
	// ports anything may have. It must not block. Nil: nobody listens.
	Rewire func(host string, portIDs []string)
}

// logic is what a resource does besides being a row. Each runs inside the
// change's transaction, and may run twice.
type logic struct {
	// target adds to what policy rules look at.
	target func(w *work, row Row, t auth.Target) error
	// create completes and stores the row.
	create func(w *work, p prepared) (Row, error)
	// update applies a change; it leaves storing the columns to the engine.
	update func(w *work, old Row, p prepared) (Row, error)
	delete func(w *work, old Row) error
	// fill adds computed attributes to a whole page at once.
	fill func(ctx context.Context, s *Service, rd db.Reader, view View, rows []Row) error
}

// Service is the network service; it is safe for concurrent use.
type Service struct {
	cfg    Config
	store  Store
	logics map[*Resource]logic
	dirty  watched
	recent members
}

// New makes the service.
func New(cfg Config) *Service {
	if cfg.MTU == 0 {
		cfg.MTU = 1500
	}
	if cfg.DNSDomain == "" {
		cfg.DNSDomain = "openstacklocal"
	}
	if cfg.Zone == "" {
		cfg.Zone = "nova"
	}
	s := &Service{cfg: cfg, store: cfg.Store, dirty: watched{wake: make(chan struct{}, 1), groups: map[string]bool{}}, recent: members{groups: map[string]memberSet{}}}
	s.logics = map[*Resource]logic{
		Networks:           {create: createNetwork, update: updateNetwork, delete: deleteNetwork, fill: fillNetworks},
		Subnets:            {target: ofNetwork, create: createSubnet, update: updateSubnet, delete: deleteSubnet},
		Ports:              {target: ofNetwork, create: createPort, update: updatePort, delete: deletePort, fill: fillPorts},
		Routers:            {create: createRouter, update: updateRouter, delete: deleteRouter, fill: fillRouters},
		FloatingIPs:        {create: createFloatingIP, update: updateFloatingIP, delete: deleteFloatingIP, fill: fillFloatingIPs},
		PortForwardings:    {target: ofFloatingIP, create: createForwarding, update: updateForwarding, delete: deleteForwarding},
		SecurityGroups:     {target: shareable, create: createGroup, update: updateGroup, delete: deleteGroup, fill: fillGroups},
		SecurityGroupRules: {target: ofGroup, create: createRule, delete: deleteRule},
		SubnetPools:        {create: createPool, update: updatePool, delete: deletePool, fill: fillShared},
		AddressScopes:      {create: createScope, update: updateScope, delete: deleteScope, fill: fillShared},
		AddressGroups:      {target: shareable, create: createAddressGroup, update: keep, delete: deleteAddressGroup},
		RBACPolicies:       {create: createRBAC, update: updateRBAC, delete: deleteRBAC},
	}
	return s
}

func keep(_ *work, _ Row, p prepared) (Row, error) { return p.row, nil }

// work is one change under way: a transaction, whose it is, and what hosts must
// learn of once it is durable.
type work struct {
	s     *Service
	ctx   context.Context
	tx    *db.Tx
	scope auth.Scope
	now   time.Time

	ports    map[string]map[string]bool // host to ports whose wiring changed
	hosts    map[string]bool            // hosts on which anything may have
	groups   map[string]bool            // groups whose members changed
	networks map[string]Row             // read already
	usable   map[string]Row             // likewise, and the caller may use them
}

// change runs f as one transaction and tells hosts afterwards.
func (s *Service) change(ctx context.Context, scope auth.Scope, f func(w *work) error) error {
	return s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		w := &work{s: s, ctx: ctx, tx: tx, scope: scope, now: s.cfg.Clock.Now(),
			ports: map[string]map[string]bool{}, hosts: map[string]bool{}, groups: map[string]bool{}, networks: map[string]Row{}, usable: map[string]Row{}}
		if err := f(w); err != nil {
			return err
		}
		if len(w.ports)+len(w.hosts)+len(w.groups) > 0 {
			tx.AfterCommit(w.tell)
		}
		return nil
	})
}

// rewire notes that a port's wiring on a host changed.
func (w *work) rewire(host, portID string) {
	if host == "" {
		return
	}
	if w.ports[host] == nil {
		w.ports[host] = map[string]bool{}
	}
	w.ports[host][portID] = true
}

func (w *work) tell() {
	for host := range w.hosts {
		w.s.rewire(host, nil)
	}
	for host, ports := range w.ports {
		if w.hosts[host] {
			continue
		}
		var ids []string
		for p := range ports {
			ids = append(ids, p)
		}
		w.s.rewire(host, ids)
	}
	w.s.dirty.add(w.groups)
}

func (s *Service) rewire(host string, ids []string) {
	if s.cfg.Rewire != nil && host != "" {
		s.cfg.Rewire(host, ids)
	}
}

// watched collects groups whose members changed, so that many boots of one
// project tell each host once.
type watched struct {
	mu     sync.Mutex
	groups map[string]bool
	wake   chan struct{}
}

func (d *watched) add(groups map[string]bool) {
	if len(groups) == 0 {
		return
	}
	d.mu.Lock()
	for g := range groups {
		d.groups[g] = true
	}
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

func (d *watched) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []string
	for g := range d.groups {
		list = append(list, g)
	}
	d.groups = map[string]bool{}
	return list
}

// settle is how long member changes of groups are collected.
const settle = 200 * time.Millisecond

// Run tells hosts about changed members of security groups until ctx ends. A
// control process runs it once.
func (s *Service) Run(ctx context.Context) {
	pause := settle
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.dirty.wake:
		}
		tick, stop := s.cfg.Clock.After(pause)
		select {
		case <-ctx.Done():
			stop()
			return
		case <-tick:
		}
		told, err := s.flush(ctx)
		if err != nil {
			s.cfg.Log.ErrorContext(ctx, "hosts were not told of changed security group members", "error", err)
		}
		pause = max(settle, time.Duration(told)*perHost)
	}
}

// perHost is how long telling one host puts the next round off, so that a group
// over a thousand hosts does not take all the time there is.
const perHost = 5 * time.Millisecond

// Flush tells hosts about changed members of security groups now. A host gets
// one port whose rules name the group: the wiring of that port brings the set.
func (s *Service) Flush(ctx context.Context) error {
	_, err := s.flush(ctx)
	return err
}

func (s *Service) flush(ctx context.Context) (told int, err error) {
	groups := s.dirty.take()
	if len(groups) == 0 {
		return 0, nil
	}
	hosts, err := s.store.HostsWatching(ctx, s.cfg.DB, groups)
	for host, port := range hosts {
		s.rewire(host, []string{port})
	}
	return len(hosts), err
}
