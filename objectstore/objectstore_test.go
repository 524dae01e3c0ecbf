package objectstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"altostack/driver/fileobjects"
	"altostack/kernel/clock"
	"altostack/kernel/db"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/objectstore"
	"altostack/objectstore/store"
)

// world is a store over files, on one of the databases.
type world struct {
	*objectstore.Service
	t       *testing.T
	d       *db.DB
	dir     string
	backend *fileobjects.Store
	clock   *clock.Virtual
	c       objectstore.Container
}

func each(t *testing.T, test func(t *testing.T, w *world)) {
	dbtest.Each(t, "objectstore", store.Migrations(), func(t *testing.T, d *db.DB) {
		w := &world{t: t, d: d, dir: t.TempDir(), clock: clock.NewVirtual(time.Unix(1_700_000_000, 0))}
		var err error
		if w.backend, err = fileobjects.Open(w.dir); err != nil {
			t.Fatal(err)
		}
		w.Service = w.process()
		if w.c, _, err = w.EnsureContainer(t.Context(), "AUTH_p", "c", keep); err != nil {
			t.Fatal(err)
		}
		test(t, w)
		w.sums()
	})
}

// process is another process on the same store.
func (w *world) process() *objectstore.Service {
	return objectstore.New(objectstore.Config{DB: w.d, Store: store.New(w.d), Clock: w.clock, IDs: id.Random{}, Log: slog.New(slog.DiscardHandler),
		Policies: []objectstore.Policy{{Name: "Policy-0", Default: true, Backend: w.backend}}})
}

func keep(*objectstore.Container, bool) error { return nil }

func (w *world) put(name, text string) objectstore.Object {
	w.t.Helper()
	o, err := w.Put(w.t.Context(), w.c, objectstore.Put{Name: name, ContentType: "text/plain", Length: int64(len(text))}, strings.NewReader(text))
	if err != nil {
		w.t.Fatal(err)
	}
	return o
}

func (w *world) text(name, version string) string {
	w.t.Helper()
	o, err := w.Object(w.t.Context(), w.c, name, version)
	if err != nil {
		return "error: " + string(fault.From(err).Code)
	}
	r, err := w.OpenStored(w.t.Context(), w.c, o, 0, o.Stored)
	if err != nil {
		return "error: " + string(fault.From(err).Code)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}

func (w *world) files() []string {
	w.t.Helper()
	var out []string
	if err := w.backend.List(w.t.Context(), "", func(id string) error { out = append(out, id); return nil }); err != nil {
		w.t.Fatal(err)
	}
	return out
}

// sums compares what writes kept with what counting gives.
func (w *world) sums() {
	w.t.Helper()
	var objects, versions, bytes int64
	if err := w.d.QueryRow(w.t.Context(), `SELECT CAST(COALESCE(SUM(CASE WHEN state = 2 THEN 1 ELSE 0 END), 0) AS BIGINT),
		CAST(COALESCE(SUM(CASE WHEN state = 2 THEN 0 ELSE 1 END), 0) AS BIGINT), CAST(COALESCE(SUM(stored), 0) AS BIGINT) FROM objects WHERE container_id = $1`, w.c.ID).Scan(&objects, &versions, &bytes); err != nil {
		w.t.Fatal(err)
	}
	c, err := w.Container(context.Background(), "AUTH_p", "c")
	if fault.Has(err, fault.CodeObjectstoreContainerNotFound) {
		return
	}
	if err != nil {
		w.t.Fatal(err)
	}
	if want := (objectstore.Usage{Objects: objects, Versions: versions, Bytes: bytes}); c.Usage != want {
		w.t.Errorf("the container's sums are %+v, counted %+v", c.Usage, want)
	}
	a, err := w.Account(context.Background(), "AUTH_p")
	if err != nil {
		w.t.Fatal(err)
	}
	if got := a.Total(); got.Objects != objects || got.Bytes != bytes {
		w.t.Errorf("the account's sums are %+v, counted %d objects, %d bytes", got, objects, bytes)
	}
}

func TestPutReplaceDelete(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.put("a", "one")
		w.put("b//..", "")
		w.put("a", "longer")
		if got := w.text("a", ""); got != "longer" {
			t.Error(got)
		}
		if got := w.text("b//..", ""); got != "" {
			t.Error(got)
		}
		if err := w.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(w.files()); n != 1 {
			t.Errorf("%d files for one object with bytes", n)
		}
		if err := w.DeleteContainer(t.Context(), "AUTH_p", "c", nil); !fault.Has(err, fault.CodeObjectstoreContainerNotEmpty) {
			t.Error(err)
		}
		for _, name := range []string{"a", "b//.."} {
			if _, err := w.DeleteObject(t.Context(), w.c, name, objectstore.Deletion{}); err != nil {
				t.Error(err)
			}
		}
		if _, err := w.DeleteObject(t.Context(), w.c, "a", objectstore.Deletion{}); !fault.Has(err, fault.CodeObjectstoreObjectNotFound) {
			t.Error(err)
		}
		if err := w.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := w.files(); len(left) != 0 {
			t.Error("left", left)
		}
		if err := w.DeleteContainer(t.Context(), "AUTH_p", "c", nil); err != nil {
			t.Error(err)
		}
		if _, err := w.Put(t.Context(), w.c, objectstore.Put{Name: "late", Length: 1}, strings.NewReader("x")); !fault.Has(err, fault.CodeObjectstoreContainerNotFound) {
			t.Error("into a container that is gone:", err)
		}
		if left := w.files(); len(left) != 0 {
			t.Error("left", left)
		}
	})
}

// What arrives wrong leaves nothing.
func TestRefused(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		big := strings.Repeat("x", 200_000)
		broken := io.MultiReader(strings.NewReader(big), errReader{})
		for name, tt := range map[string]struct {
			p    objectstore.Put
			r    io.Reader
			code fault.Code
		}{
			"other bytes":      {objectstore.Put{Name: "a", Length: 1, MD5: "00"}, strings.NewReader("x"), fault.CodeObjectstoreEtagMismatch},
			"too short":        {objectstore.Put{Name: "a", Length: 2}, strings.NewReader("x"), fault.CodeObjectstoreUploadCut},
			"too large":        {objectstore.Put{Name: "a", Length: -1, Limit: 100_000}, strings.NewReader(big), fault.CodeObjectstoreTooLarge},
			"cut off":          {objectstore.Put{Name: "a", Length: -1}, broken, fault.CodeObjectstoreUploadCut},
			"a name too long":  {objectstore.Put{Name: strings.Repeat("n", 1025), Length: 1}, strings.NewReader("x"), fault.CodeObjectstoreBadName},
			"no such upload":   {objectstore.Put{Name: "upload"}, nil, fault.CodeObjectstoreUploadNotFound},
			"a part not there": {objectstore.Put{Name: "part"}, nil, fault.CodeObjectstoreBadPart},
		} {
			var err error
			switch tt.p.Name {
			case "upload":
				_, err = w.CompleteUpload(t.Context(), w.c, objectstore.Upload{ID: "none", Name: "upload"}, []objectstore.Part{{Number: 1}}, nil)
			case "part":
				u, e := w.CreateUpload(t.Context(), w.c, tt.p)
				if e != nil {
					t.Fatal(e)
				}
				_, err = w.CompleteUpload(t.Context(), w.c, u, []objectstore.Part{{Number: 1}}, nil)
			default:
				_, err = w.Put(t.Context(), w.c, tt.p, tt.r)
			}
			if !fault.Has(err, tt.code) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if left := w.files(); len(left) != 0 {
			t.Error("left", left)
		}
	})
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestIfAbsent(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var wg sync.WaitGroup
		won := make([]error, 8)
		for i := range won {
			wg.Go(func() {
				_, won[i] = w.Put(t.Context(), w.c, objectstore.Put{Name: "once", Length: 1, IfAbsent: true}, strings.NewReader(fmt.Sprint(i)))
			})
		}
		wg.Wait()
		n := 0
		for _, err := range won {
			switch {
			case err == nil:
				n++
			case !fault.Has(err, fault.CodeObjectstoreExists):
				t.Error(err)
			}
		}
		if n != 1 {
			t.Errorf("%d of 8 were the first", n)
		}
	})
}

// A copy shares its source's bytes, which stay as long as one of them does.
func TestCopySharesBytes(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		src := w.put("a", "bytes")
		if _, err := w.Copy(t.Context(), w.c, src, w.c, objectstore.Put{Name: "b", ContentType: "x/y"}); err != nil {
			t.Fatal(err)
		}
		if n := len(w.files()); n != 1 {
			t.Errorf("%d files", n)
		}
		if _, err := w.DeleteObject(t.Context(), w.c, "a", objectstore.Deletion{}); err != nil {
			t.Fatal(err)
		}
		if err := w.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := w.text("b", ""); got != "bytes" {
			t.Error(got)
		}
		if _, err := w.Copy(t.Context(), w.c, src, w.c, objectstore.Put{Name: "c"}); !fault.Has(err, fault.CodeObjectstoreObjectNotFound) {
			t.Error("a copy of what is gone:", err)
		}
	})
}

func (w *world) versioning(v string) {
	w.t.Helper()
	c, err := w.UpdateContainer(w.t.Context(), "AUTH_p", "c", func(c *objectstore.Container) error { c.Versioning = v; return nil })
	if err != nil {
		w.t.Fatal(err)
	}
	w.c = c
}

// versions tells the versions of a name, newest first: text or marker, * the
// latest, 0 the null version.
func (w *world) versions(name string) string {
	w.t.Helper()
	list, err := w.Versions(w.t.Context(), w.c, objectstore.Listing{Prefix: name, Limit: 100})
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, e := range list {
		o, s := e.Item, "marker"
		if !o.Marker {
			s = w.text(name, o.Version())
		}
		if o.Latest {
			s += "*"
		}
		if o.Null {
			s += "0"
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func TestVersions(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		expect := func(want string) {
			t.Helper()
			if got := w.versions("a"); got != want {
				t.Errorf("versions are %q, want %q", got, want)
			}
			w.sums()
		}
		remove := func(d objectstore.Deletion) {
			t.Helper()
			if _, err := w.DeleteObject(t.Context(), w.c, "a", d); err != nil {
				t.Error(err)
			}
		}
		w.put("a", "before")
		w.versioning(objectstore.VersioningEnabled)
		one := w.put("a", "one")
		two := w.put("a", "two")
		expect("two* one before0")
		remove(objectstore.Deletion{})
		expect("marker* two one before0")
		if got := w.text("a", ""); got != "error: objectstore.object_not_found" {
			t.Error(got)
		}
		remove(objectstore.Deletion{Version: w.latest("a").Version(), Promote: true})
		expect("two* one before0")
		remove(objectstore.Deletion{Version: two.Version()})
		expect("one before0")
		if list, err := w.Objects(t.Context(), w.c, objectstore.Listing{Limit: 10}); err != nil || len(list) != 0 {
			t.Error("listed without a latest version:", list, err)
		}
		w.versioning(objectstore.VersioningSuspended)
		w.put("a", "null")
		expect("null*0 one")
		w.put("a", "again")
		expect("again*0 one")
		remove(objectstore.Deletion{})
		expect("marker*0 one")
		remove(objectstore.Deletion{Version: objectstore.NullVersion, Promote: true})
		expect("one*")
		remove(objectstore.Deletion{Version: one.Version(), Promote: true})
		expect("")
		if err := w.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := w.files(); len(left) != 0 {
			t.Error("left", left)
		}
	})
}

func (w *world) latest(name string) objectstore.Object {
	w.t.Helper()
	list, err := w.Versions(w.t.Context(), w.c, objectstore.Listing{Prefix: name, Limit: 1})
	if err != nil || len(list) != 1 {
		w.t.Fatal(list, err)
	}
	return list[0].Item
}

// Versions have times of their own, however fast they follow one another.
func TestStampsDiffer(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.versioning(objectstore.VersioningEnabled)
		seen := map[string]bool{}
		for range 5 {
			o := w.put("a", "x")
			if seen[o.Version()] {
				t.Error("twice:", o.Version())
			}
			seen[o.Version()] = true
			if stamp, ok := objectstore.ParseVersion(o.Version()); !ok || stamp != o.Stamp {
				t.Error(o.Version(), stamp, o.Stamp)
			}
		}
	})
}

func TestUploadInParts(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		u, err := w.CreateUpload(t.Context(), w.c, objectstore.Put{Name: "big", ContentType: "x/y"})
		if err != nil {
			t.Fatal(err)
		}
		part := func(n int, text string) {
			t.Helper()
			if _, err := w.PutPart(t.Context(), w.c, u, n, objectstore.Put{Length: int64(len(text))}, strings.NewReader(text)); err != nil {
				t.Fatal(err)
			}
		}
		part(1, "wrong")
		part(1, "hello ")
		part(5, "world")
		part(9, "not named")
		if _, err := w.CompleteUpload(t.Context(), w.c, u, []objectstore.Part{{Number: 5}, {Number: 1}}, nil); !fault.Has(err, fault.CodeObjectstoreBadPart) {
			t.Error("out of order:", err)
		}
		o, err := w.CompleteUpload(t.Context(), w.c, u, []objectstore.Part{{Number: 1}, {Number: 5}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.text("big", ""); got != "hello world" || !strings.HasSuffix(o.ETag, "-2") {
			t.Error(got, o.ETag)
		}
		r, err := w.OpenStored(t.Context(), w.c, o, 4, 4)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(r); err != nil || string(b) != "o wo" {
			t.Errorf("%q %v", b, err)
		}
		if _, err := w.Copy(t.Context(), w.c, o, w.c, objectstore.Put{Name: "copy"}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.DeleteObject(t.Context(), w.c, "big", objectstore.Deletion{}); err != nil {
			t.Fatal(err)
		}
		if err := w.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := w.text("copy", ""); got != "hello world" {
			t.Error(got)
		}
		if n := len(w.files()); n != 2 {
			t.Errorf("%d files for two parts", n)
		}
		other, err := w.CreateUpload(t.Context(), w.c, objectstore.Put{Name: "given up"})
		if err != nil {
			t.Fatal(err)
		}
		u = other
		part(1, "x")
		if err := w.AbortUpload(t.Context(), w.c, u.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := w.DeleteObject(t.Context(), w.c, "copy", objectstore.Deletion{}); err != nil {
			t.Fatal(err)
		}
		if err := w.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := w.files(); len(left) != 0 {
			t.Error("left", left)
		}
	})
}

// Bytes whose process died before a row named them are removed by the next one;
// those of a process that lives are left alone.
func TestRecover(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.put("kept", "kept")
		if _, err := w.Stage(t.Context(), 0, strings.NewReader("orphan"), 6, 0); err != nil {
			t.Fatal(err)
		}
		next := w.process()
		staged, err := next.Stage(t.Context(), 0, strings.NewReader("under way"), 9, 0)
		if err != nil {
			t.Fatal(err)
		}
		if w.d.Dialect == db.PostgreSQL { // where others may run, a lease must lapse first
			if err := next.Recover(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := len(w.files()); n != 3 {
				t.Errorf("%d files while the lease holds", n)
			}
			w.clock.Advance(time.Hour)
			if err := next.Extend(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := next.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := w.files(); len(left) != 2 || !slices.Contains(left, staged.Blob) {
			t.Error("left", left)
		}
		if got := w.text("kept", ""); got != "kept" {
			t.Error(got)
		}
		staged.Drop(t.Context())
	})
}

// Damage is recorded, put aside, and told to who reads.
func TestScrub(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		good, bad := w.put("good", "good"), w.put("bad", "bad")
		if err := w.backend.Remove(t.Context(), bad.Blob); err != nil {
			t.Fatal(err)
		}
		n, damaged, err := w.Scrub(t.Context())
		if err != nil || n != 2 || damaged != 1 {
			t.Error(n, damaged, err)
		}
		if got := w.text("bad", ""); got != "error: objectstore.corrupt" {
			t.Error(got)
		}
		if got := w.text("good", ""); got != "good" || good.Blob == "" {
			t.Error(got)
		}
		found, _, err := db.Get(t.Context(), w.d, db.Value[string], "SELECT blob FROM object_damage")
		if err != nil || found != bad.Blob {
			t.Error(found, err)
		}
	})
}

func TestAccountsAndPolicies(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		if _, _, err := w.EnsureContainer(t.Context(), "AUTH_p", "c", func(c *objectstore.Container, _ bool) error { c.Policy = 7; return nil }); !fault.Has(err, fault.CodeObjectstorePolicyConflict) {
			t.Error(err)
		}
		if err := w.DeleteAccount(t.Context(), "AUTH_none"); !fault.Has(err, fault.CodeObjectstoreAccountNotFound) {
			t.Error(err)
		}
		if _, _, err := w.UpdateAccount(t.Context(), "AUTH_q", func(a *objectstore.Account) error { a.Meta["A"] = "b"; return nil }); err != nil {
			t.Error(err)
		}
		if err := w.DeleteAccount(t.Context(), "AUTH_q"); err != nil {
			t.Error(err)
		}
		if _, err := w.Account(t.Context(), "AUTH_q"); !fault.Has(err, fault.CodeObjectstoreAccountGone) {
			t.Error(err)
		}
	})
}

// What a deleted account held goes; its name is free again after a week.
func TestReap(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.versioning(objectstore.VersioningEnabled)
		w.put("a", "one")
		w.put("a", "two")
		u, err := w.CreateUpload(t.Context(), w.c, objectstore.Put{Name: "half"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.PutPart(t.Context(), w.c, u, 1, objectstore.Put{Length: 1}, strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
		if err := w.DeleteAccount(t.Context(), "AUTH_p"); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := errors.Join(w.Reap(t.Context()), w.Sweep(t.Context())); err != nil {
				t.Fatal(err)
			}
		}
		if left := w.files(); len(left) != 0 {
			t.Error("left", left)
		}
		if _, err := w.Account(t.Context(), "AUTH_p"); !fault.Has(err, fault.CodeObjectstoreAccountGone) {
			t.Error("forgotten at once:", err)
		}
		w.clock.Advance(8 * 24 * time.Hour)
		if err := w.Reap(t.Context()); err != nil {
			t.Fatal(err)
		}
		if a, err := w.Account(t.Context(), "AUTH_p"); err != nil || a.Exists || a.Total() != (objectstore.PolicyUsage{}) {
			t.Error(a, err)
		}
	})
}

// Many writers of many names: sums stay exact.
func TestConcurrentSums(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for n := range 10 {
					name := fmt.Sprintf("o%d", (i+n)%5)
					if _, err := w.Put(t.Context(), w.c, objectstore.Put{Name: name, Length: int64(n)}, strings.NewReader(strings.Repeat("x", n))); err != nil {
						t.Error(err)
					}
					if _, err := w.DeleteObject(t.Context(), w.c, fmt.Sprintf("o%d", n%5), objectstore.Deletion{}); err != nil && !fault.Has(err, fault.CodeObjectstoreObjectNotFound) {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if err := w.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}
