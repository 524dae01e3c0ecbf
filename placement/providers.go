package placement

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"altostack/kernel/db"
	"altostack/kernel/fault"
)

var customName = regexp.MustCompile(`^CUSTOM_[A-Z0-9_]+$`)

// Providers lists providers in order of creation, as far as keep holds.
func (s *Service) Providers(ctx context.Context, keep func(*Provider) bool) ([]*Provider, error) {
	snap, err := s.view.get(ctx, true)
	if err != nil {
		return nil, err
	}
	var out []*Provider
	for _, p := range snap.list {
		if keep(p) {
			out = append(out, p)
		}
	}
	return out, nil
}

// TreeOf answers the root of a provider, empty where there is no such provider.
func (s *Service) TreeOf(ctx context.Context, uuid string) (string, error) {
	snap, err := s.view.get(ctx, true)
	if err != nil {
		return "", err
	}
	if p := snap.find(uuid); p != nil {
		return p.Root, nil
	}
	return "", nil
}

// CreateProvider adds a provider; an empty uuid is made, an empty parent makes it a root.
func (s *Service) CreateProvider(ctx context.Context, uuid, name, parent string) (*Provider, error) {
	if uuid == "" {
		uuid = s.ids.UUID()
	}
	now := s.clock.Now()
	p := &Provider{UUID: uuid, Name: name, Parent: parent, Root: uuid, CreatedAt: now, UpdatedAt: now}
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if parent != "" {
			list, err := s.store.Load(ctx, tx, []string{parent})
			if err != nil {
				return err
			}
			if len(list) == 0 || parent == uuid {
				return fault.New(fault.CodePlacementInvalid, "Unable to create resource provider \"%s\", %s: Object action create failed because: parent provider UUID does not exist.", name, uuid)
			}
			p.Root = list[0].Root
		}
		if err := s.free(ctx, tx, uuid, name); err != nil {
			return err
		}
		if err := s.store.InsertProvider(ctx, tx, p); err != nil {
			if db.IsUnique(err) {
				return fault.Because(err, fault.CodePlacementDuplicateName, "Conflicting resource provider name: %s already exists.", name)
			}
			return err
		}
		s.touched(tx, uuid)
		return nil
	})
	return p, err
}

// free checks that neither uuid nor name is taken.
func (s *Service) free(ctx context.Context, tx *db.Tx, uuid, name string) error {
	var taken []string
	list, err := s.store.Load(ctx, tx, []string{uuid})
	if err != nil {
		return err
	}
	if len(list) > 0 {
		taken = append(taken, "uuid: "+uuid)
	}
	other, err := s.store.FindByName(ctx, tx, name)
	if err != nil {
		return err
	}
	if other != "" {
		taken = append(taken, "name: "+name)
	}
	if len(taken) > 0 {
		return fault.New(fault.CodePlacementDuplicateName, "Conflicting resource provider %s already exists.", strings.Join(taken, ", "))
	}
	return nil
}

// UpdateProvider renames a provider and, where parent is not nil, moves it: to
// another tree only if reparent allows it.
func (s *Service) UpdateProvider(ctx context.Context, uuid, name string, parent *string, reparent bool) (*Provider, error) {
	var out *Provider
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		p, err := s.provider(ctx, tx, uuid)
		if err != nil {
			return err
		}
		if name != p.Name {
			other, err := s.store.FindByName(ctx, tx, name)
			if err != nil {
				return err
			}
			if other != "" {
				return fault.New(fault.CodePlacementDuplicateName, "Conflicting resource provider %s already exists.", name)
			}
		}
		p.Name = name
		if parent != nil && *parent != p.Parent {
			if err := s.move(ctx, tx, p, *parent, reparent); err != nil {
				return err
			}
		}
		p.UpdatedAt = s.clock.Now()
		if _, err := s.store.SaveProvider(ctx, tx, p, p.Generation); err != nil { // a new name is no new generation
			return err
		}
		s.touched(tx, uuid)
		out = p
		return nil
	})
	return out, err
}

func errSave(uuid, reason string) error {
	return fault.New(fault.CodePlacementInvalid, "Unable to save resource provider %s: Object action update failed because: %s", uuid, reason)
}

func (s *Service) move(ctx context.Context, tx *db.Tx, p *Provider, parent string, reparent bool) error {
	if p.Parent != "" && !reparent {
		if parent == "" {
			return errSave(p.UUID, "un-parenting a provider is not currently allowed.")
		}
		return errSave(p.UUID, "re-parenting a provider is not currently allowed.")
	}
	all, err := s.store.Load(ctx, tx, nil)
	if err != nil {
		return err
	}
	root := p.UUID
	below := descendants(all, p.UUID)
	if parent != "" {
		i := slices.IndexFunc(all, func(o *Provider) bool { return o.UUID == parent })
		if i < 0 {
			return errSave(p.UUID, "parent provider UUID does not exist.")
		}
		if slices.Contains(below, parent) {
			return errSave(p.UUID, "creating loop in the provider tree is not allowed.")
		}
		root = all[i].Root
	}
	p.Parent, p.Root = parent, root
	s.touched(tx, below...)
	return s.store.SetRoot(ctx, tx, below, root)
}

// descendants answers a provider and all below it.
func descendants(all []*Provider, uuid string) []string {
	out := []string{uuid}
	for i := 0; i < len(out); i++ {
		for _, p := range all {
			if p.Parent == out[i] {
				out = append(out, p.UUID)
			}
		}
	}
	return out
}

// DeleteProvider removes a provider that nobody uses and that has no children.
func (s *Service) DeleteProvider(ctx context.Context, uuid string) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		p, err := s.provider(ctx, tx, uuid)
		if err != nil {
			return fault.New(fault.CodePlacementNotFound, "No resource provider with uuid %s found for delete", uuid)
		}
		all, err := s.store.Load(ctx, tx, nil)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(all, func(o *Provider) bool { return o.Parent == uuid }) {
			return fault.New(fault.CodePlacementProviderHasChildren, "Unable to delete parent resource provider %s: It has child resource providers.", uuid)
		}
		for _, inv := range p.Inventories {
			if inv.Used > 0 {
				return fault.New(fault.CodePlacementProviderInUse, "Unable to delete resource provider %s: Resource provider has allocations.", uuid)
			}
		}
		s.touched(tx, uuid)
		return s.store.DeleteProvider(ctx, tx, uuid)
	})
}

// SetInventories replaces a provider's inventories. reservedMayBeTotal is 1.26's rule.
func (s *Service) SetInventories(ctx context.Context, uuid string, generation *int64, want map[string]Inventory, reservedMayBeTotal bool) (*Provider, error) {
	return s.change(ctx, uuid, generation, func(ctx context.Context, tx *db.Tx, p *Provider) error {
		if err := s.checkInventories(ctx, tx, p, want, reservedMayBeTotal); err != nil {
			return err
		}
		return s.setInventories(ctx, tx, p, want)
	})
}

func (s *Service) setInventories(ctx context.Context, tx *db.Tx, p *Provider, want map[string]Inventory) error {
	var used []string
	for class, have := range p.Inventories {
		if _, keep := want[class]; !keep && have.Used > 0 {
			used = append(used, class)
		}
	}
	if len(used) > 0 {
		slices.Sort(used)
		return fault.New(fault.CodePlacementInventoryInUse, "update conflict: Inventory for '%s' on resource provider '%s' in use.", strings.Join(used, ", "), p.UUID)
	}
	for class := range p.Inventories {
		if _, keep := want[class]; !keep {
			if err := s.store.DeleteInventory(ctx, tx, p.UUID, class); err != nil {
				return err
			}
		}
	}
	for class, inv := range want {
		inv.UpdatedAt = s.clock.Now()
		if err := s.store.SaveInventory(ctx, tx, p.UUID, class, inv); err != nil {
			return err
		}
	}
	return nil
}

// SetInventory writes one inventory. create refuses one that exists, and the
// other way round.
func (s *Service) SetInventory(ctx context.Context, uuid string, generation *int64, class string, inv Inventory, create, reservedMayBeTotal bool) (*Provider, error) {
	return s.change(ctx, uuid, generation, func(ctx context.Context, tx *db.Tx, p *Provider) error {
		if err := s.checkInventories(ctx, tx, p, map[string]Inventory{class: inv}, reservedMayBeTotal); err != nil {
			return err
		}
		_, has := p.Inventories[class]
		switch {
		case create && has:
			return fault.New(fault.CodePlacementGenerationConflict, "Update conflict: the provider has an inventory of class %s", class)
		case !create && !has:
			return fault.New(fault.CodePlacementInvalid, "No inventory record with resource class for resource provider %s: No inventory of class %s found.", uuid, class)
		}
		inv.UpdatedAt = s.clock.Now()
		return s.store.SaveInventory(ctx, tx, uuid, class, inv)
	})
}

// DeleteInventory removes one inventory.
func (s *Service) DeleteInventory(ctx context.Context, uuid, class string) error {
	_, err := s.change(ctx, uuid, nil, func(ctx context.Context, tx *db.Tx, p *Provider) error {
		inv, has := p.Inventories[class]
		switch {
		case !has:
			return fault.New(fault.CodePlacementNotFound, "No inventory of class %s found for delete: No inventory of class %s found.", class, class)
		case inv.Used > 0:
			return fault.New(fault.CodePlacementInventoryInUse, "Unable to delete inventory of class %s: Inventory for '%s' on resource provider '%s' in use.", class, class, uuid)
		}
		return s.store.DeleteInventory(ctx, tx, uuid, class)
	})
	return err
}

func (s *Service) checkInventories(ctx context.Context, r db.Reader, p *Provider, want map[string]Inventory, reservedMayBeTotal bool) error {
	classes := slices.Sorted(maps.Keys(want))
	if unknown, err := s.unknown(ctx, r, ClassName, classes); err != nil {
		return err
	} else if len(unknown) > 0 {
		return fault.New(fault.CodePlacementInvalid, "Unknown resource class in inventory for resource provider %s: No such resource class %s.", p.UUID, unknown[0])
	}
	for _, class := range classes {
		inv := want[class]
		switch free := inv.Total - inv.Reserved; {
		case free < 0 && reservedMayBeTotal:
			return badInventory(p, class, "The reserved value is greater than total.")
		case !reservedMayBeTotal && inv.Capacity() <= 0:
			return badInventory(p, class, "The reserved value is greater than or equal to total.")
		}
	}
	return nil
}

func badInventory(p *Provider, class, why string) error {
	return fault.New(fault.CodePlacementInvalid, "Unable to update inventory for resource provider %s: Invalid inventory for '%s' on resource provider '%s'. %s", p.UUID, class, p.UUID, why)
}

// SetTraits replaces a provider's traits.
func (s *Service) SetTraits(ctx context.Context, uuid string, generation *int64, traits []string) (*Provider, error) {
	return s.change(ctx, uuid, generation, func(ctx context.Context, tx *db.Tx, p *Provider) error {
		unknown, err := s.unknown(ctx, tx, TraitName, traits)
		if err != nil {
			return err
		}
		if len(unknown) > 0 {
			return fault.New(fault.CodePlacementInvalid, "No such trait %s", strings.Join(unknown, ", "))
		}
		return s.store.SetTraits(ctx, tx, uuid, traits)
	})
}

// SetAggregates replaces a provider's aggregates. Before 1.19 that was no new
// generation; whoever compares generations sees the change here all the same.
func (s *Service) SetAggregates(ctx context.Context, uuid string, generation *int64, aggregates []string) (*Provider, error) {
	return s.change(ctx, uuid, generation, func(ctx context.Context, tx *db.Tx, _ *Provider) error {
		return s.store.SetAggregates(ctx, tx, uuid, aggregates)
	})
}

// unknown answers those of the names that are neither standard nor made here.
func (s *Service) unknown(ctx context.Context, r db.Reader, kind NameKind, wanted []string) ([]string, error) {
	standard, read := standardTraits(), s.store.CustomTraits
	if kind == ClassName {
		standard, read = standardClasses(), s.store.CustomClasses
	}
	wanted = slices.DeleteFunc(slices.Clone(wanted), func(n string) bool { return standard[n] })
	if len(wanted) == 0 {
		return nil, nil
	}
	custom, err := read(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("read names: %w", err)
	}
	return slices.DeleteFunc(wanted, func(n string) bool { _, is := custom[n]; return is }), nil
}
