package feature

import (
	"math"
	"net/http"
	"net/url"
	"strings"

	"altostack/kernel/fault"
	"altostack/objectstore"
	"altostack/objectstore/api"
	"altostack/objectstore/bulk"
)

const versionKey = "object_versioning"

// ObjectVersioning keeps every version of a container's objects (X-Versions-Enabled).
func (f *Features) ObjectVersioning() api.Feature {
	return api.Feature{
		Name: "object_versioning", Info: map[string]any{},
		Container: func(c *api.Call, con *objectstore.Container, _ bool) error {
			value := c.R.Header.Get("X-Versions-Enabled")
			switch {
			case value == "":
				return nil
			case con.System[SystemArchive] != "":
				return api.Refuse(http.StatusBadRequest, "Cannot enable object versioning on a container that is already using the legacy versioned writes feature.")
			case api.Truthy(value):
				con.Versioning = objectstore.VersioningEnabled
			default:
				con.Versioning = objectstore.VersioningSuspended
			}
			return nil
		},
		ContainerHeaders: func(_ *api.Call, con objectstore.Container, h http.Header) {
			switch con.Versioning {
			case objectstore.VersioningEnabled:
				h.Set("X-Versions-Enabled", "True")
			case objectstore.VersioningSuspended:
				h.Set("X-Versions-Enabled", "False")
			}
		},
		DeleteContainer: func(_ *api.Call, con objectstore.Container) error {
			if con.Versioning != objectstore.VersioningOff && con.Usage.Versions > 0 {
				return api.Refuse(http.StatusConflict, "Delete all versions before deleting container.")
			}
			return nil
		},
		List: f.listVersions,
		Put:  f.putVersion,
		Written: func(_ *api.Call, con objectstore.Container, o objectstore.Object, h http.Header) {
			if con.Versioning == objectstore.VersioningEnabled {
				h.Set("X-Object-Version-Id", o.Version())
			}
		},
		Read:          readVersion,
		ObjectHeaders: versionHeaders,
		Post: func(c *api.Call, _ objectstore.Container, _ *objectstore.Object) error {
			if c.VersionID() != "" {
				return api.Refuse(http.StatusBadRequest, "POST to a specific version is not allowed")
			}
			return nil
		},
		Delete: f.deleteVersion,
		Entry: func(c *api.Call, o objectstore.Object, e *api.Entry) {
			if !o.Null && !c.Query.Has("versions") {
				e.VersionLink = true
				e.SymlinkPath = "/v1/" + spell(c.Account, c.Container+"/"+o.Name) + "?version-id=" + o.Version()
			}
		},
	}
}

// checkVersion refuses a version id that no version can have.
func checkVersion(c *api.Call, con objectstore.Container) error {
	id := c.VersionID()
	if id == "" || id == objectstore.NullVersion {
		return nil
	}
	if con.Versioning == objectstore.VersioningOff {
		return api.Refuse(http.StatusBadRequest, "version-aware operations require that the container is versioned")
	}
	if _, ok := objectstore.ParseVersion(id); !ok {
		return api.Refuse(http.StatusBadRequest, "Invalid version parameter")
	}
	return nil
}

func readVersion(c *api.Call, con objectstore.Container, o objectstore.Object, found bool) (*objectstore.Content, error) {
	if err := checkVersion(c, con); err != nil {
		return nil, err
	}
	id := c.VersionID()
	if id != "" && id != objectstore.NullVersion && !c.Grant.Owner {
		return nil, c.Denied() // a container's read ACL is for what its names stand for
	}
	switch {
	case con.Versioning == objectstore.VersioningOff && id == "":
	case found:
		c.Values[versionKey] = true
	case o.Marker && id != "":
		c.W.Header().Set("X-Object-Version-Id", o.Version())
		return nil, api.Refuse(http.StatusNotFound, "<html><h1>Not Found</h1><p>The resource could not be found.</p></html>").(*fault.Fault).WithExtra("content_type", MarkerType)
	}
	return nil, nil
}

func versionHeaders(c *api.Call, content objectstore.Content, h http.Header) {
	o := content.Object
	if c.Values[versionKey] == nil {
		return
	}
	h.Set("X-Object-Version-Id", o.Version())
	if !o.Null && content.Location == "" && c.VersionID() == "" {
		h.Set("Content-Location", "/v1/"+spell(c.Account, c.Container+"/"+o.Name)+"?version-id="+o.Version())
	}
}

// putVersion makes an older version the one that its name stands for.
func (f *Features) putVersion(c *api.Call, con objectstore.Container, up *api.Upload) (bool, error) {
	if c.VersionID() == "" || c.R.Method != http.MethodPut || c.R.Header.Get("X-Copy-From") != "" {
		return false, nil // of a copy it names the source's version
	}
	if c.VersionID() == objectstore.NullVersion {
		return false, api.Refuse(http.StatusBadRequest, "Invalid version parameter")
	}
	if err := checkVersion(c, con); err != nil {
		return false, err
	}
	if n, _ := up.Body.Read(make([]byte, 1)); n > 0 {
		return false, api.Refuse(http.StatusBadRequest, "PUT version-id requests require a zero byte body")
	}
	o, err := f.svc.Restore(c.R.Context(), con, c.Object, c.VersionID())
	if fault.Has(err, fault.CodeObjectstoreObjectNotFound) {
		return false, api.Refuse(http.StatusNotFound, "The specified version does not exist")
	}
	if err != nil {
		return false, err
	}
	h := c.W.Header()
	h.Set("Etag", o.ETag)
	h.Set("Last-Modified", api.LastModified(o.UpdatedAt))
	h.Set("X-Object-Version-Id", o.Version())
	h.Set("Content-Type", "text/html; charset=UTF-8")
	h.Set("Content-Length", "0")
	c.W.WriteHeader(http.StatusCreated)
	return true, nil
}

// deleteVersion deletes in a versioned container: without a version it leaves a
// marker, also where there is nothing.
func (f *Features) deleteVersion(c *api.Call, con objectstore.Container, d *objectstore.Deletion) (bool, error) {
	if err := checkVersion(c, con); err != nil {
		return false, err
	}
	if con.Versioning == objectstore.VersioningOff {
		return false, nil
	}
	ctx, h := c.R.Context(), c.W.Header()
	switch {
	case d.Version == objectstore.NullVersion && !f.hasNull(c, con):
		// The name stands for nothing then; what it stood for stays a version.
		d.Version, d.Plain = "", true
		return false, nil
	case d.Version != "" && d.Version != objectstore.NullVersion && !c.Grant.Owner:
		return false, c.Denied()
	case d.Version != "":
		gone, err := f.svc.DeleteObject(ctx, con, c.Object, *d)
		if err != nil {
			return false, err
		}
		current := objectstore.NullVersion
		if now, err := f.svc.Object(ctx, con, c.Object, ""); err == nil {
			current = now.Version()
		}
		h.Set("X-Object-Version-Id", gone.Version())
		h.Set("X-Object-Current-Version-Id", current)
	case con.Versioning == objectstore.VersioningSuspended:
		d.Plain = true
		return false, nil
	default:
		d.Blind = true
		gone, err := f.svc.DeleteObject(ctx, con, c.Object, *d)
		if err != nil {
			return false, err
		}
		if gone.Marker != nil {
			h.Set("X-Object-Version-Id", gone.Marker.Version())
		}
		if !gone.Found || gone.Object.Marker {
			return false, api.Refuse(http.StatusNotFound, "")
		}
	}
	c.W.WriteHeader(http.StatusNoContent)
	return true, nil
}

func (f *Features) hasNull(c *api.Call, con objectstore.Container) bool {
	_, err := f.svc.Object(c.R.Context(), con, c.Object, objectstore.NullVersion)
	return err == nil
}

// listVersions answers a listing of all versions.
func (f *Features) listVersions(c *api.Call, con objectstore.Container) (bool, error) {
	if !c.Query.Has("versions") {
		return false, nil
	}
	if format, accept := c.Query.Get("format"), c.R.Header.Get("Accept"); format != "" && format != "json" || format == "" && !bulk.Accepts(accept, bulk.JSON) {
		return false, api.Refuse(http.StatusNotAcceptable, "")
	}
	l, err := c.Listing()
	if err != nil {
		return false, err
	}
	if strings.ContainsAny(l.Delimiter, "0123456789.\x00") {
		return false, api.Refuse(http.StatusBadRequest, "invalid delimiter param")
	}
	if c.Query.Has("version_marker") {
		if l.Stamp, err = f.versionMarker(c, con, l.Marker); err != nil {
			return false, err
		}
	}
	entries, err := f.svc.Versions(c.R.Context(), con, l)
	if err != nil {
		return false, err
	}
	lines := make([]api.Entry, len(entries))
	for i, e := range entries {
		lines[i] = c.Line(e)
		if e.Subdir != "" {
			continue
		}
		latest := e.Item.Latest
		lines[i].VersionID, lines[i].IsLatest = e.Item.Version(), &latest
		if e.Item.Marker {
			lines[i].ContentType, lines[i].Hash = MarkerType, emptyMD5
		}
	}
	return true, c.WriteListing("application/json", lines)
}

const emptyMD5 = "d41d8cd98f00b204e9800998ecf8427e"

// versionMarker answers the stamp behind which a listing goes on within a name.
func (f *Features) versionMarker(c *api.Call, con objectstore.Container, name string) (int64, error) {
	v := c.Query.Get("version_marker")
	if !c.Query.Has("marker") {
		return 0, api.Refuse(http.StatusBadRequest, "version_marker param requires marker")
	}
	if v == objectstore.NullVersion {
		o, err := f.svc.Object(c.R.Context(), con, name, v)
		if fault.Has(err, fault.CodeObjectstoreObjectNotFound) {
			return math.MaxInt64, nil // before all of its versions
		}
		return o.Stamp, err
	}
	stamp, ok := objectstore.ParseVersion(v)
	if !ok {
		return 0, api.Refuse(http.StatusBadRequest, "invalid version_marker param")
	}
	return stamp, nil
}

// VersionedWrites keeps older versions in another container (X-Versions-Location,
// X-History-Location).
func (f *Features) VersionedWrites() api.Feature {
	return api.Feature{
		Name: "versioned_writes", Info: map[string]any{"allowed_flags": []string{"x-versions-location", "x-history-location"}},
		Container: changeArchive,
		ContainerHeaders: func(_ *api.Call, con objectstore.Container, h http.Header) {
			if at := con.System[SystemArchive]; at != "" {
				name := "X-Versions-Location"
				if con.System[SystemArchiveMode] == ModeHistory {
					name = "X-History-Location"
				}
				h.Set(name, url.PathEscape(at))
			}
		},
		Put: func(c *api.Call, con objectstore.Container, _ *api.Upload) (bool, error) {
			if con.System[SystemArchive] == "" {
				return false, nil
			}
			return false, f.Archive(c.R.Context(), con, c.Object)
		},
		Delete: func(c *api.Call, con objectstore.Container, _ *objectstore.Deletion) (bool, error) {
			switch {
			case con.System[SystemArchive] == "":
				return false, nil
			case con.System[SystemArchiveMode] == ModeHistory:
				return false, f.Bury(c.R.Context(), con, c.Object)
			}
			done, err := f.Pop(c.R.Context(), con, c.Object)
			if done && err == nil {
				c.W.WriteHeader(http.StatusNoContent)
			}
			return done, err
		},
	}
}

func changeArchive(c *api.Call, con *objectstore.Container, _ bool) error {
	h := c.R.Header
	stack, isStack := h["X-Versions-Location"]
	history, isHistory := h["X-History-Location"]
	if isStack && isHistory && stack[0] != "" && history[0] != "" {
		return api.Refuse(http.StatusBadRequest, "Only one of x-versions-location or x-history-location may be specified")
	}
	value, mode := "", ""
	switch {
	case isStack && stack[0] != "":
		value, mode = stack[0], ModeStack
	case isHistory && history[0] != "":
		value, mode = history[0], ModeHistory
	case isStack || isHistory || h.Get("X-Remove-Versions-Location") != "" || h.Get("X-Remove-History-Location") != "":
	default:
		return nil
	}
	if value != "" && con.Versioning != objectstore.VersioningOff {
		return api.Refuse(http.StatusBadRequest, "Cannot enable legacy versioned writes on a container that uses object versioning.")
	}
	link, err := archiveName(value)
	if err != nil {
		return err
	}
	con.System = objectstore.Merge(con.System, map[string]string{SystemArchive: link, SystemArchiveMode: mode})
	return nil
}
