package store

import (
	"context"
	"fmt"
	"strings"

	"altostack/identity"
	"altostack/kernel/db"
)

// separator divides the parts of a key, and a shadow's name from its id. No name
// or id that a client gives may hold it.
const separator = identity.Separator

func ref(parts ...string) string { return strings.Join(parts, separator) }

var providers = &table[identity.IdentityProvider]{
	name:    "identity_providers",
	columns: []string{"id", "domain_id", "enabled", "description", "authorization_ttl"},
	values: func(p identity.IdentityProvider) []any {
		return []any{p.ID, p.DomainID, p.Enabled, p.Description, p.AuthorizationTTL}
	},
	scan: func(s db.Scanner) (p identity.IdentityProvider, err error) {
		return p, s.Scan(&p.ID, &p.DomainID, &p.Enabled, &p.Description, &p.AuthorizationTTL)
	},
	more: func(ctx context.Context, r db.Reader, rows []identity.IdentityProvider) error {
		at := map[string]int{}
		ids := make([]string, len(rows))
		for i, p := range rows {
			at[p.ID], ids[i] = i, p.ID
		}
		found, err := pairs(ctx, r, "idp_id, remote_id", "identity_provider_remotes", "remote_id", "idp_id", ids)
		for _, f := range found {
			p := &rows[at[f.a]]
			p.RemoteIDs = append(p.RemoteIDs, f.b)
		}
		return err
	},
	after: func(ctx context.Context, tx *db.Tx, p identity.IdentityProvider) error {
		if _, err := tx.Exec(ctx, `DELETE FROM identity_provider_remotes WHERE idp_id = $1`, p.ID); err != nil {
			return fmt.Errorf("save remote ids: %w", err)
		}
		for _, remote := range p.RemoteIDs {
			if _, err := tx.Exec(ctx, `INSERT INTO identity_provider_remotes (remote_id, idp_id) VALUES ($1, $2)`, remote, p.ID); err != nil {
				return fmt.Errorf("save remote ids: %w", err)
			}
		}
		return nil
	},
}

// RemoteOwners answers which providers have the remote ids.
func (*Store) RemoteOwners(ctx context.Context, r db.Reader, remoteIDs []string) (map[string]string, error) {
	found, err := pairs(ctx, r, "remote_id, idp_id", "identity_provider_remotes", "remote_id", "remote_id", remoteIDs)
	out := map[string]string{}
	for _, f := range found {
		out[f.a] = f.b
	}
	return out, err
}

var protocols = &table[identity.Protocol]{
	name:    "federation_protocols",
	columns: []string{"ref", "idp_id", "id", "mapping_id", "remote_id_attribute"},
	values: func(p identity.Protocol) []any {
		return []any{ref(p.ProviderID, p.ID), p.ProviderID, p.ID, p.MappingID, p.RemoteIDAttribute}
	},
	scan: func(s db.Scanner) (p identity.Protocol, err error) {
		var key string
		return p, s.Scan(&key, &p.ProviderID, &p.ID, &p.MappingID, &p.RemoteIDAttribute)
	},
}

var mappings = &table[identity.FederationMapping]{
	name:    "federation_mappings",
	columns: []string{"id", "schema_version", "rules"},
	values:  func(m identity.FederationMapping) []any { return []any{m.ID, m.SchemaVersion, db.JSON(m.Rules)} },
	scan: func(s db.Scanner) (m identity.FederationMapping, err error) {
		return m, s.Scan(&m.ID, &m.SchemaVersion, db.FromJSON{Into: &m.Rules})
	},
}

var serviceProviders = &table[identity.ServiceProvider]{
	name:    "service_providers",
	columns: []string{"id", "enabled", "description", "auth_url", "sp_url", "relay_state_prefix"},
	values: func(p identity.ServiceProvider) []any {
		return []any{p.ID, p.Enabled, p.Description, p.AuthURL, p.URL, p.RelayStatePrefix}
	},
	scan: func(s db.Scanner) (p identity.ServiceProvider, err error) {
		return p, s.Scan(&p.ID, &p.Enabled, &p.Description, &p.AuthURL, &p.URL, &p.RelayStatePrefix)
	},
}

var federatedUsers = &table[identity.FederatedUser]{
	name:    "federated_users",
	columns: []string{"ref", "user_id", "idp_id", "protocol_id", "unique_id"},
	values: func(f identity.FederatedUser) []any {
		return []any{ref(f.ProviderID, f.ProtocolID, f.UniqueID), f.UserID, f.ProviderID, f.ProtocolID, f.UniqueID}
	},
	scan: func(s db.Scanner) (f identity.FederatedUser, err error) {
		var key string
		return f, s.Scan(&key, &f.UserID, &f.ProviderID, &f.ProtocolID, &f.UniqueID)
	},
}

var federatedMembers = &table[identity.FederatedMember]{
	name:    "federated_members",
	columns: []string{"ref", "user_id", "group_id", "idp_id", "expires_at"},
	values: func(m identity.FederatedMember) []any {
		return []any{ref(m.UserID, m.GroupID, m.ProviderID), m.UserID, m.GroupID, m.ProviderID, db.Micros(m.ExpiresAt)}
	},
	scan: func(s db.Scanner) (m identity.FederatedMember, err error) {
		var key string
		var expires int64
		err = s.Scan(&key, &m.UserID, &m.GroupID, &m.ProviderID, &expires)
		m.ExpiresAt = instant(expires)
		return m, err
	},
}

var directoryIDs = &table[identity.DirectoryID]{
	name:    "directory_ids",
	columns: []string{"public_id", "domain_id", "local_id", "kind", "seen_at"},
	values: func(d identity.DirectoryID) []any {
		return []any{d.PublicID, d.DomainID, d.LocalID, d.Kind, db.Micros(d.SeenAt)}
	},
	scan: func(s db.Scanner) (d identity.DirectoryID, err error) {
		var seen int64
		err = s.Scan(&d.PublicID, &d.DomainID, &d.LocalID, &d.Kind, &seen)
		d.SeenAt = instant(seen)
		return d, err
	},
}

// storedName keeps the name of a shadow out of the way of names that are reserved.
func storedName(name, id string, source identity.Source) string {
	if source.Shadow() {
		return name + separator + id
	}
	return name
}

func shownName(stored string, source identity.Source) string {
	if i := strings.LastIndex(stored, separator); source.Shadow() && i >= 0 {
		return stored[:i]
	}
	return stored
}

// addFederated reads what providers know the users by, in one query and only
// where there are such users.
func addFederated(ctx context.Context, r db.Reader, rows []identity.User) error {
	at := map[string]int{}
	var ids []string
	for i, u := range rows {
		if u.Source == identity.SourceFederated || u.Source == identity.SourceLinked {
			at[u.ID] = i
			ids = append(ids, u.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	found, err := federatedUsers.List(ctx, r, identity.Match{Column: "user_id", Op: identity.OpIn, Value: ids})
	for _, f := range found {
		u := &rows[at[f.UserID]]
		u.Federated = append(u.Federated, f)
	}
	return err
}
