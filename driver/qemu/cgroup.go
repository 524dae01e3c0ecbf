package qemu

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"altostack/kernel/clock"
)

// The memory a guest's process may have beyond the guest's own, in MiB.
const (
	overheadMiB = 256
	tcgCacheMiB = 128 // of translated code, only under TCG
)

// limits bound one guest's process.
type limits struct {
	memory    int64 // bytes
	cpuQuota  int64 // microseconds of CPU in each cpuPeriod
	cpuShares int64 // v1's scale: 1024 a vCPU
	tasks     int64
}

const cpuPeriod = 100_000 // microseconds

func limitsOf(s spec, accel Accel) limits {
	memory := int64(s.MemoryMiB) + int64(s.MemoryMiB)/64 + overheadMiB
	if accel != AccelKVM {
		memory += tcgCacheMiB
	}
	return limits{
		memory:    memory << 20,
		cpuQuota:  int64(s.VCPUs+1) * cpuPeriod, // and one for disks, cards and screens
		cpuShares: int64(s.VCPUs) * 1024,
		tasks:     int64(s.VCPUs) + 256,
	}
}

// cgroups are where the host's control groups are, found once.
type cgroups struct {
	clock clock.Clock
	// tree is held while the group around all guests comes or goes.
	tree *sync.Mutex
	name string            // of the group that holds all our guests
	v2   string            // mount point, or empty
	v1   map[string]string // mount point by controller
}

var cgroupControllers = []string{"cpu", "memory", "pids"}

// findCgroups reads a mountinfo. The unified hierarchy is taken where it has
// the controllers needed, else those of version 1, as many as there are.
func findCgroups(mountinfo, name string, clk clock.Clock) cgroups {
	c := cgroups{clock: clk, tree: &sync.Mutex{}, name: name, v1: map[string]string{}}
	lines := bufio.NewScanner(strings.NewReader(mountinfo))
	for lines.Scan() {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		fields, tail := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 5 || len(tail) < 3 {
			continue
		}
		switch tail[0] {
		case "cgroup2":
			if hasControllers(fields[4]) {
				c.v2 = fields[4]
			}
		case "cgroup":
			for _, option := range strings.Split(tail[2], ",") {
				if slices.Contains(cgroupControllers, option) {
					c.v1[option] = fields[4]
				}
			}
		}
	}
	return c
}

func hasControllers(mount string) bool {
	have, err := os.ReadFile(filepath.Join(mount, "cgroup.controllers"))
	for _, want := range cgroupControllers {
		if err != nil || !slices.Contains(strings.Fields(string(have)), want) {
			return false
		}
	}
	return true
}

func (c cgroups) usable() bool { return c.v2 != "" || len(c.v1) == len(cgroupControllers) }

// try makes a group and removes it, as containers often show hierarchies that
// they do not let anybody change.
func (c cgroups) try(ctx context.Context) error {
	if !c.usable() {
		return errors.New("the controllers cpu, memory and pids are not there")
	}
	const id = "trial"
	born, err := c.make(id, limitsOf(spec{VCPUs: 1, MemoryMiB: 1}, AccelTCG))
	closeAll([]*os.File{born})
	return errors.Join(err, c.remove(ctx, id))
}

// dirs are the group's directories, one a hierarchy.
func (c cgroups) dirs(id string) []string {
	if c.v2 != "" {
		return []string{filepath.Join(c.v2, c.name, id)}
	}
	var dirs []string
	for _, mount := range c.v1 {
		if dir := filepath.Join(mount, c.name, id); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	slices.Sort(dirs)
	return dirs
}

// make creates the guest's group, or finds it, and sets its limits. Under
// version 2 it answers the directory for the new process to be born in.
func (c cgroups) make(id string, l limits) (*os.File, error) {
	if err := c.makeDirs(id); err != nil {
		return nil, err
	}
	set := func(controller, file string, value ...int64) error {
		mount := c.v2
		if mount == "" {
			mount = c.v1[controller]
		}
		if mount == "" {
			return nil
		}
		text := strings.Trim(fmt.Sprint(value), "[]")
		return os.WriteFile(filepath.Join(mount, c.name, id, file), []byte(text), 0o644)
	}
	if c.v2 == "" {
		return nil, errors.Join(
			set("memory", "memory.limit_in_bytes", l.memory),
			set("cpu", "cpu.cfs_period_us", cpuPeriod), set("cpu", "cpu.cfs_quota_us", l.cpuQuota),
			set("cpu", "cpu.shares", l.cpuShares),
			set("pids", "pids.max", l.tasks))
	}
	enable := []byte("+" + strings.Join(cgroupControllers, " +"))
	err := errors.Join(
		os.WriteFile(filepath.Join(c.v2, "cgroup.subtree_control"), enable, 0o644),
		os.WriteFile(filepath.Join(c.v2, c.name, "cgroup.subtree_control"), enable, 0o644),
		set("memory", "memory.max", l.memory), set("memory", "memory.oom.group", 1),
		set("cpu", "cpu.max", l.cpuQuota, cpuPeriod),
		set("cpu", "cpu.weight", min(10000, max(1, l.cpuShares*100/1024))),
		set("pids", "pids.max", l.tasks))
	if err != nil {
		return nil, err
	}
	return os.Open(filepath.Join(c.v2, c.name, id))
}

func (c cgroups) makeDirs(id string) error {
	c.tree.Lock()
	defer c.tree.Unlock()
	for _, dir := range c.dirs(id) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("cgroup: %w", err)
		}
	}
	return nil
}

// enter moves a process into the group, under version 1, where it cannot be
// born in one. The guest has not run yet then: QEMU starts stopped.
func (c cgroups) enter(id string, pid int) error {
	if c.v2 != "" {
		return nil
	}
	for _, dir := range c.dirs(id) {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644); err != nil {
			return fmt.Errorf("cgroup: %w", err)
		}
	}
	return nil
}

// remove deletes the guest's group and, with the last guest, the one around it.
// A process that has just died may hold it for a moment.
func (c cgroups) remove(ctx context.Context, id string) error {
	for _, dir := range c.dirs(id) {
		for tries := 0; ; tries++ {
			err := os.Remove(dir)
			if err == nil || errors.Is(err, fs.ErrNotExist) {
				break
			}
			if !errors.Is(err, syscall.EBUSY) || tries == 100 {
				return fmt.Errorf("cgroup: %w", err)
			}
			tick, stop := c.clock.After(20 * time.Millisecond)
			select {
			case <-tick:
			case <-ctx.Done():
				stop()
				return ctx.Err()
			}
		}
		c.tree.Lock()
		_ = os.Remove(filepath.Dir(dir)) // refused while other guests are in it
		c.tree.Unlock()
	}
	return nil
}
