package identity_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"altostack/identity"
	"altostack/identity/identitytest"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
)

func signedCloud(t *testing.T, c *identitytest.Cloud, dir string) *identitytest.Cloud {
	t.Helper()
	return c.With(t, func(cfg *identity.Config) {
		var err error
		cfg.SigningKeys, err = identity.OpenSigningKeys(dir)
		must(t, err)
		cfg.TokenProvider = identity.KeysJWS
	})
}

func TestSignedTokens(t *testing.T) {
	identitytest.Each(t, func(t *testing.T, plain *identitytest.Cloud) {
		dir := t.TempDir()
		c := signedCloud(t, plain, dir)
		another := signedCloud(t, plain, dir)
		encrypted := plain.Token(t, "demo", "demo")
		tok := c.Token(t, "demo", "demo")
		claims := map[string]any{}
		body, err := base64.RawURLEncoding.DecodeString(strings.Split(tok, ".")[1])
		must(t, err)
		must(t, json.Unmarshal(body, &claims))
		if claims["sub"] != c.Access.DemoUserID || claims["openstack_project_id"] != c.Access.DemoProjectID {
			t.Errorf("claims %s", body)
		}
		for name, s := range map[string]*identity.Service{"the same process": c.Service, "another": another.Service} {
			for _, text := range []string{tok, encrypted} {
				if p, err := s.Validate(t.Context(), text); err != nil || p.UserID != c.Access.DemoUserID || !p.HasRole("member") {
					t.Errorf("in %s: %+v %v", name, p, err)
				}
			}
		}
		if _, err := plain.Service.Validate(t.Context(), tok); !fault.Has(err, fault.CodeAuthUnauthenticated) {
			t.Errorf("where no keys for it are: %v", err)
		}
		must(t, another.Service.RevokeToken(t.Context(), auth.System("test"), tok))
		another.Forget(t)
		if _, err := another.Service.Validate(t.Context(), tok); !fault.Has(err, fault.CodeAuthUnauthenticated) {
			t.Errorf("a revoked token: %v", err)
		}
	})
}

func TestForgedSignedTokens(t *testing.T) {
	c := signedCloud(t, identitytest.New(t), t.TempDir())
	tok := c.Token(t, "demo", "demo")
	other := signedCloud(t, identitytest.New(t), t.TempDir()).Token(t, "admin", "admin")
	parts := strings.Split(tok, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
	hs := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`))
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	must(t, err)
	admin := base64.RawURLEncoding.EncodeToString([]byte(strings.ReplaceAll(string(body), c.Access.DemoUserID, c.Access.AdminUserID)))
	for _, forged := range []string{
		other, none + "." + parts[1] + ".", none + "." + parts[1] + "." + parts[2], hs + "." + parts[1] + "." + parts[2],
		parts[0] + "." + admin + "." + parts[2], parts[0] + "." + parts[1] + ".", "..", "a.b.c", tok + ".x",
	} {
		if _, err := c.Service.Validate(t.Context(), forged); !fault.Has(err, fault.CodeAuthUnauthenticated) {
			t.Errorf("%q: %v", forged, err)
		}
	}
}
