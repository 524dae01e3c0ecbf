package identity

import (
	"context"
	"slices"
	"strings"

	"altostack/kernel/auth"
)

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
