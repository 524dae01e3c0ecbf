package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"altostack/driver/fileblobs"
	"altostack/image"
	"altostack/image/api"
	"altostack/image/store"
	"altostack/kernel/auth"
	"altostack/kernel/clock"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/kernel/policy"
	"altostack/kernel/rest"
	"altostack/saga"
)

// tokens are personas: role@project.
type tokens struct{}

func (tokens) Validate(_ context.Context, token string) (*auth.Principal, error) {
	role, project, ok := strings.Cut(token, "@")
	if !ok {
		return nil, fault.New(fault.CodeAuthUnauthenticated, "The request you have made requires authentication.")
	}
	roles := []string{role}
	if role == "admin" {
		roles = append(roles, "member")
	}
	return &auth.Principal{UserID: token, ProjectID: project, Roles: append(roles, "reader")}, nil
}

type cloud struct {
	t     testing.TB
	url   string
	blobs image.Blobs
}

func newCloud(t testing.TB, limits image.Limits) *cloud {
	t.Helper()
	return newSite(t, image.Config{Limits: limits})
}

// newSite is a cloud with what cfg adds.
func newSite(t testing.TB, cfg image.Config) *cloud {
	t.Helper()
	d := dbtest.SQLite(t)
	if err := d.Migrate(t.Context(), "image", store.Migrations()); err != nil {
		t.Fatal(err)
	}
	blobs, err := fileblobs.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	cfg.DB, cfg.Store, cfg.Blobs, cfg.Clock, cfg.IDs, cfg.Log = d, store.New(), blobs, clock.Real{}, id.Random{}, log
	s := image.New(cfg)
	if cfg.Staging != nil {
		if err := d.Migrate(t.Context(), "saga", saga.Migrations()); err != nil {
			t.Fatal(err)
		}
		e := saga.New(saga.Config{DB: d, Clock: clock.Real{}, IDs: id.Random{}, Log: log, Alone: true})
		s.Run(e)
		if err := e.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Close)
	}
	engine, err := policy.Service("glance", nil)
	if err != nil {
		t.Fatal(err)
	}
	a := &rest.API{Service: "glance", Mount: "/image", Dialect: rest.GlanceDialect(), Tokens: tokens{}, Policy: rest.PolicyOf("glance", engine),
		Clock: clock.Real{}, IDs: id.Random{}, Log: log, Schemas: rest.SchemasOf("glance")}
	h, err := a.Handle(api.New(s).Routes())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return &cloud{t, server.URL + "/image", blobs}
}

type answer struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

// do sends "METHOD /path"; more headers come as pairs.
func (c *cloud) do(who, call, body string, headers ...string) answer {
	c.t.Helper()
	method, path, _ := strings.Cut(call, " ")
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, reader)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("X-Auth-Token", who)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &a.body)
	return a
}

func (c *cloud) want(status int, who, call, body string, headers ...string) answer {
	c.t.Helper()
	a := c.do(who, call, body, headers...)
	if a.status != status {
		c.t.Errorf("%s as %s: %d, want %d: %.300s", call, who, a.status, status, a.raw)
	}
	return a
}

const (
	octets = "application/octet-stream"
	patch  = "application/openstack-images-v2.1-json-patch"
	patch4 = "application/openstack-images-v2.0-json-patch"
	owner  = "member@alice"
	other  = "member@bob"
	admin  = "admin@ops"
)

func (c *cloud) create(body string) string {
	c.t.Helper()
	a := c.want(201, owner, "POST /v2/images", body)
	id, _ := a.body["id"].(string)
	return id
}

// active makes an image with data.
func (c *cloud) active(body, data string) string {
	c.t.Helper()
	id := c.create(body)
	c.want(204, owner, "PUT /v2/images/"+id+"/file", data, "Content-Type", octets)
	return id
}

func TestLifeOfAnImage(t *testing.T) {
	c := newCloud(t, image.Limits{})
	a := c.want(201, owner, "POST /v2/images", `{"name": "x", "container_format": "bare", "disk_format": "raw", "visibility": "private", "ramdisk_id": "`+strings.Repeat("0", 8)+`-0000-0000-0000-000000000000"}`)
	id := a.body["id"].(string)
	if a.body["status"] != "queued" || a.body["size"] != nil || a.body["ramdisk_id"] == nil || a.header.Get("Location") != c.url+"/v2/images/"+id {
		t.Error(a.raw, a.header)
	}
	c.want(204, owner, "GET /v2/images/"+id+"/file", "")
	data := strings.Repeat("data", 3000)
	c.want(204, owner, "PUT /v2/images/"+id+"/file", data, "Content-Type", octets)
	c.want(409, owner, "PUT /v2/images/"+id+"/file", data, "Content-Type", octets)
	if a := c.want(200, owner, "GET /v2/images/"+id, ""); a.body["status"] != "active" || a.body["size"] != 12000.0 || a.body["virtual_size"] != 12000.0 {
		t.Error(a.raw)
	}
	if a := c.want(200, owner, "GET /v2/images/"+id+"/file", ""); a.raw != data || len(a.header.Get("Content-Md5")) != 32 || a.header.Get("Content-Length") != "12000" {
		t.Error(len(a.raw), a.header)
	}
	if a := c.want(206, owner, "GET /v2/images/"+id+"/file", "", "Range", "bytes=4-9"); a.raw != "datada" || a.header.Get("Content-Range") != "bytes 4-9/12000" {
		t.Error(a.raw, a.header)
	}
	c.want(416, owner, "GET /v2/images/"+id+"/file", "", "Range", "bytes=99999-")
	c.want(204, owner, "POST /v2/images/"+id+"/actions/deactivate", "")
	c.want(403, owner, "GET /v2/images/"+id+"/file", "")
	c.want(200, admin, "GET /v2/images/"+id+"/file", "")
	c.want(204, owner, "POST /v2/images/"+id+"/actions/reactivate", "")
	c.want(204, owner, "PUT /v2/images/"+id+"/tags/a%2Fb", "")
	if a := c.want(200, owner, "GET /v2/images/"+id, ""); fmt.Sprint(a.body["tags"]) != "[a/b]" {
		t.Error(a.raw)
	}
	c.want(204, owner, "DELETE /v2/images/"+id+"/tags/a%2Fb", "")
	c.want(404, owner, "DELETE /v2/images/"+id+"/tags/a%2Fb", "")
	c.want(204, owner, "DELETE /v2/images/"+id, "")
	c.want(404, owner, "GET /v2/images/"+id, "")
	c.want(404, owner, "DELETE /v2/images/"+id, "")
}

func TestPatch(t *testing.T) {
	c := newCloud(t, image.Limits{})
	id := c.create(`{"name": "x", "k": "v"}`)
	for _, tt := range []struct {
		status     int
		who, media string
		body, text string
	}{
		{200, owner, patch, `[{"op": "replace", "path": "/name", "value": "y"}, {"op": "add", "path": "/n~1w", "value": "1"}, {"op": "remove", "path": "/k"}]`, `"n/w":"1"`},
		{200, owner, patch, `[{"op": "replace", "path": "/name", "value": null}, {"op": "add", "path": "/tags", "value": ["t"]}, {"op": "replace", "path": "/min_disk", "value": 3}]`, `"min_disk":3`},
		{200, owner, patch4, `[{"add": "/k", "value": "v"}]`, `"k":"v"`},
		{409, owner, patch4, `[{"add": "/k", "value": "v"}]`, "already present"},
		{409, owner, patch, `[{"op": "replace", "path": "/nope", "value": "v"}]`, "does not exist"},
		{409, owner, patch, `[{"op": "remove", "path": "/nope"}]`, "does not exist"},
		{403, owner, patch, `[{"op": "remove", "path": "/name"}]`, "may not be removed"},
		{403, owner, patch, `[{"op": "replace", "path": "/status", "value": "active"}]`, "read-only"},
		{403, owner, patch, `[{"op": "add", "path": "/os_glance_x", "value": "y"}]`, "reserved"},
		{403, owner, patch, `[{"op": "add", "path": "/locations/-", "value": {"url": "file:///etc/shadow", "metadata": {}}}]`, "locations"},
		{403, owner, patch, `[{"op": "replace", "path": "/visibility", "value": "public"}]`, "publicize_image"},
		{403, owner, patch, `[{"op": "replace", "path": "/owner", "value": "bob"}]`, "non admin"},
		{200, admin, patch, `[{"op": "replace", "path": "/visibility", "value": "public"}]`, `"public"`},
		{403, other, patch, `[{"op": "replace", "path": "/name", "value": "stolen"}]`, ""},
		{200, owner, patch, `[{"op": "replace", "path": "/visibility", "value": "private"}]`, ""},
		{404, other, patch, `[{"op": "replace", "path": "/name", "value": "stolen"}]`, ""},
		{415, owner, "application/json", `[]`, "json-patch"},
		{400, owner, patch, `{"name": "x"}`, "array"},
		{400, owner, patch, `[{"op": "test", "path": "/name", "value": "x"}]`, "Invalid operation"},
		{400, owner, patch, `[{"op": "replace", "path": "name", "value": "x"}]`, "does not start"},
		{400, owner, patch, `[{"op": "replace", "path": "/name~2", "value": "x"}]`, "escape"},
		{400, owner, patch, `[{"op": "replace", "path": "/name"}]`, "value"},
		{400, owner, patch, `[{"op": "replace", "path": "/min_ram", "value": "much"}]`, "min_ram"},
		{400, owner, patch, `[{"op": "replace", "path": "/min_ram", "value": -1}]`, "min_ram"},
		{400, owner, patch, `[{"op": "replace", "path": "/disk_format", "value": "floppy"}]`, "disk format"},
	} {
		if a := c.want(tt.status, tt.who, "PATCH /v2/images/"+id, tt.body, "Content-Type", tt.media); !strings.Contains(a.raw, tt.text) {
			t.Errorf("%s: %s", tt.body, a.raw)
		}
	}
}

func TestList(t *testing.T) {
	c := newCloud(t, image.Limits{})
	for i, name := range []string{"a", "b", "c,d"} {
		c.active(`{"name": "`+name+`", "container_format": "bare", "disk_format": "raw", "k": "`+name+`", "tags": ["t`+name+`", "all"]}`, strings.Repeat("x", (i+1)*1000))
	}
	c.create(`{"name": "hidden", "os_hidden": true}`)
	c.create(`{"name": "queued", "min_ram": 5, "protected": true}`)
	for query, want := range map[string]string{
		"sort=name:asc":               "[a b c,d queued]",
		"sort_key=name&sort_dir=desc": "[queued c,d b a]",
		"name=a":                      "[a]",
		`name=in:a,"c,d"&sort=name`:   "[c,d a]",
		"status=queued":               "[queued]",
		"status=in:queued,active&sort=name:asc&limit=2": "[a b]",
		"size_min=2000&sort=size:asc":                   "[b c,d]",
		"size_max=2000&sort=size:asc":                   "[a b]",
		"size_min=1500&size_max=2500":                   "[b]",
		"size=gt:1500&sort=name:asc":                    "[b c,d]",
		"size=lte:2000&sort=name:asc":                   "[a b]",
		"size=neq:2000&sort=name:asc":                   "[a c,d]",
		"min_disk_max=0&sort=name:asc&limit=1":          "[a]",
		`name=neq:a&size_min=0&sort=name:asc`:           "[b c,d]",
		"tag=all&tag=tb":                                "[b]",
		"k=b":                                           "[b]",
		"k=nobody":                                      "[]",
		"os_hidden=true":                                "[hidden]",
		"protected=true":                                "[queued]",
		"min_ram=5":                                     "[queued]",
		"owner=alice&visibility=shared&name=a":          "[a]",
		"visibility=public":                             "[]",
		"created_at=gt:2100-01-01T00:00:00Z":            "[]",
		"created_at=lt:2100-01-01T00:00:00Z&name=a":     "[a]",
		"limit=0": "[]",
	} {
		a := c.want(200, owner, "GET /v2/images?"+query, "")
		if got := names(a); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
	for query, text := range map[string]string{
		"limit=-1": "limit", "limit=x": "limit", "sort_key=colour": "sort key", "sort=name:up": "sort direction", "marker=" + strings.Repeat("0", 36): "marker",
		"visibility=secret": "visibility", "os_hidden=maybe": "os_hidden", "member_status=no": "status", "created_at=lt:yesterday": "ISO 8601", "name=in:a%22b": "comma before", "name=in:%22a%22b": "comma after", "name=in:%22a": "not closed", "size=like:1": "unknown operator",
		"size_min=x": "non-numeric", "sort=name&sort_key=name": "syntax", "sort_key=name&sort_dir=asc&sort_dir=asc": "Number of sort dirs", "changes-since=1": "no longer",
	} {
		if a := c.want(400, owner, "GET /v2/images?"+query, ""); !strings.Contains(a.raw, text) {
			t.Errorf("%s: %s", query, a.raw)
		}
	}
	var seen []string
	pages := 0
	for next := "/v2/images?limit=2&sort_key=name&sort_dir=asc"; next != ""; pages++ {
		a := c.want(200, owner, "GET "+next, "")
		for _, i := range a.body["images"].([]any) {
			seen = append(seen, i.(map[string]any)["name"].(string))
		}
		if a.body["first"] != "/v2/images?limit=2&sort_dir=asc&sort_key=name" {
			t.Error(a.body["first"])
		}
		next, _ = a.body["next"].(string)
	}
	if fmt.Sprint(seen) != "[a b c,d queued]" || pages != 2 {
		t.Error(seen, pages)
	}
}

func names(a answer) string {
	out := []string{}
	list, _ := a.body["images"].([]any)
	for _, i := range list {
		out = append(out, fmt.Sprint(i.(map[string]any)["name"]))
	}
	return fmt.Sprint(out)
}

func TestMembers(t *testing.T) {
	c := newCloud(t, image.Limits{})
	id := c.active(`{"name": "x", "container_format": "bare", "disk_format": "raw"}`, "data")
	m := "/v2/images/" + id + "/members"
	c.want(404, other, "GET /v2/images/"+id, "")
	c.want(404, other, "GET "+m, "")
	c.want(200, owner, "POST "+m, `{"member": "bob"}`)
	c.want(409, owner, "POST "+m, `{"member": "bob"}`)
	c.want(400, owner, "POST "+m, `{"member": ""}`)
	c.want(400, owner, "POST "+m, `{}`)
	c.want(200, other, "GET /v2/images/"+id, "")
	if a := c.want(200, other, "GET /v2/images", ""); names(a) != "[]" {
		t.Error("listed before it was accepted:", names(a))
	}
	if a := c.want(200, other, "GET /v2/images?visibility=shared&member_status=pending", ""); names(a) != "[x]" {
		t.Error(names(a))
	}
	c.want(400, other, "PUT "+m+"/bob", `{"status": "maybe"}`)
	c.want(403, owner, "PUT "+m+"/bob", `{"status": "accepted"}`)
	c.want(404, "member@carol", "PUT "+m+"/bob", `{"status": "accepted"}`)
	c.want(200, other, "PUT "+m+"/bob", `{"status": "accepted"}`)
	if a := c.want(200, other, "GET /v2/images", ""); names(a) != "[x]" {
		t.Error("not listed once accepted")
	}
	c.want(200, other, "GET /v2/images/"+id+"/file", "")
	c.want(200, other, "GET "+m+"/bob", "")
	c.want(403, other, "POST "+m, `{"member": "carol"}`)
	c.want(403, other, "DELETE "+m+"/bob", "")
	c.want(403, other, "DELETE /v2/images/"+id, "")
	c.want(403, other, "PUT /v2/images/"+id+"/tags/x", "")
	c.want(204, owner, "DELETE "+m+"/bob", "")
	c.want(404, owner, "DELETE "+m+"/bob", "")
	c.want(404, other, "GET /v2/images/"+id, "")
}

func TestBadInput(t *testing.T) {
	c := newCloud(t, image.Limits{ImageBytes: 1 << 20})
	for body, status := range map[string]int{
		`{"disk_format": "wrong"}`:                     400,
		`{"container_format": "wrong"}`:                400,
		`{"name": "` + strings.Repeat("n", 256) + `"}`: 400,
		`{"id": "short"}`:                              400,
		`{"visibility": "secret"}`:                     400,
		`{"min_ram": "much"}`:                          400,
		`{"tags": "t"}`:                                400,
		`{"k": 7}`:                                     400,
		`not json`:                                     400,
		`{"self": "x"}`:                                403,
		`{"os_glance_x": "y"}`:                         403,
		`{"deleted": "y"}`:                             403,
		`{"visibility": "public"}`:                     403,
		`{"owner": "bob"}`:                             403,
	} {
		c.want(status, owner, "POST /v2/images", body)
	}
	c.want(403, "reader@alice", "POST /v2/images", `{}`)
	noFormat := c.create(`{}`)
	c.want(400, owner, "PUT /v2/images/"+noFormat+"/file", "x", "Content-Type", octets)
	id := c.create(`{"container_format": "bare", "disk_format": "raw"}`)
	file := "PUT /v2/images/" + id + "/file"
	// image.bad_content_type names what it got.
	if a := c.want(415, owner, file, "x"); !strings.Contains(a.raw, fault.New(fault.CodeImageBadContentType, "Invalid content type %s", "application/json").Message) {
		t.Error(a.raw)
	}
	c.want(413, owner, file, strings.Repeat("x", 1<<20+1), "Content-Type", octets)
	c.want(400, owner, file, "x", "Content-Type", octets, "X-Openstack-Image-Size", "2")
	if a := c.want(400, owner, file, "QFI\xfb"+strings.Repeat("\x00", 100), "Content-Type", octets); !strings.Contains(a.raw, "qemu-img convert") {
		t.Error(a.raw)
	}
	if a := c.want(200, owner, "GET /v2/images/"+id, ""); a.body["status"] != "queued" {
		t.Error(a.raw)
	}
	c.want(404, owner, "GET /v2/images/", "")
	c.want(404, owner, "DELETE /v2/images/", "")
	c.want(300, owner, "GET /v2/", "")
	protected := c.create(`{"protected": true}`)
	c.want(403, owner, "DELETE /v2/images/"+protected, "")
	c.want(403, owner, "POST /v2/images/"+id+"/actions/deactivate", "")
	left, err := c.blobs.List(t.Context())
	if err != nil || len(left) != 0 {
		t.Error("left behind:", left, err)
	}
}

// A client that hangs up in the middle leaves nothing.
func TestDisconnect(t *testing.T) {
	c := newCloud(t, image.Limits{})
	for name, sent := range map[string]int{"in the header": 100, "in the data": 3 << 20} {
		id := c.create(`{"container_format": "bare", "disk_format": "raw"}`)
		address := strings.TrimPrefix(strings.TrimSuffix(c.url, "/image"), "http://")
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "PUT /image/v2/images/%s/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", id, owner, octets, 64<<20)
		if _, err := conn.Write(make([]byte, sent)); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, conn) // ends once the server has given up
		_ = conn.Close()
		if a := c.want(200, owner, "GET /v2/images/"+id, ""); a.body["status"] != "queued" {
			t.Errorf("cut %s: %s", name, a.raw)
		}
		if left, err := c.blobs.List(t.Context()); err != nil || len(left) != 0 {
			t.Errorf("cut %s: left %v %v", name, left, err)
		}
	}
}

// Nobody gets in anywhere, and a stranger finds no private image.
func TestPersonas(t *testing.T) {
	c := newCloud(t, image.Limits{})
	id := c.active(`{"visibility": "private", "container_format": "bare", "disk_format": "raw"}`, "data")
	for _, route := range api.New(nil).Routes() {
		path := strings.NewReplacer("{image_id}", id, "{member_id}", "bob", "{tag_value}", "t").Replace(route.Path)
		call := route.Method + " " + path
		if route.IsOpen() {
			if a := c.do("nobody", call, ""); a.status != 200 && a.status != 300 {
				t.Errorf("nobody at %s: %d", call, a.status)
			}
			continue
		}
		c.want(401, "nobody", call, "")
		body, media := "", "application/json"
		switch {
		case strings.HasSuffix(path, "/file"), strings.HasSuffix(path, "/stage"):
			media = octets
		case strings.HasSuffix(path, "/import"):
			body = `{"method": {"name": "glance-direct"}}`
		case strings.HasSuffix(path, "/locations"):
			body = `{"url": "http://example.org/x"}`
		case route.Method == "PATCH":
			body, media = "[]", patch
		case route.Method == "PUT":
			body = `{"status": "accepted"}`
		case route.Method == "POST":
			body = `{"member": "bob"}`
		}
		if strings.Contains(route.Path, "{image_id}") && !strings.HasPrefix(path, "/v2/cache") {
			c.want(404, other, call, body, "Content-Type", media)
		}
		if route.Method != "GET" && route.Path != "/v2/images/{image_id}/members/{member_id}" && !strings.HasSuffix(path, "/members") {
			c.want(403, "reader@alice", call, body, "Content-Type", media)
		}
	}
	c.want(403, "reader@alice", "GET /v2/images/"+id+"/file", "")
	c.want(403, owner, "GET /v2/info/stores/detail", "")
	c.want(200, admin, "GET /v2/info/stores/detail", "")
	c.want(200, admin, "GET /v2/images/"+id, "")
}

// TestShapes compares answers with the documented samples.
func TestShapes(t *testing.T) {
	c := newCloud(t, image.Limits{})
	id := c.active(`{"name": "x", "tags": ["t"], "container_format": "bare", "disk_format": "raw"}`, "data")
	c.want(200, owner, "POST /v2/images/"+id+"/members", `{"member": "bob"}`)
	for _, tt := range []struct {
		file, call string
		status     int
		differ     []string // members that configuration decides
	}{
		{"image-show-response", "GET /v2/images/" + id, 200, []string{"stores"}},
		{"images-list-response", "GET /v2/images", 200, nil},
		{"image-members-list-response", "GET /v2/images/" + id + "/members", 200, nil},
		{"image-member-details-response", "GET /v2/images/" + id + "/members/bob", 200, nil},
		{"image-info-import-response", "GET /v2/info/import", 200, nil},
		{"image-versions-response", "GET /versions", 200, nil},
		{"schemas-image-member-show-response", "GET /v2/schemas/member", 200, nil},
		{"schemas-image-members-list-response", "GET /v2/schemas/members", 200, nil},
	} {
		data, err := os.ReadFile("testdata/" + tt.file + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var sample map[string]any
		if err := json.Unmarshal(data, &sample); err != nil {
			t.Fatal(err)
		}
		got := c.want(tt.status, owner, tt.call, "").body
		for _, name := range tt.differ {
			delete(got, name)
			delete(sample, name)
		}
		for name := range sample {
			if _, has := got[name]; !has {
				t.Errorf("%s: %s is missing", tt.file, name)
			}
		}
		for name := range got {
			if _, has := sample[name]; !has {
				t.Errorf("%s: %s is not documented", tt.file, name)
			}
		}
	}
	schema := c.want(200, owner, "GET /v2/schemas/image", "").body["properties"].(map[string]any)
	for name := range c.want(200, owner, "GET /v2/images/"+id, "").body {
		if schema[name] == nil {
			t.Errorf("the schema lacks %s", name)
		}
	}
	if !slices.Contains([]any{"active"}, c.want(200, owner, "GET /v2/images/"+id, "").body["status"]) {
		t.Error("the image is not active")
	}
}

func BenchmarkTransfer(b *testing.B) {
	c := newCloud(b, image.Limits{})
	const size = 128 << 20
	data := string(bytes.Repeat([]byte("0123456789abcdef"), size/16))
	b.Run("upload", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			id := c.active(`{"container_format": "bare", "disk_format": "raw"}`, data)
			c.want(204, owner, "DELETE /v2/images/"+id, "")
		}
	})
	id := c.active(`{"container_format": "bare", "disk_format": "raw"}`, data)
	b.Run("download", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			r, _ := http.NewRequest(http.MethodGet, c.url+"/v2/images/"+id+"/file", nil)
			r.Header.Set("X-Auth-Token", owner)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				b.Fatal(err)
			}
			n, err := io.Copy(io.Discard, resp.Body)
			if resp.Body.Close(); err != nil || n != size {
				b.Fatal(n, err)
			}
		}
	})
}
