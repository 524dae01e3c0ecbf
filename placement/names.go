package placement

import (
	"context"
	"slices"
	"time"

	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// Traits lists all traits, in alphabetical order, as far as keep holds.
// associated keeps those that a provider has (true) or none has (false).
func (s *Service) Traits(ctx context.Context, keep func(string) bool, associated *bool) ([]string, error) {
	custom, err := s.store.CustomTraits(ctx, s.db)
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	if associated != nil {
		snap, err := s.view.get(ctx, true)
		if err != nil {
			return nil, err
		}
		for _, p := range snap.list {
			for _, t := range p.Traits {
				used[t] = true
			}
		}
	}
	out := []string{}
	add := func(name string) {
		if keep(name) && (associated == nil || used[name] == *associated) {
			out = append(out, name)
		}
	}
	for name := range standardTraits() {
		add(name)
	}
	for name := range custom {
		add(name)
	}
	slices.Sort(out)
	return out, nil
}

// Trait answers when a trait was made; the zero time for a standard one.
func (s *Service) Trait(ctx context.Context, name string) (time.Time, error) {
	if standardTraits()[name] {
		return time.Time{}, nil
	}
	custom, err := s.store.CustomTraits(ctx, s.db)
	if err != nil {
		return time.Time{}, err
	}
	at, is := custom[name]
	if !is {
		return at, fault.New(fault.CodePlacementNotFound, "No such trait(s): %s.", name)
	}
	return at, nil
}

// EnsureTrait makes a custom trait and reports whether it was new.
func (s *Service) EnsureTrait(ctx context.Context, name string) (created bool, err error) {
	if !customName.MatchString(name) || len(name) > 255 {
		return false, fault.New(fault.CodePlacementInvalid, `The trait is invalid. A valid trait must be no longer than 255 characters, start with the prefix "CUSTOM_" and use following characters: "A"-"Z", "0"-"9" and "_"`)
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		created, err = s.store.InsertName(ctx, tx, TraitName, name, s.clock.Now())
		return err
	})
	return created, err
}

// DeleteTrait removes a custom trait that no provider has.
func (s *Service) DeleteTrait(ctx context.Context, name string) error {
	if standardTraits()[name] {
		return fault.New(fault.CodePlacementInvalid, "Cannot delete standard trait %s.", name)
	}
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		unknown, err := s.unknown(ctx, tx, TraitName, []string{name})
		if err != nil {
			return err
		}
		if len(unknown) > 0 {
			return fault.New(fault.CodePlacementNotFound, "No such trait(s): %s.", name)
		}
		if used, err := s.store.NameInUse(ctx, tx, TraitName, name); err != nil {
			return err
		} else if used {
			return fault.New(fault.CodePlacementNameInUse, "The trait %s is in use by a resource provider.", name)
		}
		return s.store.DeleteName(ctx, tx, TraitName, name)
	})
}

// Classes lists the resource classes: the standard ones, then the others by name.
func (s *Service) Classes(ctx context.Context) ([]string, error) {
	custom, err := s.store.CustomClasses(ctx, s.db)
	if err != nil {
		return nil, err
	}
	var own []string
	for name := range custom {
		own = append(own, name)
	}
	slices.Sort(own)
	return append(StandardClasses(), own...), nil
}

// HasClass answers placement.not_found for a class that does not exist.
func (s *Service) HasClass(ctx context.Context, name string) error {
	return s.hasClass(ctx, s.db, name)
}

func (s *Service) hasClass(ctx context.Context, r db.Reader, name string) error {
	unknown, err := s.unknown(ctx, r, ClassName, []string{name})
	if err == nil && len(unknown) > 0 {
		err = fault.New(fault.CodePlacementNotFound, "No such resource class %s.", name)
	}
	return err
}

// EnsureClass makes a custom resource class and reports whether it was new.
func (s *Service) EnsureClass(ctx context.Context, name string) (created bool, err error) {
	if !customName.MatchString(name) || len(name) > 255 {
		return false, fault.New(fault.CodePlacementInvalid, `JSON does not validate: '%s' does not match '^CUSTOM\\_[A-Z0-9_]+$'`, name)
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		created, err = s.store.InsertName(ctx, tx, ClassName, name, s.clock.Now())
		return err
	})
	return created, err
}

// RenameClass gives a custom class that nothing uses another name (up to 1.6).
func (s *Service) RenameClass(ctx context.Context, from, to string) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.hasClass(ctx, tx, from); err != nil {
			return err
		}
		if standardClasses()[from] {
			return fault.New(fault.CodePlacementInvalid, "Cannot update standard resource class %s", from)
		}
		if s.hasClass(ctx, tx, to) == nil {
			return fault.New(fault.CodePlacementNameExists, "Resource class already exists: %s", to)
		}
		if used, err := s.store.NameInUse(ctx, tx, ClassName, from); err != nil {
			return err
		} else if used {
			return fault.New(fault.CodePlacementNameInUse, "Cannot rename resource class %s. Class is in use in inventory.", from)
		}
		return s.store.RenameClass(ctx, tx, from, to)
	})
}

// DeleteClass removes a custom class that no inventory uses.
func (s *Service) DeleteClass(ctx context.Context, name string) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.hasClass(ctx, tx, name); err != nil {
			return err
		}
		if standardClasses()[name] {
			return fault.New(fault.CodePlacementInvalid, "Error in delete resource class: Cannot delete standard resource class %s.", name)
		}
		if used, err := s.store.NameInUse(ctx, tx, ClassName, name); err != nil {
			return err
		} else if used {
			return fault.New(fault.CodePlacementNameInUse, "Error in delete resource class: Cannot delete resource class %s. Class is in use in inventory.", name)
		}
		return s.store.DeleteName(ctx, tx, ClassName, name)
	})
}
