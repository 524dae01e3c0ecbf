package fileobjects_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"altostack/driver/fileobjects"
	"altostack/driver/fileobjects/powercut"
	"altostack/kernel/fault"
	"altostack/objectstore"
	"altostack/objectstore/objectstoretest"
)

func open(t *testing.T, dir string) *fileobjects.Store {
	t.Helper()
	s, err := fileobjects.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBackend(t *testing.T) {
	objectstoretest.RunBackend(t, func(t *testing.T) objectstore.Backend { return open(t, t.TempDir()) })
}

func TestBackendOnTheTestsDisk(t *testing.T) {
	objectstoretest.RunBackend(t, func(t *testing.T) objectstore.Backend {
		s, err := fileobjects.OpenOn(powercut.New(), "/objects")
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

// store writes blobs until something fails, and answers those that were committed.
func store(on fileobjects.FS, blobs map[string][]byte) (map[string][]byte, error) {
	done := map[string][]byte{}
	s, err := fileobjects.OpenOn(on, "/objects")
	if err != nil {
		return done, err
	}
	for i := range len(blobs) {
		id := fmt.Sprintf("%02xblock-%03x", i/2, i)
		w, err := s.Create(context.Background(), id)
		if err != nil {
			return done, err
		}
		for _, half := range [][]byte{blobs[id][:len(blobs[id])/2], blobs[id][len(blobs[id])/2:]} {
			if _, err := w.Write(half); err != nil {
				return done, err
			}
		}
		if err := w.Commit(); err != nil {
			return done, err
		}
		done[id] = blobs[id]
		if i == 2 { // removing one must not take another along
			if err := s.Remove(context.Background(), "00block-000"); err != nil {
				return done, err
			}
			delete(done, "00block-000")
		}
	}
	return done, nil
}

// The power is cut before every single operation on the disk. What was committed is
// whole afterwards; what was not is no blob, and never other bytes.
func TestPowerCut(t *testing.T) {
	blobs := map[string][]byte{}
	for i := range 6 {
		blobs[fmt.Sprintf("%02xblock-%03x", i/2, i)] = objectstoretest.Bytes(70_000*i + 10)
	}
	whole, count := powercut.New(), &powercut.Counter{CutAt: -1}
	whole.Step = count.Step
	if _, err := store(whole, blobs); err != nil {
		t.Fatal(err)
	}
	for _, torn := range []bool{false, true} {
		for at := range count.Steps() + 1 {
			d := powercut.New()
			d.Step, d.Torn = (&powercut.Counter{CutAt: at}).Step, torn
			done, err := store(d, blobs)
			if err == nil && at < count.Steps() {
				t.Fatalf("the cut before operation %d was not met", at)
			}
			after, err := fileobjects.OpenOn(d.Restart(), "/objects")
			if err != nil {
				t.Fatal(err)
			}
			for id, data := range blobs {
				check(t, fmt.Sprintf("cut before operation %d (torn %v)", at, torn), after, id, data, done[id] != nil)
			}
		}
	}
}

func check(t *testing.T, when string, s *fileobjects.Store, id string, data []byte, committed bool) {
	t.Helper()
	r, err := s.Open(t.Context(), id, 0, -1)
	if err != nil {
		if committed || !errors.Is(err, objectstore.ErrNoBlob) {
			t.Errorf("%s: blob %s: %v", when, id, err)
		}
		return
	}
	got, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%s: blob %s: other bytes came back, %v", when, id, err)
	}
}

// One bit that changed anywhere in the file is found, by a reader of that part and
// by the scrubber, and never handed on.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	data := objectstoretest.Bytes(200_000)
	w, err := s.Create(t.Context(), "00aa-001")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "blobs", "00", "00aa", "00aa-001")
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(file)-4; at += 997 {
		bad := bytes.Clone(file)
		bad[at] ^= 4
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.Verify(t.Context(), "00aa-001"); !fault.Has(err, fault.CodeObjectstoreCorrupt) && !errors.Is(err, objectstore.ErrNoBlob) {
			t.Fatalf("byte %d of %d changed: %v", at, len(file), err)
		}
	}
	bad := bytes.Clone(file)
	bad[190_000] ^= 1
	if err := os.WriteFile(path, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := s.Open(t.Context(), "00aa-001", 0, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data[:100_000]) {
		t.Error("the sound part cannot be read:", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Open(t.Context(), "00aa-001", 190_000, 10); !fault.Has(err, fault.CodeObjectstoreCorrupt) {
		t.Error("damaged bytes were opened:", err)
	}
}

// A blob under another's name is not taken for it.
func TestSwapped(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for _, id := range []string{"00aa-001", "00aa-002"} {
		w, err := s.Create(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(id)); err != nil {
			t.Fatal(err)
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	at := filepath.Join(dir, "blobs", "00", "00aa")
	if err := os.Rename(filepath.Join(at, "00aa-002"), filepath.Join(at, "00aa-001")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(t.Context(), "00aa-001", 0, -1); !fault.Has(err, fault.CodeObjectstoreCorrupt) {
		t.Error(err)
	}
}

// full is a disk without room.
type full struct{ *powercut.Disk }

type fullFile struct{ fileobjects.File }

func (fullFile) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func (f full) Create(name string) (fileobjects.File, error) {
	file, err := f.Disk.Create(name)
	return fullFile{file}, err
}

func TestNoSpace(t *testing.T) {
	s, err := fileobjects.OpenOn(full{powercut.New()}, "/objects")
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.Create(t.Context(), "00aa-001")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("x")); !fault.Has(err, fault.CodeObjectstoreNoSpace) {
		t.Error(err)
	}
	if err := w.Abort(); err != nil {
		t.Error(err)
	}
}
