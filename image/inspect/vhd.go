package inspect

import (
	"bytes"
	"encoding/binary"
)

// Facts: Microsoft's Virtual Hard Disk Image Format Specification 1.0.

const (
	vhdFooter     = 512
	vhdDynamic    = 1024
	vhdFixedDisk  = 2
	vhdDynDisk    = 3
	vhdMaxBlock   = 256 << 20
	vhdMaxEntries = 1 << 26
)

// vhd answers the size of the disk in a fixed or dynamic VHD. A fixed one has its
// only header at the end, a dynamic one a copy of it at the start.
func vhd(v view) (int64, error) {
	head := v.start(vhdFooter)
	dynamic := bytes.HasPrefix(head, []byte("conectix"))
	if dynamic {
		if len(head) < vhdFooter {
			return 0, unsafe("vhd", "the header is cut off after %d bytes", len(head))
		}
		if err := vhdDisk(v, head); err != nil {
			return 0, err
		}
	}
	foot, err := v.end(vhdFooter)
	if err != nil {
		return 0, err
	}
	switch {
	case !bytes.HasPrefix(foot, []byte("conectix")):
		return 0, mismatch("vhd", "raw")
	case dynamic && !bytes.Equal(head, foot):
		return 0, unsafe("vhd", "header and footer differ")
	}
	if err := vhdFoot(foot, dynamic); err != nil {
		return 0, err
	}
	be := binary.BigEndian
	size := be.Uint64(foot[48:])
	if all, known := v.size(); !dynamic && known && size > uint64(all-vhdFooter) {
		return 0, unsafe("vhd", "it is cut off: a disk of %d bytes in %d", size, all)
	}
	if size > MaxVirtual {
		return 0, unsafe("vhd", "its disk of %d bytes is larger than %d", size, int64(MaxVirtual))
	}
	return int64(size), nil
}

func vhdFoot(f []byte, dynamic bool) error {
	be := binary.BigEndian
	want := uint32(vhdFixedDisk)
	if dynamic {
		want = vhdDynDisk
	}
	switch kind := be.Uint32(f[60:]); {
	case be.Uint32(f[12:])>>16 != 1:
		return unsafe("vhd", "version %#x is not known", be.Uint32(f[12:]))
	case kind == 4:
		return unsafe("vhd", "it has a backing file")
	case kind != want:
		return unsafe("vhd", "its type %d is not known here", kind)
	case be.Uint32(f[64:]) != vhdSum(f, 64):
		return unsafe("vhd", "the checksum of its header is wrong")
	}
	return nil
}

// vhdSum is the checksum of a header, without the four bytes at which it stands.
func vhdSum(b []byte, at int) uint32 {
	var sum uint32
	for i, c := range b {
		if i < at || i >= at+4 {
			sum += uint32(c)
		}
	}
	return ^sum
}

// vhdDisk reads the header of a dynamic disk.
func vhdDisk(v view, head []byte) error {
	if err := vhdFoot(head, true); err != nil {
		return err
	}
	be := binary.BigEndian
	at := be.Uint64(head[16:])
	if at < vhdFooter || at > headSize-vhdDynamic {
		return unsafe("vhd", "its second header at %d is not where it belongs", at)
	}
	d, err := v.at(int64(at), vhdDynamic)
	if err != nil {
		return err
	}
	entries, block := uint64(be.Uint32(d[28:])), uint64(be.Uint32(d[32:]))
	switch {
	case !bytes.HasPrefix(d, []byte("cxsparse")):
		return unsafe("vhd", "its second header is missing")
	case be.Uint32(d[36:]) != vhdSum(d, 36):
		return unsafe("vhd", "the checksum of its second header is wrong")
	case !bytes.Equal(d[40:56], make([]byte, 16)) || !bytes.Equal(d[64:768], make([]byte, 704)):
		return unsafe("vhd", "it names a backing file")
	case block < sector || block > vhdMaxBlock || block&(block-1) != 0:
		return unsafe("vhd", "its blocks of %d bytes make no sense", block)
	case entries > vhdMaxEntries || entries*block < be.Uint64(head[48:]):
		return unsafe("vhd", "its table of %d entries does not fit a disk of %d bytes", entries, be.Uint64(head[48:]))
	}
	if size, known := v.size(); known && be.Uint64(d[16:])+4*entries > uint64(size) {
		return unsafe("vhd", "its table ends after the data, which has %d bytes", size)
	}
	return nil
}
