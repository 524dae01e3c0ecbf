package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"altostack/kernel/auth"
	"altostack/kernel/db"
)

// The types of credential that mean something here.
const (
	typeEC2  = "ec2"
	typeTOTP = "totp"
)

// EC2Pair is a credential of type ec2 as its own API shows it.
type EC2Pair struct {
	UserID    string `json:"-"`
	ProjectID string `json:"-"`
	Access    string `json:"access"`
	Secret    string `json:"secret"`
	Binding
}

// ec2ID is the id of the credential that holds an access key.
func ec2ID(access string) string {
	sum := sha256.Sum256([]byte(access))
	return hex.EncodeToString(sum[:])
}

func aboutEC2(userID string) auth.Target {
	return auth.Target{"target.credential.user_id": userID, "user_id": userID}
}

// pair reads a decrypted credential of type ec2.
func (c Credential) pair() (EC2Pair, error) {
	p := EC2Pair{UserID: c.UserID, ProjectID: c.ProjectID}
	return p, json.Unmarshal([]byte(c.Blob), &p)
}

// EC2Pairs lists a user's pairs; to a delegated caller, those of its delegation.
func (s *Service) EC2Pairs(ctx context.Context, scope auth.Scope, userID string) ([]EC2Pair, error) {
	if err := scope.Check(scope.Rule, aboutEC2(userID)); err != nil {
		return nil, err
	}
	if _, found, err := s.tables.Users.Get(ctx, s.db, userID); err != nil || !found {
		return nil, orMissing(err, "user", userID)
	}
	rows, err := s.tables.Credentials.List(ctx, s.db, Is("user_id", userID), Is("type", typeEC2))
	if err != nil {
		return nil, err
	}
	out := []EC2Pair{}
	for _, c := range rows {
		if c, err = s.openCredential(c); err != nil {
			return nil, err
		}
		if within(scope, c) != nil {
			continue
		}
		p, err := c.pair()
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// CreateEC2Pair makes a new pair for a user in a project.
func (s *Service) CreateEC2Pair(ctx context.Context, scope auth.Scope, userID, projectID string) (EC2Pair, error) {
	p := EC2Pair{UserID: userID, ProjectID: projectID, Access: s.ids.Hex(), Secret: newAuditID() + newAuditID(), Binding: bindingOf(scope)}
	if err := scope.Check(scope.Rule, aboutEC2(userID)); err != nil {
		return p, err
	}
	if err := managesSecrets(scope); err != nil {
		return p, err
	}
	if _, found, err := s.tables.Users.Get(ctx, s.db, userID); err != nil || !found {
		return p, orMissing(err, "user", userID)
	}
	if _, found, err := s.tables.Projects.Get(ctx, s.db, projectID); err != nil || !found {
		return p, orMissing(err, "project", projectID)
	}
	c := Credential{ID: ec2ID(p.Access), UserID: userID, ProjectID: projectID, Type: typeEC2, Blob: db.JSON(p)}
	if err := lendable(scope, c); err != nil {
		return p, err
	}
	return p, s.keepCredential(ctx, c, s.tables.Credentials.Insert)
}

// lendable is within for a pair that is to be made: its user is the caller, as
// nobody can lend what another one lent.
func lendable(scope auth.Scope, c Credential) error {
	if scope.Principal != nil && scope.Delegated() && c.UserID != scope.UserID {
		return forbidden("You are not authorized to perform the requested action: A token issued via delegation makes credentials of its own user only.")
	}
	return within(scope, c)
}

// ec2Credential reads the credential of a user's access key, decrypts it and
// decides the route's rule on it.
func (s *Service) ec2Credential(ctx context.Context, r db.Reader, scope auth.Scope, userID, access string) (Credential, error) {
	if err := scope.Check(scope.Rule, aboutEC2(userID)); err != nil {
		return Credential{}, err
	}
	c, found, err := s.tables.Credentials.Get(ctx, r, ec2ID(access))
	if err != nil {
		return c, err
	}
	if !found || c.Type != typeEC2 || c.UserID != userID {
		return c, notFound("credential", access)
	}
	if c, err = s.openCredential(c); err != nil {
		return c, err
	}
	return c, within(scope, c)
}

// EC2PairOf answers one pair of a user.
func (s *Service) EC2PairOf(ctx context.Context, scope auth.Scope, userID, access string) (EC2Pair, error) {
	c, err := s.ec2Credential(ctx, s.db, scope, userID, access)
	if err != nil {
		return EC2Pair{}, err
	}
	return c.pair()
}

// DeleteEC2Pair removes one pair of a user; it works no more from then on.
func (s *Service) DeleteEC2Pair(ctx context.Context, scope auth.Scope, userID, access string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		c, err := s.ec2Credential(ctx, tx, scope, userID, access)
		if err != nil {
			return err
		}
		e.touched(credentialKey(c.ID))
		_, err = s.tables.Credentials.Remove(ctx, tx, Is("id", c.ID))
		return err
	})
}
