package flow

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"

	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/telemetry"
	"altostack/saga"
	"altostack/volume"
	"altostack/volume/archive"
)

// backupState is what the sagas of backups carry.
type backupState struct {
	BackupID, ProjectID, UserID string
	HeldBy                      string
	Container, Prefix           string
	VolumeID                    string `json:",omitempty"`
	SnapshotID                  string `json:",omitempty"`
	ParentPrefix                string `json:",omitempty"`
	SizeMiB                     int64  `json:",omitempty"`
	RequestID                   string `json:",omitempty"`
	// Bytes and Objects are how much was kept; Labels what an archive says of its
	// volume.
	Bytes, Objects int64             `json:",omitempty"`
	Labels         map[string]string `json:",omitempty"`
}

// container is where one backup's objects are.
type container struct {
	vault           volume.Vault
	projectID, name string
}

func (c container) Put(ctx context.Context, name string, data []byte) error {
	return c.vault.Put(ctx, c.projectID, c.name, name, data)
}

func (c container) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	return c.vault.Get(ctx, c.projectID, c.name, name)
}

func (f *Flows) container(st *backupState) container {
	return container{f.Vault, st.HeldBy, st.Container}
}

func (f *Flows) startBackup(ctx context.Context, tx *db.Tx, s saga.Starter[backupState], subject string, b volume.Backup, edit func(st *backupState)) error {
	st := backupState{BackupID: b.ID, ProjectID: b.ProjectID, UserID: b.UserID, HeldBy: b.HeldBy, Container: b.Container, Prefix: b.Prefix, RequestID: telemetry.RequestID(ctx)}
	edit(&st)
	_, err := s.Start(ctx, tx, saga.Request{Subject: subject, ProjectID: b.ProjectID}, st)
	return err
}

// CreateBackup starts to keep a volume's content, or its snapshot's.
func (f *Flows) CreateBackup(ctx context.Context, tx *db.Tx, b volume.Backup) error {
	v, _, err := f.Store.Volume(ctx, tx, b.VolumeID)
	if err != nil {
		return err
	}
	labels := map[string]string{"backup_id": b.ID, "volume_id": v.ID, "name": v.Name}
	if v.Bootable {
		labels["bootable"] = "true"
	}
	for label, pairs := range map[string]map[string]string{"volume_image_metadata": v.ImageMeta, "volume_metadata": v.Metadata} {
		if len(pairs) == 0 {
			continue
		}
		text, err := json.Marshal(pairs)
		if err != nil {
			return err
		}
		labels[label] = string(text)
	}
	parent := ""
	if b.ParentID != "" {
		p, found, err := f.Store.Backup(ctx, tx, b.ParentID)
		if err != nil || !found {
			return errors.Join(err, fault.Stale("backup", b.ParentID))
		}
		parent = p.Prefix
	}
	return f.startBackup(ctx, tx, f.keep, b.VolumeID, b, func(st *backupState) {
		st.VolumeID, st.SnapshotID, st.ParentPrefix, st.SizeMiB, st.Labels = b.VolumeID, b.SnapshotID, parent, b.SizeGiB<<10, labels
	})
}

// DeleteBackup starts to remove a backup's objects and row. Its subject is the
// volume, too, so that one still being made is whole before it goes.
func (f *Flows) DeleteBackup(ctx context.Context, tx *db.Tx, b volume.Backup) error {
	return f.startBackup(ctx, tx, f.discard, b.VolumeID, b, func(st *backupState) {})
}

// RestoreBackup starts to write a backup over a volume.
func (f *Flows) RestoreBackup(ctx context.Context, tx *db.Tx, b volume.Backup, v volume.Volume) error {
	return f.startBackup(ctx, tx, f.restore, v.ID, b, func(st *backupState) { st.VolumeID, st.SizeMiB = v.ID, v.SizeGiB<<10 })
}

// ImportBackup starts to look for the objects of a record.
func (f *Flows) ImportBackup(ctx context.Context, tx *db.Tx, b volume.Backup) error {
	return f.startBackup(ctx, tx, f.admit, b.ID, b, func(st *backupState) { st.SizeMiB = b.SizeGiB << 10 })
}

// backupEnded saves what edit makes of a backup that is still in the state that
// its saga was started in.
func (f *Flows) backupEnded(ctx context.Context, tx *db.Tx, id string, in volume.Status, edit func(b *volume.Backup)) error {
	b, found, err := f.Store.Backup(ctx, tx, id)
	if err != nil || !found || b.Status != in {
		return err
	}
	edit(&b)
	b.Generation, b.UpdatedAt = b.Generation+1, f.Clock.Now()
	return f.Store.SaveBackup(ctx, tx, b)
}

func (f *Flows) backupFailed(ctx context.Context, tx *db.Tx, st *backupState, in volume.Status, action string, why *fault.Fault) error {
	err := f.backupEnded(ctx, tx, st.BackupID, in, func(b *volume.Backup) { b.Status, b.FailReason = volume.StatusError, why.Message })
	if err != nil || fault.Has(why, fault.CodeSagaCanceled) {
		return err
	}
	return f.tell(ctx, tx, &state{ProjectID: st.ProjectID, RequestID: st.RequestID}, "VOLUME_BACKUP", st.BackupID, action, why)
}

// createBackup: keep the content, under names that a repetition writes again.
func (f *Flows) createBackup() saga.Definition[backupState] {
	back := func(ctx context.Context, tx *db.Tx, st *backupState) error {
		if st.SnapshotID != "" {
			return f.snapshotEnded(ctx, tx, st.SnapshotID, volume.StatusBackingUp, volume.StatusAvailable, "")
		}
		return f.ended(ctx, tx, st.VolumeID, []volume.Status{volume.StatusBackingUp}, func(v *volume.Volume) { v.Status, v.PreviousStatus = v.PreviousStatus, "" })
	}
	return saga.Definition[backupState]{
		Kind: "backup.create", Deadline: 12 * patient,
		Steps: []saga.Step[backupState]{{Name: "copy-out", Component: component, Do: f.copyOut,
			Undo: func(ctx context.Context, st *backupState) error {
				return f.Vault.Clear(ctx, st.HeldBy, st.Container, st.Prefix)
			}}},
		Done: func(ctx context.Context, tx *db.Tx, st *backupState) error {
			if err := back(ctx, tx, st); err != nil {
				return err
			}
			return f.backupEnded(ctx, tx, st.BackupID, volume.StatusCreating, func(b *volume.Backup) {
				b.Status, b.Bytes, b.Objects = volume.StatusAvailable, st.Bytes, st.Objects
			})
		},
		Failed: func(ctx context.Context, tx *db.Tx, st *backupState, why *fault.Fault) error {
			if err := back(ctx, tx, st); err != nil {
				return err
			}
			return f.backupFailed(ctx, tx, st, volume.StatusCreating, "013", why)
		},
	}
}

func (f *Flows) copyOut(ctx context.Context, st *backupState) error {
	var parent *archive.Manifest
	if st.ParentPrefix != "" {
		m, err := archive.Open(ctx, f.container(st), st.ParentPrefix, st.SizeMiB<<20)
		if err != nil {
			return damaged(err, "The backup that this one should follow cannot be read.")
		}
		parent = &m
	}
	var data io.ReadCloser
	var err error
	if st.SnapshotID != "" {
		data, err = f.Backend.ExportSnapshot(ctx, st.SnapshotID)
	} else {
		data, err = f.Backend.Export(ctx, st.VolumeID)
	}
	if err != nil {
		return backend(err, "Volume %s could not be read.", st.VolumeID)
	}
	defer data.Close()
	_, bytes, objects, err := archive.Write(ctx, f.container(st), st.Prefix, data, st.SizeMiB<<20, parent, st.Labels)
	st.Bytes, st.Objects = bytes, int64(objects)
	return backend(err, "Volume %s could not be copied to the object store.", st.VolumeID)
}

// damaged tells a user that objects of theirs are missing or changed, and hides
// other causes.
func damaged(err error, message string) error {
	if errors.Is(err, archive.ErrDamaged) || fault.KindOf(err) == fault.NotFound {
		return fault.Because(err, fault.CodeVolumeBadBackup, "Invalid backup: %s Objects of it are missing or were changed in the object store.", message)
	}
	return backend(err, "%s", message)
}

// deleteBackup: remove the objects, then the row.
func (f *Flows) deleteBackup() saga.Definition[backupState] {
	return saga.Definition[backupState]{
		Kind: "backup.delete", Deadline: patient,
		Steps: []saga.Step[backupState]{{Name: "remove", Component: component, Do: func(ctx context.Context, st *backupState) error {
			return backend(f.Vault.Clear(ctx, st.HeldBy, st.Container, st.Prefix), "Backup %s could not be removed from the object store.", st.BackupID)
		}}},
		Done: func(ctx context.Context, tx *db.Tx, st *backupState) error {
			return f.Store.RemoveBackup(ctx, tx, st.BackupID)
		},
		Failed: func(ctx context.Context, tx *db.Tx, st *backupState, why *fault.Fault) error {
			return f.backupEnded(ctx, tx, st.BackupID, volume.StatusDeleting, func(b *volume.Backup) { b.Status, b.FailReason = volume.StatusErrorDeleting, why.Message })
		},
	}
}

// restoreBackup: write the content beside the disk, which it replaces when it is
// whole. One that cannot be had leaves the disk as it was.
func (f *Flows) restoreBackup() saga.Definition[backupState] {
	free := func(ctx context.Context, tx *db.Tx, st *backupState) error {
		return f.backupEnded(ctx, tx, st.BackupID, "restoring", func(b *volume.Backup) { b.Status = volume.StatusAvailable })
	}
	restoring := []volume.Status{volume.StatusRestoring}
	return saga.Definition[backupState]{
		Kind: "backup.restore", Deadline: 12 * patient,
		Steps: []saga.Step[backupState]{{Name: "copy-in", Component: component, Do: func(ctx context.Context, st *backupState) error {
			m, err := archive.Open(ctx, f.container(st), st.Prefix, st.SizeMiB<<20)
			if err == nil {
				err = f.Backend.Import(ctx, st.VolumeID, st.SizeMiB, m.Reader(ctx, f.container(st)))
				st.Labels = m.Labels
			}
			return damaged(err, "Backup "+st.BackupID+" could not be restored.")
		}}},
		Done: func(ctx context.Context, tx *db.Tx, st *backupState) error {
			if err := free(ctx, tx, st); err != nil {
				return err
			}
			return f.ended(ctx, tx, st.VolumeID, restoring, func(v *volume.Volume) {
				v.Status, v.Bootable = volume.StatusAvailable, st.Labels["bootable"] == "true"
				v.ImageMeta = pairsOf(st.Labels["volume_image_metadata"])
				meta := pairsOf(st.Labels["volume_metadata"])
				maps.Copy(meta, v.Metadata) // what the volume has already stays
				v.Metadata = meta
			})
		},
		Failed: func(ctx context.Context, tx *db.Tx, st *backupState, why *fault.Fault) error {
			if err := free(ctx, tx, st); err != nil {
				return err
			}
			if err := f.ended(ctx, tx, st.VolumeID, restoring, func(v *volume.Volume) { v.Status, v.Reason = volume.StatusErrorRestoring, why.Message }); err != nil {
				return err
			}
			return f.tell(ctx, tx, &state{ProjectID: st.ProjectID, RequestID: st.RequestID}, "VOLUME", st.VolumeID, "014", why)
		},
	}
}

// pairsOf reads a label. It comes from where users may write: what cannot be read,
// or could not have been said to the API, says nothing.
func pairsOf(label string) map[string]string {
	out := map[string]string{}
	if err := json.Unmarshal([]byte(label), &out); err != nil {
		return map[string]string{}
	}
	maps.DeleteFunc(out, func(k, v string) bool { return k == "" || len(k) > 255 || len(v) > 255 })
	return out
}

// importBackup: the manifest must be there.
func (f *Flows) importBackup() saga.Definition[backupState] {
	return saga.Definition[backupState]{
		Kind: "backup.import", Deadline: patient,
		Steps: []saga.Step[backupState]{{Name: "look", Component: component, Do: func(ctx context.Context, st *backupState) error {
			_, err := archive.Open(ctx, f.container(st), st.Prefix, st.SizeMiB<<20)
			return damaged(err, "The record's backup cannot be read.")
		}}},
		Done: func(ctx context.Context, tx *db.Tx, st *backupState) error {
			return f.backupEnded(ctx, tx, st.BackupID, volume.StatusCreating, func(b *volume.Backup) { b.Status = volume.StatusAvailable })
		},
		Failed: func(ctx context.Context, tx *db.Tx, st *backupState, why *fault.Fault) error {
			return f.backupFailed(ctx, tx, st, volume.StatusCreating, "013", why)
		},
	}
}
