package mapping

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// Assertion is what an identity provider says of a user, by attribute. An empty
// value says nothing, and an attribute of none is absent.
type Assertion map[string][]string

// Text reads attributes as a web server hands them on: several values in one
// text, divided by semicolons.
func Text(attributes map[string]string) Assertion {
	a := Assertion{}
	for name, text := range attributes {
		a.set(name, strings.Split(text, ";"))
	}
	return a
}

// Claims reads the claims of a token. Each stands under OIDC-<claim>, and under
// HTTP_OIDC_<CLAIM> where no other claim differs from it in case only. The values
// of a list are its values; a text is one value, whatever it holds. Truth is 1 or
// 0, as Apache's module has it, and an object its JSON text.
func Claims(claims map[string]any) Assertion {
	a := Assertion{}
	folded := map[string]int{}
	for name := range claims {
		folded[environment(name)]++
	}
	for name, v := range claims {
		values := claimValues(v)
		a.set("OIDC-"+name, values)
		if env := environment(name); folded[env] == 1 {
			a.set(env, values)
		}
	}
	return a
}

func (a Assertion) set(name string, values []string) {
	kept := slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
	if len(kept) > 0 {
		a[name] = kept
	}
}

func environment(claim string) string {
	return "HTTP_OIDC_" + strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || r == ' ' {
			return '_'
		}
		return r
	}, strings.ToUpper(claim))
}

func claimValues(v any) []string {
	list, several := v.([]any)
	if !several {
		return scalar(v)
	}
	var out []string
	for _, e := range list {
		out = append(out, scalar(e)...)
	}
	return out
}

func scalar(v any) []string {
	switch x := v.(type) {
	case nil:
		return nil
	case string:
		return []string{x}
	case bool:
		if x {
			return []string{"1"}
		}
		return []string{"0"}
	case json.Number:
		return []string{x.String()}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil
	}
	return []string{strings.TrimSuffix(b.String(), "\n")}
}
