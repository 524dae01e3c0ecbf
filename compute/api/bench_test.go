package api_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"altostack/compute"
	"altostack/compute/computetest"
	"altostack/compute/store"
	"altostack/hostapi"
	"altostack/kernel/db"
)

// BenchmarkDetail is a page of 1,000 servers of a project out of 100,000.
func BenchmarkDetail(b *testing.B) {
	cloud := computetest.Open(b, computetest.New("host1"))
	s, at := store.New(cloud.DB), time.Unix(1700000000, 0)
	for batch := range 100 {
		err := cloud.DB.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
			for i := range 1000 {
				srv := compute.Server{ID: fmt.Sprintf("%08d-0000-4000-8000-000000000000", batch*1000+i), ProjectID: computetest.Project, UserID: "u", Name: "server", Hostname: "server",
					VMState: compute.VMActive, Want: hostapi.PowerOn, ImageID: computetest.ImageID, FlavorID: "42", Flavor: compute.Flavor{ID: "42", Name: "m1.nano", VCPUs: 1, MemoryMiB: 64, DiskGiB: 1},
					Metadata: map[string]string{"role": "web"}, Tags: []string{}, Generation: 1, CreatedAt: at.Add(time.Duration(batch*1000+i) * time.Millisecond),
					Disks: []compute.Disk{{Source: "image", SourceID: computetest.ImageID, Destination: "local", Device: "/dev/vda"}}}
				if err := s.InsertServer(ctx, tx, srv); err != nil {
					return err
				}
				if batch == 99 {
					if _, err := (computetest.Network{World: cloud.World}).Allocate(ctx, compute.Allocation{ServerID: srv.ID, Resolved: compute.Resolved{Wants: []compute.Want{{}}}}); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	c := computetest.API(b, cloud).As("member", "2.79")
	b.ResetTimer()
	for b.Loop() {
		c.Raw("GET", "/v2.1/servers/detail?limit=1000", nil)
	}
}

// BenchmarkAccept is POST /servers until its answer.
func BenchmarkAccept(b *testing.B) {
	w := computetest.New("host1")
	w.Silent["host1"] = true
	cloud := computetest.Open(b, w)
	limitless(b, cloud)
	c := computetest.API(b, cloud)
	b.ResetTimer()
	for b.Loop() {
		create(c, nil)
	}
}

// BenchmarkBoot is a server from request to ACTIVE on one of 1,000 hosts, with
// as many requests side by side as clients have.
func BenchmarkBoot(b *testing.B) {
	hosts := make([]string, 1000)
	for i := range hosts {
		hosts[i] = fmt.Sprint("host", i)
	}
	cloud := computetest.Open(b, computetest.New(hosts...))
	limitless(b, cloud)
	c := computetest.API(b, cloud)
	b.ResetTimer()
	var wg sync.WaitGroup
	ids := make(chan string, 16)
	for range 16 {
		wg.Go(func() {
			for id := range ids {
				_ = id
				cloud.Settle(b, create(c, nil))
			}
		})
	}
	for b.Loop() {
		ids <- ""
	}
	close(ids)
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "boots/s")
}

func limitless(b *testing.B, cloud *computetest.Cloud) {
	err := cloud.DB.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
		for _, r := range []string{"instances", "cores", "ram"} {
			if _, err := tx.Exec(ctx, "INSERT INTO compute_quotas (project_id, resource, value) VALUES ($1, $2, -1)", computetest.Project, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}
