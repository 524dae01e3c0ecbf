package compute

import "time"

// Flavor is a size of servers. Sizes are in the unit their name says.
type Flavor struct {
	ID           string            `json:"id"`
	Name         string            `json:"name"`
	VCPUs        int               `json:"vcpus"`
	MemoryMiB    int               `json:"memory_mib"`
	DiskGiB      int               `json:"disk_gib"`
	EphemeralGiB int               `json:"ephemeral_gib,omitempty"`
	SwapMiB      int               `json:"swap_mib,omitempty"`
	RxTx         float64           `json:"rxtx,omitempty"`
	Public       bool              `json:"public,omitempty"`
	Disabled     bool              `json:"disabled,omitempty"`
	Description  *string           `json:"description,omitempty"`
	ExtraSpecs   map[string]string `json:"extra_specs,omitempty"`
	CreatedAt    time.Time         `json:"created_at"`
	UpdatedAt    time.Time         `json:"updated_at"`
}
