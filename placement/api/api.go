// Package api is the face of placement: OpenStack Placement API 1.0 to 1.39.
package api

import (
	"net/http"
	"net/url"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/microversion"
	"altostack/kernel/rest"
	"altostack/placement"
)

// API is the handlers.
type API struct{ placement *placement.Service }

// New makes the API of a service.
func New(s *placement.Service) *API { return &API{placement: s} }

// Range is what the API speaks.
func Range() *microversion.Range {
	return &microversion.Range{Service: "placement", Min: v(0), Max: v(39)}
}

// Routes is the table of all there is.
func (a *API) Routes() []rest.Route {
	const rp, id = "placement:resource_providers:", "/resource_providers/{uuid}"
	return []rest.Route{
		rest.On("GET /", "", a.root).Open(),

		rest.On("GET /resource_providers", rp+"list", a.listProviders),
		rest.On("POST /resource_providers", rp+"create", a.createProvider),
		rest.On("GET "+id, rp+"show", a.showProvider),
		rest.On("PUT "+id, rp+"update", a.updateProvider),
		rest.On("DELETE "+id, rp+"delete", a.deleteProvider),

		rest.On("GET "+id+"/inventories", rp+"inventories:list", a.inventories),
		rest.On("POST "+id+"/inventories", rp+"inventories:create", a.createInventory),
		rest.On("PUT "+id+"/inventories", rp+"inventories:update", a.setInventories),
		rest.On("DELETE "+id+"/inventories", rp+"inventories:delete", a.deleteInventories).Since("1.5"),
		rest.On("DELETE "+id+"/inventories", rp+"inventories:delete", tooOld).Until("1.4"),
		rest.On("GET "+id+"/inventories/{resource_class}", rp+"inventories:show", a.inventory),
		rest.On("PUT "+id+"/inventories/{resource_class}", rp+"inventories:update", a.setInventory),
		rest.On("DELETE "+id+"/inventories/{resource_class}", rp+"inventories:delete", a.deleteInventory),

		rest.On("GET "+id+"/usages", rp+"usages", a.providerUsages),
		rest.On("GET "+id+"/allocations", rp+"allocations:list", a.providerAllocations),
		rest.On("GET "+id+"/aggregates", rp+"aggregates:list", a.aggregates).Since("1.1"),
		rest.On("PUT "+id+"/aggregates", rp+"aggregates:update", a.setAggregates).Since("1.1"),
		rest.On("GET "+id+"/traits", rp+"traits:list", a.providerTraits).Since("1.6"),
		rest.On("PUT "+id+"/traits", rp+"traits:update", a.setProviderTraits).Since("1.6"),
		rest.On("DELETE "+id+"/traits", rp+"traits:delete", a.deleteProviderTraits).Since("1.6"),

		rest.On("GET /traits", "placement:traits:list", a.listTraits).Since("1.6"),
		rest.On("GET /traits/{name}", "placement:traits:show", a.showTrait).Since("1.6"),
		rest.On("PUT /traits/{name}", "placement:traits:update", a.putTrait).Since("1.6"),
		rest.On("DELETE /traits/{name}", "placement:traits:delete", a.deleteTrait).Since("1.6"),

		rest.On("GET /resource_classes", "placement:resource_classes:list", a.listClasses).Since("1.2"),
		rest.On("POST /resource_classes", "placement:resource_classes:create", a.createClass).Since("1.2"),
		rest.On("GET /resource_classes/{name}", "placement:resource_classes:show", a.showClass).Since("1.2"),
		rest.On("PUT /resource_classes/{name}", "placement:resource_classes:update", a.renameClass).Since("1.2").Until("1.6"),
		rest.On("PUT /resource_classes/{name}", "placement:resource_classes:update", a.ensureClass).Since("1.7"),
		rest.On("DELETE /resource_classes/{name}", "placement:resource_classes:delete", a.deleteClass).Since("1.2"),

		rest.On("GET /allocations/{consumer_uuid}", "placement:allocations:list", a.allocations),
		rest.On("PUT /allocations/{consumer_uuid}", "placement:allocations:update", a.putAllocations),
		rest.On("DELETE /allocations/{consumer_uuid}", "placement:allocations:delete", a.deleteAllocations),
		rest.On("POST /allocations", "placement:allocations:manage", a.postAllocations).Since("1.13"),
		rest.On("GET /usages", "placement:usages", a.usages).Since("1.9").Inside(),
		rest.On("GET /allocation_candidates", "placement:allocation_candidates:list", a.candidates).Since("1.10"),
		rest.On("POST /reshaper", "placement:reshaper:reshape", a.reshape).Since("1.30").Body(16 << 20),
	}
}

// tooOld is for a method that a path did not have yet.
func tooOld(http.ResponseWriter, *http.Request, auth.Scope) error {
	return fault.New(fault.CodeRestBadMethod, "The method specified is not allowed for this resource.")
}

func (a *API) root(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	rng := Range()
	a.dated(w, r, time.Time{})
	return rest.Write(w, http.StatusOK, map[string]any{"versions": []any{map[string]any{
		"id": "v" + rng.Min.String(), "min_version": rng.Min.String(), "max_version": rng.Max.String(), "status": "CURRENT",
		"links": []any{map[string]any{"rel": "self", "href": ""}}}}})
}

// dated adds the headers of 1.15; the zero time means now.
func (a *API) dated(w http.ResponseWriter, r *http.Request, t time.Time) {
	if !at(r, 15) {
		return
	}
	if t.IsZero() {
		t = a.placement.Now()
	}
	w.Header().Set("Last-Modified", t.UTC().Format(http.TimeFormat))
	w.Header().Set("Cache-Control", "no-cache")
}

// at reports whether the request is in 1.minor or newer.
func at(r *http.Request, minor int) bool { return microversion.From(r.Context()).AtLeast(v(minor)) }

// path is the path of a resource with the mount point before it, as placement links.
func path(r *http.Request, below string) string {
	if u, err := url.Parse(rest.Base(r)); err == nil {
		return u.Path + below
	}
	return below
}

// latest answers the newest of the times.
func latest(times ...time.Time) (out time.Time) {
	for _, t := range times {
		if t.After(out) {
			out = t
		}
	}
	return out
}
