// Package filedisk keeps guests' local disks as files: a cache of images by
// digest, and for each guest a directory with its disks and its config drive.
//
// The one idea: a name says what a file is, and a file has its name only when it
// is whole. Images are verified while they stream in; a root disk's name holds
// the digest of the image it starts from, so nothing ever has to be read out of
// a file that a guest could have written.
//
// Layout of Dir: cache/<sha512>.<format>, guests/<id>/<disk>[.<digest>].<format>,
// guests/<id>/config.iso, and tmp, which is emptied by Open. All of it belongs
// to the agent's user alone; hypervisors are handed open files.
//
// The agent serialises calls about one guest; the cache has its own lock.
package filedisk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"time"

	"altostack/agent"
	"altostack/hostapi"
	"altostack/kernel/clock"
	"altostack/kernel/fault"
)

// Config says where disks are and how large the cache may grow.
type Config struct {
	Dir        string
	CacheLimit int64  // bytes of images that no disk needs, kept for the next guest; 0: no limit
	QemuImg    string // the program; empty: qemu-img from the PATH. Only resizing needs it
	Mke2fs     string // the program; empty: mke2fs from the PATH. Without it ephemeral disks are left empty
	Clock      clock.Clock
}

// Disks implements [agent.Disks].
type Disks struct {
	cfg   Config
	mu    sync.Mutex           // guards eviction against disks being made
	asked map[string]time.Time // when an image of the cache was last asked for
}

var _ agent.Disks = (*Disks)(nil)

// Names become paths, so only these are taken.
var (
	safeID     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,63}$`)
	safeDisk   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)
	safeDigest = regexp.MustCompile(`^([0-9a-f]{64}|[0-9a-f]{128})$`) // SHA-256, SHA-512
)

// Open makes the directories that are missing and clears what was half made.
func Open(cfg Config) (*Disks, error) {
	if cfg.QemuImg == "" {
		cfg.QemuImg = "qemu-img"
	}
	if cfg.Mke2fs == "" {
		cfg.Mke2fs, _ = exec.LookPath("mke2fs") // not having it is fine
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.Real{}
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, err
	}
	cfg.Dir = dir
	d := &Disks{cfg: cfg, asked: map[string]time.Time{}}
	if err := os.RemoveAll(d.path("tmp")); err != nil {
		return nil, err
	}
	for _, sub := range []string{"cache", "guests", "tmp"} {
		if err := os.MkdirAll(d.path(sub), 0o700); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *Disks) path(parts ...string) string {
	return filepath.Join(append([]string{d.cfg.Dir}, parts...)...)
}

// Prepare makes the guest's disks; see [agent.Disks].
func (d *Disks) Prepare(ctx context.Context, guest hostapi.Guest, drive map[string][]byte) ([]agent.DiskFile, error) {
	if !safeID.MatchString(guest.ID) {
		return nil, fmt.Errorf("filedisk: %q is no guest's id", guest.ID)
	}
	dir := d.path("guests", guest.ID)
	var files []agent.DiskFile
	for _, disk := range guest.Disks {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		f, err := d.prepare(ctx, dir, disk)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	if drive != nil {
		path, err := d.configDrive(dir, drive)
		if err != nil {
			return nil, err
		}
		files = append(files, agent.DiskFile{ID: "config", Path: path, Format: "raw", Bus: agent.DriveBus(guest), BootIndex: -1, ReadOnly: true})
	}
	return files, nil
}

func (d *Disks) prepare(ctx context.Context, dir string, disk hostapi.Disk) (agent.DiskFile, error) {
	f := agent.DiskFile{ID: disk.ID, Bus: disk.Bus, BootIndex: disk.BootIndex, Serial: disk.Serial, ReadOnly: disk.ReadOnly}
	if f.Bus == "" {
		f.Bus = "virtio"
	}
	if disk.Volume != nil {
		return volumeFile(f, *disk.Volume)
	}
	if !safeDisk.MatchString(disk.ID) {
		return f, fmt.Errorf("filedisk: %q is no disk's id", disk.ID)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return f, err
	}
	var err error
	if disk.Image != nil {
		f.Path, f.Format, err = d.fromImage(ctx, dir, disk)
		if err == nil && f.Format == "qcow2" {
			f.BaseFormat = disk.Image.Format
			f.Base, err = d.base(*disk.Image)
		}
	} else {
		f.Path, f.Format, err = d.blank(ctx, dir, disk)
	}
	return f, err
}

func volumeFile(f agent.DiskFile, v hostapi.VolumeConnection) (agent.DiskFile, error) {
	f.Shared, f.ReadOnly, f.Format = v.MultiAttach, f.ReadOnly || v.ReadOnly, v.Format
	switch {
	case v.Driver == "file" && v.Path != "" && v.Format != "":
		f.Path = v.Path
	case v.Driver == "nbd" && v.Address != "":
		f.NBD, f.Export = v.Address, v.Export
		if f.Format == "" {
			f.Format = "raw" // an export is a plain disk unless it says otherwise
		}
	default:
		return f, fault.New(fault.CodeAgentVolumeUnavailable, "The host cannot reach volume %s by the connection it was given.", v.VolumeID)
	}
	return f, nil
}

// Remove deletes the guest's directory: at once by name, then byte by byte.
func (d *Disks) Remove(ctx context.Context, guestID string) error {
	if !safeID.MatchString(guestID) {
		return nil // nothing can have been made
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	bin, err := os.MkdirTemp(d.path("tmp"), "removed-")
	if err != nil {
		return err
	}
	err = os.Rename(d.path("guests", guestID), filepath.Join(bin, guestID))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, os.RemoveAll(bin))
}

// Guests lists the directories of guests.
func (d *Disks) Guests(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(d.path("guests"))
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = e.Name()
	}
	return ids, nil
}

// Free asks the file system, for what an unprivileged user could still write.
func (d *Disks) Free(ctx context.Context) (free, total int64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, 0, err
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(d.cfg.Dir, &st); err != nil {
		return 0, 0, err
	}
	return int64(st.Bavail) * st.Bsize, int64(st.Blocks) * st.Bsize, nil
}
