package api

import (
	"net/http"
	"slices"
	"strings"

	"altostack/identity"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

func tagsOf(p identity.Project) []string {
	if p.Tags == nil {
		return []string{}
	}
	return p.Tags
}

func projectView(r *http.Request, p identity.Project) object {
	return view(r, p.Extra, "projects/"+p.ID, object{
		"id": p.ID, "name": p.Name, "domain_id": orNull(p.DomainID), "parent_id": orNull(p.ParentID), "is_domain": p.IsDomain, "enabled": p.Enabled,
		"description": p.Description, "tags": tagsOf(p), "options": options(p.Options),
	})
}

func domainView(r *http.Request, d identity.Project) object {
	return view(r, d.Extra, "domains/"+d.ID, object{
		"id": d.ID, "name": d.Name, "enabled": d.Enabled, "description": d.Description, "tags": tagsOf(d), "options": options(d.Options),
	})
}

func (a *API) domainRoutes() []rest.Route {
	return crud[identity.Project]{
		path: "/v3/domains", member: "domain", plural: "domains", view: domainView,
		filters: map[string]filter{"name": {column: "name"}, "enabled": {column: "enabled", flag: true}},
		list:    a.svc.Domains,
		create:  a.svc.CreateDomain,
		get:     a.svc.Domain,
		update:  a.svc.UpdateDomain,
		remove:  a.svc.DeleteDomain,
	}.routes()
}

func (a *API) projectRoutes() []rest.Route {
	routes := crud[identity.Project]{
		path: "/v3/projects", member: "project", plural: "projects", filters: projectFilters, view: projectView,
		query: a.projectList, list: a.svc.Projects,
		create: a.svc.CreateProject,
		get:    a.svc.Project,
		update: a.svc.UpdateProject,
		remove: a.svc.DeleteProject,
	}.routes()
	for i, r := range routes {
		if r.Method == http.MethodGet && strings.HasSuffix(r.Path, "}") {
			routes[i] = rest.On("GET "+r.Path, r.Rule, a.showProject)
		}
	}
	const tags, tag = "/v3/projects/{project_id}/tags", "/v3/projects/{project_id}/tags/{value}"
	return append(routes,
		rest.On("GET "+tags, "identity:list_project_tags", a.listTags),
		rest.On("PUT "+tags, "identity:update_project_tags", a.replaceTags),
		rest.On("DELETE "+tags, "identity:delete_project_tags", a.deleteTags),
		rest.On("GET "+tag, "identity:get_project_tag", a.checkTag),
		rest.On("PUT "+tag, "identity:create_project_tag", a.addTag),
		rest.On("DELETE "+tag, "identity:delete_project_tag", a.deleteTag),
	)
}

// projectList is list with the four filters by tag.
func (a *API) projectList(r *http.Request) (identity.List, error) {
	q := r.URL.Query()
	l, err := list(q, projectFilters)
	if err != nil {
		return l, err
	}
	for name, all := range map[string]bool{"tags": true, "tags-any": false, "not-tags": true, "not-tags-any": false} {
		if !q.Has(name) {
			continue
		}
		ids, err := a.svc.Tagged(r.Context(), strings.Split(q.Get(name), ","), all)
		if err != nil {
			return l, err
		}
		if !strings.HasPrefix(name, "not-") {
			l.Match = append(l.Match, identity.Match{Column: "id", Op: identity.OpIn, Value: ids})
			continue
		}
		for _, id := range ids {
			l.Match = append(l.Match, identity.Match{Column: "id", Op: identity.OpNotEqual, Value: id})
		}
	}
	return l, nil
}

// showProject adds the tree around a project as far as it is asked for.
func (a *API) showProject(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	p, err := a.svc.Project(r.Context(), scope, r.PathValue("project_id"))
	if err != nil {
		return err
	}
	v, q := projectView(r, p), r.URL.Query()
	asked := func(name string) bool { return q.Has(name) && truth(q.Get(name)) }
	for _, part := range []string{"parents", "subtree"} {
		asList, asIDs := asked(part+"_as_list"), asked(part+"_as_ids")
		if asList && asIDs {
			return fault.New(fault.CodeIdentityInvalid, "Cannot use %s_as_list and %s_as_ids query params at the same time.", part, part)
		}
		if !asList && !asIDs {
			continue
		}
		if v[part], err = a.tree(r, scope, p, part, asIDs); err != nil {
			return err
		}
	}
	return one(w, http.StatusOK, "project", v)
}

func (a *API) tree(r *http.Request, scope auth.Scope, p identity.Project, part string, asIDs bool) (any, error) {
	find := a.svc.Parents
	if part == "subtree" {
		find = a.svc.Subtree
	}
	rows, err := find(r.Context(), p.ID)
	if err != nil {
		return nil, err
	}
	if asIDs {
		return nested(p, rows, part == "subtree"), nil
	}
	reach, err := a.svc.CanReach(r.Context(), scope.UserID)
	if err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(rows, func(p identity.Project) bool { return !reach[p.ID] }) // as the real service: only what the caller has a role in
	limits, q := map[string][]identity.Limit{}, r.URL.Query()
	withLimits := q.Has("include_limits") && truth(q.Get("include_limits"))
	if withLimits {
		if limits, err = a.svc.LimitsOf(r.Context(), rows); err != nil {
			return nil, err
		}
	}
	out := []object{}
	for _, row := range rows {
		v := projectView(r, row)
		if withLimits {
			own := []object{}
			for _, l := range limits[row.ID] {
				own = append(own, limitView(r, l))
			}
			v["limits"] = own
		}
		out = append(out, object{"project": v})
	}
	return out, nil
}

// nested spells a tree as ids within ids; null ends a branch.
func nested(p identity.Project, rows []identity.Project, down bool) any {
	if !down {
		var chain any
		for _, row := range slices.Backward(rows) {
			chain = object{row.ID: chain}
		}
		return chain
	}
	children := map[string][]identity.Project{}
	for _, row := range rows {
		children[row.ParentID] = append(children[row.ParentID], row)
	}
	var below func(id string) any
	below = func(id string) any {
		if len(children[id]) == 0 {
			return nil
		}
		out := object{}
		for _, c := range children[id] {
			out[c.ID] = below(c.ID)
		}
		return out
	}
	return below(p.ID)
}

func (a *API) answerTags(w http.ResponseWriter, r *http.Request, p identity.Project) error {
	return rest.Write(w, http.StatusOK, object{"tags": tagsOf(p), "links": object{"self": selfURL(r), "previous": nil, "next": nil}})
}

func (a *API) listTags(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	p, err := a.svc.Project(r.Context(), scope, r.PathValue("project_id"))
	if err != nil {
		return err
	}
	return a.answerTags(w, r, p)
}

func (a *API) replaceTags(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var tags []string
	if err := rest.Decode(r, "tags", &tags); err != nil {
		return err
	}
	p, err := a.svc.SetTags(r.Context(), scope, r.PathValue("project_id"), func([]string) ([]string, error) { return tags, nil })
	if err != nil {
		return err
	}
	return a.answerTags(w, r, p)
}

func (a *API) deleteTags(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	_, err := a.svc.SetTags(r.Context(), scope, r.PathValue("project_id"), func([]string) ([]string, error) { return nil, nil })
	return noContent(w, err)
}

func noTag(name string) error {
	return fault.New(fault.CodeIdentityNotFound, "Could not find project tag: %s.", name)
}

func (a *API) checkTag(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	p, err := a.svc.Project(r.Context(), scope, r.PathValue("project_id"))
	if err == nil && !slices.Contains(p.Tags, r.PathValue("value")) {
		err = noTag(r.PathValue("value"))
	}
	return noContent(w, err)
}

func (a *API) addTag(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	name := r.PathValue("value")
	if len(name) > 255 || strings.ContainsAny(name, ",/") {
		return fault.New(fault.CodeIdentityInvalid, "Invalid project tag: '%s': at most 255 characters, without comma and slash.", name).WithField("tag")
	}
	_, err := a.svc.SetTags(r.Context(), scope, r.PathValue("project_id"), func(tags []string) ([]string, error) {
		if slices.Contains(tags, name) {
			return tags, nil
		}
		return append(slices.Clone(tags), name), nil
	})
	if err != nil {
		return err
	}
	w.Header().Set("Location", rest.Base(r)+pathOf(r))
	return rest.Empty(w, http.StatusCreated)
}

func (a *API) deleteTag(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	name := r.PathValue("value")
	_, err := a.svc.SetTags(r.Context(), scope, r.PathValue("project_id"), func(tags []string) ([]string, error) {
		if !slices.Contains(tags, name) {
			return nil, noTag(name)
		}
		return slices.DeleteFunc(slices.Clone(tags), func(t string) bool { return t == name }), nil
	})
	return noContent(w, err)
}
