package policy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// template is the right-hand side of a check: text with %(name)s holes that
// the target of the request fills. Nearly all have no hole or are one hole.
type template struct {
	parts []part
}

type part struct {
	hole bool
	text string   // the literal text, or the hole's name
	path []string // the name cut at its dots, when it has any
}

func parseTemplate(s string) (template, error) {
	var t template
	var lit strings.Builder
	for s != "" {
		i := strings.IndexByte(s, '%')
		if i < 0 {
			lit.WriteString(s)
			break
		}
		lit.WriteString(s[:i])
		s = s[i+1:]
		switch {
		case strings.HasPrefix(s, "%"):
			lit.WriteByte('%')
			s = s[1:]
		case strings.HasPrefix(s, "("):
			name, rest, ok := strings.Cut(s[1:], ")s")
			if !ok || name == "" {
				return template{}, errors.New(`a substitution is written %(name)s`)
			}
			t.add(&lit)
			t.parts = append(t.parts, newHole(name))
			s = rest
		default:
			return template{}, errors.New(`"%" starts a substitution %(name)s; write "%%" for the sign itself`)
		}
	}
	t.add(&lit)
	return t, nil
}

func (t *template) add(lit *strings.Builder) {
	if lit.Len() > 0 {
		t.parts = append(t.parts, part{text: lit.String()})
		lit.Reset()
	}
}

func newHole(name string) part {
	p := part{hole: true, text: name}
	if strings.Contains(name, ".") {
		p.path = strings.Split(name, ".")
	}
	return p
}

// literal returns the text of a template without holes.
func (t template) literal() (string, bool) {
	switch {
	case len(t.parts) == 0:
		return "", true
	case len(t.parts) == 1 && !t.parts[0].hole:
		return t.parts[0].text, true
	}
	return "", false
}

// single returns the value of a template that is one hole and nothing else.
func (t template) single(target Target) (v any, isSingle, found bool) {
	if len(t.parts) != 1 || !t.parts[0].hole {
		return nil, false, false
	}
	v, found = target.lookup(t.parts[0])
	return v, true, found
}

// fill renders the template; false when the target lacks one of its names.
func (t template) fill(target Target) (string, bool) {
	if lit, ok := t.literal(); ok {
		return lit, true
	}
	var b strings.Builder
	for _, p := range t.parts {
		if !p.hole {
			b.WriteString(p.text)
			continue
		}
		v, ok := target.lookup(p)
		if !ok {
			return "", false
		}
		b.WriteString(pythonString(v))
	}
	return b.String(), true
}

// lookup finds a hole's value: the name as a whole first, then its dots as a
// path into nested maps.
func (t Target) lookup(p part) (any, bool) {
	if v, ok := t[p.text]; ok {
		return resolve(v)
	}
	if p.path == nil {
		return nil, false
	}
	return walk(t[p.path[0]], p.path[1:])
}

func resolve(v any) (any, bool) {
	switch lazy := v.(type) {
	case Lazy:
		return lazy()
	case func() (any, bool):
		return lazy()
	}
	return v, true
}

func walk(v any, path []string) (any, bool) {
	for _, seg := range path {
		v, _ = resolve(v)
		var ok bool
		switch m := v.(type) {
		case map[string]any:
			v, ok = m[seg]
		case Target:
			v, ok = m[seg]
		case map[string]string:
			v, ok = m[seg]
		}
		if !ok {
			return nil, false
		}
	}
	return resolve(v)
}

// pythonString spells a value as str() does, because checks compare spellings.
func pythonString(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case string:
		return v
	case bool:
		if v {
			return "True"
		}
		return "False"
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// pythonLiteral recognises the literals that may stand left of a colon.
func pythonLiteral(s string) (string, bool) {
	switch s {
	case "True", "False", "None":
		return s, true
	}
	if len(s) >= 2 && (s[0] == '\'' || s[0] == '"') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1], true
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && strconv.FormatInt(n, 10) == s {
		return s, true
	}
	return "", false
}
