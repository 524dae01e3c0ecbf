package image

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"altostack/image/inspect"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// uploadLease is how long an upload outlives its process in the table.
const uploadLease = 10 * time.Minute

// Upload stores the data of a queued image in the default store; see UploadTo.
func (s *Service) Upload(ctx context.Context, scope auth.Scope, id string, r io.Reader) error {
	return s.UploadTo(ctx, scope, id, "", r)
}

// UploadTo stores the data of a queued image in one store, the default one if none
// is named, and makes the image active. Data that is cut off, too large, or not
// what disk_format says leaves nothing behind and the image queued. Memory used
// does not depend on the size.
func (s *Service) UploadTo(ctx context.Context, scope auth.Scope, id, store string, r io.Reader) error {
	if store == "" {
		store = s.DefaultStore()
	}
	place, known := s.place(store)
	if !known {
		return errNoStore(store)
	}
	img, err := s.begin(ctx, scope, id, Saving, []Location{{Store: store}})
	if err != nil {
		return err
	}
	got, err := s.receive(ctx, img, place.Blobs, r, nil)
	return s.ended(ctx, img, got, err, s.finish)
}

// ended completes an upload, or takes it back.
func (s *Service) ended(ctx context.Context, img Image, got received, err error, finish func(context.Context, Image, received) error) error {
	// From here on a client that goes away must not keep us from tidying up.
	ctx = context.WithoutCancel(ctx)
	if err == nil {
		err = finish(ctx, img, got)
	}
	if err == nil {
		return nil
	}
	gone, undone := s.giveUp(ctx, img)
	if gone {
		// Whatever failed, it failed because somebody took the image away.
		err = errGone(img.ID, err)
	}
	return errors.Join(err, undone)
}

func errGone(id string, cause error) error {
	return fault.Because(cause, fault.CodeImageGone, "Image %s could not be found after upload. The image may have been deleted during the upload.", id)
}

// begin moves a queued image to a state in which data arrives, and names the blob
// to come and its places.
func (s *Service) begin(ctx context.Context, scope auth.Scope, id string, to Status, at []Location) (Image, error) {
	var out Image
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		img, _, err := s.get(ctx, tx, scope, id)
		if err != nil {
			return err
		}
		switch {
		case !scope.Sees(img.Owner) && !scope.IsAdmin():
			return fault.New(fault.CodeImageForbidden, "You are not permitted to upload data for this image.")
		case img.Status != Queued:
			return fault.New(fault.CodeImageConflict, "Image status transition from %s to %s is not allowed", img.Status, to)
		case to == Saving && (img.DiskFormat == "" || img.ContainerFormat == ""):
			return invalid("Properties disk_format, container_format must be set prior to saving data.")
		}
		if err := s.checkUpload(ctx, tx, img.Owner, to); err != nil {
			return err
		}
		img.Status, img.Blob, img.Uploader, img.Locations = to, s.ids.UUID(), s.process, at
		img.Deadline, img.Generation = s.clock.Now().Add(uploadLease), img.Generation+1
		out = img
		if err := s.store.SetLocations(ctx, tx, img.ID, at); err != nil {
			return err
		}
		return s.save(ctx, tx, img)
	})
	return out, err
}

// received is what became known of data on its way.
type received struct {
	size, virtual          int64
	format                 string // what the data is
	checksum, algo, digest string
}

// receive writes, hashes and inspects the data, and commits the blob. progress,
// if given, hears how many bytes have come.
func (s *Service) receive(ctx context.Context, img Image, to Blobs, r io.Reader, progress func(int64)) (received, error) {
	w, err := to.Create(ctx, img.Blob)
	if err != nil {
		return received{}, err
	}
	defer func() { _ = w.Abort() }() // nothing after Commit
	stop := s.extend(ctx)
	defer stop()
	p := &pump{src: &source{r: r}, w: w, limit: s.limits.ImageBytes, inspector: inspect.New(img.DiskFormat, img.ContainerFormat), progress: progress}
	got, err := p.run(s.hashAlgo)
	if err != nil {
		return got, err
	}
	info, err := p.inspector.Finish()
	if err != nil {
		return got, err
	}
	if got.virtual, got.format = info.VirtualSize, info.Format; got.virtual == 0 {
		got.virtual = got.size
	}
	return got, w.Commit()
}

// source remembers how a reader ended: io.ReadFull gives a client that went away
// and one that sent all it had the same name.
type source struct {
	r   io.Reader
	err error
}

// Read implements io.Reader; it ends for good with the first error.
func (s *source) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	s.err = err
	return n, err
}

// failure is nil as long as all is well, which includes the proper end.
func (s *source) failure() error {
	var f *fault.Fault
	switch {
	case s.err == nil || s.err == io.EOF: //nolint:errorlint // exactly EOF is the proper end
		return nil
	case errors.As(s.err, &f):
		return s.err
	}
	return fault.Because(s.err, fault.CodeImageUploadCut, "The image data did not arrive whole.")
}

// extend keeps the upload's row from being given up while it runs.
func (s *Service) extend(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var done sync.WaitGroup
	done.Go(func() {
		for {
			tick, free := s.clock.After(uploadLease / 4)
			select {
			case <-tick:
				deadline := s.clock.Now().Add(uploadLease)
				if err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
					return s.store.Extend(ctx, tx, s.process, deadline)
				}); err != nil {
					s.log.WarnContext(ctx, "the lease of an upload was not extended", "error", err)
				}
			case <-ctx.Done():
				free()
				return
			}
		}
	})
	return func() { cancel(); done.Wait() }
}

// finish records what was received, unless the image has gone meanwhile.
func (s *Service) finish(ctx context.Context, img Image, got received) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		now, found, err := s.store.Find(ctx, tx, img.ID)
		if err != nil {
			return err
		}
		if !found || now.Status != Saving || now.Blob != img.Blob {
			return errGone(img.ID, nil)
		}
		if err := s.checkRoom(ctx, tx, img.Owner, got.size); err != nil {
			return err
		}
		now.take(got)
		now.Locations = slices.Clone(img.Locations)
		for i := range now.Locations {
			now.Locations[i].Ready = true
		}
		now.Generation, now.UpdatedAt = now.Generation+1, s.clock.Now().Truncate(time.Second)
		if err := s.store.SetLocations(ctx, tx, now.ID, now.Locations); err != nil {
			return err
		}
		return s.save(ctx, tx, now)
	})
}

// take makes an image active with what was received.
func (i *Image) take(got received) {
	i.Status, i.Size, i.VirtualSize = Active, got.size, got.virtual
	i.Checksum, i.HashAlgo, i.HashValue = got.checksum, got.algo, got.digest
	i.Uploader, i.Deadline = "", time.Time{}
}

// giveUp resets an image whose upload failed to queued and removes its bytes.
// gone tells that the image was deleted, or given up by somebody else, before.
func (s *Service) giveUp(ctx context.Context, img Image) (gone bool, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		now, found, err := s.store.Find(ctx, tx, img.ID)
		if err != nil {
			return err
		}
		if gone = !found || now.Status != img.Status || now.Blob != img.Blob; gone {
			return nil
		}
		return s.requeue(ctx, tx, now)
	})
	if err != nil {
		return false, err
	}
	s.sweep(ctx, img)
	return gone, nil
}

// requeue makes an image one without data again.
func (s *Service) requeue(ctx context.Context, tx *db.Tx, img Image) error {
	img.Status, img.Blob, img.Uploader, img.Deadline, img.Locations = Queued, "", "", time.Time{}, nil
	img.Size, img.VirtualSize = -1, -1
	img.Generation++
	if err := s.store.SetLocations(ctx, tx, img.ID, nil); err != nil {
		return err
	}
	return s.save(ctx, tx, img)
}

// Recover makes good what a crash left: uploads that nobody is at any more go
// back to queued, and bytes that no image names are removed. It is called at
// start, before requests are taken, and may be repeated at any time.
func (s *Service) Recover(ctx context.Context) error {
	// Beside other processes only a lapsed lease tells that an uploader is dead.
	alone := s.db.Dialect == db.SQLite
	images, err := s.store.Abandoned(ctx, s.db, s.clock.Now(), alone, s.process)
	if err != nil {
		return err
	}
	for _, img := range images {
		s.log.InfoContext(ctx, "an upload was cut off by a restart", "image_id", img.ID)
		if _, err := s.giveUp(ctx, img); err != nil {
			return err
		}
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.store.ForgetTasks(ctx, tx, s.clock.Now()) })
	return errors.Join(err, s.collect(ctx))
}

// collect removes bytes that no row names.
func (s *Service) collect(ctx context.Context) error {
	type heap struct {
		Blobs
		name func(Named, string) bool
	}
	var heaps []heap
	for _, p := range s.places {
		heaps = append(heaps, heap{p.Blobs, func(n Named, blob string) bool { return n.Stored[p.ID+"/"+blob] }})
	}
	if s.staging != nil {
		heaps = append(heaps, heap{s.staging, func(n Named, blob string) bool { return n.Staged[strings.TrimSuffix(blob, converted)] }})
	}
	if s.cache != nil {
		heaps = append(heaps, heap{s.cache, func(n Named, blob string) bool { return n.Cached[blob] }})
	}
	// Blobs first: what is begun in between is then named by a row.
	have, errs := make([][]string, len(heaps)), []error(nil)
	for i, h := range heaps {
		var err error
		if have[i], err = h.List(ctx); err != nil {
			errs = append(errs, err) // a store that is away does not keep the others dirty
		}
	}
	named, err := s.store.Blobs(ctx, s.db)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	for i, h := range heaps {
		for _, blob := range have[i] {
			if !h.name(named, blob) {
				s.removed(ctx, h.Remove(ctx, blob), blob)
			}
		}
	}
	return errors.Join(errs...)
}
