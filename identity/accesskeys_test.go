package identity_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"testing"
	"time"

	"altostack/identity"
	"altostack/identity/identitytest"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// caller is the scope of a token, which may do everything that the domain itself
// does not refuse.
func caller(t *testing.T, c *identitytest.Cloud, token string) auth.Scope {
	t.Helper()
	p, err := c.Service.Validate(t.Context(), token)
	must(t, err)
	scope := auth.System("test")
	scope.Principal = p
	return scope
}

func ec2Pair(t *testing.T, c *identitytest.Cloud, token string) identity.EC2Pair {
	t.Helper()
	scope := caller(t, c, token)
	p, err := c.Service.CreateEC2Pair(t.Context(), scope, scope.UserID, scope.ProjectID)
	must(t, err)
	return p
}

func sign1(text, secret string) string {
	m := hmac.New(sha1.New, []byte(secret))
	m.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}

func TestS3KeyFollowsItsUser(t *testing.T) {
	identitytest.Each(t, func(t *testing.T, c *identitytest.Cloud) {
		pair, sys := ec2Pair(t, c, c.Token(t, "demo", "demo")), auth.System("test")
		for _, cached := range []bool{false, true} {
			secret, p, err := c.Service.S3Key(t.Context(), pair.Access)
			must(t, err)
			if secret != pair.Secret || p.UserID != c.Access.DemoUserID || p.ProjectID != c.Access.DemoProjectID || !p.HasRole("member") || p.Cached != cached {
				t.Errorf("key: secret %t, %+v", secret == pair.Secret, p)
			}
		}
		other := c.Another(t)
		if _, _, err := other.Service.S3Key(t.Context(), pair.Access); err != nil {
			t.Fatal(err)
		}
		_, err := c.Service.UpdateUser(t.Context(), sys, c.Access.DemoUserID, identity.Attrs{"enabled": false})
		must(t, err)
		refused := func(s *identity.Service, why string) {
			t.Helper()
			if _, _, err := s.S3Key(t.Context(), pair.Access); !fault.Has(err, fault.CodeAuthUnauthenticated) {
				t.Errorf("%s: %v", why, err)
			}
		}
		refused(c.Service, "a disabled user's key")
		_, err = c.Service.UpdateUser(t.Context(), sys, c.Access.DemoUserID, identity.Attrs{"enabled": true})
		must(t, err)
		_, _, err = c.Service.S3Key(t.Context(), pair.Access)
		must(t, err)
		must(t, c.Service.DeleteEC2Pair(t.Context(), sys, c.Access.DemoUserID, pair.Access))
		refused(c.Service, "a deleted key")
		if c.DB.Dialect == db.PostgreSQL {
			refused(other.Service, "a deleted key in another process")
		}
		refused(c.Service, "a deleted key")
	})
}

// CVE-2020-12689, CVE-2020-12690: a key made under a delegation does what the
// delegation allows and dies with it.
func TestKeysOfADelegationStayWithinIt(t *testing.T) {
	identitytest.Each(t, func(t *testing.T, c *identitytest.Cloud) {
		demo := caller(t, c, c.Token(t, "demo", "demo"))
		cred, err := c.Service.CreateAppCred(t.Context(), demo, demo.UserID, identity.NewAppCred{Name: "n", Unrestricted: true, Roles: []identity.Ref{{ID: c.Role(t, "reader")}},
			HasRules: true, Rules: []identity.AccessRule{{Service: "object-store", Method: "GET", Path: "/**"}}})
		must(t, err)
		tok, err := c.Service.Issue(t.Context(), identity.Proof{Methods: []string{"application_credential"}, AppCred: &identity.Ref{ID: cred.ID}, Secret: cred.Secret}, identity.Ask{})
		must(t, err)
		pair := ec2Pair(t, c, tok.ID)
		_, p, err := c.Service.S3Key(t.Context(), pair.Access)
		must(t, err)
		if p.HasRole("member") || !p.HasRole("reader") || p.AppCredID != cred.ID || len(p.AccessRules) != 1 {
			t.Errorf("the key of a reading credential may %+v", p)
		}
		s3, err := c.Service.IssueS3(t.Context(), pair.Access, []byte("GET"), sign1("GET", pair.Secret))
		must(t, err)
		if s3.AppCredID != cred.ID || len(s3.Roles) != 1 || s3.AccessRules == nil {
			t.Errorf("the token of a reading credential's key: %+v", s3)
		}
		must(t, c.Service.DeleteAppCred(t.Context(), demo, demo.UserID, cred.ID))
		if _, _, err := c.Service.S3Key(t.Context(), pair.Access); !fault.Has(err, fault.CodeAuthUnauthenticated) {
			t.Errorf("the key of a deleted credential: %v", err)
		}
		if _, err := c.Service.Validate(t.Context(), s3.ID); !fault.Has(err, fault.CodeAuthUnauthenticated) {
			t.Errorf("the token of a deleted credential's key: %v", err)
		}
	})
}

func TestS3KeyUnknown(t *testing.T) {
	c := identitytest.New(t)
	if _, _, err := c.Service.S3Key(t.Context(), "nosuch"); !fault.Has(err, fault.CodeAuthUnauthenticated) {
		t.Error(err)
	}
	if _, err := c.Service.IssueS3(t.Context(), "nosuch", []byte("GET"), "x"); !fault.Has(err, fault.CodeIdentityNotFound) {
		t.Error(err)
	}
}

// A restricted application credential makes no secrets at all, and sees none but
// its own: CVE-2020-12691, CVE-2020-12692, LP#2150089.
func TestRestrictedCredentialsWidenNothing(t *testing.T) {
	c := identitytest.New(t)
	demo := caller(t, c, c.Token(t, "demo", "demo"))
	byPassword := ec2Pair(t, c, c.Token(t, "demo", "demo"))
	cred, err := c.Service.CreateAppCred(t.Context(), demo, demo.UserID, identity.NewAppCred{Name: "n", Roles: []identity.Ref{{ID: c.Role(t, "reader")}}})
	must(t, err)
	tok, err := c.Service.Issue(t.Context(), identity.Proof{Methods: []string{"application_credential"}, AppCred: &identity.Ref{ID: cred.ID}, Secret: cred.Secret}, identity.Ask{})
	must(t, err)
	restricted := caller(t, c, tok.ID)
	attempts := map[string]func() error{
		"an EC2 pair": func() error {
			_, err := c.Service.CreateEC2Pair(t.Context(), restricted, demo.UserID, demo.ProjectID)
			return err
		},
		"another's EC2 pair": func() error {
			_, err := c.Service.EC2PairOf(t.Context(), restricted, demo.UserID, byPassword.Access)
			return err
		},
		"deleting another's EC2 pair": func() error { return c.Service.DeleteEC2Pair(t.Context(), restricted, demo.UserID, byPassword.Access) },
		"a credential": func() error {
			_, err := c.Service.CreateCredential(t.Context(), restricted, identity.Attrs{"type": "EC2", "user_id": demo.UserID, "project_id": demo.ProjectID, "blob": `{"access":"a","secret":"s"}`})
			return err
		},
		"a one-time password": func() error {
			_, err := c.Service.CreateCredential(t.Context(), restricted, identity.Attrs{"type": "totp", "user_id": demo.UserID, "project_id": demo.ProjectID, "blob": "GEZDGNBVGY3TQOJQ"})
			return err
		},
		"an application credential": func() error {
			_, err := c.Service.CreateAppCred(t.Context(), restricted, demo.UserID, identity.NewAppCred{Name: "m"})
			return err
		},
		"a trust": func() error {
			_, err := c.Service.CreateTrust(t.Context(), restricted, identity.NewTrust{Trust: identity.Trust{TrustorID: demo.UserID, TrusteeID: c.Access.AdminUserID, ProjectID: demo.ProjectID, RemainingUses: identity.AnyUses}, Roles: []identity.Ref{{ID: c.Role(t, "reader")}}})
			return err
		},
	}
	for name, attempt := range attempts {
		if err := attempt(); !fault.Has(err, fault.CodeIdentityForbidden) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if rows, err := c.Service.EC2Pairs(t.Context(), restricted, demo.UserID); err != nil || len(rows) != 0 {
		t.Errorf("pairs seen: %v %v", rows, err)
	}
	if rows, _, err := c.Service.Credentials(t.Context(), restricted, identity.List{}); err != nil || len(rows) != 0 {
		t.Errorf("credentials seen: %v %v", rows, err)
	}
}

// A client cannot name a delegation that is not its own.
func TestNobodyBorrowsAnothersDelegation(t *testing.T) {
	c := identitytest.New(t)
	demo := caller(t, c, c.Token(t, "demo", "demo"))
	for _, blob := range []string{`{"access":"a","secret":"s","trust_id":"x"}`, `{"access":"a","secret":"s","app_cred_id":"x"}`, `{"access":"a","secret":"s","access_token_id":"x"}`, `{"access":"","secret":"s"}`, `[]`, `x`} {
		_, err := c.Service.CreateCredential(t.Context(), demo, identity.Attrs{"type": "ec2", "user_id": demo.UserID, "project_id": demo.ProjectID, "blob": blob})
		if !fault.Has(err, fault.CodeIdentityInvalid) {
			t.Errorf("%s: %v", blob, err)
		}
	}
	made, err := c.Service.CreateCredential(t.Context(), demo, identity.Attrs{"type": "ec2", "user_id": demo.UserID, "project_id": demo.ProjectID, "blob": `{"access":"a","secret":"s"}`})
	must(t, err)
	if _, err := c.Service.UpdateCredential(t.Context(), demo, made.ID, identity.Attrs{"blob": `{"access":"a","secret":"s","trust_id":"x"}`}); !fault.Has(err, fault.CodeIdentityInvalid) {
		t.Errorf("an update to a trust: %v", err)
	}
	_, err = c.Service.UpdateCredential(t.Context(), demo, made.ID, identity.Attrs{"blob": `{"access":"a","secret":"s2"}`})
	must(t, err)
	if secret, _, err := c.Service.S3Key(t.Context(), "a"); err != nil || secret != "s2" {
		t.Errorf("after an update: %v", err)
	}
	c.Clock.Advance(2 * time.Hour)
	_, _, err = c.Service.S3Key(t.Context(), "a")
	must(t, err)
}
