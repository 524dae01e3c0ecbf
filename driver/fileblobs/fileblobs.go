// Package fileblobs keeps the bytes of images as files below one directory.
//
// A blob is written to incoming/ and becomes visible by one rename once it is on
// the disk, so that what has a name in blobs/ is always whole. It serves
// image.Blobs; several goroutines may work on different blobs at once.
package fileblobs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"altostack/image"
	"altostack/kernel/fault"
)

// Store is a directory of blobs.
type Store struct{ incoming, blobs string }

// Open makes the directory, if need be, and answers the store in it.
func Open(dir string) (*Store, error) {
	s := &Store{incoming: filepath.Join(dir, "incoming"), blobs: filepath.Join(dir, "blobs")}
	for _, d := range []string{s.incoming, s.blobs} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("image store: %w", err)
		}
	}
	return s, nil
}

// Create starts a blob.
func (s *Store) Create(_ context.Context, id string) (image.BlobWriter, error) {
	if err := plain(id); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(s.incoming, id), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	if err != nil {
		return nil, space(err)
	}
	return &writer{File: f, store: s, id: id}, nil
}

type writer struct {
	*os.File
	store *Store
	id    string
	at    int64 // where the next byte belongs
	going int64 // up to where the disk has been told to begin
	ended bool
}

// block is what is left out where it is all zeroes: a block of most file systems.
const block = 4 << 10

var zeroes [block]byte

// Write writes on, but for blocks of zeroes, which become holes of the file.
func (w *writer) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		skip, n := run(p[done:], w.at)
		if !skip {
			if _, err := w.WriteAt(p[done:done+n], w.at); err != nil {
				return done, space(err)
			}
		}
		done += n
		w.at += int64(n)
	}
	w.begin()
	return done, nil
}

// ahead is how much is written before the disk is told to begin with it.
const ahead = 8 << 20

// begin lets the disk work while more arrives, so that Commit waits for the rest
// only. Where it does nothing, Commit does it all.
func (w *writer) begin() {
	if n := w.at - w.going; n >= ahead {
		_ = unix.SyncFileRange(int(w.Fd()), w.going, n, unix.SYNC_FILE_RANGE_WRITE)
		w.going = w.at
	}
}

// run tells how many bytes of p, which belong at an offset, are blocks of zeroes
// one after the other, or how many are not.
func run(p []byte, at int64) (zero bool, n int) {
	piece := func(rest []byte, at int64) int { return min(len(rest), block-int(at%block)) }
	n = piece(p, at)
	zero = n == block && bytes.Equal(p[:n], zeroes[:])
	for n < len(p) {
		next := piece(p[n:], at+int64(n))
		if (next == block && bytes.Equal(p[n:n+next], zeroes[:])) != zero {
			break
		}
		n += next
	}
	return zero, n
}

// ReadFrom hides the file's own, which would hide errors of a full disk.
func (w *writer) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{w}, r)
}

// Commit makes the blob durable and visible.
func (w *writer) Commit() error {
	w.ended = true
	from := w.Name()
	err := w.Truncate(w.at) // a hole at the end counts
	if err == nil {
		err = w.Sync()
	}
	err = errors.Join(err, w.Close())
	if err == nil {
		err = os.Rename(from, w.store.path(w.id))
	}
	if err != nil {
		return errors.Join(space(err), os.Remove(from))
	}
	return syncDir(w.store.blobs)
}

// Abort throws the blob away; after Commit it does nothing.
func (w *writer) Abort() error {
	if w.ended {
		return nil
	}
	w.ended = true
	return errors.Join(w.Close(), os.Remove(w.Name()))
}

// Open answers a blob for reading.
func (s *Store) Open(_ context.Context, id string) (image.BlobReader, error) {
	if err := plain(id); err != nil {
		return nil, err
	}
	f, err := os.Open(s.path(id))
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	return f, nil
}

// Remove removes a blob, whole or incoming; none is success.
func (s *Store) Remove(_ context.Context, id string) error {
	if err := plain(id); err != nil {
		return err
	}
	for _, path := range []string{s.path(id), filepath.Join(s.incoming, id)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove blob: %w", err)
		}
	}
	return nil
}

// List names every blob, whole or incoming.
func (s *Store) List(context.Context) ([]string, error) {
	var out []string
	for _, dir := range []string{s.blobs, s.incoming} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("list blobs: %w", err)
		}
		for _, e := range entries {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// Path answers the file of a whole blob.
func (s *Store) Path(id string) string { return s.path(id) }

// Incoming answers the file of a blob that is not whole, for a program to write.
func (s *Store) Incoming(id string) string { return filepath.Join(s.incoming, id) }

// Adopt makes a whole blob of a file that a program has written.
func (s *Store) Adopt(_ context.Context, id string) error {
	if err := plain(id); err != nil {
		return err
	}
	f, err := os.Open(s.Incoming(id))
	if err != nil {
		return fmt.Errorf("adopt blob: %w", err)
	}
	err = errors.Join(f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(s.Incoming(id), s.path(id))
	}
	if err != nil {
		return space(err)
	}
	return syncDir(s.blobs)
}

func (s *Store) path(id string) string { return filepath.Join(s.blobs, id) }

// plain keeps names from leaving the directory.
func plain(id string) error {
	if id == "" || id == "." || id == ".." || filepath.Base(id) != id {
		return fmt.Errorf("%q is no blob", id)
	}
	return nil
}

// space turns a full disk into something that a client may see.
func space(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.Because(err, fault.CodeImageNoSpace, "There is not enough storage space for the image.")
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
