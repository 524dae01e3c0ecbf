package api

import (
	"net/http"
	"strconv"

	"altostack/compute"
	"altostack/kernel/auth"
	"altostack/kernel/page"
	"altostack/kernel/rest"
)

// Groups are the routes of server groups.
type Groups struct{ compute *compute.Service }

// NewGroups makes them.
func NewGroups(s *compute.Service) *Groups { return &Groups{s} }

// Routes lists them. A stranger's group is 403, as at Nova.
func (a *Groups) Routes() []rest.Route {
	const all, rule = "/v2.1/os-server-groups", "os_compute_api:os-server-groups:"
	return []rest.Route{
		rest.On("GET "+all, rule+"index", a.list),
		rest.On("POST "+all, rule+"create", a.create),
		rest.On("GET "+all+"/{group_id}", rule+"show", a.show).Inside(),
		rest.On("DELETE "+all+"/{group_id}", rule+"delete", a.remove).Inside(),
	}
}

func groupView(r *http.Request, g compute.ServerGroup) map[string]any {
	out := map[string]any{"id": g.ID, "name": g.Name, "members": g.Members}
	if since(r, 64) {
		out["policy"], out["rules"] = g.Policy, g.Rules
	} else {
		out["policies"], out["metadata"] = []string{g.Policy}, map[string]string{}
	}
	if since(r, 13) {
		out["project_id"], out["user_id"] = g.ProjectID, g.UserID
	}
	return out
}

func (a *Groups) list(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	q, project := r.URL.Query(), scope.ProjectID
	// Who may not see all projects' groups gets its own, not a refusal.
	if q.Has("all_projects") && scope.MayOwn("os_compute_api:os-server-groups:index:all_projects") {
		project = ""
	}
	req, err := page.Parse(q, page.Options{Max: 1000})
	if err != nil {
		return err
	}
	skip, _ := strconv.Atoi(q.Get("offset")) // the schema lets digits through, or nothing
	groups, err := a.compute.Groups(r.Context(), project, max(skip, 0), req.Limit)
	if err != nil {
		return err
	}
	views := make([]map[string]any, len(groups))
	for i, g := range groups {
		views[i] = groupView(r, g)
	}
	return rest.Write(w, http.StatusOK, map[string]any{"server_groups": views})
}

func (a *Groups) create(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body struct {
		Name     string   `json:"name"`
		Policies []string `json:"policies"`
		Policy   string   `json:"policy"`
		Rules    struct {
			MaxPerHost looseNumber `json:"max_server_per_host"`
		} `json:"rules"`
	}
	if err := rest.Decode(r, "server_group", &body); err != nil {
		return err
	}
	g := compute.ServerGroup{ProjectID: scope.ProjectID, UserID: scope.UserID, Name: body.Name, Policy: body.Policy, Rules: compute.GroupRules{MaxPerHost: int(body.Rules.MaxPerHost)}}
	if len(body.Policies) > 0 {
		g.Policy = body.Policies[0]
	}
	g, err := a.compute.CreateGroup(r.Context(), g)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"server_group": groupView(r, g)})
}

func (a *Groups) find(r *http.Request, scope auth.Scope) (compute.ServerGroup, error) {
	g, err := a.compute.Group(r.Context(), r.PathValue("group_id"))
	if err == nil {
		err = scope.Check(scope.Rule, auth.Target{"project_id": g.ProjectID})
	}
	return g, err
}

func (a *Groups) show(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	g, err := a.find(r, scope)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"server_group": groupView(r, g)})
}

func (a *Groups) remove(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	g, err := a.find(r, scope)
	if err == nil {
		err = a.compute.DeleteGroup(r.Context(), g.ID)
	}
	if err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}
