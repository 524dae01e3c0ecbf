package feature_test

import (
	"archive/tar"
	"bytes"
	"io"
	"net/url"
	"testing"
)

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
