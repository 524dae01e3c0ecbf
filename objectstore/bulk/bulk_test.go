package bulk_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"altostack/objectstore/bulk"
)

func TestReport(t *testing.T) {
	r := bulk.Report{Root: "delete", Status: "400 Bad Request", Counts: map[string]int{"Number Deleted": 2, "Number Not Found": 1},
		Errors: []bulk.Problem{{"c/a%20b", "409 Conflict"}, {"<c>", "401 Unauthorized"}}}
	tests := map[string]string{
		bulk.Text: "Number Deleted: 2\nNumber Not Found: 1\nResponse Body: \nResponse Status: 400 Bad Request\nErrors:\nc/a%20b, 409 Conflict\n<c>, 401 Unauthorized\n",
		bulk.JSON: `{"Errors":[["c/a%20b","409 Conflict"],["\u003cc\u003e","401 Unauthorized"]],"Number Deleted":2,"Number Not Found":1,"Response Body":"","Response Status":"400 Bad Request"}`,
		bulk.XML: "<delete>\n<number_deleted>2</number_deleted>\n<number_not_found>1</number_not_found>\n<response_body></response_body>\n<response_status>400 Bad Request</response_status>\n" +
			"<errors>\n<object><name>c/a%20b</name><status>409 Conflict</status></object>\n<object><name>&lt;c&gt;</name><status>401 Unauthorized</status></object>\n</errors>\n</delete>\n",
	}
	for format, want := range tests {
		if got := string(r.Bytes(format)); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", format, got, want)
		}
	}
}

func TestFormat(t *testing.T) {
	tests := map[string]string{
		"": bulk.Text, "*/*": bulk.Text, "application/json": bulk.JSON, "text/xml": bulk.TextXML, "application/*": bulk.JSON,
		"text/plain;q=0.5, application/xml": bulk.XML, "image/png": "", "application/json;q=0": "", "*/*;q=0.1, text/plain;q=0, application/xml": bulk.XML,
	}
	for accept, want := range tests {
		if got, ok := bulk.Format(accept); got != want || ok != (want != "") {
			t.Errorf("Accept %q gives %q, %v; want %q", accept, got, ok, want)
		}
	}
}

func TestNames(t *testing.T) {
	got, err := bulk.Names(strings.NewReader("c/a%20b\r\n\n /c/ä \n%zz%41\nlast"), 100)
	if want := []string{"c/a b", "", "/c/ä", "%zzA", "last"}; err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	tests := map[string]struct{ in, want string }{
		"a long name":    {strings.Repeat("x", 201) + "\n", "Invalid File Name"},
		"an endless one": {strings.Repeat("x", 1<<20), "Invalid File Name"},
		"too many":       {strings.Repeat("x\n", bulk.MaxDeletes+1), "Maximum Bulk Deletes: 10000 per request"},
	}
	for name, tt := range tests {
		_, err := bulk.Names(strings.NewReader(tt.in), 100)
		if r := (bulk.Refusal{}); !errors.As(err, &r) || r.Text != tt.want {
			t.Errorf("%s: %v; want %s", name, err, tt.want)
		}
	}
	if got := bulk.Quote("a b/ä+"); got != "a%20b/%C3%A4%2B" {
		t.Errorf("Quote gives %s", got)
	}
}

func archive(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(h tar.Header, body string) {
		h.Size = int64(len(body))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, body); err != nil {
			t.Fatal(err)
		}
	}
	add(tar.Header{Typeflag: tar.TypeDir, Name: "./c/"}, "")
	add(tar.Header{Typeflag: tar.TypeReg, Name: "./c/one", PAXRecords: map[string]string{"SCHILY.xattr.user.mime_type": "a/b", "SCHILY.xattr.user.meta.colour": "red", "SCHILY.xattr.user.other": "x"}}, "1")
	add(tar.Header{Typeflag: tar.TypeSymlink, Name: "c/link", Linkname: "/etc/passwd"}, "")
	add(tar.Header{Typeflag: tar.TypeReg, Name: "/d/" + strings.Repeat("long/", 40) + "two"}, "22")
	add(tar.Header{Typeflag: tar.TypeReg, Name: "alone"}, "333")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// squeezed is the archive c/f with the byte x, packed by bzip2, which Go only reads.
const squeezed = "QlpoOTFBWSZTWaWcSn4AAG3bgMmAYAD9AAACaQAeQAgIIABURqjAAGg0CSQmTIyGmmh9eY5CD2AIRw2OdS204oEMDGKvE9hF3Av6nOXxsaOHnaInXgAi8LuSKcKEhSziU/A="

func TestArchive(t *testing.T) {
	plain := archive(t)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	bz, err := base64.StdEncoding.DecodeString(squeezed)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("long/", 40) + "two"
	all := "c/one 1 map[Content-Type:a/b X-Object-Meta-colour:red]|d/" + long + " 22 map[]|EOF"
	tests := map[string]struct {
		body         []byte
		format, base string
		want         string
	}{
		"plain":             {plain, "tar", "", all},
		"gzip":              {zipped.Bytes(), ".TAR.GZ", "", all},
		"bzip2":             {bz, "tar.bz2", "", "c/f x map[]|EOF"},
		"below a container": {plain, "tar", "/k", "k/c/one 1 map[Content-Type:a/b X-Object-Meta-colour:red]|k/d/" + long + " 22 map[]|k/alone 333 map[]|EOF"},
		"below a prefix":    {bz, "tar.bz2", "k/p/", "k/p/c/f x map[]|EOF"},
		"not an archive":    {bytes.Repeat([]byte("x"), 2000), "tar", "", "Invalid Tar File: not an archive"},
		"not gzip":          {plain, "tar.gz", "", "Invalid Tar File: not an archive"},
		"not bzip2":         {plain, "tar.bz2", "", "Invalid Tar File: not an archive"},
		"cut in gzip":       {zipped.Bytes()[:zipped.Len()-20], "tar.gz", "", all[:strings.LastIndex(all, "|")] + "|Invalid Tar File: unexpected end of data"},
		"cut in a header":   {plain[:700], "tar", "", "Invalid Tar File: unexpected end of data"},
		"nothing":           {nil, "tar", "", "EOF"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := list(bulk.NewArchive(bytes.NewReader(tt.body), tt.format, tt.base)); got != tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
		})
	}
	for format, want := range map[string]bool{"tar": true, "tar.gz": true, "TAR.BZ2": true, ".tar": true, "zip": false, "tgz": false} {
		if bulk.Supported(format) != want {
			t.Errorf("Supported(%s) is %v", format, !want)
		}
	}
}

func list(a *bulk.Archive, err error) string {
	var out []string
	for err == nil {
		var f bulk.File
		if f, err = a.Next(); err != nil {
			break
		}
		var b []byte
		b, err = io.ReadAll(f.Body)
		out = append(out, fmt.Sprint(f.Path, " ", string(b), " ", f.Header))
	}
	return strings.Join(append(out, err.Error()), "|")
}
