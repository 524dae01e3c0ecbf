package image

import (
	"crypto/md5" //nolint:gosec // the API's checksum is MD5; integrity rests on the other digest
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"io"
	"sync"
	"sync/atomic"

	"altostack/image/inspect"
	"altostack/kernel/fault"
)

const (
	chunkSize  = 512 << 10
	chunkCount = 8 // read ahead of the slowest consumer
)

// pump brings data from a reader to a writer while others hash it, so that the
// slowest of them alone bounds the speed. Chunks go around; nothing is allocated
// on the way. Nothing is written before the inspector has seen it.
type pump struct {
	src       *source
	w         io.Writer
	limit     int64 // bytes; 0: none
	inspector *inspect.Inspector
	progress  func(int64)

	got    received
	failed atomic.Pointer[error] // of the writer
}

type chunk struct {
	buf  []byte
	n    int
	left sync.WaitGroup // consumers still at it
}

// newHash makes the hash of an algorithm that os_hash_algo names.
func newHash(algo string) hash.Hash {
	if algo == "sha256" {
		return sha256.New()
	}
	return sha512.New()
}

// run pumps until the data ends; without an algorithm nothing is digested.
func (p *pump) run(algo string) (received, error) {
	var sums []hash.Hash
	if algo != "" {
		sums = []hash.Hash{md5.New(), newHash(algo)} //nolint:gosec // see the import
	}
	sinks := []func([]byte){p.write}
	for _, h := range sums {
		sinks = append(sinks, func(b []byte) { h.Write(b) })
	}
	queues := make([]chan *chunk, len(sinks))
	var workers sync.WaitGroup
	for i, sink := range sinks {
		queues[i] = make(chan *chunk, chunkCount)
		workers.Go(func() {
			for c := range queues[i] {
				sink(c.buf[:c.n])
				c.left.Done()
			}
		})
	}
	err := p.feed(queues)
	for _, q := range queues {
		close(q)
	}
	workers.Wait()
	if failed := p.failed.Load(); err == nil && failed != nil {
		err = *failed
	}
	if algo != "" {
		p.got.checksum, p.got.algo, p.got.digest = hex.EncodeToString(sums[0].Sum(nil)), algo, hex.EncodeToString(sums[1].Sum(nil))
	}
	return p.got, err
}

func (p *pump) write(b []byte) {
	if p.failed.Load() != nil {
		return
	}
	if _, err := p.w.Write(b); err != nil {
		p.failed.Store(&err)
	}
}

func (p *pump) feed(queues []chan *chunk) error {
	chunks := make([]*chunk, chunkCount)
	for i := range chunks {
		chunks[i] = &chunk{buf: make([]byte, chunkSize)}
	}
	for turn := 0; ; turn++ {
		c := chunks[turn%len(chunks)]
		c.left.Wait()
		if failed := p.failed.Load(); failed != nil {
			return *failed
		}
		n, ended := io.ReadFull(p.src, c.buf)
		if err := p.src.failure(); err != nil {
			return err
		}
		if n > 0 {
			c.n = n
			if err := p.admit(c.buf[:n]); err != nil {
				return err
			}
			c.left.Add(len(queues))
			for _, q := range queues {
				q <- c
			}
		}
		if ended != nil {
			return nil
		}
	}
}

// admit counts and inspects a chunk before anybody else gets it.
func (p *pump) admit(b []byte) error {
	p.got.size += int64(len(b))
	if p.limit > 0 && p.got.size > p.limit {
		return fault.New(fault.CodeImageTooLarge, "The image is larger than %d bytes, the limit for one image.", p.limit)
	}
	if p.inspector != nil {
		if _, err := p.inspector.Write(b); err != nil {
			return err
		}
	}
	if p.progress != nil {
		p.progress(p.got.size)
	}
	return nil
}
