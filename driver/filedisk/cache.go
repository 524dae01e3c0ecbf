package filedisk

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"altostack/hostapi"
	"altostack/image/inspect"
	"altostack/kernel/fault"
)

// keepAsked is how long an image that was asked for is not evicted, so that it
// is still there when the guest it was fetched for gets its disk.
const keepAsked = 15 * time.Minute

// digestInName is how many digits of the digest a disk's name carries.
const digestInName = 32

// base answers where the image is or would be.
func (d *Disks) base(image hostapi.DiskImage) (string, error) {
	if !safeDigest.MatchString(image.SHA512) {
		return "", fault.New(fault.CodeAgentImageUnavailable, "Image %s has no digest.", image.ID)
	}
	if image.Format != "raw" && image.Format != "qcow2" {
		return "", fault.New(fault.CodeAgentImageUnavailable, "Image %s has format %s; hosts start guests from raw and qcow2.", image.ID, image.Format)
	}
	return d.path("cache", image.SHA512+"."+image.Format), nil
}

// Cached looks for the image; what has its name was verified.
func (d *Disks) Cached(ctx context.Context, image hostapi.DiskImage) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	path, err := d.base(image)
	if err != nil {
		return false, nil // it is not, and Store says why it cannot be
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_, err = os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		d.asked[filepath.Base(path)] = d.cfg.Clock.Now()
	}
	return err == nil, err
}

// Store streams an image in and verifies it; see [agent.Disks].
func (d *Disks) Store(ctx context.Context, image hostapi.DiskImage, r io.Reader) (err error) {
	path, err := d.base(image)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(d.path("tmp"), "image-")
	if err != nil {
		return err
	}
	defer func() {
		if e := tmp.Close(); err == nil {
			err = e
		}
		if e := os.Remove(tmp.Name()); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}()
	if err := copyVerified(ctx, tmp, r, image); err != nil {
		return err
	}
	if err := standsAlone(tmp, image); err != nil {
		return err
	}
	if err := errors.Join(tmp.Chmod(0o400), tmp.Sync()); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	d.asked[filepath.Base(path)] = d.cfg.Clock.Now()
	return errors.Join(syncDir(d.path("cache")), d.evict())
}

// standsAlone refuses bytes that are not what their format says, or that would
// open something else. The image service checked this when they arrived; a host
// whose hypervisor believes headers checks again.
func standsAlone(f *os.File, image hostapi.DiskImage) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	var refused *fault.Fault
	if _, err = inspect.File(image.Format, "bare", f, st.Size()); errors.As(err, &refused) {
		return fault.Because(err, fault.CodeAgentImageCorrupt, "Image %s is not a %s image that stands alone.", image.ID, image.Format)
	}
	return err
}

// copyVerified copies and hashes, and stops as soon as more comes than the
// image has.
func copyVerified(ctx context.Context, w io.Writer, r io.Reader, image hostapi.DiskImage) error {
	if image.Bytes > 0 {
		r = io.LimitReader(r, image.Bytes+1)
	}
	sum := sha512.New()
	if len(image.SHA512) == hex.EncodedLen(sha256.Size) {
		sum = sha256.New() // the image service is set to SHA-256
	}
	// Neither side may take a shortcut around the buffer or the hash.
	to := struct{ io.Writer }{io.MultiWriter(w, sum)}
	if _, err := io.CopyBuffer(to, &checked{ctx, r}, make([]byte, 1<<20)); err != nil {
		return err
	}
	want, _ := hex.DecodeString(image.SHA512) // its form was checked
	if !bytes.Equal(sum.Sum(nil), want) {
		return fault.New(fault.CodeAgentImageCorrupt, "The data of image %s is not what its digest says.", image.ID)
	}
	return nil
}

// checked stops reading when its context ends.
type checked struct {
	ctx context.Context
	r   io.Reader
}

// Read reads on.
func (c *checked) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// evict deletes images that no disk starts from, the longest unused first,
// until the rest is within the limit. The caller has the lock.
func (d *Disks) evict() error {
	if d.cfg.CacheLimit <= 0 {
		return nil
	}
	used, err := d.inUse()
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(d.path("cache"))
	if err != nil {
		return err
	}
	type image struct {
		name  string
		bytes int64
		asked time.Time
	}
	var unused []image
	var total int64
	for _, e := range entries {
		if used[e.Name()[:min(digestInName, len(e.Name()))]] {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		total += info.Size()
		unused = append(unused, image{e.Name(), info.Size(), d.asked[e.Name()]})
	}
	slices.SortFunc(unused, func(a, b image) int { return cmp.Or(a.asked.Compare(b.asked), cmp.Compare(a.name, b.name)) })
	recent := d.cfg.Clock.Now().Add(-keepAsked)
	for _, i := range unused {
		if total <= d.cfg.CacheLimit || i.asked.After(recent) {
			break
		}
		if err := os.Remove(d.path("cache", i.name)); err != nil {
			return err
		}
		total -= i.bytes
		delete(d.asked, i.name)
	}
	return nil
}

// inUse answers the beginnings of the digests that disks' names carry.
func (d *Disks) inUse() (map[string]bool, error) {
	names, err := filepath.Glob(d.path("guests", "*", "*.*.*"))
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	for _, name := range names {
		if parts := strings.Split(filepath.Base(name), "."); len(parts) == 3 {
			used[parts[1]] = true
		}
	}
	return used, nil
}

// syncDir makes a rename in dir last through a power cut.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
