package api_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"altostack/volume/api"
	"altostack/volume/volumetest"
)

func TestVersions(t *testing.T) {
	c := newClient(t).as("").at("")
	for path, status := range map[string]int{"/": 300, "/v3/": 200, "/v3": 200} {
		v := at(c.want(status, "GET", path, ""), "versions").([]any)
		if len(v) != 1 || at(v[0], "version") != "3.71" || at(v[0], "min_version") != "3.0" || at(v[0], "status") != "CURRENT" {
			t.Errorf("%s: %v", path, v)
		}
	}
}

func TestMicroversions(t *testing.T) {
	c := newClient(t)
	id := c.volume("")
	for member, since := range map[string]string{"group_id": "3.13", "shared_targets": "3.48", "service_uuid": "3.48", "volume_type_id": "3.63", "consumes_quota": "3.65"} {
		v, _ := at(c.at(since).want(200, "GET", "/v3/volumes/"+id, ""), "volume").(map[string]any)
		if _, has := v[member]; !has {
			t.Errorf("%s has no %s", since, member)
		}
		if v, _ = at(c.at("3.12").want(200, "GET", "/v3/volumes/"+id, ""), "volume").(map[string]any); v[member] != nil {
			t.Errorf("3.12 has %s", member)
		}
	}
	if r := c.at("3.26").do("GET", "/v3/attachments", ""); r.status != 404 {
		t.Errorf("attachments in 3.26: %d", r.status)
	}
	if r := c.at("3.72").do("GET", "/v3/volumes", ""); r.status != 406 {
		t.Errorf("3.72: %d", r.status)
	}
	r := c.at("3.15").do("GET", "/v3/volumes/"+id+"/metadata", "")
	if r.header.Get("ETag") == "" {
		t.Error("metadata of 3.15 has no tag")
	}
}

func TestMetadata(t *testing.T) {
	c := newClient(t)
	id := c.volume("")
	snap := at(c.want(202, "POST", "/v3/snapshots", `{"snapshot": {"volume_id": "`+id+`"}}`), "snapshot", "id").(string)
	c.await(id)
	for _, path := range []string{"/v3/volumes/" + id, "/v3/snapshots/" + snap} {
		path += "/metadata"
		c.want(200, "POST", path, `{"metadata": {"a": "1", "b": "2"}}`)
		if m := at(c.want(200, "POST", path, `{"metadata": {"c": "3"}}`), "metadata").(map[string]any); len(m) != 3 {
			t.Errorf("merged %v", m)
		}
		if m := at(c.want(200, "PUT", path, `{"metadata": {"a": "4", "c": "3"}}`), "metadata").(map[string]any); len(m) != 2 || m["a"] != "4" {
			t.Errorf("replaced %v", m)
		}
		c.want(200, "PUT", path+"/a", `{"meta": {"a": "5"}}`)
		if m := c.want(200, "GET", path+"/a", ""); at(m, "meta", "a") != "5" {
			t.Errorf("item %v", m)
		}
		c.says(400, "Request body and URI mismatch", "PUT", path+"/z", `{"meta": {"a": "5"}}`)
		c.want(200, "DELETE", path+"/a", "")
		if m := at(c.want(200, "GET", path, ""), "metadata").(map[string]any); len(m) != 1 {
			t.Errorf("left %v", m)
		}
	}
	c.action(200, id, `{"os-set_image_metadata": {"metadata": {"image_name": "x", "k": "v"}}}`)
	c.action(200, id, `{"os-unset_image_metadata": {"key": "k"}}`)
	if m := c.action(200, id, `{"os-show_image_metadata": {}}`); at(m, "metadata", "image_name") != "x" || at(m, "metadata", "k") != nil {
		t.Errorf("image metadata %v", m)
	}
	c.action(202, id, `{"os-update_readonly_flag": {"readonly": true}}`)
	if v := c.want(200, "GET", "/v3/volumes/"+id, ""); at(v, "volume", "metadata", "readonly") != "True" {
		t.Errorf("read-only %v", v)
	}
	c.action(202, id, `{"os-update_readonly_flag": {"readonly": false}}`)
	if v := c.want(200, "GET", "/v3/volumes/"+id, ""); at(v, "volume", "metadata", "readonly") != "False" {
		t.Errorf("writable %v", v)
	}
	c.action(200, id, `{"os-set_bootable": {"bootable": "True"}}`)
	if v := c.want(200, "GET", "/v3/volumes/"+id, ""); at(v, "volume", "bootable") != "true" {
		t.Errorf("bootable %v", v)
	}
}

// TestStaleMetadata provokes volume.metadata_stale.
func TestStaleMetadata(t *testing.T) {
	c := newClient(t)
	id := c.volume("")
	c.header("If-Match", "old").says(412, "conflict", "PUT", "/v3/volumes/"+id+"/metadata", `{"metadata": {"a": "1"}}`)
}

func TestTypes(t *testing.T) {
	c := newClient(t)
	admin := c.as("admin")
	typ := at(admin.want(200, "POST", "/v3/types", `{"volume_type": {"name": "gold", "description": "d", "extra_specs": {"volume_backend_name": "file"}, "os-volume-type-access:is_public": false}}`), "volume_type")
	id := at(typ, "id").(string)
	admin.says(409, "Volume Type gold already exists.", "POST", "/v3/types", `{"volume_type": {"name": "gold"}}`)
	c.says(404, "Volume type gold could not be found.", "POST", "/v3/volumes", `{"volume": {"size": 1, "volume_type": "gold"}}`)
	admin.want(202, "POST", "/v3/types/"+id+"/action", `{"addProjectAccess": {"project": "`+project+`"}}`)
	admin.says(409, "already exists", "POST", "/v3/types/"+id+"/action", `{"addProjectAccess": {"project": "`+project+`"}}`)
	vol := c.volume(`"volume_type": "gold"`)
	if s := c.status(vol); s != "available" {
		t.Errorf("of a private type: %v", s)
	}
	if list := at(admin.want(200, "GET", "/v3/types/"+id+"/os-volume-type-access", ""), "volume_type_access").([]any); len(list) != 1 {
		t.Errorf("access %v", list)
	}
	admin.says(400, "still in use", "DELETE", "/v3/types/"+id, "")
	admin.want(200, "PUT", "/v3/types/"+id, `{"volume_type": {"name": "silver", "is_public": true}}`)
	admin.want(200, "POST", "/v3/types/"+id+"/extra_specs", `{"extra_specs": {"k": "v"}}`)
	admin.want(200, "PUT", "/v3/types/"+id+"/extra_specs/k", `{"k": "w"}`)
	if m := admin.want(200, "GET", "/v3/types/"+id+"/extra_specs/k", ""); m["k"] != "w" {
		t.Errorf("spec %v", m)
	}
	if m := at(c.want(200, "GET", "/v3/types/"+id, ""), "volume_type", "extra_specs").(map[string]any); len(m) != 0 {
		t.Errorf("a member sees %v", m)
	}
	admin.want(202, "DELETE", "/v3/types/"+id+"/extra_specs/k", "")
	admin.says(404, "has no extra specs with key k.", "DELETE", "/v3/types/"+id+"/extra_specs/k", "")
	q := at(admin.want(200, "POST", "/v3/qos-specs", `{"qos_specs": {"name": "q", "consumer": "front-end", "iops": "100"}}`), "qos_specs", "id").(string)
	admin.want(202, "GET", "/v3/qos-specs/"+q+"/associate?vol_type_id="+id, "")
	if list := at(admin.want(200, "GET", "/v3/qos-specs/"+q+"/associations", ""), "qos_associations").([]any); len(list) != 1 || at(list[0], "name") != "silver" {
		t.Errorf("tied to %v", list)
	}
	admin.says(400, "still associated", "DELETE", "/v3/qos-specs/"+q, "")
	admin.want(202, "GET", "/v3/qos-specs/"+q+"/disassociate?vol_type_id="+id, "")
	admin.want(200, "PUT", "/v3/qos-specs/"+q, `{"qos_specs": {"iops": "200", "x": "y"}}`)
	admin.want(202, "PUT", "/v3/qos-specs/"+q+"/delete_keys", `{"keys": ["x"]}`)
	admin.want(202, "DELETE", "/v3/qos-specs/"+q, "")
	admin.want(200, "PUT", "/v3/default-types/"+project, `{"default_type": {"volume_type": "silver"}}`)
	if name := at(c.want(200, "GET", "/v3/types/default", ""), "volume_type", "name"); name != "silver" {
		t.Errorf("default %v", name)
	}
	admin.want(204, "DELETE", "/v3/default-types/"+project, "")
	c.want(202, "DELETE", "/v3/volumes/"+vol, "")
	c.await(vol)
	admin.want(202, "DELETE", "/v3/types/"+id, "")
	def := at(c.want(200, "GET", "/v3/types/default", ""), "volume_type", "id").(string)
	admin.says(400, "default volume type", "DELETE", "/v3/types/"+def, "")
}

func TestTransfers(t *testing.T) {
	c := newClient(t)
	stranger := c.as("stranger")
	id := c.volume("")
	tr := at(c.want(202, "POST", "/v3/volume-transfers", `{"transfer": {"volume_id": "`+id+`", "name": "gift"}}`), "transfer")
	if s := c.status(id); s != "awaiting-transfer" {
		t.Errorf("offered is %v", s)
	}
	path := "/v3/volume-transfers/" + at(tr, "id").(string)
	stranger.says(404, "could not be found", "GET", path, "")
	stranger.says(400, "invalid auth key", "POST", path+"/accept", `{"accept": {"auth_key": "wrong"}}`)
	stranger.want(202, "POST", path+"/accept", `{"accept": {"auth_key": "`+at(tr, "auth_key").(string)+`"}}`)
	if s := stranger.status(id); s != "available" {
		t.Errorf("accepted is %v", s)
	}
	c.says(404, "could not be found", "GET", "/v3/volumes/"+id, "")
	tr = at(stranger.want(202, "POST", "/v3/os-volume-transfer", `{"transfer": {"volume_id": "`+id+`"}}`), "transfer")
	if n := len(at(stranger.want(200, "GET", "/v3/os-volume-transfer/detail", ""), "transfers").([]any)); n != 1 {
		t.Errorf("%d transfers", n)
	}
	stranger.want(202, "DELETE", "/v3/os-volume-transfer/"+at(tr, "id").(string), "")
	if s := stranger.status(id); s != "available" {
		t.Errorf("withdrawn is %v", s)
	}
}

func TestUpload(t *testing.T) {
	c := newClient(t)
	id := c.volume("")
	up := at(c.action(202, id, `{"os-volume_upload_image": {"image_name": "out", "disk_format": "raw"}}`), "os-volume_upload_image")
	c.await(id)
	img := at(up, "image_id").(string)
	if c.cloud.Library.Status(img) != "active" || c.cloud.Library.Data[img] != 1<<30 || c.status(id) != "available" {
		t.Errorf("image %s has %d bytes, the volume is %v", c.cloud.Library.Status(img), c.cloud.Library.Data[img], c.status(id))
	}
}

func TestOperators(t *testing.T) {
	c := newClient(t)
	admin := c.as("admin")
	services := at(admin.want(200, "GET", "/v3/os-services", ""), "services").([]any)
	if len(services) != 3 || at(services[1], "host") != "host1@file" || at(services[1], "state") != "up" {
		t.Fatalf("services %v", services)
	}
	admin.want(200, "PUT", "/v3/os-services/disable-log-reason", `{"host": "host1@file", "binary": "cinder-volume", "disabled_reason": "tired"}`)
	if s := c.status(c.volume("")); s != "error" {
		t.Errorf("made on a disabled backend: %v", s)
	}
	m := at(c.want(200, "GET", "/v3/messages", ""), "messages").([]any)
	if len(m) != 1 || at(m[0], "message_level") != "ERROR" {
		t.Fatalf("messages %v", m)
	}
	c.want(200, "GET", "/v3/messages/"+at(m[0], "id").(string), "")
	c.as("stranger").says(404, "could not be found", "GET", "/v3/messages/"+at(m[0], "id").(string), "")
	c.want(204, "DELETE", "/v3/messages/"+at(m[0], "id").(string), "")
	admin.want(200, "PUT", "/v3/os-services/enable", `{"host": "host1@file", "binary": "cinder-volume"}`)
	c.volume("")
	admin.says(400, "Host nope could not be found.", "PUT", "/v3/os-services/freeze", `{"host": "nope"}`)
	admin.want(200, "PUT", "/v3/os-services/freeze", `{"host": "host1@file"}`)
	frozen := c.volume("")
	c.says(400, "frozen", "DELETE", "/v3/volumes/"+frozen, "")
	c.says(400, "frozen", "POST", "/v3/snapshots", `{"snapshot": {"volume_id": "`+frozen+`"}}`)
	admin.want(200, "PUT", "/v3/os-services/thaw", `{"host": "host1@file"}`)
	c.want(202, "DELETE", "/v3/volumes/"+frozen, "")
	c.await(frozen)
	host := at(admin.want(200, "GET", "/v3/os-hosts/host1@file", ""), "host").([]any)
	if len(host) != 2 || at(host[0], "resource", "volume_count") != "1" {
		t.Errorf("host %v", host)
	}
	admin.want(200, "GET", "/v3/os-hosts", "")
	pool := at(admin.want(200, "GET", "/v3/scheduler-stats/get_pools?detail=true", ""), "pools").([]any)[0]
	if at(pool, "name") != "host1@file#file" || at(pool, "capabilities", "storage_protocol") != "file" || at(pool, "capabilities", "allocated_capacity_gb") != 2.0 {
		t.Errorf("pool %v", pool)
	}
	admin.want(200, "GET", "/v3/capabilities/host1@file", "")
	admin.says(404, "Service nope could not be found.", "GET", "/v3/capabilities/nope", "")
	c.want(200, "GET", "/v3/extensions", "")
	c.want(200, "GET", "/v3/resource_filters", "")
	c.want(200, "GET", "/v3/os-availability-zone", "")
	admin.want(200, "PUT", "/v3/os-quota-class-sets/default", `{"quota_class_set": {"volumes": 20}}`)
	if n := at(admin.want(200, "GET", "/v3/os-quota-class-sets/default", ""), "quota_class_set", "volumes"); n != 20.0 {
		t.Errorf("class %v", n)
	}
	id := c.volume("")
	admin.action(202, id, `{"os-reset_status": {"status": "error"}}`)
	if s := c.status(id); s != "error" {
		t.Errorf("reset is %v", s)
	}
	admin.action(202, id, `{"os-reset_status": {"status": "maintenance"}}`)
	admin.action(202, id, `{"os-force_delete": {}}`)
	c.await(id)
	c.says(404, "", "GET", "/v3/volumes/"+id, "")
	id = c.volume("")
	snap := at(c.want(202, "POST", "/v3/snapshots", `{"snapshot": {"volume_id": "`+id+`"}}`), "snapshot", "id").(string)
	c.await(id)
	c.action(202, id, `{"revert": {"snapshot_id": "`+snap+`"}}`)
	c.await(id)
	admin.want(202, "POST", "/v3/snapshots/"+snap+"/action", `{"os-reset_status": {"status": "creating"}}`)
	admin.want(202, "POST", "/v3/snapshots/"+snap+"/action", `{"os-update_snapshot_status": {"status": "creating", "progress": "80%"}}`)
	if p := at(admin.want(200, "GET", "/v3/snapshots/"+snap, ""), "snapshot", "os-extended-snapshot-attributes:progress"); p != "80%" {
		t.Errorf("progress %v", p)
	}
	c.says(400, "Invalid snapshot: Snapshot status must be available or error", "DELETE", "/v3/snapshots/"+snap, "")
	admin.want(202, "POST", "/v3/snapshots/"+snap+"/action", `{"os-force_delete": {}}`)
	c.await(id)
	c.says(404, "Snapshot "+snap, "GET", "/v3/snapshots/"+snap, "")
}

// TestShapes compares the members of answers with those of the published
// samples: none of theirs may be missing, save what needs what we do not have.
func TestShapes(t *testing.T) {
	c := newClient(t)
	admin := c.as("admin")
	id := c.volume(`"imageRef": "` + imageID + `"`)
	snap := at(c.want(202, "POST", "/v3/snapshots", `{"snapshot": {"volume_id": "`+id+`"}}`), "snapshot", "id").(string)
	c.await(id)
	for name, tt := range map[string]struct {
		path, version string
		without       []string
	}{
		"volumes/v3.65/volume-show-response.json":               {"/v3/volumes/" + id, "3.65", nil},
		"volumes/v3.65/volumes-list-detailed-response.json":     {"/v3/volumes/detail", "3.65", nil},
		"volumes/volumes-list-response.json":                    {"/v3/volumes", "3.0", nil},
		"snapshots/v3.65/snapshot-show-response.json":           {"/v3/snapshots/" + snap, "3.65", []string{"group_id"}},
		"snapshots/v3.65/snapshots-list-detailed-response.json": {"/v3/snapshots/detail", "3.65", []string{"group_id"}},
		"limits/limits-show-response.json":                      {"/v3/limits", "3.0", nil},
		"availability-zone-list-response.json":                  {"/v3/os-availability-zone", "3.0", nil},
		"volume_type/volume-type-show-response.json":            {"/v3/types/default", "3.0", nil},
		"hosts-list-response.json":                              {"/v3/os-hosts", "3.0", nil},
		"services-list-response.json":                           {"/v3/os-services", "3.49", nil},
		"versions/versions-response.json":                       {"/v3/", "3.0", nil},
		"backend-capabilities-response.json":                    {"/v3/capabilities/host1@file", "3.0", []string{"compression", "qos", "replication"}},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join("testdata", filepath.FromSlash(strings.ReplaceAll(name, "/", "_"))))
			if err != nil {
				t.Fatal(err)
			}
			var sample any
			if err := json.Unmarshal(data, &sample); err != nil {
				t.Fatal(err)
			}
			admin := admin.at(tt.version)
			admin.t = t
			for _, missing := range absent("", sample, admin.want(200, "GET", tt.path, "")) {
				if last := missing[strings.LastIndex(missing, "/")+1:]; !slices.Contains(tt.without, last) {
					t.Errorf("the sample has %s", missing)
				}
			}
		})
	}
}

// absent lists members of the sample that got has not. Members of maps that
// users fill are not compared.
func absent(path string, sample, got any) (out []string) {
	switch s := sample.(type) {
	case map[string]any:
		if strings.HasSuffix(path, "metadata") || strings.HasSuffix(path, "extra_specs") {
			return nil
		}
		g, ok := got.(map[string]any)
		if !ok {
			return []string{path}
		}
		for k, v := range s {
			if _, has := g[k]; !has {
				out = append(out, path+"/"+k)
				continue
			}
			out = append(out, absent(path+"/"+k, v, g[k])...)
		}
	case []any:
		g, ok := got.([]any)
		if !ok {
			return []string{path}
		}
		if len(s) > 0 && len(g) > 0 {
			out = absent(path+"[0]", s[0], g[0])
		}
	}
	return out
}

// TestRoutesAsNobody asks every route without a token.
func TestRoutesAsNobody(t *testing.T) {
	c := newClient(t).as("")
	for _, r := range api.New(c.cloud.Service).Routes() {
		if r.IsOpen() {
			continue
		}
		body := ""
		if r.Action != "" {
			body = `{"` + r.Action + `": {}}`
		}
		path := strings.NewReplacer("{id}", "x", "{volume_id}", "x", "{snapshot_id}", "x", "{type_id}", "x").Replace(r.Path)
		if got := c.do(r.Method, path, body); got.status != 401 {
			t.Errorf("%s %s %s: %d", r.Method, r.Path, r.Action, got.status)
		}
	}
}

// BenchmarkList1000 lists a page of 1,000 volumes in detail.
func BenchmarkList1000(b *testing.B) {
	c := newClient(b)
	volumetest.Fill(b, c.cloud, project, 1000)
	for b.Loop() {
		if n := len(at(c.want(200, "GET", "/v3/volumes/detail", ""), "volumes").([]any)); n != 1000 {
			b.Fatal(n)
		}
	}
}

// BenchmarkCreate accepts volumes in a project that has 1,000.
func BenchmarkCreate(b *testing.B) {
	c := newClient(b)
	volumetest.Fill(b, c.cloud, project, 1000)
	c.as("admin").want(200, "PUT", "/v3/os-quota-sets/"+project, `{"quota_set": {"volumes": -1, "gigabytes": -1}}`)
	for b.Loop() {
		c.want(202, "POST", "/v3/volumes", `{"volume": {"size": 1}}`)
	}
}
