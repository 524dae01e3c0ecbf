package objectstore

import (
	"context"
	"errors"

	"altostack/kernel/db"
	"altostack/kernel/fault"
)

func errNoObject(name string) error {
	return fault.New(fault.CodeObjectstoreObjectNotFound, "There is no object %s.", name)
}

// Object answers a version of an object; an empty version is the latest. A latest
// one that is a delete marker, or whose time is up, is not there; a delete marker
// that is asked for by its version is answered.
func (s *Service) Object(ctx context.Context, c Container, name, version string) (Object, error) {
	o, found, err := s.find(ctx, s.db, c, name, version)
	if err != nil {
		return Object{}, err
	}
	if !found || version == "" && o.Marker || (version == "" || o.Null) && o.Expired(s.clock.Now()) {
		return o, errNoObject(name)
	}
	return o, nil
}

func (s *Service) find(ctx context.Context, r db.Reader, c Container, name, version string) (Object, bool, error) {
	switch version {
	case "":
		return s.store.Latest(ctx, r, c.ID, name)
	case NullVersion:
		return s.store.Null(ctx, r, c.ID, name)
	}
	stamp, ok := ParseVersion(version)
	if !ok {
		return Object{}, false, nil
	}
	o, found, err := s.store.Version(ctx, r, c.ID, name, stamp)
	if found && o.Null {
		found = false // it goes by the name null only
	}
	return o, found, err
}

// UpdateObject changes an object's metadata, content type and time to be deleted.
// Bytes, names and versions stay.
func (s *Service) UpdateObject(ctx context.Context, c Container, name, version string, change func(o *Object) error) (Object, error) {
	var out Object
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		o, found, err := s.find(ctx, tx, c, name, version)
		if err != nil {
			return err
		}
		if !found || o.Marker || o.Expired(s.clock.Now()) {
			return errNoObject(name)
		}
		if now := s.Now(); now.After(o.UpdatedAt) {
			o.UpdatedAt = now
		}
		if err := change(&o); err != nil {
			return err
		}
		out = o
		return s.store.SaveObject(ctx, tx, o)
	})
	return out, err
}

// Deletion says how an object is deleted.
type Deletion struct {
	Version string // empty: what the name stands for now
	// Promote makes the next newest version the latest one when the latest is
	// deleted by its version (S3); without, the name then stands for nothing (Swift).
	Promote bool
	// Blind leaves a delete marker also where there is nothing (S3, and Swift's
	// versioned containers).
	Blind bool
	// Plain leaves no delete marker (Swift, where versioning is suspended): the null
	// version goes, any other stays as an older one.
	Plain bool
	// If decides inside the transaction on what would be deleted; found is
	// false where there is nothing.
	If func(o Object, found bool) error
}

// Deleted is what a deletion did.
type Deleted struct {
	Object // what the name or version stood for
	Found  bool
	Marker *Object // a delete marker that was left
}

// DeleteObject deletes an object or one of its versions. Without a version a
// versioned container keeps the old one and gets a delete marker.
func (s *Service) DeleteObject(ctx context.Context, c Container, name string, d Deletion) (Deleted, error) {
	var out Deleted
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		out = Deleted{}
		now, found, err := s.store.ContainerByID(ctx, tx, c.ID)
		if err != nil {
			return err
		}
		if !found {
			return errNoContainer(c.Name)
		}
		if out.Object, out.Found, err = s.find(ctx, tx, now, name, d.Version); err != nil {
			return err
		}
		there := out.Found && (d.Version != "" || !out.Object.Marker && !out.Expired(s.clock.Now()))
		if d.If != nil {
			if err := d.If(out.Object, there); err != nil {
				return err
			}
		}
		if !there && !d.Blind {
			return errNoObject(name)
		}
		if d.Version != "" {
			return s.deleteVersion(ctx, tx, now, out.Object, out.Found, d.Promote)
		}
		if d.Plain && now.Versioning != VersioningOff && there && !out.Object.Null {
			delta := Usage{}
			if err := s.retire(ctx, tx, out.Object, &delta); err != nil {
				return err
			}
			return s.store.Count(ctx, tx, now, name, delta)
		}
		if now.Versioning != VersioningOff && !d.Plain {
			out.Marker = &Object{ContainerID: c.ID, Name: name, Marker: true, Latest: true}
			return s.mark(ctx, tx, now, out.Marker)
		}
		if !out.Found || out.Object.Marker {
			return nil
		}
		delta := Usage{}
		if err := s.remove(ctx, tx, now, out.Object, &delta); err != nil {
			return err
		}
		return s.store.Count(ctx, tx, now, name, delta)
	})
	return out, err
}

// mark leaves a delete marker.
func (s *Service) mark(ctx context.Context, tx *db.Tx, c Container, m *Object) error {
	return s.replace(ctx, tx, c, Put{Name: m.Name, marker: true}, m)
}

func (s *Service) deleteVersion(ctx context.Context, tx *db.Tx, c Container, o Object, found, promote bool) error {
	if !found {
		return nil
	}
	delta := Usage{}
	if err := s.remove(ctx, tx, c, o, &delta); err != nil {
		return err
	}
	if o.Latest && promote {
		next, has, err := s.store.Newest(ctx, tx, c.ID, o.Name)
		if err != nil {
			return err
		}
		if has {
			delta.add(next, -1)
			next.Latest = true
			delta.add(next, 1)
			if err := s.store.SaveObject(ctx, tx, next); err != nil {
				return err
			}
		}
	}
	return s.store.Count(ctx, tx, c, o.Name, delta)
}

// Restore makes an older version the one that its name stands for; the one that did
// stays as an older one.
func (s *Service) Restore(ctx context.Context, c Container, name, version string) (Object, error) {
	var out Object
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		o, found, err := s.find(ctx, tx, c, name, version)
		if err != nil {
			return err
		}
		if out = o; !found || o.Marker {
			return errNoObject(name)
		}
		if o.Latest {
			return nil
		}
		delta := Usage{}
		latest, has, err := s.store.Latest(ctx, tx, c.ID, name)
		if err != nil {
			return err
		}
		if has {
			if err := s.retire(ctx, tx, latest, &delta); err != nil {
				return err
			}
		}
		delta.add(out, -1)
		out.Latest = true
		delta.add(out, 1)
		if err := s.store.SaveObject(ctx, tx, out); err != nil {
			return err
		}
		return s.store.Count(ctx, tx, c, name, delta)
	})
	return out, err
}

// Copy makes an object of another's own bytes (of the stored form: a manifest is
// copied as a manifest). Within one policy nothing is read or written but rows.
// p.Meta, p.ContentType and so on are the new object's.
func (s *Service) Copy(ctx context.Context, from Container, src Object, to Container, p Put) (Object, error) {
	if err := s.checkName(p.Name); err != nil {
		return Object{}, err
	}
	if from.Policy != to.Policy {
		r, err := s.OpenStored(ctx, from, src, 0, src.Stored)
		if err != nil {
			return Object{}, err
		}
		defer r.Close()
		p.ETag, p.Size, p.Length = src.ETag, src.Size, src.Stored
		p.Limit = src.Stored
		return s.Put(ctx, to, p, r)
	}
	return s.insert(context.WithoutCancel(ctx), to, p, p.object(to), func(ctx context.Context, tx *db.Tx, o *Object) error {
		now, found, err := s.store.Version(ctx, tx, from.ID, src.Name, src.Stamp)
		if err != nil {
			return err
		}
		if !found || now.Blob != src.Blob {
			return errNoObject(src.Name)
		}
		o.ETag, o.Size, o.Stored, o.Blob, o.Pieces = now.ETag, now.Size, now.Stored, now.Blob, now.Pieces
		return nil
	})
}

func isDamage(err error) bool {
	return fault.Has(err, fault.CodeObjectstoreCorrupt) || errors.Is(err, ErrNoBlob)
}
