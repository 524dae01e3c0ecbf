// Package schema refuses request bodies and query strings that the services
// would refuse, with the message that they would give.
//
// The one idea: the schemas are data, one table per service under data/, keyed
// by operation and version window, and a schema is compiled when the first
// request needs it and kept. A handler that decodes after [Set.Validate] said
// nothing may rely on the shapes it finds.
//
// Sets are shared and safe for concurrent use; nothing is changed after load
// but the cache of compiled schemas.
//
// Source: the request schemas of the 2026.1 services by way of their OpenAPI
// documents, made by tools/apidata, corrected by tools/apidata/overrides.json.
// Neutron has attribute tables instead (kernel/contract) and so no set here.
package schema

import (
	"cmp"
	"embed"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

//go:generate go -C ../../tools/apidata run . -only schemas

//go:embed data/*.tsv
var data embed.FS

// Set holds the request schemas of one service.
type Set struct {
	service string
	byKey   map[key][]*window
	paths   sync.Map // route path to plainPath of it; as many as there are routes
}

type key struct{ method, path, action, kind string }

// window is one schema and the versions it serves, compiled on first use.
type window struct {
	min, max version // zero: unbounded
	text     string
	once     sync.Once
	compiled *jsonschema.Schema
	err      error
}

type version struct{ major, minor int }

func (v version) compare(o version) int {
	return cmp.Or(cmp.Compare(v.major, o.major), cmp.Compare(v.minor, o.minor))
}

var sets struct {
	sync.Mutex
	byService map[string]*Set
}

// Service returns the set of a service by its project name (nova, cinder,
// keystone, glance, placement). Other names get a set without schemas, which
// finds everything valid.
func Service(name string) *Set {
	sets.Lock()
	defer sets.Unlock()
	if s := sets.byService[name]; s != nil {
		return s
	}
	if sets.byService == nil {
		sets.byService = map[string]*Set{}
	}
	s := load(name)
	sets.byService[name] = s
	return s
}

func load(name string) *Set {
	s := &Set{service: name, byKey: map[key][]*window{}}
	table, err := data.ReadFile("data/" + name + ".tsv")
	if err != nil {
		return s // no table: a service that validates by other means
	}
	for i, line := range strings.Split(strings.TrimSuffix(string(table), "\n"), "\n") {
		c := strings.Split(line, "\t")
		if len(c) != 7 {
			panic(fmt.Sprintf("schema: data/%s.tsv line %d has %d cells", name, i+1, len(c)))
		}
		if i == 0 {
			continue
		}
		k := key{c[0], plainPath(c[1]), c[2], c[3]}
		s.byKey[k] = append(s.byKey[k], &window{min: parseVersion(c[4]), max: parseVersion(c[5]), text: c[6]})
	}
	return s
}

// parseVersion reads "2.53"; anything else is the zero version.
func parseVersion(s string) version {
	major, minor, _ := strings.Cut(s, ".")
	x, err1 := strconv.Atoi(major)
	y, err2 := strconv.Atoi(minor)
	if err1 != nil || err2 != nil {
		return version{}
	}
	return version{x, y}
}

var (
	holes    = regexp.MustCompile(`\{[^}]*\}`)
	prefixed = regexp.MustCompile(`^/v[0-9.]+(/\{project_id\})?(/|$)`)
)

// plain remembers plainPath of the routes there are; a route's path is asked for
// with every request.
func (s *Set) plain(path string) string {
	if known, ok := s.paths.Load(path); ok {
		return known.(string)
	}
	p := plainPath(path)
	s.paths.Store(path, p)
	return p
}

// plainPath spells a path without version prefix, project id and the names of
// its parameters, so that a route may be given as documented or as mounted.
func plainPath(path string) string {
	path = prefixed.ReplaceAllString(path, "/")
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	return holes.ReplaceAllString(path, "{}")
}

// Has reports whether there is a body schema for the operation in any version.
func (s *Set) Has(method, path, action string) bool {
	return len(s.byKey[key{method, plainPath(path), action, "body"}]) > 0
}

// Validate checks a decoded body (maps, slices, strings, bools, nil, and
// json.Number or float64) against the schema of the operation at microversion
// major.minor; services without microversions pass 0, 0. Path is the route's,
// with "{name}" parameters. Nil means valid, or that no schema covers the
// operation. It panics if the embedded data does not compile, which a test
// rules out.
func (s *Set) Validate(method, path, action string, major, minor int, body any) *Violation {
	w := s.find(key{method, s.plain(path), action, "body"}, version{major, minor})
	if w == nil {
		return nil
	}
	v := s.check(w, body, false)
	if v != nil && s.service == "glance" {
		v.object = glanceObject(path)
	}
	return v
}

// glanceObject is the name of the schema document that a Glance path takes.
func glanceObject(path string) string {
	for _, o := range []struct{ part, name string }{
		{"/tags", "tag"}, {"/resource_types", "resource_type_association"}, {"/properties", "property"},
		{"/objects", "object"}, {"/namespaces", "namespace"}, {"/tasks", "task"}, {"/locations", "location"},
	} {
		if strings.Contains(path, o.part) {
			return o.name
		}
	}
	return "image"
}

// ValidateQuery checks a query string as [Set.Validate] does a body.
func (s *Set) ValidateQuery(method, path string, major, minor int, query url.Values) *Violation {
	w := s.find(key{method, s.plain(path), "", "query"}, version{major, minor})
	if w == nil {
		return nil
	}
	values := make(map[string]any, len(query))
	for name, list := range query {
		if s.service == "placement" && len(list) > 0 {
			values[name] = list[len(list)-1] // its schemas see the last of a name
			continue
		}
		items := make([]any, len(list))
		for i, v := range list {
			items[i] = v
		}
		values[name] = items
	}
	return s.check(w, values, true)
}

func (s *Set) find(k key, v version) *window {
	list := s.byKey[k]
	i := slices.IndexFunc(list, func(w *window) bool { return w.covers(v) })
	if i < 0 {
		return nil
	}
	return list[i]
}

func (w *window) covers(v version) bool {
	return w.min.compare(v) <= 0 && (w.max == version{} || v.compare(w.max) <= 0)
}

func (s *Set) check(w *window, value any, query bool) *Violation {
	w.once.Do(func() { w.compiled, w.err = compile(s.service, w.text) })
	if w.err != nil {
		panic(fmt.Sprintf("schema: %s: %v in %.200s", s.service, w.err, w.text))
	}
	err := w.compiled.Validate(value)
	if err == nil {
		return nil
	}
	return newViolation(s.service, w.text, err, value, query)
}
