package compute

import (
	"context"

	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// HostLoad is what a host's servers take of it.
type HostLoad struct {
	Servers, Building int64 // guests, and those of them that are being built
	VCPUs, MemoryMiB  int64
	DiskGiB           int64
}

// Named is a server as a hypervisor lists it.
type Named struct{ ID, Name, Host string }

// HostStore is what operators' views of hosts need of the database.
type HostStore interface {
	HostLoads(ctx context.Context, r db.Reader) (map[string]HostLoad, error)
	ServersOf(ctx context.Context, r db.Reader, host string) ([]Named, error)
	SetHost(ctx context.Context, tx *db.Tx, h Host) error
	DeleteHost(ctx context.Context, tx *db.Tx, name string) error
}

// HostLoads answers what every host's servers take, in one query.
func (s *Service) HostLoads(ctx context.Context) (map[string]HostLoad, error) {
	return s.Store.HostLoads(ctx, s.DB)
}

// ServersOf answers the servers of a host; of all hosts for an empty name.
func (s *Service) ServersOf(ctx context.Context, host string) ([]Named, error) {
	return s.Store.ServersOf(ctx, s.DB, host)
}

// HostBy finds a host by the id of its hypervisor or its service, or by name.
func (s *Service) HostBy(ctx context.Context, match func(Host) bool) (Host, bool, error) {
	hosts, err := s.Store.Hosts(ctx, s.DB)
	for _, h := range hosts {
		if match(h) {
			return h, true, err
		}
	}
	return Host{}, false, err
}

// SetHost changes what an operator sets of a host: disabled, why, forced down.
func (s *Service) SetHost(ctx context.Context, name string, change func(*Host) error) (Host, error) {
	var h Host
	err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		var found bool
		var err error
		if h, found, err = s.Store.Host(ctx, tx, name); err != nil {
			return err
		}
		if !found {
			return fault.New(fault.CodeComputeHostUnknown, "Compute host %s could not be found.", name)
		}
		if err := change(&h); err != nil {
			return err
		}
		h.UpdatedAt = s.Clock.Now()
		return s.Store.SetHost(ctx, tx, h)
	})
	s.HostsChanged()
	return h, err
}

// DeleteHost forgets a host that has no servers; it comes back when it reports.
func (s *Service) DeleteHost(ctx context.Context, name string) error {
	err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		on, err := s.Store.ServersOf(ctx, tx, name)
		if err != nil {
			return err
		}
		if len(on) > 0 {
			return fault.New(fault.CodeComputeHostInUse, "Unable to delete compute service that is hosting instances. Migrate or delete the instances first.")
		}
		if err := s.Store.LeaveAggregates(ctx, tx, name); err != nil {
			return err
		}
		return s.Store.DeleteHost(ctx, tx, name)
	})
	s.HostsChanged()
	return err
}
