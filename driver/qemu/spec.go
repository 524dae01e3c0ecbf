package qemu

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"altostack/agent"
	"altostack/driver/qcow2"
	"altostack/hostapi"
	"altostack/kernel/fault"
)

// spec is what a guest's process should be: the part of an [agent.Machine] that
// a hypervisor needs, without anything secret, so that it can be kept on disk.
type spec struct {
	ID         string        `json:"id"`
	Generation int64         `json:"generation"`
	Power      hostapi.Power `json:"power"`
	VCPUs      int           `json:"vcpus"`
	MemoryMiB  int           `json:"memory_mib"`
	Machine    string        `json:"machine"`
	Disks      []disk        `json:"disks"`
	NICs       []nic         `json:"nics"`
}

// disk is a disk file as it goes to QEMU.
type disk struct{ agent.DiskFile }

// nic is a network card.
type nic struct {
	PortID string `json:"port_id"`
	MAC    string `json:"mac"`
	MTU    int    `json:"mtu"` // bytes; 0: not told to the guest
}

// Identifiers go into arguments, where a comma would start another option.
var (
	safeID  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
	safeMAC = regexp.MustCompile(`^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$`)
)

// maxUnits bounds what one guest may have, far above what QEMU was tried with.
const (
	maxVCPUs     = 255
	maxMemoryMiB = 16 << 20
)

// newSpec checks a machine and takes what is needed from it.
func newSpec(m agent.Machine) (spec, error) {
	g := m.Guest
	s := spec{ID: g.ID, Generation: g.Generation, Power: g.Power, VCPUs: g.VCPUs, MemoryMiB: g.MemoryMiB, Machine: g.Machine}
	if s.Machine == "" {
		s.Machine = "q35"
	}
	switch {
	case !safeID.MatchString(s.ID):
		return spec{}, unsupported("its id is malformed")
	case s.Machine != "q35" && s.Machine != "pc":
		return spec{}, unsupported("machine type %q is neither q35 nor pc", s.Machine)
	case s.VCPUs < 1 || s.VCPUs > maxVCPUs:
		return spec{}, unsupported("%d virtual CPUs are outside of 1 to %d", s.VCPUs, maxVCPUs)
	case s.MemoryMiB < 1 || s.MemoryMiB > maxMemoryMiB:
		return spec{}, unsupported("%d MiB of memory are outside of 1 to %d", s.MemoryMiB, maxMemoryMiB)
	}
	for _, d := range m.Disks {
		if err := checkDisk(d, s.Disks); err != nil {
			return spec{}, err
		}
		if d.Bus == "" {
			d.Bus = "virtio"
		}
		s.Disks = append(s.Disks, disk{d})
	}
	for _, n := range g.NICs {
		if !safeID.MatchString(n.PortID) || !safeMAC.MatchString(n.MAC) || n.MTU < 0 || n.MTU > 65535 {
			return spec{}, unsupported("a network card's id, address or MTU is malformed")
		}
		if slices.ContainsFunc(s.NICs, func(have nic) bool { return have.PortID == n.PortID }) {
			return spec{}, unsupported("two network cards have the same port")
		}
		s.NICs = append(s.NICs, nic{n.PortID, n.MAC, n.MTU})
	}
	return s, nil
}

func checkDisk(d agent.DiskFile, before []disk) error {
	switch {
	case !safeID.MatchString(d.ID):
		return unsupported("a disk's id is malformed")
	case d.Format != "raw" && d.Format != "qcow2":
		return unsupported("disk %s has format %q, which is neither raw nor qcow2", d.ID, d.Format)
	case !slices.Contains([]string{"", "virtio", "scsi", "ide", "cdrom"}, d.Bus):
		return unsupported("disk %s has bus %q, which is none of virtio, scsi and ide", d.ID, d.Bus)
	case (d.Path == "") == (d.NBD == ""):
		return unsupported("disk %s is not at exactly one place", d.ID)
	case d.Base != "" && (d.Format != "qcow2" || (d.BaseFormat != "raw" && d.BaseFormat != "qcow2")):
		return unsupported("disk %s lies over something it cannot lie over", d.ID)
	}
	for _, have := range before {
		if have.ID == d.ID {
			return unsupported("two disks have the id %s", d.ID)
		}
		if d.BootIndex >= 0 && have.BootIndex == d.BootIndex {
			return unsupported("disks %s and %s have the same boot index", have.ID, d.ID)
		}
	}
	return nil
}

func unsupported(format string, args ...any) error {
	return fault.New(fault.CodeQemuUnsupported, "The host cannot run this server: %s.", fmt.Sprintf(format, args...))
}

// same reports whether two disks are the same thing plugged the same way.
func (d disk) same(o disk) bool {
	return d.Path == o.Path && d.Base == o.Base && d.NBD == o.NBD && d.Export == o.Export && d.Format == o.Format &&
		d.Bus == o.Bus && d.ReadOnly == o.ReadOnly && d.Shared == o.Shared
}

func findDisk(disks []disk, id string) *disk {
	for i := range disks {
		if disks[i].ID == id {
			return &disks[i]
		}
	}
	return nil
}

// checkFiles refuses a qcow2 disk whose header wants more files than were named:
// QEMU would show the guest zeroes in their place, or look for them itself.
func checkFiles(disks []disk) error {
	for _, d := range disks {
		if d.Format != "qcow2" || d.NBD != "" {
			continue
		}
		h, err := qcow2.ReadHeader(d.Path)
		switch {
		case err == nil && h.DataFile:
			err = errors.New("its data is in another file")
		case err == nil && h.Backing != "" && d.Base == "":
			err = errors.New("its header names a base that nobody named")
		}
		if err != nil {
			return fault.Because(err, fault.CodeQemuDiskUnusable, "The host cannot use disk %s of the server.", d.ID)
		}
	}
	return nil
}

// deviceID names the disk's device in QEMU.
func (d disk) deviceID() string { return diskPrefix + d.ID }

// node names the disk's block node in QEMU, where names end after 31 characters.
func (d disk) node() string { return nodeName(d.ID) }

// deviceID names the card's device in QEMU.
func (n nic) deviceID() string { return nicPrefix + n.PortID }

// netdev names the card's back end in QEMU.
func (n nic) netdev() string { return netPrefix + n.PortID }

// What our names in QEMU begin with, so that a running one can be read back.
const (
	diskPrefix = "disk-"
	nicPrefix  = "nic-"
	netPrefix  = "net-"
	portPrefix = "rp"
)

func nodeName(diskID string) string {
	if len(diskID) <= 24 {
		return "d-" + diskID
	}
	sum := sha256.Sum256([]byte(diskID))
	return "h-" + hex.EncodeToString(sum[:12])
}
