package api

import (
	"io"
	"net/http"
	"strings"

	"altostack/kernel/fault"
	"altostack/objectstore"
)

func (c *Call) putObject() error {
	if v := c.R.Header.Get("If-None-Match"); v != "" && !strings.Contains(v, "*") {
		return Refuse(http.StatusBadRequest, "If-None-Match only supports *")
	}
	if from := c.R.Header.Get("X-Copy-From"); from != "" {
		return c.putFrom(from)
	}
	con, err := c.container(objectstore.WriteObject)
	if err != nil {
		return err
	}
	up, err := c.upload()
	if err != nil {
		return err
	}
	return c.write(con, up)
}

// upload checks a PUT and reads what it says of the object.
func (c *Call) upload() (*Upload, error) {
	h := c.R.Header
	limits := c.Service.Limits()
	if len(c.R.TransferEncoding) > 0 && c.R.TransferEncoding[0] != "chunked" {
		return nil, Refuse(http.StatusNotImplemented, "Unsupported Transfer-Coding header value specified in Transfer-Encoding header")
	}
	chunked := c.R.ContentLength < 0
	if c.R.ContentLength > limits.ObjectBytes {
		return nil, Refuse(http.StatusRequestEntityTooLarge, "Your request is too large.")
	}
	if c.R.ContentLength == 0 && h.Get("Content-Length") == "" {
		return nil, Refuse(http.StatusLengthRequired, "Missing Content-Length header.")
	}
	up := &Upload{Body: c.R.Body}
	up.Length = c.R.ContentLength
	if chunked {
		up.Length = -1
	}
	up.MD5 = strings.Trim(h.Get("Etag"), `"`)
	up.IfAbsent = h.Get("If-None-Match") != ""
	return up, c.describe(&up.Put)
}

// describe reads name, type, metadata and times of an object to be written.
func (c *Call) describe(p *objectstore.Put) (err error) {
	h := c.R.Header
	if len(c.Object) > c.Service.Limits().ObjectName {
		return Refuse(http.StatusBadRequest, "Object name length of %d longer than %d", len(c.Object), c.Service.Limits().ObjectName)
	}
	p.Name = c.Object
	if p.ContentType, err = contentType(h, c.Object); err != nil {
		return err
	}
	if p.DeleteAt, err = c.deleteAt(); err != nil {
		return err
	}
	if err := checkMeta(h, "Object"); err != nil {
		return err
	}
	p.Meta, p.System = MetaChanges(h, "Object"), map[string]string{}
	keepHeaders(h, p.System)
	return nil
}

// write lets the features see an upload, writes it and answers.
func (c *Call) write(con objectstore.Container, up *Upload) error {
	for _, f := range c.API.features {
		if f.Put == nil {
			continue
		}
		if done, err := f.Put(c, con, up); done || err != nil {
			return err
		}
	}
	o, err := c.Store(con, up)
	if fault.Has(err, fault.CodeObjectstoreContainerNotFound) {
		return Refuse(http.StatusNotFound, "")
	}
	if err != nil {
		return err
	}
	h := c.W.Header()
	h.Set("Etag", o.ETag)
	h.Set("Last-Modified", LastModified(o.UpdatedAt))
	for _, f := range c.API.features {
		if f.Written != nil {
			f.Written(c, con, o, h)
		}
	}
	c.cors(&con)
	return emptyBody(c.W, http.StatusCreated)
}

// Store writes an upload: a row where it is a copy of a whole object's own bytes,
// otherwise the bytes of its body.
func (c *Call) Store(con objectstore.Container, up *Upload) (objectstore.Object, error) {
	ctx := c.R.Context()
	if src := up.Source; src != nil {
		if src.Kind == up.Kind && src.Pieces == 0 || src.Kind == "" && up.Kind == "" {
			return c.Service.Copy(ctx, src.Container, src.Object, con, up.Put)
		}
		r, err := src.Open(ctx, 0, src.Size)
		if err != nil {
			return objectstore.Object{}, err
		}
		defer r.Close()
		up.Length = src.Size
		return c.Service.Put(ctx, con, up.Put, r)
	}
	return c.Service.Put(ctx, con, up.Put, up.Body)
}

func (c *Call) postObject() error {
	con, err := c.container(objectstore.WriteObject)
	if err != nil {
		return err
	}
	if err := checkMeta(c.R.Header, "Object"); err != nil {
		return err
	}
	at, err := c.deleteAt()
	if err != nil {
		return err
	}
	o, err := c.Service.UpdateObject(c.R.Context(), con, c.Object, c.VersionID(), func(o *objectstore.Object) error {
		o.Meta, o.DeleteAt = MetaChanges(c.R.Header, "Object"), at
		for k := range o.System {
			if strings.HasPrefix(k, headerKey) {
				delete(o.System, k)
			}
		}
		keepHeaders(c.R.Header, o.System)
		if ct := c.R.Header.Get("Content-Type"); ct != "" {
			o.ContentType = ct
		}
		for _, f := range c.API.features {
			if f.Post != nil {
				if err := f.Post(c, con, o); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.cors(&con)
	for _, f := range c.API.features {
		if f.Posted == nil {
			continue
		}
		if done, err := f.Posted(c, con, o); done || err != nil {
			return err
		}
	}
	return c.Page(http.StatusAccepted)
}

func (c *Call) deleteObject() error {
	con, err := c.container(objectstore.WriteObject)
	if err != nil {
		return err
	}
	d := objectstore.Deletion{Version: c.VersionID()}
	if v := c.R.Header.Get("X-If-Delete-At"); v != "" {
		at, ok := seconds(v)
		if !ok {
			return Refuse(http.StatusBadRequest, "Bad X-If-Delete-At header value")
		}
		d.If = func(o objectstore.Object, found bool) error {
			if found && o.DeleteAt != at {
				return Refuse(http.StatusPreconditionFailed, "X-If-Delete-At and X-Delete-At do not match")
			}
			return nil
		}
	}
	for _, f := range c.API.features {
		if f.Delete == nil {
			continue
		}
		if done, err := f.Delete(c, con, &d); done || err != nil {
			return err
		}
	}
	gone, err := c.Service.DeleteObject(c.R.Context(), con, c.Object, d)
	if err != nil {
		return err
	}
	for _, f := range c.API.features {
		if f.Deleted != nil {
			f.Deleted(c, con, gone, c.W.Header())
		}
	}
	c.cors(&con)
	return c.noContent()
}

// drain reads what is left of a body, so that the connection can be used again.
func drain(r io.Reader) { _, _ = io.Copy(io.Discard, io.LimitReader(r, 64<<10)) }
