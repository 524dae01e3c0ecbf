package netlinks

import (
	"net/netip"

	"golang.org/x/net/ipv6"

	"altostack/hostapi"
)

const (
	ipv6Echo      = ipv6.ICMPTypeEchoRequest
	ipv6EchoReply = ipv6.ICMPTypeEchoReply

	blue   = "b1000000-0000-4000-8000-000000000001" // tenant network
	public = "ee000000-0000-4000-8000-000000000002" // external network
	router = "f0000000-0000-4000-8000-000000000003"
	portA  = "a0000000-0000-4000-8000-00000000000a"
	portB  = "ab000000-0000-4000-8000-00000000000b"
	group  = "5e000000-0000-4000-8000-000000000009"

	macA, macB = "fa:16:3e:00:00:0a", "fa:16:3e:00:00:0b"
)

var (
	addr   = netip.MustParseAddr
	prefix = netip.MustParsePrefix
	gw4    = addr("10.0.0.1")
	gw6    = addr("fd00:10::1")
)

// site is a small cloud: a network with two guests behind a router, with a
// floating address for the first, on a managed external network.
func site() hostapi.HostNetwork {
	return hostapi.HostNetwork{
		Networks: []hostapi.Network{blueNetwork(), publicNetwork()},
		Ports:    []hostapi.Port{guestPort(portA, macA, "10.0.0.5", "fd00:10::f816:3eff:fe00:a"), guestPort(portB, macB, "10.0.0.6", "fd00:10::f816:3eff:fe00:b")},
		Routers: []hostapi.Router{{
			ID: router, AdminUp: true, SNAT: true,
			Interfaces: []hostapi.RouterPort{{PortID: "1a000000-0000-4000-8000-000000000004", NetworkID: blue, MAC: "fa:16:3e:00:00:01",
				Addrs: []netip.Prefix{prefix("10.0.0.1/24"), prefix("fd00:10::1/64")}}},
			Gateway: &hostapi.RouterPort{PortID: "9a000000-0000-4000-8000-000000000005", NetworkID: public, MAC: "fa:16:3e:00:00:02",
				Addrs: []netip.Prefix{prefix("172.24.4.10/24")}},
			NextHops: []netip.Addr{addr("172.24.4.1")},
			FloatingIPs: []hostapi.FloatingIP{
				{ID: "f1", External: addr("172.24.4.100"), Fixed: addr("10.0.0.5")},
				{ID: "f2", External: addr("172.24.4.101"), Fixed: addr("10.0.0.6"), Protocol: 6, ExternalPort: 2222, FixedPort: 22},
			},
		}},
		Sets: map[string][]netip.Prefix{group: {prefix("10.0.0.5/32"), prefix("10.0.0.6/32")}},
	}
}

func blueNetwork() hostapi.Network {
	return hostapi.Network{
		ID: blue, Type: "vxlan", VNI: 7, MTU: 1450, DNSDomain: "example.org.",
		Subnets: []hostapi.Subnet{
			{ID: "s4", CIDR: prefix("10.0.0.0/24"), Gateway: gw4, DHCP: true, DNS: []netip.Addr{addr("9.9.9.9")}},
			{ID: "s6", CIDR: prefix("fd00:10::/64"), Gateway: gw6, DHCP: true, RAMode: "slaac", AddressMode: "slaac"},
		},
		DHCPPort: &hostapi.ServicePort{PortID: "dc000000-0000-4000-8000-000000000006", MAC: "fa:16:3e:00:00:03",
			Addrs: []netip.Prefix{prefix("10.0.0.2/24"), prefix("fd00:10::2/64")}},
	}
}

func publicNetwork() hostapi.Network {
	return hostapi.Network{ID: public, Type: "flat", Physical: "public", External: true, MTU: 1500,
		Subnets: []hostapi.Subnet{{ID: "p4", CIDR: prefix("172.24.4.0/24"), Gateway: addr("172.24.4.1")}}}
}

func guestPort(id, mac, four, six string) hostapi.Port {
	return hostapi.Port{ID: id, NetworkID: blue, DeviceID: "server-of-" + id, MAC: mac, AdminUp: true, Security: true, Hostname: "host-" + id[:2],
		Fixed: []hostapi.FixedIP{{SubnetID: "s4", Addr: addr(four)}, {SubnetID: "s6", Addr: addr(six)}},
		Rules: []hostapi.Rule{allowAll("egress", "IPv4"), allowAll("egress", "IPv6"), sshIn(), icmpIn("IPv4"), icmpIn("IPv6"),
			{Direction: "ingress", EtherType: "IPv4", Protocol: 6, PortMin: 80, PortMax: 80, RemoteSet: group},
			{Direction: "ingress", EtherType: "IPv6", Protocol: 6, PortMin: 22, PortMax: 22}}}
}

func allowAll(direction, ethertype string) hostapi.Rule {
	return hostapi.Rule{Direction: direction, EtherType: ethertype, Protocol: -1, PortMin: -1, PortMax: -1}
}

func sshIn() hostapi.Rule {
	return hostapi.Rule{Direction: "ingress", EtherType: "IPv4", Protocol: 6, PortMin: 22, PortMax: 22}
}

func icmpIn(ethertype string) hostapi.Rule {
	return hostapi.Rule{Direction: "ingress", EtherType: ethertype, Protocol: 1, PortMin: -1, PortMax: -1}
}
