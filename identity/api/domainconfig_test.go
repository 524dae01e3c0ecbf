package api_test

import (
	"strings"
	"testing"
)

const ldapConfig = `{"config":{"ldap":{"url":"ldap://u:%(password)s@host","user_tree_dn":"ou=x","password":"canary-7"},"identity":{"driver":"ldap"}}}`

func TestDomainConfig(t *testing.T) {
	c := serve(t)
	admin := c.admin()
	path := "/v3/domains/" + admin.do("POST /v3/domains", 201, `{"domain":{"name":"corp"}}`).str("domain.id") + "/config"
	admin.do("GET "+path, 404, "")
	admin.do("PATCH "+path+"/ldap", 404, `{"config":{"ldap":{"url":"x"}}}`)
	admin.do("DELETE "+path, 204, "")
	made := admin.do("PUT "+path, 201, ldapConfig)
	admin.do("PUT "+path, 200, ldapConfig)
	if strings.Contains(made.text, "canary") || made.str("config.ldap.url") != "ldap://u:%(password)s@host" || made.str("config.identity.driver") != "ldap" {
		t.Errorf("created: %s", made.text)
	}
	if a := admin.do("GET "+path+"/ldap", 200, ""); a.str("config.ldap.user_tree_dn") != "ou=x" || a.at("config.identity") != nil {
		t.Errorf("group: %s", a.text)
	}
	if a := admin.do("GET "+path+"/ldap/url", 200, ""); a.str("config.url") != "ldap://u:%(password)s@host" {
		t.Errorf("option: %s", a.text)
	}
	admin.do("GET "+path+"/ldap/password", 404, "")
	admin.do("HEAD "+path, 200, "")
	changed := admin.do("PATCH "+path+"/ldap/url", 200, `{"config":{"url":"ldaps://%(password)s"}}`)
	if changed.str("config.ldap.url") != "ldaps://%(password)s" || changed.str("config.identity.driver") != "ldap" || strings.Contains(changed.text, "canary") {
		t.Errorf("changed: %s", changed.text)
	}
	admin.do("PATCH "+path+"/ldap", 200, `{"config":{"ldap":{"page_size":5}}}`)
	admin.do("PATCH "+path, 200, `{"config":{"identity":{"list_limit":7}}}`)
	domain := strings.Split(path, "/")[3]
	full, err := c.cloud.Service.DomainConfig(t.Context(), domain)
	if err != nil || full["ldap"]["url"] != "ldaps://canary-7" || full["ldap"]["password"] != "canary-7" {
		t.Errorf("for drivers: %v %v", full, err)
	}
	admin.do("DELETE "+path+"/ldap/page_size", 204, "")
	admin.do("DELETE "+path+"/ldap/page_size", 404, "")
	admin.do("DELETE "+path+"/ldap", 204, "")
	admin.do("GET "+path+"/ldap", 404, "")
	admin.do("GET "+path+"/identity", 200, "")
	admin.do("DELETE "+path, 204, "")
	admin.do("GET "+path, 404, "")
	for name, body := range map[string]string{
		"nothing":           `{"config":{}}`,
		"an empty group":    `{"config":{"ldap":{}}}`,
		"an unknown group":  `{"config":{"database":{"connection":"x"}}}`,
		"an unknown option": `{"config":{"ldap":{"auth_pool_secret":"x"}}}`,
	} {
		if a := admin.do("PUT "+path, 403, body); !strings.Contains(a.text, "Invalid domain specific configuration") {
			t.Errorf("%s: %s", name, a.text)
		}
	}
	admin.do("PUT /v3/domains/nowhere/config", 404, ldapConfig)
	c.demo().do("GET "+path, 403, "")
	c.demo().do("PUT "+path, 403, ldapConfig)
}

func TestConfigDefaults(t *testing.T) {
	c := serve(t)
	admin := c.admin()
	if a := admin.do("GET /v3/domains/config/default", 200, ""); a.str("config.ldap.query_scope") != "one" || strings.Contains(a.text, `"password"`) || a.str("config.identity.driver") != "sql" {
		t.Errorf("all: %s", a.text)
	}
	if a := admin.do("GET /v3/domains/config/ldap/default", 200, ""); a.at("config.identity") != nil {
		t.Errorf("group: %s", a.text)
	}
	if a := admin.do("GET /v3/domains/config/ldap/user_id_attribute/default", 200, ""); a.str("config.user_id_attribute") != "cn" {
		t.Errorf("option: %s", a.text)
	}
	admin.do("GET /v3/domains/config/ldap/password/default", 403, "")
	admin.do("GET /v3/domains/config/nonsense/default", 403, "")
	demo := c.demo()
	demo.do("GET /v3/domains/config/default", 403, "")
	demo.do("GET /v3/domains/default/config/security_compliance", 200, "")
	demo.do("GET /v3/domains/default/config/security_compliance/password_regex", 200, "")
	demo.do("GET /v3/domains/default/config/security_compliance/lockout_duration", 403, "")
	demo.do("GET /v3/domains/other/config/security_compliance", 403, "")
}
