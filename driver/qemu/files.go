package qemu

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Names in a guest's directory.
const (
	qmpSocket     = "qmp.sock"     // ours
	monitorSocket = "monitor.sock" // a second QMP, for people
	serialSocket  = "serial.sock"
	consoleLog    = "console.log" // what the guest wrote to its serial port
	qemuLog       = "qemu.log"    // what QEMU has to say
	pidFile       = "pid"
)

// inDir calls use with a short path to name in dir, as the address of a unix
// socket ends after 107 bytes.
func inDir(dir, name string, use func(path string) error) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return use(fmt.Sprintf("/proc/self/fd/%d/%s", f.Fd(), name))
}

func dialIn(dir, name string) (conn *net.UnixConn, err error) {
	err = inDir(dir, name, func(path string) error {
		conn, err = net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
		return err
	})
	return conn, err
}

// listenIn makes a listening socket, to be handed over; only root can connect.
func listenIn(dir, name string) (f *os.File, err error) {
	if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
		return nil, err
	}
	err = inDir(dir, name, func(path string) error {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			return err
		}
		l.SetUnlinkOnClose(false)
		defer func() { _ = l.Close() }()
		if err := os.Chmod(filepath.Join(dir, name), 0o600); err != nil {
			return err
		}
		f, err = l.File()
		return err
	})
	return f, err
}

// appendTo opens a log. QEMU writes at its end, wherever that is by then.
func appendTo(dir, name string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
}

// trimEvery is how often logs are cut back.
const trimEvery = 5 * time.Second

// trimLogs keeps guests' logs within their limit. QEMU holds a log open and
// writes on, even while no process of ours runs, so a log is never renamed or
// truncated: its oldest blocks are given back to the file system as a hole.
// Nothing is lost that way, and between two rounds, or while we are away, a
// guest can write no faster than its emulated serial port lets it.
func (d *Driver) trimLogs() {
	for {
		d.mu.Lock()
		guests := d.all()
		d.mu.Unlock()
		for _, g := range guests {
			for _, name := range []string{consoleLog, qemuLog} {
				if err := trim(filepath.Join(g.dir, name), d.cfg.ConsoleLimit); err != nil && !os.IsNotExist(err) {
					d.cfg.Log.Warn("a log could not be cut back", "server_id", g.id, "log", name, "error", err)
				}
			}
		}
		tick, stop := d.cfg.Clock.After(trimEvery)
		select {
		case <-tick:
		case <-d.ctx.Done():
			stop()
			return
		}
	}
}

// trim frees all but the last limit bytes of a file.
func trim(path string, limit int64) error {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return err
	}
	const block = 4096
	end := (stat.Size - limit) / block * block
	if end <= 0 || stat.Blocks*512 <= limit+limit/4+block {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, end)
	if err == unix.EOPNOTSUPP {
		return f.Truncate(0) // a file system without holes: the rest is lost
	}
	return err
}

// tail reads the last max bytes of a file, or all.
func tail(path string, max int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	from := info.Size() - max
	if from < 0 {
		from = 0
	}
	return io.ReadAll(io.NewSectionReader(f, from, info.Size()-from))
}

// Console answers the end of the serial log, at most Config.ConsoleLimit bytes.
func (d *Driver) Console(_ context.Context, id string, max int64) ([]byte, error) {
	g, err := d.find(id)
	if err != nil {
		return nil, err
	}
	text, err := tail(filepath.Join(g.dir, consoleLog), min(max, d.cfg.ConsoleLimit))
	if os.IsNotExist(err) {
		return nil, nil // it never ran
	}
	return text, err
}

// lastLine answers the last line of QEMU's log, for operators.
func lastLine(path string) string {
	text, err := tail(path, 4096)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if line := lines[len(lines)-1]; err == nil && line != "" {
		return line
	}
	return "it said nothing"
}
