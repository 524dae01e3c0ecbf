package api_test

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"
)

// samples are the documented answers, as published with the Identity API.
//
//go:embed testdata/*.json
var samples embed.FS

// shape lists the members of a JSON value; those of a list's elements together.
func shape(v any, path string, into map[string]bool) {
	switch x := v.(type) {
	case map[string]any:
		for name, member := range x {
			shape(member, path+"."+name, into)
		}
	case []any:
		for _, e := range x {
			shape(e, path+"[]", into)
		}
		into[path] = true
	default:
		into[path] = true
	}
}

func shapeOf(v any) map[string]bool {
	m := map[string]bool{}
	shape(v, "", m)
	return m
}

// notHere are documented members that the release does not answer here, with
// the reason.
var notHere = map[string]string{
	".user.federated":                           "only of users that come from another identity provider",
	".user.federated[].idp_id":                  "likewise",
	".user.federated[].protocols":               "likewise",
	".user.federated[].protocols[].protocol_id": "likewise",
	".user.federated[].protocols[].unique_id":   "likewise",
	".role_assignments[].role.domain.id":        "only of a domain's roles",
	".role_assignments[].role.domain.name":      "likewise",
	".versions.values[].links[].type":           "of version 2.0, which is gone",
}

// TestAnswersHaveTheDocumentedMembers compares our answers with the documented
// samples: every member of a sample must be there. What the release has added
// since its samples were written may stand beside.
func TestAnswersHaveTheDocumentedMembers(t *testing.T) {
	c := serve(t)
	admin, demo := c.admin(), c.demo()
	admin.do("PATCH /v3/users/"+c.cloud.Access.DemoUserID, 200, `{"user":{"description":"x","default_project_id":"`+c.cloud.Access.DemoProjectID+`"}}`)
	admin.do("PUT /v3/domains/default/users/"+c.cloud.Access.DemoUserID+"/roles/"+c.cloud.Role(t, "reader"), 204, "")
	region := admin.do("POST /v3/regions", 201, `{"region":{"id":"east","description":"x"}}`)
	service := admin.do("GET /v3/services?type=compute", 200, "").str("services.0.id")
	role := c.cloud.Role(t, "member")
	implied := admin.do("POST /v3/roles", 201, `{"role":{"name":"extra","description":"x"}}`).str("role.id")
	user := c.cloud.Access.DemoUserID
	group := admin.do("POST /v3/groups", 201, `{"group":{"name":"g"}}`)
	admin.do("PUT /v3/groups/"+group.str("group.id")+"/users/"+user, 204, "")
	admin.do("PUT /v3/projects/"+c.cloud.Access.DemoProjectID+"/groups/"+group.str("group.id")+"/roles/"+role, 204, "")
	credential := `{"credential":{"blob":"{\"access\":\"a\",\"secret\":\"b\"}","project_id":"` + c.cloud.Access.DemoProjectID + `","type":"ec2","user_id":"` + user + `"}}`
	appCred := `{"application_credential":{"name":"n","description":"d","roles":[{"name":"member"}],"access_rules":[{"service":"compute","method":"GET","path":"/"}]}}`
	limit := fmt.Sprintf(`"service_id":%q,"region_id":"east","resource_name":"n"`, service)
	got := map[string]answer{
		"region-create-response":                   region,
		"regions-list-response":                    admin.do("GET /v3/regions", 200, ""),
		"group-show-response":                      group,
		"groups-list-response":                     admin.do("GET /v3/groups", 200, ""),
		"group-users-list-response":                admin.do("GET /v3/groups/"+group.str("group.id")+"/users", 200, ""),
		"user-show-response":                       admin.do("GET /v3/users/"+user, 200, ""),
		"users-list-response":                      admin.do("GET /v3/users", 200, ""),
		"project-show-response":                    admin.do("GET /v3/projects/"+c.cloud.Access.DemoProjectID, 200, ""),
		"projects-list-response":                   admin.do("GET /v3/projects", 200, ""),
		"domain-show-response":                     admin.do("GET /v3/domains/default", 200, ""),
		"domains-list-response":                    admin.do("GET /v3/domains", 200, ""),
		"role-show-response":                       admin.do("GET /v3/roles/"+role, 200, ""),
		"roles-list-response":                      admin.do("GET /v3/roles", 200, ""),
		"service-create-response":                  admin.do("POST /v3/services", 201, `{"service":{"name":"n","type":"t","description":"d"}}`),
		"endpoint-create-response":                 admin.do("POST /v3/endpoints", 201, `{"endpoint":{"interface":"public","url":"http://x","service_id":"`+service+`","region_id":"east"}}`),
		"create-role-inferences-response":          admin.do("PUT /v3/roles/"+role+"/implies/"+implied, 201, ""),
		"list-implied-roles-for-role-response":     admin.do("GET /v3/roles/"+role+"/implies", 200, ""),
		"role-inferences-response":                 admin.do("GET /v3/role_inferences", 200, ""),
		"credential-create-response":               admin.do("POST /v3/credentials", 201, credential),
		"policy-create-response":                   admin.do("POST /v3/policies", 201, `{"policy":{"blob":{"foobar_user":["role:compute-user"]},"type":"application/json","project_id":"p","user_id":"u"}}`),
		"application-credential-create-response":   demo.do("POST /v3/users/"+user+"/application_credentials", 201, appCred),
		"application-credential-list-response":     demo.do("GET /v3/users/"+user+"/application_credentials", 200, ""),
		"access-rules-list-response":               demo.do("GET /v3/users/"+user+"/access_rules", 200, ""),
		"registered-limits-create-response":        admin.do("POST /v3/registered_limits", 201, `{"registered_limits":[{`+limit+`,"default_limit":5}]}`),
		"limits-create-response":                   admin.do("POST /v3/limits", 201, `{"limits":[{`+limit+`,"resource_limit":5,"project_id":"`+c.cloud.Access.DemoProjectID+`"}]}`),
		"project-scoped-password":                  c.do("POST /v3/auth/tokens", 201, passwordBody("demo", "demo's", onDemo)),
		"unscoped-password":                        c.do("POST /v3/auth/tokens", 201, passwordBody("demo", "demo's", `,"scope":{"unscoped":{}}`)),
		"system-scoped-password":                   c.do("POST /v3/auth/tokens", 201, passwordBody("admin", "admin's", `,"scope":{"system":{"all":true}}`)),
		"get-available-project-scopes-response":    demo.do("GET /v3/auth/projects", 200, ""),
		"get-available-system-scopes-response":     admin.do("GET /v3/auth/system", 200, ""),
		"get-service-catalog-response":             demo.do("GET /v3/auth/catalog", 200, ""),
		"role-assignments-effective-list-response": admin.do("GET /v3/role_assignments?effective", 200, ""),
		"identity-versions-response":               c.do("GET /", 300, ""),
		"identity-version-response":                c.do("GET /v3", 200, ""),
	}
	golden(t, got)
}

// golden compares answers with the samples of their names.
func golden(t *testing.T, got map[string]answer) {
	t.Helper()
	for name, a := range got {
		t.Run(name, func(t *testing.T) { documented(t, name, a) })
	}
}

// documented wants every member of a sample in an answer.
func documented(t *testing.T, name string, a answer) {
	t.Helper()
	data, err := samples.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var want any
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	have, missing := shapeOf(a.body), []string{}
	for member := range shapeOf(want) {
		if notHere[member] != "" {
			continue
		}
		if !slices.ContainsFunc(keys(have), func(h string) bool {
			return h == member || strings.HasPrefix(h, member+".") || strings.HasPrefix(h, member+"[")
		}) {
			missing = append(missing, member)
		}
	}
	sort.Strings(missing)
	if len(missing) > 0 {
		t.Errorf("members missing: %v in %s", missing, a.text)
	}
}

func keys(m map[string]bool) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	return out
}
