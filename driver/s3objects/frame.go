package s3objects

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"

	"github.com/minio/minio-go/v7"

	"altostack/kernel/fault"
	"altostack/objectstore"
)

// An object is frames of 64 KiB of bytes, the last one shorter, each followed by a
// CRC-32C (little endian) over them, the blob's id, the frame's number and whether
// it is the last: frames that are lost, exchanged or another's do not pass.
const (
	frameBytes = 64 << 10
	sumBytes   = 4
	frameSize  = frameBytes + sumBytes
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sum(data []byte, id string, number int64, last bool) uint32 {
	tail := binary.LittleEndian.AppendUint64([]byte(id), uint64(number))
	if last {
		tail = append(tail, 1)
	}
	return crc32.Update(crc32.Checksum(data, castagnoli), castagnoli, tail)
}

// framer cuts bytes into frames.
type framer struct {
	id     string
	out    func(frame []byte) error
	buf    []byte
	number int64
}

// Write implements io.Writer. A full frame waits until it is known whether it is
// the last.
func (f *framer) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if len(f.buf) == frameBytes {
			if err := f.flush(false); err != nil {
				return 0, err
			}
		}
		if f.buf == nil {
			f.buf = make([]byte, 0, frameSize)
		}
		take := min(len(p), frameBytes-len(f.buf))
		f.buf = append(f.buf, p[:take]...)
		p = p[take:]
	}
	return n, nil
}

func (f *framer) last() error { return f.flush(true) }

func (f *framer) flush(last bool) error {
	err := f.out(binary.LittleEndian.AppendUint32(f.buf, sum(f.buf, f.id, f.number, last)))
	f.buf, f.number = f.buf[:0], f.number+1
	return err
}

// Open reads length bytes from offset, each frame checked before it is handed on.
func (s *Store) Open(ctx context.Context, id string, offset, length int64) (io.ReadCloser, error) {
	if err := plain(id); err != nil {
		return nil, err
	}
	r := &reader{id: id, number: offset / frameBytes, skip: offset % frameBytes, left: length}
	opts := minio.GetObjectOptions{}
	from, to := r.number*frameSize, int64(0)
	if length >= 0 {
		to = (offset+max(length, 1)-1)/frameBytes*frameSize + frameSize - 1
	}
	if from > 0 || to > 0 { // otherwise the whole
		if err := opts.SetRange(from, to); err != nil {
			return nil, fmt.Errorf("open blob: %w", err)
		}
	}
	body, _, header, err := s.core.GetObject(ctx, s.bucket, s.key(id), opts)
	switch code := minio.ToErrorResponse(err).Code; {
	case gone(err):
		return nil, fmt.Errorf("%w: %s", objectstore.ErrNoBlob, id)
	case err != nil && code == "InvalidRange": // behind the end, where there is nothing
		return io.NopCloser(strings.NewReader("")), nil
	case err != nil:
		return nil, fmt.Errorf("open blob: %w", err)
	}
	r.body = body
	if r.total, err = total(header.Get("Content-Range"), header.Get("Content-Length")); err == nil {
		err = r.fill()
	}
	if err != nil {
		return nil, errors.Join(err, body.Close())
	}
	return r, nil
}

// total is the size of the object that an answer is of.
func total(contentRange, contentLength string) (int64, error) {
	if _, of, partly := strings.Cut(contentRange, "/"); partly {
		contentLength = of
	}
	n, err := strconv.ParseInt(contentLength, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the object store does not tell how large the blob is: %w", err)
	}
	return n, nil
}

// reader hands out checked bytes.
type reader struct {
	id     string
	body   io.ReadCloser
	number int64 // of the next frame
	total  int64 // size of the object
	skip   int64 // bytes of the first frame that are not asked for
	left   int64 // bytes still to hand out; -1: to the end
	ready  []byte
	buf    []byte
	err    error
}

// fill reads and checks the next frame.
func (r *reader) fill() error {
	size := min(frameSize, r.total-r.number*frameSize)
	if size <= 0 || r.left == 0 {
		return nil
	}
	if size < sumBytes {
		return r.damaged()
	}
	if r.buf == nil {
		r.buf = make([]byte, frameSize)
	}
	frame := r.buf[:size]
	if _, err := io.ReadFull(r.body, frame); err != nil {
		return fmt.Errorf("read blob: %w", err)
	}
	data, last := frame[:size-sumBytes], (r.number+1)*frameSize >= r.total
	if sum(data, r.id, r.number, last) != binary.LittleEndian.Uint32(frame[size-sumBytes:]) {
		return r.damaged()
	}
	r.number++
	r.ready = data[min(r.skip, int64(len(data))):]
	r.skip = 0
	if r.left >= 0 {
		r.ready = r.ready[:min(r.left, int64(len(r.ready)))]
		r.left -= int64(len(r.ready))
	}
	return nil
}

func (r *reader) damaged() error {
	return fault.Because(fmt.Errorf("blob %s: frame %d is not what was written", r.id, r.number), fault.CodeObjectstoreCorrupt, "The object's bytes are damaged.")
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if len(r.ready) == 0 && r.err == nil {
		r.err = r.fill()
	}
	if r.err != nil {
		return 0, r.err
	}
	if len(r.ready) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.ready)
	r.ready = r.ready[n:]
	return n, nil
}

// Close implements io.Closer.
func (r *reader) Close() error { return r.body.Close() }
