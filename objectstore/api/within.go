package api

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"altostack/kernel/fault"
	"altostack/objectstore"
)

// Inner is a call that a feature makes inside another: one of the deletions of a
// bulk request, one of the files of an archive. It goes the way of any call, with
// all features' functions but Serve, as the same caller.
type Inner struct {
	*Call
	answer *answer
}

// innerText is how much of an inner call's answer is kept.
const innerText = 4 << 10

// answer is where an inner call writes.
type answer struct {
	header http.Header
	status int
	text   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	a.text.Write(p[:min(len(p), innerText-a.text.Len())])
	return len(p), nil
}

// Within prepares a call inside c, to an object or a container of c's account.
// length is that of body; -1: unknown.
func (c *Call) Within(method, container, object string, h http.Header, body io.Reader, length int64) *Inner {
	if h == nil {
		h = http.Header{}
	}
	if body != nil && length >= 0 {
		h.Set("Content-Length", itoa(length))
	}
	r := c.R.Clone(c.R.Context())
	r.Method, r.Header, r.Body, r.ContentLength, r.TransferEncoding = method, h, http.NoBody, 0, nil
	if body != nil {
		if r.Body, r.ContentLength = io.NopCloser(body), length; length < 0 {
			r.TransferEncoding = []string{"chunked"}
		}
	}
	r.URL = &url.URL{Path: "/v1/" + c.Account + "/" + container + "/" + object}
	a := &answer{header: http.Header{}}
	in := *c
	in.W, in.R, in.Container, in.Object, in.Query, in.Values = a, r, container, object, url.Values{}, map[string]any{}
	return &Inner{&in, a}
}

// Do makes the call. The status is that of its answer, also where err says more.
func (i *Inner) Do() (status int, err error) {
	if err := i.dispatch(); err != nil {
		return Status(fault.From(err)), err
	}
	if i.answer.status == 0 {
		return http.StatusOK, nil
	}
	return i.answer.status, nil
}

// AnswerObject answers an object of the call's container in place of what was
// asked for.
func (c *Call) AnswerObject(name string) error {
	c.Object = name
	return c.getObject()
}

// reached lets a call that was let in by a signature read where its key reaches.
func (c *Call) reached(con objectstore.Container) error {
	if c.Reach(con) {
		return nil
	}
	return c.Denied()
}

// Mount is what stands before /v1 in the paths that clients use.
func (c *Call) Mount() string { return c.API.mount }

// DropHeaders takes back what a container's GET has set so far: a feature answers
// something else.
func (c *Call) DropHeaders() {
	h := c.W.Header()
	for name := range h {
		if strings.HasPrefix(name, "X-Container-") || slices.Contains([]string{"X-Timestamp", "Last-Modified", "Accept-Ranges", "X-Storage-Policy", "Vary"}, name) {
			h.Del(name)
		}
	}
}

// Stream answers a whole content under a status of its own.
func (c *Call) Stream(status int, content objectstore.Content, r io.Reader) error {
	c.objectHeaders(content)
	c.W.Header().Set("Content-Length", itoa(content.Size))
	c.W.WriteHeader(status)
	if c.R.Method == http.MethodHead {
		return nil
	}
	return c.pour(r, content.Size)
}
