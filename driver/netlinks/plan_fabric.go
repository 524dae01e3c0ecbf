package netlinks

import (
	"fmt"
	"net"
	"net/netip"

	"go4.org/netipx"

	"altostack/hostapi"
)

// Addresses of the metadata service.
var (
	metadata4 = netip.MustParseAddr("169.254.169.254")
	metadata6 = netip.MustParseAddr("fe80::a9fe:a9fe")
)

// planFabric plans the bridges, the taps and every rule that guards a port.
func (b *builder) planFabric() Namespace {
	fabric := Namespace{Name: fabricNS(b.Cloud), Sysctls: map[string]string{
		"net/bridge/bridge-nf-call-iptables":       "1",
		"net/bridge/bridge-nf-call-ip6tables":      "1",
		"net/bridge/bridge-nf-call-arptables":      "0",
		"net/bridge/bridge-nf-filter-vlan-tagged":  "0",
		"net/bridge/bridge-nf-filter-pppoe-tagged": "0",
		// The fabric only switches: no addresses, no routing, no neighbours.
		"net/ipv4/ip_forward":                "0",
		"net/ipv6/conf/all/disable_ipv6":     "1",
		"net/ipv6/conf/default/disable_ipv6": "1",
	}}
	var ids []string
	for _, n := range b.want.Networks {
		ids = append(ids, n.ID)
		fabric.Links = append(fabric.Links, Link{Name: bridgeName(n.ID), Kind: kindBridge, MTU: n.MTU})
	}
	b.zones = numbers(ids, 0xfffe, func(id string) uint32 { return uint32(b.networks[id].VNI) })
	b.taps, b.guards = map[string]string{}, map[string]guard{}
	f := newFence(b.want.Sets)
	for _, id := range ids {
		f.zone[bridgeName(id)] = fmt.Sprint(b.zones[id])
	}
	marks, sets := b.marks(), resolver(b.want.Sets)
	for _, p := range b.want.Ports {
		n, ok := b.networks[p.NetworkID]
		if !ok {
			continue // a partial answer; the port stays down until its network is known
		}
		tap := tapName(p.ID)
		fabric.Links = append(fabric.Links, Link{Name: tap, Kind: kindTap, MTU: n.MTU, Master: bridgeName(n.ID), Down: !p.AdminUp})
		if p.AdminUp {
			b.taps[p.ID] = tap
		}
		if !p.Security {
			f.free[tap] = ""
			continue
		}
		f.guard(p, tap, fmt.Sprintf("0x%08x", marks[p.ID]))
		b.guards[p.ID] = newGuard(p, uint16(b.zones[p.NetworkID]), sets)
	}
	f.fillSets()
	fabric.Tables = []Table{f.bridgeTable(), f.inetTable()}
	return fabric
}

func (b *builder) marks() map[string]uint32 {
	var ids []string
	for _, p := range b.want.Ports {
		if p.Security {
			ids = append(ids, p.ID)
		}
	}
	return numbers(ids, 0xfffffffe, func(string) uint32 { return 0 })
}

// fence collects the elements of the fabric's sets and the chains of rules.
type fence struct {
	zone, port, free, macs, bind4, pair4, bind6, pair6, target6, wide6 map[string]string

	from, to map[string]string // mark to verdict
	chains   map[string][]string
	sets     map[string][]netip.Prefix
	names    map[string]string // sets that rules refer to: family and id to name
	groups   []Set
}

func newFence(sets map[string][]netip.Prefix) *fence {
	m := func() map[string]string { return map[string]string{} }
	return &fence{zone: m(), port: m(), free: m(), macs: m(), bind4: m(), pair4: m(), bind6: m(), pair6: m(),
		target6: m(), wide6: m(), from: m(), to: m(), chains: map[string][]string{}, sets: sets, names: m()}
}

// guard says which addresses a port may use and which rules it has.
func (f *fence) guard(p hostapi.Port, tap, mark string) {
	f.port[tap] = mark
	own := func(mac string) string { return mark + " . " + mac }
	allow := func(mac string, addr netip.Addr) {
		if addr.Is4() {
			f.bind4[own(mac)+" . "+addr.String()] = ""
			return
		}
		f.bind6[own(mac)+" . "+addr.String()] = ""
		a := addr.As16()
		f.target6[fmt.Sprintf("%s . 0x%x", own(mac), a[:])] = ""
	}
	wide := map[string]*netipx.IPSetBuilder{}
	meet := func(mac string) {
		if _, ok := f.macs[own(mac)]; ok {
			return
		}
		f.macs[own(mac)] = ""
		if lla, ok := linkLocal(mac); ok {
			allow(mac, lla)
		}
	}
	meet(p.MAC)
	for _, fixed := range p.Fixed {
		allow(p.MAC, fixed.Addr)
	}
	for _, pair := range p.Pairs {
		mac := pair.MAC
		if mac == "" {
			mac = p.MAC
		}
		meet(mac)
		if pair.Prefix.IsSingleIP() {
			allow(mac, pair.Prefix.Addr())
			continue
		}
		if wide[mac] == nil {
			wide[mac] = &netipx.IPSetBuilder{}
		}
		wide[mac].AddPrefix(pair.Prefix)
	}
	for mac, set := range wide {
		f.allowWide(own(mac), mark, set)
	}
	f.from[mark] = "goto " + f.chain("from_", p.Rules, "egress")
	f.to[mark] = "goto " + f.chain("to_", p.Rules, "ingress")
}

// allowWide adds address pairs that are more than one address, overlaps merged.
func (f *fence) allowWide(own, mark string, set *netipx.IPSetBuilder) {
	for _, prefix := range prefixes(set) {
		if prefix.Addr().Is4() {
			f.pair4[own+" . "+prefix.String()] = ""
			continue
		}
		f.pair6[own+" . "+prefix.String()] = ""
		f.wide6[mark] = ""
	}
}

func prefixes(set *netipx.IPSetBuilder) []netip.Prefix {
	s, err := set.IPSet()
	if err != nil {
		return nil // only invalid prefixes: they match nothing
	}
	return s.Prefixes()
}

// set names the set of an id's addresses in one family ("4" or "6"). One that
// holds only single addresses, as a remote group's, can be changed element by
// element; one with prefixes has another name, as it is another kind of set.
func (f *fence) set(family, id string) string {
	key := family + id
	if f.names[key] == "" {
		kind := "g"
		for _, p := range f.sets[id] {
			if p.Addr().Is4() == (family == "4") && !p.IsSingleIP() {
				kind = "n"
			}
		}
		f.names[key] = kind + family + "_" + short(id)
	}
	return f.names[key]
}

// fillSets makes the sets that rules refer to. An unknown one is empty and so
// matches nobody.
func (f *fence) fillSets() {
	for _, key := range sortedKeys(f.names) {
		family, id, name := key[:1], key[1:], f.names[key]
		s := Set{Name: name, Spec: "type ipv" + family + "_addr;", Elements: map[string]string{}}
		if name[0] == 'g' {
			for _, p := range f.sets[id] {
				if p.Addr().Is4() == (family == "4") {
					s.Elements[p.Addr().String()] = ""
				}
			}
			f.groups = append(f.groups, s)
			continue
		}
		s.Spec, s.Whole = s.Spec+" flags interval;", true
		var set netipx.IPSetBuilder
		for _, p := range f.sets[id] {
			if p.Addr().Is4() == (family == "4") {
				set.AddPrefix(p)
			}
		}
		for _, p := range prefixes(&set) {
			s.Elements[nftPrefix(p)] = ""
		}
		f.groups = append(f.groups, s)
	}
}

func nftPrefix(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.Masked().String()
}

// bridgeTable is the layer-2 half: who may send as whom, and the marks.
func (f *fence) bridgeTable() Table {
	return Table{Family: "bridge", Name: "alto", Sets: []Set{
		{Name: "port", Map: true, Spec: "type ifname : mark;", Elements: f.port},
		{Name: "free", Spec: "type ifname;", Elements: f.free},
		{Name: "macs", Spec: "type mark . ether_addr;", Elements: f.macs},
		{Name: "bind4", Spec: "type mark . ether_addr . ipv4_addr;", Elements: f.bind4},
		{Name: "pair4", Spec: "type mark . ether_addr . ipv4_addr; flags interval;", Whole: true, Elements: f.pair4},
		{Name: "bind6", Spec: "type mark . ether_addr . ipv6_addr;", Elements: f.bind6},
		{Name: "pair6", Spec: "type mark . ether_addr . ipv6_addr; flags interval;", Whole: true, Elements: f.pair6},
		{Name: "target6", Spec: "typeof meta mark . ether saddr . @th,64,128;", Elements: f.target6},
		{Name: "wide6", Spec: "type mark;", Elements: f.wide6},
	}, Chains: bridgeChains}
}

// bridgeChains never change. Frames of a tap that no set knows are dropped, so
// a tap is closed before its rules are there. Frames with a VLAN tag, or of any
// type but IP and ARP, would pass br_netfilter unseen: guarded ports have none.
var bridgeChains = []Chain{
	{Name: "do_from4", Rules: []string{
		"ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept",
		"meta mark . ether saddr . ip saddr @bind4 accept",
		"meta mark . ether saddr . ip saddr @pair4 accept",
		"drop",
	}},
	{Name: "do_from_arp", Rules: []string{
		"arp operation request arp saddr ip 0.0.0.0 meta mark . arp saddr ether @macs accept",
		"meta mark . arp saddr ether . arp saddr ip @bind4 accept",
		"meta mark . arp saddr ether . arp saddr ip @pair4 accept",
		"drop",
	}},
	{Name: "do_from6", Rules: []string{
		"icmpv6 type { nd-router-advert, nd-redirect } drop",
		"icmpv6 type nd-neighbor-advert meta mark . ether saddr . @th,64,128 != @target6 meta mark != @wide6 drop",
		"ip6 saddr :: icmpv6 type { nd-neighbor-solicit, nd-router-solicit, mld-listener-report, mld-listener-done, mld2-listener-report } accept",
		"meta mark . ether saddr . ip6 saddr @bind6 accept",
		"meta mark . ether saddr . ip6 saddr @pair6 accept",
		"drop",
	}},
	{Name: "do_pre", Hook: "type filter hook prerouting priority -300; policy accept;", Rules: []string{
		"meta mark set 0",
		"meta mark set iifname map @port",
		`meta mark 0 iifname "tap*" iifname != @free drop`,
		"meta mark 0 accept",
		"meta mark . ether saddr != @macs drop",
		"ether type vmap { ip : goto do_from4, arp : goto do_from_arp, ip6 : goto do_from6 }",
		"drop",
	}},
	{Name: "do_forward", Hook: "type filter hook forward priority -200; policy accept;", Rules: []string{
		"meta mark set 0",
		"meta mark set oifname map @port",
		`meta mark 0 oifname "tap*" oifname != @free drop`,
		"meta mark 0 accept",
		"ether daddr & 01:00:00:00:00:00 == 00:00:00:00:00:00 meta mark . ether daddr != @macs drop",
		"ether type { ip, arp, ip6 } accept",
		"drop",
	}},
	{Name: "do_input", Hook: "type filter hook input priority 0; policy drop;"},
	{Name: "do_output", Hook: "type filter hook output priority 0; policy drop;"},
}

// inetTable is the stateful half: conntrack zones and the groups' rules.
func (f *fence) inetTable() Table {
	t := Table{Family: "inet", Name: "alto", Sets: append([]Set{
		{Name: "zone", Map: true, Spec: "typeof iifname : ct zone;", Elements: f.zone},
		{Name: "from", Map: true, Spec: "type mark : verdict;", Elements: f.from},
		{Name: "to", Map: true, Spec: "type mark : verdict;", Elements: f.to},
	}, f.groups...)}
	for _, name := range sortedKeys(f.chains) {
		t.Chains = append(t.Chains, Chain{Name: name, Rules: f.chains[name]})
	}
	t.Chains = append(t.Chains, inetChains...)
	return t
}

// inetChains never change. The zone is set before fragments are put together
// (-400), so two networks with the same addresses never share a queue.
var inetChains = []Chain{
	{Name: "do_zone", Hook: "type filter hook prerouting priority -450; policy accept;", Rules: []string{
		"ct zone set iifname map @zone",
	}},
	{Name: "do_out", Hook: "type filter hook prerouting priority -150; policy accept;", Rules: []string{
		"meta mark 0 accept",
		"meta nfproto ipv4 udp sport 67 udp dport 68 drop",
		"meta nfproto ipv6 udp sport 547 udp dport 546 drop",
		"icmpv6 type { nd-router-advert, nd-redirect } drop",
		"ct state established,related accept",
		"ct state invalid drop",
		"meta nfproto ipv4 udp sport 68 udp dport 67 accept",
		"meta nfproto ipv6 udp sport 546 udp dport 547 accept",
		"icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report, nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept",
		"ip daddr 169.254.169.254 tcp dport 80 accept",
		"ip6 daddr fe80::a9fe:a9fe tcp dport 80 accept",
		"meta mark vmap @from",
		"drop",
	}},
	{Name: "do_in", Hook: "type filter hook forward priority 0; policy accept;", Rules: []string{
		"meta mark 0 accept",
		"ct state established,related accept",
		"ct state invalid drop",
		"meta nfproto ipv4 udp sport 67 udp dport 68 accept",
		"ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept",
		"icmpv6 type { mld-listener-query, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept",
		"meta mark vmap @to",
		"drop",
	}},
}

// linkLocal is the IPv6 address that a MAC gives itself (RFC 4291, appendix A).
func linkLocal(mac string) (netip.Addr, bool) {
	hw, err := net.ParseMAC(mac)
	if err != nil || len(hw) != 6 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 8: hw[0] ^ 2, 9: hw[1], 10: hw[2], 11: 0xff,
		12: 0xfe, 13: hw[3], 14: hw[4], 15: hw[5]}), true
}
