package store_test

import (
	"context"
	"io/fs"
	"testing"
	"testing/fstest"

	"altostack/image/store"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/db/dbtest"
)

// What a cloud had before there were several stores is still there afterwards,
// with all that hangs on it.
func TestUpgrade(t *testing.T) {
	first, err := fs.ReadFile(store.Migrations(), "001_images.sql")
	if err != nil {
		t.Fatal(err)
	}
	// The rows come with the first migration, as nobody writes before the second.
	const rows = `
		INSERT INTO images (id, name, status, visibility, owner, disk_format, container_format, checksum, hash_algo, hash_value, size, virtual_size, min_disk, min_ram,
			protected, hidden, blob, uploader, deadline, generation, created_at, updated_at)
		VALUES ('i', 'old', 'active', 'shared', 'alice', 'raw', 'bare', 'c', 'sha512', 'h', 5, 5, 0, 0, TRUE, FALSE, 'b', '', 0, 3, 1000000, 2000000);
		INSERT INTO image_properties (image_id, name, value) VALUES ('i', 'hw', '1');
		INSERT INTO image_tags (image_id, tag) VALUES ('i', 'kept');
		INSERT INTO image_members (image_id, member_id, status, created_at, updated_at) VALUES ('i', 'bob', 'accepted', 1, 1);
`
	dbtest.Each(t, "image", fstest.MapFS{"001_images.sql": {Data: append(first, rows...)}}, func(t *testing.T, d *db.DB) {
		if err := d.Migrate(t.Context(), "image", store.Migrations()); err != nil {
			t.Fatal(err)
		}
		s := newSite(t, d, nil)
		img, err := s.Get(t.Context(), auth.As("alice", "alice"), "i")
		if err != nil || img.Name != "old" || img.Properties["hw"] != "1" || len(img.Tags) != 1 || img.Blob != "b" || !img.Protected || len(img.StoresOf()) != 1 || img.StoresOf()[0] != "file" {
			t.Errorf("%+v %v", img, err)
		}
		if _, members, err := s.Members(t.Context(), auth.As("alice", "alice"), "i"); err != nil || len(members) != 1 {
			t.Error(members, err)
		}
		// What hangs on an image still goes with it.
		if err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error { return store.New().Delete(ctx, tx, "i") }); err != nil {
			t.Error(err)
		}
	})
}
