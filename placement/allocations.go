package placement

import (
	"context"
	"maps"
	"slices"

	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// AllocationsOf answers a consumer, what it holds and the generations of the
// providers it holds it on. A consumer that does not exist holds nothing.
func (s *Service) AllocationsOf(ctx context.Context, consumer string) (Consumer, []Allocation, map[string]int64, error) {
	c, _, err := s.store.Consumer(ctx, s.db, consumer)
	if err != nil {
		return c, nil, nil, err
	}
	held, err := s.store.AllocationsOf(ctx, s.db, consumer)
	if err != nil || len(held) == 0 {
		return c, held, nil, err
	}
	ids := map[string]bool{}
	for _, a := range held {
		ids[a.Provider] = true
	}
	providers, err := s.store.Load(ctx, s.db, slices.Collect(maps.Keys(ids)))
	generations := map[string]int64{}
	for _, p := range providers {
		generations[p.UUID] = p.Generation
	}
	return c, held, generations, err
}

// AllocationsOn answers a provider, what is held of it, and its consumers'
// generations.
func (s *Service) AllocationsOn(ctx context.Context, uuid string) (*Provider, []Allocation, map[string]int64, error) {
	p, err := s.Provider(ctx, uuid)
	if err != nil {
		return nil, nil, nil, err
	}
	held, err := s.store.AllocationsOn(ctx, s.db, uuid)
	if err != nil {
		return nil, nil, nil, err
	}
	generations, err := s.store.ConsumersOn(ctx, s.db, uuid)
	return p, held, generations, err
}

// Usages sums what a project's consumers hold, by type; user may be empty.
func (s *Service) Usages(ctx context.Context, project, user string) ([]Usage, error) {
	return s.store.Usages(ctx, s.db, project, user)
}

// Allocate replaces the allocations of several consumers in one transaction.
func (s *Service) Allocate(ctx context.Context, writes []Write) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.allocate(ctx, tx, writes) })
}

func (s *Service) allocate(ctx context.Context, tx *db.Tx, writes []Write) error {
	holdings := make([]holding, 0, len(writes))
	for _, w := range writes {
		h, err := s.holding(ctx, tx, w)
		if err != nil {
			return err
		}
		holdings = append(holdings, h)
	}
	return s.replace(ctx, tx, holdings)
}

func (s *Service) holding(ctx context.Context, tx *db.Tx, w Write) (holding, error) {
	h := holding{consumer: w.Consumer, want: w.Allocations}
	known, found, err := s.store.Consumer(ctx, tx, w.Consumer.ID)
	if err != nil {
		return h, err
	}
	h.new = !found
	if w.CheckGen {
		if err := checkGeneration(known, found, w.Generation); err != nil {
			return h, err
		}
	}
	if found {
		h.consumer.Generation = known.Generation
		if h.consumer.Type == "" {
			h.consumer.Type = known.Type
		}
	}
	if err := s.checkWanted(ctx, tx, w.Allocations); err != nil {
		return h, err
	}
	h.held, err = s.store.AllocationsOf(ctx, tx, w.Consumer.ID)
	return h, err
}

func checkGeneration(known Consumer, found bool, given *int64) error {
	switch {
	case !found && given != nil:
		return fault.New(fault.CodePlacementGenerationConflict, "consumer generation conflict - expected null but got %d", *given)
	case found && given == nil:
		return fault.New(fault.CodePlacementGenerationConflict, "consumer generation conflict - expected %d but got None", known.Generation)
	case found && *given != known.Generation:
		return fault.New(fault.CodePlacementGenerationConflict, "consumer generation conflict - expected %d but got %d", known.Generation, *given)
	}
	return nil
}

func (s *Service) checkWanted(ctx context.Context, tx *db.Tx, want map[string]map[string]int64) error {
	ids := slices.Sorted(maps.Keys(want))
	if len(ids) == 0 {
		return nil
	}
	providers, err := s.store.Load(ctx, tx, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !slices.ContainsFunc(providers, func(p *Provider) bool { return p.UUID == id }) {
			return fault.New(fault.CodePlacementUnknownProvider, "Allocation for resource provider '%s' that does not exist.", id)
		}
		unknown, err := s.unknown(ctx, tx, ClassName, slices.Sorted(maps.Keys(want[id])))
		if err != nil {
			return err
		}
		if len(unknown) > 0 {
			return fault.New(fault.CodePlacementInvalid, "Unable to allocate inventory No such resource class %s.", unknown[0])
		}
	}
	return nil
}

// DeleteAllocations frees all that a consumer holds; nothing held is placement.not_found.
func (s *Service) DeleteAllocations(ctx context.Context, consumer string) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		held, err := s.store.AllocationsOf(ctx, tx, consumer)
		if err != nil {
			return err
		}
		if len(held) == 0 {
			return fault.New(fault.CodePlacementNotFound, "No allocations for consumer '%s'", consumer)
		}
		return s.replace(ctx, tx, []holding{{consumer: Consumer{ID: consumer}, held: held}})
	})
}

// Reshape is a provider's part of a reshaping: its inventories afterwards.
type Reshape struct {
	Generation  int64
	Inventories map[string]Inventory
}

// Reshape moves inventories and allocations at once: inventories that will go
// stay until the allocations have left them.
func (s *Service) Reshape(ctx context.Context, inventories map[string]Reshape, writes []Write) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		ids := slices.Sorted(maps.Keys(inventories))
		for _, id := range ids {
			if err := s.widen(ctx, tx, id, inventories[id]); err != nil {
				return err
			}
		}
		if err := s.allocate(ctx, tx, writes); err != nil {
			return err
		}
		for _, id := range ids {
			p, err := s.provider(ctx, tx, id)
			if err != nil {
				return err
			}
			if err := s.setInventories(ctx, tx, p, inventories[id].Inventories); err != nil {
				return err
			}
			if err := s.advance(ctx, tx, p, &p); err != nil {
				return err
			}
		}
		return nil
	})
}

// widen adds the new inventories to those that are there.
func (s *Service) widen(ctx context.Context, tx *db.Tx, id string, r Reshape) error {
	list, err := s.store.Load(ctx, tx, []string{id})
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fault.New(fault.CodePlacementUnknownProvider, "Resource provider %s in inventories not found: No resource provider with uuid %s found", id, id)
	}
	p := list[0]
	if p.Generation != r.Generation {
		return fault.New(fault.CodePlacementGenerationConflict, "resource provider generation conflict for provider %s: actual: %d, given: %d", id, p.Generation, r.Generation)
	}
	if err := s.checkInventories(ctx, tx, p, r.Inventories, true); err != nil {
		return err
	}
	for class, inv := range r.Inventories {
		inv.UpdatedAt = s.clock.Now()
		if err := s.store.SaveInventory(ctx, tx, id, class, inv); err != nil {
			return err
		}
	}
	return nil
}
