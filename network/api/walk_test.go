package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"altostack/kernel/contract"
	"altostack/network/api"
)

// TestWalk calls every route as nobody, as a reader and as a stranger: nobody
// gets 401; nobody of the three changes anything; a stranger does not learn
// whether an object is there.
func TestWalk(t *testing.T) {
	cloud := start(t)
	owner := as(t, cloud, "member")
	n := str(owner.make("networks", "network", `{}`), "id")
	ids := map[string]string{"{network_id}": n, "{router_id}": str(owner.make("routers", "router", `{}`), "id"),
		"{port_id}": str(owner.make("ports", "port", `{"network_id":"`+n+`"}`), "id"), "{security_group_id}": str(owner.make("security-groups", "security_group", `{"name":"g"}`), "id"),
		"{project_id}": "p1", "{alias}": "router", "{tag}": "red"}
	for _, r := range api.New(cloud.Service).Routes() {
		path := r.Path
		for name, id := range ids {
			path = strings.ReplaceAll(path, name, id)
		}
		if i := strings.Index(path, "{"); i >= 0 {
			path = path[:i] + "00000000-0000-4000-8000-000000000000"
			if j := strings.Index(r.Path[i:], "}"); j >= 0 {
				path += r.Path[i+j+1:]
			}
			path = strings.ReplaceAll(strings.ReplaceAll(path, "{port_forwarding_id}", "x"), "{tag}", "red")
		}
		ask := func(token string) int {
			q := httptest.NewRequest(r.Method, path, strings.NewReader(`{}`))
			q.Header.Set("Content-Type", "application/json")
			if token != "" {
				q.Header.Set("X-Auth-Token", token)
			}
			w := httptest.NewRecorder()
			cloud.Handler.ServeHTTP(w, q)
			return w.Code
		}
		if got := ask(""); !r.IsOpen() && got != http.StatusUnauthorized {
			t.Errorf("nobody: %s %s: %d", r.Method, path, got)
		}
		for _, token := range []string{"reader", "other"} {
			got := ask(token)
			if got >= 500 {
				t.Errorf("%s: %s %s: %d", token, r.Method, path, got)
			}
			if r.Method != "GET" && got < 400 {
				t.Errorf("%s: %s %s: %d", token, r.Method, path, got)
			}
			one := strings.Contains(r.Path, "{") && !strings.Contains(r.Path, "{project_id}") && !strings.Contains(r.Path, "{alias}")
			if token == "other" && one && got != http.StatusNotFound && got != http.StatusForbidden && got != http.StatusBadRequest {
				t.Errorf("stranger: %s %s: %d", r.Method, path, got)
			}
		}
	}
}

// TestRoutesAreDocumented counts the routes against the contract.
func TestRoutesAreDocumented(t *testing.T) {
	var keys []contract.RouteKey
	for _, r := range api.New(nil).Routes() {
		keys = append(keys, contract.RouteKey{Method: r.Method, Path: r.Path})
	}
	report := contract.Coverage("neutron", keys)
	t.Logf("tier 1: %d of %d, all: %d of %d", report.Tiers[1].Routed, report.Tiers[1].Total, report.All.Routed, report.All.Total)
	for _, m := range report.Missing {
		if m.Tier == 1 {
			t.Logf("not built: %s %s", m.Method, m.Path)
		}
	}
	for _, u := range report.Unknown {
		if !strings.HasSuffix(u.Path, "/details.json") && !strings.Contains(u.Path, "/tags") {
			t.Errorf("not documented: %v", u)
		}
	}
}
