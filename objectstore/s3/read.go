package s3

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"altostack/kernel/fault"
	"altostack/objectstore"
)

const (
	headerKey = "header." // in System: headers that are kept with an object
	metaName  = "X-Amz-Meta-"
)

// object answers the version that the request names.
func (c *call) object(con objectstore.Container) (objectstore.Object, error) {
	id := c.q.Get("versionId")
	o, err := c.svc.Object(c.r.Context(), con, c.key, id)
	switch {
	case err == nil && o.Marker:
		c.version(con, o)
		c.w.Header().Set("X-Amz-Delete-Marker", "true")
		return o, refusal("MethodNotAllowed", "Method", c.r.Method, "ResourceType", "DeleteMarker")
	case !fault.Has(err, fault.CodeObjectstoreObjectNotFound):
		return o, err
	case id != "":
		return o, refusal("NoSuchVersion", "Key", c.key, "VersionId", id)
	case o.Marker:
		c.version(con, o)
		c.w.Header().Set("X-Amz-Delete-Marker", "true")
	}
	return o, refusal("NoSuchKey", "Key", c.key)
}

// version names an object's version, where versions are kept.
func (c *call) version(con objectstore.Container, o objectstore.Object) {
	if con.Versioning != objectstore.VersioningOff {
		c.w.Header().Set("X-Amz-Version-Id", o.Version())
	}
}

// reader lets what an object stands for be read where the caller may read it.
func (c *call) reader() objectstore.Reader {
	return objectstore.Reader{May: func(_ context.Context, con objectstore.Container) error {
		if con.Account != c.account {
			return refusal("AccessDenied")
		}
		return c.allow(readObject, &con)
	}}
}

// content is what a reader of an object gets.
func (c *call) content(con objectstore.Container, o objectstore.Object) (objectstore.Content, error) {
	content, err := c.svc.Content(c.r.Context(), c.reader(), con, o)
	content.ETag = etag(content.Kind, content.ETag)
	return content, err
}

// etag spells an entity tag. That of content which is put together elsewhere is no
// MD5 of it; the ending, as Swift's s3api has it, keeps clients from comparing.
func etag(kind, tag string) string {
	if kind != "" {
		tag += "-N"
	}
	return tag
}

// modified is an instant as headers have it: the second that it lies in is over.
func modified(t time.Time) time.Time {
	return time.Unix(int64(math.Ceil(float64(t.UnixMicro())/1e6)), 0).UTC()
}

// getObject answers GET and HEAD.
func (c *call) getObject() error {
	con, err := c.con(readObject)
	if err != nil {
		return err
	}
	o, err := c.object(con)
	if err != nil {
		return err
	}
	content, err := c.content(con, o)
	if err != nil {
		return err
	}
	c.describe(con, content)
	if done, err := c.conditions(content); done || err != nil {
		return err
	}
	span, status := [2]int64{0, content.Size}, http.StatusOK
	if c.q.Has("partNumber") {
		if span, err = c.part(content); err != nil {
			return err
		}
		status = http.StatusPartialContent
	} else if r, asked, ok := parseRange(c.r.Header.Get("Range"), content.Size); asked {
		if !ok {
			return refusal("InvalidRange", "RangeRequested", c.r.Header.Get("Range"), "ActualObjectSize", strconv.FormatInt(content.Size, 10))
		}
		span, status = r, http.StatusPartialContent
	}
	h := c.w.Header()
	h.Set("Content-Length", strconv.FormatInt(span[1], 10))
	if status == http.StatusPartialContent && span[1] > 0 {
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", span[0], span[0]+span[1]-1, content.Size))
	}
	if status == http.StatusOK && strings.EqualFold(c.r.Header.Get("X-Amz-Checksum-Mode"), "ENABLED") {
		showChecksum(h, content.Object)
	}
	if c.r.Method == http.MethodHead {
		c.w.WriteHeader(status)
		return nil
	}
	return c.send(content, status, span)
}

func (c *call) send(content objectstore.Content, status int, span [2]int64) error {
	r, err := content.Open(c.r.Context(), span[0], span[1])
	if err != nil {
		return err
	}
	defer r.Close()
	c.w.WriteHeader(status)
	n, err := io.Copy(c.w, r)
	if err == nil && n != span[1] {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && c.r.Context().Err() != nil {
		return nil //nolint:nilerr // the client went away
	}
	return err
}

// overrides are the headers that a signed request may replace in its answer.
var overrides = []string{"Content-Type", "Content-Language", "Expires", "Cache-Control", "Content-Disposition", "Content-Encoding"}

// describe sets what is answered of an object.
func (c *call) describe(con objectstore.Container, content objectstore.Content) {
	h, o := c.w.Header(), content.Object
	h.Set("Content-Type", o.ContentType)
	h.Set("Etag", quoted(content.ETag))
	h.Set("Last-Modified", modified(o.UpdatedAt).Format(http.TimeFormat))
	h.Set("Accept-Ranges", "bytes")
	c.version(con, o)
	for k, v := range o.System {
		if name, is := strings.CutPrefix(k, headerKey); is {
			h.Set(name, v)
		}
	}
	for k, v := range o.Meta {
		h[strings.ToLower(metaName+k)] = []string{v} // in lower case on the wire, which clients keep
	}
	if n := len(tagsOf(o.System[tagsKey])); n > 0 {
		h.Set("X-Amz-Tagging-Count", strconv.Itoa(n))
	}
	if o.Pieces > 0 && c.q.Has("partNumber") {
		h.Set("X-Amz-Mp-Parts-Count", strconv.Itoa(o.Pieces))
	}
	for _, name := range overrides {
		if v := c.q.Get("response-" + strings.ToLower(name)); v != "" {
			h.Set(name, v)
		}
	}
}

func showChecksum(h http.Header, o objectstore.Object) {
	for name := range checksums {
		if v := o.System[checksumKey+name]; v != "" {
			h.Set(checksumHeader+name, v)
			h.Set("X-Amz-Checksum-Type", "FULL_OBJECT")
		}
	}
}

// conditions applies If-Match and its kin; done tells that it answered.
func (c *call) conditions(content objectstore.Content) (done bool, err error) {
	h, when := c.r.Header, modified(content.UpdatedAt)
	if v := h.Get("If-Match"); v != "" {
		if !matches(v, content.ETag) {
			return false, refusal("PreconditionFailed", "Condition", "If-Match")
		}
	} else if t, err := http.ParseTime(h.Get("If-Unmodified-Since")); err == nil && when.After(t) {
		return false, refusal("PreconditionFailed", "Condition", "If-Unmodified-Since")
	}
	unchanged := false
	if v := h.Get("If-None-Match"); v != "" {
		unchanged = matches(v, content.ETag)
	} else if t, err := http.ParseTime(h.Get("If-Modified-Since")); err == nil {
		unchanged = !when.After(t)
	}
	if unchanged {
		c.w.Header().Del("Content-Type")
		c.w.WriteHeader(http.StatusNotModified)
	}
	return unchanged, nil
}

func matches(header, etag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		part = strings.Trim(strings.TrimPrefix(strings.TrimSpace(part), "W/"), `"`)
		if part == "*" || part == etag {
			return true
		}
	}
	return false
}

// parseRange reads a Range header of one range, as offset and length. Others are
// passed over; ok is false for one that cannot be satisfied.
func parseRange(header string, size int64) (span [2]int64, asked, ok bool) {
	set, is := strings.CutPrefix(strings.TrimSpace(header), "bytes=")
	from, to, dash := strings.Cut(set, "-")
	if !is || !dash || strings.Contains(set, ",") {
		return span, false, false
	}
	first, err1 := strconv.ParseInt(strings.TrimSpace(from), 10, 64)
	last, err2 := strconv.ParseInt(strings.TrimSpace(to), 10, 64)
	switch {
	case from == "" && err2 == nil && last >= 0:
		n := min(last, size)
		return [2]int64{size - n, n}, true, n > 0
	case err1 != nil || first < 0 || to != "" && (err2 != nil || last < first):
		return span, false, false
	case to == "" || last >= size:
		last = size - 1
	}
	return [2]int64{first, last - first + 1}, true, first <= last
}

// part is the stretch of one of the parts that an object was uploaded in.
func (c *call) part(content objectstore.Content) ([2]int64, error) {
	n, err := strconv.Atoi(c.q.Get("partNumber"))
	if err != nil || n < 1 || n > maxParts {
		return [2]int64{}, argument("partNumber", c.q.Get("partNumber"), "Part number must be an integer between 1 and 10000, inclusive")
	}
	pieces, err := c.svc.Pieces(c.r.Context(), content.Object)
	if err != nil {
		return [2]int64{}, err
	}
	if len(pieces) == 0 && n == 1 {
		return [2]int64{0, content.Size}, nil
	}
	for _, p := range pieces {
		if p.Number == n {
			return [2]int64{p.Start, p.Size}, nil
		}
	}
	return [2]int64{}, refusal("InvalidPartNumber", "PartNumberRequested", strconv.Itoa(n), "ActualPartCount", strconv.Itoa(max(1, len(pieces))))
}

// attributes answers what is known of an object, without its bytes.
func (c *call) attributes() error {
	con, err := c.con(readObject)
	if err != nil {
		return err
	}
	o, err := c.object(con)
	if err != nil {
		return err
	}
	content, err := c.content(con, o)
	if err != nil {
		return err
	}
	c.version(con, o)
	c.w.Header().Set("Last-Modified", modified(o.UpdatedAt).Format(http.TimeFormat))
	out := struct {
		XMLName      xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ GetObjectAttributesResponse"`
		ETag         string   `xml:"ETag,omitempty"`
		StorageClass string   `xml:"StorageClass,omitempty"`
		ObjectSize   *int64   `xml:"ObjectSize"`
		PartsCount   int      `xml:"ObjectParts>PartsCount,omitempty"`
	}{}
	for name := range strings.SplitSeq(strings.Join(c.r.Header.Values("X-Amz-Object-Attributes"), ","), ",") {
		switch strings.TrimSpace(name) {
		case "ETag":
			out.ETag = content.ETag
		case "StorageClass":
			out.StorageClass = "STANDARD"
		case "ObjectSize":
			out.ObjectSize = &content.Size
		case "ObjectParts":
			out.PartsCount = o.Pieces
		}
	}
	return c.answer(out)
}
