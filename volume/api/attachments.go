package api

import (
	"encoding/json"
	"net/http"

	"altostack/hostapi"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
	"altostack/volume"
)

func (a *API) attachmentRoutes() []rest.Route {
	return []rest.Route{
		rest.On("GET /v3/attachments", "", a.listAttachments(false)).Since("3.27"),
		rest.On("POST /v3/attachments", "volume:attachment_create", a.createAttachment).Since("3.27"),
		rest.On("GET /v3/attachments/detail", "", a.listAttachments(true)).Since("3.27"),
		rest.On("GET /v3/attachments/{id}", "", a.showAttachment).Since("3.27"),
		rest.On("PUT /v3/attachments/{id}", "volume:attachment_update", a.updateAttachment).Since("3.27"),
		rest.On("DELETE /v3/attachments/{id}", "volume:attachment_delete", a.deleteAttachment).Since("3.27"),
		rest.On("POST /v3/attachments/{id}/action", "volume:attachment_complete", a.completeAttachment).Act("os-complete").Since("3.44"),
	}
}

type attachmentView struct {
	ID         string         `json:"id"`
	Status     string         `json:"status"`
	Instance   *string        `json:"instance"`
	VolumeID   string         `json:"volume_id"`
	AttachedAt *string        `json:"attached_at,omitempty"`
	DetachedAt *string        `json:"detached_at,omitempty"`
	Mode       string         `json:"attach_mode,omitempty"`
	Connection map[string]any `json:"connection_info,omitempty"`
}

func viewAttachment(scope auth.Scope, at volume.Attachment, detail bool) attachmentView {
	v := attachmentView{ID: at.ID, Status: string(at.Status), Instance: text(at.ServerID), VolumeID: at.VolumeID}
	if !detail {
		return v
	}
	empty := ""
	v.AttachedAt, v.DetachedAt, v.Mode = &empty, &empty, at.Mode
	if !at.AttachedAt.IsZero() {
		v.AttachedAt = stamp(at.AttachedAt)
	}
	v.Connection = map[string]any{}
	var conn hostapi.VolumeConnection
	if at.Connection != nil && json.Unmarshal(at.Connection, &conn) == nil {
		info := connectionView(conn, service(scope))
		for k, value := range info["data"].(map[string]any) {
			v.Connection[k] = value
		}
		v.Connection["driver_volume_type"], v.Connection["attachment_id"] = info["driver_volume_type"], at.ID
	}
	return v
}

func (a *API) listAttachments(detail bool) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		p, err := pagingOf(r.URL.Query(), "", "status", "volume_id")
		if err != nil {
			return err
		}
		values := r.URL.Query()
		q := volume.AttachmentQuery{ProjectID: scope.ProjectID, VolumeID: values.Get("volume_id"), ServerID: first(values.Get("instance_id"), values.Get("instance_uuid")),
			Status: first(values.Get("status"), values.Get("attach_status")), Page: p.Request}
		if volume.Admin(scope) {
			q.All, _ = truth(values.Get("all_tenants"))
		}
		var list []volume.Attachment
		if !p.none {
			if list, _, err = a.svc.Store.Attachments(r.Context(), a.svc.DB, q); err != nil {
				return noMarker(err, fault.CodeVolumeAttachmentNotFound, "Volume attachment could not be found with filter: attachment_id = %s.", p.Marker)
			}
		}
		out := make([]attachmentView, 0, len(list))
		for _, at := range cut(p, list) {
			out = append(out, viewAttachment(scope, at, detail))
		}
		return rest.Write(w, http.StatusOK, map[string]any{"attachments": out})
	}
}

func (a *API) showAttachment(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	scope.All = volume.Admin(scope) // the route has no rule: everybody sees their own
	at, err := a.svc.FindAttachment(r.Context(), a.svc.DB, scope, r.PathValue("id"))
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"attachment": viewAttachment(scope, at, true)})
}

type connectorBody struct {
	Host   string `json:"host"`
	Device string `json:"mountpoint"`
	Mode   string `json:"mode"`
}

// connector reads what is needed of a connector; none is nil.
func connector(raw json.RawMessage) (json.RawMessage, connectorBody, error) {
	var c connectorBody
	if s := string(raw); s == "" || s == "null" || s == "{}" {
		return nil, c, nil
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, c, bad("Invalid input received: the connector cannot be read")
	}
	return raw, c, nil
}

func (a *API) createAttachment(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b struct {
		VolumeID  string          `json:"volume_uuid"`
		ServerID  string          `json:"instance_uuid"`
		Mode      string          `json:"mode"`
		Connector json.RawMessage `json:"connector"`
	}
	if err := rest.Decode(r, "attachment", &b); err != nil {
		return err
	}
	raw, c, err := connector(b.Connector)
	if err != nil {
		return err
	}
	want := volume.Attaching{VolumeID: b.VolumeID, ServerID: b.ServerID, Mode: first(b.Mode, c.Mode), Connector: raw, Host: c.Host}
	at, err := a.svc.CreateAttachment(r.Context(), scope, want, service(scope))
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"attachment": viewAttachment(scope, at, true)})
}

func (a *API) updateAttachment(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b struct {
		Connector json.RawMessage `json:"connector"`
	}
	if err := rest.Decode(r, "attachment", &b); err != nil {
		return err
	}
	raw, c, err := connector(b.Connector)
	if err != nil {
		return err
	}
	if raw == nil {
		return bad("Invalid input received: a connector is required")
	}
	at, err := a.svc.UpdateAttachment(r.Context(), scope, r.PathValue("id"), c.Host, c.Device, raw)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"attachment": viewAttachment(scope, at, true)})
}

func (a *API) completeAttachment(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if err := a.svc.CompleteAttachment(r.Context(), scope, r.PathValue("id")); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}

// deleteAttachment answers the other attachments of the volume.
func (a *API) deleteAttachment(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	at, err := a.svc.FindAttachment(r.Context(), a.svc.DB, scope, r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := a.svc.DeleteAttachment(r.Context(), scope, at.ID, service(scope)); err != nil {
		return err
	}
	others, _, err := a.svc.Store.Attachments(r.Context(), a.svc.DB, volume.AttachmentQuery{ProjectID: at.ProjectID, VolumeID: at.VolumeID})
	if err != nil {
		return err
	}
	out := []attachmentView{}
	for _, o := range others {
		out = append(out, viewAttachment(scope, o, false))
	}
	return rest.Write(w, http.StatusOK, map[string]any{"attachments": out})
}
