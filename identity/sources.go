package identity

import (
	"context"
	"time"
)

// holds notes that what was derived holds until then at most; zero is for good.
func (t *Token) holds(until time.Time) {
	if !until.IsZero() && (t.until.IsZero() || until.Before(t.until)) {
		t.until = until
	}
}

// stillThere asks whoever knows a user that is known elsewhere.
func (s *Service) stillThere(ctx context.Context, t *Token, u User) (User, error) {
	switch u.Source {
	case SourceFederated:
		return u, s.stillVouched(ctx, t, u)
	case SourceLinked:
		if t.Vouched == nil || u.ID != t.UserID {
			return u, nil
		}
		return u, s.stillVouched(ctx, t, u)
	case SourceDirectory:
		return s.stillListed(ctx, t, u)
	}
	return u, refuse("user %s is gone from its directory", u.ID)
}
