package api

import (
	"net/http"
	"strings"

	"altostack/compute"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

// secGroupRoutes are the calls about security groups that compute passed on to
// the network service until 2.35; none where that does not offer them.
func (a *API) secGroupRoutes() []rest.Route {
	var groups compute.SecurityGroups
	if a.svc != nil { // without a service only the table is wanted
		var ok bool
		if groups, ok = a.svc.Network.(compute.SecurityGroups); !ok {
			return nil
		}
	}
	g := secGroups{groups}
	const base, rule = "/v2.1/os-security-groups", "os_compute_api:os-security-groups:"
	return []rest.Route{
		rest.On("GET "+base, rule+"get", g.list).Until("2.35"),
		rest.On("POST "+base, rule+"create", g.create).Until("2.35"),
		rest.On("GET "+base+"/{id}", rule+"show", g.show).Until("2.35"),
		rest.On("PUT "+base+"/{id}", rule+"update", g.update).Until("2.35"),
		rest.On("DELETE "+base+"/{id}", rule+"delete", g.remove).Until("2.35"),
		rest.On("POST /v2.1/os-security-group-rules", rule+"rule:create", g.addRule).Until("2.35"),
		rest.On("DELETE /v2.1/os-security-group-rules/{id}", rule+"rule:delete", g.removeRule).Until("2.35"),
	}
}

type secGroups struct{ compute.SecurityGroups }

// own is the caller on its own project, for the network service.
func own(scope auth.Scope) auth.Scope { return auth.As(scope.ProjectID, scope.UserID) }

// passed is a fault of the network service as compute answered it: what is in
// use or not well formed is 400.
func passed(err error) error {
	if err == nil {
		return nil
	}
	f := fault.From(err)
	if f.Kind == fault.Conflict || f.Kind == fault.Invalid {
		return fault.Because(err, fault.CodeComputeBadRequest, "%s", f.Message)
	}
	return err
}

type secGroupView struct {
	ID          string        `json:"id"`
	Name        string        `json:"name"`
	Description string        `json:"description"`
	Tenant      string        `json:"tenant_id"`
	Rules       []secRuleView `json:"rules"`
}

type secRuleView struct {
	ID       string            `json:"id"`
	Group    string            `json:"parent_group_id"`
	Protocol *string           `json:"ip_protocol"`
	From     *int              `json:"from_port"`
	To       *int              `json:"to_port"`
	Range    map[string]string `json:"ip_range"`
	Remote   map[string]string `json:"group"`
}

func viewSecGroup(g compute.SecurityGroup) secGroupView {
	v := secGroupView{g.ID, g.Name, g.Description, g.ProjectID, []secRuleView{}}
	for _, r := range g.Rules {
		v.Rules = append(v.Rules, viewSecRule(r))
	}
	return v
}

// viewSecRule spells open ends as compute did: -1 for ICMP, all ports otherwise.
func viewSecRule(r compute.SecurityRule) secRuleView {
	v := secRuleView{ID: r.ID, Group: r.GroupID, From: r.From, To: r.To, Range: map[string]string{}, Remote: map[string]string{}}
	if r.Protocol != "" {
		v.Protocol = &r.Protocol
		least, most := 1, 65535
		if strings.HasPrefix(strings.ToLower(r.Protocol), "icmp") {
			least, most = -1, -1
		}
		if v.From == nil {
			v.From = &least
		}
		if v.To == nil {
			v.To = &most
		}
	}
	switch {
	case r.RemoteID != "":
		v.Remote = map[string]string{"name": r.RemoteName, "tenant_id": r.RemoteProject}
	case r.CIDR != "":
		v.Range["cidr"] = r.CIDR
	case r.EtherType == "IPv6":
		v.Range["cidr"] = "::/0"
	default:
		v.Range["cidr"] = "0.0.0.0/0"
	}
	return v
}

func (g secGroups) list(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	all, err := g.Groups(r.Context(), own(scope))
	if err != nil {
		return passed(err)
	}
	views := make([]secGroupView, len(all))
	for i, one := range all {
		views[i] = viewSecGroup(one)
	}
	if limit := number(r.URL.Query().Get("limit")); limit > 0 {
		views = views[:min(limit, len(views))]
	}
	return rest.Write(w, http.StatusOK, map[string]any{"security_groups": views})
}

func (g secGroups) show(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	one, err := g.Group(r.Context(), own(scope), r.PathValue("id"))
	if err != nil {
		return passed(err)
	}
	return rest.Write(w, http.StatusOK, map[string]any{"security_group": viewSecGroup(one)})
}

type secGroupBody struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

func (g secGroups) create(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body secGroupBody
	if err := rest.Decode(r, "security_group", &body); err != nil {
		return err
	}
	one, err := g.CreateGroup(r.Context(), own(scope), body.Name, body.Description)
	if err != nil {
		return passed(err)
	}
	one.Rules = nil // those that every new group has are for what goes out
	return rest.Write(w, http.StatusOK, map[string]any{"security_group": viewSecGroup(one)})
}

func (g secGroups) update(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body secGroupBody
	if err := rest.Decode(r, "security_group", &body); err != nil {
		return err
	}
	one, err := g.UpdateGroup(r.Context(), own(scope), r.PathValue("id"), body.Name, body.Description)
	if err != nil {
		return passed(err)
	}
	return rest.Write(w, http.StatusOK, map[string]any{"security_group": viewSecGroup(one)})
}

func (g secGroups) remove(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if err := g.DeleteGroup(r.Context(), own(scope), r.PathValue("id")); err != nil {
		return passed(err)
	}
	return rest.Empty(w, http.StatusAccepted)
}

func (g secGroups) addRule(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body struct {
		Parent   string    `json:"parent_group_id"`
		Protocol *string   `json:"ip_protocol"`
		From     *flexible `json:"from_port"`
		To       *flexible `json:"to_port"`
		CIDR     *string   `json:"cidr"`
		Group    *string   `json:"group_id"`
	}
	if err := rest.Decode(r, "security_group_rule", &body); err != nil {
		return err
	}
	rule := compute.SecurityRule{GroupID: body.Parent, EtherType: "IPv4", From: port(body.From), To: port(body.To)}
	if body.Protocol != nil {
		rule.Protocol = strings.ToLower(*body.Protocol)
	}
	if body.CIDR != nil {
		if rule.CIDR = *body.CIDR; strings.Contains(rule.CIDR, ":") {
			rule.EtherType = "IPv6"
		}
	}
	if body.Group != nil {
		rule.RemoteID = *body.Group
	}
	made, err := g.AddRule(r.Context(), own(scope), rule)
	if err != nil {
		return passed(err)
	}
	return rest.Write(w, http.StatusOK, map[string]any{"security_group_rule": viewSecRule(made)})
}

// port is a port, or nil for -1 and null.
func port(f *flexible) *int {
	if f == nil || *f == "null" {
		return nil
	}
	if n := f.number(-1); n >= 0 {
		return &n
	}
	return nil
}

func (g secGroups) removeRule(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if err := g.DeleteRule(r.Context(), own(scope), r.PathValue("id")); err != nil {
		return passed(err)
	}
	return rest.Empty(w, http.StatusAccepted)
}
