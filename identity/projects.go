package identity

import (
	"context"
	"slices"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// maxDepth is how many projects may stand above each other, their domain not
// counted.
const maxDepth = 5

func (s *Service) maxDepth() int {
	if s.cfg.LimitModel == ModelStrictTwoLevel {
		return 2
	}
	return maxDepth
}

func (s *Service) projects() kind[Project] {
	return kind[Project]{"project", s.tables.Projects, func(p Project) auth.Target {
		t := auth.Target{"target.project.id": p.ID}
		if p.DomainID != "" {
			t["target.project.domain_id"] = p.DomainID
		}
		return t
	}}
}

func (s *Service) domains() kind[Project] {
	return kind[Project]{"domain", onlyDomains{s.tables.Projects}, func(p Project) auth.Target {
		return auth.Target{"target.domain.id": p.ID}
	}}
}

// onlyDomains hides ordinary projects from calls about domains.
type onlyDomains struct{ Table[Project] }

func (t onlyDomains) Get(ctx context.Context, r db.Reader, id string) (Project, bool, error) {
	p, found, err := t.Table.Get(ctx, r, id)
	return p, found && p.IsDomain, err
}

// Project answers one project.
func (s *Service) Project(ctx context.Context, scope auth.Scope, id string) (Project, error) {
	return s.projects().get(ctx, s.db, scope, id)
}

// Projects lists projects; without a condition on is_domain, those that are no
// domains.
func (s *Service) Projects(ctx context.Context, scope auth.Scope, l List) ([]Project, bool, error) {
	if !slices.ContainsFunc(l.Match, func(m Match) bool { return m.Column == "is_domain" }) {
		l.Match = append(l.Match, Is("is_domain", false))
	}
	d := ownDomain(scope, &l)
	return s.projects().page(ctx, s.db, scope, l, auth.Target{"target.domain_id": d})
}

// Tagged answers the ids of the projects that have all (or any) of the tags.
func (s *Service) Tagged(ctx context.Context, tags []string, all bool) ([]string, error) {
	return s.store.Tagged(ctx, s.db, tags, all)
}

// Domain answers one domain.
func (s *Service) Domain(ctx context.Context, scope auth.Scope, id string) (Project, error) {
	return s.domains().get(ctx, s.db, scope, id)
}

// Domains lists domains; a domain's token sees its own.
func (s *Service) Domains(ctx context.Context, scope auth.Scope, l List) ([]Project, bool, error) {
	l.Match = append(l.Match, Is("is_domain", true))
	target := auth.Target{}
	if scope.DomainID != "" {
		l.Match = append(l.Match, Is("id", scope.DomainID))
		target["target.domain.id"] = scope.DomainID
	}
	return s.domains().page(ctx, s.db, scope, l, target)
}

func (p *Project) apply(a Attrs) {
	a.text("name", &p.Name)
	a.text("description", &p.Description)
	a.flag("enabled", &p.Enabled)
	a.texts("tags", &p.Tags)
	a.options(&p.Options)
	a.rest(&p.Extra)
}

// CreateDomain makes a domain.
func (s *Service) CreateDomain(ctx context.Context, scope auth.Scope, a Attrs) (Project, error) {
	if err := scope.Check(scope.Rule, nil); err != nil {
		return Project{}, err
	}
	return s.createDomain(ctx, a)
}

func (s *Service) createDomain(ctx context.Context, a Attrs) (Project, error) {
	d := Project{ID: s.ids.Hex(), IsDomain: true, Enabled: true}
	if explicit, _ := a["explicit_domain_id"].(string); explicit != "" {
		d.ID = explicit
	}
	delete(a, "explicit_domain_id")
	delete(a, "is_domain")
	delete(a, "domain_id")
	delete(a, "parent_id")
	d.apply(a)
	err := s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		if _, taken, err := s.tables.Projects.Get(ctx, tx, d.ID); err != nil || taken {
			return cmpErr(err, fault.New(fault.CodeIdentityDuplicate, "Conflict occurred attempting to store domain - Duplicate ID, %s.", d.ID))
		}
		return s.domains().insert(ctx, tx, d, "name "+d.Name)
	})
	return d, err
}

// cmpErr is the first that is not nil.
func cmpErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// CreateProject makes a project below its domain or another project.
func (s *Service) CreateProject(ctx context.Context, scope auth.Scope, a Attrs) (Project, error) {
	p := Project{ID: s.ids.Hex(), Enabled: true}
	a.flag("is_domain", &p.IsDomain)
	a.text("parent_id", &p.ParentID)
	domain, _ := a["domain_id"].(string)
	if domain == "" && p.ParentID != "" && !p.IsDomain {
		parent, found, err := s.tables.Projects.Get(ctx, s.db, p.ParentID)
		if err != nil {
			return p, err
		}
		if found {
			if domain = parent.DomainID; parent.IsDomain {
				domain = parent.ID
			}
			a["domain_id"] = domain
		}
	}
	if p.IsDomain {
		if err := scope.Check(scope.Rule, nil); err != nil {
			return p, err
		}
		if p.ParentID != "" || domain != "" {
			return p, invalid("parent_id", "only root projects are allowed to act as domains.")
		}
		return s.createDomain(ctx, a)
	}
	var err error
	if p.DomainID, err = s.homeDomain(ctx, scope, a); err != nil {
		return p, err
	}
	if err := scope.Check(scope.Rule, s.projects().target(p)); err != nil {
		return p, err
	}
	if p.ParentID == "" {
		p.ParentID = p.DomainID
	}
	p.apply(a)
	err = s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		if err := s.checkPlace(ctx, tx, p); err != nil {
			return namedInBody(err)
		}
		return s.projects().insert(ctx, tx, p, "name "+p.Name+" at domain ID "+p.DomainID)
	})
	return p, err
}

// namedInBody turns the absence of what a body names into a bad request.
func namedInBody(err error) error {
	if fault.Has(err, fault.CodeIdentityNotFound) {
		return fault.Because(err, fault.CodeIdentityInvalid, "%s", err.Error())
	}
	return err
}

// checkPlace looks at where in the tree a new project goes.
func (s *Service) checkPlace(ctx context.Context, r db.Reader, p Project) error {
	if err := s.needDomain(ctx, r, p.DomainID); err != nil {
		return err
	}
	line, err := s.store.Ancestors(ctx, r, p.ParentID)
	if err != nil {
		return err
	}
	if len(line) == 0 {
		return notFound("project", p.ParentID)
	}
	if root := line[len(line)-1].ID; root != p.DomainID {
		return invalid("parent_id", "Cannot create project, the parent (%s) is in another domain than %s.", p.ParentID, p.DomainID)
	}
	if len(line) > s.maxDepth() { // the domain is in the line
		return forbidden("Max hierarchy depth reached for %s branch.", p.ParentID)
	}
	for _, above := range line {
		if !above.Enabled {
			return forbidden("Cannot create a project in a branch containing a disabled project: %s", above.ID)
		}
	}
	return nil
}

// UpdateProject changes a project. Disabling it kills its tokens.
func (s *Service) UpdateProject(ctx context.Context, scope auth.Scope, id string, a Attrs) (Project, error) {
	return s.updateProject(ctx, scope, s.projects(), id, a)
}

// UpdateDomain changes a domain. Disabling it kills the tokens of its users and
// projects.
func (s *Service) UpdateDomain(ctx context.Context, scope auth.Scope, id string, a Attrs) (Project, error) {
	return s.updateProject(ctx, scope, s.domains(), id, a)
}

func (s *Service) updateProject(ctx context.Context, scope auth.Scope, k kind[Project], id string, a Attrs) (p Project, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		old, err := k.get(ctx, tx, scope, id)
		if err != nil {
			return err
		}
		if err := mayChange(k.noun, id, old.Options, a); err != nil {
			return err
		}
		p = old
		change := cloned(a)
		if err := fixed(change, old); err != nil {
			return err
		}
		p.apply(change)
		if old.Enabled != p.Enabled {
			if err := s.switched(ctx, tx, p); err != nil {
				return err
			}
		}
		e.touched(projectKey(id), domainKey(id))
		if old.Enabled && !p.Enabled {
			e.revoked(projectKey(id))
			if p.IsDomain {
				e.revoked(domainKey(id))
			}
		}
		what := "name " + p.Name
		if !p.IsDomain {
			what += " at domain ID " + p.DomainID
		}
		return k.save(ctx, tx, p, what)
	})
	return p, err
}

// fixed refuses changes of what stays as it was made, and takes what is equal.
func fixed(a Attrs, p Project) error {
	parent, domain, isDomain := p.ParentID, p.DomainID, p.IsDomain
	a.text("parent_id", &parent)
	a.text("domain_id", &domain)
	a.flag("is_domain", &isDomain)
	switch {
	case parent != p.ParentID:
		return forbidden("Update of `parent_id` is not allowed.")
	case isDomain != p.IsDomain:
		return invalid("is_domain", "Update of `is_domain` is not allowed.")
	case domain != p.DomainID:
		return invalid("domain_id", "Cannot change the domain of project %s.", p.ID)
	}
	return nil
}

// switched looks at the tree around a project that is enabled or disabled.
func (s *Service) switched(ctx context.Context, r db.Reader, p Project) error {
	if p.IsDomain {
		return nil
	}
	if p.Enabled {
		line, err := s.store.Ancestors(ctx, r, p.ParentID)
		if err != nil {
			return err
		}
		for _, above := range line {
			if !above.Enabled {
				return forbidden("Cannot enable project %s since it has disabled parents", p.ID)
			}
		}
		return nil
	}
	below, err := s.store.Subtree(ctx, r, p.ID)
	if err != nil {
		return err
	}
	for _, q := range below {
		if q.Enabled {
			return forbidden("Cannot disable project %s since its subtree contains enabled projects.", p.ID)
		}
	}
	return nil
}
