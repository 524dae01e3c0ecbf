package identity

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"altostack/kernel/auth"
	"altostack/kernel/clock"
	"altostack/kernel/fault"
)

// Hashing is how passwords are kept. The zero value is bcrypt of cost 12.
type Hashing struct {
	Algorithm string // of new hashes: bcrypt, bcrypt_sha256, scrypt, pbkdf2_sha512, argon2id; empty: bcrypt
	Cost      int    // 0: the algorithm's usual one, see costs
	// Argon2MiB is the memory of one Argon2 hash, MiB; 0: 64.
	Argon2MiB int
	// MemoryMiB bounds what all hashes computed at once may hold; 0: 256. A
	// stored hash that needs more than this never matches.
	MemoryMiB int
	// MaxLength is where longer passwords are cut, bytes; 0: 4096. Strict refuses
	// them instead, and those that bcrypt alone would cut.
	MaxLength int
	Strict    bool
	// Queue is how many may wait for a core; 0: 256. One address may fill half of
	// it. Who comes later is told to come again, at once.
	Queue int
}

func (c Hashing) recipe() (recipe, error) {
	r := recipe{algorithm: c.Algorithm, cost: c.Cost}
	if r.algorithm == "" {
		r.algorithm = algBcrypt
	}
	bounds, known := costs[r.algorithm]
	if !known {
		return r, fmt.Errorf("password hash %q is not known", r.algorithm)
	}
	if r.cost == 0 {
		r.cost = bounds.usual
	}
	if r.cost < bounds.low || r.cost > bounds.high {
		return r, fmt.Errorf("%s takes a cost from %d to %d, not %d", r.algorithm, bounds.low, bounds.high, r.cost)
	}
	switch r.algorithm {
	case algScrypt:
		r.block, r.parallel = 8, 1
	case algArgon2id:
		r.memoryKiB, r.parallel = uint32(c.Argon2MiB)<<10, 1
	}
	if need := r.memory(); need > int64(c.MemoryMiB) {
		return r, fmt.Errorf("a password hash needs %d MiB, but all together may have %d", need, c.MemoryMiB)
	}
	return r, nil
}

// hasher makes and checks password hashes, as many at once as there are cores:
// more would only make all of them slower. Who finds the queue full is refused at
// once, so that no number of guesses keeps others from being answered. A password
// that was verified is recognised for a while by a keyed digest that never leaves
// the process.
type hasher struct {
	cfg      Hashing
	want     recipe
	dummy    recipe // what the password of an unknown user is compared with
	seats    chan struct{}
	memory   *semaphore.Weighted
	waiting  atomic.Int64
	computed atomic.Int64 // hashes, ever
	refused  atomic.Int64 // for want of room in the queue
	told     atomic.Int64 // the second in which a refusal was last put on record
	clock    clock.Clock
	keep     time.Duration
	key      []byte

	mu    sync.Mutex
	known map[digest]time.Time // of hash and password: until when
	from  map[string]int       // waiting, by address
}

// maxKnown bounds the passwords recognised.
const maxKnown = 4096

func newHasher(cfg Hashing, seats int, keep time.Duration, c clock.Clock) (*hasher, error) {
	for _, d := range []struct {
		field *int
		usual int
	}{{&cfg.Argon2MiB, 64}, {&cfg.MemoryMiB, 256}, {&cfg.MaxLength, 4096}, {&cfg.Queue, 256}} {
		if *d.field == 0 {
			*d.field = d.usual
		}
	}
	want, err := cfg.recipe()
	if err != nil {
		return nil, err
	}
	h := &hasher{cfg: cfg, want: want, seats: make(chan struct{}, seats), memory: semaphore.NewWeighted(int64(cfg.MemoryMiB)), clock: c, keep: keep,
		key: make([]byte, 32), known: map[digest]time.Time{}, from: map[string]int{}}
	if _, err := rand.Read(h.key); err != nil {
		return nil, err
	}
	if h.dummy, err = want.decoy(); err != nil {
		return nil, err
	}
	return h, nil
}

// decoy is a recipe with a digest that nothing gives, made without computing one:
// a start must not wait for it.
func (r recipe) decoy() (recipe, error) {
	noise := make([]byte, 64)
	if _, err := rand.Read(noise); err != nil {
		return r, err
	}
	switch r.algorithm {
	case algBcrypt, algBcryptSHA256:
		salt, sum := bcryptText.EncodeToString(noise[:16]), bcryptText.EncodeToString(noise[16:39])
		r.salt, r.stored = []byte(salt), fmt.Sprintf("$2b$%02d$%s%s", r.cost, salt, sum)
	default:
		r.salt, r.digest = noise[:16], noise[32:64]
	}
	return r, nil
}

// patience is how long somebody waits for a core before being told to come again.
const patience = 20 * time.Second

// busy is what somebody is told who would have to wait too long. One such refusal
// a second is put on record and stands for the others: they are cheap, and must
// not fill a disk.
func (h *hasher) busy(ctx context.Context) error {
	h.refused.Add(1)
	now := h.clock.Now().Unix()
	auth.AttemptOf(ctx).Unrecorded = h.told.Swap(now) == now
	return fault.New(fault.CodeIdentityBusy, "Too many passwords are being checked at the moment.").After(2 * time.Second)
}

// sit waits for a core, in a queue with an end.
func (h *hasher) sit(ctx context.Context, r recipe) (stand func(), err error) {
	select {
	case h.seats <- struct{}{}:
	default:
		leave, err := h.queue(ctx)
		if err != nil {
			return nil, err
		}
		defer leave()
		late, stop := h.clock.After(patience)
		defer stop()
		select {
		case h.seats <- struct{}{}:
		case <-late:
			return nil, h.busy(ctx)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if need := r.memory(); need > 0 {
		if err := h.memory.Acquire(ctx, need); err != nil {
			<-h.seats
			return nil, err
		}
		return func() { h.memory.Release(need); <-h.seats }, nil
	}
	return func() { <-h.seats }, nil
}

func (h *hasher) queue(ctx context.Context) (leave func(), err error) {
	address := auth.AttemptOf(ctx).Address
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting.Load() >= int64(h.cfg.Queue) || address != "" && h.from[address] >= max(1, h.cfg.Queue/2) {
		return nil, h.busy(ctx)
	}
	h.waiting.Add(1)
	if address != "" {
		h.from[address]++
	}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.waiting.Add(-1)
		if h.from[address]--; h.from[address] <= 0 {
			delete(h.from, address)
		}
	}, nil
}

// cut is what of a password counts. A strict cloud refuses what it would cut.
func (h *hasher) cut(password string) []byte {
	if len(password) > h.cfg.MaxLength {
		password = password[:h.cfg.MaxLength]
	}
	return []byte(password)
}

// hash is slow on purpose; it must not run inside a write.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	limit := h.cfg.MaxLength
	if h.want.algorithm == algBcrypt {
		limit = min(limit, bcryptMax)
	}
	if h.cfg.Strict && len(password) > limit {
		return "", forbidden("The password length must be less than or equal to %d. The server could not comply with the request because the password is invalid.", limit)
	}
	stand, err := h.sit(ctx, h.want)
	if err != nil {
		return "", err
	}
	defer stand()
	h.computed.Add(1)
	return h.want.fresh(h.cut(password))
}

// verdict is what a comparison found.
type verdict struct {
	same  bool
	known bool // recognised: no hash was computed
	stale bool // the stored hash is not made as new ones are
}

// matches compares in constant time; an empty hash, of an unknown user, takes as
// long as any other and never matches.
func (h *hasher) matches(ctx context.Context, hash, password string) (bool, error) {
	v, err := h.check(ctx, hash, password)
	return v.same, err
}

func (h *hasher) check(ctx context.Context, hash, password string) (v verdict, err error) {
	r, err := parseHash(hash)
	if err != nil || r.memory() > int64(h.cfg.MemoryMiB) {
		return v, h.waste(ctx, password)
	}
	mark := h.mark(hash, password)
	if h.recognised(mark) {
		auth.AttemptOf(ctx).Known = true
		return verdict{same: true, known: true}, nil
	}
	secret := h.cut(password)
	cutting := false // it was cut as Keystone does: a new hash would ask for more than the old one
	v.same, err = h.compare(ctx, r, secret, mark, func(n int) { cutting, v.known = n == 1, n == lately })
	if v.known {
		auth.AttemptOf(ctx).Known = true
	}
	if v.same && !v.known {
		want := h.want
		if want.algorithm == algBcrypt && len(secret) > bcryptMax {
			want.algorithm = algBcryptSHA256
		}
		v.stale = !r.alike(want) && !cutting
	}
	return v, err
}

// lately is found of a secret that became known while its turn was awaited.
const lately = -1

// compare looks as often as the password asks for, whatever it finds; but a secret
// that another caller proved while this one waited for its seat is known by now,
// so that a hundred programs of one credential that start together cost one hash.
func (h *hasher) compare(ctx context.Context, r recipe, secret []byte, mark digest, found func(n int)) (same bool, err error) {
	stand, err := h.sit(ctx, r)
	if err != nil {
		return false, err
	}
	defer stand()
	if h.recognised(mark) {
		found(lately)
		return true, nil
	}
	for n := range r.looks(secret) {
		h.computed.Add(1)
		if r.matches(secret, n) && !same {
			same = true
			found(n)
		}
	}
	if same && mark != (digest{}) {
		h.remember(mark) // before the seat is free
	}
	return same, nil
}

// waste takes as long as a wrong password does.
func (h *hasher) waste(ctx context.Context, password string) error {
	_, err := h.compare(ctx, h.dummy, h.cut(password), digest{}, func(int) {})
	return err
}

// usedBefore tells whether a password is one of the hashes'. None is recognised
// without being computed.
func (h *hasher) usedBefore(ctx context.Context, password string, hashes []string) (bool, error) {
	for _, hash := range slices.Backward(hashes) {
		r, err := parseHash(hash)
		if err != nil || r.memory() > int64(h.cfg.MemoryMiB) {
			continue
		}
		if same, err := h.compare(ctx, r, h.cut(password), digest{}, func(int) {}); same || err != nil {
			return same, err
		}
	}
	return false, nil
}

func (h *hasher) mark(hash, password string) (d digest) {
	m := hmac.New(sha256.New, h.key)
	m.Write([]byte(hash))
	m.Write([]byte{0})
	m.Write([]byte(password))
	m.Sum(d[:0])
	return d
}

func (h *hasher) recognised(mark digest) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	until, ok := h.known[mark]
	return ok && h.clock.Now().Before(until)
}

func (h *hasher) remember(mark digest) {
	if h.keep < 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.known) >= maxKnown {
		for old := range h.known {
			delete(h.known, old)
			break
		}
	}
	h.known[mark] = h.clock.Now().Add(h.keep)
}

// HashesComputed counts the password hashes computed since the start, and those
// refused because too many waited.
func (s *Service) HashesComputed() (computed, refused int64) {
	return s.hasher.computed.Load(), s.hasher.refused.Load()
}
