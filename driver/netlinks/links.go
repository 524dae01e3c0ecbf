package netlinks

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

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
