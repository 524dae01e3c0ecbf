package mapping

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func parse(t testing.TB, version, rules string) *Mapping {
	t.Helper()
	m, err := Parse(version, decoded(t, rules))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func decoded(t testing.TB, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

var (
	chief    = map[string]string{"mail": "bo@x.test", "login": "bo", "first": "Bo", "last": "Berg", "kind": "Admin;Chief"}
	customer = map[string]string{"mail": "cy@x.test", "login": "cy", "first": "Cy", "last": "Cole", "kind": "Customer"}
	tester   = map[string]string{"mail": "ti@x.test", "login": "ti", "first": "Ti", "last": "Tan", "kind": "Made up;Tester;Other"}
	evil     = map[string]string{"mail": "ti@evil.test", "login": "ti", "first": "Ti", "last": "Tan", "kind": "Tester"}
	clerk    = map[string]string{"mail": "em@x.test", "login": "em", "first": "Em", "last": "Eng", "kind": "Employee;PartTimeEmployee;Manager", "thing": "a;b;c"}
)

const large = `[
 {"local":[{"user":{"name":"{0} {1}","email":"{2}"},"group":{"id":"employees"}}],
  "remote":[{"type":"first"},{"type":"last"},{"type":"mail"},{"type":"kind","any_one_of":["Admin","Big Cheese"]}]},
 {"local":[{"user":{"name":"{0}","email":"{1}"}}],
  "remote":[{"type":"login"},{"type":"mail"},{"type":"kind","not_any_of":["Admin","Employee","Tester"]}]},
 {"local":[{"group":{"id":"testers"}},{"group":{"id":"developers"}},{"user":{"name":"{0}"}}],
  "remote":[{"type":"login"},{"type":"kind","any_one_of":["Tester"]},{"type":"mail","any_one_of":[".*@x.test$"],"regex":true}]}]`

func named(name string) User { return User{Name: name, Type: Ephemeral} }

func TestRules(t *testing.T) {
	corp := Domain{ID: "corp"}
	tests := []struct {
		name, version, rules string
		assertion            map[string]string
		want                 Identity
	}{
		{"any one of, several parts in a name", "1.0", large, chief, Identity{User: User{Name: "Bo Berg", Email: "bo@x.test", Type: Ephemeral}, GroupIDs: []string{"employees"}}},
		{"not any of", "1.0", large, customer, Identity{User: User{Name: "cy", Email: "cy@x.test", Type: Ephemeral}}},
		{"a pattern", "1.0", large, tester, Identity{User: named("ti"), GroupIDs: []string{"testers", "developers"}}},
		{"whitelist of names", "1.0", `[{"remote":[{"type":"kind","whitelist":["Manager","Guest"]},{"type":"login"}],"local":[{"groups":"{0}","domain":{"id":"corp"}},{"user":{"name":"{1}"}}]}]`,
			clerk, Identity{User: named("em"), Groups: []Group{{"Manager", corp}}}},
		{"whitelist that nothing passes", "1.0", `[{"remote":[{"type":"kind","whitelist":["Guest"]},{"type":"login"}],"local":[{"groups":"{0}","domain":{"id":"corp"}},{"user":{"name":"{1}"}}]}]`,
			clerk, Identity{User: named("em")}},
		{"blacklist before several values", "1.0", `[{"remote":[{"type":"kind","blacklist":["Manager","Employee"]},{"type":"thing"},{"type":"login"}],"local":[{"groups":"{0}","domain":{"id":"corp"}},{"user":{"name":"{2}"}}]}]`,
			clerk, Identity{User: named("em"), Groups: []Group{{"PartTimeEmployee", corp}}}},
		{"whitelist of patterns", "1.0", `[{"remote":[{"type":"kind","whitelist":[".*Employee$"],"regex":true}],"local":[{"groups":"{0}","domain":{"name":"Corp"}}]}]`,
			clerk, Identity{User: User{Type: Ephemeral}, Groups: []Group{{"Employee", Domain{Name: "Corp"}}, {"PartTimeEmployee", Domain{Name: "Corp"}}}}},
		{"blacklist of patterns", "1.0", `[{"remote":[{"type":"kind","blacklist":[".*Employee$"],"regex":true}],"local":[{"groups":"{0}","domain":{"id":"corp"}}]}]`,
			clerk, Identity{User: User{Type: Ephemeral}, Groups: []Group{{"Manager", corp}}}},
		{"groups by name", "1.0", `[{"remote":[{"type":"login"}],"local":[{"user":{"name":"{0}"}}]},{"remote":[{"type":"kind","any_one_of":["Manager"]}],"local":[{"group":{"name":"bosses","domain":{"name":"Corp"}}}]}]`,
			clerk, Identity{User: named("em"), Groups: []Group{{"bosses", Domain{Name: "Corp"}}}}},
		{"group ids, one and many", "1.0", `[{"remote":[{"type":"login"},{"type":"thing","whitelist":["a","c"]},{"type":"first"}],"local":[{"user":{"name":"{0}"}},{"group_ids":"{1}"},{"group":{"id":"{2}"}}]}]`,
			clerk, Identity{User: named("em"), GroupIDs: []string{"a", "c", "Em"}}},
		{"the operator's own list", "1.0", `[{"remote":[{"type":"login"}],"local":[{"user":{"name":"{0}"}},{"group_ids":"['g1', \"g2\"]"}]}]`,
			clerk, Identity{User: named("em"), GroupIDs: []string{"g1", "g2"}}},
		{"the first user counts", "1.0", `[{"remote":[{"type":"login"}],"local":[{"user":{"name":"x{0}"}},{"user":{"name":"{0}"}}]}]`, clerk, Identity{User: named("xem")}},
		{"id, name and domain of a local user", "1.0", `[{"remote":[{"type":"login"}],"local":[{"user":{"id":"u-{0}","name":"{0}","type":"local","domain":{"id":"corp"}}}]}]`,
			clerk, Identity{User: User{ID: "u-em", Name: "em", Type: Local, Domain: corp}}},
		{"projects", "1.0", `[{"remote":[{"type":"login"}],"local":[{"user":{"name":"{0}"},"projects":[{"name":"Of {0}","roles":[{"name":"member"},{"name":"reader"}]}]}]}]`,
			clerk, Identity{User: named("em"), Projects: []Project{{Name: "Of em", Roles: []string{"member", "reader"}}}}},
		{"a rule's domain in version 1.0 is the groups' only", "1.0", `[{"remote":[{"type":"login"}],"local":[{"domain":{"id":"corp"},"user":{"name":"{0}"},"projects":[{"name":"p","roles":[]}]}]}]`,
			clerk, Identity{User: named("em"), Projects: []Project{{Name: "p"}}}},
		{"in 2.0 also the user's and the projects'", "2.0", `[{"remote":[{"type":"login"}],"local":[{"domain":{"id":"corp"},"user":{"name":"{0}"},"projects":[{"name":"p","roles":[]},{"name":"q","roles":[],"domain":{"name":"Own"}}]}]}]`,
			clerk, Identity{User: User{Name: "em", Type: Ephemeral, Domain: corp}, Projects: []Project{{Name: "p", Domain: corp}, {Name: "q", Domain: Domain{Name: "Own"}}}}},
		{"in 2.0 a domain of a later part", "2.0", `[{"remote":[{"type":"login"}],"local":[{"user":{"name":"{0}"}},{"domain":{"id":"corp"},"groups":"g"}]}]`,
			clerk, Identity{User: User{Name: "em", Type: Ephemeral, Domain: corp}, Groups: []Group{{"g", corp}}}},
		{"braces", "1.0", `[{"remote":[{"type":"login"}],"local":[{"user":{"name":"{{{0}}} {}"}}]}]`, clerk, Identity{User: named("{em} em")}},
		{"groups as JSON, where the rule leaves their domain to the provider", "1.0", `[{"remote":[{"type":"login"},{"type":"g"}],"local":[{"user":{"name":"{0}"}},{"groups":"{1}"}]}]`,
			map[string]string{"login": "em", "g": `JSON:{"name":"a","domain":{"name":"x"}};JSON:{"name":"b","domain":{"id":"y"}}`},
			Identity{User: named("em"), Groups: []Group{{"a", Domain{Name: "x"}}, {"b", Domain{ID: "y"}}}}},
		{"projects of a claim", "3.0", `[{"remote":[{"type":"login"},{"type":"p"}],"local":[{"user":{"name":"{0}"},"domain":{"id":"corp"},"projects_json":"{1}"}]}]`,
			map[string]string{"login": "em", "p": `[{"name":"a","roles":[{"name":"member"}]},{"name":"b","roles":[],"domain":{"name":"x"}}]`},
			Identity{User: User{Name: "em", Type: Ephemeral, Domain: corp}, Sync: true, Projects: []Project{{Name: "a", Roles: []string{"member"}, Domain: corp}, {Name: "b", Domain: Domain{Name: "x"}}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parse(t, tt.version, tt.rules).Apply(Text(tt.assertion))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	tests := []struct {
		name, rules string
		assertion   map[string]string
	}{
		{"no rule fits", large, evil},
		{"not any of a pattern", `[{"remote":[{"type":"login"},{"type":"mail","not_any_of":[".*@evil.test$"],"regex":true}],"local":[{"user":{"name":"{0}"}}]}]`, evil},
		{"a reference to nothing", `[{"remote":[{"type":"login","any_one_of":["ti"]}],"local":[{"user":{"name":"{0}"}}]}]`, evil},
		{"groups without a domain", `[{"remote":[{"type":"kind"}],"local":[{"groups":"{0}"}]}]`, evil},
		{"groups as JSON without a domain", `[{"remote":[{"type":"g"}],"local":[{"groups":"{0}"}]}]`, map[string]string{"g": `JSON:{"name":"a"}`}},
		{"several values for a name", `[{"remote":[{"type":"kind"}],"local":[{"user":{"name":"{0}"}}]}]`, tester},
		{"an empty attribute is absent", `[{"remote":[{"type":"login"},{"type":"kind","not_any_of":["Guest"]}],"local":[{"user":{"name":"{0}"}}]}]`, map[string]string{"login": "x", "kind": ""}},
		{"attributes differ by case", `[{"remote":[{"type":"Login"}],"local":[{"user":{"name":"{0}"}}]}]`, evil},
		{"an empty domain", `[{"remote":[{"type":"login","whitelist":[]}],"local":[{"user":{"name":"x","domain":{"name":"{0}"}}}]}]`, evil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parse(t, "1.0", tt.rules).Apply(Text(tt.assertion))
			var r *Refused
			if !errors.As(err, &r) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestInvalid(t *testing.T) {
	rule := func(local, remote string) string { return `[{"local":[` + local + `],"remote":[` + remote + `]}]` }
	const ok = `{"type":"x"}`
	tests := []struct{ version, rules, want string }{
		{"9.9", rule(`{}`, ok), "'9.9' is not one of ['1.0', '2.0', '3.0']"},
		{"1.0", `[]`, "[] should be non-empty"},
		{"1.0", `null`, "None is not of type 'array'"},
		{"1.0", `[{"remote":[{"type":"x"}]}]`, "'local' is a required property"},
		{"1.0", rule(`{}`, ``), "[] should be non-empty"},
		{"1.0", `[{"local":[],"remote":[{"type":"x"}],"more":1,"most":2}]`, "Additional properties are not allowed ('more', 'most' were unexpected)"},
		{"1.0", rule(`{"user":"name"}`, ok), "'name' is not of type 'object'"},
		{"1.0", rule(`{"user":{"name":"{0}","groups":"{0}"}}`, ok), "Additional properties are not allowed ('groups' was unexpected)"},
		{"1.0", rule(`{"user":{"type":"odd"}}`, ok), "'odd' is not one of ['ephemeral', 'local']"},
		{"1.0", rule(`{}`, `{}`), "{} is not valid under any of the given schemas"},
		{"1.0", rule(`{}`, `{"type":"x","any_one_of":"y"}`), "{'any_one_of': 'y', 'type': 'x'} is not valid under any of the given schemas"},
		{"1.0", rule(`{}`, `{"type":"x","any_one_of":["y"],"odd":1}`), "is not valid under any of the given schemas"},
		{"1.0", rule(`{}`, `{"type":"x","blacklist":["y"],"whitelist":["y"]}`), "is not valid under any of the given schemas"},
		{"1.0", rule(`{}`, `{"type":"x","regex":true}`), "is not valid under any of the given schemas"},
		{"1.0", rule(`{}`, `{"type":"x","whitelist":["("],"regex":true}`), "'(' is not a pattern that can be used here"},
		{"1.0", rule(`{"group":{}}`, ok), "{} is not valid under any of the given schemas"},
		{"1.0", rule(`{"group":{"name":"g"}}`, ok), "{'name': 'g'} is not valid under any of the given schemas"},
		{"1.0", rule(`{"group":{"id":"g","domain":{"id":"d"}}}`, ok), "is not valid under any of the given schemas"},
		{"1.0", rule(`{"projects":[{"name":"p"}]}`, ok), "'roles' is a required property"},
		{"1.0", rule(`{"projects":[{"name":"p","roles":[],"domain":{"id":"d"}}]}`, ok), "Additional properties are not allowed ('domain' was unexpected)"},
		{"2.0", rule(`{"projects_json":"{0}"}`, ok), "Additional properties are not allowed ('projects_json' was unexpected)"},
		{"1.0", rule(`{"user":{"name":"{0.__class__}"}}`, ok), "only {0}, {1}"},
		{"1.0", rule(`{"user":{"name":"{0"}}`, ok), "has a { without a }"},
	}
	for _, tt := range tests {
		_, err := Parse(tt.version, decoded(t, tt.rules))
		var v *Invalid
		if !errors.As(err, &v) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %s:\n got %v\nwant %s", tt.version, tt.rules, err, tt.want)
		}
	}
}

// TestMappingConfusion: what a provider lets its users write about themselves
// never becomes a group, a domain or another user that no rule gives.
func TestMappingConfusion(t *testing.T) {
	rules := `[{"remote":[{"type":"OIDC-sub"},{"type":"OIDC-groups","blacklist":["admins"]}],
	  "local":[{"user":{"name":"{0}","domain":{"id":"corp"}}},{"groups":"{1}","domain":{"id":"corp"}}]}]`
	m := parse(t, "1.0", rules)
	for name, claim := range map[string]string{
		"a list in a text":      `"['admins', 'x']"`,
		"a list in a list":      `["['admins']"]`,
		"semicolons in a text":  `"x;admins"`,
		"a group of a domain":   `"JSON:{\"name\":\"admins\",\"domain\":{\"name\":\"Default\"}}"`,
		"a nested list":         `[["admins"]]`,
		"an object":             `{"name":"admins","domain":{"id":"default"}}`,
		"a format of Python":    `"{0}"`,
		"another case":          `"Admins"`,
		"space around":          `" admins"`,
		"a zero byte":           `"admins\u0000"`,
		"the word in a comment": `["name"]`,
	} {
		t.Run(name, func(t *testing.T) {
			claims, _ := decoded(t, `{"sub":"em","groups":`+claim+`}`).(map[string]any)
			got, err := m.Apply(Claims(claims))
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range got.Groups {
				if g.Name == "admins" || g.Domain != (Domain{ID: "corp"}) {
					t.Errorf("group %+v", g)
				}
			}
			if got.User.Name != "em" || got.User.Domain != (Domain{ID: "corp"}) || len(got.GroupIDs) != 0 {
				t.Errorf("identity %+v", got)
			}
		})
	}
	t.Run("claims that differ in case only", func(t *testing.T) {
		a := Claims(map[string]any{"sub": "em", "SUB": "root"})
		if _, has := a["HTTP_OIDC_SUB"]; has || a["OIDC-sub"][0] != "em" {
			t.Errorf("assertion %v", a)
		}
	})
	t.Run("claims that name an environment", func(t *testing.T) {
		a := Claims(map[string]any{"HTTP_OIDC_SUB": "root", "OIDC-sub": "root", "sub": "em"})
		if a["HTTP_OIDC_SUB"][0] != "em" || a["OIDC-sub"][0] != "em" {
			t.Errorf("assertion %v", a)
		}
	})
}

func TestClaims(t *testing.T) {
	claims, _ := decoded(t, `{"n":12345678901234567890,"yes":true,"no":false,"none":null,"empty":"","list":["a","",1,true,{"k":"<v>"}],"tree":{"a":{"b":[1]}},"e-mail":"x"}`).(map[string]any)
	want := Assertion{
		"OIDC-n": {"12345678901234567890"}, "OIDC-yes": {"1"}, "OIDC-no": {"0"}, "OIDC-list": {"a", "1", "1", `{"k":"<v>"}`}, "OIDC-tree": {`{"a":{"b":[1]}}`}, "OIDC-e-mail": {"x"},
		"HTTP_OIDC_N": {"12345678901234567890"}, "HTTP_OIDC_YES": {"1"}, "HTTP_OIDC_NO": {"0"}, "HTTP_OIDC_LIST": {"a", "1", "1", `{"k":"<v>"}`}, "HTTP_OIDC_TREE": {`{"a":{"b":[1]}}`}, "HTTP_OIDC_E_MAIL": {"x"},
	}
	if diff := cmp.Diff(want, Claims(claims)); diff != "" {
		t.Error(diff)
	}
}

// FuzzMapping: no rules and no claims make the engine panic, and a domain that a
// rule fixes holds for every group.
func FuzzMapping(f *testing.F) {
	f.Add(large, `{"login":"em","kind":["Tester"]}`)
	f.Add(`[{"remote":[{"type":"OIDC-g"}],"local":[{"groups":"{0}","domain":{"id":"d"}}]}]`, `{"g":["['x']","JSON:{}"]}`)
	f.Add(`[{"remote":[{"type":"OIDC-g"}],"local":[{"projects_json":"{0}","user":{"name":"{}{}"}}]}]`, `{"g":[{"name":"p","roles":[]}]}`)
	f.Fuzz(func(t *testing.T, rules, claims string) {
		var r any
		var c map[string]any
		if json.Unmarshal([]byte(rules), &r) != nil || json.Unmarshal([]byte(claims), &c) != nil {
			return
		}
		for _, version := range []string{Version1, Version2, Version3} {
			if m, err := Parse(version, r); err == nil {
				_, _ = m.Apply(Claims(c))
			}
		}
		fixed := parse(t, "1.0", `[{"remote":[{"type":"OIDC-g"}],"local":[{"groups":"{0}","domain":{"id":"d"}}]}]`)
		if got, err := fixed.Apply(Claims(c)); err == nil {
			for _, g := range got.Groups {
				if g.Domain != (Domain{ID: "d"}) {
					t.Errorf("group %+v", g)
				}
			}
		}
	})
}
