package identity

import (
	"context"
	"slices"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// Trust lends the trustor's roles in a project to the trustee, who gets tokens
// by it without knowing the trustor's password.
type Trust struct {
	ID, TrustorID, TrusteeID, ProjectID string
	Impersonation                       bool      // tokens name the trustor as their user
	ExpiresAt                           time.Time // zero: never
	RemainingUses                       int64     // AnyUses: not counted
	RedelegationCount                   int64     // how many more trusts may follow from this one in a row
	ParentID                            string    // the trust that the trustor made this one by
	RoleIDs                             []string
	Extra                               Extra
}

// AnyUses is the RemainingUses of a trust that gives any number of tokens.
const AnyUses = -1

// maxRedelegation is how long a chain of trusts may be. Source: Keystone's
// default of [trust] max_redelegation_count.
const maxRedelegation = 3

// NewTrust is what a client asks of a trust.
type NewTrust struct {
	Trust
	Roles             []Ref
	AllowRedelegation bool
	CountGiven        bool // RedelegationCount was asked for
}

// TrustView is a trust with what its roles' ids stand for.
type TrustView struct {
	Trust
	Roles []Role
}

func trustKey(id string) string { return "trust:" + id }

func aboutTrust(t Trust) auth.Target {
	return auth.Target{"target.trust.trustor_user_id": t.TrustorID, "target.trust.trustee_user_id": t.TrusteeID}
}

// lends refuses tokens of application credentials, whatever they may otherwise
// do: a leaked one must not find its way into other projects.
func lends(scope auth.Scope) error {
	if scope.Principal != nil && scope.AppCredID != "" {
		return forbidden("You are not authorized to perform the requested action: Using method 'application_credential' is not allowed for managing trusts.")
	}
	return nil
}

// live tells whether the trust still gives tokens, or rights to those it gave.
func (t Trust) live(now time.Time) bool { return t.ExpiresAt.IsZero() || now.Before(t.ExpiresAt) }

// trustChain answers a trust and those that it follows from, the first one last.
// A link that is gone or over is fault identity.not_found.
func (s *Service) trustChain(ctx context.Context, r db.Reader, id string) ([]Trust, error) {
	var chain []Trust
	for next := id; next != ""; {
		t, found, err := s.tables.Trusts.Get(ctx, r, next)
		if err != nil {
			return nil, err
		}
		if !found || !t.live(s.clock.Now()) || len(chain) > maxRedelegation {
			return nil, notFound("trust", id)
		}
		chain, next = append(chain, t), t.ParentID
	}
	if len(chain) == 0 {
		return nil, notFound("trust", id)
	}
	return chain, nil
}

// trustOf reads a trust that still has uses and decides the route's rule on it. A
// missing one is told to anybody, as the real service does.
func (s *Service) trustOf(ctx context.Context, r db.Reader, scope auth.Scope, id string) (Trust, error) {
	chain, err := s.trustChain(ctx, r, id)
	if err != nil {
		return Trust{}, err
	}
	t := chain[0]
	if t.RemainingUses == 0 {
		return t, notFound("trust", id)
	}
	if err := scope.Check(scope.Rule, aboutTrust(t)); err != nil {
		return t, err
	}
	return t, lends(scope)
}

// TrustByID answers one trust.
func (s *Service) TrustByID(ctx context.Context, scope auth.Scope, id string) (TrustView, error) {
	t, err := s.trustOf(ctx, s.db, scope, id)
	if err != nil {
		return TrustView{}, err
	}
	table, err := s.roleTable(ctx)
	if err != nil {
		return TrustView{}, err
	}
	return viewTrust(t, table), nil
}

func viewTrust(t Trust, table *roleTable) TrustView {
	v := TrustView{Trust: t}
	for _, id := range t.RoleIDs {
		if r, known := table.roles[id]; known {
			v.Roles = append(v.Roles, r)
		}
	}
	return v
}

// Trusts lists the trusts of a trustor or of a trustee, which each may see, or
// all of them.
func (s *Service) Trusts(ctx context.Context, scope auth.Scope, trustor, trustee string, l List) ([]Trust, bool, error) {
	rule := "identity:list_trusts"
	switch {
	case trustor != "":
		rule, l.Match = "identity:list_trusts_for_trustor", append(l.Match, Is("trustor_id", trustor))
	case trustee != "":
		rule, l.Match = "identity:list_trusts_for_trustee", append(l.Match, Is("trustee_id", trustee))
	}
	if err := scope.Check(rule, aboutTrust(Trust{TrustorID: trustor, TrusteeID: trustee})); err != nil {
		return nil, false, err
	}
	if err := lends(scope); err != nil {
		return nil, false, err
	}
	return s.tables.Trusts.Page(ctx, s.db, l.Page, l.Match...)
}

// CreateTrust lends roles that the caller has; a caller that itself has them by a
// trust lends them on.
func (s *Service) CreateTrust(ctx context.Context, scope auth.Scope, n NewTrust) (TrustView, error) {
	t := n.Trust
	if err := scope.Check(scope.Rule, aboutTrust(t)); err != nil {
		return TrustView{}, err
	}
	if err := lends(scope); err != nil {
		return TrustView{}, err
	}
	if scope.Principal != nil && scope.AccessTokenID != "" {
		return TrustView{}, forbidden("You are not authorized to perform the requested action: Redelegation allowed for delegated by trust only.")
	}
	switch {
	case t.ProjectID != "" && len(n.Roles) == 0:
		return TrustView{}, forbidden("You are not authorized to perform the requested action: At least one role should be specified.")
	case scope.UserID != t.TrustorID:
		return TrustView{}, forbidden("You are not authorized to perform the requested action: The authenticated user should match the trustor.")
	case !t.ExpiresAt.IsZero() && !t.ExpiresAt.After(s.clock.Now()):
		return TrustView{}, invalid("expires_at", "The '%s' must not be before now. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.", "expires_at")
	}
	if err := s.catchUp(ctx); err != nil {
		return TrustView{}, err
	}
	table, err := s.roleTable(ctx)
	if err != nil {
		return TrustView{}, err
	}
	t.ID = s.ids.Hex()
	if t.RoleIDs, err = table.find(n.Roles); err != nil {
		return TrustView{}, err
	}
	err = s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		made := t
		if err := s.checkTrust(ctx, tx, scope, table, &made, n); err != nil {
			return err
		}
		t = made
		return s.tables.Trusts.Insert(ctx, tx, t)
	})
	return viewTrust(t, table), err
}

// find turns references to roles of the whole cloud into ids.
func (t *roleTable) find(refs []Ref) ([]string, error) {
	ids := []string{}
	for _, ref := range refs {
		id := ref.ID
		for _, r := range t.roles {
			if id == "" && r.Name == ref.Name && r.DomainID == "" {
				id = r.ID
			}
		}
		if _, known := t.roles[id]; !known {
			return nil, notFound("role", ref.ID+ref.Name)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// checkTrust sees that what a new trust lends is there to be lent, and completes
// it.
func (s *Service) checkTrust(ctx context.Context, tx *db.Tx, scope auth.Scope, table *roleTable, t *Trust, n NewTrust) error {
	if _, found, err := s.tables.Users.Get(ctx, tx, t.TrusteeID); err != nil || !found {
		return orMissing(err, "user", t.TrusteeID)
	}
	if err := redelegation(t, n); err != nil {
		return err
	}
	origin := t.TrustorID
	if scope.TrustID != "" {
		chain, err := s.trustChain(ctx, tx, scope.TrustID)
		if err != nil {
			return err
		}
		for _, link := range chain {
			if err := underneath(t, n, link); err != nil {
				return err
			}
		}
		t.ParentID, origin = chain[0].ID, chain[len(chain)-1].TrustorID
		left := chain[0].RedelegationCount - 1
		if n.AllowRedelegation && n.CountGiven && n.RedelegationCount != 0 && n.RedelegationCount != left {
			return forbidden("Modifying \"redelegation_count\" upon redelegation is forbidden. Omitting this parameter is advised.")
		}
		t.RedelegationCount = min(t.RedelegationCount, left)
	}
	if t.ProjectID == "" {
		return nil
	}
	return s.heldByTrustor(ctx, tx, table, origin, *t)
}

func orMissing(err error, noun, id string) error {
	if err != nil {
		return err
	}
	return notFound(noun, id)
}

// redelegation decides how far a trust may be lent on.
func redelegation(t *Trust, n NewTrust) error {
	if n.AllowRedelegation && !(n.CountGiven && n.RedelegationCount == 0) {
		if t.RemainingUses != AnyUses {
			return invalid("remaining_uses", "remaining_uses must not be set if redelegation is allowed")
		}
		if !n.CountGiven {
			t.RedelegationCount = maxRedelegation
		}
		if t.RedelegationCount > maxRedelegation {
			return forbidden("Requested redelegation depth of %d is greater than allowed %d", t.RedelegationCount, maxRedelegation)
		}
		return nil
	}
	t.RedelegationCount = 0
	if t.RemainingUses != AnyUses && t.RemainingUses <= 0 {
		return invalid("remaining_uses", "remaining_uses must be a positive integer or null.")
	}
	return nil
}

// underneath sees that a trust lends no more than the one it follows from.
func underneath(t *Trust, n NewTrust, link Trust) error {
	switch {
	case link.RedelegationCount <= 0 || link.RedelegationCount > maxRedelegation:
		return forbidden("Remaining redelegation depth of %d out of allowed range of [0..%d]", link.RedelegationCount, maxRedelegation)
	case n.RemainingUses != AnyUses:
		return forbidden("Field \"remaining_uses\" is set to %d while it must not be set in order to redelegate a trust", n.RemainingUses)
	case !link.ExpiresAt.IsZero() && !n.ExpiresAt.IsZero() && link.ExpiresAt.Before(n.ExpiresAt):
		return forbidden("Requested expiration time is more than redelegated trust can provide")
	case t.Impersonation && !link.Impersonation:
		return forbidden("Impersonation is not allowed because redelegated trust does not specify impersonation. Redelegated trust id: %s", link.ID)
	case t.ProjectID != link.ProjectID:
		return forbidden("A trust lends on what the redelegated trust %s gives, in its project only.", link.ID)
	}
	for _, id := range t.RoleIDs {
		if !slices.Contains(link.RoleIDs, id) {
			return forbidden("Some of requested roles are not in redelegated trust")
		}
	}
	if !link.ExpiresAt.IsZero() && (t.ExpiresAt.IsZero() || link.ExpiresAt.Before(t.ExpiresAt)) {
		t.ExpiresAt = link.ExpiresAt
	}
	return nil
}

// heldByTrustor sees that the first of the chain has every role that is lent.
func (s *Service) heldByTrustor(ctx context.Context, r db.Reader, table *roleTable, origin string, t Trust) error {
	all, err := s.rolesOn(ctx, r, table, origin, t.ProjectID)
	if err != nil {
		return err
	}
	for _, id := range t.RoleIDs {
		if !slices.Contains(all, id) {
			return notFound("role", id)
		}
	}
	return nil
}

// rolesOn answers the roles that a user has in a project, with what they imply.
func (s *Service) rolesOn(ctx context.Context, r db.Reader, table *roleTable, userID, projectID string) ([]string, error) {
	line, err := s.store.Ancestors(ctx, r, projectID)
	if err != nil || len(line) == 0 {
		return nil, orMissing(err, "project", projectID)
	}
	groups, _, err := s.memberOf(ctx, r, userID)
	if err != nil {
		return nil, err
	}
	at := &Token{Claims: Claims{Scope: Scope{ProjectID: projectID}}}
	for _, p := range line {
		at.targets = append(at.targets, p.ID)
	}
	held, err := s.heldRoles(ctx, r, at, append(groups, userID))
	if err != nil {
		return nil, err
	}
	return table.closure(held), nil
}

// DeleteTrust ends a trust, those made by it, and all their tokens.
func (s *Service) DeleteTrust(ctx context.Context, scope auth.Scope, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		if _, err := s.trustOf(ctx, tx, scope, id); err != nil {
			return err
		}
		return s.removeTrusts(ctx, tx, e, Is("id", id))
	})
}

// removeTrusts ends the trusts that match and those that follow from them.
func (s *Service) removeTrusts(ctx context.Context, tx *db.Tx, e *effects, match Match) error {
	rows, err := s.tables.Trusts.List(ctx, tx, match)
	if err != nil {
		return err
	}
	for _, t := range rows {
		e.revoked(trustKey(t.ID))
		if _, err := s.tables.Trusts.Remove(ctx, tx, Is("id", t.ID)); err != nil {
			return err
		}
		if err := s.removeTrusts(ctx, tx, e, Is("parent_id", t.ID)); err != nil {
			return err
		}
	}
	return nil
}

// chooseTrust turns a trust asked for into claims.
func (s *Service) chooseTrust(ctx context.Context, id string, c *Claims) error {
	chain, err := s.trustChain(ctx, s.db, id)
	if fault.Has(err, fault.CodeIdentityNotFound) || err == nil && chain[0].RemainingUses == 0 {
		return refuse("trust %s is gone, over or used up", id)
	}
	if err != nil {
		return err
	}
	c.TrustID, c.Scope = id, Scope{ProjectID: chain[0].ProjectID}
	return nil
}

// useTrust counts a token that was made by a trust; the one too many is refused.
func (s *Service) useTrust(ctx context.Context, id string) error {
	t, found, err := s.tables.Trusts.Get(ctx, s.db, id)
	if err != nil || found && t.RemainingUses == AnyUses {
		return err
	}
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		t, found, err := s.tables.Trusts.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if !found || t.RemainingUses == 0 {
			return refuse("trust %s is used up", id)
		}
		t.RemainingUses--
		return s.tables.Trusts.Save(ctx, tx, t)
	})
}

// deriveTrust follows the chain of a token's trust: all of it must stand, and
// everybody in it be enabled.
func (s *Service) deriveTrust(ctx context.Context, t *Token) error {
	if t.TrustID == "" {
		return nil
	}
	chain, err := s.trustChain(ctx, s.db, t.TrustID)
	if fault.Has(err, fault.CodeIdentityNotFound) {
		return refuse("trust %s is gone or over", t.TrustID)
	}
	if err != nil {
		return err
	}
	own := chain[0]
	if own.TrusteeID != t.UserID || own.ProjectID != t.Scope.ProjectID {
		return refuse("trust %s is not for user %s", t.TrustID, t.UserID)
	}
	for _, link := range chain {
		t.keys = append(t.keys, trustKey(link.ID), userKey(link.TrustorID))
		if !link.ExpiresAt.IsZero() && (t.until.IsZero() || link.ExpiresAt.Before(t.until)) {
			t.until = link.ExpiresAt
		}
		u, domain, err := s.enabledUser(ctx, t, link.TrustorID)
		if err != nil {
			return err
		}
		if link.ID != own.ID { // who lent it on
			t.keys = append(t.keys, userKey(link.TrusteeID))
			if _, _, err := s.enabledUser(ctx, t, link.TrusteeID); err != nil {
				return err
			}
		}
		t.origin = u.ID
		if link.ID == own.ID && own.Impersonation {
			t.User, t.UserDomain = u, domain
		}
	}
	t.Trust = &own
	return nil
}
