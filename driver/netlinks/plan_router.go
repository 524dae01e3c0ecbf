package netlinks

import (
	"fmt"
	"net/netip"
	"strings"

	"altostack/hostapi"
)

// planRouter plans a router: a namespace with a veth into each of its networks.
func (b *builder) planRouter(r hostapi.Router) Namespace {
	ns := newNamespace(routerNS(b.Cloud, r.ID))
	for key, value := range map[string]string{
		"net/ipv4/ip_forward":              "1",
		"net/ipv6/conf/all/forwarding":     "1",
		"net/ipv4/conf/all/arp_ignore":     "1", // answer for the addresses of the link asked on only
		"net/ipv4/conf/all/arp_announce":   "2",
		"net/ipv4/conf/all/send_redirects": "0",
	} {
		ns.Sysctls[key] = value
	}
	ns.addAddr("lo", netip.PrefixFrom(metadata4, 32))
	for _, p := range r.Interfaces {
		if n, ok := b.networks[p.NetworkID]; ok {
			b.planInterface(&ns, n, p)
		}
	}
	if n, ok := b.gateway(r); ok {
		b.planGateway(&ns, n, r)
	}
	for _, route := range r.Routes {
		ns.addRoute(route.Destination, route.NextHop)
	}
	for _, hop := range r.NextHops {
		all := netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		if hop.Is4() {
			all = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		}
		ns.addDefault(all, hop, r)
	}
	ns.Tables = append(ns.Tables, b.nat(r))
	return ns
}

func (b *builder) gateway(r hostapi.Router) (hostapi.Network, bool) {
	if r.Gateway == nil {
		return hostapi.Network{}, false
	}
	n, ok := b.networks[r.Gateway.NetworkID]
	return n, ok
}

// addDefault adds the way out, unless one of the router's own routes is it
// already. The next hop may be outside the gateway's subnet.
func (ns *Namespace) addDefault(all netip.Prefix, hop netip.Addr, r hostapi.Router) {
	for _, have := range ns.Routes {
		if have.Dst == all {
			return
		}
	}
	if r.Gateway != nil {
		ns.Routes = append(ns.Routes, Route{Dst: all, Via: hop, Link: gatewayName(r.Gateway.PortID), OnLink: true})
	}
}

func (b *builder) planInterface(ns *Namespace, n hostapi.Network, p hostapi.RouterPort) {
	name := insideName(p.PortID)
	b.planRouterPort(ns, n, p, name)
	ns.Servers = append(ns.Servers, Server{Kind: serveMetadata, Link: name, Network: n.ID, Listen: metadata4})
	advert := Advert{MTU: n.MTU}
	for _, s := range n.Subnets {
		if s.RAMode == "" || !routes(p, s) {
			continue
		}
		advert.Managed = advert.Managed || s.RAMode == "dhcpv6-stateful"
		advert.Other = advert.Other || strings.HasPrefix(s.RAMode, "dhcpv6")
		advert.Prefixes = append(advert.Prefixes, AdvertPrefix{Prefix: s.CIDR.Masked(), Autonomous: s.RAMode != "dhcpv6-stateful"})
		advert.DNS = append(advert.DNS, dnsOf(s, b.DNS)...)
	}
	if len(advert.Prefixes) > 0 {
		ns.Servers = append(ns.Servers, Server{Kind: serveRA, Link: name, Network: n.ID, Advert: advert})
	}
}

func routes(p hostapi.RouterPort, s hostapi.Subnet) bool {
	for _, a := range p.Addrs {
		if s.CIDR.Addr().Is6() && s.CIDR.Contains(a.Addr()) {
			return true
		}
	}
	return false
}

func (b *builder) planRouterPort(ns *Namespace, n hostapi.Network, p hostapi.RouterPort, name string) {
	b.addVeth(n, routerName(p.PortID), ns, name, p.MAC)
	ns.quietLink(name)
	for _, a := range p.Addrs {
		ns.addAddr(name, a)
	}
	if lla, ok := linkLocal(p.MAC); ok {
		ns.addAddr(name, netip.PrefixFrom(lla, 64))
	}
}

// planGateway plans the way out. Floating addresses are addresses of the
// gateway's link, so that the kernel answers ARP for them.
func (b *builder) planGateway(ns *Namespace, n hostapi.Network, r hostapi.Router) {
	name := gatewayName(r.Gateway.PortID)
	b.planRouterPort(ns, n, *r.Gateway, name)
	own := map[netip.Addr]bool{}
	for _, a := range r.Gateway.Addrs {
		own[a.Addr()] = true
	}
	for _, f := range r.FloatingIPs {
		if f.External.Is4() && !own[f.External] {
			ns.addAddr(name, netip.PrefixFrom(f.External, 32))
		}
	}
}

// nat plans address translation. Guests of one router that meet through
// floating addresses are translated on both sides, or the answer would go
// straight to the asker, who does not know the address it comes from.
func (b *builder) nat(r hostapi.Router) Table {
	dnat, snat, forward := map[string]string{}, map[string]string{}, map[string]string{}
	if r.Gateway != nil {
		for _, f := range r.FloatingIPs {
			switch {
			case !f.External.Is4() || !f.Fixed.Is4():
			case f.Protocol == 0:
				dnat[f.External.String()], snat[f.Fixed.String()] = f.Fixed.String(), f.External.String()
			default:
				forward[fmt.Sprintf("%s . %d . %d", f.External, f.Protocol, f.ExternalPort)] = fmt.Sprintf("%s . %d", f.Fixed, f.FixedPort)
			}
		}
	}
	var leak []string
	out := []string{
		`oifname "wan*" snat ip to ip saddr map @snat4`,
		`oifname "lan*" meta mark 1 ct status dnat snat ip to ip saddr map @snat4`,
	}
	if own, ok := first4(r.Gateway); ok {
		if r.SNAT {
			out = append(out, fmt.Sprintf(`oifname "wan*" meta nfproto ipv4 meta mark 1 snat ip to %s`, own))
			// What conntrack cannot place is not translated either.
			leak = append(leak, `oifname "wan*" meta nfproto ipv4 ct state invalid drop`)
		}
		out = append(out, fmt.Sprintf(`oifname "lan*" meta mark 1 ct status dnat snat ip to %s`, own))
	}
	return Table{Family: "inet", Name: "alto", Sets: []Set{
		{Name: "dnat4", Map: true, Spec: "type ipv4_addr : ipv4_addr;", Elements: dnat},
		{Name: "snat4", Map: true, Spec: "type ipv4_addr : ipv4_addr;", Elements: snat},
		{Name: "forward4", Map: true, Spec: "type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service;", Elements: forward},
	}, Chains: []Chain{
		{Name: "do_mark", Hook: "type filter hook prerouting priority -150; policy accept;", Rules: []string{
			`iifname "lan*" meta mark set 1`,
		}},
		{Name: "do_dnat", Hook: "type nat hook prerouting priority -100; policy accept;", Rules: []string{
			"dnat ip to ip daddr . meta l4proto . th dport map @forward4",
			"dnat ip to ip daddr map @dnat4",
		}},
		{Name: "do_filter", Hook: "type filter hook forward priority 0; policy accept;", Rules: leak},
		{Name: "do_snat", Hook: "type nat hook postrouting priority 100; policy accept;", Rules: out},
	}}
}

func first4(p *hostapi.RouterPort) (netip.Addr, bool) {
	if p == nil {
		return netip.Addr{}, false
	}
	for _, a := range p.Addrs {
		if a.Addr().Is4() {
			return a.Addr(), true
		}
	}
	return netip.Addr{}, false
}
