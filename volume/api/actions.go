package api

import (
	"context"
	"net/http"
	"slices"

	"altostack/hostapi"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
	"altostack/volume"
)

func (a *API) actionRoutes() []rest.Route {
	on := func(action, rule string, h rest.Handler) rest.Route {
		return rest.On("POST /v3/volumes/{id}/action", rule, h).Act(action)
	}
	const legacy, admin = "volume_extension:volume_actions:", "volume_extension:volume_admin_actions:"
	return []rest.Route{
		on("os-extend", "volume:extend", a.extend),
		on("os-reserve", legacy+"reserve", simply(a.svc.Promise)),
		on("os-unreserve", legacy+"unreserve", simply(a.svc.TakeBack)),
		on("os-begin_detaching", legacy+"begin_detaching", simply(a.svc.BeginDetaching)),
		on("os-roll_detaching", legacy+"roll_detaching", simply(a.svc.RollDetaching)),
		on("os-attach", legacy+"attach", a.attach),
		on("os-detach", legacy+"detach", a.detach("os-detach")),
		on("os-force_detach", admin+"force_detach", a.detach("os-force_detach")),
		on("os-initialize_connection", legacy+"initialize_connection", a.initializeConnection),
		on("os-terminate_connection", legacy+"terminate_connection", a.terminateConnection),
		on("os-reset_status", admin+"reset_status", a.resetStatus),
		on("os-force_delete", admin+"force_delete", simply(func(ctx context.Context, scope auth.Scope, id string) error {
			return a.svc.Remove(ctx, scope, id, volume.Removal{Force: true})
		})),
		on("os-set_bootable", "volume:update", a.setBootable),
		on("os-update_readonly_flag", "volume:update_readonly_flag", a.setReadOnly),
		on("os-volume_upload_image", legacy+"upload_image", a.uploadImage),
		on("os-retype", "volume:retype", a.retype),
		on("revert", "volume:revert_to_snapshot", a.revert).Since("3.40"),
		on("os-set_image_metadata", "volume_extension:volume_image_metadata:set", a.setImageMetadata),
		on("os-show_image_metadata", "volume_extension:volume_image_metadata:show", a.showImageMetadata),
		on("os-unset_image_metadata", "volume_extension:volume_image_metadata:remove", a.unsetImageMetadata),
	}
}

// simply serves an action without members.
func simply(f func(ctx context.Context, scope auth.Scope, id string) error) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		if err := f(r.Context(), scope, r.PathValue("id")); err != nil {
			return err
		}
		return rest.Empty(w, http.StatusAccepted)
	}
}

func (a *API) extend(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b struct {
		Size number `json:"new_size"`
	}
	if err := rest.Decode(r, "os-extend", &b); err != nil {
		return err
	}
	if err := a.svc.Extend(r.Context(), scope, r.PathValue("id"), int64(b.Size), since(r, 42)); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}

func (a *API) attach(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b struct {
		Server   string `json:"instance_uuid"`
		HostName string `json:"host_name"`
		Device   string `json:"mountpoint"`
		Mode     string `json:"mode"`
	}
	if err := rest.Decode(r, "os-attach", &b); err != nil {
		return err
	}
	if err := a.svc.Attach(r.Context(), scope, r.PathValue("id"), b.Server, b.HostName, b.Device, b.Mode); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}

func (a *API) detach(action string) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		var b struct {
			ID string `json:"attachment_id"`
		}
		if err := rest.Decode(r, action, &b); err != nil {
			return err
		}
		if err := a.svc.Release(r.Context(), scope, r.PathValue("id"), b.ID, service(scope)); err != nil {
			return err
		}
		return rest.Empty(w, http.StatusAccepted)
	}
}

// connectionView spells how to reach a volume the way drivers of OpenStack do.
// Where the file lies is for services alone.
func connectionView(c hostapi.VolumeConnection, inside bool) map[string]any {
	mode := "rw"
	if c.ReadOnly {
		mode = "ro"
	}
	data := map[string]any{"volume_id": c.VolumeID, "access_mode": mode, "encrypted": false, "discard": true, "qos_specs": nil, "format": c.Format}
	if inside {
		data["device_path"], data["address"], data["export"] = c.Path, c.Address, c.Export
	}
	return map[string]any{"driver_volume_type": c.Driver, "data": data}
}

func (a *API) initializeConnection(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	conn, err := a.svc.Connection(r.Context(), scope, r.PathValue("id"))
	if err != nil {
		return err
	}
	view := connectionView(conn, service(scope))
	view["enforce_multipath"] = false
	return rest.Write(w, http.StatusOK, map[string]any{"connection_info": view})
}

// terminateConnection ends what initialize_connection began: nothing is kept.
func (a *API) terminateConnection(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if _, err := a.svc.Get(r.Context(), scope, r.PathValue("id")); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}

var resettable = []string{"creating", "available", "deleting", "error", "error_deleting", "error_managing", "managing", "attaching", "detaching", "in-use",
	"maintenance", "error_extending", "extending", "uploading", "downloading", "reserved", "retyping", "awaiting-transfer", "backing-up", "restoring-backup",
	"error_backing-up", "error_restoring", "reverting"}

func (a *API) resetStatus(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b struct {
		Status       string `json:"status"`
		AttachStatus string `json:"attach_status"`
	}
	if err := rest.Decode(r, "os-reset_status", &b); err != nil {
		return err
	}
	if b.Status != "" && (!slices.Contains(resettable, b.Status) || b.Status == "managing") {
		return bad("Must specify a valid status, not %s", b.Status)
	}
	if err := a.svc.ResetStatus(r.Context(), scope, r.PathValue("id"), b.Status, b.AttachStatus); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}

func (a *API) setBootable(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b struct {
		Bootable flag `json:"bootable"`
	}
	if err := rest.Decode(r, "os-set_bootable", &b); err != nil {
		return err
	}
	_, err := a.svc.Change(r.Context(), scope, r.PathValue("id"), func(v *volume.Volume) error { v.Bootable = bool(b.Bootable); return nil })
	if err != nil {
		return err
	}
	return rest.Empty(w, http.StatusOK)
}

func (a *API) setReadOnly(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b struct {
		ReadOnly flag `json:"readonly"`
	}
	if err := rest.Decode(r, "os-update_readonly_flag", &b); err != nil {
		return err
	}
	_, err := a.svc.Change(r.Context(), scope, r.PathValue("id"), func(v *volume.Volume) error {
		if v.Status != volume.StatusAvailable {
			return fault.New(fault.CodeVolumeWrongState, "Invalid volume: Volume %s status must be available to update readonly flag, but current status is: %s.", v.ID, v.Status)
		}
		v.ReadOnly = bool(b.ReadOnly)
		v.Metadata["readonly"] = map[bool]string{true: "True", false: "False"}[v.ReadOnly]
		return nil
	})
	if err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}

func (a *API) uploadImage(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b struct {
		Name       string `json:"image_name"`
		Force      flag   `json:"force"`
		Format     string `json:"disk_format"`
		Container  string `json:"container_format"`
		Visibility string `json:"visibility"`
		Protected  flag   `json:"protected"`
	}
	if err := rest.Decode(r, "os-volume_upload_image", &b); err != nil {
		return err
	}
	if format := first(b.Format, "raw"); format != "raw" {
		return bad("Invalid input received: volumes are uploaded as raw; %s is not offered.", format)
	}
	if b.Visibility == "public" {
		if err := scope.Check("volume_extension:volume_actions:upload_public", auth.Target{"project_id": scope.ProjectID}); err != nil {
			return err
		}
	}
	up := volume.Upload{Force: bool(b.Force), Image: volume.ImageSpec{Name: b.Name, ContainerFormat: first(b.Container, "bare"),
		Visibility: first(b.Visibility, "private"), Protected: bool(b.Protected)}}
	v, img, err := a.svc.UploadImage(r.Context(), scope, r.PathValue("id"), up)
	if err != nil {
		return err
	}
	out := map[string]any{"id": v.ID, "updated_at": stamp(v.UpdatedAt), "status": "uploading", "display_description": text(v.Description), "size": v.SizeGiB,
		"volume_type": v.TypeName, "image_id": img.ID, "container_format": up.Image.ContainerFormat, "disk_format": "raw", "image_name": b.Name}
	if since(r, 1) {
		out["visibility"], out["protected"] = up.Image.Visibility, up.Image.Protected
	}
	return rest.Write(w, http.StatusAccepted, map[string]any{"os-volume_upload_image": out})
}

func (a *API) retype(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b struct {
		Type string `json:"new_type"`
	}
	if err := rest.Decode(r, "os-retype", &b); err != nil {
		return err
	}
	if err := a.svc.Retype(r.Context(), scope, r.PathValue("id"), b.Type); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}

func (a *API) revert(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b struct {
		Snapshot string `json:"snapshot_id"`
	}
	if err := rest.Decode(r, "revert", &b); err != nil {
		return err
	}
	if err := a.svc.Revert(r.Context(), scope, r.PathValue("id"), b.Snapshot); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}

func (a *API) setImageMetadata(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b struct {
		Metadata map[string]string `json:"metadata"`
	}
	if err := rest.Decode(r, "os-set_image_metadata", &b); err != nil {
		return err
	}
	v, err := a.svc.Change(r.Context(), scope, r.PathValue("id"), func(v *volume.Volume) error {
		for k, value := range b.Metadata {
			v.ImageMeta[k] = value
		}
		return nil
	})
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"metadata": v.ImageMeta})
}

func (a *API) showImageMetadata(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	v, err := a.svc.Get(r.Context(), scope, r.PathValue("id"))
	if err != nil {
		return err
	}
	if v.ImageMeta == nil {
		v.ImageMeta = map[string]string{}
	}
	return rest.Write(w, http.StatusOK, map[string]any{"metadata": v.ImageMeta})
}

func (a *API) unsetImageMetadata(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b struct {
		Key string `json:"key"`
	}
	if err := rest.Decode(r, "os-unset_image_metadata", &b); err != nil {
		return err
	}
	_, err := a.svc.Change(r.Context(), scope, r.PathValue("id"), func(v *volume.Volume) error {
		if _, has := v.ImageMeta[b.Key]; !has {
			return fault.New(fault.CodeVolumeMetadataNotFound, "Metadata not found: key %s", b.Key)
		}
		delete(v.ImageMeta, b.Key)
		return nil
	})
	if err != nil {
		return err
	}
	return rest.Empty(w, http.StatusOK)
}
