// Package api is Swift v1: accounts, containers and objects over HTTP.
//
// Paths are matched here, as object names hold what no table of routes lets
// through; the request around it (ids, tokens, metrics, log) is kernel/rest's
// Front. One [Call] is one request. Each handler authorizes by the ACLs first and
// looks for things after, as the original does: a stranger learns nothing of what
// is there. What middlewares are to the original, a [Feature] is here: functions at
// named points of a call, in the order in which the features are given.
//
// Statuses, headers and sentences are Swift's (release 2026.1: proxy controllers,
// swob, constraints, and the middlewares copy, listing_formats, keystoneauth).
package api

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"altostack/kernel/auth"
	"altostack/kernel/clock"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/kernel/rest"
	"altostack/objectstore"
)

// Config is what an API needs.
type Config struct {
	Service *objectstore.Service
	Tokens  auth.Validator
	Clock   clock.Clock
	IDs     id.Source
	Log     *slog.Logger
	Metrics *rest.Metrics // nil: none
	Audit   rest.Auditor  // nil: what is changed is not kept on record
	Mount   string        // prefix on the one port, as /object-store
}

// API is Swift's face.
type API struct {
	svc      *objectstore.Service
	front    *rest.Front
	mount    string
	clock    clock.Clock
	features []Feature
}

// New makes the API, without features.
func New(c Config) *API {
	a := &API{svc: c.Service, mount: c.Mount, clock: c.Clock}
	a.front = &rest.Front{Service: "swift", Mount: c.Mount, Tokens: c.Tokens, Clock: c.Clock, IDs: c.IDs, Log: c.Log, Metrics: c.Metrics, Audit: c.Audit, Route: a.route, Refuse: a.refuse,
		NewID: func() string {
			return fmt.Sprintf("tx%s-%010x", c.IDs.Hex()[:21], c.Clock.Now().Unix())
		}}
	return a
}

// Add adds features, which act in the order they are added.
func (a *API) Add(f ...Feature) { a.features = append(a.features, f...) }

// Handler serves the API.
func (a *API) Handler() http.Handler { return a.front.Handle(a.serve) }

func (a *API) route(r *http.Request) string {
	segs := strings.SplitN(strings.TrimPrefix(a.front.Path(r), "/"), "/", 4)
	switch {
	case segs[0] != "v1" && segs[0] != "v1.0":
		return "/"
	case len(segs) > 3 && segs[3] != "":
		return "/v1/{account}/{container}/{object}"
	case len(segs) > 2 && segs[2] != "":
		return "/v1/{account}/{container}"
	}
	return "/v1/{account}"
}

// Call is one request on its way.
type Call struct {
	API                        *API
	Service                    *objectstore.Service
	W                          http.ResponseWriter
	R                          *http.Request
	Account, Container, Object string // the last two are empty where the path ends before
	Query                      url.Values
	Caller                     *auth.Principal // nil: nobody in particular
	// Granted is set by a feature that lets the request pass without ACLs (signed
	// URLs); Grant is then what it says.
	Granted bool
	Grant   objectstore.Grant
	// Reach, set along with Granted, tells what else a granted call may read:
	// segments, targets of links, sources.
	Reach func(con objectstore.Container) bool
	// Part is set by a feature that turned the request into one for a part: its
	// HEAD answers as its GET does.
	Part bool
	// Now is when the request arrived, as Swift's timestamps are exact.
	Now time.Time
	// Values are features' own, from one of their functions to another.
	Values map[string]any

	shared *objectstore.Container // whose CORS applies
}

var (
	accountMethods   = []string{"HEAD", "GET", "POST", "PUT", "DELETE", "OPTIONS"}
	containerMethods = []string{"HEAD", "GET", "PUT", "POST", "DELETE", "OPTIONS"}
	objectMethods    = []string{"HEAD", "GET", "PUT", "POST", "DELETE", "COPY", "OPTIONS"}
)

func (a *API) serve(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("X-Trans-Id", w.Header().Get("X-Openstack-Request-Id"))
	hyphens(r.Header)
	c := &Call{API: a, Service: a.svc, W: w, R: r, Now: a.svc.Now(), Values: map[string]any{}}
	// A token that is no good is nobody's: what is public stays so.
	c.Caller, _ = a.front.Authenticate(r)
	if c.Caller != nil {
		r = r.WithContext(auth.With(r.Context(), c.Caller))
		c.R = r
	}
	path, err := url.PathUnescape(a.front.Path(r))
	if err != nil || !utf8.ValidString(path) || strings.ContainsRune(path, 0) {
		return Refuse(http.StatusPreconditionFailed, "Invalid UTF8 or contains NULL")
	}
	if c.Query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return Refuse(http.StatusBadRequest, "")
	}
	if r.ContentLength < -1 {
		return Refuse(http.StatusBadRequest, "Invalid Content-Length")
	}
	if err := c.split(path); err != nil {
		return err
	}
	for _, f := range a.features {
		if f.Serve == nil {
			continue
		}
		if done, err := f.Serve(c, path); done || err != nil {
			return err
		}
	}
	if c.Account == "" {
		return a.serveOther(c, path)
	}
	return c.dispatch()
}

// hyphens spells header names with hyphens for underscores, as whatever stands
// before the original does.
func hyphens(h http.Header) {
	for name, values := range h {
		if strings.Contains(name, "_") {
			delete(h, name)
			h[http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))] = values
		}
	}
}

// split takes a path apart, unless it is not of an account.
func (c *Call) split(path string) error {
	segs := strings.SplitN(path, "/", 5)
	if len(segs) < 3 || segs[0] != "" || segs[1] != "v1" && segs[1] != "v1.0" {
		return nil
	}
	for i, s := range segs[2:] {
		if s == "" && i+3 < len(segs) && strings.Trim(strings.Join(segs[i+3:], ""), "/") != "" || s == "" && i == 0 {
			return Refuse(http.StatusNotFound, "")
		}
		switch i {
		case 0:
			c.Account = s
		case 1:
			c.Container = s
		case 2:
			c.Object = s
		}
	}
	return nil
}

func (a *API) serveOther(c *Call, path string) error {
	switch strings.TrimSuffix(path, "/") {
	case "/info":
		return c.info()
	case "/healthcheck":
		return c.Text(http.StatusOK, "OK")
	case "", "/v1", "/v1.0":
		return Refuse(http.StatusPreconditionFailed, "Bad URL")
	}
	switch version, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/"); {
	case version == "":
		return Refuse(http.StatusNotFound, "")
	case strings.Trim(rest, "/") != "":
		return Refuse(http.StatusBadRequest, "")
	}
	return Refuse(http.StatusPreconditionFailed, "Bad URL")
}

func (c *Call) dispatch() error {
	table, methods := c.handlers()
	h := table[c.R.Method]
	if h == nil {
		c.W.Header().Set("Allow", strings.Join(methods, ", "))
		return Refuse(http.StatusMethodNotAllowed, "")
	}
	err := h()
	if err == nil {
		return nil
	}
	for _, f := range c.API.features {
		if f.Failed == nil {
			continue
		}
		if done, err := f.Failed(c, err); done {
			return err
		}
	}
	c.cors(c.shared)
	return err
}

func (c *Call) handlers() (map[string]func() error, []string) {
	switch {
	case c.Object != "":
		return map[string]func() error{"GET": c.getObject, "HEAD": c.getObject, "PUT": c.putObject, "POST": c.postObject, "DELETE": c.deleteObject, "COPY": c.copyObject, "OPTIONS": c.options}, objectMethods
	case c.Container != "":
		return map[string]func() error{"GET": c.getContainer, "HEAD": c.getContainer, "PUT": c.putContainer, "POST": c.postContainer, "DELETE": c.deleteContainer, "OPTIONS": c.options}, containerMethods
	}
	return map[string]func() error{"GET": c.getAccount, "HEAD": c.getAccount, "POST": c.postAccount, "PUT": c.putAccount, "DELETE": c.deleteAccount, "OPTIONS": c.options}, accountMethods
}

// Allows reports whether a method is one of the path's.
func (c *Call) Allows(method string) bool {
	_, methods := c.handlers()
	return slices.Contains(methods, method)
}

// Status answers the HTTP status of a failure.
func Status(f *fault.Fault) int {
	if s, ok := f.Extra["status"].(int); ok {
		return s
	}
	switch f.Code {
	case fault.CodeObjectstoreEtagMismatch:
		return http.StatusUnprocessableEntity
	case fault.CodeObjectstoreUploadCut:
		return statusClientGone
	case fault.CodeObjectstoreNoSpace:
		return http.StatusInsufficientStorage
	case fault.CodeObjectstoreContainerNotEmpty, fault.CodeObjectstorePolicyConflict, fault.CodeDbStale:
		return http.StatusConflict
	}
	if s, ok := statusOfKind[f.Kind]; ok {
		return s
	}
	return http.StatusInternalServerError
}

const statusClientGone = 499

var statusOfKind = map[fault.Kind]int{
	fault.Invalid: 400, fault.Unauthenticated: 401, fault.Forbidden: 403, fault.NotFound: 404, fault.BadMethod: 405, fault.NotAcceptable: 406,
	fault.Conflict: 409, fault.Gone: 410, fault.Precondition: 412, fault.TooLarge: 413, fault.UnsupportedType: 415, fault.BadRange: 416,
	fault.TooMany: 498, fault.NotImplemented: 501, fault.Unavailable: 503, fault.OverQuota: 413,
}

// Refuse makes the error that answers a status. With a text it is answered as
// text/plain; without one, as Swift's page for the status.
func Refuse(status int, format string, args ...any) error {
	return fault.New(fault.CodeObjectstoreRefused, format, args...).WithExtra("status", status)
}

// refusePage is Refuse for the few texts that the original calls HTML.
func refusePage(status int, format string, args ...any) error {
	return fault.New(fault.CodeObjectstoreRefused, format, args...).WithExtra("status", status).WithExtra("content_type", "text/html; charset=UTF-8")
}

// told are codes whose message is answered; Swift's page says enough of others.
var told = []fault.Code{fault.CodeObjectstoreRefused, fault.CodeObjectstoreBadName, fault.CodeObjectstoreTooLarge, fault.CodeObjectstoreAccountGone}

func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) int {
	f := fault.From(err)
	status := Status(f)
	h := w.Header()
	for _, name := range []string{"Location", "Content-Length", "Content-Type"} {
		h.Del(name)
	}
	if f.Extra["of"] == nil {
		for _, name := range []string{"Etag", "Last-Modified", "Accept-Ranges"} {
			h.Del(name)
		}
	}
	if status == http.StatusUnauthorized {
		realm := "unknown"
		if segs := strings.SplitN(a.front.Path(r), "/", 4); len(segs) > 2 && segs[2] != "" {
			realm = segs[2]
		}
		h.Set("Www-Authenticate", fmt.Sprintf("Swift realm=%q", realm))
	}
	contentType, body := "text/html; charset=UTF-8", page(status)
	if f.Message != "" && (slices.Contains(told, f.Code) || strings.HasPrefix(string(f.Code), "objectstore.") && f.Extra["told"] != nil) {
		contentType, body = "text/plain", f.Message
		if ct, ok := f.Extra["content_type"].(string); ok {
			contentType = ct
		}
	}
	if status == http.StatusNotModified || status == http.StatusPreconditionFailed && f.Extra["of"] != nil || f.Extra["empty"] != nil {
		body = ""
	}
	_ = rest.WriteBytes(w, status, contentType, []byte(body))
	return status
}

// Text answers a plain text.
func (c *Call) Text(status int, text string) error {
	return rest.WriteBytes(c.W, status, "text/plain", []byte(text))
}

// Page answers Swift's page for a status.
func (c *Call) Page(status int) error {
	return rest.WriteBytes(c.W, status, "text/html; charset=UTF-8", []byte(page(status)))
}

// pages are what Swift says of a status: title and sentence.
var pages = map[int][2]string{
	202: {"Accepted", "The request is accepted for processing."},
	400: {"Bad Request", "The server could not comply with the request since it is either malformed or otherwise incorrect."},
	401: {"Unauthorized", "This server could not verify that you are authorized to access the document you requested."},
	403: {"Forbidden", "Access was denied to this resource."},
	404: {"Not Found", "The resource could not be found."},
	405: {"Method Not Allowed", "The method is not allowed for this resource."},
	406: {"Not Acceptable", "The resource is not available in a format acceptable to your browser."},
	408: {"Request Timeout", "The server has waited too long for the request to be sent by the client."},
	409: {"Conflict", "There was a conflict when trying to complete your request."},
	410: {"Gone", "This resource is no longer available."},
	411: {"Length Required", "Content-Length header required."},
	412: {"Precondition Failed", "A precondition for this request was not met."},
	413: {"Request Entity Too Large", "The body of your request was too large for this server."},
	416: {"Requested Range Not Satisfiable", "The Range requested is not available."},
	422: {"Unprocessable Entity", "Unable to process the contained instructions"},
	499: {"Client Disconnect", "The client was disconnected during request."},
	500: {"Internal Error", "The server has either erred or is incapable of performing the requested operation."},
	501: {"Not Implemented", "The requested method is not implemented by this server."},
	503: {"Service Unavailable", "The server is currently unavailable. Please try again at a later time."},
	507: {"Insufficient Storage", "There was not enough space to save the resource. Drive: unknown"},
}

// Sentence is what Swift says of a status where there is no page: in the reports
// of requests that answered 202 before their outcome was known.
func Sentence(status int) string {
	p := pages[status]
	return p[0] + "\n" + p[1]
}

func page(status int) string {
	p, ok := pages[status]
	if !ok {
		return ""
	}
	return "<html><h1>" + p[0] + "</h1><p>" + p[1] + "</p></html>"
}
