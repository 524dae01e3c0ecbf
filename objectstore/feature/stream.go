package feature

import (
	"context"
	"errors"
	"io"

	"altostack/objectstore"
)

// stream reads spans that next makes one by one, each opened when the one before
// has ended, so that a content of any number of parts takes the memory of one.
type stream struct {
	ctx  context.Context
	next func() (objectstore.Span, error) // io.EOF: no more
	r    io.ReadCloser
	left int64
}

// openStream opens the first span at once: what is wrong with it is told before an
// answer has begun.
func openStream(ctx context.Context, next func() (objectstore.Span, error)) (io.ReadCloser, error) {
	s := &stream{ctx: ctx, next: next}
	if err := s.advance(); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return s, nil
}

func (s *stream) advance() error {
	span, err := s.next()
	if err != nil {
		return err
	}
	s.r, err = span.Open(s.ctx)
	s.left = span.Length
	return err
}

// Read implements io.Reader. A span that ends early is io.ErrUnexpectedEOF.
func (s *stream) Read(p []byte) (int, error) {
	for s.r == nil || s.left == 0 {
		if err := s.Close(); err != nil {
			return 0, err
		}
		if err := s.advance(); err != nil {
			return 0, err
		}
	}
	if int64(len(p)) > s.left {
		p = p[:s.left]
	}
	n, err := s.r.Read(p)
	s.left -= int64(n)
	if errors.Is(err, io.EOF) {
		if err = nil; s.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// Close implements io.Closer.
func (s *stream) Close() error {
	if s.r == nil {
		return nil
	}
	r := s.r
	s.r = nil
	return r.Close()
}
