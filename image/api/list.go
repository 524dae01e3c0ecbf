package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"altostack/image"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/page"
	"altostack/kernel/rest"
)

var sorting = page.Options{
	Keys: map[string]string{"name": "name", "status": "status", "container_format": "container_format", "disk_format": "disk_format",
		"size": "size", "id": "id", "created_at": "created_at", "updated_at": "updated_at"},
	Default: []page.Key{{Column: "created_at", Desc: true}},
	Max:     1000,
	Implied: 25,
}

func (a *API) list(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	params := r.URL.Query()
	q, err := queryOf(params)
	if err != nil {
		return err
	}
	for name := range q.Properties {
		if !a.protected.Allow(scope, name, image.ReadProperty) {
			q.Tags = append(q.Tags, "") // no tag is empty: what cannot be read cannot be found by
		}
	}
	scope.All = scope.All || scope.IsAdmin()
	var images []image.Image
	var more bool
	if !params.Has("limit") || params.Get("limit") != "0" {
		if images, more, err = a.images.List(r.Context(), scope, q); err != nil {
			return err
		}
	}
	views := make([]map[string]any, len(images))
	for i, img := range images {
		views[i] = a.view(img, scope)
	}
	body := map[string]any{"images": views, "schema": "/v2/schemas/images", "first": address(params, "")}
	if more {
		body["next"] = address(params, images[len(images)-1].ID)
	}
	return rest.Write(w, http.StatusOK, body)
}

// address is a link relative to the service, as Glance makes them.
func address(params url.Values, marker string) string {
	params.Del("marker")
	if marker != "" {
		params.Set("marker", marker)
	}
	if len(params) == 0 {
		return "/v2/images"
	}
	return "/v2/images?" + params.Encode()
}

func queryOf(params url.Values) (image.Query, error) {
	q := image.Query{MemberStatus: "accepted", Properties: map[string]string{}}
	if params.Has("sort") && (params.Has("sort_key") || params.Has("sort_dir")) {
		return q, invalid("Old and new sorting syntax cannot be combined")
	}
	order := url.Values{}
	for _, name := range []string{"limit", "marker", "sort", "sort_key", "sort_dir"} {
		order[name] = params[name]
		if len(order[name]) == 0 {
			delete(order, name)
		}
	}
	keys, dirs := order["sort_key"], order["sort_dir"]
	switch {
	case len(dirs) > 1 && len(dirs) != len(keys):
		return q, invalid("Number of sort dirs does not match the number of sort keys")
	case len(dirs) == 1 && len(keys) == 0:
		order["sort_key"] = []string{"created_at"}
	case len(dirs) == 1:
		order["sort_dir"] = slices.Repeat(dirs, len(keys)) // one direction for all
	}
	var err error
	if q.Page, err = page.Parse(order, sorting); err != nil {
		return q, err
	}
	for name, values := range params {
		if slices.Contains([]string{"limit", "marker", "sort", "sort_key", "sort_dir"}, name) {
			continue
		}
		if err := filter(&q, name, values); err != nil {
			return q, err
		}
	}
	return q, nil
}

// filter reads one parameter. What is no field is a property.
func filter(q *image.Query, name string, values []string) error {
	value := values[len(values)-1]
	switch name {
	case "tag":
		for _, v := range values {
			q.Tags = append(q.Tags, strings.TrimSpace(v))
		}
	case "member_status":
		if !slices.Contains([]string{"pending", "accepted", "rejected", "all"}, value) {
			return invalid("Invalid status: %s", value)
		}
		q.MemberStatus = value
	case "visibility":
		if value != "" && !slices.Contains([]string{image.Public, image.Private, image.Shared, image.Community, "all"}, value) {
			return invalid("Invalid visibility value: %s", value)
		}
		q.Visibility = value
	case "os_hidden", "protected":
		return flag(q, name, value)
	case "changes-since":
		return invalid(`The "changes-since" filter is no longer available on v2.`)
	case "name", "status", "id", "container_format", "disk_format", "owner", "checksum", "os_hash_value", "os_hash_algo":
		return among(q, strings.TrimPrefix(name, "os_"), value)
	case "size", "size_min", "size_max", "min_ram", "min_ram_min", "min_ram_max", "min_disk", "min_disk_min", "min_disk_max":
		return amount(q, name, value)
	case "created_at", "updated_at":
		return moment(q, name, value)
	default:
		q.Properties[name] = value
	}
	return nil
}

func flag(q *image.Query, name, value string) error {
	v := strings.ToLower(value)
	if v != "true" && v != "false" {
		return invalid("Invalid value '%s' for '%s' filter. Valid values are 'true' or 'false'.", value, name)
	}
	on := v == "true"
	if name == "os_hidden" {
		q.Hidden = on
	} else {
		q.Protected = &on
	}
	return nil
}

// among reads a value, or in:a,b with quotes around values that hold commas.
func among(q *image.Query, column, value string) error {
	op, rest, has := strings.Cut(value, ":")
	switch {
	case has && op == "in":
		list, err := listed(rest)
		if err != nil {
			return err
		}
		f := image.Filter{Column: column, Op: "in"}
		for _, v := range list {
			f.Values = append(f.Values, v)
		}
		q.Filters = append(q.Filters, f)
		return nil
	case has && (op == "eq" || op == "neq"):
		q.Filters = append(q.Filters, image.Filter{Column: column, Op: comparisons[op], Values: []any{rest}})
		return nil
	}
	q.Filters = append(q.Filters, image.Filter{Column: column, Op: "=", Values: []any{value}})
	return nil
}

// listed splits a,b at the commas that are not within quotes.
func listed(text string) ([]string, error) {
	var out []string
	for rest := text; ; {
		var one string
		if quoted, is := strings.CutPrefix(rest, `"`); is {
			end := closing(quoted)
			if end < 0 {
				return nil, invalid("Invalid filter value %s. The quote is not closed.", text)
			}
			one, rest = strings.ReplaceAll(quoted[:end], `\"`, `"`), quoted[end+1:]
			if rest != "" && rest[0] != ',' {
				return nil, invalid("Invalid filter value %s. There is no comma after closing quotation mark.", text)
			}
		} else {
			end := strings.IndexByte(rest, ',')
			if end < 0 {
				end = len(rest)
			}
			if one, rest = rest[:end], rest[end:]; strings.Contains(one, `"`) {
				return nil, invalid("Invalid filter value %s. There is no comma before opening quotation mark.", text)
			}
		}
		out = append(out, one)
		if rest == "" {
			return out, nil
		}
		rest = rest[1:]
	}
}

// closing finds the quote that no backslash stands before.
func closing(s string) int {
	for i := range len(s) {
		if s[i] == '"' && (i == 0 || s[i-1] != '\\') {
			return i
		}
	}
	return -1
}

// amount reads N, gt:N and the like, and the bounds that names ending in _min and
// _max are.
func amount(q *image.Query, name, value string) error {
	op, text, has := strings.Cut(value, ":")
	if !has {
		op, text = "eq", value
	}
	sign, known := comparisons[op]
	if !known {
		return invalid("Unable to filter by unknown operator '%s'.", op)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return invalid("Unable to filter on a range with a non-numeric value.")
	}
	column := name
	if short, is := strings.CutSuffix(name, "_min"); is {
		column, sign = short, ">="
	} else if short, is := strings.CutSuffix(name, "_max"); is {
		column, sign = short, "<="
	}
	if column == "size" && sign != "=" { // no data is no size
		q.Filters = append(q.Filters, image.Filter{Column: column, Op: ">=", Values: []any{int64(0)}})
	}
	q.Filters = append(q.Filters, image.Filter{Column: column, Op: sign, Values: []any{n}})
	return nil
}

var comparisons = map[string]string{"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}

func moment(q *image.Query, column, value string) error {
	op, rest, has := strings.Cut(value, ":")
	sign, known := comparisons[op]
	if !has || !known {
		sign, rest = "=", value
		if has && !known && !strings.ContainsAny(op, "-0123456789") {
			return invalid("Unable to filter by unknown operator '%s'.", op)
		}
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04:05.999999", "2006-01-02"} {
		if t, err := time.Parse(layout, rest); err == nil {
			q.Filters = append(q.Filters, image.Filter{Column: column, Op: sign, Values: []any{db.Micros(t)}})
			return nil
		}
	}
	return invalid("Bad \"%s\" query filter format. Use ISO 8601 DateTime notation.", column)
}
