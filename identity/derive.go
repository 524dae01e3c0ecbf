package identity

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// refusal is why claims do not hold, or do not hold any more. The reason is for
// the log; clients are only told that they are not authenticated.
type refusal struct {
	why string
	// lost says that a token shown as proof holds no more, which the real service
	// answers as not found.
	lost bool
	// forged says that it never was a token of ours.
	forged bool
}

func (r *refusal) Error() string { return r.why }

func refuse(format string, args ...any) error { return &refusal{why: fmt.Sprintf(format, args...)} }

// unauthenticated hides a refusal; other errors stay as they are.
func unauthenticated(err error) error {
	var r *refusal
	if errors.As(err, &r) && r.lost {
		return fault.Because(err, fault.CodeIdentityNotFound, "Could not find token.")
	}
	if r != nil || errors.Is(err, errForged) {
		return fault.Because(err, fault.CodeAuthUnauthenticated, "The request you have made requires authentication.")
	}
	return err
}

// derive answers what claims grant now. The rows are read one after the other;
// whoever remembers the answer checks that the revision did not move meanwhile.
//
// What a user may do somewhere is the same for all tokens that say so, hence it
// is remembered apart from them: a new token costs no reading of rows.
func (s *Service) derive(ctx context.Context, c Claims) (*Token, error) {
	return s.grant(ctx, c, chainKey(c.chain()), auditKey(c.AuditIDs[0]))
}

// grant is derive that looks for revocations of these keys of the token's own. One
// that is only being made can meet none but its chain's.
func (s *Service) grant(ctx context.Context, c Claims, own ...string) (*Token, error) {
	base, err := s.standing(ctx, c)
	if err != nil {
		return nil, err
	}
	if base.barred > c.Revision {
		return nil, refuse("the token was revoked")
	}
	t := *base
	t.Claims, t.text = c, &text{}
	t.keys = append(base.keys[:len(base.keys):len(base.keys)], chainKey(c.chain()), auditKey(c.AuditIDs[0]))
	if len(own) > 0 {
		dead, err := s.store.RevokedSince(ctx, s.db, c.Revision, own)
		if err != nil {
			return nil, err
		}
		if dead {
			return nil, refuse("the token was revoked")
		}
	}
	t.Principal = t.principal()
	return &t, nil
}

// standing derives all that does not depend on the single token: its times,
// audit ids and the moment of its proof.
func (s *Service) standing(ctx context.Context, c Claims) (*Token, error) {
	c.IssuedAt, c.ExpiresAt, c.AuditIDs, c.Revision = time.Time{}, time.Time{}, nil, 0
	said, err := msgpack.Marshal(&c)
	if err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	d := sha256.Sum256(append([]byte("standing\x00"), said...))
	if e := s.cache.get(d); e != nil && s.clock.Now().UnixMicro() < e.expiry {
		return e.token, nil
	}
	before := s.revision.Load()
	t := &Token{Claims: c, keys: []string{userKey(c.UserID)}}
	for _, step := range []func(context.Context, *Token) error{s.deriveScope, s.deriveUser, s.deriveAppCred, s.deriveAccess, s.deriveTrust, s.deriveRoles} {
		if err := step(ctx, t); err != nil {
			return nil, err
		}
	}
	if t.barred, err = s.store.NewestRevocation(ctx, s.db, t.keys); err != nil {
		return nil, err
	}
	e := &entry{token: t, expiry: math.MaxInt64, keys: t.keys}
	if !t.until.IsZero() {
		e.expiry = t.until.UnixMicro()
	}
	s.cache.put(d, e, func() bool { return s.revision.Load() == before })
	return t, nil
}

func (s *Service) deriveUser(ctx context.Context, t *Token) error {
	var err error
	t.User, t.UserDomain, err = s.enabledUser(ctx, t, t.UserID)
	t.bearer, t.bearerDomain, t.factors = t.User, t.UserDomain, s.factorRules(t.User.Options)
	return err
}

// enabledUser reads a user and its domain, which both must be enabled.
func (s *Service) enabledUser(ctx context.Context, t *Token, id string) (User, Project, error) {
	u, found, err := s.tables.Users.Get(ctx, s.db, id)
	if err != nil {
		return u, Project{}, err
	}
	if !found || !u.Enabled {
		return u, Project{}, refuse("user %s is disabled or gone", id)
	}
	if u.Source != SourceHere {
		if u, err = s.stillThere(ctx, t, u); err != nil {
			return u, Project{}, err
		}
	}
	domain, err := s.enabledDomain(ctx, t, u.DomainID)
	return u, domain, err
}

// enabledDomain reads a domain, unless the scope already brought it.
func (s *Service) enabledDomain(ctx context.Context, t *Token, id string) (Project, error) {
	if id == t.UserDomain.ID {
		return t.UserDomain, nil
	}
	if id == t.ProjectDomain.ID {
		return t.ProjectDomain, nil
	}
	if t.Domain != nil && id == t.Domain.ID {
		return *t.Domain, nil
	}
	t.keys = append(t.keys, domainKey(id))
	line, err := s.store.Ancestors(ctx, s.db, id)
	if err != nil {
		return Project{}, err
	}
	if len(line) == 0 || !line[0].IsDomain || !line[0].Enabled {
		return Project{}, refuse("domain %s is disabled or gone", id)
	}
	return line[0], nil
}

func (s *Service) deriveScope(ctx context.Context, t *Token) error {
	switch {
	case t.Scope.ProjectID != "":
		return s.deriveProject(ctx, t)
	case t.Scope.DomainID != "":
		d, err := s.enabledDomain(ctx, t, t.Scope.DomainID)
		if err != nil {
			return err
		}
		t.Domain, t.targets = &d, []string{d.ID}
	case t.Scope.System:
		t.targets = []string{systemTarget}
	}
	return nil
}

// deriveProject reads the project and all above it, since roles come down.
func (s *Service) deriveProject(ctx context.Context, t *Token) error {
	line, err := s.store.Ancestors(ctx, s.db, t.Scope.ProjectID)
	if err != nil {
		return err
	}
	t.keys = append(t.keys, projectKey(t.Scope.ProjectID))
	if len(line) == 0 || !line[0].Enabled {
		return refuse("project %s is disabled or gone", t.Scope.ProjectID)
	}
	for _, p := range line {
		t.targets = append(t.targets, p.ID)
		t.keys = append(t.keys, projectKey(p.ID))
	}
	t.Project, t.ProjectDomain = &line[0], line[len(line)-1]
	t.keys = append(t.keys, domainKey(t.ProjectDomain.ID))
	if !t.ProjectDomain.IsDomain || !t.ProjectDomain.Enabled {
		return refuse("domain %s is disabled or gone", t.ProjectDomain.ID)
	}
	return nil
}

func (s *Service) deriveAppCred(ctx context.Context, t *Token) error {
	if t.AppCredID == "" {
		return nil
	}
	t.keys = append(t.keys, appCredKey(t.AppCredID))
	a, found, err := s.tables.AppCreds.Get(ctx, s.db, t.AppCredID)
	if err != nil {
		return err
	}
	if !found || a.UserID != t.UserID || a.ProjectID != t.Scope.ProjectID {
		return refuse("application credential %s is gone", t.AppCredID)
	}
	if !a.ExpiresAt.IsZero() && !s.clock.Now().Before(a.ExpiresAt) {
		return refuse("application credential %s expired", t.AppCredID)
	}
	t.AppCred = &a
	t.holds(a.ExpiresAt)
	if len(a.RuleIDs) > 0 {
		t.AccessRules, err = s.tables.AccessRules.List(ctx, s.db, Match{Column: "id", Op: OpIn, Value: a.RuleIDs})
	}
	return err
}

// deriveRoles finds the roles of the scope. A scope without any is refused.
func (s *Service) deriveRoles(ctx context.Context, t *Token) error {
	if t.Unscoped() {
		return nil
	}
	actor := t.UserID
	if t.Trust != nil {
		actor = t.origin
	}
	groups, until, err := s.memberOf(ctx, s.db, actor)
	if err != nil {
		return err
	}
	t.holds(until)
	if t.Vouched != nil && actor == t.UserID {
		groups = append(groups, t.Vouched.GroupIDs...)
	}
	for _, g := range groups {
		t.keys = append(t.keys, groupKey(g))
	}
	ids, err := s.heldRoles(ctx, s.db, t, append(groups, actor))
	if err != nil {
		return err
	}
	table, err := s.roleTable(ctx)
	if err != nil {
		return err
	}
	held := table.closure(ids)
	if t.Trust != nil {
		lent := table.closure(t.Trust.RoleIDs)
		for _, id := range lent {
			if !slices.Contains(held, id) {
				return refuse("trust %s lends the role %s, which its trustor has no more", t.TrustID, id)
			}
		}
		held = lent
	}
	if t.Access != nil {
		agreed := table.closure(t.Access.RoleIDs)
		held = slices.DeleteFunc(held, func(id string) bool { return !slices.Contains(agreed, id) })
	}
	for _, id := range held {
		granted := t.AppCred == nil || slices.Contains(t.AppCred.RoleIDs, id)
		if r := table.roles[id]; granted && r.DomainID == "" { // a domain's role only bundles others
			t.Roles = append(t.Roles, r)
		}
	}
	if len(t.Roles) == 0 {
		return refuse("user %s has no role in the scope %+v", t.UserID, t.Scope)
	}
	return nil
}

// heldRoles answers the roles assigned in the scope, without what they imply.
func (s *Service) heldRoles(ctx context.Context, r db.Reader, t *Token, actors []string) ([]string, error) {
	rows, err := s.store.Assignments(ctx, r, Match{Column: "actor_id", Op: OpIn, Value: actors}, Match{Column: "target_id", Op: OpIn, Value: t.targets})
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, a := range rows {
		if holds(a, t.Scope) && !slices.Contains(ids, a.RoleID) {
			ids = append(ids, a.RoleID)
		}
	}
	return ids, nil
}

// systemTarget stands for the whole system where an id is stored.
const systemTarget = "system"

// holds tells whether an assignment on the scope or above it applies to it.
func holds(a Assignment, scope Scope) bool {
	switch {
	case scope.ProjectID != "":
		if a.TargetID == scope.ProjectID {
			return a.TargetKind == TargetProject && !a.Inherited
		}
		return a.Inherited && a.TargetKind != TargetSystem
	case scope.DomainID != "":
		return a.TargetKind == TargetDomain && !a.Inherited
	}
	return a.TargetKind == TargetSystem
}

func (t *Token) principal() *auth.Principal {
	p := &auth.Principal{
		UserID: t.User.ID, UserName: t.User.Name, UserDomainID: t.UserDomain.ID, UserDomainName: t.UserDomain.Name,
		System: t.Scope.System, Methods: t.Methods, AuditID: t.AuditIDs[0], ExpiresAt: t.ExpiresAt, IssuedAt: t.IssuedAt, AppCredID: t.AppCredID, AccessTokenID: t.AccessTokenID,
	}
	if t.Project != nil {
		p.ProjectID, p.ProjectName, p.ProjectDomainID, p.ProjectDomainName = t.Project.ID, t.Project.Name, t.ProjectDomain.ID, t.ProjectDomain.Name
	}
	if t.Domain != nil {
		p.DomainID, p.DomainName = t.Domain.ID, t.Domain.Name
	}
	if t.Vouched != nil {
		p.VouchedGroups = t.Vouched.GroupIDs
	}
	if t.Trust != nil {
		p.TrustID, p.TrustorID = t.Trust.ID, t.Trust.TrustorID
	}
	if t.AppCred != nil {
		p.AppCredRestricted = !t.AppCred.Unrestricted
		if len(t.AppCred.RuleIDs) > 0 { // not of the rules found: none left must allow nothing
			p.AccessRules = []auth.AccessRule{}
		}
		for _, r := range t.AccessRules {
			p.AccessRules = append(p.AccessRules, auth.AccessRule{Service: r.Service, Method: r.Method, Path: r.Path})
		}
	}
	for _, r := range t.Roles {
		p.Roles, p.RoleIDs = append(p.Roles, strings.ToLower(r.Name)), append(p.RoleIDs, r.ID)
	}
	return p
}

// roleTable is every role with what it implies, as both are few and asked for by
// every token.
type roleTable struct {
	roles   map[string]Role
	implied map[string][]string
}

func (s *Service) roleTable(ctx context.Context) (*roleTable, error) {
	s.memoMu.Lock()
	t := s.roles
	s.memoMu.Unlock()
	if t != nil {
		return t, nil
	}
	before := s.revision.Load()
	roles, err := s.tables.Roles.List(ctx, s.db)
	if err != nil {
		return nil, err
	}
	rules, err := s.store.Implications(ctx, s.db)
	if err != nil {
		return nil, err
	}
	t = &roleTable{roles: map[string]Role{}, implied: map[string][]string{}}
	for _, r := range roles {
		t.roles[r.ID] = r
	}
	for _, r := range rules {
		t.implied[r.PriorID] = append(t.implied[r.PriorID], r.ImpliedID)
	}
	s.memoMu.Lock()
	if s.revision.Load() == before {
		s.roles = t
	}
	s.memoMu.Unlock()
	return t, nil
}

// closure answers ids and all that they imply, sorted by name.
func (t *roleTable) closure(ids []string) []string {
	var out []string
	for queue := slices.Clone(ids); len(queue) > 0; queue = queue[1:] {
		if id := queue[0]; !slices.Contains(out, id) {
			out = append(out, id)
			queue = append(queue, t.implied[id]...)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return strings.Compare(t.roles[a].Name, t.roles[b].Name) })
	return out
}
