package db

import (
	"context"
	"database/sql"
	"sync"
)

// statements keeps prepared statements, as parsing SQL costs more than a point
// read. Lists with many filters make ever new texts, so the cache is bounded.
type statements struct {
	prepare func(ctx context.Context, query string) (*sql.Stmt, error)
	mu      sync.RWMutex
	byText  map[string]*sql.Stmt
}

const maxStatements = 1000

func (s *statements) get(ctx context.Context, query string) (*sql.Stmt, error) {
	s.mu.RLock()
	st := s.byText[query]
	s.mu.RUnlock()
	if st != nil {
		return st, nil
	}
	st, err := s.prepare(context.WithoutCancel(ctx), query)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.byText[query]; old != nil {
		_ = st.Close()
		return old, nil
	}
	if s.byText == nil || len(s.byText) >= maxStatements {
		// Statements in use stay valid until their rows are closed.
		for _, old := range s.byText {
			_ = old.Close()
		}
		s.byText = map[string]*sql.Stmt{}
	}
	s.byText[query] = st
	return st, nil
}

func (s *statements) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	st, err := s.get(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(ctx, args...)
}

func (s *statements) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	st, err := s.get(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

func (s *statements) row(ctx context.Context, query string, args ...any) *sql.Row {
	st, err := s.get(ctx, query)
	if err != nil {
		return failedRow(ctx, query, args)
	}
	return st.QueryRowContext(ctx, args...)
}

func (s *statements) run(ctx context.Context, query string) error {
	_, err := s.exec(ctx, query)
	return err
}

func (s *statements) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.byText {
		_ = st.Close()
	}
	s.byText = nil
}
