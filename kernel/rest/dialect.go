package rest

import (
	"encoding/json"
	"fmt"
	"html"
	"mime"
	"net/http"
	"strings"

	"altostack/kernel/fault"
)

// Dialect is how a service spells its failures. Facts: the services' own fault
// wrappers, release 2026.1.
type Dialect interface {
	Status(f *fault.Fault) int
	Body(r *http.Request, f *fault.Fault, status int, requestID string) (contentType string, body []byte)
	// NoRoute is the fault for a path that no route has.
	NoRoute(r *http.Request) error
	// ContentType refuses a JSON request of another type.
	ContentType(ct string) error
	// ComputeRequestID tells whether X-Compute-Request-Id is answered too.
	ComputeRequestID() bool
}

var statuses = map[fault.Kind]int{
	fault.Internal: 500, fault.Invalid: 400, fault.Unauthenticated: 401, fault.Forbidden: 403, fault.NotFound: 404,
	fault.BadMethod: 405, fault.NotAcceptable: 406, fault.Conflict: 409, fault.Gone: 410, fault.Precondition: 412,
	fault.TooLarge: 413, fault.UnsupportedType: 415, fault.BadRange: 416, fault.TooMany: 429, fault.NotImplemented: 501,
	fault.Unavailable: 503,
}

// spoken is what the dialects share; overQuota is the status of a quota fault.
type spoken struct{ overQuota int }

func (s spoken) Status(f *fault.Fault) int {
	if f.Kind == fault.OverQuota {
		return s.overQuota
	}
	return statuses[f.Kind]
}

func (spoken) NoRoute(*http.Request) error {
	return fault.New(fault.CodeRestNotFound, "The resource could not be found.")
}

func (spoken) ContentType(ct string) error {
	if ct == "" {
		return nil
	}
	media, _, err := mime.ParseMediaType(ct)
	if err != nil || media != "application/json" && !strings.HasSuffix(media, "+json") && media != "text/plain" && media != "application/x-www-form-urlencoded" {
		return fault.New(fault.CodeRestBadContentType, "Unsupported Content-Type")
	}
	return nil
}

func (spoken) ComputeRequestID() bool { return false }

// text is the message with its hint: most dialects have no field of its own for
// what to do.
func text(f *fault.Fault) string {
	if f.Hint == "" || f.Kind == fault.Unauthenticated {
		return f.Message
	}
	message := strings.TrimRight(f.Message, " ")
	if !strings.ContainsAny(message[max(len(message)-1, 0):], ".!?:,") {
		message += "." // some messages of the real services end without one
	}
	return message + " " + f.Hint
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return []byte(`{}`) // strings and numbers marshal
	}
	return b
}

// unauthorized is what keystonemiddleware answers in front of every service.
func unauthorized(f *fault.Fault) []byte {
	return encode(map[string]any{"error": map[string]any{"code": 401, "title": "Unauthorized", "message": f.Message}})
}

// Nova and Cinder: one key, chosen by the status.
type novaDialect struct{ spoken }

// NovaDialect is the compute service's.
func NovaDialect() Dialect { return novaDialect{spoken{http.StatusForbidden}} }

// CinderDialect is the block storage service's.
func CinderDialect() Dialect {
	return cinderDialect{novaDialect{spoken{http.StatusRequestEntityTooLarge}}}
}

type cinderDialect struct{ novaDialect }

// Status answers 404 to a method that a path does not take: Cinder's router
// knows paths only together with their methods.
func (d cinderDialect) Status(f *fault.Fault) int {
	if f.Code == fault.CodeRestBadMethod {
		return http.StatusNotFound
	}
	return d.novaDialect.Status(f)
}

var novaKeys = map[int]string{400: "badRequest", 401: "unauthorized", 403: "forbidden", 404: "itemNotFound", 405: "badMethod",
	409: "conflictingRequest", 413: "overLimit", 415: "badMediaType", 429: "overLimit", 501: "notImplemented", 503: "serviceUnavailable"}

func (d novaDialect) Body(_ *http.Request, f *fault.Fault, status int, _ string) (string, []byte) {
	if status == http.StatusUnauthorized {
		return "application/json", unauthorized(f)
	}
	key := novaKeys[status]
	if key == "" {
		key = "computeFault"
	}
	inner := map[string]any{"code": status, "message": text(f)}
	for k, v := range f.Extra {
		inner[k] = v
	}
	return "application/json; charset=UTF-8", encode(map[string]any{key: inner})
}

func (novaDialect) ComputeRequestID() bool { return true }

// Keystone.
type keystoneDialect struct{ spoken }

// KeystoneDialect is the identity service's.
func KeystoneDialect() Dialect { return keystoneDialect{spoken{http.StatusForbidden}} }

func (keystoneDialect) Body(_ *http.Request, f *fault.Fault, status int, _ string) (string, []byte) {
	if receipt, ok := f.Extra["receipt"]; ok {
		return "application/json", encode(map[string]any{"receipt": receipt, "required_auth_methods": f.Extra["required_auth_methods"]})
	}
	inner := map[string]any{"code": status, "title": http.StatusText(status), "message": text(f)}
	for k, v := range f.Extra {
		inner[k] = v
	}
	return "application/json", encode(map[string]any{"error": inner})
}

// Neutron.
type neutronDialect struct{ spoken }

// NeutronDialect is the network service's.
func NeutronDialect() Dialect { return neutronDialect{spoken{http.StatusConflict}} }

func (neutronDialect) Body(_ *http.Request, f *fault.Fault, status int, _ string) (string, []byte) {
	if status == http.StatusUnauthorized {
		return "application/json", unauthorized(f)
	}
	name := f.Type
	switch {
	case status >= 500 && f.Kind == fault.Internal:
		return "application/json", encode(map[string]any{"NeutronError": map[string]string{
			"type": "HTTPInternalServerError", "message": "Request Failed: internal server error while processing your request.", "detail": ""}})
	case name == "" && status == http.StatusNotFound:
		name = "HTTPNotFound"
	case name == "":
		name = "HTTPBadRequest"
	}
	return "application/json", encode(map[string]any{"NeutronError": map[string]string{"type": name, "message": text(f), "detail": ""}})
}

// Glance: webob's forms, by Accept.
type glanceDialect struct{ spoken }

// GlanceDialect is the image service's.
func GlanceDialect() Dialect { return glanceDialect{spoken{http.StatusRequestEntityTooLarge}} }

// emptyID says that a path ends where an id should stand: /v2/images/ is an image
// without a name, not the list, so that a client with an empty variable does not
// take the list for an image.
func (glanceDialect) emptyID(path string) bool {
	return strings.HasSuffix(path, "/") && strings.Count(path, "/") > 2
}

// ContentType is left to the handlers: PATCH has types of its own.
func (glanceDialect) ContentType(string) error { return nil }

func (glanceDialect) Body(r *http.Request, f *fault.Fault, status int, _ string) (string, []byte) {
	if f.Kind == fault.Unauthenticated {
		return "application/json", unauthorized(f)
	}
	line := fmt.Sprintf("%d %s", status, http.StatusText(status))
	accept := r.Header.Get("Accept")
	switch {
	case strings.Contains(accept, "application/json"):
		return "application/json", encode(map[string]string{"message": html.EscapeString(text(f)) + "<br /><br />\n\n\n", "code": line, "title": http.StatusText(status)})
	case accept == "" || strings.Contains(accept, "*/*") || strings.Contains(accept, "html"):
		return "text/html; charset=UTF-8", fmt.Appendf(nil, "<html>\n <head>\n  <title>%s</title>\n </head>\n <body>\n  <h1>%s</h1>\n  %s<br /><br />\n\n\n\n </body>\n</html>", line, line, html.EscapeString(text(f)))
	}
	return "text/plain; charset=UTF-8", fmt.Appendf(nil, "%s\n\n%s\n\n\n", line, text(f))
}

// Placement: a list with one entry.
type placementDialect struct{ spoken }

// PlacementDialect is the placement service's.
func PlacementDialect() Dialect { return placementDialect{spoken{http.StatusForbidden}} }

// ContentType refuses all but JSON, an unnamed type too.
func (placementDialect) ContentType(ct string) error {
	media, _, err := mime.ParseMediaType(ct)
	if ct == "" {
		media = "None"
	}
	if err != nil && ct != "" || media != "application/json" {
		return fault.New(fault.CodeRestBadContentType, "The media type %s is not supported, use application/json", media)
	}
	return nil
}

func (placementDialect) Body(r *http.Request, f *fault.Fault, status int, requestID string) (string, []byte) {
	if status == http.StatusUnauthorized {
		return "application/json", unauthorized(f)
	}
	entry := map[string]any{"status": status, "title": http.StatusText(status), "detail": text(f) + "\n\n   ", "request_id": requestID}
	if strings.HasPrefix(f.Type, "placement.") { // the codes.tsv column "type" holds placement's public code
		entry["code"] = f.Type
	} else {
		entry["code"] = "placement.undefined_code"
	}
	for k, v := range f.Extra {
		entry[k] = v
	}
	return "application/json", encode(map[string]any{"errors": []any{entry}})
}
