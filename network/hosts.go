package network

import (
	"context"
	"slices"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// Seen records that a host is there: it is called when a host registers, and
// again as its heartbeat. Routers that have no host yet find one.
func (s *Service) Seen(ctx context.Context, h Host) error {
	return s.change(ctx, systemScope, func(w *work) error {
		known, found, err := w.s.store.Host(w.ctx, w.tx, h.Name)
		if err != nil {
			return err
		}
		if found {
			h.ID, h.CreatedAt, h.AdminUp, h.Description = known.ID, known.CreatedAt, known.AdminUp, known.Description
		} else {
			h.ID, h.CreatedAt, h.AdminUp = s.cfg.IDs.UUID(), w.now, true
		}
		if h.StartedAt.IsZero() {
			h.StartedAt = w.now
		}
		if h.Zone == "" {
			h.Zone = s.cfg.Zone
		}
		h.SeenAt = w.now
		if err := w.s.store.SaveHost(w.ctx, w.tx, h); err != nil {
			return err
		}
		return w.placeOrphans()
	})
}

// Heard records the heartbeats of hosts of which nothing else changed, all in one
// write, as a thousand hosts send one every few seconds.
func (s *Service) Heard(ctx context.Context, names []string) error {
	return s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		for part := range slices.Chunk(names, chunk) {
			if err := s.store.Heard(ctx, tx, part, s.cfg.Clock.Now()); err != nil {
				return err
			}
		}
		return nil
	})
}

// placeOrphans gives routers without a host one, and their floating IPs with
// them.
func (w *work) placeOrphans() error {
	routers, err := w.list(Routers, everything, Is("host", ""))
	if err != nil {
		return err
	}
	for _, r := range routers {
		if r, err = w.placed(r); err != nil {
			return err
		}
		fips, err := w.list(FloatingIPs, everything, Is("router_id", r.ID()), Is("status", "DOWN"))
		if err != nil {
			return err
		}
		for _, f := range fips {
			if _, err := w.save(FloatingIPs, f, Row{"status": "ACTIVE"}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Evacuate moves a host's routers to the others; with no other, they wait for
// one.
func (s *Service) Evacuate(ctx context.Context, host string) error {
	return s.change(ctx, systemScope, func(w *work) error {
		routers, err := w.list(Routers, everything, Is("host", host))
		if err != nil {
			return err
		}
		hosts, err := w.s.store.Hosts(w.ctx, w.tx)
		if err != nil {
			return err
		}
		hosts = slices.DeleteFunc(hosts, func(h Host) bool { return h.Name == host })
		w.hosts[host] = true
		for _, r := range routers {
			to, physical := "", ""
			if id := r.Str("gw_network_id"); id != "" {
				n, err := w.network(id)
				if err != nil {
					return err
				}
				physical = n.Str("provider:physical_network")
			}
			if len(hosts) > 0 {
				to = choose(hosts, physical)
				w.hosts[to] = true
			}
			if err := w.s.store.Update(w.ctx, w.tx, Routers, r.ID(), Row{"host": to}); err != nil {
				return err
			}
		}
		return nil
	})
}

// zones lists the availability zones.
func (s *Service) zones(ctx context.Context, rd db.Reader) ([]string, error) {
	hosts, err := s.store.Hosts(ctx, rd)
	list := []string{s.cfg.Zone}
	for _, h := range hosts {
		list = append(list, h.Zone)
	}
	slices.Sort(list)
	return slices.Compact(list), err
}

// AvailabilityZone is one zone for one kind of resource.
type AvailabilityZone struct {
	Name     string `json:"name"`
	Resource string `json:"resource"`
	State    string `json:"state"`
}

// Zones lists the availability zones of networks and routers.
func (s *Service) Zones(ctx context.Context) ([]AvailabilityZone, error) {
	names, err := s.zones(ctx, s.cfg.DB)
	list := []AvailabilityZone{}
	for _, n := range names {
		list = append(list, AvailabilityZone{n, "network", "available"}, AvailabilityZone{n, "router", "available"})
	}
	return list, err
}

// aliveFor is how long after its heartbeat a host counts as alive.
const aliveFor = 75 * time.Second

// AgentView is a host's dataplane as an agent of the API.
type AgentView struct {
	ID             string         `json:"id"`
	AgentType      string         `json:"agent_type"`
	Binary         string         `json:"binary"`
	Topic          string         `json:"topic"`
	Host           string         `json:"host"`
	AdminUp        bool           `json:"admin_state_up"`
	Alive          bool           `json:"alive"`
	Zone           string         `json:"availability_zone"`
	CreatedAt      string         `json:"created_at"`
	StartedAt      string         `json:"started_at"`
	Heartbeat      string         `json:"heartbeat_timestamp"`
	Description    *string        `json:"description"`
	Configurations map[string]any `json:"configurations"`
}

// Agents presents every host's dataplane as one agent.
func (s *Service) Agents(ctx context.Context) ([]AgentView, error) {
	hosts, err := s.store.Hosts(ctx, s.cfg.DB)
	list := []AgentView{}
	now := s.cfg.Clock.Now()
	stamp := func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }
	for _, h := range hosts {
		v := AgentView{ID: h.ID, AgentType: "Altostack host agent", Binary: "altostack", Topic: "N/A", Host: h.Name, AdminUp: h.AdminUp,
			Alive: now.Sub(h.SeenAt) < aliveFor, Zone: h.Zone, CreatedAt: stamp(h.CreatedAt), StartedAt: stamp(h.StartedAt), Heartbeat: stamp(h.SeenAt),
			Configurations: map[string]any{"physical_networks": h.Physical, "routers": h.Routers}}
		if h.Description != "" {
			v.Description = &h.Description
		}
		list = append(list, v)
	}
	return list, err
}

// SetAgent changes what an administrator may of a host's agent.
func (s *Service) SetAgent(ctx context.Context, id string, adminUp *bool, description *string) error {
	return s.change(ctx, systemScope, func(w *work) error {
		hosts, err := w.s.store.Hosts(w.ctx, w.tx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(hosts, func(h Host) bool { return h.ID == id })
		if i < 0 {
			return fault.New(fault.CodeNetworkAgentNotFound, "Agent %s could not be found.", id)
		}
		if adminUp != nil {
			hosts[i].AdminUp = *adminUp
		}
		if description != nil {
			hosts[i].Description = *description
		}
		return w.s.store.SaveHost(w.ctx, w.tx, hosts[i])
	})
}

// Availability is how many addresses a network has and uses.
type Availability struct {
	NetworkID   string               `json:"network_id"`
	NetworkName string               `json:"network_name"`
	TenantID    string               `json:"tenant_id"`
	ProjectID   string               `json:"project_id"`
	Total       float64              `json:"total_ips"`
	Used        int64                `json:"used_ips"`
	Subnets     []SubnetAvailability `json:"subnet_ip_availability"`
}

// SubnetAvailability is a subnet's part of it.
type SubnetAvailability struct {
	SubnetID   string  `json:"subnet_id"`
	SubnetName string  `json:"subnet_name"`
	CIDR       string  `json:"cidr"`
	IPVersion  int64   `json:"ip_version"`
	Total      float64 `json:"total_ips"`
	Used       int64   `json:"used_ips"`
}

// Availabilities counts the addresses of networks.
func (s *Service) Availabilities(ctx context.Context, scope auth.Scope, q Query) ([]Availability, error) {
	version := int64(0)
	q.Filters = slices.DeleteFunc(slices.Clone(q.Filters), func(f Filter) bool {
		if f.Attr == "ip_version" {
			version, _ = f.Values[0].(int64)
		}
		return f.Attr == "ip_version"
	})
	networks, _, err := s.List(ctx, scope, Networks, q)
	if err != nil {
		return nil, err
	}
	ids := idsOf(networks, "id")
	subnets, err := s.related(ctx, s.cfg.DB, Subnets, "network_id", ids)
	if err != nil {
		return nil, err
	}
	used := map[string]int64{}
	for part := range slices.Chunk(ids, chunk) {
		some, err := s.store.Usage(ctx, s.cfg.DB, part)
		if err != nil {
			return nil, err
		}
		for k, v := range some {
			used[k] = v
		}
	}
	list := []Availability{}
	for _, n := range networks {
		a := Availability{NetworkID: n.ID(), NetworkName: n.Str("name"), TenantID: n.Project(), ProjectID: n.Project(), Subnets: []SubnetAvailability{}}
		for _, sub := range subnets {
			if sub.Str("network_id") != n.ID() || version != 0 && sub.Int("ip_version") != version {
				continue
			}
			total := 0.0
			for _, p := range Decode[[]Pool](sub, "allocation_pools") {
				total += size(p.bounds())
			}
			a.Subnets = append(a.Subnets, SubnetAvailability{sub.ID(), sub.Str("name"), sub.Str("cidr"), sub.Int("ip_version"), total, used[sub.ID()]})
			a.Total, a.Used = a.Total+total, a.Used+used[sub.ID()]
		}
		list = append(list, a)
	}
	return list, nil
}

// size counts a range's addresses; IPv6 has more than an integer holds.
func size(r Range) float64 {
	n := func(b []byte) (x float64) {
		for _, v := range b {
			x = x*256 + float64(v)
		}
		return x
	}
	return n(r.Last.AsSlice()) - n(r.First.AsSlice()) + 1
}
