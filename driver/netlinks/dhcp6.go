package netlinks

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// dhcp6 answers the ports of one network. A client is known by the link-local
// address it asks from, which anti-spoofing ties to its MAC; what it says of
// itself (its DUID) is only repeated.
type dhcp6 struct {
	loop
	leases leaseTable
	conn   *net.UDPConn
	at     place
}

var allDHCP6 = net.ParseIP("ff02::1:2") // All_DHCP_Relay_Agents_and_Servers

func startDHCP6(want Server, at place) (server, error) {
	lc := onLink(at.index, unix.SO_REUSEADDR)
	conn, err := lc.ListenPacket(context.Background(), "udp6", "[::]:547")
	if err != nil {
		return nil, err
	}
	if err := ipv6.NewPacketConn(conn).JoinGroup(&net.Interface{Index: at.index}, &net.UDPAddr{IP: allDHCP6}); err != nil {
		conn.Close()
		return nil, err
	}
	d := &dhcp6{conn: conn.(*net.UDPConn), at: at}
	d.update(want)
	d.loop = newLoop(d.run)
	return d, nil
}

// update keys the leases by the link-local address of their MAC.
func (d *dhcp6) update(want Server) {
	byAddr := make(map[string]Lease, len(want.Leases))
	for _, l := range want.Leases {
		if lla, ok := linkLocal(l.MAC); ok {
			byAddr[lla.String()] = l
		}
	}
	d.leases.Store(&byAddr)
}

func (d *dhcp6) stop() {
	_ = d.conn.Close() // ends run
	<-d.done
}

func (d *dhcp6) run() {
	buf := make([]byte, 4096)
	for {
		n, from, err := d.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		lease, ok := (*d.leases.Load())[from.Addr().WithZone("").String()]
		if !ok {
			continue
		}
		req, err := dhcpv6.MessageFromBytes(buf[:n])
		if err != nil {
			continue
		}
		id := &dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: d.at.mac}
		reply, err := answer6(req, lease, id)
		if err == nil && reply != nil {
			to := netip.AddrPortFrom(from.Addr().WithZone(strconv.Itoa(d.at.index)), from.Port())
			_, err = d.conn.WriteToUDPAddrPort(reply.ToBytes(), to)
		}
		if err != nil {
			d.at.log.Warn("DHCPv6 answer failed", "mac", lease.MAC, "error", err)
		}
	}
}

// answer6 makes the answer to a message, or nil where there is none
// (RFC 8415, section 18.3).
func answer6(req *dhcpv6.Message, lease Lease, id dhcpv6.DUID) (*dhcpv6.Message, error) {
	if asked := req.Options.ServerID(); asked != nil && !asked.Equal(id) {
		return nil, nil // for another server
	}
	with := []dhcpv6.Modifier{dhcpv6.WithServerID(id)}
	if len(lease.DNS) > 0 {
		with = append(with, dhcpv6.WithDNS(asIPs(lease.DNS)...))
	}
	if lease.Domain != "" {
		with = append(with, dhcpv6.WithDomainSearchList(lease.Domain))
	}
	switch req.MessageType {
	case dhcpv6.MessageTypeSolicit, dhcpv6.MessageTypeRequest, dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRebind:
		if ia := req.Options.OneIANA(); ia != nil {
			with = append(with, dhcpv6.WithOption(grant(ia, lease)))
		}
	case dhcpv6.MessageTypeConfirm, dhcpv6.MessageTypeRelease, dhcpv6.MessageTypeDecline:
		with = append(with, dhcpv6.WithOption(&dhcpv6.OptStatusCode{StatusCode: iana.StatusSuccess, StatusMessage: "ok"}))
	case dhcpv6.MessageTypeInformationRequest:
	default:
		return nil, nil
	}
	if req.MessageType == dhcpv6.MessageTypeSolicit && req.GetOneOption(dhcpv6.OptionRapidCommit) == nil {
		return dhcpv6.NewAdvertiseFromSolicit(req, with...)
	}
	return dhcpv6.NewReplyFromMessage(req, with...)
}

// grant fills the client's request for an address.
func grant(ia *dhcpv6.OptIANA, lease Lease) *dhcpv6.OptIANA {
	out := &dhcpv6.OptIANA{IaId: ia.IaId, T1: lease.Time / 2, T2: lease.Time / 8 * 7}
	if !lease.Addr.IsValid() {
		out.T1, out.T2 = 0, 0
		out.Options.Add(&dhcpv6.OptStatusCode{StatusCode: iana.StatusNoAddrsAvail, StatusMessage: "this network gives no addresses by DHCPv6"})
		return out
	}
	for _, old := range ia.Options.Addresses() { // one that it may not keep lives no longer
		if a, ok := netip.AddrFromSlice(old.IPv6Addr); ok && a != lease.Addr.Addr() {
			out.Options.Add(&dhcpv6.OptIAAddress{IPv6Addr: old.IPv6Addr})
		}
	}
	out.Options.Add(&dhcpv6.OptIAAddress{IPv6Addr: lease.Addr.Addr().AsSlice(),
		PreferredLifetime: lease.Time, ValidLifetime: lease.Time + time.Hour})
	return out
}
