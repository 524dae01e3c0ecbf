package manifest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"altostack/objectstore/manifest"
)

func TestParse(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"all keys":              {`[{"path":"/c/o","etag":"e","size_bytes":"12","range":"1-3"}]`, "c/o e 12 {1 3}"},
		"a suffix":              {`[{"path":"c/o","range":"-3","etag":null}]`, "c/o - - {-1 3}"},
		"inline and an object":  {`[{"data":"aGk="},{"path":"c/o"}]`, "data hi;c/o - -"},
		"the last may be empty": {`[{"path":"c/o"},{"path":"c/p","size_bytes":0}]`, "c/o - -;c/p - 0"},
		"not JSON":              {`[{]`, "Manifest must be valid JSON.\n"},
		"two values":            {`[] []`, "Manifest must be valid JSON.\n"},
		"not a list":            {`{"a":1}`, "Manifest must be a list.\n"},
		"itself":                {`[{"path":"/c/self"}]`, "Index 0: manifest must not include itself as a segment\n"},
		"a container":           {`[{"path":"/c"}]`, "Index 0: path does not refer to an object. Path must be of the form /container/object.\n"},
		"no object":             {`["c/o"]`, "Index 0: not a JSON object\n"},
		"neither key":           {`[{"etag":"x"}]`, "Index 0: expected keys to include one of 'data' or 'path'\n"},
		"more keys":             {`[{"path":"c/o","b":1,"a":2}]`, "Index 0: extraneous keys \"a\", \"b\"\n"},
		"a path and data":       {`[{"path":"c/o","data":"aGk="}]`, "Index 0: extraneous keys \"path\"\n"},
		"a number for a path":   {`[{"path":3}]`, "Index 0: \"path\" must be a string\n"},
		"a number for a sum":    {`[{"path":"c/o","etag":3}]`, "Index 0: \"etag\" must be a string or null (if provided)\n"},
		"words for a size":      {`[{"path":"c/o","size_bytes":"x"}]`, "Index 0: invalid size_bytes\n"},
		"too small":             {`[{"path":"c/o","size_bytes":0},{"path":"c/o"}]`, "Index 0: too small; each segment must be at least 1 byte.\n"},
		"words for a range":     {`[{"path":"c/o","range":"a-b"}]`, "Index 0: invalid range\n"},
		"backwards":             {`[{"path":"c/o","range":"3-1"}]`, "Index 0: invalid range\n"},
		"two ranges":            {`[{"path":"c/o","range":"1-2,3-4"}]`, "Index 0: multiple ranges (only one allowed)\n"},
		"beyond the end":        {`[{"path":"c/o","range":"9-","size_bytes":9}]`, "Index 0: unsatisfiable range\n"},
		"not base64":            {`[{"data":"?"},{"path":"c/o"}]`, "Index 0: data must be valid base64\n"},
		"empty data":            {`[{"data":""},{"path":"c/o"}]`, "Index 0: too small; each segment must be at least 1 byte.\n"},
		"data only":             {`[{"data":"aGk="}]`, "Inline data segments require at least one object-backed segment.\n"},
		"all is said at once":   {`[3,{"path":"c"}]`, "Index 0: not a JSON object\nIndex 1: path does not refer to an object. Path must be of the form /container/object.\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := spell(manifest.Parse([]byte(tt.in), "c/self")); got != tt.want {
				t.Errorf("got %q\nwant %q", got, tt.want)
			}
		})
	}
}

func spell(entries []manifest.Entry, err error) string {
	if err != nil {
		return err.Error()
	}
	var out []string
	for _, e := range entries {
		if e.Data != nil {
			out = append(out, "data "+string(e.Data))
			continue
		}
		etag, size, r := "-", "-", ""
		if e.ETag != nil {
			etag = *e.ETag
		}
		if e.Size != nil {
			size = fmt.Sprint(*e.Size)
		}
		if e.Range != nil {
			r = fmt.Sprint(" ", *e.Range)
		}
		out = append(out, e.Path+" "+etag+" "+size+r)
	}
	return strings.Join(out, ";")
}

// The ETag was computed with Python: md5(hash1 + "hash2:1-3;" + md5(b"hi")).
func TestSums(t *testing.T) {
	s := []manifest.Segment{{Name: "/c/1", Hash: "a", Bytes: 5}, {Name: "/c/2", Hash: "b", Bytes: 9, Range: "1-3"}, {Data: []byte("hi")}}
	if got := manifest.ETag(s); got != "f647709c0684ba3e43ebe031d5bec009" {
		t.Errorf("ETag is %s", got)
	}
	if got := manifest.Size(s); got != 10 {
		t.Errorf("Size is %d", got)
	}
	kept, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back []manifest.Segment
	if err := json.Unmarshal(kept, &back); err != nil || fmt.Sprint(back) != fmt.Sprint(s) {
		t.Errorf("kept as %s, read as %v, %v", kept, back, err)
	}
	raw, err := manifest.Raw(s)
	want := `[{"etag":"a","path":"/c/1","size_bytes":5},{"etag":"b","path":"/c/2","range":"1-3","size_bytes":9},{"data":"aGk="}]`
	if err != nil || string(raw) != want {
		t.Errorf("raw is %s, %v", raw, err)
	}
	if _, err := manifest.Parse(raw, "c/self"); err != nil {
		t.Errorf("what format=raw gives cannot be put again: %v", err)
	}
}

// draw makes a manifest, the objects that it names, and what its bytes are.
func draw(t *rapid.T) (segments []manifest.Segment, objects map[string][]byte, whole []byte) {
	objects = map[string][]byte{}
	for i := range rapid.IntRange(0, 5).Draw(t, "segments") {
		if rapid.Bool().Draw(t, "inline") {
			g := manifest.Segment{Data: rapid.SliceOfN(rapid.Byte(), 1, 9).Draw(t, "data")}
			segments, whole = append(segments, g), append(whole, g.Data...)
			continue
		}
		name := fmt.Sprint("/c/", i)
		b := rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "bytes")
		objects[name] = b
		g := manifest.Segment{Name: name, Hash: name, Bytes: int64(len(b))}
		if len(b) > 0 && rapid.Bool().Draw(t, "range") {
			first := rapid.IntRange(0, len(b)-1).Draw(t, "first")
			last := rapid.IntRange(first, len(b)-1).Draw(t, "last")
			g.Range = manifest.Spell(int64(first), int64(last-first+1))
			b = b[first : last+1]
		}
		segments, whole = append(segments, g), append(whole, b...)
	}
	return segments, objects, whole
}

// TestPlan compares ranges of random manifests with the bytes themselves.
func TestPlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		segments, objects, whole := draw(t)
		if n := manifest.Size(segments); n != int64(len(whole)) {
			t.Fatalf("Size is %d, there are %d bytes", n, len(whole))
		}
		first := rapid.IntRange(0, len(whole)).Draw(t, "from")
		length := rapid.IntRange(0, len(whole)-first+3).Draw(t, "length")
		var got []byte
		for _, r := range manifest.Plan(segments, int64(first), int64(length)) {
			b := objects[r.Segment.Name]
			if r.Segment.Data != nil {
				b = r.Segment.Data
			}
			if r.Length < 1 {
				t.Fatalf("plans to read nothing of %v", r.Segment)
			}
			got = append(got, b[r.First:r.First+r.Length]...)
		}
		if want := whole[first:min(first+length, len(whole))]; !bytes.Equal(got, want) {
			t.Fatalf("bytes %d+%d of %v: %v; want %v", first, length, segments, got, want)
		}
	})
}
