package schema

import (
	"encoding/json"
	"math/big"
	"regexp"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

const schemaURL = "mem:request"

// compile turns the text of one schema into a validator with the formats and
// habits of the service.
func compile(service, text string) (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.AssertVocabs()
	c.UseRegexpEngine(compileRegexp)
	for _, f := range formats(service) {
		c.RegisterFormat(f)
	}
	if service == "nova" || service == "cinder" || service == "keystone" {
		c.RegisterVocabulary(textNumbers)
	}
	if err := c.AddResource(schemaURL, doc); err != nil {
		return nil, err
	}
	return c.Compile(schemaURL)
}

// pythonOnly are the patterns that Go's engine has no words for, with a
// pattern that accepts the same texts.
var pythonOnly = map[string]string{
	`^(?! )[a-zA-Z0-9. _-]+(?<! )$`: `^[a-zA-Z0-9._-]([a-zA-Z0-9. _-]*[a-zA-Z0-9._-])?$`,
}

// pattern is a compiled expression that still shows the text of the schema,
// because that text stands in the message.
type pattern struct {
	*regexp.Regexp
	text string
}

func (p pattern) String() string { return p.text }

func compileRegexp(text string) (jsonschema.Regexp, error) {
	expr := text
	if plain, ok := pythonOnly[text]; ok {
		expr = plain
	}
	re, err := regexp.Compile(expr)
	return pattern{re, text}, err
}

// textNumbers makes minimum and maximum hold for numbers that come as text
// ("10"), as Nova, Cinder and Keystone extend their validators.
var textNumbers = &jsonschema.Vocabulary{
	URL:     "mem:text-numbers",
	Compile: compileTextNumbers,
}

type textRange struct{ min, max *big.Rat }

func compileTextNumbers(_ *jsonschema.CompilerContext, obj map[string]any) (jsonschema.SchemaExt, error) {
	r := textRange{rational(obj["minimum"]), rational(obj["maximum"])}
	if r.min == nil && r.max == nil {
		return nil, nil
	}
	return r, nil
}

func rational(v any) *big.Rat {
	n, ok := v.(json.Number)
	if !ok {
		return nil
	}
	r, ok := new(big.Rat).SetString(n.String())
	if !ok {
		return nil
	}
	return r
}

func (r textRange) Validate(ctx *jsonschema.ValidatorContext, v any) {
	s, ok := v.(string)
	if !ok || len(s) > 64 || strings.ContainsAny(s, "/eEpPxX") {
		return
	}
	n, ok := new(big.Rat).SetString(strings.TrimSpace(s))
	if !ok {
		return
	}
	if r.min != nil && n.Cmp(r.min) < 0 {
		ctx.AddError(&kind.Minimum{Got: n, Want: r.min})
	}
	if r.max != nil && n.Cmp(r.max) > 0 {
		ctx.AddError(&kind.Maximum{Got: n, Want: r.max})
	}
}
