package api

import (
	"net/http"

	"altostack/compute"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

// eventRoutes are those by which other services tell compute what happened to a
// server, and the lists of migrations, of which there are none: no operation
// moves a server.
func (a *API) eventRoutes() []rest.Route {
	return []rest.Route{
		rest.On("POST /v2.1/os-server-external-events", "os_compute_api:os-server-external-events:create", a.externalEvents),
		rest.On("GET /v2.1/os-migrations", "os_compute_api:os-migrations:index", listMigrations),
	}
}

type externalEvent struct {
	Server string  `json:"server_uuid"`
	Name   string  `json:"name"`
	Status string  `json:"status"`
	Tag    *string `json:"tag,omitempty"`
	Code   int     `json:"code"`
}

// tagged are the events that mean nothing without a tag.
var tagged = map[string]bool{"volume-extended": true, "power-update": true, "accelerator-request-bound": true}

// externalEvents answers each event with its own outcome. Ports and volumes of
// this cloud tell compute within the process; what comes in here from outside is
// taken for a server that has a host, and changes nothing that its agent would
// not find by itself.
func (a *API) externalEvents(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	var events []externalEvent
	if err := rest.Decode(r, "events", &events); err != nil {
		return err
	}
	ids := make([]string, len(events))
	for i, e := range events {
		ids[i] = e.Server
	}
	servers, err := a.svc.ServersByID(r.Context(), ids)
	if err != nil {
		return err
	}
	status := http.StatusOK
	for i := range events {
		e := &events[i]
		e.Status, e.Code = "failed", outcome(*e, servers)
		if e.Code == http.StatusOK {
			e.Status = "completed"
		} else {
			status = http.StatusMultiStatus
		}
	}
	return rest.Write(w, status, map[string]any{"events": events})
}

func outcome(e externalEvent, servers map[string]compute.Server) int {
	s, known := servers[e.Server]
	switch {
	case !known:
		return http.StatusNotFound
	case tagged[e.Name] && e.Tag == nil:
		return http.StatusBadRequest
	case s.Host == "":
		return http.StatusUnprocessableEntity
	}
	return http.StatusOK
}

func listMigrations(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if p := r.URL.Query().Get("project_id"); p == "" || p != scope.ProjectID {
		if !scope.MayOwn("os_compute_api:os-migrations:index:all_projects") {
			return fault.New(fault.CodePolicyForbidden, "Policy doesn't allow os_compute_api:os-migrations:index:all_projects to be performed.")
		}
	}
	return rest.Write(w, http.StatusOK, map[string]any{"migrations": []any{}})
}
