package identity

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"

	"altostack/kernel/clock"
)

// hasher makes and checks password hashes, as many at once as there are cores:
// more would only make all of them slower. A password that was verified is
// recognised for a while by a keyed digest that never leaves the process.
type hasher struct {
	cost   int
	seats  chan struct{}
	dummy  []byte // what the password of an unknown user is compared with
	clock  clock.Clock
	memory time.Duration
	key    []byte

	mu    sync.Mutex
	known map[digest]time.Time // of hash and password: until when
}

// maxKnown bounds the passwords recognised.
const maxKnown = 4096

func newHasher(cost, seats int, memory time.Duration, c clock.Clock) *hasher {
	h := &hasher{cost: cost, seats: make(chan struct{}, seats), clock: c, memory: memory, key: make([]byte, 32), known: map[digest]time.Time{}}
	if _, err := rand.Read(h.key); err != nil {
		panic(err) // crypto/rand never fails
	}
	return h
}

func (h *hasher) sit(ctx context.Context) (stand func(), err error) {
	select {
	case h.seats <- struct{}{}:
		return func() { <-h.seats }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// condense fits any length into bcrypt's 72 bytes without losing what follows.
func condense(password string) []byte {
	if len(password) <= 72 {
		return []byte(password)
	}
	sum := sha256.Sum256([]byte(password))
	return sum[:]
}

// hash is slow on purpose; it must not run inside a write.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	stand, err := h.sit(ctx)
	if err != nil {
		return "", err
	}
	defer stand()
	out, err := bcrypt.GenerateFromPassword(condense(password), h.cost)
	return string(out), err
}

// matches compares in constant time; an empty hash, of an unknown user, takes as
// long as any other and never matches.
func (h *hasher) matches(ctx context.Context, hash, password string) (bool, error) {
	mark := h.mark(hash, password)
	if hash != "" && h.recognised(mark) {
		return true, nil
	}
	stand, err := h.sit(ctx)
	if err != nil {
		return false, err
	}
	defer stand()
	against := []byte(hash)
	if hash == "" {
		against = h.nobody()
	}
	same := bcrypt.CompareHashAndPassword(against, condense(password)) == nil
	if same && hash != "" {
		h.remember(mark)
		return true, nil
	}
	return false, nil
}

func (h *hasher) nobody() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dummy == nil {
		h.dummy, _ = bcrypt.GenerateFromPassword(h.key, h.cost) // fails on a wrong cost only, as every hash would
	}
	return h.dummy
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
	if h.memory < 0 {
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
	h.known[mark] = h.clock.Now().Add(h.memory)
}
