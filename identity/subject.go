package identity

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/db"
)

// TokenOf answers another token in full, for who may look at it. One that is not
// valid is not found; late takes one that expired lately.
func (s *Service) TokenOf(ctx context.Context, scope auth.Scope, token string, late bool) (*Token, error) {
	window := time.Duration(0)
	if late {
		window = s.cfg.LateWindow
	}
	t, err := s.token(ctx, token, window)
	var r *refusal
	gone := errors.As(err, &r) || errors.Is(err, errForged)
	if err != nil && !gone {
		return nil, err
	}
	if gone { // before the rule, which has nothing to look at: so says the real service too
		return nil, notFound("token", "the subject token is not valid")
	}
	return t, scope.Check(scope.Rule, auth.Target{"target.token.user_id": t.User.ID})
}

// RevokeToken ends one token; others of its chain live on.
func (s *Service) RevokeToken(ctx context.Context, scope auth.Scope, token string) error {
	t, err := s.TokenOf(ctx, scope, token, false)
	if err != nil {
		return err
	}
	err = s.write(ctx, func(ctx context.Context, _ *db.Tx, e *effects) error {
		e.revoked(auditKey(t.AuditIDs[0]))
		return nil
	})
	s.cache.forget(sha256.Sum256([]byte(token)))
	return err
}

// ReachableProjects answers the enabled projects that the bearer could ask a token for.
func (s *Service) ReachableProjects(ctx context.Context, p *auth.Principal, l List) ([]Project, bool, error) {
	l.Match = append(l.Match, Is("enabled", true))
	return s.reachableProjects(ctx, p.UserID, l, vouchedGroups(p)...)
}

// ReachableDomains answers the domains that the bearer has a role on.
func (s *Service) ReachableDomains(ctx context.Context, p *auth.Principal, l List) ([]Project, bool, error) {
	rows, err := s.assignmentsOf(ctx, p.UserID, vouchedGroups(p)...)
	if err != nil {
		return nil, false, err
	}
	var ids []string
	for _, a := range rows {
		if a.TargetKind == TargetDomain && !a.Inherited {
			ids = append(ids, a.TargetID)
		}
	}
	return s.tables.Projects.Page(ctx, s.db, l.Page, append(l.Match, Match{Column: "id", Op: OpIn, Value: ids}, Is("is_domain", true), Is("enabled", true))...)
}

// ReachesSystem tells whether the bearer has a role on the whole system.
func (s *Service) ReachesSystem(ctx context.Context, p *auth.Principal) (bool, error) {
	rows, err := s.assignmentsOf(ctx, p.UserID, vouchedGroups(p)...)
	for _, a := range rows {
		if a.TargetKind == TargetSystem {
			return true, err
		}
	}
	return false, err
}

// Revocations lists what was revoked and can still meet a token.
func (s *Service) Revocations(ctx context.Context, scope auth.Scope) ([]Revocation, error) {
	if err := scope.Check(scope.Rule, nil); err != nil {
		return nil, err
	}
	return s.store.Revocations(ctx, s.db)
}
