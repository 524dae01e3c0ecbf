package api_test

import (
	"fmt"
	"strings"
	"testing"

	"altostack/identity/api"
)

// TestNobodyComesIn walks every route without a token and with a forged one.
func TestNobodyComesIn(t *testing.T) {
	c := serve(t)
	for _, r := range api.New(c.cloud.Service).Routes() {
		if r.IsOpen() {
			continue
		}
		call := r.Method + " " + concrete(r.Path)
		c.do(call, 401, "")
		c.as("gAAAAABforged").do(call, 401, "")
		c.do(call, 401, "", "X-User-Id", c.cloud.Access.AdminUserID, "X-Roles", "admin", "X-Identity-Status", "Confirmed")
	}
}

// concrete fills a path's parameters with ids that do not exist.
func concrete(path string) string {
	for strings.Contains(path, "{") {
		a, b := strings.Index(path, "{"), strings.Index(path, "}")
		path = path[:a] + "none" + path[b+1:]
	}
	return path
}

// TestAStrangerChangesNothing walks every route as a member of an ordinary
// project: reads of what is everybody's may succeed, no change may.
func TestAStrangerChangesNothing(t *testing.T) {
	c := serve(t)
	demo := c.demo()
	for _, r := range api.New(c.cloud.Service).Routes() {
		if r.IsOpen() || r.Method == "GET" || r.Method == "HEAD" || strings.HasPrefix(r.Path, "/v3/auth/") {
			continue
		}
		path := concrete(strings.ReplaceAll(r.Path, "{user_id}", c.cloud.Access.AdminUserID))
		status := demo.attempt(r.Method+" "+path, "{}").status
		if status != 403 && status != 400 && status != 404 {
			t.Errorf("%s %s as a stranger: %d", r.Method, path, status)
		}
	}
}

// TestPersonas: what each of the roles may do on its own domain and on another.
func TestPersonas(t *testing.T) {
	c := serve(t)
	admin := c.admin()
	domain := admin.do("POST /v3/domains", 201, `{"domain":{"name":"corp"}}`).str("domain.id")
	token := map[string]string{}
	for _, role := range []string{"manager", "member", "reader"} {
		u := admin.do("POST /v3/users", 201, fmt.Sprintf(`{"user":{"name":"d-%s","password":"p","domain_id":%q}}`, role, domain)).str("user.id")
		admin.do("PUT /v3/domains/"+domain+"/users/"+u+"/roles/"+c.cloud.Role(t, role), 204, "")
		body := fmt.Sprintf(`{"auth":{"identity":{"methods":["password"],"password":{"user":{"id":%q,"password":"p"}}},"scope":{"domain":{"id":%q}}}}`, u, domain)
		token[role] = c.do("POST /v3/auth/tokens", 201, body).header.Get("X-Subject-Token")
	}
	token["admin"] = admin.token
	token["project"] = c.demo().token
	tests := []struct {
		call, body string
		allowed    string // personas, in alphabetical order
	}{
		{"GET /v3/users?domain_id=" + domain, "", "admin manager member reader"},
		{"GET /v3/projects?domain_id=" + domain, "", "admin manager member reader"},
		{"GET /v3/groups?domain_id=" + domain, "", "admin manager member reader"},
		{"GET /v3/domains/" + domain, "", "admin manager member reader"},
		{"GET /v3/domains/default", "", "admin project"},
		{"GET /v3/users/" + c.cloud.Access.DemoUserID, "", "admin project"},
		{"GET /v3/projects/" + c.cloud.Access.DemoProjectID, "", "admin project"},
		{"GET /v3/services", "", "admin"},
		{"GET /v3/roles", "", "admin manager"},
		{"POST /v3/users", `{"user":{"name":"N","domain_id":"` + domain + `"}}`, "admin manager"},
		{"POST /v3/users", `{"user":{"name":"N","domain_id":"default"}}`, "admin"},
		{"POST /v3/projects", `{"project":{"name":"N","domain_id":"` + domain + `"}}`, "admin manager"},
		{"POST /v3/groups", `{"group":{"name":"N","domain_id":"` + domain + `"}}`, "admin manager"},
		{"POST /v3/groups", `{"group":{"name":"N","domain_id":"default"}}`, "admin"},
		{"POST /v3/domains", `{"domain":{"name":"N"}}`, "admin"},
		{"POST /v3/roles", `{"role":{"name":"N"}}`, "admin"},
		{"PATCH /v3/users/" + c.cloud.Access.DemoUserID, `{"user":{"email":"x"}}`, "admin"},
		{"DELETE /v3/projects/" + c.cloud.Access.ServiceProjectID + "/tags", "", "admin"},
	}
	for _, tt := range tests {
		var allowed []string
		for _, who := range []string{"admin", "manager", "member", "project", "reader"} {
			status := c.as(token[who]).attempt(tt.call, strings.ReplaceAll(tt.body, `"N"`, `"n-`+who+`"`)).status
			switch {
			case status < 300:
				allowed = append(allowed, who)
			case status != 403:
				t.Errorf("%s %s as %s: %d", tt.call, tt.body, who, status)
			}
		}
		if got := strings.Join(allowed, " "); got != tt.allowed {
			t.Errorf("%s %s\n got: %s\nwant: %s", tt.call, tt.body, got, tt.allowed)
		}
	}
	// A manager hands out the three ordinary roles within the domain, no others
	// and nowhere else.
	u := admin.do("POST /v3/users", 201, `{"user":{"name":"new","domain_id":"`+domain+`"}}`).str("user.id")
	p := admin.do("POST /v3/projects", 201, `{"project":{"name":"new","domain_id":"`+domain+`"}}`).str("project.id")
	manager := c.as(token["manager"])
	manager.do("PUT /v3/projects/"+p+"/users/"+u+"/roles/"+c.cloud.Role(t, "member"), 204, "")
	manager.do("PUT /v3/projects/"+p+"/users/"+u+"/roles/"+c.cloud.Role(t, "admin"), 403, "")
	manager.do("PUT /v3/projects/"+c.cloud.Access.DemoProjectID+"/users/"+u+"/roles/"+c.cloud.Role(t, "member"), 403, "")
	manager.do("DELETE /v3/projects/"+p+"/users/"+u+"/roles/"+c.cloud.Role(t, "member"), 204, "")
	for _, u := range c.as(token["reader"]).do("GET /v3/users", 200, "").at("users").([]any) {
		if u.(map[string]any)["domain_id"] != domain {
			t.Errorf("a domain's reader sees %v", u)
		}
	}
}
