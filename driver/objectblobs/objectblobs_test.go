package objectblobs_test

import (
	"io"
	"log/slog"
	"testing"

	"altostack/driver/fileobjects"
	"altostack/driver/objectblobs"
	"altostack/image"
	"altostack/image/imagetest"
	"altostack/kernel/clock"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/id"
	"altostack/objectstore"
	"altostack/objectstore/store"
)

func open(t *testing.T) (image.Blobs, *fileobjects.Store) {
	t.Helper()
	d := dbtest.SQLite(t)
	if err := d.Migrate(t.Context(), "objectstore", store.Migrations()); err != nil {
		t.Fatal(err)
	}
	backend, err := fileobjects.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return objectblobs.New(objectstore.New(objectstore.Config{DB: d, Store: store.New(d), Clock: clock.Real{}, IDs: id.Random{}, Log: slog.New(slog.DiscardHandler),
		Policies: []objectstore.Policy{{Name: "Policy-0", Default: true, Backend: backend}}})), backend
}

func TestBlobs(t *testing.T) {
	imagetest.RunBlobs(t, func(t *testing.T) image.Blobs { b, _ := open(t); return b })
}

// A reader that goes back and forth gets what is there.
func TestSeek(t *testing.T) {
	b, _ := open(t)
	w, err := b.Create(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "0123456789"); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	r, err := b.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, tt := range []struct {
		off    int64
		whence int
		want   string
	}{{4, io.SeekStart, "456789"}, {-2, io.SeekEnd, "89"}, {-7, io.SeekCurrent, "3456789"}} {
		if _, err := r.Seek(tt.off, tt.whence); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != tt.want {
			t.Errorf("%+v: %q %v", tt, got, err)
		}
	}
	if _, err := r.Seek(-1, io.SeekStart); err == nil {
		t.Error("a place before the blob was found")
	}
}
