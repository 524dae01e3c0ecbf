package netlinks

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// announce tells the neighbours of new IPv4 addresses whose they are now: a
// floating address may have been on another router a moment ago.
func (s *space) announce(got actual, fresh []Addr) error {
	return s.do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("announce addresses of %q: %w", s.name, err)
		}
		defer unix.Close(fd)
		for _, a := range fresh {
			l, ok := got.links[a.Link]
			if !ok || !a.Prefix.Addr().Is4() || a.Link == "lo" || a.Prefix.Addr() == metadata4 {
				continue
			}
			frame := gratuitousARP(l.Attrs().HardwareAddr, a.Prefix.Addr().As4())
			to := &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ARP), Ifindex: l.Attrs().Index, Halen: 6}
			if err := unix.Sendto(fd, frame, 0, to); err != nil {
				return fmt.Errorf("announce %s on %s of %q: %w", a.Prefix, a.Link, s.name, err)
			}
		}
		return nil
	})
}

// gratuitousARP is a whole frame: an ARP request for one's own address
// (RFC 5227, section 3).
func gratuitousARP(mac net.HardwareAddr, addr [4]byte) []byte {
	var b bytes.Buffer
	b.Write([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	b.Write(mac)
	b.Write([]byte{0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1})
	b.Write(mac)
	b.Write(addr[:])
	b.Write(make([]byte, 6))
	b.Write(addr[:])
	return b.Bytes()
}

func htons(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}
