package identity

import (
	"context"
	"slices"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// EndpointGroup is all endpoints whose attributes are as Filters say; known are
// service_id, region_id and interface.
type EndpointGroup struct {
	ID, Name, Description string
	Filters               map[string]string
}

// ProjectEndpoint lets a project see an endpoint, and none but those so named.
type ProjectEndpoint struct{ ProjectID, EndpointID string }

// ProjectEndpointGroup does the same for all endpoints of a group.
type ProjectEndpointGroup struct{ ProjectID, GroupID string }

func (g EndpointGroup) holds(e Endpoint) bool {
	has := map[string]string{"service_id": e.ServiceID, "region_id": e.RegionID, "interface": e.Interface}
	for name, want := range g.Filters {
		if has[name] != want {
			return false
		}
	}
	return true
}

// filtering is which endpoints which projects see, as it is stored.
type filtering struct {
	groups    map[string]EndpointGroup
	endpoints map[string][]string // by project
	byGroup   map[string][]string // ids of groups, by project
}

func (s *Service) filtering(ctx context.Context, r db.Reader, match ...Match) (*filtering, error) {
	f := &filtering{groups: map[string]EndpointGroup{}, endpoints: map[string][]string{}, byGroup: map[string][]string{}}
	groups, err := s.tables.EndpointGroups.List(ctx, r)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		f.groups[g.ID] = g
	}
	endpoints, err := s.tables.ProjectEndpoints.List(ctx, r, match...)
	if err != nil {
		return nil, err
	}
	for _, v := range endpoints {
		f.endpoints[v.ProjectID] = append(f.endpoints[v.ProjectID], v.EndpointID)
	}
	memberships, err := s.tables.ProjectEndpointGroups.List(ctx, r, match...)
	for _, v := range memberships {
		f.byGroup[v.ProjectID] = append(f.byGroup[v.ProjectID], v.GroupID)
	}
	return f, err
}

// shows tells whether an endpoint is among those named for a project.
func (f *filtering) shows(projectID string, e Endpoint) bool {
	return slices.Contains(f.endpoints[projectID], e.ID) ||
		slices.ContainsFunc(f.byGroup[projectID], func(id string) bool { return f.groups[id].holds(e) })
}

// seen answers the endpoints that a project sees, by service; nil if none are
// named for it, so that it sees all.
func (f *filtering) seen(projectID string, all map[string][]Endpoint) map[string][]Endpoint {
	if len(f.endpoints[projectID])+len(f.byGroup[projectID]) == 0 {
		return nil
	}
	out := map[string][]Endpoint{}
	for service, endpoints := range all {
		for _, e := range endpoints {
			if f.shows(projectID, e) {
				out[service] = append(out[service], e)
			}
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func (s *Service) endpointGroups() kind[EndpointGroup] {
	return kind[EndpointGroup]{"endpoint group", s.tables.EndpointGroups, nil}
}

// EndpointGroups lists groups of endpoints.
func (s *Service) EndpointGroups(ctx context.Context, scope auth.Scope, l List) ([]EndpointGroup, bool, error) {
	return s.endpointGroups().page(ctx, s.db, scope, l, nil)
}

// EndpointGroup answers one group of endpoints.
func (s *Service) EndpointGroup(ctx context.Context, scope auth.Scope, id string) (EndpointGroup, error) {
	return s.endpointGroups().get(ctx, s.db, scope, id)
}

func (g *EndpointGroup) apply(a Attrs) error {
	a.text("name", &g.Name)
	a.text("description", &g.Description)
	filters, given := a["filters"].(map[string]any)
	if !given {
		return nil
	}
	g.Filters = map[string]string{}
	for name, value := range filters {
		text, isText := value.(string)
		if !isText || !slices.Contains([]string{"service_id", "region_id", "interface"}, name) {
			return invalid("filters", "Expecting to find service_id or region_id or interface in endpoint_group. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.")
		}
		g.Filters[name] = text
	}
	return nil
}

// CreateEndpointGroup makes a group of endpoints.
func (s *Service) CreateEndpointGroup(ctx context.Context, scope auth.Scope, a Attrs) (EndpointGroup, error) {
	g := EndpointGroup{ID: s.ids.Hex()}
	if err := scope.Check(scope.Rule, nil); err != nil {
		return g, err
	}
	if err := g.apply(a); err != nil {
		return g, err
	}
	if len(g.Filters) == 0 {
		return g, invalid("filters", "filters field is required and cannot be empty")
	}
	return g, s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		return s.tables.EndpointGroups.Insert(ctx, tx, g)
	})
}

// UpdateEndpointGroup changes a group, and with it what its projects see.
func (s *Service) UpdateEndpointGroup(ctx context.Context, scope auth.Scope, id string, a Attrs) (g EndpointGroup, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		e.touched(keyCatalog)
		g, err = s.endpointGroups().change(ctx, tx, scope, id, func(g *EndpointGroup) error { return g.apply(cloned(a)) })
		return err
	})
	return g, err
}

// DeleteEndpointGroup removes a group, also from the projects that have it.
func (s *Service) DeleteEndpointGroup(ctx context.Context, scope auth.Scope, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		e.touched(keyCatalog)
		return s.endpointGroups().remove(ctx, tx, scope, id)
	})
}

// EndpointsOfGroup answers the endpoints that are as a group's filters say.
func (s *Service) EndpointsOfGroup(ctx context.Context, scope auth.Scope, id string) ([]Endpoint, error) {
	g, err := s.endpointGroups().get(ctx, s.db, scope, id)
	if err != nil {
		return nil, err
	}
	all, err := s.tables.Endpoints.List(ctx, s.db)
	return slices.DeleteFunc(all, func(e Endpoint) bool { return !g.holds(e) }), err
}

// ProjectsOfGroup answers the projects that a group of endpoints was given to.
func (s *Service) ProjectsOfGroup(ctx context.Context, scope auth.Scope, id string) ([]Project, error) {
	if _, err := s.endpointGroups().get(ctx, s.db, scope, id); err != nil {
		return nil, err
	}
	rows, err := s.tables.ProjectEndpointGroups.List(ctx, s.db, Is("endpoint_group_id", id))
	if err != nil {
		return nil, err
	}
	ids := map[string]bool{}
	for _, v := range rows {
		ids[v.ProjectID] = true
	}
	return s.tables.Projects.List(ctx, s.db, anyOf(ids))
}

// ProjectsOfEndpoint answers the projects that an endpoint was given to.
func (s *Service) ProjectsOfEndpoint(ctx context.Context, scope auth.Scope, id string) ([]Project, error) {
	if _, err := s.endpoints().get(ctx, s.db, scope, id); err != nil {
		return nil, err
	}
	rows, err := s.tables.ProjectEndpoints.List(ctx, s.db, Is("endpoint_id", id))
	if err != nil {
		return nil, err
	}
	ids := map[string]bool{}
	for _, v := range rows {
		ids[v.ProjectID] = true
	}
	return s.tables.Projects.List(ctx, s.db, anyOf(ids))
}

// EndpointsOfProject answers the endpoints given to a project, one by one or by
// group.
func (s *Service) EndpointsOfProject(ctx context.Context, scope auth.Scope, projectID string) ([]Endpoint, error) {
	if err := s.needProject(ctx, s.db, scope, projectID); err != nil {
		return nil, err
	}
	f, err := s.filtering(ctx, s.db, Is("project_id", projectID))
	if err != nil {
		return nil, err
	}
	all, err := s.tables.Endpoints.List(ctx, s.db)
	return slices.DeleteFunc(all, func(e Endpoint) bool { return !f.shows(projectID, e) }), err
}

// EndpointGroupsOfProject answers the groups given to a project.
func (s *Service) EndpointGroupsOfProject(ctx context.Context, scope auth.Scope, projectID string) ([]EndpointGroup, error) {
	if err := s.needProject(ctx, s.db, scope, projectID); err != nil {
		return nil, err
	}
	rows, err := s.tables.ProjectEndpointGroups.List(ctx, s.db, Is("project_id", projectID))
	if err != nil {
		return nil, err
	}
	ids := map[string]bool{}
	for _, v := range rows {
		ids[v.GroupID] = true
	}
	return s.tables.EndpointGroups.List(ctx, s.db, anyOf(ids))
}

// needProject decides the rule, and wants the project.
func (s *Service) needProject(ctx context.Context, r db.Reader, scope auth.Scope, id string) error {
	if err := scope.Check(scope.Rule, nil); err != nil {
		return err
	}
	_, found, err := s.tables.Projects.Get(ctx, r, id)
	if err == nil && !found {
		err = notFound("project", id)
	}
	return err
}

// pair ties a project to an endpoint, or to a group of them.
type pair[T any] struct {
	noun   string // of the conflict
	table  Table[T]
	column string
	make   func(project, other string) T
	exists func(ctx context.Context, r db.Reader, id string) error
	absent func(project, other string) error
}

func (p pair[T]) match(project, other string) []Match {
	return []Match{Is("project_id", project), Is(p.column, other)}
}

func (s *Service) endpointPairs() pair[ProjectEndpoint] {
	return pair[ProjectEndpoint]{
		noun: "project_endpoint", table: s.tables.ProjectEndpoints, column: "endpoint_id", exists: s.endpoints().need,
		make: func(project, other string) ProjectEndpoint { return ProjectEndpoint{project, other} },
		absent: func(project, other string) error {
			return fault.New(fault.CodeIdentityNotFound, "Endpoint %s not found in project %s", other, project)
		},
	}
}

func (s *Service) groupPairs() pair[ProjectEndpointGroup] {
	return pair[ProjectEndpointGroup]{
		noun: "project_endpoint_group", table: s.tables.ProjectEndpointGroups, column: "endpoint_group_id", exists: s.endpointGroups().need,
		make: func(project, other string) ProjectEndpointGroup { return ProjectEndpointGroup{project, other} },
		absent: func(string, string) error {
			return fault.New(fault.CodeIdentityNotFound, "Endpoint Group Project Association not found")
		},
	}
}

// check wants the pair.
func check[T any](ctx context.Context, s *Service, r db.Reader, scope auth.Scope, p pair[T], project, other string) error {
	if err := s.needProject(ctx, r, scope, project); err != nil {
		return err
	}
	if err := p.exists(ctx, r, other); err != nil {
		return err
	}
	rows, err := p.table.List(ctx, r, p.match(project, other)...)
	if err == nil && len(rows) == 0 {
		err = p.absent(project, other)
	}
	return err
}

func add[T any](ctx context.Context, s *Service, scope auth.Scope, p pair[T], project, other string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		if err := s.needProject(ctx, tx, scope, project); err != nil {
			return err
		}
		if err := p.exists(ctx, tx, other); err != nil {
			return err
		}
		e.touched(keyCatalog)
		err := p.table.Insert(ctx, tx, p.make(project, other))
		if db.IsUnique(err) {
			err = fault.New(fault.CodeIdentityDuplicate, "Conflict occurred attempting to store %s - Duplicate entry.", p.noun)
		}
		return err
	})
}

func drop[T any](ctx context.Context, s *Service, scope auth.Scope, p pair[T], project, other string) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		if err := check(ctx, s, tx, scope, p, project, other); err != nil {
			return err
		}
		e.touched(keyCatalog)
		_, err := p.table.Remove(ctx, tx, p.match(project, other)...)
		return err
	})
}

// CheckEndpoint wants an endpoint to be given to a project.
func (s *Service) CheckEndpoint(ctx context.Context, scope auth.Scope, projectID, endpointID string) error {
	return check(ctx, s, s.db, scope, s.endpointPairs(), projectID, endpointID)
}

// GiveEndpoint gives an endpoint to a project, which from then on sees none but
// those given.
func (s *Service) GiveEndpoint(ctx context.Context, scope auth.Scope, projectID, endpointID string) error {
	return add(ctx, s, scope, s.endpointPairs(), projectID, endpointID)
}

// TakeEndpoint takes an endpoint from a project.
func (s *Service) TakeEndpoint(ctx context.Context, scope auth.Scope, projectID, endpointID string) error {
	return drop(ctx, s, scope, s.endpointPairs(), projectID, endpointID)
}

// CheckEndpointGroup wants a group to be given to a project.
func (s *Service) CheckEndpointGroup(ctx context.Context, scope auth.Scope, projectID, groupID string) error {
	return check(ctx, s, s.db, scope, s.groupPairs(), projectID, groupID)
}

// GiveEndpointGroup gives all endpoints of a group to a project.
func (s *Service) GiveEndpointGroup(ctx context.Context, scope auth.Scope, projectID, groupID string) error {
	return add(ctx, s, scope, s.groupPairs(), projectID, groupID)
}

// TakeEndpointGroup takes a group from a project.
func (s *Service) TakeEndpointGroup(ctx context.Context, scope auth.Scope, projectID, groupID string) error {
	return drop(ctx, s, scope, s.groupPairs(), projectID, groupID)
}
