// Package flow has the sagas of volumes: what makes, grows, copies and removes
// their disks. All sagas of a volume and of its snapshots have the volume as
// their subject, so they run one after the other.
//
// A saga's end writes the row only while it is in the state that the saga was
// started in; what an operator forced in the meantime stays.
package flow

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/clock"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/kernel/telemetry"
	"altostack/saga"
	"altostack/volume"
)

// Config is what the sagas need.
type Config struct {
	DB      *db.DB
	Store   volume.Store
	Backend volume.Backend
	Images  volume.Images
	Vault   volume.Vault // of backups
	Clock   clock.Clock
	IDs     id.Source
	// Pool is where volumes are put, as Service.Pool spells it; Offers is what
	// the backend offers to the extra specs of types, nil: what volume.Offers
	// says of a backend of the pool's name.
	Pool   string
	Offers map[string]string
	// Extended grows the disk that a running server has open to sizeMiB; nil
	// grows the backend's disk beneath it.
	Extended func(ctx context.Context, serverID, volumeID string, sizeMiB int64) error
}

// Flows implements volume.Flows.
type Flows struct {
	Config
	engine                         *saga.Engine
	create, remove, extend, upload saga.Starter[state]
	revert, snapCreate, snapRemove saga.Starter[state]
	keep, discard, restore, admit  saga.Starter[backupState]
}

// state is what every saga here carries.
type state struct {
	VolumeID   string
	ProjectID  string
	UserID     string
	RequestID  string            `json:",omitempty"`
	SizeMiB    int64             `json:",omitempty"`
	SnapshotID string            `json:",omitempty"`
	SourceID   string            `json:",omitempty"`
	ImageID    string            `json:",omitempty"`
	Snapshots  []string          `json:",omitempty"`
	ServerIDs  []string          `json:",omitempty"` // attached while extending
	Specs      map[string]string `json:",omitempty"`
}

// Register adds the kinds to the engine; call it before the engine starts.
func Register(e *saga.Engine, c Config) *Flows {
	if c.Offers == nil {
		c.Offers = volume.Offers(c.Pool[strings.LastIndex(c.Pool, "#")+1:])
	}
	f := &Flows{Config: c, engine: e}
	f.create = saga.Register(e, f.createVolume())
	f.remove = saga.Register(e, f.deleteVolume())
	f.extend = saga.Register(e, f.extendVolume())
	f.upload = saga.Register(e, f.uploadVolume())
	f.revert = saga.Register(e, f.revertVolume())
	f.snapCreate = saga.Register(e, f.createSnapshot())
	f.snapRemove = saga.Register(e, f.deleteSnapshot())
	f.keep = saga.Register(e, f.createBackup())
	f.discard = saga.Register(e, f.deleteBackup())
	f.restore = saga.Register(e, f.restoreBackup())
	f.admit = saga.Register(e, f.importBackup())
	return f
}

const component = "volume"

// patient is the deadline of what copies whole disks.
const patient = time.Hour

func (f *Flows) start(ctx context.Context, tx *db.Tx, s saga.Starter[state], st state) error {
	st.RequestID = telemetry.RequestID(ctx)
	_, err := s.Start(ctx, tx, saga.Request{Subject: st.VolumeID, ProjectID: st.ProjectID}, st)
	return err
}

// CreateVolume starts to make a volume's disk.
func (f *Flows) CreateVolume(ctx context.Context, tx *db.Tx, v volume.Volume) error {
	t, _, err := f.Store.Type(ctx, tx, v.TypeID, "", true)
	if err != nil {
		return err
	}
	return f.start(ctx, tx, f.create, state{VolumeID: v.ID, ProjectID: v.ProjectID, UserID: v.UserID, SizeMiB: v.SizeGiB << 10,
		SnapshotID: v.SnapshotID, SourceID: v.SourceID, ImageID: v.ImageID, Specs: t.ExtraSpecs})
}

// DeleteVolume starts to remove a volume with the snapshots named; one that is
// still being made is taken back first.
func (f *Flows) DeleteVolume(ctx context.Context, tx *db.Tx, v volume.Volume, snapshotIDs []string) error {
	if err := f.engine.Cancel(ctx, tx, v.ID, "volume.create"); err != nil {
		return err
	}
	return f.start(ctx, tx, f.remove, state{VolumeID: v.ID, ProjectID: v.ProjectID, UserID: v.UserID, Snapshots: snapshotIDs})
}

// ExtendVolume starts to grow a volume by GrowingGiB.
func (f *Flows) ExtendVolume(ctx context.Context, tx *db.Tx, v volume.Volume) error {
	st := state{VolumeID: v.ID, ProjectID: v.ProjectID, UserID: v.UserID, SizeMiB: (v.SizeGiB + v.GrowingGiB) << 10}
	for _, a := range v.Attachments {
		if a.Status == volume.AttachAttached && a.ServerID != "" {
			st.ServerIDs = append(st.ServerIDs, a.ServerID)
		}
	}
	return f.start(ctx, tx, f.extend, st)
}

// UploadVolume starts to copy a volume into an image that was created for it.
func (f *Flows) UploadVolume(ctx context.Context, tx *db.Tx, v volume.Volume, imageID, userID string) error {
	return f.start(ctx, tx, f.upload, state{VolumeID: v.ID, ProjectID: v.ProjectID, UserID: userID, ImageID: imageID})
}

// RevertVolume starts to return a volume to a snapshot's content.
func (f *Flows) RevertVolume(ctx context.Context, tx *db.Tx, v volume.Volume, snapshotID string) error {
	return f.start(ctx, tx, f.revert, state{VolumeID: v.ID, ProjectID: v.ProjectID, UserID: v.UserID, SnapshotID: snapshotID, SizeMiB: v.SizeGiB << 10})
}

// CreateSnapshot starts to make a snapshot.
func (f *Flows) CreateSnapshot(ctx context.Context, tx *db.Tx, s volume.Snapshot) error {
	return f.start(ctx, tx, f.snapCreate, state{VolumeID: s.VolumeID, ProjectID: s.ProjectID, UserID: s.UserID, SnapshotID: s.ID})
}

// DeleteSnapshot starts to remove a snapshot.
func (f *Flows) DeleteSnapshot(ctx context.Context, tx *db.Tx, s volume.Snapshot) error {
	return f.start(ctx, tx, f.snapRemove, state{VolumeID: s.VolumeID, ProjectID: s.ProjectID, UserID: s.UserID, SnapshotID: s.ID})
}

// Settled returns once this process runs no saga of the volume any more.
func (f *Flows) Settled(ctx context.Context, volumeID string) error {
	rows, err := saga.Of(ctx, f.DB, volumeID)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.Status == saga.Running || row.Status == saga.Undoing {
			if err := f.engine.Wait(ctx, row.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// ended saves what edit makes of a volume that is in one of the states that
// the saga left it in; a volume that is gone or elsewhere is left alone.
func (f *Flows) ended(ctx context.Context, tx *db.Tx, volumeID string, in []volume.Status, edit func(v *volume.Volume)) error {
	v, found, err := f.Store.Volume(ctx, tx, volumeID)
	if err != nil || !found || !slices.Contains(in, v.Status) {
		return err
	}
	edit(&v)
	v.Generation, v.UpdatedAt = v.Generation+1, f.Clock.Now()
	return f.Store.SaveVolume(ctx, tx, v)
}

// snapshotEnded is ended for a snapshot.
func (f *Flows) snapshotEnded(ctx context.Context, tx *db.Tx, snapshotID string, in, to volume.Status, progress string) error {
	s, found, err := f.Store.Snapshot(ctx, tx, snapshotID)
	if err != nil || !found || s.Status != in {
		return err
	}
	s.Status, s.Generation, s.UpdatedAt = to, s.Generation+1, f.Clock.Now()
	if progress != "" {
		s.Progress = progress
	}
	return f.Store.SaveSnapshot(ctx, tx, s)
}

// tell leaves the user a message about what failed.
func (f *Flows) tell(ctx context.Context, tx *db.Tx, st *state, kind, resourceID, action string, why *fault.Fault) error {
	event := "VOLUME_" + kind + "_" + action
	now := f.Clock.Now()
	return f.Store.InsertMessage(ctx, tx, volume.Message{ID: f.IDs.UUID(), ProjectID: st.ProjectID, RequestID: st.RequestID, EventID: event,
		ResourceType: kind, ResourceID: resourceID, Text: why.Message, CreatedAt: now, ExpiresAt: now.Add(30 * 24 * time.Hour)})
}

// backend hides what a backend said from users; the log has it.
func backend(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	if f := (*fault.Fault)(nil); asFault(err, &f) && f.Kind != fault.Internal {
		return err
	}
	return fault.Because(err, fault.CodeVolumeBackendFailed, "%s", fmt.Sprintf(format, args...))
}

// scopeOf is the scope of the user for whom a saga works.
func scopeOf(st *state) auth.Scope { return auth.As(st.ProjectID, st.UserID) }

var _ volume.Flows = (*Flows)(nil)
