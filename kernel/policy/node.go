package policy

import (
	"regexp"
	"strings"
)

// node is one compiled check.
type node interface {
	eval(s Subject, t Target) bool
	String() string
}

type constant bool

func (c constant) eval(Subject, Target) bool { return bool(c) }

func (c constant) String() string {
	if c {
		return "@"
	}
	return "!"
}

type orNode struct{ kids []node }

func (n *orNode) eval(s Subject, t Target) bool {
	for _, k := range n.kids {
		if k.eval(s, t) {
			return true
		}
	}
	return false
}

func (n *orNode) String() string { return joined(n.kids, " or ") }

type andNode struct{ kids []node }

func (n *andNode) eval(s Subject, t Target) bool {
	for _, k := range n.kids {
		if !k.eval(s, t) {
			return false
		}
	}
	return true
}

func (n *andNode) String() string { return joined(n.kids, " and ") }

type notNode struct{ kid node }

func (n *notNode) eval(s Subject, t Target) bool { return !n.kid.eval(s, t) }

func (n *notNode) String() string { return "not " + bracketed(n.kid) }

func joined(kids []node, sep string) string {
	texts := make([]string, len(kids))
	for i, k := range kids {
		texts[i] = bracketed(k)
	}
	return strings.Join(texts, sep)
}

func bracketed(n node) string {
	switch n.(type) {
	case *orNode, *andNode:
		return "(" + n.String() + ")"
	}
	return n.String()
}

// ruleNode is a reference; to is filled when the table is linked, and stays a
// refusal when the name leads nowhere or back to itself.
type ruleNode struct {
	name string
	to   node
}

func (n *ruleNode) eval(s Subject, t Target) bool { return n.to != nil && n.to.eval(s, t) }

func (n *ruleNode) String() string { return "rule:" + n.name }

type roleNode struct {
	text    string
	role    string // lower case; empty when the name comes from the target
	dynamic template
}

func (n *roleNode) eval(s Subject, t Target) bool {
	if n.role != "" {
		return s.HasRole(n.role)
	}
	role, ok := n.dynamic.fill(t)
	return ok && role != "" && s.HasRole(strings.ToLower(role))
}

func (n *roleNode) String() string { return n.text }

// fieldNode is Neutron's look at an attribute of the resource itself.
type fieldNode struct {
	text    string
	name    string
	value   string
	pattern *regexp.Regexp
}

func (n *fieldNode) eval(_ Subject, t Target) bool {
	v, ok := t[n.name]
	if ok {
		v, ok = resolve(v)
	}
	if !ok || v == nil {
		return false
	}
	switch v := v.(type) {
	case string:
		if n.pattern != nil {
			return n.pattern.MatchString(v)
		}
		return v == n.value
	case bool:
		return n.pattern == nil && v == isTrue(n.value)
	}
	return n.pattern == nil && pythonString(v) == n.value
}

func (n *fieldNode) String() string { return n.text }

func isTrue(s string) bool {
	return strings.EqualFold(s, "true") || s == "1"
}

// literalNode compares a constant with the target: 'public':%(visibility)s.
type literalNode struct {
	text  string
	value string
	match template
}

func (n *literalNode) eval(_ Subject, t Target) bool {
	if v, single, found := n.match.single(t); single {
		return found && sameText(v, n.value)
	}
	got, ok := n.match.fill(t)
	return ok && got == n.value
}

func (n *literalNode) String() string { return n.text }

func sameText(v any, want string) bool {
	if s, ok := v.(string); ok {
		return s == want
	}
	return pythonString(v) == want
}

// attrNode compares a credential with a constant or with the target.
type attrNode struct {
	text  string
	name  string
	path  []string
	match template
}

func (n *attrNode) String() string { return n.text }

func (n *attrNode) eval(s Subject, t Target) bool {
	if lit, ok := n.match.literal(); ok {
		return n.equals(s, lit)
	}
	if v, single, found := n.match.single(t); single {
		// An owner that is not there must not equal a caller who has none.
		if !found || v == nil {
			return false
		}
		if text, ok := v.(string); ok {
			return text != "" && n.equals(s, text)
		}
		return n.equals(s, pythonString(v))
	}
	want, ok := n.match.fill(t)
	return ok && n.equals(s, want)
}

func (n *attrNode) equals(s Subject, want string) bool {
	if fast, ok := s.(TextSubject); ok {
		if got, known := fast.AttrText(n.name); known {
			return matchText(n.name, got, want)
		}
	}
	if v, ok := s.Attr(n.name); ok {
		return matchAny(n.name, v, want)
	}
	if len(n.path) > 1 {
		if v, ok := s.Attr(n.path[0]); ok {
			return matchPath(v, n.path[1:], want)
		}
		return false
	}
	return want == "None" && contextAttr(n.name)
}

// matchText compares a credential's text; an empty one is None.
func matchText(name, got, want string) bool {
	if got == "" {
		return want == "None" && contextAttr(name)
	}
	return got == want
}

func matchAny(name string, v any, want string) bool {
	switch v := v.(type) {
	case nil:
		return want == "None"
	case string:
		return matchText(name, v, want)
	}
	return matchPath(v, nil, want)
}

// matchPath follows path into v; a list on the way matches if any member does.
func matchPath(v any, path []string, want string) bool {
	switch list := v.(type) {
	case []any:
		for _, e := range list {
			if matchPath(e, path, want) {
				return true
			}
		}
		return false
	case []string:
		for _, e := range list {
			if len(path) == 0 && e == want {
				return true
			}
		}
		return false
	}
	if len(path) == 0 {
		return sameText(v, want)
	}
	next, ok := walk(v, path[:1])
	return ok && matchPath(next, path[1:], want)
}

// contextAttr reports whether every caller has the attribute, if only as None.
func contextAttr(name string) bool {
	switch name {
	case "user_id", "project_id", "domain_id", "system_scope", "user_domain_id", "project_domain_id", "tenant":
		return true
	}
	return false
}
