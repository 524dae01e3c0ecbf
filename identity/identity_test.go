package identity_test

import (
	"errors"
	"testing"
	"time"

	"altostack/identity"
	"altostack/identity/identitytest"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

func TestBootstrapGivesAWorkingCloud(t *testing.T) {
	identitytest.Each(t, func(t *testing.T, c *identitytest.Cloud) {
		tok, err := c.Service.Issue(t.Context(), c.Password("admin", c.Access.AdminPassword), identity.Ask{Given: true, Project: &identity.Ref{ID: c.Access.AdminProjectID}})
		if err != nil {
			t.Fatal(err)
		}
		p, err := c.Service.Validate(t.Context(), tok.ID)
		if err != nil {
			t.Fatal(err)
		}
		if p.ProjectName != "admin" || !p.HasRole("admin") || !p.HasRole("reader") || !p.Cached {
			t.Errorf("admin's bearer is %+v", p)
		}
		if _, took, ok := c.Service.TokenIssue(p.AuditID); !ok || took < 0 {
			t.Errorf("the issue of the token was not timed")
		}
		service, expires, err := c.Service.IssueService(t.Context(), "nova")
		if err != nil || !expires.After(c.Clock.Now()) {
			t.Fatalf("service token: %v, expires %s", err, expires)
		}
		if p, err = c.Service.Validate(t.Context(), service); err != nil || !p.HasRole("service") || p.ProjectName != "service" {
			t.Errorf("service bearer %+v: %v", p, err)
		}
		again, err := c.Service.Bootstrap(t.Context(), c.Options)
		if err != nil || again.Created || again.AdminPassword != "" || again.AdminUserID != c.Access.AdminUserID {
			t.Errorf("a second bootstrap: %+v: %v", again, err)
		}
	})
}

func TestExpiredTokensAreRefused(t *testing.T) {
	c := identitytest.New(t)
	tok := c.Token(t, "demo", "demo")
	c.Clock.Advance(61 * time.Minute)
	if _, err := c.Service.Validate(t.Context(), tok); !fault.Has(err, fault.CodeAuthUnauthenticated) {
		t.Errorf("an expired token: %v", err)
	}
}

func TestForgedTokensAreRefused(t *testing.T) {
	c := identitytest.New(t)
	good := c.Token(t, "demo", "demo")
	other := identitytest.New(t)
	forged := []string{"", "x", "gAAAAA", other.Token(t, "demo", "demo"), good + "=", good + "A"}
	for i := range good {
		forged = append(forged, good[:i])
		flipped := []byte(good)
		flipped[i] ^= 1
		forged = append(forged, string(flipped))
	}
	for _, f := range forged {
		if _, err := c.Service.Validate(t.Context(), f); !fault.Has(err, fault.CodeAuthUnauthenticated) {
			t.Fatalf("the forged token %q: %v", f, err)
		}
	}
	if _, err := c.Service.Validate(t.Context(), good); err != nil {
		t.Error(err)
	}
}

func TestKeysRotate(t *testing.T) {
	c := identitytest.New(t)
	old := c.Token(t, "demo", "demo")
	for i := range 4 {
		_, err := c.Service.RotateNow(t.Context(), identity.KeysFernet, i == 3)
		must(t, err)
		_, err = c.Service.Validate(t.Context(), old)
		if gone := i == 3; gone != (err != nil) {
			t.Errorf("after rotation %d: %v", i+1, err)
		}
	}
}

// Every way of taking something away works on the next request.
func TestRevocationIsImmediate(t *testing.T) {
	sys := auth.System("test")
	tests := map[string]func(c *identitytest.Cloud, tok string) error{
		"the user is disabled": func(c *identitytest.Cloud, _ string) error {
			_, err := c.Service.UpdateUser(t.Context(), sys, c.Access.DemoUserID, identity.Attrs{"enabled": false})
			return err
		},
		"the user is deleted": func(c *identitytest.Cloud, _ string) error {
			return c.Service.DeleteUser(t.Context(), sys, c.Access.DemoUserID)
		},
		"an administrator sets the password": func(c *identitytest.Cloud, _ string) error {
			_, err := c.Service.UpdateUser(t.Context(), sys, c.Access.DemoUserID, identity.Attrs{"password": "new"})
			return err
		},
		"the user changes the password": func(c *identitytest.Cloud, _ string) error {
			return c.Service.ChangePassword(t.Context(), c.Access.DemoUserID, c.Access.DemoPassword, "new")
		},
		"the project is disabled": func(c *identitytest.Cloud, _ string) error {
			_, err := c.Service.UpdateProject(t.Context(), sys, c.Access.DemoProjectID, identity.Attrs{"enabled": false})
			return err
		},
		"the project is disabled and enabled again": func(c *identitytest.Cloud, _ string) error {
			_, err := c.Service.UpdateProject(t.Context(), sys, c.Access.DemoProjectID, identity.Attrs{"enabled": false})
			if err == nil {
				_, err = c.Service.UpdateProject(t.Context(), sys, c.Access.DemoProjectID, identity.Attrs{"enabled": true})
			}
			return err
		},
		"the project is deleted": func(c *identitytest.Cloud, _ string) error {
			return c.Service.DeleteProject(t.Context(), sys, c.Access.DemoProjectID)
		},
		"the domain is disabled": func(c *identitytest.Cloud, _ string) error {
			_, err := c.Service.UpdateDomain(t.Context(), sys, identity.DefaultDomainID, identity.Attrs{"enabled": false})
			return err
		},
		"the role is taken away": func(c *identitytest.Cloud, _ string) error {
			return c.Service.Revoke(t.Context(), sys, identity.Assignment{ActorKind: identity.ActorUser, ActorID: c.Access.DemoUserID, TargetKind: identity.TargetProject, TargetID: c.Access.DemoProjectID, RoleID: c.Role(t, "member")})
		},
		"the token is revoked": func(c *identitytest.Cloud, tok string) error {
			return c.Service.RevokeToken(t.Context(), sys, tok)
		},
	}
	for name, takeAway := range tests {
		t.Run(name, func(t *testing.T) {
			identitytest.Each(t, func(t *testing.T, c *identitytest.Cloud) {
				tok, processes := c.Token(t, "demo", "demo"), []*identitytest.Cloud{c}
				if c.DB.Dialect == db.PostgreSQL { // SQLite has one only
					processes = append(processes, c.Another(t))
				}
				for i, p := range processes {
					_, err := p.Service.Validate(t.Context(), tok)
					must(t, err)
					if p, err := p.Service.Validate(t.Context(), tok); err != nil || !p.Cached {
						t.Fatalf("before, in process %d: %+v: %v", i, p, err)
					}
				}
				if err := takeAway(c, tok); err != nil {
					t.Fatal(err)
				}
				for i, p := range processes {
					if p, err := p.Service.Validate(t.Context(), tok); !fault.Has(err, fault.CodeAuthUnauthenticated) {
						t.Errorf("afterwards, in process %d, the token still gives %+v: %v", i, p, err)
					}
				}
			})
		})
	}
}

func TestGroupsGiveAndTakeRolesAtOnce(t *testing.T) {
	c, sys := identitytest.New(t), auth.System("test")
	g, err := c.Service.CreateGroup(t.Context(), sys, identity.Attrs{"name": "crew", "domain_id": identity.DefaultDomainID})
	if err != nil {
		t.Fatal(err)
	}
	onDemo := identity.Assignment{ActorKind: identity.ActorGroup, ActorID: g.ID, TargetKind: identity.TargetProject, TargetID: c.Access.DemoProjectID, RoleID: c.Role(t, "manager")}
	tok := c.Token(t, "demo", "demo")
	must(t, c.Service.Grant(t.Context(), sys, onDemo))
	manages := func(want bool, what string) {
		t.Helper()
		p, err := c.Service.Validate(t.Context(), tok)
		if err != nil {
			t.Fatal(err)
		}
		if p.HasRole("manager") != want {
			t.Errorf("%s: manager is %t", what, !want)
		}
	}
	manages(false, "before joining")
	must(t, c.Service.AddUser(t.Context(), sys, g.ID, c.Access.DemoUserID))
	manages(true, "after joining")
	must(t, c.Service.RemoveUser(t.Context(), sys, g.ID, c.Access.DemoUserID))
	manages(false, "after leaving")
	must(t, c.Service.AddUser(t.Context(), sys, g.ID, c.Access.DemoUserID))
	manages(true, "after joining again")
	must(t, c.Service.Revoke(t.Context(), sys, onDemo))
	manages(false, "after the group lost the role")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestUnknownUserAndWrongPasswordLookTheSame(t *testing.T) {
	c := identitytest.New(t)
	_, unknown := c.Service.Issue(t.Context(), c.Password("nobody", "x"), identity.Ask{})
	_, wrong := c.Service.Issue(t.Context(), c.Password("demo", "x"), identity.Ask{})
	var a, b *fault.Fault
	if !errors.As(unknown, &a) || !errors.As(wrong, &b) || a.Code != b.Code || a.Message != b.Message {
		t.Errorf("unknown user: %v; wrong password: %v", unknown, wrong)
	}
}
