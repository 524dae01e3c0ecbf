package identity

import (
	"context"
	"slices"
	"strings"

	"altostack/identity/mapping"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

func (s *Service) providers() kind[IdentityProvider] {
	return kind[IdentityProvider]{"Identity Provider", s.tables.IdentityProviders, nil}
}

// IdentityProvider answers one identity provider.
func (s *Service) IdentityProvider(ctx context.Context, scope auth.Scope, id string) (IdentityProvider, error) {
	return s.providers().get(ctx, s.db, scope, id)
}

// IdentityProviders lists identity providers.
func (s *Service) IdentityProviders(ctx context.Context, scope auth.Scope, l List) ([]IdentityProvider, bool, error) {
	return s.providers().page(ctx, s.db, scope, l, nil)
}

func (p *IdentityProvider) apply(a Attrs) {
	a.flag("enabled", &p.Enabled)
	a.text("description", &p.Description)
	a.texts("remote_ids", &p.RemoteIDs)
	if v, has := a["authorization_ttl"]; has && v == nil {
		p.AuthorizationTTL = -1
		delete(a, "authorization_ttl")
	}
	a.number("authorization_ttl", &p.AuthorizationTTL)
	slices.Sort(p.RemoteIDs)
}

func conflict(kind, format string, args ...any) error {
	args = append([]any{kind}, args...)
	return fault.New(fault.CodeIdentityDuplicate, "Conflict occurred attempting to store %s - "+format+".", args...)
}

// goodID refuses ids that could not stand in a key.
func goodID(what, id string) error {
	if id == "" || len(id) > 64 || strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return invalid(what, "Invalid input for field/attribute %s. An id has 1 to 64 characters and none that control a terminal.", what)
	}
	return nil
}

// CreateIdentityProvider registers a provider; one without a domain gets its own.
func (s *Service) CreateIdentityProvider(ctx context.Context, scope auth.Scope, id string, a Attrs) (IdentityProvider, error) {
	p := IdentityProvider{ID: id, AuthorizationTTL: -1}
	if err := cmpErr(scope.Check(scope.Rule, nil), goodID("idp_id", id)); err != nil {
		return p, err
	}
	a.text("domain_id", &p.DomainID)
	p.apply(a)
	own := Project{ID: s.ids.Hex(), IsDomain: true, Enabled: true, Description: "Auto generated federated domain for Identity Provider: " + id}
	err := s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		if _, taken, err := s.tables.IdentityProviders.Get(ctx, tx, id); err != nil || taken {
			return cmpErr(err, conflict("identity_provider", "Duplicate entry: %s", id))
		}
		if err := s.freeRemotes(ctx, tx, p); err != nil {
			return err
		}
		p := p
		if p.DomainID != "" {
			if err := s.needDomain(ctx, tx, p.DomainID); err != nil {
				return err
			}
		} else {
			own.Name, p.DomainID = own.ID, own.ID
			if err := s.tables.Projects.Insert(ctx, tx, own); err != nil {
				return err
			}
		}
		return s.tables.IdentityProviders.Insert(ctx, tx, p)
	})
	if p.DomainID == "" {
		p.DomainID = own.ID
	}
	return p, err
}

// freeRemotes refuses remote ids that another provider has.
func (s *Service) freeRemotes(ctx context.Context, r db.Reader, p IdentityProvider) error {
	owners, err := s.store.RemoteOwners(ctx, r, p.RemoteIDs)
	if err != nil {
		return err
	}
	for _, remote := range p.RemoteIDs {
		if owner := owners[remote]; owner != "" && owner != p.ID {
			return conflict("identity_provider", "Duplicate remote ID: %s", remote)
		}
	}
	return nil
}

// UpdateIdentityProvider changes a provider. Once it is disabled none of its users
// is anybody.
func (s *Service) UpdateIdentityProvider(ctx context.Context, scope auth.Scope, id string, a Attrs) (p IdentityProvider, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		if p, err = s.providers().get(ctx, tx, scope, id); err != nil {
			return err
		}
		was := p.Enabled
		p.apply(cloned(a))
		if err := s.freeRemotes(ctx, tx, p); err != nil {
			return err
		}
		e.touched(providerKey(id))
		if was && !p.Enabled {
			e.revoked(providerKey(id))
		}
		return s.tables.IdentityProviders.Save(ctx, tx, p)
	})
	return p, err
}

// DeleteIdentityProvider removes a provider with its protocols and those users
// whom only it knows.
func (s *Service) DeleteIdentityProvider(ctx context.Context, scope auth.Scope, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		if _, err := s.providers().get(ctx, tx, scope, id); err != nil {
			return err
		}
		return s.removeProvider(ctx, tx, e, id)
	})
}

func (s *Service) removeProvider(ctx context.Context, tx *db.Tx, e *effects, id string) error {
	if err := s.removeKnown(ctx, tx, e, Is("idp_id", id)); err != nil {
		return err
	}
	if _, err := s.tables.FederatedMembers.Remove(ctx, tx, Is("idp_id", id)); err != nil {
		return err
	}
	e.revoked(providerKey(id))
	_, err := s.tables.IdentityProviders.Remove(ctx, tx, Is("id", id)) // protocols and remote ids follow
	return err
}

// removeProvidersOf is for a domain that goes.
func (s *Service) removeProvidersOf(ctx context.Context, tx *db.Tx, e *effects, domainID string) error {
	rows, err := s.tables.IdentityProviders.List(ctx, tx, Is("domain_id", domainID))
	if err != nil {
		return err
	}
	for _, p := range rows {
		if err := s.removeProvider(ctx, tx, e, p.ID); err != nil {
			return err
		}
	}
	return nil
}

// removeKnown takes away what providers know users by, and the users who are then
// known by nobody.
func (s *Service) removeKnown(ctx context.Context, tx *db.Tx, e *effects, match ...Match) error {
	rows, err := s.tables.FederatedUsers.List(ctx, tx, match...)
	if err != nil || len(rows) == 0 {
		return err
	}
	if _, err := s.tables.FederatedUsers.Remove(ctx, tx, match...); err != nil {
		return err
	}
	for _, f := range rows {
		u, found, err := s.tables.Users.Get(ctx, tx, f.UserID)
		if err != nil {
			return err
		}
		switch {
		case !found || len(u.Federated) > 0:
			e.touched(userKey(f.UserID))
		case u.Source == SourceFederated:
			err = s.removeUser(ctx, tx, e, u.ID)
		default:
			u.Source = SourceHere
			e.touched(userKey(u.ID))
			err = s.tables.Users.Save(ctx, tx, u)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func protocolNotFound(provider, id string) error {
	return fault.New(fault.CodeIdentityNotFound, "Could not find federated protocol %s for Identity Provider: %s.", id, provider)
}

func protocolRef(provider, id string) string { return provider + Separator + id }

// Protocol answers one protocol of a provider.
func (s *Service) Protocol(ctx context.Context, scope auth.Scope, provider, id string) (Protocol, error) {
	return s.protocol(ctx, s.db, scope, provider, id)
}

func (s *Service) protocol(ctx context.Context, r db.Reader, scope auth.Scope, provider, id string) (Protocol, error) {
	if err := scope.Check(scope.Rule, nil); err != nil {
		return Protocol{}, err
	}
	p, found, err := s.tables.Protocols.Get(ctx, r, protocolRef(provider, id))
	if err == nil && !found {
		err = protocolNotFound(provider, id)
	}
	return p, err
}

// Protocols lists the protocols of a provider.
func (s *Service) Protocols(ctx context.Context, scope auth.Scope, provider string) ([]Protocol, error) {
	if err := scope.Check(scope.Rule, nil); err != nil {
		return nil, err
	}
	return s.tables.Protocols.List(ctx, s.db, Is("idp_id", provider))
}

func (s *Service) needMapping(ctx context.Context, r db.Reader, id string) error {
	_, found, err := s.tables.Mappings.Get(ctx, r, id)
	if err == nil && !found {
		err = invalid("mapping_id", "Invalid mapping id: %s", id)
	}
	return err
}

// CreateProtocol ties a protocol of a provider to a mapping.
func (s *Service) CreateProtocol(ctx context.Context, scope auth.Scope, provider, id string, a Attrs) (Protocol, error) {
	p := Protocol{ProviderID: provider, ID: id}
	if err := cmpErr(scope.Check(scope.Rule, nil), goodID("protocol_id", id)); err != nil {
		return p, err
	}
	a.text("mapping_id", &p.MappingID)
	a.text("remote_id_attribute", &p.RemoteIDAttribute)
	return p, s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		if err := s.needMapping(ctx, tx, p.MappingID); err != nil {
			return err
		}
		if _, err := s.providers().get(ctx, tx, scope, provider); err != nil {
			return err
		}
		err := s.tables.Protocols.Insert(ctx, tx, p)
		if db.IsUnique(err) {
			err = conflict("federation_protocol", "Duplicate entry found with ID %s", id)
		}
		return err
	})
}

// UpdateProtocol changes the mapping of a protocol.
func (s *Service) UpdateProtocol(ctx context.Context, scope auth.Scope, provider, id string, a Attrs) (p Protocol, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		if p, err = s.protocol(ctx, tx, scope, provider, id); err != nil {
			return err
		}
		a := cloned(a)
		a.text("mapping_id", &p.MappingID)
		a.text("remote_id_attribute", &p.RemoteIDAttribute)
		if err := s.needMapping(ctx, tx, p.MappingID); err != nil {
			return err
		}
		return s.tables.Protocols.Save(ctx, tx, p)
	})
	return p, err
}

// DeleteProtocol removes a protocol and those users whom only it knows.
func (s *Service) DeleteProtocol(ctx context.Context, scope auth.Scope, provider, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		if _, err := s.protocol(ctx, tx, scope, provider, id); err != nil {
			return err
		}
		if err := s.removeKnown(ctx, tx, e, Is("idp_id", provider), Is("protocol_id", id)); err != nil {
			return err
		}
		e.touched(providerKey(provider))
		_, err := s.tables.Protocols.Remove(ctx, tx, Is("ref", protocolRef(provider, id)))
		return err
	})
}

func (s *Service) mappings() kind[FederationMapping] {
	return kind[FederationMapping]{"mapping", s.tables.Mappings, nil}
}

// FederationMapping answers one mapping.
func (s *Service) FederationMapping(ctx context.Context, scope auth.Scope, id string) (FederationMapping, error) {
	return s.mappings().get(ctx, s.db, scope, id)
}

// FederationMappings lists mappings.
func (s *Service) FederationMappings(ctx context.Context, scope auth.Scope, l List) ([]FederationMapping, bool, error) {
	return s.mappings().page(ctx, s.db, scope, l, nil)
}

// readMapping takes rules from a request and refuses those that could not apply.
func readMapping(id string, a Attrs) (FederationMapping, error) {
	m := FederationMapping{ID: id, SchemaVersion: mapping.Version1}
	if v, has := a["schema_version"]; has && v != nil && v != "" {
		text, ok := v.(string)
		if !ok {
			return m, invalid("schema_version", "%v is not of type 'string'", v)
		}
		m.SchemaVersion = text
	}
	rules, has := a["rules"]
	if !has {
		return m, invalid("rules", "'rules' is a required property")
	}
	m.Rules = rules
	if _, err := m.parsed(); err != nil {
		return m, fault.Because(err, fault.CodeIdentityInvalid, "%s", err.Error()).WithField("rules")
	}
	return m, nil
}

// CreateFederationMapping keeps a set of rules.
func (s *Service) CreateFederationMapping(ctx context.Context, scope auth.Scope, id string, a Attrs) (FederationMapping, error) {
	if err := cmpErr(scope.Check(scope.Rule, nil), goodID("mapping_id", id)); err != nil {
		return FederationMapping{}, err
	}
	m, err := readMapping(id, a)
	if err != nil {
		return m, err
	}
	return m, s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		return s.mappings().insert(ctx, tx, m, "ID "+id)
	})
}

// UpdateFederationMapping replaces the rules; who is logged in stays so.
func (s *Service) UpdateFederationMapping(ctx context.Context, scope auth.Scope, id string, a Attrs) (m FederationMapping, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		if _, err := s.mappings().get(ctx, tx, scope, id); err != nil {
			return err
		}
		if m, err = readMapping(id, a); err != nil {
			return err
		}
		return s.tables.Mappings.Save(ctx, tx, m)
	})
	return m, err
}

// DeleteFederationMapping removes a set of rules; nobody logs in by them any more.
func (s *Service) DeleteFederationMapping(ctx context.Context, scope auth.Scope, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		if _, err := s.mappings().get(ctx, tx, scope, id); err != nil {
			return err
		}
		_, err := s.tables.Mappings.Remove(ctx, tx, Is("id", id))
		return err
	})
}
