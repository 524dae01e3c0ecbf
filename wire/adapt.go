package wire

import (
	"context"
	"io"

	"altostack/compute"
	"altostack/image"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/placement"
	"altostack/volume"
)

// The services declare what they need in words of their own; these say the same
// in the words of those who have it.

// placementFor is placement as compute asks for it.
type placementFor struct {
	s      *placement.Service
	ratios [3]float64 // CPU, memory, disk: promised per real one
}

func needOf(n compute.Need) placement.Need {
	return placement.Need{Resources: n.Resources, Required: n.Required, Forbidden: n.Forbidden, Limit: n.Limit, Shuffle: true}
}

func (p placementFor) Candidates(ctx context.Context, n compute.Need) ([]compute.Candidate, error) {
	found, err := p.s.Candidates(ctx, needOf(n))
	out := make([]compute.Candidate, len(found))
	for i, c := range found {
		out[i] = compute.Candidate{ProviderID: c.ProviderID, Name: c.Name, Capacity: c.Capacity, Used: c.Used, Traits: c.Traits}
	}
	return out, err
}

func (p placementFor) Lacks(ctx context.Context, n compute.Need) (map[string]string, error) {
	return p.s.Lacks(ctx, needOf(n))
}

func (p placementFor) Claim(ctx context.Context, tx *db.Tx, c compute.Consumer, providerID string, resources map[string]int64) error {
	return p.s.Claim(ctx, tx, placement.Consumer{ID: c.ID, ProjectID: c.ProjectID, UserID: c.UserID, Type: c.Type}, providerID, resources)
}

func (p placementFor) Release(ctx context.Context, tx *db.Tx, consumerID string) error {
	return p.s.Release(ctx, tx, consumerID)
}

func (p placementFor) EnsureHost(ctx context.Context, h compute.Inventory) (string, error) {
	return p.s.EnsureHost(ctx, placement.HostInventory{Name: h.Name, UUID: h.UUID, VCPUs: int64(h.VCPUs), MemoryMiB: h.MemoryMiB, DiskGiB: h.DiskGiB,
		ReservedVCPUs: int64(h.ReservedVCPUs), ReservedMemoryMiB: h.ReservedMemoryMiB, ReservedDiskGiB: h.ReservedDiskGiB,
		CPURatio: p.ratios[0], MemoryRatio: p.ratios[1], DiskRatio: p.ratios[2], Traits: h.Traits})
}

// imagesFor is the image service as compute asks for it.
type imagesFor struct{ s *image.Service }

func (i imagesFor) Get(ctx context.Context, scope auth.Scope, id string) (compute.Image, error) {
	img, err := i.s.Get(ctx, scope, id)
	return computeImage(img), err
}

func computeImage(img image.Image) compute.Image {
	return compute.Image{ID: img.ID, Name: img.Name, Status: img.Status, DiskFormat: img.DiskFormat, HashAlgo: img.HashAlgo, HashValue: img.HashValue,
		Size: img.Size, VirtualSize: max(img.VirtualSize, 0), MinDiskGiB: img.MinDiskGiB, MinRAMMiB: img.MinRAMMiB, Properties: img.Properties, Tags: img.Tags}
}

func (i imagesFor) Create(ctx context.Context, tx *db.Tx, scope auth.Scope, spec compute.ImageSpec) (compute.Image, error) {
	img, err := i.s.CreateIn(ctx, tx, scope, image.Spec{ID: spec.ID, Name: spec.Name, Owner: scope.ProjectID, DiskFormat: spec.DiskFormat, ContainerFormat: "bare",
		MinDiskGiB: spec.MinDiskGiB, MinRAMMiB: spec.MinRAMMiB, Properties: spec.Properties})
	return computeImage(img), err
}

func (i imagesFor) Delete(ctx context.Context, scope auth.Scope, id string) error {
	return absent(i.s.Delete(ctx, scope, id))
}

// absent makes success of what is not there.
func absent(err error) error {
	if fault.KindOf(err) == fault.NotFound {
		return nil
	}
	return err
}

// volumeImages is the image service as volumes ask for it.
type volumeImages struct{ s *image.Service }

func volumeImage(img image.Image) volume.Image {
	return volume.Image{ID: img.ID, Name: img.Name, Status: img.Status, DiskFormat: img.DiskFormat, ContainerFormat: img.ContainerFormat, Checksum: img.Checksum,
		Size: img.Size, VirtualSize: max(img.VirtualSize, 0), MinDiskGiB: img.MinDiskGiB, MinRAMMiB: img.MinRAMMiB, Properties: img.Properties}
}

func (i volumeImages) Get(ctx context.Context, scope auth.Scope, id string) (volume.Image, error) {
	img, err := i.s.Get(ctx, scope, id)
	return volumeImage(img), err
}

func (i volumeImages) Path(ctx context.Context, id string) (string, string, error) {
	return i.s.Path(ctx, id)
}

func (i volumeImages) Create(ctx context.Context, tx *db.Tx, scope auth.Scope, spec volume.ImageSpec) (volume.Image, error) {
	img, err := i.s.CreateIn(ctx, tx, scope, image.Spec{ID: spec.ID, Name: spec.Name, Owner: scope.ProjectID, Visibility: spec.Visibility, Protected: spec.Protected,
		DiskFormat: spec.DiskFormat, ContainerFormat: spec.ContainerFormat, MinDiskGiB: spec.MinDiskGiB, Properties: spec.Properties})
	return volumeImage(img), err
}

func (i volumeImages) Upload(ctx context.Context, scope auth.Scope, id string, data io.Reader) error {
	return i.s.Upload(ctx, scope, id, data)
}

func (i volumeImages) Delete(ctx context.Context, scope auth.Scope, id string) error {
	return absent(i.s.Delete(ctx, scope, id))
}

// volumesFor is block storage as compute asks for it.
type volumesFor struct{ *volume.Service }

func computeVolume(v volume.Volume) compute.Volume {
	return compute.Volume{ID: v.ID, Status: string(v.Status), Name: v.Name, Zone: v.Zone, SizeGiB: v.SizeGiB, Bootable: v.Bootable, MultiAttach: v.MultiAttach, ImageMeta: v.ImageMeta, Reason: v.Reason}
}

func (v volumesFor) Get(ctx context.Context, scope auth.Scope, id string) (compute.Volume, error) {
	vol, err := v.Service.Get(ctx, scope, id)
	return computeVolume(vol), err
}

func (v volumesFor) Create(ctx context.Context, scope auth.Scope, s compute.VolumeSpec) (compute.Volume, error) {
	vol, err := v.Service.Create(ctx, scope, volume.Spec{ID: s.ID, Name: s.Name, Type: s.Type, Zone: s.Zone, SizeGiB: s.SizeGiB, ImageID: s.ImageID, SnapshotID: s.SnapshotID, SourceVolume: s.SourceVolume})
	return computeVolume(vol), err
}

func (v volumesFor) Await(ctx context.Context, id string) (compute.Volume, error) {
	vol, err := v.Service.Await(ctx, id)
	return computeVolume(vol), err
}

// Release ends a server's attachment of a volume.
func (v volumesFor) Release(ctx context.Context, volumeID, serverID string) error {
	found, err := v.Service.AttachmentsOf(ctx, []string{serverID})
	if err != nil {
		return err
	}
	for _, a := range found[serverID] {
		if a.VolumeID == volumeID {
			if err := v.Service.Detach(ctx, a.ID); err != nil {
				return err
			}
		}
	}
	return nil
}
