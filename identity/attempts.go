package identity

import (
	"context"
	"errors"
	"math"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/clock"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// Limits bound failed authentications. Who succeeds is not held up by them, nor
// is who shows a secret that this process verified a moment ago.
type Limits struct {
	PerAddress int // failures per minute, and at once, from an address (IPv6: a /64); 0: no limit
	PerAccount int // the same for an account, whether it exists or not; 0: no limit
}

// throttle counts failures in buckets that refill. It is bounded: the fullest
// buckets, which say the least, make room.
type throttle struct {
	clock   clock.Clock
	limits  Limits
	refused atomic.Int64

	mu      sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	left     float64
	at       time.Time
	told     time.Time // when a refusal was last put on record
	capacity float64
}

const maxBuckets = 20000

func newThrottle(l Limits, c clock.Clock) *throttle {
	return &throttle{clock: c, limits: l, buckets: map[string]*bucket{}}
}

// place is the address as it is counted: who has an IPv6 network has as many
// addresses as there are.
func place(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		p, _ := ip.Prefix(64) // 64 bits there are
		return p.String()
	}
	return ip.String()
}

func (b *bucket) refill(now time.Time) {
	b.left = math.Min(b.capacity, b.left+b.capacity*now.Sub(b.at).Seconds()/60)
	b.at = now
}

func (t *throttle) bucket(key string, capacity int, now time.Time) *bucket {
	b := t.buckets[key]
	if b == nil {
		if len(t.buckets) >= maxBuckets {
			t.makeRoom(now)
		}
		b = &bucket{left: float64(capacity), at: now, capacity: float64(capacity)}
		t.buckets[key] = b
	}
	b.refill(now)
	return b
}

// makeRoom drops the fullest of a few; Go walks a map from anywhere.
func (t *throttle) makeRoom(now time.Time) {
	var fullest string
	most, seen := -1.0, 0
	for key, b := range t.buckets {
		b.refill(now)
		if share := b.left / b.capacity; share > most {
			fullest, most = key, share
		}
		if seen++; seen == 16 {
			break
		}
	}
	delete(t.buckets, fullest)
}

// take draws a failure in advance; give returns it when it was none. Refused are
// those whose bucket is empty.
func (t *throttle) take(at *auth.Attempt, account string) (give func(), err error) {
	type drawn struct {
		key      string
		capacity int
	}
	var from []drawn
	if t.limits.PerAddress > 0 && at.Address != "" {
		from = append(from, drawn{"a " + place(at.Address), t.limits.PerAddress})
	}
	if t.limits.PerAccount > 0 && account != "" {
		from = append(from, drawn{"u " + account, t.limits.PerAccount})
	}
	now := t.clock.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range from {
		if b := t.bucket(d.key, d.capacity, now); b.left < 1 {
			t.refused.Add(1)
			at.Unrecorded = now.Sub(b.told) < time.Minute
			if !at.Unrecorded {
				b.told = now
			}
			wait := time.Duration(math.Ceil((1-b.left)*60/b.capacity)) * time.Second
			return nil, fault.New(fault.CodeIdentityLimited, "Too many failed authentications.").After(max(wait, time.Second))
		}
	}
	for _, d := range from {
		t.bucket(d.key, d.capacity, now).left--
	}
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		for _, d := range from {
			if b := t.buckets[d.key]; b != nil {
				b.left = math.Min(b.capacity, b.left+1)
			}
		}
	}, nil
}

// AttemptsRefused counts authentications answered 429 since the start.
func (s *Service) AttemptsRefused() int64 { return s.throttle.refused.Load() }

// turns lets the guesses for one account come one after the other, so that as
// many as lock it are answered, and not as many as come at once.
type turns struct {
	mu  sync.Mutex
	now map[string]*turn
}

type turn struct {
	seat    chan struct{}
	waiting int
}

var errCrowded = errors.New("too many wait for their turn")

// take waits for the account's turn; errCrowded where most wait already.
func (t *turns) take(ctx context.Context, account string, most int) (done func(), err error) {
	t.mu.Lock()
	if t.now == nil {
		t.now = map[string]*turn{}
	}
	one := t.now[account]
	if one == nil {
		one = &turn{seat: make(chan struct{}, 1)}
		t.now[account] = one
	}
	if one.waiting >= most {
		t.mu.Unlock()
		return nil, errCrowded
	}
	one.waiting++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if one.waiting--; one.waiting == 0 {
			delete(t.now, account)
		}
	}
	select {
	case one.seat <- struct{}{}:
		return func() { <-one.seat; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}

// account is one name for an account however the client spelled it, whether it
// exists or not.
func (s *Service) account(ctx context.Context, ref Ref, u User, found bool) string {
	switch {
	case found:
		return "name\x00" + u.DomainID + "\x00" + u.Name
	case ref.ID != "":
		return "id\x00" + ref.ID
	case ref.Domain == nil:
		return "name\x00\x00" + ref.Name
	}
	domain := "?" + ref.Domain.ID + "\x00" + ref.Domain.Name
	if d, known, err := s.domainOf(ctx, *ref.Domain); err == nil && known {
		domain = d.ID
	}
	return "name\x00" + domain + "\x00" + ref.Name
}

// provePassword compares a user's password under all the rules. Whatever bars the
// account, as many hashes are computed as for a wrong password, and the answer is
// the same; only who knows the password learns that it expired.
func (s *Service) provePassword(ctx context.Context, ref Ref, u User, found bool, password string) (User, error) {
	at := auth.AttemptOf(ctx)
	if found { // what names nobody may be a secret in the wrong place
		at.UserID, at.UserName, at.DomainID = u.ID, u.Name, u.DomainID
	}
	account := s.account(ctx, ref, u, found)
	if s.rules.LockoutAttempts > 0 {
		done, err := s.turns.take(ctx, account, s.hasher.cfg.Queue)
		if errors.Is(err, errCrowded) {
			err = s.hasher.busy(ctx)
		}
		if err != nil {
			return u, err
		}
		defer done()
	}
	var login Login
	if s.rules.counted() && found {
		logins, err := s.store.Logins(ctx, s.db, u.ID)
		if err != nil {
			return u, err
		}
		login = logins[u.ID]
	}
	now := s.clock.Now()
	bar, over := s.barred(u, found, login, now)
	if bar == nil && u.PasswordHash != "" && s.hasher.recognised(s.hasher.mark(u.PasswordHash, password)) {
		at.Known = true
		return s.provenPassword(ctx, u, login, password, verdict{same: true, known: true})
	}
	give, err := s.throttle.take(at, account)
	if err != nil {
		return u, err
	}
	at.Drawn = true
	if bar != nil {
		if err := s.hasher.waste(ctx, password); err != nil {
			give()
			return u, err
		}
		return u, bar
	}
	v, err := s.compare(ctx, u, password)
	switch {
	case err != nil:
		give()
		return u, err
	case !v.same:
		if u.Source == SourceDirectory { // no hash was computed, as one is for who is not there
			if err := s.hasher.waste(ctx, password); err != nil {
				return u, err
			}
		}
		return u, s.failed(ctx, u, over)
	}
	give()
	at.Drawn = false
	return s.provenPassword(ctx, u, login, password, v)
}

// proveSecret compares the secret of an application credential; one that is not
// there costs the same.
func (s *Service) proveSecret(ctx context.Context, cred AppCred, found bool, p Proof) error {
	at := auth.AttemptOf(ctx)
	account := "app\x00" + cred.ID
	if at.UserID = cred.UserID; !found && p.AppCred != nil {
		account = "app\x00" + p.AppCred.ID + "\x00" + p.AppCred.Name
	}
	if found && s.hasher.recognised(s.hasher.mark(cred.SecretHash, p.Secret)) {
		at.Known = true
		return nil
	}
	give, err := s.throttle.take(at, account)
	if err != nil {
		return err
	}
	same, err := s.hasher.matches(ctx, cred.SecretHash, p.Secret)
	if err != nil || found && same {
		give()
		return err
	}
	at.Drawn = true
	return refuse("wrong application credential or secret")
}

// turnedAway makes a refusal the same for everybody: it takes the time of a hash
// also where the secret was recognised, and counts as a failure once.
func (s *Service) turnedAway(ctx context.Context, at *auth.Attempt, p Proof, err error) error {
	var r *refusal
	if refused := errors.As(err, &r); !refused && !errors.Is(err, errForged) {
		if fault.KindOf(err) != fault.Unauthenticated {
			return err
		}
	} else if refused {
		at.Why = r.why
		s.log.InfoContext(ctx, "authentication refused", "why", r.why, "methods", p.Methods)
	}
	// A token of ours that holds no more was not guessed: dashboards show many.
	ours := slices.Equal(p.Methods, []string{"token"}) && !errors.Is(err, errForged) && (r == nil || !r.forged)
	if !at.Drawn && !ours {
		if _, limited := s.throttle.take(at, ""); limited != nil {
			return limited
		}
		at.Drawn = true
	}
	if at.Known {
		secret := p.Password
		if secret == "" {
			secret = p.Secret
		}
		if busy := s.hasher.waste(ctx, secret); busy != nil {
			return busy
		}
	}
	return unauthenticated(err)
}

// barred is why an account cannot log in at all; over says that a lockout of it
// has just ended.
func (s *Service) barred(u User, found bool, l Login, now time.Time) (why error, over bool) {
	locked, over := s.rules.locked(u, l, now)
	switch {
	case !found:
		return refuse("no such user"), false
	case !u.Enabled:
		return refuse("user %s is disabled", u.ID), false
	case u.PasswordHash == "" && u.Source != SourceDirectory:
		return refuse("user %s has no password", u.ID), false
	case s.rules.inactive(u, l, now):
		return refuse("user %s was inactive for too long", u.ID), false
	case locked:
		return refuse("The account is locked for user: %s.", u.ID), false
	}
	return nil, over
}

// failed counts a wrong password, also for a client that did not wait for the
// answer; anew says that the count begins again.
func (s *Service) failed(ctx context.Context, u User, anew bool) error {
	wrong := refuse("wrong password of user %s", u.ID)
	if s.rules.LockoutAttempts == 0 || u.Options.on(optIgnoreLockout) {
		return wrong
	}
	err := s.db.Write(context.WithoutCancel(ctx), func(ctx context.Context, tx *db.Tx) error {
		logins, err := s.store.Logins(ctx, tx, u.ID)
		if err != nil {
			return err
		}
		l := logins[u.ID]
		if anew {
			l.Failures = 0
		}
		l.UserID, l.Failures, l.FailedAt = u.ID, l.Failures+1, s.clock.Now()
		return s.store.SaveLogin(ctx, tx, l)
	})
	if db.IsForeignKey(err) { // deleted meanwhile
		return wrong
	}
	if err != nil {
		return err
	}
	return wrong
}

// provenPassword writes what a login changes, which is nothing most of the time.
func (s *Service) provenPassword(ctx context.Context, u User, l Login, password string, v verdict) (User, error) {
	now := s.clock.Now()
	if expired(u, now) {
		return u, passwordExpired(u.ID)
	}
	today := l
	today.UserID, today.Failures, today.FailedAt = u.ID, 0, time.Time{}
	if s.rules.InactiveDays > 0 && !now.UTC().Truncate(day).Equal(l.ActiveAt.UTC().Truncate(day)) {
		today.ActiveAt = now
	}
	noted := l.Failures != 0 || !today.ActiveAt.Equal(l.ActiveAt)
	fresh := ""
	if v.stale {
		var err error
		if fresh, err = s.hasher.hash(ctx, password); err != nil {
			s.log.WarnContext(ctx, "a password keeps its old hash", "error", err)
		}
	}
	if !noted && fresh == "" {
		return u, nil
	}
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if noted {
			if err := s.store.SaveLogin(ctx, tx, today); err != nil {
				return err
			}
		}
		row, found, err := s.tables.Users.Get(ctx, tx, u.ID)
		if err != nil || fresh == "" || !found || row.PasswordHash != u.PasswordHash {
			return err
		}
		row.PasswordHash = fresh
		return s.tables.Users.Save(ctx, tx, row)
	})
	if err == nil && fresh != "" {
		u.PasswordHash = fresh
		s.hasher.remember(s.hasher.mark(fresh, password))
	}
	return u, err
}
