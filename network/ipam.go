package network

import (
	"net"
	"net/netip"
	"slices"

	"altostack/kernel/fault"
)

// FixedIP is one address of a port as the API spells it.
type FixedIP struct {
	SubnetID  string `json:"subnet_id"`
	IPAddress string `json:"ip_address"`
}

func (f FixedIP) addr() netip.Addr { a, _ := netip.ParseAddr(f.IPAddress); return a }

// subnetsFor are the subnets of a network that a port of this owner takes addresses
// from: those made for its kind, or else those made for nobody in particular.
func (w *work) subnetsFor(networkID, owner string) ([]Row, error) {
	all, err := w.list(Subnets, everything, Is("network_id", networkID))
	if err != nil {
		return nil, err
	}
	var meant, open []Row
	for _, sub := range all {
		types := Decode[[]string](sub, "service_types")
		switch {
		case len(types) == 0:
			open = append(open, sub)
		case slices.Contains(types, owner):
			meant = append(meant, sub)
		}
	}
	if len(meant) > 0 {
		return meant, nil
	}
	return open, nil
}

// allocate gives a port its addresses. wants is nil where the choice is ours.
func (w *work) allocate(port Row, wants []FixedIP, chosen bool) ([]FixedIP, error) {
	fixed := []FixedIP{}
	if chosen && len(wants) == 0 {
		return fixed, nil
	}
	subnets, err := w.subnetsFor(port.Str("network_id"), port.Str("device_owner"))
	if err != nil {
		return nil, err
	}
	if chosen {
		fixed, err = w.asked(port, wants)
	} else {
		fixed, err = w.oneEach(port, subnets)
	}
	if err != nil {
		return nil, err
	}
	if !isRouterPort(port) {
		fixed, err = w.automatic(port, subnets, fixed)
	}
	return fixed, err
}

// oneEach takes an address of each family from the first subnet that has one.
func (w *work) oneEach(port Row, subnets []Row) ([]FixedIP, error) {
	fixed := []FixedIP{}
	for _, version := range []int64{4, 6} {
		tried, got := false, false
		for _, sub := range subnets {
			if sub.Int("ip_version") != version || isAuto(sub) {
				continue
			}
			tried = true
			f, ok, err := w.next(port, sub)
			if err != nil {
				return nil, err
			}
			if ok {
				fixed, got = append(fixed, f), true
				break
			}
		}
		if tried && !got {
			return nil, exhausted(port.Str("network_id"))
		}
	}
	return fixed, nil
}

func exhausted(networkID string) error {
	return fault.New(fault.CodeNetworkAddressExhausted, "No more IP addresses available on network %s.", networkID)
}

// next takes the lowest free address of a subnet.
func (w *work) next(port, sub Row) (FixedIP, bool, error) {
	a, ok, err := w.s.store.TakeNext(w.ctx, w.tx, sub.ID())
	if err != nil || !ok {
		return FixedIP{}, false, err
	}
	return FixedIP{sub.ID(), a.String()}, true, w.s.store.AddAddress(w.ctx, w.tx, Address{sub.ID(), port.ID(), port.Str("network_id"), a})
}

// automatic adds the addresses that guests make themselves.
func (w *work) automatic(port Row, subnets []Row, fixed []FixedIP) ([]FixedIP, error) {
	for _, sub := range subnets {
		if !isAuto(sub) || slices.ContainsFunc(fixed, func(f FixedIP) bool { return f.SubnetID == sub.ID() }) {
			continue
		}
		f, err := w.take(port, sub, eui64(sub, port.Str("mac_address")))
		if err != nil {
			return nil, err
		}
		fixed = append(fixed, f)
	}
	return fixed, nil
}

// eui64 is the address that a guest with a MAC makes in a subnet.
func eui64(sub Row, mac string) netip.Addr {
	c, err := netip.ParsePrefix(sub.Str("cidr"))
	m, err2 := net.ParseMAC(mac)
	if err != nil || err2 != nil || len(m) != 6 {
		return netip.Addr{}
	}
	b := c.Addr().As16()
	copy(b[8:], []byte{m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
	return netip.AddrFrom16(b)
}

// take takes one address of a subnet for a port.
func (w *work) take(port, sub Row, a netip.Addr) (FixedIP, error) {
	holder, taken, err := w.s.store.AddressHolder(w.ctx, w.tx, sub.ID(), a)
	if err != nil {
		return FixedIP{}, err
	}
	if taken {
		_ = holder // whose it is, is nobody else's business
		return FixedIP{}, fault.New(fault.CodeNetworkAddressInUse, "IP address %s already allocated in subnet %s", a, sub.ID())
	}
	if _, err := w.s.store.Take(w.ctx, w.tx, sub.ID(), a); err != nil {
		return FixedIP{}, err
	}
	return FixedIP{sub.ID(), a.String()}, w.s.store.AddAddress(w.ctx, w.tx, Address{sub.ID(), port.ID(), port.Str("network_id"), a})
}

// asked takes the addresses that a request names: each by subnet, by address, or
// by both. Named addresses go first, so that a choice of ours is none of them.
func (w *work) asked(port Row, wants []FixedIP) ([]FixedIP, error) {
	all, err := w.list(Subnets, everything, Is("network_id", port.Str("network_id")))
	if err != nil {
		return nil, err
	}
	out := make([]FixedIP, len(wants))
	for _, named := range []bool{true, false} {
		for i, want := range wants {
			if (want.IPAddress != "") != named {
				continue
			}
			sub, err := subnetFor(port, all, want)
			if err != nil {
				return nil, err
			}
			if out[i], err = w.askedOne(port, sub, want); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func (w *work) askedOne(port, sub Row, want FixedIP) (FixedIP, error) {
	switch {
	case want.IPAddress != "":
		return w.take(port, sub, want.addr())
	case isAuto(sub) && !isRouterPort(port):
		return w.take(port, sub, eui64(sub, port.Str("mac_address")))
	}
	f, ok, err := w.next(port, sub)
	if err == nil && !ok {
		err = exhausted(port.Str("network_id"))
	}
	return f, err
}

// subnetFor finds the subnet that a wanted address is of.
func subnetFor(port Row, subnets []Row, want FixedIP) (Row, error) {
	a := want.addr()
	for _, sub := range subnets {
		c, _ := netip.ParsePrefix(sub.Str("cidr"))
		switch {
		case want.SubnetID != "" && sub.ID() != want.SubnetID, want.SubnetID == "" && !c.Contains(a):
			continue
		case !a.IsValid():
			return sub, nil
		case !hostRange(c).has(a):
			return nil, fault.New(fault.CodeNetworkAddressNotInSubnet, "IP address %s is not a valid IP for the specified subnet.", a)
		case isAuto(sub) && !isRouterPort(port) && a != eui64(sub, port.Str("mac_address")):
			return nil, invalid("IPv6 address %s can not be directly assigned to a port on subnet %s as the subnet is configured for automatic addresses", a, sub.ID())
		}
		return sub, nil
	}
	if want.SubnetID != "" {
		return nil, invalid("Failed to create port on network %s, because fixed_ips included invalid subnet %s", port.Str("network_id"), want.SubnetID)
	}
	return nil, fault.New(fault.CodeNetworkAddressNotValid, "IP address %s is not a valid IP for any of the subnets on the specified network.", a)
}

// release gives addresses back; those outside of the pools just go.
func (w *work) release(fixed []FixedIP) error {
	for _, f := range fixed {
		if err := w.s.store.DropAddress(w.ctx, w.tx, f.SubnetID, f.addr()); err != nil {
			return err
		}
		sub, err := w.get(Subnets, f.SubnetID)
		if err != nil {
			return err
		}
		for _, p := range Decode[[]Pool](sub, "allocation_pools") {
			if p.bounds().has(f.addr()) {
				if err := w.s.store.Return(w.ctx, w.tx, f.SubnetID, f.addr()); err != nil {
					return err
				}
				break
			}
		}
	}
	return nil
}

// reallocate changes a port's addresses to those wanted, keeping what stays.
func (w *work) reallocate(port Row, wants []FixedIP) ([]FixedIP, error) {
	old := Decode[[]FixedIP](port, "fixed_ips")
	out := make([]FixedIP, len(wants))
	kept := make([]bool, len(old))
	open := make([]bool, len(wants))
	for _, byAddress := range []bool{true, false} {
		for i, want := range wants {
			if out[i].IPAddress != "" || (want.IPAddress != "") != byAddress {
				continue
			}
			j := slices.IndexFunc(old, func(f FixedIP) bool {
				k := slices.Index(old, f)
				return !kept[k] && (want.IPAddress == "" || f.addr() == want.addr()) && (want.SubnetID == "" || f.SubnetID == want.SubnetID)
			})
			if j < 0 {
				open[i] = true
				continue
			}
			out[i], kept[j] = old[j], true
		}
	}
	var gone, fresh []FixedIP
	for j, f := range old {
		if !kept[j] {
			gone = append(gone, f)
		}
	}
	for i, want := range wants {
		if open[i] {
			fresh = append(fresh, want)
		}
	}
	if err := w.stillUsed(port, gone); err != nil {
		return nil, err
	}
	got, err := w.asked(port, fresh)
	if err != nil {
		return nil, err
	}
	for i := range wants {
		if open[i] {
			out[i], got = got[0], got[1:]
		}
	}
	return out, w.release(gone)
}
