// Package flow is how compute's intentions come true: the sagas of servers, the
// scheduler behind its bus subject, and the reconciler of what no saga looks
// after.
//
// A saga's steps find their work by the server's id alone: claims, ports,
// attachments and guests are all keyed by it, so that a step repeated after a
// crash finds what it made before. Whatever has to survive in between is in the
// server's row, not in the saga.
package flow

import (
	"context"
	"errors"
	"slices"
	"time"

	"altostack/compute"
	"altostack/hostapi"
	"altostack/kernel/auth"
	"altostack/kernel/bus"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/saga"
)

// Deadlines, from acceptance; a boot's is compute.Config.BootDeadline.
const (
	deleteDeadline = 10 * time.Minute
	opDeadline     = 5 * time.Minute
	copyDeadline   = 30 * time.Minute
)

// Flows starts compute's sagas.
type Flows struct {
	svc    *compute.Service
	engine *saga.Engine
	boot   saga.Starter[Boot]
	ops    map[string]saga.Starter[compute.Op]
	stop   func()
}

var _ compute.Flows = (*Flows)(nil)

// New registers compute's sagas with an engine that has not started, gives the
// service the means to start them, and answers the scheduler's subject.
func New(engine *saga.Engine, svc *compute.Service) *Flows {
	f := &Flows{svc: svc, engine: engine, ops: map[string]saga.Starter[compute.Op]{}}
	f.boot = saga.Register(engine, f.bootDefinition())
	for _, d := range []saga.Definition[compute.Op]{f.deleteDefinition(), f.powerDefinition(), f.rebootDefinition(), f.refreshDefinition(),
		f.attachVolumeDefinition(), f.detachVolumeDefinition(), f.attachInterfaceDefinition(), f.detachInterfaceDefinition(), f.snapshotDefinition(), f.rebuildDefinition()} {
		f.ops[d.Kind] = saga.Register(engine, d)
	}
	svc.Run(f)
	f.stop = bus.Answer(svc.Bus, compute.SchedulerSubject, svc.Choose)
	return f
}

// Close stops answering the scheduler's subject.
func (f *Flows) Close() { f.stop() }

// Boot accepts the boot of a server.
func (f *Flows) Boot(ctx context.Context, tx *db.Tx, req saga.Request, serverID string) (string, error) {
	return f.boot.Start(ctx, tx, req, Boot{ServerID: serverID, RequestID: requestID(ctx)})
}

// Start accepts another operation.
func (f *Flows) Start(ctx context.Context, tx *db.Tx, kind string, op compute.Op) (string, error) {
	return f.ops[kind].Start(ctx, tx, saga.Request{Subject: op.ServerID, ProjectID: op.ProjectID}, op)
}

// CancelBoot asks a boot under way to undo itself.
func (f *Flows) CancelBoot(ctx context.Context, tx *db.Tx, serverID string) error {
	return f.engine.Cancel(ctx, tx, serverID, compute.KindBoot)
}

// Watch is signalled whenever a saga's log may have grown.
func (f *Flows) Watch(sagaID string) (<-chan struct{}, func()) { return f.engine.Watch(sagaID) }

// Wait returns when a saga has ended.
func (f *Flows) Wait(ctx context.Context, sagaID string) error { return f.engine.Wait(ctx, sagaID) }

// Append adds spans to a saga's log while it runs.
func (f *Flows) Append(ctx context.Context, sagaID string, spans []saga.Span) error {
	return f.engine.Append(ctx, sagaID, spans)
}

var system = auth.System("compute sagas")

// errGone means that the server is deleted: there is nothing left to work on.
var errGone = errors.New("the server is gone")

func (f *Flows) server(ctx context.Context, r db.Reader, id string) (compute.Server, error) {
	srv, found, err := f.svc.Store.Server(ctx, r, system, id, false)
	if err == nil && !found {
		err = errGone
	}
	return srv, err
}

// change reads, changes and saves a server in a transaction of its own.
func (f *Flows) change(ctx context.Context, id string, c func(srv *compute.Server) error) error {
	return f.svc.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return f.changeTx(ctx, tx, id, c) })
}

// changeTx is change in the saga's transaction; a server that is gone is success.
func (f *Flows) changeTx(ctx context.Context, tx *db.Tx, id string, c func(srv *compute.Server) error) error {
	srv, err := f.server(ctx, tx, id)
	if errors.Is(err, errGone) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := c(&srv); err != nil {
		return err
	}
	return f.svc.Store.SaveServer(ctx, tx, srv.Touch(f.svc.Clock.Now()))
}

// converge brings a server's present description to its host; f may change it.
func (f *Flows) converge(ctx context.Context, id string, edit func(g *hostapi.Guest)) error {
	srv, err := f.server(ctx, f.svc.DB, id)
	if errors.Is(err, errGone) || err == nil && srv.Host == "" {
		return nil
	}
	if err != nil {
		return err
	}
	agent, guest, err := f.guest(ctx, srv)
	if err != nil {
		return err
	}
	if edit != nil {
		edit(&guest)
	}
	return agent.Converge(ctx, guest, hostapi.ConvergeOptions{Grace: grace, RequestID: requestID(ctx)})
}

func (f *Flows) guest(ctx context.Context, srv compute.Server) (hostapi.Agent, hostapi.Guest, error) {
	agent, err := f.svc.Hosts.Agent(srv.Host)
	if err != nil {
		return nil, hostapi.Guest{}, err
	}
	guests, err := f.svc.Guests(ctx, []compute.Server{srv})
	if err != nil {
		return nil, hostapi.Guest{}, err
	}
	return agent, guests[0], nil
}

// up reports whether a host answers its heartbeats.
func (f *Flows) up(ctx context.Context, name string) bool {
	host, found, err := f.svc.Store.Host(ctx, f.svc.DB, name)
	return err != nil || found && host.Up(f.svc.Clock.Now())
}

// finish ends an action in the transaction that ends its saga.
func (f *Flows) finish(ctx context.Context, tx *db.Tx, op compute.Op, host string, why *fault.Fault) error {
	if op.Action == "" {
		return nil
	}
	e := compute.Event{Name: op.Event, StartedAt: op.StartedAt, FinishedAt: f.svc.Clock.Now(), Result: "Success", Host: host}
	message := ""
	if why != nil {
		e.Result, e.Details, message = "Error", why.Message, "Error"
	}
	return f.svc.Store.FinishAction(ctx, tx, op.ServerID, op.RequestID, op.Action, message, []compute.Event{e}, e.FinishedAt)
}

// hostsOf are all the hosts that may have something of a server.
func hostsOf(srv compute.Server) []string {
	hosts := slices.Clone(srv.Tried)
	if srv.Host != "" && !slices.Contains(hosts, srv.Host) {
		hosts = append(hosts, srv.Host)
	}
	return hosts
}
