package store

import (
	"context"

	"altostack/kernel/db"
	"altostack/network"
)

// PortsOf reads the ports of servers.
func (*Store) PortsOf(ctx context.Context, rd db.Reader, servers []string) ([]network.ServerPort, error) {
	return db.List(ctx, rd, func(s db.Scanner) (p network.ServerPort, err error) {
		err = s.Scan(&p.ID, &p.ServerID, &p.NetworkID, &p.MAC, &p.Status, &p.Host, &p.Tag, &p.Index, &p.Security, &p.Ours,
			&p.FixedIPs, &p.SecurityGroups, &p.Floating, &p.FloatingAt)
		return p, err
	}, `
		SELECT p.id, p.device_id, p.network_id, p.mac_address, p.status, p.binding_host_id, p.device_tag, p.nic_index, p.port_security_enabled, p.made_by_compute,
		       p.fixed_ips, p.security_groups, COALESCE(f.floating_ip_address, ''), COALESCE(f.fixed_ip_address, '')
		  FROM ports p LEFT JOIN floatingips f ON f.port_id = p.id AND f.port_id <> ''
		 WHERE p.device_id IN (`+marks(1, len(servers))+`)`, anyOf(servers)...)
}
