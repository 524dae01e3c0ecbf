package api

import (
	"net/http"

	"altostack/identity"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

// place is one of the five kinds of path under which roles are granted.
type place struct {
	prefix, suffix string
	target         string // kind
	id             string // path parameter of the target
	inherited      bool
}

var places = []place{
	{prefix: "/v3/projects/{project_id}", target: identity.TargetProject, id: "project_id"},
	{prefix: "/v3/domains/{domain_id}", target: identity.TargetDomain, id: "domain_id"},
	{prefix: "/v3/system", target: identity.TargetSystem},
	{prefix: "/v3/OS-INHERIT/projects/{project_id}", suffix: "/inherited_to_projects", target: identity.TargetProject, id: "project_id", inherited: true},
	{prefix: "/v3/OS-INHERIT/domains/{domain_id}", suffix: "/inherited_to_projects", target: identity.TargetDomain, id: "domain_id", inherited: true},
}

func (a *API) grantRoutes() []rest.Route {
	var routes []rest.Route
	for _, p := range places {
		for _, actor := range []string{identity.ActorUser, identity.ActorGroup} {
			routes = append(routes, a.grantsAt(p, actor)...)
		}
	}
	return append(routes, rest.On("GET /v3/role_assignments", "identity:list_role_assignments", a.listAssignments).Inside())
}

func (a *API) grantsAt(p place, actor string) []rest.Route {
	all := p.prefix + "/" + actor + "s/{" + actor + "_id}/roles"
	one := all + "/{role_id}" + p.suffix
	rule := func(verb string) string {
		name := map[string]string{"list": "list_grants", "check": "check_grant", "create": "create_grant", "revoke": "revoke_grant"}[verb]
		if p.target != identity.TargetSystem {
			return "identity:" + name
		}
		if verb == "list" {
			return "identity:list_system_grants_for_" + actor
		}
		return "identity:" + verb + "_system_grant_for_" + actor
	}
	read := func(r *http.Request) identity.Assignment {
		return identity.Assignment{ActorKind: actor, ActorID: r.PathValue(actor + "_id"), TargetKind: p.target, TargetID: r.PathValue(p.id), RoleID: r.PathValue("role_id"), Inherited: p.inherited}
	}
	routes := []rest.Route{
		rest.On("GET "+one, rule("check"), func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
			return noContent(w, a.svc.HasGrant(r.Context(), scope, read(r)))
		}),
		rest.On("PUT "+one, rule("create"), func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
			return noContent(w, a.svc.Grant(r.Context(), scope, read(r)))
		}),
		rest.On("DELETE "+one, rule("revoke"), func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
			return noContent(w, a.svc.Revoke(r.Context(), scope, read(r)))
		}),
	}
	if p.inherited && p.target == identity.TargetProject {
		return routes // the API has no list there
	}
	return append(routes, rest.On("GET "+all+p.suffix, rule("list"), func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		roles, err := a.svc.Grants(r.Context(), scope, read(r))
		if err != nil {
			return err
		}
		return many(w, r, "roles", roles, false, roleView)
	}))
}

// listAssignments answers who has which role where.
func (a *API) listAssignments(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	q := r.URL.Query()
	flag := func(name string) bool { return q.Has(name) && truth(q.Get(name)) }
	ask := identity.AssignmentQuery{
		UserID: q.Get("user.id"), GroupID: q.Get("group.id"), RoleID: q.Get("role.id"), ProjectID: q.Get("scope.project.id"), DomainID: q.Get("scope.domain.id"),
		System: q.Has("scope.system"), Effective: flag("effective"), Subtree: flag("include_subtree"), InheritedOnly: q.Get("scope.OS-INHERIT:inherited_to") == "projects",
	}
	for _, wrong := range []struct {
		is   bool
		what string
	}{
		{ask.Effective && ask.GroupID != "", "Combining effective and group filter will always result in an empty list."},
		{ask.Effective && ask.InheritedOnly && ask.DomainID != "", "Combining effective, domain and inherited filters will always result in an empty list."},
		{ask.Subtree && ask.ProjectID == "", "scope.project.id must be specified if include_subtree is also specified"},
		{ask.ProjectID != "" && ask.DomainID != "", "Specify a domain or project, not both"},
		{ask.System && ask.DomainID != "", "Specify system or domain, not both"},
		{ask.System && ask.ProjectID != "", "Specify system or project, not both"},
		{ask.UserID != "" && ask.GroupID != "", "Specify a user or group, not both"},
	} {
		if wrong.is {
			return fault.New(fault.CodeIdentityInvalid, "%s", wrong.what)
		}
	}
	if ask.Subtree {
		scope.Rule = "identity:list_role_assignments_for_tree"
	}
	rows, err := a.svc.Assignments(r.Context(), scope, ask)
	if err != nil {
		return err
	}
	names := identity.Names{}
	if flag("include_names") {
		if names, err = a.svc.NamesIn(r.Context(), rows); err != nil {
			return err
		}
	}
	return many(w, r, "role_assignments", rows, false, func(r *http.Request, s identity.Seen) object { return seenView(r, s, names) })
}

func seenView(r *http.Request, s identity.Seen, names identity.Names) object {
	v := object{"role": names.Show("role", s.RoleID), s.ActorKind: names.Show(s.ActorKind, s.ActorID)}
	switch s.TargetKind {
	case identity.TargetSystem:
		v["scope"] = object{"system": object{"all": true}}
	default:
		v["scope"] = object{s.TargetKind: names.Show(s.TargetKind, s.TargetID)}
	}
	if s.Inherited || s.From != nil {
		v["scope"].(object)["OS-INHERIT:inherited_to"] = "projects"
	}
	made := s.Assignment
	if s.From != nil {
		made = *s.From
	}
	if s.PriorRoleID != "" {
		made.RoleID = s.PriorRoleID
	}
	if s.Membership != "" {
		made.ActorKind, made.ActorID = identity.ActorGroup, s.Membership
	}
	links := object{"assignment": rest.Base(r) + "/v3" + grantPath(made)}
	if s.Membership != "" {
		links["membership"] = rest.Base(r) + "/v3/groups/" + s.Membership + "/users/" + s.ActorID
	}
	if s.PriorRoleID != "" {
		links["prior_role"] = rest.Base(r) + "/v3/prior_role/" + s.PriorRoleID + "/implies/" + s.RoleID
	}
	v["links"] = links
	return v
}

func grantPath(a identity.Assignment) string {
	path := "/" + a.TargetKind + "s/" + a.TargetID
	if a.TargetKind == identity.TargetSystem {
		path = "/system"
	}
	path += "/" + a.ActorKind + "s/" + a.ActorID + "/roles/" + a.RoleID
	if a.Inherited {
		return "/OS-INHERIT" + path + "/inherited_to_projects"
	}
	return path
}
