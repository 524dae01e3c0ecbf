package bench

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// servers boots, lists and deletes.
func (b *run) servers(ctx context.Context) []Result {
	body, drop, err := b.request(ctx)
	if err != nil {
		return []Result{{Name: "POST /servers", Error: err.Error()}}
	}
	if !b.o.Keep {
		defer drop()
	}
	alone := b.acceptAlone(ctx, body)
	n := b.o.Servers
	ids := make([]string, n)
	start := time.Now()
	accept := b.many(ctx, "POST /servers", n, b.o.Boots, func(ctx context.Context, i int) error {
		var s struct{ Server struct{ ID string } }
		err := b.cloud.Do(ctx, "POST", "compute", "/v2.1/servers", body, &s, "OpenStack-API-Version", "compute 2.37")
		ids[i] = s.Server.ID
		return err
	})
	boots := b.rate("boots to ACTIVE", start, b.wait(ctx, "status=BUILD"))
	if boots.Error == "" {
		boots.Error = b.allActive(ctx, ids)
	}
	detail := b.many(ctx, fmt.Sprintf("GET /servers/detail (%d rows)", min(n, 1000)), 20, 1, b.detail)
	if b.o.Keep {
		return []Result{alone, accept, boots, detail}
	}
	start = time.Now()
	remove := b.many(ctx, "DELETE /servers/{id}", n, b.o.Boots, func(ctx context.Context, i int) error {
		if ids[i] == "" {
			return nil
		}
		return b.cloud.Do(ctx, "DELETE", "compute", "/v2.1/servers/"+ids[i], nil, nil)
	})
	gone := b.rate("deletes to gone", start, b.wait(ctx, ""))
	return []Result{alone, accept, boots, detail, remove, gone}
}

// acceptAlone measures how soon one caller's requests are accepted while nothing
// but their own boots is under way, and removes those servers again.
func (b *run) acceptAlone(ctx context.Context, body any) Result {
	n := max(4, min(40, b.o.Servers/5))
	took := make([]time.Duration, n)
	ids := make([]string, n)
	fail := func(err error) Result { return Result{Name: "POST /servers, one caller", Error: err.Error()} }
	for i := range n {
		var s struct{ Server struct{ ID string } }
		start := time.Now()
		if err := b.cloud.Do(ctx, "POST", "compute", "/v2.1/servers", body, &s, "OpenStack-API-Version", "compute 2.37"); err != nil {
			return fail(err)
		}
		took[i], ids[i] = time.Since(start), s.Server.ID
		if err := b.wait(ctx, "status=BUILD"); err != nil {
			return fail(err)
		}
	}
	for _, id := range ids {
		if err := b.cloud.Do(ctx, "DELETE", "compute", "/v2.1/servers/"+id, nil, nil); err != nil {
			return fail(err)
		}
	}
	if err := b.wait(ctx, ""); err != nil {
		return fail(err)
	}
	return summary("POST /servers, one caller", took)
}

func (b *run) rate(name string, start time.Time, err error) Result {
	if err != nil {
		return Result{Name: name, Error: err.Error()}
	}
	return Result{Name: name, Unit: "per_second", Count: b.o.Servers, Rate: float64(b.o.Servers) / time.Since(start).Seconds()}
}

// detail lists a page of servers, as the caller sees it: read to its end, but not
// decoded, which is the client's work.
func (b *run) detail(ctx context.Context, _ int) error {
	return b.cloud.Do(ctx, "GET", "compute", "/v2.1/servers/detail?limit=1000", nil, nil)
}

// wait returns once no server of this run matches a filter. It asks for one
// server at a time, so as not to be what is measured.
func (b *run) wait(ctx context.Context, filter string) error {
	ctx, cancel := context.WithTimeout(ctx, b.o.Deadline)
	defer cancel()
	for {
		var out struct{ Servers []struct{ ID string } }
		if err := b.cloud.Do(ctx, "GET", "compute", "/v2.1/servers?limit=1&name="+b.name+"&"+filter, nil, &out); err != nil {
			return err
		}
		if len(out.Servers) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("server %s and maybe others were not done when time was over", out.Servers[0].ID)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// allActive answers what is wrong with the servers of this run; empty: nothing.
func (b *run) allActive(ctx context.Context, ids []string) string {
	states := map[string]string{}
	for marker := ""; ; {
		var out struct{ Servers []struct{ ID, Status string } }
		if err := b.cloud.Do(ctx, "GET", "compute", "/v2.1/servers/detail?limit=1000&name="+b.name+"&marker="+marker, nil, &out); err != nil {
			return err.Error()
		}
		if len(out.Servers) == 0 {
			break
		}
		for _, s := range out.Servers {
			marker, states[s.ID] = s.ID, s.Status
		}
	}
	others, last := 0, ""
	for _, id := range ids {
		if states[id] != "ACTIVE" {
			others, last = others+1, cmp.Or(states[id], "not listed")
		}
	}
	if others == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d servers did not become ACTIVE, the last of them: %s", others, len(ids), last)
}

// request is the body of a boot: the first image, the smallest flavor and a
// network of its own, or those named.
func (b *run) request(ctx context.Context) (body map[string]any, drop func(), err error) {
	image, err := b.pick(ctx, "image", "/v2/images?status=active", "images", b.o.Image)
	if err != nil {
		return nil, nil, err
	}
	flavor, err := b.pick(ctx, "compute", "/v2.1/flavors/detail", "flavors", b.o.Flavor)
	if err != nil {
		return nil, nil, err
	}
	network, drop := "", func() {}
	if b.o.Network != "" {
		network, err = b.pick(ctx, "network", "/v2.0/networks", "networks", b.o.Network)
	} else {
		network, drop, err = b.network(ctx, "10.200.0.0/16")
	}
	if err != nil {
		return nil, nil, err
	}
	return map[string]any{"server": map[string]any{"name": b.name, "imageRef": image, "flavorRef": flavor, "networks": []map[string]string{{"uuid": network}}}}, drop, nil
}

// thing is an image, flavor or network, as far as choosing one goes.
type thing struct {
	ID, Name         string
	RAM, VCPUs, Disk int
}

// pick answers the named one, or the smallest.
func (b *run) pick(ctx context.Context, service, path, plural, name string) (string, error) {
	var out map[string]any
	if err := b.cloud.Do(ctx, "GET", service, path, nil, &out); err != nil {
		return "", err
	}
	rows, _ := out[plural].([]any)
	var found []thing
	for _, r := range rows {
		m, _ := r.(map[string]any)
		number := func(k string) int { f, _ := m[k].(float64); return int(f) }
		if t := (thing{fmt.Sprint(m["id"]), fmt.Sprint(m["name"]), number("ram"), number("vcpus"), number("disk")}); name == "" || t.Name == name || t.ID == name {
			found = append(found, t)
		}
	}
	if len(found) == 0 {
		return "", fmt.Errorf("the cloud has no %s %s to boot with", plural, name)
	}
	slices.SortStableFunc(found, func(a, b thing) int {
		return cmp.Or(cmp.Compare(a.RAM, b.RAM), cmp.Compare(a.VCPUs, b.VCPUs), cmp.Compare(a.Disk, b.Disk))
	})
	return found[0].ID, nil
}
