package identity_test

import (
	"testing"

	"altostack/identity"
	"altostack/identity/identitytest"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// Whatever a user lent goes when the user goes, or the role, or the project, in
// every process on its next request.
func TestWhatIsLentIsTakenBackAtOnce(t *testing.T) {
	sys := auth.System("test")
	tests := map[string]func(t *testing.T, c *identitytest.Cloud){
		"the user is disabled": func(t *testing.T, c *identitytest.Cloud) {
			_, err := c.Service.UpdateUser(t.Context(), sys, c.Access.DemoUserID, identity.Attrs{"enabled": false})
			must(t, err)
		},
		"the role is taken away": func(t *testing.T, c *identitytest.Cloud) {
			must(t, c.Service.Revoke(t.Context(), sys, identity.Assignment{ActorKind: identity.ActorUser, ActorID: c.Access.DemoUserID, TargetKind: identity.TargetProject, TargetID: c.Access.DemoProjectID, RoleID: c.Role(t, "member")}))
		},
		"the project is disabled": func(t *testing.T, c *identitytest.Cloud) {
			_, err := c.Service.UpdateProject(t.Context(), sys, c.Access.DemoProjectID, identity.Attrs{"enabled": false})
			must(t, err)
		},
	}
	for name, takeBack := range tests {
		t.Run(name, func(t *testing.T) {
			identitytest.Each(t, func(t *testing.T, c *identitytest.Cloud) {
				processes := []*identity.Service{c.Service}
				if c.DB.Dialect == db.PostgreSQL {
					processes = append(processes, c.Another(t).Service)
				}
				uses := lendAll(t, c)
				for how, use := range uses {
					for i, s := range processes {
						if err := use(s); err != nil {
							t.Fatalf("%s before, in process %d: %v", how, i, err)
						}
					}
				}
				takeBack(t, c)
				for how, use := range uses {
					for i, s := range processes {
						if err := use(s); !fault.Has(err, fault.CodeAuthUnauthenticated) {
							t.Errorf("%s afterwards, in process %d: %v", how, i, err)
						}
					}
				}
			})
		})
	}
}

// lendAll lends demo's role in every way there is.
func lendAll(t *testing.T, c *identitytest.Cloud) map[string]func(*identity.Service) error {
	t.Helper()
	tok := c.Token(t, "demo", "demo")
	demo, member := caller(t, c, tok), []identity.Ref{{ID: c.Role(t, "member")}}
	pair := ec2Pair(t, c, tok)
	cred, err := c.Service.CreateAppCred(t.Context(), demo, demo.UserID, identity.NewAppCred{Name: "n", Roles: member, Unrestricted: true})
	must(t, err)
	byCred, err := c.Service.Issue(t.Context(), identity.Proof{Methods: []string{"application_credential"}, AppCred: &identity.Ref{ID: cred.ID}, Secret: cred.Secret}, identity.Ask{})
	must(t, err)
	inner := ec2Pair(t, c, byCred.ID)
	trust, err := c.Service.CreateTrust(t.Context(), demo, identity.NewTrust{Trust: identity.Trust{TrustorID: demo.UserID, TrusteeID: c.Access.AdminUserID, ProjectID: demo.ProjectID, RemainingUses: identity.AnyUses}, Roles: member})
	must(t, err)
	byTrust, err := c.Service.Issue(t.Context(), c.Password("admin", "admin's"), identity.Ask{Given: true, TrustID: trust.ID})
	must(t, err)
	byKey, err := c.Service.IssueS3(t.Context(), pair.Access, []byte("GET"), sign1("GET", pair.Secret))
	must(t, err)
	token := func(id string) func(*identity.Service) error {
		return func(s *identity.Service) error { _, err := s.Validate(t.Context(), id); return err }
	}
	key := func(access string) func(*identity.Service) error {
		return func(s *identity.Service) error { _, _, err := s.S3Key(t.Context(), access); return err }
	}
	return map[string]func(*identity.Service) error{
		"a token": token(tok), "an application credential's token": token(byCred.ID), "a trust's token": token(byTrust.ID), "a key's token": token(byKey.ID),
		"a key": key(pair.Access), "an application credential's key": key(inner.Access),
	}
}
