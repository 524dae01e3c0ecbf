package network

import (
	"time"
)

// Render is a row as the API shows it: visible attributes that are not hidden,
// both spellings of the project, and of those only the fields asked for.
func Render(r *Resource, row Row, hidden map[string]bool, fields map[string]bool) map[string]any {
	out := make(map[string]any, len(r.Attrs)+1)
	for name, a := range r.Attrs {
		if !a.Visible || hidden[name] || len(fields) > 0 && !fields[name] && !(name == "project_id" && fields["tenant_id"]) {
			continue
		}
		v, has := row[name]
		if !has {
			continue
		}
		if t, ok := v.(time.Time); ok {
			v = t.UTC().Format("2006-01-02T15:04:05Z")
		}
		if name == "project_id" {
			if len(fields) == 0 || fields["tenant_id"] {
				out["tenant_id"] = v
			}
			if len(fields) > 0 && !fields[name] {
				continue
			}
		}
		out[name] = v
	}
	return out
}
