package page_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"

	"altostack/kernel/db"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/fault"
	"altostack/kernel/page"
)

var migrations = fstest.MapFS{"001_rows.sql": {Data: []byte("-- +goose Up\nCREATE TABLE things (id TEXT PRIMARY KEY, a BIGINT NOT NULL, b TEXT NOT NULL);\n")}}

var options = page.Options{Keys: map[string]string{"a": "a", "b": "b", "id": "id"}, Default: []page.Key{{Column: "a", Desc: true}}}

// TestPagesMakeTheWhole walks lists page by page and compares with the whole.
func TestPagesMakeTheWhole(t *testing.T) {
	dbtest.Each(t, "things", migrations, func(t *testing.T, d *db.DB) {
		err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			for i := range 25 {
				if _, err := tx.Exec(ctx, "INSERT INTO things (id, a, b) VALUES ($1, $2, $3)", fmt.Sprintf("id%02d", i), i%4, fmt.Sprint("b", i%3)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, sort := range []string{"", "sort_key=a&sort_dir=asc", "sort_key=a&sort_dir=asc&sort_key=b&sort_dir=desc", "sort=b:desc,a", "sort_key=id"} {
			t.Run(sort, func(t *testing.T) {
				whole, _ := walk(t, d, sort, "", 0)
				if len(whole) != 24 {
					t.Fatalf("%d rows, want 24", len(whole))
				}
				var paged []string
				for marker, more := "", true; more; {
					var rows []string
					rows, more = walk(t, d, sort, marker, 5)
					paged, marker = append(paged, rows...), rows[len(rows)-1]
				}
				if a, b := strings.Join(whole, " "), strings.Join(paged, " "); a != b {
					t.Errorf("pages\n%s\nwhole\n%s", b, a)
				}
				back, _ := walk(t, d, sort+"&page_reverse=true", whole[10], 5)
				if a, b := strings.Join(whole[5:10], " "), strings.Join(back, " "); a != b {
					t.Errorf("page before %s: %s, want %s", whole[10], b, a)
				}
			})
		}
	})
}

func walk(t *testing.T, d *db.DB, query, marker string, limit int) ([]string, bool) {
	t.Helper()
	q, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	if limit > 0 {
		q.Set("limit", fmt.Sprint(limit))
	}
	q.Set("marker", marker)
	req, err := page.Parse(q, options)
	if err != nil {
		t.Fatal(err)
	}
	rows, more, err := page.List(t.Context(), d, page.From("id", "things", "id").Where("id <> ?", "id07"), req, db.Value[string])
	if err != nil {
		t.Fatal(err)
	}
	return rows, more
}

func TestBadRequestsAreRefused(t *testing.T) {
	for query, code := range map[string]fault.Code{
		"limit=-1": fault.CodePageBadLimit, "limit=x": fault.CodePageBadLimit, "sort_key=secret": fault.CodePageBadSort, "sort_key=a&sort_dir=up": fault.CodePageBadSort,
	} {
		q, _ := url.ParseQuery(query)
		if _, err := page.Parse(q, options); !fault.Has(err, code) {
			t.Errorf("%s: %v, want %s", query, err, code)
		}
	}
	d := dbtest.SQLite(t)
	if err := d.Migrate(t.Context(), "things", migrations); err != nil {
		t.Fatal(err)
	}
	_, _, err := page.List(t.Context(), d, page.From("id", "things", "id"), page.Request{Marker: "nobody", Limit: 1}, db.Value[string])
	if !fault.Has(err, fault.CodePageBadMarker) {
		t.Errorf("unknown marker: %v", err)
	}
}
