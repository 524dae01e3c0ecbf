package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"altostack/driver/fileobjects"
	"altostack/kernel/auth"
	"altostack/kernel/clock"
	"altostack/kernel/contract"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/objectstore"
	"altostack/objectstore/api"
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

func caller(project, user string, roles ...string) *auth.Principal {
	return &auth.Principal{ProjectID: project, ProjectName: project + "-name", UserID: user, UserName: user + "-name", ProjectDomainID: "default", UserDomainID: "default", Roles: roles}
}

// swift is a served API.
type swift struct {
	t   *testing.T
	url string
	svc *objectstore.Service
	api *api.API
}

func serve(t *testing.T) *swift {
	t.Helper()
	d := dbtest.SQLite(t)
	if err := d.Migrate(t.Context(), "objectstore", store.Migrations()); err != nil {
		t.Fatal(err)
	}
	backend, err := fileobjects.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	now := clock.NewVirtual(time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC))
	svc := objectstore.New(objectstore.Config{DB: d, Store: store.New(d), Clock: now, IDs: id.Random{}, Log: log,
		Policies: []objectstore.Policy{{Name: "gold", Default: true, Backend: backend}, {Index: 1, Name: "silver", Aliases: []string{"ag"}, Backend: backend}, {Index: 2, Name: "old", Deprecated: true, Backend: backend}}})
	a := api.New(api.Config{Service: svc, Clock: now, IDs: id.Random{}, Log: log, Mount: "/os", Tokens: tokens{
		"owner": caller("p", "u", "member", "reader"), "reader": caller("p", "r", "reader"), "other": caller("q", "v", "member"), "nobody": caller("p", "n", "stranger"),
		"reseller": caller("x", "root", "reselleradmin"), "admin-of-q": caller("q", "w", "admin"),
		"same-names": {ProjectID: "z", ProjectName: "q-name", UserID: "zz", UserName: "v-name", ProjectDomainID: "elsewhere", UserDomainID: "elsewhere", Roles: []string{"member"}},
	}})
	srv := httptest.NewServer(a.Handler())
	t.Cleanup(srv.Close)
	return &swift{t: t, url: srv.URL + "/os", svc: svc, api: a}
}

// plain takes bytes as they come.
var plain = &http.Transport{DisableCompression: true}

type reply struct {
	status int
	http.Header
	body string
}

// do sends a request; headers are "Name: value".
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
		req.Header[http.CanonicalHeaderKey(name)] = append(req.Header[http.CanonicalHeaderKey(name)], value)
	}
	resp, err := plain.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(b)}
}

// must sends a request of the owner's that has to be answered so.
func (s *swift) must(want int, method, path, body string, headers ...string) reply {
	s.t.Helper()
	r := s.do("owner", method, path, body, headers...)
	if r.status != want {
		s.t.Fatalf("%s %s answered %d, want %d: %s", method, path, r.status, want, r.body)
	}
	return r
}

const acct = "/v1/AUTH_p"

// Every operation that is told to be served is.
func TestOperations(t *testing.T) {
	s := serve(t)
	s.must(201, "PUT", acct+"/c", "")
	s.must(201, "PUT", acct+"/c/o", "x")
	for _, op := range api.Operations() {
		path := strings.NewReplacer("{account}", "AUTH_p", "{container}", "c", "{object}", "o", "{id}", "null").Replace(op.Path)
		if strings.ContainsAny(path, "({") {
			continue // features' own, walked by their tests
		}
		r := s.do("reseller", op.Method, path, "", "Destination: c/o2")
		if r.status == http.StatusMethodNotAllowed || r.status >= 500 || r.status == http.StatusNotFound && op.Method != "DELETE" && !strings.Contains(path, "o") {
			t.Errorf("%s %s answered %d", op.Method, path, r.status)
		}
		if !strings.HasPrefix(r.Get("X-Trans-Id"), "tx") || r.Get("X-Trans-Id") != r.Get("X-Openstack-Request-Id") {
			t.Errorf("%s %s: request ids %q %q", op.Method, path, r.Get("X-Trans-Id"), r.Get("X-Openstack-Request-Id"))
		}
		if !slices.ContainsFunc(contract.Operations("swift"), func(o contract.Operation) bool { return o.Method == op.Method && o.Path == op.Path }) {
			t.Errorf("%s %s is not in the contract", op.Method, op.Path)
		}
	}
}

func TestAccess(t *testing.T) {
	s := serve(t)
	s.must(201, "PUT", acct+"/c", "")
	s.must(201, "PUT", acct+"/c/o", "x")
	s.must(201, "PUT", acct+"/public", "", "X-Container-Read: .r:*")
	s.must(201, "PUT", acct+"/public/o", "x")
	s.must(201, "PUT", acct+"/listed", "", "X-Container-Read: .r:*,.rlistings")
	s.must(201, "PUT", acct+"/mine", "", "X-Container-Read: q:v,.r:-.evil.org", "X-Container-Write: q:*")
	s.must(201, "PUT", acct+"/mine/o", "x")
	s.must(201, "PUT", acct+"/friends", "", "X-Container-Read: .r:.good.org,.r:-bad.good.org")
	s.must(201, "PUT", acct+"/friends/o", "x")
	s.must(201, "PUT", acct+"/roles", "", "X-Container-Read: Stranger")
	s.must(201, "PUT", acct+"/roles/o", "x")
	for _, tt := range []struct {
		token, method, path string
		want                int
		headers             []string
	}{
		{"", "GET", acct, 401, nil}, {"forged", "GET", acct + "/c/o", 401, nil}, {"other", "GET", acct, 403, nil}, {"other", "GET", acct + "/none", 403, nil},
		{"other", "GET", acct + "/c/o", 403, nil}, {"", "GET", acct + "/c/none", 401, nil}, {"owner", "GET", acct + "/c/none", 404, nil}, {"owner", "GET", acct + "/none", 404, nil},
		{"", "GET", acct + "/public/o", 200, nil}, {"forged", "GET", acct + "/public/o", 200, nil}, {"", "GET", acct + "/public", 401, nil}, {"", "PUT", acct + "/public/o", 401, nil},
		{"", "GET", acct + "/listed", 204, nil}, {"other", "GET", acct + "/mine/o", 200, nil}, {"other", "GET", acct + "/mine", 200, nil}, {"other", "PUT", acct + "/mine/p", 201, nil},
		{"other", "POST", acct + "/mine", 403, nil}, {"other", "DELETE", acct + "/mine", 403, nil}, {"admin-of-q", "GET", acct + "/mine/o", 403, nil}, {"admin-of-q", "PUT", acct + "/mine/p", 201, nil},
		{"", "GET", acct + "/friends/o", 401, nil}, {"", "GET", acct + "/friends/o", 200, []string{"Referer: http://www.good.org/x"}}, {"", "GET", acct + "/friends/o", 401, []string{"Referer: http://bad.good.org/x"}},
		{"nobody", "GET", acct + "/roles/o", 200, nil}, {"nobody", "GET", acct + "/c/o", 403, nil}, {"other", "GET", acct + "/roles/o", 403, nil},
		{"reader", "GET", acct + "/c/o", 200, nil}, {"reader", "PUT", acct + "/c/p", 403, nil}, {"reader", "POST", acct, 403, nil},
		{"reseller", "PUT", acct + "/c/p", 201, nil}, {"owner", "DELETE", acct, 403, nil}, {"owner", "PUT", acct, 405, nil}, {"reseller", "PUT", "/v1/AUTH_new", 201, nil},
		{"reseller", "DELETE", "/v1/AUTH_new", 204, nil}, {"reseller", "GET", "/v1/AUTH_new", 410, nil}, {"reseller", "DELETE", "/v1/AUTH_none", 404, nil},
	} {
		if r := s.do(tt.token, tt.method, tt.path, "", tt.headers...); r.status != tt.want {
			t.Errorf("%s %s as %q answered %d, want %d", tt.method, tt.path, tt.token, r.status, tt.want)
		}
	}
	if r := s.do("", "HEAD", acct+"/listed", ""); r.Get("X-Container-Read") != "" {
		t.Error("a stranger sees the ACL")
	}
	if r := s.must(204, "HEAD", acct+"/listed", ""); r.Get("X-Container-Read") != ".r:*,.rlistings" {
		t.Error("the owner does not see the ACL")
	}
}

// Names are unique within a domain only: in the ACLs of other domains' accounts, and
// for other domains' users, they are nothing.
func TestNamesInACLs(t *testing.T) {
	s := serve(t)
	s.must(201, "PUT", acct+"/c", "", "X-Container-Read: q-name:v-name")
	s.must(201, "PUT", acct+"/c/o", "x")
	if r := s.do("other", "GET", acct+"/c/o", ""); r.status != 200 {
		t.Error("by name within the default domain:", r.status)
	}
	if r := s.do("same-names", "GET", acct+"/c/o", ""); r.status != 403 {
		t.Error("by the same name in another domain:", r.status)
	}
	if r := s.do("same-names", "PUT", "/v1/AUTH_z/c", "", "X-Container-Read: q-name:v-name"); r.status != 201 {
		t.Fatal(r.status, r.body)
	}
	if r := s.do("other", "HEAD", "/v1/AUTH_z/c", ""); r.status != 403 {
		t.Error("by name, in an account of another domain:", r.status)
	}
	if r := s.do("same-names", "HEAD", "/v1/AUTH_z", ""); r.Get("X-Account-Project-Domain-Id") != "elsewhere" {
		t.Error(r.Header)
	}
}

func TestAccountACL(t *testing.T) {
	s := serve(t)
	s.must(201, "PUT", acct+"/c", "")
	s.must(201, "PUT", acct+"/c/o", "x")
	s.must(204, "POST", acct, "", `X-Account-Access-Control: {"read-only":["q:v"],"admin":["q:w"]}`)
	if r := s.do("other", "GET", acct+"/c/o", ""); r.status != 200 {
		t.Error("read-only may not read:", r.status)
	}
	if r := s.do("other", "PUT", acct+"/c/o", ""); r.status != 403 {
		t.Error("read-only may write:", r.status)
	}
	if r := s.do("admin-of-q", "HEAD", acct, ""); r.Get("X-Account-Access-Control") != `{"admin":["q:w"],"read-only":["q:v"]}` {
		t.Error("an admin by ACL does not see it:", r.status, r.Header)
	}
	if r := s.do("other", "HEAD", acct, ""); r.status != 204 || r.Get("X-Account-Access-Control") != "" {
		t.Error("read-only sees the ACL:", r.status)
	}
	for _, bad := range []string{"{", `{"owner":["a"]}`, `["a"]`} {
		s.must(400, "POST", acct, "", "X-Account-Access-Control: "+bad)
	}
	s.must(204, "POST", acct, "", "X-Remove-Account-Access-Control: x")
	if r := s.do("other", "GET", acct+"/c/o", ""); r.status != 403 {
		t.Error(r.status)
	}
}

func TestConstraints(t *testing.T) {
	s := serve(t)
	s.must(201, "PUT", acct+"/c", "")
	many := make([]string, 91)
	for i := range many {
		many[i] = fmt.Sprintf("X-Object-Meta-N%d: x", i)
	}
	size := make([]string, 20)
	for i := range size {
		size[i] = fmt.Sprintf("X-Object-Meta-N%d: %s", i, strings.Repeat("v", 250))
	}
	long := strings.Repeat("n", 129)
	for name, tt := range map[string]struct {
		method, path string
		headers      []string
		want         int
		text         string
	}{
		"container name":    {"PUT", acct + "/" + strings.Repeat("c", 257), nil, 400, "Container name length of 257 longer than 256"},
		"object name":       {"PUT", acct + "/c/" + strings.Repeat("o", 1025), nil, 400, "Object name length of 1025 longer than 1024"},
		"account name":      {"HEAD", "/v1/AUTH_" + strings.Repeat("a", 300), nil, 403, ""},
		"metadata name":     {"PUT", acct + "/c/o", []string{"X-Object-Meta-" + long + ": x"}, 400, "Metadata name too long: x-object-meta-N" + long[1:]},
		"metadata value":    {"PUT", acct + "/c/o", []string{"X-Object-Meta-A: " + strings.Repeat("v", 257)}, 400, "Metadata value longer than 256: x-object-meta-A"},
		"metadata count":    {"PUT", acct + "/c/o", many, 400, "Too many metadata items; max 90"},
		"metadata size":     {"PUT", acct + "/c/o", size, 400, "Total metadata too large; max 4096"},
		"empty name":        {"PUT", acct + "/c/o", []string{"X-Object-Meta-: x"}, 400, "Metadata name cannot be empty"},
		"not UTF-8":         {"POST", acct + "/c", []string{"X-Container-Meta-A: \xff"}, 400, "Metadata must be valid UTF-8"},
		"path not UTF-8":    {"GET", acct + "/c/%ff", nil, 412, "Invalid UTF8 or contains NULL"},
		"path with NUL":     {"GET", acct + "/c/%00", nil, 412, "Invalid UTF8 or contains NULL"},
		"limit":             {"GET", acct + "/c?limit=10001", nil, 412, "Maximum limit is 10000"},
		"delete in past":    {"PUT", acct + "/c/o", []string{"X-Delete-At: 1"}, 400, "X-Delete-At in past"},
		"delete at what":    {"PUT", acct + "/c/o", []string{"X-Delete-At: soon"}, 400, "Non-integer X-Delete-At"},
		"delete after what": {"PUT", acct + "/c/o", []string{"X-Delete-After: x"}, 400, "Non-integer X-Delete-After"},
		"delete after past": {"PUT", acct + "/c/o", []string{"X-Delete-After: 0"}, 400, "X-Delete-After in past"},
		"if-none-match":     {"PUT", acct + "/c/o", []string{"If-None-Match: abc"}, 400, "If-None-Match only supports *"},
		"swift_ parameter":  {"PUT", acct + "/c/o", []string{"Content-Type: a/b; swift_hey=1"}, 400, "Invalid Content-Type, swift_* is not a valid parameter name."},
		"policy":            {"PUT", acct + "/d", []string{"X-Storage-Policy: tin"}, 400, "Invalid X-Storage-Policy 'tin'"},
		"deprecated policy": {"PUT", acct + "/d", []string{"X-Storage-Policy: old"}, 400, "Storage Policy 'old' is deprecated"},
		"other policy":      {"PUT", acct + "/c", []string{"X-Storage-Policy: AG"}, 409, ""},
		"referrer to write": {"PUT", acct + "/c", []string{"X-Container-Write: .r:*"}, 400, "Referrers not allowed in write ACL: '.r:*'"},
		"designator":        {"PUT", acct + "/c", []string{"X-Container-Read: .what:x"}, 400, "Unknown designator '.what' in ACL: '.what:x'"},
		"no referrer":       {"PUT", acct + "/c", []string{"X-Container-Read: .r:"}, 400, "No host/domain value after referrer designation in ACL: '.r:'"},
		"bad URL":           {"GET", "/what", nil, 412, "Bad URL"},
		"other version":     {"GET", "/v2/AUTH_p", nil, 400, ""},
		"no destination":    {"COPY", acct + "/c/o", nil, 412, "Destination header required"},
		"half destination":  {"COPY", acct + "/c/o", []string{"Destination: x"}, 412, "Destination header must be of the form <container name>/<object name>"},
		"if delete at":      {"DELETE", acct + "/c/o", []string{"X-If-Delete-At: bad"}, 400, "Bad X-If-Delete-At header value"},
		"nothing":           {"GET", "//v1/AUTH_p", nil, 404, ""},
		"no method":         {"PATCH", acct + "/c/o", nil, 405, ""},
		"format":            {"GET", acct + "/c", []string{"Accept: image/png"}, 406, ""},
		"other bytes":       {"PUT", acct + "/c/o", []string{"Etag: d41d8cd98f00b204e9800998ecf8427f"}, 422, ""},
	} {
		r := s.do("owner", tt.method, tt.path, "", tt.headers...)
		if r.status != tt.want || tt.text != "" && r.body != tt.text {
			t.Errorf("%s: %d %q, want %d %q", name, r.status, r.body, tt.want, tt.text)
		}
	}
}

func TestObjectsAndConditions(t *testing.T) {
	s := serve(t)
	s.must(201, "PUT", acct+"/c", "")
	s.must(404, "PUT", acct+"/none/o", "x")
	put := s.must(201, "PUT", acct+"/c/a//../b.txt", "0123456789", "X-Object-Meta-Color: blue", "X-Object-Meta-Empty: ", "Content-Encoding: gzip", "X-Delete-After: 60", "Content-Disposition: inline")
	if put.Get("Etag") != "781e5e245d69b566979b86e28d23f2c7" || put.Get("Last-Modified") == "" {
		t.Error(put.Header)
	}
	r := s.must(200, "GET", acct+"/c/a//../b.txt", "")
	if r.body != "0123456789" || r.Get("Content-Type") != "text/plain" || r.Get("X-Object-Meta-Color") != "blue" || r.Header["X-Object-Meta-Empty"] == nil || r.Get("Content-Encoding") != "gzip" || r.Get("X-Delete-At") != "1795341660" {
		t.Error(r)
	}
	s.must(404, "GET", acct+"/c/b.txt", "")
	s.must(201, "PUT", acct+"/c/o", "0123456789", "Content-Type: x/y")
	tag, when := "781e5e245d69b566979b86e28d23f2c7", "Sun, 22 Nov 2026 10:00:00 GMT"
	for _, tt := range []struct {
		header string
		want   int
		body   string
	}{
		{"If-Match: " + tag, 200, "0123456789"}, {`If-Match: "` + tag + `", "x"`, 200, "0123456789"}, {"If-Match: *", 200, "0123456789"}, {"If-Match: x", 412, ""},
		{"If-None-Match: " + tag, 304, ""}, {"If-None-Match: *", 304, ""}, {"If-None-Match: x", 200, "0123456789"},
		{"If-Modified-Since: " + when, 304, ""}, {"If-Modified-Since: Sun, 22 Nov 2026 09:59:59 GMT", 200, "0123456789"},
		{"If-Unmodified-Since: " + when, 200, "0123456789"}, {"If-Unmodified-Since: Sun, 22 Nov 2026 09:59:59 GMT", 412, ""},
		{"Range: bytes=2-4", 206, "234"}, {"Range: BYTES = 2 - 4", 206, "234"}, {"Range: bytes=-3", 206, "789"}, {"Range: bytes=7-", 206, "789"}, {"Range: bytes=7-99", 206, "789"}, {"Range: bytes=4-2", 200, "0123456789"},
		{"Range: bytes=10-", 416, ""}, {"Range: bytes=-0", 416, ""}, {"Range: lines=1-2", 200, "0123456789"}, {"Range: bytes=a-b", 200, "0123456789"},
		{"Range: bytes=0-9,0-9,0-9,0-9", 416, ""},
	} {
		r := s.do("owner", "GET", acct+"/c/o", "", tt.header)
		if r.status != tt.want || r.status < 300 && r.body != tt.body || (r.status == 304 || r.status == 412) && r.body != "" {
			t.Errorf("%s: %d %q, want %d %q", tt.header, r.status, r.body, tt.want, tt.body)
		}
	}
	r = s.must(206, "GET", acct+"/c/o", "", "Range: bytes=0-1,8-")
	boundary := strings.TrimPrefix(r.Get("Content-Type"), "multipart/byteranges;boundary=")
	part := "--" + boundary + "\r\nContent-Type: x/y\r\nContent-Range: bytes "
	if want := part + "0-1/10\r\n\r\n01\r\n" + part + "8-9/10\r\n\r\n89\r\n--" + boundary + "--"; r.body != want {
		t.Errorf("got %q, want %q", r.body, want)
	}
	s.must(412, "GET", acct+"/c/none", "", "If-Match: *")
	s.must(412, "PUT", acct+"/c/o", "x", "If-None-Match: *")
	s.must(202, "POST", acct+"/c/o", "", "X-Object-Meta-New: 1")
	if r := s.must(200, "HEAD", acct+"/c/o", ""); r.Get("X-Object-Meta-New") != "1" || r.Get("Content-Type") != "x/y" || r.Get("Content-Length") != "10" {
		t.Error(r.Header)
	}
	s.must(404, "POST", acct+"/c/none", "")
	s.must(409, "DELETE", acct+"/c", "")
	s.must(204, "DELETE", acct+"/c/o", "")
	s.must(404, "DELETE", acct+"/c/o", "")
}

func TestCopy(t *testing.T) {
	s := serve(t)
	for _, c := range []string{"/c", "/d"} {
		s.must(201, "PUT", acct+c, "")
	}
	s.must(201, "PUT", acct+"/e", "", "X-Storage-Policy: ag")
	s.must(201, "PUT", acct+"/c/o%20o", "0123456789", "X-Object-Meta-Old: 1", "Content-Type: x/y", "Cache-Control: no-store")
	check := func(path, body, contentType, meta string) {
		t.Helper()
		r := s.must(200, "GET", path, "")
		if r.body != body || r.Get("Content-Type") != contentType || r.Get("X-Object-Meta-Old")+r.Get("X-Object-Meta-New") != meta {
			t.Errorf("%s: %q %v", path, r.body, r.Header)
		}
	}
	r := s.must(201, "COPY", acct+"/c/o%20o", "", "Destination: /d/x", "X-Object-Meta-New: 2")
	if r.Get("X-Copied-From") != "c/o%20o" || r.Get("X-Copied-From-Account") != "AUTH_p" || r.Get("X-Object-Meta-Old") != "1" {
		t.Error(r.Header)
	}
	check(acct+"/d/x", "0123456789", "x/y", "12")
	s.must(201, "PUT", acct+"/d/y", "", "X-Copy-From: c/o%20o", "X-Fresh-Metadata: true", "X-Object-Meta-New: 3", "Content-Type: a/b")
	check(acct+"/d/y", "0123456789", "a/b", "3")
	s.must(201, "PUT", acct+"/e/z", "", "X-Copy-From: c/o%20o") // another policy: bytes move
	check(acct+"/e/z", "0123456789", "x/y", "1")
	s.must(201, "PUT", acct+"/d/part", "", "X-Copy-From: c/o%20o", "Range: bytes=3-5")
	check(acct+"/d/part", "345", "x/y", "1")
	s.must(201, "COPY", acct+"/c/o%20o", "", "Destination: c/o%20o", "Content-Type: n/t") // onto itself
	check(acct+"/c/o%20o", "0123456789", "n/t", "1")
	s.must(404, "COPY", acct+"/c/none", "", "Destination: d/x")
	s.must(400, "PUT", acct+"/d/x", "bytes", "X-Copy-From: c/o%20o")
	s.must(412, "PUT", acct+"/d/x", "", "X-Copy-From: c/o%20o", "If-Match: x")
	s.must(403, "COPY", acct+"/c/o%20o", "", "Destination: d/x", "Destination-Account: AUTH_q")
	if r := s.do("other", "PUT", "/v1/AUTH_q/mine", ""); r.status != 201 {
		t.Fatal(r.status)
	}
	if r := s.do("other", "PUT", "/v1/AUTH_q/mine/o", "", "X-Copy-From: c/o%20o", "X-Copy-From-Account: AUTH_p"); r.status != 403 {
		t.Error("copied out of a foreign account:", r.status)
	}
}

func TestListings(t *testing.T) {
	s := serve(t)
	s.must(201, "PUT", acct+"/c%3C1", "")
	for _, name := range []string{"a", "b/1", "b/2", "%C3%A9&"} {
		s.must(201, "PUT", acct+"/c%3C1/"+name, "x", "Content-Type: t/p")
	}
	get := func(query, accept string) reply {
		return s.must(200, "GET", acct+"/c%3C1"+query, "", "Accept: "+accept)
	}
	if r := get("", "*/*"); r.body != "a\nb/1\nb/2\né&\n" || r.Get("Content-Type") != "text/plain; charset=utf-8" || r.Get("Vary") != "Accept" {
		t.Error(r)
	}
	if r := get("?delimiter=/&limit=2", "text/plain"); r.body != "a\nb/\n" {
		t.Error(r.body)
	}
	if r := get("?prefix=b/&reverse=on", "text/plain"); r.body != "b/2\nb/1\n" {
		t.Error(r.body)
	}
	if r := get("?marker=a&end_marker=b/2", "text/plain"); r.body != "b/1\n" {
		t.Error(r.body)
	}
	if r := get("?path=b", "text/plain"); r.body != "b/1\nb/2\n" {
		t.Error(r.body)
	}
	var lines []map[string]any
	if err := json.Unmarshal([]byte(get("?delimiter=/", "application/json;q=0.9,text/plain;q=0.1").body), &lines); err != nil || len(lines) != 3 {
		t.Fatal(lines, err)
	}
	if lines[1]["subdir"] != "b/" || len(lines[1]) != 1 || lines[0]["hash"] != "9dd4e461268c8034f5c8564e155c67a6" || lines[0]["content_type"] != "t/p" || lines[0]["bytes"] != 1.0 || lines[0]["last_modified"] != "2026-11-22T10:00:00.000000" {
		t.Error(lines)
	}
	x := get("?format=xml&delimiter=/", "text/plain")
	if x.Get("Content-Type") != "application/xml; charset=utf-8" || !strings.Contains(x.body, `<container name="c&lt;1"><object><name>a</name>`) || !strings.Contains(x.body, `<subdir name="b/"><name>b/</name></subdir>`) || !strings.Contains(x.body, `<name>é&amp;</name>`) {
		t.Error(x.body)
	}
	if r := s.must(204, "GET", acct+"/c%3C1?prefix=z", ""); r.body != "" {
		t.Error(r.body)
	}
	if r := s.must(200, "GET", acct+"?format=json", ""); !strings.Contains(r.body, `"name":"c<1","count":4,"bytes":4`) || r.Get("X-Account-Storage-Policy-Gold-Object-Count") != "4" {
		t.Error(r)
	}
	if r := s.must(200, "GET", acct, "", "Accept: text/xml"); !strings.Contains(r.body, "<container><name>c&lt;1</name><count>4</count>") {
		t.Error(r.body)
	}
}

func TestMetadata(t *testing.T) {
	s := serve(t)
	s.must(201, "PUT", acct+"/c", "", "X-Container-Meta-A: 1", "X-Container-Meta-under_score: 2", "X-Container-Read: .r:*")
	r := s.must(204, "HEAD", acct+"/c", "")
	if r.Get("X-Container-Meta-A") != "1" || r.Get("X-Container-Meta-Under-Score") != "2" || r.Get("X-Storage-Policy") != "gold" || r.Get("X-Container-Object-Count") != "0" {
		t.Error(r.Header)
	}
	s.must(204, "POST", acct+"/c", "", "X-Container-Meta-A: ", "X-Remove-Container-Meta-Under-Score: x", "X-Container-Meta-B: 3", "X-Remove-Container-Read: x")
	r = s.must(204, "HEAD", acct+"/c", "")
	if r.Header["X-Container-Meta-A"] != nil || r.Header["X-Container-Meta-Under-Score"] != nil || r.Get("X-Container-Meta-B") != "3" || r.Get("X-Container-Read") != "" {
		t.Error(r.Header)
	}
	s.must(202, "PUT", acct+"/c", "")
	s.must(404, "POST", acct+"/none", "")
	s.must(404, "DELETE", acct+"/none", "")
	s.must(204, "POST", acct, "", "X-Account-Meta-A: 1")
	if r := s.must(204, "HEAD", acct, ""); r.Get("X-Account-Meta-A") != "1" || r.Get("X-Account-Container-Count") != "1" {
		t.Error(r.Header)
	}
}

func TestCORS(t *testing.T) {
	s := serve(t)
	s.must(201, "PUT", acct+"/c", "", "X-Container-Meta-Access-Control-Allow-Origin: http://a.org http://b.org", "X-Container-Meta-Access-Control-Max-Age: 5", "X-Container-Read: .r:*", "X-Container-Meta-Access-Control-Expose-Headers: X-Mine")
	s.must(201, "PUT", acct+"/c/o", "x", "X-Object-Meta-A: 1")
	r := s.do("", "GET", acct+"/c/o", "", "Origin: http://a.org")
	if r.Get("Access-Control-Allow-Origin") != "http://a.org" || !strings.Contains(r.Get("Access-Control-Expose-Headers"), "x-object-meta-a") || !strings.Contains(r.Get("Access-Control-Expose-Headers"), "x-mine") {
		t.Error(r.Header)
	}
	if r := s.do("", "GET", acct+"/c/o", "", "Origin: http://evil.org"); r.Get("Access-Control-Allow-Origin") != "" {
		t.Error(r.Header)
	}
	r = s.do("", "OPTIONS", acct+"/c/o", "", "Origin: http://b.org", "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: X-A, X-B")
	if r.status != 200 || r.Get("Access-Control-Max-Age") != "5" || r.Get("Access-Control-Allow-Headers") != "X-A, X-B" {
		t.Error(r)
	}
	if r := s.do("", "OPTIONS", acct+"/c/o", "", "Origin: http://evil.org", "Access-Control-Request-Method: PUT"); r.status != 401 {
		t.Error(r)
	}
	if r := s.do("", "OPTIONS", acct, ""); r.status != 200 || !strings.Contains(r.Get("Allow"), "POST") {
		t.Error(r)
	}
}

func TestInfo(t *testing.T) {
	s := serve(t)
	s.api.Add(api.Feature{Name: "extra", Info: map[string]int{"max": 3}})
	var out map[string]map[string]any
	if err := json.Unmarshal([]byte(s.do("", "GET", "/info", "").body), &out); err != nil {
		t.Fatal(err)
	}
	if out["extra"]["max"] != 3.0 || out["swift"]["container_listing_limit"] != 10000.0 || len(out["swift"]["policies"].([]any)) != 2 {
		t.Error(out)
	}
	if r := s.do("", "GET", "/healthcheck", ""); r.status != 200 || r.body != "OK" {
		t.Error(r)
	}
}
