package store

import (
	"context"
	"time"

	"altostack/compute"
	"altostack/kernel/db"
	"altostack/kernel/page"
)

// Ran reads a page of the servers that existed within a period, those deleted
// since among them.
func (*Store) Ran(ctx context.Context, r db.Reader, projectID string, from, to time.Time, req page.Request) ([]compute.Ran, bool, error) {
	q := page.From("id, name, project_id, flavor, vm_state, launched_at, ended_at", "servers", "id").Equal("project_id", projectID).
		Where("launched_at > 0 AND launched_at < ?", db.Micros(to)).
		Where("ended_at = 0 OR ended_at > ?", db.Micros(from))
	req.Sort = []page.Key{{Column: "project_id"}}
	return page.List(ctx, r, q, req, func(row db.Scanner) (v compute.Ran, err error) {
		var launched, ended int64
		err = row.Scan(&v.ID, &v.Name, &v.ProjectID, db.FromJSON{Into: &v.Flavor}, &v.State, &launched, &ended)
		v.LaunchedAt, v.EndedAt = db.Time(launched), db.Time(ended)
		return v, err
	})
}
