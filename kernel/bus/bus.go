// Package bus carries calls, casts and events between processes of the cloud.
// Everything on it can be lost and rebuilt from SQL: a call that fails is made
// again, a cast or an event only wakes somebody who would have looked anyway.
// Local is the bus inside one process; payloads are bytes there too, so that
// what works in one process works between many.
package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"altostack/kernel/fault"
)

// Bus is declared here as hosts and control plane both use it.
type Bus interface {
	// Call asks whoever serves the subject; fault bus.nobody if none does.
	Call(ctx context.Context, subject string, request []byte) ([]byte, error)
	// Serve answers a subject until the returned function is called.
	Serve(subject string, answer func(ctx context.Context, request []byte) ([]byte, error)) (stop func())
	// Publish tells every listener of the subject, now or never.
	Publish(subject string, event []byte)
	// Listen hears a subject until the returned function is called. hear must
	// not block.
	Listen(subject string, hear func(event []byte)) (stop func())
}

// Local is a bus inside one process.
type Local struct {
	mu        sync.RWMutex
	servers   map[string]func(context.Context, []byte) ([]byte, error)
	listeners map[string]map[int]func([]byte)
	next      int
}

// NewLocal makes an empty bus.
func NewLocal() *Local {
	return &Local{servers: map[string]func(context.Context, []byte) ([]byte, error){}, listeners: map[string]map[int]func([]byte){}}
}

// Call runs the server's function.
func (l *Local) Call(ctx context.Context, subject string, request []byte) ([]byte, error) {
	l.mu.RLock()
	answer := l.servers[subject]
	l.mu.RUnlock()
	if answer == nil {
		return nil, fault.New(fault.CodeBusNobody, "Nobody answers %s.", subject)
	}
	return answer(ctx, request)
}

// Serve registers a server; a second one for the same subject replaces the first.
func (l *Local) Serve(subject string, answer func(context.Context, []byte) ([]byte, error)) func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.servers[subject] = answer
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.servers, subject)
	}
}

// Publish calls every listener in turn.
func (l *Local) Publish(subject string, event []byte) {
	l.mu.RLock()
	hear := make([]func([]byte), 0, len(l.listeners[subject]))
	for _, h := range l.listeners[subject] {
		hear = append(hear, h)
	}
	l.mu.RUnlock()
	for _, h := range hear {
		h(event)
	}
}

// Listen registers a listener.
func (l *Local) Listen(subject string, hear func([]byte)) func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	n := l.next
	if l.listeners[subject] == nil {
		l.listeners[subject] = map[int]func([]byte){}
	}
	l.listeners[subject][n] = hear
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if delete(l.listeners[subject], n); len(l.listeners[subject]) == 0 {
			delete(l.listeners, subject)
		}
	}
}

// reply is how an answer or a fault travels.
type reply struct {
	Value json.RawMessage `json:"value,omitempty"`
	Fault *wireFault      `json:"fault,omitempty"`
}

type wireFault struct {
	Code    fault.Code     `json:"code"`
	Message string         `json:"message"`
	Hint    string         `json:"hint,omitempty"`
	Extra   map[string]any `json:"extra,omitempty"`
}

// Ask makes a typed call.
func Ask[Q, A any](ctx context.Context, b Bus, subject string, q Q) (A, error) {
	var out A
	request, err := json.Marshal(q)
	if err != nil {
		return out, fmt.Errorf("call %s: %w", subject, err)
	}
	data, err := b.Call(ctx, subject, request)
	if err != nil {
		return out, err
	}
	var r reply
	if err := json.Unmarshal(data, &r); err != nil {
		return out, fmt.Errorf("answer of %s: %w", subject, err)
	}
	if r.Fault != nil {
		f := fault.New(r.Fault.Code, "%s", r.Fault.Message)
		if r.Fault.Hint != "" {
			f.Hint = r.Fault.Hint
		}
		f.Extra = r.Fault.Extra
		return out, f
	}
	return out, json.Unmarshal(r.Value, &out)
}

// Answer serves typed calls; faults travel whole, but for their hidden cause.
func Answer[Q, A any](b Bus, subject string, f func(ctx context.Context, q Q) (A, error)) (stop func()) {
	return b.Serve(subject, func(ctx context.Context, request []byte) ([]byte, error) {
		var q Q
		if err := json.Unmarshal(request, &q); err != nil {
			return nil, fmt.Errorf("request to %s: %w", subject, err)
		}
		a, err := f(ctx, q)
		if err != nil {
			ft := fault.From(err)
			return json.Marshal(reply{Fault: &wireFault{ft.Code, ft.Message, ft.Hint, ft.Extra}})
		}
		value, err := json.Marshal(a)
		if err != nil {
			return nil, fmt.Errorf("answer of %s: %w", subject, err)
		}
		return json.Marshal(reply{Value: value})
	})
}
