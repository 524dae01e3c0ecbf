package flow

import (
	"context"
	"errors"

	"altostack/compute"
	"altostack/saga"
)

// rebuildDefinition removes a guest with its root disk and has it built again,
// from the image that the row now names, on the same host. There is no way back
// to the old disk: a rebuild that fails leaves the server in ERROR, and another
// one may be asked for.
func (f *Flows) rebuildDefinition() saga.Definition[compute.Op] {
	return saga.Definition[compute.Op]{Kind: compute.KindRebuild, Deadline: f.svc.BootDeadline,
		Steps: []saga.Step[compute.Op]{
			{Name: "remove-guest", Component: "host agent", Do: f.onServer(f.removeFrom)},
			{Name: "build", Component: "host agent", Do: f.onServer(func(ctx context.Context, srv compute.Server) error {
				err := f.buildOn(ctx, srv)
				if again := (retryable{}); errors.As(err, &again) {
					return again.error // its volumes and ports are here
				}
				return err
			})},
		},
		Done: f.opDone(func(srv *compute.Server, op *compute.Op) {
			settle(srv, op)
			srv.Fault, srv.LaunchedAt = nil, f.svc.Clock.Now()
		}),
		Failed: f.opFailed(func(srv *compute.Server, _ *compute.Op) {
			if srv.Task != compute.TaskDeleting {
				srv.Task = compute.TaskNone
			}
			srv.VMState = compute.VMError
		})}
}
