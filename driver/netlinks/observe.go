package netlinks

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"
	"go4.org/netipx"
	"golang.org/x/sys/unix"
)

// actual is what a namespace holds, as far as a plan speaks of it.
type actual struct {
	links  map[string]netlink.Link
	names  map[int]string
	addrs  map[Addr]netlink.Addr
	routes map[string]netlink.Route // by Route.String
}

// again repeats a dump that a change in the kernel interrupted.
func again[T any](dump func() (T, error)) (T, error) {
	var out T
	var err error
	for range 10 {
		if out, err = dump(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return out, err
		}
	}
	return out, err
}

// observe reads a namespace. In the root namespace it sees only our links.
func (s *space) observe(ns Namespace, cloud string) (actual, error) {
	got := actual{links: map[string]netlink.Link{}, names: map[int]string{},
		addrs: map[Addr]netlink.Addr{}, routes: map[string]netlink.Route{}}
	links, err := again(s.nl.LinkList)
	if err != nil {
		return got, fmt.Errorf("list links of %q: %w", s.name, err)
	}
	for _, l := range links {
		got.names[l.Attrs().Index] = l.Attrs().Name
		if s.name != "" || strings.HasPrefix(l.Attrs().Alias, hostAlias(cloud, "")) {
			got.links[l.Attrs().Name] = l
		}
	}
	if len(ns.Addrs) == 0 {
		return got, nil // the fabric, and a root namespace with nothing managed
	}
	if err := s.observeAddrs(&got); err != nil {
		return got, err
	}
	return got, s.observeRoutes(&got)
}

func (s *space) observeAddrs(got *actual) error {
	addrs, err := again(func() ([]netlink.Addr, error) { return s.nl.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return fmt.Errorf("list addresses of %q: %w", s.name, err)
	}
	for _, a := range addrs {
		prefix, ok := netipx.FromStdIPNet(a.IPNet)
		name := got.names[a.LinkIndex]
		if _, ours := got.links[name]; ok && ours {
			ones, _ := a.Mask.Size()
			got.addrs[Addr{Link: name, Prefix: netip.PrefixFrom(fromIP(a.IP, prefix.Addr()), ones)}] = a
		}
	}
	return nil
}

// observeRoutes reads the main table. Routes that the kernel adds by itself are
// seen but, unless planned, left alone.
func (s *space) observeRoutes(got *actual) error {
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := again(func() ([]netlink.Route, error) { return s.nl.RouteList(nil, family) })
		if err != nil {
			return fmt.Errorf("list routes of %q: %w", s.name, err)
		}
		for _, r := range routes {
			name := got.names[r.LinkIndex]
			if _, ours := got.links[name]; !ours {
				continue
			}
			got.routes[routeOf(r, family, name).String()] = r
		}
	}
	return nil
}

func routeOf(r netlink.Route, family int, link string) Route {
	out := Route{Link: link, Dst: netip.PrefixFrom(netip.IPv4Unspecified(), 0), OnLink: r.Flags&int(netlink.FLAG_ONLINK) != 0}
	if family == netlink.FAMILY_V6 {
		out.Dst = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	if r.Dst != nil {
		if p, ok := netipx.FromStdIPNet(r.Dst); ok {
			out.Dst = p
		}
	}
	if via, ok := netipx.FromStdIP(r.Gw); ok {
		out.Via = via
	}
	return out
}

func fromIP(ip []byte, fallback netip.Addr) netip.Addr {
	if a, ok := netipx.FromStdIP(ip); ok {
		return a
	}
	return fallback
}

// kernelMade reports a route that came with an address.
func kernelMade(r netlink.Route) bool { return r.Protocol == unix.RTPROT_KERNEL }

// links that namespaces are born with are of other types and stay.
var madeKinds = map[string]string{"bridge": kindBridge, "tuntap": kindTap, "tun": kindTap, "veth": kindVeth, "macvlan": kindMacvlan}

func kindOf(l netlink.Link) string {
	if l.Attrs().Name == "lo" {
		return kindLoopback
	}
	return madeKinds[l.Type()]
}

// difference says how a link differs from its plan, or nothing.
func (got actual) difference(want Link) string {
	l, ok := got.links[want.Name]
	if !ok {
		return "is missing"
	}
	a := l.Attrs()
	master := ""
	if a.MasterIndex != 0 {
		master = got.names[a.MasterIndex]
	}
	switch up := a.RawFlags&unix.IFF_UP != 0; {
	case kindOf(l) != want.Kind:
		return "is a " + l.Type()
	case want.MTU != 0 && a.MTU != want.MTU:
		return fmt.Sprintf("has MTU %d", a.MTU)
	case want.MAC != "" && !strings.EqualFold(a.HardwareAddr.String(), want.MAC):
		return "has MAC " + a.HardwareAddr.String()
	case master != want.Master:
		return fmt.Sprintf("is in bridge %q", master)
	case want.Alias != "" && a.Alias != want.Alias:
		return "has another alias"
	case up == want.Down:
		return fmt.Sprintf("is up: %t", up)
	}
	return ""
}

// drift finds the first way in which the namespace differs from its plan.
func (got actual) drift(ns Namespace) string {
	planned := map[string]bool{}
	for _, l := range ns.Links {
		planned[l.Name] = true
		if d := got.difference(l); d != "" {
			return "link " + l.Name + " " + d
		}
	}
	for name, l := range got.links {
		if kind := kindOf(l); !planned[name] && kind != "" && kind != kindLoopback {
			return "link " + name + " is not planned"
		}
	}
	addrs := map[Addr]bool{}
	for _, a := range ns.Addrs {
		addrs[a] = true
		if _, ok := got.addrs[a]; !ok {
			return fmt.Sprintf("address %s on %s is missing", a.Prefix, a.Link)
		}
	}
	for a := range got.addrs {
		if !addrs[a] && planned[a.Link] {
			return fmt.Sprintf("address %s on %s is not planned", a.Prefix, a.Link)
		}
	}
	return got.driftRoutes(ns)
}

func (got actual) driftRoutes(ns Namespace) string {
	routes := map[string]bool{}
	for _, r := range ns.Routes {
		routes[r.String()] = true
		if _, ok := got.routes[r.String()]; !ok {
			return "route " + r.String() + " is missing"
		}
	}
	for text, r := range got.routes {
		if !routes[text] && !kernelMade(r) {
			return "route " + text + " is not planned"
		}
	}
	return ""
}

// sysctlDrift finds a setting that differs.
func (s *space) sysctlDrift(ns Namespace) (string, error) {
	drift := ""
	if len(ns.Sysctls) == 0 {
		return "", nil
	}
	err := s.do(func() error {
		for _, key := range sortedKeys(ns.Sysctls) {
			if got, err := readSysctl(key); err != nil || got != ns.Sysctls[key] {
				drift = fmt.Sprintf("sysctl %s is %q", key, got)
				return nil
			}
		}
		return nil
	})
	return drift, err
}
