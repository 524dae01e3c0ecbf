package compute

import (
	"time"

	"altostack/hostapi"
)

// DefaultZone is the availability zone of hosts that name none.
const DefaultZone = "nova"

// Silence is how long a host may be silent before it counts as down.
const Silence = 60 * time.Second

// Host is one hypervisor host with its compute service and what it reported.
type Host struct {
	Name           string
	Number         int64
	HypervisorID   string // UUID
	ServiceID      string // UUID
	ServiceNumber  int64
	ProviderID     string // in placement
	Zone           string
	Disabled       bool
	DisabledReason string
	ForcedDown     bool
	Record         hostapi.Host
	SeenAt         time.Time
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// Up reports whether the host has been heard of lately.
func (h Host) Up(now time.Time) bool { return !h.ForcedDown && now.Sub(h.SeenAt) <= Silence }

// Status is the API's host_status.
func (h Host) Status(now time.Time) string {
	switch {
	case h.Name == "":
		return ""
	case !h.Up(now):
		if h.ForcedDown {
			return "DOWN"
		}
		return "UNKNOWN"
	case h.Disabled:
		return "MAINTENANCE"
	}
	return "UP"
}
