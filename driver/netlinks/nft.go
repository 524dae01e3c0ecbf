package netlinks

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Table is one nftables table, whole.
type Table struct {
	Family string
	Name   string
	Sets   []Set
	Chains []Chain
}

// Set is an nftables set, or a map when Map is true.
type Set struct {
	Name string
	Spec string // "type ipv4_addr;", all but the elements
	Map  bool
	// Whole sets hold intervals: a change replaces all elements, because the
	// kernel judges overlap one element at a time.
	Whole    bool
	Elements map[string]string // key to value; value empty in a set
}

// Chain is an nftables chain; Hook is empty for one that is only jumped to.
type Chain struct {
	Name  string
	Hook  string
	Rules []string
}

func (s Set) kind() string {
	if s.Map {
		return "map"
	}
	return "set"
}

func element(key, value string) string {
	if value == "" {
		return key
	}
	return key + " : " + value
}

func (s Set) elements() []string {
	out := make([]string, 0, len(s.Elements))
	for _, key := range slices.Sorted(maps.Keys(s.Elements)) {
		out = append(out, element(key, s.Elements[key]))
	}
	return out
}

// String is the table in nftables' language.
func (t Table) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "table %s %s {\n", t.Family, t.Name)
	for _, s := range t.Sets {
		fmt.Fprintf(&b, "  %s %s {\n    %s\n", s.kind(), s.Name, s.Spec)
		if len(s.Elements) > 0 {
			fmt.Fprintf(&b, "    elements = {\n      %s\n    }\n", strings.Join(s.elements(), ",\n      "))
		}
		b.WriteString("  }\n")
	}
	for _, c := range t.Chains {
		fmt.Fprintf(&b, "  chain %s {\n", c.Name)
		if c.Hook != "" {
			fmt.Fprintf(&b, "    %s\n", c.Hook)
		}
		for _, r := range c.Rules {
			fmt.Fprintf(&b, "    %s\n", r)
		}
		b.WriteString("  }\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// replace is the transaction that makes the table so, whatever was there. It is
// atomic: no packet sees the table missing, and connections stay known.
func (t Table) replace() string {
	return fmt.Sprintf("add table %s %s\ndelete table %s %s\n%s", t.Family, t.Name, t.Family, t.Name, t)
}

// change is the transaction that turns old into new, touching only what
// differs; empty when nothing does.
func change(old, now Table) string {
	oldSets, newSets := byName(old.Sets, setName), byName(now.Sets, setName)
	oldChains, newChains := byName(old.Chains, chainName), byName(now.Chains, chainName)
	for name, s := range newSets {
		if was, ok := oldSets[name]; ok && (was.Spec != s.Spec || was.Map != s.Map) {
			return now.replace()
		}
	}
	for name, c := range newChains {
		if was, ok := oldChains[name]; ok && was.Hook != c.Hook {
			return now.replace()
		}
	}
	w := writer{on: now.Family + " " + now.Name}
	w.declare(now, oldSets, oldChains)
	for _, s := range now.Sets {
		w.refill(oldSets[s.Name], s)
	}
	w.drop(old, newSets, newChains)
	return w.String()
}

func setName(s Set) string     { return s.Name }
func chainName(c Chain) string { return c.Name }

func byName[T any](list []T, name func(T) string) map[string]T {
	out := make(map[string]T, len(list))
	for _, v := range list {
		out[name(v)] = v
	}
	return out
}

// writer prints the commands of one transaction.
type writer struct {
	strings.Builder
	on string
}

// declare adds new sets and chains empty, then writes rules: what is referred
// to exists before what refers to it.
func (w *writer) declare(now Table, oldSets map[string]Set, oldChains map[string]Chain) {
	for _, s := range now.Sets {
		if _, ok := oldSets[s.Name]; !ok {
			fmt.Fprintf(w, "add %s %s %s { %s }\n", s.kind(), w.on, s.Name, s.Spec)
		}
	}
	for _, c := range now.Chains {
		was, ok := oldChains[c.Name]
		switch {
		case !ok && c.Hook == "":
			fmt.Fprintf(w, "add chain %s %s\n", w.on, c.Name)
		case !ok:
			fmt.Fprintf(w, "add chain %s %s { %s }\n", w.on, c.Name, c.Hook)
		case !slices.Equal(was.Rules, c.Rules):
			fmt.Fprintf(w, "flush chain %s %s\n", w.on, c.Name)
		}
	}
	for _, c := range now.Chains {
		if was, ok := oldChains[c.Name]; ok && slices.Equal(was.Rules, c.Rules) {
			continue
		}
		for _, r := range c.Rules {
			fmt.Fprintf(w, "add rule %s %s %s\n", w.on, c.Name, r)
		}
	}
}

func (w *writer) refill(old, now Set) {
	var gone, come []string
	for _, key := range slices.Sorted(maps.Keys(old.Elements)) {
		if v, ok := now.Elements[key]; !ok || v != old.Elements[key] {
			gone = append(gone, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(now.Elements)) {
		if v, ok := old.Elements[key]; !ok || v != now.Elements[key] {
			come = append(come, element(key, now.Elements[key]))
		}
	}
	if now.Whole && len(gone)+len(come) > 0 {
		fmt.Fprintf(w, "flush set %s %s\n", w.on, now.Name)
		gone, come = nil, now.elements()
	}
	if len(gone) > 0 {
		fmt.Fprintf(w, "delete element %s %s { %s }\n", w.on, now.Name, strings.Join(gone, ", "))
	}
	if len(come) > 0 {
		fmt.Fprintf(w, "add element %s %s { %s }\n", w.on, now.Name, strings.Join(come, ", "))
	}
}

func (w *writer) drop(old Table, newSets map[string]Set, newChains map[string]Chain) {
	var gone []string
	for _, c := range old.Chains {
		if _, ok := newChains[c.Name]; !ok {
			fmt.Fprintf(w, "flush chain %s %s\n", w.on, c.Name)
			gone = append(gone, c.Name)
		}
	}
	for _, name := range gone {
		fmt.Fprintf(w, "delete chain %s %s\n", w.on, name)
	}
	for _, s := range old.Sets {
		if _, ok := newSets[s.Name]; !ok {
			fmt.Fprintf(w, "delete %s %s %s\n", s.kind(), w.on, s.Name)
		}
	}
}
