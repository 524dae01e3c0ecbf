package identity

import (
	"context"
	"errors"
	"slices"

	"altostack/kernel/auth"
	"altostack/kernel/db"
)

func (s *Service) users() kind[User] {
	return kind[User]{"user", present{s.tables.Users}, func(u User) auth.Target {
		return auth.Target{"user_id": u.ID, "target.user.id": u.ID, "target.user.domain_id": u.DomainID}
	}}
}

// User answers one user.
func (s *Service) User(ctx context.Context, scope auth.Scope, id string) (User, error) {
	u, err := s.users().get(ctx, s.db, scope, id)
	if err != nil {
		return u, err
	}
	if u.Source == SourceDirectory {
		if u, _, err = s.freshen(ctx, u, false); err != nil {
			return u, notListed(err, entryUser, id)
		}
	}
	one := []User{u}
	err = s.showInactive(ctx, s.db, one)
	return one[0], err
}

// ownDomain is the domain a list is about: a domain's token sees its own only.
func ownDomain(scope auth.Scope, l *List) string {
	asked := ""
	for _, m := range l.Match {
		if m.Column == "domain_id" && m.Op == OpEqual {
			asked, _ = m.Value.(string)
		}
	}
	if scope.Principal != nil && scope.DomainID != "" {
		l.Match = append(l.Match, Is("domain_id", scope.DomainID))
		return scope.DomainID
	}
	return asked
}

// Users lists users.
func (s *Service) Users(ctx context.Context, scope auth.Scope, l List) ([]User, bool, error) {
	d := ownDomain(scope, &l)
	target := auth.Target{"target.domain_id": d}
	if err := scope.Check(scope.Rule, target); err != nil {
		return nil, false, err
	}
	if err := s.lookUp(ctx, d, l, entryUser); err != nil {
		return nil, false, err
	}
	rows, more, err := s.users().page(ctx, s.db, scope, shown(l), target)
	if err != nil {
		return nil, false, err
	}
	return rows, more, s.showInactive(ctx, s.db, rows)
}

// homeDomain is where a new object goes when its body does not say.
func (s *Service) homeDomain(ctx context.Context, scope auth.Scope, a Attrs) (string, error) {
	id, _ := a["domain_id"].(string)
	delete(a, "domain_id")
	switch {
	case id != "":
	case scope.DomainID != "":
		id = scope.DomainID
	case scope.ProjectDomainID != "":
		id = scope.ProjectDomainID
	default:
		id = DefaultDomainID
	}
	return id, nil
}

func (s *Service) needDomain(ctx context.Context, r db.Reader, id string) error {
	d, found, err := s.tables.Projects.Get(ctx, r, id)
	if err == nil && (!found || !d.IsDomain) {
		err = notFound("domain", id)
	}
	return err
}

// CreateUser makes a user; its password is hashed before the write begins.
func (s *Service) CreateUser(ctx context.Context, scope auth.Scope, a Attrs) (User, error) {
	domain, err := s.homeDomain(ctx, scope, a)
	if err != nil {
		return User{}, err
	}
	u := User{ID: s.ids.Hex(), DomainID: domain, Enabled: true}
	if err := scope.Check(scope.Rule, s.users().target(u)); err != nil {
		return u, err
	}
	if err := s.mayCreateIn(ctx, u.DomainID); err != nil {
		return u, err
	}
	federated, err := takeFederated(a)
	if err != nil {
		return u, err
	}
	hash, has, err := s.newPassword(ctx, a)
	if err != nil {
		return u, err
	}
	u.apply(a)
	if err := noSeparator(u.Name); err != nil {
		return u, err
	}
	if u.PasswordHash = hash; has {
		u.PasswordCreatedAt = s.clock.Now()
		u.PasswordExpiresAt = s.rules.expiry(u, u.PasswordCreatedAt, false)
	}
	err = s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		if err := s.needDomain(ctx, tx, u.DomainID); err != nil {
			return err
		}
		if err := s.needDefaultProject(ctx, tx, u); err != nil {
			return err
		}
		if err := s.users().insert(ctx, tx, u, "name "+u.Name+" at domain ID "+u.DomainID); err != nil {
			return err
		}
		if err := s.keepFederated(ctx, tx, e, &u, federated); err != nil {
			return err
		}
		return s.forgive(ctx, tx, u, true)
	})
	return u, err
}

func (s *Service) needDefaultProject(ctx context.Context, r db.Reader, u User) error {
	if u.DefaultProjectID == "" {
		return nil
	}
	p, found, err := s.tables.Projects.Get(ctx, r, u.DefaultProjectID)
	if err == nil && found && p.IsDomain {
		err = invalid("default_project_id", "User's default project ID cannot be a domain ID: %s", u.DefaultProjectID)
	}
	return err
}

// newPassword hashes the password that an administrator sets; null takes the
// present one away.
func (s *Service) newPassword(ctx context.Context, a Attrs) (hash string, has bool, err error) {
	v, has := a["password"]
	if !has {
		return "", false, nil
	}
	delete(a, "password")
	if err := s.rules.validate(v); err != nil {
		return "", true, err
	}
	if password, ok := v.(string); ok {
		hash, err = s.hasher.hash(ctx, password)
	}
	return hash, true, err
}

func (u *User) apply(a Attrs) {
	a.text("name", &u.Name)
	a.text("domain_id", &u.DomainID)
	a.flag("enabled", &u.Enabled)
	a.text("default_project_id", &u.DefaultProjectID)
	a.options(&u.Options)
	a.rest(&u.Extra)
}

// UpdateUser changes a user. A new password, or being disabled, kills the
// user's tokens.
func (s *Service) UpdateUser(ctx context.Context, scope auth.Scope, id string, a Attrs) (User, error) {
	if _, err := s.User(ctx, scope, id); err != nil {
		return User{}, err
	}
	federated, err := takeFederated(a)
	if err != nil {
		return User{}, err
	}
	hash, password, err := s.newPassword(ctx, a)
	if err != nil {
		return User{}, err
	}
	var u User
	err = s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		old, err := s.users().get(ctx, tx, scope, id)
		if err != nil {
			return err
		}
		if err := readOnly(old.Source); err != nil {
			return err
		}
		u = old
		u.apply(cloned(a))
		if u.DomainID != old.DomainID {
			return invalid("domain_id", "Cannot change the domain of user %s.", id)
		}
		if password {
			if err := s.replacePassword(ctx, tx, &u, hash, false); err != nil {
				return err
			}
		}
		if err := s.forgive(ctx, tx, u, a["enabled"] != nil); err != nil {
			return err
		}
		if err := s.needDefaultProject(ctx, tx, u); err != nil {
			return err
		}
		if err := cmpErr(noSeparator(u.Name), s.keepFederated(ctx, tx, e, &u, federated)); err != nil {
			return err
		}
		e.touched(userKey(id))
		if password || old.Enabled && !u.Enabled {
			e.revoked(userKey(id))
		}
		return s.users().save(ctx, tx, u, "name "+u.Name+" at domain ID "+u.DomainID)
	})
	return u, err
}

// DeleteUser removes a user with all that hangs on it.
func (s *Service) DeleteUser(ctx context.Context, scope auth.Scope, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		u, err := s.users().get(ctx, tx, scope, id)
		if err := cmpErr(err, readOnly(u.Source)); err != nil {
			return err
		}
		return s.removeUser(ctx, tx, e, id)
	})
}

func (s *Service) removeUser(ctx context.Context, tx *db.Tx, e *effects, id string) error {
	e.revoked(userKey(id))
	if _, err := s.store.RemoveAssignments(ctx, tx, Is("actor_id", id)); err != nil {
		return err
	}
	if _, err := s.tables.Credentials.Remove(ctx, tx, Is("user_id", id)); err != nil {
		return err
	}
	for _, side := range []string{"trustor_id", "trustee_id"} {
		if err := s.removeTrusts(ctx, tx, e, Is(side, id)); err != nil {
			return err
		}
	}
	_, err := s.tables.Users.Remove(ctx, tx, Is("id", id)) // memberships and application credentials follow
	return err
}

// ChangePassword lets users change their own with the old one as proof, also
// after it expired; it needs no token.
func (s *Service) ChangePassword(ctx context.Context, id, original, password string) error {
	ctx, at := auth.Attempted(ctx)
	at.Methods = []string{"password"}
	u, found, err := s.tables.Users.Get(ctx, s.db, id)
	if err != nil {
		return err
	}
	if err := readOnly(u.Source); err != nil {
		return err
	}
	u, err = s.provePassword(ctx, Ref{ID: id}, u, found, original)
	if err != nil && !errors.Is(err, errExpired) {
		return s.turnedAway(ctx, at, Proof{Methods: []string{"password"}, Password: original}, err)
	}
	if err := s.mayReplace(ctx, u, password); err != nil {
		return err
	}
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		now, found, err := s.tables.Users.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if !found || !now.Enabled || now.PasswordHash != u.PasswordHash { // changed since it was compared
			return unauthenticated(refuse("the password changed meanwhile"))
		}
		if err := s.replacePassword(ctx, tx, &now, hash, true); err != nil {
			return err
		}
		e.revoked(userKey(id))
		return s.tables.Users.Save(ctx, tx, now)
	})
}

// GroupsOfUser lists the groups a user is in.
func (s *Service) GroupsOfUser(ctx context.Context, scope auth.Scope, userID string, l List) ([]Group, bool, error) {
	u, err := s.users().get(ctx, s.db, scope, userID)
	if err != nil {
		return nil, false, err
	}
	if u.Source == SourceDirectory {
		if _, _, err := s.freshen(ctx, u, true); err != nil {
			return nil, false, notListed(err, entryUser, userID)
		}
	}
	ids, _, err := s.memberOf(ctx, s.db, u.ID)
	if err != nil {
		return nil, false, err
	}
	return s.tables.Groups.Page(ctx, s.db, l.Page, append(l.Match, Match{Column: "id", Op: OpIn, Value: ids})...)
}

// ProjectsOfUser lists the projects a user has a role in.
func (s *Service) ProjectsOfUser(ctx context.Context, scope auth.Scope, userID string, l List) ([]Project, bool, error) {
	u, err := s.users().get(ctx, s.db, scope, userID)
	if err != nil {
		return nil, false, err
	}
	return s.reachableProjects(ctx, u.ID, l)
}

// reachableProjects lists enabled or not enabled projects that the user could ask
// a token for.
func (s *Service) reachableProjects(ctx context.Context, userID string, l List, more ...string) ([]Project, bool, error) {
	direct, err := s.assignmentsOf(ctx, userID, more...)
	if err != nil {
		return nil, false, err
	}
	var ids []string
	for _, a := range direct {
		switch {
		case a.TargetKind == TargetSystem:
		case !a.Inherited && a.TargetKind == TargetProject:
			ids = append(ids, a.TargetID)
		case a.Inherited:
			below, err := s.store.Subtree(ctx, s.db, a.TargetID)
			if err != nil {
				return nil, false, err
			}
			for _, p := range below {
				ids = append(ids, p.ID)
			}
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return s.tables.Projects.Page(ctx, s.db, l.Page, append(l.Match, Match{Column: "id", Op: OpIn, Value: ids}, Is("is_domain", false))...)
}

// assignmentsOf answers what a user has by itself, by its groups and by more.
func (s *Service) assignmentsOf(ctx context.Context, userID string, more ...string) ([]Assignment, error) {
	groups, _, err := s.memberOf(ctx, s.db, userID)
	if err != nil {
		return nil, err
	}
	return s.store.Assignments(ctx, s.db, Match{Column: "actor_id", Op: OpIn, Value: append(append(groups, more...), userID)})
}
