package bulk

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// Refusal is a bulk request that is refused as a whole. Its Status is told in the
// report.
type Refusal struct{ Status, Text string }

func (r Refusal) Error() string { return r.Text }

// Names reads what is to be deleted: a name a line, escaped as in a URL. max bounds
// a line, in bytes before unescaping. The error is a Refusal, or the reader's.
func Names(r io.Reader, max int) ([]string, error) {
	var names []string
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 4096), 2*max+2)
	for s.Scan() {
		name := strings.TrimSpace(s.Text())
		if len(name) > 2*max {
			return nil, Refusal{"400 Bad Request", "Invalid File Name"}
		}
		names = append(names, unquote(name))
		if len(names) > MaxDeletes {
			return nil, Refusal{"413 Request Entity Too Large", fmt.Sprintf("Maximum Bulk Deletes: %d per request", MaxDeletes)}
		}
	}
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		return nil, Refusal{"400 Bad Request", "Invalid File Name"}
	}
	return names, s.Err()
}

// unquote undoes escapes, and leaves alone what is none.
func unquote(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if u, err := url.PathUnescape(s[i : i+3]); err == nil {
				b.WriteString(u)
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// Quote escapes a name as reports spell it.
func Quote(s string) string {
	parts := strings.Split(s, "/")
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(url.QueryEscape(p), "+", "%20")
	}
	return strings.Join(parts, "/")
}
