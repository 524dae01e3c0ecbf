package netlinks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"go4.org/netipx"
	"golang.org/x/sys/unix"
)

// run is one Apply: it visits every namespace once for each kind of piece, in
// the order in which pieces need each other, and goes on past failures.
type run struct {
	d      *Driver
	ctx    context.Context
	got    map[string]actual
	errs   []error
	failed map[string]bool // links of the fabric that are not as planned
	broken bool            // the fabric's rules are not in force
}

func (r *run) fail(err error) {
	if err != nil {
		r.errs = append(r.errs, err)
	}
}

func (r *run) converge() {
	r.failed = map[string]bool{}
	var open []Namespace
	for _, ns := range r.d.plan.Namespaces {
		if r.enter(ns) {
			open = append(open, ns)
		}
	}
	for _, step := range []func(*space, Namespace){
		r.removeLinks, r.rules, r.earlySysctls, r.makeLinks,
	} {
		r.each(open, step)
	}
	for _, step := range []func(*space, Namespace){
		r.observe, r.setLinks, r.sysctls, r.raiseLinks, r.addrs, r.routes, r.servers,
	} {
		r.each(open, step)
	}
	r.removeSpaces()
}

func (r *run) each(open []Namespace, step func(*space, Namespace)) {
	for _, ns := range open {
		step(r.d.spaces[ns.Name], ns)
	}
}

// enter opens the namespace and reads what is in it.
func (r *run) enter(ns Namespace) bool {
	s, err := r.d.space(ns.Name)
	if err == nil {
		err = s.rename()
	}
	if err != nil {
		r.fail(err)
		r.broken = r.broken || ns.Name == fabricNS(r.d.cfg.Cloud)
		return false
	}
	r.observe(s, ns)
	return true
}

func (r *run) observe(s *space, ns Namespace) {
	got, err := s.observe(ns, r.d.cfg.Cloud)
	r.fail(err)
	r.got[ns.Name] = got
}

// removeLinks deletes links that are not planned, or not of the planned kind,
// and veths that do not lead where they should.
func (r *run) removeLinks(s *space, ns Namespace) {
	planned := byName(ns.Links, func(l Link) string { return l.Name })
	got := r.got[ns.Name]
	var doomed []netlink.Link
	for name, l := range got.links {
		want, ok := planned[name]
		if kind := kindOf(l); kind == "" || kind == kindLoopback || (ok && kind == want.Kind && r.joined(l, want)) {
			continue
		}
		doomed = append(doomed, l)
		delete(got.links, name)
		if ok && want.Peer != "" {
			delete(r.got[want.PeerNS].links, want.Peer)
		}
	}
	r.fail(s.deleteLinks(doomed))
}

// joined reports whether a veth's other end is where it should be.
func (r *run) joined(l netlink.Link, want Link) bool {
	if want.Peer == "" {
		return true
	}
	far, ok := r.got[want.PeerNS].links[want.Peer]
	return ok && far.Attrs().Index == l.Attrs().ParentIndex
}

func (r *run) rules(s *space, ns Namespace) {
	if s.name != "" && s.gen == 0 {
		if err := s.clearForeign(r.ctx, ns.Tables); err != nil {
			r.fail(err)
		}
	}
	if err := s.applyRules(r.ctx, ns.Tables); err != nil {
		r.fail(err)
		r.broken = r.broken || ns.Name == fabricNS(r.d.cfg.Cloud)
	}
}

// clearForeign deletes tables that somebody else made in our namespace.
func (s *space) clearForeign(ctx context.Context, want []Table) error {
	listing, err := s.runNFT(ctx, "", "list", "tables")
	if err != nil {
		return err
	}
	tx := ""
	for _, t := range foreign(listing, want) {
		tx += "delete table " + t + "\n"
	}
	if tx == "" {
		return nil
	}
	_, err = s.runNFT(ctx, tx, "-f", "-")
	return err
}

// earlySysctls sets what links are born with; those of links come later.
func (r *run) earlySysctls(s *space, ns Namespace) { r.fail(s.setSysctls(ns, true)) }
func (r *run) sysctls(s *space, ns Namespace)      { r.fail(s.setSysctls(ns, false)) }

func (s *space) setSysctls(ns Namespace, early bool) error {
	if len(ns.Sysctls) == 0 {
		return nil
	}
	return s.do(func() error {
		var errs []error
		for _, key := range sortedKeys(ns.Sysctls) {
			got, err := readSysctl(key)
			if err == nil && got == ns.Sysctls[key] {
				continue
			}
			if errors.Is(err, fs.ErrNotExist) && early {
				continue
			}
			errs = append(errs, writeSysctl(key, ns.Sysctls[key]))
		}
		return errors.Join(errs...)
	})
}

func (r *run) makeLinks(s *space, ns Namespace) {
	var taps []string
	for _, l := range ns.Links {
		if _, ok := r.got[ns.Name].links[l.Name]; ok {
			continue
		}
		switch l.Kind {
		case kindTap:
			taps = append(taps, l.Name)
		case kindBridge:
			off := false
			r.made(ns, l, s.nl.LinkAdd(&netlink.Bridge{LinkAttrs: attrs(l), MulticastSnooping: &off}))
		case kindVeth:
			if l.Peer != "" {
				r.made(ns, l, r.makeVeth(s, l))
			}
		case kindMacvlan:
			r.made(ns, l, r.makeMacvlan(s, l))
		}
	}
	if len(taps) == 0 {
		return
	}
	r.fail(s.do(func() error {
		for _, name := range taps {
			r.made(ns, Link{Name: name}, makeTap(name))
		}
		return nil
	}))
}

func (r *run) made(ns Namespace, l Link, err error) {
	if err != nil {
		r.fail(fmt.Errorf("make link %s in %q: %w", l.Name, ns.Name, err))
		r.failed[l.Name] = true
	}
}

func attrs(l Link) netlink.LinkAttrs {
	a := netlink.NewLinkAttrs()
	a.Name, a.MTU = l.Name, l.MTU
	return a
}

// makeVeth makes both ends, each in its namespace. The far end is deleted first
// if it is there: alone, it belongs to nothing.
func (r *run) makeVeth(s *space, l Link) error {
	far, ok := r.d.spaces[l.PeerNS]
	if !ok {
		return fmt.Errorf("network namespace %s is not there", l.PeerNS)
	}
	if old, ok := r.got[l.PeerNS].links[l.Peer]; ok {
		if err := far.nl.LinkDel(old); err != nil && !errors.Is(err, unix.ENODEV) {
			return err
		}
		delete(r.got[l.PeerNS].links, l.Peer)
	}
	peer := r.planned(l.PeerNS, l.Peer)
	veth := &netlink.Veth{LinkAttrs: attrs(l), PeerName: l.Peer, PeerNamespace: netlink.NsFd(int(far.handle)), PeerMTU: uint32(peer.MTU)}
	if hw, err := net.ParseMAC(peer.MAC); err == nil {
		veth.PeerHardwareAddr = hw
	}
	if err := s.nl.LinkAdd(veth); err != nil {
		return err
	}
	if peer.Alias == "" {
		return nil
	}
	// In the root namespace the alias is what marks a link as ours.
	end, err := far.nl.LinkByName(l.Peer)
	if err != nil {
		return err
	}
	return far.nl.LinkSetAlias(end, peer.Alias)
}

// planned answers a link of the plan.
func (r *run) planned(ns, name string) Link {
	for _, n := range r.d.plan.Namespaces {
		if n.Name != ns {
			continue
		}
		for _, l := range n.Links {
			if l.Name == name {
				return l
			}
		}
	}
	return Link{Name: name}
}

func (r *run) makeMacvlan(s *space, l Link) error {
	root := r.d.spaces[""]
	if root == nil {
		return errors.New("the root network namespace is not open")
	}
	parent, err := root.nl.LinkByName(l.Parent)
	if err != nil {
		return fmt.Errorf("interface %s: %w", l.Parent, err)
	}
	a := attrs(l)
	a.ParentIndex, a.Namespace = parent.Attrs().Index, netlink.NsFd(int(s.handle))
	return root.nl.LinkAdd(&netlink.Macvlan{LinkAttrs: a, Mode: netlink.MACVLAN_MODE_PASSTHRU})
}

// setLinks sets MTU, MAC and bridge of links that differ.
func (r *run) setLinks(s *space, ns Namespace) {
	got := r.got[ns.Name]
	for _, want := range ns.Links {
		l, ok := got.links[want.Name]
		if !ok || got.difference(want) == "" {
			continue
		}
		r.made(ns, want, r.setLink(s, got, l, want))
	}
}

func (r *run) setLink(s *space, got actual, l netlink.Link, want Link) error {
	a := l.Attrs()
	if want.MTU != 0 && a.MTU != want.MTU {
		if err := s.nl.LinkSetMTU(l, want.MTU); err != nil {
			return fmt.Errorf("set MTU: %w", err)
		}
	}
	if hw, err := net.ParseMAC(want.MAC); err == nil && a.HardwareAddr.String() != hw.String() {
		if err := s.nl.LinkSetHardwareAddr(l, hw); err != nil {
			return fmt.Errorf("set MAC: %w", err)
		}
		a.HardwareAddr = hw // what is announced from here on
	}
	if want.Alias != "" && a.Alias != want.Alias {
		if err := s.nl.LinkSetAlias(l, want.Alias); err != nil {
			return fmt.Errorf("set alias: %w", err)
		}
	}
	if want.Master == "" {
		if a.MasterIndex != 0 {
			return s.nl.LinkSetNoMaster(l)
		}
		return nil
	}
	if got.names[a.MasterIndex] == want.Master && a.MasterIndex != 0 {
		return nil
	}
	for index, name := range got.names {
		if name == want.Master {
			return s.nl.LinkSetMasterByIndex(l, index)
		}
	}
	return fmt.Errorf("bridge %s is not there", want.Master)
}

// raiseLinks sets links up, or down for ports that are administratively so.
func (r *run) raiseLinks(s *space, ns Namespace) {
	got := r.got[ns.Name]
	for _, want := range ns.Links {
		l, ok := got.links[want.Name]
		if !ok {
			r.made(ns, want, errors.New("it is not there"))
			continue
		}
		switch up := l.Attrs().RawFlags&unix.IFF_UP != 0; {
		case r.failed[want.Name] || up != want.Down:
		case want.Down:
			r.made(ns, want, s.nl.LinkSetDown(l))
		default:
			r.made(ns, want, s.nl.LinkSetUp(l))
		}
	}
}

func (r *run) addrs(s *space, ns Namespace) {
	got, planned := r.got[ns.Name], map[Addr]bool{}
	var fresh []Addr
	for _, a := range ns.Addrs {
		planned[a] = true
		if _, ok := got.addrs[a]; ok {
			continue
		}
		l, ok := got.links[a.Link]
		if !ok {
			continue // said already
		}
		if err := s.nl.AddrAdd(l, kernelAddr(a)); err != nil && !errors.Is(err, unix.EEXIST) {
			r.fail(fmt.Errorf("add address %s to %s of %q: %w", a.Prefix, a.Link, ns.Name, err))
			continue
		}
		fresh = append(fresh, a)
	}
	for a, have := range got.addrs {
		isOurs := slices.ContainsFunc(ns.Links, func(l Link) bool { return l.Name == a.Link })
		if planned[a] || !isOurs {
			continue
		}
		if err := s.nl.AddrDel(got.links[a.Link], &have); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			r.fail(fmt.Errorf("delete address %s of %s in %q: %w", a.Prefix, a.Link, ns.Name, err))
		}
	}
	if len(fresh) > 0 {
		r.fail(s.announce(got, fresh))
	}
}

func kernelAddr(a Addr) *netlink.Addr {
	out := &netlink.Addr{IPNet: netipx.PrefixIPNet(a.Prefix)}
	out.IPNet.IP = a.Prefix.Addr().AsSlice() // with its host part
	if a.Prefix.Addr().Is6() {
		out.Flags = unix.IFA_F_NODAD
	}
	return out
}

// routes adds and removes routes. It reads them anew: with addresses and links
// up, the kernel has added its own by now.
func (r *run) routes(s *space, ns Namespace) {
	if len(ns.Routes) == 0 && s.name == "" {
		return
	}
	got := r.got[ns.Name]
	got.routes = map[string]netlink.Route{}
	if err := s.observeRoutes(&got); err != nil {
		r.fail(err)
		return
	}
	planned := map[string]bool{}
	for _, want := range ns.Routes {
		planned[want.String()] = true
	}
	for text, have := range got.routes {
		if !planned[text] && !kernelMade(have) && ns.Name != "" {
			if err := s.nl.RouteDel(&have); err != nil && !errors.Is(err, unix.ESRCH) {
				r.fail(fmt.Errorf("delete route %s of %q: %w", text, ns.Name, err))
			}
		}
	}
	for _, want := range ns.Routes {
		l, ok := got.links[want.Link]
		if _, have := got.routes[want.String()]; have || !ok {
			continue
		}
		if err := s.nl.RouteReplace(kernelRoute(want, l, ns)); err != nil {
			r.fail(fmt.Errorf("add route %s to %q: %w", want, ns.Name, err))
		}
	}
}

func kernelRoute(want Route, l netlink.Link, ns Namespace) *netlink.Route {
	out := &netlink.Route{LinkIndex: l.Attrs().Index, Dst: netipx.PrefixIPNet(want.Dst), Protocol: unix.RTPROT_STATIC}
	if want.Via.IsValid() {
		out.Gw = want.Via.AsSlice()
		if want.OnLink {
			out.Flags = int(netlink.FLAG_ONLINK)
		}
		return out
	}
	out.Protocol = unix.RTPROT_KERNEL // as the kernel itself had it
	if want.Dst.Addr().Is4() {
		out.Scope = netlink.SCOPE_LINK
		for _, a := range ns.Addrs {
			if a.Link == want.Link && a.Prefix.Masked() == want.Dst {
				out.Src = a.Prefix.Addr().AsSlice()
				break
			}
		}
	}
	return out
}

// removeSpaces deletes this cloud's namespaces that are not planned any more.
func (r *run) removeSpaces() {
	planned := byName(r.d.plan.Namespaces, func(ns Namespace) string { return ns.Name })
	names, err := namespaces(r.d.cfg.Cloud)
	r.fail(err)
	for name := range r.d.spaces {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if _, ok := planned[name]; !ok {
			r.fail(r.d.removeSpace(name))
		}
	}
}

// cut ends connections that only what is gone had allowed: in the fabric those
// of guarded ports, in routers those through floating addresses that moved.
func (r *run) cut(old Plan) {
	now := r.d.plan
	j := newJudge(old.guards, now.guards, func(id string) bool { return now.Taps[id] != "" })
	if s := r.d.spaces[fabricNS(r.d.cfg.Cloud)]; s != nil && len(j.stale) > 0 {
		r.fail(s.cutFlows(func(f *netlink.ConntrackFlow) bool { return j.cut(f.Zone, flowOf(f)) }))
	}
	was := byName(old.Namespaces, func(ns Namespace) string { return ns.Name })
	for _, ns := range now.Namespaces {
		s, prev := r.d.spaces[ns.Name], was[ns.Name]
		if gone := goneFloating(prev, ns); s != nil && len(gone) > 0 {
			r.fail(s.cutFlows(func(f *netlink.ConntrackFlow) bool {
				return gone[fromIP(f.Forward.DstIP, netip.Addr{})] || gone[fromIP(f.Reverse.DstIP, netip.Addr{})]
			}))
		}
	}
}

// goneFloating are outside addresses whose mapping went or changed.
func goneFloating(old, now Namespace) map[netip.Addr]bool {
	gone := map[netip.Addr]bool{}
	after := map[string]Set{}
	for _, t := range now.Tables {
		after = byName(t.Sets, setName)
	}
	for _, t := range old.Tables {
		for _, s := range t.Sets {
			if s.Name != "dnat4" && s.Name != "forward4" {
				continue
			}
			for key, value := range s.Elements {
				var addr string
				if _, err := fmt.Sscan(key, &addr); err == nil && after[s.Name].Elements[key] != value {
					gone[netip.MustParseAddr(addr)] = true
				}
			}
		}
	}
	return gone
}

func flowOf(f *netlink.ConntrackFlow) flow {
	return flow{proto: int(f.Forward.Protocol), src: fromIP(f.Forward.SrcIP, netip.Addr{}),
		dst: fromIP(f.Forward.DstIP, netip.Addr{}), dport: int(f.Forward.DstPort)}
}

// flowFilter lets a function choose which connections to forget.
type flowFilter func(*netlink.ConntrackFlow) bool

func (f flowFilter) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool { return f(flow) }

func (s *space) cutFlows(match flowFilter) error {
	for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
		_, err := again(func() (uint, error) { return s.nl.ConntrackDeleteFilters(netlink.ConntrackTable, family, match) })
		if err != nil {
			return fmt.Errorf("end connections in %q: %w", s.name, err)
		}
	}
	return nil
}
