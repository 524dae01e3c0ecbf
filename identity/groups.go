package identity

import (
	"context"

	"altostack/kernel/auth"
	"altostack/kernel/db"
)

func (s *Service) groups() kind[Group] {
	return kind[Group]{"group", presentGroups{s.tables.Groups}, func(g Group) auth.Target {
		return auth.Target{"target.group.id": g.ID, "target.group.domain_id": g.DomainID}
	}}
}

// Group answers one group.
func (s *Service) Group(ctx context.Context, scope auth.Scope, id string) (Group, error) {
	return s.groups().get(ctx, s.db, scope, id)
}

// Groups lists groups.
func (s *Service) Groups(ctx context.Context, scope auth.Scope, l List) ([]Group, bool, error) {
	d := ownDomain(scope, &l)
	target := auth.Target{"target.group.domain_id": d}
	if err := scope.Check(scope.Rule, target); err != nil {
		return nil, false, err
	}
	if err := s.lookUp(ctx, d, l, entryGroup); err != nil {
		return nil, false, err
	}
	return s.groups().page(ctx, s.db, scope, shown(l), target)
}

func (g *Group) apply(a Attrs) {
	a.text("name", &g.Name)
	a.text("domain_id", &g.DomainID)
	a.text("description", &g.Description)
	a.rest(&g.Extra)
}

// CreateGroup makes an empty group.
func (s *Service) CreateGroup(ctx context.Context, scope auth.Scope, a Attrs) (Group, error) {
	domain, err := s.homeDomain(ctx, scope, a)
	if err != nil {
		return Group{}, err
	}
	g := Group{ID: s.ids.Hex(), DomainID: domain}
	if err := scope.Check(scope.Rule, s.groups().target(g)); err != nil {
		return g, err
	}
	g.apply(a)
	if err := cmpErr(noSeparator(g.Name), s.mayCreateIn(ctx, g.DomainID)); err != nil {
		return g, err
	}
	err = s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		if err := s.needDomain(ctx, tx, g.DomainID); err != nil {
			return err
		}
		return s.groups().insert(ctx, tx, g, "name "+g.Name+" at domain ID "+g.DomainID)
	})
	return g, err
}

// UpdateGroup changes a group's attributes.
func (s *Service) UpdateGroup(ctx context.Context, scope auth.Scope, id string, a Attrs) (g Group, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		old, err := s.groups().get(ctx, tx, scope, id)
		if err != nil {
			return err
		}
		if err := readOnly(old.Source); err != nil {
			return err
		}
		g = old
		g.apply(cloned(a))
		if err := noSeparator(g.Name); err != nil {
			return err
		}
		if g.DomainID != old.DomainID {
			return invalid("domain_id", "Cannot change the domain of group %s.", id)
		}
		return s.groups().save(ctx, tx, g, "name "+g.Name+" at domain ID "+g.DomainID)
	})
	return g, err
}

// DeleteGroup removes a group and what its members had by it.
func (s *Service) DeleteGroup(ctx context.Context, scope auth.Scope, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		g, err := s.groups().get(ctx, tx, scope, id)
		if err := cmpErr(err, readOnly(g.Source)); err != nil {
			return err
		}
		return s.removeGroup(ctx, tx, e, id)
	})
}

func (s *Service) removeGroup(ctx context.Context, tx *db.Tx, e *effects, id string) error {
	e.touched(groupKey(id))
	if _, err := s.store.RemoveAssignments(ctx, tx, Is("actor_id", id)); err != nil {
		return err
	}
	_, err := s.tables.Groups.Remove(ctx, tx, Is("id", id))
	return err
}

// UsersInGroup lists a group's members.
func (s *Service) UsersInGroup(ctx context.Context, scope auth.Scope, id string, l List) ([]User, bool, error) {
	g, err := s.groups().get(ctx, s.db, scope, id)
	if err != nil {
		return nil, false, err
	}
	if err := s.lookUpMembers(ctx, g); err != nil {
		return nil, false, err
	}
	members, err := s.store.MembersOf(ctx, s.db, id)
	if err != nil {
		return nil, false, err
	}
	return s.tables.Users.Page(ctx, s.db, l.Page, append(l.Match, Match{Column: "id", Op: OpIn, Value: members[id]})...)
}

// membership reads both ends and decides the rule on them together.
func (s *Service) membership(ctx context.Context, r db.Reader, scope auth.Scope, groupID, userID string) error {
	g, hasGroup, err := s.tables.Groups.Get(ctx, r, groupID)
	if err != nil {
		return err
	}
	u, hasUser, err := s.tables.Users.Get(ctx, r, userID)
	if err != nil {
		return err
	}
	target := auth.Target{}
	if hasGroup {
		target["target.group.domain_id"] = g.DomainID
	}
	if hasUser {
		target["target.user.domain_id"] = u.DomainID
	}
	if err := scope.Check(scope.Rule, target); err != nil {
		return err
	}
	if !hasUser {
		return notFound("user", userID)
	}
	if !hasGroup {
		return notFound("group", groupID)
	}
	return nil
}

// AddUser puts a user into a group.
func (s *Service) AddUser(ctx context.Context, scope auth.Scope, groupID, userID string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		if err := cmpErr(s.membership(ctx, tx, scope, groupID, userID), s.writableGroup(ctx, tx, groupID)); err != nil {
			return err
		}
		e.touched(userKey(userID))
		return s.store.AddMember(ctx, tx, groupID, userID)
	})
}

// RemoveUser takes a user out of a group.
func (s *Service) RemoveUser(ctx context.Context, scope auth.Scope, groupID, userID string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		if err := cmpErr(s.membership(ctx, tx, scope, groupID, userID), s.writableGroup(ctx, tx, groupID)); err != nil {
			return err
		}
		e.touched(userKey(userID))
		was, err := s.store.RemoveMember(ctx, tx, groupID, userID)
		if err == nil && !was {
			err = notFound("user", userID)
		}
		return err
	})
}

// IsMember is nil when the user is in the group.
func (s *Service) IsMember(ctx context.Context, scope auth.Scope, groupID, userID string) error {
	if err := s.membership(ctx, s.db, scope, groupID, userID); err != nil {
		return err
	}
	g, _, err := s.tables.Groups.Get(ctx, s.db, groupID)
	if err := cmpErr(err, s.lookUpMembers(ctx, g)); err != nil {
		return err
	}
	members, err := s.store.MembersOf(ctx, s.db, groupID)
	if err != nil {
		return err
	}
	for _, id := range members[groupID] {
		if id == userID {
			return nil
		}
	}
	return notFound("user", userID)
}
