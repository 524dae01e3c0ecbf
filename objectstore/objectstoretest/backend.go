// Package objectstoretest is what every implementation of the object store's
// interfaces has to pass, and a store in memory's stead for others' tests.
package objectstoretest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"altostack/objectstore"
)

// RunBackend checks an implementation of objectstore.Backend. open makes an empty
// one.
func RunBackend(t *testing.T, open func(t *testing.T) objectstore.Backend) {
	for name, test := range map[string]func(*testing.T, objectstore.Backend){
		"a blob comes back as it was, in any part": roundTrip,
		"it can be opened only when committed":     onlyWhole,
		"an aborted one leaves nothing":            abort,
		"removing is repeatable":                   remove,
		"a list goes by prefix":                    list,
		"quarantine hides":                         quarantine,
		"names stay inside":                        names,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// Bytes are n bytes that do not repeat, the same for the same n.
func Bytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)}).Read(b)
	return b
}

func put(t *testing.T, b objectstore.Backend, id string, data []byte) {
	t.Helper()
	w, err := b.Create(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for part := range slices.Chunk(data, 100_001) { // no power of two
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Error("Abort after Commit:", err)
	}
}

func read(t *testing.T, b objectstore.Backend, id string, offset, length int64) ([]byte, error) {
	t.Helper()
	r, err := b.Open(t.Context(), id, offset, length)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	return data, errors.Join(err, r.Close())
}

func ids(t *testing.T, b objectstore.Backend, prefix string) []string {
	t.Helper()
	var out []string
	if err := b.List(t.Context(), prefix, func(id string) error { out = append(out, id); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func roundTrip(t *testing.T, b objectstore.Backend) {
	const k = 64 << 10
	for i, size := range []int{1, 4096, k - 1, k, k + 1, 1<<20 - 60, 1 << 20, 3<<20 + 7} {
		id, data := fmt.Sprintf("00aa%d-001", i), Bytes(size)
		put(t, b, id, data)
		if got, err := read(t, b, id, 0, -1); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes: %d other bytes came back: %v", size, len(got), err)
		}
		if err := b.Verify(t.Context(), id); err != nil {
			t.Error(err)
		}
		for _, r := range [][2]int{{0, 1}, {size - 1, 1}, {size / 2, size / 4}, {size / 3, size - size/3}, {size, 0}, {0, size}} {
			got, err := read(t, b, id, int64(r[0]), int64(r[1]))
			if err != nil || !bytes.Equal(got, data[r[0]:r[0]+r[1]]) {
				t.Errorf("%d bytes, %d from %d: got %d bytes, %v", size, r[1], r[0], len(got), err)
			}
		}
	}
	if _, err := read(t, b, "00ff-001", 0, -1); !errors.Is(err, objectstore.ErrNoBlob) {
		t.Error("a blob that is not there:", err)
	}
	if err := b.Verify(t.Context(), "00ff-001"); !errors.Is(err, objectstore.ErrNoBlob) {
		t.Error("a blob that is not there:", err)
	}
}

func onlyWhole(t *testing.T, b objectstore.Backend) {
	w, err := b.Create(t.Context(), "00aa-001")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(Bytes(200_000)); err != nil {
		t.Fatal(err)
	}
	if _, err := read(t, b, "00aa-001", 0, -1); !errors.Is(err, objectstore.ErrNoBlob) {
		t.Error("half a blob could be opened:", err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if _, err := read(t, b, "00aa-001", 0, -1); err != nil {
		t.Error(err)
	}
}

func abort(t *testing.T, b objectstore.Backend) {
	w, err := b.Create(t.Context(), "00aa-001")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(Bytes(100)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.Abort(); err != nil {
			t.Fatal(err)
		}
	}
	if left := ids(t, b, ""); len(left) != 0 {
		t.Error("left", left)
	}
}

func remove(t *testing.T, b objectstore.Backend) {
	put(t, b, "00aa-001", []byte("x"))
	w, err := b.Create(t.Context(), "00aa-002")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Abort() }()
	for range 2 {
		for _, id := range []string{"00aa-001", "00aa-002", "00bb-001"} {
			if err := b.Remove(t.Context(), id); err != nil {
				t.Error(err)
			}
		}
	}
	if left := ids(t, b, ""); len(left) != 0 {
		t.Error("left", left)
	}
}

func list(t *testing.T, b objectstore.Backend) {
	for _, id := range []string{"00aa-001", "00aa-002", "00aab-001", "01cc-001"} {
		put(t, b, id, []byte(id))
	}
	for prefix, want := range map[string][]string{
		"": {"00aa-001", "00aa-002", "00aab-001", "01cc-001"}, "00aa-": {"00aa-001", "00aa-002"}, "00aa-002": {"00aa-002"}, "09-": nil,
	} {
		if got := ids(t, b, prefix); !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", prefix, got, want)
		}
	}
	stop := errors.New("enough")
	if err := b.List(t.Context(), "", func(string) error { return stop }); !errors.Is(err, stop) {
		t.Error("an error did not end the list:", err)
	}
}

func quarantine(t *testing.T, b objectstore.Backend) {
	put(t, b, "00aa-001", []byte("x"))
	for range 2 {
		if err := b.Quarantine(t.Context(), "00aa-001"); err != nil {
			t.Fatal(err)
		}
	}
	if left := ids(t, b, ""); len(left) != 0 {
		t.Error("still listed:", left)
	}
	if _, err := read(t, b, "00aa-001", 0, -1); !errors.Is(err, objectstore.ErrNoBlob) {
		t.Error("still read:", err)
	}
}

func names(t *testing.T, b objectstore.Backend) {
	for _, id := range []string{"", ".", "..", "../a", "a/b", "/etc/passwd", "A", "a b", "-a"} {
		if w, err := b.Create(t.Context(), id); err == nil {
			_ = w.Abort()
			t.Errorf("%q was created", id)
		}
		if r, err := b.Open(t.Context(), id, 0, -1); err == nil {
			_ = r.Close()
			t.Errorf("%q was opened", id)
		}
		if err := b.Remove(t.Context(), id); err == nil {
			t.Errorf("%q was removed", id)
		}
	}
}
