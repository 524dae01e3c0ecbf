package contract

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Attribute is one attribute of a Neutron resource, from the resource
// attribute maps of the API definitions.
type Attribute struct {
	Name      string
	Extension string // alias of the extension that adds it; "router" and the like for core
	Resource  string // collection name ("networks"), or parent/collection for a sub-resource

	AllowPost bool // may stand in a create request
	AllowPut  bool // may stand in an update request

	// HasDefault is false when a create request must give the attribute.
	// Default is the value otherwise; Specified is false when the attribute
	// then stays unset and out of the stored resource.
	HasDefault bool
	Default    any
	Specified  bool

	Validate  []Validator
	ConvertTo string // "boolean", "int", "none_to_empty_list" ...; empty for none

	Visible          bool // shown in answers
	Filter           bool // may be a query filter
	SortKey          bool // may be a sort_key
	RequiredByPolicy bool // rules look at it, so it is read even if not asked for
	EnforcePolicy    bool // setting it asks the rule <action>_<resource>:<attribute>
	PrimaryKey       bool
}

// Required reports whether a create request must give the attribute.
func (a Attribute) Required() bool { return a.AllowPost && !a.HasDefault }

// Validator is one check of a value: Type is the part after "type:" in
// Neutron's own tables, Arg its argument as JSON decodes it (float64, string,
// []any, map[string]any, or nil for none).
type Validator struct {
	Type string
	Arg  any
}

// Extension is one entry of GET /v2.0/extensions that Neutron can load.
type Extension struct {
	Alias      string
	Adds       string
	Attributes string
	Requires   []string
	ProvidedBy string // project that ships it
	Tier       int
}

//go:embed neutron_attributes.tsv
var neutronAttributesTSV string

//go:embed neutron_extensions.tsv
var neutronExtensionsTSV string

var neutronAttributes = sync.OnceValue(func() map[string][]Attribute {
	byResource := map[string][]Attribute{}
	for c := range rows(neutronAttributesTSV, 14) {
		a := parseAttribute(c)
		byResource[a.Resource] = append(byResource[a.Resource], a)
	}
	standard := byResource["*"]
	delete(byResource, "*")
	for resource, list := range byResource {
		byResource[resource] = withStandard(resource, list, standard)
	}
	return byResource
})

// NeutronAttributes returns the attributes of a collection ("networks",
// "policies/bandwidth_limit_rules"), the standard ones it carries included, in
// a fixed order; nil for a collection there is not.
func NeutronAttributes(resource string) []Attribute { return neutronAttributes()[resource] }

// NeutronResources returns the names that [NeutronAttributes] knows, sorted.
func NeutronResources() []string {
	var names []string
	for name := range neutronAttributes() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// NeutronExtensions returns every extension of the release, by alias.
func NeutronExtensions() []Extension { return neutronExtensions() }

var neutronExtensions = sync.OnceValue(func() []Extension {
	var list []Extension
	for c := range rows(neutronExtensionsTSV, 6) {
		e := Extension{Alias: c[0], Adds: c[1], Attributes: c[2], ProvidedBy: c[4], Tier: int(c[5][0] - '0')}
		if c[3] != "" {
			e.Requires = strings.Split(c[3], ",")
		}
		list = append(list, e)
	}
	return list
})

// standardResources carry description, revision_number and the timestamps;
// true means tags as well (the models with tag support).
var standardResources = map[string]bool{
	"networks": true, "subnets": true, "ports": true, "subnetpools": true, "routers": true,
	"floatingips": true, "security_groups": true, "policies": true, "trunks": true,
	"network_segment_ranges": true,

	"security_group_rules": false, "address_groups": false, "segments": false, "logs": false,
	"local_ips": false, "ndp_proxies": false,
}

func withStandard(resource string, list, standard []Attribute) []Attribute {
	tags, carries := standardResources[resource]
	if !carries {
		return list
	}
	for _, a := range standard {
		own := slices.ContainsFunc(list, func(o Attribute) bool { return o.Name == a.Name })
		if own || a.Name == "tags" && !tags {
			continue
		}
		a.Resource = resource
		list = append(list, a)
	}
	return list
}

func parseAttribute(c []string) Attribute {
	a := Attribute{
		Extension: c[0], Resource: c[1], Name: c[2],
		AllowPost: c[3] == "true", AllowPut: c[4] == "true",
		Visible: c[8] == "true", Filter: c[9] == "true",
		// Neutron reads a missing is_sort_key as false, like the others.
		SortKey: c[10] == "true", RequiredByPolicy: c[11] == "true",
		EnforcePolicy: c[12] == "true", PrimaryKey: c[13] == "true",
	}
	a.Default, a.HasDefault, a.Specified = parseDefault(c[5])
	a.ConvertTo = strings.TrimPrefix(strings.Trim(c[7], "<>"), "convert_")
	a.ConvertTo = strings.TrimPrefix(a.ConvertTo, "to_")
	a.Validate = parseValidators(c[6], a)
	return a
}

// parseDefault reads the default column: JSON, or a bare word, or nothing.
func parseDefault(cell string) (v any, has, specified bool) {
	switch cell {
	case "":
		return nil, false, false
	case "<not_specified>":
		return nil, true, false
	}
	if json.Unmarshal([]byte(cell), &v) != nil {
		v = cell
	}
	return v, true, true
}

func parseValidators(cell string, a Attribute) []Validator {
	if cell == "" {
		return nil
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(cell), &m); err != nil {
		panic(fmt.Sprintf("contract: validators of %s.%s: %v", a.Resource, a.Name, err))
	}
	var list []Validator
	for key, arg := range m {
		list = append(list, Validator{strings.TrimPrefix(key, "type:"), knownSize(arg, a)})
	}
	slices.SortFunc(list, func(x, y Validator) int { return strings.Compare(x.Type, y.Type) })
	return list
}

// knownSize fills in the limits that Neutron takes from its database columns.
func knownSize(arg any, a Attribute) any {
	switch arg {
	case "<Flex>":
		return float64(255) // every such column is VARCHAR(255)
	case "<dict_keys>":
		if a.Resource == "routers/conntrack_helpers" {
			return []any{"tcp", "udp", "dccp", "ipv6-icmp", "icmp", "sctp"}
		}
		return []any{"tcp", "udp"}
	}
	return arg
}
