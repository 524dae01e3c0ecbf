package identity_test

import (
	"errors"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"altostack/identity"
	"altostack/identity/identitytest"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
)

const totpSecret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

func withTOTP(t *testing.T, c *identitytest.Cloud) {
	t.Helper()
	_, err := c.Service.CreateCredential(t.Context(), auth.System("test"), identity.Attrs{"type": "totp", "user_id": c.Access.DemoUserID, "blob": totpSecret})
	must(t, err)
}

func passcode(t *testing.T, at time.Time) identity.Proof {
	t.Helper()
	code, err := totp.GenerateCode(totpSecret, at)
	must(t, err)
	return identity.Proof{Methods: []string{"totp"}, TOTPUser: &identity.Ref{Name: "demo", Domain: &identity.Ref{ID: identity.DefaultDomainID}}, Passcode: code}
}

func TestPasscodesAreTakenOnce(t *testing.T) {
	identitytest.Each(t, func(t *testing.T, c *identitytest.Cloud) {
		withTOTP(t, c)
		now, another := c.Clock.Now(), c.Another(t)
		shown := passcode(t, now.Add(-30*time.Second))
		tok, err := c.Service.Issue(t.Context(), shown, identity.Ask{})
		must(t, err)
		if tok.User.ID != c.Access.DemoUserID || len(tok.Methods) != 1 || tok.Methods[0] != "totp" {
			t.Errorf("token by a passcode: %+v", tok.Claims)
		}
		for name, s := range map[string]*identity.Service{"the same process": c.Service, "another process": another.Service} {
			if _, err := s.Issue(t.Context(), shown, identity.Ask{}); !fault.Has(err, fault.CodeAuthUnauthenticated) {
				t.Errorf("a used passcode in %s: %v", name, err)
			}
		}
		if _, err = c.Service.Issue(t.Context(), passcode(t, now), identity.Ask{}); err != nil {
			t.Errorf("the next passcode: %v", err)
		}
		if _, err := c.Service.Issue(t.Context(), shown, identity.Ask{}); !fault.Has(err, fault.CodeAuthUnauthenticated) {
			t.Errorf("an earlier passcode: %v", err)
		}
	})
}

func TestPasscodesOfOtherTimesAreRefused(t *testing.T) {
	c := identitytest.New(t)
	if _, err := c.Service.Issue(t.Context(), passcode(t, c.Clock.Now()), identity.Ask{}); !fault.Has(err, fault.CodeAuthUnauthenticated) {
		t.Errorf("a passcode of a user without a device: %v", err)
	}
	withTOTP(t, c)
	for _, off := range []time.Duration{-2 * time.Minute, -61 * time.Second, time.Minute} {
		if _, err := c.Service.Issue(t.Context(), passcode(t, c.Clock.Now().Add(off)), identity.Ask{}); !fault.Has(err, fault.CodeAuthUnauthenticated) {
			t.Errorf("a passcode %s off: %v", off, err)
		}
	}
	for _, bad := range []string{"", "0", "000000000000"} {
		p := passcode(t, c.Clock.Now())
		p.Passcode = bad
		if _, err := c.Service.Issue(t.Context(), p, identity.Ask{}); !fault.Has(err, fault.CodeAuthUnauthenticated) {
			t.Errorf("passcode %q: %v", bad, err)
		}
	}
}

func needFactors(t *testing.T, c *identitytest.Cloud, rules ...any) {
	t.Helper()
	_, err := c.Service.UpdateUser(t.Context(), auth.System("test"), c.Access.DemoUserID, identity.Attrs{"options": map[string]any{"multi_factor_auth_rules": rules}})
	must(t, err)
}

func receiptOf(t *testing.T, err error) identity.Receipt {
	t.Helper()
	var more *identity.Insufficient
	if !errors.As(err, &more) {
		t.Fatalf("no receipt: %v", err)
	}
	return more.Receipt
}

func TestFactors(t *testing.T) {
	c := identitytest.New(t)
	withTOTP(t, c)
	needFactors(t, c, []any{"password", "totp"}, []any{"nosuch"})
	secret := c.Password("demo", "demo's")
	_, err := c.Service.Issue(t.Context(), secret, identity.Ask{})
	r := receiptOf(t, err)
	if r.User.ID != c.Access.DemoUserID || len(r.Required) != 1 || len(r.Methods) != 1 {
		t.Errorf("receipt %+v", r)
	}
	if _, err := c.Service.Validate(t.Context(), r.ID); !fault.Has(err, fault.CodeAuthUnauthenticated) {
		t.Errorf("a receipt as a token: %v", err)
	}
	second := passcode(t, c.Clock.Now())
	second.Receipt = r.ID
	tok, err := c.Service.Issue(t.Context(), second, identity.Ask{})
	must(t, err)
	if len(tok.Methods) != 2 {
		t.Errorf("methods %v", tok.Methods)
	}
	// Rescoping keeps what was shown.
	again, err := c.Service.Issue(t.Context(), identity.Proof{Methods: []string{"token"}, Token: tok.ID}, identity.Ask{Given: true, Unscoped: true})
	must(t, err)
	if len(again.Methods) != 3 {
		t.Errorf("methods after rescoping %v", again.Methods)
	}
	// Both at once.
	c.Clock.Advance(time.Minute)
	both := passcode(t, c.Clock.Now())
	both.Methods, both.User, both.Password = []string{"password", "totp"}, secret.User, secret.Password
	_, err = c.Service.Issue(t.Context(), both, identity.Ask{})
	must(t, err)
}

func TestReceiptsThatDoNotCount(t *testing.T) {
	c := identitytest.New(t)
	withTOTP(t, c)
	needFactors(t, c, []any{"password", "totp"})
	_, err := c.Service.Issue(t.Context(), c.Password("demo", "demo's"), identity.Ask{})
	r := receiptOf(t, err)
	try := func(name, receipt string) {
		t.Helper()
		p := passcode(t, c.Clock.Now())
		p.Receipt = receipt
		if _, err := c.Service.Issue(t.Context(), p, identity.Ask{}); !fault.Has(err, fault.CodeAuthUnauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
		c.Clock.Advance(time.Minute)
	}
	try("a forged receipt", r.ID[:len(r.ID)-2]+"AA")
	try("a token", c.Token(t, "admin", "admin"))
	p := c.Password("admin", "admin's")
	p.Receipt = r.ID
	if _, err := c.Service.Issue(t.Context(), p, identity.Ask{}); !fault.Has(err, fault.CodeAuthUnauthenticated) {
		t.Errorf("another user's receipt: %v", err)
	}
	_, err = c.Service.UpdateUser(t.Context(), auth.System("test"), c.Access.DemoUserID, identity.Attrs{"password": "new"})
	must(t, err)
	try("a receipt for the password before", r.ID)
	_, err = c.Service.Issue(t.Context(), c.Password("demo", "new"), identity.Ask{})
	r = receiptOf(t, err)
	c.Clock.Advance(6 * time.Minute)
	try("an old receipt", r.ID)
}

// A mistake in the rules keeps nobody out, and they can be switched off.
func TestFactorRulesThatNobodyCanMeet(t *testing.T) {
	c := identitytest.New(t)
	for _, rules := range [][]any{{[]any{"nosuch"}}, {}, {"password"}, {[]any{}}, {[]any{1}}, {[]any{"password"}, []any{"totp"}}} {
		needFactors(t, c, rules...)
		if _, err := c.Service.Issue(t.Context(), c.Password("demo", "demo's"), identity.Ask{}); err != nil {
			t.Errorf("rules %v: %v", rules, err)
		}
	}
	needFactors(t, c, []any{"password", "totp"})
	_, err := c.Service.UpdateUser(t.Context(), auth.System("test"), c.Access.DemoUserID, identity.Attrs{"options": map[string]any{"multi_factor_auth_enabled": false}})
	must(t, err)
	_, err = c.Service.Issue(t.Context(), c.Password("demo", "demo's"), identity.Ask{})
	must(t, err)
}
