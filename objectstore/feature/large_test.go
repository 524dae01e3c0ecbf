package feature_test

import (
	"fmt"
	"strings"
	"testing"
)

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
