package objectstore

import (
	"context"
	"crypto/md5" //nolint:gosec // the API's entity tag is MD5; integrity rests on the backend's checksums
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"sync"

	"altostack/kernel/fault"
)

// Staged is a blob that is durable and that no row names yet. Exactly one of Keep
// and Drop must follow.
type Staged struct {
	Blob   string // empty: no bytes
	Size   int64
	MD5    string // hexadecimal
	Policy int
	s      *Service
	block  *block
}

// Stage writes what r gives into a blob under a policy. Of more than limit bytes
// it gives objectstore.too_large; of fewer or more than length (-1: unknown)
// objectstore.upload_cut. Whatever fails, nothing stays behind.
func (s *Service) Stage(ctx context.Context, policy int, r io.Reader, length, limit int64) (*Staged, error) {
	p, ok := s.PolicyOf(policy)
	if !ok {
		return nil, fault.New(fault.CodeRestInternal, "The container's storage policy %d is not configured.", policy)
	}
	if limit <= 0 {
		limit = s.limits.ObjectBytes
	}
	src := &source{r: r, limit: limit}
	buf := headPool.Get().(*[]byte)
	defer headPool.Put(buf)
	n, ended := io.ReadFull(src, *buf)
	if err := src.failure(); err != nil {
		return nil, err
	}
	head := (*buf)[:n]
	st := &Staged{Policy: policy, s: s}
	if n > 0 {
		if err := st.write(ctx, p.Backend, head, ended == nil, src); err != nil {
			return nil, err
		}
	} else {
		st.MD5 = emptyMD5
	}
	if length >= 0 && st.Size != length {
		st.Drop(ctx)
		return nil, fault.New(fault.CodeObjectstoreUploadCut, "%d bytes were announced and %d arrived.", length, st.Size)
	}
	return st, nil
}

const emptyMD5 = "d41d8cd98f00b204e9800998ecf8427e"

// headSize is how much is read before anything is written; smaller objects take
// the short way, without goroutines.
const headSize = 64 << 10

var headPool = sync.Pool{New: func() any { b := make([]byte, headSize); return &b }}

func (st *Staged) write(ctx context.Context, b Backend, head []byte, more bool, src *source) (err error) {
	if st.Blob, st.block, err = st.s.blocks.take(ctx, st.Policy); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			st.Drop(ctx)
		}
	}()
	w, err := b.Create(ctx, st.Blob)
	if err != nil {
		return err
	}
	defer func() { _ = w.Abort() }() // nothing after Commit
	sum := md5.New()                 //nolint:gosec // see the import
	sum.Write(head)
	if _, err := w.Write(head); err != nil {
		return err
	}
	st.Size = int64(len(head))
	if more {
		n, err := pump(src, w, sum)
		st.Size += n
		if err != nil {
			return err
		}
	}
	st.MD5 = hex.EncodeToString(sum.Sum(nil))
	return w.Commit()
}

// Keep says that a committed row names the blob.
func (st *Staged) Keep(ctx context.Context) {
	if st.block != nil {
		st.s.blocks.settle(ctx, st.block)
	}
}

// Drop removes the blob. What fails here waits for the next start's Recover.
func (st *Staged) Drop(ctx context.Context) {
	if st.block == nil {
		return
	}
	ctx = context.WithoutCancel(ctx)
	p, _ := st.s.PolicyOf(st.Policy)
	if err := p.Backend.Remove(ctx, st.Blob); err != nil {
		st.s.log.WarnContext(ctx, "bytes of a write that failed are left for later", "blob", st.Blob, "error", err)
		return
	}
	st.s.blocks.settle(ctx, st.block)
}

// doubt is Drop after a transaction failed: a commit whose answer was lost may have
// been one. Only bytes that no row names go; where that cannot be told, they wait for
// the next start's Recover.
func (st *Staged) doubt(ctx context.Context) {
	if st.block == nil {
		return
	}
	ctx = context.WithoutCancel(ctx)
	named, err := st.s.store.Named(ctx, st.s.db, []string{st.Blob})
	if err != nil {
		st.s.log.WarnContext(ctx, "bytes of a write that failed are left for later", "blob", st.Blob, "error", err)
		return
	}
	if named[st.Blob] {
		st.Keep(ctx)
		return
	}
	st.Drop(ctx)
}

// source remembers how a reader ended, and that it gave too much.
type source struct {
	r     io.Reader
	limit int64
	read  int64
	err   error
}

// Read implements io.Reader; it ends for good with the first error.
func (s *source) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	if s.read += int64(n); s.read > s.limit {
		err = fault.New(fault.CodeObjectstoreTooLarge, "Your request is too large.")
	}
	s.err = err
	return n, err
}

// failure is nil as long as all is well, which includes the proper end.
func (s *source) failure() error {
	var f *fault.Fault
	switch {
	case s.err == nil || s.err == io.EOF: //nolint:errorlint // exactly EOF is the proper end
		return nil
	case errors.As(s.err, &f):
		return s.err
	}
	return fault.Because(s.err, fault.CodeObjectstoreUploadCut, "The object's bytes did not arrive whole.")
}

const (
	chunkSize  = 1 << 20
	chunkCount = 4 // read ahead of the hash
)

type chunk struct {
	buf    []byte
	n      int
	hashed sync.WaitGroup
}

var chunkPool = sync.Pool{New: func() any { return &chunk{buf: make([]byte, chunkSize)} }}

// pump copies src to w while another goroutine hashes: the slower of the two
// bounds the speed. Chunks go around.
func pump(src *source, w io.Writer, sum hash.Hash) (written int64, err error) {
	queue, done := make(chan *chunk, chunkCount), make(chan struct{})
	go func() {
		defer close(done)
		for c := range queue {
			sum.Write(c.buf[:c.n])
			c.hashed.Done()
		}
	}()
	var chunks [chunkCount]*chunk
	defer func() {
		close(queue)
		<-done
		for _, c := range chunks {
			if c != nil {
				chunkPool.Put(c)
			}
		}
	}()
	for turn := 0; ; turn++ {
		at := turn % chunkCount
		if chunks[at] == nil {
			chunks[at] = chunkPool.Get().(*chunk)
		}
		c := chunks[at]
		c.hashed.Wait()
		n, ended := io.ReadFull(src, c.buf)
		if err := src.failure(); err != nil {
			return written, err
		}
		if c.n = n; n > 0 {
			c.hashed.Add(1)
			queue <- c
			if _, err := w.Write(c.buf[:n]); err != nil {
				return written, err
			}
			written += int64(n)
		}
		if ended != nil {
			return written, nil
		}
	}
}
