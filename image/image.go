// Package image owns images: what is known of one, who may see it, and the way
// of its bytes into the store and out again.
//
// The row is the truth. Bytes are written under a name of their own that the row
// learns of first; an image becomes active in the transaction that records their
// checksums, and what a crash leaves half done is found by that name: Recover
// resets the image to queued and removes bytes that no row names.
//
// Every method takes an [auth.Scope]. An image that the caller may not see does
// not exist for the caller. Callers race freely; of two uploads into one image
// the later one gets image.conflict.
//
// Wire format: OpenStack Image API v2; the routes are in image/api.
package image

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/clock"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/id"
)

// Status is where an image is in its life, spelled as the API spells it.
type Status = string

// The states. A deleted image has no row.
const (
	Queued      Status = "queued"      // known, without data
	Saving      Status = "saving"      // data is arriving
	Uploading   Status = "uploading"   // data is arriving in, or lies in, the staging area
	Importing   Status = "importing"   // an import is bringing the data into the stores
	Active      Status = "active"      // data is there and checked
	Deactivated Status = "deactivated" // like active, but only administrators may read the data
)

// The visibilities.
const (
	Public    = "public"
	Private   = "private"
	Shared    = "shared"
	Community = "community"
)

// Image is one image. Size and VirtualSize are bytes, -1 while there is no data.
type Image struct {
	ID, Name, Status, Visibility, Owner string
	DiskFormat, ContainerFormat         string
	Checksum                            string // MD5, in hexadecimal
	HashAlgo, HashValue                 string
	Size, VirtualSize                   int64
	MinDiskGiB, MinRAMMiB               int
	Protected, Hidden                   bool
	Properties                          map[string]string
	Tags                                []string // sorted
	CreatedAt, UpdatedAt                time.Time
	Generation                          int64
	// Blob names the data in every store that has it, and in the staging area.
	Blob, Uploader string
	Locations      []Location // in the order in which they are tried
	Deadline       time.Time
}

// Spec is a new image. Empty fields get the API's defaults.
type Spec struct {
	ID, Name, Visibility, Owner string
	DiskFormat, ContainerFormat string
	MinDiskGiB, MinRAMMiB       int
	Protected, Hidden           bool
	Properties                  map[string]string
	Tags                        []string
}

// Member is a project with which an image is shared.
type Member struct {
	ImageID, MemberID, Status string // pending, accepted, rejected
	CreatedAt, UpdatedAt      time.Time
}

// Limits bound what is stored; 0 is no limit.
type Limits struct {
	ImageBytes    int64 // of one image
	ProjectBytes  int64 // of a project's images together
	ProjectImages int
	// ProjectUploads bounds uploads and imports under way, ProjectStaged the bytes
	// that lie in the staging area.
	ProjectUploads int
	ProjectStaged  int64
	PerImage       *PerImage // nil: the defaults
}

// Used is how much a project has of what Limits bound.
type Used struct {
	Images, Uploading int
	Bytes, Staged     int64
}

// BlobWriter takes the bytes of a blob; exactly one of Commit and Abort ends it,
// and Abort after Commit does nothing.
type BlobWriter interface {
	io.Writer
	Commit() error
	Abort() error
}

// BlobReader reads a blob; files among them can be sent without copying.
type BlobReader interface {
	io.ReadSeekCloser
	io.ReaderAt
}

// Blobs keeps the bytes. A blob can be opened only once it is whole and durable.
type Blobs interface {
	Create(ctx context.Context, id string) (BlobWriter, error)
	Open(ctx context.Context, id string) (BlobReader, error)
	// Remove removes a blob, also an incoming one. None is success.
	Remove(ctx context.Context, id string) error
	// List names every blob, incoming ones included.
	List(ctx context.Context) ([]string, error)
}

// Local is what Blobs can do besides when they are files on this machine.
type Local interface{ Path(blob string) string }

// Config is what a Service needs.
type Config struct {
	DB    *db.DB
	Store Store
	// Stores keep the data; Blobs is short for one of them, of files.
	Stores []Place
	Blobs  Blobs
	// Staging keeps data until it is imported; nil: nothing can be imported.
	Staging Staging
	// Cache keeps copies of what remote stores have; nil: none are kept.
	Cache  Blobs
	Clock  clock.Clock
	IDs    id.Source
	Log    *slog.Logger
	Limits Limits
	// Limiter keeps limits of projects instead of Limits; nil: Limits hold.
	Limiter Limiter
	Import  ImportConfig
	// HashAlgo is the algorithm of new images' HashValue: sha512 (the default) or sha256.
	HashAlgo string
	// ShowLocations lets those whom the rules allow see and set where data is.
	ShowLocations bool
}

// Service is the image service; it is safe for concurrent use.
type Service struct {
	db       *db.DB
	store    Store
	places   []Place
	staging  Staging
	cache    Blobs
	clock    clock.Clock
	ids      id.Source
	log      *slog.Logger
	limits   Limits
	limiter  Limiter
	imports  ImportConfig
	hashAlgo string
	located  bool
	process  string // names this process among uploaders
	flows    flows
	fetching chan struct{} // wakes who fills the cache
	filling  sync.Mutex    // one at a time
}

// New makes the service.
func New(c Config) *Service {
	if len(c.Stores) == 0 {
		c.Stores = []Place{{ID: "file", Type: "file", Default: true, Blobs: c.Blobs}}
	}
	if c.HashAlgo == "" {
		c.HashAlgo = "sha512"
	}
	return &Service{db: c.DB, store: c.Store, places: c.Stores, staging: c.Staging, cache: c.Cache, clock: c.Clock, ids: c.IDs, log: c.Log, limits: c.Limits, limiter: c.Limiter,
		imports: c.Import, hashAlgo: c.HashAlgo, located: c.ShowLocations, process: c.IDs.UUID(), fetching: make(chan struct{}, 1)}
}

// Limits answers what bounds projects.
func (s *Service) Limits() Limits { return s.limits }

func errNotFound(id string) error {
	return fault.New(fault.CodeImageNotFound, "Failed to find image %s", id)
}

// Get answers an image that the scope may see: its own project's, a public or
// community one, one shared with it; with All, any. Otherwise image.not_found.
func (s *Service) Get(ctx context.Context, scope auth.Scope, id string) (Image, error) {
	img, _, err := s.get(ctx, s.db, scope, id)
	return img, err
}

// GetAsMember is Get that also tells whether the image is shared with the
// caller's project.
func (s *Service) GetAsMember(ctx context.Context, scope auth.Scope, id string) (Image, bool, error) {
	return s.get(ctx, s.db, scope, id)
}

func (s *Service) get(ctx context.Context, r db.Reader, scope auth.Scope, id string) (Image, bool, error) {
	img, found, err := s.store.Find(ctx, r, id)
	if err != nil {
		return Image{}, false, err
	}
	if !found || scope.Principal == nil {
		return Image{}, false, errNotFound(id)
	}
	member := false
	if img.Visibility == Shared && scope.ProjectID != "" && scope.ProjectID != img.Owner {
		if _, member, err = s.store.Member(ctx, r, id, scope.ProjectID); err != nil {
			return Image{}, false, err
		}
	}
	open := img.Visibility == Public || img.Visibility == Community || member
	if !open && !scope.Sees(img.Owner) && !scope.IsAdmin() {
		return Image{}, false, errNotFound(id)
	}
	return img, member, nil
}

// Create records a new image in status queued.
func (s *Service) Create(ctx context.Context, scope auth.Scope, spec Spec) (Image, error) {
	return s.create(ctx, scope, spec, nil)
}

// create is Create, with more done in the same transaction.
func (s *Service) create(ctx context.Context, scope auth.Scope, spec Spec, more func(context.Context, *db.Tx, Image) error) (Image, error) {
	img, err := s.drawn(scope, spec)
	if err != nil {
		return Image{}, err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.insert(ctx, tx, img); err != nil || more == nil {
			return err
		}
		return more(ctx, tx, img)
	})
	return img, err
}

// CreateIn is Create as part of the caller's transaction, so that an image and the
// work that will fill it are there together or not at all.
func (s *Service) CreateIn(ctx context.Context, tx *db.Tx, scope auth.Scope, spec Spec) (Image, error) {
	img, err := s.drawn(scope, spec)
	if err != nil {
		return Image{}, err
	}
	return img, s.insert(ctx, tx, img)
}

// drawn is the image that spec describes, before anybody has it.
func (s *Service) drawn(scope auth.Scope, spec Spec) (Image, error) {
	now := s.clock.Now().Truncate(time.Second)
	img := Image{ID: spec.ID, Name: spec.Name, Status: Queued, Visibility: spec.Visibility, Owner: spec.Owner,
		DiskFormat: spec.DiskFormat, ContainerFormat: spec.ContainerFormat, Size: -1, VirtualSize: -1,
		MinDiskGiB: spec.MinDiskGiB, MinRAMMiB: spec.MinRAMMiB, Protected: spec.Protected, Hidden: spec.Hidden,
		Properties: spec.Properties, Tags: tidyTags(spec.Tags), CreatedAt: now, UpdatedAt: now, Generation: 1}
	if img.ID == "" {
		img.ID = s.ids.UUID()
	}
	if img.Owner == "" {
		img.Owner = scope.ProjectID
	}
	if img.Visibility == "" {
		img.Visibility = Shared
	}
	if img.Owner != scope.ProjectID && !scope.All && !scope.IsAdmin() {
		return Image{}, fault.New(fault.CodeImageForbidden, "You are not permitted to create images owned by '%s'.", img.Owner)
	}
	if err := img.validate(); err != nil {
		return img, err
	}
	return img, s.perImage().check(Image{}, img)
}

func (s *Service) insert(ctx context.Context, tx *db.Tx, img Image) error {
	if err := s.checkCount(ctx, tx, img.Owner); err != nil {
		return err
	}
	if _, taken, err := s.store.Find(ctx, tx, img.ID); err != nil {
		return err
	} else if taken {
		return fault.New(fault.CodeImageIdTaken, "Image ID %s already exists!", img.ID)
	}
	return s.store.Insert(ctx, tx, img)
}

// checkCount refuses one more image than the owner may have.
func (s *Service) checkCount(ctx context.Context, tx *db.Tx, owner string) error {
	bounds, err := s.bounds(ctx, tx, owner)
	if err != nil || bounds[LimitImages] < 0 {
		return err
	}
	used, err := s.store.Used(ctx, tx, owner)
	if err != nil {
		return err
	}
	if int64(used.Images) >= bounds[LimitImages] {
		return fault.New(fault.CodeImageOverQuota, "Project %s is over its limit of %d images: it has %d.", owner, bounds[LimitImages], used.Images)
	}
	return nil
}

// Update changes an image: change gets it as it is and alters it. Fields that
// the service itself keeps are put back. What change returns is returned.
func (s *Service) Update(ctx context.Context, scope auth.Scope, id string, change func(img *Image, member bool) error) (Image, error) {
	var out Image
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		was, member, err := s.get(ctx, tx, scope, id)
		if err != nil {
			return err
		}
		img := was.clone()
		if err := change(&img, member); err != nil {
			return err
		}
		img.keep(was)
		img.Tags = tidyTags(img.Tags)
		if err := img.validate(); err != nil {
			return err
		}
		if err := s.perImage().check(was, img); err != nil {
			return err
		}
		if err := was.mayBecome(img); err != nil {
			return err
		}
		img.Generation, img.UpdatedAt = was.Generation+1, s.clock.Now().Truncate(time.Second)
		out = img
		return s.save(ctx, tx, img)
	})
	return out, err
}

func (s *Service) save(ctx context.Context, tx *db.Tx, img Image) error {
	saved, err := s.store.Save(ctx, tx, img)
	if err == nil && !saved {
		err = fault.Stale("image", img.ID)
	}
	return err
}

// Delete removes an image, also one whose data is arriving. Its bytes go after
// the row has gone, at the latest with the next Recover.
func (s *Service) Delete(ctx context.Context, scope auth.Scope, id string) error {
	var was Image
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		img, _, err := s.get(ctx, tx, scope, id)
		if err != nil {
			return err
		}
		if !scope.Sees(img.Owner) && !scope.IsAdmin() {
			return fault.New(fault.CodeImageForbidden, "You are not permitted to delete this image.")
		}
		if img.Protected {
			return fault.New(fault.CodeImageProtected, "Image %s is protected and cannot be deleted.", id)
		}
		was = img
		if err := s.flows.cancel(ctx, tx, img.ID); err != nil {
			return err
		}
		return s.store.Delete(ctx, tx, id)
	})
	if err != nil || was.Blob == "" {
		return err
	}
	s.sweep(context.WithoutCancel(ctx), was)
	return nil
}
