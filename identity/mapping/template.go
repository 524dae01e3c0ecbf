package mapping

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// template is a text of a rule's local part: pieces of text and references to the
// values that the remote part found.
type template struct {
	text   string
	pieces []piece
}

type piece struct {
	text string
	ref  int // -1: text
}

// parseTemplate reads {0}, {1} … and {} in order; {{ and }} are braces. What else
// Python's format would do (attributes, indexes, conversions) is refused.
func parseTemplate(s string) (*template, error) {
	t := &template{text: s}
	var b strings.Builder
	next := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case (c == '{' || c == '}') && i+1 < len(s) && s[i+1] == c:
			b.WriteByte(c)
			i++
		case c == '{':
			end := strings.IndexByte(s[i:], '}')
			if end < 0 {
				return nil, fmt.Errorf("%q has a { without a }", s)
			}
			ref, err := reference(s[i+1:i+end], &next)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", s, err)
			}
			t.add(&b)
			t.pieces = append(t.pieces, piece{ref: ref})
			i += end
		case c == '}':
			return nil, fmt.Errorf("%q has a } without a {", s)
		default:
			b.WriteByte(c)
		}
	}
	t.add(&b)
	return t, nil
}

func (t *template) add(b *strings.Builder) {
	if b.Len() > 0 {
		t.pieces = append(t.pieces, piece{text: b.String(), ref: -1})
		b.Reset()
	}
}

func reference(s string, next *int) (int, error) {
	if s == "" {
		*next++
		return *next - 1, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 999 || s[0] == '+' {
		return 0, errors.New("only {0}, {1} … may stand between braces")
	}
	return n, nil
}

// found are the values of each requirement that yields some.
type found [][]string

var errNoMatch = &Refused{"a local rule refers to a remote match that does not exist"}

// list gives the values that a template stands for: those of a lone reference as
// they are, one for each, and otherwise a single text.
func (t *template) list(f found) ([]string, error) {
	if len(t.pieces) == 1 && t.pieces[0].ref >= 0 {
		if t.pieces[0].ref >= len(f) {
			return nil, errNoMatch
		}
		return f[t.pieces[0].ref], nil
	}
	s, err := t.one(f)
	if err != nil || s == "" {
		return nil, err
	}
	if !strings.Contains(t.text, "{") { // the operator's own text may be a list
		if values, ok := literalList(s); ok {
			return values, nil
		}
	}
	return []string{s}, nil
}

// one gives the single text that a template stands for; nil and a match without
// values give none, several values are refused.
func (t *template) one(f found) (string, error) {
	if t == nil {
		return "", nil
	}
	var b strings.Builder
	for _, p := range t.pieces {
		if p.ref < 0 {
			b.WriteString(p.text)
			continue
		}
		if p.ref >= len(f) {
			return "", errNoMatch
		}
		switch values := f[p.ref]; len(values) {
		case 0:
		case 1:
			b.WriteString(values[0])
		default:
			return "", &Refused{fmt.Sprintf("%q needs one value and the assertion has %d", t.text, len(values))}
		}
	}
	return b.String(), nil
}

// literalList reads an operator's ['a', "b"], as rules of Python's day have it.
func literalList(s string) ([]string, bool) {
	inner, ok := strings.CutPrefix(strings.TrimSpace(s), "[")
	if !ok {
		return nil, false
	}
	inner, ok = strings.CutSuffix(inner, "]")
	if !ok {
		return nil, false
	}
	var out []string
	for rest := strings.TrimSpace(inner); rest != ""; {
		quote := rest[0]
		if quote != '\'' && quote != '"' {
			return nil, false
		}
		end := strings.IndexByte(rest[1:], quote)
		if end < 0 {
			return nil, false
		}
		out = append(out, rest[1:1+end])
		rest = strings.TrimSpace(rest[end+2:])
		if rest == "" {
			break
		}
		if rest[0] != ',' {
			return nil, false
		}
		rest = strings.TrimSpace(rest[1:])
	}
	return out, true
}
