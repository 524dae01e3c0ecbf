package qcow2

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// qemuImg runs the program that decides what a qcow2 image is.
func qemuImg(t *testing.T, args ...string) []byte {
	t.Helper()
	program, err := exec.LookPath("qemu-img")
	if err != nil {
		t.Fatal("qemu-img is missing; install the package qemu-utils")
	}
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("qemu-img %v: %v\n%s", args, err, out)
	}
	return out
}

func TestQemuAcceptsWhatIsWritten(t *testing.T) {
	base := filepath.Join(t.TempDir(), "base")
	if err := os.WriteFile(base, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, image := range map[string]Image{
		"empty":            {},
		"one sector":       {Size: 512},
		"a table's edge":   {Size: l1Covers},
		"just over it":     {Size: l1Covers + 512},
		"two tables":       {Size: 5 << 40},
		"overlay on raw":   {Size: 1 << 30, Backing: base, BackingFormat: "raw"},
		"overlay on qcow2": {Size: 1 << 30, Backing: "overlay", BackingFormat: "qcow2"},
	} {
		t.Run(name, func(t *testing.T) {
			if image.Backing == "overlay" {
				image.Backing = filepath.Join(t.TempDir(), "below")
				if err := Create(image.Backing, Image{Size: 1 << 20}, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			path := filepath.Join(t.TempDir(), "new.qcow2")
			if err := Create(path, image, 0o600); err != nil {
				t.Fatal(err)
			}
			qemuImg(t, "check", "-f", "qcow2", path)
			var info struct {
				Size    int64  `json:"virtual-size"`
				Backing string `json:"backing-filename"`
				Format  string `json:"backing-filename-format"`
			}
			if err := json.Unmarshal(qemuImg(t, "info", "-f", "qcow2", "--output=json", path), &info); err != nil {
				t.Fatal(err)
			}
			if info.Size != image.Size || info.Backing != image.Backing || info.Format != image.BackingFormat {
				t.Errorf("qemu-img sees %+v, written was %+v", info, image)
			}
			h, err := ReadHeader(path)
			if err != nil || h.Size != image.Size || h.Backing != image.Backing {
				t.Errorf("ReadHeader = %+v, %v; written was %+v", h, err, image)
			}
		})
	}
}

func TestRefusedLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	for name, image := range map[string]Image{
		"odd size":          {Size: 100},
		"relative backing":  {Size: 512, Backing: "a", BackingFormat: "raw"},
		"unknown format":    {Size: 512, Backing: "/a"},
		"negative":          {Size: -512},
		"larger than large": {Size: 1 << 62},
	} {
		if err := Create(filepath.Join(dir, "x"), image, 0o600); err == nil {
			t.Errorf("%s was written", name)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestReadHeaderRefusesOtherFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	for _, content := range []string{"", "QFI", string(make([]byte, 200))} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if h, err := ReadHeader(path); err == nil {
			t.Errorf("%q has header %+v", content, h)
		}
	}
}

func BenchmarkCreateOverlay(b *testing.B) {
	dir := b.TempDir()
	for i := range b.N {
		path := filepath.Join(dir, "x")
		if err := Create(path, Image{Size: 20 << 30, Backing: "/base", BackingFormat: "qcow2"}, 0o600); err != nil {
			b.Fatal(i, err)
		}
		if err := os.Remove(path); err != nil {
			b.Fatal(err)
		}
	}
}
