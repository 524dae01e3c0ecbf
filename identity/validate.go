package identity

import (
	"context"
	"crypto/sha256"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
)

// Validate answers a token's bearer; it implements auth.Validator. A hit in the
// cache costs no more than a digest and a look.
func (s *Service) Validate(ctx context.Context, token string) (*auth.Principal, error) {
	return s.bearer(ctx, token, 0)
}

// ValidateLate is Validate that takes a token for a while after its end too; it
// implements auth.LateValidator. It is for calls that a service makes to finish what
// a user began: only who shows a service's token as well may be answered by it.
// What was revoked stays so.
func (s *Service) ValidateLate(ctx context.Context, token string) (*auth.Principal, error) {
	return s.bearer(ctx, token, s.cfg.LateWindow)
}

func (s *Service) bearer(ctx context.Context, token string, late time.Duration) (*auth.Principal, error) {
	if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	d := sha256.Sum256([]byte(token))
	if e := s.cache.get(d); e != nil && s.clock.Now().UnixMicro() < e.expiry {
		return e.again, nil
	}
	t, err := s.look(ctx, d, token, late)
	if err != nil {
		return nil, unauthenticated(err)
	}
	return t.Principal, nil
}

// token is bearer with all that was derived.
func (s *Service) token(ctx context.Context, token string, late time.Duration) (*Token, error) {
	if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	d := sha256.Sum256([]byte(token))
	if e := s.cache.get(d); e != nil && s.clock.Now().UnixMicro() < e.expiry {
		return e.token, nil
	}
	return s.look(ctx, d, token, late)
}

// look derives what a token grants. One that is over is remembered apart: it must
// not be found by who asks for those that are not.
func (s *Service) look(ctx context.Context, d digest, token string, late time.Duration) (*Token, error) {
	c, err := s.unseal(token)
	if err != nil {
		return nil, err
	}
	if now := s.clock.Now(); !now.Before(c.ExpiresAt) {
		if !now.Before(c.ExpiresAt.Add(late)) {
			return nil, refuse("the token expired at %s", c.ExpiresAt)
		}
		d = sha256.Sum256([]byte("late\x00" + token))
		if e := s.cache.get(d); e != nil && now.UnixMicro() < e.expiry {
			return e.token, nil
		}
	} else {
		late = 0
	}
	before := s.revision.Load()
	t, err := s.derive(ctx, c)
	if err != nil {
		s.cache.forget(d)
		return nil, err
	}
	t.ID = token
	s.remember(d, entryOf(t, late), before)
	return t, nil
}

// remember keeps e unless something changed since before.
func (s *Service) remember(d digest, e *entry, before int64) {
	s.cache.put(d, e, func() bool { return s.revision.Load() == before })
}

// entryOf is a token as the cache keeps it: until its end and what it may be late
// for, or the end of what it leans on.
func entryOf(t *Token, late time.Duration) *entry {
	again := *t.Principal
	again.Cached = true
	expiry := t.ExpiresAt.Add(late)
	if !t.until.IsZero() && t.until.Before(expiry) {
		expiry = t.until
	}
	return &entry{token: t, again: &again, expiry: expiry.UnixMicro(), keys: t.keys}
}

// IssueService answers a token for one of the built-in service users, in the
// service project.
func (s *Service) IssueService(ctx context.Context, user string) (string, time.Time, error) {
	if err := s.catchUp(ctx); err != nil {
		return "", time.Time{}, err
	}
	c := Claims{Methods: []string{"external"}, Revision: s.revision.Load()}
	domain := &Ref{ID: DefaultDomainID}
	u, found, err := s.userOf(ctx, Ref{Name: user, Domain: domain})
	if err != nil {
		return "", time.Time{}, err
	}
	p, known, err := s.projectOf(ctx, Ref{Name: ServiceProject, Domain: domain})
	if err != nil {
		return "", time.Time{}, err
	}
	if !found || !known {
		return "", time.Time{}, fault.New(fault.CodeIdentityNotFound, "Could not find user: %s.", user)
	}
	c.UserID, c.Scope = u.ID, Scope{ProjectID: p.ID}
	t, err := s.mint(ctx, c)
	if err != nil {
		return "", time.Time{}, unauthenticated(err)
	}
	return t.ID, t.ExpiresAt, nil
}
