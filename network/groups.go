package network

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

var systemScope = auth.System("network")

// EnsureDefaultGroup makes a project's default security group if it is not there.
func (s *Service) EnsureDefaultGroup(ctx context.Context, project string) error {
	if project == "" {
		return nil
	}
	rows, _, err := s.store.List(ctx, s.cfg.DB, SecurityGroups, Query{View: everything, Filters: []Filter{Is("project_id", project), Is("is_default", true)}})
	if err != nil || len(rows) > 0 {
		return err
	}
	return s.change(ctx, systemScope, func(w *work) error {
		_, err := w.defaultGroup(project)
		return err
	})
}

// defaultGroup answers the id of a project's default security group, made on
// first use: all out, and in from its own members.
func (w *work) defaultGroup(project string) (string, error) {
	rows, err := w.list(SecurityGroups, everything, Is("project_id", project), Is("is_default", true))
	if err != nil {
		return "", err
	}
	if len(rows) > 0 {
		return rows[0].ID(), nil
	}
	g, err := w.create(SecurityGroups, prepared{row: Row{"project_id": project, "name": "default", "description": "Default security group",
		"stateful": true, "is_default": true}})
	if err != nil {
		return "", err
	}
	for _, e := range []string{"IPv4", "IPv6"} {
		if _, err := w.addRule(g, Row{"direction": "ingress", "ethertype": e, "remote_group_id": g.ID()}); err != nil {
			return "", err
		}
	}
	return g.ID(), nil
}

func createGroup(w *work, p prepared) (Row, error) {
	row := p.row
	if !row.Bool("is_default") && row.Project() != "" {
		if _, err := w.defaultGroup(row.Project()); err != nil {
			return nil, err
		}
	}
	row, err := w.insert(SecurityGroups, row)
	if err != nil {
		return nil, err
	}
	for _, e := range []string{"IPv4", "IPv6"} {
		if _, err := w.addRule(row, Row{"direction": "egress", "ethertype": e}); err != nil {
			return nil, err
		}
	}
	return row, nil
}

// addRule adds a rule of the cloud's own making.
func (w *work) addRule(group, rule Row) (Row, error) {
	rule["project_id"], rule["security_group_id"] = group.Project(), group.ID()
	return w.create(SecurityGroupRules, prepared{row: rule})
}

func updateGroup(w *work, old Row, p prepared) (Row, error) {
	if old.Bool("is_default") && p.row.Has("name") && p.row.Str("name") != old.Str("name") {
		return nil, fault.New(fault.CodeNetworkDefaultGroupFixed, "Updating default security group not allowed.")
	}
	if p.row.Has("stateful") && p.row.Bool("stateful") != old.Bool("stateful") {
		used, err := w.list(Ports, everything, Is("security_groups", old.ID()))
		if err != nil {
			return nil, err
		}
		if len(used) > 0 {
			return nil, fault.New(fault.CodeNetworkSecurityGroupInUse, "Security Group %s in use.", old.ID())
		}
	}
	return p.row, nil
}

func deleteGroup(w *work, old Row) error {
	if old.Bool("is_default") && !w.scope.IsAdmin() {
		return fault.New(fault.CodeNetworkDefaultGroupKept, "Insufficient rights for removing default security group.")
	}
	used, err := w.list(Ports, everything, Is("security_groups", old.ID()))
	if err != nil {
		return err
	}
	if len(used) > 0 {
		return fault.New(fault.CodeNetworkSecurityGroupInUse, "Security Group %s in use.", old.ID())
	}
	watching, err := w.list(SecurityGroupRules, everything, Is("remote_group_id", old.ID()))
	if err != nil {
		return err
	}
	for _, r := range watching {
		if r.Str("security_group_id") == old.ID() {
			continue
		}
		if err := w.remove(SecurityGroupRules, r); err != nil {
			return err
		}
	}
	return w.unshareAll(old.ID())
}

func fillGroups(ctx context.Context, s *Service, rd db.Reader, view View, rows []Row) error {
	rules, err := s.related(ctx, rd, SecurityGroupRules, "security_group_id", idsOf(rows, "id"))
	if err != nil {
		return err
	}

	of := map[string][]any{}
	for _, r := range rules {
		of[r.Str("security_group_id")] = append(of[r.Str("security_group_id")], Render(SecurityGroupRules, r, nil, nil))
	}
	for _, g := range rows {
		g["shared"] = !view.All && g.Project() != view.Project
		g["security_group_rules"] = of[g.ID()]
		if of[g.ID()] == nil {
			g["security_group_rules"] = []any{}
		}
	}
	return nil
}

func createRule(w *work, p prepared) (Row, error) {
	row := p.row
	group, err := w.find(SecurityGroups, View{All: w.scope.IsAdmin(), Project: w.scope.ProjectID}, row.Str("security_group_id"))
	if err != nil {
		return nil, err
	}
	row["project_id"] = group.Project()
	if err := checkRule(row); err != nil {
		return nil, err
	}
	if id := row.Str("remote_group_id"); id != "" && id != group.ID() {
		if _, err := w.find(SecurityGroups, View{All: w.scope.IsAdmin(), Project: w.scope.ProjectID}, id); err != nil {
			return nil, err
		}
	}
	if id := row.Str("remote_address_group_id"); id != "" {
		if _, err := w.find(AddressGroups, View{All: w.scope.IsAdmin(), Project: w.scope.ProjectID}, id); err != nil {
			return nil, err
		}
	}
	row["normalized_cidr"] = nil
	if c, err := netip.ParsePrefix(row.Str("remote_ip_prefix")); err == nil {
		row["normalized_cidr"] = c.Masked().String()
	}
	row["sameness"] = sameness(row)
	same, err := w.list(SecurityGroupRules, everything, Is("security_group_id", group.ID()), Is("sameness", row["sameness"]))
	if err != nil {
		return nil, err
	}
	if len(same) > 0 {
		return nil, fault.New(fault.CodeNetworkRuleExists, "Security group rule already exists. Rule id is %s.", same[0].ID())
	}
	if row, err = w.insert(SecurityGroupRules, row); err != nil {
		return nil, err
	}
	return row, w.groupChanged(group)
}

// sameness is all that makes a rule what it is.
func sameness(r Row) string {
	cidr := r.Str("normalized_cidr")
	return strings.Join([]string{r.Str("direction"), r.Str("ethertype"), r.Str("protocol"), fmt.Sprint(r["port_range_min"]),
		fmt.Sprint(r["port_range_max"]), cidr, r.Str("remote_group_id"), r.Str("remote_address_group_id")}, "|")
}

// groupChanged tells the hosts of a group's ports, and makes the group newer.
func (w *work) groupChanged(group Row) error {
	hosts, err := w.s.store.HostsOfGroup(w.ctx, w.tx, []string{group.ID()})
	for _, h := range hosts {
		w.hosts[h] = true
	}
	if err != nil {
		return err
	}
	fresh, err := w.get(SecurityGroups, group.ID())
	if err == nil {
		_, err = w.save(SecurityGroups, fresh, Row{})
	}
	return err
}

func ruleFault(kind, format string, args ...any) error {
	return fault.New(fault.CodeNetworkRuleInvalid, format, args...).WithType(kind)
}

// checkRule refuses rules that contradict themselves.
func checkRule(r Row) error {
	remotes := 0
	for _, attr := range []string{"remote_ip_prefix", "remote_group_id", "remote_address_group_id"} {
		if r.Str(attr) != "" {
			remotes++
		}
	}
	if remotes > 1 {
		return ruleFault("SecurityGroupMultipleRemoteEntites", "Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.")
	}
	v6 := r.Str("ethertype") == "IPv6"
	if c, err := netip.ParsePrefix(r.Str("remote_ip_prefix")); err == nil && c.Addr().Is6() != v6 {
		return ruleFault("SecurityGroupRuleParameterConflict", "Conflicting value ethertype %s for CIDR %s", r.Str("ethertype"), r.Str("remote_ip_prefix"))
	}
	proto := protocolNumber(r.Str("protocol"))
	if r.Str("protocol") == "icmp" && v6 {
		r["protocol"] = "ipv6-icmp"
	}
	if r.Str("protocol") == "icmpv6" {
		r["protocol"] = "ipv6-icmp"
	}
	if !v6 && slices.Contains([]int{41, 43, 44, 58, 59, 60}, proto) {
		return ruleFault("SecurityGroupEthertypeConflictWithProtocol", "Invalid ethertype %s for protocol %s.", r.Str("ethertype"), r.Str("protocol"))
	}
	return checkPorts(r, proto)
}

func checkPorts(r Row, proto int) error {
	low, hasLow := r["port_range_min"].(int64)
	high, hasHigh := r["port_range_max"].(int64)
	if !hasLow && !hasHigh {
		return nil
	}
	switch proto {
	case -1:
		return ruleFault("SecurityGroupProtocolRequiredWithPorts", "Must also specify protocol if port range is given.")
	case 1, 58:
		if hasLow && low > 255 {
			return ruleFault("SecurityGroupInvalidIcmpValue", "Invalid value for ICMP type (port-range-min) %d. It must be 0 to 255.", low)
		}
		if hasHigh && high > 255 {
			return ruleFault("SecurityGroupInvalidIcmpValue", "Invalid value for ICMP code (port-range-max) %d. It must be 0 to 255.", high)
		}
		if !hasLow && hasHigh {
			return ruleFault("SecurityGroupMissingIcmpType", "ICMP code (port-range-max) %d is provided but ICMP type (port-range-min) is missing.", high)
		}
	case 6, 17, 33, 132, 136:
		if !hasLow || !hasHigh || low > high || low < 1 {
			if hasLow && low == 0 || hasHigh && high == 0 {
				return ruleFault("SecurityGroupInvalidPortValue", "Invalid value for port 0")
			}
			return ruleFault("SecurityGroupInvalidPortRange", "For TCP/UDP protocols, port_range_min must be <= port_range_max")
		}
	default:
		return ruleFault("SecurityGroupInvalidProtocolForPort", "Ports cannot be specified for protocol %s. Ports are only supported for [tcp, udp, dccp, sctp, udplite].", r.Str("protocol"))
	}
	return nil
}

// protocolNumber is a rule's protocol as IP counts; -1 for any.
func protocolNumber(name string) int {
	if name == "" {
		return -1
	}
	if n, err := strconv.Atoi(name); err == nil {
		return n
	}
	return protocolNumbers[name]
}

func deleteRule(w *work, old Row) error {
	group, err := w.get(SecurityGroups, old.Str("security_group_id"))
	if err != nil {
		return err
	}
	return w.groupChanged(group)
}

func createAddressGroup(w *work, p prepared) (Row, error) {
	if p.row["addresses"] == nil {
		p.row["addresses"] = []any{}
	}
	return w.insert(AddressGroups, p.row)
}

func deleteAddressGroup(w *work, old Row) error {
	used, err := w.list(SecurityGroupRules, everything, Is("remote_address_group_id", old.ID()))
	if err != nil {
		return err
	}
	if len(used) > 0 {
		return fault.New(fault.CodeNetworkAddressGroupInUse, "Address group %s is in use on one or more security group rules", old.ID())
	}
	return w.unshareAll(old.ID())
}

// ChangeAddresses adds addresses to an address group, or removes them.
func (s *Service) ChangeAddresses(ctx context.Context, scope auth.Scope, id string, addresses []string, add bool) (Row, error) {
	var out Row
	for _, a := range addresses {
		if _, err := netip.ParsePrefix(a); err != nil {
			return nil, malformed("Invalid input for addresses. Reason: '%s' is not a valid IP subnet.", a)
		}
	}
	err := s.change(ctx, scope, func(w *work) error {
		old, err := w.seen(AddressGroups, id)
		if err != nil {
			return err
		}
		if err := w.mayChange("update_address_group", AddressGroups, old, prepared{}); err != nil {
			return err
		}
		list := Decode[[]string](old, "addresses")
		for _, a := range addresses {
			c, _ := netip.ParsePrefix(a)
			list = slices.DeleteFunc(list, func(x string) bool { return x == c.Masked().String() })
			if add {
				list = append(list, c.Masked().String())
			}
		}
		if out, err = w.save(AddressGroups, old, Row{"addresses": list}); err != nil {
			return err
		}
		used, err := w.list(SecurityGroupRules, everything, Is("remote_address_group_id", id))
		if err != nil {
			return err
		}
		hosts, err := w.s.store.HostsOfGroup(w.ctx, w.tx, idsOf(used, "security_group_id"))
		for _, h := range hosts {
			w.hosts[h] = true
		}
		return err
	})
	return out, err
}
