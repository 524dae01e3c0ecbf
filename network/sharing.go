package network

import (
	"context"

	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// share records a policy, unless it is there.
func (w *work) share(kind string, object Row, target, action string) error {
	have, err := w.list(RBACPolicies, everything, Is("object_id", object.ID()), Is("target_tenant", target), Is("action", action))
	if err != nil || len(have) > 0 {
		return err
	}
	_, err = w.insert(RBACPolicies, Row{"id": w.s.cfg.IDs.UUID(), "project_id": object.Project(), "object_type": kind, "object_id": object.ID(),
		"target_tenant": target, "action": action, "revision_number": int64(0), "created_at": w.now, "updated_at": w.now})
	return err
}

// unshareAll removes an object's policies, with the object.
func (w *work) unshareAll(id string) error {
	rows, err := w.list(RBACPolicies, everything, Is("object_id", id))
	for _, r := range rows {
		if err = w.s.store.Delete(w.ctx, w.tx, RBACPolicies, r.ID()); err != nil {
			return err
		}
	}
	return err
}

// shareableResources are the tables behind object types.
func shareableResource(kind string) *Resource {
	for _, r := range []*Resource{Networks, SecurityGroups, AddressScopes, SubnetPools, AddressGroups} {
		if r.Singular == kind {
			return r
		}
	}
	return nil
}

func createRBAC(w *work, p prepared) (Row, error) {
	row := p.row
	r := shareableResource(row.Str("object_type"))
	if r == nil {
		return nil, invalid("'%s' is not a valid RBAC object type", row.Str("object_type"))
	}
	known := false
	for _, a := range objectTypes[r.Singular] {
		known = known || a == row.Str("action")
	}
	if !known {
		return nil, invalid("Invalid action '%s' for object type '%s'. Valid actions: %v", row.Str("action"), r.Singular, objectTypes[r.Singular])
	}
	object, err := w.find(r, View{All: w.scope.IsAdmin(), Project: w.scope.ProjectID}, row.Str("object_id"))
	if err != nil {
		return nil, err
	}
	if !w.scope.IsAdmin() && object.Project() != w.scope.ProjectID {
		return nil, invalid("Only admins can manipulate policies on objects they do not own")
	}
	have, err := w.list(RBACPolicies, everything, Is("object_id", object.ID()), Is("target_tenant", row.Str("target_tenant")), Is("action", row.Str("action")))
	if err != nil {
		return nil, err
	}
	if len(have) > 0 {
		return nil, fault.New(fault.CodeNetworkRbacExists, "An RBAC policy already exists with those values.").WithType("DuplicateRbacPolicy")
	}
	if row, err = w.insert(RBACPolicies, row); err != nil {
		return nil, err
	}
	return row, w.reflect(row, true)
}

// reflect keeps an object's flags in step with its policies with everybody.
func (w *work) reflect(policy Row, on bool) error {
	if policy.Str("target_tenant") != "*" {
		return nil
	}
	r := shareableResource(policy.Str("object_type"))
	attr := "shared"
	if policy.Str("action") == "access_as_external" {
		attr = "router:external"
	}
	if c, ok := r.Column(attr); !ok || c.Expr != "" {
		return nil
	}
	object, err := w.get(r, policy.Str("object_id"))
	if err != nil {
		return err
	}
	_, err = w.save(r, object, Row{attr: on})
	return err
}

func updateRBAC(w *work, old Row, p prepared) (Row, error) {
	if !p.row.Has("target_tenant") || p.row.Str("target_tenant") == old.Str("target_tenant") {
		return p.row, nil
	}
	if err := w.sharingEnds(old); err != nil {
		return nil, err
	}
	if err := w.reflect(old, false); err != nil {
		return nil, err
	}
	fresh := old.Clone()
	fresh["target_tenant"] = p.row["target_tenant"]
	return p.row, w.reflect(fresh, true)
}

func deleteRBAC(w *work, old Row) error {
	if err := w.sharingEnds(old); err != nil {
		return err
	}
	return w.reflect(old, false)
}

// sharingEnds refuses to end a sharing that ports rely on.
func (w *work) sharingEnds(policy Row) error {
	if policy.Str("object_type") == "network" && policy.Str("action") == "access_as_external" {
		if policy.Str("target_tenant") == "*" {
			return w.externalUnused(policy.Str("object_id"))
		}
		return nil
	}
	var used []Row
	var err error
	switch policy.Str("object_type") {
	case "network":
		used, err = w.list(Ports, everything, Is("network_id", policy.Str("object_id")))
	case "security_group":
		used, err = w.list(Ports, everything, Is("security_groups", policy.Str("object_id")))
	}
	if err != nil {
		return err
	}
	for _, p := range used {
		relies := p.Project() == policy.Str("target_tenant") || policy.Str("target_tenant") == "*" && p.Project() != policy.Project()
		if relies && p.Project() != "" {
			return fault.New(fault.CodeNetworkRbacExists, "RBAC policy on object %s cannot be removed because other objects depend on it.", policy.Str("object_id"))
		}
	}
	return nil
}

// fillShared shows what a caller sees of another's as shared.
func fillShared(_ context.Context, _ *Service, _ db.Reader, view View, rows []Row) error {
	for _, r := range rows {
		if !view.All && r.Project() != view.Project {
			r["shared"] = true
		}
	}
	return nil
}
