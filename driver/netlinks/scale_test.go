package netlinks

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"altostack/hostapi"
)

// crowd is one network with n guarded ports of ten rules each. Every port has
// rules of its own, which is the worst case: ports of one group share them.
func crowd(n int) hostapi.HostNetwork {
	want := hostapi.HostNetwork{Networks: []hostapi.Network{{
		ID: blue, Type: "vxlan", VNI: 7, MTU: 1450,
		Subnets:  []hostapi.Subnet{{ID: "s4", CIDR: prefix("10.0.0.0/16"), Gateway: gw4, DHCP: true}},
		DHCPPort: &hostapi.ServicePort{PortID: "dc", MAC: "fa:16:3e:00:00:03", Addrs: []netip.Prefix{prefix("10.0.0.2/16")}},
	}}, Sets: map[string][]netip.Prefix{}}
	for i := range n {
		a := netip.AddrFrom4([4]byte{10, 0, byte(1 + i/250), byte(1 + i%250)})
		p := hostapi.Port{ID: fmt.Sprintf("%08x-0000-4000-8000-000000000000", i), NetworkID: blue, AdminUp: true, Security: true,
			MAC: fmt.Sprintf("fa:16:3e:01:%02x:%02x", i/256, i%256), Fixed: []hostapi.FixedIP{{SubnetID: "s4", Addr: a}}}
		p.Rules = append(p.Rules, allowAll("egress", "IPv4"), allowAll("egress", "IPv6"),
			hostapi.Rule{Direction: "ingress", EtherType: "IPv4", Protocol: -1, PortMin: -1, PortMax: -1, RemoteSet: group})
		for r := range 7 {
			p.Rules = append(p.Rules, hostapi.Rule{Direction: "ingress", EtherType: "IPv4", Protocol: 6, PortMin: 1000 + i, PortMax: 2000 + i + r})
		}
		want.Ports = append(want.Ports, p)
		want.Sets[group] = append(want.Sets[group], netip.PrefixFrom(a, 32))
	}
	return want
}

// TestThousandPorts measures what growth costs. The limits are several times
// what an idle machine needs, so that only a change of kind fails here.
func TestThousandPorts(t *testing.T) {
	all := crowd(1001)
	few := all
	few.Ports = all.Ports[:1000]
	few.Sets = map[string][]netip.Prefix{group: all.Sets[group][:1000]}
	l := &lab{T: t, cfg: Config{Cloud: "crowd"}, want: few}
	l.open()
	t.Cleanup(func() {
		if err := l.driver.Purge(context.Background()); err != nil {
			t.Logf("purge: %v", err)
		}
		l.driver.Close()
	})
	took := func(what string, limit time.Duration, do func()) {
		begin := time.Now()
		do()
		d := time.Since(begin)
		t.Logf("%s: %s", what, d)
		if d > limit {
			t.Errorf("%s took %s, more than %s", what, d, limit)
		}
	}
	apply := func() {
		if _, err := l.driver.Apply(t.Context(), l.want); err != nil {
			t.Fatal(err)
		}
	}
	took("plan 1000 ports", time.Second, func() { Build(Settings{Cloud: "crowd"}, few) })
	took("apply 1000 ports", 10*time.Second, apply)
	took("apply the same", time.Second, apply)
	took("check", time.Second, func() { l.check(true) })
	l.want = all
	took("one more port", time.Second, apply)
	l.want = few
	took("one port less", time.Second, apply)
	l.check(true)
	l.mustMatch()
	took("purge", 20*time.Second, func() { l.must(l.driver.Purge(t.Context())) })
}
