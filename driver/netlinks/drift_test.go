package netlinks

import (
	"context"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"altostack/agent"
	"altostack/agent/agenttest"
)

// run runs a program in a namespace, as somebody with root and no idea would.
func (l *lab) run(s *space, argv ...string) {
	l.Helper()
	l.must(s.do(func() error {
		out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
		if err != nil {
			l.Errorf("%s: %v: %s", strings.Join(argv, " "), err, out)
		}
		return err
	}))
}

func (l *lab) check(want bool) {
	l.Helper()
	ok, err := l.driver.Check(l.Context())
	l.must(err)
	if ok != want {
		l.Errorf("Check says %v", ok)
	}
}

// TestEveryPieceComesBack deletes each kind of piece by hand. Check must see
// it, Apply must mend it, and connections that did not need the piece stay.
func TestEveryPieceComesBack(t *testing.T) {
	l := newLab(t, site())
	a, b := l.boot(portA, gw4), l.boot(portB, gw4)
	serveTCP(t, b.space, ":22")
	stream := l.reach(a.space, "10.0.0.6:22")
	c := l.cfg.Cloud
	host, lan, wan := hostName(c, public), insideName(l.want.Routers[0].Interfaces[0].PortID), gatewayName(l.want.Routers[0].Gateway.PortID)
	const (
		fabric  = "fabric"
		service = "service"
		routing = "router"
		top     = "root"
	)
	names := map[string]string{fabric: fabricNS(c), service: networkNS(c, blue), routing: routerNS(c, router), top: ""}
	chain := firstChain(l.driver.plan.Namespaces[0].Tables[1])
	for _, tt := range []struct{ where, what string }{
		{fabric, "ip link del " + serviceName(blue)},
		{fabric, "ip link del " + uplinkName(public)},
		{fabric, "ip link set " + serviceName(blue) + " down"},
		{fabric, "ip link set " + serviceName(blue) + " nomaster"},
		{fabric, "ip link set " + bridgeName(blue) + " mtu 1400"},
		{fabric, "ip link del " + bridgeName(public)},
		{fabric, "ip link add stray type bridge"},
		{fabric, "nft delete table inet alto"},
		{fabric, "nft delete table bridge alto"},
		{fabric, "nft flush chain inet alto " + chain},
		{fabric, "nft delete element bridge alto bind4 { " + firstKey(l.driver.plan.Namespaces[0].Tables[0], "bind4") + " }"},
		{fabric, "nft add table ip stray"},
		{fabric, "sysctl -q net.bridge.bridge-nf-call-iptables=0"},
		{service, "ip addr del 10.0.0.2/24 dev svc"},
		{service, "ip addr del 169.254.169.254/32 dev svc"},
		{service, "ip addr add 10.0.0.99/24 dev svc"},
		{service, "ip route del 10.0.0.0/24"},
		{service, "ip link del svc"},
		{routing, "ip link del " + lan},
		{routing, "ip link del " + wan},
		{routing, "ip route del default"},
		{routing, "ip route del 10.0.0.0/24"},
		{routing, "ip route add 192.0.2.0/24 via 10.0.0.6"},
		{routing, "ip addr del 172.24.4.100/32 dev " + wan},
		{routing, "ip -6 addr del fd00:10::1/64 dev " + lan},
		{routing, "ip link set lo down"},
		{routing, "nft delete table inet alto"},
		{routing, "nft delete element inet alto dnat4 { 172.24.4.100 }"},
		{routing, "sysctl -q net.ipv4.ip_forward=0"},
		{top, "ip link del " + host},
		{top, "ip link set " + host + " down"},
		{top, "ip addr del 172.24.4.1/24 dev " + host},
		{top, "nft delete table inet " + hostTable(c)},
		{top, "sysctl -q net.ipv4.ip_forward=0"},
	} {
		l.run(l.driver.spaces[names[tt.where]], strings.Fields(tt.what)...)
		l.mends(tt.where + ": " + tt.what)
		if err := stream.echo(patience); err != nil {
			t.Fatalf("%s: %s: the connection between two guests: %v", tt.where, tt.what, err)
		}
	}
	for _, name := range []string{names[fabric], names[service], names[routing]} {
		l.must(unname(name))
		l.mends("namespace " + name)
		l.run(l.root(), "ip", "netns", "exec", name, "true")
	}
	if err := stream.echo(patience); err != nil {
		t.Errorf("namespaces deleted: the connection between two guests: %v", err)
	}
	l.pings(l.root(), "172.24.4.100")
	for _, s := range l.driver.spaces {
		for key := range s.serve {
			s.serve[key].stop() // as when its socket is destroyed
			l.mends("server " + key)
		}
	}
	if _, err := a.lease(20); err != nil {
		t.Errorf("after all that, DHCP: %v", err)
	}
}

func (l *lab) mends(what string) {
	l.Helper()
	begin := time.Now()
	if ok, err := l.driver.Check(l.Context()); ok || err != nil {
		l.Errorf("%s: Check says %v, %v", what, ok, err)
	}
	if took := time.Since(begin); took > 2*time.Second { // 2 ms when the machine is idle
		l.Errorf("%s: Check took %s", what, took)
	}
	if _, err := l.driver.Apply(l.Context(), l.want); err != nil {
		l.Errorf("%s: Apply: %v", what, err)
	}
	l.check(true)
	l.mustMatch()
}

// TestDeletedTapComesBack needs a new descriptor: the old one's tap is gone.
func TestDeletedTapComesBack(t *testing.T) {
	l := newLab(t, site())
	a, b := l.boot(portA, gw4), l.boot(portB, gw4)
	serveTCP(t, b.space, ":22")
	stream := l.reach(a.space, "10.0.0.6:22")
	l.run(l.driver.spaces[fabricNS(l.cfg.Cloud)], "ip", "link", "del", tapName(portA))
	a.end()
	l.mends("tap")
	unheld, err := l.driver.Unheld(t.Context())
	l.must(err)
	if !slices.Equal(unheld, []string{portA}) {
		t.Errorf("taps that nobody holds: %v", unheld)
	}
	l.must(a.do(func() (err error) { a.own, err = openTap("eth0"); return err }))
	a.up("eth0", macA)
	a.addr("eth0", prefix("10.0.0.5/24"))
	a.plug()
	if err := stream.echo(patience); err != nil {
		t.Errorf("the connection after the tap came back: %v", err)
	}
}

func firstChain(t Table) string {
	for _, c := range t.Chains {
		if strings.HasPrefix(c.Name, "to_") {
			return c.Name
		}
	}
	return ""
}

func firstKey(t Table, set string) string {
	for _, s := range t.Sets {
		if s.Name == set {
			return sortedKeys(s.Elements)[0]
		}
	}
	return ""
}

// TestAdoption restarts the driver under established connections.
func TestAdoption(t *testing.T) {
	l := newLab(t, site())
	a, b := l.boot(portA, gw4), l.boot(portB, gw4)
	root := l.root()
	serveTCP(t, b.space, ":22")
	serveTCP(t, a.space, ":22")
	serveTCP(t, root, "172.24.4.1:99")
	streams := map[string]*stream{
		"within the network": l.reach(a.space, "10.0.0.6:22"),
		"SNAT":               l.reach(b.space, "172.24.4.1:99"),
		"floating in":        l.reach(root, "172.24.4.100:22"),
		"floating out":       l.reach(a.space, "172.24.4.1:99"),
	}
	before := l.inventory()
	l.must(l.driver.Close())
	for what, s := range streams {
		if err := s.echo(patience); err != nil {
			t.Errorf("%s, driver closed: %v", what, err)
		}
	}
	l.open()
	seen := l.apply()
	if want := []string{portA, portB}; !slices.Equal(seen.Wired, want) {
		t.Errorf("adopted ports %v, want %v", seen.Wired, want)
	}
	if after := l.inventory(); !slices.Equal(before, after) {
		t.Errorf("links were made anew:\n%v\n%v", before, after)
	}
	for what, s := range streams {
		if err := s.echo(patience); err != nil {
			t.Errorf("%s, driver opened again: %v", what, err)
		}
	}
	if _, err := a.lease(20); err != nil {
		t.Errorf("DHCP after adoption: %v", err)
	}
}

// inventory lists links with their indexes, everywhere.
func (l *lab) inventory() []string {
	l.Helper()
	var out []string
	for name, s := range l.driver.spaces {
		links, err := again(s.nl.LinkList)
		l.must(err)
		for _, link := range links {
			out = append(out, name+" "+link.Attrs().Name+" "+string(rune('0'+link.Attrs().Index%64)))
		}
	}
	slices.Sort(out)
	return out
}

// left lists what a cloud has on this host.
func left(t *testing.T, cloud string) []string {
	t.Helper()
	out, err := namespaces(cloud)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Clone(out) {
		s, err := enter(name, runDir+"/"+name)
		if err != nil {
			t.Fatal(err)
		}
		links, err := again(s.nl.LinkList)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range links {
			out = append(out, name+"/"+l.Attrs().Name)
		}
		s.close()
	}
	root, err := enter("", "/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer root.close()
	got, err := root.observe(Namespace{}, cloud)
	if err != nil {
		t.Fatal(err)
	}
	out = append(out, sortedKeys(got.links)...)
	tables, err := root.runNFT(t.Context(), "", "list", "tables")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(tables) {
		if strings.HasSuffix(strings.TrimSpace(line), " "+hostTable(cloud)) {
			out = append(out, strings.TrimSpace(line))
		}
	}
	slices.Sort(out)
	return out
}

// TestPurgeLeavesNothingAndTouchesNobodyElse has two clouds side by side.
func TestPurgeLeavesNothingAndTouchesNobodyElse(t *testing.T) {
	ctx := context.Background()
	open := func(cloud, subnet, gateway string) *Driver {
		d, err := Open(ctx, Config{Cloud: cloud, Masquerade: true, Physical: map[string]Physical{"public": {Managed: true}}})
		if err != nil {
			t.Fatal(err)
		}
		want := site()
		want.Networks[1].Subnets[0].CIDR, want.Networks[1].Subnets[0].Gateway = prefix(subnet), addr(gateway)
		if _, err := d.Apply(ctx, want); err != nil {
			t.Fatal(err)
		}
		return d
	}
	one, two := open("aa", "172.24.4.0/24", "172.24.4.1"), open("aab", "172.24.5.0/24", "172.24.5.1")
	if len(left(t, "aa")) < 10 {
		t.Errorf("the first cloud has only %q", left(t, "aa"))
	}
	before := left(t, "aab")
	tap, err := one.OpenTap(ctx, portA) // a hypervisor still holds it
	if err != nil {
		t.Fatal(err)
	}
	defer tap.Close()
	if err := one.Purge(ctx); err != nil {
		t.Fatal(err)
	}
	if rest := left(t, "aa"); len(rest) != 0 {
		t.Errorf("left behind: %q", rest)
	}
	if after := left(t, "aab"); !slices.Equal(before, after) {
		t.Errorf("the other cloud had %q, now %q", before, after)
	}
	if ok, err := two.Check(ctx); !ok || err != nil {
		t.Errorf("the other cloud's Check says %v, %v", ok, err)
	}
	// What a dead process left, a new one removes.
	if err := two.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(ctx, Config{Cloud: "aab"})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Purge(ctx); err != nil {
		t.Fatal(err)
	}
	if rest := left(t, "aab"); len(rest) != 0 {
		t.Errorf("left behind: %q", rest)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestDataplane(t *testing.T) {
	agenttest.RunDataplane(t, func(t *testing.T) agenttest.DataplaneBed {
		cloud := "c" + digest(t.Name())[:6]
		return agenttest.DataplaneBed{
			Open: func(t *testing.T) agent.Dataplane {
				d, err := Open(t.Context(), Config{Cloud: cloud})
				if err != nil {
					t.Fatal(err)
				}
				return d
			},
			Break: func(t *testing.T) {
				s, err := enter(fabricNS(cloud), runDir+"/"+fabricNS(cloud))
				if err != nil {
					t.Fatal(err)
				}
				defer s.close()
				link, err := s.nl.LinkByName(tapName(agenttest.Network().Ports[0].ID))
				if err != nil {
					t.Fatal(err)
				}
				if err := s.nl.LinkDel(link); err != nil {
					t.Fatal(err)
				}
			},
			Left: func(t *testing.T) []string { return left(t, cloud) },
		}
	})
}
