package store

import (
	"context"
	"fmt"
	"time"

	"altostack/kernel/db"
	"altostack/placement"
)

// Take adds to what is promised if it fits, in one statement.
func (*Store) Take(ctx context.Context, tx *db.Tx, provider, class string, amount int64) (bool, error) {
	const q = `
		UPDATE placement_inventories SET used = used + $1
		 WHERE provider = $2 AND class = $3 AND used + $1 <= (total - reserved) * ratio
		   AND $1 >= min_unit AND $1 <= max_unit AND $1 % step_size = 0`
	n, err := tx.Exec(ctx, q, amount, provider, class)
	if err != nil {
		return false, fmt.Errorf("claim %d %s of %s: %w", amount, class, provider, err)
	}
	return n == 1, nil
}

// Free takes away what was promised.
func (*Store) Free(ctx context.Context, tx *db.Tx, provider, class string, amount int64) error {
	const q = `UPDATE placement_inventories SET used = used - $1 WHERE provider = $2 AND class = $3`
	_, err := tx.Exec(ctx, q, amount, provider, class)
	return err
}

// Bump advances the generations of providers.
func (*Store) Bump(ctx context.Context, tx *db.Tx, providers []string, now time.Time) error {
	for _, id := range providers {
		if _, err := tx.Exec(ctx, "UPDATE placement_providers SET generation = generation + 1, updated_at = $1 WHERE uuid = $2", db.Micros(now), id); err != nil {
			return err
		}
	}
	return nil
}

// Consumer reads one consumer.
func (*Store) Consumer(ctx context.Context, r db.Reader, id string) (placement.Consumer, bool, error) {
	return db.Get(ctx, r, func(s db.Scanner) (placement.Consumer, error) {
		c := placement.Consumer{ID: id}
		var created int64
		err := s.Scan(&c.ProjectID, &c.UserID, &c.Type, &c.Generation, &created)
		c.CreatedAt = db.Time(created)
		return c, err
	}, "SELECT project_id, user_id, type, generation, created_at FROM placement_consumers WHERE uuid = $1", id)
}

// SaveConsumer writes a consumer, new or known.
func (*Store) SaveConsumer(ctx context.Context, tx *db.Tx, c placement.Consumer, now time.Time) error {
	const q = `
		INSERT INTO placement_consumers (uuid, generation, project_id, user_id, type, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $6)
		ON CONFLICT (uuid) DO UPDATE SET generation = excluded.generation, project_id = excluded.project_id,
			user_id = excluded.user_id, type = excluded.type, updated_at = excluded.updated_at`
	_, err := tx.Exec(ctx, q, c.ID, c.Generation, c.ProjectID, c.UserID, c.Type, db.Micros(now))
	return err
}

// DeleteConsumer removes a consumer without allocations.
func (*Store) DeleteConsumer(ctx context.Context, tx *db.Tx, id string) error {
	_, err := tx.Exec(ctx, "DELETE FROM placement_consumers WHERE uuid = $1", id)
	return err
}

func scanAllocation(s db.Scanner) (placement.Allocation, error) {
	var a placement.Allocation
	var created int64
	err := s.Scan(&a.Consumer, &a.Provider, &a.Class, &a.Used, &created)
	a.CreatedAt = db.Time(created)
	return a, err
}

// AllocationsOf reads what a consumer holds.
func (*Store) AllocationsOf(ctx context.Context, r db.Reader, consumer string) ([]placement.Allocation, error) {
	return db.List(ctx, r, scanAllocation, "SELECT consumer, provider, class, used, created_at FROM placement_allocations WHERE consumer = $1 ORDER BY provider, class", consumer)
}

// AllocationsOn reads what is held of a provider.
func (*Store) AllocationsOn(ctx context.Context, r db.Reader, provider string) ([]placement.Allocation, error) {
	return db.List(ctx, r, scanAllocation, "SELECT consumer, provider, class, used, created_at FROM placement_allocations WHERE provider = $1 ORDER BY consumer, class", provider)
}

// ConsumersOn reads the generations of a provider's consumers.
func (*Store) ConsumersOn(ctx context.Context, r db.Reader, provider string) (map[string]int64, error) {
	const q = `SELECT uuid, generation FROM placement_consumers WHERE uuid IN (SELECT consumer FROM placement_allocations WHERE provider = $1)`
	rows, err := r.Query(ctx, q, provider)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]int64{}
	for rows.Next() {
		var id string
		var gen int64
		if err := rows.Scan(&id, &gen); err != nil {
			return nil, err
		}
		out[id] = gen
	}
	return out, rows.Err()
}

// InsertAllocation adds one allocation whose amount has been taken.
func (*Store) InsertAllocation(ctx context.Context, tx *db.Tx, a placement.Allocation) error {
	const q = `INSERT INTO placement_allocations (consumer, provider, class, used, created_at) VALUES ($1, $2, $3, $4, $5)`
	_, err := tx.Exec(ctx, q, a.Consumer, a.Provider, a.Class, a.Used, db.Micros(a.CreatedAt))
	return err
}

// DeleteAllocations removes a consumer's allocations, whose amounts have been freed.
func (*Store) DeleteAllocations(ctx context.Context, tx *db.Tx, consumer string) error {
	_, err := tx.Exec(ctx, "DELETE FROM placement_allocations WHERE consumer = $1", consumer)
	return err
}

// Usages sums by consumer type; an empty user sums over all users.
func (*Store) Usages(ctx context.Context, r db.Reader, project, user string) ([]placement.Usage, error) {
	const q = `
		SELECT c.type, a.class, SUM(a.used), COUNT(DISTINCT c.uuid)
		  FROM placement_consumers c JOIN placement_allocations a ON a.consumer = c.uuid
		 WHERE c.project_id = $1 AND ($2 = '' OR c.user_id = $2)
		 GROUP BY c.type, a.class ORDER BY c.type, a.class`
	const consumers = `
		SELECT type, COUNT(*) FROM placement_consumers
		 WHERE project_id = $1 AND ($2 = '' OR user_id = $2) GROUP BY type`
	rows, err := r.Query(ctx, q, project, user)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []placement.Usage
	for rows.Next() {
		var kind, class string
		var used, n int64
		if err := rows.Scan(&kind, &class, &used, &n); err != nil {
			return nil, err
		}
		if len(out) == 0 || out[len(out)-1].Type != kind {
			out = append(out, placement.Usage{Type: kind, Used: map[string]int64{}})
		}
		out[len(out)-1].Used[class] = used
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	counts, err := db.List(ctx, r, func(s db.Scanner) (u placement.Usage, err error) {
		return u, s.Scan(&u.Type, &u.Consumers)
	}, consumers, project, user)
	for _, c := range counts {
		for i := range out {
			if out[i].Type == c.Type {
				out[i].Consumers = c.Consumers
			}
		}
	}
	return out, err
}
