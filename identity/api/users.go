package api

import (
	"net/http"
	"strings"
	"time"

	"altostack/identity"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

var userFilters = map[string]filter{"name": {column: "name"}, "domain_id": {column: "domain_id"}, "enabled": {column: "enabled", flag: true}}
var projectFilters = map[string]filter{
	"name": {column: "name"}, "domain_id": {column: "domain_id"}, "parent_id": {column: "parent_id"}, "enabled": {column: "enabled", flag: true}, "is_domain": {column: "is_domain", flag: true},
}
var groupFilters = map[string]filter{"name": {column: "name"}, "domain_id": {column: "domain_id"}}

func userView(r *http.Request, u identity.User) object {
	v := object{"id": u.ID, "name": u.Name, "domain_id": u.DomainID, "enabled": u.Enabled, "options": options(u.Options), "password_expires_at": stamp(u.PasswordExpiresAt)}
	if len(u.Federated) > 0 {
		v["federated"] = federatedView(u.Federated)
	}
	if u.DefaultProjectID != "" {
		v["default_project_id"] = u.DefaultProjectID
	}
	return view(r, u.Extra, "users/"+u.ID, v)
}

func groupView(r *http.Request, g identity.Group) object {
	return view(r, g.Extra, "groups/"+g.ID, object{"id": g.ID, "name": g.Name, "domain_id": g.DomainID, "description": g.Description})
}

// expiryOps are the comparisons of the filter password_expires_at.
var expiryOps = map[string]identity.Op{
	"lt": identity.OpBefore, "lte": identity.OpAtMost, "gt": identity.OpAfter, "gte": identity.OpAtLeast, "eq": identity.OpEqual, "neq": identity.OpNotEqual,
}

// userList is list with the filter by when a password expires, as "lt:2026-…Z".
func userList(r *http.Request) (identity.List, error) {
	q := r.URL.Query()
	l, err := list(q, userFilters)
	if err != nil || !q.Has("password_expires_at") {
		return l, err
	}
	name, when, has := strings.Cut(q.Get("password_expires_at"), ":")
	op, known := expiryOps[name]
	if !has || !known {
		op, when = identity.OpEqual, q.Get("password_expires_at")
	}
	at, err := time.Parse(time.RFC3339, when)
	if err != nil {
		return l, fault.New(fault.CodeIdentityInvalid, "Timestamp not in expected format. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.").WithField("password_expires_at")
	}
	l.Match = append(l.Match, identity.Match{Column: "password_expires_at", Op: op, Value: at.UnixMicro()}, identity.Match{Column: "password_expires_at", Op: identity.OpAfter, Value: int64(0)})
	return l, nil
}

func (a *API) userRoutes() []rest.Route {
	routes := crud[identity.User]{
		path: "/v3/users", member: "user", plural: "users", filters: userFilters, view: userView,
		query: a.usersKnown, list: a.svc.Users,
		create: a.svc.CreateUser,
		get:    a.svc.User,
		update: a.svc.UpdateUser,
		remove: a.svc.DeleteUser,
	}.routes()
	return append(routes,
		rest.On("POST /v3/users/{user_id}/password", "", a.changePassword).Open(),
		rest.On("GET /v3/users/{user_id}/groups", "identity:list_groups_for_user", a.groupsOfUser),
		rest.On("GET /v3/users/{user_id}/projects", "identity:list_user_projects", a.projectsOfUser),
	)
}

func (a *API) changePassword(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	var body struct {
		Original string `json:"original_password"`
		Password string `json:"password"`
	}
	if err := rest.Decode(r, "user", &body); err != nil {
		return err
	}
	return noContent(w, a.svc.ChangePassword(r.Context(), r.PathValue("user_id"), body.Original, body.Password))
}

func (a *API) groupsOfUser(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	l, err := list(r.URL.Query(), groupFilters)
	if err != nil {
		return err
	}
	rows, more, err := a.svc.GroupsOfUser(r.Context(), scope, r.PathValue("user_id"), l)
	if err != nil {
		return err
	}
	return many(w, r, "groups", rows, more, func(r *http.Request, g identity.Group) object {
		v := groupView(r, g)
		v["membership_expires_at"] = nil // these are the lasting ones
		return v
	})
}

func (a *API) projectsOfUser(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	l, err := list(r.URL.Query(), projectFilters)
	if err != nil {
		return err
	}
	rows, more, err := a.svc.ProjectsOfUser(r.Context(), scope, r.PathValue("user_id"), l)
	if err != nil {
		return err
	}
	return many(w, r, "projects", rows, more, projectView)
}

func (a *API) groupRoutes() []rest.Route {
	routes := crud[identity.Group]{
		path: "/v3/groups", member: "group", plural: "groups", filters: groupFilters, view: groupView,
		list:   a.svc.Groups,
		create: a.svc.CreateGroup,
		get:    a.svc.Group,
		update: a.svc.UpdateGroup,
		remove: a.svc.DeleteGroup,
	}.routes()
	const member = "/v3/groups/{group_id}/users/{user_id}"
	ends := func(r *http.Request) (group, user string) { return r.PathValue("group_id"), r.PathValue("user_id") }
	return append(routes,
		rest.On("GET /v3/groups/{group_id}/users", "identity:list_users_in_group", a.usersInGroup),
		rest.On("PUT "+member, "identity:add_user_to_group", func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
			group, user := ends(r)
			return noContent(w, a.svc.AddUser(r.Context(), scope, group, user))
		}),
		rest.On("GET "+member, "identity:check_user_in_group", func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
			group, user := ends(r)
			return noContent(w, a.svc.IsMember(r.Context(), scope, group, user))
		}),
		rest.On("DELETE "+member, "identity:remove_user_from_group", func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
			group, user := ends(r)
			return noContent(w, a.svc.RemoveUser(r.Context(), scope, group, user))
		}),
	)
}

func (a *API) usersInGroup(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	l, err := userList(r)
	if err != nil {
		return err
	}
	rows, more, err := a.svc.UsersInGroup(r.Context(), scope, r.PathValue("group_id"), l)
	if err != nil {
		return err
	}
	return many(w, r, "users", rows, more, userView)
}
