// Package api speaks the Identity API v3: it reads requests, calls the domain
// and spells its answers. Objects of this API are open, clients may add
// attributes of their own, so views are maps rather than structs.
//
// Wire format: the Identity API reference; the documented samples are golden
// files of the tests.
package api

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"altostack/identity"
	"altostack/kernel/auth"
	"altostack/kernel/contract"
	"altostack/kernel/fault"
	"altostack/kernel/page"
	"altostack/kernel/policy"
	"altostack/kernel/rest"
)

// API is the face of the identity service.
type API struct {
	svc *identity.Service
	// asks are the rules that look at the object, which the domain decides.
	asks map[string]bool
}

// New makes the face of svc.
func New(svc *identity.Service) *API {
	a := &API{svc: svc, asks: map[string]bool{}}
	for _, r := range policy.Defaults("keystone") {
		for _, mark := range []string{"%(", "owner", "token_subject", "domain_managed"} {
			a.asks[r.Name] = a.asks[r.Name] || strings.Contains(r.Check, mark)
		}
	}
	return a
}

// Routes are the operations there are.
func (a *API) Routes() []rest.Route {
	var routes []rest.Route
	for _, part := range [][]rest.Route{
		a.versionRoutes(), a.tokenRoutes(), a.userRoutes(), a.groupRoutes(), a.projectRoutes(), a.domainRoutes(), a.roleRoutes(),
		a.grantRoutes(), a.catalogRoutes(), a.appCredRoutes(), a.vaultRoutes(), a.limitRoutes(), a.trustRoutes(), a.ec2Routes(), a.signedRoutes(), a.oauthRoutes(), a.oauth2Routes(),
		a.domainConfigRoutes(), a.federationRoutes(), a.endpointFilterRoutes(), a.endpointPolicyRoutes(), goneRoutes(),
	} {
		routes = append(routes, part...)
	}
	routes = append(routes, heads(routes)...)
	for i, r := range routes {
		if a.asks[r.Rule] {
			routes[i] = r.Inside()
		}
	}
	return routes
}

// heads are the documented HEAD forms of GET routes.
func heads(routes []rest.Route) []rest.Route {
	have, documented := map[string]bool{}, map[string]bool{}
	for _, r := range routes {
		have[r.Method+contract.NormalPath("keystone", r.Path)] = true
	}
	for _, o := range contract.Operations("keystone") {
		documented[o.Method+contract.NormalPath("keystone", o.Path)] = true
	}
	var out []rest.Route
	for _, r := range routes {
		key := http.MethodHead + contract.NormalPath("keystone", r.Path)
		if r.Method == http.MethodGet && documented[key] && !have[key] {
			r.Method = http.MethodHead
			out = append(out, r)
		}
	}
	return out
}

// attrs reads the object of a request body.
func attrs(r *http.Request, member string) (identity.Attrs, error) {
	a := identity.Attrs{}
	if err := rest.Decode(r, member, &a); err != nil {
		return nil, err
	}
	return a, nil
}

// object is what a view makes: members by name.
type object = map[string]any

// view puts the known members over the extra ones and adds the link to itself.
func view(r *http.Request, extra identity.Extra, path string, known object) object {
	for name, value := range extra {
		if _, has := known[name]; !has {
			known[name] = value
		}
	}
	known["links"] = object{"self": rest.Base(r) + "/v3/" + path}
	return known
}

// orNull spells an absent id.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func options(o identity.Extra) identity.Extra {
	if o == nil {
		return identity.Extra{}
	}
	return o
}

// one answers a single object under its member name.
func one(w http.ResponseWriter, status int, member string, v any) error {
	return rest.Write(w, status, object{member: v})
}

// many answers a list with its links; the next page starts after the last id.
func many[T any](w http.ResponseWriter, r *http.Request, member string, rows []T, more bool, view func(*http.Request, T) object) error {
	out := make([]object, len(rows))
	for i, row := range rows {
		out[i] = view(r, row)
	}
	links := object{"self": selfURL(r), "previous": nil, "next": nil}
	if more && len(out) > 0 {
		q := r.URL.Query()
		id, _ := out[len(out)-1]["id"].(string)
		q.Set("marker", id)
		links["next"] = rest.Base(r) + pathOf(r) + "?" + q.Encode()
	}
	answer := object{member: out, "links": links}
	if more {
		answer["truncated"] = true
	}
	return rest.Write(w, http.StatusOK, answer)
}

// pathOf is the request's path below the service.
func pathOf(r *http.Request) string {
	if i := strings.Index(r.URL.Path, "/v3"); i >= 0 {
		return r.URL.Path[i:]
	}
	return r.URL.Path
}

func selfURL(r *http.Request) string {
	u := rest.Base(r) + pathOf(r)
	if r.URL.RawQuery != "" {
		u += "?" + r.URL.RawQuery
	}
	return u
}

// filter is a query parameter that a list understands.
type filter struct {
	column string
	flag   bool
}

var ops = map[string]identity.Op{
	"contains": identity.OpContains, "icontains": identity.OpIContains, "startswith": identity.OpStartsWith, "istartswith": identity.OpIStartsWith,
	"endswith": identity.OpEndsWith, "iendswith": identity.OpIEndsWith,
}

// maxPage is the largest page that a client may ask for; who asks for none gets
// all. Source: Keystone's max_db_limit.
const maxPage = 1000

// list reads filters and paging. Unknown parameters are no error, as ever here.
func list(q url.Values, filters map[string]filter) (identity.List, error) {
	var l identity.List
	for name, values := range q {
		base, op, _ := strings.Cut(name, "__")
		f, known := filters[base]
		if !known || len(values) == 0 {
			continue
		}
		m := identity.Match{Column: f.column, Value: values[0]}
		if op != "" {
			if m.Op, known = ops[op]; !known || f.flag {
				continue
			}
		}
		if f.flag {
			m.Value = truth(values[0])
		}
		l.Match = append(l.Match, m)
	}
	var err error
	keys := map[string]string{"id": "id"}
	for name, f := range filters {
		keys[name] = f.column
	}
	l.Page, err = page.Parse(q, page.Options{Keys: keys, Default: []page.Key{{Column: "id"}}, Max: maxPage})
	return l, err
}

// truth reads a flag of a query: anything but a no is a yes, and so is a bare
// name.
func truth(s string) bool {
	switch strings.ToLower(s) {
	case "0", "false", "f", "no", "n", "off":
		return false
	}
	return true
}

// noContent answers 204 or the fault.
func noContent(w http.ResponseWriter, err error) error {
	if err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}

// crud makes the usual five handlers of one kind of object, out of the domain's
// methods; there is no route for a method that is nil.
type crud[T any] struct {
	path, member, plural string // /v3/users, user, users
	filters              map[string]filter
	query                func(*http.Request) (identity.List, error) // nil: the filters say it all
	view                 func(*http.Request, T) object

	list   func(ctx context.Context, scope auth.Scope, l identity.List) ([]T, bool, error)
	create func(ctx context.Context, scope auth.Scope, a identity.Attrs) (T, error)
	get    func(ctx context.Context, scope auth.Scope, id string) (T, error)
	update func(ctx context.Context, scope auth.Scope, id string, a identity.Attrs) (T, error)
	remove func(ctx context.Context, scope auth.Scope, id string) error
}

func (c crud[T]) routes() []rest.Route {
	item := c.path + "/{" + c.member + "_id}"
	rule := func(verb, noun string) string { return "identity:" + verb + "_" + noun }
	routes := []rest.Route{
		rest.On("GET "+c.path, rule("list", c.plural), c.answerList),
		rest.On("GET "+item, rule("get", c.member), c.answerOne),
		rest.On("PATCH "+item, rule("update", c.member), c.answerUpdate),
		rest.On("DELETE "+item, rule("delete", c.member), func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
			return noContent(w, c.remove(r.Context(), scope, c.id(r)))
		}),
	}
	if c.create != nil {
		routes = append(routes, rest.On("POST "+c.path, rule("create", c.member), c.answerCreate))
	}
	return routes
}

func (c crud[T]) id(r *http.Request) string { return r.PathValue(c.member + "_id") }

func (c crud[T]) answerList(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	query := c.query
	if query == nil {
		query = func(r *http.Request) (identity.List, error) { return list(r.URL.Query(), c.filters) }
	}
	l, err := query(r)
	if err != nil {
		return err
	}
	rows, more, err := c.list(r.Context(), scope, l)
	if err != nil {
		return lostMarker(l, err)
	}
	return many(w, r, c.plural, rows, more, c.view)
}

// lostMarker words an unknown marker as Keystone does: 404.
func lostMarker(l identity.List, err error) error {
	if fault.Has(err, fault.CodePageBadMarker) {
		return fault.New(fault.CodeIdentityNotFound, "Marker %s could not be found.", l.Page.Marker).WithField("marker")
	}
	return err
}

func (c crud[T]) answerCreate(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	a, err := attrs(r, c.member)
	if err != nil {
		return err
	}
	v, err := c.create(r.Context(), scope, a)
	if err != nil {
		return err
	}
	return one(w, http.StatusCreated, c.member, c.view(r, v))
}

func (c crud[T]) answerOne(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	v, err := c.get(r.Context(), scope, c.id(r))
	if err != nil {
		return err
	}
	return one(w, http.StatusOK, c.member, c.view(r, v))
}

func (c crud[T]) answerUpdate(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	a, err := attrs(r, c.member)
	if err != nil {
		return err
	}
	if body, has := a["id"].(string); has && body != c.id(r) {
		return fault.New(fault.CodeIdentityInvalid, "Cannot change %s ID.", c.member).WithField("id")
	}
	v, err := c.update(r.Context(), scope, c.id(r), a)
	if err != nil {
		return err
	}
	return one(w, http.StatusOK, c.member, c.view(r, v))
}

// severalHandler makes all objects of a list, or none.
func severalHandler[T any](plural string, create func(context.Context, auth.Scope, []identity.Attrs) ([]T, error), view func(*http.Request, T) object) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		var bodies []identity.Attrs
		if err := rest.Decode(r, plural, &bodies); err != nil {
			return err
		}
		rows, err := create(r.Context(), scope, bodies)
		if err != nil {
			return err
		}
		out := make([]object, len(rows))
		for i, row := range rows {
			out[i] = view(r, row)
		}
		return rest.Write(w, http.StatusCreated, object{plural: out})
	}
}
