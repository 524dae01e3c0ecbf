package identity

import (
	"context"
	"slices"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// grantTarget reads the ends of an assignment and decides the route's rule on
// them. RoleID may be empty for a list.
func (s *Service) grantTarget(ctx context.Context, r db.Reader, scope auth.Scope, a Assignment) (role Role, err error) {
	target := auth.Target{}
	var missing error
	miss := func(noun, id string) { missing = cmpErr(missing, notFound(noun, id)) }
	if a.RoleID != "" {
		var found bool
		if role, found, err = s.tables.Roles.Get(ctx, r, a.RoleID); err != nil {
			return role, err
		}
		if found {
			target["target.role.name"], target["target.role.domain_id"] = role.Name, orNone(role.DomainID)
		} else {
			miss("role", a.RoleID)
		}
	}
	if err := s.grantActor(ctx, r, a, target, miss); err != nil {
		return role, err
	}
	if err := s.grantPlace(ctx, r, a, target, miss); err != nil {
		return role, err
	}
	if err := scope.Check(scope.Rule, target); err != nil {
		return role, err
	}
	return role, missing
}

func (s *Service) grantActor(ctx context.Context, r db.Reader, a Assignment, target auth.Target, miss func(noun, id string)) error {
	if a.ActorKind == ActorUser {
		u, found, err := s.tables.Users.Get(ctx, r, a.ActorID)
		if err != nil {
			return err
		}
		if !found {
			miss("user", a.ActorID)
			return nil
		}
		target["target.user.id"], target["target.user.domain_id"] = u.ID, u.DomainID
		return nil
	}
	g, found, err := s.tables.Groups.Get(ctx, r, a.ActorID)
	if err != nil {
		return err
	}
	if !found {
		miss("group", a.ActorID)
		return nil
	}
	target["target.group.id"], target["target.group.domain_id"] = g.ID, g.DomainID
	return nil
}

func (s *Service) grantPlace(ctx context.Context, r db.Reader, a Assignment, target auth.Target, miss func(noun, id string)) error {
	if a.TargetKind == TargetSystem {
		return nil
	}
	p, found, err := s.tables.Projects.Get(ctx, r, a.TargetID)
	if err != nil {
		return err
	}
	if !found || a.TargetKind == TargetDomain && !p.IsDomain {
		miss(a.TargetKind, a.TargetID)
		return nil
	}
	target["target."+a.TargetKind+".id"] = p.ID
	if p.DomainID != "" {
		target["target.project.domain_id"] = p.DomainID
	}
	return nil
}

// orNone is how rules see an attribute that is empty.
func orNone(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func actorKey(a Assignment) string {
	if a.ActorKind == ActorGroup {
		return groupKey(a.ActorID)
	}
	return userKey(a.ActorID)
}

func exactly(a Assignment) []Match {
	return []Match{Is("actor_id", a.ActorID), Is("target_id", a.TargetID), Is("role_id", a.RoleID), Is("inherited", a.Inherited), Is("actor_kind", a.ActorKind), Is("target_kind", a.TargetKind)}
}

func (a Assignment) placed() Assignment {
	if a.TargetKind == TargetSystem {
		a.TargetID = systemTarget
	}
	return a
}

// Grant assigns a role; doing so twice is success.
func (s *Service) Grant(ctx context.Context, scope auth.Scope, a Assignment) error {
	a = a.placed()
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		role, err := s.grantTarget(ctx, tx, scope, a)
		if err != nil {
			return err
		}
		if role.DomainID != "" && a.TargetKind == TargetProject {
			p, _, err := s.tables.Projects.Get(ctx, tx, a.TargetID)
			if err != nil {
				return err
			}
			if p.DomainID != role.DomainID {
				return forbidden("Project %s must be in the same domain as the role %s being assigned.", p.ID, role.ID)
			}
		}
		e.touched(actorKey(a))
		return s.store.AddAssignment(ctx, tx, a)
	})
}

// Revoke takes a role away. Application credentials that lean on it go too.
func (s *Service) Revoke(ctx context.Context, scope auth.Scope, a Assignment) error {
	a = a.placed()
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		if _, err := s.grantTarget(ctx, tx, scope, a); err != nil {
			return err
		}
		n, err := s.store.RemoveAssignments(ctx, tx, exactly(a)...)
		if err != nil {
			return err
		}
		if n == 0 {
			return notAssigned(a)
		}
		e.touched(actorKey(a))
		return s.dropAppCreds(ctx, tx, e, a)
	})
}

func notAssigned(a Assignment) error {
	return fault.New(fault.CodeIdentityNotFound, "Could not find role assignment with role: %s, user or group: %s, project, domain, or system: %s.", a.RoleID, a.ActorID, a.TargetID)
}

// dropAppCreds removes the application credentials of a user for a project in
// which it lost a role.
func (s *Service) dropAppCreds(ctx context.Context, tx *db.Tx, e *effects, a Assignment) error {
	if a.ActorKind != ActorUser || a.TargetKind != TargetProject {
		return nil
	}
	creds, err := s.tables.AppCreds.List(ctx, tx, Is("user_id", a.ActorID), Is("project_id", a.TargetID))
	if err != nil {
		return err
	}
	for _, c := range creds {
		if !slices.Contains(c.RoleIDs, a.RoleID) {
			continue
		}
		e.revoked(appCredKey(c.ID))
		if _, err := s.tables.AppCreds.Remove(ctx, tx, Is("id", c.ID)); err != nil {
			return err
		}
	}
	return nil
}

// HasGrant is nil when the assignment is there.
func (s *Service) HasGrant(ctx context.Context, scope auth.Scope, a Assignment) error {
	a = a.placed()
	if _, err := s.grantTarget(ctx, s.db, scope, a); err != nil {
		return err
	}
	rows, err := s.store.Assignments(ctx, s.db, exactly(a)...)
	if err == nil && len(rows) == 0 {
		err = notAssigned(a)
	}
	return err
}

// Grants lists the roles of an actor on a target; a.RoleID is empty.
func (s *Service) Grants(ctx context.Context, scope auth.Scope, a Assignment) ([]Role, error) {
	a = a.placed()
	if _, err := s.grantTarget(ctx, s.db, scope, a); err != nil {
		return nil, err
	}
	rows, err := s.store.Assignments(ctx, s.db, Is("actor_id", a.ActorID), Is("target_id", a.TargetID), Is("inherited", a.Inherited), Is("actor_kind", a.ActorKind), Is("target_kind", a.TargetKind))
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	var ids []string
	for _, r := range rows {
		ids = append(ids, r.RoleID)
	}
	return s.tables.Roles.List(ctx, s.db, Match{Column: "id", Op: OpIn, Value: ids})
}
