// Package id makes identifiers. A Source is injected so that a simulated run
// is the same every time; what real clouds get is random.
package id

import (
	"crypto/rand"
	"encoding/hex"
	"io"
	mathrand "math/rand/v2"
	"strings"
	"sync"

	"github.com/google/uuid"
)

// Source makes identifiers; it is safe for concurrent use.
type Source interface {
	// UUID answers a version 4 UUID with dashes, as most services spell ids.
	UUID() string
	// Hex answers 32 hexadecimal digits, as Keystone spells ids.
	Hex() string
}

// Random draws from the system.
type Random struct{}

// UUID answers a random UUID.
func (Random) UUID() string { return uuid.NewString() }

// Hex answers a random UUID without dashes.
func (Random) Hex() string { return strings.ReplaceAll(uuid.NewString(), "-", "") }

// Seeded draws the same identifiers for the same seed.
type Seeded struct {
	mu sync.Mutex
	r  io.Reader
}

// NewSeeded makes a reproducible source, for simulated runs only.
func NewSeeded(seed uint64) *Seeded {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	return &Seeded{r: mathrand.NewChaCha8(key)}
}

// UUID answers the next UUID of the seed.
func (s *Seeded) UUID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return uuid.Must(uuid.NewRandomFromReader(s.r)).String()
}

// Hex answers the next UUID of the seed, without dashes.
func (s *Seeded) Hex() string { return strings.ReplaceAll(s.UUID(), "-", "") }

// Secret answers n random bytes as hexadecimal digits, never from a seed.
func Secret(n int) string {
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		panic(err) // crypto/rand does not fail on Linux
	}
	return hex.EncodeToString(b)
}

// IsUUID reports whether s is a UUID, with dashes or without.
func IsUUID(s string) bool {
	if len(s) != 36 && len(s) != 32 {
		return false
	}
	_, err := uuid.Parse(s)
	return err == nil
}
