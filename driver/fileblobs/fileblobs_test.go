package fileblobs_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
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

// Zeroes become holes, wherever the pieces of a write begin and end.
func TestSparse(t *testing.T) {
	s, err := fileblobs.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 3<<20+100)
	copy(data[1<<20+77:], "something in the middle")
	for _, step := range []int{1000, 4096, 1 << 20, len(data)} {
		id := strconv.Itoa(step)
		w, err := s.Create(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for rest := data; len(rest) > 0; rest = rest[min(step, len(rest)):] {
			if _, err := w.Write(rest[:min(step, len(rest))]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(s.Path(id))
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("in pieces of %d other bytes came back: %v", step, err)
		}
		var st syscall.Stat_t
		if err := syscall.Stat(s.Path(id), &st); err != nil || step >= 4096 && st.Blocks*512 > 64<<10 {
			t.Errorf("in pieces of %d the file takes %d bytes: %v", step, st.Blocks*512, err)
		}
	}
}
