package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"altostack/kernel/clock"
	"altostack/kernel/db"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/placement"
	"altostack/placement/store"
)

func service(d *db.DB) *placement.Service {
	return placement.New(placement.Config{DB: d, Store: store.New(), Clock: clock.Real{}, IDs: id.Random{}})
}

func host(t testing.TB, s *placement.Service, name string, vcpus int64, traits ...string) string {
	t.Helper()
	uuid, err := s.EnsureHost(t.Context(), placement.HostInventory{Name: name, VCPUs: vcpus, MemoryMiB: 1024 * vcpus, DiskGiB: 100, CPURatio: 2, Traits: traits})
	if err != nil {
		t.Fatal(err)
	}
	return uuid
}

func claim(ctx context.Context, d *db.DB, s *placement.Service, consumer, provider string, vcpus int64) error {
	return d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return s.Claim(ctx, tx, placement.Consumer{ID: consumer, ProjectID: "p", UserID: "u", Type: "INSTANCE"}, provider, map[string]int64{"VCPU": vcpus, "MEMORY_MB": 1})
	})
}

func release(ctx context.Context, d *db.DB, s *placement.Service, consumer string) error {
	return d.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.Release(ctx, tx, consumer) })
}

func used(t testing.TB, s *placement.Service, provider string) int64 {
	t.Helper()
	p, err := s.Provider(t.Context(), provider)
	if err != nil {
		t.Fatal(err)
	}
	return p.Inventories["VCPU"].Used
}

func TestClaim(t *testing.T) {
	dbtest.Each(t, "placement", store.Migrations(), func(t *testing.T, d *db.DB) {
		ctx, s := t.Context(), service(d)
		one, two := host(t, s, "one", 4, "COMPUTE_VOLUME_EXTEND", "CUSTOM_FAST"), host(t, s, "two", 4)
		steps := []struct {
			name     string
			do       func() error
			want     fault.Code
			one, two int64
		}{
			{"a claim takes room", func() error { return claim(ctx, d, s, "a", one, 4) }, "", 4, 0},
			{"repeated it finds its own", func() error { return claim(ctx, d, s, "a", one, 4) }, "", 4, 0},
			{"another fits beside it", func() error { return claim(ctx, d, s, "b", one, 2) }, "", 6, 0},
			{"what does not fit is refused whole", func() error { return claim(ctx, d, s, "c", one, 3) }, fault.CodePlacementNoRoom, 6, 0},
			{"a claim elsewhere gives the old one back", func() error { return claim(ctx, d, s, "a", two, 4) }, "", 2, 4},
			{"another amount replaces the old one", func() error { return claim(ctx, d, s, "a", two, 3) }, "", 2, 3},
			{"more than a host has at once is refused", func() error { return claim(ctx, d, s, "c", two, 5) }, fault.CodePlacementBadUnit, 2, 3},
			{"no such provider", func() error { return claim(ctx, d, s, "c", "nowhere", 1) }, fault.CodePlacementUnknownProvider, 2, 3},
			{"release frees", func() error { return release(ctx, d, s, "a") }, "", 2, 0},
			{"release of nothing is success", func() error { return release(ctx, d, s, "a") }, "", 2, 0},
		}
		for _, st := range steps {
			err := st.do()
			if st.want == "" && err != nil || st.want != "" && !fault.Has(err, st.want) {
				t.Errorf("%s: %v", st.name, err)
			}
			if a, b := used(t, s, one), used(t, s, two); a != st.one || b != st.two {
				t.Errorf("%s: used %d and %d, want %d and %d", st.name, a, b, st.one, st.two)
			}
		}
		candidates(t, s)
	})
}

func candidates(t *testing.T, s *placement.Service) {
	for name, tt := range map[string]struct {
		need  placement.Need
		want  string
		lacks string
	}{
		"room":      {placement.Need{Resources: map[string]int64{"VCPU": 4}}, "[one two]", "map[]"},
		"memory":    {placement.Need{Resources: map[string]int64{"MEMORY_MB": 4096}}, "[two]", "map[one:MEMORY_MB: 4095 free of 4096, 4096 asked for]"},
		"trait":     {placement.Need{Required: []string{"CUSTOM_FAST"}}, "[one]", "map[two:trait CUSTOM_FAST is missing]"},
		"forbidden": {placement.Need{Forbidden: []string{"CUSTOM_FAST"}}, "[two]", "map[one:it has the unwanted trait CUSTOM_FAST]"},
		"limit":     {placement.Need{Limit: 1}, "[one]", "map[]"},
		"class":     {placement.Need{Resources: map[string]int64{"VGPU": 1}}, "[]", "map[one:it has no VGPU two:it has no VGPU]"},
	} {
		found, err := s.Candidates(t.Context(), tt.need)
		if err != nil {
			t.Fatal(err)
		}
		names := []string{}
		for _, c := range found {
			names = append(names, c.Name)
		}
		lacks, err := s.Lacks(t.Context(), tt.need)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(names) != tt.want || fmt.Sprint(lacks) != tt.lacks {
			t.Errorf("%s:\n got: %v %v\nwant: %v %v", name, names, lacks, tt.want, tt.lacks)
		}
	}
}

// Whatever is claimed, moved and released at once, no host ever promises more
// than it has, and what it promises is the sum of its allocations.
func TestNeverOverCapacity(t *testing.T) {
	dbtest.Each(t, "placement", store.Migrations(), func(t *testing.T, d *db.DB) {
		run := 0
		rapid.Check(t, func(rt *rapid.T) {
			run++
			s := service(d)
			hosts := make([]string, rapid.IntRange(1, 3).Draw(rt, "hosts"))
			for i := range hosts {
				hosts[i] = host(t, s, fmt.Sprintf("run%d-%d", run, i), rapid.Int64Range(1, 4).Draw(rt, "vcpus"))
			}
			type op struct {
				consumer, host int
				vcpus          int64
			}
			ops := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) op {
				return op{rapid.IntRange(0, 5).Draw(t, "consumer"), rapid.IntRange(-1, len(hosts)-1).Draw(t, "host"), rapid.Int64Range(1, 4).Draw(t, "n")}
			}), 1, 24).Draw(rt, "ops")
			var all sync.WaitGroup
			for part := range 3 {
				all.Go(func() {
					for i := part; i < len(ops); i += 3 {
						o := ops[i]
						consumer := fmt.Sprintf("run%d-%d", run, o.consumer)
						var err error
						if o.host < 0 {
							err = release(context.Background(), d, s, consumer)
						} else {
							err = claim(context.Background(), d, s, consumer, hosts[o.host], o.vcpus)
						}
						if err != nil && !fault.Has(err, fault.CodePlacementNoRoom) && !fault.Has(err, fault.CodePlacementBadUnit) {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
			for _, h := range hosts {
				p, held, _, err := s.AllocationsOn(t.Context(), h)
				if err != nil {
					rt.Fatal(err)
				}
				sum := map[string]int64{}
				for _, a := range held {
					sum[a.Class] += a.Used
				}
				for class, inv := range p.Inventories {
					if inv.Used != sum[class] || inv.Used > inv.Capacity() {
						rt.Fatalf("%s of %s: used %d, allocations %d, capacity %d", class, p.Name, inv.Used, sum[class], inv.Capacity())
					}
				}
			}
			var lack int
			view, err := s.Candidates(t.Context(), placement.Need{})
			if err != nil {
				rt.Fatal(err)
			}
			for _, c := range view { // the view in memory agrees with the tables
				if d.Dialect == db.SQLite && c.Used["VCPU"] != used(t, s, c.ProviderID) {
					lack++
				}
			}
			if lack > 0 {
				rt.Fatalf("the view is wrong about %d providers", lack)
			}
		})
	})
}

func TestGenerations(t *testing.T) {
	dbtest.Each(t, "placement", store.Migrations(), func(t *testing.T, d *db.DB) {
		s := service(d)
		uuid := host(t, s, "one", 4)
		p, _ := s.Provider(t.Context(), uuid)
		again := host(t, s, "one", 4)
		same, _ := s.Provider(t.Context(), uuid)
		if again != uuid || same.Generation != p.Generation {
			t.Errorf("reporting the same again changed %d to %d", p.Generation, same.Generation)
		}
		stale := p.Generation - 1
		if _, err := s.SetTraits(t.Context(), uuid, &stale, nil); !fault.Has(err, fault.CodePlacementGenerationConflict) {
			t.Errorf("a stale generation: %v", err)
		}
		if err := claim(t.Context(), d, s, "c", uuid, 1); err != nil {
			t.Fatal(err)
		}
		if err := s.DeleteProvider(t.Context(), uuid); !fault.Has(err, fault.CodePlacementProviderInUse) {
			t.Errorf("a provider in use: %v", err)
		}
		if err := s.DeleteInventory(t.Context(), uuid, "VCPU"); !fault.Has(err, fault.CodePlacementInventoryInUse) {
			t.Errorf("an inventory in use: %v", err)
		}
		old := int64(7)
		err := s.Allocate(t.Context(), []placement.Write{{Consumer: placement.Consumer{ID: "c"}, CheckGen: true, Generation: &old}})
		if !fault.Has(err, fault.CodePlacementGenerationConflict) {
			t.Errorf("a stale consumer: %v", err)
		}
	})
}

// Work for a cloud of 1,000 hosts with 10,000 servers.
func filled(b *testing.B) (*db.DB, *placement.Service, []string) {
	d := dbtest.SQLite(b)
	if err := d.Migrate(b.Context(), "placement", store.Migrations()); err != nil {
		b.Fatal(err)
	}
	s := service(d)
	hosts := make([]string, 1000)
	var all sync.WaitGroup
	for i := range hosts {
		all.Go(func() {
			uuid, err := s.EnsureHost(b.Context(), placement.HostInventory{Name: fmt.Sprintf("host%04d", i), VCPUs: 64, MemoryMiB: 1 << 18, DiskGiB: 4000, CPURatio: 4,
				Traits: []string{"COMPUTE_VOLUME_EXTEND", "COMPUTE_NODE", "HW_CPU_X86_AVX2"}})
			if err != nil {
				b.Error(err)
			}
			hosts[i] = uuid
		})
	}
	all.Wait()
	for part := range 20 {
		all.Go(func() {
			for i := range 500 {
				if err := claim(b.Context(), d, s, fmt.Sprintf("%d-%d", part, i), hosts[(part*500+i)%1000], 1); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	return d, s, hosts
}

func BenchmarkCandidates(b *testing.B) {
	d, s, hosts := filled(b)
	need := placement.Need{Resources: map[string]int64{"VCPU": 2, "MEMORY_MB": 2048, "DISK_GB": 10}, Required: []string{"COMPUTE_NODE"}}
	b.Run("all of 1000", func(b *testing.B) {
		for b.Loop() {
			if c, err := s.Candidates(b.Context(), need); err != nil || len(c) != 1000 {
				b.Fatal(len(c), err)
			}
		}
	})
	b.Run("10 of 1000, one host changed", func(b *testing.B) {
		need := need
		need.Limit, need.Shuffle = 10, true
		for i := 0; b.Loop(); i++ {
			b.StopTimer()
			err := claim(b.Context(), d, s, fmt.Sprint("x", rand.IntN(1000)), hosts[i%1000], 1)
			if err != nil && !errors.Is(err, fault.New(fault.CodePlacementNoRoom, "")) {
				b.Fatal(err)
			}
			b.StartTimer()
			if _, err := s.Candidates(b.Context(), need); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("API search of 1000", func(b *testing.B) {
		ask := placement.Ask{Nested: true, Groups: []placement.Group{{Resources: need.Resources, Required: [][]string{{"COMPUTE_NODE"}}}}}
		for b.Loop() {
			if m, err := s.Match(b.Context(), ask); err != nil || len(m.Fits) != 1000 {
				b.Fatal(len(m.Fits), err)
			}
		}
	})
}

func BenchmarkClaim(b *testing.B) {
	d, s, hosts := filled(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c := id.Random{}.UUID()
			if err := claim(b.Context(), d, s, c, hosts[rand.IntN(1000)], 1); err != nil {
				b.Error(err)
			}
			if err := release(b.Context(), d, s, c); err != nil {
				b.Error(err)
			}
		}
	})
}
