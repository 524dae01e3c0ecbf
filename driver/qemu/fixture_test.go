package qemu

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"altostack/agent"
	"altostack/hostapi"
)

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func diskFile(id, path, format string, boot int) agent.DiskFile {
	return agent.DiskFile{ID: id, Path: path, Format: format, BootIndex: boot}
}

func blocks(t *testing.T, path string) int64 {
	t.Helper()
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		t.Fatal(err)
	}
	return stat.Blocks * 512
}

// host is a directory with a driver in it, that looks for litter at the end.
type host struct {
	*testing.T
	*Driver
	config Config
}

func newHost(t *testing.T) *host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test starts guests under user ids of their own: run it as root")
	}
	for _, tool := range []string{"qemu-system-x86_64", "qemu-img"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is missing: install qemu-system-x86 and qemu-utils", tool)
		}
	}
	h := &host{T: t, config: Config{Dir: filepath.Join(t.TempDir(), "data"), UnplugTimeout: 200 * time.Millisecond}}
	// As closed as a data directory may be: QEMU gets all it needs handed over.
	if err := os.Mkdir(h.config.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	h.reopen()
	t.Cleanup(h.sweep)
	return h
}

func (h *host) reopen() {
	h.Helper()
	if h.Driver != nil {
		if err := h.Close(); err != nil {
			h.Fatal(err)
		}
	}
	d, err := Open(within(h.T), h.config)
	if err != nil {
		h.Fatal(err)
	}
	h.Driver = d
}

// sweep removes all guests and looks for what they left.
func (h *host) sweep() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	guests, err := h.Guests(ctx)
	if err != nil {
		h.Error(err)
	}
	for _, g := range guests {
		if err := h.Remove(ctx, g.ID); err != nil {
			h.Errorf("remove %s: %v", g.ID, err)
		}
	}
	if err := h.Close(); err != nil {
		h.Error(err)
	}
	if left := h.left(); len(left) > 0 {
		h.Errorf("left behind: %v", left)
	}
}

func (h *host) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *host) ensure(m agent.Machine) {
	h.Helper()
	h.must(h.Ensure(within(h.T), m, 0))
}

// guest answers the only guest.
func (h *host) guest() hostapi.SeenGuest {
	h.Helper()
	guests, err := h.Guests(within(h.T))
	h.must(err)
	if len(guests) != 1 {
		h.Fatalf("guests: %+v", guests)
	}
	return guests[0]
}

func (h *host) wantState(want hostapi.GuestState) hostapi.SeenGuest {
	h.Helper()
	g := h.guest()
	if g.State != want || (g.PID != 0) != (want == hostapi.GuestRunning || want == hostapi.GuestPaused) {
		h.Fatalf("guest is %+v, wanted %s", g, want)
	}
	return g
}

// await waits for the guest to come into a state by itself.
func (h *host) await(want hostapi.GuestState) hostapi.SeenGuest {
	h.Helper()
	ctx := within(h.T)
	for {
		if g := h.guest(); g.State == want {
			return g
		}
		select {
		case <-h.Changed():
		case <-ctx.Done():
			h.Fatalf("guest is %+v, wanted %s", h.guest(), want)
		}
	}
}

// img makes a raw file with a pattern and an overlay of it, which is answered.
func (h *host) img() agent.DiskFile {
	h.Helper()
	base, overlay := filepath.Join(h.config.Dir, "base"), filepath.Join(h.config.Dir, "overlay")
	h.must(os.WriteFile(base, bytes.Repeat([]byte("altostack pattern "), 1<<16), 0o600))
	h.must(os.Truncate(base, 4<<20))
	h.tool("qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", overlay, "8M")
	d := diskFile("root", overlay, "qcow2", 0)
	d.Base, d.BaseFormat = base, "raw"
	return d
}

func (h *host) tool(args ...string) string {
	h.Helper()
	out, err := exec.CommandContext(within(h.T), args[0], args[1:]...).CombinedOutput()
	if err != nil {
		h.Fatalf("%v: %v: %s", args, err, out)
	}
	return string(out)
}

func (h *host) raw(name string, size int64) string {
	h.Helper()
	path := filepath.Join(h.config.Dir, name)
	h.must(os.WriteFile(path, nil, 0o600))
	h.must(os.Truncate(path, size))
	return path
}

// devices asserts that QEMU has the devices named.
func (h *host) devices(want ...string) {
	h.Helper()
	g, err := h.find(guestID)
	h.must(err)
	mon, err := g.monitor(within(h.T))
	h.must(err)
	have, err := plugger{guest: g, mon: mon}.devices(within(h.T))
	h.must(err)
	for _, id := range want {
		if !have.has(id) {
			h.Errorf("device %s is missing among %v", id, have)
		}
	}
}

func (h *host) size(diskID string) int64 {
	h.Helper()
	g, err := h.find(guestID)
	h.must(err)
	mon, err := g.monitor(within(h.T))
	h.must(err)
	n, err := findNode(within(h.T), mon, nodeName(diskID))
	if err != nil || n == nil {
		h.Fatalf("no disk %s: %v", diskID, err)
	}
	return n.Image.Size
}

// tap makes an interface that ends with its descriptor.
func (h *host) tap() *os.File {
	h.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		h.Fatalf("/dev/net/tun is needed: %v", err)
	}
	request, err := unix.NewIfreq("aqtest%d")
	h.must(err)
	request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	h.must(unix.IoctlIfreq(fd, unix.TUNSETIFF, request))
	return os.NewFile(uintptr(fd), "tap")
}

func (h *host) pidOf(id string) int {
	h.Helper()
	guests, err := h.Guests(within(h.T))
	h.must(err)
	at := slices.IndexFunc(guests, func(g hostapi.SeenGuest) bool { return g.ID == id })
	if at < 0 {
		h.Fatalf("no guest %s", id)
	}
	return guests[at].PID
}

// left lists what the driver has on the machine.
func (h *host) left() (all []string) {
	h.Helper()
	entries, err := os.ReadDir(h.run)
	h.must(err)
	for _, entry := range entries {
		all = append(all, "directory "+entry.Name())
	}
	for _, dir := range h.cgroups.dirs("") {
		if _, err := os.Stat(dir); err == nil {
			all = append(all, "cgroup "+dir)
		}
	}
	paths, err := filepath.Glob("/proc/[0-9]*/status")
	h.must(err)
	for _, path := range paths {
		text, _ := os.ReadFile(path) // gone: not left
		if (uidRange{h.cfg.UIDBase, h.cfg.UIDCount}).contains(statusUID(string(text))) {
			all = append(all, "process "+path)
		}
	}
	return all
}

// awaitConsole waits until the guest's log holds a text.
func (h *host) awaitConsole(text string) {
	h.Helper()
	ctx := within(h.T)
	serial, err := h.Dial(ctx, guestID, hostapi.ConsoleSerial)
	h.must(err)
	defer func() { _ = serial.Close() }()
	buffer := make([]byte, 100)
	for {
		log, err := h.Console(ctx, guestID, 1<<10)
		h.must(err)
		if strings.Contains(string(log), text) {
			return
		}
		if _, err := serial.Read(buffer); err != nil {
			h.Fatalf("waiting for %q: %v", text, err)
		}
	}
}

// opened counts how often a process has a file open.
func (h *host) opened(pid int, path string) (n int) {
	h.Helper()
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	h.must(err)
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && to == path {
			n++
		}
	}
	return n
}
