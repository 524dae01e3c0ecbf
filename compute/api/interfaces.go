package api

import (
	"net/http"

	"altostack/compute"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/kernel/rest"
)

func (a *API) addressRoutes() []rest.Route {
	return []rest.Route{
		rest.On("GET /v2.1/servers/{server_id}/ips", "os_compute_api:ips:index", a.listAddresses),
		rest.On("GET /v2.1/servers/{server_id}/ips/{id}", "os_compute_api:ips:show", a.showAddresses),
		rest.On("GET /v2.1/servers/{server_id}/os-security-groups", "os_compute_api:os-security-groups:list", a.listGroups),
	}
}

func (a *API) interfaceRoutes() []rest.Route {
	const base = "/v2.1/servers/{server_id}/os-interface"
	return []rest.Route{
		rest.On("GET "+base, "os_compute_api:os-attach-interfaces:list", a.listInterfaces),
		rest.On("POST "+base, "os_compute_api:os-attach-interfaces:create", a.attachInterface),
		rest.On("GET "+base+"/{id}", "os_compute_api:os-attach-interfaces:show", a.showInterface),
		rest.On("DELETE "+base+"/{id}", "os_compute_api:os-attach-interfaces:delete", a.detachInterface),
	}
}

// bare are a server's addresses without what only servers' views add.
func (a *API) bare(r *http.Request, scope auth.Scope) (compute.Server, map[string][]address, error) {
	s, err := a.sees(r, scope)
	if err != nil {
		return s, nil, err
	}
	v := &viewer{}
	if err := a.fill(r.Context(), v, []compute.Server{s}); err != nil {
		return s, nil, err
	}
	return s, v.addresses(s), nil
}

func (a *API) listAddresses(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	_, all, err := a.bare(r, scope)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"addresses": all})
}

func (a *API) showAddresses(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	_, all, err := a.bare(r, scope)
	if err != nil {
		return err
	}
	name := r.PathValue("id")
	list, has := all[name]
	if !has {
		return fault.New(fault.CodeComputeNetworkNotFound, "Instance is not a member of specified network")
	}
	return rest.Write(w, http.StatusOK, map[string]any{name: list})
}

func (a *API) listGroups(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	s, err := a.sees(r, scope)
	if err != nil {
		return err
	}
	ports, err := a.svc.Ports(r.Context(), s)
	if err != nil {
		return err
	}
	groups, seen := []map[string]any{}, map[string]bool{}
	for _, p := range ports {
		for i, name := range p.Groups {
			if seen[name] || i >= len(p.GroupIDs) {
				continue
			}
			seen[name] = true
			groups = append(groups, map[string]any{"id": p.GroupIDs[i], "name": name, "description": "", "tenant_id": s.ProjectID, "rules": []any{}})
		}
	}
	return rest.Write(w, http.StatusOK, map[string]any{"security_groups": groups})
}

type fixedIP struct {
	Address string `json:"ip_address"`
	Subnet  string `json:"subnet_id"`
}

type interfaceView struct {
	Net   string    `json:"net_id"`
	Port  string    `json:"port_id"`
	MAC   string    `json:"mac_addr"`
	State string    `json:"port_state"`
	Fixed []fixedIP `json:"fixed_ips"`
	Tag   *null     `json:"tag,omitempty"`
}

func (a *API) interfaceView(r *http.Request, p compute.Port) interfaceView {
	v := interfaceView{Net: p.NetworkID, Port: p.ID, MAC: p.MAC, State: p.State, Fixed: []fixedIP{}}
	for _, addr := range p.Addresses {
		v.Fixed = append(v.Fixed, fixedIP{addr.Addr, addr.SubnetID})
	}
	if since(r, 70) {
		v.Tag = orNull(p.Tag)
	}
	return v
}

func (a *API) listInterfaces(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	s, err := a.sees(r, scope)
	if err != nil {
		return err
	}
	ports, err := a.svc.Ports(r.Context(), s)
	if err != nil {
		return err
	}
	views := make([]interfaceView, len(ports))
	for i, p := range ports {
		views[i] = a.interfaceView(r, p)
	}
	return rest.Write(w, http.StatusOK, map[string]any{"interfaceAttachments": views})
}

func (a *API) showInterface(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	p, err := a.svc.Port(r.Context(), scope, serverID(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"interfaceAttachment": a.interfaceView(r, p)})
}

func (a *API) attachInterface(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body struct {
		Net   string `json:"net_id"`
		Port  string `json:"port_id"`
		Fixed []struct {
			Address string `json:"ip_address"`
		} `json:"fixed_ips"`
		Tag string `json:"tag"`
	}
	if len(rest.RawBody(r)) > 0 {
		if err := rest.Decode(r, "interfaceAttachment", &body); err != nil {
			return err
		}
	}
	want := compute.Want{NetworkID: body.Net, PortID: body.Port, Tag: body.Tag}
	if want.NetworkID != "" && want.PortID != "" {
		return invalid("Must not input both network_id and port_id")
	}
	if len(body.Fixed) > 0 {
		if want.FixedIP = body.Fixed[0].Address; want.NetworkID == "" {
			return invalid("Must input network_id when request IP address")
		}
	}
	if want.PortID != "" && !id.IsUUID(want.PortID) {
		return invalid("Port id %s is not a UUID.", want.PortID)
	}
	p, err := a.svc.AttachInterface(r.Context(), scope, serverID(r), want)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"interfaceAttachment": a.interfaceView(r, p)})
}

func (a *API) detachInterface(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if err := a.svc.DetachInterface(r.Context(), scope, serverID(r), r.PathValue("id")); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}
