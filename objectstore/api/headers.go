package api

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"altostack/objectstore"
)

// Bounds of metadata. Source: Swift's constraints.
const (
	maxMetaName    = 128
	maxMetaValue   = 256
	maxMetaCount   = 90
	maxMetaOverall = 4096
	maxHeader      = 8192
	listingLimit   = 10000
)

// MetaChanges reads X-<kind>-Meta-* and X-Remove-<kind>-Meta-* of a request (kind
// is Account, Container or Object) as changes for objectstore.Merge. Names are
// spelled as Go spells header names.
func MetaChanges(h http.Header, kind string) map[string]string {
	out := map[string]string{}
	set, remove := "X-"+kind+"-Meta-", "X-Remove-"+kind+"-Meta-"
	for name, values := range h {
		if key, is := strings.CutPrefix(name, remove); is && key != "" && kind != "Object" {
			if _, set := out[key]; !set {
				out[key] = ""
			}
		}
		if key, is := strings.CutPrefix(name, set); is && key != "" {
			out[key] = strings.Join(values, ",")
		}
	}
	return out
}

// checkMeta holds a request's metadata to the bounds.
func checkMeta(h http.Header, kind string) error {
	prefix := "X-" + kind + "-Meta-"
	count, size := 0, 0
	for _, name := range slices.Sorted(maps.Keys(h)) {
		value := strings.Join(h[name], ",")
		if len(value) > maxHeader {
			return Refuse(http.StatusBadRequest, "Header value too long: %s", name[:min(len(name), maxMetaName)])
		}
		key, is := strings.CutPrefix(name, prefix)
		if !is {
			continue
		}
		if key == "" {
			return Refuse(http.StatusBadRequest, "Metadata name cannot be empty")
		}
		if kind != "Object" && (!validUTF8(key) || value != "" && !validUTF8(value)) {
			return Refuse(http.StatusBadRequest, "Metadata must be valid UTF-8")
		}
		count, size = count+1, size+len(key)+len(value)
		switch {
		case len(key) > maxMetaName:
			return Refuse(http.StatusBadRequest, "Metadata name too long: %s%s", strings.ToLower(prefix), key)
		case len(value) > maxMetaValue:
			return Refuse(http.StatusBadRequest, "Metadata value longer than %d: %s%s", maxMetaValue, strings.ToLower(prefix), key)
		case count > maxMetaCount:
			return Refuse(http.StatusBadRequest, "Too many metadata items; max %d", maxMetaCount)
		case size > maxMetaOverall:
			return Refuse(http.StatusBadRequest, "Total metadata too large; max %d", maxMetaOverall)
		}
	}
	return nil
}

// checkTotal holds the metadata that an account or a container would have to the
// bounds.
func checkTotal(meta map[string]string) error {
	size := 0
	for k, v := range meta {
		size += len(k) + len(v)
	}
	if len(meta) > maxMetaCount {
		return Refuse(http.StatusBadRequest, "Too many metadata items; max %d", maxMetaCount)
	}
	if size > maxMetaOverall {
		return Refuse(http.StatusBadRequest, "Total metadata too large; max %d", maxMetaOverall)
	}
	return nil
}

func validUTF8(s string) bool { return s != "" && utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// ownerOnly are headers that only an account's owner sees.
var ownerOnly = []string{"X-Container-Read", "X-Container-Write", "X-Container-Sync-Key", "X-Container-Sync-To",
	"X-Account-Meta-Temp-Url-Key", "X-Account-Meta-Temp-Url-Key-2", "X-Container-Meta-Temp-Url-Key", "X-Container-Meta-Temp-Url-Key-2", "X-Account-Access-Control"}

func (c *Call) hideOwners() {
	if !c.Grant.Owner {
		for _, name := range ownerOnly {
			c.W.Header().Del(name)
		}
	}
}

func writeMeta(h http.Header, kind string, meta map[string]string) {
	for k, v := range meta {
		h["X-"+kind+"-Meta-"+k] = []string{v}
	}
}

// Timestamp spells an instant as Swift does: seconds with five decimals.
func Timestamp(t time.Time) string { return objectstore.VersionID(t.UnixMicro()) }

// LastModified spells an instant for the header: the second that it lies in is
// over.
func LastModified(t time.Time) string {
	return time.Unix(int64(math.Ceil(float64(t.UnixMicro())/1e6)), 0).UTC().Format(http.TimeFormat)
}

// ListingTime spells an instant for listings.
func ListingTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000") }

// kept are headers of an object that are kept with it, in System under "header.".
var kept = []string{"Content-Disposition", "Content-Encoding", "Cache-Control", "Content-Language", "Expires", "X-Robots-Tag"}

const headerKey = "header."

// keepHeaders takes the headers that are kept out of a request.
func keepHeaders(h http.Header, system map[string]string) {
	for _, name := range kept {
		if v := h.Get(name); v != "" {
			system[headerKey+name] = v
		}
	}
}

// deleteAt reads X-Delete-After and X-Delete-At; 0: neither.
func (c *Call) deleteAt() (int64, error) {
	h := c.R.Header
	now := float64(c.Now.UnixMicro()) / 1e6
	if v := h.Get("X-Delete-After"); v != "" {
		n, ok := seconds(v)
		if !ok {
			return 0, Refuse(http.StatusBadRequest, "Non-integer X-Delete-After")
		}
		at := int64(min(now+float64(n), 9999999999))
		if n <= 0 || float64(at) <= now {
			return 0, Refuse(http.StatusBadRequest, "X-Delete-After in past")
		}
		return at, nil
	}
	v := h.Get("X-Delete-At")
	if v == "" {
		return 0, nil
	}
	n, ok := seconds(v)
	if !ok {
		return 0, Refuse(http.StatusBadRequest, "Non-integer X-Delete-At")
	}
	if float64(n) <= now {
		return 0, Refuse(http.StatusBadRequest, "X-Delete-At in past")
	}
	return n, nil
}

// maxSeconds is the last time that Swift knows.
const maxSeconds = 9999999999

// seconds reads a whole number, however large.
func seconds(v string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		err = nil // at its bound
	}
	return max(min(n, maxSeconds), -1), err == nil
}

// contentType answers the type of an object that is written.
func contentType(h http.Header, name string) (string, error) {
	ct := h.Get("Content-Type")
	if ct == "" || truthy(h.Get("X-Detect-Content-Type")) {
		if ct = types[strings.ToLower(path.Ext(name))]; ct == "" {
			ct = "application/octet-stream"
		}
	}
	if !validUTF8(ct) {
		return "", Refuse(http.StatusBadRequest, "Invalid Content-Type")
	}
	if i := strings.Index(strings.ToLower(ct), "swift_"); i >= 0 && strings.Contains(ct[:i], ";") {
		return "", Refuse(http.StatusBadRequest, "Invalid Content-Type, swift_* is not a valid parameter name.")
	}
	return ct, nil
}

// truthy reads a flag as Swift does.
func truthy(s string) bool {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true", "1", "yes", "on", "t", "y":
		return true
	}
	return false
}

// Truthy reads a flag of a header or a query as Swift does.
func Truthy(s string) bool { return truthy(s) }

// number reads a query's limit.
func (c *Call) limit() (int, error) {
	v := c.Query.Get("limit")
	if v == "" {
		return listingLimit, nil
	}
	for _, r := range v {
		if r < '0' || r > '9' {
			return listingLimit, nil
		}
	}
	n, err := strconv.Atoi(v)
	if err != nil || n > listingLimit {
		return 0, Refuse(http.StatusPreconditionFailed, "Maximum limit is %d", listingLimit)
	}
	return n, nil
}

// pathOf is how Swift writes a container and an object in a header.
func pathOf(container, object string) string {
	return fmt.Sprintf("%s/%s", escape(container), escape(object))
}

// escape quotes as Python's urllib does: everything but letters, digits and _.-~/.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		ch := s[i]
		if ch >= 'a' && ch <= 'z' || ch >= 'A' && ch <= 'Z' || ch >= '0' && ch <= '9' || strings.IndexByte("_.-~/", ch) >= 0 {
			b.WriteByte(ch)
		} else {
			fmt.Fprintf(&b, "%%%02X", ch)
		}
	}
	return b.String()
}
