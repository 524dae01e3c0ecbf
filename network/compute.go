package network

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/id"
)

// Want is one NIC as a server's request names it: by network, or by a port that
// is there already.
type Want struct{ NetworkID, PortID, FixedIP, Tag string }

// Resolved is what Check made of a request; it can be stored and used later.
type Resolved struct {
	NICs   []Want   `json:"nics"`
	Groups []string `json:"groups,omitempty"` // ids; none: each project's default
}

// Allocation is all that ports are made of for one server.
type Allocation struct {
	ServerID, ProjectID, UserID, Zone, Host, Hostname string
	Resolved
}

// PortAddress is one address of a server's port.
type PortAddress struct {
	Addr     netip.Addr
	SubnetID string
	Version  int
	Floating []netip.Addr
}

// PortGroup is a security group of a port.
type PortGroup struct{ ID, Name string }

// Port is a server's port as compute shows it.
type Port struct {
	ID, ServerID, NetworkID, NetworkName, MAC, Status, Host, Tag string
	MTU, Index                                                   int
	Addresses                                                    []PortAddress
	Groups                                                       []PortGroup
	Security                                                     bool // port security is on
	Ours                                                         bool // made by compute, and goes with the server
}

// refused makes a fault the kind that a server's request gets for it.
func refused(kind fault.Kind, code fault.Code, format string, args ...any) error {
	f := fault.New(code, format, args...)
	f.Kind = kind
	return f
}

func viewAs(scope auth.Scope) View { return View{All: scope.IsAdmin(), Project: scope.ProjectID} }

// Check settles a server's networks and security groups at request time, or
// refuses them as Nova does: 400 for what is not there or cannot be used, 403
// for external networks and too many ports, 409 for what is in use or ambiguous.
// auto is "", "auto" or "none".
func (s *Service) Check(ctx context.Context, scope auth.Scope, wants []Want, auto string, groups []string) (Resolved, error) {
	var out Resolved
	var err error
	if out.Groups, err = s.checkGroups(ctx, scope, groups); err != nil {
		return out, err
	}
	if auto == "none" {
		return out, nil
	}
	if len(wants) == 0 {
		if wants, err = s.choose(ctx, scope, auto); err != nil {
			return out, err
		}
	}
	fresh := int64(0)
	for _, want := range wants {
		if want.PortID != "" {
			want, err = s.checkPort(ctx, scope, want)
		} else {
			fresh++
			err = s.checkNetwork(ctx, scope, want)
		}
		if err != nil {
			return out, err
		}
		out.NICs = append(out.NICs, want)
	}
	return out, s.room(ctx, scope.ProjectID, fresh)
}

func (s *Service) read(ctx context.Context, r *Resource, v View, filters ...Filter) ([]Row, error) {
	rows, _, err := s.store.List(ctx, s.cfg.DB, r, Query{View: v, Filters: filters})
	return rows, err
}

// room refuses more ports than the project's quota has room for.
func (s *Service) room(ctx context.Context, project string, more int64) error {
	if more == 0 {
		return nil
	}
	limits, err := s.Quotas(ctx, project)
	if err != nil || limits["port"] < 0 {
		return err
	}
	n, err := s.store.Count(ctx, s.cfg.DB, Ports, project, limits["port"]+1)
	if err == nil && n+more > limits["port"] {
		err = refused(fault.Forbidden, fault.CodeNetworkOverQuota, "Maximum number of ports exceeded")
	}
	return err
}

func (s *Service) checkGroups(ctx context.Context, scope auth.Scope, groups []string) ([]string, error) {
	var ids []string
	for _, name := range groups {
		if name == "default" {
			if err := s.EnsureDefaultGroup(ctx, scope.ProjectID); err != nil {
				return nil, err
			}
		}
		var found []Row
		var err error
		if id.IsUUID(name) {
			found, err = s.read(ctx, SecurityGroups, viewAs(scope), Is("id", name))
		}
		if err == nil && len(found) == 0 {
			found, err = s.read(ctx, SecurityGroups, View{Project: scope.ProjectID}, Is("name", name))
		}
		switch {
		case err != nil:
			return nil, err
		case len(found) == 0:
			return nil, refused(fault.Invalid, fault.CodeNetworkSecurityGroupNotFound, "Security group %s not found for project %s.", name, scope.ProjectID)
		case len(found) > 1:
			return nil, refused(fault.Conflict, fault.CodeNetworkBadRequest, "Multiple security groups found matching '%s'. Use an ID to be more specific.", name)
		}
		if !slices.Contains(ids, found[0].ID()) {
			ids = append(ids, found[0].ID())
		}
	}
	return ids, nil
}

// choose picks the network of a request that names none: the only one there is.
func (s *Service) choose(ctx context.Context, scope auth.Scope, auto string) ([]Want, error) {
	own, err := s.read(ctx, Networks, View{Project: scope.ProjectID}, Is("router:external", false))
	if err != nil {
		return nil, err
	}
	own = slices.DeleteFunc(own, func(n Row) bool { return !n.Bool("admin_state_up") })
	switch {
	case len(own) == 1:
		return []Want{{NetworkID: own[0].ID()}}, nil
	case len(own) > 1:
		return nil, refused(fault.Conflict, fault.CodeNetworkBadRequest, "Multiple possible networks found, use a Network ID to be more specific.")
	case auto == "auto":
		n, err := s.AutoTopology(ctx, scope.ProjectID, false)
		return []Want{{NetworkID: n}}, err
	}
	return nil, nil
}

func (s *Service) checkNetwork(ctx context.Context, scope auth.Scope, want Want) error {
	found, err := s.read(ctx, Networks, viewAs(scope), Is("id", want.NetworkID))
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return refused(fault.Invalid, fault.CodeNetworkNetworkNotFound, "Network %s could not be found.", want.NetworkID)
	}
	n := found[0]
	if n.Bool("router:external") && !n.Bool("shared") && n.Project() != scope.ProjectID && !scope.IsAdmin() {
		return refused(fault.Forbidden, fault.CodeNetworkBadRequest, "It is not allowed to create an interface on external network %s", n.ID())
	}
	subnets, err := s.read(ctx, Subnets, everything, Is("network_id", n.ID()))
	if err != nil {
		return err
	}
	if len(subnets) == 0 {
		return refused(fault.Invalid, fault.CodeNetworkBadRequest, "Network %s requires a subnet in order to boot instances on.", n.ID())
	}
	if want.FixedIP == "" {
		return nil
	}
	a, err := netip.ParseAddr(want.FixedIP)
	if err != nil {
		return refused(fault.Invalid, fault.CodeNetworkAddressNotValid, "Invalid fixed IP address (%s)", want.FixedIP)
	}
	sub, err := subnetFor(Row{"network_id": n.ID(), "mac_address": ""}, subnets, FixedIP{IPAddress: a.String()})
	if err != nil {
		return err
	}
	_, taken, err := s.store.AddressHolder(ctx, s.cfg.DB, sub.ID(), a)
	if err == nil && taken {
		err = refused(fault.Invalid, fault.CodeNetworkAddressInUse, "Fixed IP address %s is already in use.", a)
	}
	return err
}

func (s *Service) checkPort(ctx context.Context, scope auth.Scope, want Want) (Want, error) {
	found, err := s.read(ctx, Ports, viewAs(scope), Is("id", want.PortID))
	if err != nil {
		return want, err
	}
	if len(found) == 0 {
		return want, refused(fault.Invalid, fault.CodeNetworkPortNotFound, "Port id %s could not be found.", want.PortID)
	}
	p := found[0]
	switch {
	case p.Project() != scope.ProjectID && !scope.IsAdmin():
		return want, refused(fault.Invalid, fault.CodeNetworkPortNotFound, "Port %s not usable for instance.", want.PortID)
	case p.Str("device_id") != "":
		return want, fault.New(fault.CodeNetworkPortInUse, "Port %s is still in use.", want.PortID)
	case len(Decode[[]FixedIP](p, "fixed_ips")) == 0:
		subnets, err := s.read(ctx, Subnets, everything, Is("network_id", p.Str("network_id")))
		if err == nil && len(subnets) > 0 {
			err = refused(fault.Invalid, fault.CodeNetworkBadRequest, "Port %s requires a FixedIP in order to be used.", want.PortID)
		}
		if err != nil {
			return want, err
		}
	}
	want.NetworkID = p.Str("network_id")
	return want, nil
}

// Allocate makes and binds the ports of a server, or finds them: a port is keyed
// by its server and the index of its NIC, so that a repeated call finds its own.
func (s *Service) Allocate(ctx context.Context, a Allocation) ([]Port, error) {
	err := s.change(ctx, systemScope, func(w *work) error {
		have, err := w.list(Ports, everything, Is("device_id", a.ServerID))
		if err != nil {
			return err
		}
		for i, nic := range a.NICs {
			at := slices.IndexFunc(have, func(p Row) bool { return p.Int("nic_index") == int64(i) })
			if at >= 0 {
				err = w.bind(have[at], a.Host)
			} else {
				err = w.plug(a, nic, i)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	ports, err := s.PortsOf(ctx, []string{a.ServerID})
	return ports[a.ServerID], err
}

// plug gives a server one port.
func (w *work) plug(a Allocation, nic Want, index int) error {
	own := Row{"device_id": a.ServerID, "device_owner": ownerCompute + a.Zone, "binding:host_id": a.Host, "nic_index": int64(index),
		"device_tag": nic.Tag, "hostname": a.Hostname}
	if nic.PortID != "" {
		port, err := w.get(Ports, nic.PortID)
		if err != nil {
			return err
		}
		if d := port.Str("device_id"); d != "" && d != a.ServerID {
			return fault.New(fault.CodeNetworkPortInUse, "Port %s is still in use.", nic.PortID)
		}
		own["made_by_compute"] = false
		if port.Str("dns_name") == "" && isLabel(a.Hostname) {
			own["dns_name"] = a.Hostname
		}
		if port.Str("binding:host_id") != a.Host {
			own["status"] = "DOWN"
		}
		row, err := w.save(Ports, port, own)
		if err != nil {
			return err
		}
		return w.bound(port, row)
	}
	if err := w.quota(Ports, a.ProjectID, 1); err != nil {
		return err
	}
	own["network_id"], own["project_id"], own["admin_state_up"], own["made_by_compute"] = nic.NetworkID, a.ProjectID, true, true
	if isLabel(a.Hostname) {
		own["dns_name"] = a.Hostname
	}
	n, err := w.network(nic.NetworkID)
	if err != nil {
		return err
	}
	if len(a.Groups) > 0 && n.Bool("port_security_enabled") {
		own["security_groups"] = a.Groups
	}
	if nic.FixedIP != "" {
		own["fixed_ips"] = []FixedIP{{IPAddress: nic.FixedIP}}
	}
	_, err = w.create(Ports, prepared{row: own})
	return err
}

// bind moves a port to a host.
func (w *work) bind(port Row, host string) error {
	if port.Str("binding:host_id") == host {
		return nil
	}
	row, err := w.save(Ports, port, Row{"binding:host_id": host, "status": "DOWN"})
	if err != nil {
		return err
	}
	return w.bound(port, row)
}

// Bind moves all ports of a server to a host.
func (s *Service) Bind(ctx context.Context, serverID, host string) error {
	return s.change(ctx, systemScope, func(w *work) error {
		ports, err := w.list(Ports, everything, Is("device_id", serverID))
		for _, p := range ports {
			if err = w.bind(p, host); err != nil {
				return err
			}
		}
		return err
	})
}

// Deallocate deletes the ports that compute made for a server and releases those
// the user brought. A server without ports is success.
func (s *Service) Deallocate(ctx context.Context, serverID string) error {
	return s.change(ctx, systemScope, func(w *work) error {
		ports, err := w.list(Ports, everything, Is("device_id", serverID))
		for _, p := range ports {
			if err = w.unplug(p); err != nil {
				return err
			}
		}
		return err
	})
}

func (w *work) unplug(p Row) error {
	if p.Bool("made_by_compute") {
		return w.dropPort(p)
	}
	row, err := w.save(Ports, p, Row{"device_id": "", "device_owner": "", "binding:host_id": "", "status": "DOWN", "nic_index": int64(0),
		"hostname": "", "device_tag": "", "dns_name": ""})
	if err != nil {
		return err
	}
	return w.bound(p, row)
}

// Attach gives a running server one more port. with, which may be nil, is what has
// to be saved together with that: the port is never there without whoever will
// plug it, nor the other way around.
func (s *Service) Attach(ctx context.Context, scope auth.Scope, serverID, host, zone string, want Want, groups []string, with func(ctx context.Context, tx *db.Tx, portID string) error) (Port, error) {
	r, err := s.Check(ctx, scope, []Want{want}, "", groups)
	if err != nil {
		return Port{}, err
	}
	index := 0
	err = s.change(ctx, systemScope, func(w *work) error {
		have, err := w.list(Ports, everything, Is("device_id", serverID))
		if err != nil {
			return err
		}
		index = 0
		a := Allocation{ServerID: serverID, ProjectID: scope.ProjectID, UserID: scope.UserID, Zone: zone, Host: host, Resolved: r}
		for _, p := range have {
			index = max(index, int(p.Int("nic_index"))+1)
			a.ProjectID, a.Hostname = p.Project(), p.Str("hostname")
		}
		if err := w.plug(a, r.NICs[0], index); err != nil || with == nil {
			return err
		}
		made, err := w.list(Ports, everything, Is("device_id", serverID), Is("nic_index", int64(index)))
		if err != nil || len(made) != 1 {
			return cmp.Or(err, fmt.Errorf("card %d of server %s has %d ports", index, serverID, len(made)))
		}
		return with(w.ctx, w.tx, made[0].ID())
	})
	if err != nil {
		return Port{}, err
	}
	ports, err := s.PortsOf(ctx, []string{serverID})
	for _, p := range ports[serverID] {
		if p.Index == index {
			return p, nil
		}
	}
	return Port{}, err
}

// Detach takes a port off a server: it deletes one that compute made and
// releases one the user brought.
func (s *Service) Detach(ctx context.Context, _ auth.Scope, serverID, portID string) error {
	return s.change(ctx, systemScope, func(w *work) error {
		ports, err := w.list(Ports, everything, Is("id", portID), Is("device_id", serverID))
		if err != nil {
			return err
		}
		if len(ports) == 0 {
			return fault.New(fault.CodeNetworkPortNotFound, "Port %s could not be found.", portID)
		}
		return w.unplug(ports[0])
	})
}
