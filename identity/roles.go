package identity

import (
	"context"
	"slices"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

func (s *Service) roleKind() kind[Role] {
	return kind[Role]{"role", s.tables.Roles, func(r Role) auth.Target {
		return auth.Target{"target.role.id": r.ID, "target.role.name": r.Name, "target.role.domain_id": r.DomainID}
	}}
}

// Role answers one role.
func (s *Service) Role(ctx context.Context, scope auth.Scope, id string) (Role, error) {
	return s.roleKind().get(ctx, s.db, scope, id)
}

// Roles lists the cloud's roles, or those of the domain asked for.
func (s *Service) Roles(ctx context.Context, scope auth.Scope, l List) ([]Role, bool, error) {
	if !slices.ContainsFunc(l.Match, func(m Match) bool { return m.Column == "domain_id" }) {
		l.Match = append(l.Match, Is("domain_id", ""))
	}
	return s.roleKind().page(ctx, s.db, scope, l, nil)
}

func (r *Role) apply(a Attrs) {
	a.text("name", &r.Name)
	a.text("description", &r.Description)
	a.options(&r.Options)
	a.rest(&r.Extra)
}

// CreateRole makes a role of the cloud, or of a domain.
func (s *Service) CreateRole(ctx context.Context, scope auth.Scope, a Attrs) (Role, error) {
	r := Role{ID: s.ids.Hex()}
	a.text("domain_id", &r.DomainID)
	if err := scope.Check(scope.Rule, s.roleKind().target(r)); err != nil {
		return r, err
	}
	r.apply(a)
	err := s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		if r.DomainID != "" {
			if err := s.needDomain(ctx, tx, r.DomainID); err != nil {
				return err
			}
		}
		e.touched(keyRoles)
		return s.roleKind().insert(ctx, tx, r, "name "+r.Name)
	})
	return r, err
}

// UpdateRole changes a role; policy sees a new name at once.
func (s *Service) UpdateRole(ctx context.Context, scope auth.Scope, id string, a Attrs) (r Role, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		if r, err = s.roleKind().get(ctx, tx, scope, id); err != nil {
			return err
		}
		if err := mayChange("role", id, r.Options, a); err != nil {
			return err
		}
		change, domain := cloned(a), r.DomainID
		change.text("domain_id", &domain)
		if domain != r.DomainID {
			return invalid("domain_id", "Cannot change the domain of role %s.", id)
		}
		r.apply(change)
		e.touched(keyRoles)
		return s.roleKind().save(ctx, tx, r, "name "+r.Name)
	})
	return r, err
}

// DeleteRole removes a role and its assignments.
func (s *Service) DeleteRole(ctx context.Context, scope auth.Scope, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		r, err := s.roleKind().get(ctx, tx, scope, id)
		if err != nil {
			return err
		}
		if err := mayChange("role", id, r.Options, nil); err != nil {
			return err
		}
		e.touched(keyRoles)
		_, err = s.tables.Roles.Remove(ctx, tx, Is("id", id)) // assignments and implications follow
		return err
	})
}

// Implied answers the roles that one implies directly.
func (s *Service) Implied(ctx context.Context, scope auth.Scope, priorID string) (prior Role, implied []Role, err error) {
	if prior, err = s.roleKind().get(ctx, s.db, scope, priorID); err != nil {
		return prior, nil, err
	}
	table, err := s.roleTable(ctx)
	if err != nil {
		return prior, nil, err
	}
	for _, id := range table.implied[priorID] {
		implied = append(implied, table.roles[id])
	}
	return prior, implied, nil
}

// Implication answers both roles of one rule.
func (s *Service) Implication(ctx context.Context, scope auth.Scope, i Implication) (prior, implied Role, err error) {
	prior, all, err := s.Implied(ctx, scope, i.PriorID)
	if err != nil {
		return prior, implied, err
	}
	for _, r := range all {
		if r.ID == i.ImpliedID {
			return prior, r, nil
		}
	}
	return prior, implied, fault.New(fault.CodeIdentityNotFound, "%s does not imply %s.", i.PriorID, i.ImpliedID)
}

// Inference is a role and what it implies directly.
type Inference struct {
	Prior   Role
	Implied []Role
}

// Inferences answers every role that implies others.
func (s *Service) Inferences(ctx context.Context, scope auth.Scope) ([]Inference, error) {
	if err := scope.Check(scope.Rule, nil); err != nil {
		return nil, err
	}
	if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	table, err := s.roleTable(ctx)
	if err != nil {
		return nil, err
	}
	var out []Inference
	for id, direct := range table.implied {
		inf := Inference{Prior: table.roles[id]}
		for _, below := range direct {
			inf.Implied = append(inf.Implied, table.roles[below])
		}
		out = append(out, inf)
	}
	slices.SortFunc(out, func(a, b Inference) int {
		if a.Prior.Name < b.Prior.Name {
			return -1
		}
		return 1
	})
	return out, nil
}

// Imply makes one role imply another. A circle is refused: nothing would be
// gained by it, and each role of it would be the same.
func (s *Service) Imply(ctx context.Context, scope auth.Scope, i Implication) (prior, implied Role, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		if prior, err = s.roleKind().get(ctx, tx, scope, i.PriorID); err != nil {
			return err
		}
		if implied, err = s.roleKind().get(ctx, tx, scope, i.ImpliedID); err != nil {
			return err
		}
		if err := s.checkImplication(ctx, tx, i, prior, implied); err != nil {
			return err
		}
		e.touched(keyRoles)
		return s.store.AddImplication(ctx, tx, i)
	})
	return prior, implied, err
}

func (s *Service) checkImplication(ctx context.Context, r db.Reader, i Implication, prior, implied Role) error {
	// What implies the administrator's role would be that role.
	if implied.Name == RoleAdmin && implied.DomainID == "" {
		return forbidden("%s cannot be an implied roles.", i.ImpliedID)
	}
	if implied.DomainID != "" && prior.DomainID == "" {
		return forbidden("A role of the cloud, %s, cannot imply a role of one domain, %s.", i.PriorID, i.ImpliedID)
	}
	rules, err := s.store.Implications(ctx, r)
	if err != nil {
		return err
	}
	t := &roleTable{implied: map[string][]string{}}
	for _, rule := range rules {
		t.implied[rule.PriorID] = append(t.implied[rule.PriorID], rule.ImpliedID)
	}
	if slices.Contains(t.closure([]string{i.ImpliedID}), i.PriorID) {
		return invalid("implied_role_id", "The role %s already implies %s.", i.ImpliedID, i.PriorID)
	}
	return nil
}

// Unimply ends an implication.
func (s *Service) Unimply(ctx context.Context, scope auth.Scope, i Implication) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		if _, err := s.roleKind().get(ctx, tx, scope, i.PriorID); err != nil {
			return err
		}
		e.touched(keyRoles)
		was, err := s.store.RemoveImplication(ctx, tx, i)
		if err == nil && !was {
			err = fault.New(fault.CodeIdentityNotFound, "%s does not imply %s.", i.PriorID, i.ImpliedID)
		}
		return err
	})
}
