package filevolume

import (
	"context"
	"errors"
	"os"
	"time"

	"altostack/driver/qemuimg"
	"altostack/image"
	"altostack/image/inspect"
	"altostack/kernel/fault"
)

// Limits of the program that reads an image from outside: more than it ever
// needs, and not the whole host.
const (
	convertMemory = 4 << 30 // bytes of address space
	convertCPU    = time.Hour
	convertSpare  = 64 << 20 // bytes beyond the disk
)

// convert unpacks a qcow2 image into to. The image stands alone and nothing in
// it is believed: its format is named, a backing file is ruled out, an image whose
// bytes would come from another file is refused before the program runs, and the
// program has nobody's rights.
func (b *Backend) convert(ctx context.Context, to *os.File, path string) error {
	info, err := standsAlone(path, "qcow2")
	if err != nil {
		return err
	}
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // only read
	q, err := qemuimg.Open(qemuimg.Config{MemoryBytes: convertMemory, CPU: convertCPU, Deadline: convertCPU})
	if err != nil {
		return err
	}
	err = q.Files(ctx, in, to, image.Conversion{FromFormat: "qcow2", ToFormat: "raw", MaxBytes: info.VirtualSize + convertSpare})
	if err != nil && ctx.Err() == nil {
		return fault.Because(err, fault.CodeFilevolumeBadSource, "The image cannot be unpacked.")
	}
	return err
}

// standsAlone refuses an image that is not what its format says, or that would
// open something else. It was checked when it arrived; what is about to be opened
// as root is checked again.
func standsAlone(path, format string) (inspect.Info, error) {
	f, err := os.Open(path)
	if err != nil {
		return inspect.Info{}, err
	}
	defer func() { _ = f.Close() }() // only read
	st, err := f.Stat()
	if err != nil {
		return inspect.Info{}, err
	}
	var refused *fault.Fault
	info, err := inspect.File(format, "bare", f, st.Size())
	if errors.As(err, &refused) {
		return info, fault.Because(err, fault.CodeFilevolumeBadSource, "The image is not a %s image that stands alone.", format)
	}
	return info, err
}
