package volumetest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"altostack/volume"
)

// RunBackend is what every backend does alike. open makes an empty one.
func RunBackend(t *testing.T, open func(t *testing.T) volume.Backend) {
	t.Helper()
	for name, test := range map[string]func(t *testing.T, b volume.Backend){
		"absence is success":                          absence,
		"an empty volume reads as zeros":              empty,
		"copies are apart from what they copy":        copies,
		"a source that is too large leaves no volume": tooLarge,
		"content replaces a disk whole or not at all": imported,
		"a source that is missing leaves no volume":   missing,
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			test(t, b)
			stored, err := b.List(t.Context())
			if err != nil || len(stored.Volumes)+len(stored.Snapshots) > 0 {
				t.Errorf("left behind: %+v, %v", stored, err)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Read answers the whole content of a volume.
func Read(t testing.TB, b volume.Backend, id string) []byte {
	t.Helper()
	r, err := b.Export(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if cerr := r.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	return data
}

func absence(t *testing.T, b volume.Backend) {
	must(t, b.Remove(t.Context(), "none"))
	must(t, b.RemoveSnapshot(t.Context(), "none"))
	if _, err := b.Connect(t.Context(), "none"); err == nil {
		t.Error("a volume that is not there was connected")
	}
	if _, err := b.Export(t.Context(), "none"); err == nil {
		t.Error("a volume that is not there was read")
	}
	if err := b.Snapshot(t.Context(), "none", "s"); err == nil {
		t.Error("a volume that is not there was snapshotted")
	}
	room, err := b.Usage(t.Context())
	if err != nil || room.TotalMiB <= 0 || room.FreeMiB > room.TotalMiB {
		t.Errorf("room %+v, %v", room, err)
	}
}

func empty(t *testing.T, b volume.Backend) {
	for range 2 {
		must(t, b.Ensure(t.Context(), volume.DiskSpec{ID: "v", SizeMiB: 2}))
	}
	if data := Read(t, b, "v"); len(data) != 2<<20 || len(bytes.Trim(data, "\x00")) > 0 {
		t.Errorf("%d bytes, not all zero", len(data))
	}
	for range 2 {
		must(t, b.Extend(t.Context(), "v", 3))
	}
	must(t, b.Extend(t.Context(), "v", 1))
	if n := len(Read(t, b, "v")); n != 3<<20 {
		t.Errorf("%d bytes after extending to 3 MiB", n)
	}
	if c, err := b.Connect(t.Context(), "v"); err != nil || c.Driver == "" || c.Format != "raw" && c.Format != "qcow2" {
		t.Errorf("connection %+v, %v", c, err)
	}
	must(t, b.Remove(t.Context(), "v"))
	must(t, b.Remove(t.Context(), "v"))
}

func image(t *testing.T, size int) (path string, content []byte) {
	t.Helper()
	content = bytes.Repeat([]byte("altostack"), size/9+1)[:size]
	path = filepath.Join(t.TempDir(), "image")
	must(t, os.WriteFile(path, content, 0o600))
	return path, content
}

func copies(t *testing.T, b volume.Backend) {
	path, content := image(t, 1<<20)
	for range 2 {
		must(t, b.Ensure(t.Context(), volume.DiskSpec{ID: "v", SizeMiB: 2, ImagePath: path, ImageFormat: "raw"}))
	}
	for range 2 {
		must(t, b.Snapshot(t.Context(), "v", "s"))
	}
	must(t, b.Ensure(t.Context(), volume.DiskSpec{ID: "clone", SizeMiB: 2, VolumeID: "v"}))
	must(t, b.Remove(t.Context(), "v")) // its snapshot and clone stay
	must(t, b.Ensure(t.Context(), volume.DiskSpec{ID: "back", SizeMiB: 3, SnapshotID: "s"}))
	must(t, b.RemoveSnapshot(t.Context(), "s"))
	must(t, b.RemoveSnapshot(t.Context(), "s"))
	for id, size := range map[string]int{"clone": 2 << 20, "back": 3 << 20} {
		if data := Read(t, b, id); len(data) != size || !bytes.HasPrefix(data, content) {
			t.Errorf("%s has %d bytes of other content", id, len(data))
		}
	}
	if stored, err := b.List(t.Context()); err != nil || !slices.Equal(stored.Volumes, []string{"back", "clone"}) {
		t.Errorf("there is %+v, %v", stored, err)
	}
	must(t, b.Remove(t.Context(), "clone"))
	must(t, b.Remove(t.Context(), "back"))
}

func tooLarge(t *testing.T, b volume.Backend) {
	path, _ := image(t, 3<<20)
	if err := b.Ensure(t.Context(), volume.DiskSpec{ID: "v", SizeMiB: 2, ImagePath: path, ImageFormat: "raw"}); err == nil {
		t.Error("3 MiB went into 2")
	}
}

func missing(t *testing.T, b volume.Backend) {
	for _, spec := range []volume.DiskSpec{{SnapshotID: "none"}, {VolumeID: "none"}, {ImagePath: filepath.Join(t.TempDir(), "none"), ImageFormat: "raw"}} {
		spec.ID, spec.SizeMiB = "v", 1
		if err := b.Ensure(t.Context(), spec); err == nil {
			t.Errorf("made of nothing: %+v", spec)
		}
	}
}

func imported(t *testing.T, b volume.Backend) {
	content := bytes.Repeat([]byte("altostack"), 300<<10)
	must(t, b.Import(t.Context(), "v", 4, bytes.NewReader(content)))
	must(t, b.Snapshot(t.Context(), "v", "s"))
	if err := b.Import(t.Context(), "v", 2, bytes.NewReader(make([]byte, 3<<20))); err == nil {
		t.Error("3 MiB went into 2")
	}
	if err := b.Import(t.Context(), "v", 4, io.MultiReader(strings.NewReader("half"), iotest.ErrReader(errors.New("cut")))); err == nil {
		t.Error("content that breaks off was taken")
	}
	if data := Read(t, b, "v"); len(data) != 4<<20 || !bytes.HasPrefix(data, content) {
		t.Errorf("%d bytes of other content after refused imports", len(data))
	}
	for range 2 {
		must(t, b.Import(t.Context(), "v", 2, strings.NewReader("new")))
	}
	if data := Read(t, b, "v"); len(data) != 2<<20 || !bytes.HasPrefix(data, []byte("new\x00")) {
		t.Errorf("%d bytes of other content after an import", len(data))
	}
	r, err := b.ExportSnapshot(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	must(t, errors.Join(err, r.Close()))
	if len(data) != 4<<20 || !bytes.HasPrefix(data, content) {
		t.Errorf("the snapshot has %d bytes of other content", len(data))
	}
	if _, err := b.ExportSnapshot(t.Context(), "none"); err == nil {
		t.Error("a snapshot that is not there was read")
	}
	must(t, b.Remove(t.Context(), "v"))
	must(t, b.RemoveSnapshot(t.Context(), "s"))
}
