package netlinks

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// cut ends connections that only what is gone had allowed: in the fabric those
// of guarded ports, in routers those through floating addresses that moved.
func (r *run) cut(old Plan) {
	now := r.d.plan
	j := newJudge(old.guards, now.guards, func(id string) bool { return now.Taps[id] != "" })
	if s := r.d.spaces[fabricNS(r.d.cfg.Cloud)]; s != nil && j.any() {
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
