package identity

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"slices"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// NewAppCred is what a client asks of an application credential.
type NewAppCred struct {
	Name, Description, Secret string
	ExpiresAt                 time.Time
	Roles                     []Ref // none: those of the token
	Unrestricted              bool
	Rules                     []AccessRule
	HasRules                  bool
	System                    string
}

// AppCredView is an application credential with what its ids stand for.
type AppCredView struct {
	AppCred
	Secret string // told once, when it is made
	Roles  []Role
	Rules  []AccessRule
}

// manages refuses tokens that an application credential made, unless it may
// make more of its kind: a leaked one must not outlive its own end.
func manages(scope auth.Scope) error {
	if scope.Principal != nil && scope.AppCredID != "" && scope.AppCredRestricted {
		return forbidden("You are not authorized to perform the requested action: Using method 'application_credential' is not allowed for managing additional application credentials.")
	}
	return undelegated(scope)
}

func ofUser(id string) auth.Target { return auth.Target{"user_id": id, "target.user.id": id} }

// CreateAppCred makes an application credential in the token's project.
func (s *Service) CreateAppCred(ctx context.Context, scope auth.Scope, userID string, n NewAppCred) (AppCredView, error) {
	var v AppCredView
	if err := scope.Check(scope.Rule, ofUser(userID)); err != nil {
		return v, err
	}
	if err := manages(scope); err != nil {
		return v, err
	}
	switch {
	case scope.UserID != userID:
		return v, forbidden("You are not authorized to perform the requested action: Cannot create an application credential for another user.")
	case scope.ProjectID == "":
		return v, invalid("project_id", "Invalid application credential: a project-scoped token is needed.")
	case !n.ExpiresAt.IsZero() && !n.ExpiresAt.After(s.clock.Now()):
		return v, invalid("expires_at", "The '%s' must not be before now. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.", "expires_at")
	}
	if err := ruledBy(scope, n); err != nil {
		return v, err
	}
	roles, err := s.appCredRoles(ctx, scope, n.Roles)
	if err != nil {
		return v, err
	}
	if v.Secret = n.Secret; v.Secret == "" {
		b := make([]byte, 64)
		if _, err := rand.Read(b); err != nil {
			return v, err
		}
		v.Secret = base64.RawURLEncoding.EncodeToString(b)
	}
	hash, err := s.hasher.hash(ctx, v.Secret)
	if err != nil {
		return v, err
	}
	v.Roles = roles
	v.AppCred = AppCred{ID: s.ids.Hex(), Name: n.Name, UserID: userID, ProjectID: scope.ProjectID, Description: n.Description, SecretHash: hash, Unrestricted: n.Unrestricted, ExpiresAt: n.ExpiresAt, System: n.System}
	for _, r := range roles {
		v.RoleIDs = append(v.RoleIDs, r.ID)
	}
	err = s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		v.Rules, v.RuleIDs = nil, nil
		if n.HasRules {
			if v.Rules, err = s.ensureRules(ctx, tx, userID, n.Rules); err != nil {
				return err
			}
			v.RuleIDs = []string{}
			for _, r := range v.Rules {
				v.RuleIDs = append(v.RuleIDs, r.ID)
			}
		}
		err := s.tables.AppCreds.Insert(ctx, tx, v.AppCred)
		if db.IsUnique(err) {
			err = fault.New(fault.CodeIdentityDuplicate, "Conflict occurred attempting to store application_credential - Duplicate entry found with name %s.", v.Name)
		}
		return err
	})
	return v, err
}

// ruledBy sees that what access rules narrow makes only what they narrow as much:
// every call that the new one may make is one that the caller may.
func ruledBy(scope auth.Scope, n NewAppCred) error {
	if scope.Principal == nil || scope.AccessRules == nil {
		return nil
	}
	const wider = "You are not authorized to perform the requested action: An application credential made by one with access rules needs access rules of the same."
	if !n.HasRules || len(n.Rules) == 0 {
		return forbidden(wider)
	}
	for _, r := range n.Rules {
		if !slices.Contains(scope.AccessRules, auth.AccessRule{Service: r.Service, Method: r.Method, Path: r.Path}) {
			return forbidden(wider)
		}
	}
	return nil
}

// appCredRoles answers the roles asked for, with what they imply: no more than
// the token has.
func (s *Service) appCredRoles(ctx context.Context, scope auth.Scope, refs []Ref) ([]Role, error) {
	if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	table, err := s.roleTable(ctx)
	if err != nil {
		return nil, err
	}
	ids := scope.RoleIDs
	if len(refs) > 0 {
		ids = nil
		for _, ref := range refs {
			id := ref.ID
			for _, r := range table.roles {
				if id == "" && r.Name == ref.Name && r.DomainID == "" {
					id = r.ID
				}
			}
			if _, known := table.roles[id]; !known {
				return nil, notFound("role", ref.ID+ref.Name)
			}
			ids = append(ids, id)
		}
	}
	var roles []Role
	for _, id := range table.closure(ids) {
		if !slices.Contains(scope.RoleIDs, id) {
			return nil, invalid("roles", "Invalid application credential: Cannot create an application credential with unassigned role")
		}
		roles = append(roles, table.roles[id])
	}
	return roles, nil
}

// ensureRules finds or makes the user's access rules.
func (s *Service) ensureRules(ctx context.Context, tx *db.Tx, userID string, rules []AccessRule) ([]AccessRule, error) {
	var out []AccessRule
	for _, r := range rules {
		if r.ID != "" {
			known, found, err := s.tables.AccessRules.Get(ctx, tx, r.ID)
			if err != nil {
				return nil, err
			}
			if !found || known.UserID != userID {
				return nil, notFound("Access Rule", r.ID)
			}
			out = append(out, known)
			continue
		}
		known, err := s.tables.AccessRules.List(ctx, tx, Is("user_id", userID), Is("service", r.Service), Is("method", r.Method), Is("path", r.Path))
		if err != nil {
			return nil, err
		}
		if len(known) > 0 {
			out = append(out, known[0])
			continue
		}
		r.ID, r.UserID = s.ids.Hex(), userID
		if err := s.tables.AccessRules.Insert(ctx, tx, r); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// AppCreds lists a user's application credentials.
func (s *Service) AppCreds(ctx context.Context, scope auth.Scope, userID string, l List) ([]AppCredView, bool, error) {
	if err := scope.Check(scope.Rule, ofUser(userID)); err != nil {
		return nil, false, err
	}
	if err := undelegated(scope); err != nil {
		return nil, false, err
	}
	rows, more, err := s.tables.AppCreds.Page(ctx, s.db, l.Page, append(l.Match, Is("user_id", userID))...)
	if err != nil {
		return nil, false, err
	}
	views, err := s.viewAppCreds(ctx, rows...)
	return views, more, err
}

func (s *Service) viewAppCreds(ctx context.Context, rows ...AppCred) ([]AppCredView, error) {
	table, err := s.roleTable(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, a := range rows {
		ids = append(ids, a.RuleIDs...)
	}
	rules := map[string]AccessRule{}
	if len(ids) > 0 {
		list, err := s.tables.AccessRules.List(ctx, s.db, Match{Column: "id", Op: OpIn, Value: ids})
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			rules[r.ID] = r
		}
	}
	views := make([]AppCredView, len(rows))
	for i, a := range rows {
		views[i].AppCred = a
		for _, id := range a.RoleIDs {
			if r, known := table.roles[id]; known {
				views[i].Roles = append(views[i].Roles, r)
			}
		}
		for _, id := range a.RuleIDs {
			views[i].Rules = append(views[i].Rules, rules[id])
		}
	}
	return views, nil
}

// AppCred answers one application credential of a user.
func (s *Service) AppCred(ctx context.Context, scope auth.Scope, userID, id string) (AppCredView, error) {
	a, err := s.appCred(ctx, s.db, scope, userID, id)
	if err != nil {
		return AppCredView{}, err
	}
	views, err := s.viewAppCreds(ctx, a)
	if err != nil {
		return AppCredView{}, err
	}
	return views[0], nil
}

func (s *Service) appCred(ctx context.Context, r db.Reader, scope auth.Scope, userID, id string) (AppCred, error) {
	if err := scope.Check(scope.Rule, ofUser(userID)); err != nil {
		return AppCred{}, err
	}
	if err := undelegated(scope); err != nil {
		return AppCred{}, err
	}
	a, found, err := s.tables.AppCreds.Get(ctx, r, id)
	if err == nil && (!found || a.UserID != userID) {
		err = notFound("Application Credential", id)
	}
	return a, err
}

// DeleteAppCred removes an application credential and kills its tokens.
func (s *Service) DeleteAppCred(ctx context.Context, scope auth.Scope, userID, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		if _, err := s.appCred(ctx, tx, scope, userID, id); err != nil {
			return err
		}
		if err := manages(scope); err != nil {
			return err
		}
		e.revoked(appCredKey(id))
		_, err := s.tables.AppCreds.Remove(ctx, tx, Is("id", id))
		return err
	})
}

// AccessRules lists a user's access rules.
func (s *Service) AccessRules(ctx context.Context, scope auth.Scope, userID string, l List) ([]AccessRule, bool, error) {
	if err := scope.Check(scope.Rule, ofUser(userID)); err != nil {
		return nil, false, err
	}
	if err := undelegated(scope); err != nil {
		return nil, false, err
	}
	return s.tables.AccessRules.Page(ctx, s.db, l.Page, append(l.Match, Is("user_id", userID))...)
}

// AccessRule answers one access rule of a user.
func (s *Service) AccessRule(ctx context.Context, scope auth.Scope, userID, id string) (AccessRule, error) {
	return s.accessRule(ctx, s.db, scope, userID, id)
}

func (s *Service) accessRule(ctx context.Context, r db.Reader, scope auth.Scope, userID, id string) (AccessRule, error) {
	if err := scope.Check(scope.Rule, ofUser(userID)); err != nil {
		return AccessRule{}, err
	}
	if err := undelegated(scope); err != nil {
		return AccessRule{}, err
	}
	v, found, err := s.tables.AccessRules.Get(ctx, r, id)
	if err == nil && (!found || v.UserID != userID) {
		err = notFound("Access Rule", id)
	}
	return v, err
}

// DeleteAccessRule removes a rule that no application credential uses.
func (s *Service) DeleteAccessRule(ctx context.Context, scope auth.Scope, userID, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		if _, err := s.accessRule(ctx, tx, scope, userID, id); err != nil {
			return err
		}
		if err := manages(scope); err != nil {
			return err
		}
		creds, err := s.tables.AppCreds.List(ctx, tx, Is("user_id", userID))
		if err != nil {
			return err
		}
		for _, c := range creds {
			if slices.Contains(c.RuleIDs, id) {
				return fault.New(fault.CodeIdentityInUse, "May not delete access rule in use")
			}
		}
		_, err = s.tables.AccessRules.Remove(ctx, tx, Is("id", id))
		return err
	})
}
