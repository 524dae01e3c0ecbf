package netlinks

import (
	"net/netip"

	"altostack/hostapi"
)

// Physical says how a physical network's name is reached on this host. Exactly
// one field is set.
type Physical struct {
	// Managed makes the network a segment of its own that ends on this host: the
	// host has the gateway address of each of its subnets.
	Managed bool
	// Bridge is an existing bridge in the root namespace.
	Bridge string
	// Interface is an existing interface in the root namespace that is given over
	// to the cloud: the host itself can no longer use it.
	Interface string
}

// planUplink joins a flat network to what its physical network is here.
func (b *builder) planUplink(n hostapi.Network) {
	phys, ok := b.Physical[n.Physical]
	if n.Type != "flat" || !ok {
		return
	}
	if phys.Interface != "" {
		b.fabric.Links = append(b.fabric.Links, Link{Name: uplinkName(n.ID), Kind: kindMacvlan, MTU: n.MTU,
			Master: bridgeName(n.ID), Parent: phys.Interface})
		return
	}
	name := hostName(b.Cloud, n.ID)
	b.addVeth(n, uplinkName(n.ID), &b.root, name, "")
	end := &b.root.Links[len(b.root.Links)-1]
	end.Alias, end.Master = hostAlias(b.Cloud, n.ID), phys.Bridge
	b.root.quietLink(name)
	if !phys.Managed {
		return
	}
	for _, s := range n.Subnets {
		if s.Gateway.IsValid() {
			b.root.addAddr(name, netip.PrefixFrom(s.Gateway, s.CIDR.Bits()))
		}
	}
}

// planHost plans masquerading of managed external networks. It is a table of
// our own and never touches anybody else's; forwarding in the root namespace is
// switched on and, as others may have come to rely on it, never off.
func (b *builder) planHost() {
	if !b.Masquerade {
		return
	}
	subnets, links := map[string]string{}, map[string]string{}
	for _, n := range b.want.Networks {
		if n.Type != "flat" || !b.Physical[n.Physical].Managed {
			continue
		}
		links[hostName(b.Cloud, n.ID)] = ""
		for _, s := range n.Subnets {
			if s.CIDR.Addr().Is4() && s.Gateway.IsValid() {
				subnets[s.CIDR.Masked().String()] = ""
			}
		}
	}
	if len(links) == 0 {
		return
	}
	b.root.Sysctls["net/ipv4/ip_forward"] = "1"
	b.root.Tables = append(b.root.Tables, Table{Family: "inet", Name: hostTable(b.Cloud), Sets: []Set{
		{Name: "subnets", Spec: "type ipv4_addr; flags interval;", Whole: true, Elements: subnets},
		{Name: "links", Spec: "type ifname;", Elements: links},
	}, Chains: []Chain{
		{Name: "do_snat", Hook: "type nat hook postrouting priority 100; policy accept;", Rules: []string{
			"ip saddr @subnets oifname != @links masquerade",
		}},
	}})
}
