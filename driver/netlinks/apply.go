package netlinks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
