package api

import (
	"context"
	"net/http"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

func viewDefault(project, typeID string) map[string]string {
	return map[string]string{"project_id": project, "volume_type_id": typeID}
}

func (a *API) listDefaultTypes(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	all, err := a.svc.Store.DefaultTypes(r.Context(), a.svc.DB)
	if err != nil {
		return err
	}
	out := []map[string]string{}
	for _, d := range all {
		out = append(out, viewDefault(d[0], d[1]))
	}
	return rest.Write(w, http.StatusOK, map[string]any{"default_types": out})
}

// mayDefault checks a default type's rule against its project.
func mayDefault(r *http.Request, scope auth.Scope) error {
	return scope.Check(scope.Rule, auth.Target{"project_id": r.PathValue("id")})
}

func (a *API) projectDefaultType(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if err := mayDefault(r, scope); err != nil {
		return err
	}
	project := r.PathValue("id")
	typeID, found, err := a.svc.Store.DefaultType(r.Context(), a.svc.DB, project)
	if err != nil {
		return err
	}
	if !found {
		return fault.New(fault.CodeVolumeDefaultTypeNotFound, "Default type for project %s not found.", project)
	}
	return rest.Write(w, http.StatusOK, map[string]any{"default_type": viewDefault(project, typeID)})
}

func (a *API) setDefaultType(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b struct {
		Type string `json:"volume_type"`
	}
	if err := rest.Decode(r, "default_type", &b); err != nil {
		return err
	}
	if err := mayDefault(r, scope); err != nil {
		return err
	}
	t, err := a.svc.TypeOf(r.Context(), scope, b.Type)
	if err != nil {
		return err
	}
	project := r.PathValue("id")
	err = a.svc.DB.Write(r.Context(), func(ctx context.Context, tx *db.Tx) error {
		return a.svc.Store.SetDefaultType(ctx, tx, project, t.ID)
	})
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"default_type": viewDefault(project, t.ID)})
}

func (a *API) unsetDefaultType(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if err := mayDefault(r, scope); err != nil {
		return err
	}
	err := a.svc.DB.Write(r.Context(), func(ctx context.Context, tx *db.Tx) error {
		return a.svc.Store.SetDefaultType(ctx, tx, r.PathValue("id"), "")
	})
	if err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}
