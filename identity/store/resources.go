package store

import (
	"altostack/identity"
	"altostack/kernel/db"
)

var domainConfigs = &table[identity.DomainSettings]{
	name:    "domain_configs",
	columns: []string{"domain_id", "sealed"},
	values:  func(v identity.DomainSettings) []any { return []any{v.DomainID, v.Sealed} },
	scan: func(s db.Scanner) (v identity.DomainSettings, err error) {
		return v, s.Scan(&v.DomainID, &v.Sealed)
	},
}

var endpointGroups = &table[identity.EndpointGroup]{
	name:    "endpoint_groups",
	columns: []string{"id", "name", "description", "filters"},
	values:  func(v identity.EndpointGroup) []any { return []any{v.ID, v.Name, v.Description, db.JSON(v.Filters)} },
	scan: func(s db.Scanner) (v identity.EndpointGroup, err error) {
		return v, s.Scan(&v.ID, &v.Name, &v.Description, db.FromJSON{Into: &v.Filters})
	},
}

var projectEndpoints = &table[identity.ProjectEndpoint]{
	name:    "project_endpoints",
	columns: []string{"project_id", "endpoint_id"},
	values:  func(v identity.ProjectEndpoint) []any { return []any{v.ProjectID, v.EndpointID} },
	scan: func(s db.Scanner) (v identity.ProjectEndpoint, err error) {
		return v, s.Scan(&v.ProjectID, &v.EndpointID)
	},
}

var projectEndpointGroups = &table[identity.ProjectEndpointGroup]{
	name:    "project_endpoint_groups",
	columns: []string{"project_id", "endpoint_group_id"},
	values:  func(v identity.ProjectEndpointGroup) []any { return []any{v.ProjectID, v.GroupID} },
	scan: func(s db.Scanner) (v identity.ProjectEndpointGroup, err error) {
		return v, s.Scan(&v.ProjectID, &v.GroupID)
	},
}

var policyAssociations = &table[identity.PolicyAssociation]{
	name:    "policy_associations",
	columns: []string{"policy_id", "endpoint_id", "service_id", "region_id"},
	values: func(v identity.PolicyAssociation) []any {
		return []any{v.PolicyID, v.EndpointID, v.ServiceID, v.RegionID}
	},
	scan: func(s db.Scanner) (v identity.PolicyAssociation, err error) {
		return v, s.Scan(&v.PolicyID, &v.EndpointID, &v.ServiceID, &v.RegionID)
	},
}
