package api_test

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"altostack/compute"
	"altostack/compute/computetest"
)

// neighbourSamples are answers of the API reference, one to a line: its name,
// then the JSON.
//
//go:embed testdata/neighbours.tsv
var neighbourSamples string

// free are members whose own members are the user's, not the API's.
var free = map[string]bool{"metadata": true, "extra_specs": true, "cpu_info": true, "hosts": true}

// kinds writes what clients may rely on: members and the kinds of their values.
// null fits everything, so it is written as such and compared so.
func kinds(at string, v any, into map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		into[at] = "object"
		if free[at[strings.LastIndexByte(at, '.')+1:]] {
			return
		}
		for k, one := range v {
			kinds(at+"."+k, one, into)
		}
	case []any:
		into[at] = "list"
		if len(v) > 0 {
			kinds(at+"[]", v[0], into)
		}
	case nil:
		into[at] = "null"
	default:
		into[at] = fmt.Sprintf("%T", v)
	}
}

// wantShape compares an answer with a sample: the same members throughout, of
// the same kinds, where neither has an empty list or null.
func wantShape(t *testing.T, sample string, got map[string]any) {
	t.Helper()
	var want any
	for line := range strings.Lines(neighbourSamples) {
		if name, text, _ := strings.Cut(line, "\t"); name == sample {
			if err := json.Unmarshal([]byte(text), &want); err != nil {
				t.Fatal(err)
			}
		}
	}
	if want == nil {
		t.Fatalf("there is no sample %s", sample)
	}
	a, b := map[string]string{}, map[string]string{}
	kinds("", any(got), a)
	kinds("", want, b)
	known := func(path string, in map[string]string) bool { // the part before it says null or an empty list
		for p := path; p != ""; {
			if i := strings.LastIndexAny(p, ".["); i >= 0 {
				p = p[:i]
			} else {
				break
			}
			if in[p] == "null" || in[p] == "list" && in[p+"[]"] == "" {
				return false
			}
		}
		return true
	}
	for _, path := range slices.Sorted(maps.Keys(b)) {
		switch {
		case a[path] == "" && known(path, a):
			t.Errorf("%s: %s is missing", sample, path)
		case a[path] != "" && a[path] != b[path] && a[path] != "null" && b[path] != "null":
			t.Errorf("%s: %s is %s, want %s", sample, path, a[path], b[path])
		}
	}
	for _, path := range slices.Sorted(maps.Keys(a)) {
		if b[path] == "" && known(path, b) {
			t.Errorf("%s: %s is too much", sample, path)
		}
	}
}

const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDVDzzeBFcGoZWTUcLb0IeMFxUVVOvFbOQtCfuaRXS4R x"

// publicKeyMD5 is what ssh-keygen -E md5 says of it.
const publicKeyMD5 = "3f:14:94:5b:21:81:8e:8a:0f:1a:7f:b6:cf:db:1d:5b"

// windows walks the versions at which a resource's samples change.
func windows(t *testing.T, c *computetest.Client, group string, versions []string, f func(t *testing.T, c *computetest.Client, sample func(string) string)) {
	for _, v := range versions {
		t.Run(group+" "+v, func(t *testing.T) {
			f(t, c.As("admin", v), func(name string) string {
				if v == "2.1" {
					return group + "/" + name
				}
				return group + "/v" + v + "/" + name
			})
		})
	}
}

func m(pairs ...any) map[string]any {
	out := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i].(string)] = pairs[i+1]
	}
	return out
}

func TestSamplesOfFlavors(t *testing.T) {
	c := computetest.API(t, computetest.Open(t, computetest.New("host1")))
	n := 0
	windows(t, c, "flavor-manage", []string{"2.1", "2.55", "2.61", "2.75", "2.102"}, func(t *testing.T, c *computetest.Client, sample func(string) string) {
		n++
		body := m("name", fmt.Sprint("f", n), "ram", 1024, "vcpus", 2, "disk", 10, "id", fmt.Sprint("f", n))
		if c.Version != "2.1" {
			body["description"] = "test description"
		}
		got, _ := c.Do("POST", "/v2.1/flavors", m("flavor", body), 200)
		wantShape(t, sample("flavor-create-post-resp"), got)
		if c.Version != "2.1" {
			got, _ = c.Do("PUT", "/v2.1/flavors/"+fmt.Sprint("f", n), m("flavor", m("description", "other")), 200)
			wantShape(t, sample("flavor-update-resp"), got)
		}
	})
	windows(t, c, "flavors", []string{"2.1", "2.55", "2.61", "2.75", "2.102"}, func(t *testing.T, c *computetest.Client, sample func(string) string) {
		got, _ := c.Do("GET", "/v2.1/flavors/f2", nil, 200)
		wantShape(t, sample("flavor-get-resp"), got)
		got, _ = c.Do("GET", "/v2.1/flavors/detail", nil, 200)
		wantShape(t, sample("flavors-detail-resp"), got)
		got, _ = c.Do("GET", "/v2.1/flavors", nil, 200)
		wantShape(t, sample("flavors-list-resp"), got)
	})
	windows(t, c, "flavor-extra-specs", []string{"2.1"}, func(t *testing.T, c *computetest.Client, sample func(string) string) {
		got, _ := c.Do("POST", "/v2.1/flavors/f1/os-extra_specs", m("extra_specs", m("hw:cpu_policy", "shared", "hw:numa_nodes", "1")), 200)
		wantShape(t, sample("flavor-extra-specs-create-resp"), got)
		got, _ = c.Do("GET", "/v2.1/flavors/f1/os-extra_specs", nil, 200)
		wantShape(t, sample("flavor-extra-specs-list-resp"), got)
		got, _ = c.Do("GET", "/v2.1/flavors/f1/os-extra_specs/hw:numa_nodes", nil, 200)
		wantShape(t, sample("flavor-extra-specs-get-resp"), got)
		got, _ = c.Do("PUT", "/v2.1/flavors/f1/os-extra_specs/hw:numa_nodes", m("hw:numa_nodes", "2"), 200)
		wantShape(t, sample("flavor-extra-specs-update-resp"), got)
	})
	windows(t, c, "flavor-access", []string{"2.1"}, func(t *testing.T, c *computetest.Client, sample func(string) string) {
		c.Do("POST", "/v2.1/flavors", m("flavor", m("name", "private", "ram", 64, "vcpus", 1, "disk", 1, "id", "private", "os-flavor-access:is_public", false)), 200)
		got, _ := c.Do("POST", "/v2.1/flavors/private/action", m("addTenantAccess", m("tenant", computetest.Project)), 200)
		wantShape(t, sample("flavor-access-add-tenant-resp"), got)
		got, _ = c.Do("GET", "/v2.1/flavors/private/os-flavor-access", nil, 200)
		wantShape(t, sample("flavor-access-list-resp"), got)
		c.As("member", "").Do("GET", "/v2.1/flavors/private", nil, 200)
		c.As("stranger", "").Do("GET", "/v2.1/flavors/private", nil, 404)
		got, _ = c.Do("POST", "/v2.1/flavors/private/action", m("removeTenantAccess", m("tenant", computetest.Project)), 200)
		wantShape(t, sample("flavor-access-remove-tenant-resp"), got)
	})
}

func TestSamplesOfKeypairs(t *testing.T) {
	c := computetest.API(t, computetest.Open(t, computetest.New("host1")))
	n := 0
	windows(t, c, "os-keypairs", []string{"2.1", "2.2", "2.10"}, func(t *testing.T, c *computetest.Client, sample func(string) string) {
		n++
		made := 201
		gone := 204
		if c.Version == "2.1" {
			made, gone = 200, 202
		}
		name := fmt.Sprint("k", n)
		got, _ := c.Do("POST", "/v2.1/os-keypairs", m("keypair", m("name", name)), made)
		wantShape(t, sample("keypairs-post-resp"), got)
		got, _ = c.Do("POST", "/v2.1/os-keypairs", m("keypair", m("name", name+"i", "public_key", publicKey)), made)
		wantShape(t, sample("keypairs-import-post-resp"), got)
		got, _ = c.Do("GET", "/v2.1/os-keypairs/"+name, nil, 200)
		wantShape(t, sample("keypairs-get-resp"), got)
		got, _ = c.Do("GET", "/v2.1/os-keypairs", nil, 200)
		wantShape(t, sample("keypairs-list-resp"), got)
		c.Do("DELETE", "/v2.1/os-keypairs/"+name, nil, gone)
	})
	got, _ := c.As("admin", "2.92").Do("POST", "/v2.1/os-keypairs", m("keypair", m("name", "me@x.org", "public_key", publicKey)), 201)
	wantShape(t, "os-keypairs/v2.92/keypairs-import-post-resp", got)
	c.As("admin", "2.92").Do("POST", "/v2.1/os-keypairs", m("keypair", m("name", "no-key")), 400)
	got, _ = c.As("admin", "2.35").Do("GET", "/v2.1/os-keypairs?limit=1", nil, 200)
	wantShape(t, "os-keypairs/v2.35/keypairs-list-resp", got)
}

func TestSamplesOfQuotas(t *testing.T) {
	c := computetest.API(t, computetest.Open(t, computetest.New("host1")))
	const set = "/v2.1/os-quota-sets/" + computetest.Project
	windows(t, c, "os-quota-sets", []string{"2.1", "2.36", "2.57"}, func(t *testing.T, c *computetest.Client, sample func(string) string) {
		for path, name := range map[string]string{"": "quotas-show-get-resp", "/detail": "quotas-show-detail-get-resp", "/defaults": "quotas-show-defaults-get-resp", "?user_id=u": "user-quotas-show-get-resp"} {
			got, _ := c.Do("GET", set+path, nil, 200)
			wantShape(t, sample(name), got)
		}
		got, _ := c.Do("PUT", set, m("quota_set", m("cores", 45)), 200)
		wantShape(t, sample("quotas-update-post-resp"), got)
		got, _ = c.Do("PUT", set, m("quota_set", m("instances", "45", "force", true)), 200)
		wantShape(t, sample("quotas-update-force-post-resp"), got)
		c.Do("DELETE", set, nil, 202)
	})
	windows(t, c, "os-quota-class-sets", []string{"2.1", "2.50", "2.57"}, func(t *testing.T, c *computetest.Client, sample func(string) string) {
		got, _ := c.Do("GET", "/v2.1/os-quota-class-sets/default", nil, 200)
		wantShape(t, sample("quota-classes-show-get-resp"), got)
		got, _ = c.Do("PUT", "/v2.1/os-quota-class-sets/default", m("quota_class_set", m("cores", 50)), 200)
		wantShape(t, sample("quota-classes-update-post-resp"), got)
	})
	windows(t, c, "limits", []string{"2.1", "2.36", "2.39", "2.57"}, func(t *testing.T, c *computetest.Client, sample func(string) string) {
		got, _ := c.Do("GET", "/v2.1/limits", nil, 200)
		wantShape(t, sample("limit-get-resp"), got)
	})
}

func TestSamplesOfHosts(t *testing.T) {
	world := computetest.New("host1", "host2")
	world.Room["host2"] = 0
	cloud := computetest.Open(t, world)
	cloud.Boot(t, nil)
	c := computetest.API(t, cloud)
	h, _, err := cloud.Service.HostBy(t.Context(), func(h compute.Host) bool { return h.Name == "host1" })
	if err != nil {
		t.Fatal(err)
	}
	const base = "/v2.1/os-hypervisors"
	windows(t, c, "os-hypervisors", []string{"2.1", "2.28", "2.33", "2.53", "2.88"}, func(t *testing.T, c *computetest.Client, sample func(string) string) {
		get := func(path, name string) {
			t.Helper()
			got, _ := c.Do("GET", base+path, nil, 200)
			wantShape(t, sample(name), got)
		}
		paged := ""
		if c.Version != "2.1" && c.Version != "2.28" {
			paged = "?limit=1"
		}
		get(paged, "hypervisors-list-resp")
		get("/detail"+paged, "hypervisors-detail-resp")
		switch c.Version {
		case "2.1", "2.28":
			get("/statistics", "hypervisors-statistics-resp")
			get("/1", "hypervisors-show-resp")
			get("/1/uptime", "hypervisors-uptime-resp")
			get("/host/search", "hypervisors-search-resp")
			get("/host/servers", "hypervisors-with-servers-resp")
		case "2.53":
			get("/"+h.HypervisorID+"/uptime", "hypervisors-uptime-resp")
			get("/statistics", "hypervisors-statistics-resp")
			fallthrough
		case "2.88":
			get("/"+h.HypervisorID, "hypervisors-show-resp")
			get("/"+h.HypervisorID+"?with_servers=true", "hypervisors-show-with-servers-resp")
			get("?with_servers=true", "hypervisors-with-servers-resp")
			get("/detail?with_servers=true", "hypervisors-detail-with-servers-resp")
			get("?hypervisor_hostname_pattern=host", "hypervisors-search-resp")
		}
	})
	windows(t, c, "os-services", []string{"2.1", "2.11", "2.53"}, func(t *testing.T, c *computetest.Client, sample func(string) string) {
		got, _ := c.Do("GET", "/v2.1/os-services", nil, 200)
		wantShape(t, sample("services-list-get-resp"), got)
		put := func(old string, body map[string]any, name string) {
			t.Helper()
			path := old
			if c.Version == "2.53" {
				path = h.ServiceID
			} else {
				body["host"], body["binary"] = "host1", "nova-compute"
				delete(body, "status")
			}
			got, _ := c.Do("PUT", "/v2.1/os-services/"+path, body, 200)
			wantShape(t, sample(name), got)
		}
		put("disable", m("status", "disabled"), "service-disable-put-resp")
		put("disable-log-reason", m("status", "disabled", "disabled_reason", "test2"), "service-disable-log-put-resp")
		put("enable", m("status", "enabled"), "service-enable-put-resp")
		if c.Version != "2.1" {
			put("force-down", m("forced_down", true), "service-force-down-put-resp")
			put("force-down", m("forced_down", false), "service-force-down-put-resp")
		}
	})
	windows(t, c, "os-availability-zone", []string{"2.1"}, func(t *testing.T, c *computetest.Client, sample func(string) string) {
		got, _ := c.Do("GET", "/v2.1/os-availability-zone", nil, 200)
		wantShape(t, sample("availability-zone-list-resp"), got)
		got, _ = c.Do("GET", "/v2.1/os-availability-zone/detail", nil, 200)
		wantShape(t, sample("availability-zone-detail-resp"), got)
	})
}

func TestSamplesOfAggregates(t *testing.T) {
	c := computetest.API(t, computetest.Open(t, computetest.New("host1")))
	windows(t, c, "os-aggregates", []string{"2.1", "2.41", "2.81"}, func(t *testing.T, c *computetest.Client, sample func(string) string) {
		got, _ := c.Do("POST", "/v2.1/os-aggregates", m("aggregate", m("name", "name", "availability_zone", "london")), 200)
		wantShape(t, sample("aggregate-post-resp"), got)
		const one = "/v2.1/os-aggregates/1"
		got, _ = c.Do("PUT", one, m("aggregate", m("name", "newname", "availability_zone", "nova2")), 200)
		wantShape(t, sample("aggregate-update-post-resp"), got)
		got, _ = c.Do("POST", one+"/action", m("add_host", m("host", "host1")), 200)
		wantShape(t, sample("aggregates-add-host-post-resp"), got)
		got, _ = c.Do("GET", "/v2.1/os-aggregates", nil, 200)
		wantShape(t, sample("aggregates-list-get-resp"), got)
		got, _ = c.Do("GET", one, nil, 200)
		wantShape(t, sample("aggregates-get-resp"), got)
		got, _ = c.Do("POST", one+"/action", m("set_metadata", m("metadata", m("key", "value"))), 200)
		wantShape(t, sample("aggregates-metadata-post-resp"), got)
		got, _ = c.Do("POST", one+"/action", m("remove_host", m("host", "host1")), 200)
		wantShape(t, sample("aggregates-remove-host-post-resp"), got)
		c.Do("DELETE", one, nil, 200)
	})
}

func TestSamplesOfGroupsAndUsage(t *testing.T) {
	cloud := computetest.Open(t, computetest.New("host1"))
	s := cloud.Boot(t, nil)
	c := computetest.API(t, cloud)
	windows(t, c, "os-server-groups", []string{"2.1", "2.13", "2.64"}, func(t *testing.T, c *computetest.Client, sample func(string) string) {
		body := m("name", "test", "policies", []string{"anti-affinity"})
		if c.Version == "2.64" {
			body = m("name", "test", "policy", "anti-affinity", "rules", m("max_server_per_host", 3))
		}
		got, _ := c.Do("POST", "/v2.1/os-server-groups", m("server_group", body), 200)
		wantShape(t, sample("server-groups-post-resp"), got)
		id := got["server_group"].(map[string]any)["id"].(string)
		got, _ = c.Do("GET", "/v2.1/os-server-groups/"+id, nil, 200)
		wantShape(t, sample("server-groups-get-resp"), got)
		got, _ = c.Do("GET", "/v2.1/os-server-groups", nil, 200)
		wantShape(t, sample("server-groups-list-resp"), got)
		c.Do("DELETE", "/v2.1/os-server-groups/"+id, nil, 204)
	})
	windows(t, c, "os-simple-tenant-usage", []string{"2.1", "2.40"}, func(t *testing.T, c *computetest.Client, sample func(string) string) {
		const all = "/v2.1/os-simple-tenant-usage"
		get := func(path, name string) {
			t.Helper()
			got, _ := c.Do("GET", all+path, nil, 200)
			if c.Version == "2.40" { // the sample has a page after it, our cloud one server
				delete(got, "tenant_usages_links")
			}
			wantShape(t, sample(name), got)
		}
		if c.Version == "2.1" {
			get("?start=2020-01-01T00:00:00", "simple-tenant-usage-get")
			get("?start=2020-01-01T00:00:00.5&detailed=1", "simple-tenant-usage-get-detail")
			get("/"+computetest.Project+"?start=2020-01-01T00:00:00", "simple-tenant-usage-get-specific")
		}
	})
	got, _ := c.As("admin", "2.1").Do("POST", "/v2.1/os-server-external-events", m("events", []any{m("name", "network-changed", "server_uuid", s.ID, "tag", "foo", "status", "completed")}), 200)
	wantShape(t, "os-server-external-events/event-create-resp", got)
}
