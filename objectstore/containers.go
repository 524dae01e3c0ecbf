package objectstore

import (
	"context"
	"strconv"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// Account answers an account with its usage; one that nothing was written to yet
// is answered empty, with Exists false.
func (s *Service) Account(ctx context.Context, name string) (Account, error) {
	a, found, err := s.store.Account(ctx, s.db, name)
	if err != nil {
		return a, err
	}
	if found && !a.DeletedAt.IsZero() {
		return a, fault.New(fault.CodeObjectstoreAccountGone, "The account %s was deleted.", name)
	}
	if !found {
		a = Account{Name: name}
	}
	a.Exists = found
	return a, nil
}

// UpdateAccount changes an account's metadata, and makes the account if need be.
func (s *Service) UpdateAccount(ctx context.Context, name string, change func(a *Account) error) (a Account, created bool, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if a, created, err = s.ensureAccount(ctx, tx, name); err != nil {
			return err
		}
		if err := change(&a); err != nil {
			return err
		}
		a.UpdatedAt = s.Now()
		return s.store.SaveAccount(ctx, tx, a)
	})
	return a, created, err
}

func (s *Service) ensureAccount(ctx context.Context, tx *db.Tx, name string) (Account, bool, error) {
	a, found, err := s.store.Account(ctx, tx, name)
	switch {
	case err != nil:
		return a, false, err
	case found && !a.DeletedAt.IsZero():
		return a, false, fault.New(fault.CodeObjectstoreAccountGone, "The account %s was deleted.", name)
	case found:
		return a, false, nil
	}
	a = Account{Name: name, CreatedAt: s.Now(), UpdatedAt: s.Now(), Exists: true, Meta: map[string]string{}, System: map[string]string{}}
	if p := auth.From(ctx); p != nil && AccountOf(p.ProjectID) == name && p.ProjectDomainID != "" {
		a.System[SystemDomain] = p.ProjectDomainID
	}
	return a, true, s.store.SaveAccount(ctx, tx, a)
}

// DeleteAccount deletes an account; its containers are removed by Reap.
func (s *Service) DeleteAccount(ctx context.Context, name string) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		a, found, err := s.store.Account(ctx, tx, name)
		if err != nil {
			return err
		}
		if !found || !a.DeletedAt.IsZero() {
			return fault.New(fault.CodeObjectstoreAccountNotFound, "There is no account %s.", name)
		}
		a.DeletedAt = s.Now()
		return s.store.SaveAccount(ctx, tx, a)
	})
}

// Container answers a container with its usage.
func (s *Service) Container(ctx context.Context, account, name string) (Container, error) {
	c, found, err := s.store.Container(ctx, s.db, account, name)
	if err != nil {
		return c, err
	}
	if !found {
		return c, errNoContainer(name)
	}
	return c, nil
}

// EnsureContainer makes a container, or changes the one there is. change is given
// the container as it will be; fresh tells that it is new, and only then may
// Policy be changed.
func (s *Service) EnsureContainer(ctx context.Context, account, name string, change func(c *Container, fresh bool) error) (c Container, created bool, err error) {
	if name == "" || len(name) > s.limits.ContainerName {
		return c, false, fault.New(fault.CodeObjectstoreBadName, "Container name length of %d longer than %d", len(name), s.limits.ContainerName)
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		var found bool
		if c, found, err = s.store.Container(ctx, tx, account, name); err != nil {
			return err
		}
		if created = !found; found {
			return s.change(ctx, tx, &c, func(c *Container) error { return change(c, false) })
		}
		if _, _, err := s.ensureAccount(ctx, tx, account); err != nil {
			return err
		}
		now := s.Now()
		c = Container{ID: s.newID(), Account: account, Name: name, Policy: s.DefaultPolicy().Index, Meta: map[string]string{}, System: map[string]string{}, Generation: 1, CreatedAt: now, UpdatedAt: now}
		if err := change(&c, true); err != nil {
			return err
		}
		return s.store.InsertContainer(ctx, tx, c)
	})
	return c, created, err
}

// newID draws a container's id. It must never be used again: a PUT that is under
// way into a container that was deleted would land in the other.
func (s *Service) newID() int64 {
	n, _ := strconv.ParseInt(s.ids.Hex()[:15], 16, 64) // 15 digits of 4 bits always fit
	return n
}

// UpdateContainer changes a container's metadata.
func (s *Service) UpdateContainer(ctx context.Context, account, name string, change func(c *Container) error) (c Container, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		var found bool
		if c, found, err = s.store.Container(ctx, tx, account, name); err != nil {
			return err
		}
		if !found {
			return errNoContainer(name)
		}
		return s.change(ctx, tx, &c, change)
	})
	return c, err
}

func (s *Service) change(ctx context.Context, tx *db.Tx, c *Container, change func(c *Container) error) error {
	policy := c.Policy
	if err := change(c); err != nil {
		return err
	}
	if c.Policy != policy {
		return fault.New(fault.CodeObjectstorePolicyConflict, "The storage policy of a container cannot be changed.")
	}
	c.Generation++
	c.UpdatedAt = s.Now()
	saved, err := s.store.SaveContainer(ctx, tx, *c)
	if err == nil && !saved {
		err = fault.Stale("container", c.Name)
	}
	return err
}

// DeleteContainer deletes a container that holds no object, version, delete marker
// or upload.
func (s *Service) DeleteContainer(ctx context.Context, account, name string, allow func(c Container) error) error {
	err := s.deleteContainer(ctx, account, name, allow)
	if !fault.Has(err, fault.CodeObjectstoreContainerNotEmpty) {
		return err
	}
	// What has expired is in no listing any more, and must not be in the way.
	if err := s.Expire(ctx); err != nil {
		return err
	}
	return s.deleteContainer(ctx, account, name, allow)
}

func (s *Service) deleteContainer(ctx context.Context, account, name string, allow func(c Container) error) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		c, found, err := s.store.Container(ctx, tx, account, name)
		if err != nil {
			return err
		}
		if !found {
			return errNoContainer(name)
		}
		if allow != nil {
			if err := allow(c); err != nil {
				return err
			}
		}
		if c.Usage.Objects > 0 || c.Usage.Versions > 0 {
			return fault.New(fault.CodeObjectstoreContainerNotEmpty, "The container %s is not empty.", name)
		}
		if err := s.dropUploads(ctx, tx, c); err != nil {
			return err
		}
		return s.store.DeleteContainer(ctx, tx, c)
	})
}
