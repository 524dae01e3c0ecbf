package network

import (
	"context"
	"net/netip"
	"slices"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// Gateway is external_gateway_info.
type Gateway struct {
	NetworkID  string    `json:"network_id"`
	EnableSNAT bool      `json:"enable_snat"`
	FixedIPs   []FixedIP `json:"external_fixed_ips"`
}

type gatewayWant struct {
	NetworkID  string    `json:"network_id"`
	EnableSNAT *bool     `json:"enable_snat"`
	FixedIPs   []FixedIP `json:"external_fixed_ips"`
}

func createRouter(w *work, p prepared) (Row, error) {
	row := p.row
	want := Decode[gatewayWant](row, "external_gateway_info")
	delete(row, "external_gateway_info")
	if err := w.zones(row); err != nil {
		return nil, err
	}
	row["status"], row["enable_snat"], row["routes"] = "ACTIVE", true, []any{}
	row, err := w.insert(Routers, row)
	if err != nil {
		return nil, err
	}
	if want.NetworkID == "" {
		return row, nil
	}
	set, err := w.setGateway(row, want)
	if err != nil {
		return nil, err
	}
	for k, v := range set {
		row[k] = v
	}
	normalize(Routers, row)
	if err := w.s.store.Update(w.ctx, w.tx, Routers, row.ID(), set); err != nil {
		return nil, err
	}
	return w.placed(row)
}

// placed gives a router a host, if it has none and there are any.
func (w *work) placed(router Row) (Row, error) {
	if router.Str("host") != "" {
		w.hosts[router.Str("host")] = true
		return router, nil
	}
	hosts, err := w.s.store.Hosts(w.ctx, w.tx)
	if err != nil || len(hosts) == 0 {
		return router, err
	}
	physical := ""
	if id := router.Str("gw_network_id"); id != "" {
		n, err := w.network(id)
		if err != nil {
			return nil, err
		}
		physical = n.Str("provider:physical_network")
	}
	h := choose(hosts, physical)
	router = router.Clone()
	router["host"] = h
	w.hosts[h] = true
	return router, w.s.store.Update(w.ctx, w.tx, Routers, router.ID(), Row{"host": h})
}

// choose picks a router's host: one that reaches the physical network, and of
// those the one with the fewest routers.
func choose(hosts []Host, physical string) string {
	best := slices.MinFunc(hosts, func(a, b Host) int {
		ra, rb := physical == "" || slices.Contains(a.Physical, physical), physical == "" || slices.Contains(b.Physical, physical)
		switch {
		case ra != rb && ra:
			return -1
		case ra != rb:
			return 1
		}
		return a.Routers - b.Routers
	})
	return best.Name
}

// routerChanged tells a router's host.
func (w *work) routerChanged(id string) error {
	r, err := w.get(Routers, id)
	if err == nil && r.Str("host") != "" {
		w.hosts[r.Str("host")] = true
	}
	return err
}

// setGateway makes, moves or changes a gateway port.
func (w *work) setGateway(router Row, want gatewayWant) (Row, error) {
	n, err := w.find(Networks, w.seesNetworks(), want.NetworkID)
	if err != nil {
		return nil, err
	}
	if !n.Bool("router:external") {
		return nil, bad("router", "Network %s is not an external network", n.ID())
	}
	set := Row{"enable_snat": true}
	if want.EnableSNAT != nil {
		set["enable_snat"] = *want.EnableSNAT
	}
	if router.Str("gw_network_id") == n.ID() {
		if want.FixedIPs == nil {
			return set, nil
		}
		port, err := w.get(Ports, router.Str("gw_port_id"))
		if err != nil {
			return nil, err
		}
		fixed, err := w.reallocate(port, want.FixedIPs)
		if err == nil {
			_, err = w.save(Ports, port, Row{"fixed_ips": fixed})
		}
		return set, err
	}
	if err := w.dropGateway(router); err != nil {
		return nil, err
	}
	if err := w.gatewayOverlap(router, n); err != nil {
		return nil, err
	}
	port, err := w.servicePort(n.ID(), "", ownerGateway, router.ID(), want.FixedIPs, len(want.FixedIPs) > 0)
	if err != nil {
		return nil, err
	}
	if err := w.s.store.Update(w.ctx, w.tx, Ports, port.ID(), Row{"status": "ACTIVE"}); err != nil {
		return nil, err
	}
	set["gw_port_id"], set["gw_network_id"] = port.ID(), n.ID()
	return set, nil
}

// gatewayOverlap refuses an external network whose subnets the router has
// inside already.
func (w *work) gatewayOverlap(router, n Row) error {
	outside, err := w.list(Subnets, everything, Is("network_id", n.ID()))
	if err != nil {
		return err
	}
	inside, err := w.insideSubnets(router.ID())
	if err != nil {
		return err
	}
	for _, o := range outside {
		for _, i := range inside {
			if overlap(o, i) {
				return bad("router", "Cidr %s of subnet %s overlaps with cidr %s of subnet %s", o.Str("cidr"), o.ID(), i.Str("cidr"), i.ID())
			}
		}
	}
	return nil
}

func overlap(a, b Row) bool {
	x, err := netip.ParsePrefix(a.Str("cidr"))
	y, err2 := netip.ParsePrefix(b.Str("cidr"))
	return err == nil && err2 == nil && x.Overlaps(y)
}

// insideSubnets are the subnets a router has interfaces on.
func (w *work) insideSubnets(routerID string) ([]Row, error) {
	ports, err := w.list(Ports, everything, Is("device_id", routerID), Is("device_owner", ownerInterface))
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, p := range ports {
		for _, f := range Decode[[]FixedIP](p, "fixed_ips") {
			ids = append(ids, f.SubnetID)
		}
	}
	return w.s.related(w.ctx, w.tx, Subnets, "id", ids)
}

// dropGateway removes a router's gateway, unless floating IPs need it.
func (w *work) dropGateway(router Row) error {
	if router.Str("gw_port_id") == "" {
		return nil
	}
	fips, err := w.list(FloatingIPs, everything, Is("router_id", router.ID()))
	if err != nil {
		return err
	}
	if len(fips) > 0 {
		return fault.New(fault.CodeNetworkGatewayNeeded, "Gateway cannot be updated for router %s, since a gateway to external network %s is required by one or more floating IPs.", router.ID(), router.Str("gw_network_id"))
	}
	port, err := w.get(Ports, router.Str("gw_port_id"))
	if err != nil {
		return err
	}
	return w.dropPort(port)
}

func updateRouter(w *work, old Row, p prepared) (Row, error) {
	set := p.row
	if set.Has("external_gateway_info") {
		want := Decode[gatewayWant](set, "external_gateway_info")
		delete(set, "external_gateway_info")
		gw := Row{"gw_port_id": nil, "gw_network_id": nil, "enable_snat": true}
		var err error
		if want.NetworkID == "" {
			err = w.dropGateway(old)
		} else {
			gw, err = w.setGateway(old, want)
		}
		if err != nil {
			return nil, err
		}
		for k, v := range gw {
			set[k] = v
		}
	}
	if set.Has("routes") {
		if set["routes"] == nil {
			set["routes"] = []any{}
		}
		if err := w.checkRoutes(old, set); err != nil {
			return nil, err
		}
	}
	whole := old.Clone()
	for k, v := range set {
		whole[k] = v
	}
	normalize(Routers, whole)
	placed, err := w.placed(whole)
	if err == nil {
		set["host"] = placed["host"]
	}
	return set, err
}

const maxRoutes = 30

// checkRoutes wants every next hop on a subnet of the router, and not to be the
// router itself.
func (w *work) checkRoutes(old, set Row) error {
	routes := Decode[[]HostRoute](set, "routes")
	if len(routes) > maxRoutes {
		return fault.New(fault.CodeNetworkRoutesInvalid, "Unable to complete operation for %s. The number of routes exceeds the maximum %d.", old.ID(), maxRoutes).WithType("RoutesExhausted")
	}
	ports, err := w.list(Ports, everything, Is("device_id", old.ID()))
	if err != nil {
		return err
	}
	own := map[netip.Addr]bool{}
	var ids []string
	for _, p := range ports {
		for _, f := range Decode[[]FixedIP](p, "fixed_ips") {
			own[f.addr()], ids = true, append(ids, f.SubnetID)
		}
	}
	subnets, err := w.s.related(w.ctx, w.tx, Subnets, "id", ids)
	if err != nil {
		return err
	}
	for _, r := range routes {
		hop, _ := netip.ParseAddr(r.NextHop)
		reachable := slices.ContainsFunc(subnets, func(s Row) bool {
			c, err := netip.ParsePrefix(s.Str("cidr"))
			return err == nil && c.Contains(hop)
		})
		if !reachable {
			return fault.New(fault.CodeNetworkRoutesInvalid, "Invalid format for routes: %s, the nexthop is not connected with router", string(raw(routes)))
		}
		if own[hop] {
			return fault.New(fault.CodeNetworkRoutesInvalid, "Invalid format for routes: %s, the nexthop is used by router", string(raw(routes)))
		}
	}
	return nil
}

func deleteRouter(w *work, old Row) error {
	ports, err := w.list(Ports, everything, Is("device_id", old.ID()), Is("device_owner", ownerInterface))
	if err != nil {
		return err
	}
	if len(ports) > 0 {
		return fault.New(fault.CodeNetworkRouterInUse, "Router %s still has ports", old.ID())
	}
	if old.Str("host") != "" {
		w.hosts[old.Str("host")] = true
	}
	return w.dropGateway(old)
}

func fillRouters(ctx context.Context, s *Service, rd db.Reader, _ View, rows []Row) error {
	ports, err := s.related(ctx, rd, Ports, "id", idsOf(rows, "gw_port_id"))
	if err != nil {
		return err
	}
	fixed := map[string][]FixedIP{}
	for _, p := range ports {
		fixed[p.ID()] = Decode[[]FixedIP](p, "fixed_ips")
	}
	for _, r := range rows {
		r["availability_zones"] = []string{}
		if r.Str("host") != "" {
			r["availability_zones"] = []string{s.cfg.Zone}
		}
		r["external_gateway_info"] = nil
		if id := r.Str("gw_port_id"); id != "" {
			r["external_gateway_info"] = Gateway{r.Str("gw_network_id"), r.Bool("enable_snat"), fixed[id]}
		}
	}
	return nil
}

// Interface is what adding or removing a router's interface answers.
type Interface struct {
	ID        string   `json:"id"` // the router's
	TenantID  string   `json:"tenant_id"`
	ProjectID string   `json:"project_id"`
	PortID    string   `json:"port_id"`
	NetworkID string   `json:"network_id"`
	SubnetID  string   `json:"subnet_id"`
	SubnetIDs []string `json:"subnet_ids"`
	Tags      []string `json:"tags"`
}

func interfaceOf(router, port Row) Interface {
	i := Interface{ID: router.ID(), TenantID: port.Project(), ProjectID: port.Project(), PortID: port.ID(), NetworkID: port.Str("network_id"),
		SubnetIDs: []string{}, Tags: []string{}}
	for _, f := range Decode[[]FixedIP](port, "fixed_ips") {
		i.SubnetIDs = append(i.SubnetIDs, f.SubnetID)
	}
	if len(i.SubnetIDs) > 0 {
		i.SubnetID = i.SubnetIDs[len(i.SubnetIDs)-1]
	}
	return i
}

// AddInterface connects a router to a subnet, by the subnet's gateway address,
// or by a port made for it.
func (s *Service) AddInterface(ctx context.Context, scope auth.Scope, routerID, subnetID, portID string) (Interface, error) {
	var out Interface
	err := s.change(ctx, scope, func(w *work) error {
		router, err := w.mayRoute("add_router_interface", routerID)
		if err != nil {
			return err
		}
		var port Row
		switch {
		case subnetID == "" && portID == "":
			return bad("router", "Either subnet_id or port_id must be specified")
		case subnetID != "" && portID != "":
			return bad("router", "Cannot specify both subnet-id and port-id")
		case portID != "":
			port, err = w.addByPort(router, portID)
		default:
			port, err = w.addBySubnet(router, subnetID)
		}
		if err != nil {
			return err
		}
		if err := w.s.store.Update(w.ctx, w.tx, Ports, port.ID(), Row{"status": "ACTIVE"}); err != nil {
			return err
		}
		out = interfaceOf(router, port)
		if subnetID != "" {
			out.SubnetID = subnetID
		}
		if router, err = w.save(Routers, router, Row{}); err != nil {
			return err
		}
		_, err = w.placed(router)
		return err
	})
	return out, err
}

// mayRoute reads a router that the caller may act on.
func (w *work) mayRoute(action, id string) (Row, error) {
	router, err := w.seen(Routers, id)
	if err != nil {
		return nil, err
	}
	return router, w.mayChange(action, Routers, router, prepared{})
}

func (w *work) addByPort(router Row, portID string) (Row, error) {
	port, err := w.seenPlain(Ports, portID)
	if err != nil {
		return nil, err
	}
	if port.Str("device_id") != "" {
		return nil, fault.New(fault.CodeNetworkPortInUse, "Unable to complete operation on port %s device %s.", portID, port.Str("device_id"))
	}
	fixed := Decode[[]FixedIP](port, "fixed_ips")
	if len(fixed) == 0 {
		return nil, bad("router", "Router port must have at least one fixed IP")
	}
	v4 := 0
	for _, f := range fixed {
		if f.addr().Is4() {
			v4++
		}
		sub, err := w.get(Subnets, f.SubnetID)
		if err != nil {
			return nil, err
		}
		if err := w.fits(router, sub); err != nil {
			return nil, err
		}
	}
	if v4 > 1 {
		return nil, bad("router", "Cannot have multiple IPv4 subnets on router port")
	}
	if err := w.s.store.SetPortGroups(w.ctx, w.tx, portID, nil); err != nil {
		return nil, err
	}
	return w.save(Ports, port, Row{"device_id": router.ID(), "device_owner": ownerInterface, "security_groups": []string{}, "port_security_enabled": false})
}

// seenPlain reads a row by its plain visibility: own, or shared.
func (w *work) seenPlain(r *Resource, id string) (Row, error) {
	v, err := viewOf(w.scope, r)
	if err != nil {
		return nil, r.missing(id)
	}
	return w.find(r, v, id)
}

func (w *work) addBySubnet(router Row, subnetID string) (Row, error) {
	sub, err := w.seenPlain(Subnets, subnetID)
	if err != nil {
		return nil, err
	}
	if sub.Str("gateway_ip") == "" {
		return nil, bad("router", "Subnet for router interface must have a gateway IP")
	}
	if err := w.fits(router, sub); err != nil {
		return nil, err
	}
	want := FixedIP{subnetID, sub.Str("gateway_ip")}
	if sub.Int("ip_version") == 6 {
		ports, err := w.list(Ports, everything, Is("device_id", router.ID()), Is("device_owner", ownerInterface), Is("network_id", sub.Str("network_id")))
		if err != nil {
			return nil, err
		}
		for _, p := range ports {
			fixed := Decode[[]FixedIP](p, "fixed_ips")
			if slices.ContainsFunc(fixed, func(f FixedIP) bool { return f.addr().Is6() }) {
				f, err := w.take(p, sub, want.addr())
				if err != nil {
					return nil, err
				}
				return w.save(Ports, p, Row{"fixed_ips": append(fixed, f)})
			}
		}
	}
	return w.servicePort(sub.Str("network_id"), router.Project(), ownerInterface, router.ID(), []FixedIP{want}, true)
}

// fits refuses a subnet that the router has already, or whose addresses overlap
// with those it has.
func (w *work) fits(router, sub Row) error {
	inside, err := w.insideSubnets(router.ID())
	if err != nil {
		return err
	}
	if gw := router.Str("gw_network_id"); gw != "" {
		outside, err := w.list(Subnets, everything, Is("network_id", gw))
		if err != nil {
			return err
		}
		inside = append(inside, outside...)
	}
	for _, o := range inside {
		if o.ID() == sub.ID() {
			return bad("router", "Router already has a port on subnet %s", sub.ID())
		}
		if overlap(o, sub) {
			return bad("router", "Cidr %s of subnet %s overlaps with cidr %s of subnet %s", sub.Str("cidr"), sub.ID(), o.Str("cidr"), o.ID())
		}
	}
	return nil
}

// RemoveInterface takes a router off a subnet.
func (s *Service) RemoveInterface(ctx context.Context, scope auth.Scope, routerID, subnetID, portID string) (Interface, error) {
	var out Interface
	err := s.change(ctx, scope, func(w *work) error {
		router, err := w.mayRoute("remove_router_interface", routerID)
		if err != nil {
			return err
		}
		if subnetID == "" && portID == "" {
			return bad("router", "Either subnet_id or port_id must be specified")
		}
		port, err := w.interfacePort(router, subnetID, portID)
		if err != nil {
			return err
		}
		out = interfaceOf(router, port)
		if subnetID != "" {
			out.SubnetID, out.SubnetIDs = subnetID, []string{subnetID}
		}
		if err := w.removable(router, out.SubnetIDs); err != nil {
			return err
		}
		if err := w.detachSubnets(port, out.SubnetIDs); err != nil {
			return err
		}
		_, err = w.save(Routers, router, Row{})
		w.hosts[router.Str("host")] = true
		return err
	})
	return out, err
}

// interfacePort finds the port that a removal names.
func (w *work) interfacePort(router Row, subnetID, portID string) (Row, error) {
	ports, err := w.list(Ports, everything, Is("device_id", router.ID()), Is("device_owner", ownerInterface))
	if err != nil {
		return nil, err
	}
	for _, p := range ports {
		has := slices.ContainsFunc(Decode[[]FixedIP](p, "fixed_ips"), func(f FixedIP) bool { return f.SubnetID == subnetID })
		switch {
		case portID != "" && p.ID() == portID && subnetID != "" && !has:
			return nil, fault.New(fault.CodeNetworkSubnetMismatch, "Subnet on port %s does not match the requested subnet %s.", portID, subnetID)
		case portID != "" && p.ID() == portID, portID == "" && has:
			return p, nil
		}
	}
	if portID != "" {
		return nil, fault.New(fault.CodeNetworkInterfaceNotFound, "Router %s does not have an interface with id %s", router.ID(), portID)
	}
	if _, err := w.seenPlain(Subnets, subnetID); err != nil {
		return nil, err
	}
	return nil, fault.New(fault.CodeNetworkInterfaceNotOnSubnet, "Router %s has no interface on subnet %s", router.ID(), subnetID)
}

// removable refuses to take away what floating IPs and routes need.
func (w *work) removable(router Row, subnetIDs []string) error {
	fips, err := w.list(FloatingIPs, everything, Is("router_id", router.ID()))
	if err != nil {
		return err
	}
	for _, id := range subnetIDs {
		sub, err := w.get(Subnets, id)
		if err != nil {
			return err
		}
		c, _ := netip.ParsePrefix(sub.Str("cidr"))
		for _, f := range fips {
			if c.Contains(f.Addr("fixed_ip_address")) {
				return fault.New(fault.CodeNetworkInterfaceNeeded, "Router interface for subnet %s on router %s cannot be deleted, as it is required by one or more floating IPs.", id, router.ID())
			}
		}
		for _, r := range Decode[[]HostRoute](router, "routes") {
			if hop, err := netip.ParseAddr(r.NextHop); err == nil && c.Contains(hop) {
				return fault.New(fault.CodeNetworkInterfaceRoute, "Router interface for subnet %s on router %s cannot be deleted, as it is required by one or more routes.", id, router.ID())
			}
		}
	}
	return nil
}

// detachSubnets takes subnets off a router's port, and the port if none is left.
func (w *work) detachSubnets(port Row, subnetIDs []string) error {
	var gone, left []FixedIP
	for _, f := range Decode[[]FixedIP](port, "fixed_ips") {
		if slices.Contains(subnetIDs, f.SubnetID) {
			gone = append(gone, f)
			continue
		}
		left = append(left, f)
	}
	if len(left) == 0 {
		return w.dropPort(port)
	}
	if err := w.release(gone); err != nil {
		return err
	}
	_, err := w.save(Ports, port, Row{"fixed_ips": left})
	return err
}

// ChangeRoutes adds extra routes to a router, or removes them, by themselves.
func (s *Service) ChangeRoutes(ctx context.Context, scope auth.Scope, routerID string, routes []HostRoute, add bool) (Row, error) {
	action := "remove_extraroutes"
	if add {
		action = "add_extraroutes"
	}
	if reason := isRoutes(Decode[[]any](Row{"r": raw(routes)}, "r"), nil); reason != "" {
		return nil, malformed("Invalid input for routes. Reason: %s.", reason)
	}
	var out Row
	err := s.change(ctx, scope, func(w *work) error {
		router, err := w.mayRoute(action, routerID)
		if err != nil {
			return err
		}
		list := slices.DeleteFunc(Decode[[]HostRoute](router, "routes"), func(r HostRoute) bool { return slices.Contains(routes, r) })
		if add {
			list = append(list, routes...)
		}
		if list == nil {
			list = []HostRoute{}
		}
		set := Row{"routes": list}
		if err := w.checkRoutes(router, set); err != nil {
			return err
		}
		if out, err = w.save(Routers, router, set); err != nil {
			return err
		}
		w.hosts[router.Str("host")] = true
		return w.fill(Routers, []Row{out})
	})
	return out, err
}
