package objectstore

import (
	"context"
	"time"

	"altostack/kernel/db"
)

const (
	// reapBatch is how many rows one transaction of Reap removes.
	reapBatch = 200
	// tombstone is how long a deleted account's name answers that it was deleted.
	// Source: Swift's reclaim_age.
	tombstone = 7 * 24 * time.Hour
)

// Reap removes what deleted accounts held, and in the end their rows: the name is
// then free again. It may be called at any time, by any process.
func (s *Service) Reap(ctx context.Context) error {
	accounts, err := s.store.DeletedAccounts(ctx, s.db)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		if err := s.reap(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) reap(ctx context.Context, a Account) error {
	for {
		containers, err := s.store.Containers(ctx, s.db, a.Name, Window{Limit: reapBatch})
		if err != nil {
			return err
		}
		for _, c := range containers {
			if err := s.empty(ctx, c); err != nil {
				return err
			}
		}
		if len(containers) == 0 {
			break
		}
	}
	if s.clock.Now().Sub(a.DeletedAt) < tombstone {
		return nil
	}
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.store.ForgetAccount(ctx, tx, a.Name) })
}

// empty deletes a container with all that is in it.
func (s *Service) empty(ctx context.Context, c Container) error {
	for done := false; !done; {
		err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			list, err := s.store.Versions(ctx, tx, c.ID, Window{Limit: reapBatch})
			if err != nil {
				return err
			}
			delta := Usage{}
			for _, o := range list {
				if err := s.remove(ctx, tx, c, o, &delta); err != nil {
					return err
				}
			}
			if err := s.store.Count(ctx, tx, c, c.Name, delta); err != nil {
				return err
			}
			if done = len(list) == 0; !done {
				return nil
			}
			if err := s.dropUploads(ctx, tx, c); err != nil {
				return err
			}
			return s.store.DeleteContainer(ctx, tx, c)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
