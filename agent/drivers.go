package agent

import (
	"context"
	"io"
	"os"
	"time"

	"altostack/hostapi"
)

// Machine is a guest made concrete on this host: every disk a file with a known
// format, every card a tap. It is what a hypervisor gets; nothing in it is
// probed or guessed any more.
type Machine struct {
	Guest hostapi.Guest
	Disks []DiskFile // same order as Guest.Disks, then the config drive if there is one
	// OpenTap opens a new descriptor of the port's tap, for a process that is
	// about to start or for a card about to be plugged. The caller closes it.
	OpenTap func(ctx context.Context, portID string) (*os.File, error)
}

// DiskFile is one disk ready for use. Exactly one of Path and NBD is set.
type DiskFile struct {
	ID     string // Disk.ID, or "config"
	Path   string
	NBD    string // unix:/path or host:port, with Export
	Export string
	Format string // raw or qcow2: said, never probed
	// Base is the read-only file that a qcow2 overlay lies over, itself over
	// nothing, as its maker knows it: a guest could have written into Path's own
	// header. Empty: Path stands alone.
	Base       string
	BaseFormat string
	Bus        string // virtio, scsi, ide; "cdrom": a CD drive on IDE (see [DriveBus])
	BootIndex  int    // negative: not a boot device
	Serial     string
	ReadOnly   bool
	Shared     bool // multi-attach: several guests may hold it
}

// DriveBus is the bus for the config drive of a guest. Whoever boots from virtio
// or SCSI can read a disk there, while the CD drive of a q35 machine is on AHCI,
// for which kernels made for clouds (Debian's, for one) have no driver; on pc it
// is on plain IDE, where everybody looks.
func DriveBus(g hostapi.Guest) string {
	if g.Machine == "pc" {
		return "cdrom"
	}
	for _, d := range g.Disks {
		if d.BootIndex != 0 {
			continue
		}
		switch d.Bus {
		case "", "virtio":
			return "virtio"
		case "scsi":
			return "scsi"
		}
	}
	return "cdrom"
}

// Hypervisor is all the agent asks of whatever runs guests on its host. The
// agent restarts more often than guests do, so each method may be repeated with
// the same arguments, after a crash too, and then converges.
type Hypervisor interface {
	// Describe says what the hypervisor is and what it can do.
	Describe(ctx context.Context) (hostapi.Host, error)
	// Ensure makes the guest match want: starts it, plugs and unplugs disks and
	// cards while it runs, pauses or resumes it, or, for PowerOff, asks it to
	// power off and ends it after grace. A guest that already matches is left
	// alone, and one that crashed is started again.
	Ensure(ctx context.Context, want Machine, grace time.Duration) error
	// Reset restarts a running guest without ending its process.
	Reset(ctx context.Context, id string) error
	// Shutdown presses the power button until the guest is down or grace is
	// over; it reports whether the guest went down by itself.
	Shutdown(ctx context.Context, id string, grace time.Duration) (bool, error)
	// Remove ends the guest and forgets it. A guest that is not there is success.
	Remove(ctx context.Context, id string) error
	// Guests reports every guest on the host, including ones nobody asked for.
	Guests(ctx context.Context) ([]hostapi.SeenGuest, error)
	// Changed is signalled when a guest's state changed by itself; a reader that
	// is slow misses nothing, as it reads Guests afterwards.
	Changed() <-chan struct{}
	// Console answers the last max bytes of the serial log.
	Console(ctx context.Context, id string, max int64) ([]byte, error)
	// Dial opens a console stream of a running guest.
	Dial(ctx context.Context, id string, kind hostapi.ConsoleKind) (io.ReadWriteCloser, error)
	// ResizeDisk tells the guest that a disk has grown to sizeMiB.
	ResizeDisk(ctx context.Context, id, diskID string, sizeMiB int64) error
	// Diagnostics reads the counters of a running guest.
	Diagnostics(ctx context.Context, id string) (hostapi.Diagnostics, error)
	// CopyDisk writes a point-in-time qcow2 copy of one disk to path, whether
	// the guest runs or not.
	CopyDisk(ctx context.Context, id string, disk DiskFile, path string) error
}

// Dataplane is all the agent asks of its host's network. It converges on whole
// states only, so a lost or repeated call does no harm.
type Dataplane interface {
	// Apply makes the host match want and reports the ports that are wired.
	// Established connections of what stays the same are not disturbed.
	Apply(ctx context.Context, want hostapi.HostNetwork) (hostapi.SeenNetwork, error)
	// Check reports whether the host still matches the last Apply, cheaply; the
	// agent calls it every few seconds and applies again when it does not.
	Check(ctx context.Context) (bool, error)
	// OpenTap opens a new descriptor of a wired port's tap. The caller closes it.
	OpenTap(ctx context.Context, portID string) (*os.File, error)
	// Counters reads the traffic of the named ports.
	Counters(ctx context.Context, portIDs []string) (map[string]hostapi.NICCounters, error)
	// Purge removes everything the dataplane ever made on this host.
	Purge(ctx context.Context) error
	// Close stops the servers inside this process (DHCP, metadata) and leaves
	// the host's wiring as it is.
	Close() error
}

// Disks keeps the files behind guests' local disks.
type Disks interface {
	// Cached reports whether a verified copy of the image is on this host.
	Cached(ctx context.Context, image hostapi.DiskImage) (bool, error)
	// Store writes an image's bytes to the cache, refusing (with nothing left
	// behind) bytes whose digest differs from image.SHA512.
	Store(ctx context.Context, image hostapi.DiskImage, r io.Reader) error
	// Prepare makes the guest's local disks, or finds them made, and answers all
	// its disks in order, volumes included. drive holds the files of its config
	// drive by path; where it is not nil the drive is written anew and comes
	// last. An image that is not cached is an error.
	Prepare(ctx context.Context, guest hostapi.Guest, drive map[string][]byte) ([]DiskFile, error)
	// Remove deletes the guest's local disks. None there is success.
	Remove(ctx context.Context, guestID string) error
	// Guests lists the guests that have files here.
	Guests(ctx context.Context) ([]string, error)
	// Free reports the bytes left and in all where disks are kept.
	Free(ctx context.Context) (free, total int64, err error)
}
