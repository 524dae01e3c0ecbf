package network

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/page"
)

const (
	typeVXLAN = "vxlan"
	typeFlat  = "flat"
	typeLocal = "local"

	vxlanOverhead = 50 // bytes of outer headers
)

func createNetwork(w *work, p prepared) (Row, error) {
	row := p.row
	if err := w.segment(row); err != nil {
		return nil, err
	}
	if err := w.mtu(row); err != nil {
		return nil, err
	}
	if err := w.zones(row); err != nil {
		return nil, err
	}
	row["status"] = "ACTIVE"
	if row.Bool("is_default") && !row.Bool("router:external") {
		row["is_default"] = false
	}
	row, err := w.insert(Networks, row)
	if err != nil {
		return nil, err
	}
	for attr, action := range sharingAttrs {
		if row.Bool(attr) {
			if err := w.share("network", row, "*", action); err != nil {
				return nil, err
			}
		}
	}
	return row, nil
}

// sharingAttrs are flags of a network that stand for a policy with everybody.
var sharingAttrs = map[string]string{"shared": "access_as_shared", "router:external": "access_as_external"}

// segment settles type, physical network and segmentation id.
func (w *work) segment(row Row) error {
	physical, id := row.Str("provider:physical_network"), row["provider:segmentation_id"]
	kind := row.Str("provider:network_type")
	if kind == "" {
		if physical != "" || id != nil {
			return invalid("network_type required")
		}
		kind = typeVXLAN
	}
	row["provider:network_type"] = kind
	switch kind {
	case typeVXLAN:
		if physical != "" {
			return invalid("provider:physical_network specified for vxlan network")
		}
		return w.tunnel(row, id)
	case typeFlat:
		if id != nil {
			return invalid("segmentation_id prohibited for flat provider network")
		}
		return w.flat(physical)
	case typeLocal:
		if physical != "" || id != nil {
			return invalid("provider:physical_network and provider:segmentation_id prohibited for local provider network")
		}
		return nil
	}
	return invalid("network_type value '%s' not supported", kind)
}

func (w *work) flat(physical string) error {
	if physical == "" {
		return invalid("physical_network required for flat provider network")
	}
	if !slices.Contains(w.s.cfg.Physical, physical) {
		return invalid("physical_network '%s' unknown for flat provider network", physical)
	}
	taken, err := w.list(Networks, everything, Is("provider:physical_network", physical))
	if err == nil && len(taken) > 0 {
		err = fault.New(fault.CodeNetworkPhysicalNetworkInUse, "Unable to create the flat network. Physical network %s is in use.", physical)
	}
	return err
}

// tunnel takes a segmentation id: the one asked for, or the lowest free one.
func (w *work) tunnel(row Row, want any) error {
	if n, ok := want.(int64); ok {
		if n < 1 || n > 1<<24-1 {
			return invalid("segmentation_id out of range (1 through %d)", 1<<24-1)
		}
		free, err := w.s.store.Take(w.ctx, w.tx, typeVXLAN, vniAddr(n))
		if err == nil && !free {
			err = fault.New(fault.CodeNetworkSegmentInUse, "Unable to create the network. The tunnel ID %d is in use.", n)
		}
		return err
	}
	a, ok, err := w.s.store.TakeNext(w.ctx, w.tx, typeVXLAN)
	if err == nil && !ok {
		err = fault.New(fault.CodeNetworkNoNetwork, "Unable to create the network. No project network is available for allocation.")
	}
	if err != nil {
		return err
	}
	b := a.As4()
	row["provider:segmentation_id"] = int64(binary.BigEndian.Uint32(b[:]))
	return nil
}

// vniAddr spells a segmentation id as a member of its pool.
func vniAddr(n int64) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(n)) //nolint:gosec // checked to be 24 bits
	return netip.AddrFrom4(b)
}

func (w *work) mtu(row Row) error {
	most := int64(w.s.cfg.MTU)
	if row.Str("provider:network_type") == typeVXLAN {
		most -= vxlanOverhead
	}
	switch n := row.Int("mtu"); {
	case n == 0:
		row["mtu"] = most
	case n > most:
		return invalid("Requested MTU is too big, maximum is %d", most)
	case n < 68:
		return invalid("Requested MTU is too small, minimum is 68")
	}
	return nil
}

// zones refuses hints for zones there are not.
func (w *work) zones(row Row) error {
	for _, hint := range Decode[[]string](row, "availability_zone_hints") {
		zones, err := w.s.zones(w.ctx, w.tx)
		if err != nil {
			return err
		}
		if !slices.Contains(zones, hint) {
			return fault.New(fault.CodeNetworkNotFound, "AvailabilityZone %s could not be found.", hint).WithType("AvailabilityZoneNotFound")
		}
	}
	return nil
}

func updateNetwork(w *work, old Row, p prepared) (Row, error) {
	set := p.row
	for _, attr := range []string{"provider:network_type", "provider:physical_network", "provider:segmentation_id"} {
		if set.Has(attr) && !same(set[attr], old[attr]) {
			return nil, invalid("Plugin does not support updating the following provider network attributes: %s", attr)
		}
	}
	if set.Has("mtu") {
		whole := old.Clone()
		whole["mtu"] = set["mtu"]
		if err := w.mtu(whole); err != nil {
			return nil, err
		}
		set["mtu"] = whole["mtu"]
	}
	for attr, action := range sharingAttrs {
		if !set.Has(attr) || set.Bool(attr) == old.Bool(attr) {
			continue
		}
		if err := w.reshare(old, attr, action, set.Bool(attr)); err != nil {
			return nil, err
		}
	}
	return set, w.networkChanged(old.ID())
}

// reshare turns sharing with everybody on or off, if nobody depends on it.
func (w *work) reshare(n Row, attr, action string, on bool) error {
	if on {
		return w.share("network", n, "*", action)
	}
	if attr == "router:external" {
		if err := w.externalUnused(n.ID()); err != nil {
			return err
		}
	} else if err := w.sharingUnused(n); err != nil {
		return err
	}
	rows, err := w.list(RBACPolicies, everything, Is("object_id", n.ID()), Is("target_tenant", "*"), Is("action", action))
	for _, r := range rows {
		if err = w.s.store.Delete(w.ctx, w.tx, RBACPolicies, r.ID()); err != nil {
			return err
		}
	}
	return err
}

func (w *work) externalUnused(id string) error {
	routers, err := w.list(Routers, everything, Is("gw_network_id", id))
	if err != nil {
		return err
	}
	fips, err := w.list(FloatingIPs, everything, Is("floating_network_id", id))
	if err == nil && len(routers)+len(fips) > 0 {
		err = fault.New(fault.CodeNetworkExternalInUse, "External network %s cannot be updated to be made non-external, since it has existing gateway ports or floating IPs.", id)
	}
	return err
}

func (w *work) sharingUnused(n Row) error {
	ports, err := w.list(Ports, everything, Is("network_id", n.ID()))
	if err != nil {
		return err
	}
	for _, p := range ports {
		if p.Project() != "" && p.Project() != n.Project() {
			return fault.New(fault.CodeNetworkInvalidSharing, "Unable to reconfigure sharing settings for network %s. Multiple projects are using it.", n.Str("name"))
		}
	}
	return nil
}

// networkChanged tells every host that has a port of the network.
func (w *work) networkChanged(id string) error {
	ports, err := w.list(Ports, everything, Is("network_id", id))
	if err != nil {
		return err
	}
	return w.hostsOf(ports)
}

// hostsOf marks the hosts of ports, the routers' included, for a full look.
func (w *work) hostsOf(ports []Row) error {
	routers := map[string]bool{}
	for _, p := range ports {
		if host := p.Str("binding:host_id"); host != "" {
			w.hosts[host] = true
		}
		if isRouterPort(p) {
			routers[p.Str("device_id")] = true
		}
	}
	for id := range routers {
		if err := w.routerChanged(id); err != nil && !fault.Has(err, fault.CodeNetworkRouterNotFound) {
			return err
		}
	}
	return nil
}

func deleteNetwork(w *work, old Row) error {
	// Floating IPs that lead nowhere go with their network.
	fips, err := w.list(FloatingIPs, everything, Is("floating_network_id", old.ID()), Is("router_id", ""))
	if err != nil {
		return err
	}
	for _, f := range fips {
		if err := w.remove(FloatingIPs, f); err != nil {
			return err
		}
	}
	ports, err := w.list(Ports, everything, Is("network_id", old.ID()))
	if err != nil {
		return err
	}
	for _, p := range ports {
		if p.Str("device_owner") != ownerDHCP {
			return fault.New(fault.CodeNetworkNetworkInUse, "Unable to complete operation on network %s. There are one or more ports still in use on the network.", old.ID())
		}
	}
	for _, p := range ports {
		if err := w.remove(Ports, p); err != nil {
			return err
		}
	}
	subnets, err := w.list(Subnets, everything, Is("network_id", old.ID()))
	if err != nil {
		return err
	}
	for _, sub := range subnets {
		if err := w.remove(Subnets, sub); err != nil {
			return err
		}
	}
	if err := w.unshareAll(old.ID()); err != nil {
		return err
	}
	if old.Str("provider:network_type") == typeVXLAN {
		return w.s.store.Return(w.ctx, w.tx, typeVXLAN, vniAddr(old.Int("provider:segmentation_id")))
	}
	return nil
}

// chunk bounds how many ids stand in one statement.
const chunk = 1000

// related reads the rows whose attribute is one of ids, whoever owns them.
func (s *Service) related(ctx context.Context, rd db.Reader, r *Resource, attr string, ids []string, more ...Filter) ([]Row, error) {
	var all []Row
	for part := range slices.Chunk(ids, chunk) {
		values := make([]any, len(part))
		for i, id := range part {
			values[i] = id
		}
		rows, _, err := s.store.List(ctx, rd, r, Query{View: everything, Filters: append([]Filter{{attr, values}}, more...),
			Page: page.Request{Sort: []page.Key{{Column: r.Table + ".id"}}}})
		if err != nil {
			return nil, fmt.Errorf("%s by %s: %w", r.Collection, attr, err)
		}
		all = append(all, rows...)
	}
	return all, nil
}

// idsOf collects the distinct non-empty values of a text attribute.
func idsOf(rows []Row, attr string) []string {
	seen := map[string]bool{}
	var ids []string
	for _, r := range rows {
		if id := r.Str(attr); id != "" && !seen[id] {
			seen[id], ids = true, append(ids, id)
		}
	}
	return ids
}

func fillNetworks(ctx context.Context, s *Service, rd db.Reader, view View, rows []Row) error {
	subnets, err := s.related(ctx, rd, Subnets, "network_id", idsOf(rows, "id"))
	if err != nil {
		return err
	}
	of := map[string][]Row{}
	for _, sub := range subnets {
		of[sub.Str("network_id")] = append(of[sub.Str("network_id")], sub)
	}
	pools, err := s.related(ctx, rd, SubnetPools, "id", idsOf(subnets, "subnetpool_id"))
	if err != nil {
		return err
	}
	scopes := map[string]any{}
	for _, p := range pools {
		scopes[p.ID()] = p["address_scope_id"]
	}
	for _, row := range rows {
		ids := []string{}
		row["ipv4_address_scope"], row["ipv6_address_scope"] = nil, nil
		for _, sub := range of[row.ID()] {
			ids = append(ids, sub.ID())
			if scope := scopes[sub.Str("subnetpool_id")]; scope != nil {
				row[fmt.Sprintf("ipv%d_address_scope", sub.Int("ip_version"))] = scope
			}
		}
		row["subnets"] = ids
		row["availability_zones"] = []string{}
		if len(ids) > 0 {
			row["availability_zones"] = []string{s.cfg.Zone}
		}
		if !view.All && row.Project() != view.Project && !row.Bool("router:external") {
			row["shared"] = true // seen at all, it is shared with the caller
		}
	}
	return nil
}
