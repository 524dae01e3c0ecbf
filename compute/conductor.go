package compute

import (
	"context"
	"encoding/json"
	"fmt"

	"altostack/hostapi"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// ServiceUser is the built-in user whose tokens hosts call the APIs with.
const ServiceUser = "nova"

// BuiltSubject is where the boot that waits for a host's report listens.
func BuiltSubject(sagaID string) string { return "compute.built." + sagaID }

// Conductor is compute's side of the host protocol.
type Conductor struct{ svc *Service }

var _ hostapi.Conductor = Conductor{}

// Conductor answers hosts.
func (s *Service) Conductor() Conductor { return Conductor{s} }

// Register saves a host; repeated, it is a heartbeat.
func (c Conductor) Register(ctx context.Context, h hostapi.Host) error { return c.svc.Register(ctx, h) }

// Guest answers the description of one guest: steps 15 to 17 of its boot.
func (c Conductor) Guest(ctx context.Context, host, guestID string) (hostapi.Described, error) {
	s, taken := c.svc, c.svc.Clock.Now()
	srv, err := s.get(ctx, s.DB, auth.System("conductor"), guestID)
	if err != nil {
		return hostapi.Described{}, err
	}
	if srv.Host != host {
		return hostapi.Described{}, fault.New(fault.CodeComputeServerNotFound, "Server %s is not on host %s.", guestID, host)
	}
	looked := s.Clock.Now()
	guests, err := s.Guests(ctx, []Server{srv})
	if err != nil {
		return hostapi.Described{}, fmt.Errorf("describe server %s: %w", guestID, err)
	}
	got := s.Clock.Now()
	return hostapi.Described{Guest: guests[0], Spans: []hostapi.Span{
		{Step: 15, Name: Steps[15].Name, Component: Steps[15].Component, Start: taken, Outcome: "ok", Attrs: map[string]any{"server_id": guestID}},
		{Step: 16, Name: Steps[16].Name, Component: Steps[16].Component, Start: taken, Duration: looked.Sub(taken), Outcome: "ok"},
		{Step: 17, Name: Steps[17].Name, Component: Steps[17].Component, Start: looked, Duration: got.Sub(looked), Outcome: "ok",
			Attrs: map[string]any{"ports": len(guests[0].NICs), "disks": len(guests[0].Disks), "generation": srv.Generation}},
	}}, nil
}

// Guests answers every guest that should be on the host.
func (c Conductor) Guests(ctx context.Context, host string) ([]hostapi.Guest, error) {
	servers, err := c.svc.Store.OnHost(ctx, c.svc.DB, host)
	if err != nil {
		return nil, err
	}
	return c.svc.Guests(ctx, servers)
}

// Built hands a report to the boot that waits for it, in whichever process.
// Nothing is lost with a report that nobody hears: the order is sent again.
func (c Conductor) Built(ctx context.Context, result hostapi.BuildResult) error {
	if !result.Final {
		return c.svc.flows.Append(ctx, result.SagaID, SagaSpans(result.Spans))
	}
	event, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("report of a build: %w", err)
	}
	c.svc.Bus.Publish(BuiltSubject(result.SagaID), event)
	return nil
}

// Observed follows what happened to guests without anybody asking: a crash, a
// shutdown from inside. A server on which a saga works is the saga's.
func (c Conductor) Observed(ctx context.Context, host string, guests []hostapi.SeenGuest) error {
	for _, g := range guests {
		if err := c.svc.observe(ctx, host, g); err != nil {
			return err
		}
	}
	return nil
}

// powerOf is the API's number for what a host saw.
var powerOf = map[hostapi.GuestState]PowerState{hostapi.GuestRunning: PowerRunning, hostapi.GuestPaused: PowerPaused,
	hostapi.GuestStopped: PowerShutdown, hostapi.GuestCrashed: PowerShutdown}

func (s *Service) observe(ctx context.Context, host string, g hostapi.SeenGuest) error {
	srv, found, err := s.Store.Server(ctx, s.DB, auth.System("observation"), g.ID, false)
	if err != nil || !found || !differs(srv, host, g) {
		return err
	}
	return s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		srv, found, err := s.Store.Server(ctx, tx, auth.System("observation"), g.ID, false)
		if err != nil || !found || !differs(srv, host, g) {
			return err
		}
		srv.PowerState = powerOf[g.State]
		if gone := g.State == hostapi.GuestCrashed || g.State == hostapi.GuestStopped; gone && (srv.VMState == VMActive || srv.VMState == VMPaused) {
			srv.VMState, srv.Want = VMStopped, hostapi.PowerOff
			s.Log.InfoContext(ctx, "a guest ended by itself", "server_id", srv.ID, "host", host, "state", g.State, "reason", g.Reason)
		}
		return s.Store.SaveServer(ctx, tx, srv.Touch(s.Clock.Now()))
	})
}

// differs reports whether an observation tells anything new. One of a state that
// began before the present power was asked for comes late and tells nothing.
func differs(srv Server, host string, g hostapi.SeenGuest) bool {
	if srv.Host != host || srv.Task != TaskNone || srv.VMState == VMBuilding || srv.VMState == VMError && srv.LaunchedAt.IsZero() {
		return false
	}
	if !g.Since.IsZero() && g.Since.Before(srv.PoweredAt) {
		return false
	}
	return srv.PowerState != powerOf[g.State]
}

// Wiring answers what the host's dataplane should be.
func (c Conductor) Wiring(ctx context.Context, host string, portIDs []string) (hostapi.HostNetwork, error) {
	return c.svc.Network.Wiring(ctx, host, portIDs)
}

// Wired passes on which ports are up and down.
func (c Conductor) Wired(ctx context.Context, host string, up, down []string) error {
	return c.svc.Network.Wired(ctx, host, up, down)
}

// ServiceToken answers a token of the host's service user.
func (c Conductor) ServiceToken(ctx context.Context, _ string) (string, error) {
	token, _, err := c.svc.Identity.IssueService(ctx, ServiceUser)
	return token, err
}
