package api

import (
	"context"
	"net/http"

	"altostack/identity"
	"altostack/kernel/auth"
	"altostack/kernel/rest"
)

func endpointGroupView(r *http.Request, g identity.EndpointGroup) object {
	return view(r, nil, "OS-EP-FILTER/endpoint_groups/"+g.ID, object{"id": g.ID, "name": g.Name, "description": g.Description, "filters": g.Filters})
}

func (a *API) endpointFilterRoutes() []rest.Route {
	const root = "/v3/OS-EP-FILTER"
	const group, project = root + "/endpoint_groups/{endpoint_group_id}", root + "/projects/{project_id}"
	groups := crud[identity.EndpointGroup]{
		path: root + "/endpoint_groups", member: "endpoint_group", plural: "endpoint_groups", view: endpointGroupView,
		filters: map[string]filter{"name": {column: "name"}},
		list:    a.svc.EndpointGroups, create: a.svc.CreateEndpointGroup, get: a.svc.EndpointGroup, update: a.svc.UpdateEndpointGroup, remove: a.svc.DeleteEndpointGroup,
	}.routes()
	return append(groups,
		rest.On("GET "+group+"/endpoints", "identity:list_endpoints_associated_with_endpoint_group", below("endpoint_group_id", "endpoints", a.svc.EndpointsOfGroup, endpointView)),
		rest.On("GET "+group+"/projects", "identity:list_projects_associated_with_endpoint_group", below("endpoint_group_id", "projects", a.svc.ProjectsOfGroup, projectView)),
		rest.On("GET "+root+"/endpoints/{endpoint_id}/projects", "identity:list_projects_for_endpoint", below("endpoint_id", "projects", a.svc.ProjectsOfEndpoint, projectView)),
		rest.On("GET "+project+"/endpoints", "identity:list_endpoints_for_project", below("project_id", "endpoints", a.svc.EndpointsOfProject, endpointView)),
		rest.On("GET "+project+"/endpoint_groups", "identity:list_endpoint_groups_for_project", below("project_id", "endpoint_groups", a.svc.EndpointGroupsOfProject, endpointGroupView)),
		rest.On("GET "+project+"/endpoints/{endpoint_id}", "identity:check_endpoint_in_project", between("endpoint_id", a.svc.CheckEndpoint)),
		rest.On("PUT "+project+"/endpoints/{endpoint_id}", "identity:add_endpoint_to_project", between("endpoint_id", a.svc.GiveEndpoint)),
		rest.On("DELETE "+project+"/endpoints/{endpoint_id}", "identity:remove_endpoint_from_project", between("endpoint_id", a.svc.TakeEndpoint)),
		rest.On("GET "+group+"/projects/{project_id}", "identity:get_endpoint_group_in_project", a.showGroupInProject),
		rest.On("PUT "+group+"/projects/{project_id}", "identity:add_endpoint_group_to_project", between("endpoint_group_id", a.svc.GiveEndpointGroup)),
		rest.On("DELETE "+group+"/projects/{project_id}", "identity:remove_endpoint_group_from_project", between("endpoint_group_id", a.svc.TakeEndpointGroup)),
	)
}

// below answers the list of what belongs to the object that the path names.
func below[T any](param, plural string, find func(context.Context, auth.Scope, string) ([]T, error), view func(*http.Request, T) object) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		rows, err := find(r.Context(), scope, r.PathValue(param))
		if err != nil {
			return err
		}
		return many(w, r, plural, rows, false, view)
	}
}

// between does something with a project and what else the path names.
func between(other string, do func(ctx context.Context, scope auth.Scope, projectID, otherID string) error) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		return noContent(w, do(r.Context(), scope, r.PathValue("project_id"), r.PathValue(other)))
	}
}

func (a *API) showGroupInProject(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	group, project := r.PathValue("endpoint_group_id"), r.PathValue("project_id")
	if err := a.svc.CheckEndpointGroup(r.Context(), scope, project, group); err != nil {
		return err
	}
	return one(w, http.StatusOK, "project_endpoint_group", view(r, nil, "OS-EP-FILTER/endpoint_groups/"+group+"/projects/"+project,
		object{"endpoint_group_id": group, "project_id": project}))
}

// endpointPolicyRoutes tie policy documents to places of the catalog.
func (a *API) endpointPolicyRoutes() []rest.Route {
	const root, rule = "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY", "_policy_association_for_"
	routes := []rest.Route{
		rest.On("GET "+root+"/endpoints", "identity:list_endpoints_for_policy", below("policy_id", "endpoints", a.svc.EndpointsOfPolicy, endpointView)),
		rest.On("GET /v3/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy", "identity:get_policy_for_endpoint", a.policyOfEndpoint),
	}
	for path, noun := range map[string]string{
		"/endpoints/{endpoint_id}": "endpoint", "/services/{service_id}": "service", "/services/{service_id}/regions/{region_id}": "region_and_service",
	} {
		routes = append(routes,
			rest.On("GET "+root+path, "identity:check"+rule+noun, association(a.svc.CheckAssociation)),
			rest.On("PUT "+root+path, "identity:create"+rule+noun, association(a.svc.Associate)),
			rest.On("DELETE "+root+path, "identity:delete"+rule+noun, association(a.svc.Dissociate)),
		)
	}
	return routes
}

func association(do func(context.Context, auth.Scope, identity.PolicyAssociation) error) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		return noContent(w, do(r.Context(), scope, identity.PolicyAssociation{
			PolicyID: r.PathValue("policy_id"), EndpointID: r.PathValue("endpoint_id"), ServiceID: r.PathValue("service_id"), RegionID: r.PathValue("region_id"),
		}))
	}
}

func (a *API) policyOfEndpoint(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	p, err := a.svc.PolicyOfEndpoint(r.Context(), scope, r.PathValue("endpoint_id"))
	if err != nil {
		return err
	}
	return one(w, http.StatusOK, "policy", policyView(r, p))
}
