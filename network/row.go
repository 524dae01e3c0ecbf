package network

import (
	"encoding/json"
	"maps"
	"net/netip"
	"strings"

	"altostack/kernel/contract"
	"altostack/kernel/fault"
)

// Row is a resource as its table has it, by attribute name: string, bool, int64,
// time.Time, nil, and json.RawMessage for whatever has a structure.
type Row map[string]any

// Str is a text attribute; empty where it is null.
func (r Row) Str(name string) string { s, _ := r[name].(string); return s }

// Bool is a boolean attribute.
func (r Row) Bool(name string) bool { b, _ := r[name].(bool); return b }

// Int is a whole number; 0 where it is null.
func (r Row) Int(name string) int64 {
	switch n := r[name].(type) {
	case int64:
		return n
	case int:
		return int64(n)
	}
	return 0
}

// Has reports whether the attribute is there, null included.
func (r Row) Has(name string) bool { _, ok := r[name]; return ok }

// ID is the resource's id.
func (r Row) ID() string { return r.Str("id") }

// Project is the owner.
func (r Row) Project() string { return r.Str("project_id") }

// Addr is an address attribute; the zero Addr where it is null.
func (r Row) Addr(name string) netip.Addr { a, _ := netip.ParseAddr(r.Str(name)); return a }

// Clone copies the row one level deep: values are replaced, never changed.
func (r Row) Clone() Row { return maps.Clone(r) }

// Decode reads a structured attribute, stored or fresh from a request.
func Decode[T any](r Row, name string) T {
	var v T
	switch raw := r[name].(type) {
	case nil:
	case T:
		return raw
	case json.RawMessage:
		_ = json.Unmarshal(raw, &v) // written by us
	default:
		if b, err := json.Marshal(raw); err == nil {
			_ = json.Unmarshal(b, &v) // the validators have seen to its shape
		}
	}
	return v
}

// raw makes v what a structured column holds.
func raw(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("null") // strings, numbers, slices and maps marshal
	}
	return b
}

// Kind is how a column is stored and what its absence looks like.
type Kind byte

// The kinds of column. All are NOT NULL, so that every one can be sorted by.
const (
	Text    Kind = 's' // text
	Null    Kind = 'n' // text; '' is null
	Flag    Kind = 'b' // boolean
	Number  Kind = 'i' // whole number
	NullInt Kind = 'm' // whole number; -1 is null
	JSON    Kind = 'j' // structured
	Instant Kind = 't' // microseconds
)

// Column is one attribute's place in the table. Expr replaces it in reads of
// what another table knows; such a column is never written.
type Column struct {
	Attr, Name string
	Kind       Kind
	Expr       string
}

// Resource is one collection: its table, its attributes and its names.
type Resource struct {
	Collection string // as in JSON: security_groups
	Singular   string // security_group; policy rules are made of it
	Noun       string // as messages word it: Security group
	Table      string
	Columns    []Column
	NotFound   fault.Code
	Quota      bool
	Tagged     bool
	Parent     string // attribute that names the parent of a sub-resource
	// Attrs are the attributes of the extensions that are served.
	Attrs map[string]contract.Attribute

	byAttr map[string]Column
	always []string // attributes that rules hide from some callers
}

// Column finds an attribute's column.
func (r *Resource) Column(attr string) (Column, bool) { c, ok := r.byAttr[attr]; return c, ok }

// parseColumns reads "attr:kind attr:kind"; the kind is the last letter.
func parseColumns(spec string) []Column {
	var list []Column
	for f := range strings.FieldsSeq(spec) {
		i := strings.LastIndexByte(f, ':')
		attr := f[:i]
		list = append(list, Column{Attr: attr, Name: strings.ReplaceAll(attr, ":", "_"), Kind: Kind(f[i+1])})
	}
	return list
}

// missing is the fault for a resource that is not there, or not to be seen.
func (r *Resource) missing(id string) error {
	switch r {
	case SecurityGroups, SecurityGroupRules:
		return fault.New(r.NotFound, "%s %s does not exist", r.Noun, id)
	case Routers, FloatingIPs, AddressGroups, PortForwardings:
		return fault.New(r.NotFound, "%s %s could not be found", r.Noun, id)
	}
	return fault.New(r.NotFound, "%s %s could not be found.", r.Noun, id)
}
