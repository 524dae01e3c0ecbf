package compute

import (
	"context"
	"time"

	"altostack/hostapi"
	"altostack/kernel/auth"
	"altostack/kernel/db"
)

// Hosts finds the agent of a host; fault bus.nobody where none answers.
type Hosts interface {
	Agent(host string) (hostapi.Agent, error)
}

// Need is what a server asks of a host, for placement.
type Need struct {
	Resources           map[string]int64 `json:"resources"`
	Required, Forbidden []string         `json:",omitempty"` // traits
	Limit               int              `json:"limit"`
}

// Candidate is a host with room. Capacity is (total-reserved)*ratio.
type Candidate struct {
	ProviderID, Name string
	Capacity, Used   map[string]int64
	Traits           []string
}

// Consumer is who claims.
type Consumer struct{ ID, ProjectID, UserID, Type string }

// Inventory is what a host offers to placement.
type Inventory struct {
	Name, UUID                         string
	VCPUs                              int
	MemoryMiB, DiskGiB                 int64
	ReservedMemoryMiB, ReservedDiskGiB int64
	ReservedVCPUs                      int
	Traits                             []string
}

// Placement counts what hosts have and what is promised of it.
type Placement interface {
	// Candidates answers hosts with room.
	Candidates(ctx context.Context, need Need) ([]Candidate, error)
	// Lacks says by host name what each host lacked, in words.
	Lacks(ctx context.Context, need Need) (map[string]string, error)
	// Claim promises resources to a consumer; repeated, it replaces the
	// consumer's own. Fault of kind Conflict where they do not fit any more.
	Claim(ctx context.Context, tx *db.Tx, c Consumer, providerID string, resources map[string]int64) error
	// Release gives a consumer's resources back; none is success.
	Release(ctx context.Context, tx *db.Tx, consumerID string) error
	EnsureHost(ctx context.Context, inv Inventory) (providerID string, err error)
}

// Image is what compute knows of an image, and keeps with the server.
type Image struct {
	ID          string            `json:"id"`
	Name        string            `json:"name,omitempty"`
	Status      string            `json:"status,omitempty"`
	DiskFormat  string            `json:"disk_format,omitempty"`
	HashAlgo    string            `json:"hash_algo,omitempty"`
	HashValue   string            `json:"hash_value,omitempty"`
	Size        int64             `json:"size,omitempty"`         // stored bytes
	VirtualSize int64             `json:"virtual_size,omitempty"` // bytes; 0: unknown
	MinDiskGiB  int               `json:"min_disk_gib,omitempty"`
	MinRAMMiB   int               `json:"min_ram_mib,omitempty"`
	Properties  map[string]string `json:"properties,omitempty"`
	Tags        []string          `json:"tags,omitempty"`
}

// ImageSpec is an image to be made of a server.
type ImageSpec struct {
	ID, Name   string
	DiskFormat string
	MinDiskGiB int
	MinRAMMiB  int
	Properties map[string]string
}

// Images is the image service.
type Images interface {
	Get(ctx context.Context, scope auth.Scope, id string) (Image, error)
	// Create makes a queued image in the scope's project, in the caller's
	// transaction.
	Create(ctx context.Context, tx *db.Tx, scope auth.Scope, spec ImageSpec) (Image, error)
	// Delete removes an image; one that is gone is success.
	Delete(ctx context.Context, scope auth.Scope, id string) error
}

// Want is one network card asked for.
type Want struct {
	NetworkID string `json:"network_id,omitempty"`
	PortID    string `json:"port_id,omitempty"`
	FixedIP   string `json:"fixed_ip,omitempty"`
	Tag       string `json:"tag,omitempty"`
}

// Resolved is a checked request for networks: which cards, in which groups.
type Resolved struct {
	Wants  []Want   `json:"wants,omitempty"`
	Auto   string   `json:"auto,omitempty"`
	Groups []string `json:"groups,omitempty"` // security group ids
}

// Allocation asks for a server's ports on its host.
type Allocation struct {
	ServerID, ProjectID, UserID, Zone, Host, Hostname string
	Resolved                                          Resolved
}

// Address is one address of a port.
type Address struct {
	Addr     string
	Version  int
	SubnetID string
	Floating []string
}

// Port is a server's card as the network service has it.
type Port struct {
	ID, NetworkID, NetworkName, MAC, State string
	MTU                                    int
	Tag                                    string
	Addresses                              []Address
	Groups                                 []string // names of its security groups
	GroupIDs                               []string
}

// Network is the network service.
type Network interface {
	// Check validates a request for networks. auto is "", "auto" or "none".
	Check(ctx context.Context, scope auth.Scope, wants []Want, auto string, groups []string) (Resolved, error)
	// Allocate makes or finds, and binds, the ports of a server.
	Allocate(ctx context.Context, a Allocation) ([]Port, error)
	// Bind moves a server's ports to a host.
	Bind(ctx context.Context, serverID, host string) error
	// Deallocate deletes the ports that compute made and releases the others.
	Deallocate(ctx context.Context, serverID string) error
	// PortsOf answers the ports of many servers in one query, in card order.
	PortsOf(ctx context.Context, serverIDs []string) (map[string][]Port, error)
	// with runs in the transaction that makes or takes the port.
	Attach(ctx context.Context, scope auth.Scope, a Allocation, w Want, with func(ctx context.Context, tx *db.Tx, portID string) error) (Port, error)
	Detach(ctx context.Context, scope auth.Scope, serverID, portID string) error
	// SetGroup adds a security group to all of a server's ports, or removes it.
	SetGroup(ctx context.Context, scope auth.Scope, serverID, group string, add bool) error
	// AddFixedIP gives a server's port on a network one more address.
	AddFixedIP(ctx context.Context, scope auth.Scope, serverID, networkID string) error
	// RemoveFixedIP takes an address away; false where the server has it not.
	RemoveFixedIP(ctx context.Context, scope auth.Scope, serverID, address string) (bool, error)
	Wiring(ctx context.Context, host string, portIDs []string) (hostapi.HostNetwork, error)
	Wired(ctx context.Context, host string, up, down []string) error
}

// Volume is what compute knows of a volume.
type Volume struct {
	ID, Status, Name, Zone string
	SizeGiB                int64
	Bootable, MultiAttach  bool
	ImageMeta              map[string]string
	Reason                 string
}

// VolumeSpec is a volume to be made. ID is the caller's choice, so that a
// repeated call finds the volume of the first.
type VolumeSpec struct {
	ID, Name, Type, Zone              string
	SizeGiB                           int64
	ImageID, SnapshotID, SourceVolume string
}

// Volumes is the block storage service. Reserve is keyed by volume and server,
// the calls after it by attachment: each may be repeated.
type Volumes interface {
	Get(ctx context.Context, scope auth.Scope, id string) (Volume, error)
	// SnapshotSize answers a snapshot's size in GiB.
	SnapshotSize(ctx context.Context, scope auth.Scope, id string) (int64, error)
	Create(ctx context.Context, scope auth.Scope, spec VolumeSpec) (Volume, error)
	// Await returns once the volume is available, in-use or in error.
	Await(ctx context.Context, id string) (Volume, error)
	Delete(ctx context.Context, scope auth.Scope, id string) error
	Reserve(ctx context.Context, scope auth.Scope, volumeID, serverID string) (attachmentID string, err error)
	Connect(ctx context.Context, attachmentID, host string) (hostapi.VolumeConnection, error)
	Complete(ctx context.Context, attachmentID, device string) error
	// Release ends a server's attachment of a volume; none is success.
	Release(ctx context.Context, volumeID, serverID string) error
}

// Identity issues tokens of the cloud's own users and times those of clients.
type Identity interface {
	IssueService(ctx context.Context, user string) (token string, expires time.Time, err error)
	// TokenIssue answers when a token was asked for and how long that took.
	TokenIssue(auditID string) (start time.Time, took time.Duration, ok bool)
}
