// Package staticweb writes the pages that a container shows as a web site: listings
// and the words for when listings are off.
//
// Everything that comes from outside is escaped where it is written: names, labels,
// paths and prefixes are a stranger's, and the page is on the same origin as the
// next one.
//
// Pure; nothing is shared.
//
// Wire format: Swift's middleware staticweb, whose pages style sheets are made for.
package staticweb

import (
	"fmt"
	"html"
	"net/url"
	"strings"
	"time"
)

// Site is what a container's metadata says of the web site in it. Names are those
// of X-Container-Meta-Web-….
type Site struct {
	Index, Error, CSS, DirectoryType, Label string
	ListingsSet, Listings                   bool
}

// SiteOf reads a container's metadata, whose names lack X-Container-Meta-.
func SiteOf(meta map[string]string) Site {
	get := func(name string) string {
		for k, v := range meta {
			if strings.EqualFold(k, name) {
				return strings.TrimSpace(v)
			}
		}
		return ""
	}
	s := Site{Index: get("Web-Index"), Error: get("Web-Error"), CSS: get("Web-Listings-Css"), DirectoryType: get("Web-Directory-Type"), Label: get("Web-Listings-Label")}
	listings := get("Web-Listings")
	s.ListingsSet = listings != ""
	switch strings.ToLower(listings) {
	case "true", "1", "yes", "on", "t", "y":
		s.Listings = true
	}
	if s.DirectoryType == "" {
		s.DirectoryType = "application/directory"
	}
	return s
}

// On reports whether the container is a web site at all.
func (s Site) On() bool { return s.Index != "" || s.ListingsSet }

// Item is one line of a listing: a directory, or an object.
type Item struct {
	Name        string // within the page's prefix; of a directory with its slash
	Directory   bool
	ContentType string
	Size        int64
	Modified    time.Time
}

// Page is a listing. Path is the request's, as the browser sees it.
type Page struct {
	Site   Site
	Path   string
	Prefix string
	Parent bool
	Query  string // put after every link, as ?temp_url_sig=…; already escaped for a URL
	Items  []Item
}

func (p Page) label() string {
	if p.Site.Label == "" {
		return p.Path
	}
	parts := strings.SplitN(p.Path, "/", 5)
	if len(parts) < 5 {
		return p.Site.Label + "/"
	}
	return p.Site.Label + "/" + parts[4]
}

func (p Page) style(plain string) string {
	if p.Site.CSS == "" {
		return "  <style type=\"text/css\">\n" + plain + "  </style>\n"
	}
	href := strings.Repeat("../", strings.Count(p.Prefix, "/")) + quote(p.Site.CSS)
	if css := p.Site.CSS; strings.HasPrefix(css, "/") || strings.HasPrefix(css, "http://") || strings.HasPrefix(css, "https://") {
		href = (&url.URL{Path: css}).EscapedPath()
		if u, err := url.Parse(css); err == nil {
			href = u.String()
		}
	}
	return "  <link rel=\"stylesheet\" type=\"text/css\" href=\"" + html.EscapeString(href) + "\" />\n"
}

// Listing writes the page.
func (p Page) Listing() []byte {
	var b strings.Builder
	label := html.EscapeString(p.label())
	fmt.Fprintf(&b, "<!DOCTYPE html>\n<html>\n <head>\n  <title>Listing of %s</title>\n", label)
	b.WriteString(p.style("   h1 {font-size: 1em; font-weight: bold;}\n   th {text-align: left; padding: 0px 1em 0px 1em;}\n" +
		"   td {padding: 0px 1em 0px 1em;}\n   a {text-decoration: none;}\n"))
	fmt.Fprintf(&b, " </head>\n <body>\n  <h1 id=\"title\">Listing of %s</h1>\n  <table id=\"listing\">\n   <tr id=\"heading\">\n", label)
	b.WriteString("    <th class=\"colname\">Name</th>\n    <th class=\"colsize\">Size</th>\n    <th class=\"coldate\">Date</th>\n   </tr>\n")
	if p.Parent {
		p.row(&b, `id="parent" class="item"`, "../", "../", "&nbsp;", "&nbsp;")
	}
	for _, i := range p.Items {
		if i.Directory {
			p.row(&b, `class="item subdir"`, link(i.Name), i.Name, "&nbsp;", "&nbsp;")
		}
	}
	for _, i := range p.Items {
		if !i.Directory {
			p.row(&b, `class="item `+classes(i.ContentType)+`"`, link(i.Name), i.Name, size(i.Size), i.Modified.UTC().Format("2006-01-02 15:04:05"))
		}
	}
	b.WriteString("  </table>\n </body>\n</html>\n")
	return []byte(b.String())
}

func (p Page) row(b *strings.Builder, attributes, href, name, size, date string) {
	fmt.Fprintf(b, "   <tr %s>\n    <td class=\"colname\"><a href=\"%s%s\">%s</a></td>\n    <td class=\"colsize\">%s</td>\n    <td class=\"coldate\">%s</td>\n   </tr>\n",
		attributes, html.EscapeString(href), html.EscapeString(p.Query), html.EscapeString(name), size, date)
}

// link is relative, with dots escaped so that no name climbs out of its directory.
func link(name string) string { return "./" + strings.ReplaceAll(quote(name), ".", "%2E") }

func quote(s string) string {
	parts := strings.Split(s, "/")
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(url.QueryEscape(p), "+", "%20")
	}
	return strings.Join(parts, "/")
}

func classes(contentType string) string {
	var out []string
	for _, t := range strings.Split(contentType, "/") {
		out = append(out, "type-"+html.EscapeString(strings.ToLower(t)))
	}
	return strings.Join(out, " ")
}

// size spells bytes for people, in powers of 1024.
func size(n int64) string {
	units, i := "KMGTPEZY", -1
	v := float64(n)
	for v >= 999.5 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	if i < 0 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%.0f%ci", v, units[i])
}

// Off writes the page of a site whose listings are off.
func (p Page) Off() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "<!DOCTYPE html>\n<html>\n<head>\n<title>Listing of %s</title>\n", html.EscapeString(p.label()))
	b.WriteString(p.style("   h1 {font-size: 1em; font-weight: bold;}\n   p {font-size: 2}\n"))
	b.WriteString("</head>\n<body>  <h1>Web Listing Disabled</h1>   <p>The owner of this web site has disabled web listing.</p>" +
		"   <p>If you are the owner of this web site, you can enable web listing by setting X-Container-Meta-Web-Listings.</p>")
	if p.Site.Index != "" {
		fmt.Fprintf(&b, "<h1>Index File Not Found</h1> <p>The owner of this web site has set <b>X-Container-Meta-Web-Index: %s</b>. However, this file is not found.</p>",
			html.EscapeString(p.Site.Index))
	}
	b.WriteString(" </body>\n</html>\n")
	return []byte(b.String())
}
