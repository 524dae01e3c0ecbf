package store

import (
	"context"

	"altostack/compute"
	"altostack/kernel/db"
)

const aggregateColumns = "id, uuid, name, metadata, created_at, updated_at"

func scanAggregate(row db.Scanner) (compute.Aggregate, error) {
	a := compute.Aggregate{Metadata: map[string]string{}, Hosts: []string{}}
	var created, updated int64
	err := row.Scan(&a.Number, &a.ID, &a.Name, db.FromJSON{Into: &a.Metadata}, &created, &updated)
	a.CreatedAt, a.UpdatedAt = db.Time(created), db.Time(updated)
	return a, err
}

// Aggregates reads all aggregates with their hosts, in two queries.
func (*Store) Aggregates(ctx context.Context, r db.Reader) ([]compute.Aggregate, error) {
	all, err := db.List(ctx, r, scanAggregate, "SELECT "+aggregateColumns+" FROM compute_aggregates ORDER BY id")
	if err != nil {
		return nil, err
	}
	type member struct {
		aggregate int64
		host      string
	}
	members, err := db.List(ctx, r, func(s db.Scanner) (m member, err error) { err = s.Scan(&m.aggregate, &m.host); return m, err },
		"SELECT aggregate_id, host FROM compute_aggregate_hosts ORDER BY aggregate_id, host")
	at := make(map[int64]int, len(all))
	for i, a := range all {
		at[a.Number] = i
	}
	for _, m := range members {
		if i, known := at[m.aggregate]; known {
			all[i].Hosts = append(all[i].Hosts, m.host)
		}
	}
	return all, err
}

// Aggregate reads one aggregate with its hosts.
func (*Store) Aggregate(ctx context.Context, r db.Reader, number int64) (compute.Aggregate, bool, error) {
	a, found, err := db.Get(ctx, r, scanAggregate, "SELECT "+aggregateColumns+" FROM compute_aggregates WHERE id = $1", number)
	if err != nil || !found {
		return a, found, err
	}
	hosts, err := db.List(ctx, r, db.Value[string], "SELECT host FROM compute_aggregate_hosts WHERE aggregate_id = $1 ORDER BY host", number)
	a.Hosts = append(a.Hosts, hosts...)
	return a, true, err
}

// InsertAggregate saves a new one under the next number; db.IsUnique tells a
// taken name.
func (*Store) InsertAggregate(ctx context.Context, tx *db.Tx, a compute.Aggregate) (compute.Aggregate, error) {
	const q = `INSERT INTO compute_aggregates (id, uuid, name, metadata, created_at, updated_at)
		VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM compute_aggregates), $1, $2, $3, $4, 0) RETURNING id`
	err := tx.QueryRow(ctx, q, a.ID, a.Name, db.JSON(a.Metadata), db.Micros(a.CreatedAt)).Scan(&a.Number)
	return a, err
}

// SaveAggregate writes an aggregate and its membership.
func (*Store) SaveAggregate(ctx context.Context, tx *db.Tx, a compute.Aggregate) error {
	if _, err := tx.Exec(ctx, "UPDATE compute_aggregates SET name = $1, metadata = $2, updated_at = $3 WHERE id = $4",
		a.Name, db.JSON(a.Metadata), db.Micros(a.UpdatedAt), a.Number); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "DELETE FROM compute_aggregate_hosts WHERE aggregate_id = $1", a.Number); err != nil {
		return err
	}
	for _, host := range a.Hosts {
		if _, err := tx.Exec(ctx, "INSERT INTO compute_aggregate_hosts (aggregate_id, host) VALUES ($1, $2)", a.Number, host); err != nil {
			return err
		}
	}
	return nil
}

// DeleteAggregate forgets an aggregate and its membership.
func (*Store) DeleteAggregate(ctx context.Context, tx *db.Tx, number int64) error {
	_, err := tx.Exec(ctx, "DELETE FROM compute_aggregates WHERE id = $1", number)
	return err
}

// LeaveAggregates ends a host's memberships.
func (*Store) LeaveAggregates(ctx context.Context, tx *db.Tx, host string) error {
	_, err := tx.Exec(ctx, "DELETE FROM compute_aggregate_hosts WHERE host = $1", host)
	return err
}
