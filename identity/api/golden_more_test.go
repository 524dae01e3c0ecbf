package api_test

import "testing"

// TestChangesHaveTheDocumentedMembers does for changes, single objects and rarer
// lists what TestAnswersHaveTheDocumentedMembers does for the rest.
func TestChangesHaveTheDocumentedMembers(t *testing.T) {
	c := serve(t)
	admin, demo := c.admin(), c.demo()
	project, user := c.cloud.Access.DemoProjectID, c.cloud.Access.DemoUserID
	member := c.cloud.Role(t, "member")
	check := func(name, call string, status int, body string) answer {
		t.Helper()
		a := admin.do(call, status, body)
		t.Run(name, func(t *testing.T) { documented(t, name, a) })
		return a
	}
	domain := check("domain-create-response", "POST /v3/domains", 201, `{"domain":{"name":"corp","description":"x"}}`).str("domain.id")
	check("domain-update-response", "PATCH /v3/domains/"+domain, 200, `{"domain":{"description":"y"}}`)
	config := "/v3/domains/" + domain + "/config"
	check("domain-config-create-response", "PUT "+config, 201, `{"config":{"ldap":{"url":"ldap://x","user_tree_dn":"ou=x"},"identity":{"driver":"ldap"}}}`)
	check("domain-config-show-response", "GET "+config, 200, "")
	check("domain-config-update-response", "PATCH "+config, 200, `{"config":{"ldap":{"url":"ldap://y"}}}`)
	check("domain-config-group-update-response", "PATCH "+config+"/ldap", 200, `{"config":{"ldap":{"url":"ldap://z"}}}`)
	check("domain-config-group-option-update-response", "PATCH "+config+"/ldap/url", 200, `{"config":{"url":"ldap://z"}}`)

	parent := check("project-create-response", "POST /v3/projects", 201, `{"project":{"name":"p","domain_id":"default","tags":["t"]}}`).str("project.id")
	child := admin.do("POST /v3/projects", 201, `{"project":{"name":"q","parent_id":"`+parent+`"}}`).str("project.id")
	check("project-update-response", "PATCH /v3/projects/"+parent, 200, `{"project":{"description":"x"}}`)
	admin.do("PUT /v3/projects/"+child+"/users/"+c.cloud.Access.AdminUserID+"/roles/"+member, 204, "")
	admin.do("PUT /v3/projects/"+parent+"/users/"+c.cloud.Access.AdminUserID+"/roles/"+member, 204, "")
	check("project-show-parents-response", "GET /v3/projects/"+child+"?parents_as_list", 200, "")
	check("project-show-subtree-response", "GET /v3/projects/"+parent+"?subtree_as_list", 200, "")
	check("project-tags-list-response", "GET /v3/projects/"+parent+"/tags", 200, "")

	check("user-create-response", "POST /v3/users", 201, `{"user":{"name":"u","password":"p","email":"x@y","domain_id":"default","default_project_id":"`+project+`","enabled":true,"description":"x","options":{"ignore_password_expiry":true}}}`)
	check("user-update-response", "PATCH /v3/users/"+user, 200, `{"user":{"name":"demo","default_project_id":"`+project+`","email":"x@y","description":"x","options":{"ignore_lockout_failure_attempts":true}}}`)
	group := check("group-create-response", "POST /v3/groups", 201, `{"group":{"name":"g","description":"x","domain_id":"default"}}`).str("group.id")
	check("group-update-response", "PATCH /v3/groups/"+group, 200, `{"group":{"description":"y"}}`)
	admin.do("PUT /v3/groups/"+group+"/users/"+user, 204, "")
	check("user-groups-list-response", "GET /v3/users/"+user+"/groups", 200, "")
	check("user-projects-list-response", "GET /v3/users/"+user+"/projects", 200, "")
	for _, at := range []string{"/v3/projects/" + project, "/v3/domains/default", "/v3/system"} {
		admin.do("PUT "+at+"/users/"+user+"/roles/"+member, 204, "")
		admin.do("PUT "+at+"/groups/"+group+"/roles/"+member, 204, "")
	}
	check("project-user-roles-list-response", "GET /v3/projects/"+project+"/users/"+user+"/roles", 200, "")
	check("project-group-roles-list-response", "GET /v3/projects/"+project+"/groups/"+group+"/roles", 200, "")
	check("domain-user-roles-list-response", "GET /v3/domains/default/users/"+user+"/roles", 200, "")
	check("domain-group-roles-list-response", "GET /v3/domains/default/groups/"+group+"/roles", 200, "")
	check("list-system-roles-for-user-response", "GET /v3/system/users/"+user+"/roles", 200, "")
	check("list-system-roles-for-group-response", "GET /v3/system/groups/"+group+"/roles", 200, "")
	check("role-assignments-list-response", "GET /v3/role_assignments", 200, "")
	check("role-assignments-effective-list-include-names-response", "GET /v3/role_assignments?effective&include_names=true", 200, "")
	role := check("role-create-response", "POST /v3/roles", 201, `{"role":{"name":"r","description":"x"}}`).str("role.id")
	check("role-update-response", "PATCH /v3/roles/"+role, 200, `{"role":{"description":"y"}}`)
	admin.do("PUT /v3/roles/"+role+"/implies/"+member, 201, "")
	check("get-role-inferences-response", "GET /v3/roles/"+role+"/implies/"+member, 200, "")

	region := admin.do("POST /v3/regions", 201, `{"region":{"id":"east","description":"x"}}`).str("region.id")
	check("region-show-response", "GET /v3/regions/"+region, 200, "")
	check("region-update-response", "PATCH /v3/regions/"+region, 200, `{"region":{"description":"y"}}`)
	service := admin.do("POST /v3/services", 201, `{"service":{"name":"n","type":"t","description":"d"}}`).str("service.id")
	check("services-list-response", "GET /v3/services", 200, "")
	check("service-show-response", "GET /v3/services/"+service, 200, "")
	check("service-update-response", "PATCH /v3/services/"+service, 200, `{"service":{"description":"y"}}`)
	endpoint := admin.do("POST /v3/endpoints", 201, `{"endpoint":{"interface":"public","url":"http://x","service_id":"`+service+`","region_id":"east","name":"n"}}`).str("endpoint.id")
	check("endpoints-list-response", "GET /v3/endpoints", 200, "")
	check("endpoint-show-response", "GET /v3/endpoints/"+endpoint, 200, "")
	check("endpoint-update-response", "PATCH /v3/endpoints/"+endpoint, 200, `{"endpoint":{"url":"http://y","name":"n"}}`)
	endpointGroup := check("endpoint-group-response", "POST /v3/OS-EP-FILTER/endpoint_groups", 201, `{"endpoint_group":{"name":"n","description":"x","filters":{"interface":"admin","service_id":"`+service+`"}}}`).str("endpoint_group.id")
	check("update-endpoint-group-response", "PATCH /v3/OS-EP-FILTER/endpoint_groups/"+endpointGroup, 200, `{"endpoint_group":{"name":"m"}}`)
	admin.do("PUT /v3/OS-EP-FILTER/projects/"+project+"/endpoints/"+endpoint, 204, "")
	check("list-associations-by-endpoint-response", "GET /v3/OS-EP-FILTER/endpoints/"+endpoint+"/projects", 200, "")
	check("list-associations-by-project-response", "GET /v3/OS-EP-FILTER/projects/"+project+"/endpoints", 200, "")
	policy := admin.do("POST /v3/policies", 201, `{"policy":{"blob":{"foobar_user":["role:compute-user"]},"type":"application/json"}}`).str("policy.id")
	admin.do("PUT /v3/policies/"+policy+"/OS-ENDPOINT-POLICY/endpoints/"+endpoint, 204, "")
	check("policy-endpoint-associations-list-response", "GET /v3/policies/"+policy+"/OS-ENDPOINT-POLICY/endpoints", 200, "")

	of := `"service_id":"` + service + `","region_id":"east","resource_name":"n","description":"x"`
	registered := admin.do("POST /v3/registered_limits", 201, `{"registered_limits":[{`+of+`,"default_limit":5}]}`).str("registered_limits.0.id")
	check("registered-limit-show-response", "GET /v3/registered_limits/"+registered, 200, "")
	check("registered-limits-list-response", "GET /v3/registered_limits", 200, "")
	check("registered-limits-update-response", "PATCH /v3/registered_limits/"+registered, 200, `{"registered_limit":{"default_limit":6}}`)
	limit := admin.do("POST /v3/limits", 201, `{"limits":[{`+of+`,"resource_limit":5,"project_id":"`+project+`"}]}`).str("limits.0.id")
	check("limit-show-response", "GET /v3/limits/"+limit, 200, "")
	check("limits-list-response", "GET /v3/limits", 200, "")
	check("limits-update-response", "PATCH /v3/limits/"+limit, 200, `{"limit":{"resource_limit":6}}`)
	check("limit-flat-model-response", "GET /v3/limits/model", 200, "")

	credential := admin.do("POST /v3/credentials", 201, `{"credential":{"blob":"{\"access\":\"a\",\"secret\":\"b\"}","project_id":"`+project+`","type":"ec2","user_id":"`+user+`"}}`).str("credential.id")
	check("credentials-list-response", "GET /v3/credentials", 200, "")
	check("credential-show-response", "GET /v3/credentials/"+credential, 200, "")
	check("credential-update-response", "PATCH /v3/credentials/"+credential, 200, `{"credential":{"blob":"{\"access\":\"a\",\"secret\":\"c\"}"}}`)

	trust := demo.do("POST /v3/OS-TRUST/trusts", 201, `{"trust":{"trustor_user_id":"`+user+`","trustee_user_id":"`+c.cloud.Access.AdminUserID+`","project_id":"`+project+`","impersonation":true,"expires_at":"2030-01-01T00:00:00.000000Z","roles":[{"name":"member"}]}}`)
	documented(t, "trust-create-response", trust)
	check("trust-get-response", "GET /v3/OS-TRUST/trusts/"+trust.str("trust.id"), 200, "")
	check("trust-list-response", "GET /v3/OS-TRUST/trusts", 200, "")
	documented(t, "trust-list-roles-delegated-response", demo.do("GET /v3/OS-TRUST/trusts/"+trust.str("trust.id")+"/roles", 200, ""))
	documented(t, "trust-get-role-delegated-response", demo.do("GET /v3/OS-TRUST/trusts/"+trust.str("trust.id")+"/roles/"+member, 200, ""))
	documented(t, "get-available-domain-scopes-response", demo.do("GET /v3/auth/domains", 200, ""))
}
