package objectstore

import (
	"context"

	"altostack/kernel/db"
)

// expireBatch is how many objects one transaction of Expire removes.
const expireBatch = 200

// Expire removes objects whose time is up; readers do not see them any more anyway.
// What versioning keeps becomes an older version, and its name stands for nothing,
// without a delete marker, as in the original. It may be called at any time, by any process.
func (s *Service) Expire(ctx context.Context) error {
	for {
		due, err := s.store.Expired(ctx, s.db, s.clock.Now().Unix(), expireBatch)
		if err != nil || len(due) == 0 {
			return err
		}
		err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			for _, o := range due {
				if err := s.expire(ctx, tx, o); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(due) < expireBatch {
			return err
		}
	}
}

// expire removes one object, unless it was changed since it was found.
func (s *Service) expire(ctx context.Context, tx *db.Tx, found Object) error {
	o, has, err := s.store.Version(ctx, tx, found.ContainerID, found.Name, found.Stamp)
	if err != nil || !has || !o.Expired(s.clock.Now()) {
		return err
	}
	c, has, err := s.store.ContainerByID(ctx, tx, o.ContainerID)
	if err != nil || !has {
		return err
	}
	delta := Usage{}
	if o.Latest && !o.Null {
		if err := s.retire(ctx, tx, o, &delta); err != nil {
			return err
		}
		return s.store.Count(ctx, tx, c, o.Name, delta)
	}
	if err := s.remove(ctx, tx, c, o, &delta); err != nil {
		return err
	}
	return s.store.Count(ctx, tx, c, o.Name, delta)
}
