package compute

import (
	"context"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
)

func badDevice(format string, args ...any) error {
	return fault.New(fault.CodeComputeBadBlockDevice, "Block Device Mapping is Invalid: "+format, args...)
}

var errBootSequence = "Boot sequence for the instance and image/block device mapping combination is not valid."

// disks makes the list of a server's disks out of the request's mappings, its
// image and its flavor, and checks whatever they name.
func (s *Service) disks(ctx context.Context, scope auth.Scope, c Create, p *plan) ([]Disk, error) {
	disks := append([]Disk(nil), c.Disks...)
	roots := 0
	for _, d := range disks {
		if d.BootIndex == 0 {
			roots++
		}
	}
	if c.ImageID != "" && roots == 0 {
		disks = append([]Disk{{Source: "image", SourceID: c.ImageID, Destination: "local", BootIndex: 0, SizeGiB: int64(p.flavor.DiskGiB), DeleteOnTermination: true}}, disks...)
		roots++
	}
	if roots == 0 && len(disks) == 0 {
		return nil, fault.New(fault.CodeComputeBadRequest, "Invalid imageRef provided.")
	}
	if roots != 1 {
		return nil, badDevice("%s", errBootSequence)
	}
	var ephemeral, swap bool
	for i := range disks {
		if err := s.checkDisk(ctx, scope, c, p, &disks[i]); err != nil {
			return nil, err
		}
		if disks[i].Source == "blank" && disks[i].Destination == "local" {
			swap = swap || disks[i].GuestFormat == "swap"
			ephemeral = ephemeral || disks[i].GuestFormat != "swap"
		}
	}
	if p.flavor.EphemeralGiB > 0 && !ephemeral {
		disks = append(disks, Disk{Source: "blank", Destination: "local", BootIndex: -1, SizeGiB: int64(p.flavor.EphemeralGiB), DeleteOnTermination: true})
	}
	if p.flavor.SwapMiB > 0 && !swap {
		disks = append(disks, Disk{Source: "blank", Destination: "local", BootIndex: -1, GuestFormat: "swap", DeleteOnTermination: true})
	}
	name(disks)
	return disks, nil
}

// name gives each disk the device name that a guest will likely show.
func name(disks []Disk) {
	taken := map[string]bool{}
	for _, d := range disks {
		taken[d.Device] = true
	}
	for i := range disks {
		if disks[i].BootIndex == 0 && disks[i].Device == "" && !taken["/dev/vda"] {
			disks[i].Device = "/dev/vda"
			taken["/dev/vda"] = true
		}
	}
	for i := range disks {
		if disks[i].Device == "" {
			disks[i].Device = nextDevice(taken)
			taken[disks[i].Device] = true
		}
	}
}

func nextDevice(taken map[string]bool) string {
	for c := 'b'; c <= 'z'; c++ {
		if d := "/dev/vd" + string(c); !taken[d] {
			return d
		}
	}
	return ""
}

// NextDevice is the name of the next disk that a server gets.
func (s Server) NextDevice() string {
	taken := map[string]bool{}
	for _, d := range s.Disks {
		taken[d.Device] = true
	}
	return nextDevice(taken)
}

func (s *Service) checkDisk(ctx context.Context, scope auth.Scope, c Create, p *plan, d *Disk) error {
	switch {
	case d.Source == "image" && d.Destination == "local":
		if d.BootIndex != 0 {
			return badDevice("Mapping image to local is not supported.")
		}
		if c.ImageID != "" && d.SourceID != c.ImageID {
			return badDevice("%s", errBootSequence)
		}
		return s.imageDisk(ctx, scope, p, d)
	case d.Source == "image" && d.Destination == "volume":
		if d.SizeGiB <= 0 {
			return badDevice("Images with destination_type 'volume' need to have a non-zero size specified")
		}
		return s.imageDisk(ctx, scope, p, d)
	case d.Source == "snapshot" && d.Destination == "volume":
		size, err := s.Volumes.SnapshotSize(ctx, scope, d.SourceID)
		if err != nil {
			return gone(err, badDevice("failed to get snapshot %s.", d.SourceID))
		}
		if d.SizeGiB == 0 {
			d.SizeGiB = size
		}
		return nil
	case d.Source == "volume" && d.Destination == "volume":
		return s.volumeDisk(ctx, scope, c, d)
	case d.Source == "blank":
		if d.Destination == "volume" && d.SizeGiB <= 0 {
			return badDevice("Blank volumes (source: 'blank', dest: 'volume') need to have non-zero size")
		}
		return nil
	}
	return badDevice("%s to %s is not supported.", d.Source, d.Destination)
}

func (s *Service) imageDisk(ctx context.Context, scope auth.Scope, p *plan, d *Disk) error {
	if p.image != nil && p.image.ID == d.SourceID {
		return nil
	}
	img, err := s.Images.Get(ctx, scope, d.SourceID)
	if err != nil {
		return gone(err, badDevice("failed to get image %s.", d.SourceID))
	}
	if img.Status != "active" {
		return fault.New(fault.CodeComputeBadImage, "Image %s is not active.", img.ID)
	}
	if d.BootIndex == 0 && d.Destination == "local" {
		p.image = &img
	}
	return nil
}

func (s *Service) volumeDisk(ctx context.Context, scope auth.Scope, c Create, d *Disk) error {
	v, err := s.Volumes.Get(ctx, scope, d.SourceID)
	if err != nil {
		return gone(err, badDevice("failed to get volume %s.", d.SourceID))
	}
	if c.Max > 1 && !v.MultiAttach {
		return badDevice("Volume %s is not multi-attachable, and several servers are asked for.", v.ID)
	}
	if d.BootIndex == 0 && !v.Bootable {
		return badDevice("Block Device %s is not bootable.", v.ID)
	}
	if v.Status != "available" && !(v.MultiAttach && v.Status == "in-use") {
		return fault.New(fault.CodeComputeVolumeInUse, "Invalid volume: Volume %s is not available; it is %s.", v.ID, v.Status)
	}
	d.VolumeID = v.ID
	d.SizeGiB = v.SizeGiB
	return nil
}

// gone answers instead where what was named does not exist.
func gone(err, instead error) error {
	if fault.KindOf(err) == fault.NotFound {
		return instead
	}
	return err
}
