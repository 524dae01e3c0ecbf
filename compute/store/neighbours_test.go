package store_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"altostack/compute"
	"altostack/compute/store"
	"altostack/hostapi"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/page"
)

var day = time.Unix(1700000000, 0).UTC()

// both runs a test on both databases with compute's tables.
func both(t *testing.T, test func(t *testing.T, d *db.DB, s *store.Store)) {
	dbtest.Each(t, "compute", store.Migrations(), func(t *testing.T, d *db.DB) { test(t, d, store.New(d)) })
}

func commit(t *testing.T, d *db.DB, f func(ctx context.Context, tx *db.Tx) error) {
	t.Helper()
	if err := d.Write(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func pointer(s string) *string { return &s }

// TestFlavorPages walks the catalogue by every kind of sort key, one flavor a
// page, both ways: each flavor must come once, null descriptions too.
func TestFlavorPages(t *testing.T) {
	both(t, func(t *testing.T, d *db.DB, s *store.Store) {
		commit(t, d, func(ctx context.Context, tx *db.Tx) error {
			for i := range 7 {
				f := compute.Flavor{ID: fmt.Sprint("f", i), Name: fmt.Sprint("name", 9-i), VCPUs: i % 2, MemoryMiB: 64 * (i % 3), RxTx: float64(i % 2), Public: i != 5, CreatedAt: day}
				if i%2 == 0 {
					f.Description = pointer(fmt.Sprint("d", i%3))
				}
				if err := s.InsertFlavor(ctx, tx, f); err != nil {
					return err
				}
			}
			return nil
		})
		admin := auth.System("test")
		for _, column := range []string{"id", "name", "vcpus", "memory_mib", "rxtx", "is_public", "created_at", "COALESCE(description, '')"} {
			for _, desc := range []bool{false, true} {
				req := page.Request{Limit: 1, Sort: []page.Key{{Column: column, Desc: desc}}}
				var got []string
				for {
					rows, more, err := s.ListFlavors(t.Context(), d, admin, compute.FlavorFilter{}, req)
					if err != nil {
						t.Fatal(column, err)
					}
					got = append(got, rows[0].ID)
					if !more {
						break
					}
					req.Marker = rows[0].ID
				}
				whole, _, err := s.ListFlavors(t.Context(), d, admin, compute.FlavorFilter{}, page.Request{Sort: req.Sort})
				if err != nil {
					t.Fatal(err)
				}
				var want []string
				for _, f := range whole {
					want = append(want, f.ID)
				}
				if !slices.Equal(got, want) || len(got) != 7 {
					t.Errorf("by %s (descending %v) pages give %v, want %v", column, desc, got, want)
				}
			}
		}
	})
}

func TestPrivateFlavorsAreForThoseWithAccess(t *testing.T) {
	both(t, func(t *testing.T, d *db.DB, s *store.Store) {
		commit(t, d, func(ctx context.Context, tx *db.Tx) error {
			for _, f := range []compute.Flavor{{ID: "open", Name: "open", Public: true}, {ID: "ours", Name: "ours"}, {ID: "theirs", Name: "theirs"}} {
				if err := s.InsertFlavor(ctx, tx, f); err != nil {
					return err
				}
			}
			_, err := s.GrantFlavor(ctx, tx, "ours", "p1")
			return err
		})
		yes, no := true, false
		ids := func(scope auth.Scope, f compute.FlavorFilter) (out []string) {
			rows, _, err := s.ListFlavors(t.Context(), d, scope, f, page.Request{})
			for _, one := range sure(rows, err) {
				out = append(out, one.ID)
			}
			return out
		}
		all := auth.As("p1", "u")
		all.All = true
		for name, tt := range map[string]struct {
			got, want []string
		}{
			"a member sees public and shared ones":           {ids(auth.As("p1", "u"), compute.FlavorFilter{}), []string{"open", "ours"}},
			"a stranger sees public ones":                    {ids(auth.As("p2", "u"), compute.FlavorFilter{}), []string{"open"}},
			"an administrator sees what the project may use": {ids(all, compute.FlavorFilter{Public: &yes}), []string{"open", "ours"}},
			"an administrator may ask for private ones":      {ids(all, compute.FlavorFilter{Public: &no}), []string{"ours", "theirs"}},
			"an administrator may ask for all":               {ids(all, compute.FlavorFilter{}), []string{"open", "ours", "theirs"}},
		} {
			if !slices.Equal(tt.got, tt.want) {
				t.Errorf("%s: %v, want %v", name, tt.got, tt.want)
			}
		}
		commit(t, d, func(ctx context.Context, tx *db.Tx) error {
			_, err := s.DeleteFlavor(ctx, tx, "ours")
			return err
		})
		if left := sure(s.FlavorAccess(t.Context(), d, "ours")); len(left) > 0 {
			t.Errorf("a deleted flavor left access of %v", left)
		}
	})
}

// sure is for reads that fail only if the test is wrong.
func sure[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestKeypairs(t *testing.T) {
	both(t, func(t *testing.T, d *db.DB, s *store.Store) {
		k := compute.Keypair{UserID: "u", Name: "a", Type: "ssh", Fingerprint: "f", PublicKey: "k", CreatedAt: day}
		insert := func(k compute.Keypair) error {
			return d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) (err error) { k, err = s.InsertKeypair(ctx, tx, k); return err })
		}
		for _, name := range []string{"b", "a", "c"} {
			k.Name = name
			if err := insert(k); err != nil {
				t.Fatal(err)
			}
		}
		if err := insert(k); !db.IsUnique(err) {
			t.Errorf("a second key of the same name: %v", err)
		}
		k.UserID = "other"
		if err := insert(k); err != nil {
			t.Errorf("another user's key of the same name: %v", err)
		}
		rows, more, err := s.ListKeypairs(t.Context(), d, "u", page.Request{Limit: 1, Marker: "a"})
		if err != nil || !more || len(rows) != 1 || rows[0].Name != "b" {
			t.Errorf("the page after a is %v, more %v, %v", rows, more, err)
		}
		if n := sure(s.CountKeypairs(t.Context(), d, "u")); n != 3 {
			t.Errorf("the user has %d keys", n)
		}
	})
}

func TestQuotasLayer(t *testing.T) {
	both(t, func(t *testing.T, d *db.DB, s *store.Store) {
		commit(t, d, func(ctx context.Context, tx *db.Tx) error {
			if err := s.SetQuotaClass(ctx, tx, "default", compute.Quotas{"cores": 30, "ram": 1000}); err != nil {
				return err
			}
			if err := s.SetQuotaClass(ctx, tx, "gold", compute.Quotas{"cores": 99}); err != nil {
				return err
			}
			if err := s.SetUserQuotas(ctx, tx, "p", "u", compute.Quotas{"cores": 1}); err != nil {
				return err
			}
			return s.SetQuotas(ctx, tx, "p", compute.Quotas{"cores": 40})
		})
		q := sure(s.Quotas(t.Context(), d, "p"))
		if q["cores"] != 40 || q["ram"] != 1000 || q["instances"] != 10 {
			t.Errorf("limits are %v", q)
		}
		if u := sure(s.UserQuotas(t.Context(), d, "p", "u")); u["cores"] != 1 || len(u) != 1 {
			t.Errorf("the user's limits are %v", u)
		}
		commit(t, d, func(ctx context.Context, tx *db.Tx) error { return s.DropQuotas(ctx, tx, "p") })
		if q = sure(s.Quotas(t.Context(), d, "p")); q["cores"] != 30 {
			t.Errorf("dropped limits leave %v", q)
		}
		if u := sure(s.UserQuotas(t.Context(), d, "p", "u")); len(u) != 0 {
			t.Errorf("dropped limits leave the user's: %v", u)
		}
	})
}

func TestAggregates(t *testing.T) {
	both(t, func(t *testing.T, d *db.DB, s *store.Store) {
		a := compute.Aggregate{ID: "u1", Name: "a", Metadata: map[string]string{"k": "v"}, Hosts: []string{}, CreatedAt: day}
		insert := func(a compute.Aggregate) (out compute.Aggregate, err error) {
			err = d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) (err error) { out, err = s.InsertAggregate(ctx, tx, a); return err })
			return out, err
		}
		a = sure(insert(a))
		if _, err := insert(compute.Aggregate{ID: "u2", Name: "a"}); !db.IsUnique(err) {
			t.Errorf("a second aggregate of the name: %v", err)
		}
		a.Hosts, a.UpdatedAt = []string{"h1", "h2"}, day.Add(time.Second)
		commit(t, d, func(ctx context.Context, tx *db.Tx) error { return s.SaveAggregate(ctx, tx, a) })
		got, found, err := s.Aggregate(t.Context(), d, a.Number)
		if diff := cmp.Diff(a, got); !found || err != nil || diff != "" {
			t.Errorf("read back: %v %v %s", found, err, diff)
		}
		all := sure(s.Aggregates(t.Context(), d))
		if diff := cmp.Diff([]compute.Aggregate{a}, all); diff != "" {
			t.Errorf("list: %s", diff)
		}
		commit(t, d, func(ctx context.Context, tx *db.Tx) error { return s.LeaveAggregates(ctx, tx, "h1") })
		if got, _, _ = s.Aggregate(t.Context(), d, a.Number); !slices.Equal(got.Hosts, []string{"h2"}) {
			t.Errorf("hosts are %v", got.Hosts)
		}
	})
}

func TestGroupsShowServersThatExist(t *testing.T) {
	both(t, func(t *testing.T, d *db.DB, s *store.Store) {
		g := compute.ServerGroup{ID: "g", ProjectID: "p", UserID: "u", Name: "n", Policy: "anti-affinity", Rules: compute.GroupRules{MaxPerHost: 2}, CreatedAt: day}
		commit(t, d, func(ctx context.Context, tx *db.Tx) error {
			if err := s.InsertGroup(ctx, tx, g); err != nil {
				return err
			}
			for _, id := range []string{"s1", "s2"} {
				if err := s.InsertServer(ctx, tx, bare(id, "p")); err != nil {
					return err
				}
				if err := s.JoinGroup(ctx, tx, "g", id); err != nil {
					return err
				}
			}
			_, err := tx.Exec(ctx, "UPDATE servers SET deleted = TRUE WHERE id = $1", "s2")
			return err
		})
		got, found, err := s.Group(t.Context(), d, "g")
		if diff := cmp.Diff(g, got); !found || err != nil || diff != "" {
			t.Errorf("read back: %v %v %s", found, err, diff)
		}
		if m := sure(s.GroupMembers(t.Context(), d, []string{"g", "none"})); !slices.Equal(m["g"], []string{"s1"}) || len(m) != 1 {
			t.Errorf("members are %v", m)
		}
		if list := sure(s.Groups(t.Context(), d, "q")); len(list) != 0 {
			t.Errorf("another project's list is %v", list)
		}
	})
}

func bare(id, project string) compute.Server {
	return compute.Server{ID: id, ProjectID: project, UserID: "u", Name: id, Hostname: id, VMState: compute.VMBuilding, Want: "on",
		Flavor: compute.Flavor{Name: "f", VCPUs: 2, MemoryMiB: 64}, Metadata: map[string]string{}, CreatedAt: day}
}

// TestRan lists who existed within a period.
func TestRan(t *testing.T) {
	both(t, func(t *testing.T, d *db.DB, s *store.Store) {
		at := func(h int) time.Time { return day.Add(time.Duration(h) * time.Hour) }
		commit(t, d, func(ctx context.Context, tx *db.Tx) error {
			for id, span := range map[string][2]time.Time{"before": {at(0), at(1)}, "into": {at(0), at(3)}, "on": {at(1)}, "after": {at(9)}, "never": {}} {
				if err := s.InsertServer(ctx, tx, bare(id, "p")); err != nil {
					return err
				}
				if _, err := tx.Exec(ctx, "UPDATE servers SET launched_at = $1, ended_at = $2, deleted = $3 WHERE id = $4",
					db.Micros(span[0]), db.Micros(span[1]), !span[1].IsZero(), id); err != nil {
					return err
				}
			}
			return nil
		})
		rows, more, err := s.Ran(t.Context(), d, "p", at(2), at(5), page.Request{Limit: 1})
		if err != nil || !more || len(rows) != 1 || rows[0].ID != "into" || rows[0].Hours(at(2), at(5)) != 1 {
			t.Errorf("first page %+v, more %v, %v", rows, more, err)
		}
		rows, more, err = s.Ran(t.Context(), d, "", at(2), at(5), page.Request{Limit: 5, Marker: "into"})
		if err != nil || more || len(rows) != 1 || rows[0].ID != "on" || rows[0].Hours(at(2), at(5)) != 3 {
			t.Errorf("second page %+v, more %v, %v", rows, more, err)
		}
		if u := sure(s.UserUsage(t.Context(), d, "p", "u")); u != (compute.Usage{Instances: 3, Cores: 6, RAM: 192}) {
			t.Errorf("the user takes %+v", u)
		}
	})
}

func TestHostsKeepWhatOperatorsSet(t *testing.T) {
	both(t, func(t *testing.T, d *db.DB, s *store.Store) {
		h := compute.Host{Name: "h1", HypervisorID: "hv", ServiceID: "sv", ProviderID: "p", Zone: "nova", Record: hostapi.Host{Name: "h1"}, SeenAt: day}
		put := func() {
			commit(t, d, func(ctx context.Context, tx *db.Tx) error { return s.PutHost(ctx, tx, h) })
		}
		put()
		commit(t, d, func(ctx context.Context, tx *db.Tx) error {
			set := h
			set.Disabled, set.DisabledReason, set.ForcedDown, set.Zone = true, "why", true, "london"
			return s.SetHost(ctx, tx, set)
		})
		put() // a heartbeat
		got, found, err := s.Host(t.Context(), d, "h1")
		if !found || err != nil || !got.Disabled || got.DisabledReason != "why" || !got.ForcedDown || got.Zone != "london" || got.ServiceNumber != 1 {
			t.Errorf("after a heartbeat: %+v %v", got, err)
		}
	})
}
