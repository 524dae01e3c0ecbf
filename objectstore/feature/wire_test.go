package feature_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/clock"
	"altostack/kernel/contract"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/objectstore"
	"altostack/objectstore/api"
	"altostack/objectstore/feature"
	"altostack/objectstore/store"
)

// tokens are the callers, by the token they send.
type tokens map[string]*auth.Principal

func (v tokens) Validate(_ context.Context, token string) (*auth.Principal, error) {
	if p := v[token]; p != nil {
		return p, nil
	}
	return nil, fault.New(fault.CodeAuthUnauthenticated, "no")
}

// swift is a served API with all features.
type swift struct {
	t     *testing.T
	url   string
	clock *clock.Virtual
	shelf *shelf
	svc   *objectstore.Service
}

func serve(t *testing.T) *swift {
	t.Helper()
	d := dbtest.SQLite(t)
	if err := d.Migrate(t.Context(), "objectstore", store.Migrations()); err != nil {
		t.Fatal(err)
	}
	s := &swift{t: t, clock: clock.NewVirtual(time.Unix(1_800_000_000, 0)), shelf: &shelf{blobs: map[string][]byte{}}}
	log := slog.New(slog.DiscardHandler)
	s.svc = objectstore.New(objectstore.Config{DB: d, Store: store.New(d), Clock: s.clock, IDs: id.Random{}, Log: log, Policies: []objectstore.Policy{{Name: "gold", Default: true, Backend: s.shelf}}})
	s.svc.AddCheck(s.svc.CheckQuotas)
	person := func(project, user string, roles ...string) *auth.Principal {
		return &auth.Principal{ProjectID: project, UserID: user, ProjectDomainID: "default", UserDomainID: "default", Roles: roles}
	}
	a := api.New(api.Config{Service: s.svc, Clock: s.clock, IDs: id.Random{}, Log: log, Mount: "/os", Tokens: tokens{
		"owner": person("p", "u", "member"), "other": person("q", "v", "member"), "reseller": person("x", "root", "reselleradmin"),
	}})
	a.Add(feature.New(s.svc, "/os").All()...)
	srv := httptest.NewServer(a.Handler())
	t.Cleanup(srv.Close)
	s.url = srv.URL + "/os"
	return s
}

type reply struct {
	status int
	http.Header
	body string
}

var asSent = &http.Transport{DisableCompression: true}

// do sends a request as the bearer of a token; headers are "Name: value".
func (s *swift) do(token, method, path, body string, headers ...string) reply {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("X-Auth-Token", token)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	resp, err := asSent.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil && method != "GET" {
		s.t.Fatal(err)
	}
	s.clock.Advance(time.Second)
	return reply{resp.StatusCode, resp.Header, string(b)}
}

// must is a request of the owner's that has to be answered so.
func (s *swift) must(want int, method, path, body string, headers ...string) reply {
	s.t.Helper()
	r := s.do("owner", method, path, body, headers...)
	if r.status != want {
		s.t.Fatalf("%s %s answered %d, want %d: %s", method, path, r.status, want, r.body)
	}
	return r
}

// says insists on a status and on what the body matches.
func (s *swift) says(r reply, status int, pattern string) {
	s.t.Helper()
	if r.status != status || !regexp.MustCompile(pattern).MatchString(r.body) {
		s.t.Errorf("answered %d %q, want %d %s", r.status, r.body, status, pattern)
	}
}

func (s *swift) has(r reply, headers map[string]string) {
	s.t.Helper()
	for name, want := range headers {
		if got := r.Get(name); got != want {
			s.t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

const acct = "/v1/AUTH_p"

func TestOperationsAreInTheContract(t *testing.T) {
	for _, op := range feature.Operations() {
		if !slices.ContainsFunc(contract.Operations("swift"), func(o contract.Operation) bool { return o.Method == op.Method && o.Path == op.Path }) {
			t.Errorf("%s %s is not in the contract", op.Method, op.Path)
		}
	}
}

func TestInfo(t *testing.T) {
	s := serve(t)
	var info map[string]any
	if err := json.Unmarshal([]byte(s.do("", "GET", "/info", "").body), &info); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tempurl", "formpost", "slo", "dlo", "symlink", "object_versioning", "versioned_writes", "staticweb", "bulk_upload", "bulk_delete", "account_quotas", "container_quotas", "crossdomain"} {
		if info[name] == nil {
			t.Errorf("/info has no %s", name)
		}
	}
	for _, name := range []string{"container_sync", "ratelimit", "object_lock"} {
		if info[name] != nil {
			t.Errorf("/info tells of %s, which is not there", name)
		}
	}
	s.says(s.do("", "GET", "/crossdomain.xml", ""), 200, `(?s)^<\?xml version="1.0"\?>\n<!DOCTYPE .*</cross-domain-policy>$`)
}
