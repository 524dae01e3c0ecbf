package objectstore

import (
	"bytes"
	"context"
	"strings"
)

// Listing is what a client asks of a list of names. Marker and EndMarker are left
// out themselves; with Reverse the list starts below Marker and ends above
// EndMarker. Path, where not nil, lists what is directly in a pseudo-directory,
// and then Prefix and Delimiter are its own.
type Listing struct {
	Prefix, Delimiter string
	Marker, EndMarker string
	Path              *string
	Reverse           bool
	Limit             int
	// Stamp continues a list of versions within the name Marker.
	Stamp int64
}

// Entry is one line of a listing: an item, or a Subdir that stands for all names
// that start with it.
type Entry[T any] struct {
	Subdir string
	Item   T
}

// smallBatch is how much is read when most of it is likely to be jumped over.
const smallBatch = 4

// Seek makes a listing out of reads of ranges. key answers an item's name, and its
// stamp where several items share a name. Below a sub-prefix nothing is read but
// the first batch: the next read starts behind it. Rules: Swift's container
// backend.
func Seek[T any](l Listing, key func(T) (string, int64), read func(Window) ([]T, error)) ([]Entry[T], error) {
	s := seeker{Listing: l, batch: l.Limit}
	if l.Delimiter != "" || l.Path != nil {
		s.batch = 16 * smallBatch
	}
	if l.Path != nil {
		s.Delimiter, s.Prefix = "/", ""
		if *l.Path != "" {
			s.Prefix = strings.TrimSuffix(*l.Path, "/") + "/"
		}
	}
	s.start()
	var out []Entry[T]
	for len(out) < l.Limit {
		s.w.Limit = max(1, min(s.batch, l.Limit-len(out)))
		rows, err := read(s.w)
		if err != nil {
			return nil, err
		}
		jumped := false
		for _, row := range rows {
			name, stamp := key(row)
			if s.behind != "" && strings.HasPrefix(name, s.behind) && (s.Path == nil || name != s.behind) {
				continue // of the same batch, below a sub-prefix already told
			}
			s.behind, jumped = "", false
			s.pass(name, stamp)
			switch dir, skip := s.dir(name); {
			case dir == "" && !skip:
				out = append(out, Entry[T]{Item: row})
			case dir != "":
				if !skip && dir != l.Marker {
					out = append(out, Entry[T]{Subdir: dir})
				}
				s.jump(dir)
				jumped = true
			}
			if len(out) >= l.Limit {
				return out, nil
			}
		}
		if len(rows) < s.w.Limit {
			return out, nil
		}
		s.adapt(jumped)
	}
	return out, nil
}

type seeker struct {
	Listing
	w      Window
	batch  int
	behind string // sub-prefix that the window was moved behind
}

func (s *seeker) start() {
	marker, end := []byte(s.Marker), []byte(s.EndMarker)
	if s.Reverse {
		marker, end = end, marker
	}
	s.w.Reverse = s.Reverse
	s.w.Min = []byte(s.Prefix)
	if len(marker) > 0 && bytes.Compare(marker, s.w.Min) >= 0 {
		s.w.Min, s.w.After = marker, true
	}
	s.w.Max = Successor(s.Prefix)
	if len(end) > 0 && (s.w.Max == nil || bytes.Compare(end, s.w.Max) < 0) {
		s.w.Max = end
	}
	switch {
	case s.Stamp == 0 || s.Marker == "":
	case !s.Reverse && bytes.Equal(s.w.Min, []byte(s.Marker)), s.Reverse && bytes.Equal(s.w.Max, []byte(s.Marker)):
		s.w.Stamp = s.Stamp
	}
}

// pass moves the window behind an item.
func (s *seeker) pass(name string, stamp int64) {
	if s.w.Stamp = stamp; s.Reverse {
		s.w.Max = []byte(name)
		return
	}
	s.w.Min, s.w.After = []byte(name), true
}

// jump moves the window behind everything that starts with dir. A list of a path
// has dir itself, where there is such an object.
func (s *seeker) jump(dir string) {
	s.w.Stamp, s.behind = 0, dir
	switch {
	case s.Reverse && s.Path != nil:
		s.w.Max = []byte(dir + "\x00")
		return
	case s.Reverse:
		s.w.Max = []byte(dir)
		return
	}
	s.w.Min, s.w.After = Successor(dir), false
}

// dir answers the sub-prefix that a name is folded into, if any, and whether it is
// not to be told.
func (s *seeker) dir(name string) (dir string, skip bool) {
	if s.Path != nil && name == s.Prefix {
		return "", true
	}
	if s.Delimiter == "" || len(name) < len(s.Prefix) {
		return "", false
	}
	at := strings.Index(name[len(s.Prefix):], s.Delimiter)
	if at < 0 {
		return "", false
	}
	end := len(s.Prefix) + at + len(s.Delimiter)
	if s.Path != nil {
		if len(name) == end {
			return "", false
		}
		return name[:end], true
	}
	return name[:end], false
}

// adapt reads little after a batch that ended below a sub-prefix, and more again
// as long as batches are of use.
func (s *seeker) adapt(jumped bool) {
	if jumped {
		s.batch = smallBatch
		return
	}
	s.batch = min(s.batch*4, s.Limit)
}

// Successor is the least string of bytes above everything that starts with prefix;
// nil where there is none.
func Successor(prefix string) []byte {
	b := []byte(prefix)
	for len(b) > 0 {
		if last := len(b) - 1; b[last] < 0xff {
			b[last]++
			return b
		}
		b = b[:len(b)-1]
	}
	return nil
}

// Objects lists the objects of a container, but not those whose time is up.
func (s *Service) Objects(ctx context.Context, c Container, l Listing) ([]Entry[Object], error) {
	now := s.clock.Now().Unix()
	return Seek(l, func(o Object) (string, int64) { return o.Name, 0 }, func(w Window) ([]Object, error) {
		w.At = now
		return s.store.Objects(ctx, s.db, c.ID, w)
	})
}

// Versions lists every version in a container, delete markers included, newest
// first within a name.
func (s *Service) Versions(ctx context.Context, c Container, l Listing) ([]Entry[Object], error) {
	return Seek(l, func(o Object) (string, int64) { return o.Name, o.Stamp }, func(w Window) ([]Object, error) {
		return s.store.Versions(ctx, s.db, c.ID, w)
	})
}

// Containers lists the containers of an account, with their usage.
func (s *Service) Containers(ctx context.Context, account string, l Listing) ([]Entry[Container], error) {
	return Seek(l, func(c Container) (string, int64) { return c.Name, 0 }, func(w Window) ([]Container, error) {
		return s.store.Containers(ctx, s.db, account, w)
	})
}
