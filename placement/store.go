package placement

import (
	"context"
	"time"

	"altostack/kernel/db"
)

// Store is what the service asks of its tables. Every write is part of the
// caller's transaction.
type Store interface {
	// Load reads providers whole, in order of creation; nil reads all.
	Load(ctx context.Context, r db.Reader, uuids []string) ([]*Provider, error)
	// FindByName answers a provider's UUID, empty where there is none.
	FindByName(ctx context.Context, r db.Reader, name string) (string, error)
	InsertProvider(ctx context.Context, tx *db.Tx, p *Provider) error
	// SaveProvider writes name, parent, root and times and the generation as it
	// is in p; it reports false when the row is no longer at generation from.
	SaveProvider(ctx context.Context, tx *db.Tx, p *Provider, from int64) (bool, error)
	DeleteProvider(ctx context.Context, tx *db.Tx, uuid string) error
	// SetRoot moves every provider of the tree below to another root.
	SetRoot(ctx context.Context, tx *db.Tx, uuids []string, root string) error

	SaveInventory(ctx context.Context, tx *db.Tx, provider, class string, inv Inventory) error
	DeleteInventory(ctx context.Context, tx *db.Tx, provider, class string) error
	SetTraits(ctx context.Context, tx *db.Tx, provider string, traits []string) error
	SetAggregates(ctx context.Context, tx *db.Tx, provider string, aggregates []string) error

	// Take adds to what is promised if it fits, in one statement.
	Take(ctx context.Context, tx *db.Tx, provider, class string, amount int64) (bool, error)
	// Free takes away what was promised.
	Free(ctx context.Context, tx *db.Tx, provider, class string, amount int64) error
	// Bump advances the generations of providers.
	Bump(ctx context.Context, tx *db.Tx, providers []string, now time.Time) error

	Consumer(ctx context.Context, r db.Reader, id string) (Consumer, bool, error)
	SaveConsumer(ctx context.Context, tx *db.Tx, c Consumer, now time.Time) error
	DeleteConsumer(ctx context.Context, tx *db.Tx, id string) error
	AllocationsOf(ctx context.Context, r db.Reader, consumer string) ([]Allocation, error)
	AllocationsOn(ctx context.Context, r db.Reader, provider string) ([]Allocation, error)
	ConsumersOn(ctx context.Context, r db.Reader, provider string) (map[string]int64, error)
	InsertAllocation(ctx context.Context, tx *db.Tx, a Allocation) error
	DeleteAllocations(ctx context.Context, tx *db.Tx, consumer string) error
	Usages(ctx context.Context, r db.Reader, project, user string) ([]Usage, error)

	CustomTraits(ctx context.Context, r db.Reader) (map[string]time.Time, error)
	CustomClasses(ctx context.Context, r db.Reader) (map[string]time.Time, error)
	InsertName(ctx context.Context, tx *db.Tx, kind NameKind, name string, now time.Time) (bool, error)
	DeleteName(ctx context.Context, tx *db.Tx, kind NameKind, name string) error
	RenameClass(ctx context.Context, tx *db.Tx, from, to string) error
	NameInUse(ctx context.Context, r db.Reader, kind NameKind, name string) (bool, error)
}

// NameKind tells traits from resource classes.
type NameKind string

// The kinds of names that operators may add to.
const (
	TraitName NameKind = "trait"
	ClassName NameKind = "class"
)
