package compute

import (
	"context"
	"slices"

	"altostack/hostapi"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// AttachVolume plugs a volume into a server; it is usable when the volume
// service says in-use. The disk answered has no connection yet.
func (s *Service) AttachVolume(ctx context.Context, scope auth.Scope, id string, d Disk) (Server, Disk, error) {
	srv, err := s.Get(ctx, scope, id)
	if err != nil {
		return srv, d, err
	}
	v, err := s.Volumes.Get(ctx, auth.As(srv.ProjectID, scope.UserID), d.VolumeID)
	if err != nil {
		return srv, d, err
	}
	if _, has := srv.Volume(d.VolumeID); has {
		return srv, d, fault.New(fault.CodeComputeVolumeInUse, "Invalid volume: volume %s is already attached to instance %s", d.VolumeID, id)
	}
	if v.Status != "available" && !(v.MultiAttach && v.Status == "in-use") {
		return srv, d, fault.New(fault.CodeComputeVolumeInUse, "Invalid volume: volume %s status must be available, not %s", d.VolumeID, v.Status)
	}
	d.ID, d.Source, d.SourceID, d.Destination, d.BootIndex, d.SizeGiB = s.IDs.UUID(), "volume", d.VolumeID, "volume", -1, v.SizeGiB
	srv, err = s.Change(ctx, scope, id, func(ctx context.Context, tx *db.Tx, srv *Server) error {
		if err := Unlocked(scope, *srv); err != nil {
			return err
		}
		if err := may(*srv, "attach_volume", []VMState{VMActive, VMPaused, VMStopped}, nil); err != nil {
			return err
		}
		if _, has := srv.Volume(d.VolumeID); has {
			return fault.New(fault.CodeComputeVolumeInUse, "Invalid volume: volume %s is already attached to instance %s", d.VolumeID, id)
		}
		next := srv.NextDevice()
		for _, other := range srv.Disks {
			if d.Device == "" || other.Device == d.Device {
				d.Device = next
			}
		}
		srv.Disks = append(srv.Disks, d)
		op := s.op(ctx, *srv, "attach_volume", "compute_attach_volume")
		op.VolumeID, op.DiskID = d.VolumeID, d.ID
		if err := s.note(ctx, tx, *srv, "attach_volume"); err != nil {
			return err
		}
		_, err := s.flows.Start(ctx, tx, KindAttachVolume, op)
		return err
	})
	return srv, d, err
}

// errNotAttached is Nova's word for a volume that the server does not have.
func errNotAttached(id, volumeID string) error {
	return fault.New(fault.CodeComputeAttachmentNotFound, "Instance %s is not attached to volume %s", id, volumeID)
}

// DetachVolume unplugs a volume.
func (s *Service) DetachVolume(ctx context.Context, scope auth.Scope, id, volumeID string) error {
	_, err := s.Change(ctx, scope, id, func(ctx context.Context, tx *db.Tx, srv *Server) error {
		if err := Unlocked(scope, *srv); err != nil {
			return err
		}
		i, has := srv.Volume(volumeID)
		if !has {
			return fault.New(fault.CodeComputeAttachmentNotFound, "volume_id not found: %s", volumeID)
		}
		if srv.Disks[i].BootIndex == 0 {
			return fault.New(fault.CodeComputeRootDetach, "Cannot detach a root device volume")
		}
		if err := may(*srv, "detach_volume", []VMState{VMActive, VMPaused, VMStopped}, nil); err != nil {
			return err
		}
		if srv.Disks[i].Detaching {
			return fault.New(fault.CodeComputeVolumeInUse, "Invalid volume: Invalid input received: Invalid volume: Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to detach.")
		}
		srv.Disks[i].Detaching = true
		op := s.op(ctx, *srv, "detach_volume", "compute_detach_volume")
		op.VolumeID, op.DiskID = volumeID, srv.Disks[i].ID
		if err := s.note(ctx, tx, *srv, "detach_volume"); err != nil {
			return err
		}
		_, err := s.flows.Start(ctx, tx, KindDetachVolume, op)
		return err
	})
	return err
}

// KeepVolume decides whether an attached volume ends with its server.
func (s *Service) KeepVolume(ctx context.Context, scope auth.Scope, id, volumeID string, ends bool) error {
	_, err := s.Change(ctx, scope, id, func(ctx context.Context, tx *db.Tx, srv *Server) error {
		i, has := srv.Volume(volumeID)
		if !has {
			return errNotAttached(id, volumeID)
		}
		srv.Disks[i].DeleteOnTermination = ends
		return nil
	})
	return err
}

// Attachment finds one attached volume of a server.
func (s *Service) Attachment(ctx context.Context, scope auth.Scope, id, volumeID string) (Server, Disk, error) {
	srv, err := s.Get(ctx, scope, id)
	if err != nil {
		return srv, Disk{}, err
	}
	i, has := srv.Volume(volumeID)
	if !has || srv.VMState == VMBuilding && srv.Disks[i].AttachmentID == "" {
		return srv, Disk{}, errNotAttached(id, volumeID)
	}
	return srv, srv.Disks[i], nil
}

// AttachInterface gives a server another card. It returns when the card is in
// the guest.
func (s *Service) AttachInterface(ctx context.Context, scope auth.Scope, id string, w Want) (Port, error) {
	srv, err := s.Get(ctx, scope, id)
	if err != nil {
		return Port{}, err
	}
	if err := Unlocked(scope, srv); err != nil {
		return Port{}, err
	}
	if err := may(srv, "attach_interface", []VMState{VMActive, VMPaused, VMStopped}, nil); err != nil {
		return Port{}, err
	}
	as := auth.As(srv.ProjectID, scope.UserID)
	var sagaID string
	port, err := s.Network.Attach(ctx, as, Allocation{ServerID: srv.ID, ProjectID: srv.ProjectID, UserID: scope.UserID, Zone: srv.Zone, Host: srv.Host, Hostname: srv.Hostname}, w,
		func(ctx context.Context, tx *db.Tx, portID string) error {
			_, err := s.ChangeTx(ctx, tx, scope, id, func(ctx context.Context, tx *db.Tx, srv *Server) error {
				op := s.op(ctx, *srv, "attach_interface", "compute_attach_interface")
				op.PortID = portID
				if err := s.note(ctx, tx, *srv, "attach_interface"); err != nil {
					return err
				}
				var err error
				sagaID, err = s.flows.Start(ctx, tx, KindAttachInterface, op)
				return err
			})
			return err
		})
	if err != nil {
		return Port{}, err
	}
	if err := s.flows.Wait(ctx, sagaID); err != nil {
		return Port{}, err
	}
	ports, err := s.Ports(ctx, srv)
	if err != nil {
		return Port{}, err
	}
	if i := slices.IndexFunc(ports, func(p Port) bool { return p.ID == port.ID }); i >= 0 {
		return ports[i], nil
	}
	return Port{}, fault.New(fault.CodeComputeHostUnavailable, "Failed to attach network adapter device to %s", id)
}

// Ports answers a server's cards.
func (s *Service) Ports(ctx context.Context, srv Server) ([]Port, error) {
	all, err := s.Network.PortsOf(ctx, []string{srv.ID})
	return all[srv.ID], err
}

// Port finds one card of a server.
func (s *Service) Port(ctx context.Context, scope auth.Scope, id, portID string) (Port, error) {
	srv, err := s.Get(ctx, scope, id)
	if err != nil {
		return Port{}, err
	}
	ports, err := s.Ports(ctx, srv)
	if err != nil {
		return Port{}, err
	}
	if i := slices.IndexFunc(ports, func(p Port) bool { return p.ID == portID }); i >= 0 {
		return ports[i], nil
	}
	return Port{}, fault.New(fault.CodeComputeInterfaceNotFound, "Port id %s could not be found.", portID)
}

// DetachInterface takes a card out of a server.
func (s *Service) DetachInterface(ctx context.Context, scope auth.Scope, id, portID string) error {
	if _, err := s.Port(ctx, scope, id, portID); err != nil {
		return err
	}
	_, err := s.Change(ctx, scope, id, func(ctx context.Context, tx *db.Tx, srv *Server) error {
		if err := Unlocked(scope, *srv); err != nil {
			return err
		}
		if err := may(*srv, "detach_interface", []VMState{VMActive, VMPaused, VMStopped}, nil); err != nil {
			return err
		}
		op := s.op(ctx, *srv, "detach_interface", "compute_detach_interface")
		op.PortID = portID
		if err := s.note(ctx, tx, *srv, "detach_interface"); err != nil {
			return err
		}
		_, err := s.flows.Start(ctx, tx, KindDetachInterface, op)
		return err
	})
	return err
}

// SetSecurityGroup adds a security group to a server's ports, or removes it.
func (s *Service) SetSecurityGroup(ctx context.Context, scope auth.Scope, id, group string, add bool) error {
	srv, err := s.Get(ctx, scope, id)
	if err != nil {
		return err
	}
	if err := Unlocked(scope, srv); err != nil {
		return err
	}
	return s.Network.SetGroup(ctx, auth.As(srv.ProjectID, scope.UserID), id, group, add)
}

// Snapshot makes an image of a server's root disk; it is active once uploaded.
func (s *Service) Snapshot(ctx context.Context, scope auth.Scope, id, name string, metadata map[string]string) (imageID string, err error) {
	srv, err := s.Get(ctx, scope, id)
	if err != nil {
		return "", err
	}
	if err := Unlocked(scope, srv); err != nil {
		return "", err
	}
	from := []VMState{VMActive, VMStopped, VMPaused}
	if err := may(srv, "createImage", from, nil); err != nil {
		return "", err
	}
	if root, _ := srv.Root(); root.Destination != "local" {
		return "", fault.New(fault.CodeComputeBadRequest, "An image of server %s cannot be made: its root disk is a volume.", id).
			WithHint("Take a snapshot of the volume instead.")
	}
	spec := s.snapshotSpec(srv, scope, name, metadata)
	_, err = s.Change(ctx, scope, id, func(ctx context.Context, tx *db.Tx, srv *Server) error {
		if err := may(*srv, "createImage", from, nil); err != nil {
			return err
		}
		op := s.op(ctx, *srv, "createImage", "compute_snapshot_instance")
		op.ImageID = spec.ID
		srv.Task = TaskImageSnapshot
		// With the saga or not at all: nothing else would remove it.
		if _, err := s.Images.Create(ctx, tx, auth.As(srv.ProjectID, scope.UserID), spec); err != nil {
			return err
		}
		if err := s.note(ctx, tx, *srv, "createImage"); err != nil {
			return err
		}
		_, err := s.flows.Start(ctx, tx, KindSnapshot, op)
		return err
	})
	return spec.ID, err
}

func (s *Service) snapshotSpec(srv Server, scope auth.Scope, name string, metadata map[string]string) ImageSpec {
	properties := map[string]string{}
	spec := ImageSpec{ID: s.IDs.UUID(), Name: name, DiskFormat: "qcow2", MinDiskGiB: srv.Flavor.DiskGiB, Properties: properties}
	if img := srv.Spec().Image; img != nil {
		for k, v := range img.Properties {
			properties[k] = v
		}
		spec.MinRAMMiB = img.MinRAMMiB
	}
	for k, v := range map[string]string{"image_type": "snapshot", "instance_uuid": srv.ID, "base_image_ref": srv.ImageID, "user_id": scope.UserID,
		"owner_id": srv.ProjectID, "image_location": "snapshot", "image_state": "available"} {
		properties[k] = v
	}
	for k, v := range metadata {
		properties[k] = v
	}
	return spec
}

// ConsoleOutput answers the last lines of a server's serial log; negative: all.
func (s *Service) ConsoleOutput(ctx context.Context, scope auth.Scope, id string, lines int) (string, error) {
	srv, err := s.Get(ctx, scope, id)
	if err != nil {
		return "", err
	}
	agent, err := s.agentOf(srv)
	if err != nil {
		return "", err
	}
	text, err := agent.Console(ctx, id, maxConsole)
	if fault.KindOf(err) == fault.NotFound && err != nil {
		return "", fault.Because(err, fault.CodeComputeWrongState, "Instance %s is not ready", id)
	}
	return tail(string(text), lines), err
}

// maxConsole is how many bytes of a console are shown at most.
const maxConsole = 100 << 10

func tail(text string, lines int) string {
	switch {
	case lines < 0:
		return text
	case lines == 0:
		return ""
	}
	end := len(text)
	if end > 0 && text[end-1] == '\n' {
		end--
	}
	for i := end - 1; i >= 0; i-- {
		if text[i] == '\n' {
			if lines--; lines <= 0 {
				return text[i+1:]
			}
		}
	}
	return text
}

// agentOf answers the agent of a server that has a host.
func (s *Service) agentOf(srv Server) (hostapi.Agent, error) {
	if srv.Host == "" {
		return nil, fault.New(fault.CodeComputeWrongState, "Instance %s is not ready", srv.ID)
	}
	return s.Hosts.Agent(srv.Host)
}

// Diagnostics reads a running guest's counters.
func (s *Service) Diagnostics(ctx context.Context, scope auth.Scope, id string) (Server, hostapi.Diagnostics, error) {
	srv, err := s.Get(ctx, scope, id)
	if err != nil {
		return srv, hostapi.Diagnostics{}, err
	}
	if err := may(srv, "get_diagnostics", []VMState{VMActive, VMPaused}, allTasks); err != nil {
		return srv, hostapi.Diagnostics{}, err
	}
	agent, err := s.agentOf(srv)
	if err != nil {
		return srv, hostapi.Diagnostics{}, err
	}
	d, err := agent.Diagnostics(ctx, id)
	return srv, d, err
}

// VolumeExtended tells a running guest that one of its disks has grown.
func (s *Service) VolumeExtended(ctx context.Context, serverID, volumeID string, sizeMiB int64) error {
	srv, err := s.Change(ctx, auth.System("volume extended"), serverID, func(_ context.Context, _ *db.Tx, srv *Server) error {
		i, has := srv.Volume(volumeID)
		if !has {
			return errNotAttached(serverID, volumeID)
		}
		srv.Disks[i].SizeGiB = (sizeMiB + 1023) / 1024
		return nil
	})
	if err != nil || srv.Host == "" || srv.VMState != VMActive && srv.VMState != VMPaused {
		return err // a stopped guest sees the new size when it starts
	}
	agent, err := s.agentOf(srv)
	if err != nil {
		return err
	}
	return agent.ResizeVolume(ctx, serverID, volumeID, sizeMiB)
}

// SetFixedIP gives a server another address on a network, or takes one away; of
// networkID and address the one that applies is set.
func (s *Service) SetFixedIP(ctx context.Context, scope auth.Scope, id, networkID, address string) error {
	srv, err := s.Get(ctx, scope, id)
	if err != nil {
		return err
	}
	if err := Unlocked(scope, srv); err != nil {
		return err
	}
	as := auth.As(srv.ProjectID, scope.UserID)
	if networkID != "" {
		return s.Network.AddFixedIP(ctx, as, id, networkID)
	}
	had, err := s.Network.RemoveFixedIP(ctx, as, id, address)
	if err == nil && !had {
		err = fault.New(fault.CodeComputeBadNetwork, "Fixed IP %s is not associated with instance %s.", address, id)
	}
	return err
}
