package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"altostack/client"
)

// smallImage is one of 64 KiB, as pretended hosts copy images and read every byte.
func smallImage(ctx context.Context, cloud *client.Cloud, name string) error {
	var made struct{ ID string }
	if err := cloud.Do(ctx, "POST", "image", "/v2/images", map[string]any{"name": name, "disk_format": "raw", "container_format": "bare"}, &made); err != nil {
		return err
	}
	return cloud.Do(ctx, "PUT", "image", "/v2/images/"+made.ID+"/file", bytes.NewReader(make([]byte, 64<<10)), nil, "Content-Type", "application/octet-stream")
}

// measure runs the benches of any cloud on one of ours.
func (s *Suite) measure(ctx context.Context, c *cloud, o Options) (map[string]Result, error) {
	creds, err := c.access()
	if err != nil {
		return nil, err
	}
	api, err := client.Login(ctx, creds)
	if err != nil {
		return nil, err
	}
	o.Image, o.Calls, o.Concurrency, o.Boots, o.Deadline, o.Say = "bench-small", 2000, 8, 4, 2*time.Minute, s.Say
	if err := smallImage(ctx, api, o.Image); err != nil {
		return nil, err
	}
	results, err := Run(ctx, creds, o)
	named := map[string]Result{}
	for _, r := range results {
		named[r.Name] = r
	}
	return named, err
}

func (s *Suite) keep(from map[string]Result, name, as, wanted, original string) {
	r, ok := from[name]
	if !ok {
		r.Error = "not measured"
	}
	r.Name = as
	s.add(r, wanted, original)
}

// oneHost measures a cloud with one pretended host, and leaves its servers for
// full.
func (s *Suite) oneHost(ctx context.Context) error {
	c, err := s.up(ctx, "one", "--hypervisor", "fake")
	if err != nil {
		return err
	}
	err = errors.Join(c.calm(ctx), s.memory(c, "memory idle, everything but guests", "< 100 MB", "4,952 MiB in 79 processes"))
	if err != nil {
		return errors.Join(err, c.wipe())
	}
	got, err := s.measure(ctx, c, Options{Parts: []string{"tokens", "ports", "servers"}, Servers: s.Servers, Keep: true})
	if err != nil {
		return errors.Join(err, c.wipe())
	}
	s.keep(got, "token by password", "token by password", "", "")
	s.keep(got, "token by token", "token by token", "5,000 a second", "")
	s.keep(got, "token by application credential", "token by application credential", "5,000 a second", "")
	s.keep(got, "token validation", "token validation", "30,000 a second", "128 a second")
	s.keep(got, "port create", "port create", "", "2.7 a second")
	s.keep(got, "POST /servers, one caller", "POST /servers, one caller", "< 5 ms median", "1,200 ms")
	s.keep(got, "POST /servers", "POST /servers, four callers without a pause", "", "")
	s.keep(got, "boots to ACTIVE", "fake boots to ACTIVE, 1 host", "> 200 a second", "0.64 a second")
	rows := fmt.Sprintf("GET /servers/detail (%d rows)", min(s.Servers, 1000))
	s.keep(got, rows, rows, "", "1,900 ms")
	if err := s.soak(ctx, c); err != nil {
		return errors.Join(err, c.wipe())
	}
	err = errors.Join(c.calm(ctx), s.memory(c, fmt.Sprintf("memory with %d servers", s.Servers), "", ""), c.down(ctx))
	if err != nil {
		return errors.Join(err, c.wipe())
	}
	return nil
}

// full measures starts on a full directory and lists of many.
func (s *Suite) full(ctx context.Context) error {
	s.Say(fmt.Sprintf("filling a database with %d servers", s.Rows))
	if err := s.run(ctx, "bench", "fill", "--data", filepath.Join(s.Dir, "one"), "--servers", fmt.Sprint(s.Rows)); err != nil {
		return err
	}
	s.Say("starts on a full directory")
	var took []time.Duration
	var c *cloud
	for i := range s.Repeat + 1 {
		var err error
		if c, err = s.up(ctx, "one", "--hypervisor", "fake"); err != nil {
			return err
		}
		if i > 0 { // the first one reads a cold file
			took = append(took, c.took)
		}
		if i < s.Repeat {
			if err := c.down(ctx); err != nil {
				return err
			}
		}
	}
	s.add(summary(fmt.Sprintf("start on a directory of %d servers", s.Rows), took), "< 500 ms", "")
	err := c.calm(ctx)
	if err == nil {
		err = s.pages(ctx, c)
	}
	return errors.Join(err, c.wipe())
}

// pages lists a thousand servers, the newest and some in the middle.
func (s *Suite) pages(ctx context.Context, c *cloud) error {
	creds, err := c.access()
	if err != nil {
		return err
	}
	api, err := client.Login(ctx, creds)
	if err != nil {
		return err
	}
	var middle struct{ Servers []struct{ ID string } }
	if err := api.Do(ctx, "GET", "compute", fmt.Sprintf("/v2.1/servers?limit=1&hostname=fill-%d", s.Rows/2), nil, &middle); err != nil {
		return err
	}
	marker := ""
	if len(middle.Servers) > 0 {
		marker = middle.Servers[0].ID
	}
	b := &run{cloud: api, creds: creds, o: Options{Say: s.Say}}
	for _, page := range []struct{ name, marker string }{{"newest", ""}, {"in the middle", marker}} {
		r := b.many(ctx, fmt.Sprintf("GET /servers/detail, 1000 of %d, %s", s.Rows, page.name), 30, 1, func(ctx context.Context, _ int) error {
			return api.Do(ctx, "GET", "compute", "/v2.1/servers/detail?limit=1000&marker="+page.marker, nil, nil)
		})
		s.add(r, "< 30 ms", "")
	}
	return s.memory(c, fmt.Sprintf("memory with %d servers in the database", s.Rows), "", "")
}

// manyHosts measures boots over many pretended hosts.
func (s *Suite) manyHosts(ctx context.Context) error {
	c, err := s.up(ctx, "many", "--hypervisor", "fake", "--fake-hosts", fmt.Sprint(s.Hosts))
	if err != nil {
		return err
	}
	s.add(Result{Name: fmt.Sprintf("start with %d hosts", s.Hosts), Unit: "ms", Median: ms(c.took), Count: 1}, "", "")
	err = c.calm(ctx)
	var got map[string]Result
	if err == nil {
		got, err = s.measure(ctx, c, Options{Servers: s.Servers, Parts: []string{"servers"}})
	}
	s.keep(got, "boots to ACTIVE", fmt.Sprintf("fake boots to ACTIVE, %d hosts", s.Hosts), "> 200 a second", "")
	s.keep(got, "deletes to gone", fmt.Sprintf("deletes to gone, %d hosts", s.Hosts), "", "")
	if err == nil {
		err = c.calm(ctx)
	}
	if err == nil {
		before := c.cpu()
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Second):
		}
		s.add(Result{Name: fmt.Sprintf("processor idle, %d hosts", s.Hosts), Unit: "%", Median: (c.cpu() - before).Seconds() * 10, Count: 1}, "", "")
		err = s.memory(c, fmt.Sprintf("memory with %d hosts", s.Hosts), "", "")
	}
	return errors.Join(err, c.wipe())
}
