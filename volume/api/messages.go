package api

import (
	"context"
	"net/http"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
	"altostack/volume"
)

func (a *API) messageRoutes() []rest.Route {
	return []rest.Route{
		rest.On("GET /v3/messages", "message:get_all", a.listMessages).Since("3.3"),
		rest.On("GET /v3/messages/{id}", "message:get", a.showMessage).Since("3.3"),
		rest.On("DELETE /v3/messages/{id}", "message:delete", a.deleteMessage).Since("3.3"),
	}
}

func viewMessage(r *http.Request, scope auth.Scope, m volume.Message) map[string]any {
	return map[string]any{"id": m.ID, "event_id": m.EventID, "user_message": m.Text, "message_level": "ERROR", "created_at": stamp(m.CreatedAt),
		"guaranteed_until": stamp(m.ExpiresAt), "request_id": m.RequestID, "resource_type": m.ResourceType, "resource_uuid": m.ResourceID,
		"links": linksTo(r, scope, "messages", m.ID)}
}

func (a *API) message(r *http.Request, scope auth.Scope) (volume.Message, error) {
	m, found, err := a.svc.Store.Message(r.Context(), a.svc.DB, r.PathValue("id"))
	if err == nil && (!found || !scope.Sees(m.ProjectID)) {
		err = fault.New(fault.CodeVolumeMessageNotFound, "Message %s could not be found.", r.PathValue("id"))
	}
	return m, err
}

func (a *API) listMessages(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	p, err := pagingOf(r.URL.Query(), "", "event_id", "resource_type", "resource_uuid=resource_id", "guaranteed_until=expires_at", "request_id")
	if err != nil {
		return err
	}
	q, err := filtersOf(r, scope, "resource_uuid", "resource_type", "event_id", "request_id", "message_level")
	if err != nil {
		return err
	}
	q.Page = p.Request
	var list []volume.Message
	if !p.none {
		if list, _, err = a.svc.Store.Messages(r.Context(), a.svc.DB, q); err != nil {
			return noMarker(err, fault.CodeVolumeMessageNotFound, "Message %s could not be found.", p.Marker)
		}
	}
	out := []map[string]any{}
	for _, m := range cut(p, list) {
		out = append(out, viewMessage(r, scope, m))
	}
	return rest.Write(w, http.StatusOK, map[string]any{"messages": out})
}

func (a *API) showMessage(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	m, err := a.message(r, scope)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"message": viewMessage(r, scope, m)})
}

func (a *API) deleteMessage(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	m, err := a.message(r, scope)
	if err != nil {
		return err
	}
	err = a.svc.DB.Write(r.Context(), func(ctx context.Context, tx *db.Tx) error { return a.svc.Store.RemoveMessage(ctx, tx, m.ID) })
	if err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}
