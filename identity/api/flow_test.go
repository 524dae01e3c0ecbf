package api_test

import (
	"fmt"
	"strings"
	"testing"
)

func passwordBody(user, password, scope string) string {
	return fmt.Sprintf(`{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":%q,"domain":{"name":"Default"},"password":%q}}}%s}}`, user, password, scope)
}

const onDemo = `,"scope":{"project":{"name":"demo","domain":{"id":"default"}}}`

func TestPasswordTokens(t *testing.T) {
	c := serve(t)
	scoped := c.do("POST /v3/auth/tokens", 201, passwordBody("demo", "demo's", onDemo))
	if scoped.str("token.project.name") != "demo" || scoped.at("token.is_domain") != false || scoped.str("token.user.domain.name") != "Default" {
		t.Errorf("scoped token: %s", scoped.text)
	}
	for _, e := range scoped.at("token.catalog").([]any) {
		if m := e.(map[string]any); m["type"] == "block-storage" && !strings.Contains(fmt.Sprint(m), c.cloud.Access.DemoProjectID) {
			t.Errorf("the project is not in the address: %v", m)
		}
	}
	unscoped := c.do("POST /v3/auth/tokens", 201, passwordBody("demo", "demo's", ""))
	if unscoped.at("token.roles") != nil || unscoped.at("token.catalog") != nil {
		t.Errorf("unscoped token: %s", unscoped.text)
	}
	if v := c.do("POST /v3/auth/tokens?nocatalog", 201, passwordBody("demo", "demo's", onDemo)); v.at("token.catalog") != nil {
		t.Errorf("nocatalog: %s", v.text)
	}
	system := c.do("POST /v3/auth/tokens", 201, passwordBody("admin", "admin's", `,"scope":{"system":{"all":true}}`))
	if system.at("token.system.all") != true {
		t.Errorf("system token: %s", system.text)
	}
	for name, scope := range map[string]string{
		"a foreign project": `,"scope":{"project":{"id":"` + c.cloud.Access.AdminProjectID + `"}}`,
		"a missing project": `,"scope":{"project":{"id":"nowhere"}}`,
		"no domain role":    `,"scope":{"domain":{"id":"default"}}`,
		"no system role":    `,"scope":{"system":{"all":true}}`,
	} {
		if a := c.do("POST /v3/auth/tokens", 401, passwordBody("demo", "demo's", scope)); a.str("error.title") != "Unauthorized" || a.header.Get("Www-Authenticate") == "" {
			t.Errorf("%s: %s", name, a.text)
		}
	}
	c.do("POST /v3/auth/tokens", 401, passwordBody("demo", "wrong", onDemo))
	c.do("POST /v3/auth/tokens", 401, passwordBody("nobody", "wrong", onDemo))
	c.do("POST /v3/auth/tokens", 404, `{"auth":{"identity":{"methods":["token"],"token":{"id":"gAAAAABforged"}}}}`)
	c.do("POST /v3/auth/tokens", 400, `{"auth":{}}`)
	c.do("POST /v3/auth/tokens", 400, `{"auth":{"identity":{"methods":["password"]}}}`)
}

func TestTokensShowRescopeAndRevoke(t *testing.T) {
	c := serve(t)
	first := c.do("POST /v3/auth/tokens", 201, passwordBody("demo", "demo's", ""))
	id := first.header.Get("X-Subject-Token")
	rescoped := c.do("POST /v3/auth/tokens", 201, fmt.Sprintf(`{"auth":{"identity":{"methods":["token"],"token":{"id":%q}}%s}}`, id, onDemo))
	if rescoped.str("token.expires_at") != first.str("token.expires_at") {
		t.Error("a rescoped token lives longer than the first")
	}
	if audit := rescoped.at("token.audit_ids").([]any); len(audit) != 2 || audit[1] != first.str("token.audit_ids.0") {
		t.Errorf("audit chain %v", audit)
	}
	if got := fmt.Sprint(rescoped.at("token.methods")); got != "[password token]" {
		t.Errorf("methods %s", got)
	}
	demo := c.as(rescoped.header.Get("X-Subject-Token"))
	seen := demo.do("GET /v3/auth/tokens", 200, "", "X-Subject-Token", demo.token)
	if seen.str("token.project.name") != "demo" || seen.header.Get("X-Subject-Token") != demo.token {
		t.Errorf("shown: %s", seen.text)
	}
	demo.do("HEAD /v3/auth/tokens", 200, "", "X-Subject-Token", demo.token)
	admin := c.admin()
	admin.do("GET /v3/auth/tokens", 200, "", "X-Subject-Token", demo.token)
	demo.do("GET /v3/auth/tokens", 403, "", "X-Subject-Token", admin.token)
	admin.do("GET /v3/auth/tokens", 404, "", "X-Subject-Token", "nonsense")
	demo.do("DELETE /v3/auth/tokens", 204, "", "X-Subject-Token", demo.token)
	admin.do("GET /v3/auth/tokens", 404, "", "X-Subject-Token", demo.token)
	demo.do("GET /v3/auth/projects", 401, "")
	c.as(id).do("GET /v3/auth/projects", 200, "") // the first of the chain lives on
	if a := admin.do("GET /v3/OS-REVOKE/events", 200, ""); a.str("events.0.audit_id") == "" {
		t.Errorf("events: %s", a.text)
	}
}

func TestReachableScopes(t *testing.T) {
	c := serve(t)
	demo, admin := c.demo(), c.admin()
	if a := demo.do("GET /v3/auth/projects", 200, ""); len(a.at("projects").([]any)) != 1 || a.str("projects.0.name") != "demo" {
		t.Errorf("demo's projects: %s", a.text)
	}
	if a := demo.do("GET /v3/auth/domains", 200, ""); len(a.at("domains").([]any)) != 0 {
		t.Errorf("demo's domains: %s", a.text)
	}
	if a := admin.do("GET /v3/auth/system", 200, ""); a.at("system.0.all") != true {
		t.Errorf("admin's system: %s", a.text)
	}
	if a := demo.do("GET /v3/auth/catalog", 200, ""); len(a.at("catalog").([]any)) != 3 {
		t.Errorf("catalog: %s", a.text)
	}
}

func TestUsersLifeOverHTTP(t *testing.T) {
	c := serve(t)
	admin := c.admin()
	u := admin.do("POST /v3/users", 201, `{"user":{"name":"ann","password":"secret","email":"ann@x","domain_id":"default","description":"a user"}}`)
	id := u.str("user.id")
	if u.str("user.email") != "ann@x" || strings.Contains(u.text, "secret") || strings.Contains(u.text, "hash") || u.at("user.enabled") != true {
		t.Errorf("created: %s", u.text)
	}
	admin.do("POST /v3/users", 409, `{"user":{"name":"ann","domain_id":"default"}}`)
	admin.do("POST /v3/users", 404, `{"user":{"name":"bob","domain_id":"nowhere"}}`)
	admin.do("POST /v3/users", 400, `{"user":{"name":""}}`)
	tok := c.do("POST /v3/auth/tokens", 201, passwordBody("ann", "secret", "")).header.Get("X-Subject-Token")
	ann := c.as(tok)
	ann.do("GET /v3/users/"+id, 200, "")
	ann.do("GET /v3/users", 403, "")
	ann.do("GET /v3/users/"+c.cloud.Access.AdminUserID, 403, "")
	admin.do("GET /v3/users/nobody", 404, "")
	c.do("POST /v3/users/"+id+"/password", 401, `{"user":{"original_password":"wrong","password":"new"}}`)
	c.do("POST /v3/users/"+id+"/password", 204, `{"user":{"original_password":"secret","password":"new"}}`)
	ann.do("GET /v3/users/"+id, 401, "")
	c.do("POST /v3/auth/tokens", 401, passwordBody("ann", "secret", ""))
	c.do("POST /v3/auth/tokens", 201, passwordBody("ann", "new", ""))
	if a := admin.do("GET /v3/users?name__contains=n&name__startswith=a&name__endswith=n", 200, ""); len(a.at("users").([]any)) != 2 { // ann, admin
		t.Errorf("filtered: %s", a.text)
	}
	if a := admin.do("PATCH /v3/users/"+id, 200, `{"user":{"enabled":false,"email":"new@x"}}`); a.at("user.enabled") != false || a.str("user.email") != "new@x" {
		t.Errorf("patched: %s", a.text)
	}
	if a := admin.do("GET /v3/users?password_expires_at=lt:2026-01-01T00:00:00Z", 200, ""); len(a.at("users").([]any)) != 0 {
		t.Errorf("expired: %s", a.text)
	}
	admin.do("GET /v3/users?password_expires_at=lt:soon", 400, "")
	if a := admin.do("GET /v3/users?enabled=false", 200, ""); len(a.at("users").([]any)) != 1 {
		t.Errorf("disabled: %s", a.text)
	}
	admin.do("HEAD /v3/users/"+id, 200, "")
	admin.do("DELETE /v3/users/"+id, 204, "")
	admin.do("DELETE /v3/users/"+id, 404, "")
}

func TestListsArePaged(t *testing.T) {
	c := serve(t)
	admin := c.admin()
	for i := range 5 {
		admin.do("POST /v3/groups", 201, fmt.Sprintf(`{"group":{"name":"g%d"}}`, i))
	}
	seen, next := 0, "/v3/groups?limit=2"
	for next != "" {
		a := admin.do("GET "+next, 200, "")
		seen += len(a.at("groups").([]any))
		next = a.str("links.next")
		_, next, _ = strings.Cut(next, "/identity")
	}
	if seen != 5 {
		t.Errorf("%d of 5 groups over all pages", seen)
	}
}

func TestProjectTree(t *testing.T) {
	c := serve(t)
	admin := c.admin()
	top := admin.do("POST /v3/projects", 201, `{"project":{"name":"top","tags":["red","blue"]}}`)
	if top.str("project.parent_id") != "default" || top.str("project.domain_id") != "default" || top.at("project.is_domain") != false {
		t.Errorf("top: %s", top.text)
	}
	topID := top.str("project.id")
	child := admin.do("POST /v3/projects", 201, `{"project":{"name":"child","parent_id":"`+topID+`"}}`).str("project.id")
	leaf := admin.do("POST /v3/projects", 201, `{"project":{"name":"leaf","parent_id":"`+child+`"}}`).str("project.id")
	if a := admin.do("GET /v3/projects/"+topID+"?subtree_as_ids", 200, ""); a.at("project.subtree."+child) == nil {
		t.Errorf("subtree: %s", a.text)
	}
	if a := admin.do("GET /v3/projects/"+leaf+"?parents_as_ids", 200, ""); a.at("project.parents."+child+"."+topID) == nil {
		t.Errorf("parents: %s", a.text)
	}
	if a := admin.do("GET /v3/projects?parent_id="+topID, 200, ""); a.str("projects.0.id") != child {
		t.Errorf("children: %s", a.text)
	}
	if a := admin.do("GET /v3/projects?tags=red,blue", 200, ""); a.str("projects.0.id") != topID {
		t.Errorf("tagged: %s", a.text)
	}
	admin.do("DELETE /v3/projects/"+topID, 403, "")
	admin.do("PATCH /v3/projects/"+topID, 403, `{"project":{"enabled":false}}`)
	admin.do("PATCH /v3/projects/"+leaf, 200, `{"project":{"enabled":false}}`)
	admin.do("POST /v3/projects", 403, `{"project":{"name":"x","parent_id":"`+leaf+`"}}`)
	admin.do("POST /v3/projects", 409, `{"project":{"name":"top"}}`)
	admin.do("POST /v3/projects", 400, `{"project":{"name":"`+strings.Repeat("n", 65)+`"}}`)
	admin.do("PUT /v3/projects/"+topID+"/tags/green", 201, "")
	admin.do("GET /v3/projects/"+topID+"/tags/green", 204, "")
	admin.do("DELETE /v3/projects/"+topID+"/tags/green", 204, "")
	admin.do("GET /v3/projects/"+topID+"/tags/green", 404, "")
	for _, id := range []string{leaf, child, topID} {
		admin.do("DELETE /v3/projects/"+id, 204, "")
	}
}

func TestDomainsGoWithAllInThem(t *testing.T) {
	c := serve(t)
	admin := c.admin()
	d := admin.do("POST /v3/domains", 201, `{"domain":{"name":"corp"}}`).str("domain.id")
	u := admin.do("POST /v3/users", 201, `{"user":{"name":"eve","domain_id":"`+d+`"}}`).str("user.id")
	p := admin.do("POST /v3/projects", 201, `{"project":{"name":"work","domain_id":"`+d+`"}}`).str("project.id")
	admin.do("POST /v3/domains", 409, `{"domain":{"name":"corp"}}`)
	admin.do("DELETE /v3/domains/"+d, 403, "")
	admin.do("PATCH /v3/domains/"+d, 200, `{"domain":{"enabled":false}}`)
	admin.do("DELETE /v3/domains/"+d, 204, "")
	admin.do("GET /v3/users/"+u, 404, "")
	admin.do("GET /v3/projects/"+p, 404, "")
	admin.do("GET /v3/domains/"+d, 404, "")
	c.demo().do("POST /v3/domains", 403, `{"domain":{"name":"mine"}}`)
}

func TestGrantsAndEffectiveAssignments(t *testing.T) {
	c := serve(t)
	admin := c.admin()
	role := admin.do("POST /v3/roles", 201, `{"role":{"name":"boss"}}`).str("role.id")
	below := admin.do("POST /v3/roles", 201, `{"role":{"name":"clerk"}}`).str("role.id")
	group := admin.do("POST /v3/groups", 201, `{"group":{"name":"crew"}}`).str("group.id")
	demo, project := c.cloud.Access.DemoUserID, c.cloud.Access.DemoProjectID
	admin.do("PUT /v3/groups/"+group+"/users/"+demo, 204, "")
	admin.do("HEAD /v3/groups/"+group+"/users/"+demo, 204, "")
	admin.do("PUT /v3/projects/"+project+"/groups/"+group+"/roles/"+role, 204, "")
	admin.do("HEAD /v3/projects/"+project+"/groups/"+group+"/roles/"+role, 204, "")
	admin.do("PUT /v3/roles/"+role+"/implies/"+below, 201, "")
	admin.do("PUT /v3/roles/"+below+"/implies/"+role, 400, "")
	admin.do("HEAD /v3/roles/"+role+"/implies/"+below, 204, "")
	a := admin.do("GET /v3/role_assignments?effective&include_names&user.id="+demo+"&role.id="+below, 200, "")
	if a.str("role_assignments.0.role.name") != "clerk" || a.str("role_assignments.0.scope.project.name") != "demo" || a.str("role_assignments.0.links.membership") == "" || a.str("role_assignments.0.links.prior_role") == "" {
		t.Errorf("effective: %s", a.text)
	}
	if a := admin.do("GET /v3/projects/"+project+"/groups/"+group+"/roles", 200, ""); a.str("roles.0.id") != role {
		t.Errorf("grants: %s", a.text)
	}
	inherited := "/v3/OS-INHERIT/domains/default/users/" + demo + "/roles/" + role + "/inherited_to_projects"
	admin.do("PUT "+inherited, 204, "")
	admin.do("HEAD "+inherited, 204, "")
	if a := admin.do("GET /v3/OS-INHERIT/domains/default/users/"+demo+"/roles/inherited_to_projects", 200, ""); a.str("roles.0.id") != role {
		t.Errorf("inherited: %s", a.text)
	}
	if a := admin.do("GET /v3/role_assignments?effective&user.id="+demo+"&scope.project.id="+c.cloud.Access.AdminProjectID, 200, ""); len(a.at("role_assignments").([]any)) != 2 {
		t.Errorf("inherited below: %s", a.text)
	}
	admin.do("DELETE "+inherited, 204, "")
	admin.do("GET "+inherited, 404, "")
	admin.do("PUT /v3/system/users/"+demo+"/roles/"+role, 204, "")
	if a := admin.do("GET /v3/system/users/"+demo+"/roles", 200, ""); a.str("roles.0.id") != role {
		t.Errorf("system: %s", a.text)
	}
	admin.do("DELETE /v3/system/users/"+demo+"/roles/"+role, 204, "")
	admin.do("PUT /v3/projects/nowhere/users/"+demo+"/roles/"+role, 404, "")
	c.demo().do("PUT /v3/projects/"+project+"/users/"+demo+"/roles/"+role, 403, "")
	if a := admin.do("GET /v3/role_inferences", 200, ""); len(a.at("role_inferences").([]any)) != 4 {
		t.Errorf("inferences: %s", a.text)
	}
	admin.do("DELETE /v3/roles/"+role, 204, "")
}

func TestCatalogObjects(t *testing.T) {
	c := serve(t)
	admin := c.admin()
	admin.do("PUT /v3/regions/east", 201, `{"region":{"description":"x"}}`)
	admin.do("POST /v3/regions", 201, `{"region":{"id":"east-1","parent_region_id":"east"}}`)
	admin.do("POST /v3/regions", 409, `{"region":{"id":"east-1"}}`)
	if a := admin.do("GET /v3/regions?parent_region_id=east", 200, ""); a.str("regions.0.id") != "east-1" {
		t.Errorf("regions: %s", a.text)
	}
	svc := admin.do("POST /v3/services", 201, `{"service":{"name":"n","type":"t","description":"d"}}`).str("service.id")
	e := admin.do("POST /v3/endpoints", 201, `{"endpoint":{"interface":"public","url":"http://x","service_id":"`+svc+`","region_id":"east-1"}}`)
	if e.str("endpoint.region") != "east-1" || e.at("endpoint.enabled") != true {
		t.Errorf("endpoint: %s", e.text)
	}
	for _, bad := range []string{`"enabled":"False"`, `"url":"http://$(nothing)s"`, `"region_id":"none"`, `"service_id":"none"`} {
		admin.do("PATCH /v3/endpoints/"+e.str("endpoint.id"), 400, `{"endpoint":{`+bad+`}}`)
	}
	admin.do("DELETE /v3/regions/east", 403, "")
	admin.do("PATCH /v3/services/"+svc, 200, `{"service":{"enabled":false}}`)
	admin.do("DELETE /v3/services/"+svc, 204, "")
	admin.do("GET /v3/endpoints/"+e.str("endpoint.id"), 404, "")
	admin.do("DELETE /v3/regions/east", 204, "")
	admin.do("GET /v3/regions/east-1", 404, "")
	c.demo().do("GET /v3/regions", 200, "")
	c.demo().do("GET /v3/services", 403, "")
}

func TestApplicationCredentials(t *testing.T) {
	c := serve(t)
	demo := c.demo()
	creds := "/v3/users/" + c.cloud.Access.DemoUserID + "/application_credentials"
	made := demo.do("POST "+creds, 201, `{"application_credential":{"name":"robot","roles":[{"name":"reader"}],"access_rules":[{"service":"compute","method":"GET","path":"/v2.1/servers"}]}}`)
	id, secret := made.str("application_credential.id"), made.str("application_credential.secret")
	if secret == "" || made.str("application_credential.roles.0.name") != "reader" {
		t.Fatalf("made: %s", made.text)
	}
	if a := demo.do("GET "+creds+"/"+id, 200, ""); strings.Contains(a.text, "secret") {
		t.Errorf("the secret is told twice: %s", a.text)
	}
	demo.do("POST "+creds, 409, `{"application_credential":{"name":"robot"}}`)
	demo.do("POST "+creds, 400, `{"application_credential":{"name":"r2","roles":[{"name":"admin"}]}}`)
	demo.do("POST "+creds, 400, `{"application_credential":{"name":"r2","expires_at":"2001-01-01T00:00:00"}}`)
	rules := "/v3/users/" + c.cloud.Access.DemoUserID + "/access_rules"
	rule := demo.do("GET "+rules, 200, "").str("access_rules.0.id")
	demo.do("DELETE "+rules+"/"+rule, 403, "")
	body := func(secret string) string {
		return fmt.Sprintf(`{"auth":{"identity":{"methods":["application_credential"],"application_credential":{"id":%q,"secret":%q}}}}`, id, secret)
	}
	c.do("POST /v3/auth/tokens", 401, body("wrong"))
	tok := c.do("POST /v3/auth/tokens", 201, body(secret))
	if tok.at("token.application_credential.restricted") != true || tok.str("token.project.name") != "demo" || len(tok.at("token.roles").([]any)) != 1 {
		t.Errorf("token: %s", tok.text)
	}
	ruled := c.as(tok.header.Get("X-Subject-Token"))
	c.admin().do("GET /v3/auth/tokens", 404, "", "X-Subject-Token", ruled.token)
	c.admin().do("GET /v3/auth/tokens", 200, "", "X-Subject-Token", ruled.token, "OpenStack-Identity-Access-Rules", "1.0")
	ruled.do("GET /v3/auth/projects", 401, "") // its rule is for another service
	plain := demo.do("POST "+creds, 201, `{"application_credential":{"name":"plain","secret":"s"}}`).str("application_credential.id")
	robot := c.as(c.do("POST /v3/auth/tokens", 201, `{"auth":{"identity":{"methods":["application_credential"],"application_credential":{"name":"plain","secret":"s","user":{"name":"demo","domain":{"id":"default"}}}}}}`).header.Get("X-Subject-Token"))
	robot.do("GET "+creds, 200, "")
	robot.do("POST "+creds, 403, `{"application_credential":{"name":"more"}}`)
	robot.do("POST /v3/auth/tokens", 403, fmt.Sprintf(`{"auth":{"identity":{"methods":["token"],"token":{"id":%q}},"scope":{"project":{"id":%q}}}}`, robot.token, c.cloud.Access.AdminProjectID))
	c.admin().do("POST "+creds, 403, `{"application_credential":{"name":"x"}}`)
	demo.do("DELETE "+creds+"/"+plain, 204, "")
	robot.do("GET "+creds, 401, "")
	demo.do("DELETE "+creds+"/"+id, 204, "")
	demo.do("DELETE "+rules+"/"+rule, 204, "")
}

func TestCredentialsAndPoliciesAndLimits(t *testing.T) {
	c := serve(t)
	admin, demo := c.admin(), c.demo()
	own := demo.do("POST /v3/credentials", 201, `{"credential":{"user_id":"`+c.cloud.Access.DemoUserID+`","type":"totp","blob":"seed"}}`).str("credential.id")
	demo.do("POST /v3/credentials", 403, `{"credential":{"user_id":"`+c.cloud.Access.AdminUserID+`","type":"totp","blob":"x"}}`)
	foreign := admin.do("POST /v3/credentials", 201, `{"credential":{"user_id":"`+c.cloud.Access.AdminUserID+`","type":"totp","blob":"x"}}`).str("credential.id")
	if a := demo.do("GET /v3/credentials", 200, ""); len(a.at("credentials").([]any)) != 1 || a.str("credentials.0.blob") != "seed" {
		t.Errorf("demo sees %s", a.text)
	}
	demo.do("GET /v3/credentials/"+foreign, 403, "")
	demo.do("PATCH /v3/credentials/"+own, 403, `{"credential":{"user_id":"`+c.cloud.Access.AdminUserID+`"}}`)
	if a := admin.do("PATCH /v3/credentials/"+own, 200, `{"credential":{"blob":"new"}}`); a.str("credential.blob") != "new" {
		t.Errorf("patched: %s", a.text)
	}
	admin.do("DELETE /v3/credentials/"+own, 204, "")
	p := admin.do("POST /v3/policies", 201, `{"policy":{"blob":"{}","type":"application/json"}}`)
	admin.do("PATCH /v3/policies/"+p.str("policy.id"), 200, `{"policy":{"type":"text/plain"}}`)
	admin.do("DELETE /v3/policies/"+p.str("policy.id"), 204, "")
	svc := admin.do("GET /v3/services?type=compute", 200, "").str("services.0.id")
	reg := admin.do("POST /v3/registered_limits", 201, `{"registered_limits":[{"service_id":"`+svc+`","resource_name":"servers","default_limit":10}]}`)
	lim := admin.do("POST /v3/limits", 201, `{"limits":[{"service_id":"`+svc+`","project_id":"`+c.cloud.Access.DemoProjectID+`","resource_name":"servers","resource_limit":5}]}`)
	admin.do("POST /v3/limits", 403, `{"limits":[{"service_id":"`+svc+`","project_id":"`+c.cloud.Access.DemoProjectID+`","resource_name":"none","resource_limit":5}]}`)
	if a := demo.do("GET /v3/limits", 200, ""); a.at("limits.0.resource_limit") != float64(5) {
		t.Errorf("limits: %s", a.text)
	}
	admin.do("DELETE /v3/registered_limits/"+reg.str("registered_limits.0.id"), 403, "")
	admin.do("DELETE /v3/limits/"+lim.str("limits.0.id"), 204, "")
	admin.do("DELETE /v3/registered_limits/"+reg.str("registered_limits.0.id"), 204, "")
	demo.do("GET /v3/limits/model", 200, "")
}

func TestVersionsNeedNoToken(t *testing.T) {
	c := serve(t)
	if a := c.do("GET /", 300, ""); a.str("versions.values.0.id") != "v3.14" || !strings.HasSuffix(a.str("versions.values.0.links.0.href"), "/identity/v3/") {
		t.Errorf("versions: %s", a.text)
	}
	c.do("GET /v3", 200, "")
	c.do("GET /v3/", 200, "")
	c.do("GET /v3/users", 401, "")
}

func TestImmutableObjectsStay(t *testing.T) {
	c := serve(t)
	admin := c.admin()
	role := "/v3/roles/" + c.cloud.Role(t, "member")
	admin.do("PATCH "+role, 403, `{"role":{"description":"x"}}`)
	admin.do("DELETE "+role, 403, "")
	admin.do("PATCH "+role, 200, `{"role":{"options":{"immutable":false}}}`)
	admin.do("PATCH "+role, 200, `{"role":{"description":"x"}}`)
	project := "/v3/projects/" + c.cloud.Access.DemoProjectID
	admin.do("PATCH "+project, 200, `{"project":{"options":{"immutable":true}}}`)
	admin.do("PATCH "+project, 403, `{"project":{"enabled":false}}`)
	admin.do("DELETE "+project, 403, "")
}
