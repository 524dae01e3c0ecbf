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

// stepNames are the host's part of the 29 steps, as docs/boot-steps.md lists
// them: component and what happens.
var stepNames = map[int][2]string{
	13: {"host agent", "take the order from the queue"},
	14: {"host agent → conductor", "ask for the server's description"},
	15: {"conductor", "take the request"},
	16: {"conductor → database", "look the server up"},
	17: {"database → conductor", "flavor, image, ports, volumes, user data, keys"},
	18: {"conductor → host agent", "answer with the description"},
	19: {"host agent", "receive and store the description"},
	20: {"host agent → image API", "ask for the image"},
	21: {"image API → identity", "validate the service token"},
	22: {"image API → host agent", "get the image"},
	23: {"host agent → network API", "ask for the server's ports"},
	24: {"network API → identity", "validate the service token"},
	25: {"network API → host agent", "bind and wire the ports"},
	26: {"host agent → volume API", "ask for the volumes' connections"},
	27: {"volume API → identity", "validate the service token"},
	28: {"volume API → host agent", "get the connection information"},
	29: {"host agent → hypervisor", "create the machine"},
}

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
		s.Component, s.Name = stepNames[s.Step][0], stepNames[s.Step][1]
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
