// Package volumetest has what tests of volumes need: a backend and an image
// service in memory, a whole block storage service over them, and the suite
// that every backend passes.
package volumetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"

	"altostack/hostapi"
	"altostack/volume"
)

// Backend keeps disks in memory: the bytes that are not zero at their start.
// It outlives the service over it, as disks do.
type Backend struct {
	mu               sync.Mutex
	disks, snapshots map[string]disk
	// Fail is asked before each call; an error is the call's.
	Fail func(verb, id string) error
}

type disk struct {
	sizeMiB int64
	data    []byte
}

// NewBackend makes an empty backend.
func NewBackend() *Backend {
	return &Backend{disks: map[string]disk{}, snapshots: map[string]disk{}}
}

func (b *Backend) enter(ctx context.Context, verb, id string) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if b.Fail != nil {
		if err := b.Fail(verb, id); err != nil {
			return nil, err
		}
	}
	b.mu.Lock()
	return b.mu.Unlock, nil
}

// Ensure implements volume.Backend.
func (b *Backend) Ensure(ctx context.Context, spec volume.DiskSpec) error {
	leave, err := b.enter(ctx, "ensure", spec.ID)
	if err != nil {
		return err
	}
	defer leave()
	if _, has := b.disks[spec.ID]; has {
		return nil
	}
	d, err := b.source(spec)
	if err != nil {
		return err
	}
	if d.sizeMiB > spec.SizeMiB {
		return fmt.Errorf("the source has %d MiB, the volume %d", d.sizeMiB, spec.SizeMiB)
	}
	d.sizeMiB = spec.SizeMiB
	b.disks[spec.ID] = d
	return nil
}

func (b *Backend) source(spec volume.DiskSpec) (disk, error) {
	var d disk
	var has bool
	switch {
	case spec.SnapshotID != "":
		d, has = b.snapshots[spec.SnapshotID]
	case spec.VolumeID != "":
		d, has = b.disks[spec.VolumeID]
	case spec.ImagePath != "":
		data, err := os.ReadFile(spec.ImagePath)
		return disk{sizeMiB: (int64(len(data)) + 1<<20 - 1) >> 20, data: data}, err
	default:
		return d, nil
	}
	if !has {
		return d, errors.New("the source is not there")
	}
	return disk{d.sizeMiB, bytes.Clone(d.data)}, nil
}

// Remove implements volume.Backend.
func (b *Backend) Remove(ctx context.Context, id string) error {
	leave, err := b.enter(ctx, "remove", id)
	if err != nil {
		return err
	}
	defer leave()
	delete(b.disks, id)
	return nil
}

// Extend implements volume.Backend.
func (b *Backend) Extend(ctx context.Context, id string, sizeMiB int64) error {
	leave, err := b.enter(ctx, "extend", id)
	if err != nil {
		return err
	}
	defer leave()
	d, has := b.disks[id]
	if !has {
		return errors.New("no such disk")
	}
	d.sizeMiB = max(d.sizeMiB, sizeMiB)
	b.disks[id] = d
	return nil
}

// Snapshot implements volume.Backend.
func (b *Backend) Snapshot(ctx context.Context, volumeID, snapshotID string) error {
	leave, err := b.enter(ctx, "snapshot", snapshotID)
	if err != nil {
		return err
	}
	defer leave()
	if _, has := b.snapshots[snapshotID]; has {
		return nil
	}
	d, has := b.disks[volumeID]
	if !has {
		return errors.New("no such disk")
	}
	b.snapshots[snapshotID] = disk{d.sizeMiB, bytes.Clone(d.data)}
	return nil
}

// RemoveSnapshot implements volume.Backend.
func (b *Backend) RemoveSnapshot(ctx context.Context, id string) error {
	leave, err := b.enter(ctx, "remove-snapshot", id)
	if err != nil {
		return err
	}
	defer leave()
	delete(b.snapshots, id)
	return nil
}

// Connect implements volume.Backend.
func (b *Backend) Connect(ctx context.Context, id string) (hostapi.VolumeConnection, error) {
	leave, err := b.enter(ctx, "connect", id)
	if err != nil {
		return hostapi.VolumeConnection{}, err
	}
	defer leave()
	if _, has := b.disks[id]; !has {
		return hostapi.VolumeConnection{}, errors.New("no such disk")
	}
	return hostapi.VolumeConnection{VolumeID: id, Driver: "file", Path: "/memory/" + id, Format: "raw"}, nil
}

// Export implements volume.Backend.
func (b *Backend) Export(ctx context.Context, id string) (io.ReadCloser, error) {
	leave, err := b.enter(ctx, "export", id)
	if err != nil {
		return nil, err
	}
	defer leave()
	d, has := b.disks[id]
	if !has {
		return nil, errors.New("no such disk")
	}
	zeros := io.LimitReader(zero{}, d.sizeMiB<<20-int64(len(d.data)))
	return io.NopCloser(io.MultiReader(bytes.NewReader(bytes.Clone(d.data)), zeros)), nil
}

// ExportSnapshot implements volume.Backend.
func (b *Backend) ExportSnapshot(ctx context.Context, id string) (io.ReadCloser, error) {
	leave, err := b.enter(ctx, "export-snapshot", id)
	if err != nil {
		return nil, err
	}
	defer leave()
	d, has := b.snapshots[id]
	if !has {
		return nil, errors.New("no such snapshot")
	}
	zeros := io.LimitReader(zero{}, d.sizeMiB<<20-int64(len(d.data)))
	return io.NopCloser(io.MultiReader(bytes.NewReader(bytes.Clone(d.data)), zeros)), nil
}

// Import implements volume.Backend.
func (b *Backend) Import(ctx context.Context, id string, sizeMiB int64, content io.Reader) error {
	var data bytes.Buffer // what is not zero at the start
	n := int64(0)
	part, zeros := make([]byte, 1<<20), make([]byte, 1<<20)
	for {
		k, err := io.ReadFull(content, part)
		if !bytes.Equal(part[:k], zeros[:k]) {
			data.Write(make([]byte, n-int64(data.Len())))
			data.Write(part[:k])
		}
		n += int64(k)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return err
		}
	}
	leave, err := b.enter(ctx, "import", id)
	if err != nil {
		return err
	}
	defer leave()
	if n > sizeMiB<<20 {
		return fmt.Errorf("%d bytes do not go into %d MiB", n, sizeMiB)
	}
	b.disks[id] = disk{sizeMiB, data.Bytes()}
	return nil
}

type zero struct{}

func (zero) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Usage implements volume.Backend.
func (b *Backend) Usage(context.Context) (volume.Usage, error) {
	return volume.Usage{TotalMiB: 1 << 20, FreeMiB: 1 << 19}, nil
}

// List implements volume.Backend.
func (b *Backend) List(context.Context) (volume.Stored, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return volume.Stored{Volumes: slices.Sorted(maps.Keys(b.disks)), Snapshots: slices.Sorted(maps.Keys(b.snapshots))}, nil
}

var _ volume.Backend = (*Backend)(nil)
