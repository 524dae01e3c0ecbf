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

// within reports whether all that g allows, o allows too: then nothing has to
// end when o takes g's place. covers compares sets of addresses.
func (g guard) within(o guard, covers func(big, small *netipx.IPSet) bool) bool {
	if g.zone != o.zone {
		return false
	}
	for _, a := range g.addrs {
		if !slices.Contains(o.addrs, a) {
			return false
		}
	}
	for _, r := range g.rules {
		if !slices.Contains(o.rules, r) {
			return false
		}
	}
	for id, set := range g.sets {
		if !covers(o.sets[id], set) {
			return false
		}
	}
	return true
}

// comparer answers whether one set covers another, working it out once for
// however many ports share both.
func comparer() func(big, small *netipx.IPSet) bool {
	type pair struct{ big, small *netipx.IPSet }
	known := map[pair]bool{}
	return func(big, small *netipx.IPSet) bool {
		answer, ok := known[pair{big, small}]
		if !ok {
			var rest netipx.IPSetBuilder
			rest.AddSet(small)
			if big != nil {
				rest.RemoveSet(big)
			}
			left, err := rest.IPSet()
			answer = err == nil && len(left.Ranges()) == 0
			known[pair{big, small}] = answer
		}
		return answer
	}
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
	stale ends // of guards as they were
	now   ends
}

// newJudge compares guards, by port id. A port that is wired without a guard has
// its security switched off, so everything of it is allowed.
func newJudge(old, now map[string]guard, wired func(portID string) bool) judge {
	j, covers := judge{stale: newEnds(), now: newEnds()}, comparer()
	for id, was := range old {
		is, ok := now[id]
		if (ok && was.within(is, covers)) || (!ok && wired(id)) {
			continue
		}
		j.stale.add(was)
	}
	if j.any() {
		for _, g := range now {
			j.now.add(g)
		}
	}
	return j
}

// any reports whether there is anything to judge.
func (j judge) any() bool { return len(j.stale.single)+len(j.stale.wide) > 0 }

// cut reports whether the connection was allowed only by what is gone.
func (j judge) cut(zone uint16, f flow) bool {
	return j.ends(zone, f, f.src, "egress") || j.ends(zone, f, f.dst, "ingress")
}

func (j judge) ends(zone uint16, f flow, end netip.Addr, direction string) bool {
	if len(j.stale.find(zone, end)) == 0 {
		return false
	}
	return !slices.ContainsFunc(j.now.find(zone, end), func(g guard) bool { return g.allows(direction, f) })
}

// ends finds the guards of an address. Nearly all of a guard's are single ones.
type ends struct {
	single map[endpoint][]guard
	wide   []guard
}

type endpoint struct {
	zone uint16
	addr netip.Addr
}

func newEnds() ends { return ends{single: map[endpoint][]guard{}} }

func (e *ends) add(g guard) {
	wide := false
	for _, p := range g.addrs {
		if p.IsSingleIP() {
			at := endpoint{g.zone, p.Addr()}
			e.single[at] = append(e.single[at], g)
			continue
		}
		wide = true
	}
	if wide {
		e.wide = append(e.wide, g)
	}
}

func (e *ends) find(zone uint16, a netip.Addr) []guard {
	out := e.single[endpoint{zone, a}]
	for _, g := range e.wide {
		has := func(p netip.Prefix) bool { return !p.IsSingleIP() && p.Contains(a) }
		if g.zone == zone && slices.ContainsFunc(g.addrs, has) {
			out = append(slices.Clip(out), g)
		}
	}
	return out
}
