package flow

import (
	"context"
	"errors"
	"slices"
	"time"

	"altostack/compute"
	"altostack/hostapi"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/saga"
)

// grace is how long a guest may take to power off when it is asked to.
const grace = 30 * time.Second

// opDone ends an operation well; edit changes the server.
func (f *Flows) opDone(edit func(srv *compute.Server, op *compute.Op)) func(context.Context, *db.Tx, *compute.Op) error {
	return func(ctx context.Context, tx *db.Tx, op *compute.Op) error { return f.end(ctx, tx, op, nil, edit) }
}

// opFailed ends an operation that was undone; edit changes the server.
func (f *Flows) opFailed(edit func(srv *compute.Server, op *compute.Op)) func(context.Context, *db.Tx, *compute.Op, *fault.Fault) error {
	return func(ctx context.Context, tx *db.Tx, op *compute.Op, why *fault.Fault) error {
		return f.end(ctx, tx, op, why, edit)
	}
}

func (f *Flows) end(ctx context.Context, tx *db.Tx, op *compute.Op, why *fault.Fault, edit func(*compute.Server, *compute.Op)) error {
	host := ""
	if edit != nil || why != nil {
		err := f.changeTx(ctx, tx, op.ServerID, func(srv *compute.Server) error {
			host = srv.Host
			if edit != nil {
				edit(srv, op)
			}
			if why != nil {
				srv.Fault = Told(why, f.svc.Clock.Now())
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return f.finish(ctx, tx, *op, host, why)
}

// settle is the state of a server whose guest is as its row wants it.
func settle(srv *compute.Server, op *compute.Op) {
	srv.PoweredAt = op.StartedAt
	if srv.Task != compute.TaskDeleting {
		srv.Task = compute.TaskNone
	}
	switch srv.Want {
	case hostapi.PowerOn:
		srv.VMState, srv.PowerState = compute.VMActive, compute.PowerRunning
	case hostapi.PowerOff:
		srv.VMState, srv.PowerState = compute.VMStopped, compute.PowerShutdown
	case hostapi.PowerPaused:
		srv.VMState, srv.PowerState = compute.VMPaused, compute.PowerPaused
	}
}

// revert is the state of a server for which nothing came of a request.
func revert(srv *compute.Server, op *compute.Op) {
	if srv.Task != compute.TaskDeleting {
		srv.Task = compute.TaskNone
	}
	switch op.Before {
	case compute.VMActive:
		srv.Want = hostapi.PowerOn
	case compute.VMStopped:
		srv.Want = hostapi.PowerOff
	case compute.VMPaused:
		srv.Want = hostapi.PowerPaused
	}
}

func (f *Flows) powerDefinition() saga.Definition[compute.Op] {
	return saga.Definition[compute.Op]{Kind: compute.KindPower, Deadline: opDeadline,
		Steps: []saga.Step[compute.Op]{{Name: "converge", Component: "host agent",
			Do: func(ctx context.Context, op *compute.Op) error { return f.converge(ctx, op.ServerID, nil) }}},
		Done: f.opDone(settle), Failed: f.opFailed(revert)}
}

func (f *Flows) rebootDefinition() saga.Definition[compute.Op] {
	return saga.Definition[compute.Op]{Kind: compute.KindReboot, Deadline: opDeadline,
		Steps: []saga.Step[compute.Op]{{Name: "reboot", Component: "host agent", Do: f.reboot}},
		Done:  f.opDone(settle),
		Failed: f.opFailed(func(srv *compute.Server, op *compute.Op) {
			revert(srv, op)
			srv.VMState = compute.VMError
		})}
}

func (f *Flows) reboot(ctx context.Context, op *compute.Op) error {
	srv, err := f.server(ctx, f.svc.DB, op.ServerID)
	if err != nil {
		return err
	}
	agent, guest, err := f.guest(ctx, srv)
	if err != nil {
		return err
	}
	return agent.Reboot(ctx, guest, op.Hard, grace)
}

// refreshDefinition brings a changed description to the host. It has no action
// and does not fail the server: the host asks again when it is back.
func (f *Flows) refreshDefinition() saga.Definition[compute.Op] {
	return saga.Definition[compute.Op]{Kind: compute.KindRefresh, Deadline: opDeadline,
		Steps: []saga.Step[compute.Op]{{Name: "converge", Component: "host agent",
			Do: func(ctx context.Context, op *compute.Op) error { return f.converge(ctx, op.ServerID, nil) }}},
		Done:   func(context.Context, *db.Tx, *compute.Op) error { return nil },
		Failed: func(context.Context, *db.Tx, *compute.Op, *fault.Fault) error { return nil }}
}

func (f *Flows) attachInterfaceDefinition() saga.Definition[compute.Op] {
	return saga.Definition[compute.Op]{Kind: compute.KindAttachInterface, Deadline: opDeadline,
		Steps: []saga.Step[compute.Op]{{Name: "plug", Component: "host agent",
			Do: func(ctx context.Context, op *compute.Op) error { return f.converge(ctx, op.ServerID, nil) },
			Undo: func(ctx context.Context, op *compute.Op) error {
				if err := f.unplugPort(ctx, op); err != nil {
					return err
				}
				return f.svc.Network.Detach(ctx, auth.As(op.ProjectID, op.UserID), op.ServerID, op.PortID)
			}}},
		Done: f.opDone(nil), Failed: f.opFailed(nil)}
}

func (f *Flows) detachInterfaceDefinition() saga.Definition[compute.Op] {
	return saga.Definition[compute.Op]{Kind: compute.KindDetachInterface, Deadline: opDeadline,
		Steps: []saga.Step[compute.Op]{
			{Name: "unplug", Component: "host agent", Do: f.unplugPort},
			{Name: "release", Component: "network", Do: func(ctx context.Context, op *compute.Op) error {
				err := f.svc.Network.Detach(ctx, auth.As(op.ProjectID, op.UserID), op.ServerID, op.PortID)
				if fault.KindOf(err) == fault.NotFound && err != nil {
					return nil
				}
				return err
			}},
			{Name: "forget", Component: "host agent", Do: func(ctx context.Context, op *compute.Op) error { return f.converge(ctx, op.ServerID, nil) }},
		},
		Done: f.opDone(nil), Failed: f.opFailed(nil)}
}

func (f *Flows) unplugPort(ctx context.Context, op *compute.Op) error {
	return f.converge(ctx, op.ServerID, func(g *hostapi.Guest) {
		g.NICs = slices.DeleteFunc(g.NICs, func(n hostapi.NIC) bool { return n.PortID == op.PortID })
	})
}

// deleteDefinition ends a server. Nothing of it is undone: what failed is
// repeated by the next delete.
func (f *Flows) deleteDefinition() saga.Definition[compute.Op] {
	return saga.Definition[compute.Op]{Kind: compute.KindDelete, Deadline: deleteDeadline,
		Steps: []saga.Step[compute.Op]{
			{Name: "remove-guest", Component: "host agent", Do: f.onServer(f.removePatiently)},
			{Name: "release-volumes", Component: "volume", Do: f.onServer(func(ctx context.Context, srv compute.Server) error {
				return f.dropVolumes(ctx, srv, func(d compute.Disk) bool { return d.DeleteOnTermination })
			})},
			{Name: "release-network", Component: "network", Do: f.onServer(func(ctx context.Context, srv compute.Server) error {
				return f.svc.Network.Deallocate(ctx, srv.ID)
			})},
		},
		Done: f.deleted,
		Failed: f.opFailed(func(srv *compute.Server, _ *compute.Op) {
			srv.Task, srv.VMState = compute.TaskNone, compute.VMError
		})}
}

// onServer is a step on the server as it is now; one that is gone is success.
func (f *Flows) onServer(do func(ctx context.Context, srv compute.Server) error) func(context.Context, *compute.Op) error {
	return func(ctx context.Context, op *compute.Op) error {
		srv, err := f.server(ctx, f.svc.DB, op.ServerID)
		if errors.Is(err, errGone) {
			return nil
		}
		if err != nil {
			return err
		}
		return do(ctx, srv)
	}
}

// removePatiently repeats a removal that a host in trouble refuses, until it
// works, the host counts as down, or the saga's deadline comes.
func (f *Flows) removePatiently(ctx context.Context, srv compute.Server) error {
	for wait := 200 * time.Millisecond; ; wait = min(wait*2, 10*time.Second) {
		err := f.removeFrom(ctx, srv)
		if err == nil {
			return nil
		}
		tick, stop := f.svc.Clock.After(wait)
		select {
		case <-tick:
		case <-ctx.Done():
			stop()
			return err
		}
	}
}

// deleted ends a delete: claim, quota and row go together.
func (f *Flows) deleted(ctx context.Context, tx *db.Tx, op *compute.Op) error {
	srv, err := f.server(ctx, tx, op.ServerID)
	if errors.Is(err, errGone) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := f.svc.Placement.Release(ctx, tx, srv.ID); err != nil {
		return err
	}
	used := srv.Usage()
	if _, err := f.svc.Store.Use(ctx, tx, srv.ProjectID, compute.Usage{Instances: -used.Instances, Cores: -used.Cores, RAM: -used.RAM}); err != nil {
		return err
	}
	if err := f.svc.Store.LeaveGroups(ctx, tx, srv.ID); err != nil {
		return err
	}
	now := f.svc.Clock.Now()
	if srv, err = srv.Move(compute.VMDeleted, now); err != nil {
		return err
	}
	host := srv.Host
	srv.Task, srv.Deleted, srv.EndedAt, srv.PowerState, srv.Want = compute.TaskNone, true, now, compute.PowerNone, hostapi.PowerOff
	if err := f.svc.Store.SaveServer(ctx, tx, srv); err != nil {
		return err
	}
	return f.finish(ctx, tx, *op, host, nil)
}

func (f *Flows) snapshotDefinition() saga.Definition[compute.Op] {
	idle := func(srv *compute.Server, _ *compute.Op) {
		if srv.Task == compute.TaskImageSnapshot || srv.Task == compute.TaskImageUploading {
			srv.Task = compute.TaskNone
		}
	}
	return saga.Definition[compute.Op]{Kind: compute.KindSnapshot, Deadline: copyDeadline,
		Steps: []saga.Step[compute.Op]{{Name: "snapshot", Component: "host agent", Do: f.snapshot,
			Undo: func(ctx context.Context, op *compute.Op) error {
				err := f.svc.Images.Delete(ctx, auth.As(op.ProjectID, op.UserID), op.ImageID)
				if err != nil && fault.KindOf(err) == fault.NotFound {
					return nil
				}
				return err
			}}},
		Done: f.opDone(idle), Failed: f.opFailed(idle)}
}

func (f *Flows) snapshot(ctx context.Context, op *compute.Op) error {
	srv, err := f.server(ctx, f.svc.DB, op.ServerID)
	if err != nil {
		return err
	}
	agent, err := f.svc.Hosts.Agent(srv.Host)
	if err != nil {
		return err
	}
	token, _, err := f.svc.Identity.IssueService(ctx, compute.ServiceUser)
	if err != nil {
		return err
	}
	return agent.Snapshot(ctx, srv.ID, op.ImageID, token)
}
