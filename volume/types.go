package volume

import (
	"context"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

func typeNotFound(ref string) error {
	return fault.New(fault.CodeVolumeTypeNotFound, "Volume type %s could not be found.", ref)
}

// Admin reports whether a scope is that of an administrator, who sees private
// types and the rows of every project where asked to.
func Admin(scope auth.Scope) bool { return scope.Principal != nil && scope.IsAdmin() }

// TypeOf reads a type that the caller can use, by id.
func (s *Service) TypeOf(ctx context.Context, scope auth.Scope, ref string) (Type, error) {
	return s.typeIn(ctx, s.DB, scope, ref)
}

func (s *Service) typeIn(ctx context.Context, r db.Reader, scope auth.Scope, ref string) (Type, error) {
	t, found, err := s.Store.Type(ctx, r, ref, scope.ProjectID, Admin(scope))
	if err == nil && !found {
		err = typeNotFound(ref)
	}
	return t, err
}

// DefaultTypeOf answers the type that a project's volumes get by default.
func (s *Service) DefaultTypeOf(ctx context.Context, scope auth.Scope) (Type, error) {
	ref, own, err := s.Store.DefaultType(ctx, s.DB, scope.ProjectID)
	if err != nil {
		return Type{}, err
	}
	if !own {
		ref = DefaultTypeName
	}
	return s.typeIn(ctx, s.DB, scope, ref)
}

// CreateType adds a type.
func (s *Service) CreateType(ctx context.Context, t Type) (Type, error) {
	t.ID, t.CreatedAt = s.IDs.UUID(), s.Clock.Now()
	t.UpdatedAt = t.CreatedAt
	err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.Store.SaveType(ctx, tx, t) })
	return t, err
}

// ChangeType runs f on a type in one transaction and saves it.
func (s *Service) ChangeType(ctx context.Context, scope auth.Scope, id string, f func(t *Type) error) (t Type, err error) {
	err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		var err error
		if t, err = s.typeIn(ctx, tx, scope, id); err != nil {
			return err
		}
		if t.ExtraSpecs == nil {
			t.ExtraSpecs = map[string]string{}
		}
		if err := f(&t); err != nil {
			return err
		}
		t.UpdatedAt = s.Clock.Now()
		return s.Store.SaveType(ctx, tx, t)
	})
	return t, err
}

// DeleteType removes a type that no volume has and that is not the default.
func (s *Service) DeleteType(ctx context.Context, scope auth.Scope, id string) error {
	return s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		t, err := s.typeIn(ctx, tx, scope, id)
		if err != nil {
			return err
		}
		if t.Name == DefaultTypeName {
			return fault.New(fault.CodeVolumeBadType, "The volume type %s is a default volume type and cannot be deleted.", t.ID)
		}
		return s.Store.RemoveType(ctx, tx, t.ID)
	})
}

// SetTypeAccess gives a project the use of a private type, or takes it.
func (s *Service) SetTypeAccess(ctx context.Context, scope auth.Scope, id, projectID string, allow bool) error {
	return s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		t, err := s.typeIn(ctx, tx, scope, id)
		if err != nil {
			return err
		}
		if t.Public {
			what := "removed from"
			if allow {
				what = "added to"
			}
			return fault.New(fault.CodeVolumeBadType, "Invalid volume type: Type access modification is not applicable to public volume type. Access cannot be %s it.", what)
		}
		changed, err := s.Store.SetTypeAccess(ctx, tx, t.ID, projectID, allow)
		if err != nil || changed {
			return err
		}
		if allow {
			return fault.New(fault.CodeVolumeConflict, "Volume type access for %s / %s combination already exists.", t.ID, projectID)
		}
		return fault.New(fault.CodeVolumeTypeNotFound, "Volume type access not found for %s / %s combination.", t.ID, projectID)
	})
}
