package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"altostack/identity/signing"
	"altostack/kernel/auth"
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
	TOTPUser *Ref
	Passcode string
	OAuth    *signing.OAuth // oauth1: the request itself
	Receipt  string         // of methods shown before
	Asserted *Asserted      // mapped, openid: never from a request body
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
// proof or the scope is fault auth.unauthenticated; where the user's rules ask for
// more methods than were shown, the error is [*Insufficient].
func (s *Service) Issue(ctx context.Context, p Proof, a Ask) (*Token, error) {
	start := s.clock.Now()
	ctx, at := auth.Attempted(ctx)
	at.Proving, at.Methods = true, p.Methods
	t, err := s.issue(ctx, p, a)
	if err != nil {
		return nil, s.turnedAway(ctx, at, p, err)
	}
	if t.TrustID != "" {
		if err := s.useTrust(ctx, t.TrustID); err != nil {
			return nil, unauthenticated(err)
		}
	}
	at.UserID, at.UserName, at.DomainID, at.DomainName = t.User.ID, t.User.Name, t.User.DomainID, t.UserDomain.Name
	at.ProjectID, at.AuditID = t.Scope.ProjectID, t.AuditIDs[0]
	s.timings.note(t.AuditIDs[0], start, s.clock.Now().Sub(start))
	return t, nil
}

func (s *Service) issue(ctx context.Context, p Proof, a Ask) (*Token, error) {
	if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	c, err := s.authenticate(ctx, p, a)
	if err != nil {
		return nil, err
	}
	if err := s.needActive(ctx, c.UserID); err != nil {
		return nil, err
	}
	if err := s.countReceipt(ctx, p.Receipt, &c); err != nil {
		return nil, err
	}
	if err := s.chooseScope(ctx, a, &c); err != nil {
		return nil, err
	}
	t, err := s.mint(ctx, c)
	if err == nil && !enough(t.factors, c.Methods) {
		return nil, s.insufficient(c, t) // the token made is known to nobody
	}
	return t, err
}

// mint gives claims their times and audit id and seals them, if they hold.
func (s *Service) mint(ctx context.Context, c Claims) (*Token, error) {
	c.IssuedAt = s.clock.Now().Truncate(time.Microsecond)
	if c.ExpiresAt.IsZero() {
		c.ExpiresAt = c.IssuedAt.Add(s.cfg.TokenLife).Truncate(time.Second)
	}
	if !c.IssuedAt.Before(c.ExpiresAt) {
		return nil, refuse("what the token would be made by expired at %s", c.ExpiresAt)
	}
	c.AuditIDs = append([]string{newAuditID()}, c.AuditIDs...)
	before := s.revision.Load()
	var chain []string
	if len(c.AuditIDs) > 1 { // got by another token
		chain = []string{chainKey(c.chain())}
	}
	t, err := s.grant(ctx, c, chain...)
	if err != nil {
		return nil, err
	}
	if t.ID, err = s.seal(c); err != nil {
		return nil, err
	}
	s.remember(sha256.Sum256([]byte(t.ID)), entryOf(t, 0), before)
	return t, nil
}

func newAuditID() string {
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		panic(err) // crypto/rand never fails
	}
	return base64.RawURLEncoding.EncodeToString(b)
}
