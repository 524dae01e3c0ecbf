package compute

import (
	"slices"
	"strings"
	"testing"
	"time"

	"altostack/hostapi"
	"altostack/kernel/fault"
)

func TestMoves(t *testing.T) {
	now := time.Unix(1700000000, 0)
	for from, allowed := range moves {
		for _, to := range []VMState{VMBuilding, VMActive, VMPaused, VMStopped, VMError, VMDeleted} {
			got, err := Server{VMState: from, Generation: 4}.Move(to, now)
			switch {
			case slices.Contains(allowed, to) || from == to:
				if err != nil || got.VMState != to || got.Generation != 5 || !got.UpdatedAt.Equal(now) {
					t.Errorf("%s to %s: %+v, %v", from, to, got, err)
				}
			case !fault.Has(err, fault.CodeComputeWrongState):
				t.Errorf("%s to %s is let through: %v", from, to, err)
			}
		}
	}
	if _, err := (Server{VMState: VMDeleted}).Move(VMActive, now); err == nil {
		t.Error("a deleted server came back")
	}
}

// TestStatus: each status leads back to the states that show it.
func TestStatus(t *testing.T) {
	for word, s := range map[string]Server{"BUILD": {VMState: VMBuilding}, "ACTIVE": {VMState: VMActive}, "SHUTOFF": {VMState: VMStopped}, "PAUSED": {VMState: VMPaused},
		"ERROR": {VMState: VMError}, "DELETED": {VMState: VMDeleted}, "REBOOT": {VMState: VMActive, Task: TaskRebooting}, "HARD_REBOOT": {VMState: VMStopped, Task: TaskRebootingHard},
		"REBUILD": {VMState: VMActive, Task: TaskRebuilding}} {
		if got := s.Status(); got != word {
			t.Errorf("%s with task %s is %s, want %s", s.VMState, s.Task, got, word)
		}
		states, tasks, known := StatesOf(word)
		if !known || !slices.Contains(states, s.VMState) || s.Task != "" && !slices.Contains(tasks, s.Task) {
			t.Errorf("%s leads to %v %v", word, states, tasks)
		}
	}
	if _, _, known := StatesOf("SLEEPING"); known {
		t.Error("SLEEPING is known")
	}
}

func TestHostname(t *testing.T) {
	for name, want := range map[string]string{"web": "web", "My Web_1.x": "my-web-1-x", "--a--": "a", "Ünïcode": "ncode", "₡": "server-id", strings.Repeat("a", 70): strings.Repeat("a", 63)} {
		if got := HostnameOf(name, "id"); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}

func TestQuotas(t *testing.T) {
	q := Quotas{"instances": 10, "cores": 20, "ram": -1}
	if err := q.Check(Usage{9, 10, 1 << 40}, Usage{1, 10, 1 << 40}); err != nil {
		t.Error(err)
	}
	err := q.Check(Usage{10, 15, 0}, Usage{1, 8, 64})
	if !fault.Has(err, fault.CodeComputeQuotaExceeded) || !strings.Contains(err.Error(), "Quota exceeded for cores, instances: Requested 8, 1, but already used 15, 10 of 20, 10 cores, instances") {
		t.Error(err)
	}
}

func TestRefuse(t *testing.T) {
	now := time.Unix(1700000000, 0)
	up := Host{Name: "h1", Zone: "z1", SeenAt: now}
	silent, disabled, down := up, up, up
	silent.SeenAt = now.Add(-2 * Silence)
	disabled.Disabled, down.ForcedDown = true, true
	for name, tt := range map[string]struct {
		host    Host
		srv     Server
		spec    Spec
		members map[string]int
		tried   []string
		want    string
	}{
		"fits":                          {host: up},
		"silent":                        {host: silent, want: "it has not been heard of lately"},
		"forced down":                   {host: down, want: "it has not been heard of lately"},
		"disabled":                      {host: disabled, want: "its compute service is disabled"},
		"tried before":                  {host: up, tried: []string{"h1"}, want: "it failed to build the server"},
		"another host asked for":        {host: up, spec: Spec{ForcedHost: "h2"}, want: "another host was asked for"},
		"another zone":                  {host: up, srv: Server{PinnedZone: "z2"}, want: "it is in zone z1"},
		"affinity, alone yet":           {host: up, spec: Spec{GroupPolicy: "affinity"}},
		"affinity, others elsewhere":    {host: up, spec: Spec{GroupPolicy: "affinity"}, members: map[string]int{"h2": 1}, want: "the server group keeps together on another host"},
		"anti-affinity, one is here":    {host: up, spec: Spec{GroupPolicy: "anti-affinity"}, members: map[string]int{"h1": 1}, want: "the server group has members enough on it"},
		"soft anti-affinity, one there": {host: up, spec: Spec{GroupPolicy: "soft-anti-affinity"}, members: map[string]int{"h1": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := refuse(tt.host, true, tt.srv, tt.spec, tt.members, 1, tt.tried, now); got != tt.want {
				t.Errorf("refused as %q, want %q", got, tt.want)
			}
		})
	}
}

// TestDiffers: late and needless observations change nothing.
func TestDiffers(t *testing.T) {
	now := time.Unix(1700000000, 0)
	running := Server{Host: "h1", VMState: VMActive, PowerState: PowerRunning, LaunchedAt: now, PoweredAt: now}
	busy, elsewhere := running, running
	busy.Task, elsewhere.Host = TaskPoweringOff, "h2"
	crash := hostapi.SeenGuest{State: hostapi.GuestCrashed, Since: now.Add(time.Second)}
	late := hostapi.SeenGuest{State: hostapi.GuestStopped, Since: now.Add(-time.Second)}
	for name, tt := range map[string]struct {
		srv  Server
		seen hostapi.SeenGuest
		want bool
	}{
		"a crash":                       {running, crash, true},
		"as known":                      {running, hostapi.SeenGuest{State: hostapi.GuestRunning}, false},
		"a saga works on it":            {busy, crash, false},
		"another host's":                {elsewhere, crash, false},
		"stopped before it was started": {running, late, false},
	} {
		if got := differs(tt.srv, "h1", tt.seen); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestDescribe(t *testing.T) {
	srv := Server{ID: "s1", Number: 10, Name: "one", Want: hostapi.PowerOn, Flavor: Flavor{Name: "f", VCPUs: 2, MemoryMiB: 64, DiskGiB: 2, EphemeralGiB: 1, SwapMiB: 512}, UserData: "aGk=",
		Disks: []Disk{{Source: "image", Destination: "local", BootIndex: 0, SizeGiB: 2}, {Source: "blank", Destination: "local", BootIndex: -1, SizeGiB: 1},
			{Source: "blank", Destination: "local", BootIndex: -1, GuestFormat: "swap"}, {Source: "volume", Destination: "volume", VolumeID: "v1", SizeGiB: 3, Connection: &hostapi.VolumeConnection{}},
			{Source: "volume", Destination: "volume", VolumeID: "v2"}, {Source: "volume", Destination: "volume", VolumeID: "v3", Connection: &hostapi.VolumeConnection{}, Detaching: true}}}
	srv.SetSpec(Spec{Image: &Image{ID: "i1", DiskFormat: "raw", Size: 1<<20 + 1, Properties: map[string]string{"hw_machine_type": "pc", "hw_disk_bus": "scsi"}}, PublicKey: "ssh-rsa x"})
	g := Describe(srv, []Port{{ID: "p1", MAC: "m", Groups: []string{"default"}}})
	var disks []string
	for _, d := range g.Disks {
		disks = append(disks, d.ID+" "+itoa(d.SizeMiB))
	}
	if got := strings.Join(disks, ", "); got != "root 2048, ephemeral0 1024, swap 512, vol-v1 3072" {
		t.Errorf("disks %s", got)
	}
	if g.Machine != "pc" || g.Disks[0].Bus != "scsi" || g.Disks[0].Image.MinMiB != 2 || string(g.Instance.UserData) != "hi" || g.Instance.EC2ID != "i-0000000a" || g.NICs[0].PortID != "p1" || g.Instance.PublicKey == "" {
		t.Errorf("guest %+v", g)
	}
	if need := srv.Resources(); need["VCPU"] != 2 || need["DISK_GB"] != 4 {
		t.Errorf("resources %v", need)
	}
}

func TestTail(t *testing.T) {
	for lines, want := range map[int]string{-1: "a\nb\nc\n", 0: "", 1: "c\n", 2: "b\nc\n", 9: "a\nb\nc\n"} {
		if got := tail("a\nb\nc\n", lines); got != want {
			t.Errorf("%d lines: %q, want %q", lines, got, want)
		}
	}
}
