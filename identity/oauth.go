package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"math/big"
	"slices"
	"strconv"
	"time"

	"altostack/identity/signing"
	"altostack/kernel/auth"
	"altostack/kernel/db"
)

// Lives of what OAuth gives, and how far a client's clock may be off. Source:
// Keystone's defaults of [oauth1], and oauthlib's of time stamps.
const (
	oauthRequestLife = 8 * time.Hour
	oauthAccessLife  = 24 * time.Hour
	oauthClockSkew   = 10 * time.Minute
)

// OAuthRequest is what a program asks for: to act in a project. Once a user agreed
// it has a verifier, which the program learns from the user.
type OAuthRequest struct {
	ID, ConsumerID, ProjectID string
	Secret                    string // sealed where it is stored
	Verifier, UserID          string // empty until a user agreed
	RoleIDs                   []string
	ExpiresAt                 time.Time
}

// AccessToken is what a user agreed to: a program acts for the user in a project
// with some of the user's roles.
type AccessToken struct {
	ID, ConsumerID, UserID, ProjectID string
	Secret                            string // sealed where it is stored
	RoleIDs                           []string
	ExpiresAt                         time.Time // zero: never
}

func accessTokenKey(id string) string { return "access:" + id }

// verifierLetters leave out those that are easily taken for one another.
const verifierLetters = "abcdefghkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"

func newVerifier() (string, error) {
	out := make([]byte, 8)
	for i := range out {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(verifierLetters))))
		if err != nil {
			return "", err
		}
		out[i] = verifierLetters[n.Int64()]
	}
	return string(out), nil
}

// signedBy checks a program's signature, made with its own secret and that of the
// token it shows. Everything wrong is a refusal.
func (s *Service) signedBy(ctx context.Context, r signing.OAuth, tokenSecret string) error {
	id := r.Params["oauth_consumer_key"]
	c, found, err := s.tables.Consumers.Get(ctx, s.db, id)
	if err != nil {
		return err
	}
	if !found {
		return refuse("no such consumer")
	}
	secret := s.cfg.CredentialKeys.open(c.Secret)
	if secret == nil || !r.Holds(string(secret), tokenSecret) {
		return refuse("the OAuth signature of consumer %s does not hold", id)
	}
	stamp, err := strconv.ParseInt(r.Params["oauth_timestamp"], 10, 64)
	now := s.clock.Now()
	if off := now.Sub(time.Unix(stamp, 0)); err != nil || off > oauthClockSkew || off < -oauthClockSkew {
		return refuse("the OAuth request is of another time")
	}
	nonce := sha256.Sum256([]byte(id + "\x00" + r.Params["oauth_token"] + "\x00" + r.Params["oauth_timestamp"] + "\x00" + r.Params["oauth_nonce"]))
	fresh := false
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		var err error
		fresh, err = s.store.UseNonce(ctx, tx, hex.EncodeToString(nonce[:]), now, now.Add(2*oauthClockSkew))
		return err
	})
	if err == nil && !fresh {
		err = refuse("the OAuth request was sent before")
	}
	return err
}

// sealed makes a secret and how it is stored.
func (s *Service) sealed() (secret, stored string, err error) {
	secret = s.ids.Hex() + newAuditID()
	stored, err = s.cfg.CredentialKeys.seal([]byte(secret))
	return secret, stored, err
}

// RequestOAuth notes that a program wants to act in a project.
func (s *Service) RequestOAuth(ctx context.Context, r signing.OAuth, projectID string) (OAuthRequest, error) {
	switch "" {
	case r.Params["oauth_consumer_key"]:
		return OAuthRequest{}, missing("oauth_consumer_key")
	case projectID:
		return OAuthRequest{}, missing("Requested-Project-Id")
	}
	ctx, at := auth.Attempted(ctx)
	at.Proving, at.Methods = true, []string{"oauth1"}
	if err := s.signedBy(ctx, r, ""); err != nil {
		return OAuthRequest{}, s.turnedAway(ctx, at, Proof{Methods: at.Methods}, err)
	}
	if _, found, err := s.tables.Projects.Get(ctx, s.db, projectID); err != nil || !found {
		return OAuthRequest{}, orMissing(err, "project", projectID)
	}
	secret, stored, err := s.sealed()
	if err != nil {
		return OAuthRequest{}, err
	}
	v := OAuthRequest{ID: s.ids.Hex(), ConsumerID: r.Params["oauth_consumer_key"], ProjectID: projectID, Secret: stored, ExpiresAt: s.clock.Now().Add(oauthRequestLife).Truncate(time.Second)}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if _, err := s.tables.OAuthRequests.Remove(ctx, tx, Match{Column: "expires_at", Op: OpBefore, Value: db.Micros(s.clock.Now())}); err != nil {
			return err
		}
		return s.tables.OAuthRequests.Insert(ctx, tx, v)
	})
	v.Secret = secret
	return v, err
}

func missing(what string) error {
	return invalid(what, "Expecting to find %s in request. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.", what)
}

// undelegatedOAuth refuses tokens that only lend a user's rights: what OAuth gives
// would outlive them.
func undelegatedOAuth(scope auth.Scope, message string) error {
	if scope.Principal != nil && (scope.Delegated() || slices.Contains(scope.Methods, "application_credential")) {
		return forbidden("%s", message)
	}
	return nil
}

// AuthorizeOAuth agrees to what a program asked for, with roles that the caller has
// in the project, and answers the verifier that the program needs.
func (s *Service) AuthorizeOAuth(ctx context.Context, scope auth.Scope, id string, roles []Ref) (string, error) {
	if err := scope.Check(scope.Rule, nil); err != nil {
		return "", err
	}
	if err := undelegatedOAuth(scope, "Cannot authorize a request token with a token issued via delegation."); err != nil {
		return "", err
	}
	if err := s.catchUp(ctx); err != nil {
		return "", err
	}
	table, err := s.roleTable(ctx)
	if err != nil {
		return "", err
	}
	ids, err := table.find(roles)
	if err != nil {
		return "", err
	}
	verifier, err := newVerifier()
	if err != nil {
		return "", err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		v, found, err := s.tables.OAuthRequests.Get(ctx, tx, id)
		if err != nil || !found {
			return orMissing(err, "request token", id)
		}
		if !s.clock.Now().Before(v.ExpiresAt) {
			return refuse("the request token expired")
		}
		if v.UserID != "" && v.UserID != scope.UserID {
			return refuse("another user agreed already")
		}
		held, err := s.rolesOn(ctx, tx, table, scope.UserID, v.ProjectID)
		if err != nil {
			return err
		}
		for _, role := range ids {
			if !slices.Contains(held, role) {
				return refuse("the user lends the role %s without having it", role)
			}
		}
		v.Verifier, v.UserID, v.RoleIDs = verifier, scope.UserID, ids
		return s.tables.OAuthRequests.Save(ctx, tx, v)
	})
	return verifier, unauthenticated(err)
}

// GrantOAuth gives the program the access token that a user agreed to; the request
// is used up.
func (s *Service) GrantOAuth(ctx context.Context, r signing.OAuth) (AccessToken, error) {
	for _, name := range []string{"oauth_consumer_key", "oauth_token", "oauth_verifier"} {
		if r.Params[name] == "" {
			return AccessToken{}, missing(name)
		}
	}
	ctx, at := auth.Attempted(ctx)
	at.Proving, at.Methods = true, []string{"oauth1"}
	a, err := s.grantOAuth(ctx, r)
	if err != nil {
		return a, s.turnedAway(ctx, at, Proof{Methods: at.Methods}, err)
	}
	at.UserID, at.ProjectID = a.UserID, a.ProjectID
	return a, nil
}

func (s *Service) grantOAuth(ctx context.Context, r signing.OAuth) (AccessToken, error) {
	v, found, err := s.tables.OAuthRequests.Get(ctx, s.db, r.Params["oauth_token"])
	if err != nil || !found {
		return AccessToken{}, orMissing(err, "request token", r.Params["oauth_token"])
	}
	secret := s.cfg.CredentialKeys.open(v.Secret)
	if secret == nil || v.ConsumerID != r.Params["oauth_consumer_key"] || !s.clock.Now().Before(v.ExpiresAt) {
		return AccessToken{}, refuse("the request token is over or another consumer's")
	}
	if err := s.signedBy(ctx, r, string(secret)); err != nil {
		return AccessToken{}, err
	}
	if v.Verifier == "" || subtle.ConstantTimeCompare([]byte(v.Verifier), []byte(r.Params["oauth_verifier"])) != 1 {
		return AccessToken{}, refuse("the verifier is not the one that the user was given")
	}
	plain, stored, err := s.sealed()
	if err != nil {
		return AccessToken{}, err
	}
	a := AccessToken{ID: s.ids.Hex(), ConsumerID: v.ConsumerID, UserID: v.UserID, ProjectID: v.ProjectID, RoleIDs: v.RoleIDs, Secret: stored, ExpiresAt: s.clock.Now().Add(oauthAccessLife).Truncate(time.Second)}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		n, err := s.tables.OAuthRequests.Remove(ctx, tx, Is("id", v.ID))
		if err != nil {
			return err
		}
		if n == 0 {
			return refuse("the request token is used up")
		}
		return s.tables.AccessTokens.Insert(ctx, tx, a)
	})
	a.Secret = plain
	return a, err
}

// byOAuth takes a request that is signed with an access token for its user, in its
// project and with its roles.
func (s *Service) byOAuth(ctx context.Context, p Proof, _ Ask, c *Claims) error {
	if p.OAuth == nil || p.OAuth.Params["oauth_token"] == "" {
		return missing("oauth_token")
	}
	a, found, err := s.tables.AccessTokens.Get(ctx, s.db, p.OAuth.Params["oauth_token"])
	if err != nil {
		return err
	}
	if !found || a.ConsumerID != p.OAuth.Params["oauth_consumer_key"] {
		return refuse("no such access token of the consumer")
	}
	secret := s.cfg.CredentialKeys.open(a.Secret)
	if secret == nil {
		return refuse("the access token %s cannot be decrypted", a.ID)
	}
	if err := s.signedBy(ctx, *p.OAuth, string(secret)); err != nil {
		return err
	}
	if c.AppCredID != "" || c.AccessTokenID != "" {
		return refuse("the methods lend different rights")
	}
	c.AccessTokenID, c.Scope = a.ID, Scope{ProjectID: a.ProjectID}
	return c.prove(a.UserID)
}

// deriveAccess reads the access token that a token's roles come from.
func (s *Service) deriveAccess(ctx context.Context, t *Token) error {
	if t.AccessTokenID == "" {
		return nil
	}
	t.keys = append(t.keys, accessTokenKey(t.AccessTokenID))
	a, found, err := s.tables.AccessTokens.Get(ctx, s.db, t.AccessTokenID)
	if err != nil {
		return err
	}
	if !found || a.UserID != t.UserID || a.ProjectID != t.Scope.ProjectID {
		return refuse("access token %s is gone", t.AccessTokenID)
	}
	if !a.ExpiresAt.IsZero() && !s.clock.Now().Before(a.ExpiresAt) {
		return refuse("access token %s expired", t.AccessTokenID)
	}
	t.Access = &a
	t.holds(a.ExpiresAt)
	return nil
}
