package volume

import (
	"encoding/json"
	"time"
)

// Status is where a volume is in its life, as the API spells it.
type Status string

// The states a volume can be in. The last ones are only set by operators
// through os-reset_status.
const (
	StatusCreating        Status = "creating"    // accepted; the disk is being made
	StatusDownloading     Status = "downloading" // creating, from an image
	StatusAvailable       Status = "available"   // whole and attached to nothing
	StatusReserved        Status = "reserved"    // promised to a server
	StatusAttaching       Status = "attaching"   // a host was told how to reach it
	StatusInUse           Status = "in-use"      // attached
	StatusDetaching       Status = "detaching"   // a server is about to let go
	StatusDeleting        Status = "deleting"
	StatusExtending       Status = "extending"
	StatusUploading       Status = "uploading" // being copied to an image
	StatusAwaiting        Status = "awaiting-transfer"
	StatusBackingUp       Status = "backing-up"
	StatusRestoring       Status = "restoring-backup"
	StatusRetyping        Status = "retyping"
	StatusReverting       Status = "reverting"
	StatusError           Status = "error" // a saga gave up; Volume.Reason says why; there is no disk
	StatusErrorDeleting   Status = "error_deleting"
	StatusErrorExtending  Status = "error_extending"
	StatusErrorBackingUp  Status = "error_backing-up"
	StatusErrorRestoring  Status = "error_restoring"
	StatusErrorManaging   Status = "error_managing"
	StatusMaintenance     Status = "maintenance"
	AttachReserved        Status = "reserved"
	AttachAttaching       Status = "attaching"
	AttachAttached        Status = "attached"
	AttachDetaching       Status = "detaching"
	AttachErrorAttaching  Status = "error_attaching"
	AttachErrorDetaching  Status = "error_detaching"
	DefaultTypeName              = "file"
	DefaultZone                  = "nova"
	maxSizeGiB            int64  = 1 << 21 // 2 PiB; keeps sums far from overflow
	mib                   int64  = 1 << 20
	transferKeyLength            = 8
	defaultQuotaClassName        = "default"
)

// Volume is one volume. Sizes are GiB.
type Volume struct {
	ID, ProjectID, UserID string
	Name, Description     string
	SizeGiB               int64
	GrowingGiB            int64 // promised by an extension under way
	TypeID, TypeName      string
	Status                Status
	PreviousStatus        Status // to return to after extending, uploading, detaching
	AttachStatus          string // attached or detached
	Zone, Host            string
	Bootable, ReadOnly    bool
	MultiAttach           bool
	SnapshotID, SourceID  string
	Metadata              map[string]string
	ImageMeta             map[string]string // empty unless made from an image
	ImageID               string
	Reason                string // why it is in error
	Generation            int64
	CreatedAt, UpdatedAt  time.Time
	Attachments           []Attachment // filled by reads that say so
}

// Snapshot is a volume's frozen content.
type Snapshot struct {
	ID, VolumeID, ProjectID, UserID string
	TypeID                          string // its volume's, for quota
	Name, Description               string
	SizeGiB                         int64
	Status                          Status
	Metadata                        map[string]string
	Progress                        string
	Generation                      int64
	CreatedAt, UpdatedAt            time.Time
}

// Attachment ties a volume to a server. Managed says that the compute service
// made it, so that nobody else may take it away.
type Attachment struct {
	ID, VolumeID, ServerID, ProjectID string
	Host, HostName, Device, Mode      string
	Status                            Status
	Managed                           bool
	Connector, Connection             json.RawMessage
	AttachedAt, CreatedAt             time.Time
}

// Type is a kind of volume that an operator offers.
type Type struct {
	ID, Name, Description string
	Public                bool
	ExtraSpecs            map[string]string
	QoSID                 string
	CreatedAt, UpdatedAt  time.Time
}

// Transfer is an offer of a volume to whoever knows the key.
type Transfer struct {
	ID, VolumeID, Name         string
	Salt, KeyHash              string
	NoSnapshots, Accepted      bool
	SourceProject, Destination string
	CreatedAt                  time.Time
}

// QoS is a set of limits that types can be tied to.
type QoS struct {
	ID, Name, Consumer string
	Specs              map[string]string
	CreatedAt          time.Time
}

// Message tells a user why something of theirs failed, after the answer.
type Message struct {
	ID, ProjectID, RequestID, EventID string
	ResourceType, ResourceID, Text    string
	CreatedAt, ExpiresAt              time.Time
}

// Daemon is a part of the service as os-services shows it.
type Daemon struct {
	Binary, Host, Zone string
	Disabled           bool
	Frozen             bool // keeps its volumes as they are
	Reason             string
	UpdatedAt          time.Time
}
