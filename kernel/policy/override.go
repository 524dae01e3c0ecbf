package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	yamlparser "github.com/goccy/go-yaml/parser"
)

// FileError is one fault of a policy.yaml.
type FileError struct {
	Line int    // from 1; 0 when the file as a whole cannot be read
	Rule string // empty when the fault is not inside a rule
	What string
}

func (e *FileError) Error() string {
	if e.Rule == "" {
		return fmt.Sprintf("policy file line %d: %s", e.Line, e.What)
	}
	return fmt.Sprintf("policy file line %d: rule %q: %s", e.Line, e.Rule, e.What)
}

// entry is one rule of the file.
type entry struct {
	name string
	line int
	tree node
	text string
}

// override lays the rules of a policy.yaml over the table and links it. All
// faults of the file come back joined, each a [FileError].
func (t *table) override(yaml []byte) error {
	entries, err := readFile(yaml)
	if err != nil {
		return err
	}
	var faults []error
	lines := make(map[string]int, len(entries))
	for _, en := range entries {
		lines[en.name] = en.line
		if !t.mayDefine(en.name, entries) {
			faults = append(faults, &FileError{en.line, en.name, "no such rule, and no rule of this file refers to it" + t.nearest(en.name)})
		}
	}
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	for _, en := range entries {
		r := Rule{Name: en.name, Check: en.text}
		if old := t.rules[en.name]; old != nil {
			r.ScopeTypes, r.Operations = old.rule.ScopeTypes, old.rule.Operations
		}
		t.put(r, en.tree)
	}
	t.link()
	for _, p := range t.problems {
		if line, ours := lines[p.Rule]; ours {
			faults = append(faults, &FileError{line, p.Rule, p.What})
		}
	}
	return errors.Join(faults...)
}

// mayDefine accepts a known rule, a helper that another rule of the file uses,
// and a finer form of a known rule ("create_network:shared" under
// "create_network"), which Neutron looks up by composing names.
func (t *table) mayDefine(name string, entries []entry) bool {
	if t.rules[name] != nil {
		return true
	}
	if i := strings.LastIndexByte(name, ':'); i > 0 && t.rules[name[:i]] != nil {
		return true
	}
	return slices.ContainsFunc(entries, func(en entry) bool {
		for ref := range references(en.tree) {
			if ref.name == name && en.name != name {
				return true
			}
		}
		return false
	})
}

// nearest suggests the known rule that shares the longest beginning with name.
func (t *table) nearest(name string) string {
	best, length := "", len(name)/2
	for _, known := range t.order {
		n := 0
		for n < len(known) && n < len(name) && known[n] == name[n] {
			n++
		}
		if n > length {
			best, length = known, n
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

func readFile(yaml []byte) ([]entry, error) {
	file, err := yamlparser.ParseBytes(yaml, 0)
	if err != nil {
		return nil, &FileError{Line: yamlErrorLine(err), What: "not valid YAML: " + firstLine(err.Error())}
	}
	var pairs []*ast.MappingValueNode
	for _, doc := range file.Docs {
		switch body := doc.Body.(type) {
		case nil, *ast.NullNode, *ast.CommentGroupNode:
		case *ast.MappingNode:
			pairs = append(pairs, body.Values...)
		default:
			return nil, &FileError{Line: body.GetToken().Position.Line, What: "a policy file is a map of rule names to checks"}
		}
	}
	return readPairs(pairs)
}

func readPairs(pairs []*ast.MappingValueNode) ([]entry, error) {
	var entries []entry
	var faults []error
	seen := map[string]int{}
	for _, pair := range pairs {
		line, name := pair.Key.GetToken().Position.Line, scalar(pair.Key)
		if first, twice := seen[name]; twice {
			faults = append(faults, &FileError{line, name, fmt.Sprintf("defined already on line %d", first)})
			continue
		}
		seen[name] = line
		text, err := checkText(pair.Value)
		if err == nil {
			var tree node
			if tree, err = parse(text); err == nil {
				entries = append(entries, entry{name, line, tree, text})
				continue
			}
		}
		faults = append(faults, &FileError{line, name, err.Error()})
	}
	return entries, errors.Join(faults...)
}

// checkText returns the check as text; the old list form, an OR of ANDs, is
// rewritten: [["role:a", "role:b"], "role:c"] is "(role:a and role:b) or role:c".
func checkText(n ast.Node) (string, error) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		switch n.(type) {
		case *ast.StringNode, *ast.LiteralNode:
			return scalar(n), nil
		case *ast.NullNode:
			return "", errors.New(`has no check: write "" to allow everyone, "!" to allow no one`)
		}
		return "", errors.New("a check is a string")
	}
	var ors []string
	for _, item := range list.Values {
		inner, ok := item.(*ast.SequenceNode)
		if !ok {
			ors = append(ors, scalar(item))
			continue
		}
		var ands []string
		for _, leaf := range inner.Values {
			ands = append(ands, scalar(leaf))
		}
		if len(ands) > 0 {
			ors = append(ors, "("+strings.Join(ands, " and ")+")")
		}
	}
	return strings.Join(ors, " or "), nil
}

func scalar(n ast.Node) string {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	}
	return n.GetToken().Value
}

// Redundant answers the rules of a policy.yaml that say what the defaults say.
func (e *Engine) Redundant(yaml []byte) []string {
	entries, err := readFile(yaml)
	if err != nil {
		return nil
	}
	checks := map[string]string{}
	for _, r := range e.defaults {
		if tree, err := parse(r.Check); err == nil {
			checks[r.Name] = tree.String()
		}
	}
	var out []string
	for _, entry := range entries {
		if check, known := checks[entry.name]; known && check == entry.tree.String() {
			out = append(out, entry.name)
		}
	}
	return out
}
