package volume

import (
	"context"
	"io"

	"altostack/kernel/auth"
	"altostack/kernel/db"
)

// Image is what volumes need to know of an image.
type Image struct {
	ID, Name, Status, DiskFormat, ContainerFormat, Checksum string
	Size, VirtualSize                                       int64 // bytes; VirtualSize 0: unknown
	MinDiskGiB, MinRAMMiB                                   int
	Properties                                              map[string]string
}

// ImageSpec is an image to be made of a volume.
type ImageSpec struct {
	ID, Name, DiskFormat, ContainerFormat, Visibility string
	Protected                                         bool
	MinDiskGiB                                        int
	Properties                                        map[string]string
}

// Images is the image service.
type Images interface {
	Get(ctx context.Context, scope auth.Scope, id string) (Image, error)
	// Path answers the file that holds an image's bytes, and their format.
	Path(ctx context.Context, id string) (path, format string, err error)
	Create(ctx context.Context, tx *db.Tx, scope auth.Scope, spec ImageSpec) (Image, error)
	Upload(ctx context.Context, scope auth.Scope, id string, data io.Reader) error
	// Delete removes an image; one that is gone is success.
	Delete(ctx context.Context, scope auth.Scope, id string) error
}
