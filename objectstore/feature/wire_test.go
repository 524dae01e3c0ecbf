package feature_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
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

func (s *swift) large() {
	s.t.Helper()
	if r := s.do("owner", "PUT", acct+"/c", ""); r.status/100 != 2 {
		s.t.Fatal(r)
	}
	s.must(201, "PUT", acct+"/c/1", "hello ")
	s.must(201, "PUT", acct+"/c/2", "world")
}

func TestSLOWire(t *testing.T) {
	s := serve(t)
	s.large()
	whole := sum(sum("hello ") + sum("world"))
	r := s.must(201, "PUT", acct+"/c/m?multipart-manifest=put", `[{"path":"/c/1","etag":"`+sum("hello ")+`","size_bytes":6},{"path":"/c/2"}]`, "Content-Type: text/x", "X-Object-Meta-Color: red")
	s.has(r, map[string]string{"Etag": `"` + whole + `"`})
	r = s.must(200, "GET", acct+"/c/m", "")
	s.says(r, 200, "^hello world$")
	s.has(r, map[string]string{"Etag": `"` + whole + `"`, "X-Static-Large-Object": "True", "Content-Length": "11", "Content-Type": "text/x", "X-Object-Meta-Color": "red"})
	s.has(s.must(200, "HEAD", acct+"/c/m", ""), map[string]string{"Content-Length": "11", "Etag": `"` + whole + `"`})
	s.says(s.do("owner", "GET", acct+"/c/m", "", "Range: bytes=4-7"), 206, "^o wo$")
	s.says(s.do("owner", "GET", acct+"/c/m", "", "Range: bytes=0-1,9-"), 206, "(?s)\r\nhe\r\n.*\r\nld\r\n")
	s.says(s.do("owner", "GET", acct+"/c/m", "", "If-None-Match: "+whole), 304, "")
	s.says(s.do("owner", "GET", acct+"/c/m", "", "If-Match: other"), 412, "")
	s.says(s.do("owner", "GET", acct+"/c/m", "", "Range: bytes=11-"), 416, "")

	r = s.must(200, "GET", acct+"/c/m?multipart-manifest=get", "")
	s.says(r, 200, `^\[{"name":"/c/1","hash":"[0-9a-f]{32}","bytes":6,"content_type":"application/octet-stream","last_modified":"[^"]*"},{"name":"/c/2"`)
	s.has(r, map[string]string{"Content-Type": "application/json; charset=utf-8", "Etag": sum(r.body), "X-Static-Large-Object": "True"})
	raw := s.must(200, "GET", acct+"/c/m?multipart-manifest=get&format=raw", "")
	s.must(201, "PUT", acct+"/c/again?multipart-manifest=put", raw.body)
	s.says(s.do("owner", "GET", acct+"/c/again", ""), 200, "^hello world$")
	s.says(s.do("owner", "GET", acct+"/c?format=json&prefix=m", ""), 200, `"bytes":11,"hash":"`+sum(r.body)+`".*"slo_etag":"\\"`+whole+`\\""`)

	r = s.must(206, "GET", acct+"/c/m?part-number=2", "")
	s.says(r, 206, "^world$")
	s.has(r, map[string]string{"X-Parts-Count": "2", "Content-Range": "bytes 6-10/11"})
	s.says(s.do("owner", "GET", acct+"/c/m?part-number=3", ""), 416, "not satisfiable")
	r = s.do("owner", "HEAD", acct+"/c/m?part-number=1", "")
	s.says(r, 206, "")
	s.has(r, map[string]string{"Content-Length": "6", "Content-Range": "bytes 0-5/11"})
	r = s.do("owner", "HEAD", acct+"/c/m?part-number=3", "")
	s.says(r, 416, "")
	s.has(r, map[string]string{"Content-Length": "0", "Etag": `"` + whole + `"`, "X-Parts-Count": "2"})
	s.says(s.do("owner", "GET", acct+"/c/m?part-number=0", ""), 400, "Part number must be an integer greater than 0")

	// a copy is the bytes, or with multipart-manifest=get the manifest
	s.must(201, "COPY", acct+"/c/m", "", "Destination: c/flat")
	s.must(201, "COPY", acct+"/c/m?multipart-manifest=get", "", "Destination: c/link")
	if r := s.must(200, "GET", acct+"/c/flat", ""); r.body != "hello world" || r.Get("X-Static-Large-Object") != "" || r.Get("Etag") != sum("hello world") {
		t.Errorf("the copy is %v", r)
	}
	if r := s.must(200, "GET", acct+"/c/link", ""); r.body != "hello world" || r.Get("X-Static-Large-Object") != "True" {
		t.Errorf("the copied manifest is %v", r)
	}
	s.must(202, "POST", acct+"/c/m", "", "X-Object-Meta-Color: blue")
	s.has(s.must(200, "HEAD", acct+"/c/m", ""), map[string]string{"X-Object-Meta-Color": "blue", "X-Static-Large-Object": "True", "Content-Length": "11"})

	s.must(201, "PUT", acct+"/c/2", "WORLD")
	s.says(s.do("owner", "GET", acct+"/c/m", "", "Range: bytes=6-"), 409, "")
}

func TestHeartbeat(t *testing.T) {
	s := serve(t)
	s.large()
	s.says(s.do("owner", "PUT", acct+"/c/m?multipart-manifest=put&heartbeat=on", `[{"path":"c/1"}]`), 202,
		`^ \r\n\r\nEtag: "[0-9a-f]{32}"\nLast Modified: .*\nResponse Body: \nResponse Status: 201 Created\nErrors:\n$`)
	s.says(s.do("owner", "GET", acct+"/c/m", ""), 200, "^hello $")
	s.says(s.do("owner", "PUT", acct+"/c/n?multipart-manifest=put&heartbeat=on", `[{"path":"c/no"}]`), 202, "Response Body: Bad Request\nThe server .*\nResponse Status: 400 Bad Request\nErrors:\nc/no, 404 Not Found\n$")
	s.says(s.do("owner", "PUT", acct+"/c/n?multipart-manifest=put&heartbeat=on", "x", "Accept: application/json"), 202, `"Response Body":"Manifest must be valid JSON.\\n","Response Status":"400 Bad Request"`)
}

// TestProbing: who may not read somewhere learns nothing of what is there.
func TestProbing(t *testing.T) {
	s := serve(t)
	s.large()
	if r := s.do("other", "PUT", "/v1/AUTH_q/d", ""); r.status != 201 {
		t.Fatal(r)
	}
	s.must(201, "PUT", acct+"/c/m?multipart-manifest=put", `[{"path":"c/1"}]`)
	s.must(204, "POST", acct+"/c", "", "X-Container-Write: q:v", "X-Container-Read: q:v")
	s.says(s.do("other", "PUT", acct+"/c/mine?multipart-manifest=put", `[{"path":"c/1"},{"path":"none/x"},{"path":"c/none"}]`), 400,
		"^Errors:\nnone/x, 403 Forbidden\nc/none, 404 Not Found\n$")
	for _, target := range []string{"secret/x", "c/m"} {
		s.says(s.do("other", "PUT", "/v1/AUTH_q/d/l", "", "X-Symlink-Target: "+target, "X-Symlink-Target-Account: AUTH_p", "X-Symlink-Target-Etag: x"), map[string]int{"secret/x": 403, "c/m": 409}[target], "")
	}
	// a version by its id is for owners
	s.must(201, "PUT", acct+"/v", "", "X-Versions-Enabled: true", "X-Container-Read: q:v", "X-Container-Write: q:v")
	id := s.must(201, "PUT", acct+"/v/o", "1").Get("X-Object-Version-Id")
	s.must(201, "PUT", acct+"/v/o", "2")
	s.says(s.do("other", "GET", acct+"/v/o", ""), 200, "^2$")
	s.says(s.do("other", "GET", acct+"/v/o?version-id="+id, ""), 403, "")
	s.says(s.do("other", "DELETE", acct+"/v/o?version-id="+id, ""), 403, "")
	s.says(s.do("owner", "GET", acct+"/v/o?version-id="+id, ""), 200, "^1$")
}

func TestSLORefused(t *testing.T) {
	s := serve(t)
	s.large()
	put := func(body string, headers ...string) reply {
		return s.do("owner", "PUT", acct+"/c/m?multipart-manifest=put", body, headers...)
	}
	s.says(put("no"), 400, "^Manifest must be valid JSON.\n$")
	s.says(put(`[{"path":"/c/m"}]`), 400, "itself")
	s.says(put(`[{"path":"/c/1","etag":"x"},{"path":"/c/no no"}]`), 400, "^Errors:\nc/1, Etag Mismatch\nc/no%20no, 404 Not Found\n$")
	s.says(put(`[{"path":"/c/no"}]`, "Accept: application/json"), 400, `^{"Errors":\[\["c/no","404 Not Found"\]\]}$`)
	s.says(put(`[{"path":"/c/1"}]`, "Etag: 0123"), 422, "")
	s.says(put("["+strings.Repeat(`{"path":"/c/1"},`, 1000)+`{"path":"/c/1"}]`), 413, "must be <= 1000")
	s.says(put("["+strings.Repeat(" ", 8<<20)+"]"), 413, "Manifest File > 8388608 bytes")
	s.says(s.do("owner", "PUT", acct+"/c/m", "", "X-Static-Large-Object: true"), 400, "reserved header")
	s.says(s.do("owner", "GET", acct+"/c/m", ""), 404, "")
}

func TestSLODelete(t *testing.T) {
	s := serve(t)
	s.large()
	s.must(201, "PUT", acct+"/c/in?multipart-manifest=put", `[{"path":"/c/2"}]`)
	s.must(201, "PUT", acct+"/c/m?multipart-manifest=put", `[{"path":"/c/1"},{"path":"/c/in"}]`)
	s.says(s.do("owner", "DELETE", acct+"/c/m?multipart-manifest=delete", "", "Accept: application/json"), 200,
		`{"Errors":\[\],"Number Deleted":4,"Number Not Found":0,"Response Body":"","Response Status":"200 OK"}`)
	s.says(s.do("owner", "GET", acct+"/c", ""), 204, "")
	s.says(s.do("owner", "DELETE", acct+"/c/m?multipart-manifest=delete", ""), 200, "Number Not Found: 1\n(.|\n)*Response Status: 200 OK")
	s.large()
	s.must(201, "PUT", acct+"/c/m?multipart-manifest=put", `[{"path":"/c/1"},{"path":"/c/2"}]`)
	s.must(201, "PUT", acct+"/c/out?multipart-manifest=put", `[{"path":"/c/m"}]`)
	s.says(s.do("owner", "DELETE", acct+"/c/out?multipart-manifest=delete&async=on", ""), 400, "No segments may be large objects.")
	s.must(204, "DELETE", acct+"/c/m?multipart-manifest=delete&async=on", "")
	s.says(s.do("owner", "GET", acct+"/c", ""), 200, "^out\n$")
	s.must(201, "PUT", acct+"/c/plain", "x")
	s.says(s.do("owner", "DELETE", acct+"/c/plain?multipart-manifest=delete", ""), 200, "Response Status: 400 Bad Request\nErrors:\n/c/plain, Not an SLO manifest\n")
	s.must(200, "HEAD", acct+"/c/plain", "")
}

func TestDLOWire(t *testing.T) {
	s := serve(t)
	s.large()
	s.must(201, "PUT", acct+"/c/big", "own", "X-Object-Manifest: c/1")
	s.must(201, "PUT", acct+"/c/1b", "again")
	r := s.must(200, "GET", acct+"/c/big", "")
	s.says(r, 200, "^hello again$")
	s.has(r, map[string]string{"X-Object-Manifest": "c/1", "Etag": `"` + sum(sum("hello ")+sum("again")) + `"`})
	s.says(s.do("owner", "GET", acct+"/c/big", "", "Range: bytes=-5"), 206, "^again$")
	s.says(s.do("owner", "GET", acct+"/c/big?multipart-manifest=get", ""), 200, "^own$")
	s.says(s.do("owner", "GET", acct+"/c/big", "", "Range: bytes=0-1,3-4"), 200, "^hello again$")
	s.says(s.do("owner", "PUT", acct+"/c/bad", "", "X-Object-Manifest: c"), 400, "X-Object-Manifest must be in the format container/prefix")
	s.must(201, "COPY", acct+"/c/big?multipart-manifest=get", "", "Destination: c/copied")
	s.has(s.must(200, "HEAD", acct+"/c/copied", ""), map[string]string{"X-Object-Manifest": "c/1", "Content-Length": "11"})
	s.must(202, "POST", acct+"/c/big", "", "X-Object-Manifest: c/2")
	s.says(s.do("owner", "GET", acct+"/c/big", ""), 200, "^world$")
	s.must(202, "POST", acct+"/c/big", "")
	s.says(s.do("owner", "GET", acct+"/c/big", ""), 200, "^own$")
}

func TestSymlinkWire(t *testing.T) {
	s := serve(t)
	s.large()
	s.must(201, "PUT", acct+"/c/link", "", "X-Symlink-Target: c/1")
	r := s.must(200, "GET", acct+"/c/link", "")
	s.says(r, 200, "^hello $")
	s.has(r, map[string]string{"Content-Location": acct + "/c/1", "Etag": sum("hello ")})
	r = s.must(200, "HEAD", acct+"/c/link?symlink=get", "")
	s.has(r, map[string]string{"X-Symlink-Target": "c/1", "Content-Length": "0", "Content-Type": "application/symlink"})
	s.says(s.do("owner", "GET", acct+"/c?format=json&prefix=link", ""), 200, `"symlink_path":"/v1/AUTH_p/c/1"`)
	r = s.do("owner", "POST", acct+"/c/link", "", "X-Object-Meta-A: b")
	s.says(r, 307, "applied to a symlink")
	s.has(r, map[string]string{"Location": "/os" + acct + "/c/1"})
	s.must(201, "PUT", acct+"/c/bound", "", "X-Symlink-Target: c/2", "X-Symlink-Target-Etag: "+sum("world"))
	s.has(s.must(200, "HEAD", acct+"/c/bound?symlink=get", ""), map[string]string{"X-Symlink-Target-Etag": sum("world"), "X-Symlink-Target-Bytes": "5", "Content-Type": "application/octet-stream"})
	s.must(201, "PUT", acct+"/c/2", "other")
	s.says(s.do("owner", "GET", acct+"/c/bound", ""), 409, "does not match X-Symlink-Target-Etag header")
	s.must(201, "COPY", acct+"/c/link?symlink=get", "", "Destination: c/copy")
	s.has(s.must(200, "HEAD", acct+"/c/copy?symlink=get", ""), map[string]string{"X-Symlink-Target": "c/1"})
	put := func(body string, headers ...string) reply {
		return s.do("owner", "PUT", acct+"/c/bad", body, headers...)
	}
	s.says(put("x", "X-Symlink-Target: c/1"), 400, "zero byte body")
	s.says(put("", "X-Symlink-Target: /c/1"), 412, "must be of the form")
	s.says(put("", "X-Symlink-Target: c/bad"), 400, "cannot target itself")
	s.says(put("", "X-Symlink-Target: c/1", "X-Symlink-Target-Etag: x"), 409, "does not match")
	s.says(put("", "X-Symlink-Target: c/none", "X-Symlink-Target-Etag: x"), 409, "X-Symlink-Target does not exist")
	// a large object is held by its manifest, and its manifest is read through links
	s.must(201, "PUT", acct+"/c/m?multipart-manifest=put", `[{"path":"c/1"}]`)
	etag := s.must(200, "HEAD", acct+"/c/m", "").Get("X-Manifest-Etag")
	s.says(put("", "X-Symlink-Target: c/m", "X-Symlink-Target-Etag: "+sum(sum("hello "))), 409, "does not match")
	s.must(201, "PUT", acct+"/c/held", "", "X-Symlink-Target: c/m", "X-Symlink-Target-Etag: "+etag)
	s.says(s.do("owner", "GET", acct+"/c/held", ""), 200, "^hello $")
	s.says(s.do("owner", "GET", acct+"/c/held?multipart-manifest=get", ""), 200, `^\[{"name":"/c/1"`)
	s.says(s.do("owner", "GET", acct+"/c?format=json&prefix=held", ""), 200, `"slo_etag":"\\"`+sum(sum("hello "))+`\\"".*"symlink_bytes":6`)
	for i := range 4 {
		s.must(201, "PUT", fmt.Sprintf("%s/c/l%d", acct, i+1), "", fmt.Sprintf("X-Symlink-Target: c/l%d", i))
	}
	s.must(201, "PUT", acct+"/c/l0", "end")
	s.says(s.do("owner", "GET", acct+"/c/l2", ""), 200, "^end$")
	s.says(s.do("owner", "GET", acct+"/c/l3", ""), 409, "Too many levels of symbolic links, maximum allowed is 2")
	// in another account, only who may read there
	s.must(204, "DELETE", acct+"/c/link", "")
	s.says(s.do("owner", "GET", acct+"/c/1", ""), 200, "^hello $")
	if r := s.do("other", "PUT", "/v1/AUTH_q/d", ""); r.status != 201 {
		t.Fatal(r)
	}
	if r := s.do("other", "PUT", "/v1/AUTH_q/d/peek", "", "X-Symlink-Target: c/1", "X-Symlink-Target-Account: AUTH_p"); r.status != 201 {
		t.Fatal(r)
	}
	s.says(s.do("other", "GET", "/v1/AUTH_q/d/peek", ""), 403, "")
}

func TestVersionsWire(t *testing.T) {
	s := serve(t)
	s.must(201, "PUT", acct+"/v", "")
	s.must(201, "PUT", acct+"/v/o", "null")
	s.must(204, "POST", acct+"/v", "", "X-Versions-Enabled: true")
	s.has(s.must(204, "HEAD", acct+"/v", ""), map[string]string{"X-Versions-Enabled": "True"})
	one := s.must(201, "PUT", acct+"/v/o", "one").Get("X-Object-Version-Id")
	two := s.must(201, "PUT", acct+"/v/o", "two").Get("X-Object-Version-Id")
	r := s.must(200, "GET", acct+"/v/o", "")
	s.says(r, 200, "^two$")
	s.has(r, map[string]string{"X-Object-Version-Id": two})
	for id, body := range map[string]string{one: "one", two: "two", "null": "null"} {
		r := s.must(200, "GET", acct+"/v/o?version-id="+id, "")
		s.says(r, 200, "^"+body+"$")
		s.has(r, map[string]string{"X-Object-Version-Id": id})
	}
	marker := s.must(204, "DELETE", acct+"/v/o", "").Get("X-Object-Version-Id")
	s.says(s.do("owner", "GET", acct+"/v/o", ""), 404, "")
	s.says(s.do("owner", "GET", acct+"/v/o?version-id="+marker, ""), 404, "")
	var list []struct {
		Name, Version, Hash string
		VersionID           string `json:"version_id"`
		Latest              bool   `json:"is_latest"`
		Type                string `json:"content_type"`
	}
	all := s.must(200, "GET", acct+"/v?versions", "")
	if err := json.Unmarshal([]byte(all.body), &list); err != nil || len(list) != 4 || list[0].VersionID != marker || !list[0].Latest ||
		list[0].Type != feature.MarkerType || list[1].VersionID != two || list[3].VersionID != "null" || list[1].Latest {
		t.Errorf("versions are %s, %v", all.body, err)
	}
	s.says(s.do("owner", "GET", acct+"/v?versions&marker=o&version_marker="+two+"&limit=1", ""), 200, `"version_id":"`+one+`"`)
	s.says(s.do("owner", "GET", acct+"/v?versions&version_marker="+two, ""), 400, "requires marker")
	s.says(s.do("owner", "DELETE", acct+"/v", ""), 409, "Delete all versions before deleting container.")

	// restored, then deleted by its version
	s.has(s.must(201, "PUT", acct+"/v/o?version-id="+one, ""), map[string]string{"X-Object-Version-Id": one})
	s.says(s.do("owner", "GET", acct+"/v/o", ""), 200, "^one$")
	s.says(s.do("owner", "PUT", acct+"/v/o?version-id=1700000000.00000", ""), 404, "The specified version does not exist")
	s.says(s.do("owner", "PUT", acct+"/v/o?version-id="+one, "x"), 400, "zero byte body")
	s.says(s.do("owner", "POST", acct+"/v/o?version-id="+one, ""), 400, "POST to a specific version is not allowed")
	s.says(s.do("owner", "GET", acct+"/v/o?version-id=x", ""), 400, "Invalid version parameter")
	s.has(s.must(204, "DELETE", acct+"/v/o?version-id="+one, ""), map[string]string{"X-Object-Version-Id": one, "X-Object-Current-Version-Id": "null"})
	s.says(s.do("owner", "GET", acct+"/v/o", ""), 404, "")
	r = s.do("owner", "DELETE", acct+"/v/nothing", "")
	if r.status != 404 || r.Get("X-Object-Version-Id") == "" {
		t.Errorf("deleting nothing in a versioned container: %v", r)
	}

	// a copy of an older manifest over the newest
	s.must(201, "PUT", acct+"/v/seg", "seg")
	old := s.must(201, "PUT", acct+"/v/m?multipart-manifest=put", `[{"path":"v/seg"}]`).Get("X-Object-Version-Id")
	s.must(201, "PUT", acct+"/v/m", "plain")
	s.must(201, "COPY", acct+"/v/m?multipart-manifest=get&version-id="+old, "", "Destination: v/m")
	s.says(s.do("owner", "GET", acct+"/v/m", ""), 200, "^seg$")

	// the null version is what is not a version: deleting it frees the name
	three := s.must(201, "PUT", acct+"/v/n", "three").Get("X-Object-Version-Id")
	s.must(204, "DELETE", acct+"/v/n?version-id=null", "")
	s.says(s.do("owner", "GET", acct+"/v/n", ""), 404, "")
	s.says(s.do("owner", "GET", acct+"/v/n?version-id="+three, ""), 200, "^three$")
	s.says(s.do("owner", "GET", acct+"/v?versions&format=xml", ""), 406, "")
	s.says(s.do("owner", "GET", acct+"/v?versions&marker=n&version_marker=null&limit=1", ""), 200, three)

	// suspended: what is written has no version of its own, what is deleted leaves no marker
	s.must(204, "POST", acct+"/v", "", "X-Versions-Enabled: false")
	s.must(201, "PUT", acct+"/v/o", "now")
	s.must(204, "DELETE", acct+"/v/o", "")
	s.says(s.do("owner", "GET", acct+"/v?versions&prefix=o", ""), 200, `"version_id":"`+marker)
	s.says(s.do("owner", "GET", acct+"/v/o?version-id="+two, ""), 200, "^two$")
	s.must(201, "PUT", acct+"/plain", "")
	s.says(s.do("owner", "GET", acct+"/plain/o?version-id="+two, ""), 400, "requires? that the container is versioned|require that the container is versioned")
}

func TestLegacyVersions(t *testing.T) {
	s := serve(t)
	s.must(201, "PUT", acct+"/old", "")
	s.must(201, "PUT", acct+"/c", "", "X-Versions-Location: old")
	s.has(s.must(204, "HEAD", acct+"/c", ""), map[string]string{"X-Versions-Location": "old"})
	for _, body := range []string{"1", "2", "3"} {
		s.must(201, "PUT", acct+"/c/o", body)
	}
	s.says(s.do("owner", "GET", acct+"/old", ""), 200, "^001o/18000[0-9]+.00000\n001o/[0-9.]+\n$")
	s.must(204, "DELETE", acct+"/c/o", "")
	s.says(s.do("owner", "GET", acct+"/c/o", ""), 200, "^2$")
	s.says(s.do("owner", "POST", acct+"/c", "", "X-Versions-Enabled: true"), 400, "already using the legacy versioned writes")
	s.must(204, "POST", acct+"/c", "", "X-History-Location: old")
	s.has(s.must(204, "HEAD", acct+"/c", ""), map[string]string{"X-Versions-Location": "", "X-History-Location": "old"})
	s.must(204, "DELETE", acct+"/c/o", "")
	s.says(s.do("owner", "GET", acct+"/c/o", ""), 404, "")
	s.says(s.do("owner", "GET", acct+"/old?format=json", ""), 200, `"content_type":"application/x-deleted;swift_versions_deleted=1"`)
	s.must(204, "POST", acct+"/c", "", "X-Remove-History-Location: x")
	s.has(s.must(204, "HEAD", acct+"/c", ""), map[string]string{"X-History-Location": ""})
	s.says(s.do("owner", "PUT", acct+"/d", "", "X-Versions-Location: a/b"), 412, "cannot contain slashes")
	s.must(201, "PUT", acct+"/d", "", "X-Versions-Location: nowhere")
	s.must(201, "PUT", acct+"/d/o", "1")
	s.says(s.do("owner", "PUT", acct+"/d/o", "2"), 412, "")
}

func sign(text string) string {
	m := hmac.New(sha256.New, []byte("key"))
	m.Write([]byte(text))
	return hex.EncodeToString(m.Sum(nil))
}

func TestTempURLWire(t *testing.T) {
	s := serve(t)
	s.large()
	s.must(201, "PUT", acct+"/d", "")
	s.must(201, "PUT", acct+"/d/seg", "segment")
	s.must(201, "PUT", acct+"/c/slo?multipart-manifest=put", `[{"path":"d/seg"}]`)
	s.must(202, "POST", acct+"/c/1", "", "X-Object-Meta-Secret: s", "X-Object-Meta-Public-A: a")
	link := func(method, path string) string {
		return fmt.Sprintf("%s?temp_url_sig=%s&temp_url_expires=1900000000", path, sign(method+"\n1900000000\n"+path))
	}
	s.says(s.do("", "GET", link("GET", acct+"/c/1"), ""), 401, "^401 Unauthorized: Temp URL invalid\n$")
	s.must(204, "POST", acct, "", "X-Account-Meta-Temp-URL-Key: key")
	r := s.do("", "GET", link("GET", acct+"/c/1"), "")
	s.says(r, 200, "^hello $")
	s.has(r, map[string]string{"Content-Disposition": `attachment; filename="1"; filename*=UTF-8''1`, "Expires": "Sun, 17 Mar 2030 17:46:40 GMT", "X-Object-Meta-Secret": "", "X-Object-Meta-Public-A": "a"})
	s.says(s.do("", "GET", link("GET", acct+"/c/slo"), ""), 200, "^segment$")
	s.says(s.do("", "HEAD", link("GET", acct+"/c/1"), ""), 200, "")
	s.says(s.do("", "PUT", link("GET", acct+"/c/1"), "x"), 401, "")
	s.says(s.do("", "PUT", link("PUT", acct+"/c/new"), "x"), 201, "")
	s.says(s.do("", "DELETE", link("DELETE", acct+"/c/new"), ""), 204, "")
	for _, h := range []string{"X-Object-Manifest: d/s", "X-Symlink-Target: d/seg", "X-Copy-From: d/seg"} {
		s.says(s.do("", "PUT", link("PUT", acct+"/c/new"), "", h), 400, "is not allowed in this tempurl")
	}
	s.says(s.do("", "GET", link("GET", acct+"/c/slo")+"&multipart-manifest=get", ""), 200, "^segment$")
	s.says(s.do("other", "GET", link("GET", acct+"/c/1"), ""), 200, "^hello $")
	s.says(s.do("", "GET", strings.Replace(link("GET", acct+"/c/1"), "/c/1", "/c/2", 1), ""), 401, "")
	s.clock.Advance(200_000_000 * time.Second)
	s.says(s.do("", "GET", link("GET", acct+"/c/1"), ""), 401, "")
	// a container's key opens no other container, not even through a manifest
	s.clock.Advance(-200_000_000 * time.Second)
	s.must(204, "POST", acct, "", "X-Remove-Account-Meta-Temp-URL-Key: x")
	s.must(204, "POST", acct+"/c", "", "X-Container-Meta-Temp-URL-Key-2: key")
	s.says(s.do("", "GET", link("GET", acct+"/c/1"), ""), 200, "^hello $")
	s.says(s.do("", "GET", link("GET", acct+"/d/seg"), ""), 401, "")
	s.says(s.do("", "GET", link("GET", acct+"/c/slo"), ""), 409, "")
	if r := s.do("", "HEAD", acct+"/c", ""); r.status != 401 {
		t.Errorf("without a signature: %v", r)
	}
}

func TestFormPostWire(t *testing.T) {
	s := serve(t)
	s.must(201, "PUT", acct+"/c", "")
	s.must(204, "POST", acct, "", "X-Account-Meta-Temp-URL-Key: key")
	form := func(redirect, max string, files ...string) (string, string) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for _, f := range [][2]string{{"redirect", redirect}, {"max_file_size", max}, {"max_file_count", "2"}, {"expires", "1900000000"},
			{"signature", sign("/os" + acct + "/c/up/\n" + redirect + "\n" + max + "\n2\n1900000000")}} {
			if err := w.WriteField(f[0], f[1]); err != nil {
				t.Fatal(err)
			}
		}
		for i, body := range files {
			p, err := w.CreateFormFile("f", fmt.Sprintf("f%d", i))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(p, body); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.String(), "Content-Type: " + w.FormDataContentType()
	}
	body, ct := form("", "10", "one", "two")
	s.says(s.do("", "POST", acct+"/c/up/", body, ct), 201, "^201 Created$")
	s.says(s.do("owner", "GET", acct+"/c/up/f1", ""), 200, "^two$")
	body, ct = form("http://x/?a", "10", "one")
	r := s.do("", "POST", acct+"/c/up/", body, ct)
	s.says(r, 303, "")
	s.has(r, map[string]string{"Location": "http://x/?a&status=201&message="})
	body, ct = form("", "10", "12345678901")
	s.says(s.do("", "POST", acct+"/c/up/", body, ct), 400, "^FormPost: max_file_size exceeded$")
	s.says(s.do("owner", "GET", acct+"/c/up/f0", ""), 200, "^one$")
	body, ct = form("", "10", "1", "2", "3")
	s.says(s.do("", "POST", acct+"/c/up/", body, ct), 400, "Max File Count Exceeded")
	body, ct = form("", "10")
	s.says(s.do("", "POST", acct+"/c/up/", body, ct), 400, "No Files To Process")
	body, ct = form("", "10", "1")
	s.says(s.do("", "POST", acct+"/c/other/", body, ct), 401, "^FormPost: Invalid Signature$")
	s.says(s.do("", "POST", acct+"/none/up/", body, ct), 401, "^FormPost: Invalid Signature$")
}

func TestBulkWire(t *testing.T) {
	s := serve(t)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range [][2]string{{"c/one", "1"}, {"c/empty", ""}, {"d/sub/two", "22"}, {"alone", "x"}} {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f[0], Size: int64(len(f[1]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := s.do("owner", "PUT", acct+"?extract-archive=tar", b.String(), "Accept: application/json", "X-Object-Meta-A: b")
	s.says(r, 200, `^{"Errors":\[\],"Number Files Created":3,"Response Body":"","Response Status":"201 Created"}$`)
	s.has(s.must(200, "HEAD", acct+"/d/sub/two", ""), map[string]string{"Content-Length": "2", "X-Object-Meta-A": "b"})
	s.says(s.do("owner", "PUT", acct+"/e/pre?extract-archive=tar", b.String()), 200, "Number Files Created: 4\n")
	s.must(200, "HEAD", acct+"/e/pre/alone", "")
	s.says(s.do("owner", "PUT", acct+"?extract-archive=zip", ""), 400, "Unsupported archive format")
	s.says(s.do("owner", "PUT", acct+"?extract-archive=tar", "x"), 200, "Response Body: Invalid Tar File")
	s.says(s.do("", "PUT", acct+"?extract-archive=tar", b.String()), 200, "Response Status: 401 Unauthorized")
	s.says(s.do("other", "PUT", acct+"?extract-archive=tar", b.String()), 200, "Number Files Created: 0\n(.|\n)*Response Status: 400 Bad Request\nErrors:\n(.|\n)*c/one, 403 Forbidden")

	s.says(s.do("other", "POST", acct+"?bulk-delete", "c/one\n"), 200, "Number Deleted: 0\n(.|\n)*Response Status: 400 Bad Request\nErrors:\nc/one, 403 Forbidden\n")
	s.says(s.do("owner", "POST", acct+"?bulk-delete", "c\nc/one\n/c/empty\nd/sub%2Ftwo\nd/none\nd\n", "Content-Type: text/plain"), 200,
		"^Number Deleted: 5\nNumber Not Found: 1\nResponse Body: \nResponse Status: 200 OK\nErrors:\n$")
	s.says(s.do("owner", "DELETE", acct+"?bulk-delete", "e\n", "Accept: application/xml"), 200, "<errors>\n<object><name>e</name><status>409 Conflict</status></object>\n</errors>")
	s.says(s.do("reseller", "POST", acct+"?bulk-delete", "/\n//\n"), 200, "Number Deleted: 0\n(.|\n)*Errors:\n/, 412 Precondition Failed\n//, 412 Precondition Failed\n")
	s.says(s.do("owner", "POST", acct+"?bulk-delete", ""), 200, "Response Body: Invalid bulk delete.\nResponse Status: 400 Bad Request")
	s.says(s.do("owner", "POST", acct+"?bulk-delete", "e", "Accept: image/png"), 200, "406 Not Acceptable")
	s.says(s.do("owner", "POST", acct+"?bulk-delete", "e", "Content-Type: application/json"), 200, "406 Not Acceptable")
	s.says(s.do("owner", "GET", acct, ""), 200, "^e\n$")
}

func TestStaticWebWire(t *testing.T) {
	s := serve(t)
	s.must(201, "PUT", acct+"/w", "", "X-Container-Read: .r:*,.rlistings", "X-Container-Meta-Web-Listings: true", "X-Container-Meta-Web-Error: err.html")
	s.must(201, "PUT", acct+"/w/a/b.txt", "text", "Content-Type: text/plain")
	r := s.do("", "GET", acct+"/w", "")
	s.says(r, 301, "")
	s.has(r, map[string]string{"Location": s.url + acct + "/w/"})
	r = s.do("", "GET", acct+"/w/", "")
	s.says(r, 200, `<a href="./a/">a/</a>`)
	s.has(r, map[string]string{"Content-Type": "text/html; charset=UTF-8", "X-Container-Object-Count": ""})
	s.says(s.do("", "GET", acct+"/w/a", ""), 301, "")
	s.says(s.do("", "GET", acct+"/w/a/", ""), 200, `<a href="./b%2Etxt">b.txt</a>`)
	s.says(s.do("", "GET", acct+"/w/a/b.txt", ""), 200, "^text$")
	s.says(s.do("owner", "GET", acct+"/w/", ""), 200, "^a/b.txt\n$")
	s.says(s.do("", "GET", acct+"/w/none", ""), 404, "Not Found")
	s.must(201, "PUT", acct+"/w/404err.html", "sorry", "Content-Type: text/html")
	r = s.do("", "GET", acct+"/w/none", "")
	s.says(r, 404, "^sorry$")
	s.has(r, map[string]string{"Content-Type": "text/html"})
	s.must(204, "POST", acct+"/w", "", "X-Container-Meta-Web-Index: index.html")
	s.must(201, "PUT", acct+"/w/index.html", "root")
	s.must(201, "PUT", acct+"/w/a/index.html", "in a")
	s.must(201, "PUT", acct+"/w/a", "", "Content-Type: application/directory")
	s.says(s.do("", "GET", acct+"/w/", ""), 200, "^root$")
	s.says(s.do("", "GET", acct+"/w/a/", ""), 200, "^in a$")
	s.says(s.do("", "GET", acct+"/w/a", ""), 301, "")
	s.must(204, "POST", acct+"/w", "", "X-Remove-Container-Meta-Web-Listings: x", "X-Remove-Container-Meta-Web-Error: x")
	s.must(201, "PUT", acct+"/w/z/x", "1")
	s.says(s.do("", "GET", acct+"/w/z/", ""), 404, "Web Listing Disabled")
	s.must(204, "POST", acct+"/w", "", "X-Container-Read: .r:*", "X-Container-Meta-Web-Listings: true")
	s.says(s.do("", "GET", acct+"/w/z/", ""), 401, "")
	s.must(201, "PUT", acct+"/private", "", "X-Container-Meta-Web-Listings: true")
	s.says(s.do("", "GET", acct+"/private/", ""), 401, "")
	s.says(s.do("", "GET", acct+"/nowhere/", ""), 401, "")
	// a signed prefix is a site of its own, whose links carry the signature
	s.must(204, "POST", acct+"/private", "", "X-Container-Meta-Temp-URL-Key: key")
	s.must(201, "PUT", acct+"/private/p/f", "private")
	q := url.Values{"temp_url_prefix": {""}, "temp_url_expires": {"1900000000"}, "temp_url_sig": {sign("GET\n1900000000\nprefix:" + acct + "/private/")}}.Encode()
	s.says(s.do("", "GET", acct+"/private/p/?"+q, ""), 200, `<a href="./f\?temp_url_prefix=&amp;temp_url_expires=1900000000&amp;temp_url_sig=`)
	s.says(s.do("", "GET", acct+"/private/p/f?"+q, ""), 200, "^private$")
}

func TestQuotasWire(t *testing.T) {
	s := serve(t)
	s.must(201, "PUT", acct+"/c", "", "X-Container-Meta-Quota-Bytes: 10", "X-Container-Meta-Quota-Count: 2")
	s.says(s.do("owner", "POST", acct+"/c", "", "X-Container-Meta-Quota-Bytes: x"), 400, "Invalid bytes quota.")
	s.says(s.do("owner", "PUT", acct+"/d", "", "X-Container-Meta-Quota-Count: -1"), 400, "Invalid count quota.")
	s.says(s.do("owner", "PUT", acct+"/c/1", "12345678901"), 413, "^Upload exceeds quota.$")
	s.must(201, "PUT", acct+"/c/1", "1234567890")
	s.must(201, "PUT", acct+"/c/1", "0987654321")
	s.must(201, "PUT", acct+"/c/2", "")
	s.says(s.do("owner", "COPY", acct+"/c/2", "", "Destination: c/3"), 413, "Upload exceeds quota.")
	s.says(s.do("owner", "POST", acct, "", "X-Account-Meta-Quota-Bytes: 100"), 403, "")
	s.says(s.do("owner", "POST", acct, "", "X-Account-Quota-Count: 100"), 403, "")
	if r := s.do("reseller", "POST", acct, "", "X-Account-Quota-Bytes: 12", "X-Account-Quota-Count-Policy-gold: 4"); r.status != 204 {
		t.Fatal(r)
	}
	s.has(s.must(204, "HEAD", acct, ""), map[string]string{"X-Account-Quota-Bytes": "12", "X-Account-Quota-Count-Policy-Gold": "4"})
	s.must(201, "PUT", acct+"/e", "")
	s.says(s.do("owner", "PUT", acct+"/e/1", "123"), 413, "Upload exceeds quota.")
	s.must(201, "PUT", acct+"/e/1", "12")
	if r := s.do("reseller", "PUT", acct+"/e/2", "123"); r.status != 201 {
		t.Errorf("a reseller administrator is bound by the account's quota: %v", r)
	}
	s.says(s.do("owner", "PUT", acct+"/e/3", ""), 413, "Upload exceeds quota.")
	if r := s.do("reseller", "POST", acct, "", "X-Remove-Account-Quota-Bytes: x", "X-Account-Quota-Count-Policy-gold: "); r.status != 204 {
		t.Fatal(r)
	}
	s.must(201, "PUT", acct+"/e/3", "123")
	if err := s.svc.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(s.shelf.blobs); n != 4 {
		t.Errorf("%d blobs are there; refused uploads leave none", n)
	}
}
