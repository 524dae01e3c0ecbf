package netlinks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"go4.org/netipx"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"altostack/hostapi"
)

// TestMain runs the tests in a network and mount namespace of their own: what
// they call the root namespace is not the machine's, and nothing can leak.
func TestMain(m *testing.M) {
	const inside = "NETLINKS_TEST_INSIDE"
	if os.Getenv(inside) != "" {
		if err := privateRun(); err != nil {
			fmt.Fprintln(os.Stderr, "prepare the test's namespaces:", err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "these tests program network namespaces and must run as root")
		os.Exit(1)
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "tests in their own namespaces:", err)
		os.Exit(1)
	}
}

func privateRun() error {
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return err
	}
	if err := os.MkdirAll(runDir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", runDir, "tmpfs", 0, ""); err != nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
}

// lab is a driver with guests on it.
type lab struct {
	*testing.T
	cfg    Config
	driver *Driver
	want   hostapi.HostNetwork
	guests []*guest
}

func newLab(t *testing.T, want hostapi.HostNetwork) *lab {
	t.Helper()
	l := &lab{T: t, want: want, cfg: Config{Cloud: "t" + digest(t.Name())[:5], Masquerade: true,
		Physical: map[string]Physical{"public": {Managed: true}},
		Metadata: func(network string) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s %s", network, r.RemoteAddr) })
		}}}
	l.open()
	t.Cleanup(func() {
		for _, g := range l.guests {
			g.end()
		}
		if err := l.driver.Purge(context.Background()); err != nil {
			t.Errorf("purge: %v", err)
		}
		l.driver.Close()
	})
	l.apply()
	return l
}

func (l *lab) open() {
	l.Helper()
	d, err := Open(l.Context(), l.cfg)
	if err != nil {
		l.Fatal(err)
	}
	l.driver = d
}

func (l *lab) apply() hostapi.SeenNetwork {
	l.Helper()
	seen, err := l.driver.Apply(l.Context(), l.want)
	if err != nil {
		l.Fatalf("apply: %v", err)
	}
	l.mustMatch()
	return seen
}

func (l *lab) mustMatch() {
	l.Helper()
	for _, ns := range l.driver.plan.Namespaces {
		if drift, err := l.driver.drift(l.Context(), ns); drift != "" || err != nil {
			l.Fatalf("after apply, %q differs: %s %v", ns.Name, drift, err)
		}
	}
}

// guest is a network namespace that holds the far end of a port's tap, as a
// virtual machine would.
type guest struct {
	*lab
	*space
	port hostapi.Port
	own  *os.File // the guest's card
	tap  *os.File // the host's tap
	done chan struct{}
}

// boot starts a guest on the port, with the port's addresses set by hand and
// gw as its default route where valid.
func (l *lab) boot(portID string, gw ...netip.Addr) *guest {
	l.Helper()
	return l.bootWith(portID, func(*guest) {}, gw...)
}

// bootWith is boot with something done before the card is plugged in.
func (l *lab) bootWith(portID string, first func(*guest), gw ...netip.Addr) *guest {
	l.Helper()
	i := slices.IndexFunc(l.want.Ports, func(p hostapi.Port) bool { return p.ID == portID })
	if i < 0 {
		l.Fatalf("no port %s", portID)
	}
	g := &guest{lab: l, port: l.want.Ports[i], done: make(chan struct{}, 2)}
	g.space = l.newSpace("guest-" + l.cfg.Cloud + "-" + short(portID))
	l.guests = append(l.guests, g)
	g.must(g.do(func() (err error) {
		g.own, err = openTap("eth0")
		return err
	}))
	first(g)
	g.plug()
	g.up("eth0", g.port.MAC)
	for _, f := range g.port.Fixed {
		g.addr("eth0", netip.PrefixFrom(f.Addr, l.bits(g.port, f)))
	}
	for _, a := range gw {
		g.gateway(a)
	}
	return g
}

func (l *lab) newSpace(name string) *space {
	l.Helper()
	l.must(createNamespace(name))
	s, err := enter(name, runDir+"/"+name)
	l.must(err)
	lo, err := s.nl.LinkByName("lo")
	l.must(err)
	l.must(s.nl.LinkSetUp(lo))
	l.Cleanup(func() { s.close(); _ = unname(name) })
	return s
}

func (l *lab) bits(p hostapi.Port, f hostapi.FixedIP) int {
	for _, n := range l.want.Networks {
		for _, s := range n.Subnets {
			if s.ID == f.SubnetID {
				return s.CIDR.Bits()
			}
		}
	}
	return f.Addr.BitLen()
}

func (l *lab) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// plug joins card and tap; frames are passed on as they are.
func (g *guest) plug() {
	g.Helper()
	tap, err := g.driver.OpenTap(g.Context(), g.port.ID)
	g.must(err)
	g.tap = tap
	pump := func(dst, src *os.File) {
		buf := make([]byte, 70000)
		for {
			n, err := src.Read(buf)
			if err != nil {
				break
			}
			_, _ = dst.Write(buf[:n]) // a link that is down loses frames
		}
		g.done <- struct{}{}
	}
	go pump(tap, g.own)
	go pump(g.own, tap)
}

// end unplugs the guest.
func (g *guest) end() {
	if g.tap != nil {
		g.tap.Close()
		g.own.Close()
		<-g.done
		<-g.done
		g.tap = nil
	}
}

func (g *guest) up(name, mac string) {
	g.Helper()
	g.must(g.do(func() error {
		// Addresses at once, and none but by hand or advertisement.
		return errors.Join(writeSysctl("net/ipv6/conf/"+name+"/accept_dad", "0"), writeSysctl("net/ipv6/conf/"+name+"/router_solicitations", "3"))
	}))
	l, err := g.nl.LinkByName(name)
	g.must(err)
	hw, err := net.ParseMAC(mac)
	g.must(err)
	g.must(g.nl.LinkSetHardwareAddr(l, hw))
	g.must(g.nl.LinkSetUp(l))
}

func (g *guest) addr(link string, p netip.Prefix) {
	g.Helper()
	l, err := g.nl.LinkByName(link)
	g.must(err)
	if err := g.nl.AddrAdd(l, kernelAddr(Addr{Prefix: p})); !errors.Is(err, unix.EEXIST) { // advertised already
		g.must(err)
	}
}

func (g *guest) gateway(a netip.Addr) {
	g.Helper()
	all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if a.Is6() {
		all = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	g.must(g.nl.RouteAdd(&netlink.Route{Dst: netipx.PrefixIPNet(all), Gw: a.AsSlice()}))
}

// patience is how long a packet that should arrive may take on a busy machine;
// denied is how long to listen for one that should not.
const (
	patience = 10 * time.Second
	denied   = 300 * time.Millisecond
)

// pings numbers echo sessions: to conntrack, each is a connection of its own.
var pings atomic.Uint32

// ping sends echo requests from the namespace until one is answered.
func ping(s *space, dst string, wait time.Duration) error {
	a := netip.MustParseAddr(dst)
	network, proto := "ip4:icmp", protoICMP
	var kind icmp.Type = ipv4.ICMPTypeEcho
	if a.Is6() {
		network, proto = "ip6:ipv6-icmp", protoICMPv6
		kind = ipv6Echo
	}
	var conn *icmp.PacketConn
	if err := s.do(func() (err error) { conn, err = icmp.ListenPacket(network, ""); return err }); err != nil {
		return err
	}
	defer conn.Close()
	id, end := int(pings.Add(1)), time.Now().Add(wait)
	for seq := 1; time.Now().Before(end); seq++ {
		msg, err := (&icmp.Message{Type: kind, Body: &icmp.Echo{ID: id, Seq: seq, Data: []byte("altostack")}}).Marshal(nil)
		if err != nil {
			return err
		}
		if _, err := conn.WriteTo(msg, &net.IPAddr{IP: a.AsSlice()}); err != nil {
			return err
		}
		if heard(conn, proto, a, time.Now().Add(200*time.Millisecond)) {
			return nil
		}
	}
	return fmt.Errorf("no echo from %s", dst)
}

func heard(conn *icmp.PacketConn, proto int, from netip.Addr, until time.Time) bool {
	_ = conn.SetReadDeadline(until)
	buf := make([]byte, 1500)
	for {
		n, peer, err := conn.ReadFrom(buf)
		if err != nil {
			return false
		}
		m, err := icmp.ParseMessage(proto, buf[:n])
		if err != nil || (m.Type != ipv4.ICMPTypeEchoReply && m.Type != ipv6EchoReply) {
			continue
		}
		if a, ok := netipx.FromStdIP(peer.(*net.IPAddr).IP); ok && a == from {
			return true
		}
	}
}

// serveTCP echoes on addr in the namespace and tells who called.
func serveTCP(t *testing.T, s *space, addr string) {
	t.Helper()
	var l net.Listener
	if err := s.do(func() (err error) { l, err = net.Listen("tcp", addr); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				fmt.Fprintf(c, "%s\n", c.RemoteAddr())
				_, _ = io.Copy(c, c)
			}()
		}
	}()
}

// stream is an open TCP connection to serveTCP.
type stream struct {
	net.Conn
	peer string // our address as the server sees it
}

func dial(s *space, addr string, wait time.Duration) (*stream, error) {
	var c net.Conn
	err := s.do(func() (err error) { c, err = net.DialTimeout("tcp", addr, wait); return err })
	if err != nil {
		return nil, err
	}
	st := &stream{Conn: c}
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fscanln(c, &st.peer); err != nil {
		c.Close()
		return nil, err
	}
	return st, nil
}

// echo sends a line and reads it back.
func (s *stream) echo(wait time.Duration) error {
	_ = s.SetDeadline(time.Now().Add(wait))
	if _, err := io.WriteString(s, "hello\n"); err != nil {
		return err
	}
	var got string
	if _, err := fmt.Fscanln(s, &got); err != nil || got != "hello" {
		return fmt.Errorf("echo %q: %w", got, err)
	}
	return nil
}

func (l *lab) reach(s *space, addr string) *stream {
	l.Helper()
	st, err := dial(s, addr, patience)
	if err != nil {
		l.Fatalf("%s does not reach %s: %v", s.name, addr, err)
	}
	l.Cleanup(func() { st.Close() })
	return st
}

func (l *lab) refused(s *space, addr string) {
	l.Helper()
	if st, err := dial(s, addr, denied); err == nil {
		st.Close()
		l.Errorf("%s reaches %s and should not", s.name, addr)
	}
}
