package store

import (
	"context"
	"fmt"
	"strings"

	"altostack/kernel/db"
	"altostack/objectstore"
)

const containerColumns = `c.id, c.account, c.name, c.policy, c.versioning, c.meta, c.system, c.generation, c.created_at, c.updated_at,
	(SELECT CAST(COALESCE(SUM(u.objects), 0) AS BIGINT) FROM object_usage u WHERE u.container_id = c.id),
	(SELECT CAST(COALESCE(SUM(u.versions), 0) AS BIGINT) FROM object_usage u WHERE u.container_id = c.id),
	(SELECT CAST(COALESCE(SUM(u.bytes), 0) AS BIGINT) FROM object_usage u WHERE u.container_id = c.id)`

func scanContainer(sc db.Scanner) (c objectstore.Container, err error) {
	var name []byte
	var meta, system string
	var created, updated int64
	err = sc.Scan(&c.ID, &c.Account, &name, &c.Policy, &c.Versioning, &meta, &system, &c.Generation, &created, &updated, &c.Usage.Objects, &c.Usage.Versions, &c.Usage.Bytes)
	if err != nil {
		return c, err
	}
	c.Name, c.CreatedAt, c.UpdatedAt = string(name), db.Time(created), db.Time(updated)
	c.Meta, c.System, err = dicts(meta, system)
	return c, err
}

// Container reads a container by its name.
func (s *Store) Container(ctx context.Context, r db.Reader, account, name string) (objectstore.Container, bool, error) {
	return db.Get(ctx, r, scanContainer, "SELECT "+containerColumns+" FROM object_containers c WHERE c.account = $1 AND c.name = $2", account, []byte(name))
}

// ContainerByID reads a container without its usage, which a PUT does not need.
func (s *Store) ContainerByID(ctx context.Context, r db.Reader, id int64) (objectstore.Container, bool, error) {
	return db.Get(ctx, r, scanContainer, `SELECT id, account, name, policy, versioning, meta, system, generation, created_at, updated_at, 0, 0, 0 FROM object_containers WHERE id = $1`, id)
}

// Containers reads a range of an account's containers.
func (s *Store) Containers(ctx context.Context, r db.Reader, account string, w objectstore.Window) ([]objectstore.Container, error) {
	b := newBounds("c.account = $1", account)
	b.names("c.name", w)
	return db.List(ctx, r, scanContainer, "SELECT "+containerColumns+" FROM object_containers c WHERE "+b.where()+b.order("c.name", "", w), b.args...)
}

// InsertContainer adds a container and counts it.
func (s *Store) InsertContainer(ctx context.Context, tx *db.Tx, c objectstore.Container) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO object_containers (id, account, name, policy, versioning, meta, system, generation, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		c.ID, c.Account, []byte(c.Name), c.Policy, c.Versioning, text(c.Meta), text(c.System), c.Generation, db.Micros(c.CreatedAt), db.Micros(c.UpdatedAt))
	if err != nil {
		return fmt.Errorf("insert container: %w", err)
	}
	return s.countAccount(ctx, tx, c, c.Name, 1, 0, 0)
}

// SaveContainer writes a container if its row is one generation behind.
func (s *Store) SaveContainer(ctx context.Context, tx *db.Tx, c objectstore.Container) (bool, error) {
	n, err := tx.Exec(ctx, `
		UPDATE object_containers SET versioning = $1, meta = $2, system = $3, generation = $4, updated_at = $5
		 WHERE id = $6 AND account = $7 AND generation = $4 - 1`,
		c.Versioning, text(c.Meta), text(c.System), c.Generation, db.Micros(c.UpdatedAt), c.ID, c.Account)
	return n > 0, err
}

// DeleteContainer removes an empty container.
func (s *Store) DeleteContainer(ctx context.Context, tx *db.Tx, c objectstore.Container) error {
	if _, err := tx.Exec(ctx, "DELETE FROM object_containers WHERE id = $1 AND account = $2", c.ID, c.Account); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "DELETE FROM object_usage WHERE container_id = $1", c.ID); err != nil {
		return err
	}
	return s.countAccount(ctx, tx, c, c.Name, -1, 0, 0)
}

// Usage reads a container's sums.
func (s *Store) Usage(ctx context.Context, r db.Reader, container int64) (objectstore.Usage, error) {
	u, _, err := db.Get(ctx, r, func(sc db.Scanner) (u objectstore.Usage, err error) {
		return u, sc.Scan(&u.Objects, &u.Versions, &u.Bytes)
	}, `SELECT CAST(COALESCE(SUM(objects), 0) AS BIGINT), CAST(COALESCE(SUM(versions), 0) AS BIGINT), CAST(COALESCE(SUM(bytes), 0) AS BIGINT)
		  FROM object_usage WHERE container_id = $1`, container)
	return u, err
}

// Count adds to the sums of a container and of its account.
func (s *Store) Count(ctx context.Context, tx *db.Tx, c objectstore.Container, key string, d objectstore.Usage) error {
	if d == (objectstore.Usage{}) {
		return nil
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO object_usage (container_id, stripe, objects, versions, bytes) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (container_id, stripe) DO UPDATE SET objects = object_usage.objects + excluded.objects,
			versions = object_usage.versions + excluded.versions, bytes = object_usage.bytes + excluded.bytes`,
		c.ID, s.stripe(key), d.Objects, d.Versions, d.Bytes)
	if err != nil {
		return fmt.Errorf("count in container: %w", err)
	}
	return s.countAccount(ctx, tx, c, key, 0, d.Objects, d.Bytes)
}

func (s *Store) countAccount(ctx context.Context, tx *db.Tx, c objectstore.Container, key string, containers, objects, bytes int64) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO object_account_usage (account, policy, stripe, containers, objects, bytes) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (account, policy, stripe) DO UPDATE SET containers = object_account_usage.containers + excluded.containers,
			objects = object_account_usage.objects + excluded.objects, bytes = object_account_usage.bytes + excluded.bytes`,
		c.Account, c.Policy, s.stripe(key), containers, objects, bytes)
	if err != nil {
		return fmt.Errorf("count in account: %w", err)
	}
	return nil
}

// bounds puts a window into SQL.
type bounds struct {
	conds []string
	args  []any
}

func newBounds(cond string, args ...any) *bounds { return &bounds{conds: []string{cond}, args: args} }

func (b *bounds) add(cond string, arg any) {
	b.args = append(b.args, arg)
	b.conds = append(b.conds, fmt.Sprintf(cond, len(b.args)))
}

func (b *bounds) names(column string, w objectstore.Window) {
	switch {
	case len(w.Min) == 0:
	case w.After:
		b.add(column+" > $%d", w.Min)
	default:
		b.add(column+" >= $%d", w.Min)
	}
	if w.Max != nil {
		b.add(column+" < $%d", w.Max)
	}
}

// versions is names for lists of versions, which may go on within a name.
func (b *bounds) versions(column, age string, w objectstore.Window) {
	if w.Stamp == 0 {
		b.names(column, w)
		return
	}
	at, op, rest := w.Min, ">", objectstore.Window{Max: w.Max}
	if w.Reverse {
		at, op, rest = w.Max, "<", objectstore.Window{Min: w.Min, After: w.After}
	}
	b.args = append(b.args, at, -w.Stamp)
	b.conds = append(b.conds, fmt.Sprintf("(%s, %s) %s ($%d, $%d)", column, age, op, len(b.args)-1, len(b.args)))
	b.names(column, rest)
}

func (b *bounds) where() string { return strings.Join(b.conds, " AND ") }

func (b *bounds) order(column, second string, w objectstore.Window) string {
	desc := ""
	if w.Reverse {
		desc = " DESC"
	}
	out := " ORDER BY " + column + desc
	if second != "" {
		out += ", " + second + desc
	}
	if w.Limit > 0 {
		b.args = append(b.args, w.Limit)
		out += fmt.Sprintf(" LIMIT $%d", len(b.args))
	}
	return out
}
