package api

import (
	"net/http"
	"slices"
	"strconv"

	"altostack/compute"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

func (a *API) historyRoutes() []rest.Route {
	const base = "/v2.1/servers/{server_id}/os-instance-actions"
	return []rest.Route{
		rest.On("GET "+base, "os_compute_api:os-instance-actions:list", a.listActions),
		rest.On("GET "+base+"/{id}", "os_compute_api:os-instance-actions:show", a.showAction),
		rest.On("GET /v2.1/servers/{server_id}/diagnostics", "os_compute_api:os-server-diagnostics", a.diagnostics),
	}
}

type actionView struct {
	Action  string       `json:"action"`
	Server  string       `json:"instance_uuid"`
	Request string       `json:"request_id"`
	User    *null        `json:"user_id"`
	Project *null        `json:"project_id"`
	Start   string       `json:"start_time"`
	Message *null        `json:"message"`
	Updated *string      `json:"updated_at,omitempty"`
	Events  *[]eventView `json:"events,omitempty"`
}

type eventView struct {
	Event     string  `json:"event"`
	Start     string  `json:"start_time"`
	Finish    *null   `json:"finish_time"`
	Result    *null   `json:"result"`
	Traceback *null   `json:"traceback,omitempty"`
	HostID    *string `json:"hostId,omitempty"`
	Host      *null   `json:"host,omitempty"`
	Details   *null   `json:"details,omitempty"`
}

func viewAction(r *http.Request, act compute.Action) actionView {
	v := actionView{Action: act.Name, Server: act.ServerID, Request: act.RequestID, User: orNull(act.UserID), Project: orNull(act.ProjectID),
		Start: micros(act.StartedAt), Message: orNull(act.Message)}
	if since(r, 58) {
		updated := micros(act.UpdatedAt)
		v.Updated = &updated
	}
	return v
}

// anyServer reads a server, since 2.21 also one that is deleted.
func (a *API) anyServer(r *http.Request, scope auth.Scope) (compute.Server, error) {
	if since(r, 21) {
		return a.svc.GetAny(r.Context(), scope, serverID(r))
	}
	return a.sees(r, scope)
}

func (a *API) listActions(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	s, err := a.anyServer(r, scope)
	if err != nil {
		return err
	}
	acts, err := a.svc.Store.Actions(r.Context(), a.svc.DB, s.ID)
	if err != nil {
		return err
	}
	body := map[string]any{}
	if since(r, 58) {
		var more bool
		if acts, more, err = pageOfActions(r, acts); err != nil {
			return err
		}
		if more {
			body["links"] = nextLink(r, acts[len(acts)-1].RequestID)
		}
	}
	views := make([]actionView, len(acts))
	for i, act := range acts {
		views[i] = viewAction(r, act)
	}
	body["instanceActions"] = views
	return rest.Write(w, http.StatusOK, body)
}

// pageOfActions filters and pages in memory: a server has few actions.
func pageOfActions(r *http.Request, acts []compute.Action) (page []compute.Action, more bool, err error) {
	q := r.URL.Query()
	var f compute.Filter
	if err := times(q.Get, &f); err != nil {
		return nil, false, err
	}
	acts = slices.DeleteFunc(acts, func(act compute.Action) bool {
		return !f.ChangedSince.IsZero() && act.UpdatedAt.Before(f.ChangedSince) || !f.ChangedBefore.IsZero() && since(r, 66) && act.UpdatedAt.After(f.ChangedBefore)
	})
	if marker := q.Get("marker"); marker != "" {
		i := slices.IndexFunc(acts, func(act compute.Action) bool { return act.RequestID == marker })
		if i < 0 {
			return nil, false, fault.New(fault.CodePageBadMarker, "marker [%s] not found", marker)
		}
		acts = acts[i+1:]
	}
	if limit := number(q.Get("limit")); limit > 0 && len(acts) > limit {
		return acts[:limit], true, nil
	}
	return acts, false, nil
}

func (a *API) showAction(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	s, err := a.anyServer(r, scope)
	if err != nil {
		return err
	}
	act, found, err := a.svc.Store.Action(r.Context(), a.svc.DB, s.ID, r.PathValue("id"))
	if err != nil {
		return err
	}
	if !found {
		return fault.New(fault.CodeComputeActionNotFound, "Action for request_id %s on instance %s not found", r.PathValue("id"), s.ID)
	}
	v := viewAction(r, act)
	full := scope.May("os_compute_api:os-instance-actions:events", target(s))
	if full || since(r, 51) {
		events := viewEvents(r, s, act, full, scope.May("os_compute_api:os-instance-actions:events:details", target(s)))
		v.Events = &events
	}
	return rest.Write(w, http.StatusOK, map[string]any{"instanceAction": v})
}

func viewEvents(r *http.Request, s compute.Server, act compute.Action, full, details bool) []eventView {
	out := []eventView{}
	for _, e := range act.Events {
		v := eventView{Event: e.Name, Start: micros(e.StartedAt), Finish: stamp(e.FinishedAt), Result: orNull(e.Result)}
		if full {
			v.Traceback = &null{}
		}
		if since(r, 62) {
			on := s
			on.Host = e.Host
			hostID := on.HostID()
			v.HostID = &hostID
			if full {
				v.Host = orNull(e.Host)
			}
		}
		if since(r, 84) && (details || e.Result == "Error") {
			v.Details = orNull(e.Details)
		}
		out = append(out, v)
	}
	return out
}

func (a *API) diagnostics(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	s, d, err := a.svc.Diagnostics(r.Context(), scope, serverID(r))
	if err != nil {
		return err
	}
	if !since(r, 48) {
		flat := map[string]any{"memory": d.MemoryMiB * 1024}
		for i, t := range d.CPUTime {
			flat["cpu"+strconv.Itoa(i)+"_time"] = t.Nanoseconds()
		}
		for _, disk := range d.Disks {
			flat[disk.ID+"_read"], flat[disk.ID+"_read_req"], flat[disk.ID+"_errors"] = disk.ReadBytes, disk.ReadReqs, disk.Errors
			flat[disk.ID+"_write"], flat[disk.ID+"_write_req"] = disk.WriteBytes, disk.WriteReqs
		}
		for i, n := range d.NICs {
			p := "vnet" + strconv.Itoa(i)
			flat[p+"_rx"], flat[p+"_rx_packets"], flat[p+"_rx_errors"], flat[p+"_rx_drop"] = n.RxBytes, n.RxPackets, n.RxErrors, n.RxDrop
			flat[p+"_tx"], flat[p+"_tx_packets"], flat[p+"_tx_errors"], flat[p+"_tx_drop"] = n.TxBytes, n.TxPackets, n.TxErrors, n.TxDrop
		}
		return rest.Write(w, http.StatusOK, flat)
	}
	cpus, disks, nics := []map[string]any{}, []map[string]any{}, []map[string]any{}
	for i, t := range d.CPUTime {
		cpus = append(cpus, map[string]any{"id": i, "time": t.Nanoseconds(), "utilisation": nil})
	}
	for _, disk := range d.Disks {
		disks = append(disks, map[string]any{"read_bytes": disk.ReadBytes, "read_requests": disk.ReadReqs, "write_bytes": disk.WriteBytes, "write_requests": disk.WriteReqs, "errors_count": disk.Errors})
	}
	for _, n := range d.NICs {
		nics = append(nics, map[string]any{"mac_address": n.MAC, "rx_octets": n.RxBytes, "rx_packets": n.RxPackets, "rx_errors": n.RxErrors, "rx_drop": n.RxDrop, "rx_rate": nil,
			"tx_octets": n.TxBytes, "tx_packets": n.TxPackets, "tx_errors": n.TxErrors, "tx_drop": n.TxDrop, "tx_rate": nil})
	}
	return rest.Write(w, http.StatusOK, map[string]any{"state": string(d.State), "driver": "altostack", "hypervisor": "qemu", "hypervisor_os": "linux",
		"uptime": int64(d.Uptime.Seconds()), "config_drive": s.ConfigDrive, "num_cpus": len(cpus), "num_disks": len(disks), "num_nics": len(nics),
		"memory_details": map[string]any{"maximum": d.MemoryMiB, "used": nil}, "cpu_details": cpus, "disk_details": disks, "nic_details": nics})
}
