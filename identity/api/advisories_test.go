package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"altostack/identity"
	"altostack/kernel/auth"
)

// ground is a cloud with what attacks need: a user of two projects, who has more
// roles than a credential of its own, and a victim.
type ground struct {
	*client
	user, project, other string
	victim               string
}

func newGround(t *testing.T) *ground {
	c := serve(t)
	g := &ground{client: c, user: c.cloud.Access.DemoUserID, project: c.cloud.Access.DemoProjectID, victim: c.cloud.Access.AdminUserID}
	admin := c.admin()
	g.other = admin.do("POST /v3/projects", 201, `{"project":{"name":"other"}}`).str("project.id")
	for project, role := range map[string]string{g.project: "manager", g.other: "member"} {
		admin.do("PUT /v3/projects/"+project+"/users/"+g.user+"/roles/"+c.cloud.Role(t, role), 204, "")
	}
	return g
}

// appCred is a client by an application credential of the user.
func (g *ground) appCred(more string) (*client, string, string) {
	v := g.demo().do("POST /v3/users/"+g.user+"/application_credentials", 201, `{"application_credential":{"name":"n`+g.cloud.Clock.Now().Format("150405.000000")+`","roles":[{"name":"reader"}]`+more+`}}`)
	id, secret := v.str("application_credential.id"), v.str("application_credential.secret")
	g.cloud.Clock.Advance(time.Millisecond)
	return g.as(g.byAppCred(201, id, secret, "").header.Get("X-Subject-Token")), id, secret
}

func (g *ground) byAppCred(status int, id, secret, more string) answer {
	return g.do("POST /v3/auth/tokens", status, fmt.Sprintf(`{"auth":{"identity":{"methods":["application_credential"],"application_credential":{"id":%q,"secret":%q%s}}}}`, id, secret, more))
}

func (g *ground) trusted(impersonate bool) *client {
	roles := `[{"name":"reader"}]`
	trust := g.demo().do("POST /v3/OS-TRUST/trusts", 201, fmt.Sprintf(`{"trust":{"trustor_user_id":%q,"trustee_user_id":%q,"project_id":%q,"impersonation":%t,"roles":%s,"allow_redelegation":true}}`, g.user, g.victim, g.project, impersonate, roles)).str("trust.id")
	return g.as(g.do("POST /v3/auth/tokens", 201, passwordBody("admin", "admin's", fmt.Sprintf(`,"scope":{"OS-TRUST:trust":{"id":%q}}`, trust))).header.Get("X-Subject-Token"))
}

func roleNames(a answer) string {
	var names []string
	list, _ := a.at("token.roles").([]any)
	for _, r := range list {
		names = append(names, r.(map[string]any)["name"].(string))
	}
	return strings.Join(names, " ")
}

// TestAdvisories are the known ways in, each by the number under which it became
// known at the real service.
func TestAdvisories(t *testing.T) {
	tests := map[string]func(t *testing.T, g *ground){
		"CVE-2012-3426 a token got by a token lives no longer": func(t *testing.T, g *ground) {
			first := g.do("POST /v3/auth/tokens", 201, passwordBody("demo", "demo's", onDemo))
			g.cloud.Clock.Advance(30 * time.Minute)
			second := g.do("POST /v3/auth/tokens", 201, fmt.Sprintf(`{"auth":{"identity":{"methods":["token"],"token":{"id":%q}}}}`, first.header.Get("X-Subject-Token")))
			if first.str("token.expires_at") != second.str("token.expires_at") {
				t.Errorf("ends %s and %s", first.str("token.expires_at"), second.str("token.expires_at"))
			}
		},
		"CVE-2013-4222 a disabled project's token": func(_ *testing.T, g *ground) {
			demo := g.demo()
			g.admin().do("PATCH /v3/projects/"+g.project, 200, `{"project":{"enabled":false}}`)
			demo.do("GET /v3/auth/projects", 401, "")
			g.do("POST /v3/auth/tokens", 401, passwordBody("demo", "demo's", onDemo))
		},
		"CVE-2013-6391 a key of a trust does what the trust may": func(t *testing.T, g *ground) {
			for _, impersonate := range []bool{true, false} {
				me, access := map[bool]string{true: g.user, false: g.victim}[impersonate], fmt.Sprint("a", impersonate)
				made := g.trusted(impersonate).do("POST /v3/credentials", 201, fmt.Sprintf(`{"credential":{"type":"ec2","user_id":%q,"project_id":%q,"blob":"{\"access\":\"%s\",\"secret\":\"s\"}"}}`, me, g.project, access))
				_, p, err := g.cloud.Service.S3Key(t.Context(), access)
				if err != nil || len(p.Roles) != 1 || p.TrustID == "" || p.UserID != me || !strings.Contains(made.str("credential.blob"), p.TrustID) {
					t.Errorf("bearer %+v %v of %s", p, err, made.text)
				}
			}
		},
		"CVE-2014-2828 one method a thousand times": func(_ *testing.T, g *ground) {
			methods := strings.TrimSuffix(strings.Repeat(`"password",`, 1000), ",")
			g.do("POST /v3/auth/tokens", 401, `{"auth":{"identity":{"methods":[`+methods+`],"password":{"user":{"name":"demo","domain":{"id":"default"},"password":"x"}}}}}`)
		},
		"CVE-2014-3476 a trust's token makes nothing that outlives it": func(_ *testing.T, g *ground) {
			for _, impersonate := range []bool{true, false} {
				robot := g.trusted(impersonate)
				me := map[bool]string{true: g.user, false: g.victim}[impersonate]
				robot.do("POST /v3/users/"+me+"/application_credentials", 403, `{"application_credential":{"name":"n"}}`)
				robot.do("GET /v3/users/"+me+"/application_credentials", 403, "")
				robot.do("GET /v3/users/"+me+"/access_rules", 403, "")
				robot.do("POST /v3/auth/tokens", 403, fmt.Sprintf(`{"auth":{"identity":{"methods":["token"],"token":{"id":%q}}}}`, robot.token))
				robot.do("POST /v3/credentials", 403, fmt.Sprintf(`{"credential":{"type":"totp","user_id":%q,"project_id":%q,"blob":"GEZDGNBVGY3TQOJQ"}}`, me, g.project))
			}
		},
		"CVE-2014-3520 a trust's token in another project": func(_ *testing.T, g *ground) {
			robot := g.trusted(true)
			robot.do("POST /v3/auth/tokens", 403, fmt.Sprintf(`{"auth":{"identity":{"methods":["token"],"token":{"id":%q}},"scope":{"project":{"id":%q}}}}`, robot.token, g.other))
			robot.do("POST /v3/users/"+g.user+"/credentials/OS-EC2", 403, fmt.Sprintf(`{"tenant_id":%q}`, g.other))
		},
		"CVE-2014-5253 a disabled domain's tokens": func(_ *testing.T, g *ground) {
			admin := g.admin()
			domain := admin.do("POST /v3/domains", 201, `{"domain":{"name":"corp"}}`).str("domain.id")
			u := admin.do("POST /v3/users", 201, fmt.Sprintf(`{"user":{"name":"u","password":"p","domain_id":%q}}`, domain)).str("user.id")
			admin.do("PUT /v3/domains/"+domain+"/users/"+u+"/roles/"+g.cloud.Role(t, "reader"), 204, "")
			body := fmt.Sprintf(`{"auth":{"identity":{"methods":["password"],"password":{"user":{"id":%q,"password":"p"}}},"scope":{"domain":{"id":%q}}}}`, u, domain)
			them := g.as(g.do("POST /v3/auth/tokens", 201, body).header.Get("X-Subject-Token"))
			admin.do("PATCH /v3/domains/"+domain, 200, `{"domain":{"enabled":false}}`)
			them.do("GET /v3/auth/domains", 401, "")
		},
		"CVE-2016-4911 a revoked user's whole chain of tokens": func(_ *testing.T, g *ground) {
			first := g.demo()
			second := g.as(g.do("POST /v3/auth/tokens", 201, fmt.Sprintf(`{"auth":{"identity":{"methods":["token"],"token":{"id":%q}}}}`, first.token)).header.Get("X-Subject-Token"))
			g.admin().do("PATCH /v3/users/"+g.user, 200, `{"user":{"password":"new"}}`)
			first.do("GET /v3/auth/projects", 401, "")
			second.do("GET /v3/auth/projects", 401, "")
		},
		"CVE-2018-14432 projects of others are not to be counted": func(t *testing.T, g *ground) {
			if a := g.demo().do("GET /v3/auth/projects", 200, ""); strings.Contains(a.text, `"service"`) || strings.Contains(a.text, `"admin"`) {
				t.Errorf("projects seen: %s", a.text)
			}
		},
		"CVE-2019-19687 credentials of others": func(t *testing.T, g *ground) {
			g.admin().do("POST /v3/credentials", 201, fmt.Sprintf(`{"credential":{"type":"cert","user_id":%q,"project_id":%q,"blob":"canary"}}`, g.victim, g.project))
			for _, path := range []string{"", "?user_id=" + g.victim, "?type=cert"} {
				if a := g.demo().attempt("GET /v3/credentials"+path, ""); strings.Contains(a.text, "canary") {
					t.Errorf("%s: %s", path, a.text)
				}
			}
		},
		"CVE-2020-12689 a key of an application credential has its roles": func(t *testing.T, g *ground) {
			robot, _, _ := g.appCred(`,"unrestricted":true`)
			access := robot.do("POST /v3/users/"+g.user+"/credentials/OS-EC2", 403, fmt.Sprintf(`{"tenant_id":%q}`, g.project)) // the rule wants member
			if access.str("credential.access") != "" {
				t.Errorf("made: %s", access.text)
			}
			made := robot.do("POST /v3/credentials", 201, fmt.Sprintf(`{"credential":{"type":"ec2","user_id":%q,"project_id":%q,"blob":"{\"access\":\"a\",\"secret\":\"s\"}"}}`, g.user, g.project))
			_, p, err := g.cloud.Service.S3Key(t.Context(), "a")
			if err != nil || strings.Join(p.Roles, " ") != "reader" {
				t.Errorf("bearer %+v %v of %s", p, err, made.text)
			}
			robot.do("POST /v3/credentials", 403, fmt.Sprintf(`{"credential":{"type":"ec2","user_id":%q,"project_id":%q,"blob":"{\"access\":\"b\",\"secret\":\"s\"}"}}`, g.user, g.other))
		},
		"CVE-2020-12691 a credential's owner is not to be changed": func(_ *testing.T, g *ground) {
			demo := g.demo()
			made := demo.do("POST /v3/credentials", 201, fmt.Sprintf(`{"credential":{"type":"ec2","user_id":%q,"project_id":%q,"blob":"{\"access\":\"a\",\"secret\":\"s\"}"}}`, g.user, g.project)).str("credential.id")
			demo.do("PATCH /v3/credentials/"+made, 403, fmt.Sprintf(`{"credential":{"user_id":%q}}`, g.victim))
			demo.do("POST /v3/credentials", 403, fmt.Sprintf(`{"credential":{"type":"ec2","user_id":%q,"project_id":%q,"blob":"{\"access\":\"b\",\"secret\":\"s\"}"}}`, g.victim, g.project))
			// Moved to a project that its user has nothing in, it is worth nothing.
			demo.do("PATCH /v3/credentials/"+made, 200, fmt.Sprintf(`{"credential":{"project_id":%q}}`, g.cloud.Access.AdminProjectID))
			if _, p, err := g.cloud.Service.S3Key(t.Context(), "a"); err == nil {
				t.Errorf("bearer %+v", p)
			}
		},
		"CVE-2020-12692 an old signature": func(t *testing.T, g *ground) {
			pair := g.demo().do("POST /v3/users/"+g.user+"/credentials/OS-EC2", 201, fmt.Sprintf(`{"tenant_id":%q}`, g.project))
			access, secret := pair.str("credential.access"), pair.str("credential.secret")
			service, _, err := g.cloud.Service.IssueService(t.Context(), "nova")
			if err != nil {
				t.Fatal(err)
			}
			for offset, status := range map[time.Duration]int{0: 200, -16 * time.Minute: 401, 16 * time.Minute: 401} {
				g.as(service).do("POST /v3/ec2tokens", status, signedEC2(access, secret, g.cloud.Clock.Now().Add(offset)))
			}
		},
		"CVE-2021-3563 secrets that differ in their ends": func(_ *testing.T, g *ground) {
			long := strings.Repeat("x", 100)
			v := g.demo().do("POST /v3/users/"+g.user+"/application_credentials", 201, `{"application_credential":{"name":"n","secret":"`+long+`a"}}`)
			g.byAppCred(401, v.str("application_credential.id"), long+"b", "")
			g.byAppCred(201, v.str("application_credential.id"), long+"a", "")
		},
		"CVE-2022-2447 a removed application credential's token": func(_ *testing.T, g *ground) {
			robot, id, secret := g.appCred("")
			robot.do("GET /v3/auth/projects", 200, "")
			g.demo().do("DELETE /v3/users/"+g.user+"/application_credentials/"+id, 204, "")
			robot.do("GET /v3/auth/projects", 401, "")
			g.byAppCred(401, id, secret, "")
		},
		"CVE-2025-65073 signed requests are for services to ask about": func(t *testing.T, g *ground) {
			pair := g.demo().do("POST /v3/users/"+g.user+"/credentials/OS-EC2", 201, fmt.Sprintf(`{"tenant_id":%q}`, g.project))
			ec2 := signedEC2(pair.str("credential.access"), pair.str("credential.secret"), g.cloud.Clock.Now())
			service, _, err := g.cloud.Service.IssueService(t.Context(), "nova")
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{"ec2tokens", "s3tokens"} {
				g.do("POST /v3/"+path, 401, ec2)
				g.demo().do("POST /v3/"+path, 403, ec2)
				g.as(service).do("POST /v3/"+path, 400, "{}")
				g.as(service).do("POST /v3/"+path, 401, `{"credentials":{}}`)
				g.as(service).do("POST /v3/"+path, 404, `{"credentials":{"access":"nosuch","signature":"x","token":""}}`)
				g.as(service).do("GET /v3/"+path, 405, "")
			}
			if a := g.as(service).do("POST /v3/ec2tokens", 200, ec2); a.header.Get("X-Subject-Token") == "" || roleNames(a) != "manager member reader" || a.str("token.methods.0") != "ec2credential" {
				t.Errorf("token %s", a.text)
			}
		},
		"CVE-2026-42998 an application credential's token is its owner's": func(t *testing.T, g *ground) {
			_, id, secret := g.appCred("")
			if a := g.byAppCred(201, id, secret, fmt.Sprintf(`,"user":{"id":%q}`, g.victim)); a.str("token.user.id") != g.user {
				t.Errorf("token %s", a.text)
			}
		},
		"CVE-2026-42999 what a client sends is no target of a rule": func(t *testing.T, g *ground) {
			demo := g.demo()
			target := fmt.Sprintf(`"user_id":%q,"target":{"user":{"id":%q,"domain_id":"default"},"credential":{"user_id":%q},"token":{"user_id":%q}}`, g.user, g.user, g.user, g.user)
			for _, call := range []string{"PATCH /v3/users/", "DELETE /v3/users/", "POST /v3/users/%s/credentials/OS-EC2", "GET /v3/users/%s/credentials/OS-EC2?user_id=" + g.user, "GET /v3/users/%s/application_credentials?user_id=" + g.user} {
				if strings.Contains(call, "%s") {
					call = fmt.Sprintf(call, g.victim)
				} else {
					call += g.victim
				}
				if a := demo.attempt(call, fmt.Sprintf(`{"user":{"description":"x"},"tenant_id":%q,%s}`, g.project, target)); a.status != 403 && a.status != 400 {
					t.Errorf("%s: %d %s", call, a.status, a.text)
				}
			}
		},
		"CVE-2026-43000 trusts are nothing for application credentials": func(_ *testing.T, g *ground) {
			for _, more := range []string{"", `,"unrestricted":true`} {
				robot, _, _ := g.appCred(more)
				robot.do("POST /v3/OS-TRUST/trusts", 403, fmt.Sprintf(`{"trust":{"trustor_user_id":%q,"trustee_user_id":%q,"project_id":%q,"impersonation":false,"roles":[{"name":"reader"}]}}`, g.user, g.victim, g.project))
				robot.do("GET /v3/OS-TRUST/trusts?trustor_user_id="+g.user, 403, "")
			}
		},
		"access rules bind what is made by them": func(_ *testing.T, g *ground) {
			rules := `,"unrestricted":true,"access_rules":[{"service":"identity","method":"POST","path":"/v3/users/*/application_credentials"}]`
			robot, _, _ := g.appCred(rules)
			robot.do("GET /v3/auth/projects", 401, "")
			robot.do("POST /v3/users/"+g.user+"/application_credentials", 403, `{"application_credential":{"name":"free"}}`)
			robot.do("POST /v3/users/"+g.user+"/application_credentials", 403, `{"application_credential":{"name":"free","access_rules":[{"service":"identity","method":"GET","path":"/**"}]}}`)
			robot.do("POST /v3/users/"+g.user+"/application_credentials", 201, `{"application_credential":{"name":"same","access_rules":[{"service":"identity","method":"POST","path":"/v3/users/*/application_credentials"}]}}`)
		},
		"headers of a trusted filter are forged": func(_ *testing.T, g *ground) {
			forged := []string{"X-User-Id", g.victim, "X-Roles", "admin", "X-Is-Admin-Project", "True", "X-Project-Id", g.cloud.Access.AdminProjectID, "X-Service-Roles", "service", "Openstack-System-Scope", "all", "X-Identity-Status", "Confirmed"}
			g.do("GET /v3/users", 401, "", forged...)
			g.demo().do("GET /v3/users", 403, "", forged...)
		},
		"an oversized token": func(_ *testing.T, g *ground) {
			g.as(strings.Repeat("A", 200_000)).do("GET /v3/auth/projects", 401, "")
			g.admin().do("GET /v3/auth/tokens", 404, "", "X-Subject-Token", strings.Repeat("A", 200_000))
		},
		"what is taken away is gone on the next request": func(t *testing.T, g *ground) {
			robot, _, _ := g.appCred("")
			trusted := g.trusted(true)
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			must(g.cloud.Service.Revoke(t.Context(), auth.System("test"), identity.Assignment{ActorKind: identity.ActorUser, ActorID: g.user, TargetKind: identity.TargetProject, TargetID: g.project, RoleID: g.cloud.Role(t, "manager")}))
			must(g.cloud.Service.Revoke(t.Context(), auth.System("test"), identity.Assignment{ActorKind: identity.ActorUser, ActorID: g.user, TargetKind: identity.TargetProject, TargetID: g.project, RoleID: g.cloud.Role(t, "member")}))
			robot.do("GET /v3/auth/projects", 401, "")
			trusted.do("GET /v3/auth/projects", 401, "")
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, newGround(t)) })
	}
}

// signedEC2 is a request as a service passes it on, signed by version 2.
func signedEC2(access, secret string, at time.Time) string {
	stamp := at.UTC().Format("2006-01-02T15:04:05Z")
	text := "GET\nh\n/\nAWSAccessKeyId=" + access + "&SignatureMethod=HmacSHA256&SignatureVersion=2&Timestamp=" + strings.ReplaceAll(stamp, ":", "%3A")
	body, _ := json.Marshal(map[string]any{"ec2Credentials": map[string]any{
		"access": access, "signature": sign256(text, secret), "host": "h", "verb": "GET", "path": "/",
		"params": map[string]string{"AWSAccessKeyId": access, "SignatureVersion": "2", "Timestamp": stamp},
	}})
	return string(body)
}
