package rest_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"altostack/kernel/auth"
	"altostack/kernel/clock"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/kernel/microversion"
	"altostack/kernel/policy"
	"altostack/kernel/rest"
)

// tokens knows one member and one administrator.
type tokens struct{}

func (tokens) Validate(_ context.Context, token string) (*auth.Principal, error) {
	switch token {
	case "member":
		return &auth.Principal{UserID: "u1", ProjectID: "11111111111111111111111111111111", Roles: []string{"member", "reader"}}, nil
	case "admin":
		return &auth.Principal{UserID: "u2", ProjectID: "22222222222222222222222222222222", Roles: []string{"admin", "member", "reader"}}, nil
	case "system":
		return &auth.Principal{UserID: "u3", System: true, Roles: []string{"admin", "member", "reader"}}, nil
	}
	return nil, fault.New(fault.CodeAuthUnauthenticated, "The request you have made requires authentication.")
}

func api(t *testing.T) http.Handler {
	t.Helper()
	engine, err := policy.Service("nova", nil)
	if err != nil {
		t.Fatal(err)
	}
	a := &rest.API{Service: "nova", Mount: "/compute", Dialect: rest.NovaDialect(), Tokens: tokens{}, Policy: rest.PolicyOf("nova", engine),
		Clock: clock.Real{}, IDs: id.Random{}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), AuthURL: "http://cloud/identity/v3",
		Range:        &microversion.Range{Service: "compute", Min: microversion.V(2, 1), Max: microversion.V(2, 103), Legacy: "X-OpenStack-Nova-API-Version"},
		Schemas:      rest.SchemasOf("nova"),
		ProjectAfter: "v2.1", MaxBody: 4096}
	say := func(text string) rest.Handler {
		return func(w http.ResponseWriter, r *http.Request, s auth.Scope) error {
			who, all := "nobody", false
			if s.Principal != nil {
				who, all = s.UserID, s.All
			}
			return rest.Write(w, 200, map[string]any{"said": text, "id": r.PathValue("server_id"), "who": who, "all": all, "version": microversion.From(r.Context()).String(), "forged": r.Header.Get("X-User-Id"), "base": rest.Base(r)})
		}
	}
	h, err := a.Handle([]rest.Route{
		rest.On("GET /", "", say("versions")).Open(),
		rest.On("GET /v2.1/servers", "os_compute_api:servers:index", say("list")),
		rest.On("POST /v2.1/servers", "os_compute_api:servers:create", say("create")),
		rest.On("GET /v2.1/servers/detail", "os_compute_api:servers:detail", say("detail")),
		rest.On("GET /v2.1/servers/{server_id}", "os_compute_api:servers:show", say("show")),
		rest.On("POST /v2.1/servers/{server_id}/action", "os_compute_api:os-lock-server:lock", say("lock")).Act("lock"),
		rest.On("POST /v2.1/servers/{server_id}/action", "os_compute_api:os-services:list", say("reset")).Act("os-resetState"),
		rest.On("GET /v2.1/servers/{server_id}/topology", "compute:server:topology:index", say("topology")).Since("2.78"),
		rest.On("GET /v2.1/panic", "", func(http.ResponseWriter, *http.Request, auth.Scope) error { panic("boom") }),
		rest.On("GET /v2.1/broken", "", func(http.ResponseWriter, *http.Request, auth.Scope) error { return io.ErrUnexpectedEOF }),
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestRequests(t *testing.T) {
	h := api(t)
	tests := map[string]struct {
		method, path, token, body string
		header                    map[string]string
		status                    int
		want                      string
	}{
		"a literal beats a parameter":        {method: "GET", path: "/v2.1/servers/detail", token: "member", status: 200, want: `"said":"detail"`},
		"a parameter with an escaped slash":  {method: "GET", path: "/v2.1/servers/a%2Fb", token: "member", status: 200, want: `"id":"a/b"`},
		"trailing slash":                     {method: "GET", path: "/v2.1/servers/", token: "member", status: 200, want: `"said":"list"`},
		"own project in the path":            {method: "GET", path: "/v2.1/11111111111111111111111111111111/servers", token: "member", status: 200, want: `"said":"list"`},
		"another project in the path":        {method: "GET", path: "/v2.1/22222222222222222222222222222222/servers", token: "member", status: 400, want: "Malformed request URL"},
		"member sees its own":                {method: "GET", path: "/v2.1/servers/1", token: "member", status: 200, want: `"all":false`},
		"admin sees all":                     {method: "GET", path: "/v2.1/servers/1", token: "admin", status: 200, want: `"all":true`},
		"system scope is not for projects":   {method: "GET", path: "/v2.1/servers/1", token: "system", status: 403, want: `"forbidden"`},
		"open route without a token":         {method: "GET", path: "/", status: 200, want: `"who":"nobody"`},
		"open route with a bad token":        {method: "GET", path: "/", token: "bad", status: 200, want: `"who":"nobody"`},
		"no token":                           {method: "GET", path: "/v2.1/servers", status: 401, want: `"title":"Unauthorized"`},
		"no token, no such path":             {method: "GET", path: "/v2.1/nothing", status: 401, want: `"title":"Unauthorized"`},
		"no such path":                       {method: "GET", path: "/v2.1/nothing", token: "member", status: 404, want: `"itemNotFound"`},
		"wrong method":                       {method: "PUT", path: "/v2.1/servers", token: "member", status: 405, want: `"badMethod"`},
		"forged identity header":             {method: "GET", path: "/v2.1/servers", token: "member", header: map[string]string{"X-User-Id": "root", "X-Roles": "admin"}, status: 200, want: `"forged":""`},
		"version":                            {method: "GET", path: "/v2.1/servers", token: "member", header: map[string]string{"OpenStack-API-Version": "volume 3.9, compute 2.37"}, status: 200, want: `"version":"2.37"`},
		"older header":                       {method: "GET", path: "/v2.1/servers", token: "member", header: map[string]string{"X-OpenStack-Nova-API-Version": "2.4"}, status: 200, want: `"version":"2.4"`},
		"latest":                             {method: "GET", path: "/v2.1/servers", token: "member", header: map[string]string{"OpenStack-API-Version": "compute latest"}, status: 200, want: `"version":"2.103"`},
		"version out of range":               {method: "GET", path: "/v2.1/servers", token: "member", header: map[string]string{"OpenStack-API-Version": "compute 2.999"}, status: 406, want: `"max_version":"2.103"`},
		"version malformed":                  {method: "GET", path: "/v2.1/servers", token: "member", header: map[string]string{"OpenStack-API-Version": "compute two"}, status: 400, want: "invalid format"},
		"route newer than the version":       {method: "GET", path: "/v2.1/servers/1/topology", token: "admin", status: 404, want: `"itemNotFound"`},
		"action":                             {method: "POST", path: "/v2.1/servers/1/action", token: "member", body: `{"lock": null}`, status: 200, want: `"said":"lock"`},
		"action that policy refuses":         {method: "POST", path: "/v2.1/servers/1/action", token: "member", body: `{"os-resetState": {"state": "active"}}`, status: 403, want: "Policy doesn't allow os_compute_api:os-services:list"},
		"unknown action":                     {method: "POST", path: "/v2.1/servers/1/action", token: "member", body: `{"fly": null}`, status: 400, want: "no such action: fly"},
		"two actions":                        {method: "POST", path: "/v2.1/servers/1/action", token: "member", body: `{"lock": null, "os-resetState": {}}`, status: 400, want: "Multiple body keys"},
		"body that its schema refuses":       {method: "POST", path: "/v2.1/servers", token: "member", body: `{"server": {"name": ""}}`, status: 400, want: "Invalid input for field/attribute"},
		"body that is no JSON":               {method: "POST", path: "/v2.1/servers", token: "member", body: `{"server": `, status: 400, want: `"badRequest"`},
		"body over the limit":                {method: "POST", path: "/v2.1/servers", token: "member", body: `{"a": "` + strings.Repeat("x", 5000) + `"}`, status: 413, want: `"overLimit"`},
		"body of another type":               {method: "POST", path: "/v2.1/servers", token: "member", body: `<server/>`, header: map[string]string{"Content-Type": "application/xml"}, status: 415, want: `"badMediaType"`},
		"panic in a handler":                 {method: "GET", path: "/v2.1/panic", token: "member", status: 500, want: `"computeFault"`},
		"an error without a fault is hidden": {method: "GET", path: "/v2.1/broken", token: "member", status: 500, want: "unexpected condition"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, "http://cloud:9080/compute"+tt.path, strings.NewReader(tt.body))
			r.Header.Set("X-Auth-Token", tt.token)
			if tt.body != "" {
				r.Header.Set("Content-Type", "application/json")
			}
			for k, v := range tt.header {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("got %d %s\nwant %d … %s", w.Code, w.Body, tt.status, tt.want)
			}
			if strings.Contains(w.Body.String(), "unexpected EOF") || strings.Contains(w.Body.String(), "boom") {
				t.Errorf("a hidden cause shows: %s", w.Body)
			}
			if !strings.HasPrefix(w.Header().Get("X-Openstack-Request-Id"), "req-") || w.Header().Get("X-Compute-Request-Id") != w.Header().Get("X-Openstack-Request-Id") {
				t.Errorf("request id headers: %v", w.Header())
			}
			if w.Code == 401 && w.Header().Get("Www-Authenticate") != `Keystone uri="http://cloud/identity/v3"` {
				t.Errorf("WWW-Authenticate: %v", w.Header())
			}
			if w.Code == 200 && !strings.Contains(name, "open route") && !strings.HasPrefix(w.Header().Get("Server-Timing"), "auth;dur=") {
				t.Errorf("Server-Timing: %v", w.Header())
			}
			if w.Code == 405 && w.Header().Get("Allow") != "GET, POST" {
				t.Errorf("Allow: %v", w.Header())
			}
		})
	}
}

func TestDialects(t *testing.T) {
	quota := &fault.Fault{Kind: fault.OverQuota, Message: "Quota exceeded.", Hint: "Delete something."}
	missing := &fault.Fault{Kind: fault.NotFound, Message: "Network x could not be found.", Type: "NetworkNotFound"}
	tests := map[string]struct {
		dialect rest.Dialect
		f       *fault.Fault
		accept  string
		status  int
		want    string
	}{
		"nova quota":      {rest.NovaDialect(), quota, "", 403, `{"forbidden":{"code":403,"message":"Quota exceeded. Delete something."}}`},
		"cinder quota":    {rest.CinderDialect(), quota, "", 413, `{"overLimit":{"code":413,"message":"Quota exceeded. Delete something."}}`},
		"neutron quota":   {rest.NeutronDialect(), quota, "", 409, `{"NeutronError":{"detail":"","message":"Quota exceeded. Delete something.","type":"HTTPBadRequest"}}`},
		"neutron missing": {rest.NeutronDialect(), missing, "", 404, `{"NeutronError":{"detail":"","message":"Network x could not be found.","type":"NetworkNotFound"}}`},
		"keystone":        {rest.KeystoneDialect(), missing, "", 404, `{"error":{"code":404,"message":"Network x could not be found.","title":"Not Found"}}`},
		"glance json":     {rest.GlanceDialect(), missing, "application/json", 404, `{"code":"404 Not Found","message":"Network x could not be found.\u003cbr /\u003e\u003cbr /\u003e\n\n\n","title":"Not Found"}`},
		"glance html":     {rest.GlanceDialect(), missing, "*/*", 404, "<h1>404 Not Found</h1>"},
		"placement":       {rest.PlacementDialect(), missing, "", 404, `"code":"placement.undefined_code"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Accept", tt.accept)
			status := tt.dialect.Status(tt.f)
			kind, body := tt.dialect.Body(r, tt.f, status, "req-1")
			text := string(body)
			if strings.Contains(kind, "json") {
				var v any
				if err := json.Unmarshal(body, &v); err != nil {
					t.Fatal(err)
				}
			}
			if status != tt.status || !strings.Contains(text, strings.ReplaceAll(tt.want, `\n`, `\n`)) {
				t.Errorf("got %d %s, want %d %s", status, text, tt.status, tt.want)
			}
		})
	}
}
