package feature

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"altostack/kernel/fault"
	"altostack/objectstore/api"
	"altostack/objectstore/bulk"
	"altostack/objectstore/manifest"
)

// beat is how long a client hears nothing while its bulk request is worked on.
const beat = 10 * time.Second

// BulkDelete deletes many names in one request.
func (f *Features) BulkDelete() api.Feature {
	return api.Feature{
		Name: "bulk_delete", Info: map[string]any{"max_deletes_per_request": bulk.MaxDeletes, "max_failed_deletes": bulk.MaxFailedDeletes},
		Serve: func(c *api.Call, _ string) (bool, error) {
			if !c.Query.Has("bulk-delete") || c.Account == "" || c.R.Method != http.MethodPost && c.R.Method != http.MethodDelete {
				return false, nil
			}
			format, ok := bulk.Format(c.R.Header.Get("Accept"))
			d := f.newDeletion(c, format)
			if !ok {
				d.report.Status = statusLine(http.StatusNotAcceptable)
				return true, d.finish()
			}
			d.names(f)
			return true, d.finish()
		},
	}
}

// deletion is a bulk request under way: one by one, each with the caller's rights.
type deletion struct {
	f       *Features
	c       *api.Call
	format  string
	report  bulk.Report
	last    time.Time // when the client heard something
	spoke   bool
	refused bool // the request as a whole
	ours    bool // some failure is ours
}

func (f *Features) newDeletion(c *api.Call, format string) *deletion {
	return &deletion{f: f, c: c, format: format, last: f.svc.Now(), report: bulk.Report{Root: "delete", Status: "200 OK", Counts: map[string]int{"Number Deleted": 0, "Number Not Found": 0}}}
}

// names deletes what the body lists: objects first, containers then.
func (d *deletion) names(f *Features) {
	limits := f.svc.Limits()
	if ct := d.c.R.Header.Get("Content-Type"); ct != "" && !strings.HasPrefix(ct, bulk.Text) {
		d.refuse(http.StatusNotAcceptable, "")
		return
	}
	if d.c.R.ContentLength < 0 && len(d.c.R.TransferEncoding) == 0 {
		d.refuse(http.StatusLengthRequired, "Missing Content-Length header.")
		return
	}
	names, err := bulk.Names(d.c.R.Body, limits.ObjectName+limits.ContainerName+2)
	var no bulk.Refusal
	if errors.As(err, &no) {
		d.report.Status, d.report.Body, d.refused = no.Status, no.Text, true
		return
	}
	if err != nil {
		d.refuse(http.StatusBadRequest, "")
		return
	}
	for _, containers := range []bool{false, true} {
		for _, name := range names {
			if name == "" || strings.Contains(strings.Trim(name, "/"), "/") == containers {
				continue
			}
			if !d.one(name, "") {
				return
			}
		}
	}
}

func (d *deletion) refuse(status int, text string) {
	d.report.Status, d.report.Body, d.refused = statusLine(status), text, true
}

// one deletes one name; false ends the request.
func (d *deletion) one(name, version string) bool {
	if !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return d.failed(name, statusLine(http.StatusPreconditionFailed))
	}
	container, object, _ := strings.Cut(strings.TrimLeft(name, "/"), "/")
	if container == "" { // the account itself is not deleted in passing
		return d.failed(name, statusLine(http.StatusPreconditionFailed))
	}
	in := d.c.Within(http.MethodDelete, container, object, nil, nil, 0)
	if version != "" {
		in.Query.Set("version-id", version)
	}
	status, _ := in.Do()
	d.beat()
	switch {
	case status/100 == 2:
		d.report.Counts["Number Deleted"]++
	case status == http.StatusNotFound:
		d.report.Counts["Number Not Found"]++
	default:
		d.ours = d.ours || status >= 500
		return d.failed(name, statusLine(status))
	}
	return true
}

func (d *deletion) failed(name, why string) bool {
	d.report.Errors = append(d.report.Errors, bulk.Problem{Name: bulk.Quote(name), Status: why})
	if len(d.report.Errors) < bulk.MaxFailedDeletes {
		return true
	}
	d.refuse(http.StatusBadRequest, "Max delete failures exceeded")
	return false
}

// slo deletes what a manifest names, manifests in it likewise, and then itself.
func (d *deletion) slo(name, version string, depth int) bool {
	container, object, _ := strings.Cut(strings.TrimLeft(name, "/"), "/")
	segments, err := d.segments(container, object, version)
	if err != nil {
		if fault.Has(err, fault.CodeObjectstoreObjectNotFound) || fault.Has(err, fault.CodeObjectstoreContainerNotFound) {
			d.report.Counts["Number Not Found"]++
			return true
		}
		return d.failed(name, fault.From(err).Message)
	}
	for _, s := range segments {
		switch {
		case s.Data != nil:
		case s.SubSLO && depth < manifest.MaxDepth:
			if !d.slo(s.Name, "", depth+1) {
				return false
			}
		case !d.one(s.Name, ""):
			return false
		}
	}
	return d.one(name, version)
}

func (d *deletion) segments(container, object, version string) ([]manifest.Segment, error) {
	ctx := d.c.R.Context()
	c, err := d.f.svc.Container(ctx, d.c.Account, container)
	if err != nil {
		return nil, err
	}
	if err := d.c.May(ctx, c); err != nil {
		return nil, api.Refuse(http.StatusUnauthorized, "401 Unauthorized")
	}
	o, err := d.f.svc.Object(ctx, c, object, version)
	if err != nil {
		return nil, err
	}
	if o.Kind != KindSLO {
		return nil, api.Refuse(http.StatusBadRequest, "Not an SLO manifest")
	}
	return d.f.Segments(ctx, c, o)
}

// beat keeps the connection alive: white space means nothing to whoever reads the
// report.
func (d *deletion) beat() {
	if now := d.f.svc.Now(); now.Sub(d.last) > beat {
		d.begin()
		lead := " "
		if !d.spoke && strings.HasSuffix(d.format, "/xml") {
			lead = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		}
		_, _ = io.WriteString(d.c.W, lead)
		_ = http.NewResponseController(d.c.W).Flush()
		d.last, d.spoke = now, true
	}
}

func (d *deletion) begin() {
	if !d.spoke {
		d.c.W.Header().Set("Content-Type", or(d.format, bulk.Text)+"; charset=UTF-8")
		d.c.W.WriteHeader(http.StatusOK)
	}
}

// finish answers the report.
func (d *deletion) finish() error {
	r := &d.report
	switch {
	case d.refused:
	case len(r.Errors) > 0:
		r.Status = statusLine(http.StatusBadRequest)
		if d.ours {
			r.Status = statusLine(http.StatusBadGateway)
		}
	case r.Status == "200 OK" && r.Counts["Number Deleted"]+r.Counts["Number Not Found"] == 0:
		r.Status, r.Body = statusLine(http.StatusBadRequest), "Invalid bulk delete."
	}
	d.begin()
	if d.spoke {
		_, _ = io.WriteString(d.c.W, "\r\n\r\n")
	}
	_, err := d.c.W.Write(r.Bytes(d.format))
	return err
}

// BulkUpload unpacks archives into objects.
func (f *Features) BulkUpload() api.Feature {
	return api.Feature{
		Name: "bulk_upload", Info: map[string]any{"max_containers_per_extraction": bulk.MaxContainers, "max_failed_extractions": bulk.MaxFailedFiles},
		Serve: func(c *api.Call, path string) (bool, error) {
			if !c.Query.Has("extract-archive") || c.R.Method != http.MethodPut || c.Account == "" {
				return false, nil
			}
			kind := c.Query.Get("extract-archive")
			if !bulk.Supported(kind) {
				return false, api.Refuse(http.StatusBadRequest, "Unsupported archive format")
			}
			format, ok := bulk.Format(c.R.Header.Get("Accept"))
			x := &extraction{f: f, c: c, seen: map[string]bool{}, report: bulk.Report{Root: "extract", Status: "201 Created", Counts: map[string]int{"Number Files Created": 0}}}
			if ok {
				x.run(kind)
			} else {
				x.report.Status = statusLine(http.StatusNotAcceptable)
			}
			c.W.Header().Set("Content-Type", or(format, bulk.Text)+"; charset=UTF-8")
			_, err := c.W.Write(x.report.Bytes(format))
			return true, err
		},
	}
}

// extraction is an archive being unpacked, as it arrives.
type extraction struct {
	f      *Features
	c      *api.Call
	report bulk.Report
	seen   map[string]bool // containers
	made   int
	ours   bool
}

func (x *extraction) run(kind string) {
	base := x.c.Container
	if x.c.Object != "" {
		base += "/" + x.c.Object
	}
	a, err := bulk.NewArchive(x.c.R.Body, kind, base)
	for err == nil && len(x.report.Errors) < bulk.MaxFailedFiles {
		var file bulk.File
		if file, err = a.Next(); err == nil {
			err = x.file(file)
		}
	}
	var no bulk.Refusal
	switch {
	case errors.As(err, &no):
		x.report.Status, x.report.Body = no.Status, no.Text
	case err != nil && !errors.Is(err, io.EOF):
		x.report.Status = statusLine(http.StatusInternalServerError)
	case len(x.report.Errors) > 0 && x.ours:
		x.report.Status = statusLine(http.StatusBadGateway)
	case len(x.report.Errors) > 0:
		x.report.Status = statusLine(http.StatusBadRequest)
	case x.report.Counts["Number Files Created"] == 0:
		x.report.Status, x.report.Body = statusLine(http.StatusBadRequest), "Invalid Tar File: No Valid Files"
	}
}

// file stores one file; a Refusal ends the request.
func (x *extraction) file(file bulk.File) error {
	container, object, _ := strings.Cut(file.Path, "/")
	switch limits := x.f.svc.Limits(); {
	case !utf8.ValidString(file.Path) || strings.ContainsRune(file.Path, 0):
		x.failed(file.Path, statusLine(http.StatusPreconditionFailed))
		return nil
	case file.Size > limits.ObjectBytes:
		x.failed(file.Path, statusLine(http.StatusRequestEntityTooLarge))
		return nil
	case object == "":
		return nil
	}
	problem, err := x.container(container)
	if err != nil {
		return err
	}
	h := http.Header{}
	for name, values := range x.c.R.Header {
		if name == "X-Delete-At" || name == "X-Delete-After" || strings.HasPrefix(name, "X-Object-Meta-") {
			h[name] = values
		}
	}
	for name, value := range file.Header {
		h.Set(name, value)
	}
	status, _ := x.c.Within(http.MethodPut, container, object, h, file.Body, file.Size).Do()
	x.seen[container] = true
	if status/100 == 2 {
		x.report.Counts["Number Files Created"]++
		return nil
	}
	if problem != "" {
		x.failed("/v1/"+x.c.Account+"/"+container, problem)
	}
	x.ours = x.ours || status >= 500
	x.failed(file.Path, statusLine(status))
	if status == http.StatusUnauthorized {
		return bulk.Refusal{Status: statusLine(status)}
	}
	return nil
}

func (x *extraction) failed(path, why string) {
	x.report.Errors = append(x.report.Errors, bulk.Problem{Name: bulk.Quote(path), Status: why})
}

// container makes a container that is not there. Where that fails the object may
// still be put, by the container's ACL; problem tells it then.
func (x *extraction) container(name string) (problem string, err error) {
	if x.seen[name] {
		return "", nil
	}
	if status, _ := x.c.Within(http.MethodHead, name, "", nil, nil, 0).Do(); status/100 == 2 {
		return "", nil
	}
	status, _ := x.c.Within(http.MethodPut, name, "", nil, nil, 0).Do()
	switch {
	case status == http.StatusUnauthorized:
		return "", bulk.Refusal{Status: statusLine(status)}
	case status/100 != 2:
		return statusLine(status), nil
	}
	if x.made++; x.made > bulk.MaxContainers {
		return "", bulk.Refusal{Status: statusLine(http.StatusBadRequest), Text: fmt.Sprintf("More than %d containers to create from tar.", bulk.MaxContainers)}
	}
	return "", nil
}
