package feature_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"altostack/kernel/clock"
	"altostack/kernel/db"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/objectstore"
	"altostack/objectstore/feature"
	"altostack/objectstore/manifest"
	"altostack/objectstore/store"
)

// shelf is a backend in memory.
type shelf struct {
	mu    sync.Mutex
	blobs map[string][]byte
	open  int // readers that are not closed
}

type writer struct {
	bytes.Buffer
	s  *shelf
	id string
}

func (w *writer) Commit() error {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	w.s.blobs[w.id] = w.Bytes()
	return nil
}
func (w *writer) Abort() error { return nil }

func (s *shelf) Create(_ context.Context, id string) (objectstore.BlobWriter, error) {
	return &writer{s: s, id: id}, nil
}

type counted struct {
	io.Reader
	s *shelf
}

func (c counted) Close() error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.open--
	return nil
}

func (s *shelf) Open(_ context.Context, id string, offset, length int64) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.blobs[id]
	if !ok {
		return nil, objectstore.ErrNoBlob
	}
	if length < 0 {
		length = int64(len(b)) - offset
	}
	s.open++
	return counted{bytes.NewReader(b[offset : offset+length]), s}, nil
}

func (s *shelf) Remove(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.blobs, id)
	return nil
}

func (s *shelf) List(_ context.Context, prefix string, f func(id string) error) error {
	s.mu.Lock()
	names := slices.Sorted(maps.Keys(s.blobs))
	s.mu.Unlock()
	for _, n := range names {
		if strings.HasPrefix(n, prefix) {
			if err := f(n); err != nil {
				return err
			}
		}
	}
	return nil
}
func (s *shelf) Verify(context.Context, string) error     { return nil }
func (s *shelf) Quarantine(context.Context, string) error { return nil }

type world struct {
	t     *testing.T
	svc   *objectstore.Service
	f     *feature.Features
	shelf *shelf
	clock *clock.Virtual
}

func each(t *testing.T, f func(t *testing.T, w *world)) {
	dbtest.Each(t, "objectstore", store.Migrations(), func(t *testing.T, d *db.DB) {
		w := &world{t: t, shelf: &shelf{blobs: map[string][]byte{}}, clock: clock.NewVirtual(time.Unix(1_700_000_000, 0))}
		w.svc = objectstore.New(objectstore.Config{DB: d, Store: store.New(d), Clock: w.clock, IDs: id.NewSeeded(1), Log: slog.New(slog.DiscardHandler),
			Policies: []objectstore.Policy{{Index: 0, Name: "gold", Default: true, Backend: w.shelf}, {Index: 1, Name: "tin", Backend: w.shelf}}})
		w.svc.AddCheck(w.svc.CheckQuotas)
		w.f = feature.New(w.svc)
		f(t, w)
		if w.shelf.open != 0 {
			t.Errorf("%d blobs are left open", w.shelf.open)
		}
	})
}

func (w *world) container(name string, change func(c *objectstore.Container)) objectstore.Container {
	w.t.Helper()
	c, _, err := w.svc.EnsureContainer(w.t.Context(), "AUTH_a", name, func(c *objectstore.Container, _ bool) error {
		if change != nil {
			change(c)
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) put(c objectstore.Container, name, body string, change ...func(p *objectstore.Put)) (objectstore.Object, error) {
	w.clock.Advance(time.Second)
	p := objectstore.Put{Name: name, ContentType: "text/plain", Length: -1}
	for _, f := range change {
		f(&p)
	}
	return w.svc.Put(w.t.Context(), c, p, strings.NewReader(body))
}

func (w *world) must(c objectstore.Container, name, body string, change ...func(p *objectstore.Put)) {
	w.t.Helper()
	if _, err := w.put(c, name, body, change...); err != nil {
		w.t.Fatal(err)
	}
}

// slo puts a static large object as the protocol does.
func (w *world) slo(c objectstore.Container, name, body string) []feature.Problem {
	w.t.Helper()
	entries, err := manifest.Parse([]byte(body), c.Name+"/"+name)
	if err != nil {
		w.t.Fatal(err)
	}
	segments, problems, err := w.f.Check(w.t.Context(), objectstore.Reader{}, c.Account, entries)
	if err != nil {
		w.t.Fatal(err)
	}
	if problems != nil {
		return problems
	}
	kept, err := json.Marshal(segments)
	if err != nil {
		w.t.Fatal(err)
	}
	w.must(c, name, string(kept), func(p *objectstore.Put) {
		p.Kind, p.ETag, p.Size = feature.KindSLO, manifest.ETag(segments), manifest.Size(segments)
	})
	return nil
}

func (w *world) content(by objectstore.Reader, c objectstore.Container, name string) (objectstore.Content, error) {
	o, err := w.svc.Object(w.t.Context(), c, name, "")
	if err != nil {
		return objectstore.Content{}, err
	}
	return w.svc.Content(w.t.Context(), by, c, o)
}

// read answers bytes, or the code of what went wrong.
func (w *world) read(by objectstore.Reader, c objectstore.Container, name string, offset, length int64) string {
	content, err := w.content(by, c, name)
	if err != nil {
		return string(fault.From(err).Code)
	}
	r, err := content.Open(w.t.Context(), offset, length)
	if err != nil {
		return string(fault.From(err).Code)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return string(b) + "|cut"
	}
	if err != nil {
		return string(b) + "|" + string(fault.From(err).Code)
	}
	return string(b)
}

func sum(s string) string { b := md5.Sum([]byte(s)); return hex.EncodeToString(b[:]) }

func TestSLO(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c, anyone := w.container("c", nil), objectstore.Reader{}
		w.must(c, "1", "hello ")
		w.must(c, "2", "large world")
		if p := w.slo(c, "all", `[{"path":"c/1","etag":"`+sum("hello ")+`","size_bytes":6},{"path":"/c/2","range":"6-"},{"data":"IQ=="}]`); p != nil {
			t.Fatal(p)
		}
		content, err := w.content(anyone, c, "all")
		if want := sum(sum("hello ") + sum("large world") + ":6-10;" + sum("!")); err != nil || content.Size != 12 || content.ETag != want || content.Headers["X-Static-Large-Object"] != "True" {
			t.Errorf("content %+v, %v; want ETag %s", content, err, want)
		}
		for want, span := range map[string][2]int64{"hello world!": {0, -1}, "lo w": {3, 4}, "!": {11, 1}, "world": {6, 5}, "": {12, 0}} {
			if got := w.read(anyone, c, "all", span[0], span[1]); got != want {
				t.Errorf("%v reads %q, want %q", span, got, want)
			}
		}
		if p := w.slo(c, "outer", `[{"path":"c/all","range":"6-10"},{"path":"c/all"},{"path":"c/1","range":"-2"}]`); p != nil {
			t.Fatal(p)
		}
		if got := w.read(anyone, c, "outer", 3, 10); got != "ldhello wo" {
			t.Errorf("a manifest in a manifest reads %q", got)
		}
		w.must(c, "2", "LARGE WORLD")
		if got := w.read(anyone, c, "all", 0, -1); got != "hello |"+string(fault.CodeObjectstoreSegmentChanged) {
			t.Errorf("with a segment that changed: %q", got)
		}
		if got := w.read(anyone, c, "all", 6, 2); got != string(fault.CodeObjectstoreSegmentChanged) {
			t.Errorf("the first segment of a range changed: %q", got)
		}
	})
}

func TestSLOProblems(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.container("c", nil)
		w.must(c, "1", "hello")
		w.must(c, "empty", "")
		got := fmt.Sprint(w.slo(c, "m", `[{"path":"c/1","etag":"x","size_bytes":4},{"path":"c/1","range":"5-"},{"path":"c/empty"},{"path":"c/no"},{"path":"d/no"},{"path":"c/empty"}]`))
		want := "[{c/1 Size Mismatch} {c/1 Etag Mismatch} {c/1 Unsatisfiable Range} {c/empty Too small; each segment must be at least 1 byte.} {c/no 404 Not Found} {d/no 404 Not Found}]"
		if got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	})
}

// TestOthersRights: a manifest, a prefix or a link is no way to what its reader may not read.
func TestOthersRights(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		secret, open := w.container("secret", nil), w.container("open", nil)
		w.must(secret, "s", "treasure")
		w.slo(open, "slo", `[{"path":"secret/s"}]`)
		w.must(open, "dlo", "", func(p *objectstore.Put) {
			p.Kind, p.System = feature.KindDLO, map[string]string{feature.SystemPrefix: "secret/s"}
		})
		w.must(open, "link", "", func(p *objectstore.Put) {
			p.Kind, p.System = feature.KindSymlink, map[string]string{feature.SystemTarget: "secret/s"}
		})
		by := objectstore.Reader{May: func(_ context.Context, c objectstore.Container) error {
			if c.Name == "secret" {
				return fault.New(fault.CodeObjectstoreBadSignature, "no")
			}
			return nil
		}}
		for _, name := range []string{"slo", "dlo", "link"} {
			if got := w.read(objectstore.Reader{}, open, name, 0, -1); got != "treasure" {
				t.Errorf("%s reads %q for its owner", name, got)
			}
			if got := w.read(by, open, name, 0, -1); !strings.HasPrefix(got, "objectstore.") {
				t.Errorf("%s reads %q for somebody who may not read the target", name, got)
			}
		}
	})
}

func TestDLO(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c, anyone := w.container("c", nil), objectstore.Reader{}
		for i, part := range []string{"one ", "two ", "three"} {
			w.must(c, fmt.Sprintf("big/%02d", i), part)
		}
		w.must(c, "bigger", "not me")
		w.must(c, "big", "", func(p *objectstore.Put) {
			p.Kind, p.System = feature.KindDLO, map[string]string{feature.SystemPrefix: "c/big%2F"}
		})
		content, err := w.content(anyone, c, "big")
		if want := sum(sum("one ") + sum("two ") + sum("three")); err != nil || content.Size != 13 || content.ETag != want {
			t.Errorf("content %+v, %v; want ETag %s", content, err, want)
		}
		for want, span := range map[string][2]int64{"one two three": {0, -1}, "e two t": {2, 7}, "three": {8, -1}, "": {13, 0}} {
			if got := w.read(anyone, c, "big", span[0], span[1]); got != want {
				t.Errorf("%v reads %q, want %q", span, got, want)
			}
		}
		for _, bad := range []string{"c", "c/", "/", "c/a?b", "c/a&b", "%zz/a", ""} {
			if _, _, err := feature.ParseDLO(bad); !fault.Has(err, fault.CodeObjectstoreBadManifest) {
				t.Errorf("X-Object-Manifest %q is %v", bad, err)
			}
		}
	})
}

func TestSymlink(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c, anyone := w.container("c", nil), objectstore.Reader{}
		link := func(name, target, etag string) {
			w.must(c, name, "", func(p *objectstore.Put) {
				p.Kind, p.System = feature.KindSymlink, map[string]string{feature.SystemTarget: target, feature.SystemTargetETag: etag}
			})
		}
		w.must(c, "a b", "target")
		link("one", "c/a%20b", "")
		link("two", "c/one", "")
		link("three", "c/two", "")
		link("self", "c/self", "")
		link("gone", "c/none", "")
		link("static", "c/a%20b", sum("target"))
		link("stale", "c/a%20b", sum("other"))
		tests := map[string]string{
			"one": "target", "two": "target", "static": "target", "three": string(fault.CodeObjectstoreSymlinkLoop), "self": string(fault.CodeObjectstoreSymlinkLoop),
			"gone": string(fault.CodeObjectstoreObjectNotFound), "stale": string(fault.CodeObjectstoreSymlinkTarget),
		}
		for name, want := range tests {
			if got := w.read(anyone, c, name, 0, -1); got != want {
				t.Errorf("%s reads %q, want %q", name, got, want)
			}
		}
		if content, err := w.content(anyone, c, "two"); err != nil || content.Location != "/v1/AUTH_a/c/a%20b" || content.Name != "a b" {
			t.Errorf("two is %+v, %v", content, err)
		}
		hold := func(name, etag string) string {
			typ, kept, err := w.f.Hold(t.Context(), anyone, feature.Link{Account: "AUTH_a", Container: "c", Object: name, ETag: etag})
			if err != nil {
				return fault.From(err).Message
			}
			return typ + " " + kept[feature.SystemTargetBytes]
		}
		if got := hold("a b", sum("target")); got != "text/plain 6" {
			t.Errorf("a static link keeps %s", got)
		}
		if got := hold("none", "x"); got != "X-Symlink-Target does not exist" {
			t.Errorf("a static link to nothing: %s", got)
		}
		if got := hold("a b", "x"); got != "Object Etag '"+sum("target")+"' does not match X-Symlink-Target-Etag header 'x'" {
			t.Errorf("a static link with another ETag: %s", got)
		}
	})
}

// names lists a container.
func (w *world) names(c objectstore.Container) string {
	w.t.Helper()
	list, err := w.svc.Objects(w.t.Context(), c, objectstore.Listing{Limit: 100})
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, e := range list {
		out = append(out, e.Item.Name)
	}
	return strings.Join(out, " ")
}

func TestArchive(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		old := w.container("old", nil)
		c := w.container("c", func(c *objectstore.Container) { c.System[feature.SystemArchive] = "old" })
		write := func(body string) {
			t.Helper()
			if err := w.f.Archive(ctx, c, "o"); err != nil {
				t.Fatal(err)
			}
			w.must(c, "o", body)
		}
		write("1")
		write("2")
		write("3")
		if got := w.names(old); got != "001o/1700000001.00000 001o/1700000002.00000" {
			t.Errorf("archived: %s", got)
		}
		for _, want := range []string{"2", "1"} {
			if done, err := w.f.Pop(ctx, c, "o"); err != nil || !done || w.read(objectstore.Reader{}, c, "o", 0, -1) != want {
				t.Errorf("popped %v, %v: %s; want %s", done, err, w.read(objectstore.Reader{}, c, "o", 0, -1), want)
			}
		}
		if done, err := w.f.Pop(ctx, c, "o"); err != nil || done || w.names(old) != "" {
			t.Errorf("nothing is left to pop: %v, %v, %s", done, err, w.names(old))
		}
		// history: a deletion leaves a marker; a pop then brings back what was deleted
		if err := w.f.Bury(ctx, c, "o"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.svc.DeleteObject(ctx, c, "o", objectstore.Deletion{}); err != nil {
			t.Fatal(err)
		}
		if done, err := w.f.Pop(ctx, c, "o"); err != nil || !done || w.read(objectstore.Reader{}, c, "o", 0, -1) != "1" || w.names(old) != "" {
			t.Errorf("popped over a marker: %v, %v, %s, %s", done, err, w.read(objectstore.Reader{}, c, "o", 0, -1), w.names(old))
		}
		lost := w.container("lost", func(c *objectstore.Container) { c.System[feature.SystemArchive] = "nowhere" })
		w.must(lost, "o", "1")
		if err := w.f.Archive(ctx, lost, "o"); !fault.Has(err, fault.CodeObjectstoreArchiveMissing) {
			t.Errorf("an archive that is not there gives %v", err)
		}
	})
}

func TestQuotas(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		refused := func(c objectstore.Container, name, body string) {
			t.Helper()
			if _, err := w.put(c, name, body); !fault.Has(err, fault.CodeObjectstoreQuotaExceeded) {
				t.Errorf("%s with %q gives %v", name, body, err)
			}
		}
		c := w.container("c", func(c *objectstore.Container) {
			c.Meta[objectstore.MetaQuotaBytes], c.Meta[objectstore.MetaQuotaCount] = "10", "2"
		})
		w.must(c, "1", "12345")
		refused(c, "2", "123456")
		w.must(c, "2", "12345")
		refused(c, "3", "")
		w.must(c, "1", "1234") // smaller, in place of its own
		refused(c, "1", "1234567")
		set := func(system map[string]string) {
			t.Helper()
			if _, _, err := w.svc.UpdateAccount(t.Context(), "AUTH_a", func(a *objectstore.Account) error { a.System = system; return nil }); err != nil {
				t.Fatal(err)
			}
		}
		d := w.container("d", nil)
		set(map[string]string{objectstore.SystemQuotaBytes: "12"})
		refused(d, "1", "1234")
		w.must(d, "1", "123")
		set(map[string]string{objectstore.SystemQuotaCount: "3"})
		refused(d, "2", "")
		tin := w.container("tin", func(c *objectstore.Container) { c.Policy = 1 })
		set(map[string]string{objectstore.SystemQuotaBytes + "-1": "2", objectstore.SystemQuotaCount + "-1": "1"})
		w.must(d, "2", "12345")
		refused(tin, "1", "123")
		w.must(tin, "1", "12")
		refused(tin, "2", "")
		set(map[string]string{objectstore.SystemQuotaBytes: "20"})
		if err := w.svc.Room(t.Context(), d, "x", 3); !fault.Has(err, fault.CodeObjectstoreQuotaExceeded) {
			t.Errorf("no room is %v", err)
		}
		if err := w.svc.Room(t.Context(), d, "x", 1); err != nil {
			t.Errorf("room is %v", err)
		}
	})
}

func TestExpire(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		c := w.container("c", nil)
		v := w.container("v", func(c *objectstore.Container) { c.Versioning = objectstore.VersioningEnabled })
		soon := func(p *objectstore.Put) { p.DeleteAt = w.clock.Now().Unix() + 10 }
		w.must(c, "stays", "1")
		w.must(c, "goes", "12", soon)
		w.must(c, "put again", "x", soon)
		w.must(v, "kept", "123", soon)
		w.clock.Advance(time.Minute)
		w.must(c, "put again", "y")
		for name, in := range map[string]objectstore.Container{"goes": c, "kept": v} {
			if got := w.read(objectstore.Reader{}, in, name, 0, -1); got != string(fault.CodeObjectstoreObjectNotFound) {
				t.Errorf("%s reads %q after its time", name, got)
			}
		}
		if got := w.names(c) + "|" + w.names(v); got != "put again stays|" {
			t.Errorf("listed are %s", got)
		}
		for range 2 {
			if err := w.svc.Expire(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if got := w.names(c) + "|" + w.names(v); got != "put again stays|" {
			t.Errorf("left are %s", got)
		}
		now, err := w.svc.Container(ctx, "AUTH_a", "c")
		if want := (objectstore.Usage{Objects: 2, Bytes: 2}); err != nil || now.Usage != want {
			t.Errorf("usage %+v, %v; want %+v", now.Usage, err, want)
		}
		versions, err := w.svc.Versions(ctx, v, objectstore.Listing{Limit: 10})
		if err != nil || len(versions) != 1 || versions[0].Item.Latest || versions[0].Item.DeleteAt != 0 {
			t.Errorf("a versioned container keeps %+v, %v", versions, err)
		}
	})
}

// A container in which nothing is listed any more can be deleted, also before the
// expirer came by; one with an object that is still there cannot.
func TestContainerOfExpiredObjectsCanGo(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.container("c", nil)
		w.must(c, "goes", "12", func(p *objectstore.Put) { p.DeleteAt = w.clock.Now().Unix() + 10 })
		if err := w.svc.DeleteContainer(t.Context(), "AUTH_a", "c", nil); !fault.Has(err, fault.CodeObjectstoreContainerNotEmpty) {
			t.Errorf("before its time: %v", err)
		}
		w.clock.Advance(time.Minute)
		if err := w.svc.DeleteContainer(t.Context(), "AUTH_a", "c", nil); err != nil {
			t.Errorf("after its time: %v", err)
		}
	})
}
