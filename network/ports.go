package network

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// The owners of the cloud's own ports.
const (
	ownerDHCP       = "network:dhcp"
	ownerInterface  = "network:router_interface"
	ownerGateway    = "network:router_gateway"
	ownerFloatingIP = "network:floatingip"
	ownerCompute    = "compute:"
)

func isRouterPort(p Row) bool {
	o := p.Str("device_owner")
	return o == ownerInterface || o == ownerGateway
}

// AddressPair is an address a port may use besides its own.
type AddressPair struct {
	IPAddress  string `json:"ip_address"`
	MACAddress string `json:"mac_address"`
}

// DHCPOpt is a user's option for one port.
type DHCPOpt struct {
	Name    string  `json:"opt_name"`
	Value   *string `json:"opt_value"`
	Version int     `json:"ip_version"`
}

func createPort(w *work, p prepared) (Row, error) {
	row := p.row
	n, err := w.visibleNetwork(row.Str("network_id"))
	if err != nil {
		return nil, err
	}
	if err := w.ownsDevice(row); err != nil {
		return nil, err
	}
	if row["mac_address"], err = w.mac(n, row.Str("mac_address")); err != nil {
		return nil, err
	}
	if err := w.secure(row, nil, n, p); err != nil {
		return nil, err
	}
	for attr, value := range map[string]any{"binding:profile": map[string]any{}, "binding:vnic_type": "normal"} {
		if row[attr] == nil {
			row[attr] = value
		}
	}
	row["extra_dhcp_opts"] = dhcpOpts(nil, row)
	row["status"], row["ip_allocation"] = "DOWN", "immediate"
	chosen := row.Has("fixed_ips")
	wants := Decode[[]FixedIP](row, "fixed_ips")
	if chosen && len(wants) == 0 {
		row["ip_allocation"] = "none"
	}
	row["fixed_ips"] = []FixedIP{}
	groups := Decode[[]string](row, "security_groups")
	if row, err = w.insert(Ports, row); err != nil {
		return nil, err
	}
	fixed, err := w.allocate(row, wants, chosen)
	if err != nil {
		return nil, err
	}
	row["fixed_ips"] = raw(fixed)
	if err := w.s.store.Update(w.ctx, w.tx, Ports, row.ID(), Row{"fixed_ips": row["fixed_ips"]}); err != nil {
		return nil, err
	}
	if len(groups) > 0 {
		if err := w.s.store.SetPortGroups(w.ctx, w.tx, row.ID(), groups); err != nil {
			return nil, err
		}
	}
	return row, w.bound(nil, row)
}

// bound tells hosts about a port that came, went or changed, and gives a network
// its DHCP port with its first bound one.
func (w *work) bound(old, row Row) error {
	if old != nil {
		w.rewire(old.Str("binding:host_id"), old.ID())
	}
	if row != nil {
		w.rewire(row.Str("binding:host_id"), row.ID())
	}
	oldGroups, newGroups := Decode[[]string](old, "security_groups"), Decode[[]string](row, "security_groups")
	if old == nil || row == nil || !same(old["fixed_ips"], row["fixed_ips"]) || !same(oldGroups, newGroups) {
		for _, g := range append(slices.Clone(oldGroups), newGroups...) {
			w.groups[g] = true
		}
	}
	if row == nil || row.Str("binding:host_id") == "" || old != nil && old.Str("binding:host_id") != "" {
		return nil
	}
	return w.ensureDHCP(row.Str("network_id"))
}

// mac settles a MAC address: the one given, if it is free, or a random one.
func (w *work) mac(n Row, want string) (string, error) {
	for range 16 {
		mac := want
		if mac == "" {
			h := w.s.cfg.IDs.Hex()
			mac = "fa:16:3e:" + h[0:2] + ":" + h[2:4] + ":" + h[4:6]
		}
		taken, err := w.list(Ports, everything, Is("network_id", n.ID()), Is("mac_address", mac))
		if err != nil {
			return "", err
		}
		if len(taken) == 0 {
			return mac, nil
		}
		if want != "" {
			return "", fault.New(fault.CodeNetworkMacInUse, "Unable to complete operation for network %s. The mac address %s is in use.", n.ID(), mac)
		}
	}
	return "", fault.New(fault.CodeNetworkNoNetwork, "Unable to generate unique mac on network %s.", n.ID()).WithType("NetworkMacAddressGenerationFailure")
}

// ownsDevice refuses a port that claims to be an interface of somebody else's
// router.
func (w *work) ownsDevice(row Row) error {
	if !isRouterPort(row) || row.Str("device_id") == "" || w.scope.IsAdmin() {
		return nil
	}
	r, err := w.get(Routers, row.Str("device_id"))
	if err == nil && r.Project() == row.Project() {
		return nil
	}
	return fault.New(fault.CodeNetworkDeviceNotOwned, "The following device_id %s is not owned by your project or matches another project router.", row.Str("device_id"))
}

// secure settles port security, security groups and address pairs; old is nil on
// create.
func (w *work) secure(row, old, n Row, p prepared) error {
	whole := row
	if old != nil {
		whole = old.Clone()
		for k, v := range row {
			whole[k] = v
		}
	}
	trusted := strings.HasPrefix(whole.Str("device_owner"), "network:")
	if !whole.Has("port_security_enabled") {
		row["port_security_enabled"] = n.Bool("port_security_enabled") && !trusted
		whole["port_security_enabled"] = row["port_security_enabled"]
	}
	on := whole.Bool("port_security_enabled")
	if row.Has("security_groups") || old == nil {
		if err := w.portGroups(row, whole, on, trusted); err != nil {
			return err
		}
		whole["security_groups"] = row["security_groups"]
	}
	if pairs, err := addressPairs(row, whole); err != nil {
		return err
	} else if pairs != nil || old == nil {
		row["allowed_address_pairs"], whole["allowed_address_pairs"] = pairs, pairs
	}
	if on {
		return nil
	}
	if len(Decode[[]AddressPair](whole, "allowed_address_pairs")) > 0 {
		return fault.New(fault.CodeNetworkPairsNeedSecurity, "Port Security must be enabled in order to have allowed address pairs on a port.")
	}
	if len(Decode[[]string](whole, "security_groups")) > 0 {
		if p.given["security_groups"] {
			return fault.New(fault.CodeNetworkPortSecurityNeeded, "Port security must be enabled and port must have an IP address in order to use security groups.")
		}
		return fault.New(fault.CodeNetworkPortSecurityWithGroups, "Port has security group associated. Cannot disable port security or IP address until security group is removed.")
	}
	return nil
}

// portGroups settles the security groups: those named, or the project's default.
func (w *work) portGroups(row, whole Row, on, trusted bool) error {
	if !row.Has("security_groups") {
		row["security_groups"] = []string{}
		if !on || trusted || whole.Project() == "" {
			return nil
		}
		g, err := w.defaultGroup(whole.Project())
		row["security_groups"] = []string{g}
		return err
	}
	groups := Decode[[]string](row, "security_groups")
	if len(groups) > 0 {
		view := View{Project: whole.Project()}
		if w.scope.IsAdmin() {
			view.All = true
		}
		for _, id := range groups {
			if _, err := w.find(SecurityGroups, view, id); err != nil {
				return err
			}
		}
	}
	slices.Sort(groups)
	row["security_groups"] = slices.Compact(append([]string{}, groups...))
	return nil
}

// addressPairs completes pairs without a MAC; nil where the row has none.
func addressPairs(row, whole Row) ([]AddressPair, error) {
	if !row.Has("allowed_address_pairs") {
		if whole.Has("created_at") && whole.Has("allowed_address_pairs") {
			return nil, nil
		}
		return []AddressPair{}, nil
	}
	list := []AddressPair{}
	for _, p := range Decode[[]AddressPair](row, "allowed_address_pairs") {
		if p.MACAddress == "" {
			p.MACAddress = whole.Str("mac_address")
		} else {
			p.MACAddress, _ = parseMAC(p.MACAddress)
		}
		if slices.Contains(list, p) {
			return nil, malformed("Invalid input for allowed_address_pairs. Reason: Request contains duplicate address pair: mac_address %s ip_address %s.", p.MACAddress, p.IPAddress)
		}
		list = append(list, p)
	}
	return list, nil
}

// dhcpOpts merges options: a null value removes one.
func dhcpOpts(old Row, set Row) []DHCPOpt {
	list := Decode[[]DHCPOpt](old, "extra_dhcp_opts")
	for _, o := range Decode[[]DHCPOpt](set, "extra_dhcp_opts") {
		if o.Version == 0 {
			o.Version = 4
		}
		list = slices.DeleteFunc(list, func(x DHCPOpt) bool { return x.Name == o.Name && x.Version == o.Version })
		if o.Value != nil {
			list = append(list, o)
		}
	}
	if list == nil {
		list = []DHCPOpt{}
	}
	return list
}

func updatePort(w *work, old Row, p prepared) (Row, error) {
	set := p.row
	n, err := w.network(old.Str("network_id"))
	if err != nil {
		return nil, err
	}
	whole := old.Clone()
	for k, v := range set {
		whole[k] = v
	}
	if err := w.ownsDevice(whole); err != nil {
		return nil, err
	}
	if set.Has("mac_address") && set.Str("mac_address") != old.Str("mac_address") {
		if isRouterPort(old) {
			return nil, fault.New(fault.CodeNetworkServicePort, "Operation mac address update is not supported for device_owner %s on port %s.", old.Str("device_owner"), old.ID()).WithType("UnsupportedPortDeviceOwner")
		}
		if set["mac_address"], err = w.mac(n, set.Str("mac_address")); err != nil {
			return nil, err
		}
	}
	if set.Has("binding:profile") && set["binding:profile"] == nil {
		set["binding:profile"] = map[string]any{}
	}
	if set.Has("extra_dhcp_opts") {
		set["extra_dhcp_opts"] = dhcpOpts(old, set)
	}
	if err := w.secure(set, old, n, p); err != nil {
		return nil, err
	}
	if set.Has("fixed_ips") {
		fixed, err := w.reallocate(old, Decode[[]FixedIP](set, "fixed_ips"))
		if err != nil {
			return nil, err
		}
		set["fixed_ips"] = fixed
	}
	if set.Has("security_groups") {
		if err := w.s.store.SetPortGroups(w.ctx, w.tx, old.ID(), Decode[[]string](set, "security_groups")); err != nil {
			return nil, err
		}
	}
	for k, v := range set {
		whole[k] = v
	}
	if whole.Str("binding:host_id") != old.Str("binding:host_id") {
		set["status"] = "DOWN"
	}
	normalize(Ports, whole)
	if isRouterPort(old) {
		if err := w.routerChanged(old.Str("device_id")); err != nil && !fault.Has(err, fault.CodeNetworkRouterNotFound) {
			return nil, err
		}
	}
	return set, w.bound(old, whole)
}

// stillUsed refuses to take addresses away that floating IPs lead to.
func (w *work) stillUsed(port Row, gone []FixedIP) error {
	if len(gone) == 0 {
		return nil
	}
	fips, err := w.list(FloatingIPs, everything, Is("port_id", port.ID()))
	if err != nil {
		return err
	}
	for _, f := range fips {
		if slices.ContainsFunc(gone, func(g FixedIP) bool { return g.IPAddress == f.Str("fixed_ip_address") }) {
			if err := w.disassociate(f); err != nil {
				return err
			}
		}
	}
	return nil
}

func deletePort(w *work, old Row) error {
	owner := old.Str("device_owner")
	if owner == ownerInterface || owner == ownerGateway || owner == ownerFloatingIP {
		held, err := w.holds(owner, old.Str("device_id"))
		if err != nil {
			return err
		}
		if held {
			return fault.New(fault.CodeNetworkServicePort, "Port %s cannot be deleted directly via the port API: has device owner %s.", old.ID(), owner)
		}
	}
	return w.clearPort(old)
}

// holds reports whether the router or floating IP that a port serves is there.
func (w *work) holds(owner, device string) (bool, error) {
	r := Routers
	if owner == ownerFloatingIP {
		r = FloatingIPs
	}
	rows, err := w.list(r, everything, Is("id", device))
	return len(rows) > 0, err
}

// clearPort undoes all that a port has but its row.
func (w *work) clearPort(old Row) error {
	fips, err := w.list(FloatingIPs, everything, Is("port_id", old.ID()))
	if err != nil {
		return err
	}
	for _, f := range fips {
		if err := w.disassociate(f); err != nil {
			return err
		}
	}
	if err := w.dropForwardings(old.ID()); err != nil {
		return err
	}
	if err := w.release(Decode[[]FixedIP](old, "fixed_ips")); err != nil {
		return err
	}
	return w.bound(old, nil)
}

// dropPort deletes a port of the cloud's own.
func (w *work) dropPort(port Row) error {
	if err := w.clearPort(port); err != nil {
		return err
	}
	return w.s.store.Delete(w.ctx, w.tx, Ports, port.ID())
}

// servicePort makes a port of the cloud's own.
func (w *work) servicePort(networkID, project, owner, device string, fixed []FixedIP, chosen bool) (Row, error) {
	row := Row{"network_id": networkID, "project_id": project, "device_owner": owner, "device_id": device,
		"admin_state_up": true, "name": "", "port_security_enabled": false, "security_groups": []any{}}
	if chosen {
		row["fixed_ips"] = fixed
	}
	as := w.scope
	w.scope = systemScope
	defer func() { w.scope = as }()
	return w.create(Ports, prepared{row: row})
}

// ensureDHCP gives a network the port its hosts answer DHCP and metadata from.
func (w *work) ensureDHCP(networkID string) error {
	have, err := w.list(Ports, everything, Is("network_id", networkID), Is("device_owner", ownerDHCP))
	if err != nil || len(have) > 0 {
		return err
	}
	wants, err := w.dhcpWants(networkID)
	if err != nil || len(wants) == 0 {
		return err
	}
	n, err := w.network(networkID)
	if err != nil {
		return err
	}
	port, err := w.servicePort(networkID, n.Project(), ownerDHCP, "dhcp-"+networkID, wants, true)
	if fault.Has(err, fault.CodeNetworkAddressExhausted) {
		return nil // its own port comes first; DHCP then answers without an address
	}
	if err == nil {
		err = w.s.store.Update(w.ctx, w.tx, Ports, port.ID(), Row{"status": "ACTIVE"})
	}
	return err
}

// dhcpWants names a subnet for each address that the DHCP port should have.
func (w *work) dhcpWants(networkID string) ([]FixedIP, error) {
	subnets, err := w.list(Subnets, everything, Is("network_id", networkID), Is("enable_dhcp", true))
	var wants []FixedIP
	for _, sub := range subnets {
		wants = append(wants, FixedIP{SubnetID: sub.ID()})
	}
	return wants, err
}

// subnetAdded gives the ports that are there already what a new subnet gives.
func (w *work) subnetAdded(sub Row) error {
	ports, err := w.list(Ports, everything, Is("network_id", sub.Str("network_id")))
	if err != nil {
		return err
	}
	for _, p := range ports {
		fixed := Decode[[]FixedIP](p, "fixed_ips")
		var f FixedIP
		var ok bool
		switch {
		case isAuto(sub) && !isRouterPort(p) && p.Str("device_owner") != ownerFloatingIP && (len(fixed) > 0 || p.Str("ip_allocation") != "none"):
			f, err = w.take(p, sub, eui64(sub, p.Str("mac_address")))
			ok = true
		case p.Str("device_owner") == ownerDHCP && sub.Bool("enable_dhcp"):
			f, ok, err = w.next(p, sub)
		}
		if err != nil {
			return err
		}
		if ok {
			if _, err := w.save(Ports, p, Row{"fixed_ips": append(fixed, f)}); err != nil {
				return err
			}
			w.rewire(p.Str("binding:host_id"), p.ID())
		}
	}
	return w.hostsOf(ports)
}

// dhcpToggled makes the DHCP port fit a subnet whose DHCP went on or off.
func (w *work) dhcpToggled(sub Row) error {
	ports, err := w.list(Ports, everything, Is("network_id", sub.Str("network_id")))
	if err != nil {
		return err
	}
	isBound := false
	for _, p := range ports {
		isBound = isBound || p.Str("binding:host_id") != ""
		if p.Str("device_owner") != ownerDHCP {
			continue
		}
		if !sub.Bool("enable_dhcp") {
			var gone []FixedIP
			for _, f := range Decode[[]FixedIP](p, "fixed_ips") {
				if f.SubnetID == sub.ID() {
					gone = append(gone, f)
				}
			}
			if err := w.dropSubnet(p, sub.ID()); err != nil {
				return err
			}
			for _, f := range gone {
				if err := w.s.store.Return(w.ctx, w.tx, sub.ID(), f.addr()); err != nil {
					return err
				}
			}
			return nil
		}
		f, ok, err := w.next(p, sub)
		if err == nil && ok {
			_, err = w.save(Ports, p, Row{"fixed_ips": append(Decode[[]FixedIP](p, "fixed_ips"), f)})
		}
		return err
	}
	if isBound && sub.Bool("enable_dhcp") {
		if err := w.s.store.Update(w.ctx, w.tx, Subnets, sub.ID(), Row{"enable_dhcp": true}); err != nil {
			return err
		}
		return w.ensureDHCP(sub.Str("network_id"))
	}
	return nil
}

// fillPorts adds binding details and names, which are made and not stored.
func fillPorts(_ context.Context, s *Service, _ db.Reader, _ View, rows []Row) error {
	for _, p := range rows {
		p["binding:vif_type"], p["binding:vif_details"] = "unbound", map[string]any{}
		if p.Str("binding:host_id") != "" {
			p["binding:vif_type"], p["binding:vif_details"] = "bridge", map[string]any{"port_filter": p.Bool("port_security_enabled"), "connectivity": "l2"}
		}
		p["dns_assignment"] = s.names(p)
	}
	return nil
}

type assignment struct {
	IPAddress string `json:"ip_address"`
	Hostname  string `json:"hostname"`
	FQDN      string `json:"fqdn"`
}

// names are what DNS says of a port's addresses.
func (s *Service) names(p Row) []assignment {
	list := []assignment{}
	for _, f := range Decode[[]FixedIP](p, "fixed_ips") {
		host := p.Str("dns_name")
		if host == "" {
			host = defaultName(f.addr())
		}
		list = append(list, assignment{f.IPAddress, host, host + "." + s.cfg.DNSDomain + "."})
	}
	return list
}

// defaultName is the host name of an address that was given none.
func defaultName(a netip.Addr) string {
	return "host-" + strings.NewReplacer(".", "-", ":", "-").Replace(a.String())
}
