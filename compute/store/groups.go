package store

import (
	"context"

	"altostack/compute"
	"altostack/kernel/db"
	"altostack/kernel/page"
)

const groupColumns = "id, project_id, user_id, name, policy, rules, created_at"

func scanGroup(row db.Scanner) (compute.ServerGroup, error) {
	var g compute.ServerGroup
	var created int64
	err := row.Scan(&g.ID, &g.ProjectID, &g.UserID, &g.Name, &g.Policy, db.FromJSON{Into: &g.Rules}, &created)
	g.CreatedAt = db.Time(created)
	return g, err
}

// Groups lists a project's server groups, or everybody's, without members.
func (*Store) Groups(ctx context.Context, r db.Reader, projectID string) ([]compute.ServerGroup, error) {
	if projectID == "" {
		return db.List(ctx, r, scanGroup, "SELECT "+groupColumns+" FROM server_groups ORDER BY created_at, id")
	}
	return db.List(ctx, r, scanGroup, "SELECT "+groupColumns+" FROM server_groups WHERE project_id = $1 ORDER BY created_at, id", projectID)
}

// Group reads one server group, without members.
func (*Store) Group(ctx context.Context, r db.Reader, id string) (compute.ServerGroup, bool, error) {
	return db.Get(ctx, r, scanGroup, "SELECT "+groupColumns+" FROM server_groups WHERE id = $1", id)
}

// InsertGroup saves a new server group.
func (*Store) InsertGroup(ctx context.Context, tx *db.Tx, g compute.ServerGroup) error {
	const q = "INSERT INTO server_groups (id, project_id, user_id, name, policy, rules, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)"
	_, err := tx.Exec(ctx, q, g.ID, g.ProjectID, g.UserID, g.Name, g.Policy, db.JSON(g.Rules), db.Micros(g.CreatedAt))
	return err
}

// DeleteGroup reports whether there was one.
func (*Store) DeleteGroup(ctx context.Context, tx *db.Tx, id string) (bool, error) {
	n, err := tx.Exec(ctx, "DELETE FROM server_groups WHERE id = $1", id)
	return n > 0, err
}

// GroupMembers lists the servers of groups that are not deleted, by group.
func (*Store) GroupMembers(ctx context.Context, r db.Reader, groupIDs []string) (map[string][]string, error) {
	out := map[string][]string{}
	if len(groupIDs) == 0 {
		return out, nil
	}
	type member struct{ group, server string }
	q := page.From("m.group_id, m.server_id", "server_group_members m JOIN servers s ON s.id = m.server_id", "m.server_id").
		Where("s.deleted = FALSE").In("m.group_id", groupIDs)
	members, _, err := page.List(ctx, r, q, page.Request{}, func(s db.Scanner) (m member, err error) { err = s.Scan(&m.group, &m.server); return m, err })
	for _, m := range members {
		out[m.group] = append(out[m.group], m.server)
	}
	return out, err
}
