// Package bench measures any OpenStack-compatible cloud through its public APIs,
// so that two clouds can be put side by side. It makes what it needs with names
// that begin with "bench-" and removes it again.
//
// Every figure is a median and a 99th percentile of single calls, or a rate over
// a whole run; nothing is measured inside the cloud.
package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"altostack/client"
)

// Result is one figure.
type Result struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit"` // ms or per_second
	Median float64 `json:"median,omitempty"`
	P99    float64 `json:"p99,omitempty"`
	Rate   float64 `json:"rate,omitempty"`
	Count  int     `json:"count"`
	Error  string  `json:"error,omitempty"`
}

// Options say how much to measure.
type Options struct {
	Servers     int           // servers to boot
	Concurrency int           // callers at a time
	Calls       int           // calls of each kind of read
	Deadline    time.Duration // for all servers to be ACTIVE
	Image       string        // names; empty: the first there is
	Flavor      string
	Network     string
	Say         func(string) // progress
}

// Run measures everything; a part that the cloud cannot do is a Result with an
// error, and the others go on.
func Run(ctx context.Context, creds client.Credentials, o Options) ([]Result, error) {
	cloud, err := client.Login(ctx, creds)
	if err != nil {
		return nil, err
	}
	b := &run{cloud: cloud, creds: creds, o: o}
	var out []Result
	for _, part := range []func(context.Context) []Result{b.tokens, b.ports, b.servers} {
		out = append(out, part(ctx)...)
		if ctx.Err() != nil {
			return out, ctx.Err()
		}
	}
	return out, nil
}

type run struct {
	cloud *client.Cloud
	creds client.Credentials
	o     Options
}

// many makes n calls by c callers and answers their latencies and the rate.
func (b *run) many(ctx context.Context, name string, n, c int, call func(ctx context.Context, i int) error) Result {
	b.o.Say(name)
	took := make([]time.Duration, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	start := time.Now()
	for range c {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n || ctx.Err() != nil {
					return
				}
				t := time.Now()
				if err := call(ctx, i); err != nil {
					mu.Lock()
					failed = errors.Join(failed, err)
					mu.Unlock()
					return
				}
				took[i] = time.Since(t)
			}
		})
	}
	wg.Wait()
	all := time.Since(start)
	if failed != nil {
		return Result{Name: name, Error: failed.Error()}
	}
	slices.Sort(took)
	return Result{Name: name, Unit: "ms", Median: ms(took[n/2]), P99: ms(took[min(n-1, n*99/100)]), Rate: float64(n) / all.Seconds(), Count: n}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (b *run) tokens(ctx context.Context) []Result {
	issue := func(ctx context.Context, _ int) error {
		body := map[string]any{"auth": map[string]any{"identity": map[string]any{"methods": []string{"token"}, "token": map[string]string{"id": b.cloud.Token()}},
			"scope": map[string]any{"project": map[string]string{"id": b.cloud.ProjectID}}}}
		return b.cloud.Do(ctx, "POST", "identity", "/v3/auth/tokens", body, nil)
	}
	validate := func(ctx context.Context, _ int) error {
		return b.cloud.Do(ctx, "GET", "identity", "/v3/auth/tokens", nil, nil, "X-Subject-Token", b.cloud.Token())
	}
	password := func(ctx context.Context, _ int) error {
		_, err := client.Login(ctx, b.creds)
		return err
	}
	return []Result{
		b.many(ctx, "token by password", max(4, b.o.Calls/50), 2, password),
		b.many(ctx, "token by token", b.o.Calls, b.o.Concurrency, issue),
		b.many(ctx, "token validation", b.o.Calls*4, b.o.Concurrency, validate),
	}
}

func (b *run) ports(ctx context.Context) []Result {
	var made struct{ Network struct{ ID string } }
	if err := b.cloud.Do(ctx, "POST", "network", "/v2.0/networks", map[string]any{"network": map[string]any{"name": "bench-net"}}, &made); err != nil {
		return []Result{{Name: "port create", Error: err.Error()}}
	}
	defer b.drop("network", "/v2.0/networks/"+made.Network.ID)
	subnet := map[string]any{"subnet": map[string]any{"network_id": made.Network.ID, "ip_version": 4, "cidr": "10.200.0.0/16", "name": "bench-subnet"}}
	if err := b.cloud.Do(ctx, "POST", "network", "/v2.0/subnets", subnet, nil); err != nil {
		return []Result{{Name: "port create", Error: err.Error()}}
	}
	n := min(b.o.Calls, 200)
	ids := make([]string, n)
	create := b.many(ctx, "port create", n, 4, func(ctx context.Context, i int) error {
		var p struct{ Port struct{ ID string } }
		err := b.cloud.Do(ctx, "POST", "network", "/v2.0/ports", map[string]any{"port": map[string]any{"network_id": made.Network.ID, "name": "bench-port"}}, &p)
		ids[i] = p.Port.ID
		return err
	})
	remove := b.many(ctx, "port delete", n, 4, func(ctx context.Context, i int) error {
		if ids[i] == "" {
			return nil
		}
		return b.cloud.Do(ctx, "DELETE", "network", "/v2.0/ports/"+ids[i], nil, nil)
	})
	return []Result{create, remove}
}

func (b *run) drop(service, path string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_ = b.cloud.Do(ctx, "DELETE", service, path, nil, nil)
}

// servers boots, lists and deletes.
func (b *run) servers(ctx context.Context) []Result {
	body, err := b.request(ctx)
	if err != nil {
		return []Result{{Name: "server boot", Error: err.Error()}}
	}
	n := b.o.Servers
	ids := make([]string, n)
	start := time.Now()
	accept := b.many(ctx, "POST /servers", n, 4, func(ctx context.Context, i int) error {
		var s struct{ Server struct{ ID string } }
		err := b.cloud.Do(ctx, "POST", "compute", "/v2.1/servers", body, &s, "OpenStack-API-Version", "compute 2.37")
		ids[i] = s.Server.ID
		return err
	})
	boots := Result{Name: "boots to ACTIVE", Unit: "per_second", Count: n}
	if err := b.until(ctx, ids, func(active, failed, absent int) bool { return active+failed+absent == n }); err != nil {
		boots.Error = err.Error()
	} else {
		boots.Rate = float64(n) / time.Since(start).Seconds()
	}
	detail := b.many(ctx, fmt.Sprintf("GET /servers/detail (%d rows)", min(n, 1000)), 20, 1, func(ctx context.Context, _ int) error {
		var out struct{ Servers []struct{ ID string } }
		return b.cloud.Do(ctx, "GET", "compute", "/v2.1/servers/detail?limit=1000", nil, &out)
	})
	start = time.Now()
	remove := b.many(ctx, "DELETE /servers/{id}", n, 4, func(ctx context.Context, i int) error {
		if ids[i] == "" {
			return nil
		}
		return b.cloud.Do(ctx, "DELETE", "compute", "/v2.1/servers/"+ids[i], nil, nil)
	})
	gone := Result{Name: "deletes to gone", Unit: "per_second", Count: n}
	if err := b.until(ctx, ids, func(_, _, absent int) bool { return absent == n }); err != nil {
		gone.Error = err.Error()
	} else {
		gone.Rate = float64(n) / time.Since(start).Seconds()
	}
	return []Result{accept, boots, detail, remove, gone}
}

// request is the body of a boot: the first image, flavor and network there are,
// or those named.
func (b *run) request(ctx context.Context) (map[string]any, error) {
	image, err := b.pick(ctx, "image", "/v2/images?status=active", "images", b.o.Image)
	if err != nil {
		return nil, err
	}
	flavor, err := b.pick(ctx, "compute", "/v2.1/flavors", "flavors", b.o.Flavor)
	if err != nil {
		return nil, err
	}
	network, err := b.pick(ctx, "network", "/v2.0/networks?router:external=False", "networks", b.o.Network)
	if err != nil {
		return nil, err
	}
	return map[string]any{"server": map[string]any{"name": "bench-server", "imageRef": image, "flavorRef": flavor, "networks": []map[string]string{{"uuid": network}}}}, nil
}

func (b *run) pick(ctx context.Context, service, path, plural, name string) (string, error) {
	var out map[string]any
	if err := b.cloud.Do(ctx, "GET", service, path, nil, &out); err != nil {
		return "", err
	}
	rows, _ := out[plural].([]any)
	for _, r := range rows {
		if m, ok := r.(map[string]any); ok && (name == "" || m["name"] == name || m["id"] == name) {
			return fmt.Sprint(m["id"]), nil
		}
	}
	return "", fmt.Errorf("the cloud has no %s %s to boot with", plural, name)
}

// until polls the servers' states, a page at a time.
func (b *run) until(ctx context.Context, ids []string, done func(active, failed, absent int) bool) error {
	ctx, cancel := context.WithTimeout(ctx, b.o.Deadline)
	defer cancel()
	mine := map[string]bool{}
	for _, id := range ids {
		mine[id] = id != ""
	}
	for {
		active, failed, there := 0, 0, 0
		for marker := ""; ; {
			var out struct{ Servers []struct{ ID, Status string } }
			if err := b.cloud.Do(ctx, "GET", "compute", "/v2.1/servers/detail?limit=1000&name=bench-server&marker="+marker, nil, &out); err != nil {
				return err
			}
			for _, s := range out.Servers {
				marker = s.ID
				if !mine[s.ID] {
					continue
				}
				there++
				switch s.Status {
				case "ACTIVE":
					active++
				case "ERROR":
					failed++
				}
			}
			if len(out.Servers) == 0 {
				break
			}
		}
		if done(active, failed, len(ids)-there) {
			if failed > 0 {
				return fmt.Errorf("%d of %d servers ended in ERROR", failed, len(ids))
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d servers were ACTIVE when time was over", active, len(ids))
		case <-time.After(50 * time.Millisecond):
		}
	}
}
