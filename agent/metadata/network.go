package metadata

import (
	"net/netip"
	"strconv"

	"altostack/hostapi"
)

// networkData is network_data.json (doc/api_schemas/network_data.json of Nova).
type networkData struct {
	Links    []link    `json:"links"`
	Networks []netConf `json:"networks"`
	Services []service `json:"services"`
}

type link struct {
	ID    string `json:"id"`
	VIFID string `json:"vif_id"`
	Type  string `json:"type"`
	MTU   *int   `json:"mtu"`
	MAC   string `json:"ethernet_mac_address"`
}

type netConf struct {
	ID        string     `json:"id"`
	Type      string     `json:"type"`
	Link      string     `json:"link"`
	IPAddress string     `json:"ip_address,omitempty"`
	Netmask   string     `json:"netmask,omitempty"`
	Routes    *[]route   `json:"routes,omitempty"`
	NetworkID string     `json:"network_id"`
	Services  *[]service `json:"services,omitempty"`
}

type route struct {
	Network string `json:"network"`
	Netmask string `json:"netmask"`
	Gateway string `json:"gateway"`
}

type service struct {
	Type    string `json:"type"`
	Address string `json:"address"`
}

// ports answers the guest's ports in the order of its cards; a card whose port
// is not wired yet is left out.
func (s Server) ports() []hostapi.Port {
	var list []hostapi.Port
	for _, nic := range s.Guest.NICs {
		for _, p := range s.Net.Ports {
			if p.ID == nic.PortID {
				list = append(list, p)
			}
		}
	}
	return list
}

func (s Server) network(id string) (hostapi.Network, bool) {
	for _, n := range s.Net.Networks {
		if n.ID == id {
			return n, true
		}
	}
	return hostapi.Network{}, false
}

// networkData shows the first IPv4 and the first IPv6 subnet of each card, as
// Nova does.
func (s Server) networkData() networkData {
	d := networkData{Links: []link{}, Networks: []netConf{}, Services: []service{}}
	for _, port := range s.ports() {
		network, ok := s.network(port.NetworkID)
		if !ok || len(port.Fixed) == 0 {
			continue
		}
		l := linkOf(port, network)
		d.Links = append(d.Links, l)
		for _, four := range []bool{true, false} {
			addr, subnet, ok := firstOf(port, network, four)
			if !ok {
				continue
			}
			d.Networks = append(d.Networks, netOf(len(d.Networks), l.ID, network.ID, addr, subnet))
			d.Services = addNew(d.Services, servicesOf(subnet))
		}
	}
	return d
}

func linkOf(port hostapi.Port, network hostapi.Network) link {
	l := link{ID: "tap" + port.ID[:min(11, len(port.ID))], VIFID: port.ID, Type: "bridge", MAC: port.MAC}
	mtu := network.MTU
	l.MTU = &mtu
	for _, subnet := range network.Subnets {
		if subnet.DHCP {
			l.MTU = nil // DHCP says it, and Nova then leaves it out
		}
	}
	return l
}

func firstOf(port hostapi.Port, network hostapi.Network, four bool) (netip.Addr, hostapi.Subnet, bool) {
	for _, f := range port.Fixed {
		if f.Addr.Is4() != four {
			continue
		}
		for _, subnet := range network.Subnets {
			if subnet.ID == f.SubnetID {
				return f.Addr, subnet, true
			}
		}
	}
	return netip.Addr{}, hostapi.Subnet{}, false
}

func netOf(n int, linkID, networkID string, addr netip.Addr, subnet hostapi.Subnet) netConf {
	c := netConf{ID: "network" + strconv.Itoa(n), Link: linkID, NetworkID: networkID}
	family := "ipv4"
	if !addr.Is4() {
		family = "ipv6"
	}
	c.Type = family
	if subnet.AddressMode != "" {
		c.Type = family + "_" + subnet.AddressMode
	} else if subnet.DHCP {
		c.Type = family + "_dhcp"
		return c
	}
	routes, services := []route{}, servicesOf(subnet)
	if subnet.Gateway.IsValid() {
		all := netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		if addr.Is4() {
			all = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		}
		routes = append(routes, routeOf(all, subnet.Gateway))
	}
	for _, r := range subnet.HostRoutes {
		routes = append(routes, routeOf(r.Destination, r.NextHop))
	}
	c.IPAddress, c.Netmask = addr.String(), netmask(subnet.CIDR)
	c.Routes, c.Services = &routes, &services
	return c
}

func routeOf(to netip.Prefix, via netip.Addr) route {
	return route{Network: to.Masked().Addr().String(), Netmask: netmask(to), Gateway: via.String()}
}

// netmask spells a prefix's length as a mask of its family.
func netmask(p netip.Prefix) string {
	ones := netip.MustParseAddr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
	if p.Addr().Is4() {
		ones = netip.MustParseAddr("255.255.255.255")
	}
	masked, err := ones.Prefix(p.Bits())
	if err != nil {
		return ""
	}
	return masked.Addr().String()
}

func servicesOf(subnet hostapi.Subnet) []service {
	list := []service{}
	for _, a := range subnet.DNS {
		list = append(list, service{Type: "dns", Address: a.String()})
	}
	return list
}

func addNew(list, more []service) []service {
	for _, m := range more {
		seen := false
		for _, s := range list {
			seen = seen || s == m
		}
		if !seen {
			list = append(list, m)
		}
	}
	return list
}
