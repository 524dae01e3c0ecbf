package store_test

import (
	"context"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"altostack/kernel/db"
	"altostack/kernel/db/dbtest"
	"altostack/network"
	"altostack/network/store"
)

// TestFreeRanges takes and returns members of a pool at random and compares with
// a set: no member twice, none lost, and the lowest first.
func TestFreeRanges(t *testing.T) {
	dbtest.Each(t, "network", store.Migrations(), func(t *testing.T, d *db.DB) {
		st, n := store.New(d), 0
		rapid.Check(t, func(r *rapid.T) {
			n++
			pool := "pool" + string(rune('a'+n%26)) + netip.AddrFrom4([4]byte{byte(n >> 8), byte(n)}).String()
			size := rapid.IntRange(1, 24).Draw(r, "size")
			first := netip.MustParseAddr("10.0.0.250")
			free := map[netip.Addr]bool{}
			last := first
			for i, a := 0, first; i < size; i, a = i+1, a.Next() {
				free[a], last = true, a
			}
			write(t, d, func(ctx context.Context, tx *db.Tx) error {
				return st.SetFree(ctx, tx, pool, []network.Range{{First: first, Last: last}})
			})
			for range rapid.IntRange(0, 40).Draw(r, "moves") {
				step(t, r, d, st, pool, first, size, free)
			}
			var left int
			for {
				var ok bool
				write(t, d, func(ctx context.Context, tx *db.Tx) (err error) { _, ok, err = st.TakeNext(ctx, tx, pool); return err })
				if !ok {
					break
				}
				left++
			}
			if left != len(free) {
				r.Fatalf("%d were left, %d were free", left, len(free))
			}
		})
	})
}

func step(t *testing.T, r *rapid.T, d *db.DB, st *store.Store, pool string, first netip.Addr, size int, free map[netip.Addr]bool) {
	a := first
	for range rapid.IntRange(0, size-1).Draw(r, "member") {
		a = a.Next()
	}
	switch rapid.SampledFrom([]string{"next", "take", "return"}).Draw(r, "move") {
	case "next":
		var got netip.Addr
		var ok bool
		write(t, d, func(ctx context.Context, tx *db.Tx) (err error) {
			got, ok, err = st.TakeNext(ctx, tx, pool)
			return err
		})
		if ok != (len(free) > 0) || ok && !free[got] {
			r.Fatalf("next gave %v, %v with %d free", got, ok, len(free))
		}
		for f := range free {
			if f.Less(got) {
				r.Fatalf("next gave %v though %v is free", got, f)
			}
		}
		delete(free, got)
	case "take":
		var ok bool
		write(t, d, func(ctx context.Context, tx *db.Tx) (err error) { ok, err = st.Take(ctx, tx, pool, a); return err })
		if ok != free[a] {
			r.Fatalf("take %v: %v, free was %v", a, ok, free[a])
		}
		delete(free, a)
	case "return":
		write(t, d, func(ctx context.Context, tx *db.Tx) error { return st.Return(ctx, tx, pool, a) })
		free[a] = true
	}
}

func write(t *testing.T, d *db.DB, f func(ctx context.Context, tx *db.Tx) error) {
	t.Helper()
	if err := d.Write(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}
