package image

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// Place is one store that keeps data.
type Place struct {
	ID, Type, Description string
	Default               bool
	Remote                bool // reading it costs a network; its images are cached
	Blobs                 Blobs
}

// Location is where an image's data is: in a store, under the image's blob, or at
// a URL that somebody gave.
type Location struct {
	Store    string            `json:"store"`
	URL      string            `json:"url"`
	Metadata map[string]string `json:"metadata"`
	Ready    bool              `json:"ready"` // false: data is on its way there
}

// Stores answers all stores, in the order of the configuration.
func (s *Service) Stores() []Place { return s.places }

// DefaultStore answers the store that takes what names none.
func (s *Service) DefaultStore() string {
	for _, p := range s.places {
		if p.Default {
			return p.ID
		}
	}
	return s.places[0].ID
}

func (s *Service) place(id string) (Place, bool) {
	i := slices.IndexFunc(s.places, func(p Place) bool { return p.ID == id })
	if i < 0 {
		return Place{}, false
	}
	return s.places[i], true
}

// errNoStore is answered to who names a store that is not there.
func errNoStore(id string) error {
	return fault.New(fault.CodeImageNoStore, "Store for identifier %s not found", id)
}

// StoresOf names the stores that have an image's data, in order of names.
func (i Image) StoresOf() []string {
	var out []string
	for _, l := range i.Locations {
		if l.Ready && l.Store != "" && !slices.Contains(out, l.Store) {
			out = append(out, l.Store)
		}
	}
	slices.Sort(out)
	return out
}

// sweep removes the bytes of an image that no row names any more. What fails here
// waits for Recover.
func (s *Service) sweep(ctx context.Context, img Image) {
	for _, l := range img.Locations {
		if l.URL == "" {
			s.clear(ctx, l.Store, img.Blob)
		}
	}
	if s.staging != nil {
		s.removed(ctx, s.staging.Remove(ctx, img.Blob), img.Blob)
	}
	if s.cache != nil {
		s.removed(ctx, s.cache.Remove(ctx, img.Blob), img.Blob)
	}
}

// clear removes a blob from one store.
func (s *Service) clear(ctx context.Context, store, blob string) {
	if p, known := s.place(store); known {
		s.removed(ctx, p.Blobs.Remove(ctx, blob), blob)
	}
}

func (s *Service) removed(ctx context.Context, err error, blob string) {
	if err != nil {
		s.log.WarnContext(ctx, "bytes of an image are left for later", "blob", blob, "error", err)
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
	r, err := s.read(ctx, img)
	if err != nil {
		if again, e := s.Get(ctx, scope, id); e != nil || again.Blob != img.Blob {
			return nil, img, errNotFound(id) // deleted meanwhile
		}
		return nil, img, err
	}
	return r, img, nil
}

// read opens the data where it is nearest: in a store at hand, in the cache, in a
// remote store, at a URL.
func (s *Service) read(ctx context.Context, img Image) (BlobReader, error) {
	var last error
	for _, remote := range []bool{false, true} {
		for _, l := range img.Locations {
			p, known := s.place(l.Store)
			if !known || !l.Ready || l.URL != "" || p.Remote != remote {
				continue
			}
			if remote {
				if r := s.fromCache(ctx, img); r != nil {
					return r, nil
				}
			}
			r, err := p.Blobs.Open(ctx, img.Blob)
			if err == nil {
				return r, nil
			}
			last = err
			s.log.ErrorContext(ctx, "a store does not give out an image's data", "image_id", img.ID, "store", l.Store, "error", err)
		}
	}
	for _, l := range img.Locations {
		if r := s.atURL(ctx, img, l); r != nil {
			return r, nil
		}
	}
	return nil, fault.Because(last, fault.CodeImageCorrupt, "The data of image %s is missing.", img.ID)
}

// atURL reads data that lies at a URL; nil: it does not, or may not be reached.
func (s *Service) atURL(ctx context.Context, img Image, l Location) BlobReader {
	if !l.Ready || l.URL == "" || s.imports.Web == nil || s.imports.Web.Check(l.URL) != nil {
		return nil
	}
	return &webBlob{ctx: ctx, web: s.imports.Web, url: l.URL, size: img.Size}
}

// Path answers a local file of an active image's data and its format: in a store
// of files on this machine, or in the cache, into which it is fetched if need be.
// An empty path says that there is none.
func (s *Service) Path(ctx context.Context, id string) (path, format string, err error) {
	img, found, err := s.store.Find(ctx, s.db, id)
	if err != nil {
		return "", "", err
	}
	if !found || img.Status != Active {
		return "", "", errNotFound(id)
	}
	for _, l := range img.Locations {
		if p, known := s.place(l.Store); known && l.Ready && l.URL == "" {
			if local, is := p.Blobs.(Local); is {
				return local.Path(img.Blob), img.DiskFormat, nil
			}
		}
	}
	path, err = s.near(ctx, img)
	return path, img.DiskFormat, err
}

// DeleteFrom removes an active image's data from one of several stores.
func (s *Service) DeleteFrom(ctx context.Context, scope auth.Scope, store, id string) error {
	if _, known := s.place(store); !known {
		return fault.New(fault.CodeImageConflict, "The selected store %s is not available on this node.", store)
	}
	var was Image
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		img, _, err := s.get(ctx, tx, scope, id)
		if err != nil {
			return err
		}
		if img.Status != Active {
			return fault.New(fault.CodeImageConflict, "It's not allowed to remove image data from store if image status is not 'active'")
		}
		if len(img.Locations) == 1 {
			return fault.New(fault.CodeImageForbidden, "Cannot delete image data from the only store containing it. Consider deleting the image instead.")
		}
		at := slices.IndexFunc(img.Locations, func(l Location) bool { return l.Store == store && l.URL == "" && l.Ready })
		if at < 0 {
			return fault.New(fault.CodeImageNotFound, "Image %s is not stored in store %s.", id, store)
		}
		was = img
		return s.relocate(ctx, tx, img, slices.Delete(slices.Clone(img.Locations), at, at+1))
	})
	if err == nil {
		s.clear(context.WithoutCancel(ctx), store, was.Blob)
	}
	return err
}

// relocate records where an image's data is from now on.
func (s *Service) relocate(ctx context.Context, tx *db.Tx, img Image, to []Location) error {
	img = img.clone()
	img.Locations, img.Generation, img.UpdatedAt = to, img.Generation+1, s.clock.Now().Truncate(time.Second)
	if err := s.store.SetLocations(ctx, tx, img.ID, to); err != nil {
		return err
	}
	return s.save(ctx, tx, img)
}

// mark sets or, without a value, removes properties that only the service sets.
func (i *Image) mark(name, value string, keep bool) {
	if value == "" && !keep {
		delete(i.Properties, name)
		return
	}
	i.Properties[name] = value
}

func without(list, name string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(list, ","), func(s string) bool { return s == name || s == "" }), ",")
}

func withName(list, name string) string {
	if list = without(list, name); list == "" {
		return name
	}
	return list + "," + name
}
