package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"altostack/compute"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

// Proxies are the calls about floating IPs that compute only passes on to the
// network service, with the caller's own token, as Nova does. They ended with
// 2.36, and two actions with 2.44.
type Proxies struct {
	*API
	http    *http.Client
	network string // base URL of the network API, without a version
}

// NewProxies makes them; client and base reach the network service.
func NewProxies(svc *compute.Service, client *http.Client, base string) *Proxies {
	return &Proxies{New(svc), client, base}
}

// Routes lists them.
func (a *Proxies) Routes() []rest.Route {
	const fips = "/v2.1/os-floating-ips"
	routes := []rest.Route{
		rest.On("GET "+fips, "os_compute_api:os-floating-ips:list", a.listFloating),
		rest.On("POST "+fips, "os_compute_api:os-floating-ips:create", a.createFloating),
		rest.On("GET "+fips+"/{id}", "os_compute_api:os-floating-ips:show", a.showFloating),
		rest.On("DELETE "+fips+"/{id}", "os_compute_api:os-floating-ips:delete", a.remove("floatingips")),
		rest.On("GET /v2.1/os-floating-ip-pools", "os_compute_api:os-floating-ip-pools", a.pools),
	}
	for i, r := range routes {
		routes[i] = r.Until("2.35")
	}
	return append(routes,
		rest.On("POST /v2.1/servers/{server_id}/action", "os_compute_api:os-floating-ips:add", a.addFloating).Act("addFloatingIp").Until("2.43"),
		rest.On("POST /v2.1/servers/{server_id}/action", "os_compute_api:os-floating-ips:remove", a.removeFloating).Act("removeFloatingIp").Until("2.43"))
}

// row is an object of the network API.
type row map[string]any

func (r row) text(name string) string { s, _ := r[name].(string); return s }

// ask makes one call of the network API as the caller.
func (a *Proxies) ask(r *http.Request, method, path string, in any, member string) (any, error) {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(r.Context(), method, a.network+"/v2.0/"+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Auth-Token", r.Header.Get("X-Auth-Token"))
	resp, err := a.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("network API: %w", err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("network API: %w", err)
	}
	if resp.StatusCode >= 400 {
		return nil, refused(resp.StatusCode, data)
	}
	if member == "" {
		return nil, nil
	}
	var out map[string]any
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, fmt.Errorf("answer of the network API: %w", err)
	}
	return out[member], nil
}

// refused turns the network service's refusal into compute's: quota is 403 here.
func refused(status int, data []byte) error {
	var e struct {
		NeutronError struct{ Type, Message string }
	}
	_ = json.Unmarshal(data, &e) // a body of another form leaves the message empty
	f := fault.New(fault.CodeComputeNetworkRefused, "%s", e.NeutronError.Message)
	switch {
	case e.NeutronError.Type == "OverQuota" || status == http.StatusForbidden:
		f.Kind = fault.Forbidden
	case status == http.StatusNotFound:
		f.Kind = fault.NotFound
	case status == http.StatusConflict && e.NeutronError.Type == "SecurityGroupInUse":
		f.Kind = fault.Invalid
	case status == http.StatusConflict:
		f.Kind = fault.Conflict
	case status >= 500:
		f.Kind = fault.Unavailable
	}
	return f
}

func (a *Proxies) one(r *http.Request, method, path string, in any, member string) (row, error) {
	v, err := a.ask(r, method, path, in, member)
	m, _ := v.(map[string]any)
	return m, err
}

func (a *Proxies) many(r *http.Request, path, member string) ([]row, error) {
	v, err := a.ask(r, http.MethodGet, path, nil, member)
	list, _ := v.([]any)
	out := make([]row, 0, len(list))
	for _, one := range list {
		if m, ok := one.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out, err
}

// remove deletes what the network API has under the same id.
func (a *Proxies) remove(collection string) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
		if _, err := a.ask(r, http.MethodDelete, collection+"/"+url.PathEscape(r.PathValue("id")), nil, ""); err != nil {
			return err
		}
		return rest.Empty(w, http.StatusAccepted)
	}
}

func byID(rows []row) map[string]row {
	out := make(map[string]row, len(rows))
	for _, r := range rows {
		out[r.text("id")] = r
	}
	return out
}

// floatingView is a floating IP as Nova spelled it.
func floatingView(f row, pools, ports map[string]row) map[string]any {
	var server any
	if p := ports[f.text("port_id")]; p != nil && p.text("device_id") != "" {
		server = p["device_id"]
	}
	return map[string]any{"id": f["id"], "ip": f["floating_ip_address"], "fixed_ip": f["fixed_ip_address"], "instance_id": server,
		"pool": pools[f.text("floating_network_id")].text("name")}
}

// around reads what floating IPs refer to.
func (a *Proxies) around(r *http.Request) (pools, ports map[string]row, err error) {
	networks, err := a.many(r, "networks?router:external=True", "networks")
	if err != nil {
		return nil, nil, err
	}
	list, err := a.many(r, "ports", "ports")
	return byID(networks), byID(list), err
}

func (a *Proxies) listFloating(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	pools, ports, err := a.around(r)
	if err != nil {
		return err
	}
	rows, err := a.many(r, "floatingips?project_id="+url.QueryEscape(scope.ProjectID), "floatingips")
	if err != nil {
		return err
	}
	views := []map[string]any{}
	for _, f := range rows {
		views = append(views, floatingView(f, pools, ports))
	}
	return rest.Write(w, http.StatusOK, map[string]any{"floating_ips": views})
}

func (a *Proxies) answerFloating(w http.ResponseWriter, r *http.Request, f row) error {
	pools, ports, err := a.around(r)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"floating_ip": floatingView(f, pools, ports)})
}

func (a *Proxies) showFloating(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	f, err := a.one(r, http.MethodGet, "floatingips/"+url.PathEscape(r.PathValue("id")), nil, "floatingip")
	if err != nil {
		return err
	}
	return a.answerFloating(w, r, f)
}

func (a *Proxies) createFloating(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	var body struct{ Pool *string }
	if len(bytes.TrimSpace(rest.RawBody(r))) > 0 {
		if err := rest.Decode(r, "", &body); err != nil {
			return err
		}
	}
	networks, err := a.many(r, "networks?router:external=True", "networks")
	if err != nil {
		return err
	}
	for _, n := range networks {
		if body.Pool != nil && *body.Pool != n.text("name") && *body.Pool != n.text("id") {
			continue
		}
		f, err := a.one(r, http.MethodPost, "floatingips", map[string]any{"floatingip": map[string]any{"floating_network_id": n["id"]}}, "floatingip")
		if err != nil {
			return err
		}
		return a.answerFloating(w, r, f)
	}
	return fault.New(fault.CodeComputeNoFloatingPool, "Floating IP pool not found.")
}

func (a *Proxies) pools(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	networks, err := a.many(r, "networks?router:external=True", "networks")
	if err != nil {
		return err
	}
	views := []map[string]any{}
	for _, n := range networks {
		views = append(views, map[string]any{"name": n["name"]})
	}
	return rest.Write(w, http.StatusOK, map[string]any{"floating_ip_pools": views})
}

// floatingBy finds a floating IP by its address.
func (a *Proxies) floatingBy(r *http.Request, address string) (row, error) {
	rows, err := a.many(r, "floatingips?floating_ip_address="+url.QueryEscape(address), "floatingips")
	if err == nil && len(rows) == 0 {
		err = &fault.Fault{Kind: fault.NotFound, Code: fault.CodeComputeNoFloatingPool, Message: "floating IP not found"}
	}
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

func (a *Proxies) addFloating(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if _, err := a.sees(r, scope); err != nil {
		return err
	}
	var body struct {
		Address string `json:"address"`
		Fixed   string `json:"fixed_address"`
	}
	if err := rest.Decode(r, "addFloatingIp", &body); err != nil {
		return err
	}
	f, err := a.floatingBy(r, body.Address)
	if err != nil {
		return err
	}
	ports, err := a.many(r, "ports?device_id="+url.QueryEscape(r.PathValue("server_id")), "ports")
	if err != nil {
		return err
	}
	for _, p := range ports {
		ips, _ := p["fixed_ips"].([]any)
		for _, one := range ips {
			ip, _ := one.(map[string]any)
			fixed := row(ip).text("ip_address")
			if body.Fixed != "" && fixed != body.Fixed || body.Fixed == "" && strings.Contains(fixed, ":") {
				continue
			}
			_, err := a.one(r, http.MethodPut, "floatingips/"+f.text("id"), map[string]any{"floatingip": map[string]any{"port_id": p["id"], "fixed_ip_address": fixed}}, "floatingip")
			if err != nil {
				return err
			}
			return rest.Empty(w, http.StatusAccepted)
		}
	}
	return fault.New(fault.CodeRestInvalidInput, "No fixed IPs associated to instance")
}

func (a *Proxies) removeFloating(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if _, err := a.sees(r, scope); err != nil {
		return err
	}
	var body struct{ Address string }
	if err := rest.Decode(r, "removeFloatingIp", &body); err != nil {
		return err
	}
	f, err := a.floatingBy(r, body.Address)
	if err != nil {
		return err
	}
	if port := f.text("port_id"); port != "" {
		p, err := a.one(r, http.MethodGet, "ports/"+port, nil, "port")
		if err != nil {
			return err
		}
		if p.text("device_id") != r.PathValue("server_id") {
			return &fault.Fault{Kind: fault.Conflict, Code: fault.CodeComputeNetworkRefused, Message: fmt.Sprintf("Floating IP %s is not associated with instance %s.", body.Address, r.PathValue("server_id"))}
		}
	}
	_, err = a.one(r, http.MethodPut, "floatingips/"+f.text("id"), map[string]any{"floatingip": map[string]any{"port_id": nil}}, "floatingip")
	if err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}
