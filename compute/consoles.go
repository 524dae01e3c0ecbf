package compute

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"time"

	"altostack/hostapi"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/id"
)

// ConsoleLife is how long a console token may be used, once.
const ConsoleLife = 10 * time.Minute

// IssueConsole makes a single-use token for a server's console. Only its digest
// is kept.
func (s *Service) IssueConsole(ctx context.Context, scope auth.Scope, serverID string, kind hostapi.ConsoleKind) (token string, err error) {
	srv, err := s.Get(ctx, scope, serverID)
	if err != nil {
		return "", err
	}
	if srv.Host == "" || srv.VMState == VMError || srv.VMState == VMBuilding {
		return "", fault.New(fault.CodeComputeWrongState, "Instance %s is not ready", serverID)
	}
	token = id.Secret(24)
	now := s.Clock.Now()
	err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return s.Store.InsertConsole(ctx, tx, digest(token), serverID, string(kind), now, now.Add(ConsoleLife))
	})
	return token, err
}

func digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// Console is where a token leads, for operators.
func (s *Service) Console(ctx context.Context, token string) (Server, hostapi.ConsoleKind, error) {
	serverID, kind, found, err := s.Store.Console(ctx, s.DB, digest(token), s.Clock.Now())
	if err != nil {
		return Server{}, "", err
	}
	if !found {
		return Server{}, "", fault.New(fault.CodeComputeServerNotFound, "Token not found")
	}
	srv, err := s.Get(ctx, auth.System("console token"), serverID)
	return srv, hostapi.ConsoleKind(kind), err
}

// OpenConsole uses a token up and connects to the console that it is for.
func (s *Service) OpenConsole(ctx context.Context, token string, kind hostapi.ConsoleKind) (io.ReadWriteCloser, error) {
	now := s.Clock.Now()
	serverID, made, found, err := s.Store.Console(ctx, s.DB, digest(token), now)
	if err == nil && found && made == string(kind) {
		err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
			found, err = s.Store.UseConsole(ctx, tx, digest(token), now)
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	if !found || made != string(kind) {
		return nil, fault.New(fault.CodeComputeConsoleDenied, "The token has expired or was used before.")
	}
	srv, err := s.Get(ctx, auth.System("console token"), serverID)
	if err != nil {
		return nil, err
	}
	agent, err := s.agentOf(srv)
	if err != nil {
		return nil, err
	}
	return agent.Dial(ctx, serverID, kind)
}
