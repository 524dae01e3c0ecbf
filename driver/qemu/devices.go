package qemu

import (
	"fmt"
	"strconv"
	"strings"
)

// object is a JSON object for QEMU: the same on the command line as by QMP.
type object map[string]any

// fileSets says under which descriptor set QEMU finds a file.
type fileSets func(path string) int

// blockNode is the block device below disk d: its format named, every layer
// below named too, nothing left for QEMU to find out.
func blockNode(d disk, sets fileSets) object {
	node := object{
		"driver": d.Format, "node-name": d.node(), "read-only": d.ReadOnly,
		"discard": "unmap", "file": protocolNode(d, sets),
	}
	if d.Format == "qcow2" {
		node["backing"] = nil
		if d.Base != "" {
			node["backing"] = baseNode(d, sets)
		}
	}
	return node
}

func protocolNode(d disk, sets fileSets) object {
	if d.NBD == "" {
		return fileNode(d.Path, d.ReadOnly, sets)
	}
	server := object{"type": "unix", "path": strings.TrimPrefix(d.NBD, "unix:")}
	if !strings.HasPrefix(d.NBD, "unix:") {
		colon := strings.LastIndex(d.NBD, ":")
		if colon < 0 {
			colon = len(d.NBD)
		}
		server = object{"type": "inet", "host": strings.Trim(d.NBD[:colon], "[]"), "port": strings.TrimPrefix(d.NBD[colon:], ":")}
	}
	// The export may be replaced under a running guest, to grow it: wait for it.
	return object{"driver": "nbd", "server": server, "export": d.Export, "reconnect-delay": 30, "read-only": d.ReadOnly}
}

func fileNode(path string, readOnly bool, sets fileSets) object {
	return object{
		"driver": "file", "filename": fmt.Sprintf("/dev/fdset/%d", sets(path)),
		"read-only": readOnly, "discard": "unmap",
	}
}

// baseNode is the image below an overlay, which lies over nothing itself.
func baseNode(d disk, sets fileSets) object {
	node := object{"driver": d.BaseFormat, "read-only": true, "file": fileNode(d.Base, true, sets)}
	if d.BaseFormat == "qcow2" {
		node["backing"] = nil
	}
	return node
}

// diskDevice is what the guest sees of disk d, on the bus named.
func diskDevice(d disk, bus slot) object {
	device := object{"id": d.deviceID(), "drive": d.node(), "bus": bus.name}
	if bus.unit >= 0 {
		device["unit"] = bus.unit
	}
	switch d.Bus {
	case "scsi":
		device["driver"] = "scsi-hd"
	case "ide":
		device["driver"] = "ide-hd"
	case "cdrom":
		device["driver"] = "ide-cd"
	default:
		device["driver"] = "virtio-blk-pci"
	}
	if d.BootIndex >= 0 {
		device["bootindex"] = d.BootIndex
	}
	if d.Serial != "" {
		device["serial"] = d.Serial
	}
	if d.Shared {
		device["share-rw"] = true
	}
	return device
}

// nicDevice is what the guest sees of card n. An empty romfile keeps firmware
// from looking for a network boot.
func nicDevice(n nic, bus slot) object {
	device := object{
		"driver": "virtio-net-pci", "id": n.deviceID(), "netdev": n.netdev(),
		"mac": n.MAC, "romfile": "", "bus": bus.name,
	}
	if n.MTU > 0 {
		device["host_mtu"] = n.MTU
	}
	return device
}

// slot is a place to plug something in.
type slot struct {
	name string // of the bus
	unit int    // on the bus; negative: the only one, or QEMU's choice
}

// slots hands out the places of a machine that is being planned.
type slots struct {
	machine string
	pci     int // root ports used
	ide     int // IDE places used
}

func (s *slots) nextPCI() slot {
	if s.machine == "pc" {
		return slot{"pci.0", -1}
	}
	s.pci++
	return slot{portPrefix + strconv.Itoa(s.pci-1), -1}
}

// nextIDE finds a place for an IDE disk: six ports of one device each on q35,
// two channels of two on pc.
func (s *slots) nextIDE() (slot, error) {
	n := s.ide
	s.ide++
	switch {
	case s.machine == "pc" && n < 4:
		return slot{"ide." + strconv.Itoa(n/2), n % 2}, nil
	case s.machine != "pc" && n < 6:
		return slot{"ide." + strconv.Itoa(n), -1}, nil
	}
	return slot{}, unsupported("it has more IDE disks than the machine has places")
}

func (s *slots) forDisk(bus string) (slot, error) {
	switch bus {
	case "scsi":
		return slot{"scsi0.0", -1}, nil
	case "ide", "cdrom":
		return s.nextIDE()
	}
	return s.nextPCI(), nil
}
