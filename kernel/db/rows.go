package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Scanner is a row about to be read.
type Scanner interface{ Scan(dest ...any) error }

// List reads every row of a query with scan.
func List[T any](ctx context.Context, r Reader, scan func(Scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := r.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("%w in %s", err, query)
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("%w in %s", err, query)
		}
		if len(out) == cap(out) {
			out = slices.Grow(out, max(8, len(out))) // rows are wide: append's own growth would copy each several times
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// Get reads one row with scan; found is false where there is none.
func Get[T any](ctx context.Context, r Reader, scan func(Scanner) (T, error), query string, args ...any) (v T, found bool, err error) {
	rows, err := r.Query(ctx, query, args...)
	if err != nil {
		return v, false, fmt.Errorf("%w in %s", err, query)
	}
	defer rows.Close()
	if !rows.Next() {
		return v, false, rows.Err()
	}
	if v, err = scan(rows); err != nil {
		return v, false, fmt.Errorf("%w in %s", err, query)
	}
	return v, true, nil
}

// Value scans a single column.
func Value[T any](s Scanner) (T, error) {
	var v T
	err := s.Scan(&v)
	return v, err
}

// JSON stores v as JSON text, for a column of small structured data.
func JSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("db: %T cannot be stored as JSON: %v", v, err)) // a programming error: our own types marshal
	}
	return string(b)
}

// FromJSON scans a JSON column into Into; the empty string leaves it alone.
type FromJSON struct{ Into any }

// Scan implements sql.Scanner.
func (f FromJSON) Scan(src any) error {
	var data []byte
	switch s := src.(type) {
	case nil:
		return nil
	case string:
		data = []byte(s)
	case []byte:
		data = s
	default:
		return fmt.Errorf("JSON column holds %T", src)
	}
	if len(data) == 0 {
		return nil
	}
	return json.Unmarshal(data, f.Into)
}

// failedRow answers a row whose Scan gives an error: a *sql.Row cannot be made
// by hand, so one is asked of a database that always fails.
func failedRow(ctx context.Context, query string, args []any) *sql.Row {
	return sql.OpenDB(failing{errors.New("cannot prepare " + query)}).QueryRowContext(ctx, query, args...)
}
