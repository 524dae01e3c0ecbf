package netlinks

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"altostack/hostapi"
)

// Plan is everything that should exist on a host.
type Plan struct {
	Namespaces []Namespace       // the fabric first, the root namespace (named "") last
	Taps       map[string]string // port id to link, of the ports that should be wired
	guards     map[string]guard  // what the security rules allow, by port id
}

// Namespace is a network namespace and all that should be in it. In the root
// namespace only the links and tables named here are ours.
type Namespace struct {
	Name    string
	Links   []Link
	Addrs   []Addr
	Routes  []Route
	Sysctls map[string]string // path under /proc/sys to value
	Tables  []Table
	Servers []Server
}

// Kinds of links.
const (
	kindBridge   = "bridge"
	kindTap      = "tap"
	kindVeth     = "veth"
	kindMacvlan  = "macvlan" // passthru, over a link of the root namespace
	kindLoopback = "loopback"
)

// Link is a network interface. A veth is two links; the one that names its Peer
// makes both.
type Link struct {
	Name   string
	Kind   string
	MAC    string // empty: the kernel's choice
	MTU    int    // 0: the kernel's choice
	Master string
	Alias  string
	PeerNS string
	Peer   string
	Parent string // of a macvlan
	Down   bool
}

// Addr is an address on a link.
type Addr struct {
	Link   string
	Prefix netip.Prefix
}

// Route is a route of the main table. Connected routes are in here too, as a
// deleted one does not come back by itself.
type Route struct {
	Dst    netip.Prefix
	Via    netip.Addr
	Link   string
	OnLink bool // Via need not be within an address's prefix
}

// Settings are the parts of [Config] that decide what a plan says.
type Settings struct {
	Cloud      string
	Physical   map[string]Physical
	Masquerade bool
	DNS        []netip.Addr
	Lease      time.Duration
}

// Build writes down what a host should have. It asks nobody: the same arguments
// give the same plan, and an item more in want leaves the rest of it alone.
func Build(s Settings, want hostapi.HostNetwork) Plan {
	b := builder{Settings: s, want: want, networks: map[string]hostapi.Network{}}
	for _, n := range want.Networks {
		b.networks[n.ID] = n
	}
	b.want.Networks = slices.SortedFunc(maps.Values(b.networks), func(a, c hostapi.Network) int { return cmp.Compare(a.ID, c.ID) })
	b.want.Ports = slices.SortedFunc(slices.Values(want.Ports), func(a, c hostapi.Port) int { return cmp.Compare(a.ID, c.ID) })
	b.want.Routers = slices.SortedFunc(slices.Values(want.Routers), func(a, c hostapi.Router) int { return cmp.Compare(a.ID, c.ID) })
	b.root = Namespace{Sysctls: map[string]string{}}
	b.fabric = b.planFabric()
	spaces := []Namespace{}
	for _, n := range b.want.Networks {
		if n.DHCPPort != nil {
			spaces = append(spaces, b.planService(n))
		}
		b.planUplink(n)
	}
	for _, r := range b.want.Routers {
		if r.AdminUp {
			spaces = append(spaces, b.planRouter(r))
		}
	}
	b.planHost()
	return Plan{
		Namespaces: slices.Concat([]Namespace{b.fabric}, spaces, []Namespace{b.root}),
		Taps:       b.taps, guards: b.guards,
	}
}

// builder holds what the parts of one Build share.
type builder struct {
	Settings
	want     hostapi.HostNetwork
	networks map[string]hostapi.Network
	fabric   Namespace
	root     Namespace
	taps     map[string]string
	guards   map[string]guard
	zones    map[string]uint32
}

// addVeth adds a veth whose near end is a bridge port of the fabric.
func (b *builder) addVeth(net hostapi.Network, near string, far *Namespace, name, mac string) {
	b.fabric.Links = append(b.fabric.Links, Link{Name: near, Kind: kindVeth, MTU: net.MTU,
		Master: bridgeName(net.ID), PeerNS: far.Name, Peer: name})
	far.Links = append(far.Links, Link{Name: name, Kind: kindVeth, MAC: mac, MTU: net.MTU})
}

// addAddr adds an address and the route that comes with it.
func (ns *Namespace) addAddr(link string, prefix netip.Prefix) {
	addr := Addr{Link: link, Prefix: prefix}
	if slices.Contains(ns.Addrs, addr) {
		return
	}
	ns.Addrs = append(ns.Addrs, addr)
	if !prefix.IsSingleIP() && !prefix.Addr().IsLoopback() {
		ns.Routes = append(ns.Routes, Route{Dst: prefix.Masked(), Link: link})
	}
}

// addRoute adds a route through the link that reaches via; the first route to a
// destination wins, and one that no link reaches is left out.
func (ns *Namespace) addRoute(dst netip.Prefix, via netip.Addr) {
	for _, r := range ns.Routes {
		if r.Dst == dst.Masked() {
			return
		}
	}
	for _, a := range ns.Addrs {
		if !a.Prefix.IsSingleIP() && a.Prefix.Contains(via) {
			ns.Routes = append(ns.Routes, Route{Dst: dst.Masked(), Via: via, Link: a.Link})
			return
		}
	}
}

// quietLink keeps the kernel from configuring IPv6 on a link by itself: every
// address there is stands in the plan.
func (ns *Namespace) quietLink(name string) {
	ns.Sysctls["net/ipv6/conf/"+name+"/addr_gen_mode"] = "1"
	ns.Sysctls["net/ipv6/conf/"+name+"/accept_ra"] = "0"
	ns.Sysctls["net/ipv6/conf/"+name+"/accept_dad"] = "0"
}

func newNamespace(name string) Namespace {
	ns := Namespace{Name: name, Sysctls: map[string]string{}}
	ns.Links = append(ns.Links, Link{Name: "lo", Kind: kindLoopback})
	ns.addAddr("lo", netip.MustParsePrefix("127.0.0.1/8"))
	ns.addAddr("lo", netip.MustParsePrefix("::1/128"))
	return ns
}

// String is the plan as text, for people and golden tests.
func (p Plan) String() string {
	var b strings.Builder
	for _, ns := range p.Namespaces {
		name := ns.Name
		if name == "" {
			name = "(root)"
		}
		fmt.Fprintf(&b, "namespace %s\n", name)
		for _, l := range ns.Links {
			fmt.Fprintf(&b, "  link %s\n", l)
		}
		for _, a := range ns.Addrs {
			fmt.Fprintf(&b, "  addr %s dev %s\n", a.Prefix, a.Link)
		}
		for _, r := range ns.Routes {
			fmt.Fprintf(&b, "  route %s\n", r)
		}
		for _, key := range slices.Sorted(maps.Keys(ns.Sysctls)) {
			fmt.Fprintf(&b, "  sysctl %s = %s\n", key, ns.Sysctls[key])
		}
		for _, s := range ns.Servers {
			fmt.Fprintf(&b, "  %s", strings.ReplaceAll(s.String(), "\n", "\n  "))
			b.WriteString("\n")
		}
		for _, t := range ns.Tables {
			fmt.Fprintf(&b, "  %s\n", strings.ReplaceAll(strings.TrimSuffix(t.String(), "\n"), "\n", "\n  "))
		}
	}
	return b.String()
}

// String is the link much as ip would be told to make it.
func (l Link) String() string {
	s := l.Name + " " + l.Kind
	add := func(word, value string) {
		if value != "" {
			s += " " + word + " " + value
		}
	}
	add("mac", l.MAC)
	if l.MTU != 0 {
		s += fmt.Sprintf(" mtu %d", l.MTU)
	}
	add("master", l.Master)
	add("parent", l.Parent)
	add("peer", l.Peer)
	add("netns", l.PeerNS)
	if l.Alias != "" {
		s += fmt.Sprintf(" alias %q", l.Alias)
	}
	if l.Down {
		s += " down"
	}
	return s
}

// String is the route much as ip prints it.
func (r Route) String() string {
	s := r.Dst.String()
	if r.Via.IsValid() {
		s += " via " + r.Via.String()
	}
	s += " dev " + r.Link
	if r.OnLink {
		s += " onlink"
	}
	return s
}
