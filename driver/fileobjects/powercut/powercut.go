// Package powercut is a disk for tests, whose power can be cut before any operation.
// What was not synced is lost then, as the rules of fileobjects.FS allow: bytes of
// files, and what was made, removed or renamed in directories.
package powercut

import (
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"altostack/driver/fileobjects"
)

// ErrPower is what everything gives after the power was cut.
var ErrPower = errors.New("the power is cut")

// Disk is a file system in memory.
type Disk struct {
	// Step is called before each operation; an error of it is that of the
	// operation, which then does nothing. nil: all goes well.
	Step func() error
	// Torn keeps half of the bytes that were not synced, instead of none.
	Torn bool

	mu   sync.Mutex
	now  map[string]*node // what running programs see, by path
	kept map[string]*node // what is left after a cut
}

// Counter counts steps of one or several disks, and cuts the power before one.
type Counter struct {
	CutAt int // -1: never
	mu    sync.Mutex
	steps int
}

// Steps answers how many there were.
func (c *Counter) Steps() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.steps
}

// Step counts one; from CutAt on it answers ErrPower.
func (c *Counter) Step() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.CutAt >= 0 && c.steps >= c.CutAt {
		return ErrPower
	}
	c.steps++
	return nil
}

type node struct {
	dir          bool
	bytes, saved []byte
}

// New makes an empty disk.
func New() *Disk {
	root := &node{dir: true}
	return &Disk{now: map[string]*node{"/": root}, kept: map[string]*node{"/": root}}
}

// Restart is the disk after the power is back.
func (d *Disk) Restart() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := New()
	for _, name := range slices.Sorted(maps.Keys(d.kept)) {
		n := d.kept[name]
		if parent := out.kept[filepath.Dir(name)]; parent == nil {
			continue // its directory was lost
		}
		saved := slices.Clone(n.saved)
		if d.Torn && len(n.bytes) > len(saved) {
			saved = slices.Clone(n.bytes[:len(saved)+(len(n.bytes)-len(saved))/2])
		}
		copied := &node{dir: n.dir, bytes: saved, saved: saved}
		out.kept[name], out.now[name] = copied, copied
	}
	return out
}

func (d *Disk) do(f func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.Step != nil {
		if err := d.Step(); err != nil {
			return err
		}
	}
	return f()
}

// Create makes a new file.
func (d *Disk) Create(name string) (fileobjects.File, error) {
	n := &node{}
	err := d.do(func() error {
		if d.now[filepath.Dir(name)] == nil {
			return fs.ErrNotExist
		}
		if d.now[name] != nil {
			return fs.ErrExist
		}
		d.now[name] = n
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &handle{d, n}, nil
}

type handle struct {
	d *Disk
	n *node
}

// Write implements io.Writer.
func (h *handle) Write(p []byte) (int, error) {
	err := h.d.do(func() error { h.n.bytes = append(h.n.bytes, p...); return nil })
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// Sync makes the bytes durable.
func (h *handle) Sync() error {
	return h.d.do(func() error { h.n.saved = slices.Clone(h.n.bytes); return nil })
}

// Close implements io.Closer.
func (h *handle) Close() error { return nil }

// ReadAt implements io.ReaderAt.
func (h *handle) ReadAt(p []byte, off int64) (int, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	return copy(p, h.n.bytes[off:]), nil
}

// Size implements fileobjects.Reading.
func (h *handle) Size() (int64, error) { return int64(len(h.n.bytes)), nil }

// Open opens a file.
func (d *Disk) Open(name string) (fileobjects.Reading, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.now[name]
	if n == nil {
		return nil, fs.ErrNotExist
	}
	return &handle{d, n}, nil
}

// Mkdir makes a directory.
func (d *Disk) Mkdir(name string) error {
	return d.do(func() error {
		if d.now[name] != nil {
			return fs.ErrExist
		}
		d.now[name] = &node{dir: true}
		return nil
	})
}

// Rename moves a file.
func (d *Disk) Rename(from, to string) error {
	return d.do(func() error {
		n := d.now[from]
		if n == nil {
			return fs.ErrNotExist
		}
		delete(d.now, from)
		d.now[to] = n
		return nil
	})
}

// Remove removes a file or an empty directory.
func (d *Disk) Remove(name string) error {
	return d.do(func() error {
		n := d.now[name]
		if n == nil {
			return fs.ErrNotExist
		}
		if n.dir && len(d.children(d.now, name)) > 0 {
			return errors.New("not empty")
		}
		delete(d.now, name)
		return nil
	})
}

func (d *Disk) children(in map[string]*node, dir string) []string {
	var out []string
	for name := range in {
		if rest, is := strings.CutPrefix(name, strings.TrimSuffix(dir, "/")+"/"); is && rest != "" && !strings.Contains(rest, "/") {
			out = append(out, rest)
		}
	}
	return out
}

// ReadDir answers the names in a directory.
func (d *Disk) ReadDir(name string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.now[name] == nil {
		return nil, fs.ErrNotExist
	}
	return d.children(d.now, name), nil
}

// SyncDir makes what is in the directory now what is there after a cut.
func (d *Disk) SyncDir(name string) error {
	return d.do(func() error {
		for _, c := range d.children(d.kept, name) {
			if path := filepath.Join(name, c); d.now[path] == nil {
				delete(d.kept, path)
			}
		}
		for _, c := range d.children(d.now, name) {
			path := filepath.Join(name, c)
			d.kept[path] = d.now[path]
		}
		return nil
	})
}
