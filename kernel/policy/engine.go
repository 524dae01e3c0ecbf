package policy

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
)

// Engine answers for the rules of one service. It is safe for concurrent use.
type Engine struct {
	defaults []Rule
	current  atomic.Pointer[table]
}

// table is one immutable state of an engine.
type table struct {
	rules    map[string]*compiled
	order    []string
	problems []Problem
}

type compiled struct {
	rule Rule
	tree node
}

// Problem is a rule that can never do what it says.
type Problem struct {
	Rule string
	What string
}

func (p Problem) String() string { return fmt.Sprintf("rule %q: %s", p.Rule, p.What) }

// Open compiles the defaults and, over them, the rules of a policy.yaml. Faults
// in the defaults are errors too, except references that lead nowhere or in a
// circle: these refuse and are listed by [Engine.Problems].
func Open(defaults []Rule, overrides []byte) (*Engine, error) {
	e := &Engine{defaults: slices.Clone(defaults)}
	if err := e.Reload(overrides); err != nil {
		return nil, err
	}
	return e, nil
}

// Reload replaces the overrides with those in yaml, which may be empty. On any
// fault the rules in force stay as they are and the error lists every fault
// with its line and rule.
func (e *Engine) Reload(yaml []byte) error {
	t := &table{rules: make(map[string]*compiled, len(e.defaults))}
	for _, r := range e.defaults {
		tree, err := parse(r.Check)
		if err != nil {
			return fmt.Errorf("default rule %q: %w", r.Name, err)
		}
		t.put(r, tree)
	}
	if err := t.override(yaml); err != nil {
		return err
	}
	e.current.Store(t)
	return nil
}

func (t *table) put(r Rule, tree node) {
	if _, known := t.rules[r.Name]; !known {
		t.order = append(t.order, r.Name)
	}
	t.rules[r.Name] = &compiled{r, tree}
}

// Allows reports whether s may do what the rule guards on target t. A rule
// that does not exist refuses.
func (e *Engine) Allows(rule string, s Subject, t Target) bool {
	c := e.current.Load().rules[rule]
	return c != nil && c.tree.eval(s, t)
}

// Exists reports whether there is a rule of that name.
func (e *Engine) Exists(rule string) bool {
	return e.current.Load().rules[rule] != nil
}

// ScopeAllowed reports whether the kind of scope of the caller's token (system,
// domain, or else project) is one the rule is meant for. It says nothing about
// the check itself; services answer 403 to either.
func (e *Engine) ScopeAllowed(rule string, s Subject) bool {
	c := e.current.Load().rules[rule]
	if c == nil {
		return false
	}
	return len(c.rule.ScopeTypes) == 0 || slices.Contains(c.rule.ScopeTypes, scopeOf(s))
}

func scopeOf(s Subject) string {
	switch {
	case hasText(s, "system_scope"):
		return "system"
	case hasText(s, "domain_id"):
		return "domain"
	}
	return "project"
}

func hasText(s Subject, name string) bool {
	if fast, ok := s.(TextSubject); ok {
		if v, known := fast.AttrText(name); known {
			return v != ""
		}
	}
	v, ok := s.Attr(name)
	return ok && v != nil && v != ""
}

// Rules returns the rules in force, defaults first, in the order of their files.
func (e *Engine) Rules() []Rule {
	t := e.current.Load()
	rules := make([]Rule, len(t.order))
	for i, name := range t.order {
		rules[i] = t.rules[name].rule
	}
	return rules
}

// Problems lists rules that refuse because a reference in them is broken.
func (e *Engine) Problems() []Problem { return slices.Clone(e.current.Load().problems) }

// link points every reference at its rule and records those it cannot: missing
// names, and names on a circle, which stay unlinked and so refuse.
func (t *table) link() {
	t.problems = nil
	state := make(map[string]linkState, len(t.order))
	for _, name := range t.order {
		t.linkRule(name, state, nil)
	}
}

type linkState uint8

const (
	linkNew linkState = iota
	linkOpen
	linkDone
)

func (t *table) linkRule(name string, state map[string]linkState, trail []string) {
	if state[name] != linkNew {
		return
	}
	state[name] = linkOpen
	trail = append(trail, name)
	for ref := range references(t.rules[name].tree) {
		to, ok := t.rules[ref.name]
		switch {
		case !ok:
			t.problems = append(t.problems, Problem{name, fmt.Sprintf("refers to rule %q, which does not exist", ref.name)})
		case state[ref.name] == linkOpen:
			circle := append(trail[slices.Index(trail, ref.name):len(trail):len(trail)], ref.name)
			t.problems = append(t.problems, Problem{name, "leads back to itself: " + strings.Join(circle, " > ")})
		default:
			t.linkRule(ref.name, state, trail)
			ref.to = to.tree
		}
	}
	state[name] = linkDone
}

// references yields every rule: leaf under n.
func references(n node) func(yield func(*ruleNode) bool) {
	return func(yield func(*ruleNode) bool) { visit(n, yield) }
}

func visit(n node, yield func(*ruleNode) bool) bool {
	switch n := n.(type) {
	case *ruleNode:
		return yield(n)
	case *notNode:
		return visit(n.kid, yield)
	case *andNode:
		return visitAll(n.kids, yield)
	case *orNode:
		return visitAll(n.kids, yield)
	}
	return true
}

func visitAll(kids []node, yield func(*ruleNode) bool) bool {
	for _, k := range kids {
		if !visit(k, yield) {
			return false
		}
	}
	return true
}
