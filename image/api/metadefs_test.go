package api_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"altostack/image/api"
	"altostack/image/metadefs"
	"altostack/image/store"
	"altostack/kernel/clock"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/id"
	"altostack/kernel/policy"
	"altostack/kernel/rest"
)

func newMetadefs(t *testing.T) *cloud {
	t.Helper()
	d := dbtest.SQLite(t)
	if err := d.Migrate(t.Context(), "image_metadefs", store.MetadefMigrations()); err != nil {
		t.Fatal(err)
	}
	s := metadefs.New(metadefs.Config{DB: d, Store: store.NewMetadefs(), Clock: clock.Real{}, IDs: id.Random{}})
	return serve(t, api.NewMetadefs(s).Routes())
}

// serve answers routes as the cloud does.
func serve(t *testing.T, routes []rest.Route) *cloud {
	t.Helper()
	engine, err := policy.Service("glance", nil)
	if err != nil {
		t.Fatal(err)
	}
	a := &rest.API{Service: "glance", Mount: "/image", Dialect: rest.GlanceDialect(), Tokens: tokens{}, Policy: rest.PolicyOf("glance", engine),
		Clock: clock.Real{}, IDs: id.Random{}, Log: slog.New(slog.DiscardHandler), Schemas: rest.SchemasOf("glance")}
	h, err := a.Handle(routes)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return &cloud{t: t, url: server.URL + "/image"}
}

func sample(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

const ns = "/v2/metadefs/namespaces"

// shape is the paths of all members of a JSON value.
func shape(v any, at string, into map[string]bool) map[string]bool {
	switch v := v.(type) {
	case map[string]any:
		for name, m := range v {
			into[at+"/"+name] = true
			shape(m, at+"/"+name, into)
		}
	case []any:
		for _, m := range v {
			shape(m, at+"/0", into)
		}
	}
	return into
}

func (c *cloud) like(got map[string]any, file string, except ...string) {
	c.t.Helper()
	var want map[string]any
	if err := json.Unmarshal([]byte(sample(c.t.(*testing.T), file)), &want); err != nil {
		c.t.Fatal(err)
	}
	a, b := shape(got, "", map[string]bool{}), shape(want, "", map[string]bool{})
	for _, set := range []map[string]bool{a, b} {
		maps.DeleteFunc(set, func(path string, _ bool) bool {
			return slices.ContainsFunc(except, func(e string) bool { return strings.HasSuffix(path, e) })
		})
	}
	if !maps.Equal(a, b) {
		for path := range b {
			if !a[path] {
				c.t.Errorf("%s: %s is missing", file, path)
			}
		}
		for path := range a {
			if !b[path] {
				c.t.Errorf("%s: %s is not documented", file, path)
			}
		}
	}
}

// TestMetadefShapes sends the documented requests and compares the answers.
func TestMetadefShapes(t *testing.T) {
	c := newMetadefs(t)
	full := "OS::Compute::Hypervisor"
	a := c.want(201, admin, "POST "+ns, sample(t, "metadef-namespace-create-request"))
	c.like(a.body, "metadef-namespace-create-response", "/self", "/schema", "/created_at", "/updated_at", "/required", "/owner")
	if a.header.Get("Location") != c.url+ns+"/"+full {
		t.Error(a.header)
	}
	c.like(c.want(200, other, "GET "+ns, "").body, "metadef-namespaces-list-response", "/next", "/prefix", "/properties_target", "/first", "/description", "/owner")
	full = "mine"
	c.want(201, admin, "POST "+ns, `{"namespace": "mine", "visibility": "public"}`)
	a = c.want(201, admin, "POST "+ns+"/"+full+"/objects", strings.Replace(sample(t, "metadef-object-create-request"), `"CPU Limits"`, `"CPU"`, 1))
	c.like(a.body, "metadef-object-create-response")
	c.like(c.want(201, admin, "POST "+ns+"/"+full+"/properties", sample(t, "metadef-property-create-request")).body, "metadef-property-create-response")
	c.like(c.want(201, admin, "POST "+ns+"/"+full+"/resource_types", `{"name": "OS::Cinder::Volume", "prefix": "hw_", "properties_target": "image"}`).body, "metadef-resource-type-assoc-create-response")
	c.like(c.want(200, owner, "GET /v2/metadefs/resource_types", "").body, "metadef-resource-types-list-response")
	c.like(c.want(201, admin, "POST "+ns+"/"+full+"/tags/added-sample-tag", "").body, "metadef-tag-create-response")
	c.like(c.want(200, owner, "GET "+ns+"/"+full+"/tags", "").body, "metadef-tags-list-response")
	got := c.want(200, owner, "GET "+ns+"/"+full+"?resource_type=OS::Cinder::Volume", "").body["properties"].(map[string]any)
	for name := range got {
		if !strings.HasPrefix(name, "hw_") {
			t.Errorf("%s lacks the prefix of the resource type", name)
		}
	}
	c.want(200, owner, "GET "+ns+"/"+full+"/properties/hw_hypervisor_type?resource_type=OS::Cinder::Volume", "")
	c.want(404, owner, "GET "+ns+"/"+full+"/properties/hypervisor_type?resource_type=OS::Cinder::Volume", "")
	c.want(404, owner, "GET "+ns+"/"+full+"/properties/hypervisor_type?resource_type=none", "")
}

// TestMetadefSchemas compares all but the sentences with the documented schemas.
func TestMetadefSchemas(t *testing.T) {
	c := newMetadefs(t)
	for name, file := range map[string]string{"namespace": "namespace-show", "namespaces": "namespaces-list", "object": "object-show", "objects": "objects-list", "tag": "tag-show", "tags": "tags-list",
		"property": "property-show", "properties": "properties-list", "resource_type": "resource-type-association-show", "resource_types": "resource-type-associations-list"} {
		var want any
		if err := json.Unmarshal([]byte(sample(t, "schemas-metadef-"+file+"-response")), &want); err != nil {
			t.Fatal(err)
		}
		got := c.want(200, "reader@alice", "GET /v2/schemas/metadefs/"+name, "").body
		if a, b := tidy(any(got)), tidy(want); !reflect.DeepEqual(a, b) {
			x, _ := json.Marshal(a)
			y, _ := json.Marshal(b)
			t.Errorf("%s\n got %s\nwant %s", name, x, y)
		}
	}
}

// tidy leaves out sentences, sorts lists of words, and takes for one the two
// bounds of names that Glance documents (255) and enforces (80).
func tidy(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, m := range v {
			if _, text := m.(string); name == "description" && text {
				continue
			}
			if out[name] = tidy(m); name == "maxLength" && m == 255.0 {
				out[name] = 80.0
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, m := range v {
			out[i] = tidy(m)
		}
		slices.SortFunc(out, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		return out
	}
	return v
}

func TestMetadefRefusals(t *testing.T) {
	c := newMetadefs(t)
	c.want(201, admin, "POST "+ns, `{"namespace": "pub", "visibility": "public", "protected": true, "tags": [{"name": "a"}], "objects": [{"name": "o"}], "properties": {"p": {"title": "t", "type": "string"}}, "resource_type_associations": [{"name": "R"}]}`)
	c.want(201, admin, "POST "+ns, `{"namespace": "priv"}`)
	for _, tt := range []struct {
		status          int
		who, call, body string
	}{
		{403, owner, "POST " + ns, `{"namespace": "x"}`},
		{409, admin, "POST " + ns, `{"namespace": "pub"}`},
		{400, admin, "POST " + ns, `{"namespace": "` + strings.Repeat("x", 81) + `"}`},
		{400, admin, "POST " + ns, `{"namespace": "y", "unknown": 1}`},
		{403, admin, "POST " + ns, `{"namespace": "y", "self": "/x"}`},
		{400, admin, "POST " + ns, `{"namespace": "y", "visibility": "shared"}`},
		{404, owner, "GET " + ns + "/priv", ""},
		{404, owner, "PUT " + ns + "/priv", `{"namespace": "priv"}`},
		{404, owner, "DELETE " + ns + "/priv", ""},
		{403, owner, "PUT " + ns + "/pub", `{"namespace": "pub"}`},
		{409, admin, "PUT " + ns + "/priv", `{"namespace": "pub"}`},
		{403, owner, "DELETE " + ns + "/pub", ""},
		{403, admin, "DELETE " + ns + "/pub", ""},
		{403, admin, "DELETE " + ns + "/pub/tags", ""},
		{403, admin, "DELETE " + ns + "/pub/objects", ""},
		{403, admin, "DELETE " + ns + "/pub/properties", ""},
		{403, admin, "DELETE " + ns + "/pub/tags/a", ""},
		{403, admin, "DELETE " + ns + "/pub/resource_types/R", ""},
		{409, admin, "POST " + ns + "/pub/resource_types", `{"name": "R"}`},
		{404, admin, "DELETE " + ns + "/pub/resource_types/none", ""},
		{403, owner, "POST " + ns + "/pub/tags/b", ""},
		{409, admin, "POST " + ns + "/pub/tags/A", ""},
		{400, admin, "POST " + ns + "/pub/tags/" + strings.Repeat("x", 81), ""},
		{404, admin, "GET " + ns + "/pub/tags/none", ""},
		{409, admin, "POST " + ns + "/pub/objects", `{"name": "o"}`},
		{400, admin, "POST " + ns + "/pub/objects", `{"name": "o2", "properties": {"p": {"title": "x"}}}`},
		{400, admin, "POST " + ns + "/pub/properties", `{"name": "q", "title": "x"}`},
		{409, admin, "POST " + ns + "/pub/properties", `{"name": "p", "title": "x", "type": "string"}`},
		{400, owner, "GET " + ns + "?limit=x", ""},
		{400, owner, "GET " + ns + "?limit=-1", ""},
		{400, owner, "GET " + ns + "?sort_dir=up", ""},
		{400, owner, "GET " + ns + "?visibility=community", ""},
		{404, owner, "GET " + ns + "?marker=none", ""},
		{400, owner, "GET " + ns + "/pub/objects?limit=0", ""},
		{200, owner, "GET " + ns + "/pub/tags?limit=0", ""},
	} {
		c.want(tt.status, tt.who, tt.call, tt.body)
	}
	c.want(200, admin, "PUT "+ns+"/pub", `{"namespace": "renamed é", "visibility": "private"}`)
	c.want(404, admin, "GET "+ns+"/pub", "")
	if a := c.want(200, admin, "GET "+ns+"/renamed%20%C3%A9", ""); a.body["protected"] != false || a.body["tags"] == nil {
		t.Error(a.raw)
	}
	c.want(201, admin, "POST "+ns+"/renamed%20%C3%A9/tags", `{"tags": [{"name": "t1"}]}`)
	if a := c.want(200, admin, "GET "+ns+"/renamed%20%C3%A9/tags", ""); a.raw != `{"tags":[{"name":"t1"}]}` {
		t.Error("tags were not replaced:", a.raw)
	}
	c.want(201, admin, "POST "+ns+"/renamed%20%C3%A9/tags", `{"tags": [{"name": "t2"}]}`, "X-Openstack-Append", "True")
	if a := c.want(200, admin, "GET "+ns+"/renamed%20%C3%A9/tags?sort_key=name&sort_dir=asc", ""); !strings.HasPrefix(a.raw, `{"tags":[{"name":"t1"},{"name":"t2"}]`) {
		t.Error(a.raw)
	}
	c.want(204, admin, "DELETE "+ns+"/renamed%20%C3%A9", "")
}

func TestMetadefPages(t *testing.T) {
	c := newMetadefs(t)
	for i := range 5 {
		c.want(201, admin, "POST "+ns, fmt.Sprintf(`{"namespace": "n%d", "visibility": "public"}`, i))
	}
	var seen []string
	for path := ns + "?limit=2&sort_key=namespace&sort_dir=asc"; path != ""; {
		body := c.want(200, owner, "GET "+path, "").body
		for _, n := range body["namespaces"].([]any) {
			seen = append(seen, n.(map[string]any)["namespace"].(string))
		}
		path, _ = body["next"].(string)
	}
	if got := strings.Join(seen, " "); got != "n0 n1 n2 n3 n4" {
		t.Error(got)
	}
}
