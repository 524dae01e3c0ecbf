// Package filevolume keeps block storage volumes as files on one host.
//
// The one idea: a volume is a raw, sparse file and nothing else. A guest that
// holds one can write nothing that we would ever interpret, growing it is
// setting its length, also while it is attached, and a snapshot is another such
// file that depends on nothing: a clone where the file system can share blocks,
// a sparse copy otherwise.
//
// A file has its name only when it is whole, so every call can be repeated, and
// absence is success. Layout of Dir: volumes/<id>.raw, snapshots/<id>.raw, and
// tmp, which is emptied by Open.
//
// Calls about different volumes do not wait for each other. Two calls that make
// the same thing make it twice, and one of the two stays.
package filevolume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"altostack/driver/sparse"
	"altostack/hostapi"
	"altostack/kernel/fault"
	"altostack/volume"
)

// Config says where volumes are.
type Config struct {
	Dir string
	// Freeze stops whoever writes a volume, so that it can be copied at one
	// instant although the file system cannot clone it; the function it answers
	// lets them go on. Without it such a copy of a volume in use is refused.
	Freeze func(ctx context.Context, volumeID string) (thaw func(), err error)
}

// Backend implements [volume.Backend].
type Backend struct{ cfg Config }

var _ volume.Backend = (*Backend)(nil)

var safeID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,63}$`)

// Open makes the directories that are missing and clears what was half made.
func Open(cfg Config) (*Backend, error) {
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, err
	}
	cfg.Dir = dir
	b := &Backend{cfg: cfg}
	if err := os.RemoveAll(filepath.Join(dir, "tmp")); err != nil {
		return nil, err
	}
	for _, sub := range []string{"volumes", "snapshots", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (b *Backend) path(kind, id string) (string, error) {
	if !safeID.MatchString(id) {
		return "", fault.New(fault.CodeFilevolumeNotFound, "%q is no id.", id)
	}
	return filepath.Join(b.cfg.Dir, kind, id+".raw"), nil
}

func (b *Backend) volume(id string) (string, error)   { return b.path("volumes", id) }
func (b *Backend) snapshot(id string) (string, error) { return b.path("snapshots", id) }

// Ensure makes the volume, or finds it made. The errors are
// fault.CodeFilevolumeBadSource if the source is not what it should be or larger
// than the volume, CodeFilevolumeNotFound if it is not there, CodeFilevolumeBusy
// if it is a volume in use that cannot be copied.
func (b *Backend) Ensure(ctx context.Context, spec volume.DiskSpec) error {
	path, err := b.volume(spec.ID)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return b.make(path, func(tmp *os.File) error {
		if err := b.fill(ctx, tmp, spec); err != nil {
			return err
		}
		st, err := tmp.Stat()
		if err != nil {
			return err
		}
		if st.Size() > spec.SizeMiB<<20 {
			return fault.New(fault.CodeFilevolumeBadSource, "The source has %d MiB, the volume has %d MiB.", (st.Size()+1<<20-1)>>20, spec.SizeMiB)
		}
		return tmp.Truncate(spec.SizeMiB << 20)
	})
}

// make has fill write a file under another name, syncs it and gives it its own.
func (b *Backend) make(path string, fill func(tmp *os.File) error) (err error) {
	tmp, err := os.CreateTemp(filepath.Join(b.cfg.Dir, "tmp"), "new-")
	if err != nil {
		return err
	}
	err = fill(tmp)
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

func (b *Backend) fill(ctx context.Context, to *os.File, s volume.DiskSpec) error {
	switch {
	case s.SnapshotID != "":
		path, err := b.snapshot(s.SnapshotID)
		if err != nil {
			return err
		}
		return b.copy(ctx, to, path, "")
	case s.VolumeID != "":
		path, err := b.volume(s.VolumeID)
		if err != nil {
			return err
		}
		return b.copy(ctx, to, path, s.VolumeID)
	case s.ImagePath == "":
		return nil // zeroes
	case s.ImageFormat == "raw":
		if _, err := standsAlone(s.ImagePath, "raw"); err != nil {
			return err
		}
		return b.copy(ctx, to, s.ImagePath, "")
	case s.ImageFormat == "qcow2":
		return b.convert(ctx, to, s.ImagePath)
	}
	return fault.New(fault.CodeFilevolumeBadSource, "Volumes are made of raw and qcow2 images, not of %s.", s.ImageFormat)
}

// copy copies a file as it is at one instant. volumeID names whose file it is,
// if a guest could be writing it.
func (b *Backend) copy(ctx context.Context, to *os.File, path, volumeID string) error {
	from, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fault.Because(err, fault.CodeFilevolumeNotFound, "The volume or snapshot to copy is not there.")
	}
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // only read
	if sparse.Clone(to, from) == nil {
		return nil
	}
	if volumeID != "" {
		thaw, err := b.freeze(ctx, volumeID, from)
		if err != nil {
			return err
		}
		defer thaw()
	}
	return sparse.Copy(ctx, to, from)
}

// freeze makes sure that nobody writes the volume.
func (b *Backend) freeze(ctx context.Context, volumeID string, f *os.File) (thaw func(), err error) {
	used, err := sparse.InUse(f)
	if err != nil || !used {
		return func() {}, err
	}
	if b.cfg.Freeze == nil {
		return nil, fault.New(fault.CodeFilevolumeBusy, "Volume %s is in use.", volumeID)
	}
	return b.cfg.Freeze(ctx, volumeID)
}

// Remove deletes the volume. None there is success.
func (b *Backend) Remove(ctx context.Context, id string) error { return b.remove(ctx, "volumes", id) }

// RemoveSnapshot deletes the snapshot. None there is success.
func (b *Backend) RemoveSnapshot(ctx context.Context, id string) error {
	return b.remove(ctx, "snapshots", id)
}

func (b *Backend) remove(ctx context.Context, kind, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	path, err := b.path(kind, id)
	if err != nil {
		return nil // nothing of that name can have been made
	}
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Extend makes the volume at least sizeMiB large, whether it is attached or not;
// a guest that has it sees that once its hypervisor was told.
func (b *Backend) Extend(ctx context.Context, id string, sizeMiB int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	path, err := b.volume(id)
	if err != nil {
		return err
	}
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return missing(err, id)
	}
	if err != nil || st.Size() >= sizeMiB<<20 {
		return err
	}
	return os.Truncate(path, sizeMiB<<20)
}

func missing(cause error, id string) error {
	return fault.Because(cause, fault.CodeFilevolumeNotFound, "The backend has no volume %s.", id)
}

// Snapshot keeps the volume as it is now under another id, or finds that done.
// What becomes of the volume later does not touch the snapshot.
func (b *Backend) Snapshot(ctx context.Context, volumeID, snapshotID string) error {
	path, err := b.snapshot(snapshotID)
	if err != nil {
		return err
	}
	from, err := b.volume(volumeID)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return b.make(path, func(tmp *os.File) error { return b.copy(ctx, tmp, from, volumeID) })
}

// Connect says how a hypervisor on this host reaches the volume.
func (b *Backend) Connect(ctx context.Context, id string) (hostapi.VolumeConnection, error) {
	if err := ctx.Err(); err != nil {
		return hostapi.VolumeConnection{}, err
	}
	path, err := b.volume(id)
	if err != nil {
		return hostapi.VolumeConnection{}, err
	}
	if _, err := os.Stat(path); err != nil {
		return hostapi.VolumeConnection{}, missing(err, id)
	}
	return hostapi.VolumeConnection{VolumeID: id, Driver: "file", Path: path, Format: "raw"}, nil
}

// Export reads the volume's bytes as they are now, for an image or a backup.
// Closing the reader ends it.
func (b *Backend) Export(ctx context.Context, id string) (io.ReadCloser, error) {
	path, err := b.volume(id)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, missing(err, id)
	}
	if err != nil {
		return nil, err
	}
	used, err := sparse.InUse(f)
	if err != nil || !used {
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return f, nil
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	return b.exportCopy(ctx, path, id)
}

// ExportSnapshot reads a snapshot's bytes.
func (b *Backend) ExportSnapshot(ctx context.Context, id string) (io.ReadCloser, error) {
	path, err := b.snapshot(id)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Because(err, fault.CodeFilevolumeNotFound, "The backend has no snapshot %s.", id)
	}
	return f, err
}

// Import writes the volume anew, whole or not at all; zeros become holes.
func (b *Backend) Import(ctx context.Context, id string, sizeMiB int64, content io.Reader) error {
	path, err := b.volume(id)
	if err != nil {
		return err
	}
	return b.make(path, func(tmp *os.File) error {
		part, zeros := make([]byte, 1<<20), make([]byte, 1<<20)
		for at := int64(0); ; {
			n, err := io.ReadFull(content, part)
			if at+int64(n) > sizeMiB<<20 {
				return fault.New(fault.CodeFilevolumeBadSource, "The content is larger than the volume's %d MiB.", sizeMiB)
			}
			if !bytes.Equal(part[:n], zeros[:n]) {
				if _, err := tmp.WriteAt(part[:n], at); err != nil {
					return err
				}
			}
			at += int64(n)
			switch err {
			case nil:
			case io.EOF, io.ErrUnexpectedEOF:
				return tmp.Truncate(sizeMiB << 20)
			default:
				return err
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	})
}

// exportCopy reads a copy without a name, which is gone with its reader.
func (b *Backend) exportCopy(ctx context.Context, path, id string) (io.ReadCloser, error) {
	tmp, err := os.CreateTemp(filepath.Join(b.cfg.Dir, "tmp"), "export-")
	if err != nil {
		return nil, err
	}
	err = os.Remove(tmp.Name())
	if err == nil {
		err = b.copy(ctx, tmp, path, id)
	}
	if err == nil {
		_, err = tmp.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, tmp.Close())
	}
	return tmp, nil
}

// Usage reports the room where volumes are kept, as an unprivileged user has it.
func (b *Backend) Usage(ctx context.Context) (volume.Usage, error) {
	if err := ctx.Err(); err != nil {
		return volume.Usage{}, err
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(b.cfg.Dir, &st); err != nil {
		return volume.Usage{}, fmt.Errorf("file system of the volumes: %w", err)
	}
	return volume.Usage{FreeMiB: int64(st.Bavail) * st.Bsize >> 20, TotalMiB: int64(st.Blocks) * st.Bsize >> 20}, nil
}

// List answers the ids of all volumes and of all snapshots.
func (b *Backend) List(ctx context.Context) (s volume.Stored, err error) {
	if err := ctx.Err(); err != nil {
		return s, err
	}
	if s.Volumes, err = b.ids("volumes"); err != nil {
		return s, err
	}
	s.Snapshots, err = b.ids("snapshots")
	return s, err
}

func (b *Backend) ids(kind string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(b.cfg.Dir, kind))
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), ".raw"); ok {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
