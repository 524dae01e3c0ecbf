package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/clock"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/kernel/microversion"
	"altostack/kernel/telemetry"
)

// Schemas validates request bodies; kernel/schema has the one there is. It
// answers a fault rest.invalid_input with the service's own wording, or nil.
type Schemas interface {
	Validate(method, path, action string, v microversion.Version, body any) error
	ValidateQuery(method, path string, v microversion.Version, q url.Values) error
}

// API is one service's face. Fields without a comment are required.
type API struct {
	Service string // contract name: nova, neutron, keystone …
	Mount   string // prefix on the one port, as /compute; empty on a conventional port
	Dialect Dialect
	Tokens  auth.Validator
	Policy  auth.Enforcer
	Clock   clock.Clock
	IDs     id.Source
	Log     *slog.Logger

	Range    *microversion.Range // nil: no microversions
	Schemas  Schemas             // nil: handlers validate
	Metrics  *Metrics            // nil: none
	Audit    Auditor             // nil: acts are not kept
	AuthURL  string              // for WWW-Authenticate
	MaxBody  int64               // bytes of a JSON body; 0: 114688, as oslo.middleware
	Deadline time.Duration       // of a request that is not a stream; 0: one minute
	// ProjectAfter names the segment after which a project id may stand and is
	// then only checked: /v2.1/{project_id}/servers is /v2.1/servers.
	ProjectAfter string
	// Alias is an older first segment and the one it stands for, as "v2 v2.1".
	Alias string
	// HeadFromGet answers HEAD by the GET route, without its body.
	HeadFromGet bool

	root tree
}

// Handle binds the routes; it refuses a table that contradicts itself.
func (a *API) Handle(routes []Route) (http.Handler, error) {
	if err := overlap(routes); err != nil {
		return nil, err
	}
	for _, r := range routes {
		a.root.add(&bound{Route: r, observe: a.Metrics.route(a.Service, r)})
	}
	if a.MaxBody == 0 {
		a.MaxBody = 114688
	}
	if a.Deadline == 0 {
		a.Deadline = time.Minute
	}
	return http.HandlerFunc(a.serve), nil
}

// serve gives every request its id and turns whatever goes wrong into an answer.
func (a *API) serve(w http.ResponseWriter, r *http.Request) {
	start := a.Clock.Now()
	reqID := "req-" + a.IDs.UUID()
	for name := range r.Header {
		if auth.IdentityHeaders(name) {
			r.Header.Del(name)
		}
	}
	ctx := telemetry.Label(r.Context(), telemetry.KeyRequestID, reqID)
	ctx = context.WithValue(ctx, mountKey{}, a.Mount)
	out := &answer{ResponseWriter: w, head: r.Method == http.MethodHead}
	out.Header().Set("X-Openstack-Request-Id", reqID)
	if a.Dialect.ComputeRequestID() {
		out.Header().Set("X-Compute-Request-Id", reqID)
	}
	call := &call{api: a, start: start}
	r = r.WithContext(ctx)
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			a.Log.ErrorContext(ctx, "panic in a handler", "panic", p, "stack", string(debug.Stack()))
			a.refuse(out, r, fault.New(fault.CodeRestInternal, "The server met an unexpected condition that kept it from fulfilling the request."))
		}
		if call.route != nil {
			call.route.observe(out.status, a.Clock.Now().Sub(start))
			if call.attempt != nil && a.Audit != nil {
				call.acted(out, r)
			}
		}
	}()
	if err := call.run(out, r); err != nil {
		a.refuse(out, r, err)
	}
}

// call is one request on its way through the checks.
type call struct {
	api   *API
	start time.Time
	route *bound

	principal *auth.Principal
	attempt   *auth.Attempt // of a request that may change something
	values    []string      // of the path's parameters
}

func (c *call) run(w *answer, r *http.Request) error {
	a := c.api
	routes, values, err := c.match(r)
	if err != nil {
		return err
	}
	asked := a.Clock.Now()
	principal, authErr := a.authenticate(r)
	if principal != nil {
		w.Header().Set("Server-Timing", authTiming(a.Clock.Now().Sub(asked), principal.Cached))
	}
	if authErr != nil && !anyOpen(routes, r.Method) {
		return authErr
	}
	version := microversion.Version{}
	if a.Range != nil {
		v, err := a.Range.Negotiate(r.Header)
		a.Range.Echo(w.Header(), v)
		if err != nil {
			return err
		}
		version = v
		r = r.WithContext(microversion.With(r.Context(), v))
	}
	if len(routes) == 0 {
		return a.Dialect.NoRoute(r)
	}
	if err := checkQuery(r.URL.RawQuery); err != nil {
		return err
	}
	candidates := byMethod(routes, r.Method, a.HeadFromGet)
	if len(candidates) == 0 {
		w.Header().Set("Allow", allowed(routes, a.HeadFromGet))
		return fault.New(fault.CodeRestBadMethod, "The method %s is not allowed for this resource.", r.Method)
	}
	var body any
	if !candidates[0].stream {
		if r, body, err = a.readBody(w, r, candidates[0]); err != nil {
			return err
		}
	}
	if c.route, err = choose(candidates, body, version); err != nil {
		return err
	}
	c.values = values
	for i, name := range c.route.names {
		r.SetPathValue(name, values[i])
	}
	return c.enter(w, r, principal, authErr, version, body)
}

// enter decides the policy, validates the body and calls the handler.
func (c *call) enter(w *answer, r *http.Request, p *auth.Principal, authErr error, v microversion.Version, body any) error {
	a, route := c.api, c.route
	if route.acts() { // before anything can be refused
		c.attempt, c.principal = &auth.Attempt{Address: Address(r)}, p
		w.shows = a.Audit != nil && route.Method == http.MethodPost
	}
	var scope auth.Scope
	if !route.open {
		if authErr != nil {
			return authErr
		}
		if err := a.checkProject(r, p); err != nil {
			return err
		}
		rule := route.Rule
		if route.inside {
			rule = ""
		}
		var err error
		if scope, err = auth.NewScope(a.Policy, p, rule); err != nil {
			return err
		}
		scope.Rule = route.Rule
	} else if p != nil {
		scope, _ = auth.NewScope(a.Policy, p, "")
	}
	ctx := r.Context()
	if p != nil {
		ctx = auth.With(telemetry.Label(ctx, telemetry.KeyProjectID, p.ProjectID), p)
	}
	ctx = context.WithValue(ctx, startKey{}, c.start)
	if c.attempt != nil {
		ctx = auth.Attempting(ctx, c.attempt)
	}
	if !route.stream {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, a.Deadline)
		defer cancel()
		if a.Schemas != nil {
			if err := a.Schemas.ValidateQuery(route.Method, route.Path, v, r.URL.Query()); err != nil {
				return err
			}
		}
		if a.Schemas != nil && body != nil {
			if err := a.Schemas.Validate(route.Method, route.Path, route.Action, v, body); err != nil {
				return err
			}
		}
	}
	ctx, span := telemetry.Span(ctx, a.Service+" "+route.Method+" "+route.Path)
	defer span.End()
	err := route.Handler(w, r.WithContext(ctx), scope)
	if err != nil {
		span.RecordError(err)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) && fault.KindOf(err) == fault.Internal {
			err = fault.Because(err, fault.CodeRestTooSlow, "The request did not end within %s.", a.Deadline)
		}
	}
	return err
}

func (c *call) match(r *http.Request) ([]*bound, []string, error) {
	segs, err := segments(strings.TrimPrefix(r.URL.EscapedPath(), c.api.Mount))
	if err != nil {
		return nil, nil, fault.Because(err, fault.CodeRestBadJson, "The path is not well formed.")
	}
	if d, strict := c.api.Dialect.(interface{ emptyID(path string) bool }); strict && d.emptyID(strings.TrimPrefix(r.URL.EscapedPath(), c.api.Mount)) {
		return nil, nil, nil
	}
	if old, now, ok := strings.Cut(c.api.Alias, " "); ok && segs[0] == old {
		segs[0] = now
	}
	routes, values := c.api.root.find(segs, nil)
	after := c.api.ProjectAfter
	if after != "" && len(segs) >= 2 && segs[0] == after && id.IsUUID(segs[1]) && len(routes) == 0 {
		r.SetPathValue("project_id", segs[1])
		routes, values = c.api.root.find(append([]string{after}, segs[2:]...), nil)
	}
	return routes, values, nil
}

// checkProject refuses a project in the path that is not the token's.
func (a *API) checkProject(r *http.Request, p *auth.Principal) error {
	in := r.PathValue("project_id")
	if a.ProjectAfter == "" || in == "" || strings.ReplaceAll(in, "-", "") == strings.ReplaceAll(p.ProjectID, "-", "") {
		return nil
	}
	return fault.New(fault.CodeRestInvalidInput, "Malformed request URL: URL's project_id '%s' doesn't match Context's project_id '%s'", in, p.ProjectID)
}

// authTiming is a Server-Timing entry (W3C) that says how long the token's
// validation took, in milliseconds, and whether the local cache answered it: a
// host's agent shows it as a step of a boot.
func authTiming(took time.Duration, cached bool) string {
	entry := fmt.Sprintf("auth;dur=%.3f", float64(took)/float64(time.Millisecond))
	if cached {
		entry += `;desc="cached"`
	}
	return entry
}

func (a *API) authenticate(r *http.Request) (*auth.Principal, error) {
	token := r.Header.Get("X-Auth-Token")
	if token == "" {
		token = r.Header.Get("X-Storage-Token")
	}
	if token == "" {
		return nil, fault.New(fault.CodeAuthUnauthenticated, "The request you have made requires authentication.")
	}
	tokens, service := a.Tokens, r.Header.Get("X-Service-Token")
	if service != "" && a.Service == "keystone" { // which makes of a token what outlives it
		tokens = struct{ auth.Validator }{tokens}
	}
	p, err := auth.Both(r.Context(), tokens, token, service)
	if err != nil {
		return nil, err
	}
	// A service calling on for a user is not held to the rules of the user's token.
	if !p.Service.HasRole(auth.ServiceRole) && !p.Permits(r.Method, strings.TrimPrefix(r.URL.Path, a.Mount), serviceTypes[a.Service]...) {
		return nil, fault.New(fault.CodeAuthUnauthenticated, "The request you have made requires authentication.")
	}
	return p, nil
}

// serviceTypes are the names by which the access rules of application
// credentials may call a service.
var serviceTypes = map[string][]string{
	"keystone": {"identity"}, "nova": {"compute"}, "glance": {"image"}, "neutron": {"network"}, "placement": {"placement"}, "swift": {"object-store"},
	"cinder": {"block-storage", "block-store", "volume", "volumev3"},
}

// readBody reads a JSON body within its limit, once for validation and again for
// the handler.
func (a *API) readBody(w *answer, r *http.Request, route *bound) (*http.Request, any, error) {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return r, nil, nil
	}
	limit := a.MaxBody
	if route.maxBody > 0 {
		limit = route.maxBody
	}
	data, err := io.ReadAll(http.MaxBytesReader(w.ResponseWriter, r.Body, limit))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return r, nil, fault.New(fault.CodeRestBodyTooLarge, "Request is too large: the limit is %d bytes.", limit)
		}
		return r, nil, fault.Because(err, fault.CodeRestBadJson, "The body did not arrive whole.")
	}
	r = r.WithContext(context.WithValue(r.Context(), bodyKey{}, data))
	r.Body = io.NopCloser(bytes.NewReader(data))
	if len(bytes.TrimSpace(data)) == 0 {
		return r, nil, nil
	}
	if err := a.Dialect.ContentType(r.Header.Get("Content-Type")); err != nil {
		return r, nil, err
	}
	var body any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&body); err != nil || d.More() {
		return r, nil, fault.Because(err, fault.CodeRestBadJson, "cannot understand JSON")
	}
	return r, body, checkBody(data, body)
}

func anyOpen(routes []*bound, method string) bool {
	for _, r := range routes {
		if r.open && (r.Method == method || method == http.MethodHead) {
			return true
		}
	}
	return false
}

func byMethod(routes []*bound, method string, headFromGet bool) []*bound {
	var out []*bound
	for _, r := range routes {
		if r.Method == method {
			out = append(out, r)
		}
	}
	if len(out) == 0 && method == http.MethodHead && headFromGet {
		return byMethod(routes, http.MethodGet, false)
	}
	return out
}

// choose picks the candidate of the body's action and the request's version.
func choose(candidates []*bound, body any, v microversion.Version) (*bound, error) {
	members, _ := body.(map[string]any)
	var named bool
	for _, r := range candidates {
		if r.Action != "" {
			if _, has := members[r.Action]; !has || len(members) != 1 {
				continue
			}
		}
		named = true
		if r.holds(v) {
			return r, nil
		}
	}
	switch {
	case named:
		return nil, fault.New(fault.CodeRestNotFound, "The resource could not be found.")
	case len(members) > 1:
		return nil, fault.New(fault.CodeRestInvalidInput, "Multiple body keys: an action takes exactly one.")
	case len(members) == 1:
		for name := range members {
			return nil, fault.New(fault.CodeRestInvalidInput, "There is no such action: %s", name)
		}
	}
	return nil, fault.New(fault.CodeRestInvalidInput, "Malformed request body")
}
