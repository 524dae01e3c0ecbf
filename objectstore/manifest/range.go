package manifest

import (
	"errors"
	"strconv"
	"strings"
)

// Range is one byte range as a client writes it: 0-9, 5-, or -5. The zero of an
// absent end is -1.
type Range struct{ First, Last int64 }

var errRange = errors.New("not a byte range")

// ParseRange reads a range without its unit.
func ParseRange(s string) (Range, error) {
	a, b, ok := strings.Cut(s, "-")
	if !ok || a == "" && b == "" {
		return Range{}, errRange
	}
	number := func(s string) (int64, error) {
		if s == "" {
			return -1, nil
		}
		if s[0] < '0' || s[0] > '9' {
			return 0, errRange
		}
		return strconv.ParseInt(s, 10, 64)
	}
	first, err := number(strings.TrimSpace(a))
	if err != nil {
		return Range{}, errRange
	}
	last, err := number(strings.TrimSpace(b))
	if err != nil || first >= 0 && last >= 0 && first > last {
		return Range{}, errRange
	}
	return Range{first, last}, nil
}

// Of answers the part of an object of the given size; ok is false where there is none.
func (r Range) Of(size int64) (first, length int64, ok bool) {
	switch {
	case r.First < 0:
		n := min(r.Last, size)
		return size - n, n, n > 0
	case r.First >= size:
		return 0, 0, false
	case r.Last < 0 || r.Last >= size:
		return r.First, size - r.First, true
	}
	return r.First, r.Last - r.First + 1, true
}

// Spell writes the range of what was resolved, as manifests keep it.
func Spell(first, length int64) string {
	return strconv.FormatInt(first, 10) + "-" + strconv.FormatInt(first+length-1, 10)
}
