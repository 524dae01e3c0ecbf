package identity

import (
	"context"
	"crypto/subtle"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"altostack/kernel/auth"
	"altostack/kernel/db"
)

// totpStep is how long a passcode is shown. Source: RFC 6238, and the form that
// Keystone takes: six digits of HMAC-SHA-1.
const totpStep = 30 * time.Second

var totpForm = totp.ValidateOpts{Period: uint(totpStep / time.Second), Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}

// byTOTP takes the passcode that a user's device shows now, or showed a moment ago;
// each of them once.
func (s *Service) byTOTP(ctx context.Context, p Proof, _ Ask, c *Claims) error {
	if p.TOTPUser == nil {
		return refuse("no user was named")
	}
	u, found, err := s.userOf(ctx, *p.TOTPUser)
	if err != nil {
		return err
	}
	at := auth.AttemptOf(ctx)
	if found {
		at.UserID, at.UserName, at.DomainID = u.ID, u.Name, u.DomainID
	}
	give, err := s.throttle.take(at, "totp\x00"+s.account(ctx, *p.TOTPUser, u, found))
	if err != nil {
		return err
	}
	ok, err := s.usePasscode(ctx, u.ID, p.Passcode)
	if err != nil || ok {
		give()
		if err != nil {
			return err
		}
		return c.prove(u.ID)
	}
	at.Drawn = true
	return refuse("wrong user or passcode")
}

// usePasscode tells whether a passcode is one of the user's, and takes it away.
func (s *Service) usePasscode(ctx context.Context, userID, passcode string) (bool, error) {
	rows, err := s.tables.Credentials.List(ctx, s.db, Is("user_id", userID), Is("type", typeTOTP))
	if err != nil {
		return false, err
	}
	if userID == "" || len(rows) == 0 { // costs what a wrong passcode costs
		s.stepOf("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", passcode)
		return false, nil
	}
	for _, c := range rows {
		if c, err = s.openCredential(c); err != nil {
			return false, err
		}
		step, ok := s.stepOf(c.Blob, passcode)
		if !ok {
			continue
		}
		fresh := false
		err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			var err error
			fresh, err = s.store.UseStep(ctx, tx, c.ID, step)
			return err
		})
		if err != nil || fresh {
			return fresh, err
		}
	}
	return false, nil
}

// stepOf finds the step of time, now or of the windows before, in which the secret
// shows the passcode. All are computed: how long it takes says nothing.
func (s *Service) stepOf(secret, passcode string) (step int64, ok bool) {
	now := s.clock.Now()
	for i := range s.cfg.TOTPWindows + 1 {
		at := now.Add(-time.Duration(i) * totpStep)
		code, err := totp.GenerateCodeCustom(strings.TrimSpace(secret), at, totpForm)
		if err == nil && subtle.ConstantTimeCompare([]byte(code), []byte(passcode)) == 1 {
			step, ok = at.Unix()/int64(totpStep/time.Second), true
		}
	}
	return step, ok
}
