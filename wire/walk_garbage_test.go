package wire_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"altostack/kernel/db/dbtest"
	"altostack/kernel/rest"
	"altostack/wire"
	"altostack/wire/wiretest"
)

// junk stands where something else is wanted: JSON texts.
var junk = []string{
	`7`, `-1`, `0`, `0.5`, `99999999999999999999999`, `1e400`, `-9223372036854775809`, `2147483648`, `null`, `true`, `[]`, `[null]`, `[[]]`, `{}`, `[{}]`, `["x","x"]`, `{"a":{"a":{"a":{"a":1}}}}`,
	`""`, `" "`, `"x"`, `"\u0000"`, `"a\u0007b"`, `"\ud800"`, "\"\xff\xfe\"", `"💥"`, `"../../x"`, `"' OR 1=1 --"`, `"%s%n"`, `"9999-99-99T99:99:99Z"`, `"10.0.0.0/99"`, `"::ffff:300.1.1.1"`,
	`"` + strings.Repeat("n", 300) + `"`, `"` + strings.Repeat("n", 70000) + `"`,
}

// nonsense are whole bodies.
var nonsense = []string{
	``, `null`, `[]`, `{}`, `7`, `"x"`, `{`, `{"":1}`, `[[[[`, `{"a":1,"a":2}`, `{"a":1}{"b":2}`, "\xff\xfe", "{\"a\":\"\xff\"}", "\x00", `{"x":1e999}`,
	strings.Repeat("[", 50000), strings.Repeat(`{"a":`, 20000) + "1" + strings.Repeat("}", 20000), strings.Repeat(" ", 300<<10),
}

// queries are what no list understands, or should not.
var queries = []string{
	"limit=-1", "limit=abc", "limit=0", "limit=99999999999999999999", "limit=1&limit=2", "marker=unknown", "marker=%00", "marker=%ff", "marker=", "limit=1&marker=00000000-0000-4000-8000-000000000000",
	"sort_key=%3Bdrop", "sort_key=id%3B--&sort_dir=up", "sort_key=&sort_dir=", "sort=%3Bdrop:asc", "sort=id:sideways", "sort_key=name&sort_key=id&sort_key=status",
	"changes-since=yesterday", "changes-before=1", "created_at=in:x", "updated_at=gt:nonsense", "size_min=x", "fields=%ff", "fields=nosuch", "all_tenants=maybe", "all_tenants=1", "project_id=%00",
	"name=%00", "name=%ff%fe", "name=(((", "name~=x", "name=" + strings.Repeat("n", 5000), "id=x&id=y", "ip=(((", "ip6=%5B", "tags=,,,", "not-tags=%00", "status=%5B%5D", "status=NOSUCH", "flavor=%00",
	"fixed_ips=nonsense", "fixed_ips=ip_address%3Dx", "mac_address=x", "enabled=maybe", "parent_id=%00", "resources=VCPU:x", "resources=VCPU:99999999999999999999", "required=%00", "member_of=in:x", "in_tree=x", "group_policy=x",
	"start=x&end=y", "detailed=x", "user_id=%00", "metadata=nonsense", "metadata={'a", "with_count=x", "usage=x", "visibility=x", "member_status=x", "os_hidden=x", "expires_at=lt:x", "include_limits&effective&subtree_as_list=x", "%zz=%zz", "=", "&&&", "a;b",
}

// places are what may stand for an id.
var places = []string{"%00", "%ff", "..%2f..%2fetc", "'", "%20", "%F0%9D%84%9E", strings.Repeat("n", 3000), "0", "-1", "detail", "00000000-0000-4000-8000-000000000000"}

// dirt sends what cannot be and sees that nothing breaks and nothing changes.
type dirt struct {
	*testing.T
	w     *wiretest.World
	sent  int
	shown map[string]bool // one report per route
}

func (d *dirt) send(who *wiretest.Person, r walked, path string, body []byte) {
	d.sent++
	commits := d.w.Commits()
	ask := func() wiretest.Answer { return who.Raw(r.Method, path, body, r.headers(d.w.A)...) }
	a := ask()
	if a.Status >= 500 && !d.shown[r.String()] {
		d.shown[r.String()] = true
		d.Errorf("%s %.300s: %d %s", r.Method+" "+path, body, a.Status, a.Text)
	}
	if d.w.Commits() == commits {
		return
	}
	d.w.Idle()
	if a.Status < 400 || a.Status >= 500 {
		return
	}
	before := d.w.Snapshot() // it wrote something, if only an empty transaction: once more, watched
	a = ask()
	d.w.Idle()
	if diff := d.w.Snapshot().Diff(before); diff != "" && a.Status >= 400 {
		d.Errorf("%s %.300s: %d changed\n%s", r.Method+" "+path, body, a.Status, diff)
	}
}

// ruin answers variants of a body: every part of it replaced, missing, or with
// something more beside it.
func ruin(body []byte) [][]byte {
	var tree any
	if json.Unmarshal(body, &tree) != nil {
		return nil
	}
	var out [][]byte
	encode := func() {
		text, err := json.Marshal(tree)
		if err != nil {
			panic(err) // it came from JSON
		}
		for _, j := range some(junk, len(out)) {
			out = append(out, []byte(strings.Replace(string(text), `"JUNK"`, j, 1)))
		}
	}
	var visit func(v any, set func(any))
	visit = func(v any, set func(any)) {
		switch x := v.(type) {
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(x)) {
				old := x[name]
				visit(old, func(n any) { x[name] = n })
				delete(x, name)
				text, _ := json.Marshal(tree)
				out = append(out, text)
				x[name] = old
			}
			x["unknown thing"] = "JUNK"
			encode()
			delete(x, "unknown thing")
		case []any:
			for i, old := range x {
				visit(old, func(n any) { x[i] = n })
			}
		}
		set("JUNK")
		encode()
		set(v)
	}
	visit(tree, func(v any) { tree = v })
	return out
}

// some answers every twenty-fourth, starting elsewhere each time; ALTOSTACK_WALK=full asks
// for all, which takes half an hour.
func some(all []string, n int) []string {
	if os.Getenv("ALTOSTACK_WALK") == "full" {
		return all
	}
	var out []string
	for i := n % 24; i < len(all); i += 24 {
		out = append(out, all[i])
	}
	return out
}

// attributes answers bodies that set each attribute an object shows to junk.
func (d *dirt) attributes(r walked) [][]byte {
	at := r.path
	if r.Method == http.MethodPost {
		at += "?limit=1"
	}
	shown := d.w.Admin.Raw(http.MethodGet, at, nil)
	var out [][]byte
	for member, v := range shown.Members() {
		if list, is := v.([]any); is && len(list) > 0 {
			member, v = singular(member), list[0]
		}
		attrs, is := v.(map[string]any)
		if !is {
			continue
		}
		base := map[string]any{}
		var tree map[string]map[string]any
		if json.Unmarshal(r.body(d.w, d.w.A), &tree) == nil && tree[member] != nil {
			base = tree[member]
		}
		for _, name := range slices.Sorted(maps.Keys(attrs)) {
			changed := maps.Clone(base)
			changed[name] = "JUNK"
			text, _ := json.Marshal(map[string]any{member: changed})
			for _, j := range some(junk, len(out)) {
				out = append(out, []byte(strings.Replace(string(text), `"JUNK"`, j, 1)))
			}
		}
	}
	return out
}

func singular(plural string) string {
	switch {
	case strings.HasSuffix(plural, "policies"):
		return strings.TrimSuffix(plural, "ies") + "y"
	default:
		return strings.TrimSuffix(plural, "s")
	}
}

// TestGarbage sends to every route what it cannot understand, as the
// administrator and as a member: nothing may break, and what is refused changes
// nothing.
func TestGarbage(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { garbage(t, func() map[string]string { return nil }) })
	t.Run("postgres", func(t *testing.T) { // which is stricter about text
		garbage(t, func() map[string]string { return map[string]string{"database": dbtest.PostgreSQLURL(t)} })
	})
}

func garbage(t *testing.T, settings func() map[string]string) {
	for _, table := range wire.RouteTables() {
		t.Run(table.Service, func(t *testing.T) {
			d := &dirt{T: t, w: wiretest.NewWorld(wiretest.Open(t, settings())), shown: map[string]bool{}}
			for _, route := range table.Routes {
				if route.Method != http.MethodHead { // as the GET
					d.route(table, fill(table, route, d.w.A))
				}
			}
			t.Logf("%d requests", d.sent)
		})
	}
}

// route sends all of it to one route, as whoever gets furthest there.
func (d *dirt) route(table wire.Table, r walked) {
	who := d.w.Admin
	if strings.Contains(r.Path, "/users/{user_id}/") || strings.Contains(r.Path, "/OS-TRUST/") {
		who = d.w.A.Member
	}
	for _, place := range places {
		if path := table.Mount + parameters(r.Route, place); path != table.Mount+r.Path {
			d.send(who, r, path, r.body(d.w, d.w.A))
		}
	}
	if !r.changes() {
		for _, q := range some(queries, d.sent) {
			d.send(who, r, r.path+"?"+q, nil)
		}
		return
	}
	if r.Method == http.MethodDelete || r.Path == "/v2/cache/{image_id}" { // which has no body, and is done a moment later
		return
	}
	for _, body := range nonsense {
		d.send(who, r, r.path, []byte(body))
	}
	if r.Action == "os-volume_upload_image" { // what is accepted copies a whole volume
		return
	}
	for _, body := range ruin(r.body(d.w, d.w.A)) {
		d.send(who, r, r.path, body)
	}
	if r.Action == "" && table.Service == "neutron" { // the others have schemas
		for _, body := range d.attributes(r) {
			d.send(who, r, r.path, body)
		}
	}
}

// parameters puts something in the place of every parameter of a path.
func parameters(r rest.Route, place string) string {
	segments := strings.Split(r.Path, "/")
	for i, s := range segments {
		if strings.HasPrefix(s, "{") {
			segments[i] = place
		}
	}
	return strings.Join(segments, "/")
}
