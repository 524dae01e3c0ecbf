package api

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

func (a *API) listTraits(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	q := r.URL.Query()
	keep := func(string) bool { return true }
	var associated *bool
	for name := range q {
		value := q.Get(name)
		switch name {
		case "name":
			op, rest, ok := strings.Cut(value, ":")
			switch {
			case ok && op == "in":
				list := strings.Split(rest, ",")
				keep = func(t string) bool { return slices.Contains(list, t) }
			case ok && op == "startswith":
				keep = func(t string) bool { return strings.HasPrefix(t, rest) }
			default:
				return bad(`Badly formatted name parameter. Expected name query string parameter in form: ?name=[in|startswith]:[name1,name2|prefix]. Got: "%s"`, value)
			}
		case "associated":
			v := strings.ToLower(value)
			if v != "true" && v != "false" {
				return bad(`The query parameter "associated" only accepts "true" or "false"`)
			}
			b := v == "true"
			associated = &b
		default:
			return unexpected(name)
		}
	}
	list, err := a.placement.Traits(r.Context(), keep, associated)
	if err != nil {
		return err
	}
	a.dated(w, r, time.Time{})
	return rest.Write(w, http.StatusOK, map[string]any{"traits": list})
}

func (a *API) showTrait(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	made, err := a.placement.Trait(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	a.dated(w, r, made)
	return rest.Empty(w, http.StatusNoContent)
}

func (a *API) putTrait(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	name := r.PathValue("name")
	created, err := a.placement.EnsureTrait(r.Context(), name)
	if err != nil {
		return err
	}
	w.Header().Set("Location", path(r, "/traits/"+name))
	made, err := a.placement.Trait(r.Context(), name)
	if err != nil {
		return err
	}
	a.dated(w, r, made)
	return rest.Empty(w, createdOr204(created))
}

func createdOr204(created bool) int {
	if created {
		return http.StatusCreated
	}
	return http.StatusNoContent
}

func (a *API) deleteTrait(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	if err := a.placement.DeleteTrait(r.Context(), r.PathValue("name")); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}

func viewClass(r *http.Request, name string) map[string]any {
	return map[string]any{"name": name, "links": []link{{"self", path(r, "/resource_classes/"+name)}}}
}

func (a *API) listClasses(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	list, err := a.placement.Classes(r.Context())
	if err != nil {
		return err
	}
	views := make([]map[string]any, len(list))
	for i, name := range list {
		views[i] = viewClass(r, name)
	}
	a.dated(w, r, time.Time{})
	return rest.Write(w, http.StatusOK, map[string]any{"resource_classes": views})
}

func (a *API) showClass(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	if err := a.placement.HasClass(r.Context(), r.PathValue("name")); err != nil {
		return err
	}
	a.dated(w, r, time.Time{})
	return rest.Write(w, http.StatusOK, viewClass(r, r.PathValue("name")))
}

type nameBody struct {
	Name string `json:"name"`
}

func (a *API) createClass(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	var body nameBody
	if err := rest.Decode(r, "", &body); err != nil {
		return err
	}
	created, err := a.placement.EnsureClass(r.Context(), body.Name)
	if err != nil {
		return err
	}
	if !created {
		return fault.New(fault.CodePlacementNameExists, "Conflicting resource class already exists: %s", body.Name)
	}
	w.Header().Set("Location", path(r, "/resource_classes/"+body.Name))
	return rest.Empty(w, http.StatusCreated)
}

func (a *API) renameClass(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	var body nameBody
	if err := rest.Decode(r, "", &body); err != nil {
		return err
	}
	if err := a.placement.RenameClass(r.Context(), r.PathValue("name"), body.Name); err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, viewClass(r, body.Name))
}

func (a *API) ensureClass(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	created, err := a.placement.EnsureClass(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	w.Header().Set("Location", path(r, "/resource_classes/"+r.PathValue("name")))
	return rest.Empty(w, createdOr204(created))
}

func (a *API) deleteClass(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	if err := a.placement.DeleteClass(r.Context(), r.PathValue("name")); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}
