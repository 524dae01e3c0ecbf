package image

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"slices"

	"altostack/image/inspect"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// ShowsLocations reports whether the operator lets locations be seen and set.
func (s *Service) ShowsLocations() bool { return s.located }

// Digests are what somebody claims of data that lies at a URL; empty: nothing.
type Digests struct {
	Algo  string `json:"os_hash_algo"`
	Value string `json:"os_hash_value"`
	MD5   string `json:"checksum"`
}

func (d Digests) check() error {
	raw, err := hex.DecodeString(d.Value)
	if err != nil {
		return invalid("os_hash_value (%.140s) is not a valid hexadecimal value", d.Value)
	}
	if want := newHash(d.Algo).Size(); d.Value != "" && len(raw) != want {
		return invalid("os_hash_value: (%.140s) is not the correct size for (%s) (should be (%d) bytes)", d.Value, d.Algo, want)
	}
	if d.Algo != "sha256" && d.Algo != "sha512" {
		return invalid("os_hash_algo (%.20s) is not one that is known here", d.Algo)
	}
	return nil
}

// AddLocation says where a queued image's data lies. It is read and digested
// before the image becomes active; the task that is answered tells of it.
func (s *Service) AddLocation(ctx context.Context, scope auth.Scope, image, url string, claim Digests) (Task, error) {
	if s.imports.Web == nil || s.flows.engine == nil {
		return Task{}, fault.New(fault.CodeImageForbidden, "http store must be enabled to use location API by normal user.")
	}
	if claim.Algo == "" {
		claim.Algo = s.hashAlgo
	}
	if err := claim.check(); err != nil {
		return Task{}, err
	}
	if err := s.imports.Web.Check(url); err != nil {
		return Task{}, err
	}
	var task Task
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		img, _, err := s.get(ctx, tx, scope, image)
		if err != nil {
			return err
		}
		if img.Status != Queued {
			return conflict("It's not allowed to add locations if image status is %s.", img.Status)
		}
		if img.DiskFormat == "" || img.ContainerFormat == "" {
			return conflict("'disk_format' and 'container_format' need to be set before a location")
		}
		if err := s.checkImport(ctx, tx, img, methodLocation); err != nil {
			return err
		}
		input := map[string]any{"image_id": image, "loc_url": url, "validation_data": claim}
		if task, err = s.newTask(ctx, scope, TaskLocation, image, input); err != nil {
			return err
		}
		return s.launch(ctx, tx, scope, img, task, Import{Method: methodLocation, URI: url, Claim: claim, MustSucceed: true}, []string{"http"})
	})
	return task, err
}

// digest reads data where it lies: it is inspected and hashed, and not kept.
func (s *Service) digest(ctx context.Context, t *importing, img Image, progress func(int64)) error {
	r, err := s.imports.Web.Open(ctx, t.URI, 0)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // read to its end, or given up
	p := &pump{src: &source{r: r}, w: io.Discard, limit: s.limits.ImageBytes, inspector: inspect.New(img.DiskFormat, img.ContainerFormat), progress: progress}
	got, err := p.run(t.Claim.Algo)
	if err != nil {
		return err
	}
	info, err := p.inspector.Finish()
	if err != nil {
		return err
	}
	if c := t.Claim; c.Value != "" && c.Value != got.digest || c.MD5 != "" && c.MD5 != got.checksum {
		return fault.New(fault.CodeImageImportFailed, "The data at the location is not what its digest says.")
	}
	if t.Virtual = info.VirtualSize; t.Virtual == 0 {
		t.Virtual = got.size
	}
	t.Size, t.Checksum, t.Algo, t.Digest = got.size, got.checksum, got.algo, got.digest
	return nil
}

// RemoveLocation removes one of several places of an active image's data.
func (s *Service) RemoveLocation(ctx context.Context, scope auth.Scope, image string, at int) error {
	var was Image
	var gone Location
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		img, _, err := s.get(ctx, tx, scope, image)
		switch {
		case err != nil:
			return err
		case img.Status != Active:
			return conflict("It's not allowed to remove locations if image status is %s.", img.Status)
		case len(img.Locations) == 1:
			return fault.New(fault.CodeImageForbidden, "Cannot remove last location in the image.")
		case at < 0 || at >= len(img.Locations):
			return invalid("Invalid position for removing a location.")
		}
		was, gone = img, img.Locations[at]
		return s.relocate(ctx, tx, img, slices.Delete(slices.Clone(img.Locations), at, at+1))
	})
	if err == nil && gone.URL == "" {
		s.clear(context.WithoutCancel(ctx), gone.Store, was.Blob)
	}
	return err
}

// webBlob reads data that lies at a URL.
type webBlob struct {
	ctx  context.Context
	web  Web
	url  string
	size int64
	pos  int64
	open io.ReadCloser // at pos; nil: not opened
}

// Read implements io.Reader.
func (w *webBlob) Read(p []byte) (int, error) {
	if w.pos >= w.size {
		return 0, io.EOF
	}
	if w.open == nil {
		a, err := w.web.Open(w.ctx, w.url, w.pos)
		if err != nil {
			return 0, err
		}
		w.open = a
	}
	n, err := w.open.Read(p[:min(int64(len(p)), w.size-w.pos)])
	w.pos += int64(n)
	if errors.Is(err, io.EOF) && w.pos < w.size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Seek implements io.Seeker.
func (w *webBlob) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		off += w.pos
	case io.SeekEnd:
		off += w.size
	}
	if off < 0 {
		return 0, errors.New("image: a place before the data")
	}
	if off != w.pos && w.open != nil {
		_ = w.open.Close() // given up
		w.open = nil
	}
	w.pos = off
	return off, nil
}

// ReadAt implements io.ReaderAt.
func (w *webBlob) ReadAt(p []byte, off int64) (int, error) {
	part := &webBlob{ctx: w.ctx, web: w.web, url: w.url, size: w.size, pos: off}
	defer func() { _ = part.Close() }() // only read
	n, err := io.ReadFull(part, p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// Close ends it.
func (w *webBlob) Close() error {
	if w.open == nil {
		return nil
	}
	return w.open.Close()
}
