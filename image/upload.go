package image

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // the API's checksum is MD5; integrity rests on SHA-512
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"sync"
	"time"

	"altostack/image/inspect"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// uploadLease is how long an upload outlives its process in the table.
const uploadLease = 10 * time.Minute

// Upload stores the data of a queued image and makes the image active. Data that
// is cut off, too large, or not what disk_format says leaves nothing behind and
// the image queued. Memory used does not depend on the size.
func (s *Service) Upload(ctx context.Context, scope auth.Scope, id string, r io.Reader) error {
	img, err := s.begin(ctx, scope, id)
	if err != nil {
		return err
	}
	got, err := s.receive(ctx, img, r)
	// From here on a client that goes away must not keep us from tidying up.
	ctx = context.WithoutCancel(ctx)
	if err == nil {
		err = s.finish(ctx, img, got)
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

// begin moves a queued image to saving and names the blob to come.
func (s *Service) begin(ctx context.Context, scope auth.Scope, id string) (Image, error) {
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
			return fault.New(fault.CodeImageConflict, "Image status transition from %s to saving is not allowed", img.Status)
		case img.DiskFormat == "" || img.ContainerFormat == "":
			return invalid("Properties disk_format, container_format must be set prior to saving data.")
		}
		img.Status, img.Blob, img.Uploader = Saving, s.ids.UUID(), s.process
		img.Deadline, img.Generation = s.clock.Now().Add(uploadLease), img.Generation+1
		out = img
		return s.save(ctx, tx, img)
	})
	return out, err
}

// received is what became known of data on its way.
type received struct {
	size, virtual    int64
	checksum, digest string
}

// receive writes, hashes and inspects the data, and commits the blob.
func (s *Service) receive(ctx context.Context, img Image, r io.Reader) (received, error) {
	w, err := s.blobs.Create(ctx, img.Blob)
	if err != nil {
		return received{}, err
	}
	defer func() { _ = w.Abort() }() // nothing after Commit
	stop := s.extend(ctx)
	defer stop()

	src := &source{r: r}
	head := make([]byte, inspect.HeadSize)
	n, _ := io.ReadFull(src, head)
	if err := src.failure(); err != nil {
		return received{}, err
	}
	head = head[:n]
	info, err := s.inspect(img, head)
	if err != nil {
		return received{}, err
	}
	got, err := s.pump(src, head, w)
	if err != nil {
		return got, err
	}
	if got.virtual = info.VirtualSize; got.virtual == 0 {
		got.virtual = got.size
	}
	return got, w.Commit()
}

// inspect leaves containers alone, whose disk lies deeper inside.
func (s *Service) inspect(img Image, head []byte) (inspect.Info, error) {
	if img.ContainerFormat != "bare" || len(head) == 0 {
		return inspect.Info{}, nil
	}
	return inspect.Check(img.DiskFormat, head)
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

const (
	chunkSize  = 1 << 20
	chunkCount = 4 // read ahead of the hashes
)

type chunk struct {
	buf  []byte
	n    int
	left sync.WaitGroup // hashes still at it
}

// pump copies r to w while two goroutines hash, so that the slower hash alone
// bounds the speed. Chunks go around; nothing is allocated on the way.
func (s *Service) pump(src *source, head []byte, w io.Writer) (received, error) {
	var got received
	sums := []hash.Hash{md5.New(), sha512.New()} //nolint:gosec // see the import
	queues := make([]chan *chunk, len(sums))
	var workers sync.WaitGroup
	for i, h := range sums {
		queues[i] = make(chan *chunk, chunkCount)
		workers.Go(func() {
			for c := range queues[i] {
				h.Write(c.buf[:c.n])
				c.left.Done()
			}
		})
	}
	chunks := make([]*chunk, chunkCount)
	for i := range chunks {
		chunks[i] = &chunk{buf: make([]byte, chunkSize)}
	}
	err := s.feed(src, head, w, chunks, queues, &got)
	for _, q := range queues {
		close(q)
	}
	workers.Wait()
	got.checksum, got.digest = hex.EncodeToString(sums[0].Sum(nil)), hex.EncodeToString(sums[1].Sum(nil))
	return got, err
}

func (s *Service) feed(src *source, head []byte, w io.Writer, chunks []*chunk, queues []chan *chunk, got *received) error {
	r := io.MultiReader(bytes.NewReader(head), src)
	for turn := 0; ; turn++ {
		c := chunks[turn%len(chunks)]
		c.left.Wait()
		n, ended := io.ReadFull(r, c.buf)
		if err := src.failure(); err != nil {
			return err
		}
		if n > 0 {
			c.n = n
			got.size += int64(n)
			if s.limits.ImageBytes > 0 && got.size > s.limits.ImageBytes {
				return fault.New(fault.CodeImageTooLarge, "The image is larger than %d bytes, the limit for one image.", s.limits.ImageBytes)
			}
			c.left.Add(len(queues))
			for _, q := range queues {
				q <- c
			}
			if _, err := w.Write(c.buf[:n]); err != nil {
				return err
			}
		}
		if ended != nil {
			return nil
		}
	}
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
		if limit := s.limits.ProjectBytes; limit > 0 {
			used, err := s.store.Used(ctx, tx, img.Owner)
			if err != nil {
				return err
			}
			if used.Bytes+got.size > limit {
				return fault.New(fault.CodeImageOverQuota, "The image of %d bytes does not fit: project %s has %d of %d bytes in use.", got.size, img.Owner, used.Bytes, limit)
			}
		}
		now.Status, now.Size, now.VirtualSize = Active, got.size, got.virtual
		now.Checksum, now.HashAlgo, now.HashValue = got.checksum, HashAlgo, got.digest
		now.Uploader, now.Deadline = "", time.Time{}
		now.Generation, now.UpdatedAt = now.Generation+1, s.clock.Now().Truncate(time.Second)
		return s.save(ctx, tx, now)
	})
}

// giveUp resets an image whose upload failed to queued and removes its bytes.
// gone tells that the image was deleted, or given up by somebody else, before.
func (s *Service) giveUp(ctx context.Context, img Image) (gone bool, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		now, found, err := s.store.Find(ctx, tx, img.ID)
		if err != nil {
			return err
		}
		if gone = !found || now.Status != Saving || now.Blob != img.Blob; gone {
			return nil
		}
		now.Status, now.Blob, now.Uploader, now.Deadline = Queued, "", "", time.Time{}
		now.Generation++
		if err := s.store.Discard(ctx, tx, img.Blob); err != nil {
			return err
		}
		return s.save(ctx, tx, now)
	})
	if err != nil {
		return false, err
	}
	s.sweep(ctx, img.Blob)
	return gone, nil
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
	// Blobs first: what is begun in between is then named by a row.
	have, err := s.blobs.List(ctx)
	if err != nil {
		return err
	}
	named, err := s.store.Blobs(ctx, s.db)
	if err != nil {
		return err
	}
	for _, blob := range have {
		if !named[blob] {
			s.sweep(ctx, blob)
		}
	}
	return nil
}
