package identity_test

import (
	"testing"
	"time"

	"altostack/identity"
	"altostack/identity/identitytest"
	"altostack/identity/mapping"
	"altostack/kernel/auth"
)

// TestFederationOnBothDatabases: what a provider's user is kept as, and that it
// goes with the provider.
func TestFederationOnBothDatabases(t *testing.T) {
	identitytest.Each(t, func(t *testing.T, c *identitytest.Cloud) {
		ctx, as := t.Context(), auth.System("test")
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		p, err := c.Service.CreateIdentityProvider(ctx, as, "acme", identity.Attrs{"enabled": true, "remote_ids": []any{"b", "a"}, "authorization_ttl": float64(5)})
		must(err)
		_, err = c.Service.CreateFederationMapping(ctx, as, "m", identity.Attrs{"rules": []any{map[string]any{
			"remote": []any{map[string]any{"type": "OIDC-sub"}},
			"local":  []any{map[string]any{"user": map[string]any{"name": "{0}"}, "group": map[string]any{"name": "g", "domain": map[string]any{"id": "default"}}}},
		}}})
		must(err)
		_, err = c.Service.CreateProtocol(ctx, as, "acme", "openid", identity.Attrs{"mapping_id": "m"})
		must(err)
		g, err := c.Service.CreateGroup(ctx, as, identity.Attrs{"name": "g", "domain_id": "default"})
		must(err)
		said := identity.Asserted{ProviderID: "acme", ProtocolID: "openid", Attributes: mapping.Claims(map[string]any{"sub": "ann", "iss": "a"})}
		first, err := c.Service.IssueAsserted(ctx, said)
		must(err)
		again, err := c.Service.IssueAsserted(ctx, said)
		must(err)
		if first.User.ID != again.User.ID || first.User.DomainID != p.DomainID || first.User.Name != "ann" || len(first.Vouched.GroupIDs) != 1 || first.Vouched.GroupIDs[0] != g.ID {
			t.Errorf("first %+v again %+v", first.User, again.User)
		}
		other := c.Another(t)
		if who, err := other.Service.Validate(ctx, first.ID); err != nil || who.UserName != "ann" {
			t.Errorf("in another process: %+v %v", who, err)
		}
		must(c.Service.DeleteIdentityProvider(ctx, as, "acme"))
		if _, err := c.Service.Validate(ctx, first.ID); err == nil {
			t.Error("the token outlives its provider")
		}
		if _, err := c.Service.User(ctx, as, first.User.ID); err == nil {
			t.Error("the user outlives its provider")
		}
		c.Clock.Advance(time.Hour)
	})
}
