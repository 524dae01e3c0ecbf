package netlinks

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"altostack/hostapi"
)

// IP protocol numbers with a meaning of their own in rules.
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
)

// withPorts are the protocols whose header starts with two ports.
var withPorts = []int{protoTCP, protoUDP, 33, 132, 136} // TCP, UDP, DCCP, SCTP, UDP-Lite

// chain names the chain that holds the rules of one direction, making it if no
// port before had the same. Its last rule drops: nothing said is denied.
func (f *fence) chain(prefix string, rules []hostapi.Rule, direction string) string {
	var lines []string
	for _, r := range rules {
		if r.Direction != direction {
			continue
		}
		if line, ok := f.rule(r); ok {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	lines = append(slices.Compact(lines), "drop")
	name := prefix + digest(strings.Join(lines, "\n"))
	f.chains[name] = lines
	return name
}

// rule is one rule in nftables' language; false when it can match nothing.
func (f *fence) rule(r hostapi.Rule) (string, bool) {
	r = canonical(r)
	is4 := r.EtherType == "IPv4"
	family, nfproto, side := "ip6", "ipv6", "saddr"
	if is4 {
		family, nfproto = "ip", "ipv4"
	}
	if r.Direction == "egress" {
		side = "daddr"
	}
	words := []string{"meta nfproto " + nfproto}
	if r.Remote.IsValid() {
		if r.Remote.Addr().Is4() != is4 {
			return "", false
		}
		if r.Remote.Bits() > 0 {
			words = append(words, fmt.Sprintf("%s %s %s", family, side, nftPrefix(r.Remote)))
		}
	}
	if r.RemoteSet != "" {
		name := f.set(nfproto[3:], r.RemoteSet)
		words = append(words, fmt.Sprintf("%s %s @%s", family, side, name))
	}
	if r.Protocol >= 0 {
		words = append(words, fmt.Sprintf("meta l4proto %d", r.Protocol))
	}
	words = append(words, details(r)...)
	return strings.Join(append(words, "accept"), " "), true
}

// details are the ports, or the ICMP type and code.
func details(r hostapi.Rule) []string {
	if r.PortMin < 0 {
		return nil
	}
	switch {
	case r.Protocol == protoICMP || r.Protocol == protoICMPv6:
		name := "icmp"
		if r.Protocol == protoICMPv6 {
			name = "icmpv6"
		}
		words := []string{fmt.Sprintf("%s type %d", name, r.PortMin)}
		if r.PortMax >= 0 {
			words = append(words, fmt.Sprintf("%s code %d", name, r.PortMax))
		}
		return words
	case !slices.Contains(withPorts, r.Protocol):
		return nil
	case r.PortMax <= r.PortMin:
		return []string{fmt.Sprintf("th dport %d", r.PortMin)}
	}
	return []string{fmt.Sprintf("th dport %d-%d", r.PortMin, r.PortMax)}
}

// canonical spells ICMP of IPv6 as ICMPv6, which is what Neutron's users mean.
func canonical(r hostapi.Rule) hostapi.Rule {
	if r.EtherType == "IPv6" && r.Protocol == protoICMP {
		r.Protocol = protoICMPv6
	}
	return r
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
