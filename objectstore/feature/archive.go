package feature

import (
	"context"
	"fmt"

	"altostack/kernel/fault"
	"altostack/objectstore"
)

// Older versions in a container of their own (X-Versions-Location and
// X-History-Location), as it was done before object versioning.
const (
	SystemArchive     = "versions.location" // of a container: the other's name
	SystemArchiveMode = "versions.mode"
	ModeStack         = "stack"   // a DELETE brings the one before back
	ModeHistory       = "history" // a DELETE leaves a marker
)

// MarkerType is the content type of what stands for a deletion.
const MarkerType = "application/x-deleted;swift_versions_deleted=1"

// archivePrefix is what the names of an object's older versions start with: the
// length in bytes, in three hexadecimal digits, keeps those of a/b apart from those of a.
func archivePrefix(name string) string { return fmt.Sprintf("%03x%s/", len(name), name) }

// Archive keeps what is about to be replaced or deleted in c's archive.
func (f *Features) Archive(ctx context.Context, c objectstore.Container, name string) error {
	_, err := f.archive(ctx, c, name)
	return err
}

// archive answers the stamp of what was archived; 0: there was nothing.
func (f *Features) archive(ctx context.Context, c objectstore.Container, name string) (int64, error) {
	o, err := f.svc.Object(ctx, c, name, "")
	if fault.Has(err, fault.CodeObjectstoreObjectNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	in, err := f.archiveOf(ctx, c)
	if err != nil {
		return 0, err
	}
	_, err = f.svc.Copy(ctx, c, o, in, copied(o, archivePrefix(name)+objectstore.VersionID(o.Stamp)))
	return o.Stamp, err
}

// Bury archives what is about to be deleted, and leaves a marker.
func (f *Features) Bury(ctx context.Context, c objectstore.Container, name string) error {
	stamp, err := f.archive(ctx, c, name)
	if err != nil {
		return err
	}
	in, err := f.archiveOf(ctx, c)
	if err != nil {
		return err
	}
	marker := archivePrefix(name) + objectstore.VersionID(max(f.svc.Now().UnixMicro(), stamp+10))
	_, err = f.svc.Put(ctx, in, objectstore.Put{Name: marker, ContentType: MarkerType}, nil)
	return err
}

func copied(o objectstore.Object, name string) objectstore.Put {
	return objectstore.Put{Name: name, ContentType: o.ContentType, Meta: o.Meta, System: o.System, DeleteAt: o.DeleteAt, Kind: o.Kind, Length: -1}
}

func (f *Features) archiveOf(ctx context.Context, c objectstore.Container) (objectstore.Container, error) {
	in, err := f.svc.Container(ctx, c.Account, c.System[SystemArchive])
	if fault.Has(err, fault.CodeObjectstoreContainerNotFound) {
		return in, fault.New(fault.CodeObjectstoreArchiveMissing, "The container %s for older versions does not exist.", c.System[SystemArchive])
	}
	return in, err
}

// Pop brings the newest archived version back in place of name. It reports whether
// name was dealt with; if not, name is to be deleted as any other.
func (f *Features) Pop(ctx context.Context, c objectstore.Container, name string) (bool, error) {
	in, err := f.archiveOf(ctx, c)
	if fault.Has(err, fault.CodeObjectstoreArchiveMissing) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	older, err := f.svc.Objects(ctx, in, objectstore.Listing{Prefix: archivePrefix(name), Reverse: true, Limit: 2})
	if err != nil || len(older) == 0 {
		return false, err
	}
	last := older[0].Item
	if last.ContentType != MarkerType {
		return true, f.restore(ctx, in, last, c, name)
	}
	_, err = f.svc.Object(ctx, c, name, "")
	switch {
	case err == nil:
		return false, nil // written since it was deleted
	case !fault.Has(err, fault.CodeObjectstoreObjectNotFound):
		return false, err
	case len(older) > 1 && older[1].Item.ContentType != MarkerType:
		if err := f.restore(ctx, in, older[1].Item, c, name); err != nil {
			return true, err
		}
	}
	_, err = f.svc.DeleteObject(ctx, in, last.Name, objectstore.Deletion{})
	return true, err
}

func (f *Features) restore(ctx context.Context, from objectstore.Container, o objectstore.Object, to objectstore.Container, name string) error {
	if _, err := f.svc.Copy(ctx, from, o, to, copied(o, name)); err != nil {
		return err
	}
	_, err := f.svc.DeleteObject(ctx, from, o.Name, objectstore.Deletion{})
	return err
}
