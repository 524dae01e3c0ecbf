// Package microversion is the version of an API that one request is answered
// in: read from the header, checked against what the service speaks, carried on
// the context and echoed in the answer. Facts: the API SIG's microversion
// specification, and each service's own differences in shared errors.md.
package microversion

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"altostack/kernel/fault"
)

// Version is MAJOR.MINOR. The zero value is "no version", older than all.
type Version struct{ Major, Minor int }

// V makes a version; V(2, 37) is 2.37.
func V(major, minor int) Version { return Version{major, minor} }

// Parse reads MAJOR.MINOR.
func Parse(s string) (Version, bool) {
	major, minor, ok := strings.Cut(s, ".")
	a, err1 := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	if !ok || err1 != nil || err2 != nil || a < 1 || b < 0 || strconv.Itoa(a) != major || strconv.Itoa(b) != minor {
		return Version{}, false
	}
	return Version{a, b}, true
}

// Must is Parse for constants.
func Must(s string) Version {
	v, ok := Parse(s)
	if !ok {
		panic("microversion: " + s)
	}
	return v
}

// String spells it as headers do.
func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// IsZero reports whether there is no version.
func (v Version) IsZero() bool { return v == Version{} }

// AtLeast reports whether v is min or newer.
func (v Version) AtLeast(min Version) bool {
	return v.Major > min.Major || v.Major == min.Major && v.Minor >= min.Minor
}

// Before reports whether v is older than other.
func (v Version) Before(other Version) bool { return !v.AtLeast(other) }

// Range is what a service speaks, and how its clients ask.
type Range struct {
	Service  string // as in the header: compute, volume, placement
	Min, Max Version
	Legacy   string // Nova's older header, X-OpenStack-Nova-API-Version; empty elsewhere
}

// Header is the name of the header that carries versions.
const Header = "OpenStack-API-Version"

// Negotiate reads the version that a request asks for; Min where it asks for none.
func (r Range) Negotiate(h http.Header) (Version, error) {
	asked := r.asked(h)
	switch {
	case asked == "":
		return r.Min, nil
	case strings.EqualFold(asked, "latest"):
		return r.Max, nil
	}
	v, ok := Parse(asked)
	if !ok {
		return r.Min, fault.New(fault.CodeMicroversionMalformed,
			"API Version String %s is of invalid format. Must be of format MajorNum.MinorNum.", asked)
	}
	if v.Before(r.Min) || !r.Max.AtLeast(v) {
		return r.Min, fault.New(fault.CodeMicroversionUnsupported,
			"Version %s is not supported by the API. Minimum is %s and maximum is %s.", v, r.Min, r.Max).
			WithExtra("max_version", r.Max.String()).WithExtra("min_version", r.Min.String())
	}
	return v, nil
}

// asked finds the service's own entry among possibly several of a header.
func (r Range) asked(h http.Header) string {
	for _, line := range h.Values(Header) {
		for entry := range strings.SplitSeq(line, ",") {
			name, version, ok := strings.Cut(strings.TrimSpace(entry), " ")
			if ok && strings.EqualFold(name, r.Service) {
				return strings.TrimSpace(version)
			}
		}
	}
	if r.Legacy != "" {
		return strings.TrimSpace(h.Get(r.Legacy))
	}
	return ""
}

// Echo writes the version answered in, as each service does.
func (r Range) Echo(h http.Header, v Version) {
	h.Set(Header, r.Service+" "+v.String())
	h.Add("Vary", Header)
	if r.Legacy != "" {
		h.Set(r.Legacy, v.String())
		h.Add("Vary", r.Legacy)
	}
}

type key struct{}

// With puts the version of a request on its context.
func With(ctx context.Context, v Version) context.Context { return context.WithValue(ctx, key{}, v) }

// From answers the request's version; zero for a service without versions.
func From(ctx context.Context) Version {
	v, _ := ctx.Value(key{}).(Version)
	return v
}
