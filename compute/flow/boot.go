package flow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"altostack/compute"
	"altostack/hostapi"
	"altostack/kernel/bus"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/telemetry"
	"altostack/saga"
)

// Boot is what a boot has decided so far.
type Boot struct {
	ServerID  string
	RequestID string
	Hosts     []compute.Chosen
}

const (
	// maxHosts is on how many hosts a server is tried.
	maxHosts = 3
	// resend is how often an order is repeated while no report arrives.
	resend = 5 * time.Second
)

func requestID(ctx context.Context) string { return telemetry.RequestID(ctx) }

func (f *Flows) bootDefinition() saga.Definition[Boot] {
	return saga.Definition[Boot]{Kind: compute.KindBoot, Deadline: f.svc.BootDeadline,
		Steps: []saga.Step[Boot]{
			{Name: "choose-host", Component: "scheduler", Do: f.chooseHost},
			{Name: "claim-host", Component: "scheduler", Tx: f.claimHost, UndoTx: f.releaseHost},
			{Name: "allocate", Component: "network, volume", Do: f.allocate, Undo: f.release},
			{Name: "build", Component: "host agent", Do: f.build, Undo: f.removeGuest},
		},
		Done: f.booted, Failed: f.bootFailed}
}

// chooseHost is steps 8 to 10.
func (f *Flows) chooseHost(ctx context.Context, b *Boot) error {
	choice, err := f.ask(ctx, b.ServerID, nil)
	if err != nil {
		return err
	}
	b.Hosts = choice.Hosts
	saga.Note(ctx, choice.Spans...)
	return nil
}

// ask calls the scheduler; its refusal is in the trace with what each host lacked.
func (f *Flows) ask(ctx context.Context, serverID string, excluded []string) (compute.Choice, error) {
	sent := f.svc.Clock.Now()
	choice, err := bus.Ask[compute.Question, compute.Choice](ctx, f.svc.Bus, compute.SchedulerSubject, compute.Question{ServerID: serverID, Excluded: excluded, SentAt: sent})
	if err != nil {
		now := f.svc.Clock.Now()
		saga.Note(ctx, compute.StepSpan(8, sent, 0, nil, nil), compute.StepSpan(9, sent, 0, nil, nil),
			compute.StepSpan(10, sent, now.Sub(sent), err, map[string]any{"lacks": fault.From(err).Extra["lacks"]}))
		if lacks, ok := fault.From(err).Extra["lacks"].(string); ok {
			err = fault.Because(errors.New(lacks), fault.From(err).Code, "%s", fault.From(err).Message) // the saga keeps the cause for operators
		}
	}
	return choice, err
}

// claimHost is step 11: the claim and the server's tie to its host are one
// transaction. A host that filled up in the meantime gives way to the next.
func (f *Flows) claimHost(ctx context.Context, tx *db.Tx, b *Boot) error {
	start := f.svc.Clock.Now()
	chosen, err := f.claim(ctx, tx, b.ServerID, b.Hosts, "")
	if err == nil {
		saga.Note(ctx, compute.StepSpan(11, start, f.svc.Clock.Now().Sub(start), nil, map[string]any{"host": chosen.Name, "provider_id": chosen.ProviderID}))
	}
	return err
}

// claim takes the first of the hosts that has room. failed is the host before.
func (f *Flows) claim(ctx context.Context, tx *db.Tx, serverID string, hosts []compute.Chosen, failed string) (compute.Chosen, error) {
	var chosen compute.Chosen
	srv, err := f.server(ctx, tx, serverID)
	if err != nil {
		return chosen, err
	}
	consumer := compute.Consumer{ID: srv.ID, ProjectID: srv.ProjectID, UserID: srv.UserID, Type: "INSTANCE"}
	err = fault.New(fault.CodeComputeNoValidHost, "No valid host was found. There are not enough hosts available.")
	spec, members := srv.Spec(), map[string]int(nil)
	if spec.GroupID != "" {
		var gerr error
		if members, gerr = f.svc.Store.GroupHosts(ctx, tx, spec.GroupID, srv.ID); gerr != nil {
			return chosen, gerr
		}
	}
	for _, h := range hosts {
		if spec.RefusedByGroup(h.Name, members, h.PerHost) != "" {
			continue // another member got there first
		}
		if err = f.svc.Placement.Claim(ctx, tx, consumer, h.ProviderID, srv.Resources()); err == nil {
			chosen = h
			break
		}
		if fault.KindOf(err) != fault.Conflict {
			return chosen, err
		}
		err = fault.Because(err, fault.CodeComputeNoValidHost, "No valid host was found. There are not enough hosts available.")
	}
	if err != nil {
		return chosen, err
	}
	srv.Host, srv.Zone, srv.Task = chosen.Name, chosen.Zone, compute.TaskSpawning
	if srv.BootSaga == "" {
		srv.BootSaga = saga.ID(ctx)
	}
	if failed != "" && !slices.Contains(srv.Tried, failed) {
		srv.Tried = append(srv.Tried, failed)
	}
	return chosen, f.svc.Store.SaveServer(ctx, tx, srv.Touch(f.svc.Clock.Now()))
}

func (f *Flows) releaseHost(ctx context.Context, tx *db.Tx, b *Boot) error {
	if err := f.svc.Placement.Release(ctx, tx, b.ServerID); err != nil {
		return err
	}
	return f.changeTx(ctx, tx, b.ServerID, func(srv *compute.Server) error { srv.Host, srv.Tried = "", nil; return nil })
}

// allocate makes what the guest needs besides its host. Ports and volumes are one
// step as each step costs a durable write, and both find their own work again.
func (f *Flows) allocate(ctx context.Context, b *Boot) error {
	if err := f.allocateNetwork(ctx, b); err != nil {
		return err
	}
	return f.prepareVolumes(ctx, b)
}

// release undoes allocate.
func (f *Flows) release(ctx context.Context, b *Boot) error {
	if err := f.releaseVolumes(ctx, b); err != nil {
		return err
	}
	return f.svc.Network.Deallocate(ctx, b.ServerID)
}

func (f *Flows) allocateNetwork(ctx context.Context, b *Boot) error {
	srv, err := f.server(ctx, f.svc.DB, b.ServerID)
	if err != nil {
		return err
	}
	resolved := srv.Spec().Networks
	if resolved.Auto == "none" {
		return nil
	}
	_, err = f.svc.Network.Allocate(ctx, compute.Allocation{ServerID: srv.ID, ProjectID: srv.ProjectID, UserID: srv.UserID, Zone: srv.Zone,
		Host: srv.Host, Hostname: srv.Hostname, Resolved: resolved})
	return err
}

// retryable is a failure that another host may not have.
type retryable struct{ error }

func (r retryable) Unwrap() error { return r.error }

// build has the server built on its host, and where that fails for a reason of
// the host's, on others.
func (f *Flows) build(ctx context.Context, b *Boot) error {
	for {
		srv, err := f.server(ctx, f.svc.DB, b.ServerID)
		if err != nil {
			return err
		}
		err = f.buildOn(ctx, srv)
		var again retryable
		if err == nil || !errors.As(err, &again) || len(srv.Tried)+1 >= maxHosts || ctx.Err() != nil {
			return err
		}
		f.svc.Log.WarnContext(ctx, "a host could not build a server, another one is tried", "host", srv.Host, "error", err)
		if merr := f.elsewhere(ctx, srv); merr != nil {
			if fault.Has(merr, fault.CodeComputeNoValidHost) {
				return err // why the host that had room failed says more
			}
			return merr
		}
	}
}

// elsewhere moves a server that could not be built to another host.
func (f *Flows) elsewhere(ctx context.Context, srv compute.Server) error {
	choice, err := f.ask(ctx, srv.ID, append(slices.Clone(srv.Tried), srv.Host))
	if err != nil {
		return err
	}
	saga.Note(ctx, choice.Spans...)
	if agent, err := f.svc.Hosts.Agent(srv.Host); err == nil {
		if err := agent.Remove(ctx, srv.ID); err != nil { // its own sweep does it later: the server is not its any more
			f.svc.Log.WarnContext(ctx, "a failed guest is left to its host's sweep", "host", srv.Host, "error", err)
		}
	}
	var chosen compute.Chosen
	start := f.svc.Clock.Now()
	if err := f.svc.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		var err error
		chosen, err = f.claim(ctx, tx, srv.ID, choice.Hosts, srv.Host)
		return err
	}); err != nil {
		return err
	}
	saga.Note(ctx, compute.StepSpan(11, start, f.svc.Clock.Now().Sub(start), nil, map[string]any{"host": chosen.Name, "after": srv.Host}))
	if err := f.svc.Network.Bind(ctx, srv.ID, chosen.Name); err != nil {
		return err
	}
	return f.connectVolumes(ctx, srv.ID, true)
}

// buildOn is steps 12 to 29: the order is cast, and again while nothing is
// heard, until the host reports how it ended.
func (f *Flows) buildOn(ctx context.Context, srv compute.Server) error {
	sagaID := saga.ID(ctx)
	reports := make(chan hostapi.BuildResult, 1)
	stop := f.svc.Bus.Listen(compute.BuiltSubject(sagaID), func(event []byte) {
		var r hostapi.BuildResult
		if err := json.Unmarshal(event, &r); err != nil || r.Host != srv.Host {
			return
		}
		select {
		case reports <- r:
		default: // one is waiting already
		}
	})
	defer stop()
	for first := true; ; first = false {
		sent := f.svc.Clock.Now()
		err := f.cast(ctx, srv, sagaID, sent)
		if first {
			span := compute.StepSpan(12, sent, f.svc.Clock.Now().Sub(sent), err, map[string]any{"host": srv.Host})
			saga.Note(ctx, span)
			defer f.showLate(sagaID, span)()
		}
		if err != nil && !f.up(ctx, srv.Host) {
			return retryable{fault.Because(err, fault.CodeComputeHostUnavailable, "The server's host does not answer.")}
		}
		tick, stopTick := f.svc.Clock.After(resend)
		select {
		case r := <-reports:
			stopTick()
			saga.Note(ctx, compute.SagaSpans(r.Spans)...)
			return outcome(r)
		case <-ctx.Done():
			stopTick()
			return context.Cause(ctx)
		case <-tick:
			if !f.up(ctx, srv.Host) {
				return retryable{fault.New(fault.CodeComputeHostUnavailable, "The server's host does not answer.")}
			}
		}
	}
}

// showLate writes the order's span while the build goes on, if that takes long:
// who follows the trace live wants it before those of the host. A quick build
// saves the write; the function that is answered ends the wait.
func (f *Flows) showLate(sagaID string, span saga.Span) (end func()) {
	done := make(chan struct{})
	tick, stop := f.svc.Clock.After(200 * time.Millisecond)
	go func() {
		select {
		case <-tick:
			if err := f.engine.Append(context.Background(), sagaID, []saga.Span{span}); err != nil {
				f.svc.Log.Debug("a span could not be shown early", "saga", sagaID, "error", err)
			}
		case <-done:
		}
	}()
	return func() { close(done); stop() }
}

func (f *Flows) cast(ctx context.Context, srv compute.Server, sagaID string, at time.Time) error {
	agent, err := f.svc.Hosts.Agent(srv.Host)
	if err != nil {
		return err
	}
	return agent.Build(ctx, hostapi.BuildOrder{GuestID: srv.ID, SagaID: sagaID, SentAt: at})
}

// outcome is a report as the step's error.
func outcome(r hostapi.BuildResult) error {
	if r.Code == "" {
		return nil
	}
	f := fault.New(fault.CodeComputeBuildFailed, "%s", r.Message).WithHint("%s", r.Hint).WithExtra("code", r.Code)
	if r.Retry {
		return retryable{f}
	}
	return f
}

// removeGuest undoes a build on every host that may have begun one.
func (f *Flows) removeGuest(ctx context.Context, b *Boot) error {
	srv, err := f.server(ctx, f.svc.DB, b.ServerID)
	if errors.Is(err, errGone) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.removeFrom(ctx, srv)
}

// removeFrom ends a server's guest. A host that is down removes it when it is
// back and sees that the server is not its any more.
func (f *Flows) removeFrom(ctx context.Context, srv compute.Server) error {
	for _, host := range hostsOf(srv) {
		agent, err := f.svc.Hosts.Agent(host)
		if err == nil {
			err = agent.Remove(ctx, srv.ID)
		}
		if err != nil && f.up(ctx, host) {
			return fmt.Errorf("remove guest of server %s from host %s: %w", srv.ID, host, err)
		}
	}
	return nil
}

// booted ends a boot well.
func (f *Flows) booted(ctx context.Context, tx *db.Tx, b *Boot) error {
	srv, err := f.server(ctx, tx, b.ServerID)
	if errors.Is(err, errGone) {
		return nil
	}
	if err != nil {
		return err
	}
	now := f.svc.Clock.Now()
	srv, err = srv.Move(compute.VMActive, now)
	if err != nil {
		return err
	}
	srv.PowerState, srv.LaunchedAt, srv.Tried, srv.Progress = compute.PowerRunning, now, nil, 0
	if srv.Task != compute.TaskDeleting {
		srv.Task = compute.TaskNone
	}
	if err := f.svc.Store.SaveServer(ctx, tx, srv); err != nil {
		return err
	}
	return f.finish(ctx, tx, bootOp(b, srv), srv.Host, nil)
}

func bootOp(b *Boot, srv compute.Server) compute.Op {
	return compute.Op{ServerID: srv.ID, RequestID: b.RequestID, Action: "create", Event: "compute__do_build_and_run_instance", StartedAt: srv.CreatedAt}
}

// bootFailed tells the owner why, and the operator more.
func (f *Flows) bootFailed(ctx context.Context, tx *db.Tx, b *Boot, why *fault.Fault) error {
	srv, err := f.server(ctx, tx, b.ServerID)
	if errors.Is(err, errGone) {
		return nil
	}
	if err != nil {
		return err
	}
	now := f.svc.Clock.Now()
	if srv.Task == compute.TaskDeleting {
		return f.finish(ctx, tx, bootOp(b, srv), srv.Host, why) // what it was until it is gone; ERROR would tell of a failed delete
	}
	if srv, err = srv.Move(compute.VMError, now); err != nil {
		return err
	}
	srv.Task, srv.Fault = compute.TaskNone, Told(why, now)
	if err := f.svc.Store.SaveServer(ctx, tx, srv); err != nil {
		return err
	}
	return f.finish(ctx, tx, bootOp(b, srv), srv.Host, why)
}

// Told is a fault as a server shows it.
func Told(why *fault.Fault, now time.Time) *compute.Fault {
	message := why.Message
	if why.Hint != "" {
		message += " " + why.Hint
	}
	details := string(why.Code)
	if cause := errors.Unwrap(why); cause != nil {
		details += ": " + cause.Error()
	}
	return &compute.Fault{Code: 500, Message: message, Details: details, Created: now}
}
