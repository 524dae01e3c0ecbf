package feature

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // ETags are MD5 by contract
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"altostack/kernel/fault"
	"altostack/objectstore"
	"altostack/objectstore/api"
	"altostack/objectstore/bulk"
	"altostack/objectstore/manifest"
)

// SLO is static large objects at the wire.
func (f *Features) SLO() api.Feature {
	return api.Feature{
		Name: "slo",
		Info: map[string]any{"max_manifest_segments": manifest.MaxSegments, "max_manifest_size": manifest.MaxBytes, "min_segment_size": 1, "yield_frequency": 10, "allow_async_delete": true},
		Put:  f.putSLO,
		Written: func(c *api.Call, _ objectstore.Container, o objectstore.Object, h http.Header) {
			if o.Kind == KindSLO {
				h.Set("Etag", `"`+o.ETag+`"`)
			}
		},
		Read: f.readSLO,
		ObjectHeaders: func(_ *api.Call, content objectstore.Content, h http.Header) {
			if content.Headers["X-Static-Large-Object"] != "" && content.ETag != content.System[SystemManifest] {
				h.Set("Etag", `"`+content.ETag+`"`)
			}
		},
		Delete: f.deleteSLO,
		Entry: func(_ *api.Call, o objectstore.Object, e *api.Entry) {
			if o.Kind == KindSLO {
				e.Hash, e.SLOEtag = o.System[SystemManifest], `"`+o.ETag+`"`
			}
		},
	}
}

func wantsManifest(c *api.Call) bool { return c.Query.Get("multipart-manifest") == "get" }

// putSLO makes an upload of a manifest, put or copied, what is kept of it.
func (f *Features) putSLO(c *api.Call, con objectstore.Container, up *api.Upload) (bool, error) {
	if c.R.Header.Get("X-Static-Large-Object") != "" {
		return false, api.Refuse(http.StatusBadRequest, "X-Static-Large-Object is a reserved header. To create a static large object add query param multipart-manifest=put.")
	}
	var body []byte
	var err error
	switch {
	case up.Source != nil && up.Source.Kind == KindSLO && wantsManifest(c):
		body, err = f.rawManifest(c.R.Context(), up.Source.Container, up.Source.Object)
	case c.Query.Get("multipart-manifest") != "put":
		return false, nil
	case up.Source == nil && api.Truthy(c.Query.Get("heartbeat")):
		return true, heartbeat(c)
	case up.Source != nil:
		return false, api.Refuse(http.StatusMethodNotAllowed, "Multipart Manifest PUTs cannot be COPY requests")
	default:
		if body, err = io.ReadAll(io.LimitReader(up.Body, manifest.MaxBytes+1)); err != nil {
			err = fault.Because(err, fault.CodeObjectstoreUploadCut, "The manifest did not arrive whole.")
		}
	}
	if err != nil {
		return false, err
	}
	if len(body) > manifest.MaxBytes {
		return false, api.Refuse(http.StatusRequestEntityTooLarge, "Manifest File > %d bytes", manifest.MaxBytes)
	}
	return false, f.keepManifest(c, con, up, body)
}

// heartbeat answers 202 at once and the outcome of the PUT inside the body, for
// clients behind proxies that do not wait for many segments to be looked up.
func heartbeat(c *api.Call) error {
	format, ok := bulk.Format(c.R.Header.Get("Accept"))
	if !ok {
		format = bulk.Text
	}
	// Once an answer has begun, no more of the request can be read.
	body, err := io.ReadAll(io.LimitReader(c.R.Body, manifest.MaxBytes+1))
	if err != nil {
		return fault.Because(err, fault.CodeObjectstoreUploadCut, "The manifest did not arrive whole.")
	}
	c.W.Header().Set("Content-Type", format)
	c.W.WriteHeader(http.StatusAccepted)
	if _, err := io.WriteString(c.W, " "); err != nil {
		return err
	}
	_ = http.NewResponseController(c.W).Flush()
	h := c.R.Header.Clone()
	h.Set("Accept", bulk.JSON)
	in := c.Within(http.MethodPut, c.Container, c.Object, h, bytes.NewReader(body), int64(len(body)))
	in.Query.Set("multipart-manifest", "put")
	status, err := in.Do()
	r := bulk.Report{Root: "upload", Status: statusLine(status)}
	var problems struct{ Errors [][2]string }
	switch failed := fault.From(err); {
	case err == nil:
		r.Others = map[string]string{"Etag": in.W.Header().Get("Etag"), "Last Modified": in.W.Header().Get("Last-Modified")}
	case json.Unmarshal([]byte(failed.Message), &problems) == nil && problems.Errors != nil:
		r.Body = api.Sentence(status)
		for _, p := range problems.Errors {
			r.Errors = append(r.Errors, bulk.Problem{Name: p[0], Status: p[1]})
		}
	case failed.Code == fault.CodeObjectstoreRefused && failed.Message != "":
		r.Body = failed.Message
	default:
		r.Body = api.Sentence(status)
	}
	_, err = c.W.Write(append([]byte("\r\n\r\n"), r.Bytes(format)...))
	return err
}

func (f *Features) rawManifest(ctx context.Context, c objectstore.Container, o objectstore.Object) ([]byte, error) {
	segments, err := f.Segments(ctx, c, o)
	if err != nil {
		return nil, err
	}
	return manifest.Raw(segments)
}

func (f *Features) keepManifest(c *api.Call, con objectstore.Container, up *api.Upload, body []byte) error {
	entries, err := manifest.Parse(body, con.Name+"/"+up.Name)
	var wrong manifest.Problems
	if errors.As(err, &wrong) {
		return api.Refuse(http.StatusBadRequest, "%s", wrong.Error())
	}
	backed := 0
	for _, e := range entries {
		if e.Data == nil {
			backed++
		}
	}
	if backed > manifest.MaxSegments {
		return api.Refuse(http.StatusRequestEntityTooLarge, "Number of object-backed segments must be <= %d", manifest.MaxSegments)
	}
	segments, problems, err := f.Check(c.R.Context(), c.Reader(), con.Account, entries)
	if err != nil {
		return err
	}
	if problems != nil {
		return manifestProblems(c, problems)
	}
	etag := manifest.ETag(segments)
	if up.MD5 != "" && !strings.EqualFold(up.MD5, etag) {
		return fault.New(fault.CodeObjectstoreEtagMismatch, "The large object's ETag is %s, not %s.", etag, up.MD5)
	}
	if segments == nil {
		segments = []manifest.Segment{}
	}
	kept, err := json.Marshal(segments)
	if err != nil {
		return err
	}
	sum := md5.Sum(kept)
	up.Source, up.Body, up.Length, up.MD5 = nil, bytes.NewReader(kept), int64(len(kept)), ""
	up.Limit = 4 * manifest.MaxBytes // kept entries say more than a client's
	up.Kind, up.ETag, up.Size = KindSLO, etag, manifest.Size(segments)
	up.System = objectstore.Merge(up.System, map[string]string{SystemManifest: hex.EncodeToString(sum[:])})
	return nil
}

// manifestProblems refuses a manifest in the format that the client reads.
func manifestProblems(c *api.Call, problems []Problem) error {
	format, ok := bulk.Format(c.R.Header.Get("Accept"))
	if !ok {
		format = bulk.Text
	}
	r := bulk.Report{Root: "upload"}
	for _, p := range problems {
		r.Errors = append(r.Errors, bulk.Problem{Name: bulk.Quote(p.Path), Status: p.Why})
	}
	return fault.New(fault.CodeObjectstoreBadManifest, "%s", r.Bytes(format)).WithExtra("told", true).WithExtra("content_type", format)
}

// readSLO answers the manifest itself, or one part.
func (f *Features) readSLO(c *api.Call, con objectstore.Container, o objectstore.Object, found bool) (*objectstore.Content, error) {
	at := ""
	if found && o.Kind == KindSymlink && c.Query.Get("symlink") != "get" && (wantsManifest(c) || c.Query.Has("part-number")) {
		target, err := f.svc.Content(c.R.Context(), c.Reader(), con, o)
		if err != nil {
			return nil, err
		}
		con, o, at = target.Container, target.Object, target.Location
	}
	switch {
	case !found:
		return nil, nil
	case o.Kind == KindDLO && at != "" && wantsManifest(c):
		content := f.storedDLO(con, o)
		content.Location = at
		return &content, nil
	case o.Kind != KindSLO:
		return nil, nil
	case !wantsManifest(c):
		return nil, f.part(c, con, o)
	}
	content, err := f.storedManifest(c, con, o)
	content.Location = at
	return &content, err
}

// storedManifest is the manifest itself, as it is kept or as it could be put again.
func (f *Features) storedManifest(c *api.Call, con objectstore.Container, o objectstore.Object) (objectstore.Content, error) {
	content := f.svc.Stored(con, o)
	content.ETag = o.System[SystemManifest]
	content.Headers = map[string]string{"X-Static-Large-Object": "True"}
	switch {
	case c.R.Method != http.MethodGet && c.R.Method != http.MethodHead: // a copy's source
	case c.Query.Get("format") == "raw":
		raw, err := f.rawManifest(c.R.Context(), con, o)
		if err != nil {
			return content, err
		}
		sum := md5.Sum(raw)
		content.ETag, content.Size = hex.EncodeToString(sum[:]), int64(len(raw))
		content.System = map[string]string{SystemManifest: content.ETag}
		content.Open = func(_ context.Context, offset, length int64) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(raw[offset : offset+length])), nil
		}
	default:
		content.ContentType = "application/json; charset=utf-8"
	}
	return content, nil
}

// part turns part-number into the range that it is.
func (f *Features) part(c *api.Call, con objectstore.Container, o objectstore.Object) error {
	if !c.Query.Has("part-number") {
		return nil
	}
	n, err := strconv.Atoi(c.Query.Get("part-number"))
	if err != nil || n < 1 {
		return api.Refuse(http.StatusBadRequest, "Part number must be an integer greater than 0")
	}
	if c.R.Header.Get("Range") != "" {
		return api.Refuse(http.StatusBadRequest, "Range requests are not supported with part number queries")
	}
	segments, err := f.Segments(c.R.Context(), con, o)
	if err != nil {
		return err
	}
	c.W.Header().Set("X-Parts-Count", strconv.Itoa(len(segments)))
	if n > len(segments) {
		h := c.W.Header()
		h.Set("Content-Range", "bytes */"+strconv.FormatInt(o.Size, 10))
		h.Set("Etag", `"`+o.ETag+`"`)
		h.Set("Last-Modified", api.LastModified(o.UpdatedAt))
		h.Set("X-Static-Large-Object", "True")
		h.Set("X-Manifest-Etag", o.System[SystemManifest])
		if con.Versioning != objectstore.VersioningOff {
			h.Set("X-Object-Version-Id", o.Version())
		}
		no := fault.New(fault.CodeObjectstoreRefused, "The requested part number is not satisfiable").WithExtra("status", http.StatusRequestedRangeNotSatisfiable).WithExtra("of", true)
		if c.R.Method == http.MethodHead {
			no.WithExtra("empty", true)
		}
		return no
	}
	first := manifest.Size(segments[:n-1])
	c.Part = true
	c.R.Header.Set("Range", "bytes="+manifest.Spell(first, manifest.Size(segments[n-1:n])))
	return nil
}

// deleteSLO deletes a manifest with all that it is made of.
func (f *Features) deleteSLO(c *api.Call, con objectstore.Container, _ *objectstore.Deletion) (bool, error) {
	if c.Query.Get("multipart-manifest") != "delete" {
		return false, nil
	}
	if api.Truthy(c.Query.Get("async")) {
		return false, f.deleteSegments(c, con)
	}
	format, ok := bulk.Format(c.R.Header.Get("Accept"))
	if !ok {
		return false, api.Refuse(http.StatusNotAcceptable, "")
	}
	d := f.newDeletion(c, format)
	d.slo("/"+con.Name+"/"+c.Object, c.VersionID(), 0)
	return true, d.finish()
}

// deleteSegments deletes what a manifest names, for async=on; the manifest is
// deleted as any object is then. It is done before the answer, which is what may
// be relied on.
func (f *Features) deleteSegments(c *api.Call, con objectstore.Container) error {
	o, err := f.svc.Object(c.R.Context(), con, c.Object, c.VersionID())
	if err != nil {
		return err
	}
	if o.Kind != KindSLO {
		return api.Refuse(http.StatusBadRequest, "Not an SLO manifest")
	}
	segments, err := f.Segments(c.R.Context(), con, o)
	if err != nil {
		return err
	}
	containers := map[string]bool{}
	for _, s := range segments {
		if s.SubSLO {
			return api.Refuse(http.StatusBadRequest, "No segments may be large objects.")
		}
		if s.Data == nil {
			name, _, _ := strings.Cut(strings.TrimLeft(s.Name, "/"), "/")
			containers[name] = true
		}
	}
	if len(containers) > 1 {
		return api.Refuse(http.StatusBadRequest, "All segments must be in one container. Found segments in %s", quoted(containers))
	}
	for _, s := range segments {
		if s.Data != nil {
			continue
		}
		container, name, _ := strings.Cut(strings.TrimLeft(s.Name, "/"), "/")
		if status, err := c.Within(http.MethodDelete, container, name, nil, nil, 0).Do(); err != nil && status != http.StatusNotFound {
			return err
		}
	}
	return nil
}

func quoted(names map[string]bool) string {
	var out []string
	for _, n := range slices.Sorted(maps.Keys(names)) {
		out = append(out, `"`+bulk.Quote(n)+`"`)
	}
	return strings.Join(out, ", ")
}
