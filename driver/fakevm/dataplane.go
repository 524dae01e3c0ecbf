package fakevm

import (
	"context"
	"fmt"
	"os"
	"slices"

	"altostack/agent"
	"altostack/hostapi"
)

// Dataplane answers the session's [agent.Dataplane].
func (s *Session) Dataplane() *Dataplane { return &Dataplane{s} }

// Dataplane believes every port to be wired.
type Dataplane struct{ s *Session }

var _ agent.Dataplane = (*Dataplane)(nil)

// Apply wires each port whose network is part of want.
func (d *Dataplane) Apply(ctx context.Context, want hostapi.HostNetwork) (seen hostapi.SeenNetwork, err error) {
	err = d.s.do(ctx, "Dataplane.Apply", "", func(h *Host) error {
		networks := map[string]bool{}
		for _, n := range want.Networks {
			networks[n.ID] = true
		}
		h.network, h.broken, h.wired = want, false, map[string]bool{}
		for _, p := range want.Ports {
			if networks[p.NetworkID] {
				h.wired[p.ID] = true
				seen.Wired = append(seen.Wired, p.ID)
			}
		}
		return nil
	})
	return seen, err
}

// Check notices [Host.Break] and a reboot.
func (d *Dataplane) Check(ctx context.Context) (ok bool, err error) {
	err = d.s.do(ctx, "Dataplane.Check", "", func(h *Host) error { ok = !h.broken; return nil })
	return ok, err
}

// OpenTap opens something that can be closed.
func (d *Dataplane) OpenTap(ctx context.Context, portID string) (tap *os.File, err error) {
	err = d.s.do(ctx, "Dataplane.OpenTap", portID, func(h *Host) error {
		if !h.wired[portID] {
			return fmt.Errorf("fakevm: port %s is not wired", portID)
		}
		tap, err = os.OpenFile(os.DevNull, os.O_RDWR, 0)
		return err
	})
	return tap, err
}

// Counters are all zero.
func (d *Dataplane) Counters(ctx context.Context, portIDs []string) (map[string]hostapi.NICCounters, error) {
	counters := map[string]hostapi.NICCounters{}
	err := d.s.do(ctx, "Dataplane.Counters", "", func(h *Host) error {
		for _, p := range h.network.Ports {
			if slices.Contains(portIDs, p.ID) {
				counters[p.ID] = hostapi.NICCounters{MAC: p.MAC}
			}
		}
		return nil
	})
	return counters, err
}

// Purge unwires everything.
func (d *Dataplane) Purge(ctx context.Context) error {
	return d.s.do(ctx, "Dataplane.Purge", "", func(h *Host) error {
		h.network, h.wired = hostapi.HostNetwork{}, map[string]bool{}
		return nil
	})
}

// Close has nothing to stop.
func (d *Dataplane) Close() error { return nil }
