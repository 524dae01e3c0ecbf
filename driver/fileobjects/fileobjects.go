// Package fileobjects keeps the blobs of the object store as files below one
// directory.
//
// A file is the blob's bytes, then a CRC-32C of each 64 KiB of them, then a footer
// (format.go). The footer is written last, so a file that was cut off anywhere has
// none and is no blob; ids are used once and a row names an id only after Commit,
// so a file needs no second name to be whole under. Commit syncs the file and its
// directory. Blobs of one block of ids share a directory, blobs/xx/block/: at most
// 1,024 files each, made and removed together.
//
// It serves objectstore.Backend; several goroutines may work on different blobs at
// once. Everything it does to the disk goes through [FS], where tests cut the
// power.
package fileobjects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"altostack/kernel/fault"
	"altostack/objectstore"
)

// Store is a directory of blobs.
type Store struct {
	fs  FS
	dir string

	mu sync.Mutex
	// made are the directories that this process writes to, oldest first: they
	// are durable, and stay although they may be empty.
	made []string
}

// keepDirs bounds Store.made.
const keepDirs = 64

// Open makes the directory, if need be, and answers the store in it.
func Open(dir string) (*Store, error) { return OpenOn(Disk{}, dir) }

// OpenOn is Open on another file system.
func OpenOn(on FS, dir string) (*Store, error) {
	s := &Store{fs: on, dir: dir}
	for _, d := range []string{dir, filepath.Join(dir, "blobs"), filepath.Join(dir, "quarantine")} {
		if err := s.ensureDir(d); err != nil {
			return nil, fmt.Errorf("object store: %w", err)
		}
	}
	return s, nil
}

func (s *Store) ensureDir(dir string) error {
	err := s.fs.Mkdir(dir)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// One that exists may be another's that was cut off before it was durable.
	return s.fs.SyncDir(filepath.Dir(dir))
}

func (s *Store) blockDir(id string) string {
	block, _, _ := strings.Cut(id, "-")
	shard := block
	if len(shard) > 2 {
		shard = shard[:2]
	}
	return filepath.Join(s.dir, "blobs", shard, block)
}

func (s *Store) path(id string) string { return filepath.Join(s.blockDir(id), id) }

// Create begins a blob.
func (s *Store) Create(_ context.Context, id string) (objectstore.BlobWriter, error) {
	if err := plain(id); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	dir := s.blockDir(id)
	if err := s.makeDir(dir); err != nil {
		return nil, space(err)
	}
	f, err := s.fs.Create(s.path(id))
	if err != nil {
		return nil, space(err)
	}
	return &writer{store: s, id: id, file: f, sum: newSummer()}, nil
}

// makeDir makes a block's directory durable, once. The lock is held.
func (s *Store) makeDir(dir string) error {
	for _, d := range s.made {
		if d == dir {
			return nil
		}
	}
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := s.ensureDir(d); err != nil {
			return err
		}
	}
	if s.made = append(s.made, dir); len(s.made) > keepDirs {
		_ = s.fs.Remove(s.made[0]) // only if it is empty
		s.made = append([]string(nil), s.made[1:]...)
	}
	return nil
}

type writer struct {
	store *Store
	id    string
	file  File
	sum   *summer
	ended bool
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	w.sum.add(p[:n])
	return n, space(err)
}

// Commit makes the blob durable and visible.
func (w *writer) Commit() error {
	if w.ended {
		return errors.New("the blob was ended before")
	}
	w.ended = true
	_, err := w.file.Write(w.sum.trailer(w.id))
	if err == nil {
		err = w.file.Sync()
	}
	err = errors.Join(err, w.file.Close())
	if err == nil {
		err = w.store.fs.SyncDir(w.store.blockDir(w.id))
	}
	if err != nil {
		return errors.Join(space(err), w.store.fs.Remove(w.store.path(w.id)))
	}
	return nil
}

// Abort throws the blob away; after Commit it does nothing.
func (w *writer) Abort() error {
	if w.ended {
		return nil
	}
	w.ended = true
	return errors.Join(w.file.Close(), w.store.Remove(context.Background(), w.id))
}

// Remove removes a blob, whole or begun; none is success.
func (s *Store) Remove(_ context.Context, id string) error {
	if err := plain(id); err != nil {
		return err
	}
	if err := s.fs.Remove(s.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove blob: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	dir := s.blockDir(id)
	for _, d := range s.made {
		if d == dir {
			return nil
		}
	}
	_ = s.fs.Remove(dir) // only if it is empty
	return nil
}

// List names every blob that starts with prefix, begun ones included.
func (s *Store) List(ctx context.Context, prefix string, f func(id string) error) error {
	if block, _, whole := strings.Cut(prefix, "-"); whole {
		return s.listDir(ctx, s.blockDir(block), prefix, f)
	}
	root := filepath.Join(s.dir, "blobs")
	shards, err := s.fs.ReadDir(root)
	if err != nil {
		return fmt.Errorf("list blobs: %w", err)
	}
	for _, shard := range shards {
		blocks, err := s.fs.ReadDir(filepath.Join(root, shard))
		if err != nil {
			return fmt.Errorf("list blobs: %w", err)
		}
		for _, block := range blocks {
			if err := s.listDir(ctx, filepath.Join(root, shard, block), prefix, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) listDir(ctx context.Context, dir, prefix string, f func(id string) error) error {
	names, err := s.fs.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list blobs: %w", err)
	}
	for _, name := range names {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if strings.HasPrefix(name, prefix) {
			if err := f(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// Verify reads a whole blob and compares it with its checksums.
func (s *Store) Verify(ctx context.Context, id string) error {
	r, err := s.Open(ctx, id, 0, -1)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, contextReader{ctx, r})
	return errors.Join(err, r.Close())
}

// contextReader ends a long read when nobody waits for it any more.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// Quarantine moves a blob aside; none is success.
func (s *Store) Quarantine(_ context.Context, id string) error {
	if err := plain(id); err != nil {
		return err
	}
	aside := filepath.Join(s.dir, "quarantine")
	err := s.fs.Rename(s.path(id), filepath.Join(aside, id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = s.fs.SyncDir(aside)
	}
	return err
}

// plain keeps names from leaving the directory.
func plain(id string) error {
	bad := func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'z') && r != '-' }
	if id == "" || len(id) > 64 || id[0] == '-' || strings.IndexFunc(id, bad) >= 0 {
		return fmt.Errorf("%q is no blob", id)
	}
	return nil
}

// space turns a full disk into something that a client may see.
func space(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.Because(err, fault.CodeObjectstoreNoSpace, "There is not enough storage space for the object.")
	}
	return err
}
