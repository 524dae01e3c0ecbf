package policy

import (
	"strings"
	"testing"
)

// personas as identity hands them over: implied roles are there already.
var personas = map[string]*caller{
	"admin":   as("admin manager member reader", map[string]any{"user_id": "ua", "project_id": "other", "is_admin": true, "is_admin_project": true}),
	"manager": as("manager member reader", map[string]any{"user_id": "ug", "project_id": "p1", "is_admin": false}),
	"member":  as("member reader", map[string]any{"user_id": "um", "project_id": "p1", "is_admin": false}),
	"reader":  as("reader", map[string]any{"user_id": "ur", "project_id": "p1", "is_admin": false}),
	"foreign": as("member reader", map[string]any{"user_id": "uf", "project_id": "p2", "is_admin": false}),
	"none":    as("", map[string]any{"user_id": "un", "project_id": "p1", "is_admin": false}),
	"service": as("service", map[string]any{"user_id": "us", "project_id": "services", "is_admin": false}),
	"domain":  as("manager member reader", map[string]any{"user_id": "ud", "domain_id": "d1", "is_admin": false, "token": map[string]any{"domain": map[string]any{"id": "d1"}}}),
	"system":  as("reader", map[string]any{"user_id": "ux", "system_scope": "all", "is_admin": false}),
}

// TestPersonas spot-checks the documented defaults; want names who may.
func TestPersonas(t *testing.T) {
	own := Target{"project_id": "p1", "tenant_id": "p1", "user_id": "um"}
	tests := []struct {
		service, rule string
		target        Target
		want          string
	}{
		{"nova", "os_compute_api:servers:create", own, "admin manager member"},
		{"nova", "os_compute_api:servers:show", own, "admin manager member reader"},
		{"nova", "os_compute_api:servers:index:get_all_tenants", own, "admin"},
		{"nova", "os_compute_api:os-migrate-server:migrate", own, "admin manager"},
		{"nova", "os_compute_api:os-hypervisors:list", own, "admin"},
		{"nova", "os_compute_api:os-flavor-manage:create", own, "admin"},
		{"nova", "os_compute_api:os-server-external-events:create", own, "admin service"},
		{"cinder", "volume:create", own, "admin manager member"},
		{"cinder", "volume:get", own, "admin manager member reader"},
		{"cinder", "volume_extension:volume_admin_actions:force_delete", own, "admin"},
		{"glance", "get_image", Target{"project_id": "p1", "owner": "p1", "visibility": "private"}, "admin manager member reader"},
		{"glance", "get_image", Target{"project_id": "p9", "visibility": "public"}, "admin manager member reader foreign domain system"},
		{"glance", "publicize_image", own, "admin"},
		{"glance", "add_image", Target{"project_id": "p1", "owner": "p1"}, "admin manager member"},
		{"placement", "placement:resource_providers:list", Target{}, "admin service"},
		{"placement", "placement:usages", own, "admin manager member reader service"},
		{"neutron", "create_network", own, "admin manager member"},
		{"neutron", "create_network:shared", own, "admin"},
		{"neutron", "get_network", own, "admin manager member reader service"},
		{"neutron", "get_network", Target{"project_id": "p9", "shared": true}, "admin manager member reader foreign none service domain system"},
		{"neutron", "create_port:fixed_ips", Target{"project_id": "p9", "network:project_id": "p1"}, "admin manager member service"},
		{"neutron", "create_floatingip:floating_ip_address", own, "admin manager"},
		{"neutron", "get_agent", Target{}, "admin"},
		{"keystone", "identity:list_users", Target{"target.domain_id": "d9"}, "admin system"},
		{"keystone", "identity:create_user", Target{"target.user.domain_id": "d1"}, "admin domain"},
		{"keystone", "identity:create_user", Target{"target.user.domain_id": "d2"}, "admin"},
		{"keystone", "identity:get_user", Target{"target.user.id": "ur", "target.user.domain_id": "d9"}, "admin reader system"},
		{"keystone", "identity:validate_token", Target{"target.token.user_id": "um"}, "admin member service system"},
		{"keystone", "identity:create_project", Target{"target.project.domain_id": nil}, "admin"},
	}
	engines := map[string]*Engine{}
	for _, tt := range tests {
		e := engines[tt.service]
		if e == nil {
			var err error
			if e, err = Service(tt.service, nil); err != nil {
				t.Fatal(err)
			}
			engines[tt.service] = e
		}
		if !e.Exists(tt.rule) {
			t.Errorf("%s has no rule %s", tt.service, tt.rule)
			continue
		}
		for name, who := range personas {
			want := strings.Contains(" "+tt.want+" ", " "+name+" ")
			if got := e.Allows(tt.rule, who, tt.target); got != want {
				t.Errorf("%s %s by %s: got %v; %v", tt.service, tt.rule, name, got, e.Explain(tt.rule, who, tt.target))
			}
		}
	}
}

// TestDefaults: every documented rule compiles and leads somewhere.
func TestDefaults(t *testing.T) {
	for service, least := range map[string]int{"keystone": 200, "nova": 200, "cinder": 160, "neutron": 340, "glance": 60, "placement": 35} {
		e, err := Service(service, nil)
		if err != nil {
			t.Errorf("%s: %v", service, err)
			continue
		}
		if n := len(e.Rules()); n < least {
			t.Errorf("%s: %d rules, want %d", service, n, least)
		}
		for _, p := range e.Problems() {
			t.Errorf("%s: %s", service, p)
		}
	}
	if _, err := Service("nowhere", nil); err == nil {
		t.Error("an unknown service opened")
	}
}
