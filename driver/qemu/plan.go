package qemu

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// settings are what every guest of a host has in common.
type settings struct {
	Accel  string // kvm or tcg
	Tablet bool   // this QEMU has a USB tablet
	Spare  int    // empty root ports for hot plug
}

// plan is a process to start: its arguments, and the descriptors it inherits
// from number 3 on.
type plan struct {
	Args  []string
	Files []inherited
}

// inherited is one descriptor that a guest's process is born with.
type inherited struct {
	Kind  fileKind
	Path  string // of a disk layer
	Write bool
	Port  string // of a tap
}

type fileKind string

const (
	fileQMP     fileKind = "qmp"     // listening socket: ours
	fileMonitor fileKind = "monitor" // listening socket: a second one, for people
	fileSerial  fileKind = "serial"  // listening socket: the serial port
	fileConsole fileKind = "console" // log of the serial port
	fileDisk    fileKind = "disk"
	fileTap     fileKind = "tap"
)

// firstFD is the number of the first inherited descriptor, after the standard three.
const firstFD = 3

// planner collects a plan.
type planner struct {
	plan
	settings
	sets map[string]int // descriptor set by path
}

// makePlan is the whole of what starts guest s: a pure function.
func makePlan(host settings, s spec) (plan, error) {
	p := &planner{settings: host, sets: map[string]int{}}
	p.base(s)
	places := &slots{machine: s.Machine}
	p.buses(s)
	if err := p.disks(s, places); err != nil {
		return plan{}, err
	}
	p.cards(s, places)
	return p.plan, nil
}

func (p *planner) add(args ...string) { p.Args = append(p.Args, args...) }

// inherit adds a descriptor and answers its number.
func (p *planner) inherit(f inherited) int {
	p.Files = append(p.Files, f)
	return firstFD + len(p.Files) - 1
}

func (p *planner) base(s spec) {
	cpu := "host"
	accel := "kvm"
	if p.Accel != "kvm" {
		// The cache of translated code counts against the guest's cgroup: bound it.
		cpu, accel = "max", "tcg,tb-size="+strconv.Itoa(tcgCacheMiB)
	}
	p.add("-name", s.ID, "-uuid", s.ID,
		"-nodefaults", "-no-user-config", "-display", "none",
		"-machine", s.Machine+",vmport=off,dump-guest-core=off", "-accel", accel,
		"-cpu", cpu, "-m", fmt.Sprintf("size=%dM", s.MemoryMiB),
		"-smp", fmt.Sprintf("%d,sockets=%[1]d,cores=1,threads=1", s.VCPUs),
		"-smbios", "type=1,manufacturer=OpenStack Foundation,product=OpenStack Compute,serial="+s.ID+",uuid="+s.ID+",family=Virtual Machine",
		"-rtc", "base=utc", "-boot", "strict=on", "-msg", "timestamp=on",
		"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
		// Stopped until told to go, so that it is in its cgroup by then; and a
		// guest that powers off stays to be seen, which tells it from a crash.
		"-S", "-action", "shutdown=pause,reboot=reset")
	p.channel("qmp", fileQMP, "-mon", "chardev=qmp,mode=control")
	p.channel("monitor", fileMonitor, "-mon", "chardev=monitor,mode=control")
	console := p.inherit(inherited{Kind: fileConsole})
	p.add("-add-fd", fmt.Sprintf("fd=%d,set=%d,opaque=console", console, p.set("console")))
	p.add("-chardev", fmt.Sprintf("socket,id=serial,fd=%d,server=on,wait=off,logfile=/dev/fdset/%d,logappend=on",
		p.inherit(inherited{Kind: fileSerial}), p.set("console")), "-serial", "chardev:serial")
	// Viewers are handed to QEMU one by one, see Dial: there is nothing to listen on.
	p.add("-vnc", "none")
}

func (p *planner) channel(id string, kind fileKind, use ...string) {
	p.add("-chardev", fmt.Sprintf("socket,id=%s,fd=%d,server=on,wait=off", id, p.inherit(inherited{Kind: kind})))
	p.add(use...)
}

// buses are the devices every guest has, and places for those that differ.
func (p *planner) buses(s spec) {
	root := "pci.0"
	if s.Machine == "q35" {
		root = "pcie.0"
		p.add("-global", "ICH9-LPC.disable_s3=1", "-global", "ICH9-LPC.disable_s4=1")
	} else {
		p.add("-global", "PIIX4_PM.disable_s3=1", "-global", "PIIX4_PM.disable_s4=1")
	}
	p.device(object{"driver": "VGA", "id": "vga", "bus": root, "addr": "0x1e"})
	p.device(object{"driver": "virtio-rng-pci", "id": "rng", "bus": root, "addr": "0x1c"})
	p.device(object{"driver": "virtio-balloon-pci", "id": "balloon", "bus": root, "addr": "0x1b", "deflate-on-oom": true})
	if p.Tablet {
		p.device(object{"driver": "qemu-xhci", "id": "usb", "bus": root, "addr": "0x1a"})
		p.device(object{"driver": "usb-tablet", "id": "tablet", "bus": "usb.0"})
	}
	if s.Machine != "q35" {
		return
	}
	for n := range min(p.rootPorts(s), maxRootPorts) {
		port := object{
			"driver": "pcie-root-port", "id": portPrefix + strconv.Itoa(n), "bus": root,
			"addr": fmt.Sprintf("%#x.%#x", 2+n/8, n%8), "chassis": n + 1, "port": n,
		}
		if n%8 == 0 {
			port["multifunction"] = true
		}
		p.device(port)
	}
}

// maxRootPorts is how many there can be: eight functions on each of slots 2 to 9.
const maxRootPorts = 64

func (p *planner) rootPorts(s spec) int {
	n := p.Spare + len(s.NICs)
	for _, d := range s.Disks {
		if d.Bus == "virtio" {
			n++
		}
	}
	if hasBus(s, "scsi") {
		n++
	}
	return n
}

func hasBus(s spec, bus string) bool {
	return slices.ContainsFunc(s.Disks, func(d disk) bool { return d.Bus == bus })
}

func (p *planner) disks(s spec, places *slots) error {
	if hasBus(s, "scsi") {
		p.device(scsiController(places.nextPCI()))
	}
	for _, d := range s.Disks {
		p.inheritDisk(d)
		p.add("-blockdev", encode(blockNode(d, p.set)))
		place, err := places.forDisk(d.Bus)
		if err != nil {
			return err
		}
		p.device(diskDevice(d, place))
	}
	return nil
}

func scsiController(place slot) object {
	return object{"driver": "virtio-scsi-pci", "id": "scsi0", "bus": place.name}
}

// inheritDisk hands over all layers of a disk, each in a set of its own.
func (p *planner) inheritDisk(d disk) {
	for _, f := range diskFiles(d) {
		if _, known := p.sets[f.Path]; known {
			continue // a base that two disks share
		}
		fd := p.inherit(f)
		p.add("-add-fd", fmt.Sprintf("fd=%d,set=%d", fd, p.set(f.Path)))
	}
}

// diskFiles are the files behind a disk, the topmost first.
func diskFiles(d disk) []inherited {
	if d.NBD != "" {
		return nil
	}
	files := []inherited{{Kind: fileDisk, Path: d.Path, Write: !d.ReadOnly}}
	if d.Base != "" {
		files = append(files, inherited{Kind: fileDisk, Path: d.Base})
	}
	return files
}

func (p *planner) cards(s spec, places *slots) {
	for _, n := range s.NICs {
		fd := p.inherit(inherited{Kind: fileTap, Port: n.PortID})
		p.add("-netdev", fmt.Sprintf("tap,id=%s,fd=%d", n.netdev(), fd))
		p.device(nicDevice(n, places.nextPCI()))
	}
}

// set numbers the descriptor set of a path.
func (p *planner) set(path string) int {
	if _, ok := p.sets[path]; !ok {
		p.sets[path] = len(p.sets) + 1
	}
	return p.sets[path]
}

func (p *planner) device(o object) { p.add("-device", encode(o)) }

// encode spells an object as JSON; its keys come out sorted.
func encode(o object) string {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err) // objects hold strings, numbers, booleans and objects
	}
	return string(text)
}
