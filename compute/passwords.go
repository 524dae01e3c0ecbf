package compute

import (
	"context"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// PasswordStore keeps the passwords that guests generate for their users.
type PasswordStore interface {
	ServerPassword(ctx context.Context, r db.Reader, serverID string) (string, error)
	SetServerPassword(ctx context.Context, tx *db.Tx, serverID, password string) error
}

// Password answers a guest's password, encrypted with the user's key; empty
// where the guest told none.
func (s *Service) Password(ctx context.Context, scope auth.Scope, serverID string) (string, error) {
	if _, err := s.Get(ctx, scope, serverID); err != nil {
		return "", err
	}
	return s.Store.ServerPassword(ctx, s.DB, serverID)
}

// ForgetPassword removes a guest's password from the database; the guest keeps it.
func (s *Service) ForgetPassword(ctx context.Context, scope auth.Scope, serverID string) error {
	if _, err := s.Get(ctx, scope, serverID); err != nil {
		return err
	}
	return s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.Store.SetServerPassword(ctx, tx, serverID, "") })
}

// ServerPassword takes the password that a guest of a host posted to its metadata
// service.
func (c Conductor) ServerPassword(ctx context.Context, host, guestID, password string) error {
	srv, err := c.svc.Get(ctx, auth.System("conductor"), guestID)
	if err != nil {
		return err
	}
	if srv.Host != host {
		return fault.New(fault.CodeComputeServerNotFound, "Server %s is not on this host.", guestID)
	}
	return c.svc.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return c.svc.Store.SetServerPassword(ctx, tx, guestID, password)
	})
}
