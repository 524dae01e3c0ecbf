package netlinks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6/nclient6"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"altostack/hostapi"
)

// TestRulesThatGoTakeTheirConnectionsAlong and leave the others alone.
func TestRulesThatGoTakeTheirConnectionsAlong(t *testing.T) {
	l := newLab(t, site())
	a, b := l.boot(portA, gw4), l.boot(portB, gw4)
	serveTCP(t, b.space, ":22")
	serveTCP(t, b.space, ":80")
	ssh, web := l.reach(a.space, "10.0.0.6:22"), l.reach(a.space, "10.0.0.6:80")

	// The remote group loses the asker.
	l.want.Sets = map[string][]netip.Prefix{group: {prefix("10.0.0.6/32")}}
	l.apply()
	if web.echo(denied) == nil {
		t.Error("port 80 goes on although its remote group lost the asker")
	}
	l.refused(a.space, "10.0.0.6:80")
	if err := ssh.echo(patience); err != nil {
		t.Errorf("port 22, which nothing happened to: %v", err)
	}

	// One more rule disturbs nobody; one less cuts what it allowed.
	rules := l.want.Ports[1].Rules
	l.want.Ports[1].Rules = append(slices.Clone(rules), hostapi.Rule{Direction: "ingress", EtherType: "IPv4", Protocol: 17, PortMin: 53, PortMax: 53})
	l.apply()
	if err := ssh.echo(patience); err != nil {
		t.Errorf("port 22 after a rule for port 53 came: %v", err)
	}
	l.want.Ports[1].Rules = slices.DeleteFunc(slices.Clone(rules), func(r hostapi.Rule) bool { return r.PortMin == 22 })
	l.apply()
	if ssh.echo(denied) == nil {
		t.Error("port 22 goes on although its rule is gone")
	}
	l.refused(a.space, "10.0.0.6:22")
}

func TestRulesOfEveryForm(t *testing.T) {
	want := site()
	any := hostapi.Rule{Direction: "ingress", EtherType: "IPv4", Protocol: -1, PortMin: -1, PortMax: -1}
	form := func(change func(*hostapi.Rule)) hostapi.Rule { r := any; change(&r); return r }
	l := newLab(t, want)
	a, b := l.boot(portA, gw4), l.boot(portB, gw4)
	for _, port := range []string{"21", "25", "30"} {
		serveTCP(t, b.space, ":"+port)
	}
	for name, tt := range map[string]struct {
		rule     hostapi.Rule
		yes, not []string
	}{
		"range":         {form(func(r *hostapi.Rule) { r.Protocol, r.PortMin, r.PortMax = 6, 20, 25 }), []string{"21", "25"}, []string{"30"}},
		"protocol":      {form(func(r *hostapi.Rule) { r.Protocol = 6 }), []string{"21", "30"}, []string{"ping"}},
		"anything":      {any, []string{"21", "ping"}, nil},
		"prefix":        {form(func(r *hostapi.Rule) { r.Remote = prefix("10.0.0.4/30") }), []string{"21", "ping"}, nil},
		"other prefix":  {form(func(r *hostapi.Rule) { r.Remote = prefix("10.1.0.0/16") }), nil, []string{"21", "ping"}},
		"icmp echo":     {form(func(r *hostapi.Rule) { r.Protocol, r.PortMin, r.PortMax = 1, 8, 0 }), []string{"ping"}, []string{"21"}},
		"icmp other":    {form(func(r *hostapi.Rule) { r.Protocol, r.PortMin = 1, 13 }), nil, []string{"ping"}},
		"other family":  {form(func(r *hostapi.Rule) { r.EtherType = "IPv6" }), nil, []string{"21", "ping"}},
		"unknown group": {form(func(r *hostapi.Rule) { r.RemoteSet = "nobody" }), nil, []string{"21"}},
		"odd protocol":  {form(func(r *hostapi.Rule) { r.Protocol, r.PortMin, r.PortMax = 112, 1, 2 }), nil, []string{"21"}},
	} {
		l.want.Ports[1].Rules = []hostapi.Rule{tt.rule}
		l.apply()
		for _, what := range tt.yes {
			if err := l.try(a, what, patience); err != nil {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
		for _, what := range tt.not {
			if l.try(a, what, denied) == nil {
				t.Errorf("%s: %s passes", name, what)
			}
		}
	}
	// Egress is closed as well when nothing opens it.
	l.want.Ports[1].Rules = []hostapi.Rule{any}
	l.want.Ports[0].Rules = nil
	l.apply()
	if l.try(a, "21", denied) == nil {
		t.Error("a port without rules sends")
	}
}

func (l *lab) try(from *guest, what string, wait time.Duration) error {
	if what == "ping" {
		return ping(from.space, "10.0.0.6", wait)
	}
	s, err := dial(from.space, "10.0.0.6:"+what, wait)
	if err == nil {
		s.Close()
	}
	return err
}

// inject sends a frame from the guest's card, then one that surely passes, and
// tells whether another guest's card hears the first before the second.
func (l *lab) inject(from, to *guest, frame, last []byte) bool {
	l.Helper()
	hear := l.sniffer(to)
	defer unix.Close(hear)
	link, err := from.nl.LinkByName("eth0")
	l.must(err)
	l.must(from.do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		to := &unix.SockaddrLinklayer{Ifindex: link.Attrs().Index, Halen: 6}
		return errors.Join(unix.Sendto(fd, frame, 0, to), unix.Sendto(fd, last, 0, to))
	}))
	buf, got := make([]byte, 2000), false
	for end := time.Now().Add(patience); time.Now().Before(end); {
		n, _, err := unix.Recvfrom(hear, buf, 0)
		switch {
		case err != nil:
		case bytes.HasPrefix(buf[:n], frame):
			got = true
		case bytes.HasPrefix(buf[:n], last):
			return got
		}
	}
	l.Fatal("the frame that surely passes did not")
	return false
}

func (l *lab) sniffer(g *guest) int {
	l.Helper()
	var fd int
	l.must(g.do(func() (err error) {
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(htons(unix.ETH_P_ALL))); err != nil {
			return err
		}
		return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50000})
	}))
	return fd
}

func ethernet(dst, src string, kind uint16, payload []byte) []byte {
	d, _ := net.ParseMAC(dst)
	s, _ := net.ParseMAC(src)
	return slices.Concat(d, s, []byte{byte(kind >> 8), byte(kind)}, payload)
}

// TestGuestsCannotPlayInfrastructure: no DHCP server, no router, no other's ARP
// or ND, no tagged frames, even with rules that allow everything.
func TestGuestsCannotPlayInfrastructure(t *testing.T) {
	want := site()
	open := []hostapi.Rule{allowAll("egress", "IPv4"), allowAll("egress", "IPv6"), allowAll("ingress", "IPv4"), allowAll("ingress", "IPv6")}
	want.Ports[0].Rules, want.Ports[1].Rules = open, open
	l := newLab(t, want)
	a, b := l.boot(portA, gw4), l.boot(portB, gw4)
	l.pings(a.space, "10.0.0.6")
	arp := func(mac string, ip string) []byte {
		hw, _ := net.ParseMAC(mac)
		f := gratuitousARP(hw, addr(ip).As4())
		src, _ := net.ParseMAC(macA)
		copy(f[6:12], src)
		return f
	}
	nd := func(kind byte, src string, body []byte) []byte {
		return icmp6(src, "ff02::1", append([]byte{kind, 0, 0, 0}, body...))
	}
	target := func(ip string) []byte { a := addr(ip).As16(); return append(make([]byte, 4), a[:]...) }
	last := ethernet(macB, macA, unix.ETH_P_IP, udp4(addr("10.0.0.5"), addr("10.0.0.6"), 7777, 8888, []byte("and that was the last of the frames")))
	own6 := "fe80::f816:3eff:fe00:a"
	for name, tt := range map[string]struct {
		frame []byte
		pass  bool
	}{
		"own ARP":             {arp(macA, "10.0.0.5"), true},
		"ARP for the gateway": {arp(macA, "10.0.0.1"), false},
		"ARP of another MAC":  {arp(macB, "10.0.0.5"), false},
		"DHCP offer": {ethernet(macB, macA, unix.ETH_P_IP, udp4(addr("10.0.0.5"), addr("10.0.0.6"), 67, 68,
			[]byte("an offer that nobody should hear"))), false},
		"UDP": {ethernet(macB, macA, unix.ETH_P_IP, udp4(addr("10.0.0.5"), addr("10.0.0.6"), 6767, 6868,
			[]byte("something quite ordinary to hear"))), true},
		"router advertisement":    {ethernet("33:33:00:00:00:01", macA, unix.ETH_P_IPV6, nd(134, own6, make([]byte, 12))), false},
		"own neighbour":           {ethernet("33:33:00:00:00:01", macA, unix.ETH_P_IPV6, nd(136, own6, target(own6))), true},
		"neighbour of the router": {ethernet("33:33:00:00:00:01", macA, unix.ETH_P_IPV6, nd(136, own6, target("fd00:10::1"))), false},
		"another link-local":      {ethernet("33:33:00:00:00:01", macA, unix.ETH_P_IPV6, nd(135, "fe80::1", target(own6))), false},
		"another MAC":             {ethernet(macB, "fa:16:3e:00:00:99", unix.ETH_P_IP, udp4(addr("10.0.0.5"), addr("10.0.0.6"), 6767, 6868, []byte("of a MAC that nobody was ever given"))), false},
		"VLAN tag":                {ethernet(macB, macA, 0x8100, slices.Concat([]byte{0, 5, 8, 0}, udp4(addr("10.0.0.5"), addr("10.0.0.6"), 1, 2, make([]byte, 30)))), false},
		"other type":              {ethernet(macB, macA, 0x88b5, make([]byte, 60)), false},
	} {
		if got := l.inject(a, b, tt.frame, last); got != tt.pass {
			t.Errorf("%s: heard %t, want %t", name, got, tt.pass)
		}
	}
}

// icmp6 is an IPv6 packet with an ICMPv6 message, checksum included.
func icmp6(src, dst string, msg []byte) []byte {
	s, d := addr(src).As16(), addr(dst).As16()
	sum := checksum(slices.Concat(s[:], d[:], []byte{0, 0, 0, byte(len(msg)), 0, 0, 0, protoICMPv6}, msg))
	msg[2], msg[3] = byte(sum>>8), byte(sum)
	return slices.Concat([]byte{0x60, 0, 0, 0, 0, byte(len(msg)), protoICMPv6, 255}, s[:], d[:], msg)
}

// TestAdvertisedAddresses: a guest that only listens gets address and route.
func TestAdvertisedAddresses(t *testing.T) {
	want := site()
	want.Ports[0].Fixed = want.Ports[0].Fixed[1:] // IPv6 alone
	l := newLab(t, want)
	events, done := make(chan netlink.AddrUpdate), make(chan struct{})
	defer close(done)
	a := l.bootListening(portA, events, done)
	after := time.After(patience)
	for {
		select {
		case e := <-events:
			if e.NewAddr && e.LinkAddress.IP.String() == "fd00:10::f816:3eff:fe00:a" {
				l.pings(a.space, "fd00:10::1")
				return
			}
		case <-after:
			t.Fatal("no address was advertised")
		}
	}
}

// bootListening is boot without addresses; address changes go to events.
func (l *lab) bootListening(portID string, events chan netlink.AddrUpdate, done chan struct{}) *guest {
	l.Helper()
	i := slices.IndexFunc(l.want.Ports, func(p hostapi.Port) bool { return p.ID == portID })
	fixed := l.want.Ports[i].Fixed
	l.want.Ports[i].Fixed = nil
	g := l.bootWith(portID, func(g *guest) {
		l.must(netlink.AddrSubscribeAt(g.handle, events, done))
	})
	l.want.Ports[i].Fixed = fixed
	return g
}

// TestDHCPv6 asks for an address as a stateful client does.
func TestDHCPv6(t *testing.T) {
	want := site()
	s := &want.Networks[0].Subnets[1]
	s.RAMode, s.AddressMode = "dhcpv6-stateful", "dhcpv6-stateful"
	s.DNS = []netip.Addr{addr("2620:fe::fe")}
	want.Ports[0].Fixed[1].Addr = addr("fd00:10::77")
	l := newLab(t, want)
	a := l.boot(portA)
	link, err := a.nl.LinkByName("eth0")
	l.must(err)
	conn, err := nclientConn(a, link.Attrs().Index)
	l.must(err)
	client, err := nclient6.NewWithConn(conn, link.Attrs().HardwareAddr, nclient6.WithTimeout(2*time.Second), nclient6.WithRetry(3),
		nclient6.WithBroadcastAddr(&net.UDPAddr{IP: allDHCP6, Port: 547, Zone: fmt.Sprint(link.Attrs().Index)}))
	l.must(err)
	defer client.Close()
	adv, err := client.Solicit(context.Background())
	l.must(err)
	reply, err := client.Request(context.Background(), adv)
	l.must(err)
	got := reply.Options.OneIANA().Options.OneAddress().IPv6Addr.String()
	if got != "fd00:10::77" || fmt.Sprint(reply.Options.DNS()) != "[2620:fe::fe]" {
		t.Errorf("got %s and name servers %v", got, reply.Options.DNS())
	}
}

func nclientConn(g *guest, index int) (conn net.PacketConn, err error) {
	lc := onLink(index, unix.SO_REUSEADDR)
	err = g.do(func() error { conn, err = lc.ListenPacket(context.Background(), "udp6", "[::]:546"); return err })
	return conn, err
}

// TestFloatingAddressMoves: it leaves one guest, with its connections, for
// another.
func TestFloatingAddressMoves(t *testing.T) {
	l := newLab(t, site())
	a, b := l.boot(portA, gw4), l.boot(portB, gw4)
	root := l.root()
	serveTCP(t, a.space, ":22")
	serveTCP(t, b.space, ":22")
	stream, other := l.reach(root, "172.24.4.100:22"), l.reach(root, "172.24.4.101:2222")
	l.want.Routers[0].FloatingIPs[0].Fixed = addr("10.0.0.6")
	l.apply()
	if stream.echo(denied) == nil {
		t.Error("a connection outlives its floating address")
	}
	if err := other.echo(patience); err != nil {
		t.Errorf("a connection through another floating address: %v", err)
	}
	serveTCP(t, b.space, ":24")
	l.reach(root, "172.24.4.100:22")
	l.want.Routers[0].FloatingIPs = nil
	l.apply()
	l.refused(root, "172.24.4.100:22")
}

func TestAdminDown(t *testing.T) {
	l := newLab(t, site())
	a, b := l.boot(portA, gw4), l.boot(portB, gw4)
	l.pings(a.space, "10.0.0.6")
	l.want.Ports[1].AdminUp = false
	if seen := l.apply(); !slices.Equal(seen.Wired, []string{portA}) {
		t.Errorf("wired: %v", seen.Wired)
	}
	if ping(a.space, "10.0.0.6", denied) == nil {
		t.Error("a port that is down answers")
	}
	l.want.Ports[1].AdminUp, l.want.Routers[0].AdminUp = true, false
	l.apply()
	l.pings(b.space, "10.0.0.5")
	if ping(a.space, "10.0.0.1", denied) == nil {
		t.Error("a router that is down answers")
	}
	l.want.Routers[0].AdminUp = true
	l.apply()
	l.pings(a.space, "10.0.0.1")
}

func TestCounters(t *testing.T) {
	l := newLab(t, site())
	a, _ := l.boot(portA, gw4), l.boot(portB, gw4)
	l.pings(a.space, "10.0.0.6")
	got, err := l.driver.Counters(t.Context(), []string{portA, "no-such-port"})
	l.must(err)
	if c := got[portA]; len(got) != 1 || c.RxPackets == 0 || c.TxBytes == 0 {
		t.Errorf("counters: %+v", got)
	}
}
