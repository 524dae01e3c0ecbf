// Package inspect reads the headers of disk images that strangers upload. It
// tells what the bytes really are, how large the disk in them is, and whether
// opening them would reach anything but the bytes themselves: a backing file, an
// external data file, an extent, a key. QEMU would follow all of those on the host.
//
// Data is looked at while it streams by ([Inspector]) or where it lies ([File]).
// Either way the parser sees bounded pieces at places that the format fixes,
// keeps at most a few MiB and allocates nothing in proportion to what a header
// claims. An Inspector belongs to one goroutine.
//
// Facts: QEMU's docs/interop/qcow2.rst, VMware's Virtual Disk Format 5.0, the VHD
// and VHDX specifications of Microsoft, VirtualBox's VDI header, ECMA-119. What is
// refused is what OpenStack's own inspector refuses, and what QEMU would follow.
package inspect

import (
	"bytes"
	"fmt"
	"slices"

	"altostack/kernel/fault"
)

// MaxVirtual is the largest disk believed in: 64 TiB, in bytes.
const MaxVirtual = 64 << 40

// Info is what a header says.
type Info struct {
	Format      string // as disk_format spells it; raw where nothing is recognized
	VirtualSize int64  // bytes; 0: as large as the data
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
	{0, "QFI\xfa", "qcow"},
	{32769, "CD001", "iso"},
	{32769, "NSR02", "iso"},
	{32769, "NSR03", "iso"},
}

// recognize names every format that the start of the data shows. Anything that
// QEMU might take for more than plain bytes counts.
func recognize(head []byte) []string {
	var out []string
	for _, m := range magics {
		if len(head) >= m.offset+len(m.bytes) && bytes.Equal(head[m.offset:m.offset+len(m.bytes)], []byte(m.bytes)) && !slices.Contains(out, m.format) {
			out = append(out, m.format)
		}
	}
	if vmdkText(head) && !slices.Contains(out, "vmdk") {
		out = append(out, "vmdk")
	}
	return out
}

// Detect names the format of data that starts with head; raw where nothing is
// recognized.
func Detect(head []byte) string {
	if found := recognize(head); len(found) > 0 {
		return found[0]
	}
	return "raw"
}

// parsers read the headers of one format each, and answer the size of the disk in
// bytes, 0 where it is that of the data.
var parsers = map[string]func(view) (int64, error){
	"qcow2": qcow2, "vmdk": vmdk, "vhd": vhd, "vhdx": vhdx, "vdi": vdi, "iso": iso,
	"qed": banned("qed"), "qcow": banned("qcow"), "parallels": banned("parallels"),
}

func banned(format string) func(view) (int64, error) {
	return func(view) (int64, error) { return 0, unsafe(format, "images of that format are not taken") }
}

// examine decides whether the data in v may be stored under the declared format.
// In a container the disk lies deeper, so only safety counts, not the name.
func examine(declared string, container bool, v view) (Info, error) {
	found := recognize(v.start(headSize))
	disks := slices.DeleteFunc(slices.Clone(found), func(f string) bool { return f == "iso" })
	if len(disks) > 1 {
		return Info{}, fault.New(fault.CodeImageUnsafe, "The image is refused: its data is %s and %s at once.", disks[0], disks[1])
	}
	is := "raw"
	if len(found) > 0 {
		is = found[0]
	}
	if declared == "vhd" && (is == "raw" || is == "iso") {
		is = "vhd" // a fixed one keeps its only header at the end
	}
	if !container {
		if err := match(declared, is); err != nil {
			return Info{}, err
		}
	}
	info := Info{Format: is}
	if declared == "raw" && is == "iso" {
		return info, nil // a disk as it is, whatever the file system on it claims
	}
	parse := parsers[is]
	if parse == nil || container && is == "vhd" && declared == "vhd" && len(found) == 0 {
		return info, nil
	}
	size, err := parse(v)
	if err != nil {
		return Info{}, err
	}
	if size < 0 || size > MaxVirtual {
		return Info{}, unsafe(is, "its disk of %d bytes is larger than %d", uint64(size), int64(MaxVirtual))
	}
	info.VirtualSize = size
	return info, nil
}

// shown are declared formats whose bytes must show it.
var shown = map[string]bool{"qcow2": true, "vmdk": true, "vhd": true, "vhdx": true, "vdi": true, "ploop": true, "iso": true}

func match(declared, is string) error {
	switch {
	case declared == is:
		return nil
	case declared == "raw" && is == "iso":
		return nil // hybrid images start as a disk and carry a file system
	case declared == "raw" || shown[declared]:
		return mismatch(declared, is)
	case is == "raw" || is == "iso":
		return nil // ami, ari and aki have no header of their own
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

func unsafe(format, what string, args ...any) error {
	return fault.New(fault.CodeImageUnsafe, "The %s image is refused: %s.", format, fmt.Sprintf(what, args...))
}
