package identity_test

import (
	"testing"

	"altostack/identity"
	"altostack/identity/identitytest"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
)

// A project that was disabled for a while is open again to who logged in before:
// its tokens ended, not those that can be exchanged for one.
func TestUnscopedTokenOutlivesAProjectsPause(t *testing.T) {
	identitytest.Each(t, func(t *testing.T, c *identitytest.Cloud) {
		sys := auth.System("test")
		onDemo := identity.Ask{Given: true, Project: &identity.Ref{ID: c.Access.DemoProjectID}}
		unscoped, err := c.Service.Issue(t.Context(), identity.Proof{Methods: []string{"password"}, User: &identity.Ref{ID: c.Access.DemoUserID}, Password: c.Access.DemoPassword},
			identity.Ask{Given: true, Unscoped: true})
		must(t, err)
		again := func() (*identity.Token, error) {
			return c.Service.Issue(t.Context(), identity.Proof{Methods: []string{"token"}, Token: unscoped.ID}, onDemo)
		}
		scoped, err := again()
		must(t, err)
		for _, enabled := range []bool{false, true} {
			_, err := c.Service.UpdateProject(t.Context(), sys, c.Access.DemoProjectID, identity.Attrs{"enabled": enabled})
			must(t, err)
		}
		if _, err := c.Service.Validate(t.Context(), scoped.ID); !fault.Has(err, fault.CodeAuthUnauthenticated) {
			t.Errorf("the project's token of before: %v", err)
		}
		if _, err := again(); err != nil {
			t.Errorf("the unscoped token cannot be exchanged any more: %v", err)
		}
	})
}
