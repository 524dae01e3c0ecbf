// Package objectblobs keeps the bytes of images in our own object store, in an
// account that is nobody's: no project's users can name it, so nothing there can
// be read, listed or changed but through the image service.
//
// A blob is staged while it arrives and gets a row of the object store once it is
// whole and durable. What a crash leaves of one that was not is the object store's
// to sweep. It serves image.Blobs; several goroutines may work on different blobs.
package objectblobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"sync"

	"altostack/image"
	"altostack/kernel/fault"
	"altostack/objectstore"
)

const (
	account   = ".images"
	container = "images"
	maxBlob   = 1 << 50 // bytes; the image service has a limit of its own
	perPage   = 1000
)

// Store is the image service's part of the object store.
type Store struct {
	objects *objectstore.Service

	mu       sync.Mutex
	incoming map[string]bool
}

// New makes it.
func New(objects *objectstore.Service) *Store {
	return &Store{objects: objects, incoming: map[string]bool{}}
}

func plain(id string) error {
	if id == "" || id == "." || id == ".." || path.Base(id) != id {
		return fmt.Errorf("%q is no blob", id)
	}
	return nil
}

// place answers the container, which is made when it is first wanted.
func (s *Store) place(ctx context.Context) (objectstore.Container, error) {
	c, err := s.objects.Container(ctx, account, container)
	if err != nil && fault.KindOf(err) == fault.NotFound {
		c, _, err = s.objects.EnsureContainer(ctx, account, container, func(*objectstore.Container, bool) error { return nil })
	}
	return c, err
}

// Create starts a blob.
func (s *Store) Create(ctx context.Context, id string) (image.BlobWriter, error) {
	if err := plain(id); err != nil {
		return nil, err
	}
	c, err := s.place(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := s.objects.Object(ctx, c, id, ""); err == nil || fault.KindOf(err) != fault.NotFound {
		return nil, errors.Join(fmt.Errorf("blob %s exists", id), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.incoming[id] {
		return nil, fmt.Errorf("blob %s is arriving", id)
	}
	s.incoming[id] = true
	r, w := io.Pipe()
	out := &writer{PipeWriter: w, s: s, ctx: context.WithoutCancel(ctx), id: id, c: c, staged: make(chan error, 1)}
	go func() {
		var err error
		out.blob, err = s.objects.Stage(out.ctx, c.Policy, r, -1, maxBlob)
		_ = r.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // the writer learns why
		out.staged <- err
	}()
	return out, nil
}

type writer struct {
	*io.PipeWriter
	s      *Store
	ctx    context.Context
	id     string
	c      objectstore.Container
	staged chan error
	blob   *objectstore.Staged
	ended  bool
}

// end closes the way in and waits for what has come.
func (w *writer) end(why error) error {
	w.ended = true
	_ = w.CloseWithError(why) // of a pipe, which cannot fail
	err := <-w.staged
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	delete(w.s.incoming, w.id)
	return err
}

// Commit makes the blob visible.
func (w *writer) Commit() error {
	if err := w.end(nil); err != nil {
		return err
	}
	_, err := w.s.objects.PutStaged(w.ctx, w.c, objectstore.Put{Name: w.id, ContentType: "application/octet-stream", Length: -1, Limit: maxBlob}, w.blob)
	return err
}

var errAborted = errors.New("the blob is given up")

// Abort throws the blob away; after Commit it does nothing.
func (w *writer) Abort() error {
	if w.ended {
		return nil
	}
	if err := w.end(errAborted); err == nil {
		w.blob.Drop(w.ctx)
	}
	return nil // what Stage did not finish it has removed
}

// Open answers a blob for reading.
func (s *Store) Open(ctx context.Context, id string) (image.BlobReader, error) {
	if err := plain(id); err != nil {
		return nil, err
	}
	c, err := s.place(ctx)
	if err != nil {
		return nil, err
	}
	o, err := s.objects.Object(ctx, c, id, "")
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	return &reader{ctx: ctx, s: s, c: c, o: o}, nil
}

type reader struct {
	ctx  context.Context
	s    *Store
	c    objectstore.Container
	o    objectstore.Object
	pos  int64
	open io.ReadCloser // at pos; nil: not opened
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if r.pos >= r.o.Size {
		return 0, io.EOF
	}
	if r.open == nil {
		var err error
		if r.open, err = r.s.objects.OpenStored(r.ctx, r.c, r.o, r.pos, r.o.Size-r.pos); err != nil {
			return 0, err
		}
	}
	n, err := r.open.Read(p)
	if r.pos += int64(n); errors.Is(err, io.EOF) && r.pos < r.o.Size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Seek implements io.Seeker.
func (r *reader) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		off += r.pos
	case io.SeekEnd:
		off += r.o.Size
	}
	if off < 0 {
		return 0, errors.New("a place before the blob")
	}
	if off != r.pos {
		_ = r.Close() // given up
		r.open = nil
	}
	r.pos = off
	return off, nil
}

// ReadAt implements io.ReaderAt.
func (r *reader) ReadAt(p []byte, off int64) (int, error) {
	part := &reader{ctx: r.ctx, s: r.s, c: r.c, o: r.o, pos: off}
	defer func() { _ = part.Close() }() // only read
	n, err := io.ReadFull(part, p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// Close ends it.
func (r *reader) Close() error {
	if r.open == nil {
		return nil
	}
	return r.open.Close()
}

// Remove removes a blob; none is success. One that is arriving is its writer's.
func (s *Store) Remove(ctx context.Context, id string) error {
	if err := plain(id); err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.incoming, id)
	s.mu.Unlock()
	c, err := s.place(ctx)
	if err != nil {
		return err
	}
	if _, err = s.objects.DeleteObject(ctx, c, id, objectstore.Deletion{}); fault.KindOf(err) == fault.NotFound {
		return nil
	}
	return err
}

// List names every blob, whole or incoming.
func (s *Store) List(ctx context.Context) ([]string, error) {
	c, err := s.place(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	var out []string
	for id := range s.incoming {
		out = append(out, id)
	}
	s.mu.Unlock()
	for l := (objectstore.Listing{Limit: perPage}); ; {
		list, err := s.objects.Objects(ctx, c, l)
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			out = append(out, e.Item.Name)
		}
		if len(list) < perPage {
			break
		}
		l.Marker = list[len(list)-1].Item.Name
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
