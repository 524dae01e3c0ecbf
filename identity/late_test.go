package identity_test

import (
	"testing"
	"time"

	"altostack/identity"
	"altostack/identity/identitytest"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
)

// A service finishes what a user began, also after the user's token has ended.
func TestServicesTakeTokensThatEnded(t *testing.T) {
	c := identitytest.New(t)
	user := c.Token(t, "demo", "demo")
	service := func() string {
		tok, _, err := c.Service.IssueService(t.Context(), "nova")
		must(t, err)
		return tok
	}
	both := func(service string) error {
		p, err := auth.Both(t.Context(), c.Service, user, service)
		if err == nil && (p.UserID != c.Access.DemoUserID || p.Service == nil) {
			t.Errorf("bearer %+v", p)
		}
		return err
	}
	must(t, both(service()))
	c.Clock.Advance(25 * time.Hour)
	for range 2 { // the second is remembered
		must(t, both(service()))
	}
	for name, refused := range map[string]error{
		"alone":                     func() error { _, err := c.Service.Validate(t.Context(), user); return err }(),
		"with another user's token": both(c.Token(t, "admin", "admin")),
		"with an ended service's":   both(user),
		"with a forged service's":   both("x"),
		"to get a new one": func() error {
			_, err := c.Service.Issue(t.Context(), identity.Proof{Methods: []string{"token"}, Token: user}, identity.Ask{})
			return err
		}(),
	} {
		if !fault.Has(refused, fault.CodeAuthUnauthenticated) && !fault.Has(refused, fault.CodeIdentityNotFound) {
			t.Errorf("an ended token %s: %v", name, refused)
		}
	}
	_, err := c.Service.UpdateUser(t.Context(), auth.System("test"), c.Access.DemoUserID, identity.Attrs{"enabled": false})
	must(t, err)
	if err := both(service()); !fault.Has(err, fault.CodeAuthUnauthenticated) {
		t.Errorf("a disabled user's ended token: %v", err)
	}
	_, err = c.Service.UpdateUser(t.Context(), auth.System("test"), c.Access.DemoUserID, identity.Attrs{"enabled": true})
	must(t, err)
	if err := both(service()); !fault.Has(err, fault.CodeAuthUnauthenticated) {
		t.Errorf("the ended token of a user who was disabled: %v", err)
	}
	user = c.Token(t, "demo", "demo")
	c.Clock.Advance(time.Hour + 48*time.Hour)
	if err := both(service()); !fault.Has(err, fault.CodeAuthUnauthenticated) {
		t.Errorf("a token that ended two days ago: %v", err)
	}
}

func TestRevokedTokensAreNeverLate(t *testing.T) {
	c := identitytest.New(t)
	user := c.Token(t, "demo", "demo")
	must(t, c.Service.RevokeToken(t.Context(), auth.System("test"), user))
	c.Clock.Advance(40 * time.Hour)
	// A later revocation of something else cleans up behind itself.
	must(t, c.Service.RevokeToken(t.Context(), auth.System("test"), c.Token(t, "admin", "admin")))
	if _, err := c.Service.ValidateLate(t.Context(), user); !fault.Has(err, fault.CodeAuthUnauthenticated) {
		t.Errorf("a revoked token that ended: %v", err)
	}
}
