package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"altostack/identity"
	"altostack/kernel/fault"
)

// issuer stands for the providers that the operator configured: a bearer token is
// the JSON of its claims.
type issuer struct {
	down  bool
	asked int
}

func (i *issuer) Knows(provider string) bool { return provider != "unknown" }

func (i *issuer) Bearer(_ context.Context, provider, token string) (map[string]any, error) {
	i.asked++
	if i.down {
		return nil, errors.New("connection refused")
	}
	claims := map[string]any{}
	if err := json.Unmarshal([]byte(token), &claims); err != nil {
		return nil, fmt.Errorf("%w: %v", identity.ErrNotVouched, err)
	}
	claims["iss"] = "https://" + provider
	return claims, nil
}

func (i *issuer) Begin(_ context.Context, provider, redirect string) (string, identity.LoginSecret, error) {
	q := url.Values{"redirect_uri": {redirect}, "state": {"the state"}}
	return "https://" + provider + "/login?" + q.Encode(), identity.LoginSecret{State: "the state", Nonce: "n", Verifier: "v"}, nil
}

func (i *issuer) Finish(ctx context.Context, provider, _, code string, secret identity.LoginSecret) (map[string]any, error) {
	if secret.Verifier != "v" || secret.Nonce != "n" {
		return nil, identity.ErrNotVouched
	}
	return i.Bearer(ctx, provider, code)
}

const fedRules = `[{"remote":[{"type":"OIDC-sub"}],"local":[{"user":{"name":"{0}"}}]},
 {"remote":[{"type":"OIDC-email"},{"type":"OIDC-sub"}],"local":[{"user":{"name":"{1}","email":"{0}"}}]},
 {"remote":[{"type":"OIDC-groups","blacklist":["admins"]}],"local":[{"groups":"{0}","domain":{"name":"Default"}}]}]`

// federated is a cloud with a provider, a protocol and a mapping, and a group of
// the default domain that has the role member on the project demo.
func federated(t *testing.T) (c, admin *client, party *issuer) {
	t.Helper()
	c = serve(t)
	party = &issuer{}
	c.cloud.Change(t, func(cfg *identity.Config) {
		cfg.RelyingParty, cfg.TrustedDashboards = party, []string{"https://Dash.test/auth/websso/"}
	})
	c = over(t, c.cloud)
	admin = c.admin()
	admin.do("PUT /v3/OS-FEDERATION/identity_providers/acme", 201, `{"identity_provider":{"enabled":true,"description":"d","remote_ids":["https://acme"]}}`)
	admin.do("PUT /v3/OS-FEDERATION/mappings/m", 201, `{"mapping":{"rules":`+fedRules+`}}`)
	admin.do("PUT /v3/OS-FEDERATION/identity_providers/acme/protocols/openid", 201, `{"protocol":{"mapping_id":"m"}}`)
	return c, admin, party
}

const acmeAuth = "GET /v3/OS-FEDERATION/identity_providers/acme/protocols/openid/auth"

func (c *client) bearer(status int, claims string) answer {
	c.t.Helper()
	return c.as("").do(acmeAuth, status, "", "Authorization", "Bearer "+claims)
}

func (c *client) group(name string) string {
	c.t.Helper()
	g := c.do("POST /v3/groups", 201, `{"group":{"name":"`+name+`","domain_id":"default"}}`).str("group.id")
	c.do("PUT /v3/projects/"+c.cloud.Access.DemoProjectID+"/groups/"+g+"/roles/"+c.cloud.Role(c.t, "member"), 204, "")
	return g
}

func rescope(token, project string) string {
	return fmt.Sprintf(`{"auth":{"identity":{"methods":["token"],"token":{"id":%q}},"scope":{"project":{"id":%q}}}}`, token, project)
}

func TestFederatedTokens(t *testing.T) {
	c, admin, _ := federated(t)
	devs := admin.group("devs")
	first := c.bearer(201, `{"sub":"ann","email":"ann@x","groups":["devs","admins","nowhere"]}`)
	if first.str("token.user.name") != "ann" || first.str("token.user.OS-FEDERATION.groups.0.id") != devs || first.str("token.user.OS-FEDERATION.identity_provider.id") != "acme" ||
		first.str("token.user.OS-FEDERATION.protocol.id") != "openid" || fmt.Sprint(first.at("token.methods")) != "[openid]" || first.at("token.project") != nil {
		t.Errorf("unscoped: %s", first.text)
	}
	unscoped := first.header.Get("X-Subject-Token")
	ann := c.as(unscoped)
	for _, list := range []string{"/v3/auth/projects", "/v3/OS-FEDERATION/projects"} {
		if a := ann.do("GET "+list, 200, ""); a.str("projects.0.name") != "demo" {
			t.Errorf("%s: %s", list, a.text)
		}
	}
	ann.do("GET /v3/OS-FEDERATION/domains", 200, "")
	scoped := c.do("POST /v3/auth/tokens", 201, rescope(unscoped, c.cloud.Access.DemoProjectID))
	if scoped.str("token.user.OS-FEDERATION.groups.0.id") != devs || scoped.str("token.expires_at") != first.str("token.expires_at") || scoped.at("token.roles") == nil {
		t.Errorf("rescoped: %s", scoped.text)
	}
	id := first.str("token.user.id")
	if again := c.bearer(201, `{"sub":"ann"}`); again.str("token.user.id") != id || len(again.at("token.user.OS-FEDERATION.groups").([]any)) != 0 {
		t.Errorf("second login: %s", again.text)
	} else {
		c.do("POST /v3/auth/tokens", 401, rescope(again.header.Get("X-Subject-Token"), c.cloud.Access.DemoProjectID))
	}
	seen := admin.do("GET /v3/users/"+id, 200, "")
	if seen.str("user.federated.0.idp_id") != "acme" || seen.str("user.federated.0.protocols.0.unique_id") != "ann" || seen.str("user.name") != "ann" {
		t.Errorf("the user: %s", seen.text)
	}
	if a := admin.do("GET /v3/users?name=ann", 200, ""); a.str("users.0.id") != id {
		t.Errorf("by name: %s", a.text)
	}
	for query, n := range map[string]int{"idp_id=acme": 1, "unique_id=ann": 1, "idp_id=acme&protocol_id=openid&unique_id=ann": 1, "idp_id=none": 0, "unique_id=bob": 0} {
		if a := admin.do("GET /v3/users?"+query, 200, ""); len(a.at("users").([]any)) != n {
			t.Errorf("%s: %s", query, a.text)
		}
	}
	t.Run("a user made here that a provider knows", func(t *testing.T) {
		body := `{"user":{"name":"cy","domain_id":"default","password":"p","federated":[{"idp_id":"acme","protocols":[{"protocol_id":"openid","unique_id":"cy"}]}]}}`
		made := admin.do("POST /v3/users", 201, body)
		if made.str("user.federated.0.protocols.0.unique_id") != "cy" {
			t.Errorf("made: %s", made.text)
		}
		if a := c.bearer(201, `{"sub":"cy"}`); a.str("token.user.id") != made.str("user.id") || a.str("token.user.name") != "cy" {
			t.Errorf("by the provider: %s", a.text)
		}
		c.do("POST /v3/auth/tokens", 201, passwordBody("cy", "p", ""))
		admin.do("POST /v3/users", 409, strings.Replace(body, `"name":"cy"`, `"name":"di"`, 1))
		admin.do("POST /v3/users", 400, strings.Replace(strings.Replace(body, `"name":"cy"`, `"name":"di"`, 1), "acme", "none", 1))
		admin.do("PATCH /v3/users/"+made.str("user.id"), 200, `{"user":{"federated":[]}}`)
		if a := c.bearer(201, `{"sub":"cy"}`); a.str("token.user.id") == made.str("user.id") {
			t.Errorf("still known: %s", a.text)
		}
	})
	t.Run("a restart keeps tokens", func(t *testing.T) {
		c.cloud.Forget(t)
		if p, err := c.cloud.Service.Validate(t.Context(), scoped.header.Get("X-Subject-Token")); err != nil || len(p.VouchedGroups) != 1 {
			t.Errorf("%+v %v", p, err)
		}
	})
}

// TestFederationEndsAtOnce: each way to end a federated user's rights holds for the
// next request with a token from before.
func TestFederationEndsAtOnce(t *testing.T) {
	ways := map[string]func(admin *client, user, group string){
		"the provider is disabled": func(admin *client, _, _ string) {
			admin.do("PATCH /v3/OS-FEDERATION/identity_providers/acme", 200, `{"identity_provider":{"enabled":false}}`)
		},
		"the provider is deleted": func(admin *client, user, _ string) {
			admin.do("DELETE /v3/OS-FEDERATION/identity_providers/acme", 204, "")
			admin.do("GET /v3/users/"+user, 404, "")
		},
		"the protocol is deleted": func(admin *client, user, _ string) {
			admin.do("DELETE /v3/OS-FEDERATION/identity_providers/acme/protocols/openid", 204, "")
			admin.do("GET /v3/users/"+user, 404, "")
		},
		"the group is deleted": func(admin *client, _, group string) { admin.do("DELETE /v3/groups/"+group, 204, "") },
		"the group loses its role": func(admin *client, _, group string) {
			admin.do("DELETE /v3/projects/"+admin.cloud.Access.DemoProjectID+"/groups/"+group+"/roles/"+admin.cloud.Role(admin.t, "member"), 204, "")
		},
		"the user is disabled": func(admin *client, user, _ string) {
			admin.do("PATCH /v3/users/"+user, 200, `{"user":{"enabled":false}}`)
		},
		"the provider's domain is disabled": func(admin *client, user, _ string) {
			domain := admin.do("GET /v3/OS-FEDERATION/identity_providers/acme", 200, "").str("identity_provider.domain_id")
			admin.do("PATCH /v3/domains/"+domain, 200, `{"domain":{"enabled":false}}`)
			admin.do("DELETE /v3/domains/"+domain, 204, "")
			admin.do("GET /v3/OS-FEDERATION/identity_providers/acme", 404, "")
		},
	}
	for name, end := range ways {
		t.Run(name, func(t *testing.T) {
			c, admin, _ := federated(t)
			group := admin.group("devs")
			first := c.bearer(201, `{"sub":"ann","groups":["devs"]}`)
			token := c.do("POST /v3/auth/tokens", 201, rescope(first.header.Get("X-Subject-Token"), c.cloud.Access.DemoProjectID)).header.Get("X-Subject-Token")
			ann := c.as(token)
			ann.do("GET /v3/auth/projects", 200, "")
			end(admin, first.str("token.user.id"), group)
			ann.do("GET /v3/auth/projects", 401, "")
		})
	}
}

func TestMappingConfusionOfUsers(t *testing.T) {
	c, admin, _ := federated(t)
	rules := func(text string) {
		admin.do("PATCH /v3/OS-FEDERATION/mappings/m", 200, `{"mapping":{"rules":`+text+`}}`)
	}
	adminID := c.cloud.Access.AdminUserID
	t.Run("an asserted id that is a local user's", func(t *testing.T) {
		rules(`[{"remote":[{"type":"OIDC-sub"}],"local":[{"user":{"id":"{0}","name":"admin","domain":{"id":"default"}}}]}]`)
		a := c.bearer(201, `{"sub":"`+adminID+`"}`)
		if a.str("token.user.id") == adminID {
			t.Fatal("the stranger is the administrator")
		}
		c.do("POST /v3/auth/tokens", 401, rescope(a.header.Get("X-Subject-Token"), c.cloud.Access.AdminProjectID))
	})
	t.Run("a name that is a local user's takes nothing of its", func(t *testing.T) {
		c.do("POST /v3/auth/tokens", 201, passwordBody("admin", "admin's", ""))
		c.do("POST /v3/auth/tokens", 401, passwordBody("admin", "", ""))
		admin.do("POST /v3/users", 201, `{"user":{"name":"zoe","domain_id":"default","password":"p"}}`)
		rules(`[{"remote":[{"type":"OIDC-sub"}],"local":[{"user":{"name":"{0}","domain":{"id":"default"}}}]}]`)
		c.bearer(201, `{"sub":"zoe"}`)
		c.bearer(201, `{"sub":"yan"}`)
		admin.do("POST /v3/users", 201, `{"user":{"name":"yan","domain_id":"default","password":"p"}}`) // the name was not taken
		c.do("POST /v3/auth/tokens", 201, passwordBody("yan", "p", ""))
	})
	t.Run("the same user of two protocols is two", func(t *testing.T) {
		rules(fedRules)
		admin.do("PUT /v3/OS-FEDERATION/identity_providers/acme/protocols/other", 201, `{"protocol":{"mapping_id":"m"}}`)
		one := c.bearer(201, `{"sub":"ann"}`)
		two := c.do(strings.Replace(acmeAuth, "openid", "other", 1), 201, "", "Authorization", `Bearer {"sub":"ann"}`)
		if one.str("token.user.id") == two.str("token.user.id") || fmt.Sprint(two.at("token.methods")) != "[mapped]" {
			t.Errorf("%s\n%s", one.text, two.text)
		}
	})
	t.Run("local users", func(t *testing.T) {
		rules(`[{"remote":[{"type":"OIDC-sub"},{"type":"OIDC-dom"}],"local":[{"user":{"name":"{0}","type":"local","domain":{"name":"{1}"}}}]}]`)
		a := c.bearer(201, `{"sub":"demo","dom":"Default"}`)
		if a.str("token.user.id") != c.cloud.Access.DemoUserID || a.at("token.user.OS-FEDERATION") != nil {
			t.Errorf("local: %s", a.text)
		}
		c.bearer(401, `{"sub":"nobody","dom":"Default"}`)
		c.bearer(401, `{"sub":"demo","dom":"nowhere"}`)
		admin.do("PATCH /v3/users/"+c.cloud.Access.DemoUserID, 200, `{"user":{"enabled":false}}`)
		c.bearer(401, `{"sub":"demo","dom":"Default"}`)
		rules(`[{"remote":[{"type":"OIDC-sub"}],"local":[{"user":{"id":"{0}","type":"local","domain":{"id":"elsewhere"}}}]}]`)
		c.bearer(401, `{"sub":"`+adminID+`"}`)
	})
	t.Run("claims of odd types and sizes", func(t *testing.T) {
		rules(fedRules)
		for _, claims := range []string{`{}`, `{"sub":""}`, `{"sub":null}`, `{"sub":[]}`, `{"sub":["a","b"]}`, `{"sub":"a\u001fb"}`, `{"sub":"` + strings.Repeat("x", 300) + `"}`, `{"sub":"   "}`} {
			c.bearer(401, claims)
		}
		if a := c.bearer(201, `{"sub":12345678901234567}`); a.str("token.user.name") == "" {
			t.Errorf("number: %s", a.text)
		}
	})
	t.Run("a body cannot assert", func(t *testing.T) {
		c.do("POST /v3/auth/tokens", 401, `{"auth":{"identity":{"methods":["mapped"],"mapped":{"identity_provider":"acme","protocol":"openid","OIDC-sub":"ann"}}}}`)
		c.do("POST /v3/auth/tokens", 401, `{"auth":{"identity":{"methods":["openid"],"openid":{"identity_provider":"acme","protocol":"openid"}}}}`)
		c.do(acmeAuth, 401, "", "OIDC-sub", "ann", "HTTP_OIDC_SUB", "ann", "Remote-User", "ann")
	})
}

func TestProvisioning(t *testing.T) {
	c, admin, _ := federated(t)
	rules := func(version, projects string) {
		admin.do("PATCH /v3/OS-FEDERATION/mappings/m", 200, `{"mapping":{"schema_version":"`+version+`","rules":[{"remote":[{"type":"OIDC-sub"}],"local":[{"user":{"name":"{0}"},"projects":`+projects+`}]}]}}`)
	}
	names := func(a answer) (out []string) {
		for _, p := range c.as(a.header.Get("X-Subject-Token")).do("GET /v3/auth/projects", 200, "").at("projects").([]any) {
			out = append(out, p.(map[string]any)["name"].(string))
		}
		return out
	}
	rules("1.0", `[{"name":"of {0}","roles":[{"name":"member"}]},{"name":"shared","roles":[{"name":"reader"}]}]`)
	a := c.bearer(201, `{"sub":"ann"}`)
	if got := names(a); len(got) != 2 {
		t.Errorf("projects %v", got)
	}
	domain := admin.do("GET /v3/OS-FEDERATION/identity_providers/acme", 200, "").str("identity_provider.domain_id")
	if p := admin.do("GET /v3/projects?name=shared", 200, ""); p.str("projects.0.domain_id") != domain {
		t.Errorf("made: %s", p.text)
	}
	rules("2.0", `[{"name":"shared","roles":[{"name":"reader"}]}]`)
	if got := names(c.bearer(201, `{"sub":"ann"}`)); len(got) != 2 {
		t.Errorf("2.0 takes nothing away: %v", got)
	}
	rules("3.0", `[{"name":"shared","roles":[{"name":"reader"}]}]`)
	if got := names(c.bearer(201, `{"sub":"ann"}`)); len(got) != 1 || got[0] != "shared" {
		t.Errorf("3.0 takes away: %v", got)
	}
	rules("1.0", `[{"name":"new","roles":[{"name":"no such role"}]}]`)
	c.bearer(404, `{"sub":"ann"}`)
	if p := admin.do("GET /v3/projects?name=new", 200, ""); len(p.at("projects").([]any)) != 0 {
		t.Errorf("made in spite of a missing role: %s", p.text)
	}
}

// TestVouchedMembershipExpires: with a time to live, an application credential of
// a federated user has the group's role for as long as the provider's word holds.
func TestVouchedMembershipExpires(t *testing.T) {
	c, admin, _ := federated(t)
	admin.group("devs")
	admin.do("PATCH /v3/OS-FEDERATION/identity_providers/acme", 200, `{"identity_provider":{"authorization_ttl":30}}`)
	first := c.bearer(201, `{"sub":"ann","groups":["devs"]}`)
	scoped := c.do("POST /v3/auth/tokens", 201, rescope(first.header.Get("X-Subject-Token"), c.cloud.Access.DemoProjectID))
	cred := c.as(scoped.header.Get("X-Subject-Token")).do("POST /v3/users/"+first.str("token.user.id")+"/application_credentials", 201, `{"application_credential":{"name":"n"}}`)
	body := fmt.Sprintf(`{"auth":{"identity":{"methods":["application_credential"],"application_credential":{"id":%q,"secret":%q}}}}`, cred.str("application_credential.id"), cred.str("application_credential.secret"))
	token := c.do("POST /v3/auth/tokens", 201, body).header.Get("X-Subject-Token")
	c.cloud.Clock.Advance(29 * time.Minute)
	c.as(token).do("GET /v3/auth/projects", 200, "")
	c.cloud.Clock.Advance(2 * time.Minute)
	c.as(token).do("GET /v3/auth/projects", 401, "")
	c.do("POST /v3/auth/tokens", 401, body)
	c.bearer(201, `{"sub":"ann","groups":["devs"]}`)
	renewed := c.do("POST /v3/auth/tokens", 201, body).header.Get("X-Subject-Token")
	c.bearer(201, `{"sub":"ann"}`) // the provider vouches no more
	c.as(renewed).do("GET /v3/auth/projects", 401, "")
}

func TestFederationRefusals(t *testing.T) {
	c, admin, party := federated(t)
	c.bearer(401, `not claims`)
	c.do(acmeAuth, 401, "")
	c.do(acmeAuth, 401, "", "Authorization", "Basic abc")
	c.do(strings.Replace(acmeAuth, "acme", "none", 1), 404, "", "Authorization", "Bearer {}")
	c.do(strings.Replace(acmeAuth, "openid", "none", 1), 404, "", "Authorization", "Bearer {}")
	admin.do("PUT /v3/OS-FEDERATION/identity_providers/unknown", 201, `{"identity_provider":{"enabled":true}}`)
	admin.do("PUT /v3/OS-FEDERATION/identity_providers/unknown/protocols/openid", 201, `{"protocol":{"mapping_id":"m"}}`)
	c.do(strings.Replace(acmeAuth, "acme", "unknown", 1), 401, "", "Authorization", `Bearer {"sub":"ann"}`)
	party.down = true
	if a := c.bearer(503, `{"sub":"ann"}`); strings.Contains(a.text, "refused") || !strings.Contains(a.text, "Try again") {
		t.Errorf("%s: %s", fault.CodeIdentityProviderDown, a.text)
	}
	party.down = false
	admin.do("PATCH /v3/OS-FEDERATION/identity_providers/acme", 200, `{"identity_provider":{"remote_ids":["https://other"]}}`)
	c.bearer(403, `{"sub":"ann"}`)
	admin.do("PATCH /v3/OS-FEDERATION/identity_providers/acme", 200, `{"identity_provider":{"remote_ids":null}}`)
	c.bearer(201, `{"sub":"ann"}`)
	admin.do("DELETE /v3/OS-FEDERATION/mappings/m", 204, "")
	c.bearer(404, `{"sub":"ann"}`)
}

func TestProvidersLife(t *testing.T) {
	c, admin, _ := federated(t)
	const idps = "/v3/OS-FEDERATION/identity_providers"
	admin.do("PUT "+idps+"/acme", 409, `{"identity_provider":{}}`)
	if a := admin.do("PUT "+idps+"/two", 409, `{"identity_provider":{"remote_ids":["https://acme"]}}`); !strings.Contains(a.text, "Duplicate remote ID: https://acme") {
		t.Error(a.text)
	}
	admin.do("PUT "+idps+"/two", 404, `{"identity_provider":{"domain_id":"nowhere"}}`)
	admin.do("PUT "+idps+"/two", 400, `{"identity_provider":{"odd":1}}`)
	two := admin.do("PUT "+idps+"/two", 201, `{"identity_provider":{"domain_id":"default"}}`)
	if two.at("identity_provider.enabled") != false || two.str("identity_provider.domain_id") != "default" || two.at("identity_provider.authorization_ttl") != nil {
		t.Error(two.text)
	}
	admin.do("PATCH "+idps+"/two", 400, `{"identity_provider":{"domain_id":"default"}}`)
	admin.do("PATCH "+idps+"/two", 409, `{"identity_provider":{"remote_ids":["https://acme"]}}`)
	if a := admin.do("GET "+idps+"?enabled=true", 200, ""); len(a.at("identity_providers").([]any)) != 1 {
		t.Error(a.text)
	}
	admin.do("HEAD "+idps+"/two", 200, "")
	admin.do("PUT "+idps+"/two/protocols/p", 400, `{"protocol":{"mapping_id":"none"}}`)
	admin.do("PUT "+idps+"/none/protocols/p", 404, `{"protocol":{"mapping_id":"m"}}`)
	admin.do("PUT "+idps+"/acme/protocols/openid", 409, `{"protocol":{"mapping_id":"m"}}`)
	admin.do("PATCH "+idps+"/acme/protocols/openid", 200, `{"protocol":{"mapping_id":"m","remote_id_attribute":"OIDC-iss"}}`)
	c.bearer(201, `{"sub":"ann"}`)
	admin.do("GET "+idps+"/two/protocols/openid", 404, "")
	admin.do("PUT /v3/OS-FEDERATION/mappings/bad", 400, `{"mapping":{"rules":[{"local":[],"remote":[]}]}}`)
	admin.do("PUT /v3/OS-FEDERATION/mappings/bad", 400, `{"mapping":{}}`)
	admin.do("PUT /v3/OS-FEDERATION/mappings/m", 409, `{"mapping":{"rules":`+fedRules+`}}`)
	demo := c.demo()
	demo.do("GET "+idps, 403, "")
	demo.do("PUT /v3/OS-FEDERATION/mappings/x", 403, `{"mapping":{"rules":`+fedRules+`}}`)
	admin.do("PUT /v3/OS-FEDERATION/service_providers/far", 201, `{"service_provider":{"auth_url":"https://far/auth","sp_url":"https://far/sp","enabled":true}}`)
	admin.do("PATCH /v3/OS-FEDERATION/service_providers/far", 200, `{"service_provider":{"description":"d"}}`)
	if a := c.do("POST /v3/auth/tokens", 201, passwordBody("demo", "demo's", onDemo)); a.str("token.service_providers.0.sp_url") != "https://far/sp" {
		t.Errorf("token: %s", a.text)
	}
	admin.do("DELETE /v3/OS-FEDERATION/service_providers/far", 204, "")
	if a := c.do("POST /v3/auth/tokens", 201, passwordBody("demo", "demo's", onDemo)); a.at("token.service_providers") != nil {
		t.Errorf("token: %s", a.text)
	}
}

var tokenField = regexp.MustCompile(`name="token" id="token" value="([^"]+)"`)

func TestWebSSO(t *testing.T) {
	c, admin, _ := federated(t)
	const start, origin = "/v3/auth/OS-FEDERATION/websso/openid", "?origin=https%3A%2F%2Fdash.test%2Fauth%2Fwebsso%2F"
	away := func(call string) (cookie, back string) {
		t.Helper()
		a := c.raw(call, 302)
		to, err := url.Parse(a.header.Get("Location"))
		if err != nil || to.Host != "acme" {
			t.Fatalf("sent to %v: %v", to, err)
		}
		u, err := url.Parse(to.Query().Get("redirect_uri"))
		if err != nil {
			t.Fatal(err)
		}
		set := a.header.Get("Set-Cookie")
		if !strings.Contains(set, "HttpOnly") || !strings.Contains(set, "SameSite=Lax") || !strings.Contains(set, "Path=/identity/v3/auth/OS-FEDERATION") {
			t.Errorf("cookie %s", set)
		}
		cookie, _, _ = strings.Cut(set, ";")
		return cookie, strings.TrimPrefix(u.Path, "/identity")
	}
	cookie, back := away("GET " + start + origin)
	const came = `?state=the+state&code={"sub":"ann"}`
	a := c.raw("GET "+back+came, 200, "Cookie", cookie)
	m := tokenField.FindStringSubmatch(a.text)
	if m == nil || !strings.Contains(a.text, `action="https://dash.test/auth/websso/"`) || !strings.Contains(a.header.Get("Content-Security-Policy"), "form-action https://dash.test/auth/websso/") || a.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("page %v %s", a.header, a.text)
	}
	if p, err := c.cloud.Service.Validate(t.Context(), m[1]); err != nil || p.UserName != "ann" {
		t.Errorf("token of %+v %v", p, err)
	}
	t.Run("only with what was begun", func(t *testing.T) {
		c.raw("GET "+back+came, 401)
		c.raw("GET "+back+came, 401, "Cookie", "altostack_websso=gAAAAA")
		c.raw("GET "+back+came, 401, "Cookie", "altostack_websso="+c.cloud.Token(t, "demo", "demo"))
		c.raw("GET "+back+`?state=another&code={"sub":"ann"}`, 401, "Cookie", cookie)
		c.raw("GET "+back+`?state=the+state&error=access_denied`, 401, "Cookie", cookie)
		c.raw("GET "+strings.Replace(back, "openid", "none", 1)+came, 401, "Cookie", cookie)
		c.as(strings.TrimPrefix(cookie, "altostack_websso=")).do("GET /v3/auth/projects", 401, "")
	})
	t.Run("only to dashboards that are trusted", func(t *testing.T) {
		c.raw("GET "+start, 400)
		for _, bad := range []string{"https://evil.test/", "https://dash.test/", "https://dash.test/auth/websso/x", "https://dash.test.evil/auth/websso/", "javascript:alert(1)"} {
			c.raw("GET "+start+"?origin="+url.QueryEscape(bad), 401)
			c.raw("GET "+back+"?origin="+url.QueryEscape(bad), 401)
		}
	})
	t.Run("a choice of providers", func(t *testing.T) {
		admin.do("PUT /v3/OS-FEDERATION/identity_providers/two", 201, `{"identity_provider":{"enabled":true}}`)
		admin.do("PUT /v3/OS-FEDERATION/identity_providers/two/protocols/openid", 201, `{"protocol":{"mapping_id":"m"}}`)
		if a := c.raw("GET "+start+origin, 200); !strings.Contains(a.text, "/identity_providers/acme/protocols/openid/websso") || !strings.Contains(a.text, "/identity_providers/two/") {
			t.Errorf("choice %s", a.text)
		}
		admin.do("PATCH /v3/OS-FEDERATION/identity_providers/two", 200, `{"identity_provider":{"enabled":false}}`)
		away("GET " + start + origin)
		c.raw("GET /v3/auth/OS-FEDERATION/websso/none"+origin, 404)
	})
	t.Run("in time", func(t *testing.T) {
		cookie, back := away("GET " + back + origin)
		c.cloud.Clock.Advance(11 * time.Minute)
		c.raw("GET "+back+came, 401, "Cookie", cookie)
	})
}

// raw is do for answers that are no JSON.
func (c *client) raw(call string, status int, headers ...string) answer {
	c.t.Helper()
	method, path, _ := strings.Cut(call, " ")
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.server.URL+"/identity"+strings.ReplaceAll(strings.ReplaceAll(path, `"`, "%22"), " ", "+"), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if res.StatusCode != status {
		c.t.Errorf("%s: %d, want %d: %s", call, res.StatusCode, status, text)
	}
	return answer{status: res.StatusCode, header: res.Header, text: string(text)}
}

// TestFederationHasTheDocumentedMembers compares answers with the documented ones.
func TestFederationHasTheDocumentedMembers(t *testing.T) {
	c, admin, _ := federated(t)
	admin.group("devs")
	admin.do("PUT /v3/OS-FEDERATION/service_providers/far", 201, `{"service_provider":{"auth_url":"https://far/auth","sp_url":"https://far/sp","enabled":true}}`)
	admin.do("PUT /v3/OS-FEDERATION/mappings/n", 201, `{"mapping":{"rules":[{"remote":[{"type":"UserName"},{"type":"kind","any_one_of":["x"]},{"type":"kind","not_any_of":["x"]}],"local":[{"user":{"name":"{0}"}},{"group":{"id":"x"}}]}]}}`)
	const idps = "/v3/OS-FEDERATION/identity_providers"
	for name, a := range map[string]answer{
		"identity-provider-get-response":           admin.do("GET "+idps+"/acme", 200, ""),
		"identity-provider-list-response":          admin.do("GET "+idps, 200, ""),
		"identity-provider-get-protocol-response":  admin.do("GET "+idps+"/acme/protocols/openid", 200, ""),
		"identity-provider-list-protocol-response": admin.do("GET "+idps+"/acme/protocols", 200, ""),
		"mapping-get-response":                     admin.do("GET /v3/OS-FEDERATION/mappings/n", 200, ""),
		"mapping-list-response":                    admin.do("GET /v3/OS-FEDERATION/mappings", 200, ""),
		"service-provider-get-response":            admin.do("GET /v3/OS-FEDERATION/service_providers/far", 200, ""),
		"service-provider-list-response":           admin.do("GET /v3/OS-FEDERATION/service_providers", 200, ""),
		"federated-unscoped-token-response":        c.bearer(201, `{"sub":"ann","groups":["devs"]}`),
	} {
		t.Run(name, func(t *testing.T) { documented(t, name, a) })
	}
}

// TestProvidersAreNotAskedWithoutEnd: who fails too often is told so before the
// provider is asked again.
func TestProvidersAreNotAskedWithoutEnd(t *testing.T) {
	c, _, party := federated(t)
	c.cloud.Change(t, func(cfg *identity.Config) { cfg.Limits = identity.Limits{PerAddress: 5} })
	c = over(t, c.cloud)
	last := 0
	for range 20 {
		last = c.attempt(acmeAuth, "", "Authorization", "Bearer forged").status
	}
	if last != 429 || party.asked > 6 {
		t.Errorf("status %d, the provider was asked %d times", last, party.asked)
	}
}
