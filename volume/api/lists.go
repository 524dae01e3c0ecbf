package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/page"
	"altostack/volume"
)

// maxPage is Cinder's osapi_max_limit.
const maxPage = 1000

// paging is how a list was asked for. Cinder's offset is honoured by reading
// past it, within bounds.
type paging struct {
	page.Request
	offset int
	none   bool // limit=0: an empty list
}

func bad(format string, args ...any) error {
	return fault.New(fault.CodeVolumeInvalidInput, format, args...)
}

// pagingOf reads limit, offset, marker and sort; prefix is that of the table.
func pagingOf(q url.Values, prefix string, keys ...string) (p paging, err error) {
	columns := map[string]string{"id": prefix + "id", "created_at": prefix + "created_at"}
	for _, k := range keys {
		api, column, renamed := strings.Cut(k, "=")
		if !renamed {
			column = api
		}
		columns[api] = prefix + column
	}
	if s := q.Get("limit"); q.Has("limit") {
		n, err := strconv.Atoi(s)
		if err != nil {
			return p, bad("Invalid input received: limit param must be an integer")
		}
		if n < 0 {
			return p, bad("Invalid input received: limit param must be positive")
		}
		p.none = n == 0
	}
	if s := q.Get("offset"); s != "" {
		if p.offset, err = strconv.Atoi(s); err != nil || p.offset < 0 {
			return p, bad("Invalid input received: offset param must be a whole number of 0 or more")
		}
		if p.offset > 1<<31-1 {
			return p, bad("Invalid input received: offset is too large")
		}
	}
	p.Request, err = page.Parse(q, page.Options{Keys: columns, Max: maxPage, Default: []page.Key{{Column: prefix + "created_at", Desc: true}}})
	if err != nil {
		return p, err
	}
	if p.offset > 10*maxPage {
		return p, bad("Invalid input received: offset is too large; page with marker")
	}
	p.Limit += p.offset
	return p, nil
}

// full tells whether a page gets a link to the next one: Cinder gives it
// whenever the page has as many rows as were asked for.
func (p paging) full(rows int, more bool) bool {
	return rows > 0 && (more || rows == p.Limit-p.offset)
}

// cut drops what the offset skips.
func cut[T any](p paging, list []T) []T { return list[min(p.offset, len(list)):] }

// noMarker turns an unknown marker into what Cinder says of it.
func noMarker(err error, code fault.Code, format string, marker string) error {
	if fault.Has(err, fault.CodePageBadMarker) {
		return fault.Because(err, code, format, marker)
	}
	return err
}

// nonFilters are query members with a meaning of their own.
var nonFilters = []string{"limit", "marker", "offset", "sort", "sort_key", "sort_dir", "with_count", "all_tenants"}

// filtersOf reads the filters of a list. known are those that anybody may use;
// administrators may use more. Unknown ones are refused from 3.31, ignored
// before it.
func filtersOf(r *http.Request, scope auth.Scope, known ...string) (volume.Query, error) {
	q, admin := r.URL.Query(), volume.Admin(scope)
	out := volume.Query{ProjectID: scope.ProjectID}
	if all, ok := truth(q.Get("all_tenants")); admin && q.Has("all_tenants") {
		if !ok {
			return out, bad("Invalid input received: all_tenants param must be a boolean value, but '%s' given.", q.Get("all_tenants"))
		}
		out.All = all
	}
	if admin {
		known = append(slices.Clone(known), "project_id", "user_id", "host", "id")
	}
	var unknown []string
	for name, values := range q {
		if slices.Contains(nonFilters, name) || len(values) == 0 {
			continue
		}
		like := strings.HasSuffix(name, "~") && since(r, 34)
		base := strings.TrimSuffix(name, "~")
		if base == "display_name" {
			base = "name"
		}
		times := (base == "created_at" || base == "updated_at") && since(r, 60)
		if !slices.Contains(known, base) && !times {
			if name != "display_name" {
				unknown = append(unknown, name)
			}
			continue
		}
		if err := apply(&out, base, values[0], like); err != nil {
			return out, err
		}
	}
	if len(unknown) > 0 && since(r, 31) && !admin {
		slices.Sort(unknown)
		return out, bad("Invalid filters %s are found in query options.", strings.Join(unknown, ","))
	}
	if _, ok := truth(q.Get("with_count")); !ok && since(r, 45) {
		return out, bad("Invalid input received: Unrecognized value '%s'", q.Get("with_count"))
	}
	return out, nil
}

// apply puts one filter into the query.
func apply(q *volume.Query, name, value string, like bool) (err error) {
	switch name {
	case "name":
		if like {
			q.NameLike = value
		} else {
			q.Name = value
		}
	case "status":
		q.Status = value
	case "availability_zone":
		q.Zone = value
	case "volume_id":
		q.VolumeID = value
	case "resource_uuid":
		q.ResourceID = value
	case "project_id":
		q.OfProject = value
	case "user_id":
		q.UserID = value
	case "id":
		q.ID = value
	case "bootable":
		b, ok := truth(value)
		if !ok {
			return bad("Invalid input received: bootable=%s", value)
		}
		q.Bootable = &b
	case "size":
		if q.SizeGiB, err = strconv.ParseInt(value, 10, 64); err != nil || q.SizeGiB < 1 {
			return bad("Invalid input received: size=%s", value)
		}
	case "metadata":
		q.Metadata, err = dict(value)
	case "glance_metadata":
		q.ImageMeta, err = dict(value)
	case "created_at", "updated_at":
		err = applyTimes(q, name == "updated_at", value)
	}
	return err
}

// applyTimes reads op:time,op:time.
func applyTimes(q *volume.Query, updated bool, value string) error {
	for part := range strings.SplitSeq(value, ",") {
		op, at, has := strings.Cut(part, ":")
		if !has || !slices.Contains([]string{"gt", "gte", "eq", "neq", "lt", "lte"}, op) {
			op, at = "eq", part
		}
		var t time.Time
		var err error
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999", "2006-01-02 15:04:05.999999", "2006-01-02"} {
			if t, err = time.Parse(layout, at); err == nil {
				break
			}
		}
		if err != nil {
			return bad("Invalid input received: %s is not a valid time", at)
		}
		q.Times = append(q.Times, volume.TimeFilter{Updated: updated, Op: op, At: t})
	}
	return nil
}

// dict reads a Python dictionary of strings, {'a': 'b'}, as clients write it.
func dict(s string) (map[string]string, error) {
	refuse := bad("Could not evaluate value %s, assuming string", s)
	s = strings.TrimSpace(s)
	if !strings.HasPrefix(s, "{") || !strings.HasSuffix(s, "}") {
		return nil, refuse
	}
	out, parts := map[string]string{}, []string{}
	for rest := strings.TrimSpace(s[1 : len(s)-1]); rest != ""; {
		if strings.HasPrefix(rest, "u'") || strings.HasPrefix(rest, `u"`) {
			rest = rest[1:]
		}
		quote := rest[0]
		if quote != '\'' && quote != '"' {
			return nil, refuse
		}
		var b strings.Builder
		i := 1
		for ; i < len(rest) && rest[i] != quote; i++ {
			if rest[i] == '\\' && i+1 < len(rest) {
				i++
			}
			b.WriteByte(rest[i])
		}
		if i >= len(rest) {
			return nil, refuse
		}
		parts = append(parts, b.String())
		rest = strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(rest[i+1:]), ":,"))
	}
	if len(parts)%2 != 0 {
		return nil, refuse
	}
	for i := 0; i < len(parts); i += 2 {
		out[parts[i]] = parts[i+1]
	}
	return out, nil
}
