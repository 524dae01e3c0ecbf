package netlinks

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
	"go4.org/netipx"
	"golang.org/x/sys/unix"
)

// leaseTable is what a DHCP server knows, by MAC; replaced as a whole.
type leaseTable struct {
	atomic.Pointer[map[string]Lease]
}

func (t *leaseTable) set(leases []Lease) {
	m := make(map[string]Lease, len(leases))
	for _, l := range leases {
		m[strings.ToLower(l.MAC)] = l
	}
	t.Store(&m)
}

func (t *leaseTable) find(mac net.HardwareAddr) (Lease, bool) {
	l, ok := (*t.Load())[mac.String()]
	return l, ok
}

// dhcp4 answers the ports of one network. Requests arrive on a UDP socket;
// answers leave as packets addressed to the asker's MAC, as the asker has no
// address yet that could be resolved.
type dhcp4 struct {
	loop
	leases leaseTable
	conn   net.PacketConn
	raw    int
	at     place
}

func startDHCP4(want Server, at place) (server, error) {
	lc := onLink(at.index, unix.SO_REUSEADDR, unix.SO_BROADCAST)
	conn, err := lc.ListenPacket(context.Background(), "udp4", "0.0.0.0:67")
	if err != nil {
		return nil, err
	}
	raw, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		conn.Close()
		return nil, err
	}
	d := &dhcp4{conn: conn, raw: raw, at: at}
	d.update(want)
	d.loop = newLoop(d.run)
	return d, nil
}

func (d *dhcp4) update(want Server) { d.leases.set(want.Leases) }

func (d *dhcp4) stop() {
	_ = d.conn.Close() // ends run
	<-d.done
	_ = unix.Close(d.raw)
}

func (d *dhcp4) run() {
	buf := make([]byte, 4096)
	for {
		n, _, err := d.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		req, err := dhcpv4.FromBytes(buf[:n])
		if err != nil || req.OpCode != dhcpv4.OpcodeBootRequest || req.HWType != iana.HWTypeEthernet ||
			len(req.ClientHWAddr) != 6 || !req.GatewayIPAddr.IsUnspecified() {
			continue
		}
		lease, ok := d.leases.find(req.ClientHWAddr)
		if !ok {
			continue // no port of ours: silence
		}
		reply, err := answer4(req, lease)
		if err == nil && reply != nil {
			err = d.send(req, lease, reply)
		}
		if err != nil {
			d.at.log.Warn("DHCP answer failed", "mac", req.ClientHWAddr.String(), "error", err)
		}
	}
}

// answer4 makes the answer to a request, or nil where there is none
// (RFC 2131, section 4.3).
func answer4(req *dhcpv4.DHCPv4, lease Lease) (*dhcpv4.DHCPv4, error) {
	server := net.IP(lease.Server.AsSlice())
	if id := req.ServerIdentifier(); id != nil && !id.IsUnspecified() && !id.Equal(server) {
		return nil, nil // for another server
	}
	kind := dhcpv4.MessageTypeAck
	switch req.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		kind = dhcpv4.MessageTypeOffer
	case dhcpv4.MessageTypeInform:
	case dhcpv4.MessageTypeRequest:
		asked := req.RequestedIPAddress()
		if asked == nil || asked.IsUnspecified() {
			asked = req.ClientIPAddr
		}
		if !asked.Equal(lease.Addr.Addr().AsSlice()) {
			return dhcpv4.NewReplyFromRequest(req, dhcpv4.WithMessageType(dhcpv4.MessageTypeNak),
				dhcpv4.WithOption(dhcpv4.OptServerIdentifier(server)))
		}
	default:
		return nil, nil
	}
	reply, err := dhcpv4.NewReplyFromRequest(req, dhcpv4.WithMessageType(kind), dhcpv4.WithServerIP(server),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(server)))
	if err != nil {
		return nil, err
	}
	if req.MessageType() != dhcpv4.MessageTypeInform {
		reply.YourIPAddr = lease.Addr.Addr().AsSlice()
		reply.UpdateOption(dhcpv4.OptIPAddressLeaseTime(lease.Time))
		reply.UpdateOption(dhcpv4.OptRenewTimeValue(lease.Time / 2))
		reply.UpdateOption(dhcpv4.OptRebindingTimeValue(lease.Time / 8 * 7))
	}
	tell(reply, lease)
	return reply, nil
}

// tell adds what the client is told besides its address.
func tell(reply *dhcpv4.DHCPv4, lease Lease) {
	add := reply.UpdateOption
	mask := netipx.PrefixIPNet(lease.Addr).Mask
	add(dhcpv4.OptSubnetMask(mask))
	add(dhcpv4.OptBroadcastAddress(netipx.PrefixLastIP(lease.Addr.Masked()).AsSlice()))
	if lease.Router.IsValid() {
		add(dhcpv4.OptRouter(lease.Router.AsSlice()))
	}
	if ips := asIPs(lease.DNS); len(ips) > 0 {
		add(dhcpv4.OptDNS(ips...))
	}
	if lease.Hostname != "" {
		add(dhcpv4.OptHostName(lease.Hostname))
	}
	if lease.Domain != "" {
		add(dhcpv4.OptDomainName(lease.Domain))
	}
	if lease.MTU > 0 {
		add(dhcpv4.OptGeneric(dhcpv4.OptionInterfaceMTU, binary.BigEndian.AppendUint16(nil, uint16(lease.MTU))))
	}
	var routes []*dhcpv4.Route
	for _, r := range lease.Routes {
		if r.Destination.Addr().Is4() && r.NextHop.Is4() {
			routes = append(routes, &dhcpv4.Route{Dest: netipx.PrefixIPNet(r.Destination.Masked()), Router: r.NextHop.AsSlice()})
		}
	}
	if len(routes) > 0 {
		route := dhcpv4.OptClasslessStaticRoute(routes...)
		add(route)
		// The number that Windows asked for before RFC 3442 had one.
		add(dhcpv4.OptGeneric(dhcpv4.GenericOptionCode(249), route.Value.ToBytes()))
	}
	for _, o := range lease.Options {
		code, value, ok := option4(o)
		if !ok {
			continue
		}
		if code == optionServerAddress {
			reply.ServerIPAddr = value
			continue
		}
		if len(value) == 0 {
			delete(reply.Options, code) // an empty value takes an option away
			continue
		}
		add(dhcpv4.OptGeneric(dhcpv4.GenericOptionCode(code), value))
		if code == uint8(dhcpv4.OptionBootfileName) && len(value) < 128 {
			reply.BootFileName = string(value) // old network boot code reads the header
		}
	}
}

func asIPs(addrs []netip.Addr) []net.IP {
	out := make([]net.IP, 0, len(addrs))
	for _, a := range addrs {
		out = append(out, a.AsSlice())
	}
	return out
}

// send puts the answer on the wire, by MAC. The IP destination is the client's
// if it has one or can take it, and broadcast if it asked for that.
func (d *dhcp4) send(req *dhcpv4.DHCPv4, lease Lease, reply *dhcpv4.DHCPv4) error {
	dst := netip.AddrFrom4([4]byte{255, 255, 255, 255})
	switch ci, ok := netipx.FromStdIP(req.ClientIPAddr); {
	case reply.MessageType() == dhcpv4.MessageTypeNak:
	case ok && !ci.IsUnspecified():
		dst = ci
	case !req.IsBroadcast() && !reply.YourIPAddr.IsUnspecified():
		dst = lease.Addr.Addr()
	}
	packet := udp4(lease.Server, dst, dhcpv4.ServerPort, dhcpv4.ClientPort, reply.ToBytes())
	to := &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_IP), Ifindex: d.at.index, Halen: 6}
	copy(to.Addr[:], req.ClientHWAddr)
	return unix.Sendto(d.raw, packet, 0, to)
}

// udp4 is a whole IPv4 packet with one UDP datagram (RFC 791, RFC 768).
func udp4(src, dst netip.Addr, sport, dport uint16, payload []byte) []byte {
	udp := slices.Concat(make([]byte, 8), payload)
	binary.BigEndian.PutUint16(udp[0:], sport)
	binary.BigEndian.PutUint16(udp[2:], dport)
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
	pseudo := slices.Concat(src.AsSlice(), dst.AsSlice(), []byte{0, protoUDP, byte(len(udp) >> 8), byte(len(udp))}, udp)
	binary.BigEndian.PutUint16(udp[6:], checksum(pseudo))
	ip := make([]byte, 20)
	ip[0], ip[8], ip[9] = 0x45, 64, protoUDP
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+len(udp)))
	copy(ip[12:], src.AsSlice())
	copy(ip[16:], dst.AsSlice())
	binary.BigEndian.PutUint16(ip[10:], checksum(ip))
	return append(ip, udp...)
}

// checksum is the internet checksum (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		word := uint32(b[i]) << 8
		if i+1 < len(b) {
			word |= uint32(b[i+1])
		}
		sum += word
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	if sum == 0xffff {
		return 0xffff
	}
	return ^uint16(sum)
}
