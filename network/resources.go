package network

import (
	"slices"
	"strings"
	"sync"

	"altostack/kernel/contract"
	"altostack/kernel/fault"
	"altostack/kernel/policy"
)

const standard = " revision_number:i created_at:t updated_at:t"

// The resources there are. Adding one is an entry here, its migration, and its
// logic in New.
var (
	Networks = resource(Resource{Collection: "networks", Singular: "network", Noun: "Network", NotFound: fault.CodeNetworkNetworkNotFound, Quota: true, Tagged: true},
		`id:s project_id:s name:s description:s admin_state_up:b status:s shared:b router:external:b mtu:i port_security_enabled:b
		 dns_domain:s is_default:b provider:network_type:s provider:physical_network:n provider:segmentation_id:m availability_zone_hints:j tags:j`)
	Subnets = resource(Resource{Collection: "subnets", Singular: "subnet", Noun: "Subnet", NotFound: fault.CodeNetworkSubnetNotFound, Quota: true, Tagged: true},
		`id:s project_id:s network_id:s name:s description:s ip_version:i cidr:s gateway_ip:n allocation_pools:j dns_nameservers:j
		 host_routes:j enable_dhcp:b ipv6_ra_mode:n ipv6_address_mode:n subnetpool_id:n service_types:j tags:j`,
		Column{"router:external", "router_external", Flag, "(SELECT n.router_external FROM networks n WHERE n.id = subnets.network_id)"},
		Column{"shared", "shared", Flag, "(SELECT n.shared FROM networks n WHERE n.id = subnets.network_id)"})
	Ports = resource(Resource{Collection: "ports", Singular: "port", Noun: "Port", NotFound: fault.CodeNetworkPortNotFound, Quota: true, Tagged: true},
		`id:s project_id:s network_id:s name:s description:s admin_state_up:b status:s mac_address:s fixed_ips:j device_id:s device_owner:s
		 security_groups:j allowed_address_pairs:j extra_dhcp_opts:j port_security_enabled:b binding:host_id:s binding:vnic_type:s
		 binding:profile:j dns_name:s ip_allocation:s tags:j hostname:s made_by_compute:b nic_index:i device_tag:s`)
	Routers = resource(Resource{Collection: "routers", Singular: "router", Noun: "Router", NotFound: fault.CodeNetworkRouterNotFound, Quota: true, Tagged: true},
		`id:s project_id:s name:s description:s admin_state_up:b status:s gw_port_id:n gw_network_id:n enable_snat:b routes:j host:s
		 availability_zone_hints:j tags:j`)
	FloatingIPs = resource(Resource{Collection: "floatingips", Singular: "floatingip", Noun: "Floating IP", NotFound: fault.CodeNetworkFloatingipNotFound, Quota: true, Tagged: true},
		`id:s project_id:s description:s floating_ip_address:s floating_network_id:s floating_port_id:s router_id:n port_id:n
		 fixed_ip_address:n status:s dns_name:s dns_domain:s tags:j`)
	PortForwardings = resource(Resource{Collection: "port_forwardings", Singular: "floatingip_port_forwarding", Noun: "Port Forwarding", Table: "port_forwardings", NotFound: fault.CodeNetworkPortForwardingNotFound, Parent: "floatingip_id"},
		`id:s floatingip_id:s description:s external_port:i internal_port:i internal_ip_address:s protocol:s internal_port_id:s`)
	SecurityGroups = resource(Resource{Collection: "security_groups", Singular: "security_group", Noun: "Security group", NotFound: fault.CodeNetworkSecurityGroupNotFound, Quota: true, Tagged: true},
		`id:s project_id:s name:s description:s stateful:b is_default:b tags:j`)
	SecurityGroupRules = resource(Resource{Collection: "security_group_rules", Singular: "security_group_rule", Noun: "Security group rule", NotFound: fault.CodeNetworkSecurityGroupRuleNotFound, Quota: true},
		`id:s project_id:s security_group_id:s direction:s ethertype:s protocol:n port_range_min:m port_range_max:m remote_ip_prefix:n
		 normalized_cidr:n remote_group_id:n remote_address_group_id:n description:s sameness:s`)
	SubnetPools = resource(Resource{Collection: "subnetpools", Singular: "subnetpool", Noun: "Subnet pool", NotFound: fault.CodeNetworkSubnetpoolNotFound, Quota: true, Tagged: true},
		`id:s project_id:s name:s description:s prefixes:j default_quota:m ip_version:i default_prefixlen:i min_prefixlen:i max_prefixlen:i
		 is_default:b shared:b address_scope_id:n tags:j`)
	AddressScopes = resource(Resource{Collection: "address_scopes", Singular: "address_scope", Noun: "Address scope", NotFound: fault.CodeNetworkAddressScopeNotFound},
		`id:s project_id:s name:s shared:b ip_version:i`)
	AddressGroups = resource(Resource{Collection: "address_groups", Singular: "address_group", Noun: "Address group", NotFound: fault.CodeNetworkAddressGroupNotFound},
		`id:s project_id:s name:s description:s addresses:j`)
	RBACPolicies = resource(Resource{Collection: "rbac_policies", Singular: "rbac_policy", Noun: "RBAC policy", NotFound: fault.CodeNetworkRbacNotFound, Quota: true},
		`id:s project_id:s object_type:s object_id:s target_tenant:s action:s`)
)

// All lists the resources in the order of GET /v2.0/.
var All = []*Resource{Networks, Subnets, Ports, Routers, FloatingIPs, SecurityGroups, SecurityGroupRules, SubnetPools, AddressScopes, AddressGroups, RBACPolicies, PortForwardings}

// resource completes an entry: columns every table has, and attributes.
func resource(r Resource, columns string, computed ...Column) *Resource {
	if r.Table == "" {
		r.Table = r.Collection
	}
	r.Columns = append(parseColumns(columns+standard), computed...)
	r.byAttr = map[string]Column{}
	for _, c := range r.Columns {
		r.byAttr[c.Attr] = c
	}
	name := r.Collection
	if r.Parent != "" {
		name = "floatingips/" + name
	}
	r.Attrs = servedAttributes(name)
	if r.Parent != "" {
		// The extension that adds the description names the collection without its parent.
		for _, a := range contract.NeutronAttributes(r.Collection) {
			if slices.Contains(Extensions, a.Extension) {
				r.Attrs[a.Name] = a
			}
		}
	}
	for attr := range r.Attrs {
		if rules()["get_"+r.Singular+":"+attr] {
			r.always = append(r.always, attr)
		}
	}
	slices.Sort(r.always)
	return &r
}

// servedAttributes are a collection's attributes from the extensions we serve;
// where several define one, the later extension refines the earlier.
func servedAttributes(collection string) map[string]contract.Attribute {
	attrs := map[string]contract.Attribute{}
	rank := map[string]int{}
	for _, a := range contract.NeutronAttributes(collection) {
		n := slices.Index(Extensions, a.Extension)
		if n < 0 {
			if n = slices.Index(coreAliases, a.Extension); n < 0 {
				continue
			}
			n -= len(coreAliases)
		}
		if a.Name == "tenant_id" {
			a.Name = "project_id"
		}
		if _, has := attrs[a.Name]; has && rank[a.Name] > n {
			continue
		}
		attrs[a.Name], rank[a.Name] = a, n
	}
	return attrs
}

// coreAliases are definitions that are no extension.
var coreAliases = []string{"network", "subnet", "port"}

// Extensions are the aliases of GET /v2.0/extensions: those that work here.
// Where two define the same attribute, the later one holds.
var Extensions = strings.Fields(`
	address-group address-scope agent allowed-address-pairs auto-allocated-topology availability_zone
	binding default-subnetpools dns-integration empty-string-filtering expose-port-forwarding-in-fip
	router ext-gw-mode external-net extra_dhcp_opt filter-validation extraroute extraroute-atomic fip-port-details
	floating-ip-port-forwarding floating-ip-port-forwarding-description ip-substring-filtering ip_allocation
	net-mtu net-mtu-writable network-ip-availability network_availability_zone pagination port-mac-address-regenerate
	port-security port-security-groups-filtering project-id provider quotas quota_details rbac-policies rbac-address-group
	rbac-address-scope rbac-security-groups rbac-subnetpool revision-if-match router_availability_zone
	security-group security-groups-normalized-cidr security-groups-remote-address-group security-groups-shared-filtering
	service-type sorting standard-attr-description standard-attr-revisions standard-attr-tag standard-attr-timestamp
	stateful-security-group subnet-service-types subnet_allocation subnetpool subnetpool-prefix-ops
	tag-ports-during-bulk-creation`)

// rules are the names of the policy rules there are; a rule that is not among
// them asks nothing.
var rules = sync.OnceValue(func() map[string]bool {
	names := map[string]bool{}
	for _, r := range policy.Defaults("neutron") {
		names[r.Name] = true
	}
	return names
})
