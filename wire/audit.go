package wire

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"altostack/audit"
	auditstore "altostack/audit/store"
	"altostack/kernel/config"
	"altostack/kernel/db"
)

// auditDSN is the trail's own database: a file beside the cloud's, or connections
// of its own to the same PostgreSQL.
func auditDSN(cfg *config.Config, data string) string {
	if dsn := cfg.String("database"); dsn != "" {
		return dsn
	}
	return "sqlite:" + filepath.Join(data, auditFile) + "?sync=" + cfg.String("sqlite_sync")
}

const auditFile = "audit.db"

func auditKey(data string) string    { return filepath.Join(data, "keys", "audit") }
func auditAnchor(data string) string { return filepath.Join(data, "audit.head") }

// openAudit starts the trail, before anything that it is to record.
func (s *System) openAudit(ctx context.Context) error {
	var err error
	if s.auditDB, err = db.Open(ctx, auditDSN(s.opt.Config, s.dir.Path)); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if s.auditDB.Dialect == db.SQLite {
		if err := os.Chmod(s.dir.File(auditFile), 0o600); err != nil {
			return err
		}
	}
	if err := s.auditDB.Migrate(ctx, "audit", auditstore.Migrations()); err != nil {
		return err
	}
	key, err := audit.OpenKey(auditKey(s.dir.Path))
	if err != nil {
		return fmt.Errorf("audit key: %w", err)
	}
	s.audit, err = audit.Open(ctx, audit.Config{DB: s.auditDB, Store: auditstore.New(), Key: key, Anchor: auditAnchor(s.dir.Path), Node: s.identityFile.Cloud,
		Clock: s.clock, IDs: s.ids, Log: s.log, Bus: s.bus, Retention: s.opt.Config.Duration("audit_retention")})
	if err != nil {
		return err
	}
	for name, g := range map[string]struct {
		help string
		read func() float64
	}{
		"altostack_audit_waiting":        {"Audit events that are not written yet.", func() float64 { return float64(s.audit.Waiting()) }},
		"altostack_audit_written":        {"Audit events written since the start.", func() float64 { return float64(s.audit.Written()) }},
		"altostack_auth_limited":         {"Authentications answered 429 since the start.", func() float64 { return float64(s.identity.AttemptsRefused()) }},
		"altostack_password_hashes":      {"Password hashes computed since the start.", func() float64 { n, _ := s.identity.HashesComputed(); return float64(n) }},
		"altostack_password_hashes_busy": {"Logins answered 503 since the start, as too many waited for a hash.", func() float64 { _, n := s.identity.HashesComputed(); return float64(n) }},
	} {
		s.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: g.help}, g.read))
	}
	return nil
}

// closeAudit writes what waits; everything that makes events has ended by then.
func (s *System) closeAudit() error {
	var errs []error
	if s.audit != nil {
		errs = append(errs, s.audit.Close())
	}
	if s.auditDB != nil {
		errs = append(errs, s.auditDB.Close())
	}
	return errors.Join(errs...)
}

// FlushAudit returns once all events of answered requests are written.
func (s *System) FlushAudit(ctx context.Context) error { return s.audit.Flush(ctx) }

// AuditLog reads the trail of a data directory, whether its cloud runs or not. A
// cloud that runs writes what waits first. The function it answers closes it.
func AuditLog(ctx context.Context, data string, cfg *config.Config) (*audit.Log, func() error, error) {
	data, err := filepath.Abs(data)
	if err != nil {
		return nil, nil, err
	}
	if _, err := os.Stat(auditKey(data)); err != nil {
		return nil, nil, fmt.Errorf("%s is no cloud with an audit trail: %w", data, err)
	}
	// A cloud that does not run has nothing that waits.
	flushed, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, _ = ask(flushed, data, http.MethodPost, "/audit/flush")
	if cfg.String("database") == "" {
		if _, err := os.Stat(filepath.Join(data, auditFile)); err != nil {
			return nil, nil, fmt.Errorf("the audit trail is missing: %w", err)
		}
	}
	d, err := db.Open(ctx, auditDSN(cfg, data))
	if err != nil {
		return nil, nil, err
	}
	key, err := audit.OpenKey(auditKey(data))
	if err != nil {
		return nil, nil, errors.Join(err, d.Close())
	}
	return &audit.Log{DB: d, Store: auditstore.New(), Key: key, Anchor: auditAnchor(data)}, d.Close, nil
}
