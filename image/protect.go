package image

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"altostack/kernel/auth"
)

// The things that can be done to a property.
const (
	CreateProperty = "create"
	ReadProperty   = "read"
	UpdateProperty = "update"
	DeleteProperty = "delete"
)

// Protections say who may do what to which properties of images. The first
// pattern that a property's name matches decides; what none matches nobody may
// do, as a file of protections is meant to be complete. A nil one protects
// nothing.
//
// Source: Glance's property-protections.conf, in its forms by roles and by
// policies.
type Protections struct{ rules []protection }

type protection struct {
	pattern *regexp.Regexp
	who     map[string][]string // by what is done
	rules   bool                // who are names of policy rules, not of roles
}

// ReadProtections reads a file of protections; format is roles or policies.
func ReadProtections(r io.Reader, format string) (*Protections, error) {
	p, lines := &Protections{}, bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if err := p.line(line, format == "policies"); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	for _, one := range p.rules {
		for _, what := range []string{CreateProperty, ReadProperty, UpdateProperty, DeleteProperty} {
			if _, said := one.who[what]; !said {
				return nil, fmt.Errorf("[%s] does not say who may %s", one.pattern, what)
			}
		}
	}
	return p, nil
}

func (p *Protections) line(line string, policies bool) error {
	if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
		pattern, err := regexp.Compile(line[1 : len(line)-1])
		if err != nil {
			return err
		}
		p.rules = append(p.rules, protection{pattern, map[string][]string{}, policies})
		return nil
	}
	what, who, ok := strings.Cut(line, "=")
	if !ok {
		what, who, ok = strings.Cut(line, ":")
	}
	what = strings.ToLower(strings.TrimSpace(what))
	if !ok || len(p.rules) == 0 || !slices.Contains([]string{CreateProperty, ReadProperty, UpdateProperty, DeleteProperty}, what) {
		return fmt.Errorf("%q is neither [PATTERN] nor create, read, update or delete = WHO", line)
	}
	if !policies {
		who = strings.ToLower(who)
	}
	list := strings.FieldsFunc(who, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
	switch {
	case policies && len(list) > 1:
		return fmt.Errorf("%s names several policies; combine them in the policy file", what)
	case slices.Contains(list, "@") && slices.Contains(list, "!"):
		return fmt.Errorf("%s cannot be for everybody (@) and for nobody (!)", what)
	}
	p.rules[len(p.rules)-1].who[what] = list
	return nil
}

// Allow reports whether the caller may do something to a property. What the
// service itself keeps as properties is not for anybody to protect.
func (p *Protections) Allow(scope auth.Scope, property, what string) bool {
	if p == nil || strings.HasPrefix(property, "os_glance") {
		return true
	}
	for _, one := range p.rules {
		if !one.pattern.MatchString(property) {
			continue
		}
		who := one.who[what]
		switch {
		case slices.Contains(who, "!") || len(who) == 0:
			return false
		case slices.Contains(who, "@"):
			return true
		case one.rules:
			return scope.May(who[0], auth.Target{})
		}
		return slices.ContainsFunc(who, scope.HasRole)
	}
	return false
}
