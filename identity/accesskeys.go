package identity

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"altostack/identity/signing"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
)

// signedFor is how long a signed request may be passed on after it was signed, and
// how far its clock may be ahead. Source: Keystone's [credential] auth_ttl.
const signedFor = 15 * time.Minute

var errNoKey = fault.New(fault.CodeIdentityNotFound, "EC2 access key not found.")

// IssueEC2 answers a token for whoever signed the request: what the key may do
// now, for as long as a token lives.
func (s *Service) IssueEC2(ctx context.Context, r signing.Request) (*Token, error) {
	return s.issueSigned(ctx, r.Access, func(secret string) error {
		if !r.Holds(secret) {
			return refuse("the EC2 signature does not hold")
		}
		return s.fresh(r.Stamp())
	})
}

// IssueS3 is IssueEC2 for an S3 gateway, which passes on only the text that was
// signed and sees to its time itself: links that were signed beforehand hold long.
func (s *Service) IssueS3(ctx context.Context, access string, text []byte, signature string) (*Token, error) {
	return s.issueSigned(ctx, access, func(secret string) error {
		if !signing.HoldsText(text, signature, secret) {
			return refuse("the S3 signature does not hold")
		}
		return nil
	})
}

// fresh refuses what was signed too long ago, or for later. A request may leave the
// time out, as its signer meant it then.
func (s *Service) fresh(stamp string) error {
	if stamp == "" {
		return nil
	}
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "20060102T150405Z"} {
		signed, err := time.Parse(form, stamp)
		if err != nil {
			continue
		}
		if age := s.clock.Now().Sub(signed); age > signedFor || age < -signedFor {
			return refuse("the request was signed at %s", stamp)
		}
		return nil
	}
	return refuse("the request's time cannot be read")
}

func (s *Service) issueSigned(ctx context.Context, access string, holds func(secret string) error) (*Token, error) {
	start := s.clock.Now()
	if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	at := auth.AttemptOf(ctx)
	at.Proving, at.Methods = true, []string{"ec2credential"}
	revision := s.revision.Load()
	pair, err := s.accessKey(ctx, access)
	if err != nil {
		return nil, err
	}
	at.UserID = pair.UserID
	if err := holds(pair.Secret); err != nil {
		at.Why = err.Error()
		return nil, unauthenticated(err)
	}
	c, err := s.claimsOf(ctx, pair)
	if err != nil {
		return nil, unauthenticated(err)
	}
	c.Revision = revision
	t, err := s.mint(ctx, c)
	if err == nil && c.TrustID != "" {
		err = s.useTrust(ctx, c.TrustID)
	}
	if err != nil {
		return nil, unauthenticated(err)
	}
	at.UserName, at.DomainID, at.ProjectID, at.AuditID = t.User.Name, t.User.DomainID, t.Scope.ProjectID, t.AuditIDs[0]
	s.timings.note(t.AuditIDs[0], start, s.clock.Now().Sub(start))
	return t, nil
}

// accessKey reads the pair of an access key.
func (s *Service) accessKey(ctx context.Context, access string) (EC2Pair, error) {
	c, found, err := s.tables.Credentials.Get(ctx, s.db, ec2ID(access))
	if err != nil {
		return EC2Pair{}, err
	}
	if !found || c.Type != typeEC2 {
		return EC2Pair{}, errNoKey
	}
	if c, err = s.openCredential(c); err != nil {
		return EC2Pair{}, err
	}
	p, err := c.pair()
	if err != nil || p.Access != access || p.Secret == "" {
		return p, errNoKey
	}
	return p, nil
}

// claimsOf are those of a request that a key signed. A key made under a delegation
// acts by it; that it may do so is decided by deriving.
func (s *Service) claimsOf(ctx context.Context, p EC2Pair) (Claims, error) {
	c := Claims{UserID: p.UserID, Methods: []string{"ec2credential"}, Scope: Scope{ProjectID: p.ProjectID}, TrustID: p.TrustID, AppCredID: p.AppCredID, AccessTokenID: p.AccessTokenID}
	if p.TrustID == "" {
		return c, nil
	}
	t, found, err := s.tables.Trusts.Get(ctx, s.db, p.TrustID)
	if err != nil {
		return c, err
	}
	// With an impersonating trust the key is its trustor's, as that is whom its maker
	// acted as; the token is the trustee's all the same.
	if maker := t.TrusteeID; found && t.Impersonation {
		if p.UserID != t.TrustorID {
			return c, refuse("trust %s is not of user %s", p.TrustID, p.UserID)
		}
		c.UserID = maker
	}
	return c, nil
}

// S3Key answers the secret of an access key, and what a request signed with it may
// do now: what its user may in the key's project, or less, where the key was made
// under a trust, an application credential or an OAuth1 access token. Whoever
// checks the signature must hold the request to the principal's AccessRules, if
// there are any. A key that is unknown, or whose user, project or delegation gives
// nothing any more, is fault auth.unauthenticated.
//
// The answer is remembered as tokens are: it costs a digest and a look, and goes
// with the first change of anything it depends on.
func (s *Service) S3Key(ctx context.Context, accessKey string) (secret string, p *auth.Principal, err error) {
	d := sha256.Sum256([]byte("access key\x00" + accessKey))
	for range 3 {
		if err := s.catchUp(ctx); err != nil {
			return "", nil, err
		}
		if e := s.cache.get(d); e != nil && s.clock.Now().UnixMicro() < e.expiry {
			return e.secret, e.again, nil
		}
		before := s.revision.Load()
		secret, p, err = s.lookAccessKey(ctx, d, accessKey, before)
		var r *refusal
		// What was revoked while it was being derived says nothing about a key.
		if !errors.As(err, &r) || s.revision.Load() == before {
			break
		}
	}
	if fault.Has(err, fault.CodeIdentityNotFound) {
		err = refuse("no such access key")
	}
	return secret, p, unauthenticated(err)
}

func (s *Service) lookAccessKey(ctx context.Context, d digest, accessKey string, before int64) (string, *auth.Principal, error) {
	pair, err := s.accessKey(ctx, accessKey)
	if err != nil {
		return "", nil, err
	}
	c, err := s.claimsOf(ctx, pair)
	if err != nil {
		return "", nil, err
	}
	c.Revision, c.IssuedAt, c.AuditIDs = before, s.clock.Now().Truncate(time.Microsecond), []string{newAuditID()}
	c.ExpiresAt = c.IssuedAt.Add(s.cfg.TokenLife).Truncate(time.Second)
	t, err := s.grant(ctx, c)
	if err != nil {
		return "", nil, err
	}
	if t.Trust != nil && t.Trust.RemainingUses != AnyUses {
		return "", nil, refuse("trust %s counts its uses, and a signed request is none that could be counted", c.TrustID)
	}
	e := entryOf(t, 0)
	e.secret, e.keys = pair.Secret, append(t.keys[:len(t.keys):len(t.keys)], credentialKey(ec2ID(accessKey)))
	s.remember(d, e, before)
	return pair.Secret, t.Principal, nil
}
