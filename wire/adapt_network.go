package wire

import (
	"context"

	"altostack/compute"
	"altostack/hostapi"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/network"
)

// networkFor is the network service as compute asks for it.
type networkFor struct{ s *network.Service }

func networkWant(w compute.Want) network.Want {
	return network.Want{NetworkID: w.NetworkID, PortID: w.PortID, FixedIP: w.FixedIP, Tag: w.Tag}
}

func (n networkFor) Check(ctx context.Context, scope auth.Scope, wants []compute.Want, auto string, groups []string) (compute.Resolved, error) {
	asked := make([]network.Want, len(wants))
	for i, w := range wants {
		asked[i] = networkWant(w)
	}
	r, err := n.s.Check(ctx, scope, asked, auto, groups)
	out := compute.Resolved{Auto: auto, Groups: r.Groups}
	for _, w := range r.NICs {
		out.Wants = append(out.Wants, compute.Want{NetworkID: w.NetworkID, PortID: w.PortID, FixedIP: w.FixedIP, Tag: w.Tag})
	}
	return out, err
}

func (n networkFor) Allocate(ctx context.Context, a compute.Allocation) ([]compute.Port, error) {
	r := network.Resolved{Groups: a.Resolved.Groups}
	for _, w := range a.Resolved.Wants {
		r.NICs = append(r.NICs, networkWant(w))
	}
	ports, err := n.s.Allocate(ctx, network.Allocation{ServerID: a.ServerID, ProjectID: a.ProjectID, UserID: a.UserID, Zone: a.Zone, Host: a.Host, Hostname: a.Hostname, Resolved: r})
	return computePorts(ports), err
}

func computePorts(ports []network.Port) []compute.Port {
	out := make([]compute.Port, len(ports))
	for i, p := range ports {
		out[i] = computePort(p)
	}
	return out
}

func computePort(p network.Port) compute.Port {
	out := compute.Port{ID: p.ID, NetworkID: p.NetworkID, NetworkName: p.NetworkName, MAC: p.MAC, State: p.Status, MTU: p.MTU, Tag: p.Tag}
	for _, a := range p.Addresses {
		one := compute.Address{Addr: a.Addr.String(), Version: a.Version, SubnetID: a.SubnetID}
		for _, f := range a.Floating {
			one.Floating = append(one.Floating, f.String())
		}
		out.Addresses = append(out.Addresses, one)
	}
	for _, g := range p.Groups {
		out.Groups, out.GroupIDs = append(out.Groups, g.Name), append(out.GroupIDs, g.ID)
	}
	return out
}

func (n networkFor) Bind(ctx context.Context, serverID, host string) error {
	return n.s.Bind(ctx, serverID, host)
}

func (n networkFor) Deallocate(ctx context.Context, serverID string) error {
	return n.s.Deallocate(ctx, serverID)
}

func (n networkFor) PortsOf(ctx context.Context, serverIDs []string) (map[string][]compute.Port, error) {
	found, err := n.s.PortsOf(ctx, serverIDs)
	out := make(map[string][]compute.Port, len(found))
	for id, ports := range found {
		out[id] = computePorts(ports)
	}
	return out, err
}

func (n networkFor) Attach(ctx context.Context, scope auth.Scope, a compute.Allocation, w compute.Want, with func(ctx context.Context, tx *db.Tx, portID string) error) (compute.Port, error) {
	p, err := n.s.Attach(ctx, scope, a.ServerID, a.Host, a.Zone, networkWant(w), a.Resolved.Groups, with)
	return computePort(p), err
}

func (n networkFor) Detach(ctx context.Context, scope auth.Scope, serverID, portID string) error {
	return n.s.Detach(ctx, scope, serverID, portID)
}

func (n networkFor) SetGroup(ctx context.Context, scope auth.Scope, serverID, group string, add bool) error {
	return n.s.SetGroup(ctx, scope, serverID, group, add)
}

func (n networkFor) Wiring(ctx context.Context, host string, portIDs []string) (hostapi.HostNetwork, error) {
	return n.s.Wiring(ctx, host, portIDs)
}

func (n networkFor) Wired(ctx context.Context, host string, up, down []string) error {
	return n.s.Wired(ctx, host, up, down)
}

func (n networkFor) AddFixedIP(ctx context.Context, scope auth.Scope, serverID, networkID string) error {
	return n.s.AddFixedIP(ctx, scope, serverID, networkID)
}

func (n networkFor) RemoveFixedIP(ctx context.Context, scope auth.Scope, serverID, address string) (bool, error) {
	return n.s.RemoveFixedIP(ctx, scope, serverID, address)
}
