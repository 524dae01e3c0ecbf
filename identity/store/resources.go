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
