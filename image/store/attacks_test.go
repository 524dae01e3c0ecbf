package store_test

import (
	"bytes"
	"testing"

	"altostack/image"
	"altostack/image/imagetest"
	"altostack/image/store"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/fault"
)

// What clouds have been attacked with is refused when it is uploaded, under its
// own name and within containers, and when it is imported; nothing of it is kept.
func TestAttacks(t *testing.T) {
	d := dbtest.SQLite(t)
	if err := d.Migrate(t.Context(), "image", store.Migrations()); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, d, nil)
	for name, a := range imagetest.Attacks() {
		t.Run("upload: "+name, func(t *testing.T) {
			img := s.create(a.Format)
			err := s.Upload(t.Context(), alice, img.ID, bytes.NewReader(a.Data))
			if !fault.Has(err, fault.CodeImageUnsafe) && !fault.Has(err, fault.CodeImageFormatMismatch) {
				t.Error(err)
			}
			if img, err = s.Get(t.Context(), alice, img.ID); err != nil || img.Status != image.Queued {
				t.Error(img.Status, err)
			}
		})
		t.Run("import: "+name, func(t *testing.T) {
			img := s.create(a.Format)
			if err := s.Stage(t.Context(), alice, img.ID, bytes.NewReader(a.Data)); err != nil {
				t.Fatal(err)
			}
			img, task := s.imported(img.ID, image.Import{Method: "glance-direct", MustSucceed: true})
			if img.Status != image.Queued || task.Status != image.TaskFailure {
				t.Errorf("%s, task %s %s", img.Status, task.Status, task.Message)
			}
		})
	}
	s.nothing("")
}
