package identity_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"altostack/identity"
	"altostack/identity/identitytest"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
)

const oneDay = 24 * time.Hour

// under is a cloud with rules.
func under(t *testing.T, rules identity.Compliance) *identitytest.Cloud {
	t.Helper()
	c := identitytest.New(t)
	c.Change(t, func(cfg *identity.Config) { cfg.Rules = rules })
	return c
}

func login(t *testing.T, c *identitytest.Cloud, user, password string) error {
	t.Helper()
	_, err := c.Service.Issue(t.Context(), c.Password(user, password), identity.Ask{Given: true, Unscoped: true})
	return err
}

// refused tells whether err is the one answer that all refusals share.
func refused(err error) bool {
	var f *fault.Fault
	return errors.As(err, &f) && f.Code == fault.CodeAuthUnauthenticated && f.Message == "The request you have made requires authentication."
}

func user(t *testing.T, c *identitytest.Cloud, name, password string, options identity.Extra) identity.User {
	t.Helper()
	a := identity.Attrs{"name": name, "password": password}
	if options != nil {
		a["options"] = map[string]any(options)
	}
	u, err := c.Service.CreateUser(t.Context(), auth.System("test"), a)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func set(t *testing.T, c *identitytest.Cloud, id string, a identity.Attrs) identity.User {
	t.Helper()
	u, err := c.Service.UpdateUser(t.Context(), auth.System("test"), id, a)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// Whatever keeps somebody out, as many hashes are computed, and the answer is the
// same: neither tells whether the user exists, or what is wrong.
func TestRefusalsCostAndSayTheSame(t *testing.T) {
	rules := identity.Compliance{LockoutAttempts: 2, InactiveDays: 10}
	long := strings.Repeat("long ", 30)
	proofs := map[string]func(t *testing.T, c *identitytest.Cloud) identity.Proof{
		"unknown user": func(_ *testing.T, c *identitytest.Cloud) identity.Proof { return c.Password("nobody", "right") },
		"unknown domain": func(_ *testing.T, c *identitytest.Cloud) identity.Proof {
			return identity.Proof{Methods: []string{"password"}, User: &identity.Ref{Name: "ann", Domain: &identity.Ref{ID: "nowhere"}}, Password: "right"}
		},
		"unknown id": func(*testing.T, *identitytest.Cloud) identity.Proof {
			return identity.Proof{Methods: []string{"password"}, User: &identity.Ref{ID: "nobody"}, Password: "right"}
		},
		"wrong password":      func(_ *testing.T, c *identitytest.Cloud) identity.Proof { return c.Password("ann", "wrong") },
		"wrong long password": func(_ *testing.T, c *identitytest.Cloud) identity.Proof { return c.Password("ann", long+"x") },
		"unknown, long":       func(_ *testing.T, c *identitytest.Cloud) identity.Proof { return c.Password("nobody", long) },
		"wrong, of a user of a long one": func(t *testing.T, c *identitytest.Cloud) identity.Proof {
			user(t, c, "len", long, nil)
			return c.Password("len", long+"x")
		},
		"disabled": func(t *testing.T, c *identitytest.Cloud) identity.Proof {
			set(t, c, ann(t, c), identity.Attrs{"enabled": false})
			return c.Password("ann", "right")
		},
		"locked": func(t *testing.T, c *identitytest.Cloud) identity.Proof {
			for range rules.LockoutAttempts {
				if err := login(t, c, "ann", "wrong"); !refused(err) {
					t.Fatal(err)
				}
			}
			return c.Password("ann", "right")
		},
		"inactive": func(t *testing.T, c *identitytest.Cloud) identity.Proof {
			c.Clock.Advance(11 * oneDay)
			return c.Password("ann", "right")
		},
		"without a password": func(t *testing.T, c *identitytest.Cloud) identity.Proof {
			if _, err := c.Service.CreateUser(t.Context(), auth.System("test"), identity.Attrs{"name": "bare"}); err != nil {
				t.Fatal(err)
			}
			return c.Password("bare", "")
		},
		"domain disabled": func(t *testing.T, c *identitytest.Cloud) identity.Proof {
			if _, err := c.Service.UpdateDomain(t.Context(), auth.System("test"), identity.DefaultDomainID, identity.Attrs{"enabled": false}); err != nil {
				t.Fatal(err)
			}
			return c.Password("ann", "right")
		},
		"right password recognised, then refused the scope": func(t *testing.T, c *identitytest.Cloud) identity.Proof {
			if err := login(t, c, "ann", "right"); err != nil {
				t.Fatal(err)
			}
			return c.Password("ann", "right")
		},
		"disabled, once recognised": func(t *testing.T, c *identitytest.Cloud) identity.Proof {
			if err := login(t, c, "ann", "right"); err != nil {
				t.Fatal(err)
			}
			set(t, c, ann(t, c), identity.Attrs{"enabled": false})
			return c.Password("ann", "right")
		},
		"locked, once recognised": func(t *testing.T, c *identitytest.Cloud) identity.Proof {
			if err := login(t, c, "ann", "right"); err != nil {
				t.Fatal(err)
			}
			for range rules.LockoutAttempts {
				_ = login(t, c, "ann", "wrong") // refused, as above
			}
			return c.Password("ann", "right")
		},
		"unknown application credential": func(*testing.T, *identitytest.Cloud) identity.Proof {
			return identity.Proof{Methods: []string{"application_credential"}, AppCred: &identity.Ref{ID: "none"}, Secret: "right"}
		},
	}
	for name, proof := range proofs {
		t.Run(name, func(t *testing.T) {
			c := under(t, rules)
			user(t, c, "ann", "right", nil)
			p := proof(t, c)
			want := int64(1)
			if len(p.Password) > 72 {
				want = 2 // bcrypt has two readings of it
			}
			before, _ := c.Service.HashesComputed()
			ask := identity.Ask{Given: true, Project: &identity.Ref{ID: c.Access.AdminProjectID}}
			if p.Secret != "" {
				ask = identity.Ask{}
			}
			_, err := c.Service.Issue(t.Context(), p, ask)
			after, _ := c.Service.HashesComputed()
			if !refused(err) {
				t.Errorf("answered %v", err)
			}
			if after-before != want {
				t.Errorf("%d hashes, want %d", after-before, want)
			}
		})
	}
}

func ann(t *testing.T, c *identitytest.Cloud) string {
	t.Helper()
	rows, _, err := c.Service.Users(t.Context(), auth.System("test"), identity.List{Match: []identity.Match{identity.Is("name", "ann")}})
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	return rows[0].ID
}

func TestLockout(t *testing.T) {
	identitytest.Each(t, func(t *testing.T, c *identitytest.Cloud) {
		rules := identity.Compliance{LockoutAttempts: 3, LockoutDuration: 30 * time.Minute}
		c.Change(t, func(cfg *identity.Config) { cfg.Rules = rules })
		id := user(t, c, "ann", "right", nil).ID
		user(t, c, "free", "right", identity.Extra{"ignore_lockout_failure_attempts": true})
		fail := func(n int) {
			t.Helper()
			for range n {
				if err := login(t, c, "ann", "wrong"); !refused(err) {
					t.Fatal(err)
				}
				_ = login(t, c, "free", "wrong")
			}
		}
		open := func(want bool, what string) {
			t.Helper()
			if err := login(t, c, "ann", "right"); (err == nil) != want {
				t.Errorf("%s: %v", what, err)
			}
			if err := login(t, c, "free", "right"); err != nil {
				t.Errorf("%s: who is excepted: %v", what, err)
			}
		}
		fail(2)
		open(true, "after two failures")
		fail(2)
		open(true, "the count begins anew after a success")
		fail(3)
		open(false, "after three")
		c.Change(t, func(*identity.Config) {})
		open(false, "after a restart")
		if err := c.Service.ChangePassword(t.Context(), id, "right", "new"); !refused(err) {
			t.Errorf("changing the password of a locked account: %v", err)
		}
		c.Clock.Advance(29 * time.Minute)
		open(false, "a minute before the end; trying does not put it off")
		c.Clock.Advance(time.Minute)
		fail(1)
		open(true, "a failure after the end is the first of a new count")
		fail(3)
		open(false, "locked again")
		set(t, c, id, identity.Attrs{"enabled": true})
		open(true, "an administrator enabled the user")
		for range 3 {
			if err := c.Service.ChangePassword(t.Context(), id, "wrong", "new"); !refused(err) {
				t.Fatal(err)
			}
		}
		open(false, "guessing by changing the password counts too")
		c.Change(t, func(cfg *identity.Config) { cfg.Rules.LockoutDuration = 0 })
		c.Clock.Advance(1000 * time.Hour)
		open(false, "without an end")
	})
}

// As many guesses as lock an account are compared, however many come at once.
func TestGuessesAtOnceAreNotMoreThanOneByOne(t *testing.T) {
	c := under(t, identity.Compliance{LockoutAttempts: 3})
	user(t, c, "ann", "right", nil)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() { _ = login(t, c, "ann", fmt.Sprint("wrong", i)) })
	}
	all.Wait()
	if err := login(t, c, "ann", "right"); !refused(err) {
		t.Errorf("after twenty guesses: %v", err)
	}
	rows := c.DB.QueryRow(t.Context(), "SELECT MAX(failures) FROM identity_logins")
	var n int64
	if err := rows.Scan(&n); err != nil || n != 3 {
		t.Errorf("%d guesses were compared: %v", n, err)
	}
}

// A login that changes nothing writes nothing.
func TestLoginsWriteNothing(t *testing.T) {
	c := under(t, identity.Compliance{LockoutAttempts: 3, InactiveDays: 30, ExpiresDays: 30})
	user(t, c, "ann", "right", nil)
	must(t, login(t, c, "ann", "right")) // the first of the day
	writes := 0
	c.DB.Around(func(commit func() error) error { writes++; return commit() })
	must(t, login(t, c, "ann", "right"))
	if writes != 0 {
		t.Errorf("%d writes", writes)
	}
	_ = login(t, c, "ann", "wrong")
	if writes != 1 {
		t.Errorf("%d writes for a failure", writes)
	}
}

func TestPasswordsExpire(t *testing.T) {
	c := under(t, identity.Compliance{ExpiresDays: 30})
	id := user(t, c, "ann", "right", nil).ID
	user(t, c, "free", "right", identity.Extra{"ignore_password_expiry": true})
	u, err := c.Service.User(t.Context(), auth.System("test"), id)
	must(t, err)
	if want := c.Clock.Now().Add(30 * oneDay).Truncate(time.Second); !u.PasswordExpiresAt.Equal(want) {
		t.Errorf("expires %s, want %s", u.PasswordExpiresAt, want)
	}
	must(t, login(t, c, "ann", "right"))
	c.Clock.Advance(30 * oneDay)
	var f *fault.Fault
	if err := login(t, c, "ann", "right"); !errors.As(err, &f) || f.Code != fault.CodeAuthUnauthenticated || f.Message != "The password is expired and needs to be changed for user: "+id+"." {
		t.Errorf("expired: %v", err)
	}
	if err := login(t, c, "ann", "wrong"); !refused(err) {
		t.Errorf("who does not know it learns nothing: %v", err)
	}
	must(t, login(t, c, "free", "right"))
	must(t, c.Service.ChangePassword(t.Context(), id, "right", "other"))
	must(t, login(t, c, "ann", "other"))
	c.Clock.Advance(31 * oneDay)
	set(t, c, id, identity.Attrs{"options": map[string]any{"ignore_password_expiry": true}})
	must(t, login(t, c, "ann", "other"))
}

func TestPasswordsOfAdministratorsAreChangedAtFirstUse(t *testing.T) {
	c := under(t, identity.Compliance{ChangeAtFirst: true})
	id := user(t, c, "ann", "first", nil).ID
	user(t, c, "free", "right", identity.Extra{"ignore_change_password_upon_first_use": true})
	must(t, login(t, c, "free", "right"))
	expired := func(password string) {
		t.Helper()
		if err := login(t, c, "ann", password); err == nil || !strings.Contains(err.Error(), "expired") {
			t.Errorf("%s: %v", password, err)
		}
	}
	expired("first")
	must(t, c.Service.ChangePassword(t.Context(), id, "first", "own"))
	must(t, login(t, c, "ann", "own"))
	set(t, c, id, identity.Attrs{"password": "reset"})
	expired("reset")
}

// invalid tells whether err is a 400 of the real service's words.
func invalid(err error, words string) bool {
	var f *fault.Fault
	return errors.As(err, &f) && f.Kind == fault.Invalid && strings.Contains(f.Message, words)
}

func TestPasswordHistory(t *testing.T) {
	identitytest.Each(t, func(t *testing.T, c *identitytest.Cloud) {
		c.Change(t, func(cfg *identity.Config) { cfg.Rules = identity.Compliance{UniqueCount: 3} })
		id := user(t, c, "ann", "one", nil).ID
		change := func(from, to string) error { return c.Service.ChangePassword(t.Context(), id, from, to) }
		used := func(err error) bool {
			return invalid(err, "The new password cannot be identical to a previous password. The total number which includes the new password must be unique is 3.")
		}
		if err := change("one", "one"); !used(err) {
			t.Errorf("the present one: %v", err)
		}
		must(t, change("one", "two"))
		set(t, c, id, identity.Attrs{"password": "three"}) // administrators are free, but it counts
		for _, old := range []string{"one", "two", "three"} {
			if err := change("three", old); !used(err) {
				t.Errorf("%s: %v", old, err)
			}
		}
		must(t, change("three", "four"))
		must(t, change("four", "one"))
	})
}

func TestMinimumPasswordAge(t *testing.T) {
	c := under(t, identity.Compliance{MinimumAgeDays: 2})
	id := user(t, c, "ann", "one", nil).ID
	change := func(from, to string) error { return c.Service.ChangePassword(t.Context(), id, from, to) }
	must(t, change("one", "two")) // it was an administrator's
	if err := change("two", "three"); !invalid(err, "it must be used for 2 day(s) before it can be changed. Please try again in 2 day(s) or") {
		t.Errorf("too young: %v", err)
	}
	c.Clock.Advance(oneDay + time.Hour)
	if err := change("two", "three"); !invalid(err, "try again in 0 day(s)") {
		t.Errorf("too young still: %v", err)
	}
	set(t, c, id, identity.Attrs{"password": "reset"})
	must(t, change("reset", "three"))
	c.Clock.Advance(2 * oneDay)
	must(t, change("three", "four"))
}

func TestPasswordStrength(t *testing.T) {
	c := under(t, identity.Compliance{Regex: `^(?=.*\d)(?=.*[a-zA-Z]).{7,}$`, RegexInWords: "seven characters with a letter and a digit"})
	weak := func(err error) bool {
		return invalid(err, "The password does not match the requirements: seven characters with a letter and a digit.")
	}
	if _, err := c.Service.CreateUser(t.Context(), auth.System("test"), identity.Attrs{"name": "ann", "password": "short1"}); !weak(err) {
		t.Errorf("create: %v", err)
	}
	id := user(t, c, "ann", "letters1", nil).ID
	if _, err := c.Service.UpdateUser(t.Context(), auth.System("test"), id, identity.Attrs{"password": "onlyletters"}); !weak(err) {
		t.Errorf("update: %v", err)
	}
	if _, err := c.Service.UpdateUser(t.Context(), auth.System("test"), id, identity.Attrs{"password": nil}); !invalid(err, "Password validation error: Password must be a string type.") {
		t.Errorf("null: %v", err)
	}
	if err := c.Service.ChangePassword(t.Context(), id, "letters1", "12345678"); !weak(err) {
		t.Errorf("change: %v", err)
	}
	must(t, c.Service.ChangePassword(t.Context(), id, "letters1", "letters2"))
	set(t, c, id, identity.Attrs{"options": map[string]any{"lock_password": true}})
	if err := c.Service.ChangePassword(t.Context(), id, "letters2", "letters3"); !invalid(err, "password policy disallowing password changes") {
		t.Errorf("lock_password: %v", err)
	}
}

func TestInactiveUsersAreDisabled(t *testing.T) {
	c := under(t, identity.Compliance{InactiveDays: 10})
	_, err := c.Service.Bootstrap(t.Context(), c.Options) // the start under the new rule, from which on time counts
	must(t, err)
	id := user(t, c, "ann", "right", nil).ID
	user(t, c, "free", "right", identity.Extra{"ignore_user_inactivity": true})
	c.Clock.Advance(9 * oneDay)
	must(t, login(t, c, "ann", "right"))
	must(t, login(t, c, "demo", "demo's"))
	c.Clock.Advance(9 * oneDay)
	must(t, login(t, c, "ann", "right"))
	c.Clock.Advance(10 * oneDay)
	if err := login(t, c, "ann", "right"); !refused(err) {
		t.Errorf("after ten days: %v", err)
	}
	must(t, login(t, c, "free", "right"))
	if u, err := c.Service.User(t.Context(), auth.System("test"), id); err != nil || u.Enabled {
		t.Errorf("shown as %+v: %v", u, err)
	}
	set(t, c, id, identity.Attrs{"enabled": true})
	must(t, login(t, c, "ann", "right"))
}

// Hashes of other forms are replaced when their password is shown next.
func TestHashesFollowTheConfiguration(t *testing.T) {
	c := identitytest.New(t)
	id := user(t, c, "ann", "right", nil).ID
	stored := func() string {
		t.Helper()
		var h string
		must(t, c.DB.QueryRow(t.Context(), "SELECT password_hash FROM users WHERE id = $1", id).Scan(&h))
		return h
	}
	tok, err := c.Service.Issue(t.Context(), c.Password("ann", "right"), identity.Ask{Given: true, Unscoped: true})
	must(t, err)
	first := stored()
	for _, next := range []struct{ h identity.Hashing }{{identity.Hashing{Algorithm: "scrypt", Cost: 4}}, {identity.Hashing{Algorithm: "argon2id", Cost: 1, Argon2MiB: 1}}, {identity.Hashing{Cost: 5}}, {identity.Hashing{Cost: 4}}} {
		c.Change(t, func(cfg *identity.Config) { cfg.Hashing = next.h })
		if err := login(t, c, "ann", "wrong"); !refused(err) || stored() != first {
			t.Errorf("a wrong password changed the hash, or was taken: %v", err)
		}
		must(t, login(t, c, "ann", "right"))
		if stored() == first {
			t.Errorf("%+v: the hash is the old one", next.h)
		}
		first = stored()
		must(t, login(t, c, "ann", "right"))
		if stored() != first {
			t.Error("a second login changed the hash again")
		}
	}
	if _, err := c.Service.Validate(t.Context(), tok.ID); err != nil {
		t.Errorf("a new hash of the same password must revoke nothing: %v", err)
	}
}

func from(ctx context.Context, address string) context.Context {
	return auth.Attempting(ctx, &auth.Attempt{Address: address})
}

// Failures are bounded by address and by account; who is right is not held up.
func TestFailuresAreLimited(t *testing.T) {
	c := identitytest.New(t)
	c.Change(t, func(cfg *identity.Config) { cfg.Limits = identity.Limits{PerAddress: 6, PerAccount: 3} })
	user(t, c, "ann", "right", nil)
	try := func(address, name, password string) error {
		_, err := c.Service.Issue(from(t.Context(), address), c.Password(name, password), identity.Ask{Given: true, Unscoped: true})
		return err
	}
	limited := func(err error) bool {
		return fault.Has(err, fault.CodeIdentityLimited) && fault.From(err).RetryAfter >= time.Second
	}
	for _, name := range []string{"ann", "nobody"} { // alike whether it exists or not
		for i := range 5 {
			err := try("192.0.2.1", name, "wrong")
			if want := i >= 3; limited(err) != want || !want && !refused(err) {
				t.Errorf("%s, failure %d: %v", name, i+1, err)
			}
		}
	}
	before, _ := c.Service.HashesComputed()
	if err := try("192.0.2.1", "other", "wrong"); !limited(err) {
		t.Errorf("another account from a worn address: %v", err)
	}
	if err := try("192.0.2.2", "ann", "wrong"); !limited(err) {
		t.Errorf("a worn account from another address: %v", err)
	}
	if after, _ := c.Service.HashesComputed(); after != before {
		t.Errorf("%d hashes for who is held off", after-before)
	}
	if err := try("192.0.2.2", "demo", "demo's"); err != nil {
		t.Errorf("somebody else: %v", err)
	}
	c.Clock.Advance(time.Minute)
	must(t, try("192.0.2.1", "ann", "right"))
	for range 5 {
		_ = try("192.0.2.1", "ann", "wrong")
	}
	must(t, try("192.0.2.1", "ann", "right")) // recognised
	for range 100 {
		must(t, try("192.0.2.3", "demo", "demo's"))
	}
	// What needs no hash to be refused is bounded by address too.
	for i := range 8 {
		_, err := c.Service.Issue(from(t.Context(), "192.0.2.9"), identity.Proof{Methods: []string{"token"}, Token: "forged"}, identity.Ask{})
		if want := i >= 6; limited(err) != want {
			t.Errorf("forged token %d: %v", i+1, err)
		}
	}
	// A token of ours that was revoked was not guessed.
	tok, err := c.Service.Issue(t.Context(), c.Password("demo", "demo's"), identity.Ask{Given: true, Unscoped: true})
	must(t, err)
	must(t, c.Service.RevokeToken(t.Context(), auth.System("test"), tok.ID))
	for range 20 {
		if _, err := c.Service.Issue(from(t.Context(), "192.0.2.10"), identity.Proof{Methods: []string{"token"}, Token: tok.ID}, identity.Ask{}); !fault.Has(err, fault.CodeIdentityNotFound) {
			t.Fatalf("a revoked token: %v", err)
		}
	}
	if n := c.Service.AttemptsRefused(); n == 0 {
		t.Error("none was counted")
	}
}

// One account has one name for the limits, so that a limit says nothing of whether
// it exists.
func TestAnAccountIsLimitedByAllItsNames(t *testing.T) {
	for _, name := range []string{"ann", "nobody"} {
		c := identitytest.New(t)
		c.Change(t, func(cfg *identity.Config) { cfg.Limits = identity.Limits{PerAccount: 2} })
		user(t, c, "ann", "right", nil)
		for i, domain := range []identity.Ref{{ID: identity.DefaultDomainID}, {Name: "Default"}, {ID: identity.DefaultDomainID}} {
			p := c.Password(name, "wrong")
			p.User.Domain = &domain
			_, err := c.Service.Issue(t.Context(), p, identity.Ask{})
			if want := i == 2; fault.Has(err, fault.CodeIdentityLimited) != want {
				t.Errorf("%s %d: %v", name, i, err)
			}
		}
	}
}
