// Package archive keeps a disk's content as objects, and makes the disk of them
// again. It knows neither volumes nor the store of the objects.
//
// A disk is cut into blocks of 1 MiB. Blocks of zeros are not kept. The others
// are packed, eight to an object, compressed, and named in a [Manifest] with
// their digests. An increment keeps only the blocks that differ from those of the
// archive it follows, and its manifest names the older objects for the rest: so a
// disk is made again from one manifest, whatever the chain behind it, and nothing
// of the chain may be removed before it.
//
// What is read back is checked against the digests, block by block. Nothing here
// is shared between calls, so callers race freely.
package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// The sizes of the format, bytes.
const (
	blockBytes     = 1 << 20
	blocksAnObject = 8
	objectBytes    = blockBytes * blocksAnObject
	maxManifest    = 256 << 20 // a disk of some 2 TiB without a hole
	aBlock         = 320       // of a manifest: the block, and a name if its object holds no other
)

const version = 1

// Vault is where the objects are. Put replaces; Get of nothing is an error.
type Vault interface {
	Put(ctx context.Context, name string, data []byte) error
	Get(ctx context.Context, name string) (io.ReadCloser, error)
}

// Manifest says what a disk is made of. Labels are the caller's.
type Manifest struct {
	Version int               `json:"version"`
	Bytes   int64             `json:"size_bytes"` // of the disk
	Prefix  string            `json:"prefix"`
	Objects []string          `json:"objects"` // of this archive and of those before it
	Blocks  []Block           `json:"blocks"`  // ascending; the rest is zeros
	Labels  map[string]string `json:"labels,omitempty"`
}

// Block is 1 MiB of the disk, less at its end.
type Block struct {
	Index  int64  `json:"i"`
	Object int    `json:"o"` // in Objects
	Slot   int    `json:"s"` // which of the object's blocks
	SHA256 string `json:"h"`
}

// manifestName is the manifest's own object.
func manifestName(prefix string) string { return prefix + "_metadata" }

// ErrDamaged is an archive of which something is missing or not what was kept.
var ErrDamaged = errors.New("the archive is damaged")

// Write keeps what r gives, bytes long, under a prefix; parent is what to follow,
// or nil. Whatever a call before it left under the prefix is replaced. stored is
// how many bytes went to the vault, in how many objects.
func Write(ctx context.Context, v Vault, prefix string, r io.Reader, size int64, parent *Manifest, labels map[string]string) (m Manifest, stored int64, objects int, err error) {
	w := &writer{ctx: ctx, vault: v, m: Manifest{Version: version, Bytes: size, Prefix: prefix, Labels: labels}}
	if w.zip, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest)); err != nil {
		return m, 0, 0, err
	}
	defer func() { err = errors.Join(err, w.zip.Close()) }()
	w.follow(parent)
	block := make([]byte, blockBytes)
	for at := int64(0); at < size; at += blockBytes {
		b := block[:min(blockBytes, size-at)]
		if _, err := io.ReadFull(r, b); err != nil {
			return m, 0, 0, fmt.Errorf("read the disk at %d: %w", at, err)
		}
		if err := w.block(at/blockBytes, b); err != nil {
			return m, 0, 0, err
		}
	}
	if err := w.flush(); err != nil {
		return m, 0, 0, err
	}
	w.forget()
	text, err := json.Marshal(w.m)
	if err != nil {
		return m, 0, 0, err
	}
	if err := w.put(manifestName(prefix), text); err != nil { // last: only a whole archive has one
		return m, 0, 0, err
	}
	return w.m, w.stored, w.objects, nil
}

var zeros [blockBytes]byte

type writer struct {
	ctx     context.Context
	vault   Vault
	zip     *zstd.Encoder
	m       Manifest
	before  map[int64]Block // of the parent
	pending []byte
	slots   int
	number  int
	stored  int64
	objects int
}

func (w *writer) follow(parent *Manifest) {
	w.before = map[int64]Block{}
	if parent == nil {
		return
	}
	w.m.Objects = append(w.m.Objects, parent.Objects...)
	for _, b := range parent.Blocks {
		w.before[b.Index] = b
	}
}

func (w *writer) block(index int64, data []byte) error {
	if bytes.Equal(data, zeros[:len(data)]) {
		return w.ctx.Err()
	}
	sum := sha256.Sum256(data)
	b := Block{Index: index, SHA256: hex.EncodeToString(sum[:])}
	if old, has := w.before[index]; has && old.SHA256 == b.SHA256 {
		w.m.Blocks = append(w.m.Blocks, old)
		return w.ctx.Err()
	}
	if w.slots == 0 {
		w.number++
		w.m.Objects = append(w.m.Objects, fmt.Sprintf("%s-%05d", w.m.Prefix, w.number))
	}
	b.Object, b.Slot = len(w.m.Objects)-1, w.slots
	w.m.Blocks = append(w.m.Blocks, b)
	w.pending = append(w.pending, data...)
	if w.slots++; w.slots < blocksAnObject {
		return w.ctx.Err()
	}
	return w.flush()
}

func (w *writer) flush() error {
	if w.slots == 0 {
		return nil
	}
	err := w.put(w.m.Objects[len(w.m.Objects)-1], w.pending)
	w.pending, w.slots = w.pending[:0], 0
	return err
}

// forget drops the names of older objects that nothing is left of.
func (w *writer) forget() {
	at := make([]int, len(w.m.Objects))
	for _, b := range w.m.Blocks {
		at[b.Object] = 1
	}
	var kept []string
	for i, name := range w.m.Objects {
		if at[i] == 1 {
			at[i] = len(kept)
			kept = append(kept, name)
		}
	}
	for i := range w.m.Blocks {
		w.m.Blocks[i].Object = at[w.m.Blocks[i].Object]
	}
	w.m.Objects = kept
}

func (w *writer) put(name string, data []byte) error {
	packed := w.zip.EncodeAll(data, nil)
	if err := w.vault.Put(w.ctx, name, packed); err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	w.stored += int64(len(packed))
	w.objects++
	return nil
}

// Open reads the manifest under a prefix, of a disk of disk bytes at most. One that
// cannot be understood, or is larger than such a disk needs, is ErrDamaged: whoever
// may write to the vault may have made it.
func Open(ctx context.Context, v Vault, prefix string, disk int64) (Manifest, error) {
	var m Manifest
	text, err := fetch(ctx, v, manifestName(prefix), min(maxManifest, 1<<20+disk/blockBytes*aBlock))
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("%w: its manifest is not one: %w", ErrDamaged, err)
	}
	if m.Version != version || m.Prefix != prefix || m.Bytes < 0 || m.Bytes > disk {
		return m, fmt.Errorf("%w: its manifest is of version %d, of %q", ErrDamaged, m.Version, m.Prefix)
	}
	last, blocks := int64(-1), (m.Bytes+blockBytes-1)/blockBytes
	for _, b := range m.Blocks {
		if b.Index <= last || b.Index >= blocks || b.Object < 0 || b.Object >= len(m.Objects) || b.Slot < 0 || b.Slot >= blocksAnObject {
			return m, fmt.Errorf("%w: its manifest contradicts itself at block %d", ErrDamaged, b.Index)
		}
		last = b.Index
	}
	return m, nil
}

// fetch reads an object that unpacks to limit bytes at most: whoever may write
// to the vault must not fill the memory.
func fetch(ctx context.Context, v Vault, name string, limit int64) ([]byte, error) {
	r, err := v.Get(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", name, err)
	}
	defer r.Close()
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(limit)), zstd.WithDecoderMaxWindow(objectBytes))
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", name, err)
	}
	defer z.Close()
	data, err := io.ReadAll(io.LimitReader(z, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %s cannot be unpacked: %w", ErrDamaged, name, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: %s is too large", ErrDamaged, name)
	}
	return data, nil
}

// Reader gives the disk's content, Bytes long.
func (m *Manifest) Reader(ctx context.Context, v Vault) io.Reader {
	return &reader{ctx: ctx, vault: v, m: m, held: map[int][]byte{}}
}

// heldObjects bounds the unpacked objects kept: an increment goes back and forth
// between its own and older ones.
const heldObjects = 4

type reader struct {
	ctx   context.Context
	vault Vault
	m     *Manifest
	at    int64 // of the disk
	next  int   // of m.Blocks
	rest  []byte
	zeros int64
	held  map[int][]byte
	order []int
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 && r.zeros == 0 {
		if r.at >= r.m.Bytes {
			return 0, io.EOF
		}
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
	var n int
	if r.zeros > 0 {
		n = int(min(int64(len(p)), r.zeros))
		clear(p[:n])
		r.zeros -= int64(n)
	} else {
		n = copy(p, r.rest)
		r.rest = r.rest[n:]
	}
	r.at += int64(n)
	return n, nil
}

// fill brings the next block, or the zeros before it.
func (r *reader) fill() error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if r.next == len(r.m.Blocks) {
		r.zeros = r.m.Bytes - r.at
		return nil
	}
	b := r.m.Blocks[r.next]
	if start := b.Index * blockBytes; start > r.at {
		r.zeros = start - r.at
		return nil
	}
	object, err := r.object(b.Object)
	if err != nil {
		return err
	}
	from := b.Slot * blockBytes
	if from >= len(object) {
		return fmt.Errorf("%w: %s is too short", ErrDamaged, r.m.Objects[b.Object])
	}
	size := min(blockBytes, r.m.Bytes-b.Index*blockBytes)
	data := object[from:min(len(object), from+int(size))]
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != b.SHA256 {
		return fmt.Errorf("%w: %s is not what was kept", ErrDamaged, r.m.Objects[b.Object])
	}
	r.rest = data
	r.next++
	return nil
}

func (r *reader) object(n int) ([]byte, error) {
	if data, has := r.held[n]; has {
		return data, nil
	}
	data, err := fetch(r.ctx, r.vault, r.m.Objects[n], objectBytes)
	if err != nil {
		return nil, err
	}
	if len(r.order) == heldObjects {
		delete(r.held, r.order[0])
		r.order = r.order[1:]
	}
	r.held[n], r.order = data, append(r.order, n)
	return data, nil
}
