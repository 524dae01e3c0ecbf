package api

import (
	"net/http"

	"altostack/kernel/auth"
	"altostack/kernel/rest"
)

// storeID names the one store there is.
const storeID = "default"

// importInfo says that data comes by PUT only.
func (a *API) importInfo(w http.ResponseWriter, _ *http.Request, _ auth.Scope) error {
	return rest.Write(w, http.StatusOK, map[string]any{"import-methods": map[string]any{
		"description": "Import methods available.", "type": "array", "value": []string{}}})
}

func (a *API) stores(w http.ResponseWriter, _ *http.Request, _ auth.Scope) error {
	return rest.Write(w, http.StatusOK, map[string]any{"stores": []any{map[string]any{"id": storeID, "default": "true"}}})
}

// storesDetail names no path: where the bytes lie is nobody's business outside.
func (a *API) storesDetail(w http.ResponseWriter, _ *http.Request, _ auth.Scope) error {
	return rest.Write(w, http.StatusOK, map[string]any{"stores": []any{map[string]any{
		"id": storeID, "default": "true", "type": "file", "weight": 0, "properties": map[string]any{}}}})
}

func (a *API) usage(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	used, err := a.images.Used(r.Context(), scope.ProjectID)
	if err != nil {
		return err
	}
	limits := a.images.Limits()
	entry := func(used, limit int64) map[string]int64 {
		if limit == 0 {
			limit = -1
		}
		return map[string]int64{"usage": used, "limit": limit}
	}
	const mib = 1 << 20
	return rest.Write(w, http.StatusOK, map[string]any{"usage": map[string]any{
		"image_size_total":      entry((used.Bytes+mib-1)/mib, limits.ProjectBytes/mib),
		"image_count_total":     entry(int64(used.Images), int64(limits.ProjectImages)),
		"image_stage_total":     entry(0, 0),
		"image_count_uploading": entry(int64(used.Uploading), 0),
	}})
}
