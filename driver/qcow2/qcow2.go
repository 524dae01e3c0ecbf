// Package qcow2 writes new, empty qcow2 images and reads the header of existing
// ones, without a program being started for it. A new image is four small
// writes, so that making a guest's disks costs its boot nothing.
//
// Format: docs/interop/qcow2.txt of QEMU, version 3, 64 KiB clusters, 16-bit
// refcounts. Nothing in here reads or writes guest data.
package qcow2

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	clusterBits = 16
	cluster     = 1 << clusterBits
	l1Covers    = cluster * cluster / 8 // bytes of disk that one entry of the L1 table covers
	headerBytes = 104

	extEnd           = 0
	extBackingFormat = 0xE2792ACA
	maxBacking       = 1023 // bytes of the backing file's name
	incompatDataFile = 1 << 2
)

var magic = [4]byte{'Q', 'F', 'I', 0xfb}

// Image describes a new image.
type Image struct {
	Size          int64  // virtual size in bytes, a multiple of 512
	Backing       string // absolute path of the image below; empty: reads as zeroes
	BackingFormat string // raw or qcow2: said, so that QEMU does not guess
}

// Create writes a new image to path, which must not exist, and syncs it. On an
// error nothing is left.
func Create(path string, image Image, mode os.FileMode) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
		if err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	if err := Write(f, image); err != nil {
		return err
	}
	return f.Sync()
}

// target is what an image is written to: a file, or a buffer in tests.
type target interface {
	io.WriterAt
	Truncate(size int64) error
}

// Write lays an empty image out: one cluster each for header, refcount table
// and refcounts, then the L1 table, of which no entry is in use.
func Write(f target, image Image) error {
	if image.Size < 0 || image.Size%512 != 0 {
		return fmt.Errorf("qcow2: %d is not a disk size", image.Size)
	}
	l1Entries := max(1, (image.Size+l1Covers-1)/l1Covers)
	l1Clusters := (l1Entries*8 + cluster - 1) / cluster
	clusters := 3 + l1Clusters
	if clusters > cluster/2 {
		return fmt.Errorf("qcow2: %d bytes are more than one block of refcounts covers", image.Size)
	}
	header, err := header(image, uint32(l1Entries))
	if err != nil {
		return err
	}
	table := binary.BigEndian.AppendUint64(nil, 2*cluster)
	var counts []byte
	for range clusters {
		counts = binary.BigEndian.AppendUint16(counts, 1)
	}
	if err := f.Truncate(clusters * cluster); err != nil {
		return err
	}
	for _, part := range []struct {
		at    int64
		bytes []byte
	}{{2 * cluster, counts}, {cluster, table}, {0, header}} {
		if _, err := f.WriteAt(part.bytes, part.at); err != nil {
			return err
		}
	}
	return nil
}

func header(image Image, l1Entries uint32) ([]byte, error) {
	be := binary.BigEndian
	b := make([]byte, headerBytes, 4096)
	copy(b, magic[:])
	be.PutUint32(b[4:], 3)
	be.PutUint32(b[20:], clusterBits)
	be.PutUint64(b[24:], uint64(image.Size))
	be.PutUint32(b[36:], l1Entries)
	be.PutUint64(b[40:], 3*cluster)
	be.PutUint64(b[48:], cluster)
	be.PutUint32(b[56:], 1)
	be.PutUint32(b[96:], 4) // refcounts of 1<<4 bits
	be.PutUint32(b[100:], headerBytes)
	if image.Backing != "" {
		if len(image.Backing) > maxBacking || image.Backing[0] != '/' || image.BackingFormat == "" {
			return nil, fmt.Errorf("qcow2: %q in format %q cannot be a backing file", image.Backing, image.BackingFormat)
		}
		b = be.AppendUint32(b, extBackingFormat)
		b = be.AppendUint32(b, uint32(len(image.BackingFormat)))
		b = append(b, image.BackingFormat...)
		b = append(b, make([]byte, (8-len(image.BackingFormat)%8)%8)...)
	}
	b = be.AppendUint64(b, extEnd)
	if image.Backing != "" {
		be.PutUint64(b[8:], uint64(len(b)))
		be.PutUint32(b[16:], uint32(len(image.Backing)))
		b = append(b, image.Backing...)
	}
	return b, nil
}

// Header is what a reader wants to know of an image that it wrote itself; the
// check of untrusted images is the image service's.
type Header struct {
	Size    int64  // virtual, in bytes
	Backing string // name of the image below, as written; empty: none
	// DataFile says that the guest's bytes lie in another file, which no image
	// of ours does and no image from outside may.
	DataFile bool
}

// ReadHeader reads the header of the image at path.
func ReadHeader(path string) (Header, error) {
	f, err := os.Open(path)
	if err != nil {
		return Header{}, err
	}
	defer func() { _ = f.Close() }() // only read
	var b [headerBytes]byte
	if _, err := io.ReadFull(f, b[:]); err != nil {
		return Header{}, fmt.Errorf("qcow2: header of %s: %w", path, err)
	}
	be := binary.BigEndian
	if [4]byte(b[:4]) != magic {
		return Header{}, fmt.Errorf("qcow2: %s is no qcow2 image", path)
	}
	h := Header{Size: int64(be.Uint64(b[24:]))}
	if be.Uint32(b[4:]) >= 3 {
		h.DataFile = be.Uint64(b[72:])&incompatDataFile != 0
	}
	if at, n := int64(be.Uint64(b[8:])), be.Uint32(b[16:]); at != 0 {
		if n > maxBacking {
			return Header{}, fmt.Errorf("qcow2: the backing file's name in %s is too long", path)
		}
		name := make([]byte, n)
		if _, err := f.ReadAt(name, at); err != nil {
			return Header{}, fmt.Errorf("qcow2: backing file's name in %s: %w", path, err)
		}
		h.Backing = string(name)
	}
	return h, nil
}
