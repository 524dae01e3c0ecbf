package api

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strings"
	"unicode/utf8"

	"altostack/kernel/rest"
	"altostack/objectstore"
)

// Entry is one line of a container's listing.
type Entry struct {
	Subdir       string `json:"subdir,omitempty"`
	Name         string `json:"name,omitempty"`
	Bytes        int64  `json:"bytes"`
	Hash         string `json:"hash"`
	ContentType  string `json:"content_type"`
	LastModified string `json:"last_modified"`
	SLOEtag      string `json:"slo_etag,omitempty"`
	SymlinkPath  string `json:"symlink_path,omitempty"`
	SymlinkBytes *int64 `json:"symlink_bytes,omitempty"`
	SymlinkEtag  string `json:"symlink_etag,omitempty"`
	VersionLink  bool   `json:"version_symlink,omitempty"`
	VersionID    string `json:"version_id,omitempty"`
	IsLatest     *bool  `json:"is_latest,omitempty"`
}

// MarshalJSON answers nothing but the name of a sub-directory.
func (e Entry) MarshalJSON() ([]byte, error) {
	if e.Subdir != "" {
		return json.Marshal(map[string]string{"subdir": e.Subdir})
	}
	type plain Entry
	return json.Marshal(plain(e))
}

// Line makes a line of a container's listing.
func (c *Call) Line(e objectstore.Entry[objectstore.Object]) Entry {
	if e.Subdir != "" {
		return Entry{Subdir: e.Subdir}
	}
	o := e.Item
	line := Entry{Name: o.Name, Bytes: o.Size, Hash: o.ETag, ContentType: o.ContentType, LastModified: ListingTime(o.UpdatedAt)}
	for _, f := range c.API.features {
		if f.Entry != nil {
			f.Entry(c, o, &line)
		}
	}
	return line
}

// formats are what format= names.
var formats = map[string]string{"json": "application/json", "xml": "application/xml", "plain": "text/plain"}

// format answers the type of a listing: by format=, or by Accept.
func (c *Call) format() (string, error) {
	if f := c.Query.Get("format"); f != "" {
		if ct, ok := formats[strings.ToLower(f)]; ok {
			return ct, nil
		}
		return "text/plain", nil
	}
	c.W.Header().Add("Vary", "Accept")
	accept := c.R.Header.Get("Accept")
	if accept == "" {
		return "text/plain", nil
	}
	ct, ok := negotiate(accept, []string{"text/plain", "application/json", "application/xml", "text/xml"})
	if !ok {
		return "", Refuse(http.StatusNotAcceptable, "")
	}
	return ct, nil
}

// Format answers the type that a listing is wanted in, by format= or Accept.
func (c *Call) Format() (string, error) { return c.format() }

// listing reads a query's parameters of a list.
func (c *Call) listing() (objectstore.Listing, error) {
	limit, err := c.limit()
	if err != nil {
		return objectstore.Listing{}, err
	}
	q := c.Query
	l := objectstore.Listing{Prefix: q.Get("prefix"), Delimiter: q.Get("delimiter"), Marker: q.Get("marker"), EndMarker: q.Get("end_marker"), Reverse: truthy(q.Get("reverse")), Limit: limit}
	if q.Has("path") && c.Container != "" {
		path := q.Get("path")
		l.Path = &path
	}
	for _, name := range []string{"prefix", "delimiter", "marker", "end_marker", "path"} {
		if v := q.Get(name); !utf8.ValidString(v) {
			return l, Refuse(http.StatusBadRequest, "\"%s\" parameter not valid UTF-8", name)
		}
	}
	return l, nil
}

// Listing reads a query's parameters of a list.
func (c *Call) Listing() (objectstore.Listing, error) { return c.listing() }

// WriteListing answers a container's listing in a format.
func (c *Call) WriteListing(format string, lines []Entry) error {
	var b bytes.Buffer
	switch {
	case format == "application/json":
		if lines == nil {
			lines = []Entry{}
		}
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(lines); err != nil {
			return err
		}
		b.Truncate(b.Len() - 1)
	case strings.HasSuffix(format, "/xml"):
		b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<container name=\"" + attr(c.Container) + "\">")
		for _, l := range lines {
			l.xml(&b)
		}
		b.WriteString("</container>")
	default:
		for _, l := range lines {
			b.WriteString(l.Subdir + l.Name + "\n")
		}
	}
	return c.writeList(format, b.Bytes())
}

func (e Entry) xml(b *bytes.Buffer) {
	if e.Subdir != "" {
		b.WriteString("<subdir name=\"" + attr(e.Subdir) + "\"><name>" + text(e.Subdir) + "</name></subdir>")
		return
	}
	b.WriteString("<object>")
	for _, f := range [][2]string{{"name", e.Name}, {"hash", e.Hash}, {"bytes", itoa(e.Bytes)}, {"content_type", e.ContentType}, {"last_modified", e.LastModified}} {
		b.WriteString("<" + f[0] + ">" + text(f[1]) + "</" + f[0] + ">")
	}
	b.WriteString("</object>")
}

type accountLine struct {
	Name          string `json:"name"`
	Count         int64  `json:"count"`
	Bytes         int64  `json:"bytes"`
	LastModified  string `json:"last_modified"`
	StoragePolicy string `json:"storage_policy,omitempty"`
}

func (c *Call) writeContainers(format string, entries []objectstore.Entry[objectstore.Container]) error {
	var b bytes.Buffer
	list := make([]any, 0, len(entries))
	isXML := strings.HasSuffix(format, "/xml")
	if isXML {
		b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<account name=\"" + attr(c.Account) + "\">")
	}
	for _, e := range entries {
		if e.Subdir != "" {
			list = append(list, map[string]string{"subdir": e.Subdir})
			if isXML {
				b.WriteString("\n<subdir name=\"" + attr(e.Subdir) + "\" />")
			}
			continue
		}
		con := e.Item
		line := accountLine{Name: con.Name, Count: con.Usage.Objects, Bytes: con.Usage.Bytes, LastModified: ListingTime(con.CreatedAt)}
		if p, ok := c.Service.PolicyOf(con.Policy); ok {
			line.StoragePolicy = p.Name
		}
		list = append(list, line)
		if isXML {
			line.xml(&b)
		}
	}
	switch {
	case isXML:
		b.WriteString("\n</account>")
	case format == "application/json":
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(list); err != nil {
			return err
		}
		b.Truncate(b.Len() - 1)
	default:
		for _, e := range entries {
			b.WriteString(e.Subdir + e.Item.Name + "\n")
		}
	}
	return c.writeList(format, b.Bytes())
}

func (l accountLine) xml(b *bytes.Buffer) {
	b.WriteString("\n<container>")
	for _, f := range [][2]string{{"name", l.Name}, {"count", itoa(l.Count)}, {"bytes", itoa(l.Bytes)}, {"last_modified", l.LastModified}, {"storage_policy", l.StoragePolicy}} {
		b.WriteString("<" + f[0] + ">" + text(f[1]) + "</" + f[0] + ">")
	}
	b.WriteString("</container>")
}

// writeList answers a list: 204 where there is nothing to say.
func (c *Call) writeList(format string, body []byte) error {
	if len(body) == 0 {
		c.W.Header().Set("Content-Type", format+"; charset=utf-8")
		c.W.WriteHeader(http.StatusNoContent)
		return nil
	}
	return rest.WriteBytes(c.W, http.StatusOK, format+"; charset=utf-8", body)
}

func text(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}

func attr(s string) string { return text(s) }
