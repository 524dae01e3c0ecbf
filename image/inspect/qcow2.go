package inspect

import "encoding/binary"

// Facts: QEMU's docs/interop/qcow2.rst.

const (
	incompatDirty       = 1 << 0
	incompatCorrupt     = 1 << 1
	incompatData        = 1 << 2
	incompatCompression = 1 << 3
	incompatExtendedL2  = 1 << 4
	headerV2            = 72
	headerV3            = 104
	maxHeader           = 64 << 10
)

// qcow2 answers the size of the disk in a qcow2 image that stands alone.
func qcow2(v view) (int64, error) {
	h := v.start(maxHeader)
	if len(h) < headerV2 {
		return 0, unsafe("qcow2", "the header is cut off after %d bytes", len(h))
	}
	be := binary.BigEndian
	version := be.Uint32(h[4:])
	if version != 2 && version != 3 {
		return 0, unsafe("qcow2", "version %d is not known", version)
	}
	if be.Uint64(h[8:]) != 0 || be.Uint32(h[16:]) != 0 {
		return 0, unsafe("qcow2", "it has a backing file")
	}
	if crypt := be.Uint32(h[32:]); crypt != 0 {
		return 0, unsafe("qcow2", "it is encrypted (method %d)", crypt)
	}
	cluster := be.Uint32(h[20:])
	if cluster < 9 || cluster > 21 {
		return 0, unsafe("qcow2", "its cluster size of 2^%d bytes is out of range", cluster)
	}
	length, extended := uint32(headerV2), false
	if version == 3 {
		var err error
		if length, extended, err = features(h); err != nil {
			return 0, err
		}
	}
	size := be.Uint64(h[24:])
	if err := sizes(size, be.Uint32(h[36:]), cluster, extended); err != nil {
		return 0, err
	}
	if err := tables(v, h, cluster); err != nil {
		return 0, err
	}
	if snapshots := be.Uint32(h[60:]); snapshots > 65536 {
		return 0, unsafe("qcow2", "it claims %d snapshots", snapshots)
	}
	return int64(size), extensions(h, length, cluster)
}

// features reads what version 3 adds.
func features(h []byte) (length uint32, extendedL2 bool, err error) {
	if len(h) < headerV3 {
		return 0, false, unsafe("qcow2", "the header is cut off after %d bytes", len(h))
	}
	be := binary.BigEndian
	bits := be.Uint64(h[72:])
	switch {
	case bits&incompatData != 0:
		return 0, false, unsafe("qcow2", "it has an external data file")
	case bits&incompatCorrupt != 0:
		return 0, false, unsafe("qcow2", "it is marked as corrupt")
	case bits&^uint64(incompatDirty|incompatCompression|incompatExtendedL2) != 0:
		return 0, false, unsafe("qcow2", "it needs features that are not known (bits %#x)", bits)
	}
	length = be.Uint32(h[100:])
	if length < headerV3 || length > 4096 || length%8 != 0 || int(length) > len(h) {
		return 0, false, unsafe("qcow2", "its header length %d is out of range", length)
	}
	return length, bits&incompatExtendedL2 != 0, nil
}

// sizes checks that the table of tables fits the disk, so that nobody allocates
// what a header makes up.
func sizes(size uint64, l1 uint32, clusterBits uint32, extended bool) error {
	if size > MaxVirtual {
		return unsafe("qcow2", "its disk of %d bytes is larger than %d", size, int64(MaxVirtual))
	}
	entry := uint32(3)
	if extended {
		entry = 4
	}
	perTable := uint64(1) << (clusterBits + clusterBits - entry)
	need := (size + perTable - 1) / perTable
	if uint64(l1) < need || uint64(l1) > need+1<<16 {
		return unsafe("qcow2", "its L1 table of %d entries does not fit a disk of %d bytes", l1, size)
	}
	return nil
}

// tables checks that what the header points to lies in the data.
func tables(v view, h []byte, clusterBits uint32) error {
	be := binary.BigEndian
	for _, t := range []struct {
		name      string
		at, bytes uint64
	}{
		{"L1 table", be.Uint64(h[40:]), uint64(be.Uint32(h[36:])) * 8},
		{"refcount table", be.Uint64(h[48:]), uint64(be.Uint32(h[56:])) << clusterBits},
	} {
		if t.at%(1<<clusterBits) != 0 || t.at > 1<<60 || t.bytes > 1<<40 {
			return unsafe("qcow2", "its %s at %d makes no sense", t.name, t.at)
		}
		if size, known := v.size(); known && int64(t.at+t.bytes) > size {
			return unsafe("qcow2", "its %s ends after the data, which has %d bytes", t.name, size)
		}
	}
	return nil
}

const (
	extEnd      = 0
	extBacking  = 0xe2792aca
	extData     = 0x44415441
	extCrypto   = 0x0537be77
	maxExtCount = 64
)

// extensions walks the header extensions, which lie in the first cluster.
func extensions(h []byte, at, clusterBits uint32) error {
	be := binary.BigEndian
	if end := uint64(1) << clusterBits; uint64(len(h)) > end {
		h = h[:end]
	}
	rest := h[min(int(at), len(h)):]
	for range maxExtCount {
		if len(rest) < 8 {
			return nil
		}
		kind, n := be.Uint32(rest), be.Uint32(rest[4:])
		switch kind {
		case extEnd:
			return nil
		case extBacking:
			return unsafe("qcow2", "it names the format of a backing file")
		case extData:
			return unsafe("qcow2", "it names an external data file")
		case extCrypto:
			return unsafe("qcow2", "it has an encryption header")
		}
		skip := 8 + (uint64(n)+7)/8*8
		if skip > uint64(len(rest)) {
			return unsafe("qcow2", "a header extension is longer than the header")
		}
		rest = rest[skip:]
	}
	return unsafe("qcow2", "it has more than %d header extensions", maxExtCount)
}
