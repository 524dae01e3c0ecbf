package identity_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"altostack/identity"
	"altostack/identity/identitytest"
	"altostack/identity/signing"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/policy"
	"altostack/kernel/rest"
)

// world is a few users and projects on a cloud, and the tokens that came of what
// they lent each other.
type world struct {
	t        *rapid.T
	c        *identitytest.Cloud
	rules    auth.Enforcer
	users    []string
	projects []string
	roles    map[string]string // id → name
	roleIDs  []string
	held     map[string]map[string][]string // user → project → roles, with what they imply
	tokens   []lent
	made     int
}

// lent is a token, and what it must never do more than.
type lent struct {
	id      string
	how     string
	ceiling *auth.Principal // nil: whatever its user may anywhere
}

var sys = auth.System("test")

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func newWorld(t *rapid.T, c *identitytest.Cloud, rules auth.Enforcer) *world {
	w := &world{t: t, c: c, rules: rules, roles: map[string]string{}, held: map[string]map[string][]string{}}
	all, _, err := c.Service.Roles(t.Context(), sys, identity.List{})
	w.must(err)
	for _, r := range all {
		if slices.Contains([]string{"manager", "member", "reader"}, r.Name) {
			w.roles[r.ID], w.roleIDs = r.Name, append(w.roleIDs, r.ID)
		}
	}
	slices.SortFunc(w.roleIDs, func(a, b string) int { return len(w.roles[a]) - len(w.roles[b]) })
	for i := range 3 {
		p, err := c.Service.CreateProject(t.Context(), sys, identity.Attrs{"name": fmt.Sprint(w.unique(), i), "domain_id": identity.DefaultDomainID})
		w.must(err)
		w.projects = append(w.projects, p.ID)
	}
	for i := range 3 {
		u, err := c.Service.CreateUser(t.Context(), sys, identity.Attrs{"name": fmt.Sprint(w.unique(), i), "domain_id": identity.DefaultDomainID, "password": "p"})
		w.must(err)
		w.users, w.held[u.ID] = append(w.users, u.ID), map[string][]string{}
		for _, p := range w.projects {
			if rapid.Bool().Draw(t, "has a role") {
				w.grant(u.ID, p, rapid.SampledFrom(w.roleIDs).Draw(t, "role"))
			}
		}
	}
	return w
}

var worlds int

func (w *world) unique() string { worlds++; return fmt.Sprint("w", worlds, "-") }

func (w *world) grant(user, project, role string) {
	w.must(w.c.Service.Grant(w.t.Context(), sys, identity.Assignment{ActorKind: identity.ActorUser, ActorID: user, TargetKind: identity.TargetProject, TargetID: project, RoleID: role}))
	implied := map[string][]string{"manager": {"manager", "member", "reader"}, "member": {"member", "reader"}, "reader": {"reader"}}
	w.held[user][project] = implied[w.roles[role]]
}

// scope is what a token may ask of a route: the real rules decide.
func (w *world) scope(p *auth.Principal, rule string) auth.Scope {
	s, err := auth.NewScope(w.rules, p, "")
	w.must(err)
	s.Rule = rule
	return s
}

// add checks a new token against what it came from and keeps it.
func (w *world) add(how string, token string, from lent, bearer *auth.Principal, ceiling *auth.Principal) {
	p, err := w.c.Service.Validate(w.t.Context(), token)
	w.must(err)
	w.within(how, p, from, bearer, ceiling)
	w.tokens = append(w.tokens, lent{token, how, ceiling})
}

// within fails the test where p may do more than the bearer of the token that it
// came from could.
func (w *world) within(how string, p *auth.Principal, from lent, bearer, ceiling *auth.Principal) {
	w.t.Helper()
	where := fmt.Sprintf("%s, from %s:\n  %+v\nfrom\n  %+v", how, from.how, *p, *bearer)
	owner := p.UserID
	if p.TrustID != "" { // the rights are the first lender's, whoever acts by them
		if owner = ""; how == "trust" && bearer.TrustID == "" {
			owner = bearer.UserID
		}
	}
	if owner != "" && p.ProjectID != "" {
		for _, role := range p.Roles {
			if !slices.Contains(w.held[owner][p.ProjectID], role) {
				w.t.Fatalf("user %s has no role %s in project %s: %s", owner, role, p.ProjectID, where)
			}
		}
	}
	if ceiling == nil {
		return
	}
	if p.ProjectID != ceiling.ProjectID || p.System || p.DomainID != "" {
		w.t.Fatalf("another scope: %s", where)
	}
	for _, role := range p.Roles {
		if !slices.Contains(ceiling.Roles, role) {
			w.t.Fatalf("the role %s is new: %s", role, where)
		}
	}
	if ceiling.AccessRules == nil {
		return
	}
	if p.AccessRules == nil {
		w.t.Fatalf("no access rules any more: %s", where)
	}
	for _, r := range p.AccessRules {
		if !slices.Contains(ceiling.AccessRules, r) {
			w.t.Fatalf("the access rule %+v is new: %s", r, where)
		}
	}
}

// next is what is made from a token: nothing beyond it, if it was lent itself.
func ceilingOf(p *auth.Principal) *auth.Principal {
	if p.Delegated() {
		return p
	}
	return nil
}

func (w *world) some(label string) []identity.Ref {
	var out []identity.Ref
	for _, id := range w.roleIDs {
		if rapid.Bool().Draw(w.t, label) {
			out = append(out, identity.Ref{ID: id})
		}
	}
	return out
}

// mostly is what makes sense, but now and then anything.
func (w *world) mostly(sensible string, all []string, label string) string {
	if rapid.IntRange(0, 5).Draw(w.t, label+" sensible") > 0 && sensible != "" {
		return sensible
	}
	return rapid.SampledFrom(all).Draw(w.t, label)
}

func (w *world) password() {
	user := rapid.SampledFrom(w.users).Draw(w.t, "user")
	project := rapid.SampledFrom(w.projects).Draw(w.t, "project")
	tok, err := w.c.Service.Issue(w.t.Context(), identity.Proof{Methods: []string{"password"}, User: &identity.Ref{ID: user}, Password: "p"}, identity.Ask{Given: true, Project: &identity.Ref{ID: project}})
	if got, want := err == nil, len(w.held[user][project]) > 0; got != want {
		w.t.Fatalf("a token by password: %v with roles %v", err, w.held[user][project])
	}
	if err == nil {
		w.tokens = append(w.tokens, lent{id: tok.ID, how: "password"})
	}
}

func (w *world) draw() (lent, *auth.Principal) {
	from := rapid.SampledFrom(w.tokens[max(0, len(w.tokens)-4):]).Draw(w.t, "token") // chains grow from their ends
	p, err := w.c.Service.Validate(w.t.Context(), from.id)
	if err != nil {
		return from, nil
	}
	return from, p
}

func (w *world) rescope(from lent, p *auth.Principal) {
	ask := identity.Ask{Given: rapid.Bool().Draw(w.t, "scope asked")}
	if ask.Given {
		switch rapid.IntRange(0, 3).Draw(w.t, "which scope") {
		case 0:
			ask.Project = &identity.Ref{ID: rapid.SampledFrom(w.projects).Draw(w.t, "project")}
		case 1:
			ask.Domain = &identity.Ref{ID: identity.DefaultDomainID}
		case 2:
			ask.System = true
		case 3:
			ask.Unscoped = true
		}
	}
	tok, err := w.c.Service.Issue(w.t.Context(), identity.Proof{Methods: []string{"token"}, Token: from.id}, ask)
	if err == nil {
		w.add("rescoping", tok.ID, from, p, ceilingOf(p))
	}
}

func (w *world) appCred(from lent, p *auth.Principal) {
	w.made++
	n := identity.NewAppCred{Name: fmt.Sprint("n", w.made), Secret: "s", Roles: w.some("lent"), Unrestricted: rapid.Bool().Draw(w.t, "unrestricted"), HasRules: rapid.Bool().Draw(w.t, "has rules")}
	if n.HasRules {
		for _, path := range []string{"/a", "/b"} {
			if rapid.Bool().Draw(w.t, "rule") {
				n.Rules = append(n.Rules, identity.AccessRule{Service: "compute", Method: "GET", Path: path})
			}
		}
	}
	owner := w.mostly(p.UserID, w.users, "owner")
	v, err := w.c.Service.CreateAppCred(w.t.Context(), w.scope(p, "identity:create_application_credential"), owner, n)
	if err != nil {
		return
	}
	tok, err := w.c.Service.Issue(w.t.Context(), identity.Proof{Methods: []string{"application_credential"}, AppCred: &identity.Ref{ID: v.ID}, Secret: v.Secret}, identity.Ask{})
	w.must(err)
	ceiling := p // in its project, whoever makes it
	w.add("application credential", tok.ID, from, p, ceiling)
}

func (w *world) trust(from lent, p *auth.Principal) {
	trustee := rapid.SampledFrom(w.users).Draw(w.t, "trustee")
	n := identity.NewTrust{Trust: identity.Trust{TrustorID: w.mostly(p.UserID, w.users, "trustor"), TrusteeID: trustee, ProjectID: w.mostly(p.ProjectID, w.projects, "project"), RemainingUses: identity.AnyUses,
		Impersonation: rapid.Bool().Draw(w.t, "impersonation"), RedelegationCount: int64(rapid.IntRange(0, 3).Draw(w.t, "redelegation"))}, Roles: w.some("lent")}
	n.AllowRedelegation, n.CountGiven = n.RedelegationCount > 0, true
	if p.TrustID != "" && n.AllowRedelegation {
		n.CountGiven = false
	}
	v, err := w.c.Service.CreateTrust(w.t.Context(), w.scope(p, "identity:create_trust"), n)
	if err != nil {
		return
	}
	tok, err := w.c.Service.Issue(w.t.Context(), identity.Proof{Methods: []string{"password"}, User: &identity.Ref{ID: trustee}, Password: "p"}, identity.Ask{Given: true, TrustID: v.ID})
	if err != nil { // somebody of the chain may have lost what is lent
		if !fault.Has(err, fault.CodeAuthUnauthenticated) {
			w.t.Fatal(err)
		}
		return
	}
	w.add("trust", tok.ID, from, p, ceilingOf(p))
}

// keys makes a key pair, by either way, or takes those that can be seen.
func (w *world) keys(from lent, p *auth.Principal) {
	ctx, user := w.t.Context(), w.mostly(p.UserID, w.users, "user")
	project := w.mostly(p.ProjectID, w.projects, "project")
	pairs, _ := w.c.Service.EC2Pairs(ctx, w.scope(p, "identity:ec2_list_credentials"), user)
	made := -1
	if rapid.Bool().Draw(w.t, "by its own call") {
		if pair, err := w.c.Service.CreateEC2Pair(ctx, w.scope(p, "identity:ec2_create_credential"), user, project); err == nil {
			made, pairs = len(pairs), append(pairs, pair)
		}
	} else {
		w.made++
		access := fmt.Sprint(w.unique(), w.made)
		blob := fmt.Sprintf(`{"access":%q,"secret":"s"%s}`, access, rapid.SampledFrom([]string{"", `,"app_cred_id":""`, `,"trust_id":null`}).Draw(w.t, "binding"))
		kind := rapid.SampledFrom([]string{"ec2", "EC2"}).Draw(w.t, "type")
		_, err := w.c.Service.CreateCredential(ctx, w.scope(p, "identity:create_credential"), identity.Attrs{"type": kind, "user_id": user, "project_id": project, "blob": blob})
		if err == nil && kind == "ec2" {
			made, pairs = len(pairs), append(pairs, identity.EC2Pair{UserID: user, ProjectID: project, Access: access, Secret: "s"})
		}
	}
	for i, pair := range pairs {
		how := "a key pair that was there"
		if i == made {
			how = "a key pair"
		}
		tok, err := w.c.Service.IssueS3(ctx, pair.Access, []byte("GET"), sign1("GET", pair.Secret))
		_, who, errKey := w.c.Service.S3Key(ctx, pair.Access)
		if (err == nil) != (errKey == nil) {
			w.t.Fatalf("%s: a token %v, a key %v", how, err, errKey)
		}
		if err == nil {
			w.within(how, who, from, p, ceilingOf(p))
			w.add(how, tok.ID, from, p, ceilingOf(p))
		}
	}
}

// oauth lets a program act for the bearer.
func (w *world) oauth(from lent, p *auth.Principal) {
	ctx, roles := w.t.Context(), w.some("lent")
	program, err := w.c.Service.CreateConsumer(ctx, sys, identity.Attrs{})
	w.must(err)
	signed := func(token, secret, verifier string) signing.OAuth {
		w.made++
		r := signing.OAuth{Method: "POST", URL: "http://x", Params: map[string]string{"oauth_consumer_key": program.ID, "oauth_token": token, "oauth_verifier": verifier,
			"oauth_signature_method": "HMAC-SHA256", "oauth_nonce": fmt.Sprint(w.made), "oauth_timestamp": fmt.Sprint(w.c.Clock.Now().Unix())}}
		r.Params["oauth_signature"] = r.Sign(program.Secret, secret)
		return r
	}
	asked, err := w.c.Service.RequestOAuth(ctx, signed("", "", ""), w.mostly(p.ProjectID, w.projects, "project"))
	w.must(err)
	scope := sys // whoever the rules let agree
	scope.Principal = p
	verifier, err := w.c.Service.AuthorizeOAuth(ctx, scope, asked.ID, roles)
	if err != nil {
		return
	}
	access, err := w.c.Service.GrantOAuth(ctx, signed(asked.ID, asked.Secret, verifier))
	w.must(err)
	proof := signed(access.ID, access.Secret, "")
	tok, err := w.c.Service.Issue(ctx, identity.Proof{Methods: []string{"oauth1"}, OAuth: &proof}, identity.Ask{})
	if err == nil {
		w.add("OAuth", tok.ID, from, p, ceilingOf(p))
	}
}

// secrets tries to leave a proof of the user behind.
func (w *world) secrets(from lent, p *auth.Principal) {
	_, err := w.c.Service.CreateCredential(w.t.Context(), w.scope(p, "identity:create_credential"), identity.Attrs{"type": rapid.SampledFrom([]string{"totp", "TOTP"}).Draw(w.t, "type"), "user_id": p.UserID, "project_id": p.ProjectID, "blob": totpSecret})
	if err == nil && p.Delegated() {
		w.t.Fatalf("a one-time password made by %s: %+v", from.how, *p)
	}
}

// lose takes a role away; whatever leaned on it is checked at the next step.
func (w *world) lose() {
	user, project := rapid.SampledFrom(w.users).Draw(w.t, "user"), rapid.SampledFrom(w.projects).Draw(w.t, "project")
	for _, role := range w.roleIDs {
		err := w.c.Service.Revoke(w.t.Context(), sys, identity.Assignment{ActorKind: identity.ActorUser, ActorID: user, TargetKind: identity.TargetProject, TargetID: project, RoleID: role})
		if err != nil && !fault.Has(err, fault.CodeIdentityNotFound) {
			w.t.Fatal(err)
		}
	}
	delete(w.held[user], project)
}

// check asks every token again what it may do.
func (w *world) check() {
	for _, l := range w.tokens {
		p, err := w.c.Service.Validate(w.t.Context(), l.id)
		if err != nil {
			continue
		}
		if p.TrustID == "" && p.ProjectID != "" {
			for _, role := range p.Roles {
				if !slices.Contains(w.held[p.UserID][p.ProjectID], role) {
					w.t.Fatalf("%s still has the role %s: %+v", l.how, role, *p)
				}
			}
		}
		if l.ceiling != nil {
			w.within(l.how+" later", p, l, l.ceiling, l.ceiling)
		}
	}
}

// However rights are lent on, what comes of it never exceeds what it came from.
func TestDelegationNeverWidens(t *testing.T) {
	c := identitytest.New(t)
	engine, err := policy.Service("keystone", nil)
	must(t, err)
	rules := rest.PolicyOf("keystone", engine)
	seen := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(rt, c, rules)
		for range rapid.IntRange(10, 50).Draw(rt, "steps") {
			if rapid.IntRange(0, 9).Draw(rt, "anew") == 0 || len(w.tokens) == 0 {
				w.password()
				continue
			}
			if rapid.IntRange(0, 20).Draw(rt, "lose") == 0 {
				w.lose()
				w.check()
				continue
			}
			from, p := w.draw()
			if p == nil {
				continue
			}
			steps := []func(lent, *auth.Principal){w.rescope, w.appCred, w.trust, w.keys, w.oauth, w.secrets}
			rapid.SampledFrom(steps).Draw(rt, "step")(from, p)
		}
		w.check()
		for _, l := range w.tokens {
			seen[l.how]++
		}
	})
	for _, how := range []string{"rescoping", "application credential", "trust", "OAuth", "a key pair", "a key pair that was there"} {
		if seen[how] == 0 {
			t.Errorf("nothing came of %s", how)
		}
	}
	t.Log(seen)
}
