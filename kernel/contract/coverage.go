package contract

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// RouteKey names a route as the services register it: the path may leave out
// the version prefix and the project id, and spell its parameters as it likes.
type RouteKey struct {
	Method string
	Path   string
	Action string
}

func (k RouteKey) String() string {
	if k.Action == "" {
		return k.Method + " " + k.Path
	}
	return k.Method + " " + k.Path + " " + k.Action
}

// Count is how many operations there are and how many of them are routed.
type Count struct{ Routed, Total int }

// Report compares the routes of a service with what is documented.
type Report struct {
	Service string
	Tiers   [4]Count // index 1 to 3; operations that always answer 410 count too
	All     Count
	Missing []Operation // documented, not routed; by tier, then as documented
	Unknown []RouteKey  // routed, not documented
}

func (r Report) String() string {
	cell := func(c Count) string { return fmt.Sprintf("%d/%d", c.Routed, c.Total) }
	return fmt.Sprintf("%-10s %9s %9s %9s %10s  unknown %d", r.Service,
		cell(r.Tiers[1]), cell(r.Tiers[2]), cell(r.Tiers[3]), cell(r.All), len(r.Unknown))
}

// Table renders reports under one heading, for people.
func Table(reports []Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-10s %9s %9s %9s %10s\n", "service", "tier 1", "tier 2", "tier 3", "all")
	for _, r := range reports {
		fmt.Fprintln(&b, r)
	}
	return b.String()
}

// Coverage compares routed with the documented operations of service. Names of
// path parameters do not matter, the version prefix and the optional project id
// may be left out, and for Neutron "-" and "_" are the same letter.
func Coverage(service string, routed []RouteKey) Report {
	report := Report{Service: service}
	have := make(map[RouteKey]bool, len(routed))
	for _, k := range routed {
		have[normalKey(service, k)] = true
	}
	known := map[RouteKey]bool{}
	for _, op := range Operations(service) {
		key := normalKey(service, op.Key())
		known[key] = true
		report.All.Total++
		report.Tiers[op.Tier].Total++
		if have[key] {
			report.All.Routed++
			report.Tiers[op.Tier].Routed++
			continue
		}
		report.Missing = append(report.Missing, op)
	}
	for _, k := range routed {
		if !known[normalKey(service, k)] {
			report.Unknown = append(report.Unknown, k)
		}
	}
	slices.SortStableFunc(report.Missing, func(a, b Operation) int { return cmp.Compare(a.Tier, b.Tier) })
	return report
}

// prefixes are the version prefixes of the documented paths. The version
// document itself keeps its prefix, since "/" is another call.
var prefixes = map[string]string{
	"keystone": "/v3", "nova": "/v2.1", "cinder": "/v3", "glance": "/v2", "neutron": "/v2.0", "swift": "/v1",
}

var parameter = regexp.MustCompile(`\{[^}]*\}`)

func normalKey(service string, k RouteKey) RouteKey {
	return RouteKey{k.Method, NormalPath(service, k.Path), k.Action}
}

// NormalPath spells a documented or routed path so that equal calls are equal
// text: parameters become "{}", version prefix and project id go.
func NormalPath(service, path string) string {
	project := (service == "cinder" || service == "nova") && strings.Contains(path, "{project_id}")
	if prefix := prefixes[service]; prefix != "" {
		if rest, ok := strings.CutPrefix(path, prefix+"/"); ok && rest != "" {
			path = "/" + rest
		}
		if project {
			if rest, ok := strings.CutPrefix(path, "/{project_id}/"); ok && rest != "" {
				path = "/" + rest
			}
		}
	}
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	if service == "neutron" {
		path = dashes(path)
	}
	return parameter.ReplaceAllString(path, "{}")
}

func dashes(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if !strings.HasPrefix(s, "{") {
			segments[i] = strings.ReplaceAll(s, "_", "-")
		}
	}
	return strings.Join(segments, "/")
}
