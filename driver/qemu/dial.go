package qemu

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"altostack/hostapi"
	"altostack/kernel/fault"
)

// stream is an open console.
type stream struct{ conn net.Conn }

// Dial opens a console stream. Any number may watch the screen; the serial port
// has one user, and a later one takes it over from an earlier.
func (d *Driver) Dial(ctx context.Context, id string, kind hostapi.ConsoleKind) (io.ReadWriteCloser, error) {
	g, err := d.find(id)
	if err != nil {
		return nil, err
	}
	mon, err := g.monitor(ctx) // a guest that does not run has no console
	if err != nil {
		return nil, err
	}
	switch kind {
	case hostapi.ConsoleSerial:
		return g.dialSerial()
	case hostapi.ConsoleVNC:
		ours, theirs, err := socketPair()
		if err != nil {
			return nil, err
		}
		defer func() { _ = theirs.Close() }()
		name := fmt.Sprintf("viewer%d", d.viewers.Add(1))
		err = mon.Run(ctx, "getfd", object{"fdname": name}, nil, theirs)
		if err == nil {
			// Who may look was decided before it came here.
			err = mon.Run(ctx, "add_client", object{"protocol": "vnc", "fdname": name, "skipauth": true}, nil)
		}
		if err != nil {
			_ = ours.Close()
			return nil, g.silent(err)
		}
		return ours, nil
	}
	return nil, unsupported("console %q is neither vnc nor serial", kind)
}

func (g *guest) dialSerial() (io.ReadWriteCloser, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.viewing.conn != nil {
		_ = g.viewing.conn.Close()
	}
	conn, err := dialIn(g.dir, serialSocket)
	if err != nil {
		return nil, fault.Because(err, fault.CodeAgentGuestNotRunning, "Server %s does not run.", g.id)
	}
	g.viewing.conn = conn
	return conn, nil
}

// socketPair makes two connected sockets, the first for use here.
func socketPair() (net.Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	near, far := os.NewFile(uintptr(fds[0]), "near"), os.NewFile(uintptr(fds[1]), "far")
	defer func() { _ = near.Close() }()
	conn, err := net.FileConn(near)
	if err != nil {
		_ = far.Close()
		return nil, nil, err
	}
	return conn, far, nil
}
