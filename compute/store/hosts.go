package store

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"altostack/compute"
	"altostack/kernel/db"
)

const hostColumns = "name, number, hypervisor_id, service_id, provider_id, zone, disabled, disabled_reason, forced_down, record, seen_at, created_at, updated_at"

func scanHost(row db.Scanner) (compute.Host, error) {
	var h compute.Host
	var seen, created, updated int64
	err := row.Scan(&h.Name, &h.Number, &h.HypervisorID, &h.ServiceID, &h.ProviderID, &h.Zone, &h.Disabled, &h.DisabledReason, &h.ForcedDown,
		db.FromJSON{Into: &h.Record}, &seen, &created, &updated)
	h.ServiceNumber = h.Number // a host and its service come together
	h.SeenAt, h.CreatedAt, h.UpdatedAt = db.Time(seen), db.Time(created), db.Time(updated)
	return h, err
}

// Hosts answers every host, in the order in which they came.
func (*Store) Hosts(ctx context.Context, r db.Reader) ([]compute.Host, error) {
	return db.List(ctx, r, scanHost, "SELECT "+hostColumns+" FROM compute_hosts ORDER BY number")
}

// Host reads one host by name.
func (*Store) Host(ctx context.Context, r db.Reader, name string) (compute.Host, bool, error) {
	return db.Get(ctx, r, scanHost, "SELECT "+hostColumns+" FROM compute_hosts WHERE name = $1", name)
}

// PutHost saves what a host said of itself; what operators set stays.
func (*Store) PutHost(ctx context.Context, tx *db.Tx, h compute.Host) error {
	const q = `
		INSERT INTO compute_hosts (name, number, hypervisor_id, service_id, provider_id, zone, disabled, disabled_reason, forced_down, record, seen_at, created_at, updated_at)
		VALUES ($1, (SELECT COALESCE(MAX(number), 0) + 1 FROM compute_hosts), $2, $3, $4, $5, FALSE, '', FALSE, $6, $7, $7, $7)
		ON CONFLICT (name) DO UPDATE SET provider_id = $4, record = $6, seen_at = $7, updated_at = $7`
	_, err := tx.Exec(ctx, q, h.Name, h.HypervisorID, h.ServiceID, h.ProviderID, h.Zone, db.JSON(h.Record), db.Micros(h.SeenAt))
	return err
}

// HostsSeen saves the heartbeats of many hosts.
func (*Store) HostsSeen(ctx context.Context, tx *db.Tx, names []string, at time.Time) error {
	for part := range slices.Chunk(names, 500) {
		args, marks := []any{db.Micros(at)}, make([]string, len(part))
		for i, name := range part {
			args, marks[i] = append(args, name), "$"+strconv.Itoa(i+2)
		}
		if _, err := tx.Exec(ctx, "UPDATE compute_hosts SET seen_at = $1, updated_at = $1 WHERE name IN ("+strings.Join(marks, ", ")+")", args...); err != nil {
			return err
		}
	}
	return nil
}

// GroupHosts answers the hosts of a server group's members, but for one server.
func (*Store) GroupHosts(ctx context.Context, r db.Reader, groupID, but string) (map[string]int, error) {
	type row struct {
		host  string
		count int
	}
	const q = `
		SELECT s.host, COUNT(*) FROM server_group_members m JOIN servers s ON s.id = m.server_id
		 WHERE m.group_id = $1 AND s.id <> $2 AND s.deleted = FALSE AND s.host <> '' GROUP BY s.host`
	rows, err := db.List(ctx, r, func(s db.Scanner) (v row, err error) { err = s.Scan(&v.host, &v.count); return v, err }, q, groupID, but)
	out := make(map[string]int, len(rows))
	for _, v := range rows {
		out[v.host] = v.count
	}
	return out, err
}

// GroupPolicy answers a server group's policy, within its project.
func (*Store) GroupPolicy(ctx context.Context, r db.Reader, groupID, projectID string) (string, bool, error) {
	return db.Get(ctx, r, db.Value[string], "SELECT policy FROM server_groups WHERE id = $1 AND project_id = $2", groupID, projectID)
}

// JoinGroup makes a server a member of a group.
func (*Store) JoinGroup(ctx context.Context, tx *db.Tx, groupID, serverID string) error {
	_, err := tx.Exec(ctx, "INSERT INTO server_group_members (group_id, server_id) VALUES ($1, $2) ON CONFLICT DO NOTHING", groupID, serverID)
	return err
}

// LeaveGroups ends a server's memberships.
func (*Store) LeaveGroups(ctx context.Context, tx *db.Tx, serverID string) error {
	_, err := tx.Exec(ctx, "DELETE FROM server_group_members WHERE server_id = $1", serverID)
	return err
}

// GroupsOf answers the ids of the groups that a server is in.
func (*Store) GroupsOf(ctx context.Context, r db.Reader, serverID string) ([]string, error) {
	return db.List(ctx, r, db.Value[string], "SELECT group_id FROM server_group_members WHERE server_id = $1 ORDER BY group_id", serverID)
}
