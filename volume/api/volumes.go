package api

import (
	"net/http"
	"slices"
	"strings"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/kernel/rest"
	"altostack/volume"
)

func (a *API) volumeRoutes() []rest.Route {
	return []rest.Route{
		rest.On("GET /v3/volumes", "volume:get_all", a.listVolumes(false)),
		rest.On("POST /v3/volumes", "volume:create", a.createVolume),
		rest.On("GET /v3/volumes/detail", "volume:get_all", a.listVolumes(true)),
		rest.On("GET /v3/volumes/summary", "volume:get_all", a.summarizeVolumes).Since("3.12"),
		rest.On("GET /v3/volumes/{id}", "volume:get", a.showVolume),
		rest.On("PUT /v3/volumes/{id}", "volume:update", a.updateVolume),
		rest.On("DELETE /v3/volumes/{id}", "volume:delete", a.deleteVolume),
		rest.On("GET /v3/volumes/{volume_id}/encryption", "volume_extension:volume_encryption_metadata", a.showEncryption),
	}
}

var volumeSort = []string{"updated_at", "name", "display_name=name", "status", "size=size_gib", "availability_zone=zone", "bootable", "host", "user_id", "project_id"}

func (a *API) listVolumes(detail bool) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		if !detail && strings.HasSuffix(r.URL.Path, "/") { // the show of no volume
			return fault.New(fault.CodeRestNotFound, "The resource could not be found.")
		}
		p, err := pagingOf(r.URL.Query(), "v.", volumeSort...)
		if err != nil {
			return err
		}
		q, err := filtersOf(r, scope, "name", "status", "metadata", "bootable", "migration_status", "availability_zone", "group_id", "size", "glance_metadata")
		if err != nil {
			return err
		}
		q.Page, q.Plain = p.Request, !detail
		var list []volume.Volume
		var more bool
		if !p.none {
			if list, more, err = a.svc.List(r.Context(), q); err != nil {
				return noMarker(err, fault.CodeVolumeVolumeNotFound, "Volume %s could not be found.", p.Marker)
			}
			list = cut(p, list)
		}
		out := struct {
			Volumes []any  `json:"volumes"`
			Links   []link `json:"volumes_links,omitempty"`
			Count   *int   `json:"count,omitempty"`
		}{Volumes: make([]any, 0, len(list))}
		collection := "volumes"
		if detail {
			collection = "volumes/detail"
		}
		for _, v := range list {
			if detail {
				out.Volumes = append(out.Volumes, viewVolume(r, scope, v, true))
			} else {
				out.Volumes = append(out.Volumes, viewSummary(r, scope, v))
			}
		}
		if p.full(len(list), more) {
			out.Links = nextLink(r, scope, collection, list[len(list)-1].ID)
		}
		if wanted, _ := truth(r.URL.Query().Get("with_count")); wanted && since(r, 45) {
			n, err := a.svc.Store.CountVolumes(r.Context(), a.svc.DB, q)
			if err != nil {
				return err
			}
			out.Count = &n
		}
		return rest.Write(w, http.StatusOK, out)
	}
}

func (a *API) summarizeVolumes(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	q, err := filtersOf(r, scope, "name", "status", "metadata", "bootable", "availability_zone")
	if err != nil {
		return err
	}
	count, gib, metadata, err := a.svc.Store.Summary(r.Context(), a.svc.DB, q)
	if err != nil {
		return err
	}
	out := map[string]any{"total_count": count, "total_size": gib}
	if since(r, 36) {
		distinct := map[string][]string{}
		for _, m := range metadata {
			for k, v := range m {
				if !slices.Contains(distinct[k], v) {
					distinct[k] = append(distinct[k], v)
				}
			}
		}
		out["metadata"] = distinct
	}
	return rest.Write(w, http.StatusOK, map[string]any{"volume-summary": out})
}

func (a *API) showVolume(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	v, err := a.svc.Get(r.Context(), scope, r.PathValue("id"))
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"volume": viewVolume(r, scope, v, true)})
}

type createVolumeBody struct {
	Name         string            `json:"name"`
	DisplayName  string            `json:"display_name"`
	Description  string            `json:"description"`
	DisplayDesc  string            `json:"display_description"`
	Size         *number           `json:"size"`
	Type         string            `json:"volume_type"`
	Zone         string            `json:"availability_zone"`
	ImageRef     string            `json:"imageRef"`
	ImageID      string            `json:"image_id"`
	SnapshotID   string            `json:"snapshot_id"`
	SourceVolume string            `json:"source_volid"`
	GroupID      string            `json:"group_id"`
	OldGroupID   string            `json:"consistencygroup_id"`
	BackupID     string            `json:"backup_id"`
	MultiAttach  flag              `json:"multiattach"`
	Metadata     map[string]string `json:"metadata"`
}

// createVolume answers 202 as soon as the intent is saved.
func (a *API) createVolume(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b createVolumeBody
	if err := rest.Decode(r, "volume", &b); err != nil {
		return err
	}
	if since(r, 50) && bool(b.MultiAttach) {
		return bad("Invalid input received: multiattach parameter has been removed. The default behavior is to use multiattach enabled volume types. Contact your administrator to create a multiattach enabled volume type and use it to create multiattach volumes.")
	}
	spec := volume.Spec{Name: first(b.Name, b.DisplayName), Description: first(b.Description, b.DisplayDesc), Zone: b.Zone, Type: b.Type,
		ImageID: imageID(first(b.ImageRef, b.ImageID)), SnapshotID: b.SnapshotID, SourceVolume: b.SourceVolume, Metadata: b.Metadata}
	switch {
	case b.Size != nil:
		if spec.SizeGiB = int64(*b.Size); spec.SizeGiB <= 0 {
			return bad("Invalid input received: Invalid volume size provided for create request: %d (size argument must be an integer (or string representation of an integer) and greater than zero).", spec.SizeGiB)
		}
	case b.SnapshotID == "" && b.SourceVolume == "" && b.BackupID == "":
		return bad("Invalid input received: Invalid volume size provided for create request: None (size argument must be an integer (or string representation of an integer) and greater than zero).")
	}
	switch {
	case spec.ImageID != "" && !id.IsUUID(spec.ImageID):
		return fault.New(fault.CodeVolumeBadImage, "Invalid image identifier or unable to access requested image.")
	case first(b.GroupID, b.OldGroupID) != "":
		return fault.New(fault.CodeVolumeGroupNotFound, "Group %s could not be found.", first(b.GroupID, b.OldGroupID))
	}
	if b.BackupID != "" {
		return a.createFromBackup(w, r, scope, spec, b.BackupID)
	}
	if spec.ImageID != "" {
		if err := scope.Check("volume:create_from_image", auth.Target{"project_id": scope.ProjectID}); err != nil {
			return err
		}
	}
	v, err := a.svc.Create(r.Context(), scope, spec)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusAccepted, map[string]any{"volume": viewVolume(r, scope, v, false)})
}

// createFromBackup makes a volume and starts to fill it; a size of its own may be
// larger than the backup's.
func (a *API) createFromBackup(w http.ResponseWriter, r *http.Request, scope auth.Scope, spec volume.Spec, backupID string) error {
	b, err := a.svc.Backup(r.Context(), scope, backupID)
	if err != nil {
		return err
	}
	if err := scope.Check("backup:restore", auth.Target{"project_id": b.ProjectID}); err != nil {
		return err
	}
	if spec.SizeGiB == 0 {
		spec.SizeGiB = b.SizeGiB
	}
	if b.Status != volume.StatusAvailable || spec.SizeGiB < b.SizeGiB {
		return bad("Invalid input received: Backup %s is %s and needs a volume of %d GB or more.", b.ID, b.Status, b.SizeGiB)
	}
	v, err := a.svc.Create(r.Context(), scope, spec)
	if err != nil {
		return err
	}
	if v, err = a.svc.Await(r.Context(), v.ID); err != nil {
		return err
	}
	if _, err := a.svc.RestoreBackup(r.Context(), scope, volume.Restore{BackupID: b.ID, VolumeID: v.ID}); err != nil {
		return err
	}
	if v, err = a.svc.Get(r.Context(), scope, v.ID); err != nil {
		return err
	}
	return rest.Write(w, http.StatusAccepted, map[string]any{"volume": viewVolume(r, scope, v, false)})
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// imageID takes the id from an image's URL.
func imageID(ref string) string { return ref[strings.LastIndex(ref, "/")+1:] }

func (a *API) updateVolume(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b struct {
		Name        *string           `json:"name"`
		DisplayName *string           `json:"display_name"`
		Description *string           `json:"description"`
		DisplayDesc *string           `json:"display_description"`
		Metadata    map[string]string `json:"metadata"`
	}
	if err := rest.Decode(r, "volume", &b); err != nil {
		return err
	}
	v, err := a.svc.Change(r.Context(), scope, r.PathValue("id"), func(v *volume.Volume) error {
		set(&v.Name, b.DisplayName)
		set(&v.Name, b.Name)
		set(&v.Description, b.DisplayDesc)
		set(&v.Description, b.Description)
		if b.Metadata != nil {
			v.Metadata = b.Metadata
		}
		return nil
	})
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"volume": viewVolume(r, scope, v, false)})
}

func set(to *string, from *string) {
	if from != nil {
		*to = strings.TrimSpace(*from)
	}
}

func (a *API) deleteVolume(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	q := r.URL.Query()
	cascade, ok := truth(q.Get("cascade"))
	force, ok2 := truth(q.Get("force"))
	if !ok || !ok2 {
		return bad("Invalid value for cascade or force: a boolean is wanted.")
	}
	force = force && since(r, 23)
	if force {
		v, err := a.svc.Get(r.Context(), scope, r.PathValue("id"))
		if err != nil {
			return err
		}
		if err := scope.Check("volume:force_delete", auth.Target{"project_id": v.ProjectID}); err != nil {
			return err
		}
	}
	if err := a.svc.Remove(r.Context(), scope, r.PathValue("id"), volume.Removal{Cascade: cascade, Force: force}); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}

// showEncryption answers that a volume is not encrypted: none of ours is.
func (a *API) showEncryption(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if _, err := a.svc.Get(r.Context(), scope, r.PathValue("volume_id")); err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"encryption_key_id": nil})
}
