// Package imagetest is what every implementation of the image service's
// interfaces has to pass.
package imagetest

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"altostack/image"
)

// RunBlobs checks an implementation of image.Blobs. open makes an empty store.
func RunBlobs(t *testing.T, open func(t *testing.T) image.Blobs) {
	for name, test := range map[string]func(*testing.T, image.Blobs){
		"a blob comes back as it was":    roundTrip,
		"it is seen only when committed": onlyWhole,
		"an aborted one leaves nothing":  abort,
		"removing is repeatable":         remove,
		"names stay inside":              names,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func put(t *testing.T, b image.Blobs, id string, data []byte) {
	t.Helper()
	w, err := b.Create(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Error("Abort after Commit:", err)
	}
}

func list(t *testing.T, b image.Blobs) []string {
	t.Helper()
	ids, err := b.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(ids)
	return ids
}

func roundTrip(t *testing.T, b image.Blobs) {
	data := bytes.Repeat([]byte{1, 2, 3}, 1<<19)
	put(t, b, "a", data)
	put(t, b, "empty", nil)
	r, err := b.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
		t.Error("other bytes came back", err)
	}
	part := make([]byte, 3)
	if _, err := r.ReadAt(part, 3); err != nil || !bytes.Equal(part, data[3:6]) {
		t.Error(part, err)
	}
	if end, err := r.Seek(0, io.SeekEnd); err != nil || end != int64(len(data)) {
		t.Error(end, err)
	}
	if ids := list(t, b); !slices.Equal(ids, []string{"a", "empty"}) {
		t.Error(ids)
	}
}

func onlyWhole(t *testing.T, b image.Blobs) {
	w, err := b.Create(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	if r, err := b.Open(t.Context(), "a"); err == nil {
		_ = r.Close()
		t.Error("half a blob could be opened")
	}
	if ids := list(t, b); !slices.Equal(ids, []string{"a"}) {
		t.Error("an incoming blob is not listed:", ids)
	}
	if _, err := b.Create(t.Context(), "a"); err == nil {
		t.Error("the same blob was begun twice")
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
}

func abort(t *testing.T, b image.Blobs) {
	w, err := b.Create(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Error("a second Abort:", err)
	}
	if ids := list(t, b); len(ids) != 0 {
		t.Error("left", ids)
	}
}

func remove(t *testing.T, b image.Blobs) {
	put(t, b, "a", []byte("x"))
	if _, err := b.Create(t.Context(), "half"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, id := range []string{"a", "half", "never"} {
			if err := b.Remove(t.Context(), id); err != nil {
				t.Error(err)
			}
		}
	}
	if ids := list(t, b); len(ids) != 0 {
		t.Error("left", ids)
	}
}

func names(t *testing.T, b image.Blobs) {
	for _, id := range []string{"", ".", "..", "../a", "a/b", "/etc/passwd"} {
		if w, err := b.Create(t.Context(), id); err == nil {
			_ = w.Abort()
			t.Errorf("%q was created", id)
		}
		if r, err := b.Open(t.Context(), id); err == nil {
			_ = r.Close()
			t.Errorf("%q was opened", id)
		}
		if err := b.Remove(t.Context(), id); err == nil {
			t.Errorf("%q was removed", id)
		}
	}
}
