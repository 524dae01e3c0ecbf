package identity_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"altostack/identity"
	"altostack/identity/identitytest"
	"altostack/identity/store"
	"altostack/kernel/auth"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/fault"
)

// However validations and changes interleave, one that begins after a change was
// answered never sees what was before it.
func TestCacheNeverServesAfterAChange(t *testing.T) {
	c, sys := identitytest.New(t), auth.System("test")
	onDemo := identity.Assignment{ActorKind: identity.ActorUser, ActorID: c.Access.DemoUserID, TargetKind: identity.TargetProject, TargetID: c.Access.DemoProjectID, RoleID: c.Role(t, "manager")}
	tok := c.Token(t, "demo", "demo")
	// The state is even while the role is surely absent, odd while surely present
	// or about to change; it moves before a grant and after a revocation.
	var state atomic.Int64
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				before := state.Load()
				p, err := c.Service.Validate(t.Context(), tok)
				if err != nil {
					t.Error(err)
					return
				}
				if before%2 == 0 && p.HasRole("manager") && state.Load() == before {
					t.Error("a role that was taken away is still there")
					return
				}
			}
		})
	}
	for range 100 {
		state.Add(1)
		must(t, c.Service.Grant(t.Context(), sys, onDemo))
		if p, err := c.Service.Validate(t.Context(), tok); err != nil || !p.HasRole("manager") {
			t.Errorf("the role just given is not there: %v", err)
		}
		must(t, c.Service.Revoke(t.Context(), sys, onDemo))
		state.Add(1)
	}
	close(stop)
	readers.Wait()
}

// A token asked for while its user's password changes is dead afterwards, or was
// got with the new password.
func TestTokensOfAnOldPasswordDieInTheRace(t *testing.T) {
	c, sys := identitytest.New(t), auth.System("test")
	for range 20 {
		_, err := c.Service.UpdateUser(t.Context(), sys, c.Access.DemoUserID, identity.Attrs{"password": "old"})
		must(t, err)
		var got []string
		var mu sync.Mutex
		var askers sync.WaitGroup
		for range 3 {
			askers.Go(func() {
				for range 10 {
					tok, err := c.Service.Issue(t.Context(), c.Password("demo", "old"), identity.Ask{})
					if err == nil {
						mu.Lock()
						got = append(got, tok.ID)
						mu.Unlock()
					}
				}
			})
		}
		_, err = c.Service.UpdateUser(t.Context(), sys, c.Access.DemoUserID, identity.Attrs{"password": "new"})
		must(t, err)
		askers.Wait()
		for _, tok := range got {
			if _, err := c.Service.Validate(t.Context(), tok); !fault.Has(err, fault.CodeAuthUnauthenticated) {
				t.Fatalf("a token of the old password lives on: %v", err)
			}
		}
	}
}

// On PostgreSQL several processes share the rows: what one takes away, the
// others refuse on their next request.
func TestRevocationReachesOtherProcesses(t *testing.T) {
	d := dbtest.PostgreSQL(t)
	must(t, d.Migrate(t.Context(), "identity", store.Migrations()))
	one, sys := identitytest.On(t, d), auth.System("test")
	two := one.Another(t)
	tok := one.Token(t, "demo", "demo")
	for range 2 { // the second is from the cache
		_, err := two.Service.Validate(t.Context(), tok)
		must(t, err)
	}
	onDemo := identity.Assignment{ActorKind: identity.ActorUser, ActorID: one.Access.DemoUserID, TargetKind: identity.TargetProject, TargetID: one.Access.DemoProjectID, RoleID: one.Role(t, "manager")}
	must(t, one.Service.Grant(t.Context(), sys, onDemo))
	if p, err := two.Service.Validate(t.Context(), tok); err != nil || !p.HasRole("manager") {
		t.Errorf("a role given by the other process: %v", err)
	}
	must(t, one.Service.RevokeToken(t.Context(), sys, tok))
	for i, c := range []*identitytest.Cloud{one, two} {
		if _, err := c.Service.Validate(t.Context(), tok); !fault.Has(err, fault.CodeAuthUnauthenticated) {
			t.Errorf("process %d: %v", i+1, err)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	c := identitytest.New(b)
	tok := c.Token(b, "demo", "demo")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Service.Validate(b.Context(), tok); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkValidateUncached(b *testing.B) {
	c := identitytest.New(b)
	tok := c.Token(b, "demo", "demo")
	for b.Loop() {
		b.StopTimer()
		c.Forget(b)
		b.StartTimer()
		if _, err := c.Service.Validate(b.Context(), tok); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkIssueService(b *testing.B) {
	c := identitytest.New(b)
	for b.Loop() {
		if _, _, err := c.Service.IssueService(b.Context(), "nova"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkIssuePassword(b *testing.B) {
	c := identitytest.New(b)
	for b.Loop() {
		c.Token(b, "demo", "demo")
	}
}
