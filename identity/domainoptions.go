package identity

// domainOption is a setting that a domain may have of its own.
type domainOption struct {
	name      string
	value     any  // the default
	sensitive bool // never given back, but for substitution
}

// domainOptions are the groups of settings that a domain may have, with their
// defaults. Source: Keystone's configuration reference, sections [identity] and
// [ldap].
var domainOptions = map[string][]domainOption{
	"identity": {
		{name: "driver", value: "sql"},
		{name: "list_limit"},
	},
	"ldap": {
		{name: "url", value: "ldap://localhost"},
		{name: "user"},
		{name: "password", sensitive: true},
		{name: "suffix", value: "cn=example,cn=com"},
		{name: "query_scope", value: "one"},
		{name: "page_size", value: 0},
		{name: "alias_dereferencing", value: "default"},
		{name: "debug_level"},
		{name: "chase_referrals"},
		{name: "user_tree_dn"},
		{name: "user_filter"},
		{name: "user_objectclass", value: "inetOrgPerson"},
		{name: "user_id_attribute", value: "cn"},
		{name: "user_name_attribute", value: "sn"},
		{name: "user_mail_attribute", value: "mail"},
		{name: "user_description_attribute", value: "description"},
		{name: "user_pass_attribute", value: "userPassword"},
		{name: "user_enabled_attribute", value: "enabled"},
		{name: "user_enabled_invert", value: false},
		{name: "user_enabled_mask", value: 0},
		{name: "user_enabled_default", value: "True"},
		{name: "user_attribute_ignore", value: []string{"default_project_id"}},
		{name: "user_default_project_id_attribute"},
		{name: "user_enabled_emulation", value: false},
		{name: "user_enabled_emulation_dn"},
		{name: "user_enabled_emulation_use_group_config", value: false},
		{name: "user_additional_attribute_mapping", value: []string{}},
		{name: "group_tree_dn"},
		{name: "group_filter"},
		{name: "group_objectclass", value: "groupOfNames"},
		{name: "group_id_attribute", value: "cn"},
		{name: "group_name_attribute", value: "ou"},
		{name: "group_members_are_ids", value: false},
		{name: "group_ad_nesting", value: false},
		{name: "group_member_attribute", value: "member"},
		{name: "group_desc_attribute", value: "description"},
		{name: "group_attribute_ignore", value: []string{}},
		{name: "group_additional_attribute_mapping", value: []string{}},
		{name: "tls_cacertfile"},
		{name: "tls_cacertdir"},
		{name: "use_tls", value: false},
		{name: "tls_req_cert", value: "demand"},
		{name: "use_pool", value: true},
		{name: "pool_size", value: 10},
		{name: "pool_retry_max", value: 3},
		{name: "pool_retry_delay", value: 0.1},
		{name: "pool_connection_timeout", value: -1},
		{name: "pool_connection_lifetime", value: 600},
		{name: "use_auth_pool", value: true},
		{name: "auth_pool_size", value: 100},
		{name: "auth_pool_connection_lifetime", value: 60},
	},
}

func findOption(group, name string) (domainOption, bool) {
	for _, o := range domainOptions[group] {
		if o.name == name {
			return o, true
		}
	}
	return domainOption{}, false
}
