package policy

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// caller is a Subject of a test; text credentials and anything nested.
type caller struct {
	roles []string
	attrs map[string]any
}

func (c *caller) Attr(name string) (any, bool) { v, ok := c.attrs[name]; return v, ok }

func (c *caller) AttrText(name string) (string, bool) {
	s, ok := c.attrs[name].(string)
	return s, ok
}

func (c *caller) HasRole(lower string) bool { return slices.Contains(c.roles, lower) }

func as(roles string, attrs map[string]any) *caller {
	return &caller{strings.Fields(roles), attrs}
}

// TestGrammar walks the documented grammar: check, caller, target, answer.
func TestGrammar(t *testing.T) {
	member := as("member reader", map[string]any{
		"user_id": "u1", "project_id": "p1", "is_admin": false, "is_admin_project": true, "number": 7,
		"token":  map[string]any{"domain": map[string]any{"id": "d1"}},
		"groups": []any{map[string]any{"id": "g1"}, map[string]any{"id": "g2"}},
		"tags":   []string{"a", "b"},
	})
	tests := []struct {
		check  string
		target Target
		want   bool
	}{
		{"", nil, true},
		{"@", nil, true},
		{"!", nil, false},
		{"role:member", nil, true},
		{"role:MEMBER", nil, true},
		{"role:admin", nil, false},
		{"role:%(needed)s", Target{"needed": "Member"}, true},
		{"role:%(needed)s", nil, false},
		{"not role:admin", nil, true},
		{"not not role:admin", nil, false},
		{"role:admin or role:member", nil, true},
		{"role:admin and role:member", nil, false},
		{"role:admin and role:x or role:member", nil, true},
		{"role:member or role:x and role:admin", nil, true},
		{"(role:member or role:x) and role:admin", nil, false},
		{"not role:admin and role:member", nil, true},
		{"not (role:admin or role:member)", nil, false},
		{"((role:member))", nil, true},
		{"role:admin OR role:member", nil, true},
		{"project_id:%(project_id)s", Target{"project_id": "p1"}, true},
		{"project_id:%(project_id)s", Target{"project_id": "p2"}, false},
		{"project_id:%(project_id)s", Target{}, false},
		{"domain_id:%(domain_id)s", Target{"domain_id": nil}, false},
		{"domain_id:%(domain_id)s", Target{"domain_id": ""}, false},
		{"domain_id:None", nil, true},
		{"not domain_id:None", nil, false},
		{"system_scope:all", nil, false},
		{"user_id:%(target.user.id)s", Target{"target.user.id": "u1"}, true},
		{"user_id:%(target.user.id)s", Target{"target": map[string]any{"user": map[string]any{"id": "u1"}}}, true},
		{"user_id:%(target.user.id)s", Target{"target": map[string]any{}}, false},
		{"user_id:u%(n)s", Target{"n": 1}, true},
		{"'public':%(visibility)s", Target{"visibility": "public"}, true},
		{"'public':%(visibility)s", Target{"visibility": "private"}, false},
		{`"public":%(visibility)s`, Target{"visibility": "public"}, true},
		{"True:%(enabled)s", Target{"enabled": true}, true},
		{"False:%(enabled)s", Target{"enabled": true}, false},
		{"None:%(domain)s", Target{"domain": nil}, true},
		{"None:%(domain)s", Target{"domain": "d1"}, false},
		{"None:%(domain)s", Target{}, false},
		{"is_admin:True", nil, false},
		{"is_admin:False", nil, true},
		{"is_admin:1", nil, false},
		{"is_admin_project:True", nil, true},
		{"number:7", nil, true},
		{"token.domain.id:%(target.domain.id)s", Target{"target.domain.id": "d1"}, true},
		{"token.domain.id:%(target.domain.id)s", Target{"target.domain.id": "d2"}, false},
		{"token.project.id:x", nil, false},
		{"groups.id:g2", nil, true},
		{"groups.id:g3", nil, false},
		{"tags:b", nil, true},
		{"tags:c", nil, false},
		{"absent:x", nil, false},
		{"field:networks:shared=True", Target{"shared": true}, true},
		{"field:networks:shared=True", Target{"shared": false}, false},
		{"field:networks:shared=True", Target{}, false},
		{"field:networks:router:external=True", Target{"router:external": true}, true},
		{"field:port:device_owner=~^network:", Target{"device_owner": "network:dhcp"}, true},
		{"field:port:device_owner=~^network:", Target{"device_owner": "compute:nova"}, false},
		{"field:rbac_policy:target_tenant=*", Target{"target_tenant": "*"}, true},
		{"project_id:%(network:project_id)s", Target{"network:project_id": Lazy(func() (any, bool) { return "p1", true })}, true},
		{"project_id:%(network:project_id)s", Target{"network:project_id": func() (any, bool) { return nil, false }}, false},
		{"user_id:100%%", nil, false},
	}
	for _, tt := range tests {
		e, err := Open([]Rule{{Name: "r", Check: tt.check}}, nil)
		if err != nil {
			t.Errorf("%q: %v", tt.check, err)
			continue
		}
		if got := e.Allows("r", member, tt.target); got != tt.want {
			t.Errorf("%q on %v: got %v, want %v", tt.check, tt.target, got, tt.want)
		}
		if x := e.Explain("r", member, tt.target); x.Allowed != tt.want || len(x.Deciding) == 0 {
			t.Errorf("%q explained: %v", tt.check, x)
		}
	}
}

// TestRefused: what does not parse is an error that says where.
func TestRefused(t *testing.T) {
	tests := map[string]string{
		"role:":                  "names no role",
		"rule:":                  "names no rule",
		"role":                   "is not a check",
		":x":                     "nothing before its colon",
		"http://host/check":      "remote checks are not supported",
		"https://host/check":     "remote checks are not supported",
		"role:a role:b":          `unexpected "role:b" at word 2`,
		"role:a and":             "expected a check at word 3",
		"or role:a":              "expected a check at word 1",
		"(role:a":                `expected ")"`,
		"role:a)":                `unexpected ")"`,
		"()":                     "expected a check",
		"user_id:%(x)d":          "substitution",
		"user_id:%(x":            "substitution",
		"user_id:%":              "substitution",
		"us$er:x":                "neither a kind of check",
		"field:networks":         "write field:",
		"field:port:name=~[":     "missing closing ]",
		strings.Repeat("(", 400): "nested too deeply",
	}
	for check, want := range tests {
		if _, err := parse(check); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got error %v, want one with %q", check, err, want)
		}
	}
}

var small = []Rule{
	{Name: "admin", Check: "role:admin"},
	{Name: "owner", Check: "project_id:%(project_id)s"},
	{Name: "servers:list", Check: "rule:admin or rule:owner", ScopeTypes: []string{"project"}},
}

// TestOverrides: an operator's file is taken whole or not at all.
func TestOverrides(t *testing.T) {
	tests := map[string]struct {
		file string
		want string // "" when the file is good
	}{
		"empty":                        {"", ""},
		"comments only":                {"# nothing\n", ""},
		"one rule":                     {`"servers:list": "rule:admin"`, ""},
		"old list form":                {"servers:list: [[\"role:a\", \"role:b\"], \"role:c\"]", ""},
		"helper that is used":          {"auditor: role:auditor\nservers:list: rule:auditor", ""},
		"finer rule of a known one":    {`"servers:list:all_tenants": "rule:admin"`, ""},
		"unknown rule":                 {"\n\"servers:lst\": \"@\"", `line 2: rule "servers:lst": no such rule, and no rule of this file refers to it (did you mean "servers:list"?)`},
		"unparsable check":             {"admin: role:x\nowner: role:a role:b", `line 2: rule "owner": unexpected "role:b" at word 2`},
		"missing reference":            {"owner: rule:nobody", `line 1: rule "owner": refers to rule "nobody", which does not exist`},
		"circle":                       {"admin: rule:owner\nowner: rule:admin", `leads back to itself: `},
		"remote check":                 {"owner: http://x/y", "remote checks are not supported"},
		"role without a name":          {"owner: \"role:\"", `line 1: rule "owner": "role:" names no role`},
		"twice":                        {"owner: \"@\"\nowner: \"!\"", "line 2"},
		"not a map":                    {"- a\n- b", "line 1: a policy file is a map"},
		"not YAML":                     {"owner: [", "not valid YAML"},
		"null check":                   {"owner:\n", "has no check"},
		"two faults are both reported": {"owner: role\nadmin: role", "line 2: rule \"admin\""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e, err := Open(small, nil)
			if err != nil {
				t.Fatal(err)
			}
			before := fmt.Sprint(e.Rules())
			err = e.Reload([]byte(tt.file))
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got error %v, want one with %q", err, tt.want)
			}
			if after := fmt.Sprint(e.Rules()); after != before {
				t.Errorf("rules changed by a broken file:\n%s\n%s", before, after)
			}
		})
	}
}

// TestListForm: the deprecated list form means an or of ands.
func TestListForm(t *testing.T) {
	e, err := Open(small, []byte("servers:list: [[\"role:a\", \"role:b\"], \"role:c\"]"))
	if err != nil {
		t.Fatal(err)
	}
	for roles, want := range map[string]bool{"a": false, "a b": true, "c": true, "admin": false} {
		if got := e.Allows("servers:list", as(roles, nil), nil); got != want {
			t.Errorf("roles %q: got %v", roles, got)
		}
	}
}

// TestBrokenDefaults: missing and circular references refuse when they are
// reached, and are reported.
func TestBrokenDefaults(t *testing.T) {
	e, err := Open([]Rule{
		{Name: "a", Check: "rule:b or role:x"},
		{Name: "b", Check: "rule:a"},
		{Name: "c", Check: "rule:gone"},
		{Name: "self", Check: "rule:self"},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for rule, want := range map[string]bool{"a": true, "b": false, "c": false, "self": false, "unheard of": false} {
		if got := e.Allows(rule, as("x", nil), nil); got != want {
			t.Errorf("%s: got %v", rule, got)
		}
	}
	text := fmt.Sprint(e.Problems())
	for _, want := range []string{"gone", "a > b > a", "self > self"} {
		if !strings.Contains(text, want) {
			t.Errorf("problems %s lack %q", text, want)
		}
	}
	if e.Exists("gone") || !e.Exists("a") {
		t.Error("Exists is wrong")
	}
}

// TestScope: a rule meant for projects is not open to a system token.
func TestScope(t *testing.T) {
	e, err := Open(small, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		rule  string
		attrs map[string]any
		want  bool
	}{
		{"servers:list", map[string]any{"project_id": "p"}, true},
		{"servers:list", map[string]any{"system_scope": "all"}, false},
		{"servers:list", map[string]any{"domain_id": "d"}, false},
		{"admin", map[string]any{"system_scope": "all"}, true},
		{"unheard of", nil, false},
	} {
		if got := e.ScopeAllowed(tt.rule, as("", tt.attrs)); got != tt.want {
			t.Errorf("%s %v: got %v", tt.rule, tt.attrs, got)
		}
	}
}

// TestReloadWhileAsked: readers see one table or the other.
func TestReloadWhileAsked(t *testing.T) {
	e, err := Open(small, nil)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 2000 {
				if !e.Allows("servers:list", as("admin", nil), nil) {
					t.Error("an administrator was refused")
					return
				}
			}
		})
	}
	for i := range 200 {
		file := "owner: \"!\""
		if i%2 == 0 {
			file = "owner: broken"
		}
		_ = e.Reload([]byte(file)) // every second one is meant to fail
	}
	wg.Wait()
}

// FuzzParse: no text breaks the parser, and what it prints it reads the same.
func FuzzParse(f *testing.F) {
	for _, service := range []string{"keystone", "nova", "cinder", "neutron", "glance", "placement"} {
		for i, r := range Defaults(service) {
			if i%20 == 0 {
				f.Add(r.Check)
			}
		}
	}
	f.Add("not (a:b or not (c:%(d)s and @)) and ! or 'x':%(y)s")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parse(text)
		if err != nil {
			return
		}
		once := n.String()
		again, err := parse(once)
		if err != nil {
			t.Fatalf("%q prints as %q, which fails: %v", text, once, err)
		}
		if twice := again.String(); twice != once {
			t.Fatalf("%q prints as %q, then as %q", text, once, twice)
		}
	})
}

func BenchmarkAllows(b *testing.B) {
	e, err := Service("nova", nil)
	if err != nil {
		b.Fatal(err)
	}
	s := as("member reader", map[string]any{"project_id": "p1", "user_id": "u1"})
	target := Target{"project_id": "p1"}
	b.ReportAllocs()
	for b.Loop() {
		if !e.Allows("os_compute_api:servers:create", s, target) {
			b.Fatal("refused")
		}
	}
}

// TestAllowsDoesNotAllocate holds the hot path to its promise.
func TestAllowsDoesNotAllocate(t *testing.T) {
	e, err := Service("nova", nil)
	if err != nil {
		t.Fatal(err)
	}
	s := as("member reader", map[string]any{"project_id": "p1"})
	target := Target{"project_id": "p1"}
	if n := testing.AllocsPerRun(100, func() { e.Allows("os_compute_api:servers:create", s, target) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
