package inspect_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"altostack/image/inspect"
	"altostack/kernel/fault"
)

// good is the header of an empty 1 GiB qcow2 version 3 image with clusters of 64 KiB.
func good() []byte {
	h := make([]byte, 0x31000)
	copy(h, "QFI\xfb")
	be := binary.BigEndian
	be.PutUint32(h[4:], 3)
	be.PutUint32(h[20:], 16)
	be.PutUint64(h[24:], 1<<30)
	be.PutUint32(h[36:], 2) // L1 entries: 512 MiB each
	be.PutUint64(h[40:], 0x30000)
	be.PutUint64(h[48:], 0x10000)
	be.PutUint32(h[56:], 1)
	be.PutUint32(h[96:], 4)
	be.PutUint32(h[100:], 112)
	return h
}

func with(change func(h []byte)) []byte {
	h := good()
	change(h)
	return h
}

func put32(at int, v uint32) func([]byte) {
	return func(h []byte) { binary.BigEndian.PutUint32(h[at:], v) }
}

func put64(at int, v uint64) func([]byte) {
	return func(h []byte) { binary.BigEndian.PutUint64(h[at:], v) }
}

func extension(kind uint32, length uint32) func([]byte) {
	return func(h []byte) {
		binary.BigEndian.PutUint32(h[112:], kind)
		binary.BigEndian.PutUint32(h[116:], length)
	}
}

func at(offset int, magic string) []byte {
	h := make([]byte, 64<<10)
	copy(h[offset:], magic)
	return h
}

func TestAttacks(t *testing.T) {
	for name, tt := range map[string]struct {
		declared string
		head     []byte
		code     fault.Code
		says     string
	}{
		"qcow2 with a backing file":               {"qcow2", with(put64(8, 0x200)), fault.CodeImageUnsafe, "backing file"},
		"qcow2 with a backing name and no offset": {"qcow2", with(put32(16, 11)), fault.CodeImageUnsafe, "backing file"},
		"qcow2 with an external data file":        {"qcow2", with(put64(72, 4)), fault.CodeImageUnsafe, "external data file"},
		"qcow2 naming a data file":                {"qcow2", with(extension(0x44415441, 11)), fault.CodeImageUnsafe, "external data file"},
		"qcow2 naming a backing format":           {"qcow2", with(extension(0xe2792aca, 3)), fault.CodeImageUnsafe, "backing file"},
		"qcow2 with LUKS inside":                  {"qcow2", with(put32(32, 2)), fault.CodeImageUnsafe, "encrypted"},
		"qcow2 with an encryption header":         {"qcow2", with(extension(0x0537be77, 16)), fault.CodeImageUnsafe, "encryption header"},
		"qcow2 of an unknown feature":             {"qcow2", with(put64(72, 1<<40)), fault.CodeImageUnsafe, "not known"},
		"qcow2 marked corrupt":                    {"qcow2", with(put64(72, 2)), fault.CodeImageUnsafe, "corrupt"},
		"qcow2 of an unknown version":             {"qcow2", with(put32(4, 9)), fault.CodeImageUnsafe, "version 9"},
		"qcow2 of an exabyte":                     {"qcow2", with(put64(24, 1<<60)), fault.CodeImageUnsafe, "larger than"},
		"qcow2 with an endless table":             {"qcow2", with(put32(36, 1<<31)), fault.CodeImageUnsafe, "L1 table"},
		"qcow2 with a table too short":            {"qcow2", with(put32(36, 1)), fault.CodeImageUnsafe, "L1 table"},
		"qcow2 with clusters of 2 GiB":            {"qcow2", with(put32(20, 31)), fault.CodeImageUnsafe, "cluster size"},
		"qcow2 with a million snapshots":          {"qcow2", with(put32(60, 1<<20)), fault.CodeImageUnsafe, "snapshots"},
		"qcow2 with an endless extension":         {"qcow2", with(extension(1, 1<<31)), fault.CodeImageUnsafe, "longer than the header"},
		"qcow2 with a header that is too long":    {"qcow2", with(put32(100, 1<<20)), fault.CodeImageUnsafe, "header length"},
		"qcow2 cut off":                           {"qcow2", good()[:80], fault.CodeImageUnsafe, "cut off"},
		"qcow2 disguised as raw":                  {"raw", good(), fault.CodeImageFormatMismatch, "is qcow2"},
		"qcow2 disguised as iso":                  {"iso", good(), fault.CodeImageFormatMismatch, "is qcow2"},
		"qcow2 disguised as vhd":                  {"vhd", good(), fault.CodeImageFormatMismatch, "is qcow2"},
		"qcow2 disguised as a kernel":             {"aki", good(), fault.CodeImageFormatMismatch, "is qcow2"},
		"raw called qcow2":                        {"qcow2", make([]byte, 4096), fault.CodeImageFormatMismatch, "no header"},
		"vmdk disguised as raw":                   {"raw", at(0, "KDMV"), fault.CodeImageFormatMismatch, "is vmdk"},
		"vmdk descriptor as raw":                  {"raw", []byte("# Disk DescriptorFile\nversion=1\nRW 1 FLAT \"/etc/shadow\" 0\n"), fault.CodeImageFormatMismatch, "is vmdk"},
		"vmdk descriptor without its comment":     {"raw", []byte("# x\n\nversion=1\nRW 1 FLAT \"/etc/shadow\" 0\n"), fault.CodeImageFormatMismatch, "is vmdk"},
		"vdi disguised as raw":                    {"raw", at(64, "\x7f\x10\xda\xbe"), fault.CodeImageFormatMismatch, "is vdi"},
		"vhdx disguised as raw":                   {"raw", at(0, "vhdxfile"), fault.CodeImageFormatMismatch, "is vhdx"},
		"LUKS disguised as raw":                   {"raw", at(0, "LUKS\xba\xbe"), fault.CodeImageFormatMismatch, "is luks"},
		"QED disguised as raw":                    {"raw", at(0, "QED\x00"), fault.CodeImageFormatMismatch, "is qed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := inspect.Check(tt.declared, tt.head)
			if !fault.Has(err, tt.code) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %s that says %q", err, tt.code, tt.says)
			}
			if f := fault.From(err); f.Hint == "" {
				t.Error("no hint what to do")
			}
		})
	}
}

func TestAccepted(t *testing.T) {
	v2 := with(put32(4, 2))
	for name, tt := range map[string]struct {
		declared string
		head     []byte
		size     int64
	}{
		"qcow2":                   {"qcow2", good(), 1 << 30},
		"qcow2 version 2":         {"qcow2", v2, 1 << 30},
		"qcow2 not closed well":   {"qcow2", with(put64(72, 1)), 1 << 30},
		"qcow2 with zstd":         {"qcow2", with(put64(72, 8)), 1 << 30},
		"qcow2 feature names":     {"qcow2", with(extension(0x6803f857, 48)), 1 << 30},
		"raw":                     {"raw", make([]byte, 512), 0},
		"raw of one byte":         {"raw", []byte{1}, 0},
		"raw that is bootable CD": {"raw", at(32769, "CD001"), 0},
		"iso":                     {"iso", at(32769, "CD001"), 0},
		"vmdk":                    {"vmdk", vmdkOf(sparseText, nil), 1 << 20},
		"vmdk of streams":         {"vmdk", streamVMDK(nil), 1 << 20},
		"vdi":                     {"vdi", vdiOf(nil), 8 << 20},
		"vhd":                     {"vhd", vhdOf(nil), 4 << 20},
		"vhd that is fixed":       {"vhd", fixedVHD(nil), 1 << 20},
		"vhdx":                    {"vhdx", vhdxOf(nil), 1 << 30},
		"a kernel":                {"aki", []byte("MZ"), 0},
	} {
		info, err := inspect.Check(tt.declared, tt.head)
		if err != nil || info.VirtualSize != tt.size {
			t.Errorf("%s: %+v %v, want size %d", name, info, err, tt.size)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("qcow2", good())
	f.Add("raw", []byte("# Disk\n\nversion=1\n"))
	f.Add("iso", at(32769, "CD001"))
	f.Add("vmdk", vmdkOf(sparseText, nil))
	f.Add("vmdk", streamVMDK(nil))
	f.Add("vdi", vdiOf(nil))
	f.Add("vhd", vhdOf(nil))
	f.Add("vhd", fixedVHD(nil))
	f.Fuzz(func(t *testing.T, declared string, data []byte) {
		before := bytes.Clone(data)
		info, err := inspect.Check(declared, data)
		if !bytes.Equal(before, data) {
			t.Fatal("the data was changed")
		}
		if err == nil && (info.VirtualSize < 0 || info.VirtualSize > inspect.MaxVirtual) {
			t.Fatalf("a disk of %d bytes", info.VirtualSize)
		}
		if err == nil && declared == "raw" && bytes.HasPrefix(data, []byte("QFI\xfb")) {
			t.Fatal("a qcow2 passed as raw")
		}
		fromFile, ferr := inspect.File(declared, "bare", bytes.NewReader(data), int64(len(data)))
		if (err == nil) != (ferr == nil) && len(data) > 0 || err == nil && ferr == nil && info != fromFile {
			t.Fatalf("streamed %+v %v, from a file %+v %v", info, err, fromFile, ferr)
		}
	})
}

// FuzzVHDX spares the fuzzer three MiB of nothing: it writes the structures only.
func FuzzVHDX(f *testing.F) {
	whole := vhdxOf(nil)
	f.Add(whole[192<<10:192<<10+128], whole[2<<20:2<<20+256], whole[2<<20+64<<10:2<<20+64<<10+64], false)
	f.Fuzz(func(t *testing.T, regions, table, items []byte, sums bool) {
		data := vhdxOf(func(h []byte) {
			for _, at := range []int{192 << 10, 256 << 10} {
				copy(h[at:at+64<<10], regions)
			}
			copy(h[2<<20:2<<20+64<<10], table)
			copy(h[2<<20+64<<10:], items)
		})
		if info, err := inspect.Check("vhdx", data); err == nil && (info.VirtualSize <= 0 || info.VirtualSize > inspect.MaxVirtual) {
			t.Fatalf("a disk of %d bytes", info.VirtualSize)
		}
	})
}
