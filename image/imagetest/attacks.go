package imagetest

import (
	"bytes"
	"encoding/binary"
)

// Attack is data that must not get anywhere as an image of the format it is
// declared to have.
type Attack struct {
	Format string // disk_format
	Data   []byte
}

// Attacks is the corpus of what has been tried on clouds, by name. The bytes are
// made here, one by one: a tool that is asked for something hostile writes where
// the header points.
func Attacks() map[string]Attack {
	flat := "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\nRW 2048 FLAT \"/etc/shadow\" 0\n"
	return map[string]Attack{
		"a backing file":                       {"qcow2", backed("/etc/shadow")},
		"a backing file named json:":           {"qcow2", backed(`json:{"driver":"raw","file":{"driver":"file","filename":"/etc/shadow"}}`)},
		"a backing file named nbd:":            {"qcow2", backed("nbd:127.0.0.1:10809")},
		"a backing file named http:":           {"qcow2", backed("http://169.254.169.254/latest/")},
		"an external data file":                {"qcow2", qcow2(func(h []byte) { be.PutUint64(h[72:], 4) })},
		"an external data file by name":        {"qcow2", qcow2(func(h []byte) { be.PutUint32(h[104:], 0x44415441); be.PutUint32(h[108:], 8) })},
		"an encrypted image":                   {"qcow2", qcow2(func(h []byte) { be.PutUint32(h[32:], 1) })},
		"a disk of an exabyte":                 {"qcow2", qcow2(func(h []byte) { be.PutUint64(h[24:], 1<<60) })},
		"a bomb of zstd":                       {"qcow2", qcow2(func(h []byte) { be.PutUint64(h[72:], 8); be.PutUint64(h[24:], 1<<59) })},
		"tables without an end":                {"qcow2", qcow2(func(h []byte) { be.PutUint32(h[36:], 1<<31) })},
		"tables after the end":                 {"qcow2", qcow2(nil)[:1<<16]},
		"a header that is cut off":             {"qcow2", qcow2(nil)[:60]},
		"garbage with a magic number":          {"qcow2", append([]byte("QFI\xfb"), bytes.Repeat([]byte{0xa5}, 9000)...)},
		"a qcow2 disguised as raw":             {"raw", backed("/etc/shadow")},
		"a qcow2 disguised as iso":             {"iso", backed("/etc/shadow")},
		"a qcow2 disguised as a kernel":        {"aki", backed("/etc/shadow")},
		"raw disguised as qcow2":               {"qcow2", make([]byte, 1<<20)},
		"a flat VMDK's descriptor":             {"vmdk", []byte(flat)},
		"a flat VMDK's descriptor as raw":      {"raw", []byte(flat)},
		"a flat VMDK's descriptor in a sparse": {"vmdk", vmdk(flat)},
		"a VMDK of two formats at once":        {"qcow2", qcow2(func(h []byte) { copy(h[64:], "\x7f\x10\xda\xbe") })},
		"a VDI with a parent":                  {"vdi", vdi(func(h []byte) { h[0x1b8] = 1 })},
		"a VHD that is a difference":           {"vhd", vhd()},
		"a VHDX of nothing":                    {"vhdx", append([]byte("vhdxfile"), make([]byte, 1<<20)...)},
		"a QED image":                          {"raw", append([]byte("QED\x00"), make([]byte, 9000)...)},
	}
}

var (
	be = binary.BigEndian
	le = binary.LittleEndian
)

// qcow2 is an empty image of 1 MiB that is well, but for the change.
func qcow2(change func(h []byte)) []byte {
	h := make([]byte, 4<<16)
	copy(h, "QFI\xfb")
	be.PutUint32(h[4:], 3)
	be.PutUint32(h[20:], 16)
	be.PutUint64(h[24:], 1<<20)
	be.PutUint32(h[36:], 1)
	be.PutUint64(h[40:], 3<<16)
	be.PutUint64(h[48:], 1<<16)
	be.PutUint32(h[56:], 1)
	be.PutUint32(h[96:], 4)
	be.PutUint32(h[100:], 104)
	be.PutUint64(h[1<<16:], 2<<16)
	for i := range 4 {
		be.PutUint16(h[2<<16+2*i:], 1)
	}
	if change != nil {
		change(h)
	}
	return h
}

func backed(name string) []byte {
	return qcow2(func(h []byte) {
		be.PutUint64(h[8:], 1024)
		be.PutUint32(h[16:], uint32(len(name)))
		copy(h[1024:], name)
	})
}

func vmdk(text string) []byte {
	h := make([]byte, 64<<10)
	copy(h, "KDMV")
	le.PutUint32(h[4:], 1)
	le.PutUint64(h[12:], 2048)
	le.PutUint64(h[20:], 128)
	le.PutUint64(h[28:], 1)
	le.PutUint64(h[36:], 20)
	le.PutUint32(h[44:], 512)
	copy(h[512:], text)
	return h
}

func vdi(change func(h []byte)) []byte {
	h := make([]byte, 4096)
	le.PutUint32(h[0x40:], 0xbeda107f)
	le.PutUint32(h[0x44:], 0x10001)
	le.PutUint32(h[0x4c:], 1)
	le.PutUint32(h[0x154:], 512)
	le.PutUint32(h[0x158:], 1024)
	le.PutUint32(h[0x168:], 512)
	le.PutUint64(h[0x170:], 8<<20)
	le.PutUint32(h[0x178:], 1<<20)
	le.PutUint32(h[0x180:], 8)
	change(h)
	return h
}

func vhd() []byte {
	h := make([]byte, 4096)
	copy(h, "conectix")
	be.PutUint32(h[12:], 0x10000)
	be.PutUint64(h[16:], 512)
	be.PutUint64(h[48:], 1<<20)
	be.PutUint32(h[60:], 4)
	return append(h, h[:512]...)
}
