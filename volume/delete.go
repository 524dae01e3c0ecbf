package volume

import (
	"context"
	"slices"

	"altostack/kernel/auth"
	"altostack/kernel/db"
)

// deletable are the states in which a volume may go without force.
var deletable = []Status{StatusAvailable, StatusError, StatusErrorRestoring, StatusErrorExtending, StatusErrorManaging}

// Removal says how far a deletion may go.
type Removal struct {
	Force   bool // in any state but attached
	Cascade bool // with its snapshots
}

// Remove starts to delete a volume; it answers before the disk is gone.
func (s *Service) Remove(ctx context.Context, scope auth.Scope, id string, how Removal) error {
	_, err := s.change(ctx, scope, id, func(ctx context.Context, tx *db.Tx, v *Volume) (bool, error) {
		if err := s.thawed(ctx, tx); err != nil {
			return false, err
		}
		status := ""
		if !how.Force {
			status = " status must be available or error or error_restoring or error_extending or error_managing and"
		}
		refused := wrongState("Volume%s must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be disassociated from snapshots after volume transfer.", status)
		if v.AttachStatus == "attached" || len(v.Attachments) > 0 && !how.Force || !how.Force && !slices.Contains(deletable, v.Status) {
			return false, refused
		}
		snaps, err := s.Store.SnapshotsOf(ctx, tx, v.ID)
		if err != nil {
			return false, err
		}
		if len(snaps) > 0 && !how.Cascade {
			return false, refused
		}
		var ids []string
		for _, snap := range snaps {
			if !how.Force && !slices.Contains([]Status{StatusAvailable, StatusError, StatusDeleting}, snap.Status) || snap.ProjectID != v.ProjectID && !scope.All {
				return false, refused
			}
			ids = append(ids, snap.ID)
			if snap.Status != StatusDeleting {
				if err := s.moveSnapshot(ctx, tx, snap, StatusDeleting); err != nil {
					return false, err
				}
			}
		}
		v.Status = StatusDeleting
		return true, s.Flows.DeleteVolume(ctx, tx, *v, ids)
	})
	return err
}

// Delete is Remove for other services: it also takes back a volume that is
// still being made, and one that is gone is success.
func (s *Service) Delete(ctx context.Context, scope auth.Scope, id string) error {
	v, err := s.find(ctx, s.DB, scope, id)
	if err != nil {
		return ignoreNotFound(err)
	}
	if v.Status == StatusDeleting {
		return nil
	}
	return ignoreNotFound(s.Remove(ctx, scope, id, Removal{Force: v.Status == StatusCreating || v.Status == StatusDownloading || v.Status == StatusReserved && len(v.Attachments) == 0}))
}
