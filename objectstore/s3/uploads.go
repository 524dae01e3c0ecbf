package s3

import (
	"context"
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"

	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/objectstore"
)

const (
	maxParts    = 10000
	minPart     = 5 << 20 // bytes of every part but the last
	maxListed   = 1000
	uploadsRead = 1000 // at a time
)

func (c *call) createUpload() error {
	con, err := c.con(writeObject)
	if err != nil {
		return err
	}
	p, err := c.put(con)
	if err != nil {
		return err
	}
	u, err := c.svc.CreateUpload(c.r.Context(), con, p)
	if err != nil {
		return err
	}
	return c.answer(struct {
		XMLName  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ InitiateMultipartUploadResult"`
		Bucket   string
		Key      string
		UploadID string `xml:"UploadId"`
	}{Bucket: c.bucket, Key: c.key, UploadID: u.ID})
}

// upload answers the upload that the request names.
func (c *call) upload(con objectstore.Container) (objectstore.Upload, error) {
	u, err := c.svc.Upload(c.r.Context(), con, c.q.Get("uploadId"))
	if err == nil && u.Name != c.key {
		err = refusal("NoSuchUpload", "UploadId", c.q.Get("uploadId"))
	}
	return u, err
}

func (c *call) putPart() error {
	con, err := c.con(writeObject)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(c.q.Get("partNumber"))
	if err != nil || n < 1 || n > maxParts {
		return argument("partNumber", c.q.Get("partNumber"), "Part number must be an integer between 1 and 10000, inclusive")
	}
	u, err := c.upload(con)
	if err != nil {
		return err
	}
	if c.r.Header.Get("X-Amz-Copy-Source") != "" {
		return c.copyPart(con, u, n)
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	if err := c.expected(body); err != nil {
		return err
	}
	var p objectstore.Put
	body.described(&p)
	part, err := c.svc.PutPart(c.r.Context(), con, u, n, p, body)
	if err != nil {
		return err
	}
	c.w.Header().Set("Etag", quoted(part.ETag))
	if body.sum != nil {
		c.w.Header().Set(checksumHeader+body.sum.name, body.sum.given)
	}
	return c.empty(http.StatusOK)
}

func (c *call) copyPart(con objectstore.Container, u objectstore.Upload, n int) error {
	src, err := c.source()
	if err != nil {
		return err
	}
	span := [2]int64{0, src.Size}
	if text := c.r.Header.Get("X-Amz-Copy-Source-Range"); text != "" {
		set, is := strings.CutPrefix(text, "bytes=")
		from, to, dash := strings.Cut(set, "-")
		first, err1 := strconv.ParseUint(from, 10, 63)
		last, err2 := strconv.ParseUint(to, 10, 63)
		if !is || !dash || err1 != nil || err2 != nil || last < first {
			return argument("x-amz-copy-source-range", text, "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
		}
		if int64(last) >= src.Size { //nolint:gosec // of 63 bits
			return argument("x-amz-copy-source-range", text, "Range specified is not valid for source object of size: "+strconv.FormatInt(src.Size, 10))
		}
		span = [2]int64{int64(first), int64(last - first + 1)} //nolint:gosec // of 63 bits
	}
	r, err := src.Open(c.r.Context(), span[0], span[1])
	if err != nil {
		return err
	}
	defer r.Close()
	part, err := c.svc.PutPart(c.r.Context(), con, u, n, objectstore.Put{Length: span[1]}, r)
	if err != nil {
		return err
	}
	return c.answer(copied{xml.Name{Space: namespace, Local: "CopyPartResult"}, isoTime(part.CreatedAt), quoted(part.ETag)})
}

func (c *call) completeUpload() error {
	con, err := c.con(writeObject)
	if err != nil {
		return err
	}
	u, err := c.upload(con)
	if fault.Has(err, fault.CodeObjectstoreUploadNotFound) {
		// A client that did not hear the answer asks again.
		if o, e := c.svc.Object(c.r.Context(), con, c.key, ""); e == nil && o.Blob == "list-"+c.q.Get("uploadId") {
			return c.completed(con, o)
		}
	}
	if err != nil {
		return err
	}
	var body struct {
		Parts []struct {
			PartNumber int
			ETag       string
		} `xml:"Part"`
	}
	some, err := c.text(&body)
	if err != nil || !some || len(body.Parts) == 0 {
		return orMalformed(err)
	}
	parts := make([]objectstore.Part, len(body.Parts))
	for i, p := range body.Parts {
		if i > 0 && p.PartNumber <= parts[i-1].Number {
			return refusal("InvalidPartOrder", "UploadId", u.ID)
		}
		parts[i] = objectstore.Part{Number: p.PartNumber, ETag: strings.Trim(strings.TrimSpace(p.ETag), `"`)}
	}
	if err := c.largeEnough(u, parts); err != nil {
		return err
	}
	check, err := c.absentCheck(con)
	if err != nil {
		return err
	}
	o, err := c.svc.CompleteUpload(c.r.Context(), con, u, parts, check)
	if err != nil {
		return err
	}
	return c.completed(con, o)
}

func (c *call) completed(con objectstore.Container, o objectstore.Object) error {
	c.version(con, o)
	return c.answer(struct {
		XMLName  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CompleteMultipartUploadResult"`
		Location string
		Bucket   string
		Key      string
		ETag     string
	}{Location: "http://" + c.r.Host + escape(c.r.URL.Path, true), Bucket: c.bucket, Key: c.key, ETag: quoted(o.ETag)})
}

// absentCheck makes the end of an upload hold to If-None-Match: *.
func (c *call) absentCheck(con objectstore.Container) (objectstore.Check, error) {
	if c.r.Header.Get("If-None-Match") != "*" {
		return nil, nil
	}
	failed := refusal("PreconditionFailed", "Condition", "If-None-Match")
	if o, err := c.svc.Object(c.r.Context(), con, c.key, ""); err == nil && !o.Marker {
		return nil, failed
	}
	return func(_ context.Context, _ *db.Tx, change objectstore.Change) error {
		if change.Old != nil && !change.Old.Marker {
			return failed
		}
		return nil
	}, nil
}

// largeEnough refuses small parts anywhere but at the end.
func (c *call) largeEnough(u objectstore.Upload, named []objectstore.Part) error {
	have, err := c.svc.Parts(c.r.Context(), u, 0, 0)
	if err != nil {
		return err
	}
	sizes := map[int]int64{}
	for _, p := range have {
		sizes[p.Number] = p.Size
	}
	for _, p := range named[:len(named)-1] {
		if size, there := sizes[p.Number]; there && size < minPart {
			return refusal("EntityTooSmall", "PartNumber", strconv.Itoa(p.Number), "ProposedSize", strconv.FormatInt(size, 10), "MinSizeAllowed", strconv.Itoa(minPart))
		}
	}
	return nil
}

func (c *call) abortUpload() error {
	con, err := c.con(writeObject)
	if err != nil {
		return err
	}
	u, err := c.upload(con)
	if err != nil {
		return err
	}
	if err := c.svc.AbortUpload(c.r.Context(), con, u.ID); err != nil {
		return err
	}
	return c.empty(http.StatusNoContent)
}

func (c *call) listParts() error {
	con, err := c.con(readObject)
	if err != nil {
		return err
	}
	u, err := c.upload(con)
	if err != nil {
		return err
	}
	most, err := c.number("max-parts", maxListed)
	if err != nil {
		return err
	}
	after, err := c.number("part-number-marker", 0)
	if err != nil {
		return err
	}
	if text := c.q.Get("part-number-marker"); text != "" {
		after, _ = strconv.Atoi(text) // number has read it
	}
	encode, err := c.encoder()
	if err != nil {
		return err
	}
	list, err := c.svc.Parts(c.r.Context(), u, after, most+1)
	if err != nil {
		return err
	}
	type part struct {
		PartNumber   int
		LastModified string
		ETag         string
		Size         int64
	}
	out := struct {
		XMLName              xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListPartsResult"`
		Bucket               string
		Key                  string
		UploadID             string `xml:"UploadId"`
		Initiator            owner
		Owner                owner
		StorageClass         string
		PartNumberMarker     int
		NextPartNumberMarker int
		MaxParts             int
		EncodingType         string `xml:"EncodingType,omitempty"`
		IsTruncated          bool
		Part                 []part
	}{Bucket: c.bucket, Key: encode(c.key), UploadID: u.ID, Initiator: c.owner(), Owner: c.owner(), StorageClass: "STANDARD", PartNumberMarker: after, MaxParts: most,
		EncodingType: c.q.Get("encoding-type"), IsTruncated: len(list) > most}
	for _, p := range list[:min(most, len(list))] {
		out.Part = append(out.Part, part{p.Number, isoTime(p.CreatedAt), quoted(p.ETag), p.Size})
		out.NextPartNumberMarker = p.Number
	}
	return c.answer(out)
}

// uploads reads those behind a marker, one more than are asked for. Pages end
// anywhere, so the next one begins with the name that the last one ended with.
func (c *call) uploads(con objectstore.Container, name, id string, most int) ([]objectstore.Upload, error) {
	prefix := c.q.Get("prefix")
	w := objectstore.Window{Min: []byte(max(prefix, name)), Max: objectstore.Successor(prefix), Limit: uploadsRead}
	var out []objectstore.Upload
	for {
		page, err := c.svc.Uploads(c.r.Context(), con, w)
		if err != nil {
			return nil, err
		}
		before := len(out)
		for _, u := range page {
			if u.Name < name || u.Name == name && (id == "" || u.ID <= id) {
				continue
			}
			out = append(out, u)
			name, id = u.Name, u.ID
		}
		if len(out) > most || len(page) < w.Limit {
			return out, nil
		}
		if w.Min = []byte(page[len(page)-1].Name); len(out) == before {
			w.Limit *= 2 // all of one name
		}
	}
}

func (c *call) listUploads() error {
	con, err := c.con(readBucket)
	if err != nil {
		return err
	}
	most, err := c.number("max-uploads", maxListed)
	if err != nil {
		return err
	}
	encode, err := c.encoder()
	if err != nil {
		return err
	}
	enough := most
	if c.q.Get("delimiter") != "" {
		enough = 1 << 30 // many may fold into one line
	}
	list, err := c.uploads(con, c.q.Get("key-marker"), c.q.Get("upload-id-marker"), enough)
	if err != nil {
		return err
	}
	type upload struct {
		Key          string
		UploadID     string `xml:"UploadId"`
		Initiator    owner
		Owner        owner
		StorageClass string
		Initiated    string
	}
	out := struct {
		XMLName            xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListMultipartUploadsResult"`
		Bucket             string
		KeyMarker          string
		UploadIDMarker     string `xml:"UploadIdMarker"`
		NextKeyMarker      string `xml:"NextKeyMarker,omitempty"`
		NextUploadIDMarker string `xml:"NextUploadIdMarker,omitempty"`
		Prefix             string
		Delimiter          string `xml:"Delimiter,omitempty"`
		EncodingType       string `xml:"EncodingType,omitempty"`
		MaxUploads         int
		IsTruncated        bool
		Upload             []upload
		CommonPrefixes     []prefix
	}{Bucket: c.bucket, KeyMarker: encode(c.q.Get("key-marker")), UploadIDMarker: c.q.Get("upload-id-marker"), Prefix: encode(c.q.Get("prefix")),
		Delimiter: encode(c.q.Get("delimiter")), EncodingType: c.q.Get("encoding-type"), MaxUploads: most}
	last := ""
	for _, u := range list {
		dir := common(u.Name, c.q.Get("prefix"), c.q.Get("delimiter"))
		if dir != "" && dir == last {
			continue
		}
		if len(out.Upload)+len(out.CommonPrefixes) == most {
			out.IsTruncated = true
			break
		}
		out.NextKeyMarker, out.NextUploadIDMarker = encode(u.Name), u.ID
		if last = dir; dir != "" {
			out.CommonPrefixes = append(out.CommonPrefixes, prefix{encode(dir)})
			continue
		}
		out.Upload = append(out.Upload, upload{encode(u.Name), u.ID, c.owner(), c.owner(), "STANDARD", isoTime(u.CreatedAt)})
	}
	if !out.IsTruncated {
		out.NextKeyMarker, out.NextUploadIDMarker = "", ""
	}
	return c.answer(out)
}

// common is what a name is folded into by a delimiter; empty: nothing.
func common(name, prefix, delimiter string) string {
	if delimiter == "" {
		return ""
	}
	at := strings.Index(name[len(prefix):], delimiter)
	if at < 0 {
		return ""
	}
	return name[:len(prefix)+at+len(delimiter)]
}
