package api

import (
	"encoding/json"
	"net/http"
	"time"

	"altostack/compute"
	"altostack/kernel/auth"
	"altostack/kernel/rest"
	"altostack/saga"
)

// traceRoutes are an extension of our own, documented in docs/compute.md.
func (a *API) traceRoutes() []rest.Route {
	return []rest.Route{
		rest.On("GET /v2.1/servers/{server_id}/altostack-trace", "os_compute_api:os-instance-actions:show", a.trace).Stream(),
	}
}

type traceView struct {
	Server  string        `json:"server_id"`
	Status  string        `json:"status"`
	Outcome string        `json:"outcome"` // running, undoing, done, failed
	Steps   []spanView    `json:"steps"`
	Saga    []spanView    `json:"saga"`
	Fault   *saga.Failure `json:"fault,omitempty"`
}

type spanView struct {
	Number    int            `json:"number,omitempty"`
	Kind      string         `json:"kind,omitempty"`
	Name      string         `json:"name"`
	Component string         `json:"component"`
	Start     time.Time      `json:"start"`
	Took      int64          `json:"took_us"` // microseconds
	Outcome   string         `json:"outcome"`
	Detail    map[string]any `json:"detail,omitempty"`
}

func viewSpan(s saga.Span) spanView {
	v := spanView{Number: s.Number, Name: s.Name, Component: s.Component, Start: s.Start, Took: s.Took.Microseconds(), Outcome: s.Outcome, Detail: s.Detail}
	if s.Number == 0 {
		v.Kind = s.Kind
	}
	return v
}

func viewTrace(t compute.Trace) traceView {
	v := traceView{Server: t.ServerID, Status: t.Status, Outcome: string(t.Outcome), Steps: []spanView{}, Saga: []spanView{}, Fault: t.Fault}
	for _, s := range t.Steps {
		v.Steps = append(v.Steps, viewSpan(s))
	}
	for _, s := range t.Saga {
		v.Saga = append(v.Saga, viewSpan(s))
	}
	return v
}

// trace answers the 29 steps; with follow=1 a line of JSON per new step until
// the boot ends, and then one with the whole.
func (a *API) trace(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	full := scope.IsAdmin()
	t, err := a.svc.Trace(r.Context(), scope, serverID(r), full)
	if err != nil {
		return err
	}
	if r.URL.Query().Get("follow") == "" {
		return rest.Write(w, http.StatusOK, map[string]any{"trace": viewTrace(t)})
	}
	changed, stop := a.svc.WatchTrace(t.SagaID)
	defer stop()
	w.Header().Set("Content-Type", "application/x-ndjson")
	out, flush := json.NewEncoder(w), http.NewResponseController(w)
	sent := map[int]string{}
	for {
		if t, err = a.svc.Trace(r.Context(), scope, serverID(r), full); err != nil {
			return nil // the server is gone, and half an answer is out
		}
		for _, s := range t.Steps {
			if sent[s.Number] != s.Outcome {
				sent[s.Number] = s.Outcome
				if err := out.Encode(map[string]any{"step": viewSpan(s)}); err != nil {
					return nil // so is the client
				}
			}
		}
		if t.Ended() {
			_ = out.Encode(map[string]any{"trace": viewTrace(t)})
			return nil
		}
		_ = flush.Flush()
		select {
		case <-changed:
		case <-r.Context().Done():
			return nil
		}
	}
}
