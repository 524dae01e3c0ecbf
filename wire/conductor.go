package wire

import (
	"context"
	"sync"
	"time"

	"altostack/compute"
	"altostack/hostapi"
	"altostack/kernel/fault"
	"altostack/network"
)

// conductor is what this process's agents ask: compute, and for heartbeats the
// network service too, which places routers on hosts.
type conductor struct {
	compute.Conductor
	s    *System
	mu   sync.Mutex
	seen map[string]*seenHost
	// missing are hosts of this process that have not registered yet.
	missing map[string]chan struct{}
}

// seenHost is what the network service knows of a host, and when it was last
// heard of and last saved.
type seenHost struct {
	zone                  string
	started, heard, saved time.Time
}

// networkBeat is how often heartbeats reach the network service, which counts a
// host as dead after 75 s.
const networkBeat = 20 * time.Second

// Register tells both services. Of a host of which nothing changed the network
// service is told now and then, and then of all of them in one write.
func (c *conductor) Register(ctx context.Context, h hostapi.Host) error {
	if h.Protocol != hostapi.Version {
		return fault.New(fault.CodeComputeBadRequest, "Host %s speaks version %d of the host protocol, and version %d is wanted.", h.Name, h.Protocol, hostapi.Version)
	}
	if err := c.tellNetwork(ctx, h); err != nil {
		return err
	}
	if err := c.Conductor.Register(ctx, h); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if waiting := c.missing[h.Name]; waiting != nil {
		delete(c.missing, h.Name)
		close(waiting)
	}
	return nil
}

// hostsPatience is how long a start waits for its own hosts. One that is late is
// not a failure: it registers when it can.
const hostsPatience = 10 * time.Second

// await returns once the named host has registered, so that a cloud that says it
// is up can take a server.
func (c *conductor) await(ctx context.Context, name string, patience time.Duration) {
	c.mu.Lock()
	waiting := c.missing[name]
	c.mu.Unlock()
	if waiting == nil {
		return
	}
	tick, stop := c.s.clock.After(patience)
	defer stop()
	select {
	case <-waiting:
	case <-tick:
	case <-ctx.Done():
	}
}

// expect says that a host will register.
func (c *conductor) expect(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.missing[name] = make(chan struct{})
}

func (c *conductor) tellNetwork(ctx context.Context, h hostapi.Host) error {
	now := c.s.clock.Now()
	known, due := c.heard(h, now)
	if known {
		if len(due) == 0 {
			return nil
		}
		return c.s.network.Heard(ctx, due)
	}
	if err := c.s.network.Seen(ctx, network.Host{Name: h.Name, Zone: h.Zone, Physical: []string{physicalNetwork}, StartedAt: h.StartedAt}); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[h.Name] = &seenHost{h.Zone, h.StartedAt, now, now}
	return nil
}

// heard notes a heartbeat. When the host's is due to be saved, it answers all
// hosts that were heard of lately.
func (c *conductor) heard(h hostapi.Host, now time.Time) (known bool, due []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	host := c.seen[h.Name]
	if host == nil || host.zone != h.Zone || !host.started.Equal(h.StartedAt) {
		return false, nil
	}
	host.heard = now
	if now.Sub(host.saved) < networkBeat {
		return true, nil
	}
	for name, other := range c.seen {
		if now.Sub(other.heard) < networkBeat/2 {
			due, other.saved = append(due, name), now
		}
	}
	return true, due
}
