package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// document is the part of an OpenAPI file that requests need.
type document struct {
	Paths      map[string]map[string]json.RawMessage `json:"paths"`
	Components struct {
		Schemas    map[string]map[string]any `json:"schemas"`
		Parameters map[string]parameter      `json:"parameters"`
	} `json:"components"`
}

type parameter struct {
	Ref    string         `json:"$ref"`
	In     string         `json:"in"`
	Name   string         `json:"name"`
	Schema map[string]any `json:"schema"`
	X      map[string]any `json:"x-openstack"`
}

type operation struct {
	RequestBody struct {
		Content map[string]struct {
			Schema map[string]any `json:"schema"`
		} `json:"content"`
	} `json:"requestBody"`
	Parameters []parameter `json:"parameters"`
}

// entry is one row of the output: the schema of one kind of input of one
// operation in one window of versions.
type entry struct {
	method, path, action, kind string
	min, max                   version
	schema                     map[string]any
}

// key is everything that names the operation of an entry.
func (e entry) key() string { return strings.Join([]string{e.path, e.method, e.action, e.kind}, "\t") }

// services whose OpenAPI requests are good enough to refuse with; Neutron has
// its attribute tables instead and Swift has no bodies.
var validated = []string{"cinder", "glance", "keystone", "nova", "placement"}

func schemas(from, root string) error {
	ops, err := readTable(filepath.Join(from, "operations.tsv"))
	if err != nil {
		return err
	}
	fixes, err := readFixes("overrides.json")
	if err != nil {
		return err
	}
	for _, service := range validated {
		entries, err := requests(filepath.Join(from, "openapi", service+".json"), service, ops)
		if err != nil {
			return fmt.Errorf("%s: %w", service, err)
		}
		if service == "nova" || service == "placement" {
			if entries, err = queries(service, entries, ops); err != nil {
				return err
			}
		}
		entries = settle(entries) // overrides name windows by where they begin
		if entries, err = fixes.apply(service, entries); err != nil {
			return err
		}
		entries = settle(entries)
		out := filepath.Join(root, "kernel/schema/data", service+".tsv")
		if err := writeTable(out, render(entries)); err != nil {
			return err
		}
		fmt.Printf("%s: %d schemas\n", service, len(entries))
	}
	return fixes.unused()
}

// requests reads the schemas of one service, in the paths of operations.tsv;
// what is not an operation there is left out.
func requests(name, service string, ops [][]string) ([]entry, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var doc document
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	known := map[string]string{} // "METHOD normal path" to the path as documented
	actions := map[string]bool{} // "METHOD path action"
	for _, op := range ops {
		if op[0] == service && op[11] != "removed" {
			known[op[2]+" "+normal(op[3])] = op[3]
			actions[op[2]+" "+op[3]+" "+op[4]] = true
		}
	}
	byKey := map[string][]entry{}
	for path, methods := range doc.Paths {
		for method, raw := range methods {
			method = strings.ToUpper(method)
			documented, ok := known[method+" "+normal(path)]
			if !ok || method == "PARAMETERS" {
				continue
			}
			var op operation
			if err := json.Unmarshal(raw, &op); err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, path, err)
			}
			found := map[string][]entry{}
			for _, e := range doc.bodies(op, service) {
				e.method, e.path, e.kind = method, documented, "body"
				if actions[method+" "+documented+" "+e.action] {
					found[e.key()] = append(found[e.key()], e)
				}
			}
			maps.Copy(byKey, found) // Cinder spells every path twice
		}
	}
	return slices.Concat(slices.Collect(maps.Values(byKey))...), nil
}

// queries adds the schemas of query strings, read from the controllers of Nova
// and Placement (openstack/nova and openstack/placement, Apache-2.0): the
// OpenAPI files have lost which versions refuse unknown parameters.
func queries(service string, entries []entry, ops [][]string) ([]entry, error) {
	name := service + "_query.json"
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var list []struct {
		Method, Path, Min, Max string
		Schema                 map[string]any
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	known := map[string]string{}
	for _, op := range ops {
		if op[0] == service && op[11] != "removed" {
			known[op[2]+" "+normal(op[3])] = op[3]
		}
	}
	var none document
	for _, q := range list {
		path, ok := known[q.Method+" "+normal(q.Path)]
		if !ok {
			continue
		}
		e := entry{method: q.Method, path: path, kind: "query", schema: none.inline(q.Schema, nil).(map[string]any)}
		e.min, _ = parseVersion(q.Min)
		e.max, _ = parseVersion(q.Max)
		entries = append(entries, e)
	}
	return entries, nil
}

// settle closes the windows of every operation.
func settle(entries []entry) []entry {
	byKey := map[string][]entry{}
	for _, e := range entries {
		byKey[e.key()] = append(byKey[e.key()], e)
	}
	var all []entry
	for _, list := range byKey {
		all = append(all, windows(list)...)
	}
	return all
}

var holes = regexp.MustCompile(`\{[^}]*\}`)

// normal spells a path without the names of its parameters and, for Cinder,
// without the project id.
func normal(path string) string {
	path = strings.Replace(path, "/v3/{project_id}/", "/v3/", 1)
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	return holes.ReplaceAllString(path, "{}")
}

func (d *document) bodies(op operation, service string) []entry {
	var all []entry
	for _, mediaType := range slices.Sorted(maps.Keys(op.RequestBody.Content)) {
		if mediaType != "application/json" {
			continue // byte streams and JSON patch are the service's own
		}
		all = append(all, d.flatten(op.RequestBody.Content[mediaType].Schema, entry{}, service)...)
	}
	return slices.DeleteFunc(all, func(e entry) bool { return permissive(e.schema) })
}

// flatten takes the alternatives of a discriminator apart into entries.
func (d *document) flatten(schema map[string]any, e entry, service string) []entry {
	if ref, ok := schema["$ref"].(string); ok {
		schema = d.Components.Schemas[ref[strings.LastIndexByte(ref, '/')+1:]]
	}
	x, _ := schema["x-openstack"].(map[string]any)
	if action, ok := x["action-name"].(string); ok && service != "keystone" {
		e.action = action // in the Keystone file this is the method
	}
	if service != "keystone" {
		if v, ok := parseVersion(x["min-ver"]); ok {
			e.min = v
		}
		if v, ok := parseVersion(x["max-ver"]); ok {
			e.max = v
		}
	}
	if x["discriminator"] == nil {
		e.schema = d.inline(schema, nil).(map[string]any)
		return []entry{e}
	}
	var all []entry
	for _, alternative := range schema["oneOf"].([]any) {
		all = append(all, d.flatten(alternative.(map[string]any), e, service)...)
	}
	return all
}

// inline replaces references by what they refer to and drops what does not
// validate. A recursive reference becomes "anything".
func (d *document) inline(v any, trail []string) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = d.inline(e, trail)
		}
		return out
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			name := ref[strings.LastIndexByte(ref, '/')+1:]
			if slices.Contains(trail, name) {
				return map[string]any{}
			}
			return d.inline(d.Components.Schemas[name], append(slices.Clip(trail), name))
		}
		out := make(map[string]any, len(v))
		for k, e := range v {
			switch k {
			case "x-openstack", "title", "description", "default", "readOnly", "writeOnly", "examples":
				if _, isSchema := e.(map[string]any); !isSchema || k == "x-openstack" {
					continue // a property may be called "description"
				}
			case "pattern":
				e = plainPattern(e)
			case "enum":
				e = plainEnum(e)
			}
			out[k] = d.inline(e, trail)
		}
		return out
	}
	return v
}

// plainPattern writes Nova's "printable characters" as what it means instead
// of four thousand characters of ranges.
func plainPattern(v any) any {
	if s, ok := v.(string); ok && len(s) > 1000 && strings.HasPrefix(s, `^[\ -\~`) {
		return `^[\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}]*$`
	}
	return v
}

// booleans are the spellings that parameter_types.boolean accepts; the OpenAPI
// file has lost some to YAML, which reads ON and no as booleans.
var booleans = []any{
	true, "True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes",
	false, "False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no",
}

func plainEnum(v any) any {
	list, ok := v.([]any)
	if !ok || len(list) < 10 || !slices.Contains(list, any("TRUE")) || !slices.Contains(list, any("0")) {
		return v
	}
	whole := slices.Clone(booleans)
	for _, e := range list {
		if !slices.Contains(whole, e) {
			whole = append(whole, e) // "auto", and the single letters of Cinder and Keystone
		}
	}
	return whole
}

// permissive reports whether a schema can refuse nothing but a wrong JSON type.
func permissive(schema map[string]any) bool {
	for k := range schema {
		if k != "type" && k != "additionalProperties" {
			return false
		}
	}
	extra, has := schema["additionalProperties"]
	return !has || extra == true
}

// windows closes the gaps between the version windows of one operation: each
// ends where the next begins, whatever the file says, since the services have
// neither gaps nor overlaps. Windows before the first real version go.
func windows(list []entry) []entry {
	slices.SortFunc(list, func(a, b entry) int { return a.min.compare(b.min) })
	var out []entry
	for i, e := range list {
		if i+1 < len(list) {
			e.max = list[i+1].min.before()
		} else if e.max.compare(e.min) < 0 {
			e.max = version{}
		}
		if e.max == (version{2, 0}) {
			continue // Nova's 2.0 compatibility mode
		}
		out = append(out, e)
	}
	return out
}

type version struct{ major, minor int }

func (v version) compare(o version) int {
	return cmp.Or(cmp.Compare(v.major, o.major), cmp.Compare(v.minor, o.minor))
}

func (v version) before() version { return version{v.major, v.minor - 1} }

func (v version) String() string {
	if v == (version{}) {
		return ""
	}
	return fmt.Sprintf("%d.%d", v.major, v.minor)
}

func parseVersion(v any) (version, bool) {
	s, ok := v.(string)
	if !ok {
		return version{}, false
	}
	major, minor, ok := strings.Cut(s, ".")
	x, err1 := strconv.Atoi(major)
	y, err2 := strconv.Atoi(minor)
	return version{x, y}, ok && err1 == nil && err2 == nil
}

func render(entries []entry) [][]string {
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(strings.Compare(a.key(), b.key()), a.min.compare(b.min))
	})
	rows := [][]string{{"method", "path", "action", "kind", "min", "max", "schema"}}
	for _, e := range entries {
		text, err := json.Marshal(e.schema)
		if err != nil {
			panic(err) // it came from JSON
		}
		rows = append(rows, []string{e.method, e.path, e.action, e.kind, e.min.String(), e.max.String(), string(text)})
	}
	return rows
}
