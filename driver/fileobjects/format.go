package fileobjects

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"sync"

	"altostack/kernel/fault"
	"altostack/objectstore"
)

// A file is: the bytes; a table of one CRC-32C (little endian) for each 64 KiB of
// them; a footer of 32 bytes: magic (8), size of the bytes (8), size of a block (4),
// entries of the table (4), CRC-32C over table, footer so far and blob id (4), zero
// (4).
const (
	magic      = "ALTOBLB1"
	blockBytes = 64 << 10
	footerSize = 32
	readBytes  = 16 * blockBytes // read and checked at once
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// summer makes the table while bytes go by.
type summer struct {
	size  int64
	crc   uint32
	in    int // bytes of the block that crc is over
	table []byte
}

func newSummer() *summer { return &summer{} }

func (s *summer) add(p []byte) {
	s.size += int64(len(p))
	for len(p) > 0 {
		n := min(len(p), blockBytes-s.in)
		s.crc = crc32.Update(s.crc, castagnoli, p[:n])
		if s.in += n; s.in == blockBytes {
			s.flush()
		}
		p = p[n:]
	}
}

func (s *summer) flush() {
	s.table = binary.LittleEndian.AppendUint32(s.table, s.crc)
	s.crc, s.in = 0, 0
}

// trailer is what follows the bytes.
func (s *summer) trailer(id string) []byte {
	if s.in > 0 {
		s.flush()
	}
	out := append(s.table, magic...)
	out = binary.LittleEndian.AppendUint64(out, uint64(s.size))
	out = binary.LittleEndian.AppendUint32(out, blockBytes)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(s.table)/4))
	out = binary.LittleEndian.AppendUint32(out, crcOf(out, id))
	return binary.LittleEndian.AppendUint32(out, 0)
}

func crcOf(b []byte, id string) uint32 {
	return crc32.Update(crc32.Checksum(b, castagnoli), castagnoli, []byte(id))
}

func entries(size int64) int64 { return (size + blockBytes - 1) / blockBytes }

var chunks = sync.Pool{New: func() any { b := make([]byte, readBytes); return &b }}

// Open reads length bytes from offset, each block checked before it is handed on.
func (s *Store) Open(_ context.Context, id string, offset, length int64) (io.ReadCloser, error) {
	if err := plain(id); err != nil {
		return nil, err
	}
	f, err := s.fs.Open(s.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", objectstore.ErrNoBlob, id)
	}
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	r := &reader{id: id, file: f, buf: chunks.Get().(*[]byte)}
	if err := r.start(offset, length); err != nil {
		_ = r.Close()
		return nil, err
	}
	return r, nil
}

// reader hands out checked bytes.
type reader struct {
	id    string
	file  Reading
	table []byte
	size  int64 // of the blob
	next  int64 // offset of what is read next from the file; whole blocks
	end   int64 // offset behind the last byte to hand out
	ready []byte
	buf   *[]byte
	tail  []byte // the whole file, where it is small
	err   error
}

func (r *reader) start(offset, length int64) error {
	total, err := r.file.Size()
	if err != nil {
		return err
	}
	if total < footerSize {
		return r.notWhole("it is shorter than a footer")
	}
	if total <= readBytes {
		r.tail = (*r.buf)[:total]
		if _, err := r.file.ReadAt(r.tail, 0); err != nil {
			return err
		}
	}
	if err := r.readTrailer(total); err != nil {
		return err
	}
	if offset < 0 || offset > r.size {
		return fmt.Errorf("offset %d of a blob of %d bytes", offset, r.size)
	}
	r.end = r.size
	if length >= 0 {
		r.end = min(offset+length, r.size)
	}
	r.next = offset / blockBytes * blockBytes
	if err := r.fill(); err != nil {
		return err
	}
	r.ready = r.ready[min(offset-offset/blockBytes*blockBytes, int64(len(r.ready))):]
	return nil
}

func (r *reader) readTrailer(total int64) error {
	var footer [footerSize]byte
	if err := r.at(footer[:], total-footerSize); err != nil {
		return err
	}
	r.size = int64(binary.LittleEndian.Uint64(footer[8:]))
	n := entries(r.size)
	if string(footer[:8]) != magic || r.size < 0 || r.size+n*4+footerSize != total || int64(binary.LittleEndian.Uint32(footer[20:])) != n {
		return r.notWhole("it has no valid footer")
	}
	trailer := make([]byte, n*4+24)
	if err := r.at(trailer, r.size); err != nil {
		return err
	}
	if crcOf(trailer, r.id) != binary.LittleEndian.Uint32(footer[24:]) {
		return r.damaged("its table of checksums is not what was written")
	}
	r.table = trailer[:n*4]
	return nil
}

// at reads bytes of the file.
func (r *reader) at(p []byte, offset int64) error {
	if r.tail != nil {
		copy(p, r.tail[offset:])
		return nil
	}
	_, err := r.file.ReadAt(p, offset)
	return err
}

// fill makes the next checked bytes ready.
func (r *reader) fill() error {
	r.ready = nil
	if r.next >= r.end {
		return nil
	}
	n := min(readBytes, r.size-r.next, (r.end-r.next+blockBytes-1)/blockBytes*blockBytes)
	var b []byte
	if r.tail != nil {
		b = r.tail[r.next : r.next+n]
	} else {
		b = (*r.buf)[:n]
		if _, err := r.file.ReadAt(b, r.next); err != nil {
			return fmt.Errorf("read blob: %w", err)
		}
	}
	for at := int64(0); at < n; at += blockBytes {
		block := b[at:min(at+blockBytes, n)]
		i := (r.next + at) / blockBytes * 4
		if crc32.Checksum(block, castagnoli) != binary.LittleEndian.Uint32(r.table[i:]) {
			return r.damaged(fmt.Sprintf("the bytes from %d are not what was written", r.next+at))
		}
	}
	r.ready = b[:min(n, r.end-r.next)]
	r.next += n
	return nil
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if len(r.ready) == 0 {
		if r.err == nil {
			r.err = r.fill()
		}
		if r.err != nil {
			return 0, r.err
		}
		if len(r.ready) == 0 {
			return 0, io.EOF
		}
	}
	n := copy(p, r.ready)
	r.ready = r.ready[n:]
	return n, nil
}

// WriteTo implements io.WriterTo, so that io.Copy needs no buffer of its own.
func (r *reader) WriteTo(w io.Writer) (total int64, err error) {
	for {
		if len(r.ready) == 0 {
			if err := r.fill(); err != nil {
				return total, err
			}
			if len(r.ready) == 0 {
				return total, nil
			}
		}
		n, err := w.Write(r.ready)
		total += int64(n)
		r.ready = r.ready[n:]
		if err != nil {
			return total, err
		}
	}
}

// Close implements io.Closer.
func (r *reader) Close() error {
	if r.buf != nil {
		chunks.Put(r.buf)
		r.buf, r.tail, r.ready = nil, nil, nil
		r.err = errors.New("the blob was closed")
		return r.file.Close()
	}
	return nil
}

func (r *reader) notWhole(why string) error {
	return fmt.Errorf("%w: %s: %s", objectstore.ErrNoBlob, r.id, why)
}

func (r *reader) damaged(why string) error {
	return fault.Because(fmt.Errorf("blob %s: %s", r.id, why), fault.CodeObjectstoreCorrupt, "The object's bytes are damaged.")
}
