package api_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/network/store"
)

// finer are names that stand for one of several failures of a code.
var finer = []string{"AvailabilityZoneNotFound", "FipInUseByPortForwarding", "SecurityGroupProtocolRequiredWithPorts"}

// TestFaults provokes every failure that the service words itself, and wants the
// exception name that clients branch on.
func TestFaults(t *testing.T) {
	cloud := start(t)
	c, admin := as(t, cloud, "member"), as(t, cloud, "admin")
	ids := map[string]string{"none": "00000000-0000-4000-8000-000000000000"}
	keep := func(name string, m map[string]any) { ids[name] = str(m, "id") }
	fill := func(s string) string {
		for k, v := range ids {
			s = strings.ReplaceAll(s, "<"+k+">", v)
		}
		return s
	}
	make := func(name, as, collection, singular, body string) {
		who := c
		if as == "admin" {
			who = admin
		}
		keep(name, who.make(fill(collection), singular, fill(body)))
	}
	ext, _ := public(admin, "172.24.4.0/28")
	keep("ext", ext)
	make("tunnel", "admin", "networks", "network", `{"provider:network_type":"vxlan","provider:segmentation_id":77}`)
	make("net", "", "networks", "network", `{"name":"blue"}`)
	make("sub", "", "subnets", "subnet", `{"network_id":"<net>","ip_version":4,"cidr":"10.1.0.0/24"}`)
	make("port", "", "ports", "port", `{"network_id":"<net>","mac_address":"fa:16:3e:00:00:01","device_id":"vm"}`)
	make("free", "", "ports", "port", `{"network_id":"<net>","fixed_ips":[{"ip_address":"10.1.0.50"}]}`)
	make("router", "", "routers", "router", `{"external_gateway_info":{"network_id":"<ext>"}}`)
	c.call(200, "PUT", fill("/v2.0/routers/<router>/add_router_interface"), fill(`{"subnet_id":"<sub>"}`))
	make("fip", "", "floatingips", "floatingip", `{"floating_network_id":"<ext>","port_id":"<port>"}`)
	make("lead", "", "floatingips", "floatingip", `{"floating_network_id":"<ext>"}`)
	make("fwd", "", "floatingips/<lead>/port_forwardings", "port_forwarding", `{"protocol":"tcp","external_port":2222,"internal_port":22,"internal_ip_address":"10.1.0.50","internal_port_id":"<free>"}`)
	make("scope", "", "address-scopes", "address_scope", `{"name":"s","ip_version":4}`)
	make("pool", "", "subnetpools", "subnetpool", `{"name":"p","prefixes":["10.8.0.0/24"],"address_scope_id":"<scope>","default_quota":128}`)
	make("taken", "", "subnets", "subnet", `{"network_id":"<net>","ip_version":4,"subnetpool_id":"<pool>","prefixlen":25,"enable_dhcp":false}`)
	make("ag", "", "address-groups", "address_group", `{"addresses":["10.0.0.0/8"]}`)
	make("sg", "", "security-groups", "security_group", `{"name":"web"}`)
	make("rule", "", "security-group-rules", "security_group_rule", `{"security_group_id":"<sg>","direction":"ingress","remote_address_group_id":"<ag>"}`)
	make("shared", "admin", "networks", "network", `{"shared":true}`)
	make("guest", "", "ports", "port", `{"network_id":"<shared>"}`)
	make("bare", "", "ports", "port", `{"network_id":"<net>","security_groups":[],"port_security_enabled":false}`)
	def := c.call(200, "GET", "/v2.0/security-groups?name=default", "")["security_groups"].([]any)[0].(map[string]any)
	keep("default", def)
	iface := c.call(200, "GET", fill("/v2.0/ports?device_owner=network:router_interface&device_id=<router>"), "")["ports"].([]any)[0].(map[string]any)
	keep("iface", iface)
	policy := admin.call(200, "GET", fill("/v2.0/rbac-policies?object_id=<shared>"), "")["rbac_policies"].([]any)[0].(map[string]any)
	keep("policy", policy)
	other := as(t, cloud, "other")
	keep("theirs", other.make("networks", "network", `{}`))
	subnet := func(attrs string) string { return `{"subnet":{"network_id":"<net>","ip_version":4,` + attrs + `}}` }

	for _, tt := range []struct {
		code   fault.Code
		status int
		as     client
		call   string
		body   string
	}{
		{fault.CodeNetworkAddressGroupInUse, 409, c, "DELETE address-groups/<ag>", ""},
		{fault.CodeNetworkAddressGroupNotFound, 404, c, "GET address-groups/<none>", ""},
		{fault.CodeNetworkAddressInUse, 409, c, "POST ports", `{"port":{"network_id":"<net>","fixed_ips":[{"ip_address":"10.1.0.50"}]}}`},
		{fault.CodeNetworkAddressNotInSubnet, 400, c, "POST ports", `{"port":{"network_id":"<net>","fixed_ips":[{"ip_address":"10.1.0.255"}]}}`},
		{fault.CodeNetworkAddressNotValid, 400, c, "POST ports", `{"port":{"network_id":"<net>","fixed_ips":[{"ip_address":"10.2.0.5"}]}}`},
		{fault.CodeNetworkAddressScopeInUse, 409, c, "DELETE address-scopes/<scope>", ""},
		{fault.CodeNetworkAddressScopeNotFound, 404, c, "GET address-scopes/<none>", ""},
		{fault.CodeNetworkAgentNotFound, 404, admin, "GET agents/<none>", ""},
		{fault.CodeNetworkBadRequest, 400, c, "PUT routers/<router>/add_router_interface", `{}`},
		{fault.CodeNetworkDefaultGroupExists, 409, c, "POST security-groups", `{"security_group":{"name":"Default"}}`},
		{fault.CodeNetworkExtensionNotFound, 404, c, "GET extensions/x", ""},
		{fault.CodeNetworkExternalInUse, 409, admin, "PUT networks/<ext>", `{"network":{"router:external":false}}`},
		{fault.CodeNetworkFipPortTaken, 409, c, "POST floatingips", `{"floatingip":{"floating_network_id":"<ext>","port_id":"<port>"}}`},
		{fault.CodeNetworkFipUnreachable, 404, c, "POST floatingips", `{"floatingip":{"floating_network_id":"<ext>","port_id":"<guest6>"}}`},
		{fault.CodeNetworkFloatingipNotFound, 404, c, "GET floatingips/<none>", ""},
		{fault.CodeNetworkGatewayInPool, 409, c, "POST subnets", subnet(`"cidr":"10.3.0.0/24","gateway_ip":"10.3.0.9","allocation_pools":[{"start":"10.3.0.8","end":"10.3.0.10"}]`)},
		{fault.CodeNetworkGatewayInUse, 409, c, "PUT subnets/<sub>", `{"subnet":{"gateway_ip":"10.1.0.254","allocation_pools":[{"start":"10.1.0.2","end":"10.1.0.200"}]}}`},
		{fault.CodeNetworkGatewayNeeded, 409, c, "PUT routers/<router>", `{"router":{"external_gateway_info":null}}`},
		{fault.CodeNetworkInterfaceNeeded, 409, c, "PUT routers/<router>/remove_router_interface", `{"subnet_id":"<sub>"}`},
		{fault.CodeNetworkInterfaceNotFound, 404, c, "PUT routers/<router>/remove_router_interface", `{"port_id":"<none>"}`},
		{fault.CodeNetworkInterfaceNotOnSubnet, 404, c, "PUT routers/<router>/remove_router_interface", `{"subnet_id":"<taken>"}`},
		{fault.CodeNetworkInvalidCidr, 400, c, "POST security-group-rules", `{"security_group_rule":{"security_group_id":"<sg>","direction":"ingress","remote_ip_prefix":"x"}}`},
		{fault.CodeNetworkInvalidInput, 400, c, "POST subnets", subnet(`"cidr":"10.1.0.0/25"`)},
		{fault.CodeNetworkInvalidSharing, 409, admin, "PUT networks/<shared>", `{"network":{"shared":false}}`},
		{fault.CodeNetworkMacInUse, 409, c, "POST ports", `{"port":{"network_id":"<net>","mac_address":"FA-16-3E-00-00-01"}}`},
		{fault.CodeNetworkMalformed, 400, c, "POST networks", `{"network":{"admin_state_up":"maybe","colour":1}}`},
		{fault.CodeNetworkNetworkInUse, 409, c, "DELETE networks/<net>", ""},
		{fault.CodeNetworkNetworkNotFound, 404, c, "POST ports", `{"port":{"network_id":"<none>"}}`},
		{fault.CodeNetworkPairsNeedSecurity, 409, c, "PUT ports/<bare>", `{"port":{"allowed_address_pairs":[{"ip_address":"10.1.0.0/24"}]}}`},
		{fault.CodeNetworkPhysicalNetworkInUse, 409, admin, "POST networks", `{"network":{"provider:network_type":"flat","provider:physical_network":"public"}}`},
		{fault.CodeNetworkPoolBadPrefix, 400, c, "POST subnetpools", `{"subnetpool":{"name":"q","prefixes":["10.0.0.0/8"],"min_prefixlen":30,"max_prefixlen":29}}`},
		{fault.CodeNetworkPoolDelete, 400, c, "DELETE subnetpools/<pool>", ""},
		{fault.CodeNetworkPoolExhausted, 409, c, "POST subnets", subnet(`"subnetpool_id":"<pool>","prefixlen":24`)},
		{fault.CodeNetworkPoolInvalid, 400, c, "POST subnets", subnet(`"cidr":"10.3.0.0/24","allocation_pools":[{"start":"10.3.0.9","end":"10.3.0.8"}]`)},
		{fault.CodeNetworkPoolOutside, 400, c, "POST subnets", subnet(`"cidr":"10.3.0.0/24","allocation_pools":[{"start":"10.3.0.9","end":"10.4.0.8"}]`)},
		{fault.CodeNetworkPoolOverlap, 409, c, "POST subnets", subnet(`"cidr":"10.3.0.0/24","allocation_pools":[{"start":"10.3.0.9","end":"10.3.0.20"},{"start":"10.3.0.15","end":"10.3.0.30"}]`)},
		{fault.CodeNetworkPoolQuota, 400, c, "POST subnets", subnet(`"subnetpool_id":"<pool>","prefixlen":25`)},
		{fault.CodeNetworkPortForwardingConflict, 400, c, "POST floatingips/<lead>/port_forwardings", `{"port_forwarding":{"protocol":"tcp","external_port":2222,"internal_port":23,"internal_ip_address":"10.1.0.50","internal_port_id":"<free>"}}`},
		{fault.CodeNetworkPortForwardingNotFound, 404, c, "GET floatingips/<lead>/port_forwardings/<none>", ""},
		{fault.CodeNetworkPortInUse, 409, c, "PUT routers/<router>/add_router_interface", `{"port_id":"<port>"}`},
		{fault.CodeNetworkPortNotFound, 404, c, "GET ports/<none>", ""},
		{fault.CodeNetworkPortSecurityNeeded, 400, c, "POST ports", `{"port":{"network_id":"<net>","port_security_enabled":false,"security_groups":["<sg>"]}}`},
		{fault.CodeNetworkPortSecurityWithGroups, 409, c, "PUT ports/<free>", `{"port":{"port_security_enabled":false}}`},
		{fault.CodeNetworkQuotaUnknown, 400, admin, "PUT quotas/p1", `{"quota":{"x":1}}`},
		{fault.CodeNetworkRbacNotFound, 404, c, "GET rbac-policies/<none>", ""},
		{fault.CodeNetworkRouterInUse, 409, c, "DELETE routers/<router>", ""},
		{fault.CodeNetworkRouterNotFound, 404, c, "GET routers/<none>", ""},
		{fault.CodeNetworkRoutesInvalid, 400, c, "PUT routers/<router>", `{"router":{"routes":[{"destination":"10.9.0.0/24","nexthop":"1.2.3.4"}]}}`},
		{fault.CodeNetworkSecurityGroupNotFound, 404, c, "GET security-groups/<none>", ""},
		{fault.CodeNetworkSecurityGroupRuleNotFound, 404, c, "GET security-group-rules/<none>", ""},
		{fault.CodeNetworkSegmentInUse, 409, admin, "POST networks", `{"network":{"provider:network_type":"vxlan","provider:segmentation_id":77}}`},
		{fault.CodeNetworkSubnetInUse, 409, c, "DELETE subnets/<sub>", ""},
		{fault.CodeNetworkSubnetNotFound, 404, c, "GET subnets/<none>", ""},
		{fault.CodeNetworkSubnetpoolNotFound, 404, c, "GET subnetpools/<none>", ""},
		{fault.CodeNetworkTagNotFound, 404, c, "GET networks/<net>/tags/x", ""},
		{fault.CodeNetworkDefaultGroupFixed, 409, c, "PUT security-groups/<default>", `{"security_group":{"name":"x"}}`},
		{fault.CodeNetworkDefaultGroupKept, 409, c, "DELETE security-groups/<default>", ""},
		{fault.CodeNetworkSecurityGroupInUse, 409, admin, "DELETE security-groups/<default>", ""},
		{fault.CodeNetworkDeviceNotOwned, 409, other, "POST ports", `{"port":{"network_id":"<theirs>","device_id":"<router>","device_owner":"network:router_interface"}}`},
		{fault.CodeNetworkFipAssociated, 409, c, "PUT floatingips/<lead>", `{"floatingip":{"port_id":"<free>"}}`},
		{fault.CodeNetworkNotFound, 404, c, "POST networks", `{"network":{"availability_zone_hints":["mars"]}}`},
		{fault.CodeNetworkRbacExists, 409, admin, "DELETE rbac-policies/<policy>", ""},
		{fault.CodeNetworkRuleExists, 409, c, "POST security-group-rules", `{"security_group_rule":{"security_group_id":"<sg>","direction":"ingress","remote_address_group_id":"<ag>"}}`},
		{fault.CodeNetworkRuleInvalid, 400, c, "POST security-group-rules", `{"security_group_rule":{"security_group_id":"<sg>","direction":"ingress","port_range_min":5}}`},
		{fault.CodeNetworkServicePort, 409, c, "DELETE ports/<iface>", ""},
		{fault.CodeNetworkSubnetMismatch, 400, c, "PUT routers/<router>/remove_router_interface", `{"port_id":"<iface>","subnet_id":"<taken>"}`},
		{fault.CodeNetworkRevision, 412, c, "PUT networks/<net>", `{"network":{"name":"x"}}`},
		{fault.CodeNetworkInterfaceRoute, 409, c, "PUT routers/<router>/remove_router_interface", `{"subnet_id":"<sub>"}`},
		{fault.CodeNetworkOverQuota, 409, c, "POST routers", `{"router":{}}`},
		{fault.CodeNetworkNoNetwork, 503, c, "POST networks", `{"network":{}}`},
	} {
		t.Run(string(tt.code), func(t *testing.T) {
			if strings.Contains(tt.body, "<guest6>") {
				n := c.make("networks", "network", `{}`)
				c.make("subnets", "subnet", fmt.Sprintf(`{"network_id":%q,"ip_version":4,"cidr":"10.66.0.0/24"}`, n["id"]))
				keep("guest6", c.make("ports", "port", fmt.Sprintf(`{"network_id":%q}`, n["id"])))
			}
			method, path, _ := strings.Cut(tt.call, " ")
			who := tt.as
			who.t = t
			var header []string
			switch tt.code {
			case fault.CodeNetworkRevision:
				header = []string{"If-Match", "revision_number=99"}
			case fault.CodeNetworkInterfaceRoute:
				c.call(204, "DELETE", fill("/v2.0/floatingips/<fip>"), "")
				c.call(204, "DELETE", fill("/v2.0/floatingips/<lead>"), "")
				c.call(200, "PUT", fill("/v2.0/routers/<router>"), `{"router":{"routes":[{"destination":"10.9.0.0/24","nexthop":"10.1.0.99"}]}}`)
			case fault.CodeNetworkOverQuota:
				admin.call(200, "PUT", "/v2.0/quotas/p1", `{"quota":{"router":1}}`)
			case fault.CodeNetworkNoNetwork:
				if err := cloud.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
					return store.New(cloud.DB).SetFree(ctx, tx, "vxlan", nil)
				}); err != nil {
					t.Fatal(err)
				}
			}
			m := who.call(tt.status, method, "/v2.0/"+fill(path), fill(tt.body), header...)
			e, _ := m["NeutronError"].(map[string]any)
			want := tt.code.Definition().Type
			if got := str(e, "type"); got != want && !slices.Contains(finer, got) {
				t.Errorf("type %s (%v), want %s", got, e["message"], want)
			}
		})
	}
}
