package api

import (
	"net/http"

	"altostack/image"
	"altostack/kernel/auth"
	"altostack/kernel/rest"
)

// importInfo says how data can come besides by PUT.
func (a *API) importInfo(w http.ResponseWriter, _ *http.Request, _ auth.Scope) error {
	return rest.Write(w, http.StatusOK, map[string]any{"import-methods": map[string]any{
		"description": "Import methods available.", "type": "array", "value": append([]string{}, a.images.Methods()...)}})
}

func (a *API) listStores(detail bool) map[string]any {
	out := []map[string]any{}
	for i, p := range a.images.Stores() {
		v := map[string]any{"id": p.ID}
		if p.Description != "" {
			v["description"] = p.Description
		}
		if p.Default {
			v["default"] = "true"
		}
		if detail {
			// No path, no bucket: where the bytes lie is nobody's business outside.
			v["type"], v["weight"], v["properties"] = p.Type, len(a.images.Stores())-i-1, map[string]any{}
		}
		out = append(out, v)
	}
	return map[string]any{"stores": out}
}

func (a *API) stores(w http.ResponseWriter, _ *http.Request, _ auth.Scope) error {
	return rest.Write(w, http.StatusOK, a.listStores(false))
}

func (a *API) storesDetail(w http.ResponseWriter, _ *http.Request, _ auth.Scope) error {
	return rest.Write(w, http.StatusOK, a.listStores(true))
}

func (a *API) usage(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	used, err := a.images.Used(r.Context(), scope.ProjectID)
	if err != nil {
		return err
	}
	limits, err := a.images.Bounds(r.Context(), scope.ProjectID)
	if err != nil {
		return err
	}
	entry := func(used int64, name string) map[string]int64 {
		return map[string]int64{"usage": used, "limit": limits[name]}
	}
	const mib = 1 << 20
	return rest.Write(w, http.StatusOK, map[string]any{"usage": map[string]any{
		image.LimitSize:      entry((used.Bytes+mib-1)/mib, image.LimitSize),
		image.LimitImages:    entry(int64(used.Images), image.LimitImages),
		image.LimitStaged:    entry((used.Staged+mib-1)/mib, image.LimitStaged),
		image.LimitUploading: entry(int64(used.Uploading), image.LimitUploading),
	}})
}
