package flow

import (
	"context"
	"errors"
	"slices"

	"altostack/compute"
	"altostack/hostapi"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/saga"
)

// prepareVolumes makes the volumes that a boot asked for, attaches all of them
// to the server and connects them to its host.
func (f *Flows) prepareVolumes(ctx context.Context, b *Boot) error {
	srv, err := f.server(ctx, f.svc.DB, b.ServerID)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(srv.Disks, onVolume) {
		return nil
	}
	scope := auth.As(srv.ProjectID, srv.UserID)
	for _, d := range srv.Disks {
		if d.Made {
			if err := f.makeVolume(ctx, scope, srv, d); err != nil {
				return err
			}
		}
	}
	attachments := map[string]string{}
	for _, d := range srv.Disks {
		if onVolume(d) {
			if attachments[d.VolumeID], err = f.svc.Volumes.Reserve(ctx, scope, d.VolumeID, srv.ID); err != nil {
				return err
			}
		}
	}
	if err := f.change(ctx, srv.ID, func(srv *compute.Server) error {
		for i, d := range srv.Disks {
			if id := attachments[d.VolumeID]; id != "" && onVolume(d) {
				srv.Disks[i].AttachmentID = id
			}
		}
		return nil
	}); err != nil {
		return err
	}
	return f.connectVolumes(ctx, srv.ID, true)
}

func onVolume(d compute.Disk) bool { return d.Destination == "volume" }

func (f *Flows) makeVolume(ctx context.Context, scope auth.Scope, srv compute.Server, d compute.Disk) error {
	spec := compute.VolumeSpec{ID: d.VolumeID, Type: d.VolumeType, SizeGiB: d.SizeGiB}
	switch d.Source {
	case "image":
		spec.ImageID = d.SourceID
	case "snapshot":
		spec.SnapshotID = d.SourceID
	}
	if _, err := f.svc.Volumes.Create(ctx, scope, spec); err != nil {
		return fault.Because(err, fault.CodeComputeVolumeFailed, "Block Device Mapping is Invalid: %s", fault.From(err).Message)
	}
	v, err := f.svc.Volumes.Await(ctx, d.VolumeID)
	if err != nil {
		return err
	}
	if v.Status == "error" {
		return fault.New(fault.CodeComputeVolumeFailed, "Build of instance %s aborted: Volume %s did not finish being created; its status is error. %s", srv.ID, v.ID, v.Reason)
	}
	return nil
}

// connectVolumes connects a server's volumes to the host it is on now, and
// keeps how, for the guest's description; used says that they count as in use.
func (f *Flows) connectVolumes(ctx context.Context, id string, used bool) error {
	srv, err := f.server(ctx, f.svc.DB, id)
	if err != nil {
		return err
	}
	connections := map[string]hostapi.VolumeConnection{}
	for _, d := range srv.Disks {
		if !onVolume(d) || d.AttachmentID == "" {
			continue
		}
		c, err := f.svc.Volumes.Connect(ctx, d.AttachmentID, srv.Host)
		if err != nil {
			return err
		}
		if used {
			if err := f.svc.Volumes.Complete(ctx, d.AttachmentID, d.Device); err != nil {
				return err
			}
		}
		connections[d.AttachmentID] = c
	}
	if len(connections) == 0 {
		return nil
	}
	return f.change(ctx, id, func(srv *compute.Server) error {
		for i, d := range srv.Disks {
			if c, has := connections[d.AttachmentID]; has {
				srv.Disks[i].Connection = &c
			}
		}
		return nil
	})
}

// releaseVolumes gives the volumes of a boot back and deletes those it made.
func (f *Flows) releaseVolumes(ctx context.Context, b *Boot) error {
	srv, err := f.server(ctx, f.svc.DB, b.ServerID)
	if errors.Is(err, errGone) {
		return nil
	}
	if err != nil || !slices.ContainsFunc(srv.Disks, onVolume) {
		return err
	}
	if err := f.dropVolumes(ctx, srv, func(d compute.Disk) bool { return d.Made }); err != nil {
		return err
	}
	return f.change(ctx, srv.ID, func(srv *compute.Server) error {
		for i := range srv.Disks {
			srv.Disks[i].AttachmentID, srv.Disks[i].Connection = "", nil
		}
		return nil
	})
}

// dropVolumes detaches all of a server's volumes and deletes those that end
// with it. An attachment that was reserved but not yet noted is found again by
// volume and server.
func (f *Flows) dropVolumes(ctx context.Context, srv compute.Server, ends func(compute.Disk) bool) error {
	scope := auth.As(srv.ProjectID, srv.UserID)
	for _, d := range srv.Disks {
		if !onVolume(d) || d.VolumeID == "" {
			continue
		}
		if err := f.svc.Volumes.Release(ctx, d.VolumeID, srv.ID); err != nil {
			return err
		}
		if !ends(d) {
			continue
		}
		if err := f.svc.Volumes.Delete(ctx, scope, d.VolumeID); err != nil && fault.KindOf(err) != fault.NotFound {
			return err
		}
	}
	return nil
}

// attachVolumeDefinition plugs a volume into a server. Its disk is in the row
// since the request; its connection follows.
func (f *Flows) attachVolumeDefinition() saga.Definition[compute.Op] {
	return saga.Definition[compute.Op]{Kind: compute.KindAttachVolume, Deadline: opDeadline,
		Steps: []saga.Step[compute.Op]{
			{Name: "connect", Component: "volume", Do: f.connectOne, Undo: func(ctx context.Context, op *compute.Op) error {
				return f.svc.Volumes.Release(ctx, op.VolumeID, op.ServerID)
			}},
			{Name: "plug", Component: "host agent", Do: func(ctx context.Context, op *compute.Op) error { return f.converge(ctx, op.ServerID, nil) },
				Undo: f.unplug},
			{Name: "complete", Component: "volume", Do: f.completeOne},
		},
		Done: f.opDone(nil),
		Failed: f.opFailed(func(srv *compute.Server, op *compute.Op) {
			srv.Disks = slices.DeleteFunc(srv.Disks, func(d compute.Disk) bool { return d.ID == op.DiskID })
		})}
}

func (f *Flows) connectOne(ctx context.Context, op *compute.Op) error {
	srv, err := f.server(ctx, f.svc.DB, op.ServerID)
	if err != nil {
		return err
	}
	attachment, err := f.svc.Volumes.Reserve(ctx, auth.As(srv.ProjectID, op.UserID), op.VolumeID, srv.ID)
	if err != nil {
		return err
	}
	if err := f.change(ctx, srv.ID, func(srv *compute.Server) error {
		if i, has := srv.Volume(op.VolumeID); has {
			srv.Disks[i].AttachmentID = attachment
		}
		return nil
	}); err != nil {
		return err
	}
	if srv.Host == "" {
		return nil
	}
	return f.connectVolumes(ctx, srv.ID, false)
}

// completeOne says that the guest has the volume, which clients wait for.
func (f *Flows) completeOne(ctx context.Context, op *compute.Op) error {
	srv, err := f.server(ctx, f.svc.DB, op.ServerID)
	if err != nil {
		return err
	}
	i, has := srv.Volume(op.VolumeID)
	if !has {
		return nil
	}
	return f.svc.Volumes.Complete(ctx, srv.Disks[i].AttachmentID, srv.Disks[i].Device)
}

// unplug takes a volume's disk out of the guest, whatever the row says.
func (f *Flows) unplug(ctx context.Context, op *compute.Op) error {
	return f.converge(ctx, op.ServerID, func(g *hostapi.Guest) {
		g.Disks = slices.DeleteFunc(g.Disks, func(d hostapi.Disk) bool { return d.ID == "vol-"+op.VolumeID })
	})
}

func (f *Flows) detachVolumeDefinition() saga.Definition[compute.Op] {
	return saga.Definition[compute.Op]{Kind: compute.KindDetachVolume, Deadline: opDeadline,
		Steps: []saga.Step[compute.Op]{
			{Name: "unplug", Component: "host agent", Do: f.unplug},
			{Name: "disconnect", Component: "volume", Do: func(ctx context.Context, op *compute.Op) error {
				return f.svc.Volumes.Release(ctx, op.VolumeID, op.ServerID)
			}},
		},
		Done: f.opDone(func(srv *compute.Server, op *compute.Op) {
			srv.Disks = slices.DeleteFunc(srv.Disks, func(d compute.Disk) bool { return d.ID == op.DiskID })
		}),
		Failed: f.opFailed(func(srv *compute.Server, op *compute.Op) {
			if i, has := srv.Volume(op.VolumeID); has {
				srv.Disks[i].Detaching = false
			}
		})}
}
