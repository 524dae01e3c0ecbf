package inspect_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"altostack/image/inspect"
	"altostack/kernel/fault"
)

// The headers are made here, byte by byte: no tool is asked to make something
// hostile, as it would write where the header points.

const sparseText = "# Disk DescriptorFile\nversion=1\nCID=11111111\nparentCID=ffffffff\ncreateType=\"monolithicSparse\"\n\n" +
	"# Extent description\nRW 2048 SPARSE \"disk.vmdk\"\n\n#DDB\nddb.virtualHWVersion = \"4\"\n"

var le = binary.LittleEndian

// vmdkOf is a sparse VMDK of 1 MiB with the descriptor text.
func vmdkOf(text string, change func(h []byte)) []byte {
	h := make([]byte, 64<<10)
	copy(h, "KDMV")
	le.PutUint32(h[4:], 1)
	le.PutUint64(h[12:], 2048)
	le.PutUint64(h[20:], 128)
	le.PutUint64(h[28:], 1)
	le.PutUint64(h[36:], 20)
	le.PutUint32(h[44:], 512)
	le.PutUint64(h[56:], 26)
	copy(h[512:], text)
	if change != nil {
		change(h)
	}
	return h
}

func streamVMDK(change func(h []byte)) []byte {
	text := strings.ReplaceAll(sparseText, "monolithicSparse", "streamOptimized")
	h := vmdkOf(text, func(h []byte) { le.PutUint64(h[56:], 1<<64-1) })
	end := make([]byte, 1536)
	le.PutUint64(end, 1)
	le.PutUint32(end[12:], 3)
	copy(end[512:], h[:512])
	le.PutUint64(end[512+56:], 26)
	h = append(h, end...)
	if change != nil {
		change(h)
	}
	return h
}

func vdiOf(change func(h []byte)) []byte {
	h := make([]byte, 4096)
	copy(h, "<<< Oracle VM VirtualBox Disk Image >>>\n")
	le.PutUint32(h[0x40:], 0xbeda107f)
	le.PutUint32(h[0x44:], 0x10001)
	le.PutUint32(h[0x4c:], 1)
	le.PutUint32(h[0x154:], 512)
	le.PutUint32(h[0x158:], 1024)
	le.PutUint32(h[0x168:], 512)
	le.PutUint64(h[0x170:], 8<<20)
	le.PutUint32(h[0x178:], 1<<20)
	le.PutUint32(h[0x180:], 8)
	if change != nil {
		change(h)
	}
	return h
}

func vhdSum(b []byte, at int) {
	binary.BigEndian.PutUint32(b[at:], 0)
	var sum uint32
	for _, c := range b {
		sum += uint32(c)
	}
	binary.BigEndian.PutUint32(b[at:], ^sum)
}

func vhdFoot(kind uint32, size, at uint64) []byte {
	f, be := make([]byte, 512), binary.BigEndian
	copy(f, "conectix")
	be.PutUint32(f[8:], 2)
	be.PutUint32(f[12:], 0x10000)
	be.PutUint64(f[16:], at)
	be.PutUint64(f[40:], size)
	be.PutUint64(f[48:], size)
	be.PutUint32(f[60:], kind)
	vhdSum(f, 64)
	return f
}

// vhdOf is a dynamic VHD of 4 MiB; change gets it before the checksums are set.
func vhdOf(change func(h []byte)) []byte {
	h, be := make([]byte, 4096), binary.BigEndian
	copy(h, vhdFoot(3, 4<<20, 512))
	d := h[512:1536]
	copy(d, "cxsparse")
	be.PutUint64(d[8:], 1<<64-1)
	be.PutUint64(d[16:], 1536)
	be.PutUint32(d[24:], 0x10000)
	be.PutUint32(d[28:], 2)
	be.PutUint32(d[32:], 2<<20)
	if change != nil {
		change(h)
	}
	vhdSum(h[:512], 64)
	vhdSum(d, 36)
	return append(h, h[:512]...)
}

func fixedVHD(change func(f []byte)) []byte {
	f := vhdFoot(2, 1<<20, 1<<64-1)
	if change != nil {
		change(f)
		vhdSum(f, 64)
	}
	return append(make([]byte, 1<<20), f...)
}

func guid(t string) []byte {
	b, err := hex.DecodeString(t)
	if err != nil {
		panic(err)
	}
	return b
}

// vhdxOf is a VHDX of 1 GiB; change gets it before the checksums are set.
func vhdxOf(change func(h []byte)) []byte {
	const meta = 2 << 20
	h := make([]byte, 3<<20)
	copy(h, "vhdxfile")
	for _, at := range []int{64 << 10, 128 << 10} {
		copy(h[at:], "head")
		le.PutUint16(h[at+66:], 1)
	}
	for _, at := range []int{192 << 10, 256 << 10} {
		copy(h[at:], "regi")
		le.PutUint32(h[at+8:], 1)
		copy(h[at+16:], guid("06a27c8b90479a4bb8fe575f050f886e"))
		le.PutUint64(h[at+32:], meta)
		le.PutUint32(h[at+40:], 1<<20)
		le.PutUint32(h[at+44:], 1)
	}
	copy(h[meta:], "metadata")
	le.PutUint16(h[meta+10:], 2)
	for i, item := range []struct {
		id  string
		off uint32
	}{{"3767a1ca36fa434db3b633f0aa44e76b", 64 << 10}, {"2442a52f1bcd7648b2115dbed83bf4b8", 64<<10 + 8}} {
		e := h[meta+32+32*i:]
		copy(e, guid(item.id))
		le.PutUint32(e[16:], item.off)
		le.PutUint32(e[20:], 8)
	}
	le.PutUint32(h[meta+64<<10:], 32<<20)
	le.PutUint64(h[meta+64<<10+8:], 1<<30)
	if change != nil {
		change(h)
	}
	for at, n := range map[int]int{64 << 10: 4096, 128 << 10: 4096, 192 << 10: 64 << 10, 256 << 10: 64 << 10} {
		le.PutUint32(h[at+4:], 0)
		le.PutUint32(h[at+4:], crc32.Checksum(h[at:at+n], crc32.MakeTable(crc32.Castagnoli)))
	}
	return h
}

func both(at int, change func(b []byte)) func([]byte) {
	return func(h []byte) { change(h[at:]); change(h[at+64<<10:]) }
}

func TestAttacksOfOtherFormats(t *testing.T) {
	text := func(from, to string) []byte { return vmdkOf(strings.ReplaceAll(sparseText, from, to), nil) }
	set := func(at int, b ...byte) func([]byte) { return func(h []byte) { copy(h[at:], b) } }
	for name, tt := range map[string]struct {
		declared string
		data     []byte
		says     string
	}{
		"vmdk with a flat extent of the host":       {"vmdk", text(`RW 2048 SPARSE "disk.vmdk"`, `RW 2048 FLAT "/etc/shadow" 0`), "known"},
		"vmdk with an extent elsewhere":             {"vmdk", text("disk.vmdk", "/etc/shadow"), "something else"},
		"vmdk with an extent named json:":           {"vmdk", text("disk.vmdk", "json:{}"), "something else"},
		"vmdk with an extent named nbd:":            {"vmdk", text("disk.vmdk", "nbd:localhost:10809"), "something else"},
		"vmdk with two extents":                     {"vmdk", text("#DDB", "RW 2048 SPARSE \"b.vmdk\"\n"), "2 extents"},
		"vmdk of subtype monolithicFlat":            {"vmdk", text("monolithicSparse", "monolithicFlat"), "not allowed"},
		"vmdk of subtype twoGbMaxExtentFlat":        {"vmdk", text("monolithicSparse", "twoGbMaxExtentFlat"), "not allowed"},
		"vmdk with a parent":                        {"vmdk", text("parentCID=ffffffff", "parentCID=12345678"), "backing file"},
		"vmdk with a parent's name":                 {"vmdk", text("#DDB", "parentFileNameHint=\"/etc/shadow\""), "backing file"},
		"vmdk with a line that is not known":        {"vmdk", text("#DDB", "include /etc/shadow"), "not known"},
		"vmdk without a subtype":                    {"vmdk", text("createType=\"monolithicSparse\"", ""), "no subtype"},
		"vmdk of capacity nothing":                  {"vmdk", vmdkOf(sparseText, set(12, 0, 0, 0, 0)), "capacity is nothing"},
		"vmdk of an exabyte":                        {"vmdk", vmdkOf(sparseText, set(12, 0, 0, 0, 0, 0, 0, 0, 8)), "larger than"},
		"vmdk with its descriptor elsewhere":        {"vmdk", vmdkOf(sparseText, set(28, 9)), "not where it belongs"},
		"vmdk with an endless descriptor":           {"vmdk", vmdkOf(sparseText, set(36, 0, 0, 0, 1)), "not where it belongs"},
		"vmdk cut off":                              {"vmdk", vmdkOf(sparseText, nil)[:600], "cut off"},
		"vmdk with tables at an end that has none":  {"vmdk", vmdkOf(sparseText, func(h []byte) { le.PutUint64(h[56:], 1<<64-1) }), "only a streamOptimized"},
		"vmdk whose footer moves the descriptor":    {"vmdk", streamVMDK(func(h []byte) { h[len(h)-1024+28] = 9 }), "differ"},
		"vmdk whose footer points to a footer":      {"vmdk", streamVMDK(func(h []byte) { le.PutUint64(h[len(h)-1024+56:], 1<<64-1) }), "another footer"},
		"vmdk without a footer's marker":            {"vmdk", streamVMDK(func(h []byte) { h[len(h)-1536+12] = 9 }), "marker"},
		"vmdk that is a descriptor":                 {"vmdk", []byte(sparseText), "descriptor of other files"},
		"vmdk of ESX":                               {"vmdk", at(0, "COWD"), "subtype"},
		"vdi with a parent":                         {"vdi", vdiOf(set(0x1b8, 1)), "backing file"},
		"vdi with a link":                           {"vdi", vdiOf(set(0x1a8, 1)), "backing file"},
		"vdi that is a difference":                  {"vdi", vdiOf(set(0x4c, 4)), "type 4"},
		"vdi of an exabyte":                         {"vdi", vdiOf(set(0x177, 0x10)), "larger than"},
		"vdi whose table does not fit":              {"vdi", vdiOf(set(0x180, 2)), "does not fit"},
		"vdi whose table lies in the header":        {"vdi", vdiOf(set(0x154, 0, 0)), "not where it belongs"},
		"vdi cut off":                               {"vdi", vdiOf(nil)[:300], "cut off"},
		"vhd that is a difference":                  {"vhd", vhdOf(set(60, 0, 0, 0, 4)), "backing file"},
		"vhd with a parent's name":                  {"vhd", vhdOf(set(512+64, 0, 'x')), "backing file"},
		"vhd with a parent's locator":               {"vhd", vhdOf(set(512+576, 'W', '2', 'k', 'u')), "backing file"},
		"vhd of an exabyte":                         {"vhd", vhdOf(set(48, 0x10)), "does not fit"},
		"vhd with an endless table":                 {"vhd", vhdOf(set(512+28, 0x7f)), "does not fit"},
		"vhd with a second header elsewhere":        {"vhd", vhdOf(set(16, 1)), "not where it belongs"},
		"vhd whose footer differs":                  {"vhd", vhdOf(nil)[:4096], "no header of that format"},
		"vhd fixed, larger than its data":           {"vhd", fixedVHD(set(48, 0, 1)), "cut off"},
		"vhd fixed, of a kind that is not":          {"vhd", fixedVHD(set(60, 0, 0, 0, 3)), "type 3"},
		"vhd with a wrong checksum":                 {"vhd", func() []byte { d := fixedVHD(nil); d[len(d)-10]++; return d }(), "checksum"},
		"vhdx with a parent":                        {"vhdx", vhdxOf(func(h []byte) { h[2<<20+64<<10+4] = 2 }), "backing file"},
		"vhdx with a parent's locator":              {"vhdx", vhdxOf(func(h []byte) { copy(h[2<<20+64:], guid("2d5fd3a80bb34d45abf7d3d84834ab0c")) }), "backing file"},
		"vhdx with a log":                           {"vhdx", vhdxOf(set(64<<10+48, 1)), "log is not empty"},
		"vhdx of an exabyte":                        {"vhdx", vhdxOf(func(h []byte) { h[2<<20+64<<10+15] = 0x10 }), "larger than"},
		"vhdx with an unknown region":               {"vhdx", vhdxOf(both(192<<10+16, func(b []byte) { b[0]++ })), "not known"},
		"vhdx with regions that differ":             {"vhdx", vhdxOf(set(192<<10+100, 1)), "differ"},
		"vhdx with metadata before its place":       {"vhdx", vhdxOf(both(192<<10+32, func(b []byte) { copy(b, make([]byte, 8)) })), "not where it belongs"},
		"vhdx with metadata after its end":          {"vhdx", vhdxOf(both(192<<10+32, func(b []byte) { b[3] = 1 })), "cut off"},
		"vhdx with a million items":                 {"vhdx", vhdxOf(set(2<<20+10, 0xff, 0xff)), "items"},
		"vhdx cut off":                              {"vhdx", vhdxOf(nil)[:1<<20], "cut off"},
		"two formats at once":                       {"qcow2", with(func(h []byte) { copy(h[64:], "\x7f\x10\xda\xbe") }), "at once"},
		"qcow2 whose tables lie after its end":      {"qcow2", good()[:0x20000], "after the data"},
		"qcow2 in a container":                      {"", with(put64(8, 0x200)), "backing file"},
		"vmdk descriptor in a container":            {"", []byte(sparseText), "descriptor of other files"},
		"QED in a container":                        {"", at(0, "QED\x00"), "not taken"},
		"iso with blocks of nothing":                {"iso", func() []byte { d := at(32769, "CD001"); d[32768] = 1; return d }(), "blocks of 0"},
		"a bomb: an exabyte in a few bytes of zstd": {"qcow2", with(func(h []byte) { put64(72, 8)(h); put64(24, 1<<60)(h) }), "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			declared, container := tt.declared, "bare"
			if declared == "" {
				declared, container = "raw", "ova"
			}
			_, ferr := inspect.File(declared, container, bytes.NewReader(tt.data), int64(len(tt.data)))
			for how, err := range map[string]error{"streamed": stream(declared, container, tt.data, 1000), "a file": ferr} {
				if !fault.Has(err, fault.CodeImageUnsafe) && !fault.Has(err, fault.CodeImageFormatMismatch) || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("%s: %v, want one that says %q", how, err, tt.says)
				}
			}
		})
	}
}

func stream(declared, container string, data []byte, step int) error {
	i := inspect.New(declared, container)
	for len(data) > 0 {
		n := min(step, len(data))
		if _, err := i.Write(data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	_, err := i.Finish()
	return err
}

// What qemu-img makes is believed, in every format and however it arrives.
func TestRealImages(t *testing.T) {
	img, err := exec.LookPath("qemu-img")
	if err != nil {
		t.Fatal("qemu-img is needed (apt-get install qemu-utils): ", err)
	}
	dir := t.TempDir()
	raw := filepath.Join(dir, "raw")
	if err := os.WriteFile(raw, bytes.Repeat([]byte("0123456789abcdef"), 3<<16), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"qcow2": {"qcow2", "-O", "qcow2"}, "qcow2 compressed": {"qcow2", "-c", "-O", "qcow2"}, "vdi": {"vdi", "-O", "vdi"},
		"vmdk": {"vmdk", "-O", "vmdk"}, "vmdk of streams": {"vmdk", "-O", "vmdk", "-o", "subformat=streamOptimized"},
		"vhdx": {"vhdx", "-O", "vhdx"}, "vhd": {"vhd", "-O", "vpc", "-o", "force_size=on"}, "vhd fixed": {"vhd", "-O", "vpc", "-o", "subformat=fixed,force_size=on"},
	} {
		path := filepath.Join(dir, "image")
		if out, err := exec.Command(img, append(append([]string{"convert", "-f", "raw"}, args[1:]...), raw, path)...).CombinedOutput(); err != nil {
			t.Fatalf("qemu-img %v: %v: %s", args, err, out)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []int{512, 4093, 1 << 20, 64 << 20} {
			if err := stream(args[0], "bare", data, step); err != nil {
				t.Errorf("%s in pieces of %d: %v", name, step, err)
			}
		}
		info, err := inspect.File(args[0], "bare", bytes.NewReader(data), int64(len(data)))
		if err != nil || info.VirtualSize != 3<<20 || info.Format != args[0] {
			t.Errorf("%s: %+v %v", name, info, err)
		}
	}
}

type broken struct{}

func (broken) ReadAt([]byte, int64) (int, error) { return 0, io.ErrClosedPipe }

func TestAFileThatCannotBeReadIsNoVerdict(t *testing.T) {
	if _, err := inspect.File("raw", "bare", broken{}, 4096); err != io.ErrClosedPipe { //nolint:errorlint // exactly that one
		t.Error(err)
	}
}

// Memory does not grow with the data.
func TestWhatIsKeptIsBounded(t *testing.T) {
	data := make([]byte, 1<<20)
	i := inspect.New("raw", "bare")
	_, _ = i.Write(data)
	if n := testing.AllocsPerRun(64, func() { _, _ = i.Write(data) }); n > 0 {
		t.Error("allocations for each MiB:", n)
	}
}
