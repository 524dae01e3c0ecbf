package network

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"altostack/hostapi"
)

// Wiring answers what a host's dataplane should be: of the named ports, or with
// none named, everything bound to the host and the routers it carries. Ports
// that are not bound to the host are left out. The part of a few ports costs
// six reads, however many ports there are.
func (s *Service) Wiring(ctx context.Context, host string, portIDs []string) (hostapi.HostNetwork, error) {
	v := &wires{s: s, ctx: ctx, partial: len(portIDs) > 0}
	if err := v.read(host, portIDs); err != nil {
		return hostapi.HostNetwork{}, err
	}
	return v.out, v.fail
}

// wires is one answer under construction.
type wires struct {
	s        *Service
	ctx      context.Context
	out      hostapi.HostNetwork
	partial  bool
	prefix   map[string]netip.Prefix // subnets' CIDRs
	gateways map[string]netip.Addr   // subnets' gateways
	fail     error
}

func (v *wires) get(r *Resource, attr string, ids []string, more ...Filter) []Row {
	if v.fail != nil || len(ids) == 0 {
		return nil
	}
	var rows []Row
	rows, v.fail = v.s.related(v.ctx, v.s.cfg.DB, r, attr, ids, more...)
	return rows
}

func (v *wires) read(host string, portIDs []string) error {
	var ports, routers, routerPorts []Row
	if len(portIDs) > 0 {
		ports = v.get(Ports, "id", portIDs, Is("binding:host_id", host))
	} else {
		ports = v.get(Ports, "binding:host_id", []string{host})
		routers = v.get(Routers, "host", []string{host})
		routerPorts = v.get(Ports, "device_id", idsOf(routers, "id"), Is("device_owner", ownerInterface, ownerGateway))
	}
	nets := append(idsOf(ports, "network_id"), idsOf(routerPorts, "network_id")...)
	slices.Sort(nets)
	nets = slices.Compact(nets)
	v.segments(nets)
	v.guests(ports)
	v.routers(routers, routerPorts)
	return v.fail
}

// segments adds networks with their subnets and DHCP ports.
func (v *wires) segments(ids []string) {
	networks := v.get(Networks, "id", ids)
	subnets := v.get(Subnets, "network_id", ids)
	dhcp := v.get(Ports, "network_id", ids, Is("device_owner", ownerDHCP))
	v.prefix, v.gateways = map[string]netip.Prefix{}, map[string]netip.Addr{}
	of := map[string][]hostapi.Subnet{}
	for _, sub := range subnets {
		c, err := netip.ParsePrefix(sub.Str("cidr"))
		if err != nil {
			continue // stored by us
		}
		v.prefix[sub.ID()], v.gateways[sub.ID()] = c, sub.Addr("gateway_ip")
		hs := hostapi.Subnet{ID: sub.ID(), CIDR: c, Gateway: sub.Addr("gateway_ip"), DHCP: sub.Bool("enable_dhcp"),
			RAMode: sub.Str("ipv6_ra_mode"), AddressMode: sub.Str("ipv6_address_mode"), HostRoutes: routesOf(sub, "host_routes")}
		for _, d := range Decode[[]string](sub, "dns_nameservers") {
			if a, err := netip.ParseAddr(d); err == nil {
				hs.DNS = append(hs.DNS, a)
			}
		}
		of[sub.Str("network_id")] = append(of[sub.Str("network_id")], hs)
	}
	servers := map[string]*hostapi.ServicePort{}
	for _, p := range dhcp {
		servers[p.Str("network_id")] = &hostapi.ServicePort{PortID: p.ID(), MAC: p.Str("mac_address"), Addrs: v.addrs(p)}
	}
	for _, n := range networks {
		domain := n.Str("dns_domain")
		if domain == "" {
			domain = v.s.cfg.DNSDomain
		}
		v.out.Networks = append(v.out.Networks, hostapi.Network{ID: n.ID(), Type: n.Str("provider:network_type"), VNI: int(n.Int("provider:segmentation_id")),
			Physical: n.Str("provider:physical_network"), External: n.Bool("router:external"), MTU: int(n.Int("mtu")), Subnets: of[n.ID()],
			DHCPPort: servers[n.ID()], DNSDomain: domain})
	}
}

// addrs are a port's addresses with their subnets' lengths.
func (v *wires) addrs(p Row) []netip.Prefix {
	var list []netip.Prefix
	for _, f := range Decode[[]FixedIP](p, "fixed_ips") {
		if c, ok := v.prefix[f.SubnetID]; ok {
			list = append(list, netip.PrefixFrom(f.addr(), c.Bits()))
		}
	}
	return list
}

func routesOf(r Row, attr string) []hostapi.Route {
	var list []hostapi.Route
	for _, x := range Decode[[]HostRoute](r, attr) {
		d, err := netip.ParsePrefix(x.Destination)
		hop, err2 := netip.ParseAddr(x.NextHop)
		if err == nil && err2 == nil {
			list = append(list, hostapi.Route{Destination: d, NextHop: hop})
		}
	}
	return list
}

// guests adds ports with the rules of their groups, and the sets these name.
func (v *wires) guests(ports []Row) {
	groups := map[string]bool{}
	for _, p := range ports {
		for _, g := range Decode[[]string](p, "security_groups") {
			groups[g] = true
		}
	}
	var ids []string
	for g := range groups {
		ids = append(ids, g)
	}
	slices.Sort(ids)
	rules := map[string][]hostapi.Rule{}
	var remote, lists []string
	for _, r := range v.get(SecurityGroupRules, "security_group_id", ids) {
		rules[r.Str("security_group_id")] = append(rules[r.Str("security_group_id")], ruleOf(r))
		remote, lists = append(remote, r.Str("remote_group_id")), append(lists, r.Str("remote_address_group_id"))
	}
	v.sets(distinct(remote), distinct(lists))
	for _, p := range ports {
		hp := hostapi.Port{ID: p.ID(), NetworkID: p.Str("network_id"), DeviceID: p.Str("device_id"), MAC: p.Str("mac_address"),
			AdminUp: p.Bool("admin_state_up"), Security: p.Bool("port_security_enabled"), Hostname: p.Str("hostname")}
		if hp.Hostname == "" {
			hp.Hostname = p.Str("dns_name")
		}
		for _, f := range Decode[[]FixedIP](p, "fixed_ips") {
			hp.Fixed = append(hp.Fixed, hostapi.FixedIP{SubnetID: f.SubnetID, Addr: f.addr()})
		}
		for _, a := range Decode[[]AddressPair](p, "allowed_address_pairs") {
			if c, err := parsePrefix(a.IPAddress); err == nil {
				hp.Pairs = append(hp.Pairs, hostapi.Pair{MAC: a.MACAddress, Prefix: c})
			}
		}
		for _, o := range Decode[[]DHCPOpt](p, "extra_dhcp_opts") {
			if o.Value != nil {
				hp.DHCP = append(hp.DHCP, hostapi.DHCPOption{Name: o.Name, Value: *o.Value, IPVersion: o.Version})
			}
		}
		for _, g := range Decode[[]string](p, "security_groups") {
			hp.Rules = append(hp.Rules, rules[g]...)
		}
		v.out.Ports = append(v.out.Ports, hp)
	}
}

func distinct(ids []string) []string {
	slices.Sort(ids)
	return slices.DeleteFunc(slices.Compact(ids), func(s string) bool { return s == "" })
}

func ruleOf(r Row) hostapi.Rule {
	out := hostapi.Rule{Direction: r.Str("direction"), EtherType: r.Str("ethertype"), Protocol: protocolNumber(r.Str("protocol")), PortMin: -1, PortMax: -1}
	if n, ok := r["port_range_min"].(int64); ok {
		out.PortMin = int(n)
	}
	if n, ok := r["port_range_max"].(int64); ok {
		out.PortMax = int(n)
	}
	if c, err := netip.ParsePrefix(r.Str("normalized_cidr")); err == nil && c.Bits() > 0 {
		out.Remote = c
	}
	out.RemoteSet = r.Str("remote_group_id")
	if out.RemoteSet == "" {
		out.RemoteSet = r.Str("remote_address_group_id")
	}
	return out
}

// sets adds the addresses behind remote groups and address groups. A set that is
// empty is there too: nobody matches it.
func (v *wires) sets(groups, lists []string) {
	if v.fail != nil || len(groups)+len(lists) == 0 {
		return
	}
	v.out.Sets = map[string][]netip.Prefix{}
	for g, set := range v.members(groups) {
		v.out.Sets[g] = set
	}
	for _, g := range v.get(AddressGroups, "id", lists) {
		v.out.Sets[g.ID()] = []netip.Prefix{}
		for _, a := range Decode[[]string](g, "addresses") {
			if c, err := netip.ParsePrefix(a); err == nil {
				v.out.Sets[g.ID()] = append(v.out.Sets[g.ID()], c.Masked())
			}
		}
	}
}

// routers adds the routers of the host.
func (v *wires) routers(routers, ports []Row) {
	ids := idsOf(routers, "id")
	fips := v.get(FloatingIPs, "router_id", ids)
	forwards := v.get(PortForwardings, "floatingip_id", idsOf(fips, "id"))
	for _, r := range routers {
		hr := hostapi.Router{ID: r.ID(), AdminUp: r.Bool("admin_state_up"), SNAT: r.Bool("enable_snat"), Routes: routesOf(r, "routes")}
		for _, p := range ports {
			if p.Str("device_id") != r.ID() {
				continue
			}
			rp := hostapi.RouterPort{PortID: p.ID(), NetworkID: p.Str("network_id"), MAC: p.Str("mac_address"), Addrs: v.addrs(p)}
			if p.Str("device_owner") == ownerInterface {
				hr.Interfaces = append(hr.Interfaces, rp)
				continue
			}
			hr.Gateway = &rp
			for _, f := range Decode[[]FixedIP](p, "fixed_ips") {
				if gw := v.gateways[f.SubnetID]; gw.IsValid() {
					hr.NextHops = append(hr.NextHops, gw)
				}
			}
		}
		for _, f := range fips {
			if f.Str("router_id") == r.ID() {
				hr.FloatingIPs = append(hr.FloatingIPs, mappings(f, forwards)...)
			}
		}
		v.out.Routers = append(v.out.Routers, hr)
	}
}

// mappings are what a router does for one floating IP.
func mappings(f Row, forwards []Row) []hostapi.FloatingIP {
	external := f.Addr("floating_ip_address")
	if f.Str("port_id") != "" {
		return []hostapi.FloatingIP{{ID: f.ID(), External: external, Fixed: f.Addr("fixed_ip_address")}}
	}
	var list []hostapi.FloatingIP
	for _, x := range forwards {
		if x.Str("floatingip_id") == f.ID() {
			list = append(list, hostapi.FloatingIP{ID: f.ID(), External: external, Fixed: x.Addr("internal_ip_address"),
				Protocol: protocolNumber(x.Str("protocol")), ExternalPort: int(x.Int("external_port")), FixedPort: int(x.Int("internal_port"))})
		}
	}
	return list
}

// Wired records what a host reports: ports that carry traffic, and ports that do
// not any more.
func (s *Service) Wired(ctx context.Context, host string, up, down []string) error {
	if len(up)+len(down) == 0 {
		return nil
	}
	return s.change(ctx, systemScope, func(w *work) error {
		for part := range slices.Chunk(up, chunk) {
			if err := w.s.store.MarkWired(w.ctx, w.tx, host, part, "ACTIVE", w.now); err != nil {
				return err
			}
		}
		for part := range slices.Chunk(down, chunk) {
			if err := w.s.store.MarkWired(w.ctx, w.tx, host, part, "DOWN", w.now); err != nil {
				return err
			}
		}
		return nil
	})
}

// members remembers the members of remote groups for less than settle, since a
// boot asks for all of its project's and many boots ask at once. What is missed
// by that is told by the flush that follows every change no sooner than settle
// after it, and the whole wiring of a host never uses it.
type members struct {
	mu     sync.Mutex
	groups map[string]memberSet
}

type memberSet struct {
	at  time.Time
	set []netip.Prefix
}

const (
	memberLife = settle / 2
	maxMembers = 1024 // groups remembered
)

// members reads the addresses of remote groups; they are shared and not to be
// changed.
func (v *wires) members(groups []string) map[string][]netip.Prefix {
	out := map[string][]netip.Prefix{}
	now, cache := v.s.cfg.Clock.Now(), &v.s.recent
	missing := groups
	if v.partial {
		missing = nil
		cache.mu.Lock()
		for _, g := range groups {
			if m, ok := cache.groups[g]; ok && now.Sub(m.at) < memberLife {
				out[g] = m.set
				continue
			}
			missing = append(missing, g)
		}
		cache.mu.Unlock()
	}
	read, err := v.s.store.GroupMembers(v.ctx, v.s.cfg.DB, missing)
	if err != nil {
		v.fail = err
		return nil
	}
	cache.mu.Lock()
	defer cache.mu.Unlock()
	if len(cache.groups) > maxMembers {
		clear(cache.groups)
	}
	for _, g := range missing {
		set := make([]netip.Prefix, 0, len(read[g]))
		for _, a := range read[g] {
			set = append(set, netip.PrefixFrom(a, a.BitLen()))
		}
		out[g], cache.groups[g] = set, memberSet{now, set}
	}
	return out
}
