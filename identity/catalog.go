package identity

import (
	"context"
	"strings"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

func (s *Service) regions() kind[Region] { return kind[Region]{"region", s.tables.Regions, nil} }
func (s *Service) services() kind[CatalogService] {
	return kind[CatalogService]{"service", s.tables.Services, nil}
}
func (s *Service) endpoints() kind[Endpoint] {
	return kind[Endpoint]{"endpoint", s.tables.Endpoints, nil}
}

// catalog is the catalog as it is stored, read once until it changes.
type catalog struct {
	away      []ServiceProvider // enabled ones
	services  []CatalogService
	endpoints map[string][]Endpoint // by service
	filter    *filtering
	texts     *catalogTexts
}

// CatalogEntry is a service with the addresses that one scope may use.
type CatalogEntry struct {
	CatalogService
	Endpoints []Endpoint
}

// Catalog answers the enabled services with their addresses for a project and
// user. Addresses that need a project are left out where there is none; a project
// that endpoints were given to sees those only.
func (s *Service) Catalog(ctx context.Context, projectID, userID string) ([]CatalogEntry, error) {
	if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	c, err := s.stored(ctx)
	if err != nil {
		return nil, err
	}
	endpoints, filtered := c.endpoints, false
	if seen := c.filter.seen(projectID, c.endpoints); projectID != "" && seen != nil {
		endpoints, filtered = seen, true
	}
	out := make([]CatalogEntry, 0, len(c.services))
	for _, v := range c.services {
		if !v.Enabled {
			continue
		}
		e := CatalogEntry{CatalogService: v, Endpoints: []Endpoint{}}
		for _, at := range endpoints[v.ID] {
			if url, ok := address(at.URL, projectID, userID); at.Enabled && ok {
				at.URL = url
				e.Endpoints = append(e.Endpoints, at)
			}
		}
		if !filtered || len(e.Endpoints) > 0 { // as Keystone: only a filter hides what has no address
			out = append(out, e)
		}
	}
	return out, nil
}

func (s *Service) stored(ctx context.Context) (*catalog, error) {
	s.memoMu.Lock()
	c := s.catalog
	s.memoMu.Unlock()
	if c != nil {
		return c, nil
	}
	before := s.revision.Load()
	services, err := s.tables.Services.List(ctx, s.db)
	if err != nil {
		return nil, err
	}
	endpoints, err := s.tables.Endpoints.List(ctx, s.db)
	if err != nil {
		return nil, err
	}
	filter, err := s.filtering(ctx, s.db)
	if err != nil {
		return nil, err
	}
	c = &catalog{services: services, endpoints: map[string][]Endpoint{}, filter: filter}
	for _, e := range endpoints {
		c.endpoints[e.ServiceID] = append(c.endpoints[e.ServiceID], e)
	}
	if c.away, err = s.tables.ServiceProviders.List(ctx, s.db, Is("enabled", true)); err != nil {
		return nil, err
	}
	c.texts = newCatalogTexts(c.endpoints)
	s.memoMu.Lock()
	if s.revision.Load() == before {
		s.catalog = c
	}
	s.memoMu.Unlock()
	return c, nil
}

// address fills the placeholders of an endpoint's URL; ok is false for one that
// cannot be filled.
func address(url, projectID, userID string) (string, bool) {
	if !strings.ContainsAny(url, "$%") {
		return url, true
	}
	for _, open := range []string{"$(", "%("} {
		for _, name := range []string{"project_id", "tenant_id"} {
			mark := open + name + ")s"
			if projectID == "" && strings.Contains(url, mark) {
				return "", false
			}
			url = strings.ReplaceAll(url, mark, projectID)
		}
		url = strings.ReplaceAll(url, open+"user_id)s", userID)
		if strings.Contains(url, open) {
			return "", false
		}
	}
	return url, true
}

// Regions lists regions.
func (s *Service) Regions(ctx context.Context, scope auth.Scope, l List) ([]Region, bool, error) {
	return s.regions().page(ctx, s.db, scope, l, nil)
}

// Region answers one region.
func (s *Service) Region(ctx context.Context, scope auth.Scope, id string) (Region, error) {
	return s.regions().get(ctx, s.db, scope, id)
}

func (r *Region) apply(a Attrs) {
	a.text("description", &r.Description)
	a.text("parent_region_id", &r.ParentID)
	a.rest(&r.Extra)
}

// CreateRegion makes a region.
func (s *Service) CreateRegion(ctx context.Context, scope auth.Scope, a Attrs) (Region, error) {
	return s.PutRegion(ctx, scope, "", a)
}

// PutRegion makes a region whose id is the client's choice; with an empty id, the
// attributes may name one.
func (s *Service) PutRegion(ctx context.Context, scope auth.Scope, id string, a Attrs) (Region, error) {
	if err := scope.Check(scope.Rule, nil); err != nil {
		return Region{}, err
	}
	r := Region{ID: id}
	if body, has := a["id"].(string); has && body != "" {
		if id != "" && body != id {
			return r, invalid("id", "Conflicting region IDs specified: \"%s\" != \"%s\"", id, body)
		}
		r.ID = body
	}
	if r.ID == "" {
		r.ID = s.ids.Hex()
	}
	r.apply(a)
	err := s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		if err := s.checkParent(ctx, tx, r); err != nil {
			return err
		}
		e.touched(keyCatalog)
		err := s.tables.Regions.Insert(ctx, tx, r)
		if db.IsUnique(err) {
			err = fault.New(fault.CodeIdentityDuplicate, "Conflict occurred attempting to store region - Duplicate ID, %s.", r.ID)
		}
		return err
	})
	return r, err
}

func (s *Service) checkParent(ctx context.Context, r db.Reader, v Region) error {
	for id := v.ParentID; id != ""; {
		if id == v.ID {
			return invalid("parent_region_id", "The specified parent region %s would create a circular region hierarchy.", v.ParentID)
		}
		parent, found, err := s.tables.Regions.Get(ctx, r, id)
		if err != nil {
			return err
		}
		if !found {
			return notFound("region", id)
		}
		id = parent.ParentID
	}
	return nil
}

// UpdateRegion changes a region.
func (s *Service) UpdateRegion(ctx context.Context, scope auth.Scope, id string, a Attrs) (r Region, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		e.touched(keyCatalog)
		r, err = s.regions().change(ctx, tx, scope, id, func(r *Region) error {
			r.apply(cloned(a))
			return s.checkParent(ctx, tx, *r)
		})
		return err
	})
	return r, err
}

// DeleteRegion removes a region and those below it, if no endpoint is in them.
func (s *Service) DeleteRegion(ctx context.Context, scope auth.Scope, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		if _, err := s.regions().get(ctx, tx, scope, id); err != nil {
			return err
		}
		all, err := s.tables.Regions.List(ctx, tx)
		if err != nil {
			return err
		}
		doomed := []string{id}
		for i := 0; i < len(doomed); i++ {
			for _, r := range all {
				if r.ParentID == doomed[i] {
					doomed = append(doomed, r.ID)
				}
			}
		}
		used, err := s.tables.Endpoints.List(ctx, tx, Match{Column: "region_id", Op: OpIn, Value: doomed})
		if err != nil {
			return err
		}
		if len(used) > 0 {
			return fault.New(fault.CodeIdentityInUse, "Unable to delete region %s because it or its child regions have associated endpoints.", id)
		}
		e.touched(keyCatalog)
		if _, err := s.tables.PolicyAssociations.Remove(ctx, tx, Match{Column: "region_id", Op: OpIn, Value: doomed}); err != nil {
			return err
		}
		_, err = s.tables.Regions.Remove(ctx, tx, Match{Column: "id", Op: OpIn, Value: doomed})
		return err
	})
}

// CatalogServices lists the catalog's services.
func (s *Service) CatalogServices(ctx context.Context, scope auth.Scope, l List) ([]CatalogService, bool, error) {
	return s.services().page(ctx, s.db, scope, l, nil)
}

// CatalogService answers one service of the catalog.
func (s *Service) CatalogService(ctx context.Context, scope auth.Scope, id string) (CatalogService, error) {
	return s.services().get(ctx, s.db, scope, id)
}

func (v *CatalogService) apply(a Attrs) {
	a.text("type", &v.Type)
	a.text("name", &v.Name)
	a.flag("enabled", &v.Enabled)
	a.text("description", &v.Description)
	a.rest(&v.Extra)
}

// CreateCatalogService adds a service to the catalog.
func (s *Service) CreateCatalogService(ctx context.Context, scope auth.Scope, a Attrs) (CatalogService, error) {
	if err := scope.Check(scope.Rule, nil); err != nil {
		return CatalogService{}, err
	}
	v := CatalogService{ID: s.ids.Hex(), Enabled: true}
	v.apply(a)
	err := s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		e.touched(keyCatalog)
		return s.tables.Services.Insert(ctx, tx, v)
	})
	return v, err
}

// UpdateCatalogService changes a service of the catalog.
func (s *Service) UpdateCatalogService(ctx context.Context, scope auth.Scope, id string, a Attrs) (v CatalogService, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		e.touched(keyCatalog)
		v, err = s.services().change(ctx, tx, scope, id, func(v *CatalogService) error { v.apply(cloned(a)); return nil })
		return err
	})
	return v, err
}

// DeleteCatalogService removes a service with its endpoints.
func (s *Service) DeleteCatalogService(ctx context.Context, scope auth.Scope, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		if _, err := s.services().get(ctx, tx, scope, id); err != nil {
			return err
		}
		if err := s.forgetService(ctx, tx, id); err != nil {
			return err
		}
		e.touched(keyCatalog)
		return s.services().remove(ctx, tx, scope, id) // endpoints follow
	})
}

// Endpoints lists endpoints.
func (s *Service) Endpoints(ctx context.Context, scope auth.Scope, l List) ([]Endpoint, bool, error) {
	return s.endpoints().page(ctx, s.db, scope, l, nil)
}

// Endpoint answers one endpoint.
func (s *Service) Endpoint(ctx context.Context, scope auth.Scope, id string) (Endpoint, error) {
	return s.endpoints().get(ctx, s.db, scope, id)
}

func (e *Endpoint) apply(a Attrs) {
	a.text("service_id", &e.ServiceID)
	a.text("region", &e.RegionID)
	a.text("region_id", &e.RegionID)
	a.text("interface", &e.Interface)
	a.text("url", &e.URL)
	a.flag("enabled", &e.Enabled)
	a.rest(&e.Extra)
}

// checkEndpoint wants its service, and its region where one is named by id; a
// region by its older name is made on the way.
func (s *Service) checkEndpoint(ctx context.Context, tx *db.Tx, e Endpoint, makeRegion bool) error {
	if _, found, err := s.tables.Services.Get(ctx, tx, e.ServiceID); err != nil || !found {
		return cmpErr(err, invalid("service_id", "Could not find service: %s.", e.ServiceID))
	}
	if _, ok := address(e.URL, "p", "u"); !ok {
		return invalid("url", "Malformed endpoint URL (%s), see ERROR log for details.", e.URL)
	}
	if e.RegionID == "" {
		return nil
	}
	_, found, err := s.tables.Regions.Get(ctx, tx, e.RegionID)
	switch {
	case err != nil || found:
		return err
	case makeRegion:
		return s.tables.Regions.Insert(ctx, tx, Region{ID: e.RegionID})
	}
	return invalid("region_id", "Could not find region: %s.", e.RegionID)
}

// CreateEndpoint adds an address to a service.
func (s *Service) CreateEndpoint(ctx context.Context, scope auth.Scope, a Attrs) (Endpoint, error) {
	if err := scope.Check(scope.Rule, nil); err != nil {
		return Endpoint{}, err
	}
	_, byName := a["region"]
	v := Endpoint{ID: s.ids.Hex(), Enabled: true}
	v.apply(a)
	err := s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		if err := s.checkEndpoint(ctx, tx, v, byName); err != nil {
			return err
		}
		e.touched(keyCatalog)
		return s.tables.Endpoints.Insert(ctx, tx, v)
	})
	return v, err
}

// UpdateEndpoint changes an address.
func (s *Service) UpdateEndpoint(ctx context.Context, scope auth.Scope, id string, a Attrs) (v Endpoint, err error) {
	_, byName := a["region"]
	err = s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		e.touched(keyCatalog)
		v, err = s.endpoints().change(ctx, tx, scope, id, func(v *Endpoint) error {
			v.apply(cloned(a))
			return s.checkEndpoint(ctx, tx, *v, byName)
		})
		return err
	})
	return v, err
}

// DeleteEndpoint removes an address.
func (s *Service) DeleteEndpoint(ctx context.Context, scope auth.Scope, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		if err := s.endpoints().remove(ctx, tx, scope, id); err != nil {
			return err
		}
		e.touched(keyCatalog)
		_, err := s.tables.PolicyAssociations.Remove(ctx, tx, Is("endpoint_id", id))
		return err
	})
}
