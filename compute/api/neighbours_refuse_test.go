package api_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"altostack/compute"
	"altostack/compute/computetest"
	"altostack/kernel/contract"
)

// refusal is a request and what it gets; text is part of the message.
type refusal struct {
	who, version, method, path string
	body                       any
	status                     int
	text                       string
}

func refuseAll(t *testing.T, c *computetest.Client, all map[string]refusal) {
	t.Helper()
	for name, tt := range all {
		t.Run(name, func(t *testing.T) {
			if tt.who == "" {
				tt.who = "admin"
			}
			w := c.As(tt.who, tt.version).Raw(tt.method, tt.path, tt.body)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.text) {
				t.Errorf("%s %s: %d %s, want %d with %q", tt.method, tt.path, w.Code, w.Body, tt.status, tt.text)
			}
		})
	}
}

const nobody = "aaaaaaaa-0000-4000-8000-000000000000"

func TestFlavorsRefuse(t *testing.T) {
	c := computetest.API(t, computetest.Open(t, computetest.New("host1")))
	const one = "/v2.1/flavors/42"
	flavor := func(pairs ...any) map[string]any {
		b := m("name", "n", "ram", 64, "vcpus", 1, "disk", 1)
		for k, v := range m(pairs...) {
			b[k] = v
		}
		return m("flavor", b)
	}
	c.As("admin", "").Do("POST", "/v2.1/flavors", flavor("name", "private", "id", 7, "os-flavor-access:is_public", "False"), 200)
	c.As("admin", "").Do("POST", "/v2.1/flavors/7/action", m("addTenantAccess", m("tenant", computetest.Project)), 200)
	refuseAll(t, c, map[string]refusal{
		"a taken id":                     {"", "", "POST", "/v2.1/flavors", flavor("id", "42"), 409, "Flavor with ID 42 already exists."},
		"a taken name":                   {"", "", "POST", "/v2.1/flavors", flavor("name", "m1.nano"), 409, "Flavor with name m1.nano already exists."},
		"a member creates":               {"member", "", "POST", "/v2.1/flavors", flavor(), 403, "os-flavor-manage:create"},
		"no memory":                      {"", "", "POST", "/v2.1/flavors", flavor("ram", 0), 400, "ram"},
		"a description too early":        {"", "2.54", "POST", "/v2.1/flavors", flavor("description", "x"), 400, "description"},
		"no such flavor":                 {"member", "", "GET", "/v2.1/flavors/none", nil, 404, "Flavor none could not be found."},
		"delete of none":                 {"", "", "DELETE", "/v2.1/flavors/none", nil, 404, "Flavor none could not be found."},
		"a member deletes":               {"member", "", "DELETE", one, nil, 403, ""},
		"an update too early":            {"", "2.54", "PUT", one, m("flavor", m("description", "x")), 404, ""},
		"a marker of nothing":            {"member", "", "GET", "/v2.1/flavors?marker=none", nil, 400, "marker [none] not found"},
		"an unknown sort key":            {"member", "", "GET", "/v2.1/flavors?sort_key=colour", nil, 400, "sort_key"},
		"a limit that is no number":      {"member", "", "GET", "/v2.1/flavors?limit=x", nil, 400, "limit"},
		"a bad minDisk":                  {"member", "", "GET", "/v2.1/flavors?minDisk=x", nil, 400, "Invalid minDisk filter [x]"},
		"a bad is_public":                {"", "", "GET", "/v2.1/flavors?is_public=maybe", nil, 400, "Invalid is_public filter [maybe]"},
		"access of a public flavor":      {"", "", "GET", one + "/os-flavor-access", nil, 404, "Access list not available for public flavors."},
		"sharing a public flavor":        {"", "2.7", "POST", one + "/action", m("addTenantAccess", m("tenant", "p")), 409, "Can not add access to a public flavor."},
		"sharing twice":                  {"", "", "POST", "/v2.1/flavors/7/action", m("addTenantAccess", m("tenant", computetest.Project)), 409, "Flavor access already exists for flavor 7"},
		"unsharing what is not shared":   {"", "", "POST", "/v2.1/flavors/7/action", m("removeTenantAccess", m("tenant", "p")), 404, "Flavor access not found for 7 / p combination."},
		"a member shares":                {"member", "", "POST", "/v2.1/flavors/7/action", m("addTenantAccess", m("tenant", "p")), 403, ""},
		"a member sets specs":            {"member", "", "POST", one + "/os-extra_specs", m("extra_specs", m("a", "b")), 403, ""},
		"a spec that is not there":       {"member", "", "GET", one + "/os-extra_specs/a", nil, 404, "Flavor 42 has no extra specs with key a."},
		"unsetting a spec not there":     {"", "", "DELETE", one + "/os-extra_specs/a", nil, 404, "Flavor 42 has no extra specs with key a."},
		"another spec than the path's":   {"", "", "PUT", one + "/os-extra_specs/a", m("b", "1"), 400, "Request body and URI mismatch"},
		"two specs at once":              {"", "", "PUT", one + "/os-extra_specs/a", m("a", "1", "b", "1"), 400, ""},
		"a spec of a known space":        {"", "2.86", "POST", one + "/os-extra_specs", m("extra_specs", m("hw:colour", "red")), 400, "extra spec 'hw:colour' does not appear to be a valid extra spec."},
		"a spec of a wrong kind":         {"", "2.86", "POST", one + "/os-extra_specs", m("extra_specs", m("hw:numa_nodes", "many")), 400, "'many' is not a valid integer value."},
		"a spec below its least":         {"", "2.86", "PUT", one + "/os-extra_specs/hw:numa_nodes", m("hw:numa_nodes", "0"), 400, "'0' is less than the min value of '1'."},
		"a spec out of the words":        {"", "2.86", "PUT", one + "/os-extra_specs/hw:cpu_policy", m("hw:cpu_policy", "x"), 400, "'x' is not one of: "},
		"a spec of another form":         {"", "2.86", "PUT", one + "/os-extra_specs/hw:numa_cpus.0", m("hw:numa_cpus.0", "x"), 400, "'x' is not of the format"},
		"a spec that is no truth value":  {"", "2.86", "PUT", one + "/os-extra_specs/hw:pmu", m("hw:pmu", "perhaps"), 400, "is not a valid boolean-like value."},
		"unknown filters from 2.75":      {"", "2.75", "GET", "/v2.1/flavors?colour=red", nil, 400, ""},
		"a private flavor of strangers":  {"stranger", "", "GET", "/v2.1/flavors/7", nil, 404, ""},
		"a name that is no expression":   {"", "2.102", "GET", "/v2.1/flavors?name=(", nil, 400, "name"},
		"no token":                       {"nobody", "", "GET", "/v2.1/flavors", nil, 401, ""},
		"specs of a flavor that is none": {"", "", "GET", "/v2.1/flavors/none/os-extra_specs", nil, 404, ""},
	})
	admin := c.As("admin", "2.86")
	for key, value := range map[string]string{"foo:bar": "1", "own": "x", "hw:numa_mem.1": "64", "trait:CUSTOM_GOLD": "required", "resources1:VCPU": "2", "quota:disk_read_iops_sec": "9", "aggregate_instance_extra_specs:ssd": "true"} {
		admin.Do("POST", one+"/os-extra_specs", m("extra_specs", m(key, value)), 200)
	}
	got, _ := c.As("admin", "2.102").Do("GET", "/v2.1/flavors?name=^priv&is_public=None", nil, 200)
	if n := len(got["flavors"].([]any)); n != 1 {
		t.Errorf("the name ^priv finds %d flavors", n)
	}
	for value, want := range map[string]int{"": 1, "?is_public=True": 1, "?is_public=False": 1, "?is_public=f": 1, "?is_public=None": 2, "?minRam=65": 0} {
		got, _ := c.As("admin", "").Do("GET", "/v2.1/flavors"+value, nil, 200)
		if n := len(got["flavors"].([]any)); n != want {
			t.Errorf("flavors%s are %d, want %d", value, n, want)
		}
	}
	got, _ = c.As("member", "").Do("GET", "/v2.1/flavors?limit=1&sort_key=description&sort_dir=desc", nil, 200)
	next := got["flavors_links"].([]any)[0].(map[string]any)["href"].(string)
	got, _ = c.As("member", "").Do("GET", strings.TrimPrefix(next, "http://cloud/compute"), nil, 200)
	if n := len(got["flavors"].([]any)); n != 1 || got["flavors_links"] != nil {
		t.Errorf("the second and last page has %d flavors, links %v", n, got["flavors_links"])
	}
}

func TestKeypairsRefuse(t *testing.T) {
	c := computetest.API(t, computetest.Open(t, computetest.New("host1")))
	key := func(pairs ...any) map[string]any { return m("keypair", m(pairs...)) }
	c.Do("POST", "/v2.1/os-keypairs", key("name", "mine", "public_key", publicKey), 200)
	refuseAll(t, c, map[string]refusal{
		"a taken name":             {"member", "", "POST", "/v2.1/os-keypairs", key("name", "mine", "public_key", publicKey), 409, "Key pair 'mine' already exists."},
		"a key that is none":       {"member", "", "POST", "/v2.1/os-keypairs", key("name", "k", "public_key", "ssh-rsa JUNK nova@ubuntu"), 400, "Keypair data is invalid: failed to generate fingerprint"},
		"a key after options":      {"member", "", "POST", "/v2.1/os-keypairs", key("name", "k", "public_key", `command="x" `+publicKey), 400, "Keypair data is invalid"},
		"a key after a line":       {"member", "", "POST", "/v2.1/os-keypairs", key("name", "k", "public_key", "x\n"+publicKey), 400, "Keypair data is invalid"},
		"an empty key":             {"member", "", "POST", "/v2.1/os-keypairs", key("name", "k", "public_key", ""), 400, "Keypair data is invalid"},
		"a key too long":           {"member", "", "POST", "/v2.1/os-keypairs", key("name", "k", "public_key", "ssh-rsa "+strings.Repeat("A", 2048)+" x"), 400, ""},
		"an empty name":            {"member", "", "POST", "/v2.1/os-keypairs", key("name", ""), 400, "name"},
		"a long name":              {"member", "", "POST", "/v2.1/os-keypairs", key("name", strings.Repeat("k", 256)), 400, "name"},
		"a name of other signs":    {"member", "", "POST", "/v2.1/os-keypairs", key("name", "keypair/"), 400, "name"},
		"@ before 2.92":            {"member", "2.91", "POST", "/v2.1/os-keypairs", key("name", "a@b", "public_key", publicKey), 400, "name"},
		"a type too early":         {"member", "", "POST", "/v2.1/os-keypairs", key("name", "k", "type", "ssh"), 400, "type"},
		"no such key":              {"member", "", "GET", "/v2.1/os-keypairs/none", nil, 404, "Keypair none not found for user"},
		"delete of none":           {"member", "", "DELETE", "/v2.1/os-keypairs/none", nil, 404, "Keypair none not found for user"},
		"another user's key":       {"stranger", "", "GET", "/v2.1/os-keypairs/mine", nil, 404, ""},
		"asking for another user":  {"stranger", "2.10", "GET", "/v2.1/os-keypairs/mine?user_id=" + computetest.User, nil, 403, "os-keypairs:show"},
		"making for another user":  {"stranger", "2.10", "POST", "/v2.1/os-keypairs", key("name", "k", "user_id", computetest.User), 403, ""},
		"listing another user's":   {"stranger", "2.10", "GET", "/v2.1/os-keypairs?user_id=" + computetest.User, nil, 403, ""},
		"a marker of nothing":      {"member", "2.35", "GET", "/v2.1/os-keypairs?marker=none", nil, 400, "none"},
		"a pair that is not asked": {"member", "2.92", "POST", "/v2.1/os-keypairs", key("name", "k"), 400, "public_key"},
	})
	got, _ := c.As("admin", "2.10").Do("GET", "/v2.1/os-keypairs/mine?user_id="+computetest.User, nil, 200)
	if fp := got["keypair"].(map[string]any)["fingerprint"]; fp != publicKeyMD5 {
		t.Errorf("fingerprint is %v", fp)
	}
	got, _ = c.As("member", "2.2").Do("POST", "/v2.1/os-keypairs", key("name", "windows", "type", "x509"), 201)
	pair := got["keypair"].(map[string]any)
	if _, err := tls.X509KeyPair([]byte(pair["public_key"].(string)), []byte(pair["private_key"].(string))); err != nil || len(pair["fingerprint"].(string)) != 59 {
		t.Errorf("a certificate of %v: %v", pair["fingerprint"], err)
	}
	c.As("member", "2.2").Do("POST", "/v2.1/os-keypairs", key("name", "copy", "type", "x509", "public_key", pair["public_key"]), 201)
	c.As("admin", "").Do("PUT", "/v2.1/os-quota-sets/"+computetest.Project, m("quota_set", m("key_pairs", 1)), 200)
	refuseAll(t, c, map[string]refusal{"one too many": {"member", "", "POST", "/v2.1/os-keypairs", key("name", "k", "public_key", publicKey), 403, "Quota exceeded, too many key pairs."}})
}

func TestQuotasRefuse(t *testing.T) {
	cloud := computetest.Open(t, computetest.New("host1"))
	cloud.Boot(t, nil)
	c := computetest.API(t, cloud)
	const set = "/v2.1/os-quota-sets/" + computetest.Project
	quota := func(pairs ...any) map[string]any { return m("quota_set", m(pairs...)) }
	refuseAll(t, c, map[string]refusal{
		"a member sets":               {"member", "", "PUT", set, quota("ram", 1), 403, ""},
		"a stranger asks":             {"stranger", "", "GET", set, nil, 403, ""},
		"less than is used":           {"", "", "PUT", set, quota("ram", 1), 400, "Quota limit 1 for ram must be greater than or equal to already used and reserved 64."},
		"less than minus one":         {"", "", "PUT", set, quota("ram", -2), 400, ""},
		"an unknown resource":         {"", "", "PUT", set, quota("colours", 1), 400, ""},
		"networks from 2.36":          {"", "2.36", "PUT", set, quota("fixed_ips", 1), 400, ""},
		"files from 2.57":             {"", "2.57", "PUT", set, quota("injected_files", 1), 400, ""},
		"a user above the project":    {"", "", "PUT", set + "?user_id=u", quota("cores", 21), 400, "must be less than or equal to 20."},
		"a user below the use":        {"", "", "PUT", set + "?user_id=" + computetest.User, quota("cores", 0), 400, "already used and reserved 1."},
		"a member sees classes":       {"member", "", "GET", "/v2.1/os-quota-class-sets/default", nil, 403, ""},
		"another's limits":            {"member", "", "GET", "/v2.1/limits?tenant_id=other", nil, 403, ""},
		"a member resets":             {"member", "", "DELETE", set, nil, 403, ""},
		"a class with a wrong member": {"", "", "PUT", "/v2.1/os-quota-class-sets/default", m("quota_class_set", m("colours", 1)), 400, ""},
	})
	for _, path := range []string{set, "/v2.1/os-quota-class-sets/default"} {
		member := "quota_set"
		if path != set {
			member = "quota_class_set"
		}
		if got, _ := c.As("admin", "").Do("PUT", path, m(member, m("fixed_ips", 99)), 200); got[member].(map[string]any)["fixed_ips"] != 99.0 {
			t.Errorf("PUT %s forgets what others count: %v", path, got)
		}
	}
	admin := c.As("admin", "2.57")
	admin.Do("PUT", "/v2.1/os-quota-class-sets/gold", m("quota_class_set", m("cores", 7)), 200)
	if got, _ := c.Do("GET", set, nil, 200); got["quota_set"].(map[string]any)["cores"] != 20.0 {
		t.Errorf("a class of nobody's changed the project's cores: %v", got)
	}
	admin.Do("PUT", set+"?user_id="+computetest.User, quota("instances", 1), 200)
	got, _ := admin.Do("GET", set+"/detail?user_id="+computetest.User, nil, 200)
	if in := got["quota_set"].(map[string]any)["instances"].(map[string]any); in["limit"] != 1.0 || in["in_use"] != 1.0 {
		t.Errorf("the user's instances are %v", in)
	}
	body := m("server", m("name", "two", "imageRef", computetest.ImageID, "flavorRef", computetest.FlavorID))
	refuseAll(t, c, map[string]refusal{"the user's own limit": {"member", "", "POST", "/v2.1/servers", body, 403, "Quota exceeded for instances: Requested 1, but already used 1 of 1 instances"}})
	admin.Do("DELETE", set+"?user_id="+computetest.User, nil, 202)
	got, _ = admin.Do("GET", set+"?user_id="+computetest.User, nil, 200)
	if got["quota_set"].(map[string]any)["instances"] != 10.0 {
		t.Errorf("the user's limits are not gone: %v", got)
	}
}

func TestHostsRefuse(t *testing.T) {
	cloud := computetest.Open(t, computetest.New("host1"))
	cloud.Boot(t, nil)
	c := computetest.API(t, cloud)
	const hv, sv = "/v2.1/os-hypervisors", "/v2.1/os-services"
	service := func(pairs ...any) map[string]any {
		b := m("host", "host1", "binary", "nova-compute")
		for k, v := range m(pairs...) {
			b[k] = v
		}
		return b
	}
	refuseAll(t, c, map[string]refusal{
		"a member lists":                {"member", "", "GET", hv, nil, 403, ""},
		"a member lists details":        {"member", "", "GET", hv + "/detail", nil, 403, ""},
		"a member shows":                {"member", "", "GET", hv + "/1", nil, 403, ""},
		"a member reads the uptime":     {"member", "", "GET", hv + "/1/uptime", nil, 403, ""},
		"a member counts":               {"member", "", "GET", hv + "/statistics", nil, 403, ""},
		"none by UUID before 2.53":      {"", "", "GET", hv + "/" + nobody, nil, 404, "could not be found"},
		"uptime of none":                {"", "", "GET", hv + "/" + nobody + "/uptime", nil, 404, ""},
		"a number from 2.53":            {"", "2.53", "GET", hv + "/1", nil, 400, "Invalid uuid 1"},
		"search of nothing":             {"", "", "GET", hv + "/nonexistent/search", nil, 404, "No hypervisor matching 'nonexistent' could be found."},
		"servers of nothing":            {"", "", "GET", hv + "/" + nobody + "/servers", nil, 404, ""},
		"search from 2.53":              {"", "2.53", "GET", hv + "/host/search", nil, 404, ""},
		"a pattern of nothing":          {"", "2.53", "GET", hv + "?hypervisor_hostname_pattern=x", nil, 404, "No hypervisor matching 'x' could be found."},
		"a pattern with a page":         {"", "2.53", "GET", hv + "?hypervisor_hostname_pattern=h&limit=1", nil, 400, "Paging over hypervisors"},
		"a marker of nothing":           {"", "2.33", "GET", hv + "?marker=9", nil, 400, "marker [9] not found"},
		"statistics from 2.88":          {"", "2.88", "GET", hv + "/statistics", nil, 404, ""},
		"uptime from 2.88":              {"", "2.88", "GET", hv + "/" + nobody + "/uptime", nil, 404, ""},
		"a member lists services":       {"member", "", "GET", sv, nil, 403, ""},
		"a service of none":             {"", "2.53", "PUT", sv + "/" + nobody, m("status", "enabled"), 404, "Service " + nobody + " could not be found."},
		"a service by number from 2.53": {"", "2.53", "PUT", sv + "/1", m("status", "enabled"), 400, "Invalid uuid 1"},
		"the scheduler":                 {"", "2.53", "PUT", sv + "/00000000-0000-4000-8000-000000000001", m("status", "disabled"), 400, "Updating a nova-scheduler service is not supported."},
		"an unknown host":               {"", "", "PUT", sv + "/disable", service("host", "x"), 404, "x"},
		"no reason":                     {"", "", "PUT", sv + "/disable-log-reason", service(), 400, "Missing disabled reason field"},
		"the scheduler by name":         {"", "", "PUT", sv + "/disable", service("binary", "nova-scheduler"), 400, "Only nova-compute"},
		"an unknown act":                {"", "", "PUT", sv + "/explode", service(), 404, ""},
		"force-down too early":          {"", "2.10", "PUT", sv + "/force-down", service("forced_down", true), 404, ""},
		"delete of what is in use":      {"", "", "DELETE", sv + "/1", nil, 409, "Unable to delete compute service that is hosting instances."},
		"delete by a word":              {"", "", "DELETE", sv + "/x", nil, 400, "id must be an integer"},
		"delete of none":                {"", "", "DELETE", sv + "/99", nil, 404, ""},
		"a member's zones in detail":    {"member", "", "GET", "/v2.1/os-availability-zone/detail", nil, 403, ""},
		"an unknown filter from 2.75":   {"", "2.75", "GET", sv + "?xxx=1", nil, 400, ""},
	})
	h, _, err := cloud.Service.HostBy(t.Context(), func(compute.Host) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	refuseAll(t, c, map[string]refusal{
		"enabling with a reason": {"", "2.53", "PUT", sv + "/" + h.ServiceID, m("status", "enabled", "disabled_reason", "x"), 400, "is invalid."},
		"changing nothing":       {"", "2.53", "PUT", sv + "/" + h.ServiceID, m("disabled_reason", "x"), 400, "No updates were requested."},
	})
	for query, want := range map[string]int{"": 3, "?xxx=1": 3, "?host=host1": 1, "?binary=nova-compute": 1, "?host=host1&binary=xxx": 0, "?host=xxx&binary=nova-compute": 0} {
		got, _ := c.As("admin", "").Do("GET", sv+query, nil, 200)
		if n := len(got["services"].([]any)); n != want {
			t.Errorf("services%s are %d, want %d", query, n, want)
		}
	}
}

// TestAggregateMovesItsHosts follows a host into a zone, where a server then
// boots, and out of it again.
func TestAggregateMovesItsHosts(t *testing.T) {
	cloud := computetest.Open(t, computetest.New("host1", "host2"))
	c := computetest.API(t, cloud)
	admin := c.As("admin", "")
	const all = "/v2.1/os-aggregates"
	admin.Do("POST", all, m("aggregate", m("name", "london", "availability_zone", "london")), 200)
	admin.Do("POST", all, m("aggregate", m("name", "paris", "availability_zone", "paris")), 200)
	admin.Do("POST", all, m("aggregate", m("name", "plain")), 200)
	join := func(agg int, host string) map[string]any { return m("add_host", m("host", host)) }
	admin.Do("POST", all+"/1/action", join(1, "host2"), 200)
	for range 3 {
		s := cloud.Boot(t, func(c *compute.Create) { c.Zone = "london" })
		if s.Host != "host2" || s.Zone != "london" {
			t.Fatalf("a server in london is on %s in %s", s.Host, s.Zone)
		}
	}
	zones, _ := c.Do("GET", "/v2.1/os-availability-zone", nil, 200)
	if got := fmt.Sprint(zones["availabilityZoneInfo"]); !strings.Contains(got, "zoneName:london") || !strings.Contains(got, "zoneName:nova") {
		t.Errorf("zones are %s", got)
	}
	refuseAll(t, c, map[string]refusal{
		"a member lists":            {"member", "", "GET", all, nil, 403, ""},
		"a member makes":            {"member", "", "POST", all, m("aggregate", m("name", "x")), 403, ""},
		"a member adds":             {"member", "", "POST", all + "/1/action", join(1, "host1"), 403, ""},
		"a member deletes":          {"member", "", "DELETE", all + "/1", nil, 403, ""},
		"a taken name":              {"", "", "POST", all, m("aggregate", m("name", "london")), 409, "Aggregate london already exists."},
		"renaming to a taken name":  {"", "", "PUT", all + "/2", m("aggregate", m("name", "london")), 409, "Aggregate london already exists."},
		"an empty name":             {"", "", "POST", all, m("aggregate", m("name", "")), 400, "name"},
		"a long name":               {"", "", "POST", all, m("aggregate", m("name", strings.Repeat("a", 256))), 400, "name"},
		"show of none":              {"", "", "GET", all + "/-1", nil, 404, "Aggregate -1 could not be found."},
		"delete of none":            {"", "", "DELETE", all + "/-1", nil, 404, "Aggregate -1 could not be found."},
		"show of a word":            {"", "", "GET", all + "/x", nil, 400, "id must be an integer"},
		"a host that is none":       {"", "", "POST", all + "/1/action", join(1, "host9"), 404, "Compute host host9 could not be found."},
		"a host twice":              {"", "", "POST", all + "/1/action", join(1, "host2"), 409, "Aggregate 1 already has host host2."},
		"a host in two zones":       {"", "", "POST", all + "/2/action", join(2, "host2"), 409, "already in availability zone(s) ['london']"},
		"taking out one not in it":  {"", "", "POST", all + "/1/action", m("remove_host", m("host", "host1")), 404, "Cannot remove host host1 in aggregate 1"},
		"taking servers along":      {"", "", "POST", all + "/1/action", m("remove_host", m("host", "host2")), 409, "3 instance(s)"},
		"renaming the zone of them": {"", "", "PUT", all + "/1", m("aggregate", m("availability_zone", "rome")), 400, "One or more hosts contain instances in this zone"},
		"the same by metadata":      {"", "", "POST", all + "/1/action", m("set_metadata", m("metadata", m("availability_zone", "rome"))), 400, "Cannot update metadata of aggregate 1."},
		"no zone":                   {"", "", "PUT", all + "/2", m("aggregate", m("availability_zone", nil)), 400, "does not support empty named availability zone"},
		"delete with hosts":         {"", "", "DELETE", all + "/1", nil, 400, "Host aggregate is not empty."},
		"an unknown zone":           {"member", "", "POST", "/v2.1/servers", m("server", m("name", "s", "imageRef", computetest.ImageID, "flavorRef", computetest.FlavorID, "availability_zone", "rome")), 400, "The requested availability zone is not available"},
	})
	admin.Do("POST", all+"/3/action", join(3, "host2"), 200) // without a zone it may be in as many as there are
	admin.Do("POST", all+"/3/action", m("set_metadata", m("metadata", m("ssd", "true", "gone", nil))), 200)
	admin.Do("POST", all+"/2/action", join(2, "host1"), 200)
	got, _ := admin.Do("POST", all+"/2/action", m("remove_host", m("host", "host1")), 200)
	if hosts := got["aggregate"].(map[string]any)["hosts"]; len(hosts.([]any)) != 0 {
		t.Errorf("hosts are %v", hosts)
	}
	h, _, err := cloud.Service.HostBy(t.Context(), func(h compute.Host) bool { return h.Name == "host1" })
	if err != nil || h.Zone != compute.DefaultZone {
		t.Errorf("a host taken out is in zone %s, %v", h.Zone, err)
	}
	admin.Do("DELETE", all+"/2", nil, 200)
}

func TestServerGroups(t *testing.T) {
	cloud := computetest.Open(t, computetest.New("host1", "host2"))
	c := computetest.API(t, cloud)
	const all = "/v2.1/os-server-groups"
	group := func(pairs ...any) map[string]any { return m("server_group", m(pairs...)) }
	got, _ := c.As("member", "2.64").Do("POST", all, group("name", "g", "policy", "anti-affinity", "rules", m("max_server_per_host", "2")), 200)
	id := got["server_group"].(map[string]any)["id"].(string)
	on := map[string]int{}
	for range 4 {
		s := cloud.Boot(t, func(c *compute.Create) { c.Hints = map[string]any{"group": id} })
		on[s.Host]++
	}
	if on["host1"] != 2 || on["host2"] != 2 {
		t.Errorf("two to a host gives %v", on)
	}
	if s := cloud.Boot(t, func(c *compute.Create) { c.Hints = map[string]any{"group": id} }); s.VMState != compute.VMError {
		t.Errorf("the fifth of four is %s", s.VMState)
	}
	got, _ = c.Do("GET", all+"/"+id, nil, 200)
	if n := len(got["server_group"].(map[string]any)["members"].([]any)); n != 5 {
		t.Errorf("the group shows %d members", n)
	}
	refuseAll(t, c, map[string]refusal{
		"no such group":           {"member", "", "GET", all + "/" + nobody, nil, 404, "Instance group " + nobody + " could not be found."},
		"delete of none":          {"member", "", "DELETE", all + "/" + nobody, nil, 404, ""},
		"a stranger's":            {"stranger", "", "GET", all + "/" + id, nil, 403, ""},
		"deleting a stranger's":   {"stranger", "", "DELETE", all + "/" + id, nil, 403, ""},
		"a reader makes":          {"reader", "", "POST", all, group("name", "g", "policies", []string{"affinity"}), 403, ""},
		"soft policies too early": {"member", "2.14", "POST", all, group("name", "g", "policies", []string{"soft-affinity"}), 400, ""},
		"policies from 2.64":      {"member", "2.64", "POST", all, group("name", "g", "policies", []string{"affinity"}), 400, ""},
		"two policies":            {"member", "", "POST", all, group("name", "g", "policies", []string{"affinity", "anti-affinity"}), 400, ""},
		"rules of affinity":       {"member", "2.64", "POST", all, group("name", "g", "policy", "affinity", "rules", m("max_server_per_host", 2)), 400, "Only anti-affinity policy supports rules."},
		"no name":                 {"member", "", "POST", all, group("policies", []string{"affinity"}), 400, "name"},
	})
	c.Do("POST", all, group("name", "g", "policies", []string{"affinity"}), 200) // of the same name
	count := func(who, query string) int {
		got, _ := c.As(who, "").Do("GET", all+query, nil, 200)
		return len(got["server_groups"].([]any))
	}
	if a, b, d, e := count("member", ""), count("stranger", "?all_projects=1"), count("admin", ""), count("admin", "?all_projects=1"); a != 2 || b != 0 || d != 0 || e != 2 {
		t.Errorf("lists have %d, %d, %d, %d groups", a, b, d, e)
	}
	if a, b := count("member", "?limit=1"), count("member", "?offset=2"); a != 1 || b != 0 {
		t.Errorf("pages have %d and %d groups", a, b)
	}
	admin := c.As("admin", "")
	admin.Do("PUT", "/v2.1/os-quota-sets/"+computetest.Project, m("quota_set", m("server_groups", 2, "server_group_members", 5)), 200)
	server := m("server", m("name", "s", "imageRef", computetest.ImageID, "flavorRef", computetest.FlavorID), "os:scheduler_hints", m("group", id))
	refuseAll(t, c, map[string]refusal{
		"one group too many":  {"member", "", "POST", all, group("name", "g", "policies", []string{"affinity"}), 403, "Quota exceeded, too many server groups."},
		"one member too many": {"member", "", "POST", "/v2.1/servers", server, 403, "Quota exceeded, too many servers in group"},
	})
	c.Do("DELETE", all+"/"+id, nil, 204)
}

func TestUsageReports(t *testing.T) {
	cloud := computetest.Open(t, computetest.New("host1"))
	for range 3 {
		cloud.Boot(t, nil)
	}
	c := computetest.API(t, cloud)
	const all = "/v2.1/os-simple-tenant-usage"
	now := time.Now().UTC()
	period := "?start=" + now.Add(-24*time.Hour).Format("2006-01-02T15:04:05.000000") + "&end=" + now.Add(24*time.Hour).Format("2006-01-02T15:04:05.000000")
	wrong := "?start=" + now.Format("2006-01-02T15:04:05") + "&end=" + now.Add(-time.Hour).Format("2006-01-02T15:04:05")
	refuseAll(t, c, map[string]refusal{
		"no project":               {"", "", "GET", all + "/" + period, nil, 404, ""},
		"an end before the start":  {"", "", "GET", all + "/" + computetest.Project + wrong, nil, 400, "Invalid start time."},
		"no date":                  {"", "", "GET", all + "?start=yesterday", nil, 400, "Invalid datetime string"},
		"a member lists everybody": {"member", "", "GET", all + period, nil, 403, ""},
		"a stranger's report":      {"stranger", "", "GET", all + "/" + computetest.Project + period, nil, 403, ""},
		"a marker of nothing":      {"", "2.40", "GET", all + period + "&marker=" + nobody, nil, 400, nobody},
	})
	got, _ := c.Do("GET", all+"/"+computetest.Project+period, nil, 200)
	usage := got["tenant_usage"].(map[string]any)
	if n := len(usage["server_usages"].([]any)); n != 3 || usage["total_hours"].(float64) <= 0 || usage["total_hours"].(float64) > 1 {
		t.Errorf("the report has %d servers: %v", n, usage)
	}
	if got, _ := c.As("admin", "").Do("GET", all+"/other"+period, nil, 200); len(got["tenant_usage"].(map[string]any)) != 0 {
		t.Errorf("a project without servers has %v", got)
	}
	c.As("admin", "").Do("GET", all, nil, 200) // from now to now
	seen, path := map[string]bool{}, all+"/"+computetest.Project+period+"&limit=1"
	for path != "" {
		got, _ := c.As("admin", "2.40").Do("GET", path, nil, 200)
		for _, s := range got["tenant_usage"].(map[string]any)["server_usages"].([]any) {
			seen[s.(map[string]any)["instance_id"].(string)] = true
		}
		path = ""
		if links, more := got["tenant_usage_links"].([]any); more {
			path = strings.TrimPrefix(links[0].(map[string]any)["href"].(string), "http://cloud/compute")
		}
	}
	if len(seen) != 3 {
		t.Errorf("pages show %d servers", len(seen))
	}
}

func TestExternalEvents(t *testing.T) {
	cloud := computetest.Open(t, computetest.New("host1"))
	s := cloud.Boot(t, nil)
	c := computetest.API(t, cloud).As("admin", "2.51")
	event := func(name, server string) map[string]any { return m("name", name, "server_uuid", server) }
	w := c.Raw("POST", "/v2.1/os-server-external-events", m("events", []any{event("network-changed", s.ID), event("network-changed", nobody), event("volume-extended", s.ID)}))
	for _, want := range []string{`"code":200`, `"code":404`, `"code":400`, `"status":"completed"`} {
		if w.Code != http.StatusMultiStatus || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%d %s, want %s", w.Code, w.Body, want)
		}
	}
	c.As("member", "").Do("POST", "/v2.1/os-server-external-events", m("events", []any{event("network-changed", s.ID)}), 403)
	c.As("admin", "").Do("POST", "/v2.1/os-server-external-events", m("events", []any{event("volume-extended", s.ID)}), 400)
}

func TestExtensionsAndMigrations(t *testing.T) {
	c := computetest.API(t, computetest.Open(t, computetest.New("host1")))
	got, _ := c.Do("GET", "/v2.1/extensions", nil, 200)
	if n := len(got["extensions"].([]any)); n != 99 {
		t.Errorf("there are %d extensions", n)
	}
	got, _ = c.Do("GET", "/v2.1/extensions/os-server-groups", nil, 200)
	if e := got["extension"].(map[string]any); e["name"] != "ServerGroups" {
		t.Errorf("extension %v", e)
	}
	c.Do("GET", "/v2.1/extensions/none", nil, 404)
	c.As("admin", "2.59").Do("GET", "/v2.1/os-migrations", nil, 200)
	c.Do("GET", "/v2.1/os-migrations", nil, 403)
}

// TestRemovedIsGone calls every operation that Nova has removed.
func TestRemovedIsGone(t *testing.T) {
	c := computetest.API(t, computetest.Open(t, computetest.New("host1")))
	n := 0
	for _, o := range contract.Operations("nova") {
		if o.State != "removed" {
			continue
		}
		n++
		path := strings.NewReplacer("{id}", nobody, "{server_id}", nobody, "{domain_id}", "d").Replace(o.Path)
		var body any
		if o.Action != "" {
			body = m(o.Action, nil)
		}
		if w := c.Raw(o.Method, path, body); w.Code != http.StatusGone || !strings.Contains(w.Body.String(), `"code":410`) {
			t.Errorf("%s %s %s: %d %s", o.Method, o.Path, o.Action, w.Code, w.Body)
		}
		if w := c.As("nobody", "").Raw(o.Method, path, body); w.Code != http.StatusUnauthorized {
			t.Errorf("%s %s without a token: %d", o.Method, o.Path, w.Code)
		}
	}
	if n < 40 {
		t.Errorf("only %d operations are removed", n)
	}
}
