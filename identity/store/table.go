package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"altostack/identity"
	"altostack/kernel/db"
	"altostack/kernel/page"
)

// table is one kind of object: its columns, the id first, and both directions
// between row and value.
type table[T any] struct {
	name    string
	columns []string
	values  func(T) []any // as columns
	scan    func(db.Scanner) (T, error)
	// more adds what stands in other tables, in one query for a whole list.
	more func(ctx context.Context, r db.Reader, rows []T) error
	// after writes what stands in other tables.
	after func(ctx context.Context, tx *db.Tx, v T) error
}

func (t *table[T]) from() *page.Select {
	return page.From(strings.Join(t.columns, ", "), t.name, t.columns[0])
}

func (t *table[T]) Get(ctx context.Context, r db.Reader, id string) (v T, found bool, err error) {
	rows, err := t.List(ctx, r, identity.Is(t.columns[0], id))
	if err != nil || len(rows) == 0 {
		return v, false, err
	}
	return rows[0], true, nil
}

func (t *table[T]) List(ctx context.Context, r db.Reader, match ...identity.Match) ([]T, error) {
	rows, _, err := t.Page(ctx, r, page.Request{}, match...)
	return rows, err
}

func (t *table[T]) Page(ctx context.Context, r db.Reader, p page.Request, match ...identity.Match) ([]T, bool, error) {
	rows, more, err := page.List(ctx, r, where(t.from(), match), p, t.scan)
	if err != nil {
		return nil, false, fmt.Errorf("list %s: %w", t.name, err)
	}
	if t.more != nil && len(rows) > 0 {
		if err := t.more(ctx, r, rows); err != nil {
			return nil, false, fmt.Errorf("list %s: %w", t.name, err)
		}
	}
	return rows, more, nil
}

func (t *table[T]) Insert(ctx context.Context, tx *db.Tx, v T) error {
	marks := make([]string, len(t.columns))
	for i := range marks {
		marks[i] = fmt.Sprintf("$%d", i+1)
	}
	q := "INSERT INTO " + t.name + " (" + strings.Join(t.columns, ", ") + ") VALUES (" + strings.Join(marks, ", ") + ")"
	if _, err := tx.Exec(ctx, q, t.values(v)...); err != nil {
		return fmt.Errorf("insert into %s: %w", t.name, err)
	}
	return t.rest(ctx, tx, v)
}

func (t *table[T]) Save(ctx context.Context, tx *db.Tx, v T) error {
	sets := make([]string, len(t.columns)-1)
	for i, c := range t.columns[1:] {
		sets[i] = fmt.Sprintf("%s = $%d", c, i+1)
	}
	values := t.values(v)
	q := fmt.Sprintf("UPDATE %s SET %s WHERE %s = $%d", t.name, strings.Join(sets, ", "), t.columns[0], len(values))
	if _, err := tx.Exec(ctx, q, append(values[1:len(values):len(values)], values[0])...); err != nil {
		return fmt.Errorf("update %s: %w", t.name, err)
	}
	return t.rest(ctx, tx, v)
}

func (t *table[T]) rest(ctx context.Context, tx *db.Tx, v T) error {
	if t.after == nil {
		return nil
	}
	return t.after(ctx, tx, v)
}

func (t *table[T]) Remove(ctx context.Context, tx *db.Tx, match ...identity.Match) (int64, error) {
	return remove(ctx, tx, t.name, match)
}

var errUnconditional = errors.New("a removal needs a condition")

func remove(ctx context.Context, tx *db.Tx, name string, match []identity.Match) (int64, error) {
	if len(match) == 0 {
		return 0, errUnconditional
	}
	var conds []string
	var args []any
	for _, m := range match {
		cond, more := condition(m)
		conds, args = append(conds, cond), append(args, more...)
	}
	n, err := tx.Exec(ctx, numbered("DELETE FROM "+name+" WHERE "+strings.Join(conds, " AND ")), args...)
	if err != nil {
		return 0, fmt.Errorf("delete from %s: %w", name, err)
	}
	return n, nil
}

func where(s *page.Select, match []identity.Match) *page.Select {
	for _, m := range match {
		cond, args := condition(m)
		s.Where(cond, args...)
	}
	return s
}

// condition spells a match with ? marks. The inexact forms avoid LIKE, whose
// treatment of case differs between the databases, and its wildcards.
func condition(m identity.Match) (string, []any) {
	c, v := m.Column, m.Value
	text := "CAST(? AS TEXT)"
	switch m.Op {
	case identity.OpIContains, identity.OpIStartsWith, identity.OpIEndsWith:
		c, text = "LOWER("+c+")", "LOWER(CAST(? AS TEXT))"
	}
	switch m.Op {
	case identity.OpIn:
		values := v.([]string)
		if len(values) == 0 {
			return "1 = 0", nil
		}
		args := make([]any, len(values))
		for i, s := range values {
			args[i] = s
		}
		return c + " IN (?" + strings.Repeat(", ?", len(values)-1) + ")", args
	case identity.OpContains, identity.OpIContains:
		return fmt.Sprintf("(%s = '' OR LENGTH(REPLACE(%s, %s, '')) < LENGTH(%s))", text, c, text, c), []any{v, v}
	case identity.OpStartsWith, identity.OpIStartsWith:
		return fmt.Sprintf("SUBSTR(%s, 1, LENGTH(%s)) = %s", c, text, text), []any{v, v}
	case identity.OpEndsWith, identity.OpIEndsWith:
		return fmt.Sprintf("(LENGTH(%s) >= LENGTH(%s) AND SUBSTR(%s, LENGTH(%s) - LENGTH(%s) + 1) = %s)", c, text, c, c, text, text), []any{v, v, v}
	case identity.OpNamed:
		return "(" + c + " = ? OR SUBSTR(" + c + ", 1, LENGTH(" + text + ")) = " + text + ")", []any{v, fmt.Sprint(v) + separator, fmt.Sprint(v) + separator}
	case identity.OpNotEqual:
		return c + " <> ?", []any{v}
	case identity.OpBefore:
		return c + " < ?", []any{v}
	case identity.OpAtMost:
		return c + " <= ?", []any{v}
	case identity.OpAfter:
		return c + " > ?", []any{v}
	case identity.OpAtLeast:
		return c + " >= ?", []any{v}
	}
	return c + " = ?", []any{v}
}

// numbered turns each ? into $1, $2 …; no text of ours holds ? in a literal.
func numbered(q string) string {
	var b strings.Builder
	n := 0
	for _, c := range q {
		if c == '?' {
			n++
			fmt.Fprintf(&b, "$%d", n)
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}
