// Package page lists rows: filters, sorting and paging by key, in one builder
// that every service uses and renders in its own spelling. A page is found from
// the last row of the one before (keyset), never by OFFSET, so page 1,000 costs
// what page 1 does.
//
// Sort columns must be NOT NULL, as NULL compares with nothing.
package page

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// Key is one column to sort by.
type Key struct {
	Column string
	Desc   bool
}

// Request is what a client asks of a list.
type Request struct {
	Limit   int    // rows on a page; 0: all
	Marker  string // id of the last row seen
	Reverse bool   // Neutron's page_reverse: the page before the marker
	Sort    []Key
}

// Options say what a service allows in a Request.
type Options struct {
	Keys    map[string]string // API name to column
	Default []Key             // when the client names none; the id is always added
	Max     int               // largest page; 0: no bound. A larger limit is lowered to it
	Implied int               // page size when the client names none; 0: all
}

// Parse reads limit, marker, page_reverse, sort_key and sort_dir (repeated), and
// Cinder's and Glance's sort=key:dir,key:dir.
func Parse(q url.Values, o Options) (Request, error) {
	r := Request{Marker: q.Get("marker"), Reverse: strings.EqualFold(q.Get("page_reverse"), "true"), Limit: o.Implied}
	if s := q.Get("limit"); q.Has("limit") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return r, fault.New(fault.CodePageBadLimit, "Invalid limit %q: a whole number of 0 or more is wanted.", s).WithField("limit")
		}
		r.Limit = n
	}
	if o.Max > 0 && (r.Limit > o.Max || r.Limit == 0 && !q.Has("limit")) {
		r.Limit = o.Max
	}
	names, dirs := q["sort_key"], q["sort_dir"]
	if s := q.Get("sort"); s != "" && len(names) == 0 {
		for part := range strings.SplitSeq(s, ",") {
			name, dir, _ := strings.Cut(strings.TrimSpace(part), ":")
			names, dirs = append(names, name), append(dirs, dir)
		}
	}
	for i, name := range names {
		column, known := o.Keys[name]
		if !known {
			return r, fault.New(fault.CodePageBadSort, "Invalid sort key: %s", name).WithField("sort_key")
		}
		dir := "desc"
		if len(o.Default) > 0 && !o.Default[0].Desc {
			dir = "asc"
		}
		if i < len(dirs) && dirs[i] != "" {
			dir = strings.ToLower(dirs[i])
		}
		if dir != "asc" && dir != "desc" {
			return r, fault.New(fault.CodePageBadSort, "Invalid sort direction: %s. It must be 'asc' or 'desc'.", dirs[i]).WithField("sort_dir")
		}
		r.Sort = append(r.Sort, Key{column, dir == "desc"})
	}
	if len(r.Sort) == 0 {
		r.Sort = o.Default
	}
	return r, nil
}

// Select is a list under construction. Conditions write ? for their values.
type Select struct {
	columns, from, id string
	conds             []string
	args              []any
}

// From starts a list: SELECT columns FROM from; id is the unique column that
// markers name.
func From(columns, from, id string) *Select { return &Select{columns: columns, from: from, id: id} }

// Where adds a condition; all must hold.
func (s *Select) Where(cond string, args ...any) *Select {
	s.conds, s.args = append(s.conds, "("+cond+")"), append(s.args, args...)
	return s
}

// Equal adds column = value unless value is empty.
func (s *Select) Equal(column, value string) *Select {
	if value == "" {
		return s
	}
	return s.Where(column+" = ?", value)
}

// In adds column IN values; no values match nothing.
func (s *Select) In(column string, values []string) *Select {
	if len(values) == 0 {
		return s.Where("1 = 0")
	}
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	return s.Where(column+" IN (?"+strings.Repeat(", ?", len(values)-1)+")", args...)
}

// Project restricts to what a scope sees.
func (s *Select) Project(column string, all bool, projectID string) *Select {
	if all {
		return s
	}
	return s.Where(column+" = ?", projectID)
}

// List reads one page; more tells whether another follows.
func List[T any](ctx context.Context, r db.Reader, s *Select, req Request, scan func(db.Scanner) (T, error)) (rows []T, more bool, err error) {
	keys := s.keys(req.Sort)
	conds, args := s.conds, s.args
	if req.Marker != "" {
		values, err := s.marker(ctx, r, keys, req.Marker)
		if err != nil {
			return nil, false, err
		}
		cond, after := beyond(keys, values, req.Reverse)
		conds, args = append(conds[:len(conds):len(conds)], cond), append(args[:len(args):len(args)], after...)
	}
	query := "SELECT " + s.columns + " FROM " + s.from + where(conds) + order(keys, req.Reverse)
	if req.Limit > 0 {
		query += " LIMIT " + strconv.Itoa(req.Limit+1)
	}
	rows, err = db.List(ctx, r, scan, numbered(query), args...)
	if req.Limit > 0 && len(rows) > req.Limit {
		rows, more = rows[:req.Limit], true
	}
	if req.Reverse {
		for i, j := 0, len(rows)-1; i < j; i, j = i+1, j-1 {
			rows[i], rows[j] = rows[j], rows[i]
		}
	}
	return rows, more, err
}

// Count counts the rows that a list without paging has.
func Count(ctx context.Context, r db.Reader, s *Select) (int, error) {
	n, _, err := db.Get(ctx, r, db.Value[int], numbered("SELECT COUNT(*) FROM "+s.from+where(s.conds)), s.args...)
	return n, err
}

// keys ends with the id, so that the order is total.
func (s *Select) keys(sort []Key) []Key {
	for _, k := range sort {
		if k.Column == s.id {
			return sort
		}
	}
	last := Key{Column: s.id}
	if len(sort) > 0 {
		last.Desc = sort[len(sort)-1].Desc
	}
	return append(sort[:len(sort):len(sort)], last)
}

func (s *Select) marker(ctx context.Context, r db.Reader, keys []Key, marker string) ([]any, error) {
	columns := make([]string, len(keys))
	values, dest := make([]any, len(keys)), make([]any, len(keys))
	for i, k := range keys {
		columns[i], dest[i] = k.Column, &values[i]
	}
	query := "SELECT " + strings.Join(columns, ", ") + " FROM " + s.from + where(append(s.conds[:len(s.conds):len(s.conds)], s.id+" = ?"))
	_, found, err := db.Get(ctx, r, func(row db.Scanner) (struct{}, error) { return struct{}{}, row.Scan(dest...) },
		numbered(query), append(s.args[:len(s.args):len(s.args)], marker)...)
	if err == nil && !found {
		err = fault.New(fault.CodePageBadMarker, "marker [%s] not found", marker).WithField("marker")
	}
	return values, err
}

// beyond is the condition for rows after the marker. One direction throughout
// is a row comparison, which an index on the columns answers.
func beyond(keys []Key, values []any, reverse bool) (string, []any) {
	same := true
	for _, k := range keys {
		same = same && k.Desc == keys[0].Desc
	}
	if same {
		columns := make([]string, len(keys))
		for i, k := range keys {
			columns[i] = k.Column
		}
		return "(" + strings.Join(columns, ", ") + ") " + compare(keys[0].Desc != reverse) + " (?" + strings.Repeat(", ?", len(keys)-1) + ")", values
	}
	var alternatives []string
	var args []any
	for i, k := range keys {
		var all []string
		for j := range i {
			all, args = append(all, keys[j].Column+" = ?"), append(args, values[j])
		}
		all, args = append(all, k.Column+" "+compare(k.Desc != reverse)+" ?"), append(args, values[i])
		alternatives = append(alternatives, "("+strings.Join(all, " AND ")+")")
	}
	return "(" + strings.Join(alternatives, " OR ") + ")", args
}

func compare(less bool) string {
	if less {
		return "<"
	}
	return ">"
}

func where(conds []string) string {
	if len(conds) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(conds, " AND ")
}

func order(keys []Key, reverse bool) string {
	parts := make([]string, len(keys))
	for i, k := range keys {
		parts[i] = k.Column
		if k.Desc != reverse {
			parts[i] += " DESC"
		}
	}
	return " ORDER BY " + strings.Join(parts, ", ")
}

// numbered turns each ? into $1, $2 …; our texts hold no ? in literals.
func numbered(query string) string {
	var b strings.Builder
	n := 0
	for _, c := range query {
		if c == '?' {
			n++
			fmt.Fprintf(&b, "$%d", n)
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}
