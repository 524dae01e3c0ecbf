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

// HashAlgo is the algorithm of every image's HashValue.
const HashAlgo = "sha512"

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
	Blob, Uploader                      string
	Deadline                            time.Time
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
}

// Used is how much a project has of what Limits bound.
type Used struct {
	Images, Uploading int
	Bytes             int64
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
	DB     *db.DB
	Store  Store
	Blobs  Blobs
	Clock  clock.Clock
	IDs    id.Source
	Log    *slog.Logger
	Limits Limits
}

// Service is the image service; it is safe for concurrent use.
type Service struct {
	db      *db.DB
	store   Store
	blobs   Blobs
	clock   clock.Clock
	ids     id.Source
	log     *slog.Logger
	limits  Limits
	process string // names this process among uploaders
}

// New makes the service.
func New(c Config) *Service {
	return &Service{db: c.DB, store: c.Store, blobs: c.Blobs, clock: c.Clock, ids: c.IDs, log: c.Log, limits: c.Limits, process: c.IDs.UUID()}
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
		return Image{}, err
	}
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.checkCount(ctx, tx, img.Owner); err != nil {
			return err
		}
		if _, taken, err := s.store.Find(ctx, tx, img.ID); err != nil {
			return err
		} else if taken {
			return fault.New(fault.CodeImageIdTaken, "Image ID %s already exists!", img.ID)
		}
		return s.store.Insert(ctx, tx, img)
	})
	return img, err
}

func (s *Service) checkCount(ctx context.Context, tx *db.Tx, owner string) error {
	if s.limits.ProjectImages == 0 {
		return nil
	}
	used, err := s.store.Used(ctx, tx, owner)
	if err != nil {
		return err
	}
	if used.Images >= s.limits.ProjectImages {
		return fault.New(fault.CodeImageOverQuota, "Project %s is over its limit of %d images: it has %d.", owner, s.limits.ProjectImages, used.Images)
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
	blob := ""
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
		if blob = img.Blob; blob != "" {
			if err := s.store.Discard(ctx, tx, blob); err != nil {
				return err
			}
		}
		return s.store.Delete(ctx, tx, id)
	})
	if err != nil || blob == "" {
		return err
	}
	s.sweep(context.WithoutCancel(ctx), blob)
	return nil
}

// sweep removes discarded bytes. What fails here waits for Recover.
func (s *Service) sweep(ctx context.Context, blob string) {
	err := s.blobs.Remove(ctx, blob)
	if err == nil {
		err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.store.Swept(ctx, tx, blob) })
	}
	if err != nil {
		s.log.WarnContext(ctx, "bytes of a deleted image are left for later", "blob", blob, "error", err)
	}
}

// Open answers the data of an image. Deactivated data is for administrators only.
func (s *Service) Open(ctx context.Context, scope auth.Scope, id string) (io.ReadCloser, Image, error) {
	return s.OpenBlob(ctx, scope, id)
}

// OpenBlob is Open for callers that seek. Without data the reader is nil.
func (s *Service) OpenBlob(ctx context.Context, scope auth.Scope, id string) (BlobReader, Image, error) {
	img, err := s.Get(ctx, scope, id)
	if err != nil {
		return nil, img, err
	}
	switch {
	case img.Status == Deactivated && !scope.IsAdmin():
		return nil, img, fault.New(fault.CodeImageForbidden, "The requested image has been deactivated. Image data download is forbidden.")
	case img.Status != Active && img.Status != Deactivated:
		return nil, img, fault.New(fault.CodeImageConflict, "Image %s has no data: its status is %s.", id, img.Status)
	}
	r, err := s.blobs.Open(ctx, img.Blob)
	if err != nil {
		if again, e := s.Get(ctx, scope, id); e != nil || again.Blob != img.Blob {
			return nil, img, errNotFound(id) // deleted meanwhile
		}
		return nil, img, fault.Because(err, fault.CodeImageCorrupt, "The data of image %s is missing.", id)
	}
	return r, img, nil
}

// Path answers the local file of an active image's data and its format, where
// the store is files on this machine; otherwise an empty path.
func (s *Service) Path(ctx context.Context, id string) (path, format string, err error) {
	img, found, err := s.store.Find(ctx, s.db, id)
	if err != nil {
		return "", "", err
	}
	if !found || img.Status != Active {
		return "", "", errNotFound(id)
	}
	if l, is := s.blobs.(Local); is {
		path = l.Path(img.Blob)
	}
	return path, img.DiskFormat, nil
}
