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
		list:    a.svc.Regions,
		create:  a.svc.CreateRegion,
		get:     a.svc.Region,
		update:  a.svc.UpdateRegion,
		remove:  a.svc.DeleteRegion,
	}.routes()
	services := crud[identity.CatalogService]{
		path: "/v3/services", member: "service", plural: "services", view: serviceView,
		filters: map[string]filter{"name": {column: "name"}, "type": {column: "type"}},
		list:    a.svc.CatalogServices,
		create:  a.svc.CreateCatalogService,
		get:     a.svc.CatalogService,
		update:  a.svc.UpdateCatalogService,
		remove:  a.svc.DeleteCatalogService,
	}.routes()
	endpoints := crud[identity.Endpoint]{
		path: "/v3/endpoints", member: "endpoint", plural: "endpoints", view: endpointView,
		filters: map[string]filter{"interface": {column: "interface"}, "service_id": {column: "service_id"}, "region_id": {column: "region_id"}, "region": {column: "region_id"}},
		list:    a.svc.Endpoints,
		create:  a.svc.CreateEndpoint,
		get:     a.svc.Endpoint,
		update:  a.svc.UpdateEndpoint,
		remove:  a.svc.DeleteEndpoint,
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
	region, err := a.svc.PutRegion(r.Context(), scope, r.PathValue("region_id"), v)
	if err != nil {
		return err
	}
	return one(w, http.StatusCreated, "region", regionView(r, region))
}
