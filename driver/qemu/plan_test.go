package qemu

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"altostack/agent"
	"altostack/hostapi"
	"altostack/kernel/fault"
)

var update = flag.Bool("update", false, "write the golden plans anew")

const (
	guestID = "5f6f1c9e-7f0e-4a52-9a8e-0c3f2a1b4c5d"
	portA   = "a1a1a1a1-0000-4000-8000-000000000001"
	portB   = "b2b2b2b2-0000-4000-8000-000000000002"
	volume  = "vol-c3c3c3c3-0000-4000-8000-000000000003"
)

// machine is a guest that can be had, with nothing in it.
func machine() agent.Machine {
	return agent.Machine{Guest: hostapi.Guest{
		ID: guestID, Generation: 1, Power: hostapi.PowerOn, VCPUs: 1, MemoryMiB: 64,
	}}
}

func TestPlans(t *testing.T) {
	root := agent.DiskFile{ID: "root", Path: "/disks/root", Format: "qcow2", Base: "/cache/image", BaseFormat: "qcow2"}
	config := agent.DiskFile{ID: "config", Path: "/disks/config", Format: "raw", Bus: "cdrom", BootIndex: -1, ReadOnly: true}
	vol := agent.DiskFile{ID: volume, Path: "/volumes/c3", Format: "raw", BootIndex: -1, Serial: volume[4:], Shared: true}
	nbd := agent.DiskFile{ID: "ephemeral0", NBD: "[::1]:10809", Export: "e0", Format: "raw", BootIndex: -1, Bus: "scsi"}
	cards := []hostapi.NIC{{PortID: portA, MAC: "fa:16:3e:00:00:01", MTU: 1450}, {PortID: portB, MAC: "fa:16:3e:00:00:02"}}
	tests := map[string]struct {
		host  settings
		alter func(*agent.Machine)
	}{
		"nothing": {settings{Accel: "tcg", Spare: 2}, func(*agent.Machine) {}},
		"whole": {settings{Accel: "kvm", Spare: 2, Tablet: true}, func(m *agent.Machine) {
			m.Guest.VCPUs, m.Guest.MemoryMiB, m.Guest.NICs = 4, 2048, cards
			m.Disks = []agent.DiskFile{root, vol, nbd, config}
		}},
		"pc": {settings{Accel: "tcg", Spare: 2}, func(m *agent.Machine) {
			ide := root
			ide.Bus = "ide"
			m.Guest.Machine, m.Guest.NICs = "pc", cards[:1]
			m.Disks = []agent.DiskFile{ide, config}
		}},
		"many-devices": {settings{Accel: "tcg", Spare: 8}, func(m *agent.Machine) {
			for n := range 3 {
				m.Disks = append(m.Disks, agent.DiskFile{ID: fmt.Sprintf("d%d", n), NBD: "unix:/run/d", Export: "d", Format: "raw", BootIndex: n})
			}
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := machine()
			tt.alter(&m)
			s, err := newSpec(m)
			if err != nil {
				t.Fatal(err)
			}
			p, err := makePlan(tt.host, s)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, p)
		})
	}
}

func golden(t *testing.T, name string, p plan) {
	t.Helper()
	var text strings.Builder
	for i, arg := range p.Args {
		switch {
		case i == 0:
		case strings.HasPrefix(arg, "-"):
			text.WriteString("\n")
		default:
			text.WriteString(" ")
		}
		text.WriteString(arg)
	}
	text.WriteString("\n\n")
	for i, f := range p.Files {
		fmt.Fprintf(&text, "fd %d: %s", firstFD+i, f.Kind)
		if f.Path != "" {
			fmt.Fprintf(&text, " %s write=%t", f.Path, f.Write)
		}
		if f.Port != "" {
			fmt.Fprintf(&text, " of port %s", f.Port)
		}
		text.WriteString("\n")
	}
	path := filepath.Join("testdata", name+".plan")
	if *update {
		if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text.String() != string(want) {
		t.Errorf("plan differs from %s\n got:\n%s\nwant:\n%s", path, text.String(), want)
	}
}

func TestMachinesThatAreRefused(t *testing.T) {
	d := agent.DiskFile{ID: "root", Path: "/d", Format: "raw"}
	tests := map[string]func(*agent.Machine){
		"an id that would be an option": func(m *agent.Machine) { m.Guest.ID = "x,accel=kvm" },
		"microvm":                       func(m *agent.Machine) { m.Guest.Machine = "microvm" },
		"no processor":                  func(m *agent.Machine) { m.Guest.VCPUs = 0 },
		"no memory":                     func(m *agent.Machine) { m.Guest.MemoryMiB = 0 },
		"an unknown disk format":        func(m *agent.Machine) { m.Disks = []agent.DiskFile{{ID: "root", Path: "/d", Format: "vmdk"}} },
		"an unknown bus":                func(m *agent.Machine) { d := d; d.Bus = "usb"; m.Disks = []agent.DiskFile{d} },
		"a disk nowhere":                func(m *agent.Machine) { m.Disks = []agent.DiskFile{{ID: "root", Format: "raw"}} },
		"a disk at two places":          func(m *agent.Machine) { d := d; d.NBD = "h:1"; m.Disks = []agent.DiskFile{d} },
		"a raw overlay":                 func(m *agent.Machine) { d := d; d.Base, d.BaseFormat = "/b", "raw"; m.Disks = []agent.DiskFile{d} },
		"two disks of one id":           func(m *agent.Machine) { m.Disks = []agent.DiskFile{d, d} },
		"two first boot disks":          func(m *agent.Machine) { e := d; e.ID = "other"; m.Disks = []agent.DiskFile{d, e} },
		"a bad address":                 func(m *agent.Machine) { m.Guest.NICs = []hostapi.NIC{{PortID: "p", MAC: "x,y"}} },
		"two cards of one port": func(m *agent.Machine) {
			n := hostapi.NIC{PortID: "p", MAC: "fa:16:3e:00:00:01"}
			m.Guest.NICs = []hostapi.NIC{n, n}
		},
	}
	for name, alter := range tests {
		t.Run(name, func(t *testing.T) {
			m := machine()
			alter(&m)
			if _, err := newSpec(m); !fault.Has(err, fault.CodeQemuUnsupported) {
				t.Errorf("got %v", err)
			}
		})
	}
	many := machine()
	for n := range 7 {
		many.Disks = append(many.Disks, agent.DiskFile{ID: fmt.Sprintf("d%d", n), Path: fmt.Sprintf("/d%d", n), Format: "raw", Bus: "ide", BootIndex: n})
	}
	s, err := newSpec(many)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := makePlan(settings{}, s); !fault.Has(err, fault.CodeQemuUnsupported) {
		t.Errorf("seven IDE disks: %v", err)
	}
}

func TestNodeNamesFitIntoQEMU(t *testing.T) {
	for _, id := range []string{"root", "ephemeral0", volume, strings.Repeat("x", 128)} {
		if n := nodeName(id); len(n) > 31 {
			t.Errorf("%s becomes %s", id, n)
		}
	}
}
