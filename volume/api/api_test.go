package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"altostack/kernel/auth"
	"altostack/kernel/clock"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/kernel/policy"
	"altostack/kernel/rest"
	"altostack/volume"
	"altostack/volume/api"
	"altostack/volume/volumetest"
)

const (
	project = "11111111111111111111111111111111"
	other   = "22222222222222222222222222222222"
	imageID = "33333333-3333-4333-8333-333333333333"
)

// tokens knows who bears which token.
type tokens struct{}

func (tokens) Validate(_ context.Context, token string) (*auth.Principal, error) {
	p := &auth.Principal{UserID: "u-" + token, ProjectID: project, Roles: []string{"member", "reader"}}
	switch token {
	case "member":
	case "stranger":
		p.ProjectID = other
	case "reader":
		p.Roles = []string{"reader"}
	case "admin":
		p.Roles = []string{"admin", "manager", "member", "reader"}
	default:
		return nil, fault.New(fault.CodeAuthUnauthenticated, "No.")
	}
	return p, nil
}

// client speaks to the API as one bearer in one version.
type client struct {
	t       testing.TB
	h       http.Handler
	cloud   *volumetest.Cloud
	token   string
	version string
	extra   [2]string // one more header
}

func newClient(t testing.TB) client {
	t.Helper()
	cloud := volumetest.New(t)
	cloud.Library.Add(t, volume.Image{ID: imageID, Name: "tiny", Properties: map[string]string{"os_type": "linux"}}, []byte("image"))
	engine, err := policy.Service("cinder", nil)
	if err != nil {
		t.Fatal(err)
	}
	rng := api.Range
	a := &rest.API{Service: "cinder", Mount: "/volume", Dialect: rest.CinderDialect(), Tokens: tokens{}, Policy: rest.PolicyOf("cinder", engine), Clock: clock.Real{},
		IDs: id.Random{}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Range: &rng, Schemas: rest.SchemasOf("cinder"), ProjectAfter: "v3"}
	h, err := a.Handle(api.New(cloud.Service).Routes())
	if err != nil {
		t.Fatal(err)
	}
	return client{t: t, h: h, cloud: cloud, token: "member", version: "3.71"}
}

func (c client) as(token string) client { c.token = token; return c }
func (c client) at(v string) client     { c.version = v; return c }

func (c client) header(name, value string) client { c.extra = [2]string{name, value}; return c }

type reply struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

// do sends a request; body is JSON or empty.
func (c client) do(method, path, body string) reply {
	c.t.Helper()
	r := httptest.NewRequestWithContext(c.t.Context(), method, "/volume"+path, strings.NewReader(body))
	if c.token != "" {
		r.Header.Set("X-Auth-Token", c.token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.version != "" {
		r.Header.Set("OpenStack-API-Version", "volume "+c.version)
	}
	if c.extra[0] != "" {
		r.Header.Set(c.extra[0], c.extra[1])
	}
	w := httptest.NewRecorder()
	c.h.ServeHTTP(w, r)
	out := reply{status: w.Code, header: w.Header(), raw: w.Body.String()}
	d := json.NewDecoder(bytes.NewReader(w.Body.Bytes()))
	_ = d.Decode(&out.body)
	return out
}

// want sends a request and fails on another status.
func (c client) want(status int, method, path, body string) map[string]any {
	c.t.Helper()
	r := c.do(method, path, body)
	if r.status != status {
		c.t.Fatalf("%s %s %s: %d, want %d\n%s", method, path, body, r.status, status, r.raw)
	}
	return r.body
}

// says sends a request that fails with a message that has these words.
func (c client) says(status int, words, method, path, body string) {
	c.t.Helper()
	if r := c.do(method, path, body); r.status != status || !strings.Contains(r.raw, words) {
		c.t.Errorf("%s %s %s: %d %s\nwant %d with %q", method, path, body, r.status, r.raw, status, words)
	}
}

func (c client) await(id string) {
	c.t.Helper()
	if err := c.cloud.Flows.Settled(c.t.Context(), id); err != nil {
		c.t.Fatal(err)
	}
}

func at(v any, path ...string) any {
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	return v
}

func (c client) volume(members string) string {
	c.t.Helper()
	if members != "" {
		members = ", " + members
	}
	id := at(c.want(202, "POST", "/v3/volumes", `{"volume": {"size": 1`+members+`}}`), "volume", "id").(string)
	c.await(id)
	return id
}

func (c client) status(id string) any {
	c.t.Helper()
	return at(c.want(200, "GET", "/v3/volumes/"+id, ""), "volume", "status")
}

func (c client) action(status int, id, body string) map[string]any {
	c.t.Helper()
	return c.want(status, "POST", "/v3/volumes/"+id+"/action", body)
}

func TestVolumeLife(t *testing.T) {
	c := newClient(t)
	id := c.volume(`"name": "one", "description": "first", "metadata": {"k": "v"}`)
	v := at(c.want(200, "GET", "/v3/"+project+"/volumes/"+id, ""), "volume")
	for member, want := range map[string]any{"status": "available", "name": "one", "description": "first", "size": 1.0, "bootable": "false", "volume_type": "file", "availability_zone": "nova",
		"encrypted": false, "multiattach": false, "os-vol-tenant-attr:tenant_id": project, "snapshot_id": nil} {
		if got := at(v, member); got != want {
			t.Errorf("%s is %v, want %v", member, got, want)
		}
	}
	c.want(200, "PUT", "/v3/volumes/"+id, `{"volume": {"name": "two", "description": "second"}}`)
	if name := at(c.want(200, "GET", "/v3/volumes/"+id, ""), "volume", "name"); name != "two" {
		t.Errorf("name %v", name)
	}
	if e := c.want(200, "GET", "/v3/volumes/"+id+"/encryption", ""); e["encryption_key_id"] != nil {
		t.Errorf("encryption %v", e)
	}
	c.action(202, id, `{"os-extend": {"new_size": 3}}`)
	c.await(id)
	if size := at(c.want(200, "GET", "/v3/volumes/"+id, ""), "volume", "size"); size != 3.0 {
		t.Errorf("size %v", size)
	}
	c.says(400, "New size for extend must be greater than current size", "POST", "/v3/volumes/"+id+"/action", `{"os-extend": {"new_size": 2}}`)
	c.want(202, "DELETE", "/v3/volumes/"+id, "")
	c.await(id)
	c.says(404, "Volume "+id+" could not be found.", "GET", "/v3/volumes/"+id, "")
	nothingLeft(t, c)
}

func nothingLeft(t *testing.T, c client) {
	t.Helper()
	if stored, _ := c.cloud.Disks.List(t.Context()); len(stored.Volumes)+len(stored.Snapshots) > 0 {
		t.Errorf("left behind: %+v", stored)
	}
}

func TestSources(t *testing.T) {
	c := newClient(t)
	id := c.volume(`"imageRef": "` + imageID + `"`)
	v := at(c.want(200, "GET", "/v3/volumes/"+id, ""), "volume")
	if at(v, "bootable") != "true" || at(v, "volume_image_metadata", "image_name") != "tiny" || at(v, "volume_image_metadata", "os_type") != "linux" {
		t.Errorf("of an image: %v", v)
	}
	clone := c.volume(`"source_volid": "` + id + `"`)
	if v := at(c.want(200, "GET", "/v3/volumes/"+clone, ""), "volume"); at(v, "bootable") != "true" || at(v, "source_volid") != id {
		t.Errorf("clone: %v", v)
	}
	snap := at(c.want(202, "POST", "/v3/snapshots", `{"snapshot": {"volume_id": "`+id+`", "name": "s"}}`), "snapshot", "id").(string)
	c.await(id)
	back := at(c.want(202, "POST", "/v3/volumes", `{"volume": {"snapshot_id": "`+snap+`"}}`), "volume", "id").(string)
	c.await(back)
	if data := volumetest.Read(t, c.cloud.Disks, back); !strings.HasPrefix(string(data), "image") {
		t.Errorf("reads %q", data[:5])
	}
	c.says(400, "must not be migrating, attached, belong to a group, have snapshots", "DELETE", "/v3/volumes/"+id, "")
	c.want(202, "DELETE", "/v3/volumes/"+id+"?cascade=true", "")
	c.want(202, "DELETE", "/v3/volumes/"+clone, "")
	c.want(202, "DELETE", "/v3/volumes/"+back, "")
	for _, v := range []string{id, clone, back} {
		c.await(v)
	}
	nothingLeft(t, c)
}

func TestAttaching(t *testing.T) {
	c := newClient(t)
	id := c.volume("")
	server := "44444444-4444-4444-8444-444444444444"
	c.action(202, id, `{"os-reserve": {}}`)
	if s := c.status(id); s != "attaching" {
		t.Errorf("reserved is %v", s)
	}
	c.says(400, "Invalid volume: Volume status must be available to reserve, but the status is attaching.", "POST", "/v3/volumes/"+id+"/action", `{"os-reserve": {}}`)
	c.action(202, id, `{"os-unreserve": {}}`)
	c.action(202, id, `{"os-attach": {"instance_uuid": "`+server+`", "mountpoint": "/dev/vdc"}}`)
	v := at(c.want(200, "GET", "/v3/volumes/"+id, ""), "volume")
	list := at(v, "attachments").([]any)
	if at(v, "status") != "in-use" || len(list) != 1 || at(list[0], "server_id") != server || at(list[0], "device") != "/dev/vdc" {
		t.Fatalf("attached: %v", v)
	}
	c.says(400, "Invalid volume", "DELETE", "/v3/volumes/"+id, "")
	c.action(202, id, `{"os-begin_detaching": {}}`)
	c.action(202, id, `{"os-roll_detaching": {}}`)
	c.action(202, id, `{"os-detach": {"attachment_id": "`+at(list[0], "attachment_id").(string)+`"}}`)
	if s := c.status(id); s != "available" {
		t.Errorf("detached is %v", s)
	}
	a := at(c.want(200, "POST", "/v3/attachments", `{"attachment": {"volume_uuid": "`+id+`", "instance_uuid": "`+server+`"}}`), "attachment")
	if at(a, "status") != "reserved" || c.status(id) != "reserved" {
		t.Errorf("attachment %v", a)
	}
	aid := at(a, "id").(string)
	a = at(c.want(200, "PUT", "/v3/attachments/"+aid, `{"attachment": {"connector": {"host": "h", "mountpoint": "/dev/vdb"}}}`), "attachment")
	if at(a, "status") != "attaching" || at(a, "connection_info", "driver_volume_type") != "file" || at(a, "connection_info", "device_path") != nil {
		t.Errorf("connected %v", a)
	}
	c.want(204, "POST", "/v3/attachments/"+aid+"/action", `{"os-complete": {}}`)
	if s := c.status(id); s != "in-use" {
		t.Errorf("completed is %v", s)
	}
	c.want(200, "GET", "/v3/attachments/detail", "")
	c.as("stranger").says(404, "could not be found", "GET", "/v3/attachments/"+aid, "")
	c.as("stranger").says(404, "could not be found", "DELETE", "/v3/attachments/"+aid, "")
	c.want(200, "DELETE", "/v3/attachments/"+aid, "")
	if s := c.status(id); s != "available" {
		t.Errorf("after deletion it is %v", s)
	}
}

func TestComputeHoldsItsAttachments(t *testing.T) {
	c := newClient(t)
	id := c.volume("")
	scope := auth.As(project, "u")
	aid, err := c.cloud.Reserve(t.Context(), scope, id, "s1")
	again, err2 := c.cloud.Reserve(t.Context(), scope, id, "s1")
	if err != nil || err2 != nil || aid != again {
		t.Fatal(aid, again, err, err2)
	}
	for range 2 {
		conn, err := c.cloud.Connect(t.Context(), aid, "host1")
		if err != nil || conn.Path == "" || conn.AttachmentID != aid {
			t.Fatal(conn, err)
		}
	}
	if err := c.cloud.Complete(t.Context(), aid, "/dev/vda"); err != nil {
		t.Fatal(err)
	}
	c.says(409, "Detach volume from instance s1 using the Compute API", "DELETE", "/v3/attachments/"+aid, "")
	c.says(409, "using the Compute API", "POST", "/v3/volumes/"+id+"/action", `{"os-detach": {}}`)
	of, err := c.cloud.AttachmentsOf(t.Context(), []string{"s1", "s2"})
	if err != nil || len(of["s1"]) != 1 || of["s1"][0].Device != "/dev/vda" {
		t.Errorf("attachments %v, %v", of, err)
	}
	for range 2 {
		if err := c.cloud.Detach(t.Context(), aid); err != nil {
			t.Fatal(err)
		}
	}
	if s := c.status(id); s != "available" {
		t.Errorf("status %v", s)
	}
	if err := c.cloud.Delete(t.Context(), scope, id); err != nil {
		t.Fatal(err)
	}
	c.await(id)
	if err := c.cloud.Delete(t.Context(), scope, id); err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, c)
}

func TestRefusals(t *testing.T) {
	c := newClient(t)
	id := c.volume("")
	none := "55555555-5555-4555-8555-555555555555"
	for name, tt := range map[string]struct {
		status       int
		words        string
		method, path string
		body         string
	}{
		"no size":                   {400, "Invalid", "POST", "/v3/volumes", `{"volume": {}}`},
		"size zero":                 {400, "", "POST", "/v3/volumes", `{"volume": {"size": 0}}`},
		"size negative":             {400, "", "POST", "/v3/volumes", `{"volume": {"size": -1}}`},
		"size not a number":         {400, "", "POST", "/v3/volumes", `{"volume": {"size": "#$%"}}`},
		"unknown type":              {404, "Volume type nope could not be found.", "POST", "/v3/volumes", `{"volume": {"size": 1, "volume_type": "nope"}}`},
		"unknown snapshot":          {404, "Snapshot " + none + " could not be found.", "POST", "/v3/volumes", `{"volume": {"size": 1, "snapshot_id": "` + none + `"}}`},
		"unknown source":            {404, "Volume " + none + " could not be found.", "POST", "/v3/volumes", `{"volume": {"size": 1, "source_volid": "` + none + `"}}`},
		"unknown image":             {400, "Invalid image identifier", "POST", "/v3/volumes", `{"volume": {"size": 1, "imageRef": "` + none + `"}}`},
		"volume.group_not_found":    {404, "Group " + none, "POST", "/v3/volumes", `{"volume": {"size": 1, "group_id": "` + none + `"}}`},
		"volume.backup_not_found":   {404, "Backup " + none, "POST", "/v3/volumes", `{"volume": {"size": 1, "backup_id": "` + none + `"}}`},
		"unknown zone":              {400, "Availability zone 'z' is invalid.", "POST", "/v3/volumes", `{"volume": {"size": 1, "availability_zone": "z"}}`},
		"snapshot of none":          {404, "Volume " + none, "POST", "/v3/snapshots", `{"snapshot": {"volume_id": "` + none + `"}}`},
		"snapshot no volume":        {400, "", "POST", "/v3/snapshots", `{"snapshot": {}}`},
		"bad limit":                 {400, "limit param must be an integer", "GET", "/v3/snapshots?limit=invalid", ""},
		"bad sort":                  {400, "", "GET", "/v3/snapshots?sort_key=invalid", ""},
		"bad marker":                {404, "Snapshot " + none, "GET", "/v3/snapshots?marker=" + none, ""},
		"bad filter":                {400, "Invalid filters", "GET", "/v3/volumes?colour=red", ""},
		"extend nothing":            {404, "", "POST", "/v3/volumes/" + none + "/action", `{"os-extend": {"new_size": 2}}`},
		"extend by a word":          {400, "", "POST", "/v3/volumes/" + id + "/action", `{"os-extend": {"new_size": "abc"}}`},
		"extend by null":            {400, "", "POST", "/v3/volumes/" + id + "/action", `{"os-extend": {"new_size": null}}`},
		"other project":             {400, "Malformed request", "GET", "/v3/" + other + "/volumes", ""},
		"volume.message_not_found":  {404, "Message " + none, "GET", "/v3/messages/" + none, ""},
		"no transfer":               {404, "Transfer " + none, "GET", "/v3/volume-transfers/" + none, ""},
		"volume.metadata_not_found": {404, "has no metadata with key k.", "GET", "/v3/volumes/" + id + "/metadata/k", ""},
		"not for members":           {403, "Policy doesn't allow", "GET", "/v3/os-services", ""},
		"bad image metadata":        {404, "Metadata not found", "POST", "/v3/volumes/" + id + "/action", `{"os-unset_image_metadata": {"key": "k"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			c := c
			c.t = t
			c.says(tt.status, tt.words, tt.method, tt.path, tt.body)
		})
	}
	admin := c.as("admin")
	// volume.qos_not_found, volume.host_not_found, volume.default_type_not_found
	admin.says(404, "No such QoS spec", "GET", "/v3/qos-specs/"+none, "")
	admin.says(404, "Host nope could not be found.", "GET", "/v3/os-hosts/nope", "")
	admin.says(404, "could not be found on host nope", "PUT", "/v3/os-services/disable", `{"host": "nope", "binary": "cinder-volume"}`)
	admin.says(404, "Default type for project "+other+" not found.", "GET", "/v3/default-types/"+other, "")
	stranger := c.as("stranger")
	stranger.says(404, "Volume "+id+" could not be found.", "GET", "/v3/volumes/"+id, "")
	stranger.says(404, "Volume "+id, "DELETE", "/v3/volumes/"+id, "")
	stranger.says(404, "Volume "+id, "POST", "/v3/volumes", `{"volume": {"source_volid": "`+id+`"}}`)
	if list := at(stranger.want(200, "GET", "/v3/volumes?all_tenants=1", ""), "volumes").([]any); len(list) != 0 {
		t.Errorf("a stranger sees %v", list)
	}
	c.as("reader").says(403, "Policy doesn't allow", "POST", "/v3/volumes", `{"volume": {"size": 1}}`)
	if r := c.as("").do("GET", "/v3/volumes", ""); r.status != 401 {
		t.Errorf("nobody gets %d", r.status)
	}
}

func TestQuota(t *testing.T) {
	c, admin := newClient(t), client{}
	admin = c.as("admin")
	admin.want(200, "PUT", "/v3/os-quota-sets/"+project, `{"quota_set": {"volumes": 2, "gigabytes": 5, "snapshots": 1}}`)
	id := c.volume("")
	c.says(413, "Requested volume or snapshot exceeds allowed gigabytes quota. Requested 5G, quota is 5G and 1G has been consumed.", "POST", "/v3/volumes", `{"volume": {"size": 5}}`)
	c.says(413, "exceeds allowed gigabytes quota", "POST", "/v3/volumes/"+id+"/action", `{"os-extend": {"new_size": 6}}`)
	c.volume("")
	c.says(413, "Maximum number of volumes allowed (2) exceeded for quota 'volumes'.", "POST", "/v3/volumes", `{"volume": {"size": 1}}`)
	c.want(202, "POST", "/v3/snapshots", `{"snapshot": {"volume_id": "`+id+`"}}`)
	c.says(413, "Maximum number of snapshots allowed (1) exceeded", "POST", "/v3/snapshots", `{"snapshot": {"volume_id": "`+id+`"}}`)
	q := at(c.want(200, "GET", "/v3/os-quota-sets/"+project+"?usage=true", ""), "quota_set")
	if at(q, "volumes", "in_use") != 2.0 || at(q, "gigabytes", "in_use") != 3.0 || at(q, "volumes_file", "limit") != -1.0 {
		t.Errorf("usage %v", q)
	}
	l := at(c.want(200, "GET", "/v3/limits", ""), "limits", "absolute")
	if at(l, "maxTotalVolumes") != 2.0 || at(l, "totalVolumesUsed") != 2.0 {
		t.Errorf("limits %v", l)
	}
	c.says(403, "", "GET", "/v3/os-quota-sets/"+other, "")
	admin.want(200, "DELETE", "/v3/os-quota-sets/"+project, "")
	c.volume("")
}

func TestListing(t *testing.T) {
	c := newClient(t)
	var ids []string
	for i := range 4 {
		ids = append([]string{c.volume(fmt.Sprintf(`"name": "v%d", "metadata": {"n": "%d", "all": "yes"}`, i, i))}, ids...)
	}
	c.as("stranger").volume(`"name": "v1"`)
	names := func(path string) (out []string) {
		for _, v := range at(c.want(200, "GET", path, ""), strings.Split(strings.Split(path, "?")[0], "/")[2]).([]any) {
			out = append(out, at(v, "id").(string))
		}
		return out
	}
	for path, want := range map[string][]string{
		"/v3/volumes":                                            ids,
		"/v3/volumes/detail":                                     ids,
		"/v3/volumes?limit=2":                                    ids[:2],
		"/v3/volumes?limit=0":                                    nil,
		"/v3/volumes?offset=1&limit=2":                           ids[1:3],
		"/v3/volumes?marker=" + ids[1]:                           ids[2:],
		"/v3/volumes/detail?name=v1":                             ids[2:3],
		"/v3/volumes?display_name=v1":                            ids[2:3],
		"/v3/volumes?name~=V":                                    ids,
		"/v3/volumes?status=error":                               nil,
		"/v3/volumes?bootable=true":                              nil,
		"/v3/volumes?availability_zone=nova":                     ids,
		"/v3/volumes?metadata=%7B'n':+'2'%7D":                    ids[1:2],
		"/v3/volumes?metadata=%7B%22all%22:%22yes%22%7D&limit=3": ids[:3],
		"/v3/volumes?sort=name:asc&limit=1":                      ids[3:],
		"/v3/volumes?sort_key=name&sort_dir=desc":                ids,
		"/v3/volumes?created_at=lt:2001-01-01":                   nil,
	} {
		if got := names(path); !slices.Equal(got, want) {
			t.Errorf("%s\n got %v\nwant %v", path, got, want)
		}
	}
	body := c.want(200, "GET", "/v3/volumes/detail?limit=1&with_count=true", "")
	next := at(at(body, "volumes_links").([]any)[0], "href").(string)
	if body["count"] != 4.0 || !strings.Contains(next, "/v3/"+project+"/volumes/detail?") || !strings.Contains(next, "marker="+ids[0]) {
		t.Errorf("count %v, next %s", body["count"], next)
	}
	s := at(c.want(200, "GET", "/v3/volumes/summary", ""), "volume-summary")
	if at(s, "total_count") != 4.0 || at(s, "total_size") != 4.0 || len(at(s, "metadata", "n").([]any)) != 4 {
		t.Errorf("summary %v", s)
	}
	if n := len(at(c.as("admin").want(200, "GET", "/v3/volumes?all_tenants=1", ""), "volumes").([]any)); n != 5 {
		t.Errorf("an administrator sees %d", n)
	}
	if n := len(at(c.as("admin").want(200, "GET", "/v3/volumes", ""), "volumes").([]any)); n != 4 {
		t.Errorf("an administrator has %d of the own project", n)
	}
}
