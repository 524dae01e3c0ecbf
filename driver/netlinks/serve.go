package netlinks

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sys/unix"
)

// server is one running server.
type server interface {
	update(Server) // what clients are told from now on
	alive() bool   // false once its socket failed
	stop()         // returns when nothing of it runs any more
}

// place is where a server starts: on a link, in the thread's namespace.
type place struct {
	index int
	mac   net.HardwareAddr
	log   *slog.Logger
}

// servers starts, updates and stops the namespace's servers. A link that was
// made anew has another index, and so gets new sockets.
func (r *run) servers(s *space, ns Namespace) {
	got, wanted := r.got[ns.Name], map[string]bool{}
	for _, want := range ns.Servers {
		key, ok := serverKey(want, got, r.d.cfg.Metadata != nil)
		if !ok {
			continue
		}
		wanted[key] = true
		if have := s.serve[key]; have != nil && have.alive() {
			have.update(want)
			continue
		}
		if have := s.serve[key]; have != nil {
			have.stop()
			delete(s.serve, key)
		}
		a := got.links[want.Link].Attrs()
		at := place{index: a.Index, mac: a.HardwareAddr, log: r.d.log.With("netns", ns.Name, "link", want.Link)}
		if err := s.do(func() error { return s.start(key, want, at, r.d.cfg.Metadata) }); err != nil {
			r.fail(fmt.Errorf("start %s server in %q: %w", want.Kind, ns.Name, err))
		}
	}
	for key, have := range s.serve {
		if !wanted[key] {
			have.stop()
			delete(s.serve, key)
		}
	}
}

func serverKey(want Server, got actual, metadata bool) (string, bool) {
	l, ok := got.links[want.Link]
	if !ok || (want.Kind == serveMetadata && !metadata) {
		return "", false
	}
	return fmt.Sprintf("%s %d", want.key(), l.Attrs().Index), true
}

func (s *space) start(key string, want Server, at place, metadata func(string) http.Handler) (err error) {
	var srv server
	switch want.Kind {
	case serveDHCP4:
		srv, err = startDHCP4(want, at)
	case serveDHCP6:
		srv, err = startDHCP6(want, at)
	case serveMetadata:
		srv, err = startMetadata(want, at, metadata(want.Network))
	case serveRA:
		srv, err = startRA(want, at)
	}
	if err != nil {
		return err
	}
	s.serve[key] = srv
	return nil
}

// serverDrift finds a server that does not run.
func (s *space) serverDrift(ns Namespace, got actual, metadata bool) string {
	for _, want := range ns.Servers {
		key, ok := serverKey(want, got, metadata)
		if !ok {
			continue
		}
		if srv := s.serve[key]; srv == nil || !srv.alive() {
			return "the " + want.Kind + " server on " + want.Link + " does not run"
		}
	}
	return ""
}

// loop is the life of a server: one goroutine that ends when its socket does.
type loop struct{ done chan struct{} }

func newLoop(run func()) loop {
	l := loop{done: make(chan struct{})}
	go func() {
		defer close(l.done)
		run()
	}()
	return l
}

func (l loop) alive() bool {
	select {
	case <-l.done:
		return false
	default:
		return true
	}
}

// onLink makes a socket that only hears its link.
func onLink(index int, options ...int) net.ListenConfig {
	return net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var problem error
		err := c.Control(func(fd uintptr) {
			problem = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, index)
			for _, option := range options {
				if problem == nil {
					problem = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, option, 1)
				}
			}
		})
		if err != nil {
			return err
		}
		return problem
	}}
}

// Limits of the metadata server of one network: its clients are guests, and
// must not be able to use up this process.
const (
	metadataConns   = 128
	metadataTimeout = 30 * time.Second
	metadataHeader  = 16 << 10
)

// metadataServer answers HTTP on the metadata address of one link.
type metadataServer struct {
	loop
	http *http.Server
}

func startMetadata(want Server, at place, handler http.Handler) (server, error) {
	if handler == nil {
		handler = http.NotFoundHandler() // nil would mean the process's own pages
	}
	network, addr := "tcp4", netip.AddrPortFrom(want.Listen, 80).String()
	if want.Listen.Is6() { // the zone as a number: names differ by namespace
		network, addr = "tcp6", netip.AddrPortFrom(want.Listen.WithZone(strconv.Itoa(at.index)), 80).String()
	}
	// A predecessor that has not quite ended may still listen.
	lc := onLink(at.index, unix.SO_REUSEADDR, unix.SO_REUSEPORT)
	l, err := lc.Listen(context.Background(), network, addr)
	if err != nil {
		return nil, err
	}
	m := &metadataServer{http: &http.Server{Handler: handler, ReadTimeout: metadataTimeout, WriteTimeout: metadataTimeout,
		IdleTimeout: metadataTimeout, MaxHeaderBytes: metadataHeader, ErrorLog: slog.NewLogLogger(at.log.Handler(), slog.LevelDebug)}}
	m.loop = newLoop(func() { _ = m.http.Serve(netutil.LimitListener(l, metadataConns)) })
	return m, nil
}

func (m *metadataServer) update(Server) {}

func (m *metadataServer) stop() {
	_ = m.http.Close() // its connections are ended on purpose
	<-m.done
}
