package filedisk

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"altostack/hostapi"
	"altostack/image/imagetest"
	"altostack/kernel/fault"
)

// Even if the image service had let it pass, what would open something else on
// the host is not made into a guest's disk.
func TestAttacksAtBoot(t *testing.T) {
	d := open(t, Config{Dir: t.TempDir()})
	for name, a := range imagetest.Attacks() {
		t.Run(name, func(t *testing.T) {
			img := hostapi.DiskImage{ID: "a", Format: a.Format, SHA512: digest(a.Data), Bytes: int64(len(a.Data)), MinMiB: 1}
			if err := d.Store(t.Context(), img, bytes.NewReader(a.Data)); err == nil {
				t.Error("it was stored")
			}
			if cached, err := d.Cached(t.Context(), img); cached || err != nil {
				t.Error(cached, err)
			}
		})
	}
}

// An image service may be set to SHA-256; its digests are verified as well.
func TestBothDigests(t *testing.T) {
	d := open(t, Config{Dir: t.TempDir()})
	data := bytes.Repeat([]byte("tiny"), 1<<18)
	sum := sha256.Sum256(data)
	img := hostapi.DiskImage{ID: "a", Format: "raw", SHA512: hex.EncodeToString(sum[:]), Bytes: int64(len(data)), MinMiB: 1}
	if err := d.Store(t.Context(), img, bytes.NewReader(data)); err != nil {
		t.Error(err)
	}
	if err := d.Store(t.Context(), img, bytes.NewReader(data[1:])); !fault.Has(err, fault.CodeAgentImageCorrupt) {
		t.Error(err)
	}
}
