package identity

import (
	"context"
	"fmt"
	"os"
	"time"
)

// keyLife is how long a key signs tokens, unless tokens live longer.
const keyLife = 24 * time.Hour

// keptKeys are the staged key, the one that signs and the one before it. That one
// stays as long as its successor signs, which is no shorter than a token lives:
// no token dies of a rotation.
const keptKeys = 3

// RotateKeys gives the signing of tokens to the next key when the present one has
// done so long enough; it is for a reconciler, which may come at any time. The
// keys of credentials are not rotated, as they must open what is stored.
func (s *Service) RotateKeys(ctx context.Context) error {
	rotated, err := s.cfg.TokenKeys.RotateWhenDue(s.clock.Now(), max(keyLife, s.cfg.TokenLife))
	if rotated {
		s.log.InfoContext(ctx, "token keys rotated")
	}
	return err
}

// RotateWhenDue rotates a ring whose staged key was made longer ago than every;
// it was made when the signing key began to sign.
func (k *KeyRing) RotateWhenDue(now time.Time, every time.Duration) (bool, error) {
	staged, err := os.Stat(k.path(0))
	if err != nil {
		return false, fmt.Errorf("rotate: %w", err)
	}
	if now.Sub(staged.ModTime()) < every {
		return false, nil
	}
	if err := k.Rotate(keptKeys); err != nil {
		return false, err
	}
	return true, os.Chtimes(k.path(0), now, now)
}
