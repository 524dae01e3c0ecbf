package mapping

import (
	"encoding/json"
	"slices"
	"strings"
)

// Apply answers whom an assertion is about. The rules that fit are all taken, in
// order; the first that names a user does so for good. An error is a *Refused.
func (m *Mapping) Apply(a Assertion) (Identity, error) {
	out := Identity{Sync: m.Version == Version3}
	w := work{mapping: m, out: &out}
	for _, r := range m.rules {
		f, fits := r.match(a)
		if !fits {
			continue
		}
		for i := range r.local {
			if err := w.take(&r.local[i], f); err != nil {
				return Identity{}, err
			}
		}
	}
	if !w.any {
		return Identity{}, &Refused{"could not map any federated user properties to identity values"}
	}
	if out.User.Type == "" {
		out.User.Type = Ephemeral
	}
	if m.Version != Version1 && out.User.Domain == (Domain{}) {
		out.User.Domain = w.domain
	}
	return out, nil
}

// work gathers what the local parts of the fitting rules yield.
type work struct {
	mapping *Mapping
	out     *Identity
	domain  Domain // of the last local part that has one
	any     bool   // something fitted
	user    bool   // a user was named
}

func (r rule) match(a Assertion) (found, bool) {
	f := found{}
	for _, q := range r.remote {
		values := a[q.attribute]
		if len(values) == 0 {
			return nil, false
		}
		hits := slices.ContainsFunc(values, q.hit)
		switch q.filter {
		case "any_one_of":
			if !hits {
				return nil, false
			}
		case "not_any_of":
			if hits {
				return nil, false
			}
		case "blacklist":
			f = append(f, slices.DeleteFunc(slices.Clone(values), q.hit))
		case "whitelist":
			f = append(f, slices.DeleteFunc(slices.Clone(values), func(v string) bool { return !q.hit(v) }))
		default:
			f = append(f, values)
		}
	}
	return f, true
}

func (q requirement) hit(value string) bool {
	for _, p := range q.patterns {
		if p.MatchString(value) {
			return true
		}
	}
	return slices.Contains(q.values, value)
}

func (w *work) take(l *local, f found) error {
	w.any = true
	domain, err := l.domain.resolve(f)
	if err != nil {
		return err
	}
	if domain != (Domain{}) {
		w.domain = domain
	}
	if l.user != nil && !w.user {
		w.user = true
		if w.out.User, err = l.user.resolve(f); err != nil {
			return err
		}
		if w.mapping.Version != Version1 && w.out.User.Domain == (Domain{}) {
			w.out.User.Domain = domain
		}
	}
	if err := w.takeGroups(l, f, domain); err != nil {
		return err
	}
	return w.takeProjects(l, f, domain)
}

func (u *localUser) resolve(f found) (User, error) {
	out := User{Type: u.kind}
	var err error
	if out.ID, err = u.id.one(f); err != nil {
		return out, err
	}
	if out.Name, err = u.name.one(f); err != nil {
		return out, err
	}
	if out.Email, err = u.email.one(f); err != nil {
		return out, err
	}
	out.Domain, err = u.domain.resolve(f)
	return out, err
}

func (d localDomain) resolve(f found) (Domain, error) {
	id, err := d.id.one(f)
	if err != nil {
		return Domain{}, err
	}
	name, err := d.name.one(f)
	if err == nil && id == "" && name == "" && (d.id != nil || d.name != nil) {
		err = &Refused{"a domain of a rule came out empty"}
	}
	return Domain{ID: id, Name: name}, err
}

func (w *work) takeGroups(l *local, f found, domain Domain) error {
	if g := l.group; g != nil {
		if err := w.takeGroup(g, f); err != nil {
			return err
		}
	}
	if l.groupIDs != nil {
		ids, err := l.groupIDs.list(f)
		if err != nil {
			return err
		}
		for _, id := range ids {
			w.addGroupID(id)
		}
	}
	if l.groups == nil {
		return nil
	}
	names, err := l.groups.list(f)
	if err != nil {
		return err
	}
	for _, name := range names {
		g := Group{Name: name, Domain: domain}
		if domain == (Domain{}) { // the rule leaves the domain to the assertion
			if g, err = groupOfJSON(name); err != nil {
				return err
			}
		}
		w.addGroup(g)
	}
	return nil
}

func (w *work) takeGroup(g *localGroup, f found) error {
	if g.id != nil {
		id, err := g.id.one(f)
		if err == nil && id != "" {
			w.addGroupID(id)
		}
		return err
	}
	name, err := g.name.one(f)
	if err != nil || name == "" {
		return err
	}
	domain, err := g.domain.resolve(f)
	if err != nil {
		return err
	}
	w.addGroup(Group{Name: name, Domain: domain})
	return nil
}

func (w *work) addGroupID(id string) {
	if id != "" && !slices.Contains(w.out.GroupIDs, id) {
		w.out.GroupIDs = append(w.out.GroupIDs, id)
	}
}

func (w *work) addGroup(g Group) {
	if !slices.Contains(w.out.Groups, g) {
		w.out.Groups = append(w.out.Groups, g)
	}
}

type jsonDomain struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// groupOfJSON reads JSON:{"name": …, "domain": {…}}, the form for groups whose
// domain the identity provider knows.
func groupOfJSON(s string) (Group, error) {
	refused := &Refused{"a rule with groups needs a domain, or groups that are asserted as JSON with one"}
	text, ok := strings.CutPrefix(s, "JSON:")
	if !ok {
		return Group{}, refused
	}
	var g struct {
		Name   string     `json:"name"`
		Domain jsonDomain `json:"domain"`
	}
	if err := json.Unmarshal([]byte(text), &g); err != nil || g.Name == "" || g.Domain == (jsonDomain{}) {
		return Group{}, refused
	}
	return Group{Name: g.Name, Domain: Domain(g.Domain)}, nil
}

// takeProjects lets a later part replace an earlier one's projects.
func (w *work) takeProjects(l *local, f found, domain Domain) error {
	if l.projects == nil && l.dynamic == nil {
		return nil
	}
	var out []Project
	for _, p := range l.projects {
		v, err := p.resolve(f)
		if err != nil {
			return err
		}
		out = append(out, v)
	}
	if l.dynamic != nil {
		more, err := projectsOfJSON(l.dynamic, f)
		if err != nil {
			return err
		}
		out = append(out, more...)
	}
	for i := range out {
		if w.mapping.Version != Version1 && out[i].Domain == (Domain{}) {
			out[i].Domain = domain
		}
	}
	w.out.Projects = out
	return nil
}

func (p localProject) resolve(f found) (Project, error) {
	var out Project
	var err error
	if out.Name, err = p.name.one(f); err != nil {
		return out, err
	}
	if out.Name == "" {
		return out, &Refused{"a project of a rule has no name"}
	}
	for _, r := range p.roles {
		role, err := r.one(f)
		if err != nil {
			return out, err
		}
		out.Roles = append(out.Roles, role)
	}
	out.Domain, err = p.domain.resolve(f)
	return out, err
}

// projectsOfJSON reads the projects that a claim of JSON names. The value is one
// list, or one project for each value.
func projectsOfJSON(t *template, f found) ([]Project, error) {
	values, err := t.list(f)
	if err != nil {
		return nil, err
	}
	var out []Project
	for _, v := range values {
		if !strings.HasPrefix(strings.TrimSpace(v), "[") {
			v = "[" + v + "]"
		}
		var list []struct {
			Name   string     `json:"name"`
			Domain jsonDomain `json:"domain"`
			Roles  []struct {
				Name string `json:"name"`
			} `json:"roles"`
		}
		d := json.NewDecoder(strings.NewReader(v))
		d.DisallowUnknownFields()
		if err := d.Decode(&list); err != nil {
			return nil, &Refused{"projects_json does not hold projects with roles"}
		}
		for _, e := range list {
			p := Project{Name: e.Name, Domain: Domain(e.Domain)}
			for _, r := range e.Roles {
				p.Roles = append(p.Roles, r.Name)
			}
			if p.Name == "" || e.Roles == nil || slices.Contains(p.Roles, "") {
				return nil, &Refused{"projects_json does not hold projects with roles"}
			}
			out = append(out, p)
		}
	}
	return out, nil
}
