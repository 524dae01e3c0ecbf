package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/pprof"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"altostack/agent"
	"altostack/hostapi"
	"altostack/kernel/db"
	"altostack/saga"
)

// listenAdmin opens the operator's socket: status, down, metrics and /debug. It
// is a file that only the owner of the data directory may open.
func (s *System) listenAdmin() error {
	l, err := listenSocket(s.dir.File("admin.sock"))
	if err != nil {
		return fmt.Errorf("operator's socket: %w", err)
	}
	m := http.NewServeMux()
	m.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) { reply(w, s.Status(r.Context())) })
	m.HandleFunc("POST /down", func(w http.ResponseWriter, r *http.Request) {
		select {
		case s.asked <- r.FormValue("guests") == "stop":
		default: // asked already
		}
		w.WriteHeader(http.StatusAccepted)
	})
	m.HandleFunc("POST /audit/flush", func(w http.ResponseWriter, r *http.Request) {
		if err := s.FlushAudit(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	m.HandleFunc("POST /identity/rotate-keys", s.rotateKeys)
	m.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}))
	m.HandleFunc("GET /debug", s.debugIndex)
	m.HandleFunc("GET /debug/sagas", func(w http.ResponseWriter, r *http.Request) {
		rows, err := saga.Open(r.Context(), s.db)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		reply(w, rows)
	})
	m.HandleFunc("GET /debug/sagas/{id}", func(w http.ResponseWriter, r *http.Request) {
		log, err := saga.Log(r.Context(), s.db, r.PathValue("id"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		reply(w, log)
	})
	m.HandleFunc("GET /debug/reconcilers", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.loops.Report()) })
	m.HandleFunc("GET /debug/config", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.opt.Config.Values()) })
	m.HandleFunc("GET /debug/drivers", func(w http.ResponseWriter, r *http.Request) { reply(w, s.drivers(r.Context())) })
	for _, name := range []string{"goroutine", "heap", "allocs", "block", "mutex", "threadcreate"} {
		m.Handle("GET /debug/pprof/"+name, pprof.Handler(name))
	}
	m.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	m.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	s.serve(l, m)
	return nil
}

func (s *System) debugIndex(w http.ResponseWriter, _ *http.Request) {
	_, _ = fmt.Fprintln(w, "/status /metrics /debug/sagas /debug/sagas/{id} /debug/reconcilers /debug/config /debug/drivers /debug/pprof/{goroutine,heap,allocs,profile,trace}")
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // the reader is gone
}

// drivers says what each host of this process runs on.
func (s *System) drivers(ctx context.Context) map[string]any {
	out := map[string]any{}
	for _, h := range s.hosts.all() {
		d, err := h.hypervisor.Describe(ctx)
		if err != nil {
			out[h.name] = err.Error()
			continue
		}
		out[h.name] = d
	}
	return out
}

// Status looks at everything once.
func (s *System) Status(ctx context.Context) *Status {
	st := &Status{Version: s.opt.Version, PID: os.Getpid(), URL: s.publicURL, Data: s.dir.Path, Cloud: s.identityFile.Cloud,
		Roles: []string{"api", "scheduler", "conductor", "agent"}, Uptime: s.clock.Now().Sub(s.started),
		Hosts: []HostStatus{}, Sagas: []SagaStatus{}, Loops: []LoopStatus{}, Unhealthy: []Trouble{}}
	st.APIs = s.look(ctx)
	s.hostStatus(ctx, st)
	rows, err := saga.Open(ctx, s.db)
	if err != nil {
		st.Unhealthy = append(st.Unhealthy, Trouble{"database", err.Error()})
	}
	now := s.clock.Now()
	for _, r := range rows {
		one := SagaStatus{ID: r.ID, Kind: r.Kind, Subject: r.Subject, Status: string(r.Status), Step: r.Step, Age: now.Sub(r.CreatedAt)}
		if r.Fault != nil {
			one.Fault = r.Fault.Message
		}
		if now.After(r.Deadline.Add(2 * time.Minute)) {
			st.Unhealthy = append(st.Unhealthy, Trouble{"operation " + r.Kind + " on " + r.Subject, "past its deadline; still undoing: " + one.Fault})
		}
		st.Sagas = append(st.Sagas, one)
	}
	for _, l := range s.loops.Report() {
		st.Loops = append(st.Loops, LoopStatus{l.Name, l.LastRun, l.LastErr})
		if l.Failures >= 3 {
			st.Unhealthy = append(st.Unhealthy, Trouble{"reconciler " + l.Name, l.LastErr})
		}
	}
	return st
}

// roots are the version documents, which need no token.
var roots = []struct{ name, path string }{{"identity", "/identity/v3"}, {"placement", "/placement/"}, {"image", "/image/versions"}, {"network", "/network/"}, {"volume", "/volume/v3/"}, {"compute", "/compute/v2.1/"}}

func (s *System) look(ctx context.Context) []APIStatus {
	var out []APIStatus
	for _, root := range roots {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.localHost+root.path, nil)
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		one := APIStatus{Name: root.name, Healthy: w.Code < 400}
		if !one.Healthy {
			one.Error = fmt.Sprintf("%d %s", w.Code, strings.TrimSpace(w.Body.String()))
		}
		out = append(out, one)
	}
	return out
}

func (s *System) hostStatus(ctx context.Context, st *Status) {
	known, err := s.compute.Hypervisors(ctx)
	if err != nil {
		st.Unhealthy = append(st.Unhealthy, Trouble{"hosts", err.Error()})
		return
	}
	local := map[string]agent.Hypervisor{}
	for _, h := range s.hosts.all() {
		local[h.name] = h.hypervisor
	}
	now := s.clock.Now()
	for _, h := range known {
		one := HostStatus{Name: h.Name, State: "up", Hypervisor: h.Record.HypervisorType, Accelerator: h.Record.Accelerator}
		if !h.Up(now) {
			one.State = "down"
			st.Unhealthy = append(st.Unhealthy, Trouble{"host " + h.Name, "it has not reported lately; its guests may run, but cannot be changed"})
		}
		if vm := local[h.Name]; vm != nil {
			guests, err := vm.Guests(ctx)
			if err != nil {
				st.Unhealthy = append(st.Unhealthy, Trouble{"host " + h.Name, err.Error()})
			}
			for _, g := range guests {
				if g.State == hostapi.GuestRunning || g.State == hostapi.GuestPaused {
					one.Guests++
				}
				if g.PID > 0 {
					one.PIDs = append(one.PIDs, g.PID)
				}
			}
		}
		st.Hosts = append(st.Hosts, one)
	}
	slices.SortFunc(st.Hosts, func(a, b HostStatus) int { return strings.Compare(a.Name, b.Name) })
}

// StopGuests makes the next Close shut the guests down too, or not.
func (s *System) StopGuests(stop bool) { s.stopGuests = stop }

// endGuests shuts down every guest of this process's hosts: first the agents
// end, which would start them again.
func (s *System) endGuests() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	hosts := s.hosts.all()
	errs := make([]error, len(hosts))
	var all sync.WaitGroup
	for i, h := range hosts {
		all.Go(func() { errs[i] = errors.Join(h.agent.Close(), h.agent.EndGuests(ctx, 20*time.Second)) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// count answers a number of rows, for gauges.
func (s *System) count(query string) float64 {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	n, _, err := db.Get(ctx, s.db, db.Value[int64], query)
	if err != nil {
		return -1
	}
	return float64(n)
}
