package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// Compliance are the rules for accounts and passwords that PCI DSS and the like
// ask for, as Keystone's [security_compliance]. The zero value asks for nothing.
type Compliance struct {
	LockoutAttempts int           // failed logins that lock an account; 0: never
	LockoutDuration time.Duration // 0: until an administrator enables the user
	InactiveDays    int           // without a login, after which a user counts as disabled; 0: never
	ExpiresDays     int           // life of a password; 0: for ever
	UniqueCount     int           // passwords, the present one included, that a new one must differ from
	MinimumAgeDays  int           // before users may change a password they chose
	Regex           string        // what a password must match; empty: anything
	RegexInWords    string        // told to who chose one that does not
	ChangeAtFirst   bool          // a password set by an administrator must be changed before it is used
}

// The options of users that except them from rules.
const (
	optIgnoreFirstUse   = "ignore_change_password_upon_first_use"
	optIgnoreExpiry     = "ignore_password_expiry"
	optIgnoreLockout    = "ignore_lockout_failure_attempts"
	optIgnoreInactivity = "ignore_user_inactivity"
	optLockPassword     = "lock_password"
)

// Login is what is known of a user's logins.
type Login struct {
	UserID      string
	SelfService bool      // the user chose the present password, not an administrator
	ActiveAt    time.Time // the day of the last login; zero: not known
	Failures    int64     // in a row
	FailedAt    time.Time
}

// LoginStore is SQL of logins and former passwords.
type LoginStore interface {
	Logins(ctx context.Context, r db.Reader, userIDs ...string) (map[string]Login, error)
	SaveLogin(ctx context.Context, tx *db.Tx, l Login) error
	// BeginActivity starts the time of inactivity of users who have none yet.
	BeginActivity(ctx context.Context, tx *db.Tx, now time.Time) error
	// FormerPasswords answers the hashes of the last n passwords before the
	// present one, the latest last.
	FormerPasswords(ctx context.Context, r db.Reader, userID string, n int) ([]string, error)
	AddFormerPassword(ctx context.Context, tx *db.Tx, userID, hash string, n int) error
}

// compliance is Compliance made ready.
type compliance struct {
	Compliance
	strength pattern
}

func newCompliance(c Compliance) (compliance, error) {
	p, err := parsePattern(c.Regex)
	if err != nil {
		return compliance{}, fmt.Errorf("password_regex: %w", err)
	}
	return compliance{c, p}, nil
}

// Compliance answers the rules in force.
func (s *Service) Compliance() Compliance { return s.rules.Compliance }

const day = 24 * time.Hour

func (o Extra) on(name string) bool { v, _ := o[name].(bool); return v }

// validate refuses a password that does not match the pattern.
func (c compliance) validate(password any) error {
	if c.Regex == "" {
		return nil
	}
	text, ok := password.(string)
	if !ok {
		return invalid("password", "Password validation error: Password must be a string type.")
	}
	if !c.strength.matches(text) {
		return invalid("password", "The password does not match the requirements: %s.", c.RegexInWords)
	}
	return nil
}

// expiry is when a password that is set now ends; zero: never.
func (c compliance) expiry(u User, now time.Time, byUser bool) time.Time {
	switch {
	case c.ChangeAtFirst && !byUser && !u.Options.on(optIgnoreFirstUse):
		return now
	case c.ExpiresDays > 0 && !u.Options.on(optIgnoreExpiry):
		return now.Add(time.Duration(c.ExpiresDays) * day).Truncate(time.Second)
	}
	return time.Time{}
}

func expired(u User, now time.Time) bool {
	return !u.PasswordExpiresAt.IsZero() && !u.Options.on(optIgnoreExpiry) && !now.Before(u.PasswordExpiresAt)
}

// locked tells whether failed logins keep a user out; over says that they did,
// and that their time is up.
func (c compliance) locked(u User, l Login, now time.Time) (locked, over bool) {
	if c.LockoutAttempts == 0 || u.Options.on(optIgnoreLockout) || l.Failures < int64(c.LockoutAttempts) {
		return false, false
	}
	if c.LockoutDuration > 0 && !now.Before(l.FailedAt.Add(c.LockoutDuration)) {
		return false, true
	}
	return true, false
}

// inactive tells whether a user stayed away for too long. Who has no password has
// no logins to count.
func (c compliance) inactive(u User, l Login, now time.Time) bool {
	if c.InactiveDays == 0 || u.PasswordHash == "" || u.Options.on(optIgnoreInactivity) || l.ActiveAt.IsZero() {
		return false
	}
	return int(now.UTC().Truncate(day).Sub(l.ActiveAt.UTC().Truncate(day))/day) >= c.InactiveDays
}

// counted says whether a login's row is needed at all.
func (c compliance) counted() bool { return c.LockoutAttempts > 0 || c.InactiveDays > 0 }

// showInactive makes users who stayed away look disabled, as they are.
func (s *Service) showInactive(ctx context.Context, r db.Reader, users []User) error {
	if s.rules.InactiveDays == 0 || len(users) == 0 {
		return nil
	}
	ids := make([]string, len(users))
	for i, u := range users {
		ids[i] = u.ID
	}
	logins, err := s.store.Logins(ctx, r, ids...)
	if err != nil {
		return err
	}
	now := s.clock.Now()
	for i, u := range users {
		users[i].Enabled = u.Enabled && !s.rules.inactive(u, logins[u.ID], now)
	}
	return nil
}

// needActive refuses users who stayed away for too long.
func (s *Service) needActive(ctx context.Context, userID string) error {
	if s.rules.InactiveDays == 0 {
		return nil
	}
	u, found, err := s.tables.Users.Get(ctx, s.db, userID)
	if err != nil || !found {
		return err
	}
	logins, err := s.store.Logins(ctx, s.db, userID)
	if err == nil && s.rules.inactive(u, logins[userID], s.clock.Now()) {
		err = refuse("user %s was inactive for too long", userID)
	}
	return err
}

// replacePassword puts a new hash in place of the present one, which is kept
// among the former ones as long as they are compared with.
func (s *Service) replacePassword(ctx context.Context, tx *db.Tx, u *User, hash string, byUser bool) error {
	now := s.clock.Now()
	if n := s.rules.UniqueCount - 1; n > 0 && u.PasswordHash != "" {
		if err := s.store.AddFormerPassword(ctx, tx, u.ID, u.PasswordHash, n); err != nil {
			return err
		}
	}
	u.PasswordHash, u.PasswordCreatedAt, u.PasswordExpiresAt = hash, now, s.rules.expiry(*u, now, byUser)
	logins, err := s.store.Logins(ctx, tx, u.ID)
	if err != nil {
		return err
	}
	if l, has := logins[u.ID]; has || byUser && s.rules.MinimumAgeDays > 0 {
		l.UserID, l.SelfService = u.ID, byUser
		return s.store.SaveLogin(ctx, tx, l)
	}
	return nil
}

// forgive ends a lockout, and the inactivity of a user who is enabled anew.
func (s *Service) forgive(ctx context.Context, tx *db.Tx, u User, enabled bool) error {
	if !s.rules.counted() || !u.Enabled {
		return nil
	}
	logins, err := s.store.Logins(ctx, tx, u.ID)
	if err != nil {
		return err
	}
	l, has := logins[u.ID]
	if l.UserID = u.ID; !has && !(enabled && s.rules.InactiveDays > 0) {
		return nil
	}
	before := l
	l.Failures, l.FailedAt = 0, time.Time{}
	if enabled && s.rules.InactiveDays > 0 {
		l.ActiveAt = s.clock.Now()
	}
	if l == before {
		return nil
	}
	return s.store.SaveLogin(ctx, tx, l)
}

// mayReplace holds a user's own choice of a new password to the rules.
func (s *Service) mayReplace(ctx context.Context, u User, password string) error {
	if err := s.rules.validate(password); err != nil {
		return err
	}
	if u.Options.on(optLockPassword) {
		return invalid("password", "You cannot change your password at this time due to password policy disallowing password changes. Please contact your administrator to reset your password.")
	}
	if err := s.oldEnough(ctx, u); err != nil || s.rules.UniqueCount == 0 {
		return err
	}
	former, err := s.store.FormerPasswords(ctx, s.db, u.ID, s.rules.UniqueCount-1)
	if err != nil {
		return err
	}
	used, err := s.hasher.usedBefore(ctx, password, append(former, u.PasswordHash))
	if err == nil && used {
		err = invalid("password", "The new password cannot be identical to a previous password. The total number which includes the new password must be unique is %d.", s.rules.UniqueCount)
	}
	return err
}

func (s *Service) oldEnough(ctx context.Context, u User) error {
	if s.rules.MinimumAgeDays == 0 {
		return nil
	}
	logins, err := s.store.Logins(ctx, s.db, u.ID)
	if err != nil || !logins[u.ID].SelfService {
		return err
	}
	left := u.PasswordCreatedAt.Add(time.Duration(s.rules.MinimumAgeDays) * day).Sub(s.clock.Now())
	if left <= 0 {
		return nil
	}
	return invalid("password", "You cannot change your password at this time due to the minimum password age. Once you change your password, it must be used for %d day(s) before it can be changed. Please try again in %d day(s) or contact your administrator to reset your password.",
		s.rules.MinimumAgeDays, int(left/day))
}

// errExpired marks the one refusal that tells something, to who knows the password.
var errExpired = errors.New("the password expired")

func passwordExpired(userID string) error {
	return fault.Because(errExpired, fault.CodeAuthUnauthenticated, "The password is expired and needs to be changed for user: %s.", userID)
}
