package agenttest

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"
	"testing/iotest"

	"altostack/agent"
	"altostack/hostapi"
)

// DisksBed is a host for [RunDisks].
type DisksBed struct {
	// Open opens the driver; again within a test, as after kill -9.
	Open func(t *testing.T) agent.Disks
	// Left lists what there is on the host of the driver's making, cached
	// images not counted.
	Left func(t *testing.T) []string
}

// RawImage answers an image of n bytes and what they are.
func RawImage(id string, n int) (hostapi.DiskImage, []byte) {
	data := bytes.Repeat([]byte(id+"\n"), n/(len(id)+1)+1)[:n]
	sum := sha512.Sum512(data)
	return hostapi.DiskImage{ID: id, Format: "raw", SHA512: hex.EncodeToString(sum[:]), Bytes: int64(n), MinMiB: 1}, data
}

// RunDisks tests the contract of [agent.Disks].
func RunDisks(t *testing.T, newBed func(t *testing.T) DisksBed) {
	tests := map[string]func(b *disksTest, t *testing.T){
		"AbsenceIsSuccess":       (*disksTest).absence,
		"StoresWhatIsVerified":   (*disksTest).stores,
		"RefusesWhatIsNot":       (*disksTest).refuses,
		"PreparesInOrder":        (*disksTest).prepares,
		"PreparingIsRepeatable":  (*disksTest).repeats,
		"NeedsTheImage":          (*disksTest).needsImage,
		"ManyGuestsAtOnce":       (*disksTest).many,
		"RemovesOneGuestOnly":    (*disksTest).removes,
		"SaysWhatRoomThereIsNow": (*disksTest).free,
	}
	for name, f := range tests {
		t.Run(name, func(t *testing.T) {
			b := &disksTest{DisksBed: newBed(t), t: t}
			before := b.Left(t)
			b.d = b.Open(t)
			f(b, t)
			ids, err := b.d.Guests(t.Context())
			b.must(err)
			for _, id := range ids {
				b.must(b.d.Remove(t.Context(), id))
			}
			if after := b.Left(t); !slices.Equal(before, after) {
				t.Errorf("left behind: %q; before there was %q", after, before)
			}
		})
	}
}

type disksTest struct {
	DisksBed
	t *testing.T
	d agent.Disks
}

func (b *disksTest) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *disksTest) cached(image hostapi.DiskImage, want bool) {
	b.t.Helper()
	got, err := b.d.Cached(b.t.Context(), image)
	b.must(err)
	if got != want {
		b.t.Fatalf("Cached(%s) = %v", image.ID, got)
	}
}

// server describes a guest with a root disk, an empty one and a volume.
func (b *disksTest) server(id string) hostapi.Guest {
	b.t.Helper()
	image, data := RawImage("c8b1a5e0-0000-4000-8000-000000000001", 1<<20)
	b.must(b.d.Store(b.t.Context(), image, bytes.NewReader(data)))
	return hostapi.Guest{ID: id, Disks: []hostapi.Disk{
		{ID: "root", SizeMiB: 8, Bus: "virtio", Image: &image},
		{ID: "ephemeral0", SizeMiB: 4, BootIndex: -1, Blank: true},
		{ID: "vol-1", SizeMiB: 16, BootIndex: -1, Serial: "v1", Volume: &hostapi.VolumeConnection{
			VolumeID: "v1", Driver: "file", Path: "/volumes/v1", Format: "raw", MultiAttach: true}},
	}}
}

func (b *disksTest) absence(t *testing.T) {
	for range 2 {
		b.must(b.d.Remove(t.Context(), guestID))
	}
	ids, err := b.d.Guests(t.Context())
	b.must(err)
	if len(ids) != 0 {
		t.Errorf("an empty host has disks of %q", ids)
	}
	image, _ := RawImage("none", 10)
	b.cached(image, false)
}

func (b *disksTest) stores(t *testing.T) {
	image, data := RawImage("c8b1a5e0-0000-4000-8000-000000000002", 3<<20+17)
	b.cached(image, false)
	for range 2 {
		b.must(b.d.Store(t.Context(), image, bytes.NewReader(data)))
		b.cached(image, true)
	}
	b.d = b.Open(t)
	b.cached(image, true)
}

func (b *disksTest) refuses(t *testing.T) {
	image, data := RawImage("c8b1a5e0-0000-4000-8000-000000000003", 1<<20)
	wrong := bytes.Clone(data)
	wrong[len(wrong)-1] ^= 1
	for name, r := range map[string]io.Reader{
		"one bit":    bytes.NewReader(wrong),
		"too short":  bytes.NewReader(data[:len(data)-1]),
		"too long":   io.MultiReader(bytes.NewReader(data), bytes.NewReader([]byte{0})),
		"nothing":    bytes.NewReader(nil),
		"broken off": io.MultiReader(bytes.NewReader(data[:1000]), iotest.ErrReader(errors.New("broken off"))),
	} {
		if err := b.d.Store(t.Context(), image, r); err == nil {
			t.Errorf("%s: stored", name)
		}
		b.cached(image, false)
	}
}

func (b *disksTest) prepares(t *testing.T) {
	guest := b.server(guestID)
	files, err := b.d.Prepare(t.Context(), guest, map[string][]byte{"openstack/latest/meta_data.json": []byte("{}")})
	b.must(err)
	if len(files) != 4 {
		t.Fatalf("three disks and a config drive became %+v", files)
	}
	for i, d := range guest.Disks {
		f := files[i]
		if f.ID != d.ID || f.BootIndex != d.BootIndex || f.Serial != d.Serial || f.Path == "" || f.Format != "raw" && f.Format != "qcow2" {
			t.Errorf("disk %+v became %+v", d, f)
		}
	}
	if v := files[2]; v.Path != "/volumes/v1" || v.Format != "raw" || !v.Shared {
		t.Errorf("the volume became %+v", v)
	}
	if c := files[3]; c.ID != "config" || c.Bus != agent.DriveBus(guest) || !c.ReadOnly || c.BootIndex >= 0 || c.Format != "raw" {
		t.Errorf("the config drive became %+v", c)
	}
	ids, err := b.d.Guests(t.Context())
	b.must(err)
	if !slices.Equal(ids, []string{guestID}) {
		t.Errorf("disks are there of %q", ids)
	}
}

func (b *disksTest) repeats(t *testing.T) {
	guest := b.server(guestID)
	first, err := b.d.Prepare(t.Context(), guest, nil)
	b.must(err)
	// What the guest wrote is still there afterwards, if there are real bytes.
	blank, real := first[1].Path, false
	if f, err := os.OpenFile(blank, os.O_WRONLY|os.O_APPEND, 0); err == nil {
		real = true
		_, err = f.Write([]byte("the guest's"))
		b.must(errors.Join(err, f.Close()))
	}
	b.d = b.Open(t)
	for range 2 {
		again, err := b.d.Prepare(t.Context(), guest, nil)
		b.must(err)
		if !slices.Equal(first, again) {
			t.Errorf("repeated, the disks are %+v; before %+v", again, first)
		}
	}
	if real {
		data, err := os.ReadFile(blank)
		b.must(err)
		if !bytes.HasSuffix(data, []byte("the guest's")) {
			t.Error("preparing again lost what the guest wrote")
		}
	}
}

func (b *disksTest) needsImage(t *testing.T) {
	image, _ := RawImage("c8b1a5e0-0000-4000-8000-000000000009", 1<<20)
	_, err := b.d.Prepare(t.Context(), hostapi.Guest{ID: guestID, Disks: []hostapi.Disk{{ID: "root", SizeMiB: 8, Image: &image}}}, nil)
	if err == nil {
		t.Error("a disk was made of an image that is not there")
	}
}

func (b *disksTest) many(t *testing.T) {
	const n = 8
	done := make(chan error, n)
	for i := range n {
		guest := b.server(fmt.Sprintf("00000000-0000-4000-8000-%012d", i))
		go func() { _, err := b.d.Prepare(t.Context(), guest, nil); done <- err }()
	}
	for range n {
		b.must(<-done)
	}
	ids, err := b.d.Guests(t.Context())
	b.must(err)
	if len(ids) != n {
		t.Errorf("of %d guests prepared together %d have disks", n, len(ids))
	}
}

func (b *disksTest) removes(t *testing.T) {
	other := "00000000-0000-4000-8000-000000000001"
	for _, id := range []string{guestID, other} {
		_, err := b.d.Prepare(t.Context(), b.server(id), nil)
		b.must(err)
	}
	for range 2 {
		b.must(b.d.Remove(t.Context(), guestID))
	}
	ids, err := b.d.Guests(t.Context())
	b.must(err)
	if !slices.Equal(ids, []string{other}) {
		t.Errorf("after removing one of two guests there are %q", ids)
	}
}

func (b *disksTest) free(t *testing.T) {
	free, total, err := b.d.Free(t.Context())
	b.must(err)
	if free <= 0 || total < free {
		t.Errorf("%d bytes free of %d", free, total)
	}
}

// isQCOW2 checks the magic number of a file.
func isQCOW2(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // only read
	b := make([]byte, 4)
	if _, err := io.ReadFull(f, b); err != nil || !bytes.Equal(b, []byte("QFI\xfb")) {
		t.Errorf("%s is no qcow2 image: %q, %v", path, b, err)
	}
}
