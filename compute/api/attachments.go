package api

import (
	"net/http"

	"altostack/compute"
	"altostack/kernel/auth"
	"altostack/kernel/rest"
)

func (a *API) attachmentRoutes() []rest.Route {
	const base = "/v2.1/servers/{server_id}/os-volume_attachments"
	return []rest.Route{
		rest.On("GET "+base, "os_compute_api:os-volumes-attachments:index", a.listAttachments),
		rest.On("POST "+base, "os_compute_api:os-volumes-attachments:create", a.attachVolume),
		rest.On("GET "+base+"/{id}", "os_compute_api:os-volumes-attachments:show", a.showAttachment),
		rest.On("PUT "+base+"/{id}", "os_compute_api:os-volumes-attachments:update", a.updateAttachment),
		rest.On("DELETE "+base+"/{id}", "os_compute_api:os-volumes-attachments:delete", a.detachVolume),
	}
}

type attachmentView struct {
	ID         string  `json:"id,omitempty"`
	Server     string  `json:"serverId"`
	Volume     string  `json:"volumeId"`
	Device     *string `json:"device"`
	Tag        *null   `json:"tag,omitempty"`
	Ends       *bool   `json:"delete_on_termination,omitempty"`
	Attachment *string `json:"attachment_id,omitempty"`
	Mapping    string  `json:"bdm_uuid,omitempty"`
}

func attachmentOf(r *http.Request, serverID string, d compute.Disk) attachmentView {
	v := attachmentView{ID: d.VolumeID, Server: serverID, Volume: d.VolumeID}
	if d.Device != "" {
		v.Device = &d.Device
	}
	if since(r, 70) {
		v.Tag = orNull(d.Tag)
	}
	if since(r, 79) {
		v.Ends = &d.DeleteOnTermination
	}
	if since(r, 89) {
		v.ID, v.Attachment, v.Mapping = "", &d.AttachmentID, d.ID
	}
	return v
}

func (a *API) listAttachments(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	s, err := a.sees(r, scope)
	if err != nil {
		return err
	}
	views := []attachmentView{}
	for _, d := range s.Disks {
		if d.Destination == "volume" && d.VolumeID != "" {
			views = append(views, attachmentOf(r, s.ID, d))
		}
	}
	q := r.URL.Query()
	if from := number(q.Get("offset")); from > 0 {
		views = views[min(from, len(views)):]
	}
	if q.Has("limit") {
		if limit := number(q.Get("limit")); limit > 0 {
			views = views[:min(limit, len(views))]
		}
	}
	return rest.Write(w, http.StatusOK, map[string]any{"volumeAttachments": views})
}

func (a *API) showAttachment(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	s, d, err := a.svc.Attachment(r.Context(), scope, serverID(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"volumeAttachment": attachmentOf(r, s.ID, d)})
}

func (a *API) attachVolume(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body struct {
		Volume string `json:"volumeId"`
		Device string `json:"device"`
		Tag    string `json:"tag"`
		Ends   any    `json:"delete_on_termination"`
	}
	if err := rest.Decode(r, "volumeAttachment", &body); err != nil {
		return err
	}
	s, d, err := a.svc.AttachVolume(r.Context(), scope, serverID(r), compute.Disk{VolumeID: body.Volume, Device: body.Device, Tag: body.Tag, DeleteOnTermination: truth(body.Ends)})
	if err != nil {
		return err
	}
	if since(r, 101) {
		return rest.Empty(w, http.StatusAccepted)
	}
	view := attachmentOf(r, s.ID, d)
	view.ID, view.Attachment, view.Mapping = d.VolumeID, nil, "" // the answer to POST never changed at 2.89
	return rest.Write(w, http.StatusOK, map[string]any{"volumeAttachment": view})
}

// updateAttachment changes delete_on_termination; swapping volumes is not built.
func (a *API) updateAttachment(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body struct {
		Volume string `json:"volumeId"`
		Ends   any    `json:"delete_on_termination"`
	}
	if err := rest.Decode(r, "volumeAttachment", &body); err != nil {
		return err
	}
	if body.Volume != r.PathValue("id") || !since(r, 85) {
		return invalid("The volume of an attachment cannot be changed.")
	}
	if err := a.svc.KeepVolume(r.Context(), scope, serverID(r), body.Volume, truth(body.Ends)); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}

func (a *API) detachVolume(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if err := a.svc.DetachVolume(r.Context(), scope, serverID(r), r.PathValue("id")); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}
