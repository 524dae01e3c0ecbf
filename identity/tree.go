package identity

import (
	"context"
	"slices"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// DeleteProject removes a project without children, and what hangs on it.
func (s *Service) DeleteProject(ctx context.Context, scope auth.Scope, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		p, err := s.projects().get(ctx, tx, scope, id)
		if err != nil {
			return err
		}
		if err := mayChange("project", id, p.Options, nil); err != nil {
			return err
		}
		if p.IsDomain {
			return s.removeDomain(ctx, tx, e, p)
		}
		below, err := s.tables.Projects.List(ctx, tx, Is("parent_id", id))
		if err != nil {
			return err
		}
		if len(below) > 0 {
			return fault.New(fault.CodeIdentityInUse, "Cannot delete the project %s since it is not a leaf in the hierarchy. Use the cascade option if you want to delete a whole subtree.", id)
		}
		return s.removeProject(ctx, tx, e, id)
	})
}

func (s *Service) removeProject(ctx context.Context, tx *db.Tx, e *effects, id string) error {
	if err := s.removeTrusts(ctx, tx, e, Is("project_id", id)); err != nil {
		return err
	}
	e.revoked(projectKey(id))
	users, err := s.tables.Users.List(ctx, tx, Is("default_project_id", id))
	if err != nil {
		return err
	}
	for _, u := range users {
		u.DefaultProjectID = ""
		e.touched(userKey(u.ID))
		if err := s.tables.Users.Save(ctx, tx, u); err != nil {
			return err
		}
	}
	if _, err := s.store.RemoveAssignments(ctx, tx, Is("target_id", id)); err != nil {
		return err
	}
	if _, err := s.tables.Credentials.Remove(ctx, tx, Is("project_id", id)); err != nil {
		return err
	}
	if _, err := s.tables.Limits.Remove(ctx, tx, Is("project_id", id)); err != nil {
		return err
	}
	_, err = s.tables.Projects.Remove(ctx, tx, Is("id", id)) // tags and application credentials follow
	return err
}

// DeleteDomain removes a disabled domain with everything in it.
func (s *Service) DeleteDomain(ctx context.Context, scope auth.Scope, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		d, err := s.domains().get(ctx, tx, scope, id)
		if err != nil {
			return err
		}
		if err := mayChange("domain", id, d.Options, nil); err != nil {
			return err
		}
		return s.removeDomain(ctx, tx, e, d)
	})
}

func (s *Service) removeDomain(ctx context.Context, tx *db.Tx, e *effects, d Project) error {
	if d.Enabled {
		return fault.New(fault.CodeIdentityForbidden, "Cannot delete a domain that is enabled, please disable it first.")
	}
	below, err := s.store.Subtree(ctx, tx, d.ID)
	if err != nil {
		return err
	}
	for _, p := range slices.Backward(below) {
		if err := s.removeProject(ctx, tx, e, p.ID); err != nil {
			return err
		}
	}
	groups, err := s.tables.Groups.List(ctx, tx, Is("domain_id", d.ID))
	if err != nil {
		return err
	}
	for _, g := range groups {
		if err := s.removeGroup(ctx, tx, e, g.ID); err != nil {
			return err
		}
	}
	if err := s.removeProvidersOf(ctx, tx, e, d.ID); err != nil {
		return err
	}
	users, err := s.tables.Users.List(ctx, tx, Is("domain_id", d.ID))
	if err != nil {
		return err
	}
	for _, u := range users {
		if err := s.removeUser(ctx, tx, e, u.ID); err != nil {
			return err
		}
	}
	if _, err := s.tables.Roles.Remove(ctx, tx, Is("domain_id", d.ID)); err != nil {
		return err
	}
	if _, err := s.tables.Limits.Remove(ctx, tx, Is("domain_id", d.ID)); err != nil {
		return err
	}
	e.touched(keyRoles)
	e.revoked(domainKey(d.ID))
	return s.removeProject(ctx, tx, e, d.ID)
}

// Parents answers the projects above one, nearest first, without the domain.
func (s *Service) Parents(ctx context.Context, id string) ([]Project, error) {
	line, err := s.store.Ancestors(ctx, s.db, id)
	if err != nil || len(line) < 2 {
		return nil, err
	}
	ids := make([]string, 0, len(line))
	for _, p := range line[1:] {
		ids = append(ids, p.ID)
	}
	rows, err := s.tables.Projects.List(ctx, s.db, Match{Column: "id", Op: OpIn, Value: ids}) // with tags
	slices.SortFunc(rows, func(a, b Project) int { return slices.Index(ids, a.ID) - slices.Index(ids, b.ID) })
	return rows, err
}

// Subtree answers the projects below one, parents before children.
func (s *Service) Subtree(ctx context.Context, id string) ([]Project, error) {
	return s.store.Subtree(ctx, s.db, id)
}

// CanReach answers which of the projects the caller has a role in.
func (s *Service) CanReach(ctx context.Context, userID string) (map[string]bool, error) {
	rows, _, err := s.reachableProjects(ctx, userID, List{})
	reach := make(map[string]bool, len(rows))
	for _, p := range rows {
		reach[p.ID] = true
	}
	return reach, err
}

// SetTags replaces a project's tags by what change makes of them.
func (s *Service) SetTags(ctx context.Context, scope auth.Scope, id string, change func(tags []string) ([]string, error)) (p Project, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		if p, err = s.projects().get(ctx, tx, scope, id); err != nil {
			return err
		}
		if fixed, _ := p.Options["immutable"].(bool); fixed {
			return forbidden("Cannot update project tags for %s, project is immutable. Set \"immutable\" option to false before creating project tags.", id)
		}
		if p.Tags, err = change(p.Tags); err != nil {
			return err
		}
		if len(p.Tags) > maxTags {
			return invalid("tags", "%d tags are too many: a project has %d at most.", len(p.Tags), maxTags)
		}
		return s.store.SaveTags(ctx, tx, id, p.Tags)
	})
	return p, err
}

const maxTags = 80
