package objectstore

import (
	"context"
	"crypto/md5" //nolint:gosec // the API's entity tag is MD5 of MD5s
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// CreateUpload begins an upload in parts. p.Meta, ContentType and System are those
// of the object to come.
func (s *Service) CreateUpload(ctx context.Context, c Container, p Put) (Upload, error) {
	if err := s.checkName(p.Name); err != nil {
		return Upload{}, err
	}
	u := Upload{ID: s.ids.Hex() + s.ids.Hex(), ContainerID: c.ID, Name: p.Name, ContentType: p.ContentType, Meta: p.Meta, System: p.System, CreatedAt: s.Now()}
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if _, found, err := s.store.ContainerByID(ctx, tx, c.ID); err != nil || !found {
			return orNoContainer(err, c.Name)
		}
		return s.store.InsertUpload(ctx, tx, u)
	})
	return u, err
}

func orNoContainer(err error, name string) error {
	if err != nil {
		return err
	}
	return errNoContainer(name)
}

// Upload answers an upload that is under way.
func (s *Service) Upload(ctx context.Context, c Container, id string) (Upload, error) {
	u, found, err := s.store.Upload(ctx, s.db, c.ID, id)
	if err == nil && !found {
		err = errNoUpload(id)
	}
	return u, err
}

func errNoUpload(id string) error {
	return fault.New(fault.CodeObjectstoreUploadNotFound, "There is no upload %s.", id)
}

// Uploads lists uploads under way, by name and then by id. Of a page that ended
// within a name, Marker is that name, and after the upload to go on behind.
func (s *Service) Uploads(ctx context.Context, c Container, w Window) ([]Upload, error) {
	return s.store.Uploads(ctx, s.db, c.ID, w)
}

// Parts lists the parts of an upload behind the number given.
func (s *Service) Parts(ctx context.Context, u Upload, after, limit int) ([]Part, error) {
	return s.store.Parts(ctx, s.db, u.ID, after, limit)
}

// PutPart writes one part of an upload, in place of an earlier one of its number.
func (s *Service) PutPart(ctx context.Context, c Container, u Upload, number int, p Put, r io.Reader) (Part, error) {
	st, err := s.Stage(ctx, c.Policy, r, p.Length, p.Limit)
	if err != nil {
		return Part{}, err
	}
	return s.PutStagedPart(ctx, c, u, number, p, st)
}

// PutStagedPart is PutPart for bytes that were staged already. It takes care of
// st, whatever happens.
func (s *Service) PutStagedPart(ctx context.Context, c Container, u Upload, number int, p Put, st *Staged) (Part, error) {
	ctx = context.WithoutCancel(ctx)
	if p.MD5 != "" && !strings.EqualFold(p.MD5, st.MD5) {
		st.Drop(ctx)
		return Part{}, fault.New(fault.CodeObjectstoreEtagMismatch, "The bytes have the MD5 %s, not %s.", st.MD5, p.MD5)
	}
	part := Part{Number: number, Blob: st.Blob, Size: st.Size, ETag: st.MD5, CreatedAt: s.Now()}
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if _, found, err := s.store.Upload(ctx, tx, c.ID, u.ID); err != nil {
			return err
		} else if !found {
			return errNoUpload(u.ID)
		}
		old, err := s.store.SavePart(ctx, tx, u.ID, part)
		if err != nil {
			return err
		}
		return s.discard(ctx, tx, c.Policy, old, false)
	})
	if err != nil {
		st.doubt(ctx)
		return Part{}, err
	}
	st.Keep(ctx)
	return part, nil
}

// CompleteUpload makes an object of the parts named, in the order given; what else
// was uploaded goes. etags are what the client says of each part.
func (s *Service) CompleteUpload(ctx context.Context, c Container, u Upload, parts []Part, check Check) (Object, error) {
	p := Put{Name: u.Name, ContentType: u.ContentType, Meta: u.Meta, System: u.System, Check: check}
	return s.insert(context.WithoutCancel(ctx), c, p, p.object(c), func(ctx context.Context, tx *db.Tx, o *Object) error {
		if _, found, err := s.store.Upload(ctx, tx, c.ID, u.ID); err != nil {
			return err
		} else if !found {
			return errNoUpload(u.ID)
		}
		have, err := s.store.Parts(ctx, tx, u.ID, 0, 0)
		if err != nil {
			return err
		}
		pieces, rest, err := assemble(parts, have)
		if err != nil {
			return err
		}
		sums := md5.New() //nolint:gosec // see the import
		for _, p := range pieces {
			o.Stored += p.Size
			sum, _ := hex.DecodeString(p.ETag)
			sums.Write(sum)
		}
		o.Size, o.ETag = o.Stored, fmt.Sprintf("%x-%d", sums.Sum(nil), len(pieces))
		o.Blob, o.Pieces = "list-"+u.ID, len(pieces)
		if err := s.store.InsertPieces(ctx, tx, o.Blob, pieces); err != nil {
			return err
		}
		if err := s.store.DeleteUpload(ctx, tx, u.ID); err != nil {
			return err
		}
		for _, r := range rest {
			if err := s.discard(ctx, tx, c.Policy, r.Blob, false); err != nil {
				return err
			}
		}
		return nil
	})
}

// assemble matches the parts a client names with those that are there.
func assemble(named, have []Part) (pieces []Piece, rest []Part, err error) {
	if len(named) == 0 {
		return nil, nil, fault.New(fault.CodeObjectstoreBadPart, "An upload is completed with one part at least.")
	}
	byNumber := map[int]Part{}
	for _, p := range have {
		byNumber[p.Number] = p
	}
	start, last := int64(0), 0
	for _, n := range named {
		p, found := byNumber[n.Number]
		if !found || n.ETag != "" && !strings.EqualFold(n.ETag, p.ETag) {
			return nil, nil, fault.New(fault.CodeObjectstoreBadPart, "Part %d is not there, or not with the entity tag that was named.", n.Number)
		}
		if n.Number <= last {
			return nil, nil, fault.New(fault.CodeObjectstoreBadPart, "Part %d is named out of order.", n.Number)
		}
		last = n.Number
		delete(byNumber, n.Number)
		pieces = append(pieces, Piece{Number: n.Number, Blob: p.Blob, Start: start, Size: p.Size, ETag: p.ETag})
		start += p.Size
	}
	for _, p := range have {
		if _, left := byNumber[p.Number]; left {
			rest = append(rest, p)
		}
	}
	return pieces, rest, nil
}

// AbortUpload gives an upload up.
func (s *Service) AbortUpload(ctx context.Context, c Container, id string) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		u, found, err := s.store.Upload(ctx, tx, c.ID, id)
		if err != nil {
			return err
		}
		if !found {
			return errNoUpload(id)
		}
		return s.dropUpload(ctx, tx, c, u)
	})
}

func (s *Service) dropUploads(ctx context.Context, tx *db.Tx, c Container) error {
	for {
		list, err := s.store.Uploads(ctx, tx, c.ID, Window{Limit: 100})
		if err != nil || len(list) == 0 {
			return err
		}
		for _, u := range list {
			if err := s.dropUpload(ctx, tx, c, u); err != nil {
				return err
			}
		}
	}
}

func (s *Service) dropUpload(ctx context.Context, tx *db.Tx, c Container, u Upload) error {
	parts, err := s.store.Parts(ctx, tx, u.ID, 0, 0)
	if err != nil {
		return err
	}
	if err := s.store.DeleteUpload(ctx, tx, u.ID); err != nil {
		return err
	}
	for _, p := range parts {
		if err := s.discard(ctx, tx, c.Policy, p.Blob, false); err != nil {
			return err
		}
	}
	return nil
}
