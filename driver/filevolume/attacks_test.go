package filevolume

import (
	"os"
	"path/filepath"
	"testing"

	"altostack/image/imagetest"
	"altostack/kernel/fault"
	"altostack/volume"
)

// Even if the image service had let it pass, no volume is made of it.
func TestAttacksAtVolumeFromImage(t *testing.T) {
	b := open(t, Config{})
	for name, a := range imagetest.Attacks() {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "image")
			must(t, os.WriteFile(path, a.Data, 0o600))
			if err := b.Ensure(t.Context(), volume.DiskSpec{ID: "v", SizeMiB: 4, ImagePath: path, ImageFormat: a.Format}); !fault.Has(err, fault.CodeFilevolumeBadSource) {
				t.Error(err)
			}
			nothingLeft(t, b)
		})
	}
}
