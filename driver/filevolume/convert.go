package filevolume

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"altostack/image/inspect"
	"altostack/kernel/fault"
)

// Limits of the program that reads an image from outside: more than it ever
// needs, and not the whole host.
const (
	convertMemory  = 4 << 30 // bytes of address space
	convertSeconds = 3600    // of CPU
)

// convert unpacks a qcow2 image into to. The image stands alone and nothing in
// it is believed: formats are named, a backing file is ruled out, and an image
// whose bytes would come from another file is refused before the program runs.
func (b *Backend) convert(ctx context.Context, to *os.File, image string) error {
	if err := standsAlone(image, "qcow2"); err != nil {
		return err
	}
	from, err := json.Marshal(map[string]any{"driver": "qcow2", "backing": nil,
		"file": map[string]string{"driver": "file", "filename": image}})
	if err != nil {
		return err
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, b.cfg.QemuImg, "convert", "-O", "raw", "-S", "4k", "json:"+string(from), to.Name())
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.Env = []string{"LC_ALL=C"}
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := limit(cmd.Process.Pid); err != nil {
		return errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fault.Because(errors.Join(err, errors.New(said.String())), fault.CodeFilevolumeBadSource, "The image cannot be unpacked.")
	}
	return nil
}

// standsAlone refuses an image that is not what its format says, or that would
// open something else. It was checked when it arrived; what is about to be opened
// as root is checked again.
func standsAlone(path, format string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	st, err := f.Stat()
	if err != nil {
		return err
	}
	var refused *fault.Fault
	if _, err = inspect.File(format, "bare", f, st.Size()); errors.As(err, &refused) {
		return fault.Because(err, fault.CodeFilevolumeBadSource, "The image is not a %s image that stands alone.", format)
	}
	return err
}

func limit(pid int) error {
	for _, l := range []struct {
		what int
		most uint64
	}{{unix.RLIMIT_AS, convertMemory}, {unix.RLIMIT_CPU, convertSeconds}} {
		err := unix.Prlimit(pid, l.what, &unix.Rlimit{Cur: l.most, Max: l.most}, nil)
		if err != nil && !errors.Is(err, unix.ESRCH) { // it may have ended already
			return err
		}
	}
	return nil
}
