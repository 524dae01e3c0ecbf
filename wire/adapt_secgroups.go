package wire

import (
	"context"

	"altostack/compute"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/network"
)

var _ compute.SecurityGroups = networkFor{}

// owned finds one row of the scope's own project.
func (n networkFor) owned(ctx context.Context, scope auth.Scope, r *network.Resource, id string) (network.Row, error) {
	rows, _, err := n.s.List(ctx, scope, r, network.Query{Filters: []network.Filter{network.Is("id", id), network.Is("project_id", scope.ProjectID)}})
	if err == nil && len(rows) == 0 {
		err = fault.New(fault.CodeNetworkSecurityGroupNotFound, "%s %s not found", r.Noun, id)
	}
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// Groups answers the project's groups with their rules, in two queries.
func (n networkFor) Groups(ctx context.Context, scope auth.Scope) ([]compute.SecurityGroup, error) {
	if err := n.s.EnsureDefaultGroup(ctx, scope.ProjectID); err != nil {
		return nil, err
	}
	rows, _, err := n.s.List(ctx, scope, network.SecurityGroups, network.Query{Filters: []network.Filter{network.Is("project_id", scope.ProjectID)}})
	if err != nil {
		return nil, err
	}
	return n.withRules(ctx, scope, rows)
}

func (n networkFor) withRules(ctx context.Context, scope auth.Scope, rows []network.Row) ([]compute.SecurityGroup, error) {
	out, at := make([]compute.SecurityGroup, len(rows)), map[string]int{}
	ids := make([]any, len(rows))
	for i, r := range rows {
		out[i] = compute.SecurityGroup{ID: r.ID(), Name: r.Str("name"), Description: r.Str("description"), ProjectID: r.Project()}
		at[r.ID()], ids[i] = i, r.ID()
	}
	if len(rows) == 0 {
		return out, nil
	}
	rules, _, err := n.s.List(ctx, scope, network.SecurityGroupRules, network.Query{Filters: []network.Filter{network.Is("security_group_id", ids...), network.Is("direction", "ingress")}})
	if err != nil {
		return nil, err
	}
	for _, r := range rules {
		rule, err := n.rule(ctx, scope, r)
		if err != nil {
			return nil, err
		}
		i := at[rule.GroupID]
		out[i].Rules = append(out[i].Rules, rule)
	}
	return out, nil
}

// rule is a row as compute shows it; a group that it lets in is named.
func (n networkFor) rule(ctx context.Context, scope auth.Scope, r network.Row) (compute.SecurityRule, error) {
	out := compute.SecurityRule{ID: r.ID(), GroupID: r.Str("security_group_id"), Protocol: r.Str("protocol"), CIDR: r.Str("remote_ip_prefix"), EtherType: r.Str("ethertype"),
		RemoteID: r.Str("remote_group_id"), From: whole(r, "port_range_min"), To: whole(r, "port_range_max")}
	if out.RemoteID != "" {
		g, err := n.owned(ctx, scope, network.SecurityGroups, out.RemoteID)
		if err != nil {
			return out, absent(err)
		}
		out.RemoteName, out.RemoteProject = g.Str("name"), g.Project()
	}
	return out, nil
}

func whole(r network.Row, attr string) *int {
	if r[attr] == nil {
		return nil
	}
	v := int(r.Int(attr))
	return &v
}

func (n networkFor) Group(ctx context.Context, scope auth.Scope, id string) (compute.SecurityGroup, error) {
	row, err := n.owned(ctx, scope, network.SecurityGroups, id)
	if err != nil {
		return compute.SecurityGroup{}, err
	}
	all, err := n.withRules(ctx, scope, []network.Row{row})
	if err != nil {
		return compute.SecurityGroup{}, err
	}
	return all[0], nil
}

func (n networkFor) CreateGroup(ctx context.Context, scope auth.Scope, name, description string) (compute.SecurityGroup, error) {
	rows, err := n.s.Create(ctx, scope, network.SecurityGroups, []map[string]any{{"name": name, "description": description}})
	if err != nil {
		return compute.SecurityGroup{}, err
	}
	return n.Group(ctx, scope, rows[0].ID())
}

func (n networkFor) UpdateGroup(ctx context.Context, scope auth.Scope, id, name, description string) (compute.SecurityGroup, error) {
	if _, err := n.owned(ctx, scope, network.SecurityGroups, id); err != nil {
		return compute.SecurityGroup{}, err
	}
	if _, err := n.s.Update(ctx, scope, network.SecurityGroups, id, map[string]any{"name": name, "description": description}, -1); err != nil {
		return compute.SecurityGroup{}, err
	}
	return n.Group(ctx, scope, id)
}

func (n networkFor) DeleteGroup(ctx context.Context, scope auth.Scope, id string) error {
	if _, err := n.owned(ctx, scope, network.SecurityGroups, id); err != nil {
		return err
	}
	return n.s.Delete(ctx, scope, network.SecurityGroups, id, -1)
}

func (n networkFor) AddRule(ctx context.Context, scope auth.Scope, rule compute.SecurityRule) (compute.SecurityRule, error) {
	if _, err := n.owned(ctx, scope, network.SecurityGroups, rule.GroupID); err != nil {
		return rule, err
	}
	body := map[string]any{"security_group_id": rule.GroupID, "direction": "ingress", "ethertype": rule.EtherType}
	if rule.Protocol != "" {
		body["protocol"] = rule.Protocol
	}
	if rule.From != nil {
		body["port_range_min"] = int64(*rule.From)
	}
	if rule.To != nil {
		body["port_range_max"] = int64(*rule.To)
	}
	if rule.CIDR != "" {
		body["remote_ip_prefix"] = rule.CIDR
	}
	if rule.RemoteID != "" {
		if _, err := n.owned(ctx, scope, network.SecurityGroups, rule.RemoteID); err != nil {
			return rule, err
		}
		body["remote_group_id"] = rule.RemoteID
	}
	rows, err := n.s.Create(ctx, scope, network.SecurityGroupRules, []map[string]any{body})
	if err != nil {
		return rule, err
	}
	return n.rule(ctx, scope, rows[0])
}

func (n networkFor) DeleteRule(ctx context.Context, scope auth.Scope, id string) error {
	if _, err := n.owned(ctx, scope, network.SecurityGroupRules, id); err != nil {
		return err
	}
	return n.s.Delete(ctx, scope, network.SecurityGroupRules, id, -1)
}
