// Package bulk reads and writes the texts of bulk upload and bulk delete: lists of
// names, archives, and the report that comes back with its own status inside.
//
// The one idea: a bulk request answers 200 before its outcome is known, so the
// outcome is in the body, in one of three formats, and white space may come before
// it to keep the connection alive.
//
// Pure; an [Archive] and a [Report] belong to one request.
//
// Wire format: Swift's middleware bulk.
package bulk

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"sort"
	"strings"
)

// The limits that /info tells.
const (
	MaxDeletes       = 10000
	MaxFailedDeletes = 1000
	MaxContainers    = 10000
	MaxFailedFiles   = 1000
)

// The formats a report can have.
const (
	Text    = "text/plain"
	JSON    = "application/json"
	XML     = "application/xml"
	TextXML = "text/xml"
)

// Format answers what of the formats an Accept header asks for first; ok is false
// where it wants none of them.
func Format(accept string) (format string, ok bool) {
	if strings.TrimSpace(accept) == "" {
		return Text, true
	}
	best, quality := "", 0.0
	for _, f := range []string{Text, JSON, XML, TextXML} {
		if q := weigh(accept, f); q > quality {
			best, quality = f, q
		}
	}
	return best, best != ""
}

// Accepts reports whether an Accept header, or none, takes a format.
func Accepts(accept, format string) bool {
	return strings.TrimSpace(accept) == "" || weigh(accept, format) > 0
}

// weigh answers the weight of the most specific pattern that fits.
func weigh(accept, format string) float64 {
	kind, _, _ := strings.Cut(format, "/")
	weight, rank := 0.0, 0
	for _, p := range strings.Split(accept, ",") {
		pattern, params, _ := strings.Cut(p, ";")
		r := map[string]int{format: 3, kind + "/*": 2, "*/*": 1, "*": 1}[strings.ToLower(strings.TrimSpace(pattern))]
		if r <= rank {
			continue
		}
		q := 1.0
		if _, v, ok := strings.Cut(params, "q="); ok {
			if _, err := fmt.Sscanf(strings.TrimSpace(v), "%g", &q); err != nil {
				q = 0
			}
		}
		weight, rank = q, r
	}
	return weight
}

// Report is the outcome of a bulk request.
type Report struct {
	Root   string // of XML: delete or extract
	Status string // as 200 OK; empty: the report has errors only
	Body   string
	Counts map[string]int // as Number Deleted
	Others map[string]string
	Errors []Problem
}

// Problem is one name that failed, escaped as in a URL, with a status line.
type Problem struct{ Name, Status string }

// Bytes writes the report in one of the formats.
func (r Report) Bytes(format string) []byte {
	switch format {
	case JSON:
		return r.json()
	case XML, TextXML:
		return r.xml()
	}
	return r.text()
}

func (r Report) values() (keys []string, values map[string]any) {
	values = map[string]any{}
	if r.Status != "" {
		values["Response Status"], values["Response Body"] = r.Status, r.Body
	}
	for k, n := range r.Counts {
		values[k] = n
	}
	for k, v := range r.Others {
		values[k] = v
	}
	for k := range values {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys, values
}

func (r Report) json() []byte {
	_, values := r.values()
	errs := [][2]string{}
	for _, e := range r.Errors {
		errs = append(errs, [2]string{e.Name, e.Status})
	}
	values["Errors"] = errs
	b, err := json.Marshal(values)
	if err != nil { // strings and numbers only
		return nil
	}
	return b
}

func (r Report) xml() []byte {
	var b strings.Builder
	keys, values := r.values()
	fmt.Fprintf(&b, "<%s>\n", r.Root)
	for _, k := range keys {
		tag := strings.ToLower(strings.ReplaceAll(k, " ", "_"))
		fmt.Fprintf(&b, "<%s>%s</%s>\n", tag, escape(fmt.Sprint(values[k])), tag)
	}
	b.WriteString("<errors>\n")
	for _, e := range r.Errors {
		fmt.Fprintf(&b, "<object><name>%s</name><status>%s</status></object>\n", escape(e.Name), escape(e.Status))
	}
	fmt.Fprintf(&b, "</errors>\n</%s>\n", r.Root)
	return []byte(b.String())
}

func escape(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil { // a Builder does not fail
		return ""
	}
	return b.String()
}

func (r Report) text() []byte {
	var b strings.Builder
	keys, values := r.values()
	for _, k := range keys {
		fmt.Fprintf(&b, "%s: %v\n", k, values[k])
	}
	b.WriteString("Errors:\n")
	for _, e := range r.Errors {
		fmt.Fprintf(&b, "%s, %s\n", e.Name, e.Status)
	}
	return []byte(b.String())
}
