package contract

import (
	"slices"
	"strings"
	"testing"

	"altostack/kernel/policy"
)

// TestOperations: the counts of the published surface.
func TestOperations(t *testing.T) {
	want := map[string]int{"keystone": 308, "placement": 36, "nova": 270, "glance": 80, "neutron": 356, "cinder": 211, "swift": 38}
	for service, n := range want {
		if got := len(Operations(service)); got != n {
			t.Errorf("%s: %d operations, want %d", service, got, n)
		}
	}
	if Operations("nowhere") != nil {
		t.Error("an unknown service has operations")
	}
	for service, n := range map[string]int{"nova": 103, "cinder": 72, "placement": 40} {
		if got := len(Microversions(service)); got != n {
			t.Errorf("%s: %d microversions, want %d", service, got, n)
		}
	}
}

// TestPolicies: every rule an operation names is a rule of its service.
func TestPolicies(t *testing.T) {
	for _, service := range []string{"keystone", "placement", "nova", "glance", "neutron", "cinder"} {
		e, err := policy.Service(service, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range Operations(service) {
			if op.Policy != "" && !e.Exists(op.Policy) {
				t.Errorf("%s %s names rule %q", service, op.Key(), op.Policy)
			}
		}
	}
}

// TestUnique: no two operations of a service are the same route.
func TestUnique(t *testing.T) {
	for service := range operations() {
		seen := map[RouteKey]Operation{}
		for _, op := range Operations(service) {
			k := normalKey(service, op.Key())
			if first, twice := seen[k]; twice && first.Path != op.Path {
				t.Errorf("%s: %s and %s are one route", service, first.Key(), op.Key())
			}
			seen[k] = op
		}
	}
}

func TestNormalPath(t *testing.T) {
	tests := []struct{ service, a, b string }{
		{"nova", "/v2.1/servers/{id}", "/servers/{server_id}"},
		{"nova", "/v2.1/{project_id}/servers/{id}", "/servers/{id}"},
		{"cinder", "/v3/{project_id}/volumes/{id}", "/volumes/{volume_id}"},
		{"cinder", "/v3/{project_id}/volumes/{id}", "/v3/volumes/{id}"},
		{"neutron", "/v2.0/security-groups", "/v2.0/security_groups"},
		{"neutron", "/v2.0/security-groups/{sg_id}", "/security-groups/{id}"},
		{"keystone", "/v3/", "/v3"},
		{"placement", "/traits/{name}", "/traits/{trait}"},
		{"swift", "/v1/{account}/{container}/{object}", "/{account}/{container}/{object...}"},
	}
	for _, tt := range tests {
		if a, b := NormalPath(tt.service, tt.a), NormalPath(tt.service, tt.b); a != b {
			t.Errorf("%s: %s is %s, %s is %s", tt.service, tt.a, a, tt.b, b)
		}
	}
	if NormalPath("nova", "/v2.1") == NormalPath("nova", "/") {
		t.Error("the version document is the root")
	}
}

func TestCoverage(t *testing.T) {
	r := Coverage("nova", []RouteKey{
		{"GET", "/servers", ""}, {"POST", "/v2.1/servers/{id}/action", "reboot"}, {"GET", "/made-up", ""},
	})
	if r.All.Routed != 2 || r.All.Total != 270 || r.Tiers[1].Routed != 2 {
		t.Errorf("got %s", r)
	}
	if len(r.Unknown) != 1 || r.Unknown[0].Path != "/made-up" {
		t.Errorf("unknown: %v", r.Unknown)
	}
	if len(r.Missing) != 268 || r.Missing[0].Tier != 1 || r.Missing[267].Tier != 3 {
		t.Errorf("missing: %d", len(r.Missing))
	}
	if text := Table([]Report{r}); !strings.Contains(text, "2/270") || !strings.Contains(text, "unknown 1") {
		t.Errorf("table:\n%s", text)
	}
	var all []RouteKey
	for _, op := range Operations("cinder") {
		all = append(all, op.Key())
	}
	if r := Coverage("cinder", all); r.All.Routed != r.All.Total || len(r.Missing)+len(r.Unknown) != 0 {
		t.Errorf("routing everything leaves %v %v", r.Missing, r.Unknown)
	}
}

func find(t *testing.T, resource, name string) Attribute {
	t.Helper()
	list := NeutronAttributes(resource)
	i := slices.IndexFunc(list, func(a Attribute) bool { return a.Name == name })
	if i < 0 {
		t.Fatalf("%s has no attribute %s", resource, name)
	}
	return list[i]
}

func TestNeutronAttributes(t *testing.T) {
	name := find(t, "networks", "name")
	if !name.AllowPost || !name.AllowPut || name.Default != "" || !name.Specified || name.Required() || !name.SortKey {
		t.Errorf("networks.name: %+v", name)
	}
	if v := name.Validate; len(v) != 1 || v[0].Type != "string" || v[0].Arg != float64(255) {
		t.Errorf("networks.name validators: %+v", v)
	}
	if a := find(t, "subnets", "network_id"); !a.Required() || a.AllowPut {
		t.Errorf("subnets.network_id: %+v", a)
	}
	if a := find(t, "subnets", "gateway_ip"); a.Required() || a.Specified {
		t.Errorf("subnets.gateway_ip: %+v", a)
	}
	if a := find(t, "networks", "shared"); a.Default != false || a.ConvertTo != "boolean" || !a.EnforcePolicy {
		t.Errorf("networks.shared: %+v", a)
	}
	if a := find(t, "ports", "description"); a.Default != "" || a.Validate[0].Arg != float64(255) {
		t.Errorf("ports.description: %+v", a)
	}
	if a := find(t, "routers", "tags"); a.AllowPost || !a.Visible {
		t.Errorf("routers.tags: %+v", a)
	}
	for _, a := range NeutronAttributes("security_group_rules") {
		if a.Name == "tags" {
			t.Error("security group rules have no tags")
		}
	}
	if NeutronAttributes("*") != nil || NeutronAttributes("nothing") != nil {
		t.Error("attributes of no resource")
	}
	if !slices.Contains(NeutronResources(), "floatingips") {
		t.Error("floatingips are not listed")
	}
	for _, resource := range NeutronResources() {
		for _, a := range NeutronAttributes(resource) {
			for _, v := range a.Validate {
				if s, ok := v.Arg.(string); ok && strings.HasPrefix(s, "<") {
					t.Errorf("%s.%s: limit %s is not known", resource, a.Name, s)
				}
			}
		}
	}
}

func TestNeutronExtensions(t *testing.T) {
	list := NeutronExtensions()
	i := slices.IndexFunc(list, func(e Extension) bool { return e.Alias == "address-group" })
	if len(list) != 174 || i < 0 || list[i].Tier != 1 || !slices.Equal(list[i].Requires, []string{"security-group"}) {
		t.Errorf("%d extensions, address-group: %+v", len(list), list[max(i, 0)])
	}
}
