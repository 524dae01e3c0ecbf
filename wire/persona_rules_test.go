package wire_test

import (
	"fmt"
	"slices"
	"strings"

	"altostack/kernel/policy"
)

// facts are what a rule is asked about: who calls, and what of. They know the
// rules' text only, so that what is expected does not come from the code that is
// tested: this reads checks anew, simply and slowly.
type facts struct {
	rules  map[string]string
	roles  []string
	caller map[string]string // user_id, project_id
	object map[string]string // by the names in %(…)s
}

// texts are the documented rules by service.
var texts = func() map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, service := range []string{"keystone", "nova", "placement", "neutron", "glance", "cinder"} {
		all[service] = map[string]string{}
		for _, r := range policy.Defaults(service) {
			all[service][r.Name] = r.Check
		}
	}
	return all
}()

// holds decides a rule.
func (f facts) holds(rule string) bool {
	text, known := f.rules[rule]
	if !known {
		panic("no rule " + rule)
	}
	var split []string
	for w := range strings.FieldsSeq(text) {
		for strings.HasPrefix(w, "(") {
			w, split = w[1:], append(split, "(")
		}
		closing := strings.Count(w, ")") - strings.Count(w, "(") // those of %(…)s are even
		split = append(append(split, w[:len(w)-closing]), slices.Repeat([]string{")"}, closing)...)
	}
	if len(split) == 0 {
		return true
	}
	value, rest := f.or(split)
	if len(rest) > 0 {
		panic(fmt.Sprintf("rule %s: %q left", rule, rest))
	}
	return value
}

func (f facts) or(w []string) (bool, []string) {
	value, w := f.and(w)
	for len(w) > 0 && w[0] == "or" {
		var more bool
		more, w = f.and(w[1:])
		value = value || more
	}
	return value, w
}

func (f facts) and(w []string) (bool, []string) {
	value, w := f.not(w)
	for len(w) > 0 && w[0] == "and" {
		var more bool
		more, w = f.not(w[1:])
		value = value && more
	}
	return value, w
}

func (f facts) not(w []string) (bool, []string) {
	switch w[0] {
	case "not":
		value, rest := f.not(w[1:])
		return !value, rest
	case "(":
		value, rest := f.or(w[1:])
		return value, rest[1:]
	}
	return f.check(w[0]), w[1:]
}

func (f facts) check(text string) bool {
	kind, match, _ := strings.Cut(text, ":")
	switch kind {
	case "@":
		return true
	case "domain_id", "token.domain.id": // no token here is for a domain
		return match == "None"
	case "!", "system_scope", "field":
		return false // no token here is for the system; no object here is shared
	case "role":
		return slices.Contains(f.roles, strings.ToLower(match))
	case "rule":
		return f.holds(match)
	case "is_admin":
		return slices.Contains(f.roles, "admin")
	case "is_admin_project":
		return true
	}
	right := match
	if name, is := strings.CutPrefix(match, "%("); is {
		right = f.object[strings.TrimSuffix(name, ")s")]
	}
	left := strings.Trim(kind, "'")
	if c, is := f.caller[kind]; is {
		left = c
	}
	if kind == "None" {
		return right == ""
	}
	return left != "" && left == right
}
