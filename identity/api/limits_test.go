package api_test

import "testing"

func TestLimitsOverHTTP(t *testing.T) {
	c := serve(t)
	admin, demo := c.admin(), c.demo()
	service := admin.do("GET /v3/services?type=compute", 200, "").str("services.0.id")
	of := `"service_id":"` + service + `","resource_name":"servers"`
	admin.do("POST /v3/limits", 403, `{"limits":[{`+of+`,"resource_limit":1,"project_id":"`+c.cloud.Access.DemoProjectID+`"}]}`)
	admin.do("POST /v3/registered_limits", 400, `{"registered_limits":[{"service_id":"`+c.cloud.Access.DemoProjectID+`","resource_name":"servers","default_limit":5}]}`)
	admin.do("POST /v3/registered_limits", 400, `{"registered_limits":[{`+of+`,"default_limit":5,"region_id":"nowhere"}]}`)
	registered := admin.do("POST /v3/registered_limits", 201, `{"registered_limits":[{`+of+`,"default_limit":5}]}`).str("registered_limits.0.id")
	admin.do("POST /v3/registered_limits", 409, `{"registered_limits":[{`+of+`,"default_limit":6}]}`)
	demo.do("GET /v3/registered_limits", 200, "")
	demo.do("POST /v3/registered_limits", 403, `{"registered_limits":[{`+of+`,"default_limit":6}]}`)
	admin.do("PATCH /v3/registered_limits/"+registered, 200, `{"registered_limit":{"default_limit":7}}`)
	own := admin.do("POST /v3/limits", 201, `{"limits":[{`+of+`,"resource_limit":1,"project_id":"`+c.cloud.Access.DemoProjectID+`"},{`+of+`,"resource_limit":2,"project_id":"`+c.cloud.Access.AdminProjectID+`"}]}`)
	admin.do("POST /v3/limits", 400, `{"limits":[{`+of+`,"resource_limit":1,"project_id":"`+service+`"}]}`)
	admin.do("POST /v3/limits", 409, `{"limits":[{`+of+`,"resource_limit":1,"project_id":"`+c.cloud.Access.DemoProjectID+`"}]}`)
	mine, other := own.str("limits.0.id"), own.str("limits.1.id")
	admin.do("PATCH /v3/registered_limits/"+registered, 403, `{"registered_limit":{"default_limit":8}}`)
	admin.do("DELETE /v3/registered_limits/"+registered, 403, "")
	if a := demo.do("GET /v3/limits", 200, ""); len(a.at("limits").([]any)) != 1 || a.str("limits.0.id") != mine {
		t.Errorf("a member's list: %s", a.text)
	}
	if a := admin.do("GET /v3/limits", 200, ""); len(a.at("limits").([]any)) != 2 {
		t.Errorf("the administrator's list: %s", a.text)
	}
	demo.do("GET /v3/limits/"+mine, 200, "")
	demo.do("GET /v3/limits/"+other, 403, "")
	if a := admin.do("PATCH /v3/limits/"+mine, 200, `{"limit":{"resource_limit":3}}`); a.at("limit.resource_limit").(float64) != 3 {
		t.Errorf("changed: %s", a.text)
	}
	demo.do("PATCH /v3/limits/"+mine, 403, `{"limit":{"resource_limit":3}}`)
	if a := demo.do("GET /v3/limits/model", 200, ""); a.str("model.name") != "flat" {
		t.Errorf("model: %s", a.text)
	}
	admin.do("DELETE /v3/limits/"+mine, 204, "")
	admin.do("DELETE /v3/limits/"+other, 204, "")
	admin.do("DELETE /v3/registered_limits/"+registered, 204, "")
}

func TestTreesShowLimits(t *testing.T) {
	c := serve(t)
	admin := c.admin()
	service := admin.do("GET /v3/services?type=compute", 200, "").str("services.0.id")
	admin.do("POST /v3/registered_limits", 201, `{"registered_limits":[{"service_id":"`+service+`","resource_name":"servers","default_limit":5}]}`)
	child := admin.do("POST /v3/projects", 201, `{"project":{"name":"below","parent_id":"`+c.cloud.Access.AdminProjectID+`"}}`).str("project.id")
	admin.do("PUT /v3/projects/"+child+"/users/"+c.cloud.Access.AdminUserID+"/roles/"+c.cloud.Role(t, "member"), 204, "")
	admin.do("POST /v3/limits", 201, `{"limits":[{"service_id":"`+service+`","resource_name":"servers","resource_limit":2,"project_id":"`+child+`"}]}`)
	a := admin.do("GET /v3/projects/"+c.cloud.Access.AdminProjectID+"?subtree_as_list&include_limits", 200, "")
	if a.at("project.subtree.0.project.limits.0.resource_limit") != float64(2) {
		t.Errorf("with limits: %s", a.text)
	}
	if a := admin.do("GET /v3/projects/"+c.cloud.Access.AdminProjectID+"?subtree_as_list", 200, ""); a.at("project.subtree.0.project.limits") != nil {
		t.Errorf("without: %s", a.text)
	}
	for _, body := range []string{`"parent_id":"nowhere"`, `"domain_id":"nowhere"`} {
		admin.do("POST /v3/projects", 400, `{"project":{"name":"x",`+body+`}}`)
	}
}
