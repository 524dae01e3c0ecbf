package wire_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"altostack/kernel/rest"
	"altostack/wire"
	"altostack/wire/wiretest"
)

// walked is a route with its parameters filled in.
type walked struct {
	rest.Route
	service, path string
}

func (r walked) String() string {
	if r.Action != "" {
		return r.Method + " " + r.path + " " + r.Action
	}
	return r.Method + " " + r.path
}

// changes tells whether the route is for changing something.
func (r walked) changes() bool {
	return !slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions}, r.Method)
}

// about are the objects that a route's parameters name: of the service, or where
// a name means different things, of what stands before it in the path.
var about = map[string]string{
	"keystone {user_id}": "user member", "keystone {project_id}": "project", "keystone {group_id}": "group", "keystone {application_credential_id}": "application credential",
	"keystone {access_rule_id}": "access rule", "keystone {credential_id}": "credential", "keystone {trust_id}": "trust",
	"glance {image_id}": "image", "glance {member_id}": "project",
	"neutron {network_id}": "network", "neutron {subnet_id}": "subnet", "neutron {port_id}": "port", "neutron {router_id}": "router", "neutron {floatingip_id}": "floating ip",
	"neutron {security_group_id}": "security group", "neutron {security_group_rule_id}": "rule", "neutron {project_id}": "project",
	"cinder {volume_id}": "volume", "cinder {snapshot_id}": "snapshot", "cinder /volumes/{id}": "volume", "cinder /snapshots/{id}": "snapshot",
	"cinder /volume-transfers/{id}": "transfer", "cinder /os-volume-transfer/{id}": "transfer", "cinder /os-quota-sets/{id}": "project", "cinder {transfer_id}": "transfer",
	"nova {server_id}": "server", "nova {name}": "keypair", "nova {group_id}": "server group", "nova {project}": "project", "nova {tenant_id}": "project",
	"nova /servers/{id}": "server", "nova /os-volume_attachments/{id}": "volume", "nova /os-interface/{id}": "port", "nova /os-keypairs/{id}": "keypair",
	"placement {consumer_uuid}": "server",
}

// fill replaces the parameters of a path by objects of a project; what belongs to
// nobody gets a name that nothing has.
func fill(t wire.Table, r rest.Route, p *wiretest.Project) walked {
	w := walked{Route: r, service: t.Service}
	segments := strings.Split(r.Path, "/")
	for i, s := range segments {
		if !strings.HasPrefix(s, "{") {
			continue
		}
		kind, known := about[t.Service+" "+s]
		if !known {
			kind, known = about[t.Service+" /"+segments[i-1]+"/"+s]
		}
		if segments[i] = "nothing-7"; known {
			segments[i] = p.IDs[kind]
		}
	}
	w.path = t.Mount + strings.Join(segments, "/")
	return w
}

func walk(p *wiretest.Project, visit func(walked)) {
	for _, t := range wire.RouteTables() {
		for _, r := range t.Routes {
			visit(fill(t, r, p))
		}
	}
}

// body is something that the route takes, about objects of a project.
func (r walked) body(w *wiretest.World, p *wiretest.Project) []byte {
	switch {
	case !r.changes() || r.Method == http.MethodDelete:
		return nil
	case r.Action != "":
		text, ok := actions[r.Action]
		if !ok {
			text = "null"
		}
		return []byte(p.Fill(`{"`+r.Action+`":`+text+`}`, w.A, w))
	}
	text, ok := bodies[r.Method+" "+r.Path]
	if !ok {
		text = "{}"
	}
	return []byte(p.Fill(text, w.A, w))
}

// headers are what a version or a body needs, so that old routes are met too;
// what is about a token is asked of the project's member.
func (r walked) headers(p *wiretest.Project) []string {
	h := []string{"X-Subject-Token", p.Member.Token}
	if !r.Max.IsZero() {
		h = append(h, "OpenStack-API-Version", map[string]string{"nova": "compute", "cinder": "volume", "placement": "placement"}[r.service]+" "+r.Max.String())
	}
	switch r.Method + " " + r.Path {
	case "PATCH /v2/images/{image_id}":
		h = append(h, "Content-Type", "application/openstack-images-v2.1-json-patch")
	case "PUT /v2/images/{image_id}/file", "PUT /v2/images/{image_id}/stage":
		h = append(h, "Content-Type", "application/octet-stream")
	}
	return h
}

// TestNobody walks every route without a token, with a forged one, and with all
// the headers that a filter in front would set.
func TestNobody(t *testing.T) {
	w := wiretest.NewWorld(wiretest.Open(t, nil))
	before := w.Snapshot()
	forged := []string{"X-User-Id", w.Admin.UserID, "X-Project-Id", w.Admin.ProjectID, "X-Tenant-Id", w.Admin.ProjectID, "X-Roles", "admin", "X-Role", "admin", "X-Identity-Status", "Confirmed",
		"X-Is-Admin-Project", "True", "X-System-Scope", "all", "X-User", "admin", "X-Service-Roles", "service", "X-Service-Identity-Status", "Confirmed", "OpenStack-System-Scope", "all"}
	walk(w.A, func(r walked) {
		if r.IsOpen() {
			return
		}
		for name, headers := range map[string][]string{"no token": nil, "forged token": {"X-Auth-Token", "gAAAAABforged"}, "forged headers": forged} {
			a := w.Nobody().Raw(r.Method, r.path, r.body(w, w.A), append(r.headers(w.A), headers...)...)
			if a.Status != http.StatusUnauthorized {
				t.Errorf("%s: %s: %d %s", name, r, a.Status, a.Text)
			}
			if !strings.Contains(a.Header.Get("WWW-Authenticate"), "Keystone uri=") {
				t.Errorf("%s: %s: no way to the identity service: %v", name, r, a.Header)
			}
			if r.Method != http.MethodHead && !refusal(r.service, a) {
				t.Errorf("%s: %s: not a refusal of %s: %s", name, r, r.service, a.Text)
			}
		}
	})
	if diff := w.Snapshot().Diff(before); diff != "" {
		t.Errorf("nobody changed: %s", diff)
	}
}

// refusal tells whether a 401 has the form that a service's clients know.
func refusal(service string, a wiretest.Answer) bool {
	return a.At("error.code") == float64(http.StatusUnauthorized) && a.Str("error.message") != "" && a.Str("error.title") != ""
}

// harmless routes name an object but tell and change nothing of it: the same
// quotas for everybody, and an offer that asks for its own key.
var harmless = map[string]bool{"GET /v2.1/os-quota-sets/{project}/defaults": true, "POST /v3/volume-transfers/{id}/accept": true, "POST /v3/os-volume-transfer/{id}/accept": true}

// TestStranger walks every route as a member, a manager and a reader of another
// project: nothing of the first project may be told or changed.
func TestStranger(t *testing.T) {
	w := wiretest.NewWorld(wiretest.Open(t, nil))
	for _, who := range []*wiretest.Person{w.A.Reader, w.A.Member, w.A.Manager} {
		before := w.Snapshot().Of(w.B)
		walk(w.B, func(r walked) {
			if r.IsOpen() {
				return
			}
			commits := w.Commits()
			body := r.body(w, w.B)
			a := who.Raw(r.Method, r.path, body, r.headers(w.B)...)
			if a.Status >= 500 {
				t.Errorf("%s: %d %s", r, a.Status, a.Text)
			}
			if told := w.B.Told(r.path+string(body), a.Text); told != "" {
				t.Errorf("%s: %d tells %s: %s", r, a.Status, told, a.Text)
			}
			if w.B.Names(r.path) && !harmless[r.Method+" "+r.Path] && !slices.Contains([]int{403, 404, 410}, a.Status) {
				t.Errorf("stranger: %s %s: %d %s", r, body, a.Status, a.Text)
			}
			if w.Commits() == commits {
				return
			}
			w.Idle()
			if diff := w.Snapshot().Of(w.B).Diff(before); diff != "" {
				t.Errorf("stranger: %s: %d changed\n%s", r, a.Status, diff)
				before = w.Snapshot().Of(w.B)
			}
		})
	}
}

// TestThief asks, in one project, for what another has.
func TestThief(t *testing.T) {
	w := wiretest.NewWorld(wiretest.Open(t, nil))
	before := w.Snapshot()
	for _, theft := range thefts {
		path, body := w.B.Fill(theft.path, w.A, w), w.B.Fill(theft.body, w.A, w)
		a := w.A.Member.Raw(theft.method, path, []byte(body))
		w.Idle()
		if a.Status < 400 || a.Status >= 500 {
			t.Errorf("%s %s %s: %d %s", theft.method, path, theft.body, a.Status, a.Text)
		}
		if told := w.B.Told(path+body, a.Text); told != "" {
			t.Errorf("%s %s %s: %d tells %s: %s", theft.method, path, theft.body, a.Status, told, a.Text)
		}
		after := w.Snapshot()
		if diff := after.Diff(before); diff != "" {
			t.Errorf("%s %s %s: %d changed\n%s", theft.method, path, theft.body, a.Status, diff)
		}
		before = after
	}
}

// TestReader walks every route as a reader of the project itself: what is for
// changing something is refused, and nothing changes.
func TestReader(t *testing.T) {
	w := wiretest.NewWorld(wiretest.Open(t, nil))
	before := w.Snapshot()
	walk(w.A, func(r walked) {
		if r.IsOpen() {
			return
		}
		commits := w.Commits()
		a := w.A.Reader.Raw(r.Method, r.path, r.body(w, w.A), r.headers(w.A)...)
		if a.Status >= 500 || r.changes() && !harmless[r.Method+" "+r.Path] && r.Action != "os-show_image_metadata" && !slices.Contains([]int{403, 404, 410}, a.Status) {
			t.Errorf("reader: %s: %d %s", r, a.Status, a.Text)
		}
		if w.Commits() == commits {
			return
		}
		w.Idle()
		if diff := w.Snapshot().Diff(before); diff != "" {
			t.Errorf("reader: %s: %d changed\n%s", r, a.Status, diff)
			before = w.Snapshot()
		}
	})
}
