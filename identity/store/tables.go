package store

import (
	"context"
	"time"

	"altostack/identity"
	"altostack/kernel/db"
)

func instant(us int64) time.Time { return db.Time(us) }

var users = &table[identity.User]{
	name:    "users",
	columns: []string{"id", "name", "domain_id", "enabled", "default_project_id", "password_hash", "password_created_at", "password_expires_at", "options", "extra", "source"},
	values: func(u identity.User) []any {
		return []any{u.ID, storedName(u.Name, u.ID, u.Source), u.DomainID, u.Enabled, u.DefaultProjectID, u.PasswordHash, db.Micros(u.PasswordCreatedAt), db.Micros(u.PasswordExpiresAt), db.JSON(u.Options), db.JSON(u.Extra), u.Source}
	},
	scan: func(s db.Scanner) (u identity.User, err error) {
		var created, expires int64
		err = s.Scan(&u.ID, &u.Name, &u.DomainID, &u.Enabled, &u.DefaultProjectID, &u.PasswordHash, &created, &expires, db.FromJSON{Into: &u.Options}, db.FromJSON{Into: &u.Extra}, &u.Source)
		u.PasswordCreatedAt, u.PasswordExpiresAt = instant(created), instant(expires)
		u.Name = shownName(u.Name, u.Source)
		return u, err
	},
	more: addFederated,
}

var groups = &table[identity.Group]{
	name:    "user_groups",
	columns: []string{"id", "name", "domain_id", "description", "extra", "source"},
	values: func(g identity.Group) []any {
		return []any{g.ID, storedName(g.Name, g.ID, g.Source), g.DomainID, g.Description, db.JSON(g.Extra), g.Source}
	},
	scan: func(s db.Scanner) (g identity.Group, err error) {
		err = s.Scan(&g.ID, &g.Name, &g.DomainID, &g.Description, db.FromJSON{Into: &g.Extra}, &g.Source)
		g.Name = shownName(g.Name, g.Source)
		return g, err
	},
}

var projects = &table[identity.Project]{
	name:    "projects",
	columns: []string{"id", "name", "domain_id", "parent_id", "is_domain", "enabled", "description", "options", "extra"},
	values: func(p identity.Project) []any {
		return []any{p.ID, p.Name, p.DomainID, p.ParentID, p.IsDomain, p.Enabled, p.Description, db.JSON(p.Options), db.JSON(p.Extra)}
	},
	scan:  scanProject,
	more:  addTags,
	after: func(ctx context.Context, tx *db.Tx, p identity.Project) error { return saveTags(ctx, tx, p.ID, p.Tags) },
}

func scanProject(s db.Scanner) (p identity.Project, err error) {
	return p, s.Scan(&p.ID, &p.Name, &p.DomainID, &p.ParentID, &p.IsDomain, &p.Enabled, &p.Description, db.FromJSON{Into: &p.Options}, db.FromJSON{Into: &p.Extra})
}

var roles = &table[identity.Role]{
	name:    "roles",
	columns: []string{"id", "name", "domain_id", "description", "options", "extra"},
	values: func(r identity.Role) []any {
		return []any{r.ID, r.Name, r.DomainID, r.Description, db.JSON(r.Options), db.JSON(r.Extra)}
	},
	scan: func(s db.Scanner) (r identity.Role, err error) {
		return r, s.Scan(&r.ID, &r.Name, &r.DomainID, &r.Description, db.FromJSON{Into: &r.Options}, db.FromJSON{Into: &r.Extra})
	},
}

var regions = &table[identity.Region]{
	name:    "regions",
	columns: []string{"id", "parent_id", "description", "extra"},
	values:  func(r identity.Region) []any { return []any{r.ID, r.ParentID, r.Description, db.JSON(r.Extra)} },
	scan: func(s db.Scanner) (r identity.Region, err error) {
		return r, s.Scan(&r.ID, &r.ParentID, &r.Description, db.FromJSON{Into: &r.Extra})
	},
}

var services = &table[identity.CatalogService]{
	name:    "identity_services",
	columns: []string{"id", "type", "name", "description", "enabled", "extra"},
	values: func(v identity.CatalogService) []any {
		return []any{v.ID, v.Type, v.Name, v.Description, v.Enabled, db.JSON(v.Extra)}
	},
	scan: func(s db.Scanner) (v identity.CatalogService, err error) {
		return v, s.Scan(&v.ID, &v.Type, &v.Name, &v.Description, &v.Enabled, db.FromJSON{Into: &v.Extra})
	},
}

var endpoints = &table[identity.Endpoint]{
	name:    "identity_endpoints",
	columns: []string{"id", "service_id", "region_id", "interface", "url", "enabled", "extra"},
	values: func(e identity.Endpoint) []any {
		return []any{e.ID, e.ServiceID, e.RegionID, e.Interface, e.URL, e.Enabled, db.JSON(e.Extra)}
	},
	scan: func(s db.Scanner) (e identity.Endpoint, err error) {
		return e, s.Scan(&e.ID, &e.ServiceID, &e.RegionID, &e.Interface, &e.URL, &e.Enabled, db.FromJSON{Into: &e.Extra})
	},
}

var appCreds = &table[identity.AppCred]{
	name:    "application_credentials",
	columns: []string{"id", "name", "user_id", "project_id", "description", "secret_hash", "unrestricted", "expires_at", "role_ids", "rule_ids", "system"},
	values: func(a identity.AppCred) []any {
		return []any{a.ID, a.Name, a.UserID, a.ProjectID, a.Description, a.SecretHash, a.Unrestricted, db.Micros(a.ExpiresAt), db.JSON(a.RoleIDs), db.JSON(a.RuleIDs), a.System}
	},
	scan: func(s db.Scanner) (a identity.AppCred, err error) {
		var expires int64
		err = s.Scan(&a.ID, &a.Name, &a.UserID, &a.ProjectID, &a.Description, &a.SecretHash, &a.Unrestricted, &expires, db.FromJSON{Into: &a.RoleIDs}, db.FromJSON{Into: &a.RuleIDs}, &a.System)
		a.ExpiresAt = instant(expires)
		return a, err
	},
}

var accessRules = &table[identity.AccessRule]{
	name:    "access_rules",
	columns: []string{"id", "user_id", "service", "method", "path"},
	values:  func(a identity.AccessRule) []any { return []any{a.ID, a.UserID, a.Service, a.Method, a.Path} },
	scan: func(s db.Scanner) (a identity.AccessRule, err error) {
		return a, s.Scan(&a.ID, &a.UserID, &a.Service, &a.Method, &a.Path)
	},
}

var credentials = &table[identity.Credential]{
	name:    "identity_credentials",
	columns: []string{"id", "user_id", "project_id", "type", "blob", "extra"},
	values: func(c identity.Credential) []any {
		return []any{c.ID, c.UserID, c.ProjectID, c.Type, c.Blob, db.JSON(c.Extra)}
	},
	scan: func(s db.Scanner) (c identity.Credential, err error) {
		return c, s.Scan(&c.ID, &c.UserID, &c.ProjectID, &c.Type, &c.Blob, db.FromJSON{Into: &c.Extra})
	},
}

var policies = &table[identity.PolicyBlob]{
	name:    "identity_policies",
	columns: []string{"id", "type", "blob", "extra"},
	values:  func(p identity.PolicyBlob) []any { return []any{p.ID, p.Type, p.Blob, db.JSON(p.Extra)} },
	scan: func(s db.Scanner) (p identity.PolicyBlob, err error) {
		return p, s.Scan(&p.ID, &p.Type, &p.Blob, db.FromJSON{Into: &p.Extra})
	},
}

var registeredLimits = &table[identity.RegisteredLimit]{
	name:    "registered_limits",
	columns: []string{"id", "service_id", "region_id", "resource_name", "default_limit", "description"},
	values: func(l identity.RegisteredLimit) []any {
		return []any{l.ID, l.ServiceID, l.RegionID, l.ResourceName, l.DefaultLimit, l.Description}
	},
	scan: func(s db.Scanner) (l identity.RegisteredLimit, err error) {
		return l, s.Scan(&l.ID, &l.ServiceID, &l.RegionID, &l.ResourceName, &l.DefaultLimit, &l.Description)
	},
}

var limits = &table[identity.Limit]{
	name:    "identity_limits",
	columns: []string{"id", "project_id", "domain_id", "service_id", "region_id", "resource_name", "resource_limit", "description"},
	values: func(l identity.Limit) []any {
		return []any{l.ID, l.ProjectID, l.DomainID, l.ServiceID, l.RegionID, l.ResourceName, l.ResourceLimit, l.Description}
	},
	scan: func(s db.Scanner) (l identity.Limit, err error) {
		return l, s.Scan(&l.ID, &l.ProjectID, &l.DomainID, &l.ServiceID, &l.RegionID, &l.ResourceName, &l.ResourceLimit, &l.Description)
	},
}

var trusts = &table[identity.Trust]{
	name:    "trusts",
	columns: []string{"id", "trustor_id", "trustee_id", "project_id", "impersonation", "expires_at", "remaining_uses", "redelegation_count", "parent_id", "role_ids", "extra"},
	values: func(t identity.Trust) []any {
		return []any{t.ID, t.TrustorID, t.TrusteeID, t.ProjectID, t.Impersonation, db.Micros(t.ExpiresAt), t.RemainingUses, t.RedelegationCount, t.ParentID, db.JSON(t.RoleIDs), db.JSON(t.Extra)}
	},
	scan: func(s db.Scanner) (t identity.Trust, err error) {
		var expires int64
		err = s.Scan(&t.ID, &t.TrustorID, &t.TrusteeID, &t.ProjectID, &t.Impersonation, &expires, &t.RemainingUses, &t.RedelegationCount, &t.ParentID, db.FromJSON{Into: &t.RoleIDs}, db.FromJSON{Into: &t.Extra})
		t.ExpiresAt = instant(expires)
		return t, err
	},
}
