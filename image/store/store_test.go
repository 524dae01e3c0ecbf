package store_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/iotest"

	"altostack/driver/fileblobs"
	"altostack/image"
	"altostack/image/store"
	"altostack/kernel/auth"
	"altostack/kernel/clock"
	"altostack/kernel/db"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/kernel/page"
)

type world struct {
	*image.Service
	db    *db.DB
	dir   string
	blobs image.Blobs
}

func newWorld(t testing.TB, d *db.DB, limits image.Limits) *world {
	t.Helper()
	dir := t.TempDir()
	blobs, err := fileblobs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{db: d, dir: dir, blobs: blobs}
	w.restart(limits)
	return w
}

// restart is a new process on the same database and directory.
func (w *world) restart(limits image.Limits) {
	w.Service = image.New(image.Config{DB: w.db, Store: store.New(), Blobs: w.blobs, Clock: clock.Real{}, IDs: id.Random{}, Log: slog.New(slog.DiscardHandler), Limits: limits})
}

// files are all files in the store, whole or not.
func (w *world) files(t testing.TB) []string {
	t.Helper()
	list, err := w.blobs.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

var alice, bob, carol = auth.As("alice", "a"), auth.As("bob", "b"), auth.As("carol", "c")

func (w *world) queued(t testing.TB, spec image.Spec) image.Image {
	t.Helper()
	spec.ContainerFormat = "bare"
	if spec.DiskFormat == "" {
		spec.DiskFormat = "raw"
	}
	img, err := w.Create(t.Context(), alice, spec)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func (w *world) must(t testing.TB, scope auth.Scope, id string) image.Image {
	t.Helper()
	img, err := w.Get(t.Context(), scope, id)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestUpload(t *testing.T) {
	dbtest.Each(t, "image", store.Migrations(), func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, image.Limits{ImageBytes: 8 << 20, ProjectBytes: 9 << 20})
		data := bytes.Repeat([]byte("0123456789abcdef"), 3<<16+1) // not a multiple of a chunk
		img := w.queued(t, image.Spec{Name: "x"})
		if err := w.Upload(t.Context(), alice, img.ID, iotest.HalfReader(bytes.NewReader(data))); err != nil {
			t.Fatal(err)
		}
		got := w.must(t, alice, img.ID)
		sum5, sum512 := md5.Sum(data), sha512.Sum512(data)
		if got.Status != image.Active || got.Size != int64(len(data)) || got.VirtualSize != got.Size ||
			got.Checksum != hex.EncodeToString(sum5[:]) || got.HashAlgo != "sha512" || got.HashValue != hex.EncodeToString(sum512[:]) {
			t.Errorf("%+v", got)
		}
		r, _, err := w.Open(t.Context(), alice, img.ID)
		if err != nil {
			t.Fatal(err)
		}
		back, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil || !bytes.Equal(back, data) {
			t.Error("other bytes came back", err)
		}
		if path, format, err := w.Path(t.Context(), img.ID); err != nil || format != "raw" || filepath.Dir(filepath.Dir(path)) != w.dir {
			t.Error(path, format, err)
		}
		if err := w.Upload(t.Context(), alice, img.ID, bytes.NewReader(data)); !fault.Has(err, fault.CodeImageConflict) {
			t.Error("a second upload:", err)
		}
		bad := map[string]struct {
			spec image.Spec
			r    io.Reader
			code fault.Code
		}{
			"cut off":       {image.Spec{}, io.MultiReader(bytes.NewReader(data), iotest.ErrReader(io.ErrUnexpectedEOF)), fault.CodeImageUploadCut},
			"cut off early": {image.Spec{}, io.MultiReader(bytes.NewReader(data[:9]), iotest.ErrReader(io.ErrUnexpectedEOF)), fault.CodeImageUploadCut},
			"too large":     {image.Spec{}, io.LimitReader(zeros{}, 8<<20+1), fault.CodeImageTooLarge},
			"over quota":    {image.Spec{}, io.LimitReader(zeros{}, 7<<20), fault.CodeImageOverQuota},
			"no qcow2":      {image.Spec{DiskFormat: "qcow2"}, bytes.NewReader(data), fault.CodeImageFormatMismatch},
		}
		for name, tt := range bad {
			img := w.queued(t, tt.spec)
			if err := w.Upload(t.Context(), alice, img.ID, tt.r); !fault.Has(err, tt.code) {
				t.Errorf("%s: %v", name, err)
			}
			if again := w.must(t, alice, img.ID); again.Status != image.Queued || again.Size != -1 || again.Blob != "" {
				t.Errorf("%s left %+v", name, again)
			}
			if left := w.files(t); len(left) != 1 {
				t.Errorf("%s left files %v", name, left)
			}
		}
		if err := os.Remove(filepath.Join(w.dir, "blobs", got.Blob)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.Open(t.Context(), alice, img.ID); !fault.Has(err, fault.CodeImageCorrupt) {
			t.Error("bytes that are gone:", err)
		}
		if err := w.Delete(t.Context(), alice, img.ID); err != nil || len(w.files(t)) != 0 {
			t.Error("delete left", w.files(t), err)
		}
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A delete in the middle of an upload wins, and nothing is left.
func TestDeleteWhileUploading(t *testing.T) {
	dbtest.Each(t, "image", store.Migrations(), func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, image.Limits{})
		img := w.queued(t, image.Spec{})
		r, feed := io.Pipe()
		done := make(chan error)
		go func() { done <- w.Upload(t.Context(), alice, img.ID, r) }()
		if _, err := feed.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		if got := w.must(t, alice, img.ID); got.Status != image.Saving {
			t.Error("status while uploading:", got.Status)
		}
		if err := w.Delete(t.Context(), alice, img.ID); err != nil {
			t.Fatal(err)
		}
		_ = feed.Close()
		if err := <-done; !fault.Has(err, fault.CodeImageGone) {
			t.Error(err)
		}
		if left := w.files(t); len(left) != 0 {
			t.Error("left", left)
		}
	})
}

// What a crash leaves (a row in saving, bytes half or wholly written, bytes of a
// deleted image) is gone after the next start.
func TestRecover(t *testing.T) {
	dbtest.Each(t, "image", store.Migrations(), func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, image.Limits{})
		kept := w.queued(t, image.Spec{})
		if err := w.Upload(t.Context(), alice, kept.ID, bytes.NewReader([]byte("kept"))); err != nil {
			t.Fatal(err)
		}
		cut := w.queued(t, image.Spec{})
		r, feed := io.Pipe()
		ended := make(chan error)
		go func() { ended <- w.Upload(t.Context(), alice, cut.ID, r) }()
		if _, err := feed.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(w.dir, "blobs", "orphan"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		w.restart(image.Limits{})
		if d.Dialect == db.PostgreSQL { // beside others only time tells that somebody is dead
			if err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
				_, err := tx.Exec(ctx, "UPDATE images SET deadline = 1 WHERE status = 'saving'")
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // it may be repeated
			if err := w.Recover(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := w.must(t, alice, cut.ID); got.Status != image.Queued || got.Blob != "" {
			t.Errorf("%+v", got)
		}
		if left := w.files(t); len(left) != 1 || left[0] != w.must(t, alice, kept.ID).Blob {
			t.Error("files", left)
		}
		_ = feed.Close()
		if err := <-ended; !fault.Has(err, fault.CodeImageGone) && err == nil {
			t.Error("the dead process's upload took effect")
		}
	})
}

func TestVisibility(t *testing.T) {
	dbtest.Each(t, "image", store.Migrations(), func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, image.Limits{})
		ids := map[string]string{}
		for _, v := range []string{image.Private, image.Public, image.Shared, image.Community} {
			ids[v] = w.queued(t, image.Spec{Name: v, Visibility: v}).ID
		}
		if _, err := w.AddMember(t.Context(), alice, ids[image.Shared], "bob"); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			who  auth.Scope
			v    string
			sees bool
		}{
			{alice, image.Private, true}, {bob, image.Private, false}, {bob, image.Public, true}, {bob, image.Community, true},
			{bob, image.Shared, true}, {carol, image.Shared, false}, {auth.System("test"), image.Private, true}, {auth.Scope{}, image.Public, false},
		} {
			_, err := w.Get(t.Context(), tt.who, ids[tt.v])
			if tt.sees && err != nil || !tt.sees && !fault.Has(err, fault.CodeImageNotFound) {
				t.Errorf("%s image: %v", tt.v, err)
			}
		}
		lists := func(who auth.Scope, q image.Query) string {
			q.Page.Sort = []page.Key{{Column: "name"}}
			list, _, err := w.List(t.Context(), who, q)
			if err != nil {
				t.Fatal(err)
			}
			names := []string{}
			for _, i := range list {
				names = append(names, i.Name)
			}
			return fmt.Sprint(names)
		}
		for _, tt := range []struct {
			who  auth.Scope
			q    image.Query
			want string
		}{
			{alice, image.Query{MemberStatus: "accepted"}, "[community private public shared]"},
			{bob, image.Query{MemberStatus: "accepted"}, "[public]"},
			{bob, image.Query{MemberStatus: "pending"}, "[public shared]"},
			{bob, image.Query{MemberStatus: "all", Visibility: "shared"}, "[shared]"},
			{bob, image.Query{MemberStatus: "accepted", Visibility: "community"}, "[community]"},
			{bob, image.Query{MemberStatus: "accepted", Visibility: "private"}, "[]"},
			{carol, image.Query{MemberStatus: "all", Visibility: "all"}, "[community public]"},
			{auth.System("test"), image.Query{}, "[private public shared]"},
		} {
			if got := lists(tt.who, tt.q); got != tt.want {
				t.Errorf("%+v: got %s, want %s", tt.q, got, tt.want)
			}
		}
		if _, err := w.SetMember(t.Context(), alice, ids[image.Shared], "bob", "accepted"); !fault.Has(err, fault.CodeImageForbidden) {
			t.Error("the owner accepted for the member:", err)
		}
		if _, err := w.SetMember(t.Context(), bob, ids[image.Shared], "bob", "accepted"); err != nil {
			t.Error(err)
		}
		if got := lists(bob, image.Query{MemberStatus: "accepted"}); got != "[public shared]" {
			t.Error("after accepting:", got)
		}
		for who, err := range map[string]error{
			"bob deletes":  w.Delete(t.Context(), bob, ids[image.Public]),
			"bob uploads":  w.Upload(t.Context(), bob, ids[image.Shared], bytes.NewReader(nil)),
			"bob invites":  second(w.AddMember(t.Context(), bob, ids[image.Shared], "carol")),
			"public share": second(w.AddMember(t.Context(), alice, ids[image.Public], "carol")),
		} {
			if !fault.Has(err, fault.CodeImageForbidden) {
				t.Errorf("%s: %v", who, err)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestRules(t *testing.T) {
	dbtest.Each(t, "image", store.Migrations(), func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, image.Limits{ProjectImages: 2})
		img := w.queued(t, image.Spec{Protected: true, Tags: []string{"b", "a", "b"}, Properties: map[string]string{"k": "v"}})
		if !slices.Equal(img.Tags, []string{"a", "b"}) {
			t.Error(img.Tags)
		}
		if err := w.Delete(t.Context(), alice, img.ID); !fault.Has(err, fault.CodeImageProtected) {
			t.Error(err)
		}
		if _, err := w.Create(t.Context(), alice, image.Spec{ID: img.ID}); !fault.Has(err, fault.CodeImageIdTaken) {
			t.Error(err)
		}
		if _, err := w.Create(t.Context(), alice, image.Spec{DiskFormat: "floppy"}); !fault.Has(err, fault.CodeImageInvalid) {
			t.Error(err)
		}
		if _, err := w.Create(t.Context(), alice, image.Spec{Owner: "bob"}); !fault.Has(err, fault.CodeImageForbidden) {
			t.Error(err)
		}
		if _, err := w.AddMember(t.Context(), alice, img.ID, "bob"); err != nil {
			t.Error(err)
		}
		if _, err := w.AddMember(t.Context(), alice, img.ID, "bob"); !fault.Has(err, fault.CodeImageMemberExists) {
			t.Error(err)
		}
		w.queued(t, image.Spec{})
		if _, err := w.Create(t.Context(), alice, image.Spec{}); !fault.Has(err, fault.CodeImageOverQuota) {
			t.Error(err)
		}
		out, err := w.Update(t.Context(), alice, img.ID, func(i *image.Image, _ bool) error {
			i.Name, i.Size, i.Blob, i.Properties["k"] = "new", 7, "stolen", "w"
			return nil
		})
		if err != nil || out.Name != "new" || out.Size != -1 || out.Blob != "" || w.must(t, alice, img.ID).Properties["k"] != "w" {
			t.Errorf("%+v %v", out, err)
		}
	})
}

func BenchmarkUpload(b *testing.B) {
	d := dbtest.SQLite(b)
	if err := d.Migrate(b.Context(), "image", store.Migrations()); err != nil {
		b.Fatal(err)
	}
	w := newWorld(b, d, image.Limits{})
	const size = 256 << 20
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		img := w.queued(b, image.Spec{})
		if err := w.Upload(b.Context(), alice, img.ID, io.LimitReader(zeros{}, size)); err != nil {
			b.Fatal(err)
		}
		if err := w.Delete(b.Context(), alice, img.ID); err != nil {
			b.Fatal(err)
		}
	}
}
