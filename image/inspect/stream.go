package inspect

import (
	"errors"
	"io"
	"math"
	"slices"
)

const (
	headSize   = 512 << 10 // kept from the start
	tailSize   = 4 << 10   // kept from the end
	maxPiece   = 1 << 20   // of one piece in between
	maxPieces  = 4
	unknownEnd = math.MaxInt64
)

// view is what parsers read from. A piece that is not there yet is a *missing,
// which they pass on; they are asked again once it is.
type view interface {
	// start answers at most n bytes from the start, fewer of shorter data.
	start(n int) []byte
	at(off int64, n int) ([]byte, error)
	// end answers the last n bytes.
	end(n int) ([]byte, error)
	size() (int64, bool)
}

// missing is a piece that a view has not seen yet.
type missing struct {
	off int64
	n   int
}

// Error implements error.
func (m *missing) Error() string { return "inspect: a piece of the data is missing" }

// Inspector looks at data that streams through it.
type Inspector struct {
	declared  string
	container bool
	head      []byte
	tail      []byte // the last bytes, in order
	pieces    []piece
	pos       int64
	ended     bool
	looked    bool
	err       error
}

type piece struct {
	off  int64
	data []byte
	n    int
}

func (p *piece) whole() bool { return len(p.data) == p.n }

// New makes an Inspector of data that is said to be of the format declared; in
// containers other than bare (and the three parts of an AMI) the disk lies deeper.
func New(declared, container string) *Inspector {
	return &Inspector{declared: declared, container: !slices.Contains([]string{"", "bare", "ami", "ari", "aki"}, container)}
}

// Write takes the next bytes. It fails as soon as they are known to be refused:
// image.format_mismatch says that the bytes are something else than declared,
// image.unsafe that they would reach out of themselves or are senseless.
func (i *Inspector) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && i.err == nil {
		step := len(p)
		if room := headSize - len(i.head); room > 0 {
			step = min(step, room)
		}
		if w := i.wanted(); w != nil {
			// Stop where the piece ends, so that the next one can be asked for in time.
			if left := w.off + int64(w.n) - i.pos; left > 0 && int64(step) > left {
				step = int(left)
			}
		}
		i.take(p[:step])
		p = p[step:]
		if w := i.last(); len(i.head) == headSize && (!i.looked || w != nil && w.whole() && w.off+int64(w.n) == i.pos) {
			i.look()
		}
	}
	if i.err != nil {
		return n - len(p), i.err
	}
	return n, nil
}

func (i *Inspector) last() *piece {
	if len(i.pieces) == 0 {
		return nil
	}
	return &i.pieces[len(i.pieces)-1]
}

func (i *Inspector) wanted() *piece {
	if w := i.last(); w != nil && !w.whole() {
		return w
	}
	return nil
}

func (i *Inspector) take(p []byte) {
	if room := headSize - len(i.head); room > 0 {
		i.head = append(i.head, p[:min(room, len(p))]...)
	}
	if w := i.wanted(); w != nil {
		from := w.off + int64(len(w.data)) - i.pos // where the rest of it starts in p
		if from >= 0 && from < int64(len(p)) {
			w.data = append(w.data, p[from:min(int64(len(p)), from+int64(w.n-len(w.data)))]...)
		}
	}
	i.pos += int64(len(p))
	if len(p) >= tailSize {
		i.tail = append(i.tail[:0], p[len(p)-tailSize:]...)
		return
	}
	if over := len(i.tail) + len(p) - tailSize; over > 0 {
		i.tail = i.tail[:copy(i.tail, i.tail[over:])]
	}
	i.tail = append(i.tail, p...)
}

// look asks the parser, as far as the data has come.
func (i *Inspector) look() {
	i.looked = true
	_, err := examine(i.declared, i.container, i)
	var m *missing
	switch {
	case !errors.As(err, &m):
		i.err = err
	case m.off == unknownEnd:
	case m.off < i.pos || len(i.pieces) == maxPieces || m.n > maxPiece:
		i.err = unsafe(i.declared, "its parts lie in an order that cannot be followed")
	default:
		i.pieces = append(i.pieces, piece{off: m.off, n: m.n})
	}
}

// Finish says that the data has ended, and decides.
func (i *Inspector) Finish() (Info, error) {
	if i.err != nil {
		return Info{}, i.err
	}
	i.ended = true
	if i.pos == 0 {
		return Info{Format: "raw"}, nil // nothing cannot reach anything
	}
	info, err := examine(i.declared, i.container, i)
	var m *missing
	if errors.As(err, &m) {
		err = unsafe(i.declared, "it is cut off after %d bytes", i.pos)
	}
	return info, err
}

func (i *Inspector) start(n int) []byte { return i.head[:min(n, len(i.head))] }

func (i *Inspector) size() (int64, bool) { return i.pos, i.ended }

func (i *Inspector) at(off int64, n int) ([]byte, error) {
	if off >= 0 && n >= 0 && off+int64(n) <= int64(len(i.head)) {
		return i.head[off : off+int64(n)], nil
	}
	for _, p := range i.pieces {
		if p.off == off && p.n == n && p.whole() {
			return p.data, nil
		}
	}
	if from := i.pos - int64(len(i.tail)); i.ended && off >= from && off+int64(n) <= i.pos {
		return i.tail[off-from : off-from+int64(n)], nil
	}
	return nil, &missing{off, n}
}

func (i *Inspector) end(n int) ([]byte, error) {
	if !i.ended {
		return nil, &missing{off: unknownEnd}
	}
	if n > len(i.tail) {
		return nil, &missing{off: i.pos, n: n}
	}
	return i.tail[len(i.tail)-n:], nil
}

// Check decides on data that is there as a whole.
func Check(declared string, data []byte) (Info, error) {
	i := New(declared, "bare")
	if _, err := i.Write(data); err != nil {
		return Info{}, err
	}
	return i.Finish()
}

// File decides on size bytes that lie in r, of which only headers are read.
func File(declared, container string, r io.ReaderAt, size int64) (Info, error) {
	i := New(declared, container)
	f := &file{r: r, bytes: size}
	if f.read, f.err = f.piece(0, int(min(size, headSize))); f.err != nil {
		return Info{}, f.err
	}
	info, err := examine(declared, i.container, f)
	var m *missing
	if errors.As(err, &m) {
		err = unsafe(declared, "it is cut off after %d bytes", size)
	}
	if f.err != nil {
		return Info{}, f.err
	}
	return info, err
}

type file struct {
	r     io.ReaderAt
	bytes int64
	read  []byte
	err   error
}

func (f *file) piece(off int64, n int) ([]byte, error) {
	if off < 0 || n < 0 || n > maxPiece || off > f.bytes-int64(n) {
		return nil, &missing{off, n}
	}
	p := make([]byte, n)
	if got, err := f.r.ReadAt(p, off); got < n {
		f.err = err
		return nil, err
	}
	return p, nil
}

func (f *file) start(n int) []byte                  { return f.read[:min(n, len(f.read))] }
func (f *file) at(off int64, n int) ([]byte, error) { return f.piece(off, n) }
func (f *file) end(n int) ([]byte, error)           { return f.piece(f.bytes-int64(n), n) }
func (f *file) size() (int64, bool)                 { return f.bytes, true }
