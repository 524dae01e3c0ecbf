package volume

import (
	"context"
	"fmt"
	"slices"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// SnapshotSpec is a snapshot to be made.
type SnapshotSpec struct {
	VolumeID, Name, Description string
	Metadata                    map[string]string
	InUse                       bool // also of an attached volume
}

func (s *Service) findSnapshot(ctx context.Context, r db.Reader, scope auth.Scope, id string) (Snapshot, error) {
	snap, found, err := s.Store.Snapshot(ctx, r, id)
	if err != nil {
		return snap, fmt.Errorf("read snapshot %s: %w", id, err)
	}
	if !found || !scope.Sees(snap.ProjectID) {
		return Snapshot{}, fault.New(fault.CodeVolumeSnapshotNotFound, "Snapshot %s could not be found.", id)
	}
	return snap, nil
}

// Snapshot answers a snapshot.
func (s *Service) Snapshot(ctx context.Context, scope auth.Scope, id string) (Snapshot, error) {
	return s.findSnapshot(ctx, s.DB, scope, id)
}

func (s *Service) moveSnapshot(ctx context.Context, tx *db.Tx, snap Snapshot, to Status) error {
	snap.Status, snap.Generation, snap.UpdatedAt = to, snap.Generation+1, s.Clock.Now()
	return s.Store.SaveSnapshot(ctx, tx, snap)
}

// ChangeSnapshot runs f on a snapshot in one transaction and saves it.
func (s *Service) ChangeSnapshot(ctx context.Context, scope auth.Scope, id string, f func(snap *Snapshot) error) (snap Snapshot, err error) {
	err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		var err error
		if snap, err = s.findSnapshot(ctx, tx, scope, id); err != nil {
			return err
		}
		if err := f(&snap); err != nil {
			return err
		}
		snap.Generation, snap.UpdatedAt = snap.Generation+1, s.Clock.Now()
		return s.Store.SaveSnapshot(ctx, tx, snap)
	})
	return snap, err
}

// CreateSnapshot records a snapshot and starts to make it.
func (s *Service) CreateSnapshot(ctx context.Context, scope auth.Scope, spec SnapshotSpec) (Snapshot, error) {
	now := s.Clock.Now()
	snap := Snapshot{ID: s.IDs.UUID(), VolumeID: spec.VolumeID, UserID: scope.UserID, Name: spec.Name, Description: spec.Description,
		Status: StatusCreating, Metadata: spec.Metadata, Progress: "0%", Generation: 1, CreatedAt: now, UpdatedAt: now}
	err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		v, err := s.find(ctx, tx, scope, spec.VolumeID)
		if err != nil {
			return err
		}
		if err := s.thawed(ctx, tx); err != nil {
			return err
		}
		if v.Status == StatusError {
			return wrongState("The snapshot cannot be created when the volume is in error status.")
		}
		allowed := []Status{StatusAvailable}
		if spec.InUse {
			allowed = append(allowed, StatusInUse)
		}
		if !slices.Contains(allowed, v.Status) {
			return wrongState("Volume %s status must be %s, but current status is: %s.", v.ID, words(allowed), v.Status)
		}
		snap.ProjectID, snap.TypeID, snap.SizeGiB = v.ProjectID, v.TypeID, v.SizeGiB
		if err := s.checkQuota(ctx, tx, v.ProjectID, v.TypeID, v.TypeName, demand{snapshots: 1, gib: v.SizeGiB}); err != nil {
			return err
		}
		if err := s.Store.InsertSnapshot(ctx, tx, snap); err != nil {
			return err
		}
		return s.Flows.CreateSnapshot(ctx, tx, snap)
	})
	return snap, err
}

// DeleteSnapshot starts to delete a snapshot.
func (s *Service) DeleteSnapshot(ctx context.Context, scope auth.Scope, id string, force bool) error {
	return s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		snap, err := s.findSnapshot(ctx, tx, scope, id)
		if err != nil {
			return err
		}
		if err := s.thawed(ctx, tx); err != nil {
			return err
		}
		if !force && !slices.Contains([]Status{StatusAvailable, StatusError}, snap.Status) {
			return fault.New(fault.CodeVolumeBadSnapshot, "Invalid snapshot: Snapshot status must be available or error and must not be part of a group.")
		}
		if err := s.moveSnapshot(ctx, tx, snap, StatusDeleting); err != nil {
			return err
		}
		return s.Flows.DeleteSnapshot(ctx, tx, snap)
	})
}
