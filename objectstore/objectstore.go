// Package objectstore owns accounts, containers and objects: what is known of
// one, who may touch it, and the way of its bytes to a backend and out again.
//
// Two protocols stand on this domain: Swift v1 (objectstore/api) and S3
// (objectstore/s3). Both see the same data: an account is a project's
// (AUTH_<project id>), a container is a bucket, an object is a row of the table
// objects, or several: one for each version that is kept.
//
// # Bytes
//
// A [Backend] keeps blobs, each under an id that is used once. Ids come from
// blocks of [BlockSize]; a block is recorded before its first blob is begun, and
// its record stays until each of its blobs is either named by a row or gone. So a
// small PUT costs one durable blob and one row in a group commit, and what a
// crash leaves is found by looking into the open blocks of dead processes only
// ([Service.Recover]). A blob is durable before the row that names it is written;
// a blob that loses its last row is noted in the same transaction and removed by
// [Service.Sweep]. Rows may share a blob: a copy within one policy is a row.
//
// # Names, listings, sums
//
// Names are ordered by bytes. A listing seeks in the index: with a delimiter it
// jumps over everything below a sub-prefix instead of reading it ([Seek]). Sums
// per container and account are kept by each write, never counted.
//
// # Versions
//
// A container is unversioned, versioned or suspended ([Container.Versioning]).
// Rows of one name differ by [Object.Stamp]; at most one of them is the latest;
// one made while versioning was off has the version id "null"; a delete marker is
// a row without bytes. Swift's and S3's versioning are both this.
//
// # How features plug in
//
// What an object is besides its own bytes is its Kind. A feature that reads
// elsewhere than in the object's own blob (SLO, DLO, symlink) registers an
// [Opener] for its kind with [Service.Register], and both protocols then read
// through it by [Service.Content]. What it must remember goes to Object.System,
// Container.System or Account.System under "feature.name", which clients never
// see. What must hold at the moment of writing (quotas) is a [Put.Check] or
// [Config.Checks], which runs inside the transaction. How the features of Swift
// meet the wire is in objectstore/api (Feature).
//
// # Access
//
// Rights follow ACLs of the container and the account, not only the caller's
// project. The protocols decide once per request with [Decide], and then call
// methods here with the [Container] they were decided on: it carries its id, and
// each store call has that id or the account in its WHERE.
//
// Callers race freely. Of two PUTs of one name the later commit wins; a PUT into
// a container that is deleted meanwhile gets objectstore.container_not_found.
package objectstore

import (
	"context"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"altostack/kernel/clock"
	"altostack/kernel/db"
	"altostack/kernel/id"
)

// Account is a project's part of the object store.
type Account struct {
	Name                 string // AUTH_<project id>
	Meta, System         map[string]string
	CreatedAt, UpdatedAt time.Time
	DeletedAt            time.Time // zero: it lives
	Usage                []PolicyUsage
	// Exists is false for an account that nothing was written to yet: it reads
	// as an empty one.
	Exists bool
}

// PolicyUsage is how much an account has under one storage policy.
type PolicyUsage struct {
	Policy                     int
	Containers, Objects, Bytes int64
}

// Total adds the usage of all policies.
func (a Account) Total() PolicyUsage {
	var t PolicyUsage
	for _, u := range a.Usage {
		t.Containers, t.Objects, t.Bytes = t.Containers+u.Containers, t.Objects+u.Objects, t.Bytes+u.Bytes
	}
	return t
}

// Versioning of a container.
const (
	VersioningOff       = ""
	VersioningEnabled   = "enabled"
	VersioningSuspended = "suspended" // old versions stay, new ones are the null version
)

// Container is one container, or bucket.
type Container struct {
	ID                   int64
	Account, Name        string
	Policy               int
	Versioning           string
	Meta, System         map[string]string
	Generation           int64
	CreatedAt, UpdatedAt time.Time
	Usage                Usage
}

// The keys of Container.System that the core itself reads. Features prefix
// theirs with their name and a dot.
const (
	SystemRead  = "read"  // ACL
	SystemWrite = "write" // ACL
	// SystemAccess of an account is its ACL, in JSON.
	SystemAccess = "access"
	// SystemDomain of an account is the domain of its project, as far as it is
	// known: who made the account was of the project.
	SystemDomain = "domain"
)

// Usage of a container: Objects are those that a listing shows, Versions the
// other rows (older versions, delete markers), Bytes those of all.
type Usage struct{ Objects, Versions, Bytes int64 }

// Object is one version of an object.
type Object struct {
	ContainerID int64
	Name        string
	Stamp       int64 // microseconds since 1970: when this version was made; unique for the name
	Latest      bool
	Marker      bool // a delete marker: no bytes, not listed
	Null        bool // its version id is "null"
	Kind        string
	ETag        string // without quotes; MD5 of the bytes unless the kind says otherwise
	Size        int64  // bytes that a reader gets
	Stored      int64  // bytes of its own blob
	ContentType string
	Blob        string
	Pieces      int   // 0: Blob is one blob; otherwise it names a list of this many
	DeleteAt    int64 // seconds since 1970; 0: never
	Meta        map[string]string
	System      map[string]string
	UpdatedAt   time.Time // of the last PUT or POST
}

// NullVersion is the version id of what was made while versioning was off.
const NullVersion = "null"

// Version answers the object's version id.
func (o Object) Version() string {
	if o.Null {
		return NullVersion
	}
	return VersionID(o.Stamp)
}

// VersionID spells a stamp as Swift spells a timestamp: seconds with five decimals.
func VersionID(stamp int64) string {
	s := strconv.FormatInt(stamp/10, 10)
	if len(s) < 15 {
		s = strings.Repeat("0", 15-len(s)) + s
	}
	return s[:len(s)-5] + "." + s[len(s)-5:]
}

// ParseVersion is the inverse of VersionID; ok is false for what no version has.
func ParseVersion(v string) (stamp int64, ok bool) {
	whole, part, dot := strings.Cut(v, ".")
	if !dot || len(whole) != 10 || len(part) != 5 {
		return 0, false
	}
	n, err := strconv.ParseInt(whole+part, 10, 64)
	return n * 10, err == nil && n > 0
}

// Expired reports whether the object's time is up: it then reads as not there.
func (o Object) Expired(now time.Time) bool { return o.DeleteAt > 0 && o.DeleteAt <= now.Unix() }

// Policy is a storage policy: a name for where blobs go.
type Policy struct {
	Index      int
	Name       string
	Aliases    []string
	Default    bool
	Deprecated bool // readable, but takes no new containers
	Backend    Backend
}

// Limits bound what is stored. Source: Swift's swift-constraints, whose defaults
// DefaultLimits has.
type Limits struct {
	ObjectBytes                            int64
	AccountName, ContainerName, ObjectName int // bytes
}

// DefaultLimits are Swift's.
var DefaultLimits = Limits{ObjectBytes: 5<<30 + 2, AccountName: 256, ContainerName: 256, ObjectName: 1024}

// Check decides inside the transaction whether a change may be. It may only read
// through tx, and may run more than once.
type Check func(ctx context.Context, tx *db.Tx, change Change) error

// Change is what a PUT is about to do to sums, for checks.
type Change struct {
	Container      Container
	Old            *Object // what is replaced and gone; nil: nothing
	New            Object
	Bytes, Objects int64 // by which sums grow; may be negative
}

// Config is what a Service needs.
type Config struct {
	DB       *db.DB
	Store    Store
	Policies []Policy // one of them the default
	Clock    clock.Clock
	IDs      id.Source
	Log      *slog.Logger
	Limits   Limits  // zero: DefaultLimits
	Checks   []Check // of every PUT, COPY and completed upload
	// Wake asks for a Sweep soon; nil: who sweeps looks by itself.
	Wake func()
}

// Service is the object store; it is safe for concurrent use.
type Service struct {
	db       *db.DB
	store    Store
	policies []Policy
	clock    clock.Clock
	ids      id.Source
	log      *slog.Logger
	limits   Limits
	checks   []Check
	wake     func()
	process  string
	blocks   *blocks
	mu       sync.RWMutex
	openers  map[string]Opener
}

// New makes the service. Recover must run before requests are taken.
func New(c Config) *Service {
	s := &Service{db: c.DB, store: c.Store, policies: c.Policies, clock: c.Clock, ids: c.IDs, log: c.Log, limits: c.Limits, checks: c.Checks, wake: c.Wake,
		openers: map[string]Opener{}}
	if s.limits == (Limits{}) {
		s.limits = DefaultLimits
	}
	if s.wake == nil {
		s.wake = func() {}
	}
	if c.IDs != nil {
		s.process = c.IDs.Hex()
	}
	s.blocks = newBlocks(s)
	return s
}

// Limits answers the bounds in force.
func (s *Service) Limits() Limits { return s.limits }

// Policies answers the storage policies, the default one among them.
func (s *Service) Policies() []Policy { return s.policies }

// AddCheck adds a check of every PUT; before requests are taken.
func (s *Service) AddCheck(c Check) { s.checks = append(s.checks, c) }

// OnGarbage names who is told, after a commit, that there is something to sweep.
func (s *Service) OnGarbage(wake func()) { s.wake = wake }

// Now answers the time to which the store's timestamps are exact: 10 microseconds,
// as Swift spells them with five decimals.
func (s *Service) Now() time.Time { return s.clock.Now().Truncate(10 * time.Microsecond) }

// PolicyByName finds a policy by its name or an alias, in any case.
func (s *Service) PolicyByName(name string) (Policy, bool) {
	for _, p := range s.policies {
		if strings.EqualFold(p.Name, name) {
			return p, true
		}
		for _, a := range p.Aliases {
			if strings.EqualFold(a, name) {
				return p, true
			}
		}
	}
	return Policy{}, false
}

// PolicyOf answers the policy of an index.
func (s *Service) PolicyOf(index int) (Policy, bool) {
	for _, p := range s.policies {
		if p.Index == index {
			return p, true
		}
	}
	return Policy{}, false
}

// DefaultPolicy answers the policy of containers that name none.
func (s *Service) DefaultPolicy() Policy {
	for _, p := range s.policies {
		if p.Default {
			return p
		}
	}
	return s.policies[0]
}

// Merge applies changes to metadata: an empty value removes. The map given is
// left alone.
func Merge(meta, changes map[string]string) map[string]string {
	out := maps.Clone(meta)
	if out == nil {
		out = map[string]string{}
	}
	for k, v := range changes {
		if v == "" {
			delete(out, k)
		} else {
			out[k] = v
		}
	}
	return out
}
