package agent

import (
	"cmp"
	"maps"
	"net"
	"net/netip"
	"slices"

	"altostack/hostapi"
)

// merged is want with what a partial answer says about ports: those it holds
// are new or changed, those asked for and absent have left the host. Networks,
// routers and sets come along whole and replace their older selves.
func merged(want, partial hostapi.HostNetwork, asked []string) hostapi.HostNetwork {
	gone := map[string]bool{}
	for _, id := range asked {
		gone[id] = true
	}
	for _, p := range partial.Ports {
		delete(gone, p.ID)
	}
	m := hostapi.HostNetwork{
		Networks: replaced(want.Networks, partial.Networks, func(n hostapi.Network) string { return n.ID }),
		Ports:    replaced(want.Ports, partial.Ports, func(p hostapi.Port) string { return p.ID }),
		Routers:  replaced(want.Routers, partial.Routers, func(r hostapi.Router) string { return r.ID }),
		Sets:     maps.Clone(want.Sets),
	}
	if m.Sets == nil {
		m.Sets = map[string][]netip.Prefix{}
	}
	maps.Copy(m.Sets, partial.Sets)
	return without(m, gone)
}

// replaced is old with the members of newer in place of theirs, in order of id.
func replaced[T any](old, newer []T, id func(T) string) []T {
	byID := make(map[string]T, len(old)+len(newer))
	for _, v := range old {
		byID[id(v)] = v
	}
	for _, v := range newer {
		byID[id(v)] = v
	}
	return slices.SortedFunc(maps.Values(byID), func(a, b T) int { return cmp.Compare(id(a), id(b)) })
}

// without is want less some ports, and less what only they needed: networks
// that they were the last ones on, and sets that no rule names any more.
func without(want hostapi.HostNetwork, gone map[string]bool) hostapi.HostNetwork {
	left := map[string]bool{} // networks that lose a port
	ports := make([]hostapi.Port, 0, len(want.Ports))
	for _, p := range want.Ports {
		if gone[p.ID] {
			left[p.NetworkID] = true
			continue
		}
		ports = append(ports, p)
	}
	for _, p := range ports {
		delete(left, p.NetworkID)
	}
	for _, r := range want.Routers {
		for _, i := range r.Interfaces {
			delete(left, i.NetworkID)
		}
		if r.Gateway != nil {
			delete(left, r.Gateway.NetworkID)
		}
	}
	networks := make([]hostapi.Network, 0, len(want.Networks))
	for _, n := range want.Networks {
		if !left[n.ID] {
			networks = append(networks, n)
		}
	}
	sets := map[string][]netip.Prefix{}
	for _, p := range ports {
		for _, r := range p.Rules {
			if s, ok := want.Sets[r.RemoteSet]; ok {
				sets[r.RemoteSet] = s
			}
		}
	}
	return hostapi.HostNetwork{Networks: networks, Ports: ports, Routers: want.Routers, Sets: sets}
}

// linkLocal is the address a guest gives itself by its card's MAC (RFC 4291,
// appendix A); zero if the MAC is not one of 48 bits.
func linkLocal(mac string) netip.Addr {
	m, err := net.ParseMAC(mac)
	if err != nil || len(m) != 6 {
		return netip.Addr{}
	}
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 0, 0, 0, 0, 0, 0, m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
}
