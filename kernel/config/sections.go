package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// sections are the parts of the file that the operator names: [federation.acme].
// They stand in the file only.
var sections = map[string][]Key{
	"federation": {
		{Name: "issuer", Meaning: "address of the identity provider, exactly as in its tokens"},
		{Name: "client_id", Meaning: "what the provider knows this cloud as"},
		{Name: "client_secret_file", Meaning: "file with the secret for it; none: a public client"},
		{Name: "scopes", Default: "openid profile email", Meaning: "what a login by browser asks for, with spaces or as a list"},
		{Name: "audience", Meaning: "further audiences and clients whose tokens are taken, with spaces or as a list"},
		{Name: "userinfo", Default: "false", Meaning: "add the claims of the provider's userinfo endpoint", check: boolean},
		{Name: "opaque", Default: "introspection", Meaning: "what to do with tokens that are not signed: introspection, userinfo or refuse; userinfo cannot tell for whom a token was made", check: oneOf("introspection", "userinfo", "refuse")},
		{Name: "ca_file", Meaning: "file with the authority that signed the provider's certificate; none: those of the machine"},
	},
}

// Section is one part of the file that the operator named.
type Section struct {
	Name   string
	values map[string]string
}

// String answers a setting of the section.
func (s Section) String(name string) string { return s.values[name] }

// List answers a setting that holds several texts.
func (s Section) List(name string) []string { return strings.Fields(s.values[name]) }

// Bool answers a setting that is true or false.
func (s Section) Bool(name string) bool { return s.values[name] == "true" }

// Sections answers the parts of a kind, by name.
func (c *Config) Sections(kind string) []Section {
	var out []Section
	for _, name := range slices.Sorted(maps.Keys(c.sections[kind])) {
		out = append(out, c.sections[kind][name])
	}
	return out
}

// section reads all parts of a kind.
func (c *Config) section(kind string, v any, origin string) error {
	parts, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("%s: %s needs sections: [%s.NAME]", origin, kind, kind)
	}
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		settings, ok := parts[name].(map[string]any)
		if !ok {
			return fmt.Errorf("%s: %s.%s is not a section: [%s.NAME]", origin, kind, name, kind)
		}
		s := Section{Name: name, values: map[string]string{}}
		for _, k := range sections[kind] {
			s.values[k.Name] = k.Default
		}
		for _, setting := range slices.Sorted(maps.Keys(settings)) {
			if err := s.set(kind, setting, settings[setting]); err != nil {
				return fmt.Errorf("%s: %w", origin, err)
			}
		}
		if c.sections == nil {
			c.sections = map[string]map[string]Section{}
		}
		if c.sections[kind] == nil {
			c.sections[kind] = map[string]Section{}
		}
		c.sections[kind][name] = s
		c.show(kind, s, origin)
	}
	return nil
}

func (s Section) set(kind, name string, v any) error {
	i := slices.IndexFunc(sections[kind], func(k Key) bool { return k.Name == name })
	if i < 0 {
		return fmt.Errorf("[%s.%s]: there is no setting %q", kind, s.Name, name)
	}
	text := fmt.Sprint(v)
	if list, several := v.([]any); several {
		var parts []string
		for _, e := range list {
			parts = append(parts, fmt.Sprint(e))
		}
		text = strings.Join(parts, " ")
	}
	if check := sections[kind][i].check; check != nil {
		if err := check(text); err != nil {
			return fmt.Errorf("[%s.%s] %s = %q: %w", kind, s.Name, name, text, err)
		}
	}
	s.values[name] = text
	return nil
}

// show lists a section among the values in force; its secrets are in files.
func (c *Config) show(kind string, s Section, origin string) {
	for _, k := range sections[kind] {
		k.Name = kind + "." + s.Name + "." + k.Name
		short := k.Name[strings.LastIndex(k.Name, ".")+1:]
		c.named = append(c.named, Value{k, s.values[short], origin})
	}
}
