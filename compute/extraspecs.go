package compute

import (
	_ "embed"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"altostack/kernel/fault"
)

// extraSpecsTSV lists the extra specs that Nova knows: a pattern of the name, the
// kind of the value, and which values are allowed (int: least..most; enum: words;
// pattern: a regular expression of the whole).
//
//go:embed extraspecs.tsv
var extraSpecsTSV string

type specRule struct {
	name    *regexp.Regexp
	kind    string
	allowed string
	form    *regexp.Regexp // of a value, for kind pattern
}

type specRules struct {
	rules  []specRule
	spaces []*regexp.Regexp // what may stand before the first colon of known names
}

func whole(pattern string) *regexp.Regexp { return regexp.MustCompile("^(?:" + pattern + ")$") }

var extraSpecs = sync.OnceValue(func() specRules {
	var out specRules
	seen := map[string]bool{}
	for _, line := range strings.Split(strings.TrimRight(extraSpecsTSV, "\n"), "\n")[1:] {
		f := strings.Split(line, "\t")
		r := specRule{name: whole(f[0]), kind: f[1], allowed: f[2]}
		if r.kind == "pattern" {
			r.form = whole(r.allowed)
		}
		out.rules = append(out.rules, r)
		if space, _, has := strings.Cut(f[0], ":"); has && !seen[space] {
			seen[space] = true
			out.spaces = append(out.spaces, whole(space))
		}
	}
	return out
})

// CheckExtraSpec refuses a value that an extra spec known to Nova does not take,
// and an unknown name in one of its namespaces; names of others are free. The
// fault is rest.invalid_input. Source: Nova's extra spec validators, from 2.86.
func CheckExtraSpec(name, value string) error {
	known := extraSpecs()
	for _, r := range known.rules {
		if r.name.MatchString(name) {
			return r.check(name, value)
		}
	}
	space, _, has := strings.Cut(name, ":")
	if has && slices.ContainsFunc(known.spaces, func(s *regexp.Regexp) bool { return s.MatchString(space) }) {
		return badSpec(name, "extra spec '"+name+"' does not appear to be a valid extra spec.")
	}
	return nil
}

func badSpec(name, why string) error {
	return fault.New(fault.CodeRestInvalidInput, "Validation failed; %s", why).WithField(name)
}

func (r specRule) check(name, value string) error {
	switch r.kind {
	case "int":
		return r.checkInt(name, value)
	case "bool":
		switch strings.ToLower(strings.TrimSpace(value)) {
		case "1", "t", "true", "on", "y", "yes", "0", "f", "false", "off", "n", "no":
			return nil
		}
		return badSpec(name, "'"+value+"' is not a valid boolean-like value.")
	case "enum":
		words := strings.Split(r.allowed, "|")
		if !slices.Contains(words, value) {
			return badSpec(name, "'"+value+"' is not one of: "+strings.Join(words, ", ")+".")
		}
	case "pattern":
		if !r.form.MatchString(value) {
			return badSpec(name, "'"+value+"' is not of the format '"+r.allowed+"'.")
		}
	}
	return nil
}

func (r specRule) checkInt(name, value string) error {
	n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
	if err != nil {
		return badSpec(name, "'"+value+"' is not a valid integer value.")
	}
	least, most, _ := strings.Cut(r.allowed, "..")
	if l, err := strconv.ParseInt(least, 10, 64); err == nil && n < l {
		return badSpec(name, "'"+value+"' is less than the min value of '"+least+"'.")
	}
	if m, err := strconv.ParseInt(most, 10, 64); err == nil && n > m {
		return badSpec(name, "'"+value+"' is greater than the max value of '"+most+"'.")
	}
	return nil
}
