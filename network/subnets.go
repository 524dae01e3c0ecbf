package network

import (
	"fmt"
	"net/netip"
	"slices"

	"altostack/kernel/fault"
)

// Pool is one allocation pool as the API spells it.
type Pool struct {
	Start string `json:"start"`
	End   string `json:"end"`
}

func (p Pool) bounds() Range {
	first, _ := netip.ParseAddr(p.Start)
	last, _ := netip.ParseAddr(p.End)
	return Range{first, last}
}

func (r Range) has(a netip.Addr) bool { return r.First.Compare(a) <= 0 && a.Compare(r.Last) <= 0 }

// HostRoute is a route that a subnet's DHCP hands out, or a router's own.
type HostRoute struct {
	Destination string `json:"destination"`
	NextHop     string `json:"nexthop"`
}

const (
	maxNameservers = 5
	maxHostRoutes  = 20
	modeSLAAC      = "slaac"
	modeStateless  = "dhcpv6-stateless"
)

// isAuto reports whether addresses of a subnet are made of MACs by the guests.
func isAuto(sub Row) bool {
	mode := sub.Str("ipv6_address_mode")
	return mode == modeSLAAC || mode == modeStateless
}

func createSubnet(w *work, p prepared) (Row, error) {
	row := p.row
	n, err := w.visibleNetwork(row.Str("network_id"))
	if err != nil {
		return nil, err
	}
	if err := w.prefix(row, n); err != nil {
		return nil, err
	}
	for _, check := range []func(*work, Row) error{checkVersion, checkModes, gateway, pools, extras} {
		if err := check(w, row); err != nil {
			return nil, err
		}
	}
	if err := w.overlaps(row); err != nil {
		return nil, err
	}
	row, err = w.insert(Subnets, row)
	if err != nil {
		return nil, err
	}
	if err := w.free(row); err != nil {
		return nil, err
	}
	row["router:external"], row["shared"] = n["router:external"], n["shared"]
	if err := w.subnetAdded(row); err != nil {
		return nil, err
	}
	return row, nil
}

// seesNetworks is what networks the caller may use.
func (w *work) seesNetworks() View {
	v, err := viewOf(w.scope, Networks)
	if err != nil {
		return View{Project: "\x00"}
	}
	return v
}

// prefix settles the CIDR: the one given, or one from a subnet pool.
func (w *work) prefix(row Row, n Row) error {
	if row.Bool("use_default_subnetpool") {
		if row.Str("subnetpool_id") != "" {
			return bad("subnets", "subnetpool_id and use_default_subnetpool cannot both be specified")
		}
		pools, err := w.list(SubnetPools, everything, Is("is_default", true), Is("ip_version", row.Int("ip_version")))
		if err != nil {
			return err
		}
		if len(pools) == 0 {
			return bad("subnets", "No default subnetpool found for IPv%d", row.Int("ip_version"))
		}
		row["subnetpool_id"] = pools[0].ID()
	}
	if pool := row.Str("subnetpool_id"); pool != "" {
		return w.fromPool(row, pool)
	}
	if row.Str("cidr") == "" {
		return bad("subnets", "a subnetpool must be specified in the absence of a cidr")
	}
	if row.Has("prefixlen") {
		return bad("subnets", "cidr and prefixlen must not be supplied together")
	}
	return nil
}

func checkVersion(_ *work, row Row) error {
	c, err := netip.ParsePrefix(row.Str("cidr"))
	if err != nil {
		return invalid("'%s' is not a valid IP subnet", row.Str("cidr"))
	}
	if int64(family(c.Addr())) != row.Int("ip_version") {
		return invalid("cidr '%s' does not match the ip_version '%d'", row.Str("cidr"), row.Int("ip_version"))
	}
	c = c.Masked()
	row["cidr"] = c.String()
	switch {
	case c.Bits() == 0:
		return invalid("Subnet has a prefix length that is incompatible with DHCP service enabled")
	case c.Addr().IsMulticast():
		return invalid("Multicast IP subnet is not supported if enable_dhcp is True")
	case c.Addr().IsLoopback():
		return invalid("Loopback IP subnet is not supported if enable_dhcp is True")
	case row.Bool("enable_dhcp") && c.Addr().BitLen()-c.Bits() < 2:
		return invalid("Subnet has a prefix length that is incompatible with DHCP service enabled")
	}
	return nil
}

func family(a netip.Addr) int {
	if a.Is4() {
		return 4
	}
	return 6
}

func checkModes(_ *work, row Row) error {
	ra, addr := row.Str("ipv6_ra_mode"), row.Str("ipv6_address_mode")
	row["ipv6_ra_mode"], row["ipv6_address_mode"] = ra, addr
	switch {
	case ra == "" && addr == "":
		return nil
	case row.Int("ip_version") == 4 && ra != "":
		return invalid("ipv6_ra_mode is not valid when ip_version is 4")
	case row.Int("ip_version") == 4:
		return invalid("ipv6_address_mode is not valid when ip_version is 4")
	case !row.Bool("enable_dhcp"):
		return invalid("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False")
	case ra != "" && addr != "" && ra != addr:
		return invalid("ipv6_ra_mode set to '%s' with ipv6_address_mode set to '%s' is not valid. If both attributes are set, they must be the same value", ra, addr)
	}
	c, _ := netip.ParsePrefix(row.Str("cidr"))
	if (isAuto(row) || ra == modeSLAAC || ra == modeStateless) && c.Bits() != 64 {
		return invalid("Invalid CIDR %s for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the prefix to be /64", row.Str("cidr"))
	}
	return nil
}

// gateway settles the gateway: the first address unless one is given, or none.
func gateway(_ *work, row Row) error {
	c, _ := netip.ParsePrefix(row.Str("cidr"))
	if !row.Has("gateway_ip") {
		row["gateway_ip"] = ""
		if c.Bits() < c.Addr().BitLen() {
			row["gateway_ip"] = c.Addr().Next().String()
		}
		if c.Addr().Is6() && (isAuto(row)) {
			row["gateway_ip"] = c.Addr().Next().String()
		}
		return nil
	}
	if row["gateway_ip"] == nil {
		row["gateway_ip"] = ""
		return nil
	}
	gw := row.Addr("gateway_ip")
	if int64(family(gw)) != row.Int("ip_version") {
		return invalid("gateway_ip '%s' does not match the ip_version '%d'", gw, row.Int("ip_version"))
	}
	return gatewayFits(c, gw)
}

func gatewayFits(c netip.Prefix, gw netip.Addr) error {
	r := hostRange(c)
	if c.Contains(gw) && (gw.Is4() && c.Bits() < 31 && !r.has(gw) || gw.Is6() && gw == c.Addr() && c.Bits() < 127) {
		return invalid("Gateway is not valid on subnet")
	}
	return nil
}

// hostRange is every address of a prefix that a host may have.
func hostRange(c netip.Prefix) Range {
	first, last := c.Addr(), lastOf(c)
	if c.Addr().BitLen()-c.Bits() >= 2 {
		first = first.Next()
		if c.Addr().Is4() {
			last = last.Prev()
		}
	}
	return Range{first, last}
}

func lastOf(c netip.Prefix) netip.Addr {
	b := c.Masked().Addr().AsSlice()
	for i := c.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// pools settles the allocation pools: those given, or all but the gateway.
func pools(_ *work, row Row) error {
	c, _ := netip.ParsePrefix(row.Str("cidr"))
	gw := row.Addr("gateway_ip")
	if !row.Has("allocation_pools") || row["allocation_pools"] == nil {
		row["allocation_pools"] = defaultPools(c, gw)
		return nil
	}
	list := Decode[[]Pool](row, "allocation_pools")
	for i, p := range list {
		b := p.bounds()
		switch {
		case b.First.Is4() != c.Addr().Is4() || b.Last.Is4() != c.Addr().Is4() || b.Last.Less(b.First):
			return fault.New(fault.CodeNetworkPoolInvalid, "The allocation pool %s-%s is not valid.", p.Start, p.End)
		case !hostRange(c).has(b.First) || !hostRange(c).has(b.Last):
			return fault.New(fault.CodeNetworkPoolOutside, "The allocation pool %s-%s spans beyond the subnet cidr %s.", p.Start, p.End, c)
		case gw.IsValid() && b.has(gw):
			return fault.New(fault.CodeNetworkGatewayInPool, "Gateway ip %s conflicts with allocation pool %s-%s.", gw, p.Start, p.End)
		}
		for _, q := range list[:i] {
			if o := q.bounds(); o.First.Compare(b.Last) <= 0 && b.First.Compare(o.Last) <= 0 {
				return fault.New(fault.CodeNetworkPoolOverlap, "Found overlapping allocation pools: %s-%s %s-%s for subnet %s.", q.Start, q.End, p.Start, p.End, c)
			}
		}
	}
	slices.SortFunc(list, func(a, b Pool) int { return a.bounds().First.Compare(b.bounds().First) })
	row["allocation_pools"] = list
	return nil
}

func defaultPools(c netip.Prefix, gw netip.Addr) []Pool {
	all := hostRange(c)
	list := []Pool{}
	add := func(first, last netip.Addr) {
		if first.IsValid() && last.IsValid() && first.Compare(last) <= 0 {
			list = append(list, Pool{first.String(), last.String()})
		}
	}
	if gw.IsValid() && all.has(gw) {
		add(all.First, gw.Prev())
		add(gw.Next(), all.Last)
		return list
	}
	add(all.First, all.Last)
	return list
}

// extras checks name servers and host routes.
func extras(_ *work, row Row) error {
	for _, attr := range []string{"dns_nameservers", "host_routes", "service_types"} {
		if row[attr] == nil {
			row[attr] = []any{}
		}
	}
	name := row.ID()
	if n := len(Decode[[]string](row, "dns_nameservers")); n > maxNameservers {
		return invalidLimit(name, "DNS nameservers", maxNameservers, "DNSNameServersExhausted")
	}
	routes := Decode[[]HostRoute](row, "host_routes")
	if len(routes) > maxHostRoutes {
		return invalidLimit(name, "host routes", maxHostRoutes, "HostRoutesExhausted")
	}
	for _, r := range routes {
		d, err := netip.ParsePrefix(r.Destination)
		hop, _ := netip.ParseAddr(r.NextHop)
		if err != nil || int64(family(d.Addr())) != row.Int("ip_version") || int64(family(hop)) != row.Int("ip_version") {
			return invalid("Invalid route: %v", fmt.Sprintf("{'destination': '%s', 'nexthop': '%s'}", r.Destination, r.NextHop))
		}
	}
	return nil
}

func invalidLimit(subnet, what string, limit int, kind string) error {
	return fault.New(fault.CodeNetworkBadRequest, "Unable to complete operation for %s. The number of %s exceeds the limit %d.", subnet, what, limit).WithType(kind)
}

// overlaps refuses a CIDR that another subnet of the network covers.
func (w *work) overlaps(row Row) error {
	c, _ := netip.ParsePrefix(row.Str("cidr"))
	others, err := w.list(Subnets, everything, Is("network_id", row.Str("network_id")))
	if err != nil {
		return err
	}
	for _, o := range others {
		if oc, err := netip.ParsePrefix(o.Str("cidr")); err == nil && oc.Overlaps(c) {
			return invalid("Requested subnet with cidr: %s for network: %s overlaps with another subnet", c, row.Str("network_id"))
		}
	}
	return nil
}

// free makes the subnet's pools the addresses that may be given out.
func (w *work) free(sub Row) error {
	taken, err := w.s.store.SubnetAddresses(w.ctx, w.tx, sub.ID())
	if err != nil {
		return err
	}
	return w.s.store.SetFree(w.ctx, w.tx, sub.ID(), freeRanges(Decode[[]Pool](sub, "allocation_pools"), taken))
}

// freeRanges is the pools less what is taken.
func freeRanges(pools []Pool, taken []Address) []Range {
	slices.SortFunc(taken, func(a, b Address) int { return a.Addr.Compare(b.Addr) })
	var free []Range
	for _, p := range pools {
		r := p.bounds()
		for _, t := range taken {
			if !r.First.IsValid() || !r.has(t.Addr) {
				continue
			}
			if r.First.Less(t.Addr) {
				free = append(free, Range{r.First, t.Addr.Prev()})
			}
			r.First = t.Addr.Next()
			if r.First.IsValid() && r.Last.Less(r.First) {
				r.First = netip.Addr{}
			}
		}
		if r.First.IsValid() {
			free = append(free, r)
		}
	}
	return free
}

func updateSubnet(w *work, old Row, p prepared) (Row, error) {
	set := p.row
	whole := old.Clone()
	for k, v := range set {
		whole[k] = v
	}
	if set.Has("gateway_ip") {
		if err := gateway(w, whole); err != nil {
			return nil, err
		}
		if err := w.gatewayFree(old, whole); err != nil {
			return nil, err
		}
		set["gateway_ip"] = whole["gateway_ip"]
	}
	if set.Has("gateway_ip") || set.Has("allocation_pools") {
		if err := pools(w, whole); err != nil {
			return nil, err
		}
		set["allocation_pools"] = whole["allocation_pools"]
	}
	if set.Has("enable_dhcp") {
		if err := checkVersion(w, whole); err != nil {
			return nil, err
		}
		if !whole.Bool("enable_dhcp") && (old.Str("ipv6_ra_mode") != "" || old.Str("ipv6_address_mode") != "") {
			return nil, invalid("Cannot disable enable_dhcp with ipv6 attributes set")
		}
	}
	if err := extras(w, whole); err != nil {
		return nil, err
	}
	for _, attr := range []string{"dns_nameservers", "host_routes", "service_types"} {
		if set.Has(attr) {
			set[attr] = whole[attr]
		}
	}
	if set.Has("allocation_pools") {
		if err := w.free(whole); err != nil {
			return nil, err
		}
	}
	if set.Has("enable_dhcp") && set.Bool("enable_dhcp") != old.Bool("enable_dhcp") {
		if err := w.dhcpToggled(whole); err != nil {
			return nil, err
		}
	}
	return set, w.networkChanged(old.Str("network_id"))
}

// gatewayFree refuses to move a gateway off an address that a router has.
func (w *work) gatewayFree(old, whole Row) error {
	gw := old.Addr("gateway_ip")
	if !gw.IsValid() || gw == whole.Addr("gateway_ip") {
		return nil
	}
	holder, taken, err := w.s.store.AddressHolder(w.ctx, w.tx, old.ID(), gw)
	if err != nil || !taken {
		return err
	}
	port, err := w.get(Ports, holder.PortID)
	if err == nil && isRouterPort(port) {
		err = fault.New(fault.CodeNetworkGatewayInUse, "Current gateway ip %s already in use by port %s. Unable to update.", gw, holder.PortID)
	}
	return err
}

// autoDeleted are ports that go with their subnet.
func autoDeleted(owner string) bool { return owner == ownerDHCP }

func deleteSubnet(w *work, old Row) error {
	taken, err := w.s.store.SubnetAddresses(w.ctx, w.tx, old.ID())
	if err != nil {
		return err
	}
	for _, a := range taken {
		port, err := w.get(Ports, a.PortID)
		if err != nil {
			return err
		}
		if !autoDeleted(port.Str("device_owner")) && (!isAuto(old) || isRouterPort(port)) {
			return fault.New(fault.CodeNetworkSubnetInUse, "Unable to complete operation on subnet %s: One or more ports have an IP allocation from this subnet.", old.ID())
		}
		if err := w.dropSubnet(port, old.ID()); err != nil {
			return err
		}
	}
	if err := w.networkChanged(old.Str("network_id")); err != nil {
		return err
	}
	return w.s.store.SetFree(w.ctx, w.tx, old.ID(), nil)
}

// dropSubnet takes a subnet's addresses off a port; a DHCP port without any left
// goes.
func (w *work) dropSubnet(port Row, subnetID string) error {
	var left []FixedIP
	for _, f := range Decode[[]FixedIP](port, "fixed_ips") {
		if f.SubnetID != subnetID {
			left = append(left, f)
			continue
		}
		if err := w.s.store.DropAddress(w.ctx, w.tx, subnetID, f.addr()); err != nil {
			return err
		}
	}
	if len(left) == 0 && port.Str("device_owner") == ownerDHCP {
		return w.s.store.Delete(w.ctx, w.tx, Ports, port.ID())
	}
	if left == nil {
		left = []FixedIP{}
	}
	_, err := w.save(Ports, port, Row{"fixed_ips": left})
	w.rewire(port.Str("binding:host_id"), port.ID())
	return err
}
