package identity

import (
	"sync"
	"testing"
	"time"

	"altostack/kernel/clock"
)

// Programs that start together with one credential must not stand in line for
// the same hash.
func TestHerdOfOneSecretCostsOneHashASeat(t *testing.T) {
	h, err := newHasher(Hashing{Cost: 4}, 2, time.Minute, clock.Real{})
	if err != nil {
		t.Fatal(err)
	}
	hash, err := h.hash(t.Context(), "secret of a program")
	if err != nil {
		t.Fatal(err)
	}
	before := h.computed.Load()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if same, err := h.matches(t.Context(), hash, "secret of a program"); err != nil || !same {
				t.Errorf("the right secret was answered with %v, %v", same, err)
			}
		})
	}
	wg.Wait()
	if n := h.computed.Load() - before; n > 2 {
		t.Errorf("%d hashes were computed on 2 seats", n)
	}
}
