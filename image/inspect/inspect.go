// Package inspect reads the headers of disk images that strangers upload. It
// tells what the bytes really are, how large the disk in them is, and whether
// opening them would reach anything but the bytes themselves: a backing file, an
// external data file, a key. QEMU would follow all of those on the host.
//
// The parser reads fixed offsets of one bounded prefix, follows no pointer out
// of it and allocates nothing in proportion to what a header claims. It is safe
// for concurrent use. Facts: QEMU's docs/interop/qcow2.rst, VMware's Virtual
// Disk Format 5.0, the VHD and VDI headers, ECMA-119.
package inspect

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"altostack/kernel/fault"
)

// HeadSize is how many bytes from the start are wanted; of shorter data, all.
const HeadSize = 64 << 10

// MaxVirtual is the largest disk believed in: 64 TiB, in bytes.
const MaxVirtual = 64 << 40

// Info is what a header says.
type Info struct {
	Format      string // as disk_format spells it; raw where nothing is recognized
	VirtualSize int64  // bytes; 0: as large as the data
}

// Detect names the format of data that starts with head. Anything that QEMU
// might take for more than plain bytes counts, whatever else the bytes may be.
func Detect(head []byte) string {
	for _, m := range magics {
		if len(head) >= m.offset+len(m.bytes) && bytes.Equal(head[m.offset:m.offset+len(m.bytes)], []byte(m.bytes)) {
			return m.format
		}
	}
	if vmdkText(head) {
		return "vmdk"
	}
	return "raw"
}

// vmdkText reports whether the data is a VMDK descriptor: comments, then its
// version. It names other files, which QEMU would open.
func vmdkText(head []byte) bool {
	for len(head) > 0 {
		line, rest, _ := bytes.Cut(head, []byte("\n"))
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0 || line[0] == '#':
			head = rest
		default:
			return bytes.HasPrefix(line, []byte("version="))
		}
	}
	return false
}

var magics = []struct {
	offset int
	bytes  string
	format string
}{
	{0, "QFI\xfb", "qcow2"},
	{0, "KDMV", "vmdk"},
	{0, "COWD", "vmdk"},
	{0, "# Disk DescriptorFile", "vmdk"},
	{0, "vhdxfile", "vhdx"},
	{0, "conectix", "vhd"},
	{64, "\x7f\x10\xda\xbe", "vdi"},
	{0, "QED\x00", "qed"},
	{0, "WithoutFreeSpace", "ploop"},
	{0, "WithouFreSpacExt", "ploop"},
	{0, "LUKS\xba\xbe", "luks"},
	{0, "OFS3", "parallels"},
	{32769, "CD001", "iso"},
}

// Check decides whether data that starts with head may be stored as an image of
// the declared format. image.format_mismatch says that the bytes are something
// else, image.unsafe that they would reach out of themselves or are senseless.
func Check(declared string, head []byte) (Info, error) {
	is := Detect(head)
	if err := match(declared, is); err != nil {
		return Info{}, err
	}
	info := Info{Format: is}
	if is == "qcow2" && declared == "qcow2" {
		size, err := qcow2(head)
		if err != nil {
			return Info{}, err
		}
		info.VirtualSize = size
	}
	return info, nil
}

// recognized are declared formats whose bytes must show it.
var recognized = map[string]bool{"qcow2": true, "vmdk": true, "vhd": false, "vhdx": true, "vdi": true, "ploop": true, "iso": true}

func match(declared, is string) error {
	switch {
	case declared == is:
		return nil
	case declared == "raw" && is == "iso":
		return nil // hybrid images start as a disk and carry a file system
	case declared == "raw":
		return mismatch(declared, is)
	case recognized[declared]:
		return mismatch(declared, is)
	case is == "raw" || is == "iso":
		return nil // vhd keeps its header at the end; ami, ari and aki have none
	}
	return mismatch(declared, is)
}

func mismatch(declared, is string) error {
	what := "is " + is
	if is == "raw" {
		what = "has no header of that format"
	}
	return fault.New(fault.CodeImageFormatMismatch, "Image content does not match disk_format: declared %s, but the data %s.", declared, what)
}

func unsafe(format string, args ...any) error {
	return fault.New(fault.CodeImageUnsafe, "The qcow2 image is refused: %s.", fmt.Sprintf(format, args...))
}

const (
	incompatDirty       = 1 << 0
	incompatCorrupt     = 1 << 1
	incompatData        = 1 << 2
	incompatCompression = 1 << 3
	incompatExtendedL2  = 1 << 4
	headerV2            = 72
	headerV3            = 104
)

// qcow2 answers the size of the disk in a qcow2 image that stands alone.
func qcow2(h []byte) (int64, error) {
	if len(h) < headerV2 {
		return 0, unsafe("the header is cut off after %d bytes", len(h))
	}
	be := binary.BigEndian
	version := be.Uint32(h[4:])
	if version != 2 && version != 3 {
		return 0, unsafe("version %d is not known", version)
	}
	if be.Uint64(h[8:]) != 0 || be.Uint32(h[16:]) != 0 {
		return 0, unsafe("it has a backing file")
	}
	if crypt := be.Uint32(h[32:]); crypt != 0 {
		return 0, unsafe("it is encrypted (method %d)", crypt)
	}
	cluster := be.Uint32(h[20:])
	if cluster < 9 || cluster > 21 {
		return 0, unsafe("its cluster size of 2^%d bytes is out of range", cluster)
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
	if snapshots := be.Uint32(h[60:]); snapshots > 65536 {
		return 0, unsafe("it claims %d snapshots", snapshots)
	}
	return int64(size), extensions(h, length, cluster)
}

// features reads what version 3 adds.
func features(h []byte) (length uint32, extendedL2 bool, err error) {
	if len(h) < headerV3 {
		return 0, false, unsafe("the header is cut off after %d bytes", len(h))
	}
	be := binary.BigEndian
	bits := be.Uint64(h[72:])
	switch {
	case bits&incompatData != 0:
		return 0, false, unsafe("it has an external data file")
	case bits&incompatCorrupt != 0:
		return 0, false, unsafe("it is marked as corrupt")
	case bits&^uint64(incompatDirty|incompatCompression|incompatExtendedL2) != 0:
		return 0, false, unsafe("it needs features that are not known (bits %#x)", bits)
	}
	length = be.Uint32(h[100:])
	if length < headerV3 || length > 4096 || length%8 != 0 || int(length) > len(h) {
		return 0, false, unsafe("its header length %d is out of range", length)
	}
	return length, bits&incompatExtendedL2 != 0, nil
}

// sizes checks that the table of tables fits the disk, so that nobody allocates
// what a header makes up.
func sizes(size uint64, l1 uint32, clusterBits uint32, extended bool) error {
	if size > MaxVirtual {
		return unsafe("its disk of %d bytes is larger than %d", size, int64(MaxVirtual))
	}
	entry := uint32(3)
	if extended {
		entry = 4
	}
	perTable := uint64(1) << (clusterBits + clusterBits - entry)
	need := (size + perTable - 1) / perTable
	if uint64(l1) < need || uint64(l1) > need+1<<16 {
		return unsafe("its L1 table of %d entries does not fit a disk of %d bytes", l1, size)
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
			return unsafe("it names the format of a backing file")
		case extData:
			return unsafe("it names an external data file")
		case extCrypto:
			return unsafe("it has an encryption header")
		}
		skip := 8 + (uint64(n)+7)/8*8
		if skip > uint64(len(rest)) {
			return unsafe("a header extension is longer than the header")
		}
		rest = rest[skip:]
	}
	return unsafe("it has more than %d header extensions", maxExtCount)
}
