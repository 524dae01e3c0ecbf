package schema

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// oldest is the version of a sample that names none.
var oldest = map[string]version{"nova": {2, 1}, "cinder": {3, 0}, "placement": {1, 0}}

// TestSamples: every documented request body is valid at its version.
func TestSamples(t *testing.T) {
	table, err := os.ReadFile("testdata/samples.tsv")
	if err != nil {
		t.Fatal(err)
	}
	checked := map[string]int{}
	for _, line := range strings.Split(strings.TrimSpace(string(table)), "\n")[1:] {
		c := strings.Split(line, "\t")
		at := oldest[c[0]]
		if c[4] != "" {
			at = parseVersion(c[4])
		}
		dec := json.NewDecoder(strings.NewReader(c[5]))
		dec.UseNumber()
		var body any
		if err := dec.Decode(&body); err != nil {
			t.Fatalf("%s: %v", c[6], err)
		}
		set := Service(c[0])
		if set.find(key{c[1], plainPath(c[2]), c[3], "body"}, at) == nil {
			t.Logf("no schema: %s %s %s %s at %v (%s)", c[0], c[1], c[2], c[3], at, c[6])
			continue
		}
		checked[c[0]]++
		if v := set.Validate(c[1], c[2], c[3], at.major, at.minor, body); v != nil {
			t.Errorf("%s (%s %s %s at %v): %s: %s", c[6], c[1], c[2], c[3], at, strings.Join(v.Path, "."), v.Message())
		}
	}
	t.Log("checked", checked)
}
