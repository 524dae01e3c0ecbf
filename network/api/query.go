package api

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"altostack/kernel/fault"
	"altostack/kernel/page"
	"altostack/kernel/rest"
	"altostack/network"
)

// reserved are query members that are no filters.
var reserved = []string{"fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir"}

// query reads filters, sorting and paging. A filter that names nothing to filter
// by is refused, since to ignore it would answer more than was asked for.
func query(res *network.Resource, values url.Values) (network.Query, error) {
	var q network.Query
	if values.Has("tenant_id") && values.Has("project_id") {
		return q, fault.New(fault.CodeNetworkBadRequest, "Both tenant_id and project_id passed as filters.").WithType("TenantIdProjectIdFilterConflict")
	}
	var unknown []string
	for _, name := range slices.Sorted(keys(values)) {
		if slices.Contains(reserved, name) {
			continue
		}
		filters, ok, err := filters(res, name, values[name])
		if err != nil {
			return q, err
		}
		if !ok {
			unknown = append(unknown, "'"+name+"'")
		}
		q.Filters = append(q.Filters, filters...)
	}
	if len(unknown) > 0 {
		return q, fault.New(fault.CodeNetworkMalformed, "[%s] is invalid attribute for filtering", strings.Join(unknown, ", "))
	}
	sortable := map[string]string{}
	for name, a := range res.Attrs {
		if c, ok := res.Column(name); ok && a.SortKey && c.Expr == "" {
			sortable[name] = res.Table + "." + c.Name
		}
	}
	if c, ok := sortable["project_id"]; ok {
		sortable["tenant_id"] = c
	}
	var err error
	q.Page, err = page.Parse(values, page.Options{Keys: sortable, Default: []page.Key{{Column: res.Table + ".id"}}})
	return q, err
}

func keys(v url.Values) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range v {
			if !yield(k) {
				return
			}
		}
	}
}

// filters makes the conditions of one query member.
func filters(res *network.Resource, name string, texts []string) ([]network.Filter, bool, error) {
	switch name {
	case "tenant_id":
		name = "project_id"
	case "tags", "tags-any", "not-tags", "not-tags-any":
		return []network.Filter{{Attr: name, Values: anys(texts)}}, res.Tagged, nil
	case "changed_since":
		t, err := time.Parse(time.RFC3339, strings.TrimSuffix(texts[0], "Z")+"Z")
		if err != nil {
			return nil, true, fault.New(fault.CodeNetworkMalformed, "Invalid input for changed_since. Reason: '%s' is not a time in ISO 8601 form.", texts[0])
		}
		return []network.Filter{network.Is(name, t.UnixMicro())}, true, nil
	case "fixed_ips":
		if res == network.Ports {
			return addressFilters(texts)
		}
	case "security_groups":
		if res == network.Ports {
			return []network.Filter{{Attr: name, Values: anys(texts)}}, true, nil
		}
	}
	a, known := res.Attrs[name]
	c, stored := res.Column(name)
	if !known || !a.Filter || !stored && name != "shared" {
		return nil, false, nil
	}
	f := network.Filter{Attr: name}
	for _, text := range texts {
		v, err := network.FilterValue(a, c.Kind, text)
		if err != nil {
			return nil, true, err
		}
		f.Values = append(f.Values, v)
	}
	return []network.Filter{f}, true, nil
}

func anys(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// addressFilters reads fixed_ips=ip_address=… and its siblings.
func addressFilters(texts []string) ([]network.Filter, bool, error) {
	by := map[string][]any{}
	for _, t := range texts {
		key, value, ok := strings.Cut(t, "=")
		if !ok || !slices.Contains([]string{"ip_address", "subnet_id", "ip_address_substr", "subnet"}, key) {
			return nil, true, fault.New(fault.CodeNetworkMalformed, "Invalid filter for fixed_ips: '%s'.", t)
		}
		if key == "subnet" {
			key = "subnet_id"
		}
		by["fixed_ips:"+key] = append(by["fixed_ips:"+key], value)
	}
	var list []network.Filter
	for key, values := range by {
		list = append(list, network.Filter{Attr: key, Values: values})
	}
	return list, true, nil
}

// fields are the attributes that a request asks for; none means all.
func fields(r *http.Request) map[string]bool {
	set := map[string]bool{}
	for _, f := range r.URL.Query()["fields"] {
		if f != "" {
			set[f] = true
		}
	}
	return set
}

type link struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

// links are the ways to the neighbouring pages.
func links(r *http.Request, q network.Query, rows []network.Row, more bool) []link {
	var out []link
	if len(rows) == 0 {
		return nil
	}
	to := func(rel, marker string, reverse bool) {
		v := r.URL.Query()
		v.Set("marker", marker)
		v.Del("page_reverse")
		if reverse {
			v.Set("page_reverse", "True")
		}
		path := r.URL.EscapedPath()
		if i := strings.Index(path, "/v2.0/"); i >= 0 {
			path = path[i:]
		}
		out = append(out, link{rel, rest.Base(r) + path + "?" + v.Encode()})
	}
	if more || q.Page.Reverse {
		to("next", rows[len(rows)-1].ID(), false)
	}
	if more && q.Page.Reverse || !q.Page.Reverse && q.Page.Marker != "" {
		to("previous", rows[0].ID(), true)
	}
	return out
}
