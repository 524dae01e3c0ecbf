package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"altostack/compute"
	"altostack/compute/store"
	"altostack/hostapi"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/fault"
	"altostack/kernel/page"
)

func server(id, project string, at time.Time) compute.Server {
	return compute.Server{ID: id, ProjectID: project, UserID: "u", Name: "n-" + id, Hostname: "h", VMState: compute.VMBuilding, Task: compute.TaskScheduling, Want: hostapi.PowerOn,
		FlavorID: "f", Flavor: compute.Flavor{ID: "f", VCPUs: 1}, Metadata: map[string]string{"k": "v%" + id}, Tags: []string{"a_b", id}, Generation: 1, CreatedAt: at, UpdatedAt: at,
		Disks: []compute.Disk{{Source: "image", BootIndex: 0}}}
}

func write(t *testing.T, d *db.DB, f func(ctx context.Context, tx *db.Tx) error) error {
	t.Helper()
	return d.Write(context.Background(), f)
}

func TestServers(t *testing.T) {
	dbtest.Each(t, "compute", store.Migrations(), func(t *testing.T, d *db.DB) {
		s, ctx, at := store.New(d), context.Background(), time.Unix(1700000000, 5000).UTC()
		var saved compute.Server
		for i := range 3 {
			srv := server(fmt.Sprint("s", i), "p1", at.Add(time.Duration(i)*time.Second))
			if i == 0 {
				srv.SetSpec(compute.Spec{KeyType: "ssh", Hints: map[string]any{"group": "g"}})
				words := "what it is for"
				srv.Description = &words
				saved = srv
			}
			if err := write(t, d, func(ctx context.Context, tx *db.Tx) error { return s.InsertServer(ctx, tx, srv) }); err != nil {
				t.Fatal(err)
			}
		}
		got, found, err := s.Server(ctx, d, auth.As("p1", "u"), "s0", false)
		if err != nil || !found || got.Number != 1 || got.Spec().Hints["group"] != "g" || *got.Description != *saved.Description || !got.CreatedAt.Equal(at) || got.Metadata["k"] != "v%s0" {
			t.Errorf("read back %+v, %v, %v", got, found, err)
		}
		if _, found, err := s.Server(ctx, d, auth.As("p2", "u"), "s0", true); found || err != nil {
			t.Errorf("another project's server is found: %v", err)
		}
		if _, found, err := s.Server(ctx, d, auth.Scope{}, "s0", true); found || err != nil {
			t.Errorf("the zero scope finds a server: %v", err)
		}
		next := got.Touch(at.Add(time.Minute))
		next.Host = "host1"
		if err := write(t, d, func(ctx context.Context, tx *db.Tx) error { return s.SaveServer(ctx, tx, next) }); err != nil {
			t.Fatal(err)
		}
		if err := write(t, d, func(ctx context.Context, tx *db.Tx) error { return s.SaveServer(ctx, tx, next) }); !fault.Has(err, fault.CodeDbStale) {
			t.Errorf("saving a generation twice: %v", err)
		}
		if on, err := s.OnHost(ctx, d, "host1"); err != nil || len(on) != 1 {
			t.Errorf("on host1: %v, %v", on, err)
		}
		if stuck, err := s.Stuck(ctx, d, at.Add(time.Hour)); err != nil || len(stuck) != 3 {
			t.Errorf("stuck: %d, %v", len(stuck), err)
		}
		for want, f := range map[string]compute.Filter{
			"3": {ProjectID: "p1"}, "0": {ProjectID: "p2"}, "3 tagged": {Tags: []string{"a_b"}}, "0 tagged, as a tag is no pattern": {Tags: []string{"a%b"}},
			"1 by metadata": {Metadata: map[string]string{"k": "v%s1"}}, "2 not": {NotTags: []string{"s1"}}, "1 by host": {Host: "host1"}, "0 by ids": {IDs: []string{}},
		} {
			f.Deleted = new(bool)
			rows, _, err := s.List(ctx, d, f, page.Request{})
			if err != nil || fmt.Sprint(len(rows)) != want[:1] {
				t.Errorf("%s: %d, %v", want, len(rows), err)
			}
		}
		rows, more, err := s.List(ctx, d, compute.Filter{ProjectID: "p1"}, page.Request{Limit: 2, Sort: []page.Key{{Column: "created_at", Desc: true}}})
		if err != nil || !more || rows[0].ID != "s2" {
			t.Errorf("first page %v, %v, %v", rows, more, err)
		}
	})
}

func TestQuota(t *testing.T) {
	dbtest.Each(t, "compute", store.Migrations(), func(t *testing.T, d *db.DB) {
		s, ctx := store.New(d), context.Background()
		for i := range 2 {
			err := write(t, d, func(ctx context.Context, tx *db.Tx) error {
				before, err := s.Use(ctx, tx, "p1", compute.Usage{Instances: 1, Cores: 2, RAM: 64})
				if before.Cores != int64(2*i) {
					t.Errorf("before: %+v", before)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if u, err := s.Usage(ctx, d, "p1"); err != nil || u != (compute.Usage{Instances: 2, Cores: 4, RAM: 128}) {
			t.Errorf("usage %+v, %v", u, err)
		}
		if q, err := s.Quotas(ctx, d, "p1"); err != nil || q["instances"] != 10 {
			t.Errorf("quotas %v, %v", q, err)
		}
	})
}

func TestActionsConsolesHosts(t *testing.T) {
	dbtest.Each(t, "compute", store.Migrations(), func(t *testing.T, d *db.DB) {
		s, ctx, at := store.New(d), context.Background(), time.Unix(1700000000, 0).UTC()
		err := write(t, d, func(ctx context.Context, tx *db.Tx) error {
			for _, name := range []string{"create", "stop"} {
				if err := s.InsertAction(ctx, tx, compute.Action{ServerID: "s1", RequestID: "req-" + name, Name: name, StartedAt: at, UpdatedAt: at}); err != nil {
					return err
				}
			}
			if err := s.FinishAction(ctx, tx, "s1", "req-stop", "stop", "Error", []compute.Event{{Name: "e", Result: "Error"}}, at.Add(time.Second)); err != nil {
				return err
			}
			if err := s.InsertConsole(ctx, tx, "digest", "s1", "vnc", at, at.Add(time.Minute)); err != nil {
				return err
			}
			return s.PutHost(ctx, tx, compute.Host{Name: "h1", HypervisorID: "hid", ServiceID: "sid", Zone: "nova", Record: hostapi.Host{VCPUs: 4}, SeenAt: at})
		})
		if err != nil {
			t.Fatal(err)
		}
		acts, err := s.Actions(ctx, d, "s1")
		if err != nil || len(acts) != 2 || acts[0].Message != "Error" || acts[0].Events[0].Result != "Error" || acts[1].Number != 1 {
			t.Errorf("actions %+v, %v", acts, err)
		}
		if _, _, found, _ := s.Console(ctx, d, "digest", at.Add(time.Hour)); found {
			t.Error("an expired token is found")
		}
		for _, want := range []bool{true, false} {
			err := write(t, d, func(ctx context.Context, tx *db.Tx) error {
				used, err := s.UseConsole(ctx, tx, "digest", at)
				if used != want {
					t.Errorf("using a token: %v, want %v", used, want)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := write(t, d, func(ctx context.Context, tx *db.Tx) error {
			return s.PutHost(ctx, tx, compute.Host{Name: "h1", HypervisorID: "other", ServiceID: "other", Zone: "mars", Record: hostapi.Host{VCPUs: 8}, SeenAt: at.Add(time.Second)})
		}); err != nil {
			t.Fatal(err)
		}
		h, found, err := s.Host(ctx, d, "h1")
		if err != nil || !found || h.HypervisorID != "hid" || h.Zone != "nova" || h.Record.VCPUs != 8 {
			t.Errorf("host %+v, %v, %v", h, found, err)
		}
	})
}
