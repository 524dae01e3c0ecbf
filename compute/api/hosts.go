package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"altostack/compute"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/kernel/page"
	"altostack/kernel/rest"
)

// Hosts are the routes by which operators see and steer hosts: os-services and
// os-hypervisors.
type Hosts struct{ compute *compute.Service }

// NewHosts makes them.
func NewHosts(s *compute.Service) *Hosts { return &Hosts{s} }

// Routes lists them.
func (a *Hosts) Routes() []rest.Route {
	const services, hypervisors = "/v2.1/os-services", "/v2.1/os-hypervisors"
	return []rest.Route{
		rest.On("GET "+services, "os_compute_api:os-services:list", a.services),
		rest.On("PUT "+services+"/{service_id}", "os_compute_api:os-services:update", a.updateService).Since("2.53"),
		rest.On("PUT "+services+"/enable", "os_compute_api:os-services:update", a.switchService(false, false)).Until("2.52"),
		rest.On("PUT "+services+"/disable", "os_compute_api:os-services:update", a.switchService(true, false)).Until("2.52"),
		rest.On("PUT "+services+"/disable-log-reason", "os_compute_api:os-services:update", a.switchService(true, true)).Until("2.52"),
		rest.On("PUT "+services+"/force-down", "os_compute_api:os-services:update", a.forceDown).Since("2.11").Until("2.52"),
		rest.On("DELETE "+services+"/{service_id}", "os_compute_api:os-services:delete", a.deleteService),
		rest.On("GET "+hypervisors, "os_compute_api:os-hypervisors:list", a.hypervisors(false)),
		rest.On("GET "+hypervisors+"/detail", "os_compute_api:os-hypervisors:list-detail", a.hypervisors(true)),
		rest.On("GET "+hypervisors+"/statistics", "os_compute_api:os-hypervisors:statistics", a.statistics).Until("2.87"),
		rest.On("GET "+hypervisors+"/{hypervisor_id}", "os_compute_api:os-hypervisors:show", a.hypervisor),
		rest.On("GET "+hypervisors+"/{hypervisor_id}/uptime", "os_compute_api:os-hypervisors:uptime", a.uptime).Until("2.87"),
		rest.On("GET "+hypervisors+"/{pattern}/search", "os_compute_api:os-hypervisors:search", a.search(false)).Until("2.52"),
		rest.On("GET "+hypervisors+"/{pattern}/servers", "os_compute_api:os-hypervisors:servers", a.search(true)).Until("2.52"),
	}
}

const instant = "2006-01-02T15:04:05.000000"

func word(ok bool, yes, no string) string {
	if ok {
		return yes
	}
	return no
}

// textOrNull is a text that JSON shows as null when there is none.
func textOrNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (a *Hosts) serviceView(r *http.Request, h compute.Host) map[string]any {
	out := map[string]any{"binary": "nova-compute", "host": h.Name, "zone": h.Zone, "status": word(h.Disabled, "disabled", "enabled"),
		"state": word(h.Up(rest.Started(r.Context())), "up", "down"), "disabled_reason": textOrNull(h.DisabledReason), "updated_at": h.SeenAt.Format(instant), "id": any(h.ServiceNumber)}
	if since(r, 53) {
		out["id"] = h.ServiceID
	}
	if since(r, 11) {
		out["forced_down"] = h.ForcedDown
	}
	return out
}

// internal are the services that run in every control process.
var internal = []string{"nova-scheduler", "nova-conductor"}

func (a *Hosts) services(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	hosts, err := a.compute.Hypervisors(r.Context())
	if err != nil {
		return err
	}
	host, binary := r.URL.Query().Get("host"), r.URL.Query().Get("binary")
	views := []map[string]any{}
	for i, name := range internal {
		if (host == "" || host == controlHost) && (binary == "" || binary == name) {
			one := map[string]any{"binary": name, "host": controlHost, "zone": "internal", "status": "enabled", "state": "up", "disabled_reason": nil,
				"updated_at": rest.Started(r.Context()).Format(instant), "id": any(1000001 + i)}
			if since(r, 53) {
				one["id"] = internalIDs[i]
			}
			if since(r, 11) {
				one["forced_down"] = false
			}
			views = append(views, one)
		}
	}
	for _, h := range hosts {
		if (host == "" || host == h.Name) && (binary == "" || binary == "nova-compute") {
			views = append(views, a.serviceView(r, h))
		}
	}
	return rest.Write(w, http.StatusOK, map[string]any{"services": views})
}

// controlHost names the control plane, which is no hypervisor host.
const controlHost = "control"

func noService(id string) error {
	return fault.New(fault.CodeComputeServiceNotFound, "Service %s could not be found.", id)
}

// onlyCompute refuses to steer what is no host's service.
func onlyCompute(binary string) error {
	if binary == "nova-compute" {
		return nil
	}
	return fault.New(fault.CodeRestInvalidInput, "Updating a %s service is not supported. Only nova-compute services can be updated.", binary).WithField("binary")
}

// internalIDs are the ids of the services of internal, from 2.53.
var internalIDs = []string{"00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"}

func (a *Hosts) byService(r *http.Request) (compute.Host, error) {
	asked := r.PathValue("service_id")
	if _, err := strconv.ParseInt(asked, 10, 64); !since(r, 53) && err != nil {
		return compute.Host{}, fault.New(fault.CodeRestInvalidInput, "Invalid input received: id must be an integer").WithField("id")
	}
	if since(r, 53) && !id.IsUUID(asked) {
		return compute.Host{}, fault.New(fault.CodeRestInvalidInput, "Invalid uuid %s", asked)
	}
	if i := slices.Index(internalIDs, asked); i >= 0 {
		return compute.Host{}, onlyCompute(internal[i])
	}
	h, found, err := a.compute.HostBy(r.Context(), func(h compute.Host) bool {
		return since(r, 53) && h.ServiceID == asked || !since(r, 53) && strconv.FormatInt(h.ServiceNumber, 10) == asked
	})
	if err == nil && !found {
		err = noService(asked)
	}
	return h, err
}

func (a *Hosts) updateService(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	var body struct {
		Status     string `json:"status"`
		Reason     string `json:"disabled_reason"`
		ForcedDown *flag  `json:"forced_down"`
	}
	if err := rest.Decode(r, "", &body); err != nil {
		return err
	}
	h, err := a.byService(r)
	if err != nil {
		return err
	}
	if body.Reason != "" && body.Status == "enabled" {
		return fault.New(fault.CodeRestInvalidInput, "Specifying 'disabled_reason' with status 'enabled' is invalid.").WithField("disabled_reason")
	}
	if body.Status == "" && body.ForcedDown == nil {
		return fault.New(fault.CodeRestInvalidInput, "No updates were requested. Fields 'status' or 'forced_down' should be specified.")
	}
	h, err = a.compute.SetHost(r.Context(), h.Name, func(h *compute.Host) error {
		if body.Status != "" {
			h.Disabled, h.DisabledReason = body.Status == "disabled", body.Reason
		}
		if body.ForcedDown != nil {
			h.ForcedDown = bool(*body.ForcedDown)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"service": a.serviceView(r, h)})
}

// hostBody is the body of the calls that 2.53 replaced.
type hostBody struct {
	Host   string `json:"host"`
	Binary string `json:"binary"`
	Reason string `json:"disabled_reason"`
}

func (a *Hosts) switchService(off, reason bool) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
		var body hostBody
		if err := rest.Decode(r, "", &body); err != nil {
			return err
		}
		if err := onlyCompute(body.Binary); err != nil {
			return err
		}
		if reason && body.Reason == "" {
			return fault.New(fault.CodeRestInvalidInput, "Missing disabled reason field").WithField("disabled_reason")
		}
		h, err := a.compute.SetHost(r.Context(), body.Host, func(h *compute.Host) error {
			h.Disabled, h.DisabledReason = off, ""
			if reason {
				h.DisabledReason = body.Reason
			}
			return nil
		})
		if err != nil {
			return err
		}
		out := map[string]any{"host": h.Name, "binary": body.Binary, "status": word(off, "disabled", "enabled")}
		if reason {
			out["disabled_reason"] = h.DisabledReason
		}
		return rest.Write(w, http.StatusOK, map[string]any{"service": out})
	}
}

func (a *Hosts) forceDown(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	var body struct {
		Host       string `json:"host"`
		Binary     string `json:"binary"`
		ForcedDown *flag  `json:"forced_down"`
	}
	if err := rest.Decode(r, "", &body); err != nil {
		return err
	}
	if body.ForcedDown == nil {
		return fault.New(fault.CodeRestInvalidInput, "Missing forced_down field").WithField("forced_down")
	}
	if err := onlyCompute(body.Binary); err != nil {
		return err
	}
	h, err := a.compute.SetHost(r.Context(), body.Host, func(h *compute.Host) error { h.ForcedDown = bool(*body.ForcedDown); return nil })
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"service": map[string]any{"host": h.Name, "binary": body.Binary, "forced_down": h.ForcedDown}})
}

func (a *Hosts) deleteService(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	h, err := a.byService(r)
	if err != nil {
		return err
	}
	if err := a.compute.DeleteHost(r.Context(), h.Name); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}

// brief is a hypervisor without its figures.
func (a *Hosts) brief(r *http.Request, h compute.Host) map[string]any {
	out := map[string]any{"hypervisor_hostname": h.Name, "id": any(h.Number), "state": word(h.Up(rest.Started(r.Context())), "up", "down"), "status": word(h.Disabled, "disabled", "enabled")}
	if since(r, 53) {
		out["id"] = h.HypervisorID
	}
	return out
}

func (a *Hosts) full(r *http.Request, h compute.Host, load compute.HostLoad) (map[string]any, error) {
	out, rec := a.brief(r, h), h.Record
	address := rec.Address
	if address == "" {
		address = "127.0.0.1"
	}
	out["hypervisor_type"], out["hypervisor_version"], out["host_ip"] = rec.HypervisorType, rec.HypervisorVer, address
	service := map[string]any{"host": h.Name, "id": any(h.ServiceNumber), "disabled_reason": textOrNull(h.DisabledReason)}
	if since(r, 53) {
		service["id"] = h.ServiceID
	}
	out["service"] = service
	if since(r, 88) {
		out["uptime"] = uptime(rec.StartedAt, rest.Started(r.Context()))
		return out, nil
	}
	usedMemory, usedDisk := load.MemoryMiB+rec.Reserved.MemoryMiB, load.DiskGiB+rec.Reserved.DiskGiB
	for k, v := range map[string]int64{"vcpus": int64(rec.VCPUs), "vcpus_used": load.VCPUs, "memory_mb": rec.MemoryMiB, "memory_mb_used": usedMemory, "free_ram_mb": rec.MemoryMiB - usedMemory,
		"local_gb": rec.DiskGiB, "local_gb_used": usedDisk, "free_disk_gb": rec.DiskGiB - usedDisk, "disk_available_least": rec.DiskGiB - usedDisk,
		"running_vms": load.Servers, "current_workload": load.Building} {
		out[k] = v
	}
	cpu := rec.CPUInfo
	if cpu == nil {
		cpu = map[string]any{}
	}
	out["cpu_info"] = cpu
	if !since(r, 28) {
		text, err := json.Marshal(cpu)
		if err != nil {
			return nil, err
		}
		out["cpu_info"] = string(text)
	}
	return out, nil
}

// uptime is spelled as uptime(1) does; null where the host did not say.
func uptime(started, now time.Time) any {
	if started.IsZero() {
		return nil
	}
	d := now.Sub(started)
	return now.Format(" 15:04:05") + " up " + strconv.Itoa(int(d.Hours())/24) + " days, " + strconv.Itoa(int(d.Hours())%24) + ":" + strconv.Itoa(int(d.Minutes())%60 + 100)[1:] + ",  0 users"
}

func (a *Hosts) hypervisors(detail bool) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
		hosts, err := a.compute.Hypervisors(r.Context())
		if err != nil {
			return err
		}
		q := r.URL.Query()
		pattern, withServers, paged := "", false, since(r, 33)
		if since(r, 53) {
			pattern = q.Get("hypervisor_hostname_pattern")
			withServers, _ = parseBool(q.Get("with_servers"))
		}
		if pattern != "" {
			if q.Has("limit") || q.Get("marker") != "" {
				return fault.New(fault.CodeRestInvalidInput, "Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported.")
			}
			paged = false
			hosts = matching(hosts, pattern)
			if len(hosts) == 0 {
				return fault.New(fault.CodeComputeHostUnknown, "No hypervisor matching '%s' could be found.", pattern)
			}
		}
		more := false
		if paged {
			if hosts, more, err = cut(r, hosts); err != nil {
				return err
			}
		}
		views, err := a.views(r, hosts, detail, withServers)
		if err != nil {
			return err
		}
		out := map[string]any{"hypervisors": views}
		if more {
			last := hosts[len(hosts)-1]
			marker := strconv.FormatInt(last.Number, 10)
			if since(r, 53) {
				marker = last.HypervisorID
			}
			out["hypervisors_links"] = nextLink(r, marker)
		}
		return rest.Write(w, http.StatusOK, out)
	}
}

func matching(hosts []compute.Host, pattern string) []compute.Host {
	var out []compute.Host
	for _, h := range hosts {
		if strings.Contains(strings.ToLower(h.Name), strings.ToLower(pattern)) {
			out = append(out, h)
		}
	}
	return out
}

// cut answers a page of hosts, of which the whole list is in memory anyway.
func cut(r *http.Request, hosts []compute.Host) ([]compute.Host, bool, error) {
	req, err := page.Parse(r.URL.Query(), page.Options{Max: 1000})
	if err != nil {
		return nil, false, err
	}
	if req.Marker != "" {
		at := -1
		for i, h := range hosts {
			if h.HypervisorID == req.Marker || !since(r, 53) && strconv.FormatInt(h.Number, 10) == req.Marker {
				at = i
			}
		}
		if at < 0 {
			return nil, false, fault.New(fault.CodePageBadMarker, "marker [%s] not found", req.Marker).WithField("marker")
		}
		hosts = hosts[at+1:]
	}
	if req.Limit > 0 && len(hosts) > req.Limit {
		return hosts[:req.Limit], true, nil
	}
	return hosts, false, nil
}

func (a *Hosts) views(r *http.Request, hosts []compute.Host, detail, withServers bool) ([]map[string]any, error) {
	var loads map[string]compute.HostLoad
	var err error
	if detail && !since(r, 88) {
		if loads, err = a.compute.HostLoads(r.Context()); err != nil {
			return nil, err
		}
	}
	on := map[string][]map[string]string{}
	if withServers {
		only := ""
		if len(hosts) == 1 {
			only = hosts[0].Name
		}
		servers, err := a.compute.ServersOf(r.Context(), only)
		if err != nil {
			return nil, err
		}
		for _, s := range servers {
			on[s.Host] = append(on[s.Host], map[string]string{"uuid": s.ID, "name": s.Name})
		}
	}
	views := make([]map[string]any, len(hosts))
	for i, h := range hosts {
		views[i] = a.brief(r, h)
		if detail {
			if views[i], err = a.full(r, h, loads[h.Name]); err != nil {
				return nil, err
			}
		}
		if withServers && (len(on[h.Name]) > 0 || since(r, 75)) {
			views[i]["servers"] = append([]map[string]string{}, on[h.Name]...)
		}
	}
	return views, nil
}

func (a *Hosts) byHypervisor(r *http.Request) (compute.Host, error) {
	asked := r.PathValue("hypervisor_id")
	if since(r, 53) && !id.IsUUID(asked) {
		return compute.Host{}, fault.New(fault.CodeRestInvalidInput, "Invalid uuid %s", asked)
	}
	h, found, err := a.compute.HostBy(r.Context(), func(h compute.Host) bool {
		return since(r, 53) && h.HypervisorID == asked || !since(r, 53) && strconv.FormatInt(h.Number, 10) == asked
	})
	if err == nil && !found {
		err = fault.New(fault.CodeComputeHostUnknown, "Hypervisor with ID '%s' could not be found.", asked)
	}
	return h, err
}

func (a *Hosts) hypervisor(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	h, err := a.byHypervisor(r)
	if err != nil {
		return err
	}
	withServers, _ := parseBool(r.URL.Query().Get("with_servers"))
	views, err := a.views(r, []compute.Host{h}, true, withServers && since(r, 53))
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"hypervisor": views[0]})
}

func (a *Hosts) uptime(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	h, err := a.byHypervisor(r)
	if err != nil {
		return err
	}
	out := a.brief(r, h)
	out["uptime"] = uptime(h.Record.StartedAt, rest.Started(r.Context()))
	return rest.Write(w, http.StatusOK, map[string]any{"hypervisor": out})
}

func (a *Hosts) search(withServers bool) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
		hosts, err := a.compute.Hypervisors(r.Context())
		if err != nil {
			return err
		}
		pattern := r.PathValue("pattern")
		if hosts = matching(hosts, pattern); len(hosts) == 0 {
			return fault.New(fault.CodeComputeHostUnknown, "No hypervisor matching '%s' could be found.", pattern)
		}
		views, err := a.views(r, hosts, false, withServers)
		if err != nil {
			return err
		}
		return rest.Write(w, http.StatusOK, map[string]any{"hypervisors": views})
	}
}

func (a *Hosts) statistics(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	hosts, err := a.compute.Hypervisors(r.Context())
	if err != nil {
		return err
	}
	views, err := a.views(r, hosts, true, false)
	if err != nil {
		return err
	}
	sum := map[string]int64{"count": int64(len(hosts))}
	for _, name := range []string{"vcpus", "vcpus_used", "memory_mb", "memory_mb_used", "free_ram_mb", "local_gb", "local_gb_used", "free_disk_gb", "disk_available_least", "running_vms", "current_workload"} {
		sum[name] = 0
		for _, v := range views {
			n, _ := v[name].(int64)
			sum[name] += n
		}
	}
	return rest.Write(w, http.StatusOK, map[string]any{"hypervisor_statistics": sum})
}
