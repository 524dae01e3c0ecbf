package identity

import "context"

// Names are what the ids in a list of assignments are called.
type Names map[string]map[string]any // "user <id>" → id, name, domain

// Show spells an object of an assignment: its id, and its name where known.
func (n Names) Show(kind, id string) map[string]any {
	if kind == TargetDomain {
		kind = TargetProject
	}
	if v, has := n[kind+" "+id]; has {
		return v
	}
	return map[string]any{"id": id}
}

// NamesIn looks up everything that a list of assignments names, in one query per
// kind.
func (s *Service) NamesIn(ctx context.Context, rows []Seen) (Names, error) {
	ids := map[string]map[string]bool{}
	note := func(kind, id string) {
		if ids[kind] == nil {
			ids[kind] = map[string]bool{}
		}
		ids[kind][id] = true
	}
	for _, r := range rows {
		note(r.ActorKind, r.ActorID)
		note("role", r.RoleID)
		if r.TargetKind != TargetSystem {
			note(TargetProject, r.TargetID)
		}
	}
	users, err := s.tables.Users.List(ctx, s.db, anyOf(ids[ActorUser]))
	if err != nil {
		return nil, err
	}
	groups, err := s.tables.Groups.List(ctx, s.db, anyOf(ids[ActorGroup]))
	if err != nil {
		return nil, err
	}
	domains, err := s.tables.Projects.List(ctx, s.db, Is("is_domain", true))
	if err != nil {
		return nil, err
	}
	projects, err := s.tables.Projects.List(ctx, s.db, anyOf(ids[TargetProject]))
	if err != nil {
		return nil, err
	}
	table, err := s.roleTable(ctx)
	if err != nil {
		return nil, err
	}
	return name(users, groups, domains, projects, table), nil
}

func anyOf(set map[string]bool) Match {
	ids := make([]string, 0, len(set))
	for id := range set {
		ids = append(ids, id)
	}
	return Match{Column: "id", Op: OpIn, Value: ids}
}

func name(users []User, groups []Group, domains, projects []Project, roles *roleTable) Names {
	domain := map[string]string{}
	for _, d := range domains {
		domain[d.ID] = d.Name
	}
	out := Names{}
	add := func(kind, id, name, domainID string) {
		v := map[string]any{"id": id, "name": name}
		if domainID != "" {
			v["domain"] = map[string]any{"id": domainID, "name": domain[domainID]}
		}
		out[kind+" "+id] = v
	}
	for _, u := range users {
		add(ActorUser, u.ID, u.Name, u.DomainID)
	}
	for _, g := range groups {
		add(ActorGroup, g.ID, g.Name, g.DomainID)
	}
	for _, p := range projects {
		add(TargetProject, p.ID, p.Name, p.DomainID)
	}
	for _, r := range roles.roles {
		add("role", r.ID, r.Name, r.DomainID)
	}
	return out
}
