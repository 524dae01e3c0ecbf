package compute

import (
	"context"
	"slices"
	"time"

	"altostack/hostapi"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
	"altostack/saga"
)

// Steps are the 29 steps of a boot; host and control plane share the table.
var Steps = hostapi.Steps

// StepSpan makes the span of one of the 29 steps.
func StepSpan(number int, start time.Time, took time.Duration, err error, detail map[string]any) saga.Span {
	s := saga.Span{Kind: "span", Number: number, Name: Steps[number].Name, Component: Steps[number].Component,
		Start: start, Took: max(took, 0), Outcome: "ok", Detail: detail}
	if err != nil {
		f := fault.From(err)
		s.Outcome = "error"
		s.Detail = map[string]any{"code": f.Code, "message": f.Message}
		for k, v := range detail {
			s.Detail[k] = v
		}
	}
	return s
}

// SagaSpans turns what a host reported into entries of a saga's log.
func SagaSpans(spans []hostapi.Span) []saga.Span {
	out := make([]saga.Span, 0, len(spans))
	for _, s := range spans {
		if s.Step < 1 || s.Step > 29 {
			continue
		}
		out = append(out, saga.Span{Kind: "span", Number: s.Step, Name: Steps[s.Step].Name, Component: Steps[s.Step].Component,
			Start: s.Start, Took: s.Duration, Outcome: s.Outcome, Detail: s.Attrs})
	}
	return out
}

// requestSpans are steps 1 to 5, known when the request arrives.
func (s *Service) requestSpans(ctx context.Context, scope auth.Scope, decided time.Time) []saga.Span {
	arrived := rest.Started(ctx)
	if arrived.IsZero() {
		arrived = decided
	}
	var spans []saga.Span
	cached := false
	if p := scope.Principal; p != nil {
		cached = p.Cached
		start, took, known := time.Time{}, time.Duration(0), false
		if s.Identity != nil {
			start, took, known = s.Identity.TokenIssue(p.AuditID)
		}
		if !known {
			start, took = p.IssuedAt, 0
		}
		spans = append(spans, StepSpan(1, start, 0, nil, nil), StepSpan(2, start, took, nil, map[string]any{"user_id": p.UserID, "timed": known}))
	}
	return append(spans,
		StepSpan(3, arrived, 0, nil, map[string]any{"project_id": scope.ProjectID}),
		StepSpan(4, arrived, decided.Sub(arrived), nil, map[string]any{"cached": cached}),
		StepSpan(5, decided, 0, nil, map[string]any{"cached": cached}))
}

// Trace is a boot as its owner sees it.
type Trace struct {
	ServerID, Status, SagaID string
	Outcome                  saga.Status
	Steps                    []saga.Span // the 29 that applied, in order
	Saga                     []saga.Span // what the saga itself did and undid
	Fault                    *saga.Failure
}

// Ended reports whether nothing more will come.
func (t Trace) Ended() bool { return t.Outcome == saga.Done || t.Outcome == saga.Failed }

// Trace reads the 29 steps of a server's boot from the saga's log, also while
// it runs and after it failed; full adds what only operators may see.
func (s *Service) Trace(ctx context.Context, scope auth.Scope, id string, full bool) (Trace, error) {
	srv, found, err := s.Store.Server(ctx, s.DB, scope, id, full)
	if err == nil && !found {
		err = errServerNotFound(id)
	}
	if err != nil {
		return Trace{}, err
	}
	sagas, err := saga.Of(ctx, s.DB, id)
	if err != nil {
		return Trace{}, err
	}
	i := slices.IndexFunc(sagas, func(r *saga.Row) bool { return r.Kind == KindBoot })
	if i < 0 {
		return Trace{}, fault.New(fault.CodeComputeTraceNotFound, "The boot of server %s left no trace.", id)
	}
	log, err := saga.Log(ctx, s.DB, sagas[i].ID)
	if err != nil {
		return Trace{}, err
	}
	t := Trace{ServerID: id, Status: srv.Status(), SagaID: sagas[i].ID, Outcome: sagas[i].Status, Fault: sagas[i].Fault}
	latest := map[int]saga.Span{}
	for _, span := range log {
		if span.Number > 0 {
			if had, has := latest[span.Number]; !has || had.Outcome == "running" || !span.Start.Before(had.Start) {
				latest[span.Number] = span
			}
			continue
		}
		t.Saga = append(t.Saga, span)
	}
	for n := range Steps {
		if span, has := latest[n]; has {
			if !full {
				span.Detail = tenantDetail(span.Detail)
			}
			t.Steps = append(t.Steps, span)
		}
	}
	if !full && t.Fault != nil {
		f := *t.Fault
		f.Cause = ""
		t.Fault = &f
	}
	return t, nil
}

// tenantDetail drops what names the inside of the cloud.
func tenantDetail(detail map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range detail {
		switch k {
		case "host", "hosts", "lacks", "candidates", "provider_id", "pid", "path":
		default:
			out[k] = v
		}
	}
	return out
}

// WatchTrace is signalled whenever a boot's trace may have grown.
func (s *Service) WatchTrace(sagaID string) (<-chan struct{}, func()) { return s.flows.Watch(sagaID) }
