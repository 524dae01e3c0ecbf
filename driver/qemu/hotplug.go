package qemu

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"altostack/driver/qemu/qmp"
	"altostack/kernel/fault"
)

// plugger brings a running QEMU to the devices wanted. Each step first asks
// what is there, so the whole may be repeated after having broken off anywhere.
type plugger struct {
	*guest
	mon  *qmp.Client
	taps openTap
}

// adjust makes the running guest's disks and cards those of want. The turn is held.
func (g *guest) adjust(ctx context.Context, want spec, taps openTap) error {
	mon, err := g.monitor(ctx)
	if err != nil {
		return err
	}
	g.mu.Lock()
	have := g.rec.Spec
	g.mu.Unlock()
	p := plugger{g, mon, taps}
	if err := p.unplugRest(ctx, have, want); err != nil {
		return err
	}
	// What is about to be plugged is recorded first: a successor looks there for
	// what may have been left half done.
	intent := want
	intent.VCPUs, intent.MemoryMiB, intent.Machine = have.VCPUs, have.MemoryMiB, have.Machine
	g.update(func(r *record) {
		intent.Generation = r.Spec.Generation
		r.Spec = intent
	})
	devices, err := p.devices(ctx)
	if err != nil {
		return err
	}
	for _, d := range want.Disks {
		if err := p.plugDisk(ctx, d, devices); err != nil {
			return err
		}
	}
	for _, n := range want.NICs {
		if err := p.plugNIC(ctx, n, devices); err != nil {
			return err
		}
	}
	g.update(func(r *record) { r.Spec.Generation, r.Spec.Power = want.Generation, want.Power })
	return nil
}

// deviceTypes are QEMU's types of devices, by device id.
type deviceTypes map[string]string

func (d deviceTypes) has(id string) bool { _, ok := d[id]; return ok }

// fixed says that a device cannot leave a running guest: one on an IDE bus,
// such as the config drive, stays until the guest stops.
func (d deviceTypes) fixed(id string) bool { return strings.HasPrefix(d[id], "child<ide-") }

// devices lists the devices that QEMU has.
func (p plugger) devices(ctx context.Context) (deviceTypes, error) {
	var properties []struct {
		Name string `json:"name"`
		Type string `json:"type"`
	}
	if err := p.mon.Run(ctx, "qom-list", object{"path": "/machine/peripheral"}, &properties); err != nil {
		return nil, p.silent(err)
	}
	found := deviceTypes{}
	for _, property := range properties {
		if strings.HasPrefix(property.Type, "child<") {
			found[property.Name] = property.Type
		}
	}
	return found, nil
}

// unplugRest removes what is there or half there and not wanted as it is.
func (p plugger) unplugRest(ctx context.Context, have, want spec) error {
	devices, err := p.devices(ctx)
	if err != nil {
		return err
	}
	keepDisk, keepNIC := map[string]bool{}, map[string]bool{}
	for _, d := range want.Disks {
		old := findDisk(have.Disks, d.ID)
		keepDisk[d.ID] = old != nil && old.same(d)
	}
	for _, n := range want.NICs {
		keepNIC[n.PortID] = slices.Contains(have.NICs, n)
	}
	var disks, nics []string
	for id := range devices {
		if diskID, ok := strings.CutPrefix(id, diskPrefix); ok && !keepDisk[diskID] && !devices.fixed(id) {
			disks = append(disks, diskID)
		}
		if portID, ok := strings.CutPrefix(id, nicPrefix); ok && !keepNIC[portID] {
			nics = append(nics, portID)
		}
	}
	for _, d := range have.Disks { // what is left of those whose device is gone
		if !keepDisk[d.ID] && !devices.has(d.deviceID()) {
			disks = append(disks, d.ID)
		}
	}
	for _, n := range have.NICs {
		if !keepNIC[n.PortID] && !devices.has(n.deviceID()) {
			nics = append(nics, n.PortID)
		}
	}
	slices.Sort(disks)
	slices.Sort(nics)
	for _, id := range disks {
		if err := p.unplugDisk(ctx, id); err != nil {
			return err
		}
	}
	for _, id := range nics {
		if err := p.unplugNIC(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (p plugger) plugDisk(ctx context.Context, d disk, devices deviceTypes) error {
	if devices.has(d.deviceID()) {
		return nil
	}
	if d.Bus == "ide" || d.Bus == "cdrom" {
		return fault.New(fault.CodeQemuNoFreeSlot, "Disk %s cannot be plugged into running server %s: its bus does not allow it.", d.ID, p.id)
	}
	// A node may be left of an attempt that broke off.
	if err := p.dropNode(ctx, d.node()); err != nil {
		return err
	}
	place, err := p.place(ctx, d.Bus, devices)
	if err != nil {
		return err
	}
	if err := p.addNode(ctx, d); err != nil {
		return err
	}
	if err := p.mon.Run(ctx, "device_add", diskDevice(d, place), nil); err != nil {
		return errors.Join(p.silent(err), p.dropNode(context.WithoutCancel(ctx), d.node()))
	}
	return nil
}

func (p plugger) unplugDisk(ctx context.Context, diskID string) error {
	if err := p.unplug(ctx, diskPrefix+diskID); err != nil {
		return err
	}
	if err := p.dropNode(ctx, nodeName(diskID)); err != nil {
		return p.silent(err)
	}
	return nil
}

func (p plugger) plugNIC(ctx context.Context, n nic, devices deviceTypes) error {
	if devices.has(n.deviceID()) {
		return nil
	}
	place, err := p.place(ctx, "virtio", devices)
	if err != nil {
		return err
	}
	if err := p.dropNetdev(ctx, n.PortID); err != nil {
		return err
	}
	if p.taps == nil {
		return fmt.Errorf("port %s has no tap", n.PortID)
	}
	tap, err := p.taps(ctx, n.PortID)
	if err != nil {
		return err
	}
	defer func() { _ = tap.Close() }()
	name := "tap-" + n.PortID
	if err := p.mon.Run(ctx, "getfd", object{"fdname": name}, nil, tap); err != nil {
		return p.silent(err)
	}
	if err := p.mon.Run(ctx, "netdev_add", object{"type": "tap", "id": n.netdev(), "fd": name}, nil); err != nil {
		_ = p.mon.Run(context.WithoutCancel(ctx), "closefd", object{"fdname": name}, nil)
		return p.silent(err)
	}
	if err := p.mon.Run(ctx, "device_add", nicDevice(n, place), nil); err != nil {
		return errors.Join(p.silent(err), p.dropNetdev(context.WithoutCancel(ctx), n.PortID))
	}
	return nil
}

// dropNetdev removes a card's back end. None there is success.
func (p plugger) dropNetdev(ctx context.Context, portID string) error {
	if err := p.mon.Run(ctx, "netdev_del", object{"id": netPrefix + portID}, nil); err != nil && !qmp.NotFound(err) {
		return p.silent(err)
	}
	return nil
}

func (p plugger) unplugNIC(ctx context.Context, portID string) error {
	if err := p.unplug(ctx, nicPrefix+portID); err != nil {
		return err
	}
	return p.dropNetdev(ctx, portID)
}

// unplug asks the guest to let go of a device, again and again, until it has.
func (p plugger) unplug(ctx context.Context, device string) error {
	over, stop := p.d.cfg.Clock.After(p.d.cfg.UnplugTimeout)
	defer stop()
	for {
		wake := p.stirred()
		devices, err := p.devices(ctx)
		if err != nil || !devices.has(device) {
			return err
		}
		// Refused while the last request is pending, which is as good.
		_ = p.mon.Run(ctx, "device_del", object{"id": device}, nil)
		again, stopAgain := p.d.cfg.Clock.After(retryUnplug)
		select {
		case <-wake:
		case <-again:
		case <-over:
			stopAgain()
			return fault.New(fault.CodeQemuUnplugRefused, "Server %s did not let go of a device.", p.id)
		case <-ctx.Done():
			stopAgain()
			return ctx.Err()
		}
		stopAgain()
	}
}

// place finds where a device can be plugged in.
func (p plugger) place(ctx context.Context, bus string, devices deviceTypes) (slot, error) {
	if bus == "scsi" {
		if err := p.needSCSI(ctx, devices); err != nil {
			return slot{}, err
		}
		return slot{"scsi0.0", -1}, nil
	}
	var ports []string
	for n := range maxRootPorts {
		if id := portPrefix + strconv.Itoa(n); devices.has(id) {
			ports = append(ports, id)
		}
	}
	if len(ports) == 0 {
		return slot{"pci.0", -1}, nil // machine pc, where QEMU finds a place
	}
	now, err := p.devices(ctx) // one may have been plugged since
	if err != nil {
		return slot{}, err
	}
	for id := range now {
		var on string
		get := object{"path": "/machine/peripheral/" + id, "property": "parent_bus"}
		if err := p.mon.Run(ctx, "qom-get", get, &on); err != nil {
			return slot{}, p.silent(err)
		}
		name := on[strings.LastIndex(on, "/")+1:]
		ports = slices.DeleteFunc(ports, func(port string) bool { return port == name })
	}
	if len(ports) == 0 {
		return slot{}, fault.New(fault.CodeQemuNoFreeSlot, "Running server %s has no free place for another device.", p.id)
	}
	return slot{ports[0], -1}, nil
}

func (p plugger) needSCSI(ctx context.Context, devices deviceTypes) error {
	if devices.has("scsi0") {
		return nil
	}
	now, err := p.devices(ctx)
	if err != nil || now.has("scsi0") {
		return err
	}
	place, err := p.place(ctx, "virtio", devices)
	if err != nil {
		return err
	}
	if err := p.mon.Run(ctx, "device_add", scsiController(place), nil); err != nil {
		return p.silent(err)
	}
	return nil
}
