package mapping

import (
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"

	"altostack/kernel/schema"
)

// Invalid says everything that is wrong with a set of rules, a line each, in the
// words of the validator that Keystone uses.
type Invalid struct{ Reasons []string }

func (v *Invalid) Error() string { return strings.Join(v.Reasons, "\n") }

// Parse reads the rules of a mapping as decoded JSON. What could never apply is
// refused here rather than at a user's login: a pattern that does not compile, a
// brace out of place. An error is an *Invalid.
func Parse(version string, rules any) (*Mapping, error) {
	p := parser{version: version}
	m := &Mapping{Version: version}
	if !slices.Contains([]string{Version1, Version2, Version3}, version) {
		p.say("%s is not one of ['1.0', '2.0', '3.0']", schema.Repr(version))
	}
	list, ok := p.list(rules)
	if ok && len(list) == 0 {
		p.say("[] should be non-empty")
	}
	for _, r := range list {
		m.rules = append(m.rules, p.rule(r))
	}
	if len(p.reasons) > 0 {
		sort.Strings(p.reasons)
		return nil, &Invalid{slices.Compact(p.reasons)}
	}
	return m, nil
}

// parser gathers reasons; what it returns counts only if there are none.
type parser struct {
	version string
	reasons []string
}

func (p *parser) say(format string, args ...any) {
	p.reasons = append(p.reasons, fmt.Sprintf(format, args...))
}

func (p *parser) list(v any) ([]any, bool) {
	list, ok := v.([]any)
	if !ok {
		p.say("%s is not of type 'array'", schema.Repr(v))
	}
	return list, ok
}

func (p *parser) text(v any) (string, bool) {
	s, ok := v.(string)
	if !ok {
		p.say("%s is not of type 'string'", schema.Repr(v))
	}
	return s, ok
}

// object checks an object's members; required ones come first in names.
func (p *parser) object(v any, required int, names ...string) map[string]any {
	o, ok := v.(map[string]any)
	if !ok {
		p.say("%s is not of type 'object'", schema.Repr(v))
		return nil
	}
	for _, name := range names[:required] {
		if _, has := o[name]; !has {
			p.say("%s is a required property", schema.Repr(name))
		}
	}
	var extra []string
	for name := range o {
		if !slices.Contains(names, name) {
			extra = append(extra, schema.Repr(name))
		}
	}
	if sort.Strings(extra); len(extra) == 1 {
		p.say("Additional properties are not allowed (%s was unexpected)", extra[0])
	} else if len(extra) > 1 {
		p.say("Additional properties are not allowed (%s were unexpected)", strings.Join(extra, ", "))
	}
	return o
}

func (p *parser) template(o map[string]any, name string) *template {
	v, has := o[name]
	if !has {
		return nil
	}
	s, ok := p.text(v)
	if !ok {
		return nil
	}
	t, err := parseTemplate(s)
	if err != nil {
		p.say("%s", err)
	}
	return t
}

func (p *parser) rule(v any) rule {
	o := p.object(v, 2, "local", "remote")
	var r rule
	if v, has := o["remote"]; has {
		list, ok := p.list(v)
		if ok && len(list) == 0 {
			p.say("[] should be non-empty")
		}
		for _, e := range list {
			r.remote = append(r.remote, p.requirement(e))
		}
	}
	if v, has := o["local"]; has {
		list, _ := p.list(v)
		for _, e := range list {
			r.local = append(r.local, p.local(e))
		}
	}
	return r
}

var filters = []string{"any_one_of", "not_any_of", "blacklist", "whitelist"}

// requirement takes one of five forms: a type alone, or with exactly one filter.
func (p *parser) requirement(v any) requirement {
	o, _ := v.(map[string]any)
	name, ok := o["type"].(string)
	var q requirement
	q.attribute = name
	for member, value := range o {
		switch {
		case member == "type":
		case member == "regex":
			_, isFlag := value.(bool)
			ok = ok && isFlag
		case slices.Contains(filters, member):
			_, isList := value.([]any)
			ok = ok && isList && q.filter == ""
			q.filter = member
		default:
			ok = false
		}
	}
	if _, regex := o["regex"]; regex && q.filter == "" {
		ok = false
	}
	if !ok {
		p.say("%s is not valid under any of the given schemas", schema.Repr(v))
		return q
	}
	regex, _ := o["regex"].(bool)
	values, _ := o[q.filter].([]any)
	for _, e := range values {
		p.filterValue(&q, e, regex)
	}
	return q
}

// filterValue takes a value to compare with. One that is no text equals none.
func (p *parser) filterValue(q *requirement, v any, regex bool) {
	s, isText := v.(string)
	switch {
	case !regex && isText:
		q.values = append(q.values, s)
	case regex && !isText:
		p.say("%s is not of type 'string'", schema.Repr(v))
	case regex:
		re, err := regexp.Compile(s)
		if err != nil {
			p.say("%s is not a pattern that can be used here: %v", schema.Repr(s), err)
		}
		q.patterns = append(q.patterns, re)
	}
}

func (p *parser) local(v any) local {
	names := []string{"user", "projects", "group", "groups", "group_ids", "domain"}
	if p.version == Version3 {
		names = append(names, "projects_json")
	}
	o := p.object(v, 0, names...)
	l := local{groups: p.template(o, "groups"), groupIDs: p.template(o, "group_ids"), dynamic: p.template(o, "projects_json"), domain: p.domain(o)}
	if v, has := o["user"]; has {
		l.user = p.user(v)
	}
	if v, has := o["group"]; has {
		l.group = p.group(v)
	}
	if v, has := o["projects"]; has {
		list, _ := p.list(v)
		l.projects = []localProject{}
		for _, e := range list {
			l.projects = append(l.projects, p.project(e))
		}
	}
	return l
}

func (p *parser) domain(o map[string]any) localDomain {
	v, has := o["domain"]
	if !has {
		return localDomain{}
	}
	d := p.object(v, 0, "id", "name")
	return localDomain{id: p.template(d, "id"), name: p.template(d, "name")}
}

func (p *parser) user(v any) *localUser {
	o := p.object(v, 0, "id", "name", "email", "domain", "type")
	u := &localUser{id: p.template(o, "id"), name: p.template(o, "name"), email: p.template(o, "email"), domain: p.domain(o)}
	if v, has := o["type"]; has {
		kind, ok := p.text(v)
		if ok && kind != Ephemeral && kind != Local {
			p.say("%s is not one of ['ephemeral', 'local']", schema.Repr(kind))
		}
		u.kind = kind
	}
	return u
}

// group is named by its id, or by its name and domain.
func (p *parser) group(v any) *localGroup {
	o, isObject := v.(map[string]any)
	_, hasID := o["id"]
	_, hasName := o["name"]
	_, hasDomain := o["domain"]
	switch {
	case !isObject:
		p.say("%s is not of type 'object'", schema.Repr(v))
	case hasID && len(o) == 1, hasName && hasDomain && len(o) == 2:
		return &localGroup{id: p.template(o, "id"), name: p.template(o, "name"), domain: p.domain(o)}
	default:
		p.say("%s is not valid under any of the given schemas", schema.Repr(v))
	}
	return nil
}

func (p *parser) project(v any) localProject {
	names := []string{"name", "roles"}
	if p.version != Version1 {
		names = append(names, "domain")
	}
	o := p.object(v, 2, names...)
	out := localProject{name: p.template(o, "name"), domain: p.domain(o)}
	if v, has := o["roles"]; has {
		list, _ := p.list(v)
		for _, e := range list {
			out.roles = append(out.roles, p.template(p.object(e, 1, "name"), "name"))
		}
	}
	return out
}
