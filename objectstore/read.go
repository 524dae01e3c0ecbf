package objectstore

import (
	"context"
	"errors"
	"io"
	"strings"

	"altostack/kernel/fault"
)

// Content is what a reader of an object gets. Where an object is its own bytes it
// is those; an [Opener] makes others of it.
type Content struct {
	Object              // whose metadata is answered; a symlink's is its target's
	Container Container // that Object is in
	Size      int64
	ETag      string // without quotes
	// Open reads length bytes from offset.
	Open func(ctx context.Context, offset, length int64) (io.ReadCloser, error)
	// Headers are a feature's, by the name Swift answers them.
	Headers map[string]string
	// Location names where the content came from, as X-Symlink… Content-Location
	// does; empty: the object itself.
	Location string
}

// Reader is who reads. An opener that goes to other containers asks May first,
// which answers the fault to give; nil allows all, for the cloud's own reads.
type Reader struct {
	May func(ctx context.Context, c Container) error
	// Depth counts the openers passed; an opener that reads further objects
	// hands on one more, and refuses what is too deep.
	Depth int
}

// Opener makes content of an object of its kind.
type Opener func(ctx context.Context, by Reader, c Container, o Object) (Content, error)

// Register names the opener of a kind of objects; before requests are taken.
func (s *Service) Register(kind string, o Opener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.openers[kind] = o
}

// Content answers what a reader of o gets: through the opener of its kind, or its
// own bytes.
func (s *Service) Content(ctx context.Context, by Reader, c Container, o Object) (Content, error) {
	s.mu.RLock()
	open := s.openers[o.Kind]
	s.mu.RUnlock()
	if open != nil {
		return open(ctx, by, c, o)
	}
	return s.Stored(c, o), nil
}

// Stored is the content of an object's own bytes, past any opener: the text of a
// manifest, the nothing of a symlink.
func (s *Service) Stored(c Container, o Object) Content {
	size := o.Size
	if o.Kind != "" {
		size = o.Stored
	}
	return Content{Object: o, Container: c, Size: size, ETag: o.ETag, Open: func(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
		return s.OpenStored(ctx, c, o, offset, length)
	}}
}

// OpenStored reads an object's own bytes. An object that is deleted or replaced
// between its row being read and its bytes being opened is
// objectstore.object_not_found.
func (s *Service) OpenStored(ctx context.Context, c Container, o Object, offset, length int64) (io.ReadCloser, error) {
	if length == 0 || o.Blob == "" {
		return io.NopCloser(strings.NewReader("")), nil
	}
	p, ok := s.PolicyOf(c.Policy)
	if !ok {
		return nil, fault.New(fault.CodeRestInternal, "The container's storage policy %d is not configured.", c.Policy)
	}
	if o.Pieces > 0 {
		return s.openPieces(ctx, p.Backend, c, o, offset, length)
	}
	r, err := p.Backend.Open(ctx, o.Blob, offset, length)
	return r, s.lost(ctx, c, o, err)
}

// lost explains why a blob is not there: its row went, or it is damage.
func (s *Service) lost(ctx context.Context, c Container, o Object, err error) error {
	if !errors.Is(err, ErrNoBlob) {
		return err
	}
	now, found, again := s.store.Version(ctx, s.db, c.ID, o.Name, o.Stamp)
	if again != nil {
		return again
	}
	if !found || now.Blob != o.Blob {
		return errNoObject(o.Name)
	}
	return fault.Because(err, fault.CodeObjectstoreCorrupt, "The object's bytes are damaged.")
}

func (s *Service) openPieces(ctx context.Context, b Backend, c Container, o Object, offset, length int64) (io.ReadCloser, error) {
	pieces, err := s.store.Pieces(ctx, s.db, o.Blob)
	if err != nil {
		return nil, err
	}
	if len(pieces) != o.Pieces {
		return nil, s.lost(ctx, c, o, ErrNoBlob)
	}
	if length < 0 {
		length = o.Stored - offset
	}
	var spans []Span
	for _, p := range pieces {
		from, to := max(offset-p.Start, 0), min(offset+length-p.Start, p.Size)
		if from < to {
			spans = append(spans, Span{Length: to - from, Open: func(ctx context.Context) (io.ReadCloser, error) {
				r, err := b.Open(ctx, p.Blob, from, to-from)
				return r, s.lost(ctx, c, o, err)
			}})
		}
	}
	return Chain(ctx, spans)
}

// Span is one stretch of a content that is put together.
type Span struct {
	Length int64
	Open   func(ctx context.Context) (io.ReadCloser, error)
}

// Chain reads spans one after the other. The first is opened at once, so that
// what is missing there is told before an answer has begun; each gives exactly its
// Length, or an error.
func Chain(ctx context.Context, spans []Span) (io.ReadCloser, error) {
	c := &chain{ctx: ctx, spans: spans}
	if len(spans) == 0 {
		return c, nil
	}
	return c, c.next()
}

type chain struct {
	ctx   context.Context
	spans []Span
	r     io.ReadCloser
	left  int64
}

func (c *chain) next() error {
	s := c.spans[0]
	r, err := s.Open(c.ctx)
	if err != nil {
		return err
	}
	c.spans, c.r, c.left = c.spans[1:], r, s.Length
	return nil
}

// Read implements io.Reader.
func (c *chain) Read(p []byte) (int, error) {
	for c.left == 0 {
		if err := c.Close(); err != nil {
			return 0, err
		}
		if len(c.spans) == 0 {
			return 0, io.EOF
		}
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.r.Read(p)
	c.left -= int64(n)
	if err == io.EOF { //nolint:errorlint // exactly EOF is the proper end
		if err = nil; c.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// Close implements io.Closer.
func (c *chain) Close() error {
	if c.r == nil {
		return nil
	}
	r := c.r
	c.r = nil
	return r.Close()
}
