package api

import (
	"maps"
	"net/http"
	"net/url"
	"strings"

	"altostack/objectstore"
)

// copyObject is COPY with a Destination: a PUT there with X-Copy-From here.
func (c *Call) copyObject() error {
	dest := c.R.Header.Get("Destination")
	if dest == "" {
		return Refuse(http.StatusPreconditionFailed, "Destination header required")
	}
	container, object, err := splitPath(dest, "Destination")
	if err != nil {
		return err
	}
	account := c.Account
	if v := c.R.Header.Get("Destination-Account"); v != "" {
		if account, err = accountName(v); err != nil {
			return err
		}
	}
	from := [3]string{c.Account, c.Container, c.Object}
	c.Account, c.Container, c.Object = account, container, object
	return c.copyTo(from)
}

func (c *Call) putFrom(from string) error {
	container, object, err := splitPath(from, "X-Copy-From")
	if err != nil {
		return err
	}
	account := c.Account
	if v := c.R.Header.Get("X-Copy-From-Account"); v != "" {
		if account, err = accountName(v); err != nil {
			return err
		}
	}
	if c.R.ContentLength > 0 {
		return Refuse(http.StatusBadRequest, "Copy requests require a zero byte body")
	}
	drain(c.R.Body)
	return c.copyTo([3]string{account, container, object})
}

// splitPath reads container/object out of a header.
func splitPath(v, header string) (container, object string, err error) {
	path, err := url.PathUnescape(v)
	path, _, _ = strings.Cut(path, "?")
	container, object, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if err != nil || !ok || container == "" || object == "" {
		return "", "", Refuse(http.StatusPreconditionFailed, "%s header must be of the form <container name>/<object name>", header)
	}
	return container, object, nil
}

func accountName(v string) (string, error) {
	name, err := url.PathUnescape(v)
	if err != nil || name == "" {
		return "", Refuse(http.StatusPreconditionFailed, "Account name cannot be empty")
	}
	if strings.Contains(name, "/") {
		return "", Refuse(http.StatusPreconditionFailed, "Account name cannot contain slashes")
	}
	return name, nil
}

// copyTo copies the object named into the call's own.
func (c *Call) copyTo(from [3]string) error {
	src, err := c.source(from)
	if err != nil {
		return err
	}
	con, err := c.container(objectstore.WriteObject)
	if err != nil {
		return err
	}
	if src.Size > c.Service.Limits().ObjectBytes {
		return Refuse(http.StatusRequestEntityTooLarge, "Your request is too large.")
	}
	up := &Upload{Source: &src}
	up.Length = src.Size
	up.IfAbsent = c.R.Header.Get("If-None-Match") != ""
	if err := c.inherit(src, up); err != nil {
		return err
	}
	if header := c.R.Header.Get("Range"); header != "" {
		if err := c.partly(src, header, up); err != nil {
			return err
		}
	}
	h := c.W.Header()
	h.Set("X-Copied-From", pathOf(from[1], from[2]))
	h.Set("X-Copied-From-Account", escape(from[0]))
	h.Set("X-Copied-From-Last-Modified", LastModified(src.UpdatedAt))
	writeMeta(h, "Object", up.Meta)
	return c.write(con, up)
}

// source finds what is copied, with the caller's rights.
func (c *Call) source(from [3]string) (objectstore.Content, error) {
	as := *c
	as.Account, as.Container, as.Object = from[0], from[1], from[2]
	as.W = headerOnly{http.Header{}}
	con, err := as.container(objectstore.ReadObject)
	if err != nil {
		return objectstore.Content{}, err
	}
	content, err := as.find(con)
	if err != nil {
		return content, err
	}
	return content, as.conditionsOfCopy(content)
}

// conditionsOfCopy are those of a GET: a source that is not modified is no failure
// there and one here.
func (c *Call) conditionsOfCopy(content objectstore.Content) error {
	switch c.conditions(content) {
	case http.StatusNotModified:
		return Refuse(http.StatusNotModified, "")
	case http.StatusPreconditionFailed:
		return precondition()
	}
	return nil
}

// headerOnly takes headers that nobody reads.
type headerOnly struct{ h http.Header }

// Header implements http.ResponseWriter.
func (w headerOnly) Header() http.Header { return w.h }

// Write implements http.ResponseWriter.
func (w headerOnly) Write(p []byte) (int, error) { return len(p), nil }

// WriteHeader implements http.ResponseWriter.
func (w headerOnly) WriteHeader(int) {}

// inherit makes the metadata of a copy: the source's, changed by the request's;
// with X-Fresh-Metadata the request's alone.
func (c *Call) inherit(src objectstore.Content, up *Upload) error {
	typed := c.R.Header.Get("Content-Type") != ""
	if err := c.describe(&up.Put); err != nil {
		return err
	}
	if truthy(c.R.Header.Get("X-Fresh-Metadata")) {
		return nil
	}
	if !typed {
		up.ContentType = src.ContentType
	}
	if up.DeleteAt == 0 {
		up.DeleteAt = src.DeleteAt
	}
	meta := maps.Clone(src.Meta)
	maps.Copy(meta, up.Meta) // an object keeps names without a value, unlike a container
	system := map[string]string{}
	for k, v := range src.System {
		if strings.HasPrefix(k, headerKey) {
			system[k] = v
		}
	}
	up.Meta, up.System = meta, objectstore.Merge(system, up.System)
	return nil
}

// partly makes it a copy of a range.
func (c *Call) partly(src objectstore.Content, header string, up *Upload) error {
	r, err := firstRange(header, src.Size)
	if err != nil {
		return err
	}
	body, err := src.Open(c.R.Context(), r.first, r.length)
	if err != nil {
		return err
	}
	up.Source, up.Body, up.Length = nil, body, r.length
	return nil
}
