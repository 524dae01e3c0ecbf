package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"altostack/identity/mapping"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// Asserted is what a provider said of a user, which whoever calls has verified.
type Asserted struct {
	ProviderID, ProtocolID string
	Attributes             mapping.Assertion
}

// methodOf is the method that a token of a protocol names.
func methodOf(protocol string) string {
	if protocol == "openid" {
		return protocol
	}
	return "mapped"
}

// IssueAsserted answers an unscoped token for whom the mapping of the protocol
// finds in the assertion.
func (s *Service) IssueAsserted(ctx context.Context, a Asserted) (*Token, error) {
	return s.Issue(ctx, Proof{Methods: []string{methodOf(a.ProtocolID)}, Asserted: &a}, Ask{Given: true, Unscoped: true})
}

// byAssertion takes a provider's word for who the client is.
func (s *Service) byAssertion(ctx context.Context, p Proof, _ Ask, c *Claims) error {
	if p.Asserted == nil {
		return refuse("nobody vouches for the client")
	}
	provider, protocol, rules, err := s.spoken(ctx, *p.Asserted)
	if err != nil {
		return err
	}
	if err := accepted(provider, protocol, p.Asserted.Attributes); err != nil {
		return err
	}
	who, err := rules.Apply(p.Asserted.Attributes)
	var refused *mapping.Refused
	if errors.As(err, &refused) {
		return refuse("mapping %s of provider %s: %s", protocol.MappingID, provider.ID, refused.Why)
	}
	if err != nil {
		return err
	}
	if who.User.Type == mapping.Local {
		return s.proveLocal(ctx, who.User, c)
	}
	return s.shadow(ctx, provider, protocol, who, c)
}

// CheckProvider answers the protocol of an enabled provider.
func (s *Service) CheckProvider(ctx context.Context, providerID, protocolID string) error {
	_, _, _, err := s.spoken(ctx, Asserted{ProviderID: providerID, ProtocolID: protocolID})
	return err
}

// spoken reads by what a provider's word is judged. A provider that is not there
// or not enabled is told apart, as Keystone does: no secret hangs on it.
func (s *Service) spoken(ctx context.Context, a Asserted) (p IdentityProvider, protocol Protocol, rules *mapping.Mapping, err error) {
	p, found, err := s.tables.IdentityProviders.Get(ctx, s.db, a.ProviderID)
	switch {
	case err != nil:
		return p, protocol, nil, err
	case !found:
		return p, protocol, nil, notFound("Identity Provider", a.ProviderID)
	case !p.Enabled:
		return p, protocol, nil, forbidden("Identity Provider %s is disabled", p.ID)
	}
	protocol, found, err = s.tables.Protocols.Get(ctx, s.db, protocolRef(a.ProviderID, a.ProtocolID))
	if err == nil && !found {
		err = protocolNotFound(a.ProviderID, a.ProtocolID)
	}
	if err != nil {
		return p, protocol, nil, err
	}
	m, found, err := s.tables.Mappings.Get(ctx, s.db, protocol.MappingID)
	if err == nil && !found {
		err = notFound("mapping", protocol.MappingID)
	}
	if err != nil {
		return p, protocol, nil, err
	}
	rules, err = m.parsed()
	return p, protocol, rules, err
}

// issuerAttribute holds the issuer of an OpenID provider's tokens.
const issuerAttribute = "HTTP_OIDC_ISS"

// accepted looks whether the assertion comes from one of the provider's remote ids.
func accepted(p IdentityProvider, protocol Protocol, a mapping.Assertion) error {
	if len(p.RemoteIDs) == 0 {
		return nil
	}
	attribute := protocol.RemoteIDAttribute
	if attribute == "" {
		attribute = issuerAttribute
	}
	got := a[attribute]
	if len(got) == 0 {
		return refuse("the assertion has no attribute %s with the provider's identifier", attribute)
	}
	if len(got) != 1 || !slices.Contains(p.RemoteIDs, got[0]) {
		return forbidden("Incoming identity provider identifier not included among the accepted identifiers.")
	}
	return nil
}

// domainNamed finds the domain that a mapping names; the zero Domain is other.
func (s *Service) domainNamed(ctx context.Context, d mapping.Domain, other string) (string, bool, error) {
	if d == (mapping.Domain{}) {
		return other, true, nil
	}
	found, has, err := s.domainOf(ctx, Ref{ID: d.ID, Name: d.Name})
	return found.ID, has, err
}

// proveLocal finds the user of this cloud that a mapping says the stranger is.
func (s *Service) proveLocal(ctx context.Context, who mapping.User, c *Claims) error {
	domain, found, err := s.domainNamed(ctx, who.Domain, "")
	if err != nil {
		return err
	}
	if !found || (who.ID == "" && (who.Name == "" || domain == "")) {
		return refuse("the mapping names no local user")
	}
	u, found, err := s.userOf(ctx, Ref{ID: who.ID, Name: who.Name, Domain: &Ref{ID: domain}})
	if err != nil {
		return err
	}
	if !found || u.Source == SourceFederated || (domain != "" && u.DomainID != domain) {
		return refuse("the mapping names a local user that is not there")
	}
	return c.prove(u.ID)
}

// plain tells whether a text may become a name here.
func plain(s string) bool {
	return s != "" && len(s) <= 255 && strings.TrimSpace(s) != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// shadow finds or makes the user who stands for the stranger, and what the mapping
// gives it.
func (s *Service) shadow(ctx context.Context, p IdentityProvider, protocol Protocol, who mapping.Identity, c *Claims) error {
	name, unique := who.User.Name, who.User.ID
	if name == "" {
		name = unique
	}
	if unique == "" {
		unique = name
	}
	if !plain(name) || !plain(unique) {
		return refuse("the mapping of provider %s yields no name or id that a user can have", p.ID)
	}
	domain, found, err := s.domainNamed(ctx, who.User.Domain, p.DomainID)
	if err != nil {
		return err
	}
	if !found {
		return refuse("the mapping of provider %s names a domain that is not there", p.ID)
	}
	groups, err := s.mappedGroups(ctx, who)
	if err != nil {
		return err
	}
	projects, err := s.mappedProjects(ctx, p, who, domain)
	if err != nil {
		return err
	}
	f := FederatedUser{ProviderID: p.ID, ProtocolID: protocol.ID, UniqueID: strings.ReplaceAll(url.PathEscape(unique), "%2F", "/")}
	err = s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		u, err := s.shadowUser(ctx, tx, e, f, User{Name: name, DomainID: domain, Enabled: true, Source: SourceFederated}, who.User.Email)
		if err != nil {
			return err
		}
		f.UserID = u.ID
		if err := s.keepMembership(ctx, tx, e, p, u.ID, groups); err != nil {
			return err
		}
		return s.provision(ctx, tx, e, u.ID, projects, who.Sync)
	})
	if err != nil {
		return err
	}
	c.Vouched = &Vouched{ProviderID: p.ID, ProtocolID: protocol.ID, GroupIDs: groups}
	return c.prove(f.UserID)
}

// shadowID is the id of a provider's user: always the same, and none that a user
// of this cloud or of a directory could have.
func shadowID(domain string, f FederatedUser) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{"federated user", domain, f.ProviderID, f.ProtocolID, f.UniqueID}, Separator)))
	return hex.EncodeToString(sum[:])
}

func (s *Service) shadowUser(ctx context.Context, tx *db.Tx, e *effects, f FederatedUser, made User, email string) (User, error) {
	known, found, err := s.tables.FederatedUsers.Get(ctx, tx, f.ProviderID+Separator+f.ProtocolID+Separator+f.UniqueID)
	if err != nil {
		return made, err
	}
	if email != "" {
		made.Extra = Extra{"email": email}
	}
	if !found {
		made.ID = shadowID(made.DomainID, f)
		f.UserID = made.ID
		if err := s.tables.Users.Insert(ctx, tx, made); err != nil {
			return made, err
		}
		return made, s.tables.FederatedUsers.Insert(ctx, tx, f)
	}
	u, _, err := s.tables.Users.Get(ctx, tx, known.UserID)
	if err != nil || u.Source != SourceFederated || (u.Name == made.Name && u.Extra["email"] == made.Extra["email"]) {
		return u, err
	}
	u.Name = made.Name
	if email != "" {
		extra := Extra{}
		for k, v := range u.Extra {
			extra[k] = v
		}
		extra["email"], u.Extra = email, extra
	}
	e.touched(userKey(u.ID))
	return u, s.tables.Users.Save(ctx, tx, u)
}

// mappedGroups answers the ids of the groups that a mapping gives. One named by id
// must be there; one named by name that is not there is none.
func (s *Service) mappedGroups(ctx context.Context, who mapping.Identity) ([]string, error) {
	var out []string
	if len(who.GroupIDs) > 0 {
		rows, err := s.tables.Groups.List(ctx, s.db, Match{Column: "id", Op: OpIn, Value: who.GroupIDs})
		if err != nil {
			return nil, err
		}
		if len(rows) != len(who.GroupIDs) {
			return nil, refuse("the mapping names a group that is not there")
		}
		out = slices.Clone(who.GroupIDs)
	}
	for _, g := range who.Groups {
		domain, found, err := s.domainNamed(ctx, g.Domain, "")
		if err != nil {
			return nil, err
		}
		if !found || domain == "" {
			continue
		}
		rows, err := s.tables.Groups.List(ctx, s.db, Is("domain_id", domain), Match{Column: "name", Op: OpNamed, Value: g.Name})
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if !slices.Contains(out, row.ID) && row.Source != SourceGone {
				out = append(out, row.ID)
			}
		}
	}
	if slices.Sort(out); len(out) > maxVouched {
		return nil, refuse("the mapping yields %d groups, and a token holds %d", len(out), maxVouched)
	}
	return out, nil
}

// maxVouched bounds the groups in a token, which must fit into a header.
const maxVouched = 150

// keepMembership notes for how long the groups hold beyond the token, where the
// provider says so.
func (s *Service) keepMembership(ctx context.Context, tx *db.Tx, e *effects, p IdentityProvider, userID string, groups []string) error {
	ttl := time.Duration(p.AuthorizationTTL) * time.Minute
	if p.AuthorizationTTL < 0 {
		ttl = s.cfg.AuthorizationTTL
	}
	old, err := s.tables.FederatedMembers.List(ctx, tx, Is("user_id", userID), Is("idp_id", p.ID))
	if err != nil || (len(old) == 0 && (ttl == 0 || len(groups) == 0)) {
		return err
	}
	if _, err := s.tables.FederatedMembers.Remove(ctx, tx, Is("user_id", userID), Is("idp_id", p.ID)); err != nil {
		return err
	}
	e.touched(userKey(userID))
	if ttl == 0 {
		return nil
	}
	for _, g := range groups {
		m := FederatedMember{UserID: userID, GroupID: g, ProviderID: p.ID, ExpiresAt: s.clock.Now().Add(ttl)}
		if err := s.tables.FederatedMembers.Insert(ctx, tx, m); err != nil {
			return err
		}
	}
	return nil
}

// memberOf answers a user's groups, and until when the answer holds at most; zero
// is for good.
func (s *Service) memberOf(ctx context.Context, r db.Reader, userID string) (ids []string, until time.Time, err error) {
	if ids, err = s.store.GroupsOf(ctx, r, userID); err != nil {
		return nil, until, err
	}
	now := s.clock.Now()
	vouched, err := s.tables.FederatedMembers.List(ctx, r, Is("user_id", userID), Match{Column: "expires_at", Op: OpAfter, Value: db.Micros(now)})
	for _, m := range vouched {
		if !slices.Contains(ids, m.GroupID) {
			ids = append(ids, m.GroupID)
		}
		if until.IsZero() || m.ExpiresAt.Before(until) {
			until = m.ExpiresAt
		}
	}
	return ids, until, err
}

// stillVouched refuses users whom no enabled provider knows, or not the one that a
// token names.
func (s *Service) stillVouched(ctx context.Context, t *Token, u User) error {
	var ids []string
	for _, f := range u.Federated {
		v := t.Vouched
		if v == nil || u.ID != t.UserID || (f.ProviderID == v.ProviderID && f.ProtocolID == v.ProtocolID) {
			ids = append(ids, f.ProviderID)
			t.keys = append(t.keys, providerKey(f.ProviderID))
		}
	}
	rows, err := s.tables.IdentityProviders.List(ctx, s.db, Match{Column: "id", Op: OpIn, Value: ids}, Is("enabled", true))
	if err == nil && len(rows) == 0 {
		err = refuse("no identity provider vouches for user %s any more", u.ID)
	}
	return err
}

// rolesNeeded is a project with the ids of roles that a mapping gives in it.
type rolesNeeded struct {
	name, domain string
	roleIDs      []string
}

// mappedProjects turns a mapping's projects and roles into ids. All roles must be
// there before anything is made.
func (s *Service) mappedProjects(ctx context.Context, p IdentityProvider, who mapping.Identity, userDomain string) ([]rolesNeeded, error) {
	if len(who.Projects) == 0 {
		return nil, nil
	}
	table, err := s.roleTable(ctx)
	if err != nil {
		return nil, err
	}
	var out []rolesNeeded
	for _, wanted := range who.Projects {
		domain, found, err := s.domainNamed(ctx, wanted.Domain, p.DomainID)
		if err != nil {
			return nil, err
		}
		if !found || !plain(wanted.Name) || len(wanted.Name) > 64 {
			return nil, refuse("the mapping of provider %s names a project that cannot be", p.ID)
		}
		n := rolesNeeded{name: wanted.Name, domain: domain}
		for _, name := range wanted.Roles {
			id := table.named(name, userDomain)
			if id == "" {
				return nil, fault.New(fault.CodeIdentityNotFound, "Could not find role: %s.", name)
			}
			n.roleIDs = append(n.roleIDs, id)
		}
		out = append(out, n)
	}
	return out, nil
}

// named finds a role by name: of the whole cloud, or of the domain.
func (t *roleTable) named(name, domain string) string {
	found := ""
	for id, r := range t.roles {
		if r.Name == name && (r.DomainID == "" || (r.DomainID == domain && found == "")) {
			found = id
		}
	}
	return found
}

// provision makes the projects that are not there and gives the user its roles;
// with sync it takes away those in projects that the mapping does not give.
func (s *Service) provision(ctx context.Context, tx *db.Tx, e *effects, userID string, projects []rolesNeeded, sync bool) error {
	if len(projects) == 0 && !sync {
		return nil
	}
	has, err := s.store.Assignments(ctx, tx, Is("actor_id", userID), Is("target_kind", TargetProject), Is("inherited", false))
	if err != nil {
		return err
	}
	wanted := map[Assignment]bool{}
	for _, p := range projects {
		id, err := s.provisionProject(ctx, tx, p)
		if err != nil {
			return err
		}
		for _, role := range p.roleIDs {
			wanted[Assignment{ActorKind: ActorUser, ActorID: userID, TargetKind: TargetProject, TargetID: id, RoleID: role}] = true
		}
	}
	for _, a := range has {
		if wanted[a] || !sync {
			delete(wanted, a)
			continue
		}
		e.touched(userKey(userID))
		if _, err := s.store.RemoveAssignments(ctx, tx, exactly(a)...); err != nil {
			return err
		}
		if err := s.dropAppCreds(ctx, tx, e, a); err != nil {
			return err
		}
	}
	for a := range wanted {
		e.touched(userKey(userID))
		if err := s.store.AddAssignment(ctx, tx, a); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) provisionProject(ctx context.Context, tx *db.Tx, n rolesNeeded) (string, error) {
	rows, err := s.tables.Projects.List(ctx, tx, Is("domain_id", n.domain), Is("name", n.name))
	if err != nil {
		return "", err
	}
	if len(rows) > 0 {
		return rows[0].ID, nil
	}
	p := Project{ID: s.ids.Hex(), Name: n.name, DomainID: n.domain, ParentID: n.domain, Enabled: true}
	if err := s.checkPlace(ctx, tx, p); err != nil {
		return "", err
	}
	return p.ID, s.tables.Projects.Insert(ctx, tx, p)
}

// vouchedGroups are the groups that the bearer's token is vouched for.
func vouchedGroups(p *auth.Principal) []string {
	if p == nil {
		return nil
	}
	return p.VouchedGroups
}
