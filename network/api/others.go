package api

import (
	"net/http"
	"slices"
	"strings"

	"altostack/kernel/auth"
	"altostack/kernel/contract"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
	"altostack/network"
)

func versions(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	return rest.Write(w, http.StatusOK, map[string]any{"versions": []any{map[string]any{
		"id": "v2.0", "status": "CURRENT", "links": []link{{"self", rest.Base(r) + "/v2.0/"}}}}})
}

// resources lists the collections of the version.
func resources(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	list := []any{}
	for _, res := range network.All {
		if res.Parent != "" {
			continue
		}
		name := spellings(res.Collection)[0]
		list = append(list, map[string]any{"name": res.Singular, "collection": res.Collection, "links": []link{{"self", rest.Base(r) + "/v2.0/" + name}}})
	}
	return rest.Write(w, http.StatusOK, map[string]any{"resources": list})
}

func extension(alias string) (map[string]any, bool) {
	if !slices.Contains(network.Extensions, alias) {
		return nil, false
	}
	v := map[string]any{"alias": alias, "name": strings.ReplaceAll(alias, "-", " "), "description": "", "updated": "2026-04-01T00:00:00-00:00", "links": []any{}}
	for _, e := range contract.NeutronExtensions() {
		if e.Alias == alias {
			v["description"] = e.Adds
		}
	}
	return v, true
}

func listExtensions(w http.ResponseWriter, _ *http.Request, _ auth.Scope) error {
	list := []any{}
	for _, alias := range network.Extensions {
		v, _ := extension(alias)
		list = append(list, v)
	}
	return rest.Write(w, http.StatusOK, map[string]any{"extensions": list})
}

func showExtension(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	v, ok := extension(r.PathValue("alias"))
	if !ok {
		return fault.New(fault.CodeNetworkExtensionNotFound, "Extension with alias %s does not exist", r.PathValue("alias"))
	}
	return rest.Write(w, http.StatusOK, map[string]any{"extension": v})
}

// others are the operations on what is no row of its own.
func (a *API) others() []rest.Route {
	quota := "/v2.0/quotas/{project_id}"
	routes := []rest.Route{
		inside("GET /v2.0/quotas", "get_quota", a.listQuotas),
		inside("GET "+quota, "get_quota", a.showQuota),
		inside("PUT "+quota, "update_quota", a.updateQuota),
		inside("DELETE "+quota, "delete_quota", a.deleteQuota),
		inside("GET "+quota+"/default", "get_quota", a.defaultQuota),
		inside("GET "+quota+"/details", "get_quota", a.quotaDetails),
		inside("GET "+quota+"/details.json", "get_quota", a.quotaDetails),
		inside("GET /v2.0/agents", "get_agent", a.listAgents),
		inside("GET /v2.0/agents/{agent_id}", "get_agent", a.showAgent),
		rest.On("PUT /v2.0/agents/{agent_id}", "update_agent", a.updateAgent),
		rest.On("GET /v2.0/availability_zones", "get_availability_zone", a.zones),
		rest.On("GET /v2.0/service-providers", "get_service_provider", serviceProviders),
		inside("GET /v2.0/network-ip-availabilities", "get_network_ip_availability", a.availabilities),
		inside("GET /v2.0/network-ip-availabilities/{network_id}", "get_network_ip_availability", a.availability),
		inside("GET /v2.0/auto-allocated-topology/{project_id}", "get_auto_allocated_topology", a.autoTopology),
		inside("DELETE /v2.0/auto-allocated-topology/{project_id}", "delete_auto_allocated_topology", a.dropAutoTopology),
	}
	return routes
}

func ofProject(id string) auth.Target { return auth.Target{"project_id": id, "tenant_id": id} }

func (a *API) listQuotas(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if err := scope.Check("get_quota", ofProject("")); err != nil {
		return err
	}
	projects, err := a.svc.QuotaProjects(r.Context())
	if err != nil {
		return err
	}
	list := []any{}
	for _, p := range projects {
		limits, err := a.svc.Quotas(r.Context(), p)
		if err != nil {
			return err
		}
		v := map[string]any{"tenant_id": p, "project_id": p}
		for k, n := range limits {
			v[k] = n
		}
		list = append(list, v)
	}
	return rest.Write(w, http.StatusOK, map[string]any{"quotas": list})
}

func (a *API) showQuota(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	p := r.PathValue("project_id")
	if p == "tenant" || p == "project" {
		return rest.Write(w, http.StatusOK, map[string]any{p: map[string]string{"tenant_id": scope.ProjectID, "project_id": scope.ProjectID}})
	}
	if err := mayReadQuota(scope, p); err != nil {
		return err
	}
	limits, err := a.svc.Quotas(r.Context(), p)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"quota": limits})
}

// mayReadQuota: the rule is asked for other projects only, as Neutron does.
func mayReadQuota(scope auth.Scope, project string) error {
	if project == scope.ProjectID {
		return nil
	}
	return scope.Check("get_quota", ofProject(project))
}

func (a *API) updateQuota(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	p := r.PathValue("project_id")
	if err := scope.Check("update_quota", ofProject(p)); err != nil {
		return err
	}
	set, err := member(r, "quota")
	if err != nil {
		return err
	}
	limits, err := a.svc.SetQuotas(r.Context(), p, set)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"quota": limits})
}

func (a *API) deleteQuota(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	p := r.PathValue("project_id")
	if err := scope.Check("delete_quota", ofProject(p)); err != nil {
		return err
	}
	if err := a.svc.DropQuotas(r.Context(), p); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}

func (a *API) defaultQuota(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if err := scope.Check("get_quota", ofProject(r.PathValue("project_id"))); err != nil {
		return err
	}
	limits, err := a.svc.Quotas(r.Context(), "") // nobody's own
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"quota": limits})
}

func (a *API) quotaDetails(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	p := r.PathValue("project_id")
	if err := mayReadQuota(scope, p); err != nil {
		return err
	}
	uses, err := a.svc.QuotaDetails(r.Context(), p)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"quota": uses})
}

// listAgents answers nothing to who may not see agents, as lists do.
func (a *API) listAgents(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if !scope.May("get_agent", ofProject("")) {
		return rest.Write(w, http.StatusOK, map[string]any{"agents": []any{}})
	}
	list, err := a.svc.Agents(r.Context())
	if err != nil {
		return err
	}
	q := r.URL.Query()
	list = slices.DeleteFunc(list, func(v network.AgentView) bool {
		return q.Has("host") && q.Get("host") != v.Host || q.Has("agent_type") && q.Get("agent_type") != v.AgentType ||
			q.Has("binary") && q.Get("binary") != v.Binary || q.Has("id") && q.Get("id") != v.ID
	})
	return rest.Write(w, http.StatusOK, map[string]any{"agents": list})
}

func (a *API) agent(r *http.Request) (network.AgentView, error) {
	list, err := a.svc.Agents(r.Context())
	for _, v := range list {
		if v.ID == r.PathValue("agent_id") {
			return v, nil
		}
	}
	if err == nil {
		err = fault.New(fault.CodeNetworkAgentNotFound, "Agent %s could not be found.", r.PathValue("agent_id"))
	}
	return network.AgentView{}, err
}

func (a *API) showAgent(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if !scope.May("get_agent", ofProject("")) {
		return fault.New(fault.CodeNetworkAgentNotFound, "Agent %s could not be found.", r.PathValue("agent_id"))
	}
	v, err := a.agent(r)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"agent": v})
}

func (a *API) updateAgent(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var b struct {
		AdminUp     *bool   `json:"admin_state_up"`
		Description *string `json:"description"`
	}
	if err := rest.Decode(r, "agent", &b); err != nil {
		return err
	}
	if err := a.svc.SetAgent(r.Context(), r.PathValue("agent_id"), b.AdminUp, b.Description); err != nil {
		return err
	}
	return a.showAgent(w, r, scope)
}

func (a *API) zones(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	list, err := a.svc.Zones(r.Context())
	if err != nil {
		return err
	}
	q := r.URL.Query()
	list = slices.DeleteFunc(list, func(z network.AvailabilityZone) bool {
		return q.Has("resource") && q.Get("resource") != z.Resource || q.Has("name") && q.Get("name") != z.Name || q.Has("state") && q.Get("state") != z.State
	})
	return rest.Write(w, http.StatusOK, map[string]any{"availability_zones": list})
}

func serviceProviders(w http.ResponseWriter, _ *http.Request, _ auth.Scope) error {
	return rest.Write(w, http.StatusOK, map[string]any{"service_providers": []any{
		map[string]any{"service_type": "L3_ROUTER_NAT", "name": "altostack", "default": true}}})
}

func (a *API) availabilities(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if !scope.May("get_network_ip_availability", ofProject("")) {
		return rest.Write(w, http.StatusOK, map[string]any{"network_ip_availabilities": []any{}})
	}
	var q network.Query
	values := r.URL.Query()
	for name, attr := range map[string]string{"network_id": "id", "network_name": "name", "tenant_id": "project_id", "project_id": "project_id"} {
		if values.Has(name) {
			q.Filters = append(q.Filters, network.Filter{Attr: attr, Values: anys(values[name])})
		}
	}
	switch values.Get("ip_version") {
	case "":
	case "4":
		q.Filters = append(q.Filters, network.Is("ip_version", int64(4)))
	case "6":
		q.Filters = append(q.Filters, network.Is("ip_version", int64(6)))
	default:
		return fault.New(fault.CodeNetworkMalformed, "Invalid input for ip_version. Reason: '%s' is not in [4, 6].", values.Get("ip_version"))
	}
	list, err := a.svc.Availabilities(r.Context(), scope, q)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"network_ip_availabilities": list})
}

func (a *API) availability(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if !scope.May("get_network_ip_availability", ofProject("")) {
		return fault.New(fault.CodeNetworkNetworkNotFound, "Network %s could not be found.", r.PathValue("network_id"))
	}
	list, err := a.svc.Availabilities(r.Context(), scope, network.Query{Filters: []network.Filter{network.Is("id", r.PathValue("network_id"))}})
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fault.New(fault.CodeNetworkNetworkNotFound, "Network %s could not be found.", r.PathValue("network_id"))
	}
	return rest.Write(w, http.StatusOK, map[string]any{"network_ip_availability": list[0]})
}

func (a *API) autoTopology(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	p := r.PathValue("project_id")
	if p == "null" || p == "None" || p == "" {
		p = scope.ProjectID
	}
	if err := scope.Check("get_auto_allocated_topology", ofProject(p)); err != nil {
		return err
	}
	id, err := a.svc.AutoTopology(r.Context(), p, slices.Contains(r.URL.Query()["fields"], "dry-run"))
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"auto_allocated_topology": map[string]string{"id": id, "tenant_id": p, "project_id": p}})
}

func (a *API) dropAutoTopology(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	p := r.PathValue("project_id")
	if p == "null" || p == "None" {
		p = scope.ProjectID
	}
	if err := scope.Check("delete_auto_allocated_topology", ofProject(p)); err != nil {
		return err
	}
	if err := a.svc.DropAutoTopology(r.Context(), scope, p); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}
