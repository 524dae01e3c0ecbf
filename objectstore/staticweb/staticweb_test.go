package staticweb_test

import (
	"strings"
	"testing"
	"time"

	"altostack/objectstore/staticweb"
)

func TestSiteOf(t *testing.T) {
	s := staticweb.SiteOf(map[string]string{"web-index": " index.html ", "Web-Listings": "On"})
	if s.Index != "index.html" || !s.Listings || !s.ListingsSet || !s.On() || s.DirectoryType != "application/directory" {
		t.Errorf("read as %+v", s)
	}
	if s := staticweb.SiteOf(map[string]string{"Web-Error": "e"}); s.On() {
		t.Errorf("an error page alone makes no site: %+v", s)
	}
}

func TestListing(t *testing.T) {
	p := staticweb.Page{Path: "/v1/AUTH_a/c/<d>/", Prefix: "<d>/", Parent: true, Query: "?a=1&b=2", Items: []staticweb.Item{
		{Name: "x\"><script>", ContentType: "text/<x>", Size: 1536, Modified: time.Unix(0, 0)},
		{Name: "..", ContentType: "a/b", Size: 12, Modified: time.Unix(0, 0)},
		{Name: "sub/", Directory: true},
	}}
	want := `<!DOCTYPE html>
<html>
 <head>
  <title>Listing of /v1/AUTH_a/c/&lt;d&gt;/</title>
  <style type="text/css">
   h1 {font-size: 1em; font-weight: bold;}
   th {text-align: left; padding: 0px 1em 0px 1em;}
   td {padding: 0px 1em 0px 1em;}
   a {text-decoration: none;}
  </style>
 </head>
 <body>
  <h1 id="title">Listing of /v1/AUTH_a/c/&lt;d&gt;/</h1>
  <table id="listing">
   <tr id="heading">
    <th class="colname">Name</th>
    <th class="colsize">Size</th>
    <th class="coldate">Date</th>
   </tr>
   <tr id="parent" class="item">
    <td class="colname"><a href="../?a=1&amp;b=2">../</a></td>
    <td class="colsize">&nbsp;</td>
    <td class="coldate">&nbsp;</td>
   </tr>
   <tr class="item subdir">
    <td class="colname"><a href="./sub/?a=1&amp;b=2">sub/</a></td>
    <td class="colsize">&nbsp;</td>
    <td class="coldate">&nbsp;</td>
   </tr>
   <tr class="item type-text type-&lt;x&gt;">
    <td class="colname"><a href="./x%22%3E%3Cscript%3E?a=1&amp;b=2">x&#34;&gt;&lt;script&gt;</a></td>
    <td class="colsize">2Ki</td>
    <td class="coldate">1970-01-01 00:00:00</td>
   </tr>
   <tr class="item type-a type-b">
    <td class="colname"><a href="./%2E%2E?a=1&amp;b=2">..</a></td>
    <td class="colsize">12</td>
    <td class="coldate">1970-01-01 00:00:00</td>
   </tr>
  </table>
 </body>
</html>
`
	if got := string(p.Listing()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestStyleAndLabel(t *testing.T) {
	tests := map[string]struct{ css, prefix, want string }{
		"beside the page":  {"l.css", "", `href="l.css"`},
		"below":            {"l.css", "a/b/", `href="../../l.css"`},
		"absolute":         {"/x/l.css", "a/", `href="/x/l.css"`},
		"of another site":  {"https://x/l.css?v=1", "a/", `href="https://x/l.css?v=1"`},
		"does not get out": {`"><script>`, "", `href="%22%3E%3Cscript%3E"`},
		"nor runs":         {`javascript:alert(1)`, "", `href="javascript%3Aalert%281%29"`},
	}
	for name, tt := range tests {
		p := staticweb.Page{Site: staticweb.Site{CSS: tt.css, Label: "L<"}, Path: "/v1/a/c/d/e/", Prefix: tt.prefix}
		if got := string(p.Listing()); !strings.Contains(got, tt.want+" />") || !strings.Contains(got, "<title>Listing of L&lt;/d/e/</title>") {
			t.Errorf("%s: want %s in\n%s", name, tt.want, got)
		}
	}
	off := string(staticweb.Page{Site: staticweb.Site{Index: "<i>"}}.Off())
	if !strings.Contains(off, "Web Listing Disabled") || !strings.Contains(off, "X-Container-Meta-Web-Index: &lt;i&gt;") {
		t.Errorf("off:\n%s", off)
	}
}
