package identity_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"altostack/identity"
	"altostack/identity/identitytest"
	"altostack/identity/store"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// A rotation in one process is no hindrance to another, whatever it has read.
func TestProcessesShareRotatedKeys(t *testing.T) {
	dir := t.TempDir()
	one := signedCloud(t, identitytest.New(t), dir)
	two := signedCloud(t, one, dir)
	for _, keys := range []string{identity.KeysJWS, identity.KeysFernet} {
		for range 3 {
			_, err := one.Service.RotateNow(t.Context(), keys, false)
			must(t, err)
			if _, err := two.Service.Validate(t.Context(), one.Token(t, "demo", "demo")); err != nil {
				t.Errorf("%s: %v", keys, err)
			}
			if _, err := one.Service.Validate(t.Context(), two.Token(t, "demo", "demo")); err != nil {
				t.Errorf("%s: %v", keys, err)
			}
		}
	}
}

func TestUnknownKeysAreRefused(t *testing.T) {
	c := identitytest.New(t)
	if _, err := c.Service.RotateNow(t.Context(), "nosuch", false); !fault.Has(err, fault.CodeIdentityInvalid) {
		t.Error(err)
	}
}

// breaking is a store whose Reseal fails after some.
type breaking struct {
	identity.Store
	left int
}

var errKilled = errors.New("killed")

func (b *breaking) Reseal(ctx context.Context, tx *db.Tx, old identity.Sealed, text string) (bool, error) {
	if b.left--; b.left < 0 {
		return false, errKilled
	}
	return b.Store.Reseal(ctx, tx, old, text)
}

// Killed while credentials are encrypted anew, at any of them, nothing is lost and
// the next rotation completes it.
func TestCredentialKeysRotate(t *testing.T) {
	identitytest.Each(t, func(t *testing.T, c *identitytest.Cloud) {
		dir, sys := t.TempDir(), auth.System("test")
		open := func(s identity.Store) *identity.Service {
			t.Helper()
			keys, err := identity.OpenKeyRing(dir)
			must(t, err)
			return c.With(t, func(cfg *identity.Config) { cfg.CredentialKeys, cfg.Store = keys, s }).Service
		}
		const many = 5
		s, secrets := open(store.New()), map[string]string{}
		for i := range many {
			v, err := s.CreateCredential(t.Context(), sys, identity.Attrs{"type": "cert", "user_id": c.Access.DemoUserID, "blob": strconv.Itoa(i)})
			must(t, err)
			secrets[v.ID] = v.Blob
		}
		check := func(s *identity.Service, when string) {
			t.Helper()
			for id, blob := range secrets {
				if v, err := s.Credential(t.Context(), sys, id); err != nil || v.Blob != blob {
					t.Errorf("%s: %q %v", when, v.Blob, err)
				}
			}
		}
		stale := open(store.New()) // another process, which is told nothing
		for n := range many {
			_, err := open(&breaking{store.New(), n}).RotateNow(t.Context(), identity.KeysCredential, false)
			if !errors.Is(err, errKilled) {
				t.Fatalf("killed at %d: %v", n, err)
			}
			check(open(store.New()), "after a kill")
			check(stale, "in another process")
			c.Clock.Advance(25 * time.Hour)
		}
		got, err := open(store.New()).RotateNow(t.Context(), identity.KeysCredential, false)
		must(t, err)
		if got.Resealed != many || got.Unreadable != 0 {
			t.Errorf("rotated: %+v", got)
		}
		check(open(store.New()), "in the end")
		for range 3 {
			c.Clock.Advance(25 * time.Hour)
			_, err = open(store.New()).RotateNow(t.Context(), identity.KeysCredential, false)
			must(t, err)
		}
		check(stale, "in another process in the end")
		files, err := os.ReadDir(dir)
		must(t, err)
		if len(files) > 5 { // staged, present, two before it, the lock
			t.Errorf("%d keys are kept", len(files))
		}
	})
}

// Whoever is killed between two renames leaves a folder that the next one completes.
func TestHalfRotatedFoldersAreCompleted(t *testing.T) {
	dir := t.TempDir()
	ring, err := identity.OpenKeyRing(dir)
	must(t, err)
	must(t, os.Rename(filepath.Join(dir, "0"), filepath.Join(dir, "2"))) // and no more
	if rotated, err := ring.RotateWhenDue(time.Now(), time.Hour, time.Hour); rotated || err != nil {
		t.Errorf("rotated %t: %v", rotated, err)
	}
	must(t, os.Remove(filepath.Join(dir, "0")))
	must(t, ring.Rotate(time.Now(), time.Hour))
	for _, name := range []string{"0", "1", "2", "3"} {
		f, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		if f.Mode().Perm() != 0o600 {
			t.Errorf("key %s is open to others: %s", name, f.Mode())
		}
	}
}
