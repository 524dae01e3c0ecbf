// Package sparse copies files without touching their holes: by sharing blocks
// where the file system can (XFS, btrfs), extent by extent otherwise.
package sparse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// chunk bounds one copy_file_range, so that a context that ends is noticed.
const chunk = 64 << 20

// Clone makes to share all blocks of from, at one instant (ioctl_ficlone(2)).
// It fails where the file system cannot; nothing is written then.
func Clone(to, from *os.File) error {
	return unix.IoctlFileClone(int(to.Fd()), int(from.Fd()))
}

// Copy copies from, which nobody may be writing, into the empty file to; holes
// stay holes, and to is as long as from.
func Copy(ctx context.Context, to, from *os.File) error {
	st, err := from.Stat()
	if err != nil {
		return err
	}
	if err := to.Truncate(st.Size()); err != nil {
		return err
	}
	for at := int64(0); at < st.Size(); {
		data, err := unix.Seek(int(from.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil // a hole to the end
		}
		if err != nil {
			return fmt.Errorf("look for data in %s: %w", from.Name(), err)
		}
		hole, err := unix.Seek(int(from.Fd()), data, unix.SEEK_HOLE)
		if err != nil {
			return fmt.Errorf("look for a hole in %s: %w", from.Name(), err)
		}
		if err := extent(ctx, to, from, data, hole); err != nil {
			return err
		}
		at = hole
	}
	return nil
}

// extent copies the bytes from start to end, inside the kernel if it can.
func extent(ctx context.Context, to, from *os.File, start, end int64) error {
	if _, err := from.Seek(start, io.SeekStart); err != nil {
		return err
	}
	if _, err := to.Seek(start, io.SeekStart); err != nil {
		return err
	}
	for start < end {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.CopyN(to, from, min(chunk, end-start)) // copy_file_range(2) between files
		if err != nil {
			return err
		}
		start += n
	}
	return nil
}

// InUse reports whether another process holds QEMU's lock on a disk's file
// (fcntl(2), open file description locks; QEMU takes them unless told not to).
func InUse(f *os.File) (bool, error) {
	lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &lock); err != nil {
		return false, fmt.Errorf("look for a lock on %s: %w", f.Name(), err)
	}
	return lock.Type != unix.F_UNLCK, nil
}
