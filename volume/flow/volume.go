package flow

import (
	"context"
	"errors"
	"strings"

	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/saga"
	"altostack/volume"
)

func asFault(err error, into **fault.Fault) bool { return errors.As(err, into) }

var making = []volume.Status{volume.StatusCreating, volume.StatusDownloading}

// createVolume: choose the backend, make the disk.
func (f *Flows) createVolume() saga.Definition[state] {
	return saga.Definition[state]{
		Kind: "volume.create", Deadline: patient,
		Steps: []saga.Step[state]{
			{Name: "choose-backend", Component: component, Tx: f.chooseBackend},
			{Name: "make-disk", Component: component,
				Do: func(ctx context.Context, st *state) error {
					spec, err := f.diskSpec(ctx, st)
					if err != nil {
						return err
					}
					return backend(f.Backend.Ensure(ctx, spec), "The disk of volume %s could not be made.", st.VolumeID)
				},
				Undo: func(ctx context.Context, st *state) error { return f.Backend.Remove(ctx, st.VolumeID) }},
		},
		Done: func(ctx context.Context, tx *db.Tx, st *state) error {
			return f.ended(ctx, tx, st.VolumeID, making, func(v *volume.Volume) { v.Status = volume.StatusAvailable })
		},
		Failed: func(ctx context.Context, tx *db.Tx, st *state, why *fault.Fault) error {
			err := f.ended(ctx, tx, st.VolumeID, making, func(v *volume.Volume) { v.Status, v.Reason = volume.StatusError, why.Message })
			if err != nil || fault.Has(why, fault.CodeSagaCanceled) {
				return err
			}
			return f.tell(ctx, tx, st, "VOLUME", st.VolumeID, "002", why)
		},
	}
}

// chooseBackend puts the volume on the one backend, if it offers what the type
// asks for.
func (f *Flows) chooseBackend(ctx context.Context, tx *db.Tx, st *state) error {
	daemons, err := f.Store.Daemons(ctx, tx)
	if err != nil {
		return err
	}
	for _, d := range daemons {
		if d.Disabled && d.Binary == "cinder-volume" && strings.HasPrefix(f.Pool, d.Host+"#") {
			return fault.New(fault.CodeVolumeNoValidBackend, "schedule allocate volume:Could not find any available weighted backend.").
				WithHint("The backend is disabled.")
		}
	}
	for key, want := range st.Specs {
		key = strings.TrimPrefix(key, "capabilities:")
		if strings.Contains(key, ":") {
			continue // another component's scope
		}
		has, offered := f.Offers[key]
		if key == "multiattach" {
			has, offered = "<is> True", true
		}
		if !offered || !strings.EqualFold(plain(has), plain(want)) {
			return fault.New(fault.CodeVolumeNoValidBackend, "schedule allocate volume:Could not find any available weighted backend.").
				WithHint("The volume type asks for %s=%s, which no backend offers.", key, want)
		}
	}
	return f.ended(ctx, tx, st.VolumeID, making, func(v *volume.Volume) {
		v.Host = f.Pool
		if st.ImageID != "" {
			v.Status = volume.StatusDownloading
		}
	})
}

// plain drops the operator of a spec: "<is> True" is True.
func plain(s string) string {
	s = strings.TrimSpace(s)
	for _, op := range []string{"<is>", "<in>", "s==", "=="} {
		s = strings.TrimSpace(strings.TrimPrefix(s, op))
	}
	return s
}

func (f *Flows) diskSpec(ctx context.Context, st *state) (volume.DiskSpec, error) {
	spec := volume.DiskSpec{ID: st.VolumeID, SizeMiB: st.SizeMiB, SnapshotID: st.SnapshotID, VolumeID: st.SourceID}
	if st.ImageID == "" {
		return spec, nil
	}
	var err error
	if spec.ImagePath, spec.ImageFormat, err = f.Images.Path(ctx, st.ImageID); err != nil {
		return spec, fault.Because(err, fault.CodeVolumeBadImage, "Image %s cannot be read.", st.ImageID)
	}
	return spec, nil
}

// deleteVolume: remove snapshots and disk, then the rows.
func (f *Flows) deleteVolume() saga.Definition[state] {
	return saga.Definition[state]{
		Kind: "volume.delete", Deadline: patient,
		Steps: []saga.Step[state]{
			{Name: "remove-snapshots", Component: component, Do: func(ctx context.Context, st *state) error {
				for _, id := range st.Snapshots {
					if err := f.Backend.RemoveSnapshot(ctx, id); err != nil {
						return backend(err, "Snapshot %s could not be removed.", id)
					}
				}
				return nil
			}},
			{Name: "remove-disk", Component: component, Do: func(ctx context.Context, st *state) error {
				return backend(f.Backend.Remove(ctx, st.VolumeID), "The disk of volume %s could not be removed.", st.VolumeID)
			}},
		},
		Done: func(ctx context.Context, tx *db.Tx, st *state) error {
			return f.Store.RemoveVolume(ctx, tx, st.VolumeID)
		},
		Failed: func(ctx context.Context, tx *db.Tx, st *state, why *fault.Fault) error {
			for _, id := range st.Snapshots {
				if err := f.snapshotEnded(ctx, tx, id, volume.StatusDeleting, volume.StatusErrorDeleting, ""); err != nil {
					return err
				}
			}
			return f.ended(ctx, tx, st.VolumeID, []volume.Status{volume.StatusDeleting}, func(v *volume.Volume) {
				v.Status, v.Reason = volume.StatusErrorDeleting, why.Message
			})
		},
	}
}

// extendVolume: grow the disk, in the hands of its server or of the backend.
func (f *Flows) extendVolume() saga.Definition[state] {
	growing := []volume.Status{volume.StatusExtending}
	return saga.Definition[state]{
		Kind: "volume.extend", Deadline: patient / 6,
		Steps: []saga.Step[state]{{Name: "grow-disk", Component: component, Do: func(ctx context.Context, st *state) error {
			if len(st.ServerIDs) == 0 || f.Extended == nil {
				return backend(f.Backend.Extend(ctx, st.VolumeID, st.SizeMiB), "The disk of volume %s could not be extended.", st.VolumeID)
			}
			for _, server := range st.ServerIDs {
				if err := f.Extended(ctx, server, st.VolumeID, st.SizeMiB); err != nil {
					return backend(err, "Server %s could not extend volume %s.", server, st.VolumeID)
				}
			}
			return nil
		}}},
		Done: func(ctx context.Context, tx *db.Tx, st *state) error {
			return f.ended(ctx, tx, st.VolumeID, growing, func(v *volume.Volume) {
				v.SizeGiB, v.GrowingGiB, v.Status, v.PreviousStatus = st.SizeMiB>>10, 0, v.PreviousStatus, ""
			})
		},
		Failed: func(ctx context.Context, tx *db.Tx, st *state, why *fault.Fault) error {
			err := f.ended(ctx, tx, st.VolumeID, growing, func(v *volume.Volume) {
				v.GrowingGiB, v.Status, v.Reason = 0, volume.StatusErrorExtending, why.Message
			})
			if err != nil {
				return err
			}
			return f.tell(ctx, tx, st, "VOLUME", st.VolumeID, "007", why)
		},
	}
}

// uploadVolume: copy the disk into its image. A copy that failed takes the
// image with it.
func (f *Flows) uploadVolume() saga.Definition[state] {
	back := func(ctx context.Context, tx *db.Tx, st *state) error {
		return f.ended(ctx, tx, st.VolumeID, []volume.Status{volume.StatusUploading}, func(v *volume.Volume) { v.Status, v.PreviousStatus = v.PreviousStatus, "" })
	}
	return saga.Definition[state]{
		Kind: "volume.upload", Deadline: patient,
		Steps: []saga.Step[state]{{Name: "copy-to-image", Component: component,
			Do: func(ctx context.Context, st *state) error {
				if img, err := f.Images.Get(ctx, scopeOf(st), st.ImageID); err == nil && img.Status == "active" {
					return nil // a crash came between the copy and our note of it
				}
				data, err := f.Backend.Export(ctx, st.VolumeID)
				if err != nil {
					return backend(err, "Volume %s could not be read.", st.VolumeID)
				}
				defer data.Close()
				return f.Images.Upload(ctx, scopeOf(st), st.ImageID, data)
			},
			Undo: func(ctx context.Context, st *state) error { return f.Images.Delete(ctx, scopeOf(st), st.ImageID) }}},
		Done: back,
		Failed: func(ctx context.Context, tx *db.Tx, st *state, why *fault.Fault) error {
			if err := back(ctx, tx, st); err != nil {
				return err
			}
			return f.tell(ctx, tx, st, "VOLUME", st.VolumeID, "004", why)
		},
	}
}

// revertVolume: replace the disk by one made from the snapshot.
func (f *Flows) revertVolume() saga.Definition[state] {
	end := func(status volume.Status) func(ctx context.Context, tx *db.Tx, st *state) error {
		return func(ctx context.Context, tx *db.Tx, st *state) error {
			if err := f.snapshotEnded(ctx, tx, st.SnapshotID, "restoring", volume.StatusAvailable, ""); err != nil {
				return err
			}
			return f.ended(ctx, tx, st.VolumeID, []volume.Status{volume.StatusReverting}, func(v *volume.Volume) { v.Status = status })
		}
	}
	return saga.Definition[state]{
		Kind: "volume.revert", Deadline: patient,
		Steps: []saga.Step[state]{
			{Name: "drop-disk", Component: component, Do: func(ctx context.Context, st *state) error {
				return backend(f.Backend.Remove(ctx, st.VolumeID), "The disk of volume %s could not be replaced.", st.VolumeID)
			}},
			{Name: "make-disk", Component: component, Do: func(ctx context.Context, st *state) error {
				spec := volume.DiskSpec{ID: st.VolumeID, SizeMiB: st.SizeMiB, SnapshotID: st.SnapshotID}
				return backend(f.Backend.Ensure(ctx, spec), "The disk of volume %s could not be made.", st.VolumeID)
			}},
		},
		Done: end(volume.StatusAvailable),
		Failed: func(ctx context.Context, tx *db.Tx, st *state, _ *fault.Fault) error {
			return end(volume.StatusError)(ctx, tx, st)
		},
	}
}
