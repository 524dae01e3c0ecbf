// Package qemuimg converts disk images with qemu-img, which is old C that reads
// what strangers wrote. So it is given as little as possible: two open files and
// no name of any, the format said and never guessed, no network, nobody's rights,
// and limits on its time, its memory and what it writes.
//
// It serves image.Converter. The parser of image/inspect has refused beforehand
// whatever would make it open a third file. Conversions may run at the same time;
// each is one process, killed with its whole group.
package qemuimg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"altostack/image"
	"altostack/kernel/fault"
)

// Config says how much a conversion may take.
type Config struct {
	User        string        // whose rights it has, where this process may choose; empty: nobody
	MemoryBytes int64         // of address space; 0: 2 GiB
	CPU         time.Duration // of processor time; 0: 30 minutes
	Deadline    time.Duration // of wall time; 0: one hour
	Permits     int           // conversions at a time; 0: 1
}

// Converter converts images.
type Converter struct {
	cfg            Config
	program, limit string
	uid, gid       uint32
	permits        chan struct{}
}

// names are qemu-img's words for disk_format.
var names = map[string]string{"raw": "raw", "qcow2": "qcow2", "vmdk": "vmdk", "vdi": "vdi", "vhd": "vpc", "vhdx": "vhdx"}

// Open finds the programs: qemu-img, and prlimit of util-linux.
func Open(c Config) (*Converter, error) {
	if c.User == "" {
		c.User = "nobody"
	}
	if c.MemoryBytes == 0 {
		c.MemoryBytes = 2 << 30
	}
	if c.CPU == 0 {
		c.CPU = 30 * time.Minute
	}
	if c.Deadline == 0 {
		c.Deadline = time.Hour
	}
	out := &Converter{cfg: c, permits: make(chan struct{}, max(1, c.Permits))}
	var err error
	if out.program, err = exec.LookPath("qemu-img"); err != nil {
		return nil, fmt.Errorf("converting images needs qemu-img (package qemu-utils): %w", err)
	}
	if out.limit, err = exec.LookPath("prlimit"); err != nil {
		return nil, fmt.Errorf("converting images needs prlimit (package util-linux): %w", err)
	}
	if os.Geteuid() != 0 {
		return out, nil
	}
	u, err := user.Lookup(c.User)
	if err != nil {
		return nil, fmt.Errorf("converting images: %w", err)
	}
	uid, uerr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gerr := strconv.ParseUint(u.Gid, 10, 32)
	if uerr != nil || gerr != nil || uid == 0 {
		return nil, fmt.Errorf("converting images: user %s will not do", c.User)
	}
	out.uid, out.gid = uint32(uid), uint32(gid)
	return out, nil
}

func failed(cause error, format string, args ...any) error {
	return fault.Because(cause, fault.CodeImageConversionFailed, format, args...)
}

// Convert writes the image c.From, which has been inspected, as c.To. What a
// conversion that failed has written is removed. Who has the converter's rights
// has to be able to read c.From.
func (q *Converter) Convert(ctx context.Context, c image.Conversion) (err error) {
	in, err := os.Open(c.From)
	if err != nil {
		return failed(err, "The image cannot be read.")
	}
	defer func() { _ = in.Close() }() // only read
	out, err := os.OpenFile(c.To, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return failed(err, "The image store cannot be written.")
	}
	defer func() {
		if err = errors.Join(err, out.Close()); err != nil {
			_ = os.Remove(c.To) // what is left is found later
		}
	}()
	if err := q.Files(ctx, in, out, c); err != nil {
		return err
	}
	return out.Chmod(0o644)
}

// Files is Convert for files that are open already; c.From and c.To do not count.
func (q *Converter) Files(ctx context.Context, in, out *os.File, c image.Conversion) (err error) {
	from, to := names[c.FromFormat], names[c.ToFormat]
	if from == "" || to == "" {
		return failed(nil, "The image cannot be converted from %s to %s.", c.FromFormat, c.ToFormat)
	}
	select {
	case q.permits <- struct{}{}:
		defer func() { <-q.permits }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if q.uid != 0 {
		if err := out.Chown(int(q.uid), int(q.gid)); err != nil {
			return failed(err, "The image store cannot be written.")
		}
		defer func() { err = errors.Join(err, out.Chown(os.Geteuid(), os.Getegid())) }()
	}
	return q.run(ctx, in, out, from, to, c.MaxBytes)
}

// run is the process. Its files 3 and 4 are all that it can open: their names lead
// to what is open, wherever that lies.
func (q *Converter) run(ctx context.Context, in, out *os.File, from, to string, maxBytes int64) error {
	ctx, cancel := context.WithTimeout(ctx, q.cfg.Deadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, q.limit, "--as="+strconv.FormatInt(q.cfg.MemoryBytes, 10), "--cpu="+strconv.Itoa(max(1, int(q.cfg.CPU.Seconds()))),
		"--fsize="+strconv.FormatInt(maxBytes, 10), "--core=0", "--nofile=64", "--nproc=512", q.program,
		"convert", "-t", "writeback", "-O", to, source(from), "/proc/self/fd/4")
	cmd.ExtraFiles = []*os.File{in, out}
	cmd.Env, cmd.Dir = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}, "/"
	var said bytes.Buffer
	cmd.Stderr = &head{b: &said}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if q.uid != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: q.uid, Gid: q.gid}
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC
	}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	// The death signal is that of the thread that started the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Run()
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return failed(err, "The conversion took longer than %s.", q.cfg.Deadline)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return failed(fmt.Errorf("%w: %s", err, strings.TrimSpace(said.String())), "The image cannot be converted from %s to %s%s.", from, to, why(err, said.String()))
}

// source names the open file 3 and its format, and for qcow2 rules out whatever
// the header may say of a file below.
func source(format string) string {
	below := ""
	if format == "qcow2" {
		below = `"backing":null,`
	}
	return `json:{"driver":"` + format + `",` + below + `"file":{"driver":"file","filename":"/proc/self/fd/3"}}`
}

// why names the limit that was passed, if one was.
func why(err error, said string) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if ws, is := exit.Sys().(syscall.WaitStatus); is && ws.Signaled() {
			switch ws.Signal() {
			case syscall.SIGXCPU, syscall.SIGKILL:
				return ": it takes too much time"
			case syscall.SIGXFSZ:
				return ": it grows too large"
			}
		}
	}
	if strings.Contains(said, "File too large") {
		return ": it grows too large"
	}
	return ""
}

// head keeps the first bytes of what a program says.
type head struct{ b *bytes.Buffer }

// Write implements io.Writer.
func (h *head) Write(p []byte) (int, error) {
	if room := 4096 - h.b.Len(); room > 0 {
		h.b.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
