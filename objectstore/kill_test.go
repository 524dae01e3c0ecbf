package objectstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"altostack/driver/fileobjects"
	"altostack/driver/fileobjects/powercut"
	"altostack/kernel/clock"
	"altostack/kernel/db"
	"altostack/kernel/id"
	"altostack/objectstore"
	"altostack/objectstore/store"
)

// life is one process: it dies before the step that its counter says, where a step
// is an operation on the disk, or one half of a commit.
type life struct {
	t     *testing.T
	d     *db.DB
	disk  *powercut.Disk
	steps *powercut.Counter
	svc   *objectstore.Service
	c     objectstore.Container
	// acked is what was answered of each name, "" for deleted; tried what was
	// asked for last and not answered.
	acked, tried map[string]string
	lose         bool // the next commit's answer
}

func (l *life) open(path string, on *powercut.Disk, cutAt int) error {
	l.steps, l.disk = &powercut.Counter{CutAt: cutAt}, on
	on.Step = l.steps.Step
	var err error
	if l.d, err = db.Open(context.Background(), "sqlite:"+path+"?sync=off"); err != nil {
		l.t.Fatal(err)
	}
	l.d.Around(func(commit func() error) error {
		if err := l.steps.Step(); err != nil {
			return err // before: nothing of it is durable
		}
		if err := commit(); err != nil {
			return err
		}
		if l.lose {
			l.lose = false
			return errors.New("the connection was lost")
		}
		return l.steps.Step() // after: it is durable, and nobody was told
	})
	if err := l.d.Migrate(context.Background(), "objectstore", store.Migrations()); err != nil {
		return err
	}
	backend, err := fileobjects.OpenOn(on, "/objects")
	if err != nil {
		return err
	}
	l.svc = objectstore.New(objectstore.Config{DB: l.d, Store: store.New(l.d), Clock: clock.NewVirtual(time.Unix(1_700_000_000, 0)), IDs: id.Random{}, Log: slog.New(slog.DiscardHandler),
		Policies: []objectstore.Policy{{Name: "Policy-0", Default: true, Backend: backend}}})
	return l.svc.Recover(context.Background())
}

func (l *life) put(name, text string) error {
	l.tried[name] = text
	_, err := l.svc.Put(context.Background(), l.c, objectstore.Put{Name: name, Length: int64(len(text))}, strings.NewReader(text))
	return l.told(name, text, err)
}

func (l *life) told(name, text string, err error) error {
	if err == nil {
		l.acked[name] = text
		delete(l.tried, name)
	}
	return err
}

// story is what a client does, until something fails.
func (l *life) story() error {
	ctx := context.Background()
	var err error
	if l.c, _, err = l.svc.EnsureContainer(ctx, "AUTH_p", "c", keep); err != nil {
		return err
	}
	big := strings.Repeat("0123456789", 20_000)
	steps := []func() error{
		func() error { return l.put("small", "one") },
		func() error { return l.put("big", big) },
		func() error { return l.put("small", "two") },
		func() error {
			l.tried["copy"] = "two"
			src, err := l.svc.Object(ctx, l.c, "small", "")
			if err == nil {
				_, err = l.svc.Copy(ctx, l.c, src, l.c, objectstore.Put{Name: "copy"})
			}
			return l.told("copy", "two", err)
		},
		func() error {
			l.tried["small"] = ""
			_, err := l.svc.DeleteObject(ctx, l.c, "small", objectstore.Deletion{})
			return l.told("small", "", err)
		},
		func() error { return l.parts(ctx, "parts", "first", "second") },
		func() error { return l.put("big", "no longer") },
		func() error { return l.svc.Sweep(ctx) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (l *life) parts(ctx context.Context, name string, texts ...string) error {
	l.tried[name] = strings.Join(texts, "")
	u, err := l.svc.CreateUpload(ctx, l.c, objectstore.Put{Name: name})
	if err != nil {
		return err
	}
	var list []objectstore.Part
	for i, text := range texts {
		p, err := l.svc.PutPart(ctx, l.c, u, i+1, objectstore.Put{Length: -1}, strings.NewReader(text))
		if err != nil {
			return err
		}
		list = append(list, p)
	}
	_, err = l.svc.CompleteUpload(ctx, l.c, u, list, nil)
	return l.told(name, strings.Join(texts, ""), err)
}

// sound checks what the next process finds: what was answered is there and whole,
// what was not is there as a whole or not at all, and no byte lies around.
func (l *life) sound(when string) {
	l.t.Helper()
	ctx := context.Background()
	c, err := l.svc.Container(ctx, "AUTH_p", "c")
	if err != nil {
		if len(l.acked) > 0 {
			l.t.Errorf("%s: %v", when, err)
		}
		c = objectstore.Container{}
	}
	for _, name := range []string{"small", "big", "copy", "parts"} {
		got := l.read(c, name)
		tried, open := l.tried[name]
		if got != l.acked[name] && (!open || got != tried) {
			l.t.Errorf("%s: %s has %d bytes %.20q, answered was %.20q, asked for %.20q", when, name, len(got), got, l.acked[name], tried)
		}
	}
	uploads, err := l.svc.Uploads(ctx, c, objectstore.Window{Limit: 10})
	for _, u := range uploads { // an upload in parts may be gone on with; here it is given up
		err = errors.Join(err, l.svc.AbortUpload(ctx, c, u.ID))
	}
	if err = errors.Join(err, l.svc.Sweep(ctx)); err != nil {
		l.t.Fatal(err)
	}
	l.litter(when)
}

func (l *life) read(c objectstore.Container, name string) string {
	o, err := l.svc.Object(context.Background(), c, name, "")
	if err != nil {
		return ""
	}
	r, err := l.svc.OpenStored(context.Background(), c, o, 0, o.Stored)
	if err != nil {
		return "error: " + err.Error()
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil || int64(len(b)) != o.Size {
		return fmt.Sprintf("error: %d of %d bytes, %v", len(b), o.Size, err)
	}
	return string(b)
}

// litter compares files with rows.
func (l *life) litter(when string) {
	l.t.Helper()
	p, _ := l.svc.PolicyOf(0)
	var files []string
	if err := p.Backend.List(context.Background(), "", func(id string) error { files = append(files, id); return nil }); err != nil {
		l.t.Fatal(err)
	}
	named, err := store.New(l.d).Named(context.Background(), l.d, files)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, f := range files {
		if !named[f] {
			l.t.Errorf("%s: the bytes of %s lie around", when, f)
		}
	}
	for table, query := range map[string]string{"object_garbage": "SELECT COUNT(*) FROM object_garbage", "object_blocks": "SELECT COUNT(*) FROM object_blocks"} {
		if n, _, err := db.Get(context.Background(), l.d, db.Value[int64], query); err != nil || n > 0 {
			l.t.Errorf("%s: %d rows left in %s, %v", when, n, table, err)
		}
	}
}

// The process is killed, or the power cut, before every single operation on the
// disk and before and after every commit.
func TestKilledAnywhere(t *testing.T) {
	live := func(cutAt int, torn bool) (*life, int) {
		l := &life{t: t, acked: map[string]string{}, tried: map[string]string{}}
		path := filepath.Join(t.TempDir(), "a.db")
		disk := powercut.New()
		disk.Torn = torn
		err := l.open(path, disk, cutAt)
		if err == nil {
			err = l.story()
		}
		if cutAt < 0 && err != nil {
			t.Fatal(err)
		}
		steps := l.steps.Steps()
		_ = l.d.Close()
		if err := l.open(path, disk.Restart(), -1); err != nil {
			t.Fatal(err)
		}
		return l, steps
	}
	l, steps := live(-1, false)
	l.sound("unharmed")
	_ = l.d.Close()
	for at := range steps {
		for _, torn := range []bool{false, true} {
			l, _ := live(at, torn)
			l.sound(fmt.Sprintf("killed before step %d of %d", at, steps))
			_ = l.d.Close()
		}
	}
}

// A commit that was one, and whose answer was lost: the bytes stay.
func TestCommitInDoubt(t *testing.T) {
	l := &life{t: t, acked: map[string]string{}, tried: map[string]string{}}
	path := filepath.Join(t.TempDir(), "a.db")
	disk := powercut.New()
	if err := l.open(path, disk, -1); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.d.Close() }()
	var err error
	if l.c, _, err = l.svc.EnsureContainer(t.Context(), "AUTH_p", "c", keep); err != nil {
		t.Fatal(err)
	}
	if err := l.put("other", "opens the block"); err != nil {
		t.Fatal(err)
	}
	l.lose = true
	if err := l.put("small", "bytes"); err == nil {
		t.Fatal("the answer was not lost")
	}
	if got := l.read(l.c, "small"); got != "bytes" {
		t.Error(got)
	}
}
