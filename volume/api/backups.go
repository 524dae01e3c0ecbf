package api

import (
	"context"
	"encoding/json"
	"net/http"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
	"altostack/volume"
)

func (a *API) backupRoutes() []rest.Route {
	const admin = "volume_extension:backup_admin_actions:"
	remove := func(force bool) rest.Handler {
		return simply(func(ctx context.Context, scope auth.Scope, id string) error {
			return a.svc.DeleteBackup(ctx, scope, id, force)
		})
	}
	return []rest.Route{
		rest.On("GET /v3/backups", "backup:get_all", a.listBackups(false)),
		rest.On("POST /v3/backups", "backup:create", a.createBackup),
		rest.On("GET /v3/backups/detail", "backup:get_all", a.listBackups(true)),
		rest.On("POST /v3/backups/import_record", "backup:backup-import", a.importBackup),
		rest.On("GET /v3/backups/{id}", "backup:get", a.showBackup),
		rest.On("PUT /v3/backups/{id}", "backup:update", a.updateBackup).Since("3.9"),
		rest.On("DELETE /v3/backups/{id}", "backup:delete", remove(false)),
		rest.On("POST /v3/backups/{id}/restore", "backup:restore", a.restoreBackup),
		rest.On("GET /v3/backups/{id}/export_record", "backup:export-import", a.exportBackup),
		rest.On("POST /v3/backups/{id}/action", admin+"force_delete", remove(true)).Act("os-force_delete"),
		rest.On("POST /v3/backups/{id}/action", admin+"reset_status", a.resetBackup).Act("os-reset_status"),
	}
}

// briefBackup is what changes answer.
type briefBackup struct {
	ID    string  `json:"id"`
	Name  *string `json:"name"`
	Links []link  `json:"links"`
}

// backupView is a backup; members of type RawMessage come with their
// microversion.
type backupView struct {
	briefBackup
	Status       string            `json:"status"`
	Size         int64             `json:"size"`
	ObjectCount  int64             `json:"object_count"`
	Zone         string            `json:"availability_zone"`
	Container    string            `json:"container"`
	CreatedAt    *string           `json:"created_at"`
	UpdatedAt    *string           `json:"updated_at"`
	Description  *string           `json:"description"`
	FailReason   *string           `json:"fail_reason"`
	VolumeID     string            `json:"volume_id"`
	Incremental  bool              `json:"is_incremental"`
	Dependents   bool              `json:"has_dependent_backups"`
	SnapshotID   *string           `json:"snapshot_id"`
	DataAt       *string           `json:"data_timestamp"`
	Metadata     map[string]string `json:"metadata,omitempty"`
	EncryptionID json.RawMessage   `json:"encryption_key_id,omitempty"`
	ProjectID    string            `json:"os-backup-project-attr:project_id,omitempty"`
	UserID       string            `json:"user_id,omitempty"`
}

func viewBrief(r *http.Request, scope auth.Scope, b volume.Backup) briefBackup {
	return briefBackup{ID: b.ID, Name: text(b.Name), Links: linksTo(r, scope, "backups", b.ID)}
}

func viewBackup(r *http.Request, scope auth.Scope, b volume.Backup) backupView {
	v := backupView{briefBackup: viewBrief(r, scope, b), Status: string(b.Status), Size: b.SizeGiB, ObjectCount: b.Objects, Zone: b.Zone, Container: b.Container,
		CreatedAt: stamp(b.CreatedAt), UpdatedAt: changed(b.CreatedAt, b.UpdatedAt), Description: text(b.Description), FailReason: text(b.FailReason),
		VolumeID: b.VolumeID, Incremental: b.ParentID != "", Dependents: b.Dependents > 0, SnapshotID: text(b.SnapshotID), DataAt: stamp(b.DataAt)}
	if since(r, 43) {
		v.Metadata = b.Metadata
	}
	if scope.May("backup:backup_project_attribute", auth.Target{"project_id": b.ProjectID}) {
		if since(r, 18) {
			v.ProjectID = b.ProjectID
		}
		if since(r, 56) {
			v.UserID = b.UserID
		}
	}
	return v
}

func (a *API) listBackups(detail bool) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		p, err := pagingOf(r.URL.Query(), "", "updated_at", "name", "display_name=name", "status", "volume_id", "size=size_gib", "snapshot_id", "user_id", "project_id", "data_timestamp=data_at")
		if err != nil {
			return err
		}
		q, err := filtersOf(r, scope, "name", "status", "volume_id", "metadata", "size", "availability_zone")
		if err != nil {
			return err
		}
		q.Page = p.Request
		var list []volume.Backup
		var more bool
		if !p.none {
			if list, more, err = a.svc.Store.Backups(r.Context(), a.svc.DB, q); err != nil {
				return noMarker(err, fault.CodeVolumeBackupNotFound, "Backup %s could not be found.", p.Marker)
			}
			list = cut(p, list)
		}
		out := struct {
			Backups []any  `json:"backups"`
			Links   []link `json:"backups_links,omitempty"`
			Count   *int   `json:"count,omitempty"`
		}{Backups: make([]any, 0, len(list))}
		collection := "backups"
		for _, b := range list {
			if detail {
				out.Backups = append(out.Backups, viewBackup(r, scope, b))
			} else {
				out.Backups = append(out.Backups, viewBrief(r, scope, b))
			}
		}
		if detail {
			collection = "backups/detail"
		}
		if p.full(len(list), more) {
			out.Links = nextLink(r, scope, collection, list[len(list)-1].ID)
		}
		if wanted, _ := truth(r.URL.Query().Get("with_count")); wanted && since(r, 45) {
			n, err := a.svc.Store.CountBackups(r.Context(), a.svc.DB, q)
			if err != nil {
				return err
			}
			out.Count = &n
		}
		return rest.Write(w, http.StatusOK, out)
	}
}

func (a *API) showBackup(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	b, err := a.svc.Backup(r.Context(), scope, r.PathValue("id"))
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"backup": viewBackup(r, scope, b)})
}

func (a *API) createBackup(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b struct {
		VolumeID    string            `json:"volume_id"`
		SnapshotID  string            `json:"snapshot_id"`
		Name        string            `json:"name"`
		Description string            `json:"description"`
		Container   string            `json:"container"`
		Zone        string            `json:"availability_zone"`
		Incremental flag              `json:"incremental"`
		Force       flag              `json:"force"`
		Metadata    map[string]string `json:"metadata"`
	}
	if err := rest.Decode(r, "backup", &b); err != nil {
		return err
	}
	spec := volume.BackupSpec{VolumeID: b.VolumeID, SnapshotID: b.SnapshotID, Name: b.Name, Description: b.Description, Container: b.Container,
		Incremental: bool(b.Incremental), Force: bool(b.Force)}
	if since(r, 43) {
		spec.Metadata = b.Metadata
	}
	if since(r, 51) {
		spec.Zone = b.Zone
	}
	made, err := a.svc.CreateBackup(r.Context(), scope, spec)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusAccepted, map[string]any{"backup": viewBrief(r, scope, made)})
}

func (a *API) updateBackup(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b struct {
		Name        *string           `json:"name"`
		Description *string           `json:"description"`
		Metadata    map[string]string `json:"metadata"`
	}
	if err := rest.Decode(r, "backup", &b); err != nil {
		return err
	}
	changed, err := a.svc.ChangeBackup(r.Context(), scope, r.PathValue("id"), func(have *volume.Backup) error {
		set(&have.Name, b.Name)
		set(&have.Description, b.Description)
		if b.Metadata != nil && since(r, 43) {
			have.Metadata = b.Metadata
		}
		return nil
	})
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"backup": viewBrief(r, scope, changed)})
}

func (a *API) restoreBackup(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b struct {
		VolumeID string `json:"volume_id"`
		Name     string `json:"name"`
	}
	if err := rest.Decode(r, "restore", &b); err != nil {
		return err
	}
	to, err := a.svc.RestoreBackup(r.Context(), scope, volume.Restore{BackupID: r.PathValue("id"), VolumeID: b.VolumeID, VolumeName: b.Name})
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusAccepted, map[string]any{"restore": map[string]string{"backup_id": to.BackupID, "volume_id": to.VolumeID, "volume_name": to.VolumeName}})
}

type backupRecord struct {
	Service string `json:"backup_service"`
	URL     string `json:"backup_url"`
}

func (a *API) exportBackup(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	service, url, err := a.svc.ExportBackup(r.Context(), scope, r.PathValue("id"))
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"backup-record": backupRecord{service, url}})
}

func (a *API) importBackup(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b backupRecord
	if err := rest.Decode(r, "backup-record", &b); err != nil {
		return err
	}
	made, err := a.svc.ImportBackup(r.Context(), scope, b.Service, b.URL)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusCreated, map[string]any{"backup": viewBrief(r, scope, made)})
}

func (a *API) resetBackup(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b struct {
		Status string `json:"status"`
	}
	if err := rest.Decode(r, "os-reset_status", &b); err != nil {
		return err
	}
	if err := a.svc.ResetBackup(r.Context(), scope, r.PathValue("id"), b.Status); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}
