package identity

import (
	"context"
	"slices"
	"strings"

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

// AssignmentQuery is what GET /v3/role_assignments asks; empty members ask
// nothing.
type AssignmentQuery struct {
	UserID, GroupID, RoleID, ProjectID, DomainID string
	System, Effective, Subtree                   bool
	InheritedOnly                                bool
}

// Seen is an assignment as it is shown: where it was made, and in the effective
// form by whom and through what it holds.
type Seen struct {
	Assignment
	Membership  string // id of the group that a user has it by
	From        *Assignment
	PriorRoleID string
}

// Assignments lists assignments, or in the effective form what they come to for
// users on projects and domains.
func (s *Service) Assignments(ctx context.Context, scope auth.Scope, q AssignmentQuery) ([]Seen, error) {
	domain, err := s.assignmentDomain(ctx, scope, q)
	if err != nil {
		return nil, err
	}
	if err := scope.Check(scope.Rule, auth.Target{"target.domain_id": domain}); err != nil {
		return nil, err
	}
	if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	var rows []Seen
	if q.Effective {
		rows, err = s.effectiveAssignments(ctx, q)
	} else {
		rows, err = s.directAssignments(ctx, q)
	}
	if err != nil || scope.DomainID == "" {
		return rows, err
	}
	return s.withinDomain(ctx, rows, scope.DomainID)
}

func (s *Service) assignmentDomain(ctx context.Context, scope auth.Scope, q AssignmentQuery) (string, error) {
	switch {
	case q.ProjectID != "" && q.Subtree:
		p, _, err := s.tables.Projects.Get(ctx, s.db, q.ProjectID)
		return p.DomainID, err
	case scope.DomainID != "":
		return scope.DomainID, nil
	}
	return q.DomainID, nil
}

func (s *Service) withinDomain(ctx context.Context, rows []Seen, domainID string) ([]Seen, error) {
	below, err := s.store.Subtree(ctx, s.db, domainID)
	if err != nil {
		return nil, err
	}
	in := map[string]bool{domainID: true}
	for _, p := range below {
		in[p.ID] = true
	}
	return slices.DeleteFunc(rows, func(r Seen) bool { return !in[r.TargetID] }), nil
}

// targets answers the ids that a query is about; nil means all.
func (s *Service) queryTargets(ctx context.Context, q AssignmentQuery) ([]string, error) {
	var ids []string
	switch {
	case q.ProjectID != "":
		ids = []string{q.ProjectID}
		if q.Subtree {
			below, err := s.store.Subtree(ctx, s.db, q.ProjectID)
			if err != nil {
				return nil, err
			}
			for _, p := range below {
				ids = append(ids, p.ID)
			}
		}
	case q.DomainID != "":
		ids = []string{q.DomainID}
	case q.System:
		ids = []string{systemTarget}
	}
	return ids, nil
}

func (s *Service) directAssignments(ctx context.Context, q AssignmentQuery) ([]Seen, error) {
	var match []Match
	ids, err := s.queryTargets(ctx, q)
	if err != nil {
		return nil, err
	}
	if ids != nil {
		match = append(match, Match{Column: "target_id", Op: OpIn, Value: ids})
	}
	if q.RoleID != "" {
		match = append(match, Is("role_id", q.RoleID))
	}
	if q.UserID != "" {
		match = append(match, Is("actor_id", q.UserID), Is("actor_kind", ActorUser))
	}
	if q.GroupID != "" {
		match = append(match, Is("actor_id", q.GroupID), Is("actor_kind", ActorGroup))
	}
	if q.InheritedOnly {
		match = append(match, Is("inherited", true))
	}
	rows, err := s.store.Assignments(ctx, s.db, match...)
	if err != nil {
		return nil, err
	}
	out := make([]Seen, len(rows))
	for i, a := range rows {
		out[i] = Seen{Assignment: a}
	}
	return out, nil
}

// effectiveAssignments expands groups to members, inheritance to what lies below
// and roles to what they imply.
func (s *Service) effectiveAssignments(ctx context.Context, q AssignmentQuery) ([]Seen, error) {
	rows, err := s.relevant(ctx, q)
	if err != nil {
		return nil, err
	}
	ids, err := s.queryTargets(ctx, q)
	if err != nil {
		return nil, err
	}
	byUser, err := s.expandGroups(ctx, rows, q)
	if err != nil {
		return nil, err
	}
	placed, err := s.expandInherited(ctx, byUser)
	if err != nil {
		return nil, err
	}
	table, err := s.roleTable(ctx)
	if err != nil {
		return nil, err
	}
	var out []Seen
	for _, a := range placed {
		if ids != nil && !slices.Contains(ids, a.TargetID) || q.DomainID != "" && a.TargetKind != TargetDomain || q.InheritedOnly && a.From == nil {
			continue
		}
		out = append(out, expandImplied(table, a, q.RoleID)...)
	}
	slices.SortStableFunc(out, func(a, b Seen) int {
		return strings.Compare(a.ActorID+a.TargetID+a.RoleID, b.ActorID+b.TargetID+b.RoleID)
	})
	return out, nil
}

// relevant reads all assignments, or those of the user asked for and its groups.
func (s *Service) relevant(ctx context.Context, q AssignmentQuery) ([]Assignment, error) {
	if q.UserID != "" {
		return s.assignmentsOf(ctx, q.UserID)
	}
	return s.store.Assignments(ctx, s.db)
}

func (s *Service) expandGroups(ctx context.Context, rows []Assignment, q AssignmentQuery) ([]Seen, error) {
	var groups []string
	for _, a := range rows {
		if a.ActorKind == ActorGroup {
			groups = append(groups, a.ActorID)
		}
	}
	members, err := s.store.MembersOf(ctx, s.db, groups...)
	if err != nil {
		return nil, err
	}
	var out []Seen
	for _, a := range rows {
		if a.ActorKind == ActorUser {
			out = append(out, Seen{Assignment: a})
			continue
		}
		for _, user := range members[a.ActorID] {
			if q.UserID != "" && q.UserID != user {
				continue
			}
			v := Seen{Assignment: a, Membership: a.ActorID}
			v.ActorKind, v.ActorID = ActorUser, user
			out = append(out, v)
		}
	}
	return out, nil
}

func (s *Service) expandInherited(ctx context.Context, rows []Seen) ([]Seen, error) {
	below := map[string][]Project{}
	var out []Seen
	for _, a := range rows {
		if !a.Inherited {
			out = append(out, a)
			continue
		}
		projects, known := below[a.TargetID]
		if !known {
			var err error
			if projects, err = s.store.Subtree(ctx, s.db, a.TargetID); err != nil {
				return nil, err
			}
			below[a.TargetID] = projects
		}
		for _, p := range projects {
			v, from := a, a.Assignment
			v.From, v.TargetKind, v.TargetID, v.Inherited = &from, TargetProject, p.ID, false
			out = append(out, v)
		}
	}
	return out, nil
}

func expandImplied(t *roleTable, a Seen, wanted string) []Seen {
	var out []Seen
	for _, id := range t.closure([]string{a.RoleID}) {
		v := a
		if id != a.RoleID {
			v.RoleID, v.PriorRoleID = id, a.RoleID
		}
		if t.roles[id].DomainID == "" && (wanted == "" || wanted == id) {
			out = append(out, v)
		}
	}
	return out
}
