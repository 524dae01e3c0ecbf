package volume

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// Spec is a volume to be made. ID is the caller's choice and may be empty; a
// repeated call with the same one answers the volume of the first.
type Spec struct {
	ID, Name, Description, Zone       string
	SizeGiB                           int64  // 0: that of the snapshot or source volume
	Type                              string // id or name; empty: the source's, or the default
	ImageID, SnapshotID, SourceVolume string
	Metadata                          map[string]string
}

// Create records a volume and starts to make it; it answers before the disk is
// there. See Await.
func (s *Service) Create(ctx context.Context, scope auth.Scope, spec Spec) (Volume, error) {
	if spec.ID != "" {
		if v, err := s.find(ctx, s.DB, scope.Own(), spec.ID); err == nil {
			return v, nil
		}
	} else {
		spec.ID = s.IDs.UUID()
	}
	now := s.Clock.Now()
	v := Volume{ID: spec.ID, ProjectID: scope.ProjectID, UserID: scope.UserID, Name: spec.Name, Description: spec.Description,
		SizeGiB: spec.SizeGiB, Status: StatusCreating, AttachStatus: "detached", Zone: s.Zone, Metadata: spec.Metadata,
		SnapshotID: spec.SnapshotID, SourceID: spec.SourceVolume, ImageID: spec.ImageID, Generation: 1, CreatedAt: now, UpdatedAt: now}
	if spec.Zone != "" && spec.Zone != s.Zone {
		return v, fault.New(fault.CodeVolumeInvalidInput, "Availability zone '%s' is invalid.", spec.Zone)
	}
	if spec.ImageID != "" {
		if err := s.fromImage(ctx, scope, &v); err != nil {
			return v, err
		}
	}
	err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		v := v
		if err := s.fromOther(ctx, tx, scope, &v); err != nil {
			return err
		}
		if err := checkSize(v); err != nil {
			return err
		}
		if err := s.chooseType(ctx, tx, scope, &v, spec.Type); err != nil {
			return err
		}
		if err := s.checkQuota(ctx, tx, v.ProjectID, v.TypeID, v.TypeName, demand{volumes: 1, gib: v.SizeGiB, one: v.SizeGiB}); err != nil {
			return err
		}
		if err := s.Store.InsertVolume(ctx, tx, v); err != nil {
			return err
		}
		return s.Flows.CreateVolume(ctx, tx, v)
	})
	if err != nil {
		return v, err
	}
	return s.find(ctx, s.DB, scope.Own(), v.ID)
}

func checkSize(v Volume) error {
	if v.SizeGiB <= 0 {
		return invalidInput("Volume size '%d' must be an integer and greater than 0", v.SizeGiB)
	}
	if v.SizeGiB > maxSizeGiB {
		return invalidInput("Volume size '%d' is larger than %d", v.SizeGiB, maxSizeGiB)
	}
	return nil
}

// fromImage checks that the image can become the volume and takes over what is
// kept of it.
func (s *Service) fromImage(ctx context.Context, scope auth.Scope, v *Volume) error {
	img, err := s.Images.Get(ctx, scope, v.ImageID)
	if fault.KindOf(err) == fault.NotFound && err != nil {
		return fault.Because(err, fault.CodeVolumeBadImage, "Invalid image identifier or unable to access requested image.")
	}
	if err != nil {
		return err
	}
	if img.Status != "active" {
		return invalidInput("Image %s is not active.", img.ID)
	}
	if img.DiskFormat != "raw" && img.DiskFormat != "qcow2" {
		return fault.New(fault.CodeVolumeBadImage, "Image %s is unacceptable: a disk format of %s cannot be made into a volume", img.ID, img.DiskFormat)
	}
	need := max(img.Size, img.VirtualSize)
	if gib := (need + mib<<10 - 1) / (mib << 10); v.SizeGiB < gib {
		return invalidInput("Size of specified image %dGB is larger than volume size %dGB.", gib, v.SizeGiB)
	}
	if v.SizeGiB < int64(img.MinDiskGiB) {
		return invalidInput("Volume size %dGB cannot be smaller than the image minDisk size %dGB.", v.SizeGiB, img.MinDiskGiB)
	}
	v.Bootable = true
	v.ImageMeta = ImageMeta(img)
	return nil
}

// ImageMeta is what a volume keeps of the image it was made from.
func ImageMeta(img Image) map[string]string {
	m := map[string]string{}
	for k, value := range img.Properties {
		if !strings.HasPrefix(k, "os_glance") && !strings.HasPrefix(k, "os_hash") && k != "signature_verified" {
			m[k] = value
		}
	}
	maps.Copy(m, map[string]string{"image_id": img.ID, "image_name": img.Name, "container_format": img.ContainerFormat,
		"disk_format": img.DiskFormat, "min_disk": strconv.Itoa(img.MinDiskGiB), "min_ram": strconv.Itoa(img.MinRAMMiB),
		"size": strconv.FormatInt(img.Size, 10), "checksum": img.Checksum})
	return m
}

var (
	snapshotSources = []Status{StatusAvailable}
	volumeSources   = []Status{StatusAvailable, StatusInUse}
)

// fromOther takes over what a snapshot or a source volume decides.
func (s *Service) fromOther(ctx context.Context, tx *db.Tx, scope auth.Scope, v *Volume) error {
	switch {
	case v.SnapshotID != "":
		snap, err := s.findSnapshot(ctx, tx, scope, v.SnapshotID)
		if err != nil {
			return err
		}
		if !slices.Contains(snapshotSources, snap.Status) {
			return fault.New(fault.CodeVolumeBadSnapshot, "Invalid snapshot: Originating snapshot status must be one of '%s' values", words(snapshotSources))
		}
		if v.SizeGiB == 0 {
			v.SizeGiB = snap.SizeGiB
		}
		if v.SizeGiB < snap.SizeGiB {
			return invalidInput("Volume size '%d'GB cannot be smaller than the snapshot size %dGB. They must be >= original snapshot size.", v.SizeGiB, snap.SizeGiB)
		}
		parent, found, err := s.Store.Volume(ctx, tx, snap.VolumeID)
		if err != nil {
			return err
		}
		if found {
			inherit(v, parent)
		}
	case v.SourceID != "":
		src, err := s.find(ctx, tx, scope, v.SourceID)
		if err != nil {
			return err
		}
		if !slices.Contains(volumeSources, src.Status) {
			return wrongState("Originating source volume status must be one of '%s' values", words(volumeSources))
		}
		if v.SizeGiB == 0 {
			v.SizeGiB = src.SizeGiB
		}
		if v.SizeGiB < src.SizeGiB {
			return invalidInput("Volume size '%d'GB cannot be smaller than original volume size  %dGB. They must be >= original volume size.", v.SizeGiB, src.SizeGiB)
		}
		inherit(v, src)
	}
	return nil
}

func inherit(v *Volume, from Volume) {
	v.Bootable, v.ImageMeta, v.TypeID, v.TypeName = from.Bootable, from.ImageMeta, from.TypeID, from.TypeName
}

func words(states []Status) string {
	var out []string
	for _, st := range states {
		out = append(out, string(st))
	}
	return strings.Join(out, ", ")
}

// chooseType settles the type: the one named, else the source's, else the
// project's default, else the cloud's.
func (s *Service) chooseType(ctx context.Context, tx *db.Tx, scope auth.Scope, v *Volume, ref string) error {
	if ref == "" {
		ref = v.TypeID
	}
	own := true
	if ref == "" {
		var err error
		if ref, own, err = s.Store.DefaultType(ctx, tx, v.ProjectID); err != nil {
			return err
		}
	}
	if !own {
		ref = DefaultTypeName
	}
	t, found, err := s.Store.Type(ctx, tx, ref, scope.ProjectID, scope.All || scope.Principal != nil && scope.IsAdmin())
	if err != nil {
		return fmt.Errorf("read volume type %s: %w", ref, err)
	}
	if !found {
		return typeNotFound(ref)
	}
	v.TypeID, v.TypeName = t.ID, t.Name
	v.MultiAttach = strings.EqualFold(strings.ReplaceAll(t.ExtraSpecs["multiattach"], " ", ""), "<is>true")
	return nil
}
