// Package store keeps identity's rows in SQL, one text for SQLite and
// PostgreSQL. It decides nothing: what may change and what a change revokes is
// the domain's part; a transaction comes from the caller, so that a change and
// its revocation are one.
package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"altostack/identity"
	"altostack/kernel/db"
	"altostack/kernel/page"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the tables of identity, for db.Migrate.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	return sub
}

// Store implements identity.Store; it has no state of its own.
type Store struct{}

// New makes the store. Reads and writes get their database from the caller.
func New() *Store { return &Store{} }

var _ identity.Store = (*Store)(nil)

// Tables are the objects kept by id.
func (*Store) Tables() identity.Tables {
	return identity.Tables{
		Users: users, Groups: groups, Projects: projects, Roles: roles, Regions: regions, Services: services, Endpoints: endpoints,
		AppCreds: appCreds, AccessRules: accessRules, Credentials: credentials, Policies: policies, RegisteredLimits: registeredLimits, Limits: limits,
		Trusts: trusts, Consumers: consumers, OAuthRequests: oauthRequests, AccessTokens: accessTokens, DomainConfigs: domainConfigs, EndpointGroups: endpointGroups, ProjectEndpoints: projectEndpoints, ProjectEndpointGroups: projectEndpointGroups,
		PolicyAssociations: policyAssociations,
		IdentityProviders:  providers, Protocols: protocols, Mappings: mappings, ServiceProviders: serviceProviders, FederatedUsers: federatedUsers, FederatedMembers: federatedMembers, DirectoryIDs: directoryIDs,
	}
}

const projectColumns = "p.id, p.name, p.domain_id, p.parent_id, p.is_domain, p.enabled, p.description, p.options, p.extra"

// Ancestors answers the project first and its domain last, without their tags,
// as every token asks for them.
func (*Store) Ancestors(ctx context.Context, r db.Reader, projectID string) ([]identity.Project, error) {
	const q = `
		WITH RECURSIVE up (id, parent_id, depth) AS (
			SELECT id, parent_id, 0 FROM projects WHERE id = $1
			UNION ALL
			SELECT q.id, q.parent_id, up.depth + 1 FROM projects q JOIN up ON q.id = up.parent_id
		)
		SELECT ` + projectColumns + ` FROM up JOIN projects p ON p.id = up.id ORDER BY up.depth`
	rows, err := db.List(ctx, r, scanProject, q, projectID)
	if err != nil {
		return nil, fmt.Errorf("ancestors of project %s: %w", projectID, err)
	}
	return rows, nil
}

// Subtree answers the descendants, parents before children.
func (*Store) Subtree(ctx context.Context, r db.Reader, projectID string) ([]identity.Project, error) {
	const q = `
		WITH RECURSIVE down (id, depth) AS (
			SELECT id, 1 FROM projects WHERE parent_id = $1
			UNION ALL
			SELECT q.id, down.depth + 1 FROM projects q JOIN down ON q.parent_id = down.id
		)
		SELECT ` + projectColumns + ` FROM down JOIN projects p ON p.id = down.id ORDER BY down.depth, p.id`
	rows, err := db.List(ctx, r, scanProject, q, projectID)
	if err == nil && len(rows) > 0 {
		err = addTags(ctx, r, rows)
	}
	if err != nil {
		return nil, fmt.Errorf("subtree of project %s: %w", projectID, err)
	}
	return rows, nil
}

type pair struct{ a, b string }

func scanPair(s db.Scanner) (p pair, err error) { return p, s.Scan(&p.a, &p.b) }

// pairs lists two columns of the rows in which key is one of values.
func pairs(ctx context.Context, r db.Reader, columns, from, id, key string, values []string) ([]pair, error) {
	rows, _, err := page.List(ctx, r, page.From(columns, from, id).In(key, values), page.Request{}, scanPair)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", from, err)
	}
	return rows, nil
}

func addTags(ctx context.Context, r db.Reader, rows []identity.Project) error {
	at := make(map[string]int, len(rows))
	ids := make([]string, len(rows))
	for i, p := range rows {
		at[p.ID], ids[i] = i, p.ID
	}
	tags, err := pairs(ctx, r, "project_id, tag", "project_tags", "tag", "project_id", ids)
	for _, t := range tags {
		p := &rows[at[t.a]]
		p.Tags = append(p.Tags, t.b)
	}
	return err
}

func saveTags(ctx context.Context, tx *db.Tx, projectID string, tags []string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM project_tags WHERE project_id = $1`, projectID); err != nil {
		return fmt.Errorf("save tags: %w", err)
	}
	for _, tag := range tags {
		const q = `INSERT INTO project_tags (project_id, tag) VALUES ($1, $2) ON CONFLICT DO NOTHING`
		if _, err := tx.Exec(ctx, q, projectID, tag); err != nil {
			return fmt.Errorf("save tags: %w", err)
		}
	}
	return nil
}

// SaveTags replaces a project's tags.
func (*Store) SaveTags(ctx context.Context, tx *db.Tx, projectID string, tags []string) error {
	return saveTags(ctx, tx, projectID, tags)
}

// Tagged answers the ids of projects that have all, or any, of the tags.
func (*Store) Tagged(ctx context.Context, r db.Reader, tags []string, all bool) ([]string, error) {
	found, err := pairs(ctx, r, "project_id, tag", "project_tags", "tag", "tag", tags)
	if err != nil {
		return nil, err
	}
	count := map[string]int{}
	for _, p := range found {
		count[p.a]++
	}
	var ids []string
	for id, n := range count {
		if !all || n == len(tags) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// GroupsOf answers the ids of a user's groups.
func (*Store) GroupsOf(ctx context.Context, r db.Reader, userID string) ([]string, error) {
	ids, err := db.List(ctx, r, db.Value[string], `SELECT group_id FROM group_members WHERE user_id = $1 ORDER BY group_id`, userID)
	if err != nil {
		return nil, fmt.Errorf("groups of user %s: %w", userID, err)
	}
	return ids, nil
}

// MembersOf answers the ids of the groups' users, by group.
func (*Store) MembersOf(ctx context.Context, r db.Reader, groupIDs ...string) (map[string][]string, error) {
	found, err := pairs(ctx, r, "group_id, user_id", "group_members", "user_id", "group_id", groupIDs)
	members := map[string][]string{}
	for _, p := range found {
		members[p.a] = append(members[p.a], p.b)
	}
	return members, err
}

// AddMember puts a user into a group; being there already is success.
func (*Store) AddMember(ctx context.Context, tx *db.Tx, groupID, userID string) error {
	const q = `INSERT INTO group_members (group_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`
	if _, err := tx.Exec(ctx, q, groupID, userID); err != nil {
		return fmt.Errorf("add user %s to group %s: %w", userID, groupID, err)
	}
	return nil
}

// RemoveMember takes a user out of a group and tells whether it was in.
func (*Store) RemoveMember(ctx context.Context, tx *db.Tx, groupID, userID string) (bool, error) {
	n, err := tx.Exec(ctx, `DELETE FROM group_members WHERE group_id = $1 AND user_id = $2`, groupID, userID)
	if err != nil {
		return false, fmt.Errorf("remove user %s from group %s: %w", userID, groupID, err)
	}
	return n > 0, nil
}

// Implications answers every rule by which a role implies another.
func (*Store) Implications(ctx context.Context, r db.Reader) ([]identity.Implication, error) {
	rows, err := db.List(ctx, r, scanPair, `SELECT prior_id, implied_id FROM implied_roles ORDER BY prior_id, implied_id`)
	if err != nil {
		return nil, fmt.Errorf("list implied roles: %w", err)
	}
	out := make([]identity.Implication, len(rows))
	for i, p := range rows {
		out[i] = identity.Implication{PriorID: p.a, ImpliedID: p.b}
	}
	return out, nil
}

// AddImplication is repeatable.
func (*Store) AddImplication(ctx context.Context, tx *db.Tx, i identity.Implication) error {
	const q = `INSERT INTO implied_roles (prior_id, implied_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`
	if _, err := tx.Exec(ctx, q, i.PriorID, i.ImpliedID); err != nil {
		return fmt.Errorf("add implied role: %w", err)
	}
	return nil
}

// RemoveImplication tells whether the rule was there.
func (*Store) RemoveImplication(ctx context.Context, tx *db.Tx, i identity.Implication) (bool, error) {
	n, err := tx.Exec(ctx, `DELETE FROM implied_roles WHERE prior_id = $1 AND implied_id = $2`, i.PriorID, i.ImpliedID)
	if err != nil {
		return false, fmt.Errorf("remove implied role: %w", err)
	}
	return n > 0, nil
}
