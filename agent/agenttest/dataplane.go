package agenttest

import (
	"net/netip"
	"slices"
	"testing"

	"altostack/agent"
	"altostack/hostapi"
)

// DataplaneBed is a host for [RunDataplane].
type DataplaneBed struct {
	// Open opens the driver; again within a test, as after kill -9.
	Open func(t *testing.T) agent.Dataplane
	// Break takes a piece of the wiring away behind the driver's back.
	Break func(t *testing.T)
	// Left lists what there is on the host of the driver's making.
	Left func(t *testing.T) []string
}

// Network answers a small network with two guests' ports and a router, for
// tests of dataplanes.
func Network() hostapi.HostNetwork {
	subnet := hostapi.Subnet{ID: "5b6a1c3e-0000-4000-8000-000000000001", CIDR: netip.MustParsePrefix("10.77.0.0/24"),
		Gateway: netip.MustParseAddr("10.77.0.1"), DHCP: true, DNS: []netip.Addr{netip.MustParseAddr("10.77.0.53")}}
	network := hostapi.Network{ID: "7d1f0a52-0000-4000-8000-000000000001", Type: "local", MTU: 1450, Subnets: []hostapi.Subnet{subnet},
		DHCPPort: &hostapi.ServicePort{PortID: "d4c1e2f3-0000-4000-8000-000000000001", MAC: "fa:16:3e:77:00:02",
			Addrs: []netip.Prefix{netip.MustParsePrefix("10.77.0.2/24")}}}
	return hostapi.HostNetwork{
		Networks: []hostapi.Network{network},
		Ports:    []hostapi.Port{port(network, subnet, 10), port(network, subnet, 11)},
		Routers: []hostapi.Router{{ID: "9e2b3c4d-0000-4000-8000-000000000001", AdminUp: true, Interfaces: []hostapi.RouterPort{{
			PortID: "a1b2c3d4-0000-4000-8000-000000000001", NetworkID: network.ID, MAC: "fa:16:3e:77:00:01",
			Addrs: []netip.Prefix{netip.MustParsePrefix("10.77.0.1/24")}}}}},
		Sets: map[string][]netip.Prefix{"e5f6a7b8-0000-4000-8000-000000000001": {netip.MustParsePrefix("10.77.0.10/32")}},
	}
}

func port(network hostapi.Network, subnet hostapi.Subnet, host byte) hostapi.Port {
	digits := string([]byte{'0' + host/10, '0' + host%10})
	return hostapi.Port{
		ID: "c0ffee" + digits + "-0000-4000-8000-000000000001", NetworkID: network.ID, DeviceID: "de71ce" + digits + "-0000-4000-8000-000000000001",
		MAC: "fa:16:3e:77:01:" + digits, AdminUp: true, Security: true, Hostname: "guest" + digits,
		Fixed: []hostapi.FixedIP{{SubnetID: subnet.ID, Addr: netip.AddrFrom4([4]byte{10, 77, 0, host})}},
		Rules: []hostapi.Rule{
			{Direction: "egress", EtherType: "IPv4", Protocol: -1, PortMin: -1, PortMax: -1},
			{Direction: "ingress", EtherType: "IPv4", Protocol: 6, PortMin: 22, PortMax: 22, Remote: netip.MustParsePrefix("0.0.0.0/0")},
			{Direction: "ingress", EtherType: "IPv4", Protocol: -1, PortMin: -1, PortMax: -1, RemoteSet: "e5f6a7b8-0000-4000-8000-000000000001"},
		},
	}
}

// RunDataplane tests the contract of [agent.Dataplane].
func RunDataplane(t *testing.T, newBed func(t *testing.T) DataplaneBed) {
	tests := map[string]func(b *dataplaneTest, t *testing.T){
		"NothingIsAState":       (*dataplaneTest).nothing,
		"ApplyWiresAndRepeats":  (*dataplaneTest).wires,
		"DriftIsSeenAndMended":  (*dataplaneTest).drifts,
		"ReopeningConverges":    (*dataplaneTest).reopens,
		"WhatIsNotWantedLeaves": (*dataplaneTest).leaves,
		"TapsAndCounters":       (*dataplaneTest).taps,
	}
	for name, f := range tests {
		t.Run(name, func(t *testing.T) {
			b := &dataplaneTest{DataplaneBed: newBed(t), t: t}
			before := b.Left(t)
			b.d = b.Open(t)
			f(b, t)
			for range 2 {
				b.must(b.d.Purge(t.Context()))
			}
			b.must(b.d.Close())
			if after := b.Left(t); !slices.Equal(before, after) {
				t.Errorf("left behind: %q; before there was %q", after, before)
			}
		})
	}
}

type dataplaneTest struct {
	DataplaneBed
	t *testing.T
	d agent.Dataplane
}

func (b *dataplaneTest) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// apply applies and checks that exactly the ports of want are wired.
func (b *dataplaneTest) apply(want hostapi.HostNetwork) {
	b.t.Helper()
	seen, err := b.d.Apply(b.t.Context(), want)
	b.must(err)
	var ids []string
	for _, p := range want.Ports {
		ids = append(ids, p.ID)
	}
	slices.Sort(ids)
	slices.Sort(seen.Wired)
	if !slices.Equal(ids, seen.Wired) {
		b.t.Fatalf("wanted are ports %q, wired are %q", ids, seen.Wired)
	}
	b.matches(true)
}

func (b *dataplaneTest) matches(want bool) {
	b.t.Helper()
	ok, err := b.d.Check(b.t.Context())
	b.must(err)
	if ok != want {
		b.t.Fatalf("Check says %v", ok)
	}
}

func (b *dataplaneTest) nothing(*testing.T) {
	for range 2 {
		b.apply(hostapi.HostNetwork{})
	}
}

func (b *dataplaneTest) wires(*testing.T) {
	for range 3 {
		b.apply(Network())
	}
}

func (b *dataplaneTest) drifts(t *testing.T) {
	b.apply(Network())
	b.Break(t)
	b.matches(false)
	b.apply(Network())
}

func (b *dataplaneTest) reopens(t *testing.T) {
	b.apply(Network())
	left := b.Left(t)
	b.d = b.Open(t)
	if now := b.Left(t); !slices.Equal(left, now) {
		t.Errorf("opening the driver changed the host from %q to %q", left, now)
	}
	b.apply(Network())
	if now := b.Left(t); !slices.Equal(left, now) {
		t.Errorf("applying the same changed the host from %q to %q", left, now)
	}
}

func (b *dataplaneTest) leaves(t *testing.T) {
	want := Network()
	b.apply(want)
	both := b.Left(t)
	want.Ports = want.Ports[:1]
	b.apply(want)
	if one := b.Left(t); len(one) >= len(both) {
		t.Errorf("with a port less the host has %q, before %q", one, both)
	}
	b.apply(Network())
	if again := b.Left(t); !slices.Equal(both, again) {
		t.Errorf("with the port back the host has %q, before %q", again, both)
	}
	b.apply(hostapi.HostNetwork{})
}

func (b *dataplaneTest) taps(t *testing.T) {
	want := Network()
	id := want.Ports[0].ID
	if tap, err := b.d.OpenTap(t.Context(), id); err == nil {
		t.Errorf("the tap of a port that is not wired opened: %v", tap.Close())
	}
	b.apply(want)
	for range 2 { // a guest that ends gives its tap back
		tap, err := b.d.OpenTap(t.Context(), id)
		b.must(err)
		b.must(tap.Close())
	}
	counters, err := b.d.Counters(t.Context(), []string{id, "no-such-port"})
	b.must(err)
	if _, ok := counters[id]; !ok || len(counters) != 1 {
		t.Errorf("asked for the counters of one port that is wired and one that is not, got %v", counters)
	}
}
