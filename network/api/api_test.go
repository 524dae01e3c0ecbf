package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"altostack/network/networktest"
)

// client speaks to a cloud as one caller.
type client struct {
	t     *testing.T
	cloud *networktest.Cloud
	as    string
}

func start(t *testing.T) *networktest.Cloud { t.Helper(); return networktest.New(t) }

func as(t *testing.T, c *networktest.Cloud, who string) client { return client{t, c, who} }

// call sends a request and wants a status; it answers the body.
func (c client) call(want int, method, path, body string, header ...string) map[string]any {
	c.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("X-Auth-Token", c.as)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	c.cloud.Handler.ServeHTTP(w, r)
	if w.Code != want {
		c.t.Fatalf("%s as %s: %s %s: status %d, want %d\n%s", body, c.as, method, path, w.Code, want, w.Body)
	}
	var m map[string]any
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
			c.t.Fatalf("%s %s: %v in %s", method, path, err, w.Body)
		}
	}
	return m
}

// make creates an object and answers it.
func (c client) make(collection, singular, body string) map[string]any {
	c.t.Helper()
	return c.call(http.StatusCreated, "POST", "/v2.0/"+collection, `{"`+singular+`":`+body+`}`)[singular].(map[string]any)
}

// fails wants a status and an exception name.
func (c client) fails(want int, kind, method, path, body string) {
	c.t.Helper()
	m := c.call(want, method, path, body)
	e, _ := m["NeutronError"].(map[string]any)
	if e["type"] != kind {
		c.t.Fatalf("%s %s %s: type %v (%v), want %s", method, path, body, e["type"], e["message"], kind)
	}
}

func str(m map[string]any, key string) string { s, _ := m[key].(string); return s }

func firstIP(port map[string]any) string {
	return str(port["fixed_ips"].([]any)[0].(map[string]any), "ip_address")
}

func TestVersionsAndExtensions(t *testing.T) {
	c := as(t, start(t), "member")
	if v := c.call(200, "GET", "/", "")["versions"].([]any); str(v[0].(map[string]any), "id") != "v2.0" {
		t.Errorf("versions: %v", v)
	}
	c.call(200, "GET", "/v2.0/", "")
	for _, e := range c.call(200, "GET", "/v2.0/extensions", "")["extensions"].([]any) {
		alias := str(e.(map[string]any), "alias")
		got := c.call(200, "GET", "/v2.0/extensions/"+alias, "")["extension"].(map[string]any)
		for _, k := range []string{"alias", "name", "description", "updated", "links"} {
			if _, ok := got[k]; !ok {
				t.Errorf("extension %s has no %s", alias, k)
			}
		}
	}
	c.fails(404, "HTTPNotFound", "GET", "/v2.0/extensions/nothing", "")
}

func TestNetworkLife(t *testing.T) {
	cloud := start(t)
	c, admin := as(t, cloud, "member"), as(t, cloud, "admin")
	n := c.make("networks", "network", `{"name":"blue"}`)
	for _, hidden := range []string{"provider:network_type", "provider:segmentation_id", "segments"} {
		if _, shown := n[hidden]; shown {
			t.Errorf("a member sees %s", hidden)
		}
	}
	if n["tenant_id"] != "p1" || n["project_id"] != "p1" || n["status"] != "ACTIVE" || n["mtu"] != 1450.0 || n["admin_state_up"] != true {
		t.Errorf("network: %v", n)
	}
	path := "/v2.0/networks/" + str(n, "id")
	full := admin.call(200, "GET", path, "")["network"].(map[string]any)
	if full["provider:network_type"] != "vxlan" || full["provider:segmentation_id"] != 1.0 {
		t.Errorf("provider attributes: %v", full)
	}
	up := c.call(200, "PUT", path, `{"network":{"name":"green","admin_state_up":false}}`)["network"].(map[string]any)
	if up["name"] != "green" || up["revision_number"] != 1.0 {
		t.Errorf("updated: %v", up)
	}
	c.call(412, "PUT", path, `{"network":{"name":"x"}}`, "If-Match", "revision_number=0")
	c.call(200, "PUT", path, `{"network":{"name":"x"}}`, "If-Match", "revision_number=1")
	c.fails(400, "HTTPBadRequest", "PUT", path, `{"network":{"status":"DOWN"}}`)
	c.fails(400, "HTTPBadRequest", "PUT", path, `{"network":{"colour":"red"}}`)
	c.fails(403, "PolicyNotAuthorized", "PUT", path, `{"network":{"shared":true}}`)
	c.fails(403, "PolicyNotAuthorized", "POST", "/v2.0/networks", `{"network":{"provider:network_type":"local"}}`)
	as(t, cloud, "other").fails(404, "NetworkNotFound", "GET", path, "")
	as(t, cloud, "other").fails(404, "NetworkNotFound", "DELETE", path, "")
	as(t, cloud, "reader").fails(403, "PolicyNotAuthorized", "DELETE", path, "")
	c.call(204, "DELETE", path, "")
	c.fails(404, "NetworkNotFound", "GET", path, "")
}

func TestSubnetsAndPorts(t *testing.T) {
	cloud := start(t)
	c := as(t, cloud, "member")
	n := c.make("networks", "network", `{"name":"blue"}`)
	sub := c.make("subnets", "subnet", fmt.Sprintf(`{"network_id":%q,"ip_version":4,"cidr":"10.1.0.0/29"}`, n["id"]))
	if sub["gateway_ip"] != "10.1.0.1" || sub["enable_dhcp"] != true {
		t.Errorf("subnet: %v", sub)
	}
	if _, ok := c.call(200, "GET", "/v2.0/networks/"+str(n, "id"), "")["network"].(map[string]any)["subnets"].([]any); !ok {
		t.Error("the network does not list its subnet")
	}
	var last map[string]any
	for i := 2; i <= 6; i++ {
		last = c.make("ports", "port", fmt.Sprintf(`{"network_id":%q}`, n["id"]))
		if want := fmt.Sprintf("10.1.0.%d", i); firstIP(last) != want {
			t.Errorf("port has %s, want %s", firstIP(last), want)
		}
	}
	c.fails(409, "IpAddressGenerationFailure", "POST", "/v2.0/ports", fmt.Sprintf(`{"port":{"network_id":%q}}`, n["id"]))
	c.call(204, "DELETE", "/v2.0/ports/"+str(last, "id"), "")
	c.fails(409, "IpAddressAlreadyAllocated", "POST", "/v2.0/ports", fmt.Sprintf(`{"port":{"network_id":%q,"fixed_ips":[{"ip_address":"10.1.0.3"}]}}`, n["id"]))
	c.fails(400, "InvalidIpForNetwork", "POST", "/v2.0/ports", fmt.Sprintf(`{"port":{"network_id":%q,"fixed_ips":[{"ip_address":"10.9.0.3"}]}}`, n["id"]))
	c.fails(400, "InvalidIpForSubnet", "POST", "/v2.0/ports", fmt.Sprintf(`{"port":{"network_id":%q,"fixed_ips":[{"ip_address":"10.1.0.7"}]}}`, n["id"]))
	p := c.make("ports", "port", fmt.Sprintf(`{"network_id":%q,"fixed_ips":[{"subnet_id":%q}],"name":"web","extra_dhcp_opts":[{"opt_name":"bootfile-name","opt_value":"pxe"}]}`, n["id"], sub["id"]))
	if len(p["security_groups"].([]any)) != 1 || p["status"] != "DOWN" || p["port_security_enabled"] != true {
		t.Errorf("port: %v", p)
	}
	list := c.call(200, "GET", "/v2.0/ports?fixed_ips=ip_address%3D"+firstIP(p), "")["ports"].([]any)
	if len(list) != 1 {
		t.Errorf("by address: %d ports", len(list))
	}
	page := c.call(200, "GET", "/v2.0/ports?limit=2&sort_key=mac_address&sort_dir=asc", "")
	if len(page["ports"].([]any)) != 2 || len(page["ports_links"].([]any)) != 1 {
		t.Errorf("page: %v", page["ports_links"])
	}
	c.fails(409, "SubnetInUse", "DELETE", "/v2.0/subnets/"+str(sub, "id"), "")
	c.fails(409, "NetworkInUse", "DELETE", "/v2.0/networks/"+str(n, "id"), "")
	got := c.call(200, "GET", "/v2.0/ports/"+str(p, "id")+"?fields=id&fields=mac_address", "")["port"].(map[string]any)
	if len(got) != 2 {
		t.Errorf("fields: %v", got)
	}
}

// public makes an external network with a subnet.
func public(admin client, cidr string) (network, subnet map[string]any) {
	n := admin.make("networks", "network", `{"name":"public","router:external":true,"provider:network_type":"flat","provider:physical_network":"public"}`)
	s := admin.make("subnets", "subnet", fmt.Sprintf(`{"network_id":%q,"ip_version":4,"cidr":%q,"enable_dhcp":false}`, n["id"], cidr))
	return n, s
}

func TestRouterAndFloatingIP(t *testing.T) {
	cloud := start(t)
	c, admin := as(t, cloud, "member"), as(t, cloud, "admin")
	ext, _ := public(admin, "172.24.4.0/28")
	if got := c.call(200, "GET", "/v2.0/networks/"+str(ext, "id"), "")["network"].(map[string]any); got["router:external"] != true {
		t.Error("a member does not see the external network")
	}
	n := c.make("networks", "network", `{"name":"blue"}`)
	sub := c.make("subnets", "subnet", fmt.Sprintf(`{"network_id":%q,"ip_version":4,"cidr":"10.1.0.0/24"}`, n["id"]))
	port := c.make("ports", "port", fmt.Sprintf(`{"network_id":%q}`, n["id"]))
	c.fails(404, "ExternalGatewayForFloatingIPNotFound", "POST", "/v2.0/floatingips", fmt.Sprintf(`{"floatingip":{"floating_network_id":%q,"port_id":%q}}`, ext["id"], port["id"]))
	r := c.make("routers", "router", fmt.Sprintf(`{"name":"r","external_gateway_info":{"network_id":%q}}`, ext["id"]))
	if gw := r["external_gateway_info"].(map[string]any); gw["enable_snat"] != true || len(gw["external_fixed_ips"].([]any)) != 1 {
		t.Errorf("gateway: %v", gw)
	}
	router := "/v2.0/routers/" + str(r, "id")
	i := c.call(200, "PUT", router+"/add_router_interface", fmt.Sprintf(`{"subnet_id":%q}`, sub["id"]))
	if i["subnet_id"] != sub["id"] || i["id"] != r["id"] || str(i, "port_id") == "" {
		t.Errorf("interface: %v", i)
	}
	c.fails(400, "BadRequest", "PUT", router+"/add_router_interface", fmt.Sprintf(`{"subnet_id":%q}`, sub["id"]))
	c.fails(409, "ServicePortInUse", "DELETE", "/v2.0/ports/"+str(i, "port_id"), "")
	f := c.make("floatingips", "floatingip", fmt.Sprintf(`{"floating_network_id":%q,"port_id":%q}`, ext["id"], port["id"]))
	if f["fixed_ip_address"] != firstIP(port) || f["router_id"] != r["id"] {
		t.Errorf("floating IP: %v", f)
	}
	c.fails(409, "FloatingIPPortAlreadyAssociated", "POST", "/v2.0/floatingips", fmt.Sprintf(`{"floatingip":{"floating_network_id":%q,"port_id":%q}}`, ext["id"], port["id"]))
	c.fails(409, "RouterInUse", "DELETE", router, "")
	c.fails(409, "RouterInterfaceInUseByFloatingIP", "PUT", router+"/remove_router_interface", fmt.Sprintf(`{"subnet_id":%q}`, sub["id"]))
	c.fails(409, "RouterExternalGatewayInUseByFloatingIp", "PUT", router, `{"router":{"external_gateway_info":{}}}`)
	fip := "/v2.0/floatingips/" + str(f, "id")
	f = c.call(200, "PUT", fip, `{"floatingip":{"port_id":null}}`)["floatingip"].(map[string]any)
	if f["port_id"] != nil || f["router_id"] != nil || f["status"] != "DOWN" {
		t.Errorf("disassociated: %v", f)
	}
	c.call(200, "PUT", router, `{"router":{"routes":[{"destination":"10.9.0.0/24","nexthop":"10.1.0.77"}]}}`)
	c.fails(400, "InvalidRoutes", "PUT", router, `{"router":{"routes":[{"destination":"10.9.0.0/24","nexthop":"10.8.0.77"}]}}`)
	c.fails(409, "RouterInterfaceInUseByRoute", "PUT", router+"/remove_router_interface", fmt.Sprintf(`{"subnet_id":%q}`, sub["id"]))
	c.call(200, "PUT", router, `{"router":{"routes":[]}}`)
	c.call(204, "DELETE", fip, "")
	c.call(200, "PUT", router+"/remove_router_interface", fmt.Sprintf(`{"subnet_id":%q}`, sub["id"]))
	c.fails(404, "RouterInterfaceNotFoundForSubnet", "PUT", router+"/remove_router_interface", fmt.Sprintf(`{"subnet_id":%q}`, sub["id"]))
	c.call(200, "PUT", router, `{"router":{"external_gateway_info":{}}}`)
	c.call(204, "DELETE", router, "")
	left := admin.call(200, "GET", "/v2.0/ports?network_id="+str(ext, "id"), "")["ports"].([]any)
	if len(left) != 0 {
		t.Errorf("%d ports left on the external network", len(left))
	}
}

func TestSecurityGroups(t *testing.T) {
	cloud := start(t)
	c := as(t, cloud, "member")
	byName := as(t, cloud, "other").call(200, "GET", "/v2.0/security-groups?name=default", "")["security_groups"].([]any)
	if len(byName) != 1 { // a first look by name finds it too: the openstack command looks so
		t.Errorf("the default group by name: %v", byName)
	}
	list := c.call(200, "GET", "/v2.0/security-groups", "")["security_groups"].([]any)
	if len(list) != 1 || str(list[0].(map[string]any), "name") != "default" || len(list[0].(map[string]any)["security_group_rules"].([]any)) != 4 {
		t.Fatalf("default group: %v", list)
	}
	g := c.make("security-groups", "security_group", `{"name":"web"}`)
	if len(g["security_group_rules"].([]any)) != 2 {
		t.Errorf("a new group has %d rules", len(g["security_group_rules"].([]any)))
	}
	rule := fmt.Sprintf(`{"security_group_id":%q,"direction":"ingress","protocol":"tcp","port_range_min":22,"port_range_max":22,"remote_ip_prefix":"10.0.0.7/8"}`, g["id"])
	r := c.make("security-group-rules", "security_group_rule", rule)
	if r["remote_ip_prefix"] != "10.0.0.7/8" || r["normalized_cidr"] != "10.0.0.0/8" || r["ethertype"] != "IPv4" {
		t.Errorf("rule: %v", r)
	}
	path := "/v2.0/security-group-rules"
	c.fails(409, "SecurityGroupRuleExists", "POST", path, `{"security_group_rule":`+rule+`}`)
	for kind, attrs := range map[string]string{
		"SecurityGroupInvalidPortRange":              `"protocol":"tcp","port_range_min":9,"port_range_max":8`,
		"SecurityGroupProtocolRequiredWithPorts":     `"port_range_min":9,"port_range_max":10`,
		"SecurityGroupRuleInvalidProtocol":           `"protocol":"bogus"`,
		"SecurityGroupRuleInvalidEtherType":          `"ethertype":"bogus"`,
		"SecurityGroupRuleParameterConflict":         `"ethertype":"IPv6","remote_ip_prefix":"10.0.0.0/8"`,
		"SecurityGroupInvalidIcmpValue":              `"protocol":"icmp","port_range_min":256`,
		"SecurityGroupMultipleRemoteEntites":         fmt.Sprintf(`"remote_ip_prefix":"10.0.0.0/8","remote_group_id":%q`, g["id"]),
		"InvalidCIDR":                                `"remote_ip_prefix":"bogus"`,
		"SecurityGroupMissingIcmpType":               `"protocol":"icmp","port_range_max":2`,
		"SecurityGroupInvalidPortValue":              `"protocol":"tcp","port_range_min":-16384,"port_range_max":80`,
		"SecurityGroupEthertypeConflictWithProtocol": `"protocol":"ipv6-icmp"`,
	} {
		c.fails(400, kind, "POST", path, fmt.Sprintf(`{"security_group_rule":{"security_group_id":%q,"direction":"ingress",%s}}`, g["id"], attrs))
	}
	c.fails(404, "SecurityGroupNotFound", "POST", path, `{"security_group_rule":{"security_group_id":"00000000-0000-4000-8000-000000000000","direction":"ingress"}}`)
	c.fails(409, "SecurityGroupDefaultAlreadyExists", "POST", "/v2.0/security-groups", `{"security_group":{"name":"default"}}`)
	def := str(list[0].(map[string]any), "id")
	c.fails(409, "SecurityGroupCannotUpdateDefault", "PUT", "/v2.0/security-groups/"+def, `{"security_group":{"name":"mine"}}`)
	c.fails(409, "SecurityGroupCannotRemoveDefault", "DELETE", "/v2.0/security-groups/"+def, "")
	c.call(204, "DELETE", path+"/"+str(r, "id"), "")
	n := c.make("networks", "network", `{}`)
	c.make("ports", "port", fmt.Sprintf(`{"network_id":%q,"security_groups":[%q]}`, n["id"], g["id"]))
	c.fails(409, "SecurityGroupInUse", "DELETE", "/v2.0/security-groups/"+str(g, "id"), "")
	as(t, cloud, "other").fails(404, "SecurityGroupNotFound", "GET", "/v2.0/security-groups/"+str(g, "id"), "")
}

func TestQuotasTagsAndTheRest(t *testing.T) {
	cloud := start(t)
	c, admin := as(t, cloud, "member"), as(t, cloud, "admin")
	admin.call(200, "PUT", "/v2.0/quotas/p1", `{"quota":{"network":1}}`)
	n := c.make("networks", "network", `{"tags":["red"]}`)
	c.fails(409, "OverQuota", "POST", "/v2.0/networks", `{"network":{}}`)
	d := admin.call(200, "GET", "/v2.0/quotas/p1/details", "")["quota"].(map[string]any)["network"].(map[string]any)
	if d["limit"] != 1.0 || d["used"] != 1.0 {
		t.Errorf("details: %v", d)
	}
	c.call(200, "GET", "/v2.0/quotas/p1", "") // one's own needs no rule
	c.call(200, "GET", "/v2.0/quotas/p1/details", "")
	c.fails(403, "PolicyNotAuthorized", "GET", "/v2.0/quotas/p2", "")
	admin.call(200, "GET", "/v2.0/quotas/p1/default", "")
	admin.fails(400, "HTTPBadRequest", "PUT", "/v2.0/quotas/p1", `{"quota":{"bogus":1}}`)
	admin.call(204, "DELETE", "/v2.0/quotas/p1", "")
	c.fails(403, "PolicyNotAuthorized", "PUT", "/v2.0/quotas/p1", `{"quota":{"network":1000}}`)
	tags := "/v2.0/networks/" + str(n, "id") + "/tags"
	c.call(201, "PUT", tags+"/blue", `{}`)
	c.call(204, "GET", tags+"/blue", "")
	if got := c.call(200, "GET", tags, "")["tags"].([]any); len(got) != 2 {
		t.Errorf("tags: %v", got)
	}
	for q, want := range map[string]int{"tags=blue,red": 1, "tags=blue,green": 0, "tags-any=blue,green": 1, "not-tags=blue": 0, "not-tags-any=green": 1, "name=": 1, "bogus=1": -1} {
		if want < 0 {
			c.fails(400, "HTTPBadRequest", "GET", "/v2.0/networks?"+q, "")
			continue
		}
		if got := c.call(200, "GET", "/v2.0/networks?"+q, "")["networks"].([]any); len(got) != want {
			t.Errorf("%s: %d networks, want %d", q, len(got), want)
		}
	}
	c.call(204, "DELETE", tags+"/blue", "")
	c.fails(404, "TagNotFound", "GET", tags+"/blue", "")
	c.call(204, "DELETE", tags, "")
	c.call(200, "GET", "/v2.0/availability_zones", "")
	c.call(200, "GET", "/v2.0/service-providers", "")
	if got := c.call(200, "GET", "/v2.0/agents", "")["agents"].([]any); len(got) != 0 {
		t.Errorf("a member sees agents: %v", got)
	}
	admin.call(200, "GET", "/v2.0/network-ip-availabilities", "")
}

func TestSharing(t *testing.T) {
	cloud := start(t)
	c, other, admin := as(t, cloud, "member"), as(t, cloud, "other"), as(t, cloud, "admin")
	n := c.make("networks", "network", `{}`)
	path := "/v2.0/networks/" + str(n, "id")
	other.fails(404, "NetworkNotFound", "GET", path, "")
	p := c.make("rbac-policies", "rbac_policy", fmt.Sprintf(`{"object_type":"network","object_id":%q,"target_tenant":"p2","action":"access_as_shared"}`, n["id"]))
	if got := other.call(200, "GET", path, "")["network"].(map[string]any); got["shared"] != true {
		t.Errorf("shared by policy: %v", got)
	}
	c.make("subnets", "subnet", fmt.Sprintf(`{"network_id":%q,"ip_version":4,"cidr":"10.1.0.0/24"}`, n["id"]))
	port := other.make("ports", "port", fmt.Sprintf(`{"network_id":%q}`, n["id"]))
	c.fails(409, "RbacPolicyInUse", "DELETE", "/v2.0/rbac-policies/"+str(p, "id"), "")
	other.call(204, "DELETE", "/v2.0/ports/"+str(port, "id"), "")
	c.call(204, "DELETE", "/v2.0/rbac-policies/"+str(p, "id"), "")
	other.fails(404, "NetworkNotFound", "GET", path, "")
	c.fails(403, "PolicyNotAuthorized", "POST", "/v2.0/rbac-policies", fmt.Sprintf(`{"rbac_policy":{"object_type":"network","object_id":%q,"target_tenant":"*","action":"access_as_shared"}}`, n["id"]))
	admin.call(200, "PUT", path, `{"network":{"shared":true}}`)
	other.call(200, "GET", path, "")
	other.fails(403, "PolicyNotAuthorized", "PUT", path, `{"network":{"name":"mine"}}`)
}

func TestSubnetPools(t *testing.T) {
	cloud := start(t)
	c := as(t, cloud, "member")
	pool := c.make("subnetpools", "subnetpool", `{"name":"p","prefixes":["10.10.1.0/24","10.10.0.0/24"],"default_prefixlen":26,"min_prefixlen":"25"}`)
	if fmt.Sprint(pool["prefixes"]) != "[10.10.0.0/23]" || pool["max_prefixlen"] != 32.0 || pool["ip_version"] != 4.0 {
		t.Errorf("pool: %v", pool)
	}
	n := c.make("networks", "network", `{}`)
	for _, want := range []string{"10.10.0.0/26", "10.10.0.64/26"} {
		s := c.make("subnets", "subnet", fmt.Sprintf(`{"network_id":%q,"ip_version":4,"subnetpool_id":%q}`, n["id"], pool["id"]))
		if s["cidr"] != want {
			t.Errorf("subnet is %v, want %s", s["cidr"], want)
		}
	}
	c.fails(400, "SubnetPoolDeleteError", "DELETE", "/v2.0/subnetpools/"+str(pool, "id"), "")
	c.fails(400, "IllegalSubnetPoolPrefixUpdate", "PUT", "/v2.0/subnetpools/"+str(pool, "id"), `{"subnetpool":{"prefixes":["10.20.0.0/16"]}}`)
	c.fails(400, "IllegalSubnetPoolPrefixBounds", "POST", "/v2.0/subnetpools", `{"subnetpool":{"name":"q","prefixes":["10.0.0.0/8"],"min_prefixlen":28,"max_prefixlen":24}}`)
}

func TestIPv6(t *testing.T) {
	cloud := start(t)
	c := as(t, cloud, "member")
	n := c.make("networks", "network", `{}`)
	c.make("subnets", "subnet", fmt.Sprintf(`{"network_id":%q,"ip_version":6,"cidr":"fd00:1::/64","ipv6_ra_mode":"slaac","ipv6_address_mode":"slaac"}`, n["id"]))
	p := c.make("ports", "port", fmt.Sprintf(`{"network_id":%q,"mac_address":"fa:16:3e:00:00:01"}`, n["id"]))
	if firstIP(p) != "fd00:1::f816:3eff:fe00:1" {
		t.Errorf("SLAAC address %s", firstIP(p))
	}
	c.fails(400, "InvalidInput", "POST", "/v2.0/subnets", fmt.Sprintf(`{"subnet":{"network_id":%q,"ip_version":6,"cidr":"fd00:2::/80","ipv6_ra_mode":"slaac","ipv6_address_mode":"slaac"}}`, n["id"]))
	c.fails(400, "InvalidInput", "POST", "/v2.0/subnets", fmt.Sprintf(`{"subnet":{"network_id":%q,"ip_version":6,"cidr":"fd00:2::/64","ipv6_ra_mode":"slaac","ipv6_address_mode":"dhcpv6-stateful"}}`, n["id"]))
	c.fails(400, "HTTPBadRequest", "POST", "/v2.0/subnets", fmt.Sprintf(`{"subnet":{"network_id":%q,"ip_version":6,"cidr":"fd00:2::/64","ipv6_ra_mode":"bogus"}}`, n["id"]))
}
