package objectstore

import (
	"context"
	"strconv"

	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// Where quotas stand. A container's are its owner's own, in its metadata
// (X-Container-Meta-Quota-…); an account's are set by a reseller administrator,
// and kept where its owner cannot change them. With a dash and the number of a
// storage policy they hold for what is under that policy.
const (
	MetaQuotaBytes   = "Quota-Bytes"
	MetaQuotaCount   = "Quota-Count"
	SystemQuotaBytes = "quota.bytes"
	SystemQuotaCount = "quota.count"
)

// CheckQuotas is a [Check] that holds containers and accounts to their quotas. It
// runs in the transaction of the write, so that no two writes pass where there is
// room for one. What makes sums no larger is always let through.
func (s *Service) CheckQuotas(ctx context.Context, tx *db.Tx, change Change) error {
	if err := s.containerQuota(ctx, tx, change); err != nil || ctx.Value(freeKey{}) != nil {
		return err
	}
	system, err := s.store.AccountSystem(ctx, tx, change.Container.Account)
	if err != nil || !limited(system) {
		return err
	}
	a, _, err := s.store.Account(ctx, tx, change.Container.Account)
	if err != nil {
		return err
	}
	total, part := a.Total(), PolicyUsage{}
	for _, u := range a.Usage {
		if u.Policy == change.Container.Policy {
			part = u
		}
	}
	of := "-" + strconv.Itoa(change.Container.Policy)
	for _, over := range []bool{
		over(system[SystemQuotaBytes], total.Bytes, change.Bytes), over(system[SystemQuotaCount], total.Objects, change.Objects),
		over(system[SystemQuotaBytes+of], part.Bytes, change.Bytes), over(system[SystemQuotaCount+of], part.Objects, change.Objects),
	} {
		if over {
			return errQuota()
		}
	}
	return nil
}

func (s *Service) containerQuota(ctx context.Context, tx *db.Tx, change Change) error {
	bytes, count := change.Container.Meta[MetaQuotaBytes], change.Container.Meta[MetaQuotaCount]
	if bytes == "" && count == "" {
		return nil
	}
	u, err := s.store.Usage(ctx, tx, change.Container.ID)
	if err != nil {
		return err
	}
	if over(bytes, u.Bytes, change.Bytes) || over(count, u.Objects, change.Objects) {
		return errQuota()
	}
	return nil
}

// limited tells whether any quota is set.
func limited(system map[string]string) bool {
	for k, v := range system {
		if v != "" && len(k) > 6 && k[:6] == "quota." {
			return true
		}
	}
	return false
}

func over(quota string, used, growth int64) bool {
	max, err := strconv.ParseInt(quota, 10, 64)
	return quota != "" && err == nil && growth > 0 && used+growth > max
}

func errQuota() error {
	return fault.New(fault.CodeObjectstoreQuotaExceeded, "Upload exceeds quota.").WithExtra("told", true)
}

// Room answers objectstore.quota_exceeded where an object of the announced length
// cannot fit, whatever it replaces: before its bytes are sent rather than after.
// Sums may have changed when they have arrived; CheckQuotas decides.
func (s *Service) Room(ctx context.Context, c Container, name string, length int64) error {
	system, err := s.store.AccountSystem(ctx, s.db, c.Account)
	if err != nil || !limited(system) && c.Meta[MetaQuotaBytes] == "" {
		return err
	}
	old, found, err := s.store.Latest(ctx, s.db, c.ID, name)
	if err != nil {
		return err
	}
	if found && c.Versioning == VersioningOff {
		length -= old.Stored
	}
	if over(c.Meta[MetaQuotaBytes], c.Usage.Bytes, length) {
		return errQuota()
	}
	if ctx.Value(freeKey{}) != nil {
		return nil
	}
	a, _, err := s.store.Account(ctx, s.db, c.Account)
	if err == nil && over(system[SystemQuotaBytes], a.Total().Bytes, length) {
		return errQuota()
	}
	return err
}

type freeKey struct{}

// WithoutAccountQuota marks the writes of a reseller administrator, whom quotas of
// accounts do not bind.
func WithoutAccountQuota(ctx context.Context) context.Context {
	return context.WithValue(ctx, freeKey{}, true)
}
