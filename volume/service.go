package volume

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/clock"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/id"
)

// Config is what the service needs.
type Config struct {
	DB    *db.DB
	Store Store
	Flows Flows
	// Limiter keeps limits instead of this service; nil: they are its own.
	Limiter Limiter
	Backend Backend
	Images  Images
	Clock   clock.Clock
	IDs     id.Source
	Log     *slog.Logger
	// Host and BackendName make up the backend's address, HOST@BACKEND#POOL.
	Host, BackendName string
	Zone              string // the one availability zone; empty: nova
}

// Service is the block storage service.
type Service struct{ Config }

// New makes the service. Call Prepare before the first request.
func New(c Config) *Service {
	if c.Zone == "" {
		c.Zone = DefaultZone
	}
	if c.BackendName == "" {
		c.BackendName = DefaultTypeName
	}
	return &Service{c}
}

// Prepare makes the default volume type, once.
func (s *Service) Prepare(ctx context.Context) error {
	return s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, found, err := s.Store.Type(ctx, tx, DefaultTypeName, "", true)
		if err != nil || found {
			return err
		}
		now := s.Clock.Now()
		return s.Store.SaveType(ctx, tx, Type{ID: s.IDs.UUID(), Name: DefaultTypeName, Description: "Default volume type", Public: true, CreatedAt: now, UpdatedAt: now})
	})
}

// Pool is the backend's name as hosts are spelled: HOST@BACKEND#POOL.
func (s *Service) Pool() string { return s.Host + "@" + s.BackendName + "#" + s.BackendName }

// Backed is Pool without the pool.
func (s *Service) Backed() string { return s.Host + "@" + s.BackendName }

func notFound(id string) error {
	return fault.New(fault.CodeVolumeVolumeNotFound, "Volume %s could not be found.", id)
}

func wrongState(format string, args ...any) error {
	return fault.New(fault.CodeVolumeWrongState, "Invalid volume: "+format, args...)
}

func invalidInput(format string, args ...any) error {
	return fault.New(fault.CodeVolumeInvalidInput, "Invalid input received: "+format, args...)
}

// find reads a volume within the scope; outside of it there is none.
func (s *Service) find(ctx context.Context, r db.Reader, scope auth.Scope, id string) (Volume, error) {
	v, found, err := s.Store.Volume(ctx, r, id)
	if err != nil {
		return v, fmt.Errorf("read volume %s: %w", id, err)
	}
	if !found || !scope.Sees(v.ProjectID) {
		return Volume{}, notFound(id)
	}
	return v, nil
}

// save writes v one generation on.
func (s *Service) save(ctx context.Context, tx *db.Tx, v *Volume) error {
	v.Generation++
	v.UpdatedAt = s.Clock.Now()
	return s.Store.SaveVolume(ctx, tx, *v)
}

// change runs f on a volume in one transaction and saves what f made of it. f
// answers false for nothing to save.
func (s *Service) change(ctx context.Context, scope auth.Scope, id string, f func(ctx context.Context, tx *db.Tx, v *Volume) (bool, error)) (v Volume, err error) {
	err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		var err error
		if v, err = s.find(ctx, tx, scope, id); err != nil {
			return err
		}
		changed, err := f(ctx, tx, &v)
		if err != nil || !changed {
			return err
		}
		return s.save(ctx, tx, &v)
	})
	return v, err
}

// Get answers a volume with its attachments.
func (s *Service) Get(ctx context.Context, scope auth.Scope, id string) (Volume, error) {
	return s.find(ctx, s.DB, scope, id)
}

// List answers a page of volumes; more tells whether another follows.
func (s *Service) List(ctx context.Context, q Query) (list []Volume, more bool, err error) {
	return s.Store.Volumes(ctx, s.DB, q)
}

// Await returns once nothing is under way with the volume any more: it is
// available, in use or in error. It ends early with ctx.
func (s *Service) Await(ctx context.Context, id string) (Volume, error) {
	for {
		if err := s.Flows.Settled(ctx, id); err != nil {
			return Volume{}, err
		}
		v, found, err := s.Store.Volume(ctx, s.DB, id)
		if err != nil {
			return v, err
		}
		if !found {
			return v, notFound(id)
		}
		switch v.Status {
		case StatusCreating, StatusDownloading, StatusExtending, StatusDeleting:
		default:
			return v, nil
		}
		if err := s.pause(ctx, 50*time.Millisecond); err != nil {
			return v, err
		}
	}
}

// pause waits on the injected clock: another process has the saga.
func (s *Service) pause(ctx context.Context, d time.Duration) error {
	tick, stop := s.Clock.After(d)
	defer stop()
	select {
	case <-tick:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
