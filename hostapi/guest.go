package hostapi

import "time"

// Power is whether a guest should run.
type Power string

// The powers a guest can be asked to have.
const (
	PowerOn     Power = "on"
	PowerOff    Power = "off"
	PowerPaused Power = "paused" // vCPUs stopped, memory kept
)

// Guest is everything a host needs to know to run one server: what should be,
// never how. It is written by the control plane and replaced as a whole;
// Generation grows with every change, and an older one never overwrites a newer.
type Guest struct {
	ID         string   `json:"id"`         // the server's UUID, and the guest's SMBIOS UUID
	Generation int64    `json:"generation"` // of the server's row
	ProjectID  string   `json:"project_id"`
	UserID     string   `json:"user_id"`
	Name       string   `json:"name"`     // display name; for logs only
	Hostname   string   `json:"hostname"` // what the guest should call itself
	Power      Power    `json:"power"`
	VCPUs      int      `json:"vcpus"`
	MemoryMiB  int      `json:"memory_mib"`
	Machine    string   `json:"machine,omitempty"` // "q35" (default) or "pc", from hw_machine_type
	Disks      []Disk   `json:"disks"`             // in device order
	NICs       []NIC    `json:"nics"`              // in device order
	Instance   Instance `json:"instance"`          // what the metadata service and the config drive say
	// ConfigDrive asks for an ISO 9660 volume labelled config-2 with Instance in it.
	ConfigDrive bool `json:"config_drive,omitempty"`
}

// Disk is one disk of a guest. Exactly one of Image, Blank and Volume is set.
type Disk struct {
	ID        string `json:"id"`                   // "root", "ephemeral0", "swap", or "vol-<volume UUID>"; unique in the guest
	Bus       string `json:"bus,omitempty"`        // virtio (default), scsi, ide, from hw_disk_bus
	BootIndex int    `json:"boot_index"`           // 0 boots first; negative never boots
	SizeMiB   int64  `json:"size_mib"`             // virtual size; for a volume, the volume's size
	Serial    string `json:"serial,omitempty"`     // shown to the guest; the volume's UUID
	ReadOnly  bool   `json:"read_only,omitempty"`  //
	DeviceTag string `json:"device_tag,omitempty"` // the user's tag, repeated in the metadata
	Device    string `json:"device,omitempty"`     // advisory name, as /dev/vda

	Image  *DiskImage        `json:"image,omitempty"`  // a copy-on-write layer over this image
	Blank  bool              `json:"blank,omitempty"`  // zeroes
	Volume *VolumeConnection `json:"volume,omitempty"` // a block storage volume
}

// DiskImage names the content a disk starts from.
type DiskImage struct {
	ID     string `json:"id"`
	Format string `json:"format"`  // raw or qcow2, as declared by the image and checked at upload
	SHA512 string `json:"sha512"`  // hex digest of the stored bytes, SHA-512 or, where the image service is set to it, SHA-256; the host verifies what it downloads
	Bytes  int64  `json:"bytes"`   // stored size
	MinMiB int64  `json:"min_mib"` // virtual size, rounded up
}

// VolumeConnection is how a host reaches a volume: what Cinder calls
// connection_info. Driver decides which of the other fields count.
type VolumeConnection struct {
	VolumeID     string `json:"volume_id"`
	AttachmentID string `json:"attachment_id"`
	Driver       string `json:"driver"` // "file": a file on this host; "nbd": an export
	Path         string `json:"path,omitempty"`
	Format       string `json:"format,omitempty"` // raw or qcow2; never probed
	Address      string `json:"address,omitempty"`
	Export       string `json:"export,omitempty"`
	ReadOnly     bool   `json:"read_only,omitempty"`
	MultiAttach  bool   `json:"multi_attach,omitempty"`
}

// NIC is one network card of a guest; the port itself comes with [HostNetwork].
type NIC struct {
	PortID    string `json:"port_id"`
	NetworkID string `json:"network_id"`
	MAC       string `json:"mac"`
	MTU       int    `json:"mtu"`
	DeviceTag string `json:"device_tag,omitempty"`
}

// Instance is the guest-visible description of a server: what its metadata
// service and config drive answer, in every format clients of OpenStack and of
// EC2 expect. Secrets in it are the tenant's own.
type Instance struct {
	UUID             string            `json:"uuid"`
	EC2ID            string            `json:"ec2_id"` // i-%08x
	Name             string            `json:"name"`
	Hostname         string            `json:"hostname"`
	ProjectID        string            `json:"project_id"`
	AvailabilityZone string            `json:"availability_zone"`
	Flavor           string            `json:"flavor"`
	ImageID          string            `json:"image_id,omitempty"`
	LaunchIndex      int               `json:"launch_index"`
	ReservationID    string            `json:"reservation_id"`
	Metadata         map[string]string `json:"metadata,omitempty"`
	KeyName          string            `json:"key_name,omitempty"`
	KeyType          string            `json:"key_type,omitempty"`
	PublicKey        string            `json:"public_key,omitempty"`
	UserData         []byte            `json:"user_data,omitempty"` // decoded
	AdminPass        string            `json:"admin_pass,omitempty"`
	SecurityGroups   []string          `json:"security_groups,omitempty"`
	Files            []File            `json:"files,omitempty"` // personality, before 2.57
}

// File is content a user injects at boot.
type File struct {
	Path     string `json:"path"`
	Contents []byte `json:"contents"`
}

// GuestState is what a host sees of a guest.
type GuestState string

// The states a host reports.
const (
	GuestRunning GuestState = "running"
	GuestPaused  GuestState = "paused"
	GuestStopped GuestState = "stopped" // disks kept, no process
	GuestCrashed GuestState = "crashed" // the process ended without being asked to
)

// SeenGuest is the observed side of [Guest], written by the host alone.
type SeenGuest struct {
	ID         string     `json:"id"`
	Generation int64      `json:"generation"` // of the description it was last converged on; 0 if unknown
	State      GuestState `json:"state"`
	Reason     string     `json:"reason,omitempty"` // why it crashed, fit for an operator
	PID        int        `json:"pid,omitempty"`
	Since      time.Time  `json:"since"`
}
