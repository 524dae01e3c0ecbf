package netlinks

import (
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mdlayher/ndp"
	"golang.org/x/sys/unix"
)

// How often a router advertises itself unasked, and how long clients believe it
// (RFC 4861, section 6.2.1, within its limits).
const (
	advertEvery    = 30 * time.Second
	routerLifetime = 5 * time.Minute
	prefixLifetime = 24 * time.Hour
)

// advertiser sends router advertisements on one link: at once, every now and
// then, and whenever a client solicits one.
type advertiser struct {
	loop
	advert atomic.Pointer[Advert]
	sock   *os.File // a raw ICMPv6 socket that hears solicitations only
	now    chan struct{}
	at     place
}

func startRA(want Server, at place) (server, error) {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_ICMPV6)
	if err != nil {
		return nil, err
	}
	if err := prepareRA(fd, at.index); err != nil {
		unix.Close(fd)
		return nil, err
	}
	a := &advertiser{sock: os.NewFile(uintptr(fd), "router advertisements"), now: make(chan struct{}, 1), at: at}
	a.update(want)
	a.loop = newLoop(a.run)
	return a, nil
}

// prepareRA ties the socket to its link, to hop limit 255, which receivers
// demand, and to router solicitations.
func prepareRA(fd, index int) error {
	filter := unix.ICMPv6Filter{Data: [8]uint32{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff,
		0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}}
	const solicitation = 133
	filter.Data[solicitation>>5] &^= 1 << (solicitation & 31)
	group := unix.IPv6Mreq{Multiaddr: netip.MustParseAddr("ff02::2").As16(), Interface: uint32(index)}
	for _, err := range []error{
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, index),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 255),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, index),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP, 0),
		unix.SetsockoptICMPv6Filter(fd, unix.IPPROTO_ICMPV6, unix.ICMPV6_FILTER, &filter),
		unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, &group),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *advertiser) update(want Server) {
	a.advert.Store(&want.Advert)
	select {
	case a.now <- struct{}{}:
	default: // one is due already
	}
}

func (a *advertiser) stop() {
	_ = a.sock.Close() // ends run
	<-a.done
}

func (a *advertiser) run() {
	heard := make(chan struct{})
	go a.hear(heard)
	tick := time.NewTicker(advertEvery)
	defer tick.Stop()
	for {
		select {
		case <-a.now:
		case <-tick.C:
		case _, ok := <-heard:
			if !ok {
				return
			}
		}
		if err := a.send(); err != nil {
			a.at.log.Debug("router advertisement not sent", "error", err)
		}
	}
}

// hear passes on solicitations until the socket is closed. The answer goes to
// everybody, so who asked does not matter.
func (a *advertiser) hear(heard chan<- struct{}) {
	defer close(heard)
	buf := make([]byte, 1500)
	for {
		if _, err := a.sock.Read(buf); err != nil {
			return
		}
		heard <- struct{}{}
	}
}

func (a *advertiser) send() error {
	raw, err := ndp.MarshalMessage(a.message())
	if err != nil {
		return err
	}
	conn, err := a.sock.SyscallConn()
	if err != nil {
		return err
	}
	to := &unix.SockaddrInet6{Addr: netip.MustParseAddr("ff02::1").As16(), ZoneId: uint32(a.at.index)}
	var problem error
	if err := conn.Write(func(fd uintptr) bool {
		problem = unix.Sendto(int(fd), raw, 0, to)
		return problem != syscall.EAGAIN
	}); err != nil {
		return err
	}
	return problem
}

func (a *advertiser) message() *ndp.RouterAdvertisement {
	advert := a.advert.Load()
	m := &ndp.RouterAdvertisement{CurrentHopLimit: 64, ManagedConfiguration: advert.Managed,
		OtherConfiguration: advert.Other, RouterLifetime: routerLifetime,
		Options: []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Source, Addr: a.at.mac}}}
	if advert.MTU > 0 {
		m.Options = append(m.Options, ndp.NewMTU(uint32(advert.MTU)))
	}
	for _, p := range advert.Prefixes {
		m.Options = append(m.Options, &ndp.PrefixInformation{Prefix: p.Prefix.Addr(), PrefixLength: uint8(p.Prefix.Bits()),
			OnLink: true, AutonomousAddressConfiguration: p.Autonomous, ValidLifetime: prefixLifetime, PreferredLifetime: prefixLifetime / 2})
	}
	if len(advert.DNS) > 0 {
		m.Options = append(m.Options, &ndp.RecursiveDNSServer{Lifetime: routerLifetime, Servers: advert.DNS})
	}
	return m
}
