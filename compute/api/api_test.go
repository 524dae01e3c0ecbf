package api_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"altostack/compute"
	"altostack/compute/computetest"
)

func object(v any, path ...string) map[string]any {
	for _, p := range path {
		v = v.(map[string]any)[p]
	}
	return v.(map[string]any)
}

// shape lists the paths and JSON types of a document; what maps hold of a
// user's own is not looked at.
func shape(v any, at string, out map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		out[at] = "object"
		for k, e := range v {
			if k == "metadata" || k == "addresses" || k == "extra_specs" || k == "properties" || k == "scheduler_hints" {
				out[at+"."+k] = "object"
				continue
			}
			shape(e, at+"."+k, out)
		}
	case []any:
		out[at] = "list"
	case string:
		out[at] = "string"
	case float64:
		out[at] = "number"
	case bool:
		out[at] = "bool"
	case nil:
		out[at] = "null"
	}
}

// differences compares a documented answer with ours. null agrees with anything,
// and what only operators see may be more than the sample shows.
func differences(sample, ours any) []string {
	want, got := map[string]string{}, map[string]string{}
	shape(sample, "", want)
	shape(ours, "", got)
	var out []string
	for path, kind := range want {
		switch has, ok := got[path]; {
		case !ok:
			out = append(out, "missing "+path)
		case has != kind && has != "null" && kind != "null":
			out = append(out, fmt.Sprintf("%s is %s, documented %s", path, has, kind))
		}
	}
	for path := range got {
		if _, ok := want[path]; !ok && !strings.Contains(path, "OS-EXT-SRV-ATTR:") && !strings.Contains(path, "host_status") {
			out = append(out, "undocumented "+path)
		}
	}
	slices.Sort(out)
	return out
}

func golden(t *testing.T, file string) any {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func create(c *computetest.Client, more map[string]any) string {
	server := map[string]any{"name": "one", "imageRef": computetest.ImageID, "flavorRef": computetest.FlavorID}
	if c.Version != "" && c.Version != "2.1" {
		server["networks"] = "auto"
	}
	for k, v := range more {
		server[k] = v
	}
	out, _ := c.Do("POST", "/v2.1/servers", map[string]any{"server": server}, 202)
	return object(out, "server")["id"].(string)
}

// TestGolden: a server is shown as the reference shows it, in each version that
// changed it.
func TestGolden(t *testing.T) {
	cloud := computetest.Open(t, computetest.New("host1"))
	c := computetest.API(t, cloud)
	out, h := c.Do("POST", "/v2.1/servers", map[string]any{"server": map[string]any{"name": "one", "imageRef": computetest.ImageID, "flavorRef": computetest.FlavorID}}, 202)
	for _, d := range differences(golden(t, "server-create-resp.json"), out) {
		t.Errorf("create: %s", d)
	}
	id := object(out, "server")["id"].(string)
	if h.Get("Location") != "http://cloud/compute/v2.1/servers/"+id {
		t.Errorf("Location %q", h.Get("Location"))
	}
	cloud.Settle(t, id)
	files, err := filepath.Glob("testdata/server-get-2.*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no samples", err)
	}
	for _, file := range files {
		version := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "server-get-"), ".json")
		out, _ := c.As("admin", version).Do("GET", "/v2.1/servers/"+id, nil, 200)
		for _, d := range differences(golden(t, filepath.Base(file)), out) {
			t.Errorf("show %s: %s", version, d)
		}
	}
	for _, version := range []string{"2.1", "2.100"} {
		out, _ := c.As("admin", version).Do("PUT", "/v2.1/servers/"+id, map[string]any{"server": map[string]any{"name": "two"}}, 200)
		for _, d := range differences(golden(t, "server-update-"+version+".json"), out) {
			t.Errorf("update %s: %s", version, d)
		}
	}
}

// TestRebuild: the answer is as documented, and the guest is another one on the
// same ports.
func TestRebuild(t *testing.T) {
	cloud := computetest.Open(t, computetest.New("host1"))
	c := computetest.API(t, cloud)
	other := "70a599e0-31e7-49b7-b260-868f441e8699"
	cloud.Images[other] = compute.Image{ID: other, Status: "active", DiskFormat: "raw", Size: 1 << 20}
	id := create(c, nil)
	cloud.Settle(t, id)
	for _, version := range []string{"2.1", "2.57", "2.73", "2.100"} {
		out, _ := c.As("member", version).Do("POST", "/v2.1/servers/"+id+"/action", map[string]any{"rebuild": map[string]any{"imageRef": other, "name": "again"}}, 202)
		for _, d := range differences(golden(t, "server-rebuild-"+version+".json"), out) {
			t.Errorf("rebuild %s: %s", version, d)
		}
		if s := cloud.Server(t, id); s.Status() != "REBUILD" && s.Status() != "ACTIVE" {
			t.Errorf("server is %s", s.Status())
		}
		cloud.Settle(t, id)
	}
	s := cloud.Server(t, id)
	if g := cloud.Guests["host1"][id]; s.Status() != "ACTIVE" || s.Name != "again" || s.ImageID != other || g.Disks[0].Image.ID != other || len(g.NICs) != 1 {
		t.Errorf("server is %s, guest %+v", s.Status(), g)
	}
	c.Do("POST", "/v2.1/servers/"+id+"/action", map[string]any{"rebuild": map[string]any{"imageRef": "0e44cc9c-e052-415d-afbf-469b0d384170"}}, 400)
}

func TestOperatorsOnly(t *testing.T) {
	cloud := computetest.Open(t, computetest.New("host1"))
	c := computetest.API(t, cloud)
	id := create(c, nil)
	cloud.Settle(t, id)
	out, _ := c.As("member", "2.100").Do("GET", "/v2.1/servers/"+id, nil, 200)
	for k := range object(out, "server") {
		if k == "host_status" || strings.HasPrefix(k, "OS-EXT-SRV-ATTR:") && k != "OS-EXT-SRV-ATTR:hostname" {
			t.Errorf("a member sees %s", k)
		}
	}
	out, _ = c.As("member", "").Do("GET", "/v2.1/servers/"+id+"/altostack-trace", nil, 200)
	if steps := object(out, "trace")["steps"].([]any); len(steps) != 26 {
		t.Errorf("%d steps", len(steps))
	}
	if text, _ := json.Marshal(out); strings.Contains(string(text), "host1") {
		t.Errorf("a member's trace names the host: %s", text)
	}
}

// TestStranger: another project's server is not there, whatever is done to it.
func TestStranger(t *testing.T) {
	cloud := computetest.Open(t, computetest.New("host1"))
	c := computetest.API(t, cloud)
	id := create(c, nil)
	cloud.Settle(t, id)
	base := "/v2.1/servers/" + id
	s := c.As("stranger", "2.79")
	for _, call := range []struct {
		method, path string
		body         any
	}{
		{"GET", base, nil}, {"DELETE", base, nil}, {"PUT", base, map[string]any{"server": map[string]any{"name": "mine"}}},
		{"POST", base + "/action", map[string]any{"os-stop": nil}}, {"POST", base + "/action", map[string]any{"lock": nil}},
		{"POST", base + "/action", map[string]any{"reboot": map[string]any{"type": "HARD"}}},
		{"POST", base + "/action", map[string]any{"os-getConsoleOutput": map[string]any{}}},
		{"POST", base + "/action", map[string]any{"createImage": map[string]any{"name": "x"}}},
		{"POST", base + "/action", map[string]any{"addSecurityGroup": map[string]any{"name": "x"}}},
		{"GET", base + "/metadata", nil}, {"PUT", base + "/metadata", map[string]any{"metadata": map[string]any{"a": "b"}}},
		{"GET", base + "/tags", nil}, {"PUT", base + "/tags/x", nil}, {"GET", base + "/ips", nil}, {"GET", base + "/os-interface", nil},
		{"GET", base + "/os-security-groups", nil}, {"GET", base + "/os-volume_attachments", nil}, {"GET", base + "/os-instance-actions", nil},
		{"POST", base + "/os-interface", map[string]any{"interfaceAttachment": map[string]any{}}}, {"POST", base + "/remote-consoles", map[string]any{"remote_console": map[string]any{"protocol": "vnc", "type": "novnc"}}},
		{"GET", base + "/altostack-trace", nil},
		{"POST", base + "/os-volume_attachments", map[string]any{"volumeAttachment": map[string]any{"volumeId": "0e44cc9c-e052-415d-afbf-469b0d384170"}}},
	} {
		s.Do(call.method, call.path, call.body, 404)
	}
	out, _ := s.Do("GET", "/v2.1/servers/detail", nil, 200)
	if len(out["servers"].([]any)) != 0 {
		t.Errorf("a stranger lists %v", out)
	}
	s.Do("GET", "/v2.1/servers?all_tenants=1", nil, 403)
	c.As("reader", "").Do("POST", base+"/action", map[string]any{"os-stop": nil}, 403)
	if got := cloud.Server(t, id); got.Status() != "ACTIVE" {
		t.Errorf("server is %s", got.Status())
	}
}

// TestRefusals: what bad input gets.
func TestRefusals(t *testing.T) {
	cloud := computetest.Open(t, computetest.New("host1"))
	c := computetest.API(t, cloud)
	cloud.Images["70a599e0-31e7-49b7-b260-868f441e8620"] = compute.Image{ID: "70a599e0-31e7-49b7-b260-868f441e8620", Status: "queued"}
	cloud.Images["70a599e0-31e7-49b7-b260-868f441e8621"] = compute.Image{ID: "70a599e0-31e7-49b7-b260-868f441e8621", Status: "active", MinDiskGiB: 20}
	cloud.Images["70a599e0-31e7-49b7-b260-868f441e8622"] = compute.Image{ID: "70a599e0-31e7-49b7-b260-868f441e8622", Status: "active", MinRAMMiB: 4096}
	for name, tt := range map[string]struct {
		change map[string]any
		status int
		says   string
	}{
		"no such flavor":       {map[string]any{"flavorRef": "nine"}, 400, "Invalid flavorRef provided."},
		"no such image":        {map[string]any{"imageRef": "0e44cc9c-e052-415d-afbf-469b0d384170"}, 400, "Invalid imageRef provided."},
		"image not active":     {map[string]any{"imageRef": "70a599e0-31e7-49b7-b260-868f441e8620"}, 400, "is not active"},
		"image too large":      {map[string]any{"imageRef": "70a599e0-31e7-49b7-b260-868f441e8621"}, 400, "Flavor's disk is smaller"},
		"image needs memory":   {map[string]any{"imageRef": "70a599e0-31e7-49b7-b260-868f441e8622"}, 400, "Flavor's memory is too small"},
		"no such key":          {map[string]any{"key_name": "mine"}, 400, "Invalid key_name provided."},
		"no such zone":         {map[string]any{"availability_zone": "mars"}, 400, "The requested availability zone is not available"},
		"host by a member":     {map[string]any{"availability_zone": "nova:host1"}, 403, "Policy doesn't allow"},
		"user data not base64": {map[string]any{"user_data": "%%%"}, 400, "user_data"},
		"empty name":           {map[string]any{"name": ""}, 400, "Invalid input"},
		"long name":            {map[string]any{"name": strings.Repeat("x", 256)}, 400, "Invalid input"},
		"over quota":           {map[string]any{"min_count": 11}, 403, "Quota exceeded for instances: Requested 11, but already used 0 of 10 instances"},
		"min over max":         {map[string]any{"min_count": 3, "max_count": 2}, 400, "min_count must be <= max_count"},
		"unknown field":        {map[string]any{"flavour": "42"}, 400, "flavour"},
		"no boot disk":         {map[string]any{"imageRef": ""}, 400, "Invalid imageRef provided."},
		"two boot disks": {map[string]any{"block_device_mapping_v2": []any{map[string]any{"boot_index": 0, "source_type": "blank", "destination_type": "volume", "volume_size": 1},
			map[string]any{"boot_index": 0, "source_type": "blank", "destination_type": "volume", "volume_size": 1}}}, 400, "Boot sequence"},
		"no such volume": {map[string]any{"block_device_mapping_v2": []any{map[string]any{"boot_index": 1, "uuid": "0e44cc9c-e052-415d-afbf-469b0d384170", "source_type": "volume", "destination_type": "volume"}}},
			400, "failed to get volume"},
		"too much metadata": {map[string]any{"metadata": many(129)}, 403, "Maximum number of metadata items exceeds 128"},
	} {
		t.Run(name, func(t *testing.T) {
			server := map[string]any{"name": "one", "imageRef": computetest.ImageID, "flavorRef": computetest.FlavorID}
			for k, v := range tt.change {
				server[k] = v
			}
			out, _ := c.Do("POST", "/v2.1/servers", map[string]any{"server": server}, tt.status)
			for _, body := range out {
				if says := body.(map[string]any)["message"].(string); !strings.Contains(says, tt.says) {
					t.Errorf("message %q", says)
				}
			}
		})
	}
	out, _ := c.Do("GET", "/v2.1/servers", nil, 200)
	if len(out["servers"].([]any)) != 0 || cloud.Left() != "0 claims, 0 ports, 0 attachments, 0 guests" {
		t.Errorf("refused requests left %v, %s", out, cloud.Left())
	}
}

func many(n int) map[string]any {
	m := map[string]any{}
	for i := range n {
		m[fmt.Sprint("k", i)] = "v"
	}
	return m
}

func names(out map[string]any) (list []string) {
	for _, s := range out["servers"].([]any) {
		list = append(list, s.(map[string]any)["name"].(string))
	}
	return list
}

func TestList(t *testing.T) {
	cloud := computetest.Open(t, computetest.New("host1"))
	c := computetest.API(t, cloud)
	ids := map[string]string{}
	for _, n := range []string{"alpha", "beta", "gamma.x"} {
		id := create(c, map[string]any{"name": n, "metadata": map[string]any{"n": n}})
		cloud.Settle(t, id)
		ids[n] = id
	}
	c.As("member", "2.26").Do("PUT", "/v2.1/servers/"+ids["beta"]+"/tags", map[string]any{"tags": []any{"red", "blue"}}, 200)
	c.As("member", "2.26").Do("PUT", "/v2.1/servers/"+ids["alpha"]+"/tags/red", nil, 201)
	c.As("member", "2.26").Do("PUT", "/v2.1/servers/"+ids["alpha"]+"/tags/red", nil, 204)
	c.Do("POST", "/v2.1/servers/"+ids["gamma.x"]+"/action", map[string]any{"os-stop": nil}, 202)
	cloud.Settle(t, ids["gamma.x"])
	for query, want := range map[string]string{
		"": "gamma.x beta alpha", "name=a$": "beta alpha", `name=\.x`: "gamma.x", "status=SHUTOFF": "gamma.x", "status=active": "beta alpha", "status=RESIZE": "",
		"limit=0": "", "limit=2": "gamma.x beta", "limit=1&marker=" + ids["beta"]: "alpha", "sort_key=display_name&sort_dir=asc": "alpha beta gamma.x", "sort_key=architecture": "gamma.x beta alpha",
		"tags=red": "beta alpha", "tags=red,blue": "beta", "tags-any=blue,green": "beta", "not-tags=red": "gamma.x", "not-tags=red,blue": "gamma.x alpha", "not-tags-any=red": "gamma.x",
		"ip=10.0.0": "gamma.x beta alpha", "ip=10.9": "", "flavor=42": "gamma.x beta alpha", "flavor=43": "", "image=" + computetest.ImageID: "gamma.x beta alpha",
		"changes-since=2100-01-01T00:00:00Z": "", "changes-since=2000-01-01T00:00:00Z": "gamma.x beta alpha", "host=host1": "gamma.x beta alpha",
	} {
		out, _ := c.As("member", "2.26").Do("GET", "/v2.1/servers/detail?"+query, nil, 200)
		if got := strings.Join(names(out), " "); got != want {
			t.Errorf("list with %q: %s, want %s", query, got, want)
		}
		if links, has := out["servers_links"]; has != (strings.Contains(query, "limit") && want != "") {
			t.Errorf("list with %q has links %v", query, links)
		}
	}
	out, _ := c.As("admin", "").Do("GET", "/v2.1/servers?all_tenants=1&host=nowhere", nil, 200)
	if len(names(out)) != 0 {
		t.Errorf("an administrator's filter by host is ignored: %v", out)
	}
	for _, bad := range []string{"marker=0e44cc9c-e052-415d-afbf-469b0d384170", "changes-since=yesterday", "limit=-1"} {
		c.Do("GET", "/v2.1/servers?"+bad, nil, 400)
	}
	c.As("member", "2.38").Do("GET", "/v2.1/servers?status=SLEEPING", nil, 400)
	c.Do("DELETE", "/v2.1/servers/"+ids["alpha"], nil, 204)
	cloud.Settle(t, ids["alpha"])
	out, _ = c.Do("GET", "/v2.1/servers?changes-since=2000-01-01T00:00:00Z", nil, 200)
	if got := strings.Join(names(out), " "); got != "gamma.x beta alpha" {
		t.Errorf("changes-since shows %s", got)
	}
	c.Do("GET", "/v2.1/servers/"+ids["alpha"], nil, 404)
}

func TestMetadataAndActions(t *testing.T) {
	cloud := computetest.Open(t, computetest.New("host1"))
	c := computetest.API(t, cloud)
	id := create(c, nil)
	cloud.Settle(t, id)
	base := "/v2.1/servers/" + id
	c.Do("POST", base+"/metadata", map[string]any{"metadata": map[string]any{"a": "1", "b": "2"}}, 200)
	c.Do("PUT", base+"/metadata/a", map[string]any{"meta": map[string]any{"a": "3"}}, 200)
	c.Do("PUT", base+"/metadata/a", map[string]any{"meta": map[string]any{"b": "3"}}, 400)
	c.Do("DELETE", base+"/metadata/b", nil, 204)
	c.Do("DELETE", base+"/metadata/b", nil, 404)
	out, _ := c.Do("GET", base+"/metadata", nil, 200)
	if m := object(out, "metadata"); len(m) != 1 || m["a"] != "3" {
		t.Errorf("metadata %v", m)
	}
	cloud.Settle(t, id)
	if g := cloud.Guests["host1"][id]; g.Instance.Metadata["a"] != "3" {
		t.Errorf("the guest was not told: %v", g.Instance.Metadata)
	}
	c.Do("POST", base+"/action", map[string]any{"lock": nil}, 202)
	c.As("member", "").Do("POST", base+"/action", map[string]any{"os-stop": nil}, 409)
	c.Do("POST", base+"/action", map[string]any{"unlock": nil}, 202)
	c.Do("POST", base+"/action", map[string]any{"os-start": nil}, 409)
	c.Do("POST", base+"/action", map[string]any{"nonsense": nil}, 400)
	out, _ = c.Do("POST", base+"/action", map[string]any{"os-getConsoleOutput": map[string]any{"length": 1}}, 200)
	if out["output"] != "login: \n" {
		t.Errorf("console %q", out["output"])
	}
	out, _ = c.As("admin", "2.84").Do("GET", base+"/os-instance-actions", nil, 200)
	acts := out["instanceActions"].([]any)
	first := acts[len(acts)-1].(map[string]any)
	if first["action"] != "create" {
		t.Errorf("actions %v", acts)
	}
	out, _ = c.As("admin", "2.84").Do("GET", base+"/os-instance-actions/"+first["request_id"].(string), nil, 200)
	if events := object(out, "instanceAction")["events"].([]any); len(events) != 1 || events[0].(map[string]any)["result"] != "Success" {
		t.Errorf("events %v", events)
	}
	c.Do("GET", base+"/diagnostics", nil, 403)
	c.As("admin", "2.48").Do("GET", base+"/diagnostics", nil, 200)
	out, _ = c.Do("GET", base+"/ips", nil, 200)
	if list := object(out, "addresses")["private"].([]any); len(list) != 1 {
		t.Errorf("addresses %v", out)
	}
	c.Do("GET", base+"/ips/nowhere", nil, 404)
	c.Do("POST", base+"/action", map[string]any{"addFixedIp": map[string]any{"networkId": "net1"}}, 202)
	out, _ = c.Do("GET", base+"/ips/private", nil, 200)
	if len(out["private"].([]any)) != 2 {
		t.Errorf("addresses %v", out)
	}
	c.Do("POST", base+"/action", map[string]any{"removeFixedIp": map[string]any{"address": "10.0.0.99"}}, 202)
	c.Do("POST", base+"/action", map[string]any{"removeFixedIp": map[string]any{"address": "10.0.0.99"}}, 400)
	c.As("member", "2.44").Do("POST", base+"/action", map[string]any{"addFixedIp": map[string]any{"networkId": "net1"}}, 404)
}

func TestSeveral(t *testing.T) {
	cloud := computetest.Open(t, computetest.New("host1"))
	c := computetest.API(t, cloud)
	out, _ := c.Do("POST", "/v2.1/servers", map[string]any{"server": map[string]any{"name": "many", "imageRef": computetest.ImageID, "flavorRef": computetest.FlavorID,
		"min_count": 2, "max_count": 3, "return_reservation_id": true}}, 202)
	reservation, _ := out["reservation_id"].(string)
	list, _ := c.Do("GET", "/v2.1/servers?reservation_id="+reservation, nil, 200)
	if got := names(list); len(got) != 3 || !slices.Contains(got, "many-1") {
		t.Errorf("servers %v", got)
	}
}

func TestVersions(t *testing.T) {
	c := computetest.API(t, computetest.Open(t, computetest.New()))
	out, _ := c.As("", "").Do("GET", "/", nil, 200)
	current := slices.IndexFunc(out["versions"].([]any), func(v any) bool { return v.(map[string]any)["id"] == "v2.1" })
	if current < 0 || out["versions"].([]any)[current].(map[string]any)["version"] != "2.103" {
		t.Errorf("%v", out)
	}
	out, _ = c.As("", "").Do("GET", "/v2.1/", nil, 200)
	if object(out, "version")["id"] != "v2.1" {
		t.Errorf("%v", out)
	}
	c.As("member", "2.999").Do("GET", "/v2.1/servers", nil, 406)
	c.As("nobody", "").Do("GET", "/v2.1/servers", nil, 401)
}
