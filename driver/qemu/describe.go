package qemu

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"altostack/hostapi"
	"altostack/kernel/fault"
)

// version is what was found out about a QEMU, kept in the directory until the
// binary changes, as asking it takes longer than all the rest of Open.
type version struct {
	Path                string    `json:"path"`
	Size                int64     `json:"size"`
	Modified            time.Time `json:"modified"`
	Major, Minor, Micro int
	Tablet              bool
}

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Micro) }

// number is the version as Nova counts.
func (v version) number() int { return v.Major*1_000_000 + v.Minor*1000 + v.Micro }

var versionText = regexp.MustCompile(`version (\d+)\.(\d+)\.(\d+)`)

// oldest is the first version whose -device takes JSON and announces removals.
const oldest = 7_000_000

func findBinary(ctx context.Context, name, dir string) (version, error) {
	missing := func(err error) error {
		return fault.Because(err, fault.CodeQemuMissing, "QEMU (%s) is not usable on the host.", filepath.Base(name))
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return version{}, missing(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return version{}, missing(err)
	}
	v := version{Path: path, Size: info.Size(), Modified: info.ModTime().UTC()}
	cache := filepath.Join(dir, "qemu.json")
	var cached version
	if data, err := os.ReadFile(cache); err == nil && json.Unmarshal(data, &cached) == nil &&
		cached.Path == v.Path && cached.Size == v.Size && cached.Modified.Equal(v.Modified) {
		return cached, nil
	}
	if err := v.ask(ctx); err != nil {
		return version{}, missing(err)
	}
	if v.number() < oldest {
		return version{}, missing(fmt.Errorf("version %s is older than 7.0.0", v))
	}
	data, err := json.Marshal(v)
	if err != nil {
		return version{}, err
	}
	return v, replaceFile(cache, data)
}

func (v *version) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	said, err := exec.CommandContext(ctx, v.Path, "-version").Output()
	if err != nil {
		return err
	}
	numbers := versionText.FindStringSubmatch(string(said))
	if numbers == nil {
		return fmt.Errorf("%s does not say its version", v.Path)
	}
	v.Major, _ = strconv.Atoi(numbers[1]) // digits, as the expression says
	v.Minor, _ = strconv.Atoi(numbers[2])
	v.Micro, _ = strconv.Atoi(numbers[3])
	devices, err := exec.CommandContext(ctx, v.Path, "-device", "help").Output()
	v.Tablet = strings.Contains(string(devices), `"usb-tablet"`) && strings.Contains(string(devices), `"qemu-xhci"`)
	return err
}

// groupsOf answers the group that gives access to a device, if one does.
func groupsOf(path string) []int {
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o060 != 0o060 {
		return nil
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Gid != 0 {
		return []int{int(stat.Gid)}
	}
	return nil
}

// traits are what every guest can have here, as os-traits names them.
var traits = []string{
	"COMPUTE_DEVICE_TAGGING", "COMPUTE_GRAPHICS_MODEL_VGA", "COMPUTE_IMAGE_TYPE_ISO",
	"COMPUTE_IMAGE_TYPE_QCOW2", "COMPUTE_IMAGE_TYPE_RAW", "COMPUTE_NET_ATTACH_INTERFACE",
	"COMPUTE_NET_ATTACH_INTERFACE_WITH_TAG", "COMPUTE_NET_VIF_MODEL_VIRTIO", "COMPUTE_NODE",
	"COMPUTE_STORAGE_BUS_IDE", "COMPUTE_STORAGE_BUS_SCSI", "COMPUTE_STORAGE_BUS_VIRTIO",
	"COMPUTE_VOLUME_ATTACH_WITH_TAG", "COMPUTE_VOLUME_EXTEND", "COMPUTE_VOLUME_MULTI_ATTACH",
	"HW_ARCH_X86_64",
}

// Describe says what the host has and can do. CPUInfo["accelerator_reason"]
// says why guests run under the accelerator they do.
func (d *Driver) Describe(context.Context) (hostapi.Host, error) {
	name, err := os.Hostname()
	if err != nil {
		return hostapi.Host{}, err
	}
	var system unix.Sysinfo_t
	if err := unix.Sysinfo(&system); err != nil {
		return hostapi.Host{}, fmt.Errorf("sysinfo: %w", err)
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(d.cfg.Dir, &disk); err != nil {
		return hostapi.Host{}, fmt.Errorf("statfs: %w", err)
	}
	text, _ := os.ReadFile("/proc/cpuinfo") // none: fields stay empty
	cpu := string(text)
	return hostapi.Host{
		Name: name, Protocol: hostapi.Version,
		HypervisorType: "QEMU", HypervisorVer: d.version.number(), Accelerator: d.settings.Accel,
		VCPUs: runtime.NumCPU(), MemoryMiB: int64(system.Totalram) * int64(system.Unit) >> 20,
		DiskGiB:  int64(disk.Blocks) * disk.Bsize >> 30,
		CPUModel: cpuinfoField(cpu, "model name"),
		CPUInfo: map[string]any{
			"arch": "x86_64", "model": cpuinfoField(cpu, "model name"), "vendor": cpuinfoField(cpu, "vendor_id"),
			"features":           cpuFlags(cpu),
			"topology":           map[string]any{"cells": 1, "sockets": 1, "cores": runtime.NumCPU(), "threads": 1},
			"accelerator_reason": d.reason,
		},
		Traits: traits,
		Features: map[string]bool{
			"hotplug": true, "vnc": true, "serial": true, "disk_copy": true,
			"limits": d.cgroups.usable(), "kvm": d.settings.Accel == string(AccelKVM),
		},
	}, nil
}

// Diagnostics reads the counters of a running guest. Those of its cards are
// counted by the host's network, not here: a card has only its address.
func (d *Driver) Diagnostics(ctx context.Context, id string) (hostapi.Diagnostics, error) {
	g, err := d.find(id)
	if err != nil {
		return hostapi.Diagnostics{}, err
	}
	mon, err := g.monitor(ctx)
	if err != nil {
		return hostapi.Diagnostics{}, err
	}
	g.mu.Lock()
	rec := g.rec
	g.mu.Unlock()
	out := hostapi.Diagnostics{
		State: rec.State, Uptime: d.cfg.Clock.Now().Sub(rec.Start), MemoryMiB: int64(rec.Spec.MemoryMiB),
	}
	for _, n := range rec.Spec.NICs {
		out.NICs = append(out.NICs, hostapi.NICCounters{MAC: n.MAC})
	}
	var cpus []struct {
		Thread int `json:"thread-id"`
	}
	if err := mon.Run(ctx, "query-cpus-fast", nil, &cpus); err != nil {
		return hostapi.Diagnostics{}, g.silent(err)
	}
	for _, cpu := range cpus {
		out.CPUTime = append(out.CPUTime, threadTime(rec.PID, cpu.Thread))
	}
	out.Disks, err = blockStats(ctx, g, rec.Spec.Disks)
	return out, err
}

func blockStats(ctx context.Context, g *guest, disks []disk) ([]hostapi.DiskCounters, error) {
	mon, err := g.monitor(ctx)
	if err != nil {
		return nil, err
	}
	var all []struct {
		QDev  string `json:"qdev"`
		Stats struct {
			ReadBytes   int64 `json:"rd_bytes"`
			WriteBytes  int64 `json:"wr_bytes"`
			ReadReqs    int64 `json:"rd_operations"`
			WriteReqs   int64 `json:"wr_operations"`
			ReadErrors  int64 `json:"failed_rd_operations"`
			WriteErrors int64 `json:"failed_wr_operations"`
		} `json:"stats"`
	}
	if err := mon.Run(ctx, "query-blockstats", nil, &all); err != nil {
		return nil, g.silent(err)
	}
	var counters []hostapi.DiskCounters
	for _, d := range disks {
		c := hostapi.DiskCounters{ID: d.ID}
		for _, one := range all {
			// virtio: /machine/peripheral/ID/virtio-backend; others: the id or its path.
			if path := "/" + one.QDev + "/"; strings.Contains(path, "/"+d.deviceID()+"/") {
				s := one.Stats
				c.ReadBytes, c.WriteBytes, c.ReadReqs, c.WriteReqs = s.ReadBytes, s.WriteBytes, s.ReadReqs, s.WriteReqs
				c.Errors = s.ReadErrors + s.WriteErrors
			}
		}
		counters = append(counters, c)
	}
	return counters, nil
}

// ticksPerSecond is the unit of times in /proc, fixed by the kernel's interface.
const ticksPerSecond = 100

// threadTime is the processor time one thread has used; 0 once it has ended.
func threadTime(pid, thread int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/stat", pid, thread))
	if err != nil {
		return 0
	}
	// Its name, in parentheses, may hold anything; utime and stime are 14 and 15.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * time.Second / ticksPerSecond
}
