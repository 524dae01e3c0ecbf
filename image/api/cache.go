package api

import (
	"net/http"
	"strings"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/rest"
)

func (a *API) cache(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	all, err := a.images.CacheState(r.Context())
	if err != nil {
		return err
	}
	cached, queued := []any{}, []string{}
	seconds := func(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
	for _, c := range all {
		if !c.Ready {
			queued = append(queued, c.ImageID)
			continue
		}
		cached = append(cached, map[string]any{"image_id": c.ImageID, "hits": c.Hits, "size": c.Size, "checksum": c.Checksum,
			"last_accessed": max(0, seconds(c.LastAccessed)), "last_modified": seconds(c.LastModified)})
	}
	return rest.Write(w, http.StatusOK, map[string]any{"cached_images": cached, "queued_images": queued})
}

func (a *API) clearCache(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	target := strings.ToLower(r.Header.Get("X-Image-Cache-Clear-Target"))
	if target != "" && target != "cache" && target != "queue" {
		return invalid("If provided 'x-image-cache-clear-target' must be 'cache', 'queue' or empty string.")
	}
	if err := a.images.ClearCache(r.Context(), target != "queue", target != "cache"); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}

func (a *API) cacheImage(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if err := a.images.CacheImage(r.Context(), scope, r.PathValue("image_id")); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}

func (a *API) uncache(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	if err := a.images.Uncache(r.Context(), r.PathValue("image_id")); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}
