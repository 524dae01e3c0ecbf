package filedisk

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/diskfs/go-diskfs"

	"altostack/agent"
	"altostack/agent/agenttest"
	"altostack/driver/qcow2"
	"altostack/hostapi"
	"altostack/kernel/clock"
	"altostack/kernel/fault"
)

const guestID = "6f0bd2d4-4f1b-4d5c-8f5e-0a1b2c3d4e5f"

func open(t *testing.T, cfg Config) *Disks {
	t.Helper()
	d, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// left lists the files under dir, the cache's not counted.
func left(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !strings.HasPrefix(path, filepath.Join(dir, "cache")) && path != dir && filepath.Dir(path) != dir {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestDisks(t *testing.T) {
	agenttest.RunDisks(t, func(t *testing.T) agenttest.DisksBed {
		dir := t.TempDir()
		open(t, Config{Dir: dir})
		return agenttest.DisksBed{
			Open: func(t *testing.T) agent.Disks { return open(t, Config{Dir: dir}) },
			Left: func(t *testing.T) []string { return left(t, dir) },
		}
	})
}

func qemuImg(t *testing.T, args ...string) string {
	t.Helper()
	program, err := exec.LookPath("qemu-img")
	if err != nil {
		t.Fatal("qemu-img is missing; install the package qemu-utils")
	}
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("qemu-img %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// qcow2Image makes a qcow2 image with some bytes in it.
func qcow2Image(t *testing.T) (hostapi.DiskImage, []byte) {
	t.Helper()
	raw, path := filepath.Join(t.TempDir(), "raw"), filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(raw, bytes.Repeat([]byte("tiny"), 1<<18), 0o600); err != nil {
		t.Fatal(err)
	}
	qemuImg(t, "convert", "-f", "raw", "-O", "qcow2", raw, path)
	return describe(t, path)
}

func describe(t *testing.T, path string) (hostapi.DiskImage, []byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return hostapi.DiskImage{ID: "q", Format: "qcow2", SHA512: digest(data), Bytes: int64(len(data)), MinMiB: 1}, data
}

func store(t *testing.T, d *Disks, image hostapi.DiskImage, data []byte) {
	t.Helper()
	if err := d.Store(t.Context(), image, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
}

func prepare(t *testing.T, d *Disks, disks ...hostapi.Disk) []agent.DiskFile {
	t.Helper()
	files, err := d.Prepare(t.Context(), hostapi.Guest{ID: guestID, Disks: disks}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestOverlaysAreWhatQemuExpects(t *testing.T) {
	raw, rawData := agenttest.RawImage("raw", 1<<20)
	q, qData := qcow2Image(t)
	for name, tt := range map[string]struct {
		image hostapi.DiskImage
		data  []byte
	}{"raw": {raw, rawData}, "qcow2": {q, qData}} {
		t.Run(name, func(t *testing.T) {
			d := open(t, Config{Dir: t.TempDir()})
			store(t, d, tt.image, tt.data)
			root := hostapi.Disk{ID: "root", SizeMiB: 8, Image: &tt.image}
			f := prepare(t, d, root)[0]
			if f.Format == "qcow2" {
				qemuImg(t, "check", "-f", "qcow2", f.Path)
			}
			info := qemuImg(t, "info", "-f", f.Format, f.Path)
			if !strings.Contains(info, "virtual size: 8 MiB") {
				t.Errorf("the disk is not of the wanted size:\n%s", info)
			}
			if f.Format == "qcow2" && !strings.Contains(info, "backing file format: "+tt.image.Format) {
				t.Errorf("the format of the layer below is left to guess:\n%s", info)
			}
			out := filepath.Join(t.TempDir(), "out")
			qemuImg(t, "convert", "-f", f.Format, "-O", "raw", f.Path, out)
			got, err := os.ReadFile(out)
			if want := contentOf(tt.image, tt.data); err != nil || !bytes.HasPrefix(got, want) {
				t.Errorf("the disk does not begin with the image: %v", err)
			}

			root.SizeMiB = 16 // the flavor grew
			f = prepare(t, d, root)[0]
			if info := qemuImg(t, "info", "-f", f.Format, f.Path); !strings.Contains(info, "virtual size: 16 MiB") {
				t.Errorf("the disk did not grow:\n%s", info)
			}
			root.SizeMiB = 4 // and never shrinks
			f = prepare(t, d, root)[0]
			if info := qemuImg(t, "info", "-f", f.Format, f.Path); !strings.Contains(info, "virtual size: 16 MiB") {
				t.Errorf("the disk shrank:\n%s", info)
			}
		})
	}
}

func contentOf(image hostapi.DiskImage, data []byte) []byte {
	if image.Format == "raw" {
		return data
	}
	return bytes.Repeat([]byte("tiny"), 1<<18)
}

func TestRebuildReplacesTheRootDisk(t *testing.T) {
	d := open(t, Config{Dir: t.TempDir()})
	one, oneData := agenttest.RawImage("one", 1<<20)
	two, twoData := agenttest.RawImage("two", 1<<20)
	store(t, d, one, oneData)
	store(t, d, two, twoData)
	before := prepare(t, d, hostapi.Disk{ID: "root", SizeMiB: 8, Image: &one})[0]
	after := prepare(t, d, hostapi.Disk{ID: "root", SizeMiB: 8, Image: &two})[0]
	if before.Path == after.Path {
		t.Fatal("a rebuilt server kept its old disk")
	}
	if _, err := os.Stat(before.Path); err == nil {
		t.Error("the disk from before the rebuild is still there")
	}
}

func TestImagesThatNoHostMayUse(t *testing.T) {
	d := open(t, Config{Dir: t.TempDir()})
	backed := filepath.Join(t.TempDir(), "backed")
	if err := qcow2.Create(backed, qcow2.Image{Size: 1 << 20, Backing: "/etc/passwd", BackingFormat: "raw"}, 0o600); err != nil {
		t.Fatal(err)
	}
	image, data := describe(t, backed)
	if err := d.Store(t.Context(), image, bytes.NewReader(data)); !fault.Has(err, fault.CodeAgentImageCorrupt) {
		t.Errorf("an image with a backing file: %v", err)
	}
	good, goodData := agenttest.RawImage("good", 1<<20)
	vmdk := good
	vmdk.Format = "vmdk"
	if err := d.Store(t.Context(), vmdk, bytes.NewReader(goodData)); !fault.Has(err, fault.CodeAgentImageUnavailable) {
		t.Errorf("an image in a format hosts do not start from: %v", err)
	}
	traversal := good
	traversal.SHA512 = "../../etc/passwd"
	if err := d.Store(t.Context(), traversal, bytes.NewReader(goodData)); !fault.Has(err, fault.CodeAgentImageUnavailable) {
		t.Errorf("an image whose digest is a path: %v", err)
	}
	big, bigData := agenttest.RawImage("big", 3<<20)
	store(t, d, big, bigData)
	_, err := d.Prepare(t.Context(), hostapi.Guest{ID: guestID, Disks: []hostapi.Disk{{ID: "root", SizeMiB: 2, Image: &big}}}, nil)
	if !fault.Has(err, fault.CodeAgentImageUnavailable) || !strings.Contains(err.Error(), "needs a disk of 3 MiB, this one has 2 MiB") {
		t.Errorf("an image larger than the disk: %v", err)
	}
	for _, id := range []string{"", "../x", "a/b", ".."} {
		if _, err := d.Prepare(t.Context(), hostapi.Guest{ID: id, Disks: []hostapi.Disk{{ID: "swap", Blank: true}}}, nil); err == nil {
			t.Errorf("a guest called %q got disks", id)
		}
	}
	if _, err := d.Prepare(t.Context(), hostapi.Guest{ID: guestID, Disks: []hostapi.Disk{{ID: "../x", Blank: true}}}, nil); err == nil {
		t.Error("a disk called ../x was made")
	}
}

func TestVolumeThatCannotBeReached(t *testing.T) {
	d := open(t, Config{Dir: t.TempDir()})
	for _, v := range []hostapi.VolumeConnection{{}, {Driver: "file"}, {Driver: "file", Path: "/x"}, {Driver: "nbd"}, {Driver: "iscsi", Path: "/x"}} {
		_, err := d.Prepare(t.Context(), hostapi.Guest{ID: guestID, Disks: []hostapi.Disk{{ID: "vol-1", Volume: &v}}}, nil)
		if !fault.Has(err, fault.CodeAgentVolumeUnavailable) {
			t.Errorf("%+v: %v", v, err)
		}
	}
	nbd := prepare(t, d, hostapi.Disk{ID: "vol-1", Volume: &hostapi.VolumeConnection{Driver: "nbd", Address: "unix:/s", Export: "e"}})[0]
	if nbd.NBD != "unix:/s" || nbd.Export != "e" || nbd.Format != "raw" || nbd.Path != "" {
		t.Errorf("an export became %+v", nbd)
	}
}

func TestConfigDriveCanBeRead(t *testing.T) {
	d := open(t, Config{Dir: t.TempDir()})
	want := map[string][]byte{"openstack/latest/meta_data.json": []byte(`{"uuid":"x"}`), "openstack/2018-08-27/network_data.json": []byte("{}"),
		"ec2/2009-04-04/meta-data.json": []byte("{}"), "openstack/content/0000": bytes.Repeat([]byte{7}, 70000)}
	for range 2 {
		if _, err := d.Prepare(t.Context(), hostapi.Guest{ID: guestID}, want); err != nil {
			t.Fatal(err)
		}
	}
	disk, err := diskfs.Open(filepath.Join(d.path("guests", guestID), "config.iso"), diskfs.WithOpenMode(diskfs.ReadOnly))
	if err != nil {
		t.Fatal(err)
	}
	iso, err := disk.GetFilesystem(0)
	if err != nil {
		t.Fatal(err)
	}
	if label := strings.TrimRight(iso.Label(), " \x00"); label != "config-2" {
		t.Errorf("the label is %q", label)
	}
	for name, body := range want {
		f, err := iso.OpenFile("/"+name, os.O_RDONLY)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got bytes.Buffer
		if _, err := got.ReadFrom(f); err != nil || !bytes.Equal(got.Bytes(), body) {
			t.Errorf("%s reads %.40q, %v", name, got.Bytes(), err)
		}
	}
	if _, err := d.Prepare(t.Context(), hostapi.Guest{ID: guestID}, map[string][]byte{"../x": nil}); err == nil {
		t.Error("a file outside of the drive was written")
	}
}

func TestSwapIsReadyToUse(t *testing.T) {
	d := open(t, Config{Dir: t.TempDir()})
	f := prepare(t, d, hostapi.Disk{ID: "swap", SizeMiB: 4, Blank: true, BootIndex: -1})[0]
	b, err := os.ReadFile(f.Path)
	if err != nil || len(b) != 4<<20 || string(b[4086:4096]) != "SWAPSPACE2" {
		t.Errorf("%d bytes, magic %q, %v", len(b), b[4086:4096], err)
	}
}

func TestEphemeralDiskHasAFileSystem(t *testing.T) {
	if _, err := exec.LookPath("mke2fs"); err != nil {
		t.Fatal("mke2fs is missing; install the package e2fsprogs")
	}
	d := open(t, Config{Dir: t.TempDir()})
	f := prepare(t, d, hostapi.Disk{ID: "ephemeral0", SizeMiB: 1024, Blank: true, BootIndex: -1})[0]
	b := make([]byte, 2048)
	file, err := os.Open(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }() // only read
	if _, err := file.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	// The superblock (Documentation/filesystems/ext4/super.rst of Linux).
	if magic, label := b[1024+0x38:1024+0x3a], string(bytes.TrimRight(b[1024+0x78:1024+0x88], "\x00")); !bytes.Equal(magic, []byte{0x53, 0xef}) || label != "ephemeral0" {
		t.Errorf("magic %x, label %q", magic, label)
	}
}

func TestCacheForgetsWhatIsUnused(t *testing.T) {
	now := clock.NewVirtual(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	d := open(t, Config{Dir: t.TempDir(), CacheLimit: 3 << 20, Clock: now})
	var images []hostapi.DiskImage
	add := func(name string) {
		image, data := agenttest.RawImage(name, 1<<20)
		store(t, d, image, data)
		images = append(images, image)
		now.Advance(time.Hour)
	}
	add("used")
	prepare(t, d, hostapi.Disk{ID: "root", SizeMiB: 2, Image: &images[0]})
	for _, name := range []string{"oldest", "older", "newer", "newest"} {
		add(name)
	}
	var kept []bool
	for _, image := range images {
		ok, err := d.Cached(t.Context(), image)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, ok)
	}
	if want := []bool{true, false, true, true, true}; !equal(kept, want) {
		t.Errorf("kept are %v, wanted %v: the one in use and the last three", kept, want)
	}
}

func equal(a, b []bool) bool {
	for i := range a {
		if len(a) != len(b) || a[i] != b[i] {
			return false
		}
	}
	return true
}

func BenchmarkPrepareServer(b *testing.B) {
	d, err := Open(Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	image, data := agenttest.RawImage("bench", 1<<20)
	if err := d.Store(b.Context(), image, bytes.NewReader(data)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		g := hostapi.Guest{ID: guestID, Disks: []hostapi.Disk{{ID: "root", SizeMiB: 1024, Image: &image}}}
		if _, err := d.Prepare(b.Context(), g, nil); err != nil {
			b.Fatal(err)
		}
		if err := d.Remove(b.Context(), guestID); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkConfigDrive(b *testing.B) {
	d, err := Open(Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	files := map[string][]byte{}
	for i := range 60 {
		files[fmt.Sprintf("openstack/%d/meta_data.json", i)] = make([]byte, 2000)
	}
	for b.Loop() {
		if _, err := d.Prepare(b.Context(), hostapi.Guest{ID: guestID}, files); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStore(b *testing.B) {
	d, err := Open(Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	image, data := agenttest.RawImage("bench", 64<<20)
	b.SetBytes(64 << 20)
	for b.Loop() {
		if err := d.Store(b.Context(), image, bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
	}
}

func digest(data []byte) string {
	sum := sha512.Sum512(data)
	return hex.EncodeToString(sum[:])
}
