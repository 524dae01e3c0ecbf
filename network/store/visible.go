package store

import (
	"strings"

	"altostack/kernel/page"
	"altostack/network"
)

// seesNetwork is what makes a network visible to a project: its own, shared,
// external, or shared with it by a policy. It takes the project three times.
const seesNetwork = `(n.project_id = ? OR n.shared OR n.router_external OR n.id IN
	(SELECT b.object_id FROM rbac_policies b WHERE b.object_type = 'network' AND b.target_tenant = ?))`

// visible restricts a list to what the view may see.
func visible(s *page.Select, r *network.Resource, v network.View) {
	if v.All {
		return
	}
	p := v.Project
	shared := r.Table + `.project_id = ? OR ` + r.Table + `.id IN (SELECT b.object_id FROM rbac_policies b
		WHERE b.object_type = '` + r.Singular + `' AND b.action = 'access_as_shared' AND b.target_tenant IN (?, '*'))`
	switch r {
	case network.Networks:
		s.Where(strings.ReplaceAll(seesNetwork, "n.", "networks."), p, p)
	case network.Subnets:
		// An external network shows its subnets only where it is shared, too: a
		// floating IP does not need to know them.
		s.Where(`subnets.project_id = ? OR subnets.network_id IN (SELECT n.id FROM networks n WHERE n.project_id = ? OR n.shared OR n.id IN
			(SELECT b.object_id FROM rbac_policies b WHERE b.object_type = 'network' AND b.action = 'access_as_shared' AND b.target_tenant = ?))`, p, p, p)
	case network.Ports:
		s.Where(`ports.project_id = ? OR ports.network_id IN (SELECT n.id FROM networks n WHERE n.project_id = ?)`, p, p)
	case network.SecurityGroupRules:
		s.Where(`security_group_rules.project_id = ? OR security_group_rules.security_group_id IN
			(SELECT g.id FROM security_groups g WHERE g.project_id = ?)`, p, p)
	case network.SecurityGroups, network.AddressGroups:
		s.Where(shared, p, p)
	case network.SubnetPools, network.AddressScopes:
		s.Where(shared+` OR `+r.Table+`.shared`, p, p)
	case network.PortForwardings:
		s.Where(`port_forwardings.floatingip_id IN (SELECT f.id FROM floatingips f WHERE f.project_id = ?)`, p)
	default:
		s.Where(r.Table+`.project_id = ?`, p)
	}
}

// filter adds one condition; its values are alternatives.
func filter(s *page.Select, r *network.Resource, f network.Filter) {
	switch f.Attr {
	case "tags", "not-tags":
		// All of them; each value may be a list by commas.
		all, args := tagged(r, f, " AND ")
		s.Where(negated(all, f.Attr == "not-tags"), args...)
		return
	case "tags-any", "not-tags-any":
		anyOf, args := tagged(r, f, " OR ")
		s.Where(negated(anyOf, f.Attr == "not-tags-any"), args...)
		return
	case "changed_since":
		s.Where(r.Table+".updated_at >= ?", f.Values[0])
		return
	}
	if r == network.Ports {
		if cond := portFilters[f.Attr]; cond != "" {
			args := make([]any, len(f.Values))
			for i, v := range f.Values {
				args[i] = v
				if f.Attr == "fixed_ips:ip_address_substr" {
					args[i] = "%" + likeText(v.(string)) + "%"
				}
			}
			one := "(" + cond + strings.Repeat(" OR "+cond, len(args)-1) + ")"
			if !strings.Contains(cond, "LIKE") {
				one = strings.Replace(cond, "= ?", "IN (?"+strings.Repeat(", ?", len(args)-1)+")", 1)
			}
			s.Where(one, args...)
			return
		}
	}
	if f.Attr == "shared" && r != network.Subnets {
		if c, ok := r.Column("shared"); ok {
			s.Where(r.Table+"."+c.Name+" = ?", f.Values[0])
		}
		return
	}
	c, ok := r.Column(f.Attr)
	if !ok || len(f.Values) == 0 {
		s.Where("1 = 0")
		return
	}
	name := r.Table + "." + c.Name
	if c.Expr != "" {
		name = c.Expr
	}
	s.Where(name+" IN (?"+strings.Repeat(", ?", len(f.Values)-1)+")", f.Values...)
}

var portFilters = map[string]string{
	"fixed_ips:ip_address":        "ports.id IN (SELECT a.port_id FROM port_addresses a WHERE a.address = ?)",
	"fixed_ips:subnet_id":         "ports.id IN (SELECT a.port_id FROM port_addresses a WHERE a.subnet_id = ?)",
	"fixed_ips:ip_address_substr": "ports.id IN (SELECT a.port_id FROM port_addresses a WHERE a.address LIKE ? ESCAPE '!')",
	"security_groups":             "ports.id IN (SELECT g.port_id FROM port_groups g WHERE g.group_id = ?)",
}

func likeText(s string) string {
	return strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(s)
}

func tagged(r *network.Resource, f network.Filter, join string) (string, []any) {
	var conds []string
	var args []any
	for _, v := range f.Values {
		for tag := range strings.SplitSeq(v.(string), ",") {
			conds = append(conds, r.Table+".id IN (SELECT t.resource_id FROM network_tags t WHERE t.tag = ?)")
			args = append(args, tag)
		}
	}
	return strings.Join(conds, join), args
}

func negated(cond string, not bool) string {
	if not {
		return "NOT (" + cond + ")"
	}
	return cond
}
