package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"altostack/kernel/fault"
	"altostack/objectstore"
)

// VersionID is the version that the request names; empty: none.
func (c *Call) VersionID() string { return c.Query.Get("version-id") }

func (c *Call) getObject() error {
	con, err := c.container(objectstore.ReadObject)
	if err != nil {
		return err
	}
	c.cors(&con)
	content, err := c.find(con)
	if err != nil {
		return err
	}
	return c.Answer(content)
}

// find answers what the request reads.
func (c *Call) find(con objectstore.Container) (objectstore.Content, error) {
	o, err := c.Service.Object(c.R.Context(), con, c.Object, c.VersionID())
	found := err == nil && !o.Marker
	if err != nil && !fault.Has(err, fault.CodeObjectstoreObjectNotFound) {
		return objectstore.Content{}, err
	}
	for _, f := range c.API.features {
		if f.Read == nil {
			continue
		}
		if other, err := f.Read(c, con, o, found); err != nil || other != nil {
			if other == nil {
				other = &objectstore.Content{}
			}
			return *other, err
		}
	}
	if !found {
		if c.R.Header.Get("If-Match") != "" && c.VersionID() == "" {
			return objectstore.Content{}, precondition()
		}
		if err == nil {
			err = Refuse(http.StatusNotFound, "")
		}
		return objectstore.Content{}, err
	}
	return c.Service.Content(c.R.Context(), c.Reader(), con, o)
}

// objectHeaders sets what is answered of an object.
func (c *Call) objectHeaders(content objectstore.Content) {
	h, o := c.W.Header(), content.Object
	h.Set("Content-Type", o.ContentType)
	h.Set("Etag", content.ETag)
	h.Set("Last-Modified", LastModified(o.UpdatedAt))
	h.Set("X-Timestamp", Timestamp(o.UpdatedAt))
	h.Set("Accept-Ranges", "bytes")
	if o.DeleteAt > 0 {
		h.Set("X-Delete-At", strconv.FormatInt(o.DeleteAt, 10))
	}
	for k, v := range o.System {
		if name, is := strings.CutPrefix(k, headerKey); is {
			h.Set(name, v)
		}
	}
	writeMeta(h, "Object", o.Meta)
	for k, v := range content.Headers {
		h.Set(k, v)
	}
	for _, f := range c.API.features {
		if f.ObjectHeaders != nil {
			f.ObjectHeaders(c, content, h)
		}
	}
}

// Answer answers a content to a GET or a HEAD: conditions, ranges, bytes.
func (c *Call) Answer(content objectstore.Content) error {
	c.objectHeaders(content)
	c.cors(c.shared)
	switch c.conditions(content) {
	case http.StatusNotModified:
		// The headers by which a cache knows what it has stay.
		c.W.Header().Del("Content-Type")
		c.W.WriteHeader(http.StatusNotModified)
		return nil
	case http.StatusPreconditionFailed:
		return precondition()
	}
	if c.R.Method == http.MethodHead && c.Part {
		if ranges, _ := parseRanges(c.R.Header.Get("Range"), content.Size); len(ranges) == 1 {
			c.W.Header().Set("Content-Range", ranges[0].header(content.Size))
			c.W.Header().Set("Content-Length", itoa(ranges[0].length))
			c.W.WriteHeader(http.StatusPartialContent)
			return nil
		}
	}
	if c.R.Method == http.MethodHead {
		c.W.Header().Set("Content-Length", itoa(content.Size))
		c.W.WriteHeader(http.StatusOK)
		return nil
	}
	header := c.R.Header.Get("Range")
	if ifRange := c.R.Header.Get("If-Range"); ifRange != "" && strings.Trim(ifRange, `"`) != content.ETag && ifRange != c.W.Header().Get("Last-Modified") {
		header = ""
	}
	ranges, asked := parseRanges(header, content.Size)
	switch {
	case !asked:
		return c.send(content, http.StatusOK, 0, content.Size)
	case len(ranges) == 0:
		c.W.Header().Set("Content-Range", "bytes */"+itoa(content.Size))
		return fault.New(fault.CodeObjectstoreRefused, "").WithExtra("status", http.StatusRequestedRangeNotSatisfiable).WithExtra("of", true)
	case len(ranges) == 1:
		r := ranges[0]
		c.W.Header().Set("Content-Range", r.header(content.Size))
		return c.send(content, http.StatusPartialContent, r.first, r.length)
	}
	return c.sendMany(content, ranges)
}

// send answers bytes. They are opened before anything is answered, so that a
// failure still has its status.
func (c *Call) send(content objectstore.Content, status int, first, length int64) error {
	r, err := content.Open(c.R.Context(), first, length)
	if err != nil {
		return err
	}
	defer r.Close()
	c.W.Header().Set("Content-Length", itoa(length))
	c.W.WriteHeader(status)
	return c.pour(r, length)
}

// pour copies bytes to the client. What the client breaks off is no failure of
// ours; what we cannot give cuts the connection.
func (c *Call) pour(r io.Reader, length int64) error {
	n, err := io.Copy(c.W, r)
	if err == nil && n != length {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && c.R.Context().Err() != nil && !errors.Is(c.R.Context().Err(), context.DeadlineExceeded) {
		return nil // the client went away
	}
	return err
}

// precondition is the answer to a condition that does not hold; the object's headers
// stay in it.
func precondition() error {
	return fault.New(fault.CodeObjectstoreRefused, "").WithExtra("status", http.StatusPreconditionFailed).WithExtra("of", true)
}

// conditions applies If-Match and its kin, in Swift's order: 304, 412, or 0 to go
// on.
func (c *Call) conditions(content objectstore.Content) int {
	h := c.R.Header
	tags := append([]string{content.ETag}, altTags(content)...)
	if v := h.Get("If-None-Match"); v != "" && anyTag(v, tags) {
		return http.StatusNotModified
	}
	if v := h.Get("If-Match"); v != "" && !anyTag(v, tags) {
		return http.StatusPreconditionFailed
	}
	modified, _ := http.ParseTime(LastModified(content.UpdatedAt))
	if t, err := http.ParseTime(h.Get("If-Modified-Since")); err == nil && !modified.After(t) && h.Get("If-None-Match") == "" {
		return http.StatusNotModified
	}
	if t, err := http.ParseTime(h.Get("If-Unmodified-Since")); err == nil && modified.After(t) {
		return http.StatusPreconditionFailed
	}
	return 0
}

// altTags are further entity tags that a content goes by.
func altTags(content objectstore.Content) []string {
	if t := content.Headers["X-Manifest-Etag"]; t != "" {
		return []string{t}
	}
	return nil
}

func anyTag(header string, tags []string) bool {
	for _, part := range strings.Split(header, ",") {
		part = strings.Trim(strings.TrimPrefix(strings.TrimSpace(part), "W/"), `"`)
		if part == "*" {
			return true
		}
		for _, t := range tags {
			if t != "" && part == t {
				return true
			}
		}
	}
	return false
}
