package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"altostack/identity"
	"altostack/identity/ldap"
	"altostack/identity/ldap/ldaptest"
	"altostack/kernel/fault"
)

// directory is a cloud with a domain whose users are in a directory.
func directory(t *testing.T) (c, admin *client, s *ldaptest.Server, domain string) {
	t.Helper()
	s = ldaptest.Start(t, ldaptest.Person("u1", "ann", "ann's", "mail=ann@corp.test", "employeeType=TRUE"), ldaptest.Person("u2", "bob", "bob's", "employeeType=TRUE"), ldaptest.GroupOf("devs", "u1"))
	c = serve(t)
	c.cloud.Change(t, func(cfg *identity.Config) {
		cfg.OpenDirectory = func(o map[string]any, limit int) (identity.Directory, error) { return ldap.Open(o, limit) }
	})
	c = over(t, c.cloud)
	admin = c.admin()
	domain = admin.do("POST /v3/domains", 201, `{"domain":{"name":"corp"}}`).str("domain.id")
	admin.do("PUT /v3/domains/"+domain+"/config", 201, configOf(s, ""))
	return c, admin, s, domain
}

func configOf(s *ldaptest.Server, more string) string {
	var b strings.Builder
	for name, value := range s.Options(map[string]any{"user_enabled_attribute": "employeeType"}) {
		fmt.Fprintf(&b, ",%q:%q", name, value)
	}
	return `{"config":{"identity":{"driver":"ldap"},"ldap":{` + strings.TrimPrefix(b.String(), ",") + more + `}}}`
}

func inCorp(user, password, scope string) string {
	return fmt.Sprintf(`{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":%q,"domain":{"name":"corp"},"password":%q}}}%s}}`, user, password, scope)
}

func TestADomainInADirectory(t *testing.T) {
	c, admin, s, domain := directory(t)
	users := admin.do("GET /v3/users?domain_id="+domain, 200, "")
	if len(users.at("users").([]any)) != 2 {
		t.Fatalf("users: %s", users.text)
	}
	ann := admin.do("GET /v3/users?domain_id="+domain+"&name=ann", 200, "").str("users.0.id")
	if a := admin.do("GET /v3/users/"+ann, 200, ""); len(ann) != 64 || a.str("user.email") != "ann@corp.test" || a.str("user.name") != "ann" || a.at("user.enabled") != true {
		t.Errorf("ann: %s", a.text)
	}
	devs := admin.do("GET /v3/groups?domain_id="+domain, 200, "").str("groups.0.id")
	if a := admin.do("GET /v3/groups/"+devs+"/users", 200, ""); a.str("users.0.id") != ann || len(a.at("users").([]any)) != 1 {
		t.Errorf("members: %s", a.text)
	}
	admin.do("HEAD /v3/groups/"+devs+"/users/"+ann, 204, "")
	if a := admin.do("GET /v3/users/"+ann+"/groups", 200, ""); a.str("groups.0.name") != "devs" {
		t.Errorf("groups: %s", a.text)
	}
	project := c.cloud.Access.DemoProjectID
	admin.do("PUT /v3/projects/"+project+"/groups/"+devs+"/roles/"+c.cloud.Role(t, "member"), 204, "")
	token := c.do("POST /v3/auth/tokens", 201, inCorp("ann", "ann's", onDemo))
	if token.str("token.user.id") != ann || token.str("token.user.domain.name") != "corp" {
		t.Errorf("token: %s", token.text)
	}
	asAnn := c.as(token.header.Get("X-Subject-Token"))
	asAnn.do("GET /v3/auth/projects", 200, "")
	c.do("POST /v3/auth/tokens", 401, inCorp("bob", "bob's", onDemo)) // in no group
	c.do("POST /v3/auth/tokens", 201, inCorp("bob", "bob's", ""))
	for _, wrong := range []string{"", "bob's", "*"} {
		c.do("POST /v3/auth/tokens", 401, inCorp("ann", wrong, ""))
	}
	for _, nobody := range []string{"", "*", "a*", "ann)(uid=*", "uid=u1,ou=people,dc=corp,dc=test"} {
		c.do("POST /v3/auth/tokens", 401, inCorp(nobody, "ann's", ""))
	}
	t.Run("a restart keeps ids", func(t *testing.T) {
		c.cloud.Forget(t)
		if a := c.do("POST /v3/auth/tokens", 201, inCorp("ann", "ann's", "")); a.str("token.user.id") != ann {
			t.Errorf("another id: %s", a.text)
		}
	})
	t.Run("nothing is written", func(t *testing.T) {
		for call, body := range map[string]string{
			"POST /v3/users":                              `{"user":{"name":"new","domain_id":"` + domain + `"}}`,
			"PATCH /v3/users/" + ann:                      `{"user":{"email":"x"}}`,
			"DELETE /v3/users/" + ann:                     "",
			"POST /v3/groups":                             `{"group":{"name":"new","domain_id":"` + domain + `"}}`,
			"PATCH /v3/groups/" + devs:                    `{"group":{"name":"x"}}`,
			"DELETE /v3/groups/" + devs:                   "",
			"PUT /v3/groups/" + devs + "/users/" + ann:    "",
			"POST /v3/users/" + ann + "/password":         `{"user":{"original_password":"ann's","password":"new"}}`,
			"DELETE /v3/groups/" + devs + "/users/" + ann: "",
		} {
			if a := admin.do(call, 403, body); !strings.Contains(a.text, "LDAP does not support write operations") {
				t.Errorf("%s: %s", call, a.text)
			}
		}
	})
	t.Run("what changes there holds here after a while", func(t *testing.T) {
		s.Set(t, "cn=devs,ou=groups,"+ldaptest.Suffix, "member", "uid=u2,ou=people,"+ldaptest.Suffix)
		c.do("POST /v3/auth/tokens", 201, inCorp("bob", "bob's", onDemo))
		c.cloud.Clock.Advance(6 * time.Minute)
		asAnn.do("GET /v3/auth/projects", 401, "")
		unscoped := c.as(c.do("POST /v3/auth/tokens", 201, inCorp("ann", "ann's", "")).header.Get("X-Subject-Token"))
		s.Set(t, "uid=u1,ou=people,"+ldaptest.Suffix, "employeeType", "FALSE")
		c.do("POST /v3/auth/tokens", 401, inCorp("ann", "ann's", ""))
		unscoped.do("GET /v3/auth/projects", 401, "")
		s.Set(t, "uid=u1,ou=people,"+ldaptest.Suffix, "employeeType", "TRUE")
		again := c.as(c.do("POST /v3/auth/tokens", 201, inCorp("ann", "ann's", "")).header.Get("X-Subject-Token"))
		s.Remove(t, "uid=u1,ou=people,"+ldaptest.Suffix)
		c.do("POST /v3/auth/tokens", 401, inCorp("ann", "ann's", ""))
		c.cloud.Clock.Advance(6 * time.Minute)
		again.do("GET /v3/auth/projects", 401, "")
		admin := c.admin()
		admin.do("GET /v3/users/"+ann, 404, "")
		if a := admin.do("GET /v3/users?domain_id="+domain, 200, ""); len(a.at("users").([]any)) != 1 {
			t.Errorf("users: %s", a.text)
		}
	})
	t.Run("a directory that is down", func(t *testing.T) {
		s.Stop()
		admin := c.admin()
		if a := admin.do("GET /v3/users?domain_id="+domain, 503, ""); strings.Contains(a.text, "refused") || !strings.Contains(a.text, "cannot be asked") {
			t.Errorf("%s: %s", fault.CodeIdentityDirectoryDown, a.text)
		}
		c.do("POST /v3/auth/tokens", 503, inCorp("bob", "bob's", ""))
		admin.do("GET /v3/users", 200, "") // all that is known
		admin.do("DELETE /v3/domains/"+domain+"/config", 204, "")
		c.do("POST /v3/auth/tokens", 401, inCorp("bob", "bob's", ""))
	})
}

// TestLocalUsersComeFirst: a domain that gets a directory keeps the users it had,
// and nobody in the directory becomes one of them.
func TestLocalUsersComeFirst(t *testing.T) {
	c, admin, s, _ := directory(t)
	s.Add(t, ldaptest.Person("u9", "admin", "evil", "employeeType=TRUE"))
	admin.do("PUT /v3/domains/default/config", 201, configOf(s, ""))
	c.do("POST /v3/auth/tokens", 401, passwordBody("admin", "evil", ""))
	if a := c.do("POST /v3/auth/tokens", 201, passwordBody("admin", "admin's", "")); a.str("token.user.id") != c.cloud.Access.AdminUserID {
		t.Errorf("%s", a.text)
	}
	c.do("POST /v3/auth/tokens", 201, passwordBody("ann", "ann's", ""))
	rows := admin.do("GET /v3/users?domain_id=default&name=admin", 200, "").at("users").([]any)
	if len(rows) != 2 {
		t.Errorf("both are shown: %v", rows)
	}
}
