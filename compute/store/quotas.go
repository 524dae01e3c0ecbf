package store

import (
	"context"

	"altostack/compute"
	"altostack/kernel/db"
)

// Quotas answers a project's limits: its own, those of the default class, and
// the built-in ones, in this order.
func (*Store) Quotas(ctx context.Context, r db.Reader, projectID string) (compute.Quotas, error) {
	type row struct {
		resource string
		value    int64
	}
	const q = `
		SELECT resource, value, 0 FROM compute_quota_classes WHERE class = 'default'
		UNION ALL
		SELECT resource, value, 1 FROM compute_quotas WHERE project_id = $1
		ORDER BY 3`
	rows, err := db.List(ctx, r, func(s db.Scanner) (v row, err error) {
		var rank int
		err = s.Scan(&v.resource, &v.value, &rank)
		return v, err
	}, q, projectID)
	limits := compute.DefaultQuotas()
	for _, l := range rows {
		limits[l.resource] = l.value
	}
	return limits, err
}

// Use adds to what a project uses, or with negative figures takes away, and
// answers what it used before.
func (*Store) Use(ctx context.Context, tx *db.Tx, projectID string, more compute.Usage) (before compute.Usage, err error) {
	const q = `
		INSERT INTO compute_usage (project_id, instances, cores, ram) VALUES ($1, $2, $3, $4)
		ON CONFLICT (project_id) DO UPDATE SET instances = compute_usage.instances + $2, cores = compute_usage.cores + $3, ram = compute_usage.ram + $4
		RETURNING instances, cores, ram`
	after, _, err := db.Get(ctx, tx, scanUsage, q, projectID, more.Instances, more.Cores, more.RAM)
	return compute.Usage{Instances: after.Instances - more.Instances, Cores: after.Cores - more.Cores, RAM: after.RAM - more.RAM}, err
}

// Usage answers what a project uses.
func (*Store) Usage(ctx context.Context, r db.Reader, projectID string) (compute.Usage, error) {
	u, _, err := db.Get(ctx, r, scanUsage, "SELECT instances, cores, ram FROM compute_usage WHERE project_id = $1", projectID)
	return u, err
}

func scanUsage(s db.Scanner) (u compute.Usage, err error) {
	err = s.Scan(&u.Instances, &u.Cores, &u.RAM)
	return u, err
}
