package qemuimg_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"altostack/driver/qemuimg"
	"altostack/image"
	"altostack/image/inspect"
	"altostack/kernel/fault"
)

func open(t *testing.T, c qemuimg.Config) *qemuimg.Converter {
	t.Helper()
	q, err := qemuimg.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func convert(t *testing.T, q *qemuimg.Converter, from, to string, data []byte, limit int64) ([]byte, error) {
	t.Helper()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := os.WriteFile(in, data, 0o644); err != nil {
		t.Fatal(err)
	}
	err := q.Convert(t.Context(), image.Conversion{From: in, FromFormat: from, To: out, ToFormat: to, MaxBytes: limit})
	got, rerr := os.ReadFile(out)
	if (err == nil) != (rerr == nil) {
		t.Errorf("the conversion said %v, its file %v", err, rerr)
	}
	return got, err
}

// There and back through every format, the bytes are the same.
func TestEveryFormat(t *testing.T) {
	q := open(t, qemuimg.Config{})
	data := make([]byte, 4<<20)
	copy(data[1<<20:], bytes.Repeat([]byte("altostack"), 1000))
	for _, format := range []string{"qcow2", "vmdk", "vdi", "vhdx"} {
		other, err := convert(t, q, "raw", format, data, 64<<20)
		if err != nil {
			t.Error(format, err)
			continue
		}
		if info, err := inspect.Check(format, other); err != nil || info.VirtualSize != 4<<20 {
			t.Errorf("%s: %+v %v", format, info, err)
		}
		if back, err := convert(t, q, format, "raw", other, 64<<20); err != nil || !bytes.Equal(back, data) {
			t.Errorf("back from %s: %d bytes, %v", format, len(back), err)
		}
	}
}

func TestLimits(t *testing.T) {
	data := bytes.Repeat([]byte("not compressible at all?"), 1<<18)
	if _, err := convert(t, open(t, qemuimg.Config{}), "raw", "qcow2", data, 1<<20); !fault.Has(err, fault.CodeImageConversionFailed) || !strings.Contains(err.Error(), "too large") {
		t.Error("what it writes:", err)
	}
	if _, err := convert(t, open(t, qemuimg.Config{MemoryBytes: 1 << 20}), "raw", "qcow2", data, 64<<20); !fault.Has(err, fault.CodeImageConversionFailed) {
		t.Error("memory:", err)
	}
	if _, err := convert(t, open(t, qemuimg.Config{Deadline: time.Nanosecond}), "raw", "qcow2", data, 64<<20); !fault.Has(err, fault.CodeImageConversionFailed) && err == nil {
		t.Error("time:", err)
	}
	if _, err := convert(t, open(t, qemuimg.Config{}), "iso", "raw", data, 64<<20); !fault.Has(err, fault.CodeImageConversionFailed) {
		t.Error("format:", err)
	}
	if _, err := convert(t, open(t, qemuimg.Config{}), "qcow2", "raw", data, 64<<20); !fault.Has(err, fault.CodeImageConversionFailed) {
		t.Error("garbage:", err)
	}
}

// Even if the inspector had let it pass, a data file that only root may read stays
// closed, and a backing file is not looked for.
func TestItHasNobodysRights(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test needs root, from whom rights can be taken")
	}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, bytes.Repeat([]byte("x"), 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	be := binary.BigEndian
	header := func(version uint32) []byte {
		h := make([]byte, 4<<16)
		copy(h, "QFI\xfb")
		be.PutUint32(h[4:], version)
		be.PutUint32(h[20:], 16)
		be.PutUint64(h[24:], 1<<20)
		be.PutUint32(h[36:], 1)
		be.PutUint64(h[40:], 3<<16)
		be.PutUint64(h[48:], 1<<16)
		be.PutUint32(h[56:], 1)
		be.PutUint64(h[1<<16:], 2<<16)
		return h
	}
	outside := header(3)
	be.PutUint64(outside[72:], 4)
	be.PutUint32(outside[96:], 4)
	be.PutUint32(outside[100:], 104)
	be.PutUint32(outside[104:], 0x44415441)
	be.PutUint32(outside[108:], uint32(len(secret)))
	copy(outside[112:], secret)
	if got, err := convert(t, open(t, qemuimg.Config{}), "qcow2", "raw", outside, 64<<20); err == nil {
		t.Errorf("a data file: it was converted: %d bytes", len(got))
	}
	below := header(2)
	be.PutUint64(below[8:], 1024)
	be.PutUint32(below[16:], uint32(len(secret)))
	copy(below[1024:], secret)
	if got, err := convert(t, open(t, qemuimg.Config{}), "qcow2", "raw", below, 64<<20); bytes.ContainsRune(got, 'x') {
		t.Error("a backing file was read: ", err)
	}
}
