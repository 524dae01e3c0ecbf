package identity

import "context"

func (s *Service) stillListed(_ context.Context, _ *Token, u User) (User, error) {
	return u, refuse("user %s is of a directory", u.ID)
}
