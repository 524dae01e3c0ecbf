package identity

import (
	"context"

	"altostack/kernel/auth"
	"altostack/kernel/db"
)

func (s *Service) serviceProviders() kind[ServiceProvider] {
	return kind[ServiceProvider]{"Service Provider", s.tables.ServiceProviders, nil}
}

// ServiceProvider answers one service provider.
func (s *Service) ServiceProvider(ctx context.Context, scope auth.Scope, id string) (ServiceProvider, error) {
	return s.serviceProviders().get(ctx, s.db, scope, id)
}

// ServiceProviders lists service providers.
func (s *Service) ServiceProviders(ctx context.Context, scope auth.Scope, l List) ([]ServiceProvider, bool, error) {
	return s.serviceProviders().page(ctx, s.db, scope, l, nil)
}

func (p *ServiceProvider) apply(a Attrs) {
	a.flag("enabled", &p.Enabled)
	a.text("description", &p.Description)
	a.text("auth_url", &p.AuthURL)
	a.text("sp_url", &p.URL)
	a.text("relay_state_prefix", &p.RelayStatePrefix)
}

// CreateServiceProvider registers a cloud that takes this one's word. Tokens name
// those that are enabled.
func (s *Service) CreateServiceProvider(ctx context.Context, scope auth.Scope, id string, a Attrs) (ServiceProvider, error) {
	p := ServiceProvider{ID: id, RelayStatePrefix: "ss:mem:"}
	if err := cmpErr(scope.Check(scope.Rule, nil), goodID("service_provider_id", id)); err != nil {
		return p, err
	}
	p.apply(a)
	return p, s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		e.touched(keyCatalog)
		return s.serviceProviders().insert(ctx, tx, p, "ID "+id)
	})
}

// UpdateServiceProvider changes a service provider.
func (s *Service) UpdateServiceProvider(ctx context.Context, scope auth.Scope, id string, a Attrs) (p ServiceProvider, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		if p, err = s.serviceProviders().get(ctx, tx, scope, id); err != nil {
			return err
		}
		p.apply(cloned(a))
		e.touched(keyCatalog)
		return s.tables.ServiceProviders.Save(ctx, tx, p)
	})
	return p, err
}

// DeleteServiceProvider removes a service provider.
func (s *Service) DeleteServiceProvider(ctx context.Context, scope auth.Scope, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		if _, err := s.serviceProviders().get(ctx, tx, scope, id); err != nil {
			return err
		}
		e.touched(keyCatalog)
		_, err := s.tables.ServiceProviders.Remove(ctx, tx, Is("id", id))
		return err
	})
}
