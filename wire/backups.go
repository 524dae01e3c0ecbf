package wire

import (
	"bytes"
	"context"
	"io"

	"altostack/kernel/fault"
	"altostack/objectstore"
	"altostack/volume"
)

// vault keeps the backups of volumes in the object store, in containers of the
// project that they belong to: its users see them, and pay for them with their
// quota.
type vault struct{ objects *objectstore.Service }

func accountOf(projectID string) string { return "AUTH_" + projectID }

// Put implements volume.Vault.
func (v vault) Put(ctx context.Context, projectID, container, name string, data []byte) error {
	account := accountOf(projectID)
	c, err := v.objects.Container(ctx, account, container)
	if fault.KindOf(err) == fault.NotFound && err != nil {
		c, _, err = v.objects.EnsureContainer(ctx, account, container, func(*objectstore.Container, bool) error { return nil })
	}
	if err != nil {
		return err
	}
	_, err = v.objects.Put(ctx, c, objectstore.Put{Name: name, ContentType: "application/octet-stream", Length: int64(len(data))}, bytes.NewReader(data))
	return err
}

// Get implements volume.Vault.
func (v vault) Get(ctx context.Context, projectID, container, name string) (io.ReadCloser, error) {
	c, err := v.objects.Container(ctx, accountOf(projectID), container)
	if err != nil {
		return nil, err
	}
	o, err := v.objects.Object(ctx, c, name, "")
	if err != nil {
		return nil, err
	}
	return v.objects.OpenStored(ctx, c, o, 0, o.Size)
}

// Clear implements volume.Vault.
func (v vault) Clear(ctx context.Context, projectID, container, prefix string) error {
	c, err := v.objects.Container(ctx, accountOf(projectID), container)
	if err != nil {
		return ifThere(err)
	}
	const page = 1000
	for {
		list, err := v.objects.Objects(ctx, c, objectstore.Listing{Prefix: prefix, Limit: page})
		if err != nil {
			return err
		}
		for _, e := range list {
			if _, err := v.objects.DeleteObject(ctx, c, e.Item.Name, objectstore.Deletion{}); ifThere(err) != nil {
				return err
			}
		}
		if len(list) < page {
			return nil
		}
	}
}

// ifThere makes nothing of an error that says that there is nothing.
func ifThere(err error) error {
	if err != nil && fault.KindOf(err) == fault.NotFound {
		return nil
	}
	return err
}

var _ volume.Vault = vault{}
