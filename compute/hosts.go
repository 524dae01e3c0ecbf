package compute

import (
	"context"
	"time"

	"altostack/hostapi"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// hostCache keeps the list of hosts for a moment: every boot asks for it.
type hostCache struct {
	at    time.Time
	hosts []Host
}

// hostsFresh is how old the cached list of hosts may be.
const hostsFresh = time.Second

// heard is when this process last heard of a host, and what was saved of it.
type heard struct {
	at, saved time.Time
	record    string
}

// Hypervisors answers every host, at most a second old.
func (s *Service) Hypervisors(ctx context.Context) ([]Host, error) {
	if hosts := s.cachedHosts(); hosts != nil {
		return hosts, nil
	}
	s.reading.Lock() // many boots ask at once, and one reads
	defer s.reading.Unlock()
	if hosts := s.cachedHosts(); hosts != nil {
		return hosts, nil
	}
	now := s.Clock.Now()
	hosts, err := s.Store.Hosts(ctx, s.DB)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.hosts = hostCache{now, hosts}
	s.mu.Unlock()
	return hosts, nil
}

func (s *Service) cachedHosts() []Host {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Clock.Now().Sub(s.hosts.at) < hostsFresh {
		return s.hosts.hosts
	}
	return nil
}

// HostsChanged drops the cached list: an operator changed a host.
func (s *Service) HostsChanged() {
	s.mu.Lock()
	s.hosts = hostCache{}
	s.mu.Unlock()
}

// Register saves a host and its inventory. A heartbeat that says nothing new is
// saved only now and then, as a thousand hosts send one every few seconds.
func (s *Service) Register(ctx context.Context, h hostapi.Host) error {
	if h.Name == "" {
		return fault.New(fault.CodeComputeBadRequest, "A host must have a name.")
	}
	if h.Protocol != hostapi.Version {
		return fault.New(fault.CodeComputeBadRequest, "Host %s speaks version %d of the host protocol, and version %d is wanted.", h.Name, h.Protocol, hostapi.Version)
	}
	now, record := s.Clock.Now(), db.JSON(h)
	last, due := s.hear(h.Name, record, now)
	if last.record == record {
		return s.saveBeats(ctx, due, now)
	}
	known, found, err := s.Store.Host(ctx, s.DB, h.Name)
	if err != nil {
		return err
	}
	if !found {
		zone := h.Zone
		if zone == "" {
			zone = DefaultZone
		}
		known = Host{Name: h.Name, HypervisorID: s.IDs.UUID(), ServiceID: s.IDs.UUID(), Zone: zone}
	}
	known.ProviderID, err = s.Placement.EnsureHost(ctx, Inventory{Name: h.Name, UUID: known.HypervisorID, VCPUs: h.VCPUs, MemoryMiB: h.MemoryMiB, DiskGiB: h.DiskGiB,
		ReservedVCPUs: h.Reserved.VCPUs, ReservedMemoryMiB: h.Reserved.MemoryMiB, ReservedDiskGiB: h.Reserved.DiskGiB, Traits: h.Traits})
	if err != nil {
		return err
	}
	known.Record, known.SeenAt = h, now
	if err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.Store.PutHost(ctx, tx, known) }); err != nil {
		return err
	}
	s.mu.Lock()
	s.heard[h.Name] = heard{now, now, record}
	s.hosts = hostCache{}
	s.mu.Unlock()
	return nil
}

// hear notes a heartbeat. When the host's is due to be saved, it answers all
// hosts that were heard of lately, for one write.
func (s *Service) hear(name, record string, now time.Time) (last heard, due []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last = s.heard[name]
	if last.record != record {
		return last, nil
	}
	s.heard[name] = heard{now, last.saved, record}
	if now.Sub(last.saved) < Silence/3 {
		return last, nil
	}
	for other, h := range s.heard {
		if now.Sub(h.at) < Silence/6 {
			due, s.heard[other] = append(due, other), heard{h.at, now, h.record}
		}
	}
	return last, due
}

func (s *Service) saveBeats(ctx context.Context, names []string, at time.Time) error {
	if len(names) == 0 {
		return nil
	}
	return s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.Store.HostsSeen(ctx, tx, names, at) })
}

// ZoneOf answers a host's availability zone, or the default one.
func (s *Service) ZoneOf(ctx context.Context, host string) string {
	hosts, err := s.Hypervisors(ctx)
	if err == nil {
		for _, h := range hosts {
			if h.Name == host {
				return h.Zone
			}
		}
	}
	return DefaultZone
}
