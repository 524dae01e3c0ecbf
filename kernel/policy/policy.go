package policy

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
)

// Subject is the caller as policy sees one. Roles arrive with implied roles
// (admin > manager > member > reader) already expanded by identity.
type Subject interface {
	// Attr returns a credential: user_id, project_id, domain_id, system_scope,
	// is_admin, is_admin_project, or a dotted path such as token.domain.id; for
	// a path it does not know, policy asks for the first segment and walks the
	// maps and lists it gets.
	Attr(name string) (any, bool)
	// HasRole reports whether the caller has the role, given in lower case.
	HasRole(lower string) bool
}

// TextSubject is a Subject that can give its text credentials without boxing
// them, which keeps [Engine.Allows] free of allocation. False means "ask Attr".
type TextSubject interface {
	Subject
	AttrText(name string) (string, bool)
}

// Target is what the call is about: the attributes of the resource, flat with
// dots ("target.user.id") or nested, and "project_id" first of all.
type Target map[string]any

// Lazy is a value of a [Target] that costs a look-up, such as Neutron's
// "network:project_id"; it runs only if a check asks. False means absent. A plain
// func() (any, bool) in a target is taken for one.
type Lazy func() (any, bool)

// Rule is a named check with what the service documents about it.
type Rule struct {
	Name       string
	Check      string
	ScopeTypes []string // system, domain, project; empty means any
	Operations string   // "METHOD path; METHOD path"
}

//go:generate go -C ../../tools/apidata run . -only policies

// additionsTSV are rules that the release forgot, so that its general rule would
// let readers change these objects; later releases have them.
//
//go:embed additions.tsv
var additionsTSV string

//go:embed policies.tsv
var policiesTSV string

var defaultRules = sync.OnceValue(func() map[string][]Rule { return parseDefaults(policiesTSV + additionsTSV) })

func parseDefaults(tsv string) map[string][]Rule {
	byService := map[string][]Rule{}
	for i, line := range strings.Split(strings.TrimSuffix(tsv, "\n"), "\n") {
		col := strings.Split(line, "\t")
		if i == 0 || len(col) < 5 {
			continue
		}
		r := Rule{Name: col[1], Check: col[2], Operations: col[4]}
		if col[3] != "" {
			r.ScopeTypes = strings.Split(col[3], ",")
		}
		byService[col[0]] = append(byService[col[0]], r)
	}
	return byService
}

// Defaults returns the documented rules of a service by its project name
// (keystone, nova, cinder, neutron, glance, placement); none for others.
func Defaults(service string) []Rule { return defaultRules()[service] }

// Service opens the engine of one service with an operator's overrides, the
// text of a policy.yaml; nil means none.
func Service(service string, overrides []byte) (*Engine, error) {
	rules := Defaults(service)
	if len(rules) == 0 {
		return nil, fmt.Errorf("no policy rules are known for service %q", service)
	}
	return Open(rules, overrides)
}
