// Package manifest knows static large objects: how a client writes one, how it is
// kept, and which bytes of which objects make up a range of it.
//
// The one idea: a manifest is a list of lengths. Once it is checked, each segment
// has a known length, so a range of the whole is found by subtraction, segment
// after segment ([Plan]). Memory is one list, whatever the object's size.
//
// Pure functions; nothing is shared and nobody races.
//
// Wire format: Swift's middleware slo, manifest with path, etag, size_bytes, range,
// data; kept as name, hash, bytes, range, sub_slo, data.
package manifest

import (
	"bytes"
	"crypto/md5" //nolint:gosec // ETags are MD5 by contract
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The limits that /info tells. Depth is how deep manifests may stand in manifests.
const (
	MaxSegments = 1000
	MaxBytes    = 8 << 20
	MaxDepth    = 10
)

// Entry is one segment as a client asks for it. Data is set for inline bytes, and
// Path otherwise: container/object.
type Entry struct {
	Path  string
	ETag  *string
	Size  *int64
	Range *Range
	Data  []byte
}

// Problems says all that is wrong with a manifest, a line each.
type Problems []string

func (p Problems) Error() string { return strings.Join(p, "\n") + "\n" }

// Parse reads what a client put. self is the path of the manifest, which may not
// be a segment of itself. The error is Problems.
func Parse(body []byte, self string) ([]Entry, error) {
	var raw any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&raw); err != nil || d.More() {
		return nil, Problems{"Manifest must be valid JSON."}
	}
	list, ok := raw.([]any)
	if !ok {
		return nil, Problems{"Manifest must be a list."}
	}
	var out []Entry
	var problems Problems
	inline := 0
	for i, item := range list {
		e, problem := entry(item, self, i == len(list)-1)
		if problem != "" {
			problems = append(problems, fmt.Sprintf("Index %d: %s", i, problem))
		}
		if e.Data != nil {
			inline++
		}
		out = append(out, e)
	}
	if len(list) > 0 && inline == len(list) {
		problems = append(problems, "Inline data segments require at least one object-backed segment.")
	}
	if problems != nil {
		return nil, problems
	}
	return out, nil
}

func entry(item any, self string, last bool) (Entry, string) {
	m, ok := item.(map[string]any)
	if !ok {
		return Entry{}, "not a JSON object"
	}
	_, data := m["data"]
	_, path := m["path"]
	switch {
	case data:
		return inline(m)
	case path:
		return backed(m, self, last)
	}
	return Entry{}, "expected keys to include one of 'data' or 'path'"
}

func inline(m map[string]any) (Entry, string) {
	if p := extra(m, "data"); p != "" {
		return Entry{}, p
	}
	s, ok := m["data"].(string)
	b, err := base64.StdEncoding.DecodeString(s)
	if !ok || err != nil {
		return Entry{}, "data must be valid base64"
	}
	if len(b) < 1 {
		return Entry{}, "too small; each segment must be at least 1 byte."
	}
	return Entry{Data: b}, ""
}

func extra(m map[string]any, allowed ...string) string {
	var names []string
	for k := range m {
		if !slices.Contains(allowed, k) {
			names = append(names, strconv.Quote(k))
		}
	}
	if names == nil {
		return ""
	}
	slices.Sort(names)
	return "extraneous keys " + strings.Join(names, ", ")
}

func backed(m map[string]any, self string, last bool) (Entry, string) {
	if p := extra(m, "path", "range", "etag", "size_bytes"); p != "" {
		return Entry{}, p
	}
	path, ok := m["path"].(string)
	if !ok {
		return Entry{}, `"path" must be a string`
	}
	e := Entry{Path: strings.TrimLeft(path, "/")}
	if v := m["etag"]; v != nil {
		s, ok := v.(string)
		if !ok {
			return Entry{}, `"etag" must be a string or null (if provided)`
		}
		e.ETag = &s
	}
	if !strings.Contains(strings.Trim(path, "/"), "/") {
		return Entry{}, "path does not refer to an object. Path must be of the form /container/object."
	}
	if v := m["size_bytes"]; v != nil {
		n, ok := integer(v)
		if !ok {
			return Entry{}, "invalid size_bytes"
		}
		if n < 1 && !last {
			return Entry{}, "too small; each segment must be at least 1 byte."
		}
		e.Size = &n
	}
	if e.Path == self {
		return Entry{}, "manifest must not include itself as a segment"
	}
	return ranged(e, m["range"])
}

func ranged(e Entry, v any) (Entry, string) {
	if v == nil || v == "" {
		return e, ""
	}
	s, ok := v.(string)
	if ok && strings.Contains(s, ",") {
		return e, "multiple ranges (only one allowed)"
	}
	r, err := ParseRange(s)
	if !ok || err != nil {
		return e, "invalid range"
	}
	if e.Size != nil {
		if _, _, ok := r.Of(*e.Size); !ok {
			return e, "unsatisfiable range"
		}
	}
	e.Range = &r
	return e, ""
}

// integer reads a whole number, or a string of one.
func integer(v any) (int64, bool) {
	switch x := v.(type) {
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return n, true
		}
		f, err := x.Float64()
		return int64(f), err == nil && math.Abs(f) < 1<<53
	case string:
		n, err := strconv.ParseInt(strings.TrimSpace(x), 10, 64)
		return n, err == nil
	}
	return 0, false
}

// Segment is one segment as it is kept: all that reading needs is known.
type Segment struct {
	Name         string `json:"name"` // /container/object
	Hash         string `json:"hash"`
	Bytes        int64  `json:"bytes"` // of the whole object
	Range        string `json:"range,omitempty"`
	ContentType  string `json:"content_type"`
	LastModified string `json:"last_modified"`
	SubSLO       bool   `json:"sub_slo,omitempty"`
	Data         []byte `json:"-"`
}

// MarshalJSON writes inline segments as their data only.
func (s Segment) MarshalJSON() ([]byte, error) {
	if s.Data != nil {
		return json.Marshal(map[string][]byte{"data": s.Data})
	}
	type plain Segment
	return json.Marshal(plain(s))
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (s *Segment) UnmarshalJSON(b []byte) error {
	type plain Segment
	var v struct {
		plain
		Data []byte `json:"data"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	*s = Segment(v.plain)
	s.Data = v.Data
	return nil
}

// Span answers the first byte of the named object that the segment uses, and how
// many it uses.
func (s Segment) Span() (first, length int64) {
	if s.Data != nil {
		return 0, int64(len(s.Data))
	}
	if r, err := ParseRange(s.Range); s.Range != "" && err == nil {
		if first, length, ok := r.Of(s.Bytes); ok {
			return first, length
		}
	}
	return 0, s.Bytes
}

// ETag answers what the large object's ETag is: the MD5 of its segments' sums.
func ETag(segments []Segment) string {
	h := md5.New()
	for _, s := range segments {
		switch {
		case s.Data != nil:
			sum := md5.Sum(s.Data)
			h.Write([]byte(hex.EncodeToString(sum[:])))
		case s.Range != "":
			h.Write([]byte(s.Hash + ":" + s.Range + ";"))
		default:
			h.Write([]byte(s.Hash))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Size answers how many bytes the large object has.
func Size(segments []Segment) int64 {
	var total int64
	for _, s := range segments {
		_, n := s.Span()
		total += n
	}
	return total
}

// Raw answers the manifest as a client could put it again: format=raw.
func Raw(segments []Segment) ([]byte, error) {
	type entry struct {
		ETag  string `json:"etag"`
		Path  string `json:"path"`
		Range string `json:"range,omitempty"`
		Size  int64  `json:"size_bytes"`
	}
	out := make([]any, 0, len(segments))
	for _, s := range segments {
		if s.Data != nil {
			out = append(out, map[string][]byte{"data": s.Data})
			continue
		}
		out = append(out, entry{s.Hash, s.Name, s.Range, s.Bytes})
	}
	return json.Marshal(out)
}
