package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// trustCase is a trustor with two roles in a project, and a trustee without any
// there.
type trustCase struct {
	*client
	admin, trustor, trustee *client
	trustorID, trusteeID    string
	project                 string
}

func newTrustCase(t *testing.T) trustCase {
	c := serve(t)
	tc := trustCase{client: c, admin: c.admin()}
	tc.project = tc.admin.do("POST /v3/projects", 201, `{"project":{"name":"lent"}}`).str("project.id")
	for name, id := range map[string]*string{"trustor": &tc.trustorID, "trustee": &tc.trusteeID} {
		*id = tc.admin.do("POST /v3/users", 201, fmt.Sprintf(`{"user":{"name":%q,"password":"secret"}}`, name)).str("user.id")
	}
	for _, role := range []string{"member", "manager"} {
		tc.admin.do("PUT /v3/projects/"+tc.project+"/users/"+tc.trustorID+"/roles/"+c.cloud.Role(t, role), 204, "")
	}
	tc.trustor = tc.login("trustor", fmt.Sprintf(`,"scope":{"project":{"id":%q}}`, tc.project))
	tc.trustee = tc.login("trustee", "")
	return tc
}

func (c *client) login(user, scope string) *client {
	c.t.Helper()
	a := c.do("POST /v3/auth/tokens", 201, fmt.Sprintf(`{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":%q,"domain":{"id":"default"},"password":"secret"}}}%s}}`, user, scope))
	return c.as(a.header.Get("X-Subject-Token"))
}

func (tc trustCase) body(more string) string {
	return fmt.Sprintf(`{"trust":{"trustor_user_id":%q,"trustee_user_id":%q,"project_id":%q,"roles":[{"name":"member"}]%s}}`, tc.trustorID, tc.trusteeID, tc.project, more)
}

func (tc trustCase) by(c *client, trust string) string {
	return fmt.Sprintf(`{"auth":{"identity":{"methods":["token"],"token":{"id":%q}},"scope":{"OS-TRUST:trust":{"id":%q}}}}`, c.token, trust)
}

func TestTrusts(t *testing.T) {
	tc := newTrustCase(t)
	const trusts = "/v3/OS-TRUST/trusts"
	made := tc.trustor.do("POST "+trusts, 201, tc.body(`,"impersonation":true`))
	id := made.str("trust.id")
	if made.at("trust.expires_at") != nil || made.str("trust.roles.0.name") != "member" || !strings.HasSuffix(made.str("trust.links.self"), trusts+"/"+id) {
		t.Errorf("made: %s", made.text)
	}
	for _, who := range []*client{tc.trustor, tc.trustee, tc.admin} {
		who.do("GET "+trusts+"/"+id, 200, "")
		who.do("GET "+trusts+"/"+id+"/roles", 200, "")
	}
	tc.demo().do("GET "+trusts+"/"+id, 403, "")
	tc.demo().do("GET "+trusts, 403, "")
	tc.demo().do("GET "+trusts+"?trustor_user_id="+tc.trustorID, 403, "")
	tc.trustor.do("GET "+trusts, 403, "")
	tc.admin.do("GET "+trusts, 200, "")
	for _, a := range []answer{tc.trustor.do("GET "+trusts+"/?trustor_user_id="+tc.trustorID, 200, ""), tc.trustee.do("GET "+trusts+"?trustee_user_id="+tc.trusteeID, 200, "")} {
		if a.str("trusts.0.id") != id || a.at("trusts.0.roles") != nil {
			t.Errorf("listed: %s", a.text)
		}
	}
	member, manager := tc.cloud.Role(t, "member"), tc.cloud.Role(t, "manager")
	tc.trustor.do("HEAD "+trusts+"/"+id+"/roles/"+member, 200, "")
	if a := tc.trustor.do("GET "+trusts+"/"+id+"/roles/"+member, 200, ""); !strings.HasSuffix(a.str("role.links.self"), "v3/roles/"+member) {
		t.Errorf("role: %s", a.text)
	}
	tc.trustor.do("GET "+trusts+"/"+id+"/roles/"+manager, 404, "")
	tc.trustor.do("GET "+trusts+"/nonsense", 404, "")
	tc.trustee.do("DELETE "+trusts+"/"+id, 403, "")
	tc.trustor.do("DELETE "+trusts+"/"+id, 204, "")
	tc.trustor.do("GET "+trusts+"/"+id, 404, "")
}

func TestTrustsThatCannotBe(t *testing.T) {
	tc := newTrustCase(t)
	for body, want := range map[string]int{
		tc.body(`,"impersonation":true,"expires_at":"bad.123Z"`):                          400,
		tc.body(`,"impersonation":true,"expires_at":"2001-01-01T00:00:00Z"`):              400,
		tc.body(`,"impersonation":true,"remaining_uses":0`):                               400,
		tc.body(`,"impersonation":true,"remaining_uses":1,"allow_redelegation":true`):     400,
		tc.body(`,"impersonation":true,"redelegation_count":4,"allow_redelegation":true`): 403,
		strings.Replace(tc.body(`,"impersonation":true`), `"member"`, `"admin"`, 1):       404,
		strings.Replace(tc.body(`,"impersonation":true`), `"member"`, `"nosuch"`, 1):      404,
		strings.Replace(tc.body(`,"impersonation":true`), tc.project, "nosuch", 1):        404,
		strings.Replace(tc.body(`,"impersonation":true`), tc.trusteeID, "nosuch", 1):      404,
		strings.Replace(tc.body(`,"impersonation":true`), tc.trustorID, tc.trusteeID, 1):  403,
		strings.Replace(tc.body(`,"impersonation":true`), `[{"name":"member"}]`, `[]`, 1): 403,
		tc.body(``): 400,
	} {
		tc.trustor.do("POST /v3/OS-TRUST/trusts", want, body)
	}
	if a := tc.admin.do("GET /v3/OS-TRUST/trusts", 200, ""); len(a.at("trusts").([]any)) != 0 {
		t.Errorf("left: %s", a.text)
	}
}

func TestTokensOfTrusts(t *testing.T) {
	tc := newTrustCase(t)
	const trusts = "/v3/OS-TRUST/trusts"
	id := tc.trustor.do("POST "+trusts, 201, tc.body(`,"impersonation":true`)).str("trust.id")
	plain := tc.trustor.do("POST "+trusts, 201, tc.body(`,"impersonation":false,"remaining_uses":1`)).str("trust.id")

	tc.do("POST /v3/auth/tokens", 401, tc.by(tc.trustor, id)) // it was not lent to its trustor
	tc.do("POST /v3/auth/tokens", 401, tc.by(tc.trustee, "nosuch"))
	a := tc.do("POST /v3/auth/tokens", 201, tc.by(tc.trustee, id))
	if a.str("token.user.id") != tc.trustorID || a.str("token.OS-TRUST:trust.trustee_user.id") != tc.trusteeID || a.str("token.project.id") != tc.project || strings.Contains(a.text, `"manager"`) {
		t.Errorf("token: %s", a.text)
	}
	lent := tc.as(a.header.Get("X-Subject-Token"))
	lent.do("GET /v3/projects/"+tc.project, 200, "")
	lent.do("POST /v3/auth/tokens", 403, fmt.Sprintf(`{"auth":{"identity":{"methods":["token"],"token":{"id":%q}}}}`, lent.token))
	lent.do("POST /v3/users/"+tc.trustorID+"/application_credentials", 403, `{"application_credential":{"name":"keep"}}`)
	lent.do("POST "+trusts, 403, tc.body(`,"impersonation":true`)) // not to be lent on

	once := tc.do("POST /v3/auth/tokens", 201, tc.by(tc.trustee, plain))
	if once.str("token.user.id") != tc.trusteeID {
		t.Errorf("token: %s", once.text)
	}
	tc.do("POST /v3/auth/tokens", 401, tc.by(tc.trustee, plain))
	tc.as(once.header.Get("X-Subject-Token")).do("GET /v3/auth/projects", 200, "")
	tc.trustor.do("GET "+trusts+"/"+plain, 404, "")

	tc.trustor.do("DELETE "+trusts+"/"+id, 204, "")
	lent.do("GET /v3/projects/"+tc.project, 401, "")
}

// TestTrustsEnd takes away, one after the other, what a trust leans on.
func TestTrustsEnd(t *testing.T) {
	takeAway := map[string]func(tc trustCase){
		"role": func(tc trustCase) {
			for _, role := range []string{"member", "manager"} {
				tc.admin.do("DELETE /v3/projects/"+tc.project+"/users/"+tc.trustorID+"/roles/"+tc.cloud.Role(t, role), 204, "")
			}
		},
		"trustor disabled": func(tc trustCase) { tc.admin.do("PATCH /v3/users/"+tc.trustorID, 200, `{"user":{"enabled":false}}`) },
		"trustee disabled": func(tc trustCase) { tc.admin.do("PATCH /v3/users/"+tc.trusteeID, 200, `{"user":{"enabled":false}}`) },
		"trustor gone":     func(tc trustCase) { tc.admin.do("DELETE /v3/users/"+tc.trustorID, 204, "") },
		"trustee gone":     func(tc trustCase) { tc.admin.do("DELETE /v3/users/"+tc.trusteeID, 204, "") },
		"project gone":     func(tc trustCase) { tc.admin.do("DELETE /v3/projects/"+tc.project, 204, "") },
		"expired":          func(tc trustCase) { tc.cloud.Clock.Advance(11 * time.Minute) },
	}
	for what, take := range takeAway {
		t.Run(what, func(t *testing.T) {
			tc := newTrustCase(t)
			until := tc.cloud.Clock.Now().Add(10 * time.Minute).Format(time.RFC3339)
			id := tc.trustor.do("POST /v3/OS-TRUST/trusts", 201, tc.body(`,"impersonation":true,"expires_at":"`+until+`"`)).str("trust.id")
			lent := tc.as(tc.do("POST /v3/auth/tokens", 201, tc.by(tc.trustee, id)).header.Get("X-Subject-Token"))
			lent.do("GET /v3/auth/projects", 200, "")
			take(tc)
			lent.do("GET /v3/auth/projects", 401, "")
			status := 401
			if strings.HasPrefix(what, "trustee") { // the token that is the proof is not valid either
				status = 404
			}
			tc.do("POST /v3/auth/tokens", status, tc.by(tc.trustee, id))
		})
	}
}

func TestTrustsAreLentOn(t *testing.T) {
	tc := newTrustCase(t)
	third := tc.admin.do("POST /v3/users", 201, `{"user":{"name":"third","password":"secret"}}`).str("user.id")
	id := tc.trustor.do("POST /v3/OS-TRUST/trusts", 201, tc.body(`,"impersonation":true,"allow_redelegation":true,"redelegation_count":1`)).str("trust.id")
	lent := tc.as(tc.do("POST /v3/auth/tokens", 201, tc.by(tc.trustee, id)).header.Get("X-Subject-Token"))
	on := strings.Replace(tc.body(`,"impersonation":true,"allow_redelegation":true`), tc.trusteeID, third, 1)
	lent.do("POST /v3/OS-TRUST/trusts", 403, strings.Replace(on, `"member"`, `"manager"`, 1))
	lent.do("POST /v3/OS-TRUST/trusts", 403, strings.Replace(on, `"allow_redelegation":true`, `"remaining_uses":2`, 1))
	made := lent.do("POST /v3/OS-TRUST/trusts", 201, on)
	if made.str("trust.redelegated_trust_id") != id || fmt.Sprint(made.at("trust.redelegation_count")) != "0" {
		t.Errorf("made: %s", made.text)
	}
	child := tc.as(tc.do("POST /v3/auth/tokens", 201, tc.by(tc.login("third", ""), made.str("trust.id"))).header.Get("X-Subject-Token"))
	child.do("GET /v3/projects/"+tc.project, 200, "")
	child.do("POST /v3/OS-TRUST/trusts", 403, on)
	tc.trustor.do("DELETE /v3/OS-TRUST/trusts/"+id, 204, "")
	child.do("GET /v3/projects/"+tc.project, 401, "")
	tc.admin.do("GET /v3/OS-TRUST/trusts/"+made.str("trust.id"), 404, "")
}
