package api

import (
	"net/http"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

func (a *API) metadataRoutes() []rest.Route {
	const base = "/v2.1/servers/{server_id}/metadata"
	return []rest.Route{
		rest.On("GET "+base, "os_compute_api:server-metadata:index", a.listMetadata),
		rest.On("POST "+base, "os_compute_api:server-metadata:create", a.mergeMetadata),
		rest.On("PUT "+base, "os_compute_api:server-metadata:update_all", a.replaceMetadata),
		rest.On("GET "+base+"/{id}", "os_compute_api:server-metadata:show", a.showMetadata),
		rest.On("PUT "+base+"/{id}", "os_compute_api:server-metadata:update", a.putMetadata),
		rest.On("DELETE "+base+"/{id}", "os_compute_api:server-metadata:delete", a.deleteMetadata),
	}
}

func (a *API) listMetadata(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	s, err := a.sees(r, scope)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"metadata": s.Metadata})
}

func (a *API) mergeMetadata(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	return a.changeMetadata(w, r, scope, false)
}

func (a *API) replaceMetadata(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	return a.changeMetadata(w, r, scope, true)
}

func (a *API) changeMetadata(w http.ResponseWriter, r *http.Request, scope auth.Scope, replace bool) error {
	var items map[string]string
	if err := rest.Decode(r, "metadata", &items); err != nil {
		return err
	}
	s, err := a.svc.SetMetadata(r.Context(), scope, serverID(r), "update metadata", func(m map[string]string) error {
		if replace {
			clear(m)
		}
		for k, v := range items {
			m[k] = v
		}
		return nil
	})
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"metadata": s.Metadata})
}

func errNoItem() error {
	return fault.New(fault.CodeComputeMetadataNotFound, "Metadata item was not found")
}

func (a *API) showMetadata(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	s, err := a.sees(r, scope)
	if err != nil {
		return err
	}
	key := r.PathValue("id")
	value, has := s.Metadata[key]
	if !has {
		return errNoItem()
	}
	return rest.Write(w, http.StatusOK, map[string]any{"meta": map[string]string{key: value}})
}

func (a *API) putMetadata(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var item map[string]string
	if err := rest.Decode(r, "meta", &item); err != nil {
		return err
	}
	key := r.PathValue("id")
	value, has := item[key]
	if !has || len(item) != 1 {
		return invalid("Request body and URI mismatch")
	}
	_, err := a.svc.SetMetadata(r.Context(), scope, serverID(r), "update metadata", func(m map[string]string) error {
		m[key] = value
		return nil
	})
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"meta": item})
}

func (a *API) deleteMetadata(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	key := r.PathValue("id")
	_, err := a.svc.SetMetadata(r.Context(), scope, serverID(r), "delete metadata", func(m map[string]string) error {
		if _, has := m[key]; !has {
			return errNoItem()
		}
		delete(m, key)
		return nil
	})
	if err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}
