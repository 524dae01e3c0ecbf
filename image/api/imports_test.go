package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"altostack/driver/fileblobs"
	"altostack/image"
	"altostack/image/fetch"
	"altostack/kernel/fault"
)

// importer is a cloud that imports, with a web server that has /data.
func importer(t *testing.T, show bool) (*cloud, string) {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/data" {
			http.NotFound(w, r)
			return
		}
		http.ServeContent(w, r, "", time.Unix(1, 0), strings.NewReader("data of the web"))
	}))
	t.Cleanup(web.Close)
	u, err := url.Parse(web.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.Atoi(u.Port())
	staging, err := fileblobs.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cache, err := fileblobs.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return newSite(t, image.Config{Staging: staging, Cache: cache, ShowLocations: show,
		Import: image.ImportConfig{Web: fetch.New(fetch.Config{Ports: []int{port}, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})}}), web.URL
}

// task waits for the end of an image's only task.
func (c *cloud) task(id string) map[string]any {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		tasks, _ := c.want(200, owner, "GET /v2/images/"+id+"/tasks", "").body["tasks"].([]any)
		if len(tasks) > 0 {
			if task, _ := tasks[0].(map[string]any); task["status"] == "success" || task["status"] == "failure" {
				return task
			}
		}
	}
	c.t.Fatal("the task never ended")
	return nil
}

const plainImage = `{"container_format": "bare", "disk_format": "raw"}`

func TestImports(t *testing.T) {
	c, web := importer(t, false)
	if a := c.want(200, owner, "GET /v2/info/import", ""); !strings.Contains(a.raw, `["glance-direct","web-download","copy-image"]`) {
		t.Error(a.raw)
	}
	id := c.create(plainImage)
	c.want(415, owner, "PUT /v2/images/"+id+"/stage", "data")
	c.want(204, owner, "PUT /v2/images/"+id+"/stage", "data", "Content-Type", octets)
	c.want(409, owner, "PUT /v2/images/"+id+"/stage", "data", "Content-Type", octets)
	if a := c.want(200, owner, "GET /v2/images/"+id, ""); a.body["status"] != "uploading" {
		t.Error(a.raw)
	}
	for body, says := range map[string]string{
		`{}`:                            "requires a 'method' field",
		`{"method": {}}`:                "requires a 'name' field",
		`{"method": {"name": "magic"}}`: "Unknown import method name 'magic'.",
		`{"method": {"name": "glance-direct"}, "all_stores": "yes"}`:                       "boolean",
		`{"method": {"name": "glance-direct"}, "all_stores": true, "stores": ["file"]}`:    "can't be used with",
		`{"method": {"name": "glance-direct"}, "stores": ["file"], "extra": "accepted? "}`: "",
	} {
		if says == "" {
			continue
		}
		if a := c.want(400, owner, "POST /v2/images/"+id+"/import", body); !strings.Contains(strings.ReplaceAll(a.raw, `\u0026#39;`, "'"), says) {
			t.Errorf("%s: %s", body, a.raw)
		}
	}
	c.want(409, owner, "POST /v2/images/"+id+"/import", `{"method": {"name": "glance-direct"}, "stores": ["nowhere"]}`)
	a := c.want(202, owner, "POST /v2/images/"+id+"/import", `{"method": {"name": "glance-direct"}}`)
	task := c.task(id)
	if task["status"] != "success" || task["request_id"] != a.header.Get("X-Openstack-Request-Id") || task["type"] != "api_image_import" {
		t.Errorf("%v", task)
	}
	if a := c.want(200, owner, "GET /v2/images/"+id+"/file", ""); a.raw != "data" {
		t.Error(a.raw)
	}
	c.want(403, owner, "POST /v2/images/"+id+"/import", `{"method": {"name": "copy-image"}}`)
	c.want(400, admin, "POST /v2/images/"+id+"/import", `{"method": {"name": "copy-image"}}`)

	bad := c.create(plainImage)
	c.want(202, owner, "POST /v2/images/"+bad+"/import", `{"method": {"name": "web-download", "uri": "`+web+`/gone"}}`)
	if task := c.task(bad); task["status"] != "failure" || !strings.Contains(task["message"].(string), "answered 404") {
		t.Errorf("%v", task)
	}
	c.want(403, owner, "DELETE /v2/stores/file/"+id, "")
	c.want(403, admin, "DELETE /v2/stores/file/"+id, "")
	c.want(409, admin, "DELETE /v2/stores/nowhere/"+id, "")
}

// A site without a staging area says so; image.import_off.
func TestNoImports(t *testing.T) {
	c := newCloud(t, image.Limits{})
	id := c.create(plainImage)
	if a := c.want(404, owner, "PUT /v2/images/"+id+"/stage", "data", "Content-Type", octets); !strings.Contains(a.raw, "not available at this site") {
		t.Error(fault.CodeImageImportOff, a.raw)
	}
	c.want(404, admin, "GET /v2/cache", "")
}

func TestTasks(t *testing.T) {
	c, web := importer(t, false)
	c.want(403, owner, "GET /v2/tasks", "")
	for body, says := range map[string]string{`{"input": {}}`: "Task", `{"type": "import"}`: "Task", `{"type": "export", "input": {}}`: "is not one of",
		`{"type": "import", "input": {"import_from": "x"}}`: "does not contain"} {
		if a := c.want(400, admin, "POST /v2/tasks", body); !strings.Contains(a.raw, says) {
			t.Error(body, a.raw)
		}
	}
	a := c.want(201, admin, "POST /v2/tasks", `{"type": "import", "input": {"import_from": "`+web+`/data", "import_from_format": "raw", "image_properties": {"name": "made"}}}`)
	id, _ := a.body["id"].(string)
	if a := c.want(200, admin, "GET /v2/tasks/"+id, ""); a.body["type"] != "import" || a.body["owner"] != "ops" {
		t.Error(a.raw)
	}
	c.want(400, admin, "GET /v2/tasks?type=export", "")
	c.want(400, admin, "GET /v2/tasks?status=bored", "")
	if a := c.want(200, admin, "GET /v2/tasks?sort_dir=asc&limit=1", ""); !strings.Contains(a.raw, id) || !strings.Contains(a.raw, `"first":"/v2/tasks?limit=1`) {
		t.Error(a.raw)
	}
	if a := c.want(405, admin, "DELETE /v2/tasks/"+id, ""); !strings.Contains(a.raw, "not permitted on Glance Tasks") {
		t.Error(fault.CodeImageTaskKept, a.raw)
	}
	c.want(404, admin, "GET /v2/tasks/nothing", "")
	if a := c.want(200, owner, "GET /v2/schemas/task", ""); a.body["name"] != "task" {
		t.Error(a.raw)
	}
}

func TestLocations(t *testing.T) {
	hidden, _ := importer(t, false)
	id := hidden.create(plainImage)
	hidden.want(403, owner, "PATCH /v2/images/"+id, `[{"op": "add", "path": "/locations/-", "value": {"url": "http://example.org/", "metadata": {}}}]`, "Content-Type", patch)
	if a := hidden.want(200, owner, "GET /v2/images/"+id, ""); a.body["locations"] != nil {
		t.Error(a.raw)
	}

	c, web := importer(t, true)
	id = c.create(plainImage)
	c.want(403, owner, "GET /v2/images/"+id+"/locations", "")
	c.want(403, owner, "PATCH /v2/images/"+id, `[{"op": "replace", "path": "/locations", "value": []}]`, "Content-Type", patch)
	c.want(400, owner, "PATCH /v2/images/"+id, `[{"op": "add", "path": "/locations/-", "value": {"url": "http://169.254.169.254/", "metadata": {}}}]`, "Content-Type", patch)
	c.want(400, owner, "POST /v2/images/"+id+"/locations", `{"url": "`+web+`/data", "validation_data": {"os_hash_algo": "sha512", "os_hash_value": "abc"}}`)
	c.want(200, owner, "PATCH /v2/images/"+id, `[{"op": "add", "path": "/locations/-", "value": {"url": "`+web+`/data", "metadata": {}}}]`, "Content-Type", patch)
	if task := c.task(id); task["status"] != "success" || task["type"] != "location_import" {
		t.Errorf("%v", task)
	}
	if a := c.want(200, owner, "GET /v2/images/"+id, ""); a.body["status"] != "active" || !strings.Contains(a.raw, `"url":"`+web+`/data"`) {
		t.Error(a.raw)
	}
	if a := c.want(200, owner, "GET /v2/images/"+id+"/file", ""); a.raw != "data of the web" {
		t.Error(a.raw)
	}
	if a := c.want(206, owner, "GET /v2/images/"+id+"/file", "", "Range", "bytes=5-6"); a.raw != "of" {
		t.Error(a.raw)
	}
	c.want(409, owner, "POST /v2/images/"+id+"/locations", `{"url": "`+web+`/data"}`)
	c.want(403, admin, "PATCH /v2/images/"+id, `[{"op": "remove", "path": "/locations/0"}]`, "Content-Type", patch)
	if a := c.want(200, admin, "GET /v2/images/"+id+"/locations", ""); !strings.Contains(a.raw, web) {
		t.Error(a.raw)
	}
}

func TestCache(t *testing.T) {
	c, _ := importer(t, false)
	id := c.active(plainImage, "data")
	c.want(403, owner, "GET /v2/cache", "")
	c.want(202, admin, "PUT /v2/cache/"+id, "")
	if a := c.want(200, admin, "GET /v2/cache", ""); !strings.Contains(a.raw, `"queued_images":["`+id+`"]`) {
		t.Error(a.raw)
	}
	c.want(400, admin, "PUT /v2/cache/"+c.create(plainImage), "")
	c.want(404, admin, "PUT /v2/cache/nothing", "")
	c.want(400, admin, "DELETE /v2/cache", "", "X-Image-Cache-Clear-Target", "all")
	c.want(204, admin, "DELETE /v2/cache", "", "X-Image-Cache-Clear-Target", "queue")
	c.want(204, admin, "DELETE /v2/cache/"+id, "")
	c.want(404, admin, "DELETE /v2/cache/nothing", "")
	if a := c.want(200, admin, "GET /v2/cache", ""); a.raw != `{"cached_images":[],"queued_images":[]}` {
		t.Error(a.raw)
	}
}
