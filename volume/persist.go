package volume

import (
	"context"
	"time"

	"altostack/kernel/db"
	"altostack/kernel/page"
)

// Query is a list of volumes, snapshots, transfers or messages: what a scope
// sees, narrowed by filters. Empty fields do not narrow.
type Query struct {
	All                              bool // every project's
	ProjectID                        string
	OfProject                        string // an administrator's filter
	ID, Name, NameLike, Status, Zone string
	TypeID, SourceID, SnapshotID     string
	UserID, VolumeID, ResourceID     string
	SizeGiB                          int64
	Bootable, MultiAttach            *bool
	Metadata, ImageMeta              map[string]string
	Times                            []TimeFilter
	Plain                            bool // without attachments
	Page                             page.Request
}

// TimeFilter compares when a row was made, or Updated, with an instant. Op is
// gt, gte, lt, lte, eq or neq.
type TimeFilter struct {
	Updated bool
	Op      string
	At      time.Time
}

// AttachmentQuery is a list of attachments.
type AttachmentQuery struct {
	All                                   bool
	ProjectID, VolumeID, ServerID, Status string
	Page                                  page.Request
}

// TypeQuery is a list of types: all, or those that a project can use.
type TypeQuery struct {
	All                    bool
	ProjectID, Name, QoSID string
	Public                 *bool
	ExtraSpecs             map[string]string
	Page                   page.Request
}

// Used is what a project holds, of one type or on the host. GiB are those of
// volumes and snapshots together where a type is named, else of volumes.
type Used struct {
	ProjectID, TypeID, TypeName string
	Volumes, Snapshots, GiB     int64
	SnapshotGiB                 int64
}

// Store keeps everything in SQL; volume/store has the one there is.
type Store interface {
	InsertVolume(ctx context.Context, tx *db.Tx, v Volume) error
	SaveVolume(ctx context.Context, tx *db.Tx, v Volume) error
	RemoveVolume(ctx context.Context, tx *db.Tx, id string) error
	Volume(ctx context.Context, r db.Reader, id string) (Volume, bool, error)
	Volumes(ctx context.Context, r db.Reader, q Query) ([]Volume, bool, error)
	CountVolumes(ctx context.Context, r db.Reader, q Query) (int, error)
	Summary(ctx context.Context, r db.Reader, q Query) (count, gib int64, metadata []map[string]string, err error)
	Room(ctx context.Context, r db.Reader) (gib, volumes int64, err error)

	SaveAttachment(ctx context.Context, tx *db.Tx, a Attachment) error
	RemoveAttachment(ctx context.Context, tx *db.Tx, id string) error
	Attachment(ctx context.Context, r db.Reader, id string) (Attachment, bool, error)
	Attachments(ctx context.Context, r db.Reader, q AttachmentQuery) ([]Attachment, bool, error)
	AttachmentsOf(ctx context.Context, r db.Reader, serverIDs []string) ([]Attachment, error)

	InsertSnapshot(ctx context.Context, tx *db.Tx, s Snapshot) error
	SaveSnapshot(ctx context.Context, tx *db.Tx, s Snapshot) error
	RemoveSnapshot(ctx context.Context, tx *db.Tx, id string) error
	Snapshot(ctx context.Context, r db.Reader, id string) (Snapshot, bool, error)
	SnapshotsOf(ctx context.Context, r db.Reader, volumeID string) ([]Snapshot, error)
	Snapshots(ctx context.Context, r db.Reader, q Query) ([]Snapshot, bool, error)
	CountSnapshots(ctx context.Context, r db.Reader, q Query) (int, error)

	InsertBackup(ctx context.Context, tx *db.Tx, b Backup) error
	SaveBackup(ctx context.Context, tx *db.Tx, b Backup) error
	RemoveBackup(ctx context.Context, tx *db.Tx, id string) error
	Backup(ctx context.Context, r db.Reader, id string) (Backup, bool, error)
	BackupsOf(ctx context.Context, r db.Reader, volumeID, projectID string) ([]Backup, error)
	Backups(ctx context.Context, r db.Reader, q Query) ([]Backup, bool, error)
	CountBackups(ctx context.Context, r db.Reader, q Query) (int, error)
	BackupUse(ctx context.Context, r db.Reader, projectID string) (backups, gib int64, err error)

	SaveType(ctx context.Context, tx *db.Tx, t Type) error
	RemoveType(ctx context.Context, tx *db.Tx, id string) error
	Type(ctx context.Context, r db.Reader, ref, projectID string, all bool) (Type, bool, error)
	Types(ctx context.Context, r db.Reader, q TypeQuery) ([]Type, bool, error)
	TypeAccess(ctx context.Context, r db.Reader, typeID string) ([]string, error)
	SetTypeAccess(ctx context.Context, tx *db.Tx, typeID, projectID string, allow bool) (changed bool, err error)
	DefaultType(ctx context.Context, r db.Reader, projectID string) (string, bool, error)
	DefaultTypes(ctx context.Context, r db.Reader) ([][2]string, error)
	SetDefaultType(ctx context.Context, tx *db.Tx, projectID, typeID string) error

	Limits(ctx context.Context, r db.Reader, owner string) (map[string]int64, error)
	SetLimit(ctx context.Context, tx *db.Tx, owner, resource string, limit int64) error
	DeleteLimits(ctx context.Context, tx *db.Tx, owner string) error
	Used(ctx context.Context, r db.Reader, projectID string) ([]Used, error)
	HostUse(ctx context.Context, r db.Reader) ([]Used, error)

	InsertTransfer(ctx context.Context, tx *db.Tx, t Transfer) error
	RemoveTransfer(ctx context.Context, tx *db.Tx, id string) error
	Transfer(ctx context.Context, r db.Reader, id string) (Transfer, bool, error)
	Transfers(ctx context.Context, r db.Reader, q Query) ([]Transfer, bool, error)

	SaveQoS(ctx context.Context, tx *db.Tx, q QoS) error
	RemoveQoS(ctx context.Context, tx *db.Tx, id string) error
	Untie(ctx context.Context, tx *db.Tx, id string) error
	QoS(ctx context.Context, r db.Reader, id string) (QoS, bool, error)
	QoSList(ctx context.Context, r db.Reader, req page.Request) ([]QoS, bool, error)

	InsertMessage(ctx context.Context, tx *db.Tx, m Message) error
	RemoveMessage(ctx context.Context, tx *db.Tx, id string) error
	Message(ctx context.Context, r db.Reader, id string) (Message, bool, error)
	Messages(ctx context.Context, r db.Reader, q Query) ([]Message, bool, error)

	Daemons(ctx context.Context, r db.Reader) ([]Daemon, error)
	SaveDaemon(ctx context.Context, tx *db.Tx, d Daemon) error
}

// Flows starts the sagas; volume/flow has them. Each commits with the caller's
// transaction.
type Flows interface {
	CreateVolume(ctx context.Context, tx *db.Tx, v Volume) error
	DeleteVolume(ctx context.Context, tx *db.Tx, v Volume, snapshotIDs []string) error
	ExtendVolume(ctx context.Context, tx *db.Tx, v Volume) error
	UploadVolume(ctx context.Context, tx *db.Tx, v Volume, imageID, userID string) error
	RevertVolume(ctx context.Context, tx *db.Tx, v Volume, snapshotID string) error
	CreateSnapshot(ctx context.Context, tx *db.Tx, s Snapshot) error
	DeleteSnapshot(ctx context.Context, tx *db.Tx, s Snapshot) error
	CreateBackup(ctx context.Context, tx *db.Tx, b Backup) error
	DeleteBackup(ctx context.Context, tx *db.Tx, b Backup) error
	RestoreBackup(ctx context.Context, tx *db.Tx, b Backup, v Volume) error
	// ImportBackup checks that the objects of a record are there.
	ImportBackup(ctx context.Context, tx *db.Tx, b Backup) error
	// Settled returns once no saga of the volume is under way.
	Settled(ctx context.Context, volumeID string) error
}
