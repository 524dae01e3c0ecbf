package s3

import (
	"context"
	"encoding/xml"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"altostack/kernel/db"
	"altostack/objectstore"
)

// maxMeta bounds the names and values of an object's metadata together, in bytes.
const maxMeta = 4096

// kept are headers of an object that are kept with it.
var kept = []string{"Content-Disposition", "Content-Encoding", "Cache-Control", "Content-Language", "Expires"}

// refused are headers that ask for what is not here; to pass them over would be to
// pretend.
var refused = []string{"X-Amz-Server-Side-Encryption", "X-Amz-Server-Side-Encryption-Customer-Algorithm", "X-Amz-Object-Lock-Mode",
	"X-Amz-Object-Lock-Legal-Hold", "X-Amz-Website-Redirect-Location"}

// put reads what a request says of an object that it writes.
func (c *call) put(con objectstore.Container) (objectstore.Put, error) {
	p := objectstore.Put{Name: c.key, ContentType: c.r.Header.Get("Content-Type"), Meta: map[string]string{}, System: map[string]string{}, Length: -1}
	if len(c.key) > c.svc.Limits().ObjectName {
		return p, refusal("KeyTooLongError")
	}
	for _, name := range refused {
		if v := c.r.Header.Get(name); v != "" && v != "OFF" {
			return p, refusal("NotImplemented", "Header", strings.ToLower(name))
		}
	}
	if class := c.r.Header.Get("X-Amz-Storage-Class"); class != "" && class != "STANDARD" {
		return p, refusal("InvalidStorageClass", "StorageClassRequested", class)
	}
	read, _, err := canned(c.r.Header.Get("X-Amz-Acl"))
	if err == nil {
		err = sameACL(con, read)
	}
	if err != nil {
		return p, err
	}
	if p.ContentType == "" {
		p.ContentType = "binary/octet-stream"
	}
	size := 0
	for name, values := range c.r.Header {
		if key, is := strings.CutPrefix(name, metaName); is && key != "" {
			p.Meta[key] = strings.Join(values, ",")
			size += len(key) + len(p.Meta[key])
		}
	}
	if size > maxMeta {
		return p, refusal("MetadataTooLarge")
	}
	for _, name := range kept {
		v := c.r.Header.Get(name)
		if name == "Content-Encoding" {
			v = withoutChunked(v)
		}
		if v != "" {
			p.System[headerKey+name] = v
		}
	}
	text, err := headerTags(c.r.Header)
	if text != "" {
		p.System[tagsKey] = text
	}
	return p, err
}

// withoutChunked takes the way of sending out of an encoding.
func withoutChunked(encoding string) string {
	var rest []string
	for part := range strings.SplitSeq(encoding, ",") {
		if part = strings.TrimSpace(part); part != "" && part != "aws-chunked" {
			rest = append(rest, part)
		}
	}
	return strings.Join(rest, ", ")
}

// guarded makes a write hold to If-Match and If-None-Match.
func (c *call) guarded(con objectstore.Container, p *objectstore.Put) error {
	h := c.r.Header
	switch v := h.Get("If-None-Match"); {
	case v == "*":
		p.IfAbsent = true
	case v != "":
		return refusal("NotImplemented", "Header", "If-None-Match")
	}
	want := h.Get("If-Match")
	if want == "" {
		return nil
	}
	o, err := c.object(con)
	if err != nil {
		return err
	}
	if !matches(want, o.ETag) {
		return refusal("PreconditionFailed", "Condition", "If-Match")
	}
	p.Check = func(_ context.Context, _ *db.Tx, change objectstore.Change) error {
		if change.Old != nil && !matches(want, change.Old.ETag) {
			return refusal("PreconditionFailed", "Condition", "If-Match")
		}
		return nil
	}
	return nil
}

func (c *call) putObject() error {
	con, err := c.con(writeObject)
	if err != nil {
		return err
	}
	p, err := c.put(con)
	if err != nil {
		return err
	}
	if err := c.guarded(con, &p); err != nil {
		return err
	}
	if c.r.Header.Get("X-Amz-Copy-Source") != "" {
		return c.copyObject(con, p)
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	if err := c.expected(body); err != nil {
		return err
	}
	body.described(&p)
	st, err := c.svc.Stage(c.r.Context(), con.Policy, body, p.Length, 0)
	if err != nil {
		return err
	}
	if body.sum != nil {
		p.System[checksumKey+body.sum.name] = body.sum.given
	}
	o, err := c.svc.PutStaged(c.r.Context(), con, p, st)
	if err != nil {
		return err
	}
	c.version(con, o)
	c.w.Header().Set("Etag", quoted(o.ETag))
	showChecksum(c.w.Header(), o)
	return c.empty(http.StatusOK)
}

// source finds what a request copies.
func (c *call) source() (objectstore.Content, error) {
	text := c.r.Header.Get("X-Amz-Copy-Source")
	path, query, _ := strings.Cut(text, "?")
	path, err := url.PathUnescape(strings.TrimPrefix(path, "/"))
	bucket, key, ok := strings.Cut(path, "/")
	if err != nil || !ok || key == "" {
		return objectstore.Content{}, argument("x-amz-copy-source", text, "Invalid copy source object key")
	}
	q, err := url.ParseQuery(query)
	if err != nil {
		return objectstore.Content{}, argument("x-amz-copy-source", text, "Unsupported copy source parameter.")
	}
	con, err := c.container(bucket, readObject)
	if err != nil {
		return objectstore.Content{}, err
	}
	from := &call{API: c.API, w: c.w, r: c.r, q: url.Values{}, bucket: bucket, key: key, caller: c.caller, account: c.account}
	if id := q.Get("versionId"); id != "" {
		from.q.Set("versionId", id)
	}
	o, err := from.object(con)
	if err != nil {
		return objectstore.Content{}, err
	}
	if con.Versioning != objectstore.VersioningOff {
		c.w.Header().Set("X-Amz-Copy-Source-Version-Id", o.Version())
	}
	content, err := c.content(con, o)
	if err != nil {
		return content, err
	}
	return content, c.sourceConditions(content)
}

func (c *call) sourceConditions(content objectstore.Content) error {
	const name = "X-Amz-Copy-Source-If-"
	h, when, etag := c.r.Header, modified(content.UpdatedAt), content.ETag
	failed := refusal("PreconditionFailed")
	if v := h.Get(name + "Match"); v != "" {
		if !matches(v, etag) {
			return failed
		}
	} else if t, err := http.ParseTime(h.Get(name + "Unmodified-Since")); err == nil && when.After(t) {
		return failed
	}
	if v := h.Get(name + "None-Match"); v != "" {
		if matches(v, etag) {
			return failed
		}
	} else if t, err := http.ParseTime(h.Get(name + "Modified-Since")); err == nil && !when.After(t) {
		return failed
	}
	return nil
}

type copied struct {
	XMLName      xml.Name
	LastModified string
	ETag         string
}

func (c *call) copyObject(con objectstore.Container, p objectstore.Put) error {
	src, err := c.source()
	if err != nil {
		return err
	}
	if err := c.directives(con, src, &p); err != nil {
		return err
	}
	for name := range checksums {
		if v := src.System[checksumKey+name]; v != "" {
			p.System[checksumKey+name] = v
		}
	}
	var o objectstore.Object
	if src.Kind == "" {
		o, err = c.svc.Copy(c.r.Context(), src.Container, src.Object, con, p)
	} else {
		r, e := src.Open(c.r.Context(), 0, src.Size)
		if e != nil {
			return e
		}
		defer r.Close()
		p.Length = src.Size
		o, err = c.svc.Put(c.r.Context(), con, p, r)
	}
	if err != nil {
		return err
	}
	c.version(con, o)
	return c.answer(copied{xml.Name{Space: namespace, Local: "CopyObjectResult"}, isoTime(modified(o.UpdatedAt)), quoted(o.ETag)})
}

// directives decide what of the source's description its copy keeps.
func (c *call) directives(con objectstore.Container, src objectstore.Content, p *objectstore.Put) error {
	meta, tags := c.r.Header.Get("X-Amz-Metadata-Directive"), c.r.Header.Get("X-Amz-Tagging-Directive")
	for name, v := range map[string]string{"x-amz-metadata-directive": meta, "x-amz-tagging-directive": tags} {
		if !slices.Contains([]string{"", "COPY", "REPLACE"}, v) {
			return argument(name, v, "Unknown directive.")
		}
	}
	own := p.System[tagsKey]
	if meta != "REPLACE" {
		if src.Container.ID == con.ID && src.Name == p.Name && src.Latest && tags != "REPLACE" {
			return refusal("InvalidRequest", "Message", "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
		}
		p.Meta, p.ContentType, p.System = maps.Clone(src.Meta), src.ContentType, map[string]string{}
		for k, v := range src.System {
			if strings.HasPrefix(k, headerKey) {
				p.System[k] = v
			}
		}
	}
	if tags != "REPLACE" {
		own = src.System[tagsKey]
	}
	if delete(p.System, tagsKey); own != "" {
		p.System[tagsKey] = own
	}
	return nil
}

func (c *call) deleteObject() error {
	con, err := c.con(writeObject)
	if err != nil {
		return err
	}
	gone, err := c.drop(con, c.key, c.q.Get("versionId"))
	if err != nil {
		return err
	}
	h := c.w.Header()
	switch {
	case gone.Marker != nil:
		h.Set("X-Amz-Delete-Marker", "true")
		h.Set("X-Amz-Version-Id", gone.Marker.Version())
	case c.q.Get("versionId") != "":
		h.Set("X-Amz-Version-Id", c.q.Get("versionId"))
		if gone.Found && gone.Object.Marker {
			h.Set("X-Amz-Delete-Marker", "true")
		}
	}
	return c.empty(http.StatusNoContent)
}

// drop deletes a key or a version; what is not there is deleted, too.
func (c *call) drop(con objectstore.Container, key, id string) (objectstore.Deleted, error) {
	if _, ok := objectstore.ParseVersion(id); id != "" && id != objectstore.NullVersion && !ok {
		return objectstore.Deleted{}, argument("versionId", id, "Invalid version id specified")
	}
	return c.svc.DeleteObject(c.r.Context(), con, key, objectstore.Deletion{Version: id, Promote: true, Blind: true})
}

// maxDeletes is how many keys one request may delete.
const maxDeletes = 1000

func (c *call) deleteMany() error {
	con, err := c.con(writeObject)
	if err != nil {
		return err
	}
	var body struct {
		Quiet   bool
		Objects []struct {
			Key       string
			VersionID string `xml:"VersionId"`
		} `xml:"Object"`
	}
	some, err := c.text(&body)
	if err != nil || !some || len(body.Objects) == 0 || len(body.Objects) > maxDeletes {
		return orMalformed(err)
	}
	type deleted struct {
		Key                   string
		VersionID             string `xml:"VersionId,omitempty"`
		DeleteMarker          bool   `xml:"DeleteMarker,omitempty"`
		DeleteMarkerVersionID string `xml:"DeleteMarkerVersionId,omitempty"`
	}
	type failed struct {
		Key       string
		VersionID string `xml:"VersionId,omitempty"`
		Code      string
		Message   string
	}
	out := struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ DeleteResult"`
		Deleted []deleted
		Errors  []failed `xml:"Error"`
	}{}
	for _, o := range body.Objects {
		gone, err := c.drop(con, o.Key, o.VersionID)
		if err != nil {
			f := failureOf(err)
			out.Errors = append(out.Errors, failed{o.Key, o.VersionID, f.code, f.message})
			continue
		}
		if body.Quiet {
			continue
		}
		d := deleted{Key: o.Key, VersionID: o.VersionID}
		if gone.Marker != nil {
			d.DeleteMarker, d.DeleteMarkerVersionID = true, gone.Marker.Version()
		} else if o.VersionID != "" && gone.Found && gone.Object.Marker {
			d.DeleteMarker, d.DeleteMarkerVersionID = true, o.VersionID
		}
		out.Deleted = append(out.Deleted, d)
	}
	return c.answer(out)
}
