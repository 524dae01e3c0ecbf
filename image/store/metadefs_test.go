package store_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"altostack/image/metadefs"
	"altostack/image/store"
	"altostack/kernel/auth"
	"altostack/kernel/clock"
	"altostack/kernel/db"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/kernel/page"
)

func newMetadefs(d *db.DB) *metadefs.Service {
	return metadefs.New(metadefs.Config{DB: d, Store: store.NewMetadefs(), Clock: clock.Real{}, IDs: id.Random{}})
}

func names(list []metadefs.Whole) (out []string) {
	for _, w := range list {
		out = append(out, w.Name)
	}
	return out
}

func TestNamespacesAreSeen(t *testing.T) {
	dbtest.Each(t, "image_metadefs", store.MetadefMigrations(), func(t *testing.T, d *db.DB) {
		s, ctx := newMetadefs(d), t.Context()
		for i, n := range []metadefs.Namespace{{Name: "a", Visibility: metadefs.Public, Owner: "alice"}, {Name: "b", Owner: "bob"}, {Name: "c", Owner: "alice"}, {Name: "d", Visibility: metadefs.Public}} {
			w := metadefs.Whole{Namespace: n, Associations: []metadefs.Association{{Type: fmt.Sprint("T", i%2)}}}
			if _, err := s.Create(ctx, auth.As(n.Owner, ""), w); err != nil {
				t.Fatal(err)
			}
		}
		order := page.Request{Sort: []page.Key{{Column: "name"}}, Limit: 10}
		for who, want := range map[string][]string{"alice": {"a", "c", "d"}, "bob": {"a", "b", "d"}, "": {"a", "d"}} {
			list, _, err := s.List(ctx, auth.As(who, ""), metadefs.Query{Page: order})
			if err != nil || !slices.Equal(names(list), want) {
				t.Errorf("%q sees %v: %v", who, names(list), err)
			}
			if len(list) > 0 && len(list[0].Associations) != 1 {
				t.Error("associations are missing")
			}
		}
		list, _, err := s.List(ctx, auth.System("test"), metadefs.Query{Page: order, Types: []string{"T1", "T9"}})
		if err != nil || !slices.Equal(names(list), []string{"b", "d"}) {
			t.Error(names(list), err)
		}
		order.Limit, order.Marker = 1, "b"
		list, more, err := s.List(ctx, auth.System("test"), metadefs.Query{Page: order})
		if err != nil || !more || !slices.Equal(names(list), []string{"c"}) {
			t.Error("a page:", names(list), more, err)
		}
		if _, err := s.Get(ctx, auth.As("bob", ""), "c"); !fault.Has(err, fault.CodeImageMetadefNotFound) {
			t.Error("a stranger's namespace:", err)
		}
		if types, err := s.ResourceTypes(ctx); err != nil || len(types) != 2 {
			t.Error(types, err)
		}
	})
}

func TestDefinitions(t *testing.T) {
	dbtest.Each(t, "image_metadefs", store.MetadefMigrations(), func(t *testing.T, d *db.DB) {
		s, ctx, scope := newMetadefs(d), t.Context(), auth.System("test")
		n, err := s.Create(ctx, scope, metadefs.Whole{Namespace: metadefs.Namespace{Name: "n", Owner: "o"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.AddTags(ctx, scope, "n", []string{"x", "y", "z"}, false); err != nil {
			t.Fatal(err)
		}
		if err := s.AddTags(ctx, scope, "n", []string{"w", "X"}, true); !fault.Has(err, fault.CodeImageMetadefExists) {
			t.Error("a tag in another case:", err)
		}
		if err := s.AddTags(ctx, scope, "n", []string{"w"}, true); err != nil {
			t.Error(err)
		}
		list, err := s.Definitions(ctx, n.Namespace, metadefs.Tag, page.Request{Sort: []page.Key{{Column: "created_at", Desc: true}}, Marker: "z", Limit: 1})
		if err != nil || len(list) != 1 || list[0].Name != "y" {
			t.Error("after the marker:", list, err)
		}
		if _, err := s.Definition(ctx, n.Namespace, metadefs.Tag, "Z"); err != nil {
			t.Error("the case of a tag does not matter:", err)
		}
		if _, err := s.Replace(ctx, scope, "n", "x", metadefs.Definition{Kind: metadefs.Tag, Name: "y"}); !fault.Has(err, fault.CodeImageMetadefExists) {
			t.Error("renamed onto another:", err)
		}
		if _, err := s.Replace(ctx, scope, "n", "x", metadefs.Definition{Kind: metadefs.Tag, Name: "v"}); err != nil {
			t.Error(err)
		}
		var wg sync.WaitGroup
		made := make([]error, 8)
		for i := range made {
			wg.Go(func() {
				_, made[i] = s.Add(ctx, scope, "n", metadefs.Definition{Kind: metadefs.Property, Name: "p", Body: []byte(`{"type":"string","title":"t"}`)})
			})
		}
		wg.Wait()
		if n := len(slices.DeleteFunc(made, func(err error) bool { return fault.Has(err, fault.CodeImageMetadefExists) })); n != 1 {
			t.Errorf("%d of 8 made the same property", n)
		}
		if err := s.Delete(ctx, scope, "n"); err != nil {
			t.Error(err)
		}
		if empty, err := s.Empty(ctx); !empty || err != nil {
			t.Error(empty, err)
		}
	})
}

func TestStandardDefinitionsLoadOnce(t *testing.T) {
	dbtest.Each(t, "image_metadefs", store.MetadefMigrations(), func(t *testing.T, d *db.DB) {
		s := newMetadefs(d)
		files, err := metadefs.Read(metadefs.Standard())
		if err != nil {
			t.Fatal(err)
		}
		var all []metadefs.Whole
		for _, f := range files {
			all = append(all, f.Whole())
		}
		for i, want := range []int{len(files), 0} {
			if made, err := s.Load(t.Context(), all); err != nil || made != want {
				t.Errorf("load %d made %d: %v", i, made, err)
			}
		}
	})
}
