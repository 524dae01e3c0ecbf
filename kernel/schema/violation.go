package schema

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// Violation is the one reason that a request is refused for: the first that
// the original would find.
type Violation struct {
	Service string
	Kind    string   // the keyword: "type", "required", "additionalProperties", "format" ...
	Field   string   // last name of Path, or empty for the body itself
	Path    []string // from the body's root to the value at fault
	Value   any      // the value at fault
	Reason  string   // "'x' is a required property"
	Query   bool     // the query string is at fault, not the body
	detail  string   // a message of the format's own, which replaces the usual one
	object  string   // Glance's name for what the schema describes
}

// newViolation picks the fault that comes first in the order in which the
// original walks: into the members before their owner's required and
// additional ones, members by name.
func newViolation(service, text string, err error, value any, query bool) *Violation {
	var tree *jsonschema.ValidationError
	if !errors.As(err, &tree) {
		return &Violation{Service: service, Kind: "json", Value: value, Reason: "the value is not JSON", Query: query}
	}
	leaves := collect(tree, nil)
	first := slices.MinFunc(leaves, byWalk)
	v := &Violation{Service: service, Query: query, Path: first.InstanceLocation}
	v.Value = redact(v.Path, at(value, v.Path))
	if n := len(v.Path); n > 0 {
		v.Field = v.Path[n-1]
		if query {
			v.Field = v.Path[0]
		}
	}
	v.Kind, v.Reason = describe(first, v.Value)
	if extra, ok := first.ErrorKind.(*kind.AdditionalProperties); ok {
		if patterns := patternsAt(text, first.SchemaURL); len(patterns) > 0 {
			v.Reason = unmatched(extra.Properties, patterns)
		}
	}
	if f, ok := first.ErrorKind.(*kind.Format); ok {
		var own detailError
		if errors.As(f.Err, &own) {
			v.detail = string(own)
		}
	}
	return v
}

// collect finds the faults that have a text of their own; groups and
// references only pass on what is below them.
func collect(e *jsonschema.ValidationError, into []*jsonschema.ValidationError) []*jsonschema.ValidationError {
	switch e.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.Reference, *kind.AllOf:
		for _, c := range e.Causes {
			into = collect(c, into)
		}
		return into
	}
	return append(into, e)
}

func byWalk(a, b *jsonschema.ValidationError) int {
	x, y := a.InstanceLocation, b.InstanceLocation
	for i := 0; i < len(x) && i < len(y); i++ {
		if c := compareSegments(x[i], y[i]); c != 0 {
			return c
		}
	}
	if c := cmp.Compare(len(y), len(x)); c != 0 {
		return c
	}
	return cmp.Compare(rank(a), rank(b))
}

func compareSegments(x, y string) int {
	n, err1 := strconv.Atoi(x)
	m, err2 := strconv.Atoi(y)
	if err1 == nil && err2 == nil {
		return cmp.Compare(n, m)
	}
	return strings.Compare(x, y)
}

// ranks is the order in which the original's schemas usually spell keywords.
var ranks = []string{
	"type", "enum", "const", "minLength", "maxLength", "pattern", "format", "minimum", "maximum",
	"minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "required", "additionalProperties",
}

func rank(e *jsonschema.ValidationError) int {
	i := slices.Index(ranks, keyword(e))
	if i < 0 {
		return len(ranks)
	}
	return i
}

func keyword(e *jsonschema.ValidationError) string {
	if path := e.ErrorKind.KeywordPath(); len(path) > 0 {
		return path[0]
	}
	return "not"
}

// secrets are members whose values must not come back in a message, since
// messages reach logs.
var secrets = map[string]bool{
	"password": true, "original_password": true, "adminPass": true, "secret": true, "passcode": true,
	"blob": true, "auth_password": true, "auth_key": true, "token": true, "user_data": true, "admin_pass": true,
	"private_key": true, "client_secret": true, "personality": true, "contents": true, "assertion": true,
}

// redact blanks a value that is a secret, or holds one. What stands under a
// secret's name is taken for one whatever its type: a password in a list is one.
func redact(path []string, v any) any {
	for _, seg := range path {
		if secrets[seg] && v != nil {
			return "***"
		}
	}
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = redact([]string{k}, e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = redact(nil, e)
		}
		return out
	}
	return v
}

// at follows a path that the validator itself reported.
func at(v any, path []string) any {
	for _, seg := range path {
		switch c := v.(type) {
		case map[string]any:
			v = c[seg]
		case []any:
			i, err := strconv.Atoi(seg)
			if err != nil || i >= len(c) {
				return nil
			}
			v = c[i]
		}
	}
	return v
}

// Message renders the violation as its service answers it.
func (v *Violation) Message() string {
	if v.detail != "" {
		return v.detail
	}
	switch v.Service {
	case "placement":
		if v.Query {
			return "Invalid query string parameters: " + v.Reason
		}
		return "JSON does not validate: " + v.Reason
	case "glance":
		return "Provided object does not match schema '" + v.object + "': " + v.Reason
	}
	if len(v.Path) == 0 {
		return v.Reason
	}
	what := "field/attribute "
	if v.Query {
		what = "query parameters "
	}
	return "Invalid input for " + what + v.Field + ". Value: " + clip(Str(v.Value)) + ". " + v.Reason
}

// maxText bounds one value in a message, in bytes: a body of megabytes must not
// come back in the answer and the log.
const maxText = 1024

func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + "..."
}

// Error makes a violation usable as the hidden cause of a fault.
func (v *Violation) Error() string { return v.Message() }
