package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"altostack/compute"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

// Aggregates are the routes of groups of hosts.
type Aggregates struct{ compute *compute.Service }

// NewAggregates makes them.
func NewAggregates(s *compute.Service) *Aggregates { return &Aggregates{s} }

// Routes lists them. Caching images on an aggregate's hosts (2.81) is not built.
func (a *Aggregates) Routes() []rest.Route {
	const all, rule = "/v2.1/os-aggregates", "os_compute_api:os-aggregates:"
	const one = all + "/{aggregate_id}"
	return []rest.Route{
		rest.On("GET "+all, rule+"index", a.list),
		rest.On("POST "+all, rule+"create", a.create),
		rest.On("GET "+one, rule+"show", a.show),
		rest.On("PUT "+one, rule+"update", a.update),
		rest.On("DELETE "+one, rule+"delete", a.remove),
		rest.On("POST "+one+"/action", rule+"add_host", a.host("add_host", (*compute.Service).JoinAggregate)).Act("add_host"),
		rest.On("POST "+one+"/action", rule+"remove_host", a.host("remove_host", (*compute.Service).QuitAggregate)).Act("remove_host"),
		rest.On("POST "+one+"/action", rule+"set_metadata", a.setMetadata).Act("set_metadata"),
	}
}

func aggregateView(r *http.Request, g compute.Aggregate) map[string]any {
	out := map[string]any{"id": g.Number, "name": g.Name, "availability_zone": textOrNull(g.Zone()), "hosts": g.Hosts, "metadata": g.Metadata,
		"created_at": g.CreatedAt.UTC().Format(instant), "updated_at": nil, "deleted": false, "deleted_at": nil}
	if !g.UpdatedAt.IsZero() {
		out["updated_at"] = g.UpdatedAt.UTC().Format(instant)
	}
	if since(r, 41) {
		out["uuid"] = g.ID
	}
	return out
}

// aggregateNumber reads the id in the path, which must be a number.
func aggregateNumber(r *http.Request) (int64, error) {
	n, err := strconv.ParseInt(r.PathValue("aggregate_id"), 10, 64)
	if err != nil {
		return 0, fault.New(fault.CodeRestInvalidInput, "Invalid input received: id must be an integer").WithField("id")
	}
	return n, nil
}

func (a *Aggregates) list(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	all, err := a.compute.Aggregates(r.Context())
	if err != nil {
		return err
	}
	views := make([]map[string]any, len(all))
	for i, g := range all {
		views[i] = aggregateView(r, g)
	}
	return rest.Write(w, http.StatusOK, map[string]any{"aggregates": views})
}

func answerAggregate(w http.ResponseWriter, r *http.Request, g compute.Aggregate, err error) error {
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"aggregate": aggregateView(r, g)})
}

func (a *Aggregates) create(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	var body struct {
		Name string `json:"name"`
		Zone string `json:"availability_zone"`
	}
	if err := rest.Decode(r, "aggregate", &body); err != nil {
		return err
	}
	g, err := a.compute.CreateAggregate(r.Context(), strings.TrimSpace(body.Name), strings.TrimSpace(body.Zone))
	if err != nil {
		return err
	}
	view := aggregateView(r, g)
	delete(view, "hosts") // an aggregate that has just been made is shown without what it cannot have yet
	delete(view, "metadata")
	return rest.Write(w, http.StatusOK, map[string]any{"aggregate": view})
}

func (a *Aggregates) show(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	n, err := aggregateNumber(r)
	if err != nil {
		return err
	}
	g, err := a.compute.Aggregate(r.Context(), n)
	return answerAggregate(w, r, g, err)
}

func (a *Aggregates) update(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	var body map[string]*string
	if err := rest.Decode(r, "aggregate", &body); err != nil {
		return err
	}
	n, err := aggregateNumber(r)
	if err != nil {
		return err
	}
	name := body["name"]
	if name != nil {
		trimmed := strings.TrimSpace(*name)
		name = &trimmed
	}
	zone, asked := body["availability_zone"]
	g, err := a.compute.UpdateAggregate(r.Context(), n, name, zone, asked)
	return answerAggregate(w, r, g, err)
}

func (a *Aggregates) remove(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	n, err := aggregateNumber(r)
	if err == nil {
		err = a.compute.DeleteAggregate(r.Context(), n)
	}
	if err != nil {
		return err
	}
	return rest.Empty(w, http.StatusOK)
}

// host is a handler that puts a host in or takes it out.
func (a *Aggregates) host(action string, move func(*compute.Service, context.Context, int64, string) (compute.Aggregate, error)) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
		var body struct{ Host string }
		if err := rest.Decode(r, action, &body); err != nil {
			return err
		}
		n, err := aggregateNumber(r)
		if err != nil {
			return err
		}
		g, err := move(a.compute, r.Context(), n, body.Host)
		return answerAggregate(w, r, g, err)
	}
}

func (a *Aggregates) setMetadata(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	var body struct {
		Metadata map[string]*string `json:"metadata"`
	}
	if err := rest.Decode(r, "set_metadata", &body); err != nil {
		return err
	}
	n, err := aggregateNumber(r)
	if err != nil {
		return err
	}
	g, err := a.compute.SetAggregateMetadata(r.Context(), n, body.Metadata)
	return answerAggregate(w, r, g, err)
}
