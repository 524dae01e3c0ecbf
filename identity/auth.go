package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"time"

	"altostack/kernel/fault"
)

// Ref names an object by id, or by name within a domain.
type Ref struct {
	ID, Name string
	Domain   *Ref // of a user or project named by name
}

// Proof is what a client shows to get a token: one or more methods.
type Proof struct {
	Methods  []string
	User     *Ref // password
	Password string
	Token    string
	AppCred  *Ref // by name: of AppUser
	AppUser  *Ref
	Secret   string
}

// Ask is the scope that a client wants.
type Ask struct {
	Given    bool // false: the default project, or unscoped
	Unscoped bool
	System   bool
	Project  *Ref
	Domain   *Ref
	TrustID  string
}

// Issue authenticates a client and answers its token. Everything wrong with the
// proof or the scope is fault auth.unauthenticated.
func (s *Service) Issue(ctx context.Context, p Proof, a Ask) (*Token, error) {
	start := s.clock.Now()
	t, err := s.issue(ctx, p, a)
	if err != nil {
		var r *refusal
		if errors.As(err, &r) {
			s.log.InfoContext(ctx, "authentication refused", "why", r.why, "methods", p.Methods)
		}
		return nil, unauthenticated(err)
	}
	if t.TrustID != "" {
		if err := s.useTrust(ctx, t.TrustID); err != nil {
			return nil, unauthenticated(err)
		}
	}
	s.timings.note(t.AuditIDs[0], start, s.clock.Now().Sub(start))
	return t, nil
}

func (s *Service) issue(ctx context.Context, p Proof, a Ask) (*Token, error) {
	if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	c := Claims{Revision: s.revision.Load()}
	for _, method := range p.Methods {
		var err error
		switch method {
		case "password":
			err = s.byPassword(ctx, p, &c)
		case "token":
			err = s.byToken(ctx, p, &c)
		case "application_credential":
			err = s.byAppCred(ctx, p, a, &c)
		default:
			err = refuse("method %q is not supported", method)
		}
		if err != nil {
			return nil, err
		}
		if !slices.Contains(c.Methods, method) {
			c.Methods = append(c.Methods, method)
		}
	}
	if c.UserID == "" {
		return nil, refuse("no method was given")
	}
	if err := s.chooseScope(ctx, a, &c); err != nil {
		return nil, err
	}
	return s.mint(ctx, c)
}

// mint gives claims their times and audit id and seals them, if they hold.
func (s *Service) mint(ctx context.Context, c Claims) (*Token, error) {
	c.IssuedAt = s.clock.Now().Truncate(time.Microsecond)
	if c.ExpiresAt.IsZero() {
		c.ExpiresAt = c.IssuedAt.Add(s.cfg.TokenLife).Truncate(time.Second)
	}
	c.AuditIDs = append([]string{newAuditID()}, c.AuditIDs...)
	before := s.revision.Load()
	t, err := s.derive(ctx, c)
	if err != nil {
		return nil, err
	}
	if t.ID, err = s.seal(c); err != nil {
		return nil, err
	}
	s.remember(sha256.Sum256([]byte(t.ID)), t, before)
	return t, nil
}

func newAuditID() string {
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		panic(err) // crypto/rand never fails
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// prove notes the user a method found; several methods must agree.
func (c *Claims) prove(userID string) error {
	if c.UserID != "" && c.UserID != userID {
		return refuse("the methods name different users")
	}
	c.UserID = userID
	return nil
}

func (s *Service) byPassword(ctx context.Context, p Proof, c *Claims) error {
	if p.User == nil {
		return refuse("no user was named")
	}
	u, found, err := s.userOf(ctx, *p.User)
	if err != nil {
		return err
	}
	// An unknown user costs the same time as a wrong password.
	same, err := s.hasher.matches(ctx, u.PasswordHash, p.Password)
	if err != nil {
		return err
	}
	switch {
	case !found || !same:
		return refuse("wrong user or password")
	case !u.PasswordExpiresAt.IsZero() && !s.clock.Now().Before(u.PasswordExpiresAt):
		return refuse("the password of user %s expired", u.ID)
	}
	return c.prove(u.ID)
}

// userOf finds the user a client names; found is false where anything on the
// way is missing.
func (s *Service) userOf(ctx context.Context, ref Ref) (u User, found bool, err error) {
	if ref.ID != "" {
		return s.tables.Users.Get(ctx, s.db, ref.ID)
	}
	if ref.Domain == nil {
		return u, false, fault.New(fault.CodeIdentityInvalid, "Expecting to find domain in user. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.").WithField("domain")
	}
	d, found, err := s.domainOf(ctx, *ref.Domain)
	if err != nil || !found {
		return u, false, err
	}
	rows, err := s.tables.Users.List(ctx, s.db, Is("domain_id", d.ID), Is("name", ref.Name))
	if err != nil || len(rows) == 0 {
		return u, false, err
	}
	return rows[0], true, nil
}

func (s *Service) domainOf(ctx context.Context, ref Ref) (d Project, found bool, err error) {
	match := Is("id", ref.ID)
	if ref.ID == "" {
		match = Is("name", ref.Name)
	}
	rows, err := s.tables.Projects.List(ctx, s.db, match, Is("is_domain", true))
	if err != nil || len(rows) == 0 {
		return d, false, err
	}
	return rows[0], true, nil
}

func (s *Service) byToken(ctx context.Context, p Proof, c *Claims) error {
	t, err := s.token(ctx, p.Token)
	if err != nil {
		return err
	}
	if err := c.prove(t.UserID); err != nil {
		return err
	}
	if t.TrustID != "" {
		return forbidden("You are not authorized to perform the requested action: Using trust-scoped token to create another token. Create a new trust-scoped token instead.")
	}
	// The new token is no younger than the old one where it counts: it lives no
	// longer, and dies with whatever would have killed the old one.
	c.Revision = min(c.Revision, t.Revision)
	c.ExpiresAt, c.AppCredID = t.ExpiresAt, t.AppCredID
	c.AuditIDs = []string{t.chain()}
	for _, m := range t.Methods {
		if !slices.Contains(c.Methods, m) {
			c.Methods = append(c.Methods, m)
		}
	}
	if t.AppCredID != "" { // an application credential acts in its project only
		c.Scope = t.Scope
	}
	return nil
}

func (s *Service) byAppCred(ctx context.Context, p Proof, a Ask, c *Claims) error {
	if a.Given {
		return fault.New(fault.CodeAuthUnauthenticated, "Application credentials cannot request a scope.")
	}
	cred, found, err := s.appCredOf(ctx, p)
	if err != nil {
		return err
	}
	same, err := s.hasher.matches(ctx, cred.SecretHash, p.Secret)
	if err != nil {
		return err
	}
	if !found || !same {
		return refuse("wrong application credential or secret")
	}
	c.AppCredID, c.Scope = cred.ID, Scope{ProjectID: cred.ProjectID}
	return c.prove(cred.UserID)
}

func (s *Service) appCredOf(ctx context.Context, p Proof) (a AppCred, found bool, err error) {
	switch {
	case p.AppCred == nil:
		return a, false, nil
	case p.AppCred.ID != "":
		return s.tables.AppCreds.Get(ctx, s.db, p.AppCred.ID)
	case p.AppUser == nil:
		return a, false, fault.New(fault.CodeIdentityInvalid, "Expecting to find user in application credential. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.").WithField("user")
	}
	u, found, err := s.userOf(ctx, *p.AppUser)
	if err != nil || !found {
		return a, false, err
	}
	rows, err := s.tables.AppCreds.List(ctx, s.db, Is("user_id", u.ID), Is("name", p.AppCred.Name))
	if err != nil || len(rows) == 0 {
		return a, false, err
	}
	return rows[0], true, nil
}

// chooseScope turns what was asked into ids. Whether the user may go there is
// decided by deriving.
func (s *Service) chooseScope(ctx context.Context, a Ask, c *Claims) error {
	if c.AppCredID != "" {
		if a.Given && (a.Project == nil || a.Project.ID != c.Scope.ProjectID) {
			return refuse("an application credential acts in its own project only")
		}
		return nil
	}
	switch {
	case a.TrustID != "":
		return s.chooseTrust(ctx, a.TrustID, c)
	case a.Project != nil:
		p, found, err := s.projectOf(ctx, *a.Project)
		if err != nil {
			return err
		}
		if !found {
			return refuse("no such project")
		}
		c.Scope = Scope{ProjectID: p.ID}
	case a.Domain != nil:
		d, found, err := s.domainOf(ctx, *a.Domain)
		if err != nil {
			return err
		}
		if !found {
			return refuse("no such domain")
		}
		c.Scope = Scope{DomainID: d.ID}
	case a.System:
		c.Scope = Scope{System: true}
	case !a.Given:
		return s.defaultScope(ctx, c)
	}
	return nil
}

func (s *Service) projectOf(ctx context.Context, ref Ref) (p Project, found bool, err error) {
	if ref.ID != "" {
		return s.tables.Projects.Get(ctx, s.db, ref.ID)
	}
	if ref.Domain == nil {
		return p, false, fault.New(fault.CodeIdentityInvalid, "Expecting to find domain in project. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.").WithField("domain")
	}
	d, found, err := s.domainOf(ctx, *ref.Domain)
	if err != nil || !found {
		return p, false, err
	}
	rows, err := s.tables.Projects.List(ctx, s.db, Is("domain_id", d.ID), Is("name", ref.Name))
	if err != nil || len(rows) == 0 {
		return p, false, err
	}
	return rows[0], true, nil
}

// defaultScope goes to the user's default project if it can, and is unscoped if
// it cannot.
func (s *Service) defaultScope(ctx context.Context, c *Claims) error {
	u, found, err := s.tables.Users.Get(ctx, s.db, c.UserID)
	if err != nil || !found || u.DefaultProjectID == "" {
		return err
	}
	try := *c
	try.Scope, try.AuditIDs, try.ExpiresAt = Scope{ProjectID: u.DefaultProjectID}, []string{""}, s.clock.Now().Add(time.Minute)
	_, err = s.derive(ctx, try)
	var r *refusal
	switch {
	case err == nil:
		c.Scope = try.Scope
	case errors.As(err, &r):
		return nil
	}
	return err
}
