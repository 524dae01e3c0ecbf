// Package placement owns what hosts have and who holds it: resource providers
// with inventories, traits and aggregates, and consumers with allocations.
//
// What is promised of each inventory is kept beside it and changes in the same
// transaction as the allocations, in one conditional UPDATE; that is the only
// place where room is decided. Finding candidates may use a view that is a
// moment old, since a claim that no longer fits is refused with
// placement.no_room and the caller tries the next candidate.
//
// Callers race freely. Writers of a provider or a consumer that name a
// generation get placement.generation_conflict when somebody was faster.
//
// Wire format: OpenStack Placement API 1.0 to 1.39; the routes are in
// placement/api.
package placement

import (
	"context"
	"slices"
	"time"

	"altostack/kernel/clock"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/id"
)

// Config is what a Service needs.
type Config struct {
	DB    *db.DB
	Store Store
	Clock clock.Clock
	IDs   id.Source
	// Randomize starts lists of candidates at a random provider, as the option
	// randomize_allocation_candidates does.
	Randomize bool
}

// Service is placement; it is safe for concurrent use.
type Service struct {
	db        *db.DB
	store     Store
	clock     clock.Clock
	ids       id.Source
	randomize bool
	view      view
}

// New makes the service.
func New(c Config) *Service {
	s := &Service{db: c.DB, store: c.Store, clock: c.Clock, ids: c.IDs, randomize: c.Randomize}
	s.view.s = s
	// Only on SQLite is this process the one that writes.
	s.view.alone = c.DB.Dialect == db.SQLite
	return s
}

// Now is the service's time.
func (s *Service) Now() time.Time { return s.clock.Now() }

// touched makes the view read the providers again once tx is durable.
func (s *Service) touched(tx *db.Tx, providers ...string) {
	tx.AfterCommit(func() { s.view.touch(providers) })
}

// Provider answers one provider, or placement.not_found.
func (s *Service) Provider(ctx context.Context, uuid string) (*Provider, error) {
	return s.provider(ctx, s.db, uuid)
}

func (s *Service) provider(ctx context.Context, r db.Reader, uuid string) (*Provider, error) {
	list, err := s.store.Load(ctx, r, []string{uuid})
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fault.New(fault.CodePlacementNotFound, "No resource provider with uuid %s found", uuid)
	}
	return list[0], nil
}

// change runs f on a provider in one transaction and advances its generation.
// With a generation given, a provider at another one is a conflict.
func (s *Service) change(ctx context.Context, uuid string, generation *int64, f func(ctx context.Context, tx *db.Tx, p *Provider) error) (*Provider, error) {
	var out *Provider
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		p, err := s.provider(ctx, tx, uuid)
		if err != nil {
			return err
		}
		if generation != nil && *generation != p.Generation {
			return fault.New(fault.CodePlacementGenerationConflict, "resource provider generation conflict for provider %s: actual: %d, given: %d", uuid, p.Generation, *generation)
		}
		if err := f(ctx, tx, p); err != nil {
			return err
		}
		return s.advance(ctx, tx, p, &out)
	})
	return out, err
}

func (s *Service) advance(ctx context.Context, tx *db.Tx, p *Provider, out **Provider) error {
	from := p.Generation
	p.Generation, p.UpdatedAt = from+1, s.clock.Now()
	saved, err := s.store.SaveProvider(ctx, tx, p, from)
	if err != nil {
		return err
	}
	if !saved {
		return errConcurrent()
	}
	s.touched(tx, p.UUID)
	*out, err = s.provider(ctx, tx, p.UUID)
	return err
}

func errConcurrent() error {
	return fault.New(fault.CodePlacementGenerationConflict, "Another thread concurrently updated the data. Please retry your update")
}

// EnsureHost makes or updates the provider of a host, found by UUID or else by
// name, and answers its UUID. A class without amount is taken away, unless
// somebody uses it. Nothing is written where nothing changes.
func (s *Service) EnsureHost(ctx context.Context, h HostInventory) (string, error) {
	traits := slices.Clone(h.Traits)
	slices.Sort(traits)
	traits = slices.Compact(traits)
	uuid := h.UUID
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		p, err := s.ensureProvider(ctx, tx, h)
		if err != nil {
			return err
		}
		uuid = p.UUID
		changed, err := s.ensureInventories(ctx, tx, p, h.inventories())
		if err != nil {
			return err
		}
		if !slices.Equal(traits, p.Traits) {
			if err := s.ensureTraits(ctx, tx, traits); err != nil {
				return err
			}
			if err := s.store.SetTraits(ctx, tx, uuid, traits); err != nil {
				return err
			}
			changed = true
		}
		if !changed {
			return nil
		}
		return s.advance(ctx, tx, p, &p)
	})
	return uuid, err
}

func (s *Service) ensureProvider(ctx context.Context, tx *db.Tx, h HostInventory) (*Provider, error) {
	uuid := h.UUID
	if uuid == "" {
		var err error
		if uuid, err = s.store.FindByName(ctx, tx, h.Name); err != nil {
			return nil, err
		}
	}
	if uuid != "" {
		list, err := s.store.Load(ctx, tx, []string{uuid})
		if err != nil {
			return nil, err
		}
		if len(list) == 1 {
			return list[0], nil
		}
	} else {
		uuid = s.ids.UUID()
	}
	now := s.clock.Now()
	p := &Provider{UUID: uuid, Name: h.Name, Root: uuid, CreatedAt: now, UpdatedAt: now, Inventories: map[string]Inventory{}}
	if err := s.store.InsertProvider(ctx, tx, p); err != nil {
		if db.IsUnique(err) {
			return nil, fault.Because(err, fault.CodePlacementDuplicateName, "Conflicting resource provider name: %s already exists.", h.Name)
		}
		return nil, err
	}
	return p, nil
}

func (h HostInventory) inventories() map[string]Inventory {
	out := map[string]Inventory{}
	add := func(class string, total, reserved int64, ratio float64) {
		if total <= 0 {
			return
		}
		if ratio == 0 {
			ratio = 1
		}
		out[class] = Inventory{Total: total, Reserved: min(reserved, total), MinUnit: 1, MaxUnit: total, StepSize: 1, Ratio: ratio}
	}
	add("VCPU", h.VCPUs, h.ReservedVCPUs, h.CPURatio)
	add("MEMORY_MB", h.MemoryMiB, h.ReservedMemoryMiB, h.MemoryRatio)
	add("DISK_GB", h.DiskGiB, h.ReservedDiskGiB, h.DiskRatio)
	return out
}

// ensureInventories writes the differences and leaves classes alone that a host
// does not report, since an operator may have added them.
func (s *Service) ensureInventories(ctx context.Context, tx *db.Tx, p *Provider, want map[string]Inventory) (changed bool, err error) {
	for class, inv := range want {
		have, is := p.Inventories[class]
		inv.Used, inv.UpdatedAt = have.Used, have.UpdatedAt
		if is && have == inv {
			continue
		}
		inv.UpdatedAt = s.clock.Now()
		if err := s.store.SaveInventory(ctx, tx, p.UUID, class, inv); err != nil {
			return false, err
		}
		changed = true
	}
	for _, class := range []string{"VCPU", "MEMORY_MB", "DISK_GB"} {
		have, is := p.Inventories[class]
		if _, wanted := want[class]; is && !wanted && have.Used == 0 {
			if err := s.store.DeleteInventory(ctx, tx, p.UUID, class); err != nil {
				return false, err
			}
			changed = true
		}
	}
	return changed, nil
}

// ensureTraits makes custom traits that a host reports.
func (s *Service) ensureTraits(ctx context.Context, tx *db.Tx, traits []string) error {
	for _, t := range traits {
		if standardTraits()[t] {
			continue
		}
		if !customName.MatchString(t) || len(t) > 255 {
			return fault.New(fault.CodePlacementInvalid, "No such trait(s): %s.", t)
		}
		if _, err := s.store.InsertName(ctx, tx, TraitName, t, s.clock.Now()); err != nil {
			return err
		}
	}
	return nil
}
