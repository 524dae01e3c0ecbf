package netlinks

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"altostack/hostapi"
)

// Kinds of servers inside this process.
const (
	serveDHCP4    = "dhcp4"
	serveDHCP6    = "dhcp6"
	serveMetadata = "metadata"
	serveRA       = "ra"
)

// Server is one server that this process runs in a namespace.
type Server struct {
	Kind    string
	Link    string // the only link it listens on
	Network string // network id
	Listen  netip.Addr
	Leases  []Lease
	Advert  Advert
}

// key names what cannot change without a new socket.
func (s Server) key() string { return fmt.Sprintf("%s %s %s %s", s.Kind, s.Link, s.Listen, s.Network) }

// Lease is all that a client with this MAC is told. Addr is absent for a
// DHCPv6 client that only gets information.
type Lease struct {
	MAC      string
	Addr     netip.Prefix
	Server   netip.Addr
	Router   netip.Addr
	DNS      []netip.Addr
	Routes   []hostapi.Route
	Hostname string
	Domain   string
	MTU      int
	Time     time.Duration
	Options  []hostapi.DHCPOption
}

// Advert is what a router advertises on one link.
type Advert struct {
	MTU      int
	Managed  bool // addresses by DHCPv6
	Other    bool // information by DHCPv6
	Prefixes []AdvertPrefix
	DNS      []netip.Addr
}

// AdvertPrefix is one advertised prefix.
type AdvertPrefix struct {
	Prefix     netip.Prefix
	Autonomous bool // clients make their own addresses
}

// String is the server and what it tells its clients.
func (s Server) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "serve %s dev %s network %s", s.Kind, s.Link, s.Network)
	if s.Listen.IsValid() {
		fmt.Fprintf(&b, " at %s", s.Listen)
	}
	for _, l := range s.Leases {
		fmt.Fprintf(&b, "\n  %s", l)
	}
	if s.Kind == serveRA {
		fmt.Fprintf(&b, "\n  mtu %d managed %t other %t dns %v", s.Advert.MTU, s.Advert.Managed, s.Advert.Other, s.Advert.DNS)
		for _, p := range s.Advert.Prefixes {
			fmt.Fprintf(&b, "\n  prefix %s autonomous %t", p.Prefix, p.Autonomous)
		}
	}
	return b.String()
}

// String is the lease in one line.
func (l Lease) String() string {
	s := fmt.Sprintf("%s %s server %s", l.MAC, l.Addr, l.Server)
	if l.Router.IsValid() {
		s += " router " + l.Router.String()
	}
	s += fmt.Sprintf(" dns %v", l.DNS)
	for _, r := range l.Routes {
		s += fmt.Sprintf(" route %s via %s", r.Destination, r.NextHop)
	}
	s += fmt.Sprintf(" host %q domain %q mtu %d time %s", l.Hostname, l.Domain, l.MTU, l.Time)
	for _, o := range l.Options {
		s += fmt.Sprintf(" option %s=%q", o.Name, o.Value)
	}
	return s
}

// planService plans a network's DHCP and metadata side.
func (b *builder) planService(n hostapi.Network) Namespace {
	ns := newNamespace(networkNS(b.Cloud, n.ID))
	b.addVeth(n, serviceName(n.ID), &ns, serviceLink, n.DHCPPort.MAC)
	ns.quietLink(serviceLink)
	for _, a := range n.DHCPPort.Addrs {
		ns.addAddr(serviceLink, a)
	}
	ns.addAddr(serviceLink, netip.PrefixFrom(metadata4, 32))
	ns.addAddr(serviceLink, netip.PrefixFrom(metadata6, 64))
	if lla, ok := linkLocal(n.DHCPPort.MAC); ok {
		ns.addAddr(serviceLink, netip.PrefixFrom(lla, 64))
	}
	four, six := b.leases(n)
	ns.Servers = append(ns.Servers,
		Server{Kind: serveDHCP4, Link: serviceLink, Network: n.ID, Leases: four},
		Server{Kind: serveMetadata, Link: serviceLink, Network: n.ID, Listen: metadata4},
		Server{Kind: serveMetadata, Link: serviceLink, Network: n.ID, Listen: metadata6})
	if len(six) > 0 {
		ns.Servers = append(ns.Servers, Server{Kind: serveDHCP6, Link: serviceLink, Network: n.ID, Leases: six})
	}
	return ns
}

// leases are what each port of the network is told, by DHCPv4 and DHCPv6.
func (b *builder) leases(n hostapi.Network) (four, six []Lease) {
	subnets := map[string]hostapi.Subnet{}
	for _, s := range n.Subnets {
		subnets[s.ID] = s
	}
	for _, p := range b.want.Ports {
		if p.NetworkID != n.ID {
			continue
		}
		got4, got6 := false, false
		for _, fixed := range p.Fixed {
			s, ok := subnets[fixed.SubnetID]
			if !ok || !s.DHCP {
				continue
			}
			if fixed.Addr.Is4() && !got4 {
				if l, ok := b.lease4(n, s, p, fixed.Addr); ok {
					four, got4 = append(four, l), true
				}
			}
			if fixed.Addr.Is6() && !got6 && strings.HasPrefix(s.AddressMode, "dhcpv6") {
				six, got6 = append(six, b.lease6(n, s, p, fixed.Addr)), true
			}
		}
	}
	return four, six
}

func (b *builder) lease4(n hostapi.Network, s hostapi.Subnet, p hostapi.Port, addr netip.Addr) (Lease, bool) {
	l := b.lease(n, s, p, addr, 4)
	for _, a := range n.DHCPPort.Addrs {
		if s.CIDR.Contains(a.Addr()) {
			l.Server = a.Addr()
		}
	}
	if !l.Server.IsValid() {
		return Lease{}, false // nobody on this subnet could answer
	}
	l.Router = s.Gateway
	l.Routes = append(l.Routes, s.HostRoutes...)
	// As Neutron does: the metadata service is the router's affair where there is
	// a router, and otherwise the DHCP server is the way there.
	if !b.routed(n, s) {
		l.Routes = append(l.Routes, hostapi.Route{Destination: netip.PrefixFrom(metadata4, 32), NextHop: l.Server})
	}
	// Subnets that share the segment are on-link (RFC 3442: router 0.0.0.0).
	for _, other := range n.Subnets {
		if other.CIDR.Addr().Is4() && other.ID != s.ID {
			l.Routes = append(l.Routes, hostapi.Route{Destination: other.CIDR, NextHop: netip.IPv4Unspecified()})
		}
	}
	// A client that takes option 121 ignores option 3.
	if len(l.Routes) > 0 && s.Gateway.IsValid() {
		l.Routes = append(l.Routes, hostapi.Route{Destination: netip.PrefixFrom(netip.IPv4Unspecified(), 0), NextHop: s.Gateway})
	}
	return l, true
}

func (b *builder) lease6(n hostapi.Network, s hostapi.Subnet, p hostapi.Port, addr netip.Addr) Lease {
	l := b.lease(n, s, p, addr, 6)
	if s.AddressMode != "dhcpv6-stateful" {
		l.Addr = netip.Prefix{}
	}
	return l
}

func (b *builder) lease(n hostapi.Network, s hostapi.Subnet, p hostapi.Port, addr netip.Addr, version int) Lease {
	l := Lease{MAC: p.MAC, Addr: netip.PrefixFrom(addr, s.CIDR.Bits()), Hostname: p.Hostname, Domain: n.DNSDomain,
		MTU: n.MTU, Time: b.Lease, DNS: dnsOf(s, b.DNS)}
	l.Domain = strings.TrimSuffix(l.Domain, ".")
	for _, o := range p.DHCP {
		if o.IPVersion == version || (o.IPVersion == 0 && version == 4) {
			l.Options = append(l.Options, o)
		}
	}
	return l
}

// dnsOf are a subnet's name servers, or the host's where it has none. Neutron's
// way to say "none at all" is the unspecified address.
func dnsOf(s hostapi.Subnet, fallback []netip.Addr) []netip.Addr {
	from, out := s.DNS, []netip.Addr(nil)
	if len(from) == 0 {
		from = fallback
	}
	for _, a := range from {
		if a.IsUnspecified() {
			return nil
		}
		if a.Is4() == s.CIDR.Addr().Is4() {
			out = append(out, a)
		}
	}
	return out
}

// routed reports whether a router of this host is the subnet's gateway.
func (b *builder) routed(n hostapi.Network, s hostapi.Subnet) bool {
	if !s.Gateway.IsValid() {
		return false
	}
	for _, r := range b.want.Routers {
		if !r.AdminUp {
			continue
		}
		for _, p := range r.Interfaces {
			for _, a := range p.Addrs {
				if p.NetworkID == n.ID && a.Addr() == s.Gateway {
					return true
				}
			}
		}
	}
	return false
}
