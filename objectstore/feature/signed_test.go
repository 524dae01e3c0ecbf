package feature_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"mime/multipart"
	"strings"
	"testing"
	"time"
)

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
