package store

import (
	"context"

	"altostack/compute"
	"altostack/kernel/db"
)

// UserQuotas answers a user's own limits in a project; usually none.
func (*Store) UserQuotas(ctx context.Context, r db.Reader, projectID, userID string) (compute.Quotas, error) {
	limits := compute.Quotas{}
	_, err := db.List(ctx, r, func(s db.Scanner) (struct{}, error) {
		var resource string
		var value int64
		err := s.Scan(&resource, &value)
		limits[resource] = value
		return struct{}{}, err
	}, "SELECT resource, value FROM compute_user_quotas WHERE project_id = $1 AND user_id = $2", projectID, userID)
	return limits, err
}

// SetUserQuotas saves a user's limits; those not named stay.
func (*Store) SetUserQuotas(ctx context.Context, tx *db.Tx, projectID, userID string, limits compute.Quotas) error {
	const q = `INSERT INTO compute_user_quotas (project_id, user_id, resource, value) VALUES ($1, $2, $3, $4)
		ON CONFLICT (project_id, user_id, resource) DO UPDATE SET value = $4`
	for resource, value := range limits {
		if _, err := tx.Exec(ctx, q, projectID, userID, resource, value); err != nil {
			return err
		}
	}
	return nil
}

// DropUserQuotas forgets a user's limits in a project.
func (*Store) DropUserQuotas(ctx context.Context, tx *db.Tx, projectID, userID string) error {
	_, err := tx.Exec(ctx, "DELETE FROM compute_user_quotas WHERE project_id = $1 AND user_id = $2", projectID, userID)
	return err
}

// UserUsage sums a user's servers in a project, by the few flavors they have.
func (*Store) UserUsage(ctx context.Context, r db.Reader, projectID, userID string) (compute.Usage, error) {
	var sum compute.Usage
	_, err := db.List(ctx, r, func(s db.Scanner) (struct{}, error) {
		var f compute.Flavor
		var n int64
		err := s.Scan(db.FromJSON{Into: &f}, &n)
		sum.Instances, sum.Cores, sum.RAM = sum.Instances+n, sum.Cores+n*int64(f.VCPUs), sum.RAM+n*int64(f.MemoryMiB)
		return struct{}{}, err
	}, "SELECT flavor, COUNT(*) FROM servers WHERE project_id = $1 AND user_id = $2 AND deleted = FALSE GROUP BY flavor", projectID, userID)
	return sum, err
}
