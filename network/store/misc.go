package store

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"altostack/kernel/db"
	"altostack/network"
)

// marks makes "$from, $from+1 …" for n values.
func marks(from, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(from+i))
	}
	return b.String()
}

func anyOf(ids []string) []any {
	out := make([]any, len(ids))
	for i, id := range ids {
		out[i] = id
	}
	return out
}

// SetTags replaces the searchable tags of a resource.
func (*Store) SetTags(ctx context.Context, tx *db.Tx, resourceID string, tags []string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM network_tags WHERE resource_id = $1`, resourceID); err != nil {
		return fmt.Errorf("tags of %s: %w", resourceID, err)
	}
	for _, t := range tags {
		if _, err := tx.Exec(ctx, `INSERT INTO network_tags (resource_id, tag) VALUES ($1, $2) ON CONFLICT DO NOTHING`, resourceID, t); err != nil {
			return fmt.Errorf("tags of %s: %w", resourceID, err)
		}
	}
	return nil
}

// SetPortGroups replaces the searchable groups of a port.
func (*Store) SetPortGroups(ctx context.Context, tx *db.Tx, portID string, groups []string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM port_groups WHERE port_id = $1`, portID); err != nil {
		return fmt.Errorf("groups of port %s: %w", portID, err)
	}
	for _, g := range groups {
		if _, err := tx.Exec(ctx, `INSERT INTO port_groups (port_id, group_id) VALUES ($1, $2)`, portID, g); err != nil {
			return fmt.Errorf("groups of port %s: %w", portID, err)
		}
	}
	return nil
}

// GroupMembers lists the addresses of the ports in each group.
func (*Store) GroupMembers(ctx context.Context, rd db.Reader, groups []string) (map[string][]netip.Addr, error) {
	type member struct{ group, addr string }
	out := map[string][]netip.Addr{}
	if len(groups) == 0 {
		return out, nil
	}
	rows, err := db.List(ctx, rd, func(s db.Scanner) (m member, err error) { return m, s.Scan(&m.group, &m.addr) }, `
		SELECT g.group_id, a.address FROM port_groups g JOIN port_addresses a ON a.port_id = g.port_id
		 WHERE g.group_id IN (`+marks(1, len(groups))+`) ORDER BY g.group_id, a.address`, anyOf(groups)...)
	for _, m := range rows {
		if a, err := netip.ParseAddr(m.addr); err == nil {
			out[m.group] = append(out[m.group], a)
		}
	}
	return out, err
}

// HostsWatching finds, for every host with a port whose rules name one of the
// groups as remote, one such port.
func (*Store) HostsWatching(ctx context.Context, rd db.Reader, groups []string) (map[string]string, error) {
	out := map[string]string{}
	if len(groups) == 0 {
		return out, nil
	}
	type pair struct{ host, port string }
	rows, err := db.List(ctx, rd, func(s db.Scanner) (p pair, err error) { return p, s.Scan(&p.host, &p.port) }, `
		SELECT p.binding_host_id, MIN(p.id) FROM security_group_rules r
		  JOIN port_groups g ON g.group_id = r.security_group_id
		  JOIN ports p ON p.id = g.port_id
		 WHERE r.remote_group_id IN (`+marks(1, len(groups))+`) AND p.binding_host_id <> ''
		 GROUP BY p.binding_host_id`, anyOf(groups)...)
	for _, p := range rows {
		out[p.host] = p.port
	}
	return out, err
}

// HostsOfGroup lists the hosts that have ports of the groups.
func (*Store) HostsOfGroup(ctx context.Context, rd db.Reader, groups []string) ([]string, error) {
	if len(groups) == 0 {
		return nil, nil
	}
	return db.List(ctx, rd, db.Value[string], `
		SELECT DISTINCT p.binding_host_id FROM port_groups g JOIN ports p ON p.id = g.port_id
		 WHERE g.group_id IN (`+marks(1, len(groups))+`) AND p.binding_host_id <> ''`, anyOf(groups)...)
}

// MarkWired sets the status of ports that are bound to a host; a port that is
// administratively down never becomes active.
func (*Store) MarkWired(ctx context.Context, tx *db.Tx, host string, ids []string, status string, at time.Time) error {
	if len(ids) == 0 {
		return nil
	}
	args := append([]any{status, db.Micros(at), host}, anyOf(ids)...)
	_, err := tx.Exec(ctx, `
		UPDATE ports SET status = $1, updated_at = $2, revision_number = revision_number + 1
		 WHERE binding_host_id = $3 AND status <> $1 AND (admin_state_up OR $1 = 'DOWN') AND id IN (`+marks(4, len(ids))+`)`, args...)
	if err != nil {
		return fmt.Errorf("ports of %s are %s: %w", host, status, err)
	}
	return nil
}

// Quotas are the limits a project has of its own.
func (*Store) Quotas(ctx context.Context, rd db.Reader, project string) (map[string]int64, error) {
	type limit struct {
		resource string
		n        int64
	}
	rows, err := db.List(ctx, rd, func(s db.Scanner) (l limit, err error) { return l, s.Scan(&l.resource, &l.n) },
		`SELECT resource, hard_limit FROM network_quotas WHERE project_id = $1`, project)
	out := map[string]int64{}
	for _, l := range rows {
		out[l.resource] = l.n
	}
	return out, err
}

// QuotaProjects lists the projects with limits of their own.
func (*Store) QuotaProjects(ctx context.Context, rd db.Reader) ([]string, error) {
	return db.List(ctx, rd, db.Value[string], `SELECT DISTINCT project_id FROM network_quotas ORDER BY project_id`)
}

// SetQuotas adds or changes limits.
func (*Store) SetQuotas(ctx context.Context, tx *db.Tx, project string, limits map[string]int64) error {
	for name, n := range limits {
		if _, err := tx.Exec(ctx, `INSERT INTO network_quotas (project_id, resource, hard_limit) VALUES ($1, $2, $3)
			ON CONFLICT (project_id, resource) DO UPDATE SET hard_limit = excluded.hard_limit`, project, name, n); err != nil {
			return fmt.Errorf("quota %s of %s: %w", name, project, err)
		}
	}
	return nil
}

// DropQuotas removes a project's limits.
func (*Store) DropQuotas(ctx context.Context, tx *db.Tx, project string) error {
	_, err := tx.Exec(ctx, `DELETE FROM network_quotas WHERE project_id = $1`, project)
	return err
}

// Hosts lists the hosts there are, with how many routers each carries.
func (*Store) Hosts(ctx context.Context, rd db.Reader) ([]network.Host, error) {
	return db.List(ctx, rd, scanHost, selectHosts+" ORDER BY h.host")
}

// Host reads one host.
func (*Store) Host(ctx context.Context, rd db.Reader, name string) (network.Host, bool, error) {
	return db.Get(ctx, rd, scanHost, selectHosts+" WHERE h.host = $1", name)
}

const selectHosts = `SELECT h.host, h.id, h.zone, h.description, h.physical, h.admin_up, h.created_at, h.started_at, h.heartbeat_at,
	(SELECT COUNT(*) FROM routers r WHERE r.host = h.host) FROM network_hosts h`

func scanHost(s db.Scanner) (h network.Host, err error) {
	var created, started, seen int64
	err = s.Scan(&h.Name, &h.ID, &h.Zone, &h.Description, db.FromJSON{Into: &h.Physical}, &h.AdminUp, &created, &started, &seen, &h.Routers)
	h.CreatedAt, h.StartedAt, h.SeenAt = db.Time(created), db.Time(started), db.Time(seen)
	return h, err
}

// Heard moves the heartbeats of hosts on.
func (*Store) Heard(ctx context.Context, tx *db.Tx, names []string, at time.Time) error {
	_, err := tx.Exec(ctx, "UPDATE network_hosts SET heartbeat_at = $1 WHERE host IN ("+marks(2, len(names))+")", append([]any{db.Micros(at)}, anyOf(names)...)...)
	return err
}

// SaveHost adds a host or renews what is known of it.
func (*Store) SaveHost(ctx context.Context, tx *db.Tx, h network.Host) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO network_hosts (host, id, zone, description, physical, admin_up, created_at, started_at, heartbeat_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (host) DO UPDATE SET zone = excluded.zone, description = excluded.description, physical = excluded.physical,
			admin_up = excluded.admin_up, started_at = excluded.started_at, heartbeat_at = excluded.heartbeat_at`,
		h.Name, h.ID, h.Zone, h.Description, db.JSON(h.Physical), h.AdminUp, db.Micros(h.CreatedAt), db.Micros(h.StartedAt), db.Micros(h.SeenAt))
	if err != nil {
		return fmt.Errorf("save host %s: %w", h.Name, err)
	}
	return nil
}

// Usage counts the addresses given out, by subnet.
func (*Store) Usage(ctx context.Context, rd db.Reader, networkIDs []string) (map[string]int64, error) {
	out := map[string]int64{}
	if len(networkIDs) == 0 {
		return out, nil
	}
	type count struct {
		subnet string
		n      int64
	}
	rows, err := db.List(ctx, rd, func(s db.Scanner) (c count, err error) { return c, s.Scan(&c.subnet, &c.n) }, `
		SELECT subnet_id, COUNT(*) FROM port_addresses WHERE network_id IN (`+marks(1, len(networkIDs))+`) GROUP BY subnet_id`, anyOf(networkIDs)...)
	for _, c := range rows {
		out[c.subnet] = c.n
	}
	return out, err
}
