package feature

import (
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"altostack/kernel/fault"
	"altostack/objectstore"
	"altostack/objectstore/api"
)

const (
	headerTarget        = "X-Symlink-Target"
	headerTargetAccount = "X-Symlink-Target-Account"
	headerTargetETag    = "X-Symlink-Target-Etag"
	headerTargetBytes   = "X-Symlink-Target-Bytes"
)

// linkHeaders are what a link shows of itself, by what it keeps.
var linkHeaders = map[string]string{SystemTarget: headerTarget, SystemTargetAccount: headerTargetAccount, SystemTargetETag: headerTargetETag, SystemTargetBytes: headerTargetBytes}

// Symlink is symbolic links at the wire.
func (f *Features) Symlink() api.Feature {
	return api.Feature{
		Name: "symlink", Info: map[string]any{"symloop_max": MaxLinks, "static_links": true},
		Put:  f.putSymlink,
		Read: f.readSymlink,
		ObjectHeaders: func(_ *api.Call, content objectstore.Content, h http.Header) {
			if content.Location != "" {
				h.Set("Content-Location", content.Location)
			}
		},
		Post: func(c *api.Call, _ objectstore.Container, _ *objectstore.Object) error {
			if c.R.Header.Get(headerTarget) != "" {
				return api.Refuse(http.StatusBadRequest, "A PUT request is required to set a symlink target")
			}
			return nil
		},
		Posted: postedSymlink,
		Entry: func(c *api.Call, o objectstore.Object, e *api.Entry) {
			if o.Kind != KindSymlink {
				return
			}
			e.SymlinkPath = "/v1/" + or(o.System[SystemTargetAccount], url.PathEscape(c.Account)) + "/" + o.System[SystemTarget]
			e.SymlinkEtag = o.System[SystemTargetETag]
			if n, err := strconv.ParseInt(o.System[SystemTargetBytes], 10, 64); err == nil {
				e.SymlinkBytes = &n
			}
			if etag := o.System[SystemTargetSLO]; etag != "" {
				e.SLOEtag = `"` + etag + `"`
			}
		},
		Failed: func(c *api.Call, err error) (bool, error) {
			if at, ok := fault.From(err).Extra["location"].(string); ok {
				c.W.Header().Set("Content-Location", at)
			}
			return false, nil
		},
	}
}

// putSymlink makes a link of a PUT with a target, or of the copy of a link itself.
func (f *Features) putSymlink(c *api.Call, con objectstore.Container, up *api.Upload) (bool, error) {
	h := c.R.Header
	if up.Source != nil {
		if up.Source.Kind == KindSymlink {
			up.Kind = KindSymlink
			for _, key := range []string{SystemTarget, SystemTargetAccount, SystemTargetETag, SystemTargetBytes, SystemTargetSLO} {
				up.System = objectstore.Merge(up.System, map[string]string{key: up.Source.System[key]})
			}
			if up.System[SystemTargetAccount] == "" && up.Source.Container.Account != con.Account {
				up.System[SystemTargetAccount] = up.Source.Container.Account
			}
		}
		return false, nil
	}
	if h.Get(headerTarget) == "" {
		return false, nil
	}
	if n, _ := io.ReadFull(up.Body, make([]byte, 1)); n > 0 {
		return false, api.Refuse(http.StatusBadRequest, "Symlink requests require a zero byte body")
	}
	link, err := linkOfHeaders(c)
	if err != nil {
		return false, err
	}
	kept := map[string]string{SystemTarget: spell(link.Container, link.Object)}
	if link.Account != c.Account {
		kept[SystemTargetAccount] = url.PathEscape(link.Account)
	}
	if typed := h.Get("Content-Type") != ""; link.ETag != "" {
		contentType, bound, err := f.Hold(c.R.Context(), c.Reader(), link)
		if err != nil {
			return false, err
		}
		kept = objectstore.Merge(kept, bound)
		if !typed {
			up.ContentType = contentType
		}
	} else if !typed {
		up.ContentType = "application/symlink"
	}
	up.Kind, up.System, up.Body, up.Length = KindSymlink, objectstore.Merge(up.System, kept), strings.NewReader(""), 0
	return false, nil
}

func spell(container, object string) string {
	return strings.ReplaceAll(url.PathEscape(container+"/"+object), "%2F", "/")
}

func linkOfHeaders(c *api.Call) (Link, error) {
	h := c.R.Header
	target, err := url.PathUnescape(h.Get(headerTarget))
	container, object, ok := strings.Cut(target, "/")
	if err != nil || !ok || container == "" || object == "" {
		return Link{}, api.Refuse(http.StatusPreconditionFailed, "X-Symlink-Target header must be of the form <container name>/<object name>")
	}
	link := Link{Account: c.Account, Container: container, Object: object, ETag: strings.Trim(h.Get(headerTargetETag), `"`)}
	if v := h.Get(headerTargetAccount); v != "" {
		if link.Account, err = url.PathUnescape(v); err != nil || link.Account == "" || strings.Contains(link.Account, "/") {
			return Link{}, api.Refuse(http.StatusPreconditionFailed, "Account name cannot contain slashes")
		}
	}
	if link.Account == c.Account && container == c.Container && object == c.Object {
		return Link{}, api.Refuse(http.StatusBadRequest, "Symlink cannot target itself")
	}
	if strings.ContainsAny(link.ETag, `;"\`) {
		return Link{}, api.Refuse(http.StatusBadRequest, "Bad X-Symlink-Target-Etag format")
	}
	return link, nil
}

// readSymlink answers the link itself, where that is asked for.
func (f *Features) readSymlink(c *api.Call, con objectstore.Container, o objectstore.Object, found bool) (*objectstore.Content, error) {
	if !found || o.Kind != KindSymlink || c.Query.Get("symlink") != "get" {
		return nil, nil
	}
	content := f.svc.Stored(con, o)
	content.Headers = map[string]string{}
	for key, name := range linkHeaders {
		if v := o.System[key]; v != "" {
			content.Headers[name] = v
		}
	}
	return &content, nil
}

// postedSymlink tells that the metadata went to the link, not to its target.
func postedSymlink(c *api.Call, con objectstore.Container, o objectstore.Object) (bool, error) {
	if o.Kind != KindSymlink {
		return false, nil
	}
	h := c.W.Header()
	h.Set("Location", c.Mount()+LinkOf(con.Account, o).Path())
	if etag := o.System[SystemTargetETag]; etag != "" {
		h.Set(headerTargetETag, etag)
	}
	return true, c.Text(http.StatusTemporaryRedirect, "The requested POST was applied to a symlink. POST directly to the target to apply requested metadata.")
}
