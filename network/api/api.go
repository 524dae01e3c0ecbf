// Package api is the face of the network service: the routes of OpenStack
// Networking v2.0, the reading of queries and bodies, and the shape of answers.
// Whatever is the same for every collection is made from the resource table;
// what is not (router interfaces, quotas, tags, agents) has a handler of its own.
//
// Every route leaves its rule to the service, since Neutron's rules look at the
// object and at each attribute that a request sets.
package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
	"altostack/network"
)

// API serves a network service.
type API struct{ svc *network.Service }

// New makes the face of svc.
func New(svc *network.Service) *API { return &API{svc} }

// Routes is the table of all that is served.
func (a *API) Routes() []rest.Route {
	routes := []rest.Route{
		rest.On("GET /", "", versions).Open(),
		rest.On("GET /v2.0/", "", resources).Open(),
		rest.On("GET /v2.0/extensions", "", listExtensions),
		rest.On("GET /v2.0/extensions/{alias}", "", showExtension),
	}
	for _, r := range network.All {
		if r == network.PortForwardings {
			continue
		}
		routes = append(routes, a.collection(r, "/v2.0/")...)
	}
	routes = append(routes, a.forwardings()...)
	routes = append(routes, a.actions()...)
	return append(routes, a.others()...)
}

// spellings are the ways a collection's name stands in paths.
func spellings(name string) []string {
	if dashed := strings.ReplaceAll(name, "_", "-"); dashed != name {
		return []string{dashed, name}
	}
	return []string{name}
}

func inside(pattern, rule string, h rest.Handler) rest.Route {
	return rest.On(pattern, rule, h).Inside()
}

// collection is the five operations that every resource has.
func (a *API) collection(r *network.Resource, prefix string) []rest.Route {
	var routes []rest.Route
	param := "{" + r.Singular + "_id}"
	for _, name := range spellings(r.Collection) {
		path := prefix + name
		routes = append(routes,
			inside("GET "+path, "get_"+r.Singular, a.list(r)),
			inside("POST "+path, "create_"+r.Singular, a.create(r)),
			inside("GET "+path+"/"+param, "get_"+r.Singular, a.show(r)),
			inside("DELETE "+path+"/"+param, "delete_"+r.Singular, a.delete(r)))
		if r != network.SecurityGroupRules {
			routes = append(routes, inside("PUT "+path+"/"+param, "update_"+r.Singular, a.update(r)))
		}
		if r.Tagged {
			routes = append(routes, a.tags(r, path+"/"+param)...)
		}
	}
	return routes
}

// body reads the request's object: the value of its one member.
func body(r *http.Request) (map[string]any, error) {
	data := rest.RawBody(r)
	if len(data) == 0 {
		return map[string]any{}, nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		return nil, fault.Because(err, fault.CodeNetworkMalformed, "Malformed request body")
	}
	return m, nil
}

func member(r *http.Request, name string) (map[string]any, error) {
	m, err := body(r)
	if err != nil {
		return nil, err
	}
	v, ok := m[name].(map[string]any)
	if !ok {
		return nil, fault.New(fault.CodeNetworkMalformed, "Unable to find '%s' in request body", name)
	}
	return v, nil
}

func (a *API) create(res *network.Resource) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		m, err := body(r)
		if err != nil {
			return err
		}
		list, bulk := m[res.Collection].([]any)
		if !bulk {
			one, ok := m[singular(res)].(map[string]any)
			if !ok {
				return fault.New(fault.CodeNetworkMalformed, "Unable to find '%s' in request body", singular(res))
			}
			list = []any{one}
		}
		bodies := make([]map[string]any, len(list))
		for i, e := range list {
			one, ok := e.(map[string]any)
			if inner, wrapped := one[singular(res)].(map[string]any); wrapped {
				one = inner
			}
			if !ok {
				return fault.New(fault.CodeNetworkMalformed, "Invalid input for '%s'.", res.Collection)
			}
			bodies[i] = one
		}
		if bulk && len(bodies) == 0 {
			return fault.New(fault.CodeNetworkMalformed, "Resources required")
		}
		if res.Parent != "" {
			for _, b := range bodies {
				b[res.Parent] = r.PathValue("floatingip_id")
			}
		}
		rows, err := a.svc.Create(r.Context(), scope, res, bodies)
		if err != nil {
			return err
		}
		views := a.render(res, scope, rows, nil)
		if bulk {
			return rest.Write(w, http.StatusCreated, map[string]any{res.Collection: views})
		}
		return rest.Write(w, http.StatusCreated, map[string]any{singular(res): views[0]})
	}
}

// singular is the key of one object; a sub-resource's is without its parent.
func singular(r *network.Resource) string {
	if r == network.PortForwardings {
		return "port_forwarding"
	}
	return r.Singular
}

// render shows rows as the caller may see them.
func (a *API) render(res *network.Resource, scope auth.Scope, rows []network.Row, fields map[string]bool) []map[string]any {
	always, foreign := res.Hidden(scope)
	both := map[string]bool{}
	for k := range always {
		both[k] = true
	}
	for k := range foreign {
		both[k] = true
	}
	views := make([]map[string]any, len(rows))
	for i, row := range rows {
		hidden := always
		if len(foreign) > 0 && row.Project() != scope.ProjectID {
			hidden = both
		}
		views[i] = network.Render(res, row, hidden, fields)
	}
	return views
}

func (a *API) list(res *network.Resource) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		q, err := query(res, r.URL.Query())
		if err != nil {
			return err
		}
		if res.Parent != "" {
			q.Filters = append(q.Filters, network.Is(res.Parent, r.PathValue("floatingip_id")))
			if _, err := a.svc.Show(r.Context(), scope, network.FloatingIPs, r.PathValue("floatingip_id")); err != nil {
				return err
			}
		}
		rows, more, err := a.svc.List(r.Context(), scope, res, q)
		if err != nil {
			return err
		}
		out := map[string]any{res.Collection: a.render(res, scope, rows, fields(r))}
		if q.Page.Limit > 0 {
			if l := links(r, q, rows, more); len(l) > 0 {
				out[res.Collection+"_links"] = l
			}
		}
		return rest.Write(w, http.StatusOK, out)
	}
}

func id(r *http.Request, res *network.Resource) string {
	if res.Parent != "" {
		return r.PathValue("port_forwarding_id")
	}
	return r.PathValue(res.Singular + "_id")
}

func (a *API) show(res *network.Resource) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		row, err := a.svc.Show(r.Context(), scope, res, id(r, res))
		if err != nil {
			return err
		}
		if err := ofParent(r, res, row); err != nil {
			return err
		}
		return rest.Write(w, http.StatusOK, map[string]any{singular(res): a.render(res, scope, []network.Row{row}, fields(r))[0]})
	}
}

// ofParent refuses a sub-resource under another parent's path.
func ofParent(r *http.Request, res *network.Resource, row network.Row) error {
	if res.Parent != "" && row.Str(res.Parent) != r.PathValue("floatingip_id") {
		return fault.New(res.NotFound, "%s %s could not be found", res.Noun, row.ID())
	}
	return nil
}

func (a *API) update(res *network.Resource) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		set, err := member(r, singular(res))
		if err != nil {
			return err
		}
		ifMatch, err := network.ParseIfMatch(r.Header.Get("If-Match"))
		if err != nil {
			return err
		}
		if err := a.parentOf(r, scope, res); err != nil {
			return err
		}
		row, err := a.svc.Update(r.Context(), scope, res, id(r, res), set, ifMatch)
		if err != nil {
			return err
		}
		return rest.Write(w, http.StatusOK, map[string]any{singular(res): a.render(res, scope, []network.Row{row}, nil)[0]})
	}
}

func (a *API) parentOf(r *http.Request, scope auth.Scope, res *network.Resource) error {
	if res.Parent == "" {
		return nil
	}
	row, err := a.svc.Show(r.Context(), scope, res, id(r, res))
	if err != nil {
		return err
	}
	return ofParent(r, res, row)
}

func (a *API) delete(res *network.Resource) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		ifMatch, err := network.ParseIfMatch(r.Header.Get("If-Match"))
		if err != nil {
			return err
		}
		if err := a.parentOf(r, scope, res); err != nil {
			return err
		}
		if err := a.svc.Delete(r.Context(), scope, res, id(r, res), ifMatch); err != nil {
			return err
		}
		return rest.Empty(w, http.StatusNoContent)
	}
}

func (a *API) forwardings() []rest.Route {
	r, path := network.PortForwardings, "/v2.0/floatingips/{floatingip_id}/port_forwardings"
	one := path + "/{port_forwarding_id}"
	return []rest.Route{
		inside("GET "+path, "get_"+r.Singular, a.list(r)),
		inside("POST "+path, "create_"+r.Singular, a.create(r)),
		inside("GET "+one, "get_"+r.Singular, a.show(r)),
		inside("PUT "+one, "update_"+r.Singular, a.update(r)),
		inside("DELETE "+one, "delete_"+r.Singular, a.delete(r)),
	}
}
