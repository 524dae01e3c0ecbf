package agent

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"altostack/hostapi"
	"altostack/kernel/clock"
	"altostack/kernel/fault"
)

// attrs are the ids and numbers a step decided.
type attrs map[string]any

// trace collects the spans of one build; steps may run side by side.
type trace struct {
	clock clock.Clock
	mu    sync.Mutex
	spans map[int]hostapi.Span
	fresh map[int]bool // changed since the last report of progress
}

func newTrace(c clock.Clock) *trace {
	return &trace{clock: c, spans: map[int]hostapi.Span{}, fresh: map[int]bool{}}
}

// outcomes of a span.
const (
	outcomeOK      = "ok"
	outcomeError   = "error"
	outcomeSkipped = "skipped"
	outcomeRunning = "running"
)

// begin opens a step; the function it answers ends it.
func (t *trace) begin(step int) func(err error, a attrs) {
	start := t.clock.Now()
	t.put(hostapi.Span{Step: step, Start: start, Outcome: outcomeRunning})
	return func(err error, a attrs) { t.add(step, start, t.clock.Now().Sub(start), err, a) }
}

// add records a step that is over.
func (t *trace) add(step int, start time.Time, d time.Duration, err error, a attrs) {
	s := hostapi.Span{Step: step, Start: start, Duration: max(d, 0), Outcome: outcomeOK, Attrs: a}
	switch {
	case errors.Is(err, context.Canceled):
		s.Outcome = outcomeSkipped // given up because another step failed
	case err != nil:
		s.Outcome = outcomeError
		f := fault.From(err)
		s.Attrs = maps.Clone(a)
		if s.Attrs == nil {
			s.Attrs = attrs{}
		}
		s.Attrs["code"], s.Attrs["message"] = string(f.Code), f.Message
	}
	t.put(s)
}

// skip records steps that do not apply.
func (t *trace) skip(a attrs, steps ...int) {
	for _, step := range steps {
		t.put(hostapi.Span{Step: step, Start: t.clock.Now(), Outcome: outcomeSkipped, Attrs: a})
	}
}

func (t *trace) put(s hostapi.Span) {
	if s.Component == "" {
		s.Component, s.Name = hostapi.Steps[s.Step].Component, hostapi.Steps[s.Step].Name
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spans[s.Step], t.fresh[s.Step] = s, true
}

// list answers the spans in order; those that still run have the duration they
// took until now.
func (t *trace) list() []hostapi.Span {
	now := t.clock.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]hostapi.Span, 0, len(t.spans))
	for _, step := range slices.Sorted(maps.Keys(t.spans)) {
		s := t.spans[step]
		if s.Outcome == outcomeRunning {
			s.Duration = now.Sub(s.Start)
		}
		list = append(list, s)
	}
	return list
}

// progress answers the spans that changed since it was last asked, if a step
// has been running for d; none otherwise.
func (t *trace) progress(d time.Duration) []hostapi.Span {
	if !t.slow(d) {
		return nil
	}
	all := t.list()
	t.mu.Lock()
	defer t.mu.Unlock()
	all = slices.DeleteFunc(all, func(s hostapi.Span) bool { return !t.fresh[s.Step] })
	clear(t.fresh)
	return all
}

// slow reports whether a step has been running for d.
func (t *trace) slow(d time.Duration) bool {
	now := t.clock.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.spans {
		if s.Outcome == outcomeRunning && now.Sub(s.Start) >= d {
			return true
		}
	}
	return false
}
