package hostapi

import "net/netip"

// HostNetwork is what one host's dataplane should be: every port bound to the
// host, the networks they are on, and the routers the host carries. A partial
// one (see [Conductor.Wiring]) holds only what the named ports need.
type HostNetwork struct {
	Networks []Network `json:"networks,omitempty"`
	Ports    []Port    `json:"ports,omitempty"`
	Routers  []Router  `json:"routers,omitempty"`
	// Sets are the addresses behind remote groups and address groups, by id.
	Sets map[string][]netip.Prefix `json:"sets,omitempty"`
}

// Network is one layer-2 segment.
type Network struct {
	ID       string   `json:"id"`
	Type     string   `json:"type"`               // vxlan, flat or local
	VNI      int      `json:"vni,omitempty"`      // for vxlan
	Physical string   `json:"physical,omitempty"` // provider:physical_network, for flat
	External bool     `json:"external,omitempty"` // router:external
	MTU      int      `json:"mtu"`
	Subnets  []Subnet `json:"subnets,omitempty"`
	// DHCPPort is the port whose addresses the host's DHCP and metadata server
	// has on this network; absent where no subnet enables DHCP.
	DHCPPort  *ServicePort `json:"dhcp_port,omitempty"`
	DNSDomain string       `json:"dns_domain,omitempty"`
}

// ServicePort is a port of the cloud itself on a network.
type ServicePort struct {
	PortID string         `json:"port_id"`
	MAC    string         `json:"mac"`
	Addrs  []netip.Prefix `json:"addrs"` // address with the subnet's length
}

// Subnet is an address range on a network.
type Subnet struct {
	ID          string       `json:"id"`
	CIDR        netip.Prefix `json:"cidr"`
	Gateway     netip.Addr   `json:"gateway,omitzero"`
	DHCP        bool         `json:"dhcp"`
	DNS         []netip.Addr `json:"dns,omitempty"`
	HostRoutes  []Route      `json:"host_routes,omitempty"`
	RAMode      string       `json:"ra_mode,omitempty"`      // slaac, dhcpv6-stateful, dhcpv6-stateless
	AddressMode string       `json:"address_mode,omitempty"` // likewise
}

// Route is one static route.
type Route struct {
	Destination netip.Prefix `json:"destination"`
	NextHop     netip.Addr   `json:"next_hop"`
}

// Port is a guest's end of a network.
type Port struct {
	ID        string       `json:"id"`
	NetworkID string       `json:"network_id"`
	DeviceID  string       `json:"device_id"` // the server's UUID
	MAC       string       `json:"mac"`
	AdminUp   bool         `json:"admin_up"`
	Fixed     []FixedIP    `json:"fixed"`
	Pairs     []Pair       `json:"pairs,omitempty"` // allowed_address_pairs
	Security  bool         `json:"security"`        // port_security_enabled: anti-spoofing and Rules apply
	Rules     []Rule       `json:"rules,omitempty"` // of all its groups; nothing matches: dropped
	Hostname  string       `json:"hostname,omitempty"`
	DHCP      []DHCPOption `json:"dhcp,omitempty"` // extra_dhcp_opts
}

// FixedIP is one address of a port.
type FixedIP struct {
	SubnetID string     `json:"subnet_id"`
	Addr     netip.Addr `json:"addr"`
}

// Pair is an address a port may use besides its own.
type Pair struct {
	MAC    string       `json:"mac"`
	Prefix netip.Prefix `json:"prefix"`
}

// DHCPOption is a user's extra option for one port.
type DHCPOption struct {
	Name      string `json:"name"` // as dnsmasq names it, or a number
	Value     string `json:"value"`
	IPVersion int    `json:"ip_version"`
}

// Rule is a security group rule, its group's reference already resolved.
type Rule struct {
	Direction string       `json:"direction"`            // ingress or egress, seen from the guest
	EtherType string       `json:"ethertype"`            // IPv4 or IPv6
	Protocol  int          `json:"protocol"`             // IP protocol number; negative: any
	PortMin   int          `json:"port_min"`             // or ICMP type; negative: any
	PortMax   int          `json:"port_max"`             // or ICMP code; negative: any
	Remote    netip.Prefix `json:"remote,omitzero"`      // zero: anyone
	RemoteSet string       `json:"remote_set,omitempty"` // key of HostNetwork.Sets
}

// Router is a namespace that forwards between networks and, through its
// gateway, to the outside.
type Router struct {
	ID          string       `json:"id"`
	AdminUp     bool         `json:"admin_up"`
	Interfaces  []RouterPort `json:"interfaces,omitempty"`
	Gateway     *RouterPort  `json:"gateway,omitempty"`
	NextHops    []netip.Addr `json:"next_hops,omitempty"` // default routes through the gateway, one a family
	SNAT        bool         `json:"snat"`
	FloatingIPs []FloatingIP `json:"floating_ips,omitempty"`
	Routes      []Route      `json:"routes,omitempty"`
}

// RouterPort is a router's end of a network.
type RouterPort struct {
	PortID    string         `json:"port_id"`
	NetworkID string         `json:"network_id"`
	MAC       string         `json:"mac"`
	Addrs     []netip.Prefix `json:"addrs"` // address with the subnet's length
}

// FloatingIP maps an outside address to a fixed one, both ways.
type FloatingIP struct {
	ID       string     `json:"id"`
	External netip.Addr `json:"external"`
	Fixed    netip.Addr `json:"fixed"`
	// Protocol and ports are set for a port forwarding; Protocol 0 maps everything.
	Protocol     int `json:"protocol,omitempty"`
	ExternalPort int `json:"external_port,omitempty"`
	FixedPort    int `json:"fixed_port,omitempty"`
}

// SeenNetwork is what the dataplane reports after converging: the ports that
// are wired. A port absent here is DOWN.
type SeenNetwork struct {
	Wired []string `json:"wired"` // port ids
}
