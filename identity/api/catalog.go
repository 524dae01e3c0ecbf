package api

import (
	"net/http"

	"altostack/identity"
	"altostack/kernel/auth"
	"altostack/kernel/rest"
)

func regionView(r *http.Request, v identity.Region) object {
	return view(r, v.Extra, "regions/"+v.ID, object{"id": v.ID, "parent_region_id": orNull(v.ParentID), "description": v.Description})
}

func serviceView(r *http.Request, v identity.CatalogService) object {
	o := object{"id": v.ID, "type": v.Type, "enabled": v.Enabled}
	if v.Name != "" {
		o["name"] = v.Name
	}
	if v.Description != "" {
		o["description"] = v.Description
	}
	return view(r, v.Extra, "services/"+v.ID, o)
}

func endpointView(r *http.Request, v identity.Endpoint) object {
	return view(r, v.Extra, "endpoints/"+v.ID, object{
		"id": v.ID, "service_id": v.ServiceID, "region_id": orNull(v.RegionID), "region": orNull(v.RegionID), "interface": v.Interface, "url": v.URL, "enabled": v.Enabled,
	})
}

func (a *API) catalogRoutes() []rest.Route {
	regions := crud[identity.Region]{
		path: "/v3/regions", member: "region", plural: "regions", view: regionView,
		filters: map[string]filter{"parent_region_id": {column: "parent_id"}},
		list: func(r *http.Request, s auth.Scope, l identity.List) ([]identity.Region, bool, error) {
			return a.svc.Regions(r.Context(), s, l)
		},
		create: func(r *http.Request, s auth.Scope, v identity.Attrs) (identity.Region, error) {
			return a.svc.CreateRegion(r.Context(), s, "", v)
		},
		get: func(r *http.Request, s auth.Scope, id string) (identity.Region, error) {
			return a.svc.Region(r.Context(), s, id)
		},
		update: func(r *http.Request, s auth.Scope, id string, v identity.Attrs) (identity.Region, error) {
			return a.svc.UpdateRegion(r.Context(), s, id, v)
		},
		remove: func(r *http.Request, s auth.Scope, id string) error { return a.svc.DeleteRegion(r.Context(), s, id) },
	}.routes()
	services := crud[identity.CatalogService]{
		path: "/v3/services", member: "service", plural: "services", view: serviceView,
		filters: map[string]filter{"name": {column: "name"}, "type": {column: "type"}},
		list: func(r *http.Request, s auth.Scope, l identity.List) ([]identity.CatalogService, bool, error) {
			return a.svc.CatalogServices(r.Context(), s, l)
		},
		create: func(r *http.Request, s auth.Scope, v identity.Attrs) (identity.CatalogService, error) {
			return a.svc.CreateCatalogService(r.Context(), s, v)
		},
		get: func(r *http.Request, s auth.Scope, id string) (identity.CatalogService, error) {
			return a.svc.CatalogService(r.Context(), s, id)
		},
		update: func(r *http.Request, s auth.Scope, id string, v identity.Attrs) (identity.CatalogService, error) {
			return a.svc.UpdateCatalogService(r.Context(), s, id, v)
		},
		remove: func(r *http.Request, s auth.Scope, id string) error {
			return a.svc.DeleteCatalogService(r.Context(), s, id)
		},
	}.routes()
	endpoints := crud[identity.Endpoint]{
		path: "/v3/endpoints", member: "endpoint", plural: "endpoints", view: endpointView,
		filters: map[string]filter{"interface": {column: "interface"}, "service_id": {column: "service_id"}, "region_id": {column: "region_id"}, "region": {column: "region_id"}},
		list: func(r *http.Request, s auth.Scope, l identity.List) ([]identity.Endpoint, bool, error) {
			return a.svc.Endpoints(r.Context(), s, l)
		},
		create: func(r *http.Request, s auth.Scope, v identity.Attrs) (identity.Endpoint, error) {
			return a.svc.CreateEndpoint(r.Context(), s, v)
		},
		get: func(r *http.Request, s auth.Scope, id string) (identity.Endpoint, error) {
			return a.svc.Endpoint(r.Context(), s, id)
		},
		update: func(r *http.Request, s auth.Scope, id string, v identity.Attrs) (identity.Endpoint, error) {
			return a.svc.UpdateEndpoint(r.Context(), s, id, v)
		},
		remove: func(r *http.Request, s auth.Scope, id string) error { return a.svc.DeleteEndpoint(r.Context(), s, id) },
	}.routes()
	put := rest.On("PUT /v3/regions/{region_id}", "identity:create_region", a.putRegion)
	return append(append(append(regions, put), services...), endpoints...)
}

// putRegion makes a region whose id is the client's choice.
func (a *API) putRegion(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	v, err := attrs(r, "region")
	if err != nil {
		return err
	}
	region, err := a.svc.CreateRegion(r.Context(), scope, r.PathValue("region_id"), v)
	if err != nil {
		return err
	}
	return one(w, http.StatusCreated, "region", regionView(r, region))
}
