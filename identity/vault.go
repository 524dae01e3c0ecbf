package identity

import (
	"context"
	"encoding/json"
	"strings"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

func (s *Service) credentials() kind[Credential] {
	return kind[Credential]{"credential", s.tables.Credentials, func(c Credential) auth.Target {
		return auth.Target{"target.credential.user_id": c.UserID, "target.credential.id": c.ID, "user_id": c.UserID}
	}}
}

// open decrypts a credential that was read.
func (s *Service) openCredential(c Credential) (Credential, error) {
	plain := s.cfg.CredentialKeys.open(c.Blob)
	if plain == nil {
		return c, fault.New(fault.CodeRestInternal, "The credential %s cannot be decrypted with the keys that are there.", c.ID)
	}
	c.Blob = string(plain)
	return c, nil
}

// Credential answers one credential.
func (s *Service) Credential(ctx context.Context, scope auth.Scope, id string) (Credential, error) {
	return s.credential(ctx, s.db, scope, id)
}

func (s *Service) credential(ctx context.Context, r db.Reader, scope auth.Scope, id string) (Credential, error) {
	c, err := s.credentials().get(ctx, r, scope, id)
	if err != nil {
		return c, err
	}
	if c, err = s.openCredential(c); err != nil {
		return c, err
	}
	return c, within(scope, c)
}

// Credentials lists those that the rule lets the caller see.
func (s *Service) Credentials(ctx context.Context, scope auth.Scope, l List) ([]Credential, bool, error) {
	if !scope.May(scope.Rule, auth.Target{"target.credential.user_id": "\x00"}) { // not anybody's: one's own
		if err := scope.Check(scope.Rule, auth.Target{"target.credential.user_id": scope.UserID}); err != nil {
			return nil, false, err
		}
		l.Match = append(l.Match, Is("user_id", scope.UserID))
	}
	if scope.Principal != nil && scope.Delegated() {
		rows, err := s.lentCredentials(ctx, scope, l)
		return rows, false, err
	}
	rows, more, err := s.tables.Credentials.Page(ctx, s.db, l.Page, l.Match...)
	if err != nil {
		return nil, false, err
	}
	for i := range rows {
		if rows[i], err = s.openCredential(rows[i]); err != nil {
			return nil, false, err
		}
	}
	return rows, more, nil
}

// lentCredentials lists those of a delegation, which are few: all at once, as
// their blobs tell which they are.
func (s *Service) lentCredentials(ctx context.Context, scope auth.Scope, l List) ([]Credential, error) {
	rows, err := s.tables.Credentials.List(ctx, s.db, append(l.Match, Is("project_id", scope.ProjectID))...)
	if err != nil {
		return nil, err
	}
	out := []Credential{}
	for _, c := range rows {
		if c, err = s.openCredential(c); err != nil {
			return nil, err
		}
		if within(scope, c) == nil {
			out = append(out, c)
		}
	}
	return out, nil
}

func (c *Credential) apply(a Attrs) {
	a.text("user_id", &c.UserID)
	a.text("project_id", &c.ProjectID)
	a.text("type", &c.Type)
	a.text("blob", &c.Blob)
	a.rest(&c.Extra)
}

// CreateCredential keeps a secret for a user. An EC2 pair's id follows from its
// access key, so that there is one at most; made under a delegation it stays bound
// to it.
func (s *Service) CreateCredential(ctx context.Context, scope auth.Scope, a Attrs) (Credential, error) {
	if err := managesSecrets(scope); err != nil {
		return Credential{}, err
	}
	c := Credential{ID: s.ids.Hex(), UserID: scope.UserID}
	c.apply(a)
	if err := scope.Check(scope.Rule, s.credentials().target(c)); err != nil {
		return c, err
	}
	if strings.EqualFold(c.Type, typeEC2) {
		if err := c.bind(bindingOf(scope)); err != nil {
			return c, err
		}
	}
	if err := lendable(scope, c); err != nil {
		return c, err
	}
	return c, s.keepCredential(ctx, c, s.tables.Credentials.Insert)
}

// bind completes a new EC2 pair. The delegation is the maker's: naming another
// one would be using it.
func (c *Credential) bind(b Binding) error {
	blob := map[string]any{}
	var pair EC2Pair
	if json.Unmarshal([]byte(c.Blob), &blob) != nil || json.Unmarshal([]byte(c.Blob), &pair) != nil || pair.Access == "" {
		return invalid("blob", "Invalid blob in credential")
	}
	if c.ProjectID == "" {
		return invalid("project_id", "Expecting to find project_id in credential. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.")
	}
	if pair.Binding != (Binding{}) && pair.Binding != b {
		return invalid("blob", "trust_id, app_cred_id and access_token_id of a credential come from the token that it is created with.")
	}
	for name, id := range map[string]string{"trust_id": b.TrustID, "app_cred_id": b.AppCredID, "access_token_id": b.AccessTokenID} {
		if id != "" {
			blob[name] = id
		}
	}
	c.ID, c.Blob = ec2ID(pair.Access), db.JSON(blob)
	return nil
}

func (s *Service) keepCredential(ctx context.Context, c Credential, keep func(context.Context, *db.Tx, Credential) error) error {
	sealed, err := s.cfg.CredentialKeys.seal([]byte(c.Blob))
	if err != nil {
		return err
	}
	c.Blob = sealed
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		e.touched(credentialKey(c.ID))
		err := keep(ctx, tx, c)
		if db.IsUnique(err) {
			err = fault.New(fault.CodeIdentityDuplicate, "Conflict occurred attempting to store credential - Duplicate entry found with ID %s.", c.ID)
		}
		return err
	})
}

// UpdateCredential changes a credential; the rule must hold for it before and
// afterwards.
func (s *Service) UpdateCredential(ctx context.Context, scope auth.Scope, id string, a Attrs) (Credential, error) {
	c, err := s.Credential(ctx, scope, id)
	if err != nil {
		return c, err
	}
	if err := managesSecrets(scope); err != nil {
		return c, err
	}
	before := c
	c.apply(a)
	if err := scope.Check(scope.Rule, s.credentials().target(c)); err != nil {
		return c, err
	}
	if err := rebound(before, c); err != nil {
		return c, err
	}
	if err := lendable(scope, c); err != nil {
		return c, err
	}
	return c, s.keepCredential(ctx, c, s.tables.Credentials.Save)
}

// rebound refuses changes that free a pair of the delegation it was made under, or
// put it under another.
func rebound(before, after Credential) error {
	if !strings.EqualFold(before.Type, typeEC2) && !strings.EqualFold(after.Type, typeEC2) {
		return nil
	}
	new, err := after.pair()
	if err != nil || new.Access == "" {
		return invalid("blob", "Invalid blob in credential")
	}
	old, err := before.pair()
	if err != nil {
		old = EC2Pair{} // of another type until now
	}
	if old.Binding != new.Binding || old.Binding != (Binding{}) && !strings.EqualFold(after.Type, before.Type) {
		return invalid("blob", "trust_id, app_cred_id and access_token_id can not be updated for credential")
	}
	return nil
}

// DeleteCredential removes a credential; what it signed holds no more.
func (s *Service) DeleteCredential(ctx context.Context, scope auth.Scope, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		if _, err := s.credential(ctx, tx, scope, id); err != nil {
			return err
		}
		e.touched(credentialKey(id))
		_, err := s.tables.Credentials.Remove(ctx, tx, Is("id", id))
		return err
	})
}

func (s *Service) policies() kind[PolicyBlob] {
	return kind[PolicyBlob]{"policy", s.tables.Policies, nil}
}

func (p *PolicyBlob) apply(a Attrs) {
	a.text("type", &p.Type)
	if v, has := a["blob"]; has { // text, or any JSON
		p.Blob = db.JSON(v)
		delete(a, "blob")
	}
	a.rest(&p.Extra)
}

// Policy answers one policy document.
func (s *Service) Policy(ctx context.Context, scope auth.Scope, id string) (PolicyBlob, error) {
	return s.policies().get(ctx, s.db, scope, id)
}

// Policies lists policy documents.
func (s *Service) Policies(ctx context.Context, scope auth.Scope, l List) ([]PolicyBlob, bool, error) {
	return s.policies().page(ctx, s.db, scope, l, nil)
}

// CreatePolicy keeps a policy document.
func (s *Service) CreatePolicy(ctx context.Context, scope auth.Scope, a Attrs) (PolicyBlob, error) {
	p := PolicyBlob{ID: s.ids.Hex()}
	if err := scope.Check(scope.Rule, nil); err != nil {
		return p, err
	}
	if _, has := a["blob"]; !has {
		return p, invalid("blob", "Invalid input for field/attribute policy. 'blob' is a required property")
	}
	p.apply(a)
	return p, s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error { return s.tables.Policies.Insert(ctx, tx, p) })
}

// UpdatePolicy changes a policy document.
func (s *Service) UpdatePolicy(ctx context.Context, scope auth.Scope, id string, a Attrs) (p PolicyBlob, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		p, err = s.policies().change(ctx, tx, scope, id, func(p *PolicyBlob) error { p.apply(cloned(a)); return nil })
		return err
	})
	return p, err
}

// DeletePolicy removes a policy document.
func (s *Service) DeletePolicy(ctx context.Context, scope auth.Scope, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		return s.policies().remove(ctx, tx, scope, id)
	})
}
