package rest

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/clock"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/kernel/telemetry"
)

// Front is the outer part of an [API] for services that match paths themselves:
// object names hold // and dots, which a table of routes would not let through. It
// gives requests their id, strips forged headers, validates tokens, measures, logs,
// and turns panics into answers. All fields but Metrics are required.
type Front struct {
	Service string
	Mount   string
	Tokens  auth.Validator
	Clock   clock.Clock
	IDs     id.Source
	Log     *slog.Logger
	Metrics *Metrics
	// Audit is told of what may have changed something; nil: nobody is.
	Audit Auditor
	// NewID makes a request's id; nil: as all services do.
	NewID func() string
	// Route names what a request is about, for the metrics: few different ones.
	Route func(r *http.Request) string
	// Refuse writes an error that nothing was answered yet for, and tells the status.
	Refuse func(w http.ResponseWriter, r *http.Request, err error) int
}

// Handle makes a handler of one that answers errors.
func (f *Front) Handle(h func(w http.ResponseWriter, r *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := f.Clock.Now()
		for name := range r.Header {
			if auth.IdentityHeaders(name) {
				r.Header.Del(name)
			}
		}
		reqID := "req-" + f.IDs.UUID()
		if f.NewID != nil {
			reqID = f.NewID()
		}
		ctx := telemetry.Label(r.Context(), telemetry.KeyRequestID, reqID)
		ctx = context.WithValue(context.WithValue(ctx, mountKey{}, f.Mount), startKey{}, start)
		ctx, span := telemetry.Span(ctx, f.Service+" "+r.Method)
		defer span.End()
		var at *auth.Attempt
		if f.Audit != nil && changes(r.Method) {
			at = &auth.Attempt{Address: Address(r)}
			ctx = auth.Attempting(ctx, at)
		}
		r = r.WithContext(ctx)
		out := &answer{ResponseWriter: w, head: r.Method == http.MethodHead}
		out.Header().Set("X-Openstack-Request-Id", reqID)
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				f.Log.ErrorContext(ctx, "panic in a handler", "panic", p, "stack", string(debug.Stack()))
				f.refuse(out, r, fault.New(fault.CodeRestInternal, "The server met an unexpected condition that kept it from fulfilling the request."))
			}
			f.Metrics.Observe(f.Service, r.Method, f.Route(r), out.status, f.Clock.Now().Sub(start))
			if at != nil {
				f.acted(at, out, r, start)
			}
		}()
		if err := h(out, r); err != nil {
			f.refuse(out, r, err)
		}
	})
}

func (f *Front) refuse(w *answer, r *http.Request, err error) {
	if w.status != 0 {
		f.Log.ErrorContext(r.Context(), "an answer was cut off", "error", err, "method", r.Method)
		panic(http.ErrAbortHandler) // half an answer is out: cutting the connection is the only honest end
	}
	if status := f.Refuse(w, r, err); status >= 500 {
		f.Log.ErrorContext(r.Context(), "request failed", "error", err, "method", r.Method, "path", r.URL.Path)
	} else {
		f.Log.DebugContext(r.Context(), "request refused", "status", status, "error", err)
	}
}

// Authenticate answers the bearer of the request's token, with that of its service
// token; a fault auth.unauthenticated where there is none.
func (f *Front) Authenticate(r *http.Request) (*auth.Principal, error) {
	p, err := (&API{Service: f.Service, Mount: f.Mount, Tokens: f.Tokens}).authenticate(r)
	auth.AttemptOf(r.Context()).By = p
	return p, err
}

// acted hands the act over when the answer is out. Who is nobody in particular
// may have changed something too, by a signed URL or where everybody may write.
func (f *Front) acted(at *auth.Attempt, w *answer, r *http.Request, start time.Time) {
	if at.By == nil && w.status >= 400 {
		return
	}
	path := told(r.URL.Path)
	f.Audit.Acted(Act{Service: f.Service, Route: Route{Method: r.Method, Path: f.Route(r)}, Path: path, ObjectID: told(strings.TrimPrefix(r.URL.Path, f.Mount)), Status: w.status,
		RequestID: telemetry.RequestID(r.Context()), Principal: at.By, Attempt: *at, Agent: told(r.UserAgent()), Start: start})
}

// Path answers a request's path below the mount, as it was sent.
func (f *Front) Path(r *http.Request) string {
	return strings.TrimPrefix(r.URL.EscapedPath(), f.Mount)
}

// Observe counts and times a request that no route of a table has.
func (m *Metrics) Observe(service, method, route string, status int, took time.Duration) {
	if m != nil {
		m.route(service, Route{Method: knownMethod(method), Path: route})(status, took)
	}
}

// knownMethod keeps clients from making up labels.
func knownMethod(method string) string {
	switch method {
	case "GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "COPY":
		return method
	}
	return "other"
}
