package api_test

import (
	"log/slog"
	"strings"
	"testing"

	"altostack/driver/fileblobs"
	"altostack/image"
	"altostack/image/api"
	"altostack/image/store"
	"altostack/kernel/clock"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/id"
)

func TestPropertyProtection(t *testing.T) {
	for format, file := range map[string]string{
		"roles":    "[^lic_.*]\ncreate=admin\nread=admin,member\nupdate=admin\ndelete=admin\n[^hid_.*]\ncreate=@\nread=admin\nupdate=admin\ndelete=admin\n[.*]\ncreate=@\nread=@\nupdate=@\ndelete=@\n",
		"policies": "[^lic_.*]\ncreate=context_is_admin\nread=default\nupdate=context_is_admin\ndelete=context_is_admin\n[^hid_.*]\ncreate=default\nread=context_is_admin\nupdate=context_is_admin\ndelete=context_is_admin\n[.*]\ncreate=@\nread=@\nupdate=@\ndelete=@\n",
	} {
		t.Run(format, func(t *testing.T) {
			p, err := image.ReadProtections(strings.NewReader(file), format)
			if err != nil {
				t.Fatal(err)
			}
			d := dbtest.SQLite(t)
			if err := d.Migrate(t.Context(), "image", store.Migrations()); err != nil {
				t.Fatal(err)
			}
			blobs, err := fileblobs.Open(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			s := image.New(image.Config{DB: d, Store: store.New(), Blobs: blobs, Clock: clock.Real{}, IDs: id.Random{}, Log: slog.New(slog.DiscardHandler)})
			protects(t, serve(t, api.New(s).Protect(p).Routes()))
		})
	}
}

func protects(t *testing.T, c *cloud) {
	c.want(403, owner, "POST /v2/images", `{"name": "x", "lic_key": "1"}`)
	id := c.create(`{"name": "x", "free": "1", "hid_den": "2"}`)
	at := "/v2/images/" + id
	op := func(status int, who, op, path string) answer {
		t.Helper()
		return c.want(status, who, "PATCH "+at, `[{"op": "`+op+`", "path": "/`+path+`", "value": "v"}]`, "Content-Type", patch)
	}
	if a := c.want(200, owner, "GET "+at, ""); a.body["hid_den"] != nil || a.body["free"] != "1" {
		t.Error(a.raw)
	}
	if a := c.want(200, admin, "GET "+at, ""); a.body["hid_den"] != "2" {
		t.Error(a.raw)
	}
	for who, want := range map[string]int{owner: 0, admin: 1} {
		if got := c.want(200, who, "GET /v2/images?visibility=all&hid_den=2", "").body["images"].([]any); len(got) != want {
			t.Errorf("%s finds %d images by a property that is protected", who, len(got))
		}
	}
	op(200, owner, "replace", "free")
	op(409, owner, "replace", "hid_den")
	op(409, owner, "remove", "hid_den")
	op(403, owner, "add", "hid_den")
	op(403, owner, "add", "lic_key")
	op(200, admin, "add", "lic_key")
	if a := c.want(200, owner, "GET "+at, ""); a.body["lic_key"] != "v" {
		t.Error(a.raw)
	}
	op(403, owner, "replace", "lic_key")
	op(403, owner, "remove", "lic_key")
	op(200, admin, "remove", "lic_key")
}
