package volume

import (
	"context"
	"io"

	"altostack/hostapi"
)

// DiskSpec says what a volume's disk is made of. At most one source is set;
// without one the disk reads as zeros.
type DiskSpec struct {
	ID      string
	SizeMiB int64
	// ImagePath is a file on this machine in ImageFormat (raw or qcow2, as
	// declared by the image service, never probed).
	ImagePath, ImageFormat string
	SnapshotID             string
	VolumeID               string
}

// Usage is a backend's room in MiB.
type Usage struct{ TotalMiB, FreeMiB int64 }

// Stored is all that a backend keeps, by id; what no row names is a leftover.
type Stored struct{ Volumes, Snapshots []string }

// Backend keeps the disks. Every method may be repeated with the same
// arguments, after a crash in the middle too, and then converges; absence is
// success for those that remove. Conformance suite: volumetest.RunBackend.
type Backend interface {
	// Ensure makes the disk whole or not at all; one that is there is left as it
	// is. A source that does not fit into SizeMiB is an error.
	Ensure(ctx context.Context, spec DiskSpec) error
	// Remove deletes a disk, even when snapshots of it or disks made from it
	// stay.
	Remove(ctx context.Context, id string) error
	// Extend grows a disk that no guest uses to sizeMiB; a larger one stays.
	Extend(ctx context.Context, id string, sizeMiB int64) error
	// Snapshot freezes the content of a disk; a snapshot that is there stays.
	Snapshot(ctx context.Context, volumeID, snapshotID string) error
	RemoveSnapshot(ctx context.Context, snapshotID string) error
	// Connect says how a host reaches the disk; ids of attachments and access
	// modes are the caller's to fill in.
	Connect(ctx context.Context, id string) (hostapi.VolumeConnection, error)
	// Export reads a disk's content as raw bytes, of a disk in use as of now.
	Export(ctx context.Context, id string) (io.ReadCloser, error)
	// ExportSnapshot is Export of a snapshot.
	ExportSnapshot(ctx context.Context, snapshotID string) (io.ReadCloser, error)
	// Import makes the disk, or replaces the one there is, of sizeMiB and with
	// what content gives at its start: whole, or not at all.
	Import(ctx context.Context, id string, sizeMiB int64, content io.Reader) error
	Usage(ctx context.Context) (Usage, error)
	List(ctx context.Context) (Stored, error)
}
