package api

import (
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

// maxTags is how many tags a server may have, and maxTag their length.
const (
	maxTags = 50
	maxTag  = 60
)

func (a *API) tagRoutes() []rest.Route {
	const base = "/v2.1/servers/{server_id}/tags"
	return []rest.Route{
		rest.On("GET "+base, "os_compute_api:os-server-tags:index", a.listTags).Since("2.26"),
		rest.On("PUT "+base, "os_compute_api:os-server-tags:update_all", a.replaceTags).Since("2.26"),
		rest.On("DELETE "+base, "os_compute_api:os-server-tags:delete_all", a.deleteTags).Since("2.26"),
		rest.On("GET "+base+"/{id}", "os_compute_api:os-server-tags:show", a.hasTag).Since("2.26"),
		rest.On("PUT "+base+"/{id}", "os_compute_api:os-server-tags:update", a.putTag).Since("2.26"),
		rest.On("DELETE "+base+"/{id}", "os_compute_api:os-server-tags:delete", a.deleteTag).Since("2.26"),
	}
}

func (a *API) listTags(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	s, err := a.sees(r, scope)
	if err != nil {
		return err
	}
	if s.Tags == nil {
		s.Tags = []string{}
	}
	return rest.Write(w, http.StatusOK, map[string]any{"tags": s.Tags})
}

func (a *API) replaceTags(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var tags []string
	if err := rest.Decode(r, "tags", &tags); err != nil {
		return err
	}
	s, err := a.svc.SetTags(r.Context(), scope, serverID(r), func([]string) ([]string, error) { return slices.Clone(tags), nil })
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"tags": s.Tags})
}

func (a *API) deleteTags(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if _, err := a.svc.SetTags(r.Context(), scope, serverID(r), func([]string) ([]string, error) { return nil, nil }); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}

func errNoTag(id, tag string) error {
	return fault.New(fault.CodeComputeTagNotFound, "Server %s has no tag '%s'", id, tag)
}

func (a *API) hasTag(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	s, err := a.sees(r, scope)
	if err != nil {
		return err
	}
	if !slices.Contains(s.Tags, r.PathValue("id")) {
		return errNoTag(s.ID, r.PathValue("id"))
	}
	return rest.Empty(w, http.StatusNoContent)
}

func (a *API) putTag(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	tag := r.PathValue("id")
	if utf8.RuneCountInString(tag) > maxTag || tag == "" || strings.ContainsAny(tag, ",/") {
		return invalid("Tag '%s' is invalid. It must be a non empty string without characters '/' and ','. Maximum length of tag is %d.", tag, maxTag)
	}
	existed := false
	s, err := a.svc.SetTags(r.Context(), scope, serverID(r), func(tags []string) ([]string, error) {
		if existed = slices.Contains(tags, tag); existed {
			return tags, nil
		}
		if len(tags) >= maxTags {
			return nil, invalid("The number of tags exceeded the per-server limit %d", maxTags)
		}
		return append(slices.Clone(tags), tag), nil
	})
	if err != nil {
		return err
	}
	w.Header().Set("Location", rest.Base(r)+"/v2.1/servers/"+s.ID+"/tags/"+tag)
	if existed {
		return rest.Empty(w, http.StatusNoContent)
	}
	return rest.Empty(w, http.StatusCreated)
}

func (a *API) deleteTag(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	tag := r.PathValue("id")
	_, err := a.svc.SetTags(r.Context(), scope, serverID(r), func(tags []string) ([]string, error) {
		i := slices.Index(tags, tag)
		if i < 0 {
			return nil, errNoTag(serverID(r), tag)
		}
		return slices.Delete(slices.Clone(tags), i, i+1), nil
	})
	if err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}
