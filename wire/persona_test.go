package wire_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"altostack/wire/wiretest"
)

// persona is somebody of project A, with what the roles mean.
type persona struct {
	name  string
	who   *wiretest.Person
	roles []string
}

// personas are the five that the rules are written for. Who is none has a role
// that no rule names.
func personas(w *wiretest.World) []persona {
	return []persona{
		{"admin", w.Admin, []string{"admin", "manager", "member", "reader"}},
		{"manager", w.A.Manager, []string{"manager", "member", "reader"}},
		{"member", w.A.Member, []string{"member", "reader"}},
		{"reader", w.A.Reader, []string{"reader"}},
		{"none", w.Outsider(), nil},
	}
}

// nothing is the id that no object has.
const nothing = "0c2a9f6e-6d1c-4d2b-9c7b-999999999999"

// objects are whose things a call is about: those of a project, or of nobody.
type objects struct {
	name    string
	project *wiretest.Project
	ids     *wiretest.Project // that fill the path
}

// about answers what the rules see of an object.
func (o objects) facts() map[string]string {
	p, user := o.project.IDs["project"], o.project.Member.UserID
	out := map[string]string{"visibility": "private", "target.role.name": "x",
		"target.trust.trustor_user_id": user, "target.trust.trustee_user_id": o.project.Reader.UserID}
	for _, name := range []string{"project_id", "tenant_id", "owner", "member_id", "target.project.id", "target.limit.project_id", "network:project_id", "ext_parent:project_id", "security_group:project_id"} {
		out[name] = p
	}
	for _, name := range []string{"user_id", "target.user.id", "target.credential.user_id", "target.token.user_id"} {
		out[name] = user
	}
	for _, name := range []string{"target.user.domain_id", "target.project.domain_id", "target.group.domain_id", "target.domain_id"} {
		out[name] = "default"
	}
	return out
}

// refusedByRule tells whether the answer is that of a rule that refuses, and not
// of an object whose state does not let it.
func refusedByRule(a wiretest.Answer) bool {
	return a.Status == http.StatusForbidden && slices.ContainsFunc([]string{"olicy doesn't allow", "not authorized to perform", "not permitted", "disallowed by policy", "Access was denied"},
		func(s string) bool { return strings.Contains(a.Text, s) })
}

// TestPersonas asks every route of every service as five personas about objects
// of their own project, of another, and of none. What is expected is worked out
// from the documented rules alone. Who is refused gets 403, or 404 where the
// service does not say that the object is there; who is allowed is never refused
// by a rule, and is told 404 about what is not there.
func TestPersonas(t *testing.T) {
	for i := range 5 {
		w := wiretest.NewWorld(wiretest.Open(t, nil))
		p := personas(w)[i]
		t.Run(p.name, func(t *testing.T) {
			own, other := objects{"own", w.A, w.A}, objects{"another project's", w.B, w.B}
			none := objects{"unknown", w.A, unknown(w.A)}
			var later []func()
			p.who.Do("GET", "/network/v2.0/security-groups", nil) // which makes a project's default group
			before, asked := w.Snapshot(), 0
			for _, o := range []objects{none, other, own} {
				walk(o.ids, func(r walked) {
					if r.IsOpen() || r.Rule == "" || exempt(p.name, r) || o.name == "unknown" && !strings.Contains(r.Path, "{") {
						return
					}
					may := expected(p, o, r)
					ask := func() { askAs(t, w, p, o, r, may) }
					asked++
					switch {
					case may && r.Action == "os-volume_upload_image" && o.name != "unknown": // not asked: it would hash a gibibyte
					case may && r.changes():
						later = append(later, ask) // it may really happen, and others want to find the world whole
					default:
						ask()
					}
				})
			}
			w.Idle()
			if diff := kept(w.Snapshot()).Diff(kept(before)); diff != "" {
				t.Errorf("reads and refused changes wrote:\n%s", diff)
			}
			if asked < 1500 {
				t.Errorf("only %d calls were asked", asked)
			}
			for _, ask := range later {
				ask()
				w.Idle()
			}
		})
	}
}

// kept are the rows that only a change may write: a refusal leaves an audit event.
func kept(rows wiretest.Rows) wiretest.Rows {
	out := wiretest.Rows{}
	for table, all := range rows {
		if !strings.HasPrefix(table, "audit") {
			out[table] = all
		}
	}
	return out
}

// unknown are ids that nothing has, of every kind.
func unknown(p *wiretest.Project) *wiretest.Project {
	out := *p
	out.IDs = map[string]string{}
	for kind := range p.IDs {
		out.IDs[kind] = nothing
	}
	return &out
}

// expected works out from the rules whether the persona may.
func expected(p persona, o objects, r walked) bool {
	f := facts{rules: texts[r.service], roles: p.roles, object: o.facts(), caller: map[string]string{"user_id": p.who.UserID, "project_id": p.who.ProjectID}}
	mine := objects{project: &wiretest.Project{IDs: map[string]string{"project": p.who.ProjectID}, Member: p.who, Reader: p.who}}
	switch {
	case !strings.Contains(r.Path, "{") && !aboutUser(o, r): // about the caller's own project, which needs no naming
		f.object = mine.facts()
	case r.service == "keystone" && strings.Contains(r.path, "nothing-7") || o.name == "unknown" && (r.service == "keystone" || namesProject(r)):
		f.object = map[string]string{"project_id": nothing, "tenant_id": nothing} // nothing is known of what is not there
	case o.name == "unknown": // what is not there belongs to nobody else
		f.object = mine.facts()
	}
	return f.holds(r.Rule)
}

// aboutUser tells whether a call without parameters names a user in its body, or
// is about a token.
func aboutUser(o objects, r walked) bool {
	return strings.HasPrefix(r.Path, "/v3/auth/tokens") || strings.Contains(bodies[r.Method+" "+r.Path], "$user")
}

// namesProject tells whether the object is a project itself.
func namesProject(r walked) bool {
	return slices.ContainsFunc([]string{"{project_id}", "{project}", "{tenant_id}", "os-quota-sets/{id}"}, func(s string) bool { return strings.Contains(r.Path, s) })
}

// ofProject are what calls need to be about a project.
var ofProject = map[string]string{"GET /usages": "?project_id=", "GET /v2.1/os-migrations": "?project_id="}

func askAs(t *testing.T, w *wiretest.World, p persona, o objects, r walked, may bool) {
	t.Helper()
	path := strings.ReplaceAll(r.path, "nothing-7", nothing)
	if q := ofProject[r.Method+" "+r.Path]; q != "" {
		path += q + p.who.ProjectID
	}
	body := bytes.ReplaceAll(r.body(w, o.project), []byte("nothing-7"), []byte(nothing))
	a := p.who.Raw(r.Method, path, body, r.headers(o.project)...)
	if a.Status == http.StatusUnauthorized { // an earlier call took the token's life
		p.who.Token = w.Again(p.who).Token
		a = p.who.Raw(r.Method, path, body, r.headers(o.project)...)
	}
	call := fmt.Sprintf("%s, %s object: %s %s [%s]: %d %.200s", p.name, o.name, r.Method, r.Path+" "+r.Action, r.Rule, a.Status, a.Text)
	switch {
	case a.Status >= 500:
		t.Errorf("fails: %s", call)
	case may && (refusedByRule(a) || a.Status == http.StatusUnauthorized):
		t.Errorf("should be allowed: %s", call)
	case may && o.name == "unknown" && a.Status < 300 && anything[r.Path] == "":
		t.Errorf("should not be found: %s", call)
	case !may && a.Status != http.StatusForbidden && a.Status != http.StatusNotFound:
		t.Errorf("should be refused: %s", call)
	}
}

// exceptions are calls of which the documented rule does not tell who may, with
// the reason; NAME before a call means one persona only.
var exceptions = map[string]string{
	"POST /v3/ec2tokens":                         "answers for the signature in the body: 401 for a wrong one",
	"POST /v3/s3tokens":                          "likewise",
	"GET /v2.0/quotas":                           "all projects' quotas are for administrators, as at Neutron, whatever get_quota says",
	"GET /v2.0/quotas/{project_id}":              "everybody may read the quota of the own project, as at Neutron",
	"GET /v2.0/quotas/{project_id}/details":      "likewise",
	"GET /v2.0/quotas/{project_id}/details.json": "likewise",
	"GET /v2.0/agents":                           "lists of Neutron refuse nobody, they show what the caller may see: nothing",
	"GET /v2.0/network-ip-availabilities":        "likewise",
	"none GET /v2.1/os-floating-ip-pools":        "the network service is asked with the caller's token",
	"POST /v3/volume-transfers/{id}/accept":      "an offer asks for its own key",
	"POST /v3/os-volume-transfer/{id}/accept":    "likewise",
}

// anything are calls about things that need not be there.
var anything = map[string]string{
	"/v3/users/{user_id}/application_credentials":             "an empty list, as at Keystone",
	"/v3/users/{user_id}/OS-OAUTH1/access_tokens":             "likewise",
	"/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols": "likewise",
	"/allocations/{consumer_uuid}":                            "a consumer without allocations is an empty answer, as at Placement",
	"/v2.0/quotas/{project_id}":                               "quotas of any project, as at Neutron",
	"/v2.0/quotas/{project_id}/default":                       "likewise",
	"/v3/os-quota-sets/{id}":                                  "likewise at Cinder",
	"/v3/os-quota-sets/{id}/defaults":                         "likewise",
	"/v3/os-quota-class-sets/{id}":                            "any name is a class",
	"/v3/default-types/{id}":                                  "none is success",
	"/v2.1/os-quota-sets/{project}":                           "deleting none is success, as at Nova",
	"/v2.1/os-quota-class-sets/{class}":                       "any name is a class",
	"/v2.1/os-simple-tenant-usage/{tenant_id}":                "a project without servers used nothing",
}

func exempt(persona string, r walked) bool {
	call := r.Method + " " + r.Path
	return exceptions[call] != "" || exceptions[persona+" "+call] != ""
}
