package wire_test

import (
	"slices"
	"strings"
	"testing"

	"altostack/kernel/db/dbtest"
	"altostack/wire/wiretest"
)

// TestOnPostgreSQL is a day in a cloud whose rows are in PostgreSQL: two projects
// with everything in them, each seeing its own; then a server goes, and what it
// used with it.
func TestOnPostgreSQL(t *testing.T) {
	w := wiretest.NewWorld(wiretest.Open(t, map[string]string{"database": dbtest.PostgreSQLURL(t)}))
	const servers = "/compute/v2.1/servers"
	for _, p := range []*wiretest.Project{w.A, w.B} {
		for _, who := range []*wiretest.Person{p.Member, p.Reader} {
			a := who.Must(200, "GET", servers+"/detail", nil)
			if a.Str("servers.0.id") != p.Server || a.At("servers.1") != nil || a.Str("servers.0.status") != "ACTIVE" {
				t.Errorf("%s lists: %s", p.Name, a.Text)
			}
		}
	}
	w.A.Reader.Must(403, "DELETE", servers+"/"+w.A.Server, nil)
	w.A.Member.Must(404, "DELETE", servers+"/"+w.B.Server, nil)
	w.A.Member.Must(204, "DELETE", servers+"/"+w.A.Server, nil)
	w.Idle()
	w.A.Member.Must(404, "GET", servers+"/"+w.A.Server, nil)
	if a := w.Admin.Must(200, "GET", "/placement/allocations/"+w.A.Server, nil); !strings.Contains(a.Text, `"allocations":{}`) {
		t.Errorf("left: %s", a.Text)
	}
	if a := w.A.Member.Must(200, "GET", "/network/v2.0/ports/"+w.A.Port, nil); a.Str("port.device_id") != "" {
		t.Errorf("the port that the user brought is still in use: %s", a.Text)
	}
	walk(w.B, func(r walked) {
		if r.IsOpen() {
			return
		}
		body := r.body(w, w.B)
		a := w.A.Member.Raw(r.Method, r.path, body, r.headers(w.B)...)
		if told := w.B.Told(r.path+string(body), a.Text); a.Status >= 500 || told != "" {
			t.Errorf("stranger: %s: %d tells %s: %s", r, a.Status, told, a.Text)
		}
		if w.B.Names(r.path) && !harmless[r.Method+" "+r.Path] && !slices.Contains([]int{403, 404, 410}, a.Status) {
			t.Errorf("stranger: %s %s: %d %s", r, body, a.Status, a.Text)
		}
	})
}
