package api

import (
	"encoding/json"
	"net/http"

	"altostack/kernel/auth"
	"altostack/kernel/rest"
)

func (a *API) quotaRoutes() []rest.Route {
	const rule, class = "volume_extension:quotas:", "volume_extension:quota_classes:"
	return []rest.Route{
		rest.On("GET /v3/limits", "limits_extension:used_limits", a.limits),
		rest.On("GET /v3/os-quota-sets/{id}", rule+"show", a.showQuota).Inside(),
		rest.On("PUT /v3/os-quota-sets/{id}", rule+"update", a.updateQuota).Inside(),
		rest.On("DELETE /v3/os-quota-sets/{id}", rule+"delete", a.deleteQuota).Inside(),
		rest.On("GET /v3/os-quota-sets/{id}/defaults", rule+"show", a.defaultQuota).Inside(),
		rest.On("GET /v3/os-quota-class-sets/{id}", class+"get", a.showClass),
		rest.On("PUT /v3/os-quota-class-sets/{id}", class+"update", a.updateClass),
	}
}

func (a *API) limits(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	project := scope.ProjectID
	if asked := first(r.URL.Query().Get("project_id"), r.URL.Query().Get("tenant_id")); asked != "" && scope.All && since(r, 39) {
		project = asked
	}
	limits, err := a.svc.Limits(r.Context(), a.svc.DB, project)
	if err != nil {
		return err
	}
	used, err := a.svc.UsedBy(r.Context(), a.svc.DB, project)
	if err != nil {
		return err
	}
	absolute := map[string]int64{
		"maxTotalVolumes": limits["volumes"], "maxTotalSnapshots": limits["snapshots"], "maxTotalVolumeGigabytes": limits["gigabytes"],
		"maxTotalBackups": limits["backups"], "maxTotalBackupGigabytes": limits["backup_gigabytes"],
		"totalVolumesUsed": used["volumes"], "totalSnapshotsUsed": used["snapshots"], "totalGigabytesUsed": used["gigabytes"],
		"totalBackupsUsed": used["backups"], "totalBackupGigabytesUsed": used["backup_gigabytes"],
	}
	return rest.Write(w, http.StatusOK, map[string]any{"limits": map[string]any{"rate": []any{}, "absolute": absolute}})
}

// target is the project whose quota it is, once the rule allows it.
func target(r *http.Request, scope auth.Scope) (string, error) {
	project := r.PathValue("id")
	return project, scope.Check(scope.Rule, auth.Target{"project_id": project})
}

func quotaSet(id string, limits map[string]int64) map[string]any {
	out := map[string]any{}
	for name, limit := range limits {
		out[name] = limit
	}
	if id != "" {
		out["id"] = id
	}
	return map[string]any{"quota_set": out}
}

func (a *API) showQuota(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	project, err := target(r, scope)
	if err != nil {
		return err
	}
	limits, err := a.svc.Limits(r.Context(), a.svc.DB, project)
	if err != nil {
		return err
	}
	if usage, ok := truth(r.URL.Query().Get("usage")); !ok {
		return bad("Invalid value '%s' for 'usage', boolean value expected.", r.URL.Query().Get("usage"))
	} else if !usage {
		return rest.Write(w, http.StatusOK, quotaSet(project, limits))
	}
	used, err := a.svc.UsedBy(r.Context(), a.svc.DB, project)
	if err != nil {
		return err
	}
	out := map[string]any{"id": project}
	for name, limit := range limits {
		out[name] = map[string]int64{"limit": limit, "in_use": used[name], "reserved": 0}
	}
	return rest.Write(w, http.StatusOK, map[string]any{"quota_set": out})
}

// limitsBody reads limits, which may come as text, and drops what names the
// project.
func limitsBody(r *http.Request, member string) (map[string]int64, error) {
	var b map[string]json.RawMessage
	if err := rest.Decode(r, member, &b); err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for name, raw := range b {
		if name == "tenant_id" || name == "id" || name == "class_name" {
			continue
		}
		var n number
		if err := json.Unmarshal(raw, &n); err != nil {
			return nil, bad("Quota limit for %s must be an integer", name)
		}
		if n < -1 || n > 1<<31-1 {
			return nil, bad("%s must be >= -1 and <= 2147483647", name)
		}
		out[name] = int64(n)
	}
	return out, nil
}

func (a *API) updateQuota(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	project, err := target(r, scope)
	if err != nil {
		return err
	}
	set, err := limitsBody(r, "quota_set")
	if err != nil {
		return err
	}
	used, err := a.svc.UsedBy(r.Context(), a.svc.DB, project)
	if err != nil {
		return err
	}
	for name, limit := range set {
		if limit >= 0 && limit < used[name] && name != "per_volume_gigabytes" {
			return bad("Quota %s limit must be equal or greater than existing resources. Current usage is %d and the requested limit is %d.", name, used[name], limit)
		}
	}
	if err := a.svc.SetLimits(r.Context(), project, set); err != nil {
		return err
	}
	limits, err := a.svc.Limits(r.Context(), a.svc.DB, project)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, quotaSet("", limits))
}

func (a *API) deleteQuota(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	project, err := target(r, scope)
	if err != nil {
		return err
	}
	if err := a.svc.DeleteLimits(r.Context(), project); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusOK)
}

func (a *API) defaultQuota(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	project, err := target(r, scope)
	if err != nil {
		return err
	}
	limits, err := a.svc.DefaultLimits(r.Context(), a.svc.DB)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, quotaSet(project, limits))
}

func (a *API) showClass(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	limits, err := a.svc.DefaultLimits(r.Context(), a.svc.DB)
	if err != nil {
		return err
	}
	out := quotaSet(r.PathValue("id"), limits)
	return rest.Write(w, http.StatusOK, map[string]any{"quota_class_set": out["quota_set"]})
}

func (a *API) updateClass(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	set, err := limitsBody(r, "quota_class_set")
	if err != nil {
		return err
	}
	if err := a.svc.SetLimits(r.Context(), "class:"+r.PathValue("id"), set); err != nil {
		return err
	}
	limits, err := a.svc.DefaultLimits(r.Context(), a.svc.DB)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"quota_class_set": limits})
}
