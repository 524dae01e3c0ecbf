package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
	"altostack/volume"
)

func (a *API) snapshotRoutes() []rest.Route {
	const admin = "volume_extension:snapshot_admin_actions:"
	act := func(action, rule string, h rest.Handler) rest.Route {
		return rest.On("POST /v3/snapshots/{id}/action", rule, h).Act(action)
	}
	remove := func(force bool) rest.Handler {
		return simply(func(ctx context.Context, scope auth.Scope, id string) error {
			return a.svc.DeleteSnapshot(ctx, scope, id, force)
		})
	}
	return []rest.Route{
		rest.On("GET /v3/snapshots", "volume:get_all_snapshots", a.listSnapshots(false)),
		rest.On("POST /v3/snapshots", "volume:create_snapshot", a.createSnapshot),
		rest.On("GET /v3/snapshots/detail", "volume:get_all_snapshots", a.listSnapshots(true)),
		rest.On("GET /v3/snapshots/{id}", "volume:get_snapshot", a.showSnapshot),
		rest.On("PUT /v3/snapshots/{id}", "volume:update_snapshot", a.updateSnapshot),
		rest.On("DELETE /v3/snapshots/{id}", "volume:delete_snapshot", remove(false)),
		act("os-force_delete", admin+"force_delete", remove(true)),
		act("os-reset_status", admin+"reset_status", a.resetSnapshot("os-reset_status")),
		act("os-update_snapshot_status", "snapshot_extension:snapshot_actions:update_snapshot_status", a.reportSnapshot),
	}
}

// snapshotView is a snapshot; members of type RawMessage come with their
// microversion.
type snapshotView struct {
	ID              string            `json:"id"`
	CreatedAt       *string           `json:"created_at"`
	UpdatedAt       *string           `json:"updated_at"`
	Name            *string           `json:"name"`
	Description     *string           `json:"description"`
	VolumeID        string            `json:"volume_id"`
	Status          string            `json:"status"`
	Size            int64             `json:"size"`
	Metadata        map[string]string `json:"metadata"`
	GroupSnapshotID json.RawMessage   `json:"group_snapshot_id,omitempty"`
	UserID          string            `json:"user_id,omitempty"`
	ConsumesQuota   *bool             `json:"consumes_quota,omitempty"`
	Progress        string            `json:"os-extended-snapshot-attributes:progress,omitempty"`
	ProjectID       string            `json:"os-extended-snapshot-attributes:project_id,omitempty"`
}

func viewSnapshot(r *http.Request, s volume.Snapshot, detail, extended bool) snapshotView {
	v := snapshotView{ID: s.ID, CreatedAt: stamp(s.CreatedAt), UpdatedAt: changed(s.CreatedAt, s.UpdatedAt), Name: text(s.Name), Description: text(s.Description),
		VolumeID: s.VolumeID, Status: string(s.Status), Size: s.SizeGiB, Metadata: s.Metadata}
	if v.Metadata == nil {
		v.Metadata = map[string]string{}
	}
	if detail {
		if since(r, 14) {
			v.GroupSnapshotID = null
		}
		if since(r, 41) {
			v.UserID = s.UserID
		}
		if since(r, 65) {
			yes := true
			v.ConsumesQuota = &yes
		}
	}
	if extended {
		v.Progress, v.ProjectID = s.Progress, s.ProjectID
	}
	return v
}

func (a *API) listSnapshots(detail bool) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		p, err := pagingOf(r.URL.Query(), "", "updated_at", "name", "display_name=name", "status", "volume_id", "size=size_gib", "volume_size=size_gib", "user_id", "project_id")
		if err != nil {
			return err
		}
		q, err := filtersOf(r, scope, "name", "status", "volume_id", "metadata", "availability_zone")
		if err != nil {
			return err
		}
		q.Page = p.Request
		var list []volume.Snapshot
		var more bool
		if !p.none {
			if list, more, err = a.svc.Store.Snapshots(r.Context(), a.svc.DB, q); err != nil {
				return noMarker(err, fault.CodeVolumeSnapshotNotFound, "Snapshot %s could not be found.", p.Marker)
			}
			list = cut(p, list)
		}
		out := struct {
			Snapshots []snapshotView `json:"snapshots"`
			Links     []link         `json:"snapshots_links,omitempty"`
			Count     *int           `json:"count,omitempty"`
		}{Snapshots: make([]snapshotView, 0, len(list))}
		for _, s := range list {
			out.Snapshots = append(out.Snapshots, viewSnapshot(r, s, detail, detail))
		}
		collection := "snapshots"
		if detail {
			collection = "snapshots/detail"
		}
		if p.full(len(list), more) {
			out.Links = nextLink(r, scope, collection, list[len(list)-1].ID)
		}
		if wanted, _ := truth(r.URL.Query().Get("with_count")); wanted && since(r, 45) {
			n, err := a.svc.Store.CountSnapshots(r.Context(), a.svc.DB, q)
			if err != nil {
				return err
			}
			out.Count = &n
		}
		return rest.Write(w, http.StatusOK, out)
	}
}

func (a *API) showSnapshot(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	s, err := a.svc.Snapshot(r.Context(), scope, r.PathValue("id"))
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"snapshot": viewSnapshot(r, s, true, true)})
}

func (a *API) createSnapshot(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b struct {
		VolumeID    string            `json:"volume_id"`
		Name        string            `json:"name"`
		DisplayName string            `json:"display_name"`
		Description string            `json:"description"`
		Force       *flag             `json:"force"`
		Metadata    map[string]string `json:"metadata"`
	}
	if err := rest.Decode(r, "snapshot", &b); err != nil {
		return err
	}
	inUse := b.Force != nil && bool(*b.Force)
	if since(r, 66) {
		if b.Force != nil && !bool(*b.Force) {
			return bad("Invalid input received: Since microversion 3.66, the use of the 'force' option is invalid for this request.")
		}
		inUse = true
	}
	s, err := a.svc.CreateSnapshot(r.Context(), scope, volume.SnapshotSpec{VolumeID: b.VolumeID, Name: first(b.Name, b.DisplayName), Description: b.Description, Metadata: b.Metadata, InUse: inUse})
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusAccepted, map[string]any{"snapshot": viewSnapshot(r, s, true, false)})
}

func (a *API) updateSnapshot(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b struct {
		Name        *string `json:"name"`
		DisplayName *string `json:"display_name"`
		Description *string `json:"description"`
		DisplayDesc *string `json:"display_description"`
	}
	if err := rest.Decode(r, "snapshot", &b); err != nil {
		return err
	}
	s, err := a.svc.ChangeSnapshot(r.Context(), scope, r.PathValue("id"), func(s *volume.Snapshot) error {
		set(&s.Name, b.DisplayName)
		set(&s.Name, b.Name)
		set(&s.Description, b.DisplayDesc)
		set(&s.Description, b.Description)
		return nil
	})
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"snapshot": viewSnapshot(r, s, true, false)})
}

func (a *API) resetSnapshot(action string) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		var b struct {
			Status string `json:"status"`
		}
		if err := rest.Decode(r, action, &b); err != nil {
			return err
		}
		if !slices.Contains([]string{"available", "backing-up", "creating", "deleting", "error", "error_deleting"}, b.Status) {
			return bad("Must specify a valid status, not %s", b.Status)
		}
		_, err := a.svc.ChangeSnapshot(r.Context(), scope, r.PathValue("id"), func(s *volume.Snapshot) error { s.Status = volume.Status(b.Status); return nil })
		if err != nil {
			return err
		}
		return rest.Empty(w, http.StatusAccepted)
	}
}

// reportSnapshot is how a snapshot made elsewhere reports its progress.
func (a *API) reportSnapshot(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b struct {
		Status   string `json:"status"`
		Progress string `json:"progress"`
	}
	if err := rest.Decode(r, "os-update_snapshot_status", &b); err != nil {
		return err
	}
	allowed := map[volume.Status][]string{"creating": {"creating", "available", "error"}, "deleting": {"deleting", "error_deleting"}}
	_, err := a.svc.ChangeSnapshot(r.Context(), scope, r.PathValue("id"), func(s *volume.Snapshot) error {
		to, has := allowed[s.Status]
		if !has {
			return bad("Snapshot status %s not allowed for update_snapshot_status", s.Status)
		}
		if !slices.Contains(to, b.Status) {
			return bad("Provided snapshot status %s not allowed for snapshot with status %s.", b.Status, s.Status)
		}
		s.Status = volume.Status(b.Status)
		if b.Progress != "" {
			s.Progress = b.Progress
		}
		return nil
	})
	if err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}
