package agent_test

import (
	"testing"

	"altostack/agent"
	"altostack/hostapi"
)

func TestConfigDriveIsWhereTheGuestLooks(t *testing.T) {
	root := func(bus string) []hostapi.Disk {
		return []hostapi.Disk{{ID: "swap", BootIndex: -1}, {ID: "root", Bus: bus}}
	}
	for name, tt := range map[string]struct {
		guest hostapi.Guest
		want  string
	}{
		"default":         {hostapi.Guest{Disks: root("")}, "virtio"},
		"virtio":          {hostapi.Guest{Disks: root("virtio")}, "virtio"},
		"scsi":            {hostapi.Guest{Disks: root("scsi")}, "scsi"},
		"ide":             {hostapi.Guest{Disks: root("ide")}, "cdrom"},
		"pc has IDE":      {hostapi.Guest{Machine: "pc", Disks: root("virtio")}, "cdrom"},
		"nothing to boot": {hostapi.Guest{}, "cdrom"},
	} {
		if got := agent.DriveBus(tt.guest); got != tt.want {
			t.Errorf("%s: %s, wanted %s", name, got, tt.want)
		}
	}
}
