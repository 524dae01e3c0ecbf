package identity

import (
	"context"
	"fmt"
	"os"
	"time"
)

// keyLife is how long a key signs tokens, unless tokens live longer.
const keyLife = 24 * time.Hour

// kept is how many keys a ring holds: the staged one, the one that signs, and those
// before it for as long as one of their tokens may come. No token dies of a
// rotation.
func kept(life, every time.Duration) int {
	return 2 + int((life+every-1)/every)
}

// RotateKeys gives the signing of tokens to the next key when the present one has
// done so long enough; it is for a reconciler, which may come at any time. The
// keys of credentials are not rotated, as they must open what is stored.
func (s *Service) RotateKeys(ctx context.Context) error {
	every := max(keyLife, s.cfg.TokenLife)
	rotated, err := s.cfg.TokenKeys.RotateWhenDue(s.clock.Now(), every, kept(s.cfg.TokenLife+s.cfg.LateWindow, every))
	if rotated {
		s.log.InfoContext(ctx, "token keys rotated")
	}
	return err
}

// RotateWhenDue rotates a ring whose staged key was made longer ago than every;
// it was made when the signing key began to sign. At most most keys are kept.
func (k *KeyRing) RotateWhenDue(now time.Time, every time.Duration, most int) (bool, error) {
	staged, err := os.Stat(k.path(0))
	if err != nil {
		return false, fmt.Errorf("rotate: %w", err)
	}
	if now.Sub(staged.ModTime()) < every {
		return false, nil
	}
	if err := k.Rotate(most); err != nil {
		return false, err
	}
	return true, os.Chtimes(k.path(0), now, now)
}
