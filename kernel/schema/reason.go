package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// describe words a fault as the validator of the original does and names its
// keyword.
func describe(e *jsonschema.ValidationError, value any) (keyword, reason string) {
	r := clip(Repr(value))
	switch k := e.ErrorKind.(type) {
	case *kind.Type:
		return "type", r + " is not of type " + quoted(typeOrder(k.Want))
	case *kind.Enum:
		return "enum", r + " is not one of " + Repr(k.Want)
	case *kind.Const:
		return "const", Repr(k.Want) + " was expected"
	case *kind.Required:
		return "required", Repr(k.Missing[0]) + " is a required property"
	case *kind.AdditionalProperties:
		return "additionalProperties", additional(k.Properties)
	case *kind.Format:
		return "format", r + " is not a " + Repr(k.Want)
	case *kind.Pattern:
		return "pattern", r + " does not match " + Repr(k.Want)
	case *kind.AnyOf:
		return "anyOf", r + " is not valid under any of the given schemas"
	case *kind.OneOf:
		if len(k.Subschemas) > 0 {
			return "oneOf", r + " is valid under more than one of the given schemas"
		}
		return "oneOf", r + " is not valid under any of the given schemas"
	case *kind.UniqueItems:
		return "uniqueItems", r + " has non-unique elements"
	case *kind.FalseSchema:
		return "false", "False schema does not allow " + r
	case *kind.DependentRequired:
		return "dependentRequired", Repr(k.Missing[0]) + " is a dependency of " + Repr(k.Prop)
	case *kind.Not:
		return "not", r + " is not allowed here"
	}
	if keyword, reason = sizes(e.ErrorKind, r); reason != "" {
		return keyword, reason
	}
	if keyword, reason = numbers(e.ErrorKind); reason != "" {
		return keyword, reason
	}
	return "schema", r + " is not valid here"
}

// typeOrder lists alternatives as the original's schemas do, which the validator
// has lost: null comes last, text before it.
func typeOrder(types []string) []string {
	order := []string{"boolean", "integer", "number", "array", "object", "string", "null"}
	return slices.DeleteFunc(order, func(t string) bool { return !slices.Contains(types, t) })
}

// sizes words the limits on lengths; the case of 1 reads better on its own.
func sizes(k jsonschema.ErrorKind, r string) (keyword, reason string) {
	switch k := k.(type) {
	case *kind.MinLength:
		return "minLength", r + least(k.Want, " is too short")
	case *kind.MaxLength:
		return "maxLength", r + most(k.Want, " is too long")
	case *kind.MinItems:
		return "minItems", r + least(k.Want, " is too short")
	case *kind.MaxItems:
		return "maxItems", r + most(k.Want, " is too long")
	case *kind.MinProperties:
		return "minProperties", r + least(k.Want, " does not have enough properties")
	case *kind.MaxProperties:
		return "maxProperties", r + most(k.Want, " has too many properties")
	}
	return "", ""
}

func least(want int, text string) string {
	if want == 1 {
		return " should be non-empty"
	}
	return text
}

func most(want int, text string) string {
	if want == 0 {
		return " is expected to be empty"
	}
	return text
}

func numbers(k jsonschema.ErrorKind) (keyword, reason string) {
	switch k := k.(type) {
	case *kind.Minimum:
		return "minimum", ratText(k.Got) + " is less than the minimum of " + ratText(k.Want)
	case *kind.Maximum:
		return "maximum", ratText(k.Got) + " is greater than the maximum of " + ratText(k.Want)
	case *kind.ExclusiveMinimum:
		return "exclusiveMinimum", ratText(k.Got) + " is less than or equal to the minimum of " + ratText(k.Want)
	case *kind.ExclusiveMaximum:
		return "exclusiveMaximum", ratText(k.Got) + " is greater than or equal to the maximum of " + ratText(k.Want)
	case *kind.MultipleOf:
		return "multipleOf", ratText(k.Got) + " is not a multiple of " + ratText(k.Want)
	}
	return "", ""
}

// additional words unknown members, all in one message and sorted.
func additional(names []string) string {
	verb := "was"
	if len(names) > 1 {
		verb = "were"
	}
	names = slices.Sorted(slices.Values(names))
	return fmt.Sprintf("Additional properties are not allowed (%s %s unexpected)", clip(quoted(names)), verb)
}

// unmatched words unknown members of an object whose names have to match.
func unmatched(names, patterns []string) string {
	verb := "does"
	if len(names) > 1 {
		verb = "do"
	}
	names = slices.Sorted(slices.Values(names))
	return fmt.Sprintf("%s %s not match any of the regexes: %s", clip(quoted(names)), verb, quoted(patterns))
}

// patternsAt finds the name patterns of the schema that a fault names by URL;
// the validator does not say them.
func patternsAt(text, schemaURL string) []string {
	_, pointer, _ := strings.Cut(schemaURL, "#")
	var schema any
	if json.Unmarshal([]byte(text), &schema) != nil {
		return nil
	}
	var path []string
	for _, seg := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		if plain, err := url.PathUnescape(seg); err == nil && pointer != "" {
			path = append(path, strings.NewReplacer("~1", "/", "~0", "~").Replace(plain))
		}
	}
	object, _ := at(schema, path).(map[string]any)
	patterns, _ := object["patternProperties"].(map[string]any)
	return slices.Sorted(maps.Keys(patterns))
}

func quoted(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = Repr(s)
	}
	return strings.Join(out, ", ")
}
