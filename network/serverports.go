package network

import (
	"cmp"
	"context"
	"encoding/json"
	"net/netip"
	"slices"
)

// ServerPort is a row of [Store.PortsOf]: a port as lists of servers show it, with
// one of its floating addresses, so that a port with several has several rows.
type ServerPort struct {
	Port
	FixedIPs, SecurityGroups string // JSON as stored
	Floating, FloatingAt     string // empty: none; and the fixed address it leads to
}

// PortsOf lists the ports of servers, each server's in the order of its NICs.
// It costs three reads, however many servers there are, and reads no more columns
// than it shows: a list of a thousand servers spends most of its time here.
func (s *Service) PortsOf(ctx context.Context, serverIDs []string) (map[string][]Port, error) {
	out := make(map[string][]Port, len(serverIDs))
	v := serverPorts{groups: map[string][]string{}, names: map[string]Row{}}
	var rows []ServerPort
	for part := range slices.Chunk(serverIDs, chunk) {
		some, err := s.store.PortsOf(ctx, s.cfg.DB, part)
		if err != nil {
			return nil, err
		}
		rows = append(rows, some...)
	}
	if len(rows) == 0 {
		return out, nil
	}
	if err := v.read(ctx, s, rows); err != nil {
		return nil, err
	}
	slices.SortStableFunc(rows, func(a, b ServerPort) int { return cmp.Or(cmp.Compare(a.Index, b.Index), cmp.Compare(a.ID, b.ID)) })
	for i := 0; i < len(rows); {
		n := i + 1
		for n < len(rows) && rows[n].ID == rows[i].ID {
			n++
		}
		p, err := v.port(rows[i:n])
		if err != nil {
			return nil, err
		}
		out[p.ServerID] = append(out[p.ServerID], p)
		i = n
	}
	return out, nil
}

// serverPorts is what ports of one list have in common.
type serverPorts struct {
	groups map[string][]string // by their JSON, which is the same for most ports
	names  map[string]Row      // networks and groups
}

func (v serverPorts) read(ctx context.Context, s *Service, rows []ServerPort) error {
	var networks, groups []string
	for _, r := range rows {
		networks = append(networks, r.NetworkID)
		if _, known := v.groups[r.SecurityGroups]; !known {
			var ids []string
			if err := json.Unmarshal([]byte(r.SecurityGroups), &ids); err != nil {
				return err
			}
			v.groups[r.SecurityGroups] = ids
			groups = append(groups, ids...)
		}
	}
	for _, want := range []struct {
		r   *Resource
		ids []string
	}{{Networks, networks}, {SecurityGroups, groups}} {
		found, err := s.related(ctx, s.cfg.DB, want.r, "id", distinct(want.ids))
		if err != nil {
			return err
		}
		for _, f := range found {
			v.names[f.ID()] = f
		}
	}
	return nil
}

// port makes a port of its rows.
func (v serverPorts) port(rows []ServerPort) (Port, error) {
	p, network := rows[0].Port, v.names[rows[0].NetworkID]
	p.NetworkName, p.MTU = network.Str("name"), int(network.Int("mtu"))
	var fixed []FixedIP
	if err := json.Unmarshal([]byte(rows[0].FixedIPs), &fixed); err != nil {
		return p, err
	}
	p.Addresses = make([]PortAddress, len(fixed))
	for i, f := range fixed {
		a := f.addr()
		p.Addresses[i] = PortAddress{Addr: a, SubnetID: f.SubnetID, Version: family(a)}
		for _, r := range rows {
			if to, err := netip.ParseAddr(r.Floating); err == nil && r.FloatingAt == f.IPAddress {
				p.Addresses[i].Floating = append(p.Addresses[i].Floating, to)
			}
		}
	}
	for _, g := range v.groups[rows[0].SecurityGroups] {
		p.Groups = append(p.Groups, PortGroup{g, v.names[g].Str("name")})
	}
	return p, nil
}
