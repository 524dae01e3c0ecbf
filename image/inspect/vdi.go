package inspect

import (
	"bytes"
	"encoding/binary"
)

// Facts: VirtualBox's VDICore.h, as QEMU's block/vdi.c reads it.

const (
	vdiHeader    = 512
	vdiVersion   = 0x00010001
	vdiBlock     = 1 << 20
	vdiMaxBlocks = 0x3fffffff
)

// vdi answers the size of the disk in a VDI that stands alone.
func vdi(v view) (int64, error) {
	h := v.start(vdiHeader)
	if len(h) < vdiHeader {
		return 0, unsafe("vdi", "the header is cut off after %d bytes", len(h))
	}
	le := binary.LittleEndian
	size, blocks := le.Uint64(h[0x170:]), uint64(le.Uint32(h[0x180:]))
	switch kind := le.Uint32(h[0x4c:]); {
	case le.Uint32(h[0x44:]) != vdiVersion:
		return 0, unsafe("vdi", "version %#x is not known", le.Uint32(h[0x44:]))
	case kind != 1 && kind != 2:
		return 0, unsafe("vdi", "its type %d is not known here", kind)
	case !bytes.Equal(h[0x1a8:0x1c8], make([]byte, 32)):
		return 0, unsafe("vdi", "it has a backing file")
	case le.Uint32(h[0x168:]) != sector || le.Uint32(h[0x178:]) != vdiBlock:
		return 0, unsafe("vdi", "its blocks of %d bytes make no sense", le.Uint32(h[0x178:]))
	case size > MaxVirtual:
		return 0, unsafe("vdi", "its disk of %d bytes is larger than %d", size, int64(MaxVirtual))
	case blocks > vdiMaxBlocks || blocks*vdiBlock < size || uint64(le.Uint32(h[0x184:])) > blocks:
		return 0, unsafe("vdi", "its table of %d blocks does not fit a disk of %d bytes", blocks, size)
	}
	table, data := uint64(le.Uint32(h[0x154:])), uint64(le.Uint32(h[0x158:]))
	if table < vdiHeader || table%sector != 0 || data%sector != 0 || table+4*blocks > data {
		return 0, unsafe("vdi", "its table at %d is not where it belongs", table)
	}
	if all, known := v.size(); known && uint64(all) < data {
		return 0, unsafe("vdi", "it is cut off after %d bytes", all)
	}
	return int64(size), nil
}
