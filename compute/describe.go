package compute

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"

	"altostack/hostapi"
)

// Guests describes servers to their host, with one query for all their ports.
func (s *Service) Guests(ctx context.Context, servers []Server) ([]hostapi.Guest, error) {
	if len(servers) == 0 {
		return nil, nil
	}
	ids := make([]string, len(servers))
	for i, srv := range servers {
		ids[i] = srv.ID
	}
	ports, err := s.Network.PortsOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]hostapi.Guest, len(servers))
	for i, srv := range servers {
		out[i] = Describe(srv, ports[srv.ID])
		out[i].Instance.AdminPass = s.reveal(out[i].Instance.AdminPass)
	}
	return out, nil
}

// Describe is everything a host needs to know to run a server.
func Describe(srv Server, ports []Port) hostapi.Guest {
	spec := srv.Spec()
	g := hostapi.Guest{ID: srv.ID, Generation: srv.Generation, ProjectID: srv.ProjectID, UserID: srv.UserID, Name: srv.Name, Hostname: srv.Hostname,
		Power: srv.Want, VCPUs: srv.Flavor.VCPUs, MemoryMiB: srv.Flavor.MemoryMiB, ConfigDrive: srv.ConfigDrive}
	bus := ""
	if spec.Image != nil {
		g.Machine = machine(spec.Image.Properties["hw_machine_type"])
		bus = spec.Image.Properties["hw_disk_bus"]
	}
	ephemeral := 0
	for _, d := range srv.Disks {
		if disk, ok := guestDisk(srv, spec, d, &ephemeral, bus); ok {
			g.Disks = append(g.Disks, disk)
		}
	}
	for _, p := range ports {
		g.NICs = append(g.NICs, hostapi.NIC{PortID: p.ID, NetworkID: p.NetworkID, MAC: p.MAC, MTU: p.MTU, DeviceTag: p.Tag})
	}
	g.Instance = instance(srv, spec, ports)
	return g
}

func machine(property string) string {
	if property == "pc" || property == "q35" {
		return property
	}
	return ""
}

func guestDisk(srv Server, spec Spec, d Disk, ephemeral *int, bus string) (hostapi.Disk, bool) {
	out := hostapi.Disk{BootIndex: d.BootIndex, SizeMiB: d.SizeGiB * 1024, DeviceTag: d.Tag, Device: d.Device, Bus: d.Bus}
	if out.Bus == "" {
		out.Bus = bus
	}
	switch {
	case d.Destination == "volume":
		if d.Connection == nil || d.Detaching {
			return out, false // not connected yet, or on its way out
		}
		out.ID, out.Serial, out.Volume = "vol-"+d.VolumeID, d.VolumeID, d.Connection
	case d.Source == "image":
		out.ID = "root"
		out.Image = diskImage(spec.Image)
		if out.Image == nil {
			return out, false
		}
		out.SizeMiB = max(out.SizeMiB, out.Image.MinMiB)
	case d.GuestFormat == "swap":
		out.ID, out.Blank = "swap", true
		out.SizeMiB = int64(srv.Flavor.SwapMiB)
		if d.SizeGiB > 0 {
			out.SizeMiB = d.SizeGiB * 1024
		}
	default:
		out.ID, out.Blank = fmt.Sprintf("ephemeral%d", *ephemeral), true
		*ephemeral++
	}
	return out, out.SizeMiB > 0
}

func diskImage(img *Image) *hostapi.DiskImage {
	if img == nil {
		return nil
	}
	size := max(img.VirtualSize, img.Size)
	return &hostapi.DiskImage{ID: img.ID, Format: img.DiskFormat, SHA512: img.HashValue, Bytes: img.Size, MinMiB: (size + 1<<20 - 1) >> 20}
}

// instance is what the guest may read of itself.
func instance(srv Server, spec Spec, ports []Port) hostapi.Instance {
	userData, _ := base64.StdEncoding.DecodeString(srv.UserData) // checked at create
	var groups []string
	for _, p := range ports {
		for _, g := range p.Groups {
			if !slices.Contains(groups, g) {
				groups = append(groups, g)
			}
		}
	}
	return hostapi.Instance{UUID: srv.ID, EC2ID: fmt.Sprintf("i-%08x", srv.Number), Name: srv.Name, Hostname: srv.Hostname, ProjectID: srv.ProjectID,
		AvailabilityZone: srv.Zone, Flavor: srv.Flavor.Name, ImageID: srv.ImageID, LaunchIndex: srv.LaunchIndex, ReservationID: srv.ReservationID,
		Metadata: srv.Metadata, KeyName: srv.KeyName, KeyType: spec.KeyType, PublicKey: spec.PublicKey, UserData: userData, AdminPass: spec.AdminPass,
		SecurityGroups: groups, Files: spec.Files}
}
