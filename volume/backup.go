package volume

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/id"
)

// BackupContainer is where backups go whose owner named no container, as
// Cinder's Swift driver calls it.
const BackupContainer = "volumebackups"

// backupService is what exported records name: clients look for Cinder's prefix,
// the rest says that the format is volume/archive's.
const backupService = "cinder.backup.drivers.altostack.archive"

// Backup is a volume's content at one time, kept in the object store. It outlives
// its volume.
type Backup struct {
	ID, ProjectID, UserID string
	VolumeID, SnapshotID  string
	ParentID              string // of an increment
	Name, Description     string
	Status                Status
	FailReason            string
	SizeGiB               int64 // of the volume
	Bytes                 int64 // that were kept for this backup
	Objects               int64
	HeldBy                string // the project in whose Container the objects are
	Container, Prefix     string
	Zone                  string
	Metadata              map[string]string
	DataAt                time.Time // of the content
	Dependents            int64     // increments upon it; filled by reads
	Generation            int64
	CreatedAt, UpdatedAt  time.Time
}

// Vault keeps the objects of backups, in containers of the project they belong to.
type Vault interface {
	Put(ctx context.Context, projectID, container, name string, data []byte) error
	Get(ctx context.Context, projectID, container, name string) (io.ReadCloser, error)
	// Clear removes every object whose name begins with prefix. None is success.
	Clear(ctx context.Context, projectID, container, prefix string) error
}

// BackupSpec is a backup to be made.
type BackupSpec struct {
	VolumeID, SnapshotID, Name, Description string
	Container, Zone                         string
	Incremental, Force                      bool
	Metadata                                map[string]string
}

func badBackup(format string, args ...any) error {
	return fault.New(fault.CodeVolumeBadBackup, "Invalid backup: "+format, args...)
}

func (s *Service) findBackup(ctx context.Context, r db.Reader, scope auth.Scope, id string) (Backup, error) {
	b, found, err := s.Store.Backup(ctx, r, id)
	if err != nil {
		return b, fmt.Errorf("read backup %s: %w", id, err)
	}
	if !found || !scope.Sees(b.ProjectID) {
		return Backup{}, fault.New(fault.CodeVolumeBackupNotFound, "Backup %s could not be found.", id)
	}
	return b, nil
}

// Backup answers a backup.
func (s *Service) Backup(ctx context.Context, scope auth.Scope, id string) (Backup, error) {
	return s.findBackup(ctx, s.DB, scope, id)
}

// ChangeBackup runs f on a backup in one transaction and saves it.
func (s *Service) ChangeBackup(ctx context.Context, scope auth.Scope, id string, f func(b *Backup) error) (b Backup, err error) {
	err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		var err error
		if b, err = s.findBackup(ctx, tx, scope, id); err != nil {
			return err
		}
		if err := f(&b); err != nil {
			return err
		}
		b.Generation, b.UpdatedAt = b.Generation+1, s.Clock.Now()
		return s.Store.SaveBackup(ctx, tx, b)
	})
	return b, err
}

// CreateBackup records a backup and starts to copy the volume, or its snapshot,
// into the object store.
func (s *Service) CreateBackup(ctx context.Context, scope auth.Scope, spec BackupSpec) (Backup, error) {
	now := s.Clock.Now()
	b := Backup{ID: s.IDs.UUID(), ProjectID: scope.ProjectID, UserID: scope.UserID, VolumeID: spec.VolumeID, SnapshotID: spec.SnapshotID, Name: spec.Name,
		Description: spec.Description, Status: StatusCreating, Container: spec.Container, Zone: s.Zone, Metadata: spec.Metadata, DataAt: now,
		Generation: 1, CreatedAt: now, UpdatedAt: now}
	if strings.Contains(b.Container, "/") || len(b.Container) > 255 {
		return b, fault.New(fault.CodeVolumeInvalidInput, "Invalid input received: A container's name has 255 bytes at most and no slash.").WithField("container")
	}
	if spec.Zone != "" && spec.Zone != s.Zone {
		return b, fault.New(fault.CodeVolumeServiceUnavailable, "Service cinder-backup could not be found.")
	}
	b.HeldBy = b.ProjectID
	b.Prefix = fmt.Sprintf("volume_%s/%s/az_%s_backup_%s", b.VolumeID, now.UTC().Format("20060102150405"), s.Zone, b.ID)
	err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		v, err := s.find(ctx, tx, scope, spec.VolumeID)
		if err != nil {
			return err
		}
		if err := s.backupSource(ctx, tx, scope, v, spec, &b); err != nil {
			return err
		}
		if b.SizeGiB = v.SizeGiB; spec.Incremental {
			if err := s.follow(ctx, tx, &b); err != nil {
				return err
			}
		}
		if b.Container == "" {
			b.Container = BackupContainer
		}
		if err := s.checkBackupQuota(ctx, tx, b); err != nil {
			return err
		}
		if err := s.Store.InsertBackup(ctx, tx, b); err != nil {
			return err
		}
		return s.Flows.CreateBackup(ctx, tx, b)
	})
	return b, err
}

// backupSource checks what is to be copied, and marks it.
func (s *Service) backupSource(ctx context.Context, tx *db.Tx, scope auth.Scope, v Volume, spec BackupSpec, b *Backup) error {
	if spec.SnapshotID == "" {
		switch {
		case v.Status != StatusAvailable && v.Status != StatusInUse:
			return wrongState("Volume to be backed up must be available or in-use, but the current status is \"%s\".", v.Status)
		case v.Status == StatusInUse && !spec.Force:
			return wrongState("Backing up an in-use volume must use the force flag.")
		}
		v.PreviousStatus, v.Status = v.Status, StatusBackingUp
		return s.save(ctx, tx, &v)
	}
	snap, err := s.findSnapshot(ctx, tx, scope, spec.SnapshotID)
	if err != nil {
		return err
	}
	if snap.VolumeID != v.ID {
		return wrongState("Volume %s does not match with snapshot.volume_id %s.", v.ID, snap.VolumeID)
	}
	if snap.Status != StatusAvailable {
		return fault.New(fault.CodeVolumeBadSnapshot, "Invalid snapshot: Snapshot to be backed up must be available, but the current status is \"%s\".", snap.Status)
	}
	b.DataAt = snap.CreatedAt
	return s.moveSnapshot(ctx, tx, snap, StatusBackingUp)
}

// follow makes b an increment of the newest whole backup of the volume that is of
// before the content's time. Both lie in one container.
func (s *Service) follow(ctx context.Context, r db.Reader, b *Backup) error {
	all, err := s.Store.BackupsOf(ctx, r, b.VolumeID, b.ProjectID)
	if err != nil {
		return err
	}
	newest := Backup{}
	for _, old := range all {
		if old.Status == StatusAvailable && old.DataAt.After(newest.DataAt) && (b.SnapshotID == "" || old.DataAt.Before(b.DataAt)) {
			newest = old
		}
	}
	if newest.ID == "" {
		return badBackup("No backups available to do an incremental backup.")
	}
	if b.Container == "" {
		b.Container = newest.Container
	}
	if b.Container != newest.Container {
		return badBackup("An incremental backup goes to the container of the one that it follows, %s.", newest.Container)
	}
	b.ParentID = newest.ID
	return nil
}

func (s *Service) checkBackupQuota(ctx context.Context, tx *db.Tx, b Backup) error {
	limits, err := s.Limits(ctx, tx, b.ProjectID)
	if err != nil {
		return fmt.Errorf("read limits: %w", err)
	}
	used, err := s.UsedBy(ctx, tx, b.ProjectID)
	if err != nil {
		return fmt.Errorf("read usage: %w", err)
	}
	if limit := limits["backups"]; limit >= 0 && used["backups"]+1 > limit {
		return fault.New(fault.CodeVolumeQuotaExceeded, "Maximum number of backups allowed (%d) exceeded", limit)
	}
	if limit := limits["backup_gigabytes"]; limit >= 0 && used["backup_gigabytes"]+b.SizeGiB > limit {
		return fault.New(fault.CodeVolumeQuotaExceeded, "Requested backup exceeds allowed Backup gigabytes quota. Requested %dG, quota is %dG and %dG has been consumed.", b.SizeGiB, limit, used["backup_gigabytes"])
	}
	return nil
}

// DeleteBackup starts to delete a backup. One that increments lean on stays.
func (s *Service) DeleteBackup(ctx context.Context, scope auth.Scope, id string, force bool) error {
	return s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		b, err := s.findBackup(ctx, tx, scope, id)
		if err != nil {
			return err
		}
		if !force && b.Status != StatusAvailable && b.Status != StatusError {
			return badBackup("Backup status must be available or error")
		}
		if b.Dependents > 0 {
			return badBackup("Incremental backups exist for this backup.")
		}
		b.Status, b.Generation, b.UpdatedAt = StatusDeleting, b.Generation+1, s.Clock.Now()
		if err := s.Store.SaveBackup(ctx, tx, b); err != nil {
			return err
		}
		return s.Flows.DeleteBackup(ctx, tx, b)
	})
}

// Restore is where a backup's content goes.
type Restore struct{ BackupID, VolumeID, VolumeName string }

// RestoreBackup starts to copy a backup over a volume; without one, over a new
// volume of its size.
func (s *Service) RestoreBackup(ctx context.Context, scope auth.Scope, want Restore) (Restore, error) {
	ready := func(b Backup) error {
		if b.Status != StatusAvailable {
			return badBackup("Backup status must be available")
		}
		return nil
	}
	b, err := s.findBackup(ctx, s.DB, scope, want.BackupID)
	if err == nil {
		err = ready(b)
	}
	if err != nil {
		return want, err
	}
	if want.VolumeID == "" {
		if want.VolumeName == "" {
			want.VolumeName = "restore_backup_" + b.ID
		}
		v, err := s.Create(ctx, scope, Spec{SizeGiB: b.SizeGiB, Name: want.VolumeName, Description: "auto-created_from_restore_from_backup"})
		if err == nil {
			v, err = s.Await(ctx, v.ID)
		}
		if err != nil {
			return want, err
		}
		want.VolumeID = v.ID
	}
	_, err = s.change(ctx, scope, want.VolumeID, func(ctx context.Context, tx *db.Tx, v *Volume) (bool, error) {
		b, err := s.findBackup(ctx, tx, scope, want.BackupID)
		if err == nil {
			err = ready(b)
		}
		if err != nil {
			return false, err
		}
		if v.Status != StatusAvailable {
			return false, wrongState("Volume to be restored to must be available")
		}
		if b.SizeGiB > v.SizeGiB {
			return false, wrongState("volume size %d is too small to restore backup of size %d.", v.SizeGiB, b.SizeGiB)
		}
		want.VolumeName, v.Status = v.Name, StatusRestoring
		b.Status, b.Generation, b.UpdatedAt = "restoring", b.Generation+1, s.Clock.Now()
		if err := s.Store.SaveBackup(ctx, tx, b); err != nil {
			return false, err
		}
		return true, s.Flows.RestoreBackup(ctx, tx, b, *v)
	})
	return want, err
}

// ResetBackup is an operator's correction of a row.
func (s *Service) ResetBackup(ctx context.Context, scope auth.Scope, id, status string) error {
	if !slices.Contains([]string{"available", "error"}, status) {
		return invalidInput("Must specify a valid status, not %s", status)
	}
	_, err := s.ChangeBackup(ctx, scope, id, func(b *Backup) error {
		b.Status = Status(status)
		return nil
	})
	return err
}

// record is what export tells and import reads; the names are Cinder's.
type record struct {
	ID          string            `json:"id"`
	HeldBy      string            `json:"project_id"`
	VolumeID    string            `json:"volume_id"`
	SnapshotID  string            `json:"snapshot_id,omitempty"`
	ParentID    string            `json:"parent_id,omitempty"`
	Name        string            `json:"display_name"`
	Description string            `json:"display_description"`
	Size        int64             `json:"size"`
	Bytes       int64             `json:"stored_bytes"`
	Objects     int64             `json:"object_count"`
	Container   string            `json:"container"`
	Prefix      string            `json:"service_metadata"`
	Service     string            `json:"service"`
	Metadata    map[string]string `json:"backup_metadata,omitempty"`
	CreatedAt   time.Time         `json:"created_at"`
	DataAt      time.Time         `json:"data_timestamp"`
}

// ExportBackup answers what another cloud over the same object store, or this one
// after it lost its database, needs to know the backup.
func (s *Service) ExportBackup(ctx context.Context, scope auth.Scope, id string) (service, url string, err error) {
	b, err := s.findBackup(ctx, s.DB, scope, id)
	if err != nil {
		return "", "", err
	}
	if b.Status != StatusAvailable {
		return "", "", badBackup("Backup status must be available and not %s.", b.Status)
	}
	text, err := json.Marshal(record{b.ID, b.HeldBy, b.VolumeID, b.SnapshotID, b.ParentID, b.Name, b.Description, b.SizeGiB, b.Bytes, b.Objects, b.Container, b.Prefix,
		backupService, b.Metadata, b.CreatedAt, b.DataAt})
	return backupService, base64.StdEncoding.EncodeToString(text), err
}

// ImportBackup takes a record in, for the caller's project; that the objects are
// where it says is checked before the backup is available. A record may name any
// project's objects, hence only operators may import.
func (s *Service) ImportBackup(ctx context.Context, scope auth.Scope, service, url string) (Backup, error) {
	var r record
	text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(url))
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	switch {
	case err != nil:
		return Backup{}, fault.Because(err, fault.CodeVolumeInvalidInput, "Invalid input received: Can't parse backup record.")
	case r.ID == "":
		return Backup{}, invalidInput("Provided backup record is missing an id")
	case !id.IsUUID(r.ID):
		return Backup{}, invalidInput("Provided backup record has an id that is none")
	case r.Size <= 0 || r.Size > maxSizeGiB:
		return Backup{}, invalidInput("Provided backup record is missing size attribute")
	case service != backupService || r.Service != backupService:
		return Backup{}, fault.New(fault.CodeVolumeServiceUnavailable, "Service %s could not be found.", service)
	case r.HeldBy == "" || r.Container == "" || r.Prefix == "":
		return Backup{}, invalidInput("Provided backup record does not say where its objects are")
	}
	now := s.Clock.Now()
	b := Backup{ID: r.ID, ProjectID: scope.ProjectID, UserID: scope.UserID, VolumeID: r.VolumeID, SnapshotID: r.SnapshotID, ParentID: r.ParentID, Name: r.Name,
		Description: r.Description, Status: StatusCreating, SizeGiB: r.Size, Bytes: r.Bytes, Objects: r.Objects, HeldBy: r.HeldBy, Container: r.Container, Prefix: r.Prefix, Zone: s.Zone,
		Metadata: r.Metadata, DataAt: r.DataAt, Generation: 1, CreatedAt: now, UpdatedAt: now}
	err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if _, found, err := s.Store.Backup(ctx, tx, b.ID); err != nil || found {
			if found {
				return badBackup("Backup already exists in database.")
			}
			return err
		}
		if err := s.checkBackupQuota(ctx, tx, b); err != nil {
			return err
		}
		if err := s.Store.InsertBackup(ctx, tx, b); err != nil {
			return err
		}
		return s.Flows.ImportBackup(ctx, tx, b)
	})
	return b, err
}
