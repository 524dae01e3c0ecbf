// Package api is the OpenStack Compute API, 2.1 to 2.103: routes, what a
// request says, and how an answer looks in each microversion. It decides
// nothing; compute does.
//
// One file per noun, each with a slice of routes of its own; Routes puts them
// together. Wire format: the Compute API reference of 2026.1; extensions of our
// own are named in docs/compute.md.
package api

import (
	"net/http"
	"strings"

	"altostack/compute"
	"altostack/kernel/auth"
	"altostack/kernel/microversion"
	"altostack/kernel/rest"
)

// API holds what handlers need.
type API struct {
	svc *compute.Service
	// consoles is the public address of compute/console; empty: below the
	// address that the client used.
	consoles string
}

// Range is what the service speaks.
var Range = microversion.Range{Service: "compute", Min: microversion.V(2, 1), Max: microversion.V(2, 103), Legacy: "X-OpenStack-Nova-API-Version"}

// New makes the handlers.
func New(svc *compute.Service) *API { return &API{svc: svc} }

// ConsolesAt sets where compute/console is served, as https://cloud/console;
// without it consoles are at /console of the address that each request came to.
func (a *API) ConsolesAt(base string) *API {
	a.consoles = strings.TrimSuffix(base, "/")
	return a
}

// Routes are the service's operations.
func (a *API) Routes() []rest.Route {
	var all []rest.Route
	for _, noun := range [][]rest.Route{a.versionRoutes(), a.serverRoutes(), a.actionRoutes(), a.metadataRoutes(), a.tagRoutes(), a.addressRoutes(),
		a.interfaceRoutes(), a.attachmentRoutes(), a.historyRoutes(), a.consoleRoutes(), a.traceRoutes(), a.secGroupRoutes(),
		NewFlavors(a.svc).Routes(), NewKeypairs(a.svc).Routes(), NewQuotas(a.svc).Routes(), NewHosts(a.svc).Routes(),
		NewAggregates(a.svc).Routes(), NewGroups(a.svc).Routes(), NewUsage(a.svc).Routes(), NewPasswords(a.svc).Routes(), a.eventRoutes(), extensionRoutes(), removedRoutes()} {
		all = append(all, noun...)
	}
	return all
}

func version(r *http.Request) microversion.Version { return microversion.From(r.Context()) }

func since(r *http.Request, minor int) bool { return version(r).AtLeast(microversion.V(2, minor)) }

type link struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

// links of a resource: one with the version, one that outlives it.
func links(base, noun, id string) []link {
	return []link{{"self", base + "/v2.1/" + noun + "/" + id}, {"bookmark", base + "/" + noun + "/" + id}}
}

// nextLink is the address of the page after the one that ends with marker.
func nextLink(r *http.Request, marker string) []link {
	q := r.URL.Query()
	q.Set("marker", marker)
	return []link{{"next", rest.Base(r) + pathOf(r) + "?" + q.Encode()}}
}

// pathOf is the request's path without the mount, which the base has.
func pathOf(r *http.Request) string {
	if i := strings.Index(r.URL.Path, "/v2.1"); i >= 0 {
		return r.URL.Path[i:]
	}
	return r.URL.Path
}

// sees answers the server of a route within its scope.
func (a *API) sees(r *http.Request, scope auth.Scope) (compute.Server, error) {
	return a.svc.Get(r.Context(), scope, serverID(r))
}

func serverID(r *http.Request) string {
	if id := r.PathValue("server_id"); id != "" {
		return id
	}
	return r.PathValue("id")
}

// target is what policy rules compare of a server.
func target(s compute.Server) auth.Target {
	return auth.Target{"project_id": s.ProjectID, "user_id": s.UserID}
}
