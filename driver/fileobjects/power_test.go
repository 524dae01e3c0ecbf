package fileobjects_test

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

// errPower is what everything gives after the power was cut.
var errPower = errors.New("the power is cut")

// disk is a file system in memory that forgets, when its power is cut, all that was
// not synced: bytes of files, and what was made, removed or renamed in directories.
// It is the worst one that the rules of fileobjects.FS allow.
type disk struct {
	mu    sync.Mutex
	now   map[string]*node // what running programs see, by path
	kept  map[string]*node // what is left after a cut
	steps int              // operations so far
	cutAt int              // cut before this operation; -1: never
	torn  bool             // half of unsynced bytes survive the cut, instead of none
}

type node struct {
	dir          bool
	bytes, saved []byte
}

func newDisk() *disk {
	root := &node{dir: true}
	return &disk{now: map[string]*node{"/": root}, kept: map[string]*node{"/": root}, cutAt: -1}
}

// step counts an operation, and cuts the power before it.
func (d *disk) step() error {
	if d.cutAt >= 0 && d.steps >= d.cutAt {
		return errPower
	}
	d.steps++
	return nil
}

// restart is the disk after the power is back.
func (d *disk) restart() *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := newDisk()
	for _, name := range slices.Sorted(maps.Keys(d.kept)) {
		n := d.kept[name]
		if parent := out.kept[filepath.Dir(name)]; parent == nil {
			continue // its directory was lost
		}
		saved := slices.Clone(n.saved)
		if d.torn && len(n.bytes) > len(saved) {
			saved = slices.Clone(n.bytes[:len(saved)+(len(n.bytes)-len(saved))/2])
		}
		copied := &node{dir: n.dir, bytes: saved, saved: saved}
		out.kept[name], out.now[name] = copied, copied
	}
	return out
}

func (d *disk) do(f func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	return f()
}

func (d *disk) Create(name string) (fileobjects.File, error) {
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
	d *disk
	n *node
}

func (h *handle) Write(p []byte) (int, error) {
	err := h.d.do(func() error { h.n.bytes = append(h.n.bytes, p...); return nil })
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

func (h *handle) Sync() error {
	return h.d.do(func() error { h.n.saved = slices.Clone(h.n.bytes); return nil })
}

func (h *handle) Close() error { return nil }

func (h *handle) ReadAt(p []byte, off int64) (int, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	return copy(p, h.n.bytes[off:]), nil
}

func (h *handle) Size() (int64, error) { return int64(len(h.n.bytes)), nil }

func (d *disk) Open(name string) (fileobjects.Reading, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.now[name]
	if n == nil {
		return nil, fs.ErrNotExist
	}
	return &handle{d, n}, nil
}

func (d *disk) Mkdir(name string) error {
	return d.do(func() error {
		if d.now[name] != nil {
			return fs.ErrExist
		}
		d.now[name] = &node{dir: true}
		return nil
	})
}

func (d *disk) Rename(from, to string) error {
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

func (d *disk) Remove(name string) error {
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

func (d *disk) children(in map[string]*node, dir string) []string {
	var out []string
	for name := range in {
		if rest, is := strings.CutPrefix(name, strings.TrimSuffix(dir, "/")+"/"); is && rest != "" && !strings.Contains(rest, "/") {
			out = append(out, rest)
		}
	}
	return out
}

func (d *disk) ReadDir(name string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.now[name] == nil {
		return nil, fs.ErrNotExist
	}
	return d.children(d.now, name), nil
}

// SyncDir makes what is in the directory now what is there after a cut.
func (d *disk) SyncDir(name string) error {
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
