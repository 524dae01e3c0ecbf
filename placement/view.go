package placement

import (
	"context"
	"sync"
	"time"
)

// maxAge bounds how old the view may get where other processes write too.
const maxAge = time.Second

// view is every provider in memory, read again where it changed. With a database
// of its own the process knows of every change; beside others it reads all again
// once the view is too old, or when asked for a fresh one.
type view struct {
	s     *Service
	alone bool

	mu    sync.Mutex
	all   *snapshot
	at    time.Time
	dirty map[string]bool
}

// snapshot is the providers at one moment; it is never changed.
type snapshot struct {
	list  []*Provider // in order of creation
	index map[string]int
	trees map[string][]*Provider // by root
}

func (v *view) touch(providers []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.dirty == nil {
		v.dirty = map[string]bool{}
	}
	for _, p := range providers {
		v.dirty[p] = true
	}
}

// get answers the providers; fresh refuses what another process may have changed.
func (v *view) get(ctx context.Context, fresh bool) (*snapshot, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	old := !v.alone && (fresh || v.s.clock.Now().Sub(v.at) > maxAge)
	if v.all != nil && !old && len(v.dirty) == 0 {
		return v.all, nil
	}
	// Taken before reading: what is touched meanwhile is read again next time.
	dirty := v.dirty
	v.dirty = nil
	var ids []string // nil: all
	if v.all != nil && !old {
		ids = make([]string, 0, len(dirty))
		for id := range dirty {
			ids = append(ids, id)
		}
	}
	now := v.s.clock.Now()
	read, err := v.s.store.Load(ctx, v.s.db, ids)
	if err != nil {
		v.dirty = dirty // still to be read
		return nil, err
	}
	if ids == nil {
		v.all, v.at = newSnapshot(read), now
	} else {
		v.all = v.all.with(read, dirty)
	}
	return v.all, nil
}

func newSnapshot(list []*Provider) *snapshot {
	out := &snapshot{list: list, index: make(map[string]int, len(list)), trees: make(map[string][]*Provider, len(list))}
	for i, p := range list {
		out.index[p.UUID] = i
		out.trees[p.Root] = append(out.trees[p.Root], p)
	}
	return out
}

// with replaces the changed providers. Where the set or a tree changed, which is
// rare, everything is put together anew.
func (s *snapshot) with(read []*Provider, changed map[string]bool) *snapshot {
	list := make([]*Provider, len(s.list), len(s.list)+len(read))
	copy(list, s.list)
	same := len(read) == len(changed)
	for _, p := range read {
		i, known := s.index[p.UUID]
		if !known || len(s.trees[p.Root]) != 1 || list[i].Root != p.Root {
			same = false
			break
		}
		list[i] = p
	}
	if same {
		return &snapshot{list: list, index: s.index, trees: s.trees}
	}
	list = list[:0]
	for _, p := range s.list {
		if !changed[p.UUID] {
			list = append(list, p)
		}
	}
	list = append(list, read...)
	sortBySeq(list)
	return newSnapshot(list)
}

// tree answers the providers of a tree, itself included.
func (s *snapshot) tree(root string) []*Provider {
	out := make([]*Provider, 0, len(s.trees[root]))
	for _, p := range s.trees[root] {
		out = append(out, s.list[s.index[p.UUID]]) // trees may hold an older reading
	}
	return out
}

func (s *snapshot) find(uuid string) *Provider {
	if i, ok := s.index[uuid]; ok {
		return s.list[i]
	}
	return nil
}
