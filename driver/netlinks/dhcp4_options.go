package netlinks

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/rfc1035label"
	"go4.org/netipx"

	"altostack/hostapi"
)

// optionKind is how an option's value is written on the wire.
type optionKind int

const (
	asGuess optionKind = iota // by its looks, as dnsmasq does for bare numbers
	asText
	asAddrs
	asNumber8
	asNumber16
	asNumber32
	asNames
	asRoutes
)

// optionServerAddress is no option at all but a field of the header.
const optionServerAddress = 0

// optionNames are the options that dnsmasq knows by name.
var optionNames = map[string]struct {
	code uint8
	kind optionKind
}{
	"server-ip-address": {optionServerAddress, asAddrs},
	"netmask":           {1, asAddrs}, "time-offset": {2, asNumber32}, "router": {3, asAddrs}, "dns-server": {6, asAddrs},
	"log-server": {7, asAddrs}, "lpr-server": {9, asAddrs}, "hostname": {12, asText}, "boot-file-size": {13, asNumber16},
	"domain-name": {15, asText}, "swap-server": {16, asAddrs}, "root-path": {17, asText}, "extension-path": {18, asText},
	"ip-forward-enable": {19, asNumber8}, "non-local-source-routing": {20, asNumber8}, "policy-filter": {21, asAddrs},
	"max-datagram-reassembly": {22, asNumber16}, "default-ttl": {23, asNumber8}, "mtu": {26, asNumber16},
	"all-subnets-local": {27, asNumber8}, "broadcast": {28, asAddrs}, "router-discovery": {31, asNumber8},
	"router-solicitation": {32, asAddrs}, "static-route": {33, asAddrs}, "trailer-encapsulation": {34, asNumber8},
	"arp-timeout": {35, asNumber32}, "ethernet-encap": {36, asNumber8}, "tcp-ttl": {37, asNumber8}, "tcp-keepalive": {38, asNumber32},
	"nis-domain": {40, asText}, "nis-server": {41, asAddrs}, "ntp-server": {42, asAddrs}, "netbios-ns": {44, asAddrs},
	"netbios-dd": {45, asAddrs}, "netbios-nodetype": {46, asNumber8}, "netbios-scope": {47, asText}, "x-windows-fs": {48, asAddrs},
	"x-windows-dm": {49, asAddrs}, "requested-address": {50, asAddrs}, "lease-time": {51, asNumber32}, "vendor-class": {60, asText},
	"nis+-domain": {64, asText}, "nis+-server": {65, asAddrs}, "tftp-server": {66, asText}, "tftp-server-name": {66, asText},
	"bootfile-name": {67, asText}, "mobile-ip-home": {68, asAddrs}, "smtp-server": {69, asAddrs}, "pop3-server": {70, asAddrs},
	"nntp-server": {71, asAddrs}, "irc-server": {74, asAddrs}, "user-class": {77, asText}, "posix-timezone": {100, asText},
	"tzdb-timezone": {101, asText}, "domain-search": {119, asNames}, "sip-server": {120, asNames},
	"classless-static-route": {121, asRoutes}, "tftp-server-address": {150, asAddrs}, "server-ip": {150, asAddrs},
}

// option4 is a user's option as code and bytes; false for what cannot be
// written. The message type, the server's identity and the end mark are ours.
func option4(o hostapi.DHCPOption) (code uint8, value []byte, ok bool) {
	name := strings.TrimPrefix(strings.ToLower(o.Name), "option:")
	known, ok := optionNames[name]
	if !ok {
		n, err := strconv.ParseUint(name, 10, 8)
		if err != nil || n == 0 || n == 255 {
			return 0, nil, false
		}
		known.code = uint8(n)
		for _, named := range optionNames {
			if named.code == known.code {
				known.kind = named.kind
			}
		}
	}
	switch dhcpv4.GenericOptionCode(known.code) {
	case dhcpv4.GenericOptionCode(dhcpv4.OptionDHCPMessageType.Code()), dhcpv4.GenericOptionCode(dhcpv4.OptionServerIdentifier.Code()):
		return 0, nil, false
	}
	if o.Value == "" {
		return known.code, nil, known.code != optionServerAddress
	}
	value, ok = optionValue(known.kind, o.Value)
	return known.code, value, ok && len(value) <= 255
}

func optionValue(kind optionKind, text string) ([]byte, bool) {
	switch kind {
	case asAddrs:
		return addrsValue(text)
	case asNumber8, asNumber16, asNumber32:
		bits := map[optionKind]int{asNumber8: 8, asNumber16: 16, asNumber32: 32}[kind]
		n, err := strconv.ParseUint(text, 10, bits)
		if err != nil {
			return nil, false
		}
		return binary.BigEndian.AppendUint32(nil, uint32(n))[4-bits/8:], true
	case asNames:
		labels := rfc1035label.Labels{Labels: strings.Split(text, ",")}
		return labels.ToBytes(), true
	case asRoutes:
		return routesValue(text)
	case asGuess:
		if value, ok := addrsValue(text); ok {
			return value, true
		}
	}
	return []byte(text), true
}

func addrsValue(text string) ([]byte, bool) {
	var out []byte
	for part := range strings.SplitSeq(text, ",") {
		a, err := netip.ParseAddr(strings.TrimSpace(part))
		if err != nil || !a.Is4() {
			return nil, false
		}
		out = append(out, a.AsSlice()...)
	}
	return out, true
}

// routesValue reads destination,router pairs (RFC 3442).
func routesValue(text string) ([]byte, bool) {
	parts := strings.Split(text, ",")
	var routes []*dhcpv4.Route
	for i := 0; i+1 < len(parts); i += 2 {
		dst, err := netip.ParsePrefix(strings.TrimSpace(parts[i]))
		via, err2 := netip.ParseAddr(strings.TrimSpace(parts[i+1]))
		if err != nil || err2 != nil || !dst.Addr().Is4() || !via.Is4() {
			return nil, false
		}
		routes = append(routes, &dhcpv4.Route{Dest: netipx.PrefixIPNet(dst.Masked()), Router: via.AsSlice()})
	}
	return dhcpv4.OptClasslessStaticRoute(routes...).Value.ToBytes(), len(routes) > 0 && len(parts)%2 == 0
}
