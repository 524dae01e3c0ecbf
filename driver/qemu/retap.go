package qemu

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"altostack/agent"
	"altostack/kernel/fault"
)

var _ agent.Retapper = (*Driver)(nil)

// Retap joins the cards of a running guest to taps that took the place of deleted
// ones; see [agent.Retapper]. QEMU goes on with the descriptors that it has: they
// survive their tap, and the kernel lets each join another. So neither QEMU nor
// the guest sees more than a cable that was out for a moment.
//
// Source: Linux drivers/net/tun.c (TUNSETIFF on a file without a device),
// pidfd_getfd(2).
func (d *Driver) Retap(ctx context.Context, m agent.Machine, portIDs []string) error {
	g, err := d.take(ctx, m.Guest.ID, false)
	if err != nil || g == nil {
		return err
	}
	defer g.leave()
	g.mu.Lock()
	proc, cards := g.proc, g.rec.Spec.NICs
	g.mu.Unlock()
	if proc == nil {
		return nil
	}
	dead, err := deadTaps(proc.pid())
	if err != nil || len(dead) == 0 {
		return err
	}
	started := startedWith(proc.pid())
	for _, n := range cards {
		if !slices.Contains(portIDs, n.PortID) {
			continue
		}
		fd, ok := descriptorOf(n, cards, dead, started)
		if !ok {
			return fault.New(fault.CodeQemuGuestSilent, "The process of server %s does not show which descriptor is the tap of port %s.", g.id, n.PortID)
		}
		if err := rejoin(ctx, proc.pid(), fd, n.PortID, m.OpenTap); err != nil {
			return fmt.Errorf("tap of port %s: %w", n.PortID, err)
		}
		dead = slices.DeleteFunc(dead, func(other int) bool { return other == fd })
	}
	return nil
}

// descriptorOf finds a card's descriptor among those without a tap: the one that
// QEMU was started with, or else the only one that no other card was started with.
func descriptorOf(n nic, cards []nic, dead []int, started map[string]int) (int, bool) {
	if fd, ok := started[n.PortID]; ok && slices.Contains(dead, fd) {
		return fd, true
	}
	left := slices.DeleteFunc(slices.Clone(dead), func(fd int) bool {
		return slices.ContainsFunc(cards, func(other nic) bool {
			at, ok := started[other.PortID]
			return ok && at == fd
		})
	})
	if len(left) != 1 {
		return 0, false
	}
	return left[0], true
}

// deadTaps lists a process's descriptors of taps whose device is gone.
func deadTaps(pid int) ([]int, error) {
	dir := fmt.Sprintf("/proc/%d", pid)
	entries, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return nil, err
	}
	var dead []int
	for _, e := range entries {
		if to, err := os.Readlink(filepath.Join(dir, "fd", e.Name())); err != nil || to != "/dev/net/tun" {
			continue // closed meanwhile, or something else
		}
		info, err := os.ReadFile(filepath.Join(dir, "fdinfo", e.Name()))
		fd, aerr := strconv.Atoi(e.Name())
		if err != nil || aerr != nil {
			continue
		}
		for line := range strings.Lines(string(info)) {
			if name, is := strings.CutPrefix(line, "iff:"); is && strings.TrimSpace(name) == "" {
				dead = append(dead, fd)
			}
		}
	}
	return dead, nil
}

var tapArgument = regexp.MustCompile(`^tap,id=` + netPrefix + `([^,]+),fd=([0-9]+)$`)

// startedWith reads from a process's arguments which card got which descriptor.
func startedWith(pid int) map[string]int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return nil // it ended
	}
	found := map[string]int{}
	for arg := range strings.SplitSeq(string(text), "\x00") {
		if parts := tapArgument.FindStringSubmatch(arg); parts != nil {
			found[parts[1]], _ = strconv.Atoi(parts[2])
		}
	}
	return found
}

// headerSize is the virtio-net header of all guests since virtio 1.0, and of older
// ones that merge buffers, as Linux ever did. The kernel forgets it with the tap.
const headerSize = 12

// rejoin has a process's descriptor join the present tap of a port.
func rejoin(ctx context.Context, pid, fd int, portID string, taps openTap) error {
	tap, err := taps(ctx, portID)
	if err != nil {
		return err
	}
	name := tap.Name()
	if err := tap.Close(); err != nil { // one descriptor at a time
		return err
	}
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("pidfd_open: %w", err)
	}
	defer unix.Close(process)
	theirs, err := unix.PidfdGetfd(process, fd, 0)
	if err != nil {
		return fmt.Errorf("pidfd_getfd: %w", err)
	}
	defer unix.Close(theirs)
	req, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if err := unix.IoctlIfreq(theirs, unix.TUNSETIFF, req); err != nil {
		return fmt.Errorf("join tap %s: %w", name, err)
	}
	if err := unix.IoctlSetPointerInt(theirs, unix.TUNSETVNETHDRSZ, headerSize); err != nil {
		return fmt.Errorf("header of tap %s: %w", name, err)
	}
	return nil
}
