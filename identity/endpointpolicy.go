package identity

import (
	"context"
	"slices"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// PolicyAssociation names the policy document of an endpoint, of a service, or of
// a service within a region and those below it. Nothing in the cloud reads it.
type PolicyAssociation struct{ PolicyID, EndpointID, ServiceID, RegionID string }

func (v PolicyAssociation) place() []Match {
	return []Match{Is("endpoint_id", v.EndpointID), Is("service_id", v.ServiceID), Is("region_id", v.RegionID)}
}

// associable decides the rule, and wants all that v names.
func (s *Service) associable(ctx context.Context, r db.Reader, scope auth.Scope, v PolicyAssociation) error {
	if _, err := s.policies().get(ctx, r, scope, v.PolicyID); err != nil {
		return err
	}
	for _, part := range []struct {
		id   string
		need func(context.Context, db.Reader, string) error
	}{{v.EndpointID, s.endpoints().need}, {v.ServiceID, s.services().need}, {v.RegionID, s.regions().need}} {
		if part.id == "" {
			continue
		}
		if err := part.need(ctx, r, part.id); err != nil {
			return err
		}
	}
	return nil
}

// Associate gives a place its policy document, instead of another that it had.
func (s *Service) Associate(ctx context.Context, scope auth.Scope, v PolicyAssociation) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		if err := s.associable(ctx, tx, scope, v); err != nil {
			return err
		}
		if _, err := s.tables.PolicyAssociations.Remove(ctx, tx, v.place()...); err != nil {
			return err
		}
		return s.tables.PolicyAssociations.Insert(ctx, tx, v)
	})
}

// CheckAssociation wants the place to have the policy document.
func (s *Service) CheckAssociation(ctx context.Context, scope auth.Scope, v PolicyAssociation) error {
	if err := s.associable(ctx, s.db, scope, v); err != nil {
		return err
	}
	rows, err := s.tables.PolicyAssociations.List(ctx, s.db, append(v.place(), Is("policy_id", v.PolicyID))...)
	if err == nil && len(rows) == 0 {
		err = fault.New(fault.CodeIdentityNotFound, "Could not find policy association.")
	}
	return err
}

// Dissociate takes the policy document from the place; none is success.
func (s *Service) Dissociate(ctx context.Context, scope auth.Scope, v PolicyAssociation) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, _ *effects) error {
		if err := s.associable(ctx, tx, scope, v); err != nil {
			return err
		}
		_, err := s.tables.PolicyAssociations.Remove(ctx, tx, append(v.place(), Is("policy_id", v.PolicyID))...)
		return err
	})
}

// EndpointsOfPolicy answers the endpoints that a policy document is for.
func (s *Service) EndpointsOfPolicy(ctx context.Context, scope auth.Scope, policyID string) ([]Endpoint, error) {
	if _, err := s.policies().get(ctx, s.db, scope, policyID); err != nil {
		return nil, err
	}
	places, err := s.tables.PolicyAssociations.List(ctx, s.db, Is("policy_id", policyID))
	if err != nil {
		return nil, err
	}
	up, err := s.regionsAbove(ctx, s.db)
	if err != nil {
		return nil, err
	}
	all, err := s.tables.Endpoints.List(ctx, s.db)
	return slices.DeleteFunc(all, func(e Endpoint) bool {
		return !slices.ContainsFunc(places, func(v PolicyAssociation) bool {
			return v.EndpointID == e.ID || (v.ServiceID == e.ServiceID && (v.RegionID == "" || slices.Contains(up(e.RegionID), v.RegionID)))
		})
	}), err
}

// regionsAbove answers a function from a region to itself and those above it.
func (s *Service) regionsAbove(ctx context.Context, r db.Reader) (func(id string) []string, error) {
	regions, err := s.tables.Regions.List(ctx, r)
	parent := map[string]string{}
	for _, v := range regions {
		parent[v.ID] = v.ParentID
	}
	return func(id string) (line []string) {
		for ; id != "" && !slices.Contains(line, id); id = parent[id] {
			line = append(line, id)
		}
		return line
	}, err
}

// PolicyOfEndpoint answers the document of the narrowest place that an endpoint
// is in: its own, its service's in its region or one above, its service's.
func (s *Service) PolicyOfEndpoint(ctx context.Context, scope auth.Scope, endpointID string) (PolicyBlob, error) {
	e, err := s.endpoints().get(ctx, s.db, scope, endpointID)
	if err != nil {
		return PolicyBlob{}, err
	}
	up, err := s.regionsAbove(ctx, s.db)
	if err != nil {
		return PolicyBlob{}, err
	}
	places := []PolicyAssociation{{EndpointID: e.ID}}
	for _, region := range up(e.RegionID) {
		places = append(places, PolicyAssociation{ServiceID: e.ServiceID, RegionID: region})
	}
	for _, place := range append(places, PolicyAssociation{ServiceID: e.ServiceID}) {
		rows, err := s.tables.PolicyAssociations.List(ctx, s.db, place.place()...)
		if err != nil {
			return PolicyBlob{}, err
		}
		if len(rows) > 0 {
			p, _, err := s.tables.Policies.Get(ctx, s.db, rows[0].PolicyID)
			return p, err
		}
	}
	return PolicyBlob{}, fault.New(fault.CodeIdentityNotFound, "No policy is associated with endpoint %s.", endpointID)
}

// forgetService drops the associations of a service and its endpoints.
func (s *Service) forgetService(ctx context.Context, tx *db.Tx, id string) error {
	endpoints, err := s.tables.Endpoints.List(ctx, tx, Is("service_id", id))
	if err != nil {
		return err
	}
	ids := make([]string, len(endpoints))
	for i, e := range endpoints {
		ids[i] = e.ID
	}
	if _, err := s.tables.PolicyAssociations.Remove(ctx, tx, Match{Column: "endpoint_id", Op: OpIn, Value: ids}); err != nil {
		return err
	}
	_, err = s.tables.PolicyAssociations.Remove(ctx, tx, Is("service_id", id))
	return err
}
