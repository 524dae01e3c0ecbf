package api_test

import (
	"fmt"
	"testing"
)

func TestEC2Pairs(t *testing.T) {
	c := serve(t)
	demo, user := c.demo(), c.cloud.Access.DemoUserID
	pairs := "/v3/users/" + user + "/credentials/OS-EC2"
	body := fmt.Sprintf(`{"tenant_id":%q}`, c.cloud.Access.DemoProjectID)
	made := demo.do("POST "+pairs, 201, body)
	access := made.str("credential.access")
	if made.str("credential.secret") == "" || made.str("credential.tenant_id") != c.cloud.Access.DemoProjectID || made.str("credential.user_id") != user {
		t.Errorf("made: %s", made.text)
	}
	for _, who := range []*client{demo, c.admin()} {
		if a := who.do("GET "+pairs+"/"+access, 200, ""); a.str("credential.secret") != made.str("credential.secret") {
			t.Errorf("shown: %s", a.text)
		}
		if a := who.do("GET "+pairs, 200, ""); a.str("credentials.0.access") != access {
			t.Errorf("listed: %s", a.text)
		}
	}
	demo.do("POST "+pairs, 404, `{"tenant_id":"nosuch"}`)
	demo.do("POST "+pairs, 400, `{}`)
	demo.do("GET "+pairs+"/nosuch", 404, "")
	foreign := "/v3/users/" + c.cloud.Access.AdminUserID + "/credentials/OS-EC2"
	demo.do("GET "+foreign, 403, "")
	demo.do("POST "+foreign, 403, body)
	demo.do("GET "+foreign+"/"+access, 403, "")
	demo.do("DELETE "+foreign+"/"+access, 403, "")
	c.admin().do("GET "+foreign+"/"+access, 404, "") // it is not that user's
	demo.do("DELETE "+pairs+"/"+access, 204, "")
	demo.do("GET "+pairs+"/"+access, 404, "")
}
