package compute

import (
	"context"
	"maps"
	"slices"
	"time"

	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// ZoneKey is the metadata of an aggregate that makes its hosts a zone.
const ZoneKey = "availability_zone"

// Aggregate is a group of hosts that operators make. One whose metadata names an
// availability zone moves its hosts into it; a host is in one zone at most.
type Aggregate struct {
	Number    int64
	ID        string // UUID
	Name      string
	Metadata  map[string]string
	Hosts     []string // in order of name
	CreatedAt time.Time
	UpdatedAt time.Time // zero until the first change
}

// Zone is the availability zone that the aggregate makes; empty: none.
func (a Aggregate) Zone() string { return a.Metadata[ZoneKey] }

// AggregateStore is what aggregates need of the database.
type AggregateStore interface {
	Aggregates(ctx context.Context, r db.Reader) ([]Aggregate, error)
	Aggregate(ctx context.Context, r db.Reader, number int64) (Aggregate, bool, error)
	InsertAggregate(ctx context.Context, tx *db.Tx, a Aggregate) (Aggregate, error)
	SaveAggregate(ctx context.Context, tx *db.Tx, a Aggregate) error
	DeleteAggregate(ctx context.Context, tx *db.Tx, number int64) error
	LeaveAggregates(ctx context.Context, tx *db.Tx, host string) error
}

func noAggregate(id string) error {
	return fault.New(fault.CodeComputeAggregateNotFound, "Aggregate %s could not be found.", id)
}

// Aggregates answers all of them, in the order in which they were made.
func (s *Service) Aggregates(ctx context.Context) ([]Aggregate, error) {
	return s.Store.Aggregates(ctx, s.DB)
}

// Aggregate answers one; fault compute.aggregate_not_found.
func (s *Service) Aggregate(ctx context.Context, number int64) (Aggregate, error) {
	return s.aggregate(ctx, s.DB, number)
}

func (s *Service) aggregate(ctx context.Context, r db.Reader, number int64) (Aggregate, error) {
	a, found, err := s.Store.Aggregate(ctx, r, number)
	if err == nil && !found {
		err = noAggregate(itoa(number))
	}
	return a, err
}

// CreateAggregate makes an aggregate without hosts; with a zone, its hosts will
// be in it.
func (s *Service) CreateAggregate(ctx context.Context, name, zone string) (Aggregate, error) {
	a := Aggregate{ID: s.IDs.UUID(), Name: name, Metadata: map[string]string{}, Hosts: []string{}, CreatedAt: s.Clock.Now()}
	if zone != "" {
		a.Metadata[ZoneKey] = zone
	}
	err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		a, err = s.Store.InsertAggregate(ctx, tx, a)
		return err
	})
	return a, nameTaken(err, name)
}

func nameTaken(err error, name string) error {
	if db.IsUnique(err) {
		return fault.Because(err, fault.CodeComputeAggregateExists, "Aggregate %s already exists.", name)
	}
	return err
}

// UpdateAggregate sets a new name, if one is given, and a new zone, if setZone.
func (s *Service) UpdateAggregate(ctx context.Context, number int64, name, zone *string, setZone bool) (Aggregate, error) {
	a, err := s.changeAggregate(ctx, number, func(ctx context.Context, tx *db.Tx, a *Aggregate) error {
		if name != nil {
			a.Name = *name
		}
		if !setZone {
			return nil
		}
		return s.setZone(ctx, tx, a, zone, "Cannot update aggregate %d. Reason: %s.")
	})
	if name != nil {
		err = nameTaken(err, *name)
	}
	return a, err
}

// SetAggregateMetadata merges metadata into an aggregate's; null removes.
func (s *Service) SetAggregateMetadata(ctx context.Context, number int64, metadata map[string]*string) (Aggregate, error) {
	return s.changeAggregate(ctx, number, func(ctx context.Context, tx *db.Tx, a *Aggregate) error {
		if zone, asked := metadata[ZoneKey]; asked {
			if err := s.setZone(ctx, tx, a, zone, "Cannot update metadata of aggregate %d. Reason: %s."); err != nil {
				return err
			}
		}
		for k, v := range metadata {
			if v == nil {
				delete(a.Metadata, k)
			} else {
				a.Metadata[k] = *v
			}
		}
		return nil
	})
}

// setZone checks that the hosts may all move to a zone: none is in another one
// by another aggregate, and no servers would move along.
func (s *Service) setZone(ctx context.Context, tx *db.Tx, a *Aggregate, zone *string, says string) error {
	refuse := func(why string) error {
		return fault.New(fault.CodeComputeAggregateInvalid, says, a.Number, why).WithField(ZoneKey)
	}
	if zone == nil || *zone == "" {
		return refuse("Aggregate " + a.Name + " does not support empty named availability zone")
	}
	if *zone == a.Zone() {
		return nil
	}
	others, err := s.Store.Aggregates(ctx, tx)
	if err != nil {
		return err
	}
	for _, host := range a.Hosts {
		if other := zoneBy(others, host, a.Number); other != "" && other != *zone {
			return refuse("One or more hosts already in availability zone(s) ['" + other + "']")
		}
		if on, err := s.Store.ServersOf(ctx, tx, host); err != nil {
			return err
		} else if len(on) > 0 {
			return refuse("One or more hosts contain instances in this zone")
		}
	}
	a.Metadata[ZoneKey] = *zone
	return nil
}

// zoneBy is the zone that aggregates put a host into, but for one of them.
func zoneBy(all []Aggregate, host string, but int64) string {
	for _, a := range all {
		if a.Number != but && a.Zone() != "" && slices.Contains(a.Hosts, host) {
			return a.Zone()
		}
	}
	return ""
}

// JoinAggregate puts a host into an aggregate, and so into its zone.
func (s *Service) JoinAggregate(ctx context.Context, number int64, host string) (Aggregate, error) {
	return s.changeAggregate(ctx, number, func(ctx context.Context, tx *db.Tx, a *Aggregate) error {
		if _, found, err := s.Store.Host(ctx, tx, host); err != nil {
			return err
		} else if !found {
			return fault.New(fault.CodeComputeHostUnknown, "Compute host %s could not be found.", host)
		}
		if slices.Contains(a.Hosts, host) {
			return fault.New(fault.CodeComputeAggregateHost, "Aggregate %d already has host %s.", number, host)
		}
		if a.Zone() != "" {
			if err := s.mayMove(ctx, tx, *a, host); err != nil {
				return err
			}
		}
		a.Hosts = append(a.Hosts, host)
		slices.Sort(a.Hosts)
		return nil
	})
}

// mayMove refuses a host that another aggregate keeps in another zone, and one
// whose servers would change theirs.
func (s *Service) mayMove(ctx context.Context, tx *db.Tx, a Aggregate, host string) error {
	all, err := s.Store.Aggregates(ctx, tx)
	if err != nil {
		return err
	}
	old := zoneBy(all, host, a.Number)
	if old != "" && old != a.Zone() {
		return fault.New(fault.CodeComputeAggregateHost, "Cannot add host to aggregate %d. Reason: One or more hosts already in availability zone(s) ['%s'].", a.Number, old)
	}
	on, err := s.Store.ServersOf(ctx, tx, host)
	if err == nil && old == "" && len(on) > 0 {
		err = fault.New(fault.CodeComputeAggregateHost, "Cannot add host to aggregate %d. Reason: The availability zone of the host would become '%s' but the host already has %d instance(s).", a.Number, a.Zone(), len(on))
	}
	return err
}

// QuitAggregate takes a host out of an aggregate; it falls back to the zone that
// it names itself.
func (s *Service) QuitAggregate(ctx context.Context, number int64, host string) (Aggregate, error) {
	return s.changeAggregate(ctx, number, func(ctx context.Context, tx *db.Tx, a *Aggregate) error {
		at := slices.Index(a.Hosts, host)
		if at < 0 {
			return fault.New(fault.CodeComputeAggregateNotFound, "Cannot remove host %s in aggregate %d", host, number)
		}
		a.Hosts = slices.Delete(a.Hosts, at, at+1)
		if a.Zone() == "" {
			return nil
		}
		all, err := s.Store.Aggregates(ctx, tx)
		if err != nil || zoneBy(all, host, number) == a.Zone() {
			return err
		}
		on, err := s.Store.ServersOf(ctx, tx, host)
		if err == nil && len(on) > 0 {
			err = fault.New(fault.CodeComputeAggregateHost, "Cannot remove host from aggregate %d. Reason: The availability zone '%s' of the host would change but the host already has %d instance(s).", number, a.Zone(), len(on))
		}
		return err
	})
}

// DeleteAggregate removes an aggregate without hosts.
func (s *Service) DeleteAggregate(ctx context.Context, number int64) error {
	return s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		a, err := s.aggregate(ctx, tx, number)
		if err != nil {
			return err
		}
		if len(a.Hosts) > 0 {
			return fault.New(fault.CodeComputeAggregateInvalid, "Cannot remove host from aggregate %d. Reason: Host aggregate is not empty.", number)
		}
		return s.Store.DeleteAggregate(ctx, tx, number)
	})
}

// changeAggregate reads, changes and saves an aggregate, and moves the hosts that
// it gained, lost or has into the zones that now follow.
func (s *Service) changeAggregate(ctx context.Context, number int64, change func(context.Context, *db.Tx, *Aggregate) error) (Aggregate, error) {
	var a Aggregate
	err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		before, err := s.aggregate(ctx, tx, number)
		if err != nil {
			return err
		}
		a = before
		a.Metadata, a.Hosts = maps.Clone(before.Metadata), slices.Clone(before.Hosts)
		if a.Metadata == nil {
			a.Metadata = map[string]string{}
		}
		if err := change(ctx, tx, &a); err != nil {
			return err
		}
		a.UpdatedAt = s.Clock.Now()
		if err := s.Store.SaveAggregate(ctx, tx, a); err != nil {
			return err
		}
		return s.rezone(ctx, tx, append(before.Hosts, a.Hosts...))
	})
	s.HostsChanged()
	return a, err
}

// rezone gives hosts the zone that their aggregates make, else the one that they
// name themselves, else the default one.
func (s *Service) rezone(ctx context.Context, tx *db.Tx, hosts []string) error {
	all, err := s.Store.Aggregates(ctx, tx)
	if err != nil {
		return err
	}
	slices.Sort(hosts)
	for _, name := range slices.Compact(hosts) {
		h, found, err := s.Store.Host(ctx, tx, name)
		if err != nil {
			return err
		}
		zone := zoneBy(all, name, 0)
		if zone == "" {
			zone = h.Record.Zone
		}
		if zone == "" {
			zone = DefaultZone
		}
		if !found || zone == h.Zone {
			continue
		}
		h.Zone, h.UpdatedAt = zone, s.Clock.Now()
		if err := s.Store.SetHost(ctx, tx, h); err != nil {
			return err
		}
	}
	return nil
}
