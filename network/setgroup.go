package network

import (
	"context"
	"slices"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
)

// SetGroup adds a security group, by id or name, to all of a server's ports that
// have port security, or takes it away. Taking away what no port has is 404.
func (s *Service) SetGroup(ctx context.Context, scope auth.Scope, serverID, group string, add bool) error {
	ids, err := s.checkGroups(ctx, scope, []string{group})
	if err != nil {
		f := fault.From(err)
		if f.Kind == fault.Invalid {
			f.Kind = fault.NotFound
		}
		return f
	}
	ports, err := s.read(ctx, Ports, everything, Is("device_id", serverID))
	if err != nil {
		return err
	}
	touched := false
	for _, p := range ports {
		have := Decode[[]string](p, "security_groups")
		has := slices.Contains(have, ids[0])
		if !p.Bool("port_security_enabled") || has == add {
			continue
		}
		touched = true
		want := append(slices.Clone(have), ids[0])
		if !add {
			want = slices.DeleteFunc(slices.Clone(have), func(g string) bool { return g == ids[0] })
		}
		list := make([]any, len(want))
		for i, g := range want {
			list[i] = g
		}
		if _, err := s.Update(ctx, systemScope, Ports, p.ID(), map[string]any{"security_groups": list}, -1); err != nil {
			return err
		}
	}
	if !touched && !add {
		return fault.New(fault.CodeNetworkSecurityGroupNotFound, "Security group %s not associated with the instance %s", group, serverID)
	}
	return nil
}
