package api

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/kernel/microversion"
	"altostack/placement"
)

func bad(format string, args ...any) error {
	return fault.New(fault.CodePlacementInvalid, format, args...)
}

func badQuery(format string, args ...any) error {
	return fault.New(fault.CodePlacementBadQuery, format, args...)
}

var (
	groupKey    = regexp.MustCompile(`^(resources|required|member_of|in_tree)([1-9][0-9]*)?$`)
	groupKey133 = regexp.MustCompile(`^(resources|required|member_of|in_tree)([a-zA-Z0-9_-]{1,64})?$`)
)

// v is 1.minor; the tables below say since which minor a parameter may stand.
func v(minor int) microversion.Version { return microversion.V(1, minor) }

var candidateParams = map[string]int{"resources": 10, "limit": 16, "required": 17, "member_of": 21, "group_policy": 25,
	"in_tree": 31, "root_required": 35, "same_subtree": 36}

var providerParams = map[string]int{"name": 0, "uuid": 0, "member_of": 3, "resources": 4, "in_tree": 14, "required": 18}

func unexpected(name string) error {
	return bad("Invalid query string parameters: Additional properties are not allowed ('%s' was unexpected)", name)
}

// askOf reads the parameters of a search for candidates.
func askOf(q url.Values, ver microversion.Version) (placement.Ask, error) {
	ask := placement.Ask{Nested: ver.AtLeast(v(29))}
	groups, err := groupsOf(q, ver)
	if err != nil {
		return ask, err
	}
	if q.Has("limit") {
		n, err := strconv.Atoi(q.Get("limit"))
		if err != nil || n < 1 {
			return ask, bad("Invalid query string parameters: '%s' does not match '^[1-9][0-9]*$'", q.Get("limit"))
		}
		ask.Limit = n
	}
	if err := wide(&ask, q); err != nil {
		return ask, err
	}
	if err := checkGroups(ask, groups, ver); err != nil {
		return ask, err
	}
	suffixed := 0
	for _, g := range groups {
		ask.Groups = append(ask.Groups, *g)
		if g.Suffix != "" {
			suffixed++
		}
	}
	slices.SortFunc(ask.Groups, func(a, b placement.Group) int { return cmp.Compare(a.Suffix, b.Suffix) })
	switch policy := q.Get("group_policy"); {
	case policy != "" && policy != "none" && policy != "isolate":
		return ask, bad("Invalid query string parameters: '%s' is not one of ['none', 'isolate']", policy)
	case policy == "" && suffixed > 1:
		return ask, bad(`The "group_policy" parameter is required when specifying more than one "resources{N}" parameter.`)
	}
	ask.Isolate = q.Get("group_policy") == "isolate"
	return ask, nil
}

// wide reads what concerns the search as a whole.
func wide(ask *placement.Ask, q url.Values) error {
	if list := q["root_required"]; len(list) > 1 {
		return fault.New(fault.CodePlacementDuplicateQuery, "Query parameter 'root_required' may be specified only once.")
	} else if len(list) == 1 {
		required, forbidden, err := traits(list[0], v(22))
		if err != nil {
			return err
		}
		ask.RootRequired, ask.RootForbidden = slices.Concat(required...), forbidden
		for _, t := range ask.RootRequired {
			if slices.Contains(forbidden, t) {
				return badQuery("Conflicting required and forbidden traits found in root_required: %s", t)
			}
		}
	}
	for _, list := range q["same_subtree"] {
		var set []string
		for s := range strings.SplitSeq(list, ",") {
			if s = strings.TrimSpace(s); s == "" {
				return badQuery("Empty string (unsuffixed group) can not be specified in `same_subtree` ")
			}
			set = append(set, s)
		}
		ask.SameSubtree = append(ask.SameSubtree, set)
	}
	return nil
}

func groupsOf(q url.Values, ver microversion.Version) (map[string]*placement.Group, error) {
	pattern := groupKey
	if ver.AtLeast(v(33)) {
		pattern = groupKey133
	}
	groups := map[string]*placement.Group{}
	for name, values := range q {
		if since, known := candidateParams[name]; known && ver.Before(v(since)) {
			return nil, unexpected(name)
		}
		m := pattern.FindStringSubmatch(name)
		if m == nil {
			if _, known := candidateParams[name]; !known {
				return nil, unexpected(name)
			}
			continue
		}
		if m[2] != "" && (ver.Before(v(25)) || ver.Before(v(candidateParams[m[1]]))) {
			return nil, unexpected(name)
		}
		g := groups[m[2]]
		if g == nil {
			g = &placement.Group{Suffix: m[2]}
			groups[m[2]] = g
		}
		if err := read(g, m[1], m[2], values, ver); err != nil {
			return nil, err
		}
	}
	return groups, nil
}

// read reads one parameter into its group.
func read(g *placement.Group, kind, suffix string, values []string, ver microversion.Version) error {
	last := values[len(values)-1]
	var err error
	switch kind {
	case "resources":
		g.Resources, err = resources(last)
	case "required":
		if ver.Before(v(39)) {
			values = values[len(values)-1:] // repeated, the last one counted
		}
		for _, value := range values {
			required, forbidden, err := traits(value, ver)
			if err != nil {
				return err
			}
			g.Required, g.Forbidden = append(g.Required, required...), append(g.Forbidden, forbidden...)
		}
	case "member_of":
		g.MemberOf, g.NotMemberOf, err = aggregates(suffix, values, ver)
	case "in_tree":
		if g.InTree = strings.TrimSpace(last); !id.IsUUID(g.InTree) {
			err = bad("Invalid query string parameters: Expected 'in_tree' parameter to be a format of uuid. Got: %s", last)
		}
	}
	return err
}

func resources(text string) (map[string]int64, error) {
	const form = "Badly formed resources parameter. Expected resources query string parameter in form: ?resources=VCPU:2,MEMORY_MB:1024. Got: %s."
	if strings.TrimSpace(text) == "" {
		return nil, bad(form, "empty string")
	}
	out := map[string]int64{}
	for part := range strings.SplitSeq(text, ",") {
		class, amount, ok := strings.Cut(part, ":")
		if !ok || strings.Contains(amount, ":") {
			return nil, bad(form, part)
		}
		n, err := strconv.ParseInt(strings.TrimSpace(amount), 10, 64)
		if err != nil {
			return nil, bad("Requested resource %s expected positive integer amount. Got: %s.", class, amount)
		}
		if n < 1 {
			return nil, bad("Requested resource %s requires amount >= 1. Got: %d.", class, n)
		}
		out[class] = n
	}
	return out, nil
}

// traits reads A,!B or, from 1.39 on, in:A,B.
func traits(text string, ver microversion.Version) (required [][]string, forbidden []string, err error) {
	if rest, any := strings.CutPrefix(text, "in:"); any {
		if ver.Before(v(39)) {
			return nil, nil, bad("Invalid query string parameters: The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' only supported since microversion 1.39. Got: %s", text)
		}
		var set []string
		for t := range strings.SplitSeq(rest, ",") {
			t = strings.TrimSpace(t)
			switch {
			case t == "":
				return nil, nil, bad("Invalid query string parameters: Expected 'required' parameter value of the form: in:HW_CPU_X86_VMX,CUSTOM_MAGIC. Got an empty trait in: %s", text)
			case strings.HasPrefix(t, "!"):
				return nil, nil, bad("Invalid query string parameters: The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' does not support forbidden traits. Got: %s", text)
			}
			set = append(set, t)
		}
		return [][]string{set}, nil, nil
	}
	form := "HW_CPU_X86_VMX,!CUSTOM_MAGIC"
	if ver.Before(v(22)) {
		form = "HW_CPU_X86_VMX,CUSTOM_MAGIC"
	}
	for t := range strings.SplitSeq(text, ",") {
		t = strings.TrimSpace(t)
		name := strings.TrimLeft(t, "!")
		switch {
		case name == "":
			return nil, nil, bad("Invalid query string parameters: Expected 'required' parameter value of the form: %s. Got an empty trait in: %s", form, text)
		case name != t && ver.Before(v(22)):
			return nil, nil, bad("Invalid query string parameters: Expected 'required' parameter value of the form: %s. Got: %s", form, text)
		case name != t:
			forbidden = append(forbidden, name)
		default:
			required = append(required, []string{name})
		}
	}
	return required, forbidden, nil
}

func aggregates(suffix string, values []string, ver microversion.Version) (required [][]string, forbidden []string, err error) {
	if len(values) > 1 && ver.Before(v(24)) {
		return nil, nil, bad("Multiple member_of%s parameters are not supported", suffix)
	}
	for _, value := range values {
		rest, not := strings.CutPrefix(value, "!")
		list, in := strings.CutPrefix(rest, "in:")
		if strings.Contains(rest, ",") && !in {
			return nil, nil, bad("Multiple values for 'member_of' must be prefixed with the 'in:' or '!in:' keyword using the valid microversion. Got: %s", value)
		}
		set := strings.Split(list, ",")
		for _, a := range set {
			if !id.IsUUID(a) {
				return nil, nil, bad("Invalid query string parameters: Expected 'member_of' parameter to contain valid UUID(s). Got: %s", a)
			}
		}
		if !not {
			required = append(required, set)
			continue
		}
		if ver.Before(v(32)) {
			return nil, nil, bad("Forbidden member_of%s parameters are not supported in the specified microversion", suffix)
		}
		forbidden = append(forbidden, set...)
	}
	return required, forbidden, nil
}

// checkGroups refuses groups that ask for nothing, and contradictions.
func checkGroups(ask placement.Ask, groups map[string]*placement.Group, ver microversion.Version) error {
	var empty, conflicts []string
	for _, g := range groups {
		if len(g.Resources) == 0 {
			empty = append(empty, g.Suffix)
		}
		for _, any := range g.Required {
			if !slices.ContainsFunc(any, func(t string) bool { return !slices.Contains(g.Forbidden, t) }) {
				conflicts = append(conflicts, fmt.Sprintf("required%s: (%s)", g.Suffix, strings.Join(any, ", ")))
			}
		}
	}
	slices.Sort(empty)
	slices.Sort(conflicts)
	switch {
	case ver.AtLeast(v(36)):
		if err := checkSubtrees(ask, groups, empty); err != nil {
			return err
		}
	case len(groups) == 0:
		return bad("At least one request group (`resources` or `resources{$S}`) is required.")
	case len(empty) > 0:
		return orphan(groups[empty[0]])
	}
	if len(conflicts) > 0 {
		return bad("Conflicting required and forbidden traits found in the following traits keys: %s", strings.Join(conflicts, ", "))
	}
	return nil
}

func orphan(g *placement.Group) error {
	switch {
	case len(g.Required) > 0:
		return bad("All traits parameters must be associated with resources.  Found the following orphaned traits keys: required%s", g.Suffix)
	case len(g.MemberOf)+len(g.NotMemberOf) > 0:
		return bad("All member_of parameters must be associated with resources. Found the following orphaned member_of keys: member_of%s", g.Suffix)
	}
	return bad("All request groups must specify resources.")
}

func checkSubtrees(ask placement.Ask, groups map[string]*placement.Group, empty []string) error {
	if len(empty) == len(groups) {
		return fault.New(fault.CodePlacementMissingQuery, "There must be at least one resources or resources[$S] parameter.")
	}
	named := slices.Concat(ask.SameSubtree...)
	for _, s := range empty {
		if !slices.Contains(named, s) {
			return badQuery("Resourceless suffixed group request should be specified in `same_subtree` query param: bad group(s) - ['%s'].", s)
		}
	}
	for _, s := range named {
		if groups[s] == nil {
			return badQuery("Real suffixes should be specified in `same_subtree`: %s not found.", s)
		}
	}
	return nil
}
