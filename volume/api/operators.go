package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
	"altostack/volume"
)

func (a *API) operatorRoutes() []rest.Route {
	const services = "volume_extension:services:"
	return []rest.Route{
		rest.On("GET /v3/os-availability-zone", "", a.zones),
		rest.On("GET /v3/os-services", services+"index", a.listServices),
		rest.On("PUT /v3/os-services/enable", services+"update", a.setService(false)),
		rest.On("PUT /v3/os-services/disable", services+"update", a.setService(true)),
		rest.On("PUT /v3/os-services/disable-log-reason", services+"update", a.setService(true)),
		rest.On("PUT /v3/os-services/freeze", services+"update", a.freeze(true)),
		rest.On("PUT /v3/os-services/thaw", services+"update", a.freeze(false)),
		rest.On("GET /v3/os-hosts", "volume_extension:hosts", a.listHosts),
		rest.On("GET /v3/os-hosts/{id}", "volume_extension:hosts", a.showHost),
		rest.On("GET /v3/scheduler-stats/get_pools", "scheduler_extension:scheduler_stats:get_pools", a.pools),
		rest.On("GET /v3/capabilities/{id}", "volume_extension:capabilities", a.capabilities),
		rest.On("GET /v3/extensions", "", a.extensions),
		rest.On("GET /v3/extensions/{id}", "", a.extension),
		rest.On("GET /v3/resource_filters", "", a.resourceFilters).Since("3.33"),
	}
}

func (a *API) zones(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	zone := map[string]any{"zoneName": a.svc.Zone, "zoneState": map[string]bool{"available": true}}
	return rest.Write(w, http.StatusOK, map[string]any{"availabilityZoneInfo": []any{zone}})
}

func (a *API) listServices(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	all, err := a.svc.Daemons(r.Context())
	if err != nil {
		return err
	}
	q := r.URL.Query()
	out := []map[string]any{}
	for _, d := range all {
		host, _, _ := strings.Cut(d.Host, "@")
		if want := q.Get("host"); want != "" && want != d.Host && want != host {
			continue
		}
		if want := first(q.Get("binary"), q.Get("service")); want != "" && want != d.Binary {
			continue
		}
		view := map[string]any{"binary": d.Binary, "host": d.Host, "zone": d.Zone, "status": enabled(d), "state": "up", "updated_at": stamp(d.UpdatedAt), "disabled_reason": text(d.Reason)}
		if since(r, 7) {
			view["cluster"] = nil
		}
		if d.Binary == "cinder-volume" {
			view["replication_status"], view["active_backend_id"], view["frozen"] = "disabled", nil, d.Frozen
			if since(r, 49) {
				view["backend_state"] = "up"
			}
		}
		out = append(out, view)
	}
	return rest.Write(w, http.StatusOK, map[string]any{"services": out})
}

func enabled(d volume.Daemon) string {
	if d.Disabled {
		return "disabled"
	}
	return "enabled"
}

func (a *API) setService(disable bool) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
		var b struct {
			Host    string `json:"host"`
			Binary  string `json:"binary"`
			Service string `json:"service"`
			Reason  string `json:"disabled_reason"`
		}
		if err := rest.Decode(r, "", &b); err != nil {
			return err
		}
		d, err := a.svc.SetDaemon(r.Context(), b.Host, first(b.Binary, b.Service), disable, b.Reason)
		if err != nil {
			return err
		}
		out := map[string]any{"host": d.Host, "service": b.Service, "binary": b.Binary, "disabled": disable, "status": enabled(d)}
		if disable && b.Reason != "" {
			out["disabled_reason"] = b.Reason
		}
		return rest.Write(w, http.StatusOK, out)
	}
}

func (a *API) freeze(frozen bool) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
		var b struct {
			Host string `json:"host"`
		}
		if err := rest.Decode(r, "", &b); err != nil {
			return err
		}
		if err := a.svc.Freeze(r.Context(), b.Host, frozen); err != nil {
			return err
		}
		return rest.Empty(w, http.StatusOK)
	}
}

func (a *API) listHosts(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	all, err := a.svc.Daemons(r.Context())
	if err != nil {
		return err
	}
	out := []map[string]any{}
	for _, d := range all {
		if zone := r.URL.Query().Get("zone"); zone != "" && zone != d.Zone {
			continue
		}
		out = append(out, map[string]any{"host_name": d.Host, "service": d.Binary, "zone": d.Zone, "service-status": "available", "service-state": enabled(d), "last-update": stamp(d.UpdatedAt)})
	}
	return rest.Write(w, http.StatusOK, map[string]any{"hosts": out})
}

func (a *API) showHost(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	host := r.PathValue("id")
	if host != a.svc.Backed() {
		return fault.New(fault.CodeVolumeHostNotFound, "Host %s could not be found.", host)
	}
	rows, err := a.svc.Store.HostUse(r.Context(), a.svc.DB)
	if err != nil {
		return err
	}
	view := func(project string, u volume.Used) map[string]any {
		return map[string]any{"resource": map[string]string{"host": host, "project": project, "volume_count": strconv.FormatInt(u.Volumes, 10),
			"total_volume_gb": strconv.FormatInt(u.GiB, 10), "snapshot_count": strconv.FormatInt(u.Snapshots, 10), "total_snapshot_gb": strconv.FormatInt(u.SnapshotGiB, 10)}}
	}
	var total volume.Used
	out := []map[string]any{nil}
	for _, u := range rows {
		total.Volumes, total.GiB = total.Volumes+u.Volumes, total.GiB+u.GiB
		total.Snapshots, total.SnapshotGiB = total.Snapshots+u.Snapshots, total.SnapshotGiB+u.SnapshotGiB
		out = append(out, view(u.ProjectID, u))
	}
	out[0] = view("(total)", total)
	return rest.Write(w, http.StatusOK, map[string]any{"host": out})
}

func (a *API) pools(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	name := a.svc.Pool()
	pool := map[string]any{"name": name}
	if detail, _ := truth(r.URL.Query().Get("detail")); detail {
		stats, err := a.svc.Stats(r.Context())
		if err != nil {
			return err
		}
		pool["capabilities"] = stats
	}
	out := []any{}
	if want := r.URL.Query().Get("name"); want == "" || want == name {
		out = append(out, pool)
	}
	return rest.Write(w, http.StatusOK, map[string]any{"pools": out})
}

func (a *API) capabilities(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	host := r.PathValue("id")
	if host != a.svc.Backed() && host != a.svc.Pool() {
		return fault.New(fault.CodeVolumeServiceNotFound, "Service %s could not be found.", host)
	}
	offers := a.svc.Offers()
	return rest.Write(w, http.StatusOK, map[string]any{"namespace": "OS::Storage::Capabilities::" + host, "vendor_name": offers["vendor_name"],
		"volume_backend_name": offers["volume_backend_name"], "pool_name": nil, "driver_version": offers["driver_version"], "storage_protocol": offers["storage_protocol"],
		"display_name": "File backend", "description": "Volumes as files on the host.", "visibility": "public", "replication_targets": []any{},
		"properties": map[string]any{"thin_provisioning": map[string]string{"title": "Thin Provisioning", "description": "Sets thin provisioning.", "type": "boolean"}}})
}

// known are the extensions of Cinder that this service has whole.
var known = [][3]string{
	{"os-availability-zone", "AvailabilityZones", "Describe Availability Zones."},
	{"os-extended-snapshot-attributes", "ExtendedSnapshotAttributes", "Extended snapshot attributes."},
	{"os-hosts", "Hosts", "Admin-only host administration."},
	{"os-quota-class-sets", "QuotaClasses", "Quota classes management support."},
	{"os-quota-sets", "Quotas", "Quota management support."},
	{"os-services", "Services", "Services support."},
	{"os-snapshot-actions", "SnapshotActions", "Enable snapshot manager actions."},
	{"os-types-extra-specs", "TypesExtraSpecs", "Type extra specs support."},
	{"os-types-manage", "TypesManage", "Types manage support."},
	{"os-used-limits", "UsedLimits", "Provide data on limited resources that are being used."},
	{"os-vol-host-attr", "VolumeHostAttribute", "Expose host as an attribute of a volume."},
	{"os-vol-image-meta", "VolumeImageMetadata", "Show image metadata associated with the volume."},
	{"os-vol-mig-status-attr", "VolumeMigStatusAttribute", "Expose migration_status as an attribute of a volume."},
	{"os-vol-tenant-attr", "VolumeTenantAttribute", "Expose the internal project_id as an attribute of a volume."},
	{"os-volume-actions", "VolumeActions", "Enable volume actions."},
	{"os-volume-transfer", "VolumeTransfer", "Volume transfer management support."},
	{"os-volume-type-access", "VolumeTypeAccess", "Volume type access support."},
	{"qos-specs", "Qos_specs_manage", "QoS specs support."},
	{"scheduler-stats", "Scheduler_stats", "Scheduler stats support."},
	{"capabilities", "Capabilities", "Capabilities support."},
	{"OS-SCH-HNT", "SchedulerHints", "Pass arbitrary key/value pairs to the scheduler."},
}

func viewExtension(e [3]string) map[string]any {
	return map[string]any{"alias": e[0], "name": e[1], "description": e[2], "updated": "2011-06-29T00:00:00+00:00", "links": []any{}}
}

func (a *API) extensions(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	out := []any{}
	for _, e := range known {
		out = append(out, viewExtension(e))
	}
	return rest.Write(w, http.StatusOK, map[string]any{"extensions": out})
}

func (a *API) extension(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	i := slices.IndexFunc(known, func(e [3]string) bool { return e[0] == r.PathValue("id") })
	if i < 0 {
		return fault.New(fault.CodeRestNotFound, "The resource could not be found.")
	}
	return rest.Write(w, http.StatusOK, map[string]any{"extension": viewExtension(known[i])})
}

func (a *API) resourceFilters(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	filters := [][2]any{
		{"volume", []string{"name", "status", "metadata", "bootable", "migration_status", "availability_zone", "group_id", "size", "created_at", "updated_at"}},
		{"snapshot", []string{"name", "status", "volume_id", "metadata", "availability_zone", "created_at", "updated_at"}},
		{"attachment", []string{"volume_id", "status", "instance_id", "attach_status"}},
		{"message", []string{"resource_uuid", "resource_type", "event_id", "request_id", "message_level"}},
	}
	out := []any{}
	for _, f := range filters {
		if want := r.URL.Query().Get("resource"); want == "" || want == f[0] {
			out = append(out, map[string]any{"resource": f[0], "filters": f[1]})
		}
	}
	return rest.Write(w, http.StatusOK, map[string]any{"resource_filters": out})
}
