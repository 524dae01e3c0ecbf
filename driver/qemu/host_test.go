package qemu

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"altostack/agent"
	"altostack/driver/qcow2"
	"altostack/kernel/clock"
	"altostack/kernel/fault"
)

func TestAcceleratorIsChosenSafely(t *testing.T) {
	const intel, none = "processor : 0\nflags\t\t: fpu vmx sse\n", "processor : 0\nflags\t\t: fpu sse\n"
	modules := func(names ...string) func(string) bool {
		return func(path string) bool {
			for _, name := range names {
				if path == "/sys/module/"+name {
					return true
				}
			}
			return false
		}
	}
	opens := func() error { return nil }
	refuses := func() error { return os.ErrPermission }
	tests := map[string]struct {
		want Accel
		hw   hardware
		got  Accel
		why  string // part of the reason
	}{
		"all there":                    {AccelAuto, hardware{intel, modules("kvm_intel"), opens}, AccelKVM, "are there"},
		"AMD":                          {AccelAuto, hardware{strings.ReplaceAll(intel, "vmx", "svm"), modules("kvm_amd"), opens}, AccelKVM, "are there"},
		"no flag, though kvm opens":    {AccelAuto, hardware{none, modules("kvm_intel"), opens}, AccelTCG, "neither vmx nor svm"},
		"pvm beside the real module":   {AccelAuto, hardware{intel, modules("kvm_intel", "kvm_pvm"), opens}, AccelTCG, "kvm_pvm"},
		"no module":                    {AccelAuto, hardware{intel, modules(), opens}, AccelTCG, "neither kvm_intel"},
		"no access":                    {AccelAuto, hardware{intel, modules("kvm_intel"), refuses}, AccelTCG, "cannot be opened"},
		"translation asked for":        {AccelTCG, hardware{intel, modules("kvm_intel"), opens}, AccelTCG, "configured"},
		"KVM asked for and not usable": {AccelKVM, hardware{none, modules(), opens}, "", ""},
		"nonsense":                     {"hax", hardware{intel, modules("kvm_intel"), opens}, "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, why, err := choose(tt.want, tt.hw)
			if got != tt.got || !strings.Contains(why, tt.why) || (err != nil) != (tt.got == "") {
				t.Errorf("got %s because %q, %v", got, why, err)
			}
		})
	}
}

// TestHeadersAreNotBelieved: what a guest wrote into its overlay's header must
// not be opened, and an overlay without its base not be shown as zeroes.
func TestHeadersAreNotBelieved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "overlay")
	if err := qcow2.Create(path, qcow2.Image{Size: 1 << 20, Backing: "/etc/shadow", BackingFormat: "raw"}, 0o600); err != nil {
		t.Fatal(err)
	}
	d := disk{diskFile("root", path, "qcow2", 0)}
	if err := checkFiles([]disk{d}); !fault.Has(err, fault.CodeQemuDiskUnusable) {
		t.Errorf("an overlay without a base: %v", err)
	}
	d.Base, d.BaseFormat = "/cache/image", "raw"
	if err := checkFiles([]disk{d}); err != nil {
		t.Fatal(err)
	}
	m := machine()
	m.Disks = []agent.DiskFile{d.DiskFile}
	s, err := newSpec(m)
	if err != nil {
		t.Fatal(err)
	}
	p, err := makePlan(settings{}, s)
	if err != nil {
		t.Fatal(err)
	}
	var opened []string
	for _, f := range p.Files {
		opened = append(opened, f.Path)
	}
	if got := strings.Join(opened, " "); !strings.Contains(got, "/cache/image") || strings.Contains(got, "shadow") {
		t.Errorf("opened: %s", got)
	}
}

func TestCgroupHierarchiesAreFound(t *testing.T) {
	v2 := t.TempDir()
	bare := t.TempDir()
	if err := os.WriteFile(filepath.Join(v2, "cgroup.controllers"), []byte("cpuset cpu io memory pids\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bare, "cgroup.controllers"), []byte("hugetlb\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const v1 = "31 1 0:1 / /cg/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n32 1 0:2 / /cg/memory rw - cgroup cgroup rw,memory\n33 1 0:3 / /cg/pids rw - cgroup cgroup rw,pids\n"
	line := func(mount string) string { return "40 1 0:9 / " + mount + " rw - cgroup2 cgroup2 rw\n" }
	for name, tt := range map[string]struct {
		mounts string
		usable bool
		dirs   string
	}{
		"version 2":                {line(v2), true, v2 + "/clouds/g"},
		"version 1":                {v1, true, "/cg/cpu,cpuacct/clouds/g /cg/memory/clouds/g /cg/pids/clouds/g"},
		"version 2 without ours":   {v1 + line(bare), true, "/cg/cpu,cpuacct/clouds/g /cg/memory/clouds/g /cg/pids/clouds/g"},
		"version 1 not whole":      {strings.Join(strings.SplitAfter(v1, "\n")[:2], ""), false, "/cg/cpu,cpuacct/clouds/g /cg/memory/clouds/g"},
		"none":                     {"", false, ""},
		"a line that is malformed": {"cgroup2\n", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := findCgroups(tt.mounts, "clouds", clock.Real{})
			if got := strings.Join(c.dirs("g"), " "); got != tt.dirs || c.usable() != tt.usable {
				t.Errorf("usable %t in %s", c.usable(), got)
			}
		})
	}
}

func TestCgroupLimitsAreWritten(t *testing.T) {
	l := limitsOf(spec{VCPUs: 2, MemoryMiB: 64}, AccelTCG)
	for name, tt := range map[string]struct {
		c    cgroups
		want map[string]string
	}{
		"version 1": {cgroups{v1: map[string]string{"cpu": "c", "memory": "m", "pids": "p"}}, map[string]string{
			"m/clouds/g/memory.limit_in_bytes": "470810624", "c/clouds/g/cpu.cfs_quota_us": "300000",
			"c/clouds/g/cpu.cfs_period_us": "100000", "c/clouds/g/cpu.shares": "2048", "p/clouds/g/pids.max": "258",
		}},
		"version 2": {cgroups{v2: "u"}, map[string]string{
			"u/clouds/g/memory.max": "470810624", "u/clouds/g/cpu.max": "300000 100000", "u/clouds/g/cpu.weight": "200",
			"u/clouds/g/pids.max": "258", "u/cgroup.subtree_control": "+cpu +memory +pids",
			"u/clouds/cgroup.subtree_control": "+cpu +memory +pids",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			tt.c.name, tt.c.tree = "clouds", &sync.Mutex{}
			if tt.c.v2 != "" {
				tt.c.v2 = filepath.Join(dir, tt.c.v2)
			}
			for controller, mount := range tt.c.v1 {
				tt.c.v1[controller] = filepath.Join(dir, mount)
			}
			born, err := tt.c.make("g", l)
			if err != nil || (born != nil) != (tt.c.v2 != "") {
				t.Fatalf("%v, %v", born, err)
			}
			defer closeAll([]*os.File{born})
			for file, want := range tt.want {
				if got, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(got) != want {
					t.Errorf("%s is %q, %v; wanted %s", file, got, err, want)
				}
			}
		})
	}
}

func TestLogsAreCutBackWithoutLoss(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	const limit = 64 << 10
	line := strings.Repeat("x", 1023) + "\n"
	for range 1024 {
		if _, err := f.WriteString(line); err != nil {
			t.Fatal(err)
		}
	}
	if err := trim(path, limit); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("the last line"); err != nil { // QEMU writes on meanwhile
		t.Fatal(err)
	}
	text, err := tail(path, limit)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) != limit || strings.ContainsRune(string(text), 0) || !strings.HasSuffix(string(text), "x\nthe last line") {
		t.Errorf("%d bytes are left, ending with %q", len(text), text[max(0, len(text)-20):])
	}
	if used := blocks(t, path); used > limit*3/2 {
		t.Errorf("the log uses %d bytes", used)
	}
	if err := trim(filepath.Join(t.TempDir(), "none"), limit); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing log: %v", err)
	}
}
