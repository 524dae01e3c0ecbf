package api

import (
	"net/http"

	"altostack/identity"
	"altostack/kernel/auth"
	"altostack/kernel/rest"
)

func registeredView(r *http.Request, v identity.RegisteredLimit) object {
	return view(r, nil, "registered_limits/"+v.ID, object{
		"id": v.ID, "service_id": v.ServiceID, "region_id": orNull(v.RegionID), "resource_name": v.ResourceName, "default_limit": v.DefaultLimit, "description": orNull(v.Description),
	})
}

func limitView(r *http.Request, v identity.Limit) object {
	return view(r, nil, "limits/"+v.ID, object{
		"id": v.ID, "project_id": orNull(v.ProjectID), "domain_id": orNull(v.DomainID), "service_id": v.ServiceID, "region_id": orNull(v.RegionID),
		"resource_name": v.ResourceName, "resource_limit": v.ResourceLimit, "description": orNull(v.Description),
	})
}

var limitFilters = map[string]filter{
	"service_id": {column: "service_id"}, "region_id": {column: "region_id"}, "resource_name": {column: "resource_name"},
}

func (a *API) limitRoutes() []rest.Route {
	registered := crud[identity.RegisteredLimit]{
		path: "/v3/registered_limits", member: "registered_limit", plural: "registered_limits", view: registeredView, filters: limitFilters,
		list:   a.svc.RegisteredLimits,
		get:    a.svc.RegisteredLimit,
		update: a.svc.UpdateRegisteredLimit,
		remove: a.svc.DeleteRegisteredLimit,
	}.routes()
	own := map[string]filter{"project_id": {column: "project_id"}, "domain_id": {column: "domain_id"}}
	for name, f := range limitFilters {
		own[name] = f
	}
	limits := crud[identity.Limit]{
		path: "/v3/limits", member: "limit", plural: "limits", view: limitView, filters: own,
		list:   a.svc.Limits,
		get:    a.svc.Limit,
		update: a.svc.UpdateLimit,
		remove: a.svc.DeleteLimit,
	}.routes()
	routes := []rest.Route{
		rest.On("GET /v3/limits/model", "identity:get_limit_model", a.limitModel),
		rest.On("POST /v3/registered_limits", "identity:create_registered_limits", severalHandler("registered_limits", a.svc.CreateRegisteredLimits, registeredView)),
		rest.On("POST /v3/limits", "identity:create_limits", severalHandler("limits", a.svc.CreateLimits, limitView)),
	}
	routes = append(append(routes, registered...), limits...) // those without POST: it makes several at once
	return routes
}

func (a *API) limitModel(w http.ResponseWriter, _ *http.Request, _ auth.Scope) error {
	name, description := a.svc.LimitModel()
	return one(w, http.StatusOK, "model", object{"name": name, "description": description})
}
