package image

import (
	"context"
	"errors"
	"io"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// Cached is an image whose data is kept near, or is to be.
type Cached struct {
	ImageID, Blob, Checksum              string
	Size, Hits                           int64
	Ready                                bool // false: it waits to be fetched
	LastAccessed, LastModified, QueuedAt time.Time
}

var errNoCache = fault.New(fault.CodeImageImportOff, "Caching via API is not supported at this site.")

// CacheState answers all that is cached or waits for it.
func (s *Service) CacheState(ctx context.Context) ([]Cached, error) {
	if s.cache == nil {
		return nil, errNoCache
	}
	return s.store.CachedAll(ctx, s.db)
}

// CacheImage asks for an active image to be cached.
func (s *Service) CacheImage(ctx context.Context, scope auth.Scope, id string) error {
	if s.cache == nil {
		return errNoCache
	}
	img, err := s.Get(ctx, scope, id)
	if err != nil {
		return err
	}
	if img.Status != Active {
		return invalid("Only images with status active can be targeted for queueing")
	}
	return s.queue(ctx, img)
}

func (s *Service) queue(ctx context.Context, img Image) error {
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		c, found, err := s.store.Cached(ctx, tx, img.ID)
		if err != nil || found && c.Blob == img.Blob {
			return err
		}
		return s.store.SaveCached(ctx, tx, Cached{ImageID: img.ID, Blob: img.Blob, QueuedAt: s.clock.Now()})
	})
	if err == nil {
		select {
		case s.fetching <- struct{}{}:
		default: // somebody has said so already
		}
	}
	return err
}

// Uncache removes an image from the cache and its queue.
func (s *Service) Uncache(ctx context.Context, id string) error {
	if s.cache == nil {
		return errNoCache
	}
	c, found, err := s.store.Cached(ctx, s.db, id)
	if err != nil {
		return err
	}
	if !found {
		if _, known, err := s.store.Find(ctx, s.db, id); err != nil || known {
			return err
		}
		return fault.New(fault.CodeImageNotFound, "Image %s not found.", id)
	}
	return s.uncache(ctx, c)
}

func (s *Service) uncache(ctx context.Context, c Cached) error {
	if err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.store.DeleteCached(ctx, tx, c.ImageID) }); err != nil {
		return err
	}
	return s.cache.Remove(ctx, c.Blob)
}

// ClearCache removes what is cached, what waits, or both.
func (s *Service) ClearCache(ctx context.Context, cached, queued bool) error {
	all, err := s.CacheState(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range all {
		if c.Ready && cached || !c.Ready && queued {
			errs = append(errs, s.uncache(ctx, c))
		}
	}
	return errors.Join(errs...)
}

// fromCache opens the copy of an image whose stores are all remote; an image that
// has none is queued for the next time. nil: it is not there.
func (s *Service) fromCache(ctx context.Context, img Image) BlobReader {
	if s.cache == nil {
		return nil
	}
	c, found, err := s.store.Cached(ctx, s.db, img.ID)
	if err == nil && (!found || c.Blob != img.Blob) {
		err = s.queue(ctx, img)
	}
	if err != nil {
		s.log.WarnContext(ctx, "the image cache is passed by", "image_id", img.ID, "error", err)
	}
	if err != nil || !c.Ready || c.Blob != img.Blob {
		return nil
	}
	r, err := s.cache.Open(ctx, img.Blob)
	if err != nil {
		return nil
	}
	c.Hits, c.LastAccessed = c.Hits+1, s.clock.Now()
	if err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.store.SaveCached(ctx, tx, c) }); err != nil {
		s.log.WarnContext(ctx, "a hit of the image cache was not counted", "image_id", img.ID, "error", err)
	}
	return r
}

// KeepCache fetches what waits for it, until ctx ends.
func (s *Service) KeepCache(ctx context.Context) {
	if s.cache == nil {
		return
	}
	for ctx.Err() == nil {
		s.pause(ctx)
		if err := s.FillCache(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "the image cache was not filled", "error", err)
		}
		again, free := s.clock.After(time.Minute) // what failed is tried again
		select {
		case <-s.fetching:
		case <-again:
		case <-ctx.Done():
		}
		free()
	}
}

// cacheDelay leaves the store to those who read an image first of all.
const cacheDelay = time.Second

func (s *Service) pause(ctx context.Context) {
	over, free := s.clock.After(cacheDelay)
	defer free()
	select {
	case <-over:
	case <-ctx.Done():
	}
}

// FillCache fetches all that waits, one image after the other.
func (s *Service) FillCache(ctx context.Context) error {
	all, err := s.CacheState(ctx)
	errs := []error{err}
	for _, c := range all {
		if !c.Ready && ctx.Err() == nil {
			errs = append(errs, s.fill(ctx, c))
		}
	}
	return errors.Join(errs...)
}

// fill fetches one image, and believes it only if its digest is right.
func (s *Service) fill(ctx context.Context, c Cached) error {
	s.filling.Lock()
	defer s.filling.Unlock()
	if now, found, err := s.store.Cached(ctx, s.db, c.ImageID); err != nil || found && now.Ready && now.Blob == c.Blob {
		return err // somebody else was first
	}
	img, found, err := s.store.Find(ctx, s.db, c.ImageID)
	if err != nil || !found || img.Blob != c.Blob {
		return err
	}
	if err := s.cache.Remove(ctx, c.Blob); err != nil {
		return err
	}
	got, err := s.copyInto(ctx, img, s.cache)
	if err != nil {
		return err
	}
	if img.HashValue != "" && got.digest != img.HashValue {
		return errors.Join(fault.New(fault.CodeImageCorrupt, "The stored data of image %s is damaged.", img.ID), s.uncache(ctx, c))
	}
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		now, found, err := s.store.Cached(ctx, tx, c.ImageID)
		if err != nil || !found || now.Blob != c.Blob {
			return err // removed meanwhile; Recover finds the bytes
		}
		now.Ready, now.Size, now.Checksum, now.LastModified = true, got.size, img.Checksum, s.clock.Now()
		return s.store.SaveCached(ctx, tx, now)
	})
}

// near brings an image into the cache and answers its file there; empty: there is
// no cache of files.
func (s *Service) near(ctx context.Context, img Image) (string, error) {
	local, is := s.cache.(Local)
	if !is {
		return "", nil
	}
	c, found, err := s.store.Cached(ctx, s.db, img.ID)
	if err == nil && (!found || c.Blob != img.Blob) {
		if err = s.queue(ctx, img); err == nil {
			c, _, err = s.store.Cached(ctx, s.db, img.ID)
		}
	}
	if err == nil && !c.Ready {
		err = s.fill(ctx, c)
	}
	return local.Path(img.Blob), err
}

func (s *Service) copyInto(ctx context.Context, img Image, to Blobs) (received, error) {
	r, err := s.remote(ctx, img)
	if err != nil {
		return received{}, err
	}
	defer func() { _ = r.Close() }() // only read
	w, err := to.Create(ctx, img.Blob)
	if err != nil {
		return received{}, err
	}
	defer func() { _ = w.Abort() }() // nothing after Commit
	p := &pump{src: &source{r: io.Reader(&interrupted{ctx, r})}, w: w}
	got, err := p.run(img.HashAlgo)
	if err != nil {
		return got, err
	}
	return got, w.Commit()
}

// remote opens the data in the first store that gives it out.
func (s *Service) remote(ctx context.Context, img Image) (BlobReader, error) {
	last := errors.New("no store has it")
	for _, l := range img.Locations {
		if p, known := s.place(l.Store); known && l.Ready && l.URL == "" {
			r, err := p.Blobs.Open(ctx, img.Blob)
			if err == nil {
				return r, nil
			}
			last = err
		}
	}
	for _, l := range img.Locations {
		if r := s.atURL(ctx, img, l); r != nil {
			return r, nil
		}
	}
	return nil, fault.Because(last, fault.CodeImageCorrupt, "The data of image %s is missing.", img.ID)
}
