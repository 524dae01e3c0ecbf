package fileblobs_test

import (
	"os"
	"path/filepath"
	"testing"

	"altostack/driver/fileblobs"
	"altostack/image"
	"altostack/image/imagetest"
	"altostack/kernel/fault"
)

func TestBlobs(t *testing.T) {
	imagetest.RunBlobs(t, func(t *testing.T) image.Blobs {
		s, err := fileblobs.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

// A full disk is told in words that a client may see. /dev/full stands in.
func TestNoSpace(t *testing.T) {
	dir := t.TempDir()
	s, err := fileblobs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.Create(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal("/dev/full is needed: ", err)
	}
	fileblobs.Redirect(w, full)
	if _, err := w.Write([]byte("x")); !fault.Has(err, fault.CodeImageNoSpace) {
		t.Error(err)
	}
	if err := os.Remove(filepath.Join(dir, "incoming", "a")); err != nil {
		t.Error(err)
	}
}
