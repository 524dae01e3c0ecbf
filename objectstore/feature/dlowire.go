package feature

import (
	"net/http"
	"strings"

	"altostack/objectstore"
	"altostack/objectstore/api"
)

const headerDLO = "X-Object-Manifest"

// DLO is dynamic large objects at the wire.
func (f *Features) DLO() api.Feature {
	return api.Feature{
		Name: "dlo", Info: map[string]any{},
		Put: func(c *api.Call, _ objectstore.Container, up *api.Upload) (bool, error) {
			value := c.R.Header.Get(headerDLO)
			if up.Source != nil && up.Source.Kind == KindDLO && wantsManifest(c) && value == "" {
				value = up.Source.System[SystemPrefix]
			}
			if value == "" || up.Kind != "" {
				return false, nil
			}
			if err := checkDLO(value); err != nil {
				return false, err
			}
			up.Kind, up.System = KindDLO, objectstore.Merge(up.System, map[string]string{SystemPrefix: value})
			return false, nil
		},
		// As any header that a POST does not repeat, the manifest goes.
		Post: func(c *api.Call, _ objectstore.Container, o *objectstore.Object) error {
			value := c.R.Header.Get(headerDLO)
			switch {
			case o.Kind != "" && o.Kind != KindDLO:
				return nil
			case value == "":
				o.Kind, o.System = "", objectstore.Merge(o.System, map[string]string{SystemPrefix: ""})
				return nil
			}
			if err := checkDLO(value); err != nil {
				return err
			}
			o.Kind, o.System = KindDLO, objectstore.Merge(o.System, map[string]string{SystemPrefix: value})
			return nil
		},
		Read: func(c *api.Call, con objectstore.Container, o objectstore.Object, found bool) (*objectstore.Content, error) {
			if found && o.Kind == KindDLO && !wantsManifest(c) && strings.Contains(c.R.Header.Get("Range"), ",") {
				c.R.Header.Del("Range") // one range at most, as in the original
			}
			if !found || o.Kind != KindDLO || !wantsManifest(c) {
				return nil, nil
			}
			content := f.storedDLO(con, o)
			return &content, nil
		},
		ObjectHeaders: func(c *api.Call, content objectstore.Content, h http.Header) {
			if content.Kind == KindDLO && !wantsManifest(c) {
				h.Set("Etag", `"`+content.ETag+`"`)
			}
		},
	}
}

// storedDLO is what a dynamic large object's own bytes are.
func (f *Features) storedDLO(con objectstore.Container, o objectstore.Object) objectstore.Content {
	content := f.svc.Stored(con, o)
	content.Headers = map[string]string{headerDLO: o.System[SystemPrefix]}
	return content
}

func checkDLO(value string) error {
	if _, _, err := ParseDLO(value); err != nil {
		return api.Refuse(http.StatusBadRequest, "X-Object-Manifest must be in the format container/prefix")
	}
	return nil
}
