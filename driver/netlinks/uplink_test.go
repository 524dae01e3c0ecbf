package netlinks

import (
	"context"
	"testing"

	"github.com/vishvananda/netlink"
)

// uplinked is the site with its external network on a physical one.
func uplinked(t *testing.T, physical Physical) *lab {
	l := &lab{T: t, want: site()}
	l.want.Networks[1].Physical = "rack"
	l.cfg = Config{Cloud: "u" + digest(t.Name())[:5], Physical: map[string]Physical{"rack": physical}}
	l.open()
	t.Cleanup(func() {
		for _, g := range l.guests {
			g.end()
		}
		if err := l.driver.Purge(context.Background()); err != nil {
			t.Logf("purge: %v", err)
		}
		l.driver.Close()
	})
	return l
}

// TestHostBridge: the external network is a bridge that somebody else made.
func TestHostBridge(t *testing.T) {
	l := uplinked(t, Physical{Bridge: "br-rack"})
	root := l.root()
	l.must(root.nl.LinkAdd(&netlink.Bridge{LinkAttrs: attrs(Link{Name: "br-rack"})}))
	br, err := root.nl.LinkByName("br-rack")
	l.must(err)
	t.Cleanup(func() { _ = root.nl.LinkDel(br) })
	l.must(root.nl.AddrAdd(br, kernelAddr(Addr{Prefix: prefix("172.24.4.1/24")})))
	l.must(root.nl.LinkSetUp(br))
	l.apply()
	a := l.boot(portA, gw4)
	l.pings(root, "172.24.4.100")
	l.pings(a.space, "172.24.4.1")
	l.must(l.driver.Purge(t.Context()))
	if _, err := root.nl.LinkByName("br-rack"); err != nil {
		t.Errorf("purging took somebody else's bridge: %v", err)
	}
}

// TestHostInterface: the external network is a card given over to the cloud.
func TestHostInterface(t *testing.T) {
	l := uplinked(t, Physical{Interface: "rack0"})
	root, far := l.root(), l.newSpace("rack-"+l.cfg.Cloud)
	l.must(root.nl.LinkAdd(&netlink.Veth{LinkAttrs: attrs(Link{Name: "rack0"}), PeerName: "eth0", PeerNamespace: netlink.NsFd(int(far.handle))}))
	card, err := root.nl.LinkByName("rack0")
	l.must(err)
	t.Cleanup(func() { _ = root.nl.LinkDel(card) })
	l.must(root.nl.LinkSetUp(card))
	eth, err := far.nl.LinkByName("eth0")
	l.must(err)
	l.must(far.nl.AddrAdd(eth, kernelAddr(Addr{Prefix: prefix("172.24.4.1/24")})))
	l.must(far.nl.LinkSetUp(eth))
	l.apply()
	a := l.boot(portA, gw4)
	l.pings(far, "172.24.4.100")
	l.pings(a.space, "172.24.4.1")
	serveTCP(t, far, ":80")
	l.reach(a.space, "172.24.4.1:80")
}
