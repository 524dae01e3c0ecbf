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

// QuotaClass answers the limits of a class, over the built-in ones.
func (*Store) QuotaClass(ctx context.Context, r db.Reader, class string) (compute.Quotas, error) {
	limits := compute.DefaultQuotas()
	_, err := db.List(ctx, r, func(s db.Scanner) (struct{}, error) {
		var resource string
		var value int64
		err := s.Scan(&resource, &value)
		limits[resource] = value
		return struct{}{}, err
	}, "SELECT resource, value FROM compute_quota_classes WHERE class = $1", class)
	return limits, err
}

// SetQuotas saves a project's limits; those not named stay.
func (*Store) SetQuotas(ctx context.Context, tx *db.Tx, projectID string, limits compute.Quotas) error {
	for resource, value := range limits {
		if _, err := tx.Exec(ctx, "INSERT INTO compute_quotas (project_id, resource, value) VALUES ($1, $2, $3) ON CONFLICT (project_id, resource) DO UPDATE SET value = $3", projectID, resource, value); err != nil {
			return err
		}
	}
	return nil
}

// SetQuotaClass saves limits of a class; those not named stay.
func (*Store) SetQuotaClass(ctx context.Context, tx *db.Tx, class string, limits compute.Quotas) error {
	for resource, value := range limits {
		if _, err := tx.Exec(ctx, "INSERT INTO compute_quota_classes (class, resource, value) VALUES ($1, $2, $3) ON CONFLICT (class, resource) DO UPDATE SET value = $3", class, resource, value); err != nil {
			return err
		}
	}
	return nil
}

// DropQuotas forgets a project's own limits and its users'.
func (*Store) DropQuotas(ctx context.Context, tx *db.Tx, projectID string) error {
	if _, err := tx.Exec(ctx, "DELETE FROM compute_user_quotas WHERE project_id = $1", projectID); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "DELETE FROM compute_quotas WHERE project_id = $1", projectID)
	return err
}

// CountGroups counts a project's server groups.
func (*Store) CountGroups(ctx context.Context, r db.Reader, projectID string) (int64, error) {
	n, _, err := db.Get(ctx, r, db.Value[int64], "SELECT COUNT(*) FROM server_groups WHERE project_id = $1", projectID)
	return n, err
}
