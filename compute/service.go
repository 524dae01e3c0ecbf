package compute

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/bus"
	"altostack/kernel/clock"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/kernel/telemetry"
	"altostack/saga"
)

// Kinds of saga that compute/flow runs; the subject is always the server.
const (
	KindBoot            = "compute.boot-server"
	KindDelete          = "compute.delete-server"
	KindPower           = "compute.power-server"
	KindReboot          = "compute.reboot-server"
	KindAttachVolume    = "compute.attach-volume"
	KindDetachVolume    = "compute.detach-volume"
	KindAttachInterface = "compute.attach-interface"
	KindDetachInterface = "compute.detach-interface"
	KindSnapshot        = "compute.snapshot-server"
	KindRefresh         = "compute.refresh-guest"
	KindRebuild         = "compute.rebuild-server"
)

// Op is what a saga other than a boot works on.
type Op struct {
	ServerID  string
	ProjectID string
	UserID    string
	RequestID string
	Action    string    // name of the action that it ends
	Event     string    // name of its event
	StartedAt time.Time // of the request
	Hard      bool      // reboot
	VolumeID  string
	DiskID    string
	PortID    string
	ImageID   string
	Before    VMState // what the server was when it was accepted
}

// Flows starts and cancels sagas; compute/flow has the one there is.
type Flows interface {
	Boot(ctx context.Context, tx *db.Tx, req saga.Request, serverID string) (sagaID string, err error)
	Start(ctx context.Context, tx *db.Tx, kind string, op Op) (sagaID string, err error)
	CancelBoot(ctx context.Context, tx *db.Tx, serverID string) error
	// Watch is signalled whenever a saga's log may have grown.
	Watch(sagaID string) (changed <-chan struct{}, stop func())
	// Wait returns when a saga has ended.
	Wait(ctx context.Context, sagaID string) error
	// Append adds spans to a saga's log while it runs.
	Append(ctx context.Context, sagaID string, spans []saga.Span) error
}

// Config is what the service needs; fields without a default are required.
type Config struct {
	DB        *db.DB
	Store     Store
	Clock     clock.Clock
	IDs       id.Source
	Log       *slog.Logger
	Bus       bus.Bus
	Hosts     Hosts
	Placement Placement
	Images    Images
	Network   Network
	Volumes   Volumes
	Identity  Identity
	// Limiter keeps limits instead of this service; nil: they are its own.
	Limiter Limiter
	// Vault keeps what must not stand in the database in clear; nil: it does.
	Vault Vault
	// BootDeadline is how long a boot may take; 0: ten minutes.
	BootDeadline time.Duration
}

// Service is compute's domain. It is safe for concurrent use.
type Service struct {
	Config
	flows Flows

	reading sync.Mutex // held while hosts are read anew
	mu      sync.Mutex
	hosts   hostCache
	heard   map[string]heard // by host: its latest registration in this process
}

// New makes the service; compute/flow's New then gives it its sagas.
func New(c Config) *Service {
	if c.BootDeadline == 0 {
		c.BootDeadline = 10 * time.Minute
	}
	return &Service{Config: c, heard: map[string]heard{}}
}

// Run gives the service the sagas that its requests start.
func (s *Service) Run(f Flows) { s.flows = f }

// Get reads a server within the scope; fault compute.server_not_found.
func (s *Service) Get(ctx context.Context, scope auth.Scope, id string) (Server, error) {
	return s.get(ctx, s.DB, scope, id)
}

// GetAny is Get for servers that are deleted too.
func (s *Service) GetAny(ctx context.Context, scope auth.Scope, id string) (Server, error) {
	srv, found, err := s.Store.Server(ctx, s.DB, scope, id, true)
	if err == nil && !found {
		err = errServerNotFound(id)
	}
	return srv, err
}

func (s *Service) get(ctx context.Context, r db.Reader, scope auth.Scope, id string) (Server, error) {
	srv, found, err := s.Store.Server(ctx, r, scope, id, false)
	if err == nil && !found {
		err = errServerNotFound(id)
	}
	return srv, err
}

func errServerNotFound(id string) error {
	return fault.New(fault.CodeComputeServerNotFound, "Instance %s could not be found.", id)
}

// Change reads a server, lets f change it and saves it, in one transaction. f
// may run twice and must do no I/O but through tx.
func (s *Service) Change(ctx context.Context, scope auth.Scope, id string, f func(ctx context.Context, tx *db.Tx, srv *Server) error) (Server, error) {
	var out Server
	err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		var err error
		out, err = s.ChangeTx(ctx, tx, scope, id, f)
		return err
	})
	return out, err
}

// ChangeTx is Change inside a transaction of the caller's.
func (s *Service) ChangeTx(ctx context.Context, tx *db.Tx, scope auth.Scope, id string, f func(ctx context.Context, tx *db.Tx, srv *Server) error) (Server, error) {
	srv, err := s.get(ctx, tx, scope, id)
	if err != nil {
		return srv, err
	}
	if err := f(ctx, tx, &srv); err != nil {
		return srv, err
	}
	srv = srv.Touch(s.Clock.Now())
	return srv, s.Store.SaveServer(ctx, tx, srv)
}

// note saves an action that is under way.
func (s *Service) note(ctx context.Context, tx *db.Tx, srv Server, name string, events ...Event) error {
	now := s.Clock.Now()
	a := Action{ServerID: srv.ID, RequestID: telemetry.RequestID(ctx), Name: name, ProjectID: srv.ProjectID, UserID: srv.UserID,
		StartedAt: now, UpdatedAt: now, Events: events}
	if p := auth.From(ctx); p != nil {
		a.UserID, a.ProjectID = p.UserID, p.ProjectID
	}
	return s.Store.InsertAction(ctx, tx, a)
}

// noteDone saves an action that is over at once.
func (s *Service) noteDone(ctx context.Context, tx *db.Tx, srv Server, name string) error {
	now := s.Clock.Now()
	a := Action{ServerID: srv.ID, RequestID: telemetry.RequestID(ctx), Name: name, ProjectID: srv.ProjectID, UserID: srv.UserID,
		StartedAt: now, FinishedAt: now, UpdatedAt: now}
	if p := auth.From(ctx); p != nil {
		a.UserID, a.ProjectID = p.UserID, p.ProjectID
	}
	return s.Store.InsertAction(ctx, tx, a)
}
