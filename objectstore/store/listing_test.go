package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"altostack/kernel/clock"
	"altostack/kernel/db"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/id"
	"altostack/objectstore"
	"altostack/objectstore/store"
)

// model lists names the slow way: all of them, one after the other, in order.
func model(names []string, l objectstore.Listing) []string {
	names = slices.Clone(names)
	slices.Sort(names)
	if l.Reverse {
		slices.Reverse(names)
	}
	prefix, delimiter := l.Prefix, l.Delimiter
	if l.Path != nil {
		prefix, delimiter = "", "/"
		if *l.Path != "" {
			prefix = strings.TrimSuffix(*l.Path, "/") + "/"
		}
	}
	var out []string
	for _, name := range names {
		beyond := l.Marker != "" && (!l.Reverse && name <= l.Marker || l.Reverse && name >= l.Marker)
		behind := l.EndMarker != "" && (!l.Reverse && name >= l.EndMarker || l.Reverse && name <= l.EndMarker)
		if beyond || behind || !strings.HasPrefix(name, prefix) || len(out) == l.Limit {
			continue
		}
		at := -1
		if delimiter != "" {
			at = strings.Index(name[len(prefix):], delimiter)
		}
		if at < 0 {
			if l.Path == nil || name != prefix {
				out = append(out, name)
			}
			continue
		}
		dir := name[:len(prefix)+at+len(delimiter)]
		switch {
		case l.Path != nil:
			if name == dir && name != prefix {
				out = append(out, name)
			}
		case dir != l.Marker && !slices.Contains(out, "dir "+dir):
			out = append(out, "dir "+dir)
		}
	}
	return out
}

// TestListings compares listings with the model: random names, and every argument
// that a listing has.
func TestListings(t *testing.T) {
	dbtest.Each(t, "objectstore", store.Migrations(), func(t *testing.T, d *db.DB) {
		svc := objectstore.New(objectstore.Config{DB: d, Store: store.New(d), Clock: clock.Real{}, IDs: id.Random{}, Log: slog.New(slog.DiscardHandler),
			Policies: []objectstore.Policy{{Name: "only", Default: true}}})
		word := rapid.StringOfN(rapid.SampledFrom([]rune("ab/-é\U0010ffff")), 1, 5, -1)
		maybe := rapid.OneOf(rapid.Just(""), word)
		rapid.Check(t, func(t *rapid.T) {
			c, _, err := svc.EnsureContainer(context.Background(), "AUTH_a", id.Random{}.Hex(), func(*objectstore.Container, bool) error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			names := rapid.SliceOfNDistinct(word, 0, 30, rapid.ID).Draw(t, "names")
			for _, name := range names {
				if _, err := svc.Put(context.Background(), c, objectstore.Put{Name: name, Length: -1}, nil); err != nil {
					t.Fatal(err)
				}
			}
			for range 8 {
				l := objectstore.Listing{Prefix: maybe.Draw(t, "prefix"), Marker: maybe.Draw(t, "marker"), EndMarker: maybe.Draw(t, "end"),
					Delimiter: rapid.SampledFrom([]string{"", "/", "-", "/a"}).Draw(t, "delimiter"), Reverse: rapid.Bool().Draw(t, "reverse"), Limit: rapid.IntRange(1, 40).Draw(t, "limit")}
				if rapid.IntRange(0, 3).Draw(t, "use path") == 0 {
					path := maybe.Draw(t, "path")
					l.Path = &path
				}
				list, err := svc.Objects(context.Background(), c, l)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, e := range list {
					if e.Subdir != "" {
						got = append(got, "dir "+e.Subdir)
					} else {
						got = append(got, e.Item.Name)
					}
				}
				if want := model(names, l); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Fatalf("%+v of %q\n gives %q\n want %q", l, names, got, want)
				}
			}
		})
	})
}
