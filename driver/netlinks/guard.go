package netlinks

import (
	"net/netip"
	"slices"

	"go4.org/netipx"

	"altostack/hostapi"
)

// guard is what a guarded port's rules allow, in a form that can judge a
// connection: when rules go, so do the connections that only they allowed.
type guard struct {
	zone  uint16
	addrs []netip.Prefix
	rules []hostapi.Rule
	sets  map[string]*netipx.IPSet
}

// flow is a connection as conntrack knows it, in its first packet's direction.
type flow struct {
	proto    int
	src, dst netip.Addr
	dport    int
}

func newGuard(p hostapi.Port, zone uint16, sets func(id string) *netipx.IPSet) guard {
	g := guard{zone: zone, rules: p.Rules, sets: map[string]*netipx.IPSet{}}
	for _, f := range p.Fixed {
		g.addrs = append(g.addrs, netip.PrefixFrom(f.Addr, f.Addr.BitLen()))
	}
	for _, pair := range p.Pairs {
		g.addrs = append(g.addrs, pair.Prefix.Masked())
	}
	for _, r := range p.Rules {
		if r.RemoteSet != "" {
			g.sets[r.RemoteSet] = sets(r.RemoteSet)
		}
	}
	return g
}

// resolver answers the addresses of a set, put together once for all ports.
func resolver(sets map[string][]netip.Prefix) func(id string) *netipx.IPSet {
	known := map[string]*netipx.IPSet{}
	return func(id string) *netipx.IPSet {
		if set, ok := known[id]; ok {
			return set
		}
		var b netipx.IPSetBuilder
		for _, prefix := range sets[id] {
			b.AddPrefix(prefix)
		}
		set, err := b.IPSet()
		if err != nil {
			set = &netipx.IPSet{} // invalid addresses allow nobody
		}
		known[id] = set
		return set
	}
}

// same reports whether both guards allow the same.
func (g guard) same(o guard) bool {
	if g.zone != o.zone || !slices.Equal(g.addrs, o.addrs) || !slices.Equal(g.rules, o.rules) {
		return false
	}
	for id, set := range g.sets {
		if other := o.sets[id]; other == nil || (set != other && !set.Equal(other)) {
			return false
		}
	}
	return true
}

func (g guard) has(a netip.Addr) bool {
	return slices.ContainsFunc(g.addrs, func(p netip.Prefix) bool { return p.Contains(a) })
}

// allows reports whether a rule of the direction allows the connection. What is
// known of one does not tell an ICMP type, so a rule for one type allows none:
// an echo more makes the connection anew where that is still right.
func (g guard) allows(direction string, f flow) bool {
	remote := f.src
	if direction == "egress" {
		remote = f.dst
	}
	for _, r := range g.rules {
		r = canonical(r)
		switch {
		case r.Direction != direction, (r.EtherType == "IPv4") != remote.Is4():
		case r.Protocol >= 0 && r.Protocol != f.proto:
		case r.Remote.IsValid() && !r.Remote.Contains(remote):
		case r.RemoteSet != "" && !g.sets[r.RemoteSet].Contains(remote):
		case (r.Protocol == protoICMP || r.Protocol == protoICMPv6) && r.PortMin >= 0:
		case slices.Contains(withPorts, r.Protocol) && r.PortMin >= 0 &&
			(f.dport < r.PortMin || f.dport > max(r.PortMin, r.PortMax)):
		default:
			return true
		}
	}
	return false
}

// judge decides which connections must end after guards changed.
type judge struct {
	stale []guard // as they were before
	now   []guard
}

// newJudge compares guards, by port id. A port that is wired without a guard has
// its security switched off, so everything of it is allowed.
func newJudge(old, now map[string]guard, wired func(portID string) bool) judge {
	var j judge
	for id, was := range old {
		is, ok := now[id]
		if (ok && is.same(was)) || (!ok && wired(id)) {
			continue
		}
		j.stale = append(j.stale, was)
	}
	if len(j.stale) > 0 {
		for _, g := range now {
			j.now = append(j.now, g)
		}
	}
	return j
}

// cut reports whether the connection was allowed only by what is gone.
func (j judge) cut(zone uint16, f flow) bool {
	return j.ends(zone, f, f.src, "egress") || j.ends(zone, f, f.dst, "ingress")
}

func (j judge) ends(zone uint16, f flow, end netip.Addr, direction string) bool {
	hit := func(g guard) bool { return g.zone == zone && g.has(end) }
	if !slices.ContainsFunc(j.stale, hit) {
		return false
	}
	for _, g := range j.now {
		if hit(g) && g.allows(direction, f) {
			return false
		}
	}
	return true
}
