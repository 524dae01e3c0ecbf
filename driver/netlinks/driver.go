package netlinks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"altostack/agent"
	"altostack/hostapi"
	"altostack/kernel/fault"
)

// Config says what a driver may use.
type Config struct {
	// Cloud is the cloud's short id: 1 to 8 lower-case letters and digits. All
	// that is made carries it; clouds with different ids do not meet.
	Cloud string
	// Physical maps physical networks' names to what they are on this host.
	Physical map[string]Physical
	// Masquerade lets managed external networks reach what the host reaches.
	Masquerade bool
	// Metadata answers the metadata requests of one network; the port is found by
	// the remote address. Without it nobody listens.
	Metadata func(networkID string) http.Handler
	// DNS are name servers for subnets that have none of their own.
	DNS []netip.Addr
	// Lease is the time DHCP leases last; a day if zero.
	Lease time.Duration
	Log   *slog.Logger
}

// Driver is the network of this host.
type Driver struct {
	cfg Config
	log *slog.Logger

	mu      sync.Mutex // one call at a time
	spaces  map[string]*space
	plan    Plan
	applied bool
	closed  bool
}

var _ agent.Dataplane = (*Driver)(nil)

var cloudID = regexp.MustCompile(`^[a-z0-9]{1,8}$`)

// Open checks that this process can program the host, and loads the one kernel
// module that does not come by itself. What an earlier process left is adopted
// by the first Apply.
func Open(ctx context.Context, cfg Config) (*Driver, error) {
	if !cloudID.MatchString(cfg.Cloud) {
		return nil, fmt.Errorf("cloud id %q is not 1 to 8 lower-case letters and digits", cfg.Cloud)
	}
	if os.Geteuid() != 0 {
		return nil, fault.New(fault.CodeNetlinksUnusable, "Programming the network needs root, and this process is not.")
	}
	if _, err := exec.LookPath("nft"); err != nil {
		return nil, fault.Because(err, fault.CodeNetlinksUnusable, "The nft program (Debian package nftables) is missing.")
	}
	if err := unix.Access("/dev/net/tun", unix.R_OK|unix.W_OK); err != nil {
		return nil, fault.Because(err, fault.CodeNetlinksUnusable, "/dev/net/tun is not usable.")
	}
	if err := loadBridgeNetfilter(ctx); err != nil {
		return nil, err
	}
	if cfg.Lease == 0 {
		cfg.Lease = 24 * time.Hour
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Driver{cfg: cfg, log: cfg.Log.With("driver", "netlinks"), spaces: map[string]*space{}}, nil
}

// bridgeSysctls say whether frames on bridges pass the packet filter.
var bridgeSysctls = []string{"net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables", "net/bridge/bridge-nf-call-arptables"}

// loadBridgeNetfilter loads br_netfilter where it is a module and nobody did. It
// would at once filter the bridges of the root namespace too, which are not
// ours: there it is switched off again.
func loadBridgeNetfilter(ctx context.Context) error {
	if _, err := readSysctl(bridgeSysctls[0]); err == nil {
		return nil
	}
	if out, err := exec.CommandContext(ctx, "modprobe", "br_netfilter").CombinedOutput(); err != nil {
		return fault.Because(fmt.Errorf("modprobe br_netfilter: %w: %s", err, out), fault.CodeNetlinksUnusable,
			"The kernel has no bridge netfilter.")
	}
	for _, key := range bridgeSysctls {
		if err := writeSysctl(key, "0"); err != nil {
			return fault.Because(err, fault.CodeNetlinksUnusable, "The kernel's bridge netfilter cannot be set.")
		}
	}
	return nil
}

var errClosed = errors.New("the network driver is closed")

// Apply makes the host match want; see [agent.Dataplane]. It goes on past a
// piece that fails, reports what is wired, and joins what went wrong.
func (d *Driver) Apply(ctx context.Context, want hostapi.HostNetwork) (hostapi.SeenNetwork, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return hostapi.SeenNetwork{}, errClosed
	}
	old := d.plan
	d.plan = Build(Settings{Cloud: d.cfg.Cloud, Physical: d.cfg.Physical, Masquerade: d.cfg.Masquerade,
		DNS: d.cfg.DNS, Lease: d.cfg.Lease}, want)
	r := run{d: d, ctx: ctx, got: map[string]actual{}}
	r.converge()
	if d.applied {
		r.cut(old)
	}
	d.applied = len(r.errs) == 0
	seen := hostapi.SeenNetwork{Wired: []string{}}
	for _, id := range sortedKeys(d.plan.Taps) {
		if !r.failed[d.plan.Taps[id]] && !r.broken {
			seen.Wired = append(seen.Wired, id)
		}
	}
	return seen, errors.Join(r.errs...)
}

// Check reports whether the host still matches the last Apply. What differs
// goes to the log; the next Apply repairs it.
func (d *Driver) Check(ctx context.Context) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false, errClosed
	}
	if !d.applied {
		return false, nil
	}
	for _, ns := range d.plan.Namespaces {
		drift, err := d.drift(ctx, ns)
		if err != nil {
			return false, err
		}
		if drift != "" {
			d.log.InfoContext(ctx, "network drifted", "netns", ns.Name, "drift", drift)
			return false, nil
		}
	}
	return true, nil
}

func (d *Driver) drift(ctx context.Context, ns Namespace) (string, error) {
	s := d.spaces[ns.Name]
	if s == nil || !s.named() {
		return "the namespace has lost its name", nil
	}
	if !s.rulesMatch(ctx) {
		return "the nftables rules were changed", nil
	}
	got, err := s.observe(ns, d.cfg.Cloud)
	if err != nil {
		return "", err
	}
	if drift := got.drift(ns); drift != "" {
		return drift, nil
	}
	if drift, err := s.sysctlDrift(ns); drift != "" || err != nil {
		return drift, err
	}
	return s.serverDrift(ns, got, d.cfg.Metadata != nil), nil
}

// OpenTap opens a new descriptor of a wired port's tap; the caller closes it. A
// tap has one user at a time: while another holds it, this fails with EBUSY.
func (d *Driver) OpenTap(_ context.Context, portID string) (*os.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errClosed
	}
	s, name := d.spaces[fabricNS(d.cfg.Cloud)], tapName(portID)
	if s == nil {
		return nil, fault.New(fault.CodeNetlinksNotWired, "Port %s is not wired on the host.", portID)
	}
	if _, err := s.nl.LinkByName(name); err != nil {
		return nil, fault.Because(err, fault.CodeNetlinksNotWired, "Port %s is not wired on the host.", portID)
	}
	var tap *os.File
	err := s.do(func() (err error) {
		tap, err = openTap(name)
		return err
	})
	return tap, err
}

// Counters reads the traffic of the named ports, seen from the guest: what it
// receives is what its tap sends. Ports that are not here are left out.
func (d *Driver) Counters(_ context.Context, portIDs []string) (map[string]hostapi.NICCounters, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := map[string]hostapi.NICCounters{}
	s := d.spaces[fabricNS(d.cfg.Cloud)]
	if d.closed || s == nil {
		return out, nil
	}
	links, err := again(s.nl.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list links of %q: %w", s.name, err)
	}
	byName := map[string]string{}
	for _, id := range portIDs {
		byName[tapName(id)] = id
	}
	for _, l := range links {
		id, ok := byName[l.Attrs().Name]
		if c := l.Attrs().Statistics; ok && c != nil {
			out[id] = hostapi.NICCounters{
				RxBytes: int64(c.TxBytes), TxBytes: int64(c.RxBytes), RxPackets: int64(c.TxPackets), TxPackets: int64(c.RxPackets),
				RxErrors: int64(c.TxErrors), TxErrors: int64(c.RxErrors), RxDrop: int64(c.TxDropped), TxDrop: int64(c.RxDropped),
			}
		}
	}
	return out, nil
}

// Unheld lists wired ports whose tap nobody holds open: their guest does not run,
// or lost its tap when somebody deleted it and has to be given the new one.
func (d *Driver) Unheld(_ context.Context) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.spaces[fabricNS(d.cfg.Cloud)]
	if d.closed || s == nil {
		return nil, nil
	}
	links, err := again(s.nl.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list links of %q: %w", s.name, err)
	}
	held := map[string]bool{}
	for _, l := range links {
		held[l.Attrs().Name] = l.Attrs().RawFlags&unix.IFF_LOWER_UP != 0
	}
	var out []string
	for _, id := range sortedKeys(d.plan.Taps) {
		if !held[d.plan.Taps[id]] {
			out = append(out, id)
		}
	}
	return out, nil
}

// Close stops the servers inside this process and leaves the wiring.
func (d *Driver) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.spaces {
		s.close()
	}
	d.spaces, d.closed = map[string]*space{}, true
	return nil
}

// Purge removes everything of this cloud: namespaces with all in them, links
// and the table in the root namespace. The driver can be used again.
func (d *Driver) Purge(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return errClosed
	}
	names, err := namespaces(d.cfg.Cloud)
	errs := []error{err}
	for name := range d.spaces {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		errs = append(errs, d.removeSpace(name))
	}
	errs = append(errs, d.purgeRoot(ctx))
	d.plan, d.applied = Plan{}, false
	return errors.Join(errs...)
}

func (d *Driver) purgeRoot(ctx context.Context) error {
	root, err := d.space("")
	if err != nil {
		return err
	}
	got, err := root.observe(Namespace{}, d.cfg.Cloud)
	var links []netlink.Link
	for _, l := range got.links {
		links = append(links, l)
	}
	return errors.Join(err, root.deleteLinks(links), root.applyRules(ctx, nil))
}

// space answers the open namespace of that name, opening it first.
func (d *Driver) space(name string) (*space, error) {
	if s, ok := d.spaces[name]; ok {
		return s, nil
	}
	s, err := openSpace(name)
	if err != nil {
		return nil, err
	}
	if name == "" { // what an earlier process may have left
		t := Table{Family: "inet", Name: hostTable(d.cfg.Cloud)}
		s.tables[tableKey(t)] = t
	}
	d.spaces[name] = s
	return s, nil
}

// removeSpace deletes a namespace and, first, the links in it: somebody may
// hold it open, and then it would live on without a name.
func (d *Driver) removeSpace(name string) error {
	s, err := d.space(name)
	if err != nil {
		return err
	}
	delete(d.spaces, name)
	links, err := again(s.nl.LinkList)
	links = slices.DeleteFunc(links, func(l netlink.Link) bool { return kindOf(l) == "" || kindOf(l) == kindLoopback })
	err = errors.Join(err, s.deleteLinks(links))
	s.close()
	return errors.Join(err, unname(name))
}
