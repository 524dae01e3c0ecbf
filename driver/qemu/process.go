package qemu

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// processes starts guests' processes and finds them again. Tests have one that
// starts nothing.
type processes interface {
	start(launch) (process, error)
	// find answers the processes whose working directory is a guest's, by the
	// guest's id. Those it is not sure of are not ours.
	find(run string, uids uidRange) (map[string]process, error)
}

// process is one running QEMU, a child of ours or of a predecessor of ours.
type process interface {
	pid() int
	gone() <-chan struct{} // closed once it has ended
	kill() error           // at once; one that has ended is success
	release()              // stop watching; the process goes on
}

// launch is a process to start.
type launch struct {
	dir    string // working directory: the guest's own
	args   []string
	files  []*os.File // descriptors from number 3 on
	uid    int
	groups []int    // supplementary groups
	log    *os.File // standard output and error
	cgroup *os.File // to be born in, or nil
}

// uidRange is the range of user ids that guests get.
type uidRange struct{ base, count int }

func (r uidRange) contains(uid int) bool { return uid >= r.base && uid < r.base+r.count }

// linux is the real thing.
type linux struct{ binary string }

func (l linux) start(what launch) (process, error) {
	dir, err := os.Open(what.dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	cmd := &exec.Cmd{
		Path: l.binary, Args: append([]string{l.binary}, what.args...),
		// Through the descriptor, as the new user may not walk the way to it.
		Dir: fmt.Sprintf("/proc/self/fd/%d", dir.Fd()),
		Env: []string{"LANG=C", "PATH=/usr/bin:/bin"}, Stdout: what.log, Stderr: what.log,
		ExtraFiles: what.files,
		SysProcAttr: &syscall.SysProcAttr{
			Setsid:     true,
			Credential: &syscall.Credential{Uid: uint32(what.uid), Gid: uint32(what.uid)},
		},
	}
	for _, group := range what.groups {
		cmd.SysProcAttr.Credential.Groups = append(cmd.SysProcAttr.Credential.Groups, uint32(group))
	}
	if what.cgroup != nil {
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(what.cgroup.Fd())
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p, err := watchProcess(cmd.Process.Pid)
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, err
	}
	go p.wait()
	_ = cmd.Process.Release() // wait reaps it
	return p, nil
}

func (l linux) find(run string, uids uidRange) (map[string]process, error) {
	run, err := filepath.EvalSymlinks(run)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	found := map[string]process{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || guestOf(pid, run, uids) == "" {
			continue
		}
		p, err := watchProcess(pid)
		if err != nil {
			continue // it has just ended
		}
		// Only what is true while we hold the descriptor is true of this process.
		if id := guestOf(pid, run, uids); id != "" && found[id] == nil {
			found[id] = p
			go p.wait()
		} else {
			_ = p.file.Close()
		}
	}
	return found, nil
}

// guestOf answers the guest that a process runs, or nothing: it must be in the
// guest's directory, one of our users, and be told the guest's id.
func guestOf(pid int, run string, uids uidRange) string {
	proc := "/proc/" + strconv.Itoa(pid)
	cwd, err := os.Readlink(proc + "/cwd")
	cwd = strings.TrimSuffix(cwd, " (deleted)")
	if err != nil || filepath.Dir(cwd) != run {
		return ""
	}
	status, err := os.ReadFile(proc + "/status")
	if err != nil || !uids.contains(statusUID(string(status))) {
		return ""
	}
	cmdline, err := os.ReadFile(proc + "/cmdline")
	id := filepath.Base(cwd)
	args := bytes.Split(cmdline, []byte{0})
	at := slices.IndexFunc(args, func(a []byte) bool { return string(a) == "-name" })
	if err != nil || at < 0 || at+1 >= len(args) || string(args[at+1]) != id {
		return ""
	}
	return id
}

func statusUID(status string) int {
	_, after, _ := strings.Cut(status, "\nUid:\t")
	first, _, _ := strings.Cut(after, "\t")
	uid, err := strconv.Atoi(first)
	if err != nil {
		return -1
	}
	return uid
}

// watched is a process held by a pidfd, which names it for ever, whatever
// becomes of its number.
type watched struct {
	id    int
	file  *os.File
	ended chan struct{}
}

func watchProcess(pid int) (*watched, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("pidfd: %w", err)
	}
	return &watched{pid, os.NewFile(uintptr(fd), "pidfd"), make(chan struct{})}, nil
}

func (w *watched) pid() int              { return w.id }
func (w *watched) gone() <-chan struct{} { return w.ended }
func (w *watched) release()              { _ = w.file.Close() }

func (w *watched) kill() error {
	raw, err := w.file.SyscallConn()
	if err != nil {
		return err
	}
	var killed error
	err = raw.Control(func(fd uintptr) { killed = unix.PidfdSendSignal(int(fd), unix.SIGKILL, nil, 0) })
	select {
	case <-w.ended: // and its descriptor closed
		return nil
	default:
	}
	if errors.Is(killed, unix.ESRCH) {
		return nil
	}
	return errors.Join(err, killed)
}

// wait ends with the process, or when it is released. It costs no thread: a
// pidfd becomes readable when its process ends.
func (w *watched) wait() {
	raw, err := w.file.SyscallConn()
	if err != nil {
		return
	}
	err = raw.Read(func(fd uintptr) bool {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(poll, 0)
		return err == nil && n == 1
	})
	if err != nil {
		return // released
	}
	// Reap it if it is a child of ours; a predecessor's belongs to init.
	_ = raw.Control(func(fd uintptr) { _ = unix.Waitid(unix.P_PIDFD, int(fd), nil, unix.WEXITED, nil) })
	close(w.ended)
	_ = w.file.Close()
}
