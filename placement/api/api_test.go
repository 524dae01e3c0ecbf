package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"altostack/kernel/auth"
	"altostack/kernel/clock"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/kernel/policy"
	"altostack/kernel/rest"
	"altostack/placement"
	"altostack/placement/api"
	"altostack/placement/store"
)

// tokens are personas: the token is the role.
type tokens struct{}

func (tokens) Validate(_ context.Context, token string) (*auth.Principal, error) {
	switch token {
	case "admin", "service":
		return &auth.Principal{UserID: "u-" + token, ProjectID: "p-" + token, Roles: []string{token}}, nil
	case "reader", "member":
		return &auth.Principal{UserID: "u", ProjectID: "p", Roles: []string{token, "reader"}}, nil
	}
	return nil, fault.New(fault.CodeAuthUnauthenticated, "The request you have made requires authentication.")
}

type client struct {
	t *testing.T
	h http.Handler
}

func newClient(t *testing.T) client { return newClientLogging(t, slog.New(slog.DiscardHandler)) }

func newClientLogging(t *testing.T, log *slog.Logger) client {
	d := dbtest.SQLite(t)
	if err := d.Migrate(t.Context(), "placement", store.Migrations()); err != nil {
		t.Fatal(err)
	}
	s := placement.New(placement.Config{DB: d, Store: store.New(), Clock: clock.Real{}, IDs: id.Random{}})
	engine, err := policy.Service("placement", nil)
	if err != nil {
		t.Fatal(err)
	}
	a := &rest.API{Service: "placement", Mount: "/placement", Dialect: rest.PlacementDialect(), Tokens: tokens{}, Policy: rest.PolicyOf("placement", engine),
		Clock: clock.Real{}, IDs: id.Random{}, Log: log, Range: api.Range(), Schemas: rest.SchemasOf("placement")}
	h, err := a.Handle(api.New(s).Routes())
	if err != nil {
		t.Fatal(err)
	}
	return client{t, h}
}

type answer struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

// do sends "METHOD /path", as an administrator or as who, in version 1.minor.
func (c client) do(who string, minor int, call, body string) answer {
	c.t.Helper()
	method, path, _ := strings.Cut(call, " ")
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, "http://cloud/placement"+path, reader)
	r.Header.Set("X-Auth-Token", who)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("OpenStack-API-Version", fmt.Sprintf("placement 1.%d", minor))
	w := httptest.NewRecorder()
	c.h.ServeHTTP(w, r)
	a := answer{status: w.Code, header: w.Result().Header, raw: w.Body.String()}
	_ = json.Unmarshal(w.Body.Bytes(), &a.body)
	return a
}

// want sends a call and checks the status.
func (c client) want(status, minor int, call, body string) answer {
	c.t.Helper()
	a := c.do("admin", minor, call, body)
	if a.status != status {
		c.t.Fatalf("%s in 1.%d: %d, want %d: %s", call, minor, a.status, status, a.raw)
	}
	return a
}

const (
	hostA  = "11111111-1111-4111-8111-111111111111"
	hostB  = "22222222-2222-4222-8222-222222222222"
	child  = "33333333-3333-4333-8333-333333333333"
	child2 = "55555555-5555-4555-8555-555555555555"
	server = "44444444-4444-4444-8444-444444444444"
	agg    = "66666666-6666-4666-8666-666666666666"
)

// tree makes a host with two children and a host of its own.
func (c client) tree() {
	c.want(200, 39, "POST /resource_providers", `{"name": "a", "uuid": "`+hostA+`"}`)
	c.want(200, 39, "POST /resource_providers", `{"name": "b", "uuid": "`+hostB+`"}`)
	for _, id := range []string{child, child2} {
		c.want(200, 39, "POST /resource_providers", `{"name": "`+id+`", "uuid": "`+id+`", "parent_provider_uuid": "`+hostA+`"}`)
		c.want(200, 39, "PUT /resource_providers/"+id+"/inventories", `{"resource_provider_generation": 0, "inventories": {"SRIOV_NET_VF": {"total": 4}}}`)
	}
	for _, id := range []string{hostA, hostB} {
		c.want(200, 39, "PUT /resource_providers/"+id+"/inventories",
			`{"resource_provider_generation": 0, "inventories": {"VCPU": {"total": 4, "allocation_ratio": 2.0}, "MEMORY_MB": {"total": 1024, "reserved": 24}}}`)
	}
	c.want(201, 39, "PUT /traits/CUSTOM_GOLD", "")
	c.want(200, 39, "PUT /resource_providers/"+child+"/traits", `{"resource_provider_generation": 1, "traits": ["CUSTOM_GOLD"]}`)
}

func TestLifeOfAnAllocation(t *testing.T) {
	c := newClient(t)
	c.tree()
	body := `{"allocations": {"` + hostA + `": {"resources": {"VCPU": 2}}}, "project_id": "p", "user_id": "u", "consumer_generation": %s, "consumer_type": "INSTANCE"}`
	c.want(204, 38, "PUT /allocations/"+server, fmt.Sprintf(body, "null"))
	if a := c.want(409, 38, "PUT /allocations/"+server, fmt.Sprintf(body, "null")); !strings.Contains(a.raw, "placement.concurrent_update") {
		t.Error(a.raw)
	}
	a := c.want(200, 38, "GET /allocations/"+server, "")
	if a.body["consumer_generation"] != 1.0 || a.body["consumer_type"] != "INSTANCE" || a.body["project_id"] != "p" {
		t.Error(a.raw)
	}
	if a.header.Get("Cache-Control") != "no-cache" || a.header.Get("Last-Modified") == "" {
		t.Error("no dates in 1.38")
	}
	if a := c.want(200, 14, "GET /allocations/"+server, ""); a.header.Get("Last-Modified") != "" || a.body["consumer_generation"] != nil {
		t.Error("1.14 shows what came later", a.raw)
	}
	if a := c.want(200, 38, "GET /usages?project_id=p", ""); !strings.Contains(a.raw, `"INSTANCE":{"VCPU":2,"consumer_count":1}`) {
		t.Error(a.raw)
	}
	if a := c.want(200, 9, "GET /usages?project_id=p&user_id=u", ""); a.raw != `{"usages":{"VCPU":2}}` {
		t.Error(a.raw)
	}
	if a := c.want(200, 28, "GET /resource_providers/"+hostA+"/allocations", ""); !strings.Contains(a.raw, `"consumer_generation":1`) {
		t.Error(a.raw)
	}
	c.want(409, 39, "DELETE /resource_providers/"+hostA, "")
	c.want(409, 39, "DELETE /resource_providers/"+hostA+"/inventories/VCPU", "")
	full := `{"allocations": [{"resource_provider": {"uuid": "` + hostA + `"}, "resources": {"VCPU": 4, "MEMORY_MB": 1001}}], "project_id": "p", "user_id": "u"}`
	if a := c.want(409, 8, "PUT /allocations/"+agg, full); !strings.Contains(a.raw, "would exceed the capacity") {
		t.Error(a.raw)
	}
	c.want(204, 38, "PUT /allocations/"+server, `{"allocations": {}, "project_id": "p", "user_id": "u", "consumer_generation": 1, "consumer_type": "INSTANCE"}`)
	c.want(404, 38, "DELETE /allocations/"+server, "")
	c.want(409, 39, "DELETE /resource_providers/"+hostA, "") // its children
	c.want(204, 39, "DELETE /resource_providers/"+child, "")
	c.want(204, 39, "DELETE /resource_providers/"+child2, "")
	c.want(204, 39, "DELETE /resource_providers/"+hostA, "")
	c.want(404, 39, "GET /resource_providers/"+hostA, "")
}

func TestReshape(t *testing.T) {
	c := newClient(t)
	c.tree()
	put := `{"allocations": {"` + hostA + `": {"resources": {"VCPU": 2}}}, "project_id": "p", "user_id": "u", "consumer_generation": null, "consumer_type": "INSTANCE"}`
	c.want(204, 38, "PUT /allocations/"+server, put)
	generation := c.want(200, 39, "GET /resource_providers/"+hostA, "").body["generation"]
	moved := `{"inventories": {
		"` + hostA + `": {"resource_provider_generation": ` + fmt.Sprint(generation) + `, "inventories": {"MEMORY_MB": {"total": 1024}}},
		"` + child2 + `": {"resource_provider_generation": 1, "inventories": {"VCPU": {"total": 4}}}},
		"allocations": {"` + server + `": {"allocations": {"` + child2 + `": {"resources": {"VCPU": 2}}}, "project_id": "p", "user_id": "u", "consumer_generation": 1, "consumer_type": "INSTANCE"}}}`
	if a := c.do("service", 38, "POST /reshaper", moved); a.status != 204 {
		t.Fatal(a.raw)
	}
	if a := c.want(200, 39, "GET /resource_providers/"+hostA+"/inventories", ""); strings.Contains(a.raw, "VCPU") {
		t.Error(a.raw)
	}
	if a := c.want(200, 39, "GET /resource_providers/"+child2+"/usages", ""); !strings.Contains(a.raw, `"VCPU":2`) {
		t.Error(a.raw)
	}
	if a := c.do("service", 38, "POST /reshaper", moved); a.status != 409 {
		t.Error("a stale reshape", a.raw)
	}
}

func TestCandidates(t *testing.T) {
	c := newClient(t)
	c.tree()
	c.want(200, 39, "PUT /resource_providers/"+hostB+"/aggregates", `{"resource_provider_generation": 1, "aggregates": ["`+agg+`"]}`)
	for name, tt := range map[string]struct {
		minor int
		query string
		want  int // requests
		sums  int
	}{
		"one class":                    {39, "resources=VCPU:1", 2, 4},
		"before trees, others hide":    {28, "resources=VCPU:1", 2, 2},
		"too much":                     {39, "resources=VCPU:9", 0, 0},
		"limit":                        {39, "resources=VCPU:1&limit=1", 1, 3},
		"a tree":                       {39, "resources=VCPU:1,SRIOV_NET_VF:1", 2, 3},
		"no tree before 1.29":          {28, "resources=VCPU:1,SRIOV_NET_VF:1", 0, 0},
		"trait of a child":             {39, "resources=SRIOV_NET_VF:1&required=CUSTOM_GOLD", 1, 3},
		"forbidden":                    {39, "resources=SRIOV_NET_VF:1&required=!CUSTOM_GOLD", 1, 3},
		"any of":                       {39, "resources=SRIOV_NET_VF:1&required=in:CUSTOM_GOLD,HW_CPU_X86_AVX", 1, 3},
		"numbered groups":              {39, "resources=VCPU:1&resources1=SRIOV_NET_VF:1&resources2=SRIOV_NET_VF:1&group_policy=none", 4, 3},
		"isolated groups":              {39, "resources=VCPU:1&resources1=SRIOV_NET_VF:1&resources2=SRIOV_NET_VF:1&group_policy=isolate", 2, 3},
		"groups together do not fit":   {39, "resources1=SRIOV_NET_VF:3&resources2=SRIOV_NET_VF:2&group_policy=none", 2, 3},
		"member of":                    {39, "resources=VCPU:1&member_of=" + agg, 1, 1},
		"not member of":                {39, "resources=VCPU:1&member_of=!" + agg, 1, 3},
		"in tree":                      {39, "resources=VCPU:1&in_tree=" + child, 1, 3},
		"root required":                {39, "resources=VCPU:1&root_required=!CUSTOM_GOLD", 2, 4},
		"same subtree":                 {39, "resources_A=SRIOV_NET_VF:1&required_B=CUSTOM_GOLD&same_subtree=_A,_B&group_policy=none", 1, 3},
		"same subtree of unlike nodes": {39, "resources_A=VCPU:1&resources_B=SRIOV_NET_VF:1&same_subtree=_A,_B&group_policy=none", 2, 3},
	} {
		a := c.want(200, tt.minor, "GET /allocation_candidates?"+tt.query, "")
		requests, sums := a.body["allocation_requests"].([]any), a.body["provider_summaries"].(map[string]any)
		if len(requests) != tt.want || len(sums) != tt.sums {
			t.Errorf("%s: %d requests and %d summaries, want %d and %d: %s", name, len(requests), len(sums), tt.want, tt.sums, a.raw)
		}
	}
}

func TestSharedDisk(t *testing.T) {
	c := newClient(t)
	c.tree()
	const disk = "77777777-7777-4777-8777-777777777777"
	c.want(200, 39, "POST /resource_providers", `{"name": "disk", "uuid": "`+disk+`"}`)
	c.want(200, 39, "PUT /resource_providers/"+disk+"/inventories", `{"resource_provider_generation": 0, "inventories": {"DISK_GB": {"total": 100}}}`)
	c.want(200, 39, "PUT /resource_providers/"+disk+"/traits", `{"resource_provider_generation": 1, "traits": ["MISC_SHARES_VIA_AGGREGATE"]}`)
	for id, generation := range map[string]string{disk: "2", hostA: "1", hostB: "1"} {
		c.want(200, 39, "PUT /resource_providers/"+id+"/aggregates", `{"resource_provider_generation": `+generation+`, "aggregates": ["`+agg+`"]}`)
	}
	for query, want := range map[string]int{"resources=VCPU:1,DISK_GB:10": 2, "resources=DISK_GB:10": 1, "resources=DISK_GB:101": 0} {
		a := c.want(200, 39, "GET /allocation_candidates?"+query, "")
		if got := a.body["allocation_requests"].([]any); len(got) != want {
			t.Errorf("%s: %d, want %d: %s", query, len(got), want, a.raw)
		}
	}
}

func TestBadInput(t *testing.T) {
	c := newClient(t)
	c.tree()
	for _, tt := range []struct {
		status, minor int
		call, body    string
		text          string
	}{
		{409, 39, "POST /resource_providers", `{"name": "a"}`, "placement.duplicate_name"},
		{400, 39, "POST /resource_providers", `{"name": "x", "parent_provider_uuid": "` + server + `"}`, "parent provider UUID does not exist"},
		{400, 39, "POST /resource_providers", `{"nme": "x"}`, ""},
		{400, 39, "PUT /resource_providers/" + hostA, `{"name": "a", "parent_provider_uuid": "` + child + `"}`, "loop"},
		{400, 36, "PUT /resource_providers/" + child, `{"name": "c", "parent_provider_uuid": null}`, "un-parenting"},
		{200, 37, "PUT /resource_providers/" + child2, `{"name": "c2", "parent_provider_uuid": "` + hostB + `"}`, hostB},
		{404, 39, "GET /resource_providers/" + server, "", "No resource provider with uuid"},
		{409, 39, "PUT /resource_providers/" + hostA + "/inventories", `{"resource_provider_generation": 7, "inventories": {}}`, "placement.concurrent_update"},
		{400, 39, "PUT /resource_providers/" + hostA + "/inventories", `{"resource_provider_generation": 1, "inventories": {"CUSTOM_NO": {"total": 1}}}`, "No such resource class"},
		{400, 39, "PUT /resource_providers/" + hostA + "/inventories/VCPU", `{"resource_provider_generation": 1, "total": 4, "reserved": 5}`, "reserved value is greater"},
		{400, 25, "PUT /resource_providers/" + hostA + "/inventories/VCPU", `{"resource_provider_generation": 1, "total": 4, "reserved": 4}`, "reserved value is greater"},
		{400, 39, "PUT /resource_providers/" + hostA + "/traits", `{"resource_provider_generation": 1, "traits": ["CUSTOM_NONE"]}`, "No such trait CUSTOM_NONE"},
		{405, 4, "DELETE /resource_providers/" + hostA + "/inventories", "", ""},
		{404, 5, "GET /traits", "", ""},
		{400, 39, "PUT /traits/HW_NEW", "", "CUSTOM_"},
		{409, 39, "DELETE /traits/CUSTOM_GOLD", "", "in use"},
		{400, 39, "DELETE /traits/HW_CPU_X86_AVX", "", "standard"},
		{404, 39, "DELETE /traits/CUSTOM_NONE", "", ""},
		{201, 39, "PUT /resource_classes/CUSTOM_A", "", ""},
		{204, 39, "PUT /resource_classes/CUSTOM_A", "", ""},
		{409, 39, "POST /resource_classes", `{"name": "CUSTOM_A"}`, "already exists"},
		{200, 2, "PUT /resource_classes/CUSTOM_A", `{"name": "CUSTOM_B"}`, "CUSTOM_B"},
		{400, 39, "DELETE /resource_classes/VCPU", "", "standard"},
		{204, 39, "DELETE /resource_classes/CUSTOM_B", "", ""},
		{400, 39, "PUT /allocations/no-uuid", `{"allocations": {}, "project_id": "p", "user_id": "u", "consumer_generation": null, "consumer_type": "X"}`, "Malformed consumer_uuid"},
		{400, 39, "PUT /allocations/" + server, `{"allocations": {"` + server + `": {"resources": {"VCPU": 1}}}, "project_id": "p", "user_id": "u", "consumer_generation": null, "consumer_type": "X"}`, "does not exist"},
		{409, 39, "PUT /allocations/" + server, `{"allocations": {"` + hostA + `": {"resources": {"VGPU": 1}}}, "project_id": "p", "user_id": "u", "consumer_generation": null, "consumer_type": "X"}`, "invalid"},
		{400, 39, "GET /allocation_candidates", "", "at least one resources"},
		{400, 39, "GET /allocation_candidates?resources=VCPU", "", "Badly formed resources"},
		{400, 39, "GET /allocation_candidates?resources=VCPU:0", "", "requires amount"},
		{400, 39, "GET /allocation_candidates?resources=NOPE:1", "", "No such resource class NOPE"},
		{400, 39, "GET /allocation_candidates?resources=VCPU:1&required=CUSTOM_NONE", "", "No such trait(s): CUSTOM_NONE"},
		{400, 39, "GET /allocation_candidates?resources=VCPU:1&required=CUSTOM_GOLD,!CUSTOM_GOLD", "", "Conflicting"},
		{400, 39, "GET /allocation_candidates?resources1=VCPU:1&resources2=VCPU:1", "", "group_policy"},
		{400, 39, "GET /allocation_candidates?resources=VCPU:1&root_required=CUSTOM_GOLD&root_required=CUSTOM_GOLD", "", "placement.query.duplicate_key"},
		{400, 39, "GET /allocation_candidates?resources=VCPU:1&same_subtree=_X", "", "placement.query.bad_value"},
		{400, 15, "GET /allocation_candidates?resources=VCPU:1&limit=1", "", "limit"},
		{400, 38, "GET /allocation_candidates?resources=VCPU:1&required=in:CUSTOM_GOLD", "", "1.39"},
		{404, 9, "GET /allocation_candidates?resources=VCPU:1", "", ""},
		{400, 39, "GET /usages", "", "project_id"},
		{400, 39, "GET /resource_providers?colour=red", "", "colour"},
		{406, 99, "GET /resource_providers", "", "max_version"},
	} {
		if a := c.want(tt.status, tt.minor, tt.call, tt.body); !strings.Contains(a.raw, tt.text) {
			t.Errorf("%s: %s", tt.call, a.raw)
		}
	}
}

// Every route refuses nobody, and all but the usages of the own project refuse
// who is neither administrator nor service.
func TestPersonas(t *testing.T) {
	c := newClient(t)
	c.tree()
	for _, route := range api.New(nil).Routes() {
		if route.Path == "/" {
			continue
		}
		path := strings.NewReplacer("{uuid}", hostA, "{resource_class}", "VCPU", "{name}", "CUSTOM_GOLD", "{consumer_uuid}", server, "/usages", "/usages?project_id=other").Replace(route.Path)
		if strings.HasPrefix(route.Path, "/resource_providers") {
			path, _, _ = strings.Cut(path, "?")
		}
		minor := 39
		if !route.Max.IsZero() {
			minor = route.Max.Minor
		}
		if a := c.do("nobody", minor, route.Method+" "+path, ""); a.status != 401 {
			t.Errorf("nobody at %s %s: %d", route.Method, path, a.status)
		}
		if a := c.do("member", minor, route.Method+" "+path, ""); a.status != 403 {
			t.Errorf("a member at %s %s: %d %s", route.Method, path, a.status, a.raw)
		}
	}
	if a := c.do("reader", 39, "GET /usages?project_id=p", ""); a.status != 200 {
		t.Error("a reader and the usages of the own project:", a.raw)
	}
	if a := c.do("reader", 39, "GET /usages?project_id=other", ""); a.status != 403 {
		t.Error("a reader and the usages of another project:", a.raw)
	}
	if a := c.do("nobody", 0, "GET /", ""); a.status != 200 {
		t.Error("the version document:", a.raw)
	}
}

// TestShapes compares answers with the documented samples: the same members of
// the same types.
func TestShapes(t *testing.T) {
	c := newClient(t)
	c.tree()
	c.want(204, 38, "PUT /allocations/"+server, `{"allocations": {"`+hostA+`": {"resources": {"VCPU": 2}}}, "project_id": "p", "user_id": "u", "consumer_generation": null, "consumer_type": "INSTANCE"}`)
	c.want(200, 39, "PUT /resource_providers/"+hostB+"/aggregates", `{"resource_provider_generation": 1, "aggregates": ["`+agg+`"]}`)
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no samples in testdata", err)
	}
	for file, call := range map[string]struct {
		minor int
		path  string
	}{
		"get-root":                       {28, "/"},
		"get-resource_providers":         {19, "/resource_providers"},
		"get-resource_provider":          {19, "/resource_providers/" + child},
		"get-inventories":                {19, "/resource_providers/" + hostA + "/inventories"},
		"get-inventory":                  {19, "/resource_providers/" + hostA + "/inventories/VCPU"},
		"get-aggregates":                 {18, "/resource_providers/" + hostB + "/aggregates"},
		"get-aggregates-1.19":            {19, "/resource_providers/" + hostB + "/aggregates"},
		"get-resource_provider-traits":   {19, "/resource_providers/" + child + "/traits"},
		"get-resource_provider_usages":   {19, "/resource_providers/" + hostA + "/usages"},
		"get-allocations-1.28":           {28, "/allocations/" + server},
		"get-allocations-1.38":           {38, "/allocations/" + server},
		"get-resource_classes":           {19, "/resource_classes"},
		"get-resource_class":             {19, "/resource_classes/VCPU"},
		"get-traits":                     {19, "/traits"},
		"get-usages-1.38":                {38, "/usages?project_id=p"},
		"get-allocation_candidates":      {10, "/allocation_candidates?resources=VCPU:1"},
		"get-allocation_candidates-1.12": {12, "/allocation_candidates?resources=VCPU:1"},
		"get-allocation_candidates-1.17": {17, "/allocation_candidates?resources=VCPU:1"},
		"get-allocation_candidates-1.29": {29, "/allocation_candidates?resources=VCPU:1"},
		"get-allocation_candidates-1.34": {34, "/allocation_candidates?resources=VCPU:1"},
	} {
		data, err := os.ReadFile("testdata/" + file + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var sample any
		if err := json.Unmarshal(data, &sample); err != nil {
			t.Fatal(err)
		}
		var got any
		_ = json.Unmarshal([]byte(c.want(200, call.minor, "GET "+call.path, "").raw), &got)
		if a, b := shape(got), shape(sample); a != b {
			t.Errorf("%s\n got: %s\nwant: %s", file, a, b)
		}
	}
}

// shape is a value's members and types; members named by an id, a class or a
// name of somebody's own stand as one.
func shape(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var out []string
		for k, inner := range v {
			switch k { // what may be empty in one and full in the other
			case "traits":
				inner = []any{"HW_X"}
			case "parent_provider_uuid":
				inner = nil
			case "resources":
				if m := inner.(map[string]any); len(m) == 0 {
					inner = map[string]any{"X": map[string]any{"capacity": 1.0, "used": 1.0}}
				}
			}
			if strings.ToUpper(k) == k || len(k) == 36 || strings.HasPrefix(k, "_") || k == "unknown" {
				k = "*"
			}
			out = append(out, k+":"+shape(inner))
		}
		slices.Sort(out)
		return "{" + strings.Join(slices.Compact(out), " ") + "}"
	case []any:
		var out []string
		for _, inner := range v {
			out = append(out, shape(inner))
		}
		slices.Sort(out)
		return "[" + strings.Join(slices.Compact(out), " ") + "]"
	case nil:
		return "null"
	}
	return fmt.Sprintf("%T", v)
}
