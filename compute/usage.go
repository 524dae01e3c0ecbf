package compute

import (
	"context"
	"time"

	"altostack/kernel/db"
	"altostack/kernel/page"
)

// Ran is a server in a report of what projects used: running or ended.
type Ran struct {
	ID, Name, ProjectID string
	Flavor              Flavor // as it was at create
	State               VMState
	LaunchedAt, EndedAt time.Time // EndedAt is zero while it exists
}

// Hours is how long the server existed within a period, in hours.
func (r Ran) Hours(from, to time.Time) float64 {
	start, stop := r.LaunchedAt, to
	if start.Before(from) {
		start = from
	}
	if !r.EndedAt.IsZero() && r.EndedAt.Before(stop) {
		stop = r.EndedAt
	}
	if !stop.After(start) {
		return 0
	}
	return stop.Sub(start).Hours()
}

// UsageStore is what reports of usage need of the database.
type UsageStore interface {
	Ran(ctx context.Context, r db.Reader, projectID string, from, to time.Time, req page.Request) ([]Ran, bool, error)
}

// Ran answers one page of the servers that existed within a period, by project
// and id; of every project for an empty one. Markers are ids of servers.
func (s *Service) Ran(ctx context.Context, projectID string, from, to time.Time, req page.Request) ([]Ran, bool, error) {
	return s.Store.Ran(ctx, s.DB, projectID, from, to, req)
}

// ServersByID answers those servers, of every project, that exist, by id.
func (s *Service) ServersByID(ctx context.Context, ids []string) (map[string]Server, error) {
	rows, err := s.Store.ServersByID(ctx, s.DB, ids)
	out := make(map[string]Server, len(rows))
	for _, srv := range rows {
		if !srv.Deleted {
			out[srv.ID] = srv
		}
	}
	return out, err
}
