package flow

import (
	"context"
	"time"

	"altostack/compute"
	"altostack/kernel/fault"
	"altostack/reconcile"
	"altostack/saga"
)

// Loop looks after servers that no saga looks after.
func (f *Flows) Loop() reconcile.Loop {
	return reconcile.Loop{Name: "compute servers", Every: 30 * time.Second, Run: f.Reconcile}
}

// Reconcile ends builds that nothing works on: they can only come from a
// database that was mended by hand or restored in part.
func (f *Flows) Reconcile(ctx context.Context) error {
	now := f.svc.Clock.Now()
	stuck, err := f.svc.Store.Stuck(ctx, f.svc.DB, now.Add(-f.svc.BootDeadline-saga.UndoGrace))
	if err != nil {
		return err
	}
	for _, srv := range stuck {
		open, err := f.worked(ctx, srv.ID)
		if err != nil {
			return err
		}
		if open {
			continue
		}
		f.svc.Log.WarnContext(ctx, "a server in BUILD has no saga: it goes to ERROR", "server_id", srv.ID)
		if err := f.change(ctx, srv.ID, func(s *compute.Server) error {
			if s.Generation != srv.Generation {
				return nil // somebody works on it after all
			}
			s.VMState, s.Task = compute.VMError, compute.TaskNone
			s.Fault = Told(fault.New(fault.CodeComputeBuildTimeout, "The build of server %s was lost.", s.ID).WithHint("Delete the server and create it again."), now)
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// worked reports whether a saga works on a server, or will.
func (f *Flows) worked(ctx context.Context, id string) (bool, error) {
	rows, err := saga.Of(ctx, f.svc.DB, id)
	for _, r := range rows {
		if r.Status == saga.Running || r.Status == saga.Undoing {
			return true, err
		}
	}
	return false, err
}
