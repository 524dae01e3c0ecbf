package metadefs

import (
	"context"
	"strings"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/page"
)

// now is later for each of several rows that one transaction makes, so that they
// keep their order.
func (s *Service) now(nth int) time.Time {
	return s.clock.Now().Add(time.Duration(nth) * time.Microsecond)
}

// Create makes a namespace with all that it holds.
func (s *Service) Create(ctx context.Context, scope auth.Scope, w Whole) (Whole, error) {
	w = s.prepare(w)
	if w.Owner == "" {
		w.Owner = scope.ProjectID
	}
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.insert(ctx, tx, w) })
	return w, err
}

func (s *Service) prepare(w Whole) Whole {
	w.ID, w.CreatedAt, w.UpdatedAt = s.ids.UUID(), s.now(0), s.now(0)
	if w.Visibility == "" {
		w.Visibility = Private
	}
	for i := range w.Associations {
		a := &w.Associations[i]
		a.NamespaceID, a.CreatedAt, a.UpdatedAt = w.ID, s.now(i), s.now(i)
	}
	for i := range w.Definitions {
		d := &w.Definitions[i]
		d.ID, d.NamespaceID, d.CreatedAt, d.UpdatedAt = s.ids.UUID(), w.ID, s.now(i), s.now(i)
	}
	return w
}

func (s *Service) insert(ctx context.Context, tx *db.Tx, w Whole) error {
	if _, taken, err := s.store.Namespace(ctx, tx, w.Name); err != nil {
		return err
	} else if taken {
		return exists("The metadata definition namespace=%s already exists.", w.Name)
	}
	if err := s.store.InsertNamespace(ctx, tx, w.Namespace); err != nil {
		return err
	}
	for _, a := range w.Associations {
		if err := s.associate(ctx, tx, w.Namespace, a); err != nil {
			return err
		}
	}
	for _, d := range w.Definitions {
		if err := s.define(ctx, tx, w.Namespace, d); err != nil {
			return err
		}
	}
	return nil
}

func exists(format string, args ...any) error {
	return fault.New(fault.CodeImageMetadefExists, format, args...)
}

func (s *Service) associate(ctx context.Context, tx *db.Tx, n Namespace, a Association) error {
	have, err := s.store.Associations(ctx, tx, []string{n.ID})
	if err != nil {
		return err
	}
	for _, h := range have {
		if h.Type == a.Type {
			return exists("The metadata definition resource-type association of resource-type=%s to namespace=%s already exists.", a.Type, n.Name)
		}
	}
	return s.store.InsertAssociation(ctx, tx, a)
}

func (s *Service) define(ctx context.Context, tx *db.Tx, n Namespace, d Definition) error {
	if _, taken, err := s.store.Definition(ctx, tx, n.ID, d.Kind, d.Name); err != nil {
		return err
	} else if taken {
		return errTaken(n, d)
	}
	err := s.store.InsertDefinition(ctx, tx, d)
	if db.IsUnique(err) {
		return errTaken(n, d) // somebody else was first, a moment ago
	}
	return err
}

func errTaken(n Namespace, d Definition) error {
	if d.Kind == Tag {
		return exists("A metadata tag with name=%s already exists in namespace=%s. (Please note that metadata tag names are case insensitive).", d.Name, n.Name)
	}
	return exists("A metadata definition %s with name=%s already exists in namespace=%s.", d.Kind, d.Name, n.Name)
}

// change runs f on a namespace that the scope's rule lets be changed.
func (s *Service) change(ctx context.Context, scope auth.Scope, name string, f func(ctx context.Context, tx *db.Tx, n Namespace) error) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		n, err := s.find(ctx, tx, scope, name, scope.Rule)
		if err != nil {
			return err
		}
		return f(ctx, tx, n)
	})
}

// Update changes what is known of a namespace itself, its name included.
func (s *Service) Update(ctx context.Context, scope auth.Scope, name string, to Namespace) (Namespace, error) {
	err := s.change(ctx, scope, name, func(ctx context.Context, tx *db.Tx, n Namespace) error {
		if to.Name != n.Name {
			if _, taken, err := s.store.Namespace(ctx, tx, to.Name); err != nil {
				return err
			} else if taken {
				return exists("Invalid update. It would result in a duplicate metadata definition namespace with the same name of %s", to.Name)
			}
		}
		to.ID, to.CreatedAt, to.UpdatedAt = n.ID, n.CreatedAt, s.now(0)
		if to.Visibility == "" {
			to.Visibility = Private
		}
		if to.Owner == "" {
			to.Owner = scope.ProjectID
		}
		return s.store.SaveNamespace(ctx, tx, to)
	})
	return to, err
}

// unprotected refuses to take something out of a protected namespace.
func (n Namespace) unprotected(what, name string) error {
	if n.Protected {
		return fault.New(fault.CodeImageMetadefProtected, "Metadata definition %s %s is protected and cannot be deleted.", what, name)
	}
	return nil
}

// Delete removes a namespace with all that it holds.
func (s *Service) Delete(ctx context.Context, scope auth.Scope, name string) error {
	return s.change(ctx, scope, name, func(ctx context.Context, tx *db.Tx, n Namespace) error {
		if err := n.unprotected("namespace", n.Name); err != nil {
			return err
		}
		return s.store.DeleteNamespace(ctx, tx, n.ID)
	})
}

// Add makes a definition.
func (s *Service) Add(ctx context.Context, scope auth.Scope, name string, d Definition) (Definition, error) {
	d.ID, d.CreatedAt, d.UpdatedAt = s.ids.UUID(), s.now(0), s.now(0)
	err := s.change(ctx, scope, name, func(ctx context.Context, tx *db.Tx, n Namespace) error {
		d.NamespaceID = n.ID
		return s.define(ctx, tx, n, d)
	})
	return d, err
}

// AddTags makes tags in place of all there are or, appending, besides them.
func (s *Service) AddTags(ctx context.Context, scope auth.Scope, name string, tags []string, appending bool) error {
	return s.change(ctx, scope, name, func(ctx context.Context, tx *db.Tx, n Namespace) error {
		if !appending && len(tags) > 0 {
			if err := s.store.DeleteDefinitions(ctx, tx, n.ID, Tag, ""); err != nil {
				return err
			}
		}
		for i, t := range tags {
			if err := s.define(ctx, tx, n, Definition{ID: s.ids.UUID(), NamespaceID: n.ID, Kind: Tag, Name: t, CreatedAt: s.now(i), UpdatedAt: s.now(i)}); err != nil {
				return err
			}
		}
		return nil
	})
}

// Replace changes the definition called old to what d says, its name included.
func (s *Service) Replace(ctx context.Context, scope auth.Scope, name, old string, d Definition) (Definition, error) {
	err := s.change(ctx, scope, name, func(ctx context.Context, tx *db.Tx, n Namespace) error {
		was, err := s.definition(ctx, tx, n, d.Kind, old)
		if err != nil {
			return err
		}
		other, taken, err := s.store.Definition(ctx, tx, n.ID, d.Kind, d.Name)
		if err != nil {
			return err
		}
		if taken && other.ID != was.ID {
			return exists("Invalid update. It would result in a duplicate metadata definition %s with the same name=%s in namespace=%s.", d.Kind, d.Name, n.Name)
		}
		d.ID, d.NamespaceID, d.CreatedAt, d.UpdatedAt = was.ID, n.ID, was.CreatedAt, s.now(0)
		return s.store.SaveDefinition(ctx, tx, d)
	})
	return d, err
}

// Remove removes one definition.
func (s *Service) Remove(ctx context.Context, scope auth.Scope, name string, kind Kind, definition string) error {
	return s.change(ctx, scope, name, func(ctx context.Context, tx *db.Tx, n Namespace) error {
		if _, err := s.definition(ctx, tx, n, kind, definition); err != nil {
			return err
		}
		if err := n.unprotected(string(kind), definition); err != nil {
			return err
		}
		return s.store.DeleteDefinitions(ctx, tx, n.ID, kind, definition)
	})
}

// Clear removes every definition of a kind. Further rules must allow it, too.
func (s *Service) Clear(ctx context.Context, scope auth.Scope, name string, kind Kind, rules ...string) error {
	return s.change(ctx, scope, name, func(ctx context.Context, tx *db.Tx, n Namespace) error {
		for _, rule := range rules {
			if err := scope.Check(rule, n.target()); err != nil {
				return err
			}
		}
		if err := n.unprotected("namespace", n.Name); err != nil {
			return err
		}
		return s.store.DeleteDefinitions(ctx, tx, n.ID, kind, "")
	})
}

// Associate says that a namespace is meant for a resource type.
func (s *Service) Associate(ctx context.Context, scope auth.Scope, name string, a Association) (Association, error) {
	a.CreatedAt, a.UpdatedAt = s.now(0), s.now(0)
	err := s.change(ctx, scope, name, func(ctx context.Context, tx *db.Tx, n Namespace) error {
		a.NamespaceID = n.ID
		return s.associate(ctx, tx, n, a)
	})
	return a, err
}

// Dissociate undoes Associate. The resource type stays.
func (s *Service) Dissociate(ctx context.Context, scope auth.Scope, name, resourceType string) error {
	return s.change(ctx, scope, name, func(ctx context.Context, tx *db.Tx, n Namespace) error {
		have, err := s.store.Associations(ctx, tx, []string{n.ID})
		if err != nil {
			return err
		}
		for _, a := range have {
			if a.Type == resourceType {
				if err := n.unprotected("resource-type-association", resourceType); err != nil {
					return err
				}
				return s.store.DeleteAssociation(ctx, tx, n.ID, resourceType)
			}
		}
		return fault.New(fault.CodeImageMetadefNotFound, "Failed to find resource type %s to delete", resourceType)
	})
}

// Load makes those namespaces that are not there yet, as the cloud's own work,
// and reports how many it made.
func (s *Service) Load(ctx context.Context, namespaces []Whole) (made int, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		made = 0
		for _, w := range namespaces {
			if _, there, err := s.store.Namespace(ctx, tx, w.Name); err != nil {
				return err
			} else if there {
				continue
			}
			if err := s.insert(ctx, tx, s.prepare(w)); err != nil {
				return err
			}
			made++
		}
		return nil
	})
	return made, err
}

// Empty reports whether there is no namespace at all.
func (s *Service) Empty(ctx context.Context) (bool, error) {
	list, _, err := s.store.Namespaces(ctx, s.db, Query{Admin: true, Page: page.Request{Limit: 1}})
	return len(list) == 0, err
}

// Key is the name under which a definition of a kind is unique: the letter case
// of tags does not count.
func Key(kind Kind, name string) string {
	if kind == Tag {
		return strings.ToLower(name)
	}
	return name
}
