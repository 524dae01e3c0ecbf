package network

import (
	"context"
	"fmt"
	"slices"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
)

// BootstrapOptions say what a new cloud starts with; empty parts are left out.
type BootstrapOptions struct {
	AdminProject string // owns the external network
	DemoProject  string // gets a network, a subnet and a router
	Physical     string // physical network of the external one; empty: public
	PublicCIDR   string // its subnet, as 172.24.4.0/24
	PublicPools  []Pool // none: all of it
	PrivateCIDR  string // the demo network's subnet; empty: 10.0.0.0/26
	DNS          []string
}

// Topology is what Bootstrap made or found.
type Topology struct{ PublicID, PublicSubnetID, PrivateID, PrivateSubnetID, RouterID string }

// Bootstrap makes the external network "public", and for the demo project the
// network "private" with a subnet and a router whose gateway is public. What is
// there already is kept as it is.
func (s *Service) Bootstrap(ctx context.Context, o BootstrapOptions) (Topology, error) {
	var t Topology
	if o.Physical == "" {
		o.Physical = "public"
	}
	if o.PrivateCIDR == "" {
		o.PrivateCIDR = "10.0.0.0/26"
	}
	err := s.change(ctx, systemScope, func(w *work) (err error) {
		t = Topology{}
		if o.PublicCIDR != "" {
			n := Row{"name": "public", "project_id": o.AdminProject, "router:external": true}
			if slices.Contains(s.cfg.Physical, o.Physical) {
				n["provider:network_type"], n["provider:physical_network"] = typeFlat, o.Physical
			}
			sub := Row{"name": "public-subnet", "project_id": o.AdminProject, "cidr": o.PublicCIDR, "enable_dhcp": false, "ip_version": int64(4)}
			if len(o.PublicPools) > 0 {
				sub["allocation_pools"] = o.PublicPools
			}
			if t.PublicID, t.PublicSubnetID, err = w.haveNetwork(n, sub); err != nil {
				return fmt.Errorf("public network: %w", err)
			}
		}
		if o.DemoProject == "" {
			return nil
		}
		sub := Row{"name": "private-subnet", "project_id": o.DemoProject, "cidr": o.PrivateCIDR, "enable_dhcp": true, "ip_version": int64(4), "dns_nameservers": o.DNS}
		if t.PrivateID, t.PrivateSubnetID, err = w.haveNetwork(Row{"name": "private", "project_id": o.DemoProject}, sub); err != nil {
			return fmt.Errorf("private network: %w", err)
		}
		t.RouterID, err = w.haveRouter("router1", o.DemoProject, t.PublicID, t.PrivateSubnetID)
		return err
	})
	return t, err
}

// haveNetwork finds a project's network by name, or makes it with a subnet.
func (w *work) haveNetwork(n, sub Row) (networkID, subnetID string, err error) {
	found, err := w.list(Networks, everything, Is("project_id", n.Project()), Is("name", n.Str("name")))
	if err != nil {
		return "", "", err
	}
	if len(found) == 0 {
		for attr, v := range map[string]any{"admin_state_up": true, "port_security_enabled": true, "availability_zone_hints": []any{}} {
			n[attr] = v
		}
		made, err := w.create(Networks, prepared{row: n})
		if err != nil {
			return "", "", err
		}
		found = []Row{made}
	}
	subnets, err := w.list(Subnets, everything, Is("network_id", found[0].ID()))
	if err != nil {
		return "", "", err
	}
	if len(subnets) == 0 {
		sub["network_id"] = found[0].ID()
		made, err := w.create(Subnets, prepared{row: sub})
		if err != nil {
			return "", "", err
		}
		subnets = []Row{made}
	}
	return found[0].ID(), subnets[0].ID(), nil
}

// haveRouter finds a project's router by name, or makes it, with a gateway and an
// interface.
func (w *work) haveRouter(name, project, external, subnetID string) (string, error) {
	found, err := w.list(Routers, everything, Is("project_id", project), Is("name", name))
	if err != nil || len(found) > 0 {
		if len(found) > 0 {
			return found[0].ID(), nil
		}
		return "", err
	}
	row := Row{"name": name, "project_id": project, "admin_state_up": true, "availability_zone_hints": []any{}}
	if external != "" {
		row["external_gateway_info"] = gatewayWant{NetworkID: external}
	}
	router, err := w.create(Routers, prepared{row: row})
	if err != nil {
		return "", fmt.Errorf("router: %w", err)
	}
	port, err := w.addBySubnet(router, subnetID)
	if err != nil {
		return "", fmt.Errorf("router interface: %w", err)
	}
	if err := w.s.store.Update(w.ctx, w.tx, Ports, port.ID(), Row{"status": "ACTIVE"}); err != nil {
		return "", err
	}
	_, err = w.placed(router)
	return router.ID(), err
}

const autoName = "auto_allocated_network"

// AutoTopology answers a project's automatic network, making it with a subnet
// from the default subnet pools and a router to the default external network;
// with dry, it only says whether it could.
func (s *Service) AutoTopology(ctx context.Context, project string, dry bool) (string, error) {
	var out string
	err := s.change(ctx, systemScope, func(w *work) error {
		external, err := w.list(Networks, everything, Is("router:external", true), Is("is_default", true))
		if err != nil {
			return err
		}
		pools, err := w.list(SubnetPools, everything, Is("is_default", true))
		if err != nil {
			return err
		}
		if len(external) == 0 || len(pools) == 0 {
			return bad("auto_allocate", "Deployment error: No default %s.", map[bool]string{true: "router:external network", false: "subnetpools defined"}[len(external) == 0])
		}
		if dry {
			out = "dry-run=pass"
			return nil
		}
		sub := Row{"name": "auto_allocated_subnet", "project_id": project, "subnetpool_id": pools[0].ID(), "ip_version": pools[0]["ip_version"], "enable_dhcp": true}
		n, subnet, err := w.haveNetwork(Row{"name": autoName, "project_id": project}, sub)
		if err != nil {
			return err
		}
		out = n
		_, err = w.haveRouter("auto_allocated_router", project, external[0].ID(), subnet)
		return err
	})
	return out, err
}

// DropAutoTopology removes a project's automatic network; none is a 404.
func (s *Service) DropAutoTopology(ctx context.Context, scope auth.Scope, project string) error {
	return s.change(ctx, systemScope, func(w *work) error {
		found, err := w.list(Networks, everything, Is("project_id", project), Is("name", autoName))
		if err != nil {
			return err
		}
		if len(found) == 0 || !scope.IsAdmin() && scope.ProjectID != project {
			return fault.New(fault.CodeNetworkNotFound, "No auto allocated topology for project %s.", project)
		}
		routers, err := w.list(Routers, everything, Is("project_id", project), Is("name", "auto_allocated_router"))
		if err != nil {
			return err
		}
		for _, r := range routers {
			ports, err := w.list(Ports, everything, Is("device_id", r.ID()), Is("device_owner", ownerInterface))
			if err != nil {
				return err
			}
			for _, p := range ports {
				if err := w.dropPort(p); err != nil {
					return err
				}
			}
			if err := w.remove(Routers, r); err != nil {
				return err
			}
		}
		return w.remove(Networks, found[0])
	})
}
