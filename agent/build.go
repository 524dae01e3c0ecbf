package agent

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"altostack/hostapi"
	"altostack/kernel/fault"
)

// stepLimit bounds cleaning up, which goes on when its caller has given up.
const stepLimit = time.Minute

// build is one order being carried out.
type build struct {
	order hostapi.BuildOrder
	stop  context.CancelCauseFunc
	taken time.Time
	over  bool // only its report is under way
}

// Build takes the order and returns; see [hostapi.Agent]. An order that is
// being carried out is not taken twice; one of a newer saga replaces it. One whose
// end is only being reported is answered again: who asks may not have heard.
func (a *Agent) Build(ctx context.Context, order hostapi.BuildOrder) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return closing()
	}
	if old := a.builds[order.GuestID]; old != nil && !old.over {
		if old.order.SagaID == order.SagaID {
			return nil
		}
		old.stop(errSuperseded)
	}
	bctx, stop := context.WithCancelCause(a.ctx)
	b := &build{order: order, stop: stop, taken: a.cfg.Clock.Now()}
	a.builds[order.GuestID] = b
	a.work.Add(1)
	go func() {
		defer a.work.Done()
		defer stop(nil)
		a.carryOut(bctx, b)
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.builds[order.GuestID] == b {
			delete(a.builds, order.GuestID)
		}
	}()
	return nil
}

// carryOut builds and reports. Nothing is reported of a build that ends with
// the agent or that another took over: the order comes again, or has.
func (a *Agent) carryOut(ctx context.Context, b *build) {
	t := newTrace(a.cfg.Clock)
	result, err := a.buildInTurn(ctx, t, b)
	if errors.Is(err, errClosing) || errors.Is(err, errSuperseded) {
		return
	}
	if err != nil {
		result = a.result(t, b, err)
		a.log.Warn("a guest could not be built", "server_id", b.order.GuestID, "saga", b.order.SagaID, "error", err)
	}
	a.mu.Lock()
	b.over = true
	a.mu.Unlock()
	a.look()
	a.report(ctx, result, errors.Is(err, errRemoved))
}

// buildInTurn builds while nobody else works on the guest, and keeps the result
// of a success, so that a repeated order is answered from it.
func (a *Agent) buildInTurn(ctx context.Context, t *trace, b *build) (result hostapi.BuildResult, err error) {
	ctx, leave, err := a.turns.enter(ctx, b.order.GuestID, false)
	if err != nil {
		return result, err
	}
	defer leave()
	done, reported := make(chan struct{}), make(chan struct{})
	go func() { defer close(reported); a.progress(ctx, t, b, done) }()
	err = a.build(ctx, t, b)
	close(done)
	<-reported // so that progress never comes after the end
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return result, err
	}
	result = a.result(t, b, nil)
	r, _ := a.records.get(b.order.GuestID)
	r.Result = &result
	return result, a.records.put(r)
}

func (a *Agent) result(t *trace, b *build, err error) hostapi.BuildResult {
	r := hostapi.BuildResult{GuestID: b.order.GuestID, SagaID: b.order.SagaID, Host: a.cfg.Host, Final: true, Spans: t.list()}
	if err == nil {
		return r
	}
	if errors.Is(err, errRemoved) {
		err = fault.Because(err, fault.CodeAgentBuildCanceled, "The server was removed while the host was building it.")
	}
	f := fault.From(err)
	r.Code, r.Message, r.Hint, r.Retry = string(f.Code), f.Message, f.Hint, elsewhere(err)
	return r
}

// report tells the conductor how the build ended, until it listens. What a
// removal interrupted is told once: whoever removed knows.
func (a *Agent) report(ctx context.Context, result hostapi.BuildResult, once bool) {
	if once {
		ctx = context.WithoutCancel(ctx)
	}
	for n := 0; ctx.Err() == nil; n++ {
		err := a.cfg.Conductor.Built(ctx, result)
		if err == nil || once {
			return
		}
		a.log.Debug("the conductor did not take a result", "server_id", result.GuestID, "error", err)
		if a.wait(ctx, backoff(n)) != nil {
			return
		}
	}
}

// progress reports what changed while a step takes long, until done.
func (a *Agent) progress(ctx context.Context, t *trace, b *build, done <-chan struct{}) {
	for {
		tick, stop := a.cfg.Clock.After(a.cfg.Every.Progress)
		select {
		case <-done:
			stop()
			return
		case <-tick:
		}
		spans := t.progress(a.cfg.Every.Progress)
		if len(spans) == 0 {
			continue
		}
		result := hostapi.BuildResult{GuestID: b.order.GuestID, SagaID: b.order.SagaID, Host: a.cfg.Host, Spans: spans}
		if err := a.cfg.Conductor.Built(ctx, result); err != nil {
			a.log.Debug("the conductor did not take progress", "server_id", b.order.GuestID, "error", err)
		}
	}
}

// build makes the guest, steps 13 to 29. Whatever a failed build made that was
// not there before is removed again.
func (a *Agent) build(ctx context.Context, t *trace, b *build) error {
	t.add(13, b.taken, a.cfg.Clock.Now().Sub(b.taken), nil, attrs{"host": a.cfg.Host, "saga_id": b.order.SagaID})
	if done, err := a.alreadyBuilt(ctx, t, b); done || err != nil {
		return err
	}
	before, known := a.records.get(b.order.GuestID)
	guest, err := a.describe(ctx, t, b.order.GuestID)
	if err == nil {
		err = a.provide(ctx, t, &guest)
	}
	if err == nil {
		err = a.create(ctx, t, guest)
	}
	fresh := !known || !before.Built
	if err == nil || !fresh || errors.Is(context.Cause(ctx), errClosing) || errors.Is(context.Cause(ctx), errSuperseded) {
		return err
	}
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepLimit)
	defer cancel()
	if e := a.erase(cleanup, b.order.GuestID); e != nil {
		a.log.Error("a failed build could not be undone; the sweep tries again", "server_id", b.order.GuestID, "error", e)
	}
	return err
}

// alreadyBuilt answers a repeated order of a guest that stands.
func (a *Agent) alreadyBuilt(ctx context.Context, t *trace, b *build) (bool, error) {
	r, ok := a.records.get(b.order.GuestID)
	if !ok || !r.Built || r.Result == nil || r.Result.SagaID != b.order.SagaID {
		return false, nil
	}
	guests, err := a.cfg.Hypervisor.Guests(ctx)
	if err != nil {
		return false, asFault(err, fault.CodeAgentHypervisorFailed, "The host could not list its guests.")
	}
	for _, g := range guests {
		if g.ID == b.order.GuestID && g.State != hostapi.GuestCrashed {
			for _, s := range r.Result.Spans {
				t.put(s)
			}
			return true, nil
		}
	}
	return false, nil
}

// describe asks the conductor what to build and keeps it: steps 14 to 19. A
// conductor that is away is waited for, as the order stands until it is answered.
func (a *Agent) describe(ctx context.Context, t *trace, id string) (hostapi.Guest, error) {
	end := t.begin(14)
	asked := a.cfg.Clock.Now()
	var d hostapi.Described
	for n := 0; ; n++ {
		var err error
		if d, err = a.cfg.Conductor.Guest(ctx, a.cfg.Host, id); err == nil {
			break
		}
		if fault.KindOf(err) != fault.Unavailable && fault.KindOf(err) != fault.Internal || n+1 >= attempts || ctx.Err() != nil {
			err = asFault(err, fault.CodeAgentServiceUnavailable, "The conductor did not answer the host.")
			end(err, nil)
			return hostapi.Guest{}, err
		}
		if err := a.wait(ctx, backoff(n)); err != nil {
			end(err, nil)
			return hostapi.Guest{}, err
		}
	}
	answered := a.cfg.Clock.Now()
	first, last := asked, answered
	for i, s := range d.Spans {
		t.put(s)
		if i == 0 {
			first = s.Start
		}
		last = s.Start.Add(s.Duration)
	}
	t.add(14, asked, first.Sub(asked), nil, attrs{"server_id": id})
	t.add(18, last, answered.Sub(last), nil, nil)
	end = t.begin(19)
	_, err := a.records.accept(d.Guest)
	end(err, attrs{"server_id": id, "generation": d.Guest.Generation})
	return d.Guest, err
}

// provide gets everything the guest needs from the other services, side by side.
func (a *Agent) provide(ctx context.Context, t *trace, guest *hostapi.Guest) error {
	wanted := *guest
	together, ctx := errgroup.WithContext(ctx)
	together.Go(func() error { return a.images(ctx, t, wanted) })
	together.Go(func() error { return a.ports(ctx, t, wanted) })
	together.Go(func() error { return a.volumes(ctx, t, guest) })
	return together.Wait()
}

// create is step 29: disks and the machine.
func (a *Agent) create(ctx context.Context, t *trace, guest hostapi.Guest) error {
	end := t.begin(29)
	err := a.ensure(ctx, guest, 0)
	if err == nil {
		r, _ := a.records.get(guest.ID)
		r.Guest, r.Built, r.Converged = guest, true, guest.Generation
		err = a.records.put(r)
	}
	end(err, attrs{"server_id": guest.ID})
	return err
}
