// Package rest is the way from HTTP to a service and back: it matches routes,
// strips forged headers, validates token, policy, version and body, calls the
// handler, and is the only place that turns a fault into the JSON that each
// OpenStack service speaks. Handlers decode, call their service and answer.
//
// A service's routes are a table; from it come 404, 405, validation, the
// coverage figures and the tests that walk every route as nobody, as a reader
// and as a stranger.
package rest

import (
	"net/http"
	"strings"

	"altostack/kernel/auth"
	"altostack/kernel/microversion"
)

// Handler answers one route. The scope has passed the route's rule.
type Handler func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error

// Route is one operation of an API, spelled as the contract's operations.tsv
// spells it.
type Route struct {
	Method, Path string
	Action       string // body key of an action POST
	Rule         string // policy rule; empty: any valid token
	Min, Max     microversion.Version
	Handler      Handler

	open    bool  // no token needed
	inside  bool  // the rule needs the object's attributes: the handler decides it
	proves  bool  // a GET that authenticates
	stream  bool  // the body is bytes, not JSON, and is not limited or read here
	maxBody int64 // 0: the API's limit
}

// On makes a route from "METHOD /path/{param}", its policy rule and its handler.
func On(pattern, rule string, h Handler) Route {
	method, path, ok := strings.Cut(pattern, " ")
	if !ok {
		panic("rest: route " + pattern + " wants METHOD /path")
	}
	return Route{Method: method, Path: path, Rule: rule, Handler: h}
}

// Act makes it the handler of one action: the key of the body's only member.
func (r Route) Act(action string) Route { r.Action = action; return r }

// Since limits the route to min and newer.
func (r Route) Since(min string) Route { r.Min = microversion.Must(min); return r }

// Until limits the route to max and older.
func (r Route) Until(max string) Route { r.Max = microversion.Must(max); return r }

// Open lets anybody in, without a token. The scope handed on is empty.
func (r Route) Open() Route { r.open = true; return r }

// Inside leaves the rule to the handler, which checks it against the object
// with Scope.Check; a test walks such routes as a stranger to see that it does.
func (r Route) Inside() Route { r.inside = true; return r }

// Stream leaves the body alone: the handler reads bytes from it.
func (r Route) Stream() Route { r.stream = true; return r }

// Body sets the route's own limit for its body, in bytes.
func (r Route) Body(max int64) Route { r.maxBody = max; return r }

// IsOpen reports whether the route needs no token.
func (r Route) IsOpen() bool { return r.open }

// IsInside reports whether the handler itself decides the rule.
func (r Route) IsInside() bool { return r.inside }

func (r Route) holds(v microversion.Version) bool {
	return (r.Min.IsZero() || v.AtLeast(r.Min)) && (r.Max.IsZero() || r.Max.AtLeast(v))
}
