package rest

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/telemetry"
)

// Act is a request that may have changed something, or proved who somebody is,
// after its answer. Requests that met no route, or came from nobody and proved
// nothing, changed nothing and are no acts.
type Act struct {
	Service   string // contract name
	Route     Route
	Path      string            // of the request, without its query
	Values    map[string]string // of the path's parameters
	ObjectID  string            // of the object in the answer, where it shows one
	Status    int
	RequestID string
	GlobalID  string // request id that the client brought along
	Principal *auth.Principal
	Attempt   auth.Attempt
	Agent     string // the client's name of itself
	Start     time.Time
}

// Auditor keeps acts. It must not block for long: it stands between the answer
// and the end of the connection's turn.
type Auditor interface{ Acted(act Act) }

// Proves says that a GET of this route is an authentication.
func (r Route) Proves() Route { r.proves = true; return r }

// acts tells whether requests of the route are kept.
func (r Route) acts() bool {
	return r.proves || changes(r.Method)
}

func changes(method string) bool {
	switch method {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, "COPY":
		return true
	}
	return false
}

// maxTold bounds what a client can write into the audit trail by one field.
const maxTold = 1024

func told(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxTold)], "\uFFFD") }

// acted hands the act over when the answer is out.
func (c *call) acted(w *answer, r *http.Request) {
	at := c.attempt
	if c.principal == nil && !at.Proving && len(at.Methods) == 0 || at.Unrecorded {
		return
	}
	var values map[string]string
	if len(c.route.names) > 0 {
		values = make(map[string]string, len(c.route.names))
	}
	for i, name := range c.route.names {
		values[name] = told(c.values[i])
	}
	act := Act{Service: c.api.Service, Route: c.route.Route, Path: told(r.URL.Path), Values: values, ObjectID: w.object, Status: w.status,
		RequestID: telemetry.RequestID(r.Context()), Principal: c.principal, Attempt: *at, Agent: told(r.UserAgent()), Start: c.start}
	if id := r.Header.Get("X-Openstack-Request-Id"); strings.HasPrefix(id, "req-") && len(id) <= 64 {
		act.GlobalID = id
	}
	c.api.Audit.Acted(act)
}

// Address answers the client's address without its port.
func Address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}

// Behind makes requests that come through trusted proxies bear the address of who
// asked the proxy. What others send in X-Forwarded-For is not looked at.
func Behind(trusted []netip.Prefix, next http.Handler) http.Handler {
	if len(trusted) == 0 {
		return next
	}
	ours := func(host string) bool {
		ip, err := netip.ParseAddr(host)
		return err == nil && slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(ip.Unmap().WithZone("")) })
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ours(Address(r)) {
			hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
			for _, hop := range slices.Backward(hops) { // the nearest hop is the last
				hop = strings.TrimSpace(hop)
				if _, err := netip.ParseAddr(hop); err != nil {
					break
				}
				r.RemoteAddr = net.JoinHostPort(hop, "0")
				if !ours(hop) {
					break
				}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// objectID finds the id of what a JSON answer is about: {"server": {"id": …}} or
// {"id": …}. It reads no further than that.
func objectID(b []byte) string {
	depth, key, i := 0, "", 0
	for i < len(b) {
		switch c := b[i]; c {
		case '{', '[':
			depth++
			if c == '[' && depth <= 2 {
				return "" // a list is about no one thing
			}
			key = ""
			i++
		case '}', ']':
			depth--
			key = ""
			i++
		case '"':
			end := i + 1
			for end < len(b) && b[end] != '"' {
				if b[end] == '\\' {
					end++
				}
				end++
			}
			if end >= len(b) {
				return ""
			}
			text := b[i+1 : end]
			i = end + 1
			if key == "id" && depth <= 2 {
				return told(string(text))
			}
			if key = ""; i < len(b) && b[i] == ':' && string(text) == "id" {
				key = "id"
			}
		case ',':
			key = ""
			i++
		default:
			i++
		}
	}
	return ""
}
