package identity

import (
	"context"
	"fmt"
	"slices"
	"time"

	"altostack/kernel/db"
)

// keyLife is how long a key signs tokens, unless tokens live longer.
const keyLife = 24 * time.Hour

// The folders of keys there are.
const (
	KeysFernet     = "fernet"     // of encrypted tokens
	KeysJWS        = "jws"        // of signed tokens
	KeysCredential = "credential" // of secrets in the database
)

// rotating is a folder of keys for tokens.
type rotating interface {
	Reload() error
	Rotate(now time.Time, life time.Duration) error
	RotateWhenDue(now time.Time, every, life time.Duration) (bool, error)
}

func (s *Service) tokenKeys() map[string]rotating {
	all := map[string]rotating{KeysFernet: s.cfg.TokenKeys}
	if s.cfg.SigningKeys != nil {
		all[KeysJWS] = s.cfg.SigningKeys
	}
	return all
}

// tokensUntil is how long a key is needed after it stopped signing: until the last
// of its tokens is over, and late.
func (s *Service) tokensUntil() time.Duration { return s.cfg.TokenLife + s.cfg.LateWindow }

// RotateKeys gives the signing of tokens to the next key when the present one has
// done so long enough; it is for a reconciler, which may come at any time. What
// other processes rotated is read again. The keys of credentials are rotated by
// hand only, see [Service.RotateNow].
func (s *Service) RotateKeys(ctx context.Context) error {
	if err := s.cfg.CredentialKeys.Reload(); err != nil {
		return err
	}
	for name, keys := range s.tokenKeys() {
		if err := keys.Reload(); err != nil {
			return err
		}
		rotated, err := keys.RotateWhenDue(s.clock.Now(), max(keyLife, s.cfg.TokenLife), s.tokensUntil())
		if err != nil {
			return err
		}
		if rotated {
			s.log.InfoContext(ctx, "token keys rotated", "keys", name)
		}
	}
	return nil
}

// Rotated is what came of a rotation by hand.
type Rotated struct {
	Keys       string `json:"keys"`
	Resealed   int    `json:"resealed"`   // secrets that were encrypted anew
	Unreadable int    `json:"unreadable"` // secrets that no key opens; they are left as they are
}

// RotateNow rotates the keys of one folder. With forget, no key before the new one
// is kept: every token made until now is dead. It may be killed at any point and
// done again.
func (s *Service) RotateNow(ctx context.Context, name string, forget bool) (Rotated, error) {
	if name == KeysCredential {
		return s.rotateCredentialKeys(ctx)
	}
	keys := s.tokenKeys()[name]
	if keys == nil {
		return Rotated{}, invalid("keys", "There are no keys called %q.", name)
	}
	life := s.tokensUntil()
	if forget {
		life = 0
	}
	if err := keys.Rotate(s.clock.Now(), life); err != nil {
		return Rotated{}, err
	}
	if forget { // what is remembered was opened by a key that is gone
		if err := s.write(ctx, func(_ context.Context, _ *db.Tx, e *effects) error { e.touched(keyAll); return nil }); err != nil {
			return Rotated{}, err
		}
	}
	s.log.InfoContext(ctx, "token keys rotated by hand", "keys", name, "forgot", forget)
	return Rotated{Keys: name}, nil
}

// rotateCredentialKeys encrypts everything anew with the next key. Nothing is under
// an older key than the present one when the oldest go, and the present one stays
// for a day: another process may not know yet that it is not.
func (s *Service) rotateCredentialKeys(ctx context.Context) (Rotated, error) {
	if _, _, err := s.reseal(ctx); err != nil {
		return Rotated{}, err
	}
	if err := s.cfg.CredentialKeys.Rotate(s.clock.Now(), keyLife); err != nil {
		return Rotated{}, err
	}
	n, unreadable, err := s.reseal(ctx)
	s.log.InfoContext(ctx, "credential keys rotated", "resealed", n, "unreadable", unreadable)
	return Rotated{Keys: KeysCredential, Resealed: n, Unreadable: unreadable}, err
}

// Sealed is a text in the database that the credential keys encrypted.
type Sealed struct{ Table, ID, Text string }

// resealAtOnce bounds how much one write changes.
const resealAtOnce = 200

// reseal encrypts what is under an older key with the present one. A secret that
// somebody changes meanwhile is left to them, who use no older key.
func (s *Service) reseal(ctx context.Context) (changed, unreadable int, err error) {
	rows, err := s.store.Sealed(ctx, s.db)
	if err != nil {
		return 0, 0, err
	}
	rows = slices.DeleteFunc(rows, func(r Sealed) bool { return s.cfg.CredentialKeys.current(r.Text) })
	for some := range slices.Chunk(rows, resealAtOnce) {
		n, bad, err := s.resealSome(ctx, some)
		if err != nil {
			return changed, unreadable, fmt.Errorf("reseal: %w", err)
		}
		changed, unreadable = changed+n, unreadable+bad
	}
	return changed, unreadable, nil
}

func (s *Service) resealSome(ctx context.Context, rows []Sealed) (changed, unreadable int, err error) {
	fresh := make([]string, len(rows))
	for i, r := range rows {
		plain := s.cfg.CredentialKeys.open(r.Text)
		if plain == nil {
			s.log.WarnContext(ctx, "a secret cannot be decrypted with the keys that are there", "table", r.Table, "id", r.ID)
			unreadable++
			continue
		}
		if fresh[i], err = s.cfg.CredentialKeys.seal(plain); err != nil {
			return 0, unreadable, err
		}
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		changed = 0
		for i, r := range rows {
			if fresh[i] == "" {
				continue
			}
			done, err := s.store.Reseal(ctx, tx, r, fresh[i])
			if err != nil {
				return err
			}
			if done {
				changed++
			}
		}
		return nil
	})
	return changed, unreadable, err
}
