package identity

import (
	"fmt"
	"regexp"
	"strings"
)

// pattern is a regular expression as Keystone's operators write them for
// passwords: some conditions (?=…) and (?!…) at the start, then the rest. Each is
// matched by itself, in time linear in the password, which an engine that goes
// back cannot promise; hence other look-arounds and back references are refused
// when the configuration is read.
type pattern struct {
	conditions []condition
	rest       *regexp.Regexp
}

type condition struct {
	must bool
	re   *regexp.Regexp
}

func parsePattern(text string) (p pattern, err error) {
	rest := strings.TrimPrefix(text, "^")
	for strings.HasPrefix(rest, "(?=") || strings.HasPrefix(rest, "(?!") {
		end := closing(rest)
		if end < 0 {
			return p, fmt.Errorf("%q: a condition without its end", text)
		}
		re, err := regexp.Compile("^(?:" + rest[3:end] + ")")
		if err != nil {
			return p, fmt.Errorf("%q: %w", text, err)
		}
		p.conditions = append(p.conditions, condition{rest[2] == '=', re})
		rest = rest[end+1:]
	}
	if p.rest, err = regexp.Compile("^(?:" + rest + ")"); err != nil {
		return p, fmt.Errorf("%q: %w; conditions (?=…) and (?!…) may stand at the start only", text, err)
	}
	return p, nil
}

// closing finds the parenthesis that ends the group at the start.
func closing(s string) int {
	depth, class := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case class:
			class = c != ']'
		case c == '[':
			class = true
			if i+1 < len(s) && s[i+1] == '^' {
				i++
			}
			if i+1 < len(s) && s[i+1] == ']' {
				i++ // stands for itself
			}
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

func (p pattern) matches(s string) bool {
	for _, c := range p.conditions {
		if c.re.MatchString(s) != c.must {
			return false
		}
	}
	return p.rest.MatchString(s)
}
