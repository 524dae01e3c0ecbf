package api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
	"altostack/volume"
)

func (a *API) metadataRoutes() []rest.Route {
	m := pairsOf{
		read: func(r *http.Request, scope auth.Scope) (map[string]string, error) {
			v, err := a.svc.Get(r.Context(), scope, r.PathValue("volume_id"))
			return shown(v), err
		},
		write: func(r *http.Request, scope auth.Scope, edit func(m map[string]string) (map[string]string, error)) (map[string]string, error) {
			v, err := a.svc.Change(r.Context(), scope, r.PathValue("volume_id"), func(v *volume.Volume) (err error) {
				v.Metadata, err = edit(v.Metadata)
				return err
			})
			return v.Metadata, err
		},
		missing: func(r *http.Request, key string) error {
			return fault.New(fault.CodeVolumeMetadataNotFound, "Volume %s has no metadata with key %s.", r.PathValue("volume_id"), key)
		},
	}
	s := pairsOf{
		read: func(r *http.Request, scope auth.Scope) (map[string]string, error) {
			s, err := a.svc.Snapshot(r.Context(), scope, r.PathValue("snapshot_id"))
			return s.Metadata, err
		},
		write: func(r *http.Request, scope auth.Scope, edit func(m map[string]string) (map[string]string, error)) (map[string]string, error) {
			s, err := a.svc.ChangeSnapshot(r.Context(), scope, r.PathValue("snapshot_id"), func(s *volume.Snapshot) (err error) {
				s.Metadata, err = edit(s.Metadata)
				return err
			})
			return s.Metadata, err
		},
		missing: func(r *http.Request, key string) error {
			return fault.New(fault.CodeVolumeMetadataNotFound, "Snapshot %s has no metadata with key %s.", r.PathValue("snapshot_id"), key)
		},
	}
	const vol, snap = "/v3/volumes/{volume_id}/metadata", "/v3/snapshots/{snapshot_id}/metadata"
	return []rest.Route{
		rest.On("GET "+vol, "volume:get_volume_metadata", m.list),
		rest.On("POST "+vol, "volume:create_volume_metadata", m.merge),
		rest.On("PUT "+vol, "volume:update_volume_metadata", m.replace),
		rest.On("GET "+vol+"/{id}", "volume:get_volume_metadata", m.show),
		rest.On("PUT "+vol+"/{id}", "volume:update_volume_metadata", m.set),
		rest.On("DELETE "+vol+"/{id}", "volume:delete_volume_metadata", m.remove),
		rest.On("GET "+snap, "volume:get_snapshot_metadata", s.list),
		rest.On("POST "+snap, "volume:update_snapshot_metadata", s.merge),
		rest.On("PUT "+snap, "volume:update_snapshot_metadata", s.replace),
		rest.On("GET "+snap+"/{id}", "volume:get_snapshot_metadata", s.show),
		rest.On("PUT "+snap+"/{id}", "volume:update_snapshot_metadata", s.set),
		rest.On("DELETE "+snap+"/{id}", "volume:delete_snapshot_metadata", s.remove),
	}
}

// pairsOf serves the metadata of one kind of resource.
type pairsOf struct {
	read    func(r *http.Request, scope auth.Scope) (map[string]string, error)
	write   func(r *http.Request, scope auth.Scope, edit func(m map[string]string) (map[string]string, error)) (map[string]string, error)
	missing func(r *http.Request, key string) error
}

type metadataBody struct {
	Metadata map[string]string `json:"metadata"`
}

func etag(m map[string]string) string {
	if m == nil {
		m = map[string]string{}
	}
	data, _ := json.Marshal(m)
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16])
}

// answer writes metadata with its tag, which versions from 3.15 have.
func answer(w http.ResponseWriter, r *http.Request, m map[string]string) error {
	if m == nil {
		m = map[string]string{}
	}
	if since(r, 15) {
		w.Header().Set("ETag", etag(m))
	}
	return rest.Write(w, http.StatusOK, metadataBody{m})
}

// fresh refuses a write that is based on older metadata.
func fresh(r *http.Request, m map[string]string) error {
	if want := r.Header.Get("If-Match"); since(r, 15) && want != "" && want != etag(m) && want != `"`+etag(m)+`"` {
		return fault.New(fault.CodeVolumeMetadataStale, "There was a conflict when trying to complete your request.")
	}
	return nil
}

func (p pairsOf) list(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	m, err := p.read(r, scope)
	if err != nil {
		return err
	}
	return answer(w, r, m)
}

func (p pairsOf) put(w http.ResponseWriter, r *http.Request, scope auth.Scope, keep bool) error {
	var b metadataBody
	if err := rest.Decode(r, "", &b); err != nil {
		return err
	}
	m, err := p.write(r, scope, func(m map[string]string) (map[string]string, error) {
		if err := fresh(r, m); err != nil {
			return nil, err
		}
		out := map[string]string{}
		if keep {
			maps.Copy(out, m)
		}
		maps.Copy(out, b.Metadata)
		return out, nil
	})
	if err != nil {
		return err
	}
	return answer(w, r, m)
}

func (p pairsOf) merge(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	return p.put(w, r, scope, true)
}

func (p pairsOf) replace(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	return p.put(w, r, scope, false)
}

func (p pairsOf) show(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	m, err := p.read(r, scope)
	if err != nil {
		return err
	}
	key := r.PathValue("id")
	value, has := m[key]
	if !has {
		return p.missing(r, key)
	}
	return rest.Write(w, http.StatusOK, map[string]any{"meta": map[string]string{key: value}})
}

func (p pairsOf) set(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b struct {
		Meta map[string]string `json:"meta"`
	}
	if err := rest.Decode(r, "", &b); err != nil {
		return err
	}
	key := r.PathValue("id")
	value, has := b.Meta[key]
	if !has {
		return bad("Request body and URI mismatch")
	}
	if len(b.Meta) > 1 {
		return bad("Request body contains too many items")
	}
	_, err := p.write(r, scope, func(m map[string]string) (map[string]string, error) {
		if err := fresh(r, m); err != nil {
			return nil, err
		}
		m = maps.Clone(m)
		if m == nil {
			m = map[string]string{}
		}
		m[key] = value
		return m, nil
	})
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"meta": b.Meta})
}

func (p pairsOf) remove(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	key := r.PathValue("id")
	_, err := p.write(r, scope, func(m map[string]string) (map[string]string, error) {
		if _, has := m[key]; !has {
			return nil, p.missing(r, key)
		}
		m = maps.Clone(m)
		delete(m, key)
		return m, nil
	})
	if err != nil {
		return err
	}
	return rest.Empty(w, http.StatusOK)
}
