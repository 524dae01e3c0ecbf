package compute

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"altostack/hostapi"
	"altostack/kernel/fault"
)

// VMState is the stable state of a server, spelled as the API spells it.
type VMState string

// The stable states.
const (
	VMBuilding VMState = "building" // accepted; being placed, wired and booted
	VMActive   VMState = "active"   // the guest runs
	VMPaused   VMState = "paused"   // the guest's CPUs stand still
	VMStopped  VMState = "stopped"  // disks and ports kept, no guest
	VMError    VMState = "error"    // a saga gave up; Server.Fault says why
	VMDeleted  VMState = "deleted"  // terminal
)

// moves lists every change of state there is. Absent means forbidden.
var moves = map[VMState][]VMState{
	VMBuilding: {VMActive, VMError, VMDeleted},
	VMActive:   {VMPaused, VMStopped, VMError, VMDeleted},
	VMPaused:   {VMActive, VMStopped, VMError, VMDeleted},
	VMStopped:  {VMActive, VMError, VMDeleted},
	VMError:    {VMActive, VMPaused, VMStopped, VMDeleted},
}

// Task is what is being done to a server; empty while nothing is.
type Task string

// The tasks, as the API spells them.
const (
	TaskNone           Task = ""
	TaskScheduling     Task = "scheduling"
	TaskNetworking     Task = "networking"
	TaskBlockDevices   Task = "block_device_mapping"
	TaskSpawning       Task = "spawning"
	TaskDeleting       Task = "deleting"
	TaskPoweringOn     Task = "powering-on"
	TaskPoweringOff    Task = "powering-off"
	TaskRebooting      Task = "rebooting"
	TaskRebootingHard  Task = "rebooting_hard"
	TaskPausing        Task = "pausing"
	TaskUnpausing      Task = "unpausing"
	TaskImageSnapshot  Task = "image_snapshot"
	TaskImageUploading Task = "image_uploading"
	TaskRebuilding     Task = "rebuilding"
)

// PowerState is what the host last saw, as the API numbers it.
type PowerState int

// The power states.
const (
	PowerNone     PowerState = 0
	PowerRunning  PowerState = 1
	PowerPaused   PowerState = 3
	PowerShutdown PowerState = 4
	PowerCrashed  PowerState = 6
)

// Server is one server. Times that have not come yet are zero.
type Server struct {
	ID                                        string
	Number                                    int64 // counts servers; part of the instance name
	ProjectID, UserID, Name, Hostname         string
	Description                               *string
	VMState                                   VMState
	Task                                      Task
	PowerState                                PowerState
	Want                                      hostapi.Power // what its host makes of it
	Host, Zone, PinnedZone                    string
	ImageID, FlavorID                         string
	Flavor                                    Flavor // as it was when the server was made
	KeyName                                   string
	ConfigDrive                               bool
	DiskConfig                                string // MANUAL or AUTO
	Locked                                    bool
	LockedBy                                  string // owner or admin
	LockedReason                              *string
	AccessIPv4, AccessIPv6                    string
	ReservationID                             string
	LaunchIndex, Progress                     int
	Metadata                                  map[string]string
	Tags                                      []string
	SecurityGroups                            []string // names asked for at create
	Fault                                     *Fault
	Disks                                     []Disk
	UserData                                  string // base64, as sent
	BootSaga                                  string // whose log is the boot's trace
	Tried                                     []string
	Generation                                int64
	Deleted                                   bool
	CreatedAt, UpdatedAt, LaunchedAt, EndedAt time.Time
	// PoweredAt is when the change of power that it is in now was asked for.
	PoweredAt time.Time

	spec []byte // JSON of Spec, decoded when it is asked for
}

// Spec is what was asked for when the server was made, and does not change.
type Spec struct {
	Image       *Image            `json:"image,omitempty"`
	KeyType     string            `json:"key_type,omitempty"`
	PublicKey   string            `json:"public_key,omitempty"`
	AdminPass   string            `json:"admin_pass,omitempty"`
	Files       []hostapi.File    `json:"files,omitempty"`
	Hints       map[string]any    `json:"hints,omitempty"`
	Certs       []string          `json:"certs,omitempty"`
	Networks    Resolved          `json:"networks"`
	ForcedHost  string            `json:"forced_host,omitempty"`
	GroupID     string            `json:"group_id,omitempty"`
	GroupPolicy string            `json:"group_policy,omitempty"`
	RequestID   string            `json:"request_id,omitempty"`
	Caller      map[string]string `json:"caller,omitempty"`
}

// Spec answers what was asked for.
func (s Server) Spec() Spec {
	var out Spec
	if len(s.spec) > 0 {
		_ = json.Unmarshal(s.spec, &out) // our own encoding
	}
	return out
}

// SetSpec keeps the request with the server.
func (s *Server) SetSpec(spec Spec) {
	b, err := json.Marshal(spec)
	if err != nil {
		panic(fmt.Sprintf("compute: a server's spec cannot be stored: %v", err)) // our own types marshal
	}
	s.spec = b
}

// RawSpec and SetRawSpec are the stored form, for the store alone.
func (s Server) RawSpec() string { return string(s.spec) }

// SetRawSpec is RawSpec's inverse.
func (s *Server) SetRawSpec(raw string) { s.spec = []byte(raw) }

// Disk is one disk of a server: its root, or an attached volume.
type Disk struct {
	ID                  string                    `json:"id"` // of the mapping
	Source              string                    `json:"source"`
	SourceID            string                    `json:"source_id,omitempty"` // image, snapshot or volume
	Destination         string                    `json:"destination"`         // local or volume
	BootIndex           int                       `json:"boot_index"`
	SizeGiB             int64                     `json:"size_gib,omitempty"`
	Device              string                    `json:"device,omitempty"`
	Bus                 string                    `json:"bus,omitempty"`
	Tag                 string                    `json:"tag,omitempty"`
	VolumeType          string                    `json:"volume_type,omitempty"`
	GuestFormat         string                    `json:"guest_format,omitempty"`
	DeleteOnTermination bool                      `json:"delete_on_termination,omitempty"`
	VolumeID            string                    `json:"volume_id,omitempty"`
	Made                bool                      `json:"made,omitempty"` // the volume is made by the boot
	AttachmentID        string                    `json:"attachment_id,omitempty"`
	Connection          *hostapi.VolumeConnection `json:"connection,omitempty"`
	Detaching           bool                      `json:"detaching,omitempty"`
}

// Fault is why a server is in ERROR, as its owner sees it.
type Fault struct {
	Code    int       `json:"code"`
	Message string    `json:"message"`
	Details string    `json:"details,omitempty"` // for operators
	Created time.Time `json:"created"`
}

// Move returns s in another stable state, one generation on; saving it is the
// store's part.
func (s Server) Move(to VMState, now time.Time) (Server, error) {
	if s.VMState != to && !slices.Contains(moves[s.VMState], to) {
		return s, fault.New(fault.CodeComputeWrongState, "Server %s cannot go from %s to %s.", s.ID, s.VMState, to)
	}
	s.VMState = to
	return s.Touch(now), nil
}

// Touch returns s one generation on, for any change of its row.
func (s Server) Touch(now time.Time) Server {
	s.Generation, s.UpdatedAt = s.Generation+1, now
	return s
}

var statuses = map[VMState]string{VMBuilding: "BUILD", VMActive: "ACTIVE", VMPaused: "PAUSED",
	VMStopped: "SHUTOFF", VMError: "ERROR", VMDeleted: "DELETED"}

// Status is the API's word for a server's state and task.
func (s Server) Status() string {
	switch {
	case s.Task == TaskRebuilding && (s.VMState == VMActive || s.VMState == VMStopped || s.VMState == VMError):
		return "REBUILD"
	case s.VMState == VMActive && s.Task == TaskRebooting:
		return "REBOOT"
	case s.VMState == VMActive && s.Task == TaskRebootingHard, s.VMState == VMStopped && s.Task == TaskRebootingHard,
		s.VMState == VMPaused && s.Task == TaskRebootingHard, s.VMState == VMError && s.Task == TaskRebootingHard:
		return "HARD_REBOOT"
	}
	if word, known := statuses[s.VMState]; known {
		return word
	}
	return "UNKNOWN"
}

// StatesOf answers the stable states and tasks behind a status; no tasks means
// any but those that make another status of it.
func StatesOf(status string) (states []VMState, tasks []Task, known bool) {
	switch status {
	case "REBOOT":
		return []VMState{VMActive}, []Task{TaskRebooting}, true
	case "HARD_REBOOT":
		return []VMState{VMActive, VMStopped, VMPaused, VMError}, []Task{TaskRebootingHard}, true
	case "REBUILD":
		return []VMState{VMActive, VMStopped, VMError}, []Task{TaskRebuilding}, true
	case "SUSPENDED", "RESCUE", "RESIZE", "VERIFY_RESIZE", "MIGRATING", "PASSWORD", "REVERT_RESIZE",
		"SHELVED", "SHELVED_OFFLOADED", "SOFT_DELETED", "UNKNOWN":
		return nil, nil, true // states that no server of this cloud is in
	}
	for state, word := range statuses {
		if word == status {
			return []VMState{state}, nil, true
		}
	}
	return nil, nil, false
}

// InstanceName is the hypervisor's name for the guest.
func (s Server) InstanceName() string { return fmt.Sprintf("instance-%08x", s.Number) }

// HostID hides the host's name from a project and still tells hosts apart.
func (s Server) HostID() string {
	if s.Host == "" {
		return ""
	}
	sum := sha256.Sum224([]byte(s.ProjectID + s.Host))
	return hex.EncodeToString(sum[:])
}

// Volume finds the disk of an attached volume.
func (s Server) Volume(volumeID string) (int, bool) {
	i := slices.IndexFunc(s.Disks, func(d Disk) bool { return d.VolumeID == volumeID && volumeID != "" })
	return i, i >= 0
}

// Root is the disk that boots.
func (s Server) Root() (Disk, bool) {
	for _, d := range s.Disks {
		if d.BootIndex == 0 {
			return d, true
		}
	}
	return Disk{}, false
}

// Resources are what a server claims of its host: classes in their own units.
func (s Server) Resources() map[string]int64 {
	need := map[string]int64{}
	add := func(class string, n int64) {
		if n > 0 {
			need[class] = n
		}
	}
	add("VCPU", int64(s.Flavor.VCPUs))
	add("MEMORY_MB", int64(s.Flavor.MemoryMiB))
	disk := int64(s.Flavor.EphemeralGiB) + (int64(s.Flavor.SwapMiB)+1023)/1024
	if root, ok := s.Root(); ok && root.Destination == "local" {
		disk += max(int64(s.Flavor.DiskGiB), root.SizeGiB)
	}
	add("DISK_GB", disk)
	return need
}
