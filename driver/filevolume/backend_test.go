package filevolume

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"altostack/driver/qcow2"
	"altostack/kernel/fault"
	"altostack/volume"
)

func open(t *testing.T, cfg Config) *Backend {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	b, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write puts bytes into a volume as its guest would.
func write(t *testing.T, b *Backend, id string, at int64, data string) {
	t.Helper()
	c, err := b.Connect(t.Context(), id)
	must(t, err)
	f, err := os.OpenFile(c.Path, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt([]byte(data), at)
	must(t, errors.Join(err, f.Close()))
}

func read(t *testing.T, b *Backend, id string) []byte {
	t.Helper()
	r, err := b.Export(t.Context(), id)
	must(t, err)
	data, err := io.ReadAll(r)
	must(t, errors.Join(err, r.Close()))
	return data
}

// attach locks a volume the way QEMU does.
func attach(t *testing.T, b *Backend, id string) (detach func()) {
	t.Helper()
	c, err := b.Connect(t.Context(), id)
	must(t, err)
	f, err := os.OpenFile(c.Path, os.O_RDWR, 0)
	must(t, err)
	must(t, unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_RDLCK, Start: 100, Len: 1}))
	return func() { must(t, f.Close()) }
}

func TestLifeOfAVolume(t *testing.T) {
	b := open(t, Config{})
	for range 2 {
		must(t, b.Ensure(t.Context(), volume.DiskSpec{ID: "v1", SizeMiB: 4}))
	}
	write(t, b, "v1", 1<<20, "first")
	for range 2 {
		must(t, b.Snapshot(t.Context(), "v1", "s1"))
	}
	write(t, b, "v1", 1<<20, "other")
	for range 2 {
		must(t, b.Extend(t.Context(), "v1", 8))
	}
	must(t, b.Extend(t.Context(), "v1", 1)) // never smaller
	must(t, b.Ensure(t.Context(), volume.DiskSpec{ID: "v2", SizeMiB: 8, SnapshotID: "s1"}))
	must(t, b.Ensure(t.Context(), volume.DiskSpec{ID: "v3", SizeMiB: 9, VolumeID: "v1"}))
	b = open(t, Config{Dir: b.cfg.Dir})
	for range 2 {
		must(t, b.Remove(t.Context(), "v1"))
	}
	for id, want := range map[string]struct {
		size int
		data string
	}{"v2": {8 << 20, "first"}, "v3": {9 << 20, "other"}} {
		data := read(t, b, id)
		if len(data) != want.size || string(data[1<<20:1<<20+5]) != want.data {
			t.Errorf("%s has %d bytes and reads %q", id, len(data), data[1<<20:1<<20+5])
		}
	}
	stored, err := b.List(t.Context())
	if err != nil || !slices.Equal(stored.Volumes, []string{"v2", "v3"}) || !slices.Equal(stored.Snapshots, []string{"s1"}) {
		t.Errorf("there is %+v, %v", stored, err)
	}
	for range 2 {
		must(t, errors.Join(b.RemoveSnapshot(t.Context(), "s1"), b.Remove(t.Context(), "v2"), b.Remove(t.Context(), "v3")))
	}
	nothingLeft(t, b)
}

func nothingLeft(t *testing.T, b *Backend) {
	t.Helper()
	must(t, filepath.WalkDir(b.cfg.Dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			t.Errorf("left behind: %s", path)
		}
		return err
	}))
}

func TestFromImages(t *testing.T) {
	program, err := exec.LookPath("qemu-img")
	if err != nil {
		t.Fatal("qemu-img is missing; install the package qemu-utils")
	}
	dir := t.TempDir()
	raw, q := filepath.Join(dir, "raw"), filepath.Join(dir, "qcow2")
	must(t, os.WriteFile(raw, bytes.Repeat([]byte("tiny"), 1<<18), 0o644))
	if out, err := exec.Command(program, "convert", "-f", "raw", "-O", "qcow2", raw, q).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b := open(t, Config{})
	for format, path := range map[string]string{"raw": raw, "qcow2": q} {
		must(t, b.Ensure(t.Context(), volume.DiskSpec{ID: format, SizeMiB: 3, ImagePath: path, ImageFormat: format}))
		if data := read(t, b, format); len(data) != 3<<20 || !bytes.HasPrefix(data, bytes.Repeat([]byte("tiny"), 1<<18)) {
			t.Errorf("of a %s image: %d bytes, beginning %q", format, len(data), data[:8])
		}
		must(t, b.Remove(t.Context(), format))
	}
	nothingLeft(t, b)
}

func TestBadSourcesLeaveNothing(t *testing.T) {
	b := open(t, Config{})
	dir := t.TempDir()
	raw, backed := filepath.Join(dir, "raw"), filepath.Join(dir, "backed")
	must(t, os.WriteFile(raw, make([]byte, 3<<20), 0o644))
	must(t, qcow2.Create(backed, qcow2.Image{Size: 1 << 20, Backing: "/etc/passwd", BackingFormat: "raw"}, 0o644))
	for name, tt := range map[string]struct {
		spec volume.DiskSpec
		code fault.Code
	}{
		"too large":        {volume.DiskSpec{ID: "v", SizeMiB: 2, ImagePath: raw, ImageFormat: "raw"}, fault.CodeFilevolumeBadSource},
		"backing file":     {volume.DiskSpec{ID: "v", SizeMiB: 2, ImagePath: backed, ImageFormat: "qcow2"}, fault.CodeFilevolumeBadSource},
		"raw called qcow2": {volume.DiskSpec{ID: "v", SizeMiB: 4, ImagePath: raw, ImageFormat: "qcow2"}, fault.CodeFilevolumeBadSource},
		"unknown format":   {volume.DiskSpec{ID: "v", SizeMiB: 4, ImagePath: raw, ImageFormat: "vmdk"}, fault.CodeFilevolumeBadSource},
		"no such snapshot": {volume.DiskSpec{ID: "v", SizeMiB: 4, SnapshotID: "x"}, fault.CodeFilevolumeNotFound},
		"no such volume":   {volume.DiskSpec{ID: "v", SizeMiB: 4, VolumeID: "x"}, fault.CodeFilevolumeNotFound},
		"id is a path":     {volume.DiskSpec{ID: "../v", SizeMiB: 4}, fault.CodeFilevolumeNotFound},
	} {
		if err := b.Ensure(t.Context(), tt.spec); !fault.Has(err, tt.code) {
			t.Errorf("%s: %v", name, err)
		}
		nothingLeft(t, b)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	must(t, os.WriteFile(filepath.Join(dir, "data"), []byte("data"), 0o644))
	if err := b.Ensure(ctx, volume.DiskSpec{ID: "v", SizeMiB: 4, ImagePath: filepath.Join(dir, "data"), ImageFormat: "raw"}); err == nil {
		t.Log("the file system clones, so there was nothing to cancel")
		must(t, b.Remove(t.Context(), "v"))
	}
	nothingLeft(t, b)
	if err := b.Extend(t.Context(), "x", 4); !fault.Has(err, fault.CodeFilevolumeNotFound) {
		t.Errorf("extending nothing: %v", err)
	}
	if _, err := b.Connect(t.Context(), "x"); !fault.Has(err, fault.CodeFilevolumeNotFound) {
		t.Errorf("connecting to nothing: %v", err)
	}
	if _, err := b.Export(t.Context(), "x"); !fault.Has(err, fault.CodeFilevolumeNotFound) {
		t.Errorf("exporting nothing: %v", err)
	}
	must(t, b.Remove(t.Context(), "../x"))
}

// TestVolumeInUse runs on file systems that clone and on ones that do not; only
// on the latter does somebody have to hold still.
func TestVolumeInUse(t *testing.T) {
	frozen, thawed := 0, 0
	b := open(t, Config{})
	must(t, b.Ensure(t.Context(), volume.DiskSpec{ID: "v1", SizeMiB: 4}))
	write(t, b, "v1", 0, "data")
	detach := attach(t, b, "v1")
	must(t, b.Extend(t.Context(), "v1", 5))
	err := b.Snapshot(t.Context(), "v1", "s1")
	clones := err == nil
	if !clones && !fault.Has(err, fault.CodeFilevolumeBusy) {
		t.Fatalf("a snapshot of a volume in use: %v", err)
	}
	b = open(t, Config{Dir: b.cfg.Dir, Freeze: func(_ context.Context, id string) (func(), error) {
		if id != "v1" {
			t.Errorf("volume %s was to be frozen", id)
		}
		frozen++
		return func() { thawed++ }, nil
	}})
	must(t, b.Snapshot(t.Context(), "v1", "s2"))
	if data := read(t, b, "v1"); !bytes.HasPrefix(data, []byte("data")) {
		t.Errorf("exported while in use: %q", data[:4])
	}
	if want := 2; !clones && (frozen != want || thawed != want) {
		t.Errorf("two copies froze %d times and thawed %d times", frozen, thawed)
	}
	detach()
	must(t, b.Snapshot(t.Context(), "v1", "s3"))
	must(t, errors.Join(b.Remove(t.Context(), "v1"), b.RemoveSnapshot(t.Context(), "s1"),
		b.RemoveSnapshot(t.Context(), "s2"), b.RemoveSnapshot(t.Context(), "s3")))
	nothingLeft(t, b)
}

func TestUsage(t *testing.T) {
	u, err := open(t, Config{}).Usage(t.Context())
	if err != nil || u.FreeMiB <= 0 || u.TotalMiB < u.FreeMiB {
		t.Errorf("%+v, %v", u, err)
	}
}
