package wiretest

import (
	"fmt"
	"slices"
	"strings"

	"altostack/kernel/db"
)

// Rows are all rows of a cloud: text of a row by table.
type Rows map[string][]string

// Snapshot reads every table.
func (c *Cloud) Snapshot() Rows {
	c.T.Helper()
	tables := "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
	if c.System.DB().Dialect == db.PostgreSQL {
		tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
	}
	names := c.column(tables)
	out := Rows{}
	for _, name := range names {
		out[name] = c.column("SELECT * FROM " + name)
		slices.Sort(out[name])
	}
	return out
}

// column reads rows as text, whatever their columns are.
func (c *Cloud) column(query string) []string {
	c.T.Helper()
	rows, err := c.System.DB().Query(c.T.Context(), query)
	if err != nil {
		c.T.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		c.T.Fatal(err)
	}
	var out []string
	for rows.Next() {
		values := make([]any, len(names))
		for i := range values {
			values[i] = new(any)
		}
		if err := rows.Scan(values...); err != nil {
			c.T.Fatal(err)
		}
		var texts []string
		for _, v := range values {
			texts = append(texts, fmt.Sprint(*v.(*any)))
		}
		out = append(out, strings.Join(texts, " "))
	}
	if err := rows.Err(); err != nil {
		c.T.Fatal(err)
	}
	return out
}

// Of are the rows that name the project or one of its objects.
func (r Rows) Of(p *Project) Rows {
	out := Rows{}
	for table, rows := range r {
		for _, row := range rows {
			if p.named(row) != "" {
				out[table] = append(out[table], row)
			}
		}
	}
	return out
}

// named answers what of the project a text names.
func (p *Project) named(text string) string {
	for kind, id := range p.IDs {
		if strings.Contains(text, id) {
			return kind + " " + id
		}
	}
	if strings.Contains(text, p.Name) {
		return "the name " + p.Name
	}
	return ""
}

// Diff says what is otherwise than before; empty: nothing.
func (r Rows) Diff(before Rows) string {
	var out []string
	for table, rows := range r {
		out = append(out, missing("+", table, rows, before[table])...)
	}
	for table, rows := range before {
		out = append(out, missing("-", table, rows, r[table])...)
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// missing are the rows of a that b has not; both are sorted.
func missing(sign, table string, a, b []string) []string {
	var out []string
	for _, row := range a {
		if _, has := slices.BinarySearch(b, row); !has {
			out = append(out, fmt.Sprintf("%s %s: %.300s", sign, table, row))
		}
	}
	return out
}

// Told answers what of the project a text tells that the question did not name.
func (p *Project) Told(question, text string) string {
	for _, id := range p.IDs {
		if strings.Contains(question, id) {
			text = strings.ReplaceAll(text, id, "")
		}
	}
	return p.named(text)
}

// Fill replaces the $names of a request by objects of the project, and $a_names
// by those of mine.
func (p *Project) Fill(text string, mine *Project, w *World) string {
	text = strings.NewReplacer("$external", w.External, "$provider", w.Provider, "$a_token", mine.Member.Token).Replace(text)
	return p.fill("$", mine.fill("$a_", text))
}

func (p *Project) fill(prefix, text string) string {
	var kinds []string
	for kind := range p.IDs {
		kinds = append(kinds, kind)
	}
	slices.SortFunc(kinds, func(a, b string) int { return len(b) - len(a) }) // "server group" before "server"
	for _, kind := range kinds {
		text = strings.ReplaceAll(text, prefix+kind, p.IDs[kind])
	}
	return strings.ReplaceAll(text, prefix+"user", p.Member.UserID)
}

// Names tells whether a path names one of the project's objects.
func (p *Project) Names(path string) bool { return p.named(path) != "" }
