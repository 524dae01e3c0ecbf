// Package bench measures any OpenStack-compatible cloud through its public APIs,
// so that two clouds can be put side by side. It makes what it needs with names
// that begin with "bench-" and removes it again; quotas that stand in the way it
// lifts where it may, and puts back.
//
// Every figure is a median and a 99th percentile of single calls, or a rate over
// a whole run; nothing is measured inside the cloud.
package bench

import (
	"context"
	"crypto/rand"
	"errors"
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
	Parts       []string      // of tokens, ports, servers, objects; empty: all
	Servers     int           // servers to boot
	Concurrency int           // callers at a time of reads and tokens
	Boots       int           // callers at a time of boots and deletes
	Calls       int           // calls of each kind of read
	LargeMiB    int           // size of the large object
	Objects     int           // objects of the long listing; 0: none
	Deadline    time.Duration // for all servers to be ACTIVE
	Image       string        // names; empty: the first there is
	Flavor      string
	Network     string
	Keep        bool         // leave the servers and their network
	Say         func(string) // progress
}

// Run measures everything; a part that the cloud cannot do is a Result with an
// error, and the others go on.
func Run(ctx context.Context, creds client.Credentials, o Options) ([]Result, error) {
	cloud, err := client.Login(ctx, creds)
	if err != nil {
		return nil, err
	}
	b := &run{cloud: cloud, creds: creds, o: o, name: "bench-" + rand.Text()[:8]}
	defer b.raiseQuotas(ctx)()
	var out []Result
	for _, part := range []struct {
		name    string
		measure func(context.Context) []Result
	}{{"tokens", b.tokens}, {"ports", b.ports}, {"servers", b.servers}, {"objects", b.objects}} {
		if len(o.Parts) > 0 && !slices.Contains(o.Parts, part.name) {
			continue
		}
		out = append(out, part.measure(ctx)...)
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
	name  string // of all that this run makes
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

func (b *run) ports(ctx context.Context) []Result {
	network, drop, err := b.network(ctx, "10.201.0.0/16")
	if err != nil {
		return []Result{{Name: "port create", Error: err.Error()}}
	}
	defer drop()
	n := min(b.o.Calls, 400)
	ids := make([]string, n)
	create := b.many(ctx, "port create", n, 4, func(ctx context.Context, i int) error {
		var p struct{ Port struct{ ID string } }
		err := b.cloud.Do(ctx, "POST", "network", "/v2.0/ports", map[string]any{"port": map[string]any{"network_id": network, "name": b.name}}, &p)
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

// network makes a network with room for many ports.
func (b *run) network(ctx context.Context, cidr string) (id string, drop func(), err error) {
	var made struct{ Network struct{ ID string } }
	if err := b.cloud.Do(ctx, "POST", "network", "/v2.0/networks", map[string]any{"network": map[string]any{"name": b.name}}, &made); err != nil {
		return "", nil, err
	}
	drop = func() { b.drop("network", "/v2.0/networks/"+made.Network.ID) }
	subnet := map[string]any{"subnet": map[string]any{"network_id": made.Network.ID, "ip_version": 4, "cidr": cidr, "name": b.name}}
	if err := b.cloud.Do(ctx, "POST", "network", "/v2.0/subnets", subnet, nil); err != nil {
		drop()
		return "", nil, err
	}
	return made.Network.ID, drop, nil
}

// drop removes what was made, again while it is still in use.
func (b *run) drop(service, path string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		err := b.cloud.Do(ctx, "DELETE", service, path, nil, nil)
		if err == nil || client.IsNotFound(err) {
			return
		}
		select {
		case <-ctx.Done():
			b.o.Say("left behind: " + path + ": " + err.Error())
			return
		case <-time.After(500 * time.Millisecond):
		}
	}
}
