package policy

import (
	"slices"
	"testing"
)

func TestWords(t *testing.T) {
	e, err := Open([]Rule{
		{Name: "admin", Check: "role:admin"}, {Name: "member", Check: "role:member and project_id:%(project_id)s"},
		{Name: "make", Check: "rule:admin or rule:member"}, {Name: "never", Check: "!"},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	member := as("member reader", map[string]any{"project_id": "p1"})
	reader := as("reader", map[string]any{"project_id": "p1"})
	tests := map[string]struct {
		rule    string
		who     *caller
		project string
		want    string
	}{
		"allowed": {"make", member, "p1", "allowed: make, because:\n  the caller has the role member [role:member, of member]\n  the object is of the token's project [project_id:%(project_id)s, of member]\n"},
		"role missing": {"make", reader, "p1", `refused: make, because none of the ways to be allowed is open:
  the caller has not the role admin [role:admin, of admin]
  the caller has not the role member [role:member, of member]
missing role: admin or member
`},
		"another's": {"make", member, "p2", `refused: make, because none of the ways to be allowed is open:
  the caller has not the role admin [role:admin, of admin]
  the object is not of the token's project [project_id:%(project_id)s, of member]
missing role: admin
`},
		"never":   {"never", member, "p1", "refused: never, because:\n  nobody may [!]\n"},
		"no rule": {"nonsense", member, "p1", "refused: there is no rule nonsense, and what has no rule is refused\n"},
	}
	for name, tt := range tests {
		if got := e.Explain(tt.rule, tt.who, Target{"project_id": tt.project}).Words(); got != tt.want {
			t.Errorf("%s\n got: %s\nwant: %s", name, got, tt.want)
		}
	}
}

func TestRedundant(t *testing.T) {
	e, err := Open([]Rule{{Name: "a", Check: "role:x or role:y"}, {Name: "b", Check: "role:x"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := e.Redundant([]byte("a: (role:x  or role:y)\nb: role:y\n")); !slices.Equal(got, []string{"a"}) {
		t.Errorf("redundant: %v", got)
	}
}
