package api

import (
	"net/http"
	"slices"

	"altostack/compute"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

// Quotas are the routes of limits: os-quota-sets, os-quota-class-sets, limits,
// and of availability zones.
type Quotas struct{ compute *compute.Service }

// NewQuotas makes them.
func NewQuotas(s *compute.Service) *Quotas { return &Quotas{s} }

// Routes lists them.
func (a *Quotas) Routes() []rest.Route {
	const set, class = "/v2.1/os-quota-sets/{project}", "/v2.1/os-quota-class-sets/{class}"
	return []rest.Route{
		rest.On("GET "+set, "os_compute_api:os-quota-sets:show", a.show(false)).Inside(),
		rest.On("GET "+set+"/detail", "os_compute_api:os-quota-sets:detail", a.show(true)).Inside(),
		rest.On("GET "+set+"/defaults", "os_compute_api:os-quota-sets:defaults", a.defaults),
		rest.On("PUT "+set, "os_compute_api:os-quota-sets:update", a.update),
		rest.On("DELETE "+set, "os_compute_api:os-quota-sets:delete", a.remove),
		rest.On("GET "+class, "os_compute_api:os-quota-class-sets:show", a.class),
		rest.On("PUT "+class, "os_compute_api:os-quota-class-sets:update", a.setClass),
		rest.On("GET /v2.1/limits", "os_compute_api:limits", a.limits),
		rest.On("GET /v2.1/os-availability-zone", "os_compute_api:os-availability-zone:list", a.zones(false)),
		rest.On("GET /v2.1/os-availability-zone/detail", "os_compute_api:os-availability-zone:detail", a.zones(true)),
	}
}

// resources are those of a version, in Nova's spelling.
func resources(r *http.Request) []string {
	out := []string{"cores", "instances", "key_pairs", "metadata_items", "ram", "server_groups", "server_group_members"}
	if !since(r, 36) {
		out = append(out, compute.Elsewhere...)
	}
	if !since(r, 57) {
		out = append(out, "injected_file_content_bytes", "injected_file_path_bytes", "injected_files")
	}
	return out
}

// classResources are those of a version in quota classes, which changed at other
// versions than quota sets.
func classResources(r *http.Request) []string {
	out := []string{"cores", "instances", "key_pairs", "metadata_items", "ram"}
	if since(r, 50) {
		out = append(out, "server_groups", "server_group_members")
	} else {
		out = append(out, compute.Elsewhere...)
	}
	if !since(r, 57) {
		out = append(out, "injected_file_content_bytes", "injected_file_path_bytes", "injected_files")
	}
	return out
}

// limitOf answers a limit; what another service counts is unlimited until
// somebody says otherwise.
func limitOf(q compute.Quotas, name string) int64 {
	if v, set := q[name]; set {
		return v
	}
	return -1
}

func quotaView(names []string, q compute.Quotas, id string) map[string]any {
	out := map[string]any{}
	if id != "" {
		out["id"] = id
	}
	for _, name := range names {
		out[name] = limitOf(q, name)
	}
	return out
}

// limitsOf answers a project's limits and use, or those of the user asked for.
func (a *Quotas) limitsOf(r *http.Request, project string) (compute.Quotas, compute.Usage, error) {
	if user := r.URL.Query().Get("user_id"); user != "" {
		return a.compute.UserLimits(r.Context(), project, user)
	}
	return a.compute.Limits(r.Context(), project)
}

func (a *Quotas) show(detail bool) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		project := r.PathValue("project")
		if err := scope.Check(scope.Rule, auth.Target{"project_id": project}); err != nil {
			return err
		}
		if err := a.compute.CheckProject(r.Context(), project); err != nil {
			return err
		}
		limits, used, err := a.limitsOf(r, project)
		if err != nil {
			return err
		}
		view := quotaView(resources(r), limits, project)
		if detail {
			groups, err := a.compute.GroupsUsed(r.Context(), project)
			if err != nil {
				return err
			}
			inUse := map[string]int64{"instances": used.Instances, "cores": used.Cores, "ram": used.RAM, "server_groups": groups}
			for _, name := range resources(r) {
				view[name] = map[string]int64{"limit": limitOf(limits, name), "in_use": inUse[name], "reserved": 0}
			}
		}
		return rest.Write(w, http.StatusOK, map[string]any{"quota_set": view})
	}
}

func (a *Quotas) defaults(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	if err := a.compute.CheckProject(r.Context(), r.PathValue("project")); err != nil {
		return err
	}
	limits, err := a.compute.DefaultLimits(r.Context())
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"quota_set": quotaView(resources(r), limits, r.PathValue("project"))})
}

// asked reads the limits of a request.
func asked(r *http.Request, member string) (compute.Quotas, bool, error) {
	var body map[string]any
	if err := rest.Decode(r, member, &body); err != nil {
		return nil, false, err
	}
	known, out := compute.DefaultQuotas(), compute.Quotas{}
	for name, v := range body {
		if _, ours := known[name]; !ours && !slices.Contains(compute.Elsewhere, name) {
			continue
		}
		f, isNumber := v.(float64)
		if s, isText := v.(string); isText {
			var n looseNumber
			if err := n.UnmarshalJSON([]byte(s)); err != nil {
				return nil, false, fault.New(fault.CodeRestInvalidInput, "Invalid input for field/attribute %s. Value: %s. It must be an integer.", name, s).WithField(name)
			}
			f, isNumber = float64(n), true
		}
		if isNumber {
			out[name] = int64(f)
		}
	}
	force := body["force"] == true || body["force"] == "true" || body["force"] == "True"
	return out, force, nil
}

func (a *Quotas) update(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	limits, force, err := asked(r, "quota_set")
	if err != nil {
		return err
	}
	if err := a.compute.CheckProject(r.Context(), r.PathValue("project")); err != nil {
		return err
	}
	var out compute.Quotas
	if user := r.URL.Query().Get("user_id"); user != "" {
		out, err = a.compute.SetUserLimits(r.Context(), r.PathValue("project"), user, limits, force)
	} else {
		out, err = a.compute.SetLimits(r.Context(), r.PathValue("project"), limits, force)
	}
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"quota_set": quotaView(resources(r), out, "")})
}

func (a *Quotas) remove(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	project, user := r.PathValue("project"), r.URL.Query().Get("user_id")
	var err error
	if user != "" {
		err = a.compute.ResetUserLimits(r.Context(), project, user)
	} else {
		err = a.compute.ResetLimits(r.Context(), project)
	}
	if err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}

func (a *Quotas) class(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	limits, err := a.compute.ClassLimits(r.Context(), r.PathValue("class"))
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"quota_class_set": quotaView(classResources(r), limits, r.PathValue("class"))})
}

func (a *Quotas) setClass(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	limits, _, err := asked(r, "quota_class_set")
	if err != nil {
		return err
	}
	class := r.PathValue("class")
	if len(class) > 255 {
		return fault.New(fault.CodeRestInvalidInput, "Invalid input received: quota_class_name has %d characters, more than 255.", len(class))
	}
	out, err := a.compute.SetClassLimits(r.Context(), class, limits)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"quota_class_set": quotaView(classResources(r), out, "")})
}

func (a *Quotas) limits(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	project := scope.ProjectID
	if other := r.URL.Query().Get("tenant_id"); other != "" && other != project {
		if err := scope.Check("os_compute_api:limits:other_project", auth.Target{"project_id": other}); err != nil {
			return err
		}
		project = other
	}
	limits, used, err := a.compute.Limits(r.Context(), project)
	if err != nil {
		return err
	}
	groups, err := a.compute.GroupsUsed(r.Context(), project)
	if err != nil {
		return err
	}
	out := map[string]int64{"maxServerMeta": limits["metadata_items"], "maxTotalInstances": limits["instances"], "maxTotalRAMSize": limits["ram"], "maxTotalCores": limits["cores"],
		"maxTotalKeypairs": limits["key_pairs"], "maxServerGroups": limits["server_groups"], "maxServerGroupMembers": limits["server_group_members"],
		"totalRAMUsed": used.RAM, "totalCoresUsed": used.Cores, "totalInstancesUsed": used.Instances, "totalServerGroupsUsed": groups}
	if !since(r, 36) {
		out["maxSecurityGroups"], out["maxSecurityGroupRules"], out["maxTotalFloatingIps"] = limitOf(limits, "security_groups"), limitOf(limits, "security_group_rules"), limitOf(limits, "floating_ips")
		out["totalSecurityGroupsUsed"], out["totalFloatingIpsUsed"] = 0, 0
	}
	if !since(r, 39) {
		out["maxImageMeta"] = limits["metadata_items"]
	}
	if !since(r, 57) {
		out["maxPersonality"], out["maxPersonalitySize"] = limits["injected_files"], limits["injected_file_content_bytes"]
	}
	return rest.Write(w, http.StatusOK, map[string]any{"limits": map[string]any{"rate": []any{}, "absolute": out}})
}

// zones are those that hosts name; the detail shows administrators which.
func (a *Quotas) zones(detail bool) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
		hosts, err := a.compute.Hypervisors(r.Context())
		if err != nil {
			return err
		}
		now := rest.Started(r.Context())
		type zone struct {
			available bool
			hosts     map[string]any
		}
		byName, order := map[string]*zone{}, []string{}
		for _, h := range hosts {
			z := byName[h.Zone]
			if z == nil {
				z = &zone{hosts: map[string]any{}}
				byName[h.Zone], order = z, append(order, h.Zone)
			}
			z.available = z.available || !h.Disabled
			if h.Disabled {
				continue
			}
			z.hosts[h.Name] = map[string]any{"nova-compute": map[string]any{"available": h.Up(now), "active": !h.Disabled, "updated_at": h.SeenAt.Format("2006-01-02T15:04:05.000000")}}
		}
		if len(order) == 0 {
			byName[compute.DefaultZone], order = &zone{hosts: map[string]any{}}, []string{compute.DefaultZone}
		}
		views := []map[string]any{}
		for _, name := range order {
			view := map[string]any{"zoneName": name, "zoneState": map[string]bool{"available": byName[name].available}, "hosts": nil}
			if detail && byName[name].available {
				view["hosts"] = byName[name].hosts
			}
			views = append(views, view)
		}
		if detail {
			views = append(views, internalZone(r))
		}
		return rest.Write(w, http.StatusOK, map[string]any{"availabilityZoneInfo": views})
	}
}

// internalZone is where the control plane's own services are.
func internalZone(r *http.Request) map[string]any {
	services := map[string]any{}
	for _, name := range internal {
		services[name] = map[string]any{"available": true, "active": true, "updated_at": rest.Started(r.Context()).UTC().Format(instant)}
	}
	return map[string]any{"zoneName": "internal", "zoneState": map[string]bool{"available": true}, "hosts": map[string]any{controlHost: services}}
}
