package schema

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// stale are samples that their own services would refuse, with the reason.
var stale = map[string]string{
	"nova/os-server-external-events/event-create-req.json":            "its event name is made up",
	"nova/servers/v2.90/server-create-req.json":                       "personality went in 2.57",
	"nova/servers/v2.94/server-create-req.json":                       "personality went in 2.57",
	"keystone/v3-ext/federation/service-provider/update-request.json": "sp_auth is a misprint of sp_url",
	"cinder/v3/consistency-group-delete-request.json":                 "tied to the wrong call",
	"cinder/v3/group-create-from-src-request.json":                    "gives null for one of two alternatives",
	"cinder/v3/group-snapshot-reset-status-request.json":              "tied to the wrong call",
}

// TestSamples: every documented request body is valid at its version; one that
// names none, at the oldest or the newest version of the call.
func TestSamples(t *testing.T) {
	table, err := os.ReadFile("testdata/samples.tsv")
	if err != nil {
		t.Fatal(err)
	}
	checked := map[string]int{}
	for _, line := range strings.Split(strings.TrimSpace(string(table)), "\n")[1:] {
		c := strings.Split(line, "\t")
		if stale[c[6]] != "" {
			continue
		}
		dec := json.NewDecoder(strings.NewReader(c[5]))
		dec.UseNumber()
		var body any
		if err := dec.Decode(&body); err != nil {
			t.Fatalf("%s: %v", c[6], err)
		}
		set := Service(c[0])
		if !set.Has(c[1], c[2], c[3]) {
			continue
		}
		checked[c[0]]++
		if v := sampleViolation(set, c, body); v != nil {
			t.Errorf("%s (%s %s %s at %s): %s: %s", c[6], c[1], c[2], c[3], c[4], strings.Join(v.Path, "."), v.Message())
		}
	}
	want := map[string]int{"nova": 140, "cinder": 90, "keystone": 49, "glance": 10, "placement": 10}
	for service, n := range want {
		if checked[service] < n {
			t.Errorf("%s: only %d samples met a schema, want %d", service, checked[service], n)
		}
	}
}

func sampleViolation(set *Set, c []string, body any) *Violation {
	if c[4] != "" {
		v := parseVersion(c[4])
		return set.Validate(c[1], c[2], c[3], v.major, v.minor, body)
	}
	var last *Violation
	for _, w := range set.byKey[key{c[1], plainPath(c[2]), c[3], "body"}] {
		v := set.Validate(c[1], c[2], c[3], w.min.major, w.min.minor, body)
		if v == nil {
			return nil
		}
		last = v
	}
	return last
}

// TestCompile: every schema of the data compiles.
func TestCompile(t *testing.T) {
	for _, service := range []string{"cinder", "glance", "keystone", "nova", "placement"} {
		for k, list := range Service(service).byKey {
			for _, w := range list {
				if _, err := compile(service, w.text); err != nil {
					t.Errorf("%s %v: %v", service, k, err)
				}
			}
		}
	}
}
