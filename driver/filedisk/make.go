package filedisk

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"altostack/driver/qcow2"
	"altostack/driver/sparse"
	"altostack/hostapi"
	"altostack/kernel/fault"
)

// fromImage makes a copy-on-write layer over an image: a clone where the file
// system can, a qcow2 overlay otherwise. One that starts from another image, as
// after a rebuild, is replaced.
func (d *Disks) fromImage(ctx context.Context, dir string, disk hostapi.Disk) (path, format string, err error) {
	base, err := d.base(*disk.Image)
	if err != nil {
		return "", "", err
	}
	stem := filepath.Join(dir, disk.ID+"."+disk.Image.SHA512[:digestInName])
	for _, format := range []string{"qcow2", "raw"} {
		path := stem + "." + format
		if _, err := os.Stat(path); err == nil {
			return path, format, d.grow(ctx, path, format, base, disk)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", "", err
		}
	}
	d.mu.Lock() // the base stays until the new name shows that it is used
	defer d.mu.Unlock()
	size, err := sizeFor(base, disk)
	if err != nil {
		return "", "", err
	}
	path, format, err = d.layer(base, stem, size, disk.Image.Format)
	if err != nil {
		return "", "", err
	}
	return path, format, removeOthers(dir, disk.ID, path)
}

// sizeFor is the new disk's size in bytes: the wanted one, or where none is
// wanted the image's own.
func sizeFor(base string, disk hostapi.Disk) (int64, error) {
	image, err := virtualSize(base, disk.Image.Format)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("image %s is not cached: %w", disk.Image.ID, err)
	}
	if err != nil {
		return 0, err
	}
	size := disk.SizeMiB << 20
	if size == 0 {
		size = (image + 511) / 512 * 512
	}
	if size < image {
		return 0, fault.New(fault.CodeAgentImageUnavailable, "Image %s needs a disk of %d MiB, this one has %d MiB.",
			disk.Image.ID, (image+1<<20-1)>>20, disk.SizeMiB)
	}
	return size, nil
}

func virtualSize(path, format string) (int64, error) {
	if format == "qcow2" {
		h, err := qcow2.ReadHeader(path)
		return h.Size, err
	}
	st, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// layer makes the disk under another name first, so that it is whole when it
// has its own.
func (d *Disks) layer(base, stem string, size int64, format string) (string, string, error) {
	tmp, err := d.temporary()
	if err != nil {
		return "", "", err
	}
	if format == "raw" && clone(base, tmp, size) == nil {
		return stem + ".raw", "raw", finish(tmp, stem+".raw")
	}
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", "", err
	}
	if err := qcow2.Create(tmp, qcow2.Image{Size: size, Backing: base, BackingFormat: format}, 0o600); err != nil {
		return "", "", err
	}
	return stem + ".qcow2", "qcow2", finish(tmp, stem+".qcow2")
}

// temporary answers a name under tmp that nothing has.
func (d *Disks) temporary() (string, error) {
	f, err := os.CreateTemp(d.path("tmp"), "disk-")
	if err != nil {
		return "", err
	}
	return f.Name(), errors.Join(f.Close(), os.Remove(f.Name()))
}

func finish(tmp, path string) error {
	if err := os.Rename(tmp, path); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return nil
}

// clone shares the base's blocks (ioctl_ficlone(2)), which XFS and btrfs can.
func clone(base, path string, size int64) (err error) {
	from, err := os.Open(base)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // only read
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if e := to.Close(); err == nil {
			err = e
		}
	}()
	if err := sparse.Clone(to, from); err != nil {
		return err
	}
	if err := to.Truncate(size); err != nil {
		return err
	}
	return to.Sync()
}

// removeOthers deletes what the disk was before it got its present image.
func removeOthers(dir, disk, path string) error {
	old, err := filepath.Glob(filepath.Join(dir, disk+".*.*"))
	if err != nil {
		return err
	}
	for _, o := range old {
		if o != path {
			err = errors.Join(err, os.Remove(o))
		}
	}
	return err
}

// blank makes an empty disk: a sparse file, with a swap area or a file system in
// it where Nova's guests find one.
func (d *Disks) blank(ctx context.Context, dir string, disk hostapi.Disk) (path, format string, err error) {
	path = filepath.Join(dir, disk.ID+".raw")
	if _, err := os.Stat(path); err == nil {
		return path, "raw", d.grow(ctx, path, "raw", "", disk)
	}
	tmp, err := d.temporary()
	if err != nil {
		return "", "", err
	}
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", "", err
	}
	err = f.Truncate(disk.SizeMiB << 20)
	switch {
	case err != nil:
	case disk.ID == "swap":
		_, err = f.WriteAt(swapHeader(disk.SizeMiB<<20), 0)
	case strings.HasPrefix(disk.ID, "ephemeral") && d.cfg.Mke2fs != "":
		err = d.format(ctx, tmp, disk.ID)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", "", errors.Join(err, os.Remove(tmp))
	}
	return path, "raw", finish(tmp, path)
}

// format makes an ext4 file system labelled as Nova labels it; the guest's
// kernel fills the tables in when it mounts it first.
func (d *Disks) format(ctx context.Context, path, label string) error {
	out, err := exec.CommandContext(ctx, d.cfg.Mke2fs, "-q", "-F", "-t", "ext4", "-L", label,
		"-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", path).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mke2fs: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// swapHeader is the first page of a swap area (union swap_header of Linux's
// include/linux/swap.h), as mkswap writes it.
func swapHeader(size int64) []byte {
	const page = 4096
	b := make([]byte, page)
	binary.LittleEndian.PutUint32(b[1024:], 1)
	binary.LittleEndian.PutUint32(b[1028:], uint32(min(size/page-1, 1<<32-1)))
	_, _ = rand.Read(b[1036:1052]) // the area's UUID; crypto/rand does not fail
	copy(b[page-10:], "SWAPSPACE2")
	return b
}

// grow enlarges a disk of a guest that is off, after its flavor grew. A disk is
// never made smaller.
func (d *Disks) grow(ctx context.Context, path, format, base string, disk hostapi.Disk) error {
	have, err := virtualSize(path, format)
	want := disk.SizeMiB << 20
	if err != nil || have >= want {
		return err
	}
	if format == "raw" {
		return os.Truncate(path, want)
	}
	h, err := qcow2.ReadHeader(path)
	if err != nil || h.DataFile {
		return errors.Join(err, fmt.Errorf("filedisk: %s is not the image that was made here", path))
	}
	return d.resizeOverlay(ctx, path, base, disk.Image.Format, want)
}

// resizeOverlay has qemu-img grow an overlay. The layer below is said and not
// taken from the header, which the guest may have written.
func (d *Disks) resizeOverlay(ctx context.Context, path, base, baseFormat string, size int64) error {
	image, err := json.Marshal(map[string]any{
		"driver": "qcow2", "file": map[string]string{"driver": "file", "filename": path},
		"backing": map[string]any{"driver": baseFormat, "read-only": true, "file": map[string]string{"driver": "file", "filename": base}},
	})
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, d.cfg.QemuImg, "resize", "json:"+string(image), strconv.FormatInt(size, 10)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("qemu-img resize: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
