// Package hostapi is what the control plane and a host's agent say to each
// other, and nothing else: types that travel, and the two interfaces they
// travel through. Version is raised by any change that an older peer would
// misread; fields are only ever added.
//
// Desired state ([Guest], [HostNetwork]) flows down and is owned by the control
// plane; observed state ([SeenGuest], [SeenNetwork]) flows up and is owned by
// the host. Every call may be lost, repeated or answered late: the receiver
// converges, and generations decide what is newer.
package hostapi

import (
	"context"
	"io"
	"time"
)

// Version of this protocol; both sides send theirs when a host registers.
const Version = 1

// Agent is what the control plane asks of one host. Each method may be
// repeated with the same arguments and then finds its work done.
type Agent interface {
	// Build tells the host to fetch the description of a guest and converge on
	// it. It returns when the order is taken; the outcome comes back through
	// [Conductor.Built], and a lost order is sent again.
	Build(ctx context.Context, order BuildOrder) error
	// Converge replaces the guest's description and returns once the guest
	// matches it: power on or off, disks and NICs plugged and unplugged,
	// metadata renewed.
	Converge(ctx context.Context, guest Guest, opts ConvergeOptions) error
	// Reboot restarts a running guest: soft asks the guest and falls back to a
	// reset after grace; hard ends the process and makes it anew.
	Reboot(ctx context.Context, guest Guest, hard bool, grace time.Duration) error
	// Remove ends the guest and deletes everything of it on the host.
	// A guest that is not there is success.
	Remove(ctx context.Context, guestID string) error
	// Rewire tells the host that the named ports, or with none given anything,
	// changed in the network service; it fetches the new wiring and applies it.
	Rewire(ctx context.Context, portIDs []string) error
	// Console answers the last max bytes of the guest's serial log.
	Console(ctx context.Context, guestID string, max int64) ([]byte, error)
	// Dial opens a stream to one of the guest's consoles.
	Dial(ctx context.Context, guestID string, kind ConsoleKind) (io.ReadWriteCloser, error)
	// ResizeVolume tells a running guest that an attached volume has grown.
	ResizeVolume(ctx context.Context, guestID, volumeID string, sizeMiB int64) error
	// Diagnostics reads counters of a running guest.
	Diagnostics(ctx context.Context, guestID string) (Diagnostics, error)
	// Snapshot streams a consistent qcow2 copy of the guest's root disk to the
	// image service as the data of imageID, with the given token.
	Snapshot(ctx context.Context, guestID, imageID, token string) error
}

// ConsoleKind is a console of a guest.
type ConsoleKind string

// The consoles there are.
const (
	ConsoleVNC    ConsoleKind = "vnc"
	ConsoleSerial ConsoleKind = "serial"
)

// BuildOrder is steps 12 and 13 of a boot: the cast from scheduler to agent.
type BuildOrder struct {
	GuestID string    `json:"guest_id"`
	SagaID  string    `json:"saga_id"` // whose trace the spans belong to
	SentAt  time.Time `json:"sent_at"`
}

// ConvergeOptions qualify one convergence.
type ConvergeOptions struct {
	// Grace is how long a guest asked to power off may take before it is ended.
	Grace time.Duration `json:"grace,omitempty"`
	// RequestID is logged with the work.
	RequestID string `json:"request_id,omitempty"`
}

// BuildResult is how a build ended. Error is empty on success.
type BuildResult struct {
	GuestID string `json:"guest_id"`
	SagaID  string `json:"saga_id"`
	Host    string `json:"host"`
	Spans   []Span `json:"spans"` // steps 13 to 29, in order
	Final   bool   `json:"final"` // false: progress only
	// Code, Message and Hint are a fault's, on failure.
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	Hint    string `json:"hint,omitempty"`
	// Retry says that another host may do better (a full disk does, a bad image does not).
	Retry bool `json:"retry,omitempty"`
}

// Span is one numbered step of a boot, as docs/boot-steps.md lists them.
type Span struct {
	Step      int            `json:"step"` // 1 to 29
	Name      string         `json:"name"`
	Component string         `json:"component"`
	Start     time.Time      `json:"start"`
	Duration  time.Duration  `json:"duration"`
	Outcome   string         `json:"outcome"` // ok, error, skipped; in reports of progress also running
	Attrs     map[string]any `json:"attrs,omitempty"`
}

// Conductor is what a host, which has no database, asks of the control plane.
type Conductor interface {
	// Register announces a host and what it has; repeated as a heartbeat.
	Register(ctx context.Context, host Host) error
	// Guest answers the description of one guest of this host (steps 14 to 18).
	Guest(ctx context.Context, host, guestID string) (Described, error)
	// Guests answers every guest that should be on the host.
	Guests(ctx context.Context, host string) ([]Guest, error)
	// Built reports progress and outcome of a build.
	Built(ctx context.Context, result BuildResult) error
	// Observed reports what the host sees; only what changed needs to be sent.
	Observed(ctx context.Context, host string, guests []SeenGuest) error
	// Wiring answers the wiring of the named ports, or with none given the
	// whole of what the host should have.
	Wiring(ctx context.Context, host string, portIDs []string) (HostNetwork, error)
	// Wired reports ports whose wiring is done (up) or gone (down).
	Wired(ctx context.Context, host string, up, down []string) error
	// ServiceToken answers a short-lived token of the host's service user, for
	// the calls an agent makes to the public APIs (steps 20 to 28).
	ServiceToken(ctx context.Context, host string) (string, error)
}

// Described is a guest with the spans of steps 15 to 17, timed by the conductor.
type Described struct {
	Guest Guest  `json:"guest"`
	Spans []Span `json:"spans"`
}

// Host is what a host says of itself.
type Host struct {
	Name           string          `json:"name"`
	Protocol       int             `json:"protocol"` // [Version]
	HypervisorType string          `json:"hypervisor_type"`
	HypervisorVer  int             `json:"hypervisor_version"` // as Nova counts: major*1000000+minor*1000+patch
	Accelerator    string          `json:"accelerator"`        // kvm, tcg, fake
	Address        string          `json:"address"`            // underlay address
	VCPUs          int             `json:"vcpus"`
	MemoryMiB      int64           `json:"memory_mib"`
	DiskGiB        int64           `json:"disk_gib"`
	Reserved       Reserved        `json:"reserved"`
	CPUModel       string          `json:"cpu_model,omitempty"`
	CPUInfo        map[string]any  `json:"cpu_info,omitempty"`
	Traits         []string        `json:"traits,omitempty"`
	Zone           string          `json:"zone,omitempty"`
	Generation     int64           `json:"generation,omitempty"`
	StartedAt      time.Time       `json:"started_at"`
	Features       map[string]bool `json:"features,omitempty"`
}

// Reserved is what a host keeps for itself.
type Reserved struct {
	VCPUs     int   `json:"vcpus"`
	MemoryMiB int64 `json:"memory_mib"`
	DiskGiB   int64 `json:"disk_gib"`
}

// Diagnostics are the counters of a running guest.
type Diagnostics struct {
	State     GuestState      `json:"state"`
	Uptime    time.Duration   `json:"uptime"`
	CPUTime   []time.Duration `json:"cpu_time"` // one a vCPU
	MemoryMiB int64           `json:"memory_mib"`
	Disks     []DiskCounters  `json:"disks"`
	NICs      []NICCounters   `json:"nics"`
}

// DiskCounters counts one disk's traffic since the guest's process started.
type DiskCounters struct {
	ID                    string `json:"id"`
	ReadBytes, WriteBytes int64
	ReadReqs, WriteReqs   int64
	Errors                int64
}

// NICCounters counts one port's traffic, seen from the guest.
type NICCounters struct {
	MAC                  string `json:"mac"`
	RxBytes, TxBytes     int64
	RxPackets, TxPackets int64
	RxErrors, TxErrors   int64
	RxDrop, TxDrop       int64
}
