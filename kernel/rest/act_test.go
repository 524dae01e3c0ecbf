package rest_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/clock"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/kernel/policy"
	"altostack/kernel/rest"
)

type kept []rest.Act

func (k *kept) Acted(a rest.Act) { *k = append(*k, a) }

// Acts are what may have changed something, with who, what and how it ended.
func TestActsAreKept(t *testing.T) {
	engine, err := policy.Service("nova", nil)
	if err != nil {
		t.Fatal(err)
	}
	var got kept
	a := &rest.API{Service: "nova", Mount: "/compute", Dialect: rest.NovaDialect(), Tokens: tokens{}, Policy: rest.PolicyOf("nova", engine),
		Clock: clock.Real{}, IDs: id.Random{}, Log: slog.New(slog.DiscardHandler), Audit: &got}
	made := func(w http.ResponseWriter, _ *http.Request, _ auth.Scope) error {
		return rest.Write(w, http.StatusAccepted, map[string]any{"server": map[string]any{"flavor": map[string]any{"id": "not this"}, "id": "new", "links": []any{map[string]any{"id": "nor this"}}}})
	}
	login := func(_ http.ResponseWriter, r *http.Request, _ auth.Scope) error {
		at := auth.AttemptOf(r.Context())
		at.Proving, at.UserID, at.Why = true, "bob", "wrong password"
		return fault.New(fault.CodeIdentityLimited, "Too many failed authentications.").After(1500 * time.Millisecond)
	}
	quiet := func(_ http.ResponseWriter, r *http.Request, _ auth.Scope) error {
		at := auth.AttemptOf(r.Context())
		at.Proving, at.Unrecorded = true, true
		return fault.New(fault.CodeIdentityLimited, "Too many failed authentications.")
	}
	h, err := a.Handle([]rest.Route{
		rest.On("GET /servers", "", made), rest.On("POST /servers", "", made), rest.On("DELETE /servers/{server_id}", "os_compute_api:os-services:list", made),
		rest.On("POST /login", "", login).Open(), rest.On("POST /quiet", "", quiet).Open(), rest.On("GET /proof", "", login).Open().Proves(),
	})
	if err != nil {
		t.Fatal(err)
	}
	do := func(method, path, token string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "http://cloud.test/compute"+path, strings.NewReader(`{}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("User-Agent", "tester")
		if token != "" {
			r.Header.Set("X-Auth-Token", token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	do("GET", "/servers", "member")
	do("POST", "/servers", "")
	do("POST", "/nowhere", "member")
	do("POST", "/quiet", "")
	if len(got) != 0 {
		t.Fatalf("kept for nothing: %+v", got)
	}
	do("POST", "/servers?secret=x", "member")
	do("DELETE", "/servers/1", "member")
	limited := do("POST", "/login", "")
	do("GET", "/proof", "")
	if limited.Code != 429 || limited.Header().Get("Retry-After") != "2" {
		t.Errorf("%d %v", limited.Code, limited.Header())
	}
	var told []string
	for _, k := range got {
		who := k.Attempt.UserID
		if k.Principal != nil {
			who = k.Principal.UserID
		}
		told = append(told, fmt.Sprint(who, " ", k.Route.Method, " ", k.Path, " ", k.Values["server_id"], " ", k.ObjectID, " ", k.Status, " ", k.Attempt.Address, " ", k.Agent, " ", k.Attempt.Why))
	}
	want := []string{
		"u1 POST /compute/servers  new 202 192.0.2.1 tester ",
		"u1 DELETE /compute/servers/1 1  403 192.0.2.1 tester ",
		"bob POST /compute/login   429 192.0.2.1 tester wrong password",
		"bob GET /compute/proof   429 192.0.2.1 tester wrong password",
	}
	if strings.Join(told, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
	}
}

func TestProxiesAreBelievedWhereTheyAreTrusted(t *testing.T) {
	var seen string
	h := rest.Behind([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = rest.Address(r) }))
	for _, tt := range []struct{ remote, forwarded, want string }{
		{"192.0.2.1:5", "203.0.113.9", "192.0.2.1"}, // not a proxy of ours
		{"10.0.0.1:5", "203.0.113.9", "203.0.113.9"},
		{"10.0.0.1:5", "", "10.0.0.1"},
		{"10.0.0.1:5", "1.1.1.1, 203.0.113.9", "203.0.113.9"}, // what the client itself claimed
		{"10.0.0.1:5", "203.0.113.9, 10.0.0.2", "203.0.113.9"},
		{"10.0.0.1:5", "nonsense, 10.0.0.2", "10.0.0.2"},
		{"10.0.0.1:5", "2001:db8::7", "2001:db8::7"},
	} {
		r := httptest.NewRequest("GET", "http://cloud.test/", nil)
		r.RemoteAddr = tt.remote
		if tt.forwarded != "" {
			r.Header.Set("X-Forwarded-For", tt.forwarded)
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
		if seen != tt.want {
			t.Errorf("from %s, forwarded %q: %s, want %s", tt.remote, tt.forwarded, seen, tt.want)
		}
	}
}
