package flow

import (
	"context"

	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/saga"
	"altostack/volume"
)

// createSnapshot: freeze the volume's content.
func (f *Flows) createSnapshot() saga.Definition[state] {
	return saga.Definition[state]{
		Kind: "snapshot.create", Deadline: patient,
		Steps: []saga.Step[state]{{Name: "freeze", Component: component,
			Do: func(ctx context.Context, st *state) error {
				return backend(f.Backend.Snapshot(ctx, st.VolumeID, st.SnapshotID), "Volume %s could not be snapshotted.", st.VolumeID)
			},
			Undo: func(ctx context.Context, st *state) error { return f.Backend.RemoveSnapshot(ctx, st.SnapshotID) }}},
		Done: func(ctx context.Context, tx *db.Tx, st *state) error {
			return f.snapshotEnded(ctx, tx, st.SnapshotID, volume.StatusCreating, volume.StatusAvailable, "100%")
		},
		Failed: func(ctx context.Context, tx *db.Tx, st *state, why *fault.Fault) error {
			if err := f.snapshotEnded(ctx, tx, st.SnapshotID, volume.StatusCreating, volume.StatusError, ""); err != nil {
				return err
			}
			return f.tell(ctx, tx, st, "VOLUME_SNAPSHOT", st.SnapshotID, "009", why)
		},
	}
}

// deleteSnapshot: remove the frozen content, then the row.
func (f *Flows) deleteSnapshot() saga.Definition[state] {
	return saga.Definition[state]{
		Kind: "snapshot.delete", Deadline: patient,
		Steps: []saga.Step[state]{{Name: "remove", Component: component, Do: func(ctx context.Context, st *state) error {
			return backend(f.Backend.RemoveSnapshot(ctx, st.SnapshotID), "Snapshot %s could not be removed.", st.SnapshotID)
		}}},
		Done: func(ctx context.Context, tx *db.Tx, st *state) error {
			return f.Store.RemoveSnapshot(ctx, tx, st.SnapshotID)
		},
		Failed: func(ctx context.Context, tx *db.Tx, st *state, _ *fault.Fault) error {
			return f.snapshotEnded(ctx, tx, st.SnapshotID, volume.StatusDeleting, volume.StatusErrorDeleting, "")
		},
	}
}
