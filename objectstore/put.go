package objectstore

import (
	"context"
	"io"
	"strings"

	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// Put is an object to be written.
type Put struct {
	Name        string
	ContentType string
	Meta        map[string]string
	System      map[string]string
	DeleteAt    int64 // seconds since 1970; 0: never
	Kind        string

	// Length is what the client announced; -1: nothing.
	Length int64
	// Limit is the most bytes to take; 0: Limits.ObjectBytes.
	Limit int64
	// MD5 is what the client says the bytes are; empty: nothing. Others give
	// objectstore.etag_mismatch.
	MD5 string
	// ETag and Size replace those of the bytes, for kinds whose content is
	// elsewhere; empty and 0: the bytes' own.
	ETag string
	Size int64
	// IfAbsent is If-None-Match: *, decided in the transaction.
	IfAbsent bool
	// Check runs inside the transaction, after the configured ones.
	Check Check

	marker bool // a delete marker: never refused for want of room
}

// Put writes an object from r, and answers it once it is durable. With r nil
// there are no bytes.
func (s *Service) Put(ctx context.Context, c Container, p Put, r io.Reader) (Object, error) {
	if err := s.checkName(p.Name); err != nil {
		return Object{}, err
	}
	if r == nil {
		r, p.Length = strings.NewReader(""), -1
	}
	st, err := s.Stage(ctx, c.Policy, r, p.Length, p.Limit)
	if err != nil {
		return Object{}, err
	}
	return s.PutStaged(ctx, c, p, st)
}

// PutStaged is Put for bytes that were staged under the container's policy
// already. It takes care of st, whatever happens.
func (s *Service) PutStaged(ctx context.Context, c Container, p Put, st *Staged) (Object, error) {
	// Bytes that are here must not be lost to a client that does not wait.
	ctx = context.WithoutCancel(ctx)
	if p.MD5 != "" && !strings.EqualFold(p.MD5, st.MD5) {
		st.Drop(ctx)
		return Object{}, fault.New(fault.CodeObjectstoreEtagMismatch, "The bytes have the MD5 %s, not %s.", st.MD5, p.MD5)
	}
	o := p.object(c)
	o.ETag, o.Size, o.Stored, o.Blob = st.MD5, st.Size, st.Size, st.Blob
	if p.ETag != "" {
		o.ETag = p.ETag
	}
	if p.Size != 0 {
		o.Size = p.Size
	}
	out, err := s.insert(ctx, c, p, o, nil)
	if err != nil {
		st.doubt(ctx)
		return Object{}, err
	}
	st.Keep(ctx)
	return out, nil
}

func (p Put) object(c Container) Object {
	return Object{ContainerID: c.ID, Name: p.Name, Kind: p.Kind, ContentType: p.ContentType, DeleteAt: p.DeleteAt, Meta: p.Meta, System: p.System, Latest: true}
}

// insert writes an object's row. from, where not nil, runs first, in the same
// transaction, and may complete the object.
func (s *Service) insert(ctx context.Context, c Container, p Put, o Object, from func(ctx context.Context, tx *db.Tx, o *Object) error) (Object, error) {
	var out Object
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		now, found, err := s.store.ContainerByID(ctx, tx, c.ID)
		if err != nil {
			return err
		}
		if !found {
			return errNoContainer(c.Name)
		}
		out = o
		if from != nil {
			if err := from(ctx, tx, &out); err != nil {
				return err
			}
		}
		return s.replace(ctx, tx, now, p, &out)
	})
	return out, err
}

// replace makes o the latest version of its name, by the container's versioning.
func (s *Service) replace(ctx context.Context, tx *db.Tx, c Container, p Put, o *Object) error {
	latest, has, err := s.store.Latest(ctx, tx, c.ID, o.Name)
	if err != nil {
		return err
	}
	if p.IfAbsent && has && !latest.Marker && !latest.Expired(s.clock.Now()) {
		return fault.New(fault.CodeObjectstoreExists, "An object of this name exists.")
	}
	if err := s.stamp(ctx, tx, c, o, latest, has); err != nil {
		return err
	}
	change := Change{Container: c, New: *o, Bytes: o.Stored, Objects: 1}
	if has && !latest.Marker {
		change.Objects--
	}
	gone, err := s.overwritten(ctx, tx, c, *o, latest, has)
	if err != nil {
		return err
	}
	if gone != nil {
		change.Old = gone
		change.Bytes -= gone.Stored
	}
	if err := s.check(ctx, tx, p, change); err != nil {
		return err
	}
	delta := Usage{}
	if gone != nil {
		delta.add(*gone, -1)
		if err := s.store.DeleteObject(ctx, tx, c.ID, gone.Name, gone.Stamp); err != nil {
			return err
		}
	}
	if has && (gone == nil || gone.Stamp != latest.Stamp) {
		if err := s.retire(ctx, tx, latest, &delta); err != nil {
			return err
		}
	}
	delta.add(*o, 1)
	if err := s.store.InsertObject(ctx, tx, *o); err != nil {
		return err
	}
	if gone != nil { // only now: an object that is copied onto itself keeps its bytes
		if err := s.discard(ctx, tx, c.Policy, gone.Blob, gone.Pieces > 0); err != nil {
			return err
		}
	}
	return s.store.Count(ctx, tx, c, o.Name, delta)
}

func (s *Service) check(ctx context.Context, tx *db.Tx, p Put, change Change) error {
	if p.marker {
		return nil
	}
	for _, check := range s.checks {
		if err := check(ctx, tx, change); err != nil {
			return err
		}
	}
	if p.Check != nil {
		return p.Check(ctx, tx, change)
	}
	return nil
}

// stamp gives o its time, later than that of every other version of the name.
func (s *Service) stamp(ctx context.Context, tx *db.Tx, c Container, o *Object, latest Object, has bool) error {
	now := s.Now()
	o.Stamp, o.Latest, o.Null = now.UnixMicro(), true, c.Versioning != VersioningEnabled
	if c.Versioning != VersioningOff || !has {
		var err error
		if latest, has, err = s.store.Newest(ctx, tx, c.ID, o.Name); err != nil {
			return err
		}
	}
	if has && latest.Stamp >= o.Stamp {
		o.Stamp = latest.Stamp + 10
	}
	if o.UpdatedAt = now; o.UpdatedAt.UnixMicro() < o.Stamp {
		o.UpdatedAt = db.Time(o.Stamp)
	}
	return nil
}

// overwritten answers the version that a new one takes the place of, if any.
func (s *Service) overwritten(ctx context.Context, tx *db.Tx, c Container, o, latest Object, has bool) (*Object, error) {
	if !o.Null {
		return nil, nil
	}
	if has && latest.Null {
		return &latest, nil
	}
	if c.Versioning == VersioningOff {
		// Versioning that was switched off altogether leaves older versions be.
		return nil, nil
	}
	null, found, err := s.store.Null(ctx, tx, c.ID, o.Name)
	if err != nil || !found {
		return nil, err
	}
	return &null, nil
}

// retire makes the latest version an older one, which then stays: the time to be
// deleted was the name's, and is over for a version.
func (s *Service) retire(ctx context.Context, tx *db.Tx, o Object, delta *Usage) error {
	delta.add(o, -1)
	o.Latest, o.DeleteAt = false, 0
	delta.add(o, 1)
	return s.store.SaveObject(ctx, tx, o)
}

// remove removes a row and discards its bytes.
func (s *Service) remove(ctx context.Context, tx *db.Tx, c Container, o Object, delta *Usage) error {
	delta.add(o, -1)
	if err := s.store.DeleteObject(ctx, tx, c.ID, o.Name, o.Stamp); err != nil {
		return err
	}
	return s.discard(ctx, tx, c.Policy, o.Blob, o.Pieces > 0)
}

func (s *Service) discard(ctx context.Context, tx *db.Tx, policy int, blob string, list bool) error {
	if blob == "" {
		return nil
	}
	tx.AfterCommit(s.wake)
	return s.store.Discard(ctx, tx, policy, blob, list)
}

// add counts a row in or out.
func (u *Usage) add(o Object, sign int64) {
	if o.Latest && !o.Marker {
		u.Objects += sign
	} else {
		u.Versions += sign
	}
	u.Bytes += sign * o.Stored
}

// checkName refuses what cannot be a name. Length and UTF-8 are the protocols' to
// word; here they only must hold.
func (s *Service) checkName(name string) error {
	if name == "" || len(name) > s.limits.ObjectName || strings.ContainsRune(name, 0) {
		return fault.New(fault.CodeObjectstoreBadName, "Object name length of %d longer than %d", len(name), s.limits.ObjectName)
	}
	return nil
}

func errNoContainer(name string) error {
	return fault.New(fault.CodeObjectstoreContainerNotFound, "There is no container %s.", name)
}
