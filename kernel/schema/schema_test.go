package schema

import (
	"encoding/json"
	"net/url"
	"strings"
	"sync"
	"testing"
)

func decode(t *testing.T, text string) any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

const server = `"imageRef":"70a599e0-31e7-49b7-b260-868f441e862b","flavorRef":"1"`

// TestMessages: what bad bodies get, word for word.
func TestMessages(t *testing.T) {
	tests := []struct {
		name, service, route string
		version              string
		body                 string
		want                 string // "" when the body is valid
	}{
		{"good", "nova", "POST /servers", "2.1", `{"server":{"name":"a",` + server + `}}`, ""},
		{"nothing", "nova", "POST /servers", "2.1", `{}`, "'server' is a required property"},
		{"not an object", "nova", "POST /servers", "2.1", `[]`, "[] is not of type 'object'"},
		{"name missing", "nova", "POST /servers", "2.1", `{"server":{` + server + `}}`,
			"Invalid input for field/attribute server. Value: {'flavorRef': '1', 'imageRef': '70a599e0-31e7-49b7-b260-868f441e862b'}. 'name' is a required property"},
		{"name empty", "nova", "POST /servers", "2.1", `{"server":{"name":"",` + server + `}}`,
			"Invalid input for field/attribute name. Value: . '' should be non-empty"},
		{"name a number", "nova", "POST /servers", "2.1", `{"server":{"name":12,` + server + `}}`,
			"Invalid input for field/attribute name. Value: 12. 12 is not of type 'string'"},
		{"name null", "nova", "POST /servers", "2.1", `{"server":{"name":null,` + server + `}}`,
			"Invalid input for field/attribute name. Value: None. None is not of type 'string'"},
		{"name with a space in front", "nova", "POST /servers", "2.1", `{"server":{"name":" a",` + server + `}}`,
			"An invalid 'name' value was provided. The name must be: printable characters. Can not start or end with whitespace."},
		{"name with a bell", "nova", "POST /servers", "2.1", `{"server":{"name":"a\u0007",` + server + `}}`,
			"An invalid 'name' value was provided. The name must be: printable characters. Can not start or end with whitespace."},
		{"name too long", "nova", "POST /servers", "2.1", `{"server":{"name":"` + strings.Repeat("a", 256) + `",` + server + `}}`,
			"Invalid input for field/attribute name. Value: " + strings.Repeat("a", 256) + ". '" + strings.Repeat("a", 256) + "' is too long"},
		{"networks a word, before 2.37", "nova", "POST /servers", "2.36", `{"server":{"name":"a","networks":"auto",` + server + `}}`,
			"Invalid input for field/attribute networks. Value: auto. 'auto' is not of type 'array'"},
		{"networks a word, from 2.37", "nova", "POST /servers", "2.37", `{"server":{"name":"a","networks":"auto",` + server + `}}`, ""},
		{"tags before 2.52", "nova", "POST /servers", "2.51", `{"server":{"name":"a","networks":"auto","tags":["x"],` + server + `}}`,
			"Invalid input for field/attribute server. Value: {'flavorRef': '1', 'imageRef': '70a599e0-31e7-49b7-b260-868f441e862b', 'name': 'a', 'networks': 'auto', 'tags': ['x']}. Additional properties are not allowed ('tags' was unexpected)"},
		{"a bad port id", "nova", "POST /servers", "2.1", `{"server":{"name":"a","networks":[{"port":"x"}],` + server + `}}`,
			"Invalid input for field/attribute port. Value: x. 'x' is not a 'uuid'"},
		{"a bad network id, as one of two forms", "nova", "POST /servers", "2.37", `{"server":{"name":"a","networks":[{"uuid":"x"}],` + server + `}}`,
			"Invalid input for field/attribute networks. Value: [{'uuid': 'x'}]. [{'uuid': 'x'}] is not valid under any of the given schemas"},
		{"the first thing missing", "nova", "POST /servers", "2.37", `{"server":{}}`,
			"Invalid input for field/attribute server. Value: {}. 'name' is a required property"},
		{"min_count as text", "nova", "POST /servers", "2.1", `{"server":{"name":"a","min_count":"0",` + server + `}}`,
			"Invalid input for field/attribute min_count. Value: 0. 0 is less than the minimum of 1"},
		{"a password of the wrong type is not repeated", "nova", "POST /servers", "2.1", `{"server":{"adminPass":"s3cret",` + server + `}}`,
			"Invalid input for field/attribute server. Value: {'adminPass': '***', 'flavorRef': '1', 'imageRef': '70a599e0-31e7-49b7-b260-868f441e862b'}. 'name' is a required property"},
		{"reboot of an unknown kind", "nova", "POST /servers/{id}/action reboot", "2.1", `{"reboot":{"type":"FIRM"}}`,
			"Invalid input for field/attribute type. Value: FIRM. 'FIRM' is not one of ['HARD', 'Hard', 'SOFT', 'Soft', 'hard', 'soft']"},
		{"metadata key", "nova", "POST /servers/{id}/metadata", "2.1", `{"metadata":{"a/b":"c"}}`,
			"Invalid input for field/attribute metadata. Value: {'a/b': 'c'}. 'a/b' does not match any of the regexes: '^[a-zA-Z0-9-_:. ]{1,255}$'"},
		{"no schema before 2.56", "nova", "POST /servers/{id}/action migrate", "2.55", `{"migrate":null}`, ""},
		{"volume", "cinder", "POST /v3/{project_id}/volumes", "3.0", `{"volume":{"size":1}}`, ""},
		{"volume size", "cinder", "POST /volumes", "3.0", `{"volume":{"size":"one"}}`,
			"Invalid input for field/attribute size. Value: one. 'one' does not match '^[0-9]+$'"},
		{"volume size 0", "cinder", "POST /volumes", "3.70", `{"volume":{"size":0}}`,
			"Invalid input for field/attribute size. Value: 0. 0 is less than the minimum of 1"},
		{"unknown names in a volume from 3.53", "cinder", "POST /volumes", "3.53", `{"volume":{"size":1,"group":null}}`,
			"Invalid input for field/attribute volume. Value: {'group': None, 'size': 1}. Additional properties are not allowed ('group' was unexpected)"},
		{"type without a name", "cinder", "POST /types", "3.0", `{"volume_type":{"name":" "}}`,
			"An invalid 'name' value was provided. The 'name' can not be empty."},
		{"volume status", "cinder", "POST /volumes/{id}/action os-reset_status", "3.0", `{"os-reset_status":{}}`,
			"Must specify 'status', 'attach_status' or 'migration_status' for update."},
		{"user name", "keystone", "POST /v3/users", "", `{"user":{"name":""}}`,
			"Invalid input for field/attribute name. Value: . '' should be non-empty"},
		{"user password", "keystone", "POST /v3/users", "", `{"user":{"name":"a","password":17}}`,
			"Invalid input for field/attribute password. Value: ***. '***' is not of type 'string', 'null'"},
		{"token scope in a word", "keystone", "POST /v3/auth/tokens", "", `{"auth":{"identity":{"methods":["password"]},"scope":"unscoped"}}`, ""},
		{"token without methods", "keystone", "POST /v3/auth/tokens", "", `{"auth":{"identity":{}}}`,
			"Invalid input for field/attribute identity. Value: {}. 'methods' is a required property"},
		{"image format", "glance", "POST /v2/images", "", `{"disk_format":"exe"}`,
			"Provided object does not match schema 'image': 'exe' is not one of [None, 'aki', 'ami', 'ari', 'iso', 'ploop', 'qcow2', 'raw', 'vdi', 'vhd', 'vhdx', 'vmdk']"},
		{"image property", "glance", "POST /v2/images", "", `{"os_version":12}`,
			"Provided object does not match schema 'image': 12 is not of type 'string'"},
		{"resource class", "placement", "POST /resource_classes", "1.39", `{"name":"VCPU"}`,
			"JSON does not validate: 'VCPU' does not match '^CUSTOM_[A-Z0-9_]+$'"},
		{"mappings before 1.34", "placement", "PUT /allocations/{uuid}", "1.33", `{"allocations":{},"project_id":"p","user_id":"u","consumer_generation":null,"mappings":{}}`,
			"JSON does not validate: Additional properties are not allowed ('mappings' was unexpected)"},
		{"neutron has tables instead", "neutron", "POST /v2.0/networks", "", `{"x":1}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := append(strings.Fields(tt.route), "")
			at := parseVersion(tt.version)
			got := ""
			if v := Service(tt.service).Validate(f[0], f[1], f[2], at.major, at.minor, decode(t, tt.body)); v != nil {
				got = v.Message()
			}
			if got != tt.want {
				t.Errorf("got:  %s\nwant: %s", got, tt.want)
			}
		})
	}
}

// TestQuery: unknown parameters pass until the version that refuses them.
func TestQuery(t *testing.T) {
	nova := Service("nova")
	tests := []struct {
		path  string
		minor int
		query string
		want  string
	}{
		{"/servers", 1, "limit=5&marker=x", ""},
		{"/servers", 1, "limit=-5", "Invalid input for query parameters limit. Value: -5. '-5' does not match '^[0-9]*$'"},
		{"/servers/detail", 96, "limit=a", "Invalid input for query parameters limit. Value: a. 'a' does not match '^[0-9]*$'"},
		{"/servers", 74, "nonsense=1", ""},
		{"/servers", 75, "nonsense=1", "'nonsense' does not match any of the regexes: '^_'"},
		{"/flavors", 74, "nonsense=1", ""},
		{"/flavors", 75, "nonsense=1", "Additional properties are not allowed ('nonsense' was unexpected)"},
		{"/flavors", 75, "sort_key=nonsense", "Invalid input for query parameters sort_key. Value: nonsense. 'nonsense' is not one of "},
		{"/os-hypervisors/{id}", 53, "with_servers=perhaps", "Invalid input for query parameters with_servers. Value: perhaps. 'perhaps' is not one of "},
		{"/no-such-call", 1, "a=b", ""},
	}
	for _, tt := range tests {
		q, err := url.ParseQuery(tt.query)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if v := nova.ValidateQuery("GET", tt.path, 2, tt.minor, q); v != nil {
			got = v.Message()
		}
		if got != tt.want && !(strings.HasSuffix(tt.want, "one of ") && strings.HasPrefix(got, tt.want)) {
			t.Errorf("%s?%s at 2.%d\n got: %s\nwant: %s", tt.path, tt.query, tt.minor, got, tt.want)
		}
	}
}

// TestPlacementQuery: one value a name, and the version decides which names.
func TestPlacementQuery(t *testing.T) {
	tests := []struct {
		path  string
		minor int
		query url.Values
		want  string
	}{
		{"/resource_providers", 3, url.Values{"name": {"a"}}, ""},
		{"/resource_providers", 3, url.Values{"in_tree": {"70a599e0-31e7-49b7-b260-868f441e862b"}}, "Invalid query string parameters: Additional properties are not allowed ('in_tree' was unexpected)"},
		{"/resource_providers", 14, url.Values{"in_tree": {"x"}}, "Invalid query string parameters: 'x' is not a 'uuid'"},
		{"/resource_providers", 24, url.Values{"member_of": {"70a599e0-31e7-49b7-b260-868f441e862b", "in:70a599e0-31e7-49b7-b260-868f441e862b"}}, ""},
		{"/allocation_candidates", 39, url.Values{"resources": {"VCPU:1"}, "limit": {"5"}}, ""},
		{"/allocation_candidates", 39, url.Values{"resources": {"VCPU:1"}, "limit": {"0"}}, "Invalid query string parameters: '0' does not match '^[1-9][0-9]*$'"},
	}
	for _, tt := range tests {
		got := ""
		if v := Service("placement").ValidateQuery("GET", tt.path, 1, tt.minor, tt.query); v != nil {
			got = v.Message()
		}
		if got != tt.want {
			t.Errorf("%s %v at 1.%d\n got: %s\nwant: %s", tt.path, tt.query, tt.minor, got, tt.want)
		}
	}
}

// TestClipped: a huge value does not come back whole.
func TestClipped(t *testing.T) {
	body := map[string]any{"server": map[string]any{"name": strings.Repeat("a", 1<<20), "imageRef": "x", "flavorRef": "1"}}
	v := Service("nova").Validate("POST", "/servers", "", 2, 1, body)
	if v == nil || len(v.Message()) > 3*maxText {
		t.Errorf("a message of %d bytes", len(v.Message()))
	}
}

func TestRepr(t *testing.T) {
	tests := map[string]string{
		`null`: "None", `true`: "True", `false`: "False", `1`: "1", `-1.5`: "-1.5", `1.0`: "1.0", `1e3`: "1000.0",
		`"a"`: "'a'", `"it's"`: `"it's"`, `"it's \"q\""`: `'it\'s "q"'`, `"a\nb\\"`: `'a\nb\\'`,
		`"é"`: "'é'", `"\u0007"`: `'\x07'`, `[]`: "[]", `{}`: "{}", `{"b":[1,null],"a":{}}`: "{'a': {}, 'b': [1, None]}",
	}
	for in, want := range tests {
		if got := Repr(decode(t, in)); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	if got := Repr(float64(3)); got != "3" {
		t.Errorf("3 is %s", got)
	}
}

func TestFormats(t *testing.T) {
	tests := []struct {
		name      string
		check     func(string) bool
		good, bad []string
	}{
		{"uuid", isUUID,
			[]string{"70a599e0-31e7-49b7-b260-868f441e862b", "70a599e031e749b7b260868f441e862b", "70A599E0-31E7-49B7-B260-868F441E862B", "{70a599e0-31e7-49b7-b260-868f441e862b}"},
			[]string{"", "x", "70a599e0-31e7-49b7-b260-868f441e862", "70a599e0-31e7-49b7-b260-868f441e862g"}},
		{"date-time", isTime, []string{"2026-01-02T03:04:05Z", "2026-01-02T03:04:05+02:00", "2026-01-02T03:04:05", "2026-01-02"}, []string{"", "yesterday", "2026-13-01"}},
		{"base64", isBase64, []string{"", "YQ==", "YWI=", "YWJj", "YW Jj\n"}, []string{"Y", "YQ", "YWI"}},
		{"cidr", isCIDR, []string{"10.0.0.0/8", "fd00::/64", "10.1.2.3/8"}, []string{"10.0.0.1", "10.0.0.0/33", "10.0.0.0/8 "}},
		{"ipv4", isIPv4, []string{"10.0.0.1"}, []string{"10.0.0", "fd00::1", "010.0.0.1"}},
		{"ipv6", isIPv6, []string{"fd00::1"}, []string{"10.0.0.1", "fe80::1%eth0"}},
		{"uri", isURI, []string{"http://a/b"}, []string{"a/b", "http://"}},
		{"hostname", isHostname, []string{"a", "a-b.c."}, []string{"", "-a", "a..b"}},
		{"regex", isRegexp, []string{"a.*"}, []string{"", "*", "["}},
	}
	for _, tt := range tests {
		for _, s := range tt.good {
			if !tt.check(s) {
				t.Errorf("%s refuses %q", tt.name, s)
			}
		}
		for _, s := range tt.bad {
			if tt.check(s) {
				t.Errorf("%s accepts %q", tt.name, s)
			}
		}
	}
}

// TestConcurrent: many first uses of one schema compile it once and agree.
func TestConcurrent(t *testing.T) {
	var wg sync.WaitGroup
	body := decode(t, `{"server":{"name":"a","networks":"auto",`+server+`}}`)
	for range 8 {
		wg.Go(func() {
			for minor := range 97 {
				v := Service("nova").Validate("POST", "/servers", "", 2, minor+1, body)
				if valid := minor+1 >= 37; (v == nil) != valid {
					t.Errorf("2.%d: %v", minor+1, v)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkValidate(b *testing.B) {
	var body any
	if err := json.Unmarshal([]byte(`{"server":{"name":"a","networks":"auto",`+server+`}}`), &body); err != nil {
		b.Fatal(err)
	}
	set := Service("nova")
	b.ReportAllocs()
	for b.Loop() {
		if v := set.Validate("POST", "/servers", "", 2, 96, body); v != nil {
			b.Fatal(v)
		}
	}
}
