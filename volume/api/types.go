package api

import (
	"encoding/json"
	"net/http"
	"strings"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
	"altostack/volume"
)

func (a *API) typeRoutes() []rest.Route {
	const access, specs = "volume_extension:volume_type_access", "volume_extension:types_extra_specs:"
	return []rest.Route{
		rest.On("GET /v3/types", "volume_extension:type_get_all", a.listTypes),
		rest.On("POST /v3/types", "volume_extension:type_create", a.createType),
		rest.On("GET /v3/types/default", "volume_extension:type_get", a.showDefaultType),
		rest.On("GET /v3/types/{id}", "volume_extension:type_get", a.showType),
		rest.On("PUT /v3/types/{id}", "volume_extension:type_update", a.updateType),
		rest.On("DELETE /v3/types/{id}", "volume_extension:type_delete", a.deleteType),
		rest.On("POST /v3/types/{id}/action", access+":addProjectAccess", a.typeAccess("addProjectAccess", true)).Act("addProjectAccess"),
		rest.On("POST /v3/types/{id}/action", access+":removeProjectAccess", a.typeAccess("removeProjectAccess", false)).Act("removeProjectAccess"),
		rest.On("GET /v3/types/{type_id}/os-volume-type-access", access+":get_all_for_type", a.listTypeAccess),
		rest.On("GET /v3/types/{type_id}/extra_specs", specs+"index", a.listSpecs),
		rest.On("POST /v3/types/{type_id}/extra_specs", specs+"create", a.createSpecs),
		rest.On("GET /v3/types/{type_id}/extra_specs/{id}", specs+"show", a.showSpec),
		rest.On("PUT /v3/types/{type_id}/extra_specs/{id}", specs+"update", a.updateSpec),
		rest.On("DELETE /v3/types/{type_id}/extra_specs/{id}", specs+"delete", a.deleteSpec),
		rest.On("GET /v3/default-types", "volume_extension:default_get_all", a.listDefaultTypes).Since("3.62"),
		rest.On("GET /v3/default-types/{id}", "volume_extension:default_get", a.projectDefaultType).Since("3.62"),
		rest.On("PUT /v3/default-types/{id}", "volume_extension:default_set_or_update", a.setDefaultType).Since("3.62"),
		rest.On("DELETE /v3/default-types/{id}", "volume_extension:default_unset", a.unsetDefaultType).Since("3.62"),
	}
}

type typeView struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Public      bool              `json:"is_public"`
	PublicToo   *bool             `json:"os-volume-type-access:is_public,omitempty"` // not in the answer of an update
	Description *string           `json:"description"`
	ExtraSpecs  map[string]string `json:"extra_specs"`
	QoSID       json.RawMessage   `json:"qos_specs_id,omitempty"`
}

// userSpecs are the extra specs that anybody may see.
var userSpecs = map[string]bool{"RESKEY:availability_zones": true, "multiattach": true, "replication_enabled": true}

func specsFor(scope auth.Scope, specs map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range specs {
		if volume.Admin(scope) || userSpecs[k] {
			out[k] = v
		}
	}
	return out
}

func viewType(scope auth.Scope, t volume.Type) typeView {
	v := viewNewType(scope, t)
	if volume.Admin(scope) {
		v.QoSID = null
		if t.QoSID != "" {
			v.QoSID = json.RawMessage(`"` + t.QoSID + `"`)
		}
	}
	return v
}

// viewNewType is a type as the answer of its creation has it, without the QoS
// that it cannot have yet.
func viewNewType(scope auth.Scope, t volume.Type) typeView {
	return typeView{ID: t.ID, Name: t.Name, Public: t.Public, PublicToo: &t.Public, Description: text(t.Description), ExtraSpecs: specsFor(scope, t.ExtraSpecs)}
}

func writeType(w http.ResponseWriter, scope auth.Scope, t volume.Type, err error) error {
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"volume_type": viewType(scope, t)})
}

func (a *API) listTypes(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	p, err := pagingOf(r.URL.Query(), "", "name", "updated_at")
	if err != nil {
		return err
	}
	q := volume.TypeQuery{ProjectID: scope.ProjectID, Name: r.URL.Query().Get("name"), Page: p.Request}
	if volume.Admin(scope) {
		yes := true
		q.Public = &yes
		if s := r.URL.Query().Get("is_public"); strings.EqualFold(s, "none") {
			q.All, q.Public = true, nil
		} else if s != "" {
			b, ok := truth(s)
			if !ok {
				return bad("Invalid is_public filter [%s]", s)
			}
			q.All, q.Public = true, &b
		}
	}
	if s := r.URL.Query().Get("extra_specs"); s != "" && since(r, 52) {
		if q.ExtraSpecs, err = dict(s); err != nil {
			return err
		}
	}
	var list []volume.Type
	var more bool
	if !p.none {
		if list, more, err = a.svc.Store.Types(r.Context(), a.svc.DB, q); err != nil {
			return noMarker(err, fault.CodeVolumeTypeNotFound, "Volume type %s could not be found.", p.Marker)
		}
		list = cut(p, list)
	}
	out := struct {
		Types []typeView `json:"volume_types"`
		Links []link     `json:"volume_type_links,omitempty"`
	}{Types: make([]typeView, 0, len(list))}
	for _, t := range list {
		out.Types = append(out.Types, viewType(scope, t))
	}
	if p.full(len(list), more) {
		out.Links = nextLink(r, scope, "types", list[len(list)-1].ID)
	}
	return rest.Write(w, http.StatusOK, out)
}

func (a *API) showType(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	t, err := a.svc.TypeOf(r.Context(), scope, r.PathValue("id"))
	return writeType(w, scope, t, err)
}

func (a *API) showDefaultType(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	t, err := a.svc.DefaultTypeOf(r.Context(), scope)
	return writeType(w, scope, t, err)
}

func (a *API) createType(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	b := struct {
		Name        string             `json:"name"`
		Description string             `json:"description"`
		Public      *flag              `json:"os-volume-type-access:is_public"`
		Specs       map[string]*string `json:"extra_specs"`
	}{}
	if err := rest.Decode(r, "volume_type", &b); err != nil {
		return err
	}
	if strings.TrimSpace(b.Name) == "" {
		return bad("Type name can not be empty.")
	}
	t := volume.Type{Name: strings.TrimSpace(b.Name), Description: b.Description, Public: b.Public == nil || bool(*b.Public), ExtraSpecs: map[string]string{}}
	for k, v := range b.Specs {
		if v != nil {
			t.ExtraSpecs[k] = *v
		}
	}
	t, err := a.svc.CreateType(r.Context(), t)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"volume_type": viewNewType(scope, t)})
}

func (a *API) updateType(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b struct {
		Name        *string `json:"name"`
		Description *string `json:"description"`
		Public      *flag   `json:"is_public"`
	}
	if err := rest.Decode(r, "volume_type", &b); err != nil {
		return err
	}
	if b.Name != nil && strings.TrimSpace(*b.Name) == "" {
		return bad("Volume type name can not be empty.")
	}
	if b.Name == nil && b.Description == nil && b.Public == nil {
		return bad("Specify volume type name, description, is_public or a combination thereof.")
	}
	t, err := a.svc.ChangeType(r.Context(), scope, r.PathValue("id"), func(t *volume.Type) error {
		set(&t.Name, b.Name)
		set(&t.Description, b.Description)
		if b.Public != nil {
			t.Public = bool(*b.Public)
		}
		return nil
	})
	if err != nil {
		return err
	}
	view := viewNewType(scope, t)
	view.PublicToo = nil
	return rest.Write(w, http.StatusOK, map[string]any{"volume_type": view})
}

func (a *API) deleteType(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if err := a.svc.DeleteType(r.Context(), scope, r.PathValue("id")); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}

func (a *API) typeAccess(action string, allow bool) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		var b struct {
			Project string `json:"project"`
		}
		if err := rest.Decode(r, action, &b); err != nil {
			return err
		}
		if err := a.svc.SetTypeAccess(r.Context(), scope, r.PathValue("id"), b.Project, allow); err != nil {
			return err
		}
		return rest.Empty(w, http.StatusAccepted)
	}
}

func (a *API) listTypeAccess(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	t, err := a.svc.TypeOf(r.Context(), scope, r.PathValue("type_id"))
	if err != nil {
		return err
	}
	if t.Public {
		return fault.New(fault.CodeVolumeTypeNotFound, "Access list not available for public volume types.")
	}
	projects, err := a.svc.Store.TypeAccess(r.Context(), a.svc.DB, t.ID)
	if err != nil {
		return err
	}
	out := []map[string]string{}
	for _, p := range projects {
		out = append(out, map[string]string{"volume_type_id": t.ID, "project_id": p})
	}
	return rest.Write(w, http.StatusOK, map[string]any{"volume_type_access": out})
}

func (a *API) listSpecs(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	t, err := a.svc.TypeOf(r.Context(), scope, r.PathValue("type_id"))
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"extra_specs": specsFor(scope, t.ExtraSpecs)})
}

func (a *API) createSpecs(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b map[string]string
	if err := rest.Decode(r, "extra_specs", &b); err != nil {
		return err
	}
	_, err := a.svc.ChangeType(r.Context(), scope, r.PathValue("type_id"), func(t *volume.Type) error {
		for k, v := range b {
			t.ExtraSpecs[k] = v
		}
		return nil
	})
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"extra_specs": b})
}

func noSpec(r *http.Request) error {
	return fault.New(fault.CodeVolumeMetadataNotFound, "Volume Type %s has no extra specs with key %s.", r.PathValue("type_id"), r.PathValue("id"))
}

func (a *API) showSpec(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	t, err := a.svc.TypeOf(r.Context(), scope, r.PathValue("type_id"))
	if err != nil {
		return err
	}
	key := r.PathValue("id")
	v, has := specsFor(scope, t.ExtraSpecs)[key]
	if !has {
		return noSpec(r)
	}
	return rest.Write(w, http.StatusOK, map[string]string{key: v})
}

func (a *API) updateSpec(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b map[string]string
	if err := rest.Decode(r, "", &b); err != nil {
		return err
	}
	key := r.PathValue("id")
	v, has := b[key]
	if !has {
		return bad("Request body and URI mismatch")
	}
	if len(b) > 1 {
		return bad("Request body contains too many items")
	}
	if _, err := a.svc.ChangeType(r.Context(), scope, r.PathValue("type_id"), func(t *volume.Type) error { t.ExtraSpecs[key] = v; return nil }); err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, b)
}

func (a *API) deleteSpec(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	_, err := a.svc.ChangeType(r.Context(), scope, r.PathValue("type_id"), func(t *volume.Type) error {
		if _, has := t.ExtraSpecs[r.PathValue("id")]; !has {
			return noSpec(r)
		}
		delete(t.ExtraSpecs, r.PathValue("id"))
		return nil
	})
	if err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}
