package policy

import (
	"slices"
	"strings"
)

// Explanation says why a rule answered as it did, for operators; it names
// rules and checks only, never the values compared.
type Explanation struct {
	Rule    string
	Allowed bool
	Found   bool // false: there is no such rule, hence the refusal
	// Deciding are the checks that made the answer: those that allowed, or all
	// that would each have had to answer otherwise.
	Deciding []Leaf
}

// Leaf is one check and the way of rule names that leads to it.
type Leaf struct {
	Check string
	Via   []string
}

func (e Explanation) String() string {
	if !e.Found {
		return "refused: there is no rule " + e.Rule
	}
	verdict := "refused by "
	if e.Allowed {
		verdict = "allowed by "
	}
	texts := make([]string, len(e.Deciding))
	for i, l := range e.Deciding {
		texts[i] = l.Check + " (" + strings.Join(l.Via, " > ") + ")"
	}
	return e.Rule + " " + verdict + strings.Join(texts, ", ")
}

// Explain answers as [Engine.Allows] does and says why.
func (e *Engine) Explain(rule string, s Subject, t Target) Explanation {
	x := Explanation{Rule: rule}
	c := e.current.Load().rules[rule]
	if c == nil {
		return x
	}
	x.Found = true
	x.Allowed, x.Deciding = explain(c.tree, s, t, []string{rule})
	return x
}

func explain(n node, s Subject, t Target, via []string) (bool, []Leaf) {
	switch n := n.(type) {
	case *ruleNode:
		if n.to != nil {
			return explain(n.to, s, t, append(slices.Clip(via), n.name))
		}
	case *notNode:
		allowed, leaves := explain(n.kid, s, t, via)
		return !allowed, leaves
	case *andNode:
		return explainChain(n.kids, false, s, t, via)
	case *orNode:
		return explainChain(n.kids, true, s, t, via)
	}
	return n.eval(s, t), []Leaf{{n.String(), via}}
}

// explainChain walks the members of an "or" (stop is true) or an "and" (stop is
// false): the first member that answers stop decides alone, otherwise all do.
func explainChain(kids []node, stop bool, s Subject, t Target, via []string) (bool, []Leaf) {
	var all []Leaf
	for _, k := range kids {
		allowed, leaves := explain(k, s, t, via)
		if allowed == stop {
			return stop, leaves
		}
		all = append(all, leaves...)
	}
	return !stop, all
}
