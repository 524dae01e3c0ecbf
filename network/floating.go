package network

import (
	"context"
	"net/netip"
	"slices"

	"altostack/kernel/db"
	"altostack/kernel/fault"
)

func createFloatingIP(w *work, p prepared) (Row, error) {
	row := p.row
	n, err := w.find(Networks, w.seesNetworks(), row.Str("floating_network_id"))
	if err != nil {
		return nil, err
	}
	if !n.Bool("router:external") {
		return nil, bad("floatingip", "Network %s is not a valid external network", n.ID())
	}
	wants, chosen, err := w.floatingWants(row, n)
	if err != nil {
		return nil, err
	}
	port, err := w.servicePort(n.ID(), "", ownerFloatingIP, row.ID(), wants, chosen)
	if err != nil {
		return nil, err
	}
	if err := w.s.store.Update(w.ctx, w.tx, Ports, port.ID(), Row{"status": "N/A"}); err != nil {
		return nil, err
	}
	for _, f := range Decode[[]FixedIP](port, "fixed_ips") {
		if f.addr().Is4() {
			row["floating_ip_address"] = f.IPAddress
		}
	}
	row["floating_port_id"], row["status"] = port.ID(), "DOWN"
	portID, fixed := row.Str("port_id"), row.Str("fixed_ip_address")
	row["port_id"], row["fixed_ip_address"], row["router_id"] = nil, nil, nil
	if row, err = w.insert(FloatingIPs, row); err != nil {
		return nil, err
	}
	if portID == "" {
		if fixed != "" {
			return nil, bad("floatingip", "fixed_ip_address cannot be specified without a port_id")
		}
		return row, nil
	}
	set, err := w.associate(row, portID, fixed)
	if err != nil {
		return nil, err
	}
	for k, v := range set {
		row[k] = v
	}
	return row, w.s.store.Update(w.ctx, w.tx, FloatingIPs, row.ID(), set)
}

// floatingWants is where on the external network the address is to come from.
func (w *work) floatingWants(row, n Row) ([]FixedIP, bool, error) {
	subnets, err := w.list(Subnets, everything, Is("network_id", n.ID()), Is("ip_version", int64(4)))
	if err != nil {
		return nil, false, err
	}
	if len(subnets) == 0 {
		return nil, false, bad("floatingip", "Network %s does not contain any IPv4 subnet", n.ID())
	}
	want := FixedIP{SubnetID: row.Str("subnet_id"), IPAddress: row.Str("floating_ip_address")}
	delete(row, "subnet_id")
	return []FixedIP{want}, want != FixedIP{}, nil
}

// associate leads a floating IP to a port's address.
func (w *work) associate(fip Row, portID, fixed string) (Row, error) {
	port, err := w.find(Ports, View{All: w.scope.IsAdmin(), Project: fip.Project()}, portID)
	if err != nil {
		return nil, err
	}
	target, err := fixedOf(port, fixed)
	if err != nil {
		return nil, err
	}
	taken, err := w.list(FloatingIPs, everything, Is("port_id", portID), Is("fixed_ip_address", target.IPAddress), Is("floating_network_id", fip.Str("floating_network_id")))
	if err != nil {
		return nil, err
	}
	if len(taken) > 0 && taken[0].ID() != fip.ID() {
		return nil, fault.New(fault.CodeNetworkFipPortTaken, "Cannot associate floating IP %s (%s) with port %s using fixed IP %s, as that fixed IP already has a floating IP on external network %s.",
			fip.Str("floating_ip_address"), fip.ID(), portID, target.IPAddress, fip.Str("floating_network_id"))
	}
	router, err := w.routerTo(fip.Str("floating_network_id"), port, target.SubnetID)
	if err != nil {
		return nil, err
	}
	status := "DOWN"
	if router.Str("host") != "" {
		w.hosts[router.Str("host")] = true
		status = "ACTIVE"
	}
	return Row{"port_id": portID, "fixed_ip_address": target.IPAddress, "router_id": router.ID(), "status": status}, nil
}

// fixedOf finds the address of a port that a floating IP leads to.
func fixedOf(port Row, want string) (FixedIP, error) {
	var v4 []FixedIP
	for _, f := range Decode[[]FixedIP](port, "fixed_ips") {
		if f.addr().Is4() {
			v4 = append(v4, f)
		}
	}
	if want != "" {
		if a, err := netip.ParseAddr(want); err == nil && a.Is6() {
			return FixedIP{}, bad("floatingip", "Cannot process floating IP association with %s, since that is not an IPv4 address", want)
		}
		if i := slices.IndexFunc(v4, func(f FixedIP) bool { return f.IPAddress == want }); i >= 0 {
			return v4[i], nil
		}
		return FixedIP{}, bad("floatingip", "Port %s does not have fixed ip %s", port.ID(), want)
	}
	switch len(v4) {
	case 0:
		return FixedIP{}, bad("floatingip", "Cannot add floating IP to port %s that has no fixed IPv4 addresses", port.ID())
	case 1:
		return v4[0], nil
	}
	return FixedIP{}, bad("floatingip", "Port %s has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when assigning a floating IP", port.ID())
}

// routerTo finds the router between a port's subnet and an external network; the
// one that is the subnet's gateway, if there are several.
func (w *work) routerTo(external string, port Row, subnetID string) (Row, error) {
	ports, err := w.list(Ports, everything, Is("network_id", port.Str("network_id")), Is("device_owner", ownerInterface))
	if err != nil {
		return nil, err
	}
	sub, err := w.get(Subnets, subnetID)
	if err != nil {
		return nil, err
	}
	var found Row
	for _, p := range ports {
		fixed := Decode[[]FixedIP](p, "fixed_ips")
		if !slices.ContainsFunc(fixed, func(f FixedIP) bool { return f.SubnetID == subnetID }) {
			continue
		}
		r, err := w.get(Routers, p.Str("device_id"))
		if err != nil {
			return nil, err
		}
		if r.Str("gw_network_id") != external {
			continue
		}
		if found == nil || slices.ContainsFunc(fixed, func(f FixedIP) bool { return f.IPAddress == sub.Str("gateway_ip") }) {
			found = r
		}
	}
	if found == nil {
		return nil, fault.New(fault.CodeNetworkFipUnreachable, "External network %s is not reachable from subnet %s.  Therefore, cannot associate Port %s with a Floating IP.", external, subnetID, port.ID())
	}
	return found, nil
}

// disassociate lets a floating IP lead nowhere.
func (w *work) disassociate(f Row) error {
	if err := w.floatingChanged(f); err != nil {
		return err
	}
	_, err := w.save(FloatingIPs, f, Row{"port_id": nil, "fixed_ip_address": nil, "router_id": nil, "status": "DOWN"})
	return err
}

func (w *work) floatingChanged(f Row) error {
	if f.Str("router_id") == "" {
		return nil
	}
	return w.routerChanged(f.Str("router_id"))
}

func updateFloatingIP(w *work, old Row, p prepared) (Row, error) {
	set := p.row
	if !set.Has("port_id") && !set.Has("fixed_ip_address") {
		return set, nil
	}
	if err := w.floatingChanged(old); err != nil {
		return nil, err
	}
	portID := old.Str("port_id")
	if set.Has("port_id") {
		portID = set.Str("port_id")
	}
	if portID == "" {
		if set.Str("fixed_ip_address") != "" {
			return nil, bad("floatingip", "fixed_ip_address cannot be specified without a port_id")
		}
		for k, v := range (Row{"port_id": nil, "fixed_ip_address": nil, "router_id": nil, "status": "DOWN"}) {
			set[k] = v
		}
		return set, nil
	}
	held, err := w.list(PortForwardings, everything, Is("floatingip_id", old.ID()))
	if err != nil {
		return nil, err
	}
	if len(held) > 0 {
		return nil, fault.New(fault.CodeNetworkFipAssociated, "Floating IP %s cannot be associated with port %s: it has port forwardings.", old.ID(), portID).WithType("FipInUseByPortForwarding")
	}
	got, err := w.associate(old, portID, set.Str("fixed_ip_address"))
	for k, v := range got {
		set[k] = v
	}
	return set, err
}

func deleteFloatingIP(w *work, old Row) error {
	if err := w.floatingChanged(old); err != nil {
		return err
	}
	port, err := w.get(Ports, old.Str("floating_port_id"))
	if fault.Has(err, fault.CodeNetworkPortNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return w.dropPort(port)
}

func fillFloatingIPs(ctx context.Context, s *Service, rd db.Reader, _ View, rows []Row) error {
	ports, err := s.related(ctx, rd, Ports, "id", idsOf(rows, "port_id"))
	if err != nil {
		return err
	}
	byID := map[string]Row{}
	for _, p := range ports {
		byID[p.ID()] = p
	}
	forwards, err := s.related(ctx, rd, PortForwardings, "floatingip_id", idsOf(rows, "id"))
	if err != nil {
		return err
	}
	of := map[string][]any{}
	for _, f := range forwards {
		of[f.Str("floatingip_id")] = append(of[f.Str("floatingip_id")], Render(PortForwardings, f, map[string]bool{"id": true}, nil))
	}
	for _, f := range rows {
		f["port_details"] = nil
		if p, ok := byID[f.Str("port_id")]; ok {
			f["port_details"] = map[string]any{"name": p["name"], "network_id": p["network_id"], "mac_address": p["mac_address"],
				"admin_state_up": p["admin_state_up"], "status": p["status"], "device_id": p["device_id"], "device_owner": p["device_owner"]}
		}
		f["port_forwardings"] = of[f.ID()]
		if of[f.ID()] == nil {
			f["port_forwardings"] = []any{}
		}
	}
	return nil
}

func createForwarding(w *work, p prepared) (Row, error) {
	row := p.row
	fip, err := w.find(FloatingIPs, View{All: w.scope.IsAdmin(), Project: w.scope.ProjectID}, row.Str("floatingip_id"))
	if err != nil {
		return nil, err
	}
	if fip.Str("port_id") != "" {
		return nil, fault.New(fault.CodeNetworkPortForwardingConflict, "Bad port_forwarding request: Floating IP %s is associated with port %s.", fip.ID(), fip.Str("port_id"))
	}
	delete(row, "project_id")
	if err := w.forward(fip, row); err != nil {
		return nil, err
	}
	return w.insert(PortForwardings, row)
}

// forward checks where a forwarding leads, and that nothing else has its port.
func (w *work) forward(fip, row Row) error {
	port, err := w.find(Ports, View{All: w.scope.IsAdmin(), Project: fip.Project()}, row.Str("internal_port_id"))
	if err != nil {
		return err
	}
	target, err := fixedOf(port, row.Str("internal_ip_address"))
	if err != nil {
		return err
	}
	row["internal_ip_address"] = target.IPAddress
	router, err := w.routerTo(fip.Str("floating_network_id"), port, target.SubnetID)
	if err != nil {
		return err
	}
	same, err := w.list(PortForwardings, everything, Is("floatingip_id", fip.ID()), Is("protocol", row.Str("protocol")), Is("external_port", row["external_port"]))
	if err != nil {
		return err
	}
	if len(same) > 0 && same[0].ID() != row.ID() {
		return fault.New(fault.CodeNetworkPortForwardingConflict, "Bad port_forwarding request: A duplicate port forwarding entry with same attributes already exists, conflicting values are {'floatingip_id': '%s', 'external_port': %v, 'protocol': '%s'}.", fip.ID(), row["external_port"], row.Str("protocol"))
	}
	if router.Str("host") != "" {
		w.hosts[router.Str("host")] = true
	}
	_, err = w.save(FloatingIPs, fip, Row{"router_id": router.ID(), "status": "ACTIVE"})
	return err
}

func updateForwarding(w *work, old Row, p prepared) (Row, error) {
	whole := old.Clone()
	for k, v := range p.row {
		whole[k] = v
	}
	fip, err := w.get(FloatingIPs, old.Str("floatingip_id"))
	if err != nil {
		return nil, err
	}
	return p.row, w.forward(fip, whole)
}

func deleteForwarding(w *work, old Row) error {
	fip, err := w.get(FloatingIPs, old.Str("floatingip_id"))
	if err != nil {
		return err
	}
	if err := w.floatingChanged(fip); err != nil {
		return err
	}
	all, err := w.list(PortForwardings, everything, Is("floatingip_id", fip.ID()))
	if err == nil && len(all) == 1 {
		_, err = w.save(FloatingIPs, fip, Row{"router_id": nil, "status": "DOWN"})
	}
	return err
}

// dropForwardings removes forwardings to a port that goes.
func (w *work) dropForwardings(portID string) error {
	rows, err := w.list(PortForwardings, everything, Is("internal_port_id", portID))
	for _, r := range rows {
		if err = w.remove(PortForwardings, r); err != nil {
			return err
		}
	}
	return err
}
