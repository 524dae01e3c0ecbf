package rest

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// tree finds routes by path. net/http's ServeMux refuses pairs of patterns that
// OpenStack really has (/servers/detail beside /{project_id}/servers), so this is
// a plain trie in which a literal beats a parameter.
type tree struct {
	literal map[string]*tree
	param   *tree
	routes  []*bound
}

// bound is a route with the names of its parameters, in path order.
type bound struct {
	Route
	names   []string
	observe observer
}

func (t *tree) add(r *bound) {
	for seg := range strings.SplitSeq(strings.Trim(r.Path, "/"), "/") {
		switch {
		case strings.HasPrefix(seg, "{") && strings.HasSuffix(seg, "}"):
			r.names = append(r.names, strings.Trim(seg, "{}"))
			if t.param == nil {
				t.param = &tree{}
			}
			t = t.param
		default:
			if t.literal == nil {
				t.literal = map[string]*tree{}
			}
			if t.literal[seg] == nil {
				t.literal[seg] = &tree{}
			}
			t = t.literal[seg]
		}
	}
	t.routes = append(t.routes, r)
}

// find answers the routes of a path and the values of its parameters.
func (t *tree) find(segs []string, values []string) ([]*bound, []string) {
	if len(segs) == 0 {
		return t.routes, values
	}
	if next := t.literal[segs[0]]; next != nil {
		if found, v := next.find(segs[1:], values); found != nil {
			return found, v
		}
	}
	if t.param != nil && segs[0] != "" {
		return t.param.find(segs[1:], append(values, segs[0]))
	}
	return nil, nil
}

// segments splits an escaped path; a %2F inside a segment stays in it.
func segments(escaped string) ([]string, error) {
	segs := strings.Split(strings.Trim(escaped, "/"), "/")
	for i, s := range segs {
		if !strings.Contains(s, "%") {
			continue
		}
		u, err := url.PathUnescape(s)
		if err != nil {
			return nil, err
		}
		if !isText(u) {
			return nil, errors.New("a part of the path is not text")
		}
		segs[i] = u
	}
	return segs, nil
}

func allowed(routes []*bound, headToo bool) string {
	var methods []string
	for _, r := range routes {
		methods = append(methods, r.Method)
		if headToo && r.Method == "GET" {
			methods = append(methods, "HEAD")
		}
	}
	slices.Sort(methods)
	return strings.Join(slices.Compact(methods), ", ")
}

// overlap says whether two routes would answer the same request.
func overlap(routes []Route) error {
	seen := map[string]Route{}
	for _, r := range routes {
		key := r.Method + " " + r.Path + " " + r.Action + " " + r.Min.String()
		if _, twice := seen[key]; twice {
			return fmt.Errorf("rest: route %s %s %s stands twice", r.Method, r.Path, r.Action)
		}
		seen[key] = r
	}
	return nil
}
