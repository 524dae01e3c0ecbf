package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"altostack/kernel/auth"
	"altostack/kernel/db"
)

// EC2Pair is a credential of type ec2 as its own API shows it.
type EC2Pair struct {
	UserID, ProjectID string
	Access            string `json:"access"`
	Secret            string `json:"secret"`
}

// ec2ID is the id of the credential that holds an access key.
func ec2ID(access string) string {
	sum := sha256.Sum256([]byte(access))
	return hex.EncodeToString(sum[:])
}

func aboutEC2(userID string) auth.Target {
	return auth.Target{"target.credential.user_id": userID, "user_id": userID}
}

// ec2Pair reads a pair from its credential.
func (s *Service) ec2Pair(c Credential) (EC2Pair, error) {
	p := EC2Pair{UserID: c.UserID, ProjectID: c.ProjectID}
	c, err := s.openCredential(c)
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal([]byte(c.Blob), &p)
}

// delegated tells whether the token may use a pair of the project: what was lent
// for one project says nothing about another.
func delegated(scope auth.Scope, projectID string) bool {
	return scope.Principal == nil || scope.AppCredID == "" && scope.TrustID == "" || scope.ProjectID == projectID
}

// EC2Pairs lists a user's pairs.
func (s *Service) EC2Pairs(ctx context.Context, scope auth.Scope, userID string) ([]EC2Pair, error) {
	if err := scope.Check(scope.Rule, aboutEC2(userID)); err != nil {
		return nil, err
	}
	if _, found, err := s.tables.Users.Get(ctx, s.db, userID); err != nil || !found {
		return nil, orMissing(err, "user", userID)
	}
	rows, err := s.tables.Credentials.List(ctx, s.db, Is("user_id", userID), Is("type", "ec2"))
	if err != nil {
		return nil, err
	}
	out := []EC2Pair{}
	for _, c := range rows {
		if !delegated(scope, c.ProjectID) {
			continue
		}
		p, err := s.ec2Pair(c)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// CreateEC2Pair makes a new pair for a user in a project.
func (s *Service) CreateEC2Pair(ctx context.Context, scope auth.Scope, userID, projectID string) (EC2Pair, error) {
	p := EC2Pair{UserID: userID, ProjectID: projectID, Access: s.ids.Hex(), Secret: newAuditID() + newAuditID()}
	if err := scope.Check(scope.Rule, aboutEC2(userID)); err != nil {
		return p, err
	}
	if err := manages(scope); err != nil {
		return p, err
	}
	if _, found, err := s.tables.Users.Get(ctx, s.db, userID); err != nil || !found {
		return p, orMissing(err, "user", userID)
	}
	if _, found, err := s.tables.Projects.Get(ctx, s.db, projectID); err != nil || !found {
		return p, orMissing(err, "project", projectID)
	}
	if !delegated(scope, projectID) {
		return p, forbidden("You are not authorized to perform the requested action: the token may be used in its own project only.")
	}
	blob := db.JSON(map[string]any{"access": p.Access, "secret": p.Secret, "trust_id": nil})
	return p, s.keepCredential(ctx, Credential{ID: ec2ID(p.Access), UserID: userID, ProjectID: projectID, Type: "ec2", Blob: blob}, s.tables.Credentials.Insert)
}

// ec2Credential reads the credential of a user's access key and decides the
// route's rule on it.
func (s *Service) ec2Credential(ctx context.Context, r db.Reader, scope auth.Scope, userID, access string) (Credential, error) {
	if err := scope.Check(scope.Rule, aboutEC2(userID)); err != nil {
		return Credential{}, err
	}
	c, found, err := s.tables.Credentials.Get(ctx, r, ec2ID(access))
	if err == nil && (!found || c.Type != "ec2" || c.UserID != userID || !delegated(scope, c.ProjectID)) {
		err = notFound("credential", access)
	}
	return c, err
}

// EC2PairOf answers one pair of a user.
func (s *Service) EC2PairOf(ctx context.Context, scope auth.Scope, userID, access string) (EC2Pair, error) {
	c, err := s.ec2Credential(ctx, s.db, scope, userID, access)
	if err != nil {
		return EC2Pair{}, err
	}
	return s.ec2Pair(c)
}

// DeleteEC2Pair removes one pair of a user.
func (s *Service) DeleteEC2Pair(ctx context.Context, scope auth.Scope, userID, access string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		c, err := s.ec2Credential(ctx, tx, scope, userID, access)
		if err != nil {
			return err
		}
		_, err = s.tables.Credentials.Remove(ctx, tx, Is("id", c.ID))
		return err
	})
}
