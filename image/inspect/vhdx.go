package inspect

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
)

// Facts: Microsoft's [MS-VHDX].

const (
	kib, mib       = 1 << 10, 1 << 20
	vhdxHeader1    = 64 * kib
	vhdxHeader2    = 128 * kib
	vhdxRegions1   = 192 * kib
	vhdxRegions2   = 256 * kib
	vhdxTable      = 64 * kib
	vhdxMaxRegions = 2047
	vhdxMaxItems   = 2047
	vhdxHasParent  = 2
	vhdxBAT        = "6677c22d23f600429d64115e9bfd4a08" // 2DC27766-F623-4200-9D64-115E9BFD4A08, as it lies in the file
	vhdxMetadata   = "06a27c8b90479a4bb8fe575f050f886e" // 8B7CA206-4790-4B9A-B8FE-575F050F886E, as it lies in the file
	vhdxFileParams = "3767a1ca36fa434db3b633f0aa44e76b" // CAA16737-FA36-4D43-B3B6-33F0AA44E76B, as it lies in the file
	vhdxParent     = "2d5fd3a80bb34d45abf7d3d84834ab0c" // A8D35F2D-B30B-454D-ABF7-D3D84834AB0C, as it lies in the file
	vhdxSize       = "2442a52f1bcd7648b2115dbed83bf4b8" // 2FA54224-CD1B-4876-B211-5DBED83BF4B8, as it lies in the file
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sum checks the CRC-32C of a structure, which stands at its byte 4.
func sum(b []byte) bool {
	c := bytes.Clone(b)
	copy(c[4:8], []byte{0, 0, 0, 0})
	return crc32.Checksum(c, castagnoli) == binary.LittleEndian.Uint32(b[4:])
}

// vhdx answers the size of the disk in a VHDX that stands alone and whose log is
// empty: a log is replayed before anything that was checked here would count.
func vhdx(v view) (int64, error) {
	if err := vhdxHeaders(v); err != nil {
		return 0, err
	}
	regions, err := v.at(vhdxRegions1, vhdxTable)
	if err != nil {
		return 0, err
	}
	again, err := v.at(vhdxRegions2, vhdxTable)
	if err != nil {
		return 0, err
	}
	if !bytes.Equal(regions, again) || !bytes.HasPrefix(regions, []byte("regi")) || !sum(regions) {
		return 0, unsafe("vhdx", "its region tables are damaged or differ")
	}
	at, length, err := vhdxRegion(regions)
	if err != nil {
		return 0, err
	}
	// The items follow the table closely; one piece has both.
	table, err := v.at(at, vhdxTable+int(min(length-vhdxTable, vhdxTable)))
	if err != nil {
		return 0, err
	}
	return vhdxItems(v, table, at, length)
}

// vhdxHeaders looks at both headers: neither may speak of a log.
func vhdxHeaders(v view) error {
	valid := 0
	for _, off := range []int64{vhdxHeader1, vhdxHeader2} {
		h, err := v.at(off, 4*kib)
		if err != nil {
			return err
		}
		if !bytes.HasPrefix(h, []byte("head")) || !sum(h) {
			continue
		}
		valid++
		if !bytes.Equal(h[48:64], make([]byte, 16)) {
			return unsafe("vhdx", "it was not closed well: its log is not empty")
		}
		if version := binary.LittleEndian.Uint16(h[66:]); version != 1 {
			return unsafe("vhdx", "version %d is not known", version)
		}
	}
	if valid == 0 {
		return unsafe("vhdx", "it has no header that is whole")
	}
	return nil
}

// vhdxRegion finds the region of the metadata.
func vhdxRegion(t []byte) (at int64, length uint32, err error) {
	le := binary.LittleEndian
	n := le.Uint32(t[8:])
	if n > vhdxMaxRegions {
		return 0, 0, unsafe("vhdx", "it claims %d regions", n)
	}
	for i := range int(n) {
		e := t[16+32*i:]
		switch hex.EncodeToString(e[:16]) {
		case vhdxMetadata:
			if at != 0 {
				return 0, 0, unsafe("vhdx", "it has two regions of metadata")
			}
			off := le.Uint64(e[16:])
			at, length = int64(off), le.Uint32(e[24:])
			if off < mib || off > 1<<50 || off%mib != 0 || length < vhdxTable {
				return 0, 0, unsafe("vhdx", "its metadata at %d is not where it belongs", off)
			}
		case vhdxBAT:
		default:
			if le.Uint32(e[28:])&1 != 0 {
				return 0, 0, unsafe("vhdx", "it needs a region that is not known")
			}
		}
	}
	if at == 0 {
		return 0, 0, unsafe("vhdx", "it has no metadata")
	}
	return at, length, nil
}

// vhdxItems reads the metadata: the size, and that there is no parent.
func vhdxItems(v view, t []byte, at int64, length uint32) (int64, error) {
	le := binary.LittleEndian
	if !bytes.HasPrefix(t, []byte("metadata")) {
		return 0, unsafe("vhdx", "its metadata is damaged")
	}
	n := le.Uint16(t[10:])
	if n > vhdxMaxItems {
		return 0, unsafe("vhdx", "it claims %d items of metadata", n)
	}
	size, params := int64(-1), false
	for i := range int(n) {
		e := t[32+32*i:]
		off, bytes := le.Uint32(e[16:]), le.Uint32(e[20:])
		id := hex.EncodeToString(e[:16])
		if off < vhdxTable || off > length || bytes > length-off {
			if !(bytes == 0 && off == 0) {
				return 0, unsafe("vhdx", "an item of its metadata lies outside of it")
			}
		}
		switch id {
		case vhdxParent:
			return 0, unsafe("vhdx", "it names a backing file")
		case vhdxFileParams:
			p, err := vhdxItem(v, t, at, off)
			if err != nil {
				return 0, err
			}
			if params = true; le.Uint32(p[4:])&vhdxHasParent != 0 {
				return 0, unsafe("vhdx", "it has a backing file")
			}
			if block := le.Uint32(p); block < mib || block > 256*mib || block&(block-1) != 0 {
				return 0, unsafe("vhdx", "its blocks of %d bytes make no sense", block)
			}
		case vhdxSize:
			p, err := vhdxItem(v, t, at, off)
			if err != nil {
				return 0, err
			}
			raw := le.Uint64(p)
			if size = int64(raw); raw == 0 || raw > MaxVirtual {
				return 0, unsafe("vhdx", "its disk of %d bytes is larger than %d", raw, int64(MaxVirtual))
			}
		}
	}
	if size < 0 || !params {
		return 0, unsafe("vhdx", "its metadata does not say how large it is")
	}
	return size, nil
}

// vhdxItem answers the eight bytes of an item.
func vhdxItem(v view, t []byte, at int64, off uint32) ([]byte, error) {
	if int64(off)+8 <= int64(len(t)) {
		return t[off : off+8], nil
	}
	return v.at(at+int64(off), 8)
}
