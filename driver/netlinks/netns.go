package netlinks

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// runDir is where named namespaces are, as ip-netns(8) keeps them.
const runDir = "/run/netns"

// space is a network namespace that is open. Holding it open keeps it alive:
// when somebody deletes its name, it is named again and nothing in it is lost.
type space struct {
	name   string // empty: the root namespace
	handle netns.NsHandle
	nl     *netlink.Handle
	nft    *nl.SocketHandle
	id     fileID
	gen    uint32            // of the ruleset after our last change; 0: unknown
	tables map[string]Table  // as last applied, by family and name
	listed string            // root namespace: our tables as the kernel lists them
	serve  map[string]server // running servers by key
}

// fileID tells one namespace from another.
type fileID struct{ dev, ino uint64 }

func idOf(path string) (fileID, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return fileID{}, err
	}
	return fileID{uint64(st.Dev), st.Ino}, nil
}

// openSpace opens the namespace of that name, making it if it is not there.
func openSpace(name string) (*space, error) {
	if name == "" {
		return enter(name, "/proc/thread-self/ns/net") // not self: that is the first thread's
	}
	path := filepath.Join(runDir, name)
	if h, err := netns.GetFromPath(path); err == nil {
		known := isNamespace(int(h))
		h.Close()
		if known {
			return enter(name, path)
		}
	}
	if err := createNamespace(name); err != nil {
		return nil, fmt.Errorf("make network namespace %s: %w", name, err)
	}
	return enter(name, path)
}

// isNamespace tells a namespace from the plain file that is left when its mount
// went away (a reboot's, or half a deletion's).
func isNamespace(fd int) bool {
	var fs unix.Statfs_t
	return unix.Fstatfs(fd, &fs) == nil && fs.Type == unix.NSFS_MAGIC
}

func enter(name, path string) (*space, error) {
	h, err := netns.GetFromPath(path)
	if err != nil {
		return nil, fmt.Errorf("open network namespace %s: %w", path, err)
	}
	s := &space{name: name, handle: h, tables: map[string]Table{}, serve: map[string]server{}}
	if s.id, err = idOf(path); err != nil {
		h.Close()
		return nil, fmt.Errorf("identify network namespace %s: %w", path, err)
	}
	if s.nl, err = netlink.NewHandleAt(h, unix.NETLINK_ROUTE, unix.NETLINK_NETFILTER); err != nil {
		h.Close()
		return nil, fmt.Errorf("netlink in %s: %w", path, err)
	}
	sock, err := nl.GetNetlinkSocketAt(h, netns.None(), unix.NETLINK_NETFILTER)
	if err != nil {
		s.nl.Close()
		h.Close()
		return nil, fmt.Errorf("netlink in %s: %w", path, err)
	}
	s.nft = &nl.SocketHandle{Socket: sock}
	return s, nil
}

// createNamespace makes a namespace and gives it a name.
func createNamespace(name string) error {
	if err := prepareRunDir(); err != nil {
		return err
	}
	path := filepath.Join(runDir, name)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o444)
	if err != nil {
		return err
	}
	f.Close()
	err = apart(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		return unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, "")
	})
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// apart runs fn on a thread of its own and brings the thread back to the
// namespace it was in; failing that, the thread dies with the goroutine.
func apart(fn func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		home, err := netns.Get()
		if err != nil {
			done <- err
			return
		}
		defer home.Close()
		err = fn()
		if netns.Set(home) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

// prepareRunDir makes the directory of names a shared mount of its own, as
// ip-netns(8) does, so that names made here are seen in every mount namespace.
func prepareRunDir() error {
	if err := os.MkdirAll(runDir, 0o755); err != nil {
		return err
	}
	err := unix.Mount("", runDir, "none", unix.MS_SHARED|unix.MS_REC, "")
	if errors.Is(err, unix.EINVAL) { // not a mount point yet
		if err = unix.Mount(runDir, runDir, "none", unix.MS_BIND|unix.MS_REC, ""); err == nil {
			err = unix.Mount("", runDir, "none", unix.MS_SHARED|unix.MS_REC, "")
		}
	}
	return err
}

// named reports whether the namespace still has its name.
func (s *space) named() bool {
	if s.name == "" {
		return true
	}
	id, err := idOf(filepath.Join(runDir, s.name))
	return err == nil && id == s.id
}

// rename gives the namespace its name back.
func (s *space) rename() error {
	if s.named() {
		return nil
	}
	if err := prepareRunDir(); err != nil {
		return err
	}
	path := filepath.Join(runDir, s.name)
	if err := unname(s.name); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o444)
	if err != nil {
		return err
	}
	f.Close()
	return unix.Mount(fmt.Sprintf("/proc/self/fd/%d", int(s.handle)), path, "", unix.MS_BIND, "")
}

// unname takes a namespace's name away. None is success.
func unname(name string) error {
	path := filepath.Join(runDir, name)
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// do runs fn on a thread that is in the namespace. What fn opens stays there.
func (s *space) do(fn func() error) error {
	return apart(func() error {
		if err := netns.Set(s.handle); err != nil {
			return fmt.Errorf("enter network namespace %q: %w", s.name, err)
		}
		return fn()
	})
}

// close lets the namespace go; it stays as it is.
func (s *space) close() {
	for _, srv := range s.serve {
		srv.stop()
	}
	s.nft.Close()
	s.nl.Close()
	s.handle.Close()
}

// namespaces lists the names that are this cloud's.
func namespaces(cloud string) ([]string, error) {
	entries, err := os.ReadDir(runDir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if ownNamespace(cloud, e.Name()) {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// readSysctl reads a setting; call it on a thread in the namespace.
func readSysctl(key string) (string, error) {
	b, err := os.ReadFile("/proc/sys/" + key)
	return strings.TrimSpace(string(b)), err
}

func writeSysctl(key, value string) error {
	if err := os.WriteFile("/proc/sys/"+key, []byte(value), 0o644); err != nil {
		return fmt.Errorf("set %s=%s: %w", key, value, err)
	}
	return nil
}
