package image

import (
	"context"
	"io"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// Staging keeps data that is on its way into the stores, as files of this machine.
type Staging interface {
	Blobs
	Local
	// Incoming answers the file of a blob that is not whole yet, for a program that
	// writes it; Adopt makes that file a whole blob.
	Incoming(blob string) string
	Adopt(ctx context.Context, blob string) error
}

// converted ends the name of a staged blob's other form.
const converted = "-converted"

var errNoStaging = fault.New(fault.CodeImageImportOff, "'glance-direct' method is not available at this site.")

// Stage takes the data of a queued image into the staging area, from where
// glance-direct imports it. Nobody looks into it before that.
func (s *Service) Stage(ctx context.Context, scope auth.Scope, id string, r io.Reader) error {
	if s.staging == nil || !s.Imports("glance-direct") {
		return errNoStaging
	}
	img, err := s.begin(ctx, scope, id, Uploading, nil)
	if err != nil {
		return err
	}
	got, err := s.bring(ctx, img, r, nil)
	return s.ended(ctx, img, got, err, s.staged)
}

// bring writes data into the staging area as it is.
func (s *Service) bring(ctx context.Context, img Image, r io.Reader, p *pump) (received, error) {
	w, err := s.staging.Create(ctx, img.Blob)
	if err != nil {
		return received{}, err
	}
	defer func() { _ = w.Abort() }() // nothing after Commit
	stop := s.extend(ctx)
	defer stop()
	if p == nil {
		p = &pump{}
	}
	p.src, p.w, p.limit = &source{r: r}, w, s.limits.ImageBytes
	got, err := p.run("")
	if err != nil {
		return got, err
	}
	if p.inspector != nil {
		if _, err := p.inspector.Finish(); err != nil {
			return got, err
		}
	}
	return got, w.Commit()
}

// staged records that the data lies in the staging area.
func (s *Service) staged(ctx context.Context, img Image, got received) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		now, found, err := s.store.Find(ctx, tx, img.ID)
		if err != nil {
			return err
		}
		if !found || now.Status != Uploading || now.Blob != img.Blob {
			return errGone(img.ID, nil)
		}
		now.Size, now.Uploader, now.Deadline = got.size, "", time.Time{}
		now.Generation, now.UpdatedAt = now.Generation+1, s.clock.Now().Truncate(time.Second)
		return s.save(ctx, tx, now)
	})
}
