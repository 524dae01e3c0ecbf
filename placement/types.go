package placement

import (
	"slices"
	"time"
)

// Provider is something that has resources: a host, or a part of one.
type Provider struct {
	UUID, Name   string
	Generation   int64
	Parent, Root string // Parent is empty for a root
	CreatedAt    time.Time
	UpdatedAt    time.Time
	Inventories  map[string]Inventory // by resource class
	Traits       []string             // sorted
	Aggregates   []string             // sorted
	seq          int64
}

// Inventory is what a provider has of one resource class, in the class's unit:
// virtual CPUs for VCPU, MiB for MEMORY_MB, GiB for DISK_GB. Used is what is
// promised now, not what guests touch.
type Inventory struct {
	Total, Reserved            int64
	MinUnit, MaxUnit, StepSize int64
	Ratio                      float64 // times (Total-Reserved) may be promised
	Used                       int64
	UpdatedAt                  time.Time
}

// MaxInt is the largest amount there is, and MaxUnit where none is given.
const MaxInt = 0x7FFFFFFF

// Capacity is how much may be promised.
func (i Inventory) Capacity() int64 { return int64(float64(i.Total-i.Reserved) * i.Ratio) }

// Fits reports whether amount more may be promised.
func (i Inventory) Fits(amount int64) bool {
	return i.takes(amount) && float64(i.Used+amount) <= float64(i.Total-i.Reserved)*i.Ratio
}

// takes reports whether amount is one that may be asked for at all.
func (i Inventory) takes(amount int64) bool {
	return amount >= i.MinUnit && amount <= i.MaxUnit && amount%i.StepSize == 0
}

// HasTrait reports whether the provider has the trait.
func (p *Provider) HasTrait(name string) bool {
	_, has := slices.BinarySearch(p.Traits, name)
	return has
}

func (p *Provider) inAny(aggregates []string) bool {
	for _, a := range aggregates {
		if _, in := slices.BinarySearch(p.Aggregates, a); in {
			return true
		}
	}
	return false
}

// Seq is the order of creation, which lists follow.
func (p *Provider) Seq() int64 { return p.seq }

// WithSeq is for the store, which knows the order of creation.
func (p *Provider) WithSeq(seq int64) *Provider { p.seq = seq; return p }

// Consumer is who holds allocations: a server, a migration.
type Consumer struct {
	ID, ProjectID, UserID string
	Type                  string // INSTANCE, MIGRATION …; empty: unknown
	Generation            int64
	CreatedAt             time.Time
}

// Allocation is an amount of one class that a consumer holds on a provider.
type Allocation struct {
	Consumer, Provider, Class string
	Used                      int64
	CreatedAt                 time.Time
}

// Need is what a server asks of a host. Each entry of MemberOf is a set of
// aggregates of which one must hold.
type Need struct {
	Resources           map[string]int64
	Required, Forbidden []string   // traits
	MemberOf            [][]string // aggregates
	InTree              string     // provider whose tree it must be
	Limit               int        // 0: all
	Shuffle             bool       // start at a random provider, so that a limited list spreads
}

// Candidate is a host with room.
type Candidate struct {
	ProviderID, Name string
	Generation       int64
	Capacity, Used   map[string]int64 // of every class that it has
	Traits           []string
	Aggregates       []string
}

// HostInventory is what a host reports of itself.
type HostInventory struct {
	Name, UUID                                        string // UUID may be empty: one is made
	VCPUs, MemoryMiB, DiskGiB                         int64
	ReservedVCPUs, ReservedMemoryMiB, ReservedDiskGiB int64
	CPURatio, MemoryRatio, DiskRatio                  float64  // 0: 1
	Traits                                            []string // unknown CUSTOM_ ones are made
}

// Write is a consumer's new set of allocations; none frees all that it held.
type Write struct {
	Consumer    Consumer
	CheckGen    bool                        // compare Generation, from 1.28 on
	Generation  *int64                      // nil: the consumer must be new
	Allocations map[string]map[string]int64 // provider, class
}

// Usage is a sum over the consumers of one type.
type Usage struct {
	Type      string
	Consumers int64
	Used      map[string]int64
}
