package api

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"altostack/objectstore"
)

// Bounds of a Range header, against requests that make a server send one object
// many times over. Source: Swift's swob.
const (
	maxRanges       = 50
	maxOverlaps     = 2
	maxNotAscending = 8
)

// span is a satisfiable range.
type span struct{ first, length int64 }

func (s span) header(size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", s.first, s.first+s.length-1, size)
}

// parseRanges reads a Range header. asked is false where there is none, or one
// that means nothing and is passed over; no ranges then means that none can be
// satisfied.
func parseRanges(header string, size int64) (ranges []span, asked bool) {
	header = strings.ToLower(strings.NewReplacer(" ", "", "\t", "").Replace(header))
	set, is := strings.CutPrefix(header, "bytes=")
	if !is {
		return nil, false
	}
	for _, part := range strings.Split(set, ",") {
		from, to, dash := strings.Cut(strings.TrimSpace(part), "-")
		if !dash {
			return nil, false
		}
		r, valid := parseRange(strings.TrimSpace(from), strings.TrimSpace(to), size)
		if !valid {
			return nil, false
		}
		if r.length > 0 {
			ranges = append(ranges, r)
		}
	}
	if len(ranges) == 0 && size == 0 && strings.HasPrefix(set, "-") && set != "-0" {
		return nil, false // up to the last n bytes of nothing: the whole
	}
	if tooMany(ranges) {
		return nil, true
	}
	return ranges, true
}

func parseRange(from, to string, size int64) (span, bool) {
	if from == "" {
		n, err := strconv.ParseInt(to, 10, 64)
		if err != nil || n < 0 {
			return span{}, false
		}
		n = min(n, size)
		return span{size - n, n}, true
	}
	first, err := strconv.ParseInt(from, 10, 64)
	if err != nil || first < 0 {
		return span{}, false
	}
	last := size - 1
	if to != "" {
		n, err := strconv.ParseInt(to, 10, 64)
		if err != nil || n < first {
			return span{}, false
		}
		last = min(n, last)
	}
	if first > last {
		return span{}, true
	}
	return span{first, last - first + 1}, true
}

func tooMany(ranges []span) bool {
	if len(ranges) > maxRanges {
		return true
	}
	overlaps, down := 0, 0
	for i, r := range ranges {
		if i > 0 && r.first < ranges[i-1].first {
			down++
		}
		for _, other := range ranges[:i] {
			if r.first < other.first+other.length && other.first < r.first+r.length {
				overlaps++
				break
			}
		}
	}
	return overlaps > maxOverlaps || down > maxNotAscending
}

// sendMany answers several ranges as multipart/byteranges.
func (c *Call) sendMany(content objectstore.Content, ranges []span) error {
	boundary := c.W.Header().Get("X-Trans-Id")
	boundary = strings.ReplaceAll(boundary, "-", "")
	ct := c.W.Header().Get("Content-Type")
	heads, total := make([]string, len(ranges)), int64(0)
	for i, r := range ranges {
		heads[i] = fmt.Sprintf("--%s\r\nContent-Type: %s\r\nContent-Range: %s\r\n\r\n", boundary, ct, r.header(content.Size))
		total += int64(len(heads[i])) + r.length + 2
	}
	end := "--" + boundary + "--"
	h := c.W.Header()
	h.Set("Content-Type", "multipart/byteranges;boundary="+boundary)
	h.Set("Content-Length", itoa(total+int64(len(end))))
	for i, r := range ranges {
		body, err := content.Open(c.R.Context(), r.first, r.length)
		if err != nil {
			return err
		}
		if i == 0 {
			c.W.WriteHeader(http.StatusPartialContent)
		}
		_, err = c.W.Write([]byte(heads[i]))
		if err == nil {
			err = c.pour(body, r.length)
		}
		_ = body.Close()
		if err != nil || c.R.Context().Err() != nil {
			return err
		}
		if _, err := c.W.Write([]byte("\r\n")); err != nil {
			return nil //nolint:nilerr // the client went away
		}
	}
	_, _ = c.W.Write([]byte(end))
	return nil
}

// firstRange is for requests that take one range at most (copies).
func firstRange(header string, size int64) (span, error) {
	ranges, asked := parseRanges(header, size)
	switch {
	case !asked:
		return span{0, size}, nil
	case len(ranges) == 0:
		return span{}, Refuse(http.StatusRequestedRangeNotSatisfiable, "")
	case len(ranges) > 1:
		return span{}, Refuse(http.StatusRequestedRangeNotSatisfiable, "")
	}
	return slices.Clone(ranges)[0], nil
}
