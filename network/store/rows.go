package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"altostack/kernel/db"
	"altostack/kernel/page"
	"altostack/network"
)

// statement caches texts made from column tables.
var statements sync.Map

func text(key string, build func() string) string {
	if s, ok := statements.Load(key); ok {
		return s.(string)
	}
	s := build()
	statements.Store(key, s)
	return s
}

// Insert adds a resource; every stored column must be in row.
func (*Store) Insert(ctx context.Context, tx *db.Tx, r *network.Resource, row network.Row) error {
	q := text("insert "+r.Table, func() string {
		var names, marks []string
		for _, c := range r.Columns {
			if c.Expr == "" {
				names, marks = append(names, c.Name), append(marks, "$"+strconv.Itoa(len(marks)+1))
			}
		}
		return "INSERT INTO " + r.Table + " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(marks, ", ") + ")"
	})
	args := make([]any, 0, len(r.Columns))
	for _, c := range r.Columns {
		if c.Expr == "" {
			args = append(args, stored(c.Kind, row[c.Attr]))
		}
	}
	if _, err := tx.Exec(ctx, q, args...); err != nil {
		return fmt.Errorf("insert %s: %w", r.Singular, err)
	}
	return nil
}

// Update writes the columns in set.
func (*Store) Update(ctx context.Context, tx *db.Tx, r *network.Resource, id string, set network.Row) error {
	var parts []string
	var args []any
	for _, c := range r.Columns {
		v, has := set[c.Attr]
		if !has || c.Expr != "" || c.Attr == "id" {
			continue
		}
		args = append(args, stored(c.Kind, v))
		parts = append(parts, c.Name+" = $"+strconv.Itoa(len(args)))
	}
	if len(parts) == 0 {
		return nil
	}
	args = append(args, id)
	q := "UPDATE " + r.Table + " SET " + strings.Join(parts, ", ") + " WHERE id = $" + strconv.Itoa(len(args))
	if _, err := tx.Exec(ctx, q, args...); err != nil {
		return fmt.Errorf("update %s: %w", r.Singular, err)
	}
	return nil
}

// Delete removes a resource and its tags.
func (*Store) Delete(ctx context.Context, tx *db.Tx, r *network.Resource, id string) error {
	if _, err := tx.Exec(ctx, "DELETE FROM "+r.Table+" WHERE id = $1", id); err != nil {
		return fmt.Errorf("delete %s: %w", r.Singular, err)
	}
	if r.Tagged {
		if _, err := tx.Exec(ctx, "DELETE FROM network_tags WHERE resource_id = $1", id); err != nil {
			return fmt.Errorf("delete tags: %w", err)
		}
	}
	return nil
}

// List reads a page of what v sees.
func (*Store) List(ctx context.Context, rd db.Reader, r *network.Resource, q network.Query) ([]network.Row, bool, error) {
	columns := text("columns "+r.Table, func() string { return columnsOf(r) })
	s := page.From(columns, r.Table, r.Table+".id")
	visible(s, r, q.View)
	for _, f := range q.Filters {
		filter(s, r, f)
	}
	return page.List(ctx, rd, s, q.Page, scanner(r))
}

// Count counts a project's resources, but no further than limit.
func (*Store) Count(ctx context.Context, rd db.Reader, r *network.Resource, project string, limit int64) (int64, error) {
	q := text("count "+r.Table, func() string {
		return "SELECT COUNT(*) FROM (SELECT 1 FROM " + r.Table + " WHERE project_id = $1 LIMIT $2) AS few"
	})
	n, _, err := db.Get(ctx, rd, db.Value[int64], q, project, limit)
	return n, err
}

func columnsOf(r *network.Resource) string {
	var list []string
	for _, c := range r.Columns {
		if c.Expr != "" {
			list = append(list, c.Expr)
			continue
		}
		list = append(list, r.Table+"."+c.Name)
	}
	return strings.Join(list, ", ")
}

// scanner reads one row; values are typed by the column table.
func scanner(r *network.Resource) func(db.Scanner) (network.Row, error) {
	n := len(r.Columns)
	texts, flags, numbers := make([]string, n), make([]bool, n), make([]int64, n)
	dest := make([]any, n)
	for i, c := range r.Columns {
		switch c.Kind {
		case network.Flag:
			dest[i] = &flags[i]
		case network.Number, network.NullInt, network.Instant:
			dest[i] = &numbers[i]
		default:
			dest[i] = &texts[i]
		}
	}
	return func(s db.Scanner) (network.Row, error) {
		if err := s.Scan(dest...); err != nil {
			return nil, err
		}
		row := make(network.Row, n+4)
		for i, c := range r.Columns {
			switch c.Kind {
			case network.Flag:
				row[c.Attr] = flags[i]
			case network.Number:
				row[c.Attr] = numbers[i]
			case network.NullInt:
				row[c.Attr] = nil
				if numbers[i] >= 0 {
					row[c.Attr] = numbers[i]
				}
			case network.Instant:
				row[c.Attr] = db.Time(numbers[i])
			case network.JSON:
				row[c.Attr] = json.RawMessage(texts[i])
			case network.Null:
				row[c.Attr] = nil
				if texts[i] != "" {
					row[c.Attr] = texts[i]
				}
			default:
				row[c.Attr] = texts[i]
			}
		}
		return row, nil
	}
}

// stored is v as its column holds it; what is missing becomes the column's null.
func stored(k network.Kind, v any) any {
	switch k {
	case network.JSON:
		switch v := v.(type) {
		case json.RawMessage:
			return string(v)
		case nil:
			return "null"
		}
		return db.JSON(v)
	case network.NullInt:
		if v == nil {
			return int64(-1)
		}
	case network.Number:
		if v == nil {
			return int64(0)
		}
	case network.Flag:
		b, _ := v.(bool)
		return b
	case network.Instant:
		t, _ := v.(time.Time)
		return db.Micros(t)
	default:
		s, _ := v.(string)
		return s
	}
	return v
}
