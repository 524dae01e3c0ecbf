package api_test

import "testing"

// services answers the types in a token's catalog that have an address.
func (c *client) services() map[string]bool {
	c.t.Helper()
	out := map[string]bool{}
	for _, e := range c.do("GET /v3/auth/catalog", 200, "").at("catalog").([]any) {
		m := e.(map[string]any)
		out[m["type"].(string)] = len(m["endpoints"].([]any)) > 0
	}
	return out
}

func TestCatalogOfAProjectWithEndpoints(t *testing.T) {
	c := serve(t)
	admin, demo := c.admin(), c.demo()
	project := c.cloud.Access.DemoProjectID
	endpoint := func(kind string) (service, id string) {
		service = admin.do("GET /v3/services?type="+kind, 200, "").str("services.0.id")
		return service, admin.do("GET /v3/endpoints?interface=public&service_id="+service, 200, "").str("endpoints.0.id")
	}
	_, identityAt := endpoint("identity")
	compute, computeAt := endpoint("compute")
	root := "/v3/OS-EP-FILTER"
	one := root + "/projects/" + project + "/endpoints/" + identityAt

	admin.do("GET "+one, 404, "")
	admin.do("DELETE "+one, 404, "")
	admin.do("PUT "+one, 204, "")
	admin.do("PUT "+one, 409, "")
	admin.do("GET "+one, 204, "")
	admin.do("HEAD "+one, 204, "")
	if got := demo.services(); len(got) != 1 || !got["identity"] {
		t.Errorf("one endpoint given, seen: %v", got)
	}
	if token := c.do("POST /v3/auth/tokens", 201, passwordBody("demo", "demo's", onDemo)); len(token.at("token.catalog").([]any)) != 1 || token.str("token.catalog.0.type") != "identity" {
		t.Errorf("a token's catalog: %s", token.text)
	}
	if got := admin.services(); len(got) != 3 {
		t.Errorf("another project sees %v", got)
	}
	if a := admin.do("GET "+root+"/projects/"+project+"/endpoints", 200, ""); a.str("endpoints.0.id") != identityAt {
		t.Errorf("given: %s", a.text)
	}
	if a := admin.do("GET "+root+"/endpoints/"+identityAt+"/projects", 200, ""); a.str("projects.0.id") != project {
		t.Errorf("given to: %s", a.text)
	}

	admin.do("POST "+root+"/endpoint_groups", 400, `{"endpoint_group":{"name":"g","filters":{"color":"red"}}}`)
	admin.do("POST "+root+"/endpoint_groups", 400, `{"endpoint_group":{"name":"g","filters":{}}}`)
	group := admin.do("POST "+root+"/endpoint_groups", 201, `{"endpoint_group":{"name":"g","description":"d","filters":{"interface":"public","service_id":"`+compute+`"}}}`).str("endpoint_group.id")
	tie := root + "/endpoint_groups/" + group + "/projects/" + project
	admin.do("GET "+tie, 404, "")
	admin.do("PUT "+tie, 204, "")
	admin.do("PUT "+tie, 409, "")
	if a := admin.do("GET "+tie, 200, ""); a.str("project_endpoint_group.project_id") != project {
		t.Errorf("tie: %s", a.text)
	}
	if got := demo.services(); len(got) != 2 || !got["compute"] {
		t.Errorf("with a group, seen: %v", got)
	}
	if a := admin.do("GET "+root+"/endpoint_groups/"+group+"/endpoints", 200, ""); a.str("endpoints.0.id") != computeAt {
		t.Errorf("endpoints of the group: %s", a.text)
	}
	if a := admin.do("GET "+root+"/endpoint_groups/"+group+"/projects", 200, ""); a.str("projects.0.id") != project {
		t.Errorf("projects of the group: %s", a.text)
	}
	if a := admin.do("GET "+root+"/projects/"+project+"/endpoint_groups", 200, ""); a.str("endpoint_groups.0.id") != group {
		t.Errorf("groups of the project: %s", a.text)
	}
	admin.do("PATCH "+root+"/endpoint_groups/"+group, 200, `{"endpoint_group":{"filters":{"region_id":"elsewhere"}}}`)
	if got := demo.services(); got["compute"] {
		t.Errorf("the group changed, still seen: %v", got)
	}
	admin.do("DELETE "+root+"/endpoint_groups/"+group, 204, "")
	admin.do("DELETE "+one, 204, "")
	if got := demo.services(); len(got) != 3 {
		t.Errorf("nothing given, seen: %v", got)
	}
	demo.do("GET "+one, 403, "")
	demo.do("PUT "+one, 403, "")
	admin.do("PUT "+root+"/projects/nowhere/endpoints/"+identityAt, 404, "")
	admin.do("PUT "+root+"/projects/"+project+"/endpoints/nothing", 404, "")
}

func TestPolicyOfAnEndpoint(t *testing.T) {
	c := serve(t)
	admin := c.admin()
	policy := func(text string) string {
		return admin.do("POST /v3/policies", 201, `{"policy":{"blob":"`+text+`","type":"text/plain"}}`).str("policy.id")
	}
	service := admin.do("GET /v3/services?type=compute", 200, "").str("services.0.id")
	admin.do("POST /v3/regions", 201, `{"region":{"id":"outer"}}`)
	admin.do("POST /v3/regions", 201, `{"region":{"id":"inner","parent_region_id":"outer"}}`)
	endpoint := admin.do("POST /v3/endpoints", 201, `{"endpoint":{"interface":"public","url":"http://x","service_id":"`+service+`","region_id":"inner"}}`).str("endpoint.id")
	find := "GET /v3/endpoints/" + endpoint + "/OS-ENDPOINT-POLICY/policy"
	admin.do(find, 404, "")
	for _, place := range []string{"/services/" + service, "/services/" + service + "/regions/outer", "/endpoints/" + endpoint} {
		id := policy(place)
		at := "/v3/policies/" + id + "/OS-ENDPOINT-POLICY" + place
		admin.do("GET "+at, 404, "")
		admin.do("PUT "+at, 204, "")
		admin.do("GET "+at, 204, "")
		admin.do("HEAD "+at, 204, "")
		if a := admin.do(find, 200, ""); a.str("policy.id") != id {
			t.Errorf("%s is narrower, found: %s", place, a.text)
		}
		if a := admin.do("GET /v3/policies/"+id+"/OS-ENDPOINT-POLICY/endpoints", 200, ""); len(a.at("endpoints").([]any)) == 0 {
			t.Errorf("%s: %s", place, a.text)
		}
	}
	other := policy("other")
	admin.do("PUT /v3/policies/"+other+"/OS-ENDPOINT-POLICY/endpoints/"+endpoint, 204, "")
	if a := admin.do(find, 200, ""); a.str("policy.id") != other {
		t.Errorf("replaced, found: %s", a.text)
	}
	admin.do("DELETE /v3/policies/"+other+"/OS-ENDPOINT-POLICY/endpoints/"+endpoint, 204, "")
	if a := admin.do(find, 200, ""); a.str("policy.id") == other {
		t.Error("still there after its removal")
	}
	c.demo().do(find, 403, "")
}
