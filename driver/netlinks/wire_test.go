package netlinks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/vishvananda/netlink"
	"go4.org/netipx"

	"altostack/hostapi"
)

// root answers the test's root namespace.
func (l *lab) root() *space {
	l.Helper()
	s, err := enter("", "/proc/thread-self/ns/net")
	l.must(err)
	l.Cleanup(s.close)
	return s
}

func (l *lab) pings(s *space, dst string) {
	l.Helper()
	if err := ping(s, dst, patience); err != nil {
		l.Errorf("from %q: %v", s.name, err)
	}
}

func TestGuestsOfOneNetworkMeetWithinTheirRules(t *testing.T) {
	l := newLab(t, site())
	a, b := l.boot(portA, gw4), l.boot(portB, gw4)
	l.pings(a.space, "10.0.0.6")
	l.pings(a.space, "10.0.0.1")
	l.pings(a.space, "fd00:10::f816:3eff:fe00:b")
	l.pings(a.space, "fd00:10::1")
	for _, port := range []string{"22", "23", "80"} {
		serveTCP(t, b.space, ":"+port)
	}
	l.reach(a.space, "10.0.0.6:22")
	l.reach(a.space, "10.0.0.6:80") // by remote group
	l.reach(a.space, "[fd00:10::f816:3eff:fe00:b]:22")
	l.refused(a.space, "10.0.0.6:23")
	l.refused(a.space, "[fd00:10::f816:3eff:fe00:b]:80")
	l.refused(l.root(), "10.0.0.6:22") // no way in without a floating address
}

func TestFloatingAddressesWorkBothWaysAndAcrossOneRouter(t *testing.T) {
	l := newLab(t, site())
	a, b := l.boot(portA, gw4), l.boot(portB, gw4)
	root := l.root()
	serveTCP(t, a.space, ":22")
	serveTCP(t, b.space, ":22")
	serveTCP(t, root, "172.24.4.1:99")
	l.pings(root, "172.24.4.100")
	l.pings(root, "172.24.4.10") // the router itself
	l.reach(root, "172.24.4.100:22")
	l.reach(root, "172.24.4.101:2222") // a port forwarding
	l.refused(root, "172.24.4.101:22")
	if got := l.reach(a.space, "172.24.4.1:99").peer; !strings.HasPrefix(got, "172.24.4.100:") {
		t.Errorf("a guest with a floating address comes from %s", got)
	}
	if got := l.reach(b.space, "172.24.4.1:99").peer; !strings.HasPrefix(got, "172.24.4.10:") {
		t.Errorf("a guest without one comes from %s, not from the router", got)
	}
	// Hairpin: between guests of one router by outside addresses.
	if got := l.reach(b.space, "172.24.4.100:22").peer; !strings.HasPrefix(got, "172.24.4.10:") {
		t.Errorf("hairpin comes from %s", got)
	}
	if got := l.reach(a.space, "172.24.4.101:2222").peer; !strings.HasPrefix(got, "172.24.4.100:") {
		t.Errorf("hairpin comes from %s", got)
	}
	l.reach(a.space, "172.24.4.100:22") // oneself
}

// TestMasquerade reaches a machine beyond the host, which knows only the host.
func TestMasquerade(t *testing.T) {
	l := newLab(t, site())
	b := l.boot(portB, gw4)
	far := l.newSpace("far-" + l.cfg.Cloud)
	root := l.root()
	l.must(root.nl.LinkAdd(&netlink.Veth{LinkAttrs: attrs(Link{Name: "uplink0"}), PeerName: "eth0", PeerNamespace: netlink.NsFd(int(far.handle))}))
	link := func(s *space, name, cidr string) {
		got, err := s.nl.LinkByName(name)
		l.must(err)
		l.must(s.nl.AddrAdd(got, kernelAddr(Addr{Prefix: prefix(cidr)})))
		l.must(s.nl.LinkSetUp(got))
		t.Cleanup(func() { _ = s.nl.LinkDel(got) })
	}
	link(root, "uplink0", "198.51.100.1/24")
	link(far, "eth0", "198.51.100.2/24")
	serveTCP(t, far, ":80")
	if got := l.reach(b.space, "198.51.100.2:80").peer; !strings.HasPrefix(got, "198.51.100.1:") {
		t.Errorf("the far machine sees %s", got)
	}
}

// lease asks for a lease, tries times with half a second each.
func (g *guest) lease(tries int) (*dhcpv4.DHCPv4, error) {
	var c *nclient4.Client
	hw, err := net.ParseMAC(g.port.MAC)
	if err != nil {
		return nil, err
	}
	var got *nclient4.Lease
	err = g.do(func() (err error) {
		if c, err = nclient4.New("eth0", nclient4.WithHWAddr(hw), nclient4.WithTimeout(time.Second/2), nclient4.WithRetry(tries)); err != nil {
			return err
		}
		defer c.Close()
		got, err = c.Request(g.Context())
		return err
	})
	if err != nil {
		return nil, err
	}
	return got.ACK, nil
}

func TestDHCPTellsAGuestAllOfItsNetwork(t *testing.T) {
	want := site()
	want.Ports[0].DHCP = []hostapi.DHCPOption{{Name: "bootfile-name", Value: "pxe.0", IPVersion: 4},
		{Name: "ntp-server", Value: "10.0.0.9,10.0.0.8", IPVersion: 4}, {Name: "150", Value: "10.0.0.7", IPVersion: 4}}
	l := newLab(t, want)
	a := l.boot(portA)
	ack, err := a.lease(20)
	l.must(err)
	for name, pair := range map[string][2]string{
		"address":  {ack.YourIPAddr.String(), "10.0.0.5"},
		"mask":     {net.IP(ack.SubnetMask()).String(), "255.255.255.0"},
		"router":   {fmt.Sprint(ack.Router()), "[10.0.0.1]"},
		"dns":      {fmt.Sprint(ack.DNS()), "[9.9.9.9]"},
		"server":   {ack.ServerIdentifier().String(), "10.0.0.2"},
		"hostname": {ack.HostName(), "host-a0"},
		"domain":   {ack.DomainName(), "example.org"},
		"mtu":      {fmt.Sprint(ack.Options.Get(dhcpv4.OptionInterfaceMTU)), "[5 170]"},
		"lease":    {ack.IPAddressLeaseTime(0).String(), "24h0m0s"},
		"boot":     {ack.BootFileNameOption(), "pxe.0"},
		"ntp":      {fmt.Sprint(ack.NTPServers()), "[10.0.0.9 10.0.0.8]"},
		"150":      {fmt.Sprint(ack.Options.Get(dhcpv4.GenericOptionCode(150))), "[10 0 0 7]"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: got %s, want %s", name, pair[0], pair[1])
		}
	}
	if routes := ack.ClasslessStaticRoute(); len(routes) != 0 {
		t.Errorf("with a router, got routes %v", routes)
	}
	// A MAC that no port has is met with silence, whatever the fence lets through.
	l.want.Ports[0].Security = false
	l.apply()
	a.port.MAC = "fa:16:3e:99:99:99"
	if _, err := a.lease(1); err == nil {
		t.Error("an unknown client got a lease")
	}
}

// get asks the metadata service.
func get(s *space, url string) (string, error) {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(_ context.Context, network, addr string) (c net.Conn, err error) {
			err = s.do(func() (err error) { c, err = net.DialTimeout(network, addr, patience); return err })
			return c, err
		}}}
	res, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

func TestMetadataAnswersThroughDHCPServerAndThroughRouter(t *testing.T) {
	want := site()
	want.Ports[0].Rules = nil // closed, and still
	for name, change := range map[string]func(*hostapi.HostNetwork){
		"router alone":      func(w *hostapi.HostNetwork) { w.Networks[0].DHCPPort = nil },
		"DHCP server alone": func(w *hostapi.HostNetwork) { w.Routers = nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := want
			w.Networks = []hostapi.Network{want.Networks[0], want.Networks[1]}
			change(&w)
			l := newLab(t, w)
			a := l.boot(portA)
			via := gw4
			if w.Routers == nil {
				ack, err := a.lease(20)
				l.must(err)
				routes := ack.ClasslessStaticRoute()
				if len(routes) != 2 || routes[0].Dest.String() != "169.254.169.254/32" {
					t.Fatalf("without a router, got routes %v", routes)
				}
				via, _ = netipx.FromStdIP(routes[0].Router)
			}
			l.must(a.nl.RouteAdd(&netlink.Route{Dst: netipx.PrefixIPNet(netip.PrefixFrom(metadata4, 32)), Gw: via.AsSlice()}))
			got, err := get(a.space, "http://169.254.169.254/openstack")
			if err != nil || !strings.HasPrefix(got, blue+" 10.0.0.5:") {
				t.Errorf("metadata answered %q, %v", got, err)
			}
		})
	}
}

func TestSpoofedAddressesAreDropped(t *testing.T) {
	want := site()
	want.Ports[0].Pairs = []hostapi.Pair{{MAC: macA, Prefix: prefix("10.0.0.50/32")}, {MAC: macA, Prefix: prefix("10.0.0.64/28")}}
	l := newLab(t, want)
	a, b := l.boot(portA, gw4), l.boot(portB, gw4)
	serveTCP(t, b.space, ":22")
	from := func(src string) error {
		a.addr("eth0", netip.PrefixFrom(addr(src), 24))
		d := net.Dialer{Timeout: denied, LocalAddr: &net.TCPAddr{IP: addr(src).AsSlice()}}
		return a.do(func() error {
			c, err := d.DialContext(t.Context(), "tcp", "10.0.0.6:22")
			if err == nil {
				c.Close()
			}
			return err
		})
	}
	for _, own := range []string{"10.0.0.5", "10.0.0.50", "10.0.0.66"} {
		if err := errors.Join(from(own)); err != nil && from(own) != nil {
			t.Errorf("%s may be used and is dropped: %v", own, err)
		}
	}
	if from("10.0.0.7") == nil {
		t.Error("10.0.0.7 is nobody's and passes")
	}
	link, err := a.nl.LinkByName("eth0")
	l.must(err)
	l.must(a.nl.LinkSetHardwareAddr(link, net.HardwareAddr{0xfa, 0x16, 0x3e, 9, 9, 9}))
	l.refused(a.space, "10.0.0.6:22")
	// With port security off, all of it passes.
	l.want.Ports[0].Security = false
	l.apply()
	l.reach(a.space, "10.0.0.6:22")
}
