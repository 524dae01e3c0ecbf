package network

import (
	"context"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
)

// AddFixedIP gives a server's port on a network one more address, of the subnet
// that its first address is of.
func (s *Service) AddFixedIP(ctx context.Context, _ auth.Scope, serverID, networkID string) error {
	ports, err := s.read(ctx, Ports, everything, Is("device_id", serverID))
	if err != nil {
		return err
	}
	for _, p := range ports {
		have := Decode[[]FixedIP](p, "fixed_ips")
		if p.Str("network_id") != networkID || len(have) == 0 {
			continue
		}
		_, err := s.Update(ctx, systemScope, Ports, p.ID(), map[string]any{"fixed_ips": append(listed(have), map[string]any{"subnet_id": have[0].SubnetID})}, -1)
		return err
	}
	return fault.New(fault.CodeNetworkNetworkNotFound, "Network %s not found for the instance %s", networkID, serverID)
}

// RemoveFixedIP takes an address from a server's ports; false where none has it.
func (s *Service) RemoveFixedIP(ctx context.Context, _ auth.Scope, serverID, address string) (bool, error) {
	ports, err := s.read(ctx, Ports, everything, Is("device_id", serverID))
	if err != nil {
		return false, err
	}
	for _, p := range ports {
		have := Decode[[]FixedIP](p, "fixed_ips")
		for i, ip := range have {
			if ip.IPAddress == address {
				rest := append(append([]FixedIP{}, have[:i]...), have[i+1:]...)
				_, err := s.Update(ctx, systemScope, Ports, p.ID(), map[string]any{"fixed_ips": listed(rest)}, -1)
				return true, err
			}
		}
	}
	return false, nil
}

func listed(ips []FixedIP) []any {
	out := make([]any, 0, len(ips)+1)
	for _, ip := range ips {
		out = append(out, map[string]any{"subnet_id": ip.SubnetID, "ip_address": ip.IPAddress})
	}
	return out
}
