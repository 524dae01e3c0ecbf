package policy

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// maxDepth bounds brackets and "not" chains: a policy file is an operator's,
// but it must not be able to exhaust the stack either.
const maxDepth = 200

// parse turns a check string into its tree; "" is the check that always allows.
// "and" binds tighter than "or", "not" tighter than both.
func parse(text string) (node, error) {
	p := parser{tokens: lex(text)}
	if p.peek().kind == tokenEnd {
		return constant(true), nil
	}
	n, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokenEnd {
		return nil, fmt.Errorf("unexpected %s at word %d: put \"and\" or \"or\" between checks", t, t.at)
	}
	return n, nil
}

type parser struct {
	tokens []token
	next   int
}

func (p *parser) peek() token { return p.tokens[p.next] }

func (p *parser) take() token {
	t := p.tokens[p.next]
	if t.kind != tokenEnd {
		p.next++
	}
	return t
}

func (p *parser) or(depth int) (node, error) {
	return p.chain(depth, tokenOr, p.and, func(kids []node) node { return &orNode{kids} })
}

func (p *parser) and(depth int) (node, error) {
	return p.chain(depth, tokenAnd, p.unary, func(kids []node) node { return &andNode{kids} })
}

func (p *parser) chain(depth int, sep tokenKind, part func(int) (node, error), join func([]node) node) (node, error) {
	first, err := part(depth)
	if err != nil {
		return nil, err
	}
	kids := []node{first}
	for p.peek().kind == sep {
		p.take()
		kid, err := part(depth)
		if err != nil {
			return nil, err
		}
		kids = append(kids, kid)
	}
	if len(kids) == 1 {
		return first, nil
	}
	return join(kids), nil
}

func (p *parser) unary(depth int) (node, error) {
	if depth > maxDepth {
		return nil, errors.New("nested too deeply")
	}
	t := p.take()
	switch t.kind {
	case tokenNot:
		kid, err := p.unary(depth + 1)
		if err != nil {
			return nil, err
		}
		return &notNode{kid}, nil
	case tokenOpen:
		kid, err := p.or(depth + 1)
		if err != nil {
			return nil, err
		}
		if c := p.take(); c.kind != tokenClose {
			return nil, fmt.Errorf("expected \")\" at word %d, found %s", c.at, c)
		}
		return kid, nil
	case tokenCheck:
		n, err := parseLeaf(t.text)
		if err != nil {
			return nil, fmt.Errorf("%w (word %d)", err, t.at)
		}
		return n, nil
	}
	return nil, fmt.Errorf("expected a check at word %d, found %s", t.at, t)
}

// parseLeaf reads one "kind:match" word, "@" or "!".
func parseLeaf(text string) (node, error) {
	switch text {
	case "@":
		return constant(true), nil
	case "!":
		return constant(false), nil
	}
	kind, match, found := strings.Cut(text, ":")
	if !found {
		return nil, fmt.Errorf("%q is not a check: write kind:match, \"@\" or \"!\"", text)
	}
	switch kind {
	case "":
		return nil, fmt.Errorf("%q has nothing before its colon", text)
	case "rule":
		return parseRule(text, match)
	case "role":
		return parseRole(text, match)
	case "field":
		return parseField(text, match)
	case "http", "https":
		return nil, fmt.Errorf("%q asks a remote server: remote checks are not supported, express the rule with roles", text)
	}
	return parseGeneric(text, kind, match)
}

func parseRule(text, match string) (node, error) {
	if match == "" {
		return nil, fmt.Errorf("%q names no rule", text)
	}
	return &ruleNode{name: match}, nil
}

func parseRole(text, match string) (node, error) {
	tpl, err := parseTemplate(match)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	if lit, ok := tpl.literal(); ok {
		if lit == "" {
			return nil, fmt.Errorf("%q names no role", text)
		}
		return &roleNode{text: text, role: strings.ToLower(lit)}, nil
	}
	return &roleNode{text: text, dynamic: tpl}, nil
}

// parseField reads Neutron's "field:resource:name=value" and, with a leading
// "~", its regular expression form. The name may hold colons itself.
func parseField(text, match string) (node, error) {
	resource, rest, ok := strings.Cut(match, ":")
	name, value, ok2 := strings.Cut(rest, "=")
	if !ok || !ok2 || resource == "" || name == "" {
		return nil, fmt.Errorf("%q: write field:resource:attribute=value", text)
	}
	n := &fieldNode{text: text, name: name, value: value}
	if expr, isRegexp := strings.CutPrefix(value, "~"); isRegexp {
		re, err := regexp.Compile("^(?:" + expr + ")")
		if err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		n.pattern = re
	}
	return n, nil
}

func parseGeneric(text, kind, match string) (node, error) {
	tpl, err := parseTemplate(match)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	if lit, ok := pythonLiteral(kind); ok {
		return &literalNode{text: text, value: lit, match: tpl}, nil
	}
	if !isAttribute(kind) {
		return nil, fmt.Errorf("%q: %q is neither a kind of check nor the name of a credential", text, kind)
	}
	return &attrNode{text: text, name: kind, path: strings.Split(kind, "."), match: tpl}, nil
}

// isAttribute reports whether kind can be the dotted path of a credential.
func isAttribute(kind string) bool {
	for _, seg := range strings.Split(kind, ".") {
		if seg == "" {
			return false
		}
		for _, r := range seg {
			letter := r == '_' || r == '-' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
			if !letter {
				return false
			}
		}
	}
	return true
}
