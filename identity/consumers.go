package identity

import (
	"context"

	"altostack/kernel/auth"
	"altostack/kernel/db"
)

// Consumer is a program that users may let act for them.
type Consumer struct {
	ID, Description string
	Secret          string // sealed where it is stored; told once, when it is made
	Extra           Extra
}

func (s *Service) consumers() kind[Consumer] {
	return kind[Consumer]{"consumer", s.tables.Consumers, nil}
}

func (c *Consumer) apply(a Attrs) {
	a.text("description", &c.Description)
	delete(a, "secret")
	a.rest(&c.Extra)
}

// Consumers lists the programs.
func (s *Service) Consumers(ctx context.Context, scope auth.Scope, l List) ([]Consumer, bool, error) {
	rows, more, err := s.consumers().page(ctx, s.db, scope, l, nil)
	for i := range rows {
		rows[i].Secret = ""
	}
	return rows, more, err
}

// Consumer answers one program.
func (s *Service) Consumer(ctx context.Context, scope auth.Scope, id string) (Consumer, error) {
	c, err := s.consumers().get(ctx, s.db, scope, id)
	c.Secret = ""
	return c, err
}

// CreateConsumer registers a program and tells its secret.
func (s *Service) CreateConsumer(ctx context.Context, scope auth.Scope, a Attrs) (Consumer, error) {
	if err := scope.Check(scope.Rule, nil); err != nil {
		return Consumer{}, err
	}
	secret, stored, err := s.sealed()
	if err != nil {
		return Consumer{}, err
	}
	c := Consumer{ID: s.ids.Hex(), Secret: stored}
	c.apply(a)
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.tables.Consumers.Insert(ctx, tx, c) })
	c.Secret = secret
	return c, err
}

// UpdateConsumer changes all of a program but its secret.
func (s *Service) UpdateConsumer(ctx context.Context, scope auth.Scope, id string, a Attrs) (c Consumer, err error) {
	if _, has := a["secret"]; has {
		return c, invalid("secret", "The secret of a consumer cannot be changed.")
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if c, err = s.consumers().get(ctx, tx, scope, id); err != nil {
			return err
		}
		c.apply(cloned(a))
		return s.tables.Consumers.Save(ctx, tx, c)
	})
	c.Secret = ""
	return c, err
}

// DeleteConsumer removes a program, all that users agreed to for it, and the tokens
// it got by that.
func (s *Service) DeleteConsumer(ctx context.Context, scope auth.Scope, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		if _, err := s.consumers().get(ctx, tx, scope, id); err != nil {
			return err
		}
		rows, err := s.tables.AccessTokens.List(ctx, tx, Is("consumer_id", id))
		if err != nil {
			return err
		}
		for _, a := range rows {
			e.revoked(accessTokenKey(a.ID))
		}
		_, err = s.tables.Consumers.Remove(ctx, tx, Is("id", id)) // requests and access tokens follow
		return err
	})
}

const noOAuthByDelegation = "Cannot manage OAuth access tokens with a token issued via delegation."

// AccessTokens lists what a user agreed to.
func (s *Service) AccessTokens(ctx context.Context, scope auth.Scope, userID string, l List) ([]AccessToken, bool, error) {
	if err := scope.Check(scope.Rule, ofUser(userID)); err != nil {
		return nil, false, err
	}
	if err := undelegatedOAuth(scope, noOAuthByDelegation); err != nil {
		return nil, false, err
	}
	return s.tables.AccessTokens.Page(ctx, s.db, l.Page, append(l.Match, Is("user_id", userID))...)
}

// AccessToken answers one of them.
func (s *Service) AccessToken(ctx context.Context, scope auth.Scope, userID, id string) (AccessToken, error) {
	return s.accessToken(ctx, s.db, scope, userID, id)
}

func (s *Service) accessToken(ctx context.Context, r db.Reader, scope auth.Scope, userID, id string) (AccessToken, error) {
	if err := scope.Check(scope.Rule, ofUser(userID)); err != nil {
		return AccessToken{}, err
	}
	if err := undelegatedOAuth(scope, noOAuthByDelegation); err != nil {
		return AccessToken{}, err
	}
	a, found, err := s.tables.AccessTokens.Get(ctx, r, id)
	if err == nil && (!found || a.UserID != userID) {
		err = notFound("access token", id)
	}
	return a, err
}

// AccessTokenRoles answers the roles that the user agreed to.
func (s *Service) AccessTokenRoles(ctx context.Context, scope auth.Scope, userID, id string) ([]Role, error) {
	a, err := s.accessToken(ctx, s.db, scope, userID, id)
	if err != nil {
		return nil, err
	}
	if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	table, err := s.roleTable(ctx)
	if err != nil {
		return nil, err
	}
	roles := []Role{}
	for _, id := range a.RoleIDs {
		if r, known := table.roles[id]; known {
			roles = append(roles, r)
		}
	}
	return roles, nil
}

// DeleteAccessToken takes back what a user agreed to, with the tokens got by it.
func (s *Service) DeleteAccessToken(ctx context.Context, scope auth.Scope, userID, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		if _, err := s.accessToken(ctx, tx, scope, userID, id); err != nil {
			return err
		}
		e.revoked(accessTokenKey(id))
		_, err := s.tables.AccessTokens.Remove(ctx, tx, Is("id", id))
		return err
	})
}
