package netlinks

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"altostack/hostapi"
)

var update = flag.Bool("update", false, "write the golden files anew")

func settings() Settings {
	return Settings{Cloud: "a1b2c3", Masquerade: true, Lease: 24 * time.Hour, DNS: []netip.Addr{addr("192.0.2.53")},
		Physical: map[string]Physical{"public": {Managed: true}, "rack": {Bridge: "br-rack"}, "wire": {Interface: "eth7"}}}
}

// TestPlans reads whole plans as text; look at the files to see what a host has.
func TestPlans(t *testing.T) {
	tests := map[string]func() hostapi.HostNetwork{
		"nothing": func() hostapi.HostNetwork { return hostapi.HostNetwork{} },
		"site":    site,
		// Address pairs, a port without security, one that is down, prefixes in a
		// group, ICMP types, extra DHCP options, no router, DHCPv6.
		"ports": func() hostapi.HostNetwork {
			w := site()
			w.Routers, w.Networks = nil, w.Networks[:1]
			w.Networks[0].Subnets[1].RAMode, w.Networks[0].Subnets[1].AddressMode = "dhcpv6-stateful", "dhcpv6-stateful"
			w.Networks[0].Subnets[0].HostRoutes = []hostapi.Route{{Destination: prefix("192.168.0.0/16"), NextHop: addr("10.0.0.9")}}
			w.Ports[0].Pairs = []hostapi.Pair{{Prefix: prefix("10.0.0.0/25")}, {Prefix: prefix("10.0.0.64/26")},
				{MAC: "00:00:5e:00:01:01", Prefix: prefix("10.0.0.200/32")}, {Prefix: prefix("fd00:20::/64")}}
			w.Ports[0].Rules = []hostapi.Rule{icmpIn("IPv4"),
				{Direction: "ingress", EtherType: "IPv6", Protocol: 1, PortMin: 128, PortMax: 0},
				{Direction: "ingress", EtherType: "IPv4", Protocol: 17, PortMin: 1, PortMax: 9, RemoteSet: group},
				{Direction: "ingress", EtherType: "IPv4", Protocol: 112, PortMin: -1, PortMax: -1, Remote: prefix("10.9.0.0/16")},
				{Direction: "egress", EtherType: "IPv4", Protocol: 6, PortMin: 443, PortMax: 443, Remote: prefix("0.0.0.0/0")},
				{Direction: "egress", EtherType: "IPv4", Protocol: 6, PortMin: 443, PortMax: 443, Remote: prefix("::/0")}}
			w.Ports[0].DHCP = []hostapi.DHCPOption{{Name: "tftp-server", Value: "10.0.0.7", IPVersion: 4}}
			w.Ports[1].Security = false
			down := guestPort("ac000000-0000-4000-8000-00000000000c", "fa:16:3e:00:00:0c", "10.0.0.7", "fd00:10::f816:3eff:fe00:c")
			down.AdminUp = false
			w.Ports = append(w.Ports, down)
			w.Sets[group] = append(w.Sets[group], prefix("10.8.0.0/16"))
			return w
		},
		// The other two ways to reach a physical network; routes; no SNAT.
		"uplinks": func() hostapi.HostNetwork {
			w := site()
			w.Ports, w.Sets = nil, nil
			w.Networks[1].Physical = "rack"
			wire := publicNetwork()
			wire.ID, wire.Physical = "dd000000-0000-4000-8000-000000000007", "wire"
			w.Networks = append(w.Networks, wire)
			w.Routers[0].SNAT = false
			w.Routers[0].FloatingIPs = nil
			w.Routers[0].Routes = []hostapi.Route{{Destination: prefix("192.168.7.0/24"), NextHop: addr("10.0.0.9")}}
			return w
		},
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			got := Build(settings(), want()).String()
			file := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(golden), got); diff != "" {
				t.Errorf("the plan is not %s any more (-update writes it anew):\n%s", file, diff)
			}
		})
	}
}

// TestPlanIsStable: order of the input does not matter, and one port more
// leaves the rest of the plan as it is.
func TestPlanIsStable(t *testing.T) {
	one := crowd(300)
	two := crowd(300)
	slices.Reverse(two.Ports)
	if diff := cmp.Diff(Build(settings(), one).String(), Build(settings(), two).String()); diff != "" {
		t.Errorf("another order gives another plan:\n%s", diff)
	}
	more := crowd(301)
	more.Sets = one.Sets
	old, now := Build(settings(), one), Build(settings(), more)
	for i, table := range now.Namespaces[0].Tables {
		delta := change(old.Namespaces[0].Tables[i], table)
		if lines := strings.Count(delta, "\n"); lines > 25 || strings.Contains(delta, "delete") || strings.Contains(delta, "flush") {
			t.Errorf("one port more changes the %s table by:\n%s", table.Family, delta)
		}
	}
}

func TestNumbersAreDistinctAndPreferred(t *testing.T) {
	ids := []string{"a", "b", "c", "d", "e", "f", "g"}
	got := numbers(ids, 8, func(id string) uint32 { return map[string]uint32{"b": 3, "c": 3, "d": 99}[id] })
	seen := map[uint32]bool{}
	for id, n := range got {
		if n < 1 || n > 8 || seen[n] {
			t.Errorf("%s has %d in %v", id, n, got)
		}
		seen[n] = true
	}
	if got["b"] != 3 {
		t.Errorf("b did not get the 3 it prefers: %v", got)
	}
}

// TestChange reads the transaction between two tables.
func TestChange(t *testing.T) {
	old := Table{Family: "inet", Name: "x", Sets: []Set{
		{Name: "kept", Spec: "type ipv4_addr;", Elements: map[string]string{"1.1.1.1": "", "2.2.2.2": ""}},
		{Name: "map", Map: true, Spec: "type mark : verdict;", Elements: map[string]string{"0x1": "goto a", "0x2": "goto b"}},
		{Name: "whole", Spec: "type ipv4_addr; flags interval;", Whole: true, Elements: map[string]string{"10.0.0.0/8": ""}},
		{Name: "dropped", Spec: "type ipv4_addr;"},
	}, Chains: []Chain{
		{Name: "a", Rules: []string{"accept"}}, {Name: "b", Rules: []string{"drop"}},
		{Name: "base", Hook: "type filter hook forward priority 0;", Rules: []string{"meta mark vmap @map"}},
	}}
	now := Table{Family: "inet", Name: "x", Sets: []Set{
		{Name: "kept", Spec: "type ipv4_addr;", Elements: map[string]string{"1.1.1.1": "", "3.3.3.3": ""}},
		{Name: "map", Map: true, Spec: "type mark : verdict;", Elements: map[string]string{"0x1": "goto a", "0x2": "goto c"}},
		{Name: "whole", Spec: "type ipv4_addr; flags interval;", Whole: true, Elements: map[string]string{"10.0.0.0/9": ""}},
		{Name: "new", Spec: "type ipv4_addr;", Elements: map[string]string{"9.9.9.9": ""}},
	}, Chains: []Chain{
		{Name: "a", Rules: []string{"accept"}}, {Name: "c", Rules: []string{"ip saddr @new accept", "drop"}},
		{Name: "base", Hook: "type filter hook forward priority 0;", Rules: []string{"meta mark vmap @map", "drop"}},
	}}
	want := `add set inet x new { type ipv4_addr; }
add chain inet x c
flush chain inet x base
add rule inet x c ip saddr @new accept
add rule inet x c drop
add rule inet x base meta mark vmap @map
add rule inet x base drop
delete element inet x kept { 2.2.2.2 }
add element inet x kept { 3.3.3.3 }
delete element inet x map { 0x2 }
add element inet x map { 0x2 : goto c }
flush set inet x whole
add element inet x whole { 10.0.0.0/9 }
add element inet x new { 9.9.9.9 }
flush chain inet x b
delete chain inet x b
delete set inet x dropped
`
	if diff := cmp.Diff(want, change(old, now)); diff != "" {
		t.Error(diff)
	}
	if got := change(now, now); got != "" {
		t.Errorf("no difference gives %q", got)
	}
}

// TestJudge cuts connections that nothing allows any more, and no others.
func TestJudge(t *testing.T) {
	plan := func(edit func(w *hostapi.HostNetwork)) Plan {
		w := site()
		edit(&w)
		return Build(settings(), w)
	}
	old := plan(func(*hostapi.HostNetwork) {})
	ssh := flow{proto: 6, src: addr("10.0.0.5"), dst: addr("10.0.0.6"), dport: 22}
	web := flow{proto: 6, src: addr("10.0.0.5"), dst: addr("10.0.0.6"), dport: 80}
	out := flow{proto: 17, src: addr("10.0.0.6"), dst: addr("192.0.2.1"), dport: 53}
	for name, tt := range map[string]struct {
		edit          func(w *hostapi.HostNetwork)
		ssh, web, out bool // cut
	}{
		"nothing":         {func(*hostapi.HostNetwork) {}, false, false, false},
		"port gone":       {func(w *hostapi.HostNetwork) { w.Ports = w.Ports[:1] }, true, true, true},
		"security off":    {func(w *hostapi.HostNetwork) { w.Ports[1].Security = false }, false, false, false},
		"address changed": {func(w *hostapi.HostNetwork) { w.Ports[1].Fixed[0].Addr = addr("10.0.0.60") }, true, true, true},
		"group shrank":    {func(w *hostapi.HostNetwork) { w.Sets = nil }, false, true, false},
		"ingress closed": {func(w *hostapi.HostNetwork) {
			w.Ports[1].Rules = []hostapi.Rule{allowAll("egress", "IPv4")}
		}, true, true, false},
		"egress closed": {func(w *hostapi.HostNetwork) {
			w.Ports[1].Rules = []hostapi.Rule{allowAll("ingress", "IPv4")}
		}, false, false, true},
		"more allowed": {func(w *hostapi.HostNetwork) {
			w.Ports[1].Rules = append(slices.Clone(w.Ports[1].Rules), allowAll("ingress", "IPv4"))
			w.Sets[group] = append(w.Sets[group], prefix("10.0.0.7/32"))
		}, false, false, false},
		"a pair instead": {func(w *hostapi.HostNetwork) {
			w.Ports[1].Fixed[0].Addr = addr("10.0.0.60")
			w.Ports[1].Pairs = []hostapi.Pair{{Prefix: prefix("10.0.0.0/28")}}
		}, false, false, false},
		"other zone": {func(w *hostapi.HostNetwork) { w.Networks[0].VNI = 8 }, true, true, true},
	} {
		now := plan(tt.edit)
		j := newJudge(old.guards, now.guards, func(id string) bool { return now.Taps[id] != "" })
		if name == "more allowed" && j.any() {
			t.Error("more allowed: there is something to judge")
		}
		got := fmt.Sprint(j.cut(7, ssh), j.cut(7, web), j.cut(7, out), j.cut(9, ssh))
		if want := fmt.Sprint(tt.ssh, tt.web, tt.out, false); got != want {
			t.Errorf("%s: cut %s, want %s", name, got, want)
		}
	}
}

func TestDHCPOptions(t *testing.T) {
	for text, want := range map[string]string{
		"bootfile-name=pxelinux.0":                      "67 7078656c696e75782e30 true",
		"67=pxelinux.0":                                 "67 7078656c696e75782e30 true",
		"option:mtu=1400":                               "26 0578 true",
		"mtu=99999":                                     "26  false",
		"ntp-server=10.0.0.1, 10.0.0.2":                 "42 0a0000010a000002 true",
		"ntp-server=pool.ntp.org":                       "42  false",
		"server-ip-address=10.0.0.1":                    "0 0a000001 true",
		"150=10.0.0.1":                                  "150 0a000001 true",
		"200=words":                                     "200 776f726473 true",
		"domain-search=a.example":                       "119 0161076578616d706c6500 true",
		"classless-static-route=10.0.0.0/8,192.168.0.1": "121 080ac0a80001 true",
		"router=":                                       "3  true",
		"53=1":                                          "0  false",
		"255=1":                                         "0  false",
		"no-such-name=1":                                "0  false",
	} {
		name, value, _ := strings.Cut(text, "=")
		code, data, ok := option4(hostapi.DHCPOption{Name: name, Value: value})
		if got := fmt.Sprintf("%d %x %t", code, data, ok); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestResolvers(t *testing.T) {
	got := fmt.Sprint(resolvers("# mine\nnameserver 127.0.0.53\nnameserver 192.0.2.1\nsearch example.org\nnameserver 2001:db8::1\nnameserver fe80::1%eth0\nnameserver 192.0.2.1\nnameserver x\n"))
	if want := "[192.0.2.1 2001:db8::1]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
